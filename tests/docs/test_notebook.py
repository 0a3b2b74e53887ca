"""The notebook of the documentation: ten cells that show what they do, and go on after close()."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "docs"))

import notebook  # noqa: E402

TOUR = ROOT / "docs" / "tour.ipynb"


def test_its_cells_show_what_they_do() -> None:
    loaded = notebook.load(TOUR)
    assert len(notebook.code_cells(loaded)) == 10
    assert notebook.run(TOUR) == notebook.outputs(loaded), "run `python docs/figures.py`"


def test_it_survives_close() -> None:
    """Behind the cell that closes the machine there are others, and all show something."""
    loaded = notebook.load(TOUR)
    sources = ["".join(cell["source"]) for cell in notebook.code_cells(loaded)]
    (closing,) = [i for i, source in enumerate(sources) if "machine.close()" in source]
    assert closing < len(sources) - 1
    assert all(notebook.outputs(loaded))


def test_it_is_a_notebook_of_format_4() -> None:
    loaded = notebook.load(TOUR)
    assert (loaded["nbformat"], loaded["nbformat_minor"]) == (4, 4)
    for cell in loaded["cells"]:
        needed = {"cell_type", "metadata", "source"}
        if cell["cell_type"] == "code":
            needed |= {"execution_count", "outputs"}
        assert cell.keys() == needed
    counts = [cell["execution_count"] for cell in notebook.code_cells(loaded)]
    assert counts == list(range(1, 11))


def test_what_does_not_hold_is_noticed(tmp_path: Path) -> None:
    changed = tmp_path / "tour.ipynb"
    changed.write_text(TOUR.read_text())
    assert notebook.refresh(changed, check=True) == []
    changed.write_text(TOUR.read_text().replace('\\"1M\\"', '\\"2M\\"'))
    before = changed.read_text()
    assert notebook.refresh(changed, check=True) != []
    assert changed.read_text() == before
    assert notebook.refresh(changed, check=False) != []
    assert notebook.refresh(changed, check=True) == []


def test_a_cell_that_fails_fails(tmp_path: Path) -> None:
    broken = tmp_path / "tour.ipynb"
    broken.write_text(TOUR.read_text().replace("machine.check()", "machine.chuck()"))
    with pytest.raises(AttributeError, match="chuck"):
        notebook.run(broken)
