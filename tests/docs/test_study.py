"""The study: some of its runs made again give what is kept, and its page says what is kept."""

from __future__ import annotations

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
