"""Moving memory: where anonmm has to copy, and what anon_vma cannot merge."""

from __future__ import annotations

from vmemu.lab.actions import nothing
from vmemu.lab.scenario import Formula, Parameter, Scenario, expect

_R = Parameter("R", 64)

SCENARIOS = (
    Scenario(
        name="mremap-exclusive",
        section="S9",
        summary="one process moves R pages that nobody shares",
        parameters=(_R,),
        frames=Formula("R"),
        watch=("rmap_index_rewrites",),
        expectations=(
            expect("copies", "0"),
            expect(
                "rmap_index_rewrites",
                anonmm="R",
                anon_vma="0",
                why="anonmm's index is the address; vm_pgoff travels with the area",
            ),
            expect("unmap_probes", "R"),
            expect("vmas", "1"),
        ),
    ),
    Scenario(
        name="mremap-shared",
        section="S10",
        summary="moves R pages that are shared with a living child",
        parameters=(_R,),
        frames=Formula("3 * R"),
        expectations=(
            expect(
                "copies", anonmm="R", anon_vma="0", why="a page has one address in all of anonmm"
            ),
            expect(
                "unmap_probes",
                anonmm="R",
                anon_vma="2 * R",
                why="anonmm's copies are private, anon_vma's pages still shared",
            ),
            expect("unmap_cmp", "0"),
            expect("vmas", "1"),
        ),
    ),
    Scenario(
        name="mremap-then-fork",
        section="S12",
        summary="moves R pages first and forks afterwards",
        parameters=(_R,),
        frames=Formula("R"),
        expectations=(
            expect("copies", "0", "the same address in both"),
            expect("unmap_probes", "2 * R"),
            expect("vmas", "1"),
        ),
    ),
    Scenario(
        name="mremap-swapclash",
        section="S10, 1.4",
        summary="shared pages are in swap when the parent moves them; both sides read them back",
        parameters=(_R,),
        frames=Formula("3 * R"),
        act=nothing,
        expectations=(
            expect(
                "copies",
                anonmm="R",
                anon_vma="0",
                why="the second to read finds the page at another address",
            ),
            expect("vmas", "1"),
        ),
    ),
    Scenario(
        name="mremap-data",
        section="S21",
        summary="moves 16 written pages of .data that are shared with a child",
        parameters=(),
        frames=Formula("48"),
        expectations=(
            expect("copies", anonmm="16", anon_vma="0"),
            expect("unmap_probes", anonmm="16", anon_vma="32"),
            expect("vmas", "1"),
        ),
    ),
    Scenario(
        name="merge-arena",
        section="S13",
        summary="an arena of R pages grows to 2 R next to R pages written elsewhere",
        parameters=(Parameter("R", 8), Parameter("WRITTEN", 1, "times", 0, 1)),
        frames=Formula("3 * R"),
        expectations=(
            expect(
                "vmas",
                anonmm="1",
                anon_vma="2 if WRITTEN else 1",
                why="offsets do not continue each other, unless the arena was never written",
            ),
            expect("unmap_pages", "R * (1 + WRITTEN)"),
            expect("unmap_probes", "R * (1 + WRITTEN)"),
            expect("copies", "0"),
        ),
    ),
    Scenario(
        name="efault",
        section="S15",
        summary="mremap over K pages that mprotect has cut and restored; errno 14 is EFAULT",
        parameters=(
            Parameter("K", 8, least=2),
            Parameter("mode", "halves", choices=("halves", "checkerboard")),
        ),
        frames=Formula("K"),
        tells={"result": "errno"},
        act=nothing,
        expectations=(
            expect(
                "errno",
                anonmm="0",
                anon_vma="0 if mode == 'halves' or K < 3 else 14",
                anon_vma39="14 if mode == 'halves' or K > 2 else 0",
                why="mremap refuses a range that spans areas",
            ),
            expect(
                "vmas",
                anonmm="1",
                anon_vma="1 if mode == 'halves' else (K + 1) // 2",
                anon_vma39="2 if mode == 'halves' else (K + 1) // 2",
            ),
        ),
    ),
)
