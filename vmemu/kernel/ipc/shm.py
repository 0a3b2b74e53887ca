"""Segments of shared memory of System V (ipc/shm.c and ipc/util.c of 2.6.7).

A segment is an inode of shared memory that an id has instead of a name.  It is attached as
often as areas map it, so a fork attaches it once more, as does an area that is cut in two.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from vmemu.core import PAGE_SIZE
from vmemu.errors import Errno
from vmemu.kernel.hold import NODE_BYTES
from vmemu.kernel.process.cred import Cap

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vmemu.file.shmem import Shmem
    from vmemu.kernel.kernel import Kernel
    from vmemu.kernel.process.cred import Cred

__all__ = ["IPC_CREAT", "IPC_EXCL", "SHMMNI", "Segment", "Segments"]

IPC_CREAT, IPC_EXCL = 0o1000, 0o2000
SHM_DEST, SHM_LOCKED = 0o1000, 0o2000
SHM_HUGETLB, SHM_NORESERVE = 0o4000, 0o10000
SHMMNI = 4096
"""Segments that there may be."""
_SEQ_MULTIPLIER = 32768
_SEQ_MAX = 0xFFFF
NSEC_PER_SEC = 1_000_000_000


class Segment:
    """struct shmid_kernel: times in seconds, who made it and who used it last."""

    def __init__(self, shmem: Shmem, key: int, mode: int, size: int) -> None:
        self.shmem = shmem
        self.key = key
        self.id = -1
        self.seq = 0
        self.uid = self.gid = self.cuid = self.cgid = 0
        self.mode = mode
        """Permissions; SHM_DEST once it goes when nobody has it attached."""
        self.size = size
        self.nattch = 0
        """How often it is attached, as far as anybody has looked."""
        self.atime = self.dtime = self.ctime = 0
        self.cpid = self.lpid = 0

    def permit(self, mode: int, cred: Cred) -> None:
        """Errno EACCES unless it may be used so (ipcperms)."""
        wanted = mode >> 6 | mode >> 3 | mode
        groups = (cred.group.effective, *cred.groups)
        granted = self.mode
        if cred.user.effective in (self.cuid, self.uid):
            granted >>= 6
        elif self.cgid in groups or self.gid in groups:
            granted >>= 3
        if wanted & ~granted & 7 and not cred.capable(Cap.IPC_OWNER):
            raise Errno(errno.EACCES)

    def check_owner(self, cred: Cred, cap: int = Cap.SYS_ADMIN) -> None:
        """Errno EPERM unless it is one's own, or one may do as if."""
        if cred.user.effective not in (self.cuid, self.uid) and not cred.capable(cap):
            raise Errno(errno.EPERM)

    @property
    def pages(self) -> int:
        """Its size in pages."""
        return -(-self.size // PAGE_SIZE)

    @property
    def told_mode(self) -> int:
        """What IPC_STAT says: with SHM_LOCKED."""
        return self.mode | (SHM_LOCKED if self.shmem.locked else 0)


class Segments:
    """All segments of a machine, by index (struct ipc_ids)."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._segments: dict[int, Segment] = {}
        self._seq = 0
        mask = kernel.core.mask
        self.shmmax = self.shmall = mask - (1 << 24)
        """Bytes that one may have, pages that all may have; as since 3.16."""

    def __len__(self) -> int:
        return len(self._segments)

    def __iter__(self) -> Iterator[Segment]:
        return iter(tuple(self._segments.values()))

    @property
    def pages(self) -> int:
        """The size of all in pages (shm_tot)."""
        return sum(segment.pages for segment in self._segments.values())

    @property
    def held(self) -> int:
        """Bytes that the host holds for them."""
        return len(self._segments) * NODE_BYTES

    @property
    def max_index(self) -> int:
        """The highest index in use, 0 when there is none."""
        return max(self._segments, default=0)

    def get(self, number: int) -> Segment:
        """Find one by its id; Errno EINVAL."""
        segment = self._segments.get(number % _SEQ_MULTIPLIER) if number >= 0 else None
        if segment is None or segment.id != number:
            raise Errno(errno.EINVAL)
        return segment

    def at(self, index: int) -> Segment:
        """Find one by its index; Errno EINVAL."""
        try:
            return self._segments[index]
        except KeyError:
            raise Errno(errno.EINVAL) from None

    def of(self, shmem: object) -> Segment | None:
        """The segment of an inode."""
        return next((each for each in self._segments.values() if each.shmem is shmem), None)

    def open(self, key: int, size: int, flags: int, cred: Cred) -> Segment:
        """Find the segment of a key, or make one (shmget).

        Errno EEXIST, ENOENT; EINVAL for a size that cannot be, or that the one there is has not;
        ENOSPC, ENOMEM; EACCES for one whose mode does not have what flags have.
        """
        found = next((each for each in self._segments.values() if key and each.key == key), None)
        if found is None:
            if key and not flags & IPC_CREAT:
                raise Errno(errno.ENOENT)
            made = self._make(key, size, flags)
            made.uid = made.cuid = cred.user.effective
            made.gid = made.cgid = cred.group.effective
            return made
        if flags & IPC_CREAT and flags & IPC_EXCL:
            raise Errno(errno.EEXIST)
        if found.size < size:
            raise Errno(errno.EINVAL)
        found.permit(flags, cred)
        return found

    def _make(self, key: int, size: int, flags: int) -> Segment:
        """newseg()."""
        if not 1 <= size <= self.shmmax or flags & SHM_HUGETLB:
            raise Errno(errno.EINVAL)
        pages = -(-size // PAGE_SIZE)
        if self.pages + pages > self.shmall or len(self._segments) >= SHMMNI:
            raise Errno(errno.ENOSPC)
        kernel = self._kernel
        kernel.hold.charge(NODE_BYTES)
        try:
            shmem = kernel.vm.inodes.shmem(
                f"/SYSV{key & 0xFFFFFFFF:08x} (deleted)", size, account=not flags & SHM_NORESERVE
            )
        except Errno:
            kernel.hold.uncharge(NODE_BYTES)
            raise
        segment = Segment(shmem, key, flags & 0o777, size)
        index = next(i for i in range(SHMMNI) if i not in self._segments)
        segment.seq, self._seq = self._seq, (self._seq + 1) % (_SEQ_MAX + 1)
        segment.id = segment.seq * _SEQ_MULTIPLIER + index
        shmem.segment, shmem.number = True, segment.id
        segment.ctime, segment.cpid = self.now, int(kernel.core.m.pid)
        self._segments[index] = segment
        kernel.vm.inodes.on_unmapped = self.settle
        return segment

    @property
    def now(self) -> int:
        """Seconds since 1970, virtual."""
        return self._kernel.sched.realtime // NSEC_PER_SEC

    def settle(self) -> None:
        """Areas have come or gone: count who is attached, drop what is to go then."""
        core, pid = self._kernel.core, int(self._kernel.core.m.pid)
        for segment in self:
            attached = int(core.lib.count_areas(core.m, segment.shmem.mapping))
            if attached > segment.nattch:
                segment.atime, segment.lpid = self.now, pid
            elif attached < segment.nattch:
                segment.dtime, segment.lpid = self.now, pid
            segment.nattch = attached
            if not attached and segment.mode & SHM_DEST:
                self._destroy(segment)

    def remove(self, segment: Segment) -> None:
        """It goes, or as soon as nobody has it attached; then nobody finds it by its key."""
        self.settle()
        if segment.nattch:
            segment.mode |= SHM_DEST
            segment.key = 0
        else:
            self._destroy(segment)

    def _destroy(self, segment: Segment) -> None:
        """shm_destroy()."""
        del self._segments[segment.id % _SEQ_MULTIPLIER]
        if not self._segments:
            self._kernel.vm.inodes.on_unmapped = None
        segment.shmem.put()
        self._kernel.hold.uncharge(NODE_BYTES)
