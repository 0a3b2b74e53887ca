"""What memory is promised, and to whom: overcommit, resource limits, watermarks."""

from __future__ import annotations

from collections.abc import Iterator
from errno import EAGAIN, ENOMEM

import pytest
from memory import ANON, BASE, GROWSDOWN, LOCKED, NORESERVE, PAGE, PRIVATE, RW, Memory, R, errno_of

from tests.width import TASK_SIZE, ffi, lib
from vmemu.core import Core
from vmemu.mm import (
    do_mlock,
    do_mlockall,
    do_mmap,
    do_mprotect,
    do_mremap,
    do_munmap,
    dup_mmap,
    setup_stack,
    sys_brk,
)

MCL_CURRENT, MCL_FUTURE = 1, 2
STACK_TOP = TASK_SIZE


@pytest.fixture
def memory() -> Iterator[Memory]:
    memory = Memory()
    yield memory
    memory.check()
    memory.close()


# ---- overcommit


def anywhere(mm: object, pages: int, prot: int = RW, flags: int = 0) -> int:
    return errno_of(do_mmap, mm, 0, pages * PAGE, prot, PRIVATE | ANON | flags)


def test_guess_refuses_only_what_can_never_be() -> None:
    memory = Memory(ram=1024, overcommit=0)
    memory.vm.swap.swapon_size(256 * PAGE)
    mm = memory.process()
    assert anywhere(mm, 1000) == 0
    assert anywhere(mm, 1000) == 0  # more than there is in all, but not at once
    assert anywhere(mm, 1024 + 256) == ENOMEM
    assert anywhere(mm, 1024 + 256, R) == 0  # read-only private memory needs none
    assert anywhere(mm, 1024 + 256, RW, NORESERVE) == 0
    memory.check()
    memory.close()


def test_always_refuses_nothing() -> None:
    memory = Memory(ram=1024, overcommit=1)
    mm = memory.process()
    assert anywhere(mm, 400_000) == 0
    assert errno_of(dup_mmap, mm) == 0
    memory.check()
    memory.close()


def test_never_promises_more_than_swap_and_a_share_of_ram() -> None:
    memory = Memory(ram=1024, overcommit=2, overcommit_ratio=50)
    memory.vm.swap.swapon_size(257 * PAGE)
    limit = 256 + memory.m.k.zone.present_pages * 50 // 100
    mm = memory.process()
    assert anywhere(mm, limit + 1) == ENOMEM
    assert anywhere(mm, limit - 10) == 0
    assert anywhere(mm, 11) == ENOMEM
    assert anywhere(mm, 11, RW, NORESERVE) == ENOMEM  # mode 2 knows no exception
    assert anywhere(mm, 500, R) == 0
    memory.map(mm, 0, 11, R)
    assert errno_of(do_mprotect, mm, BASE, 11 * PAGE, RW) == ENOMEM
    assert memory.areas(mm)[0] == (0, 11, R)
    assert errno_of(do_mprotect, mm, BASE, 10 * PAGE, RW) == 0
    assert errno_of(dup_mmap, mm) == ENOMEM  # the child would need as much again
    assert errno_of(do_mremap, mm, BASE, 10 * PAGE, 12 * PAGE, 1, 0) == ENOMEM
    assert sys_brk(mm, BASE + 64 * PAGE) == mm.ptr.brk == 0
    do_munmap(mm, BASE, 10 * PAGE)
    assert anywhere(mm, 10) == 0
    memory.check()
    mm.put()
    assert memory.m.vm_committed == 0
    memory.close()


def test_a_private_mapping_stays_charged_when_it_becomes_read_only(memory: Memory) -> None:
    """Its pages may have been written: only unmapping gives the promise back."""
    mm = memory.process()
    memory.map(mm, 0, 8)
    do_mprotect(mm, BASE, 8 * PAGE, R)
    assert memory.m.vm_committed == 8
    do_munmap(mm, BASE + 2 * PAGE, 4 * PAGE)
    assert memory.m.vm_committed == 4


# ---- resource limits


