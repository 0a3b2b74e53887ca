"""A snapshot's numbers are what machine.check() recomputes; its views show them."""

from __future__ import annotations

import json
import pickle
from collections import Counter
from typing import Any

import pytest
from storm import STORM, Guest, storm

from tests.width import BITS, lib
from vmemu import Machine, check
from vmemu.core import FRAME_KINDS
from vmemu.frames import PTE_PRESENT
from vmemu.mm import do_mprotect
from vmemu.rmap import builtin
from vmemu.snapshot.record import Area, Entry
from vmemu.snapshot.tables import entries_table, numbers, sections
from vmemu.snapshot.take import entry_flags, slot_of

SCHEMES = tuple(builtin())


def surveyed(machine: Machine) -> check.Survey:
    """What check() counts from the page tables, once it has found nothing wrong."""
    machine.check()
    survey = check.Survey.of(machine.vm)
    for mm in machine.vm.mms.values():
        check._check_mm(survey, mm)
    assert survey.problems == []
    return survey


@pytest.mark.parametrize("bits", [32, 64])
@pytest.mark.parametrize("rmap", SCHEMES)
def test_its_numbers_are_those_that_check_recomputes(guest: Guest, rmap: str, bits: int) -> None:
    """A parent and its child, who share, write and swap."""
    options = {"ram": "8M"} if rmap == "none" else {}  # nothing can be swapped under none
    machine, snapshot = storm(guest, "event:cow:40", bits, rmap=rmap, **options)
    with machine:
        survey = surveyed(machine)
        pages, m = survey.pages, machine.core.m
        mapped = {pfn: len(frame.places) for pfn, frame in snapshot.frames.used.items()}
        for pfn, n in enumerate(survey.mapcount):
            assert mapped.get(pfn, 0) == n == snapshot.frames[pfn].mapcount
            assert snapshot.frames[pfn].count in (pages["count"][pfn], 0)
        users = {page.slot: page for use in snapshot.swap for page in use.used}
        refs = {(e >> 1 & 31, e >> 8): n for e, n in survey.swap_refs.items()}
        assert {slot: len(p.places) for slot, p in users.items() if p.places} == refs
        for page in users.values():  # a reference for each entry, one of the swap cache
            assert page.users == len(page.places) + (page.frame is not None)
        assert bool(users) == (rmap != "none")
        counts = snapshot.frames.counts
        assert counts == machine.stats()["frames"]
        assert counts["pagetable"] == m.pages.nr_pagetable
        assert counts["free"] == m.k.zone.free_pages == snapshot.zone.free
        assert counts["anon"] == len(survey.anon)
        assert counts["file"] == m.pages.nr_pagecache
        assert counts["swapmap"] == machine.core.swap_info(0).nr_map_frames
        assert counts["slab"] == sum(slab["slabs"] for slab in machine.stats()["slabs"].values())
        cached = (pages["flags"] & lib.PG_swapcache) != 0
        alone = [here and not n for here, n in zip(cached.tolist(), survey.mapcount, strict=True)]
        assert counts["swapcache"] == sum(alone)
        assert sum(counts.values()) == len(pages) == len(snapshot.frames)
        assert len(snapshot.spaces) == 2
        tables = sum(len(process.tables) for process in snapshot.spaces)
        assert tables == counts["pagetable"]
        for process in snapshot.spaces:
            task = machine.kernel.tasks.get(process.pid)
            assert task is not None
            assert process.count("present") == process.rss == task.mm.ptr.rss
            assert len(process.areas) == task.mm.ptr.map_count
            assert sum(area.pages for area in process.areas) == task.mm.ptr.total_vm
            entries = [entry for area in process.areas for entry in area.entries]
            own = sum(table.used for table in process.tables if table.level == 0)
            assert len(entries) == own  # every entry is in an area
            assert [e.address for e in entries] == [p.address for p in machine.pages(task)]
        shared = sum(process.count("shared") for process in snapshot.spaces)
        double = [pfn for pfn, n in enumerate(survey.mapcount) if n == 2]
        assert shared == 2 * len(double)
        # a sweep may have detached one side of everything by then
        assert double or machine.vm.rmap.sweeps


def test_entries_are_decoded_as_the_manuals_have_them() -> None:
    """Bits 0 present, 1 writable, 2 user, 5 accessed, 6 dirty; 7 alone: PROT_NONE."""
    assert entry_flags(0x1000 | 1) == "P----"
    assert entry_flags(0x1000 | 1 | 2 | 4 | 0x20 | 0x40) == "PWUAD"
    assert entry_flags(0x1000 | 1 | 4 | 0x40) == "P-U-D"
    assert entry_flags(0x1000 | 0x80 | 0x20) == "N--A-"
    assert entry_flags(5 << 8 | 1 << 1) == "-----"


