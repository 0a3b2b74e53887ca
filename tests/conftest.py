"""Fixtures for all tests."""

from __future__ import annotations

import importlib.util
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.command import Vmemu
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


@pytest.fixture
def vmemu(capfd: pytest.CaptureFixture[str], tmp_path_factory: pytest.TempPathFactory) -> Vmemu:
    """Return a function that runs ``vmemu`` with arguments, one string each or one in all.

    Temporary files may lie in a directory with spaces in its name.
    """
    from tests.command import Done
    from vmemu.cli.entry import main

    top = str(tmp_path_factory.getbasetemp().parent)

    def run(*args: str) -> Done:
        argv = list(args)
        if len(args) == 1:
            argv = [word.replace("\0", top) for word in args[0].replace(top, "\0").split()]
        with pytest.raises(SystemExit) as ended:
            main(argv)
        out, err = capfd.readouterr()
        return Done(int(ended.value.code or 0), out, err)

    return run


TOGETHER = {
    "tests/scenarios/test_scenarios.py::test_as_derived": "compared",
    "tests/scenarios/test_own_scenarios.py::test_everything_that_is_a_result": "compared",
    "tests/scenarios/test_inspection.py::test_every_figure_that_is_measured": "compared",
    "tests/docs/test_readme.py": "compared",
    "tests/scenarios/test_determinism.py::test_all_scenarios_twice_the_same": "compare_printed",
    "tests/cli/test_compare.py::test_all_scenarios_are_as_predicted": "compare_printed",
    "tests/conformance/test_host_shows.py": "host_shows",
    "tests/guests/test_libc.py": "libc",
    "tests/mutants/test_mutants.py": "forge",
    "tests/packaging/test_examples.py": "examples",
    "tests/packaging/test_packaging.py": "packaging",
    "tests/sweep/test_sweeps.py": "sweep",
    "tests/unit/test_width.py": "width",
}
"""Tests that share what takes long to make, by the beginnings of their names.

Of several processes (pytest-xdist), one makes it and runs them all.
"""


def group_of(test: str) -> str:
    """What a test is run with; its function's other cases, as a rule, for they are short.

    To hand out thousands of tests one by one takes longer than to run them.
    """
    alone = test if test.startswith("tests/explore/") else test.partition("[")[0]
    return next((group for start, group in TOGETHER.items() if test.startswith(start)), alone)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """A group of tests at a time to whoever is free, the largest first.

    xdist's own marks for that have no effect with pytest 9.2, which gives no notice of it.
    """
    from xdist.scheduler import LoadScopeScheduling

    class Scheduling(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return group_of(nodeid)

    return Scheduling(config, log) if config.option.dist == "load" else None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what is about i386 where the tests' machines are of 64 bits."""
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
