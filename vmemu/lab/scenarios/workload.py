"""Families that work while memory is short: what a scheme's bytes and its walks come to.

Each is the guest ``workload`` with what makes it a fork server, a zygote and so on.  Which pages
it uses depends on the machine's seed and on nothing else, so under every scheme it has the same
work to do, and ends with the same contents.  What is derived here is little: how often a page is
looked for depends on how often reclaim comes by.
"""

from __future__ import annotations

from vmemu.lab.actions import nothing
from vmemu.lab.scenario import Expectation, Formula, Parameter, Scenario, expect

_WATCH = ("pgfault", "pgmajfault", "pgcow", "pswpin", "pswpout", "pgscan", "pgsteal")
_ROUNDS = Parameter("W", 16, "rounds", 0, 10_000)
_STEPS = Parameter("STEPS", 32, "accesses a round", 1, 10_000)


def _children(default: int) -> Parameter:
    return Parameter("N", default, "children", 0, 1023)


def _pages(default: int) -> Parameter:
    return Parameter("R", default)


def _own(default: int) -> Parameter:
    return Parameter("OWN", default, least=0)


def _percent(name: str, default: int) -> Parameter:
    return Parameter(name, default, "per cent", 0, 100)


def _busy(
    name: str,
    summary: str,
    parameters: tuple[Parameter, ...],
    frames: str,
    expectations: tuple[Expectation, ...],
    arguments: tuple[str, ...] = (),
    ram: str = "2M",
) -> Scenario:
    """A scenario of the guest; ``frames`` are those of a machine that would not be short."""
    return Scenario(
        name=name,
        section="8.1",
        summary=summary,
        guest="workload",
        parameters=(*parameters, _ROUNDS, _STEPS),
        arguments=arguments,
        frames=Formula(frames),
        expectations=expectations,
        act=nothing,
        watch=_WATCH,
        whole_run=True,
        pressure=True,
        ram=ram,
    )


_KEEP_SHARED = (
    *("scan", "pte_chain", "anon_vma", "anon_vma_chain", "anon_vma_degree"),
    *("anon_vma_lazy", "cow_context"),
)
_NO_COPIES = expect("copies", "0", "nothing moves")
_EXACT = expect("unmap_cmp", pte_chain="0", scan="0", why="there is nothing to reject")

SCENARIOS = (
    _busy(
        "busy-server",
        "N children rewrite WRITES % of what they use of the parent's R pages; memory is short",
        (_children(16), _pages(32), _percent("WRITES", 50)),
        "R * (N + 1) + 12 * N",
        (
            _NO_COPIES,
            _EXACT,
            expect("vmas", "1"),
            expect("objects_anonmm", anonmm="N + 1", why="one for each mm"),
            expect(
                "objects_anon_vma",
                anon_vma="3",
                why="the area's, the stack's, and that of the program's own variables",
            ),
        ),
    ),
    _busy(
        "busy-zygote",
        "N children share R pages, and work on OWN of theirs in A areas; memory is short",
        (
            _children(16),
            _pages(64),
            _percent("WRITES", 2),
            _own(16),
            Parameter("A", 16, "areas", 1),
        ),
        "R * (N + 1) + N * OWN + 14 * N",
        (
            _NO_COPIES,
            _EXACT,
            expect("vmas", "1"),
            expect("objects_anonmm", anonmm="N + 1", why="one for each mm"),
            expect(
                "objects_anon_vma",
                anon_vma="3 + (N * A if OWN else 0)",
                why="area, stack and variables share theirs, each new area has one",
            ),
        ),
    ),
    _busy(
        "busy-arenas",
        "one process works on R pages in V areas, apart or (CUT=1) cut from one; memory is short",
        (
            _pages(1024),
            Parameter("V", 1024, "areas", 1),
            Parameter("CUT", 0, "times", 0, 1),
            _percent("WRITES", 50),
        ),
        "R + 12",
        (
            _NO_COPIES,
            _EXACT,
            expect("vmas", "V"),
            expect("unmap_probes", "unmap_pages", "no page is shared", scan="0"),
            expect("objects_anonmm", anonmm="1"),
            expect(
                "objects_anon_vma",
                anon_vma="(1 if CUT else V) + 2",
                why="pieces of a written area share one; the stack's and the variables'",
            ),
        ),
        arguments=("N=0",),
    ),
    _busy(
        "busy-moves",
        "each of N + 1 processes moves MOVES of V shared areas by mremap; memory is short",
        (
            _children(8),
            _pages(64),
            Parameter("V", 8, "areas", 1),
            Parameter("MOVES", 4, "areas", 0, 10_000),
            _percent("WRITES", 5),
        ),
        "R * (N + 1) + 13 * N",
        (
            expect(
                "copies",
                dict.fromkeys(_KEEP_SHARED, "0"),
                why="only anonmm has to give a moved page that is shared an address of its own",
            ),
            _EXACT,
            expect("vmas", "V - MOVES", "what is left in the first place"),
            expect("objects_anonmm", anonmm="N + 1", why="one for each mm"),
        ),
        ram="1280K",
    ),
    _busy(
        "busy-mates",
        "each of N children maps OWN pages, reads them with a child of its own; memory is short",
        (
            _children(16),
            _pages(16),
            _own(16),
            _percent("WRITES", 50),
            _percent("OWNWRITES", 0),
            Parameter("LATE", 1, "times", 0, 1),
        ),
        "R * (2 * N + 1) + 2 * N * OWN + 26 * N",
        (
            _NO_COPIES,
            _EXACT,
            expect("vmas", "1"),
            expect("objects_anonmm", anonmm="2 * N + 1", why="one for each mm"),
            expect(
                "objects_anon_vma",
                anon_vma="3 + (N if OWN else 0)",
                why="area, stack and variables share theirs; a child and its own child another",
            ),
        ),
        arguments=("MATES=1",),
        ram="3M",
    ),
)
