"""``vmemu run``: one program, as if the shell had started it."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TextIO

from vmemu.cli import names
from vmemu.cli.declare import option, read_options
from vmemu.cli.options import (
    FILES,
    MACHINE,
    env_option,
    examples,
    given,
    parse_settings,
    parse_variables,
    rmap_option,
    set_option,
)
from vmemu.cli.reporting import command_line, open_report, report_option
from vmemu.errors import LimitReached
from vmemu.output import Output

if TYPE_CHECKING:
    import click

    from vmemu.kernel.process.task import Task
    from vmemu.kernel.process.wait import WaitStatus
    from vmemu.machine import Machine
    from vmemu.snapshot.series import Sample, Series

__all__ = ["OPTIONS", "read", "run"]


OPTIONS = (
    rmap_option,
    *MACHINE,
    *FILES,
    set_option,
    env_option,
    option("--stats", is_flag=True, help="Print statistics to stderr afterwards."),
    option(
        "--json",
        "as_json",
        is_flag=True,
        help="The same as one line of JSON on stderr; with --output, on stdout.",
    ),
    option(
        "--json-to",
        metavar="FILE",
        shell_complete=names.files,
        help="The same as JSON to a file.",
    ),
    option(
        "--output",
        metavar="FILE",
        shell_complete=names.files,
        help="Write what the program prints, and its errors, to a file.",
    ),
    report_option,
    option("--strace", is_flag=True, help="Trace system calls and signals on stderr."),
    option(
        "-e",
        "calls",
        metavar="CALLS",
        shell_complete=names.calls,
        help="Trace these alone: names, groups such as mm.",
    ),
    option("-c", "count", is_flag=True, help="Count system calls instead, and print a table."),
    option(
        "--events",
        metavar="FILE.jsonl",
        shell_complete=names.files,
        help="Write each event to a file, a line of JSON.",
    ),
    option(
        "--maps-at-exit", is_flag=True, help="Print /proc/PID/maps of each process at its exit."
    ),
    option("--unknown-syscalls", is_flag=True, help="Say which unknown system calls it made."),
    option("--check", is_flag=True, help="Check the machine at the program's exit and after."),
)


def read(words: Sequence[str]) -> dict[str, Any] | None:
    """What `run` is called with for the words behind ``run``; None where that is for click."""
    found = read_options(OPTIONS, words)
    if found is None or not found[1] or not found[1][0]:
        return None
    values, rest = found
    return values | {"program": rest[0], "arguments": tuple(rest[1:])}


def __getattr__(name: str) -> object:
    """Give ``command``, for whom the words have to go through click."""
    if name == "command":
        return _command()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def _command() -> click.Command:
    import click

    def command(**values: Any) -> None:
        click.get_current_context().exit(run(**values))

    command.__doc__ = run.__doc__
    command = click.argument(
        "arguments", nargs=-1, type=click.UNPROCESSED, shell_complete=names.files
    )(command)
    command = click.argument("program", shell_complete=names.programs)(command)
    for declared in reversed(OPTIONS):
        command = declared(command)
    return click.command(
        "run",
        epilog=examples(
            "vmemu run hello",
            "vmemu run --ram 2M --stats swap-storm PAGES=2048",
            "vmemu run --rmap none --strace ./a.out one two",
            "vmemu run --strace -e mm,fork -c fork-server",
            "vmemu run --events events.jsonl fork-server",
            "vmemu run --bits 32 prog.c",
            "vmemu run --max-host-time 10 --max-tasks 50 ./a.out",
            "vmemu run --bits 64 --ram 2M swap-storm PAGES=2048",
            "vmemu run --json-to stats.json --seed 7 fork-server R=8",
            "vmemu run --ram 2M --report storm.html swap-storm PAGES=2048",
            "vmemu run --root rootfs --bind data:/data:rw /bin/busybox sh",
        ),
        context_settings={"allow_interspersed_args": False},
        short_help="Run a program.",
    )(command)


def run(
    program: str,
    arguments: tuple[str, ...],
    settings: tuple[str, ...],
    env: tuple[str, ...],
    stats: bool,
    as_json: bool,
    json_to: str | None,
    output: str | None,
    report_path: str | None,
    strace: bool,
    calls: str | None,
    count: bool,
    events: str | None,
    maps_at_exit: bool,
    unknown_syscalls: bool,
    check: bool,
    **options: Any,
) -> int:
    """Run PROGRAM: an ELF file, a script, a C source, or the name of a guest that comes with vmemu.

    The machine is an i386 or an x86-64, as the program's file says; of a guest there are both.
    A source NAME.c is compiled first, for x86-64 or as --bits says, by $CC or cc with $CFLAGS
    and where <vmemu.h> is found.

    Its standard input and output are vmemu's own, and vmemu exits with its status, with
    128 + N if signal N killed it, or with 124 if it came to a limit of time.  Options of vmemu
    go before PROGRAM; --set NAME=VALUE is passed on as an argument.  It starts with an empty
    environment.

    Statistics are of the moment the program ends, while it still has its memory.  They go to
    stderr, so that they never mix with the program's output.
    """
    from vmemu.cli.entry import EX_LIMIT
    from vmemu.cli.program import find
    from vmemu.kernel.process.wait import WaitStatus
    from vmemu.machine import Machine

    page = open_report(report_path)
    environment = parse_variables(env)
    values = [f"{name}={value}" for name, value in parse_settings(settings).items()]
    status, limit = WaitStatus(EX_LIMIT), ""
    found = find(program, options["bits"], options["root"], options["binds"])
    program, options["bits"] = found.name, found.bits
    argv = [program, *arguments, *values]
    if events is not None:
        options["events"] = EVENT_RING
    with Machine(**given(options)) as machine, contextlib.ExitStack() as files:
        facts_file, output_file, events_file = (
            files.enter_context(Output(path).open()) if path is not None else None
            for path in (json_to, output, events)
        )
        wanted = stats or as_json or facts_file is not None or page is not None
        observer = _Observer(machine, maps_at_exit, wanted, check)
        if page is not None:
            observer.draw()
        if strace or calls is not None or count:
            _trace(machine, calls, count)
        writer = _Events(machine, events_file) if events_file is not None else None
        terminal = _terminal(machine, environment)
        streams = (1, 2) if output_file is None else (output_file.fileno(),) * 2
        machine.spawn(
            found.path,
            argv,
            environment,
            stdout=streams[0],
            stderr=streams[1],
            inside=found.inside,
            terminal=terminal,
        )
        try:
            status = machine.run(writer.write if writer is not None else None)
        except LimitReached as error:
            limit = str(error)
            observer.take("at the limit")
        finally:
            if writer is not None:
                writer.close()
        if check:
            machine.check()
        counts = machine.kernel.strace_filter.counts if machine.kernel.strace_filter else None
        unknown = dict(sorted(machine.kernel.unknown_syscalls.items()))
        facts = {
            "argv": argv,
            "exit_status": status.exit_status,
            "signal": status.code if status.signaled else None,
            "limit": limit or None,
            "unknown_syscalls": {str(number): count for number, count in unknown.items()},
            "stats": observer.stats,
        }
        if facts_file is not None:
            import json

            facts_file.write(json.dumps(facts, indent=2) + "\n")
    if limit:
        _say(f"vmemu: {program}: {limit}")
    if status.signaled:
        name = _signal_name(status.code)
        _say(f"vmemu: {program}: killed by signal {status.code} ({name}){observer.crash}")
    if unknown_syscalls:
        _say_unknown(unknown)
    if counts is not None:
        _say(_counted(counts))
    if stats:
        from vmemu.lab.statistics import stats_text

        _say(stats_text(observer.stats).rstrip("\n"))
    if page is not None:
        from vmemu.report.program import program_page

        page.write(
            program_page(facts, observer.samples, observer.memory, command_line(), given(options))
        )
    if as_json:
        import json

        print(json.dumps(facts), file=sys.stderr if output_file is None else sys.stdout, flush=True)
    return status.exit_status


def _terminal(machine: Machine, environment: dict[str, str]) -> int | None:
    """Standard input, if it is a terminal: the program's, then, whose kind it is told.

    While it is in raw mode lines need their carriage returns.
    """
    if not os.isatty(0):
        return None
    if "TERM" in os.environ:
        environment.setdefault("TERM", os.environ["TERM"])
    if os.isatty(2):
        kernel = machine.kernel
        kernel.log = lambda line: print(line, end="\r\n", file=sys.stderr, flush=True)
        if kernel.strace is not None:
            kernel.strace = lambda line: print(line, end="\r\n", file=sys.stderr, flush=True)
    return 0


class _Observer:
    """Looks at the first program when it ends."""

    def __init__(self, machine: Machine, maps: bool, stats: bool, check: bool) -> None:
        self.machine = machine
        self.stats: Mapping[str, Any] = {}
        self._maps, self._stats, self._check = maps, stats, check
        self.crash = ""
        self.samples: list[Sample] = []
        """How memory stood in the course of the run, and in the end."""
        self.memory = ""
        """A picture of it in the end."""
        self._series: Series | None = None
        self._several = False
        machine.kernel.on_exit = self._on_exit

    def draw(self) -> None:
        """Have what a report shows of memory: its course from now on, and its end."""
        from vmemu.snapshot.series import Series

        self._series = Series(self.machine.core)

    def _on_exit(self, task: Task, status: WaitStatus) -> None:
        kernel = self.machine.kernel
        if self._maps and task.memory is not None:
            self._tell_maps(task)
        if kernel.first is None or task.group is not kernel.first.group:
            return
        if status.signaled and task is kernel.current and task.memory is not None:
            from vmemu.kernel.signal.crash import CRASHES, faulting_instruction

            if status.code in CRASHES:
                self.crash = f" at {faulting_instruction(task)}"
        self.take()

    def _tell_maps(self, task: Task) -> None:
        """Print a process's areas, under its name where there is or was another one."""
        from vmemu.mm import proc_maps

        if self._several or len(self.machine.kernel.tasks) > 1:
            self._several = True
            _say(f"{task.pid} {task.comm}:")
        _say(proc_maps(task.mm).rstrip("\n"))

    def take(self, moment: str = "at exit") -> None:
        """Check, count and draw, as far as that is wanted."""
        if self._check:
            self.machine.check()
        if self._stats:
            self.stats = self.machine.stats()
        if self._series is not None:
            self.samples = self._series.end()
            self._series = None
            self.memory = self.machine.snapshot(moment).svg()


