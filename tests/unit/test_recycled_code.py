"""Programs that run where others ran before: in the same frames, at the same addresses.

Unicorn knows translated blocks by frame and virtual address; nothing but the kernel can
tell it that a frame has got other contents.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from script import BASE, MARK, TEXT, elf

from vmemu import Machine
from vmemu.core import PAGE_SIZE

pytestmark = pytest.mark.i386  # the programs are of i386

PROGRAMS = 40
FUNCTION = TEXT + 0x80


def returns(value: int) -> bytes:
    """mov $value, %eax; ret"""
    return b"\xb8" + value.to_bytes(4, "little") + b"\xc3"


def program(status: int) -> bytes:
    """Marks, then exits; programs differ in one byte."""
    mark = b"\xb8" + MARK.to_bytes(4, "little") + b"\x31\xdb\xb9" + TEXT.to_bytes(4, "little")
    leave = b"\xbb" + status.to_bytes(4, "little") + b"\xb8\1\0\0\0"
    return elf(mark + b"\xcd\x80" + leave + b"\xcd\x80")


def call(at: int) -> bytes:
    """call FUNCTION, esi = esi * 4 + eax; the instruction is at ``at``."""
    return b"\xe8" + (FUNCTION - at - 5).to_bytes(4, "little", signed=True) + b"\x8d\x34\xb0"


def test_the_kernel_stores_into_code(tmp_path: Path) -> None:
    """read() replaces a function that has run: in the file's page, then in the process's own."""
    read = (
        b"\xb8\3\0\0\0\x31\xdb"  # mov $3, %eax; xor %ebx, %ebx
        b"\xb9" + FUNCTION.to_bytes(4, "little") + b"\xba\6\0\0\0\xcd\x80"  # (…, 6)
    )
    code = b"\x31\xf6" + call(TEXT + 2)
    for _ in range(2):
        code += read
        code += call(TEXT + len(code))
    code += b"\x89\xf3\xb8\1\0\0\0\xcd\x80"  # exit(esi)
    body = code.ljust(FUNCTION - TEXT, b"\x90") + returns(1)
    path = tmp_path / "program"
    size = TEXT - BASE + len(body)
    path.write_bytes(elf(body, segments=[(1, 0, BASE, size, size, 7)]))
    path.chmod(0o755)
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
            path = tmp_path / f"program{status}"
            path.write_bytes(program(status))
            path.chmod(0o755)
            machine.spawn(path)
            assert machine.run().exit_status == status
            machine.vm.reclaim.reclaim_pages(1 << 20)  # the page cache lets go of the file
            machine.check()
    assert len(frames) < PROGRAMS // 2
