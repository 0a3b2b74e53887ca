"""Cutting areas: which pieces merge again, and how long the list behind one page gets."""

from __future__ import annotations

from vmemu.lab.scenario import Formula, Parameter, Scenario, expect

SCENARIOS = (
    Scenario(
        name="mprotect-halves",
        section="S14",
        summary="two halves of R pages, RW and RWX, are written, then both RW",
        parameters=(Parameter("R", 8),),
        frames=Formula("2 * R"),
        expectations=(
            expect(
                "vmas",
                anonmm="1",
                anon_vma="1",
                anon_vma39="2",
                why="rmap 40 lets the second half adopt the first one's anon_vma",
            ),
            expect("unmap_probes", "2 * R"),
            expect("unmap_cmp", "0"),
        ),
    ),
    Scenario(
        name="mprotect-stripes",
        section="S14b",
        summary="K stripes of R pages, RW and RWX in turn, are written, then all RW",
        parameters=(Parameter("K", 8, "stripes", 2, 1 << 13), Parameter("R", 2, most=1 << 10)),
        frames=Formula("K * R"),
        expectations=(
            expect("vmas", anonmm="1", anon_vma="1", anon_vma39="K"),
            expect("unmap_probes", "K * R"),
            expect("unmap_cmp", "0"),
        ),
    ),
    Scenario(
        name="mprotect-checkerboard",
        section="S14c",
        summary="K written pages between unwritten read-only ones, then all RW",
        parameters=(Parameter("K", 8, most=1 << 14),),
        frames=Formula("K"),
        expectations=(
            expect(
                "vmas",
                anonmm="1",
                anon_vma="K",
                why="no written page had a neighbour to take an anon_vma from",
            ),
            expect("unmap_probes", "K"),
            expect("unmap_cmp", "0"),
        ),
    ),
    Scenario(
        name="cut-vma",
        section="S19",
        summary="a written area of K pages is cut into K areas, then paged out",
        parameters=(Parameter("K", 64, most=1 << 14),),
        frames=Formula("K"),
        watch=("rmap_tree_nodes",),
        expectations=(
            expect("vmas", "K"),
            expect("unmap_pages", "K"),
            expect("unmap_probes", "K"),
            expect(
                "unmap_cmp",
                anonmm="0",
                anon_vma="K * (K - 1) // 2",
                why="the area at place p of the list is reached after p - 1 others",
            ),
        ),
    ),
    Scenario(
        name="cut-vma-fork",
        section="S20",
        summary="cut-vma with N children that rewrite every second page; the parent's go",
        guest="cut-vma",
        parameters=(
            Parameter("K", 64, most=1 << 14),
            Parameter("N", 4, "children", 1, 4096),
        ),
        frames=Formula("K * (N + 1) + 12 * N"),
        watch=("rmap_tree_nodes",),
        expectations=(
            expect("vmas", "K"),
            expect("unmap_pages", "K"),
            expect(
                "unmap_probes",
                anonmm="(K + 1) // 2 + K // 2 * (N + 1)",
                anon_vma="K * (N + 1)",
                why="every second page is shared by all; anon_vma meets the parent last",
            ),
            expect(
                "unmap_cmp",
                anonmm="0",
                anon_vma="K * N * (K - 1) + K * (K - 1) // 2",
                why="K - 1 wrong areas in each child, and half of the parent's",
            ),
        ),
    ),
)
