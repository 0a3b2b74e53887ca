"""Tasks: fork, vfork, exec, wait, orphans, pipes, deadlock, OOM, traces, /proc."""

from __future__ import annotations

import errno
import os
import re
import struct
import subprocess
from pathlib import Path
from typing import Any

import pytest
from script import (
    ARENA,
    COUNTER,
    FIXED,
    PRIVATE,
    SCRATCH,
    Script,
    elf,
    enter,
    executable,
    signed,
    snippet,
)

from tests.width import BITS, LIMIT, TASK_SIZE, UNMAPPED_BASE, WORD
from vmemu._build import compiler
from vmemu.errors import VmemuError
from vmemu.kernel.kernel import Kernel
from vmemu.kernel.process.task import Task
from vmemu.kernel.signal.state import SIG_IGN
from vmemu.kernel.syscalls import TABLES
from vmemu.machine import Machine

NORESERVE = 0x4000
NOWHERE = ARENA + 0x20000000


def test_table_is_consistent() -> None:
    for number, entry in TABLES[BITS].items():
        assert entry.number == number
        assert entry.handler.__doc__, entry.name
        assert entry.handler.__code__.co_argcount == len(entry.kinds) + 1, entry.name  # type: ignore[attr-defined]
    memory = ["meminfo", "vmstat", "slabinfo", "swaps", "uptime"]
    own = ["maps", "status", "stat", "statm", "cmdline"]
    vm = ["overcommit_memory", "swappiness", "page-cluster", "min_free_kbytes"]
    names = [*memory, "100/comm", *(f"self/{n}" for n in own), *(f"sys/vm/{n}" for n in vm)]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("bits", [32, 64])
def test_numbers_are_the_hosts(bits: int) -> None:
    """Those of the C library's headers; only the lab call is vmemu's own."""
    header = f"#include <asm/unistd_{bits}.h>\n"
    command = [compiler(), "-E", "-dM", "-"]
    done = subprocess.run(command, input=header, capture_output=True, text=True, check=True)
    hosts = {name: int(n) for name, n in re.findall(r"#define __NR_(\w+) (\d+)\n", done.stdout)}
    ours = {entry.name: number for number, entry in TABLES[bits].items()}
    assert ours.pop("vmemu_lab") not in hosts.values()
    if bits == 32:
        ours["mmap"] = ours.pop("old_mmap")
        ours["select"] = ours.pop("old_select")
    assert ours == {name: hosts.get(name) for name in ours}


@pytest.mark.parametrize("strace", [False, True])
def test_what_a_call_leaves_in_cx(tmp_path: Path, strace: bool) -> None:
    """int 0x80 leaves it alone, syscall puts rip there, in C or, if it is traced, in Python."""
    script = Script()
    cx = script.run_code("cx", cx=77)
    script.end()
    ran = script.run(tmp_path, strace=strace)
    assert ran.results[cx] == {32: 77, 64: snippet("cx") + len(enter("getpid"))}[BITS]
    assert ran.machine.core.counters()["syscall_c"] == (not strace)


def test_fork_wait_and_statuses(tmp_path: Path) -> None:
    script = Script()
    fork = script.call("fork")
    early = script.call("wait4", -1, 0, 1, 0)
    status = script.put(4)
    rusage = script.put(18 * WORD)
    waited = script.call("wait4", 101, status, 0, rusage)
    none = script.call("wait4", -1, status, 0, 0)
    bad = script.call("wait4", -1, status, 0x100, 0)
    script.end(7)
    script.if_zero(fork)
    script.run_code("fill", cx=4, di=COUNTER)
    script.call("exit", 0x142)
    ran = script.run(tmp_path)
    assert ran.results[fork] == ran.results[waited] == 101
    assert ran.results[early] == 0
    assert ran.u32(status) == 0x4200
    assert signed(ran.results[none]) == -errno.ECHILD
    assert signed(ran.results[bad]) == -errno.EINVAL
    assert ran.word(COUNTER) == 0  # the child's writes are its own
    assert ran.status is not None
    assert ran.status.exit_status == 7


