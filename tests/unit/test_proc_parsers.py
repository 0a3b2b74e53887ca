"""psutil reads a copy of a machine's /proc, and finds what the machine has."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import procfs
from tests.width import BITS
from vmemu.lab.guests import guest_path
from vmemu.machine import Machine

psutil = pytest.importorskip("psutil", reason="psutil is not installed (pip install psutil)")


@pytest.fixture(scope="module")
def copied(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What /proc is while a guest and its children have memory in RAM and in swap."""
    to = tmp_path_factory.mktemp("machine") / "proc"
    with Machine(bits=BITS, ram="1M", swap="8M") as machine:
        machine.kernel.on_mark = lambda task, name, a, b: (
            procfs.copy(machine, to) if name == "measure" else None
        )
        machine.spawn(guest_path("fork-readers", BITS), ["fork-readers", "R=300", "N=4"])
        assert machine.run().exit_status == 0
    return to


@pytest.fixture
def path(copied: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setattr(psutil, "PROCFS_PATH", str(copied))
    return copied


def kb(path: Path, name: str) -> int:
    found = re.search(rf"^{re.escape(name)}: +(\d+) kB$", path.read_text(), re.M)
    assert found is not None
    return int(found[1]) * 1024


def test_memory(path: Path) -> None:
    memory, swap = psutil.virtual_memory(), psutil.swap_memory()
    assert memory.total == kb(path / "meminfo", "MemTotal")
    assert memory.available == kb(path / "meminfo", "MemAvailable")
    assert memory.free == kb(path / "meminfo", "MemFree")
    assert swap.total == kb(path / "meminfo", "SwapTotal")
    assert swap.used == swap.total - kb(path / "meminfo", "SwapFree") > 0
    assert swap.sout > 0


def test_processes(path: Path) -> None:
    pids = sorted(int(each.name) for each in path.iterdir() if each.name.isdigit())
    assert psutil.pids() == pids
    assert len(pids) == 5
    parent = psutil.Process(pids[0])
    assert parent.name() == "fork-readers"
    assert parent.cmdline() == ["fork-readers", "R=300", "N=4"]
    assert parent.num_threads() == 1
    assert parent.status() == psutil.STATUS_RUNNING
    assert sorted(child.pid for child in parent.children()) == pids[1:]
    assert {child.status() for child in parent.children()} == {psutil.STATUS_SLEEPING}
    assert parent.cpu_times().system >= 0
    assert parent.num_ctx_switches().voluntary > 0
    assert parent.uids().real == 0


def test_memory_of_a_process(path: Path) -> None:
    for pid in psutil.pids():
        process = psutil.Process(pid)
        told, full = process.memory_info(), process.memory_full_info()
        status = (path / str(pid) / "status").read_text()
        for name, value in (("VmSize", told.vms), ("VmRSS", told.rss), ("VmSwap", full.swap)):
            found = re.search(rf"^{name}:\t +(\d+) kB$", status, re.M)
            assert found is not None
            assert value == int(found[1]) * 1024
        assert 0 <= full.pss <= told.rss
        maps = process.memory_maps(grouped=False)
        assert sum(area.rss for area in maps) == told.rss
        assert sum(area.size for area in maps) == told.vms
        assert any(area.path == "[stack]" for area in maps)


def test_times(path: Path) -> None:
    assert psutil.boot_time() == 1087344000
    times, stats = psutil.cpu_times(), psutil.cpu_stats()
    assert times.user >= 0
    assert stats.ctx_switches > 0
