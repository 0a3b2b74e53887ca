"""The kernel personality: tasks, programs, signals, system calls."""

from vmemu.kernel.kernel import Kernel, KernelOptions
from vmemu.kernel.task import Task, TaskState
from vmemu.kernel.wait import WaitStatus

__all__ = ["Kernel", "KernelOptions", "Task", "TaskState", "WaitStatus"]
