"""The C core, seen from Python: one machine's memory, counters and events.

There is one extension module for each width of a guest's word.  What depends on it, a
machine asks its :class:`Core`: functions are ``core.lib``'s, types ``core.ffi``'s.  ``lib``
of this module has the constants, which are the same in both, and the functions for i386.
The callbacks by which C reaches Python find their machine through its handle; an exception
in one is kept and raised again at the next boundary (:meth:`Core.check_bug`).
"""

from __future__ import annotations

import importlib
import os
import weakref
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from vmemu import arguments, layouts
from vmemu._core32 import ffi, lib
from vmemu.closing import Closing
from vmemu.errors import ConfigError, CpuError, KernelBug, SwapIOError

if TYPE_CHECKING:
    from vmemu.rmap.base import RmapScheme
    from vmemu.typed import kmem_cache, mm_struct, page, swap_info, vm_area_struct, zone

__all__ = ["BUFFER_BYTES", "PAGE_SHIFT", "PAGE_SIZE", "Core", "Event", "ffi", "lib"]

PAGE_SIZE: int = lib.PAGE_SIZE
PAGE_SHIFT: int = lib.PAGE_SHIFT
BUFFER_BYTES = PAGE_SIZE
"""Of a buffer for what is copied from user memory."""

CData = Any


class Event(NamedTuple):
    """One entry of the event ring (C type ``struct event``); ``time`` in virtual ns.

    ``pid`` is the running task's, 0 when there is none.  What ``a`` to ``d`` are depends on
    the name: see docs/model.md.  One that is called "dropped" stands for ``a`` events that
    the ring no longer had, and has the number of the first of them.
    """

    seq: int
    time: int
    pid: int
    name: str
    a: int
    b: int
    c: int
    d: int


def event_of(e: CData) -> Event:
    """Read a ``struct event``."""
    return Event(e.seq, e.time, e.pid, EVENTS[e.type], e.a, e.b, e.c, e.d)


def _names(get: Callable[[int], CData]) -> list[str]:
    names: list[str] = []
    while (name := get(len(names))) != ffi.NULL:
        names.append(ffi.string(name).decode())
    return names


COUNTERS = _names(lib.vmemu_counter_name)
EVENTS = _names(lib.vmemu_event_name)
DROPPED = "dropped"
"""The name of what stands for events that are no longer in the ring."""
LOCKS = _names(lambda i: lib.vmemu_lock_name(ffi.NULL, i))
"""Classes of locks; what a scheme calls its own is in `Core.locks`."""
RMAPS = _names(lib.vmemu_rmap_name)
I_MMAPS = _names(lib.vmemu_i_mmap_name)
"""What a file's areas can be kept in."""
I_MMAP = "prio_tree"
"""What they are by default: that of 2.6.7."""
FRAME_KINDS = _names(lib.frame_kind_name)
"""What a frame can serve as; the index of a name is its number (``enum frame_kind``)."""

HOST_COUNTERS = ("tlb_fill", "tlb_grow")
"""Counters that are not the guest's: the size of Unicorn's TLB follows the host's clock."""


