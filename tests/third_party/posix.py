"""The Open POSIX Test Suite, natively and under vmemu, side by side.

$ apt-get source posixtestsuite
$ python -m tests.third_party.posix posixtestsuite-1.5.2 'pthread_*' 'sem_*' --bits 32

Each program is built with the static C library of the host's compiler, run on the host and under
vmemu, and its result is the exit status: PASS, FAIL, UNRESOLVED, UNSUPPORTED, UNTESTED, or how it
ended otherwise.  What is printed are those whose results differ, and how many there are of each.
Exit status 1: a program passes on the host, does not under vmemu, and is not in KNOWN.
"""

from __future__ import annotations

import argparse
import collections
import concurrent.futures
import fnmatch
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

RESULTS = {0: "PASS", 1: "FAIL", 2: "UNRESOLVED", 4: "UNSUPPORTED", 5: "UNTESTED"}
FLAGS = ("-O1", "-w", "-static", "-std=gnu99", "-D_GNU_SOURCE", "-fno-strict-aliasing")
LIBRARIES = ("-lpthread", "-lrt", "-lm")
TIMEOUT = 60.0
_SPINS = "threads spin for seconds of virtual time, 1 ns a block, which takes minutes"
_INIT = "looks for a user in /etc/passwd, and sends a signal to process 1: there is none"
_CALLS = "seconds of calls that take a virtual microsecond each: too slow"
_USER = "needs a second user in /etc/passwd (--vmemu '--bind /etc/passwd')"
KNOWN = {
    "pthread_barrier_wait/6-1": "waits on a barrier never initialized: by what lies there",
    "pthread_cond_broadcast/1-2": "10000 threads and 200 processes, several times: too slow",
    "pthread_cond_timedwait/4-3": _SPINS,
    "pthread_cond_wait/4-1": _SPINS,
    "pthread_create/14-1": _SPINS,
    "pthread_detach/4-3": _SPINS,
    "pthread_getschedparam/4-1": _SPINS,
    "pthread_join/6-3": _SPINS,
    "pthread_mutex_trylock/4-3": _SPINS,
    "pthread_setschedparam/5-1": _SPINS,
    "pthread_sigmask/18-1": _SPINS,
    "pthread_spin_lock/1-1": _SPINS,
    "pthread_spin_lock/1-2": _SPINS,
    "pthread_spin_lock/3-1": _SPINS,
    "pthread_spin_lock/3-2": _SPINS,
    "pthread_spin_unlock/1-2": _SPINS,
    "clock_getcpuclockid/1-1": _CALLS,
    "clock_gettime/4-1": _CALLS,
    "pthread_kill/8-1": _CALLS,
    "sigqueue/3-1": _INIT,
    "sigqueue/12-1": _INIT,
    "timer_create/9-1": "executes the host's /bin/sleep, which is dynamic",
    "sem_open/3-1": "there is no other user",
    "sem_unlink/3-1": "there is no other user",
    "sem_unlink/2-2": "executes the host's dynamic /bin/ls",
    "fork/8-1": _CALLS,
    "mmap/14-1": "a write to mapped memory changes no time of a file in tmpfs, as on Linux",
    "shm_open/23-1": "1000 processes open 1000 objects each: too slow",
    "shm_open/26-2": _USER,
    "shm_open/32-1": _USER,
    "shm_open/34-1": _USER,
    "shm_unlink/8-1": _USER,
    "shm_unlink/9-1": _USER,
}
"""Programs that pass on the host and need not under vmemu, with the reason."""


class Case(NamedTuple):
    """One program, and what came of it."""

    name: str
    bits: int
    host: str
    vmemu: str

    @property
    def worse(self) -> bool:
        """It passes on the host and not under vmemu."""
        return self.host == "PASS" and self.vmemu != "PASS"


def sources(suite: Path, patterns: list[str]) -> list[Path]:
    """The programs of the interfaces that are meant."""
    interfaces = suite / "conformance" / "interfaces"
    found = [
        path
        for folder in sorted(interfaces.iterdir())
        if any(fnmatch.fnmatch(folder.name, pattern) for pattern in patterns)
        for path in folder.glob("*-*.c")
        if re.fullmatch(r"\d+-\d+\.c", path.name)
    ]
    return sorted(found, key=lambda path: (path.parent.name, *map(int, path.stem.split("-"))))


def build(source: Path, suite: Path, bits: int, target: Path) -> bool:
    """Compile one; False when that fails."""
    command = ["gcc", f"-m{bits}", *FLAGS, f"-I{suite / 'include'}", f"-I{source.parent}"]
    command += [str(source), "-o", str(target), *LIBRARIES]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def run(command: list[str], directory: str) -> str:
    """Run one and name its result."""
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, timeout=TIMEOUT,
            cwd=directory, check=False, start_new_session=True,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return "TIMEOUT"
    code = done.returncode
    if code < 0 or code > 128:
        return f"SIGNAL {-code if code < 0 else code - 128}"
    if b"vmemu: " in done.stderr:
        return "EMULATOR " + done.stderr.decode(errors="replace").strip().splitlines()[-1][:100]
    return RESULTS.get(code, f"STATUS {code}")


def examine(source: Path, suite: Path, bits: int, vmemu: list[str]) -> Case:
    """Build one program and run it in both worlds."""
    name = f"{source.parent.name}/{source.stem}"
    with tempfile.TemporaryDirectory() as directory:
        program = Path(directory) / "program"
        if not build(source, suite, bits, program):
            return Case(name, bits, "BUILD", "BUILD")
        host = run([str(program)], directory)
        return Case(name, bits, host, run([*vmemu, str(program)], directory))


def main() -> int:
    """Examine what is asked for; 1 when something is worse than on the host."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.third_party.posix",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("suite", type=Path, help="where it was unpacked")
    parser.add_argument("interfaces", nargs="+", help="folders of conformance/interfaces")
    parser.add_argument("--bits", type=int, choices=(32, 64), default=32)
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--case", help="this one alone, such as 1-1")
    parser.add_argument("--again", type=Path, help="those alone that were worse in this JSON file")
    parser.add_argument("--json", type=Path, help="write all results there")
    parser.add_argument("--vmemu", default="", help="options for vmemu run")
    options = parser.parse_args()
    vmemu = [sys.executable, "-m", "vmemu", "run", "--max-host-time", str(TIMEOUT - 5)]
    vmemu += options.vmemu.split()
    chosen = [
        source
        for source in sources(options.suite, options.interfaces)
        if options.case is None or source.stem == options.case
    ]
    if options.again is not None:
        before = [Case(**case) for case in json.loads(options.again.read_text())]
        worse_before = {case.name for case in before if case.worse}
        chosen = [path for path in chosen if f"{path.parent.name}/{path.stem}" in worse_before]
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        cases = list(
            pool.map(lambda source: examine(source, options.suite, options.bits, vmemu), chosen)
        )
    if options.json is not None:
        options.json.write_text(json.dumps([case._asdict() for case in cases], indent=1))
    for case in cases:
        if case.host != case.vmemu:
            known = KNOWN.get(case.name, "") if case.worse else ""
            print(f"{case.name:40} host {case.host:12} vmemu {case.vmemu}  {known}")
    print(*(f"{n} {kind}" for kind, n in collections.Counter(c.host for c in cases).items()))
    worse = [case for case in cases if case.worse and case.name not in KNOWN]
    print(f"{len(cases)} programs of {options.bits} bits, {len(worse)} worse than on the host")
    return 1 if worse else 0


if __name__ == "__main__":
    raise SystemExit(main())
