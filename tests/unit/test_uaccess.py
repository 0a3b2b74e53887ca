"""The kernel's copies from and to user memory: how far they come, and what they leave behind."""

from __future__ import annotations

import pytest
from memory import BASE, NONE, PAGE, RW, SCHEMES, Memory, R, memory_under

from tests.width import TASK_SIZE, ffi, lib
from vmemu.mm import Mm, do_mprotect

memory = memory_under(*SCHEMES)


@pytest.fixture
def mm(memory: Memory) -> Mm:
    """Three written pages, the last of which may only be read; a hole; one more page."""
    mm = memory.process()
    memory.map(mm, 0, 3)
    memory.fill(mm, 0, 3)
    do_mprotect(mm, BASE + 2 * PAGE, PAGE, R)
    memory.map(mm, 4, 1)
    return mm


def whole(memory: Memory) -> bytes:
    return b"".join(memory.contents(n) for n in range(3))


PLACES = [
    (0, 0), (0, 1), (0, PAGE), (1, PAGE), (PAGE - 1, 1), (PAGE - 1, 2), (5, 2 * PAGE),
    (PAGE, 2 * PAGE), (3 * PAGE - 1, 1),
]  # fmt: skip


@pytest.mark.parametrize(("offset", "n"), PLACES)
def test_reads_come_as_far_as_they_should(memory: Memory, mm: Mm, offset: int, n: int) -> None:
    buffer = bytearray(b"\xee" * (n + 8))
    done = lib.copy_from_user(memory.m, mm.ptr, ffi.from_buffer(buffer), BASE + offset, n)
    assert done == n
    assert buffer == whole(memory)[offset : offset + n] + b"\xee" * 8


@pytest.mark.parametrize(("offset", "n"), [(0, 3 * PAGE + 1), (3 * PAGE - 5, 100), (3 * PAGE, 4)])
def test_a_read_ends_where_a_page_cannot_be_had(
    memory: Memory, mm: Mm, offset: int, n: int
) -> None:
    buffer = bytearray(b"\xee" * n)
    done = lib.copy_from_user(memory.m, mm.ptr, ffi.from_buffer(buffer), BASE + offset, n)
    assert done == 3 * PAGE - offset
    assert buffer == whole(memory)[offset:] + b"\xee" * (n - done)


