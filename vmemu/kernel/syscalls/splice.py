"""Moving bytes between files: sendfile(), splice(), tee(), vmsplice(), copy_file_range().

Bytes are copied where Linux may move pages.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from vmemu.errors import Errno
from vmemu.kernel import uaccess
from vmemu.kernel.process.wait import Blocking, Wait, waited
from vmemu.kernel.signal.state import SI_USER, SigInfo, Signal, send_signal
from vmemu.kernel.syscalls.fd import MAX_RW_COUNT, read_vector, write_bytes, write_vector
from vmemu.kernel.syscalls.table import syscall
from vmemu.vfs.eventfd import AnonFile
from vmemu.vfs.file import O_APPEND, O_NONBLOCK, POLLIN, POLLOUT, File
from vmemu.vfs.pipe import BUFFER_SIZE, Buffer, Pipe, SharedBuffer
from vmemu.vfs.regular import RegularFile

if TYPE_CHECKING:
    from vmemu.kernel.process.task import Task

_FLAGS = 0xF
_NONBLOCK = 2
_CHUNK = 65536


def _pipe_of(file: File) -> Pipe | None:
    found = getattr(file, "pipe", None)
    return found if isinstance(found, Pipe) else None


def _pair(task: Task, source: int, target: int) -> tuple[File, File]:
    """Two open files, to read from and to write to; Errno EBADF."""
    left, right = task.files.get(source), task.files.get(target)
    if not left.readable or not right.writable:
        raise Errno(errno.EBADF)
    return left, right


def _offset(task: Task, pointer: int, layout: str = "q") -> int | None:
    """An offset in memory; None for NULL.  Errno EFAULT, EINVAL."""
    if not pointer:
        return None
    offset = uaccess.read_struct(task.mm, pointer, layout)[0]
    if offset < 0:
        raise Errno(errno.EINVAL)
    return offset


# ---- sendfile -------------------------------------------------------------


def _sendfile(task: Task, out: int, source: int, offset: int | None, count: int) -> Blocking[int]:
    """How many bytes went."""
    left = task.files.get(source)
    if not left.readable:
        raise Errno(errno.EBADF)
    if offset is not None:
        left = left.at(offset)
    right = task.files.get(out)
    if not right.writable:
        raise Errno(errno.EBADF)
    if right.flags & O_APPEND or not isinstance(left, RegularFile):
        raise Errno(errno.EINVAL)
    done, count = 0, min(count, MAX_RW_COUNT)
    while done < count:
        try:
            data = yield from waited(left.read(min(count - done, _CHUNK)))
            if not data:
                break
            put = yield from waited(write_bytes(task, right, data))
        except Errno:
            if done:
                break
            raise
        left.take(put)
        done += put
        if put < len(data):
            break
    return done


def _sendfile_at(
    task: Task, out: int, source: int, pointer: int, count: int, layout: str
) -> Blocking[int]:
    offset = _offset(task, pointer, layout)
    done = yield from _sendfile(task, out, source, offset, count)
    if offset is not None:
        uaccess.write_struct(task.mm, pointer, layout, offset + done)
    return done


@syscall(187, "fd", "fd", "ptr", "size", x64=40)
def sys_sendfile(task: Task, out: int, source: int, pointer: int, count: int) -> Blocking[int]:
    """Copy from a regular file to any, at an offset or at the position."""
    return (yield from _sendfile_at(task, out, source, pointer, count, "n"))


@syscall(239, "fd", "fd", "ptr", "size")
def sys_sendfile64(task: Task, out: int, source: int, pointer: int, count: int) -> Blocking[int]:
    """The same with an offset of 64 bits."""
    return (yield from _sendfile_at(task, out, source, pointer, count, "q"))


# ---- pipes ----------------------------------------------------------------


def _wait_data(task: Task, pipe: Pipe, flags: int) -> Blocking[bool]:
    """Wait for something in a pipe (ipipe_prep); False at its end.  Errno EAGAIN."""
    while not pipe.buffers:
        if not pipe.writers:
            return False
        if flags & _NONBLOCK:
            raise Errno(errno.EAGAIN)
        yield Wait(
            f"data in pipe:[{pipe.ino}]",
            (pipe.queue,),
            lambda: bool(pipe.buffers) or not pipe.writers,
        )
    return True


def _wait_room(task: Task, pipe: Pipe, flags: int) -> Blocking[None]:
    """Wait for a free buffer of a pipe (opipe_prep); Errno EPIPE with SIGPIPE, EAGAIN."""
    while pipe.readers and pipe.full:
        if flags & _NONBLOCK:
            raise Errno(errno.EAGAIN)
        yield Wait(
            f"room in pipe:[{pipe.ino}]", (pipe.queue,), lambda: not pipe.full or not pipe.readers
        )
    if not pipe.readers:
        send_signal(task, SigInfo(Signal.SIGPIPE, SI_USER, pid=task.tgid))
        raise Errno(errno.EPIPE)


def _peek(pipe: Pipe, count: int) -> list[Buffer]:
    """The first bytes of a pipe, by buffers; part of one is shared with what is left of it."""
    pieces: list[Buffer] = []
    for buffer in pipe.buffers:
        if not count:
            break
        pieces.append(buffer if len(buffer) <= count else SharedBuffer(buffer[:count]))
        count -= len(pieces[-1])
    return pieces


def _drop(pipe: Pipe, count: int) -> None:
    """The first bytes of a pipe are gone."""
    before = len(pipe.buffers)
    while count:
        piece = min(count, len(pipe.buffers[0]))
        count -= piece
        if piece == len(pipe.buffers[0]):
            pipe.pop()
        else:
            pipe.buffers[0].drop(piece)
    if len(pipe.buffers) < before:
        pipe.queue.wake_up(POLLOUT)


def _fill(pipe: Pipe, pieces: list[Buffer]) -> int:
    """Put pieces into buffers of their own; how many bytes.  Errno ENOMEM when none."""
    done = 0
    for piece in pieces:
        if pipe.full:
            break
        filled = pipe.fill(bytes(piece), type(piece))
        done += filled
        if filled < len(piece):
            break
    if pieces and not done:
        raise Errno(errno.ENOMEM)
    pipe.queue.wake_up(POLLIN)
    return done


def _splice_pipes(task: Task, left: Pipe, right: Pipe, count: int, flags: int) -> Blocking[int]:
    """Move buffers from pipe to pipe (splice_pipe_to_pipe)."""
    if left is right:
        raise Errno(errno.EINVAL)
    while True:
        more = yield from _wait_data(task, left, flags)
        yield from _wait_room(task, right, flags)
        if not more:
            return 0
        if left.buffers:
            break
    done = _fill(right, _peek(left, count))
    _drop(left, done)
    return done


def _splice_out(task: Task, pipe: Pipe, right: File, count: int, flags: int) -> Blocking[int]:
    """From a pipe to a file or a socket (do_splice_from)."""
    if not (yield from _wait_data(task, pipe, flags)):
        return 0
    data = b"".join(_peek(pipe, min(count, _CHUNK)))
    put = yield from waited(write_bytes(task, right, data))
    _drop(pipe, min(put, sum(map(len, pipe.buffers))))
    return put


def _splice_in(task: Task, left: File, pipe: Pipe, count: int, flags: int) -> Blocking[int]:
    """From a file or a socket to a pipe (do_splice_to)."""
    yield from _wait_room(task, pipe, flags)
    room = (pipe.slots - len(pipe.buffers)) * BUFFER_SIZE
    data = yield from waited(left.read(min(count, room, _CHUNK)))
    if not data:
        return 0
    if not pipe.readers or pipe.full:
        return (yield from _splice_in(task, left, pipe, count, flags))
    done = _fill(pipe, [SharedBuffer(data)])
    left.take(done)
    return done


@syscall(313, "fd", "ptr", "fd", "ptr", "size", "hex", x64=275)
def sys_splice(
    task: Task, source: int, off_in: int, target: int, off_out: int, count: int, flags: int
) -> Blocking[int]:
    """Move bytes between two files of which one is a pipe."""
    if not count:
        return 0
    if flags & ~_FLAGS:
        raise Errno(errno.EINVAL)
    task.files.get(source)
    task.files.get(target)
    left, right = task.files.get(source), task.files.get(target)
    from_pipe, to_pipe = _pipe_of(left), _pipe_of(right)
    if (from_pipe and off_in) or (to_pipe and off_out):
        raise Errno(errno.ESPIPE)
    start, end = _offset(task, off_in), _offset(task, off_out)
    left, right = _pair(task, source, target)
    count = min(count, MAX_RW_COUNT)
    if from_pipe is not None and left.flags & O_NONBLOCK:
        flags |= _NONBLOCK
    if to_pipe is not None and right.flags & O_NONBLOCK:
        flags |= _NONBLOCK
    if from_pipe is not None and to_pipe is not None:
        return (yield from _splice_pipes(task, from_pipe, to_pipe, count, flags))
    if isinstance(left, AnonFile) or isinstance(right, AnonFile):
        raise Errno(errno.EINVAL)
    if from_pipe is not None:
        if right.flags & O_APPEND:
            raise Errno(errno.EINVAL)
        view = right if end is None else right.at(end)
        done = yield from _splice_out(task, from_pipe, view, count, flags)
        if end is not None:
            uaccess.write_struct(task.mm, off_out, "q", end + done)
        return done
    if to_pipe is None:
        raise Errno(errno.EINVAL)
    view = left if start is None else left.at(start)
    done = yield from _splice_in(task, view, to_pipe, count, flags)
    if start is not None:
        uaccess.write_struct(task.mm, off_in, "q", start + done)
    return done


@syscall(315, "fd", "fd", "size", "hex", x64=276)
def sys_tee(task: Task, source: int, target: int, count: int, flags: int) -> Blocking[int]:
    """Copy from pipe to pipe; what is read stays."""
    if flags & ~_FLAGS:
        raise Errno(errno.EINVAL)
    if not count:
        return 0
    left, right = _pair(task, source, target)
    from_pipe, to_pipe = _pipe_of(left), _pipe_of(right)
    if from_pipe is None or to_pipe is None or from_pipe is to_pipe:
        raise Errno(errno.EINVAL)
    if (left.flags | right.flags) & O_NONBLOCK:
        flags |= _NONBLOCK
    while True:
        more = yield from _wait_data(task, from_pipe, flags)
        yield from _wait_room(task, to_pipe, flags)
        if not more:
            return 0
        if from_pipe.buffers:
            pieces = _peek(from_pipe, min(count, MAX_RW_COUNT))
            return _fill(to_pipe, [SharedBuffer(piece) for piece in pieces])


@syscall(316, "fd", "iov", "size", "hex", x64=278)
def sys_vmsplice(task: Task, fd: int, iov: int, count: int, flags: int) -> Blocking[int]:
    """Write memory to a pipe, or read it from one: copied, not mapped."""
    if flags & ~_FLAGS:
        raise Errno(errno.EINVAL)
    file = task.files.get(fd)
    uaccess.read_iovec(task.mm, iov, count)
    if _pipe_of(file) is None:
        raise Errno(errno.EBADF)
    status, nonblock = file.flags & O_NONBLOCK, O_NONBLOCK if flags & _NONBLOCK else 0
    file.flags |= nonblock
    try:
        if file.writable:
            return (yield from waited(write_vector(task, file, iov, count)))
        return (yield from read_vector(task, file, iov, count))
    finally:
        file.flags = file.flags & ~O_NONBLOCK | status


# ---- copy_file_range ------------------------------------------------------


@syscall(377, "fd", "ptr", "fd", "ptr", "size", "hex", x64=326)
def sys_copy_file_range(
    task: Task, source: int, off_in: int, target: int, off_out: int, count: int, flags: int
) -> Blocking[int]:
    """Copy from one regular file to another; Errno EISDIR, EINVAL, EBADF."""
    left, right = task.files.get(source), task.files.get(target)
    start, end = _offset(task, off_in), _offset(task, off_out)
    if flags:
        raise Errno(errno.EINVAL)
    if left.directory or right.directory:
        raise Errno(errno.EISDIR)
    if not isinstance(left, RegularFile) or not isinstance(right, RegularFile):
        raise Errno(errno.EINVAL)
    if not left.readable or not right.writable or right.flags & O_APPEND:
        raise Errno(errno.EBADF)
    first = left.position if start is None else start
    last = right.position if end is None else end
    count = min(count, MAX_RW_COUNT, max(0, left.body.size - first))
    same = left.stat()[:2] == right.stat()[:2] and left.stat().dev == right.stat().dev
    if same and first < last + count and last < first + count:
        raise Errno(errno.EINVAL)
    done = 0
    while done < count:
        data = left.body.read(first + done, min(count - done, _CHUNK))
        if not data:
            break
        try:
            view = right.at(last + done)
            done += yield from waited(view.write(data))
        except Errno:
            if done:
                break
            raise
    if start is None:
        left.position += done
    else:
        uaccess.write_struct(task.mm, off_in, "q", start + done)
    if end is None:
        right.position += done
    else:
        uaccess.write_struct(task.mm, off_out, "q", end + done)
    return done
