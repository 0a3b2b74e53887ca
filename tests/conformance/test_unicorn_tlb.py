"""The TLB-fill hook as an MMU."""

from __future__ import annotations

import time

import pytest
from board import (
    ACCERR,
    ACCESSED,
    CODE,
    DATA,
    DIRTY,
    FETCH,
    KERNEL,
    MAPERR,
    MINOR,
    OUTSIDE,
    PRESENT,
    READ,
    RW,
    STACK,
    WRITE,
    Board,
    assemble,
)

from vmemu.core import ffi, lib
from vmemu.cpu import Trap

END = "; int $0x80"
SWEEP = f"""
        mov $100, %ecx
    again:
        mov ${DATA:#x}, %eax
    page:
        incl (%eax)
        add $0x1000, %eax
        cmp ${DATA + 200 * 0x1000:#x}, %eax
        jne page
        loop again{END}"""
"""A hundred passes over 200 pages."""


def test_demand_zero(board: Board) -> None:
    trap = board.asm(f"mov $0x12345678, %eax; mov %eax, {DATA + 4:#x}; push %eax{END}")
    assert trap is Trap.SYSCALL
    assert board.peek32(DATA + 4) == 0x12345678
    assert board.faults == [(DATA + 4, WRITE), (STACK + 0x7FC, WRITE)]
    assert board.regs.eip == CODE + len(
        assemble(f"mov $1, %eax; mov %eax, {DATA:#x}; push %eax{END}")
    )


def test_present_ptes_do_not_fault(board: Board) -> None:
    board.map(DATA)
    board.asm(f"mov {DATA:#x}, %eax; mov %eax, {DATA:#x}{END}")
    assert board.faults == []


def test_accessed_and_dirty_bits(board: Board) -> None:
    board.map(DATA)
    board.map(DATA + 0x1000)
    board.asm(f"mov {DATA:#x}, %eax; mov %eax, {DATA + 0x1000:#x}{END}")
    assert board.pte(DATA) & (ACCESSED | DIRTY) == ACCESSED
    assert board.pte(DATA + 0x1000) & (ACCESSED | DIRTY) == ACCESSED | DIRTY
    assert board.pte(CODE) & (ACCESSED | DIRTY) == ACCESSED


def test_first_store_to_a_clean_page_is_seen(board: Board) -> None:
    """A read fill of a clean page must not let the store through unseen."""
    board.map(DATA)
    board.asm(f"mov {DATA:#x}, %eax; int $0x80; mov %eax, {DATA:#x}{END}")
    assert not board.pte(DATA) & DIRTY
    board.go()
    assert board.pte(DATA) & DIRTY


def test_a_read_of_a_dirty_page_gives_write_too(board: Board) -> None:
    board.map(DATA, prot=RW | DIRTY)
    before = board.counter("tlb_fill")
    board.asm(f"mov {DATA:#x}, %eax; mov %eax, {DATA:#x}{END}")
    assert board.counter("tlb_fill") - before == 2  # code, data once


def test_each_fill_replaces_the_entry(board: Board) -> None:
    """READ, then WRITE: two fills of one page, and no third for the next read."""
    board.map(DATA)
    before = board.counter("tlb_fill")
    board.asm(f"mov {DATA:#x}, %eax; mov %eax, {DATA:#x}; mov {DATA:#x}, %eax{END}")
    assert board.counter("tlb_fill") - before == 3  # code, read, write


def test_fetch_is_reported_as_fetch(board: Board) -> None:
    board.on_fault = lambda mm, address, access: MAPERR
    assert board.asm(f"mov ${DATA + 5:#x}, %eax; jmp *%eax") is Trap.FAULT
    assert board.faults == [(DATA + 5, FETCH)]
    assert board.regs.eip == DATA + 5


def test_entries_stay_until_flushed(board: Board) -> None:
    board.map(DATA)
    load = f"mov {DATA:#x}, %eax{END}"
    board.asm(load)
    board.slot(DATA)[0] = 0
    assert board.go(CODE) is Trap.SYSCALL
    assert board.faults == []  # the stale entry was used
    board.flush()
    board.go(CODE)
    assert board.faults == [(DATA, READ)]