@pytest.mark.parametrize(("offset", "n"), [place for place in PLACES if sum(place) <= 2 * PAGE])
def test_writes_change_what_they_should(memory: Memory, mm: Mm, offset: int, n: int) -> None:
    data = bytes(range(1, 252)) * (n // 251 + 1)
    assert lib.copy_to_user(memory.m, mm.ptr, BASE + offset, data, n) == n
    expected = bytearray(whole(memory))
    expected[offset : offset + n] = data[:n]
    assert mm.read(BASE, 3 * PAGE) == expected
    touched = range(offset // PAGE, (offset + n - 1) // PAGE + 1) if n else range(0)
    for page in touched:
        pte = lib.pte_value(memory.m, mm.ptr, BASE + page * PAGE)
        assert pte & lib._PAGE_ACCESSED
        assert pte & lib._PAGE_DIRTY


def test_a_write_honours_read_only(memory: Memory, mm: Mm) -> None:
    data = b"z" * (2 * PAGE)
    assert lib.copy_to_user(memory.m, mm.ptr, BASE + PAGE, data, 2 * PAGE) == PAGE
    assert mm.read(BASE + PAGE, PAGE) == b"z" * PAGE
    assert mm.read(BASE + 2 * PAGE, PAGE) == memory.contents(2)


def test_a_read_sets_accessed_and_not_dirty(memory: Memory, mm: Mm) -> None:
    at = BASE + 4 * PAGE
    assert mm.read(at, 4) == bytes(4)  # the zero page
    page = BASE + PAGE
    memory.make_old(mm, 1)
    mm.read(page, 1)
    assert lib.pte_value(memory.m, mm.ptr, page) & lib._PAGE_ACCESSED


def test_what_may_not_be_read_is_not(memory: Memory, mm: Mm) -> None:
    do_mprotect(mm, BASE, PAGE, NONE)
    buffer = ffi.new("char[]", 4)
    assert lib.copy_from_user(memory.m, mm.ptr, buffer, BASE, 4) == 0
    assert lib.copy_to_user(memory.m, mm.ptr, BASE, b"data", 4) == 0


def test_kernel_addresses_are_refused(memory: Memory, mm: Mm) -> None:
    buffer = ffi.new("char[]", 8)
    for address in (TASK_SIZE, 0xFFFFF000, 0xFFFFFFFC):
        assert lib.copy_from_user(memory.m, mm.ptr, buffer, address, 8) == 0
        assert lib.copy_to_user(memory.m, mm.ptr, address, buffer, 8) == 0
        assert lib.strncpy_from_user(memory.m, mm.ptr, buffer, address, 8) == -1
    memory.map(mm, (TASK_SIZE - PAGE - BASE) // PAGE, 1, RW)
    assert lib.copy_to_user(memory.m, mm.ptr, TASK_SIZE - 3, b"abcdef", 6) == 3
    assert mm.read(TASK_SIZE - 3, 3) == b"abc"


# ---- strings ---------------------------------------------------------------------------


@pytest.mark.parametrize("start", [0, 1, PAGE - 1, PAGE - 3, 2 * PAGE - 2])
@pytest.mark.parametrize("length", [0, 1, 2, 3, 10, PAGE, PAGE + 1])
def test_strings_end_at_their_nul(memory: Memory, mm: Mm, start: int, length: int) -> None:
    do_mprotect(mm, BASE, 3 * PAGE, RW)
    if start + length + 1 > 3 * PAGE:
        return
    text = (b"0123456789abcdefghijklmnopqrstuvwxyz" * (length // 36 + 1))[:length]
    mm.write(BASE, b"?" * 3 * PAGE)
    mm.write(BASE + start, text + b"\0")
    for room in sorted({length + 1, length + 50, 3 * PAGE - start, max(1, length), 1}):
        buffer = bytearray(b"\xee" * (3 * PAGE + 8))
        where = ffi.from_buffer(buffer)
        found = lib.strncpy_from_user(memory.m, mm.ptr, where, BASE + start, room)
        if room > length:
            assert found == length
            assert buffer[:length] == text
        else:
            assert found == room  # no NUL within it
            assert buffer[:room] == text[:room]
        assert buffer[max(length, room) + 1 :].strip(b"\xee") == b""


def test_a_string_over_frames_in_another_order(memory: Memory, mm: Mm) -> None:
    """What follows a page in memory is not what follows it in the process."""
    memory.map(mm, 16, 4)
    for page in (19, 17, 18, 16):
        memory.fill(mm, page, 1, seed=page)
    for start in (1, 5, PAGE - 1):
        text = b"".join(bytes((65 + n % 23,)) * 97 for n in range(2 * PAGE // 97 + 1)) + b"end"
        mm.write(BASE + 16 * PAGE + start, text + b"\0")
        buffer = bytearray(3 * PAGE)
        where = ffi.from_buffer(buffer)
        found = lib.strncpy_from_user(
            memory.m, mm.ptr, where, BASE + 16 * PAGE + start, len(buffer)
        )
        assert found == len(text)
        assert buffer[:found] == text
        assert mm.read(BASE + 16 * PAGE + start, len(text)) == text


def test_a_string_that_runs_into_a_hole_is_a_fault(memory: Memory, mm: Mm) -> None:
    buffer = ffi.new("char[]", 4 * PAGE)
    at = BASE + 3 * PAGE - 4
    assert lib.strncpy_from_user(memory.m, mm.ptr, buffer, at, 4) == 4
    assert lib.strncpy_from_user(memory.m, mm.ptr, buffer, at, 5) == -1
    assert lib.strncpy_from_user(memory.m, mm.ptr, buffer, BASE + 3 * PAGE, 1) == -1
    assert lib.strncpy_from_user(memory.m, mm.ptr, buffer, BASE + 3 * PAGE, 0) == 0


def test_words(memory: Memory, mm: Mm) -> None:
    for value in (0, 1, 0x12345678, 0xFFFFFFFF, -2):
        mm.write_u32(BASE + 2, value)
        assert mm.read(BASE + 2, 4) == (value & 0xFFFFFFFF).to_bytes(4, "little")
