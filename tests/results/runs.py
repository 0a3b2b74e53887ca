"""Records of scenarios that were run, as a sweep writes them, and the file they are in."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from vmemu.lab.compare import compare
from vmemu.lab.experiment import machine_options
from vmemu.lab.scenarios import find_scenario
from vmemu.results.dataset import write_parquet

SCHEMES = ("scan", "pte_chain", "anonmm", "anon_vma", "anon_vma_chain", "cow_context")
SIZES = (1, 2, 4, 8, 16)
UNITS = {
    "N": ("", "a parameter"),
    "ram": ("bytes", "guest RAM"),
    "unmap_probes": ("probes", "page-table walks of try_to_unmap"),
    "bytes_exact": ("bytes", "of the scheme's objects"),
    "host_ns": ("ns", "of the host; never compared"),
}
PROVENANCE = {"vmemu": "0.1.0", "build": "of the tests"}


def run(scenario: str, scheme: str, **settings: Any) -> dict[str, Any]:
    """One record; ``seed`` is the machine's, the rest are parameters."""
    seed = settings.pop("seed", 0)
    found = find_scenario(scenario)
    values = {name: str(value) for name, value in settings.items()}
    (comparison,) = compare([found], values, (scheme,), {"seed": seed})
    measured = comparison.measurements[scheme]
    params = comparison.params
    predictions = comparison.predictions(scheme)
    wrong = "; ".join(
        f"{each.figure} {each.measured}, predicted {each.predicted}"
        for each in comparison.deviations(scheme)
    )
    record = {
        "status": "ok",
        "scenario": scenario,
        "scheme": scheme,
        "bits": 32,
        "ram": machine_options(found, params, {})["ram"],
        "seed": seed,
        **{("param_SEED" if name == "SEED" else name): value for name, value in params.items()},
        **measured.figures,
        "bytes_exact": round(measured.cost[0]),
        "bytes_rounded": measured.cost[1],
        **{f"predicted_{figure}": n for figure, n in predictions.items()},
        "verdict": "short"
        if measured.disturbed
        else "no"
        if wrong
        else "yes"
        if predictions
        else "",
        "deviations": wrong or None,
        "output_sha256": measured.output_sha256,
        "disturbed": measured.disturbed,
        "host_ns": 1,
    }
    record["key"] = hashlib.sha256(repr(sorted(record.items(), key=str)).encode()).hexdigest()
    return record


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
    write_parquet(list(records), directory / f"{name}.parquet", UNITS, PROVENANCE)
    (directory / "_journal.jsonl").write_text('{"not": "a record"}\n')
    return directory
