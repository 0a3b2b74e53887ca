"""Operations that read and write: by system calls, by faults, and through a TLB."""

from __future__ import annotations

from errno import EFAULT

from vmemu.core import lib
from vmemu.testing.frame import Difference, Frame, Process
from vmemu.testing.model import PAGE, Access
from vmemu.testing.soft_tlb import RESOLVED


def contents(pattern: int, n: int) -> bytes:
    """``n`` bytes that differ from those of every other pattern."""
    word = (pattern * 2654435761 & 0xFFFFFFFF | 1).to_bytes(4, "little")
    return (word * (n // 4 + 1))[:n]


class AccessOps(Frame):
    """read, write, user_read, user_write, fetch, fault."""

    def permitted(self, process: Process, pages: range, *, write: bool) -> int:
        """How many leading pages an access may reach; areas grow as it goes."""
        space = process.space
        for n, page in enumerate(pages):
            access = space.access(page, write=write)
            if access is Access.MAY_GROW and page in self.actual(process.mm):
                access = Access.GROWS
            if access is Access.GROWS:
                space.grow(page)
                access = space.access(page, write=write)
            if access is not Access.ALLOWED:
                return n
            space.touch(page)
            if self.config.budget is None and not self._present(process, page):
                space.pinned.discard(page)  # it was not reached, for want of memory
        return len(pages)

    def _present(self, process: Process, page: int) -> bool:
        kind: int = self.core.lib.pte_kind_at(self.core.m, process.mm.ptr, page * PAGE)
        return kind == lib.PTE_PRESENT

    def op_read(self, pid: int, address: int, n: int) -> None:
        """Copy from user memory, as a system call does."""
        if not (process := self.process(pid)):
            return
        error, found = self.call(process.mm.read, address, n)
        pages = range(address // PAGE, (address + n - 1) // PAGE + 1)
        whole = self.permitted(process, pages, write=False) == len(pages)
        if error == EFAULT and whole and self.short_of_memory():
            self._after_oom(process, pages)
            return
        self.expect("errno", error, 0 if whole else EFAULT)
        if whole:
            self._compare(pid, process, address, found)

    def _after_oom(self, process: Process, pages: range) -> None:
        """Growing the area, or pinning its pages, may not have come to pass."""
        space = process.space
        space.pinned.difference_update(pages)
        for page in space.attr.keys() - self.actual(process.mm):
            space.unmap(page, page + 1)

    def _compare(self, pid: int, process: Process, address: int, found: bytes) -> None:
        wanted = process.space.read(address, len(found))
        if found == wanted:
            return
        at = next(i for i, (a, b) in enumerate(zip(found, wanted, strict=True)) if a != b)
        raise Difference(
            f"{self.now}: pid {pid}: contents differ at {address + at:#x}: "
            f"found {found[at : at + 8].hex()}, wanted {wanted[at : at + 8].hex()}"
        )

    def op_write(self, pid: int, address: int, n: int, pattern: int) -> None:
        """Copy to user memory, as far as that goes."""
        if not (process := self.process(pid)):
            return
        data = contents(pattern, n)
        error, done = self.call(process.mm.write_some, address, data)
        self.expect("errno", error, 0)
        pages = range(address // PAGE, (address + n - 1) // PAGE + 1)
        count = self.permitted(process, pages, write=True)
        wanted = n if count == len(pages) else max(0, pages[count] * PAGE - address)
        if done < wanted and self.short_of_memory():
            self._after_oom(process, pages)
            wanted = done
        self.expect("bytes written", done, wanted)
        process.space.write(address, data[:wanted])

    def op_user_read(self, pid: int, address: int, n: int) -> None:
        """Load bytes of one page through the TLB."""
        if not (process := self.process(pid)):
            return
        self.tlb.run(process.mm)
        n = min(n, PAGE - address % PAGE)
        found = self.tlb.read(address, n)
        fault = found if isinstance(found, int) else 0
        if self._faulted(process, address, fault, write=False) and isinstance(found, bytes):
            self._compare(pid, process, address, found)

    def op_user_write(self, pid: int, address: int, n: int, pattern: int) -> None:
        """Store bytes of one page through the TLB."""
        if not (process := self.process(pid)):
            return
        self.tlb.run(process.mm)
        data = contents(pattern, min(n, PAGE - address % PAGE))
        fault = self.tlb.write(address, data)
        if self._faulted(process, address, fault, write=True):
            process.space.write(address, data)

    def op_fetch(self, pid: int, address: int) -> None:
        """Execute a page: its frame counts as code until it is freed or written."""
        if not (process := self.process(pid)):
            return
        self.tlb.run(process.mm)
        self._faulted(process, address, self.tlb.fetch(address), write=False)

    def op_fault(self, pid: int, address: int, write: int) -> None:
        """Resolve one fault, wanted or not."""
        if not (process := self.process(pid)):
            return
        access = lib.ACCESS_WRITE if write else lib.ACCESS_READ
        result = self.vm.fault(process.mm, address, access)
        self._faulted(process, address, 0 if result in RESOLVED else result, write=bool(write))

    def _faulted(self, process: Process, address: int, fault: int, *, write: bool) -> bool:
        """Whether an access went through; Difference if it should have done otherwise."""
        page = address // PAGE
        before = process.space.attr.get(page)
        ok = self.permitted(process, range(page, page + 1), write=write) == 1
        short = (lib.FAULT_OOM,) if before is not None else (lib.FAULT_OOM, lib.FAULT_MAPERR)
        if fault in short and ok and self.short_of_memory():
            self._after_oom(process, range(page, page + 1))
            return False
        wanted = 0
        if not ok:
            mapped = before is not None or page in process.space.attr
            wanted = lib.FAULT_ACCERR if mapped else lib.FAULT_MAPERR
            if process.space.access(page, write=write) is Access.BEHIND:
                wanted = lib.FAULT_SIGBUS
                if fault == lib.FAULT_OOM and self.short_of_memory():
                    return False
        self.expect(f"fault result at {address:#x}", fault, wanted)
        return ok
