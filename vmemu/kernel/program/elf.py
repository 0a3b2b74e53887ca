"""ELF program files: reading and checking their headers.

`load_elf` says in one sentence what is wrong with a file; the kernel's
execve() turns the same refusal into the errno the exception carries.

exec needs two structures of an ELF file, which are read by the struct module: to import
pyelftools for them would take a tenth of vmemu's start-up time.  It gives the names in refusals,
and the tests hold what is read here against it.
"""

from __future__ import annotations

import errno
import itertools
import os
import stat
import struct
from typing import NamedTuple

from vmemu.errors import ExecError

PAGE_SIZE = 4096
PF_X, PF_W, PF_R = 1, 2, 4
ET_EXEC, ET_DYN = 2, 3
PT_LOAD, PT_INTERP = 1, 3
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

    def __init__(self, message: str, number: int = errno.ENOEXEC) -> None:
        super().__init__(message)
        self.errno = number


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


def _read(path: str, kind: _Class, fd: int | None) -> tuple[bytes, int]:
    """Read the start of the file, enough for all headers, and its size."""
    try:
        mode = (os.stat(path) if fd is None else os.fstat(fd)).st_mode
        if stat.S_ISDIR(mode):
            raise ElfError(f"{path} is a directory", errno.EACCES)
        if not stat.S_ISREG(mode):
            raise ElfError(f"{path} is not a regular file", errno.EACCES)
        if fd is not None:
            return _head(fd, kind)
        with open(path, "rb") as file:
            return _head(file.fileno(), kind)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise ElfError(f"cannot open {path}: {reason}", error.errno or errno.EIO) from None
    except ValueError:
        raise ElfError(f"{path!r} is not a path", errno.ENOENT) from None


def _head(fd: int, kind: _Class) -> tuple[bytes, int]:
    size = os.fstat(fd).st_size
    head = os.pread(fd, kind.ehdr.size, 0)
    if len(head) == kind.ehdr.size:
        ehdr = kind.header(head)
        end = ehdr.phoff + ehdr.phnum * kind.phdr.size
        if end <= size and ehdr.phnum <= kind.max_phdrs:
            head = os.pread(fd, max(end, kind.ehdr.size), 0)
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
        with open(path, "rb") as file:
            head = file.read(5)
    except (OSError, ValueError):
        return 32
    return bits_of(head)


def bits_of(head: bytes) -> int:
    """The same from a file's first five bytes."""
    return _BITS.get(head[4], 32) if len(head) == 5 and head[:4] == _MAGIC else 32


def load_elf(
    path: str,
    bits: int = 32,
    task_size: int = _TASK_SIZE_I386,
    *,
    executable: bool = True,
    fd: int | None = None,
) -> ElfImage:
    """Read and check a static program (the checks of load_elf_binary).

    path is the host's; bits the machine's width, task_size the end of its user addresses;
    executable also demands permission to execute it.  With a descriptor fd the file is that
    one, and path only its name.  Raises ElfError.
    """
    kind = _CLASSES[bits]
    head, size = _read(path, kind, fd)
    if executable and fd is None and not os.access(path, os.X_OK):
        cure = f": chmod +x {_quoted(path)}" if head[:4] == _MAGIC else " and not an ELF file"
        raise ElfError(f"{path} is not executable{cure}", errno.EACCES)
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
    if any(h.type == PT_INTERP for h in headers):
        width = " -m32" if bits == 32 else ""
        raise ElfError(
            f"{path} is dynamically linked, which vmemu does not support yet: "
            f"gcc{width} -static SOURCE.c"
        )
    loads = [h for h in headers if h.type == PT_LOAD and h.memsz]
    if not loads:
        raise ElfError(f"{path} has no segment to load")
    bias = _bias(loads, task_size) if ehdr.type == ET_DYN else 0
    segments = tuple(Segment(h.vaddr + bias, h.offset, h.filesz, h.memsz, h.flags) for h in loads)
    _check_segments(path, segments, size, task_size)
    phdr = next(
        (
            s.vaddr + phoff - s.offset
            for s in segments
            if s.offset <= phoff and phoff + phnum * each <= s.offset + s.filesz
        ),
        0,
    )
    entry = ehdr.entry + bias & (1 << bits) - 1
    return ElfImage(path, entry, phdr, phnum, each, segments)


def _name(names: str, number: int) -> str | int:
    """What ELF calls a number, as far as it has a name."""
    from elftools.elf import enums

    return next((name for name, value in getattr(enums, names).items() if value == number), number)


def _bias(loads: list[Phdr], task_size: int) -> int:
    """Where 2.6 puts a position-independent program (ELF_ET_DYN_BASE)."""
    lowest = min(h.vaddr for h in loads)
    return (task_size // 3 * 2 - lowest) & -PAGE_SIZE


def _check_segments(path: str, segments: tuple[Segment, ...], size: int, task_size: int) -> None:
    for number, segment in enumerate(segments):
        where = f"{path}: segment {number} at {segment.vaddr:#x}"
        if segment.end > task_size:
            raise ElfError(f"{where} reaches beyond the user's address space", errno.ENOMEM)
        if segment.vaddr < PAGE_SIZE:
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
