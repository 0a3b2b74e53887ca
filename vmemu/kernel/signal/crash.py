"""Where a program was when a signal of its own doing killed it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vmemu.errors import Errno
from vmemu.kernel.signal.state import Signal

if TYPE_CHECKING:
    from vmemu.kernel.process.task import Task

__all__ = ["CRASHES", "faulting_instruction"]

#: The signals that an instruction raises.
CRASHES = frozenset({Signal.SIGSEGV, Signal.SIGBUS, Signal.SIGFPE, Signal.SIGILL, Signal.SIGTRAP})
_LONGEST = 15  # bytes an x86 instruction may have


def faulting_instruction(task: Task) -> str:
    """``0x08049012: mov dword ptr [eax], edx``: the running task's next instruction.

    Its bytes are read as the program could read them; "not mapped" stands for those it
    could not.  The task must still have its memory.
    """
    kernel = task.kernel
    ip, digits = int(kernel.cpu.regs.ip), 2 * kernel.core.word
    code = b""
    for at in range(_LONGEST):
        try:
            code += task.mm.read((ip + at) & kernel.core.mask, 1)
        except Errno:
            break
    shown = _disassemble(code, ip, kernel.abi.bits) if code else "not mapped"
    return f"0x{ip:0{digits}x}: {shown}"


def _disassemble(code: bytes, ip: int, bits: int) -> str:
    import capstone

    engine = capstone.Cs(
        capstone.CS_ARCH_X86, capstone.CS_MODE_64 if bits == 64 else capstone.CS_MODE_32
    )
    for instruction in engine.disasm(code, ip, 1):
        return f"{instruction.mnemonic} {instruction.op_str}".rstrip()
    return f"no instruction ({code[:4].hex(' ')})"