@pytest.mark.parametrize("how", ["vfork", "clone"])
def test_vfork_shares_and_sleeps(tmp_path: Path, how: str) -> None:
    """The child moves the shared script on; the parent continues behind the child's exit."""
    script = Script()
    if how == "vfork":
        script.call("vfork")
    else:
        script.call("clone", 0x4111, 0, 0, 0, 0)
    child = script.call("getpid")
    script.call("nanosleep", script.words(0, 1000), 0)
    script.mmap(ARENA, 4096)
    exit_ = script.call("exit", 3)
    status = script.put(4)
    script.call("wait4", -1, status, 0, 0)
    script.run_code("peek", cx=ARENA)  # what the child has mapped
    script.end()
    ran = script.run(tmp_path)
    assert ran.results[child] == ran.results[exit_] == 101
    assert ran.u32(status) == 3 << 8


def test_orphans_are_adopted_and_reaped(tmp_path: Path) -> None:
    script = Script()
    fork = script.call("fork")
    script.call("wait4", -1, 0, 0, 0)
    script.call("nanosleep", script.words(0, 5_000_000), 0)
    script.end()
    script.if_zero(fork)
    grandchild = script.call("fork")
    script.call("exit", 0)
    script.if_zero(grandchild)
    script.call("nanosleep", script.words(0, 1_000_000), 0)
    script.call("getppid")
    script.call("exit", 0)
    ran = script.run(tmp_path, strace=True)
    assert any("[pid   102] getppid()" in line and line.endswith("= 1") for line in ran.trace)
    assert len(ran.machine.kernel.tasks) == 0


def test_first_exit_kills_the_rest(tmp_path: Path) -> None:
    script = Script()
    fork = script.call("fork")
    script.end(5)
    script.if_zero(fork)
    script.run_code("die")
    ran = script.run(tmp_path)
    assert ran.status is not None
    assert ran.status.exit_status == 5
    assert len(ran.machine.kernel.tasks) == 0


def test_deadlock_names_who_waits(tmp_path: Path) -> None:
    script = Script()
    script.call("pipe", script.put(8))
    fork = script.call("fork")
    script.call("wait4", -1, 0, 0, 0)
    script.if_zero(fork)
    script.call("read", 3, SCRATCH, 1)
    with pytest.raises(VmemuError, match="deadlock: ") as caught:
        script.run(tmp_path)
    assert "process 100 (script) waits for a child to end" in str(caught.value)
    assert "process 101 (script) waits for data in pipe" in str(caught.value)


def test_pipe_carries_more_than_it_holds(tmp_path: Path) -> None:
    """200 KiB through 64 KiB, with a slow reader; then end of file, then EPIPE."""
    size = 200 << 10
    script = Script()
    script.call("pipe", script.put(8))
    area = script.mmap(ARENA, size)
    script.run_code("fill", cx=size, di=ARENA)
    fork = script.call("fork")
    script.call("close", 4)
    reads = [script.call("read", 3, ARENA, size) for _ in range(6)]
    script.call("close", 3)
    status = script.put(4)
    script.call("wait4", -1, status, 0, 0)
    script.end()
    script.if_zero(fork)
    script.call("close", 3)
    script.call("write", 4, ARENA, size)
    script.call("exit", 0)
    ran = script.run(tmp_path)
    assert ran.results[area] == ARENA
    got = [ran.results[index] for index in reads]
    assert sum(got) == size
    assert got[-1] == 0
    assert max(got) <= 65536
    assert ran.u32(status) == 0


@pytest.mark.parametrize("ignored", [False, True])
def test_write_without_readers(tmp_path: Path, ignored: bool) -> None:
    script = Script()
    script.call("pipe", script.put(8))
    script.call("close", 3)
    if ignored:
        script.call("rt_sigaction", 13, script.sigaction(SIG_IGN), 0, 8)
    write = script.call("write", 4, SCRATCH, 1)
    script.end()
    ran = script.run(tmp_path)
    assert ran.status is not None
    if ignored:
        assert signed(ran.results[write]) == -errno.EPIPE
    else:
        assert ran.status.exit_status == 128 + 13


