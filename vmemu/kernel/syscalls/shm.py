"""System calls on shared memory: segments of System V, and memory with a descriptor."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

from vmemu import mm as memory
from vmemu.errors import Errno
from vmemu.kernel import uaccess
from vmemu.kernel.ipc.shm import SHMMNI, Segment
from vmemu.kernel.process.cred import Cap
from vmemu.kernel.syscalls.ipcperm import (
    IPC_INFO,
    IPC_RMID,
    IPC_SET,
    IPC_STAT,
    put_stat,
    read_stat,
    times,
)
from vmemu.kernel.syscalls.table import syscall
from vmemu.mm.consts import MAP_FIXED, MAP_SHARED, PROT_EXEC, PROT_READ, PROT_WRITE
from vmemu.mm.vma import find_vma_prev
from vmemu.vfs.file import O_RDWR
from vmemu.vfs.regular import RegularFile
from vmemu.vfs.tmpfile import F_SEAL_SEAL, TmpFile

if TYPE_CHECKING:
    from vmemu.kernel.process.task import Task

_LOCK, _UNLOCK, _SHM_STAT, _SHM_INFO, _STAT_ANY = range(11, 16)
_RDONLY, _RND, _REMAP, _EXEC = 0o10000, 0o20000, 0o40000, 0o100000
_STACK_GAP = 5 * 4096
_INT_MAX = 0x7FFFFFFF

_REST = {32: "N6N2iN2N", 64: "NNNN2iN2N"}
"""What follows the permissions in struct shmid64_ds."""
_OLD_REST = "i3i4H2I"
"""And in struct shmid_ds, before IPC_64."""


@syscall(395, "int", "size", "oct", x64=29)
def sys_shmget(task: Task, key: int, size: int, flags: int) -> int:
    """Find or make a segment; its id."""
    return task.kernel.shm.shmget(key, size, flags, task.cred).id


def attach(task: Task, number: int, addr: int, flags: int) -> int:
    """Map a segment (do_shmat); the address.  Errno EINVAL, ENOMEM."""
    kernel, mm = task.kernel, task.mm
    if number < 0 or (not addr and flags & _REMAP):
        raise Errno(errno.EINVAL)
    if addr & 4095:
        if not flags & _RND:
            raise Errno(errno.EINVAL)
        addr &= ~4095
        if not addr and flags & _REMAP:
            raise Errno(errno.EINVAL)
        fixed = MAP_FIXED
    else:
        fixed = MAP_FIXED if addr else 0
    segment = kernel.shm.get(number)
    segment.permit(0o444 if flags & _RDONLY else 0o666, task.cred)
    if fixed and not flags & _REMAP:
        _check_free(task, addr, segment.size)
    prot = PROT_READ if flags & _RDONLY else PROT_READ | PROT_WRITE
    prot |= PROT_EXEC if flags & _EXEC else 0
    try:
        return memory.do_mmap(
            mm, addr, segment.size, prot, MAP_SHARED | fixed, segment.shmem.get(),
            may_write=not flags & _RDONLY,
        )  # fmt: skip
    finally:
        kernel.shm.settle()
        segment.shmem.put()


def _check_free(task: Task, addr: int, size: int) -> None:
    """Errno EINVAL where an area is, or would soon be: the stack's; or where addresses end."""
    if addr + size > task.kernel.core.mask:
        raise Errno(errno.EINVAL)
    vma, _ = find_vma_prev(task.mm, addr)
    stack = int(task.mm.ptr.start_stack)
    if (vma is not None and vma.vm_start < addr + size) or (
        addr < stack and addr > stack - size - _STACK_GAP
    ):
        raise Errno(errno.EINVAL)


@syscall(397, "int", "ptr", "hex", x64=30, result="ptr")
def sys_shmat(task: Task, number: int, addr: int, flags: int) -> int:
    """Attach a segment; the address."""
    return attach(task, number, addr, flags)


@syscall(398, "ptr", x64=67)
def sys_shmdt(task: Task, addr: int) -> int:
    """Detach the segment that was attached there, whatever parts of it are left."""
    if addr & 4095:
        raise Errno(errno.EINVAL)
    mm, inodes = task.mm, task.kernel.vm.inodes
    found, end = None, addr
    for vma in list(mm.vmas()):
        start, stop, file = int(vma.vm_start), int(vma.vm_end), int(vma.vm_file)
        if start < addr or start - addr >> 12 != vma.vm_pgoff or not inodes.never_merges(file):
            continue
        if found is None:
            found, shmem = file, inodes.find(file)
            segment = task.kernel.shm.of(shmem)
            end = addr + (segment.pages << 12 if segment is not None else 0)
        if file == found and stop <= end:
            memory.do_munmap(mm, start, stop - start)
    if found is None:
        raise Errno(errno.EINVAL)
    return 0


@syscall(396, "int", "int", "ptr")
def sys_shmctl(task: Task, number: int, command: int, pointer: int) -> int:
    """Ask, change or remove a segment, the structures those of IPC_64."""
    return shmctl(task, number, command, pointer, old=False)


