"""How memory stood in the course of a run, read by the core without a change to the run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from vmemu.core import Core

__all__ = ["Sample", "Series"]

CData = Any

ROOM = 240
"""Samples that are taken at most; one of the end comes to them."""
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

    @classmethod
    def of(cls, sample: CData) -> Sample:
        """Read a ``struct sample``."""
        return cls(
            sample.time,
            sample.free,
            sample.active,
            sample.inactive,
            sample.swapped,
            sample.faults,
            sample.major,
            sample.si,
            sample.so,
        )

    @classmethod
    def now(cls, core: Core) -> Sample:
        """How it stands."""
        sample = core.ffi.new("struct sample *")
        core.lib.vmemu_read_sample(core.m, sample)
        return cls.of(sample)


class Series:
    """Samples of a core from now on, at most one in each interval of virtual time.

    The interval begins with ``step`` virtual nanoseconds and doubles whenever there are
    ``room`` samples.  They are taken where something happens to memory; so no timer is needed,
    and the run is the one that it is without them.
    """

    def __init__(self, core: Core, room: int = ROOM, step: int = STEP_NS) -> None:
        self._core = core
        core.samples = core.ffi.new("struct sample[]", room)
        core.lib.vmemu_sample(core.m, core.samples, room, step)

    def end(self) -> list[Sample]:
        """All of them, and how it stands now; no more are taken."""
        core = self._core
        sampling = core.m.trace.sampling
        taken = [Sample.of(sample) for sample in sampling.samples[0 : sampling.used]]
        core.lib.vmemu_sample(core.m, core.ffi.NULL, 0, 0)
        core.samples = None
        return [*taken, Sample.now(core)]
