"""ELF32 program files: reading and checking their headers.

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

TASK_SIZE = 0xC0000000
PAGE_SIZE = 4096
ET_DYN_BASE = TASK_SIZE // 3 * 2
"""Where 2.6 puts a position-independent program (ELF_ET_DYN_BASE)."""

_EHDR_SIZE = 52
_PHDR_SIZE = 32
_MAX_PHDRS = 65536 // _PHDR_SIZE
PF_X, PF_W, PF_R = 1, 2, 4


class ElfError(ExecError):
    """A file cannot be executed; errno is what execve() returns for it."""

    def __init__(self, message: str, number: int = errno.ENOEXEC) -> None:
        super().__init__(message)
        self.errno = number


@dataclass(frozen=True, slots=True)
class Segment:
    """One PT_LOAD entry, addresses already biased (Elf32_Phdr)."""

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
def _structs() -> Any:
    # imported when a program is loaded: it takes a tenth of vmemu's start-up time
    from elftools.elf.structs import ELFStructs

    structs = ELFStructs(little_endian=True, elfclass=32)
    structs.create_basic_structs()
    structs.create_advanced_structs("ET_EXEC", "EM_386", "ELFOSABI_SYSV")
    return structs


def _read(path: str) -> tuple[bytes, int]:
    """Read the start of the file, enough for all headers, and its size."""
    try:
        mode = Path(path).stat().st_mode
        if stat.S_ISDIR(mode):
            raise ElfError(f"{path} is a directory", errno.EACCES)
        if not stat.S_ISREG(mode):
            raise ElfError(f"{path} is not a regular file", errno.EACCES)
        with Path(path).open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            head = file.read(_EHDR_SIZE)
            if len(head) == _EHDR_SIZE:
                phoff = int.from_bytes(head[28:32], "little")
                phnum = int.from_bytes(head[44:46], "little")
                end = phoff + phnum * _PHDR_SIZE
                if end <= size and phnum <= _MAX_PHDRS:
                    file.seek(0)
                    head = file.read(max(end, _EHDR_SIZE))
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise ElfError(f"cannot open {path}: {reason}", error.errno or errno.EIO) from None
    except ValueError:
        raise ElfError(f"{path!r} is not a path", errno.ENOENT) from None
    return head, size


def _check_ident(path: str, head: bytes) -> None:
    if head[:4] != b"\x7fELF":
        raise ElfError(f"{path} is not an ELF file")
    if len(head) > 4 and head[4] == 2:
        raise ElfError(f"{path} is a 64-bit ELF file; vmemu runs 32-bit i386 programs")
    if len(head) < _EHDR_SIZE:
        raise ElfError(f"{path} is truncated within its ELF header")
    if head[4] != 1 or head[5] != 1:
        raise ElfError(f"{path} is not a 32-bit little-endian ELF file")


def load_elf(path: str, *, executable: bool = True) -> ElfImage:
    """Read and check a static i386 program (the checks of load_elf_binary).

    path is the host's; executable also demands permission to execute it.
    Raises ElfError.
    """
    head, size = _read(path)
    if executable and not os.access(path, os.X_OK):
        raise ElfError(f"{path} is not executable", errno.EACCES)
    _check_ident(path, head)
    structs = _structs()
    ehdr = structs.Elf_Ehdr.parse(head[:_EHDR_SIZE])
    if ehdr.e_machine not in ("EM_386", 6):
        raise ElfError(f"{path} is not an i386 program (machine {ehdr.e_machine})")
    if ehdr.e_type not in ("ET_EXEC", "ET_DYN"):
        raise ElfError(f"{path} is not an executable program (type {ehdr.e_type})")
    if ehdr.e_phentsize != _PHDR_SIZE or not 1 <= ehdr.e_phnum <= _MAX_PHDRS:
        raise ElfError(f"{path} has no usable program headers")
    phoff, phnum = ehdr.e_phoff, ehdr.e_phnum
    if phoff + phnum * _PHDR_SIZE > size:
        raise ElfError(f"{path} is truncated within its program headers")
    headers = [
        structs.Elf_Phdr.parse(head[at : at + _PHDR_SIZE])
        for at in range(phoff, phoff + phnum * _PHDR_SIZE, _PHDR_SIZE)
    ]
    if any(h.p_type == "PT_INTERP" for h in headers):
        raise ElfError(f"{path} is dynamically linked, which vmemu does not support yet")
    loads = [h for h in headers if h.p_type == "PT_LOAD" and h.p_memsz]
    if not loads:
        raise ElfError(f"{path} has no segment to load")
    bias = _bias(loads) if ehdr.e_type == "ET_DYN" else 0
    segments = tuple(
        Segment(h.p_vaddr + bias, h.p_offset, h.p_filesz, h.p_memsz, h.p_flags) for h in loads
    )
    _check_segments(path, segments, size)
    phdr = next(
        (
            s.vaddr + phoff - s.offset
            for s in segments
            if s.offset <= phoff and phoff + phnum * _PHDR_SIZE <= s.offset + s.filesz
        ),
        0,
    )
    return ElfImage(path, ehdr.e_entry + bias & 0xFFFFFFFF, phdr, phnum, _PHDR_SIZE, segments)


def _bias(loads: list[Any]) -> int:
    lowest: int = min(h.p_vaddr for h in loads)
    return (ET_DYN_BASE - lowest) & -PAGE_SIZE


def _check_segments(path: str, segments: tuple[Segment, ...], size: int) -> None:
    for number, segment in enumerate(segments):
        where = f"{path}: segment {number} at {segment.vaddr:#x}"
        if segment.end > TASK_SIZE:
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
