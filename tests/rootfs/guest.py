"""A program of a root in a machine, from its start to its end."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from vmemu.machine import Machine


class Ran(NamedTuple):
    """What became of it."""

    output: bytes
    errors: bytes
    """What it printed there."""
    status: int | None
    swapped: int
    """Pages that went to swap."""


def run(root: Path, argv: Sequence[str], environment: dict[str, str], **options: Any) -> Ran:
    """``argv[0]`` is its path in the root; ``options`` are the machine's, which is checked."""
    output, errors = io.BytesIO(), io.BytesIO()
    with Machine(root=str(root), lock_checks=False, **options) as machine:
        machine.spawn(
            argv[0],
            list(argv),
            environment,
            stdin=None,
            stdout=output,
            stderr=errors,
            inside=True,
        )
        status = machine.run().exit_status
        machine.check()
        swapped = int(machine.stats()["swap"]["out"])
    return Ran(output.getvalue(), errors.getvalue(), status, swapped)
