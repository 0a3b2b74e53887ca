"""Fixtures for all tests."""

from __future__ import annotations

import importlib.util
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from vmemu.lab.compare import Comparison

ROOT = Path(__file__).parents[1]

os.environ.setdefault("VMEMU_LOCK_CHECKS", "1")  # every machine of every test


def default_signals() -> None:
    """Undo what a shell in the background, nohup or a supervisor made this process inherit.

    An ignored or blocked signal stays so in every child, and tests send signals to
    themselves and to children.  SIGHUP gets a handler that does nothing, lest a run under
    nohup end when its terminal does: a handler is the default again in what is executed.
    """
    spared = {signal.SIGKILL, signal.SIGSTOP, signal.SIGPIPE, signal.SIGXFSZ}  # Python's own
    for number in signal.valid_signals() - spared:
        if signal.getsignal(number) is signal.SIG_IGN:
            if number == signal.SIGINT:
                signal.signal(number, signal.default_int_handler)
            elif number == signal.SIGHUP:
                signal.signal(number, lambda number, frame: None)
            else:
                signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])


default_signals()

BITS = int(os.environ.get("VMEMU_TEST_BITS", "32"))
if BITS != 32:
    from tests import width

    width.be_default()


SHARED = ("compared", "compare_printed", "forge")
"""Fixtures that take long: whatever needs one runs in the process that has made it."""
TOGETHER = ("test_examples", "test_packaging", "test_libc", "test_width", "test_wide")
"""Modules whose fixtures build something."""


def keep_together(item: pytest.Item) -> None:
    """Several processes (pytest-xdist) would each make what tests share."""
    module = item.path.stem
    shared = [name for name in SHARED if name in getattr(item, "fixturenames", ())]
    group = shared[0] if shared else module if module in TOGETHER else None
    if group:
        item.add_marker(pytest.mark.xdist_group(group))


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what is about i386 where the tests' machines are of 64 bits."""
    for item in items:
        keep_together(item)
    if BITS == 32:
        return
    left_out = [item for item in items if item.get_closest_marker("i386")]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if not item.get_closest_marker("i386")]


def pytest_report_header() -> list[str]:
    """The width of the tests' machines, where it is not the usual one."""
    return [] if BITS == 32 else [f"machines of {BITS} bits (VMEMU_TEST_BITS)"]


@pytest.fixture(scope="session")
def compared() -> dict[str, Comparison]:
    """Every scenario with its defaults under every scheme that has figures derived for it."""
    from vmemu.lab.compare import compare
    from vmemu.lab.scenarios import SCENARIOS
    from vmemu.rmap import predicted

    results = compare(SCENARIOS.values(), {}, predicted())
    return {result.scenario.name: result for result in results}


@pytest.fixture(scope="session")
def compare_printed() -> bytes:
    """What ``vmemu compare`` prints, run once for all tests that need it."""
    return subprocess.run(
        [sys.executable, "-m", "vmemu", "compare"],
        env={**os.environ, "PYTHONHASHSEED": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=True,
    ).stdout


@pytest.fixture(scope="session")
def guest_directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of built guests: the installed one, else a fresh one if that is out of date."""
    built = ROOT / "vmemu" / "guests_bin"
    headers = max(path.stat().st_mtime_ns for path in (ROOT / "guests").rglob("*.h"))
    for source in (ROOT / "guests").glob("*.c"):
        newest = max(source.stat().st_mtime_ns, headers)
        programs = [built / source.stem]
        if f"{source.stem}: (i386)" not in source.read_text():
            programs.append(built / "x86_64" / source.stem)
        if any(not each.exists() or each.stat().st_mtime_ns < newest for each in programs):
            break
    else:
        return built
    # By path: the package itself need not be importable to build guests.
    spec = importlib.util.spec_from_file_location("vmemu_build", ROOT / "vmemu" / "_build.py")
    assert spec is not None
    assert spec.loader is not None
    build = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(build)
    fresh = tmp_path_factory.mktemp("guests")
    build.build_guests(ROOT, fresh)
    build.build_guests(ROOT, fresh / "x86_64", 64)
    return fresh


@pytest.fixture(scope="session")
def guest(guest_directory: Path) -> Callable[..., Path]:
    """Return a function from a guest's name, and a width, to the path of its built program."""

    def path(name: str, bits: int = BITS) -> Path:
        program = guest_directory / ("x86_64" if bits == 64 else "") / name
        assert program.exists(), f"there is no guest {name}"
        return program

    return path
