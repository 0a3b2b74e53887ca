"""Swap files: headers drawn field by field, files cut off, changed while they are in use.

A case is a machine drawn by the seed and a list of files.  Each is offered to swapon; what is
accepted gets pages to hold, and may lose its end, its header or its slots to somebody else
meanwhile.  A file is refused with ConfigError; one that cannot be read any more ends the run with
SwapIOError; guests may find other contents than they had, and nothing else goes wrong.
"""

from __future__ import annotations

import os
import random
import struct
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from vmemu.core import PAGE_SIZE
from vmemu.errors import ConfigError, Errno, LimitReached, SwapIOError
from vmemu.lab.guests import guest_path
from vmemu.machine import Machine
from vmemu.rmap import schemes
from vmemu.swap.area import make_swap

UNITS = "files"
SEEDS: tuple[int, ...] = ()
"""Cases that once found something."""

FILES = 10

_VERSION, _LAST, _BAD, _LIST = 1024, 1028, 1032, 1536
_NUMBERS = (0, 1, 2, 9, 10, 11, 99, 100, 127, 128, 1 << 15, (1 << 24) - 1, 1 << 24, 1 << 31)

Change = Callable[[random.Random, int, int], None]


def _put(handle: int, at: int, value: int) -> None:
    os.pwrite(handle, struct.pack("<I", value & 0xFFFFFFFF), at)


def _number(rng: random.Random, pages: int) -> int:
    near = rng.choice(_NUMBERS) if rng.random() < 0.5 else pages
    return near + rng.choice((-2, -1, 0, 0, 1, 5))


def _field(rng: random.Random, handle: int, pages: int) -> None:
    _put(handle, rng.choice((_VERSION, _LAST, _LAST, _LAST, _BAD)), _number(rng, pages))


def _bad_list(rng: random.Random, handle: int, pages: int) -> None:
    count = rng.randrange(5)
    _put(handle, _BAD, count)
    for n in range(count):
        _put(handle, _LIST + 4 * n, _number(rng, pages))


def _signature(rng: random.Random, handle: int, pages: int) -> None:
    signature = rng.choice((b"SWAP-SPACE", b"SWAPSPACE1", b"SWAPSPACE2", rng.randbytes(10)))
    os.pwrite(handle, signature, PAGE_SIZE - 10 + rng.choice((0, 0, 0, -1)))


def _size(rng: random.Random, handle: int, pages: int) -> None:
    sizes = (0, 1, PAGE_SIZE - 1, PAGE_SIZE, 10 * PAGE_SIZE, pages * PAGE_SIZE)
    os.ftruncate(handle, max(0, rng.choice(sizes) + rng.choice((-PAGE_SIZE, -1, 0, 1, 1 << 20))))


def _noise(rng: random.Random, handle: int, pages: int) -> None:
    for _ in range(rng.choice((1, 5, 50))):
        os.pwrite(handle, rng.randbytes(8), rng.randrange(pages * PAGE_SIZE))


def _nothing(rng: random.Random, handle: int, pages: int) -> None:
    """Leave it as it is."""


BEFORE: tuple[Change, ...] = (_field, _field, _bad_list, _signature, _size, _noise, _nothing)
MEANWHILE: tuple[Change, ...] = (_size, _noise, _field, _nothing, _nothing, _nothing)


def _machine(rng: random.Random) -> Machine:
    options: dict[str, Any] = {
        "rmap": rng.choice(sorted(schemes())),
        "ram": rng.choice(["512K", "640K", "1M"]),
        "swap": rng.choice([None, "256K"]),
        "overcommit": 1,
        "page_cluster": rng.choice([0, 1, 3, 5]),
        "fault_path": rng.choice(["c", "c", "python"]),
        "max_time": 1000.0,
    }
    return Machine(**options)


def case(seed: int) -> int:
    """Try files in machines that last as long as what they swap to; how many they were."""
    rng = random.Random(seed)
    with tempfile.TemporaryDirectory() as directory:
        left = FILES
        while left:
            with _machine(rng) as machine:
                machine.kernel.log = lambda _line: None
                going = True
                while left and going:
                    left -= 1
                    going = _try(rng, machine, Path(directory) / f"swap{left}")
    return FILES


def _file(rng: random.Random, path: Path) -> int:
    """A swap file that is nearly right, or right; how many pages it should have."""
    pages = rng.choice((10, 11, 64, 100, 300))
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    make_swap(handle, pages * PAGE_SIZE, rng.getrandbits(32))
    for _ in range(rng.choice((0, 1, 1, 2))):
        rng.choice(BEFORE)(rng, handle, pages)
    os.close(handle)
    return pages


def _try(rng: random.Random, machine: Machine, path: Path) -> bool:
    """Offer one file and use it; whether the machine can go on."""
    pages = _file(rng, path)
    areas = machine.vm.swap
    try:
        areas.swapon(str(path), priority=rng.choice((None, 0, 5)))
    except ConfigError as error:
        refused = str(error)
    else:
        refused = ""
    if refused:
        assert str(path) in refused
        assert len(refused.splitlines()) == 1
        machine.check()
        return True
    try:
        _use(rng, machine, path, pages)
        machine.check()
        machine.kernel.kill_all()
        machine.check()
        if any(area.path == str(path) for area in areas.areas):
            areas.swapoff(str(path))
    except SwapIOError:
        return False
    machine.check()
    return True


def _use(rng: random.Random, machine: Machine, path: Path, pages: int) -> None:
    """Run guests that swap while somebody else writes to the file."""
    program = rng.choice(("swap-storm", "touch", "cow-verify"))
    count = rng.choice((20, 100, 400))
    machine.spawn(guest_path(program), [program, f"PAGES={count}"], stdout=None, stderr=None)
    for _ in range(4):
        if not _go_on(machine, rng.choice((1, 10, 100))):
            return
        if rng.random() < 0.5:
            handle = os.open(path, os.O_RDWR)
            rng.choice(MEANWHILE)(rng, handle, pages)
            os.close(handle)
        if rng.random() < 0.2:
            try:
                machine.vm.swap.swapoff(str(path))
            except Errno:
                continue
            machine.check()
            if not _again(machine, path):
                return


def _again(machine: Machine, path: Path) -> bool:
    """Offer it once more; whether it was accepted."""
    try:
        machine.vm.swap.swapon(str(path))
    except ConfigError:
        return False
    return True


def _go_on(machine: Machine, transfers: int) -> bool:
    """Let the guest go on until so many pages were read or written; whether it has more to do."""
    try:
        return all(machine.run_until("swapout", "swapread") is not None for _ in range(transfers))
    except LimitReached:
        return False
