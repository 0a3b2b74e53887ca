"""/proc/sysvipc: what there is of System V's things, as ipcs reads it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vmemu.core import PAGE_SIZE

if TYPE_CHECKING:
    from vmemu.kernel.ipc.perm import Perm
    from vmemu.kernel.kernel import Kernel

__all__ = ["messages", "segments", "semaphores"]


def _owners(perm: Perm) -> str:
    return f"{perm.uid:5} {perm.gid:5} {perm.cuid:5} {perm.cgid:5}"


def segments(kernel: Kernel) -> str:
    """/proc/sysvipc/shm: a line for each segment (sysvipc_shm_proc_show)."""
    kernel.shm.settle()
    size = 21 if kernel.core.bits == 64 else 10
    head = (
        f"       key      shmid perms {'size':>{size}}  cpid  lpid nattch   uid   gid  cuid  cgid"
    )
    head += f"      atime      dtime      ctime {'rss':>{size}} {'swap':>{size}}\n"
    lines = [head]
    for each in kernel.shm.by_index():
        swapped = each.shmem.swapped * PAGE_SIZE
        resident = each.shmem.allocated * PAGE_SIZE - swapped
        lines.append(
            f"{each.signed_key:10} {each.id:10}  {each.told_mode:4o} {each.size:{size}} "
            f"{each.cpid:5} {each.lpid:5}  {each.nattch:5} {_owners(each)} "
            f"{each.atime:10} {each.dtime:10} {each.ctime:10} "
            f"{resident:{size}} {swapped:{size}}\n"
        )
    return "".join(lines)


def semaphores(kernel: Kernel) -> str:
    """/proc/sysvipc/sem: a line for each set (sysvipc_sem_proc_show)."""
    lines = [
        "       key      semid perms      nsems   uid   gid  cuid  cgid      otime      ctime\n"
    ]
    lines += [
        f"{each.signed_key:10} {each.id:10}  {each.mode:4o} {len(each):10} {_owners(each)} "
        f"{each.otime:10} {each.ctime:10}\n"
        for each in kernel.sem.by_index()
    ]
    return "".join(lines)


def messages(kernel: Kernel) -> str:
    """/proc/sysvipc/msg: a line for each queue (sysvipc_msg_proc_show)."""
    head = "       key      msqid perms      cbytes       qnum lspid lrpid   uid   gid  cuid  cgid"
    lines = [head + "      stime      rtime      ctime\n"]
    lines += [
        f"{each.signed_key:10} {each.id:10}  {each.mode:4o}  {each.cbytes:10} "
        f"{len(each.messages):10} {each.lspid:5} {each.lrpid:5} {_owners(each)} "
        f"{each.stime:10} {each.rtime:10} {each.ctime:10}\n"
        for each in kernel.msg.by_index()
    ]
    return "".join(lines)
