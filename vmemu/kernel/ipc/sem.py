"""Sets of semaphores of System V (ipc/sem.c).

A call changes several semaphores of a set at once or none of them.  Who cannot sleeps until
somebody else's change lets it, and that one makes the change for the sleeper, so that a value is
never seen that somebody was to have.
"""

from __future__ import annotations

import errno
from array import array
from typing import TYPE_CHECKING, NamedTuple

from vmemu.errors import Errno, KernelBug
from vmemu.kernel.hold import NODE_BYTES, SEMAPHORE_BYTES, UNDO_BYTES
from vmemu.kernel.ipc.perm import IPC_NOWAIT, Ids, Perm
from vmemu.kernel.process.wait import NSEC_PER_SEC, WaitQueue

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vmemu.kernel.ipc.undo import UndoList
    from vmemu.kernel.kernel import Kernel
    from vmemu.kernel.process.cred import Cred
    from vmemu.kernel.process.task import Task

__all__ = ["SEMAEM", "SEMVMX", "Operation", "Request", "SemSet", "Semaphores"]

SEM_UNDO = 0o10000
SEMVMX = 32767
"""The highest value."""
SEMAEM = SEMVMX
SEMMSL, SEMMNI, SEMOPM = 32000, 32000, 500
"""Semaphores of a set, sets, operations of a call: the defaults since 3.19."""
SEMMNS = SEMMSL * SEMMNI


class Operation(NamedTuple):
    """struct sembuf."""

    number: int
    change: int
    """Added to the value; 0: it is to be 0."""
    flags: int


class Request:
    """What a call wants to have done, and the process it is for (struct sem_queue)."""

    __slots__ = ("alters", "blocking", "operations", "pid", "queue", "status", "undo")

    def __init__(self, operations: Sequence[Operation], undo: array[int] | None, pid: int) -> None:
        self.operations = operations
        self.undo = undo
        self.pid = pid
        self.alters = any(each.change for each in operations)
        self.blocking: Operation | None = None
        """What it waited for when it was tried last."""
        self.status: int | None = None
        """0 when it is done, or the errno; None as long as it waits."""
        self.queue = WaitQueue()

    def finish(self, status: int) -> None:
        """It need not wait any more."""
        self.status = status
        self.queue.wake_up()


class SemSet(Perm):
    """struct sem_array: values, who changed each last, times in seconds."""

    def __init__(self, home: Semaphores, key: int, mode: int, count: int, cred: Cred) -> None:
        super().__init__(key, mode, cred)
        self._home = home
        self.values = array("h", bytes(2 * count))
        self.pids = array("i", bytes(4 * count))
        self.otime = 0
        self.ctime = home.now
        self.waiting: list[Request] = []
        """In the order of their coming."""
        self.undos: dict[UndoList, None] = {}
        """Who has adjustments of it."""

    def __len__(self) -> int:
        return len(self.values)

    def perform(self, request: Request) -> int | None:
        """Do all of it or nothing (perform_atomic_semop): 0, an errno, or None if it must wait."""
        values, undo, done, status = self.values, request.undo, 0, None
        for each in request.operations:
            number, change, flags = each
            old = values[number]
            if (not change and old) or old + change < 0:
                request.blocking = each
                status = errno.EAGAIN if flags & IPC_NOWAIT else None
                break
            if old + change > SEMVMX:
                status = errno.ERANGE
                break
            if flags & SEM_UNDO and undo is not None:
                if not -SEMAEM - 1 <= undo[number] - change <= SEMAEM:
                    status = errno.ERANGE
                    break
                undo[number] -= change
            values[number] = old + change
            done += 1
        else:
            for each in request.operations:
                self.pids[each.number] = request.pid
            self.otime = self._home.now
            return 0
        for number, change, flags in reversed(request.operations[:done]):
            values[number] -= change
            if flags & SEM_UNDO and undo is not None:
                undo[number] += change
        return status

    def update(self) -> None:
        """Let those go on who can now, first those who wait for zero (do_smart_update)."""
        again = bool(self.waiting)
        while again:
            again = False
            for request in sorted(self.waiting, key=lambda each: each.alters):
                status = self.perform(request)
                if status is None:
                    continue
                self.waiting.remove(request)
                request.finish(status)
                if request.alters and not status:
                    again = True
                    break

    def set_values(self, values: dict[int, int], pid: int) -> None:
        """Give semaphores values; nobody takes back what it did to them before."""
        for number, value in values.items():
            self.values[number] = value
            self.pids[number] = pid
            for undo in self.undos:
                undo.adjustments[self][number] = 0
        self.ctime = self._home.now
        self.update()

    def count(self, number: int, *, zero: bool) -> int:
        """How many wait for a semaphore to grow, or to be 0 (count_semcnt)."""
        blocking = [each.blocking for each in self.waiting if each.blocking is not None]
        return sum(each.number == number and (each.change == 0) == zero for each in blocking)

    def undo_of(self, task: Task) -> array[int]:
        """The adjustments that a task's changes are to be noted in; Errno ENOMEM."""
        from vmemu.kernel.ipc.undo import UndoList

        if task.undo is None:
            task.undo = UndoList()
        undo = task.undo
        if self not in undo.adjustments:
            self._home.charge_undo(self)
            undo.adjustments[self] = array("h", bytes(2 * len(self)))
            self.undos[undo] = None
        return undo.adjustments[self]

    def take_back(self, undo: UndoList, pid: int) -> None:
        """A process ends: add its adjustments, as far as values reach (exit_sem)."""
        adjustments = undo.adjustments[self]
        self.drop_undo(undo)
        for number, change in enumerate(adjustments):
            if change:
                self.values[number] = max(0, min(SEMVMX, self.values[number] + change))
                self.pids[number] = pid
        self.otime = self._home.now
        self.update()

    def drop_undo(self, undo: UndoList) -> None:
        """Forget somebody's adjustments."""
        del undo.adjustments[self]
        del self.undos[undo]
        self._home.uncharge_undo(self)


