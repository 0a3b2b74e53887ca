"""Locking: what rmap 34 took away."""

from __future__ import annotations

from vmemu.lab.scenario import Formula, Parameter, Scenario, expect

SCENARIOS = (
    Scenario(
        name="vm-flags-locking",
        section="4",
        summary="mlock, munlock, madvise, mprotect of N areas of V vmas, before rmap 34 and after",
        guest="vm-flags",
        parameters=(
            Parameter("N", 8, "areas", 1, 1024),
            Parameter("V", 2, "vmas", 1, 1024),
            Parameter("R", 1, most=1024),
            Parameter("H", 512),
        ),
        frames=Formula("N * V * R + H"),
        least_frames=Formula("N * V * R * 5 // 4 + 256"),
        phases=(
            *("mlock", "write-locked", "reclaim-locked"),
            *("munlock", "write", "madvise", "reclaim", "mprotect"),
        ),
        expectations=(
            expect("vmas", "V"),
            expect("unmap_pages", "V * R"),
            expect("unmap_probes", "V * R"),
            expect(
                "unmap_cmp",
                anonmm="0",
                anon_vma="R * V * (V - 1) // 2",
                anon_vma39="0",
                why="the vmas of an area share an anon_vma, the last one first",
            ),
        ),
    ),
)
