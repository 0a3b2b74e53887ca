"""The kernel personality: tasks, programs, signals, system calls."""

from vmemu.kernel.kernel import Kernel, KernelOptions
from vmemu.kernel.process.task import Task, TaskState
from vmemu.kernel.process.wait import WaitStatus

__all__ = ["Kernel", "KernelOptions", "Task", "TaskState", "WaitStatus"]
