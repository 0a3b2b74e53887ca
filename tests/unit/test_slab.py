"""Object caches: how many objects a frame holds, which one comes next, when the frame goes."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import pytest
from memory import PAGE, Memory

from tests.width import WORD, ffi, lib

SLAB = ffi.sizeof("struct slab")
BUFCTL = 4  # what each object costs beside itself
CACHE = lib.CACHE_radix_tree_node


@pytest.fixture
def memory() -> Iterator[Memory]:
    memory = Memory(cache_line=128)
    yield memory
    memory.check()
    memory.close()


def take(memory: Memory, cache: int = CACHE) -> int:
    """A new object's address in the guest."""
    made = lib.kmem_cache_alloc(memory.m, cache, lib.GFP_KERNEL)
    assert made
    return int(memory.core.kaddr(made))


def give(memory: Memory, kaddr: int, cache: int = CACHE) -> None:
    lib.kmem_cache_free(memory.m, cache, ffi.cast("void *", memory.core.base + kaddr))


@pytest.mark.parametrize("cache", range(lib.CACHE_rmap + 1))
def test_packing(memory: Memory, cache: int) -> None:
    """As many as fit behind struct slab and the bufctls, aligned; not one more."""
    c = memory.m.k.caches[cache]
    assert c.id == cache
    assert c.align == (128 if memory.core.caches[cache] == "mm_struct" else WORD)
    assert c.bufsize == -(-c.objsize // c.align) * c.align

    def used(objects: int) -> int:
        header = SLAB + objects * BUFCTL
        return int(-(-header // c.align) * c.align + objects * c.bufsize)

    assert used(c.num) <= PAGE < used(c.num + 1)
    # So many come from one frame, back to back behind the header, the next from another.
    free = memory.free
    made = [take(memory, cache) for _ in range(c.num)]
    assert memory.free == free - 1
    first = made[0] % PAGE
    assert first == used(c.num) - c.num * c.bufsize
    assert made == [made[0] + n * c.bufsize for n in range(c.num)]
    made.append(take(memory, cache))
    assert memory.free == free - 2
    assert c.nr_slabs == 2
    for kaddr in made:
        give(memory, kaddr, cache)
    assert memory.free == free
    assert (c.nr_slabs, c.nr_active) == (0, 0)


def test_an_object_is_zeroed_and_a_freed_one_is_not(memory: Memory) -> None:
    size = memory.m.k.caches[CACHE].objsize
    keep, kaddr = take(memory), take(memory)
    at = ffi.buffer(ffi.cast("char *", memory.core.base + kaddr), size)
    assert at[:] == bytes(size)
    at[:] = b"\xff" * size
    give(memory, kaddr)
    assert at[:] == b"\x6b" * size  # POISON_FREE
    assert take(memory) == kaddr
    assert at[:] == bytes(size)
    give(memory, kaddr)
    give(memory, keep)


def test_the_object_freed_last_comes_first(memory: Memory) -> None:
    made = [take(memory) for _ in range(5)]
    for n in (1, 3, 2):
        give(memory, made[n])
    assert [take(memory) for _ in range(3)] == [made[2], made[3], made[1]]
    for kaddr in made:
        give(memory, kaddr)


def test_a_full_slab_that_has_room_again_is_used_first(memory: Memory) -> None:
    num = memory.m.k.caches[CACHE].num
    made = [take(memory) for _ in range(3 * num)]  # three full slabs
    early, late = made[0], made[num]
    give(memory, early)
    give(memory, late)
    assert take(memory) == late
    assert take(memory) == early
    for kaddr in made:
        give(memory, kaddr)


def test_any_order(memory: Memory) -> None:
    """As many frames as there are slabs in use; no object is given out twice."""
    c, rng = memory.m.k.caches[CACHE], random.Random(4)
    free, live = memory.free, set[int]()
    for _ in range(2000):
        if live and rng.random() < 0.49:
            kaddr = rng.choice(sorted(live))
            live.remove(kaddr)
            give(memory, kaddr)
        else:
            kaddr = take(memory)
            assert kaddr not in live
            live.add(kaddr)
        frames = {kaddr // PAGE for kaddr in live}
        assert (c.nr_active, c.nr_slabs) == (len(live), len(frames))
        assert memory.free == free - len(frames)
        assert len(lists(memory, c.slabs_full)) + len(lists(memory, c.slabs_partial)) == len(frames)
    assert all(slab.inuse == c.num for slab in lists(memory, c.slabs_full))
    assert all(0 < slab.inuse < c.num for slab in lists(memory, c.slabs_partial))
    for kaddr in live:
        give(memory, kaddr)


def lists(memory: Memory, head: Any) -> list[Any]:
    found, at = [], head.next
    while at != memory.core.kaddr(ffi.addressof(head)):
        found.append(ffi.cast("struct slab *", memory.core.base + at))
        at = found[-1].list.next
    return found


@pytest.mark.parametrize("wrong", ["not a slab", "another cache", "twice"])
def test_what_is_no_object_of_the_cache_is_not_freed(wrong: str) -> None:
    memory = Memory()
    made = take(memory)
    if wrong == "not a slab":
        page = lib.alloc_page(memory.m, lib.GFP_KERNEL)
        give(memory, memory.core.page_offset + (lib.page_to_pfn(memory.m, page) << 12) + 512)
    elif wrong == "another cache":
        give(memory, made, lib.CACHE_mm_struct)
    else:
        give(memory, made)
        give(memory, made)
    assert b"slab.c" in ffi.string(memory.m.bug)
    memory.close()


def test_without_memory_there_is_none() -> None:
    memory = Memory()
    with memory.starved(CACHE):
        assert not lib.kmem_cache_alloc(memory.m, CACHE, lib.GFP_ATOMIC)
    assert take(memory)
    memory.close()
