"""What a scheme in Python declares: its objects, its bytes behind vmas and mms, its hooks."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple, TypeAlias

from vmemu.core import COUNTERS, lib
from vmemu.errors import ConfigError

__all__ = ["Cache", "Declared", "Object", "Size", "Words", "caches_of", "tail_of"]

MOST_OBJECT = 2048
"""Bytes of an object: some fit into a frame, whatever else stands there."""
MOST_TAIL = 1024
"""Bytes behind a vma or an mm."""
SHARED_CACHES = ("vm_area_struct", "mm_struct", "address_space", "radix_tree_node")
CHARGED = tuple(name for name in COUNTERS if name.startswith(("rmap_", "unmap_", "referenced_")))
"""Counters that a scheme may add to."""


class Words(NamedTuple):
    """So many words of the machine, each as large as a pointer, and ``more`` bytes."""

    words: int
    more: int = 0


Size: TypeAlias = int | Words
"""Bytes, the same in both widths; or words."""


class Object(NamedTuple):
    """What a slab cache holds; ``align`` in bytes, 0: to words."""

    size: Size
    align: int = 0


class Cache(NamedTuple):
    """A slab cache of a machine, in bytes."""

    name: str
    size: int
    align: int


class Declared(NamedTuple):
    """Of one scheme in machines of one width; sizes in bytes, ``hooks`` as ``enum rmap_call``."""

    vma_bytes: int
    mm_bytes: int
    caches: tuple[Cache, ...]
    hooks: int


def _bytes(what: str, size: object, bits: int, least: int, most: int) -> int:
    """ConfigError unless it is a size."""
    n: object = size
    if isinstance(size, Words) and all(type(each) is int for each in size):
        n = size.words * bits // 8 + size.more
    if type(n) is not int:
        raise ConfigError(f"{what} must be a number of bytes or Words(n), not {size!r}")
    if not least <= n <= most:
        raise ConfigError(f"{what} must be {least} to {most} bytes, not {n}")
    return n


def tail_of(scheme: str, which: str, size: object, bits: int) -> int:
    """The bytes that ``size`` stands for, behind each struct of a kind."""
    return _bytes(f"{which} of the rmap scheme {scheme!r}", size, bits, 0, MOST_TAIL)


def caches_of(scheme: str, objects: object, bits: int) -> tuple[Cache, ...]:
    """The slab caches that ``objects`` stand for."""
    whose = f"of the rmap scheme {scheme!r}"
    if not isinstance(objects, Mapping):
        raise ConfigError(f"objects {whose} must be sizes by name, not {objects!r}")
    if len(objects) > lib.MAX_RMAP_CACHES:
        raise ConfigError(
            f"objects {whose}: there are {len(objects)}, and at most {lib.MAX_RMAP_CACHES} may be"
        )
    return tuple(_cache(whose, name, value, bits) for name, value in objects.items())


def _cache(whose: str, name: object, value: object, bits: int) -> Cache:
    if not (isinstance(name, str) and re.fullmatch(r"[A-Za-z_]\w{0,19}", name, re.ASCII)):
        raise ConfigError(
            f"an object {whose} must have a name of at most 20 letters, digits and _, not {name!r}"
        )
    if name in SHARED_CACHES:
        raise ConfigError(f"the object {name!r} {whose} has the name of one of the kernel's")
    what = f"the object {name!r} {whose}"
    size, align = value if isinstance(value, Object) else (value, 0)
    n = _bytes(f"the size of {what}", size, bits, 1, MOST_OBJECT)
    if type(align) is not int or align not in (0, 4, 8, 16, 32, 64, 128):
        raise ConfigError(
            f"the alignment of {what} must be 4, 8, 16, 32, 64 or 128 bytes, or 0, not {align!r}"
        )
    return Cache(name, n, align or bits // 8)  # 0 is another thing to the core
