"""Where programs lie, and what they are told of the kernel."""

from __future__ import annotations

from pathlib import Path

import pytest
from script import SCRATCH, Script

from tests.width import BITS
from vmemu.errors import ConfigError
from vmemu.machine import Machine


def places(tmp_path: Path, **options: object) -> tuple[int, ...]:
    """Where the heap and what is mapped first begin, and the stack's pointer at the start."""
    seen: list[int] = []

    def look(machine: Machine) -> None:
        task = machine.kernel.first
        assert task is not None
        seen.append(int(task.mm.ptr.start_brk))
        seen.append(int(task.mm.ptr.start_stack))

    script = Script()
    mapped = script.call({32: "mmap2", 64: "mmap"}[BITS], 0, 4096, 3, 0x22, -1, 0)
    script.end()
    ran = script.run(tmp_path, setup=look, **options)
    return (*seen, ran.results[mapped])


def test_addresses_come_from_the_seed(tmp_path: Path) -> None:
    usual = places(tmp_path)
    assert places(tmp_path, seed=3) == usual
    first, again, other = (places(tmp_path, aslr=True, seed=seed) for seed in (3, 3, 4))
    assert first == again
    assert all(a != b for a, b in zip(first, other, strict=True))
    assert all(a != b for a, b in zip(first, usual, strict=True))
    heap, stack, mapped = first
    assert heap > usual[0]
    assert stack < usual[1]
    assert mapped > usual[2]
    assert not any(address % 4096 for address in (heap, mapped))
    assert stack % 16 == usual[1] % 16


def test_a_child_maps_where_its_parent_would(tmp_path: Path) -> None:
    script = Script()
    mmap = {32: "mmap2", 64: "mmap"}[BITS]
    script.call(mmap, 0, 4096, 3, 0x22, -1, 0)
    child = script.call("fork")
    script.call("wait4", -1, SCRATCH + 0xF00, 0, 0)
    script.end()
    script.if_zero(child)
    script.call(mmap, 0, 4096, 3, 0x22, -1, 0)
    script.call("exit", 0)
    lines = script.run(tmp_path, aslr=True, seed=5, strace=True).trace
    made = [line for line in lines if " = 0x" in line and "mmap" in line]
    first, second = (int(line.rsplit("= ", 1)[1], 16) for line in made)
    assert second - first == 4096


@pytest.mark.parametrize("release", ["", "six", "6", "6.1 x", "6.1" + "x" * 70, 6.1])
def test_releases_that_are_none(release: object) -> None:
    with pytest.raises(ConfigError, match=r"uname must be a release such as 6\.1\.0"):
        Machine(uname=release)  # type: ignore[arg-type]


def test_the_release_that_programs_are_told(tmp_path: Path) -> None:
    script = Script()
    buffer = SCRATCH + 0xA00
    script.call("uname", buffer)
    script.end()
    for options, release in (({}, b"2.6.7-vmemu\0"), ({"uname": "6.1.0-9"}, b"6.1.0-9\0")):
        memory = script.run(tmp_path, **options).memory[SCRATCH]
        assert memory[0xA00 + 2 * 65 :].startswith(release)
