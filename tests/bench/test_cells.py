"""Cells of a sweep are timed alone and on every core."""

from __future__ import annotations

import json

import pytest

from bench import cells
from bench.cells import Times


def test_a_few_cells_are_timed(capsys: pytest.CaptureFixture[str]) -> None:
    assert cells.main(["--cells", "4", "--rounds", "2", "--workers", "2", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    for name in ("cell", "host"):
        assert 0 < found[name]["min"] <= found[name]["ns"]
        assert found[name]["scaling"] > 0


def test_what_is_printed_says_what_is_promised() -> None:
    cell = Times([0.010, 0.012, 0.014, 0.012], [0.022, 0.026], [0.0125, 0.0125])
    loop = Times([0.01] * 4, [0.02, 0.02], [0.01, 0.01])
    told = cells.table({"cell": cell, "host": loop}, 4, 2).splitlines()
    assert told == [
        "warm cell: 12.0 ms (11.5 to 12.5, least 10.0); at most 15: kept",
        "4 cells on 2 cores: 96% of perfect scaling, a cell in 6.25 ms; at least 85%: kept",
        "a loop that only computes, on 2 cores of this host: 100%; cells reach 96% of that",
    ]


def test_no_cells_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cells.main(["--cells", "0"])
    assert "--cells at least 2" in capsys.readouterr().err