def _trace(machine: Machine, calls: str | None, count: bool) -> None:
    from vmemu.kernel.strace import Filter, calls_of

    kernel = machine.kernel
    kernel.strace = lambda line: print(line, file=sys.stderr)
    if calls is not None or count:
        chosen = calls_of(calls, kernel.syscalls) if calls is not None else None
        kernel.strace_filter = Filter(chosen, {} if count else None)


def _counted(counts: Mapping[str, Sequence[int]]) -> str:
    """A table of system calls, the most frequent first."""
    from vmemu.lab.table import Table

    ranked = sorted(counts.items(), key=lambda item: (-item[1][0], item[0]))
    rows = [(calls, errors or None, name) for name, (calls, errors) in ranked]
    rows.append((sum(row[0] for row in rows), sum(row[1] or 0 for row in rows) or None, "total"))
    return Table(("calls", "errors", "system call"), rows).text().rstrip("\n")


EVENT_RING = 1 << 16
"""What one step can have happen without an event being dropped."""


class _Events:
    """Writes the events of a machine to a file as they come, a line of JSON each."""

    def __init__(self, machine: Machine, file: TextIO) -> None:
        self._core, self._file, self._next = machine.core, file, 0

    def write(self) -> None:
        """Those that have come since the last time."""
        import json

        for event in self._core.events(self._next):
            self._file.write(json.dumps(event._asdict()) + "\n")
            self._next = event.seq + 1

    def close(self) -> None:
        """The rest of them, and no more."""
        self.write()
        self._file.close()


def _signal_name(number: int) -> str:
    return signal.strsignal(number) or "unknown"


def _say_unknown(unknown: dict[int, int]) -> None:
    if not unknown:
        _say("vmemu: no unknown system calls")
    for number, count in unknown.items():
        _say(f"vmemu: unknown system call {number}: {count} times, each -ENOSYS")


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