def test_cleared_accessed_bits_count_only_after_a_flush(board: Board) -> None:
    board.map(DATA)
    board.asm(f"mov {DATA:#x}, %eax{END}")
    board.slot(DATA)[0] &= ~ACCESSED
    board.go(CODE)
    assert not board.pte(DATA) & ACCESSED
    board.flush()
    board.go(CODE)
    assert board.pte(DATA) & ACCESSED


def test_appearing_ptes_need_no_flush(board: Board) -> None:
    board.on_fault = lambda mm, address, access: MAPERR
    assert board.asm(f"mov {DATA:#x}, %eax{END}") is Trap.FAULT
    flushes = board.counter("tlb_flush")
    board.map(DATA)
    assert board.go() is Trap.SYSCALL
    assert board.counter("tlb_flush") == flushes


def test_one_flush_for_any_number_of_downgrades(board: Board) -> None:
    board.asm("int $0x80")
    before = board.counter("tlb_flush")
    for _ in range(10):
        board.flush()
    board.go(CODE)
    assert board.counter("tlb_flush") - before == 1


def test_registers_are_right_inside_the_hook(board: Board) -> None:
    seen: list[tuple[int, int]] = []

    def look(mm: object, address: int, access: int) -> int:
        seen.append((board.regs.eip, board.regs.esp))
        return board.demand_zero(mm, address, access)

    board.on_fault = look
    board.map(STACK)
    source = f"push %eax; push %eax; nop; mov %eax, {DATA:#x}{END}"
    board.asm(source, esp=STACK + 0x800)
    assert seen == [(CODE + 3, STACK + 0x7F8)]


@pytest.mark.parametrize(
    "instruction",
    [
        "push %eax",
        "pusha",
        "call 1f; nop; 1:",
        "rep movsb",
        "std; rep movsl",
        "rep stosl",
        "mov %eax, 0x10000ffe",
        "incl 0x10000ffe",
        "lock incl 0x10000ffe",
        "xchg %eax, 0x10000ffe",
        "fxsave 0x10000f00",
        "fnsave 0x10000fd0",
        "movups %xmm0, 0x10000ff8",
        "pushl 0x10000ffe",
        "popl 0x10000ffe",
        "enter $32, $3",
    ],
)
def test_a_refused_instruction_can_be_run_again(board: Board, instruction: str) -> None:
    """Refused at the second page, then run again: as if nothing had been."""
    regs = {
        "eax": 0x11223344, "ebx": 5, "ecx": 0x40, "edx": 0, "esi": 0x20000FF0, "edi": DATA + 0xFE8,
        "ebp": 0x30001010, "esp": 0x30001008,
    }  # fmt: skip
    code = f"{instruction}{END}"
    pages = [DATA, DATA + 0x1000, 0x20000000, 0x20001000, 0x30000000, 0x30001000]

    def memory() -> list[bytes]:
        return [board.peek(page, 4096) for page in pages]

    for number, page in enumerate(pages):
        board.poke(page, bytes((i + number) * 7 & 0xFF for i in range(4096)))
    before = memory()
    board.asm(code, **regs)
    after = [int(getattr(board.regs, register)) for register in (*regs, "eip", "eflags")]
    wanted = memory()
    assert wanted != before

    for page, content in zip(pages, before, strict=True):
        board.poke(page, content)
    ptes = [board.pte(page) for page in pages]
    for page in pages:
        board.slot(page)[0] = 0
    board.flush()
    board.on_fault = lambda mm, address, access: MAPERR
    trap = board.go(CODE, **regs)
    refusals = 0
    while trap is Trap.FAULT:
        refusals += 1
        index = pages.index(board.m.fault.address & ~0xFFF)
        board.slot(pages[index])[0] = ptes[index]
        trap = board.go()
    assert trap is Trap.SYSCALL
    assert refusals >= 1
    for page, pte in zip(pages, ptes, strict=True):
        board.slot(page)[0] = pte
    assert memory() == wanted
    assert [int(getattr(board.regs, register)) for register in (*regs, "eip", "eflags")] == after


