"""vmemu explore: what it prints, saves and replays."""

from __future__ import annotations

import json
from pathlib import Path

from tests.command import Vmemu


def test_no_violation(vmemu: Vmemu) -> None:
    done = vmemu("explore", "mlock-vs-unmap", "--rmap", "anon_vma")
    assert done.status == 0, done.err
    lines = done.out.splitlines()
    assert lines[0] == "mlock-vs-unmap PAGES=2, anon_vma, vm_flags under mmap_sem"
    assert lines[1].split()[1:5] == ["interleavings", "of", "mlock,", "reclaim"]
    assert lines[2] == "  no violation: every other order is equivalent to one of these"


def test_counterexample_is_replayed_byte_for_byte(vmemu: Vmemu, tmp_path: Path) -> None:
    one, two = tmp_path / "one.json", tmp_path / "two.json"
    found = vmemu("explore", "mlock-vs-unmap", "--mutate", "b", "--save", str(one))
    assert found.status == 1
    assert "VIOLATION: the page at 0x40001000 is locked and not in memory" in found.out
    assert "vm_flags at 0x40000000: rw → rw locked" in found.out
    again = vmemu("explore", "--replay", str(one), "--save", str(two))
    assert again.status == 1
    assert two.read_bytes() == one.read_bytes()
    table = again.out[again.out.index("  VIOLATION") :]
    assert table in found.out
    assert vmemu("explore", "--replay", str(two)).out == again.out


def test_json(vmemu: Vmemu) -> None:
    done = vmemu("explore", "munlock", "--json", "--set", "PAGES=1", "--rmap", "anonmm")
    assert done.status == 0, done.err
    found = json.loads(done.out)
    assert found["scenario"] == "munlock"
    assert found["set"] == {"PAGES": 1}
    assert found["complete"] is True
    assert found["violation"] is None


def test_bounded_and_random(vmemu: Vmemu) -> None:
    bounded = vmemu("explore", "munlock", "--preemptions", "1", "--rmap", "anonmm")
    assert bounded.status == 0, bounded.err
    assert "no violation: these are all" in bounded.out
    drawn = [vmemu("explore", "munlock", "--random", "50", "--seed", str(s)) for s in (1, 1)]
    assert drawn[0].status == 0
    assert "50 interleavings" in drawn[0].out
    assert drawn[0].out == drawn[1].out


def test_list(vmemu: Vmemu) -> None:
    done = vmemu("explore", "--list")
    assert done.status == 0
    assert "mlock-vs-unmap PAGES=2: mlock, reclaim" in done.out.splitlines()
    assert "  h  mlock holds page_table_lock over get_user_pages" in done.out.splitlines()
    assert "mlock-vs-unmap" in json.loads(vmemu("explore", "--list", "--json").out)["scenarios"]