def test_a_swap_entry_is_an_area_and_an_offset() -> None:
    """Bits 1 to 5 and 8 to 31 (docs/model.md)."""
    assert slot_of(7 << 8 | 3 << 1) == (3, 7)
    assert slot_of(0xABCDEF << 8 | 31 << 1) == (31, 0xABCDEF)
    assert str(slot_of(7 << 8)) == "0:7"


def test_pages_of_zeros_and_pages_without_permission(guest: Guest) -> None:
    with Machine(ram="4M", bits=BITS) as machine:
        task = machine.spawn(guest("touch"), ["touch", "PAGES=5"], stdout=None)
        read = machine.run_to("mark:read")
        assert read is not None
        (area,) = (area for area in read.process(task.pid).areas if area.pages == 5)
        assert [area.count(what) for what in ("zero", "present", "swap")] == [5, 0, 0]
        assert {(entry.kind, entry.frame) for entry in area.entries} == {
            ("zero", lib.ZERO_PAGE_PFN)
        }
        written = machine.run_to("measure")
        assert written is not None
        before = next(a for a in written.process(task.pid).areas if a.start == area.start)
        assert [before.count(what) for what in ("zero", "present")] == [0, 5]
        do_mprotect(task.mm, area.start, 2 * 4096, 0)
        machine.check()
        areas = machine.snapshot().process(task.pid).areas
        closed = next(each for each in areas if each.start == area.start)
        assert (closed.perms, closed.pages, closed.count("present")) == ("---p", 2, 2)
        assert [entry.frame for entry in closed.entries] == [
            entry.frame for entry in before.entries[:2]
        ]
        assert {entry.flags[0] for entry in closed.entries} == {"N"}
        assert {entry.pids for entry in closed.entries} == {(task.pid,)}


@pytest.mark.parametrize("layout", ["2.6.7", "6.18"])
def test_slabs_are_found_however_they_are_laid_out(guest: Guest, layout: str) -> None:
    """Older ones have a struct slab inside, SLUB's are told of by their struct page alone."""
    with Machine(ram="8M", bits=64, layout=layout) as machine:
        machine.spawn(guest("crowd", 64), ["crowd", "N=9", "K=30"], stdout=None)
        snapshot = machine.run_to("mark:fault")
        assert snapshot is not None
        machine.check()
        slabs = {name: slab["slabs"] for name, slab in machine.stats()["slabs"].items()}
    held = Counter(f.holds for f in snapshot.frames.used.values() if f.kind == "slab")
    assert held == {name: n for name, n in slabs.items() if n}
    assert held["vm_area_struct"] > 1


def test_after_fork_all_is_shared_and_nothing_can_be_written(guest: Guest) -> None:
    with Machine(ram="4M", bits=BITS) as machine:
        machine.spawn(guest("fork-server"), ["fork-server", "R=6", "N=2"], stdout=None)
        snapshot = machine.run_to("event:fork:2")
        assert snapshot is not None
        parent, first, second = snapshot.processes
        assert [process.ppid for process in (parent, first, second)] == [1, 100, 100]
        area = next(area for area in parent.areas if area.pages == 6)
        assert area.perms == "rw-p"
        assert {entry.flags[1] for entry in area.entries} == {"-"}
        assert {entry.pids for entry in area.entries} == {(100, 101, 102)}
        assert [entry.frame for entry in area.entries] == [
            entry.frame for a in second.areas if a.start == area.start for entry in a.entries
        ]
        later = machine.run_to("measure")
        assert later is not None
        area = next(a for a in later.process(102).areas if a.start == area.start)
        assert {(entry.pids, entry.flags) for entry in area.entries} == {((102,), "PWUAD")}
        with pytest.raises(KeyError):
            later.process(99)


def test_what_frames_hold_is_told(guest: Guest) -> None:
    machine, snapshot = storm(guest, "measure")
    with machine:
        frames = snapshot.frames
        assert list(frames.counts) == FRAME_KINDS
        by_kind: dict[str, set[str]] = {}
        for frame in frames.used.values():
            by_kind.setdefault(frame.kind, set()).add(frame.holds.rstrip("0123456789:"))
        slabs = machine.stats()["slabs"]
        assert by_kind["slab"] == {name for name, slab in slabs.items() if slab["slabs"]}
        counted = Counter(frame.holds for frame in frames.used.values() if frame.kind == "slab")
        assert counted == {name: slab["slabs"] for name, slab in slabs.items() if slab["slabs"]}
        assert by_kind["pagetable"] >= {"page table of ", "page directory of "}
        assert by_kind["swapcache"] == {"slot "}
        assert {text.partition(" of ")[2] for text in by_kind["file"]} == {"swap-storm"}
        assert [kind for kind, first, n in frames.runs() for _ in range(n)] == [
            frame.kind for frame in frames
        ]
        with pytest.raises(IndexError):
            frames[len(frames)]
        last = max(frames.used)
        assert frames[last - len(frames)] is frames[last]
        assert machine.frames().kinds == frames.kinds


