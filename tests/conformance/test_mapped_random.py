"""Random reads, writes, mappings and cuts of one file: a machine answers as the host does.

Memory is looked at and changed by write() from it and read() into it, within a page at a time,
so that what must not be touched is EFAULT.
"""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from filing import O_CREAT, O_RDWR, OUT, Filing

from vmemu.rmap import builtin

PAGE = 4096
MAP, SLOTS, SLOT_PAGES = 0x62000000, 4, 16
FILE, SINK, SOURCE = 3, 4, 5
SHARED, PRIVATE, FIXED = 1, 2, 0x10
PUNCH, KEEP = 2, 1
CALLS = 400
SCHEMES = [name for name, scheme in builtin().items() if scheme.swaps()]


class Draw:
    """Draws calls on one file and what is mapped of it."""

    def __init__(self, seed: int, bits: int, calls: int = CALLS) -> None:
        self.rng = random.Random(seed)
        self.filing = Filing(bits)
        self.shown: set[int] = set()
        """Calls whose buffer counts."""
        for name in ("file", "sink", "source"):
            self.filing.call("open", name, O_CREAT | O_RDWR, 0o644)
        for n in range(16):
            data = bytes([n + 1]) * 512
            self.filing.call("pwrite64", SOURCE, data, 512, *self.filing.offset(n * 512))
        kinds = [name for name in dir(self) if name.startswith("do_")]
        often = {"do_map": 3, "do_load": 8, "do_store": 8, "do_write": 5, "do_read": 5}
        weights = [often.get(kind, 1) for kind in kinds]
        for _ in range(calls):
            getattr(self, self.rng.choices(kinds, weights)[0])()

    def offset(self) -> int:
        rng = self.rng
        return max(0, rng.randrange(20) * PAGE + rng.choice([0, 0, 0, 1, 7, 100, 4000, -1, -5]))

    def address(self) -> int:
        page = self.rng.randrange(SLOTS * SLOT_PAGES)
        return MAP + page * PAGE

    def piece(self) -> tuple[int, int]:
        """An address, and how many bytes of its page."""
        at = self.rng.choice([0, 0, 1, 17, 2000, 4080])
        return self.address() + at, min(self.rng.choice([1, 16, 300, PAGE]), PAGE - at)

    def _span(self) -> tuple[int, int]:
        return self.address(), self.rng.randrange(1, SLOT_PAGES) * PAGE

    def do_map(self) -> None:
        slot, rng = self.rng.randrange(SLOTS), self.rng
        name, unit = ("mmap", 1) if self.filing.bits == 64 else ("mmap2", PAGE)
        pages = rng.randrange(1, SLOT_PAGES + 1)
        self.filing.call(
            name, MAP + slot * SLOT_PAGES * PAGE, pages * PAGE, rng.choice([1, 3, 3, 3]),
            rng.choice([SHARED, SHARED, PRIVATE]) | FIXED, FILE, rng.randrange(10) * PAGE // unit,
        )  # fmt: skip

    def do_unmap(self) -> None:
        self.filing.call("munmap", *self._span())

    def do_protect(self) -> None:
        self.filing.call("mprotect", *self._span(), self.rng.choice([0, 1, 3, 3]))

    def do_load(self) -> None:
        address, count = self.piece()
        self.filing.call("ftruncate", SINK, 0)
        self.filing.call("pwrite64", SINK, address, count, *self.filing.offset(0))
        at = self.filing.call("pread64", SINK, OUT, count, *self.filing.offset(0), dump=count)
        self.shown.add(at)

    def do_store(self) -> None:
        address, count = self.piece()
        offset = self.filing.offset(self.rng.randrange(4096))
        self.filing.call("pread64", SOURCE, address, count, *offset)

    def do_write(self) -> None:
        data = bytes([self.rng.randrange(17, 25)]) * self.rng.choice([1, 100, 4096, 9000])
        self.filing.call("pwrite64", FILE, data, len(data), *self.filing.offset(self.offset()))

    def do_read(self) -> None:
        count = self.rng.choice([1, 100, 4096, 12000])
        offset = self.filing.offset(self.offset())
        self.shown.add(self.filing.call("pread64", FILE, OUT, count, *offset, dump=count))

    def do_cut(self) -> None:
        self.filing.call("ftruncate", FILE, self.offset())

    def do_hole(self) -> None:
        mode = self.rng.choice([0, KEEP, KEEP | PUNCH, KEEP | PUNCH])
        length = self.rng.choice([1, 5000, 3 * PAGE])
        self.filing.call("fallocate", FILE, mode, *self.filing.offset(self.offset(), length))

    def do_msync(self) -> None:
        self.filing.call("msync", *self._span(), self.rng.choice([1, 2, 4, 4, 5, 6, 0]))

    def do_fsync(self) -> None:
        self.filing.call(self.rng.choice(["fsync", "fdatasync", "sync"]), FILE)

    def do_advise(self) -> None:
        self.filing.call("madvise", *self._span(), self.rng.choice([0, 1, 2, 3, 4]))

    def do_fadvise(self) -> None:
        span = self.filing.offset(self.offset(), self.rng.choice([0, 100, 5 * PAGE]))
        name = "fadvise64" if self.filing.bits == 64 else "fadvise64_64"
        self.filing.call(name, FILE, *span, self.rng.randrange(6))

    def do_readahead(self) -> None:
        self.filing.call("readahead", FILE, *self.filing.offset(self.offset()), 5 * PAGE)


@pytest.mark.native
@pytest.mark.parametrize("ram", ["4M", "700K"])
@pytest.mark.parametrize("bits", [32, 64])
@pytest.mark.parametrize("seed", range(6))
def test_what_is_mapped_read_and_cut(seed: int, bits: int, ram: str, tmp_path: Path) -> None:
    draw = Draw(seed, bits)
    (tmp_path / "native").mkdir()
    (tmp_path / "root").mkdir()
    try:
        hosts = draw.filing.native(tmp_path, tmp_path / "native")
    except OSError as error:
        pytest.skip(f"the host does not execute programs of {bits} bits: {error}")
    scheme = SCHEMES[seed % len(SCHEMES)]
    ours = draw.filing.run(
        tmp_path, root=tmp_path / "root", root_rw=True, ram=ram, swap="4M", rmap=scheme
    )
    wrong = [
        f"{index}: {draw.filing.describe(index)}: {our.result}, not {host.result}"
        for index, (our, host) in enumerate(zip(ours, hosts, strict=True))
        if our.result != host.result or (index in draw.shown and our.out != host.out)
    ]
    assert wrong == []
    assert (tmp_path / "root/file").read_bytes() == (tmp_path / "native/file").read_bytes()
    assert sum(answer.result == -14 for answer in hosts) > 10  # SIGBUS, or nothing mapped
