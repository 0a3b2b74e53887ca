"""Tasks: fork, vfork, exec, wait, orphans, pipes, deadlock, OOM, traces, /proc."""

from __future__ import annotations

import errno
import os
import struct
from pathlib import Path
from typing import Any

import pytest
from script import COUNTER, SCRATCH, Script, elf, signed, word

from vmemu.errors import VmemuError
from vmemu.kernel.kernel import Kernel
from vmemu.kernel.process.task import Task
from vmemu.kernel.syscalls import SYSCALLS
from vmemu.machine import Machine

EXIT, FORK, READ, WRITE, OPEN, CLOSE, WAITPID, EXECVE = 1, 2, 3, 4, 5, 6, 7, 11
PIPE, DUP2, FCNTL, WAIT4, NANOSLEEP, VFORK, MMAP2, GETPPID = 42, 63, 55, 114, 162, 190, 192, 64
CLONE, KILL, POLL, EXIT_GROUP = 120, 37, 168, 252


def test_table_is_consistent() -> None:
    for number, entry in SYSCALLS.items():
        assert entry.number == number
        assert entry.handler.__doc__, entry.name
        assert entry.handler.__code__.co_argcount == len(entry.kinds) + 1, entry.name  # type: ignore[attr-defined]
    memory = ["meminfo", "vmstat", "slabinfo", "swaps", "uptime"]
    own = ["maps", "status", "stat", "statm", "cmdline"]
    vm = ["overcommit_memory", "swappiness", "page-cluster", "min_free_kbytes"]
    names = [*memory, "100/comm", *(f"self/{n}" for n in own), *(f"sys/vm/{n}" for n in vm)]
    assert len(names) == len(set(names))


@pytest.mark.i386
def test_fork_wait_and_statuses(tmp_path: Path) -> None:
    script = Script()
    fork = script.call(FORK)
    early = script.call(WAIT4, -1, 0, 1, 0)
    status = script.put(4)
    rusage = script.put(72)
    waited = script.call(WAIT4, 101, status, 0, rusage)
    none = script.call(WAIT4, -1, status, 0, 0)
    bad = script.call(WAIT4, -1, status, 0x100, 0)
    script.end(7)
    script.if_zero(fork)
    script.run_code("fill", ecx=4, edi=COUNTER)
    script.call(EXIT, 0x142)
    ran = script.run(tmp_path)
    assert ran.results[fork] == ran.results[waited] == 101
    assert ran.results[early] == 0
    assert ran.word(status) == 0x4200
    assert signed(ran.results[none]) == -errno.ECHILD
    assert signed(ran.results[bad]) == -errno.EINVAL
    assert ran.word(COUNTER) == 0  # the child's writes are its own
    assert ran.status is not None
    assert ran.status.exit_status == 7


@pytest.mark.i386
@pytest.mark.parametrize("how", ["vfork", "clone"])
def test_vfork_shares_and_sleeps(tmp_path: Path, how: str) -> None:
    """The child moves the shared script on; the parent continues behind the child's exit."""
    script = Script()
    if how == "vfork":
        script.call(VFORK)
    else:
        script.call(CLONE, 0x4111, 0, 0, 0, 0)
    child = script.call(20)
    script.call(NANOSLEEP, script.words(0, 1000), 0)
    script.call(MMAP2, 0x50000000, 4096, 3, 0x32, -1, 0)
    exit_ = script.call(EXIT, 3)
    status = script.put(4)
    script.call(WAIT4, -1, status, 0, 0)
    script.run_code("peek", ecx=0x50000000)  # what the child has mapped
    script.end()
    ran = script.run(tmp_path)
    assert ran.results[child] == ran.results[exit_] == 101
    assert ran.word(status) == 3 << 8


