"""/proc as a tree: what vmemu.vfs.proc and procfs tell, under their names."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable
from typing import TYPE_CHECKING

from vmemu.errors import Errno
from vmemu.vfs import proc, procfs
from vmemu.vfs.file import O_ACCMODE, O_RDONLY, O_TRUNC, File, FileStat, TextFile
from vmemu.vfs.node import Directory, FileSystem, Node, Services

if TYPE_CHECKING:
    from vmemu.kernel.kernel import Kernel
    from vmemu.kernel.process.task import Task

__all__ = ["ProcFs"]


class ProcFs(FileSystem):
    """/proc of a kernel."""

    name = "proc"
    kind = 0x9FA0

    def __init__(self, services: Services, dev: int, kernel: Kernel) -> None:
        super().__init__(services, dev)
        self.kernel = kernel
        self.root = _Root(self)


class _ProcNode(Node):
    """What has no life of its own: made when it is looked up."""

    fs: ProcFs
    mode = 0
    ino = 0

    def stat(self) -> FileStat:
        """Describe it: length 0, as everything in /proc."""
        now = self.fs.services.now()
        return FileStat(
            self.mode, self.ino, nlink=2 if self.directory else 1, dev=self.fs.dev, blocks=0,
            atime=now, mtime=now, ctime=now,
        )  # fmt: skip


class _Text(_ProcNode):
    """A file that is written when it is opened."""

    regular = True
    mode = stat.S_IFREG | 0o444

    def __init__(self, fs: ProcFs, ino: int, show: Callable[[], str | bytes]) -> None:
        self.fs, self.ino, self._show = fs, ino, show

    def open(self, flags: int, name: str) -> File:
        """Read all of it; Errno EACCES for writing."""
        if flags & O_ACCMODE != O_RDONLY or flags & O_TRUNC:
            raise Errno(errno.EACCES)
        text = self._show()
        file = TextFile(
            name, text.encode(errors="surrogateescape") if isinstance(text, str) else text
        )
        file.node = self
        return file


class _Link(_ProcNode):
    """A link whose text is made when it is read, and which may be more than its text."""

    link = True
    mode = stat.S_IFLNK | 0o777

    def __init__(
        self, fs: ProcFs, ino: int, show: Callable[[], str], jump: Callable[[], Node | None]
    ) -> None:
        self.fs, self.ino, self._show, self._jump = fs, ino, show, jump

    def readlink(self) -> bytes:
        """Its text."""
        return os.fsencode(self._show())

    def jump(self) -> Node | None:
        """What it leads to, whatever that is called."""
        return self._jump()


class _Opened(Node):
    """An open file that has no name: what /proc/PID/fd/N leads to."""

    def __init__(self, fs: ProcFs, file: File) -> None:
        self.fs, self._file = fs, file

    def stat(self) -> FileStat:
        """The file's."""
        return self._file.stat()

    def open(self, flags: int, name: str) -> File:
        """The same open file again; Errno EACCES if it is not open for that."""
        wanted, file = flags & O_ACCMODE, self._file
        if (wanted != O_RDONLY and not file.writable) or (wanted != 1 and not file.readable):
            raise Errno(errno.EACCES)
        return file


class _ProcDirectory(_ProcNode, Directory):
    """A directory whose names are told by a function."""

    mode = stat.S_IFDIR | 0o555

    def __init__(self, fs: ProcFs, parent: Directory | None, name: bytes, ino: int) -> None:
        self.fs, self.name, self.ino = fs, name, ino
        self.parent = parent if parent is not None else self
        self.attached = {}

    def names(self) -> list[bytes]:
        """What is in it."""
        raise NotImplementedError

    def entries(self) -> list[tuple[bytes, int, int]]:
        """As the nodes say."""
        found = []
        for name in self.names():
            told = self.lookup(name).stat()
            found.append((name, told.ino, stat.S_IFMT(told.mode)))
        return found

    def _refuse(self) -> Errno:
        return Errno(errno.EACCES)


