"""Program files: headers drawn field by field, real ones with bytes changed, files cut off.

A case is a machine of either width, drawn by the seed, and a list of files, each of which is
started from outside or executed by a guest.  What starts runs for a while, and some files are
changed under the program that runs from them.  A file is refused with ExecError or an errno, or
its program runs or dies; the kernel's books agree before and behind it, and nothing is left of it.
"""

from __future__ import annotations

import errno
import os
import random
import struct
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from vmemu.errors import ExecError, LimitReached, VmemuError
from vmemu.lab.guests import guest_path
from vmemu.machine import Machine
from vmemu.rmap import schemes

UNITS = "files"
SEEDS: tuple[int, ...] = ()
"""Cases that once found something."""

FILES = 20
STEPS = 300
"""Steps of the kernel that a program gets."""

GUESTS = ("hello", "touch", "cat", "args", "write-code", "crowd", "vfork-exec")


class Layout(NamedTuple):
    """The headers of a class of files, as far as they differ."""

    bits: int
    ehdr: struct.Struct
    phdr: struct.Struct
    fields: tuple[str, ...]
    """Of a program header."""
    low: int
    """Where programs usually lie."""


_32 = Layout(
    32, struct.Struct("<16s2H5I6H"), struct.Struct("<8I"),
    ("type", "offset", "vaddr", "paddr", "filesz", "memsz", "flags", "align"), 0x08048000,
)  # fmt: skip
_64 = Layout(
    64, struct.Struct("<16s2HI3QI6H"), struct.Struct("<2I6Q"),
    ("type", "flags", "offset", "vaddr", "paddr", "filesz", "memsz", "align"), 0x400000,
)  # fmt: skip
_SIZES = (0, 1, 2, 51, 52, 53, 84, 0x1000, 0xFFF, 0x1001, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
_PLACES = (
    0, 0xFFF, 0x1000, 0x1001, 0x08048000, 0x08049000, 0x40000000, 0x80000000, 0xBFFFE000,
    0xBFFFF000, 0xC0000000, 0xC0001000, 0xFFFFF000, 0xFFFFFFFF,
)  # fmt: skip
_SIZES_64 = (*_SIZES, 63, 64, 120, 1 << 32, 1 << 38, (1 << 63) - 1, 1 << 63, (1 << 64) - 1)
_PLACES_64 = (
    *_PLACES, 0x400000, 0x401000, 0x7FBFFFE000, 0x7FBFFFF000, 0x7FC0000000, 0x7FC0001000, 1 << 47,
    0xFFFF800000000000, (1 << 64) - 4096, (1 << 64) - 1,
)  # fmt: skip


def _word(rng: random.Random, layout: Layout) -> int:
    kind, wide = rng.randrange(4), layout.bits == 64
    if kind == 0:
        return rng.choice(_SIZES_64 if wide else _SIZES)
    if kind == 1:
        place = rng.choice(_PLACES_64 if wide else _PLACES) + rng.choice((0, 0, 0, 1, 0x34, 0xFFC))
        return place & (1 << layout.bits) - 1
    return rng.randrange(1 << 12 if kind == 2 else 1 << layout.bits)


def _changed(rng: random.Random, data: bytes, layout: Layout) -> bytes:
    """A real program with some bytes, words or pieces of it changed."""
    new = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 5, 40))):
        at = rng.randrange(min(len(new), rng.choice((16, 52, 180, 400, len(new)))))
        kind = rng.randrange(3)
        if kind == 0:
            new[at] = rng.randrange(256)
        elif kind == 1:
            size = layout.bits // 8
            at &= -size
            new[at : at + size] = _word(rng, layout).to_bytes(size, "little")
        else:
            new[at : at + 8] = rng.randbytes(8)
    return bytes(new)


def _cut(rng: random.Random, data: bytes, _: Layout) -> bytes:
    """The same, ending anywhere, or with noise behind it."""
    if rng.random() < 0.2:
        return data + rng.randbytes(rng.randrange(5000))
    return data[: rng.randrange(min(len(data), rng.choice((60, 200, 5000, len(data)))) + 1)]


