"""Code that Unicorn's translator does not survive, or takes for other code.

It has 512 temporaries for a block, of which some 50 are its own, and never gets back those
of the instructions here.  What the engine must not do happens in a process of its own.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

import pytest
from board import CODE, DATA, FETCH, MAPERR, RW, STACK, Board, assemble

from vmemu.cpu import Trap

LEAKING = {
    "fxch": b"\xd9\xc9",
    "fadd": b"\xd8\xc1",
    "fabs": b"\xd9\xe1",
    "fcmov": b"\xda\xc1",
    "fnstsw": b"\xdf\xe0",
    "fnstenv": b"\xd9\x33",
    "aam": b"\xd4\x0a",
    "aad": b"\xd5\x0a",
    "into": b"\xce",
    "mov fs": b"\x8e\xe0",
    "enter": b"\xc8\x00\x00\x00",
    "pshufw": b"\x0f\x70\xc1\x01",
    "pshufd": b"\x66\x0f\x70\xc1\x01",
    "pshufd and a prefix": b"\x3e\x66\x0f\x70\xc1\x01",
    "shufps": b"\x0f\xc6\xc1\x01",
    "palignr": b"\x66\x0f\x3a\x0f\xc1\x01",
    "crc32": b"\xf2\x0f\x38\xf0\xc1",
    "insertq": b"\xf2\x0f\x78\xc1\x01\x00",
    "extrq": b"\x66\x0f\x78\xc1\x01\x00",
}
"""Each seen to need one of the temporaries or two."""

START = b"\x31\xc0" + b"\xb9\x01\x00\x00\x00"  # xor eax, eax; mov ecx, 1
END = b"\xcd\x80"


def survives(run: Callable[[], bool]) -> None:
    """Run in a fork; it returns True, and does not die."""
    pid = os.fork()
    if pid == 0:
        signal.alarm(60)
        status = 2
        try:
            status = 0 if run() else 1
        finally:
            os._exit(status)
    _, status = os.waitpid(pid, 0)
    assert os.WIFEXITED(status), signal.Signals(os.WTERMSIG(status)).name
    assert os.WEXITSTATUS(status) == 0


def runs(code: bytes, at: int = CODE, **regs: int) -> bool:
    """Whether code runs to its system call."""
    board = Board()
    trap = board.start(code + END, at, esp=STACK + 0x800, ebx=DATA, **regs)
    return trap is Trap.SYSCALL and board.regs.eip == at + len(code + END)


@pytest.mark.parametrize("kind", LEAKING)
def test_a_long_straight_run(kind: str) -> None:
    insn = LEAKING[kind]
    for count in (232, 512, 1500):
        survives(lambda count=count: runs(START + insn * count))  # type: ignore[misc]


@pytest.mark.parametrize("offset", range(0, 4096, 511))
def test_a_run_over_a_page_boundary(offset: int) -> None:
    """A block may begin in one page and end in the next."""
    survives(lambda: runs(START + LEAKING["fxch"] * 1200, CODE + offset))


def test_any_entry_into_two_interleaved_runs() -> None:
    """From an even address the code is one run, from an odd one another."""
    code = b"\xd9\xd9" * 900  # fstp st(1), whichever byte it begins at
    for entry in (0, 1, 2, 3, 500, 501):
        run = code[entry:] + (b"\xc9" if entry % 2 else b"")
        survives(lambda run=run: runs(START + run))  # type: ignore[misc]


def test_each_instruction_is_executed_once() -> None:
    """An exit is no instruction, and none is executed twice: they are counted."""

    def counts() -> bool:
        board = Board()
        code = START + (b"\xd9\xc9" + b"\x40") * 700 + END  # fxch; inc eax
        for _ in range(3):
            if board.start(code, esp=STACK + 0x800) is not Trap.SYSCALL:
                return False
            if board.regs.eax != 700:
                return False
        return True

    survives(counts)


def test_a_loop_around_many_exits() -> None:
    def counts() -> bool:
        board = Board()
        body = (b"\xd9\xc9" + b"\x40") * 500
        # mov ecx, 50; body; loop by jump: dec ecx; jnz
        back = -(len(body) + 1 + 6)
        code = b"\x31\xc0\xb9\x32\x00\x00\x00" + body + b"\x49\x0f\x85"
        code += back.to_bytes(4, "little", signed=True) + END
        trap = board.start(code, esp=STACK + 0x800)
        return trap is Trap.SYSCALL and board.regs.eax == 500 * 50

    survives(counts)


def test_code_that_is_written_after_it_was_fetched() -> None:
    """The guest replaces nops by what does not fit into one block, and runs it."""

    def rewrites() -> bool:
        board = Board()
        start = DATA
        nops = b"\x90" * 1000 + END
        if board.start(nops, start, esp=STACK + 0x800) is not Trap.SYSCALL:
            return False
        # rep stosw of "d9 c9" over them, in code of another page
        code = assemble(
            f"cld; mov ${start}, %edi; mov $0xc9d9, %eax; mov $500, %ecx; rep stosw; int $0x80"
        )
        if board.start(code, esp=STACK + 0x800) is not Trap.SYSCALL:
            return False
        return board.go(start) is Trap.SYSCALL and board.regs.eip == start + 1002

    survives(rewrites)


@pytest.mark.parametrize("bits", [32, 64])
@pytest.mark.parametrize("others", [0, 1000])
def test_code_that_is_written_from_its_own_page(others: int, bits: int) -> None:
    """The engine is told of new exits also if it had some, which a refused store turns off."""

    def rewrites() -> bool:
        board, end = Board(bits=bits), END if bits == 32 else b"\x0f\x05"
        if board.start(LEAKING["fxch"] * others + end, sp=STACK + 0x800) is not Trap.SYSCALL:
            return False
        code = assemble(
            f"cld; mov ${DATA + 64}, %edi; mov $0xc9d9, %eax; mov $500, %ecx; rep stosw; jmp over\n"
            ".org 64; over: .fill 1000, 1, 0x90",
            DATA,
            bits,
        )
        trap = board.start(code + end, DATA, sp=STACK + 0x800)
        return trap is Trap.SYSCALL and board.regs.ip == DATA + len(code + end)

    survives(rewrites)


def test_one_frame_at_two_addresses() -> None:
    """Exits are set where code is fetched, not where it was fetched first."""

    def both() -> bool:
        board = Board()
        code = START + LEAKING["fxch"] * 600 + END
        board.poke(DATA, code)
        board.map(CODE, board.pte(DATA) >> 12, RW)
        return all(board.go(at, esp=STACK + 2048) is Trap.SYSCALL for at in (DATA, CODE))

    survives(both)


# ---- VEX ---------------------------------------------------------------------------

VEX = {
    "vpaddd xmm": "vpaddd %xmm1, %xmm2, %xmm3",
    "vaddps xmm": "vaddps %xmm1, %xmm2, %xmm3",
    "three bytes": ".byte 0xc4, 0xe1, 0x69, 0xfe, 0xd9",
    "ymm": "vaddps %ymm1, %ymm2, %ymm3",
    "a segment prefix": ".byte 0x26; vpaddd %xmm1, %xmm2, %xmm3",
    "0f38": "vpshufb %xmm1, %xmm2, %xmm3",
    "0f3a": "vpalignr $1, %xmm1, %xmm2, %xmm3",
    "in memory": "vpaddd (%ebx), %xmm2, %xmm3",
}


@pytest.mark.parametrize("name", VEX)
@pytest.mark.parametrize("before", [0, 3, 100, 3000])
def test_an_instruction_coded_with_vex_is_undefined(name: str, before: int) -> None:
    """Found at any place, and not executed as the older instruction it extends."""
    board = Board()
    padding = "\n".join("inc %eax" if n % 2 else "mov %eax, %esi" for n in range(before))
    code = f"xor %eax, %eax\n{padding}\nmov $7, %edx\nhere: {VEX[name]}\nmov $9, %edx\nint $0x80"
    trap = board.asm(code, ebx=DATA)
    assert trap is Trap.EXCEPTION
    assert board.cpu.vector == 6
    assert board.regs.edx == 7
    at = board.regs.eip - CODE
    assert assemble(code)[at - 5 : at] == b"\xba\x07\x00\x00\x00"
    board.close()


@pytest.mark.parametrize("bits", [32, 64])
def test_a_frame_with_other_code_at_another_address(bits: int) -> None:
    """What was found in a frame, or in one of like number, is not found in another."""
    board, end = Board(bits=bits), END if bits == 32 else b"\x0f\x05"
    vpaddd, again = b"\xc5\xe9\xfe\xd9", DATA + 0x1000
    first = board.frame()
    alike = [first, *(n for n in (board.frame() for _ in range(600)) if (n - first) % 256 == 0)]
    assert len(alike) > 1

    def runs_at(at: int, pfn: int, before: int) -> None:
        board.map(at, pfn)
        board.flush()
        assert board.go(at, sp=STACK + 0x800) is Trap.EXCEPTION
        assert (board.cpu.vector, board.regs.ip) == (6, at + before)
        assert board.go(at + before + 4, sp=STACK + 0x800) is Trap.SYSCALL

    for turn in range(1, 4):
        alike.reverse()  # the last that ran at the other address is the first that runs there
        places = {pfn: 100 * turn + 7 * n for n, pfn in enumerate(alike)}
        for pfn, before in places.items():
            board.map(CODE, pfn)
            board.poke(CODE, b"\x90" * before + vpaddd + b"\x90" * (2100 - before) + end)
            board.lib.code_written(board.m, board.page(CODE))
            runs_at(CODE, pfn, before)
        for pfn, before in places.items():
            runs_at(again, pfn, before)
    board.close()


@pytest.mark.parametrize("bits", [32, 64])
@pytest.mark.parametrize("way", ["another frame", "rewritten", "absent"])
@pytest.mark.parametrize("offset", [0, 8])
def test_an_exit_that_was_passed_is_met_again_by_other_code(
    offset: int, way: str, bits: int
) -> None:
    """Where a run enters the engine is not stopped, until something else stands there."""
    board, end = Board(bits=bits), END if bits == 32 else b"\x0f\x05"
    frames = [board.frame(), board.frame()]
    at, vpaddd = CODE + offset, b"\xc5\xe9\xfe\xd9"

    def put(pfn: int, code: bytes) -> None:
        board.map(CODE, pfn)
        board.flush()
        if board.peek(at, len(code)) != code:
            board.poke(at, code + end)
            board.lib.code_written(board.m, board.page(CODE))

    def bring_in(mm: object, address: int, access: int) -> int:
        result = board.demand_zero(mm, address, access)
        board.poke(at, vpaddd + end)
        return result

    board.on_fault = bring_in
    for _ in range(3):
        put(frames[0], vpaddd)
        if way == "absent":
            board.slot(CODE)[0] = 0
            board.flush()
        for _ in range(2):
            assert board.go(at, sp=STACK + 0x800) is Trap.EXCEPTION
            assert (board.cpu.vector, board.regs.ip) == (6, at)
        put(frames[way == "another frame"], b"\x90")
        assert board.go(at, sp=STACK + 0x800) is Trap.SYSCALL
    board.close()


@pytest.mark.parametrize("bits", [32, 64])
def test_an_exit_at_the_first_byte_comes_back(bits: int) -> None:
    """It goes when the engine, stopped elsewhere, asks for the page before, which is absent."""
    board, end = Board(bits=bits), END if bits == 32 else b"\x0f\x05"
    code = b"\xc5\xe9\xfe\xd9" + LEAKING["fxch"] * 600 + end
    assert board.start(code, sp=STACK + 0x800) is Trap.EXCEPTION
    assert board.go(CODE) is Trap.EXCEPTION  # stopped at it, it does not go at all
    assert board.go(CODE + 4) is Trap.SYSCALL
    board.flush()
    assert board.go(CODE) is Trap.EXCEPTION
    board.close()


def test_les_and_lds_are_what_they_were() -> None:
    board = Board()
    board.poke(DATA, (0x12345678).to_bytes(4, "little") + (0x7B).to_bytes(2, "little"))
    assert board.asm("les (%ebx), %eax; lds (%ebx), %ecx; int $0x80", ebx=DATA) is Trap.SYSCALL
    assert board.regs.eax == board.regs.ecx == 0x12345678
    board.close()


def test_bytes_that_look_like_vex_within_an_instruction() -> None:
    """An immediate is not the beginning of anything."""
    board = Board()
    code = "xor %esi, %esi\n" + "mov $0xfee9c5c5, %eax\nadd $0xc5e9fec5, %esi\n" * 300
    assert board.asm(code + "int $0x80") is Trap.SYSCALL
    assert board.regs.eax == 0xFEE9C5C5
    assert board.regs.esi == 300 * 0xC5E9FEC5 % 2**32
    board.close()


def test_a_jump_to_it() -> None:
    board = Board()
    assert board.asm("jmp 1f; .skip 200, 0x90; 1: vpaddd %xmm1, %xmm2, %xmm3") is Trap.EXCEPTION
    assert board.cpu.vector == 6
    assert board.regs.eip == CODE + 5 + 200
    board.close()


def test_random_numbers_of_the_host_are_refused() -> None:
    """rdrand and rdseed are undefined on this CPU; the same for what reads the processor's id."""
    board = Board()
    for insn in ("rdrand %eax", "rdseed %eax", "rdpid %eax", "rdrand %ax"):
        assert board.asm(insn) is Trap.EXCEPTION, insn
        assert board.cpu.vector == 6, insn
        assert board.regs.eip == CODE
    board.close()


