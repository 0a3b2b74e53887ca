"""Random operations for as long as one likes, with progress.

    $ python -m tests.props.soak --ops 5000000 --rmap anonmm --seed 1

Every machine of vmemu/testing/machines.py takes its turn, 100,000 operations with a seed of its
own at a time; the first failure ends it with a list of operations that repeats it.
"""

from __future__ import annotations

import argparse
import sys
import time

from vmemu.testing.driver import Failed, run
from vmemu.testing.machines import MACHINES, SCHEMES, machine
from vmemu.testing.world import World

LEG = 100_000  # operations on one machine


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.props.soak", description=__doc__)
    parser.add_argument("--ops", type=int, default=1_000_000, help="operations per scheme")
    parser.add_argument("--rmap", action="append", help="NAME[:OPTION=VALUE]; default: all")
    parser.add_argument("--machine", action="append", choices=list(MACHINES), help="default: all")
    parser.add_argument("--seed", type=int, default=1, help="of the first machine")
    parser.add_argument("--every", type=int, default=60, help="operations between checks")
    options = parser.parse_args()
    for scheme in options.rmap or SCHEMES:
        if not soak(scheme, options):
            return 1
    return 0


def soak(scheme: str, options: argparse.Namespace) -> bool:
    """Run one scheme; whether all went well."""
    names = options.machine or list(MACHINES)
    began, done, leg = time.monotonic(), 0, 0
    while done < options.ops:
        name = names[leg % len(names)]
        seed = options.seed + leg
        count = min(LEG, options.ops - done)
        before = done

        def progress(n: int, world: World, name: str = name, before: int = before) -> None:
            total = before + n
            rate = total / (time.monotonic() - began)
            print(
                f"\r{scheme}: {total:,} of {options.ops:,} operations, {rate:,.0f}/s, "
                f"{name}, {world.core.counters()['pswpout']:,} pages out\x1b[K",
                end="",
                file=sys.stderr,
                flush=True,
            )

        try:
            run(
                machine(scheme, name),
                seed,
                count,
                every=options.every,
                progress=progress if sys.stderr.isatty() else None,
            )
        except Failed as failure:
            print(f"\n{scheme}, {name}: {failure}")
            return False
        done += count
        leg += 1
    rate = done / (time.monotonic() - began)
    if sys.stderr.isatty():
        print("\r\x1b[K", end="", file=sys.stderr)
    print(f"{scheme}: {done:,} operations, {rate:,.0f}/s, nothing found")
    return True


if __name__ == "__main__":
    sys.exit(main())
