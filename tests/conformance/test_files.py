"""Files as guests find them: mappings, programs, limits, what is mounted where."""

from __future__ import annotations

import errno
import io
from pathlib import Path

import pytest
from filing import O_CREAT, O_RDONLY, O_RDWR, O_TRUNC, O_WRONLY, OUT, Answer, Filing, names

from vmemu.errors import ConfigError, ExecError
from vmemu.lab.guests import guest_path
from vmemu.machine import Machine

MAP = 0x62000000
PROT_READ, PROT_WRITE = 1, 2
MAP_SHARED, MAP_PRIVATE, MAP_FIXED = 1, 2, 0x10
PAGE = 4096


def mmap(filing: Filing, prot: int, flags: int, fd: int, offset: int = 0) -> int:
    name, unit = ("mmap", 1) if filing.bits == 64 else ("mmap2", PAGE)
    return filing.call(name, MAP, 2 * PAGE, prot, flags | MAP_FIXED, fd, offset // unit)


def shown(filing: Filing, at: int, count: int) -> int:
    """Copy from memory to a second file and from there to the buffer."""
    filing.call("pwrite64", 4, at, count, *filing.offset(0))
    return filing.call("pread64", 4, OUT, count, *filing.offset(0), dump=count)


def mapping(bits: int) -> tuple[Filing, list[int]]:
    """A file of 6000 bytes is mapped, read, written, made longer."""
    filing = Filing(bits)
    filing.call("open", "mapped", O_CREAT | O_RDWR, 0o644)
    filing.call("open", "copy", O_CREAT | O_RDWR, 0o644)
    filing.call("write", 3, b"x" * 6000, 6000)
    compared = [mmap(filing, PROT_READ | PROT_WRITE, MAP_PRIVATE, 3)]
    compared.append(shown(filing, MAP, 8192))
    filing.call("pwrite64", 3, b"written", 7, *filing.offset(100))
    compared.append(shown(filing, MAP, 8192))
    filing.call("pwrite64", 3, b"longer", 6, *filing.offset(7000))
    compared.append(shown(filing, MAP, 8192))
    filing.call("pread64", 4, MAP, 9, *filing.offset(0))  # the mapping's own copy from now on
    filing.call("pwrite64", 3, b"again", 5, *filing.offset(0))
    compared.append(shown(filing, MAP, 8192))
    compared.append(mmap(filing, PROT_READ, MAP_SHARED, 3))
    compared.append(shown(filing, MAP, 8192))
    filing.call("unlink", "mapped")
    filing.call("pwrite64", 3, b"gone", 4, *filing.offset(4096))
    compared.append(shown(filing, MAP, 8192))
    compared.append(mmap(filing, PROT_READ, MAP_PRIVATE, 3, offset=PAGE))
    compared.append(shown(filing, MAP, PAGE))
    compared.append(filing.call("write", 4, MAP + PAGE, 1))  # behind the end: EFAULT
    filing.call("close", 3)
    compared.append(shown(filing, MAP, PAGE))
    return filing, compared


@pytest.mark.native
@pytest.mark.parametrize("bits", [32, 64])
@pytest.mark.parametrize("where", ["tmpfs", "host"])
def test_what_is_mapped_is_what_is_read(bits: int, where: str, tmp_path: Path) -> None:
    filing, compared = mapping(bits)
    (tmp_path / "native").mkdir()
    (tmp_path / "root").mkdir()
    try:
        hosts = filing.native(tmp_path, tmp_path / "native")
    except OSError as error:
        pytest.skip(f"the host does not execute programs of {bits} bits: {error}")
    root = {"root": tmp_path / "root", "root_rw": True} if where == "host" else {}
    ours = filing.run(tmp_path, **root)
    assert [ours[i] for i in compared] == [hosts[i] for i in compared]
    assert hosts[compared[2]].out[100:107] == b"written"


def test_what_cannot_be_mapped(tmp_path: Path) -> None:
    filing = Filing()
    filing.call("open", "/tmp/a", O_CREAT | O_RDWR, 0o644)
    filing.call("open", "/tmp/a", O_WRONLY, 0)
    filing.call("open", "/tmp/a", O_RDONLY, 0)
    filing.call("open", "/tmp", O_RDONLY, 0)
    expected = {
        mmap(filing, PROT_READ | PROT_WRITE, MAP_SHARED, 3): MAP,
        mmap(filing, PROT_READ, MAP_PRIVATE, 4): -errno.EACCES,
        mmap(filing, PROT_READ | PROT_WRITE, MAP_SHARED, 5): -errno.EACCES,
        mmap(filing, PROT_READ, MAP_PRIVATE, 6): -errno.ENODEV,
        mmap(filing, PROT_READ, 0, 3): -errno.EINVAL,
        mmap(filing, PROT_READ, MAP_SHARED, 5): MAP,
        filing.call("mprotect", MAP, PAGE, PROT_READ | PROT_WRITE): -errno.EACCES,
    }
    answers = filing.run(tmp_path)
    assert {index: answers[index].result for index in expected} == expected


def test_a_program_in_tmpfs_is_executed(tmp_path: Path) -> None:
    hello = Path(guest_path("hello", 64)).read_bytes()
    filing, output = Filing(), io.BytesIO()
    filing.call("open", "/tmp/mine", O_CREAT | O_WRONLY, 0o755)
    filing.call("write", 3, hello, len(hello))
    filing.call("close", 3)
    filing.call("mkdir", "/tmp/d", 0o755)
    filing.call("symlink", "../mine", "/tmp/d/link")
    filing.call("execve", "/tmp/d/link", 0, 0)
    with Machine(bits=64) as machine:
        task = machine.spawn(filing.program(tmp_path), stdin=filing.listed(), stdout=output)
        assert machine.run().exit_status == 0
        assert (task.comm, task.exe) == ("link", "/tmp/mine")
        machine.check()
    assert output.getvalue().endswith(b"Hello from ring 3\n")


def test_a_program_of_the_root_is_started(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin" / "hello"
    program.write_bytes(Path(guest_path("hello", 64)).read_bytes())
    program.chmod(0o755)
    (tmp_path / "sbin").symlink_to("/bin")
    output = io.BytesIO()
    with Machine(bits=64, root=tmp_path) as machine:
        task = machine.spawn("/sbin/hello", stdout=output, inside=True)
        assert task.exe == "/bin/hello"
        machine.run()
        with pytest.raises(ExecError, match="cannot open /none: no such file or directory"):
            machine.spawn("/none", inside=True)
        with pytest.raises(ExecError, match="cannot open /bin: permission denied"):
            machine.spawn("/bin", inside=True)
    assert output.getvalue() == b"Hello from ring 3\n"


def test_half_of_memory_bounds_what_a_tmpfs_holds(tmp_path: Path) -> None:
    """Each has its own half."""
    filing = Filing()
    filing.call("open", "/tmp/big", O_CREAT | O_RDWR, 0o644)
    filing.call("open", "/dev/shm/other", O_CREAT | O_RDWR, 0o644)
    first = len(filing)
    for _ in range(80):
        filing.call("write", 3, b"y" * 16384, 16384)
    last = len(filing)
    full = [
        filing.call("pwrite64", 3, b"z", 1, 1 << 40),
        filing.call("fallocate", 3, 0, 0, 1 << 40),
    ]
    fine = [
        filing.call("mkdir", "/tmp/d", 0o755),
        filing.call("write", 4, b"y", 1),
        filing.call("ftruncate", 3, 0),
        filing.call("pwrite64", 3, b"y" * 16384, 16384, 0),
    ]
    filing.call("unlink", "/tmp/big")
    filing.call("close", 3)
    filing.call("unlink", "/dev/shm/other")
    filing.call("close", 4)
    filing.call("rmdir", "/tmp/d")
    output, results = io.BytesIO(), []
    with Machine(bits=64, ram="1M", swap="1M") as machine:
        room = (int(machine.core.m.k.zone.present_pages) + 255) // 2
        machine.spawn(filing.program(tmp_path), stdin=filing.listed(), stdout=output)
        machine.run()
        machine.check()
        assert machine.kernel.hold.held == 0
        assert not list(machine.vm.inodes.shmems())
    results = [answer.result for answer in filing.answers(output.getvalue())]
    assert sum(result for result in results[first:last] if result > 0) // PAGE == room
    assert results[last - 1] == -errno.ENOSPC
    assert [results[i] for i in full] == [-errno.ENOSPC] * 2
    assert [results[i] for i in fine] == [0, 1, 0, 16384]


def test_host_memory_bounds_the_names_in_tmpfs(tmp_path: Path) -> None:
    filing = Filing()
    made = [filing.call("mkdir", f"/tmp/{n}", 0o755) for n in range(400)]
    output = io.BytesIO()
    with Machine(bits=64, max_host_memory="256K") as machine:
        machine.spawn(filing.program(tmp_path), stdin=filing.listed(), stdout=output)
        machine.run()
        machine.check()
        assert machine.kernel.hold.peak <= 256 << 10
    results = [filing.answers(output.getvalue())[index].result for index in made]
    there = results.index(-errno.ENOSPC)
    assert 0 < there < 400
    assert set(results[:there]) == {0}


def test_what_there_is_without_a_root(tmp_path: Path) -> None:
    filing = Filing()
    lists = []
    for path in ("/", "/dev", "/tmp", "/proc/sys/vm"):
        filing.call("open", path, O_RDONLY, 0)
        lists.append(filing.call("getdents64", 3, OUT, 2048, dump=2048))
        filing.call("close", 3)
    filing.call("open", "/dev/full", O_RDWR, 0)
    full = filing.call("write", 3, b"x", 1)
    tty = filing.call("open", "/dev/tty", O_RDWR, 0)
    filing.call("open", "/dev/urandom", O_RDWR, 0)
    rand = filing.call("read", 4, OUT, 32, dump=32)
    output = filing.call("open", "/dev/stdout", O_WRONLY, 0)
    cwd = filing.call("getcwd", OUT, 64, dump=8)
    answers = filing.run(tmp_path)
    found = [names(64, answers[index].out) for index in lists]
    assert found[0] == [b".", b"..", b"dev", b"proc", b"sys", b"tmp"]
    assert {b"null", b"zero", b"full", b"random", b"urandom", b"tty", b"shm"} <= set(found[1])
    assert found[2] == [b".", b".."]
    assert b"swappiness" in found[3]
    assert answers[full].result == -errno.ENOSPC
    assert answers[tty].result == -errno.ENXIO
    assert answers[output].result == 5
    assert answers[cwd] == Answer(2, b"/".ljust(8, b"\0"))
    assert answers[rand].out != bytes(32)
    assert answers[rand] == filing.run(tmp_path)[rand]
    assert answers[rand] != filing.run(tmp_path, seed=1)[rand]


def test_umask_is_taken_from_modes(tmp_path: Path) -> None:
    filing = Filing()
    filing.call("umask", 0o077)
    filing.call("open", "/tmp/a", O_CREAT | O_TRUNC | O_WRONLY, 0o666)
    told = filing.stat("fstat", 3)
    assert filing.told(filing.run(tmp_path)[told]).mode == 0o100600


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"root": "/no/such"}, "root must be a directory, which /no/such is not"),
        ({"root": 5}, "root must be a directory, not 5"),
        ({"root_rw": 1}, "root_rw must be True or False"),
        ({"root_rw": True}, "root_rw is for a root, and no root is given"),
        ({"binds": ["/no/such"]}, "there is no /no/such to bind"),
        ({"binds": ["/etc:relative"]}, "a bind must be HOST"),
        ({"binds": ["/etc:/a:/b"]}, "a bind must be HOST"),
        ({"binds": ["/etc:/"]}, "no place to bind"),
        ({"binds": ["/etc:/dev/null/x"]}, "no place to bind"),
        ({"binds": "/etc"}, "binds must be a list"),
    ],
)
def test_mistakes_are_told(options: dict[str, object], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        Machine(**options)  # type: ignore[arg-type]


@pytest.mark.native
def test_a_mapped_file_with_holes_may_be_large(tmp_path: Path) -> None:
    """What is mapped of it follows what is written and punched, far from its beginning too."""
    size, end = 1 << 43, (1 << 43) - PAGE
    filing = Filing(64)
    filing.call("open", "large", O_CREAT | O_RDWR, 0o644)
    filing.call("open", "copy", O_CREAT | O_RDWR, 0o644)
    compared = [filing.call("ftruncate", 3, size)]
    filing.call("pwrite64", 3, b"far", 3, end + 10)
    filing.call("pwrite64", 3, b"near", 4, 10)
    compared.append(mmap(filing, PROT_READ, MAP_PRIVATE, 3, offset=end))
    compared.append(shown(filing, MAP, PAGE))
    compared.append(filing.call("fallocate", 3, 3, 20, size - PAGE))  # a hole, and it stays as long
    compared.append(shown(filing, MAP, PAGE))
    compared.append(filing.call("pread64", 3, OUT, 100, 0, dump=100))
    filing.call("pwrite64", 3, b"again", 5, end + 30)
    compared.append(shown(filing, MAP, PAGE))
    filing.call("munmap", MAP, 2 * PAGE)
    compared.append(filing.call("ftruncate", 3, 0))
    filing.call("close", 3)
    compared.append(filing.call("unlink", "large"))
    (tmp_path / "native").mkdir()
    hosts = filing.native(tmp_path, tmp_path / "native")
    ours = filing.run(tmp_path)
    assert [ours[i] for i in compared] == [hosts[i] for i in compared]
    assert hosts[compared[2]].out[10:13] == b"far"
