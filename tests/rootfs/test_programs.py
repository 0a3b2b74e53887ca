"""Debian's programs, unmodified: the same output as natively, whatever memory and reverse map."""

from __future__ import annotations

import fcntl
import hashlib
import os
import subprocess
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.rootfs.guest import run
from vmemu.rmap import schemes

pytestmark = pytest.mark.rootfs

SWAPPED = 1000
"""Pages that go to swap at least where memory is little."""
ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "LC_ALL": "C"}


class Case(NamedTuple):
    """A command, and what it prints as far as that is known beforehand."""

    argv: tuple[str, ...]
    known: bytes = b""
    """Part of it."""
    little: str = "4M"
    """Memory in which it has to swap."""


def md5(lines: int, width: int = 0) -> bytes:
    """What md5sum says of the numbers from 1 on."""
    text = "".join(f"{number:0{width}}\n" for number in range(1, lines + 1))
    return f"{hashlib.md5(text.encode()).hexdigest()}  -\n".encode()


def sh(script: str) -> tuple[str, ...]:
    return ("/bin/sh", "-c", script)


_PYTHON = """
import hashlib, os, subprocess, threading
table = {number: str(number) * 3 for number in range(30000)}
print(hashlib.md5(repr(table).encode()).hexdigest())
print(subprocess.run(["/bin/echo", "x"], capture_output=True).stdout)
done = []
threads = [threading.Thread(target=done.append, args=(number,)) for number in range(8)]
[thread.start() for thread in threads], [thread.join() for thread in threads]
print(sorted(done))
if not os.fork():
    table.update((number, 0) for number in range(0, 30000, 7))
    os._exit(sum(map(bool, table.values())) % 256)
print(os.waitstatus_to_exitcode(os.wait()[1]))
"""
_PERL = """
my %h; $h{$_} = $_ * 2 for 1..30000; my $s = 0; $s += $h{$_} for keys %h; print "$s\\n";
print scalar(`/bin/echo hi`); $| = 1;
if (fork == 0) {
    $h{$_} = 0 for 1..15000; my $t = 0; $t += $h{$_} for keys %h; print "$t\\n"; exit 5
}
wait; print $? >> 8, "\\n";
"""
_BUSYBOX = """
seq 30000 | sort -r | sed s/1/x/ | awk '{ n += length($1) } END { print n, NR }'
cd /tmp; mkdir d; seq 100 > d/a; cp /bin/busybox d/b; tar cf d.tar d; gzip -k d.tar
mkdir e; tar xzf d.tar.gz -C e; cmp d/b e/d/b && md5sum e/d/a; find d e | sort | wc -l
rm -r d e d.tar d.tar.gz
"""
_BASH = """
s=$(printf %80s); for ((i = 0; i < 25000; i++)); do a[i]=item$i$s; done; echo ${#a[@]} ${a[24999]}
for i in 1 2 3; do echo $i | cat; done; (exit 3); echo $?; set -- $(seq 2000); echo $#
a=($(for i in {1..500}; do echo $i; done)); echo ${a[499]}; trap 'echo bye' EXIT
"""
_DASH = """
i=0; while [ $i -lt 20 ]; do x=$(echo $i | cat); i=$((i+1)); done; echo $x
x=12345678; i=0; while [ $i -lt 18 ]; do x=$x$x; i=$((i+1)); done; echo ${#x}
(x=${x}0; echo ${#x}); echo ${#x}
"""
_MEMTESTER = """
seq 800000 > /tmp/z; memtester 256K 1; md5sum < /tmp/z; rm /tmp/z
"""
_SORT = "seq -f %060.0f 30000 | sort -S 6M -R | sort -S 6M -n | md5sum"
_VI = """
seq 800000 > /data/z; busybox vi -c :q /data/z; rm /data/z
"""
_GCC = r"""
cd /data; printf '#include <stdio.h>\nint main(void)
{ int i, s = 0; for (i = 0; i < 1000; i++) s += i * i; printf("%%d\\n", s); return 3; }\n' > a.c
gcc -O1 a.c -o a && ./a; echo $?; rm a.c a
"""
_REDIS = """
cd /tmp; redis-server --port 0 --unixsocket /tmp/r.sock --dir /tmp --save '' --logfile /tmp/log \
    --enable-debug-command local &
ask() { redis-cli -s /tmp/r.sock "$@"; }
until [ -S r.sock ]; do sleep 0.1; done
for i in 1 2 3; do ask set k$i v$i; done; ask debug populate 20000; ask bgsave; ask get k2
while ! [ -f dump.rdb ]; do sleep 0.1; done; ask set k2 new; ask dbsize; ask get k2
ask shutdown nosave; wait; rm -f dump.rdb log r.sock; echo done
"""
_LUA = """
local t = {} for i = 1, 60000 do t[i] = tostring(i) end table.sort(t) print(t[1], t[60000], #t)
"""
_XZ = """
cd /data; seq 600000 | head -c 4000000 > a; xz -0 -T2 -k a; xz -dc -T2 a.xz | cmp - a && echo same
rm a a.xz
"""
_ZSTD = """
cd /data; seq 600000 | head -c 4000000 > a; zstd -q -T2 a; zstd -dc -q a.zst | cmp - a && echo same
rm a a.zst
"""
_SQLITE = """
pragma mmap_size = 4000000; pragma journal_mode = wal; create table t(a, b);
with recursive c(x) as (select 1 union all select x + 1 from c where x < 15000)
insert into t select x, hex(x * 7919) from c; create index i on t(b);
select count(*), sum(a) from t; pragma temp_store = memory;
create temp table m as select printf('%.*c', 300, a) as c from t;
select count(*), sum(length(c)) from m;
delete from t where a % 3 = 0; vacuum; pragma integrity_check;
select count(*) from t;
"""

