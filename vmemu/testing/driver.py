"""Running many random operations, and cutting a failure down."""

from __future__ import annotations

import contextlib
import os
import random
import re
import time
import traceback
from collections.abc import Callable, Sequence

from vmemu.testing.chooser import Chooser
from vmemu.testing.frame import Config, Operation
from vmemu.testing.world import World

SHRINK = float(os.environ.get("VMEMU_SHRINK", "60"))  # seconds; 0 leaves a list as it is


class Failed(AssertionError):
    """A random run failed; the message says how to repeat it."""


def perform(config: Config, operations: Sequence[Operation], every: int = 1) -> Exception | None:
    """Run a list of operations, checking often; what went wrong, or None."""
    world = World(config)
    try:
        for n, operation in enumerate(operations, 1):
            world.apply(operation)
            if n % every == 0:
                world.check()
        world.check()
        world.finish()
    except Exception as error:
        return error
    finally:
        with contextlib.suppress(Exception):
            world.close()
    return None


def kind(error: BaseException) -> tuple[type[BaseException], str]:
    """What two runs of the same failure have in common."""
    return type(error), re.sub(r"0x[0-9a-f]+|[0-9]+", "", str(error))[:40]


def shrink(
    config: Config, operations: Sequence[Operation], error: Exception, seconds: float
) -> list[Operation]:
    """Leave out what is not needed for the same kind of failure."""
    kept = list(operations)
    size = max(1, len(kept) // 2)
    until = time.monotonic() + seconds
    while size:
        start = 0
        before = len(kept)
        while start < len(kept) and time.monotonic() < until:
            less = kept[:start] + kept[start + size :]
            found = perform(config, less, 1 if len(less) < 100 else 25)
            if found is not None and kind(found) == kind(error):
                kept = less
            else:
                start += size
        if size > 1 or len(kept) == before:
            size //= 2
    return kept


def run(
    config: Config,
    seed: int,
    count: int,
    *,
    every: int = 60,
    progress: Callable[[int, World], None] | None = None,
) -> World:
    """Perform ``count`` random operations; Failed, with a short list to repeat, or the world."""
    rng = random.Random(seed)
    world = World(config)
    chooser = Chooser(rng, world)
    done: list[Operation] = []
    try:
        for n in range(1, count + 1):
            operation = chooser.next()
            done.append(operation)
            world.apply(operation)
            if n % every == 0:
                world.check(contents=n % (every * 3) == 0)
            if progress is not None and n % 1000 == 0:
                progress(n, world)
        world.check()
        world.finish()
    except Exception as error:
        world.close()
        raise Failed(_report(config, seed, done, error)) from error
    world.final = world.core.counters()
    world.close()
    return world


def _report(config: Config, seed: int, done: list[Operation], error: Exception) -> str:
    short: list[Operation] = []
    if len(done) <= 30_000:
        short = shrink(config, done, error, SHRINK)
    lines = [
        "; ".join([f"{type(error).__name__}: {error}", *getattr(error, "__notes__", [])]),
        f"seed {seed}, operation {len(done)}, {config}",
        "last operations:",
        *(f"    {operation!r}," for operation in done[-12:]),
        f"the same failure in {len(short)} operations:",
        *(f"    {operation!r}," for operation in short[:40]),
        "".join(traceback.format_exception(error)[-4:]),
    ]
    return "\n".join(lines)
