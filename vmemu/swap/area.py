"""Swap files: mkswap's format, swapon, swapoff (mm/swapfile.c of 2.6.7)."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import random
import stat
import struct
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, NamedTuple

from vmemu.core import PAGE_SIZE
from vmemu.errors import ConfigError, Errno
from vmemu.paths import exists
from vmemu.streams import above_streams

if TYPE_CHECKING:
    from vmemu.core import Core
    from vmemu.mm.commit import Commit
    from vmemu.mm.mm import Mm

__all__ = ["SwapArea", "SwapAreas", "make_swap", "read_header"]

_MAGIC = b"SWAPSPACE2"
_HEADER = struct.Struct("<III16s16s")  # version, last_page, nr_badpages, uuid, label
_HEADER_AT = 1024
_LARGEST = 1 << 24  # pages; 24 bits of offset in a pte
_ATTEMPTS = 4  # of swapoff, while reclaim undoes as much as it does


class SwapArea(NamedTuple):
    """One area in use: ``kind`` is its number in swap entries (``struct swap_info``)."""

    kind: int
    path: str


def check_swap(size: int) -> None:
    """ConfigError unless swap may have ``size`` bytes."""
    pages = size // PAGE_SIZE
    if pages < 10:
        raise ConfigError(f"swap of {size} bytes is too small: at least {10 * PAGE_SIZE} needed")
    if pages > _LARGEST:
        raise ConfigError(f"swap of {size} bytes is too large: at most {_LARGEST * PAGE_SIZE}")


def make_swap(fd: int, size: int, seed: int = 0) -> None:
    """Write mkswap's version 1 header for ``size`` bytes to an empty file."""
    check_swap(size)
    pages = size // PAGE_SIZE
    ident = _uuid4(random.Random(seed).getrandbits(128))
    page = bytearray(PAGE_SIZE)
    _HEADER.pack_into(page, _HEADER_AT, 1, pages - 1, 0, ident, b"vmemu")
    page[-len(_MAGIC) :] = _MAGIC
    os.ftruncate(fd, pages * PAGE_SIZE)
    os.pwrite(fd, page, 0)


def _uuid4(bits: int) -> bytes:
    """A UUID of version 4 of 128 random bits (RFC 4122); the uuid module takes long to import."""
    bits = bits & ~(0xF << 76) | 4 << 76  # the version
    bits = bits & ~(0x3 << 62) | 2 << 62  # the variant
    return bits.to_bytes(16, "big")


def _unnamed_file() -> int:
    """Open a file for reading and writing that has no name, where tempfile would; OSError."""
    names = ("TMPDIR", "TEMP", "TMP")
    directory = next((os.environ[name] for name in names if os.environ.get(name)), "/tmp")
    try:
        return os.open(directory, os.O_TMPFILE | os.O_RDWR, 0o600)
    except OSError:  # not every file system has such files, and that may be no directory
        import tempfile

        handle, path = tempfile.mkstemp(prefix="vmemu-swap-")
        os.unlink(path)
        return handle


def read_header(fd: int, path: str) -> int:
    """Pages of the swap file ``path``, header included; ConfigError unless it is one."""
    try:
        page = os.pread(fd, PAGE_SIZE, 0)
    except OSError as error:
        raise ConfigError(f"cannot read swap file {path}: {error.strerror}") from None
    if len(page) < PAGE_SIZE or page[-len(_MAGIC) :] != _MAGIC:
        raise ConfigError(f"{path} exists and is not a swap file: it has no SWAPSPACE2 signature")
    version, last_page, bad, _, _ = _HEADER.unpack_from(page, _HEADER_AT)
    if version != 1:
        raise ConfigError(f"{path} is a swap file of version {version}; only version 1 can be used")
    if bad:
        raise ConfigError(f"{path} has a list of {bad} bad pages, which is not supported")
    pages: int = last_page + 1
    if pages < 10 or pages > _LARGEST or os.fstat(fd).st_size < pages * PAGE_SIZE:
        raise ConfigError(f"{path} is truncated: its header speaks of {pages} pages")
    return pages


