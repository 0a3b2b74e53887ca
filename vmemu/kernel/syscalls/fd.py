"""System calls on descriptors: reading, writing, duplicating, pipes."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from vmemu.core import lib
from vmemu.errors import Errno
from vmemu.kernel import uaccess
from vmemu.kernel.process.limits import Resource
from vmemu.kernel.process.wait import Blocking, MayBlock, waited
from vmemu.kernel.signal.state import SI_USER, SigInfo, Signal, send_signal
from vmemu.kernel.syscalls.limits import within_fsize
from vmemu.kernel.syscalls.table import syscall
from vmemu.vfs.file import (
    O_APPEND,
    O_CLOEXEC,
    O_DIRECT,
    O_NONBLOCK,
    POLLHUP,
    SEEK_HOLE,
    File,
)
from vmemu.vfs.pipe import Pipe, PipeReader, PipeWriter
from vmemu.vfs.regular import RegularFile

if TYPE_CHECKING:
    from vmemu.kernel.process.task import Task

_CHUNK: int = lib.READ_CHUNK
MAX_RW_COUNT = 0x7FFFF000
"""The most that one call reads."""
MAX_MESSAGE = 425984
"""No message is longer."""
_UNSHARE, _CLOEXEC = 2, 4


def install_new(task: Task, file: File, flags: int) -> int:
    """Give a new file a descriptor; Errno EMFILE, ENFILE."""
    try:
        fd = task.files.alloc(0, task.limits.nofile)
    except Errno:
        file.release()
        raise
    return task.files.install(fd, file, bool(flags & O_CLOEXEC))


def write_user(task: Task, file: File, buf: int, count: int) -> MayBlock[int]:
    """Write user memory to a file, piece by piece; a fault after some bytes ends it."""
    _check_range(task, buf, count)
    if file.takes_all:
        return count
    if file.record and count > MAX_MESSAGE:
        raise Errno(errno.EMSGSIZE)
    if file.flags & O_DIRECT and isinstance(file, RegularFile):
        file.check_direct(buf, count)
    if Resource.FSIZE in task.limits.soft and isinstance(file, RegularFile):
        offset = file.body.size if file.flags & O_APPEND else file.position
        count = within_fsize(task, offset, count)
    wanted = count if file.record else min(_CHUNK, count)
    data, writing = _piece(task, file, buf, wanted), None
    if data is not None:
        try:
            writing = file.write(data)
        except Errno as error:
            _broken(task, file, error)
            raise
        if isinstance(writing, int) and (writing < wanted or writing == count):
            return writing
    return _write_on(task, file, buf, count, wanted, writing)


def _prefix(task: Task, file: File, buf: int, wanted: int) -> bytes:
    """What is to be written next, to a file all that can be read; Errno EFAULT."""
    take = uaccess.read_available if isinstance(file, RegularFile) else uaccess.read_prefix
    return take(task.mm, buf, wanted)


def _piece(task: Task, file: File, buf: int, wanted: int) -> bytes | None:
    """The same; None if it cannot be read."""
    try:
        return _prefix(task, file, buf, wanted)
    except Errno:
        return None


def _write_on(
    task: Task, file: File, buf: int, count: int, wanted: int, writing: MayBlock[int] | None
) -> Blocking[int]:
    """Go on from the first piece, which is being written; None: it could not be read."""
    done, data = 0, None
    while True:
        try:
            if data is None and writing is None:
                yield from file.room(wanted)  # whatever it says comes before EFAULT
                data = _prefix(task, file, buf + done, wanted)
            if writing is None:
                assert data is not None
                writing = file.write(data)
            written = yield from waited(writing)
        except Errno as error:
            if done:
                return done
            _broken(task, file, error)
            raise
        done += written
        if written < wanted or done == count:
            return done
        wanted, writing = count if file.record else min(_CHUNK, count - done), None
        data = _piece(task, file, buf + done, wanted)


def _broken(task: Task, file: File, error: Errno) -> None:
    """Send what comes with EPIPE."""
    if error.errno == errno.EPIPE and file.sigpipe:
        send_signal(task, SigInfo(Signal.SIGPIPE, SI_USER, pid=task.tgid))


def write_bytes(task: Task, file: File, data: bytes) -> MayBlock[int]:
    """Write what has been read already; SIGPIPE comes with EPIPE."""
    try:
        written = file.write(data)
    except Errno as error:
        _broken(task, file, error)
        raise
    return written if isinstance(written, int) else _watched(task, file, written)


def _watched(task: Task, file: File, writing: Blocking[int]) -> Blocking[int]:
    try:
        return (yield from writing)
    except Errno as error:
        _broken(task, file, error)
        raise


def _check_range(task: Task, buf: int, count: int) -> None:
    """Refuse a buffer that leaves the user's address space, then a negative length."""
    uaccess.access_ok(task.mm, buf, count)
    if count > uaccess.ssize_max(task.mm):
        raise Errno(errno.EINVAL)