def _headers(rng: random.Random, data: bytes, layout: Layout) -> bytes:
    """A real program under headers that are nearly right, or not at all."""
    ehdr, phdr = layout.ehdr, layout.phdr
    fields = list(ehdr.unpack_from(data))
    phoff, phnum = fields[5], fields[10]
    room = min(phnum, (len(data) - phoff) // phdr.size, 20) if phoff < len(data) else 0
    segments = [
        dict(zip(layout.fields, phdr.unpack_from(data, phoff + n * phdr.size), strict=True))
        for n in range(room)
    ]
    if not segments:
        values = (1, 0, layout.low, 0, 0x1000, 0x1000, 7, 0x1000)
        segments = [dict(zip(_32.fields, values, strict=True))]
    for _ in range(rng.randrange(4)):
        segment = dict(rng.choice(segments))
        segment["type"] = rng.choice((1, 1, 1, 1, 0, 2, 3, 4, 6, 7, 0x6474E551, 99))
        segments.insert(rng.randrange(len(segments) + 1), segment)
    for segment in segments:
        _spoil(rng, segment, layout)
    if rng.random() < 0.3:
        rng.shuffle(segments)
    if rng.random() < 0.3:
        segments.sort(key=lambda segment: segment["vaddr"])
    if rng.random() < 0.5:
        fields[1] = rng.choice((2, 3, 3, 1, 4, 0xFFFF))
    if rng.random() < 0.2:
        fields[rng.choice((2, 3, 4, 7, 8, 9, 11, 12, 13))] = rng.choice((0, 1, 32, 3, 62, 0xFFFF))
    fields[10] = len(segments) if rng.random() < 0.9 else rng.choice((0, 1, 2048, 2049, 0xFFFF))
    table = b"".join(phdr.pack(*(segment[name] for name in layout.fields)) for segment in segments)
    if rng.random() < 0.5:  # elsewhere in the file
        fields[5] = len(data)
        return ehdr.pack(*fields) + data[ehdr.size :] + table
    return ehdr.pack(*fields) + table + data[ehdr.size + len(table) :]


def _spoil(rng: random.Random, segment: dict[str, int], layout: Layout) -> None:
    """Change fields of a program header."""
    mask = (1 << layout.bits) - 1
    if rng.random() < 0.4:
        name = layout.fields[rng.randrange(8)]
        segment[name] = _word(rng, layout)
        if name in ("type", "flags"):
            segment[name] &= 0xFFFFFFFF
    if rng.random() < 0.2:  # what a file and an address have in common is needed
        segment["vaddr"] = segment["vaddr"] & ~0xFFF | segment["offset"] & 0xFFF
    if rng.random() < 0.2:
        more = rng.choice((0, 1, 0x1000, 0x100000, 0x10000000))
        segment["memsz"] = segment["filesz"] + more & mask


def _noise(rng: random.Random, data: bytes, _: Layout) -> bytes:
    return rng.choice((b"", b"\x7fELF", data[:20], data[:52])) + rng.randbytes(rng.randrange(300))


_DRAW: tuple[Callable[[random.Random, bytes, Layout], bytes], ...] = (
    _changed, _changed, _cut, _headers, _headers, _headers, _noise,
)  # fmt: skip


def _machine(rng: random.Random) -> Machine:
    options: dict[str, Any] = {
        "bits": rng.choice([32, 64]),
        "rmap": rng.choice(sorted(schemes())),
        "ram": rng.choice(["512K", "768K", "2M", "8M"]),
        "swap": rng.choice([None, "512K", "4M"]),
        "overcommit": rng.choice([0, 0, 1, 2]),
        "topdown": rng.random() < 0.3,
        "fault_path": rng.choice(["c", "c", "python"]),
        "max_time": 100.0,
    }
    return Machine(**options)


def case(seed: int) -> int:
    """Run one machine and its files; how many they were."""
    rng = random.Random(seed)
    with tempfile.TemporaryDirectory() as directory, _machine(rng) as machine:
        machine.kernel.log = lambda _line: None
        layout = _64 if machine.core.bits == 64 else _32
        for number in range(FILES):
            bits = layout.bits if rng.random() < 0.95 else 96 - layout.bits
            data = Path(guest_path(rng.choice(GUESTS), bits)).read_bytes()
            for _ in range(rng.choice((1, 1, 1, 2))):
                data = rng.choice(_DRAW)(rng, data.ljust(200, b"\0"), layout)
            path = Path(directory) / f"program{number}"
            path.write_bytes(data)
            path.chmod(0o755 if rng.random() < 0.97 else 0o644)
            _try(rng, machine, path)
            if rng.random() < 0.5:
                path.unlink(missing_ok=True)
    return FILES


def _try(rng: random.Random, machine: Machine, path: Path) -> None:
    kernel = machine.kernel
    if rng.random() < 0.4:
        argv = ["vfork-exec", str(path), *["x" * rng.randrange(20)] * rng.choice((0, 1, 300))]
        program = guest_path("vfork-exec", machine.core.bits)
    else:
        argv, program = [str(path), *["y"] * rng.choice((0, 1, 50))], path
    try:
        machine.spawn(program, argv, stdin=b"some input", stdout=None, stderr=None)
    except ExecError as error:
        refused = str(error)
    else:
        refused = ""
        _run(rng, machine, path)
    if refused:
        assert program != path or str(path) in refused
        assert len(refused.splitlines()) == 1
    machine.check()
    kernel.kill_all()
    machine.check()
    assert kernel.hold.held == 0
    assert not machine.vm.mms


def _run(rng: random.Random, machine: Machine, path: Path) -> None:
    kernel = machine.kernel
    change = rng.choice((0, 1, 2, 5, 20)) if rng.random() < 0.3 else -1
    for step in range(STEPS):
        if kernel.first is None or not kernel.first.alive:
            return
        if step == change:
            _change(rng, path)
        try:
            kernel.step()
        except LimitReached:
            return
        except VmemuError as error:
            if not str(error).startswith("deadlock"):
                raise
            return


def _change(rng: random.Random, path: Path) -> None:
    """The host changes the file under a program that runs from it."""
    try:
        handle = os.open(path, os.O_RDWR)
    except OSError as error:
        if error.errno not in (errno.ENOENT, errno.EACCES):
            raise
        return
    if rng.random() < 0.5:
        os.ftruncate(handle, rng.randrange(9000))
    else:
        os.pwrite(handle, rng.randbytes(100), rng.randrange(9000))
    os.close(handle)