DIGITS = sum(len(str(number)) for number in range(1, 30001))

RMAPS = ("anon_vma", "anonmm")
"""Under which everything runs."""

CASES = {
    "busybox": Case(
        ("/bin/busybox", "sh", "-c", _BUSYBOX), b"%d 30000\n" % DIGITS, "2M"
    ),
    "bash": Case(
        ("/bin/bash", "-c", _BASH), b"25000 item24999\n1\n2\n3\n3\n2000\n500\nbye\n", "1500K",
    ),
    "dash": Case(sh(_DASH), b"19\n2097152\n2097153\n2097152\n", "2M"),
    "perl": Case(("/usr/bin/perl", "-e", _PERL), b"900030000\nhi\n675015000\n5\n", "4M"),
    "python": Case(
        ("/usr/bin/python3", "-c", _PYTHON), b"b'x\\n'\n[0, 1, 2, 3, 4, 5, 6, 7]\n", "6M"
    ),
    "lua": Case(("/usr/bin/lua5.4", "-e", _LUA), b"1\t9999\t60000\n", "3M"),
    "sort": Case(sh(_SORT), md5(30000, 60), "3M"),
    "gcc": Case(sh(_GCC), b"332833500\n3\n", "5M"),
    "xz": Case(
        sh(_XZ),
        b"same\n", "6M",
    ),
    "zstd": Case(
        sh(_ZSTD),
        b"same\n", "6M",
    ),
    "sqlite": Case(
        ("/usr/bin/sqlite3", "/data/x.db", _SQLITE), b"15000|112507500\n15000|4500000\nok\n10000\n",
        "3M",
    ),
    "redis": Case(sh(_REDIS), b"v2\nOK\n20003\nnew\ndone\n", "5M"),
    "memtester": Case(sh(_MEMTESTER), b"Done.\n" + md5(800000), "2M"),
    "vi": Case(sh(_VI), b"\x1b[1;1H1\x1b[2;1H2", "2M"),
}  # fmt: skip
ALMOST = ("memtester", "redis")
"""Whose output has addresses, or sizes that depend on the host."""


def native(root: Path, case: Case) -> bytes | None:
    """What it prints in the root, or None where it cannot run there."""
    if os.getuid():
        return None
    with (root / "var/lib/vmemu/rootfs.json").open() as only:
        fcntl.flock(only, fcntl.LOCK_EX)  # one program at a time writes in it
        for data in (root / "data").iterdir():
            data.unlink()
        return subprocess.run(
            ["chroot", root, *case.argv],
            env=ENVIRONMENT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            check=False,
            timeout=120,
        ).stdout


def here(
    root: Path, directory: Path, case: Case, bits: int, rmap: str, ram: str
) -> tuple[bytes, int]:
    """What it prints, with a directory of the host as /data, and how many pages went to swap."""
    machine = {"bits": bits, "rmap": rmap, "ram": ram, "swap": "64M"}
    ran = run(root, case.argv, ENVIRONMENT, binds=[f"{directory}:/data:rw"], **machine)
    return ran.output, ran.swapped


@pytest.mark.slow
@pytest.mark.parametrize("bits", [32, 64])
@pytest.mark.parametrize("name", CASES)
def test_as_natively(roots: dict[int, Path], tmp_path: Path, name: str, bits: int) -> None:
    """With much memory under one scheme, with little under another."""
    case, root = CASES[name], roots[bits]
    expected = native(root, case)
    outputs = []
    for rmap, ram in zip(RMAPS, ("64M", case.little), strict=True):
        directory = tmp_path / rmap
        directory.mkdir()
        out, swapped = here(root, directory, case, bits, rmap, ram)
        assert case.known in out, (rmap, ram)
        if ram == case.little:
            assert swapped >= SWAPPED
        outputs.append(out)
    if name not in ALMOST:
        assert outputs[0] == outputs[1]
        if expected is not None:
            assert outputs[0] == expected


OTHERS = [name for name in schemes() if name not in RMAPS]
CHEAP = ("busybox", "bash", "perl", "lua", "sqlite")


@pytest.mark.slow
@pytest.mark.parametrize("name", CHEAP)
@pytest.mark.parametrize("rmap", OTHERS)
def test_under_each_scheme(roots: dict[int, Path], tmp_path: Path, rmap: str, name: str) -> None:
    """In a little memory, in each width under every other scheme.

    Under none, which cannot unmap an anonymous page, in much.
    """
    case, bits = CASES[name], (32, 64)[OTHERS.index(rmap) % 2]
    ram = case.little if rmap != "none" else "64M"
    out, swapped = here(roots[bits], tmp_path, case, bits, rmap, ram)
    assert case.known in out
    assert swapped >= SWAPPED or rmap == "none"
    expected = native(roots[bits], case)
    if expected is not None:
        assert out == expected