@pytest.mark.i386
def test_orphans_are_adopted_and_reaped(tmp_path: Path) -> None:
    script = Script()
    fork = script.call(FORK)
    script.call(WAIT4, -1, 0, 0, 0)
    script.call(NANOSLEEP, script.words(0, 5_000_000), 0)
    script.end()
    script.if_zero(fork)
    grandchild = script.call(FORK)
    script.call(EXIT, 0)
    script.if_zero(grandchild)
    script.call(NANOSLEEP, script.words(0, 1_000_000), 0)
    script.call(GETPPID)
    script.call(EXIT, 0)
    ran = script.run(tmp_path, strace=True)
    assert any("[pid   102] getppid()" in line and line.endswith("= 1") for line in ran.trace)
    assert len(ran.machine.kernel.tasks) == 0


@pytest.mark.i386
def test_first_exit_kills_the_rest(tmp_path: Path) -> None:
    script = Script()
    fork = script.call(FORK)
    script.end(5)
    script.if_zero(fork)
    script.run_code("die")
    ran = script.run(tmp_path)
    assert ran.status is not None
    assert ran.status.exit_status == 5
    assert len(ran.machine.kernel.tasks) == 0


@pytest.mark.i386
def test_deadlock_names_who_waits(tmp_path: Path) -> None:
    script = Script()
    script.call(PIPE, script.put(8))
    fork = script.call(FORK)
    script.call(WAIT4, -1, 0, 0, 0)
    script.if_zero(fork)
    script.call(READ, 3, SCRATCH, 1)
    with pytest.raises(VmemuError, match="deadlock: ") as caught:
        script.run(tmp_path)
    assert "process 100 (script) waits for a child to end" in str(caught.value)
    assert "process 101 (script) waits for data in pipe" in str(caught.value)


@pytest.mark.i386
def test_pipe_carries_more_than_it_holds(tmp_path: Path) -> None:
    """200 KiB through 64 KiB, with a slow reader; then end of file, then EPIPE."""
    size = 200 << 10
    script = Script()
    script.call(PIPE, script.put(8))
    area = script.call(MMAP2, 0x50000000, size, 3, 0x32, -1, 0)
    script.run_code("fill", ecx=size, edi=0x50000000)
    fork = script.call(FORK)
    script.call(CLOSE, 4)
    reads = [script.call(READ, 3, 0x50000000, size) for _ in range(6)]
    script.call(CLOSE, 3)
    status = script.put(4)
    script.call(WAIT4, -1, status, 0, 0)
    script.end()
    script.if_zero(fork)
    script.call(CLOSE, 3)
    script.call(WRITE, 4, 0x50000000, size)
    script.call(EXIT, 0)
    ran = script.run(tmp_path)
    assert ran.results[area] == 0x50000000
    got = [ran.results[index] for index in reads]
    assert sum(got) == size
    assert got[-1] == 0
    assert max(got) <= 65536
    assert ran.word(status) == 0


@pytest.mark.i386
@pytest.mark.parametrize("ignored", [False, True])
def test_write_without_readers(tmp_path: Path, ignored: bool) -> None:
    script = Script()
    script.call(PIPE, script.put(8))
    script.call(CLOSE, 3)
    if ignored:
        script.call(174, 13, script.words(1, 0, 0, 0, 0), 0, 8)
    write = script.call(WRITE, 4, SCRATCH, 1)
    script.end()
    ran = script.run(tmp_path)
    assert ran.status is not None
    if ignored:
        assert signed(ran.results[write]) == -errno.EPIPE
    else:
        assert ran.status.exit_status == 128 + 13


@pytest.mark.i386
def test_host_stdout_closed(tmp_path: Path) -> None:
    """A reader that goes away is the guest's SIGPIPE, not an error of vmemu."""
    script = Script()
    script.call(WRITE, 1, SCRATCH, 1)
    script.end()
    program = tmp_path / "script"
    program.write_bytes(script.build())
    program.chmod(0o755)
    read, write = os.pipe()
    os.close(read)
    try:
        with Machine(ram="4M", swap=None) as machine:
            machine.spawn(program, stdout=write)
            assert machine.run().exit_status == 128 + 13
    finally:
        os.close(write)


