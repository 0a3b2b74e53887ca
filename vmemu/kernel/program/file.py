"""The file of a program: one that guests see, or one of the host's, and what interprets it."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, NamedTuple

from vmemu.errors import Errno
from vmemu.kernel.process.cred import ROOT, Cred
from vmemu.kernel.program.busy import is_written
from vmemu.kernel.program.elf import ElfError, ElfImage, Source, open_program, read_elf
from vmemu.kernel.program.script import BINPRM_BUF_SIZE, MAX_INTERPRETERS, script_words
from vmemu.vfs.file import O_RDONLY
from vmemu.vfs.node import Node
from vmemu.vfs.permission import MAY_EXEC, permission
from vmemu.vfs.walk import FsStruct, Walk

if TYPE_CHECKING:
    from vmemu.file.inode import Inode
    from vmemu.kernel.kernel import Kernel

__all__ = ["Finder", "Loader", "ProgramFile", "find_program"]


class Loader(NamedTuple):
    """What a dynamic program is started by (PT_INTERP)."""

    image: ElfImage
    inode: Inode


class ProgramFile(NamedTuple):
    """What can be executed."""

    image: ElfImage
    path: str
    """What /proc/PID/exe says."""
    node: Node | None
    inode: Callable[[], Inode]
    """Gives what its pages are mapped from."""
    loader: Loader | None = None
    prefix: tuple[bytes, ...] = ()
    """What takes the place of argv[0] when it interprets a script."""


class _Opened(NamedTuple):
    """A file while it is read."""

    path: str
    node: Node | None
    source: Source
    inode: Callable[[], Callable[[], Inode]]
    """Called while it is open, gives what `ProgramFile` has."""


class Finder(NamedTuple):
    """Where programs are looked for."""

    kernel: Kernel
    fs: FsStruct
    guest: bool = True
    """Among what guests see."""
    host: bool = False
    """On the host: first, or where a guest sees nothing of that name."""
    cred: Cred = ROOT
    """Who looks."""

    @contextlib.contextmanager
    def open(self, path: bytes) -> Iterator[_Opened]:
        """Open what a path leads to; ElfError says in a sentence what is wrong with it."""
        if self.guest:
            try:
                found = self._walk(path)
            except ElfError as error:
                if not self.host or error.errno not in (errno.ENOENT, errno.ENOTDIR):
                    raise
                if path.startswith(b"/proc/") or not os.path.lexists(path):
                    raise
            else:
                with self.inside(path, *found) as opened:
                    yield opened
                return
        name = os.fsdecode(path)
        with open_program(name) as source:
            if not os.access(name, os.X_OK):
                import shlex

                elf = source.read(0, 4) == b"\x7fELF" or source.read(0, 2) == b"#!"
                cure = f": chmod +x {shlex.quote(name)}" if elf else " and not an ELF file"
                raise ElfError(f"{name} is not executable{cure}", errno.EACCES)
            yield _Opened(
                os.path.realpath(name),
                None,
                source,
                lambda: lambda: self.kernel.vm.inodes.get(name),
            )

    def _walk(self, path: bytes) -> tuple[Node, str]:
        walk = Walk(self.fs.root, self.cred)
        with _sentences(path):
            node = walk.find(self.fs.cwd, path)
            return node, walk.path(node)

    @contextlib.contextmanager
    def inside(self, named: bytes, node: Node, path: str) -> Iterator[_Opened]:
        """Open what was found; ElfError."""
        with _sentences(named):
            if not node.regular:
                raise Errno(errno.EACCES)
            permission(node, MAY_EXEC, self.cred)
            if is_written(self.kernel, node):
                raise Errno(errno.ETXTBSY)
            body = node.body(O_RDONLY)

        def mapped() -> Callable[[], Inode]:
            inode = body.mapping(path)
            return lambda: inode

        try:
            with _sentences(named):
                yield _Opened(path, node, body, mapped)
        finally:
            body.close()


@contextlib.contextmanager
def _sentences(path: bytes) -> Iterator[None]:
    try:
        yield
    except Errno as error:
        reason = os.strerror(error.errno).lower()
        raise ElfError(f"cannot open {os.fsdecode(path)}: {reason}", error.errno) from None


def find_program(finder: Finder, path: bytes, found: tuple[Node, str] | None = None) -> ProgramFile:
    """A program and what interprets it; ElfError, late for all but the file of that path.

    found: what the path stands for, and its name, if somebody knows.
    """
    prefix: tuple[bytes, ...] = ()
    for depth in range(MAX_INTERPRETERS + 1):
        known = finder.inside(path, *found) if found and not depth else finder.open(path)
        with _late(depth > 0), known as opened:
            words = script_words(opened.source.read(0, BINPRM_BUF_SIZE))
            if words is None:
                return _program(finder, opened, os.fsdecode(path), prefix)
        prefix = (*words, path, *prefix[1:])
        path = words[0] or b"."  # no name leads to where one is
    raise ElfError(
        f"{os.fsdecode(prefix[-1])} is a script whose interpreters are scripts, more than "
        f"{MAX_INTERPRETERS} of them",
        errno.ELOOP,
        late=True,
    )


def _program(finder: Finder, opened: _Opened, named: str, prefix: tuple[bytes, ...]) -> ProgramFile:
    kernel = finder.kernel
    name = named if opened.node is None else opened.path
    image = read_elf(name, opened.source, kernel.abi.bits, kernel.core.task_size)
    loader = _loader(finder, name, image.interpreter) if image.interpreter is not None else None
    return ProgramFile(image, opened.path, opened.node, opened.inode(), loader, prefix)


def _loader(finder: Finder, program: str, path: bytes) -> Loader:
    """What loads a dynamic program, which is always among what guests see, as its libraries are."""
    kernel, name = finder.kernel, os.fsdecode(path)
    with _late(True):
        try:
            with finder._replace(guest=True, host=False).open(path) as opened:
                image = read_elf(
                    opened.path, opened.source, kernel.abi.bits, kernel.core.task_size, loader=True
                )
                return Loader(image, opened.inode()())
        except ElfError as error:
            if error.errno != errno.ENOENT:
                raise
            width = " -m32" if kernel.abi.bits == 32 else ""
            shown = name if name.isprintable() else ascii(name)
            raise ElfError(
                f"{program} is dynamically linked, and the machine has no {shown}: run it in a "
                f"root that has (vmemu rootfs DIR, then --root DIR), or gcc{width} "
                "-static SOURCE.c",
                error.errno,
            ) from None


@contextlib.contextmanager
def _late(late: bool) -> Iterator[None]:
    try:
        yield
    except ElfError as error:
        error.late = error.late or late
        raise
