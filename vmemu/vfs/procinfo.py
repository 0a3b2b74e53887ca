"""/proc of the machine as a whole: its processor, its time, its kernel, its file systems."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from vmemu.kernel.process.task import TaskState
from vmemu.kernel.process.wait import NSEC_PER_SEC, USER_HZ
from vmemu.vfs.procipc import messages, segments, semaphores

if TYPE_CHECKING:
    from vmemu.kernel.kernel import Kernel
    from vmemu.vfs.procfile import Content

_TICK = NSEC_PER_SEC // USER_HZ
"""Nanoseconds of a clock tick."""


def uptime(kernel: Kernel) -> str:
    """/proc/uptime in virtual seconds, and how many of them nobody could run."""
    up, idle = kernel.sched.now // _TICK, kernel.sched.idle_time // _TICK
    return f"{up // 100}.{up % 100:02} {idle // 100}.{idle % 100:02}\n"


def stat(kernel: Kernel) -> str:
    """/proc/stat in hundredths of a second, which add up to the time since boot."""
    sched, counters = kernel.sched, kernel.core.counters()
    now, idle, user = sched.now // _TICK, sched.idle_time // _TICK, sched.user_time // _TICK
    iowait = int(kernel.core.m.clock.iowait) // _TICK
    system = max(0, now - idle - user - iowait)
    times = f" {user} 0 {system} {idle} {iowait} 0 0 0 0 0\n"
    running = sum(task.state is TaskState.RUNNING for task in kernel.tasks)
    blocked = sum(task.state is TaskState.UNINTERRUPTIBLE for task in kernel.tasks)
    booted = (sched.realtime - sched.now) // NSEC_PER_SEC
    return (
        f"cpu {times}cpu0{times}intr 0\nctxt {counters['context_switch']}\nbtime {booted}\n"
        f"processes {kernel.tasks.births}\nprocs_running {running}\nprocs_blocked {blocked}\n"
        "softirq 0 0 0 0 0 0 0 0 0 0 0\n"
    )


def loadavg(kernel: Kernel) -> str:
    """/proc/loadavg: averages over 1, 5 and 15 minutes, tasks that run and all, the last pid."""
    averages = " ".join(f"{load:.2f}" for load in kernel.sched.loads.read(kernel.sched))
    running = sum(task.state is TaskState.RUNNING for task in kernel.tasks)
    return f"{averages} {running}/{len(kernel.tasks)} {kernel.tasks.last}\n"


def version(kernel: Kernel) -> str:
    """/proc/version, as uname tells it (version_proc_show)."""
    release = kernel.options.release
    return f"Linux version {release} (vmemu) #1 SMP Wed Jun 16 05:18:37 UTC 2004\n"


_FEATURES = (
    "fpu vme de pse tsc msr pae mce cx8 apic sep mtrr pge mca cmov pat pse36 clflush mmx fxsr sse "
    "sse2 pni"
)


def cpuinfo(kernel: Kernel) -> str:
    """/proc/cpuinfo: the one CPU as its CPUID tells it."""
    long_mode = " syscall lm" if kernel.core.bits == 64 else ""
    rows = {
        "processor": "0",
        "vendor_id": "GenuineIntel",
        "cpu family": "6",
        "model": "42",
        "model name": "Intel Xeon E312xx (Sandy Bridge)",
        "stepping": "1",
        "cpu MHz": "1000.000",
        "cache size": "4096 KB",
        "physical id": "0",
        "siblings": "1",
        "core id": "0",
        "cpu cores": "1",
        "fpu": "yes",
        "wp": "yes",
        "flags": _FEATURES + long_mode,
        "bogomips": "2000.00",
    }
    lines = [f"{name:<15}\t: {value}\n" for name, value in rows.items()]
    return "".join(lines) + "\n"


def filesystems(kernel: Kernel) -> str:
    """/proc/filesystems: those that the machine has."""
    return "".join(f"nodev\t{name}\n" for name in ("hostfs", "proc", "sysfs", "tmpfs"))


def devices(kernel: Kernel) -> str:
    """/proc/devices: character devices; there is no block device."""
    return (
        "Character devices:\n  1 mem\n  5 /dev/tty\n  5 /dev/console\n136 pts\n\nBlock devices:\n"
    )


def partitions(kernel: Kernel) -> str:
    """/proc/partitions: none."""
    return "major minor  #blocks  name\n\n"


def nothing(kernel: Kernel) -> str:
    """A list of what there is none of: block devices, modules."""
    return ""


def command_line(kernel: Kernel) -> str:
    """/proc/cmdline: the kernel was given nothing."""
    return "\n"


def interrupts(kernel: Kernel) -> str:
    """/proc/interrupts: nothing interrupts."""
    return "           CPU0       \n"


FILES: dict[str, Callable[[Kernel], str]] = {
    "uptime": uptime,
    "stat": stat,
    "loadavg": loadavg,
    "version": version,
    "cpuinfo": cpuinfo,
    "filesystems": filesystems,
    "devices": devices,
    "partitions": partitions,
    "diskstats": nothing,
    "modules": nothing,
    "sysvipc/shm": segments,
    "sysvipc/sem": semaphores,
    "sysvipc/msg": messages,
    "cmdline": command_line,
    "interrupts": interrupts,
}
"""Files below /proc that tell of the machine, by path."""


def _counts(kernel: Kernel) -> Content:
    from vmemu.vfs.pagemap import KPageCount

    return KPageCount(kernel.core)


def _flags(kernel: Kernel) -> Content:
    from vmemu.vfs.pagemap import KPageFlags

    return KPageFlags(kernel.core)


TABLES: dict[str, Callable[[Kernel], Content]] = {"kpagecount": _counts, "kpageflags": _flags}
"""Files below /proc with an entry for each frame."""
