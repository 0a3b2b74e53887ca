"""A scheme written in Python: plugged in, measured and checked like the others."""

from __future__ import annotations

import io
from errno import ENOMEM
from importlib.metadata import EntryPoint

import pytest
from memory import errno_of

from vmemu.check import check_machine
from vmemu.core import Core
from vmemu.errors import ConfigError, KernelBug
from vmemu.machine import Machine
from vmemu.mm import MemoryManager, Mm, do_mmap, do_mremap, dup_mmap
from vmemu.rmap import builtin, scheme_class, scheme_names, schemes
from vmemu.rmap.python import AddressBook, Candidate, PythonScheme

SMALL = {"ram": "1M", "swap": "16M"}


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("swap-storm", ["PAGES=300", "FORK=1"]),
        ("mremap-swapclash", ["R=16"]),
        ("mremap-shared", ["R=16"]),
        ("fork-server", ["R=16", "N=4"]),
    ],
)
def test_guests_print_the_same_as_under_anon_vma(guest, name, parameters):
    outputs = []
    for scheme in ("anon_vma", AddressBook):
        out = io.BytesIO()
        with Machine(**SMALL, rmap=scheme) as machine:
            machine.spawn(guest(name), [name, *parameters], stdout=out)
            machine.run()
            machine.check()
            outputs.append(out.getvalue())
    assert outputs[0] == outputs[1]
    assert b"sum" in outputs[0] or b"pages" in outputs[0]


def test_probes_are_counted_for_it(guest):
    with Machine(**SMALL, rmap=AddressBook) as machine:
        machine.spawn(guest("swap-storm"), ["swap-storm", "PAGES=300"], stdout=io.BytesIO())
        machine.run()
        walk = machine.stats()["unmap"]
    # One mm, and no page ever moves: one candidate for each page, each time.
    assert walk["pages"] > 0
    assert walk["probes"] == walk["pages"]


def test_a_scheme_that_forgets_moves_is_caught(guest):
    class Forgetful(AddressBook):
        def page_moved(self, page, vma, address):
            return True

    with Machine(**SMALL, rmap=Forgetful) as machine:
        kernel = machine.kernel
        kernel.on_mark = lambda task, name, a, b: (
            check_machine(machine.vm) if name == "measure" else None
        )
        machine.spawn(guest("mremap-exclusive"), ["mremap-exclusive"], stdout=io.BytesIO())
        with pytest.raises(KernelBug, match="was never told of"):
            machine.run()


def test_a_scheme_is_found_by_its_module_and_class():
    assert scheme_class("vmemu.rmap.python:AddressBook") is AddressBook


@pytest.mark.parametrize("name", ["no.such:Thing", "vmemu.rmap:Thing", "vmemu.rmap:schemes", ":"])
def test_what_is_no_scheme_is_refused(name):
    with pytest.raises(ConfigError, match=r"cannot load|not a subclass"):
        scheme_class(name)


@pytest.mark.parametrize("swap", ["64X", "big", "64M:"])
def test_a_mistyped_swap_size_makes_no_file(swap, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError):
        Machine(ram="1M", swap=swap)
    assert list(tmp_path.iterdir()) == []


def test_a_scheme_of_another_package_is_found_by_its_name(monkeypatch):
    """What stands in the entry points of the group vmemu.rmap."""

    class Entry:
        name = "book"

        @staticmethod
        def load():
            return AddressBook

    asked = []
    monkeypatch.setattr(
        "importlib.metadata.entry_points", lambda group: [Entry] if not asked.append(group) else []
    )
    assert scheme_class("book") is AddressBook
    assert set(asked) == {"vmemu.rmap"}
    with pytest.raises(ConfigError, match=r"unknown rmap scheme 'volume': choose .*book"):
        scheme_class("volume")


@pytest.fixture
def with_a_broken_one(monkeypatch, tmp_path):
    """Two packages that bring a scheme: one cannot be imported."""
    (tmp_path / "brokenscheme.py").write_text("import nowhere")
    monkeypatch.syspath_prepend(tmp_path)
    entries = [
        EntryPoint("broken", "brokenscheme:Thing", "vmemu.rmap"),
        EntryPoint("book", "vmemu.rmap.python:AddressBook", "vmemu.rmap"),
        EntryPoint("path", "os:path", "vmemu.rmap"),
        EntryPoint("anon_vma", "vmemu.rmap.python:AddressBook", "vmemu.rmap"),
    ]
    monkeypatch.setattr("importlib.metadata.entry_points", lambda group: entries)