def _static() -> dict[bytes, dict[bytes, str]]:
    """The names in each directory of /proc but those of tasks; "" stands for a directory."""
    tree: dict[bytes, dict[bytes, str]] = {b"": {}}
    for path in proc.FILES:
        at, *names = b"", *os.fsencode(path).split(b"/")
        for name in names[:-1]:
            tree[at].setdefault(name, "")
            at = at + b"/" + name if at else name
            tree.setdefault(at, {})
        tree[at][names[-1]] = path
    return tree


_TREE = _static()
_NUMBERS = {path: 100 + number for number, path in enumerate(proc.FILES)}


class _Static(_ProcDirectory):
    """A directory that is the same for everybody."""

    def __init__(self, fs: ProcFs, parent: Directory | None, name: bytes, path: bytes) -> None:
        super().__init__(fs, parent, name, 2 + list(_TREE).index(path))
        self._path = path

    def names(self) -> list[bytes]:
        """As proc.FILES has them."""
        return list(_TREE[self._path])

    def lookup(self, name: bytes) -> Node:
        """A file, or a directory."""
        path = _TREE[self._path].get(name)
        if path is None:
            raise Errno(errno.ENOENT)
        if not path:
            return _Static(self.fs, self, name, self._path + b"/" + name if self._path else name)
        generate, vm = proc.FILES[path], self.fs.kernel.vm
        return _Text(self.fs, _NUMBERS[path], lambda: generate(vm))


class _Root(_Static):
    """/proc itself: with tasks, and self."""

    def __init__(self, fs: ProcFs) -> None:
        super().__init__(fs, None, b"", b"")

    def names(self) -> list[bytes]:
        """Files, self, tasks."""
        tasks = [b"%d" % task.pid for task in self.fs.kernel.tasks.processes()]
        own = [b"self"] if self.fs.kernel.current is not None else []
        return [*super().names(), *own, *tasks]

    def lookup(self, name: bytes) -> Node:
        """A task's directory, or what is the same for everybody."""
        kernel = self.fs.kernel
        if name == b"self":
            current = kernel.current
            if current is None:
                raise Errno(errno.ENOENT)
            return _Link(self.fs, 90, lambda: str(current.tgid), lambda: None)
        if name == b"mounts":
            return _Link(self.fs, 91, lambda: "self/mounts", lambda: None)
        task = procfs.find_task(kernel, name)
        return super().lookup(name) if task is None else _TaskDirectory(self.fs, self, task)


class _TaskDirectory(_ProcDirectory):
    """/proc/PID."""

    def __init__(self, fs: ProcFs, parent: Directory, task: Task) -> None:
        super().__init__(fs, parent, b"%d" % task.pid, task.pid << 16)
        self._task = task

    def names(self) -> list[bytes]:
        """Files and links."""
        return [*map(os.fsencode, procfs.TASK_FILES), b"fd", *_LINKS]

    def lookup(self, name: bytes) -> Node:
        """A file, a link, or fd."""
        task, number = self._task, self.ino + 1
        if name == b"fd":
            return _Descriptors(self.fs, self, task)
        if name in _LINKS:
            show, jump = _LINKS[name]
            at = number + 1 + list(_LINKS).index(name)
            return _Link(self.fs, at, lambda: show(task), lambda: jump(task))
        generate = procfs.TASK_FILES.get(os.fsdecode(name))
        if generate is None:
            raise Errno(errno.ENOENT)
        at = number + 16 + list(procfs.TASK_FILES).index(os.fsdecode(name))
        return _Text(self.fs, at, lambda: generate(task))


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


class _Descriptors(_ProcDirectory):
    """/proc/PID/fd."""

    mode = stat.S_IFDIR | 0o500

    def __init__(self, fs: ProcFs, parent: Directory, task: Task) -> None:
        super().__init__(fs, parent, b"fd", (task.pid << 16) + 64)
        self._task = task

    def names(self) -> list[bytes]:
        """The numbers of what is open."""
        return [b"%d" % fd for fd in sorted(self._task.files.entries)]

    def lookup(self, name: bytes) -> Node:
        """A link to an open file."""
        entry = self._task.files.entries.get(int(name)) if name.isdigit() else None
        if entry is None:
            raise Errno(errno.ENOENT)
        file = entry.file
        return _Link(
            self.fs,
            self.ino + 1 + int(name),
            lambda: file.name,
            lambda: file.node if file.node is not None else _Opened(self.fs, file),
        )
