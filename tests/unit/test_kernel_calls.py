"""System calls where Linux 2.6.7 and the kernel of today differ, or that the host cannot make."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from script import ARENA, FIXED, PRIVATE, RW, SCRATCH, Script, signed

from tests.width import BITS, LIMIT, TASK_SIZE, WORD
from vmemu.machine import Machine
from vmemu.rmap import builtin
from vmemu.swap.area import make_swap

SCHEMES = list(builtin())
RAM = ["4M", "400K"]
BAD = 16


def mapped(script: Script, pages: int, at: int = ARENA, prot: int = RW) -> int:
    return script.mmap(at, pages * 4096, prot)


@pytest.mark.parametrize("ram", RAM)
@pytest.mark.parametrize("rmap", SCHEMES)
def test_readv_keeps_what_came_before_a_bad_buffer(tmp_path: Path, rmap: str, ram: str) -> None:
    """As in 2.6.7, buffer by buffer; today's pipe gives a page whole or not at all."""
    script = Script()
    ends, buf, text = script.put(8), script.put(8), script.put(b"abcdefgh")
    script.call("pipe", ends)
    script.call("write", 4, text, 8)
    some = script.call("readv", 3, script.words(buf, 4, BAD, 4), 2)
    none = script.call("read", 3, BAD, 4)
    rest = script.call("read", 3, buf + 4, 8)
    script.end()
    ran = script.run(tmp_path, rmap=rmap, ram=ram)
    assert [signed(ran.results[i]) for i in (some, none, rest)] == [4, -errno.EFAULT, 4]
    assert ran.bytes(buf, 8) == b"abcdefgh"


def test_wait_for_status_that_cannot_be_stored_keeps_the_zombie(tmp_path: Path) -> None:
    """2.6.7; today the child is gone."""
    script, status = Script(), 0
    status = script.put(4)
    fork = script.call("fork")
    bad = script.call("wait4", -1, BAD, 0, 0)
    worse = script.call("wait4", -1, 0, 0, BAD)
    good = script.call("wait4", -1, status, 0, 0)
    script.end()
    script.if_zero(fork)
    script.call("exit", 7)
    ran = script.run(tmp_path)
    assert [signed(ran.results[i]) for i in (bad, worse)] == [-errno.EFAULT] * 2
    assert ran.results[good] == 101
    assert ran.u32(status) == 0x700


def clone(script: Script, flags: int, parent_tid: int = 0, child_tid: int = 0) -> int:
    """Whose last two arguments, the TLS and child_tid, each width has in its own order."""
    last = {32: (0, child_tid), 64: (child_tid, 0)}[BITS]
    return script.call("clone", flags, 0, parent_tid, *last)


@pytest.mark.parametrize("rmap", SCHEMES)
def test_clone_with_bad_tid_addresses(tmp_path: Path, rmap: str) -> None:
    """The child's word is stored by the child, and nobody looks; the parent's comes first."""
    script = Script()
    ignored = clone(script, 17 | 0x1000000, child_tid=BAD)
    first = script.call("wait4", -1, 0, 0, 0)
    refused = clone(script, 17 | 0x100000, parent_tid=BAD)
    nobody = script.call("wait4", -1, 0, 0, 0)
    script.end()
    script.if_zero(ignored)
    script.call("exit", 7)
    ran = script.run(tmp_path, rmap=rmap)
    assert ran.results[ignored] == ran.results[first] == 101
    assert signed(ran.results[refused]) == -errno.EFAULT
    assert signed(ran.results[nobody]) == -errno.ECHILD


def test_clone_tells_both_the_id(tmp_path: Path) -> None:
    """A child that has its parent's memory, and a word for each."""
    script = Script()
    words = script.put(8)
    clone(script, 0x4111 | 0x100000 | 0x1000000, words, words + 4)
    script.call("exit", 0)  # the child; and its parent goes on behind it
    script.end()
    ran = script.run(tmp_path)
    assert (ran.u32(words), ran.u32(words + 4)) == (101, 101)


def _swap_file(path: Path, size: int = 8 << 20) -> Path:
    with path.open("w+b") as file:
        make_swap(file.fileno(), size)
    return path


