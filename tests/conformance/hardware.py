"""Assembler run by the host itself, beside what Unicorn makes of it."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest
from board import DATA


def on_the_host(
    tmp_path: Path, pieces: Sequence[str], data: bytes, result: int, size: int
) -> list[bytes]:
    """Run each piece, with the data at DATA, and give so many bytes that it leaves at `result`.

    Size is a multiple of 4; all results have to fit into the page behind `result`.
    """
    lines = [".code32", ".globl _start", "_start:"]
    for n, piece in enumerate(pieces):
        lines += [f"movl $0, {result + at}" for at in range(0, size, 4)]
        lines.append(piece)
        for at in range(0, size, 4):
            lines.append(f"mov {result + at}, %eax; mov %eax, {result + size * (n + 1) + at}")
    total = size * len(pieces)
    lines.append(
        f"mov $4, %eax; mov $1, %ebx; mov ${result + size}, %ecx; mov ${total}, %edx; int $0x80"
    )
    lines.append("mov $1, %eax; xor %ebx, %ebx; int $0x80")
    lines += ['.section .numbers, "aw"', ".byte " + ", ".join(map(str, data.ljust(8192, b"\0")))]
    (tmp_path / "a.s").write_text("\n".join(lines) + "\n")
    run = lambda *command: subprocess.run(command, check=True, cwd=tmp_path)  # noqa: E731
    run("gcc", "-m32", "-c", "a.s", "-o", "a.o")
    run("ld", "-m", "elf_i386", f"--section-start=.numbers={DATA:#x}", "-Ttext=0x8048000", "a.o")
    try:
        done = subprocess.run([tmp_path / "a.out"], capture_output=True, check=True)
    except OSError as error:
        pytest.skip(f"the host does not execute i386 programs: {error}")
    return [done.stdout[at : at + size] for at in range(0, total, size)]