def test_host_stdout_closed(tmp_path: Path) -> None:
    """A reader that goes away is the guest's SIGPIPE, not an error of vmemu."""
    script = Script()
    script.call("write", 1, SCRATCH, 1)
    script.end()
    program = script.program(tmp_path)
    read, write = os.pipe()
    os.close(read)
    try:
        with Machine(ram="4M", swap=None) as machine:
            machine.spawn(program, stdout=write)
            assert machine.run().exit_status == 128 + 13
    finally:
        os.close(write)


def test_descriptors(tmp_path: Path) -> None:
    script = Script()
    expected = {
        script.call("close", 9): -errno.EBADF,
        script.call("read", 1, SCRATCH, 1): -errno.EBADF,
        script.call("write", 0, SCRATCH, 1): -errno.EBADF,
        script.call("dup2", 1, 5): 5,
        script.call("dup2", 1, 5000): -errno.EBADF,
        script.call("dup2", 9, 5): -errno.EBADF,
        script.call("fcntl", 5, 0, 10): 10,
        script.call("fcntl", 5, 2, 1): 0,
        script.call("fcntl", 5, 1, 0): 1,
        script.call("fcntl", 10, 1, 0): 0,
        script.call("fcntl", 1, 3, 0): 1,
        script.call("fcntl", 1, 99, 0): -errno.EINVAL,
        script.call("ioctl", 1, 0x5401, SCRATCH): -errno.ENOTTY,
        script.call("lseek", 1, 0, 0): -errno.ESPIPE,
        script.call("open", script.put(b"/etc/passwd\0"), 0, 0): -errno.ENOENT,
        script.call("open", script.put(b"\0"), 0, 0): -errno.ENOENT,
        script.call("open", script.put(b"/proc/self/maps\0"), 2, 0): -errno.EACCES,
        script.call("open", script.put(b"/dev/zero\0"), 2, 0): 3,
        script.call("read", 3, SCRATCH + 0x800, 64): 64,
        script.call("write", 3, SCRATCH, 64): 64,
        script.call("write", 1, 0, 0): 0,
        script.call("write", 1, 4, 5): -errno.EFAULT,
        script.call("write", 1, LIMIT - 1, 5): -errno.EFAULT,
        script.call("write", 1, SCRATCH, LIMIT - 1): -errno.EFAULT,
    }
    script.end()
    ran = script.run(tmp_path)
    assert {index: signed(ran.results[index]) for index in expected} == expected


def test_poll(tmp_path: Path) -> None:
    script = Script()
    script.call("pipe", script.put(8))
    fds = script.struct("IHH" * 3, 3, 1, 0, 4, 4, 0, 77, 1, 0)
    now = script.call("poll", fds, 3, -1)
    only = script.struct("IHH", 3, 1, 0)
    late = script.call("poll", only, 1, 5)
    fork = script.call("fork")
    ready = script.call("poll", only, 1, -1)
    script.end()
    script.if_zero(fork)
    script.call("nanosleep", script.words(0, 1000), 0)
    script.call("write", 4, SCRATCH, 1)
    script.call("exit", 0)
    ran = script.run(tmp_path)
    assert ran.results[now] == 2
    revents = [entry[2] for entry in struct.iter_unpack("<iHH", ran.bytes(fds, 24))]
    assert revents == [0, 4, 32]
    assert ran.results[late] == 0
    assert ran.results[ready] == 1


def exits_with_argc(tmp_path: Path) -> Path:
    argc = {32: "8b1c24", 64: "488b3c24"}[BITS]  # mov ebx,[esp]; mov rdi,[rsp]
    return executable(tmp_path / "other", elf(bytes.fromhex(argc) + enter("exit")))


