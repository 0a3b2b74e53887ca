"""Running, stopping, slicing and switching."""

from __future__ import annotations

import contextlib
import itertools
import os
import signal
import threading
import time

import pytest
from board import CODE, DATA, STACK, Board, assemble

from vmemu.core import lib
from vmemu.cpu import Trap

END = "; int $0x80"
COUNT = f"mov $1000, %ecx; 1: incl {DATA:#x}; dec %ecx; jnz 1b"


def test_system_call(board: Board) -> None:
    assert board.asm("int $0x80; int $0x80", eax=20, ebx=1, edi=7) is Trap.SYSCALL
    assert (board.regs.eax, board.regs.ebx, board.regs.edi) == (20, 1, 7)
    assert board.regs.eip == CODE + 2
    board.regs.eax = 100
    assert board.go() is Trap.SYSCALL
    assert (board.regs.eax, board.regs.eip) == (100, CODE + 4)


def test_registers_are_loaded(board: Board) -> None:
    names = ("eax", "ebx", "ecx", "edx", "esi", "edi", "ebp")
    values = {name: 0x11111111 * (i + 1) for i, name in enumerate(names)}
    board.asm("int $0x80", **values)
    assert {name: getattr(board.regs, name) for name in names} == values


def test_eflags_are_filtered(board: Board) -> None:
    board.asm("int $0x80", eflags=0xFFFFFFFF & ~0x40100)
    assert board.regs.eflags == 0x204ED7  # no IOPL, VM, RF, VIF, VIP; IF on
    board.go(CODE, eflags=0)
    assert board.regs.eflags == 0x202


def test_address_zero_is_like_any_other(board: Board) -> None:
    """uc_emu_start(until=0) would stop there, silently."""
    code = assemble("nop; nop; int $0x80")
    assert board.start(code, 0) is Trap.SYSCALL
    assert board.regs.eip == 4
    board.asm("xor %eax, %eax; jmp *%eax")
    assert board.regs.eip == 4


# ---- preemption


def slices(board: Board, blocks: int) -> list[int]:
    """The counter at each preemption."""
    board.cpu.set_preempt(blocks)
    board.poke(DATA, bytes(4))
    seen = []
    trap = board.asm(COUNT + END)
    while trap is Trap.PREEMPT:
        seen.append(board.peek32(DATA))
        trap = board.go()
    assert trap is Trap.SYSCALL
    board.cpu.set_preempt(0)
    return seen


def test_preemption_is_exact(board: Board) -> None:
    """Every block counts one, none is lost or run twice; each slice takes its length in ns."""
    seen = slices(board, 100)
    assert board.peek32(DATA) == 1000
    assert len(seen) == 10  # 1000 rounds and the block that ends them
    assert board.m.clock.now == 10 * 100
    steps = {b - a for a, b in itertools.pairwise(seen)}
    assert steps == {100}


def test_preemption_is_deterministic(board: Board) -> None:
    assert slices(board, 37) == slices(board, 37)


def test_slices_go_on_over_system_calls_and_faults(board: Board) -> None:
    board.cpu.set_preempt(10)
    trap = board.asm("1: int $0x80; jmp 1b")
    traps = [trap]
    while traps[-1] is not Trap.PREEMPT:
        traps.append(board.go())
    assert len(traps) < 12


def test_hooks_are_compiled_into_blocks(board: Board) -> None:
    """Installing the hook throws old blocks away; otherwise they would run without it."""
    board.asm(COUNT + END)
    board.cpu.set_preempt(100)
    assert board.go(CODE) is Trap.PREEMPT
    board.cpu.set_preempt(0)
    assert board.go() is Trap.SYSCALL


def test_the_hook_outlasts_slices(board: Board) -> None:
    """It goes after HOOK_BLOCKS blocks, in the middle of a run that loses none of them."""
    counts = board.core.lib.cpu_counts_blocks
    board.cpu.set_preempt(100)
    board.cpu.set_preempt(0)
    assert board.asm(COUNT + END) is Trap.SYSCALL
    before = board.m.clock.now
    assert counts(board.m)
    board.switch(board.new_context())  # which starts no slice
    board.switch(board.context)
    assert board.asm(COUNT + END) is Trap.SYSCALL
    assert board.peek32(DATA) == 2000
    assert counts(board.m)
    blocks = lib.HOOK_BLOCKS
    assert board.asm(f"mov ${blocks}, %ecx; 1: inc %eax; dec %ecx; jnz 1b" + END) is Trap.SYSCALL
    assert board.regs.eax == blocks
    assert not counts(board.m)
    assert board.m.clock.now == before
    assert len(slices(board, 100)) == 10


def test_a_switch_starts_a_new_slice(board: Board) -> None:
    other = board.new_context()
    board.cpu.set_preempt(100)
    board.asm(COUNT + END)
    board.go()
    board.switch(other)
    board.switch(board.context)
    before = board.peek32(DATA)
    assert board.go() is Trap.PREEMPT
    assert board.peek32(DATA) - before == 100


# ---- stopping


def test_stop_from_another_thread(board: Board) -> None:
    """Once the guest runs, which its first fault shows."""
    code = assemble("1: inc %eax; jmp 1b")

    def stop_later(fills: int) -> threading.Thread:
        def wait() -> None:
            while board.counter("tlb_fill") == fills:
                time.sleep(0.001)
            time.sleep(0.05)
            board.cpu.request_stop()

        thread = threading.Thread(target=wait)
        thread.start()
        return thread

    stopper = stop_later(board.counter("tlb_fill"))
    assert board.start(code, eax=0) is Trap.STOP
    stopper.join()
    first = board.regs.eax
    assert first > 0
    assert CODE <= board.regs.eip <= CODE + 1
    board.flush()
    stopper = stop_later(board.counter("tlb_fill"))
    assert board.go() is Trap.STOP
    assert board.regs.eax != first
    stopper.join()


