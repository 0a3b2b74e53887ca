"""Programs that run where others ran before: in the same frames, at the same addresses.

Unicorn knows translated blocks by frame and virtual address; nothing but the kernel can
tell it that a frame has got other contents.
"""

from __future__ import annotations

from pathlib import Path

from script import MARK, TEXT, elf

from vmemu import Machine
from vmemu.core import PAGE_SIZE

PROGRAMS = 40


def program(status: int) -> bytes:
    """Marks, then exits; programs differ in one byte."""
    mark = b"\xb8" + MARK.to_bytes(4, "little") + b"\x31\xdb\xb9" + TEXT.to_bytes(4, "little")
    leave = b"\xbb" + status.to_bytes(4, "little") + b"\xb8\1\0\0\0"
    return elf(mark + b"\xcd\x80" + leave + b"\xcd\x80")


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
