"""The areas that map a file: in a walk's order, and link by link for machine.check().

What they are kept in is the machine's choice, ``Machine(i_mmap=...)``; csrc/file/i_mmap.h says
what each is.  Here each is read from guest RAM by its own rules, without the core's functions.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from vmemu.core import PAGE_SHIFT, Core, lib
from vmemu.errors import KernelBug

__all__ = ["Kept", "areas_of", "kept"]


class Kept(NamedTuple):
    """What a file has been found to have: ``struct vm_area_struct *`` each, and what is wrong."""

    linear: list[Any]
    nonlinear: list[Any]
    problems: list[str]


def areas_of(core: Core, mapping: Any) -> list[int]:
    """kptrs of the areas of a file, linear ones in the order of a walk, then nonlinear ones.

    ``mapping``: ``struct address_space *``.
    """
    room = core.lib.i_mmap_areas(core.m, mapping, core.ffi.NULL, 0)
    out = core.ffi.new("kptr[]", room)
    core.lib.i_mmap_areas(core.m, mapping, out, room)
    return list(out)


def kept(core: Core, mapping: Any) -> Kept:
    """Read what a file's areas are kept in, link by link; KernelBug where a list is broken."""
    reader = _Reader(core, mapping)
    linear = list(_READERS[core.i_mmap](reader))
    nonlinear = list(reader.on_list(mapping.i_mmap_nonlinear))
    for vma in linear:
        if vma.vm_flags & lib.VM_NONLINEAR:
            reader.wrong(vma, "is nonlinear, and among the linear ones")
    for vma in nonlinear:
        if not vma.vm_flags & lib.VM_NONLINEAR:
            reader.wrong(vma, "is linear, and among the nonlinear ones")
    return Kept(linear, nonlinear, reader.problems)


class _Reader:
    """One file, of a machine."""

    def __init__(self, core: Core, mapping: Any) -> None:
        self.core, self.mapping = core, mapping
        self.problems: list[str] = []
        self._node = int(core.m.i_mmap_node)

    def wrong(self, vma: Any, what: str) -> None:
        self.problems.append(f"area {vma.vm_start:#x}-{vma.vm_end:#x} {what}")

    def cast(self, kind: str, kptr: int) -> Any:
        return self.core.ffi.cast(f"{kind} *", self.core.base + kptr)

    def node(self, kind: str, vma: int) -> Any:
        """What an area has for it."""
        return self.cast(kind, vma + self._node)

    def interval(self, vma: Any) -> tuple[int, int]:
        """The first and the last page of the file that an area maps."""
        return vma.vm_pgoff, vma.vm_pgoff + (vma.vm_end - vma.vm_start >> PAGE_SHIFT) - 1

    def on_list(self, head: Any) -> Iterator[Any]:
        """Areas on a ``struct list_head``."""
        start = self.core.kaddr(self.core.ffi.addressof(head))
        previous, at = start, int(head.next)
        limit = int(self.core.m.nr_frames) * 64
        while at != start:
            node, limit = self.cast("struct list_head", at), limit - 1
            if node.prev != previous or limit < 0:
                raise KernelBug(f"the list of a file's areas at {start:#x} is broken at {at:#x}")
            yield self.core.vma(at - self._node)
            previous, at = at, int(node.next)


# ---- list


def _lists(reader: _Reader) -> Iterator[Any]:
    """2.6.6's i_mmap and i_mmap_shared."""
    behind = reader.core.ffi.cast("struct list_head *", reader.mapping + 1)[0]
    for head, shared in ((reader.mapping.i_mmap.list, False), (behind, True)):
        for vma in reader.on_list(head):
            if bool(vma.vm_flags & lib.VM_SHARED) != shared:
                reader.wrong(vma, "is on the wrong one of two lists")
            yield vma


# ---- prio_tree


def _prio_tree(reader: _Reader) -> Iterator[Any]:
    root = reader.mapping.i_mmap.prio_tree
    if root.node:
        top = reader.core.vma(root.node)
        if reader.interval(top)[1] >> root.index_bits:
            reader.wrong(top, f"ends behind what {root.index_bits} bits can tell")
        yield from _prio_below(reader, int(root.node), int(root.node), 0, 0, 0)


