"""Run a fuzzer until it finds something, its time is up, or its cases are done.

$ python -m tests.fuzz syscalls --seconds 60
$ python -m tests.fuzz elf --cases 5000 --seed 1
$ python -m tests.fuzz elf --cases 1 --seed 4711     # one case again
$ python -m tests.fuzz instructions --bits 64
"""

from __future__ import annotations

import argparse
import functools
import importlib
import sys
import time

from . import FUZZERS
from .worker import Worker


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.fuzz",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("fuzzer", choices=FUZZERS)
    parser.add_argument("--cases", type=int, default=1 << 40, help="how many; default: no end")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="default: no end")
    parser.add_argument("--seed", type=int, default=1, help="of the first case (default: 1)")
    parser.add_argument("--keep-going", action="store_true", help="do not end at a finding")
    parser.add_argument("--hang", type=float, default=120.0, help="seconds a case may take")
    parser.add_argument("--bits", type=int, choices=(32, 64), default=32, help="default: 32")
    options = parser.parse_args()
    module = importlib.import_module(f"{__package__}.{options.fuzzer}")
    case = module.case
    if options.bits != 32:
        if options.bits not in getattr(module, "WIDTHS", ()):
            parser.error(f"{options.fuzzer} knows no {options.bits} bits")
        case = functools.partial(case, bits=options.bits)
    worker = Worker(case, hang=options.hang)
    began = time.monotonic()
    findings = []
    for finding in worker.run(options.seed, options.cases, began + options.seconds):
        print(f"seed {finding.seed}: {finding.what}", flush=True)
        findings.append(finding.seed)
        if not options.keep_going:
            break
    seconds = time.monotonic() - began
    print(
        f"{options.fuzzer}: {worker.cases:,} cases, {worker.units:,} {module.UNITS}, "
        f"{seconds:.0f} s, {len(findings)} findings"
    )
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
