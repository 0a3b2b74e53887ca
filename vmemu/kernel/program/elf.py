"""ELF program files: reading and checking their headers.

`load_elf` says in one sentence what is wrong with a file; the kernel's
execve() turns the same refusal into the errno the exception carries.

exec needs two structures of an ELF file, which are read by the struct module: to import
pyelftools for them would take a tenth of vmemu's start-up time.  It gives the names in refusals,
and the tests hold what is read here against it.
"""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
import stat
import struct
from collections.abc import Iterator
from typing import NamedTuple, Protocol

from vmemu.errors import ExecError

PAGE_SIZE = 4096
PF_X, PF_W, PF_R = 1, 2, 4
ET_EXEC, ET_DYN = 2, 3
PT_LOAD, PT_INTERP = 1, 3
PATH_MAX = 4096
_MAX_PHDRS_SIZE = 65536
_TASK_SIZE_I386 = 0xC0000000


class Ehdr(NamedTuple):
    """The file's header (Elf32_Ehdr, Elf64_Ehdr)."""

    ident: bytes
    type: int
    machine: int
    version: int
    entry: int
    phoff: int
    shoff: int
    flags: int
    ehsize: int
    phentsize: int
    phnum: int
    shentsize: int
    shnum: int
    shstrndx: int


class Phdr(NamedTuple):
    """A program header (Elf32_Phdr, Elf64_Phdr)."""

    type: int
    flags: int
    offset: int
    vaddr: int
    paddr: int
    filesz: int
    memsz: int
    align: int


class _Class(NamedTuple):
    """What differs between the two classes of ELF files."""

    bits: int
    ehdr: struct.Struct
    phdr: struct.Struct
    machines: tuple[int, ...]
    machine_name: str

    @property
    def max_phdrs(self) -> int:
        return _MAX_PHDRS_SIZE // self.phdr.size

    def header(self, head: bytes) -> Ehdr:
        """Read the file's header, of which ``head`` has all bytes."""
        return Ehdr(*self.ehdr.unpack_from(head))

    def program_headers(self, head: bytes, ehdr: Ehdr) -> list[Phdr]:
        """Read the program headers, of which ``head`` has all bytes."""
        table = head[ehdr.phoff : ehdr.phoff + ehdr.phnum * self.phdr.size]
        if self.bits == 64:
            return [Phdr(*words) for words in self.phdr.iter_unpack(table)]
        return [  # the flags are elsewhere
            Phdr(kind, flags, offset, vaddr, paddr, filesz, memsz, align)
            for kind, offset, vaddr, paddr, filesz, memsz, flags, align in self.phdr.iter_unpack(
                table
            )
        ]


_CLASSES = {
    32: _Class(
        32, struct.Struct("<16sHHIIIIIHHHHHH"), struct.Struct("<IIIIIIII"), (3, 6), "i386"
    ),  # EM_386, EM_486
    64: _Class(
        64, struct.Struct("<16sHHIQQQIHHHHHH"), struct.Struct("<IIQQQQQQ"), (62,), "x86-64"
    ),  # EM_X86_64
}
_MAGIC = b"\x7fELF"
_BITS = {1: 32, 2: 64}
"""Words of a file's class (EI_CLASS)."""


class ElfError(ExecError):
    """A file cannot be executed; errno is what execve() returns for it."""

    def __init__(self, message: str, number: int = errno.ENOEXEC, *, late: bool = False) -> None:
        super().__init__(message)
        self.errno = number
        self.late = late
        """Linux finds it after the arguments: what is wrong is not the file that was named."""


class Source(Protocol):
    """What the bytes of a program come from."""

    @property
    def size(self) -> int:
        """How many there are."""

    def read(self, offset: int, count: int) -> bytes:
        """Bytes from there on."""


class Segment(NamedTuple):
    """One PT_LOAD entry, addresses already biased (Elf32_Phdr, Elf64_Phdr)."""

    vaddr: int
    offset: int
    filesz: int
    memsz: int
    flags: int

    @property
    def end(self) -> int:
        """First address behind the segment in memory."""
        return self.vaddr + self.memsz


