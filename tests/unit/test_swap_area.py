"""Swap files: mkswap's format, what is refused, and swapoff, which brings everything back."""

from __future__ import annotations

import os
import random
import shutil
import struct
import subprocess
import tempfile
import uuid
from errno import EINTR, EINVAL, ENOMEM
from pathlib import Path

import pytest
from memory import BASE, PAGE, SCHEMES, Memory, errno_of, memory_under

from tests.width import lib
from vmemu.errors import ConfigError
from vmemu.mm import dup_mmap
from vmemu.swap import area

PAGES = 256


memory = memory_under(*SCHEMES)


@pytest.fixture
def swap_file(tmp_path: Path) -> Path:
    """A swap file as vmemu makes it."""
    memory = Memory()
    path = tmp_path / "swap"
    memory.vm.swap.swapon(str(path), PAGES * PAGE)
    memory.vm.swap.swapoff(str(path))
    memory.close()
    return path


def tool(name: str) -> str:
    """A program of util-linux or file(1), which root has in /usr/sbin."""
    found = shutil.which(name, path="/usr/sbin:/sbin:/usr/bin:/bin")
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


# ---- the format


def test_header(swap_file: Path) -> None:
    """Version 1: boot bits left alone, magic at the end of the first page."""
    page = swap_file.read_bytes()[:PAGE]
    version, last_page, bad_pages = struct.unpack_from("<III", page, 1024)
    assert (version, last_page, bad_pages) == (1, PAGES - 1, 0)
    uuid = page[1024 + 12 : 1024 + 28]
    assert (uuid[6] >> 4, uuid[8] >> 6) == (4, 2)  # a random UUID, RFC 4122
    assert page[:1024] == bytes(1024)
    assert page[-10:] == b"SWAPSPACE2"
    assert swap_file.stat().st_size == PAGES * PAGE


def test_it_is_not_for_others_to_read(swap_file: Path) -> None:
    assert swap_file.stat().st_mode & 0o077 == 0


def test_swaplabel_and_blkid_and_file_recognise_it(swap_file: Path) -> None:
    page = swap_file.read_bytes()[:PAGE]
    digits = page[1036:1052].hex()
    uuid = "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))
    run = subprocess.run
    label = run([tool("swaplabel"), swap_file], capture_output=True, text=True, check=True)
    assert uuid in label.stdout
    blkid = run([tool("blkid"), "-p", swap_file], capture_output=True, text=True, check=True)
    assert 'TYPE="swap"' in blkid.stdout
    kind = run([tool("file"), "-b", swap_file], capture_output=True, text=True, check=True)
    assert "swap file" in kind.stdout
    assert "version 1" in kind.stdout


def test_a_file_of_mkswap_is_taken(memory: Memory, tmp_path: Path) -> None:
    path = tmp_path / "theirs"
    path.touch(mode=0o600)
    with path.open("r+b") as file:
        file.truncate(64 * PAGE)
    command = [tool("mkswap"), "--pagesize", str(PAGE), "-L", "ours", str(path)]
    subprocess.run(command, check=True, capture_output=True)
    memory.vm.swap.swapon(str(path))
    assert lib.swap_total(memory.m) == 63
    memory.vm.swap.swapoff(str(path))
    label = subprocess.run([tool("swaplabel"), path], capture_output=True, text=True, check=True)
    assert "ours" in label.stdout


# ---- what is refused


def refused(memory: Memory, path: Path, size: int | None = None) -> str:
    """The sentence, after which nothing may have changed."""
    before = memory.free
    with pytest.raises(ConfigError) as error:
        memory.vm.swap.swapon(str(path), size)
    assert lib.swap_total(memory.m) == 0
    assert memory.free == before
    sentence = str(error.value)
    assert str(path) in sentence
    assert "\n" not in sentence
    return sentence


def test_refusals(memory: Memory, tmp_path: Path) -> None:
    refused(memory, tmp_path)
    assert not (tmp_path / "absent").exists()
    refused(memory, tmp_path / "absent")
    refused(memory, tmp_path / "no" / "such" / "directory", PAGES * PAGE)
    text = tmp_path / "text"
    text.write_text("not swap" * 10_000)
    refused(memory, text)
    refused(memory, text, PAGES * PAGE)
    assert text.read_text() == "not swap" * 10_000
    empty = tmp_path / "empty"
    empty.touch()
    refused(memory, empty)


@pytest.mark.parametrize(
    ("offset", "value"),
    [(1024, 2), (1028, 0), (1028, PAGES), (1028, 0xFFFFFFFF), (1032, 0xFFFFFFFF), (4090, 0)],
)
def test_broken_headers(memory: Memory, swap_file: Path, offset: int, value: int) -> None:
    """Another version, no pages, more pages than the file has, absurd bad pages, no magic."""
    with swap_file.open("r+b") as file:
        file.seek(offset)
        file.write(struct.pack("<I", value))
    refused(memory, swap_file)