def test_refused_fault_is_described(board: Board) -> None:
    board.on_fault = lambda mm, address, access: ACCERR
    assert board.asm(f"nop; mov %eax, {DATA + 8:#x}", ecx=77) is Trap.FAULT
    m = board.m
    assert (m.fault.address, m.fault.access, m.fault.result) == (DATA + 8, WRITE, ACCERR)
    assert (board.regs.eip, board.regs.ecx) == (CODE + 1, 77)


def test_outside_faults_are_asked_again_between_runs(board: Board) -> None:
    where: list[int] = []

    def outside(mm: object, address: int, access: int) -> int:
        where.append(board.m.fault.in_hook)
        return OUTSIDE if board.m.fault.in_hook else board.demand_zero(mm, address, access)

    board.on_fault = outside
    assert board.asm(f"movl $9, {DATA:#x}{END}") is Trap.SYSCALL
    assert where == [1, 0]
    assert board.peek32(DATA) == 9
    assert board.counter("fault_outside") == 1
    assert board.counter("fault_hook") == 0


def test_a_downgrade_inside_the_hook_takes_effect_at_once(board: Board) -> None:
    """The resolving of one fault takes away another page: the very next access must see it."""
    board.map(DATA)

    def steal(mm: object, address: int, access: int) -> int:
        if address == DATA + 0x1000:
            board.slot(DATA)[0] = 0
            board.flush()
        return board.demand_zero(mm, address, access)

    board.on_fault = steal
    board.asm(f"mov {DATA:#x}, %eax; mov {DATA + 0x1000:#x}, %eax; mov {DATA:#x}, %eax{END}")
    assert board.faults == [(DATA + 0x1000, READ), (DATA, READ)]


def test_wanted_kswapd_stops_the_guest(board: Board) -> None:
    def low(mm: object, address: int, access: int) -> int:
        board.m.pages.want_kswapd = 1
        return board.demand_zero(mm, address, access)

    board.on_fault = low
    assert board.asm(f"movl $1, {DATA:#x}; movl $2, {DATA:#x}{END}") is Trap.STOP
    assert board.regs.eip == CODE
    assert board.peek32(DATA) == 0
    board.m.pages.want_kswapd = 0
    assert board.go() is Trap.SYSCALL
    assert board.peek32(DATA) == 2


def test_an_exception_in_the_callback_ends_the_run(board: Board) -> None:
    def broken(mm: object, address: int, access: int) -> int:
        raise LookupError("in the hook")

    board.on_fault = broken
    assert board.asm(f"mov {DATA:#x}, %eax") is Trap.FAULT
    assert board.m.fault.result == lib.FAULT_OOM
    with pytest.raises(LookupError, match="in the hook"):
        board.core.check_bug()


@pytest.mark.parametrize("address", [KERNEL, KERNEL + 0x1000, KERNEL + 0x5000, 0xFFFFFFF0])
@pytest.mark.parametrize(
    ("instruction", "access"),
    [("mov {:#x}, %eax", READ), ("mov %eax, {:#x}", WRITE), ("mov ${:#x}, %eax; jmp *%eax", FETCH)],
)
def test_kernel_addresses_are_refused(
    board: Board, address: int, instruction: str, access: int
) -> None:
    assert board.asm(instruction.format(address)) is Trap.FAULT
    m = board.m
    assert (m.fault.address, m.fault.access, m.fault.result) == (address, access, MAPERR)
    assert board.faults == []


def test_an_access_that_runs_into_the_kernel(board: Board) -> None:
    board.map(0xBFFFF000)
    assert board.asm("mov 0xbffffffe, %eax") is Trap.FAULT
    assert board.m.fault.address == KERNEL


def test_read_only_pages(board: Board) -> None:
    board.map(DATA, prot=0)
    assert board.asm(f"mov {DATA:#x}, %eax; mov %eax, {DATA:#x}") is Trap.FAULT
    assert board.faults == [(DATA, WRITE)]
    assert board.m.fault.result == ACCERR


