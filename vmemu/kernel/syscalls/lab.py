"""The lab call, private to vmemu: a guest hands a point of its run to the lab.

eax 0x766d  ebx operation  ecx, edx, esi arguments (x86-64: rax, rdi, rsi, rdx, r10)

0 MARK     name, a, b       run the lab's callback; its answer, or 0
1 RECLAIM  addr, len, pid   unmap and page out; pages unmapped
2 COUNTER  name, where      store a counter, 64 bits, and 0; its low 32 bits if where is 0
3 CHECK                     check the machine; 0
4 TRIM     frames           reclaim until so many frames are free; 0

What programs with a C library use of it is vmemu/include/vmemu.h.
"""

from __future__ import annotations

import enum
import errno
from typing import TYPE_CHECKING

from vmemu.core import lib
from vmemu.errors import Errno
from vmemu.kernel import uaccess
from vmemu.kernel.syscalls.table import s32, syscall

if TYPE_CHECKING:
    from vmemu.kernel.process.task import Task

NR_LAB = 0x766D
_NAME_MAX = 256


class LabOp(enum.IntEnum):
    """Operations of the lab call."""

    MARK = 0
    RECLAIM = 1
    COUNTER = 2
    CHECK = 3
    TRIM = 4


def _mark(task: Task, pointer: int, a: int, b: int) -> int:
    kernel = task.kernel
    name = task.mm.read_cstr(pointer, _NAME_MAX).decode(errors="replace")
    kernel.marks += 1
    kernel.core.event(lib.EV_mark, kernel.marks, a, b)
    answer = kernel.call_hook("on_mark", task, name, a, b)
    kernel.core.check_bug()
    return int(answer) if isinstance(answer, int) else 0


def _reclaim(task: Task, start: int, length: int, pid: int) -> int:
    """Errno EINVAL for a range that leaves the user's addresses; ENOMEM, with the mapped part
    done, for one with a hole, as madvise() has it.
    """
    target = task if not pid else task.kernel.tasks.get(s32(pid))
    if target is None or target.memory is None:
        raise Errno(errno.ESRCH)
    end = start + length
    if end > task.kernel.core.task_size:
        raise Errno(errno.EINVAL)
    gone = task.kernel.vm.reclaim_range(target.mm, start, end)
    mapped = start
    for vma in target.mm.vmas():
        if vma.vm_start <= mapped < vma.vm_end:
            mapped = int(vma.vm_end)
    if mapped < end:
        raise Errno(errno.ENOMEM)
    return gone


def _counter(task: Task, pointer: int, where: int) -> int:
    name = task.mm.read_cstr(pointer, _NAME_MAX).decode(errors="replace")
    value = task.kernel.core.counters().get(name)
    if value is None:
        raise Errno(errno.EINVAL)
    if not where:
        return value
    uaccess.write_struct(task.mm, where, "Q", value)
    return 0


@syscall(NR_LAB, "uint", "ptr", "xlong", "xlong", x64=NR_LAB, name="vmemu_lab")
def sys_lab(task: Task, op: int, a: int, b: int, c: int) -> int:
    """Do one operation of LabOp; Errno EINVAL for others."""
    if op == LabOp.MARK:
        return _mark(task, a, b, c)
    if op == LabOp.RECLAIM:
        return _reclaim(task, a, b, c)
    if op == LabOp.COUNTER:
        return _counter(task, a, b)
    if op == LabOp.CHECK:
        task.kernel.call_hook("on_check")
        return 0
    if op == LabOp.TRIM:
        task.kernel.vm.reclaim.reclaim_pages(a)
        return 0
    raise Errno(errno.EINVAL)
