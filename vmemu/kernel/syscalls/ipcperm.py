"""The structures that tell of things of System V: each begins with its permissions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vmemu.kernel import uaccess
from vmemu.kernel.ipc.perm import Told
from vmemu.kernel.process.cred import narrow

if TYPE_CHECKING:
    from vmemu.kernel.ipc.perm import Perm
    from vmemu.kernel.process.task import Task

__all__ = [
    "IPC_64",
    "IPC_INFO",
    "IPC_RMID",
    "IPC_SET",
    "IPC_STAT",
    "put_stat",
    "read_stat",
    "times",
]

IPC_RMID, IPC_SET, IPC_STAT, IPC_INFO = range(4)
IPC_64 = 0x100
"""Of a command of ipc(): its structures are those that this names, not the old ones."""
_PERM64 = {32: "i4I2H2H2N", 64: "i4II2H4x2N"}
_OLD_PERM = "i6H"


def put_stat(
    task: Task,
    pointer: int,
    perm: Perm,
    mode: int,
    rest: str,
    values: tuple[int, ...],
    *,
    old: bool,
) -> None:
    """Write struct ipc64_perm, or the old struct ipc_perm, and what follows; Errno EFAULT."""
    owners = (perm.uid, perm.gid, perm.cuid, perm.cgid)
    head: tuple[int, ...]
    if old:
        layout, head = _OLD_PERM, (*map(narrow, owners), mode, perm.seq)
    elif task.kernel.abi.bits == 32:
        layout, head = _PERM64[32], (*owners, mode, 0, perm.seq, 0, 0, 0)
    else:
        layout, head = _PERM64[64], (*owners, mode, perm.seq, 0, 0, 0)
    uaccess.write_struct(task.mm, pointer, layout + rest, perm.key, *head, *values)


def read_stat(task: Task, pointer: int, rest: str, *, old: bool) -> tuple[Told, tuple[int, ...]]:
    """Read the same: owner, group and mode, and the values that follow."""
    layout = _OLD_PERM if old else _PERM64[task.kernel.abi.bits]
    values = uaccess.read_struct(task.mm, pointer, layout + rest)
    head = 7 if old else {32: 11, 64: 10}[task.kernel.abi.bits]
    return Told(values[1], values[2], values[5]), values[head:]


def times(task: Task, *seconds: int) -> tuple[int, ...]:
    """Times as words: on i386 each with its upper half behind it."""
    if task.kernel.abi.bits == 64:
        return seconds
    return tuple(word for each in seconds for word in (each & 0xFFFFFFFF, each >> 32))
