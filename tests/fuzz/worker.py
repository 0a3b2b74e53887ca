"""Runs the cases of a fuzzer in processes of their own, so that it survives what they do."""

from __future__ import annotations

import faulthandler
import mmap
import os
import select
import signal
import struct
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from typing import NamedTuple

Case = Callable[[int], int]


class Finding(NamedTuple):
    """A case that went wrong: its seed, and what was seen."""

    seed: int
    what: str


class Progress:
    """What parent and child both see: the seed under way, since when, what was done."""

    _LAYOUT = struct.Struct("<qdQQ")

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, mmap.PAGESIZE)

    def write(self, seed: int, began: float, cases: int, units: int) -> None:
        self._LAYOUT.pack_into(self._memory, 0, seed, began, cases, units)

    def read(self) -> tuple[int, float, int, int]:
        seed, began, cases, units = self._LAYOUT.unpack_from(self._memory)
        return seed, began, cases, units


class Worker:
    """Runs cases with consecutive seeds; a case that takes ``hang`` seconds counts as hanging."""

    def __init__(self, case: Case, *, hang: float = 120.0) -> None:
        self.case = case
        self.hang = hang
        self.cases = 0
        self.units = 0

    def run(self, first: int, count: int, until: float = float("inf")) -> Iterator[Finding]:
        """Yield what goes wrong with so many seeds, or before the monotonic clock is there."""
        seed, end = first, first + count
        while seed < end and time.monotonic() < until:
            finding, seed = self._run_some(seed, end, until)
            if finding is not None:
                yield finding

    def _run_some(self, seed: int, end: int, until: float) -> tuple[Finding | None, int]:
        """Run cases until one goes wrong: what did, and the seed to go on with."""
        progress, (reader, writer) = Progress(), os.pipe()
        progress.write(seed, time.monotonic(), 0, 0)
        sys.stdout.flush()
        pid = os.fork()
        if pid == 0:
            os.close(reader)
            self._child(progress, writer, seed, end, until)
        os.close(writer)
        said = self._watch(pid, reader, progress)
        os.close(reader)
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        at, _, cases, units = progress.read()
        self.cases += cases
        self.units += units
        if status == 0:
            return None, end
        if not said:
            said = f"the process died of {signal.Signals(-status).name}" if status < 0 else ""
        return Finding(at, said or f"the process left with status {status}"), at + 1

    def _watch(self, pid: int, reader: int, progress: Progress) -> str:
        """Wait for the child; what it says at its end, or that it had to be killed."""
        said = b""
        while True:
            if select.select([reader], [], [], 1.0)[0]:
                piece = os.read(reader, 65536)
                if not piece:
                    return said.decode(errors="replace")
                said += piece
            elif time.monotonic() - progress.read()[1] > self.hang:
                os.kill(pid, signal.SIGKILL)
                os.read(reader, 1)
                return f"still running after {self.hang:.0f} s"

    def _child(self, progress: Progress, writer: int, seed: int, end: int, until: float) -> None:
        faulthandler.disable()  # what kills the process is told by its status
        cases = units = 0
        try:
            while seed < end and time.monotonic() < until:
                progress.write(seed, time.monotonic(), cases, units)
                units += self.case(seed)
                cases += 1
                seed += 1
            progress.write(seed, 0.0, cases, units)
            os._exit(0)
        except BaseException:
            os.write(writer, traceback.format_exc()[-8192:].encode())
            os._exit(1)
