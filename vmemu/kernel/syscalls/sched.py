"""System calls of scheduling and of where memory is: one CPU, one node, tasks that run in turn.

What is set is kept and told again.  Nothing of it changes who runs.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from vmemu.errors import Errno
from vmemu.kernel import uaccess
from vmemu.kernel.process.cred import Cap
from vmemu.kernel.process.task import INIT_PID
from vmemu.kernel.process.wait import NSEC_PER_SEC
from vmemu.kernel.syscalls.table import syscall

if TYPE_CHECKING:
    from vmemu.kernel.process.task import Task

_OTHER, _FIFO, _RR, _BATCH, _ISO, _IDLE, _DEADLINE = range(7)
_REAL_TIME = (_FIFO, _RR)
_FAIR = (_OTHER, _BATCH, _IDLE)
_RESET_ON_FORK = 0x40000000
_RR_INTERVAL_NS = 100_000_000
_CPUMASK_BYTES = 8


def _target(task: Task, pid: int) -> Task:
    """Errno ESRCH."""
    found = task if not pid else task.kernel.tasks.get(pid)
    if found is None or not found.alive:
        raise Errno(errno.ESRCH)
    return found


def _policy_of(task: Task, pid: int) -> tuple[int, int]:
    """Policy and priority, of process 1 those of any."""
    return (_OTHER, 0) if pid == INIT_PID else _target(task, pid).policy


def _owns(task: Task, target: Task) -> None:
    """Errno EPERM for another user's task."""
    user = task.cred.user.effective
    if user not in (target.cred.user.real, target.cred.user.effective):
        _needs_nice(task)


def _needs_nice(task: Task) -> None:
    if not task.cred.capable(Cap.SYS_NICE):
        raise Errno(errno.EPERM)


def _set(task: Task, pid: int, policy: int | None, pointer: int) -> int:
    if pid < 0 or not pointer:
        raise Errno(errno.EINVAL)
    priority = uaccess.read_struct(task.mm, pointer, "i")[0]
    target = _target(task, pid)
    if policy is None:
        policy = target.policy[0]
    plain = policy & ~_RESET_ON_FORK
    if plain not in (*_REAL_TIME, *_FAIR):
        raise Errno(errno.EINVAL)
    if not 0 <= priority <= 99 or (plain in _REAL_TIME) != bool(priority):
        raise Errno(errno.EINVAL)
    if plain in _REAL_TIME:
        _needs_nice(task)
    _owns(task, target)
    target.policy = policy, priority
    return 0


@syscall(156, "pid", "int", "ptr", x64=144)
def sys_sched_setscheduler(task: Task, pid: int, policy: int, param: int) -> int:
    """Set policy and priority; Errno EINVAL, ESRCH, EPERM."""
    if policy < 0:
        raise Errno(errno.EINVAL)
    return _set(task, pid, policy, param)


@syscall(154, "pid", "ptr", x64=142)
def sys_sched_setparam(task: Task, pid: int, param: int) -> int:
    """Set the priority alone."""
    return _set(task, pid, None, param)


@syscall(157, "pid", x64=145)
def sys_sched_getscheduler(task: Task, pid: int) -> int:
    """The policy; Errno EINVAL, ESRCH."""
    if pid < 0:
        raise Errno(errno.EINVAL)
    return _policy_of(task, pid)[0]


@syscall(155, "pid", "ptr", x64=143)
def sys_sched_getparam(task: Task, pid: int, param: int) -> int:
    """The priority."""
    if pid < 0 or not param:
        raise Errno(errno.EINVAL)
    uaccess.write_struct(task.mm, param, "i", _policy_of(task, pid)[1])
    return 0


_ATTR_SIZE = 48
"""struct sched_attr of 3.14."""
_KEEP_POLICY, _KEEP_PARAMS, _ALL_FLAGS = 8, 0x10, 0x7F


@syscall(352, "pid", "ptr", "uint", "hex", x64=315)
def sys_sched_getattr(task: Task, pid: int, pointer: int, size: int, flags: int) -> int:
    """Policy, nice value and priority; Errno EINVAL, ESRCH, EFAULT."""
    if not pointer or size > 4096 or size < _ATTR_SIZE or flags or pid < 0:
        raise Errno(errno.EINVAL)
    target = _target(task, pid)
    policy, priority = target.policy
    plain = policy & ~_RESET_ON_FORK
    nice = target.nice if plain in _FAIR else 0
    reset = int(bool(policy & _RESET_ON_FORK))
    uaccess.write_struct(
        task.mm, pointer, "2IQiI3Q", _ATTR_SIZE, plain, reset, nice, priority, 0, 0, 0
    )
    return 0


