"""Locks on files: record locks of processes and of open files, and flock() (struct file_lock)."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, NamedTuple

from vmemu.errors import Errno
from vmemu.kernel.hold import LOCK_BYTES, HostMemory
from vmemu.kernel.process.wait import Blocking, Wait, WaitQueue

if TYPE_CHECKING:
    from vmemu.vfs.file import File

__all__ = ["OFFSET_MAX", "READ", "UNLOCK", "WRITE", "FileLocks", "Lock", "Locks"]

READ, WRITE, UNLOCK = range(3)
"""F_RDLCK, F_WRLCK, F_UNLCK."""
OFFSET_MAX = (1 << 63) - 1


class Lock(NamedTuple):
    """A range of bytes that somebody has locked, its last byte included."""

    kind: int
    start: int
    end: int
    owner: object
    """A table of descriptors, for a process's; an open file."""
    pid: int
    """-1 for an open file's."""

    def meets(self, other: Lock) -> bool:
        """They have bytes in common."""
        return self.start <= other.end and other.start <= self.end

    def conflicts(self, other: Lock) -> bool:
        """They cannot both be there."""
        return (
            self.owner is not other.owner and WRITE in (self.kind, other.kind) and self.meets(other)
        )


class FileLocks:
    """The locks of one file."""

    def __init__(self, table: Locks, key: object) -> None:
        self.table = table
        self.key = key
        self.records: list[Lock] = []
        """By owner in the order of their coming, each owner's by place."""
        self.whole: list[Lock] = []
        """Those of flock()."""
        self.waiters = 0
        """Calls that wait, or have been woken and have not gone on yet."""
        self.queue = WaitQueue()

    def conflict(self, lock: Lock) -> Lock | None:
        """The first record that stands against one."""
        return next((other for other in self.records if other.conflicts(lock)), None)

    def _change(self, records: list[Lock]) -> None:
        hold = self.table.hold
        more = len(records) - len(self.records)
        if more > 0 and not hold.try_charge(more * LOCK_BYTES):
            raise Errno(errno.ENOLCK)
        if more < 0:
            hold.uncharge(-more * LOCK_BYTES)
        self.records = records
        self.table.settle(self)
        self.queue.wake_up()

    def replace(self, lock: Lock) -> None:
        """Have a range of an owner's locked so, or not at all; Errno ENOLCK (posix_lock_inode)."""
        others = [other for other in self.records if other.owner is not lock.owner]
        own: list[Lock] = []
        for old in self.records:
            if old.owner is not lock.owner:
                continue
            if old.kind == lock.kind and old.start <= lock.end + 1 and lock.start <= old.end + 1:
                lock = lock._replace(start=min(old.start, lock.start), end=max(old.end, lock.end))
                continue
            if not old.meets(lock):
                own.append(old)
                continue
            if old.start < lock.start:
                own.append(old._replace(end=lock.start - 1))
            if old.end > lock.end:
                own.append(old._replace(start=lock.end + 1))
        if lock.kind != UNLOCK:
            own.append(lock)
        self._change(others + sorted(own, key=lambda each: each.start))

    def remove_owner(self, owner: object) -> None:
        """All records of an owner go (locks_remove_posix)."""
        left = [lock for lock in self.records if lock.owner is not owner]
        if len(left) < len(self.records):
            self._change(left)

    def flock_conflict(self, kind: int, owner: object) -> bool:
        """Somebody else's flock() stands against one."""
        return any(lock.owner is not owner and WRITE in (lock.kind, kind) for lock in self.whole)

    def flock(self, kind: int, file: File) -> None:
        """Have the file locked so, or not at all; Errno ENOLCK."""
        left = [lock for lock in self.whole if lock.owner is not file]
        gone = len(self.whole) - len(left)
        if kind != UNLOCK:
            if not gone and not self.table.hold.try_charge(LOCK_BYTES):
                raise Errno(errno.ENOLCK)
            left.append(Lock(kind, 0, OFFSET_MAX, file, -1))
        elif gone:
            self.table.hold.uncharge(LOCK_BYTES)
        self.whole = left
        self.table.settle(self)
        self.queue.wake_up()

    def release(self, file: File) -> None:
        """An open file is gone, with its locks (locks_remove_file)."""
        self.remove_owner(file)
        self.flock(UNLOCK, file)


