"""Open files and descriptor tables (struct file, struct files_struct)."""

from __future__ import annotations

import errno
import stat
from typing import TYPE_CHECKING, NamedTuple

from vmemu.errors import Errno
from vmemu.kernel.hold import DESCRIPTOR_BYTES, FILE_BYTES, HostMemory
from vmemu.kernel.process.wait import Blocking, MayBlock, WaitQueue, immediately

if TYPE_CHECKING:
    from vmemu.kernel.process.task import Task
    from vmemu.mm import Mm
    from vmemu.vfs.eventpoll import Item
    from vmemu.vfs.fasync import Async
    from vmemu.vfs.lock import FileLocks, Locks
    from vmemu.vfs.node import Node

O_ACCMODE = 3
O_RDONLY = 0
O_WRONLY = 1
O_RDWR = 2
O_CREAT = 0o100
O_EXCL = 0o200
O_NOCTTY = 0o400
O_TRUNC = 0o1000
O_APPEND = 0o2000
O_NONBLOCK = 0o4000
O_DSYNC, O_SYNC = 0o10000, 0o4010000
O_ASYNC = 0o20000
O_DIRECT, O_LARGEFILE = 0o40000, 0o100000
O_DIRECTORY = 0o200000
O_NOFOLLOW = 0o400000
O_NOATIME = 0o1000000
O_CLOEXEC = 0o2000000
O_PATH = 0o10000000
O_TMPFILE = 0o20000000
SETTABLE = O_APPEND | O_NONBLOCK
OPENED = O_SYNC | O_DIRECT | O_DIRECTORY | O_NOFOLLOW | O_NOATIME | O_TMPFILE
"""Flags of open() that stay, and that F_SETFL does not change."""

SEEK_SET, SEEK_CUR, SEEK_END, SEEK_DATA, SEEK_HOLE = range(5)
MAX_LFS_FILESIZE = (1 << 63) - 1

POLLIN, POLLPRI, POLLOUT, POLLERR, POLLHUP, POLLNVAL = 1, 2, 4, 8, 0x10, 0x20
POLLRDNORM, POLLRDBAND, POLLWRNORM, POLLWRBAND, POLLRDHUP = 0x40, 0x80, 0x100, 0x200, 0x2000


class FileStat(NamedTuple):
    """What fstat() tells of a file; times in nanoseconds since 1970."""

    mode: int = stat.S_IFCHR | 0o620
    ino: int = 1
    size: int = 0
    rdev: int = 0
    nlink: int = 1
    dev: int = 0
    uid: int | None = None
    """None: whoever runs the programs."""
    gid: int | None = None
    blocks: int | None = None
    """Of 512 bytes; None: as many as the size needs."""
    atime: int = 0
    mtime: int = 0
    ctime: int = 0


