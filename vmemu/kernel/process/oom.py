"""The OOM killer: who goes when neither RAM nor swap is left (mm/oom_kill.c).

The badness is 2.6.6's, with the children's half of later 2.6 kernels: without
it a fork bomb's parent, which has no more memory than any child, would live.
"""

from __future__ import annotations

from math import isqrt
from typing import TYPE_CHECKING

from vmemu.core import lib
from vmemu.kernel.process.exit import exit_task
from vmemu.kernel.process.task import Task
from vmemu.kernel.process.wait import NSEC_PER_SEC, WaitStatus
from vmemu.kernel.signal.state import SigInfo, Signal, force_signal

if TYPE_CHECKING:
    from vmemu.kernel.kernel import Kernel


OOM_SCORE_ADJ_MIN, OOM_SCORE_ADJ_MAX = -1000, 1000


def badness(task: Task, now: int) -> int:
    """Points of a process: its pages, its children's, against the work it would lose.

    task is its leader; now is virtual nanoseconds.  Half of each child's total_vm counts for the
    parent unless they share an mm; CPU time counts in units of about ten
    seconds, run time in units of about a thousand, by their square and fourth
    root; a niced task counts double; oom_score_adj is a later kernel's.
    """
    memory, used = task.group.memory, task.group.used
    if memory is None:
        return 0
    task.kernel.account()
    points = int(memory.ptr.total_vm)
    for child in task.children.values():
        other = child.group.memory
        if other is not None and other.ptr != memory.ptr:
            points += int(other.ptr.total_vm) // 2 + 1
    cpu_time = (used.utime + used.stime) // NSEC_PER_SEC >> 3
    run_time = (now - task.start_time) // NSEC_PER_SEC >> 10
    points //= isqrt(cpu_time) or 1
    points //= isqrt(isqrt(run_time)) or 1
    if task.nice > 0:
        points *= 2
    return points if not task.group.oom_score_adj else _adjusted(task, points)


def _adjusted(task: Task, points: int) -> int:
    """With so many thousandths of RAM and swap more, or less; 0: it is never taken."""
    if task.group.oom_score_adj == OOM_SCORE_ADJ_MIN:
        return 0
    core = task.kernel.core
    pages = int(core.m.k.zone.present_pages) + int(core.lib.swap_total(core.m))
    return max(1, points + task.group.oom_score_adj * pages // 1000)


def select_bad_process(kernel: Kernel) -> tuple[Task, int] | None:
    """Choose the worst process, the oldest among equals; who calls swapoff() before all others.

    Gives its leader (select_bad_process() of 2.6.7).  None also while somebody is exiting.
    """
    caller = kernel.swapping_off
    if caller is not None and caller.memory is not None:
        leader = caller.group.leader
        return leader, badness(leader, kernel.sched.now)
    worst: tuple[Task, int] | None = None
    for task in kernel.tasks:
        if task.memory is not None and not task.alive:
            return None  # it is on its way out, and its memory will be free
        points = badness(task, kernel.sched.now) if task.is_leader else 0
        if points > 0 and (worst is None or points > worst[1]):
            worst = task, points
    return worst


def out_of_memory(kernel: Kernel) -> bool:
    """Kill the worst process and all that share its memory; True if memory came free.

    Other threads than the running one end here and now.  The running one gets a
    SIGKILL and dies on its way back to user code; until then its allocations
    fail.
    """
    current = kernel.current
    if current is not None and current.alive and current.signals.has_kill():
        return False
    choice = select_bad_process(kernel)
    if choice is None:
        return False
    victim, points = choice
    kernel.core.m.counter[lib.CNT_oom_kill] += 1
    kernel.core.event(lib.EV_oom, victim.pid, points, 0)
    kernel.call_hook("log", f"Out of Memory: Killed process {victim.pid} ({victim.comm}).")
    memory, killed = victim.group.memory, WaitStatus(Signal.SIGKILL, signaled=True)
    assert memory is not None
    ptr = memory.ptr
    sharing = [t for t in kernel.tasks if t.memory is not None and t.memory.ptr == ptr]
    for task in sharing:
        if task.group.exit_status is None:
            task.group.exit_status = killed
        if task is not current:
            exit_task(task, killed, tell=False)
    if current is not None and current in sharing:
        force_signal(current, SigInfo(Signal.SIGKILL))
        return False
    return True
