"""/proc/PID: what a task looks like from outside, in the formats of Linux 2.6.6 and later."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from typing import TYPE_CHECKING

from vmemu.core import PAGE_SIZE, lib
from vmemu.errors import Errno
from vmemu.kernel.process.limits import MM_LIMITS, RLIM_INFINITY, Resource
from vmemu.kernel.process.oom import OOM_SCORE_ADJ_MAX, OOM_SCORE_ADJ_MIN, badness
from vmemu.kernel.process.task import TASK_COMM_LEN, Task
from vmemu.kernel.process.wait import clock_t
from vmemu.kernel.signal.state import SIG_DFL, SIG_IGN, mask_of
from vmemu.mm import proc_maps
from vmemu.vfs.file import O_CLOEXEC
from vmemu.vfs.node import path_of
from vmemu.vfs.procsys import number

if TYPE_CHECKING:
    from vmemu.kernel.kernel import Kernel
    from vmemu.vfs.procfile import Content
    from vmemu.vfs.smaps import Usage

_STATE_NAMES = {
    "R": "running",
    "S": "sleeping",
    "D": "disk sleep",
    "T": "stopped",
    "Z": "zombie",
    "X": "dead",
}


def _signal_masks(task: Task) -> tuple[int, int, int, int]:
    """Pending, blocked, ignored and caught signals."""
    actions = task.signals.actions
    ignored = mask_of(n for n, a in actions.items() if a.handler == SIG_IGN)
    caught = mask_of(n for n, a in actions.items() if a.handler not in (SIG_DFL, SIG_IGN))
    return task.signals.pending.mask(), task.signals.blocked, ignored, caught


def threads(task: Task) -> list[Task]:
    """The tasks of its thread group, but those that have ended."""
    return [thread for thread in task.group.threads.values() if thread.alive or thread is task]


def _usage(task: Task) -> Usage:
    """What of its memory is where; imported when somebody asks, with numpy."""
    from vmemu.vfs import smaps

    return smaps.total(task.mm)


def _memory_lines(task: Task) -> list[str]:
    """The Vm lines of status (task_mem)."""
    if task.memory is None:
        return []
    ptr, core = task.mm.ptr, task.kernel.core
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
    from vmemu.frames import page_tables

    of = _usage(task)
    tables = sum(1 for table in page_tables(core, ptr) if table.level < core.levels - 1)
    values = {
        "VmPeak": max(int(ptr.hiwater_vm), int(ptr.total_vm)),
        "VmSize": int(ptr.total_vm),
        "VmLck": int(ptr.locked_vm),
        "VmPin": 0,
        "VmHWM": max(int(ptr.hiwater_rss), int(ptr.rss)),
        "VmRSS": int(ptr.rss),
        "RssAnon": of["anonymous"] // PAGE_SIZE,
        "RssFile": (of["rss"] - of["anonymous"] - of["shmem"]) // PAGE_SIZE,
        "RssShmem": of["shmem"] // PAGE_SIZE,
        "VmData": data,
        "VmStk": stack,
        "VmExe": exe,
        "VmLib": 0,
        "VmPTE": tables,
        "VmSwap": of["swap"] // PAGE_SIZE,
        "HugetlbPages": 0,
    }
    return [f"{name}:\t{pages * 4:8} kB\n" for name, pages in values.items()]


def status(task: Task) -> str:
    """/proc/PID/status (proc_pid_status)."""
    state = task.state.value
    cred = task.cred
    pending, blocked, ignored, caught = _signal_masks(task)
    caps = {
        "Inh": cred.inheritable, "Prm": cred.permitted, "Eff": cred.effective,
        "Bnd": cred.bounding, "Amb": 0,
    }  # fmt: skip
    return "".join(
        [
            f"Name:\t{task.comm}\nUmask:\t{task.fs.umask:04o}\n",
            f"State:\t{state} ({_STATE_NAMES[state]})\n",
            f"Tgid:\t{task.tgid}\nNgid:\t0\nPid:\t{task.pid}\nPPid:\t{task.ppid}\nTracerPid:\t0\n",
            "Uid:" + "".join(f"\t{each}" for each in cred.user) + "\n",
            "Gid:" + "".join(f"\t{each}" for each in cred.group) + "\n",
            f"FDSize:\t{max(task.files.entries, default=-1) + 1}\n",
            "Groups:\t" + "".join(f"{each} " for each in cred.groups or ("",)) + "\n",
            f"NStgid:\t{task.tgid}\nNSpid:\t{task.pid}\nNSpgid:\t{task.pgrp}\n",
            f"NSsid:\t{task.session}\n",
            *_memory_lines(task),
            f"CoreDumping:\t0\nTHP_enabled:\t0\nThreads:\t{task.group.live}\n",
            f"SigQ:\t{len(task.signals.pending)}/1024\n",
            f"SigPnd:\t{pending:016x}\nShdPnd:\t{task.group.shared.mask():016x}\n",
            f"SigBlk:\t{blocked:016x}\nSigIgn:\t{ignored:016x}\nSigCgt:\t{caught:016x}\n",
            *(f"Cap{name}:\t{mask:016x}\n" for name, mask in caps.items()),
            "NoNewPrivs:\t0\nSeccomp:\t0\nCpus_allowed:\t1\nCpus_allowed_list:\t0\n",
            "Mems_allowed:\t1\nMems_allowed_list:\t0\n",
            f"voluntary_ctxt_switches:\t{task.used.switches}\n",
            "nonvoluntary_ctxt_switches:\t0\n",
        ]
    )


_ADDRESSES = (
    "start_data", "end_data", "start_brk", "arg_start", "arg_end", "env_start", "env_end",
)  # fmt: skip


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
        addresses = [int(getattr(ptr, name)) for name in _ADDRESSES]
    else:
        memory, addresses = [0] * 8, [0] * len(_ADDRESSES)
    code = task.status.encode() if task.status is not None else 0
    fields = [
        task.ppid, task.pgrp, task.session, 0, -1, 0,
        used.minflt, waited.minflt, used.majflt, waited.majflt,
        clock_t(used.utime), clock_t(used.stime), clock_t(waited.utime), clock_t(waited.stime),
        20 + task.nice, task.nice, task.group.live, 0, clock_t(task.start_time), *memory,
        pending & 0x7FFFFFFF, blocked & 0x7FFFFFFF, ignored & 0x7FFFFFFF, caught & 0x7FFFFFFF,
        0, 0, 0, task.exit_signal, 0, 0, 0, 0, 0, 0, *addresses, code,
    ]  # fmt: skip
    return f"{task.pid} ({task.comm}) {task.state.value} {' '.join(map(str, fields))}\n"


def statm(task: Task) -> str:
    """/proc/PID/statm, in pages (proc_pid_statm)."""
    if task.memory is None:
        return "0 0 0 0 0 0 0\n"
    ptr, of = task.mm.ptr, _usage(task)
    text = (int(ptr.end_code) - int(ptr.start_code) + PAGE_SIZE - 1) // PAGE_SIZE
    shared = (of["rss"] - of["anonymous"]) // PAGE_SIZE
    return f"{ptr.total_vm} {ptr.rss} {shared} {text} 0 {int(ptr.total_vm) - text} 0\n"


def maps(task: Task) -> str:
    """/proc/PID/maps (show_map)."""
    return proc_maps(task.mm) if task.memory is not None else ""


def area_usage(task: Task) -> str:
    """/proc/PID/smaps."""
    from vmemu.vfs import smaps

    return smaps.smaps(task.mm) if task.memory is not None else ""


def rollup(task: Task) -> str:
    """/proc/PID/smaps_rollup; Errno ESRCH when it has ended."""
    if task.memory is None:
        raise Errno(errno.ESRCH)
    from vmemu.vfs import smaps

    return smaps.smaps_rollup(task.mm)


def _strings(task: Task, start: str, end: str) -> bytes:
    """Bytes between two addresses that the mm knows, b"" where they cannot be read."""
    if task.memory is None:
        return b""
    low, high = int(getattr(task.mm.ptr, start)), int(getattr(task.mm.ptr, end))
    try:
        return task.mm.read(low, high - low)
    except Errno:
        return b""


def cmdline(task: Task) -> bytes:
    """/proc/PID/cmdline: argv as it is in memory now (proc_pid_cmdline)."""
    return _strings(task, "arg_start", "arg_end")


def environ(task: Task) -> bytes:
    """/proc/PID/environ: the environment as execve() left it (environ_read)."""
    return _strings(task, "env_start", "env_end")


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


FIRST_MOUNT = 20


def mountinfo(task: Task) -> str:
    """/proc/PID/mountinfo: each mount with its number and the one above (show_mountinfo)."""
    lines = []
    for at, (path, fs) in enumerate(task.kernel.world.mounts, FIRST_MOUNT):
        how = "ro" if fs.readonly else "rw"
        parent = FIRST_MOUNT if at != FIRST_MOUNT else 1
        lines.append(f"{at} {parent} 0:{fs.dev} / {path} {how} - {fs.name} {fs.name} {how}\n")
    return "".join(lines)


_LIMITS = {
    Resource.CPU: ("cpu time", "seconds"), Resource.FSIZE: ("file size", "bytes"),
    Resource.DATA: ("data size", "bytes"), Resource.STACK: ("stack size", "bytes"),
    Resource.CORE: ("core file size", "bytes"), Resource.RSS: ("resident set", "bytes"),
    Resource.NPROC: ("processes", "processes"), Resource.NOFILE: ("open files", "files"),
    Resource.MEMLOCK: ("locked memory", "bytes"), Resource.AS: ("address space", "bytes"),
    Resource.LOCKS: ("file locks", "locks"), Resource.SIGPENDING: ("pending signals", "signals"),
    Resource.MSGQUEUE: ("msgqueue size", "bytes"), Resource.NICE: ("nice priority", ""),
    Resource.RTPRIO: ("realtime priority", ""), Resource.RTTIME: ("realtime timeout", "us"),
}  # fmt: skip


def limits(task: Task) -> str:
    """/proc/PID/limits (proc_pid_limits); Errno ESRCH when it has ended."""
    if task.memory is None:
        raise Errno(errno.ESRCH)
    lines = [f"{'Limit':<25} {'Soft Limit':<20} {'Hard Limit':<20} {'Units':<10}\n"]
    for resource, (name, unit) in _LIMITS.items():
        attribute = MM_LIMITS.get(resource)
        soft = task.limits.soft.get(resource, RLIM_INFINITY)
        if attribute is not None:
            soft = int(getattr(task.mm.rlimits, attribute))
        hard = task.limits.hard.get(resource, RLIM_INFINITY)
        told = ["unlimited" if value >= RLIM_INFINITY else str(value) for value in (soft, hard)]
        lines.append(f"{'Max ' + name:<25} {told[0]:<20} {told[1]:<20} {unit:<10}\n")
    return "".join(lines)


def oom_score(task: Task) -> str:
    """/proc/PID/oom_score: what the OOM killer would go by."""
    return f"{badness(task, task.kernel.sched.now)}\n"


def oom_score_adj(task: Task) -> str:
    """/proc/PID/oom_score_adj."""
    return f"{task.group.oom_score_adj}\n"


def set_oom_score_adj(task: Task, data: bytes) -> None:
    """Change it, for every thread; Errno EINVAL."""
    task.group.oom_score_adj = number(data, OOM_SCORE_ADJ_MIN, OOM_SCORE_ADJ_MAX)


_OOM_DISABLE, _OOM_ADJUST_MAX = -17, 15


def oom_adj(task: Task) -> str:
    """/proc/PID/oom_adj: the same in the units of 2.6.11, -17 to 15 (oom_adj_read)."""
    adj = task.group.oom_score_adj
    if adj == OOM_SCORE_ADJ_MAX:
        return f"{_OOM_ADJUST_MAX}\n"
    return f"{int(adj * -_OOM_DISABLE / OOM_SCORE_ADJ_MAX)}\n"


def set_oom_adj(task: Task, data: bytes) -> None:
    """Change it; Errno EINVAL."""
    value = number(data, _OOM_DISABLE, _OOM_ADJUST_MAX)
    full = value == _OOM_ADJUST_MAX
    adj = OOM_SCORE_ADJ_MAX if full else int(value * OOM_SCORE_ADJ_MAX / -_OOM_DISABLE)
    set_oom_score_adj(task, b"%d" % adj)


def wchan(task: Task) -> str:
    """/proc/PID/wchan: the system call it sleeps in, 0 if it runs."""
    if task.wait is None or task.call is None:
        return "0"
    entry = task.kernel.syscalls.get(task.call.number)
    return f"sys_{entry.name}" if entry is not None else "0"


def sched(task: Task) -> str:
    """/proc/PID/sched, the lines that mean something here (proc_sched_show_task)."""
    task.kernel.account()
    head = f"{task.comm} ({task.pid}, #threads: {task.group.live})\n"
    used = (task.used.utime + task.used.stime) / 1e6
    rows = {"se.sum_exec_runtime": f"{used:.6f}", "nr_switches": task.used.switches,
            "policy": 0, "prio": 120 + task.nice}  # fmt: skip
    lines = [f"{name:<45}:{value:>21}\n" for name, value in rows.items()]
    return head + "-" * 67 + "\n" + "".join(lines)


def schedstat(task: Task) -> str:
    """/proc/PID/schedstat: nanoseconds run and waited, and how often."""
    task.kernel.account()
    return f"{task.used.utime + task.used.stime} 0 {task.used.switches}\n"


def cgroup(task: Task) -> str:
    """/proc/PID/cgroup: all are in the one there is."""
    return "0::/\n"


def nobody(task: Task) -> str:
    """/proc/PID/loginuid and sessionid: nobody has logged in."""
    return "4294967295"


def execution_domain(task: Task) -> str:
    """/proc/PID/personality."""
    return f"{task.personality:08x}\n"


def io(task: Task) -> str:
    """/proc/PID/io: what calls read and wrote; of the disk, what faults read (proc_tgid_io)."""
    used = task.group.used if task.is_leader else task.used
    return (
        f"rchar: {used.rchar}\nwchar: {used.wchar}\nsyscr: {used.syscr}\nsyscw: {used.syscw}\n"
        f"read_bytes: {used.majflt * PAGE_SIZE}\nwrite_bytes: 0\ncancelled_write_bytes: 0\n"
    )


def stack(task: Task) -> str:
    """/proc/PID/stack: the system call it sleeps in is all that there is of a kernel stack."""
    name = wchan(task)
    return "" if name == "0" else f"[<0>] {name}+0x0/0x0\n"


def set_comm(task: Task, data: bytes) -> None:
    """Call it otherwise (comm_write)."""
    name = data.split(b"\n")[0].split(b"\0")[0]
    task.comm = name[: TASK_COMM_LEN - 1].decode(errors="replace")


_CLEAR_SOFT_DIRTY, _CLEAR_PEAK = 4, 5


def clear_refs(task: Task, data: bytes) -> None:
    """/proc/PID/clear_refs: forget which pages were used, or written (clear_refs_write).

    1 all, 2 anonymous ones, 3 those of files; 4 which were written; 5 the peak of memory.
    Errno EINVAL, ESRCH.
    """
    what = number(data, 1, _CLEAR_PEAK)
    if task.memory is None:
        raise Errno(errno.ESRCH)
    mm = task.memory
    core = mm.core
    if what == _CLEAR_PEAK:
        mm.ptr.hiwater_rss = mm.ptr.rss
    elif what == _CLEAR_SOFT_DIRTY:
        core.lib.clear_soft_dirty(core.m, mm.ptr)
        mm.clean = [(int(vma.vm_start), int(vma.vm_end)) for vma in mm.vmas()]
    else:
        kinds = {1: lib.CLEAR_REFS_ANON | lib.CLEAR_REFS_MAPPED, 2: lib.CLEAR_REFS_ANON}
        core.lib.clear_referenced(core.m, mm.ptr, kinds.get(what, lib.CLEAR_REFS_MAPPED))


def unreadable(task: Task) -> str:
    """What can be written only; Errno EINVAL."""
    raise Errno(errno.EINVAL)


def fdinfo(task: Task, fd: int) -> str:
    """/proc/PID/fdinfo/N (seq_show of fs/proc/fd.c); Errno ENOENT."""
    entry = task.files.entries.get(fd)
    if entry is None:
        raise Errno(errno.ENOENT)
    file = entry.file
    flags = file.status_flags | (O_CLOEXEC if entry.cloexec else 0)
    mounts = [fs for _, fs in task.kernel.world.mounts]
    node = file.node
    at = mounts.index(node.fs) if node is not None and node.fs in mounts else -FIRST_MOUNT
    position = int(getattr(file, "position", 0))
    head = f"pos:\t{position}\nflags:\t0{flags:o}\nmnt_id:\t{FIRST_MOUNT + at}\n"
    return f"{head}ino:\t{file.stat().ino}\n{file.fdinfo()}"


TASK_FILES: dict[str, Callable[[Task], str | bytes]] = {
    "status": status,
    "stat": stat,
    "statm": statm,
    "maps": maps,
    "smaps": area_usage,
    "smaps_rollup": rollup,
    "cmdline": cmdline,
    "environ": environ,
    "auxv": auxv,
    "comm": comm,
    "mounts": mounts,
    "mountinfo": mountinfo,
    "limits": limits,
    "oom_score": oom_score,
    "oom_score_adj": oom_score_adj,
    "oom_adj": oom_adj,
    "wchan": wchan,
    "io": io,
    "stack": stack,
    "sched": sched,
    "schedstat": schedstat,
    "clear_refs": unreadable,
    "cgroup": cgroup,
    "loginuid": nobody,
    "sessionid": nobody,
    "personality": execution_domain,
}
"""Files of a task, by name."""

TASK_STORES: dict[str, Callable[[Task, bytes], None]] = {
    "clear_refs": clear_refs,
    "comm": set_comm,
    "oom_score_adj": set_oom_score_adj,
    "oom_adj": set_oom_adj,
}
"""What takes what is written to some of them."""


def pagemap(task: Task) -> Content:
    """/proc/PID/pagemap."""
    from vmemu.vfs.pagemap import PageMap

    return PageMap(lambda: task.memory)


def mem(task: Task) -> Content:
    """/proc/PID/mem."""
    from vmemu.vfs.pagemap import Memory

    return Memory(lambda: task.memory)


TASK_CONTENTS: dict[str, Callable[[Task], Content]] = {"pagemap": pagemap, "mem": mem}
"""Files of a task with an entry, or a byte, at each place."""

TASK_PRIVATE = frozenset({"io", "maps", "smaps", "smaps_rollup", "environ", "auxv", "clear_refs"})
"""Files that not everybody may read whom their mode would let."""

NAMESPACES = {
    b"cgroup": 4026531835, b"ipc": 4026531839, b"mnt": 4026531841, b"net": 4026531840,
    b"pid": 4026531836, b"pid_for_children": 4026531836, b"time": 4026531834,
    b"time_for_children": 4026531834, b"user": 4026531837, b"uts": 4026531838,
}  # fmt: skip
"""Numbers of the namespaces that there are: the initial ones of Linux."""

TASK_MODES = {
    "io": 0o400,
    "stack": 0o400,
    "clear_refs": 0o200,
    "environ": 0o400,
    "auxv": 0o400,
    "pagemap": 0o400,
    "mem": 0o600,
}
"""Permissions that are not 0444, or 0644 where it can be written."""