@pytest.mark.parametrize(
    ("insn", "vector"),
    [("rdpmc", 6), ("xgetbv", 6), ("rdmsr", 13), ("mov %cr0, %eax", 13), ("mov %dr7, %eax", 13)],
)
def test_what_else_tells_of_the_processor_faults(insn: str, vector: int) -> None:
    """Counters (hardware has #GP), extended state (OSXSAVE is off), registers of the system."""
    board = Board()
    assert board.asm(f"xor %ecx, %ecx; {insn}") is Trap.EXCEPTION
    assert (board.cpu.vector, board.regs.eip) == (vector, CODE + 2)
    board.close()


def test_cpuid_does_not_promise_them() -> None:
    board = Board()
    board.asm("mov $1, %eax; cpuid; int $0x80")
    assert not board.regs.ecx & (1 << 30 | 1 << 28 | 1 << 12)  # rdrand, avx, fma
    first = [board.regs.eax, board.regs.ebx, board.regs.ecx, board.regs.edx]
    board.close()
    again = Board()
    again.asm("mov $1, %eax; cpuid; int $0x80")
    assert [again.regs.eax, again.regs.ebx, again.regs.ecx, again.regs.edx] == first
    again.close()


def test_more_pages_than_can_be_remembered() -> None:
    """Then everything is forgotten, blocks too, and looked at again."""
    board = Board(ram=32 << 20)
    code = START + LEAKING["fxch"] * 600 + END
    board.poke(DATA, code)
    frame = board.pte(DATA) >> 12
    for n in range(300):
        at = DATA + n * 0x1000
        board.map(at, frame)
        assert board.go(at, esp=STACK + 0x800) is Trap.SYSCALL
        assert board.regs.eip == at + len(code)
    board.close()


