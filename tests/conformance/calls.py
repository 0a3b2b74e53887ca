"""Every system call that there is, with its errors in the order in which Linux looks for them.

An error is provoked by arguments that are put in place of good ones.  When two of them are
wrong at once, the one further up is found first; `test_calls` tries each pair.  Where the kernel
of today answers otherwise than 2.6.7, or cannot be asked, the error says so.

A row serves both widths, as far as they have the call; addresses in the pool are the same,
what lies there is each width's own.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from errno import (
    E2BIG,
    EACCES,
    EAFNOSUPPORT,
    EAGAIN,
    EBADF,
    EBUSY,
    ECHILD,
    EEXIST,
    EFAULT,
    EINTR,
    EINVAL,
    EISDIR,
    ELOOP,
    EMFILE,
    ENAMETOOLONG,
    ENODEV,
    ENOENT,
    ENOMEM,
    ENOSYS,
    ENOTDIR,
    ENOTSOCK,
    ENOTTY,
    EOPNOTSUPP,
    EPERM,
    EPIPE,
    EPROTONOSUPPORT,
    ERANGE,
    ESOCKTNOSUPPORT,
    ESPIPE,
    ESRCH,
    ESTALE,
)

# What `asker.c` has ready.
READ_END, WRITE_END, ZERO, PROC, BROKEN = 3, 4, 5, 6, 7
BADFD = 77
ARENA, ARENA_PAGES = 0x50000000, 8  # readable and writable, then nothing
HOLE = ARENA + 0x4000000
POOL = 0x60000000
BAD = 16
KERNEL = -4096  # beyond the end of user space, natively as well
NO_PID = 0x7FFFFFF0

POOL_SIZE = 4 * 4096
POOL_BYTES = {32: bytearray(), 64: bytearray()}


def _put(data: bytes, data64: bytes | None = None) -> int:
    """Place bytes in the pool, others in that of 64 bits; their address."""
    address = POOL + len(POOL_BYTES[32])
    room = max(len(data), len(data64 or b"")) + 7 & -8
    POOL_BYTES[32].extend(data.ljust(room, b"\0"))
    POOL_BYTES[64].extend((data if data64 is None else data64).ljust(room, b"\0"))
    assert len(POOL_BYTES[32]) <= POOL_SIZE
    return address


def _ints(*values: int) -> int:
    return _put(b"".join(struct.pack("<I", value & 0xFFFFFFFF) for value in values))


def _longs(*values: int) -> int:
    return _put(
        b"".join(struct.pack("<I", value & 0xFFFFFFFF) for value in values),
        b"".join(struct.pack("<Q", value & (1 << 64) - 1) for value in values),
    )


BUFFER = _put(bytes(512))
_DEVICE, _EMPTY, _NOTHING = _put(b"/dev/zero\0"), _put(b"\0"), _put(b"/no/such/file\0")
_LONG, _LONG_NAME = _put(b"/" + 4200 * b"a"), _put(b"/" + 300 * b"a" + b"\0")
_ABSENT, _ATTRIBUTE = _put(b"/vmemu-absent\0"), _put(b"user.x\0")
_RELATIVE, _ROOT = _put(b"relative\0"), _put(b"/\0")
_PROC_FILE, _SELF = _put(b"/proc/self/comm\0"), _put(b"/proc/self/exe\0")
_ADJUST, _ODD_ADJUST = _put(b"\1" + bytes(207)), _put(b"\0\x80" + bytes(206))
_ODD_TIME, _SHORT_TIME = _longs(0, 1_000_000_000), _longs(0, 1)
_ODD_TIME64, _SHORT_TIME64 = _ints(0, 0, 1_000_000_000, 0), _ints(0, 0, 1, 0)
_ODD_ITIMER = _longs(0, 0, 0, 1_000_000)
_SPEC, _ODD_SPEC = _longs(0, 0, 1, 0), _longs(0, 0, 1, 1_000_000_000)
_SPEC64 = _ints(0, 0, 0, 0, 1, 0, 0, 0)
_ODD_SPEC64 = _ints(0, 0, 0, 0, 1, 0, 1_000_000_000, 0)
_ODD_EVENT = _put(
    struct.pack("<I3i", 0, 10, 77, 0).ljust(64), struct.pack("<Q3i", 0, 10, 77, 0).ljust(64)
)
_QUEUED, _FORGED = (
    _put(struct.pack("<3i", 10, 0, -1).ljust(128)),
    _put(struct.pack("<3i", 10, 0, 0).ljust(128)),
)
_CROSSED = _longs(2, 1)
_CROSSED64 = _ints(2, 0, 1, 0)
_NO_FDS, _MANY_FDS = _longs(3, 1024), _longs(1024, 1024)
_GOOD_LIMIT, _GOOD_LIMIT64 = _longs(1 << 30, -1), _ints(1 << 30, 0, -1, -1)
_HUGE_LIMIT = _longs(1024, 1 << 24)
_ACTION, _SET = _longs(0, 0, 0, 0, 0), _longs(0, 0)
_STACK, _SMALL_STACK, _ODD_STACK = _longs(ARENA, 0, 8192), _longs(ARENA, 0, 1), _longs(ARENA, 8, 1)
_HOW, _ODD_HOW = _ints(0, 0, 0, 0, 0, 0), _ints(0, 0, 0o640, 0, 0, 0)
_ATTR, _SMALL_ATTR = _ints(48, *11 * (0,)), _ints(40, *11 * (0,))
_ODD_ATTR = _ints(48, 9, *10 * (0,))
_IOV, _BAD_IOV, _NEGATIVE_IOV = _longs(BUFFER, 4), _longs(BAD, 4), _longs(BUFFER, -1)
_SEGMENT, _NO_SEGMENT = _ints(-1, 0, 0xFFFFF, 0x51), _ints(99, 0, 0xFFFFF, 0x51)
_POLLFD = _ints(READ_END, 0)
_ODD_MMAP, _SHORT_MMAP = _longs(0, 4096, 3, 0x22, -1, 1), _longs(0, 0, 3, 0x22, -1, 0)
_NO_FD_MMAP = _longs(0, 4096, 3, 2, BADFD, 0)
_FUTEX = _ints(7)
_NO_TIME, _NO_TIME64, _FOUR_TIMES = _longs(0, 0), _ints(0, 0, 0, 0), _longs(0, 0, 0, 0)
_ODD_TIMER, _FOUR_TIMES64 = _longs(0, 0, 0, 1_000_000_000), _ints(*8 * (0,))
_ODD_TIMER64, _ODD_TIMEVAL = _ints(0, 0, 0, 0, 0, 0, 1_000_000_000, 0), _longs(0, -1)
_NO_FD_SET = _ints(0x200, 0, 0)
_SMALL_MASK, _BAD_MASK = _longs(_SET, 4), _longs(BAD, 8)
_OLD_SELECT = _longs(16, 0, 0, 0, _NO_TIME)
_CAPS, _ODD_CAPS = _ints(0x20080522, 0), _ints(7, 0)
_NEGATIVE_CAPS, _NO_CAPS = _ints(0x20080522, -1), _ints(0x20080522, NO_PID)
_NOTHING_CAPS, _ODD_SET = _ints(0, 0, 0, 0, 0, 0), _ints(1, 0, 0, 0, 0, 0)
_BAD_ARGV = _longs(BAD, 0)


_ABSENT_QUEUE, _NO_ROOM = _put(b"vmemu-absent\0"), _longs(0, 0, 1, *5 * (0,))
_ODD_QUEUE, _ODD_NOTE = _longs(2, *7 * (0,)), _longs(0, 7 << 32 | 1, 7, 0)
_WAITV, _ODD_WAITV = (_put(struct.pack("<2Q2I", 8, _FUTEX, flags, 0)) for flags in (2, 3))
_SEMBUF, _MESSAGE = _put(struct.pack("<Hhh", 0, 1, 0)), _longs(1, 7)


def _child(flags: int, pidfd: int = 0, tls: int = 0) -> int:
    """struct clone_args, and something behind it."""
    return _put(struct.pack("<12Q", flags, pidfd, 0, 0, 17, 0, 0, tls, 0, 0, 0, 1))


_CHILD, _ODD_CHILD, _UNTOLD_CHILD = _child(0), _child(1 << 34), _child(0x1000, BAD)
_FAR_CHILD = _child(0x81000, BAD, 1 << 63)


@dataclass(frozen=True)
class Wrong:
    """One error, and the arguments (by index) that provoke it."""

    error: int
    args: dict[int, int]
    today: bool = True
    """The kernel of today answers the same, also in company."""
    before: tuple[tuple[str | int, ...], ...] = ()
    """Calls to be made first."""
    after: tuple[tuple[str | int, ...], ...] = ()
    widths: tuple[int, ...] = (32, 64)
    """Where it can be provoked."""


@dataclass(frozen=True)
class Call:
    """A call: arguments that are right, and what can be wrong, in order."""

    name: str
    good: tuple[int, ...] = ()
    errors: tuple[Wrong, ...] = field(default=())
    note: str = ""
    """How today's kernel answers otherwise, or why it is not asked."""
    native: bool = True
    """Today's kernel can be asked."""