def test_victim_entries_do_not_outlive_a_new_fill(board: Board) -> None:
    """A COW inside the hook replaces the pte; no flush follows, no old entry may remain."""
    old = board.map(DATA, prot=0)
    # Push the entry out of the direct-mapped TLB into the victim TLB, by conflicts.
    touch = "; ".join(f"mov {DATA + (i << 22):#x}, %ecx" for i in range(1, 6))

    def cow(mm: object, address: int, access: int) -> int:
        if address & ~0xFFF == DATA:
            board.map(DATA)
            return MINOR
        return board.demand_zero(mm, address, access)

    board.on_fault = cow
    source = f"mov {DATA:#x}, %eax; {touch}; movl $1, {DATA:#x}; {touch}; mov {DATA:#x}, %eax{END}"
    assert board.asm(source) is Trap.SYSCALL
    assert board.regs.eax == 1
    assert board.m.ram[old << 12] == 0


def test_protnone_is_not_present(board: Board) -> None:
    pfn = board.frame()
    board.slot(DATA)[0] = pfn << 12 | lib._PAGE_PROTNONE
    board.on_fault = lambda mm, address, access: ACCERR
    assert board.asm(f"mov {DATA:#x}, %eax") is Trap.FAULT
    assert not board.pte(DATA) & PRESENT


def shrunk(board: Board) -> Board:
    """Unicorn makes a TLB of which little was used smaller, a tenth of a second later."""
    for _ in range(3):
        board.asm(f"nop{END}")
        time.sleep(0.11)
        board.flush()
    return board


def test_the_tlb_shrinks_by_the_clock_of_the_host(board: Board) -> None:
    """So tlb_fill is no counter of the guest's."""
    board.m.tlb.patience = 1 << 20
    board.asm(SWEEP)
    before = board.counter("tlb_fill")
    board.go(CODE)
    at_first = board.counter("tlb_fill") - before
    shrunk(board).asm(SWEEP)
    before = board.counter("tlb_fill")
    board.go(CODE)
    assert at_first < 200
    assert board.counter("tlb_fill") - before > 50 * 200


def test_many_misses_make_the_tlb_grow(board: Board) -> None:
    board.m.tlb.patience = 1000
    shrunk(board).asm(SWEEP)
    assert board.counter("tlb_grow") > 0
    before = board.counter("tlb_fill")
    board.go(CODE)
    assert board.counter("tlb_fill") - before < 200
    assert board.peek32(DATA) == board.peek32(DATA + 199 * 0x1000) == 200


@pytest.mark.parametrize(
    "instruction",
    [
        "incl (%eax)",
        "lock; incl (%eax)",
        "lock; cmpxchg8b (%eax)",
        "pushal",
        "call next; next:",
        "fxsave -0x100(%eax)",
        "movups %xmm0, (%eax)",
        "mov $64, %ecx; mov %eax, %edi; mov %edx, %esi; rep movsl",
        "mov $64, %ecx; mov %eax, %esi; mov %edx, %edi; repe cmpsb",
        "enter $64, $3; leave",
        "xchg %eax, (%edx)",
    ],
)
def test_a_flush_inside_the_hook_loses_nothing(board: Board, instruction: str) -> None:
    """Growing may happen at any miss: also at the second page that an instruction needs."""
    eax, edx = DATA + 0x1FFD if instruction[0] != "f" else DATA + 0x2010, DATA + 0x6FFE
    left = []
    for patience in (1 << 20, 0):
        for page in range(DATA, DATA + 0x9000, 0x1000):
            board.poke(page, bytes(i * 7 & 0xFF for i in range(0x1000)))
        board.m.tlb.patience = patience
        board.flush()
        grown = board.counter("tlb_grow")
        trap = board.asm(instruction + END, eax=eax, edx=edx, ebp=DATA + 0x4100, esp=DATA + 0x400C)
        assert trap is Trap.SYSCALL
        assert (board.counter("tlb_grow") - grown > 1) == (patience == 0)
        regs = bytes(ffi.buffer(ffi.addressof(board.m, "regs")))
        left.append((board.peek(DATA, 0x9000), regs))
    assert left[0] == left[1]


def test_statistics_leave_out_what_the_host_decides(board: Board) -> None:
    names = board.core.counters()
    assert "tlb_flush" in names
    assert not {"tlb_fill", "tlb_grow"} & names.keys()
