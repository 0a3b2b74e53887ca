"""Where rows run: the host, a user-mode emulator, vmemu under a scheme."""

from __future__ import annotations

import json
import os
import re
import select
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Protocol

from bench import programs
from bench.process import NOT_THERE, TIMEOUT, NotMeasured, last_line, run, time_process
from bench.rows import Kind, Row

ROOT = Path(__file__).resolve().parents[1]
GUESTS = {
    32: ROOT / "vmemu" / "guests_bin",
    64: ROOT / "vmemu" / "guests_bin" / "x86_64",
}
QUESTIONS = Path(__file__).with_name("questions.py")
WIDE = "-64"
"""What the names of platforms that run x86-64 programs end with."""
NOT_ASKED = "only with --native-swap"


class Platform(Protocol):
    """Something that executes Linux programs, of i386 or of x86-64."""

    name: str
    roots: Path
    """Where the roots of Debian's programs are."""

    def measure(self, row: Row) -> list[float]:
        """Nanoseconds of each repetition; NotMeasured."""

    def close(self) -> None:
        """Stop what was started."""


def guest_command(row: Row, bits: int = 32, emulator: str = "") -> list[str]:
    """The guest and its arguments, such that it times itself.

    `emulator`: what its execve() has to be given, if that does not come back by itself.
    """
    size = [f"N={row.n}", f"REP={row.rep}", f"time={2 if row.cpu else 1}"]
    if emulator:
        size.append(f"through={emulator}")
    return [str(GUESTS[bits] / "bench"), row.guest or row.name, *size]


def guest_times(output: str) -> list[float]:
    """Nanoseconds of each repetition, as the guest printed them."""
    return [
        int(seconds) * 1e9 + int(ns)
        for seconds, ns in re.findall(r"^s=(\d+) ns=(\d+)$", output, re.MULTILINE)
    ]


class Host:
    """The host's own kernel, or an emulator whose command line is `prefix`.

    `bare`: it has a CPU and hardly any system calls.
    """

    def __init__(self, name: str, *prefix: str, bare: bool = False, bits: int = 32) -> None:
        self.name = name + (WIDE if bits == 64 else "")
        self.bits = bits
        self.prefix = prefix
        self.bare = bare
        self.roots = programs.ROOTS

    def measure(self, row: Row) -> list[float]:
        """The guest times itself by clock_gettime()."""
        if row.kind in (Kind.MICRO, Kind.RESULTS):
            raise NotMeasured(NOT_THERE)
        if row.swaps:
            raise NotMeasured(NOT_THERE if self.prefix else NOT_ASKED)
        if self.bare and not row.bare and row.name != "empty":
            raise NotMeasured(NOT_THERE)
        if row.kind is Kind.STARTUP:
            return time_process([*self.prefix, str(GUESTS[self.bits] / "hello")], row.rep)
        if row.kind is Kind.PROGRAM:
            command = programs.on_host(row.program, self.roots, self.bits, *self.prefix)
            return time_process(command, row.rep, says=row.says, cpu=row.cpu)
        emulator = self.prefix[0] if self.prefix and not self.bare else ""
        done = run([*self.prefix, *guest_command(row, self.bits, emulator)])
        if done.returncode:
            raise NotMeasured(last_line(done.stderr) or f"exit status {done.returncode}")
        return guest_times(done.stdout)

    def close(self) -> None:
        """Nothing runs."""


