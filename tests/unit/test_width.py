"""x86-64 beside i386: tables of three and four levels, machines of both at once."""

from __future__ import annotations

import errno
import io
import re
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import pytest
from memory import PAGE, Memory, errno_of

from vmemu import Machine
from vmemu.core import Core, core_of, lib
from vmemu.errors import ConfigError, ExecError
from vmemu.frames import page_tables
from vmemu.lab.experiment import bits_of
from vmemu.lab.guests import find_program, guest_path
from vmemu.layouts import find_layout, layouts

GB = 1 << 30


def test_constants_that_python_takes_from_one_core_are_the_same_in_both() -> None:
    """All but those that are asked of the core at hand."""
    geometry = {
        "BITS_PER_LONG",
        "TABLE_BITS",
        "MAX_LEVELS",
        "DEFAULT_LEVELS",
        "TASK_SIZE_PGDS",
        "MAX_RAM_MB",
        "TASK_UNMAPPED_BASE",
        "PTRS_PER_TABLE",
        "PMD_SHIFT",
        "PTE_FILE_MAX_BITS",
    }

    def numbers(bits: int) -> dict[str, int]:
        core = core_of(bits)[1]
        names = set(dir(core)) - geometry
        found = {name: getattr(core, name) for name in names if not name[:1].islower()}
        return {name: value for name, value in found.items() if isinstance(value, int)}

    assert numbers(32) == numbers(64)
    assert len(numbers(32)) > 100


@pytest.mark.parametrize(
    ("bits", "levels", "task_size", "unmapped_base"),
    [
        (32, None, 0xC0000000, 0x40000000),
        (64, None, 0x7FC0000000, 0x2A95556000),
        (64, 3, 0x7FC0000000, 0x2A95556000),
        (64, 4, 0x7FFFFFFFF000, 0x2AAAAAAAB000),
    ],
)
def test_where_the_users_addresses_end(
    bits: int, levels: int | None, task_size: int, unmapped_base: int
) -> None:
    core = Core(4 << 20, "none", bits=bits, levels=levels)
    assert (core.task_size, core.unmapped_base) == (task_size, unmapped_base)
    core.close()


def tables(memory: Memory, mm: Any) -> list[int]:
    """How many tables an mm has of each level, page tables first."""
    found = [table.level for table in page_tables(memory.core, mm.ptr)]
    return [found.count(level) for level in range(memory.core.levels)]


