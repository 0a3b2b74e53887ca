"""ELF program files: reading and checking their headers.

`load_elf` says in one sentence what is wrong with a file; the kernel's
execve() turns the same refusal into the errno the exception carries.
"""

from __future__ import annotations

import errno
import functools
import itertools
import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vmemu.errors import ExecError

PAGE_SIZE = 4096
PF_X, PF_W, PF_R = 1, 2, 4
_MAX_PHDRS_SIZE = 65536
_TASK_SIZE_I386 = 0xC0000000


@dataclass(frozen=True, slots=True)
class _Class:
    """What differs between the two classes of ELF files."""

    bits: int
    ehdr_size: int
    phdr_size: int
    phoff: slice
    phnum: slice
    machine: str
    machine_name: str

    @property
    def max_phdrs(self) -> int:
        return _MAX_PHDRS_SIZE // self.phdr_size


_CLASSES = {
    32: _Class(32, 52, 32, slice(28, 32), slice(44, 46), "EM_386", "i386"),
    64: _Class(64, 64, 56, slice(32, 40), slice(56, 58), "EM_X86_64", "x86-64"),
}
_MAGIC = b"\x7fELF"
_BITS = {1: 32, 2: 64}
"""Words of a file's class (EI_CLASS)."""


class ElfError(ExecError):
    """A file cannot be executed; errno is what execve() returns for it."""

    def __init__(self, message: str, number: int = errno.ENOEXEC) -> None:
        super().__init__(message)
        self.errno = number


@dataclass(frozen=True, slots=True)
class Segment:
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


@dataclass(frozen=True, slots=True)
class ElfImage:
    """What exec needs to know of a program."""

    path: str
    entry: int
    phdr: int
    """User address of the program headers (AT_PHDR); 0 if no segment holds them."""
    phnum: int
    phentsize: int
    segments: tuple[Segment, ...]


@functools.cache
def _structs(bits: int) -> Any:
    # imported when a program is loaded: it takes a tenth of vmemu's start-up time
    from elftools.elf.structs import ELFStructs

    structs = ELFStructs(little_endian=True, elfclass=bits)
    structs.create_basic_structs()
    structs.create_advanced_structs("ET_EXEC", _CLASSES[bits].machine, "ELFOSABI_SYSV")
    return structs


def _read(path: str, kind: _Class) -> tuple[bytes, int]:
    """Read the start of the file, enough for all headers, and its size."""
    try:
        mode = Path(path).stat().st_mode
        if stat.S_ISDIR(mode):
            raise ElfError(f"{path} is a directory", errno.EACCES)
        if not stat.S_ISREG(mode):
            raise ElfError(f"{path} is not a regular file", errno.EACCES)
        with Path(path).open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            head = file.read(kind.ehdr_size)
            if len(head) == kind.ehdr_size:
                phoff = int.from_bytes(head[kind.phoff], "little")
                phnum = int.from_bytes(head[kind.phnum], "little")
                end = phoff + phnum * kind.phdr_size
                if end <= size and phnum <= kind.max_phdrs:
                    file.seek(0)
                    head = file.read(max(end, kind.ehdr_size))
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise ElfError(f"cannot open {path}: {reason}", error.errno or errno.EIO) from None
    except ValueError:
        raise ElfError(f"{path!r} is not a path", errno.ENOENT) from None
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
    if len(head) < kind.ehdr_size:
        raise ElfError(f"{path} is truncated within its ELF header")
    if bits is None or head[5] != 1:
        raise ElfError(f"{path} is not a {kind.bits}-bit little-endian ELF file")


def elf_bits(path: str) -> int:
    """The width of a program's machine, 32 where the file does not say; `load_elf` says why."""
    try:
        with Path(path).open("rb") as file:
            head = file.read(5)
    except (OSError, ValueError):
        return 32
    return _BITS.get(head[4], 32) if len(head) == 5 and head[:4] == _MAGIC else 32


def load_elf(
    path: str, bits: int = 32, task_size: int = _TASK_SIZE_I386, *, executable: bool = True
) -> ElfImage:
    """Read and check a static program (the checks of load_elf_binary).

    path is the host's; bits the machine's width, task_size the end of its user addresses;
    executable also demands permission to execute it.  Raises ElfError.
    """
    kind = _CLASSES[bits]
    head, size = _read(path, kind)
    if executable and not os.access(path, os.X_OK):
        cure = f": chmod +x {_quoted(path)}" if head[:4] == _MAGIC else " and not an ELF file"
        raise ElfError(f"{path} is not executable{cure}", errno.EACCES)
    _check_ident(path, head, kind)
    structs = _structs(bits)
    ehdr = structs.Elf_Ehdr.parse(head[: kind.ehdr_size])
    if ehdr.e_machine != kind.machine and not (bits == 32 and ehdr.e_machine == 6):
        raise ElfError(f"{path} is not an {kind.machine_name} program (machine {ehdr.e_machine})")
    if ehdr.e_type not in ("ET_EXEC", "ET_DYN"):
        raise ElfError(f"{path} is not an executable program (type {ehdr.e_type})")
    each = kind.phdr_size
    if ehdr.e_phentsize != each or not 1 <= ehdr.e_phnum <= kind.max_phdrs:
        raise ElfError(f"{path} has no usable program headers")
    phoff, phnum = ehdr.e_phoff, ehdr.e_phnum
    if phoff + phnum * each > size:
        raise ElfError(f"{path} is truncated within its program headers")
    headers = [
        structs.Elf_Phdr.parse(head[at : at + each])
        for at in range(phoff, phoff + phnum * each, each)
    ]
    if any(h.p_type == "PT_INTERP" for h in headers):
        width = " -m32" if bits == 32 else ""
        raise ElfError(
            f"{path} is dynamically linked, which vmemu does not support yet: "
            f"gcc{width} -static -o {_quoted(path)} SOURCE.c"
        )
    loads = [h for h in headers if h.p_type == "PT_LOAD" and h.p_memsz]
    if not loads:
        raise ElfError(f"{path} has no segment to load")
    bias = _bias(loads, task_size) if ehdr.e_type == "ET_DYN" else 0
    segments = tuple(
        Segment(h.p_vaddr + bias, h.p_offset, h.p_filesz, h.p_memsz, h.p_flags) for h in loads
    )
    _check_segments(path, segments, size, task_size)
    phdr = next(
        (
            s.vaddr + phoff - s.offset
            for s in segments
            if s.offset <= phoff and phoff + phnum * each <= s.offset + s.filesz
        ),
        0,
    )
    entry = ehdr.e_entry + bias & (1 << bits) - 1
    return ElfImage(path, entry, phdr, phnum, each, segments)


def _bias(loads: list[Any], task_size: int) -> int:
    """Where 2.6 puts a position-independent program (ELF_ET_DYN_BASE)."""
    lowest: int = min(h.p_vaddr for h in loads)
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
