"""/proc/sys: settings of the kernel, some of which can be changed (kernel/sysctl.c)."""

from __future__ import annotations

import errno
import uuid
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from vmemu.core import PAGE_SIZE
from vmemu.errors import Errno
from vmemu.kernel.ipc.perm import IPCMNI
from vmemu.kernel.ipc.shm import SHMMNI
from vmemu.kernel.process.limits import NR_OPEN
from vmemu.kernel.process.task import PID_MAX
from vmemu.vfs.mqueue import HARD_MSGMAX, HARD_MSGSIZEMAX

if TYPE_CHECKING:
    from vmemu.kernel.ipc.perm import Ids
    from vmemu.kernel.kernel import Kernel

__all__ = ["FILES", "Sysctl"]

KB_PER_PAGE = PAGE_SIZE // 1024


class Sysctl(NamedTuple):
    """A setting: what it is, and what takes another value for it."""

    show: Callable[[Kernel], str]
    store: Callable[[Kernel, bytes], None] | None = None


def _fixed(value: int | str) -> Sysctl:
    return Sysctl(lambda kernel: f"{value}\n")


def number(data: bytes, low: int, high: int) -> int:
    """One number that is written as text (proc_dointvec_minmax); Errno EINVAL."""
    words = data.split()
    try:
        value = int(words[0])
    except (ValueError, IndexError):
        raise Errno(errno.EINVAL) from None
    if not low <= value <= high:
        raise Errno(errno.EINVAL)
    return value


def _number(
    get: Callable[[Kernel], int], put: Callable[[Kernel, int], None], low: int, high: int
) -> Sysctl:
    """A number that can be set within bounds."""
    return Sysctl(
        lambda kernel: f"{get(kernel)}\n",
        lambda kernel, data: put(kernel, number(data, low, high)),
    )


def _set_overcommit(kernel: Kernel, value: int) -> None:
    kernel.core.m.overcommit_memory = value


def _set_ratio(kernel: Kernel, value: int) -> None:
    kernel.core.m.overcommit_ratio = value


def _set_map_count(kernel: Kernel, value: int) -> None:
    kernel.vm.max_map_count = value


def _set_swappiness(kernel: Kernel, value: int) -> None:
    kernel.vm.reclaim.swappiness = value


def _set_page_cluster(kernel: Kernel, value: int) -> None:
    kernel.core.m.page_cluster = value


