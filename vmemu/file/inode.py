"""A host file whose pages a program image maps."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import TYPE_CHECKING

from vmemu.core import lib
from vmemu.errors import Errno
from vmemu.streams import above_streams

if TYPE_CHECKING:
    from vmemu.mm.manager import MemoryManager

__all__ = ["Inode", "Inodes"]


class Inode:
    """Handle of a ``struct address_space``; one per file, kept with its page cache.

    Errno ENOMEM when no memory is left for it, ENFILE when too many files are mapped;
    OSError when the host file cannot be opened.
    """

    def __init__(self, vm: MemoryManager, path: str) -> None:
        fd = above_streams(os.open(path, os.O_RDONLY | os.O_CLOEXEC))
        mapping = vm.core.lib.file_open(vm.core.m, fd)
        if not mapping:
            os.close(fd)
            full = len(vm.inodes) >= lib.NR_FILES
            raise Errno(errno.ENFILE if full else errno.ENOMEM)
        self._vm, self._mapping = vm, mapping
        self.path = str(Path(path).resolve())
        self.kaddr = vm.core.kaddr(mapping)
        self.number = vm.next_inode
        vm.next_inode += 1
        vm.inodes[self.kaddr] = self

    @property
    def mapped(self) -> bool:
        """Whether any area maps it (mapping_mapped)."""
        return bool(self._vm.core.lib.file_mapped(self._vm.core.m, self._mapping))

    def close(self) -> None:
        """Drop its page cache and give the descriptor back; no area may map it (iput)."""
        self._vm.core.lib.file_close(self._vm.core.m, self._mapping)
        del self._vm.inodes[self.kaddr]


class Inodes:
    """The files whose pages are cached, one for each however often it is executed.

    A file that has changed is another one.  When there are as many as there may be, the one
    that was asked for longest ago and that nothing maps makes room (prune_icache).
    """

    def __init__(self, vm: MemoryManager) -> None:
        self._vm = vm
        self._inodes: dict[tuple[int, int, int, int], Inode] = {}  # lately used last

    def get(self, path: str) -> Inode:
        """Find or make a file's inode (iget); raises what Inode() does."""
        host = Path(path).stat()
        key = (host.st_dev, host.st_ino, host.st_mtime_ns, host.st_size)
        inode = self._inodes.pop(key, None)
        if inode is None:
            if len(self._vm.inodes) >= lib.NR_FILES:
                self._prune()
            inode = Inode(self._vm, path)
        self._inodes[key] = inode
        return inode

    def _prune(self) -> None:
        for key, inode in self._inodes.items():
            if not inode.mapped:
                inode.close()
                del self._inodes[key]
                return
