"""Swap I/O in runs of slots: whatever their length, every word comes back as it went."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import pytest

from vmemu import Machine


@pytest.mark.parametrize("page_cluster", [0, 1, 3, 6, 8])
@pytest.mark.parametrize("command", ["PAGES=600", "PAGES=300 FORK=1"])
def test_storm(guest: Callable[[str], Path], command: str, page_cluster: int) -> None:
    program, stdout = guest("swap-storm"), io.BytesIO()
    with Machine(ram="1M", swap="16M", page_cluster=page_cluster) as machine:
        machine.spawn(program, ["swap-storm", *command.split()], stdout=stdout)
        assert str(machine.run()) == "exited with 0"
        machine.check()
        counters = machine.core.counters()
    assert b"ok" in stdout.getvalue()
    assert counters["pswpin"] > 100
    assert bool(counters["swap_ra"]) == bool(page_cluster)


def test_two_areas_and_swapoff(guest: Callable[[str], Path], tmp_path: Path) -> None:
    with Machine(ram="1M", swap=None) as machine:
        areas = machine.vm.swap
        for name in ("one", "two"):
            areas.swapon(str(tmp_path / name), 2 << 20, priority=1)  # they take turns
        machine.spawn(guest("swap-storm"), ["swap-storm", "PAGES=500"], stdout=None)
        assert str(machine.run()) == "exited with 0"
        machine.check()
        for name in ("one", "two"):
            areas.swapoff(str(tmp_path / name))
        machine.check()
