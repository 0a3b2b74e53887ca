"""Open files of terminals, and what ioctl() does with them (drivers/tty/tty_io.c)."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from vmemu.errors import Errno
from vmemu.kernel import uaccess
from vmemu.kernel.process.cred import Cap
from vmemu.kernel.process.wait import Blocking
from vmemu.kernel.signal.state import Signal
from vmemu.vfs.file import O_NONBLOCK, POLLERR, POLLHUP, POLLIN, POLLOUT, File, FileStat
from vmemu.vfs.tty.termios import TERMIO_SIZE, TERMIOS2_SIZE, TERMIOS_SIZE, Termios

if TYPE_CHECKING:
    from collections.abc import Callable

    from vmemu.kernel.process.task import Task
    from vmemu.vfs.tty.tty import Tty

__all__ = ["TtyFile"]

_TCGETS, _TCSETS, _TCSETSW, _TCSETSF, _TCGETA, _TCSETA, _TCSETAW, _TCSETAF = range(0x5401, 0x5409)
_TCSBRK, _TCXONC, _TCFLSH, _TIOCEXCL, _TIOCNXCL, _TIOCSCTTY, _TIOCGPGRP, _TIOCSPGRP = range(
    0x5409, 0x5411
)
_TIOCOUTQ, _TIOCSTI, _TIOCGWINSZ, _TIOCSWINSZ = range(0x5411, 0x5415)
_TIOCINQ, _TIOCNOTTY, _TIOCSETD, _TIOCGETD = 0x541B, 0x5422, 0x5423, 0x5424
_TCSBRKP, _TIOCGSID = 0x5425, 0x5429
_TCGETS2, _TCSETS2, _TCSETSW2, _TCSETSF2 = 0x802C542A, 0x402C542B, 0x402C542C, 0x402C542D
_TIOCGEXCL, _TIOCGDEV = 0x80045440, 0x80045432
_TIOCGLCKTRMIOS, _TIOCSLCKTRMIOS = 0x5456, 0x5457
_TCIFLUSH, _TCOFLUSH, _TCIOFLUSH = range(3)
_TCOOFF, _TCOON, _TCIOFF, _TCION = range(4)
_FLUSHING = (_TCSETSF, _TCSETAF, _TCSETSF2)


class TtyFile(File):
    """A terminal that is open."""

    pollable = notifies = True

    def __init__(self, tty: Tty, flags: int) -> None:
        super().__init__(flags, tty.name)
        self.tty = tty
        self.queue = tty.queue
        tty.users += 1

    def read(self, count: int) -> Blocking[bytes]:
        """Wait for what was typed."""
        return self.tty.read(count, bool(self.flags & O_NONBLOCK))

    def take(self, count: int) -> int:
        """It has been read."""
        self.tty.take(count)
        return count

    def write(self, data: bytes) -> Blocking[int]:
        """Print."""
        return self.tty.write(data, bool(self.flags & O_NONBLOCK))

    def poll(self) -> int:
        """POLLIN, POLLOUT; POLLHUP when its other end is gone."""
        tty = self.tty
        if tty.hung_up:
            return POLLIN | POLLOUT | POLLERR | POLLHUP
        return (POLLIN if tty.ldisc.available() else 0) | (POLLOUT if tty.writable() else 0)

    def stat(self) -> FileStat:
        """A character device."""
        return self.node.stat() if self.node is not None else FileStat(rdev=0x8800)

    def release(self) -> None:
        """The last descriptor has gone."""
        self.tty.closed()

    def ioctl(self, task: Task, request: int, argument: int) -> int:
        """Ask or change the terminal; Errno ENOTTY."""
        if self.tty.hung_up and request != _TIOCSPGRP:
            raise Errno(errno.EIO)
        return tty_ioctl(self.tty, task, request, argument, own=True)


def _change(tty: Tty) -> None:
    tty.jobs.check_change(tty, Signal.SIGTTOU)


def _get_termios(tty: Tty, task: Task, request: int, argument: int) -> int:
    data = {
        _TCGETS: tty.termios.encode,
        _TCGETS2: tty.termios.encode2,
        _TCGETA: tty.termios.encode_old,
    }[request]()
    uaccess.write(task.mm, argument, data)
    return 0


def _set_termios(tty: Tty, task: Task, request: int, argument: int) -> int:
    """What is written is printed at once: nothing to wait for."""
    _change(tty)
    old = request in (_TCSETA, _TCSETAW, _TCSETAF)
    size = TERMIO_SIZE if old else TERMIOS_SIZE if request < 0x10000 else TERMIOS2_SIZE
    data = uaccess.read(task.mm, argument, size)
    tty.set_termios(
        lambda termios: termios.decode_old(data) if old else termios.decode(data),
        flush=request in _FLUSHING,
    )
    return 0


def _get_locked(tty: Tty, task: Task, request: int, argument: int) -> int:
    locked = tty.locked_termios
    uaccess.write(task.mm, argument, locked.encode() if locked else bytes(TERMIOS_SIZE))
    return 0


def _set_locked(tty: Tty, task: Task, request: int, argument: int) -> int:
    """What is set in it stays as it is; Errno EPERM."""
    if not task.cred.capable(Cap.SYS_ADMIN):
        raise Errno(errno.EPERM)
    locked = Termios()
    locked.decode_locked(uaccess.read(task.mm, argument, TERMIOS_SIZE))
    tty.locked_termios = locked
    return 0


def _flush(tty: Tty, task: Task, request: int, argument: int) -> int:
    _change(tty)
    if argument not in (_TCIFLUSH, _TCOFLUSH, _TCIOFLUSH):
        raise Errno(errno.EINVAL)
    if argument != _TCOFLUSH:
        tty.ldisc.flush_input()
        tty.queue.wake_up()
    if argument != _TCIFLUSH:
        tty.flush_output()
    return 0


def _flow(tty: Tty, task: Task, request: int, argument: int) -> int:
    _change(tty)
    if argument not in (_TCOOFF, _TCOON, _TCIOFF, _TCION):
        raise Errno(errno.EINVAL)
    if argument in (_TCOOFF, _TCOON):
        (tty.ldisc.stop if argument == _TCOOFF else tty.ldisc.start)()
        tty.queue.wake_up()
    return 0


def _break(tty: Tty, task: Task, request: int, argument: int) -> int:
    _change(tty)
    return 0


def _exclusive(tty: Tty, task: Task, request: int, argument: int) -> int:
    if request == _TIOCGEXCL:
        uaccess.write_struct(task.mm, argument, "i", tty.exclusive)
    else:
        tty.exclusive = request == _TIOCEXCL
    return 0


def _control(tty: Tty, task: Task, request: int, argument: int) -> int:
    tty.jobs.control(tty, argument == 1 and task.cred.capable(Cap.SYS_ADMIN))
    return 0


def _give_up(tty: Tty, task: Task, request: int, argument: int) -> int:
    if task.group.tty is not tty:
        raise Errno(errno.ENOTTY)
    tty.jobs.disown(task.group, exits=False)
    return 0


def _set_foreground(tty: Tty, task: Task, request: int, argument: int) -> int:
    try:
        _change(tty)
    except Errno as error:
        if error.errno == errno.EIO:
            raise Errno(errno.ENOTTY) from None
        raise
    if task.group.tty is not tty or tty.session != task.group.session:
        raise Errno(errno.ENOTTY)
    pgrp = uaccess.read_struct(task.mm, argument, "i")[0]
    if pgrp < 0:
        raise Errno(errno.EINVAL)
    members = task.kernel.tasks.group(pgrp)
    if not members:
        raise Errno(errno.ESRCH)
    if members[0].session != task.group.session:
        raise Errno(errno.EPERM)
    tty.pgrp = pgrp
    return 0


def _get_window(tty: Tty, task: Task, request: int, argument: int) -> int:
    uaccess.write_struct(task.mm, argument, "4H", *tty.winsize)
    return 0


def _set_window(tty: Tty, task: Task, request: int, argument: int) -> int:
    rows, columns, width, height = uaccess.read_struct(task.mm, argument, "4H")
    tty.resize((rows, columns, width, height))
    return 0


def _number(get: Callable[[Tty], int]) -> Callable[[Tty, Task, int, int], int]:
    """An ioctl that tells an int."""

    def tell(tty: Tty, task: Task, request: int, argument: int) -> int:
        uaccess.write_struct(task.mm, argument, "i", get(tty))
        return 0

    return tell


def _set_discipline(tty: Tty, task: Task, request: int, argument: int) -> int:
    if uaccess.read_struct(task.mm, argument, "i")[0]:
        raise Errno(errno.EINVAL)
    return 0


def _refuse(tty: Tty, task: Task, request: int, argument: int) -> int:
    """TIOCSTI is off, as it is by default since Linux 6.2."""
    raise Errno(errno.EIO)


_IOCTLS: dict[int, Callable[[Tty, Task, int, int], int]] = {
    **dict.fromkeys((_TCGETS, _TCGETS2, _TCGETA), _get_termios),
    **dict.fromkeys(
        (_TCSETS, _TCSETSW, _TCSETSF, _TCSETA, _TCSETAW, _TCSETAF, _TCSETS2, _TCSETSW2, _TCSETSF2),
        _set_termios,
    ),
    **dict.fromkeys((_TCSBRK, _TCSBRKP), _break),
    **dict.fromkeys((_TIOCEXCL, _TIOCNXCL, _TIOCGEXCL), _exclusive),
    _TIOCGLCKTRMIOS: _get_locked,
    _TIOCSLCKTRMIOS: _set_locked,
    _TCXONC: _flow,
    _TCFLSH: _flush,
    _TIOCSCTTY: _control,
    _TIOCNOTTY: _give_up,
    _TIOCSPGRP: _set_foreground,
    _TIOCGWINSZ: _get_window,
    _TIOCSWINSZ: _set_window,
    _TIOCSTI: _refuse,
    _TIOCSETD: _set_discipline,
    _TIOCINQ: _number(lambda tty: tty.ldisc.count()),
    _TIOCOUTQ: _number(lambda tty: 0),
    _TIOCGETD: _number(lambda tty: 0),
    _TIOCGDEV: _number(lambda tty: 0x8800 + tty.index),
}


def tty_ioctl(tty: Tty, task: Task, request: int, argument: int, *, own: bool) -> int:
    """An ioctl of a terminal, by a file of its own or by its other end; Errno ENOTTY."""
    if request in (_TIOCGPGRP, _TIOCGSID):
        if own and task.group.tty is not tty:
            raise Errno(errno.ENOTTY)
        if request == _TIOCGSID and not tty.session:
            raise Errno(errno.ENOTTY)
        told = tty.pgrp if request == _TIOCGPGRP else tty.session
        uaccess.write_struct(task.mm, argument, "i", told)
        return 0
    found = _IOCTLS.get(request)
    if found is None:
        raise Errno(errno.ENOTTY)
    return found(tty, task, request, argument)
