"""Walks with bounds, as openat2() asks for them (LOOKUP_BENEATH and its kin)."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from vmemu.errors import Errno
from vmemu.vfs.walk import Last, Walk

if TYPE_CHECKING:
    from vmemu.kernel.process.cred import Cred
    from vmemu.vfs.node import Directory, Node

__all__ = [
    "RESOLVE_ALL", "RESOLVE_BENEATH", "RESOLVE_CACHED", "RESOLVE_IN_ROOT", "ScopedWalk",
]  # fmt: skip

RESOLVE_NO_XDEV, RESOLVE_NO_MAGICLINKS, RESOLVE_NO_SYMLINKS = 1, 2, 4
RESOLVE_BENEATH, RESOLVE_IN_ROOT, RESOLVE_CACHED = 8, 16, 32
RESOLVE_ALL = 63


class ScopedWalk(Walk):
    """A walk that goes only where it may; Errno EXDEV, ELOOP."""

    def __init__(self, root: Directory, start: Directory, resolve: int, cred: Cred) -> None:
        super().__init__(start if resolve & RESOLVE_IN_ROOT else root, cred)
        self._start, self._resolve = start, resolve

    def parent(self, at: Node, path: bytes) -> Last:
        """Not from the root, unless that is where it began."""
        if path.startswith(b"/"):
            if self._resolve & RESOLVE_BENEATH:
                raise Errno(errno.EXDEV)
            self._crosses(at, self.root)
        return super().parent(at, path)

    def step(self, at: Node, name: bytes, *, follow: bool) -> Node:
        """Not above where it began, nor to another file system."""
        if name == b".." and self._resolve & RESOLVE_BENEATH and at is self._start:
            raise Errno(errno.EXDEV)
        there = super().step(at, name, follow=follow)
        self._crosses(at, there)
        return there

    def read(self, link: Node) -> tuple[Node | None, bytes]:
        """Not by a link, or not by one of those of /proc."""
        if self._resolve & RESOLVE_NO_SYMLINKS:
            raise Errno(errno.ELOOP)
        jump, target = super().read(link)
        if jump is not None:
            if self._resolve & RESOLVE_NO_MAGICLINKS:
                raise Errno(errno.ELOOP)
            if self._resolve & (RESOLVE_BENEATH | RESOLVE_IN_ROOT):
                raise Errno(errno.EXDEV)
            self._crosses(link, jump)
        return jump, target

    def _crosses(self, at: Node, there: Node) -> None:
        if self._resolve & RESOLVE_NO_XDEV and at.fs is not there.fs:
            raise Errno(errno.EXDEV)
