"""What a vma and an mm cost, and that this is read from the machine, not known beforehand."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests import tree as trees
from tests.width import WORD
from vmemu.lab.overhead import measure_overhead

K, M = 1024, 64


def per_slab(size: int) -> int:
    """Objects of so many bytes in a slab of 2.6.6: a header, a bufctl of 4 bytes for each.

    The header is a list_head, two longs and two ints: 24 bytes on i386.
    """
    return (4096 - (4 * WORD + 8)) // (size + 4)


def rounded(size: int) -> float:
    return 4096 / per_slab(size)


@pytest.mark.i386  # its sizes
def test_figures() -> None:
    anonmm, anon_vma, anon_vma39 = measure_overhead(("anonmm", "anon_vma", "anon_vma39"), K, M)
    assert anonmm.per_mm.exact == 24
    assert anonmm.per_mm.rounded == pytest.approx(28.2, abs=0.3)
    assert anonmm.per_mm.rounded == pytest.approx(rounded(24))
    assert [cost.exact for cost in anonmm.per_vma.values()] == [0, 0, 0]
    for scheme in (anon_vma, anon_vma39):
        own, unwritten, shared = (scheme.per_vma[m] for m in ("own", "unwritten", "shared"))
        assert own.exact == 24
        assert own.rounded == pytest.approx(27.9, abs=0.3)
        assert own.rounded == pytest.approx(rounded(84) - rounded(72) + rounded(12))
        assert unwritten.exact == 12
        assert shared.exact == pytest.approx(12 + 12 / K)
        assert scheme.per_mm.exact == 0


@pytest.mark.i386  # its sizes
def test_whole_frames_come_to_the_rounded_figure() -> None:
    """With many vmas the last, partly filled slab of each cache no longer matters."""
    (anon_vma,) = measure_overhead(("anon_vma",), 16384, 1)
    frames = {mode: cost.slabs * 4096 / 16384 for mode, cost in anon_vma.per_vma.items()}
    # one slab more or less in each of two or three caches
    assert frames["own"] == pytest.approx(27.9, abs=0.3 + 3 * 4096 / 16384)
    assert frames["unwritten"] == pytest.approx(11.8, abs=0.3 + 2 * 4096 / 16384)


def _rebuild(tree: Path, changes: dict[str, str]) -> None:
    """Build the package in ``tree`` from a copy of the sources with changed headers."""
    trees.copy_sources(tree)
    for old, new in changes.items():
        (header,) = (h for h in tree.glob("csrc/*/*.h") if old in h.read_text())
        text = header.read_text()
        assert text.count(old) == 1
        header.write_text(text.replace(old, new))
    trees.build(tree)


@pytest.mark.i386  # its sizes
def test_a_changed_struct_moves_the_figure(tmp_path: Path) -> None:
    """Three structs grow by different amounts; every figure moves by its own struct's."""
    _rebuild(
        tmp_path,
        {
            "kptr anon_vma;\n};": "kptr anon_vma;\n\tuint32_t more[2];\n};",
            "struct anon_vma {": "struct anon_vma { uint32_t more;",
            "struct anonmm {": "struct anonmm { uint32_t more[4];",
        },
    )
    printed = trees.run(tmp_path, "-m", "vmemu", "overhead", "--json")
    schemes = json.loads(printed)["schemes"]
    vma, anon_vma, anonmm = 84 + 8, 12 + 4, 24 + 16
    assert schemes["anonmm"]["per_mm"]["exact"] == anonmm
    assert schemes["anonmm"]["per_mm"]["rounded"] == pytest.approx(rounded(anonmm), abs=1e-3)
    assert schemes["anonmm"]["per_vma"]["own"]["exact"] == 0
    per_vma = schemes["anon_vma"]["per_vma"]
    assert per_vma["unwritten"]["exact"] == vma - 72
    assert per_vma["own"]["exact"] == vma - 72 + anon_vma
    assert per_vma["shared"]["exact"] == pytest.approx(vma - 72 + anon_vma / K, abs=1e-3)
    assert per_vma["own"]["rounded"] == pytest.approx(
        rounded(vma) - rounded(72) + rounded(anon_vma), abs=1e-3
    )


@pytest.mark.i386  # its sizes
def test_pages_and_levels_of_forks() -> None:
    """What each kind of scheme adds is a matter of one thing: pages shared, or depth, or neither.

    A process here has five areas, of which the stack and one more are written.  Under
    anon_vma_chain the eighth descendant has, for each of the two, an entry for each of its eight
    ancestors and its own, and an anon_vma.  anon_vma_lazy gives the last two of these to its
    parent, which has written to both, instead of to itself.
    """
    schemes = ("anonmm", "anon_vma", "pte_chain", "anon_vma_chain", "anon_vma_lazy")
    found = {one.scheme: one for one in measure_overhead(schemes, 4, 1, p=64, d=8)}
    alone = {scheme: one.per_page["alone"].exact for scheme, one in found.items()}
    shared = {scheme: one.per_page["shared"].exact for scheme, one in found.items()}
    assert set(alone.values()) == {0}
    assert shared == dict.fromkeys(schemes, 0) | {"pte_chain": 128}
    assert found["anonmm"].per_level.exact == 24
    assert found["anon_vma"].per_level.exact == 5 * 12
    for scheme in ("anon_vma_chain", "anon_vma_lazy"):
        assert found[scheme].per_level.exact == 5 * 12 + 2 * (9 * 24 + 16)


def test_anon_vma_lazy_costs_fields_before_a_fork_and_links_behind_it() -> None:
    """A child's stack and one more area lead to the parent's anon_vmas; none is its own."""
    (cost,) = measure_overhead(("anon_vma_lazy",), K, M)
    assert [each.exact for each in cost.per_vma.values()] == [12, 12, 12]
    for each in cost.per_vma.values():
        assert each.rounded == pytest.approx(rounded(84) - rounded(72))
    assert cost.per_mm.exact == 2 * 24
    assert cost.per_mm.rounded == pytest.approx(2 * rounded(24))


@pytest.mark.parametrize("line", [128, 64, 32])
def test_pte_chain_costs_pages_not_areas(line: int) -> None:
    """Nothing for a vma or an mm; one page, and two of the program, have M ptes more.

    A line holds a pointer to the next, and pointers to ptes: 31 of them in the longest of i386.
    """
    slots = line // WORD - 1
    (cost,) = measure_overhead((f"pte_chain:line={line}",), K, M)
    assert [each.exact for each in cost.per_vma.values()] == [0, 0, 0]
    more = (1 + 2) * (-(-(M + 2) // slots) - 1)
    assert cost.per_mm.exact == more * line / M
    assert cost.per_mm.rounded == pytest.approx(more * rounded(line) / M, abs=0.1)
