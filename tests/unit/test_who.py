"""machine.frame() and vmemu who: everybody who has a page, and the walk that finds them."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from xml.etree import ElementTree

import pytest
from memory import BASE, CHOICES, FIXED, LOCKED, PAGE, PRIVATE, RW, WALKING, Memory, R

from tests.width import BITS, lib
from vmemu import Machine
from vmemu.core import I_MMAPS
from vmemu.errors import ConfigError, KernelBug, MachineClosed
from vmemu.mm import Mm, do_mmap, do_mprotect, do_munmap, dup_mmap
from vmemu.mm.mremap import do_mremap
from vmemu.rmap.base import STOP_RULES, RmapScheme
from vmemu.rmap.python import AddressBook
from vmemu.who.picture import MOST
from vmemu.who.record import FrameUse, Walk, uses_html, uses_text
from vmemu.who.take import WALKS, take_address, take_frame

Guest = Callable[..., Path]
EACH = (*WALKING, *CHOICES)
MAYMOVE = 1
MREMAP_FIXED = 2


class Family:
    """Address spaces of one memory, which have pids from 100 on."""

    def __init__(self, scheme: str, **options: Any) -> None:
        self.memory = Memory(scheme, **options)
        self.memory.vm.swap.swapon_size(64 * PAGE)
        self.core, self.m = self.memory.core, self.memory.m
        self.mms: list[Mm] = []

    def parent(self, pages: int = 1, flags: int = 0) -> Mm:
        mm = self.memory.process()
        self.memory.map(mm, 0, pages, RW, flags)
        self.memory.fill(mm, 0, pages)
        self.mms.append(mm)
        return mm

    def fork(self, mm: Mm) -> Mm:
        self.mms.append(dup_mmap(mm))
        return self.mms[-1]

    @property
    def kernel(self) -> Any:
        """As much of one as is asked: tasks, and no program."""
        tasks = [
            SimpleNamespace(
                pid=100 + i,
                tgid=100 + i,
                comm="test",
                memory=mm if mm.kaddr in self.living else None,
            )
            for i, mm in enumerate(self.mms)
        ]
        sched = SimpleNamespace(now=0)
        return SimpleNamespace(
            core=self.core, vm=self.memory.vm, tasks=tasks, first=None, sched=sched
        )

    @property
    def living(self) -> dict[int, Mm]:
        return self.memory.vm.mms

    def page(self, mm: Mm, page: int = 0) -> Any:
        return self.core.page(self.pfn(mm, page))

    def pfn(self, mm: Mm, page: int = 0) -> int:
        return int(lib.pte_value(self.m, mm.ptr, BASE + page * PAGE)) >> 12

    def ask(self, pfn: int, walk: str = "unmap") -> FrameUse:
        return take_frame(self.kernel, pfn, walk)

    def counters(self) -> dict[str, int]:
        return self.core.counters()

    def counted(self, prefix: str, act: Callable[[], object]) -> dict[str, int]:
        """What an action counts, of the counters that begin so."""
        before = self.counters()
        act()
        self.core.check_bug()
        after = self.counters()
        names = (name for name in after if name.startswith(prefix))
        return {name: after[name] - before[name] for name in names if after[name] != before[name]}


@pytest.fixture(params=EACH)
def family(request: pytest.FixtureRequest) -> Iterator[Family]:
    family = Family(request.param)
    yield family
    family.memory.check()
    family.memory.close()


def walked(use: FrameUse) -> list[tuple[int | None, str]]:
    """Who was tried, and what came of it."""
    assert use.walk is not None
    return [(each.pid, each.verdict) for each in use.walk.candidates]


def verdicts(use: FrameUse) -> list[str]:
    return [verdict for _, verdict in walked(use)]


#: Counters of a walk that are neither's own: what it looked at, or went past.
BESIDES = ("rmap_tree_nodes", "rmap_chain_slots", "rmap_wasted")


def holds_as_walked(family: Family, pfn: int) -> None:
    """Both walks cost what was told before: their candidates, and each counter of a walk."""
    page = family.core.page(pfn)
    told = walk_of(family.ask(pfn, "referenced"))
    referenced = family.counted("", lambda: lib.page_referenced(family.m, page))
    assert {**of_walk(referenced, "referenced_"), **besides(referenced)} == dict(told.counted)
    assert costs(referenced, "referenced_") == (told.probes, told.cmps)
    again, told = walk_of(family.ask(pfn, "referenced")), walk_of(family.ask(pfn))
    unmap = family.counted("", lambda: lib.reclaim_page(family.m, page))  # asks both
    assert of_walk(unmap, "unmap_") == of_walk(told.counted, "unmap_")
    assert costs(unmap, "unmap_") == (told.probes, told.cmps)
    assert of_walk(unmap, "referenced_") == of_walk(again.counted, "referenced_")
    assert Counter(besides(unmap)) == Counter(besides(again.counted)) + Counter(
        besides(told.counted)
    )


def walk_of(use: FrameUse) -> Walk:
    assert use.walk is not None
    return use.walk


def of_walk(counted: Mapping[str, int], prefix: str) -> dict[str, int]:
    found = {name: n for name, n in counted.items() if name.startswith(prefix)}
    assert found[f"{prefix}pages"] == 1
    return found


def besides(counted: Mapping[str, int]) -> dict[str, int]:
    return {name: n for name, n in counted.items() if name in BESIDES}


def costs(counted: Mapping[str, int], prefix: str) -> tuple[int, int]:
    return counted.get(f"{prefix}probes", 0), counted.get(f"{prefix}cmp", 0)


def cousins(scheme: str) -> tuple[Family, int]:
    """A page of a parent and three children: 101 has it in swap, 102 has moved its area."""
    family = Family(scheme)
    parent = family.parent()
    family.memory.map(parent, 4, 1)
    family.memory.fill(parent, 4, 1)  # so that nobody is without pages
    children = [family.fork(parent) for _ in range(3)]
    family.memory.vm.reclaim_range(parent, BASE, BASE + PAGE)
    for mm in (parent, *children[1:]):
        mm.read(BASE, 1)
    do_mremap(children[1], BASE, PAGE, PAGE, MAYMOVE | MREMAP_FIXED, BASE + 8 * PAGE)
    return family, family.pfn(parent)


# ---- the order of the walk, derived from the schemes' descriptions


def test_anonmm_goes_round_the_ring_from_the_page_s_own_mm() -> None:
    """It came back first by the parent.  The moved page was copied: two have it, of four."""
    family, pfn = cousins("anonmm")
    use = family.ask(pfn)
    assert [mapper.pid for mapper in use.mappers] == [100, 103]
    assert walked(use) == [(100, "match"), (101, "pte"), (102, "pte"), (103, "match")]
    assert use.walk is not None
    assert [each.cost for each in use.walk.candidates] == ["1 probe"] * 4
    because = [each.because for each in use.walk.candidates]
    assert because[1].startswith("the pte is in swap, slot 0:")
    assert because[2] == "the pte is empty"
    assert {each.address for each in use.walk.candidates} == {BASE}
    holds_as_walked(family, pfn)
    family.memory.close()


def test_anon_vma_goes_through_its_list_the_newest_area_first() -> None:
    """The area that mremap made is the newest, and the page is found in it where it is now."""
    family, pfn = cousins("anon_vma")
    use = family.ask(pfn)
    assert [mapper.pid for mapper in use.mappers] == [100, 102, 103]
    assert walked(use) == [(102, "match"), (103, "match"), (101, "pte"), (100, "match")]
    assert use.walk is not None
    addresses = [each.address for each in use.walk.candidates]
    assert addresses == [BASE + 8 * PAGE, BASE, BASE, BASE]
    assert (use.walk.probes, use.walk.cmps) == (4, 0)
    holds_as_walked(family, pfn)
    family.memory.close()


@pytest.mark.parametrize("scheme", EACH)
def test_the_swapped_one_is_told_and_every_mapping_found(scheme: str) -> None:
    family, pfn = cousins(scheme)
    for walk in WALKS:
        use = family.ask(pfn, walk)
        assert (use.kind, use.pfn, use.mapcount) == ("anon", pfn, len(use.mappers))
        assert [(each.pid, each.address) for each in use.swapped] == [(101, BASE)]
        assert use.walk is not None
        matched = {(c.pid, c.address) for c in use.walk.candidates if c.verdict == "match"}
        assert matched == {(each.pid, each.address) for each in use.mappers}
    holds_as_walked(family, pfn)
    gone = take_address(family.kernel, BASE)
    assert (gone.kind, gone.pfn, gone.walk, gone.mappers) == ("swap", None, None, ())
    assert {each.pid for each in gone.swapped} >= {100, 101, 103}
    family.memory.check()
    family.memory.close()


def test_where_nothing_walks() -> None:
    """scan sweeps: everybody who has the page is told, and no walk."""
    family, pfn = cousins("scan")
    use = family.ask(pfn)
    assert use.walk is None
    assert [each.pid for each in use.mappers] == [100, 102, 103]
    assert [each.pid for each in use.swapped] == [101]
    assert "102" in use.text()
    family.memory.check()
    family.memory.close()


# ---- what each verdict stands for


def test_the_walk_stops_at_the_last_mapping(family: Family) -> None:
    """Only the parent has the page: whoever comes behind it in the walk is not tried."""
    parent = family.parent()
    pfn = family.pfn(parent)
    for _ in range(2):
        do_munmap(family.fork(parent), BASE, PAGE)
    use = family.ask(pfn)
    assert verdicts(use)[-1] == "match"
    assert verdicts(use).count("match") == 1
    holds_as_walked(family, pfn)


@pytest.mark.parametrize("rule", STOP_RULES)
@pytest.mark.parametrize("scheme", WALKING)
def test_what_comes_of_a_walk_that_another_rule_ends(scheme: str, rule: str) -> None:
    """All three entries are found and go, whether the rule knows of them or not."""
    family = Family(f"{scheme}:stop={rule}")
    parent = family.parent()
    family.fork(parent)
    family.fork(parent)
    pfn = family.pfn(parent)
    use = family.ask(pfn)
    assert use.walk is not None
    assert use.walk.result == "3 of 3 entries are taken away"
    holds_as_walked(family, pfn)
    assert family.core.page(pfn).mapcount == 0
    family.memory.close()


def test_an_mm_without_pages_is_empty(family: Family) -> None:
    parent = family.parent()
    family.fork(parent)
    family.memory.vm.reclaim_range(parent, BASE, BASE + PAGE)
    parent.read(BASE, 1)  # the child has its place in swap alone
    pfn = family.pfn(parent)
    use = family.ask(pfn)
    assert (100, "match") in walked(use)
    assert {verdict for pid, verdict in walked(use) if pid == 101} <= {"empty"}
    assert [each.pid for each in use.swapped] == [101]
    holds_as_walked(family, pfn)


def test_empty_ones_cost_a_comparison() -> None:
    """anon_vma comes to the child's area first, the newest, and looks at rss alone."""
    family = Family("anon_vma")
    parent = family.parent()
    family.fork(parent)
    family.memory.vm.reclaim_range(parent, BASE, BASE + PAGE)
    parent.read(BASE, 1)
    use = family.ask(family.pfn(parent))
    assert walked(use) == [(101, "empty"), (100, "match")]
    assert use.walk is not None
    assert [each.cost for each in use.walk.candidates] == ["1 cmp", "1 probe"]
    assert use.walk.total == "2 candidates: 1 probe, 1 cmp"
    family.memory.close()