def wrong(
    error: int, index: int, value: int, *, today: bool = True, widths: tuple[int, ...] = (32, 64)
) -> Wrong:
    return Wrong(error, {index: value}, today, widths=widths)


_FULL = Wrong(EMFILE, {}, before=(("setrlimit", 7, _NO_FDS),), after=(("setrlimit", 7, _MANY_FDS),))


def path_errors(index: int) -> tuple[Wrong, ...]:
    """What getname() finds, then the lookup."""
    return (
        wrong(EFAULT, index, BAD),
        wrong(ENOENT, index, _EMPTY),
        wrong(ENAMETOOLONG, index, _LONG),
        wrong(ENAMETOOLONG, index, _LONG_NAME),
        wrong(ENOENT, index, _NOTHING),
    )


_SECOND_PATH = path_errors(1)


def at_errors(fd: int, path: int) -> tuple[Wrong, ...]:
    """The same where a relative path begins at a descriptor."""
    return (
        *path_errors(path)[:3],
        Wrong(EBADF, {fd: BADFD, path: _RELATIVE}),
        Wrong(ENOTDIR, {fd: ZERO, path: _RELATIVE}),
        *path_errors(path)[3:],
    )


def _parent(index: int) -> tuple[Wrong, ...]:
    """What is wrong with the way to the last name."""
    return (*path_errors(index)[:3], path_errors(index)[4])


def _rename(name: str, old: int, new: int, *more: Wrong) -> Call:
    """Where nothing is called so, so that nothing is renamed."""
    good = [-100] * (new + 1)
    good[old] = good[new] = _ABSENT
    at = (Wrong(EBADF, {0: BADFD, 1: _RELATIVE}),) if old else ()
    errors = (
        *more, *_parent(old)[:3], *at, _parent(old)[3], *_parent(new), wrong(EBUSY, old, _ROOT),
        wrong(EBUSY, new, _ROOT), wrong(ENAMETOOLONG, old, _LONG_NAME), wrong(ENOENT, old, _ABSENT),
    )  # fmt: skip
    return Call(name, (*good, 0), errors)


def _by_path(
    *names: str, good: tuple[int, ...] = (), more: tuple[Wrong, ...] = ()
) -> dict[str, Call]:
    errors = (*path_errors(0), *more)
    return {name: Call(name, good or (_NOTHING, 0, 0, 0), errors) for name in names}


def _by_fd(
    *names: str, good: tuple[int, ...] = (BUFFER, 0), more: tuple[Wrong, ...] = ()
) -> dict[str, Call]:
    errors = (wrong(EBADF, 0, BADFD), *more)
    return {name: Call(name, (ZERO, *good, 0, 0, 0), errors) for name in names}


_NAME_ERRORS = (wrong(EFAULT, 1, BAD, today=False), wrong(ERANGE, 1, _EMPTY, today=False))
_BEFORE_START = Wrong(EINVAL, {3: -1, 4: -1})
_BEFORE_MINUS = Wrong(EINVAL, {3: -2, 4: -1})
_ODD_FLAG = wrong(EOPNOTSUPP, 5, 0x4000000)
_RANGE = (ARENA, 4096)
_PIPE_FD = wrong(EBADF, 0, BADFD)
_SIGNALS = (wrong(EINVAL, 0, 0), wrong(EINVAL, 0, 65))


def _none(*names: str) -> dict[str, Call]:
    """Calls that cannot fail, or that fail for no argument."""
    return {name: Call(name) for name in names}


def _stat(*names: str) -> dict[str, Call]:
    errors = (*path_errors(0), wrong(EFAULT, 1, BAD))
    return {name: Call(name, (_DEVICE, BUFFER), errors) for name in names}


def _clocks(*names: str) -> dict[str, Call]:
    errors = (wrong(EINVAL, 0, 99), wrong(EFAULT, 1, BAD))
    return {name: Call(name, (1, BUFFER), errors) for name in names}


_SEMOP = (wrong(E2BIG, 2, 501), wrong(EINVAL, 2, 0), wrong(EFAULT, 1, BAD), wrong(EINVAL, 0, -1))


def _semtimedop(name: str, odd: int) -> Call:
    errors = (wrong(EFAULT, 3, BAD), *_SEMOP, wrong(EINVAL, 3, odd))
    return Call(name, (0x7FFF0000, _SEMBUF, 1, 0), errors)


def _futex(name: str, odd: int) -> Call:
    errors = (
        wrong(ENOSYS, 1, 77),
        wrong(EFAULT, 3, BAD),
        wrong(EINVAL, 3, odd),
        Wrong(EINVAL, {5: 0, 1: 9}),
        wrong(EINVAL, 0, _FUTEX + 1),
        wrong(EFAULT, 0, BAD & ~3),
        wrong(EAGAIN, 2, 8),
    )
    return Call(name, (_FUTEX, 0x80, 7, 0, 0, 1), errors)


def _timer_errors(odd: int) -> tuple[Wrong, ...]:
    return (wrong(EFAULT, 2, BAD), wrong(EINVAL, 2, odd), wrong(EINVAL, 0, NO_PID))


def _set_clock(name: str, odd: int, good: int) -> Call:
    """Every question is wrong in some way: nobody asks the host to set its clock."""
    errors = (
        wrong(EINVAL, 0, 99),
        wrong(EFAULT, 1, BAD),
        wrong(EINVAL, 1, odd),
    )
    return Call(name, (0, good), errors)


def _clock_adjtime(name: str) -> Call:
    """Which the host might obey."""
    return Call(name, (0, _ADJUST), (
        wrong(EFAULT, 1, BAD), wrong(EINVAL, 0, 99), wrong(EOPNOTSUPP, 0, 1),
        wrong(EINVAL, 1, _ODD_ADJUST), Wrong(EPERM, {}, today=False),
    ))  # fmt: skip


def _timedwait(name: str, good: int, odd: int) -> Call:
    errors = (
        wrong(EINVAL, 3, 4),
        wrong(EFAULT, 0, BAD),
        wrong(EFAULT, 2, BAD),
        wrong(EINVAL, 2, odd),
        Wrong(EAGAIN, {}),
    )
    return Call(name, (_SET, 0, good, 8), errors)


def _nanosleep(name: str, odd: int, good: int) -> Call:
    errors = (
        wrong(EINVAL, 0, 99),
        wrong(EOPNOTSUPP, 0, 4),
        wrong(EFAULT, 2, BAD),
        wrong(EINVAL, 2, odd),
    )
    return Call(name, (1, 0, good, 0), errors)


def _fd_only(*names: str) -> dict[str, Call]:
    return {name: Call(name, (ZERO, BUFFER), (_PIPE_FD, wrong(EFAULT, 1, BAD))) for name in names}


def _old(*names: str) -> dict[str, Call]:
    return {name: Call(name, (BUFFER,), (wrong(EFAULT, 0, BAD),)) for name in names}


_SWAP = "needs a swap file; paths are the host's"

# To a kernel of 64 bits no length of 32 bits is negative; one of its own goes beyond user space.
_NEGATIVE = Wrong(EINVAL, {1: 4096, 2: 0x80000000}, today=False, widths=(32,))
_READ = (
    wrong(EBADF, 0, BADFD),
    wrong(EBADF, 0, WRITE_END),
    wrong(EFAULT, 1, KERNEL),
    _NEGATIVE,
    wrong(EFAULT, 1, BAD),
)
_WRITE = (
    wrong(EBADF, 0, BADFD),
    wrong(EBADF, 0, READ_END),
    wrong(EFAULT, 1, KERNEL, today=False),
    _NEGATIVE,
    wrong(EPIPE, 0, BROKEN),
    wrong(EFAULT, 1, BAD),
)
_VECTOR = (wrong(EINVAL, 2, 1025), wrong(EFAULT, 1, BAD), wrong(EINVAL, 1, _NEGATIVE_IOV))
_MMAP = (
    Wrong(EBADF, {3: 2, 4: BADFD}),
    wrong(EINVAL, 1, 0),
    wrong(ENOMEM, 1, -4096),
    Wrong(EINVAL, {0: ARENA + 1, 3: 0x32}),
    wrong(EINVAL, 3, 0x20),
)
_MASK = (Wrong(EINVAL, {3: _SET, 4: 4}), Wrong(EFAULT, {3: BAD, 4: 8}))
_POLLED = (wrong(EINVAL, 1, 1 << 20), wrong(EFAULT, 0, BAD))
_SELECT = (
    wrong(EINVAL, 0, -1), wrong(EFAULT, 1, BAD), wrong(EBADF, 2, _NO_FD_SET),
)  # fmt: skip
_EPOLL = (
    wrong(EINVAL, 2, 0, today=False), wrong(EFAULT, 1, KERNEL, today=False),
    wrong(EBADF, 0, BADFD),
    Wrong(EINVAL, {}),
)  # fmt: skip
_EPOLL_MASK = (Wrong(EINVAL, {4: _SET, 5: 4}), Wrong(EFAULT, {4: BAD, 5: 8}))
_SENDFILE = (
    wrong(EFAULT, 2, BAD), wrong(EBADF, 1, BADFD), wrong(EBADF, 1, WRITE_END),
    wrong(EBADF, 0, BADFD), wrong(EBADF, 0, READ_END),
)  # fmt: skip
_NO_SOCKET = (wrong(EBADF, 0, BADFD), Wrong(ENOTSOCK, {0: READ_END}))


