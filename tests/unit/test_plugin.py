"""What a scheme in Python may declare and override: each hook, each refusal."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator
from errno import ENOMEM
from typing import Any, ClassVar

import pytest
from memory import errno_of

from tests.width import BITS, WORD, ffi
from vmemu.check import check_machine
from vmemu.core import Core
from vmemu.errors import ConfigError, KernelBug
from vmemu.lab.compare import compare
from vmemu.lab.scenarios import find_scenario
from vmemu.machine import Machine
from vmemu.mm import MemoryManager, Mm, do_mmap, do_mprotect, do_mremap, do_munmap, dup_mmap
from vmemu.rmap import scheme_class
from vmemu.rmap.base import RmapScheme
from vmemu.rmap.python import AddressBook, Candidate, Object, PythonScheme, Rejected, Words
from vmemu.testing import check_operations, check_scheme

AT, TO = 0x40000000, 0x50000000
PAGE = 4096


@contextlib.contextmanager
def booted(scheme: type[PythonScheme]) -> Iterator[tuple[MemoryManager, Any, Mm]]:
    """A memory manager with swap under the scheme, the scheme, and an address space."""
    core = Core(4 << 20, scheme)
    vm = MemoryManager(core, scheme(core))
    vm.swap.swapon_size(4 << 20, 0)
    yield vm, vm.rmap, Mm.create(vm)
    check_machine(vm)
    core.close()


def written(mm: Mm, at: int, pages: int) -> None:
    do_mmap(mm, at, pages * PAGE, 3, 0x32)
    mm.write(at, b"x" * (pages * PAGE))


# ---- what is declared


def declares(**members: Any) -> type[PythonScheme]:
    return type("Declares", (AddressBook,), {"name": "declares", **members})


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"objects": 5}, "objects of the rmap scheme 'declares' must be sizes by name, not 5"),
        ({"objects": dict.fromkeys("abcdefghijk", 8)}, "there are 11, and at most [0-9]+ may be"),
        ({"objects": {"": 8}}, "must have a name of at most 20 letters, digits and _, not ''"),
        ({"objects": {"a b": 8}}, "not 'a b'"),
        ({"objects": {"x" * 21: 8}}, "at most 20 letters"),
        ({"objects": {3: 8}}, "must have a name .* not 3"),
        ({"objects": {"mm_struct": 8}}, "'mm_struct' .* has the name of one of the kernel's"),
        ({"objects": {"node": 0}}, "size of the object 'node' .* must be 1 to 2048 bytes, not 0"),
        ({"objects": {"node": -1}}, "must be 1 to 2048 bytes, not -1"),
        ({"objects": {"node": 2049}}, "must be 1 to 2048 bytes, not 2049"),
        ({"objects": {"node": Words(600)}}, "must be 1 to 2048 bytes, not "),
        ({"objects": {"node": "8"}}, r"must be a number of bytes or Words\(n\), not '8'"),
        ({"objects": {"node": 8.0}}, "must be a number of bytes"),
        ({"objects": {"node": True}}, "must be a number of bytes"),
        ({"objects": {"node": (8, 4)}}, "must be a number of bytes"),
        ({"objects": {"node": Words("3")}}, "must be a number of bytes"),
        ({"objects": {"node": Object(8, 3)}}, "alignment of the object 'node' .* must be 4, 8"),
        ({"objects": {"node": Object(8, "4")}}, "alignment .* not '4'"),
        ({"objects": {"node": Object(8, 8.0)}}, "alignment .* not 8.0"),
        ({"vma_bytes": -4}, "vma_bytes of the rmap scheme 'declares' must be 0 to 1024 bytes"),
        ({"vma_bytes": 2000}, "must be 0 to 1024 bytes, not 2000"),
        ({"mm_bytes": None}, "mm_bytes of the rmap scheme 'declares' must be a number of bytes"),
        ({"mm_bytes": Words(1 << 20)}, "mm_bytes .* must be 0 to 1024 bytes"),
    ],
)
def test_what_cannot_be_declared(members: dict[str, Any], message: str) -> None:
    if "objects" in members and members["objects"] == {"node": Words(600)}:
        members = {"objects": {"node": Words(600 * 4 // WORD + 600)}}
    with pytest.raises(ConfigError, match=message):
        Machine(ram="1M", swap=None, rmap=declares(**members))


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"options": ["a"]}, "must be tuples of words by name"),
        ({"options": {"a": ()}}, "must be tuples of words by name"),
        ({"options": {"a": "yes"}}, "must be tuples of words by name"),
        ({"options": {"a": ("x", 2)}}, "must be tuples of words by name"),
        ({"options": {"a=b": ("x",)}}, "must be tuples of words by name"),
        ({"options": {"a": ("x:y",)}}, "must be tuples of words by name"),
        ({"options": dict.fromkeys("abcd", ("no",))}, "are at most 3, .* not a, b, c, d"),
        ({"options": {"stop": ("no",)}}, "none of them 'stop', not stop"),
        ({"counters": ("nothing",)}, r"counters of .* of the core's counters: \('nothing',\)"),
        ({"counters": "unmap_cmp"}, "counters of .* must be a tuple"),
        ({"watch": (3,)}, "watch of the rmap scheme 'declares' must be a tuple"),
    ],
)
def test_options_and_counters_that_cannot_be(members: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Machine(ram="1M", rmap=declares(**members))


def test_options_and_counters_that_can_be() -> None:
    options = {"a": ("no", "yes"), "b_2": ("1", "2"), "c-3": ("x",)}
    scheme = declares(options=options, counters=("unmap_cmp",), watch=("pswpin",))
    Machine(ram="1M", rmap=scheme).close()


@pytest.mark.parametrize(
    ("figure", "formula", "message"),
    [
        ("nothing", "1", "predicts 'nothing' of private-pages, which is not measured"),
        ("unmap_cmp", "1 +", r"the formula '1 \+' has no value: invalid syntax"),
        ("unmap_cmp", "NOTHING", "the formula 'NOTHING' has no value: name 'NOTHING'"),
        ("unmap_cmp", "PAGES // 0", "the formula 'PAGES // 0' has no value: .* by zero"),
    ],
)
def test_predictions_that_cannot_be(
    monkeypatch: pytest.MonkeyPatch, figure: str, formula: str, message: str
) -> None:
    scheme = declares(predictions={"private-pages": {figure: (formula, "why")}})
    monkeypatch.setattr("vmemu.rmap.python.Declares", scheme, raising=False)
    scheme_class.cache_clear()
    name, scenarios = "vmemu.rmap.python:Declares", [find_scenario("private-pages")]
    with pytest.raises(ConfigError, match=message):
        [found.deviations(name) for found in compare(scenarios, {"PAGES": "4"}, (name,))]


def test_objects_and_tails_are_as_declared() -> None:
    scheme = declares(
        objects={"small": 20, "words": Words(3, more=2), "lines": Object(40, align=64)},
        vma_bytes=Words(2),
        mm_bytes=128,
    )
    with Machine(ram="1M", swap=None, rmap="none") as machine:
        plain = {name: c.objsize for name, c in zip(
            machine.core.caches, machine.core.slab_caches, strict=True)}  # fmt: skip
    with Machine(ram="1M", swap=None, rmap=scheme) as machine:
        core, rmap = machine.core, machine.vm.rmap
        found = {
            name: (c.objsize, c.align)
            for name, c in zip(core.caches, core.slab_caches, strict=True)
        }
        assert found["small"] == (20, WORD)
        assert found["words"] == (3 * WORD + 2, WORD)
        assert found["lines"] == (40, 64)
        assert found["vm_area_struct"][0] == plain["vm_area_struct"] + 2 * WORD
        assert found["mm_struct"][0] == plain["mm_struct"] + 128
        assert isinstance(rmap, PythonScheme)
        assert rmap.caches == ("small", "words", "lines")
        first, second = rmap.allocate("lines"), rmap.allocate("lines", wait=True)
        assert (first % 64, second % 64, rmap.active("lines")) == (0, 0, 2)
        assert list(rmap.words(first)) == [0] * (40 // WORD)
        rmap.words(first)[0] = 7
        assert rmap.words(first)[0] == 7
        with pytest.raises(IndexError):
            rmap.words(first)[40 // WORD]
        mm = Mm.create(machine.vm)
        do_mmap(mm, AT, PAGE, 3, 0x32)
        (vma,) = mm.vmas()
        assert list(rmap.vma_words(vma)) == [0, 0]
        rmap.vma_words(vma)[1] = core.mask
        assert len(rmap.mm_words(mm.ptr)) == 128 // WORD
        rmap.mm_words(mm.ptr)[128 // WORD - 1] = core.mask
        machine.check()
        mm.put()
        for kptr in (first, second):
            rmap.free(kptr)
        machine.check()


def test_tails_of_a_copied_area_are_zero() -> None:
    with booted(declares(vma_bytes=8)) as (vm, rmap, mm):
        written(mm, AT, 3)
        (vma,) = mm.vmas()
        rmap.vma_words(vma)[0] = 9
        do_mprotect(mm, AT + PAGE, PAGE, 1)
        child = dup_mmap(mm)
        words = [rmap.vma_words(one)[0] for each in (mm, child) for one in each.vmas()]
        assert sorted(words) == [0, 0, 0, 0, 0, 9]
        assert len(vm.mms) == 2


def test_undeclared_objects_are_refused() -> None:
    for objects, name, has in (
        ({}, "", "none"),
        ({"one": 8}, "two", "one"),
        ({"one": 8, "two": 8}, "", "one, two"),
    ):
        with Machine(ram="1M", swap=None, rmap=declares(objects=objects)) as machine:
            rmap = machine.vm.rmap
            assert isinstance(rmap, PythonScheme)
            message = f"'declares' has declared no object {name!r}: {has}$"
            for function in (rmap.allocate, rmap.active):
                with pytest.raises(KernelBug, match=message):
                    function(name)
            for function in (rmap.free, rmap.words):
                with pytest.raises(KernelBug, match="which it has not got"):
                    function(0xC0000000)


def test_memory_that_runs_out_is_told_by_0() -> None:
    with Machine(ram="1M", swap=None, rmap=declares(objects={"big": 2048})) as machine:
        rmap = machine.vm.rmap
        assert isinstance(rmap, PythonScheme)
        held = []
        while kptr := rmap.allocate():
            held.append(kptr)
        assert rmap.active() == len(held) > 50
        for kptr in held:
            rmap.free(kptr)
        machine.check()


def test_a_core_is_made_with_the_class() -> None:
    core = Core(4 << 20, "python")
    with pytest.raises(ConfigError, match=r"'address_book' is made with its class: Core\(ram, Add"):
        AddressBook(core)
    core.close()


@pytest.mark.parametrize(
    ("counter", "n", "message"),
    [
        ("pgfault", 1, "'address_book' may count .*unmap_cmp.*, not 'pgfault'"),
        ("nonsense", 1, "may count .*, not 'nonsense'"),
        ("unmap_cmp", -1, "'address_book' counts -1 of unmap_cmp"),
        ("unmap_cmp", "1", "counts '1' of unmap_cmp"),
    ],
)
def test_only_walks_are_charged(counter: str, n: Any, message: str) -> None:
    with booted(AddressBook) as (vm, rmap, _), pytest.raises(KernelBug, match=message):
        rmap.charge(counter, n)
    assert vm.core.counters()["unmap_cmp"] == 0


# ---- hooks


def test_hooks_that_are_not_overridden_cost_nothing() -> None:
    """The machine's ops have none, and nobody is called."""

    class Least(PythonScheme):
        name: ClassVar[str] = "least"

        def candidates(self, page: Any) -> Any:
            return ()

    for scheme, each in ((Least, 0), (AddressBook, 0), (PteBook, 1)):
        with contextlib.closing(Core(4 << 20, scheme)) as core:
            rmap = scheme(core)
            assert core.m.rmap_each_pte == each
            without = [op for op in OPS if getattr(core.m.rmap, op) == ffi.NULL]
            assert without == [op for op, hooks in OPS.items() if not any(map(rmap.hears, hooks))]
    with booted(Least) as (vm, _, mm):
        calls: list[int] = []
        vm.core.on_rmap = lambda call, *rest: calls.append(call) or 0
        Least.finds_anon = False  # its walks find nothing
        written(mm, AT, 8)
        dup_mmap(mm).put()
        do_mprotect(mm, AT + PAGE, PAGE, 1)
        do_mremap(mm, AT + 2 * PAGE, 2 * PAGE, 2 * PAGE, 3, TO)
        do_munmap(mm, AT, 8 * PAGE)
        assert calls == []


