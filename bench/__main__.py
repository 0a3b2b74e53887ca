"""``python -m bench``: the table of vmemu, its peers and the host, side by side in one run.

Every round measures each row on each platform before it goes on to the next row, so that
whatever disturbs the host disturbs all of them.  All of it runs on one CPU of the host,
because vmemu emulates one.

``python -m bench scale`` is about growth instead: see bench/scale.py; ``python -m bench cells``
about sweeps: see bench/cells.py.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path

from bench import host, report, schemes, targets
from bench.errors import BenchError
from bench.platforms import WIDE, Host, Platform, Vmemu, peers
from bench.process import NotMeasured
from bench.programs import ROOTS
from bench.revision import built
from bench.rows import EMPTY, ROWS, Kind, Row, select


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m bench", description="Time one program natively and under emulators."
    )
    parser.add_argument("--rows", default="*", help="names or shell patterns, by commas")
    parser.add_argument("--rounds", type=int, default=5, help="interleaved rounds (default 5)")
    parser.add_argument(
        "--bits", help="32, 64 or 32,64: the programs' widths (default 32; both with --targets)"
    )
    parser.add_argument("--rmap", help="schemes, by commas (default anon_vma,anonmm)")
    parser.add_argument("--compare", metavar="REV", help="run this commit of vmemu beside")
    parser.add_argument("--no-peers", action="store_true", help="leave out other emulators")
    parser.add_argument(
        "--qiling", metavar="PYTHON", help="an interpreter that has Qiling (qiling==1.4.6)"
    )
    parser.add_argument(
        "--native-swap",
        metavar="FILE_OR_DIRECTORY",
        type=Path,
        help="swap natively as well, in a memory group, to a new file on a disk (root)",
    )
    parser.add_argument(
        "--roots",
        metavar="DIRECTORY",
        type=Path,
        default=ROOTS,
        help="where roots of Debian's programs are, i386 and amd64 (default: VMEMU_ROOTS, or "
        "build/roots)",
    )
    parser.add_argument("--cpu", type=int, help="the host CPU to run on (default: the last)")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument(
        "--targets", action="store_true", help="print what is promised and kept, as Markdown"
    )
    parser.add_argument(
        "--by-scheme",
        action="store_true",
        help="print, as Markdown, the rows that a scheme can change: of all schemes, or of two "
        "beside another commit",
    )
    parser.add_argument("--list", action="store_true", help="list the rows and end")
    parser.add_argument(
        "--verbose", action="store_true", help="report progress, and what start-up imports"
    )
    args = parser.parse_args(argv)
    if args.rounds < 1:
        parser.error("--rounds must be at least 1")
    args.widths = (args.bits or ("32,64" if args.targets else "32")).split(",")
    if not set(args.widths) <= {"32", "64"}:
        parser.error(f"--bits must be 32, 64 or 32,64, not {args.bits!r}")
    if args.by_scheme:
        args.no_peers = True
        args.rows = ",".join(schemes.ROWS) if args.rows == "*" else args.rows
        if not args.rmap and not args.compare:
            args.rmap = schemes.every_scheme()
    args.rmap = args.rmap or "anon_vma,anonmm"
    if args.targets and args.rows == "*":
        args.rows = ",".join(targets.needed())
    try:
        args.selected = select(args.rows.split(","))
    except ValueError as error:
        parser.error(f"{error}; --list shows all")
    if args.native_swap and not any(row.swaps for row in args.selected):
        parser.error("--native-swap needs a row that swaps: swap, swap-cpu, swapin, swapin-cpu")
    cpus = sorted(os.sched_getaffinity(0))
    args.cpu = cpus[-1] if args.cpu is None else args.cpu
    if args.cpu not in cpus:
        parser.error(f"--cpu must be one of {', '.join(map(str, cpus))}")
    return args


def measure(row: Row, platform: Platform, empty: float, cell: report.Cell) -> None:
    """Add one round's samples, less what the clock takes."""
    try:
        spent = platform.measure(row)
    except NotMeasured as reason:
        cell.reason = str(reason)
        return
    overhead = empty if row.kind is Kind.GUEST else 0.0
    cell.samples.extend(max(ns - overhead, 0.0) / row.per for ns in spent)


def clock_overhead(platform: Platform) -> float:
    """What an empty repetition takes, in nanoseconds."""
    try:
        return statistics.median(platform.measure(EMPTY))
    except NotMeasured:
        return 0.0  # the rows will say why


