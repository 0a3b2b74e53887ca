"""Of a fault that the core decides by itself nobody asks for the address; its kind counts all
the same.  A load that goes on to write is one write fault, as on hardware.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from vmemu import Machine

EXIT = {
    32: "mov $1, %eax; xor %ebx, %ebx; int $0x80",
    64: "mov $60, %eax; xor %edi, %edi; syscall",
}

# Python decides the area's first write.  Of the second of the instructions that follow only
# the first byte is in its page.
PROGRAM = """
	.globl _start
_start:	movl $1, area
	{instruction} area + 4096
	jmp 1f
	.balign 4096
	.skip 4095
1:	{instruction} area + 8192 + 16
	{exit}
	.lcomm area, 3 * 4096
"""


def faults(directory: Path, bits: int, instruction: str, events: int) -> dict[str, int]:
    """What is counted of a program's faults."""
    source, program = directory / "program.s", directory / "program"
    source.write_text(PROGRAM.format(instruction=instruction, exit=EXIT[bits]))
    flags = [f"-m{bits}", "-nostdlib", "-static", "-no-pie", "-Wl,-z,noexecstack"]
    subprocess.run(["gcc", *flags, "-o", program, source], check=True)
    with Machine(ram="8M", bits=bits, events=events) as machine:
        machine.spawn(program, ["program"])
        assert str(machine.run()) == "exited with 0"
        counters = machine.core.counters()
    return {name: counters[name] for name in ("pgfault", "fault_c", "fault_python", "pgzero")}


@pytest.mark.parametrize("events", [0, 1024])
@pytest.mark.parametrize("bits", [32, 64])
def test_a_read_modify_write_faults_as_often_as_a_store(
    tmp_path: Path, bits: int, events: int
) -> None:
    store = faults(tmp_path, bits, "movl $1,", events)
    assert faults(tmp_path, bits, "incl", events) == store
    assert faults(tmp_path, bits, "lock addl $5,", events) == store


@pytest.mark.parametrize("bits", [32, 64])
def test_a_load_is_a_read(tmp_path: Path, bits: int) -> None:
    """Of the zero page, so that no frame is cleared."""
    store = faults(tmp_path, bits, "movl $1,", 0)
    load = faults(tmp_path, bits, "cmpl $1,", 0)
    assert load == store | {"pgzero": store["pgzero"] - 2}