@syscall(351, "pid", "ptr", "hex", x64=314)
def sys_sched_setattr(task: Task, pid: int, pointer: int, flags: int) -> int:
    """The same, to be set; Errno EINVAL, also for deadlines, E2BIG, ESRCH, EPERM."""
    if not pointer or pid < 0 or flags:
        raise Errno(errno.EINVAL)
    size = uaccess.read_struct(task.mm, pointer, "I")[0] or _ATTR_SIZE
    fits = _ATTR_SIZE <= size <= 4096
    if not fits or any(uaccess.read(task.mm, pointer + _ATTR_SIZE, size - _ATTR_SIZE)):
        uaccess.write_struct(task.mm, pointer, "I", _ATTR_SIZE)
        raise Errno(errno.E2BIG)
    _, policy, options, nice, priority = uaccess.read_struct(task.mm, pointer, "2IQiI")
    if policy >> 31:
        raise Errno(errno.EINVAL)
    target = _target(task, pid)
    if options & _KEEP_POLICY:
        policy = target.policy[0] & ~_RESET_ON_FORK
    if options & _KEEP_PARAMS:
        nice, priority = target.nice, target.policy[1]
    if policy not in (*_REAL_TIME, *_FAIR) or options & ~_ALL_FLAGS:
        raise Errno(errno.EINVAL)
    if not 0 <= priority <= 99 or (policy in _REAL_TIME) != bool(priority):
        raise Errno(errno.EINVAL)
    nice = max(-20, min(19, nice))
    if policy in _REAL_TIME or (policy in _FAIR and nice < target.nice):
        _needs_nice(task)
    _owns(task, target)
    if options & _KEEP_PARAMS:
        return 0  # the policy stays as well
    target.policy = policy | (_RESET_ON_FORK if options & 1 else 0), priority
    if policy in (_OTHER, _BATCH):
        target.nice = nice
    return 0


def _range(policy: int) -> tuple[int, int]:
    if policy in _REAL_TIME:
        return 1, 99
    if policy in (*_FAIR, _DEADLINE):
        return 0, 0
    raise Errno(errno.EINVAL)


@syscall(159, "int", x64=146)
def sys_sched_get_priority_max(task: Task, policy: int) -> int:
    """The highest priority of a policy; Errno EINVAL."""
    return _range(policy)[1]


@syscall(160, "int", x64=147)
def sys_sched_get_priority_min(task: Task, policy: int) -> int:
    """The lowest priority of a policy; Errno EINVAL."""
    return _range(policy)[0]


def _interval(task: Task, pid: int) -> tuple[int, int]:
    if pid < 0:
        raise Errno(errno.EINVAL)
    policy = _target(task, pid).policy[0] & ~_RESET_ON_FORK
    return divmod(0 if policy == _FIFO else _RR_INTERVAL_NS, NSEC_PER_SEC)


@syscall(161, "pid", "ptr", x64=148)
def sys_sched_rr_get_interval(task: Task, pid: int, pointer: int) -> int:
    """A time slice as 2.6 has it, 100 ms."""
    uaccess.write_struct(task.mm, pointer, "2n", *_interval(task, pid))
    return 0


@syscall(423, "pid", "ptr")
def sys_sched_rr_get_interval_time64(task: Task, pid: int, pointer: int) -> int:
    """The same with 64 bits of seconds."""
    uaccess.write_struct(task.mm, pointer, "2q", *_interval(task, pid))
    return 0


@syscall(241, "pid", "uint", "ptr", x64=203)
def sys_sched_setaffinity(task: Task, pid: int, length: int, pointer: int) -> int:
    """Choose CPUs, of which there is one; Errno EFAULT, ESRCH, EPERM, EINVAL without it."""
    read = min(length, _CPUMASK_BYTES)
    mask = int.from_bytes(uaccess.read(task.mm, pointer, read), "little") if read else 0
    _owns(task, _target(task, pid))
    if not mask & 1:
        raise Errno(errno.EINVAL)
    return 0


@syscall(242, "pid", "uint", "ptr", x64=204)
def sys_sched_getaffinity(task: Task, pid: int, length: int, pointer: int) -> int:
    """Which CPUs it may use; how many bytes that takes."""
    word = task.kernel.core.word
    if not length or length % word:
        raise Errno(errno.EINVAL)
    _target(task, pid)
    count = min(length, _CPUMASK_BYTES)
    uaccess.write(task.mm, pointer, (1).to_bytes(count, "little"))
    return count


@syscall(318, "ptr", "ptr", "ptr", x64=309)
def sys_getcpu(task: Task, cpu: int, node: int, cache: int) -> int:
    """Where it runs: CPU 0, node 0."""
    for pointer in (cpu, node):
        if pointer:
            uaccess.write_struct(task.mm, pointer, "I", 0)
    return 0


_QUERY, _GLOBAL, _GLOBAL_EXPEDITED, _REGISTER_GLOBAL, _PRIVATE, _REGISTER_PRIVATE = (
    *(0, 1, 2, 4),
    *(8, 16),
)
_BARRIERS = _GLOBAL | _GLOBAL_EXPEDITED | _REGISTER_GLOBAL | _PRIVATE | _REGISTER_PRIVATE


