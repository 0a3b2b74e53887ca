"""The events as a stream: what was dropped, who faulted, stopping at one, and their counters."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from memory import BASE, PAGE, SCHEMES, Memory
from script import ARENA, NUMBERS, TEXT, Script, call_code, elf, executable, snippet, word
from script import BASE as PROGRAM

from tests.width import lib
from vmemu import Machine
from vmemu.check_events import COUNTED
from vmemu.core import DROPPED, EVENTS, Event
from vmemu.errors import ConfigError, KernelBug
from vmemu.lab.guests import guest_path
from vmemu.mm import do_mremap, dup_mmap

RING = 16


@pytest.fixture
def memory() -> Iterator[Memory]:
    memory = Memory("anon_vma", events=RING)
    yield memory
    memory.close()


# ---- what the ring no longer has


def test_the_ring_says_what_it_dropped(memory: Memory) -> None:
    for n in range(40):
        memory.core.event(lib.EV_mark, n)
    first, *kept = memory.core.events()
    assert (first.name, first.seq, first.a) == (DROPPED, 0, 40 - RING)
    assert first.time == kept[0].time
    assert [event.a for event in kept] == list(range(40 - RING, 40))
    assert [event.seq for event in kept] == list(range(40 - RING, 40))
    assert memory.core.events_dropped == 40 - RING


def test_it_says_so_from_where_one_has_read_on(memory: Memory) -> None:
    for n in range(20):
        memory.core.event(lib.EV_mark, n)
    assert [event.a for event in memory.core.events(10)] == list(range(10, 20))
    for n in range(20, 40):
        memory.core.event(lib.EV_mark, n)
    first, *kept = memory.core.events(20)
    assert (first.name, first.seq, first.a) == (DROPPED, 20, 4)
    assert kept[0].a == 24
    assert [event.a for event in memory.core.events(24)] == list(range(24, 40))
    assert list(memory.core.events(40)) == []


def test_a_full_ring_has_dropped_nothing(memory: Memory) -> None:
    for n in range(RING):
        memory.core.event(lib.EV_mark, n)
    assert memory.core.events_dropped == 0
    assert [event.a for event in memory.core.events()] == list(range(RING))


def test_statistics_tell_of_dropped_events() -> None:
    for events, dropped in ((0, False), (RING, True), (1 << 16, False)):
        with Machine(ram="4M", events=events) as machine:
            storm(machine)
            machine.run()
            ring = machine.stats()["events"]
            assert ring["kept"] + ring["dropped"] == machine.core.m.trace.head
            assert (ring["dropped"] > 0) == dropped
            assert ring["kept"] == len([e for e in machine.core.events() if e.name != DROPPED])


# ---- who faulted

LOAD, STORE, JUMP = b"\xa1", b"\xa3", b"\xe9"
"""mov eax, [address]; mov [address], eax: the address is a word; jmp by 32 bits."""
BSS = PROGRAM + 0x2000
UNMAPPED = PROGRAM + 0x40000000


def faults(body: bytes, tmp_path: Path, fault_path: str) -> list[Event]:
    data = elf(body.ljust(0xF00, b"\0"), segments=[(1, 0, PROGRAM, 0x1000, 0x3000, 7)])
    program = executable(tmp_path / "program", data)
    with Machine(ram="4M", events=1 << 12, fault_path=fault_path) as machine:
        machine.spawn(program)
        machine.run()
        return [event for event in machine.core.events() if event.name == "fault"]


@pytest.mark.parametrize("fault_path", ["c", "python"])
@pytest.mark.parametrize(("opcode", "access"), [(LOAD, 0), (STORE, 1)])
def test_a_fault_knows_its_instruction(
    tmp_path: Path, opcode: bytes, access: int, fault_path: str
) -> None:
    nops = b"\x90" * 23  # so that the block begins elsewhere
    body = nops + opcode + word(BSS + 0x10) + b"\xf4"
    (fault,) = (e for e in faults(body, tmp_path, fault_path) if e.a == BSS + 0x10)
    assert fault.b == access
    assert fault.d == TEXT + 23


@pytest.mark.parametrize("fault_path", ["c", "python"])
def test_a_jump_to_nowhere_faults_at_its_target(tmp_path: Path, fault_path: str) -> None:
    body = JUMP + (UNMAPPED - TEXT - 5).to_bytes(4, "little")
    fault = faults(body, tmp_path, fault_path)[-1]
    assert (fault.a, fault.b, fault.c, fault.d) == (UNMAPPED, 2, lib.FAULT_MAPERR, UNMAPPED)


def test_a_fault_in_a_call_knows_where_the_call_was(tmp_path: Path) -> None:
    """uname() into a page never touched: the kernel faults, ip is behind the call."""
    body = call_code("uname", BSS)
    seen = [e for e in faults(body + b"\xf4", tmp_path, "c") if e.a in range(BSS, BSS + PAGE)]
    assert [event.d for event in seen] == [TEXT + len(body)]


# ---- stopping at one


def storm(machine: Machine) -> None:
    machine.spawn(guest_path("touch"), ["touch", "PAGES=600"], stdout=None)


@pytest.mark.parametrize("events", [0, 1 << 16])
def test_it_stops_at_the_first_swapout(events: int) -> None:
    """Nothing but the path in which it happened has gone on: no other fault, no call."""
    with Machine(ram="1M", swap="8M", events=events) as machine:
        storm(machine)
        event = machine.run_until("swapout")
        assert event is not None
        assert event.name == "swapout"
        happened = machine.core.m.trace.happened
        assert happened[lib.EV_swapout] >= 1
        assert machine.core.counters()["pswpin"] == 0
        machine.check()
        if events:
            seen = list(machine.core.events())
            assert event == next(e for e in seen if e.name == "swapout")
            after = [e.name for e in seen[event.seq + 1 :]]
            assert set(after) <= {"unmap", "swapout", "reclaim"}  # kswapd goes on to pages_high
        assert machine.run().code == 0


def test_each_stop_is_a_new_event() -> None:
    with Machine(ram="1M", swap="8M", events=1 << 16) as machine:
        storm(machine)
        stops = []
        while (event := machine.run_until("zero", "exit")) is not None:
            stops.append(event)
        assert [e.name for e in stops].count("exit") == 1
        assert stops == sorted(set(stops), key=lambda e: e.seq)
        written = [e for e in machine.core.events() if e.name == "zero" and e.pid]
        assert len([e for e in stops if e.name == "zero"]) >= 600
        assert {e for e in stops if e.name == "zero"} <= set(written)


def test_the_guest_has_not_gone_on(tmp_path: Path) -> None:
    """A loop of stores: as many pages as zero events, at each stop."""
    script = Script()
    script.mmap(ARENA, 8 * PAGE)
    script.run_code("fill", 8 * PAGE, ARENA)
    script.end()
    program = script.program(tmp_path)
    with Machine(ram="4M") as machine:
        task = machine.spawn(program)
        area = range(ARENA, ARENA + 8 * PAGE)
        for n in range(8):
            while (event := machine.run_until("zero")) is not None and event.a not in area:
                pass
            assert event is not None
            assert event.a == ARENA + n * PAGE
            present = [page for page in machine.pages(task) if page.address in area]
            assert len(present) == n + 1
            assert machine.core.m.regs.di == ARENA + n * PAGE
            assert machine.core.m.regs.ip == snippet("fill")


@pytest.mark.parametrize("events", [0, 256])
def test_the_address_of_an_event_is_exact(tmp_path: Path, events: int) -> None:
    """The CPU knows the page at first; who stops at the event is told the byte."""
    script, odd = Script(), 0x124
    script.mmap(ARENA, 9 * PAGE)
    for n in range(8):
        script.run_code("fill", 1, ARENA + n * PAGE + odd)
    script.end()
    program = script.program(tmp_path)
    with Machine(ram="4M", events=events) as machine:
        machine.spawn(program)
        seen = []
        while (event := machine.run_until("zero")) is not None:
            if event.a in range(ARENA, ARENA + 9 * PAGE):
                seen.append(event.a)
        assert seen == [ARENA + n * PAGE + odd for n in range(8)]


def test_calls_that_the_core_answers_stop_too(tmp_path: Path) -> None:
    script = Script()
    for _ in range(3):
        script.call("getpid")
    script.end(5)
    program = script.program(tmp_path)
    with Machine(ram="4M") as machine:
        task = machine.spawn(program)
        found = [machine.run_until("syscall") for _ in range(3)]
        assert [(e.a, e.b) for e in found if e is not None] == [(NUMBERS["getpid"], task.pid)] * 3
        assert machine.run().code == 5
        assert machine.run_until("syscall") is None


def test_it_stops_at_what_comes_while_nobody_runs() -> None:
    with Machine(ram="4M") as machine:
        machine.spawn(guest_path("sleepers"), stdout=None)
        event = machine.run_until("exit")
        assert event is not None
        assert event.name == "exit"
        assert machine.run_until("exit") is not None
        assert machine.run().code == 0


@pytest.mark.parametrize("names", [(), ("swap-out",), ("none",), ("exit", "dropped"), (3,)])
def test_only_events_can_be_waited_for(names: Any) -> None:
    with Machine(ram="4M") as machine:
        storm(machine)
        with pytest.raises(ConfigError, match="swapout"):
            machine.run_until(*names)
        assert machine.run().code == 0


def test_without_a_stop_all_goes_on_as_before() -> None:
    """The same output, counters and memory whether one looked at every eviction or not."""

    def run(stops: bool) -> tuple[bytes, dict[str, int]]:
        stdout = io.BytesIO()
        with Machine(ram="1M", swap="8M") as machine:
            machine.spawn(guest_path("swap-storm"), ["swap-storm", "PAGES=400"], stdout=stdout)
            while stops and machine.run_until("swapout") is not None:
                machine.check()
            machine.run()
            return stdout.getvalue(), machine.core.counters()

    assert run(True) == run(False)


# ---- counters and events


@pytest.mark.parametrize("counter", COUNTED)
@pytest.mark.parametrize("by", [1, -1])
def test_a_counter_apart_from_its_events_is_found(memory: Memory, counter: str, by: int) -> None:
    mm = memory.process()
    memory.map(mm, 0, 4)
    memory.fill(mm, 0, 4)
    memory.check()
    number = getattr(lib, f"CNT_{counter}")
    memory.m.counter[number] = (memory.m.counter[number] + by) % (1 << 64)
    with pytest.raises(KernelBug, match=f"counter {counter} is"):
        memory.check()


@pytest.mark.parametrize(
    ("counter", "told"),
    [
        ("fault_c", r"fault_c \+ fault_python"),
        ("pgalloc", "pgalloc - pgfree"),
        ("pgfree", "pgalloc - pgfree"),
        ("pgtable_free", "pgtable_alloc - pgtable_free"),
    ],
)
def test_counters_that_do_not_add_up_are_found(memory: Memory, counter: str, told: str) -> None:
    memory.m.counter[getattr(lib, f"CNT_{counter}")] += 1
    with pytest.raises(KernelBug, match=told):
        memory.check()


def spoil_kind(memory: Memory) -> None:
    memory.m.trace.ring[3].type = lib.EV_cow


def spoil_number(memory: Memory) -> None:
    memory.m.trace.ring[3].seq = 7


def spoil_time(memory: Memory) -> None:
    memory.m.trace.ring[3].time += 1 << 40


@pytest.mark.parametrize("spoil", [spoil_kind, spoil_number, spoil_time])
def test_a_ring_that_lies_is_found(spoil: Callable[[Memory], None]) -> None:
    memory = Memory("anon_vma", events=256)
    try:
        mm = memory.process()
        memory.map(mm, 0, 4)
        memory.fill(mm, 0, 4)
        memory.check()
        assert 4 < memory.m.trace.head < 256
        spoil(memory)
        with pytest.raises(KernelBug, match="event"):
            memory.check()
    finally:
        memory.close()


# ---- events that had no counter, and counters that had no event


@pytest.mark.parametrize("scheme", SCHEMES)
def test_each_page_that_comes_back_is_told(scheme: str) -> None:
    """By a fault and by swapoff: pswpin is pages read, swapin is ptes that have them again."""
    memory = Memory(scheme, events=1 << 12)
    memory.m.page_cluster = 0
    area = memory.vm.swap.swapon_size(256 * PAGE)
    parent = memory.process()
    memory.map(parent, 0, 8)
    memory.fill(parent, 0, 8)
    child = dup_mmap(parent)
    memory.vm.reclaim_range(parent, BASE, BASE + 8 * PAGE)
    assert memory.present(parent, 0, 8) == []
    since = memory.m.trace.head
    parent.read(BASE, 1)
    memory.vm.swap.swapoff(area.path)
    memory.check()
    told = list(memory.core.events(since))
    read = [e for e in told if e.name == "swapread"]
    back = [e for e in told if e.name == "swapin"]
    assert len(read) == memory.core.counters()["pswpin"] == 8
    assert len(back) == memory.core.counters()["swapin"] == 16
    assert sorted(e.a for e in back) == sorted([BASE + n * PAGE for n in range(8)] * 2)
    assert {e.b for e in back} == {e.b for e in read}
    assert all(e.c == 0 for e in read)
    child.put()
    memory.close()


def test_read_ahead_is_told_apart(memory: Memory) -> None:
    memory.vm.swap.swapon_size(256 * PAGE)
    mm = memory.process()
    memory.map(mm, 0, 8)
    memory.fill(mm, 0, 8)
    memory.vm.reclaim_range(mm, BASE, BASE + 8 * PAGE)
    since = memory.m.trace.head
    mm.read(BASE + 2 * PAGE, 1)
    read = [event for event in memory.core.events(since) if event.name == "swapread"]
    (wanted,) = (event for event in read if not event.c)
    (back,) = (event for event in memory.core.events(since) if event.name == "swapin")
    assert (back.c, back.b) == (wanted.a, wanted.b)
    assert len(read) - 1 == memory.core.counters()["swap_ra"] > 0


def test_the_zero_page_is_left_without_a_copy(memory: Memory) -> None:
    mm = memory.process()
    memory.map(mm, 0, 1)
    mm.read(BASE, 1)
    zero_page = int(lib.pte_value(memory.m, mm.ptr, BASE)) >> 12
    since = memory.m.trace.head
    mm.write(BASE, b"x")
    names = [e.name for e in memory.core.events(since)]
    assert "cow" not in names
    (zero,) = (e for e in memory.core.events(since) if e.name == "zero")
    assert (zero.a, zero.b) == (BASE, zero_page)
    assert zero.c == int(lib.pte_value(memory.m, mm.ptr, BASE)) >> 12 != zero_page


@pytest.mark.parametrize(
    ("new_length", "flags"), [(6, 0), (2, 0), (4, 0), (6, 1)], ids=["grow", "shrink", "same", "may"]
)
def test_mremap_in_place_is_told(memory: Memory, new_length: int, flags: int) -> None:
    mm = memory.process()
    memory.map(mm, 0, 4)
    since = memory.m.trace.head
    assert do_mremap(mm, BASE, 4 * PAGE, new_length * PAGE, flags) == BASE
    told = [(e.a, e.b, e.c) for e in memory.core.events(since) if e.name == "mremap"]
    assert told == [(BASE, BASE, new_length * PAGE)]


def test_every_event_has_a_name_of_its_own() -> None:
    assert len(set(EVENTS)) == len(EVENTS) == lib.NR_EVENTS
    assert DROPPED not in EVENTS
