"""The kernel's selftests of memory, natively and under vmemu, case by case.

$ python -m tests.third_party.kselftest DIRECTORY --bits 32

DIRECTORY keeps what is fetched: Debian's linux-source-6.1.  Programs are built with the static C
library of the host's compiler.  A case is a line of TAP ("ok 3 ..."), or the whole program where
it prints none.  Exit status 1: a case passes on the host, does not under vmemu, and is not in
KNOWN.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.third_party.sources import NotFetched, selftests

PROGRAMS = {
    "map_fixed_noreplace": (), "mremap_test": (), "mremap_dontunmap": (), "mlock2-tests": (),
    "on-fault-limit": (), "map_populate": (), "madv_populate": ("vm_util.c",),
    "soft-dirty": ("vm_util.c",),
    "mincore/mincore_selftest": (), "memfd/memfd_test": ("common.c",), "sigaltstack/sas": (),
    "openat2/openat2_test": ("helpers.c",), "exec/non-regular": (), "exec/null-argv": (),
    "futex/functional/futex_wait": (), "futex/functional/futex_wait_private_mapped_file": (),
    "splice/default_file_splice_read": (), "clone3/clone3": (), "clone3/clone3_clear_sighand": (),
    "core/close_range_test": (), "pidfd/pidfd_wait": (), "pidfd/pidfd_getfd_test": (),
    "pidfd/pidfd_open_test": (), "pidfd/pidfd_test": (), "ipc/msgque": (),
    "mqueue/mq_open_tests": (), "futex/functional/futex_waitv": (),
    "futex/functional/futex_wait_wouldblock": (),
}  # fmt: skip
"""Programs, of vm unless they say of what, and what is linked to them."""
FLAGS = ("-std=gnu99", "-D_GNU_SOURCE", "-w", "-O1", "-static", "-no-pie")
TIMEOUT = 120.0
_NO_TRUE = "wants a /bin/true, which only a root has"
_NAMESPACE = "makes a namespace of ids, which there are not"
_NO_SLEEP = "wants a /bin/sleep, which only a root has, and a namespace of ids"
_NO_READAHEAD = "its file is in tmpfs, which has no readahead; natively it is on a disk"
KNOWN = {
    **{f"clone3/clone3:{case}": _NAMESPACE for case in ("02", "14", "16", "exit")},
    **{f"pidfd/pidfd_test:{case:02}": _NO_SLEEP for case in range(1, 10)},
    "pidfd/pidfd_test:exit": _NO_SLEEP,
    "ipc/msgque:exit": "makes a key of its own file, which no guest sees without --bind",
    "exec/non-regular:01": _NO_TRUE,
    "exec/non-regular:exit": _NO_TRUE,
    "mincore/mincore_selftest:04": _NO_READAHEAD,
    "mincore/mincore_selftest:exit": _NO_READAHEAD,
    "mlock2-tests:exit": "mlock and munlock split areas and never join them, as in 2.6.7",
    "mremap_test:14": "an area that grows up to another is not joined with it, as in 2.6.7",
    "mremap_test:exit": "because of case 14",
}
"""Cases that pass on the host and need not under vmemu, with the reason."""


def build(found: Path, name: str, bits: int, target: Path) -> bool:
    """Compile one; False when that fails."""
    source = found / f"{name}.c" if "/" in name else found / "vm" / f"{name}.c"
    folder = source.parent
    sources = [str(source), *(str(folder / each) for each in PROGRAMS[name])]
    included = [f"-I{each}" for each in (found, folder, folder.parent / "include")]
    command = ["gcc", f"-m{bits}", *FLAGS, *included, *sources, "-o", str(target)]
    return (
        subprocess.run([*command, "-lrt", "-lpthread"], capture_output=True, check=False).returncode
        == 0
    )


def run(command: list[str], directory: str) -> dict[str, str]:
    """The result of each case, and of the program as a whole."""
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, timeout=TIMEOUT, cwd=directory,
            check=False, text=True, errors="replace",
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return {"exit": "TIMEOUT"}
    found = {"exit": str(done.returncode)}
    for line in done.stdout.splitlines():
        tap = re.match(r"(ok|not ok) (\d+)(.*)", line)
        if tap:
            skipped = "# SKIP" in line or "XFAIL" in line
            found[f"{int(tap[2]):02}"] = "skip" if skipped else "pass" if tap[1] == "ok" else "FAIL"
    if "vmemu: " in done.stderr:
        found["emulator"] = done.stderr.strip().splitlines()[-1][:100]
    return found


def examine(found: Path, name: str, bits: int, vmemu: list[str]) -> list[tuple[str, str, str]]:
    """Build one program and run it in both worlds: case, on the host, under vmemu."""
    with tempfile.TemporaryDirectory() as directory:
        program = Path(directory) / Path(name).name
        if not build(found, name, bits, program):
            return [(f"{name}:build", "FAIL", "FAIL")]
        host, ours = run([str(program)], directory), run([*vmemu, str(program)], directory)
    cases = sorted(host.keys() | ours.keys())
    return [(f"{name}:{case}", host.get(case, "-"), ours.get(case, "-")) for case in cases]


def worse(host: str, ours: str) -> bool:
    """It passes on the host and not under vmemu."""
    return host in ("pass", "0") and ours != host


def main() -> int:
    """Examine what is asked for; 1 when something is worse than on the host."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.third_party.kselftest",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("directory", type=Path, help="keeps what is fetched")
    parser.add_argument("programs", nargs="*", metavar="PROGRAM", help="these alone")
    parser.add_argument("--bits", type=int, choices=(32, 64), default=32)
    parser.add_argument("--vmemu", default="--overcommit 1", help="options for vmemu run")
    options = parser.parse_args()
    options.directory.mkdir(parents=True, exist_ok=True)
    try:
        found = selftests(options.directory.resolve())
    except NotFetched as error:
        print(f"skipped: {error}")
        return 0
    vmemu = [sys.executable, "-m", "vmemu", "run", *options.vmemu.split()]
    total, bad = 0, 0
    for name in options.programs or PROGRAMS:
        for case, host, ours in examine(found, name, options.bits, vmemu):
            total += 1
            known = KNOWN.get(case, "")
            bad += worse(host, ours) and not known
            if host != ours:
                print(f"{case:32} host {host:8} vmemu {ours}  {known}")
    print(f"{total} cases of {options.bits} bits, {bad} worse than on the host")
    return 1 if bad else 0


if __name__ == "__main__":
    raise SystemExit(main())