def test_who_prepares_nothing_is_not_asked_whether_an_area_is_prepared() -> None:
    """All who do not share an answer; who does is asked."""
    answers = {}
    for scheme in (AddressBook, PteBook, ByArea):
        with contextlib.closing(Core(4 << 20, scheme)) as core:
            scheme(core)
            answers[scheme] = int(ffi.cast("uintptr_t", core.m.rmap.prepared))
    assert [scheme.hears("prepare") for scheme in answers] == [False, False, True]
    assert answers[AddressBook] == answers[PteBook] != answers[ByArea]


PTE_HOOKS = ("pte_copied", "pte_moved", "pte_removed")
OPS = {
    "vma_dup": ("vma_dup",),
    "vma_free": ("vma_free",),
    "vma_split": ("vma_split",),
    "range_changes": ("range_changes",),
    "range_changed": ("range_changed",),
    "own_anon": ("page_owned",),
    "remove_anon": ("page_removed",),
    "put_anon": ("pages_put",),
    "move_anon": ("page_moved", *PTE_HOOKS),
    "dup_pte": ("pte_copied",),
    "remove_pte": ("pte_removed",),
    "table_added": PTE_HOOKS,
    "reserve": ("reserve",),
    "unreserve": ("unreserve",),
}


@pytest.mark.parametrize("answer", ["words", 1 << 40, [], True])
def test_what_hooks_return_that_are_only_told_is_nobodys_matter(answer: object) -> None:
    """A hook may end with any expression."""

    def telling(hook: str) -> Callable[..., object]:
        def told(self: Any, *args: Any) -> object:
            getattr(AddressBook, hook)(self, *args)
            return answer

        return told

    hooks = ("page_added", "page_removed", "page_owned", "vma_free", "range_changed", "mm_exit")
    scheme = type("Telling", (AddressBook,), {hook: telling(hook) for hook in hooks})
    with booted(scheme) as (vm, _, mm):
        written(mm, AT, 2)
        vm.reclaim_range(mm, AT, AT + PAGE)
        mm.write(AT, b"y")
        do_munmap(mm, AT, 2 * PAGE)
        assert vm.core.broken is None