class Core(Closing):
    """Owner of a ``struct vmemu``.

    ``rmap``: the scheme's class, or the name of its C walker with what the walker is to know
    of the scheme's options.  ``ram`` in bytes, ``cache_line`` in bytes (aligns ``mm_struct``
    slabs), ``min_free_pages`` in pages, ``events`` entries in the ring (a power of two or 0),
    ``bits`` of a word (32 or 64),
    ``levels`` of page tables (2 in i386; 3 or 4 in x86-64, by default 3 as in 2.6.7), ``layout``:
    the kernel whose structs' sizes slab caches have, ``i_mmap``: what a file's areas are kept
    in, one of I_MMAPS. Raises ConfigError when the machine is too
    small or too large.
    """

    def __init__(
        self,
        ram: int,
        rmap: str | type[RmapScheme],
        *,
        rmap_options: Sequence[int] = (),
        bits: int = 32,
        levels: int | None = None,
        layout: str = layouts.DEFAULT,
        cache_line: int = 128,
        min_free_pages: int | None = None,
        events: int = 0,
        i_mmap: str = I_MMAP,
    ) -> None:
        ffi, lib = core_of(bits)
        self.ffi, self.lib, self.bits = ffi, lib, bits
        if not isinstance(rmap, str):
            rmap_options = rmap.option_numbers()
        #: What a plug-in has declared of itself.
        self.declared = None if isinstance(rmap, str) else rmap.declared(bits)
        levels = lib.DEFAULT_LEVELS if levels is None else levels
        check_levels(levels, bits)
        check_ram(ram, bits)
        check_i_mmap(i_mmap)
        frames = ram >> PAGE_SHIFT
        boot = lib.vmemu_boot_frames(ram)
        if min_free_pages is None:
            min_free_pages = default_min_free_pages(frames)
        if min_free_pages * 4 > frames - boot:
            raise ConfigError(
                f"min_free_pages={min_free_pages} leaves no room in {frames - boot} free frames"
            )
        if events & (events - 1):
            raise ConfigError(f"events must be a power of two or 0, not {events}")
        self.m: CData = lib.vmemu_new(
            ram,
            i_mmap.encode(),
            (rmap if isinstance(rmap, str) else rmap.walker).encode(),
            [*rmap_options, *[0] * (lib.MAX_RMAP_OPTIONS - len(rmap_options))],
            self._plugin(),
            cache_line,
            min_free_pages,
            events,
            levels,
            self._sizes(layout, i_mmap),
        )
        if self.m == ffi.NULL:
            raise ConfigError(f"no host memory for {ram} bytes of guest RAM")
        self._trace = self.m.trace
        self._happened = self._trace.happened
        self.ram_bytes = ram
        self.samples: CData | None = None
        """What the core writes samples into, as long as it does: see Series."""
        self.locks = _names(lambda i: lib.vmemu_lock_name(self.m.rmap, i))
        self.caches = _names(lambda i: lib.vmemu_cache_name(self.m, i))
        self.buffers: list[tuple[CData, CData]] = []
        """Of BUFFER_BYTES on the host, and views of them: whoever copies takes one out."""
        self.closed = False
        self._last_counters: dict[str, int] = {}
        # Also for machines that nobody closes; not at exit, when all goes anyway.
        self._finalizer = weakref.finalize(self, _free, lib, self.m)
        self._finalizer.atexit = False
        self._handle = ffi.new_handle(self)
        self.m.handle = self._handle
        self.page_offset = int(lib.vmemu_page_offset())
        self.base = int(ffi.cast("uintptr_t", self.m.ram)) - self.page_offset
        self.task_size = int(self.m.task_size)
        self.unmapped_base = int(self.m.unmapped_base)
        #: Bytes that one entry of the top table maps.
        self.pgdir_size = 1 << PAGE_SHIFT + (levels - 1) * lib.TABLE_BITS
        self.levels = levels
        self.layout = layout
        self.i_mmap = i_mmap
        self.cache_line = cache_line
        self.word = bits // 8
        self.mask = (1 << bits) - 1
        self._vma, self._mm = (
            ffi.typeof(f"struct {name} *") for name in ("vm_area_struct", "mm_struct")
        )
        self.on_fault: Callable[[CData, int, int], int] = lambda mm, address, access: (
            lib.FAULT_MAPERR
        )
        self.on_reclaim: Callable[[int], int] = lambda gfp: 0
        self.on_rmap: Callable[[int, CData, CData, CData, int, int], int] = lambda *asked: 0
        self.on_switch: Callable[[int], None] = lambda path: None
        self.error: BaseException | None = None
        self.broken: BaseException | None = None
        """What stopped the machine within a step, so that it cannot go on."""

    def _sizes(self, name: str, i_mmap: str) -> CData:
        """``struct kernel_layout *`` of a layout; ConfigError where its vma is too small."""
        layout, ffi = check_layout(name, self.bits, i_mmap), self.ffi
        sizes = [layout.slub, layout.common, layout.mm, layout.object, layout.object_room]
        return ffi.new("struct kernel_layout *", sizes)

    def _plugin(self) -> CData:
        """``struct rmap_plugin *`` of what is declared; NULL if nothing is."""
        declared, ffi = self.declared, self.ffi
        if declared is None:
            return ffi.NULL
        plugin = ffi.new("struct rmap_plugin *")
        plugin.vma_tail, plugin.mm_tail = declared.vma_bytes, declared.mm_bytes
        plugin.hooks = declared.hooks
        self._names = [ffi.new("char[]", cache.name.encode()) for cache in declared.caches]
        for cache, name, slot in zip(declared.caches, self._names, plugin.caches, strict=False):
            slot.name, slot.size, slot.align = name, cache.size, cache.align
        return plugin

    def close(self) -> None:
        """Give guest RAM and files back.

        What cdata was taken from it reads as zeros until the core itself goes; counters keep
        their last values.
        """
        if self.closed:
            return
        self._last_counters = self.counters()
        self.closed = True
        self.lib.vmemu_close(self.m)
        self.forget("m", "_trace", "_happened")

    # ---- guest pointers

    def kaddr(self, pointer: CData) -> int:
        """Kernel virtual address (``kptr``) of an object in guest RAM; 0 for NULL."""
        address: int = self.lib.vmemu_kaddr(self.m, pointer)
        return address

    def vma(self, kptr: int) -> vm_area_struct | Any:
        """``struct vm_area_struct *`` behind a kptr, or None for 0."""
        return self.ffi.cast(self._vma, self.base + kptr) if kptr else None

    def mm(self, kptr: int) -> mm_struct | Any:
        """``struct mm_struct *`` behind a kptr, or None for 0."""
        return self.ffi.cast(self._mm, self.base + kptr) if kptr else None

    def page(self, pfn: int) -> page:
        """``struct page *`` of a frame."""
        first: page = self.m.mem_map
        return first + pfn

    @property
    def zone(self) -> zone:
        """``struct zone *``: free pages, watermarks, LRU lists."""
        found: zone = self.m.k.zone
        return found

    @property
    def slab_caches(self) -> list[kmem_cache]:
        """Every slab cache there is under the scheme, named in `caches`."""
        found: list[kmem_cache] = [self.m.k.caches[i] for i in range(len(self.caches))]
        return found

    def swap_info(self, area: int) -> swap_info:
        """``struct swap_info *`` of a swap area by its number."""
        found: swap_info = self.m.swap.info[area]
        return found

    def list_at(self, head: CData) -> Iterator[int]:
        """The kptrs of what is on a ``struct list_head`` of guest RAM: those of the links."""
        start, at = self.kaddr(self.ffi.addressof(head)), head.next
        while at != start:
            yield at
            at = self.ffi.cast("struct list_head *", self.base + at).next

    # ---- counters and events

    def counters(self) -> dict[str, int]:
        """The counters of the core by name, but for HOST_COUNTERS."""
        if self.closed:
            return dict(self._last_counters)
        counters = dict(zip(COUNTERS, ffi.unpack(self.m.counter, len(COUNTERS)), strict=True))
        for name in HOST_COUNTERS:
            del counters[name]
        return counters

    def count(self, counter: int, n: int = 1) -> None:
        """Add to one counter (``lib.CNT_*``)."""
        self.m.counter[counter] += n

    def event(self, kind: int, a: int = 0, b: int = 0, c: int = 0) -> None:
        """Say that something happened (``lib.EV_*``): counted, and in the ring if there is one."""
        if self._trace.told >> kind & 1:
            mask = self.mask
            self.lib.vmemu_event(self.m, kind, a & mask, b & mask, c & mask)
        else:
            self._happened[kind] += 1

    def events(self, since: int = 0) -> Iterator[Event]:
        """Events from sequence number ``since`` on; for those the ring has dropped, one "dropped".

        None without a ring.
        """
        m = self.m
        first = max(since, self.events_dropped)
        if first > since:
            time = m.trace.ring[first & (m.trace.size - 1)].time
            yield Event(since, time, 0, DROPPED, first - since, 0, 0, 0)
        for seq in range(first, m.trace.head):
            yield event_of(m.trace.ring[seq & (m.trace.size - 1)])

    @property
    def events_dropped(self) -> int:
        """How many events the ring has had and no longer has."""
        return max(0, int(self.m.trace.head) - int(self.m.trace.size))

    @property
    def happened(self) -> dict[str, int]:
        """How often each event has happened, by name, with or without a ring."""
        return dict(zip(EVENTS[1:], ffi.unpack(self._happened, len(EVENTS))[1:], strict=True))

    # ---- frames

    def frame_counts(self) -> dict[str, int]:
        """How many frames serve as what (FRAME_KINDS); the kinds add up to all frames."""
        counts = ffi.new("uint32_t[]", len(FRAME_KINDS))
        self.lib.frame_kinds(self.m, counts, ffi.NULL)
        return dict(zip(FRAME_KINDS, counts, strict=True))

    def frame_kinds(self) -> bytes:
        """What each frame serves as: a byte for each, an index of FRAME_KINDS."""
        kinds = ffi.new("uint8_t[]", int(self.m.nr_frames))
        self.lib.frame_kinds(self.m, ffi.new("uint32_t[]", len(FRAME_KINDS)), kinds)
        return bytes(ffi.buffer(kinds))

    # ---- copies

    def buffer(self) -> tuple[CData, CData]:
        """One of BUFFER_BYTES and a view of it; who is done with it puts it into `buffers`."""
        if self.buffers:
            return self.buffers.pop()
        memory = ffi.new("char[]", BUFFER_BYTES)
        return memory, ffi.buffer(memory)

    # ---- inconsistencies

    def check_bug(self) -> None:
        """Raise what went wrong below: a callback's exception, a SwapIOError, or KernelBug."""
        if self.error is not None:
            error, self.error = self.error, None
            raise error
        if self.m.trouble:
            self._raise_trouble()

    def _raise_trouble(self) -> None:
        if self.m.swap.error:
            raise SwapIOError(
                "a swap file cannot be "
                + ("written: " if self.m.swap.error_write else "read: ")
                + os.strerror(self.m.swap.error).lower()
            )
        if self.m.cpu.aborted:
            raise CpuError(
                f"Unicorn gave up at code that process {self.m.pid} reached from "
                f"{self.m.regs.ip:#x}: the machine cannot go on"
            )
        if self.m.bug[0] != b"\0":
            raise KernelBug(self._describe(ffi.string(self.m.bug).decode()))

    def _describe(self, what: str) -> str:
        m = self.m
        zone = m.k.zone
        return (
            f"{what} (pid {m.pid}, scheme {ffi.string(m.rmap.name).decode()}, "
            f"fault at {m.fault.address:#x}, free {zone.free_pages}, active {zone.nr_active}, "
            f"inactive {zone.nr_inactive}, faults {m.counter[lib.CNT_pgfault]})"
        )