def test_execve(tmp_path: Path) -> None:
    other = exits_with_argc(tmp_path)
    script = Script()
    path = script.put(os.fsencode(other) + b"\0")
    argv = script.words(path, path, path, 0)
    missing = script.call("execve", script.put(b"/nonexistent\0"), argv, 0)
    notelf = script.call("execve", script.put(b"/etc/passwd\0"), argv, 0)
    wild = script.call("execve", path, 4, 0)
    wilder = script.call("execve", 4, argv, 0)
    script.call("vmemu_lab", 0, script.put(b"end\0"))
    script.call("execve", path, argv, 0)
    ran = script.run(tmp_path)
    assert signed(ran.results[missing]) == -errno.ENOENT
    assert signed(ran.results[notelf]) in (-errno.EACCES, -errno.ENOEXEC)
    assert signed(ran.results[wild]) == signed(ran.results[wilder]) == -errno.EFAULT
    assert ran.status is not None
    assert ran.status.exit_status == 3


@pytest.mark.parametrize("over", [False, True])
def test_execve_takes_a_string_of_32_pages(tmp_path: Path, over: bool) -> None:
    """MAX_ARG_STRLEN, with the zero at the end."""
    other = os.fsencode(exits_with_argc(tmp_path)) + b"\0"
    length = 32 * 4096 - 1 + over
    script = Script()
    script.mmap(ARENA, 1 << 20)
    reads = [script.call("read", 0, ARENA + n * 65536, 65536) for n in range(3)]
    script.call("vmemu_lab", 0, script.put(b"end\0"))
    script.call("execve", script.put(other), script.words(ARENA, 0), 0)
    script.call("exit", 99)
    ran = script.run(tmp_path, stdin=b"x" * length)
    assert [ran.results[i] for i in reads] == [65536, min(65536, length - 65536), 0]
    assert ran.status is not None
    assert ran.status.exit_status == (99 if over else 1)


@pytest.mark.parametrize("over", [False, True])
def test_execve_takes_as_many_strings_as_fit(tmp_path: Path, over: bool) -> None:
    """The path, the arguments and a pointer to each argument fill a quarter of the stack's limit.

    It is lowered to 640 kB: what is left is 160 kB.
    """
    other = os.fsencode(exits_with_argc(tmp_path)) + b"\0"
    room = (640 << 10) // 4 - len(other) - 2 * WORD
    script = Script()
    script.mmap(ARENA, 1 << 20)
    script.call("setrlimit", 3, script.words(640 << 10, 8 << 20))
    script.call("read", 0, ARENA, 65536)
    script.call("read", 0, ARENA + 65536, 65536)
    end, first = ARENA + 131072, 100_000  # both end where the arena's strings end
    argv = script.words(end - first, end - (room - first) - over, 0)
    script.call("vmemu_lab", 0, script.put(b"end\0"))
    script.call("execve", script.put(other), argv, 0)
    script.call("exit", 99)
    ran = script.run(tmp_path, stdin=b"x" * 131071 + b"\0")
    assert ran.status is not None
    assert ran.status.exit_status == (99 if over else 2)


def test_unknown_calls_are_counted(tmp_path: Path) -> None:
    script = Script()
    never = {32: 17, 64: 184}[BITS]  # break, tuxcall
    results = [script.call(number) for number in (9999, 9999, LIMIT - 2, never)]
    script.end()
    ran = script.run(tmp_path)
    assert {signed(ran.results[index]) for index in results} == {-errno.ENOSYS}
    assert ran.machine.kernel.unknown_syscalls == {9999: 2, LIMIT - 2: 1, never: 1}


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
    script.mmap(ARENA, 65536)
    sizes = []
    for name in names:
        script.call("open", script.put(f"/proc/{name}\0".encode()), 0, 0)
        sizes.append(script.call("read", 3, ARENA, 65536))
        script.call("close", 3)
    script.call("write", 1, ARENA, 4)
    missing = script.call("open", script.put(b"/proc/101/maps\0"), 0, 0)
    script.end()
    ran = script.run(tmp_path)
    assert all(0 < ran.results[index] < 4096 for index in sizes)
    assert signed(ran.results[missing]) == -errno.ENOENT


def test_oom_kills_the_largest(tmp_path: Path) -> None:
    script = Script()
    fork = script.call("fork")
    status = script.put(4)
    script.call("wait4", -1, status, 0, 0)
    script.end()
    script.if_zero(fork)
    script.mmap(ARENA, 2 << 20, flags=FIXED | NORESERVE)
    script.run_code("fill", cx=2 << 20, di=ARENA)
    script.call("exit", 0)
    ran = script.run(tmp_path, ram="1M", swap=None, overcommit=1)
    assert ran.u32(status) == 9
    assert ran.log == ["Out of Memory: Killed process 101 (script)."]


