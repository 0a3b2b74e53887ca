"""A reverse map lives in its own files: who names one, and a package that lacks one."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests import tree as trees
from vmemu.core import RMAPS
from vmemu.rmap import builtin, compared

OWN = [name for name in RMAPS if name not in ("none", "python")]

# Names that are plain words as well: of these, only what code would write counts.
WORDS = ("scan",)


def _named(name: str) -> str:
    code = rf"[\"']{name}[\"']|\brmap[_/.]{name}\b"
    return code if name in WORDS else rf"\b{name}\b"


NAMED = re.compile("|".join(map(_named, OWN)))

# Who else may name one: what is derived for each, and a scenario that bears a scheme's name.
AT_HOME = ("csrc/rmap/", "vmemu/rmap/", "vmemu/lab/scenarios/", "vmemu/explore/catalogue.py")


def test_nobody_else_names_a_scheme() -> None:
    found = [
        str(path.relative_to(trees.ROOT))
        for folder in ("csrc", "vmemu")
        for path in sorted((trees.ROOT / folder).rglob("*"))
        if path.suffix in (".c", ".h", ".py", ".svg", ".html")
        and "guests_bin" not in path.parts
        and NAMED.search(path.read_text())
    ]
    assert [path for path in found if not path.startswith(AT_HOME)] == []
    assert {f"csrc/rmap/{name}.c" for name in OWN} <= set(found)


def test_a_scheme_of_c_has_its_class() -> None:
    assert {scheme.walker for scheme in builtin().values()} == {*OWN, "none"}


RUNS = """
import io, sys
from vmemu import Machine
from vmemu.lab.guests import guest_path
from vmemu.rmap import schemes

for scheme in schemes():
    for line in ("swap-storm PAGES=300 FORK=1", "cut-vma K=16 N=2", "mremap-shared R=16"):
        guest, *parameters = line.split()
        swap = None if scheme == "none" else "16M"
        ram = "16M" if scheme == "none" else "1M"
        with Machine(ram=ram, swap=swap, rmap=scheme, lock_checks=True) as machine:
            machine.spawn(guest_path(guest), [guest, *parameters], stdout=io.BytesIO())
            assert str(machine.run()) == "exited with 0", (scheme, line)
            machine.check()
    print(scheme)
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("gone", "tests"),
    [
        ("anonmm", ["test_anon_vma_list.py", "test_find_mergeable.py"]),
        ("anon_vma", ["test_vmscan.py", "-k", "anonmm"]),
        ("pte_chain", ["test_vmscan.py", "-k", "anonmm"]),
    ],
)
def test_the_rest_works_without_a_scheme(tmp_path: Path, gone: str, tests: list[str]) -> None:
    """Its files and its line go; what is left builds, runs guests, is as derived, is explored."""
    trees.copy_sources(
        tmp_path, "tests/conftest.py", "tests/width.py", "tests/unit", "pyproject.toml"
    )
    for path in (f"csrc/rmap/{gone}.c", f"csrc/rmap/{gone}.h", f"vmemu/rmap/{gone}.py"):
        (tmp_path / path).unlink()
    listed = tmp_path / "csrc" / "rmap" / "schemes.h"
    line = f'#include "rmap/{gone}.h"\n'
    assert listed.read_text().count(line) == 1
    listed.write_text(listed.read_text().replace(line, ""))
    trees.build(tmp_path)

    left = [name for name, scheme in builtin().items() if scheme.walker != gone]
    assert trees.run(tmp_path, "-c", RUNS).split() == left
    rivals = [name for name in compared() if name in left]
    told = trees.run(tmp_path, "-m", "vmemu", "compare", "--json", "fork-server", "mremap-shared")
    assert [record["scheme"] for record in json.loads(told)["records"]] == rivals * 2
    assert " no: " not in trees.run(tmp_path, "-m", "vmemu", "compare", "orphans", "merge-arena")
    trees.run(tmp_path, "-m", "vmemu", "overhead", "--set", "K=64", "--set", "M=4")
    lines = trees.run(tmp_path, "-m", "vmemu", "list", "schemes").splitlines()
    assert [line.split()[0] for line in lines if line.split()[0] in builtin()] == left
    told = trees.run(tmp_path, "-m", "vmemu", "explore", "anon-vma-prepare")
    assert told.count("no violation") == len(left) - 1
    files = [f"tests/unit/{test}" if test.endswith(".py") else test for test in tests]
    assert " passed" in trees.run(tmp_path, "-m", "pytest", "-q", "-p", "no:cacheprovider", *files)
