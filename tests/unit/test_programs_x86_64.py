"""What is shown of 64-bit programs: traces, crashes and /proc; and int 0x80, which is no call."""

from __future__ import annotations

import io
import re
import struct
from pathlib import Path
from typing import NamedTuple

import pytest

from vmemu import _build
from vmemu.kernel.process.task import Task
from vmemu.kernel.process.wait import WaitStatus
from vmemu.kernel.signal.crash import faulting_instruction
from vmemu.machine import Machine

BITS = [32, 64]
END = {32: 0xC0000000, 64: 0x7FC0000000}
"""Of user space."""


class Ran(NamedTuple):
    """What a program left."""

    status: int
    output: bytes
    trace: list[str]
    crash: str
    """The instruction that killed it."""


def run(tmp_path: Path, body: str, bits: int = 64, *args: str) -> Ran:
    source, program, output = tmp_path / "program.c", tmp_path / "program", io.BytesIO()
    source.write_text(f'#include "guest.h"\nint main(int argc UNUSED, char **argv UNUSED)\n{body}')
    program.write_bytes(_build.guest_program(source, bits))
    program.chmod(0o755)
    with Machine(ram="4M", bits=bits) as machine:
        trace: list[str] = []
        crash = ""

        def ended(task: Task, status: WaitStatus) -> None:
            nonlocal crash
            if status.signaled:
                crash = faulting_instruction(task)

        machine.kernel.strace, machine.kernel.on_exit = trace.append, ended
        machine.kernel.log = lambda _line: None
        machine.spawn(program, [str(program), *args], stdin=b"", stdout=output, stderr=output)
        status = machine.run().exit_status
        machine.check()
    return Ran(status, output.getvalue(), trace, crash)


def test_a_trace_shows_64_bits(tmp_path: Path) -> None:
    body = """{
        syscall6(NR_mmap, 0x7000000000, 5ul << 30, 0, 0x4032, -1, 0);
        munmap((void *)0x7000000000, 6ul << 30);
        syscall6(NR_mmap, 0, PAGE_SIZE, 3, 0x22, -1, 1ul << 40 | 1);
        syscall3(8, 0, -(1l << 33), 1);
        syscall3(NR_read, 99 | 1ul << 40, 0x7fbffffff8, 1ul << 33);
        syscall2(158, 0x1002, 1ul << 63);
        struct timespec odd = { 1l << 33, -1 };
        syscall2(NR_nanosleep, &odd, 0);
        syscall3(NR_mprotect, -4096l, 1ul << 63, 1);
        syscall1(1ul << 40, 0);
        brk(0);
        return 3;
    }"""
    lines = run(tmp_path, body).trace
    shown = [re.sub(r" +=", " =", line) for line in lines]
    heap = shown.pop(-3)
    assert shown == [
        (
            "mmap(0x7000000000, 5368709120, PROT_NONE, "
            "MAP_PRIVATE|MAP_FIXED|MAP_ANONYMOUS|MAP_NORESERVE, -1, 0) = 0x7000000000"
        ),
        "munmap(0x7000000000, 6442450944) = 0",
        (
            "mmap(NULL, 4096, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 1099511627777)"
            " = -1 EINVAL (Invalid argument)"
        ),
        "lseek(0, -8589934592, 1) = -1 ESPIPE (Illegal seek)",
        "read(99, 0x7fbffffff8, 8589934592) = -1 EBADF (Bad file descriptor)",
        "arch_prctl(0x1002, 0x8000000000000000) = -1 EPERM (Operation not permitted)",
        "nanosleep({tv_sec=8589934592, tv_nsec=-1}, NULL) = -1 EINVAL (Invalid argument)",
        (
            "mprotect(0xfffffffffffff000, 9223372036854775808, PROT_READ)"
            " = -1 ENOMEM (Cannot allocate memory)"
        ),
        (
            "syscall_0x10000000000(0x0, 0x0, 0x0, 0x0, 0x0, 0x0)"
            " = -1 ENOSYS (Function not implemented)"
        ),
        "exit(3) = ?",
        "+++ exited with 3 +++",
    ]
    assert heap.startswith("brk(NULL) = 0x4")


CRASHES = {
    "movq %rdx, (%rax)": "mov qword ptr [rax], rdx",
    "movl %r9d, 8(%rax,%r10,4)": "mov dword ptr [rax + r10*4 + 8], r9d",
    "hlt": "hlt",
    "ud2": "ud2",
    "int $0x80": "int 0x80",
}


@pytest.mark.parametrize("code", CRASHES)
def test_a_crash_is_shown_as_64_bit_code(tmp_path: Path, code: str) -> None:
    body = f"""{{
        __asm__ volatile("xorl %%r10d, %%r10d\\n\\t{code.replace("%", "%%")}"
                         : : "a"(0x7000000000), "d"(0) : "r10", "memory");
        return 0;
    }}"""
    ran = run(tmp_path, body)
    assert ran.status == (132 if code == "ud2" else 139)
    assert re.fullmatch(rf"0x0000000000[0-9a-f]{{6}}: {re.escape(CRASHES[code])}", ran.crash)


