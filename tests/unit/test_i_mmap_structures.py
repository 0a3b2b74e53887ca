"""What a file's areas are kept in: whatever happens to areas, each is there once and is found."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from memory import BASE, FIXED, PAGE, PRIVATE, RW, WALKING, Memory, R

from tests.width import ffi, lib
from vmemu.core import I_MMAPS
from vmemu.errors import ConfigError, Errno, KernelBug
from vmemu.file.i_mmap import areas_of, kept
from vmemu.mm import Mm, do_mmap, do_mprotect, do_mremap, do_munmap, dup_mmap

PAGES = 64  # of the file


@pytest.fixture(params=I_MMAPS)
def memory(request: pytest.FixtureRequest) -> Iterator[Memory]:
    memory = Memory("anon_vma", ram=2048, i_mmap=request.param)
    yield memory
    memory.close()


@pytest.fixture
def inode(memory: Memory, tmp_path: Path) -> Any:
    path = tmp_path / "file"
    path.write_bytes(b"".join(bytes([n]) * PAGE for n in range(PAGES)))
    return memory.vm.inodes.open(str(path))


def mapping_of(memory: Memory, inode: Any) -> Any:
    return ffi.cast("struct address_space *", memory.core.base + inode.kaddr)


def window(mm: Mm, at: int, pages: int, inode: Any, first: int, prot: int = R) -> int:
    return do_mmap(mm, BASE + at * PAGE, pages * PAGE, prot, PRIVATE | FIXED, inode, first)


def intervals(memory: Memory, mapping: Any) -> list[tuple[int, int, int]]:
    """What a walk through everything comes to, as (first page, last page, kptr)."""
    found = []
    for kptr in areas_of(memory.core, mapping):
        vma = memory.core.vma(kptr)
        pages = (vma.vm_end - vma.vm_start) // PAGE
        found.append((vma.vm_pgoff, vma.vm_pgoff + pages - 1, kptr))
    return found


@pytest.mark.parametrize(
    ("bits", "i_mmap", "vma", "space"),
    [
        (32, "list", 64, 92),
        (32, "prio_tree", 72, 84),
        (32, "interval_tree", 72, 84),
        (64, "list", 128, 168),
        (64, "prio_tree", 144, 152),
        (64, "interval_tree", 144, 152),
    ],
)
def test_bytes(bits: int, i_mmap: str, vma: int, space: int) -> None:
    """2.6.6 has 64 and 128 bytes an area, 2.6.7 without anon_vma 72 and 144."""
    memory = Memory("anonmm", bits=bits, i_mmap=i_mmap)
    caches = memory.m.k.caches
    assert caches[lib.CACHE_vm_area_struct].objsize == vma
    assert caches[lib.CACHE_address_space].objsize == space
    memory.close()


def test_names() -> None:
    assert I_MMAPS == ["list", "prio_tree", "interval_tree"]
    with pytest.raises(ConfigError, match="there is no i_mmap 'btree': choose one of list, prio"):
        Memory("none", i_mmap="btree")


@pytest.mark.parametrize("scheme", WALKING)
@pytest.mark.parametrize("i_mmap", I_MMAPS)
def test_random_areas(scheme: str, i_mmap: str, tmp_path: Path) -> None:
    """mmap, munmap, mremap, mprotect, fork, exit: held against a list of what there must be."""
    rng = random.Random(f"{scheme} {i_mmap}")
    memory = Memory(scheme, ram=4096, i_mmap=i_mmap)
    path = tmp_path / "file"
    path.write_bytes(bytes(PAGES * PAGE))
    inode = memory.vm.inodes.open(str(path))
    mapping = mapping_of(memory, inode)
    mms = [memory.process()]
    for step in range(240):
        mm, at, pages = rng.choice(mms), rng.randrange(200), rng.randrange(1, 9)
        first = rng.choice((0, 8, rng.randrange(PAGES - 8)))
        match rng.randrange(10):
            case 0 | 1 | 2 | 3 | 4:
                window(mm, at, pages, inode, first, rng.choice((R, R, RW)))
            case 5 | 6:
                do_munmap(mm, BASE + at * PAGE, pages * PAGE)
            case 7:
                vmas = list(mm.vmas())
                if vmas:
                    vma = rng.choice(vmas)
                    size = vma.vm_end - vma.vm_start
                    new = BASE + (300 + rng.randrange(200)) * PAGE
                    with contextlib.suppress(Errno):  # a place within itself
                        grown = rng.choice((size, size + PAGE))
                        do_mremap(mm, vma.vm_start, size, grown, 3, new)
            case 8:
                for vma in mm.vmas():
                    prot = rng.choice((R, RW))
                    do_mprotect(mm, vma.vm_start, PAGE, prot)
                    break
            case 9:
                if len(mms) < 4:
                    mms.append(dup_mmap(mm))
                elif len(mms) > 1:
                    mms.pop(rng.randrange(len(mms))).put()
        mm = rng.choice(mms)
        for vma in mm.vmas():
            if rng.random() < 0.3 and vma.vm_pgoff < PAGES:
                if vma.vm_flags & lib.VM_WRITE:
                    mm.write(vma.vm_start, b"w")
                else:
                    mm.read(vma.vm_start, 1)
        if step % 8 == 0:
            memory.check()
        there = intervals(memory, mapping)
        low = rng.randrange(PAGES)
        high = low + rng.choice((0, 0, 1, 7))
        expected = sorted(kptr for a, b, kptr in there if a <= high and b >= low)
        assert sorted(found_for(memory, mapping, low, high)) == expected
    memory.check()
    for mm in mms:
        mm.put()
    memory.check()
    assert not inode.mapped
    memory.close()


def found_for(memory: Memory, mapping: Any, low: int, high: int) -> list[int]:
    """What i_mmap_for_each() comes to for some pages."""
    out = ffi.new("kptr[]", 4096)
    core = memory.core
    return list(out[0 : core.lib.i_mmap_range(core.m, mapping, low, high, out, 4096)])


@pytest.mark.parametrize("memory", I_MMAPS[1:], indirect=True)
def test_a_tree_finds_one_window_of_many_in_few_steps(memory: Memory, inode: Any) -> None:
    """2 000 areas that map other pages: at most twice the height of a tree of them."""
    mm = memory.process()
    for n in range(2000):
        window(mm, 2 * n, 1, inode, n)
    mapping = mapping_of(memory, inode)
    for page in (0, 1, 999, 1024, 1999):
        before = memory.m.counter[lib.CNT_i_mmap_nodes]
        assert len(found_for(memory, mapping, page, page)) == 1
        assert memory.m.counter[lib.CNT_i_mmap_nodes] - before <= 2 * 12
    memory.check()


def test_a_fork_s_areas_are_beside_their_parents(memory: Memory, inode: Any) -> None:
    """In a prio_tree they share one node: the child's are in the vm_set."""
    parent = memory.process()
    for n in range(8):
        window(parent, 2 * n, 1, inode, n)
    children = [dup_mmap(parent) for _ in range(3)]
    mapping = mapping_of(memory, inode)
    assert len(areas_of(memory.core, mapping)) == 32
    if memory.core.i_mmap == "prio_tree":
        nodes = memory.m.counter[lib.CNT_i_mmap_nodes]
        assert len(found_for(memory, mapping, 0, PAGES)) == 32
        assert memory.m.counter[lib.CNT_i_mmap_nodes] - nodes == 8
    parent.put()  # whose areas were in the tree
    memory.check()
    assert len(areas_of(memory.core, mapping)) == 24
    for child in children:
        child.put()
    memory.check()


