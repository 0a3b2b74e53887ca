"""System calls of memory management: thin, the work is in vmemu.mm."""

from __future__ import annotations

import errno
import os
import stat
from typing import TYPE_CHECKING

from vmemu import mm as memory
from vmemu.errors import Errno, VmemuError
from vmemu.kernel import uaccess
from vmemu.kernel.process.cred import Cap
from vmemu.kernel.syscalls.table import syscall
from vmemu.mm.consts import MAP_NONBLOCK, MLOCK_ONFAULT, PROT_WRITE
from vmemu.vfs.device import ZeroFile
from vmemu.vfs.file import MAX_LFS_FILESIZE
from vmemu.vfs.regular import PathFile, RegularFile
from vmemu.vfs.tmpfile import TmpFile

if TYPE_CHECKING:
    from vmemu.kernel.process.task import Task
    from vmemu.vfs.file import File

_MAP_ANONYMOUS = 0x20
_MAP_TYPE = 0xF
_MAP_SHARED, _MAP_PRIVATE, _MAP_SHARED_VALIDATE = 1, 2, 3
_LEGACY_MAP_MASK = 0x7C07F973
"""Flags that were there before MAP_SHARED_VALIDATE, which alone refuses those that came later."""
_MS_ASYNC, _MS_INVALIDATE, _MS_SYNC = 1, 2, 4


@syscall(45, "ptr", x64=12, result="ptr")
def sys_brk(task: Task, brk: int) -> int:
    """Move the end of the heap; always returns where it is."""
    return memory.sys_brk(task.mm, brk)


def _mmap(task: Task, addr: int, length: int, prot: int, flags: int, fd: int, pgoff: int) -> int:
    if not flags & _MAP_ANONYMOUS:
        file = task.files.get(fd)
        if type(file) is not ZeroFile:
            return _mmap_file(task, file, addr, length, prot, flags, pgoff)
        shared = flags & _MAP_TYPE in (_MAP_SHARED, _MAP_SHARED_VALIDATE)
        if not file.readable or (shared and prot & PROT_WRITE and not file.writable):
            raise Errno(errno.EACCES)
        may_write = file.writable or not shared
        flags = flags & ~_MAP_TYPE | (_MAP_SHARED if shared else flags & _MAP_TYPE) | _MAP_ANONYMOUS
        return memory.do_mmap(task.mm, addr, length, prot, flags, may_write=may_write)
    return memory.do_mmap(task.mm, addr, length, prot, flags)


def _mmap_file(
    task: Task, file: File, addr: int, length: int, prot: int, flags: int, pgoff: int
) -> int:
    """Map a regular file."""
    if not length:
        raise Errno(errno.EINVAL)
    if length > task.kernel.core.task_size:
        raise Errno(errno.ENOMEM)
    if (pgoff << 12) + length > MAX_LFS_FILESIZE and isinstance(file, RegularFile):
        raise Errno(errno.EOVERFLOW)
    kind = flags & _MAP_TYPE
    if kind in (_MAP_SHARED, _MAP_SHARED_VALIDATE):
        if kind == _MAP_SHARED_VALIDATE and flags & ~_LEGACY_MAP_MASK:
            raise Errno(errno.EOPNOTSUPP)
        if prot & PROT_WRITE and not (file.readable and file.writable):
            raise Errno(errno.EACCES)
    elif kind != _MAP_PRIVATE:
        raise Errno(errno.EINVAL)
    if not file.readable:
        raise Errno(errno.EBADF if isinstance(file, PathFile) else errno.EACCES)
    if not isinstance(file, RegularFile):
        raise Errno(errno.ENODEV)
    inode = file.body.mapping(file.name)
    may_write = kind == _MAP_PRIVATE or file.writable
    if kind != _MAP_PRIVATE:
        if file.writable and not inode.writable:
            if prot & PROT_WRITE:
                raise Errno(errno.ENODEV)
            may_write = False
        if isinstance(file.node, TmpFile) and not file.node.may_be_written:
            if prot & PROT_WRITE:
                raise Errno(errno.EPERM)
            may_write = False
        flags = flags & ~_MAP_TYPE | _MAP_SHARED
    address = memory.do_mmap(
        task.mm, addr, length, prot, flags, file=inode, pgoff=pgoff, may_write=may_write
    )
    if isinstance(file.node, TmpFile):
        file.node.accessed()  # generic_file_mmap()
    return address


@syscall(90, "ptr", name="old_mmap", result="ptr")
def sys_old_mmap(task: Task, pointer: int) -> int:
    """mmap() with its six arguments in memory, the offset in bytes."""
    addr, length, prot, flags, fd, offset = uaccess.read_struct(task.mm, pointer, "4IiI")
    if offset & 4095:
        raise Errno(errno.EINVAL)
    return _mmap(task, addr, length, prot, flags, fd, offset >> 12)


@syscall(192, "ptr", "size", "prot", "mapfl", "fd", "uint", result="ptr")
def sys_mmap2(
    task: Task, addr: int, length: int, prot: int, flags: int, fd: int, pgoff: int
) -> int:
    """Map anonymous memory or a file."""
    return _mmap(task, addr, length, prot, flags, fd, pgoff)


@syscall(None, "ptr", "size", "prot", "mapfl", "fd", "size", x64=9, result="ptr")
def sys_mmap(
    task: Task, addr: int, length: int, prot: int, flags: int, fd: int, offset: int
) -> int:
    """The same with the offset in bytes."""
    if offset & 4095:
        raise Errno(errno.EINVAL)
    return _mmap(task, addr, length, prot, flags, fd, offset >> 12)


