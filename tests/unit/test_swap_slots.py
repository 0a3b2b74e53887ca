"""Slots of swap areas: which one is handed out next, who counts, and which area comes first."""

from __future__ import annotations

import random
from collections.abc import Iterator
from errno import ENOMEM
from pathlib import Path

import pytest
from memory import PAGE, Memory, errno_of

from tests.width import ffi, lib
from vmemu.errors import ConfigError

RUN = 256
"""SWAPFILE_CLUSTER: slots of one run."""


@pytest.fixture
def memory() -> Iterator[Memory]:
    memory = Memory()
    yield memory
    memory.core.check_bug()
    memory.close()


class Slots:
    """One area by its rules: runs of 256 slots begin where so many are free in a row."""

    def __init__(self, pages: int) -> None:
        self.free = set(range(1, pages))  # 0 is the header's
        self.left = 0
        self.following = 1

    def take(self) -> int:
        """The next slot; 0 when there is none."""
        if not self.free:
            return 0
        if self.left:
            self.left -= 1
            chosen = min((slot for slot in self.free if slot >= self.following), default=0)
        else:
            self.left = RUN - 1
            rows = (slot for slot in self.free if all(slot + n in self.free for n in range(RUN)))
            chosen = min(rows, default=0)
        chosen = chosen or min(self.free)
        self.free.remove(chosen)
        self.following = chosen + 1
        return chosen


def area(memory: Memory, path: Path, pages: int, priority: int | None = None) -> None:
    memory.vm.swap.swapon(str(path), pages * PAGE, priority)


@pytest.mark.parametrize(("pages", "seed"), [(12, 1), (12, 2), (300, 3), (700, 4), (2100, 5)])
def test_any_order(memory: Memory, tmp_path: Path, pages: int, seed: int) -> None:
    """Slots come in ascending runs, are given back in any order, and none is lost."""
    area(memory, tmp_path / "swap", pages)
    rng, model, taken = random.Random(seed), Slots(pages), list[int]()
    info = memory.m.swap.info[0]
    for step in range(4 * pages):
        filling = step // pages % 2 == 0
        if taken and rng.random() < (0.15 if filling else 0.8):
            slot = taken.pop(rng.randrange(len(taken)))
            model.free.add(slot)
            assert lib.swap_free(memory.m, slot << 8) == 0
        else:
            entry = lib.get_swap_page(memory.m)
            wanted = model.take()
            assert entry == wanted << 8
            if wanted:
                taken.append(wanted)
                assert lib.swap_count(memory.m, entry) == 1
        assert info.inuse == lib.swap_used(memory.m) == len(taken)
    while (entry := lib.get_swap_page(memory.m)) != 0:
        assert entry == model.take() << 8
    assert not model.free
    assert lib.swap_used(memory.m) == pages - 1


@pytest.mark.parametrize("spare", [0, 1, 10])
def test_a_run_begins_where_it_has_room(memory: Memory, tmp_path: Path, spare: int) -> None:
    """Single free slots below are passed by, until no room for a run is left."""
    area(memory, tmp_path / "swap", 1 + 3 * RUN + spare)

    def take(count: int) -> list[int]:
        return [lib.get_swap_page(memory.m) >> 8 for _ in range(count)]

    assert take(2 * RUN) == list(range(1, 2 * RUN + 1))
    for slot in (3, 10, 11):
        lib.swap_free(memory.m, slot << 8)
    assert take(RUN) == list(range(2 * RUN + 1, 3 * RUN + 1))
    assert take(spare + 4) == [3, 10, 11, *range(3 * RUN + 1, 3 * RUN + 1 + spare), 0]


def test_within_a_run_slots_ascend(memory: Memory, tmp_path: Path) -> None:
    area(memory, tmp_path / "swap", 1 + RUN)
    taken = [lib.get_swap_page(memory.m) for _ in range(20)]
    for entry in taken[4:8]:
        lib.swap_free(memory.m, entry)
    assert lib.get_swap_page(memory.m) == 21 << 8
    rest = [lib.get_swap_page(memory.m) >> 8 for _ in range(RUN - 21 + 4)]
    assert rest == [*range(22, RUN + 1), 5, 6, 7, 8]
    assert lib.get_swap_page(memory.m) == 0


def test_a_slot_is_free_when_its_last_user_goes(memory: Memory, tmp_path: Path) -> None:
    area(memory, tmp_path / "swap", 16)
    entry = lib.get_swap_page(memory.m)
    for users in range(2, 5):
        assert lib.swap_duplicate(memory.m, entry) == 0
        assert lib.swap_count(memory.m, entry) == users
    for users in range(3, -1, -1):
        assert lib.swap_used(memory.m) == 1
        assert lib.swap_free(memory.m, entry) == users
    assert lib.swap_used(memory.m) == 0
    assert lib.swap_duplicate(memory.m, entry) == -1  # nobody can share what is free
    assert lib.swap_count(memory.m, entry) == 0


def test_more_users_than_a_count_holds_are_told(tmp_path: Path) -> None:
    memory = Memory()
    area(memory, tmp_path / "swap", 16)
    entry = lib.get_swap_page(memory.m)
    for _ in range(lib.SWAP_MAP_MAX - 1):
        assert lib.swap_duplicate(memory.m, entry) == 0
    memory.core.check_bug()
    assert lib.swap_duplicate(memory.m, entry) == -1
    assert b"SWAP_MAP_MAX" in ffi.string(memory.m.bug)
    memory.close()


