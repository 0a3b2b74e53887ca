"""Plant every mutant in a copy of the tree, and see which test catches it.

$ python -m tests.mutants            # all; prints mutant, test, what it said
$ python -m tests.mutants anonmm     # those whose name or file has this in it
"""

from __future__ import annotations

import argparse
import sys
import time
from subprocess import CalledProcessError

from .catalogue import MUTANTS
from .forge import Forge


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    parser.add_argument("names", nargs="*", help="parts of names or files; default: all")
    options = parser.parse_args()
    chosen = [
        mutant
        for mutant in MUTANTS
        if not options.names or any(n in f"{mutant.name} {mutant.file}" for n in options.names)
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
