"""machine.check() fails, by name, on each of what it recomputes."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from memory import BASE, CHOICES, FIXED, PAGE, PRIVATE, SCHEMES, WALKING, Memory, R

from tests.width import ffi, lib
from vmemu.core import I_MMAP
from vmemu.errors import KernelBug
from vmemu.file.inode import Inode
from vmemu.mm import Mm, do_mmap, dup_mmap

WALKS = {"page_referenced": lib.WALK_REFERENCED, "try_to_unmap": lib.WALK_UNMAP}


@pytest.fixture(params=SCHEMES)
def memory(request: pytest.FixtureRequest) -> Iterator[Memory]:
    """Nothing is checked at the end: the tests break what is checked."""
    scheme, i_mmap = (request.param, I_MMAP) if isinstance(request.param, str) else request.param
    memory = Memory(scheme, i_mmap=i_mmap)
    yield memory
    memory.close()


@pytest.fixture
def family(memory: Memory) -> tuple[Mm, Mm, Mm]:
    """A parent and two children, which share four pages and have one each of their own."""
    parent = memory.process()
    memory.map(parent, 0, 4)
    memory.fill(parent, 0, 4)
    children = dup_mmap(parent), dup_mmap(parent)
    memory.map(parent, 8, 1)
    memory.fill(parent, 8, 1)
    memory.check()
    return parent, *children


@pytest.fixture
def mapped(memory: Memory, tmp_path: Path) -> tuple[Inode, Mm, Mm]:
    """A file of three pages, mapped by a process at two places and by its child."""
    path = tmp_path / "file"
    path.write_bytes(b"".join(bytes([n]) * PAGE for n in range(3)))
    inode = memory.vm.inodes.open(str(path))
    mm = memory.process()
    for page in (0, 8):
        do_mmap(mm, BASE + page * PAGE, 3 * PAGE, R, PRIVATE | FIXED, inode)
        mm.read(BASE + page * PAGE, 3 * PAGE)
    child = dup_mmap(mm)
    memory.check()
    return inode, mm, child


def broken(memory: Memory, message: str) -> None:
    with pytest.raises(KernelBug, match=message):
        memory.check()


def page_at(memory: Memory, mm: Mm, page: int) -> Any:
    return memory.core.page(lib.pte_value(memory.m, mm.ptr, BASE + page * PAGE) >> 12)


def unlink(memory: Memory, node: Any) -> None:
    """Take a ``struct list_head`` off its list, wherever it stands."""
    base = memory.core.base
    ffi.cast("struct list_head *", base + node.prev).next = node.next
    ffi.cast("struct list_head *", base + node.next).prev = node.prev


def link_last(memory: Memory, node: Any, head: Any) -> None:
    core = memory.core
    node.prev, node.next = head.prev, core.kaddr(ffi.addressof(head))
    ffi.cast("struct list_head *", core.base + head.prev).next = core.kaddr(ffi.addressof(node))
    head.prev = core.kaddr(ffi.addressof(node))


def anon_list(memory: Memory, mm: Mm) -> tuple[Any, Any]:
    """The first area's node, and the head of its anon_vma's list."""
    vma = next(iter(mm.vmas()))
    tail = memory.vm.rmap.tail(vma)
    head = ffi.cast("struct anon_vma *", memory.core.base + tail.anon_vma).head
    return tail.anon_vma_node, head


def anonmm_of(memory: Memory, mm: Mm) -> Any:
    return ffi.cast("struct anonmm *", memory.core.base + memory.vm.rmap.anonmm(mm.ptr))


needs_anon_vma = pytest.mark.parametrize("memory", ["anon_vma39", "anon_vma"], indirect=True)


@needs_anon_vma
def test_an_area_off_its_anon_vma(memory: Memory, family: tuple[Mm, Mm, Mm]) -> None:
    node, _ = anon_list(memory, family[1])
    unlink(memory, node)
    broken(memory, "the list of anon_vma 0x[0-9a-f]+ is not its 3 vmas")


@needs_anon_vma
@pytest.mark.parametrize("who", [1, 2])
def test_an_area_in_a_wrong_place_of_it(
    memory: Memory, family: tuple[Mm, Mm, Mm], who: int
) -> None:
    node, head = anon_list(memory, family[who])
    unlink(memory, node)
    link_last(memory, node, head)
    broken(memory, "the areas of anon_vma 0x[0-9a-f]+ are not in the order in which they came")


def replace_walk(memory: Memory, name: str, walk: Callable[[Callable[[], None]], None]) -> Any:
    """Put a function before a scheme's walk, which it is given; what must be kept alive."""
    original = memory.m.rmap
    ops = ffi.new("struct rmap_ops *", original[0])
    real = original.walk

    def called(m: Any, page: Any, search: Any) -> None:
        if search.walk == WALKS[name]:
            walk(lambda: real(m, page, search))
        else:
            real(m, page, search)

    signature = "void(struct vmemu *, struct page *, struct rmap_search *)"
    ops.walk = callback = ffi.callback(signature, called)
    memory.m.rmap = ops
    return ops, callback


