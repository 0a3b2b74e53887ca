"""Cached blocks: how they become stale, how they are dropped, self-modifying code."""

from __future__ import annotations

import pytest
from board import CODE, DATA, DIRTY, RW, Board, assemble

from vmemu.core import lib
from vmemu.cpu import Trap

END = "; int $0x80"
MOV1 = assemble("mov $1, %eax; int $0x80")
MOV2 = assemble("mov $2, %eax; int $0x80")


def free(board: Board, address: int) -> None:
    """Unmap and free a frame as zap_pte_range does."""
    page = board.page(address)
    board.slot(address)[0] = 0
    board.flush()
    lib.put_page(board.m, page)


def test_a_fetch_marks_the_frame(board: Board) -> None:
    board.poke(DATA, MOV1)
    assert not board.executed(DATA)
    board.go(DATA)
    assert board.executed(DATA)


def test_writes_behind_the_engine_are_not_noticed(board: Board) -> None:
    """Why the executed bit is needed: neither the write nor a TLB flush drops blocks."""
    board.start(MOV1, DATA)
    board.poke(DATA, MOV2)
    board.flush()
    board.go(DATA)
    assert board.regs.eax == 1  # stale


def test_code_written(board: Board) -> None:
    board.start(MOV1, DATA)
    board.poke(DATA, MOV2)
    lib.code_written(board.m, board.page(DATA))
    assert not board.executed(DATA)
    assert board.counter("code_drop") == 1
    board.go(DATA)
    assert board.regs.eax == 2
    assert board.executed(DATA)  # the next fetch was seen


def test_code_written_does_nothing_to_data(board: Board) -> None:
    board.map(DATA)
    lib.code_written(board.m, board.page(DATA))
    assert board.counter("code_drop") == 0


def test_only_that_frame_is_dropped(board: Board) -> None:
    board.start(MOV1, DATA)
    board.start(MOV1, DATA + 0x1000)
    board.poke(DATA + 0x1000, MOV2)
    board.poke(DATA, MOV2)
    lib.code_written(board.m, board.page(DATA))
    board.go(DATA)
    assert board.regs.eax == 2
    board.go(DATA + 0x1000)
    assert board.regs.eax == 1  # still cached


def test_a_freed_frame_waits_until_its_blocks_are_gone(board: Board) -> None:
    board.start(MOV1, DATA)
    pfn = board.pte(DATA) >> 12
    available = board.m.k.zone.free_pages
    free(board, DATA)
    assert board.m.pages.nr_quarantine == 1
    assert board.m.k.zone.free_pages == available
    board.cpu.drop_code()
    assert board.m.pages.nr_quarantine == 0
    assert board.m.k.zone.free_pages == available + 1
    board.map(DATA, pfn)  # the same frame at the same address: the hardest case
    board.poke(DATA, MOV2)
    board.go(DATA)
    assert board.regs.eax == 2


def test_the_run_loop_empties_the_quarantine(board: Board) -> None:
    board.start(MOV1, DATA)
    free(board, DATA)
    board.asm("int $0x80")
    assert board.m.pages.nr_quarantine == 0


def test_nothing_is_dropped_inside_the_hook(board: Board) -> None:
    """A frame freed while a fault is resolved stays where it is until the engine has stopped."""
    board.start(MOV1, DATA)
    waiting: list[int] = []

    def fault(mm: object, address: int, access: int) -> int:
        if board.m.fault.in_hook:
            free(board, DATA)
            lib.drop_code(board.m)
            waiting.append(board.m.pages.nr_quarantine)
        return board.demand_zero(mm, address, access)

    board.on_fault = fault
    board.asm(f"mov {DATA + 0x1000:#x}, %eax{END}")
    assert waiting == [1]
    assert board.m.pages.nr_quarantine == 0


def test_blocks_are_known_by_frame_and_address(board: Board) -> None:
    """One frame at two addresses has two sets of blocks; both go."""
    pfn = board.frame()
    board.map(DATA, pfn)
    board.map(DATA + 0x5000, pfn)
    board.start(MOV1, DATA)
    board.go(DATA + 0x5000)
    board.poke(DATA, MOV2)
    lib.code_written(board.m, board.page(DATA))
    for address in (DATA, DATA + 0x5000):
        board.go(address)
        assert board.regs.eax == 2


def test_another_frame_at_the_same_address(board: Board) -> None:
    """What a COW of code, or an exec, does: only a flush is needed."""
    board.start(MOV1, DATA)
    board.map(DATA, board.frame())
    board.poke(DATA, MOV2)
    board.flush()
    board.go(DATA)
    assert board.regs.eax == 2


def test_another_frame_without_a_flush_is_not_noticed(board: Board) -> None:
    """Why a new frame in place of an executed one must be mapped outside the hook."""
    board.start(MOV1, DATA)
    board.map(DATA, board.frame())
    board.poke(DATA, MOV2)
    board.go(DATA)
    assert board.regs.eax == 1


@pytest.mark.parametrize("rewritten", [0, 1])
def test_a_block_across_two_frames_goes_with_either(board: Board, rewritten: int) -> None:
    code = assemble("mov $0x01010101, %eax; int $0x80")
    at = DATA + 0x1000 - 3
    board.start(code, at)
    assert board.regs.eax == 0x01010101
    board.poke(at, assemble("mov $0x02020202, %eax; int $0x80"))
    lib.code_written(board.m, board.page(DATA + 0x1000 * rewritten))
    board.go(at)
    assert board.regs.eax == 0x02020202