def test_a_process_without_memory_and_one_that_borrows_it(guest: Guest) -> None:
    """vfork-exec: the child lives in its parent's memory until it executes something."""
    program = guest("vfork-exec")
    with Machine(ram="4M", bits=BITS) as machine:
        machine.spawn(program, [str(program), str(guest("hello"))], stdout=None)
        snapshot = machine.run_to("execve")
        assert snapshot is not None
        parent, child = snapshot.processes
        assert (child.shares, child.areas, child.tables) == (parent.pid, (), ())
        assert parent.shares is None
        assert child.rss == parent.rss == parent.count("present")
        assert [process.pid for process in snapshot.spaces] == [parent.pid]
        assert "in 100's memory" in snapshot.text()
        assert snapshot.svg().count("vfork-exec, ") == 1


def test_looking_changes_nothing(guest: Guest) -> None:
    """But that, while somebody waits for an event, system calls go to Python and are told."""

    def ran(look: bool) -> dict[str, Any]:
        with Machine(ram="2M", swap="8M", bits=BITS) as machine:
            machine.spawn(guest("swap-storm"), ["swap-storm", *STORM], stdout=None)
            while look and machine.run_to("swapout") is not None:
                machine.frames()
            machine.run()
            stats: dict[str, Any] = {**machine.stats()}
            del stats["counters"]["syscall_c"], stats["events"]["happened"]["syscall"]
            return stats

    assert ran(look=True) == ran(look=False)


# ---- views


@pytest.mark.parametrize("bits", [32, 64])
def test_tables_fit_100_columns(guest: Guest, bits: int) -> None:
    for options in ({}, {"levels": 4} if bits == 64 else {"rmap": "anonmm"}):
        machine, snapshot = storm(guest, "measure", bits, **options)
        machine.close()
        for full in (False, True):
            assert max(map(len, snapshot.text(full=full).splitlines())) <= 100


def test_many_sharers_fit_as_well(guest: Guest) -> None:
    with Machine(ram="16M", bits=BITS) as machine:
        machine.spawn(guest("fork-readers"), ["fork-readers", "R=40", "N=40"], stdout=None)
        snapshot = machine.run_to("measure")
    assert snapshot is not None
    assert max(map(len, snapshot.text().splitlines())) <= 100
    shared = dict(sections(snapshot))["shared frames"]
    assert [row[3] for row in shared.rows] == [41] * len(shared.rows)


def test_neighbours_stand_in_one_line_unless_all_are_wanted(guest: Guest) -> None:
    machine, snapshot = storm(guest, "measure")
    machine.close()
    (process,) = snapshot.spaces
    entries = [entry for area in process.areas for entry in area.entries]
    short = dict(sections(snapshot))["entries of 100 swap-storm"]
    full = dict(sections(snapshot, full=True))["entries of 100 swap-storm"]
    assert len(full.rows) == len(entries)
    assert len(short.rows) < len(entries)
    assert sum(int(str(row[1])) for row in short.rows) == len(entries)


def test_what_stands_in_one_line_follows_without_a_hole() -> None:
    def entry(page: int, flags: str = "PWUAD", frame: int = 9) -> Entry:
        return Entry(page << 12, 0, flags, "anon", frame, None, (100,))

    entries = [entry(1), entry(2, frame=7), entry(4), entry(5, "P-UAD"), entry(6, "P-UAD")]
    area = Area(0x1000, 0x9000, "rw-p", "", (), 1, tuple(entries))
    rows = entries_table([area]).rows
    assert [(row[0], row[1], row[3]) for row in rows] == [
        ("00001000", 2, "9 7"),
        ("00004000", 1, "9"),
        ("00005000", 2, "9 9"),
    ]


def test_numbers_are_told_in_runs() -> None:
    assert numbers([7, 8, 9, 4, 3, 12]) == "7-9 4-3 12"
    assert numbers([1, 2, 1]) == "1-2 1"
    assert numbers([5]) == "5"
    assert numbers([]) == ""
    assert numbers(range(0, 100, 2), 12) == "0 2 4 6 ..."


def test_json_has_all_of_it(guest: Guest) -> None:
    machine, snapshot = storm(guest, "measure")
    machine.close()
    data = json.loads(json.dumps(snapshot.as_json()))
    assert data["frames"]["counts"] == snapshot.frames.counts
    assert sum(n for _, _, n in data["frames"]["runs"]) == 512
    areas = data["processes"][0]["areas"]
    found = [entry["value"] for area in areas for entry in area["entries"]]
    assert found == [e.value for area in snapshot.processes[0].areas for e in area.entries]
    assert {bool(value & PTE_PRESENT) for value in found} == {True, False}
    assert pickle.loads(pickle.dumps(snapshot)).as_json() == snapshot.as_json()
