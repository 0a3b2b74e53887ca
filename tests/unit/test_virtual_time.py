"""What takes virtual time, how much of it, and whose it is."""

from __future__ import annotations

import itertools
import re
from pathlib import Path

import pytest
from script import ARENA, NUMBERS, Script

from tests.width import LIMIT, WORD, lib
from vmemu import Machine
from vmemu.core import Event
from vmemu.kernel.kernel import KernelOptions
from vmemu.kernel.process.sched import KTIME_MAX
from vmemu.kernel.process.timer import TimerQueue
from vmemu.kernel.signal.state import SIG_IGN, Signal

MODEL = Path(__file__).parents[2] / "docs" / "model.md"
EVENTS = 1 << 16

SLICE = KernelOptions().slice_blocks


def costs(counters: dict[str, int]) -> int:
    """What a run of one task must have taken, if it never used up a slice nor slept.

    Each page copied by a fault is a pgcow here: no zero page is copied, no scheme copies early.
    """
    worked = (
        counters["pgfault"] * lib.FAULT_NS
        + counters["pgcow"] * lib.COPY_NS
        + counters["pgzero"] * lib.CLEAR_NS
        + (counters["pgscan"] + counters["pgrefill"]) * lib.SCAN_NS
    )
    moved = counters["pswpin"] + counters["pswpout"] + counters["pgpgin"]
    return worked + moved * lib.PAGE_IO_NS + counters["syscalls"] * lib.SYSCALL_NS


def fill(script: Script, pages: int) -> None:
    """Map so many pages and write each of them."""
    script.mmap(ARENA, pages << 12)
    script.run_code("fill", cx=pages << 12, di=ARENA)


def faults_of(events: list[Event], pages: int) -> list[Event]:
    """The faults of who filled so many pages."""
    area = range(ARENA, ARENA + (pages << 12))
    return [event for event in events if event.name == "fault" and event.a in area]


@pytest.mark.parametrize("fault_path", ["c", "python"])
@pytest.mark.parametrize("scheme", ["anon_vma", "anonmm"])
@pytest.mark.parametrize("ram", ["4M", "640K"])
def test_the_clock_is_the_sum_of_what_was_done(
    tmp_path: Path, ram: str, scheme: str, fault_path: str
) -> None:
    """Ample RAM and little: 200 pages, of which 640K can hold a third."""
    script = Script()
    fill(script, 200)
    script.end()
    seen: dict[str, int] = {}
    script.run(
        tmp_path,
        setup=lambda machine: setattr(
            machine.kernel, "on_exit", lambda task, status: seen.update(all_of(machine))
        ),
        ram=ram,
        rmap=scheme,
        fault_path=fault_path,
    )
    # the program's first pages were written by exec before there was a task: they count too
    assert seen["clock"] == costs(seen)
    assert (seen["pswpout"] > 0) == (ram == "640K")
    assert seen["iowait"] == lib.PAGE_IO_NS * sum(
        seen[name] for name in ("pswpin", "pswpout", "pgpgin")
    )


def all_of(machine: Machine) -> dict[str, int]:
    m = machine.core.m
    return machine.core.counters() | {
        "clock": m.clock.now,
        "stime": m.clock.stime,
        "iowait": m.clock.iowait,
    }


def test_each_fault_has_a_time_of_its_own(tmp_path: Path) -> None:
    script = Script()
    fill(script, 50)
    script.end()
    events: list[Event] = []
    script.run(tmp_path, setup=lambda machine: keep(machine, events), events=EVENTS)
    faults = faults_of(events, 50)
    assert len(faults) == 50
    steps = {b.time - a.time for a, b in itertools.pairwise(faults)}
    assert steps == {lib.FAULT_NS + lib.CLEAR_NS}


def keep(machine: Machine, events: list[Event]) -> None:
    machine.kernel.on_exit = lambda task, status: events.extend(machine.core.events())


def test_a_timer_is_not_late_for_the_faults(tmp_path: Path) -> None:
    """SIGALRM comes in the middle of rep stosb, at a fault or the end of a slice.

    Each repetition is a block of 1 ns, and a slice's blocks count when it ends.
    """
    script = Script()
    script.call("rt_sigaction", Signal.SIGALRM, script.sigaction(SIG_IGN), 0, 8)
    fill(script, 1)  # every page of the script has been read by then
    script.call("setitimer", 0, script.words(0, 0, 0, 100), 0)  # 100 us
    fill(script, 200)
    script.end()
    due: list[int] = []

    def setup(machine: Machine) -> None:
        timers = machine.kernel.sched.timers

        def note(now: int) -> None:
            deadline = timers.next_deadline()
            if deadline is not None and deadline <= now:
                due.append(now - deadline)
            TimerQueue.run(timers, now)

        timers.run = note  # type: ignore[method-assign]

    script.run(tmp_path, setup=setup)
    assert len(due) == 1
    assert 0 <= due[0] <= lib.FAULT_NS + lib.CLEAR_NS + SLICE