def test_a_block_across_two_frames_whose_second_is_replaced(board: Board) -> None:
    at = DATA + 0x1000 - 3
    board.start(assemble("mov $0x01010101, %eax; int $0x80"), at)
    board.map(DATA + 0x1000, board.frame())
    board.poke(at, assemble("mov $0x02020101, %eax; int $0x80"))
    board.flush()
    board.go(at)
    assert board.regs.eax == 0x02020101


# ---- the guest writes its own code


def test_writing_code_elsewhere(board: Board) -> None:
    source = f"""
        movb $0xb8, {DATA:#x}; movl $1, {DATA + 1:#x}; movb $0xc3, {DATA + 5:#x}
        mov ${DATA:#x}, %edi
        xor %edx, %edx; xor %esi, %esi
    1:  inc %edx
        mov %edx, {DATA + 1:#x}
        call *%edi
        add %eax, %esi
        cmp $100, %edx
        jne 1b
    """
    assert board.asm(source + END) is Trap.SYSCALL
    assert board.regs.esi == sum(range(101))
    assert board.executed(DATA)


def test_writing_to_the_page_being_executed(board: Board) -> None:
    source = """
        mov $f + 1, %edi
        call f; mov %eax, %ebx
        movl $7, (%edi)
        call f; add %eax, %ebx
        movl $9, (%edi)
        call f; add %eax, %ebx
        int $0x80
    f:  mov $1, %eax
        ret
    """
    board.asm(source)
    assert board.regs.ebx == 1 + 7 + 9


def test_writing_to_the_block_being_executed(board: Board) -> None:
    source = """
        mov $5, %ecx; xor %ebx, %ebx
    1:  mov %ecx, 2f + 1
    2:  mov $0x1111, %eax
        add %eax, %ebx
        dec %ecx; jnz 1b
        movb $0x43, 3f
    3:  nop
    """
    board.asm(source + END)
    assert board.regs.ebx == 5 + 4 + 3 + 2 + 1 + 1


def test_copying_over_the_block_being_executed(board: Board) -> None:
    source = f"""
        movl $0x43434343, {DATA:#x}
        mov $1f, %edi; mov ${DATA:#x}, %esi; mov $4, %ecx; xor %ebx, %ebx
        rep movsb
    1:  nop; nop; nop; nop
    """
    board.asm(source + END)
    assert board.regs.ebx == 4


def test_writing_across_two_executed_pages(board: Board) -> None:
    edge = DATA + 0x1000
    source = f"""
        mov ${edge:#x}, %edi; mov ${edge - 2:#x}, %esi
        movl $0x0001b890, -2(%edi); movl $0x90c30000, 2(%edi)
        call *%esi; mov %eax, %ebx
        movl $0x0005b890, -2(%edi)
        call *%esi
    """
    board.asm(source + END)
    assert (board.regs.ebx, board.regs.eax) == (1, 5)


def test_writing_through_another_mapping(board: Board) -> None:
    """Its TLB entry had WRITE before the frame was first executed."""
    alias = DATA + 0x10000
    pfn = board.map(DATA)
    board.map(alias, pfn)
    board.page(DATA).mapcount = 2
    source = f"""
        movl $0, {alias + 16:#x}
        movb $0xb8, {DATA:#x}; movl $1, {DATA + 1:#x}; movb $0xc3, {DATA + 5:#x}
        mov ${DATA:#x}, %edi
        call *%edi; mov %eax, %ebx
        movl $2, {alias + 1:#x}
        call *%edi; mov %eax, %ecx
        movl $3, {alias + 1:#x}
        call *%edi
    """
    board.asm(source + END)
    assert (board.regs.ebx, board.regs.ecx, board.regs.eax) == (1, 2, 3)


def test_reading_executed_frames_gives_no_write(board: Board) -> None:
    """The entry a read makes is not watched for good, so it must not let stores through."""
    alias = DATA + 0x10000
    board.map(alias, board.map(DATA, prot=RW | DIRTY), prot=RW | DIRTY)
    board.page(DATA).mapcount = 2
    board.poke(DATA, assemble("mov $1, %eax; ret"))
    source = f"""
        mov ${DATA:#x}, %edi
        call *%edi; mov %eax, %ebx
        mov {alias + 16:#x}, %ecx
        movb $0, {alias + 16:#x}
        movb $2, {alias + 1:#x}
        call *%edi; mov %eax, %ecx
        movb $3, {alias + 1:#x}
        call *%edi
    """
    board.asm(source + END)
    assert (board.regs.ebx, board.regs.ecx, board.regs.eax) == (1, 2, 3)


def test_code_pages_are_not_writable_unseen(board: Board) -> None:
    """A page that was written, then executed, faults into the hook at the next store."""
    board.map(DATA, prot=RW)
    store = f"movb $0x90, {DATA + 0x800:#x}"
    board.poke(DATA, assemble("ret"))
    before = board.counter("tlb_fill")
    board.asm(f"push %eax; {store}; mov ${DATA:#x}, %edi; call *%edi; {store}{END}")
    fills = board.counter("tlb_fill") - before
    # code, stack, store, fetch; the next store is refused, its blocks go by way of the kernel
    # window, and all is flushed; then code and store again
    assert fills == 8
    board.go(CODE, esp=board.regs.esp)
    # as before, but for the code and the first store, which are there
    assert board.counter("tlb_fill") - before == fills + 6


def test_code_in_the_page_it_writes_to_goes_on(board: Board) -> None:
    """There the store cannot wait until nothing of the page is cached."""
    board.map(CODE)
    source = f"1: incl {CODE + 0x800:#x}; cmpl $50, {CODE + 0x800:#x}; jne 1b"
    assert board.asm(source + END) is Trap.SYSCALL
    assert board.peek32(CODE + 0x800) == 50
