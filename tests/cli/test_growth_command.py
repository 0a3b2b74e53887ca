"""vmemu growth: the table, and JSON."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.command import Vmemu
from tests.results.runs import family, write


@pytest.fixture
def directory(tmp_path: Path) -> str:
    return str(write(tmp_path / "runs", family()))


def test_a_table(vmemu: Vmemu, directory: str) -> None:
    done = vmemu(f"growth {directory} --x N --scenario fork-server --rmap anonmm --rmap anon_vma")
    assert (done.status, done.err) == (0, "")
    head, *rows = [line.split("  ") for line in done.out.splitlines()]
    assert [cell.strip() for cell in head if cell] == [
        *("scenario", "scheme", "points", "law", "unmap_probes", "fit", "predicted", "verdict"),
    ]
    assert [[cell.strip() for cell in row if cell] for row in rows] == [
        [*("fork-server", "anonmm", "5", "linear", "4 N"), "exact", "4 N", "as predicted"],
        [
            *("fork-server", "anon_vma", "5", "quadratic", "2 N² + 2 N"),
            *("exact", "2 N² + 2 N", "as predicted"),
        ],
    ]


def test_json(vmemu: Vmemu, directory: str) -> None:
    done = vmemu(
        "growth", directory, "--x", "N", "--where", "scheme = 'anonmm' AND N < 4", "--json"
    )
    first = json.loads(done.out)[0]
    assert (first["scenario"], first["law"]) == ("fork-readers", None)
    assert first["points"] == [[1, 8, 8], [2, 12, 12]]
    assert (first["formula"], first["parts"]) == ("R * (N + 1)", None)
    assert (first["predicted"]["law"], first["predicted"]["coefficient"]) == ("linear", 4)


def test_mistakes_have_status_2(vmemu: Vmemu, directory: str) -> None:
    assert (
        vmemu(f"growth {directory}").err
        == "vmemu: missing option '--x' (see vmemu growth --help)\n"
    )
    done = vmemu(f"growth {directory} --x K")
    assert done == (2, "", "vmemu: there is no column 'K': parameters are GRAND, N, R\n")
