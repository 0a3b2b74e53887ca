"""How memory stood in the course of a run, read by the core without a change to the run."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from vmemu.core import Core

__all__ = ["Sample", "Series"]

ROOM = 240
"""Samples that are kept at most, but for the last."""
STEP_NS = 10_000
"""Virtual nanoseconds between two of them at first, ten faults."""


class Sample(NamedTuple):
    """One moment: pages as they stand, and what has happened since boot.

    ``swapped`` are pages of swap in use, ``faults`` all of them, ``major`` those that waited
    for a page, ``si`` and ``so`` pages that came in from swap and went out.
    """

    virtual_ns: int
    free: int
    active: int
    inactive: int
    swapped: int
    faults: int
    major: int
    si: int
    so: int


class Series:
    """Samples of a core from now on, at most one in each interval of virtual time.

    The interval begins with ``step`` virtual nanoseconds and doubles whenever there are
    ``room`` samples.  They are taken where something happens to memory; so no timer is needed,
    and the run is the one that it is without them.
    """

    def __init__(self, core: Core, room: int = ROOM, step: int = STEP_NS) -> None:
        self._core = core
        core.samples = core.ffi.new("struct sample[]", room + 1)  # one more for the end
        core.lib.vmemu_sample(core.m, core.samples, room, step)
        core.lib.vmemu_take_sample(core.m)

    def end(self) -> list[Sample]:
        """All of them, and how it stands now; no more are taken."""
        m, lib, ffi = self._core.m, self._core.lib, self._core.ffi
        m.trace.sampling.room += 1
        lib.vmemu_take_sample(m)
        fields = [name for name, _ in ffi.typeof("struct sample").fields]
        found = [
            Sample(*(int(getattr(sample, name)) for name in fields))
            for sample in m.trace.sampling.samples[0 : m.trace.sampling.used]
        ]
        lib.vmemu_sample(m, ffi.NULL, 0, 0)
        self._core.samples = None
        return found
