"""Guests made by hand: ELF files from bytes, and programs that are lists of system calls.

All are of i386: tests that run one are marked so, or ask for 32 bits.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vmemu.kernel.process.task import Task
from vmemu.kernel.process.wait import WaitStatus
from vmemu.machine import Machine

BASE = 0x08048000
TEXT = BASE + 0x100
COUNTER = BASE + 0x1000  # the word a handler increments
ADDRESS = COUNTER + 4  # si_addr as a handler saw it
_POINTER = COUNTER + 8
_TABLE = COUNTER + 0x100
SCRATCH = BASE + 0x3000  # two pages for strings and buffers
_RECORD = 36
CALL = 0xFFFFFFFF

MARK = 0x766D


def elf(
    body: bytes,
    entry: int = TEXT,
    *,
    ident: bytes = b"\x7fELF\1\1\1" + bytes(9),
    kind: int = 2,
    machine: int = 3,
    segments: list[tuple[int, ...]] | None = None,
    phentsize: int = 32,
) -> bytes:
    """An ELF32 file; segments are (type, offset, vaddr, filesz, memsz, flags)."""
    if segments is None:
        size = 0x100 + len(body)
        segments = [(1, 0, BASE, size, size + 0x2000, 7)]
    header = struct.pack(
        "<2H5I6H", kind, machine, 1, entry, 52, 0, 0, 52, phentsize, len(segments), 40, 0, 0
    )
    programs = b"".join(
        struct.pack("<8I", kind, offset, vaddr, vaddr, filesz, memsz, flags, 0x1000)
        for kind, offset, vaddr, filesz, memsz, flags in segments
    )
    return (ident + header + programs).ljust(0x100, b"\0") + body


def word(value: int) -> bytes:
    return struct.pack("<I", value & 0xFFFFFFFF)


def _interpreter() -> bytes:
    pointer = word(_POINTER)
    code = (
        b"\xa1" + pointer  # loop: mov eax,[pointer]
        + bytes.fromhex("8b5804 8b4808 8b500c 8b7010 8b7814 8b6818 8b00")  # the arguments
        + bytes.fromhex("83f8ff 7504 ffd3 eb02 cd80")  # -1 calls ebx
        + b"\x8b\x1d" + pointer  # mov ebx,[pointer]
        + bytes.fromhex("89431c 8b4b20 83c324")  # the result; next record
        + bytes.fromhex("85c0 7506 85c9 7402 89cb")  # jump where the record says if it is 0
        + b"\x89\x1d" + pointer
    )  # fmt: skip
    return code + b"\xeb" + struct.pack("b", -len(code) - 2)


_CODE = _interpreter()
_SNIPPETS = {
    "count": b"\xff\x05" + word(COUNTER) + b"\xc3",  # inc dword [counter]; ret
    # count, store si_addr, skip a 2-byte instruction: uc_mcontext.eip += 2
    "skip": bytes.fromhex("ff05") + word(COUNTER) + bytes.fromhex("8b4c2408 8b490c 890d")
    + word(ADDRESS) + bytes.fromhex("8b44240c 83404c02 c3"),
    "peek": bytes.fromhex("8a09 c3"),  # mov cl,[ecx]; ret
    "divide": bytes.fromhex("31c9 31d2 f7f1 c3"),  # xor ecx,ecx; xor edx,edx; div ecx; ret
    "undefined": bytes.fromhex("0f0b c3"),  # ud2; ret
    "halt": bytes.fromhex("f490 c3"),  # hlt; nop; ret
    "fill": bytes.fromhex("f3aa c3"),  # rep stosb; ret: at edi, ecx bytes
    "spin": bytes.fromhex("49 75fd c3"),  # ecx times: dec ecx; jnz
    "die": b"\xeb\xfe",
}  # fmt: skip


def snippet(name: str) -> int:
    """The address of a piece of code that every script contains."""
    at = TEXT + len(_CODE)
    for each, code in _SNIPPETS.items():
        if each == name:
            return at
        at += len(code)
    raise KeyError(name)


@dataclass
class Ran:
    """What a script did."""

    machine: Machine
    status: WaitStatus | None = None
    results: list[int] = field(default_factory=list)
    memory: dict[int, bytes] = field(default_factory=dict)
    output: bytes = b""
    log: list[str] = field(default_factory=list)
    trace: list[str] = field(default_factory=list)

    def word(self, address: int) -> int:
        """A word of the first two data pages or the scratch pages at the end."""
        for start, data in self.memory.items():
            if start <= address < start + len(data):
                return int(struct.unpack_from("<I", data, address - start)[0])
        raise KeyError(hex(address))

    def bytes(self, address: int, count: int) -> bytes:
        return self.memory[SCRATCH][address - SCRATCH :][:count]


class Script:
    """A list of system calls that a guest makes one after the other."""

    def __init__(self) -> None:
        self._records: list[list[int]] = []
        self._scratch = bytearray()

    def put(self, data: bytes | int) -> int:
        """Place bytes, or room for so many, in scratch memory; its address."""
        address = SCRATCH + len(self._scratch)
        self._scratch += data if isinstance(data, bytes) else bytes(data)
        self._scratch += bytes(-len(self._scratch) % 4)
        assert len(self._scratch) <= 0x1000
        return address

    def words(self, *values: int) -> int:
        return self.put(b"".join(word(value) for value in values))

    def call(self, number: int, *args: int) -> int:
        """Add a call; the index of its result."""
        padded = [value & 0xFFFFFFFF for value in args] + [0] * (6 - len(args))
        self._records.append([number & 0xFFFFFFFF, *padded, 0, 0])
        return len(self._records) - 1

    def run_code(self, name: str, ecx: int = 0, edi: int = 0) -> int:
        """Call a snippet."""
        return self.call(CALL, snippet(name), ecx, 0, 0, edi)

    def if_zero(self, index: int) -> None:
        """Where call `index` gives 0 (fork's child), go on with what is added from now on."""
        self._records[index][8] = _TABLE + _RECORD * len(self._records)

    def end(self, status: int = 0) -> None:
        """Let the test see results and memory, then exit."""
        name = self.put(b"end\0")
        self.call(MARK, 0, name)
        self.call(1, status)

    def build(self) -> bytes:
        code = _CODE + b"".join(_SNIPPETS.values())
        table = b"".join(word(value) for record in self._records for value in record)
        assert len(table) < 0x1F00
        data = word(0) + word(0) + word(_TABLE)
        data = data.ljust(_TABLE - COUNTER, b"\0") + table
        image = code.ljust(COUNTER - TEXT, b"\0") + data.ljust(SCRATCH - COUNTER, b"\0")
        return elf(image + self._scratch.ljust(0x1000, b"\0"))

    def run(
        self,
        tmp_path: Path,
        *,
        setup: Callable[[Machine], Any] | None = None,
        stdin: bytes = b"",
        strace: bool = False,
        **options: Any,
    ) -> Ran:
        """Run it in a machine of its own, which is closed then."""
        program = tmp_path / "script"
        program.write_bytes(self.build())
        program.chmod(0o755)
        stdout = io.BytesIO()
        options.setdefault("ram", "4M")
        options.setdefault("swap", "4M")
        with Machine(**options) as machine:
            ran = Ran(machine)

            def on_mark(task: Task, name: str, a: int, b: int) -> int | None:
                if name == "end":
                    ran.memory = {
                        COUNTER: task.mm.read(COUNTER, SCRATCH - COUNTER),
                        SCRATCH: task.mm.read(SCRATCH, 0x1000),
                    }
                    ran.results = [
                        ran.word(_TABLE + _RECORD * index + 28)
                        for index in range(len(self._records))
                    ]
                return None

            machine.kernel.on_mark = on_mark
            machine.kernel.log = ran.log.append
            if strace:
                machine.kernel.strace = ran.trace.append
            task = machine.spawn(program, stdin=stdin, stdout=stdout, stderr=stdout)
            if setup is not None:
                setup(machine)
            ran.status = machine.run()
            machine.check()
            assert task.status is ran.status
        ran.output = stdout.getvalue()
        return ran


def signed(value: int) -> int:
    return value - (1 << 32) if value & 0x80000000 else value
