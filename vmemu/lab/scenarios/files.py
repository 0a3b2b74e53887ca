"""Files: how long it takes to find who maps a page of one, by what its areas are kept in."""

from __future__ import annotations

from vmemu.lab.actions import reclaim_twice
from vmemu.lab.figures import FILE_WALKS
from vmemu.lab.scenario import Expectation, Formula, Parameter, Scenario, expect


def _walks(tasks: str, pages: str) -> tuple[Expectation, ...]:
    """W windows of so many pages, each of which so many tasks map: both walks for every page.

    A list has the tasks' areas behind each other, those of each task in any order; a walk ends
    in the last task's.  A tree's nodes have two a level at most that a walk looks at; the
    areas of one range are one node of a prio_tree, and beside each other in an interval tree.
    """
    height = f"(2 * (W * {pages}).bit_length() + 4)"
    walks = f"2 * W * {pages}"
    prio, interval = f"{walks} * {height}", f"{walks} * ({height} + 2 * {tasks})"
    found: list[Expectation] = []
    for walk in ("unmap", "referenced"):
        found += [
            expect(f"file_{walk}_pages", f"W * {pages}", scan="0"),
            expect(f"file_{walk}_probes", f"W * {pages} * {tasks}", "so many map it", scan="0"),
            expect(
                f"file_{walk}_cmp",
                "0",
                "on a list, those before the last area that has the page",
                i_mmap={"list": f"{pages} * W * (W - 1) * (2 * {tasks} - 1) // 2"},
                scan="0",
            ),
        ]
    nodes = expect(
        "i_mmap_nodes",
        "0",
        "at most: a walk goes down a tree, two nodes a level, and past the areas it finds",
        i_mmap={
            "prio_tree": f"i_mmap_nodes if 0 < i_mmap_nodes <= {prio} else {prio}",
            "interval_tree": f"i_mmap_nodes if 0 < i_mmap_nodes <= {interval} else {interval}",
        },
        scan="0",
    )
    return (*found, nodes)


_CLUSTERS = (
    "nonlinear_clusters",
    "nonlinear_ptes",
    "nonlinear_unmapped",
    "nonlinear_collateral",
)
_FIGURES = (*FILE_WALKS, "i_mmap_nodes")

SCENARIOS = (
    Scenario(
        name="windows",
        section="S24",
        summary="one task maps W windows of S pages on one file: rmap-test's test 3",
        parameters=(
            Parameter("W", 64, "windows", 1, 1 << 14),
            Parameter("S", 7, most=1 << 8),
        ),
        frames=Formula("W * S + W * (S + 1) // 512 + W // 16 + 16"),
        figures=_FIGURES,
        expectations=_walks("1", "S"),
    ),
    Scenario(
        name="windows-tasks",
        section="S25",
        summary="each of T tasks maps the same W windows of S pages: rmap-test's test 1",
        guest="windows",
        parameters=(
            Parameter("T", 8, "tasks", 1, 1 << 10),
            Parameter("W", 16, "windows", 1, 1 << 14),
            Parameter("S", 2, most=1 << 10),
        ),
        frames=Formula("W * S + T * (W * (S + 1) // 512 + W // 16 + 16)"),
        figures=_FIGURES,
        expectations=_walks("T", "S"),
    ),
    Scenario(
        name="windows-fork",
        section="S26",
        summary="W one-page windows, mapped in reverse, then FORKS forks: test-mmap2",
        guest="windows",
        parameters=(
            Parameter("W", 32, "windows", 1, 1 << 14),
            Parameter("FORKS", 7, "children", 1, 1 << 10),
        ),
        arguments=("S=1", "REVERSE=1"),
        frames=Formula("W + (FORKS + 1) * (W * 2 // 512 + W // 16 + 16)"),
        figures=_FIGURES,
        expectations=_walks("(FORKS + 1)", "1"),
    ),
    Scenario(
        name="nonlinear",
        section="S27",
        summary="a file of R pages, each put elsewhere by remap_file_pages; the first is asked for",
        parameters=(Parameter("R", 128, least=2, most=1 << 14),),
        frames=Formula("R + R // 256 + 16"),
        act=reclaim_twice,
        figures=(*FILE_WALKS, *_CLUSTERS),
        expectations=(
            *(expect(f"file_{walk}_pages", "2", scan="0") for walk in ("unmap", "referenced")),
            *(
                expect(f"file_{walk}_{what}", "0", "no linear area has the page")
                for walk in ("unmap", "referenced")
                for what in ("probes", "cmp")
            ),
            expect(
                "nonlinear_clusters",
                "(R + 31) // 32 + 1",
                "once through the area, whose ptes are young; then the first cluster again",
                scan="0",
            ),
            expect("nonlinear_ptes", "R + (R if R < 32 else 32)", scan="0"),
            expect("nonlinear_unmapped", "R if R < 32 else 32", "all that are old go", scan="0"),
            expect(
                "nonlinear_collateral",
                "R - 1 if R < 32 else 31",
                "one page was wanted",
                scan="0",
            ),
        ),
    ),
)