def read_user(
    task: Task, file: File, buf: int, count: int, offset: int | None = None
) -> MayBlock[int]:
    """Read from a file into user memory, from its position or an offset on.

    What cannot be stored stays in the file.
    """
    _check_range(task, buf, count)
    if file.directory:
        raise Errno(errno.EISDIR)
    if count < file.least:
        raise Errno(errno.EINVAL)
    count = min(count, MAX_RW_COUNT)
    if count:
        at_once = file.read_to(task.mm, buf, count, offset)
        if at_once is not None:
            return at_once
    if offset is not None:
        file = file.at(offset)
    if file.flags & O_DIRECT and isinstance(file, RegularFile):
        file.check_direct(buf, count)
    if not count:
        return 0
    reading = file.read(min(count, _CHUNK))
    if isinstance(reading, bytes):
        taken = _store(task, file, buf, reading)
        if taken < len(reading) or not (taken and file.whole) or taken == count:
            return taken
        return _read_on(task, file, buf, count, taken, None)
    return _read_on(task, file, buf, count, 0, reading)


def _store(task: Task, file: File, buf: int, data: bytes) -> int:
    """Store what was read and take from the file what could be; how many bytes.  Errno EFAULT."""
    if not data:
        file.take(0)  # a message may be empty
        return 0
    taken = file.take(task.mm.write_some(buf, data))
    if not taken:
        raise Errno(errno.EFAULT)
    return taken


def _read_on(
    task: Task, file: File, buf: int, count: int, done: int, reading: MayBlock[bytes] | None
) -> Blocking[int]:
    """Go on until nothing more comes, or cannot be stored."""
    while done < count:
        try:
            if reading is None:
                reading = file.read(min(count - done, _CHUNK))
            data = yield from waited(reading)
            taken = _store(task, file, buf + done, data)
        except Errno:
            if done:
                break
            raise
        reading = None
        done += taken
        if taken < len(data) or not (taken and file.whole):
            break
    return done


def _open_for(task: Task, fd: int, *, writing: bool) -> File:
    file = task.files.get(fd)
    if not (file.writable if writing else file.readable):
        raise Errno(errno.EBADF)
    return file


def count_read(task: Task, doing: MayBlock[int]) -> MayBlock[int]:
    """Count what a call reads (/proc/PID/io)."""
    if isinstance(doing, int):
        task.used.rchar += doing
        return doing
    return _count_read(task, doing)


def _count_read(task: Task, doing: Blocking[int]) -> Blocking[int]:
    done = yield from doing
    task.used.rchar += done
    return done


def count_written(task: Task, doing: MayBlock[int]) -> MayBlock[int]:
    """The same of what it writes."""
    if isinstance(doing, int):
        task.used.wchar += doing
        return doing
    return _count_written(task, doing)


def _count_written(task: Task, doing: Blocking[int]) -> Blocking[int]:
    done = yield from doing
    task.used.wchar += done
    return done


@syscall(3, "fd", "rbuf", "size", x64=0)
def sys_read(task: Task, fd: int, buf: int, count: int) -> MayBlock[int]:
    """Read; from a pipe or a stream at most 64 KiB at once."""
    file = _open_for(task, fd, writing=False)
    task.used.syscr += 1
    return count_read(task, read_user(task, file, buf, count))


