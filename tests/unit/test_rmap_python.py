"""A scheme written in Python: plugged in, measured and checked like the others."""

from __future__ import annotations

import io

import pytest

from vmemu.check import check_machine
from vmemu.errors import ConfigError, KernelBug
from vmemu.machine import Machine
from vmemu.rmap import scheme_class
from vmemu.rmap.python import AddressBook

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