class PteBook(PythonScheme):
    """Every pte of every page, told one by one: as exact as can be."""

    name: ClassVar[str] = "pte_book"

    def __init__(self, core: Core) -> None:
        super().__init__(core)
        self.ptes: dict[int, list[tuple[int, int]]] = {}

    def pfn(self, page: Any) -> int:
        return int(self.core.lib.page_to_pfn(self.core.m, page))

    def add(self, page: Any, mm: int, address: int) -> None:
        self.ptes.setdefault(self.pfn(page), []).append((mm, address))

    def page_added(self, page: Any, vma: Any, address: int) -> None:
        self.add(page, vma.vm_mm, address)

    def pte_copied(self, page: Any, vma: Any, child: Any, address: int) -> None:
        assert vma.vm_mm != self.core.kaddr(child)
        assert vma.vm_start <= address < vma.vm_end
        self.add(page, self.core.kaddr(child), address)

    def pte_moved(self, page: Any, mm: Any, old: int, new: int) -> None:
        places, mm = self.ptes[self.pfn(page)], self.core.kaddr(mm)
        places[places.index((mm, old))] = (mm, new)

    def pte_removed(self, page: Any, mm: Any, address: int) -> None:
        self.ptes[self.pfn(page)].remove((self.core.kaddr(mm), address))

    def page_removed(self, page: Any) -> None:
        assert self.ptes.pop(self.pfn(page)) == []

    def candidates(self, page: Any) -> Iterator[Candidate]:
        for mm, address in list(self.ptes[self.pfn(page)]):
            yield Candidate(mm, 0, address)

    def check(self, survey: Any) -> None:
        told = {pfn: sorted(places) for pfn, places in self.ptes.items()}
        true = {
            pfn: sorted((one.mm.kaddr, one.address) for one in mappings)
            for pfn, mappings in survey.anon.items()
        }
        survey.expect("the book of ptes", told, true)


