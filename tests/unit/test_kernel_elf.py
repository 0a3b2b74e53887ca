"""Program files: what is refused, with which sentence and errno; where the rest lands."""

from __future__ import annotations

import errno
import struct
from pathlib import Path

import pytest
from elftools.elf.structs import ELFStructs
from hypothesis import given
from hypothesis import strategies as st
from script import BASE, TEXT, Script, elf, word

from vmemu.errors import ExecError
from vmemu.kernel.program.elf import _CLASSES, ElfError, load_elf
from vmemu.lab.guests import GUESTS_OF
from vmemu.machine import Machine

pytestmark = pytest.mark.i386  # the files are ELF32; test_programs_x86_64.py has the others

EXIT = bytes.fromhex("31db 31c0 40 cd80")  # exit(0)


def write(tmp_path: Path, data: bytes) -> str:
    path = tmp_path / "program"
    path.write_bytes(data)
    path.chmod(0o755)
    return str(path)


def test_good(tmp_path: Path) -> None:
    image = load_elf(write(tmp_path, elf(EXIT)))
    assert image.entry == TEXT
    assert image.phdr == BASE + 52
    assert image.phnum == 1
    assert [s.vaddr for s in image.segments] == [BASE]


@pytest.mark.parametrize(
    ("data", "sentence", "number"),
    [
        (b"", "not an ELF file", errno.ENOEXEC),
        (b"#!/bin/sh\n", "not an ELF file", errno.ENOEXEC),
        (elf(EXIT)[:40], "truncated within its ELF header", errno.ENOEXEC),
        (elf(EXIT)[:60], "truncated within its program headers", errno.ENOEXEC),
        (elf(EXIT)[:0x102], "lies beyond the end of the file", errno.ENOEXEC),
        (elf(EXIT, ident=b"\x7fELF\2\1\1" + bytes(9)), "64-bit", errno.ENOEXEC),
        (elf(EXIT, ident=b"\x7fELF\1\2\1" + bytes(9)), "little-endian", errno.ENOEXEC),
        (elf(EXIT, machine=40), "not an i386 program (machine EM_ARM)", errno.ENOEXEC),
        (elf(EXIT, kind=1), "not an executable program (type ET_REL)", errno.ENOEXEC),
        (elf(EXIT, kind=4), "not an executable program (type ET_CORE)", errno.ENOEXEC),
        (elf(EXIT, phentsize=56), "no usable program headers", errno.ENOEXEC),
        (elf(EXIT, segments=[]), "no usable program headers", errno.ENOEXEC),
        (elf(EXIT, segments=[(4, 0, BASE, 9, 9, 4)]), "no segment to load", errno.ENOEXEC),
        (
            elf(EXIT, segments=[(3, 0, BASE, 9, 9, 4), (1, 0, BASE, 9, 9, 5)]),
            "dynamically linked",
            errno.ENOEXEC,
        ),
        (
            elf(EXIT, segments=[(1, 0, 0xBFFFF000, 9, 0x2000, 5)]),
            "beyond the user's address space",
            errno.ENOMEM,
        ),
        (
            elf(EXIT, segments=[(1, 0, 0xFFFFF000, 9, 0x2000, 5)]),
            "beyond the user's address space",
            errno.ENOMEM,
        ),
        (elf(EXIT, segments=[(1, 0, 0, 9, 9, 5)]), "first page", errno.ENOEXEC),
        (elf(EXIT, segments=[(1, 0, BASE, 9, 8, 5)]), "larger in the file", errno.EINVAL),
        (elf(EXIT, segments=[(1, 1, BASE, 9, 9, 5)]), "not aligned", errno.EINVAL),
        (elf(EXIT, segments=[(1, 0xFFFFF000, BASE, 9, 9, 5)]), "beyond the end", errno.ENOEXEC),
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
        load_elf(path)
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
            load_elf(path)
        assert caught.value.errno == number


def test_not_executable(tmp_path: Path) -> None:
    path = write(tmp_path, elf(EXIT))
    Path(path).chmod(0o644)
    with pytest.raises(ElfError, match="not executable"):
        load_elf(path)


def test_arguments_too_long(tmp_path: Path) -> None:
    path = write(tmp_path, elf(EXIT))
    with Machine(ram="2M", swap=None) as machine:
        room = 32 * 4096 - 4 - len(path) - 1
        with pytest.raises(ExecError, match="argument list too long"):
            machine.spawn(path, ["x" * room])
        with pytest.raises(ExecError, match="NUL"):
            machine.spawn(path, ["a\0b"])
        machine.spawn(path, ["x" * (room - 1)])
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
        esp = task.start_regs["sp"]
        assert esp % 16 == 0
        words = struct.unpack("<64I", task.mm.read(esp, 256))
        assert words[0] == 2
        assert [task.mm.read_cstr(p, 99) for p in words[1:3]] == [b"one", b"two"]
        assert words[3] == 0
        assert task.mm.read_cstr(words[4], 99) == b"A=b"
        assert words[5] == 0
        auxv = dict(zip(words[6:42:2], words[7:42:2], strict=False))
        assert auxv[3] == BASE + 52
        assert auxv[4] == 32
        assert auxv[5] == 1
        assert auxv[6] == 4096
        assert auxv[9] == TEXT
        assert auxv[11] == auxv[12] == auxv[13] == auxv[14] == 0
        assert auxv[17] == 100
        assert task.mm.read_cstr(auxv[15], 9) == b"i686"
        assert task.mm.read_cstr(auxv[31], 999) == path.encode()
        assert task.mm.read(auxv[25], 16) != bytes(16)


def test_brk_starts_behind_the_bss(tmp_path: Path) -> None:
    script = Script()
    start = script.call(45, 0)
    grown = script.call(45, 0x08060000)
    script.end()
    ran = script.run(tmp_path)
    assert ran.results[start] % 4096 == 0
    assert ran.results[grown] == 0x08060000


def test_bss_is_zero(tmp_path: Path) -> None:
    """What lies behind the file's part of the last page must not be the file's bytes."""
    # cmp dword [BASE+0x180],0; setne bl; movzx ebx,bl; mov eax,1; int 0x80
    code = b"\x83\x3d" + word(BASE + 0x180) + bytes.fromhex("00 0f95c3 0fb6db b801000000 cd80")
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
        assert task.start_regs["ip"] == 0x80000100
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
    with pytest.raises(ElfError, match=r"not an i386 program \(machine 65000\)"):
        load_elf(write(tmp_path, elf(EXIT, machine=65000)))


def test_a_486_program_is_an_i386_program(tmp_path: Path) -> None:
    """elf_check_arch() takes EM_386 and EM_486."""
    assert load_elf(write(tmp_path, elf(EXIT, machine=6))).entry == TEXT