@syscall(4, "fd", "buf", "size", x64=1)
def sys_write(task: Task, fd: int, buf: int, count: int) -> MayBlock[int]:
    """Write; SIGPIPE comes with EPIPE."""
    file = _open_for(task, fd, writing=True)
    task.used.syscw += 1
    return count_written(task, write_user(task, file, buf, count))


@syscall(145, "fd", "ptr", "size", x64=19)
def sys_readv(task: Task, fd: int, iov: int, count: int) -> MayBlock[int]:
    """Read into several buffers until one is not filled."""
    file = _open_for(task, fd, writing=False)
    task.used.syscr += 1
    return count_read(task, read_vector(task, file, iov, count))


def read_vector(task: Task, file: File, iov: int, count: int) -> Blocking[int]:
    """The same of an open file."""
    pairs = uaccess.read_iovec(task.mm, iov, count)
    if file.least or file.record:
        return (yield from _scatter(task, file, pairs))
    done = 0
    for base, length in pairs:
        if done and file.queue is not None and not file.poll() & ~POLLHUP:
            break
        try:
            got = yield from waited(read_user(task, file, base, length))
        except Errno:
            if done:
                break
            raise
        done += got
        if got < length:
            break
    return done


def _scatter(task: Task, file: File, pairs: list[tuple[int, int]]) -> Blocking[int]:
    """Fill several buffers by one read."""
    total = sum(length for _, length in pairs)
    if not total:
        return 0
    if total < file.least:
        raise Errno(errno.EINVAL)
    data = yield from waited(file.read(min(total, _CHUNK)))
    return file.take(store_vector(task, pairs, data))


def store_vector(task: Task, pairs: list[tuple[int, int]], data: bytes) -> int:
    """Store bytes in several buffers, one after the other; Errno EFAULT if none could be."""
    done = 0
    for base, length in pairs:
        piece = data[done : done + length]
        if base + length > task.kernel.core.task_size:
            break
        stored = task.mm.write_some(base, piece) if piece else 0
        done += stored
        if stored < len(piece):
            break
    if data and not done:
        raise Errno(errno.EFAULT)
    return done


def _gather(task: Task, pairs: list[tuple[int, int]], file: File) -> bytes | None:
    """All buffers in one piece; None if they are large, or one cannot be read.

    Of a file that takes messages it is one message or none: Errno EFAULT, EMSGSIZE.
    """
    total = sum(length for _, length in pairs)
    if not total:
        return b""
    if file.record and total > MAX_MESSAGE:
        raise Errno(errno.EMSGSIZE)
    if not file.record and total > _CHUNK:
        return None
    try:
        return b"".join(uaccess.read(task.mm, base, length) for base, length in pairs if length)
    except Errno:
        if file.record:
            raise
        return None


@syscall(146, "fd", "iov", "size", x64=20)
def sys_writev(task: Task, fd: int, iov: int, count: int) -> MayBlock[int]:
    """Write several buffers, small ones as one; those before a bad one count."""
    file = _open_for(task, fd, writing=True)
    task.used.syscw += 1
    return count_written(task, write_vector(task, file, iov, count))


def write_vector(task: Task, file: File, iov: int, count: int) -> MayBlock[int]:
    """The same of an open file."""
    pairs = uaccess.read_iovec(task.mm, iov, count)
    data = _gather(task, pairs, file)
    if data == b"":
        return 0
    if data is not None:
        return write_bytes(task, file, data)
    return _write_pairs(task, file, pairs)


def _write_pairs(task: Task, file: File, pairs: list[tuple[int, int]]) -> Blocking[int]:
    """One buffer after the other."""
    done = 0
    for base, length in pairs:
        if not length:
            continue
        try:
            put = yield from waited(write_user(task, file, base, length))
        except Errno:
            if done:
                break
            raise
        done += put
        if put < length:
            break
    return done


@syscall(6, "fd", x64=3)
def sys_close(task: Task, fd: int) -> int:
    """Close a descriptor."""
    task.files.close(fd)
    return 0