@pytest.mark.parametrize("rmap", SCHEMES[1:])
def test_swapoff_that_cannot_succeed_is_refused(tmp_path: Path, rmap: str) -> None:
    """vm_enough_memory() is asked first: nobody is killed, nothing is lost."""
    area = _swap_file(tmp_path / "swap")
    script = Script()
    mapped(script, 600)
    script.run_code("fill", cx=600 * 4096, di=ARENA)
    off = script.call("swapoff", script.put(os.fsencode(area) + b"\0"))
    script.end()
    ran = script.run(tmp_path, rmap=rmap, ram="1M", swap=str(area))
    assert signed(ran.results[off]) == -errno.ENOMEM
    assert not ran.log


@pytest.mark.parametrize("rmap", SCHEMES[1:])
def test_who_calls_swapoff_pays_for_it(tmp_path: Path, rmap: str) -> None:
    """With overcommit 1 it is tried, and memory runs out: its caller dies, the large one lives."""
    area = _swap_file(tmp_path / "swap")
    script = Script()
    path = script.put(os.fsencode(area) + b"\0")
    status = script.put(4)
    mapped(script, 600)
    script.run_code("fill", cx=600 * 4096, di=ARENA)
    fork = script.call("fork")
    wait = script.call("wait4", -1, status, 0, 0)
    script.end()
    script.if_zero(fork)
    script.call("munmap", ARENA, 600 * 4096)
    script.call("swapoff", path)
    script.call("exit", 1)
    ran = script.run(tmp_path, rmap=rmap, ram="1M", swap=str(area), overcommit=1)
    assert ran.results[wait] == 101
    assert ran.u32(status) == 9
    assert ran.log == ["Out of Memory: Killed process 101 (script)."]


def test_swapon_says_what_is_wrong_with_the_path(tmp_path: Path) -> None:
    area = _swap_file(tmp_path / "swap")
    plain = tmp_path / "plain"
    plain.write_bytes(bytes(100_000))
    script = Script()
    cases = {
        b"/proc/self/mem": errno.EINVAL,
        b"x" * 256: errno.ENAMETOOLONG,
        b"/nonexistent": errno.ENOENT,
        os.fsencode(tmp_path): errno.EISDIR,
        os.fsencode(plain): errno.EINVAL,
        os.fsencode(plain) + b"/x": errno.ENOTDIR,
        b"/dev/null": errno.EINVAL,
        os.fsencode(area): errno.EBUSY,
    }
    calls = {
        script.call("swapon", script.put(path + b"\0"), 0): error for path, error in cases.items()
    }
    off = script.call("swapoff", script.put(b"x" * 256 + b"\0"))
    script.end()
    ran = script.run(tmp_path, swap=str(area))
    assert {i: -signed(ran.results[i]) for i in calls} == calls
    assert -signed(ran.results[off]) == errno.ENAMETOOLONG


TIMES = {
    "time": (SCRATCH,), "gettimeofday": (SCRATCH, SCRATCH), "clock_gettime": (0, SCRATCH),
    "sysinfo": (SCRATCH,), "times": (SCRATCH,), "getrusage": (0, SCRATCH),
    "setitimer": (0, 0, SCRATCH), **({"clock_gettime64": (0, SCRATCH)} if BITS == 32 else {}),
}  # fmt: skip


@pytest.mark.parametrize("seconds", [0x7FFFFFFF, 1 << 32, (1 << 34) - 1, 1 << 40, (1 << 63) - 1])
def test_clocks_far_in_the_future(tmp_path: Path, seconds: int) -> None:
    """Sleeps end at the clock's last nanosecond, times wrap to the width of their fields."""
    script = Script()
    script.put(32 * WORD)
    request = script.struct("QQ", seconds, 999_999_999)
    sleep = {32: "clock_nanosleep_time64", 64: "clock_nanosleep"}[BITS]
    sleeps = [script.call(sleep, clock, 0, request, 0) for clock in (0, 1, 1)]
    calls = [script.call(name, *args) for name, args in TIMES.items()]
    script.end()
    ran = script.run(tmp_path)
    assert [ran.results[i] for i in sleeps] == [0, 0, 0]
    failed = [i for i in calls if 0 > signed(ran.results[i]) > -200]
    assert not failed
    assert ran.machine.kernel.sched.now >= min(3 * seconds * 10**9, (1 << 63) - 1)


def test_a_limit_of_four_gigabytes(tmp_path: Path) -> None:
    """i386's RLIM_INFINITY is a number in 64 bits."""
    script = Script()
    script.call("setrlimit", 2, script.words(0xFFFFFFFF, -1))
    found = script.words(0, 0)
    script.call({32: "ugetrlimit", 64: "getrlimit"}[BITS], 2, found)
    script.end()
    ran = script.run(tmp_path)
    assert ran.word(found) == 0xFFFFFFFF
    assert ran.word(found + WORD) == LIMIT - 1


