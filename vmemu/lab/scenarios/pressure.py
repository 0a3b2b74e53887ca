"""One process: memory pressure and the plain cost of what lies in memory."""

from __future__ import annotations

from vmemu.lab.actions import nothing
from vmemu.lab.scenario import Formula, Parameter, Scenario, expect

SCENARIOS = (
    Scenario(
        name="private-pages",
        section="S1",
        summary="one process writes PAGES pages, all are paged out",
        guest="touch",
        parameters=(Parameter("PAGES", 64),),
        frames=Formula("PAGES"),
        expectations=(
            expect("unmap_pages", "PAGES"),
            expect("unmap_probes", "PAGES", "the only candidate is the right one"),
            expect("unmap_cmp", "0"),
            expect("copies", "0"),
            expect("vmas", "1"),
        ),
    ),
    Scenario(
        name="zero-page",
        section="S23",
        summary="one process only reads PAGES fresh pages: there is nothing to map back",
        guest="touch",
        parameters=(Parameter("PAGES", 64),),
        frames=Formula("PAGES"),
        mark="read",
        expectations=(
            expect("unmap_pages", "0", "the zero page is reserved"),
            expect("objects_anonmm", anonmm="1"),
            expect("objects_anon_vma", anon_vma="1", why="the stack's"),
            expect("vmas", "1"),
        ),
    ),
    Scenario(
        name="swap-storm",
        section="8.2",
        summary="a working set of four times the RAM, rewritten in and out of order, verified",
        parameters=(
            Parameter("PAGES", 2048),
            Parameter("PASSES", 1, "passes", 1, 100),
        ),
        frames=Formula("PAGES"),
        whole_run=True,
        pressure=True,
        ram="2M",
        watch=("pswpin", "pswpout"),
        act=nothing,
        expectations=(
            expect("unmap_probes", "unmap_pages", "no page is shared"),
            expect("unmap_cmp", "0"),
            expect("copies", "0"),
            expect("vmas", "1"),
        ),
    ),
    Scenario(
        name="overhead",
        section="S22",
        summary="K areas that own, never got, or share their anon_vma; see vmemu overhead",
        parameters=(
            Parameter("K", 1024, "areas", 2, 1 << 15),
            Parameter("mode", "own", choices=("own", "unwritten", "shared")),
        ),
        frames=Formula("K"),
        act=nothing,
        expectations=(
            expect("vmas", "K", "each has different neighbours"),
            expect("copies", "0"),
        ),
    ),
)
