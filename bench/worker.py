"""vmemu's side of the bench: a process that runs rows on request.

Started as a script with ``PYTHONPATH`` naming the tree to measure, so that an older commit
runs beside this one under the same bench.  A request is a line of JSON on standard input,
its answer a line on standard output: ``{"ns": [...]}`` or ``{"error": "..."}``.

Inside the emulator time is virtual: a repetition is what passes on the host between the
guest's marks "begin" and "end".  A row may ask for CPU time instead: what this process used,
in the kernel too, but not what it waited for.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from time import perf_counter_ns, process_time_ns
from typing import Any

from vmemu.machine import Machine

DEFAULTS = {"ram": "256M", "swap": "256M"}


class Stopwatch:
    """Answers the guest's marks and keeps the nanoseconds between them."""

    def __init__(self, clock: Callable[[], int]) -> None:
        self.spent: list[int] = []
        self._clock = clock
        self._began = 0

    def mark(self, task: Any, name: str, a: int, b: int) -> int:
        """The lab's callback; 1 says that it takes the time."""
        now = self._clock()
        if name == "end":
            self.spent.append(now - self._began)
        self._began = self._clock()
        return 1


class Worker:
    """The machines of one scheme; the latest is kept, since guest RAM takes time to map."""

    def __init__(self, rmap: str, bits: int = 32) -> None:
        self.rmap = rmap
        # an older tree may have one width only, and no such option
        self.width = {"bits": bits} if bits != 32 else {}
        self._options: dict[str, Any] | None = None
        self._machine: Machine | None = None

    def machine(self, options: dict[str, Any]) -> Machine:
        """The machine with these options, on which nothing runs."""
        wanted = DEFAULTS | options
        if self._machine is None or wanted != self._options:
            self.close()
            self._machine = Machine(rmap=self.rmap, **self.width, **wanted)
            self._options = wanted
        return self._machine

    def close(self) -> None:
        """Give the machine back."""
        if self._machine is not None:
            self._machine.close()
            self._machine = None

    def guest(self, request: dict[str, Any]) -> list[int]:
        """Run the guest; RuntimeError when it fails."""
        machine = self.machine(request["machine"])
        watch = Stopwatch(process_time_ns if request["cpu"] else perf_counter_ns)
        machine.kernel.on_mark = watch.mark
        argv = ["bench", request["row"], f"N={request['n']}", f"REP={request['rep']}", "time=1"]
        machine.spawn(request["program"], argv, stdin=None, stdout=None)
        status = machine.run()
        if str(status) != "exited with 0":
            raise RuntimeError(f"the guest {status}")
        return watch.spent

    def micro(self, request: dict[str, Any]) -> list[float]:
        """Run a workload of the core; nanoseconds an item."""
        micro = import_module("micro")  # this bench's, whatever tree is measured
        machine = self.machine(request["machine"])
        spent: list[float] = []
        with micro.WORKLOADS[request["row"]](machine, request["n"]) as workload:
            for _ in range(request["rep"]):
                workload.before()
                start = perf_counter_ns()
                workload.timed()
                took = perf_counter_ns() - start
                spent.append(took / workload.items())
                workload.after()
        return spent

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        """Do one request."""
        try:
            return {"ns": getattr(self, request["kind"])(request)}
        except Exception as error:
            self._machine = None  # whatever state it is in
            return {"error": f"{type(error).__name__}: {error}"}


def main(rmap: str, bits: int) -> None:
    """Answer requests until standard input ends."""
    worker = Worker(rmap, bits)
    for line in sys.stdin:
        print(json.dumps(worker.answer(json.loads(line))), flush=True)


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent))
    main(sys.argv[1], int(sys.argv[2]))