@pytest.mark.i386
def test_descriptors(tmp_path: Path) -> None:
    script = Script()
    expected = {
        script.call(CLOSE, 9): -errno.EBADF,
        script.call(READ, 1, SCRATCH, 1): -errno.EBADF,
        script.call(WRITE, 0, SCRATCH, 1): -errno.EBADF,
        script.call(DUP2, 1, 5): 5,
        script.call(DUP2, 1, 5000): -errno.EBADF,
        script.call(DUP2, 9, 5): -errno.EBADF,
        script.call(FCNTL, 5, 0, 10): 10,
        script.call(FCNTL, 5, 2, 1): 0,
        script.call(FCNTL, 5, 1, 0): 1,
        script.call(FCNTL, 10, 1, 0): 0,
        script.call(FCNTL, 1, 3, 0): 1,
        script.call(FCNTL, 1, 99, 0): -errno.EINVAL,
        script.call(54, 1, 0x5401, SCRATCH): -errno.ENOTTY,
        script.call(19, 1, 0, 0): -errno.ESPIPE,
        script.call(OPEN, script.put(b"/etc/passwd\0"), 0, 0): -errno.ENOENT,
        script.call(OPEN, script.put(b"\0"), 0, 0): -errno.ENOENT,
        script.call(OPEN, script.put(b"/proc/self/maps\0"), 2, 0): -errno.EACCES,
        script.call(OPEN, script.put(b"/dev/zero\0"), 2, 0): 3,
        script.call(READ, 3, SCRATCH + 0x800, 64): 64,
        script.call(WRITE, 3, SCRATCH, 64): 64,
        script.call(WRITE, 1, 0, 0): 0,
        script.call(WRITE, 1, 4, 5): -errno.EFAULT,
        script.call(WRITE, 1, 0xFFFFFFFF, 5): -errno.EFAULT,
        script.call(WRITE, 1, SCRATCH, 0xFFFFFFFF): -errno.EFAULT,
    }
    script.end()
    ran = script.run(tmp_path)
    assert {index: signed(ran.results[index]) for index in expected} == expected


@pytest.mark.i386
def test_poll(tmp_path: Path) -> None:
    script = Script()
    script.call(PIPE, script.put(8))
    fds = script.words(3, 1, 4, 4, 77, 1)
    now = script.call(POLL, fds, 3, -1)
    only = script.words(3, 1)
    late = script.call(POLL, only, 1, 5)
    fork = script.call(FORK)
    ready = script.call(POLL, only, 1, -1)
    script.end()
    script.if_zero(fork)
    script.call(NANOSLEEP, script.words(0, 1000), 0)
    script.call(WRITE, 4, SCRATCH, 1)
    script.call(EXIT, 0)
    ran = script.run(tmp_path)
    assert ran.results[now] == 2
    revents = [entry[2] for entry in struct.iter_unpack("<iHH", ran.bytes(fds, 24))]
    assert revents == [0, 4, 32]
    assert ran.results[late] == 0
    assert ran.results[ready] == 1


@pytest.mark.i386
def test_execve(tmp_path: Path) -> None:
    other = tmp_path / "other"
    # exit(argc)
    other.write_bytes(elf(bytes.fromhex("8b1c24 b801000000 cd80")))
    other.chmod(0o755)
    script = Script()
    path = script.put(os.fsencode(other) + b"\0")
    argv = script.words(path, path, path, 0)
    missing = script.call(EXECVE, script.put(b"/nonexistent\0"), argv, 0)
    notelf = script.call(EXECVE, script.put(b"/etc/passwd\0"), argv, 0)
    wild = script.call(EXECVE, path, 4, 0)
    wilder = script.call(EXECVE, 4, argv, 0)
    script.call(0x766D, 0, script.put(b"end\0"))
    script.call(EXECVE, path, argv, 0)
    ran = script.run(tmp_path)
    assert signed(ran.results[missing]) == -errno.ENOENT
    assert signed(ran.results[notelf]) in (-errno.EACCES, -errno.ENOEXEC)
    assert signed(ran.results[wild]) == signed(ran.results[wilder]) == -errno.EFAULT
    assert ran.status is not None
    assert ran.status.exit_status == 3