class ElfImage(NamedTuple):
    """What exec needs to know of a program."""

    path: str
    entry: int
    phdr: int
    """User address of the program headers (AT_PHDR); 0 if no segment holds them."""
    phnum: int
    phentsize: int
    segments: tuple[Segment, ...]
    interpreter: bytes | None = None
    """The path of what loads it (PT_INTERP)."""
    relocatable: bool = False
    """It may lie anywhere (ET_DYN)."""

    @property
    def lowest(self) -> int:
        """The page where it begins."""
        return self.segments[0].vaddr & -PAGE_SIZE

    @property
    def extent(self) -> int:
        """Bytes from there to its end (total_mapping_size)."""
        return self.segments[-1].end - self.lowest

    def moved(self, bias: int, bits: int) -> ElfImage:
        """The same elsewhere, so many bytes on."""
        segments = tuple(s._replace(vaddr=s.vaddr + bias) for s in self.segments)
        entry = self.entry + bias & (1 << bits) - 1
        return self._replace(
            entry=entry, phdr=self.phdr + bias if self.phdr else 0, segments=segments
        )


class HostFile:
    """A program's bytes from an open file of the host."""

    def __init__(self, fd: int) -> None:
        self._fd = fd

    @property
    def size(self) -> int:
        """Its length now."""
        return os.fstat(self._fd).st_size

    def read(self, offset: int, count: int) -> bytes:
        """Bytes from there on; OSError."""
        return os.pread(self._fd, count, offset)


def _head(source: Source, kind: _Class) -> tuple[bytes, int]:
    """Read the start of the file, enough for all headers, and its size."""
    size = source.size
    head = source.read(0, kind.ehdr.size)
    if len(head) == kind.ehdr.size:
        ehdr = kind.header(head)
        end = ehdr.phoff + ehdr.phnum * kind.phdr.size
        if end <= size and ehdr.phnum <= kind.max_phdrs:
            head = source.read(0, max(end, kind.ehdr.size))
    return head, size


def _quoted(path: str) -> str:
    import shlex

    return shlex.quote(path)


def _check_ident(path: str, head: bytes, kind: _Class) -> None:
    if head[:4] != _MAGIC:
        raise ElfError(f"{path} is not an ELF file")
    bits = _BITS.get(head[4]) if len(head) > 4 else kind.bits
    if bits is not None and bits != kind.bits:
        raise ElfError(
            f"{path} is a {bits}-bit ELF file; this machine runs {kind.bits}-bit "
            f"{kind.machine_name} programs: --bits {bits}, or bits={bits} in Python"
        )
    if len(head) < kind.ehdr.size:
        raise ElfError(f"{path} is truncated within its ELF header")
    if bits is None or head[5] != 1:
        raise ElfError(f"{path} is not a {kind.bits}-bit little-endian ELF file")


def elf_bits(path: str) -> int:
    """The width of a program's machine, 32 where the file does not say; `load_elf` says why."""
    try:
        with open_program(path) as source:
            return bits_of(source.read(0, 5))
    except ElfError:
        return 32


def bits_of(head: bytes) -> int:
    """The same from a file's first five bytes."""
    return _BITS.get(head[4], 32) if len(head) == 5 and head[:4] == _MAGIC else 32


def load_elf(
    path: str,
    bits: int = 32,
    task_size: int = _TASK_SIZE_I386,
    *,
    executable: bool = True,
) -> ElfImage:
    """Read and check a program of the host (the checks of load_elf_binary).

    path is the host's; bits the machine's width, task_size the end of its user addresses;
    executable also demands permission to execute it.  Raises ElfError.
    """
    with open_program(path) as source:
        if executable and not os.access(path, os.X_OK):
            elf = source.read(0, 4) == _MAGIC
            cure = f": chmod +x {_quoted(path)}" if elf else " and not an ELF file"
            raise ElfError(f"{path} is not executable{cure}", errno.EACCES)
        return read_elf(path, source, bits, task_size)


@contextlib.contextmanager
def open_program(path: str) -> Iterator[HostFile]:
    """Open a regular file of the host; ElfError, also for what is raised while it is open."""
    try:
        mode = os.stat(path).st_mode
        if stat.S_ISDIR(mode):
            raise ElfError(f"{path} is a directory", errno.EACCES)
        if not stat.S_ISREG(mode):
            raise ElfError(f"{path} is not a regular file", errno.EACCES)
        with open(path, "rb") as file:
            yield HostFile(file.fileno())
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise ElfError(f"cannot open {path}: {reason}", error.errno or errno.EIO) from None
    except ValueError:
        raise ElfError(f"{path!r} is not a path", errno.ENOENT) from None


