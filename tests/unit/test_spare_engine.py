"""An engine that is made before the machine it is for."""

from __future__ import annotations

import io

import pytest

from vmemu import Machine
from vmemu.cpu import make_spare
from vmemu.lab.guests import guest_path


def run(bits: int) -> tuple[bytes, dict[str, int]]:
    """What a guest prints and counts in a machine of its own."""
    out = io.BytesIO()
    with Machine(bits=bits) as machine:
        machine.spawn(guest_path("hello", bits), stdout=out)
        machine.run()
        return out.getvalue(), machine.core.counters()


@pytest.mark.parametrize("bits", [32, 64])
def test_a_machine_runs_alike_with_an_engine_that_was_ready(bits: int) -> None:
    """And so does the one after it, which has to make its own; a second spare replaces one."""
    alone = run(bits)
    assert alone[0]
    make_spare(bits)
    make_spare(bits)
    assert run(bits) == alone
    assert run(bits) == alone
