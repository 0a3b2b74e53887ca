"""Plant mutants in a copy of the tree, and see which test notices each.

$ python -m tests.mutants            # those picked by hand; prints mutant, test, what it said
$ python -m tests.mutants anonmm     # those whose name, file or commit has this in it
$ python -m tests.mutants --history  # those that are bugs which kernels have had
$ python -m tests.mutants --generate 400 --seed 1 --resume FILE     # a sample of generated ones

A generated mutant is tried with the tests that reach its line, the quick ones first.  FILE is
made, and a run that was stopped goes on with it; beside it, in FILE.reach, is what each test
reaches.  The tree itself is never touched.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from subprocess import CalledProcessError

from .catalogue import MUTANTS
from .forge import Forge


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.mutants",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("names", nargs="*", help="parts of names or files; default: all")
    parser.add_argument("--history", action="store_true", help="bugs of kernels alone")
    parser.add_argument("--generate", type=int, metavar="N", help="judge N generated mutants")
    parser.add_argument("--seed", type=int, default=1, help="which N; default: 1")
    parser.add_argument("--jobs", type=int, default=2, help="how many at once; default: 2")
    parser.add_argument("--resume", type=Path, metavar="FILE", help="keep verdicts there, go on")
    parser.add_argument("--again", action="store_true", help="try survivors of FILE once more")
    parser.add_argument("--report", action="store_true", help="only tell what FILE has")
    parser.add_argument(
        "--budget", type=float, default=120, help="seconds of tests for one mutant; default: 120"
    )
    parser.add_argument(
        "--only", action="append", default=[], metavar="GLOB", help="generate in these files alone"
    )
    parser.add_argument(
        "--tests", action="append", default=[], metavar="GLOB", help="try these test files alone"
    )
    options = parser.parse_args()
    if options.generate is None:
        if options.only or options.tests:
            parser.error("--only and --tests belong to --generate")
        return plant(options.names, options.history)
    if options.generate < 1 or options.jobs < 1:
        parser.error("--generate and --jobs take numbers above 0")
    if options.names:
        parser.error("names choose mutants picked by hand; --generate takes none")
    return score(options)


def score(options: argparse.Namespace) -> int:
    """Judge a sample of generated mutants and print its score."""
    from .score import Options, run

    setting = Options(
        options.resume, options.jobs, options.budget, options.again, options.report,
        options.only, options.tests,
    )  # fmt: skip
    try:
        print(run(options.generate, options.seed, setting))
    except (ValueError, FileNotFoundError) as error:
        print(f"python -m tests.mutants: {error}", file=sys.stderr)
        return 2
    return 0


def plant(names: list[str], history: bool = False) -> int:
    """Plant the mutants picked by hand; with `history`, those that kernels have had."""
    chosen = [
        mutant
        for mutant in MUTANTS
        if (mutant.bug or not history)
        and (not names or any(n in f"{mutant.name} {mutant.file} {mutant.bug}" for n in names))
    ]
    survivors = []
    with Forge() as forge:
        for test in sorted({mutant.test for mutant in chosen}):
            passed, why = forge.test(test)
            if not passed:
                print(f"fails without any mutant: {test}\n    {why}")
                return 1
        for mutant in chosen:
            began = time.monotonic()
            try:
                caught, why = forge.catch(mutant)
            except (ValueError, CalledProcessError) as error:
                caught, why = False, getattr(error, "stderr", None) or str(error)
            verdict = "caught by" if caught else "SURVIVES"
            print(f"{mutant.name}\n    {verdict} {mutant.test}, {time.monotonic() - began:.0f} s")
            if why:
                print(f"    {why[:160]}")
            sys.stdout.flush()
            if not caught:
                survivors.append(mutant.name)
    print(f"{len(chosen) - len(survivors)} of {len(chosen)} caught")
    for name in survivors:
        print(f"survivor: {name}")
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main())
