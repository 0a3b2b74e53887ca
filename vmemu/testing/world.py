"""Operations on processes and on the machine: fork, exit, swap areas, reclaim."""

from __future__ import annotations

from errno import EINVAL, ENOMEM
from pathlib import Path

from vmemu.errors import ConfigError
from vmemu.mm import Mm, Rlimits, dup_mmap
from vmemu.testing.advice_ops import AdviceOps
from vmemu.testing.frame import Process
from vmemu.testing.model import PAGE, Space

HEAP = 0x08100000
STACK_LIMIT = 96  # pages


class World(AdviceOps):
    """All operations: those inherited, and spawn, exec, fork, exit, swapon, swapoff, ..."""

    def op_spawn(self) -> None:
        """A new process with nothing in it."""
        if len(self.processes) < self.config.processes:
            self._start(self.next_pid)
            self.next_pid += 1

    def op_exec(self, pid: int) -> None:
        """A process throws its memory away and starts afresh."""
        if self.process(pid):
            self.op_exit(pid)
            self._start(pid)

    def _start(self, pid: int) -> None:
        rlimits = Rlimits(stack=STACK_LIMIT * PAGE)
        error, mm = self.call(Mm.create, self.vm, rlimits)
        if self.verdict(error, 0):
            mm.ptr.start_code, mm.ptr.end_code = HEAP - PAGE, HEAP
            mm.ptr.start_brk = mm.ptr.brk = HEAP
            self.processes[pid] = Process(mm, Space(brk=HEAP, stack_limit=STACK_LIMIT))

    def op_fork(self, pid: int) -> None:
        """A copy of a process."""
        process = self.process(pid)
        if not process or len(self.processes) >= self.config.processes:
            return
        error, mm = self.call(dup_mmap, process.mm)
        if self.verdict(error, 0):
            self.processes[self.next_pid] = Process(mm, process.space.fork())
            self.next_pid += 1

    def op_exit(self, pid: int) -> None:
        """A process ends."""
        if process := self.processes.pop(pid, None):
            self.tlb.forget(process.mm)
            process.mm.put()

    # ---- swap and reclaim

    def _path(self, area: int) -> Path:
        return Path(self._directory.name) / f"swap{area}"

    def op_swapon(self, area: int) -> None:
        """Use a swap area."""
        if area >= len(self.swap_on) or self.swap_on[area]:
            return
        try:
            self.vm.swap.swapon(str(self._path(area)), self.config.swap[area] * PAGE)
        except ConfigError as error:
            if "no memory" not in str(error) or not self.short_of_memory():
                raise
        else:
            self.swap_on[area] = True

    def op_swapoff(self, area: int) -> None:
        """Bring everything back from a swap area and give it up, if there is room."""
        if area >= len(self.swap_on):
            return
        error, _ = self.call(self.vm.swap.swapoff, str(self._path(area)))
        if not self.swap_on[area]:
            self.verdict(error, EINVAL)
            return
        room = not self.processes
        self.verdict(error, *([0] if room else [0, ENOMEM]))
        self.swap_on[area] = bool(error)

    def op_reclaim_range(self, pid: int, address: int, length: int) -> None:
        """Evict a range of one process."""
        if process := self.process(pid):
            self.vm.reclaim_range(process.mm, address, address + length)

    def op_reclaim(self, pages: int) -> None:
        """Reclaim until so many frames are free."""
        self.vm.reclaim.reclaim_pages(pages)

    def op_direct_reclaim(self, pages: int) -> None:
        """What an allocation does that finds nothing free."""
        self.vm.reclaim.try_to_free_pages(pages)

    def op_kswapd(self) -> None:
        """Reclaim up to the high watermark."""
        self.vm.reclaim.balance_pgdat()

    def op_check(self) -> None:
        """Compare everything."""
        self.check()