def _set_min_free(kernel: Kernel, value: int) -> None:
    """New watermarks, as far as there is memory for them (setup_per_zone_pages_min)."""
    zone = kernel.core.m.k.zone
    pages = max(1, min(value // KB_PER_PAGE, int(zone.present_pages) // 8))
    zone.pages_min, zone.pages_low, zone.pages_high = pages, pages * 2, pages * 3


def _drop_caches(kernel: Kernel, data: bytes) -> None:
    """1 or 3: clean pages of files go; 2: there are no other caches."""
    if number(data, 1, 4) & 1:
        kernel.vm.inodes.drop_clean()


def _semaphores(kernel: Kernel, data: bytes) -> None:
    """Limits of System V's semaphores, as many as are written (proc_ipc_sem_dointvec)."""
    sem = kernel.sem
    limits = [sem.semmsl, sem.semmns, sem.semopm, sem.limit]
    words = data.split()
    if not words:
        raise Errno(errno.EINVAL)
    for index, word in enumerate(words[: len(limits)]):
        limits[index] = number(word, 0 if index else 1, _INT_MAX)
    if limits[3] > IPCMNI:
        raise Errno(errno.ERANGE)
    sem.semmsl, sem.semmns, sem.semopm, sem.limit = limits


def _set_msgmax(kernel: Kernel, value: int) -> None:
    kernel.msg.msgmax = value


def _set_msgmnb(kernel: Kernel, value: int) -> None:
    kernel.msg.msgmnb = value


def _set_msgmni(kernel: Kernel, value: int) -> None:
    kernel.msg.limit = value


def _mq(name: str, low: int, high: int) -> Sysctl:
    """A limit of POSIX's queues of messages."""

    def put(kernel: Kernel, value: int) -> None:
        setattr(kernel.world.mqueues, name, value)

    return _number(lambda kernel: int(getattr(kernel.world.mqueues, name)), put, low, high)


def _next_id(which: Callable[[Kernel], Ids[Any]]) -> Sysctl:
    """Which id the next thing of System V is to have; -1: any."""

    def put(kernel: Kernel, value: int) -> None:
        which(kernel).next_id = value

    return _number(lambda kernel: which(kernel).next_id, put, 0, _INT_MAX)


class _Kept:
    """A number that is kept and changes nothing."""

    def __init__(self, name: str, value: int, low: int, high: int) -> None:
        self._name, self._value, self._low, self._high = name, value, low, high

    def sysctl(self) -> Sysctl:
        """The setting."""
        return _number(self._get, self._put, self._low, self._high)

    def _get(self, kernel: Kernel) -> int:
        return kernel.sysctls.get(self._name, self._value)

    def _put(self, kernel: Kernel, value: int) -> None:
        kernel.sysctls[self._name] = value


def _name(which: str) -> Sysctl:
    """What the machine or its domain is called, as sethostname() sets it (proc_do_uts_string)."""

    def store(kernel: Kernel, data: bytes) -> None:
        name = data.split(b"\n")[0].split(b"\0")[0][:64]
        kernel.uts[which] = name.decode(errors="surrogateescape")

    return Sysctl(lambda kernel: kernel.uts[which] + "\n", store)


def _random_uuid(kernel: Kernel) -> str:
    return f"{uuid.UUID(bytes=kernel.random.randbytes(16), version=4)}\n"


def _boot_id(kernel: Kernel) -> str:
    """Told by the seed alone, so that reading it takes nothing from the guests' randomness."""
    name = f"vmemu boot {kernel.options.seed}"
    return f"{uuid.uuid5(uuid.NAMESPACE_OID, name)}\n"


_INT_MAX = (1 << 31) - 1


def _files() -> dict[str, Sysctl]:
    return {
        "vm/overcommit_memory": _number(lambda k: k.vm.commit.mode, _set_overcommit, 0, 2),
        "vm/overcommit_ratio": _number(lambda k: k.vm.commit.ratio, _set_ratio, 0, _INT_MAX),
        "vm/swappiness": _number(lambda k: k.vm.reclaim.swappiness, _set_swappiness, 0, 100),
        "vm/page-cluster": _number(lambda k: int(k.core.m.page_cluster), _set_page_cluster, 0, 5),
        "vm/min_free_kbytes": _number(
            lambda k: int(k.core.m.k.zone.pages_min) * KB_PER_PAGE, _set_min_free, 0, _INT_MAX
        ),
        "vm/max_map_count": _number(lambda k: k.vm.max_map_count, _set_map_count, 0, _INT_MAX),
        "vm/mmap_min_addr": _fixed(PAGE_SIZE),
        "vm/dirty_ratio": _Kept("dirty_ratio", 40, 0, 100).sysctl(),
        "vm/dirty_background_ratio": _Kept("dirty_background_ratio", 10, 0, 100).sysctl(),
        "vm/dirty_writeback_centisecs": _Kept("dirty_writeback", 500, 0, _INT_MAX).sysctl(),
        "vm/dirty_expire_centisecs": _Kept("dirty_expire", 3000, 0, _INT_MAX).sysctl(),
        "vm/vfs_cache_pressure": _Kept("vfs_cache_pressure", 100, 0, _INT_MAX).sysctl(),
        "vm/drop_caches": Sysctl(lambda _: "0\n", _drop_caches),
        "vm/oom_kill_allocating_task": _fixed(0),
        "vm/panic_on_oom": _fixed(0),
        "vm/nr_hugepages": _fixed(0),
        "vm/legacy_va_layout": Sysctl(lambda k: f"{int(not k.vm.topdown)}\n"),
        "vm/rmap": Sysctl(lambda k: f"{k.vm.rmap.name}\n"),
        "kernel/ostype": _fixed("Linux"),
        "kernel/osrelease": Sysctl(lambda k: k.options.release + "\n"),
        "kernel/version": _fixed("#1 SMP Wed Jun 16 05:18:37 UTC 2004"),
        "kernel/hostname": _name("hostname"),
        "kernel/domainname": _name("domainname"),
        "kernel/pid_max": _fixed(PID_MAX),
        "kernel/threads-max": Sysctl(lambda k: f"{k.tasks.limit}\n"),
        "kernel/ngroups_max": _fixed(65536),
        "kernel/cap_last_cap": _fixed(40),
        "kernel/randomize_va_space": Sysctl(lambda k: f"{2 * k.options.aslr}\n"),
        "kernel/random/uuid": Sysctl(_random_uuid),
        "kernel/random/boot_id": Sysctl(_boot_id),
        "kernel/random/entropy_avail": _fixed(256),
        "kernel/random/poolsize": _fixed(256),
        "kernel/shmmax": Sysctl(lambda k: f"{k.shm.shmmax}\n"),
        "kernel/shmall": Sysctl(lambda k: f"{k.shm.shmall}\n"),
        "kernel/shmmni": _fixed(SHMMNI),
        "kernel/shm_next_id": _next_id(lambda k: k.shm),
        "kernel/sem": Sysctl(
            lambda k: f"{k.sem.semmsl}\t{k.sem.semmns}\t{k.sem.semopm}\t{k.sem.limit}\n",
            _semaphores,
        ),
        "kernel/msgmax": _number(lambda k: k.msg.msgmax, _set_msgmax, 0, _INT_MAX),
        "kernel/msgmnb": _number(lambda k: k.msg.msgmnb, _set_msgmnb, 0, _INT_MAX),
        "kernel/msgmni": _number(lambda k: k.msg.limit, _set_msgmni, 0, IPCMNI),
        "kernel/msg_next_id": _next_id(lambda k: k.msg),
        "kernel/sem_next_id": _next_id(lambda k: k.sem),
        "kernel/core_pattern": _fixed("core"),
        "kernel/core_uses_pid": _fixed(0),
        "kernel/panic": _fixed(0),
        "kernel/tainted": _fixed(0),
        "kernel/overflowuid": _fixed(65534),
        "kernel/overflowgid": _fixed(65534),
        "kernel/perf_event_paranoid": _fixed(4),
        "kernel/yama/ptrace_scope": _fixed(0),
        "fs/file-max": Sysctl(lambda k: f"{k.options.max_host_memory >> 10}\n"),
        "fs/mqueue/queues_max": _mq("queues_max", 0, _INT_MAX),
        "fs/mqueue/msg_max": _mq("msg_max", 1, HARD_MSGMAX),
        "fs/mqueue/msg_default": _mq("msg_default", 1, HARD_MSGMAX),
        "fs/mqueue/msgsize_max": _mq("msgsize_max", 128, HARD_MSGSIZEMAX),
        "fs/mqueue/msgsize_default": _mq("msgsize_default", 128, HARD_MSGSIZEMAX),
        "fs/nr_open": _fixed(NR_OPEN),
        "fs/pipe-max-size": _fixed(16 * PAGE_SIZE),
        "fs/protected_hardlinks": _Kept("protected_hardlinks", 0, 0, 1).sysctl(),
        "fs/protected_symlinks": _fixed(0),
        "fs/suid_dumpable": _fixed(0),
    }


FILES = _files()
"""Settings by their path below /proc/sys."""
