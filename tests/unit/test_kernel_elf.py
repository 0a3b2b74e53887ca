"""Program files: what is refused, with which sentence and errno; where the rest lands."""

from __future__ import annotations

import errno
import struct
from pathlib import Path

import pytest
from elftools.elf.structs import ELFStructs
from hypothesis import given
from hypothesis import strategies as st
from script import (
    BASE,
    EHDR,
    PHDR,
    SCRATCH,
    TEXT,
    Script,
    call_code,
    elf,
    enter,
    executable,
    ident,
    word,
)

from tests.width import BITS, LIMIT, TASK_SIZE, WORD
from vmemu.errors import ExecError
from vmemu.kernel.program.elf import _CLASSES, ElfError, ElfImage, load_elf
from vmemu.lab.guests import GUESTS_OF
from vmemu.machine import Machine

EXIT = call_code("exit", 0)
KIND = {32: "i386", 64: "x86-64"}[BITS]
OTHER = 96 - BITS


def write(tmp_path: Path, data: bytes) -> str:
    return str(executable(tmp_path / "program", data))


def load(path: str) -> ElfImage:
    return load_elf(path, BITS, TASK_SIZE)


def test_good(tmp_path: Path) -> None:
    image = load(write(tmp_path, elf(EXIT)))
    assert image.entry == TEXT
    assert image.phdr == BASE + EHDR
    assert image.phentsize == PHDR
    assert image.phnum == 1
    assert [s.vaddr for s in image.segments] == [BASE]


@pytest.mark.parametrize(
    ("data", "sentence", "number"),
    [
        (b"", "not an ELF file", errno.ENOEXEC),
        (b"#!/bin/sh\n", "not an ELF file", errno.ENOEXEC),
        (elf(EXIT)[: EHDR - 12], "truncated within its ELF header", errno.ENOEXEC),
        (elf(EXIT)[: EHDR + 8], "truncated within its program headers", errno.ENOEXEC),
        (elf(EXIT)[:0x102], "lies beyond the end of the file", errno.ENOEXEC),
        (elf(EXIT, ident=ident(OTHER)), f"is a {OTHER}-bit ELF file", errno.ENOEXEC),
        (elf(EXIT, ident=ident(data=2)), f"{BITS}-bit little-endian", errno.ENOEXEC),
        (elf(EXIT, machine=40), f"not an {KIND} program (machine EM_ARM)", errno.ENOEXEC),
        (elf(EXIT, kind=1), "not an executable program (type ET_REL)", errno.ENOEXEC),
        (elf(EXIT, kind=4), "not an executable program (type ET_CORE)", errno.ENOEXEC),
        (elf(EXIT, phentsize=88 - PHDR), "no usable program headers", errno.ENOEXEC),
        (elf(EXIT, segments=[]), "no usable program headers", errno.ENOEXEC),
        (elf(EXIT, segments=[(4, 0, BASE, 9, 9, 4)]), "no segment to load", errno.ENOEXEC),
        (
            elf(EXIT, segments=[(3, 0, BASE, 7, 7, 4), (1, 0, BASE, 9, 9, 5)]),
            "interpreter's path without an end",
            errno.ENOEXEC,
        ),
        (
            elf(EXIT, segments=[(3, 0, BASE, 1, 1, 4), (1, 0, BASE, 9, 9, 5)]),
            "interpreter's path of 1 bytes",
            errno.ENOEXEC,
        ),
        (
            elf(EXIT, segments=[(3, 0, BASE, 4097, 4097, 4), (1, 0, BASE, 9, 9, 5)]),
            "interpreter's path of 4097 bytes",
            errno.ENOEXEC,
        ),
        (
            elf(EXIT, segments=[(3, 1 << 20, BASE, 9, 9, 4), (1, 0, BASE, 9, 9, 5)]),
            "truncated within its interpreter's path",
            errno.EIO,
        ),
        (
            elf(EXIT, segments=[(1, 0, TASK_SIZE - 0x1000, 9, 0x2000, 5)]),
            "beyond the user's address space",
            errno.ENOMEM,
        ),
        (
            elf(EXIT, segments=[(1, 0, LIMIT - 0x1000, 9, 0x2000, 5)]),
            "beyond the user's address space",
            errno.ENOMEM,
        ),
        (elf(EXIT, segments=[(1, 0, 0, 9, 9, 5)]), "first page", errno.ENOEXEC),
        (elf(EXIT, segments=[(1, 0, BASE, 9, 8, 5)]), "larger in the file", errno.EINVAL),
        (elf(EXIT, segments=[(1, 1, BASE, 9, 9, 5)]), "not aligned", errno.EINVAL),
        (elf(EXIT, segments=[(1, LIMIT - 0x1000, BASE, 9, 9, 5)]), "beyond the end", errno.ENOEXEC),
        (
            elf(EXIT, segments=[(1, 0, BASE, 9, 0x1001, 5), (1, 0, BASE + 0x1000, 9, 9, 6)]),
            "segments 0 and 1 overlap",
            errno.ENOEXEC,
        ),
        (
            elf(EXIT, segments=[(1, 0, BASE + 0x1000, 9, 9, 5), (1, 0, BASE, 9, 9, 6)]),
            "segments 0 and 1 are not in order",
            errno.ENOEXEC,
        ),
    ],
)
def test_refused(tmp_path: Path, data: bytes, sentence: str, number: int) -> None:
    path = write(tmp_path, data)
    with pytest.raises(ElfError) as caught:
        load(path)
    assert sentence in str(caught.value)
    assert path in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.errno == number


