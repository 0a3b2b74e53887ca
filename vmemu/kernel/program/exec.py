"""Making an address space out of a program (load_elf_binary, binfmt_elf.c of 2.6.6).

i386        x86-64
0x08048000  0x400000      text, data        where the file wants them
                          bss               anonymous, up to start_brk
                          heap              grows with brk()
0x40000000  0x2a95556000  mmap()            TASK_UNMAPPED_BASE, upwards
                          stack             grows down
0xC0000000  0x7fc0000000  strings, auxv     see _create_elf_tables
"""

from __future__ import annotations

import enum
import errno
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from vmemu.errors import Errno
from vmemu.kernel.program.elf import PAGE_SIZE, PF_R, PF_W, PF_X, ElfError, ElfImage
from vmemu.kernel.uaccess import MAX_ARG_STRLEN, layout_of
from vmemu.mm import Mm, do_brk, do_mmap, get_unmapped_area, setup_stack
from vmemu.mm.consts import (
    MAP_DENYWRITE,
    MAP_EXECUTABLE,
    MAP_FIXED,
    MAP_PRIVATE,
    PROT_EXEC,
    PROT_READ,
    PROT_WRITE,
)

if TYPE_CHECKING:
    from random import Random

    from vmemu.file.inode import Inode
    from vmemu.kernel.abi import Abi
    from vmemu.kernel.process.cred import Cred
    from vmemu.kernel.program.elf import Segment
    from vmemu.kernel.program.file import Loader, ProgramFile
    from vmemu.mm import MemoryManager, Rlimits

ARG_MAX = 131072
_STK_LIM = 8 << 20
CLOCKS_PER_SEC = 100


class Aux(enum.IntEnum):
    """AT_* of the auxiliary vector."""

    NULL = 0
    PHDR = 3
    PHENT = 4
    PHNUM = 5
    PAGESZ = 6
    BASE = 7
    FLAGS = 8
    ENTRY = 9
    UID = 11
    EUID = 12
    GID = 13
    EGID = 14
    PLATFORM = 15
    HWCAP = 16
    CLKTCK = 17
    SECURE = 23
    RANDOM = 25
    EXECFN = 31


