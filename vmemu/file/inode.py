"""Files whose pages are in guest RAM: the Python side of struct address_space."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from vmemu.core import PAGE_SHIFT, PAGE_SIZE, Core, ffi, lib
from vmemu.errors import Errno
from vmemu.streams import above_streams

if TYPE_CHECKING:
    from vmemu.file.shmem import Shmem
    from vmemu.mm import Mm

__all__ = ["Inode", "Inodes", "Key"]

Key = tuple[int, int, int, int]
"""Device, number, time and size of a file."""
_UNUSED = 64
"""So many files that nothing maps are kept with their pages."""
_EVERYTHING = (1 << 63) - 1
_HALF = (1 << 64) - 1
"""SHMEM_HALF of struct shmem_sb."""
_FADV_NORMAL, _FADV_RANDOM, _FADV_SEQUENTIAL, _FADV_WILLNEED, _FADV_DONTNEED = range(5)


class Inode:
    """Handle of a ``struct address_space``; one per file, kept with its page cache."""

    def __init__(
        self, core: Core, mapping: Any, fd: int, path: str, number: int, writable: bool
    ) -> None:
        self._core = core
        self.fd = fd
        """The host's descriptor, whose pages it caches; -1 when there is none."""
        self.writable = writable
        """Shared areas may write to it."""
        self.accounts_dirty = mapping.a_ops == lib.FILE_HOST
        """Its dirty pages have a file of the host to go to."""
        self.mapping = mapping
        """Its ``struct address_space *``."""
        self.path = path
        self.kaddr = core.kaddr(mapping)
        self.number = number
        self.closed = False
        self.users = 0
        """Open files that read and write its pages."""
        self.segment = False
        """It is shared memory of System V: each area that maps it is counted."""
        self.held = 0
        """Bytes that the host holds for it."""
        self.on_close: Callable[[int], None] | None = None
        """Takes them when it is closed."""

    @property
    def mapped(self) -> bool:
        """Whether any area maps it (mapping_mapped)."""
        return bool(self._core.lib.file_mapped(self._core.m, self.mapping))

    def readahead(self) -> Any:
        """A ``struct file_ra_state *`` for one more open file."""
        state = self._core.ffi.new("struct file_ra_state *")
        state.prev_page, state.ra_pages = self._core.mask, lib.MAX_READAHEAD
        return state

    def pread(self, offset: int, count: int, state: Any) -> bytes:
        """Bytes from its pages (generic_file_read); Errno ENOMEM, EIO."""
        core = self._core
        count = min(count, core.lib.i_size_read(core.m, self.mapping) - offset)
        if count <= 0:
            return b""
        buffer = bytearray(count)
        done = core.lib.generic_file_read(
            core.m, self.mapping, offset, core.ffi.from_buffer(buffer), count, state
        )
        core.check_bug()
        if done < 0:
            raise Errno(-done)
        return bytes(buffer) if done == count else bytes(buffer[:done])

    def read_to(self, offset: int, mm: Mm, address: int, count: int, state: Any = ffi.NULL) -> int:
        """Copy from its pages to user memory; how many bytes.  Errno ENOMEM, EIO, EFAULT."""
        core = self._core
        done: int = core.lib.read_to_user(
            core.m, self.mapping, offset, mm.ptr, address, count, state
        )
        core.check_bug()
        if done < 0:
            raise Errno(-done)
        return done

    def write(self, offset: int, data: bytes) -> int:
        """Store bytes in its pages (generic_file_write); how many.  Errno ENOMEM, EIO, EFBIG."""
        core = self._core
        done: int = core.lib.generic_file_write(
            core.m, self.mapping, offset, core.ffi.from_buffer(data), len(data)
        )
        core.check_bug()
        if done < 0:
            raise Errno(-done)
        return done

    def advise(self, offset: int, length: int, advice: int, state: Any) -> None:
        """Follow POSIX_FADV_* for a range, 0 to the end (sys_fadvise64_64)."""
        core = self._core
        end = offset + length - 1 if length else _EVERYTHING
        first, last = offset >> PAGE_SHIFT, min(end >> PAGE_SHIFT, core.mask)
        if advice in (_FADV_NORMAL, _FADV_SEQUENTIAL):
            state.ra_pages = lib.MAX_READAHEAD
        elif advice == _FADV_RANDOM:
            state.ra_pages = 0
        elif advice == _FADV_WILLNEED and first <= last:
            core.lib.force_page_cache_readahead(core.m, self.mapping, first, last)
        elif advice == _FADV_DONTNEED:
            self.flush()
            whole = -(-offset // PAGE_SIZE)
            if length:
                last = min(last, ((offset + length) >> PAGE_SHIFT) - 1)
            if whole <= last:
                core.lib.invalidate_mapping_pages(core.m, self.mapping, whole, last)
        core.check_bug()

    def truncated(self, old: int, size: int) -> None:
        """It was ``old`` bytes long and has another size now (vmtruncate)."""
        self._core.lib.vmtruncate(self._core.m, self.mapping, old, size)
        self._core.check_bug()

    def allow_writing(self, fd: int) -> None:
        """From now on its pages can be written, by this descriptor, which is closed then."""
        os.dup2(fd, self.fd, inheritable=False)
        os.close(fd)
        self.writable = True
        self._core.lib.inode_of(self._core.m, self.mapping).writable = 1

    def flush(self) -> None:
        """Write its dirty pages; an error stays for fsync to tell."""
        mapping = self.mapping
        error = self._core.lib.filemap_fdatawrite(self._core.m, mapping)
        if error:
            mapping.flags |= lib.AS_ENOSPC if error == -errno.ENOSPC else lib.AS_EIO

    def writeback(self) -> None:
        """Write its dirty pages (filemap_fdatawrite); Errno EIO, ENOSPC, of earlier writes too."""
        error = self._core.lib.filemap_fdatawrite(self._core.m, self.mapping)
        if error:
            raise Errno(-error)

    def punch(self, offset: int, length: int) -> None:
        """Make a range read as zeros, without its pages; Errno EOPNOTSUPP where that cannot be."""
        raise Errno(errno.EOPNOTSUPP)

    def fsync(self) -> None:
        """The same, and wait until the host's disk has it."""
        self.writeback()
        if self.fd >= 0:
            try:
                os.fsync(self.fd)
            except OSError as error:
                raise Errno(error.errno or errno.EIO) from None

    def close(self) -> None:
        """Write and drop its page cache, give the descriptor back; no area may map it (iput)."""
        self._core.lib.file_close(self._core.m, self.mapping)
        self.closed = True
        if self.on_close is not None:
            self.on_close(self.held)

    def zeroed(self, start: int, end: int) -> None:
        """A range of the file is zeros now: what is cached of it as well."""
        self._core.lib.file_zeroed(self._core.m, self.mapping, start, end)


class Inodes:
    """The files whose pages are cached, one for each however often it is executed.

    A file that has changed on the host is another one.  When there are more than some, the
    one that was asked for longest ago and that nothing maps makes room (prune_icache).
    """

    def __init__(self, core: Core) -> None:
        self._core = core
        self._open: dict[int, Inode] = {}  # by kptr
        self._named: dict[Key, Inode] = {}  # lately used last
        self._next = 1

        self._unused: dict[int, Shmem] = {}
        """Shared memory that only areas use, by kptr."""
        self._sbs = 1
        self.on_unmapped: Callable[[], None] | None = None
        """Called when areas have gone."""

    def __len__(self) -> int:
        return len(self._open)

    def __iter__(self) -> Iterator[Inode]:
        return iter(self._open.values())

    def find(self, kptr: int) -> Inode | None:
        """The one whose ``struct address_space`` is there."""
        return self._open.get(kptr)

    def get(self, path: str) -> Inode:
        """Find or make a file's inode (iget); raises what open() does."""
        host = os.stat(path)
        key = (host.st_dev, host.st_ino, host.st_mtime_ns, host.st_size)
        written = self._named.get((*key[:2], -1, -1))  # by guests, who may have it open
        if written is not None:
            return written
        return self._find(key) or self._keep(key, self.open(path))

    def open(self, path: str) -> Inode:
        """Make one that nobody finds by its name.

        Errno ENOMEM when no memory is left for it, ENFILE when too many files are mapped;
        OSError when the host file cannot be opened.
        """
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        return self._make(lib.FILE_HOST, fd, os.path.realpath(path), writable=False)

    def share(
        self, key: Key, path: str, open_fd: Callable[[], int], *, writable: bool = False
    ) -> Inode:
        """Find the one of a key, or make it of a descriptor that is opened then.

        ``path`` is what a guest calls it; ``writable``: so is the descriptor.  Errno ENOMEM,
        ENFILE.
        """
        found = self._find(key)
        if found is None:
            fd = open_fd()
            found = self._keep(key, self._make(lib.FILE_HOST, fd, path, writable=writable))
        return found

    def named(self, *keys: Key) -> Inode | None:
        """The one of the first of these keys that has one."""
        return next((self._named[key] for key in keys if key in self._named), None)

    def put(self, inode: Inode, *, unlinked: bool = False) -> None:
        """An open file is closed; what it has written is on the host after the last one (iput)."""
        inode.users -= 1
        if unlinked:
            self.drop(inode)
        elif not inode.users:
            inode.flush()

    def drop(self, inode: Inode) -> None:
        """No name leads to it any more: let its pages go unless somebody uses it."""
        if not (inode.users or inode.mapped):
            inode.truncated(_EVERYTHING, 0)
            self.close(inode)

    def _find(self, key: Key) -> Inode | None:
        """The one of a key, which is the one used last then; room for another if there is none."""
        inode = self._named.pop(key, None)
        if inode is not None:
            self._named[key] = inode
        elif len(self._named) >= _UNUSED:
            self._prune()
        return inode

    def _keep(self, key: Key, inode: Inode) -> Inode:
        self._named[key] = inode
        return inode

    def _make(self, kind: int, fd: int, path: str, *, writable: bool) -> Inode:
        if fd >= 0:
            fd = above_streams(fd)
        mapping = self._core.lib.file_open(self._core.m, kind, fd, writable)
        if not mapping:
            if fd >= 0:
                os.close(fd)
            raise Errno(errno.ENFILE if len(self) >= lib.NR_FILES else errno.ENOMEM)
        inode = Inode(self._core, mapping, fd, path, self._next, writable)
        self._next += 1
        self._open[inode.kaddr] = inode
        return inode

    def sync(self, *, mapped: bool = False) -> None:
        """Write all dirty pages of all files; what goes wrong is told by each file's fsync.

        ``mapped``: what shared areas have written, too, which only msync asks for in 2.6.7.
        """
        if mapped:
            self._core.lib.sync_mms(self._core.m)
        for inode in self._open.values():
            inode.flush()

    def drop_clean(self) -> int:
        """Drop pages that the disk has and nobody maps (drop_pagecache_sb); how many."""
        from vmemu.file.shmem import Shmem

        core = self._core
        files = [inode for inode in self if not isinstance(inode, Shmem)]
        return sum(
            int(core.lib.invalidate_mapping_pages(core.m, inode.mapping, 0, core.mask))
            for inode in files
        )

    def new_sb(self, max_blocks: int = _HALF) -> int:
        """A file system of tmpfs that has so many pages at most: its ``struct shmem_sb``.

        Half of RAM and swap, unless it is told.
        """
        number = min(self._sbs, lib.NR_SHMEM_SB - 1)  # the last one is all others'
        self._sbs = number + 1
        self._core.m.shmem_sb[number].max_blocks = max_blocks
        return number

    def max_blocks(self, sb: int) -> int:
        """Pages that a file system of tmpfs has at most; 0 where there is no such limit."""
        return int(self._core.lib.shmem_max_blocks(self._core.m, sb))

    def free_blocks(self, sb: int) -> int:
        """Pages that it has room for."""
        most = self.max_blocks(sb)
        return max(0, most - int(self._core.m.shmem_sb[sb].used)) if most else 1 << 32

    def shmem(self, path: str, size: int = 0, *, sb: int = 0, account: bool = False) -> Shmem:
        """Make shared memory of so many bytes with one user (shmem_file_setup).

        Errno ENOMEM, also where ``account`` asks for a promise that cannot be made; ENFILE.
        """
        from vmemu.file.shmem import Shmem

        flags = lib.VM_ACCOUNT if account else 0
        mapping = self._core.lib.shmem_open(self._core.m, sb, size, flags)
        self._core.check_bug()
        if not mapping:
            raise Errno(errno.ENFILE if len(self) >= lib.NR_FILES else errno.ENOMEM)
        inode = Shmem(self._core, mapping, path, self._next, self._nobody_has)
        self._next += 1
        self._open[inode.kaddr] = inode
        return inode

    def shmems(self) -> Iterator[Shmem]:
        """All shared memory and files of tmpfs that have content."""
        from vmemu.file.shmem import Shmem

        return (inode for inode in self._open.values() if isinstance(inode, Shmem))

    def _nobody_has(self, inode: Shmem) -> None:
        if inode.mapped:
            self._unused[inode.kaddr] = inode
        else:
            self.close(inode)

    def never_merges(self, kptr: int) -> bool:
        """Whether each area that maps a file is counted, as with segments of System V."""
        inode = self._open.get(kptr)
        return inode is not None and inode.segment

    def unmapped(self) -> None:
        """Areas have gone: so does shared memory that only they used."""
        if self._unused:
            for inode in [each for each in self._unused.values() if not each.mapped]:
                del self._unused[inode.kaddr]
                self.close(inode)
        if self.on_unmapped is not None:
            self.on_unmapped()

    def close(self, inode: Inode) -> None:
        """Give up one that no area maps."""
        inode.close()
        del self._open[inode.kaddr]
        for key, named in self._named.items():
            if named is inode:
                del self._named[key]
                break

    def _prune(self) -> None:
        for inode in self._named.values():
            if not (inode.mapped or inode.users):
                self.close(inode)
                return