@pytest.mark.i386
def test_execve_argument_list_too_long(tmp_path: Path) -> None:
    script = Script()
    script.call(MMAP2, 0x50000000, 1 << 20, 3, 0x32, -1, 0)
    script.run_code("fill", ecx=140_000, edi=0x50000000)  # zeroes: al is 0 at a call
    path = script.put(b"/proc/self/exe\0")
    filled = script.call(READ, 0, 0x50000000, 65536)
    more = script.call(READ, 0, 0x50010000, 65536)
    rest = script.call(READ, 0, 0x50020000, 65536)
    big = script.call(EXECVE, path, script.words(0x50000000, 0), 0)
    script.end()
    ran = script.run(tmp_path, stdin=b"x" * 131071)
    assert [ran.results[i] for i in (filled, more, rest)] == [65536, 65535, 0]
    assert signed(ran.results[big]) == -errno.E2BIG


@pytest.mark.i386
def test_unknown_calls_are_counted(tmp_path: Path) -> None:
    script = Script()
    results = [script.call(number) for number in (9999, 9999, 0xFFFFFFFF - 1, 17)]
    script.end()
    ran = script.run(tmp_path)
    assert {signed(ran.results[index]) for index in results} == {-errno.ENOSYS}
    assert ran.machine.kernel.unknown_syscalls == {9999: 2, 0xFFFFFFFE: 1, 17: 1}


@pytest.mark.i386
def test_proc_files(tmp_path: Path) -> None:
    script = Script()
    names = [
        "self/maps",
        "self/status",
        "self/stat",
        "self/statm",
        "self/cmdline",
        "100/comm",
        "meminfo",
        "vmstat",
        "slabinfo",
        "swaps",
        "uptime",
        "sys/vm/overcommit_memory",
        "sys/vm/swappiness",
        "sys/vm/page-cluster",
        "sys/vm/min_free_kbytes",
    ]
    script.call(MMAP2, 0x50000000, 65536, 3, 0x32, -1, 0)
    sizes = []
    for name in names:
        script.call(OPEN, script.put(f"/proc/{name}\0".encode()), 0, 0)
        sizes.append(script.call(READ, 3, 0x50000000, 65536))
        script.call(CLOSE, 3)
    script.call(WRITE, 1, 0x50000000, 4)
    missing = script.call(OPEN, script.put(b"/proc/101/maps\0"), 0, 0)
    script.end()
    ran = script.run(tmp_path)
    assert all(0 < ran.results[index] < 4096 for index in sizes)
    assert signed(ran.results[missing]) == -errno.ENOENT


@pytest.mark.i386
def test_oom_kills_the_largest(tmp_path: Path) -> None:
    script = Script()
    fork = script.call(FORK)
    status = script.put(4)
    script.call(WAIT4, -1, status, 0, 0)
    script.end()
    script.if_zero(fork)
    script.call(MMAP2, 0x50000000, 2 << 20, 3, 0x4032, -1, 0)
    script.run_code("fill", ecx=2 << 20, edi=0x50000000)
    script.call(EXIT, 0)
    ran = script.run(tmp_path, ram="1M", swap=None, overcommit=1)
    assert ran.word(status) == 9
    assert ran.log == ["Out of Memory: Killed process 101 (script)."]