def room_for_strings(stack: int) -> int:
    """Bytes for strings and the pointers to them, by RLIMIT_STACK (bprm_stack_limits)."""
    return max(min(_STK_LIM // 4 * 3, stack // 4), ARG_MAX)


class Arguments(NamedTuple):
    """What execve() passes: strings without their terminating zero."""

    filename: bytes
    argv: tuple[bytes, ...]
    envp: tuple[bytes, ...]

    @classmethod
    def of(cls, filename: str, argv: Sequence[str], env: Sequence[str], word: int) -> Arguments:
        """Encode strings of the host; ElfError when they are too long or hold a NUL.

        word is the size of the machine's pointers, in bytes.
        """
        arguments = cls(
            os.fsencode(filename),
            tuple(os.fsencode(arg) for arg in argv),
            tuple(os.fsencode(entry) for entry in env),
        )
        strings = (arguments.filename, *arguments.argv, *arguments.envp)
        if any(b"\0" in string for string in strings):
            raise ElfError("an argument contains a NUL character", errno.EINVAL)
        room, size = room_for_strings(_STK_LIM), arguments.size(word)
        if size > room:
            raise ElfError(
                f"argument list too long: {size} bytes of strings and pointers, at most {room} fit",
                errno.E2BIG,
            )
        longest = max(map(len, strings)) + 1
        if longest > MAX_ARG_STRLEN:
            raise ElfError(
                f"argument too long: {longest} bytes, at most {MAX_ARG_STRLEN} fit", errno.E2BIG
            )
        return arguments

    def interpreted(self, prefix: tuple[bytes, ...]) -> Arguments:
        """The same for the interpreter of a script, which gets so many words in place of one."""
        return self._replace(argv=(*prefix, *self.argv[1:])) if prefix else self

    def size(self, word: int) -> int:
        """Bytes of stack the strings take, and the pointers to them."""
        strings = (self.filename, *self.argv, *self.envp)
        pointers = max(len(self.argv), 1) + len(self.envp)
        return sum(len(string) + 1 for string in strings) + pointers * word


class Credentials(NamedTuple):
    """Who runs the programs that are started from outside."""

    uid: int = 0
    gid: int = 0


class Places(NamedTuple):
    """How many bytes from their usual places things of a program are."""

    program: int = 0
    """Up, of a position-independent one."""
    mmap: int = 0
    heap: int = 0
    stack: int = 0
    """Down, with the stack's end where it was."""

    @classmethod
    def drawn(cls, random: Random, bits: int) -> Places:
        """Random ones: of 2 ** 8 pages on i386, of 2 ** 22 on x86-64; a heap up to 32 MB on."""
        pages = 1 << (8 if bits == 32 else 22)
        program, mmap = (random.randrange(pages) * PAGE_SIZE for _ in range(2))
        heap = random.randrange(1 << 13) * PAGE_SIZE
        return cls(program, mmap, heap, random.randrange(1 << 12) * 16)


class LoadedProgram(NamedTuple):
    """An address space ready to run."""

    mm: Mm
    ip: int
    sp: int


def load_program(
    vm: MemoryManager,
    program: ProgramFile,
    arguments: Arguments,
    cred: Cred,
    random: bytes,
    abi: Abi,
    rlimits: Rlimits | None = None,
    places: Places | None = None,
) -> LoadedProgram:
    """Build the address space of a program; the caller owns its one reference.

    random is 16 bytes for AT_RANDOM.  places: not the usual ones.  Raises Errno (ENOMEM,
    E2BIG, ...), and then nothing is left behind.
    """
    image, inode = program.image, program.inode()
    if inode.closed:
        raise Errno(errno.ENFILE)  # it had to make room for the loader
    places = places or Places()
    if image.relocatable and places.program:
        image = image.moved(places.program, abi.bits)
    mm = Mm.create(vm, rlimits)
    mm.mmap_offset = places.mmap
    try:
        setup_stack(mm)
        _map_segments(mm, image, inode)
        entry, base = image.entry, 0
        mm.ptr.start_brk = mm.ptr.brk = mm.ptr.brk + places.heap
        if program.loader is not None:
            entry, base = _map_loader(mm, program.loader)
        sp = _create_elf_tables(mm, image, base, arguments, cred, random, abi, places.stack)
    except BaseException:
        mm.put()
        raise
    return LoadedProgram(mm, entry, sp)


def _page_align(address: int) -> int:
    return (address + PAGE_SIZE - 1) & -PAGE_SIZE


def _prot(segment: Segment) -> int:
    prot = PROT_READ if segment.flags & PF_R else 0
    prot |= PROT_WRITE if segment.flags & PF_W else 0
    return prot | (PROT_EXEC if segment.flags & PF_X else 0)


def _map_segments(mm: Mm, image: ElfImage, inode: Inode) -> None:
    ptr = mm.ptr
    start_code, end_code, start_data, end_data, end = mm.core.task_size, 0, 0, 0, 0
    for segment in image.segments:
        _map_segment(mm, segment, inode)
        file_end = segment.vaddr + segment.filesz
        start_code = min(start_code, segment.vaddr)
        start_data = max(start_data, segment.vaddr)
        if segment.flags & PF_X:
            end_code = max(end_code, file_end)
        end_data = max(end_data, file_end)
        end = max(end, segment.end)
    ptr.start_code, ptr.end_code = start_code, end_code
    ptr.start_data, ptr.end_data = start_data, end_data
    ptr.start_brk = ptr.brk = _page_align(end)


def _map_loader(mm: Mm, loader: Loader) -> tuple[int, int]:
    """Map what starts a dynamic program; its entry and its base (load_elf_interp).

    It lies where mmap() puts the first thing.
    """
    image, bias = loader.image, 0
    if image.relocatable:
        bias = get_unmapped_area(mm, 0, _page_align(image.extent)) - image.lowest
        image = image.moved(bias, mm.core.bits)
    for segment in image.segments:
        _map_segment(mm, segment, loader.inode)
    return image.entry, bias


def _map_segment(mm: Mm, segment: Segment, inode: Inode) -> None:
    """Map one PT_LOAD: its file pages, the zeroed tail of the last, its bss (elf_map, set_brk)."""
    skew = segment.vaddr % PAGE_SIZE
    start = segment.vaddr - skew
    file_end = segment.vaddr + segment.filesz
    mapped_end = start
    if segment.filesz:
        mapped_end = _page_align(file_end)
        do_mmap(
            mm,
            start,
            segment.filesz + skew,
            _prot(segment),
            MAP_PRIVATE | MAP_FIXED | MAP_DENYWRITE | MAP_EXECUTABLE,
            file=inode,
            pgoff=(segment.offset - skew) // PAGE_SIZE,
        )
        if segment.memsz > segment.filesz and segment.flags & PF_W:
            tail = mapped_end - file_end
            if tail:
                mm.write(file_end, bytes(tail))
    bss_end = _page_align(segment.end)
    if bss_end > mapped_end:
        do_brk(mm, mapped_end, bss_end - mapped_end)


class _StackWriter:
    """Fills the new stack from the top down."""

    def __init__(self, mm: Mm) -> None:
        self._mm = mm
        self.sp = mm.core.task_size - mm.core.word

    def push(self, data: bytes) -> int:
        """Write data below what is there; give its address."""
        self.sp -= len(data)
        self._mm.write(self.sp, data)
        return self.sp

    def push_strings(self, strings: Sequence[bytes]) -> list[int]:
        """Write strings so that the first has the lowest address; give the addresses."""
        base = self.push(b"".join(string + b"\0" for string in strings))
        addresses = []
        for string in strings:
            addresses.append(base)
            base += len(string) + 1
        return addresses


def _create_elf_tables(
    mm: Mm,
    image: ElfImage,
    base: int,
    arguments: Arguments,
    cred: Cred,
    random: bytes,
    abi: Abi,
    gap: int,
) -> int:
    """Write strings, auxv, envp, argv and argc; the first stack pointer (create_elf_tables)."""
    stack = _StackWriter(mm)
    stack.sp -= gap
    filename = stack.push(arguments.filename + b"\0")
    ptr = mm.ptr
    ptr.env_end = stack.sp
    envp = stack.push_strings(arguments.envp)
    ptr.env_start = ptr.arg_end = stack.sp
    argv = stack.push_strings(arguments.argv)
    ptr.arg_start = stack.sp
    stack.sp &= ~15
    platform = stack.push(abi.platform)
    stack.sp &= ~15
    at_random = stack.push(random)
    auxv = [
        (Aux.HWCAP, abi.hwcap),
        (Aux.PAGESZ, PAGE_SIZE),
        (Aux.CLKTCK, CLOCKS_PER_SEC),
        (Aux.PHDR, image.phdr),
        (Aux.PHENT, image.phentsize),
        (Aux.PHNUM, image.phnum),
        (Aux.BASE, base),
        (Aux.FLAGS, 0),
        (Aux.ENTRY, image.entry),
        (Aux.UID, cred.user.real),
        (Aux.EUID, cred.user.effective),
        (Aux.GID, cred.group.real),
        (Aux.EGID, cred.group.effective),
        (Aux.SECURE, int(cred.secure)),
        (Aux.RANDOM, at_random),
        (Aux.EXECFN, filename),
        (Aux.PLATFORM, platform),
        (Aux.NULL, 0),
    ]
    words = [len(argv), *argv, 0, *envp, 0]
    for key, value in auxv:
        words += (key, value)
        # struct mm_struct keeps a copy for /proc/PID/auxv
    for number, word in enumerate(words[-2 * len(auxv) :][:40]):
        ptr.saved_auxv[number] = word
    table = layout_of(abi.bits, f"{len(words)}N").pack(*words)
    stack.sp = (stack.sp - len(table)) & ~15
    mm.write(stack.sp, table)
    ptr.start_stack = stack.sp
    return stack.sp
