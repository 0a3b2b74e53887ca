"""Tables of the programs that work while memory is short."""

from __future__ import annotations

from collections.abc import Sequence

from study_format import markdown, number, percent, spread
from study_queries import MANY, PROGRAMS, SCHEMES, SHORT_RAM, Beside, Study

__all__ = ["at_work", "by_memory", "overview"]


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
