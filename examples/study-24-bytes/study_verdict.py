"""The answer on one page, in sentences whose numbers come from the rows."""

from __future__ import annotations

import textwrap

from study_format import number, percent
from study_queries import MANY, PROGRAMS, SHORT_RAM, Beside, Study
from study_tables import MIXED

__all__ = ["answer"]

_WIDTH = 118


def answer(study: Study) -> list[str]:
    """Short paragraphs, the verdict first."""
    parts = [_verdict(), _bytes(study), _mremap(study), _swapout(study), _later(study)]
    lines: list[str] = []
    for part in parts:
        lines += [*textwrap.wrap(part, _WIDTH, break_on_hyphens=False, break_long_words=False), ""]
    return lines[:-1]


def _verdict() -> str:
    return (
        "**For mremap, yes. For swapping out, no: families lose by them, with few exceptions. As "
        "memory, they seldom matter.** What anon_vma's bytes buy is that an area can move without "
        "a page being copied or a thing being rewritten."
    )


def _at(study: Study, program: str, bits: int = 32) -> dict[str, Beside]:
    ram = SHORT_RAM[bits][program] << 10
    return {each.scheme: each for each in study.beside(program, bits) if each.ram == ram}


def _bytes(study: Study) -> str:
    told = []
    for program in PROGRAMS:
        if program == "moves":
            continue
        more, above, below = study.overall(program, 32)["anon_vma"]
        clear = max(above, below) >= MANY * study.seeds / 16
        told.append(f"{program} {percent(more)} %{'' if clear else ' (the seeds do not agree)'}")
    _, most, bits, program = max(
        (each.middle, each, bits, program)
        for bits in (32, 64)
        for program in PROGRAMS
        for each in study.beside(program, bits)
        if each.scheme == "anon_vma" and each.verdict == "slower"
    )
    return (
        "*Memory.* anon_vma weighs more than anonmm in every program, but an area has a page at "
        "least, of which 24 bytes, 27.9 with what slabs leave over, are 0.7 %. In time, over all "
        f"machines in which memory is short, beside anonmm: {', '.join(told)}. *Many areas* is the "
        "worst case for the share of the bytes, each page an area of its own. The most that the "
        f"seeds agree on anywhere is {percent(most.middle)} %, of the {program} on {bits} bits "
        f"with {most.ram >> 10:,} kB, where each kB that is missing is swapped over and over."
    )


def _mremap(study: Study) -> str:
    rows = dict(
        study.ask(
            "SELECT scheme, min(ram) FROM (SELECT scheme, ram, max(run_pswpin) AS most FROM "
            "runs WHERE scenario = 'busy-moves' AND MOVES = 4 AND bits = 32 GROUP BY ALL) WHERE "
            "most = 0 GROUP BY ALL"
        )
    )
    found = {e.scheme: e for e in study.beside("moves", 32) if e.ram == rows["anon_vma"]}
    one, other = found["anonmm"], found["anon_vma"]
    return (
        "*mremap.* The crossing point is the first shared page that moves. In *moves*, nine "
        f"processes move half of what they share: anon_vma needs {rows['anon_vma'] / 2**20:g} MB "
        f"to do it without swapping, anonmm {rows['anonmm'] / 2**20:g}. With "
        f"{rows['anon_vma'] / 2**20:g} MB the same work takes {number(one.ms / other.ms)} times "
        f"as long under anonmm, {number(one.ms, 1)} ms in place of {number(other.ms, 1)}, since "
        f"{number(one.copies)} pages that were one are many. Who never moves shared memory never "
        "sees this."
    )


def _swapout(study: Study) -> str:
    server, pairs = _at(study, "fork server"), _at(study, "pairs")
    one, other = server["anonmm"], server["anon_vma"]
    extra = (other.walks - one.walks) * 100 / (one.ms * 1e6) * 100
    return (
        "*Swapping out.* In the fork server, for the same pages, anon_vma makes "
        f"{number(other.walks)} probes and anonmm {number(one.walks)}: "
        f"{other.walks / one.walks:.1f} times as many with 16 children, and the factor grows "
        "with the children. There is no price of a probe at which these bytes pay, because they "
        f"bring no frames back: at 100 ns for a probe the work takes {extra:.1f} % longer, at "
        f"1,000 ns {extra * 10:.0f} %. The case against anonmm was a large family in which a few "
        "processes share pages (*pairs*). At rest it is as bad as was said, N + 1 probes for a "
        f"page. At work it is not: anonmm makes {number(pairs['anonmm'].walks)} probes, anon_vma "
        f"{number(pairs['anon_vma'].walks)}, because pages that were swapped come back to one "
        "process at a time, and that is where anonmm looks first."
    )


def _later(study: Study) -> str:
    server = _at(study, "fork server")
    chain, flat = server["anon_vma_chain"], server["anon_vma"]
    zygote = study.overall("zygote", 32)
    mixed = {each.scheme: each.walks for each in study.compared(f"{MIXED} AND OWN = 16")}
    return (
        "*What came later.* anon_vma_chain (2010) gave fork servers their probes back, "
        f"{number(chain.walks)} in place of {number(flat.walks)}, for "
        f"{chain.bytes / flat.bytes:.1f} times the bytes, and its bytes can be felt: the zygote "
        f"takes {percent(zygote['anon_vma_chain'][0])} % time beside anonmm (anon_vma "
        f"{percent(zygote['anon_vma'][0])} %). cow_context (2026) is what one would have wished "
        "for in 2004: an object for each process, no copies, and to the nanosecond the time of "
        "anonmm where nothing moves. What it loses at work is probes: in pairs with 2.5 MB "
        f"{number(mixed['cow_context'])}, anonmm {number(mixed['anonmm'])}."
    )