@pytest.mark.parametrize("entry", [0, 16 << 8, 1 << 1 | 1 << 8])
def test_an_entry_of_no_slot_is_told(tmp_path: Path, entry: int) -> None:
    """The header's, one behind the end, one of an area that is not in use."""
    memory = Memory()
    area(memory, tmp_path / "swap", 16)
    area(memory, tmp_path / "other", 16)
    lib.swap_set_writeok(memory.m, 1, 0)
    if entry & 2:
        memory.vm.swap.swapoff(str(tmp_path / "other"))
        entry = 2 << 1 | 1 << 8  # number 2 was never in use
        memory.m.swap.info[2].map_frames = memory.m.swap.info[0].map_frames
    lib.swap_count(memory.m, entry)
    memory.m.swap.info[2].map_frames = ffi.NULL
    assert b"swap/area.c" in ffi.string(memory.m.bug)
    memory.close()


def test_the_area_of_highest_priority_comes_first(memory: Memory, tmp_path: Path) -> None:
    for name, priority in (("low", 1), ("high", 5), ("middle", 3)):
        area(memory, tmp_path / name, 12, priority)
    kinds = [lib.get_swap_page(memory.m) >> 1 & 0x1F for _ in range(33)]
    assert kinds == [1] * 11 + [2] * 11 + [0] * 11
    assert lib.get_swap_page(memory.m) == 0
    assert (lib.swap_total(memory.m), lib.swap_used(memory.m)) == (33, 33)
    lib.swap_free(memory.m, 2 << 1 | 5 << 8)
    assert lib.get_swap_page(memory.m) == 2 << 1 | 5 << 8


def test_without_a_priority_the_first_area_comes_first(memory: Memory, tmp_path: Path) -> None:
    """Each gets a lower one than those before it, from -1 on, as in swapon(2)."""
    for name in ("one", "two"):
        area(memory, tmp_path / name, 12)
    assert [memory.m.swap.info[kind].prio for kind in range(2)] == [-1, -2]
    kinds = [lib.get_swap_page(memory.m) >> 1 & 0x1F for _ in range(22)]
    assert kinds == [0] * 11 + [1] * 11


def test_areas_of_one_priority_are_filled_one_by_one(memory: Memory, tmp_path: Path) -> None:
    for name in ("one", "two"):
        area(memory, tmp_path / name, 12, 7)
    assert lib.get_swap_page(memory.m) == 1 << 8
    assert lib.get_swap_page(memory.m) == 2 << 8


def test_an_area_that_is_leaving_gives_out_nothing(memory: Memory, tmp_path: Path) -> None:
    area(memory, tmp_path / "swap", 12)
    lib.swap_set_writeok(memory.m, 0, 0)
    assert lib.get_swap_page(memory.m) == 0
    lib.swap_set_writeok(memory.m, 0, 1)
    assert lib.get_swap_page(memory.m) == 1 << 8


def test_numbers_are_used_again(memory: Memory, tmp_path: Path) -> None:
    for name in "abc":
        area(memory, tmp_path / name, 12)
    memory.vm.swap.swapoff(str(tmp_path / "b"))
    area(memory, tmp_path / "d", 20)
    assert [(one.kind, Path(one.path).name) for one in memory.vm.swap.areas] == [
        (0, "a"), (2, "c"), (1, "d"),
    ]  # fmt: skip
    assert lib.swap_total(memory.m) == 11 + 11 + 19


def test_no_more_areas_than_numbers(memory: Memory, tmp_path: Path) -> None:
    for n in range(lib.MAX_SWAPFILES):
        area(memory, tmp_path / str(n), 12)
    free = memory.free
    with pytest.raises(ConfigError, match="too many swap areas"):
        area(memory, tmp_path / "more", 12)
    assert memory.free == free
    assert not (tmp_path / "more").exists()
    assert lib.swap_total(memory.m) == 11 * lib.MAX_SWAPFILES


def test_the_map_takes_frames_as_vmalloc_would(memory: Memory, tmp_path: Path) -> None:
    """Two bytes a slot; all come back with swapoff."""
    per_frame = PAGE // 2
    for pages, frames in ((per_frame, 1), (per_frame + 1, 2), (3 * per_frame, 3)):
        free = memory.free
        area(memory, tmp_path / "swap", pages)
        assert memory.free == free - frames
        taken = [lib.get_swap_page(memory.m) for _ in range(pages - 1)]
        assert taken == [slot << 8 for slot in range(1, pages)]
        for entry in taken:
            lib.swap_free(memory.m, entry)
        memory.vm.swap.swapoff(str(tmp_path / "swap"))
        assert memory.free == free
        (tmp_path / "swap").unlink()


def test_a_map_without_memory_is_refused(memory: Memory, tmp_path: Path) -> None:
    with memory.starved() as frames:
        lib.put_page(memory.m, frames.pop())
        with pytest.raises(ConfigError, match="no memory for the swap map"):
            area(memory, tmp_path / "swap", PAGE)  # two frames
        assert memory.free == 1
    assert lib.swap_total(memory.m) == 0


@pytest.mark.parametrize("scheme", ["anonmm", "anon_vma"])
def test_a_swapoff_that_fails_leaves_the_area_in_use(tmp_path: Path, scheme: str) -> None:
    memory = Memory(scheme, ram=256)
    area(memory, tmp_path / "swap", 512)
    mm = memory.process()
    memory.map(mm, 0, 300)
    memory.fill(mm, 0, 300)  # more than RAM holds
    used = lib.swap_used(memory.m)
    assert used > 40
    assert errno_of(memory.vm.swap.swapoff, str(tmp_path / "swap")) == ENOMEM
    assert memory.m.swap.info[0].writeok == 1
    assert [one.kind for one in memory.vm.swap.areas] == [0]
    memory.verify(mm, 0, 300)
    memory.check()
    memory.close()