# ---- what the engine looks up when it has stopped ------------------------------------


def _before_an_exit(board: Board, before: bytes) -> int:
    """A page never fetched from, and behind it code with an exit at its first byte."""
    board.poke(CODE, before)
    behind = CODE + 0x1000
    # vpaddd at the page's first byte; then the code: int 0x80; inc eax; int 0x80; more vpaddd
    vpaddd = assemble(VEX["vpaddd xmm"])
    board.poke(behind, vpaddd.ljust(16, b"\x90") + END + b"\x40" + END + vpaddd * 500)
    return behind + 16


def test_a_system_call_is_not_lost_when_the_page_before_an_exit_is_looked_up() -> None:
    """The engine calls the hook for it behind the trap: that is no fetch of the program's."""
    board = Board()
    at = _before_an_exit(board, b"\x90")
    board.page(CODE).mapcount = 2  # its first fetch wants the TLB flushed
    assert board.go(at, esp=STACK + 0x800, eax=0) is Trap.SYSCALL
    assert board.regs.eax == 0
    assert board.regs.eip == at + 2
    board.page(CODE).mapcount = 1
    board.close()


# ---- bit tests with lock -------------------------------------------------------------

LOCKED = {
    "bt": b"\xf0\x0f\xa3\xc4",
    "bts": b"\xf0\x0f\xab\xc4",
    "btr": b"\xf0\x0f\xb3\xc4",
    "btc": b"\xf0\x0f\xbb\xc4",
    "bt of a constant": b"\xf0\x0f\xba\xe1\x01",
    "bts of a constant": b"\xf0\x0f\xba\xe9\x01",
    "btr of a constant": b"\xf0\x0f\xba\xf1\x01",
    "btc of a constant": b"\xf0\x0f\xba\xf9\x01",
    "prefixes behind": b"\xf0\x36\x2e\x0f\xab\xc4",
    "prefixes before": b"\x66\xf3\xf0\x0f\xab\xc4",
    "as many as can be": b"\x36" * 11 + b"\xf0\x0f\xab\xc4",
}
"""Each makes the translator abort; the operand is a register, so hardware has #UD."""


