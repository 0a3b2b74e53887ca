"""A machine's memory as it is at boot, and what is left of it when it is closed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from memory import BASE, PAGE, Memory

from tests.width import PAGE_OFFSET, ffi, lib
from vmemu.core import COUNTERS, EVENTS, LOCKS


@pytest.mark.parametrize("frames", [127, 128, 129, 255, 256, 257, 1024, 1025, 65536])
def test_mem_map_takes_whole_frames(frames: int) -> None:
    """A struct page a frame, behind the page directory, the zero page, the GDT and kernel data."""
    needed = -(-frames * ffi.sizeof("struct page") // PAGE)
    assert lib.vmemu_boot_frames(frames * PAGE) == lib.KERNEL_DATA_PFN + 1 + needed


def test_at_boot(tmp_path: Path) -> None:
    memory = Memory(ram=512, min_free_pages=16)
    m, zone = memory.m, memory.m.k.zone
    reserved = lib.vmemu_boot_frames(512 * PAGE)
    for pfn in range(512):
        page = memory.core.page(pfn)
        wanted = (lib.PG_reserved, 1) if pfn < reserved else (lib.PG_buddy, 0)
        assert (page.flags, page._count) == wanted
    assert zone.free_pages == zone.present_pages == 512 - reserved
    assert (zone.pages_min, zone.pages_low, zone.pages_high) == (16, 32, 48)
    assert (zone.nr_active, zone.nr_inactive, zone.prev_priority) == (0, 0, 12)
    assert m.page_cluster == 3  # 8 pages, as /proc/sys/vm/page-cluster says on most machines
    assert [m.swap.info[n].fd for n in range(lib.MAX_SWAPFILES)] == [-1] * lib.MAX_SWAPFILES
    assert not any(m.inodes[n].i_mapping for n in range(lib.NR_FILES))
    zero = ffi.buffer(m.ram + lib.ZERO_PAGE_PFN * PAGE, PAGE)
    assert zero[:] == bytes(PAGE)
    memory.close()


def test_the_frames_come_from_below(tmp_path: Path) -> None:
    memory = Memory(ram=256)
    reserved = lib.vmemu_boot_frames(256 * PAGE)
    pages = [lib.alloc_page(memory.m, lib.GFP_KERNEL) for _ in range(5)]
    pfns = [lib.page_to_pfn(memory.m, page) for page in pages]
    assert pfns == list(range(reserved, reserved + 5))
    assert memory.core.page(pfns[0]) == pages[0]
    memory.close()


def test_addresses_of_the_kernel() -> None:
    memory = Memory(ram=256)
    assert lib.vmemu_kaddr(memory.m, ffi.NULL) == 0
    assert lib.vmemu_kaddr(memory.m, memory.m.ram) == PAGE_OFFSET
    assert lib.vmemu_kaddr(memory.m, memory.m.ram + 4097) == PAGE_OFFSET + 4097
    memory.close()


def descriptors() -> set[str]:
    return set(os.listdir("/proc/self/fd"))  # noqa: PTH208


def test_closing_gives_descriptors_back(tmp_path: Path) -> None:
    before = descriptors()
    path = tmp_path / "file"
    path.write_bytes(b"x" * PAGE)
    memory = Memory()
    memory.vm.swap.swapon_size(64 * PAGE)
    memory.vm.swap.swapon(str(tmp_path / "swap"), 64 * PAGE)
    memory.vm.inodes.open(str(path))
    assert len(descriptors()) == len(before) + 3
    memory.close()
    assert descriptors() == before


def test_there_is_a_limit_of_files(tmp_path: Path) -> None:
    memory = Memory()
    opened = []
    while mapping := lib.file_open(memory.m, lib.FILE_HOST, -1, 0):
        opened.append(mapping)
    assert len(opened) == lib.NR_FILES
    assert [mapping.host for mapping in opened] == list(range(1, lib.NR_FILES + 1))
    lib.file_close(memory.m, opened[5])
    again = lib.file_open(memory.m, lib.FILE_HOST, -1, 0)
    assert again.host == 6  # the number that is free
    memory.close()


def test_an_unknown_walker_is_refused() -> None:
    for names in ((b"list", b"no such"), (b"no such", b"none")):
        assert not lib.vmemu_new(1 << 20, *names, [0] * 4, ffi.NULL, 32, 8, 0, 2, ffi.NULL)


@pytest.mark.parametrize("bytes_", [0, 5, 4095])
def test_a_fault_below_the_lowest_area_is_none(bytes_: int) -> None:
    memory = Memory()
    mm = memory.process()
    memory.map(mm, 1, 1)
    assert memory.vm.fault(mm, BASE + bytes_, lib.ACCESS_READ) == lib.FAULT_MAPERR
    memory.close()


def test_names_end_with_what_there_is() -> None:
    assert ffi.string(lib.vmemu_lock_name(ffi.NULL, 0)) == LOCKS[0].encode()
    assert not lib.vmemu_lock_name(ffi.NULL, -1)
    assert not lib.vmemu_lock_name(ffi.NULL, len(LOCKS))
    assert not lib.vmemu_event_name(-1)
    assert not lib.vmemu_event_name(len(EVENTS))
    assert not lib.vmemu_counter_name(-1)
    assert not lib.vmemu_counter_name(len(COUNTERS))
