"""Sizes of kernel structures, and how 2.6.6's slabs pack them: of SMP kernels of both widths."""

from __future__ import annotations

from itertools import pairwise

import pytest
from memory import BASE, PAGE, RW, Memory

from tests.width import LEVELS, TABLE, ffi, lib
from vmemu.core import Core, core_of
from vmemu.mm import do_munmap

# bytes in 2.6.6 / 2.6.7 built for i386 and for x86-64, SMP without debugging
SIZES = {
    "struct page": (32, 56),
    "struct vm_area_struct": (56, 112),  # with an i_mmap's 72 and 144, or 64 and 128 of lists
    "struct prio_tree_node": (16, 32),
    "struct interval_node": (16, 32),
    "struct anon_vma_tail": (12, 24),
    "struct mm_struct": (524, 1000),
    "struct anonmm_tail": (4, 8),
    "struct anon_vma": (12, 24),
    "struct anonmm": (24, 40),
    "struct address_space": (84, 152),
    "struct radix_tree_node": (276, 536),
    "struct slab": (24, 40),
    "struct list_head": (8, 16),
    "struct rb_node": (16, 32),
}


@pytest.mark.parametrize("name", SIZES)
def test_sizes(name: str) -> None:
    assert tuple(core_of(bits)[0].sizeof(name) for bits in (32, 64)) == SIZES[name]


@pytest.mark.parametrize(
    ("bits", "scheme", "vma", "mm"),
    [
        (32, "anonmm", 72, 528),
        (32, "anon_vma", 84, 524),
        (32, "none", 72, 524),
        (64, "anonmm", 144, 1008),
        (64, "anon_vma", 168, 1000),
        (64, "none", 144, 1000),
    ],
)
def test_a_scheme_gets_only_its_own_fields(bits: int, scheme: str, vma: int, mm: int) -> None:
    """They stand behind the struct that all have."""
    memory = Memory(scheme, bits=bits)
    assert memory.m.k.caches[lib.CACHE_vm_area_struct].objsize == vma
    assert memory.m.k.caches[lib.CACHE_mm_struct].objsize == mm
    memory.close()


@pytest.mark.parametrize(
    ("bits", "scheme", "cache", "objects"),
    [
        (32, "anonmm", "vm_area_struct", 53),
        (32, "anon_vma", "vm_area_struct", 46),
        (32, "anon_vma", "anon_vma", 254),
        (32, "anonmm", "anonmm", 145),
        (64, "anonmm", "vm_area_struct", 27),
        (64, "anon_vma", "vm_area_struct", 23),
        (64, "anon_vma", "anon_vma", 144),
        (64, "anonmm", "anonmm", 92),
    ],
)
@pytest.mark.parametrize("cache_line", [16, 32, 64, 128])
def test_objects_in_a_slab(
    bits: int, scheme: str, cache: str, objects: int, cache_line: int
) -> None:
    """struct slab, 24 bytes or 40, and 4 of bufctl an object leave so much of 4096."""
    core = Core(4 << 20, scheme, cache_line=cache_line, bits=bits)
    assert core.m.k.caches[core.caches.index(cache)].num == objects
    core.close()


@pytest.mark.parametrize("scheme", ["anonmm", "anon_vma"])
@pytest.mark.parametrize(
    ("bits", "cache_line", "bytes_", "objects"),
    [(32, 32, 544, 7), (32, 128, 640, 6), (64, 32, 1024, 3), (64, 128, 1024, 3)],
)
def test_mm_struct_is_cache_line_aligned(
    bits: int, scheme: str, cache_line: int, bytes_: int, objects: int
) -> None:
    """So anonmm's pointer in it costs nothing."""
    core = Core(4 << 20, scheme, cache_line=cache_line, bits=bits)
    cache = core.m.k.caches[lib.CACHE_mm_struct]
    assert (cache.bufsize, cache.num) == (bytes_, objects)
    core.close()


def test_objects_lie_where_the_cache_says() -> None:
    """Aligned, apart, inside the frame, behind struct slab and the bufctls; all zero."""
    core = Core(4 << 20, "anonmm", cache_line=128)
    for cache in core.m.k.caches[0 : len(core.caches)]:
        objects = [lib.kmem_cache_alloc(core.m, cache.id, 0) for _ in range(cache.num)]
        addresses = sorted(core.kaddr(object_) for object_ in objects)
        assert cache.nr_slabs == 1
        assert len({address // PAGE for address in addresses}) == 1
        assert addresses[0] % PAGE >= ffi.sizeof("struct slab") + 4 * cache.num
        assert addresses[-1] % PAGE + cache.objsize <= PAGE
        assert all(address % cache.align == 0 for address in addresses)
        steps = {high - low for low, high in pairwise(addresses)}
        assert steps <= {cache.bufsize}
        for object_ in objects:
            assert bytes(ffi.buffer(object_, cache.objsize)) == bytes(cache.objsize)
            ffi.buffer(object_, cache.objsize)[:] = b"x" * cache.objsize
        for object_ in objects:
            lib.kmem_cache_free(core.m, cache.id, object_)
        assert (cache.nr_slabs, cache.nr_active) == (0, 0)
    core.check_bug()
    core.close()


@pytest.mark.parametrize("scheme", ["anonmm", "anon_vma"])
def test_slabs_and_page_tables_give_their_frames_back(scheme: str) -> None:
    memory = Memory(scheme, ram=2048)
    memory.process().put()
    free = memory.free
    mm = memory.process()
    for n in range(300):  # vmas with a hole between, in seven page tables
        memory.map(mm, n * 24, 1, RW)
        memory.fill(mm, n * 24, 1)
    assert memory.m.k.caches[lib.CACHE_vm_area_struct].nr_slabs >= 300 // 53
    assert memory.m.pages.nr_pagetable >= 7
    assert memory.free <= free - 300 - 7 - 300 // 53
    mm.put()
    assert memory.free == free
    assert memory.m.pages.nr_pagetable == 0
    memory.check()
    memory.close()


def test_a_page_table_goes_when_nothing_is_left_in_its_reach() -> None:
    memory = Memory(overcommit=1)
    mm = memory.process()
    memory.map(mm, 0, 3 * TABLE)  # three tables' worth
    for n in (0, TABLE, 2 * TABLE):
        memory.fill(mm, n, 1)
    tables = memory.m.pages.nr_pagetable
    do_munmap(mm, BASE + TABLE * PAGE, (TABLE - 1) * PAGE)
    assert memory.m.pages.nr_pagetable == tables  # one page of the second is still mapped
    do_munmap(mm, BASE + (2 * TABLE - 1) * PAGE, PAGE)
    assert memory.m.pages.nr_pagetable == tables - 1
    do_munmap(mm, BASE, 3 * TABLE * PAGE)
    assert memory.m.pages.nr_pagetable == tables - 3 - (LEVELS - 2)  # those above, too
    memory.check()
    memory.close()
