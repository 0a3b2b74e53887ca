"""The page's first answers: the crossing points, in one table."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

from study_format import markdown, number, percent, price_text
from study_queries import PROGRAMS, WALKS, Beside, Study, first_above
from study_tables import AREAS, FAMILY_RAM, MIXED
from study_verdict import answer

__all__ = ["ANSWERS"]

Line = Sequence[tuple[int, float]]


class Crossing(NamedTuple):
    """What grows, from where on another reverse map is the better one, and by how much."""

    what: str
    where: str
    beyond: str


def crossings(study: Study) -> list[str]:
    """All of them."""
    parts = (_bytes, _probes, _compared, _copies, _memory, _areas, _moves, _prices)
    rows = [crossing for part in parts for crossing in part(study)]
    return markdown(["what grows", "crossing point", "beyond it"], rows, 3)


def _kb(line: Line, x: int) -> str:
    return number(dict(line)[x] / 1000, 1)


def _bytes(study: Study) -> Iterator[Crossing]:
    zygote = "scenario = 'zygote' AND N = 16 AND bits = 32"
    areas = study.series("V", "bytes_rounded", f"{zygote} AND R = 64")
    one, other = areas["anonmm"], areas["anon_vma"]
    yield Crossing(
        "**bytes**: areas of each of 16 children",
        f"{first_above(other, one)} area",
        f"anon_vma weighs more than anonmm. 16 areas each: {_kb(other, 16)} kB and "
        f"{_kb(one, 16)}; 256: {_kb(other, 256)} and {_kb(one, 256)}",
    )
    shared = study.series("R", "bytes_rounded", f"{zygote} AND V = 4")
    yield Crossing(
        "**bytes**: pages that 17 processes share",
        f"{first_above(shared['pte_chain'], shared['anonmm'])} pages; "
        f"{first_above(shared['pte_chain'], shared['anon_vma'])} pages",
        "pte_chain, which these two replaced, weighs more than anonmm; than anon_vma (with 4 areas "
        f"of each child). 1,024 pages: {_kb(shared['pte_chain'], 1024)} kB",
    )
    family = study.series("N", "bytes_rounded", "scenario = 'fork-server' AND bits = 32")
    yield Crossing(
        "**bytes**: children that fork has made",
        f"{first_above(family['anon_vma_chain'], family['anon_vma'])} child",
        "anon_vma_chain, the successor, weighs more than anon_vma. 256 children: "
        f"{_kb(family['anon_vma_chain'], 256)} kB and {_kb(family['anon_vma'], 256)}; "
        f"anonmm {_kb(family['anonmm'], 256)}",
    )


def _probes(study: Study) -> Iterator[Crossing]:
    for name, title, more, fewer in (
        ("fork-server", "children that rewrite what they inherit", "anon_vma", "anonmm"),
        ("late-subfamily", "children beside a pair that shares pages", "anonmm", "anon_vma"),
    ):
        where = f"scenario = '{name}' AND bits = 32"
        found = study.series("N", "unmap_probes / unmap_pages", where)
        tenfold = [(x, value * 10) for x, value in found[fewer]]
        (last, most), (_, least) = found[more][-1], found[fewer][-1]
        yield Crossing(
            f"**probes**: {title}",
            f"{first_above(found[more], found[fewer])} children",
            f"{more} makes more than {fewer}; ten times as many from "
            f"{first_above(found[more], tenfold)} on. {last} children: {number(most, 1)} for each "
            f"page and {number(least)}",
        )
    mixed = study.series("OWN", WALKS, MIXED)
    yield Crossing(
        "**probes**: share of pages that pairs have, in a family of 33, memory short",
        _share(mixed["anonmm"], mixed["anon_vma"]),
        "anonmm makes more than anon_vma; below it fewer",
    )


def _share(one: Line, other: Line) -> str:
    """Where the first comes to be above the other, in per cent of 32 pages."""
    for ((x, a), (_, b)), ((y, c), (_, d)) in pairwise(zip(one, other, strict=True)):
        if a <= b and c > d:
            at = x + (y - x) * (b - a) / ((b - a) + (c - d))
            return f"about {at * 100 / 32:.0f} %"
    return f"none up to {one[-1][0] * 100 // 32} %"


def _compared(study: Study) -> Iterator[Crossing]:
    found = study.series("K", "unmap_cmp / unmap_pages", "scenario = 'cut-vma'")
    line = found["anon_vma"]
    none = [s for s, each in found.items() if s != "scan" and not any(y for _, y in each)]
    yield Crossing(
        "**cmp**: areas that one area is cut into",
        f"{first_above(line, [(x, 1.0) for x, _ in line])} areas",
        f"anon_vma makes more comparisons than probes: {number(line[-1][1], 1)} for each page in "
        f"{line[-1][0]:,} areas; {', '.join(none)} make none",
    )


def _copies(study: Study) -> Iterator[Crossing]:
    zygote = "scenario = 'zygote' AND N = 16 AND bits = 32 AND R = 64"
    line = study.series("V", "bytes_rounded", zygote)["anon_vma"]
    (first, low), (last, high) = line[0], line[-1]
    each = (high - low) / (last - first) / 16
    moved = "scenario = 'mremap-shared' AND R = 1024 AND scheme"
    copies = study.one(f"SELECT copies FROM runs WHERE {moved} = 'anonmm'")
    yield Crossing(
        "**copies**: shared pages that mremap moves",
        "1 page",
        f"anonmm copies each ({copies:,} of 1,024), nobody else copies any. One copy takes as much "
        f"memory as anon_vma's bytes for {4096 / each:.0f} written areas ({each:.1f} bytes each)",
    )


def _memory(study: Study) -> Iterator[Crossing]:
    for program in PROGRAMS:
        found = [each for each in study.beside(program, 32) if each.scheme == "anon_vma"]
        short = [each for each in found if each.swapins or program == "moves"]
        yield Crossing(
            f"**time**: memory missing ({program})",
            _machines(short) or "none that the seeds agree on",
            f"anon_vma beside anonmm: {percent(min(each.middle for each in short))} to "
            f"{percent(max(each.middle for each in short))} %",
        )


def _machines(found: Sequence[Beside]) -> str:
    """In which machines anon_vma is clearly the slower or the faster one."""
    told = []
    for verdict in ("slower", "faster"):
        these = [f"{each.ram / 2**20:.4g}" for each in found if each.verdict == verdict]
        if these:
            told.append(f"{verdict} with {', '.join(these)} MB of {', '.join(_all(found))}")
    return "; ".join(told)


def _all(found: Sequence[Beside]) -> list[str]:
    return [f"{found[0].ram / 2**20:.4g} to {found[-1].ram / 2**20:.4g}"]


def _areas(study: Study) -> Iterator[Crossing]:
    apart = [e for e in study.compared(AREAS.format(cut=0), by="V") if e.scheme == "anon_vma"]
    slower = [each for each in apart if each.verdict == "slower"]
    yield Crossing(
        "**time**: areas of one process of 2,048 pages in 4 MB",
        f"{slower[0].ram:,} areas" if slower else "none",
        "the seeds agree that anon_vma is slower than anonmm: "
        + ", ".join(f"{each.middle:+.1f} % with {each.ram:,}" for each in slower),
    )


def _moves(study: Study) -> Iterator[Crossing]:
    rows = study.ask(
        "SELECT scheme, min(ram) FROM (SELECT scheme, ram, max(run_pswpin) AS most FROM runs "
        "WHERE scenario = 'busy-moves' AND MOVES = 4 AND bits = 32 GROUP BY ALL) "
        "WHERE most = 0 GROUP BY ALL"
    )
    least = {scheme: ram / 2**20 for scheme, ram in rows}
    yield Crossing(
        "**memory**: shared areas moved, 4 of 8 by each of 9 processes",
        "1 area",
        f"nothing is swapped with {least['anon_vma']:g} MB under anon_vma, with "
        f"{least['anonmm']:g} MB under anonmm",
    )


def _prices(study: Study) -> Iterator[Crossing]:
    told = []
    for n, ram in FAMILY_RAM.items():
        where = f"scenario = 'busy-server' AND N = {n} AND ram = {ram << 10} AND bits = 32"
        price = price_text(*study.price(where, "anon_vma_chain", "anon_vma"))
        told.append(f"N = {n}: {price}")
    yield Crossing(
        "**price of a probe**, ns: fork server of N children",
        "; ".join(told),
        "anon_vma_chain, which weighs more and probes less, is better than anon_vma",
    )


ANSWERS: dict[str, Callable[[Study], list[str]]] = {"answer": answer, "crossings": crossings}
"""What stands between ``<!-- study: NAME -->`` and ``<!-- end -->``."""