def default_min_free_pages(frames: int) -> int:
    """pages_min for a zone of so many frames: 2.6.6's square root, less on tiny machines.

    Models ``init_per_zone_pages_min`` (mm/page_alloc.c): sqrt(16 x kilobytes) kilobytes,
    128 to 65536; never more than a 32nd of memory, which 2.6 did not need to say.
    """
    kilobytes = int((frames * 4 * 16) ** 0.5)
    return max(8, min(max(kilobytes, 128) >> 2, frames // 32))


def core_of(bits: int) -> tuple[Any, Any]:
    """``(ffi, lib)`` of one width; ConfigError when there is none."""
    arguments.width(bits)
    if bits not in _CORES:
        module = importlib.import_module(f"vmemu._core{bits}")
        _CORES[bits] = module.ffi, module.lib
        _receive_calls(module.ffi, module.lib)
        module.lib.ram_share_store(lib.ram_store())
    return _CORES[bits]


_CORES: dict[int, tuple[Any, Any]] = {}


def most_ram(bits: int) -> int:
    """The largest RAM of a machine, in bytes."""
    return int(core_of(bits)[1].MAX_RAM_MB) << 20


def check_ram(ram: int, bits: int) -> None:
    """ConfigError unless there can be a machine of ``ram`` bytes."""
    lib = core_of(bits)[1]
    least = lib.vmemu_boot_frames(ram) + 48
    if ram >> PAGE_SHIFT < least:
        raise ConfigError(
            f"ram of {ram} bytes is too small to boot: at least {least * PAGE_SIZE} are needed"
        )
    if ram > lib.MAX_RAM_MB << 20:
        why = " (no highmem)" if bits == 32 else ""
        raise ConfigError(f"ram may be at most {lib.MAX_RAM_MB}M{why}, not {ram}")


def check_levels(levels: int, bits: int) -> None:
    """ConfigError unless page tables of a width can have so many levels."""
    lib = core_of(bits)[1]
    if not lib.DEFAULT_LEVELS <= levels <= lib.MAX_LEVELS:
        raise ConfigError(
            f"page tables of {levels} levels: {bits} bits have " + ("2" if bits == 32 else "3 or 4")
        )


def check_i_mmap(name: str) -> None:
    """ConfigError unless a file's areas can be kept in what is called so."""
    if name not in I_MMAPS:
        raise ConfigError(f"there is no i_mmap {name!r}: choose one of {', '.join(I_MMAPS)}")


def check_layout(name: str, bits: int, i_mmap: str = I_MMAP) -> layouts.Layout:
    """The layout called ``name``; ConfigError for none, and where its vma is too small."""
    layout = layouts.find_layout(name, bits)
    ffi, lib = core_of(bits)
    own = ffi.sizeof("struct vm_area_struct") + lib.find_i_mmap(i_mmap.encode()).vma_bytes
    if layout.vma and layout.common < own:
        raise ConfigError(
            f"layout {name} has a vm_area_struct of {layout.vma} bytes, in which there is no "
            f"room for the {own + layout.vma_rmap} that the areas of this kernel need"
        )
    return layout


def _free(lib: Any, m: CData) -> None:
    lib.cpu_exit(m)
    lib.vmemu_close(m)
    lib.vmemu_free(m)


def _of(m: CData) -> Core:
    core: Core = ffi.from_handle(m.handle)
    return core


def _fault_failed(kind: Any, error: BaseException, trace: Any) -> int:
    _keep(trace, error)
    failed: int = lib.FAULT_OOM
    return failed


def _failed(kind: Any, error: BaseException, trace: Any) -> int:
    _keep(trace, error)
    return 0


def _keep(trace: Any, error: BaseException) -> None:
    core = _of(trace.tb_frame.f_locals["m"])
    if core.error is None:
        core.error = error


def _py_fault(m: CData, mm: CData, address: int, access: int) -> int:
    return _of(m).on_fault(mm, address, access)


def _py_reclaim(m: CData, gfp: int) -> int:
    return _of(m).on_reclaim(gfp)


def _py_rmap(
    m: CData, call: int, page: CData, vma: CData, mm: CData, address: int, other: int
) -> int:
    return _of(m).on_rmap(call, page, vma, mm, address, other)


def _py_switch(m: CData, path: int) -> int:
    _of(m).on_switch(path)
    return 0


def _receive_calls(ffi: Any, lib: Any) -> None:
    """Connect the core's ways back to the functions above."""
    for function, failed in (
        (_py_fault, _fault_failed),
        (_py_reclaim, _failed),
        (_py_rmap, _failed),
        (_py_switch, _failed),
    ):
        ffi.def_extern(name=function.__name__[1:], onerror=failed)(function)
    lib.vmemu_set_entries(lib.py_fault, lib.py_reclaim, lib.py_rmap, lib.py_switch)
