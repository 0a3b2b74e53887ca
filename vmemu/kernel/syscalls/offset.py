"""System calls on places in files: reading and writing there, cutting, holes, syncing."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from vmemu.errors import Errno
from vmemu.kernel import uaccess
from vmemu.kernel.process.wait import Blocking, MayBlock, waited
from vmemu.kernel.program.busy import is_running
from vmemu.kernel.syscalls import path as paths
from vmemu.kernel.syscalls.fd import (
    count_read,
    count_written,
    read_user,
    read_vector,
    write_user,
    write_vector,
)
from vmemu.kernel.syscalls.limits import check_fsize
from vmemu.kernel.syscalls.path import AT_FDCWD
from vmemu.kernel.syscalls.table import s64, syscall
from vmemu.vfs.file import MAX_LFS_FILESIZE, File
from vmemu.vfs.permission import MAY_WRITE, permission
from vmemu.vfs.pipe import PipeReader, PipeWriter
from vmemu.vfs.procfile import TextFile
from vmemu.vfs.regular import DirectoryFile, RegularFile

if TYPE_CHECKING:
    from vmemu.kernel.process.task import Task

_KEEP_SIZE, _PUNCH_HOLE = 1, 2
_ADVICE = range(6)
_WILLNEED = 3


def _wide(low: int, high: int) -> int:
    """A signed offset from two words of 32 bits."""
    return s64(high << 32 | low)


def _at(task: Task, fd: int, offset: int, *, writing: bool) -> File:
    """An open file seen from an offset; Errno EINVAL, EBADF, ESPIPE."""
    if offset < 0:
        raise Errno(errno.EINVAL)
    file = task.files.get(fd)
    if writing and isinstance(file, TextFile):
        raise Errno(errno.ESPIPE)  # FMODE_PWRITE is seq_open()'s to take
    view = file.at(offset)
    if not (file.writable if writing else file.readable):
        raise Errno(errno.EBADF)
    return view


def _reads(task: Task, file: File, iov: int, count: int) -> MayBlock[int]:
    """Count a call that reads, and what it reads (/proc/PID/io)."""
    task.used.syscr += 1
    return count_read(task, read_vector(task, file, iov, count))


def _writes(task: Task, file: File, iov: int, count: int) -> MayBlock[int]:
    """The same of one that writes."""
    task.used.syscw += 1
    return count_written(task, write_vector(task, file, iov, count))


@syscall(None, "fd", "rbuf", "size", "long", x64=17)
def sys_pread64(task: Task, fd: int, buf: int, count: int, offset: int) -> MayBlock[int]:
    """Read at an offset; the position stays."""
    if offset < 0:
        raise Errno(errno.EINVAL)
    file, at = task.files.get(fd), None
    if isinstance(file, RegularFile):
        at = offset  # all there is to the view of it that at() would give
    else:
        file = file.at(offset)
    if not file.readable:
        raise Errno(errno.EBADF)
    task.used.syscr += 1
    return count_read(task, read_user(task, file, buf, count, at))


@syscall(180, "fd", "rbuf", "size", "uint", "uint", name="pread64")
def sys_pread64_32(task: Task, fd: int, buf: int, count: int, low: int, high: int) -> MayBlock[int]:
    """The same, the offset in two registers."""
    return sys_pread64(task, fd, buf, count, _wide(low, high))


@syscall(None, "fd", "buf", "size", "long", x64=18)
def sys_pwrite64(task: Task, fd: int, buf: int, count: int, offset: int) -> MayBlock[int]:
    """Write at an offset, or at the end with O_APPEND; the position stays."""
    file = _at(task, fd, offset, writing=True)
    task.used.syscw += 1
    return count_written(task, write_user(task, file, buf, count))


@syscall(181, "fd", "buf", "size", "uint", "uint", name="pwrite64")
def sys_pwrite64_32(
    task: Task, fd: int, buf: int, count: int, low: int, high: int
) -> MayBlock[int]:
    """The same, the offset in two registers."""
    return sys_pwrite64(task, fd, buf, count, _wide(low, high))


def _vector_offset(task: Task, low: int, high: int) -> int:
    return s64(low) if task.kernel.abi.bits == 64 else _wide(low & 0xFFFFFFFF, high & 0xFFFFFFFF)


@syscall(333, "fd", "ptr", "size", "size", "size", x64=295)
def sys_preadv(task: Task, fd: int, iov: int, count: int, low: int, high: int) -> MayBlock[int]:
    """Read at an offset into several buffers."""
    file = _at(task, fd, _vector_offset(task, low, high), writing=False)
    return _reads(task, file, iov, count)


@syscall(334, "fd", "iov", "size", "size", "size", x64=296)
def sys_pwritev(task: Task, fd: int, iov: int, count: int, low: int, high: int) -> MayBlock[int]:
    """Write several buffers at an offset."""
    file = _at(task, fd, _vector_offset(task, low, high), writing=True)
    return _writes(task, file, iov, count)


_RWF = 0x1F
"""RWF_HIPRI, RWF_DSYNC, RWF_SYNC, RWF_NOWAIT, RWF_APPEND."""
_RWF_SYNC, _RWF_APPEND = 6, 0x10


def _flagged(
    task: Task, fd: int, offset: int, iov: int, count: int, flags: int, *, writing: bool
) -> File:
    """The file of preadv2() and pwritev2(): at its position for an offset of -1.

    Errno EOPNOTSUPP for flags that are not known; they change nothing but where it is written.
    """
    if offset != -1:
        file = _at(task, fd, offset, writing=writing)
    else:
        file = task.files.get(fd)
        if not (file.writable if writing else file.readable):
            raise Errno(errno.EBADF)
    uaccess.read_iovec(task.mm, iov, count)
    if flags & ~_RWF:
        raise Errno(errno.EOPNOTSUPP)
    if flags & _RWF_APPEND and isinstance(file, RegularFile):
        file = file.at(file.body.size)
    return file


@syscall(378, "fd", "ptr", "size", "size", "size", "hex", x64=327)
def sys_preadv2(
    task: Task, fd: int, iov: int, count: int, low: int, high: int, flags: int
) -> MayBlock[int]:
    """Like preadv(), or readv() with an offset of -1; flags make no difference."""
    offset = _vector_offset(task, low, high)
    file = _flagged(task, fd, offset, iov, count, flags, writing=False)
    return _reads(task, file, iov, count)


@syscall(379, "fd", "iov", "size", "size", "size", "hex", x64=328)
def sys_pwritev2(
    task: Task, fd: int, iov: int, count: int, low: int, high: int, flags: int
) -> Blocking[int]:
    """Like pwritev(), or writev() with an offset of -1, or at the end with RWF_APPEND."""
    offset = _vector_offset(task, low, high)
    file = _flagged(task, fd, offset, iov, count, flags, writing=True)
    done = yield from waited(_writes(task, file, iov, count))
    if done and flags & _RWF_SYNC and isinstance(file, RegularFile):
        file.body.sync()
    return done


def _truncate(task: Task, path: int, length: int) -> int:
    if length < 0:
        raise Errno(errno.EINVAL)
    node = paths.find(task, AT_FDCWD, path)
    if node.directory:
        raise Errno(errno.EISDIR)
    if not node.regular:
        raise Errno(errno.EINVAL)
    paths.writable(node)
    permission(node, MAY_WRITE, task.cred)
    if is_running(task.kernel, node):
        raise Errno(errno.ETXTBSY)
    body = node.body(1)
    try:
        check_fsize(task, body.size, length)
        body.truncate(length)
    finally:
        body.close()
    return 0


def _ftruncate(task: Task, fd: int, length: int) -> int:
    if length < 0:
        raise Errno(errno.EINVAL)
    file = task.files.get(fd)
    if not isinstance(file, RegularFile) or not file.writable:
        raise Errno(errno.EINVAL)
    check_fsize(task, file.body.size, length)
    file.body.truncate(length)
    return 0


@syscall(92, "str", "long", x64=76)
def sys_truncate(task: Task, path: int, length: int) -> int:
    """Cut a file, or let it end in a hole."""
    return _truncate(task, path, length)


@syscall(93, "fd", "long", x64=77)
def sys_ftruncate(task: Task, fd: int, length: int) -> int:
    """Cut an open file, or let it end in a hole."""
    return _ftruncate(task, fd, length)


@syscall(193, "str", "uint", "uint")
def sys_truncate64(task: Task, path: int, low: int, high: int) -> int:
    """The same, the length in two registers."""
    return _truncate(task, path, _wide(low, high))


@syscall(194, "fd", "uint", "uint")
def sys_ftruncate64(task: Task, fd: int, low: int, high: int) -> int:
    """The same, the length in two registers."""
    return _ftruncate(task, fd, _wide(low, high))


@syscall(None, "fd", "hex", "long", "long", x64=285)
def sys_fallocate(task: Task, fd: int, mode: int, offset: int, length: int) -> int:
    """Have pages for a range, or make a hole of it."""
    file = task.files.get(fd)
    if offset < 0 or length <= 0:
        raise Errno(errno.EINVAL)
    if mode not in (0, _KEEP_SIZE, _KEEP_SIZE | _PUNCH_HOLE):
        raise Errno(errno.EOPNOTSUPP)
    if not file.writable:
        raise Errno(errno.EBADF)
    if isinstance(file, PipeReader | PipeWriter):
        raise Errno(errno.ESPIPE)
    if not isinstance(file, RegularFile):
        raise Errno(errno.ENODEV)
    if offset + length > MAX_LFS_FILESIZE:
        raise Errno(errno.EFBIG)
    if not mode & _KEEP_SIZE:
        check_fsize(task, file.body.size, offset + length)
    file.body.allocate(mode, offset, length)
    return 0


@syscall(324, "fd", "hex", "uint", "uint", "uint", "uint", name="fallocate")
def sys_fallocate_32(
    task: Task, fd: int, mode: int, low: int, high: int, length: int, length_high: int
) -> int:
    """The same, offset and length in two registers each."""
    return sys_fallocate(task, fd, mode, _wide(low, high), _wide(length, length_high))


@syscall(118, "fd", x64=74)
@syscall(148, "fd", x64=75, name="fdatasync")
def sys_fsync(task: Task, fd: int) -> int:
    """Wait until the disk has a file; Errno EINVAL for what no disk has."""
    file = task.files.get(fd)
    if isinstance(file, RegularFile):
        file.body.sync()
    elif not isinstance(file, DirectoryFile):
        raise Errno(errno.EINVAL)
    return 0


@syscall(36, x64=162)
def sys_sync(task: Task) -> int:
    """Write all dirty pages of all files."""
    task.kernel.vm.inodes.sync()
    return 0


def _fadvise(task: Task, fd: int, offset: int, length: int, advice: int) -> int:
    file = task.files.get(fd)
    if isinstance(file, PipeReader | PipeWriter):
        raise Errno(errno.ESPIPE)
    if length < 0 or advice not in _ADVICE:
        raise Errno(errno.EINVAL)
    if isinstance(file, RegularFile):
        file.body.advise(offset, length, advice)
    return 0


@syscall(None, "fd", "long", "long", "int", x64=221)
def sys_fadvise64(task: Task, fd: int, offset: int, length: int, advice: int) -> int:
    """Take advice on how a file will be read."""
    return _fadvise(task, fd, offset, length, advice)


@syscall(250, "fd", "uint", "uint", "size", "int", name="fadvise64")
def sys_fadvise64_32(task: Task, fd: int, low: int, high: int, length: int, advice: int) -> int:
    """The same, the offset in two registers."""
    return _fadvise(task, fd, _wide(low, high), length, advice)


@syscall(272, "fd", "uint", "uint", "uint", "uint", "int")
def sys_fadvise64_64(
    task: Task, fd: int, low: int, high: int, length: int, length_high: int, advice: int
) -> int:
    """The same, offset and length in two registers each."""
    return _fadvise(task, fd, _wide(low, high), _wide(length, length_high), advice)


@syscall(None, "fd", "long", "size", x64=187)
def sys_readahead(task: Task, fd: int, offset: int, count: int) -> int:
    """Bring pages of a file into memory; Errno EBADF, EINVAL for what has no pages."""
    file = task.files.get(fd)
    if not file.readable:
        raise Errno(errno.EBADF)
    if not isinstance(file, RegularFile):
        raise Errno(errno.EINVAL)
    if offset >= 0 and count:
        file.body.advise(offset, min(count, MAX_LFS_FILESIZE - offset), _WILLNEED)
    return 0


@syscall(225, "fd", "uint", "uint", "size", name="readahead")
def sys_readahead_32(task: Task, fd: int, low: int, high: int, count: int) -> int:
    """The same, the offset in two registers."""
    return sys_readahead(task, fd, _wide(low, high), count)
