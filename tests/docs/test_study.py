"""The study: some of its runs made again give what is kept, and its page says what is kept."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("pyarrow")
pytest.importorskip("duckdb")

STUDY = Path(__file__).parents[2] / "examples" / "study-24-bytes"


def test_some_runs_again_and_the_page() -> None:
    done = subprocess.run(
        [sys.executable, STUDY / "make.py", "--quick"],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "all as it was\n", "")


def test_every_figure_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(STUDY))
    figures = importlib.import_module("study_figures")
    text = (STUDY.parents[1] / "docs" / "study-24-bytes.md").read_text()
    assert set(re.findall(r"\(study-(\w+)\.svg\)", text)) == set(figures.FIGURES)