def test_strace(tmp_path: Path) -> None:
    script = Script()
    text = script.put(b'a\n"\x80' + b"x" * 40)
    script.call("write", 1, text, 44)
    script.call("write", 1, 4, 3)
    script.call("open", script.put(b"/nowhere\0"), 0o2000000, 0)
    script.mmap(0, 4096, flags=PRIVATE)
    script.call(9999, 1, 2)
    script.run_code("peek", cx=NOWHERE)
    ran = script.run(tmp_path, strace=True)
    mmap = {32: "mmap2", 64: "mmap"}[BITS]
    assert ran.trace == [
        'write(1, "a\\n\\"\\200xxxxxxxxxxxxxxxxxxxxxxxxxxxx"..., 44) = 44',
        "write(1, 0x4, 3)                        = -1 EFAULT (Bad address)",
        'open("/nowhere", O_RDONLY|O_CLOEXEC, 0) = -1 ENOENT (No such file or directory)',
        (
            f"{mmap}(NULL, 4096, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0)"
            f" = {UNMAPPED_BASE:#x}"
        ),
        "syscall_0x270f(0x1, 0x2, 0x0, 0x0, 0x0, 0x0) = -1 ENOSYS (Function not implemented)",
        f"--- SIGSEGV {{si_signo=SIGSEGV, si_code=1, si_addr={NOWHERE:#x}}} ---",
        "+++ killed by SIGSEGV +++",
    ]


def test_lab_calls(tmp_path: Path) -> None:
    script = Script()
    name = script.put(b"spot\0")
    mark = script.call("vmemu_lab", 0, name, 5, 6)
    counter = script.call("vmemu_lab", 2, script.put(b"syscalls\0"))
    unknown = script.call("vmemu_lab", 2, name)
    check = script.call("vmemu_lab", 3)
    wrong = script.call("vmemu_lab", 9)
    where = script.put(bytes(8))
    stored = script.call("vmemu_lab", 2, script.put(b"syscalls\0"), where)
    nowhere = script.call("vmemu_lab", 2, script.put(b"syscalls\0"), 0x70000000)
    hole = script.call("vmemu_lab", 1, 0x70000000, 4096)
    beyond = script.call("vmemu_lab", 1, TASK_SIZE - 4096, 8192)
    nobody = script.call("vmemu_lab", 1, where, 8, 99)
    reclaimed = script.call("vmemu_lab", 1, where, 8)
    script.call("vmemu_lab", 0, script.put(b"value\0"), where)
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


def test_two_runs_are_the_same(tmp_path: Path) -> None:
    def once() -> tuple[Any, ...]:
        script = Script()
        fork = script.call("fork")
        script.run_code("spin", cx=300_000)
        script.call("getrandom", SCRATCH + 0xF00, 16, 0)
        script.call("wait4", -1, 0, 0, 0)
        script.end()
        script.if_zero(fork)
        script.run_code("spin", cx=500_000)
        script.call("exit", 0)
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


@pytest.mark.parametrize("shared", [False, True])
def test_cwd_and_umask_are_copied_or_shared(tmp_path: Path, shared: bool) -> None:
    """CLONE_FS shares what fork copies."""
    script = Script()
    room, status = script.put(64), script.put(8)
    child = script.call("clone", 17 | (0x200 if shared else 0), 0, 0, 0, 0)
    script.call("wait4", -1, status, 0, 0)
    cwd = script.call("getcwd", room, 64)
    mask = script.call("umask", 0)
    script.end()
    script.if_zero(child)
    script.call("chdir", script.put(b"/tmp\0"))
    script.call("umask", 0o77)
    script.call("exit", 0)
    ran = script.run(tmp_path)
    assert ran.bytes(room, ran.results[cwd]) == (b"/tmp\0" if shared else b"/\0")
    assert ran.results[mask] == (0o77 if shared else 0o22)
