"""For pytest: ``pytest_plugins = ["vmemu.testing.fixtures"]`` in a ``conftest.py``.

It is not loaded by itself: an environment's other tests need not import vmemu.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from vmemu.machine import Machine

__all__ = ["vmemu_machine"]


@pytest.fixture
def vmemu_machine() -> Iterator[Callable[..., Machine]]:
    """Makes machines, with every lock checked; when the test ends each is checked and closed."""
    with contextlib.ExitStack() as stack:

        def make(**options: Any) -> Machine:
            machine = stack.enter_context(Machine(**{"lock_checks": True, **options}))
            stack.callback(machine.check)
            return machine

        yield make