@pytest.mark.parametrize("kind", LOCKED)
@pytest.mark.parametrize("offset", [0, 100, *range(4076, 4096)])
def test_a_locked_bit_test_of_a_register_is_undefined(kind: str, offset: int) -> None:
    """Wherever it stands, also across the end of a page."""

    def refused() -> bool:
        board = Board()
        at = CODE + offset
        trap = board.start(START + LOCKED[kind] + END, at, esp=STACK + 0x800)
        return (
            trap is Trap.EXCEPTION
            and board.cpu.vector == 6
            and board.regs.eip == at + len(START)
            and board.regs.ecx == 1
        )

    survives(refused)


def test_a_locked_bit_test_of_memory_is_executed() -> None:
    board = Board()
    assert board.asm("lock btsl $3, (%ebx); lock btsl %eax, (%ebx); int $0x80", eax=5, ebx=DATA)
    assert board.peek32(DATA) == 0x28
    board.close()


SPLIT = {
    "the operand behind": (3, "lock btsl %eax, ({di})"),
    "all but the prefix behind": (1, "lock btsl %eax, ({di})"),
}
"""So many bytes stand at a page's end; what they begin could be a bit test of a register."""


def _split_over_pages(bits: int, kind: str) -> tuple[Board, int, bytes]:
    """A board with the first bytes of one in a page; where it begins, what belongs behind."""
    before, source = SPLIT[kind]
    board = Board(bits=bits)
    code = assemble(source.format(di="%edi" if bits == 32 else "%rdi"), bits=bits)
    at = CODE + 0x1000 - before
    board.poke(at, code[:before])
    return board, at, code[before:] + (END if bits == 32 else b"\x0f\x05")


