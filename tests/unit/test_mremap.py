"""mremap's errors, in 2.6.7's order: what the arguments say, then what the area says."""

from __future__ import annotations

from errno import EFAULT, EINVAL, ENOMEM

import pytest
from memory import BASE, NONE, PAGE, SCHEMES, Memory, R, errno_of, memory_under

from tests.width import LIMIT, TASK_SIZE
from vmemu.mm import Mm, do_mprotect, do_mremap, do_munmap

MAYMOVE, FIXED = 1, 2
MOVE = MAYMOVE | FIXED
TOP = TASK_SIZE
FAR = BASE + 64 * PAGE


memory = memory_under("none", *SCHEMES)


@pytest.fixture
def mm(memory: Memory) -> Mm:
    """A process with 8 written pages."""
    mm = memory.process()
    memory.map(mm, 0, 8)
    memory.fill(mm, 0, 8)
    return mm


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ((BASE, PAGE, PAGE, 4), EINVAL),  # a flag nobody knows
        ((BASE + 1, PAGE, PAGE, MAYMOVE), EINVAL),
        ((BASE, PAGE, 0, MAYMOVE), EINVAL),
        ((BASE, PAGE, LIMIT - PAGE + 1, MAYMOVE), EINVAL),  # rounds up to 0
        ((BASE, PAGE, PAGE, FIXED, FAR), EINVAL),  # fixed, but may not move
        ((BASE, PAGE, PAGE, MOVE, FAR + 1), EINVAL),
        ((BASE, PAGE, PAGE, MOVE, FAR + PAGE // 2), EINVAL),
        ((BASE, PAGE, PAGE, MOVE, TOP), EINVAL),
        ((BASE, PAGE, 2 * PAGE, MOVE, TOP - PAGE), EINVAL),
        ((BASE, 2 * PAGE, PAGE, MOVE, BASE + PAGE), EINVAL),  # onto itself
        ((BASE + PAGE, PAGE, 2 * PAGE, MOVE, BASE), EINVAL),
        ((BASE, PAGE, PAGE, MOVE, BASE), EINVAL),
        # growing: what is wrong with the old range is the area's to say
        ((BASE, 9 * PAGE, 10 * PAGE, MAYMOVE), EFAULT),
        ((BASE, TOP - BASE, TOP, MAYMOVE), EFAULT),
        ((BASE, 0xA0000000, 0xB0000000, MAYMOVE), EFAULT),
        ((BASE + 8 * PAGE, PAGE, 2 * PAGE, MAYMOVE), EFAULT),
        ((TOP, PAGE, 2 * PAGE, MAYMOVE), EFAULT),
        ((LIMIT - 2 * PAGE, PAGE, 2 * PAGE, MAYMOVE), EFAULT),
        ((BASE, 8 * PAGE, TOP, MAYMOVE), ENOMEM),
        ((BASE, 4 * PAGE, 5 * PAGE, 0), ENOMEM),  # no room, and may not move
    ],
)
def test_errors_change_nothing(
    memory: Memory, mm: Mm, arguments: tuple[int, ...], error: int
) -> None:
    areas, committed = memory.areas(mm), memory.vm.commit.pages
    assert errno_of(do_mremap, mm, *arguments) == error
    assert memory.areas(mm) == areas
    assert memory.vm.commit.pages == committed
    memory.verify(mm, 0, 8)


def test_shrinking_is_unmapping(memory: Memory, mm: Mm) -> None:
    """The rest may lie anywhere, over holes and other areas; only its end is checked."""
    memory.map(mm, 16, 4, R)
    assert do_mremap(mm, BASE, 18 * PAGE, 4 * PAGE, 0) == BASE
    assert [area[:2] for area in memory.areas(mm)] == [(0, 4), (18, 2)]
    assert errno_of(do_mremap, mm, BASE, TOP, PAGE, 0) == EINVAL


def test_what_was_at_the_new_place_is_gone_even_if_the_move_fails(memory: Memory, mm: Mm) -> None:
    memory.map(mm, 64, 4)
    do_mprotect(mm, BASE + 4 * PAGE, PAGE, NONE)
    assert errno_of(do_mremap, mm, BASE, 8 * PAGE, 8 * PAGE, MOVE, FAR) == EFAULT
    assert [area[:2] for area in memory.areas(mm)] == [(0, 4), (4, 1), (5, 3)]


def test_a_hole_behind_is_room_to_grow(memory: Memory, mm: Mm) -> None:
    do_munmap(mm, BASE + 6 * PAGE, 2 * PAGE)
    assert errno_of(do_mremap, mm, BASE + 4 * PAGE, 2 * PAGE, 4 * PAGE, 0) == 0
    assert memory.areas(mm)[0][:2] == (0, 8)
    memory.verify(mm, 0, 6)
