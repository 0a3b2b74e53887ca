"""One address space: the Python handle of a guest ``mm_struct``."""

from __future__ import annotations

import errno
import functools
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar

from vmemu.closing import Closing
from vmemu.core import BUFFER_BYTES, PAGE_SHIFT, ffi, lib
from vmemu.errors import Errno
from vmemu.mm.consts import RLIM_INFINITY, STACK_LIMIT

if TYPE_CHECKING:
    from vmemu.mm.manager import MemoryManager
    from vmemu.typed import mm_struct, vm_area_struct

__all__ = ["Mm", "Rlimits", "mmap_sem_read", "mmap_sem_write"]

P = ParamSpec("P")
T = TypeVar("T")


class Rlimits:
    """Soft limits that memory management honours, in bytes."""

    def __init__(
        self,
        as_: int = RLIM_INFINITY,
        stack: int = STACK_LIMIT,
        memlock: int = RLIM_INFINITY,
        data: int = RLIM_INFINITY,
    ) -> None:
        self.as_ = as_
        self.stack = stack
        self.memlock = memlock
        self.data = data

    def copy(self) -> Rlimits:
        """A child's own."""
        return Rlimits(self.as_, self.stack, self.memlock, self.data)


class Mm(Closing):
    """Handle of a ``struct mm_struct``; everything but the limits is in guest RAM.

    Models the life of an mm in kernel/fork.c of 2.6.7: made by :meth:`create` (exec) or
    :func:`vmemu.mm.fork.dup_mmap`, shared by :meth:`get`, gone at the last :meth:`put`.
    """

    def __init__(self, vm: MemoryManager, ptr: mm_struct, rlimits: Rlimits) -> None:
        self.vm = vm
        self.core = vm.core
        self.ptr = ptr
        self.kaddr = vm.core.kaddr(ptr)
        self.rlimits = rlimits
        self.ipc_lock = False  # whether whoever runs in it has CAP_IPC_LOCK
        self.clean: list[tuple[int, int]] = []
        """Ranges that were mapped when clear_refs made all pages clean, and still are."""
        self.mmap_offset = 0
        """Bytes by which mmap() begins elsewhere than usual (mmap_base)."""

    def __repr__(self) -> str:
        if self.core.closed:
            return f"<Mm {self.kaddr:#x}, the machine is closed>"
        ptr = self.ptr
        return f"<Mm {self.kaddr:#x}: {ptr.map_count} vmas, {ptr.rss} pages in memory>"

    @classmethod
    def allocate(cls, vm: MemoryManager, rlimits: Rlimits | None = None) -> Mm:
        """An mm without rmap state or mappings; Errno ENOMEM."""
        ptr = vm.core.lib.mm_alloc(vm.core.m)
        if not ptr:
            raise Errno(errno.ENOMEM)
        mm = cls(vm, ptr, rlimits.copy() if rlimits else Rlimits())
        vm.mms[mm.kaddr] = mm
        return mm

    @classmethod
    def create(cls, vm: MemoryManager, rlimits: Rlimits | None = None) -> Mm:
        """The fresh mm of an exec (``mm_alloc``); Errno ENOMEM."""
        mm = cls.allocate(vm, rlimits)
        if not vm.rmap.mm_init(mm.ptr):
            mm.release()
            raise Errno(errno.ENOMEM)
        return mm

    def get(self) -> Mm:
        """One more user."""
        self.ptr.mm_users += 1
        return self

    def put(self) -> None:
        """One user less; the last one unmaps everything (``mmput``, ``exit_mmap``)."""
        self.ptr.mm_users -= 1
        if self.ptr.mm_users == 0:
            self._exit_mmap()

    def _exit_mmap(self) -> None:
        self.core.lib.exit_mmap(self.core.m, self.ptr)
        self.vm.rmap.mm_exit(self.ptr)
        self.release()
        self.vm.inodes.unmapped()

    def release(self) -> None:
        """Free the empty ``mm_struct`` and its page directory."""
        del self.vm.mms[self.kaddr]
        self.core.lib.mm_free(self.core.m, self.ptr)

    # ---- its vmas

    def vmas(self) -> Iterator[vm_area_struct]:
        """``struct vm_area_struct *`` in address order."""
        vma, at = self.core.vma, self.ptr.mmap
        while at:
            area: vm_area_struct = vma(at)
            at = area.vm_next
            yield area

    def next_vma(self, vma: Any) -> Any:
        """The vma behind this one (the first for None), or None."""
        return self.core.vma(vma.vm_next if vma is not None else self.ptr.mmap)

    def account(self, pages: int, vm_flags: int) -> None:
        """So many pages more (or less) belong to areas with these flags."""
        locked = pages if vm_flags & lib.VM_LOCKED else 0
        self.core.lib.mm_account(self.core.m, self.ptr, pages, locked)

    def may_expand(self, pages: int) -> None:
        """Errno ENOMEM when ``pages`` more would break RLIMIT_AS."""
        if (self.ptr.total_vm + pages) << PAGE_SHIFT > self.rlimits.as_:
            raise Errno(errno.ENOMEM)

    @property
    def lock_limit(self) -> int:
        """How many bytes may be locked: as many as there are for who has CAP_IPC_LOCK."""
        return RLIM_INFINITY if self.ipc_lock else self.rlimits.memlock

    def can_do_mlock(self) -> None:
        """Errno EPERM where nothing at all may be locked."""
        if not self.lock_limit:
            raise Errno(errno.EPERM)

    def forget_clean(self, start: int, end: int) -> None:
        """What is mapped in a range from now on counts as written (VM_SOFTDIRTY)."""
        if not self.clean:
            return
        left = []
        for low, high in self.clean:
            left += [(low, min(high, start)), (max(low, end), high)]
        self.clean = [(low, high) for low, high in left if low < high]

    # ---- its memory

    def read(self, address: int, n: int) -> bytes:
        """Copy ``n`` bytes from user memory; Errno EFAULT unless all can be read."""
        core = self.core
        if n > BUFFER_BYTES:
            buffer = ffi.new("char[]", n)
            done = core.lib.copy_from_user(core.m, self.ptr, buffer, address & core.mask, n)
            data: bytes = ffi.buffer(buffer, n)[:]
        else:
            memory, view = taken = core.buffer()
            done = core.lib.copy_from_user(core.m, self.ptr, memory, address & core.mask, n)
            data = view[:n]
            core.buffers.append(taken)
        core.check_bug()
        if done != n:
            raise Errno(errno.EFAULT)
        return data

    def write(self, address: int, data: bytes | bytearray | memoryview) -> None:
        """Copy bytes to user memory; Errno EFAULT unless all can be written."""
        if self.write_some(address, data) != len(data):
            raise Errno(errno.EFAULT)

    def write_some(self, address: int, data: bytes | bytearray | memoryview) -> int:
        """Copy bytes to user memory until one cannot be written; how many were."""
        core = self.core
        done: int = core.lib.copy_to_user(
            core.m,
            self.ptr,
            address & core.mask,
            data if isinstance(data, bytes) else ffi.from_buffer(data),
            len(data),
        )
        core.check_bug()
        return done

    def read_cstr(self, address: int, limit: int) -> bytes:
        """A NUL-terminated string below ``limit`` bytes; Errno EFAULT or ENAMETOOLONG."""
        core = self.core
        address &= core.mask
        room = min(limit, BUFFER_BYTES)
        memory, view = taken = core.buffer()
        n: int = core.lib.strncpy_from_user(core.m, self.ptr, memory, address, room)
        data: bytes = view[: max(n, 0)]
        core.buffers.append(taken)
        if n == room < limit:
            buffer = ffi.new("char[]", limit)
            n = core.lib.strncpy_from_user(core.m, self.ptr, buffer, address, limit)
            data = ffi.buffer(buffer, max(n, 0))[:]
        core.check_bug()
        if n < 0:
            raise Errno(errno.EFAULT)
        if n == limit:
            raise Errno(errno.ENAMETOOLONG)
        return data

    def read_u32(self, address: int) -> int:
        """One little-endian 32-bit word; Errno EFAULT."""
        return int.from_bytes(self.read(address, 4), "little")

    def write_u32(self, address: int, value: int) -> None:
        """Store one 32-bit word; Errno EFAULT."""
        self.write(address, (value & 0xFFFFFFFF).to_bytes(4, "little"))

    def make_present(self, start: int, end: int, *, write: bool) -> int:
        """Fault in every page of a range (``make_pages_present``); ``enum fault_result``.

        mmap_sem is held.
        """
        result: int = self.core.lib.make_pages_present(self.core.m, self.ptr, start, end, write)
        self.core.check_bug()
        return result


def _holding(
    down: str, up: str
) -> Callable[[Callable[Concatenate[Mm, P], T]], Callable[Concatenate[Mm, P], T]]:
    def decorate(body: Callable[Concatenate[Mm, P], T]) -> Callable[Concatenate[Mm, P], T]:
        @functools.wraps(body)
        def locked(mm: Mm, /, *args: P.args, **kwargs: P.kwargs) -> T:
            lib, m, ptr = mm.core.lib, mm.core.m, mm.ptr
            getattr(lib, down)(m, ptr)
            try:
                return body(mm, *args, **kwargs)
            finally:
                getattr(lib, up)(m, ptr)

        return locked

    return decorate


#: Decorates a function of an mm that changes vmas: it runs with mmap_sem held for write.
mmap_sem_write = _holding("down_write", "up_write")
#: Decorates one that only looks at vmas: it runs with mmap_sem held for read.
mmap_sem_read = _holding("down_read", "up_read")
