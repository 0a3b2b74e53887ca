"""A scheme in Python that answers nonsense stops the machine with its name."""

from __future__ import annotations

import io
import itertools
from typing import ClassVar

import pytest

from tests.width import TASK_SIZE
from vmemu import ConfigError, KernelBug, Machine, VmemuError
from vmemu.rmap import scheme_class
from vmemu.rmap.python import AddressBook, Candidate


class Liar(AddressBook):
    name = "liar"

    def lie(self, true):
        raise NotImplementedError

    def candidates(self, page):
        return self.lie(list(super().candidates(page)))


LIES = {
    "zero": lambda self, true: [Candidate(0, 0, 0)],
    "odd mm": lambda self, true: [Candidate(c.mm + 4, 0, c.address) for c in true],
    "mm beyond memory": lambda self, true: [Candidate(0xFFFFF000, 0, c.address) for c in true],
    "mm below the kernel": lambda self, true: [Candidate(0x1000, 0, c.address) for c in true],
    "negative mm": lambda self, true: [Candidate(-1, 0, c.address) for c in true],
    "huge mm": lambda self, true: [Candidate(1 << 40, 0, c.address) for c in true],
    "mm is text": lambda self, true: [Candidate("mm", 0, c.address) for c in true],
    "vma is the mm": lambda self, true: [Candidate(c.mm, c.mm, c.address) for c in true],
    "unaligned": lambda self, true: [Candidate(c.mm, 0, c.address + 1) for c in true],
    "kernel address": lambda self, true: [Candidate(c.mm, 0, TASK_SIZE) for c in true],
    "negative address": lambda self, true: [Candidate(c.mm, 0, -4096) for c in true],
    "float address": lambda self, true: [Candidate(c.mm, 0, 4096.0) for c in true],
    "pairs": lambda self, true: [(c.mm, 0) for c in true],
    "a number": lambda self, true: 5,
    "nothing": lambda self, true: None,
    "endless, at a wrong place": lambda self, true: itertools.cycle(
        [c._replace(address=0x1000) for c in true]
    ),
}


@pytest.mark.parametrize("lie", LIES)
def test_candidates_that_cannot_be_are_refused_by_name(guest, lie):
    scheme = type("Liar", (Liar,), {"lie": LIES[lie]})
    with Machine(ram="1M", swap="16M", rmap=scheme) as machine:
        machine.spawn(guest("swap-storm"), ["swap-storm", "PAGES=300"], stdout=io.BytesIO())
        with pytest.raises(KernelBug, match="the rmap scheme 'liar'"):
            machine.run()


@pytest.mark.parametrize("program", ["mremap-shared", "mremap-exclusive"])
def test_a_scheme_that_wants_copies_for_ever_is_told(guest, program):
    class Never(AddressBook):
        name = "never"

        def page_moved(self, page, vma, address):
            return False

    with Machine(ram="1M", swap="16M", rmap=Never) as machine:
        machine.spawn(guest(program), [program], stdout=io.BytesIO())
        with pytest.raises(KernelBug, match="the rmap scheme 'never' wants a copy of a page"):
            machine.run()


@pytest.mark.parametrize("hook", ["page_added", "page_removed", "candidates"])
@pytest.mark.parametrize("error", [KeyboardInterrupt, ZeroDivisionError])
def test_a_hook_that_raises_is_named_and_breaks_the_machine(guest, hook, error):
    def fail(self, *args):
        raise error("from the hook")

    scheme = type("Failing", (AddressBook,), {hook: fail})
    with Machine(ram="1M", swap="16M", rmap=scheme) as machine:

        def use():
            machine.spawn(guest("swap-storm"), ["swap-storm", "PAGES=300"], stdout=io.BytesIO())
            machine.run()

        with pytest.raises(error, match="from the hook") as caught:
            use()
        assert caught.value.__notes__ == [f"in {hook}() of the rmap scheme 'address_book'"]
        for go_on in (machine.run, machine.step, use):
            with pytest.raises(VmemuError, match="the machine cannot go on") as refused:
                go_on()
            assert refused.value.__cause__ is caught.value
        assert machine.stats()


class Notes(AddressBook):
    objects: ClassVar = {"note": 32}


@pytest.mark.parametrize("kptr", [0, 4, 0xC0000000, 0xC0100004, 0xFFFFFFFC, -1, 1 << 40, "x", None])
def test_free_refuses_what_was_never_allocated(kptr):
    with (
        Machine(ram="1M", rmap=Notes) as machine,
        pytest.raises(KernelBug, match=r"'address_book' frees .*, which it has not got"),
    ):
        machine.vm.rmap.free(kptr)


def test_free_refuses_what_was_freed():
    with Machine(ram="1M", rmap=Notes) as machine:
        scheme = machine.vm.rmap
        first, second = scheme.allocate(), scheme.allocate()
        scheme.free(first)
        for kptr in (first, second + 4):
            with pytest.raises(KernelBug, match="which it has not got"):
                scheme.free(kptr)
        scheme.free(second)
        assert machine.core.m.bug[0] == b"\0"


@pytest.mark.parametrize("text", ["def (", "raise RuntimeError('no')", "import nowhere"])
def test_a_module_that_cannot_be_imported_is_told(tmp_path, monkeypatch, text):
    (tmp_path / "badscheme.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ConfigError, match="cannot load the rmap scheme 'badscheme:Thing'"):
        scheme_class("badscheme:Thing")


@pytest.mark.parametrize("name", ["..:x", ":", "a:", ":b"])
def test_names_that_cannot_be_modules_are_told(name):
    with pytest.raises(ConfigError, match="cannot load the rmap scheme"):
        scheme_class(name)


@pytest.mark.parametrize("walker", ["nonsense", "anonmm", 5])
def test_a_class_in_python_cannot_claim_another_walker(walker):
    scheme = type("Other", (AddressBook,), {"walker": walker})
    with pytest.raises(ConfigError, match="walker"):
        Machine(ram="1M", rmap=scheme)


@pytest.mark.parametrize("scheme", [5, object, None, AddressBook.check])
def test_what_is_no_scheme_class_is_refused(scheme):
    with pytest.raises(ConfigError, match="rmap must be"):
        Machine(ram="1M", rmap=scheme)


def test_a_candidate_must_be_an_area_of_its_mm(guest):
    class Mixing(AddressBook):
        def candidates(self, page):
            first, second = list(self._mms)[:2]
            yield Candidate(first, self.core.mm(second).mmap, 0x8048000)

    with Machine(ram="1M", swap="16M", rmap=Mixing) as machine:
        for _ in range(2):
            machine.spawn(guest("swap-storm"), ["swap-storm", "PAGES=300"], stdout=io.BytesIO())
        with pytest.raises(KernelBug, match="names no mm, vma of it and page"):
            machine.run()