@pytest.mark.i386
def test_strace(tmp_path: Path) -> None:
    script = Script()
    text = script.put(b'a\n"\x80' + b"x" * 40)
    script.call(WRITE, 1, text, 44)
    script.call(WRITE, 1, 4, 3)
    script.call(OPEN, script.put(b"/nowhere\0"), 0o2000000, 0)
    script.call(MMAP2, 0, 4096, 3, 0x22, -1, 0)
    script.call(9999, 1, 2)
    script.run_code("peek", ecx=0x70000000)
    ran = script.run(tmp_path, strace=True)
    assert ran.trace == [
        'write(1, "a\\n\\"\\200xxxxxxxxxxxxxxxxxxxxxxxxxxxx"..., 44) = 44',
        "write(1, 0x4, 3)                        = -1 EFAULT (Bad address)",
        'open("/nowhere", O_RDONLY|O_CLOEXEC, 0) = -1 ENOENT (No such file or directory)',
        "mmap2(NULL, 4096, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = 0x40000000",
        "syscall_0x270f(0x1, 0x2, 0x0, 0x0, 0x0, 0x0) = -1 ENOSYS (Function not implemented)",
        "--- SIGSEGV {si_signo=SIGSEGV, si_code=1, si_addr=0x70000000} ---",
        "+++ killed by SIGSEGV +++",
    ]


@pytest.mark.i386
def test_lab_calls(tmp_path: Path) -> None:
    script = Script()
    name = script.put(b"spot\0")
    mark = script.call(0x766D, 0, name, 5, 6)
    counter = script.call(0x766D, 2, script.put(b"syscalls\0"))
    unknown = script.call(0x766D, 2, name)
    check = script.call(0x766D, 3)
    wrong = script.call(0x766D, 9)
    where = script.put(bytes(8))
    stored = script.call(0x766D, 2, script.put(b"syscalls\0"), where)
    nowhere = script.call(0x766D, 2, script.put(b"syscalls\0"), 0x70000000)
    hole = script.call(0x766D, 1, 0x70000000, 4096)
    beyond = script.call(0x766D, 1, 0xBFFFF000, 0x2000)
    nobody = script.call(0x766D, 1, where, 8, 99)
    reclaimed = script.call(0x766D, 1, where, 8)
    script.call(0x766D, 0, script.put(b"value\0"), where)
    seen: list[Any] = []

    def setup(machine: Machine) -> None:
        inner = machine.kernel.on_mark
        assert inner is not None

        def on_mark(task: Task, name: str, a: int, b: int) -> int | None:
            seen.append((task.pid, name, a, b))
            if name == "value":
                seen.append(task.mm.read(a, 8))
            return inner(task, name, a, b) if name == "end" else 77

        machine.kernel.on_mark = on_mark

    script.end()
    ran = script.run(tmp_path, setup=setup)
    assert seen[0] == (100, "spot", 5, 6)
    assert seen[2] == (6).to_bytes(8, "little")  # the sixth call, itself included
    assert ran.results[stored] == 0
    assert signed(ran.results[nowhere]) == -errno.EFAULT
    assert signed(ran.results[hole]) == -errno.ENOMEM
    assert signed(ran.results[beyond]) == -errno.EINVAL
    assert signed(ran.results[nobody]) == -errno.ESRCH
    assert ran.results[reclaimed] == 1
    assert ran.results[mark] == 77
    assert ran.results[counter] == 2
    assert signed(ran.results[unknown]) == signed(ran.results[wrong]) == -errno.EINVAL
    assert ran.results[check] == 0


@pytest.mark.i386
def test_two_runs_are_the_same(tmp_path: Path) -> None:
    def once() -> tuple[Any, ...]:
        script = Script()
        fork = script.call(FORK)
        script.run_code("spin", ecx=300_000)
        script.call(355, SCRATCH + 0xF00, 16, 0)
        script.call(WAIT4, -1, 0, 0, 0)
        script.end()
        script.if_zero(fork)
        script.run_code("spin", ecx=500_000)
        script.call(EXIT, 0)
        states: list[Any] = []

        def setup(machine: Machine) -> None:
            kernel: Kernel = machine.kernel
            step = kernel.step

            def traced() -> str:
                what = step()
                states.append((what, machine.core.m.clock.now, machine.core.m.pid))
                return what

            kernel.step = traced  # type: ignore[method-assign]

        ran = script.run(tmp_path, setup=setup)
        return states, ran.memory

    first, second = once(), once()
    assert first == second
    assert sum(what == "preempt" for what, _, _ in first[0]) >= 8
    assert word(0) == bytes(4)
