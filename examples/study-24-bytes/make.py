"""``python examples/study-24-bytes/make.py``: everything in docs/study-24-bytes.md, anew.

Runs what study.toml says, keeps a row of each run in results/, and from these writes every table
between ``<!-- study: NAME -->`` and ``<!-- end -->`` and every figure.  A run that was stopped
goes on where it was.  ``--draw`` runs nothing; ``--quick`` changes nothing: it makes some of the
runs again, and says what is not as it was.
"""

from __future__ import annotations

import argparse
import hashlib
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from study_answers import ANSWERS
from study_figures import FIGURES, picture
from study_queries import Study
from study_rows import HERE, RESULTS, Row, differences, load, row, save
from study_tables import TABLES

ROOT = HERE.parents[1]
PAGE = ROOT / "docs" / "study-24-bytes.md"
PLAN = HERE / "study.toml"
RUNS = HERE / "runs"
EVERY = 97
"""One run of so many is made again by --quick: a prime, so that all schemes and seeds have some."""
_MARK = re.compile(r"(<!-- study: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def run(out: Path, jobs: int | None) -> list[Row]:
    """The rows of all runs, of which those that ``out`` lacks are made now."""
    import pyarrow.parquet as pq

    from vmemu.build_id import build_id
    from vmemu.sweep.experiment_file import read_plan
    from vmemu.sweep.sweep import sweep

    plan, build = read_plan(str(PLAN)), build_id()

    def progress(tally: object) -> None:
        done, total = tally.done, tally.total  # type: ignore[attr-defined]
        if done % 500 == 0:
            print(f"{done} of {total} runs", file=sys.stderr)

    done = sweep(plan, out, jobs=jobs, progress=progress)
    if done.tally.failures:
        raise SystemExit(f"{len(done.tally.failures)} runs failed: see {out}")
    wanted = {cell.key(build) for cell in plan.cells()}  # others may be there from before
    records = pq.read_table(done.parquet).to_pylist()
    return [row(record) for record in records if record["key"] in wanted]


def run_some() -> list[Row]:
    """The rows of some runs, made now."""
    from vmemu.lab.cell import run_cell
    from vmemu.sweep.experiment_file import read_plan

    cells = list(read_plan(str(PLAN)).cells())
    return [row(run_cell(cell)) for cell in cells[::EVERY]]


def page(study: Study) -> str:
    """The text of the page, with the tables that these rows give."""
    blocks = {**TABLES, **ANSWERS}

    def block(found: re.Match[str]) -> str:
        lines = "".join(f"{line}\n" for line in blocks[found[2]](study))
        return f"{found[1]}{lines}{found[3]}"

    return _MARK.sub(block, PAGE.read_text())


def drawing(name: str) -> Path:
    """Where a figure is."""
    return ROOT / "docs" / f"study-{name}.svg"


def made_of() -> str:
    """What says of which rows, and by which program, a figure was drawn."""
    sources = [RESULTS, *(HERE / f"study_{name}.py" for name in ("queries", "tables", "figures"))]
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in sources))
    return f"<!-- drawn from {digest.hexdigest()[:24]} -->\n"


def write(study: Study) -> None:
    """The tables and figures."""
    PAGE.write_text(page(study))
    for name in FIGURES:
        drawing(name).write_bytes(picture(study, name) + made_of().encode())


def stale(study: Study) -> list[str]:
    """What of the page is not what the rows say."""
    told = []
    if page(study) != PAGE.read_text():
        told.append(f"{PAGE.name}: a table is not what the results say")
    told += [
        f"{drawing(name).name}: not drawn from these results"
        for name in FIGURES
        if not drawing(name).exists() or not drawing(name).read_text().endswith(made_of())
    ]
    return told


def main(argv: Sequence[str] | None = None) -> int:
    """The exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--draw", action="store_true", help="from the results that are there")
    parser.add_argument("--quick", action="store_true", help="make some runs again and compare")
    parser.add_argument("--out", type=Path, default=RUNS, help="where the runs' journal is")
    parser.add_argument("--jobs", type=int, help="so many runs at a time")
    given = parser.parse_args(argv)
    if given.quick:
        rows = load()
        told = differences(run_some(), rows) + stale(Study(rows))
        print("\n".join(told) or "all as it was")
        return int(bool(told))
    if not given.draw:
        save(run(given.out, given.jobs))
    write(Study(load()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
