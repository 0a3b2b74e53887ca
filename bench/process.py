"""A process that is timed from its start to its end."""

from __future__ import annotations

import resource
import subprocess
from collections.abc import Mapping
from time import perf_counter_ns

TIMEOUT = 300
"""Seconds that one row may take in one round."""
NOT_THERE = "it has no such thing"


class NotMeasured(Exception):
    """This platform does not have the row, or it failed; the message says why."""


def time_process(
    command: list[str],
    rep: int,
    env: Mapping[str, str] | None = None,
    says: str = "ring 3",
    cpu: bool = False,
) -> list[float]:
    """Nanoseconds from start to end of a process that has to succeed and say so; NotMeasured.

    `cpu`: the CPU time instead, of the process and of all that it waited for.
    """
    clock = cpu_time_ns if cpu else perf_counter_ns
    spent = []
    for _ in range(rep + 1):
        start = clock()
        done = run(command, env)
        spent.append(clock() - start)
        if done.returncode or says not in done.stdout:
            raise NotMeasured(last_line(done.stderr) or f"exit status {done.returncode}")
    return [float(ns) for ns in spent[1:]]  # the first filled caches


def cpu_time_ns() -> int:
    """CPU time of all processes that this one has waited for."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return round((usage.ru_utime + usage.ru_stime) * 1e9)


def run(
    command: list[str], env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end; NotMeasured when it cannot be started or takes too long."""
    try:
        return subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
            check=False,
            env=env,
        )
    except OSError as error:
        raise NotMeasured(f"{command[0]}: {error.strerror}") from error
    except subprocess.TimeoutExpired as error:
        raise NotMeasured(f"took more than {TIMEOUT} s") from error


def last_line(text: str) -> str:
    """What a failed program said last."""
    lines = text.strip().splitlines()
    return lines[-1] if lines else ""