def test_a_package_that_cannot_be_loaded_is_told_when_it_is_asked_for(with_a_broken_one):
    with pytest.raises(ConfigError, match="cannot load the rmap scheme 'broken': ModuleNotFound"):
        scheme_class("broken")
    with pytest.raises(ConfigError, match="'path' is not a subclass"):
        scheme_class("path")
    with pytest.raises(ConfigError, match="cannot load the rmap scheme 'broken'"):
        schemes()


def test_it_is_in_nobody_elses_way(with_a_broken_one):
    assert scheme_class("book:stop=none").chosen == {"stop": "none"}
    assert scheme_class("anon_vma") is builtin()["anon_vma"]
    assert scheme_names() == [*builtin(), "broken", "book", "path"]
    with pytest.raises(ConfigError, match=r"unknown rmap scheme 'volume': choose .*broken, book"):
        scheme_class("volume")


@pytest.mark.parametrize("said", ["line", "", "64"])
def test_an_option_without_a_value_is_told(said):
    with pytest.raises(ConfigError, match=f"pte_chain takes options as OPTION=VALUE, not '{said}'"):
        scheme_class(f"pte_chain:{said}")


def test_a_module_that_exits_is_told(monkeypatch, tmp_path):
    (tmp_path / "exitingscheme.py").write_text("raise SystemExit('bye')")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ConfigError, match=r"cannot load .*: SystemExit: bye"):
        scheme_class("exitingscheme:Thing")


def test_a_scheme_without_candidates_is_told():
    class Nothing(PythonScheme):
        name = "nothing"

    with pytest.raises(ConfigError, match=r"Nothing says that it finds .* no candidates\(\)"):
        Machine(ram="1M", rmap=Nothing)
    Machine(ram="1M", rmap=type("Honest", (Nothing,), {"finds_anon": False})).close()


def test_a_scheme_copies_no_page_that_moves_unless_it_says_so():
    class Everywhere(AddressBook):
        """Tries every mm at every page of its areas; needs not be told of moves."""

        page_moved = PythonScheme.page_moved

        def candidates(self, page):
            for mm in self._mms:
                vma = self.core.vma(self.core.mm(mm).mmap)
                while vma is not None:
                    for address in range(vma.vm_start, vma.vm_end, 4096):
                        yield Candidate(mm, 0, address)
                    vma = self.core.vma(vma.vm_next)

        def check(self, survey):
            """Nothing is remembered."""

    core = Core(4 << 20, Everywhere)
    vm = MemoryManager(core, Everywhere(core))
    parent = Mm.create(vm)
    at, to = 0x10000000, 0x20000000
    do_mmap(parent, at, 4 * 4096, 3, 0x32)
    parent.write(at, b"x" * 4 * 4096)
    child = dup_mmap(parent)
    do_mremap(parent, at, 4 * 4096, 4 * 4096, 3, to)
    counters = core.counters()
    assert counters["mremap_ptes"] == 4
    assert counters["rmap_copies"] == counters["pgcow"] == 0
    check_machine(vm)
    assert parent.read(to, 1) == child.read(at, 1) == b"x"
    core.close()


@pytest.mark.parametrize("left", [0, 1, 2])
def test_fork_fails_when_the_scheme_has_no_memory_for_an_area(left):
    """What it has copied by then goes, and so do its promises."""

    class Short(AddressBook):
        areas = 1 << 20

        def vma_dup(self, new, old):
            assert new.vm_mm not in (0, old.vm_mm)
            self.areas -= 1
            return self.areas >= 0

    memory = MemoryManager(core := Core(4 << 20, Short), scheme := Short(core))
    mm = Mm.create(memory)
    for at in range(3):
        do_mmap(mm, 0x40000000 + (at << 24), 4096, 3, 0x32)
        mm.write(0x40000000 + (at << 24), b"x")
    free, committed = core.m.k.zone.free_pages, memory.commit.pages
    scheme.areas = left
    assert errno_of(dup_mmap, mm) == ENOMEM
    assert (core.m.k.zone.free_pages, memory.commit.pages) == (free, committed)
    assert list(memory.mms) == [mm.kaddr]
    check_machine(memory)
    scheme.areas = 3
    dup_mmap(mm).put()
    check_machine(memory)
    core.close()