class File:
    """An open file description: what dup()ed and inherited descriptors share.

    What read and write return may be generators: they may block.  The base class refuses
    everything.
    """

    takes_all = False
    """A write succeeds without a look at the data (write_null)."""
    whole = False
    """A read gives all that was asked for, unless the file ends."""
    directory = False
    """It cannot be read, not even no bytes of it."""
    pollable = False
    """It has a poll() of its own; others are always ready, and epoll refuses them."""
    notifies = False
    """Its kind can send SIGIO, so that it has O_ASYNC (fasync)."""
    plain = True
    """It tells of POLLRDNORM and POLLWRNORM as well."""
    wakes = -1
    """Which wake-ups of its queue concern it."""
    least = 0
    """A read of fewer bytes is EINVAL, and several buffers are filled by one read."""
    record = False
    """What is read or written at once is one message."""
    flushes = False
    """It is told of each descriptor of it that is closed."""
    sigpipe = True
    """With EPIPE comes SIGPIPE."""
    items: list[Item] | None = None
    """Where epoll watches it."""
    lock_key: object = None
    """What its inode is known by, once it has been looked for."""
    locks: FileLocks | None = None
    """Those of its inode, if it has ever locked something itself (flock, OFD locks)."""
    owner = 0
    """Whom F_SETOWN named, a process group by a negative number."""
    owner_kind = 1
    """Whether that is a thread, a process or a group (F_OWNER_TID, _PID, _PGRP)."""
    owner_users = (0, 0)
    """The real and the effective user of whoever named it."""
    fasync: Async | None = None
    """What sends signals while it has O_ASYNC."""
    tells_space = wants_space = True
    """Room for more is told with a signal: always, or once after a write that had none."""
    signal = 0
    """What F_SETSIG named."""
    host_bytes = FILE_BYTES
    """What the host holds for it."""
    node: Node | None = None
    """What it was opened as, if it has a name."""

    def __init__(self, flags: int, name: str) -> None:
        self.flags = flags
        """O_ACCMODE bits, the flags F_SETFL changes, and OPENED."""
        self.name = name
        self.count = 0
        """Descriptors that refer to it; it is released when the last one goes."""
        self.queue: WaitQueue | None = None
        """Woken whenever what poll() says may have changed; None: it never does."""

    @property
    def status_flags(self) -> int:
        """What F_GETFL tells."""
        return self.flags & (O_ACCMODE | SETTABLE | O_ASYNC | OPENED)

    @property
    def readable(self) -> bool:
        """Opened for reading (FMODE_READ)."""
        return not self.flags & O_WRONLY  # 3 is neither

    @property
    def writable(self) -> bool:
        """Opened for writing (FMODE_WRITE)."""
        return self.flags & O_ACCMODE in (O_WRONLY, O_RDWR)

    def read(self, count: int) -> MayBlock[bytes]:
        """Wait for what can be read now, up to count bytes, b"" at the end of the file.

        It stays there: `take` is called next, before anything else happens.
        """
        raise Errno(errno.EINVAL)

    def take(self, count: int) -> int:
        """The reader has stored the first count bytes of what read() gave: they are gone.

        Returns how many count as read: fewer, where a file parts with whole pieces only.
        """
        return count

    def read_to(self, mm: Mm, address: int, count: int, offset: int | None = None) -> int | None:
        """Read into user memory at once, from an offset or from the position on; how many bytes.

        Errno EFAULT when none could be stored.  None: this file is read by `read` and `take`.
        """
        return None

    def write(self, data: bytes) -> MayBlock[int]:
        """Write; return how many bytes went."""
        raise Errno(errno.EINVAL)

    def room(self, count: int) -> Blocking[None]:
        """Wait until some of count bytes could be written; the Errno that write() would raise."""
        return immediately(None)

    def seek(self, offset: int, whence: int) -> int:
        """Move the file position and return it; Errno ESPIPE where there is none."""
        raise Errno(errno.ESPIPE)

    def at(self, offset: int) -> File:
        """The file as pread() and pwrite() see it; Errno ESPIPE where there is no position."""
        raise Errno(errno.ESPIPE)

    def stat(self) -> FileStat:
        """Describe the file."""
        return FileStat()

    def ioctl(self, task: Task, request: int, argument: int) -> int:
        """What is asked of this kind of file alone; Errno ENOTTY."""
        raise Errno(errno.ENOTTY)

    def poll(self) -> int:
        """POLLIN, POLLOUT, ... that hold now."""
        return POLLIN | POLLOUT

    def fdinfo(self) -> str:
        """Lines of /proc/PID/fdinfo/N beyond position and flags (show_fdinfo)."""
        return ""

    def polled(self, task: Task) -> int:
        """What poll() tells a task, with POLLRDNORM and POLLWRNORM."""
        events = self.poll()
        if not self.plain:
            return events
        return events | (events & POLLIN and POLLRDNORM) | (events & POLLOUT and POLLWRNORM)

    def queue_for(self, task: Task) -> WaitQueue | None:
        """Where a task sleeps until poll() may tell something else."""
        return self.queue

    def flush(self) -> None:
        """A descriptor is being closed (filp_close)."""

    def release(self) -> None:
        """The last descriptor has gone."""


