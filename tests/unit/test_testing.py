"""vmemu.testing: what passes, and that each check can fail."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any, ClassVar

import pytest

from tests.width import BITS
from vmemu.errors import ConfigError
from vmemu.rmap.python import AddressBook
from vmemu.testing import (
    Failed,
    check_crossings,
    check_guests,
    check_operations,
    check_scheme,
    driver,
)


@pytest.fixture(autouse=True)
def _as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """No failure is cut down: that takes time."""
    monkeypatch.setattr(driver, "SHRINK", 0.0)


@pytest.mark.parametrize("scheme", [AddressBook, "anonmm"])
def test_a_sound_scheme_passes(scheme: Any) -> None:
    checked = check_scheme(scheme, 500, 1, BITS, crossings=4, guests=["mremap-shared R=8"])
    assert checked == (500, 4, 1)
    assert str(checked) == "500 random operations, 4 crossings, 1 guest: nothing found"


class Forgetful(AddressBook):
    """Is not told of moves."""

    def page_moved(self, page: Any, vma: Any, address: int) -> bool:
        return True


class Leaky(AddressBook):
    """An object for each mm, which none gives back."""

    objects: ClassVar = {"leak": 16}

    def mm_init(self, mm: Any) -> bool:
        return super().mm_init(mm) and bool(self.allocate(wait=True))


def test_operations_find_what_is_forgotten() -> None:
    with pytest.raises(Failed, match=r"was never told of[\s\S]*seed 0, operation"):
        check_operations(Forgetful, 2000, bits=BITS)


def test_crossings_find_it() -> None:
    with pytest.raises(Failed, match=r"mremap.* under address_book: .*was never told of"):
        check_crossings(Forgetful, None, runs=5)


def test_guests_find_it() -> None:
    with pytest.raises(Failed, match=r"mremap-exclusive R=8 under address_book: .*never told of"):
        check_guests(Forgetful, ["mremap-exclusive R=8"], BITS)


def test_what_is_left_is_found() -> None:
    with pytest.raises(Failed, match=r"objects of leak left: found [0-9]+, wanted 0"):
        check_operations(Leaky, 60, bits=BITS)
    with pytest.raises(Failed, match=r"[0-9]+ objects of leak are left when no process is"):
        check_guests(Leaky, ["hello"], BITS)


class Starving(AddressBook):
    """Soon has no memory."""

    left = 50

    def prepare(self, mm: Any, vma: Any) -> bool:
        self.left -= 1
        return self.left > 0


def test_a_guest_that_differs_is_told() -> None:
    with pytest.raises(Failed, match=r"PAGES=300 under address_book: printed .* and killed .* not"):
        check_guests(Starving, ["swap-storm PAGES=300"], BITS)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"machines": ["huge"]}, "there is no machine 'huge': choose among roomy"),
        ({"bits": 16}, "there is no machine of 16 bits: 32 or 64"),
    ],
)
def test_refusals(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        check_operations(AddressBook, 10, **arguments)


def test_it_needs_no_pytest_and_nothing_needs_it() -> None:
    """A run of vmemu imports none of it, and it imports no pytest."""
    for line, absent in (
        ("import vmemu.testing", ("pytest", "hypothesis", "vmemu.explore", "vmemu.machine")),
        ("from vmemu import Machine; Machine(ram='1M').close()", ("vmemu.testing",)),
    ):
        code = f"{line}\nimport sys\nprint([m for m in {absent!r} if m in sys.modules])"
        run = [sys.executable, "-c", code]
        done = subprocess.run(run, capture_output=True, text=True, check=False)
        assert done.stdout == "[]\n", done.stdout + done.stderr


OWN = """
def test_book(vmemu_machine):
    from vmemu.rmap.python import AddressBook
    {line}
"""


@pytest.mark.parametrize(
    ("line", "ending"),
    [
        ("vmemu_machine(ram='1M', rmap=AddressBook)", "1 passed"),
        ("vmemu_machine(ram='1M').vm.commit.acct(1)", "committed pages"),
    ],
)
def test_the_fixture_checks_what_it_made(tmp_path: Path, line: str, ending: str) -> None:
    (tmp_path / "conftest.py").write_text('pytest_plugins = ["vmemu.testing.fixtures"]\n')
    (tmp_path / "test_own.py").write_text(OWN.format(line=line))
    run = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    run += ["."]
    done = subprocess.run(run, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ending in done.stdout, done.stdout + done.stderr