def test_rlimit_as(memory: Memory) -> None:
    mm = memory.process(as_=64 * PAGE)
    memory.map(mm, 0, 32)
    assert anywhere(mm, 33) == ENOMEM
    assert anywhere(mm, 32) == 0
    assert errno_of(do_mremap, mm, BASE, 32 * PAGE, 33 * PAGE, 1, 0) == ENOMEM
    assert errno_of(do_mremap, mm, BASE, 32 * PAGE, 16 * PAGE, 1, 0) == 0
    memory.map(mm, 0, 32)  # what it replaces does not count
    mm.ptr.start_brk = mm.ptr.brk = BASE + 256 * PAGE
    assert sys_brk(mm, BASE + 257 * PAGE) == BASE + 256 * PAGE
    assert mm.ptr.total_vm == 64


def test_rlimit_as_holds_the_stack(memory: Memory) -> None:
    mm = memory.process(as_=16 * PAGE)
    setup_stack(mm)
    mm.write(STACK_TOP - 16 * PAGE, b"the last page that is allowed")
    assert errno_of(mm.write, STACK_TOP - 17 * PAGE, b"one too many") == 14
    assert mm.ptr.total_vm == 16


def test_rlimit_stack(memory: Memory) -> None:
    mm = memory.process(stack=16 * PAGE)
    setup_stack(mm)
    assert errno_of(mm.write, STACK_TOP - 17 * PAGE, b"too deep") == 14
    mm.write(STACK_TOP - 16 * PAGE, b"just so")
    assert mm.ptr.total_vm == 16
    assert memory.vm.fault(mm, STACK_TOP - 17 * PAGE, lib.ACCESS_WRITE) == lib.FAULT_MAPERR


def test_the_stack_grows_to_what_is_below_it(memory: Memory) -> None:
    mm = memory.process()
    setup_stack(mm)
    below = STACK_TOP - 8 * PAGE
    do_mmap(mm, below, PAGE, R, PRIVATE | ANON | 0x10)
    mm.write(below + PAGE, b"touching it")
    assert errno_of(mm.write, below, b"x") == 14
    assert [vma.vm_start for vma in mm.vmas()] == [below, below + PAGE]
    assert errno_of(mm.read, below - PAGE, 1) == 14  # what is there now does not grow


def test_rlimit_data(memory: Memory) -> None:
    mm = memory.process(data=16 * PAGE)
    mm.ptr.start_data = BASE
    mm.ptr.start_brk = mm.ptr.brk = BASE + 4 * PAGE
    assert sys_brk(mm, BASE + 17 * PAGE) == BASE + 4 * PAGE
    assert sys_brk(mm, BASE + 16 * PAGE) == BASE + 16 * PAGE
    assert sys_brk(mm, BASE + 6 * PAGE) == BASE + 6 * PAGE


def test_rlimit_memlock(memory: Memory) -> None:
    mm = memory.process(memlock=8 * PAGE)
    memory.map(mm, 0, 32)
    assert errno_of(do_mlock, mm, BASE, 9 * PAGE) == ENOMEM
    assert errno_of(do_mlock, mm, BASE, 6 * PAGE) == 0
    assert errno_of(do_mlock, mm, BASE + 16 * PAGE, 3 * PAGE) == ENOMEM
    assert anywhere(mm, 3, RW, LOCKED) == EAGAIN
    assert errno_of(do_mremap, mm, BASE, 6 * PAGE, 9 * PAGE, 1, 0) == EAGAIN
    assert errno_of(do_mlockall, mm, MCL_CURRENT) == ENOMEM
    assert errno_of(do_mlockall, mm, MCL_FUTURE) == 0  # takes the six off
    assert anywhere(mm, 9) == EAGAIN
    assert anywhere(mm, 6) == 0
    assert anywhere(mm, 3) == EAGAIN
    assert anywhere(mm, 2) == 0
    assert mm.ptr.locked_vm == 8
    mm.ptr.start_brk = mm.ptr.brk = BASE + 256 * PAGE
    assert sys_brk(mm, BASE + 257 * PAGE) == BASE + 256 * PAGE


def test_rlimit_memlock_holds_growing_areas(memory: Memory) -> None:
    mm = memory.process(memlock=4 * PAGE)
    address = BASE + 64 * PAGE
    do_mmap(mm, address, 2 * PAGE, RW, PRIVATE | ANON | 0x10 | GROWSDOWN | LOCKED)
    mm.write(address - 2 * PAGE, b"x")
    assert errno_of(mm.write, address - 3 * PAGE, b"x") == 14
    assert mm.ptr.locked_vm == 4