def test_walks_are_counted(memory: Memory, inode: Any) -> None:
    """One page in two areas out of ten: two probes, and the others a cmp each, or none."""
    mm = memory.process()
    for n in range(8):
        window(mm, 4 * n, 2, inode, 2 * n)
    window(mm, 40, 16, inode, 0)
    window(mm, 60, 16, inode, 16)
    mm.read(BASE + 4 * 7 * PAGE, PAGE)  # page 14
    mm.read(BASE + 54 * PAGE, PAGE)
    pte = lib.pte_value(memory.m, mm.ptr, BASE + 54 * PAGE)
    before = memory.core.counters()
    assert lib.page_referenced(memory.m, memory.core.page(pte >> 12)) == 3  # PG_referenced, too
    after = memory.core.counters()
    counted = {name: after[name] - before[name] for name in after if after[name] != before[name]}
    nodes = counted.pop("i_mmap_nodes", 0)
    assert bool(nodes) == (memory.core.i_mmap != "list")
    expected = {"file_referenced_probes": 2, "file_referenced_pages": 1}
    if memory.core.i_mmap == "list":  # the last one is not looked at: both have been found
        expected["file_referenced_cmp"] = 7
    assert counted == expected


# ---- what check() sees


def node_of(memory: Memory, vma: Any, kind: str) -> Any:
    return ffi.cast(
        f"struct {kind} *", memory.core.base + kaddr(memory, vma) + memory.m.i_mmap_node
    )


def kaddr(memory: Memory, vma: Any) -> int:
    return memory.core.kaddr(vma)


def broken(memory: Memory, message: str) -> None:
    with pytest.raises(KernelBug, match=message):
        memory.check()


def three(memory: Memory, inode: Any) -> list[Any]:
    mm = memory.process()
    for n in range(3):
        window(mm, 8 * n, 2, inode, 8 * n)
    return list(mm.vmas())


@pytest.mark.parametrize("memory", ["prio_tree"], indirect=True)
def test_an_area_that_has_grown_in_place_is_in_the_wrong_place(memory: Memory, inode: Any) -> None:
    vmas = three(memory, inode)
    vmas[0].vm_pgoff += 40
    broken(memory, "prio_tree of file .* (should be above|is where its offset does not lead)")
    vmas[0].vm_pgoff -= 40


@pytest.mark.parametrize("memory", ["interval_tree"], indirect=True)
def test_a_wrong_end_of_those_below(memory: Memory, inode: Any) -> None:
    vmas = three(memory, inode)
    node = node_of(memory, vmas[1], "interval_node")
    node.rb_subtree_last += 1
    broken(memory, "interval_tree of file .* says that those below end at")
    node.rb_subtree_last -= 1


def test_a_wrong_number_of_shared_areas(memory: Memory, inode: Any) -> None:
    three(memory, inode)
    mapping_of(memory, inode).i_mmap_writable += 1
    broken(memory, "i_mmap_writable of file 0x[0-9a-f]+ is 1, recomputed 0")
    mapping_of(memory, inode).i_mmap_writable -= 1


def test_every_area_is_read_link_by_link(memory: Memory, inode: Any) -> None:
    """kept() follows the links, areas_of() asks the core: the same areas."""
    vmas = three(memory, inode)
    found = kept(memory.core, mapping_of(memory, inode))
    assert not found.problems
    assert not found.nonlinear
    assert sorted(kaddr(memory, vma) for vma in found.linear) == sorted(
        kaddr(memory, vma) for vma in vmas
    )
    assert sorted(areas_of(memory.core, mapping_of(memory, inode))) == sorted(
        kaddr(memory, vma) for vma in vmas
    )