def test_a_dead_one_costs_a_comparison() -> None:
    """The page points at the parent's anonmm, which outlives the parent."""
    family = Family("anonmm")
    parent = family.parent()
    child = family.fork(parent)
    pfn = family.pfn(child)
    parent.put()
    use = family.ask(pfn)
    assert walked(use) == [(None, "dead"), (101, "match")]
    assert use.walk is not None
    assert [each.cost for each in use.walk.candidates] == ["1 cmp", "1 probe"]
    counted = family.counted("unmap_", lambda: lib.reclaim_page(family.m, family.core.page(pfn)))
    # page_referenced has given the page to the child before
    assert counted == {"unmap_probes": 1, "unmap_pages": 1}
    family.memory.check()
    family.memory.close()


def test_an_area_that_cannot_have_the_page_is_out_of_range() -> None:
    """A split area's parts are on one list; mprotect makes the lower one anew, which is first."""
    family = Family("anon_vma")
    parent = family.parent(4)
    do_mprotect(parent, BASE + 2 * PAGE, 2 * PAGE, R)
    pfn = family.pfn(parent, 3)
    use = family.ask(pfn)
    assert walked(use) == [(100, "range"), (100, "match")]
    assert use.walk is not None
    index = BASE >> 12
    because = f"index {index + 3:#x} is not in {index:#x}-{index + 1:#x}"
    assert use.walk.candidates[0].because == because
    assert [each.address for each in use.walk.candidates] == [None, BASE + 3 * PAGE]
    holds_as_walked(family, pfn)
    family.memory.close()


