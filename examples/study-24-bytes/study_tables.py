"""The tables of docs/study-24-bytes.md, each from rows that were kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from study_queries import (
    MANY,
    PROGRAMS,
    SCHEMES,
    SHORT_RAM,
    Beside,
    Study,
)

__all__ = ["TABLES", "markdown"]

FAMILY_RAM = {4: 704, 8: 1304, 16: 1976, 32: 3320, 64: 6008, 128: 11384}
"""The machine of each size of family, kB: a quarter less than it needs."""
MIXED = "scenario = 'busy-mates' AND R + OWN = 32 AND ram = 2621440 AND bits = 32"
AREAS = "scenario = 'busy-arenas' AND ram = 4194304 AND bits = 32 AND CUT = {cut}"


def markdown(head: Sequence[str], rows: Sequence[Sequence[object]], left: int = 1) -> list[str]:
    """A table whose first columns are aligned to the left, all others to the right."""
    rule = ["---" if at < left else "---:" for at in range(len(head))]
    return ["| " + " | ".join(map(str, line)) + " |" for line in (head, rule, *rows)]


def number(value: float, digits: int = 0) -> str:
    """With commas; no digits behind the point where there are many before it."""
    if digits and abs(value) >= 100:
        digits = 0
    text = f"{value:,.{digits}f}"
    return text[1:] if text.strip("-0.,") == "" and text.startswith("-") else text


def percent(value: float) -> str:
    """A difference with its sign."""
    return "0" if abs(value) < 0.05 else f"{value:+,.1f}" if abs(value) < 100 else f"{value:+,.0f}"


def spread(each: Beside) -> str:
    """The median of the differences, and between what half of them are."""
    if each.same:
        return "0"
    return f"{percent(each.middle)} ({percent(each.low)} to {percent(each.high)})"


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


def overview(study: Study, bits: int) -> list[str]:
    """Every scheme in every program, over all machines in which memory is short."""
    found = {program: study.overall(program, bits) for program in PROGRAMS}
    rows = []
    for scheme in SCHEMES:
        if scheme == "anonmm":
            continue
        cells = []
        for program in PROGRAMS:
            more, above, below = found[program][scheme]
            clear = max(above, below) >= MANY * (study.seeds / 16)
            text = f"{percent(more)} ({above} : {below})" if above + below else "0"
            cells.append(f"**{text}**" if clear else text)
        rows.append([scheme, *cells])
    return markdown(["% beside anonmm", *PROGRAMS], rows)


def at_work(study: Study, bits: int) -> list[str]:
    """Every program in the machine in which memory is short: both currencies."""
    rows: list[list[str]] = []
    for program in PROGRAMS:
        ram = SHORT_RAM[bits][program]
        title = f"{program}, {ram} kB"
        found = {each.scheme: each for each in study.beside(program, bits) if each.ram == ram << 10}
        for scheme in SCHEMES:
            each = found[scheme]
            rows.append(
                [
                    title,
                    scheme,
                    number(each.bytes / 1000, 1),
                    number(each.ms, 1),
                    "" if scheme == "anonmm" else spread(each),
                    "" if scheme == "anonmm" else f"{each.slower} : {each.faster}",
                    number(each.swapins),
                    number(each.walks) if scheme != "scan" else "",
                    number(each.compared) if scheme != "scan" else "",
                    number(each.copies),
                ]
            )
            title = ""
    head = ["program", "under", "kB", "ms", "% beside anonmm", "slower : faster"]
    return markdown([*head, "swap-ins", "probes", "cmp", "copies"], rows, 2)


def by_memory(study: Study, bits: int) -> list[str]:
    """anon_vma beside anonmm in every machine: time in per cent, and what the bytes let expect."""
    rows = []
    for program in PROGRAMS:
        title = program
        both = study.beside(program, bits)
        base = [each for each in both if each.scheme == "anonmm"]
        those = [each for each in both if each.scheme == "anon_vma"]
        worth = kilobyte(base)
        for anonmm, each, ms in zip(base, those, worth, strict=True):
            more = (each.bytes - anonmm.bytes) / 1000 * ms / anonmm.ms * 100
            rows.append(
                [
                    title,
                    number(each.ram / 1024),
                    number(anonmm.ms, 1),
                    number(anonmm.swapins),
                    number(ms, 2) if anonmm.swapins else "",
                    percent(more) if anonmm.swapins and program != "moves" else "",
                    spread(each),
                    f"{each.slower} : {each.faster}",
                    each.verdict,
                ]
            )
            title = ""
    head = ["program", "RAM, kB", "anonmm: ms", "swap-ins", "ms a kB", "expected, %"]
    return markdown([*head, "anon_vma: % more", "slower : faster", "anon_vma is"], rows)


def kilobyte(line: Sequence[Beside]) -> list[float]:
    """What a kB of RAM is worth in each machine, ms: from the machines beside it."""
    found = []
    for at in range(len(line)):
        one, other = line[max(at - 1, 0)], line[min(at + 1, len(line) - 1)]
        found.append((one.ms - other.ms) / ((other.ram - one.ram) / 1000))
    return found


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
    """A fork server of more and more children, in a machine that is a quarter too small."""
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


def price_text(ns: float, saved: float) -> str:
    """From how many ns a probe on the scheme that is slower and saves probes is the better one."""
    if saved <= 0:
        return "never" if ns > 0 else "any"
    return "any" if ns <= 0 else number(ns / saved, 1 if ns / saved < 100 else 0)


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
                price_text(*study.price(f"{MIXED} AND OWN = {own}", "anon_vma", "anonmm")),
            ]
        )
    head = ["pages of pairs", "pte_chain", "anonmm", "anon_vma", "anon_vma_chain", "cow_context"]
    return markdown([*head, "anon_vma: % time beside anonmm", "price, ns"], rows, 0)


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
