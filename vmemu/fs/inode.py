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

__all__ = ["Inode"]


class Inode:
    """Handle of a ``struct address_space``; one per file, kept with its page cache.

    Errno ENOMEM when no memory is left for it, ENFILE when too many files are mapped;
    OSError when the host file cannot be opened.
    """

    def __init__(self, vm: MemoryManager, path: str) -> None:
        fd = above_streams(os.open(path, os.O_RDONLY | os.O_CLOEXEC))
        mapping = lib.file_open(vm.core.m, fd)
        if not mapping:
            os.close(fd)
            full = len(vm.inodes) >= lib.NR_FILES
            raise Errno(errno.ENFILE if full else errno.ENOMEM)
        self.path = str(Path(path).resolve())
        self.kaddr = vm.core.kaddr(mapping)
        self.number = len(vm.inodes) + 1
        vm.inodes[self.kaddr] = self