@syscall(436, "uint", "uint", "hex", x64=436)
def sys_close_range(task: Task, first: int, last: int, flags: int) -> int:
    """Close descriptors, or mark them to be closed by execve; in a table of one's own if asked."""
    if flags & ~(_UNSHARE | _CLOEXEC) or first > last:
        raise Errno(errno.EINVAL)
    if flags & _UNSHARE and task.files.users > 1:
        shared = task.files
        task.files = shared.copy()
        shared.users -= 1
    files = task.files
    for fd in sorted(fd for fd in files.entries if first <= fd <= last):
        if flags & _CLOEXEC:
            files.set_cloexec(fd, True)
        else:
            files.close(fd)
    return 0


@syscall(41, "fd", x64=32)
def sys_dup(task: Task, fd: int) -> int:
    """Duplicate to the lowest free descriptor."""
    file = task.files.get(fd)
    return task.files.install(task.files.alloc(0, task.limits.nofile), file)


@syscall(63, "fd", "fd", x64=33)
def sys_dup2(task: Task, old: int, new: int) -> int:
    """Duplicate to a given descriptor, closing it first."""
    file = task.files.get(old)
    if new == old:
        return new
    if not 0 <= new < task.limits.nofile:
        raise Errno(errno.EBADF)
    return task.files.install(new, file)


@syscall(330, "fd", "fd", "openfl", x64=292)
def sys_dup3(task: Task, old: int, new: int, flags: int) -> int:
    """Like dup2(), with O_CLOEXEC; the same descriptor twice is an error."""
    if flags & ~O_CLOEXEC or old == new:
        raise Errno(errno.EINVAL)
    sys_dup2(task, old, new)
    task.files.set_cloexec(new, bool(flags))
    return new


def _pipe(task: Task, pointer: int, flags: int) -> int:
    files = task.files
    kernel = task.kernel
    kernel.next_ino += 1
    pipe = Pipe(kernel.next_ino, kernel.hold)
    pipe.owner = task.cred.user.fs, task.cred.group.fs
    status = flags & O_NONBLOCK
    cloexec = bool(flags & O_CLOEXEC)
    limit = task.limits.nofile
    reader = files.install(files.alloc(0, limit), PipeReader(pipe, status), cloexec)
    try:
        writer = files.install(files.alloc(0, limit), PipeWriter(pipe, status), cloexec)
    except Errno:
        files.close(reader)
        raise
    try:
        uaccess.write_struct(task.mm, pointer, "2i", reader, writer)
    except Errno:
        files.close(reader)
        files.close(writer)
        raise
    return 0


@syscall(42, "pipefd", x64=22)
def sys_pipe(task: Task, pointer: int) -> int:
    """Make a pipe."""
    return _pipe(task, pointer, 0)


@syscall(331, "pipefd", "openfl", x64=293)
def sys_pipe2(task: Task, pointer: int, flags: int) -> int:
    """Make a pipe with O_CLOEXEC or O_NONBLOCK."""
    if flags & ~(O_CLOEXEC | O_NONBLOCK):
        raise Errno(errno.EINVAL)
    return _pipe(task, pointer, flags)


def _seek(task: Task, fd: int, offset: int, whence: int) -> int:
    file = task.files.get(fd)
    if whence > SEEK_HOLE:
        raise Errno(errno.EINVAL)
    return file.seek(offset, whence)


@syscall(19, "fd", "long", "uint", x64=8)
def sys_lseek(task: Task, fd: int, offset: int, whence: int) -> int:
    """Move the file position; Errno EOVERFLOW where it does not fit into a long."""
    position = _seek(task, fd, offset, whence)
    if position > uaccess.ssize_max(task.mm):
        raise Errno(errno.EOVERFLOW)
    return position


@syscall(140, "fd", "uint", "uint", "ptr", "uint", name="_llseek")
def sys_llseek(task: Task, fd: int, high: int, low: int, result: int, whence: int) -> int:
    """Move the file position by 64 bits."""
    offset = high << 32 | low
    if high & 0x80000000:
        offset -= 1 << 64
    position = _seek(task, fd, offset, whence)
    uaccess.write_struct(task.mm, result, "q", position)
    return 0