def test_a_jump_out_of_the_program_is_shown(tmp_path: Path) -> None:
    ran = run(tmp_path, "{ ((void (*)(void))0x7000000000)(); return 0; }")
    assert ran.status == 139
    assert ran.crash == "0x0000007000000000: not mapped"


def test_a_handler_spares_the_red_zone(tmp_path: Path) -> None:
    """The 128 bytes below rsp are a function's own, though a handler runs on the same stack."""
    ran = run(
        tmp_path,
        """;
        static void handler(int sig UNUSED, struct siginfo *info UNUSED, struct ucontext *uc)
        {
            uc->gregs[REG_IP] += 2;
        }

        int main(int argc UNUSED, char **argv UNUSED)
        {
            ulong first, last;

            on_signal(SIGILL, handler);
            __asm__ volatile("movq $7, -8(%%rsp)\\n\\tmovq $9, -128(%%rsp)\\n\\tud2\\n\\t"
                             "movq -8(%%rsp), %0\\n\\tmovq -128(%%rsp), %1"
                             : "=r"(first), "=r"(last) : : "memory");
            say("%u %u\\n", (u32)first, (u32)last);
            return 0;
        }""",
    )
    assert ran.output == b"7 9\n"


def test_int_0x80_is_no_system_call(tmp_path: Path) -> None:
    """As in a kernel without IA32 emulation: #GP, at the instruction, without an address."""
    ran = run(
        tmp_path,
        """;
        static void handler(int sig, struct siginfo *info, struct ucontext *uc)
        {
            u8 *ip = (u8 *)uc->gregs[REG_IP];

            say("%d %d %u %x %x\\n", sig, info->si_code, (u32)info->si_addr, ip[0], ip[1]);
            uc->gregs[REG_IP] += 2;
        }

        int main(int argc UNUSED, char **argv UNUSED)
        {
            ulong result = 20; /* i386's getpid */

            on_signal(SIGSEGV, handler);
            __asm__ volatile("int $0x80" : "+a"(result));
            say("%u\\n", (u32)result);
            return 0;
        }""",
    )
    assert ran.output == b"11 128 0 000000cd 00000080\n20\n"


PROC = """{
    static char text[8192];
    long fd = syscall3(NR_open, argv[1], 0, 0), n;

    while ((n = read(fd, text, sizeof(text))) > 0)
        write(1, text, n);
    return 0;
}"""


@pytest.mark.parametrize("bits", BITS)
def test_maps(tmp_path: Path, bits: int) -> None:
    lines = run(tmp_path, PROC, bits, "/proc/self/maps").output.decode().splitlines()
    column = {32: 49, 64: 73}[bits]  # 6 * sizeof(void *) + 25
    assert re.match(r"[0-9a-f]{8}-[0-9a-f]{8} r--p 00000000 00:00 ", lines[0])
    assert lines[0][column:] == str(tmp_path / "program")
    assert lines[-1].endswith("[stack]")
    assert lines[-1][column:] == "[stack]"
    assert int(re.split("[- ]", lines[-1])[1], 16) == END[bits]


@pytest.mark.parametrize("bits", BITS)
def test_stat(tmp_path: Path, bits: int) -> None:
    text = run(tmp_path, PROC, bits, "/proc/self/stat").output.decode()
    fields = text.rpartition(") ")[2].split()
    names = ["vsize", "rss", "rlim", "startcode", "endcode", "startstack", "kstkesp", "kstkeip"]
    found = dict(zip(names, map(int, fields[20:28]), strict=True))
    assert found["rlim"] == (1 << bits) - 1
    assert found["startcode"] < found["kstkeip"] < found["endcode"]
    assert END[bits] - (1 << 20) < found["kstkesp"] <= found["startstack"] < END[bits]


@pytest.mark.parametrize("bits", BITS)
def test_auxv(tmp_path: Path, bits: int) -> None:
    data = run(tmp_path, PROC, bits, "/proc/self/auxv").output
    form = "<QQ" if bits == 64 else "<II"
    auxv = dict(struct.iter_unpack(form, data))
    base, header, entry = {32: (0x08048000, 52, 32), 64: (0x400000, 64, 56)}[bits]
    assert auxv[3] == base + header  # AT_PHDR, AT_PHENT, AT_PAGESZ
    assert auxv[4] == entry
    assert auxv[6] == 4096
    assert base < auxv[9] < base + 0x10000  # AT_ENTRY
    for pointer in (15, 25, 31):  # AT_PLATFORM, AT_RANDOM, AT_EXECFN
        assert END[bits] - 4096 < auxv[pointer] < END[bits]
    assert data.endswith(bytes(bits // 4))  # AT_NULL