class SwapAreas:
    """The areas in use, in order of activation; ``mms`` are whose pages may be in them."""

    def __init__(self, core: Core, commit: Commit, mms: Mapping[int, Mm]) -> None:
        self.core, self.commit, self.mms = core, commit, mms
        self.areas: list[SwapArea] = []
        self._next_priority = -1

    def swapon_size(self, size: int, seed: int = 0) -> SwapArea:
        """Swap to an unnamed temporary file of ``size`` bytes."""
        try:
            handle = above_streams(_unnamed_file())
        except OSError as error:
            raise ConfigError(f"cannot create a swap file: {error.strerror}") from None
        with _closing_on_error(handle):
            make_swap(handle, size, seed)
            return self._add(handle, size // PAGE_SIZE, f"({size >> 10}k temporary)", None)

    def swapon(self, path: str, size: int | None = None, priority: int | None = None) -> SwapArea:
        """Swap to a file; made by mkswap's rules when absent (then ``size`` is needed).

        ConfigError when it is a directory, no swap file, in use, or cannot be opened.
        """
        if any(area.path == path for area in self.areas):
            raise ConfigError(f"{path} is already in use as swap")
        fresh = not exists(path)
        if fresh and size is None:
            raise ConfigError(f"swap file {path} does not exist; give a size to create it")
        try:
            mode = 0 if fresh else os.stat(path).st_mode
            if not fresh and not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
                raise ConfigError(f"{path} is not a regular file, so it cannot hold swap")
            handle = above_streams(
                os.open(path, os.O_RDWR | (os.O_CREAT | os.O_EXCL if fresh else 0), 0o600)
            )
        except IsADirectoryError:
            raise ConfigError(f"{path} is a directory, not a swap file") from None
        except OSError as error:
            raise ConfigError(f"cannot open swap file {path}: {error.strerror}") from None
        try:
            with _closing_on_error(handle):
                if not stat.S_ISREG(os.fstat(handle).st_mode):
                    raise ConfigError(f"{path} is not a regular file, so it cannot hold swap")
                try:
                    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    raise ConfigError(f"{path} is in use as swap by another machine") from None
                if fresh and size is not None:
                    make_swap(handle, size)
                return self._add(handle, read_header(handle, path), path, priority)
        except BaseException:
            if fresh:
                os.unlink(path)
            raise

    def swapon_descriptor(self, handle: int, path: str) -> SwapArea:
        """Swap to an open file with mkswap's header, which the machine then owns."""
        return self._add(handle, read_header(handle, path), path, None)

    def _add(self, handle: int, pages: int, path: str, priority: int | None) -> SwapArea:
        if priority is None:
            priority = self._next_priority
            self._next_priority -= 1
        kind = self.core.lib.swap_add(self.core.m, handle, pages, priority)
        if kind < 0:
            raise ConfigError(f"no memory for the swap map of {path}, or too many swap areas")
        area = SwapArea(kind, path)
        self.areas.append(area)
        return area

    def swapoff(self, path: str, killed: Callable[[], bool] = lambda: False) -> None:
        """Bring back every page of an area and give it up (``sys_swapoff``).

        Errno EINVAL when ``path`` is not in use as swap; ENOMEM when memory could not hold
        what may be in it (``vm_enough_memory``), or did not; EINTR once ``killed()``.  The
        area stays in use then.
        """
        area = next((area for area in self.areas if area.path == path), None)
        if area is None:
            raise Errno(errno.EINVAL)
        m = self.core.m
        info = m.swap.info[area.kind]
        self.commit.acct(info.pages)
        self.commit.unacct(info.pages)
        # Nobody else finds it from here on; it comes back to its place if this fails.
        place = self.areas.index(area)
        self.areas.remove(area)
        try:
            self._empty(area, killed)
        except BaseException:
            self.core.lib.swap_set_writeok(m, area.kind, 1)
            self.areas.insert(min(place, len(self.areas)), area)
            raise
        self.core.lib.swap_remove(m, area.kind)
        self.core.check_bug()

    def _empty(self, area: SwapArea, killed: Callable[[], bool]) -> None:
        """Bring everything back (``try_to_unuse``); Errno ENOMEM, EINTR."""
        m = self.core.m
        info = m.swap.info[area.kind]
        self.core.lib.swap_set_writeok(m, area.kind, 0)
        slots, attempts = info.inuse, _ATTEMPTS
        while info.inuse and attempts:
            for mm in list(self.mms.values()):
                failed = self._unuse(mm, area.kind)
                if failed or killed():
                    raise Errno(errno.EINTR if killed() else errno.ENOMEM)
            if self.core.lib.shmem_unuse(m, area.kind) or killed():
                raise Errno(errno.EINTR if killed() else errno.ENOMEM)
            # Reclaim may have sent shared pages back to the slots they still had.
            left = self.core.lib.swap_drop_cache(m, area.kind)
            self.core.check_bug()
            attempts = _ATTEMPTS if left < slots else attempts - 1
            slots = left
        if info.inuse:
            raise Errno(errno.ENOMEM)

    def _unuse(self, mm: Mm, kind: int) -> int:
        """Bring back one mm's pages, unless it is dying anyway; nonzero = no memory."""
        if self.mms.get(mm.kaddr) is not mm or not mm.ptr.mm_users:
            return 0
        mm.get()
        failed: int = self.core.lib.unuse_mm(self.core.m, mm.ptr, kind)
        mm.put()
        self.core.check_bug()
        return failed


@contextlib.contextmanager
def _closing_on_error(handle: int) -> Iterator[None]:
    try:
        yield
    except BaseException:
        os.close(handle)
        raise
