"""Samples of a run over virtual time, which change nothing in it."""

from __future__ import annotations

import gc
import io
from itertools import pairwise
from typing import Any

import pytest

from vmemu import Machine
from vmemu.core import PAGE_SHIFT
from vmemu.lab.guests import guest_path
from vmemu.snapshot.series import Sample, Series


def run(bits: int, series: bool, events: int = 0) -> tuple[Any, bytes, list[Sample]]:
    """The statistics of the end, the output, the samples."""
    out, taken = io.BytesIO(), []
    with Machine(ram="2M", swap="16M", bits=bits, events=events) as machine:
        watch = Series(machine.core) if series else None
        machine.spawn(
            guest_path("swap-storm", bits), ["swap-storm", "PAGES=600", "PASSES=1"], stdout=out
        )
        machine.run()
        machine.check()
        stats = machine.stats()
        if watch is not None:
            taken = watch.end()
    return stats, out.getvalue(), taken


@pytest.mark.parametrize("bits", [32, 64])
@pytest.mark.parametrize("events", [0, 1 << 12])
def test_a_run_is_the_same_with_samples(bits: int, events: int) -> None:
    plain, output, _ = run(bits, False, events)
    watched, same, samples = run(bits, True, events)
    assert watched == plain
    assert same == output
    assert len(samples) > 100


def test_samples_end_with_what_is_counted() -> None:
    stats, _, samples = run(32, True)
    first, last = samples[0], samples[-1]
    counters = stats["counters"]
    assert (first.virtual_ns, first.faults, first.si, first.so) == (0, 0, 0, 0)
    assert last.virtual_ns == stats["virtual_ns"]
    assert (last.faults, last.major) == (counters["pgfault"], counters["pgmajfault"])
    assert (last.si, last.so) == (stats["swap"]["in"], stats["swap"]["out"])
    assert last.swapped == stats["swap"]["used_pages"]
    assert last.free == stats["frames"]["free"]
    ram = stats["ram_bytes"] >> PAGE_SHIFT
    for sample in samples:
        assert sample.free + sample.active + sample.inactive <= ram
        assert sample.major <= sample.faults
        assert sample.so >= sample.swapped - sample.si  # what is there was written


@pytest.mark.parametrize("room", [2, 3, 7, 240])
def test_any_run_fits_and_nothing_goes_backwards(room: int) -> None:
    """Of a run of 600 faults and more, at most so many samples and the last."""
    with Machine(ram="2M", swap="16M") as machine:
        watch = Series(machine.core, room=room, step=1000)
        machine.spawn(guest_path("swap-storm"), ["swap-storm", "PAGES=600"], stdout=None)
        machine.run()
        samples = watch.end()
    assert 2 <= len(samples) <= room + 1
    for before, after in pairwise(samples):
        for name in ("virtual_ns", "faults", "major", "si", "so"):
            assert getattr(before, name) <= getattr(after, name)
    assert samples[0].virtual_ns == 0


def test_samples_are_far_apart_only_where_nothing_happens() -> None:
    """No two are nearer than the interval; most are not much farther."""
    _, _, samples = run(32, True)
    apart = sorted(b.virtual_ns - a.virtual_ns for a, b in pairwise(samples[:-1]))
    assert len(samples) > 100
    assert apart[len(apart) // 2] <= 4 * samples[-1].virtual_ns / len(samples)


def test_nobody_has_to_hold_a_series() -> None:
    """The core writes to its samples as long as there is a machine."""
    with Machine(ram="2M", swap="16M") as machine:
        Series(machine.core)
        gc.collect()
        ffi, full = machine.core.ffi, b"\xff" * 20_000
        others = [ffi.new("char[20000]", full) for _ in range(50)]  # one where it was, if freed
        machine.spawn(guest_path("swap-storm"), ["swap-storm", "PAGES=600"], stdout=None)
        machine.run()
        assert all(bytes(ffi.buffer(other)) == full for other in others)
        sampling, faults = machine.core.m.trace.sampling, machine.core.counters()["pgfault"]
        assert sampling.samples == machine.core.samples
        assert 100 < sampling.used <= sampling.room
        times = [sampling.samples[n].time for n in range(sampling.used)]
        assert times == sorted(set(times))
        assert 0 < sampling.samples[sampling.used - 1].faults <= faults


def test_no_more_samples_are_taken_after_the_end() -> None:
    with Machine(ram="2M", swap="16M") as machine:
        machine.spawn(guest_path("swap-storm"), ["swap-storm", "PAGES=600"], stdout=None)
        watch = Series(machine.core)
        while machine.step() != "syscall":
            pass
        samples = watch.end()
        kept = list(samples)
        machine.run()
        assert machine.core.m.trace.told == 0
        assert machine.core.samples is None
        assert samples == kept


@pytest.mark.parametrize("events", [0, 1 << 12])
def test_system_calls_are_counted_with_and_without_a_ring(events: int) -> None:
    with Machine(ram="16M", events=events) as machine:
        machine.spawn(guest_path("fork-server"), ["fork-server", "R=2", "N=2"], stdout=None)
        machine.run()
        happened = machine.core.happened["syscall"]
        counters = machine.core.counters()
        # exit_group ends a process each before it could return
        assert happened == counters["syscalls"], (happened, counters["syscalls"])
