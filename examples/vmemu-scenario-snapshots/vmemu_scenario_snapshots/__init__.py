"""A database that saves itself by fork: each snapshot keeps the pages as they were."""

from vmemu.lab.actions import reclaim_children
from vmemu.lab.scenario import Formula, Parameter, Scenario, expect

__all__ = ["SNAPSHOTS"]

SNAPSHOTS = Scenario(
    name="snapshots",
    section="Redis, BGSAVE",
    summary="N snapshots of a database of R pages, all of which it writes after each",
    parameters=(Parameter("R", 16), Parameter("N", 4, "snapshots")),
    guest="snapshots.c",
    frames=Formula("R * (N + 1) + 12 * N"),
    act=reclaim_children,
    expectations=(
        expect("unmap_pages", "R * N", scan="0"),
        expect(
            "unmap_probes",
            {"families": "R * N * (N + 3) // 2"},
            pte_chain="R * N",
            anonmm="R * N * (N + 3) // 2",
            anon_vma="R * N * (N + 1) // 2",
            why="the pages were the database's: anonmm and families come to it first, then to the "
            "snapshots, the oldest first; anon_vma to the youngest first",
        ),
        expect("copies", "0"),
        expect("vmas", "1"),
    ),
)
