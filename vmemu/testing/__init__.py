"""What a reverse map has to stand, for its author's own tests: :func:`check_scheme`.

>>> from vmemu.rmap.python import AddressBook
>>> print(check_scheme(AddressBook, operations=60, crossings=1, guests=["mremap-shared R=4"]))
60 random operations, 1 crossing, 1 guest: nothing found

The operations, the machines and the plain model of memory are those that vmemu's own schemes
are held to.  pytest is not needed; for those who use it, ``vmemu.testing.fixtures`` has a
fixture.
"""

from __future__ import annotations

from vmemu.testing.checks import (
    Checked,
    check_crossings,
    check_guests,
    check_operations,
    check_scheme,
)
from vmemu.testing.driver import Failed
from vmemu.testing.frame import Config, Difference

__all__ = [
    "Checked",
    "Config",
    "Difference",
    "Failed",
    "check_crossings",
    "check_guests",
    "check_operations",
    "check_scheme",
]