class Reserving(PteBook):
    """With an object for each pte, made sure of before."""

    objects: ClassVar = {"pte": Words(2)}

    def __init__(self, core: Core) -> None:
        super().__init__(core)
        self.spare: list[int] = []
        self.used: list[int] = []

    def reserve(self, wait: bool) -> bool:
        while len(self.spare) < 2 and (new := self.allocate(wait=wait)):
            self.spare.append(new)
        return len(self.spare) == 2

    def unreserve(self) -> None:
        while self.spare:
            self.free(self.spare.pop())

    def add(self, page: Any, mm: int, address: int) -> None:
        super().add(page, mm, address)
        self.used.append(self.spare.pop())

    def pte_removed(self, page: Any, mm: Any, address: int) -> None:
        super().pte_removed(page, mm, address)
        self.free(self.used.pop())

    def check(self, survey: Any) -> None:
        super().check(survey)
        survey.expect("objects of ptes", self.active(), sum(map(len, self.ptes.values())))


def test_every_pte_is_told() -> None:
    """Its book is that of the page tables, after anything."""
    check_scheme(PteBook, 1500, 3, BITS, crossings=60)


def test_memory_for_every_pte_is_reserved() -> None:
    check_operations(Reserving, 1500, 4, BITS)


def test_no_memory_for_a_pte_is_no_disaster() -> None:
    class Short(Reserving):
        left = 1 << 30

        def reserve(self, wait: bool) -> bool:
            self.left -= 1
            return self.left >= 0 and super().reserve(wait)

    with booted(Short) as (vm, rmap, mm):
        written(mm, AT, 4)
        free = vm.core.m.k.zone.free_pages
        for left in range(4):
            rmap.left = left
            assert errno_of(dup_mmap, mm) == ENOMEM
            assert vm.core.m.k.zone.free_pages == free
            check_machine(vm)
        rmap.left = 100
        dup_mmap(mm).put()


