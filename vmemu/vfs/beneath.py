"""Opening what lies beneath a directory of the host, and nothing else.

Guests' links are followed by the guest's own walk, since they may lead to another file system;
the host never follows one.  So RESOLVE_BENEATH and RESOLVE_NO_SYMLINKS are asked of openat2(),
which is stricter than RESOLVE_IN_ROOT.  Where the host has no openat2(), one directory is
opened after the other with O_NOFOLLOW.
"""

from __future__ import annotations

import contextlib
import errno
import os
import struct
from collections.abc import Iterator, Sequence

from vmemu.errors import Errno
from vmemu.streams import above_streams
from vmemu.vfs.libc import libc

__all__ = ["exchange", "host_errors", "open_beneath"]

_NR_OPENAT2, _NR_RENAMEAT2 = 437, 316
_RENAME_EXCHANGE = 2
_BENEATH, _NO_SYMLINKS, _NO_MAGICLINKS = 8, 4, 2
_RESOLVE = _BENEATH | _NO_SYMLINKS | _NO_MAGICLINKS
_WITHOUT = frozenset({errno.ENOSYS, errno.EPERM, errno.E2BIG, errno.EAGAIN, errno.ENAMETOOLONG})
"""What openat2() says where it is missing, forbidden, or has too much to do."""
_PATH_MAX = 4096
_HOW = struct.Struct("3Q")
"""struct open_how."""


@contextlib.contextmanager
def host_errors() -> Iterator[None]:
    """What the host refuses, the guest sees as the same errno."""
    try:
        yield
    except OSError as error:
        number = error.errno or errno.EIO
        raise Errno(errno.ENFILE if number == errno.EMFILE else number) from None


def open_beneath(root: int, names: Sequence[bytes], flags: int) -> int:
    """Open what names lead to from a directory; OSError, ELOOP for a link among them.

    The names are those of a walk: none is .. or has a slash in it.
    """
    if any(name in (b"", b".", b"..") or b"/" in name for name in names):
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))
    path = b"/".join(names) or b"."
    flags |= os.O_CLOEXEC | os.O_NOFOLLOW
    if len(path) < _PATH_MAX:
        try:
            return above_streams(_openat2(root, path, flags))
        except OSError as error:
            if error.errno not in _WITHOUT:
                raise
    return above_streams(by_steps(root, names, flags))


def exchange(old_fd: int, old: bytes, new_fd: int, new: bytes) -> None:
    """Let two names in directories stand for each other's files (RENAME_EXCHANGE); OSError."""
    kinds = ("c_long", "c_int", "c_char_p", "c_int", "c_char_p", "c_uint")
    libc("syscall", *kinds)(_NR_RENAMEAT2, old_fd, old, new_fd, new, _RENAME_EXCHANGE)


def _openat2(root: int, path: bytes, flags: int) -> int:
    call = libc("syscall", "c_long", "c_int", "c_char_p", "c_char_p", "c_size_t")
    return call(_NR_OPENAT2, root, path, _HOW.pack(flags, 0, _RESOLVE), _HOW.size)


def by_steps(root: int, names: Sequence[bytes], flags: int) -> int:
    """The same, one directory after the other."""
    at = root
    try:
        for name in names[:-1]:
            step = os.open(
                name, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=at
            )
            if at != root:
                os.close(at)
            at = step
        return os.open(names[-1] if names else b".", flags, dir_fd=at)
    finally:
        if at != root:
            os.close(at)
