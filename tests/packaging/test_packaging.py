"""sdist, wheel, and the first command: what is in them, and that it is enough."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import stat
import subprocess
import sys
import sysconfig
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
BUILT = shutil.ignore_patterns(
    ".*", "build", "dist", "*.egg-info", "__pycache__", "*.so", "guests_bin"
)
LIMIT = 120 << 20
"""Bytes on disk that the first command may take."""
OWN = """\
#include <stdio.h>
#include <vmemu.h>

int main(void)
{
	printf("%d\\n", vmemu_inside());
}
"""
SCRIPT = """\
from vmemu import Machine
from vmemu.lab.guests import guest_path

with Machine() as machine:
    machine.spawn(guest_path("hello"))
    machine.run()
"""


def quiet(*command: str | Path, cwd: Path, **environment: str) -> str:
    """What a command prints, without the caller's Python settings; it must end with 0."""
    settings = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    done = subprocess.run(
        command,
        cwd=cwd,
        env={**settings, **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.fixture(scope="module")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sdist of a copy without .git and without anything built."""
    tree = tmp_path_factory.mktemp("sdist") / "tree"
    shutil.copytree(ROOT, tree, ignore=BUILT)
    shutil.copytree(ROOT / ".ci", tree / ".ci")
    shutil.copy(ROOT / ".clang-format", tree)
    make = "from setuptools.build_meta import build_sdist; build_sdist('dist')"
    quiet(sys.executable, "-c", make, cwd=tree)
    (made,) = (tree / "dist").iterdir()
    return made


@pytest.fixture(scope="module")
def wheel(sdist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel that the sdist makes, quickly compiled."""
    directory = tmp_path_factory.mktemp("wheel")
    with tarfile.open(sdist) as archive:
        archive.extraction_filter = getattr(tarfile, "data_filter", None)  # since 3.11.4
        archive.extractall(directory)
    (tree,) = directory.iterdir()
    pip = [sys.executable, "-m", "pip", "wheel", "--no-build-isolation", "--no-deps", "--no-index"]
    quiet(*pip, "-w", "dist", ".", cwd=tree, CFLAGS="-O0 -g0")
    (made,) = (tree / "dist").iterdir()
    return made


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The ``bin`` of a fresh environment with the wheel; what it needs is this one's."""
    place = tmp_path_factory.mktemp("installed") / "venv"
    quiet(sys.executable, "-m", "venv", "--without-pip", place, cwd=place.parent)
    python = place / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--python", python, "install", "--no-deps", "--no-index"]
    quiet(*pip, wheel, cwd=place.parent)
    packages = Path(sysconfig.get_path("purelib", "venv", {"base": str(place)}))
    (packages / "outer.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return place / "bin"


def vmemu(installed: Path, tmp_path: Path, *arguments: str) -> str:
    """What vmemu prints where there is nothing but it."""
    return quiet(installed / "vmemu", *arguments, cwd=tmp_path, PATH=str(installed))


# ---- the sdist


@pytest.mark.slow
def test_the_sdist_holds_what_a_clone_holds(sdist: Path) -> None:
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    there = {
        path.relative_to(ROOT).as_posix()
        for folder in ("csrc", "guests", "docs", "examples", "tests", "bench", "vmemu")
        for path in (ROOT / folder).rglob("*")
        if path.is_file() and not re.search(r"__pycache__|\.so$|/guests_bin/|/pages/", str(path))
    }
    there |= {path.name for path in ROOT.iterdir() if path.is_file() and path.name[0] != "."}
    assert there - names == set()
    assert ".ci/run" in names
    assert not [name for name in names if name.endswith((".so", ".pyc"))]


# ---- the wheel


@pytest.mark.slow
def test_the_wheel_has_cores_guests_and_their_sources(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        modes = {entry.filename: entry.external_attr >> 16 for entry in archive.infolist()}
    for source in (ROOT / "guests").rglob("*.[ch]"):
        inside = source.relative_to(ROOT / "guests").as_posix()
        packed = inside if source.suffix == ".c" else f"include/{inside}"
        assert f"vmemu/guests_bin/{packed}" in modes
    for name in ("hello", "x86_64/hello"):
        assert modes[f"vmemu/guests_bin/{name}"] & stat.S_IXUSR
    assert {"vmemu/include/vmemu.h", "vmemu/py.typed", "vmemu/_core64.pyi"} <= set(modes)
    cores = [name for name in modes if name.endswith(".so")]
    assert sorted(name.split(".")[0] for name in cores) == ["vmemu/_core32", "vmemu/_core64"]
    assert {name.split("/")[0].split("-")[0] for name in modes} == {"vmemu"}


@pytest.mark.slow
def test_without_a_compiler_guests_run(installed: Path, tmp_path: Path) -> None:
    assert vmemu(installed, tmp_path, "run", "hello") == "Hello from ring 3\n"
    assert vmemu(installed, tmp_path, "run", "--bits", "64", "hello") == "Hello from ring 3\n"
    rows = vmemu(installed, tmp_path, "compare", "fork-brk").splitlines()[1:]
    assert [row.split()[2] for row in rows] == ["yes", "yes"]
    assert "prints one line" in vmemu(installed, tmp_path, "list", "guests")
    assert "unmap_probes" in vmemu(installed, tmp_path, "help", "counters")
    header = Path(vmemu(installed, tmp_path, "include-dir").strip()) / "vmemu.h"
    assert header.read_text() == (ROOT / "vmemu" / "include" / "vmemu.h").read_text()
    assert not header.is_relative_to(ROOT)


@pytest.mark.slow
def test_with_a_compiler_sources_run(installed: Path, tmp_path: Path) -> None:
    (tmp_path / "own.c").write_text(OWN)
    shutil.copy(ROOT / "guests" / "hello.c", tmp_path / "mine.c")
    cache = str(tmp_path / "cache")
    for name, printed in (("own.c", "1\n"), ("mine.c", "Hello from ring 3\n")):
        done = quiet(installed / "vmemu", "run", name, cwd=tmp_path, XDG_CACHE_HOME=cache)
        assert done == printed
    header = Path(vmemu(installed, tmp_path, "include-dir", "--guest").strip()) / "guest.h"
    assert header.read_text() == (ROOT / "guests" / "guest.h").read_text()
    assert not header.is_relative_to(ROOT)


@pytest.mark.slow
def test_a_scenario_with_its_guest_runs(installed: Path, tmp_path: Path) -> None:
    """What a guest needs is in the wheel; the sources of vmemu are nowhere."""
    package = ROOT / "examples" / "vmemu-scenario-snapshots" / "vmemu_scenario_snapshots"
    shutil.copy(package / "snapshots.c", tmp_path)
    shutil.copy(package / "__init__.py", tmp_path / "mine.py")
    for bits in ("32", "64"):
        words = (installed / "vmemu", "compare", "mine.py", "--bits", bits)
        rows = quiet(*words, cwd=tmp_path, XDG_CACHE_HOME=str(tmp_path / "cache")).splitlines()[1:]
        assert [re.split("  +", row)[2] for row in rows[:2]] == ["yes", "yes"]


@pytest.mark.slow
def test_a_script_beside_a_clone_finds_the_wheel(installed: Path, tmp_path: Path) -> None:
    beside_a_clone(installed / "python", tmp_path)


def test_a_script_beside_a_clone_finds_the_editable_install(tmp_path: Path) -> None:
    """The clone's directory has the package's name and, as Python sees it, may be one."""
    beside_a_clone(Path(sys.executable), tmp_path)


def beside_a_clone(python: Path, directory: Path) -> None:
    (directory / "vmemu" / "vmemu").mkdir(parents=True)
    (directory / "vmemu" / "vmemu" / "__init__.py").touch()
    (directory / "script.py").write_text(SCRIPT)
    assert quiet(python, "script.py", cwd=directory) == "Hello from ring 3\n"
    assert quiet(python, "-c", SCRIPT, cwd=directory) == "Hello from ring 3\n"
    assert quiet(python, "-m", "vmemu", "run", "hello", cwd=directory) == "Hello from ring 3\n"


# ---- the first command


def load_bootstrap() -> object:
    spec = importlib.util.spec_from_file_location("bootstrap", ROOT / "bootstrap.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("command", "extra"),
    [
        ("vmemu compare", ""),
        ("vmemu run hello", ""),
        ("vmemu compare --report a.html", "report"),
        ("vmemu run --report=a.html hello", "report"),
        ("vmemu compare --parquet a.parquet --report a.html", "results"),
        ("vmemu sweep hole --out runs", "results"),
        ("vmemu results runs", "results"),
        ("vmemu plot runs --x N -o a.svg", "results"),
        ("vmemu sweep hole --out runs --scheduler tcp://h:8786", "distributed"),
        ("pytest", "test"),
        ("ruff check", "test"),
        ("python -m bench", "test"),
        ("sh -c true", "test"),
    ],
)
def test_what_a_command_needs(command: str, extra: str) -> None:
    bootstrap = load_bootstrap()
    assert bootstrap.wanted(command.split()) == extra  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("command", "spread"),
    [
        ("pytest", True),
        ("pytest tests/unit -x -k fork", True),
        ("pytest -n0", True),  # what comes last holds
        ("pytest tests/unit/test_vma.py::test_find", False),
        ("pytest --pdb tests/unit", False),
        ("pytest bench/test_micro.py", False),  # nothing else may run meanwhile
        ("python -m pytest", False),
        ("vmemu compare", False),
    ],
)
def test_tests_use_every_core(command: str, spread: bool) -> None:
    words = command.split()
    options = ["-n", "auto"] if spread else []
    expected = [words[0], *options, *words[1:]]
    assert load_bootstrap().spread(words) == expected  # type: ignore[attr-defined]


def test_tests_that_go_together_are_there(pytestconfig: pytest.Config) -> None:
    """A name that has changed would only cost time, which nobody sees."""
    conftest = pytestconfig.pluginmanager.get_plugin(str(ROOT / "tests" / "conftest.py"))
    assert conftest is not None
    for start in conftest.TOGETHER:
        file, _, name = start.partition("::")
        assert f"def {name}" in (ROOT / file).read_text(), start
    assert conftest.group_of("tests/docs/test_readme.py::test_a[b]") == "compared"
    assert conftest.group_of("tests/unit/a.py::test_a[b]") == "tests/unit/a.py::test_a"


def has_index(directory: Path) -> bool:
    download = [
        sys.executable,
        "-m",
        "pip",
        "download",
        "--no-deps",
        "-q",
        "-d",
        directory,
        "mdurl",
    ]
    return subprocess.run(download, capture_output=True, check=False).returncode == 0


@pytest.mark.slow
def test_the_first_command_installs_what_it_needs(tmp_path: Path) -> None:
    if not has_index(tmp_path / "index"):
        pytest.skip("there is no package index")
    tree, venv = tmp_path / "tree", tmp_path / "venv"
    shutil.copytree(ROOT, tree, ignore=BUILT)
    settings = {"VMEMU_VENV": str(venv), "CFLAGS": "-O0 -g0", "XDG_CACHE_HOME": str(tmp_path)}
    first = quiet("sh", "bootstrap.sh", "vmemu", "compare", "fork-brk", cwd=tree, **settings)
    assert [row.split()[2] for row in first.splitlines()[1:]] == ["yes", "yes"]
    taken = sum(path.lstat().st_blocks * 512 for path in venv.rglob("*"))
    assert taken <= LIMIT
    packages = {path.name for path in venv.glob("lib/python*/site-packages/*")}
    assert not packages & {"pytest", "mypy", "ruff", "matplotlib", "jinja2", "setuptools"}
    again = quiet("sh", "bootstrap.sh", "vmemu", "run", "hello", cwd=tree, **settings)
    assert again == "Hello from ring 3\n"


def test_the_citation_names_this_version() -> None:
    said = (ROOT / "CITATION.cff").read_text()
    assert f"\nversion: {PROJECT['project']['version']}\n" in said
    assert (
        f'__version__ = "{PROJECT["project"]["version"]}"'
        in (ROOT / "vmemu" / "__init__.py").read_text()
    )