class Semaphores(Ids[SemSet]):
    """All sets of a machine."""

    def __init__(self, kernel: Kernel) -> None:
        super().__init__(SEMMNI)
        self._kernel = kernel
        self.semmsl, self.semmns, self.semopm = SEMMSL, SEMMNS, SEMOPM
        """Semaphores of a set, of all sets, operations of a call."""
        self.used = 0
        """Semaphores there are (used_sems)."""

    @property
    def now(self) -> int:
        """Seconds since 1970, virtual."""
        return self._kernel.sched.realtime // NSEC_PER_SEC

    @property
    def held(self) -> int:
        """Bytes that the host holds for them, recomputed."""
        return sum(_bytes(each) + len(each.undos) * _undo_bytes(each) for each in self)

    def semget(self, key: int, count: int, flags: int, cred: Cred) -> SemSet:
        """Find the set of a key, or make one.

        Errno EINVAL for a number that cannot be, or that the one there is has not; EEXIST, ENOENT,
        ENOSPC, ENOMEM, EACCES.
        """
        if not 0 <= count <= self.semmsl:
            raise Errno(errno.EINVAL)

        def check(found: SemSet) -> None:
            if count > len(found):
                raise Errno(errno.EINVAL)

        return self.open(key, flags, cred, lambda: self._make(key, count, flags, cred), check)

    def _make(self, key: int, count: int, flags: int, cred: Cred) -> SemSet:
        """newary()."""
        if not count:
            raise Errno(errno.EINVAL)
        if self.used + count > self.semmns:
            raise Errno(errno.ENOSPC)
        self.check_room()
        self._kernel.hold.charge(NODE_BYTES + count * SEMAPHORE_BYTES)
        made = SemSet(self, key, flags & 0o777, count, cred)
        self.add(made)
        self.used += count
        return made

    def destroy(self, semaphores: SemSet) -> None:
        """A set goes; who waits for it learns that (freeary)."""
        self.remove(semaphores)
        for undo in tuple(semaphores.undos):
            semaphores.drop_undo(undo)
        self.used -= len(semaphores)
        self._kernel.hold.uncharge(_bytes(semaphores))
        waiting, semaphores.waiting = semaphores.waiting, []
        for request in waiting:
            request.finish(errno.EIDRM)

    def charge_undo(self, semaphores: SemSet) -> None:
        """Count what adjustments of a set hold; Errno ENOMEM."""
        self._kernel.hold.charge(_undo_bytes(semaphores))

    def uncharge_undo(self, semaphores: SemSet) -> None:
        """They are no more."""
        self._kernel.hold.uncharge(_undo_bytes(semaphores))

    def check(self) -> None:
        """KernelBug unless values are in bounds, who waits must, and what is used adds up."""
        if self.used != sum(len(each) for each in self):
            raise KernelBug(f"{self.used} semaphores are counted as used")
        for each in self:
            if min(each.values) < 0:
                raise KernelBug(f"a semaphore of set {each.id} is below 0")
            before = each.values[:]
            for request in each.waiting:
                if request.status is not None or each.perform(request) is not None:
                    raise KernelBug(f"somebody sleeps on semaphores {each.id} and could go on")
            if before != each.values:
                raise KernelBug(f"a refused change has changed semaphores {each.id}")


def _bytes(semaphores: SemSet) -> int:
    return NODE_BYTES + len(semaphores) * SEMAPHORE_BYTES


def _undo_bytes(semaphores: SemSet) -> int:
    return UNDO_BYTES + len(semaphores) * SEMAPHORE_BYTES
