"""Walking paths, and where a process begins to walk (struct fs_struct, namei)."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from typing import NamedTuple

from vmemu.errors import Errno
from vmemu.kernel.process.cred import ROOT, Cred
from vmemu.vfs.node import NAME_MAX, Directory, Node, path_of
from vmemu.vfs.permission import MAY_EXEC, permission, searches_all

__all__ = ["FsStruct", "Last", "Walk"]

MAXSYMLINKS = 40


class FsStruct:
    """The root, the working directory and the umask of tasks that share them (CLONE_FS)."""

    __slots__ = ("_cwd", "_own_root", "_root", "umask", "users")

    def __init__(
        self, root: Callable[[], Directory], cwd: Directory | None = None, umask: int = 0o022
    ) -> None:
        self._root, self._cwd, self.umask = root, cwd, umask
        self.users = 1
        self._own_root: Directory | None = None
        if cwd is not None:
            cwd.pin()

    @property
    def root(self) -> Directory:
        """Where absolute paths begin."""
        return self._root() if self._own_root is None else self._own_root

    @property
    def cwd(self) -> Directory:
        """Where relative ones do: in the root until chdir()."""
        return self._root() if self._cwd is None else self._cwd

    def share(self) -> FsStruct:
        """Another task uses the same one."""
        self.users += 1
        return self

    def copy(self) -> FsStruct:
        """Give a child its own (copy_fs_struct)."""
        child = FsStruct(self._root, self._cwd, self.umask)
        if self._own_root is not None:
            child.chroot(self._own_root)
        return child

    def chdir(self, directory: Directory) -> None:
        """Work elsewhere."""
        directory.pin()
        if self._cwd is not None:
            self._cwd.unpin()
        self._cwd = directory

    def chroot(self, directory: Directory) -> None:
        """Begin elsewhere; the working directory stays, outside of it perhaps."""
        if self._cwd is None:
            self.chdir(self.cwd)
        directory.pin()
        if self._own_root is not None:
            self._own_root.unpin()
        self._own_root = directory

    def exit(self) -> None:
        """A task is done with it (exit_fs)."""
        self.users -= 1
        if self.users:
            return
        for directory in (self._cwd, self._own_root):
            if directory is not None:
                directory.unpin()


class Last(NamedTuple):
    """The end of a path: a directory that was found, and a name that may be in it."""

    parent: Directory
    name: bytes
    """b"" for the root itself."""
    slash: bool
    """The path ends with a slash: it means a directory."""

    @property
    def special(self) -> bool:
        """It is no name that could be made or removed."""
        return self.name in (b"", b".", b"..")


class Walk:
    """One walk through the names of a path, as far as somebody may; it follows 40 links in all."""

    def __init__(self, root: Directory, cred: Cred = ROOT) -> None:
        self.root = root
        self._refused = None if searches_all(cred) else cred
        """Whom the modes of directories may keep out."""
        self.links = 0
        self._end: Last | None = None
        self._jumped: bytes | None = None

    def parent(self, at: Node, path: bytes) -> Last:
        """Go to the directory that the last name is looked up in; Errno ENOENT, EACCES, ..."""
        if path.startswith(b"/"):
            at = self.root
        names = [name for name in path.split(b"/") if name]
        for name in names[:-1]:
            self._search(at)
            at = self.step(at, name, follow=True)
        if not isinstance(at, Directory):
            raise Errno(errno.ENOTDIR)
        if names:
            self._search(at)
        return Last(at, names[-1] if names else b"", path.endswith(b"/"))

    def _search(self, at: Node) -> None:
        """Errno EACCES for a directory whose names are not to be looked up (may_lookup)."""
        if self._refused is not None and at.directory:
            permission(at, MAY_EXEC, self._refused)

    def step(self, at: Node, name: bytes, *, follow: bool) -> Node:
        """Go from a directory to what a name in it stands for."""
        if not isinstance(at, Directory):
            raise Errno(errno.ENOTDIR)
        if name == b".":
            return at
        if name == b"..":
            return at if at is self.root else at.parent
        if len(name) > NAME_MAX:
            raise Errno(errno.ENAMETOOLONG)
        node = at.find(name)
        return self.follow(at, node) if follow and node.link else node

    def follow(self, at: Directory, link: Node) -> Node:
        """Go where a link in a directory leads."""
        jump, target = self.read(link)
        if jump is not None:
            return jump
        return self.last(self.parent(at, target), follow=True)

    def read(self, link: Node) -> tuple[Node | None, bytes]:
        """What a link is, or a path to it; Errno ELOOP, ENOENT."""
        self.links += 1
        if self.links > MAXSYMLINKS:
            raise Errno(errno.ELOOP)
        jump = link.jump()
        if jump is not None:
            self._jumped = link.readlink()
            return jump, b""
        target = link.readlink()
        if not target:
            raise Errno(errno.ENOENT)
        return None, target

    def last(self, last: Last, *, follow: bool) -> Node:
        """What the end of a path stands for."""
        self._end, self._jumped = last, None
        if not last.name:
            return last.parent
        node = self.step(last.parent, last.name, follow=follow or last.slash)
        if last.slash and not node.directory:
            raise Errno(errno.ENOTDIR)
        return node

    def find(self, at: Node, path: bytes, *, follow: bool = True) -> Node:
        """What a path stands for, a link itself unless it is to be followed."""
        return self.last(self.parent(at, path), follow=follow)

    def check_free(self, last: Last, *, directory: bool = False) -> None:
        """A name can be made that is not there yet; Errno EEXIST, ENOENT, EROFS."""
        if last.special:
            raise Errno(errno.EEXIST)
        try:
            self.step(last.parent, last.name, follow=False)
        except Errno as error:
            if error.errno != errno.ENOENT:
                raise
        else:
            raise Errno(errno.EEXIST)
        if last.slash and not directory:
            raise Errno(errno.ENOENT)
        if last.parent.fs.readonly:
            raise Errno(errno.EROFS)

    def path(self, node: Node) -> str:
        """The absolute path of what was found last, as /proc tells it."""
        if self._jumped is not None:
            return os.fsdecode(self._jumped)
        if isinstance(node, Directory):
            return os.fsdecode(path_of(node, self.root))
        assert self._end is not None
        above = path_of(self._end.parent, self.root)
        return os.fsdecode(above.rstrip(b"/") + b"/" + self._end.name)

    def end(self, last: Last) -> None:
        """What is found is the end of another path, by name."""
        self._end, self._jumped = last, None