def put_file(hold: HostMemory, file: File) -> None:
    """One reference less; a file that nobody has is released (fput)."""
    file.count -= 1
    if not file.count:
        if file.items:
            for item in tuple(file.items):
                item.remove()
        if file.locks is not None:
            file.locks.release(file)
        if file.fasync is not None:
            file.fasync.close()
        file.release()
        hold.uncharge(file.host_bytes)


class Descriptor(NamedTuple):
    """One entry of a descriptor table; tables that fork made share it."""

    file: File
    cloexec: bool = False


class FdTable:
    """Descriptors of a task, or of tasks that share them (CLONE_FILES)."""

    def __init__(self, hold: HostMemory) -> None:
        self.hold = hold
        self.entries: dict[int, Descriptor] = {}
        self.users = 1
        self.first_free = 0
        """No number below it is free (next_fd)."""
        self.locked: Locks | None = None
        """Where its processes may have locked records of files."""

    def get(self, fd: int) -> File:
        """Find an open file (fget); Errno EBADF."""
        return self.descriptor(fd).file

    def descriptor(self, fd: int) -> Descriptor:
        """Find a descriptor; Errno EBADF."""
        found = self.entries.get(fd)
        if found is None:
            raise Errno(errno.EBADF)
        return found

    def alloc(self, lowest: int, limit: int) -> int:
        """Give the lowest free number (get_unused_fd); Errno EMFILE."""
        fd = max(lowest, self.first_free)
        while fd in self.entries:
            fd += 1
        if lowest <= self.first_free:
            self.first_free = fd
        if fd >= limit:
            raise Errno(errno.EMFILE)
        return fd

    def install(self, fd: int, file: File, cloexec: bool = False) -> int:
        """Let fd refer to file, closing what it referred to (fd_install, dup2).

        Errno ENFILE when the host may hold no more; a file that is then nobody's is released.
        """
        old = self.entries.get(fd)
        size = (0 if file.count else file.host_bytes) + (0 if old else DESCRIPTOR_BYTES)
        if not self.hold.try_charge(size):
            if not file.count:
                file.release()
            raise Errno(errno.ENFILE)
        file.count += 1
        self.entries[fd] = Descriptor(file, cloexec)
        if old is not None:
            self._put(old.file)
        return fd

    def close(self, fd: int) -> None:
        """Drop a descriptor; Errno EBADF."""
        file = self.get(fd)
        del self.entries[fd]
        self.hold.uncharge(DESCRIPTOR_BYTES)
        self.first_free = min(self.first_free, fd)
        self._put(file)

    def _put(self, file: File) -> None:
        """A descriptor is closed: with any of a file go the records that its process has locked."""
        if self.locked is not None:
            self.locked.closed(self, file)
        if file.flushes:
            file.flush()
        put_file(self.hold, file)

    def share(self) -> FdTable:
        """Another task uses the same table."""
        self.users += 1
        return self

    def copy(self) -> FdTable:
        """Give a child its own table of the same files (copy_files); Errno ENOMEM."""
        self.hold.charge(len(self.entries) * DESCRIPTOR_BYTES)
        for entry in self.entries.values():
            entry.file.count += 1
        child = FdTable(self.hold)
        child.entries, child.first_free = dict(self.entries), self.first_free
        return child

    def set_cloexec(self, fd: int, cloexec: bool) -> None:
        """Say whether execve closes a descriptor (F_SETFD); Errno EBADF."""
        self.entries[fd] = Descriptor(self.get(fd), cloexec)

    def close_on_exec(self) -> None:
        """Close what is marked so (flush_old_files)."""
        for fd in [fd for fd, entry in self.entries.items() if entry.cloexec]:
            self.close(fd)

    def exit(self) -> None:
        """A task is done with the table; the last one closes everything (exit_files)."""
        self.users -= 1
        if not self.users:
            entries, self.entries = self.entries, {}
            self.hold.uncharge(len(entries) * DESCRIPTOR_BYTES)
            for fd in sorted(entries):
                self._put(entries[fd].file)