def test_the_old_format_is_refused(memory: Memory, swap_file: Path) -> None:
    with swap_file.open("r+b") as file:
        file.seek(PAGE - 10)
        file.write(b"SWAP-SPACE")
    refused(memory, swap_file)


def test_a_short_file(memory: Memory, swap_file: Path) -> None:
    with swap_file.open("r+b") as file:
        file.truncate(PAGE * PAGES - 1)
    refused(memory, swap_file)


def test_twice(memory: Memory, swap_file: Path) -> None:
    memory.vm.swap.swapon(str(swap_file))
    other = Memory()
    for machine in (memory, other):  # another machine would scribble over it
        with pytest.raises(ConfigError, match="use"):
            machine.vm.swap.swapon(str(swap_file))
    other.close()
    memory.vm.swap.swapoff(str(swap_file))
    memory.vm.swap.swapon(str(swap_file))


def test_swapoff_of_what_is_not_in_use(memory: Memory, tmp_path: Path) -> None:
    assert errno_of(memory.vm.swap.swapoff, str(tmp_path / "nothing")) == EINVAL


# ---- in use


def out(memory: Memory, path: Path, pages: int = PAGES) -> str:
    memory.vm.swap.swapon(str(path), pages * PAGE)
    return str(path)


def test_swapoff_brings_everything_back(memory: Memory, tmp_path: Path) -> None:
    path = out(memory, tmp_path / "swap")
    mm = memory.process()
    memory.map(mm, 0, 100)
    memory.fill(mm, 0, 100)
    child = dup_mmap(mm)
    memory.fill(child, 50, 10, seed=1)
    assert memory.vm.reclaim_range(mm, BASE, BASE + 100 * PAGE) == 100
    memory.vm.reclaim_range(child, BASE, BASE + 100 * PAGE)
    assert memory.present(mm, 0, 100) == []
    assert lib.swap_used(memory.m) == 110
    memory.vm.swap.swapoff(path)
    assert lib.swap_total(memory.m) == 0
    for process in (mm, child):
        assert memory.present(process, 0, 100) == list(range(100))
    memory.verify(mm, 0, 100)
    memory.verify(child, 0, 50)
    memory.verify(child, 50, 10, seed=1)
    frames = [lib.pte_value(memory.m, mm.ptr, BASE + n * PAGE) >> 12 for n in range(100)]
    for n in (*range(50), *range(60, 100)):  # what was shared still is
        assert lib.pte_value(memory.m, child.ptr, BASE + n * PAGE) >> 12 == frames[n]


def test_swapoff_without_room(tmp_path: Path) -> None:
    """ENOMEM; the area stays in use, and nothing is lost."""
    memory = Memory(ram=256)
    path = out(memory, tmp_path / "swap", 512)
    mm = memory.process()
    memory.map(mm, 0, 400)
    memory.fill(mm, 0, 400)
    assert errno_of(memory.vm.swap.swapoff, path) == ENOMEM
    memory.check()
    memory.verify(mm, 0, 400)
    memory.fill(mm, 0, 400, seed=1)  # it is written to again
    memory.verify(mm, 0, 400, seed=1)
    mm.put()
    memory.vm.swap.swapoff(path)
    memory.check()
    memory.close()


def test_swapoff_of_one_who_is_killed(memory: Memory, tmp_path: Path) -> None:
    """It stops with EINTR, the area stays in use, and nothing is lost."""
    path = str(tmp_path / "swap")
    memory.vm.swap.swapon(path, PAGES * PAGE)
    mm = memory.process()
    memory.map(mm, 0, 8)
    memory.fill(mm, 0, 8)
    assert memory.vm.reclaim_range(mm, BASE, BASE + 8 * PAGE) == 8
    asked = []
    assert errno_of(memory.vm.swap.swapoff, path, lambda: not asked.append(1)) == EINTR
    assert asked
    memory.check()
    assert [area.path for area in memory.vm.swap.areas] == [path]
    memory.verify(mm, 0, 8)
    memory.vm.swap.swapoff(path)
    memory.verify(mm, 0, 8)


def test_swapoff_moves_to_another_area(tmp_path: Path) -> None:
    memory = Memory(ram=256)
    first, second = (out(memory, tmp_path / name, 512) for name in ("first", "second"))
    mm = memory.process()
    memory.map(mm, 0, 400)
    memory.fill(mm, 0, 400)
    for path, other in ((first, second), (second, None)):
        memory.vm.swap.swapoff(path)
        memory.check()
        memory.verify(mm, 0, 400)
        if other is not None:
            memory.vm.swap.swapon(first)
    memory.close()