class Vmemu:
    """vmemu under one scheme, in a process of its own; `tree` is the source tree it is from.

    Its swap is a temporary file in `directory`, or where temporary files are.
    """

    def __init__(
        self,
        rmap: str,
        tree: Path = ROOT,
        suffix: str = "",
        directory: Path | None = None,
        bits: int = 32,
    ) -> None:
        self.rmap = rmap
        self.bits = bits
        self.name = rmap + (WIDE if bits == 64 else "") + suffix
        self._bytecode = tempfile.TemporaryDirectory(prefix="vmemu-bench-")
        self.env = os.environ | {
            "PYTHONPATH": str(tree),
            "PYTHONSAFEPATH": "1",
            "PYTHONPYCACHEPREFIX": self._bytecode.name,  # as an installed package has it
        }
        self.env.pop("PYTHONDONTWRITEBYTECODE", None)
        if directory is not None:
            self.env["TMPDIR"] = str(directory)
        self._process: subprocess.Popen[bytes] | None = None
        self.roots = programs.ROOTS

    def measure(self, row: Row) -> list[float]:
        """Ask the worker, or time the command."""
        if row.kind is Kind.STARTUP:
            return time_process(self.start_up(), row.rep, self.env)
        if row.kind is Kind.RESULTS:
            return self._ask_results(row.rep)
        if row.kind is Kind.PROGRAM:
            program = programs.in_vmemu(row.program, self.roots, self.bits)
            command = [*self._vmemu(), "run", "--rmap", self.rmap, *program]
            return time_process(command, row.rep, self.env, row.says, row.cpu)
        request = {
            "kind": row.kind.value,
            "row": row.guest or row.name,
            "n": row.n,
            "rep": row.rep,
            "program": str(GUESTS[self.bits] / "bench"),
            "machine": row.machine,
            "cpu": row.cpu,
        }
        answer = self._ask(request)
        if "error" in answer:
            raise NotMeasured(answer["error"])
        return [float(ns) for ns in answer["ns"]]

    def start_up(self, *options: str) -> list[str]:
        """The command that is timed."""
        hello = str(GUESTS[self.bits] / "hello")
        return [*self._vmemu(*options), "run", "--rmap", self.rmap, hello]

    def _vmemu(self, *options: str) -> list[str]:
        """The console script, or the module without one; options of the interpreter."""
        script = Path(sys.executable).with_name("vmemu")
        program = [str(script)] if script.exists() and not options else ["-m", "vmemu"]
        interpreter = [sys.executable, *options] if program[0] == "-m" else []
        return [*interpreter, *program]

    def _ask_results(self, rep: int) -> list[float]:
        """A question to a data set, which the first one makes."""
        from bench.questions import SCHEMES, SQL

        runs = Path(self._bytecode.name) / "runs"
        if not runs.exists():
            runs.mkdir()
            done = run([sys.executable, str(QUESTIONS), str(runs)], self.env)
            if done.returncode:
                raise NotMeasured(last_line(done.stderr))
        command = [*self._vmemu(), "results", str(runs), SQL]
        return time_process(command, rep, self.env, SCHEMES[0])

    def import_times(self) -> str:
        """The slowest imports of a start-up, with what they import."""
        done = run(self.start_up("-X", "importtime"), self.env)
        times = re.findall(r"import time:\s*\d+ \|\s*(\d+) \| (.*)", done.stderr)
        slowest = sorted(((int(us), name) for us, name in times), reverse=True)[:25]
        return "\n".join(f"{us / 1000:8.1f} ms {name}" for us, name in slowest)

    def _ask(self, request: dict[str, Any]) -> dict[str, Any]:
        if self._process is None:
            self._process = subprocess.Popen(
                [
                    sys.executable,
                    str(Path(__file__).with_name("worker.py")),
                    self.rmap,
                    str(self.bits),
                ],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env=self.env,
            )
        process = self._process
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(json.dumps(request).encode() + b"\n")
            process.stdin.flush()
        except BrokenPipeError:
            pass  # its end is seen below
        ready, _, _ = select.select([process.stdout], [], [], TIMEOUT)
        line = process.stdout.readline() if ready else b""
        if line:
            answer: dict[str, Any] = json.loads(line)
            return answer
        self._stop()
        return {"error": "the worker ended" if ready else f"took more than {TIMEOUT} s"}

    def close(self) -> None:
        """End the worker and forget its bytecode."""
        self._stop()
        self._bytecode.cleanup()

    def _stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            for pipe in (self._process.stdin, self._process.stdout):
                if pipe is not None:
                    pipe.close()
            self._process = None


class Qiling(Host):
    """Qiling, in the virtual environment whose interpreter is given: its start-up only.

    Its clock cannot time the rows, and it lacks system calls that they need.
    """

    def __init__(self, python: str) -> None:
        super().__init__("qiling", python, str(Path(__file__).with_name("qiling_run.py")))

    def measure(self, row: Row) -> list[float]:
        """A whole process."""
        if row.kind is not Kind.STARTUP:
            raise NotMeasured(NOT_THERE)
        return super().measure(row)


class Missing(Host):
    """An emulator that is not installed."""

    def __init__(self, name: str, reason: str, bits: int = 32) -> None:
        super().__init__(name, bits=bits)
        self.reason = reason

    def measure(self, row: Row) -> list[float]:
        """It cannot."""
        raise NotMeasured(self.reason)


_QEMU = {32: "qemu-i386", 64: "qemu-x86_64"}


def peers(qiling: str | None = None, bits: int = 32) -> list[Host]:
    """Other emulators of user-mode programs: bare Unicorn, and what is installed."""
    flat = Path(__file__).with_name("flat.py")
    found = [Host("unicorn", sys.executable, str(flat), bare=True, bits=bits)]
    for name in (_QEMU[bits], f"{_QEMU[bits]}-static"):
        path = shutil.which(name)
        if path is not None:
            found.append(Host("qemu-user", path, bits=bits))
            break
    else:
        found.append(Missing("qemu-user", "it is not installed (Debian: qemu-user)", bits))
    if qiling is not None and bits == 32:
        found.append(Qiling(qiling))
    return found
