"""What goes with messages: struct cmsghdr (SCM_RIGHTS, SCM_CREDENTIALS)."""

from __future__ import annotations

import errno
import struct
from typing import TYPE_CHECKING

from vmemu.errors import Errno
from vmemu.kernel.process.cred import Cap
from vmemu.net import cmsg
from vmemu.net.ancillary import Packet, wished
from vmemu.net.const import (
    AF_INET,
    AF_INET6,
    AF_UNIX,
    SCM_CREDENTIALS,
    SCM_MAX_FD,
    SCM_RIGHTS,
    SOL_SOCKET,
)
from vmemu.net.message import Control, Credentials

if TYPE_CHECKING:
    from vmemu.kernel.process.task import Task
    from vmemu.net.socket import Socket
    from vmemu.vfs.file import File

__all__ = ["parse"]

_NO_ID = 0xFFFFFFFF


def _check(task: Task, creds: Credentials) -> None:
    """Nobody says to be another without the right to become it (scm_check_creds); Errno EPERM."""
    cred = task.cred
    if _NO_ID in (creds.uid, creds.gid):
        raise Errno(errno.EINVAL)
    if not (
        (creds.pid == task.tgid or cred.capable(Cap.SYS_ADMIN))
        and (creds.uid in cred.user[:3] or cred.capable(Cap.SETUID))
        and (creds.gid in cred.group[:3] or cred.capable(Cap.SETGID))
    ):
        raise Errno(errno.EPERM)


def parse(task: Task, socket: Socket, data: bytes) -> Control:
    """Read what a sender gives (scm_send); Errno EINVAL, EBADF, EPERM, ESRCH, ETOOMANYREFS."""
    bits, net = task.kernel.core.bits, task.kernel.net
    head, creds = cmsg.header(bits), net.creds(task)
    files: list[File] = []
    packet = Packet()
    at = 0
    while at + head.size <= len(data):
        size, level, kind = head.unpack_from(data, at)
        if size < head.size or at + size > len(data):
            raise Errno(errno.EINVAL)
        body = data[at + head.size : at + size]
        at += cmsg.align(size, bits)
        if level != SOL_SOCKET:
            if socket.family in (AF_INET, AF_INET6) and socket.record:
                packet = wished(socket.family, level, kind, body, packet)
            continue
        if kind == SCM_RIGHTS and socket.family == AF_UNIX:
            count = len(body) // 4
            if count > SCM_MAX_FD or len(files) + count > SCM_MAX_FD:
                raise Errno(errno.EINVAL)
            files += [task.files.get(fd) for fd in struct.unpack_from(f"<{count}i", body)]
        elif kind == SCM_CREDENTIALS:
            creds = Credentials.unpack(body)
            _check(task, creds)
            if creds.pid != task.tgid and task.kernel.tasks.get(creds.pid) is None:
                raise Errno(errno.ESRCH)
        else:
            raise Errno(errno.EINVAL)
    if files and sum(net.flying.values()) + len(files) > task.limits.nofile:
        raise Errno(errno.ETOOMANYREFS)
    return Control(creds, tuple(files), packet)
