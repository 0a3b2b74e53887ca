"""Machines that are closed, and machines that nobody closes."""

from __future__ import annotations

import gc
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.width import BITS
from vmemu import Machine
from vmemu.errors import ConfigError, MachineClosed
from vmemu.lab.guests import guest_path

GUEST = Callable[[str], Path]


def machine(**options: Any) -> Machine:
    return Machine(ram="4M", swap="1M", **options)


USES: dict[str, Callable[[Machine, Any, Any], object]] = {
    "spawn": lambda m, task, mm: m.spawn("hello"),
    "run": lambda m, task, mm: m.run(),
    "step": lambda m, task, mm: m.step(),
    "vmas": lambda m, task, mm: list(m.vmas(mm)),
    "pages": lambda m, task, mm: list(m.pages(mm)),
    "check": lambda m, task, mm: m.check(),
    "frame": lambda m, task, mm: m.frame(5),
    "events": lambda m, task, mm: list(m.core.events()),
    "mm.read": lambda m, task, mm: mm.read(0x08048000, 4),
    "mm.write": lambda m, task, mm: mm.write(0x08048000, b"x"),
    "mm.vmas": lambda m, task, mm: list(mm.vmas()),
    "mm.ptr": lambda m, task, mm: mm.ptr.rss,
    "core.m": lambda m, task, mm: m.core.m.nr_frames,
    "core.page": lambda m, task, mm: m.core.page(5),
    "reclaim": lambda m, task, mm: m.vm.reclaim_range(mm, 0, 4096),
    "kswapd": lambda m, task, mm: m.vm.kswapd_if_wanted(),
    "swapon": lambda m, task, mm: m.vm.swap.swapon_size(1 << 20),
    "cpu.run": lambda m, task, mm: m.cpu.run(),
    "cpu.regs": lambda m, task, mm: m.cpu.regs.eip,
    "cpu.new_context": lambda m, task, mm: m.cpu.new_context(),
}


@pytest.mark.parametrize("use", USES)
def test_what_is_closed_says_so(guest: GUEST, use: str) -> None:
    with machine() as closed:
        task = closed.spawn(guest("hello"), stdout=None)
        closed.step()
        mm = task.mm
    with pytest.raises(MachineClosed, match="the machine is closed"):
        USES[use](closed, task, mm)
    closed.close()
    assert closed.core.counters()["pgfault"] > 0


def test_statistics_can_still_be_read(guest: GUEST) -> None:
    """Those of its end; whoever changes what was returned changes nothing."""
    with machine(events=64) as closed:
        closed.spawn(guest("hello"), stdout=None)
        closed.run()
        last = closed.stats()
    assert closed.stats() == last
    assert closed.stats()["faults"]["minor"] > 0
    assert sum(closed.stats()["frames"].values()) == (4 << 20) // 4096
    closed.stats()["frames"].clear()
    assert closed.stats() == last


def test_what_was_kept_from_it_does_not_end_the_process(guest: GUEST) -> None:
    """Pointers into its memory read as zeros."""
    code = f"""
from vmemu import Machine
with Machine(ram="4M", bits={BITS}) as m:
    task = m.spawn({str(guest("hello"))!r}, stdout=None)
    m.step()
    vma = next(task.mm.vmas()); page = m.core.page(50); m_struct = m.core.m; ptr = task.mm.ptr
print(vma.vm_start, page.flags, ptr.rss, m_struct.k.zone.free_pages)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "0 0 0 0\n", "")


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def guest_ram() -> int:
    """kB of this process in mappings of 4 MB."""
    text = Path("/proc/self/smaps").read_text()
    sizes = [int(line.split()[1]) for line in text.splitlines() if line.startswith("Size:")]
    return sum(size for size in sizes if size == 4096)


def test_machines_that_nobody_closes_are_freed(guest: GUEST) -> None:
    machine().close()
    gc.collect()
    before = descriptors(), guest_ram()
    for _ in range(20):
        left = machine()
        left.spawn(guest("hello"), stdout=None)
        left.step()
    del left
    gc.collect()
    assert descriptors() == before[0]
    assert guest_ram() <= before[1]


@pytest.mark.parametrize(
    "options",
    [{"swap": "/proc/self/mem"}, {"swap": "1K"}, {"rmap": "nonsense"}, {"min_free_pages": 1 << 20}],
)
def test_a_machine_that_could_not_be_made_leaves_nothing(options: dict[str, Any]) -> None:
    gc.collect()
    before = descriptors()
    for _ in range(3):
        with pytest.raises(ConfigError):
            Machine(**{"ram": "4M", "swap": "1M"} | options)
    gc.collect()
    assert descriptors() == before


def test_what_is_open_answers_for_nothing_that_is_missing() -> None:
    """A class with __getattr__ would make each attribute of it slow to get."""
    with Machine(ram="4M") as machine:
        mm = machine.spawn(guest_path("hello"), stdout=None).mm
        live = (machine.core, machine.cpu, machine.kernel, mm)
        before = [type(each) for each in live]
        assert not [cls for cls in before if hasattr(cls, "__getattr__")]
    for cls, each in zip(before, live, strict=True):
        assert isinstance(each, cls)
        assert type(each).__name__ == cls.__name__
        assert hasattr(type(each), "__getattr__")
        with pytest.raises(AttributeError, match=f"'{cls.__name__}' object has no attribute 'no'"):
            each.no  # noqa: B018
