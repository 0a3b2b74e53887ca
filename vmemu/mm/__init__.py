"""Address spaces: areas, faults, and the memory system calls."""

from vmemu.mm.fork import dup_mmap
from vmemu.mm.fremap import do_remap_file_pages
from vmemu.mm.madvise import do_madvise, do_mincore
from vmemu.mm.manager import MemoryManager
from vmemu.mm.maps import area_line, proc_maps
from vmemu.mm.mlock import do_mlock, do_mlockall, do_munlock, do_munlockall
from vmemu.mm.mm import Mm, Rlimits
from vmemu.mm.mmap import (
    do_brk,
    do_mmap,
    do_munmap,
    get_unmapped_area,
    setup_stack,
    sys_brk,
)
from vmemu.mm.mprotect import do_mprotect
from vmemu.mm.mremap import do_mremap
from vmemu.mm.msync import do_msync

__all__ = [
    "MemoryManager",
    "Mm",
    "Rlimits",
    "area_line",
    "do_brk",
    "do_madvise",
    "do_mincore",
    "do_mlock",
    "do_mlockall",
    "do_mmap",
    "do_mprotect",
    "do_mremap",
    "do_msync",
    "do_munlock",
    "do_munlockall",
    "do_munmap",
    "do_remap_file_pages",
    "dup_mmap",
    "get_unmapped_area",
    "proc_maps",
    "setup_stack",
    "sys_brk",
]