@pytest.mark.parametrize("bits", [32, 64])
@pytest.mark.parametrize("kind", SPLIT)
def test_what_goes_on_in_a_page_that_is_absent_is_fetched_before_it_is_judged(
    kind: str, bits: int
) -> None:
    board, at, behind = _split_over_pages(bits, kind)

    def bring_in(mm: object, address: int, access: int) -> int:
        result = board.demand_zero(mm, address, access)
        if access == FETCH:
            board.poke(address, behind)
        return result

    board.on_fault = bring_in
    assert board.go(at, sp=STACK + 0x800, ax=5, di=DATA) is Trap.SYSCALL
    assert (CODE + 0x1000, FETCH) in board.faults
    assert board.peek32(DATA) == 1 << 5
    assert board.regs.ip == CODE + 0x1000 + len(behind)
    board.close()


@pytest.mark.parametrize("bits", [32, 64])
@pytest.mark.parametrize("kind", SPLIT)
def test_where_it_would_go_on_is_no_mapping(kind: str, bits: int) -> None:
    board, at, _ = _split_over_pages(bits, kind)
    board.on_fault = lambda mm, address, access: MAPERR
    assert board.go(at, sp=STACK + 0x800, ax=5, di=DATA) is Trap.FAULT
    fault = board.m.fault
    assert (fault.address, fault.access, fault.result) == (CODE + 0x1000, FETCH, MAPERR)
    assert board.regs.ip == at
    board.close()


@pytest.mark.parametrize("before", [1, 2, 3, 4])
@pytest.mark.parametrize(
    ("bits", "code"),
    [
        (32, b"\xc5\xe9\xfe\xd9"),
        (32, b"\xc4\xe1\x69\xfe\xd9"),
        (64, b"\xc5\xfd\x77"),
        (64, b"\xc4\xe1\x7d\x77"),
    ],
    ids=["vpaddd", "vpaddd, three bytes", "vzeroall", "vzeroall, three bytes"],
)
def test_vex_that_goes_on_in_a_page_that_is_absent(bits: int, code: bytes, before: int) -> None:
    """Whether Unicorn refuses it by itself depends on what is there."""
    board = Board(bits=bits)
    at = CODE + 0x1000 - before
    board.poke(at, code[:before])
    end = END if bits == 32 else b"\x0f\x05"

    def bring_in(mm: object, address: int, access: int) -> int:
        result = board.demand_zero(mm, address, access)
        if access == FETCH:
            board.poke(address, code[before:] + end)
        return result

    board.on_fault = bring_in
    assert board.go(at, sp=STACK + 0x800) is Trap.EXCEPTION
    assert (board.cpu.vector, board.regs.ip) == (6, at)
    board.close()