@pytest.mark.parametrize("name", WALKS)
@pytest.mark.parametrize("memory", WALKING, indirect=True)
def test_a_walk_that_skips_a_mapping(memory: Memory, family: tuple[Mm, Mm, Mm], name: str) -> None:
    """It does not come to one process, of three."""

    def skip(real: Callable[[], None]) -> None:
        real()
        finding = memory.m.check.finding
        for i in range(finding.n):
            if finding.where[i].mm == family[1].kaddr:
                finding.reached[i] = 0

    kept = replace_walk(memory, name, skip)
    broken(memory, rf"{name} would not find page \d+ at 0x10000000 of mm 0x[0-9a-f]+")
    del kept


@pytest.mark.parametrize("name", WALKS)
@pytest.mark.parametrize("memory", WALKING, indirect=True)
def test_a_walk_that_does_nothing(memory: Memory, family: tuple[Mm, Mm, Mm], name: str) -> None:
    kept = replace_walk(memory, name, lambda real: None)
    broken(memory, f"{name} would not find")
    del kept


@pytest.mark.parametrize("memory", [*SCHEMES, *CHOICES], indirect=True)
def test_asking_the_walks_changes_nothing(memory: Memory, family: tuple[Mm, Mm, Mm]) -> None:
    """No counter, no accessed bit, no lock, nothing in RAM."""

    def state() -> tuple[bytes, list[int], list[int]]:
        m = memory.m
        locks = [lock.acquired + lock.failed + lock.steps_held for lock in m.locks.stat]
        return bytes(ffi.buffer(m.ram, m.ram_size)), list(m.counter), locks

    family[0].put()  # pages of an extinct mm are where anonmm's walk would migrate them
    before = state()
    memory.check()
    assert state() == before


@pytest.mark.parametrize("memory", WALKING, indirect=True)
def test_a_wrong_index_of_an_anonymous_page(memory: Memory, family: tuple[Mm, Mm, Mm]) -> None:
    if not memory.scheme.uses_index:
        pytest.skip("nobody reads it")
    page_at(memory, family[0], 2).index += 1
    broken(memory, r"page \d+ .* index 0x")


@pytest.mark.parametrize("child", [0, 1])
def test_an_anonmm_in_a_wrong_place_of_its_ring(child: int) -> None:
    """Walks go round in fork order: a child that stands elsewhere costs other probes."""
    memory = Memory("anonmm")
    parent = memory.process()
    children = [dup_mmap(parent) for _ in range(3)]
    children.pop(1).put()
    children.insert(1, dup_mmap(parent))
    memory.check()
    at = functools.partial(anonmm_of, memory)
    order = [0, 2, 1]  # the second was made again
    node = at(children[order[child]]).list
    unlink(memory, node)
    link_last(memory, node, at(parent).list)
    broken(memory, "the ring of anonmm 0x[0-9a-f]+ is not in the order of the forks")
    memory.close()


