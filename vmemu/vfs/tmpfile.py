"""Regular files of tmpfs: their content is in guest RAM, or in swap (mm/shmem.c)."""

from __future__ import annotations

import errno
import stat
from typing import TYPE_CHECKING

from vmemu.core import PAGE_SIZE
from vmemu.errors import Errno
from vmemu.vfs.file import File, FileStat
from vmemu.vfs.node import Body
from vmemu.vfs.permission import kept_mode
from vmemu.vfs.regular import RegularFile
from vmemu.vfs.tmpfs import TmpFs, TmpNode

if TYPE_CHECKING:
    from vmemu.file.shmem import Shmem
    from vmemu.mm import Mm

__all__ = [
    "F_ALL_SEALS", "F_SEAL_FUTURE_WRITE", "F_SEAL_GROW", "F_SEAL_SEAL", "F_SEAL_SHRINK",
    "F_SEAL_WRITE", "TmpFile",
]  # fmt: skip

_KEEP_SIZE, _PUNCH_HOLE = 1, 2
F_SEAL_SEAL, F_SEAL_SHRINK, F_SEAL_GROW, F_SEAL_WRITE, F_SEAL_FUTURE_WRITE = 1, 2, 4, 8, 16
F_ALL_SEALS = 31
_NO_WRITE = F_SEAL_WRITE | F_SEAL_FUTURE_WRITE


class TmpFile(TmpNode, Body):
    """A regular file: a node, and its own content once there is any."""

    regular = True

    def __init__(self, fs: TmpFs, mode: int) -> None:
        super().__init__(fs, stat.S_IFREG | mode)
        self._shmem: Shmem | None = None
        self.seals = F_SEAL_SEAL
        """What can no longer be done with it (F_SEAL_*)."""

    @property
    def size(self) -> int:  # type: ignore[override]
        """Its length in bytes."""
        return 0 if self._shmem is None else self._shmem.size

    def content(self, name: str = "") -> Shmem:
        """What its pages belong to; Errno ENOSPC when there can be no more such files."""
        if self._shmem is None:
            try:
                self._shmem = self.fs.services.inodes.shmem(name, sb=self.fs.sb)
            except Errno:
                raise Errno(errno.ENOSPC) from None
        if name:
            self._shmem.path = name
        return self._shmem

    def stat(self) -> FileStat:
        """With its size, and blocks for what is no hole."""
        blocks = 0 if self._shmem is None else self._shmem.allocated * (PAGE_SIZE // 512)
        return super().stat()._replace(size=self.size, blocks=blocks)

    def open(self, flags: int, name: str) -> File:
        """Open it."""
        return RegularFile(self, self.body(flags), flags, name)

    def body(self, flags: int) -> Body:
        """Its content is in itself."""
        self.pin()
        return self

    def close(self) -> None:
        """One that had it open has closed it."""
        self.unpin()

    def _refuse(self, seals: int) -> None:
        """Errno EPERM if one of these seals is on it."""
        if self.seals & seals:
            raise Errno(errno.EPERM)

    def read(self, offset: int, count: int) -> bytes:
        """Bytes from there on; Errno ENOMEM where they are in swap."""
        self.accessed()
        return b"" if self._shmem is None else self._shmem.read(offset, count)

    def read_to(self, offset: int, mm: Mm, address: int, count: int) -> int | None:
        """Copy from its pages."""
        self.accessed()
        return 0 if self._shmem is None else self._shmem.read_to(offset, mm, address, count)

    def write(self, offset: int, data: bytes) -> int:
        """Store bytes; root's program alone stays setuid.  Errno EPERM for what is sealed."""
        self._refuse(_NO_WRITE)
        if self.seals & F_SEAL_GROW and offset + len(data) > self.size:
            # Linux asks page by page
            data = data[: max(0, self.size // PAGE_SIZE * PAGE_SIZE - offset)]
            if not data:
                raise Errno(errno.EPERM)
        done = self.content().write(offset, data)
        self.mode = kept_mode(self.mode, self.gid, self.fs.services.cred())
        self.changed(content=True)
        return done

    def truncate(self, size: int) -> None:
        """Cut it, or let it end in a hole; Errno EPERM, EFBIG."""
        if size != self.size:
            self._refuse(F_SEAL_SHRINK if size < self.size else F_SEAL_GROW)
            self.content().truncate(size)
        self.mode = kept_mode(self.mode, self.gid, self.fs.services.cred())
        self.changed(content=True)

    def allocate(self, mode: int, offset: int, length: int) -> None:
        """Have pages, or make a hole; Errno ENOSPC, ENOMEM, EPERM."""
        if mode == _PUNCH_HOLE | _KEEP_SIZE:
            self._refuse(_NO_WRITE)
            if self._shmem is not None:
                self._shmem.punch(offset, length)
        elif mode in (0, _KEEP_SIZE):
            if offset + length > self.size:
                self._refuse(F_SEAL_GROW)  # Linux does not ask whether the size stays
            self._fill(offset, length)
            if not mode and offset + length > self.size:
                self.content().truncate(offset + length)
        else:
            raise Errno(errno.EOPNOTSUPP)
        self.changed(content=True)

    def _fill(self, offset: int, length: int) -> None:
        content = self.content()
        if length // PAGE_SIZE - content.allocated > self.fs.free_blocks:
            raise Errno(errno.ENOSPC)
        content.fill(offset, length)

    def find(self, offset: int, *, data: bool) -> int:
        """The next data or hole."""
        return self.content().find(offset, data=data)

    def mapping(self, name: str) -> Shmem:
        """What its pages belong to, under its name; mapping it is an access."""
        self.accessed()
        return self.content(name)

    @property
    def may_be_written(self) -> bool:
        """Shared areas may write to it, its seals say."""
        return not self.seals & _NO_WRITE

    def add_seals(self, seals: int) -> None:
        """Forbid more (memfd_add_seals); Errno EINVAL, EPERM, EBUSY while areas may write."""
        if seals & ~F_ALL_SEALS:
            raise Errno(errno.EINVAL)
        self._refuse(F_SEAL_SEAL)
        if seals & F_SEAL_WRITE & ~self.seals and self._shmem is not None and self._shmem.written:
            raise Errno(errno.EBUSY)
        self.seals |= seals

    def dropped(self) -> None:
        """It has lost a name; the last one shows in /proc/PID/maps."""
        if self.nlink == 1 and self._shmem is not None and self._shmem.path:
            self._shmem.path += " (deleted)"
        super().dropped()

    def free(self) -> None:
        """It is gone; its content stays as long as it is mapped."""
        super().free()
        if self._shmem is not None:
            self._shmem.put()