@syscall(91, "ptr", "size", x64=11)
def sys_munmap(task: Task, addr: int, length: int) -> int:
    """Unmap a range."""
    memory.do_munmap(task.mm, addr, length)
    return 0


@syscall(125, "ptr", "size", "prot", x64=10)
def sys_mprotect(task: Task, addr: int, length: int, prot: int) -> int:
    """Change the protection of a range."""
    memory.do_mprotect(task.mm, addr, length, prot)
    return 0


@syscall(163, "ptr", "size", "size", "mremapfl", "ptr", x64=25, result="ptr")
def sys_mremap(task: Task, old: int, old_len: int, new_len: int, flags: int, new: int) -> int:
    """Resize or move a mapping."""
    return memory.do_mremap(task.mm, old, old_len, new_len, flags, new)


@syscall(257, "ptr", "size", "prot", "uint", "mapfl", x64=216)
def sys_remap_file_pages(
    task: Task, start: int, size: int, prot: int, pgoff: int, flags: int
) -> int:
    """Let a shared area map other pages of its file."""
    memory.do_remap_file_pages(
        task.mm, start, size, prot, pgoff, nonblock=bool(flags & MAP_NONBLOCK)
    )
    return 0


@syscall(219, "ptr", "size", "advice", x64=28)
def sys_madvise(task: Task, addr: int, length: int, advice: int) -> int:
    """Take advice on a range."""
    memory.do_madvise(task.mm, addr, length, advice)
    return 0


@syscall(150, "ptr", "size", x64=149)
def sys_mlock(task: Task, addr: int, length: int) -> int:
    """Lock a range into memory."""
    memory.do_mlock(task.mm, addr, length)
    return 0


@syscall(376, "ptr", "size", "hex", x64=325)
def sys_mlock2(task: Task, addr: int, length: int, flags: int) -> int:
    """Lock a range into memory, with MLOCK_ONFAULT page by page as it is used."""
    if flags & ~MLOCK_ONFAULT:
        raise Errno(errno.EINVAL)
    memory.do_mlock(task.mm, addr, length, onfault=bool(flags))
    return 0


@syscall(151, "ptr", "size", x64=150)
def sys_munlock(task: Task, addr: int, length: int) -> int:
    """Unlock a range."""
    memory.do_munlock(task.mm, addr, length)
    return 0


@syscall(152, "hex", x64=151)
def sys_mlockall(task: Task, flags: int) -> int:
    """Lock everything."""
    memory.do_mlockall(task.mm, flags)
    return 0


@syscall(153, x64=152)
def sys_munlockall(task: Task) -> int:
    """Unlock everything."""
    memory.do_munlockall(task.mm)
    return 0


@syscall(218, "ptr", "size", "ptr", x64=27)
def sys_mincore(task: Task, addr: int, length: int, vec: int) -> int:
    """Tell which pages are in memory."""
    memory.do_mincore(task.mm, addr, length, vec)
    return 0


@syscall(144, "ptr", "size", "hex", x64=26)
def sys_msync(task: Task, addr: int, length: int, flags: int) -> int:
    """Write back what was written to shared areas of files."""
    both = _MS_ASYNC | _MS_SYNC
    if flags & ~(both | _MS_INVALIDATE) or flags & both == both or addr & 4095:
        raise Errno(errno.EINVAL)
    mask = task.kernel.core.mask
    end = addr + (length + 4095 & ~4095 & mask)  # a length that wraps is none
    if end > mask + 1:
        raise Errno(errno.ENOMEM)
    memory.do_msync(
        task.mm, addr, end, wait=bool(flags & _MS_SYNC), invalidate=bool(flags & _MS_INVALIDATE)
    )
    return 0


def _mode_on_host(name: str) -> int:
    """st_mode of a file of the host; Errno when it cannot be looked at."""
    try:
        return os.stat(name).st_mode  # noqa: PTH116 - pathlib hides some errors
    except OSError as error:
        raise Errno(error.errno or errno.EIO) from None


@syscall(87, "str", "hex", x64=167)
def sys_swapon(task: Task, path: int, flags: int) -> int:
    """Add a swap file of the host; Errno EBUSY if it is one already, EINVAL if none.

    Errno EPERM when the root is a directory of the host: nothing else of it may be reached.
    """
    if not task.cred.capable(Cap.SYS_ADMIN):
        raise Errno(errno.EPERM)
    name = os.fsdecode(uaccess.read_path(task.mm, path))
    swap = task.kernel.vm.swap
    if task.kernel.world.of_host:
        raise Errno(errno.EPERM)
    mode = _mode_on_host(name)
    if stat.S_ISDIR(mode):
        raise Errno(errno.EISDIR)
    if any(area.path == name for area in swap.areas):
        raise Errno(errno.EBUSY)
    if not stat.S_ISREG(mode):
        raise Errno(errno.EINVAL)
    try:
        swap.swapon(name)
    except (VmemuError, OSError) as error:
        task.kernel.call_hook("log", str(error))
        raise Errno(errno.EINVAL) from None
    return 0


@syscall(115, "str", x64=168)
def sys_swapoff(task: Task, path: int) -> int:
    """Bring everything in a swap file back and give it up.

    Memory that runs out meanwhile costs the caller its life, nobody else.
    """
    kernel = task.kernel
    name = os.fsdecode(uaccess.read_path(task.mm, path))
    if kernel.world.of_host:
        raise Errno(errno.EPERM)
    _mode_on_host(name)
    kernel.swapping_off = task
    try:
        kernel.vm.swap.swapoff(name, task.signals.has_kill)
    finally:
        kernel.swapping_off = None
    return 0