def test_limits_are_inherited(memory: Memory) -> None:
    mm = memory.process(as_=64 * PAGE)
    child = dup_mmap(mm)
    assert anywhere(child, 65) == ENOMEM
    child.rlimits.as_ = 128 * PAGE
    assert anywhere(child, 65) == 0
    assert anywhere(mm, 65) == ENOMEM


# ---- watermarks


def test_watermarks_of_2_6() -> None:
    """sqrt(16 x kilobytes) kilobytes for pages_min; low and high are twice and three times it."""
    for megabytes in (16, 64, 128, 512):
        core = Core(megabytes << 20, "anon_vma")
        zone = core.m.k.zone
        minimum = int((megabytes * 1024 * 16) ** 0.5) >> 2
        assert zone.pages_min == minimum
        assert (zone.pages_low, zone.pages_high) == (2 * minimum, 3 * minimum)
        core.close()


@pytest.mark.parametrize("megabytes", [1, 2, 4, 8])
def test_watermarks_of_tiny_machines(megabytes: int) -> None:
    core = Core(megabytes << 20, "anon_vma")
    zone = core.m.k.zone
    assert 8 <= zone.pages_min <= megabytes * 256 // 32
    assert zone.pages_min < zone.pages_low < zone.pages_high < zone.present_pages
    core.close()


def test_who_may_go_how_low(memory: Memory) -> None:
    """Ordinary allocations stop at pages_min, atomic ones at half of it, reclaim at nothing."""
    m, zone = memory.m, memory.m.k.zone
    frames = []

    def take(gfp: int) -> bool:
        frame = lib.alloc_page(m, gfp)
        if frame != ffi.NULL:
            frames.append(frame)
        return bool(frame != ffi.NULL)

    while zone.free_pages > zone.pages_low:
        assert take(lib.GFP_KERNEL)
    assert not m.pages.want_kswapd
    assert take(lib.GFP_KERNEL)
    assert m.pages.want_kswapd
    while take(lib.GFP_KERNEL):
        pass
    assert zone.free_pages == zone.pages_min
    while take(lib.GFP_ATOMIC):
        pass
    assert zone.free_pages == zone.pages_min // 2
    m.pages.memalloc += 1
    while take(lib.GFP_KERNEL):
        pass
    m.pages.memalloc -= 1
    assert zone.free_pages == 0
    for frame in frames:
        lib.put_page(m, frame)


def test_kswapd_reclaims_up_to_pages_high() -> None:
    memory = Memory(ram=512)
    memory.vm.swap.swapon_size(1024 * PAGE)
    zone = memory.m.k.zone
    mm = memory.process()
    memory.map(mm, 0, 1000)
    n = 0
    while not memory.m.pages.want_kswapd:
        memory.fill(mm, n, 1)
        n += 1
    assert zone.free_pages <= zone.pages_low
    memory.vm.kswapd_if_wanted()
    assert zone.free_pages > zone.pages_high
    assert not memory.m.pages.want_kswapd
    assert memory.core.counters()["kswapd_run"] == 1
    assert memory.core.counters()["allocstall"] == 0
    memory.verify(mm, 0, n)
    memory.check()
    memory.close()


def test_direct_reclaim_keeps_pages_min() -> None:
    """Without kswapd every allocation below pages_min frees for itself."""
    memory = Memory(ram=256)
    memory.vm.swap.swapon_size(1024 * PAGE)
    mm = memory.process()
    memory.map(mm, 0, 600)
    for n in range(600):
        memory.fill(mm, n, 1)
        assert memory.free >= memory.m.k.zone.pages_min // 2
    assert memory.core.counters()["allocstall"] > 0
    memory.verify(mm, 0, 600)
    memory.check()
    memory.close()


def test_out_of_memory_asks_the_hook_and_then_fails() -> None:
    """The first hook frees something, the second does not."""
    memory = Memory(ram=256, overcommit=1)
    mm, victim = memory.process(), memory.process()
    memory.map(victim, 0, 100)
    memory.fill(victim, 0, 100)
    memory.map(mm, 0, 600)
    asked = []

    def oom(vm: object) -> bool:
        asked.append(vm)
        if len(asked) == 1:
            victim.put()
            return True
        return False

    memory.vm.oom = oom
    written = mm.write_some(BASE, b"x" * (600 * PAGE))
    assert 100 * PAGE < written < 250 * PAGE
    assert len(asked) == 2
    assert mm.read(BASE, written) == b"x" * written
    memory.check()
    memory.close()
