"""The file of a program: one that guests see, or one of the host's."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from vmemu.errors import Errno
from vmemu.kernel.program.elf import ElfError, ElfImage, load_elf
from vmemu.vfs.file import O_RDONLY
from vmemu.vfs.node import Node
from vmemu.vfs.walk import FsStruct, Walk

if TYPE_CHECKING:
    from vmemu.file.inode import Inode
    from vmemu.kernel.kernel import Kernel

__all__ = ["ProgramFile", "inside_file", "node_file", "outside"]


class ProgramFile(NamedTuple):
    """What can be executed."""

    image: ElfImage
    path: str
    """What /proc/PID/exe says."""
    node: Node | None
    inode: Callable[[], Inode]
    """Gives what its pages are mapped from."""


def outside(kernel: Kernel, path: str) -> ProgramFile:
    """A program of the host's; ElfError."""
    image = load_elf(path, kernel.abi.bits, kernel.core.task_size)
    return ProgramFile(
        image, os.path.realpath(path), None, lambda: kernel.vm.inodes.get(image.path)
    )


def inside_file(kernel: Kernel, fs: FsStruct, path: bytes) -> ProgramFile:
    """One that a path leads to in the guest; ElfError says in a sentence what is wrong with it."""
    try:
        walk = Walk(fs.root)
        node = walk.find(fs.cwd, path)
        return node_file(kernel, node, walk.path(node))
    except Errno as error:
        reason = os.strerror(error.errno).lower()
        raise ElfError(f"cannot open {os.fsdecode(path)}: {reason}", error.errno) from None


def node_file(kernel: Kernel, node: Node, path: str) -> ProgramFile:
    """A program that is a node; Errno EACCES, ENOMEM, ENFILE; ElfError."""
    if not node.regular or not node.stat().mode & 0o111:
        raise Errno(errno.EACCES)
    body = node.body(O_RDONLY)
    try:
        inode = body.mapping(path)
        image = load_elf(path, kernel.abi.bits, kernel.core.task_size, fd=inode.fd)
    finally:
        body.close()
    return ProgramFile(image, path, node, lambda: inode)