def test_not_there(tmp_path: Path) -> None:
    for path, sentence, number in (
        (str(tmp_path / "nothing"), "no such file", errno.ENOENT),
        (str(tmp_path), "is a directory", errno.EACCES),
        ("/dev/null", "not a regular file", errno.EACCES),
        ("a\0b", "not a path", errno.ENOENT),
    ):
        with pytest.raises(ElfError, match=sentence) as caught:
            load(path)
        assert caught.value.errno == number


def test_not_executable(tmp_path: Path) -> None:
    path = write(tmp_path, elf(EXIT))
    Path(path).chmod(0o644)
    with pytest.raises(ElfError, match="not executable"):
        load(path)


def test_arguments_too_long(tmp_path: Path) -> None:
    path = write(tmp_path, elf(EXIT))
    with Machine(ram="4M", swap=None) as machine:
        long, room = 32 * 4096 - 1, (2 << 20) - len(path) - 1 - WORD
        with pytest.raises(ExecError, match="argument too long: 131073 bytes"):
            machine.spawn(path, ["x" * (long + 1)])
        each = 1000 + 1 + WORD
        most = ["x" * 1000] * (room // each)
        with pytest.raises(ExecError, match="argument list too long"):
            machine.spawn(path, [*most, "x" * 1000])
        with pytest.raises(ExecError, match="NUL"):
            machine.spawn(path, ["a\0b"])
        machine.spawn(path, most)
        assert machine.run().exit_status == 0
        machine.check()


def test_start_without_memory(tmp_path: Path) -> None:
    """A program larger than all memory is refused, and nothing is left behind."""
    huge = elf(EXIT, segments=[(1, 0, BASE, 0x107, 0x40000000, 7)])
    with Machine(ram="2M", swap=None) as machine:
        free = machine.core.m.k.zone.free_pages
        with pytest.raises(ExecError, match="cannot allocate memory"):
            machine.spawn(write(tmp_path, huge))
        machine.check()
        assert free - machine.core.m.k.zone.free_pages <= 8  # page cache and its slabs


def test_first_stack(tmp_path: Path) -> None:
    """argc, argv, envp and auxv lie where the ABI wants them."""
    path = write(tmp_path, elf(EXIT))
    with Machine(ram="2M", swap=None) as machine:
        task = machine.spawn(path, ["one", "two"], {"A": "b"})
        assert task.start_regs is not None
        sp = task.start_regs["sp"]
        assert sp % 16 == 0
        words = struct.unpack({32: "<42I", 64: "<42Q"}[BITS], task.mm.read(sp, 42 * WORD))
        assert words[0] == 2
        assert [task.mm.read_cstr(p, 99) for p in words[1:3]] == [b"one", b"two"]
        assert words[3] == 0
        assert task.mm.read_cstr(words[4], 99) == b"A=b"
        assert words[5] == 0
        auxv = dict(zip(words[6:42:2], words[7:42:2], strict=False))
        assert auxv[3] == BASE + EHDR
        assert auxv[4] == PHDR
        assert auxv[5] == 1
        assert auxv[6] == 4096
        assert auxv[9] == TEXT
        assert auxv[11] == auxv[12] == auxv[13] == auxv[14] == 0
        assert auxv[17] == 100
        assert task.mm.read_cstr(auxv[15], 9) == {32: b"i686", 64: b"x86_64"}[BITS]
        assert task.mm.read_cstr(auxv[31], 999) == path.encode()
        assert task.mm.read(auxv[25], 16) != bytes(16)


def test_brk_starts_behind_the_bss(tmp_path: Path) -> None:
    script = Script()
    start = script.call("brk", 0)
    grown = script.call("brk", SCRATCH + 0x20000)
    script.end()
    ran = script.run(tmp_path)
    assert ran.results[start] == SCRATCH + 0x1000 + 0x2000  # elf() has two pages of bss
    assert ran.results[grown] == SCRATCH + 0x20000


def test_bss_is_zero(tmp_path: Path) -> None:
    """What lies behind the file's part of the last page must not be the file's bytes."""
    # exit(*(BASE + 0x180)): mov eax,[...]; mov ebx,eax or mov edi,eax
    move = {32: b"\x89\xc3", 64: b"\x89\xc7"}[BITS]
    code = b"\xa1" + word(BASE + 0x180) + move + enter("exit")
    data = elf(code, segments=[(1, 0, BASE, 0x140, 0x3000, 7)]).ljust(0x180, b"\0") + b"junk" * 9
    with Machine(ram="2M", swap=None) as machine:
        machine.spawn(write(tmp_path, data))
        assert machine.run().exit_status == 0


def test_position_independent(tmp_path: Path) -> None:
    code = EXIT
    data = elf(code, kind=3, entry=0x100, segments=[(1, 0, 0, 0x107, 0x107, 5)])
    with Machine(ram="2M", swap=None) as machine:
        task = machine.spawn(write(tmp_path, data))
        assert task.start_regs is not None
        assert task.start_regs["ip"] == (TASK_SIZE * 2 // 3 & -4096) + 0x100
        assert machine.run().exit_status == 0


def held_against_elftools(bits: int, data: bytes) -> None:
    """The headers of a file are what pyelftools reads."""
    kind = _CLASSES[bits]
    structs = ELFStructs(little_endian=True, elfclass=bits)
    structs.create_basic_structs()
    structs.create_advanced_structs("ET_EXEC", "EM_386", "ELFOSABI_SYSV")
    own = kind.header(data)
    theirs = structs.Elf_Ehdr.parse(data[: kind.ehdr.size])
    numbers = struct.unpack_from("<HHI", data, 16)  # it gives some of these names
    assert (own.type, own.machine, own.version) == numbers
    for field in own._fields[4:]:
        assert getattr(own, field) == theirs[f"e_{field}"], field
    headers = kind.program_headers(data, own)
    assert len(headers) == own.phnum
    for number, header in enumerate(headers):
        at = own.phoff + number * kind.phdr.size
        parsed = structs.Elf_Phdr.parse(data[at : at + kind.phdr.size])
        assert header.type == int.from_bytes(data[at : at + 4], "little")
        for field in header._fields[1:]:
            assert getattr(header, field) == parsed[f"p_{field}"], field


@pytest.mark.parametrize("bits", [32, 64])
def test_headers_are_read_as_elftools_reads_them(bits: int) -> None:
    guests = [path for path in Path(GUESTS_OF[bits]).iterdir() if path.is_file()]
    programs = [path for path in guests if not path.suffix]
    assert len(programs) > 30
    for path in programs:
        held_against_elftools(bits, path.read_bytes())


@given(st.sampled_from([32, 64]), st.integers(0, 4), st.binary(min_size=300, max_size=300))
def test_any_headers_are(bits: int, phnum: int, noise: bytes) -> None:
    kind = _CLASSES[bits]
    data = bytearray(noise)
    data[:7] = b"\x7fELF" + bytes([bits // 32, 1, 1])
    at = {32: 28, 64: 32}[bits]
    data[at : at + bits // 8] = kind.ehdr.size.to_bytes(bits // 8, "little")
    at = {32: 44, 64: 56}[bits]
    data[at : at + 2] = phnum.to_bytes(2, "little")
    held_against_elftools(bits, bytes(data))


def test_refusals_name_what_has_no_name_by_its_number(tmp_path: Path) -> None:
    with pytest.raises(ElfError, match=rf"not an {KIND} program \(machine 65000\)"):
        load_elf(write(tmp_path, elf(EXIT, machine=65000)), BITS)


@pytest.mark.i386  # there is no other number of x86-64
def test_a_486_program_is_an_i386_program(tmp_path: Path) -> None:
    """elf_check_arch() takes EM_386 and EM_486."""
    assert load_elf(write(tmp_path, elf(EXIT, machine=6))).entry == TEXT
