"""/proc as a tree: files of the machine, settings, a directory for each task."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from vmemu.errors import Errno
from vmemu.kernel.process.cred import Cap
from vmemu.kernel.process.task import TaskState
from vmemu.vfs import proc, procfs, procinfo, procnet, procsys
from vmemu.vfs.node import Directory, FileSystem, Node, Services
from vmemu.vfs.procnode import (
    ContentNode,
    Entry,
    Link,
    Opened,
    ProcDirectory,
    ProcNode,
    Static,
    TextNode,
    Tree,
)

if TYPE_CHECKING:
    from vmemu.kernel.kernel import Kernel
    from vmemu.kernel.process.cred import Cred
    from vmemu.kernel.process.task import Task
    from vmemu.mm import MemoryManager

__all__ = ["ProcFs", "TaskDirectory"]

N = TypeVar("N", bound=ProcNode)
R = TypeVar("R")


def may_look(task: Task) -> None:
    """Errno EACCES unless one may look into a task (ptrace_may_access, PTRACE_MODE_READ)."""
    current = task.kernel.current
    if current is None or current.tgid == task.tgid:
        return
    cred, its = current.cred, task.cred
    if cred.capable(Cap.SYS_PTRACE):
        return
    users = {its.user.real, its.user.effective, its.user.saved}
    groups = {its.group.real, its.group.effective, its.group.saved}
    if (users, groups) != ({cred.user.fs}, {cred.group.fs}) or not task.dumpable:
        raise Errno(errno.EACCES)
    if its.permitted & ~cred.permitted:
        raise Errno(errno.EACCES)


class ProcFs(FileSystem):
    """/proc of a kernel."""

    name = "proc"
    kind = 0x9FA0

    def __init__(self, services: Services, dev: int, kernel: Kernel) -> None:
        super().__init__(services, dev)
        self.kernel = kernel
        self.root = _Root(self, kernel, _TREE)


def _of_memory(generate: Callable[[MemoryManager], str]) -> Entry:
    return Entry(lambda kernel: generate(kernel.vm))


_TREE = Tree(
    {path: _of_memory(generate) for path, generate in proc.FILES.items()}
    | {path: Entry(show) for path, show in (procinfo.FILES | procnet.FILES).items()}
    | {path: Entry(content=content) for path, content in procinfo.TABLES.items()}
    | {f"sys/{path}": Entry(*setting) for path, setting in procsys.FILES.items()}
)


class _Root(Static):
    """/proc itself: with tasks, and self."""

    fs: ProcFs

    def names(self) -> list[bytes]:
        """Files, links, tasks."""
        tasks = [b"%d" % task.pid for task in self._kernel.tasks.processes()]
        own = [b"self", b"thread-self"] if self._kernel.current is not None else []
        return [*super().names(), b"mounts", *own, *tasks]

    def lookup(self, name: bytes) -> Node:
        """A task's directory, or what is the same for everybody."""
        kernel, current = self._kernel, self._kernel.current
        if name in (b"self", b"thread-self"):
            if current is None:
                raise Errno(errno.ENOENT)
            path = f"{current.tgid}"
            if name != b"self":
                path += f"/task/{current.pid}"
            return Link(self.fs, 90 + (name != b"self"), lambda: path)
        if name == b"mounts":
            return Link(self.fs, 92, lambda: "self/mounts")
        task = procfs.find_task(kernel, name)
        return super().lookup(name) if task is None else TaskDirectory(self.fs, self, task)


class _OfTask(ProcDirectory):
    """A directory about a task: Errno ENOENT for all in it when the task has been reaped."""

    fs: ProcFs

    def __init__(self, fs: ProcFs, parent: Directory, task: Task, name: bytes, place: int) -> None:
        super().__init__(fs, parent, name, (task.pid << 24) + place)
        self._task = task
        self._own(self)

    def _own(self, node: N) -> N:
        """The task's user and group are a node's (task_dump_owner)."""
        cred = self._task.cred
        if node.mode == stat.S_IFDIR | 0o555 or self._task.dumpable:
            node.uid, node.gid = cred.user.effective, cred.group.effective
        return node

    def _looked(self, see: Callable[[Task], R]) -> Callable[[], R]:
        """See it if one may."""

        def seen() -> R:
            may_look(self._task)
            return see(self._task)

        return seen

    def names(self) -> list[bytes]:
        """Nothing of a task that is no more."""
        return [] if self._task.state is TaskState.DEAD else self._names()

    def _names(self) -> list[bytes]:
        raise NotImplementedError

    def lookup(self, name: bytes) -> Node:
        """What is in it."""
        if self._task.state is TaskState.DEAD:
            raise Errno(errno.ENOENT)
        return self._lookup(name)

    def _lookup(self, name: bytes) -> Node:
        raise NotImplementedError

    def _alive(self) -> Task:
        """The task; Errno ESRCH."""
        if self._task.state is TaskState.DEAD:
            raise Errno(errno.ESRCH)
        return self._task


