"""Structs as large as later kernels', packed as SLUB packs them."""

from __future__ import annotations

import io

import pytest

from tests.width import lib
from vmemu import Machine
from vmemu.errors import ConfigError
from vmemu.lab.experiment import run_scenario
from vmemu.lab.guests import guest_path
from vmemu.lab.overhead import measure_overhead
from vmemu.lab.scenarios import find_scenario
from vmemu.layouts import layouts

# vm_area_struct of anon_vma, and objects a page; anon_vma, its room, and objects a page
SIZES = {
    (32, "2.6.34"): (88, 46, 24, 24, 170),
    (64, "2.6.34"): (168, 24, 24, 24, 170),
    (64, "3.10"): (176, 23, 56, 64, 64),
    (64, "3.19"): (184, 22, 72, 80, 51),
    (64, "5.10"): (200, 20, 96, 96, 42),
    (64, "6.12"): (176, 23, 96, 96, 42),
    (64, "6.18"): (192, 21, 96, 104, 39),
    (64, "7.2"): (192, 21, 88, 88, 46),
}


@pytest.mark.parametrize(("bits", "name"), SIZES)
def test_objects_of_a_kernel(bits: int, name: str) -> None:
    vma, vmas, anon_vma, room, anon_vmas = SIZES[bits, name]
    with Machine(ram="4M", swap=None, bits=bits, layout=name) as machine:
        slabs = machine.stats()["slabs"]
    found = slabs["vm_area_struct"]
    assert (found["object_size"], found["per_slab"]) == (vma, vmas)
    found = slabs["anon_vma"]
    assert (found["object_size"], found["buffer_size"], found["per_slab"]) == (
        anon_vma,
        room,
        anon_vmas,
    )
    for cache in slabs.values():
        assert cache["per_slab"] == 4096 // cache["buffer_size"]


def test_every_layout_but_one_has_room_for_an_area() -> None:
    """6.1 has no tree and no list in its vmas: this kernel's need 168 bytes."""
    for bits in (32, 64):
        for layout in layouts(bits):
            if layout.name == "6.1":
                with pytest.raises(ConfigError, match="152 bytes, in which there is no room for t"):
                    Machine(ram="4M", swap=None, bits=bits, layout=layout.name)
            else:
                Machine(ram="4M", swap=None, bits=bits, layout=layout.name).close()


def test_a_layout_that_is_none() -> None:
    with pytest.raises(ConfigError, match=r"no layout '6.18' of 32 bits: choose one of 2\.6\.7, 2"):
        Machine(ram="4M", swap=None, bits=32, layout="6.18")


def test_what_a_written_area_costs_in_6_18() -> None:
    """24 bytes in it and 96 for its object; 21 and 24 vmas, 39 objects a page."""
    (cost,) = measure_overhead(("anon_vma",), 512, 1, {"bits": 64, "layout": "6.18"})
    assert cost.per_vma["own"].exact == 24 + 96
    assert cost.per_vma["own"].rounded == pytest.approx(4096 / 21 - 4096 / 24 + 4096 / 39)
    assert cost.per_vma["unwritten"].exact == 24
    assert cost.per_mm.exact == 0


@pytest.mark.parametrize(
    ("bits", "layout", "cache_line", "vma", "own"),
    [
        (32, "2.6.7", 128, 12, 12),
        (32, "2.6.7", 16, 12, 12),
        (32, "2.6.34", 128, 12, 24),
        (64, "2.6.34", 128, 24, 24),
        (64, "3.10", 64, 24, 56),
        (64, "6.18", 128, 24, 96),
    ],
)
def test_a_scheme_is_held_against_none_of_the_same_machine(
    bits: int, layout: str, cache_line: int, vma: int, own: int
) -> None:
    """What a layout or a cache line changes is not charged to the scheme."""
    options = {"bits": bits, "layout": layout, "cache_line": cache_line}
    scenario = find_scenario("mprotect-checkerboard")
    params = scenario.settle({"K": "8"})
    assert run_scenario(scenario, params, "none", options).cost == (0, 0)
    found = run_scenario(scenario, params, "anon_vma", options)
    vmas, anon_vmas = (found.slabs[name].objects for name in ("vm_area_struct", "anon_vma"))
    assert found.cost[0] == vma * vmas + own * anon_vmas


@pytest.mark.parametrize("rmap", ["none", "anonmm", "anon_vma"])
@pytest.mark.parametrize("guest", ["swap-storm PAGES=300 FORK=1", "overhead K=200", "cut-vma"])
def test_a_layout_changes_nothing_that_a_guest_sees(rmap: str, guest: str) -> None:
    outputs = []
    for name in ("2.6.7", "6.18"):
        output = io.BytesIO()
        ram = "4M" if rmap == "none" else "1536K"
        with Machine(ram=ram, swap="8M", rmap=rmap, bits=64, layout=name) as machine:
            argv = guest.split()
            machine.kernel.on_mark = lambda *_, check=machine.check: check()
            machine.spawn(guest_path(argv[0], 64), argv, stdout=output)
            assert machine.run().exit_status == 0
            machine.check()
            core = machine.core
            slub = bool(core.m.k.caches[lib.CACHE_vm_area_struct].slub)
            assert slub == (name == "6.18")
        outputs.append(output.getvalue())
    assert outputs[0] == outputs[1] != b""


def test_objects_come_and_go() -> None:
    """Whole pages of them, freed in another order; an object that was freed is nobody's."""
    with Machine(ram="4M", swap=None, bits=64, layout="7.2") as machine:
        core, m = machine.core, machine.core.m
        cache = lib.CACHE_address_space
        slabs = m.k.caches[cache].nr_slabs
        objects = [core.lib.kmem_cache_alloc(m, cache, 0) for _ in range(100)]
        addresses = [core.kaddr(each) for each in objects]
        assert len(set(addresses)) == 100
        assert m.k.caches[cache].nr_slabs == slabs + -(-100 // (4096 // 152))
        for n in range(100):
            at = (n * 37) % 100
            assert core.lib.kmem_cache_owns(m, cache, addresses[at])
            core.lib.kmem_cache_free(m, cache, objects[at])
            assert not core.lib.kmem_cache_owns(m, cache, addresses[at])
        assert m.k.caches[cache].nr_slabs == slabs
        machine.check()
