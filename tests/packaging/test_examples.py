"""The example packages, installed as their users would: found by name, measured, held to the same.

They go into a directory of their own, so that no other test sees them.
"""

from __future__ import annotations

import importlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.sweep.loopback import cluster
from vmemu.rmap.python import PythonScheme
from vmemu.testing import Failed, check_operations, driver

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "vmemu-rmap-families"
SNAPSHOTS = ROOT / "examples" / "vmemu-scenario-snapshots"


def run(place: Path, *arguments: str) -> str:
    """What Python prints with the packages; it must end with 0."""
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=place,
        env={**os.environ, "PYTHONPATH": str(place), "XDG_CACHE_HOME": str(place / "cache")},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the installed packages, built from copies without the index."""
    directory = tmp_path_factory.mktemp("plugin")
    sources = [directory / example.name for example in (EXAMPLE, SNAPSHOTS)]
    for example, source in zip((EXAMPLE, SNAPSHOTS), sources, strict=True):
        shutil.copytree(example, source)
    pip = ["-m", "pip", "install", "--no-deps", "--no-build-isolation", "--no-index", "-q"]
    run(directory, *pip, "--target", str(directory / "there"), *map(str, sources))
    return directory / "there"


def test_it_is_short_and_names_no_scheme_of_vmemus() -> None:
    (module,) = EXAMPLE.glob("*.py")
    text = module.read_text()
    assert len(text.splitlines()) < 150
    assert "import" in text
    assert "vmemu.rmap.anon" not in text


def test_it_is_listed(place: Path) -> None:
    assert "families" in run(place, "-m", "vmemu", "list", "schemes")


def test_compare_measures_it_as_it_predicts(place: Path) -> None:
    schemes = ["--rmap", "anonmm", "--rmap", "families"]
    args = ["compare", "fork-server", "--set", "R=16", "--set", "N=5", *schemes]
    lines = run(place, "-m", "vmemu", *args).splitlines()
    (row,) = [line.split() for line in lines if " families " in line]
    assert row[row.index("families") + 1] == "yes"
    other, families = json.loads(run(place, "-m", "vmemu", *args, "--json"))["records"]
    assert families["output_sha256"] == other["output_sha256"]
    # The parent's page first, then the children's in the order of fork.
    assert families["unmap_probes"] == 16 * sum(range(2, 7))
    assert families["objects_family"] == 1


def test_mremap_copies_nothing(place: Path) -> None:
    args = ["compare", "mremap-shared", "--json", "--rmap", "families"]
    (record,) = json.loads(run(place, "-m", "vmemu", *args))["records"]
    assert record["copies"] == 0


@pytest.mark.slow
def test_overhead_is_what_it_declares(place: Path) -> None:
    """A word in each vma and mm; written areas three words more; a family is shared by its mms."""
    args = ["overhead", "--json", "--rmap", "families", "--set", "K=64", "--set", "M=4"]
    for bits, word in (("32", 4), ("64", 8)):
        told = json.loads(run(place, "-m", "vmemu", *args, "--bits", bits))
        per = told["schemes"]["families"]["per_vma"]
        assert per["unwritten"]["exact"] == word
        assert per["own"]["exact"] == per["shared"]["exact"] == 4 * word
        sizes = told["schemes"]["families"]["objects"]
        assert sizes["family"]["bytes"] == 2 * word
        assert sizes["family_area"]["bytes"] == 3 * word


def test_who_names_it(place: Path) -> None:
    args = ["who", "--at", "measure", "--addr", "40001000", "--rmap", "families", "cousins"]
    assert run(place, "-m", "vmemu", *args).splitlines()[0].endswith(", families")


@pytest.mark.slow
def test_its_own_tests_pass(place: Path) -> None:
    tests = ["-m", "pytest", "-q", "-p", "no:cacheprovider", str(EXAMPLE / "tests")]
    assert "2 passed" in run(place, *tests, "--rootdir", str(EXAMPLE))


# ---- the scenario


def test_the_scenario_is_listed(place: Path) -> None:
    told = run(place, "-m", "vmemu", "list", "scenarios")
    assert "  snapshots R=16 N=4 (Redis, BGSAVE)\n" in told
    assert "families R * N * (N + 3) // 2" in told
    assert json.loads(run(place, "-m", "vmemu", "list", "--json", "scenarios"))["snapshots"]


def test_the_scenario_is_as_derived_under_the_others_scheme(place: Path) -> None:
    schemes = ("pte_chain", "anonmm", "anon_vma", "families", "vmemu_rmap_families:Families")
    rmaps = [word for scheme in schemes for word in ("--rmap", scheme)]
    for settings in (["R=16", "N=4"], ["R=3", "N=9"]):
        sets = [word for setting in settings for word in ("--set", setting)]
        for bits in ("32", "64"):
            args = ["compare", "snapshots", *sets, *rmaps, "--bits", bits]
            rows = run(place, "-m", "vmemu", *args).splitlines()[1:]
            for scheme in schemes:
                (row,) = [line.split() for line in rows if f" {scheme} " in f"{line} "][:1]
                assert row[row.index(scheme) + 1] == "yes"


def test_the_scenario_is_found_by_its_module(place: Path) -> None:
    args = ["compare", "vmemu_scenario_snapshots:SNAPSHOTS", "--rmap", "anonmm", "--json"]
    (record,) = json.loads(run(place, "-m", "vmemu", *args))["records"]
    assert record["unmap_probes"] == record["predicted_unmap_probes"] == 16 * (2 + 3 + 4 + 5)
    assert (record["unmap_cmp"], record["unmap_pages"]) == (0, 64)


def test_the_scenario_depends_on_what_is_installed(place: Path) -> None:
    look = (
        "from vmemu.lab.scenarios import files_of, find_scenario\n"
        "print(*files_of(find_scenario('snapshots')), sep='\\n')"
    )
    found = run(place, "-c", look).split()
    package = place / "vmemu_scenario_snapshots"
    assert found == [str(package / "__init__.py"), str(package / "snapshots.c")]


@pytest.mark.slow
def test_the_scenarios_own_tests_pass(place: Path) -> None:
    tests = ["-m", "pytest", "-q", "-p", "no:cacheprovider", str(SNAPSHOTS / "tests")]
    assert "6 passed" in run(place, *tests, "--rootdir", str(SNAPSHOTS))


# ---- both, in a sweep

WORDS = ("snapshots", "N=1..4", "--rmap", "families,vmemu_rmap_families:Families,anon_vma")
ROWS = "SELECT N, scheme, unmap_probes, verdict FROM runs ORDER BY ALL"


def test_a_sweep_runs_them(place: Path, tmp_path: Path) -> None:
    out = str(tmp_path / "runs")
    told = run(place, "-m", "vmemu", "sweep", *WORDS, "--out", out)
    assert told == f"12 cells in {out}/runs.parquet\n"
    rows = json.loads(run(place, "-m", "vmemu", "results", out, "--json", ROWS))
    families = [row for row in rows if row["scheme"] == "families"]
    assert [row["unmap_probes"] for row in families] == [16 * n * (n + 3) // 2 for n in range(1, 5)]
    assert {row["verdict"] for row in rows} == {"yes"}


@pytest.mark.slow
def test_a_cluster_runs_them(place: Path, tmp_path: Path) -> None:
    """Its workers have the packages, as they have vmemu."""
    here, there = str(tmp_path / "here"), str(tmp_path / "there")
    run(place, "-m", "vmemu", "sweep", *WORDS, "--out", here)
    with cluster(tmp_path, path=place, workers=2) as address:
        run(place, "-m", "vmemu", "sweep", *WORDS, "--scheduler", address, "--out", there)
    told = [run(place, "-m", "vmemu", "results", out, "--json", ROWS) for out in (here, there)]
    assert told[0] == told[1]
    assert len(json.loads(told[0])) == 12


# ---- the scheme again


@pytest.mark.parametrize("hook", ["vma_split", "vma_dup", "vma_absorb", "mm_dup", "range_changed"])
def test_what_its_author_could_forget_is_named(hook: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether `check()` finds it, or another hook of the scheme's stumbles over it."""
    monkeypatch.syspath_prepend(str(EXAMPLE))
    monkeypatch.setattr(driver, "SHRINK", 0.0)
    families = importlib.import_module("vmemu_rmap_families").Families
    members = {hook: getattr(PythonScheme, hook), "name": "forgetful"}
    with pytest.raises(Failed) as caught:
        check_operations(type("Forgetful", (families,), members), 2000, seed=1)
    said, _, _ = str(caught.value).partition("\nseed ")
    assert f"{hook}(), which" in said