def test_stop_before_the_run(board: Board) -> None:
    board.poke(CODE, assemble("int $0x80"))
    board.cpu.request_stop()
    assert board.go(CODE, eax=3) is Trap.STOP
    assert (board.regs.eip, board.regs.eax) == (CODE, 3)
    assert board.go() is Trap.SYSCALL


def test_stop_from_the_hook(board: Board) -> None:
    def stop(mm: object, address: int, access: int) -> int:
        board.cpu.request_stop()
        return board.demand_zero(mm, address, access)

    board.on_fault = stop
    trap = board.asm(f"mov {DATA:#x}, %eax{END}")
    assert trap in (Trap.STOP, Trap.SYSCALL)
    while trap is Trap.STOP:
        trap = board.go()
    assert trap is Trap.SYSCALL
    assert board.regs.eip == CODE + 7


def test_host_signals_end_a_spinning_guest(board: Board) -> None:
    spin = assemble("1: jmp 1b")  # before the signal is on its way
    timer = threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGINT))
    with contextlib.suppress(KeyboardInterrupt), board.cpu.interruptible():
        timer.start()
        assert board.start(spin, esp=STACK) is Trap.STOP
        while True:
            pass
    timer.join()


# ---- contexts


def test_contexts_are_separate(board: Board) -> None:
    other = board.new_context()
    code = "fld1; movd %eax, %xmm0; int $0x80; movd %xmm0, %ebx; fnstsw %ax" + END
    board.asm(code, eax=1, esi=10)
    board.switch(other)
    assert (board.regs.esi, board.regs.eip, board.regs.eflags) == (0, 0, 0x202)
    board.go(CODE, eax=2, esi=20, esp=STACK)
    board.switch(board.context)
    assert (board.regs.eax, board.regs.esi) == (1, 10)
    board.go()
    assert (board.regs.ebx, board.regs.eax & 0x3800, board.regs.esi) == (1, 0x3800, 10)
    board.switch(other)
    board.go()
    assert (board.regs.ebx, board.regs.esi) == (2, 20)


def test_changes_before_a_switch_are_kept(board: Board) -> None:
    other = board.new_context()
    board.asm("int $0x80; int $0x80", edx=1)
    board.cpu.set_regs(eax=-11, edx=2, eip=board.regs.eip)
    board.switch(other)
    board.asm("int $0x80", edx=3)
    board.switch(board.context)
    assert (board.regs.eax, board.regs.edx) == (0xFFFFFFF5, 2)
    board.asm("int $0x80; int $0x80")
    assert board.regs.edx == 2


def test_clone(board: Board) -> None:
    board.asm("fldpi; int $0x80; fistpl 0x10000000" + END, eax=2, ebx=5)
    child = board.cpu.clone_context(board.context)
    board.contexts.append(child)
    board.cpu.context_regs(child).eax = 0
    assert board.regs.eax == 2
    board.switch(child)
    assert (board.regs.eax, board.regs.ebx, board.regs.eip) == (0, 5, CODE + 4)
    board.go()
    assert board.peek32(DATA) == 3
    board.poke(DATA, bytes(4))
    board.switch(board.context)
    board.go()
    assert board.peek32(DATA) == 3


def test_reset(board: Board) -> None:
    board.asm("fldpi; mov $0x7b, %eax; mov %eax, %gs" + END, ebx=5, esi=1)
    board.cpu.reset_context(board.context)
    regs = board.regs
    assert (regs.ebx, regs.esi, regs.gs, regs.eip, regs.eflags) == (0, 0, 0, 0, 0x202)
    board.asm("fnstsw %ax" + END)
    assert board.regs.eax & 0x3800 == 0


def test_address_spaces_are_separate(board: Board) -> None:
    mm = board.new_mm()
    other = board.new_context()
    code = assemble(f"incl {DATA:#x}; mov {DATA:#x}, %eax; int $0x80; jmp .-9")
    board.poke(CODE, code)
    board.map(CODE, board.pte(CODE) >> 12, mm=mm.ptr)
    for _ in range(3):
        for context, space in ((board.context, board.mm), (other, mm)):
            board.switch(context, space)
            board.go(CODE)
    assert board.regs.eax == 3
    assert board.peek32(DATA) == 3
    assert board.pte(DATA) >> 12 != board.pte(DATA, mm.ptr) >> 12


def test_one_address_space_needs_no_flush(board: Board) -> None:
    other = board.new_context()
    board.asm("int $0x80")
    before = board.counter("tlb_flush")
    for context in (other, board.context):
        board.switch(context)
        board.go(CODE)
    assert board.counter("tlb_flush") == before
    board.switch(other, board.new_mm())
    board.on_fault = lambda mm, address, access: lib.FAULT_MAPERR
    board.go(CODE)
    assert board.counter("tlb_flush") == before + 1


@pytest.mark.slow
def test_many_machines() -> None:
    """Engines do not disturb each other, and close."""
    boards = [Board(8 << 20) for _ in range(8)]
    for round_ in range(5):
        for i, board in enumerate(boards):
            board.asm(f"addl ${i + 1}, {DATA:#x}; mov {DATA:#x}, %eax{END}")
            assert board.regs.eax == (round_ + 1) * (i + 1)
    for board in boards:
        board.close()
