"""Sizes of kernel structures, and how 2.6.6's slabs pack them: the figures of i386 SMP.

Those of x86-64 are in test_width.py.
"""

from __future__ import annotations

from itertools import pairwise

import pytest
from memory import BASE, PAGE, RW, Memory

from tests.width import LEVELS, TABLE, ffi, lib
from vmemu.core import Core
from vmemu.mm import do_munmap

# bytes in 2.6.6 / 2.6.7 built for i386 SMP without debugging
SIZES = {
    "struct page": 32,
    "struct vm_area_struct": 72,
    "struct anon_vma_tail": 12,
    "struct mm_struct": 524,
    "struct anonmm_tail": 4,
    "struct anon_vma": 12,
    "struct anonmm": 24,
    "struct address_space": 84,
    "struct radix_tree_node": 276,
    "struct slab": 24,
    "struct list_head": 8,
    "struct rb_node": 16,
}


@pytest.mark.i386
@pytest.mark.parametrize("name", SIZES)
def test_sizes(name: str) -> None:
    assert ffi.sizeof(name) == SIZES[name]


@pytest.mark.i386
@pytest.mark.parametrize(
    ("scheme", "vma", "mm"), [("anonmm", 72, 528), ("anon_vma", 84, 524), ("none", 72, 524)]
)
def test_a_scheme_gets_only_its_own_fields(scheme: str, vma: int, mm: int) -> None:
    """They stand behind the struct that all have."""
    memory = Memory(scheme)
    assert memory.m.k.caches[lib.CACHE_vm_area_struct].objsize == vma
    assert memory.m.k.caches[lib.CACHE_mm_struct].objsize == mm
    memory.close()


@pytest.mark.i386
@pytest.mark.parametrize(
    ("scheme", "cache", "objects"),
    [
        ("anonmm", "vm_area_struct", 53),
        ("anon_vma", "vm_area_struct", 46),
        ("anon_vma", "anon_vma", 254),
        ("anonmm", "anonmm", 145),
    ],
)
@pytest.mark.parametrize("cache_line", [16, 32, 64, 128])
def test_objects_in_a_slab(scheme: str, cache: str, objects: int, cache_line: int) -> None:
    """24 bytes of struct slab and 4 of bufctl an object leave so much of 4096."""
    core = Core(4 << 20, scheme, cache_line=cache_line)
    assert core.m.k.caches[core.caches.index(cache)].num == objects
    core.close()


@pytest.mark.i386
@pytest.mark.parametrize("scheme", ["anonmm", "anon_vma"])
@pytest.mark.parametrize(("cache_line", "bytes_", "objects"), [(32, 544, 7), (128, 640, 6)])
def test_mm_struct_is_cache_line_aligned(
    scheme: str, cache_line: int, bytes_: int, objects: int
) -> None:
    """So anonmm's pointer in it costs nothing."""
    core = Core(4 << 20, scheme, cache_line=cache_line)
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
