"""The moments at which a program is stopped to be looked at."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest
from storm import Guest, storm

from tests.width import BITS
from vmemu import Machine
from vmemu.errors import ConfigError, MachineClosed, VmemuError


@pytest.mark.parametrize(
    ("moment", "told"),
    [
        ("measure", "at mark measure"),
        ("pass:1", "at mark pass"),
        ("mark:measure", "at mark measure"),
        ("fork", "before fork"),
        ("call:fork", "before fork"),
        ("event:fork", "after event fork"),
        ("cow:3", "after event cow:3"),
        ("swapout", "after event swapout"),
        ("exit", "at exit"),
    ],
)
def test_moments(guest: Guest, moment: str, told: str) -> None:
    machine, snapshot = storm(guest, moment)
    with machine:
        assert snapshot.moment == told
        tasks = 1 if moment in ("fork", "call:fork", "exit", "pass:1", "swapout") else None
        assert tasks is None or len(snapshot.processes) == tasks
        assert machine.run().exit_status == 0  # it goes on as if nothing had been
        machine.check()


def test_a_call_is_shown_before_it_runs_and_an_event_after(guest: Guest) -> None:
    with Machine(ram="4M", bits=BITS) as machine:
        machine.spawn(guest("fork-server"), ["fork-server", "R=2", "N=3"], stdout=None)
        for n in range(3):
            before = machine.run_to("fork")
            assert before is not None
            assert len(before.processes) == n + 1
            assert len(machine.snapshot().processes) == n + 2  # the machine has made the call
        assert machine.run_to("fork") is None
        assert machine.run().exit_status == 0


def test_the_nth_is_counted_over_all_processes(guest: Guest) -> None:
    with Machine(ram="4M", bits=BITS) as machine:
        machine.spawn(guest("fork-server"), ["fork-server", "R=2", "N=3"], stdout=None)
        snapshot = machine.run_to("fork:3")
        assert snapshot is not None
        assert len(snapshot.processes) == 3


def test_several_events_of_one_step_are_all_counted(guest: Guest) -> None:
    """Reclaim sends out 32 at a time; a hundred such steps would be thousands."""
    machine, snapshot = storm(guest, "swapout:100")
    with machine:
        happened = machine.core.happened["swapout"]
        assert 100 <= happened < 200
        assert snapshot.moment == "after event swapout:100"


def test_exit_is_the_end_of_the_last_process(guest: Guest) -> None:
    """orphans: the first process ends before its children."""
    with Machine(ram="4M", bits=BITS) as machine:
        machine.spawn(guest("fork-server"), ["fork-server", "R=2", "N=2"], stdout=None)
        snapshot = machine.run_to("exit")
        assert snapshot is not None
        (last,) = snapshot.spaces
        assert last.pid == 100
        assert last.count("present") > 0
        assert machine.run_to("exit") is None


def test_hooks_of_the_user_are_called_all_the_same(guest: Guest) -> None:
    seen = []
    with Machine(ram="4M", bits=BITS) as machine:
        machine.kernel.on_mark = lambda task, name, a, b: seen.append(name)
        hook = machine.kernel.on_mark
        table = machine.kernel.syscalls
        machine.spawn(guest("touch"), ["touch", "PAGES=2"], stdout=None)
        assert machine.run_to("measure") is not None
        assert seen == ["read", "measure"]
        assert machine.run_to("mark:nothing") is None
        assert machine.kernel.on_mark is hook
        assert machine.kernel.syscalls is table


@pytest.mark.parametrize(
    ("moment", "said"),
    [
        ("fokr", r"no moment 'fokr' \(did you mean fork\?\): give exit, a mark that touch sets"),
        ("call:foo", "no system call 'foo'"),
        ("event:foo", "no event 'foo'; these are: fault, zero, cow"),
        ("fork:0", "'fork:0' is no moment"),
        (":", "':' is no moment"),
        ("", "'' is no moment"),
    ],
)
def test_what_is_no_moment_is_refused(guest: Guest, moment: str, said: str) -> None:
    with Machine(ram="4M", bits=BITS) as machine:
        machine.spawn(guest("touch"), ["touch"], stdout=None)
        with pytest.raises(ConfigError, match=said):
            machine.run_to(moment)
        assert machine.run().exit_status == 0


def test_without_a_program_there_is_no_moment() -> None:
    with Machine(ram="4M") as machine:
        with pytest.raises(VmemuError, match="no program"):
            machine.run_to("exit")
        snapshot = machine.snapshot()
        assert snapshot.processes == ()
        assert "no process now" in snapshot.text()
        ElementTree.fromstring(snapshot.svg())
    for use in (machine.snapshot, machine.frames, machine.events, lambda: machine.run_to("exit")):
        with pytest.raises(MachineClosed):
            use()