def test_one_whose_lock_is_taken_is_busy(family: Family) -> None:
    """The walk goes on, and does not find all."""
    parent = family.parent()
    child = family.fork(parent)
    pfn = family.pfn(parent)
    family.m.watch.bits |= lib.WATCH_LOCKS
    word = family.core.kaddr(family.core.ffi.addressof(child.ptr, "page_table_lock"))
    lib.take_lock(family.m, lib.LOCK_page_table, word)
    for walk, ends in (("unmap", "1 of 2 entries not found"), ("referenced", "1 not found")):
        use = family.ask(pfn, walk)
        assert sorted(walked(use)) == [(100, "match"), (101, "busy")]
        assert use.walk is not None
        assert {each.address for each in use.walk.candidates} == {BASE}
        assert ends in use.walk.result
    told = walk_of(family.ask(pfn))
    assert told.probes + told.cmps == 2  # cow_context looks for the area first, with that lock
    counted = family.counted("unmap_", lambda: lib.reclaim_page(family.m, family.core.page(pfn)))
    assert costs(counted, "unmap_") == (told.probes, told.cmps)
    lib.drop_lock(family.m, lib.LOCK_page_table, word)


def test_locked_memory_ends_the_walk(family: Family) -> None:
    parent = family.parent(1, LOCKED)
    family.fork(parent)
    pfn = family.pfn(parent)
    use = family.ask(pfn)
    assert use.walk is not None
    last = use.walk.candidates[-1]
    assert (last.pid, last.verdict, last.outcome) == (100, "match", "locked")
    assert use.walk.result == "the walk fails: the page's area is locked in memory"
    assert [mapper.area.locked for mapper in use.mappers] == [True, False]
    holds_as_walked(family, pfn)
    assert family.pfn(parent) == pfn