def test_a_failed_mmap_over_the_limit_has_unmapped(tmp_path: Path) -> None:
    """2.6.7 unmaps first and then asks for RLIMIT_AS; and mremap asks even without growing."""
    script = Script()
    mapped(script, 8)
    script.call("setrlimit", 9, script.words(1 << 20, -1))
    over = script.mmap(ARENA, 1 << 20)
    gone = script.call("mincore", ARENA, 4096, SCRATCH + 0x800)
    mapped(script, 8)
    script.call("setrlimit", 9, script.words(4096, -1))
    same = script.call("mremap", ARENA, 8 * 4096, 8 * 4096, 3, ARENA + (1 << 24))
    shrunk = script.call("mremap", ARENA, 8 * 4096, 4096, 0)
    script.end()
    ran = script.run(tmp_path)
    found = [signed(ran.results[i]) for i in (over, gone, same)]
    assert found == [-errno.ENOMEM] * 3
    assert ran.results[shrunk] == ARENA


@pytest.mark.i386  # x86-64 has no such call
def test_old_mmap_finds_its_arguments_in_memory(tmp_path: Path) -> None:
    script = Script()
    mapped = script.call("old_mmap", script.words(ARENA, 4096, RW, FIXED, -1, 4096))
    script.run_code("fill", cx=4096, di=ARENA)
    odd = script.call("old_mmap", script.words(ARENA, 4096, RW, FIXED, -1, 1))
    bad = script.call("old_mmap", BAD)
    script.end()
    ran = script.run(tmp_path)
    assert ran.results[mapped] == ARENA
    assert [signed(ran.results[i]) for i in (odd, bad)] == [-errno.EINVAL, -errno.EFAULT]


def test_mprotect_does_not_fill_a_locked_area(tmp_path: Path) -> None:
    """2.6.7; later kernels bring the pages in when an area without rights gets some."""
    script = Script()
    vector = script.put(8)
    script.call("mlockall", 2)
    mapped(script, 4, prot=0)
    script.call("mprotect", ARENA, 4 * 4096, RW)
    script.call("mincore", ARENA, 4 * 4096, vector)
    mapped(script, 4)
    script.call("mincore", ARENA, 4 * 4096, vector + 4)
    script.end()
    assert script.run(tmp_path).bytes(vector, 8) == bytes([0, 0, 0, 0, 1, 1, 1, 1])


@pytest.mark.parametrize("rmap", SCHEMES)
def test_fork_that_cannot_be_promised_fails_as_a_whole(tmp_path: Path, rmap: str) -> None:
    script = Script()
    sizes = [script.mmap(0, 100 * 4096, flags=PRIVATE) for _ in range(20)]
    fork = script.call("fork")
    read_only = script.mmap(0, 4096 * 400, 1, PRIVATE)
    script.end()
    promised: list[int] = []

    def setup(machine: Machine) -> None:
        machine.kernel.on_exit = lambda *_: promised.append(machine.kernel.vm.commit.pages)

    ran = script.run(tmp_path, rmap=rmap, ram="2M", swap="4M", overcommit=2, setup=setup)
    made = sum(signed(ran.results[i]) > -4096 or signed(ran.results[i]) < -4096 for i in sizes)
    failed = [signed(ran.results[i]) for i in sizes if -4096 < signed(ran.results[i]) < 0]
    assert set(failed) == {-errno.ENOMEM}
    assert signed(ran.results[fork]) == -errno.ENOMEM
    assert ran.results[read_only] < TASK_SIZE
    assert promised[0] < (made - len(failed)) * 100 + 40


def test_a_machine_has_a_name_of_any_bytes(tmp_path: Path) -> None:
    """sethostname() keeps bytes, whatever their encoding; so does /proc/sys."""
    script = Script()
    name, field = script.put(b"h\xff\xc3\xa4st"), script.put(390)
    path, text = script.put(b"/proc/sys/kernel/domainname\0"), script.put(b"d\xfem\nrest")
    script.call("sethostname", name, 6)
    script.call("open", path, os.O_RDWR)
    script.call("write", 3, text, 8)
    script.call("uname", field)
    script.end()
    ran = script.run(tmp_path)
    nodename, domain = ran.bytes(field + 65, 7), ran.bytes(field + 5 * 65, 4)
    assert (nodename, domain) == (b"h\xff\xc3\xa4st\0", b"d\xfem\0")