def _spec(index: int, odd: int) -> tuple[Wrong, ...]:
    return (wrong(EFAULT, index, BAD), wrong(EINVAL, index, odd))


def _pselect(name: str, good: int, odd: int) -> Call:
    errors = (
        wrong(EFAULT, 5, BAD), *_spec(4, odd), wrong(EINVAL, 5, _SMALL_MASK),
        wrong(EFAULT, 5, _BAD_MASK), *_SELECT,
    )  # fmt: skip
    return Call(name, (16, 0, 0, 0, good, 0), errors)


def _timer_set(name: str, good: int, odd: int) -> Call:
    errors = (
        wrong(EFAULT, 2, BAD), wrong(EINVAL, 1, 4), wrong(EINVAL, 2, odd), wrong(EBADF, 0, BADFD),
        Wrong(EINVAL, {}),
    )  # fmt: skip
    return Call(name, (READ_END, 0, good, 0), errors)


_LIMIT = (wrong(EINVAL, 0, 99), wrong(EFAULT, 1, BAD))

CALLS: dict[str, Call] = {
    **_none(
        "exit", "exit_group", "getpid", "gettid", "getppid", "getuid", "geteuid", "getuid32",
        "geteuid32", "getgid", "getegid", "getgid32", "getegid32", "getpgrp", "umask",
        "setreuid", "setreuid32", "setregid", "setregid32", "setresuid", "setresuid32", "setresgid",
        "setresgid32", "setfsuid", "setfsuid32", "setfsgid", "setfsgid32",
        "personality", "brk", "sched_yield", "nice", "alarm", "pause", "sigsuspend", "sigreturn",
        "rt_sigreturn", "fork", "vfork", "munlockall", "set_tid_address", "setsid", "sync",
    ),
    **_by_path("chmod", "chown", "lchown", "chown32", "lchown32"),
    **_by_path("mkdir", more=(wrong(EEXIST, 0, _ROOT),)),
    **_by_path("rmdir", more=(wrong(EBUSY, 0, _ROOT), wrong(ENOTDIR, 0, _DEVICE))),
    **_by_path("unlink", more=(wrong(EISDIR, 0, _ROOT),)),
    **_by_path("chdir", more=(wrong(ENOTDIR, 0, _DEVICE),)),
    **_by_path("listxattr", "llistxattr"),
    **_by_path(
        "getxattr", "lgetxattr", "removexattr", "lremovexattr", good=(_DEVICE, _ATTRIBUTE, 0, 0),
        more=_NAME_ERRORS,
    ),
    **_by_path(
        "setxattr", "lsetxattr", good=(_DEVICE, _ATTRIBUTE, 0, 0, 0),
        more=(wrong(EINVAL, 4, 8, today=False), *_NAME_ERRORS),
    ),
    **_by_fd("fchmod", "fchown", "fchown32", "flistxattr"),
    **_by_fd("fgetxattr", "fremovexattr", "fsetxattr", good=(_ATTRIBUTE, 0)),
    **_by_fd("fsync", "fdatasync", more=(wrong(EINVAL, 0, READ_END),)),
    **_by_fd("getdents", "getdents64", more=(wrong(ENOTDIR, 0, ZERO),)),
    **_by_fd("fchdir", more=(wrong(ENOTDIR, 0, ZERO),)),
    **_by_fd("fstatfs", more=(wrong(EFAULT, 1, BAD),)),
    **_by_fd("readahead", more=(wrong(EINVAL, 0, READ_END),)),
    **_by_fd("fadvise64", more=(wrong(ESPIPE, 0, READ_END), Wrong(EINVAL, {3: 99, 4: 99}))),
    **_by_fd("fadvise64_64", more=(wrong(ESPIPE, 0, READ_END), wrong(EINVAL, 5, 99))),
    "statfs": Call("statfs", (_DEVICE, BUFFER), (*path_errors(0), wrong(EFAULT, 1, BAD))),
    "statfs64": Call("statfs64", (_DEVICE, 84, BUFFER), (
        wrong(EINVAL, 1, 1), *path_errors(0), wrong(EFAULT, 2, BAD),
    )),
    "fstatfs64": Call("fstatfs64", (ZERO, 84, BUFFER), (
        wrong(EINVAL, 1, 1), _PIPE_FD, wrong(EFAULT, 2, BAD),
    )),
    "mkdirat": Call("mkdirat", (-100, _ABSENT, 0), (*at_errors(0, 1), wrong(EEXIST, 1, _ROOT))),
    "unlinkat": Call("unlinkat", (-100, _ABSENT, 0), (
        wrong(EINVAL, 2, 1), *at_errors(0, 1), wrong(EISDIR, 1, _ROOT),
        Wrong(ENOTDIR, {1: _DEVICE, 2: 0x200}),
    )),
    "link": Call("link", (_DEVICE, _ABSENT), (
        *path_errors(0), *path_errors(1), wrong(EEXIST, 1, _ROOT),
    )),
    "linkat": Call("linkat", (-100, _DEVICE, -100, _ABSENT, 0), (
        wrong(EINVAL, 4, 1), *at_errors(0, 1), *at_errors(2, 3), wrong(EEXIST, 3, _ROOT),
    )),
    "symlink": Call("symlink", (_RELATIVE, _ABSENT), (
        *path_errors(0)[:3], *path_errors(1), wrong(EEXIST, 1, _ROOT),
    )),
    "symlinkat": Call("symlinkat", (_RELATIVE, -100, _ABSENT), (
        *path_errors(0)[:3], *at_errors(1, 2), wrong(EEXIST, 2, _ROOT),
    )),
    "rename": _rename("rename", 0, 1),
    "renameat": _rename("renameat", 1, 3),
    "renameat2": _rename("renameat2", 1, 3, wrong(EINVAL, 4, 8)),
    "fchmodat": Call("fchmodat", (-100, _NOTHING, 0), at_errors(0, 1)),
    "fchownat": Call("fchownat", (-100, _NOTHING, 0, 0, 0), (
        wrong(EINVAL, 4, 1), *at_errors(0, 1),
    )),
    **{name: Call(name, (-100, _NOTHING, 0, 0), (
        wrong(EFAULT, 2, BAD), wrong(EINVAL, 3, 1), *at_errors(0, 1),
    )) for name in ("utimensat", "utimensat_time64")},
    **{name: Call(name, (_NOTHING, 0), (wrong(EFAULT, 1, BAD), *path_errors(0)))
       for name in ("utime", "utimes")},
    "futimesat": Call("futimesat", (-100, _NOTHING, 0), (
        wrong(EFAULT, 2, BAD), wrong(EINVAL, 2, _ODD_ITIMER), *at_errors(0, 1),
    )),
    "faccessat2": Call("faccessat2", (-100, _DEVICE, 0, 0), (
        wrong(EINVAL, 2, 8), wrong(EINVAL, 3, 1), *at_errors(0, 1),
    )),
    "truncate": Call("truncate", (_NOTHING, 0), (
        wrong(EINVAL, 1, -1), *path_errors(0), wrong(EISDIR, 0, _ROOT), wrong(EINVAL, 0, _DEVICE),
    )),
    "truncate64": Call("truncate64", (_NOTHING, 0, 0), (
        wrong(EINVAL, 2, -1), *path_errors(0), wrong(EISDIR, 0, _ROOT), wrong(EINVAL, 0, _DEVICE),
    )),
    "ftruncate": Call("ftruncate", (ZERO, 0), (
        wrong(EINVAL, 1, -1), _PIPE_FD, wrong(EINVAL, 0, READ_END),
    )),
    "ftruncate64": Call("ftruncate64", (ZERO, 0, 0), (
        wrong(EINVAL, 2, -1), _PIPE_FD, wrong(EINVAL, 0, READ_END),
    )),
    "fallocate": Call("fallocate", (ZERO, 0, 1, 1, 1, 0), (
        _PIPE_FD, Wrong(EINVAL, {2: -1, 3: -1}), wrong(EOPNOTSUPP, 1, 0x100),
        wrong(EBADF, 0, PROC), wrong(ESPIPE, 0, WRITE_END), wrong(ENODEV, 0, ZERO),
    )),
    "pread64": Call("pread64", (PROC, BUFFER, 4, 0, 0), (
        _BEFORE_START, _PIPE_FD, wrong(ESPIPE, 0, READ_END), wrong(EFAULT, 1, KERNEL),
        wrong(EFAULT, 1, BAD),
    )),
    "pwrite64": Call("pwrite64", (ZERO, BUFFER, 4, 0, 0), (
        _BEFORE_START, _PIPE_FD, wrong(ESPIPE, 0, PROC),
    )),
    "preadv": Call("preadv", (PROC, _IOV, 1, 0, 0), (
        _BEFORE_START, _PIPE_FD, wrong(ESPIPE, 0, READ_END), *_VECTOR,
        wrong(EFAULT, 1, _BAD_IOV),
    )),
    "pwritev": Call("pwritev", (ZERO, _IOV, 1, 0, 0), (
        _BEFORE_START, _PIPE_FD, wrong(ESPIPE, 0, PROC), *_VECTOR,
    )),
    "preadv2": Call("preadv2", (PROC, _IOV, 1, 0, 0, 0), (
        _BEFORE_MINUS, _PIPE_FD, wrong(ESPIPE, 0, READ_END), *_VECTOR, _ODD_FLAG,
    )),
    "pwritev2": Call("pwritev2", (ZERO, _IOV, 1, 0, 0, 0), (
        _BEFORE_MINUS, _PIPE_FD, wrong(ESPIPE, 0, PROC), *_VECTOR, _ODD_FLAG,
    )),
    **_stat("stat", "lstat", "stat64", "lstat64"),
    **_fd_only("fstat", "fstat64"),
    **_clocks("clock_gettime", "clock_gettime64", "clock_getres", "clock_getres_time64"),
    **_old("uname", "olduname", "sysinfo", "times", "time", "gettimeofday", "sigpending"),
    "restart_syscall": Call("restart_syscall", (), (Wrong(EINTR, {}),)),
    "read": Call("read", (PROC, BUFFER, 4), _READ),
    "write": Call("write", (WRITE_END, BUFFER, 4), _WRITE),
    "readv": Call("readv", (PROC, _IOV, 1), (*_READ[:2], *_VECTOR, wrong(EFAULT, 1, _BAD_IOV))),
    "writev": Call(
        "writev", (WRITE_END, _IOV, 1),
        (*_WRITE[:2], *_VECTOR, wrong(EPIPE, 0, BROKEN), wrong(EFAULT, 1, _BAD_IOV)),
    ),
    "open": Call("open", (_DEVICE, 0, 0), (
        *path_errors(0)[:3], _FULL, *path_errors(0)[3:], wrong(ENOTDIR, 1, 0o200000),
        wrong(EEXIST, 1, 0o300), Wrong(EISDIR, {0: _ROOT, 1: 2}),
        Wrong(EISDIR, {0: _ROOT, 1: 0o100}), Wrong(ELOOP, {0: _SELF, 1: 0o400000}),
    )),
    "creat": Call("creat", (_DEVICE, 0), (*path_errors(0)[:3], _FULL, *path_errors(0)[3:])),
    "openat": Call("openat", (-100, _DEVICE, 0, 0), (
        *_SECOND_PATH[:3], _FULL,
        Wrong(EBADF, {0: BADFD, 1: _RELATIVE}), Wrong(ENOTDIR, {0: ZERO, 1: _RELATIVE}),
        *_SECOND_PATH[3:], wrong(ENOTDIR, 2, 0o200000),
    )),
    "close": Call("close", (BADFD,), (_PIPE_FD,)),
    "dup": Call("dup", (ZERO,), (_PIPE_FD, _FULL)),
    "dup2": Call("dup2", (ZERO, 8), (_PIPE_FD, wrong(EBADF, 1, -1), wrong(EBADF, 1, 1 << 20))),
    "dup3": Call("dup3", (ZERO, 8, 0), (
        wrong(EINVAL, 2, 1), Wrong(EINVAL, {0: ZERO, 1: ZERO}), wrong(EBADF, 1, -1), _PIPE_FD,
    )),
    "pipe": Call("pipe", (BUFFER,), (_FULL, wrong(EFAULT, 0, BAD))),
    "pipe2": Call("pipe2", (BUFFER, 0), (wrong(EINVAL, 1, 1), _FULL, wrong(EFAULT, 0, BAD))),
    **{name: Call(name, (ZERO, 0, 0), (
        _PIPE_FD, wrong(EINVAL, 1, 99), Wrong(EINVAL, {2: -1}), _FULL,
    )) for name in ("fcntl", "fcntl64")},
    "lseek": Call("lseek", (PROC, 0, 0), (
        _PIPE_FD, wrong(EINVAL, 2, 99), wrong(ESPIPE, 0, READ_END), wrong(EINVAL, 1, -1),
    )),
    "_llseek": Call("_llseek", (PROC, 0, 0, BUFFER, 0), (
        _PIPE_FD, wrong(EINVAL, 4, 99), wrong(ESPIPE, 0, READ_END), wrong(EINVAL, 1, -1),
        wrong(EFAULT, 3, BAD),
    )),
    "ioctl": Call("ioctl", (ZERO, 0x1234, 0), (_PIPE_FD, wrong(ENOTTY, 1, 0x1234))),
    "poll": Call("poll", (_POLLFD, 1, 0), _POLLED),
    "ppoll": Call("ppoll", (_POLLFD, 1, _NO_TIME, 0, 0), (*_spec(2, _ODD_TIME), *_MASK, *_POLLED)),
    "ppoll_time64": Call("ppoll_time64", (_POLLFD, 1, _NO_TIME64, 0, 0), (
        *_spec(2, _ODD_TIME64), *_MASK, *_POLLED,
    )),
    **{name: Call(name, (16, 0, 0, 0, _NO_TIME), (*_spec(4, _ODD_TIMEVAL), *_SELECT))
       for name in ("select", "_newselect")},
    "old_select": Call("old_select", (_OLD_SELECT,), (wrong(EFAULT, 0, BAD),)),
    "pselect6": _pselect("pselect6", _NO_TIME, _ODD_TIME),
    "pselect6_time64": _pselect("pselect6_time64", _NO_TIME64, _ODD_TIME64),
    "epoll_create": Call("epoll_create", (1,), (wrong(EINVAL, 0, 0), _FULL)),
    "epoll_create1": Call("epoll_create1", (0,), (wrong(EINVAL, 0, 1), _FULL)),
    "epoll_ctl": Call("epoll_ctl", (READ_END, 1, WRITE_END, BUFFER), (
        wrong(EFAULT, 3, BAD), wrong(EBADF, 0, BADFD), wrong(EBADF, 2, BADFD),
        wrong(EPERM, 2, ZERO), Wrong(EINVAL, {}),
    )),
    "epoll_wait": Call("epoll_wait", (READ_END, BUFFER, 1, 0), _EPOLL),
    "epoll_pwait": Call("epoll_pwait", (READ_END, BUFFER, 1, 0, 0, 0), (*_EPOLL_MASK, *_EPOLL)),
    "epoll_pwait2": Call("epoll_pwait2", (READ_END, BUFFER, 1, _NO_TIME64, 0, 0), (
        *_spec(3, _ODD_TIME64), *_EPOLL_MASK, *_EPOLL,
    )),
    "eventfd": Call("eventfd", (0,), (_FULL,)),
    "eventfd2": Call("eventfd2", (0, 0), (wrong(EINVAL, 1, 8), _FULL)),
    "timerfd_create": Call("timerfd_create", (1, 0), (
        wrong(EINVAL, 0, 99), wrong(EINVAL, 1, 1), _FULL,
    )),
    "timerfd_settime": _timer_set("timerfd_settime", _FOUR_TIMES, _ODD_TIMER),
    "timerfd_settime64": _timer_set("timerfd_settime64", _FOUR_TIMES64, _ODD_TIMER64),
    **_by_fd("timerfd_gettime", "timerfd_gettime64", good=(BUFFER,), more=(
        wrong(EINVAL, 0, READ_END),
    )),
    "signalfd": Call("signalfd", (READ_END, _SET, 8), (
        wrong(EINVAL, 2, 4), wrong(EFAULT, 1, BAD), wrong(EBADF, 0, BADFD), Wrong(EINVAL, {}),
    )),
    "signalfd4": Call("signalfd4", (READ_END, _SET, 8, 0), (
        wrong(EINVAL, 2, 4), wrong(EFAULT, 1, BAD), wrong(EINVAL, 3, 1), wrong(EBADF, 0, BADFD),
        Wrong(EINVAL, {}),
    )),
    **{name: Call(name, (0, 0, 0), (Wrong(ENOSYS, {}),), "there is none", native=False)
       for name in ("inotify_init", "inotify_init1", "inotify_add_watch", "inotify_rm_watch")},
    "socket": Call("socket", (1, 1, 0), (
        wrong(EINVAL, 1, 0x101), wrong(EAFNOSUPPORT, 0, 99), wrong(EINVAL, 1, 15),
        wrong(EPROTONOSUPPORT, 2, 9), wrong(ESOCKTNOSUPPORT, 1, 4), _FULL,
    )),
    "socketpair": Call("socketpair", (1, 1, 0, BUFFER), (
        wrong(EINVAL, 1, 0x101), _FULL, wrong(EFAULT, 3, BAD), wrong(EAFNOSUPPORT, 0, 99),
        wrong(EINVAL, 1, 15), wrong(EPROTONOSUPPORT, 2, 9), wrong(ESOCKTNOSUPPORT, 1, 4),
    )),
    **{name: Call(name, (READ_END, BUFFER, 4, 0, 0, 0), _NO_SOCKET) for name in (
        "bind", "connect", "listen", "getsockname", "getpeername", "shutdown", "sendto",
        "recvfrom", "sendmsg", "recvmsg", "sendmmsg", "getsockopt", "setsockopt",
    )},
    "accept": Call("accept", (READ_END, 0, 0), (_NO_SOCKET[0], _FULL, _NO_SOCKET[1])),
    "accept4": Call("accept4", (READ_END, 0, 0, 0), (
        _NO_SOCKET[0], wrong(EINVAL, 3, 1), _FULL, _NO_SOCKET[1],
    )),
    "recvmmsg": Call("recvmmsg", (READ_END, BUFFER, 1, 0, _NO_TIME), (
        *_spec(4, _ODD_TIME), *_NO_SOCKET,
    )),
    "recvmmsg_time64": Call("recvmmsg_time64", (READ_END, BUFFER, 1, 0, _NO_TIME64), (
        *_spec(4, _ODD_TIME64), *_NO_SOCKET,
    )),
    "socketcall": Call("socketcall", (13, _NO_TIME), (
        wrong(EINVAL, 0, 0), wrong(EINVAL, 0, 21), wrong(EFAULT, 1, BAD), Wrong(ENOTSOCK, {}),
    )),
    "flock": Call("flock", (ZERO, 1), (wrong(EBADF, 0, BADFD), wrong(EINVAL, 1, 99, today=False))),
    "sendfile": Call("sendfile", (WRITE_END, PROC, 0, 1), _SENDFILE),
    "sendfile64": Call("sendfile64", (WRITE_END, PROC, 0, 1), _SENDFILE),
    "splice": Call("splice", (READ_END, 0, ZERO, 0, 1, 0), (
        wrong(EINVAL, 5, 64), wrong(EBADF, 0, BADFD), wrong(EBADF, 2, BADFD),
        wrong(ESPIPE, 1, BUFFER),
    )),
    "tee": Call("tee", (READ_END, WRITE_END, 1, 0), (
        wrong(EINVAL, 3, 64), wrong(EBADF, 0, BADFD), wrong(EBADF, 1, BADFD),
        wrong(EBADF, 0, WRITE_END), wrong(EBADF, 1, READ_END), Wrong(EINVAL, {}),
    )),
    "vmsplice": Call("vmsplice", (WRITE_END, _IOV, 1, 0), (
        wrong(EINVAL, 3, 64), wrong(EBADF, 0, BADFD), wrong(EINVAL, 2, 1025),
        wrong(EFAULT, 1, BAD), wrong(EBADF, 0, ZERO),
    )),
    "copy_file_range": Call("copy_file_range", (ZERO, 0, ZERO, 0, 1, 0), (
        wrong(EBADF, 0, BADFD), wrong(EBADF, 2, BADFD), wrong(EFAULT, 1, BAD),
        wrong(EFAULT, 3, BAD), wrong(EINVAL, 5, 1), Wrong(EINVAL, {}),
    )),
    "close_range": Call("close_range", (200, 300, 0), (
        wrong(EINVAL, 2, 64), wrong(EINVAL, 0, 400),
    )),
    **_by_path("mknod", more=(wrong(EEXIST, 0, _ROOT),)),
    "mknodat": Call("mknodat", (-100, _ABSENT, 0o100600, 0), (
        wrong(EPERM, 2, 0o040600), wrong(EINVAL, 2, 0o170600), *at_errors(0, 1),
        wrong(EEXIST, 1, _ROOT),
    )),
    "readlink": Call("readlink", (_DEVICE, BUFFER, 9), (
        wrong(EINVAL, 2, 0), wrong(EINVAL, 2, -1), *path_errors(0), wrong(EINVAL, 0, _DEVICE),
    )),
    "readlinkat": Call("readlinkat", (-100, _DEVICE, BUFFER, 9), (
        wrong(EINVAL, 3, 0), *_SECOND_PATH[:1], *_SECOND_PATH[2:3],
        Wrong(EBADF, {0: BADFD, 1: _RELATIVE}), Wrong(ENOTDIR, {0: ZERO, 1: _RELATIVE}),
        *_SECOND_PATH[3:], wrong(EINVAL, 1, _DEVICE),
    )),
    "getcwd": Call("getcwd", (BUFFER, 64), (wrong(ERANGE, 1, 1), wrong(EFAULT, 0, BAD))),
    "access": Call("access", (_DEVICE, 0), (wrong(EINVAL, 1, 8), *path_errors(0))),
    "faccessat": Call("faccessat", (-100, _DEVICE, 0), (
        wrong(EINVAL, 2, 8), *_SECOND_PATH[:3], Wrong(EBADF, {0: BADFD, 1: _RELATIVE}),
        *_SECOND_PATH[3:],
    )),
    **{name: Call(name, (-100, _DEVICE, BUFFER, 0), (
        wrong(EINVAL, 3, 1), *_SECOND_PATH[:3], Wrong(EBADF, {0: BADFD, 1: _RELATIVE}),
        *_SECOND_PATH[3:], wrong(EFAULT, 2, BAD),
    )) for name in ("fstatat64", "newfstatat")},
    "statx": Call("statx", (-100, _DEVICE, 0, 0x7FF, BUFFER), (
        wrong(EINVAL, 3, 0x80000000), wrong(EINVAL, 2, 0x6000), wrong(EINVAL, 2, 1),
        *_SECOND_PATH[:3], Wrong(EBADF, {0: BADFD, 1: _RELATIVE}), *_SECOND_PATH[3:],
        wrong(EFAULT, 4, BAD),
    )),
    "execve": Call("execve", (_SELF, 0, 0), (
        *path_errors(0), wrong(EACCES, 0, _PROC_FILE), wrong(EFAULT, 1, BAD),
        wrong(EFAULT, 1, _BAD_ARGV), wrong(EFAULT, 2, BAD),
    )),
    "waitpid": Call("waitpid", (-1, BUFFER, 1), (wrong(EINVAL, 2, 0x100), wrong(ECHILD, 0, -1))),
    "wait4": Call("wait4", (-1, BUFFER, 1, 0), (wrong(EINVAL, 2, 0x100), wrong(ECHILD, 0, -1))),
    "clone": Call("clone", (17, 0, 0, 0, 0), (
        wrong(EINVAL, 0, 0x800), wrong(EINVAL, 0, 0x10100), wrong(EINVAL, 0, 0x10800),
        Wrong(EFAULT, {0: 0x80011, 3: BAD}, widths=(32,)),
        Wrong(EINVAL, {0: 0x80011, 3: _NO_SEGMENT}, widths=(32,)),
    )),
    "clone3": Call("clone3", (_CHILD, 88), (
        wrong(E2BIG, 1, 4097), wrong(EINVAL, 1, 63), wrong(EFAULT, 0, BAD), wrong(E2BIG, 1, 96),
        wrong(EINVAL, 0, _ODD_CHILD), wrong(EPERM, 0, _FAR_CHILD, widths=(64,)),
        wrong(EFAULT, 0, _UNTOLD_CHILD),
    )),
    "kill": Call("kill", (0, 0), (wrong(ESRCH, 0, NO_PID), wrong(EINVAL, 1, 65))),
    "tkill": Call("tkill", (1, 0), (
        wrong(EINVAL, 0, 0), wrong(ESRCH, 0, NO_PID),
    )),
    "tgkill": Call("tgkill", (NO_PID, NO_PID, 0), (
        wrong(EINVAL, 0, 0), wrong(EINVAL, 1, 0), wrong(ESRCH, 0, NO_PID),
    )),
    "getpgid": Call("getpgid", (0,), (wrong(ESRCH, 0, NO_PID),)),
    "getsid": Call("getsid", (0,), (wrong(ESRCH, 0, NO_PID),)),
    "setpgid": Call("setpgid", (0, 0), (
        wrong(EINVAL, 1, -1), wrong(ESRCH, 0, NO_PID), wrong(EPERM, 1, NO_PID),
    )),
    "getpriority": Call("getpriority", (0, 0), (wrong(EINVAL, 0, 3), wrong(ESRCH, 1, NO_PID))),
    "setpriority": Call("setpriority", (0, 0, 0), (
        wrong(EINVAL, 0, 3), wrong(ESRCH, 1, NO_PID),
    )),
    "getrlimit": Call("getrlimit", (3, BUFFER), _LIMIT),
    "ugetrlimit": Call("ugetrlimit", (3, BUFFER), _LIMIT),
    "setrlimit": Call("setrlimit", (9, _GOOD_LIMIT), (
        wrong(EINVAL, 0, 99, today=False), wrong(EFAULT, 1, BAD), wrong(EINVAL, 1, _CROSSED),
        Wrong(EPERM, {0: 7, 1: _HUGE_LIMIT}),
    ), note="today EFAULT is found before an unknown resource"),
    "prlimit64": Call("prlimit64", (0, 9, _GOOD_LIMIT64, 0), (
        wrong(EFAULT, 2, BAD), wrong(ESRCH, 0, NO_PID), wrong(EINVAL, 1, 99),
        wrong(EINVAL, 2, _CROSSED64),
    )),
    "getrusage": Call("getrusage", (0, BUFFER), (wrong(EINVAL, 0, 5), wrong(EFAULT, 1, BAD))),
    "nanosleep": Call("nanosleep", (_SHORT_TIME, 0), (
        wrong(EFAULT, 0, BAD), wrong(EINVAL, 0, _ODD_TIME),
    )),
    "clock_nanosleep": _nanosleep("clock_nanosleep", _ODD_TIME, _SHORT_TIME),
    "clock_nanosleep_time64": _nanosleep("clock_nanosleep_time64", _ODD_TIME64, _SHORT_TIME64),
    "setitimer": Call("setitimer", (0, 0, 0), (
        wrong(EFAULT, 1, BAD), wrong(EINVAL, 0, 3), wrong(EINVAL, 1, _ODD_ITIMER),
    )),
    "getitimer": Call("getitimer", (0, BUFFER), (wrong(EINVAL, 0, 3), wrong(EFAULT, 1, BAD))),
    "timer_create": Call("timer_create", (0, 0, BUFFER), (
        wrong(EFAULT, 1, BAD), wrong(EINVAL, 0, 99), wrong(EOPNOTSUPP, 0, 4),
        wrong(EINVAL, 1, _ODD_EVENT), wrong(EFAULT, 2, BAD),
    )),
    "timer_settime": Call("timer_settime", (0, 0, _SPEC, 0), _timer_errors(_ODD_SPEC)),
    "timer_settime64": Call("timer_settime64", (0, 0, _SPEC64, 0), _timer_errors(_ODD_SPEC64)),
    **{name: Call(name, (NO_PID, BUFFER), (wrong(EINVAL, 0, NO_PID),))
       for name in ("timer_gettime", "timer_gettime64")},
    **{name: Call(name, (NO_PID,), (wrong(EINVAL, 0, NO_PID),))
       for name in ("timer_getoverrun", "timer_delete")},
    "clock_settime": _set_clock("clock_settime", _ODD_TIME, _SHORT_TIME),
    "clock_settime64": _set_clock("clock_settime64", _ODD_TIME64, _SHORT_TIME64),
    "adjtimex": Call("adjtimex", (_ADJUST,), (
        wrong(EFAULT, 0, BAD), wrong(EINVAL, 0, _ODD_ADJUST), Wrong(EPERM, {}, today=False),
    )),
    **{name: _clock_adjtime(name) for name in ("clock_adjtime", "clock_adjtime64")},
    "settimeofday": Call("settimeofday", (BUFFER, 0), (
        wrong(EFAULT, 0, BAD), wrong(EFAULT, 1, BAD),
    )),
    "stime": Call("stime", (BUFFER,), (wrong(EFAULT, 0, BAD),)),
    "rt_sigqueueinfo": Call("rt_sigqueueinfo", (NO_PID, 0, _QUEUED), (
        wrong(EFAULT, 2, BAD), wrong(EPERM, 2, _FORGED), wrong(ESRCH, 0, NO_PID),
    )),
    "rt_tgsigqueueinfo": Call("rt_tgsigqueueinfo", (NO_PID, NO_PID, 0, _QUEUED), (
        wrong(EFAULT, 3, BAD), wrong(EINVAL, 0, 0), wrong(EINVAL, 1, 0), wrong(EPERM, 3, _FORGED),
        wrong(ESRCH, 0, NO_PID),
    )),
    "rt_sigtimedwait": _timedwait("rt_sigtimedwait", _SHORT_TIME, _ODD_TIME),
    "rt_sigtimedwait_time64": _timedwait("rt_sigtimedwait_time64", _SHORT_TIME64, _ODD_TIME64),
    "waitid": Call("waitid", (0, 0, BUFFER, 5, 0), (
        wrong(EINVAL, 3, 0x100), wrong(EINVAL, 3, 1), wrong(EINVAL, 0, 9),
        wrong(EINVAL, 0, 1), wrong(ECHILD, 0, 0),
    )),
    "signal": Call("signal", (10, 0), (*_SIGNALS, wrong(EINVAL, 0, 9))),
    "sigaction": Call("sigaction", (10, _ACTION, 0), (
        wrong(EFAULT, 1, BAD), *_SIGNALS, wrong(EINVAL, 0, 9), wrong(EFAULT, 2, BAD),
    )),
    "rt_sigaction": Call("rt_sigaction", (10, _ACTION, 0, 8), (
        wrong(EINVAL, 3, 4), wrong(EFAULT, 1, BAD), *_SIGNALS, wrong(EINVAL, 0, 9),
        wrong(EFAULT, 2, BAD),
    )),
    "sigprocmask": Call("sigprocmask", (0, _SET, 0), (
        wrong(EFAULT, 1, BAD), wrong(EINVAL, 0, 3), wrong(EFAULT, 2, BAD),
    )),
    "rt_sigprocmask": Call("rt_sigprocmask", (0, _SET, 0, 8), (
        wrong(EINVAL, 3, 4), wrong(EFAULT, 1, BAD), wrong(EINVAL, 0, 3), wrong(EFAULT, 2, BAD),
    )),
    "rt_sigpending": Call("rt_sigpending", (BUFFER, 8), (
        wrong(EINVAL, 1, 9), wrong(EFAULT, 0, BAD),
    )),
    "rt_sigsuspend": Call("rt_sigsuspend", (_SET, 8), (
        wrong(EINVAL, 1, 4), wrong(EFAULT, 0, BAD),
    )),
    "sigaltstack": Call("sigaltstack", (_STACK, 0), (
        wrong(EFAULT, 0, BAD), wrong(EINVAL, 0, _ODD_STACK), wrong(ENOMEM, 0, _SMALL_STACK),
        wrong(EFAULT, 1, BAD),
    )),
    "set_thread_area": Call("set_thread_area", (_SEGMENT,), (
        wrong(EFAULT, 0, BAD), wrong(EINVAL, 0, _NO_SEGMENT),
    )),
    "get_thread_area": Call("get_thread_area", (_SEGMENT,), (
        wrong(EFAULT, 0, BAD), wrong(EINVAL, 0, _NO_SEGMENT),
    )),
    "set_robust_list": Call("set_robust_list", (BUFFER, 12), (wrong(EINVAL, 1, 11),)),
    "get_robust_list": Call("get_robust_list", (0, BUFFER, BUFFER), (
        wrong(ESRCH, 0, NO_PID), wrong(EFAULT, 2, BAD), wrong(EFAULT, 1, BAD),
    )),
    "arch_prctl": Call("arch_prctl", (0x1003, BUFFER), (
        wrong(EINVAL, 0, 0x1FFF), Wrong(EPERM, {0: 0x1001, 1: KERNEL}),
        Wrong(EPERM, {0: 0x1002, 1: KERNEL}), wrong(EFAULT, 1, BAD),
        Wrong(EFAULT, {0: 0x1004, 1: BAD}),
    )),
    "futex": _futex("futex", _ODD_TIME),
    "futex_waitv": Call("futex_waitv", (_WAITV, 1, 0, 0, 0), (
        wrong(EINVAL, 2, 1), wrong(EINVAL, 1, 0), wrong(EINVAL, 1, 129), wrong(EINVAL, 0, 0),
        Wrong(EINVAL, {3: _NO_TIME64, 4: 99}), wrong(EFAULT, 3, BAD), wrong(EINVAL, 3, _ODD_TIME64),
        wrong(EFAULT, 0, BAD), wrong(EINVAL, 0, _ODD_WAITV), wrong(EAGAIN, 0, _WAITV),
    )),
    "futex_time64": _futex("futex_time64", _ODD_TIME64),
    **{
        name: Call(name, (0,), (wrong(EINVAL, 0, -1),))
        for name in ("setuid", "setuid32", "setgid", "setgid32")
    },
    **{
        name: Call(name, (BUFFER,) * 3, tuple(wrong(EFAULT, index, BAD) for index in range(3)))
        for name in ("getresuid", "getresuid32", "getresgid", "getresgid32")
    },
    **{
        name: Call(name, (0, BUFFER), (wrong(EINVAL, 0, -1),))
        for name in ("getgroups", "getgroups32")
    },
    **{
        name: Call(
            name, (0, BUFFER), (wrong(EINVAL, 0, -1), Wrong(EFAULT, {0: 1, 1: BAD})),
            note="others than root get EPERM", native=False,
        )
        for name in ("setgroups", "setgroups32")
    },
    "capget": Call("capget", (_CAPS, BUFFER), (
        wrong(EFAULT, 0, BAD), wrong(EINVAL, 0, _ODD_CAPS), wrong(EINVAL, 0, _NEGATIVE_CAPS),
        wrong(ESRCH, 0, _NO_CAPS), wrong(EFAULT, 1, BAD),
    )),
    "capset": Call("capset", (_CAPS, _NOTHING_CAPS), (
        wrong(EFAULT, 0, BAD), wrong(EINVAL, 0, _ODD_CAPS), wrong(EPERM, 0, _NO_CAPS),
        wrong(EFAULT, 1, BAD), wrong(EPERM, 1, _ODD_SET),
    )),
    "sched_setscheduler": Call("sched_setscheduler", (0, 0, BUFFER), (
        wrong(EINVAL, 1, -1), wrong(EINVAL, 0, -1), wrong(EINVAL, 2, 0), wrong(EFAULT, 2, BAD),
        wrong(ESRCH, 0, NO_PID), wrong(EINVAL, 1, 9), wrong(EINVAL, 1, 1),
    )),
    "sched_setparam": Call("sched_setparam", (0, BUFFER), (
        wrong(EINVAL, 0, -1), wrong(EINVAL, 1, 0), wrong(EFAULT, 1, BAD), wrong(ESRCH, 0, NO_PID),
        wrong(EINVAL, 1, _FUTEX),
    )),
    "sched_getscheduler": Call("sched_getscheduler", (0,), (
        wrong(EINVAL, 0, -1), wrong(ESRCH, 0, NO_PID),
    )),
    "sched_getparam": Call("sched_getparam", (0, BUFFER), (
        wrong(EINVAL, 0, -1), wrong(EINVAL, 1, 0), wrong(ESRCH, 0, NO_PID), wrong(EFAULT, 1, BAD),
    )),
    **{
        name: Call(name, (0,), (wrong(EINVAL, 0, 99),))
        for name in ("sched_get_priority_max", "sched_get_priority_min")
    },
    **{
        name: Call(name, (0, BUFFER), (
            wrong(EINVAL, 0, -1), wrong(ESRCH, 0, NO_PID), wrong(EFAULT, 1, BAD),
        ))
        for name in ("sched_rr_get_interval", "sched_rr_get_interval_time64")
    },
    "sched_setaffinity": Call("sched_setaffinity", (0, 8, _FUTEX), (
        wrong(EFAULT, 2, BAD), wrong(ESRCH, 0, NO_PID), wrong(EINVAL, 2, BUFFER),
    )),
    "sched_getaffinity": Call("sched_getaffinity", (0, 8, BUFFER), (
        wrong(EINVAL, 1, 0), wrong(EINVAL, 1, 9), wrong(ESRCH, 0, NO_PID), wrong(EFAULT, 2, BAD),
    )),
    "getcpu": Call("getcpu", (BUFFER, BUFFER, 0), (wrong(EFAULT, 0, BAD), wrong(EFAULT, 1, BAD))),
    "membarrier": Call("membarrier", (0, 0, 0), (wrong(EINVAL, 0, 3), wrong(EINVAL, 1, 2))),
    "set_mempolicy": Call("set_mempolicy", (0, 0, 0), (
        wrong(EINVAL, 0, 99), Wrong(EFAULT, {1: BAD, 2: 64}), Wrong(EINVAL, {0: 2}),
    ), note="kernels without NUMA have none", native=False),
    "mbind": Call("mbind", (ARENA, 4096, 0, 0, 0, 0), (
        wrong(EINVAL, 2, 99), Wrong(EFAULT, {3: BAD, 4: 64}), wrong(EINVAL, 0, ARENA + 1),
    ), note="kernels without NUMA have none", native=False),
    "get_mempolicy": Call("get_mempolicy", (BUFFER, 0, 0, 0, 0), (
        wrong(EINVAL, 4, 8), wrong(EINVAL, 3, ARENA), wrong(EFAULT, 0, BAD),
    ), note="kernels without NUMA have none", native=False),
    "sched_getattr": Call("sched_getattr", (0, BUFFER, 48, 0), (
        wrong(EINVAL, 1, 0), wrong(EINVAL, 2, 47), wrong(EINVAL, 3, 1), wrong(EINVAL, 0, -1),
        wrong(ESRCH, 0, NO_PID), wrong(EFAULT, 1, BAD),
    )),
    "sched_setattr": Call("sched_setattr", (0, _ATTR, 0), (
        wrong(EINVAL, 1, 0), wrong(EINVAL, 0, -1), wrong(EINVAL, 2, 1), wrong(EFAULT, 1, BAD),
        wrong(E2BIG, 1, _SMALL_ATTR), wrong(ESRCH, 0, NO_PID), wrong(EINVAL, 1, _ODD_ATTR),
    )),
    "pidfd_open": Call("pidfd_open", (1, 0), (
        wrong(EINVAL, 1, 1 << 20), wrong(EINVAL, 0, -1), wrong(ESRCH, 0, NO_PID),
    )),
    "pidfd_send_signal": Call("pidfd_send_signal", (BADFD, 0, 0, 0), (
        wrong(EINVAL, 3, 1 << 20), wrong(EBADF, 0, BADFD), wrong(EBADF, 0, ZERO),
    )),
    "pidfd_getfd": Call("pidfd_getfd", (BADFD, 0, 0), (
        wrong(EINVAL, 2, 1), wrong(EBADF, 0, BADFD), wrong(EBADF, 0, ZERO),
    )),
    "process_madvise": Call("process_madvise", (BADFD, _IOV, 1, 20, 0), (
        wrong(EINVAL, 4, 1), *_VECTOR, wrong(EBADF, 0, BADFD), wrong(EBADF, 0, ZERO),
    )),
    **{name: Call(name, (NO_PID, _IOV, 1, _IOV, 1, 0), (
        wrong(EINVAL, 5, 1), *_VECTOR, wrong(EINVAL, 4, 1025), wrong(EFAULT, 3, BAD),
        Wrong(ESRCH, {}),
    )) for name in ("process_vm_readv", "process_vm_writev")},
    "kcmp": Call("kcmp", (NO_PID, NO_PID, 0, 0, 0), (Wrong(ESRCH, {}),)),
    "execveat": Call("execveat", (-100, _DEVICE, 0, 0, 0), (
        *path_errors(1)[:3], wrong(EINVAL, 4, 1), *path_errors(1)[3:], wrong(EACCES, 1, _DEVICE),
    )),
    "openat2": Call("openat2", (-100, _DEVICE, _HOW, 24), (
        wrong(EINVAL, 3, 23), wrong(E2BIG, 3, 5000), wrong(EFAULT, 2, BAD),
        wrong(EINVAL, 2, _ODD_HOW), *at_errors(0, 1),
    )),
    **_by_fd("syncfs"),
    "sync_file_range": Call("sync_file_range", (PROC, 0, 0, 0, 0, 0), (
        _PIPE_FD, wrong(ESPIPE, 0, READ_END),
    )),
    "name_to_handle_at": Call("name_to_handle_at", (-100, _DEVICE, BUFFER, BUFFER, 0), (
        wrong(EINVAL, 4, 1), *at_errors(0, 1), Wrong(EOPNOTSUPP, {}),
    ), note="file systems of the host have handles", native=False),
    "open_by_handle_at": Call("open_by_handle_at", (0, BUFFER, 0), (
        Wrong(ESTALE, {}),
    ), note="file systems of the host have handles", native=False),
    **{name: Call(name, (BUFFER, 4), (
        wrong(EINVAL, 1, -1), wrong(EINVAL, 1, 65), wrong(EFAULT, 0, BAD),
    ), note="it would be done", native=False) for name in ("sethostname", "setdomainname")},
    "unshare": Call("unshare", (0,), (wrong(EINVAL, 0, 1),)),
    "setns": Call("setns", (ZERO, 0), (_PIPE_FD, Wrong(EINVAL, {}))),
    "ioprio_set": Call("ioprio_set", (1, 0, 0), (wrong(EINVAL, 0, 9), wrong(EINVAL, 2, 0xE000))),
    "ioprio_get": Call("ioprio_get", (1, 0), (wrong(EINVAL, 0, 9),)),
    **_by_path("chroot", more=(wrong(ENOTDIR, 0, _DEVICE),)),
    "prctl": Call("prctl", (15, BUFFER, 0, 0, 0), (
        wrong(EINVAL, 0, 9999), wrong(EFAULT, 1, BAD),
    )),
    "getrandom": Call("getrandom", (BUFFER, 4, 0), (
        wrong(EINVAL, 2, 8), wrong(EINVAL, 2, 6), wrong(EFAULT, 0, BAD),
    )),
    "mmap2": Call("mmap2", (0, 4096, 3, 0x22, -1, 0), _MMAP),
    "mmap": Call("mmap", (0, 4096, 3, 0x22, -1, 0), (wrong(EINVAL, 5, 1), *_MMAP)),
    "old_mmap": Call("old_mmap", (_SHORT_MMAP,), (
        wrong(EFAULT, 0, BAD), wrong(EINVAL, 0, _ODD_MMAP), wrong(EBADF, 0, _NO_FD_MMAP),
        wrong(EINVAL, 0, _SHORT_MMAP),
    )),
    "munmap": Call("munmap", _RANGE, (wrong(EINVAL, 0, ARENA + 1), wrong(EINVAL, 1, 0))),
    "mprotect": Call("mprotect", (*_RANGE, 3), (
        wrong(EINVAL, 0, ARENA + 1), wrong(EINVAL, 2, 0x100), wrong(ENOMEM, 0, HOLE),
    )),
    "mremap": Call("mremap", (ARENA, 4096, 4096, 0, 0), (
        wrong(EINVAL, 3, 8), wrong(EINVAL, 0, ARENA + 1), wrong(EINVAL, 2, 0),
        wrong(EINVAL, 3, 2), Wrong(EFAULT, {0: HOLE, 2: 8192}), wrong(EINVAL, 1, 0),
    )),
    "madvise": Call("madvise", (*_RANGE, 4), (
        wrong(EINVAL, 2, 99), wrong(EINVAL, 0, ARENA + 1), wrong(ENOMEM, 0, HOLE),
        wrong(EINVAL, 2, 9),
    )),
    "shmget": Call("shmget", (0, 4096, 0o600), (
        wrong(ENOENT, 0, 0x12345), wrong(EINVAL, 1, 0),
    )),
    "shmat": Call("shmat", (0x7FFF0000, 0, 0), (
        wrong(EINVAL, 0, -1), wrong(EINVAL, 1, ARENA + 1), wrong(EINVAL, 2, 0o40000),
    )),
    "shmdt": Call("shmdt", (ARENA,), (wrong(EINVAL, 0, ARENA + 1), wrong(EINVAL, 0, ARENA))),
    "shmctl": Call("shmctl", (0x7FFF0000, 0, 0), (
        wrong(EINVAL, 0, -1), wrong(EINVAL, 1, 99), Wrong(EFAULT, {1: 3, 2: BAD}),
    )),
    "semget": Call("semget", (0, 1, 0o600), (
        wrong(EINVAL, 1, -1), wrong(ENOENT, 0, 0x12345), wrong(EINVAL, 1, 0),
    )),
    "semop": Call("semop", (0x7FFF0000, _SEMBUF, 1), _SEMOP),
    "semtimedop": _semtimedop("semtimedop", _ODD_TIME),
    "semtimedop_time64": _semtimedop("semtimedop_time64", _ODD_TIME64),
    "semctl": Call("semctl", (0x7FFF0000, 0, 12, 0), (
        wrong(EINVAL, 0, -1), wrong(EINVAL, 2, 99), Wrong(EFAULT, {2: 3, 3: BAD}),
        Wrong(EFAULT, {2: 1, 3: BAD}), Wrong(ERANGE, {2: 16, 3: -1}),
    )),
    "msgget": Call("msgget", (0, 0o600), (wrong(ENOENT, 0, 0x12345),)),
    "msgsnd": Call("msgsnd", (0x7FFF0000, _MESSAGE, 4, 0o4000), (
        wrong(EFAULT, 1, BAD), wrong(EINVAL, 0, -1), wrong(EINVAL, 2, 9000),
        wrong(EINVAL, 1, BUFFER),
    )),
    "msgrcv": Call("msgrcv", (0x7FFF0000, BUFFER, 4, 0, 0o4000), (
        wrong(EINVAL, 0, -1), wrong(EINVAL, 2, -1), wrong(EINVAL, 4, 0o40000),
        Wrong(EFAULT, {1: BAD, 4: 0o44000}),
    )),
    "msgctl": Call("msgctl", (0x7FFF0000, 2, BUFFER), (
        wrong(EINVAL, 0, -1), wrong(EINVAL, 1, 99), Wrong(EFAULT, {1: 3, 2: BAD}),
        Wrong(EFAULT, {1: 1, 2: BAD}),
    )),
    "mq_open": Call("mq_open", (_ABSENT_QUEUE, 0o102, 0o600, 0), (
        wrong(EFAULT, 3, BAD), wrong(EFAULT, 0, BAD), wrong(ENOENT, 0, _EMPTY),
        wrong(ENAMETOOLONG, 0, _LONG), _FULL, wrong(EACCES, 0, _ROOT),
        wrong(ENAMETOOLONG, 0, _LONG_NAME + 1), wrong(ENOENT, 1, 0o2, today=False),
        wrong(EINVAL, 3, _NO_ROOM),
    )),
    "mq_unlink": Call("mq_unlink", (_ABSENT_QUEUE,), (
        wrong(EFAULT, 0, BAD), wrong(ENOENT, 0, _EMPTY), wrong(ENAMETOOLONG, 0, _LONG),
        wrong(EACCES, 0, _ROOT), wrong(ENAMETOOLONG, 0, _LONG_NAME + 1),
        wrong(ENOENT, 0, _ABSENT_QUEUE),
    )),
    **{name: Call(name, (BADFD, BUFFER, 4, 0, 0), (
        wrong(EFAULT, 4, BAD), wrong(EINVAL, 4, odd), wrong(EINVAL, 3, 32768),
        wrong(EBADF, 0, ZERO),
    )) for name, odd in (("mq_timedsend", _ODD_TIME), ("mq_timedsend_time64", _ODD_TIME64))},
    **{name: Call(name, (BADFD, BUFFER, 4, 0, 0), (
        wrong(EFAULT, 4, BAD), wrong(EINVAL, 4, odd), wrong(EBADF, 0, ZERO),
    )) for name, odd in (("mq_timedreceive", _ODD_TIME), ("mq_timedreceive_time64", _ODD_TIME64))},
    "mq_notify": Call("mq_notify", (BADFD, 0), (
        wrong(EFAULT, 1, BAD), wrong(EINVAL, 1, _ODD_NOTE), wrong(EBADF, 0, ZERO),
    )),
    "mq_getsetattr": Call("mq_getsetattr", (BADFD, 0, 0), (
        wrong(EFAULT, 1, BAD), wrong(EINVAL, 1, _ODD_QUEUE), wrong(EBADF, 0, ZERO),
    )),
    "ipc": Call("ipc", (23, 0, 4096, 0o600, 0, 0), (
        wrong(ENOSYS, 0, 99), Wrong(E2BIG, {0: 1, 2: 501}), wrong(ENOENT, 1, 0x12345),
        wrong(EINVAL, 2, 0),
    )),
    "memfd_create": Call("memfd_create", (_EMPTY, 0), (
        wrong(EINVAL, 1, 0x100), wrong(EFAULT, 0, BAD), wrong(EINVAL, 0, _LONG), _FULL,
    )),
    "remap_file_pages": Call("remap_file_pages", (*_RANGE, 0, 0, 0), (
        wrong(EINVAL, 2, 1), wrong(EINVAL, 1, 0), wrong(EINVAL, 0, HOLE), wrong(EINVAL, 3, 1),
    )),
    "mlock": Call("mlock", _RANGE, (wrong(ENOMEM, 0, HOLE),)),
    "mlock2": Call("mlock2", (*_RANGE, 1), (wrong(EINVAL, 2, 2), wrong(ENOMEM, 0, HOLE))),
    "munlock": Call("munlock", _RANGE, (wrong(ENOMEM, 0, HOLE),)),
    "mlockall": Call("mlockall", (1,), (wrong(EINVAL, 0, 0), wrong(EINVAL, 0, 99))),
    "mincore": Call("mincore", (*_RANGE, BUFFER), (
        wrong(EINVAL, 0, ARENA + 1), wrong(ENOMEM, 1, -4096, today=False),
        wrong(ENOMEM, 0, HOLE), wrong(EFAULT, 2, BAD),
    )),
    "msync": Call("msync", (*_RANGE, 4), (
        wrong(EINVAL, 2, 8), wrong(EINVAL, 2, 5), wrong(EINVAL, 0, ARENA + 1),
        wrong(ENOMEM, 0, HOLE),
    )),
    "swapon": Call("swapon", (_DEVICE, 0), (
        *path_errors(0), wrong(EISDIR, 0, _ROOT), wrong(EINVAL, 0, _DEVICE),
    ), _SWAP, native=False),
    "swapoff": Call("swapoff", (_DEVICE,), (
        *path_errors(0), wrong(EINVAL, 0, _DEVICE),
    ), _SWAP, native=False),
    "vmemu_lab": Call("vmemu_lab", (2, BUFFER, 0, 0), (
        wrong(EINVAL, 0, 9), wrong(EFAULT, 1, BAD), wrong(EINVAL, 1, BUFFER),
    ), "vmemu's own", native=False),
}  # fmt: skip
