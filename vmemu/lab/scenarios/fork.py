"""Families: what forked processes share, and who pays for finding a page in them.

The closed forms are those of docs/schemes.md: for a page of a family of N + 1 processes,
anonmm begins with the mm that first mapped it and goes on in fork order; anon_vma's list
has the newest process first.
"""

from __future__ import annotations

from vmemu.lab.actions import age_caller, age_twice_and_reclaim, reclaim_children
from vmemu.lab.scenario import Formula, Parameter, Scenario, expect

_R = Parameter("R", 64)


def _children(default: int) -> Parameter:
    return Parameter("N", default, "children", 1, 4096)


_FAMILY = Formula("R * (N + 1) + 12 * N")

SCENARIOS = (
    Scenario(
        name="fork-server",
        section="S2",
        summary="N children each rewrite the parent's R pages; their copies are paged out",
        parameters=(_R, _children(16)),
        frames=_FAMILY,
        act=reclaim_children,
        expectations=(
            expect("unmap_pages", "R * N"),
            expect(
                "unmap_probes",
                anonmm="R * N",
                anon_vma="R * N * (N + 1) // 2",
                why="anonmm tries the page's own mm first; child i stands behind N - i others",
            ),
            expect("unmap_cmp", "0"),
            expect("copies", "0"),
            expect("vmas", "1"),
            expect("objects_anonmm", anonmm="N + 1", why="one for each mm"),
        ),
    ),
    Scenario(
        name="fork-readers",
        section="S3",
        summary="N children only read the parent's R pages; all N + 1 mappings go",
        parameters=(_R, _children(16)),
        frames=_FAMILY,
        expectations=(
            expect("unmap_pages", "R"),
            expect("unmap_probes", "R * (N + 1)", "every candidate maps the page"),
            expect("unmap_cmp", "0"),
            expect("copies", "0"),
            expect("objects_anonmm", anonmm="N + 1", why="one for each mm"),
        ),
    ),
    Scenario(
        name="late-subfamily",
        section="S4, S4b",
        summary="after N forks child 1 maps R pages and shares them with its own child only",
        parameters=(
            _R,
            _children(16),
            Parameter("GRAND", 1, "grandchildren", 0, 1),
        ),
        frames=Formula("R + 12 * N"),
        expectations=(
            expect("unmap_pages", "R"),
            expect(
                "unmap_probes",
                anonmm="R * (N + 1 if GRAND else 1)",
                anon_vma="R * (GRAND + 1)",
                why="the grandchild stands last in the ring, behind N - 1 that have no such area",
            ),
            expect("unmap_cmp", "0"),
            expect("vmas", "1"),
        ),
    ),
    Scenario(
        name="orphans",
        section="S7",
        summary="a process writes R pages, forks N children, exits; scanned twice, paged out",
        parameters=(_R, _children(4)),
        frames=_FAMILY,
        act=age_twice_and_reclaim,
        watch=("rmap_migrated",),
        expectations=(
            expect("referenced_probes", "3 * R * N", "in each of three scans all N map it"),
            expect(
                "referenced_cmp",
                anonmm="R",
                anon_vma="0",
                why="only the first scan begins at the extinct mm: it migrates the page",
            ),
            expect("rmap_migrated", anonmm="R", anon_vma="0"),
            expect("unmap_probes", "R * N"),
            expect("unmap_cmp", "0"),
            expect(
                "objects_anonmm",
                anonmm="N + 2",
                why="N children, the first process, and the extinct one that the pages pin",
            ),
        ),
    ),
    Scenario(
        name="fork-chain",
        section="S8",
        summary="G generations: each writes one new page, forks the next and exits",
        parameters=(Parameter("G", 200, "generations", 1, 10_000),),
        frames=Formula("2 * G"),
        act=age_caller,
        watch=("rmap_migrated",),
        expectations=(
            expect(
                "objects_anonmm",
                anonmm="G + 1",
                why="one extinct for each generation whose page lives; first and last alive",
            ),
            expect(
                "objects_anon_vma",
                anon_vma="2",
                why="the area and the stack have one each, however many generations",
            ),
            expect("referenced_pages", "G"),
            expect("referenced_probes", "G"),
            expect(
                "referenced_cmp",
                anonmm="G * (G - 1) // 2",
                anon_vma="0",
                why="from a page's extinct mm over all later ones to the living",
            ),
            expect("rmap_migrated", anonmm="G - 1", anon_vma="0"),
            expect("vmas", "1"),
        ),
    ),
    Scenario(
        name="fork-brk",
        section="S18",
        summary="a child rewrites R pages of heap and grows it by R more",
        parameters=(Parameter("R", 8),),
        frames=Formula("3 * R"),
        expectations=(
            expect("vmas", "1", "one heap: the child's area has its parent's anon_vma"),
            expect("unmap_probes", "2 * R", "the child is the newest on the list"),
            expect("unmap_cmp", "0"),
            expect("copies", "0"),
        ),
    ),
)