@syscall(375, "int", "uint", "int", x64=324)
def sys_membarrier(task: Task, command: int, flags: int, cpu: int) -> int:
    """Nothing to be done: one thread runs at a time.  Errno EINVAL, EPERM if not registered."""
    if flags:
        raise Errno(errno.EINVAL)
    if command == _QUERY:
        return _BARRIERS
    if command < 0 or not command & _BARRIERS or command & command - 1:
        raise Errno(errno.EINVAL)
    told = task.group.leader.prctl
    if command == _REGISTER_PRIVATE:
        told[-_REGISTER_PRIVATE] = 1
    if command == _PRIVATE and -_REGISTER_PRIVATE not in told:
        raise Errno(errno.EPERM)
    return 0


_MPOL_DEFAULT, _MPOL_MODES, _MPOL_FLAGS = 0, 6, 0xE000
_MPOL_F_NODE, _MPOL_F_ADDR, _MPOL_F_MEMS_ALLOWED = 1, 2, 4


def _nodes(task: Task, pointer: int, maxnode: int) -> int:
    """A set of nodes; Errno EINVAL for one that does not exist, EFAULT."""
    if not pointer or maxnode <= 1:
        return 0
    bits = maxnode - 1
    if bits > 8 * 4096:
        raise Errno(errno.EINVAL)
    data = uaccess.read(task.mm, pointer, -(-bits // 64) * 8)
    mask = int.from_bytes(data, "little") & (1 << bits) - 1
    if mask & ~1:
        raise Errno(errno.EINVAL)
    return mask


def _policy(task: Task, mode: int, pointer: int, maxnode: int) -> None:
    """Look at a memory policy, all of which mean node 0; Errno EINVAL, EFAULT."""
    plain = mode & ~_MPOL_FLAGS
    if not 0 <= plain <= _MPOL_MODES:
        raise Errno(errno.EINVAL)
    nodes = _nodes(task, pointer, maxnode)
    if plain in (2, 3, 5, 6) and not nodes:  # BIND, INTERLEAVE, PREFERRED_MANY, WEIGHTED
        raise Errno(errno.EINVAL)
    if plain in (0, 4) and nodes:  # DEFAULT, LOCAL
        raise Errno(errno.EINVAL)


@syscall(276, "int", "ptr", "size", x64=238)
def sys_set_mempolicy(task: Task, mode: int, pointer: int, maxnode: int) -> int:
    """Say which nodes memory shall be of; there is one."""
    _policy(task, mode, pointer, maxnode)
    return 0


@syscall(274, "ptr", "size", "size", "ptr", "size", "uint", x64=237)
def sys_mbind(
    task: Task, start: int, length: int, mode: int, pointer: int, maxnode: int, flags: int
) -> int:
    """The same for a range; Errno EINVAL, EFAULT."""
    _policy(task, mode, pointer, maxnode)
    if start % 4096 or flags & ~7:
        raise Errno(errno.EINVAL)
    return 0


@syscall(275, "ptr", "ptr", "size", "ptr", "size", x64=239)
def sys_get_mempolicy(
    task: Task, mode: int, pointer: int, maxnode: int, address: int, flags: int
) -> int:
    """The policy, which is the default one, or the node, which is 0."""
    if flags & ~7 or (pointer and maxnode < 1):
        raise Errno(errno.EINVAL)
    if flags & _MPOL_F_MEMS_ALLOWED and flags & (_MPOL_F_NODE | _MPOL_F_ADDR):
        raise Errno(errno.EINVAL)
    if not flags & _MPOL_F_ADDR and address:
        raise Errno(errno.EINVAL)
    if flags & _MPOL_F_NODE and not flags & _MPOL_F_ADDR:
        raise Errno(errno.EINVAL)
    if mode:
        uaccess.write_struct(task.mm, mode, "i", _MPOL_DEFAULT)
    if pointer:
        size = min(-(-(maxnode - 1) // 64) * 8, 8 * 128)
        data = int(bool(flags & _MPOL_F_MEMS_ALLOWED)).to_bytes(max(size, 8), "little")
        uaccess.write(task.mm, pointer, data[:size])
    return 0


@syscall(289, "int", "pid", "int", x64=251)
def sys_ioprio_set(task: Task, which: int, who: int, priority: int) -> int:
    """Priorities of I/O have no effect."""
    if which not in (1, 2, 3) or not 0 <= priority >> 13 <= 3:
        raise Errno(errno.EINVAL)
    return 0


@syscall(290, "int", "pid", x64=252)
def sys_ioprio_get(task: Task, which: int, who: int) -> int:
    """No class, the middle one."""
    if which not in (1, 2, 3):
        raise Errno(errno.EINVAL)
    return 4
