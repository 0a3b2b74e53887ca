"""``vmemu run``: one program, as if the shell had started it."""

from __future__ import annotations

import signal
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from vmemu.cli.declare import option, read_options
from vmemu.cli.options import (
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
from vmemu.errors import ConfigError, LimitReached

if TYPE_CHECKING:
    import click

    from vmemu.kernel.process.task import Task
    from vmemu.kernel.process.wait import WaitStatus
    from vmemu.machine import Machine

__all__ = ["OPTIONS", "read", "run"]


OPTIONS = (
    rmap_option,
    *MACHINE,
    set_option,
    env_option,
    option("--stats", is_flag=True, help="Print statistics to stderr afterwards."),
    option("--json", "as_json", is_flag=True, help="The same as one line of JSON on stderr."),
    option("--json-to", metavar="FILE", help="The same as JSON to a file."),
    report_option,
    option("--strace", is_flag=True, help="Trace system calls and signals on stderr."),
    option("--maps-at-exit", is_flag=True, help="Print /proc/PID/maps to stderr at its exit."),
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
    command = click.argument("arguments", nargs=-1, type=click.UNPROCESSED)(command)
    command = click.argument("program")(command)
    for declared in reversed(OPTIONS):
        command = declared(command)
    return click.command(
        "run",
        epilog=examples(
            "vmemu run hello",
            "vmemu run --ram 2M --stats swap-storm PAGES=2048",
            "vmemu run --rmap none --strace ./a.out one two",
            "vmemu run --max-host-time 10 --max-tasks 50 ./a.out",
            "vmemu run --bits 64 --ram 2M swap-storm PAGES=2048",
            "vmemu run --json-to stats.json --seed 7 fork-server R=8",
            "vmemu run --ram 2M --report storm.html swap-storm PAGES=2048",
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
    report_path: str | None,
    strace: bool,
    maps_at_exit: bool,
    unknown_syscalls: bool,
    check: bool,
    **options: Any,
) -> int:
    """Run PROGRAM, a static ELF file or the name of a guest that comes with vmemu.

    The machine is an i386 or an x86-64, as the program's file says; of a guest there are both.

    Its standard input and output are vmemu's own, and vmemu exits with its status, with
    128 + N if signal N killed it, or with 124 if it came to a limit of time.  Options of vmemu
    go before PROGRAM; --set NAME=VALUE is passed on as an argument.  It starts with an empty
    environment.

    Statistics are of the moment the program ends, while it still has its memory.  They go to
    stderr, so that they never mix with the program's output.
    """
    from vmemu.cli.entry import EX_LIMIT
    from vmemu.kernel.process.wait import WaitStatus
    from vmemu.lab.guests import find_program
    from vmemu.machine import Machine

    page = open_report(report_path)
    facts_file = _open_facts(json_to)
    environment = parse_variables(env)
    values = [f"{name}={value}" for name, value in parse_settings(settings).items()]
    argv = [program, *arguments, *values]
    status, limit = WaitStatus(EX_LIMIT), ""
    path = find_program(program, 32 if options["bits"] is None else options["bits"])
    if options["bits"] is None:
        from vmemu.kernel.program.elf import elf_bits

        options["bits"] = elf_bits(path)
    with Machine(**given(options)) as machine:
        wanted = stats or as_json or facts_file is not None or page is not None
        observer = _Observer(machine, maps_at_exit, wanted, check)
        if strace:
            machine.kernel.strace = lambda line: print(line, file=sys.stderr)
        machine.spawn(path, argv, environment)
        try:
            status = machine.run()
        except LimitReached as error:
            limit = str(error)
            observer.take()
        if check:
            machine.check()
        unknown = dict(sorted(machine.kernel.unknown_syscalls.items()))
    if limit:
        _say(f"vmemu: {program}: {limit}")
    if status.signaled:
        name = _signal_name(status.code)
        _say(f"vmemu: {program}: killed by signal {status.code} ({name}){observer.crash}")
    if unknown_syscalls:
        _say_unknown(unknown)
    if stats:
        from vmemu.lab.statistics import stats_text

        _say(stats_text(observer.stats).rstrip("\n"))
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

        with facts_file:
            facts_file.write(json.dumps(facts, indent=2) + "\n")
    if page is not None:
        from vmemu.report.program import program_page

        page.write(program_page(facts, command_line(), given(options)))
    if as_json:
        import json

        _say(json.dumps(facts))
    return status.exit_status


class _Observer:
    """Looks at the first program when it ends."""

    def __init__(self, machine: Machine, maps: bool, stats: bool, check: bool) -> None:
        self.machine = machine
        self.stats: Mapping[str, Any] = {}
        self._maps, self._stats, self._check = maps, stats, check
        self.crash = ""
        machine.kernel.on_exit = self._on_exit

    def _on_exit(self, task: Task, status: WaitStatus) -> None:
        kernel = self.machine.kernel
        if task is not kernel.first:
            return
        if status.signaled and task is kernel.current and task.memory is not None:
            from vmemu.kernel.signal.crash import CRASHES, faulting_instruction

            if status.code in CRASHES:
                self.crash = f" at {faulting_instruction(task)}"
        self.take()
        if self._maps and task.memory is not None:
            from vmemu.mm import proc_maps

            _say(proc_maps(task.memory).rstrip("\n"))

    def take(self) -> None:
        """Check and count, as far as that is wanted."""
        if self._check:
            self.machine.check()
        if self._stats:
            self.stats = self.machine.stats()


def _open_facts(path: str | None) -> Any:
    if path is None:
        return None
    try:
        return open(path, "w")
    except OSError as error:
        raise ConfigError(f"cannot write {path}: {(error.strerror or '').lower()}") from None


def _signal_name(number: int) -> str:
    return signal.strsignal(number) or "unknown"


def _say_unknown(unknown: dict[int, int]) -> None:
    if not unknown:
        _say("vmemu: no unknown system calls")
    for number, count in unknown.items():
        _say(f"vmemu: unknown system call {number}: {count} times, each -ENOSYS")


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
