"""The nodes of /proc and /sys: made when they are looked up, from tables of functions."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from vmemu.core import PAGE_SIZE
from vmemu.errors import Errno
from vmemu.vfs.file import O_ACCMODE, O_RDONLY, O_TRUNC, File, FileStat
from vmemu.vfs.node import Directory, FileSystem, Node
from vmemu.vfs.procfile import ContentFile, TextFile

if TYPE_CHECKING:
    from vmemu.kernel.kernel import Kernel
    from vmemu.vfs.procfile import Content, Show, Store

__all__ = [
    "ContentNode", "Entry", "Link", "Opened", "ProcDirectory", "ProcNode", "Static", "TextNode",
    "Tree",
]  # fmt: skip


class ProcNode(Node):
    """What has no life of its own."""

    mode = 0
    ino = 0
    uid = gid = 0

    def stat(self) -> FileStat:
        """Describe it: length 0, as everything in /proc."""
        now = self.fs.services.now()
        return FileStat(
            self.mode, self.ino, nlink=2 if self.directory else 1, dev=self.fs.dev,
            uid=self.uid, gid=self.gid, blocks=0, atime=now, mtime=now, ctime=now,
        )  # fmt: skip


class TextNode(ProcNode):
    """A text that is written when it is read, and what takes what is written to it."""

    regular = True

    def __init__(
        self,
        fs: FileSystem,
        ino: int,
        show: Show,
        store: Store | None = None,
        mode: int = 0,
        looks: Callable[[], None] | None = None,
    ) -> None:
        self.fs, self.ino, self._show, self._store = fs, ino, show, store
        self._looks = looks
        """Refuses whom the text is not for."""
        self.mode = stat.S_IFREG | (mode or (0o444 if store is None else 0o644))

    def open(self, flags: int, name: str) -> File:
        """Errno EACCES for writing what only tells."""
        if self._store is None and (flags & O_ACCMODE != O_RDONLY or flags & O_TRUNC):
            raise Errno(errno.EACCES)
        if self._looks is not None:
            self._looks()
        return TextFile(self, flags, name, self._show, self._store, self.fs.services.hold)


class ContentNode(ProcNode):
    """A table with an entry at each place."""

    regular = True

    def __init__(self, fs: FileSystem, ino: int, content: Callable[[], Content], mode: int) -> None:
        self.fs, self.ino, self._content = fs, ino, content
        self.mode = stat.S_IFREG | mode

    def open(self, flags: int, name: str) -> File:
        """Errno EACCES for writing what cannot be written."""
        if not self.mode & 0o200 and (flags & O_ACCMODE != O_RDONLY or flags & O_TRUNC):
            raise Errno(errno.EACCES)
        return ContentFile(self, flags, name, self._content())


class Link(ProcNode):
    """A link whose text is made when it is read, and which may be more than its text."""

    link = True
    mode = stat.S_IFLNK | 0o777

    def __init__(
        self,
        fs: FileSystem,
        ino: int,
        show: Callable[[], str],
        jump: Callable[[], Node | None] = lambda: None,
    ) -> None:
        self.fs, self.ino, self._show, self._jump = fs, ino, show, jump

    def readlink(self) -> bytes:
        """Its text; Errno ENAMETOOLONG for one that does not fit into a page (d_path)."""
        text = os.fsencode(self._show())
        if len(text) >= PAGE_SIZE:
            raise Errno(errno.ENAMETOOLONG)
        return text

    def jump(self) -> Node | None:
        """What it leads to, whatever that is called."""
        return self._jump()


class Opened(Node):
    """An open file that has no name: what /proc/PID/fd/N leads to."""

    def __init__(self, fs: FileSystem, file: File) -> None:
        self.fs, self._file = fs, file

    def stat(self) -> FileStat:
        """The file's."""
        return self._file.stat()

    def is_fifo(self) -> bool:
        """Not even if the file is a pipe: nobody is waited for."""
        return False

    def open(self, flags: int, name: str) -> File:
        """The same open file again; Errno EACCES if it is not open for that."""
        wanted, file = flags & O_ACCMODE, self._file
        if (wanted != O_RDONLY and not file.writable) or (wanted != 1 and not file.readable):
            raise Errno(errno.EACCES)
        return file


class ProcDirectory(ProcNode, Directory):
    """A directory whose names are told by a function."""

    mode = stat.S_IFDIR | 0o555

    def __init__(self, fs: FileSystem, parent: Directory | None, name: bytes, ino: int) -> None:
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


class Entry(NamedTuple):
    """A file that is the same for everybody: its text, what takes another, or its table."""

    show: Callable[[Kernel], str] | None = None
    store: Callable[[Kernel, bytes], None] | None = None
    content: Callable[[Kernel], Content] | None = None

    def node(self, fs: FileSystem, kernel: Kernel, ino: int) -> Node:
        """Its node."""
        show, store, content = self.show, self.store, self.content
        if content is not None:
            return ContentNode(fs, ino, lambda: content(kernel), 0o400)
        assert show is not None
        return TextNode(
            fs,
            ino,
            lambda: show(kernel),
            None if store is None else lambda data: store(kernel, data),
        )


class Tree:
    """Entries by path, and the directories that they make."""

    def __init__(self, entries: dict[str, Entry]) -> None:
        self.entries = entries
        self.numbers = {path: 1000 + number for number, path in enumerate(entries)}
        self.directories: dict[bytes, dict[bytes, str]] = {b"": {}}
        """The names in each, by path; "" stands for a directory."""
        for path in entries:
            at, *names = b"", *os.fsencode(path).split(b"/")
            for name in names[:-1]:
                self.directories[at].setdefault(name, "")
                at = at + b"/" + name if at else name
                self.directories.setdefault(at, {})
            self.directories[at][names[-1]] = path
        self.places = {path: 2 + at for at, path in enumerate(self.directories)}


class Static(ProcDirectory):
    """A directory that is the same for everybody."""

    def __init__(
        self,
        fs: FileSystem,
        kernel: Kernel,
        tree: Tree,
        parent: Directory | None = None,
        name: bytes = b"",
        path: bytes = b"",
    ) -> None:
        super().__init__(fs, parent, name, tree.places[path])
        self._kernel, self._tree, self._path = kernel, tree, path

    def names(self) -> list[bytes]:
        """As the tree has them."""
        return list(self._tree.directories[self._path])

    def lookup(self, name: bytes) -> Node:
        """A file, or a directory; Errno ENOENT."""
        tree = self._tree
        path = tree.directories[self._path].get(name)
        if path is None:
            raise Errno(errno.ENOENT)
        if not path:
            below = self._path + b"/" + name if self._path else name
            return Static(self.fs, self._kernel, tree, self, name, below)
        return tree.entries[path].node(self.fs, self._kernel, tree.numbers[path])
