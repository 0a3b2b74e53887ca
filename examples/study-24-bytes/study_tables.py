"""The tables of docs/study-24-bytes.md, each from rows that were kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from study_format import markdown, number, price_text, spread
from study_programs import at_work, by_memory, overview
from study_queries import SCHEMES, Study

__all__ = ["AREAS", "FAMILY_RAM", "MIXED", "TABLES"]

FAMILY_RAM = {4: 704, 8: 1304, 16: 1976, 32: 3320, 64: 6008, 128: 11384}
"""The machine of each size of family, kB: less than it needs."""
MIXED = "scenario = 'busy-mates' AND R + OWN = 32 AND ram = 2621440 AND bits = 32"
AREAS = "scenario = 'busy-arenas' AND ram = 4194304 AND bits = 32 AND CUT = {cut}"


def bytes_of_areas(study: Study) -> list[str]:
    """kB for a family of 17 by areas of each child, for both widths; by pages that they share."""
    columns = [
        (f"{v} areas, {bits} bits", f"N = 16 AND R = 64 AND V = {v} AND bits = {bits}")
        for bits in (32, 64)
        for v in (1, 16, 256)
    ]
    columns += [
        (f"{r} pages, 32 bits", f"N = 16 AND V = 4 AND R = {r} AND bits = 32")
        for r in (1, 64, 1024)
    ]
    return _by_scheme(
        study, "scenario = 'zygote'", "bytes_rounded / 1000", columns, 1, first="kB under"
    )


def probes_in_families(study: Study) -> list[str]:
    """Probes for each page that is unmapped."""
    columns = [
        (f"`{name}` N = {n}", f"scenario = '{name}' AND N = {n} AND bits = 32")
        for name, sizes in (
            ("fork-server", (4, 32, 256)),
            ("late-subfamily", (4, 32, 256)),
            ("fork-readers", (256,)),
        )
        for n in sizes
    ]
    walking = [scheme for scheme in SCHEMES if scheme != "scan"]
    return _by_scheme(study, "true", "unmap_probes / unmap_pages", columns, 1, walking)


def _by_scheme(
    study: Study,
    where: str,
    what: str,
    columns: Sequence[tuple[str, str]],
    digits: int,
    schemes: Sequence[str] = SCHEMES,
    first: str = "under",
) -> list[str]:
    found = [
        dict(
            study.ask(
                f"SELECT scheme, median({what}) FROM runs WHERE {where} AND {these} GROUP BY ALL"
            )
        )
        for _, these in columns
    ]
    rows = [[scheme, *(number(each[scheme], digits) for each in found)] for scheme in schemes]
    return markdown([first, *(name for name, _ in columns)], rows)


def by_areas(study: Study) -> list[str]:
    """The one process whose pages are in more and more areas."""
    rows = []
    for cut, title in ((0, "apart"), (1, "pieces of one")):
        found = study.compared(AREAS.format(cut=cut), by="V")
        for each in found:
            if each.scheme not in ("anon_vma", "anon_vma_chain"):
                continue
            rows.append(
                [
                    title,
                    number(each.ram),
                    each.scheme,
                    number(each.bytes / 1000, 1),
                    spread(each),
                    f"{each.slower} : {each.faster}",
                    number(each.compared),
                ]
            )
    head = ["areas", "how many", "under", "kB", "% beside anonmm", "slower : faster", "cmp"]
    return markdown(head, rows, 1)


def by_family(study: Study) -> list[str]:
    """A fork server of more and more children, in a machine that is too small."""
    rows = []
    for n, ram in FAMILY_RAM.items():
        where = f"scenario = 'busy-server' AND N = {n} AND ram = {ram << 10} AND bits = 32"
        found = {each.scheme: each for each in study.compared(where)}
        chain, flat, base = (found[s] for s in ("anon_vma_chain", "anon_vma", "anonmm"))
        ns, saved = study.price(where, "anon_vma_chain", "anon_vma")
        rows.append(
            [
                n,
                number(base.walks),
                number(flat.walks),
                number(chain.walks),
                number(flat.bytes / 1000, 1),
                number(chain.bytes / 1000, 1),
                spread(flat),
                spread(chain),
                price_text(ns, saved),
            ]
        )
    head = ["N", "probes: anonmm", "anon_vma", "anon_vma_chain", "kB: anon_vma", "anon_vma_chain"]
    head += ["% time beside anonmm: anon_vma", "anon_vma_chain", "price, ns"]
    return markdown(head, rows, 0)


def by_mixture(study: Study) -> list[str]:
    """Pages of one process beside pages of a pair: probes of all walks, and who makes more."""
    rows = []
    for (own,) in study.ask(f"SELECT DISTINCT OWN FROM runs WHERE {MIXED} ORDER BY ALL"):
        found = {each.scheme: each for each in study.compared(f"{MIXED} AND OWN = {own}")}
        rows.append(
            [
                f"{own * 100 // 32} %",
                *(
                    number(found[scheme].walks)
                    for scheme in ("pte_chain", "anonmm", "anon_vma", "anon_vma_chain")
                ),
                number(found["cow_context"].walks),
                spread(found["anon_vma"]),
            ]
        )
    head = ["pages of pairs", "pte_chain", "anonmm", "anon_vma", "anon_vma_chain", "cow_context"]
    return markdown([*head, "anon_vma: % time beside anonmm"], rows, 0)


def by_moves(study: Study) -> list[str]:
    """How many of its eight areas each process moves, in three machines."""
    rows = []
    for moves, ram in study.ask(
        "SELECT DISTINCT MOVES, ram FROM runs WHERE scenario = 'busy-moves' AND bits = 32 "
        "AND ram IN (1048576, 1310720, 1572864) ORDER BY ALL"
    ):
        where = f"scenario = 'busy-moves' AND bits = 32 AND MOVES = {moves} AND ram = {ram}"
        found = {each.scheme: each for each in study.compared(where, "anon_vma")}
        anonmm, other = found["anonmm"], found["anon_vma"]
        rows.append(
            [
                moves,
                number(ram / 1024),
                number(anonmm.copies),
                number(anonmm.swapins),
                number(other.swapins),
                number(anonmm.ms, 1),
                number(other.ms, 1),
                spread(anonmm),
            ]
        )
    head = ["moves", "RAM, kB", "copies: anonmm", "swap-ins: anonmm", "anon_vma", "ms: anonmm"]
    return markdown([*head, "anon_vma", "anonmm: % more time"], rows, 0)


TABLES: dict[str, Callable[[Study], list[str]]] = {
    "bytes": bytes_of_areas,
    "probes": probes_in_families,
    "overview": lambda study: overview(study, 32),
    "overview64": lambda study: overview(study, 64),
    "at_work": lambda study: at_work(study, 32),
    "at_work64": lambda study: at_work(study, 64),
    "by_memory": lambda study: by_memory(study, 32),
    "by_memory64": lambda study: by_memory(study, 64),
    "by_areas": by_areas,
    "by_family": by_family,
    "by_mixture": by_mixture,
    "by_moves": by_moves,
}
"""What stands between ``<!-- study: NAME -->`` and ``<!-- end -->``."""