@pytest.mark.parametrize("scheme", SCHEMES)
def test_swapoff_while_reclaim_sends_shared_pages_back(tmp_path: Path, scheme: str) -> None:
    """Pages are back for one process, then out again, to the slots the other still holds."""
    memory = Memory(scheme, ram=256, overcommit=1)
    path = out(memory, tmp_path / "swap", 600)
    mm = memory.process()
    memory.map(mm, 320, 60)
    memory.fill(mm, 320, 60)
    child = dup_mmap(mm)
    memory.map(child, 0, 300)
    memory.fill(child, 0, 300)
    for process in (mm, child):
        memory.vm.reclaim_range(process, BASE, BASE + 380 * PAGE)
    out(memory, tmp_path / "other", 600)
    memory.vm.swap.swapoff(path)
    memory.verify(mm, 320, 60)
    memory.verify(child, 320, 60)
    memory.verify(child, 0, 300)
    memory.check()
    memory.close()


def test_priorities(tmp_path: Path) -> None:
    """The area of higher priority fills first, then the other."""
    memory = Memory()
    memory.vm.swap.swapon(str(tmp_path / "low"), 64 * PAGE, priority=1)
    memory.vm.swap.swapon(str(tmp_path / "high"), 64 * PAGE, priority=5)
    mm = memory.process()
    memory.map(mm, 0, 100)
    memory.fill(mm, 0, 100)
    memory.vm.reclaim_range(mm, BASE, BASE + 40 * PAGE)
    assert [memory.m.swap.info[kind].inuse for kind in (0, 1)] == [0, 40]
    memory.vm.reclaim_range(mm, BASE + 40 * PAGE, BASE + 100 * PAGE)
    assert [memory.m.swap.info[kind].inuse for kind in (0, 1)] == [37, 63]
    memory.verify(mm, 0, 100)
    memory.check()
    memory.close()


def test_full_swap(tmp_path: Path) -> None:
    """What finds no slot stays in memory."""
    memory = Memory()
    out(memory, tmp_path / "swap", 16)
    mm = memory.process()
    memory.map(mm, 0, 40)
    memory.fill(mm, 0, 40)
    assert memory.vm.reclaim_range(mm, BASE, BASE + 40 * PAGE) == 15
    assert lib.swap_used(memory.m) == lib.swap_total(memory.m) == 15
    assert len(memory.present(mm, 0, 40)) == 25
    memory.verify(mm, 0, 40)
    mm.put()
    assert lib.swap_used(memory.m) == 0
    memory.check()
    memory.close()


def test_the_header_is_never_written_over(memory: Memory, tmp_path: Path) -> None:
    path = out(memory, tmp_path / "swap", 32)
    header = (tmp_path / "swap").read_bytes()[:PAGE]
    mm = memory.process()
    memory.map(mm, 0, 40)
    memory.fill(mm, 0, 40)
    memory.vm.reclaim_range(mm, BASE, BASE + 40 * PAGE)
    memory.verify(mm, 0, 40)
    mm.put()
    memory.vm.swap.swapoff(path)
    assert (tmp_path / "swap").read_bytes()[:PAGE] == header


def test_readahead(tmp_path: Path) -> None:
    """A fault brings in the aligned block of 2**page_cluster slots around its own."""
    memory = Memory()
    memory.m.page_cluster = 3
    out(memory, tmp_path / "swap")
    mm = memory.process()
    memory.map(mm, 0, 32)
    memory.fill(mm, 0, 32)
    memory.vm.reclaim_range(mm, BASE, BASE + 32 * PAGE)
    before = memory.core.counters()
    memory.verify(mm, 16, 1)
    counters = memory.core.counters()
    assert counters["pswpin"] - before["pswpin"] == 8
    assert counters["swap_ra"] - before["swap_ra"] == 7
    assert counters["pgmajfault"] - before["pgmajfault"] == 1
    memory.verify(mm, 0, 32)
    assert memory.core.counters()["pgmajfault"] - before["pgmajfault"] <= 5
    memory.close()


@pytest.mark.parametrize("bits", [0, (1 << 128) - 1, random.Random(7).getrandbits(128)])
def test_the_identity_is_a_random_uuid(bits: int) -> None:
    assert area._uuid4(bits) == uuid.UUID(int=bits, version=4).bytes


@pytest.mark.parametrize("unnamed", [True, False])
def test_a_temporary_swap_file_leaves_no_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, unnamed: bool
) -> None:
    """Also where the file system has no files without a name."""
    own = os.open

    def refuses(path: str, flags: int, *mode: int) -> int:
        if flags & os.O_TMPFILE == os.O_TMPFILE:
            raise OSError(95, "Operation not supported")
        return own(path, flags, *mode)

    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    if not unnamed:
        monkeypatch.setattr(os, "open", refuses)
    handle = area._unnamed_file()
    try:
        assert os.fstat(handle).st_dev == tmp_path.stat().st_dev
        assert not os.fstat(handle).st_nlink
        assert list(tmp_path.iterdir()) == []
        assert os.pwrite(handle, b"page", 0) == 4
        assert os.pread(handle, 4, 0) == b"page"
    finally:
        os.close(handle)
