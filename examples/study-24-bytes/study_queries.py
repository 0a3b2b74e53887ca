"""What is asked of the rows: SQL over them, and the crossing points that follow."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from study_rows import COLUMNS, Row

SCHEMES = (
    *("scan", "pte_chain", "anonmm", "anon_vma39", "anon_vma"),
    *("anon_vma_chain", "anon_vma_degree", "anon_vma_lazy", "cow_context"),
)
PROGRAMS = {
    "fork server": "scenario = 'busy-server' AND N = 16 AND ram NOT IN (2023424)",
    "zygote": "scenario = 'busy-zygote'",
    "many areas": "scenario = 'busy-arenas' AND V = 2048 AND CUT = 0",
    "pairs": "scenario = 'busy-mates' AND OWN = 16 AND LATE = 1",
    "moves": "scenario = 'busy-moves' AND MOVES = 4",
}
"""The programs that work while memory is short, and which rows are theirs."""
SHORT_RAM = {
    32: {"fork server": 1792, "zygote": 1792, "many areas": 4096, "pairs": 3072, "moves": 1280},
    64: {"fork server": 2048, "zygote": 2048, "many areas": 4096, "pairs": 3584, "moves": 1792},
}
"""Where memory is short but not hopeless, kB: the machine that tables of one size show."""
MANY = 13
"""Of 16 seeds: that so many or more go one way happens by chance once in 47 times (sign test)."""

WALKS = "(unmap_probes + referenced_probes)"
COMPARED = "(unmap_cmp + referenced_cmp)"


class Beside(NamedTuple):
    """A scheme in a machine beside another, seed by seed: medians, quartiles of the difference."""

    ram: int
    scheme: str
    seeds: int
    ms: float
    low: float
    middle: float
    high: float
    slower: int
    faster: int
    swapins: float
    walks: float
    compared: float
    copies: float
    bytes: float

    @property
    def verdict(self) -> str:
        """Which of the two is the slower one in nearly all seeds."""
        needed = MANY * self.seeds / 16
        if self.slower >= needed:
            return "slower"
        return "faster" if self.faster >= needed else "the same" if self.same else "open"

    @property
    def same(self) -> bool:
        """Whether it took exactly the same time with every seed."""
        return self.slower == self.faster == 0


class Study:
    """All rows, in a database of their own in memory."""

    def __init__(self, rows: Sequence[Row]) -> None:
        import duckdb
        import pyarrow as pa

        columns = {name: [each[at] for each in rows] for at, name in enumerate(COLUMNS)}
        self._connection = duckdb.connect(config={"threads": 1})
        self._connection.register("runs", pa.table(columns))

    @property
    def seeds(self) -> int:
        """With how many seeds programs were run."""
        return int(self.one("SELECT count(DISTINCT seed) FROM runs"))

    def ask(self, sql: str) -> list[tuple[Any, ...]]:
        """The rows that a query gives."""
        return self._connection.execute(sql).fetchall()

    def one(self, sql: str) -> Any:
        """Its only value."""
        ((value,),) = self.ask(sql)
        return value

    def series(
        self, x: str, y: str, where: str, schemes: Iterable[str] = SCHEMES
    ) -> dict[str, list[tuple[int, float]]]:
        """The median of ``y`` against ``x``, by scheme."""
        found: dict[str, list[tuple[int, float]]] = {scheme: [] for scheme in schemes}
        for scheme, at, value in self.ask(
            f"SELECT scheme, {x}, median({y}) FROM runs WHERE {where} GROUP BY ALL ORDER BY ALL"
        ):
            if scheme in found:
                found[scheme].append((at, value))
        return found

    def beside(self, program: str, bits: int, other: str = "anonmm") -> list[Beside]:
        """Every scheme in every machine of a program, beside ``other`` with the same seed."""
        return self.compared(f"{PROGRAMS[program]} AND bits = {bits}", other)

    def compared(self, where: str, other: str = "anonmm", by: str = "ram") -> list[Beside]:
        """The same for any rows; ``by`` tells machines or programs apart."""
        return [
            Beside(*row[:4], *row[4], *row[5:])
            for row in self.ask(
                f"""
                WITH these AS (SELECT * FROM runs WHERE {where}),
                     other AS (SELECT {by}, seed, virtual_ns AS ns FROM these
                               WHERE scheme = '{other}')
                SELECT {by}, scheme, count(*), median(virtual_ns) / 1e6,
                       quantile_cont(virtual_ns * 100.0 / ns - 100, [0.25, 0.5, 0.75]),
                       count(*) FILTER (virtual_ns > ns), count(*) FILTER (virtual_ns < ns),
                       median(run_pswpin), median({WALKS}), median({COMPARED}), median(copies),
                       median(bytes_rounded)
                FROM these JOIN other USING ({by}, seed)
                GROUP BY ALL ORDER BY ALL
                """
            )
        ]

    def overall(self, program: str, bits: int) -> dict[str, tuple[float, int, int]]:
        """By scheme, over all machines in which somebody swaps: per cent beside anonmm.

        The geometric mean over the machines for each seed, of these the median; and in how many
        seeds it was above and below 0.
        """
        rows = self.ask(
            f"""
            WITH these AS (SELECT *, max(run_pswpin) OVER (PARTITION BY ram) > 0 AS short
                           FROM runs WHERE {PROGRAMS[program]} AND bits = {bits}),
                 seeds AS (SELECT a.scheme, a.seed, avg(ln(a.virtual_ns / b.virtual_ns)) AS more
                           FROM these a JOIN these b USING (ram, seed)
                           WHERE b.scheme = 'anonmm' AND a.short GROUP BY ALL)
            SELECT scheme, exp(median(more)) * 100 - 100,
                   count(*) FILTER (more > 0), count(*) FILTER (more < 0)
            FROM seeds GROUP BY ALL
            """
        )
        return {scheme: (more, above, below) for scheme, more, above, below in rows}

    def price(self, where: str, dear: str, walks_more: str) -> tuple[float, float]:
        """What ``dear`` loses in time to another scheme, ns, and how many probes it saves.

        Medians of the differences, seed by seed.
        """
        ((ns, saved),) = self.ask(
            f"""
            WITH these AS (SELECT *, {WALKS} AS walks FROM runs WHERE {where})
            SELECT median(a.virtual_ns - b.virtual_ns), median(b.walks - a.walks)
            FROM these a JOIN these b USING (ram, seed)
            WHERE a.scheme = '{dear}' AND b.scheme = '{walks_more}'
            """
        )
        return ns, saved


def first_above(one: Sequence[tuple[int, float]], other: Sequence[tuple[int, float]]) -> int | None:
    """The least x from which on the first is above the second, as far as was measured."""
    found = None
    for (x, high), (_, low) in zip(one, other, strict=True):
        if high <= low:
            found = None
        elif found is None:
            found = x
    return found