def run_all(
    rows: Sequence[Row], platforms: Sequence[Platform], rounds: int, verbose: bool
) -> list[report.Line]:
    """All rounds of all rows on all platforms."""
    lines = [report.Line(row, {p.name: report.Cell() for p in platforms}) for row in rows]
    guests = any(row.kind is Kind.GUEST for row in rows)
    for turn in range(rounds):
        empty = {p.name: clock_overhead(p) if guests else 0.0 for p in platforms}
        for line in lines:
            if verbose:
                print(f"round {turn + 1} of {rounds}: {line.row.name}", file=sys.stderr)
            for platform in platforms:
                cell = line.cells[platform.name]
                if not cell.reason:
                    measure(line.row, platform, empty[platform.name], cell)
    return lines


def known_schemes(names: Sequence[str]) -> Sequence[str]:
    """The same names, if each is a scheme's; BenchError."""
    from vmemu.errors import ConfigError
    from vmemu.rmap import scheme_class

    for name in names:
        try:
            scheme_class(name)
        except ConfigError as error:
            raise BenchError(str(error)) from None
    return names


def run_bench(args: argparse.Namespace) -> tuple[list[Platform], list[report.Line]]:
    """Everything that was asked for: where it ran and what it took; BenchError."""
    names = known_schemes(args.rmap.split(","))
    with contextlib.ExitStack() as stack:
        widths = [int(width) for width in args.widths]
        platforms: list[Platform] = [Host("native", bits=bits) for bits in widths]
        directory = None
        if args.native_swap:
            from bench.swap import native_swap

            native = stack.enter_context(native_swap(args.native_swap))
            platforms, directory = [native], native.swap.path.parent
        platforms += [
            Vmemu(rmap, directory=directory, bits=bits) for bits in widths for rmap in names
        ]
        if args.compare is not None:
            commit, tree = stack.enter_context(built(args.compare))
            platforms += [
                Vmemu(rmap, tree, f"@{commit}", directory, bits)
                for bits in widths
                for rmap in names
            ]
        if not args.no_peers:
            for bits in widths:
                platforms += peers(args.qiling, bits)
        for platform in platforms:
            stack.callback(platform.close)
            platform.roots = args.roots
        lines = run_all(args.selected, platforms, args.rounds, args.verbose)
        if args.verbose:
            first = next(p for p in platforms if isinstance(p, Vmemu))
            print("slowest imports of `vmemu run hello`, with what they import:", file=sys.stderr)
            print(first.import_times(), file=sys.stderr)
    return platforms, lines


def main(argv: Sequence[str] | None = None) -> int:
    """Run the bench; the exit status."""
    argv = sys.argv[1:] if argv is None else argv
    if argv[:1] == ["scale"]:
        from bench import scale

        return scale.main(argv[1:])
    if argv[:1] == ["cells"]:
        from bench import cells

        return cells.main(argv[1:])
    args = parse(argv)
    if args.list:
        for row in ROWS:
            print(f"{row.name:16} {row.what}")
        return 0
    os.sched_setaffinity(0, {args.cpu})
    try:
        platforms, lines = run_bench(args)
    except BenchError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    order = [platform.name for platform in platforms]
    for derive in (report.per_forked_page, report.dynamic_above_static):
        derived = derive(lines, order)
        if derived is not None:
            lines.append(derived)
    machine = host.machine()
    swap = getattr(platforms[0], "swap", None)
    if args.json:
        settings = {"rounds": args.rounds, "cpu": args.cpu, "compare": args.compare}
        settings["native_swap"] = swap and swap.as_json()
        print(json.dumps(report.as_json(machine, settings, lines, order), indent=1))
        return 0
    print(", ".join(f"{name} {value}" for name, value in machine.items() if value))
    if swap is not None:
        print(swap)
    promised = [name for name in order if name.removesuffix(WIDE) in args.rmap.split(",")]
    if args.targets:
        print(targets.markdown(lines, promised))
        return 0
    if args.by_scheme:
        commits = {name.partition("@")[2] for name in order} - {""}
        print(schemes.markdown(lines, args.rmap.split(","), next(iter(commits), None)))
        return 0
    print(report.table(lines, order))
    for sentence in targets.sentences(lines, promised):
        print(sentence)
    for sentence in report.skipped(lines, order):
        print(f"not measured: {sentence}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
