"""A data set of many runs, and the question that a row asks of it.

``questions.py DIRECTORY`` makes it: RUNS rows of some 250 columns, as wide as those of a sweep.
"""

from __future__ import annotations

import random
import sys
from pathlib import Path
from typing import Any

RUNS = 10_000
COUNTERS = 220
SCHEMES = ("pte_chain", "anonmm", "anon_vma", "anon_vma_chain", "cow_context")
SQL = (
    "SELECT scenario, scheme, N, count(*) AS runs, avg(unmap_probes) AS probes "
    "FROM runs WHERE status = 'ok' GROUP BY ALL ORDER BY ALL"
)


def record(rng: random.Random, number: int) -> dict[str, Any]:
    """A run that never was, of the width of one."""
    n = 1 << number % 9
    named = {
        "scenario": "fork-server",
        "scheme": SCHEMES[number % len(SCHEMES)],
        "status": "ok",
        "key": f"{rng.getrandbits(256):064x}",
        "N": n,
        "R": 16,
        "bits": 32,
        "ram": 1 << 25,
        "seed": number % 16,
        "unmap_probes": 16 * n + number % 7,
        "predicted_unmap_probes": 16 * n,
        "verdict": "yes",
        "output_sha256": f"{rng.getrandbits(256):064x}",
        "disturbed": False,
    }
    objects = {f"objects_cache{i}": rng.randrange(1000) for i in range(16)}
    return named | objects | {f"run_counter{i}": rng.randrange(10**6) for i in range(COUNTERS)}


def main(directory: str) -> None:
    """Write it there."""
    from vmemu.lab.record import Records
    from vmemu.results.dataset import write_parquet

    rng = random.Random(1)
    records = [record(rng, number) for number in range(RUNS)]
    write_parquet(Records(records), Path(directory) / "runs.parquet", {})


if __name__ == "__main__":
    main(sys.argv[1])
