"""Programs: one is started from outside, one is loaded into an address space of its own."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from vmemu.core import lib
from vmemu.errors import Errno, ExecError
from vmemu.kernel.hold import TASK_BYTES
from vmemu.kernel.process.cred import Cred
from vmemu.kernel.process.task import Task
from vmemu.kernel.program.exec import Arguments, LoadedProgram, Places, load_program
from vmemu.kernel.program.file import Finder, ProgramFile, find_program
from vmemu.kernel.signal.state import SignalState
from vmemu.vfs.file import O_RDWR, FdTable, File
from vmemu.vfs.stdio import Stream, open_stream
from vmemu.vfs.walk import FsStruct

if TYPE_CHECKING:
    from vmemu.kernel.kernel import Kernel
    from vmemu.vfs.tty.host import HostTerminal

__all__ = ["load", "spawn"]

_ADDR_NO_RANDOMIZE = 0x40000
"""A personality's."""


def spawn(
    kernel: Kernel,
    path: str | os.PathLike[str],
    argv: Sequence[str] | None = None,
    env: Mapping[str, str] | None = None,
    *,
    stdin: Stream = 0,
    stdout: Stream = 1,
    stderr: Stream = 2,
    filename: str | None = None,
    inside: bool = False,
    terminal: HostTerminal | None = None,
) -> Task:
    """Start a program as a child of init: the host's, or if inside one that guests see.

    argv defaults to the path alone, env to nothing, the filename that execve() leaves on the
    program's stack to the path.  The streams are host
    descriptors, binary files, bytes, or None.  Those that are the terminal become one that
    guests have, and that controls the program.  Raises ExecError.
    """
    path = os.fspath(path)
    files, fs = FdTable(kernel.hold), FsStruct(kernel.root_directory)
    program_file = find_program(
        Finder(kernel, fs, guest=inside, host=not inside), os.fsencode(path)
    )
    cred = Cred.of(kernel.options.credentials)
    entries = [f"{name}={value}" for name, value in (env or {}).items()]
    name = path if filename is None else filename
    arguments = Arguments.of(
        name, argv if argv is not None else [path], entries, kernel.core.word
    ).interpreted(program_file.prefix)
    try:
        pid = kernel.tasks.alloc_pid()
        with contextlib.ExitStack() as undo:
            kernel.hold.charge(TASK_BYTES)
            undo.callback(kernel.hold.uncharge, TASK_BYTES)
            undo.callback(files.exit)
            for fd, stream in enumerate((stdin, stdout, stderr)):
                files.install(fd, _open_stream(kernel, stream, fd, terminal))
            program = load(kernel, program_file, arguments, cred)
            undo.pop_all()
    except Errno as error:
        reason = os.strerror(error.errno).lower()
        raise ExecError(f"cannot start {path}: {reason}") from None
    task = Task(
        kernel, pid, None, kernel.cpu.new_context(), files, fs, SignalState(), memory=program.mm
    )
    task.group.pgrp = task.group.session = pid
    task.cred = cred
    task.set_exe(program_file.path, program_file.node)
    task.set_comm(path)
    task.start_regs = {"ip": program.ip, "sp": program.sp}
    task.start_time = kernel.sched.now
    kernel.tasks.add(task)
    if kernel.console is not None and terminal is not None:
        task.group.tty = kernel.console
        kernel.console.session = kernel.console.pgrp = pid
    kernel.sched.enqueue(task)
    if kernel.first is None or not kernel.first.group.alive:
        kernel.first = task
    kernel.core.event(lib.EV_exec, pid, 0, 0)
    return task


def load(
    kernel: Kernel,
    program: ProgramFile,
    arguments: Arguments,
    cred: Cred,
    old: Task | None = None,
) -> LoadedProgram:
    """Build an address space for a program; Errno when there is no memory for it."""
    return load_program(
        kernel.vm,
        program,
        arguments,
        cred,
        kernel.random.randbytes(16),
        kernel.abi,
        old.mm.rlimits if old is not None else None,
        _places(kernel, old),
    )


def _open_stream(kernel: Kernel, stream: Stream, fd: int, terminal: HostTerminal | None) -> File:
    """What a program that is started from outside has as 0, 1 or 2."""
    if terminal is None or not isinstance(stream, int) or not terminal.is_at(stream):
        return open_stream(stream, fd, lambda: kernel.host_deadline)
    if kernel.console is None:
        kernel.console = kernel.world.terminals.add_console(terminal)
    return kernel.world.terminals.open_tty(kernel.console, O_RDWR, control=False)


def _places(kernel: Kernel, old: Task | None) -> Places | None:
    """Where things of a new program are, unless they are where they always are."""
    fixed = old is not None and old.personality & _ADDR_NO_RANDOMIZE
    if not kernel.options.aslr or fixed:
        return None
    return Places.drawn(kernel.random, kernel.core.bits)
