"""Files of tmpfs and shared memory: their pages are in guest frames, or in swap."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Any

from vmemu.core import PAGE_SHIFT, PAGE_SIZE, Core, ffi, lib
from vmemu.errors import Errno
from vmemu.file.inode import Inode

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Shmem"]

_END = (1 << 64) - 1


class Shmem(Inode):
    """An inode of mm/shmem.c: made with one user, gone when nobody uses or maps it.

    ``flags``: VM_ACCOUNT for one whose whole size was promised (shmem_file_setup).
    """

    def __init__(
        self,
        core: Core,
        mapping: Any,
        path: str,
        number: int,
        unused: Callable[[Shmem], None],
    ) -> None:
        super().__init__(core, mapping, -1, path, number, writable=True)
        self._lib, self._m = core.lib, core.m
        self._inode = core.lib.inode_of(core.m, mapping)
        self._unused = unused
        self.users = 1
        """Who has it beside the areas that map it: a node, an id, a call."""

    @property
    def size(self) -> int:
        """Its length in bytes."""
        return int(self._inode.i_size)

    @property
    def allocated(self) -> int:
        """Pages that are no holes, in memory or in swap."""
        return int(self._inode.shmem.alloced)

    @property
    def swapped(self) -> int:
        """Of these, those in swap."""
        return int(self._inode.shmem.swapped)

    @property
    def promised(self) -> int:
        """Pages that are promised for it."""
        if self._inode.shmem.flags & lib.VM_ACCOUNT:
            return -(-self.size // PAGE_SIZE)
        return self.allocated

    @property
    def locked(self) -> bool:
        """Its pages stay in memory (SHM_LOCK)."""
        return bool(self._inode.shmem.flags & lib.VM_LOCKED)

    @locked.setter
    def locked(self, on: bool) -> None:
        flags = self._inode.shmem.flags & ~lib.VM_LOCKED
        self._inode.shmem.flags = flags | (lib.VM_LOCKED if on else 0)

    @property
    def written(self) -> bool:
        """Some area can write to it (mapping_writably_mapped)."""
        return bool(self.mapping.i_mmap_writable)

    def entries(self) -> dict[int, int]:
        """The swap entry of each page that is in swap, by index, for machine.check()."""
        index, found = self._core.ffi.new("kulong *"), {}
        while entry := self._lib.shmem_next_entry(self._m, self.mapping, index):
            found[int(index[0])] = int(entry)
            index[0] += 1
        return found

    def read(self, offset: int, count: int) -> bytes:
        """Bytes from there on, as far as there are any; Errno ENOMEM."""
        count = max(0, min(count, self.size - offset))
        buffer = ffi.new("char[]", count or 1)
        done = self._done(self._lib.shmem_read(self._m, self.mapping, offset, buffer, count))
        return bytes(ffi.buffer(buffer, done))

    def write(self, offset: int, data: bytes) -> int:
        """Store bytes; how many went.  Errno ENOSPC, ENOMEM, EFBIG for none."""
        return self._done(
            self._lib.shmem_write(self._m, self.mapping, offset, ffi.from_buffer(data), len(data))
        )

    def _done(self, result: int) -> int:
        self._core.check_bug()
        if result < 0:
            raise Errno(-result)
        return result

    def truncate(self, size: int) -> None:
        """Cut it, or let it end in a hole (vmtruncate)."""
        old, self._inode.i_size = self.size, size
        if size < old:
            self._lib.shmem_truncate_range(self._m, self.mapping, size, _END)
            self._core.check_bug()

    def punch(self, offset: int, length: int) -> None:
        """Make a range read as zeros; whole pages become holes (shmem_truncate_range)."""
        self._lib.shmem_truncate_range(
            self._m, self.mapping, offset, min(offset + length, _END - 1)
        )
        self._core.check_bug()

    def fill(self, offset: int, length: int) -> None:
        """Have pages for a range (shmem_fallocate); Errno EFBIG, ENOSPC, ENOMEM: none is added."""
        if (offset + length - 1) >> PAGE_SHIFT > self._core.mask:
            raise Errno(errno.EFBIG)
        added: list[int] = []
        for index in range(offset >> PAGE_SHIFT, -(-(offset + length) // PAGE_SIZE)):
            result = self._lib.shmem_fill(self._m, self.mapping, index)
            if result < 0:
                for each in added:
                    self.punch(each << PAGE_SHIFT, PAGE_SIZE)
            elif result:
                added.append(index)
            self._done(result)

    def find(self, offset: int, *, data: bool) -> int:
        """Where the next data or hole begins, from an offset before the end; Errno ENXIO."""
        index = min(offset >> PAGE_SHIFT, self._core.mask)
        found: int = self._lib.shmem_find(self._m, self.mapping, index, data)
        at = max(offset, found << PAGE_SHIFT)
        if data and (found < 0 or at >= self.size):
            raise Errno(errno.ENXIO)
        return min(self.size, at)

    def get(self) -> Shmem:
        """One more user."""
        self.users += 1
        return self

    def put(self) -> None:
        """One user less; without users it lasts as long as it is mapped (iput)."""
        self.users -= 1
        if not self.users:
            self._unused(self)

    def close(self) -> None:
        """Free its pages, in memory and in swap (shmem_delete_inode)."""
        self._lib.shmem_close(self._m, self.mapping)
        self.closed = True
