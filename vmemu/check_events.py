"""check(): counters and events agree, and the ring holds what it should."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from vmemu.core import EVENTS, lib

if TYPE_CHECKING:
    from vmemu.check import Survey
    from vmemu.core import CData

__all__ = ["COUNTED", "check_events"]

COUNTED = {
    "pgfault": "fault",
    "pgzero": "zero",
    "pgcow": "cow",
    "swapin": "swapin",
    "pswpin": "swapread",
    "pswpout": "swapout",
    "context_switch": "switch",
    "signals": "signal",
    "oom_kill": "oom",
}
"""Counters that move exactly when an event happens, and which one."""


def check_events(survey: Survey) -> None:
    """Hold each counter against its events, and the events counted against the ring."""
    m = survey.vm.core.m
    for counter, event in COUNTED.items():
        found = m.counter[getattr(lib, f"CNT_{counter}")]
        survey.expect(f"counter {counter}", found, m.trace.happened[getattr(lib, f"EV_{event}")])
    taken = m.counter[lib.CNT_pgalloc] - m.counter[lib.CNT_pgfree]
    zone = m.k.zone
    used = zone.present_pages - zone.free_pages - m.pages.nr_quarantine
    survey.expect("pgalloc - pgfree", taken, used)
    tables = m.counter[lib.CNT_pgtable_alloc] - m.counter[lib.CNT_pgtable_free]
    survey.expect("pgtable_alloc - pgtable_free", tables, m.pages.nr_pagetable)
    decided = m.counter[lib.CNT_fault_c] + m.counter[lib.CNT_fault_python]
    survey.expect("fault_c + fault_python", decided, m.counter[lib.CNT_pgfault])
    if m.trace.size:
        _check_ring(survey, m)


def _check_ring(survey: Survey, m: CData) -> None:
    kinds: Counter[int] = Counter()
    time = 0
    for seq in range(survey.vm.core.events_dropped, m.trace.head):
        event = m.trace.ring[seq & (m.trace.size - 1)]
        kinds[event.type] += 1
        if event.seq != seq or event.time < time:
            survey.fail(f"event {seq} has number {event.seq} and time {event.time} after {time}")
            return
        time = event.time
    complete = m.trace.head <= m.trace.size
    for kind, name in enumerate(EVENTS):
        if kinds[kind] > m.trace.happened[kind] or (
            complete and kinds[kind] != m.trace.happened[kind]
        ):
            survey.fail(
                f"{kinds[kind]} events {name} in the ring, {m.trace.happened[kind]} counted"
            )