def test_faults_are_system_time_and_io_is_nobodys(tmp_path: Path) -> None:
    script = Script()
    fill(script, 200)
    usage = script.put(18 * WORD)
    script.call("getrusage", 0, usage)
    script.end()
    seen: dict[str, int] = {}

    def setup(machine: Machine) -> None:
        mark = machine.kernel.on_mark
        assert mark is not None

        def note(task, name, a, b):  # type: ignore[no-untyped-def]
            seen.update(all_of(machine))
            return mark(task, name, a, b)

        machine.kernel.on_mark = note

    ran = script.run(tmp_path, setup=setup, ram="640K")
    user, system = (
        ran.word(at) * 1_000_000 + ran.word(at + WORD) for at in (usage, usage + 2 * WORD)
    )
    assert user == 0
    # all the work but kswapd's is the one task's: at least the faults, less than everything
    worked = seen["stime"] + seen["syscalls"] * lib.SYSCALL_NS
    assert 200 * (lib.FAULT_NS + lib.CLEAR_NS) // 1000 <= system <= worked // 1000
    assert worked + seen["iowait"] == seen["clock"]


def test_the_clock_saturates(tmp_path: Path) -> None:
    """Five sleeps of 68 years, and one more second: no deadline lies behind KTIME_MAX."""
    script = Script()
    forever = script.words(0x7FFFFFFF, 999_999_999)
    sleeps = [script.call("nanosleep", forever, 0) for _ in range(5)]
    sleeps.append(script.call("nanosleep", script.words(1, 0), 0))
    now = script.words(0, 0)
    script.call("clock_gettime", 1, now)
    script.end()
    clocks: list[int] = []

    def setup(machine: Machine) -> None:
        machine.kernel.on_exit = lambda task, status: clocks.append(int(machine.core.m.clock.now))

    ran = script.run(tmp_path, setup=setup)
    assert [ran.results[index] for index in sleeps] == [0] * 6
    assert KTIME_MAX <= clocks[0] < KTIME_MAX + 1_000_000
    assert ran.word(now) == KTIME_MAX // 10**9 % LIMIT


def test_a_sleeper_wakes_among_faults(tmp_path: Path) -> None:
    """A child asleep for 50 us while its parent faults: it runs before the parent is done."""
    script = Script()
    fork = script.call("fork")
    fill(script, 400)
    script.call("wait4", -1, 0, 0, 0)
    script.end()
    script.if_zero(fork)
    script.call("nanosleep", script.words(0, 50_000), 0)
    script.call("exit", 0)
    events: list[Event] = []
    script.run(tmp_path, setup=lambda machine: keep_last(machine, events), events=EVENTS)
    slept = next(e for e in events if e.name == "syscall" and e.a == NUMBERS["nanosleep"])
    faults = [event.time for event in faults_of(events, 400) if event.pid == 100]
    assert len(faults) == 400
    assert faults[0] < slept.time < faults[-1]


def keep_last(machine: Machine, events: list[Event]) -> None:
    def note(task, status) -> None:  # type: ignore[no-untyped-def]
        events[:] = machine.core.events()

    machine.kernel.on_exit = note


def test_calls_that_the_core_answers_take_as_long(tmp_path: Path) -> None:
    script = Script()
    for _ in range(5):
        script.call("getpid")
    script.end()
    events: list[Event] = []
    ran = script.run(tmp_path, setup=lambda machine: keep(machine, events), events=EVENTS)
    assert ran.machine.core.counters()["syscall_c"] == 5
    calls = [event for event in events if event.name == "syscall" and event.a == NUMBERS["getpid"]]
    steps = [b.time - a.time for a, b in itertools.pairwise(calls)]
    assert steps[1:] == [lib.SYSCALL_NS] * 3  # before the second the script's pages are read


def test_the_documented_constants_are_the_core_s() -> None:
    rows = dict(re.findall(r"\| `(\w+_NS)` \| [^|]+ \| (\d+) \|", MODEL.read_text()))
    assert {name: int(value) for name, value in rows.items()} == {
        name: getattr(lib, name) for name in dir(lib) if re.fullmatch(r"[A-Z_]+_NS", name)
    }
