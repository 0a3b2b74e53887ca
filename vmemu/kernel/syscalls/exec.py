"""execve()."""

from __future__ import annotations

import errno
import os
import stat
from typing import TYPE_CHECKING

from vmemu.core import lib
from vmemu.errors import Errno
from vmemu.kernel import uaccess
from vmemu.kernel.process.exit import de_thread, release_mm
from vmemu.kernel.process.task import PR_GET_NO_NEW_PRIVS, PR_GET_PDEATHSIG
from vmemu.kernel.program.elf import ElfError
from vmemu.kernel.program.exec import Arguments, room_for_strings
from vmemu.kernel.program.file import Finder, ProgramFile, find_program
from vmemu.kernel.spawn import load
from vmemu.kernel.syscalls import path as paths
from vmemu.kernel.syscalls.path import AT_EMPTY_PATH, AT_FDCWD, AT_SYMLINK_NOFOLLOW
from vmemu.kernel.syscalls.table import syscall
from vmemu.vfs.walk import Walk

if TYPE_CHECKING:
    from vmemu.kernel.process.cred import Cred
    from vmemu.kernel.process.task import Task
    from vmemu.vfs.node import Node


_CANNOT_OPEN = frozenset(
    {
        errno.EACCES, errno.EIO, errno.ELOOP, errno.EMFILE, errno.ENAMETOOLONG, errno.ENFILE,
        errno.ENOENT, errno.ENOTDIR, errno.EPERM, errno.ETXTBSY,
    }
)  # fmt: skip
"""What open_exec() can say, before the arguments are read."""


def _program(task: Task, path: bytes, found: tuple[Node, str] | None) -> ProgramFile:
    """The program that a path names: one that guests see, or else the host's.  ElfError.

    The host's are out of reach when the root is a directory of the host.
    """
    kernel = task.kernel
    finder = Finder(kernel, task.fs, host=not kernel.world.of_host, cred=task.cred)
    return find_program(finder, path, found)


def _becomes(task: Task, node: Node | None) -> Cred:
    """Who a task will be in a program: setuid and setgid count unless it has renounced that."""
    if node is None or task.prctl.get(PR_GET_NO_NEW_PRIVS):
        return task.cred.executes()
    told = node.stat()
    sets_group = told.mode & (stat.S_ISGID | stat.S_IXGRP) == stat.S_ISGID | stat.S_IXGRP
    return task.cred.executes(
        told.uid if told.mode & stat.S_ISUID else None, told.gid if sets_group else None
    )


@syscall(11, "str", "strv", "strv", x64=59)
def sys_execve(task: Task, path: int, argv: int, envp: int) -> int:
    """Replace the program by an ELF file of the machine's width or by a script.

    The new address space is complete before the old one is given up, so that
    every failure leaves the caller as it was.  (2.6 kills a task whose exec
    fails late.)
    """
    return _execve(task, uaccess.read_path(task.mm, path), None, argv, envp)


@syscall(358, "dirfd", "str", "strv", "strv", "hex", x64=322)
def sys_execveat(task: Task, dirfd: int, path: int, argv: int, envp: int, flags: int) -> int:
    """The same with a path from a directory's descriptor, or with AT_EMPTY_PATH of a program's."""
    name = task.mm.read_cstr(path, uaccess.PATH_MAX)
    if not name and not flags & AT_EMPTY_PATH:
        raise Errno(errno.ENOENT)
    if flags & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH):
        raise Errno(errno.EINVAL)
    follow = not flags & AT_SYMLINK_NOFOLLOW
    if follow and name and (dirfd == AT_FDCWD or name.startswith(b"/")):
        return _execve(task, name, None, argv, envp)
    walk = Walk(task.fs.root, task.cred)
    if name:
        node = walk.find(paths.begin(task, dirfd, name), name, follow=follow)
        shown = walk.path(node)
    elif dirfd == AT_FDCWD:
        raise Errno(errno.EACCES)
    else:
        file = task.files.get(dirfd)
        if file.node is None:
            raise Errno(errno.EACCES)
        node, shown = file.node, file.name
    if node.link:
        raise Errno(errno.ELOOP)
    if dirfd != AT_FDCWD and not name.startswith(b"/"):
        name = b"/dev/fd/%d" % dirfd + (b"/" + name if name else b"")
    return _execve(task, name, (node, shown), argv, envp)


def _execve(
    task: Task, filename: bytes, found: tuple[Node, str] | None, argv: int, envp: int
) -> int:
    """Execute a program, which somebody may have found already (do_execveat_common)."""
    kernel = task.kernel
    limit = room_for_strings(task.mm.rlimits.stack)
    refused, file = None, None
    try:
        file = _program(task, filename, found)
    except ElfError as error:
        if error.errno in _CANNOT_OPEN and not error.late:
            raise Errno(error.errno) from None
        refused = error.errno  # the file is looked into after the arguments
    arguments = Arguments(
        filename,
        tuple(uaccess.read_strings(task.mm, argv, limit)) or (b"",),  # so since 5.18
        tuple(uaccess.read_strings(task.mm, envp, limit)),
    )
    if file is not None:
        arguments = arguments.interpreted(file.prefix)
    if arguments.size(kernel.core.word) > limit:
        raise Errno(errno.E2BIG)
    if file is None:
        raise Errno(refused or errno.ENOEXEC)
    cred = _becomes(task, file.node)
    program = load(kernel, file, arguments, cred, task)
    try:
        files = task.files if task.files.users == 1 else task.files.copy()
    except Errno:
        program.mm.put()
        raise
    if files is not task.files:  # what it closes stays open to those it shared with
        task.files.exit()
        task.files = files
    de_thread(task)
    old = release_mm(task)
    task.memory = program.mm
    kernel.cpu.switch(task.context, program.mm)
    kernel.cpu.reset_context(task.context)
    if old is not None:
        old.put()
    task.files.close_on_exec()
    task.signals.flush_handlers()
    if task.group.timers is not None:
        task.group.timers.exec()
    task.group.executed = True
    task.exit_signal = 17
    task.cred, task.dumpable = cred, not cred.secure
    if cred.secure:
        task.prctl.pop(PR_GET_PDEATHSIG, None)
    kernel.refresh_ids()
    task.set_exe(file.path, file.node)
    task.set_comm(os.fsdecode(filename))
    regs = kernel.cpu.regs
    regs.ip, regs.sp = program.ip, program.sp
    kernel.core.event(lib.EV_exec, task.pid, 0, 0)
    return 0