def test_an_anonmm_of_another_bundle() -> None:
    memory = Memory("anonmm")
    one, other = memory.process(), memory.process()
    child = dup_mmap(one)
    for mm in (one, other):
        memory.map(mm, 0, 1)
        memory.fill(mm, 0, 1)
    memory.check()
    at = functools.partial(anonmm_of, memory)
    at(child).head = memory.vm.rmap.anonmm(other.ptr)
    broken(memory, r"anonmm 0x[0-9a-f]+ is on the ring of another head")
    memory.close()


def file_link(memory: Memory, vma: Any) -> Any:
    """The ``struct list_head`` of an area on its file's list."""
    at = memory.core.kaddr(vma) + memory.m.i_mmap_node
    return ffi.cast("struct list_head *", memory.core.base + at)[0]


in_lists = pytest.mark.parametrize(
    "memory", [("anonmm", "list"), ("anon_vma", "list")], indirect=True
)


@in_lists
def test_an_area_off_its_file(memory: Memory, mapped: tuple[Inode, Mm, Mm]) -> None:
    unlink(memory, file_link(memory, next(iter(mapped[2].vmas()))))
    broken(memory, "file 0x[0-9a-f]+ lists 3 areas, not its 4")


@in_lists
def test_an_area_in_a_wrong_place_of_it_s_file(
    memory: Memory, mapped: tuple[Inode, Mm, Mm]
) -> None:
    inode, mm, _ = mapped
    node = file_link(memory, next(iter(mm.vmas())))
    mapping = ffi.cast("struct address_space *", memory.core.base + inode.kaddr)
    unlink(memory, node)
    link_last(memory, node, mapping.i_mmap.list)
    broken(memory, "the areas of file 0x[0-9a-f]+ are not in the order in which they came")


def test_a_wrong_index_of_a_file_s_page(memory: Memory, mapped: tuple[Inode, Mm, Mm]) -> None:
    page_at(memory, mapped[1], 1).index = 2
    broken(memory, r"page \d+ is in file 0x[0-9a-f]+ at 1, and says 0x[0-9a-f]+ at 2")


def test_a_page_mapped_at_another_s_place(memory: Memory, mapped: tuple[Inode, Mm, Mm]) -> None:
    """Both ptes are sound, and stand the wrong way round."""
    first, second = (lib.pte_offset(memory.m, mapped[1].ptr, BASE + page * PAGE) for page in (0, 1))
    first[0], second[0] = second[0], first[0]
    broken(memory, r"page \d+ at 0x1000000. has index 0x., its area says 0x.")


@pytest.mark.parametrize("by", [1, -1])
def test_wrong_counts_of_the_page_cache(
    memory: Memory, mapped: tuple[Inode, Mm, Mm], by: int
) -> None:
    memory.m.pages.nr_pagecache += by
    broken(memory, f"nr_pagecache is {3 + by}, recomputed 3")
    memory.m.pages.nr_pagecache -= by
    mapping = ffi.cast("struct address_space *", memory.core.base + mapped[0].kaddr)
    mapping.nrpages += by
    broken(memory, rf"nrpages of file 0x[0-9a-f]+ is {3 + by}, recomputed 3")


def test_the_message_names_the_scheme(memory: Memory, family: tuple[Mm, Mm, Mm]) -> None:
    memory.m.pages.nr_mapped += 1
    broken(memory, re.escape(f"check failed under {memory.scheme.name}: nr_mapped is 6"))


@pytest.mark.parametrize("damage", ["back link", "elsewhere", "within a page", "a ring without it"])
def test_a_broken_list_of_frames(memory: Memory, family: tuple[Mm, Mm, Mm], damage: str) -> None:
    core, m = memory.core, memory.core.m
    head = m.k.zone.free_list
    first = ffi.cast("struct list_head *", core.base + head.next)
    second = ffi.cast("struct list_head *", core.base + first.next)
    if damage == "back link":
        second.prev = second.next
    elif damage == "elsewhere":  # below the first struct page
        first.next = core.kaddr(m.mem_map) - 4096
    elif damage == "within a page":
        first.next += 4
    else:  # its links agree, but it never comes back to the head
        first.prev, second.next = core.kaddr(second), core.kaddr(first)
    broken(memory, r"list of struct page.lru at 0x[0-9a-f]+ is broken at 0x[0-9a-f]+")
