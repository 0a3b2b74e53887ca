"""A parent and its child who share, write and swap: what a snapshot is taken of."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.width import BITS
from vmemu import Machine
from vmemu.snapshot.record import Snapshot

Guest = Callable[..., Path]

STORM = ["PAGES=500", "PASSES=1", "FORK=1"]
"""Of 500 pages, a child shares all but 63 with its parent; in 2 MB most are in swap."""


def storm(guest: Guest, moment: str, bits: int = BITS, **options: Any) -> tuple[Machine, Snapshot]:
    settings: dict[str, Any] = {"ram": "2M", "swap": "8M", "bits": bits} | options
    machine = Machine(**settings)
    program = guest("swap-storm", bits)
    machine.spawn(program, [str(program), *STORM], stdout=None)
    snapshot = machine.run_to(moment)
    assert snapshot is not None
    return machine, snapshot
