"""``vmemu who``: who maps a page, and how the reverse map finds out."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import click

from vmemu.cli import names
from vmemu.cli.moments import at_option, never_came
from vmemu.cli.options import (
    env_option,
    every_scheme,
    examples,
    file_options,
    given,
    json_option,
    machine_options,
    parse_settings,
    parse_variables,
    set_option,
)
from vmemu.errors import ConfigError
from vmemu.output import Output
from vmemu.rmap import DEFAULT

if TYPE_CHECKING:
    from vmemu.cli.program import Program
    from vmemu.machine import Machine
    from vmemu.who.record import FrameUse

__all__ = ["command"]

_ADDRESS = re.compile(r"(?:0[xX])?[0-9a-fA-F]{1,16}")
_WALKS = ("unmap", "referenced")


@click.command(
    "who",
    epilog=examples(
        "vmemu who --at forked --addr 40001000 family",
        "vmemu who --at evicted --addr 40001000 --pid 101 family",
        "vmemu who --at forked --addr 40001000 --rmap all family",
        "vmemu who --at measure --pfn 26 --walk referenced fork-server R=2 N=1",
        "vmemu who --at measure --addr 40001000 --rmap all --svg who.svg fork-server R=2 N=3",
    ),
    context_settings={"ignore_unknown_options": True},
    short_help="Show who maps a page, and how the reverse map finds them.",
)
@at_option
@click.option(
    "--addr", metavar="ADDRESS", help="The page at this user address, in hexadecimal as shown."
)
@click.option("--pfn", type=int, metavar="N", help="The page in this frame.")
@click.option(
    "--pid",
    type=int,
    metavar="N",
    help="Whose address it is.  [default: the first process that has a page there]",
)
@click.option(
    "--walk",
    type=click.Choice(_WALKS),
    default="unmap",
    show_default=True,
    help="As reclaim takes the page away (try_to_unmap), or as it asks whether the page was "
    "used (page_referenced).",
)
@json_option
@click.option(
    "--svg",
    metavar="FILE",
    shell_complete=names.files,
    help="Draw a picture into a file instead of printing.",
)
@click.option(
    "--rmap",
    "rmaps",
    metavar="SCHEME|all",
    multiple=True,
    shell_complete=names.schemes_or_all,
    help="The reverse map; may be repeated. all: each that finds anonymous pages.  "
    f"[default: {DEFAULT}]",
)
@machine_options
@file_options
@set_option
@env_option
@click.option("--check", is_flag=True, help="Check the machine at that moment.")
@click.argument("program", shell_complete=names.programs)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED, shell_complete=names.files)
def command(
    program: str,
    arguments: tuple[str, ...],
    moment: str | None,
    addr: str | None,
    pfn: int | None,
    pid: int | None,
    walk: str,
    as_json: bool,
    svg: str | None,
    rmaps: tuple[str, ...],
    settings: tuple[str, ...],
    env: tuple[str, ...],
    check: bool,
    **options: Any,
) -> None:
    """Run PROGRAM (as vmemu run does) to a moment and show who has a page then.

    The page is that of --addr or --pfn.  First what the page tables say: every entry that maps
    it, or has its place in swap.  Then how the reverse map finds them, candidate by candidate
    in the order of its walk: what was compared, whether it matched, and what it cost (a probe
    is a page table walked, a cmp a candidate rejected without).  Nothing is changed by asking.
    With several reverse maps the program is run once for each; JSON is a list then, and the
    picture has a panel for each.

    The program's output goes to standard error.
    """
    from vmemu.cli.program import find

    address = _address(addr, pfn, pid)
    if svg is not None:
        Output(svg).probe()
    found = find(program, options["bits"], options["root"], options["binds"])
    options["bits"] = found.bits
    argv = [found.name, *arguments]
    argv += [f"{name}={value}" for name, value in parse_settings(settings).items()]
    variables = parse_variables(env)
    asking = _Asking(moment or "exit", address, pfn, pid, walk, check)
    schemes = every_scheme(rmaps or (DEFAULT,), lambda scheme: scheme.finds_anon)
    uses = [asking.of(found, argv, variables, given(options | {"rmap": each})) for each in schemes]
    _show(uses, as_json, svg)


def _address(addr: str | None, pfn: int | None, pid: int | None) -> int:
    """The address, 0 for a frame; ConfigError unless one thing is asked for."""
    if (addr is None) == (pfn is None):
        raise ConfigError("who takes a page: --addr ADDRESS or --pfn N, one of them")
    if addr is None:
        if pid is not None:
            raise ConfigError("--pid says whose --addr is meant; a frame has one number for all")
        return 0
    if not _ADDRESS.fullmatch(addr):
        raise ConfigError(f"--addr takes a hexadecimal address such as 40001000, not {addr!r}")
    return int(addr, 16)


class _Asking:
    """What is asked of each machine."""

    def __init__(
        self, moment: str, address: int, pfn: int | None, pid: int | None, walk: str, check: bool
    ) -> None:
        self.moment, self.address, self.pfn, self.pid = moment, address, pfn, pid
        self.walk, self.check = walk, check

    def of(
        self, program: Program, argv: list[str], env: dict[str, str], options: dict[str, Any]
    ) -> FrameUse:
        """Run a program to the moment and ask; the command ends if it does not come."""
        from vmemu.machine import Machine

        with Machine(**options) as machine:
            machine.spawn(program.path, argv, env, stdout=2, inside=program.inside)
            marks: list[str] = []
            machine.kernel.on_mark = lambda task, name, a, b: marks.append(name)
            found = machine.run_to(self.moment, lambda when: self.ask(machine, when))
            if found is None:
                never_came(machine, self.moment, marks)
            if self.check:
                machine.check()
        return found

    def ask(self, machine: Machine, when: str) -> FrameUse:
        """The answer; ConfigError when there is none."""
        from vmemu.who.take import take_address, take_frame

        if self.pfn is None:
            use = take_address(machine.kernel, self.address, self.pid, self.walk, when)
        else:
            use = take_frame(machine.kernel, self.pfn, self.walk, when)
        if not use.of_users:
            raise ConfigError(use.remark)
        return use


def _show(uses: list[FrameUse], as_json: bool, svg: str | None) -> None:
    from vmemu.who.record import uses_text

    if svg is not None:
        from vmemu.who.picture import uses_picture

        Output(svg).write(uses_picture(uses))
    if as_json:
        shown = [use.as_json() for use in uses]
        click.echo(json.dumps(shown if len(shown) > 1 else shown[0]))
    elif svg is None:
        click.echo(uses_text(uses), nl=False)
