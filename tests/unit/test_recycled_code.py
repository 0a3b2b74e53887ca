"""Programs that run where others ran before: in the same frames, at the same addresses.

Unicorn knows translated blocks by frame and virtual address; nothing but the kernel can
tell it that a frame has got other contents.
"""

from __future__ import annotations

from pathlib import Path

from script import BASE, TEXT, call_code, elf, enter, executable

from tests.width import BITS
from vmemu import Machine
from vmemu.core import PAGE_SIZE

PROGRAMS = 40
FUNCTION = TEXT + 0x100


def returns(value: int) -> bytes:
    """mov $value, %eax; ret"""
    return b"\xb8" + value.to_bytes(4, "little") + b"\xc3"


def program(status: int) -> bytes:
    """Marks, then exits; programs differ in one byte."""
    return elf(call_code("vmemu_lab", 0, TEXT) + call_code("exit", status))


def call(at: int) -> bytes:
    """call FUNCTION, ebp = ebp * 4 + eax; the instruction is at ``at``."""
    return b"\xe8" + (FUNCTION - at - 5).to_bytes(4, "little", signed=True) + b"\x8d\x2c\xa8"


def test_the_kernel_stores_into_code(tmp_path: Path) -> None:
    """read() replaces a function that has run: in the file's page, then in the process's own."""
    code = b"\x31\xed" + call(TEXT + 2)  # xor %ebp, %ebp
    for _ in range(2):
        code += call_code("read", 0, FUNCTION, len(returns(0)))
        code += call(TEXT + len(code))
    code += {32: b"\x89\xeb", 64: b"\x89\xef"}[BITS] + enter("exit")  # mov %ebp, %ebx or %edi
    body = code.ljust(FUNCTION - TEXT, b"\x90") + returns(1)
    size = TEXT - BASE + len(body)
    path = executable(tmp_path / "program", elf(body, segments=[(1, 0, BASE, size, size, 7)]))
    with Machine(ram="1M", swap=None) as machine:
        machine.spawn(path, stdin=returns(2) + returns(3))
        assert machine.run().exit_status == 0x1B  # 1, 2, 3, two bits each
        machine.check()


def test_different_programs_in_the_same_frame(tmp_path: Path) -> None:
    frames = set()
    with Machine(ram="1M", swap=None) as machine:

        def note_frame(task: object, *_: object) -> None:
            (page,) = [p for p in machine.pages(task) if p.address == TEXT & -PAGE_SIZE]
            frames.add(page.pfn)

        machine.kernel.on_mark = note_frame
        for status in range(1, PROGRAMS + 1):
            machine.spawn(executable(tmp_path / f"program{status}", program(status)))
            assert machine.run().exit_status == status
            machine.vm.reclaim.reclaim_pages(1 << 20)  # the page cache lets go of the file
            machine.check()
    assert len(frames) < PROGRAMS // 2
