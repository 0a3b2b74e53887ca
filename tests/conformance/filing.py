"""Lists of system calls on files, made by `filer.c` natively or in a machine."""

from __future__ import annotations

import io
import struct
import subprocess
from pathlib import Path
from typing import Any, NamedTuple

from vmemu import _build
from vmemu.kernel.syscalls import TABLES
from vmemu.machine import Machine

POOL, OUT = 0x60000000, 0x61000000
POOL_SIZE, OUT_SIZE = 64 * 4096, 4 * 4096
NUMBERS = {
    bits: {entry.name: number for number, entry in table.items()} for bits, table in TABLES.items()
}
AT_FDCWD = -100
O_RDONLY, O_WRONLY, O_RDWR = range(3)
O_CREAT, O_EXCL, O_TRUNC, O_APPEND = 0o100, 0o200, 0o1000, 0o2000
O_DIRECTORY, O_NOFOLLOW, O_CLOEXEC = 0o200000, 0o400000, 0o2000000
STAT = {32: ("stat64", "lstat64", "fstat64", 96), 64: ("stat", "lstat", "fstat", 144)}


class Answer(NamedTuple):
    """What a call returned, and what it left in the buffer."""

    result: int
    out: bytes


class Told(NamedTuple):
    """What of struct stat does not depend on the file system."""

    mode: int
    nlink: int
    size: int


class Filing:
    """A list of calls; strings go to a pool, results that need a buffer to OUT."""

    def __init__(self, bits: int = 64) -> None:
        self.bits = bits
        self._pool = bytearray()
        self._known: dict[bytes, int] = {}
        self._records: list[tuple[list[int], int]] = []

    def __len__(self) -> int:
        return len(self._records)

    def put(self, data: bytes) -> int:
        """Place bytes in the pool, once; their address."""
        if data not in self._known:
            self._known[data] = POOL + len(self._pool)
            self._pool += data + bytes(-len(data) % 8)
            assert len(self._pool) <= POOL_SIZE
        return self._known[data]

    def call(self, name: str, *args: int | bytes | str, dump: int = 0) -> int:
        """Add a call; text is a string that ends with a zero, bytes are data.  Its index."""
        values = [
            self.put(arg.encode() + b"\0")
            if isinstance(arg, str)
            else self.put(arg)
            if isinstance(arg, bytes)
            else arg
            for arg in args
        ]
        self._records.append(([NUMBERS[self.bits][name], *values] + [0] * (6 - len(args)), dump))
        return len(self._records) - 1

    def offset(self, *values: int) -> list[int]:
        """Offsets of 64 bits as arguments."""
        if self.bits == 64:
            return list(values)
        return [word for value in values for word in (value & 0xFFFFFFFF, value >> 32)]

    def stat(self, name: str, what: str | int) -> int:
        """Add stat, lstat or fstat."""
        names = STAT[self.bits]
        return self.call(names[("stat", "lstat", "fstat").index(name)], what, OUT, dump=names[3])

    def told(self, answer: Answer) -> Told:
        """Read what one of them gave."""
        if self.bits == 64:
            nlink, mode = struct.unpack_from("<QI", answer.out, 16)
            size = struct.unpack_from("<q", answer.out, 48)[0]
        else:
            mode, nlink = struct.unpack_from("<2I", answer.out, 16)
            size = struct.unpack_from("<q", answer.out, 44)[0]
        return Told(mode, nlink, size)

    def describe(self, index: int) -> str:
        """A call in words."""
        (number, *args), _ = self._records[index]
        texts = {address: data.rstrip(b"\0") for data, address in self._known.items()}
        shown = [repr(texts[arg])[:40] if arg in texts else str(arg) for arg in args]
        return f"{TABLES[self.bits][number].name}({', '.join(shown)})"

    def listed(self) -> bytes:
        """What the program reads."""
        long, mask = ("Q", (1 << 64) - 1) if self.bits == 64 else ("I", 0xFFFFFFFF)
        return bytes(self._pool).ljust(POOL_SIZE, b"\0") + b"".join(
            struct.pack(f"<8{long}", *(word & mask for word in words), dump)
            for words, dump in self._records
        )

    def answers(self, output: bytes) -> list[Answer]:
        """Read what the program wrote."""
        form = struct.Struct("<q" if self.bits == 64 else "<i")
        found, at = [], 0
        for _, dump in self._records:
            result = form.unpack_from(output, at)[0]
            at += form.size
            found.append(Answer(result, output[at : at + dump]))
            at += dump
        assert at == len(output)
        return found

    def program(self, directory: Path) -> Path:
        """The program, as a file."""
        path = directory / f"filer{self.bits}"
        if not path.exists():
            source = Path(__file__).with_name("filer.c")
            path.write_bytes(_build.guest_program(source, self.bits))
            path.chmod(0o755)
        return path

    def run(self, directory: Path, **options: Any) -> list[Answer]:
        """Make the calls in a machine, which is checked afterwards."""
        output = io.BytesIO()
        options = {"ram": "4M", "swap": None} | options
        with Machine(bits=self.bits, **options) as machine:
            machine.spawn(self.program(directory), stdin=self.listed(), stdout=output)
            assert machine.run().exit_status == 0
            machine.check()
        return self.answers(output.getvalue())

    def native(self, directory: Path, cwd: Path) -> list[Answer]:
        """Make them on the host; OSError if it does not execute such programs."""
        done = subprocess.run(
            [self.program(directory)],
            input=self.listed(),
            capture_output=True,
            timeout=60,
            check=True,
            cwd=cwd,
        )
        return self.answers(done.stdout)


def names(bits: int, data: bytes) -> list[bytes]:
    """The names that getdents64() gave, in order of their bytes."""
    found, at = [], 0
    while at < len(data):
        length = struct.unpack_from("<H", data, at + 16)[0]
        if not length:
            break
        found.append(data[at + 19 : at + length].split(b"\0")[0])
        at += length
    return sorted(found)
