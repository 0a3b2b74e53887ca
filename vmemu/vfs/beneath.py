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
from collections.abc import Sequence

from vmemu.core import ffi, lib
from vmemu.errors import Errno
from vmemu.streams import above_streams
from vmemu.vfs.libc import libc

__all__ = [
    "Opened",
    "OpenedPath",
    "exchange",
    "host_errors",
    "joined",
    "mode_of",
    "open_beneath",
    "readlink_of",
]

_NR_OPENAT2, _NR_RENAMEAT2 = 437, 316
_RENAME_EXCHANGE = 2
_BENEATH, _NO_SYMLINKS, _NO_MAGICLINKS = 8, 4, 2
_RESOLVE = _BENEATH | _NO_SYMLINKS | _NO_MAGICLINKS
_WITHOUT = frozenset({errno.ENOSYS, errno.EPERM, errno.E2BIG, errno.EAGAIN, errno.ENAMETOOLONG})
"""What openat2() says where it is missing, forbidden, or has too much to do."""
_PATH_MAX = 4096
_HOW = struct.Struct("3Q")
"""struct open_how."""
_mode_beneath, _readlink_beneath = lib.mode_beneath, lib.readlink_beneath
_link = ffi.new("char[]", _PATH_MAX)


class _HostErrors:
    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, OSError):
            raise _told(error.errno or errno.EIO) from None


def _told(number: int) -> Errno:
    """What a guest is told of an error of the host's."""
    return Errno(errno.ENFILE if number == errno.EMFILE else number)


_HOST_ERRORS = _HostErrors()


def host_errors() -> contextlib.AbstractContextManager[None]:
    """What the host refuses, the guest sees as the same errno."""
    return _HOST_ERRORS


class Opened:
    """A descriptor, for as long as a with statement lasts."""

    __slots__ = ("fd",)

    def __init__(self, fd: int) -> None:
        self.fd = fd

    def __enter__(self) -> int:
        return self.fd

    def __exit__(self, *raised: object) -> None:
        os.close(self.fd)


class OpenedPath(Opened):
    """The same as a path of the host that leads to the very node."""

    __slots__ = ()

    def __enter__(self) -> str:  # type: ignore[override]
        return f"/proc/self/fd/{self.fd}"


def joined(names: Sequence[bytes]) -> bytes:
    """The path of names from a directory on; OSError EXDEV for what is no name.

    The names are those of a walk: none is .. or has a slash in it.
    """
    if any(name in (b"", b".", b"..") or b"/" in name for name in names):
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))
    return b"/".join(names) or b"."


def mode_of(root: int, path: bytes, name: bytes) -> int:
    """The mode of what a name is, in a directory with that path from another; OSError.

    The path is what `joined` gave.
    """
    found: int = _mode_beneath(root, path, name)
    if found >= 0:
        return found
    if -found not in _WITHOUT:
        raise OSError(-found, "")
    with Opened(_open_directory(root, path)) as fd:
        return os.stat(name, dir_fd=fd, follow_symlinks=False).st_mode


def readlink_of(root: int, path: bytes, name: bytes) -> bytes:
    """Where it leads, if it is a link; OSError."""
    length: int = _readlink_beneath(root, path, name, _link, _PATH_MAX)
    if length >= 0:
        text: bytes = ffi.buffer(_link, length)[:]
        return text
    if -length not in _WITHOUT:
        raise OSError(-length, "")
    with Opened(_open_directory(root, path)) as fd:
        return os.readlink(name, dir_fd=fd)


def _open_directory(root: int, path: bytes) -> int:
    names = [] if path == b"." else path.split(b"/")
    return open_beneath(root, names, os.O_PATH | os.O_DIRECTORY)


def open_beneath(root: int, names: Sequence[bytes], flags: int) -> int:
    """Open what names lead to from a directory; OSError, ELOOP for a link among them."""
    path = joined(names)
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