class TaskDirectory(_OfTask):
    """/proc/PID, and /proc/PID/task/TID, which is the same without task."""

    def __init__(
        self, fs: ProcFs, parent: Directory, task: Task, *, of_thread: bool = False
    ) -> None:
        super().__init__(fs, parent, task, b"%d" % task.pid, 0x800000 if of_thread else 0)
        self._of_thread = of_thread

    @property
    def process(self) -> Task | None:
        """Whom a signal sent to this directory reaches, if it is /proc/PID; Errno ESRCH."""
        return None if self._of_thread else self._alive()

    def _names(self) -> list[bytes]:
        below = [name for name in _BELOW if not (self._of_thread and name == b"task")]
        return [*map(os.fsencode, _FILES), *below, *_LINKS]

    def _lookup(self, name: bytes) -> Node:
        task, text = self._task, os.fsdecode(name)
        if name in _BELOW and not (self._of_thread and name == b"task"):
            return _BELOW[name](self.fs, self, task)
        if name in _LINKS:
            show, jump = _LINKS[name]
            at = self.ino + 1 + list(_LINKS).index(name)
            return self._own(Link(self.fs, at, self._looked(show), self._looked(jump)))
        if text not in _FILES:
            raise Errno(errno.ENOENT)
        at, mode = self.ino + 16 + _FILES.index(text), procfs.TASK_MODES.get(text, 0)
        content = procfs.TASK_CONTENTS.get(text)
        if content is not None:
            return self._own(ContentNode(self.fs, at, self._looked(content), mode))
        generate, store = procfs.TASK_FILES[text], procfs.TASK_STORES.get(text)
        looked = procfs.TASK_PRIVATE
        return self._own(
            TextNode(
                self.fs,
                at,
                lambda: generate(self._alive()),
                None if store is None else lambda data: store(self._alive(), data),
                mode,
                (lambda: may_look(task)) if text in looked else None,
            )
        )


_FILES = [*procfs.TASK_FILES, *procfs.TASK_CONTENTS]


def _jump_cwd(task: Task) -> Node | None:
    return task.fs.cwd


def _jump_root(task: Task) -> Node | None:
    return task.fs.root


def _jump_exe(task: Task) -> Node | None:
    return task.exe_node if task.exe_node is not None else task.kernel.world.program(task.exe)


_LINKS: dict[bytes, tuple[Callable[[Task], str], Callable[[Task], Node | None]]] = {
    b"exe": (procfs.exe, _jump_exe),
    b"cwd": (procfs.cwd, _jump_cwd),
    b"root": (procfs.root, _jump_root),
}


class _Threads(_OfTask):
    """/proc/PID/task."""

    def __init__(self, fs: ProcFs, parent: Directory, task: Task) -> None:
        super().__init__(fs, parent, task, b"task", 12)

    def _names(self) -> list[bytes]:
        return [b"%d" % thread.pid for thread in procfs.threads(self._task)]

    def _lookup(self, name: bytes) -> Node:
        for thread in procfs.threads(self._task):
            if name == b"%d" % thread.pid:
                return TaskDirectory(self.fs, self, thread, of_thread=True)
        raise Errno(errno.ENOENT)


class _Descriptors(_OfTask):
    """/proc/PID/fd."""

    mode = stat.S_IFDIR | 0o500
    called, place = b"fd", 13

    def __init__(self, fs: ProcFs, parent: Directory, task: Task) -> None:
        super().__init__(fs, parent, task, self.called, self.place)

    def _names(self) -> list[bytes]:
        return [b"%d" % fd for fd in sorted(self._task.files.entries)]

    def _number(self, name: bytes) -> int:
        """The descriptor that a name means; Errno ENOENT."""
        fd = int(name) if name.isdigit() and len(name) < 8 else -1
        if fd not in self._task.files.entries or b"%d" % fd != name:
            raise Errno(errno.ENOENT)
        return fd

    def _lookup(self, name: bytes) -> Node:
        fd = self._number(name)
        file = self._task.files.entries[fd].file
        may_look(self._task)
        return self._own(
            Link(
                self.fs,
                self.ino + 1024 + fd,
                lambda: file.name,
                lambda: file.node if file.node is not None else Opened(self.fs, file),
            )
        )

    def admits(self, cred: Cred) -> bool | None:
        """A task sees what it has open itself (proc_fd_permission)."""
        current = self._task.kernel.current
        return True if current is not None and current.tgid == self._task.tgid else None


class _DescriptorInfo(_Descriptors):
    """/proc/PID/fdinfo."""

    mode = stat.S_IFDIR | 0o555
    called, place = b"fdinfo", 14

    def admits(self, cred: Cred) -> bool | None:
        """Others do not (proc_fdinfo_permission)."""
        try:
            may_look(self._task)
        except Errno:
            return False
        return None

    def _lookup(self, name: bytes) -> Node:
        fd = self._number(name)
        at = self.ino + 0x10000 + fd
        return self._own(
            TextNode(self.fs, at, lambda: procfs.fdinfo(self._alive(), fd), mode=0o444)
        )


class _Namespaces(_OfTask):
    """/proc/PID/ns."""

    mode = stat.S_IFDIR | 0o511

    def __init__(self, fs: ProcFs, parent: Directory, task: Task) -> None:
        super().__init__(fs, parent, task, b"ns", 15)

    def _names(self) -> list[bytes]:
        return list(procfs.NAMESPACES)

    def _lookup(self, name: bytes) -> Node:
        try:
            number = procfs.NAMESPACES[name]
        except KeyError:
            raise Errno(errno.ENOENT) from None
        kind, at = os.fsdecode(name).split("_")[0], list(procfs.NAMESPACES).index(name)

        def show(task: Task) -> str:
            return f"{kind}:[{number}]"

        def jump(task: Task) -> Node:
            return TextNode(self.fs, number, lambda: procfs.unreadable(task), mode=0o444)

        return self._own(
            Link(self.fs, self.ino + 0x20000 + at, self._looked(show), self._looked(jump))
        )


_BELOW: dict[bytes, Callable[[ProcFs, Directory, Task], Directory]] = {
    b"task": _Threads,
    b"fd": _Descriptors,
    b"fdinfo": _DescriptorInfo,
    b"ns": _Namespaces,
}
