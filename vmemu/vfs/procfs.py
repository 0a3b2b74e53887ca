"""/proc/PID: what a task looks like from outside, in the formats of Linux 2.6.6."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING

from vmemu.core import PAGE_SIZE, lib
from vmemu.errors import Errno
from vmemu.kernel.process.task import Task
from vmemu.kernel.process.wait import NSEC_PER_SEC
from vmemu.kernel.signal.state import SIG_DFL, SIG_IGN, mask_of
from vmemu.mm import proc_maps
from vmemu.vfs.node import path_of

if TYPE_CHECKING:
    from vmemu.kernel.kernel import Kernel

USER_HZ = 100
_STATE_NAMES = {
    "R": "running",
    "S": "sleeping",
    "D": "disk sleep",
    "T": "stopped",
    "Z": "zombie",
    "X": "dead",
}


def clock_t(nanoseconds: int) -> int:
    """Convert to hundredths of a second."""
    return nanoseconds * USER_HZ // NSEC_PER_SEC


def _signal_masks(task: Task) -> tuple[int, int, int, int]:
    """Pending, blocked, ignored and caught signals."""
    actions = task.signals.actions
    ignored = mask_of(n for n, a in actions.items() if a.handler == SIG_IGN)
    caught = mask_of(n for n, a in actions.items() if a.handler not in (SIG_DFL, SIG_IGN))
    return task.signals.pending.mask(), task.signals.blocked, ignored, caught


def _memory_lines(task: Task) -> list[str]:
    """The Vm lines of status (task_mem)."""
    if task.memory is None:
        return []
    ptr = task.mm.ptr
    data = stack = exe = 0
    for vma in task.mm.vmas():
        pages = int(vma.vm_end - vma.vm_start) // PAGE_SIZE
        if vma.vm_file:
            if vma.vm_flags & lib.VM_EXEC and not vma.vm_flags & lib.VM_WRITE:
                exe += pages
        elif vma.vm_flags & lib.VM_GROWSDOWN:
            stack += pages
        else:
            data += pages
    values = {
        "VmSize": int(ptr.total_vm),
        "VmLck": int(ptr.locked_vm),
        "VmRSS": int(ptr.rss),
        "VmData": data,
        "VmStk": stack,
        "VmExe": exe,
        "VmLib": 0,
    }
    return [f"{name}:\t{pages * 4:8} kB\n" for name, pages in values.items()]


def status(task: Task) -> str:
    """/proc/PID/status (proc_pid_status)."""
    state = task.state.value
    ids = task.kernel.options.credentials
    pending, blocked, ignored, caught = _signal_masks(task)
    return "".join(
        [
            f"Name:\t{task.comm}\n",
            f"State:\t{state} ({_STATE_NAMES[state]})\n",
            f"Tgid:\t{task.tgid}\nPid:\t{task.pid}\nPPid:\t{task.ppid}\nTracerPid:\t0\n",
            "Uid:" + f"\t{ids.uid}" * 4 + "\nGid:" + f"\t{ids.gid}" * 4 + "\n",
            f"FDSize:\t{max(task.files.entries, default=-1) + 1}\n",
            *_memory_lines(task),
            f"Threads:\t{task.group.live}\n",
            f"SigPnd:\t{pending:016x}\nShdPnd:\t{task.group.shared.mask():016x}\n",
            f"SigBlk:\t{blocked:016x}\nSigIgn:\t{ignored:016x}\nSigCgt:\t{caught:016x}\n",
        ]
    )


def stat(task: Task) -> str:
    """/proc/PID/stat (proc_pid_stat)."""
    task.kernel.account()
    used, waited = task.used, task.group.children_used
    pending, blocked, ignored, caught = _signal_masks(task)
    if task.memory is not None:
        ptr = task.mm.ptr
        memory = [
            int(ptr.total_vm) * PAGE_SIZE,
            int(ptr.rss),
            min(task.mm.rlimits.as_, task.kernel.core.mask),
        ]
        memory += [int(ptr.start_code), int(ptr.end_code), int(ptr.start_stack)]
        regs = task.kernel.cpu.context_regs(task.context)
        memory += [int(regs.sp), int(regs.ip)]
    else:
        memory = [0] * 8
    fields = [
        task.ppid, task.pgrp, task.session, 0, -1, 0,
        used.minflt, waited.minflt, used.majflt, waited.majflt,
        clock_t(used.utime), clock_t(used.stime), clock_t(waited.utime), clock_t(waited.stime),
        20 + task.nice, task.nice, 0, 0, clock_t(task.start_time), *memory,
        pending & 0x7FFFFFFF, blocked & 0x7FFFFFFF, ignored & 0x7FFFFFFF, caught & 0x7FFFFFFF,
        0, 0, 0, task.exit_signal, 0, 0, 0,
    ]  # fmt: skip
    return f"{task.pid} ({task.comm}) {task.state.value} {' '.join(map(str, fields))}\n"


def statm(task: Task) -> str:
    """/proc/PID/statm, in pages (proc_pid_statm)."""
    if task.memory is None:
        return "0 0 0 0 0 0 0\n"
    ptr = task.mm.ptr
    text = (int(ptr.end_code) - int(ptr.start_code) + PAGE_SIZE - 1) // PAGE_SIZE
    data = int(ptr.total_vm) - text
    return f"{ptr.total_vm} {ptr.rss} 0 {text} 0 {data} 0\n"


def maps(task: Task) -> str:
    """/proc/PID/maps (show_map)."""
    return proc_maps(task.mm) if task.memory is not None else ""


def cmdline(task: Task) -> bytes:
    """/proc/PID/cmdline: argv as it is in memory now (proc_pid_cmdline)."""
    if task.memory is None:
        return b""
    ptr = task.mm.ptr
    try:
        return task.mm.read(int(ptr.arg_start), int(ptr.arg_end) - int(ptr.arg_start))
    except Errno:
        return b""


def auxv(task: Task) -> bytes:
    """/proc/PID/auxv (proc_pid_auxv)."""
    if task.memory is None:
        return b""
    words = [int(word) for word in task.mm.ptr.saved_auxv]
    length = next((i + 2 for i in range(0, len(words), 2) if not words[i]), len(words))
    return b"".join(word.to_bytes(task.kernel.core.word, "little") for word in words[:length])


def comm(task: Task) -> str:
    """/proc/PID/comm."""
    return task.comm + "\n"


def find_task(kernel: Kernel, name: bytes) -> Task | None:
    """Find the task behind /proc/PID."""
    return kernel.tasks.get(int(name)) if name.isdigit() and len(name) < 8 else None


def exe(task: Task) -> str:
    """Where /proc/PID/exe leads."""
    return task.exe


def cwd(task: Task) -> str:
    """Where /proc/PID/cwd leads."""
    return os.fsdecode(path_of(task.fs.cwd, task.fs.root))


def root(task: Task) -> str:
    """Where /proc/PID/root leads."""
    return "/"


def mounts(task: Task) -> str:
    """/proc/PID/mounts (show_vfsmnt)."""
    return "".join(
        f"{fs.name} {path} {fs.name} {'ro' if fs.readonly else 'rw'} 0 0\n"
        for path, fs in task.kernel.world.mounts
    )


TASK_FILES: dict[str, Callable[[Task], str | bytes]] = {
    "status": status,
    "stat": stat,
    "statm": statm,
    "maps": maps,
    "cmdline": cmdline,
    "auxv": auxv,
    "comm": comm,
    "mounts": mounts,
}
