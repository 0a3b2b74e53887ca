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
from vmemu.kernel.ipc.perm import Ids, Perm

if TYPE_CHECKING:
    from vmemu.file.shmem import Shmem
    from vmemu.kernel.kernel import Kernel
    from vmemu.kernel.process.cred import Cred

__all__ = ["SHMMNI", "Segment", "Segments"]

SHM_DEST, SHM_LOCKED = 0o1000, 0o2000
SHM_HUGETLB, SHM_NORESERVE = 0o4000, 0o10000
SHMMNI = 4096
"""Segments that there may be."""
NSEC_PER_SEC = 1_000_000_000


class Segment(Perm):
    """struct shmid_kernel: times in seconds, who made it and who used it last.

    mode has SHM_DEST once it goes when nobody has it attached.
    """

    def __init__(self, shmem: Shmem, key: int, mode: int, size: int, cred: Cred) -> None:
        super().__init__(key, mode, cred)
        self.shmem = shmem
        self.size = size
        self.nattch = 0
        """How often it is attached, as far as anybody has looked."""
        self.atime = self.dtime = self.ctime = 0
        self.cpid = self.lpid = 0

    @property
    def pages(self) -> int:
        """Its size in pages."""
        return -(-self.size // PAGE_SIZE)

    @property
    def told_mode(self) -> int:
        """What IPC_STAT says: with SHM_LOCKED."""
        return self.mode | (SHM_LOCKED if self.shmem.locked else 0)


class Segments(Ids[Segment]):
    """All segments of a machine, by index (struct ipc_ids)."""

    def __init__(self, kernel: Kernel) -> None:
        super().__init__(SHMMNI)
        self._kernel = kernel
        mask = kernel.core.mask
        self.shmmax = self.shmall = mask - (1 << 24)
        """Bytes that one may have, pages that all may have; as since 3.16."""

    @property
    def pages(self) -> int:
        """The size of all in pages (shm_tot)."""
        return sum(segment.pages for segment in self)

    @property
    def held(self) -> int:
        """Bytes that the host holds for them."""
        return len(self) * NODE_BYTES

    def of(self, shmem: object) -> Segment | None:
        """The segment of an inode."""
        return next((each for each in self if each.shmem is shmem), None)

    def shmget(self, key: int, size: int, flags: int, cred: Cred) -> Segment:
        """Find the segment of a key, or make one.

        Errno EEXIST, ENOENT; EINVAL for a size that cannot be, or that the one there is has not;
        ENOSPC, ENOMEM; EACCES for one whose mode does not have what flags have.
        """

        def check(found: Segment) -> None:
            if found.size < size:
                raise Errno(errno.EINVAL)

        return self.open(key, flags, cred, lambda: self._make(key, size, flags, cred), check)

    def _make(self, key: int, size: int, flags: int, cred: Cred) -> Segment:
        """newseg()."""
        if not 1 <= size <= self.shmmax or flags & SHM_HUGETLB:
            raise Errno(errno.EINVAL)
        pages = -(-size // PAGE_SIZE)
        if self.pages + pages > self.shmall:
            raise Errno(errno.ENOSPC)
        self.check_room()
        kernel = self._kernel
        kernel.hold.charge(NODE_BYTES)
        try:
            shmem = kernel.vm.inodes.shmem(
                f"/SYSV{key & 0xFFFFFFFF:08x} (deleted)", size, account=not flags & SHM_NORESERVE
            )
        except Errno:
            kernel.hold.uncharge(NODE_BYTES)
            raise
        segment = Segment(shmem, key, flags & 0o777, size, cred)
        self.add(segment)
        shmem.segment, shmem.number = True, segment.id
        segment.ctime, segment.cpid = self.now, int(kernel.core.m.pid)
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

    def destroy(self, segment: Segment) -> None:
        """It goes, or as soon as nobody has it attached; then nobody finds it by its key."""
        self.settle()
        if segment.nattch:
            segment.mode |= SHM_DEST
            self.forget_key(segment)
        else:
            self._destroy(segment)

    def _destroy(self, segment: Segment) -> None:
        """shm_destroy()."""
        self.remove(segment)
        if not len(self):
            self._kernel.vm.inodes.on_unmapped = None
        segment.shmem.put()
        self._kernel.hold.uncharge(NODE_BYTES)
