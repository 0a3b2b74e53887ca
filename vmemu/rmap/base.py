"""What a reverse map decides in Python: the lifecycle of its objects.

One subclass per scheme, with one C walker (``struct rmap_ops``) of the same name behind
it.  Memory management calls these hooks and knows nothing else of the scheme.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from vmemu.core import lib

if TYPE_CHECKING:
    from vmemu.check import Survey
    from vmemu.core import Core
    from vmemu.rmap.declared import Declared
    from vmemu.typed import mm_struct, page, vm_area_struct

__all__ = ["STOP_RULES", "Node", "RmapScheme"]

STOP_RULES = ("mapcount", "exclusive", "owners", "none")
"""What says that a walk has found all (``enum stop_rule``): see docs/schemes.md."""


class Node(NamedTuple):
    """One of a scheme's objects, for the drawing of ``vmemu who``; see `RmapScheme.drawing`.

    ``fields`` are names and values, numbers as they are to be read.  ``edges`` are names of
    pointers ("" is drawn as well) and kptrs: of another node, an mm, a vma or a pte; 0 leads
    nowhere and is not drawn.
    """

    kind: str
    kptr: int
    label: str = ""
    fields: tuple[tuple[str, int | str], ...] = ()
    edges: tuple[tuple[str, int], ...] = ()


class RmapScheme:
    """A scheme without any state: every hook does nothing, everything may merge.

    All ``vma`` are ``struct vm_area_struct *``, all ``mm`` ``struct mm_struct *``.  Hooks
    that allocate return False when memory ran out.  What fork and exit do to each vma is in
    the C walker (``vma_dup``, ``vma_free`` of ``struct rmap_ops``), and so is what exec, fork
    and exit do to an mm, unless the class says otherwise.
    """

    #: What ``--rmap`` calls it.
    name: ClassVar[str] = "none"
    #: The C walker, a name of ``struct rmap_ops``.
    walker: ClassVar[str] = "none"
    #: One line for ``vmemu list``.
    summary: ClassVar[str] = "no reverse map: anonymous pages cannot be swapped (rmap 38)"
    #: Whether anonymous areas merge only when their offsets continue each other.
    anon_pgoff_matters: ClassVar[bool] = False
    #: Whether its walks find every mapping of an anonymous page.
    finds_anon: ClassVar[bool] = False
    #: Whether reclaim takes ptes as it meets them, instead of walks that find a page's.
    sweeps: ClassVar[bool] = False
    #: Counters that tell what its reclaim did, for ``vmemu compare``: of the lab's action.
    counters: ClassVar[tuple[str, ...]] = ()
    #: Those that tell what followed: over the whole run, as `vmemu.lab.scenario.Scenario.watch`.
    watch: ClassVar[tuple[str, ...]] = ()
    #: Whether an anonymous page's index says where it is mapped.
    uses_index: ClassVar[bool] = True
    #: Whether they look for a page that mremap has moved where it came from, too.
    looks_back: ClassVar[bool] = False
    #: The slab caches of the scheme's own objects.
    caches: ClassVar[tuple[str, ...]] = ()
    #: What ``--rmap NAME:OPTION=VALUE`` may choose: values by option, the first the default.
    options: ClassVar[Mapping[str, tuple[str, ...]]] = {}
    #: What was chosen.
    chosen: ClassVar[Mapping[str, str]] = {}
    #: Whether ``vmemu compare`` and ``overhead`` run it when nothing is asked for.
    compared: ClassVar[bool] = False
    #: Whose formulas of the scenarios hold for it, if it has none of its own; "" = nobody's.
    predicted_as: ClassVar[str] = ""
    #: Formulas of its own: by scenario and figure, and why, as `vmemu.lab.scenario.expect` has.
    predictions: ClassVar[Mapping[str, Mapping[str, tuple[str, str]]]] = {}
    #: Of its bars in reports; "" = any.
    color: ClassVar[str] = ""

    def __init__(self, core: Core) -> None:
        self.core = core
        self._lib, self._ffi = core.lib, core.ffi

    def mm_init(self, mm: mm_struct) -> bool:
        """exec made a fresh mm."""
        return bool(self._lib.rmap_mm_init(self.core.m, mm) == 0)

    def mm_dup(self, child: mm_struct, parent: mm_struct) -> bool:
        """fork made ``child``; it has no vmas yet."""
        return bool(self._lib.rmap_mm_dup(self.core.m, child, parent) == 0)

    def mm_exit(self, mm: mm_struct) -> None:
        """The mm has lost its vmas and dies."""
        self._lib.rmap_mm_exit(self.core.m, mm)

    def prepare(self, mm: mm_struct, vma: vm_area_struct) -> bool:
        """``vma`` is about to get an anonymous page."""
        return True

    @classmethod
    def mark_figures(cls) -> tuple[str, ...]:
        """Figures that `at_mark` gives, for formulas."""
        return ()

    def at_mark(self) -> Mapping[str, int]:
        """What it tells of itself at a scenario's mark, before the lab acts."""
        return {}

    @classmethod
    def swaps(cls) -> bool:
        """Whether anonymous pages can be swapped under it."""
        return cls.finds_anon or cls.sweeps

    @classmethod
    def all_options(cls) -> Mapping[str, tuple[str, ...]]:
        """`options`, and that of every scheme whose walks find pages: what ends a walk."""
        return {**cls.options, "stop": STOP_RULES} if cls.finds_anon else cls.options

    @classmethod
    def option_values(cls) -> dict[str, int | str]:
        """What was chosen, by the option's name in capitals, for formulas; numbers as such."""
        values = {name: cls.chosen.get(name, may[0]) for name, may in cls.all_options().items()}
        return {
            name.upper(): int(value) if value.isdecimal() else value
            for name, value in values.items()
        }

    @classmethod
    def option_numbers(cls) -> list[int]:
        """What the C core is told: `own_numbers`, and what ends a walk."""
        own = cls.own_numbers()
        room = [0] * (lib.OPTION_stop - len(own))
        return [*own, *room, STOP_RULES.index(cls.chosen.get("stop", STOP_RULES[0]))]

    @classmethod
    def own_numbers(cls) -> list[int]:
        """Which choice of each of `options` it has; at most OPTION_stop of them."""
        return [
            values.index(cls.chosen.get(name, values[0])) for name, values in cls.options.items()
        ]

    @classmethod
    def formulas_of(cls, scenario: str) -> Mapping[str, tuple[str, str]]:
        """Its own formulas for a scenario, as it was chosen: `predictions`."""
        return cls.predictions.get(scenario, {})

    @classmethod
    def hears(cls, hook: str) -> bool:
        """Whether a hook, of the class or of the C walker, does anything."""
        return True

    @classmethod
    def declared(cls, bits: int) -> Declared | None:
        """What the C walker cannot know of a plug-in; None for a scheme of the core."""
        return None

    def vma_clone(self, new: vm_area_struct, old: vm_area_struct) -> bool:
        """``new``, in no tree yet, is to be a part of ``old``, or ``old`` moved by mremap.

        Here is the time for what may fail: False, and the call fails with ENOMEM.  Nothing
        has changed in ``old``.
        """
        return True

    def vma_split(self, new: vm_area_struct, old: vm_area_struct) -> None:
        """``new`` is a copy of ``old`` in the same mm, moved by mremap.

        For a part that is cut off, the C walker's ``vma_split`` is called instead, with the
        locks of ``vma_adjust`` held.
        """

    def area_moves(self, mm: mm_struct, old: int, length: int, new: int, new_length: int) -> bool:
        """mremap is about to move ptes from ``old`` to ``new``, where the area may be longer.

        The new area is there; False fails the call with ENOMEM, before anything has moved.
        """
        return True

    def vma_absorb(self, into: vm_area_struct, other: vm_area_struct) -> bool:
        """``into`` is to take over pages of its neighbour ``other``, all or some.

        False: there is no memory for what that needs, and they stay apart.
        """
        return True

    def vma_merge(self, into: vm_area_struct, other: vm_area_struct) -> bool:
        """``into`` is to take over all pages of its neighbour ``other``, which then goes."""
        return self.vma_absorb(into, other)

    def vma_free(self, vma: vm_area_struct) -> None:
        """``vma`` has no pages any more and goes."""

    def can_merge(self, vma: vm_area_struct, other: vm_area_struct | None) -> bool:
        """Pages of ``other`` (None: it has none) may live in ``vma``."""
        return True

    def has_anon(self, vma: vm_area_struct) -> bool:
        """``vma``'s offset must stay as it is, since pages depend on it."""
        return True

    def object_of(self, vma: vm_area_struct) -> int:
        """kptr of the object that finds ``vma``'s pages, if it is the area's own; else 0."""
        return 0

    def mm_fields(self, mm: mm_struct) -> Mapping[str, int]:
        """kptrs of what the scheme has in ``mm`` and paths may meet at, by name."""
        return {}

    def vma_fields(self, vma: vm_area_struct) -> Mapping[str, int]:
        """The same of ``vma``."""
        return {}

    def drawing(self, page: page) -> Sequence[Node]:
        """The objects between an anonymous page that is mapped and whoever maps it.

        In the order in which a walk comes to them, the first being what the page points at;
        they are drawn one below the other.  Nothing may change.  Without any, the page leads
        to the candidates of the walk itself.  A scheme with one object for a page, which lists
        areas, would say::

            areas = [("", core.kaddr(vma)) for vma in self.listed(page.mapping)]
            return [Node("anon_vma", page.mapping, "", (("vmas", len(areas)),), tuple(areas))]

        One with several gives each its own Node, with an edge to the next and one to what it
        stands for: an mm (anonmm), an area (anon_vma_chain) or ptes (pte_chain).
        """
        return ()

    def check(self, survey: Survey) -> None:
        """Hold the scheme's objects against the page tables; problems go to ``survey``."""
