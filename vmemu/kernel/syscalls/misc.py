"""System calls that fit nowhere else: TLS segments, system information, randomness."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from vmemu.core import lib
from vmemu.cpu import GDT_ENTRY_TLS_MAX, GDT_ENTRY_TLS_MIN, UserDesc
from vmemu.errors import Errno
from vmemu.kernel import uaccess
from vmemu.kernel.process.wait import NSEC_PER_SEC
from vmemu.kernel.syscalls.table import syscall

if TYPE_CHECKING:
    from vmemu.kernel.process.task import Task

_GRND_RANDOM, _GRND_INSECURE = 2, 4
_RANDOM_FLAGS = 7
_RANDOM_MAX = 1 << 20
_ANY_ENTRY = 0xFFFFFFFF


def read_user_desc(task: Task, pointer: int) -> tuple[int, UserDesc]:
    """Read struct user_desc: the GDT entry it names, and a segment; Errno EFAULT."""
    entry, base, limit, flags = uaccess.read_struct(task.mm, pointer, "4I")
    return entry, UserDesc.decode(base, limit, flags)


@syscall(243, "ptr")
def sys_set_thread_area(task: Task, pointer: int) -> int:
    """Set a TLS segment; entry -1 takes a free one and says which."""
    entry, desc = read_user_desc(task, pointer)
    if entry == _ANY_ENTRY:
        cpu, context = task.kernel.cpu, task.context
        for entry in range(GDT_ENTRY_TLS_MIN, GDT_ENTRY_TLS_MAX + 1):
            if cpu.get_tls(context, entry).empty:
                break
        else:
            raise Errno(errno.ESRCH)
        uaccess.write_struct(task.mm, pointer, "I", entry)
    if not GDT_ENTRY_TLS_MIN <= entry <= GDT_ENTRY_TLS_MAX:
        raise Errno(errno.EINVAL)
    task.kernel.cpu.set_tls(task.context, entry, desc)
    return 0


@syscall(244, "ptr")
def sys_get_thread_area(task: Task, pointer: int) -> int:
    """Read a TLS segment."""
    entry = uaccess.read_struct(task.mm, pointer, "I")[0]
    if not GDT_ENTRY_TLS_MIN <= entry <= GDT_ENTRY_TLS_MAX:
        raise Errno(errno.EINVAL)
    desc = task.kernel.cpu.get_tls(task.context, entry)
    uaccess.write_struct(task.mm, pointer, "4I", entry, desc.base, desc.limit, desc.flags)
    return 0


_ARCH_SET_GS, _ARCH_SET_FS, _ARCH_GET_FS, _ARCH_GET_GS = range(0x1001, 0x1005)


@syscall(None, "hex", "ptr", x64=158)
def sys_arch_prctl(task: Task, code: int, address: int) -> int:
    """Set or read the base of fs or gs; Errno EPERM for one that is the kernel's."""
    cpu = task.kernel.cpu
    if code in (_ARCH_SET_FS, _ARCH_SET_GS):
        if address >= task.kernel.core.task_size:
            raise Errno(errno.EPERM)
        cpu.set_base(task.context, "fs" if code == _ARCH_SET_FS else "gs", address)
        return 0
    if code in (_ARCH_GET_FS, _ARCH_GET_GS):
        base = cpu.get_base("fs" if code == _ARCH_GET_FS else "gs")
        uaccess.write_struct(task.mm, address, "Q", base)
        return 0
    raise Errno(errno.EINVAL)


@syscall(116, "ptr", x64=99)
def sys_sysinfo(task: Task, pointer: int) -> int:
    """Memory, swap, uptime and the number of processes; memory in bytes."""
    m = task.kernel.core.m
    page = lib.PAGE_SIZE
    total, used = task.kernel.core.lib.swap_total(m), task.kernel.core.lib.swap_used(m)
    uaccess.write_struct(
        task.mm, pointer, task.kernel.abi.structs["sysinfo"],
        task.kernel.sched.now // NSEC_PER_SEC, 0, 0, 0,
        m.k.zone.present_pages * page, m.k.zone.free_pages * page, 0, 0,
        total * page, (total - used) * page, len(task.kernel.tasks), 0, 0, 0, 1,
    )  # fmt: skip
    return 0


@syscall(355, "ptr", "size", "hex", x64=318)
def sys_getrandom(task: Task, pointer: int, count: int, flags: int) -> int:
    """Random bytes from the machine's seed, at most 1 MiB at once, up to a bad address."""
    if flags & ~_RANDOM_FLAGS:
        raise Errno(errno.EINVAL)
    if flags & _GRND_RANDOM and flags & _GRND_INSECURE:
        raise Errno(errno.EINVAL)
    uaccess.access_ok(task.mm, pointer, count)
    count = min(count, _RANDOM_MAX)
    stored = task.mm.write_some(pointer, task.kernel.random.randbytes(count))
    if count and not stored:
        raise Errno(errno.EFAULT)
    return stored