def test_a_page_that_somebody_holds_ends_the_walk(family: Family) -> None:
    parent = family.parent()
    family.fork(parent)
    pfn, page = family.pfn(parent), family.page(parent)
    lib.get_page(family.m, page)
    use = family.ask(pfn)
    assert [each.outcome for each in use.walk.candidates if each.outcome] == ["held"]  # type: ignore[union-attr]
    holds_as_walked(family, pfn)
    lib.put_page(family.m, page)


def test_old_and_young_ones(family: Family) -> None:
    """fork makes the child's entry old; both are asked."""
    parent = family.parent()
    family.fork(parent)
    pfn = family.pfn(parent)
    use = family.ask(pfn, "referenced")
    assert use.walk is not None
    assert use.walk.function == "page_referenced"
    outcomes = {each.pid: each.outcome for each in use.walk.candidates}
    assert outcomes == {100: "young", 101: "old"}
    assert use.walk.result == "1 of 2 entries accessed since they were asked last"
    assert lib.page_referenced(family.m, family.page(parent)) == 1


@pytest.mark.parametrize("i_mmap", I_MMAPS)
def test_a_page_of_a_file_is_found_by_its_file(i_mmap: str, tmp_path: Path) -> None:
    """Lists have the oldest area first; trees know which areas cannot have it."""
    family = Family("anon_vma", i_mmap=i_mmap)
    path = tmp_path / "file"
    path.write_bytes(bytes(3 * PAGE))
    inode = family.memory.vm.inodes.open(str(path))
    mm = family.memory.process()
    family.mms.append(mm)
    do_mmap(mm, BASE, PAGE, R, PRIVATE | FIXED, inode)
    do_mmap(mm, BASE + 8 * PAGE, 2 * PAGE, R, PRIVATE | FIXED, inode, 1)
    mm.read(BASE, PAGE)
    mm.read(BASE + 8 * PAGE, PAGE)
    pfn = family.pfn(mm, 8)
    family.fork(mm)
    use = family.ask(pfn)
    assert use.walk is not None
    if i_mmap == "list":
        assert walked(use)[:3] == [(100, "range"), (100, "match"), (101, "range")]
        assert {each.cost for each in use.walk.candidates} == {"1 probe", "1 cmp"}
    else:
        assert walked(use) == [(100, "match"), (101, "match")]
        assert {each.cost for each in use.walk.candidates} == {"1 probe"}
    counted = dict(use.walk.counted)
    assert (counted.pop("i_mmap_nodes", 0) > 0) == (i_mmap != "list")
    cmps = {"file_unmap_cmp": 2} if i_mmap == "list" else {}
    assert counted == {"file_unmap_probes": 2, "file_unmap_pages": 1, **cmps}
    (node,) = use.objects
    assert node.kind == "address_space"
    areas = [to for _, to in node.edges]
    assert len(areas) == 4
    tried = [each.area.vma for each in use.walk.candidates if each.area is not None]
    assert [area for area in areas if area in tried] == tried
    assert f"by i_mmap, a {i_mmap}" in use.text()
    family.memory.close()


def test_a_page_of_a_file_that_lists_its_ptes() -> None:
    """Nobody asks the file: the list is drawn, and each of its entries is a candidate."""
    family = Family("pte_chain:files=chains")
    inode = family.memory.vm.inodes.shmem("file", 3 * PAGE)
    mm = family.memory.process()
    family.mms.append(mm)
    do_mmap(mm, BASE, 3 * PAGE, R, PRIVATE | FIXED, inode)
    mm.read(BASE + PAGE, 1)
    pfn = family.pfn(mm, 1)
    alone = family.ask(pfn)
    assert (alone.objects, walked(alone), "direct" in alone.flags) == ((), [(100, "match")], True)
    family.fork(mm)
    use = family.ask(pfn)
    assert walked(use) == [(101, "match"), (100, "match")]
    assert use.walk is not None
    assert dict(use.walk.counted)["file_unmap_probes"] == 2
    (node,) = use.objects
    assert (node.kind, node.kptr) == ("pte_chain", family.memory.core.page(pfn).private)
    assert "try_to_unmap by pte_chain:files=chains" in uses_text([use])
    family.memory.close()