class Locks:
    """All locks of a machine."""

    def __init__(self, hold: HostMemory) -> None:
        self.hold = hold
        self.files: dict[object, FileLocks] = {}
        self._waiting: dict[int, tuple[object, FileLocks, Lock]] = {}
        """What processes wait for, each with its table of descriptors."""

    def of(self, file: File) -> FileLocks:
        """The locks of an open file's inode."""
        from vmemu.vfs.node import node_key

        name = file.name.partition(":")[0] if file.name.startswith("anon_") else file.name
        # all files without a name of their own have one inode
        key = file.lock_key
        if key is None:
            key = node_key(file.node) if file.node is not None else ("file", name)
            file.lock_key = key
        found = self.files.get(key)
        if found is None:
            found = self.files[key] = FileLocks(self, key)
        return found

    def closed(self, owner: object, file: File) -> None:
        """An owner has closed a descriptor of a file (filp_close)."""
        try:
            locks = self.of(file)
        except Errno:
            return  # it has no name any more by which it could be told
        locks.remove_owner(owner)
        self.settle(locks)

    def settle(self, locks: FileLocks) -> None:
        """Forget a file without locks that nobody waits for."""
        if locks.records or locks.whole:
            self.files[locks.key] = locks
        elif not locks.waiters:
            self.files.pop(locks.key, None)

    @property
    def held(self) -> int:
        """Bytes that the host holds for them, recomputed."""
        return LOCK_BYTES * sum(len(each.records) + len(each.whole) for each in self.files.values())

    def acquire(self, locks: FileLocks, lock: Lock, waiter: int, *, wait: bool) -> Blocking[None]:
        """Lock a range, when nothing stands against it; Errno EAGAIN, EDEADLK, ENOLCK."""
        while lock.kind != UNLOCK and locks.conflict(lock) is not None:
            if not wait:
                raise Errno(errno.EAGAIN)
            if lock.pid >= 0 and self._deadlock(locks, lock):
                raise Errno(errno.EDEADLK)
            self._waiting[waiter] = lock.owner, locks, lock
            locks.waiters += 1
            try:
                yield Wait("a lock on a file", (locks.queue,), lambda: locks.conflict(lock) is None)
            finally:
                del self._waiting[waiter]
                locks.waiters -= 1
                self.settle(locks)
        locks.replace(lock)

    def _deadlock(self, locks: FileLocks, lock: Lock) -> bool:
        """Whoever stands against it waits for its owner, however far round."""
        seen: list[object] = []
        blockers = [other.owner for other in locks.records if other.conflicts(lock)]
        while blockers:
            owner = blockers.pop()
            if owner is lock.owner:
                return True
            if any(owner is each for each in seen):
                continue
            seen.append(owner)
            for waiting, where, wanted in self._waiting.values():
                if waiting is owner:
                    blockers += [other.owner for other in where.records if other.conflicts(wanted)]
        return False

    def flock(self, file: File, kind: int, *, wait: bool) -> Blocking[None]:
        """Lock a whole file, or not at all; what it had before is gone while it waits."""
        locks = self.of(file)
        own = next((lock for lock in locks.whole if lock.owner is file), None)
        if own is not None and own.kind == kind:
            return
        if own is not None or kind == UNLOCK:
            locks.flock(UNLOCK, file)
        if kind == UNLOCK:
            return
        while locks.flock_conflict(kind, file):
            if not wait:
                raise Errno(errno.EAGAIN)
            locks.waiters += 1
            try:
                yield Wait(
                    "a lock on a file",
                    (locks.queue,),
                    lambda: not locks.flock_conflict(kind, file),
                )
            finally:
                locks.waiters -= 1
                self.settle(locks)
        locks.flock(kind, file)
        file.locks = locks