@pytest.mark.parametrize(
    ("options", "alone", "near", "next_table", "next_gb"),
    [
        ({"bits": 32}, [1, 1], [1, 1], [2, 1], [3, 1]),
        ({"bits": 64}, [1, 1, 1], [1, 1, 1], [2, 1, 1], [3, 2, 1]),
        ({"bits": 64, "levels": 4}, [1, 1, 1, 1], [1, 1, 1, 1], [2, 1, 1, 1], [3, 2, 1, 1]),
    ],
)
def test_tables_of_a_few_pages(
    options: dict[str, int],
    alone: list[int],
    near: list[int],
    next_table: list[int],
    next_gb: list[int],
) -> None:
    """One page needs a table of each level; one far enough away another of the lower ones."""
    memory = Memory("anon_vma", **options)
    mm = memory.process()
    base, table = 0x10000000, PAGE * memory.core.lib.PTRS_PER_TABLE
    for at, expected in (
        (base, alone),
        (base + PAGE, near),
        (base + table, next_table),
        (base + GB, next_gb),
    ):
        memory.map(mm, (at - base) // PAGE, 1)
        mm.write(at, b"x")
        assert tables(memory, mm) == expected
        assert memory.m.pages.nr_pagetable == sum(expected)
        memory.check()
    mm.put()
    assert memory.m.pages.nr_pagetable == 0
    memory.check()
    memory.close()


@pytest.mark.parametrize("levels", [3, 4])
def test_tables_go_when_nothing_needs_them(levels: int) -> None:
    from vmemu.mm import do_munmap

    memory = Memory("anonmm", bits=64, levels=levels)
    mm = memory.process()
    for page in (0, 1 << 9, 1 << 18):  # of one table, of another, of another directory
        memory.map(mm, page, 1)
        mm.write(0x10000000 + page * PAGE, b"x")
    assert tables(memory, mm)[:2] == [3, 2]
    do_munmap(mm, 0x10000000 + (PAGE << 18), PAGE)
    assert tables(memory, mm)[:2] == [2, 1]
    do_munmap(mm, 0x10000000, PAGE)
    assert tables(memory, mm)[:2] == [1, 1]
    memory.check()
    memory.close()


@pytest.mark.parametrize("levels", [3, 4])
def test_the_last_page_is_the_users_and_the_next_is_not(levels: int) -> None:
    memory = Memory("anon_vma", bits=64, levels=levels)
    mm = memory.process()
    end = memory.core.task_size
    memory.map(mm, (end - 0x10000000) // PAGE - 1, 1)
    mm.write(end - 4, b"last")
    assert mm.read(end - 4, 4) == b"last"
    assert errno_of(mm.read, end, 1) == errno.EFAULT
    memory.check()
    mm.put()
    memory.close()


@pytest.mark.parametrize("levels", [3, 4])
def test_no_table_has_the_kernels_half(levels: int) -> None:
    """All entries are the user's; test_pgtable.py has i386's, of which the last quarter is not."""
    memory = Memory("anon_vma", bits=64, levels=levels)
    mm = memory.process()
    ffi = core_of(64)[0]
    top = ffi.cast("char *", memory.core.base + mm.ptr.pgd)
    assert bytes(ffi.buffer(top, PAGE)) == bytes(PAGE)
    mm.put()
    memory.close()


def test_swap_beyond_four_gigabytes() -> None:
    """Far apart, evicted, read back: entries do not mix addresses up."""
    memory = Memory("anon_vma", bits=64)
    memory.vm.swap.swapon_size(8 << 20, 1)
    mm = memory.process()
    places = [n << 20 for n in range(100)]  # pages: 4 GB each
    for page in places:
        memory.map(mm, page, 1)
        mm.write(0x10000000 + page * PAGE, page.to_bytes(8, "little"))
    for page in places:
        start = 0x10000000 + page * PAGE
        memory.vm.reclaim_range(mm, start, start + PAGE)
        assert memory.kind(mm, page) == lib.PTE_SWAP
    memory.check()
    for page in places:
        assert mm.read(0x10000000 + page * PAGE, 8) == page.to_bytes(8, "little")
    memory.check()
    mm.put()
    memory.close()


class Kind(NamedTuple):
    """What a machine is that does not share its process with its like only."""

    bits: int
    rmap: str
    layout: str

    def machine(self, output: io.BytesIO) -> Machine:
        """One with a guest under pressure, which has not begun yet."""
        machine = Machine(
            bits=self.bits, rmap=self.rmap, layout=self.layout, ram="1M", swap="8M", seed=5
        )
        argv = ["swap-storm", "PAGES=300", "FORK=1"]
        machine.spawn(guest_path("swap-storm", self.bits), argv, stdout=output)
        return machine


KINDS = [
    Kind(bits, rmap, layout)
    for rmap in ("anonmm", "anon_vma")
    for bits, layout in ((32, "2.6.7"), (64, "2.6.7"), (32, "2.6.34"), (64, "3.10"), (64, "6.18"))
]
Story = tuple[bytes, dict[str, int], dict[str, dict[str, int]]]
"""What the guest wrote, all counters, all slab caches."""


def ended(machine: Machine, output: io.BytesIO) -> Story:
    """The story of a machine whose guest has ended; closes it."""
    machine.check()
    slabs = machine.stats()["slabs"]
    machine.close()
    return output.getvalue(), machine.core.counters(), slabs


def story(kind: Kind) -> Story:
    """Of a machine that runs at once to its end."""
    output = io.BytesIO()
    machine = kind.machine(output)
    machine.run()
    return ended(machine, output)


@pytest.fixture(scope="module")
def alone() -> dict[Kind, Story]:
    """Each kind's story, one after the other."""
    return {kind: story(kind) for kind in KINDS}


def test_the_kinds_differ(alone: dict[Kind, Story]) -> None:
    """The guest writes the same everywhere; what it costs is another thing in each."""
    assert len({output for output, _, _ in alone.values()}) == 1
    assert len({str(rest) for _, *rest in alone.values()}) == len(KINDS)


def test_machines_of_all_kinds_take_turns(alone: dict[Kind, Story]) -> None:
    outputs = {kind: io.BytesIO() for kind in KINDS}
    machines = {kind: kind.machine(outputs[kind]) for kind in KINDS}
    running = dict(machines)
    while running:
        for kind, machine in list(running.items()):
            machine.step()
            if machine.kernel.first is None or not machine.kernel.first.alive:
                del running[kind]
    assert {kind: ended(machine, outputs[kind]) for kind, machine in machines.items()} == alone


def test_machines_of_all_kinds_in_threads(alone: dict[Kind, Story]) -> None:
    with ThreadPoolExecutor(4) as pool:
        runs = [(kind, pool.submit(story, kind)) for kind in KINDS * 2]
        for kind, run in runs:
            assert run.result() == alone[kind]


def test_a_program_of_the_other_width_is_refused() -> None:
    for bits, other in ((64, 32), (32, 64)):
        told = f"hello is a {other}-bit ELF file; this machine runs {bits}-bit"
        machine = Machine(bits=bits, ram="4M", swap=None)
        with machine, pytest.raises(ExecError, match=told):
            machine.spawn(guest_path("hello", other))


WIDTHS = r"^bits must be 32 \(i386\) or 64 \(x86-64\), not "


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"bits": 0}, WIDTHS + "0"),
        ({"bits": 16}, WIDTHS + "16"),
        ({"bits": 48}, WIDTHS + "48"),
        ({"bits": 32.0}, WIDTHS + r"32\.0"),
        ({"bits": "64"}, WIDTHS + "'64'"),
        ({"bits": True}, WIDTHS + "True"),
        ({"bits": 32, "levels": 3}, "page tables of 3 levels: 32 bits have 2"),
        ({"bits": 64, "levels": 2}, "page tables of 2 levels: 64 bits have 3 or 4"),
        ({"bits": 64, "ram": "65G"}, "ram may be at most 65536M"),
        ({"bits": 32, "ram": "897M"}, r"ram may be at most 896M \(no highmem\)"),
    ],
)
def test_what_cannot_be(options: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint):
        Machine(swap=None, **{"ram": "4M", **options})


@pytest.mark.parametrize("bits", [0, 16, 33, -64, 64.0, True])
@pytest.mark.parametrize(
    "ask",
    [
        core_of,
        layouts,
        lambda bits: find_layout("2.6.7", bits),
        lambda bits: guest_path("hello", bits),
        lambda bits: find_program("hello", bits),
        lambda bits: bits_of({"bits": bits}),
        lambda bits: Core(4 << 20, "none", bits=bits),
    ],
    ids=["core", "layouts", "layout", "guest", "program", "options", "Core"],
)
def test_whoever_is_asked_for_a_width_that_there_is_not(ask: Any, bits: Any) -> None:
    with pytest.raises(ConfigError, match=WIDTHS + re.escape(repr(bits))):
        ask(bits)