def test_memory_for_the_copy_that_mremap_makes_is_reserved() -> None:
    """A copy's pte is one more, too: without memory for it mremap fails, and moves nothing."""

    class Copying(Reserving):
        left = 1 << 30

        def page_moved(self, page: Any, vma: Any, address: int) -> bool:
            return bool(page.mapcount == 1)

        def reserve(self, wait: bool) -> bool:
            self.left -= 1
            return self.left >= 0 and super().reserve(wait)

    with booted(Copying) as (vm, rmap, mm):
        written(mm, AT, 3)
        child = dup_mmap(mm)
        rmap.left = 1
        assert errno_of(do_mremap, mm, AT, 3 * PAGE, 3 * PAGE, 3, TO) == ENOMEM
        check_machine(vm)
        rmap.left = 100
        do_mremap(mm, AT, 3 * PAGE, 3 * PAGE, 3, TO)
        assert rmap.spare == []
        assert mm.read(TO, 3 * PAGE) == child.read(AT, 3 * PAGE) == b"x" * (3 * PAGE)
        child.put()


class Recorder(AddressBook):
    """Which hooks are called, and with what."""

    def __init__(self, core: Core) -> None:
        super().__init__(core)
        self.told: list[tuple[str, Any]] = []

    def note(self, hook: str, value: Any) -> None:
        self.told.append((hook, value))

    def page_added(self, page: Any, vma: Any, address: int) -> None:
        super().page_added(page, vma, address)
        self.note("added", address)

    def page_back(self, page: Any, vma: Any, address: int) -> None:
        super().page_added(page, vma, address)
        self.note("back", address)

    def page_again(self, page: Any, vma: Any, address: int) -> None:
        super().page_added(page, vma, address)
        self.note("again", address)

    def page_owned(self, page: Any, vma: Any, address: int) -> None:
        assert page.mapcount == 1
        self.note("owned", address)

    def pages_put(self, mapping: int, pages: int) -> None:
        self.note("put", pages)

    def range_changes(self, vma: Any) -> None:
        self.note("changes", (vma.vm_start, vma.vm_end))

    def range_changed(self, vma: Any) -> None:
        self.note("changed", (vma.vm_start, vma.vm_end))

    def heard(self) -> list[tuple[str, Any]]:
        told, self.told = self.told, []
        return told


def test_first_ptes_are_new_or_back_and_others_again() -> None:
    with booted(Recorder) as (vm, rmap, mm):
        written(mm, AT, 1)
        assert rmap.heard() == [("added", AT)]
        child = dup_mmap(mm)
        assert vm.reclaim_range(mm, AT, AT + PAGE) == 1
        assert rmap.heard() == [("put", 1)]
        mm.read(AT, 1)
        child.read(AT, 1)
        assert rmap.heard() == [("back", AT), ("again", AT)]
        child.put()
        assert rmap.heard() == []
        mm.write(AT, b"y")
        assert rmap.heard() == [("owned", AT)]


def test_a_page_that_one_has_alone_is_owned() -> None:
    with booted(Recorder) as (_, rmap, mm):
        written(mm, AT, 2)
        dup_mmap(mm).put()
        rmap.heard()
        mm.write(AT + PAGE, b"y")
        assert rmap.heard() == [("owned", AT + PAGE)]


def test_pages_that_go_together_are_put_together() -> None:
    class Together(Recorder):
        def page_added(self, page: Any, vma: Any, address: int) -> None:
            super().page_added(page, vma, address)
            page.mapping = vma.vm_mm

        def pages_put(self, mapping: int, pages: int) -> None:
            self.note("put", (mapping, pages))

    with booted(Together) as (vm, rmap, mm):
        vm.core.m.watch.bits = 0  # they go one by one where locks are checked
        written(mm, AT, 5)
        rmap.heard()
        do_munmap(mm, AT, 5 * PAGE)
        assert rmap.heard() == [("put", (mm.kaddr, 5))]


