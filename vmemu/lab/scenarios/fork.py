"""Families: what forked processes share, and who pays for finding a page in them.

The closed forms are those of docs/schemes.md: for a page of a family of N + 1 processes,
anonmm begins with the mm that first mapped it and goes on in fork order; anon_vma's list
has the newest process first.  Other schemes bring theirs in ``RmapScheme.predictions``:
pte_chain probes the mappers and nobody else; anon_vma_chain has lists of their own for what
children write, each with the oldest first; what goes down a tree of forks meets descendants only.
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
            expect(
                "rmap_locks",
                anonmm="3 * R * N",
                anon_vma="2 * R * N",
                why="page_referenced and try_to_unmap take it; anonmm again to drop a count",
            ),
            expect(
                "page_map_locks", anonmm="2 * R * N", anon_vma="2 * R * N", why="one for each walk"
            ),
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
                why="the two who have the area; in the ring N - 1 idle ones stand between them",
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
        name="fork-depth",
        section="8.2",
        summary="D descendants in a line read (WRITE=1: rewrite) R pages; the first one's go",
        parameters=(
            Parameter("D", 8, "processes", 1, 256),
            Parameter("R", 16),
            Parameter("WRITE", 0, "times", 0, 1),
        ),
        frames=Formula("R * (D * WRITE + 1) + 12 * D"),
        expectations=(
            expect("unmap_pages", "R"),
            expect(
                "unmap_probes",
                anonmm="R * (1 if WRITE else D + 1)",
                anon_vma="R * (D + 1)",
                why="the first process stands last on its list, shared page or not",
            ),
            expect("unmap_cmp", anonmm="0", anon_vma="0"),
            expect("copies", "0"),
            expect("vmas", "1"),
            expect("objects_anonmm", anonmm="D + 1", why="one for each mm"),
            expect("objects_anon_vma", anon_vma="2", why="the area's and the stack's"),
        ),
    ),
    Scenario(
        name="fork-bench",
        section="6.4",
        summary="R pages written once, LEVEL times every process forks, all read all; they go",
        parameters=(
            Parameter("LEVEL", 4, "levels", 1, 10),
            _R,
        ),
        frames=Formula("R + 12 * 2**LEVEL"),
        expectations=(
            expect("unmap_pages", "R"),
            expect(
                "unmap_probes",
                anonmm="R * 2**LEVEL",
                anon_vma="R * 2**LEVEL",
                why="every candidate maps the page",
            ),
            expect("unmap_cmp", anonmm="0", anon_vma="0"),
            expect("copies", "0"),
            expect("vmas", "1"),
            expect("objects_anonmm", anonmm="2**LEVEL", why="one for each mm"),
            expect("objects_anon_vma", anon_vma="2", why="the area's and the stack's"),
        ),
    ),
    Scenario(
        name="exec-family",
        section="S6",
        summary="N children call exec and write R pages at the parent's address; theirs go",
        parameters=(_R, _children(16)),
        frames=_FAMILY,
        act=reclaim_children,
        expectations=(
            expect("unmap_pages", "R * N"),
            expect("unmap_probes", anonmm="R * N", anon_vma="R * N", why="exec cuts families"),
            expect("unmap_cmp", anonmm="0", anon_vma="0"),
            expect("copies", "0"),
            expect("vmas", "1"),
            expect("objects_anonmm", anonmm="N + 1", why="as many bundles as processes"),
            expect(
                "objects_anon_vma",
                anon_vma="2 * (N + 1)",
                why="an area and a stack in each process, nothing shared",
            ),
        ),
    ),
    Scenario(
        name="zygote",
        section="S6b",
        summary="N children without exec share R pages of heap; V areas of their own each go",
        parameters=(
            _R,
            _children(16),
            Parameter("V", 4, "areas", 1, 1024),
        ),
        frames=Formula("R + N * V + 16 * N"),
        act=reclaim_children,
        expectations=(
            expect("unmap_pages", "N * V"),
            expect("unmap_probes", anonmm="N * V", anon_vma="N * V", why="each is its maker's"),
            expect("unmap_cmp", anonmm="0", anon_vma="0"),
            expect("copies", "0"),
            expect("vmas", "0", "the parent has nothing there"),
            expect("objects_anonmm", anonmm="N + 1", why="one for each mm"),
            expect(
                "objects_anon_vma",
                anon_vma="N * V + 2",
                why="heap and stack share theirs, each new area has one; none is a neighbour",
            ),
            expect(
                "rmap_locks",
                anonmm="3 * N * V",
                anon_vma="2 * N * V",
                why="always the same lock under anonmm, of N * V areas' locks each under anon_vma",
            ),
        ),
    ),
    Scenario(
        name="process-tree",
        section="8.2",
        summary="a random tree of processes shares R pages: some rewrite some, some exit early",
        parameters=(
            Parameter("SEED", 1, "trees", 0, (1 << 32) - 1),
            Parameter("DEPTH", 5, "levels", 1, 6),
            Parameter("CHILDREN", 3, "children", 1, 4),
            Parameter("R", 8, most=64),
            Parameter("WHO", 0, "processes", 0, 4096),
        ),
        frames=Formula("(R + 12) * DEPTH * CHILDREN ** (DEPTH - 1)"),
        tells={"processes": "processes", "mappings": "mappings"},
        expectations=(
            expect("unmap_pages", "R"),
            # the order of each scheme's candidates: tests/scenarios/test_process_tree.py
            expect("unmap_cmp", anon_vma="0", why="all have the same area"),
            expect("copies", "0"),
            expect("vmas", "1"),
        ),
    ),
    Scenario(
        name="hole",
        section="8.2",
        summary="N children read 3 R pages, the parent unmaps the middle third, the rest goes",
        parameters=(Parameter("R", 16), _children(4)),
        frames=Formula("3 * R + 12 * N"),
        expectations=(
            expect("unmap_pages", "2 * R"),
            expect(
                "unmap_probes",
                anonmm="2 * R * (N + 1)",
                anon_vma="2 * R * (N + 1)",
                why="every candidate maps the page",
            ),
            expect(
                "unmap_cmp",
                anonmm="0",
                anon_vma="R",
                why="the upper part was split off and stands first, before the lower one's pages",
            ),
            expect("copies", "0"),
            expect("vmas", "2"),
        ),
    ),
    Scenario(
        name="merge-order",
        section="1.5",
        summary="an unwritten area takes over R pages that N children have rewritten; they go",
        parameters=(Parameter("R", 16), _children(4)),
        frames=Formula("R * (N + 1) + 12 * N"),
        expectations=(
            expect("unmap_pages", "R"),
            expect(
                "unmap_probes",
                anonmm="R",
                anon_vma="R * (N + 1)",
                why="it takes the other's place in the list: the last, behind all children",
            ),
            expect("unmap_cmp", anonmm="0", anon_vma="0"),
            expect("copies", "0"),
            expect("vmas", anonmm="1", anon_vma="1"),
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