# ---- asking changes nothing


#: Whose page_referenced tidies up: gives pages of the dead to the living, frees a list of one.
TIDY = ("anonmm", "pte_chain", "cow_context:prune=yes")


@pytest.mark.parametrize("walk", WALKS)
def test_asking_changes_nothing(family: Family, walk: str) -> None:
    """No counter, no accessed bit, no lock, nothing in RAM; not even of a dead mm's page."""
    pfns = with_dead_ones(family)
    for mm in family.mms[1:]:
        mm.ptr.mmap_cache = 0  # nobody has looked for an area lately

    def state() -> tuple[bytes, list[int], list[int]]:
        m = family.m
        locks = [lock.acquired + lock.failed + lock.steps_held for lock in m.locks.stat]
        return bytes(family.core.ffi.buffer(m.ram, m.ram_size)), list(m.counter), locks

    before = state()
    for pfn in pfns:
        use = family.ask(pfn, walk)
        assert use.walk is not None
        assert "match" in verdicts(use)
    assert state() == before
    scheme = family.memory.vm.rmap.name
    if scheme.startswith(TIDY):
        mapping = [family.core.page(pfn).mapping for pfn in pfns]
        for pfn in pfns:
            lib.page_referenced(family.m, family.core.page(pfn))
        assert [family.core.page(pfn).mapping for pfn in pfns] != mapping  # there was work


def with_dead_ones(family: Family) -> list[int]:
    """Frames of a dead parent of three, and of a dead process with one child that has pages."""
    parent = family.parent(4)
    for _ in range(3):
        family.fork(parent)
    family.memory.vm.reclaim_range(parent, BASE, BASE + PAGE)
    for mm in family.mms[:3]:
        mm.read(BASE, 1)
    pfns = [family.pfn(parent, page) for page in range(3)]
    for mm in family.mms[1:3]:
        mm.write(BASE + 2 * PAGE, b"own")  # only one child and the parent are left with it
    parent.put()
    middle = family.fork(family.mms[1])
    middle.write(BASE + PAGE, b"own")
    pfns.append(family.pfn(middle, 1))
    family.fork(middle).write(BASE + 3 * PAGE, b"own")
    middle.put()
    return pfns


def test_a_walk_of_more_candidates_than_there_is_room_for() -> None:
    """The page is the last child's alone, which a ring comes to behind a hundred others."""
    family = Family("anonmm", ram=4096)
    parent = family.parent()
    for _ in range(100):
        family.fork(parent)
    last = family.mms[-1]
    pfn = family.pfn(parent)
    for mm in family.mms[1:-1]:
        mm.write(BASE, b"own")
    use = family.ask(pfn)
    assert verdicts(use) == ["match", *["pte"] * 99, "match"]
    assert [mapper.space.mm for mapper in use.mappers] == [parent.kaddr, last.kaddr]
    assert "and 61 more" in use.svg()
    holds_as_walked(family, pfn)
    family.memory.close()


# ---- the objects, and the views


def test_the_objects_lead_to_every_candidate(family: Family) -> None:
    """From the page on; who says nothing of objects has none, and is drawn all the same."""
    parent = family.parent()
    family.fork(parent)
    use = family.ask(family.pfn(parent))
    svg = use.svg()
    ElementTree.fromstring(svg)
    assert svg.count('class="wire"') >= len(verdicts(use))
    assert svg.count('class="found"') == use.mapcount
    if type(family.memory.vm.rmap).drawing is RmapScheme.drawing:
        assert use.objects == ()
        return
    assert use.objects
    assert use.objects[0].kptr == use.mapping
    places = {node.kptr for node in use.objects}
    assert len(places) == len(use.objects)
    leads = {to for node in use.objects for _, to in node.edges} - {0}
    assert use.walk is not None
    for each in use.walk.candidates:
        assert each.space is not None
        assert each.area is not None
        assert leads & {each.space.mm, each.area.vma, each.pte}


def test_drawn_objects_of_the_first_schemes() -> None:
    for scheme, kinds in (("anonmm", ["anonmm"] * 3), ("anon_vma", ["anon_vma"])):
        family = Family(scheme)
        parent = family.parent()
        for _ in range(2):
            family.fork(parent)
        use = family.ask(family.pfn(parent))
        assert [node.kind for node in use.objects] == kinds
        assert [node.label for node in use.objects].count("head") == kinds.count("anonmm") // 3
        family.memory.close()