def _prio_below(
    reader: _Reader, kptr: int, parent: int, depth: int, radix: int, size: int
) -> Iterator[Any]:
    """Areas from one in the tree down; ``radix`` and ``size``: the bits that the way to it has."""
    root, core = reader.mapping.i_mmap.prio_tree, reader.core
    node, vma = reader.node("struct prio_tree_node", kptr), core.vma(kptr)
    first, last = reader.interval(vma)
    bits = int(root.index_bits)
    if node.parent != parent:
        reader.wrong(vma, "has another parent than the one that it is below")
    above_first, above_last = reader.interval(core.vma(parent))
    if kptr != parent and (last, -first) >= (above_last, -above_first):
        reader.wrong(vma, "should be above the one that it is below")
    seen = min(depth, bits)
    if first >> bits - seen != radix or (last - first) >> core.bits - (depth - seen) != size:
        reader.wrong(vma, "is where its offset does not lead")
    yield vma
    yield from _vm_set(reader, kptr, node, vma)
    for side, below in enumerate((int(node.left), int(node.right))):
        if not below:
            continue
        if depth < bits:
            yield from _prio_below(reader, below, kptr, depth + 1, radix << 1 | side, size)
        else:
            yield from _prio_below(reader, below, kptr, depth + 1, radix, size << 1 | side)


def _vm_set(reader: _Reader, kptr: int, node: Any, vma: Any) -> Iterator[Any]:
    """The other areas of the same range."""
    if not node.head:
        return
    first = int(node.head)
    if reader.node("struct prio_tree_node", first).head != kptr:
        reader.wrong(vma, "has a vm_set that does not lead back to it")
    link = reader.node("struct list_head", first)[0]
    members = [reader.core.vma(first), *reader.on_list(link)]
    for member in members:
        own = reader.node("struct prio_tree_node", reader.core.kaddr(member))
        if own.parent or (own.head and member is not members[0]):
            reader.wrong(member, "is in a vm_set, and says that it is in the tree")
        if reader.interval(member) != reader.interval(vma):
            reader.wrong(member, "is in the vm_set of another range")
        yield member


# ---- interval_tree


def _interval_tree(reader: _Reader) -> Iterator[Any]:
    root = int(reader.mapping.i_mmap.interval_tree)
    if not root:
        return
    if not reader.node("struct interval_node", root).rb_parent & 1:
        reader.wrong(reader.core.vma(root), "is the tree's root, and red")
    areas: list[Any] = []
    _interval_below(reader, root, 0, areas)
    starts = [area.vm_pgoff for area in areas]
    if starts != sorted(starts):
        reader.problems.append("areas are not in the order of their offsets")
    yield from areas


def _interval_below(reader: _Reader, kptr: int, parent: int, areas: list[Any]) -> tuple[int, int]:
    """Adds the areas below in their order; the largest last page there, and the black nodes."""
    if not kptr:
        return -1, 0
    node, vma = reader.node("struct interval_node", kptr), reader.core.vma(kptr)
    black = node.rb_parent & 1
    left = _interval_below(reader, int(node.rb_left), kptr, areas)
    areas.append(vma)
    right = _interval_below(reader, int(node.rb_right), kptr, areas)
    if node.rb_parent & ~1 != parent:
        reader.wrong(vma, "has another parent than the one that it is below")
    elif parent and not black and not reader.node("struct interval_node", parent).rb_parent & 1:
        reader.wrong(vma, "is red below a red one")
    if left[1] != right[1]:
        reader.wrong(vma, "has more black ones on one side")
    last = max(left[0], right[0], reader.interval(vma)[1])
    if node.rb_subtree_last != last:
        reader.wrong(vma, f"says that those below end at {node.rb_subtree_last}, not {last}")
    return last, left[1] + black


_READERS = {"list": _lists, "prio_tree": _prio_tree, "interval_tree": _interval_tree}