def test_ranges_are_told_before_and_after() -> None:
    with booted(Recorder) as (_, rmap, mm):
        do_mmap(mm, AT, 4 * PAGE, 3, 0x32)
        rmap.heard()
        do_mprotect(mm, AT, PAGE, 1)
        # mprotect's area stays what it is; the rest is cut off.
        assert rmap.heard() == [("changes", (AT, AT + 4 * PAGE)), ("changed", (AT, AT + PAGE))]
        do_mprotect(mm, AT, PAGE, 3)
        told = rmap.heard()
        assert [hook for hook, _ in told] == ["changes", "changed"] * (len(told) // 2)
        assert ("changed", (AT, AT + 4 * PAGE)) in told


@pytest.mark.parametrize("call", ["mprotect", "munmap", "mremap"])
def test_vma_clone_may_fail(call: str) -> None:
    class NoClone(AddressBook):
        fails = False

        def vma_clone(self, new: Any, old: Any) -> bool:
            return not self.fails

    calls = {
        "mprotect": lambda: do_mprotect(mm, AT + PAGE, PAGE, 1),
        "munmap": lambda: do_munmap(mm, AT + PAGE, PAGE),
        "mremap": lambda: do_mremap(mm, AT, 3 * PAGE, 3 * PAGE, 3, TO),
    }
    with booted(NoClone) as (vm, rmap, mm):
        written(mm, AT, 3)
        rmap.fails = True
        assert errno_of(calls[call]) == ENOMEM
        check_machine(vm)
        assert [(vma.vm_start, vma.vm_end) for vma in mm.vmas()] == [(AT, AT + 3 * PAGE)]
        rmap.fails = False
        assert errno_of(calls[call]) == 0


# ---- walks


def test_a_walk_asks_for_no_more_than_it_needs() -> None:
    """One candidate after the other; the generator hears whether it was there, and its end."""

    class Slow(AddressBook):
        said: ClassVar[list[Any]] = []

        def candidates(self, page: Any) -> Any:
            self.said.append("begins")
            (address,) = self._addresses[self._pfn(page)]
            try:
                for mm in (*self._mms, *self._mms):
                    self.said.append((yield Candidate(mm, 0, address)))
            finally:
                self.said.append("ends")

    with booted(Slow) as (vm, _, mm):
        written(mm, AT, 1)
        dup_mmap(mm).write(AT, b"y")  # a page of its own
        child_page = [one for one in vm.mms.values() if one is not mm]
        Slow.said.clear()
        before = vm.core.counters()["unmap_probes"]
        assert vm.reclaim_range(child_page[0], AT, AT + PAGE) == 1
        assert Slow.said[-3:] == ["begins", False, "ends"]  # the parent had another page
        assert vm.core.counters()["unmap_probes"] - before == 2
        assert vm.rmap._walks == {}


def test_what_is_rejected_is_a_cmp() -> None:
    class Choosy(AddressBook):
        def unmap_candidates(self, page: Any) -> Any:
            yield Rejected()
            for candidate in self.candidates(page):
                yield Rejected(candidate.mm, candidate.vma, "empty")
                self.charge("unmap_cmp", 5)
                yield candidate

    with booted(Choosy) as (vm, _, mm):
        written(mm, AT, 3)
        before = vm.core.counters()
        assert vm.reclaim_range(mm, AT, AT + 3 * PAGE) == 3
        after = vm.core.counters()
        assert after["unmap_probes"] - before["unmap_probes"] == 3
        assert after["unmap_cmp"] - before["unmap_cmp"] == 3 * 7
        assert after["referenced_cmp"] == before["referenced_cmp"]


@pytest.mark.parametrize(
    "rejected", [Rejected(why="dull"), Rejected(mm=-1), Rejected(mm="mm"), Rejected(vma=1 << 70)]
)
def test_what_cannot_be_rejected(rejected: Rejected) -> None:
    class Liar(AddressBook):
        def candidates(self, page: Any) -> Any:
            yield rejected

    core = Core(4 << 20, Liar)
    vm = MemoryManager(core, Liar(core))
    vm.swap.swapon_size(4 << 20, 0)
    mm = Mm.create(vm)
    written(mm, AT, 1)
    with pytest.raises(KernelBug, match="'address_book' rejects what is no mm, no vma, or for no"):
        vm.reclaim_range(mm, AT, AT + PAGE)
    core.close()


def test_offsets_wrap() -> None:
    with booted(AddressBook) as (vm, rmap, mm):
        do_mmap(mm, AT, 4 * PAGE, 3, 0x32)
        (vma,) = mm.vmas()
        page = vm.core.page(500)
        vma.vm_pgoff = vm.core.mask  # the first page's; 0 is the second's
        assert rmap.offset_in(vma, AT + PAGE) == 0
        for index, address in ((vm.core.mask, AT), (2, AT + 3 * PAGE), (3, None)):
            page.index = index
            assert rmap.address_in(page, vma) == address
        page.index, vma.vm_pgoff = 0, AT >> 12


# ---- what is forgotten


def test_a_scheme_without_candidates_is_none() -> None:
    class Nothing(PythonScheme):
        name = "nothing"

    core = Core(4 << 20, Nothing)
    vm = MemoryManager(core, Nothing(core))
    written(Mm.create(vm), AT, 1)
    with pytest.raises(NotImplementedError) as caught:
        check_machine(vm)
    assert caught.value.__notes__ == ["in candidates() of the rmap scheme 'nothing'"]
    core.close()


class ByArea(PythonScheme):
    """Keeps books by area, and need not be told of pages that move."""

    name: ClassVar[str] = "by_area"
    anon_pgoff_matters: ClassVar[bool] = True

    def __init__(self, core: Core) -> None:
        super().__init__(core)
        self.areas: dict[int, None] = {}

    def prepare(self, mm: Any, vma: Any) -> bool:
        self.areas[self.core.kaddr(vma)] = None
        return True

    def vma_dup(self, new: Any, old: Any) -> None:
        self.areas[self.core.kaddr(new)] = None

    def vma_split(self, new: Any, old: Any) -> None:
        self.areas[self.core.kaddr(new)] = None

    def vma_absorb(self, into: Any, other: Any) -> bool:
        self.areas[self.core.kaddr(into)] = None
        return True

    def vma_free(self, vma: Any) -> None:
        self.areas.pop(self.core.kaddr(vma), None)

    def page_added(self, page: Any, vma: Any, address: int) -> None:
        page.index = self.offset_in(vma, address)

    def candidates(self, page: Any) -> Iterator[Candidate]:
        for kptr in [*self.areas]:
            if kptr in self.areas:
                vma = self.core.vma(kptr)
                if (at := self.address_in(page, vma)) is not None:
                    yield Candidate(vma.vm_mm, kptr, at)


def test_it_is_sound_if_it_forgets_nothing() -> None:
    check_operations(ByArea, 1000, 2, BITS)


def forgets(hook: str, base: type[ByArea] = ByArea) -> tuple[MemoryManager, Mm]:
    scheme = type("Forgets", (base,), {hook: getattr(PythonScheme, hook), "name": "forgets"})
    core = Core(4 << 20, scheme)
    vm = MemoryManager(core, scheme(core))
    mm = Mm.create(vm)
    written(mm, AT, 4)
    check_machine(vm)
    return vm, mm


def told(vm: MemoryManager) -> str:
    with pytest.raises(KernelBug) as caught:
        check_machine(vm)
    vm.core.close()
    return str(caught.value)


def test_a_forgotten_split_is_named() -> None:
    vm, mm = forgets("vma_split")
    do_mprotect(mm, AT + 3 * PAGE, PAGE, 1)  # its area stays; the pages below are cut off
    said = told(vm)
    assert f"at {AT:#x} of mm {mm.kaddr:#x}: its area" in said
    assert (
        f"its area {AT:#x}-{AT + 3 * PAGE:#x} was split off the one at {AT + 3 * PAGE:#x}, "
        "of which the scheme forgets hears by vma_split(), which it has not"
    ) in said
    assert said.count("page_referenced would not find page") == 1
    assert said.count("was split off") == 1
    assert said.endswith("either")


def test_a_forgotten_fork_and_move_are_named() -> None:
    vm, mm = forgets("vma_dup")
    dup_mmap(mm)
    assert (
        f"its area {AT:#x}-{AT + 4 * PAGE:#x} was copied by fork from the parent's at {AT:#x}, "
        "of which the scheme forgets hears by vma_dup(), which it has not"
    ) in told(vm)
    vm, mm = forgets("vma_split")
    do_mremap(mm, AT, 4 * PAGE, 4 * PAGE, 3, TO)
    assert (
        f"its area {TO:#x}-{TO + 4 * PAGE:#x} was moved by mremap from the one at {AT:#x}, of "
        "which the scheme forgets hears by vma_split(), which it has not, and page_moved(), "
        "which it has not"
    ) in told(vm)


def test_a_forgotten_merge_is_named() -> None:
    vm, mm = forgets("vma_absorb")
    written(mm, TO + PAGE, 1)
    do_mprotect(mm, TO + PAGE, PAGE, 1)
    do_mmap(mm, TO, PAGE, 3, 0x32)
    do_mprotect(mm, TO, PAGE, 1)  # takes the page over, and never was prepared
    assert (
        f"its area {TO:#x}-{TO + 2 * PAGE:#x} has taken over pages of the one at {TO + PAGE:#x}, "
        "of which the scheme forgets hears by vma_absorb(), which it has not, and "
        "range_changed(), which it has not"
    ) in told(vm)


class Strict(ByArea):
    """Believes that it knows every area, and every mm."""

    def __init__(self, core: Core) -> None:
        super().__init__(core)
        self.mms: dict[int, int] = {}

    def mm_init(self, mm: Any) -> bool:
        self.mms[self.core.kaddr(mm)] = 0
        return True

    def mm_dup(self, child: Any, parent: Any) -> bool:
        return self.mm_init(child)

    def prepare(self, mm: Any, vma: Any) -> bool:
        self.mms[self.core.kaddr(mm)] += 1
        return super().prepare(mm, vma)

    def vma_free(self, vma: Any) -> None:
        del self.areas[self.core.kaddr(vma)]

    def range_changes(self, vma: Any) -> None:
        self.vma_free(vma)

    def range_changed(self, vma: Any) -> None:
        self.areas[self.core.kaddr(vma)] = None


@pytest.mark.parametrize(
    ("hook", "said"),
    [
        ("vma_split", f"was split off the one at {AT:#x}, of which the scheme forgets hears by "),
        ("range_changed", "the scheme forgets has range_changes(), and not range_changed(), "),
    ],
)
def test_a_hook_that_raises_for_what_was_forgotten(hook: str, said: str) -> None:
    """The pages behind the first are cut off; then both areas go."""
    vm, mm = forgets(hook, Strict)
    do_mprotect(mm, AT, PAGE, 1)
    with pytest.raises(KeyError) as caught:
        do_munmap(mm, AT, 4 * PAGE)
    where, why = caught.value.__notes__
    assert where == "in vma_free() of the rmap scheme 'forgets'"
    assert said in why
    vm.core.close()


def test_a_pair_of_hooks_is_told_where_an_area_has_no_history() -> None:
    vm, mm = forgets("range_changed", Strict)
    do_mprotect(mm, AT, PAGE, 1)  # the area that was mapped is the first page's now
    assert (
        f"at {AT:#x} of mm {mm.kaddr:#x}: the scheme forgets has range_changes(), "
        "and not range_changed(), which goes with it; try_to"
    ) in told(vm)


def test_a_forgotten_mm_is_named() -> None:
    vm, mm = forgets("mm_dup", Strict)
    child = dup_mmap(mm)
    do_mmap(child, TO, PAGE, 3, 0x32)
    with pytest.raises(KeyError) as caught:
        child.write(TO, b"x")
    assert caught.value.__notes__ == [
        "in prepare() of the rmap scheme 'forgets'",
        "the scheme forgets has mm_init(), and not mm_dup(), which goes with it",
    ]
    vm.core.close()


def test_a_note_is_made_once_where_hooks_call_each_other() -> None:
    class Raises(ByArea):
        name = "raises"

        def vma_dup(self, new: Any, old: Any) -> None:
            self.vma_split(new, old)

        def vma_split(self, new: Any, old: Any) -> None:
            raise LookupError("of mine")

    core = Core(4 << 20, Raises)
    vm = MemoryManager(core, Raises(core))
    mm = Mm.create(vm)
    written(mm, AT, 4)
    with pytest.raises(LookupError) as caught:
        dup_mmap(mm)
    assert caught.value.__notes__ == ["in vma_split() of the rmap scheme 'raises'"]
    core.close()


def test_each_walk_is_asked_for_itself() -> None:
    class OneWay(ByArea):
        name = "one_way"

        def unmap_candidates(self, page: Any) -> Iterator[Candidate]:
            return iter(())

    core = Core(4 << 20, OneWay)
    vm = MemoryManager(core, OneWay(core))
    written(Mm.create(vm), AT, 1)
    said = told(vm)
    assert "try_to_unmap would not find page" in said
    assert "page_referenced" not in said


def test_an_area_that_was_mapped_anew_has_no_history() -> None:
    """Its memory was that of an area that was split off."""
    vm, mm = forgets("range_changed")
    do_mprotect(mm, AT + 3 * PAGE, PAGE, 1)
    do_munmap(mm, AT + 3 * PAGE, PAGE)
    scheme = vm.rmap
    assert isinstance(scheme, ByArea)
    written(mm, TO, 1)
    scheme.areas.popitem()
    said = told(vm)
    assert re.search(rf"would not find page \d+ at {TO:#x} of mm {mm.kaddr:#x}; try_to", said)


def test_schemes_of_the_core_hear_of_everything() -> None:
    assert RmapScheme.hears("vma_split")