def read_elf(
    path: str, source: Source, bits: int, task_size: int, *, loader: bool = False
) -> ElfImage:
    """The same for bytes from anywhere; path is what errors call it.

    loader: it is the interpreter of another program, whose place is to be found.
    """
    kind = _CLASSES[bits]
    head, size = _head(source, kind)
    _check_ident(path, head, kind)
    ehdr = kind.header(head)
    if ehdr.machine not in kind.machines:
        machine = _name("ENUM_E_MACHINE", ehdr.machine)
        raise ElfError(f"{path} is not an {kind.machine_name} program (machine {machine})")
    if ehdr.type not in (ET_EXEC, ET_DYN):
        raise ElfError(
            f"{path} is not an executable program (type {_name('ENUM_E_TYPE', ehdr.type)})"
        )
    each = kind.phdr.size
    if ehdr.phentsize != each or not 1 <= ehdr.phnum <= kind.max_phdrs:
        raise ElfError(f"{path} has no usable program headers")
    phoff, phnum = ehdr.phoff, ehdr.phnum
    if phoff + phnum * each > size:
        raise ElfError(f"{path} is truncated within its program headers")
    headers = kind.program_headers(head, ehdr)
    interpreter = None if loader else _interpreter(path, source, headers)
    loads = [h for h in headers if h.type == PT_LOAD and h.memsz]
    if not loads:
        raise ElfError(f"{path} has no segment to load")
    relocatable = ehdr.type == ET_DYN
    bias = _bias(loads, task_size) if relocatable and not loader else 0
    segments = tuple(Segment(h.vaddr + bias, h.offset, h.filesz, h.memsz, h.flags) for h in loads)
    first = 0 if relocatable and loader else PAGE_SIZE
    _check_segments(path, segments, size, first, task_size)
    phdr = next(
        (
            s.vaddr + phoff - s.offset
            for s in segments
            if s.offset <= phoff and phoff + phnum * each <= s.offset + s.filesz
        ),
        0,
    )
    entry = ehdr.entry + bias & (1 << bits) - 1
    return ElfImage(path, entry, phdr, phnum, each, segments, interpreter, relocatable)


def _interpreter(path: str, source: Source, headers: list[Phdr]) -> bytes | None:
    """The path in PT_INTERP, which ends with a NUL; ElfError when it does not."""
    header = next((h for h in headers if h.type == PT_INTERP), None)
    if header is None:
        return None
    if not 2 <= header.filesz <= PATH_MAX:
        raise ElfError(f"{path} has an interpreter's path of {header.filesz} bytes")
    name = source.read(header.offset, header.filesz)
    if len(name) < header.filesz:
        raise ElfError(f"{path} is truncated within its interpreter's path", errno.EIO)
    if name[-1]:
        raise ElfError(f"{path} has an interpreter's path without an end")
    return name[: name.index(0)]


def _name(names: str, number: int) -> str | int:
    """What ELF calls a number, as far as it has a name."""
    from elftools.elf import enums

    return next((name for name, value in getattr(enums, names).items() if value == number), number)


def _bias(loads: list[Phdr], task_size: int) -> int:
    """Where 2.6 puts a position-independent program (ELF_ET_DYN_BASE)."""
    lowest = min(h.vaddr for h in loads)
    return (task_size // 3 * 2 - lowest) & -PAGE_SIZE


def _check_segments(
    path: str, segments: tuple[Segment, ...], size: int, first: int, task_size: int
) -> None:
    for number, segment in enumerate(segments):
        where = f"{path}: segment {number} at {segment.vaddr:#x}"
        if segment.end > task_size:
            raise ElfError(f"{where} reaches beyond the user's address space", errno.ENOMEM)
        if segment.vaddr < first:
            raise ElfError(f"{where} lies in the first page, which is never mapped")
        if segment.filesz > segment.memsz:
            raise ElfError(f"{where} is larger in the file than in memory", errno.EINVAL)
        if segment.offset + segment.filesz > size:
            raise ElfError(f"{where} lies beyond the end of the file, which is truncated")
        if (segment.vaddr - segment.offset) % PAGE_SIZE:
            raise ElfError(f"{where} is not aligned like its file offset", errno.EINVAL)
    for number, (low, high) in enumerate(itertools.pairwise(segments)):
        if low.vaddr > high.vaddr:
            raise ElfError(f"{path}: segments {number} and {number + 1} are not in order")
        if low.end > high.vaddr:
            raise ElfError(f"{path}: segments {number} and {number + 1} overlap")
