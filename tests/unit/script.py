"""Guests made by hand: ELF files from bytes, and programs that are lists of system calls.

All are of the tests' width (tests/width.py).  A test names system calls, and finds in here what
else differs: machine code, words, layouts.  In 64 bits programs lie above 4 GB, lest half a
pointer be enough.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.width import BITS, LIMIT, WORD
from vmemu.kernel.process.task import Task
from vmemu.kernel.process.wait import WaitStatus
from vmemu.kernel.signal.state import SaFlags
from vmemu.kernel.syscalls import TABLES
from vmemu.machine import Machine

BASE = {32: 0x08048000, 64: 0x10_0040_0000}[BITS]
TEXT = BASE + 0x100
COUNTER = BASE + 0x1000  # the word a handler increments
ADDRESS = COUNTER + WORD  # si_addr as a handler saw it
_POINTER = COUNTER + 2 * WORD
_TABLE = COUNTER + 0x100
SCRATCH = COUNTER + 0x800 * WORD  # two pages for strings and buffers
_RECORD = 9 * WORD
_RESULT, _JUMP = 7, 8  # what of a record follows the call and its arguments
_CALL = LIMIT - 1
ARENA = {32: 0x50000000, 64: 0x50_0000_0000}[BITS]  # nothing is there
RW, PRIVATE, FIXED = 3, 0x22, 0x32

NUMBERS = {entry.name: number for number, entry in TABLES[BITS].items()}

EHDR, PHDR = {32: (52, 32), 64: (64, 56)}[BITS]
_SHDR = {32: 40, 64: 64}[BITS]
EM = {32: 3, 64: 62}[BITS]  # EM_386, EM_X86_64


def ident(bits: int = BITS, data: int = 1) -> bytes:
    """e_ident: the class, the data's order, a version."""
    return b"\x7fELF" + bytes([bits // 32, data, 1]) + bytes(9)


def elf(
    body: bytes,
    entry: int = TEXT,
    *,
    ident: bytes = ident(),
    kind: int = 2,
    machine: int = EM,
    segments: list[tuple[int, ...]] | None = None,
    phentsize: int = PHDR,
) -> bytes:
    """An ELF file; segments are (type, offset, vaddr, filesz, memsz, flags)."""
    if segments is None:
        size = 0x100 + len(body)
        segments = [(1, 0, BASE, size, size + 0x2000, 7)]
    header = struct.pack(
        {32: "<2H5I6H", 64: "<2HI3QI6H"}[BITS],
        kind, machine, 1, entry, EHDR, 0, 0, EHDR, phentsize, len(segments), _SHDR, 0, 0,
    )  # fmt: skip
    programs = b""
    for kind, offset, vaddr, filesz, memsz, flags in segments:
        sizes = (offset, vaddr, vaddr, filesz, memsz)
        if BITS == 32:
            programs += struct.pack("<8I", kind, *sizes, flags, 0x1000)
        else:
            programs += struct.pack("<2I6Q", kind, flags, *sizes, 0x1000)
    return (ident + header + programs).ljust(0x100, b"\0") + body


def word(value: int) -> bytes:
    """A long or a pointer."""
    return (value % LIMIT).to_bytes(WORD, "little")


def packed(form: str, *values: int) -> bytes:
    """A structure as C has it: struct's letters H, I, Q, and N for a long or a pointer."""
    data = b""
    for letter, value in zip(form, values, strict=True):
        size = WORD if letter == "N" else struct.calcsize(letter)
        data += bytes(-len(data) % min(size, WORD))
        data += (value % (1 << 8 * size)).to_bytes(size, "little")
    return data


# ---- machine code


_ENTER = {32: b"\xcd\x80", 64: b"\x0f\x05"}[BITS]  # int 0x80; syscall


def enter(name: str) -> bytes:
    """Make a system call whose arguments are in the registers: mov eax, its number; enter."""
    return b"\xb8" + NUMBERS[name].to_bytes(4, "little") + _ENTER


def call_code(name: str, *args: int) -> bytes:
    """Make a system call with these arguments."""
    loads = {
        32: ("bb", "b9", "ba", "be", "bf"),  # mov ebx, ecx, edx, esi, edi
        64: ("48bf", "48be", "48ba", "49ba", "49b8", "49b9"),  # mov rdi, rsi, rdx, r10, r8, r9
    }[BITS]
    given = zip(loads, args, strict=False)
    return b"".join(bytes.fromhex(load) + word(value) for load, value in given) + enter(name)


def _interpreter() -> bytes:
    """Make the call that the word at _POINTER points at, store its result, go on."""
    pointer = word(_POINTER).hex()
    code = bytes.fromhex(
        {
            32: f"a1 {pointer}"  # mov eax,[pointer]
            "8b5804 8b4808 8b500c 8b7010 8b7814 8b6818 8b00"  # the arguments, the number
            "83f8ff 7504 ffd3 eb02"  # -1 calls ebx
            "cd80"
            f"8b1d {pointer}"  # mov ebx,[pointer]
            "89431c 8b4b20 83c324"  # the result; next record
            "85c0 7506 85c9 7402 89cb"  # jump where the record says if it is 0
            f"891d {pointer}",
            64: f"48a1 {pointer}"  # mov rax,[pointer]
            "488b7808 488b7010 488b5018 4c8b5020 4c8b4028 4c8b4830 488b00"
            "4883f8ff 750e 4989fb 4889f1 4c89c7 41ffd3 eb02"  # -1 calls rdi: rcx = rsi, rdi = r8
            "0f05"
            f"48bb {pointer} 488b1b"
            "48894338 488b4b40 4883c348"
            "4885c0 7508 4885c9 7403 4889cb"
            f"4889d8 48a3 {pointer}",
        }[BITS]
    )
    return code + b"\xeb" + struct.pack("b", -len(code) - 2)


def _snippets() -> dict[str, bytes]:
    counter, address = word(COUNTER).hex(), word(ADDRESS).hex()
    count = {
        32: f"ff05 {counter}",  # inc dword [counter]
        64: f"48b8 {counter} 48ff00",  # mov rax,counter; inc qword [rax]
    }[BITS]
    note = {
        32: f"8b4c2408 8b490c 890d {address}",  # info = [esp+8]; [address] = info->si_addr
        64: "488b4e10 48894808",  # info = rsi; [rax+8] = info->si_addr
    }[BITS]
    move = {
        32: "8b44240c 83404c02",  # uc = [esp+12]; uc_mcontext.eip += 2
        64: "488382a800000002",  # uc = rdx; uc_mcontext.rip += 2
    }[BITS]
    restart = {32: "b800feffff", 64: "48c7c000feffff"}[BITS]  # mov eax,-512 or rax
    cx = {32: "89c8", 64: "4889c8"}[BITS]  # mov eax,ecx or rax,rcx
    return {
        "count": bytes.fromhex(f"{count} c3"),
        "skip": bytes.fromhex(f"{count} {note} {move} c3"),  # an instruction of 2 bytes
        "restore": enter("rt_sigreturn"),
        "peek": bytes.fromhex("8a09 c3"),  # mov cl,[cx]; ret
        "divide": bytes.fromhex("31c9 31d2 f7f1 c3"),  # xor ecx,ecx; xor edx,edx; div ecx; ret
        "undefined": bytes.fromhex("0f0b c3"),  # ud2; ret
        "halt": bytes.fromhex("f490 c3"),  # hlt; nop; ret
        "fill": bytes.fromhex("f3aa c3"),  # rep stosb; ret: at di, cx bytes
        "spin": bytes.fromhex("ffc9 75fc c3"),  # cx times: dec ecx; jnz
        "cx": enter("getpid") + bytes.fromhex(f"{cx} c3"),  # what a call leaves in cx
        "busy": bytes.fromhex(f"{restart} ffc9 75fc c3"),  # the same with ax -512
        "die": b"\xeb\xfe",
    }


_CODE = _interpreter()
_SNIPPETS = _snippets()
CALLED = TEXT + _CODE.index(_ENTER) + len(_ENTER)  # where a script's calls return to


def snippet(name: str) -> int:
    """The address of a piece of code that every script contains."""
    at = TEXT + len(_CODE)
    for each, code in _SNIPPETS.items():
        if each == name:
            return at
        at += len(code)
    raise KeyError(name)


# ---- scripts


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

    def _number(self, address: int, size: int) -> int:
        """A number of the data pages or the scratch pages at the end."""
        for start, data in self.memory.items():
            if start <= address < start + len(data):
                return int.from_bytes(data[address - start :][:size], "little")
        raise KeyError(hex(address))

    def word(self, address: int) -> int:
        return self._number(address, WORD)

    def u32(self, address: int) -> int:
        return self._number(address, 4)

    def u64(self, address: int) -> int:
        return self._number(address, 8)

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
        self._scratch += bytes(-len(self._scratch) % WORD)
        assert len(self._scratch) <= 0x1000
        return address

    def words(self, *values: int) -> int:
        return self.put(b"".join(word(value) for value in values))

    def struct(self, form: str, *values: int) -> int:
        """Place a structure; see packed()."""
        return self.put(packed(form, *values))

    def sigaction(
        self, handler: int | str, flags: int = 0, mask: int = 0, *, restorer: bool = BITS == 64
    ) -> int:
        """Place a struct sigaction; x86-64's handlers cannot do without a restorer."""
        address = snippet(handler) if isinstance(handler, str) else handler
        back = snippet("restore") if restorer else 0
        flags |= SaFlags.RESTORER if restorer else 0
        return self.struct("NNNQ", address, flags, back, mask)

    def call(self, name: str | int, *args: int) -> int:
        """Add a call, by name or number; the index of its result."""
        number = NUMBERS[name] if isinstance(name, str) else name
        record = [number, *args] + [0] * (6 - len(args)) + [0, 0]
        self._records.append([value % LIMIT for value in record])
        return len(self._records) - 1

    def mmap(self, at: int, length: int, prot: int = RW, flags: int = FIXED) -> int:
        """Map anonymous memory by the call that takes registers."""
        return self.call({32: "mmap2", 64: "mmap"}[BITS], at, length, prot, flags, -1, 0)

    def run_code(self, name: str, cx: int = 0, di: int = 0) -> int:
        """Call a snippet."""
        return self.call(_CALL, snippet(name), cx, 0, 0, di)

    def if_zero(self, index: int) -> None:
        """Where call `index` gives 0 (fork's child), go on with what is added from now on."""
        self._records[index][_JUMP] = _TABLE + _RECORD * len(self._records)

    def end(self, status: int = 0) -> None:
        """Let the test see results and memory, then exit."""
        name = self.put(b"end\0")
        self.call("vmemu_lab", 0, name)
        self.call("exit", status)

    def build(self) -> bytes:
        code = _CODE + b"".join(_SNIPPETS.values())
        table = b"".join(word(value) for record in self._records for value in record)
        assert len(code) <= COUNTER - TEXT
        assert len(table) <= SCRATCH - _TABLE
        data = word(0) + word(0) + word(_TABLE)
        data = data.ljust(_TABLE - COUNTER, b"\0") + table
        image = code.ljust(COUNTER - TEXT, b"\0") + data.ljust(SCRATCH - COUNTER, b"\0")
        return elf(image + self._scratch.ljust(0x1000, b"\0"))

    def program(self, tmp_path: Path) -> Path:
        """The program as an executable file."""
        return executable(tmp_path / "script", self.build())

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
        program = self.program(tmp_path)
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
                        ran.word(_TABLE + _RECORD * index + _RESULT * WORD)
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


def executable(path: Path, data: bytes) -> Path:
    """Write a program's file."""
    path.write_bytes(data)
    path.chmod(0o755)
    return path


def signed(value: int) -> int:
    """A word as a signed number."""
    return value - LIMIT if value >= LIMIT // 2 else value