def test_drawn_pte_chains() -> None:
    """A single pte stands in the page; nine take as many lines as they need, the first not full."""
    family = Family("pte_chain:line=32")
    parent = family.parent()
    pfn = family.pfn(parent)
    alone = family.ask(pfn)
    assert (alone.objects, alone.mapping) == ((), alone.mappers[0].pte)
    assert "PG_direct" in alone.svg()
    for _ in range(8):
        family.fork(parent)
    use = family.ask(pfn)
    slots = 32 * 8 // BITS - 1
    assert [node.kind for node in use.objects] == ["pte_chain"] * -(-9 // slots)
    assert [node.edges[0] for node in use.objects[:-1]] == [
        ("next", node.kptr) for node in use.objects[1:]
    ]
    listed = [to for node in use.objects for name, to in node.edges if name.startswith("ptes[")]
    assert listed == [each.pte for each in walk_of(use).candidates]
    assert dict(use.objects[0].fields)["in use"] == f"from {-9 % slots}"
    family.memory.close()


@pytest.mark.parametrize("walk", ["list", "tree"])
def test_drawn_before_a_fork_and_behind_it(walk: str) -> None:
    """anon_vma_lazy: the mm, to which a bit is added in mapping; then an anon_vma, linked twice.

    What the child writes leads to its mm again.
    """
    family = Family(f"anon_vma_lazy:walk={walk}")
    parent = family.parent()
    before = family.ask(family.pfn(parent))
    (mm,) = before.objects
    assert (mm.kind, mm.kptr, before.mapping) == ("mm_struct", parent.kaddr, parent.kaddr + 1)
    assert mm.edges == tuple(("", family.core.kaddr(vma)) for vma in parent.vmas())
    assert svg_wires(before) == 2  # mapping, and the area
    child = family.fork(parent)
    behind = family.ask(family.pfn(parent))
    assert [node.kind for node in behind.objects] == ["anon_vma", *["anon_vma_chain"] * 2]
    assert behind.objects[0].kptr == behind.mapping
    child.write(BASE, b"own")
    own = family.ask(family.pfn(child))
    assert [(node.kind, node.kptr) for node in own.objects] == [("mm_struct", child.kaddr)]
    family.memory.close()


def svg_wires(use: FrameUse) -> int:
    return use.svg().count('class="wire"')


def test_drawn_where_a_moved_area_is_looked_for() -> None:
    """Every area that the walk of anon_vma_lazy passes has its wire, too."""
    family = Family("anon_vma_lazy")
    parent = family.parent()
    family.memory.map(parent, 4, 1)
    do_mremap(parent, BASE, PAGE, PAGE, MAYMOVE | MREMAP_FIXED, BASE + 8 * PAGE)
    use = family.ask(family.pfn(parent, 8))
    assert verdicts(use) == ["range", "match"]
    assert svg_wires(use) == 1 + 2
    family.memory.close()


@pytest.mark.parametrize("walk", ["list", "tree"])
@pytest.mark.parametrize("scheme", ["anon_vma_chain", "anon_vma_degree"])
def test_drawn_links(scheme: str, walk: str) -> None:
    """A page of a child's own leads to that child and to its children; the root has the lock."""
    family = Family(f"{scheme}:walk={walk}")
    parent = family.parent()
    child = family.fork(parent)
    inherited, root = family.ask(family.pfn(parent)), family.page(parent).mapping
    assert [node.kind for node in inherited.objects] == ["anon_vma", *["anon_vma_chain"] * 2]
    assert [node.label for node in inherited.objects] == ["root", "", ""]
    child.write(BASE, b"own")
    for _ in range(2):
        family.fork(child)
    use = family.ask(family.pfn(child))
    first, *links, last = use.objects
    assert [node.kind for node in links] == ["anon_vma_chain"] * 3
    assert ("root", root) in first.edges
    assert (last.kind, last.kptr, last.label) == ("anon_vma", root, "root")
    areas = [to for node in links for name, to in node.edges if name == "vma"]
    assert areas == [each.area and each.area.vma for each in walk_of(use).candidates]
    fields = dict(first.fields)
    assert fields.pop("links") == 3
    assert fields == ({"users": 1, "children": 2} if scheme == "anon_vma_degree" else {})
    family.memory.close()


def test_drawn_contexts() -> None:
    """Depth first, behind each the map of what it has moved; a dead one says so."""
    family = Family("cow_context")
    parent = family.parent()
    middle = family.fork(parent)
    family.fork(middle)
    family.fork(parent)
    do_mremap(parent, BASE, PAGE, PAGE, MAYMOVE | MREMAP_FIXED, BASE + 8 * PAGE)
    middle.put()
    use = family.ask(family.pfn(parent, 8))
    drawn = [(node.kind, node.label) for node in use.objects]
    assert drawn == [
        ("cow_context", "root"),
        ("cow_remap", ""),
        ("cow_context", "dead"),
        ("cow_context", ""),
        ("cow_context", ""),
    ]
    at = (BASE >> 12) + 8
    assert use.objects[1].fields == ((f"{at:x}-{at + 1:x}", "+0x8"),)
    places = [node.kptr for node in use.objects]
    leads = [
        [places.index(to) for name, to in node.edges if name != "mm" and to] for node in use.objects
    ]
    assert leads == [[2, 1], [], [3, 4], [], []]
    family.memory.close()


def test_where_a_context_was_asked_in_vain() -> None:
    """Nothing is there any more, or something that did not come with the page."""
    family = Family("cow_context")
    parent = family.parent()
    do_mremap(parent, BASE, PAGE, PAGE, MAYMOVE | MREMAP_FIXED, BASE + 8 * PAGE)
    pfn = family.pfn(parent, 8)
    first = walk_of(family.ask(pfn)).candidates[0]
    assert (first.verdict, first.address) == ("range", BASE)
    assert first.because == "nothing is mapped there"
    family.memory.map(parent, 4, 1)
    do_mremap(parent, BASE + 4 * PAGE, PAGE, PAGE, MAYMOVE | MREMAP_FIXED, BASE)
    first = walk_of(family.ask(pfn)).candidates[0]
    assert (first.verdict, first.address) == ("range", BASE)
    assert first.because == "what is there came from elsewhere"
    family.memory.close()


@pytest.mark.parametrize("scheme", EACH)
def test_views(scheme: str) -> None:
    family, pfn = cousins(scheme)
    use = family.ask(pfn)
    again = family.ask(pfn)
    assert use == again
    assert use.svg() == again.svg()
    root = ElementTree.fromstring(use.svg())
    assert use.walk is not None
    drawn = " ".join(each.text or "" for each in root.iter() if each.tag.endswith("}text"))
    assert f"{use.walk.function}: {use.walk.total}" in drawn
    name, description = root[0].text, root[1].text
    assert name == f"{use.title}, by {scheme}"
    assert description is not None
    assert use.walk is not None
    for each in use.walk.candidates:
        assert f"{each.number} process {each.pid} {each.verdict}" in description
    text = use.text()
    assert max(map(len, text.splitlines())) <= 100
    assert text.count("\n1 ") == 1
    assert json.loads(json.dumps(use.as_json()))["walk"]["probes"] == use.walk.probes
    assert use.as_json()["in_swap_of"][0]["pid"] == 101
    ElementTree.fromstring(f"<div>{uses_html([use, again])}</div>")
    assert uses_text([use, again]) == f"{text}\n{text}"
    assert repr(use).startswith(f"<FrameUse frame {pfn} anon, mapped by 100 ")
    assert "in swap of 101, try_to_unmap: " in repr(use)
    family.memory.close()


def test_an_arrow_to_the_next_box_is_straight_and_others_go_around() -> None:
    """anonmm's ring: each leads to the next one below, and the last one back to the head."""
    family = Family("anonmm")
    parent = family.parent()
    for _ in range(3):
        family.fork(parent)
    use = family.ask(family.pfn(parent))
    place = {node.kptr: at for at, node in enumerate(use.objects)}
    steps = [
        place[to] - at for at, node in enumerate(use.objects) for _, to in node.edges if to in place
    ]
    assert steps.count(1) == 3
    drawn = re.findall(r'class="wire" d="M[\d.]+ [\d.]+(\w)', use.svg())
    assert drawn.count("V") == 3 + 1  # and from the page to the first
    assert drawn.count("H") == len(steps) - 3
    assert drawn.count("C") == 4  # from each to its mm
    family.memory.close()


def test_candidates_beyond_what_is_drawn_are_counted() -> None:
    family = Family("anonmm")
    parent = family.parent()
    for _ in range(MOST + 2):
        family.fork(parent)
    use = family.ask(family.pfn(parent))
    texts = [each.text for each in ElementTree.fromstring(use.svg()).iter() if each.text]
    assert texts.count("and 3 more") == 2  # mms, and anonmms
    assert str(MOST) in texts
    assert str(MOST + 1) not in texts
    family.memory.close()


def test_a_scheme_without_a_walk_says_so() -> None:
    family = Family("none")
    use = family.ask(family.pfn(family.parent()))
    assert use.walk is None
    assert [mapper.pid for mapper in use.mappers] == [100]
    assert use.remark == "none has no walk: it cannot tell who maps an anonymous page"
    assert use.remark in use.text()
    ElementTree.fromstring(use.svg())
    family.memory.close()


def test_a_scheme_in_python(guest: Guest) -> None:
    """It has no drawing of its own, and is asked for its candidates as by a walk."""
    with Machine(ram="4M", bits=BITS, rmap=AddressBook) as machine:
        machine.spawn(guest("fork-server"), ["fork-server", "R=2", "N=2"], stdout=None)
        machine.run_to("event:fork:2")
        pfn = next(page.pfn for page in machine.pages(machine.processes[0]) if page.mapcount == 3)
        assert pfn is not None
        use = machine.frame(pfn)
        if use.kind == "file":
            pfn = next(p.pfn for p in machine.pages(machine.processes[0]) if p.anon)
            use = machine.frame(pfn)
        assert use.walk is not None
        assert verdicts(use) == ["match"] * use.mapcount
        assert use.objects == ()
        ElementTree.fromstring(use.svg())
        machine.check()


# ---- of a machine


def test_every_frame_of_a_machine(guest: Guest) -> None:
    with Machine(ram="2M", swap="1M", bits=BITS) as machine:
        machine.spawn(guest("swap-storm"), ["swap-storm", "PAGES=400", "PASSES=1"], stdout=None)
        machine.run_to("measure")
        frames = machine.frames()
        for frame in frames:
            use = machine.frame(frame.pfn)
            assert (use.kind, use.mapcount) == (frame.kind, frame.mapcount)
            assert [(each.pid, each.address) for each in use.mappers] == [*frame.places]
            if frame.kind in ("anon", "file") and frame.mapcount:
                assert use.walk is not None
                assert verdicts(use).count("match") == frame.mapcount
            else:
                assert (use.walk, bool(use.remark)) == (None, True)
        kept = machine.frame(next(f.pfn for f in frames if f.kind == "file"))
        shown = kept.text(), kept.svg(), repr(kept), kept._repr_html_(), kept._repr_svg_()
        machine.check()
    assert shown == (kept.text(), kept.svg(), repr(kept), kept._repr_html_(), kept._repr_svg_())
    with pytest.raises(MachineClosed, match="the machine is closed"):
        machine.frame(0)


@pytest.mark.parametrize(
    ("pfn", "walk", "said"),
    [
        (512, "unmap", "there is no frame 512: the machine has 512, 0 to 511"),
        (-1, "unmap", "there is no frame -1"),
        ("7", "unmap", "there is no frame '7'"),
        (True, "unmap", "there is no frame True"),
        (7, "both", "walk must be unmap or referenced, not 'both'"),
    ],
)
def test_what_is_no_frame(pfn: Any, walk: str, said: str) -> None:
    with Machine(ram="2M") as machine, pytest.raises(ConfigError, match=said):
        machine.frame(pfn, walk)


def test_a_hook_may_ask_and_look_at_a_moment(guest: Guest) -> None:
    """run_to() gives what its function gives, at the moment: before the call, not behind it."""
    with Machine(ram="2M", bits=BITS) as machine:
        task = machine.spawn(guest("fork-server"), ["fork-server", "R=2", "N=1"], stdout=None)

        def look(when: str) -> tuple[str, int]:
            pfn = next(page.pfn for page in machine.pages(task) if page.anon)
            assert pfn is not None
            return when, len(machine.frame(pfn).mappers)

        assert machine.run_to("fork", look) == ("before fork", 1)
        assert machine.run_to("mark:nothing", look) is None


def test_what_is_raised_at_a_moment_comes_out_behind_the_call(guest: Guest) -> None:
    """The machine goes on: the call that was in progress has been made."""

    def fail(when: str) -> None:
        raise ValueError(when)

    with Machine(ram="2M", bits=BITS) as machine:
        machine.spawn(guest("fork-server"), ["fork-server", "R=2", "N=1"], stdout=None)
        with pytest.raises(ValueError, match=r"^before fork$"):
            machine.run_to("fork", fail)
        assert len(machine.processes) == 2
        machine.check()
        with pytest.raises(ValueError, match=r"^after event cow$"):
            machine.run_to("cow", fail)
        with pytest.raises(ValueError, match=r"^at mark measure$"):
            machine.run_to("measure", fail)
        assert machine.run().exit_status == 0


def test_what_a_scheme_s_walk_breaks_is_told(guest: Guest) -> None:
    class Broken(AddressBook):
        asked = False

        def candidates(self, page: Any) -> Any:
            if self.asked:
                raise KernelBug("no candidates today")
            return super().candidates(page)

    with Machine(ram="2M", bits=BITS, rmap=Broken) as machine:
        task = machine.spawn(guest("touch"), ["touch", "PAGES=2"], stdout=None)
        machine.run_to("measure")
        pfn = next(page.pfn for page in machine.pages(task) if page.anon)
        Broken.asked = True
        with pytest.raises(KernelBug, match="no candidates today"):
            machine.frame(pfn)  # type: ignore[arg-type]
