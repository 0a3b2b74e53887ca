"""What a run writes to lies close together in the process that it is forked from.

CPython counts references in the objects themselves, so that a run writes to nearly everything
it uses; and the first write to a page copies it.
"""

from __future__ import annotations

import ctypes
import gc
import sys
from collections.abc import Callable
from types import CodeType, FunctionType
from typing import Any

__all__ = ["fill_holes", "gather_code"]

_SMALL, _STEP = 512, 16
"""Bytes: what obmalloc gives at most, and its classes' distance."""
_POOL, _POOL_HEAD = 1 << 14, 48
"""Bytes of a pool of obmalloc's, and of what is before its first block."""
_TRIED = 1 << 20
"""Bytes of a class within which obmalloc, if there is one, gives a whole pool."""
_LARGEST = 60_000
"""Bytes of a hole that is looked for at first; less than what malloc() maps by itself."""


def gather_code(run: Callable[[], object]) -> None:
    """The code of what ``run`` calls is made anew, in the order in which it is first called.

    The functions stay who they are.
    """
    called: dict[int, CodeType] = {}

    def see(frame: Any, event: str, _: object) -> None:
        if event == "call":
            called.setdefault(id(frame.f_code), frame.f_code)

    before = sys.getprofile()
    sys.setprofile(see)
    try:
        run()
    finally:
        sys.setprofile(before)
    functions: dict[int, list[FunctionType]] = {}
    for found in gc.get_objects():
        if type(found) is FunctionType and id(found.__code__) in called:
            functions.setdefault(id(found.__code__), []).append(found)
    copies: dict[int, CodeType] = {}

    def copy(code: CodeType) -> CodeType:
        if id(code) not in copies:
            inner = tuple(copy(c) if id(c) in called else c for c in code.co_consts)
            copies[id(code)] = code.replace(co_consts=inner)
        return copies[id(code)]

    for code in called.values():
        for function in functions.get(id(code), ()):
            function.__code__ = copy(code)


def fill_holes() -> None:
    """Take what is free between what is in use, so that new memory comes from one place."""
    _fill_heap()
    _fill_pools()


class _Mallinfo(ctypes.Structure):
    """glibc's struct mallinfo2."""

    _fields_ = [
        *((name, ctypes.c_size_t) for name in ("arena", "ordblks", "smblks", "hblks", "hblkhd")),
        *((name, ctypes.c_size_t) for name in ("usmblks", "fsmblks", "uordblks", "fordblks")),
        ("keepcost", ctypes.c_size_t),
    ]


def _fill_heap() -> None:
    """malloc()'s."""
    libc = ctypes.CDLL(None)
    try:
        mallinfo, sbrk = libc.mallinfo2, libc.sbrk
    except AttributeError:  # no glibc of 2021 or later
        return
    malloc, free = libc.malloc, libc.free
    mallinfo.restype, sbrk.restype, malloc.restype = _Mallinfo, ctypes.c_size_t, ctypes.c_size_t
    malloc.argtypes, free.argtypes = [ctypes.c_size_t], [ctypes.c_size_t]
    info = mallinfo()
    end = sbrk(0) - info.keepcost
    start = end + info.keepcost - info.arena
    size = _LARGEST
    while size > _STEP:
        while start <= (block := malloc(size)) < end:
            pass
        free(block)
        size = size - _STEP if size <= 2 * _SMALL else max(2 * _SMALL, size - size // 8)


def _fill_pools() -> None:
    """obmalloc's, for each of its classes."""
    malloc, free = ctypes.pythonapi.PyObject_Malloc, ctypes.pythonapi.PyObject_Free
    malloc.restype, free.restype = ctypes.c_size_t, None
    malloc.argtypes, free.argtypes = [ctypes.c_size_t], [ctypes.c_size_t]
    for size in range(_STEP, _SMALL + 1, _STEP):
        of_pool: dict[int, list[int]] = {}
        for _ in range(_TRIED // size):
            block = malloc(size)
            blocks = of_pool.setdefault(block // _POOL, [])
            blocks.append(block)
            if len(blocks) == (_POOL - _POOL_HEAD) // size:  # nobody else has a part of it
                break
        else:  # it is another allocator
            blocks = [block for some in of_pool.values() for block in some]
        for block in blocks:
            free(block)