@syscall(None, "int", "int", "ptr", x64=31, name="shmctl")
def sys_shmctl_64(task: Task, number: int, command: int, pointer: int) -> int:
    """The same; x86-64 has no other structures."""
    return shmctl(task, number, command, pointer, old=False)


def shmctl(task: Task, number: int, command: int, pointer: int, *, old: bool) -> int:
    """Ask, change or remove a segment; Errno EINVAL, EFAULT, EACCES, EPERM."""
    shm = task.kernel.shm
    if command < 0 or number < 0:
        raise Errno(errno.EINVAL)
    if command == IPC_INFO:
        _put_limits(task, pointer, old)
        return shm.max_index
    if command == _SHM_INFO:
        _put_use(task, pointer)
        return shm.max_index
    if command in (_SHM_STAT, _STAT_ANY, IPC_STAT):
        by_index, anyone = command != IPC_STAT, command == _STAT_ANY
        segment = shm.told(number, task.cred, by_index=by_index, anyone=anyone)
        shm.settle()
        _put_segment(task, pointer, segment, old)
        return segment.id if by_index else 0
    if command == IPC_SET:
        told, _ = read_stat(task, pointer, _OLD_REST if old else "", old=old)
        segment = shm.owned(number, task.cred)
        segment.update_perm(told)
        segment.ctime = shm.now
    elif command == IPC_RMID:
        shm.destroy(shm.owned(number, task.cred))
    elif command in (_LOCK, _UNLOCK):
        segment = shm.get(number)
        if not task.cred.capable(Cap.IPC_LOCK):
            segment.check_owner(task.cred, Cap.IPC_LOCK)
            if command == _LOCK and not task.mm.rlimits.memlock:
                raise Errno(errno.EPERM)
        segment.shmem.locked = command == _LOCK
    else:
        raise Errno(errno.EINVAL)
    return 0


def _put_limits(task: Task, pointer: int, old: bool) -> None:
    """struct shminfo64, or struct shminfo."""
    shm = task.kernel.shm
    limits = (shm.shmmax, 1, SHMMNI, SHMMNI, shm.shmall)
    if old:
        uaccess.write_struct(task.mm, pointer, "5i", *(min(each, _INT_MAX) for each in limits))
    else:
        uaccess.write_struct(task.mm, pointer, "9N", *limits, 0, 0, 0, 0)


def _put_use(task: Task, pointer: int) -> None:
    """struct shm_info."""
    shm = task.kernel.shm
    swapped = sum(segment.shmem.swapped for segment in shm)
    resident = sum(segment.shmem.allocated for segment in shm) - swapped
    layout = "i4x5N" if task.kernel.abi.bits == 64 else "i5N"
    uaccess.write_struct(task.mm, pointer, layout, len(shm), shm.pages, resident, swapped, 0, 0)


def _put_segment(task: Task, pointer: int, segment: Segment, old: bool) -> None:
    """struct shmid64_ds, or struct shmid_ds."""
    stamps = (segment.atime, segment.dtime, segment.ctime)
    pids = (segment.cpid, segment.lpid)
    rest: tuple[int, ...]
    if old:
        rest = (min(segment.size, _INT_MAX), *stamps, *pids, segment.nattch, 0, 0, 0)
        put_stat(task, pointer, segment, segment.told_mode, _OLD_REST, rest, old=True)
        return
    rest = (segment.size, *times(task, *stamps), *pids, segment.nattch, 0, 0)
    put_stat(
        task, pointer, segment, segment.told_mode, _REST[task.kernel.abi.bits], rest, old=False
    )


# ---- memory with a descriptor ---------------------------------------------------

_MFD_CLOEXEC, _MFD_ALLOW_SEALING = 1, 2
_MFD_NAME = 249


@syscall(356, "str", "hex", x64=319)
def sys_memfd_create(task: Task, name: int, flags: int) -> int:
    """Make a file of memory without a path, and open it.

    Errno EINVAL, also for MFD_HUGETLB, and for MFD_EXEC and MFD_NOEXEC_SEAL of 6.3.
    """
    if flags & ~(_MFD_CLOEXEC | _MFD_ALLOW_SEALING):
        raise Errno(errno.EINVAL)
    try:
        said = task.mm.read_cstr(name, _MFD_NAME + 1)
    except Errno as error:
        raise Errno(errno.EINVAL if error.errno == errno.ENAMETOOLONG else error.errno) from None
    fd = task.files.alloc(0, task.limits.nofile)
    node = TmpFile(task.kernel.world.shm_mnt, 0o777)
    node.uid, node.gid = task.cred.user.fs, task.cred.group.fs
    if flags & _MFD_ALLOW_SEALING:
        node.seals &= ~F_SEAL_SEAL
    path = f"/memfd:{os.fsdecode(said)} (deleted)"
    file = node.open(O_RDWR, path)
    assert isinstance(file, RegularFile)
    file.unnamed = True
    return task.files.install(fd, file, bool(flags & _MFD_CLOEXEC))
