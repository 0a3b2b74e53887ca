"""Records of scenarios that were run, as a sweep writes them, and the file they are in."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from vmemu.lab.cell import Cell, run_cell
from vmemu.lab.record import Records
from vmemu.lab.scenarios import find_scenario
from vmemu.results.dataset import write_parquet

SCHEMES = ("scan", "pte_chain", "anonmm", "anon_vma", "anon_vma_chain", "cow_context")
SIZES = (1, 2, 4, 8, 16)
PROVENANCE = {"vmemu": "0.1.0", "build": "of the tests"}
COUNTED = {"R": "pages", "N": "children", "mode": ""}


def run(scenario: str, scheme: str, **settings: Any) -> dict[str, Any]:
    """One record; ``seed`` is the machine's, the rest are parameters."""
    seed = settings.pop("seed", 0)
    params = find_scenario(scenario).settle({name: str(n) for name, n in settings.items()})
    cell = Cell(scenario, tuple(params.items()), scheme, (("seed", seed),))
    return {"key": cell.key("of the tests"), **run_cell(cell)}


def runs(
    scenarios: Iterable[str] = ("fork-server", "fork-readers", "late-subfamily"),
    schemes: Iterable[str] = SCHEMES,
    sizes: Iterable[int] = SIZES,
    **settings: Any,
) -> Iterator[dict[str, Any]]:
    """A record of each scenario for each N under each scheme."""
    for scenario in scenarios:
        for n in sizes:
            for scheme in schemes:
                yield dict(run(scenario, scheme, N=n, R=4, **settings))


@functools.cache
def family() -> tuple[Mapping[str, Any], ...]:
    """What most tests ask about."""
    return tuple(runs())


def write(directory: Path, records: Iterable[Mapping[str, Any]], name: str = "runs-0") -> Path:
    """A directory as a sweep leaves it; itself."""
    directory.mkdir(exist_ok=True)
    write_parquet(Records(records, COUNTED), directory / f"{name}.parquet", PROVENANCE)
    (directory / "_journal.jsonl").write_text('{"not": "a record"}\n')
    return directory
