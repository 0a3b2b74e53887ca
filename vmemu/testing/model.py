"""What memory should hold: one address space as dictionaries of pages.

Nothing here knows of frames, page tables, swap or reverse maps.  A page is a virtual page
number; its attributes are PROT_* bits plus LOCKED, GROWSDOWN and others; its contents are 4096
bytes, or absent until it is written.  Before that it shows zeroes, or a page of the one file
that can be mapped.  All page ranges are half open.
"""

from __future__ import annotations

import enum
import random
from dataclasses import dataclass, field

PAGE = 4096
READ, WRITE, EXEC = 1, 2, 4
PROT = READ | WRITE | EXEC
LOCKED, GROWSDOWN = 0x10, 0x20
ONFAULT = 0x40  # locked from its first use on
DONTFORK, WIPEONFORK, DONTDUMP = 0x80, 0x100, 0x200
ZEROES = bytes(PAGE)
FILE = random.Random(1991).randbytes(24 * PAGE - 1000)  # what the file holds
FILE_PAGES = 24


class Access(enum.Enum):
    """What becomes of an access to a page."""

    ALLOWED = "allowed"
    DENIED = "denied"
    BEHIND = "mapped behind the end of the file"
    UNMAPPED = "unmapped"
    GROWS = "grows the area above"
    MAY_GROW = "may grow it, depending on where it ends or on its rights"


@dataclass
class Space:
    """One address space."""

    attr: dict[int, int] = field(default_factory=dict)
    data: dict[int, bytes] = field(default_factory=dict)
    file: dict[int, int] = field(default_factory=dict)  # the file's page that is mapped there
    touched: set[int] = field(default_factory=set)  # may have a pte; all others have none
    pinned: set[int] = field(default_factory=set)  # locked and seen present: must stay so
    brk: int = 0
    lock_future: int = 0  # LOCKED, and perhaps ONFAULT, for what will be mapped
    stack_limit: int = 1 << 40  # pages

    def fork(self) -> Space:
        """The child's space: the same contents, no locks; without what is not to be copied."""
        goes = {page for page, attr in self.attr.items() if attr & DONTFORK}
        wiped = goes | {page for page, attr in self.attr.items() if attr & WIPEONFORK}
        attrs = {page: attr for page, attr in self.attr.items() if page not in goes}
        return Space(
            attr={page: attr & ~(LOCKED | ONFAULT) for page, attr in attrs.items()},
            data={page: data for page, data in self.data.items() if page not in wiped},
            file={page: at for page, at in self.file.items() if page not in goes},
            touched=self.touched - wiped,
            brk=self.brk,
            stack_limit=self.stack_limit,
        )

    # ---- changing what is mapped

    def map(self, start: int, end: int, attr: int, file: int | None = None) -> None:
        """Fresh pages, instead of whatever was there; ``file``: the file's from there on."""
        self.unmap(start, end)
        self.attr.update(dict.fromkeys(range(start, end), attr))
        if file is not None:
            self.file.update((page, file + page - start) for page in range(start, end))

    def unmap(self, start: int, end: int) -> None:
        """Forget pages."""
        for page in range(start, end):
            if self.attr.pop(page, None) is not None:
                self.clear(page)
                self.file.pop(page, None)

    def clear(self, page: int) -> None:
        """The page shows zeroes or the file again, and has no pte."""
        self.data.pop(page, None)
        self.touched.discard(page)
        self.pinned.discard(page)

    def protect(self, start: int, end: int, prot: int) -> None:
        """New PROT_* bits for mapped pages."""
        for page in range(start, end):
            self.attr[page] = self.attr[page] & ~PROT | prot

    def lock(self, page: int) -> None:
        """The page is locked, and in memory if it can be accessed."""
        attr = self.attr[page] = self.attr[page] | LOCKED
        if attr & PROT:
            self.touch(page)

    def unlock(self, page: int) -> None:
        """The page may be swapped again."""
        self.attr[page] &= ~(LOCKED | ONFAULT)
        self.pinned.discard(page)

    def move(self, old: int, count: int, new: int) -> None:
        """Pages change their address; what was at the new one is gone."""
        moved = [
            (
                self.attr.get(page),
                self.data.get(page),
                self.file.get(page),
                page in self.touched,
                page in self.pinned,
            )
            for page in range(old, old + count)
        ]
        self.unmap(old, old + count)
        self.unmap(new, new + count)
        for page, (attr, data, file, touched, pinned) in enumerate(moved, new):
            assert attr is not None
            self.map(page, page + 1, attr, file)
            if data is not None:
                self.data[page] = data
            if touched:
                self.touched.add(page)
            if pinned:
                self.pinned.add(page)

    # ---- using it

    def touch(self, page: int) -> None:
        """An access to the page succeeded."""
        self.touched.add(page)
        if self.attr[page] & LOCKED:
            self.pinned.add(page)

    def hole(self, start: int, end: int) -> int:
        """The first page of a range that is not mapped; ``end`` if all are."""
        for page in range(start, end):
            if page not in self.attr:
                return page
        return end

    def access(self, page: int, *, write: bool) -> Access:
        """What becomes of an access."""
        attr = self.attr.get(page)
        if attr is not None:
            if not attr & (WRITE if write else PROT):
                return Access.DENIED
            return Access.ALLOWED if self.backed(page) else Access.BEHIND
        above = min((other for other in self.attr if other > page), default=None)
        if above is None or not self.attr[above] & GROWSDOWN:
            return Access.UNMAPPED
        top = above
        while self.attr.get(top) == self.attr[above]:
            top += 1
        if above + 1 - page > self.stack_limit:
            return Access.UNMAPPED
        # Linux grows the area before it looks at its rights; not growing is as good.
        denied = not self.attr[above] & (WRITE if write else PROT)
        return Access.MAY_GROW if denied or top - page > self.stack_limit else Access.GROWS

    def backed(self, page: int) -> bool:
        """Whether there is anything to show: a page behind the end of the file has nothing.

        One that was written keeps what it got, which it could only get before a move.
        """
        return page in self.data or self.file.get(page, 0) < FILE_PAGES

    def look(self, page: int) -> tuple[int | None, int | None]:
        """What pages of one vma have in common."""
        file = self.file.get(page)
        return self.attr.get(page), None if file is None else file - page

    def contents(self, page: int) -> bytes:
        """All of a mapped page."""
        data = self.data.get(page)
        if data is None and page in self.file:
            at = self.file[page] * PAGE
            data = FILE[at : at + PAGE].ljust(PAGE, b"\0")
        return ZEROES if data is None else data

    def grow(self, page: int) -> None:
        """Extend the area above down to ``page``."""
        above = min(other for other in self.attr if other > page)
        self.attr.update(dict.fromkeys(range(page, above), self.attr[above]))

    def read(self, address: int, n: int) -> bytes:
        """The contents of mapped pages."""
        first, last = address // PAGE, (address + n - 1) // PAGE
        pages = b"".join(map(self.contents, range(first, last + 1)))
        return pages[address % PAGE :][:n]

    def write(self, address: int, data: bytes) -> None:
        """Change the contents of mapped pages."""
        while data:
            page, offset = divmod(address, PAGE)
            piece = data[: PAGE - offset]
            old = self.contents(page)
            self.data[page] = old[:offset] + piece + old[offset + len(piece) :]
            address += len(piece)
            data = data[len(piece) :]

    def locked(self) -> int:
        """How many pages are locked."""
        return sum(attr & LOCKED != 0 for attr in self.attr.values())
