"""pte_chain, Rik van Riel 2002: every page lists its ptes (csrc/rmap/pte_chain.c does it all)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from vmemu.core import lib
from vmemu.rmap.base import Node, RmapScheme

if TYPE_CHECKING:
    from vmemu.check import Mapping as At
    from vmemu.check import Survey

__all__ = ["SCHEMES", "PteChain"]


NRPTE = "(LINE * 8 // BITS - 1)"  # slots: a line less the word that leads to the next
STACK = "the stack's page stays in its list when the others have copied it"
PROGRAM = "and those of the program's pages"
BOTH = "the program's page of code and that of constants, which all processes map"
EXACT = ("0", "nothing but ptes of the page is looked at")
NO_CHAIN = {"objects_pte_chain": ("0", "each page is mapped once")}


def _lists(pages: str, mapped: str) -> str:
    """pte_chains of so many pages that so many ptes map."""
    return f"{pages} * -(-({mapped}) // {NRPTE})"


PREDICTIONS: dict[str, dict[str, tuple[str, str]]] = {
    "private-pages": NO_CHAIN,
    "zero-page": NO_CHAIN,
    "swap-storm": NO_CHAIN,
    "overhead": NO_CHAIN,
    "fork-server": {
        "unmap_probes": ("R * N", "a child's own copy has one pte"),
        "rmap_locks": ("0", "page_map_lock guards the list"),
        "page_map_locks": ("2 * R * N", "one for each walk"),
        "objects_pte_chain": ("R + 1", f"the parent's pages keep a list of one; {STACK}"),
    },
    "fork-readers": {
        "objects_pte_chain": (_lists("R", "N + 1") + " + 1", f"all N + 1 share R pages; {STACK}")
    },
    "late-subfamily": {
        "unmap_probes": ("R * (GRAND + 1)", "two ptes, or one"),
        "objects_pte_chain": (
            "R * GRAND + 1 + GRAND * (N > 1)",
            f"R pages with two ptes; {STACK}; child 1 with no brother has the root's",
        ),
    },
    "orphans": {
        "referenced_cmp": EXACT,
        "rmap_migrated": ("0", "a page belongs to nobody"),
        "objects_pte_chain": (
            _lists("R", "N") + " + 2",
            f"N children share R pages; {STACK}, in two generations",
        ),
    },
    "fork-chain": {
        "referenced_cmp": EXACT,
        "rmap_migrated": ("0", "a page belongs to nobody"),
        "objects_pte_chain": (
            "G + (G > 1)",
            "all pages but the last were shared once; so were the first and the last stack",
        ),
    },
    # No pte_chains of fork-depth and exec-family: how many there are of stack pages depends on
    # who writes to his stack first, which the compiler decides.
    "fork-depth": {
        "unmap_probes": ("R * (1 if WRITE else D + 1)", "the ptes that there are"),
        "unmap_cmp": EXACT,
    },
    "fork-bench": {
        "unmap_probes": ("R * 2**LEVEL", "the ptes that there are"),
        "unmap_cmp": EXACT,
        "objects_pte_chain": (_lists("R", "2**LEVEL") + " + 1", f"all share R pages; {STACK}"),
    },
    "exec-family": {
        "unmap_probes": ("R * N", "nobody shares anything"),
        "unmap_cmp": EXACT,
    },
    "zygote": {
        "unmap_probes": ("N * V", "each page is its maker's"),
        "unmap_cmp": EXACT,
        "rmap_locks": ("0", "page_map_lock guards the list"),
        "objects_pte_chain": (_lists("R", "N + 1") + " + 1", f"all share the heap; {STACK}"),
    },
    "process-tree": {
        "unmap_probes": ("mappings", "the ptes that there are"),
        "unmap_cmp": EXACT,
    },
    "hole": {
        "unmap_probes": ("2 * R * (N + 1)", "the ptes that there are"),
        "unmap_cmp": EXACT,
        "objects_pte_chain": (
            _lists("2 * R", "N + 1") + " + " + _lists("R", "N") + " + 1",
            f"the parent has lost a third of the pages, its children none; {STACK}",
        ),
    },
    "merge-order": {
        "unmap_probes": ("R", "areas are not looked at"),
        "unmap_cmp": EXACT,
        "vmas": ("1", "no offset matters"),
        "objects_pte_chain": ("R + 1", f"the parent's pages keep a list of one; {STACK}"),
    },
    "fork-brk": {"objects_pte_chain": ("R + 1", f"the parent keeps a list of one; {STACK}")},
    "mremap-exclusive": {
        "rmap_index_rewrites": ("0", "the pte in the list is rewritten, no index"),
        **NO_CHAIN,
    },
    "mremap-shared": {
        "copies": ("0", "the pte in the list is rewritten"),
        "unmap_probes": ("2 * R", "both ptes"),
        "objects_pte_chain": ("R + 1", f"two ptes each; {STACK}"),
    },
    "mremap-then-fork": {"objects_pte_chain": ("R + 1", f"two ptes each; {STACK}")},
    "mremap-swapclash": {
        "copies": ("0", "a page may be at two addresses"),
        "objects_pte_chain": ("R + 1", f"the second to read makes the list; {STACK}"),
    },
    "mremap-data": {
        "copies": ("0", "the pte in the list is rewritten"),
        "unmap_probes": ("32", "both ptes of 16 pages"),
        "objects_pte_chain": ("17", f"two ptes each; {STACK}"),
    },
    "merge-arena": {"vmas": ("1", "no offset matters"), **NO_CHAIN},
    "efault": {"errno": ("0", "the areas have merged"), "vmas": ("1", ""), **NO_CHAIN},
    "mprotect-halves": {"vmas": ("1", "nothing keeps areas apart"), **NO_CHAIN},
    "mprotect-stripes": {"vmas": ("1", "nothing keeps areas apart"), **NO_CHAIN},
    "mprotect-checkerboard": {"vmas": ("1", "nothing keeps areas apart"), **NO_CHAIN},
    "cut-vma": {"unmap_cmp": EXACT, **NO_CHAIN},
    "cut-vma-fork": {
        "unmap_probes": (
            "(K + 1) // 2 + K // 2 * (N + 1)",
            "every second page is shared by all, the others are the parent's alone",
        ),
        "unmap_cmp": EXACT,
        "objects_pte_chain": (
            "(K + 1) // 2 + " + _lists("K // 2", "N + 1") + " + 1",
            f"the parent's pages keep a list of one; {STACK}",
        ),
    },
    "vm-flags-locking": {"unmap_cmp": EXACT, **NO_CHAIN},
}


def _shared(mapped: str) -> dict[str, tuple[str, str]]:
    """Lists of the two pages of a small program that so many processes have used."""
    return {"file_chains": (_lists("2", mapped), BOTH)}


def _windows(windows: str, tasks: str) -> dict[str, tuple[str, str]]:
    return {
        **_NO_AREAS,
        "file_chains": (
            f"({tasks} > 1) * " + _lists(f"({windows} + 2)", tasks),
            f"a list for each page, and for {BOTH}",
        ),
    }


_NO_AREAS = {
    "file_unmap_cmp": EXACT,
    "file_referenced_cmp": EXACT,
    "i_mmap_nodes": ("0", "no area is looked for"),
}
FILES_TOO: dict[str, dict[str, tuple[str, str]]] = {
    # None of the others: which of the two pages a parent has used before it forks, or a child
    # at all, the compiler decides.
    **dict.fromkeys(("fork-server", "fork-readers", "zygote"), _shared("N + 1")),
    **dict.fromkeys(("hole", "merge-order", "cut-vma-fork"), _shared("N + 1")),
    "late-subfamily": _shared("N + GRAND + 1"),
    "orphans": _shared("N + 1"),
    "fork-bench": _shared("2**LEVEL"),
    "windows": _windows("W * S", "1"),
    "windows-tasks": _windows("W * S", "T"),
    "windows-fork": _windows("W", "(FORKS + 1)"),
    "nonlinear": {
        **{f"file_{walk}_pages": ("1", "it goes at once") for walk in ("unmap", "referenced")},
        **{f"file_{walk}_probes": ("1", "its only pte") for walk in ("unmap", "referenced")},
        **{
            f"nonlinear_{what}": ("0", "no area is swept")
            for what in ("clusters", "ptes", "unmapped", "collateral")
        },
    },
}
"""What is different where pages of files have lists."""


class PteChain(RmapScheme):
    """Nothing for a page mapped once, a cache line for some more ptes; no merge restriction."""

    name: ClassVar[str] = "pte_chain"
    walker: ClassVar[str] = "pte_chain"
    finds_anon: ClassVar[bool] = True
    uses_index: ClassVar[bool] = False
    summary: ClassVar[str] = "Rik van Riel: each page lists its ptes (2.5.27 to 2.6.6)"
    caches: ClassVar[tuple[str, ...]] = ("pte_chain",)
    options: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "line": ("128", "64", "32"),
        "files": ("chains", "areas"),
    }
    predicted_as: ClassVar[str] = "pte_chain"
    watch: ClassVar[tuple[str, ...]] = ("rmap_chain_slots",)
    predictions: ClassVar[Mapping[str, Mapping[str, tuple[str, str]]]] = PREDICTIONS
    color: ClassVar[str] = "#96700a"

    @classmethod
    def own_numbers(cls) -> list[int]:
        """Of ``enum pte_chain_option``."""
        values = cls.option_values()
        return [cls.options["line"].index(str(values["LINE"])), int(cls.keeps_files())]

    @classmethod
    def formulas_of(cls, scenario: str) -> Mapping[str, tuple[str, str]]:
        """`predictions`, and those of files' pages in lists."""
        own = super().formulas_of(scenario)
        if not (cls.predicted_as and cls.keeps_files()):
            return own
        own = {**own, **FILES_TOO.get(scenario, {})}
        for figure, (text, why) in own.items():
            if figure == "objects_pte_chain" and text != "0":
                own[figure] = (f"{text} + file_chains", f"{why}; {PROGRAM}")
        return own

    @classmethod
    def mark_figures(cls) -> tuple[str, ...]:
        """Where pages of files have lists, how many pte_chains these have."""
        return ("file_chains",) if cls.keeps_files() else ()

    def at_mark(self) -> Mapping[str, int]:
        """See `mark_figures`."""
        if not self.keeps_files():
            return {}
        m = self.core.m
        pages = (m.mem_map + n for n in range(m.nr_frames))
        files = (page for page in pages if page.mapcount and not page.flags & lib.PG_anon)
        listed = (page for page in files if not page.flags & lib.PG_reserved)
        return {"file_chains": sum(len(self.chains(page)) for page in listed)}

    @classmethod
    def keeps_files(cls) -> bool:
        """Whether pages of files have lists, too."""
        return cls.option_values()["FILES"] == "chains"

    def _begin(self, page: Any) -> int:
        """Where its list begins, or its only pte is."""
        return int(page.mapping if page.flags & lib.PG_anon else page.private)

    def entries(self, page: Any) -> list[int]:
        """kptrs of the ptes that a ``struct page *`` lists, in the order of a walk."""
        if page.flags & lib.PG_direct:
            return [self._begin(page)]
        slots = self._lib.pte_chain_slots(self.core.m)
        return [
            chain.ptes[i] for chain in self.chains(page) for i in range(self._first(chain), slots)
        ]

    def chains(self, page: Any) -> list[Any]:
        """Its pte_chains, ``struct pte_chain *``, the first of the list first."""
        found: list[Any] = []
        at = 0 if page.flags & lib.PG_direct else self._begin(page)
        while at and len(found) < 1 << 20:
            found.append(self._ffi.cast("struct pte_chain *", self.core.base + at))
            at = found[-1].next_and_idx & -self._line
        return found

    @property
    def _line(self) -> int:
        return int(self._lib.pte_chain_line(self.core.m))

    def _first(self, chain: Any) -> int:
        return int(chain.next_and_idx & (self._line - 1))

    def drawing(self, page: Any) -> list[Node]:
        """The page's pte_chains; none if its only pte stands in the page itself (PG_direct)."""
        found: list[Node] = []
        chains = self.chains(page)
        for chain, after in zip(chains, [*chains[1:], None], strict=False):
            first, slots = self._first(chain), int(self._lib.pte_chain_slots(self.core.m))
            ptes = [(f"ptes[{i}]", int(chain.ptes[i])) for i in range(first, slots)]
            fields = (("slots", slots), ("in use", f"from {first}"))
            to = self.core.kaddr(after) if after is not None else 0
            edges = (("next", to), *ptes)
            found.append(Node("pte_chain", self.core.kaddr(chain), "", fields, edges))
        return found

    def check(self, survey: Survey) -> None:
        """A page's entries are its ptes, each once; only the first pte_chain has free slots."""
        core, slots = survey.vm.core, self._lib.pte_chain_slots(self.core.m)
        objects = 0
        for pfn, mappings in self._listed(survey).items():
            page = core.page(pfn)
            chains = self.chains(page)
            objects += len(chains)
            for place, chain in enumerate(chains):
                first = self._first(chain)
                if first >= slots or (place and first):
                    survey.fail(f"pte_chain {place} of page {pfn} is in use from slot {first}")
                if any(chain.ptes[i] for i in range(min(first, slots))):
                    survey.fail(f"pte_chain {place} of page {pfn} has a pte in a free slot")
            listed, there = Counter(self.entries(page)), Counter(self._ptes(mappings))
            for pte in (listed - there) | (there - listed):
                survey.fail(
                    f"page {pfn} lists pte {pte:#x} {listed[pte]} times, mapped {there[pte]} times"
                )
        flags = survey.pages["flags"]
        lists = flags & lib.PG_anon != 0
        if self.keeps_files():
            lists |= survey.pages["mapcount"] != 0
        direct = (flags & lib.PG_direct != 0) & ~lists
        if direct.any():
            survey.fail(f"{int(direct.sum())} pages are PG_direct and have no ptes to list")
        self._check_tables(survey)
        objects += core.m.locks.held.reserve != 0
        active = core.m.k.caches[lib.CACHE_pte_chain].nr_active
        survey.expect("pte_chains", active, objects)

    def _listed(self, survey: Survey) -> Mapping[int, list[At]]:
        """Pages that have lists, and where they are mapped."""
        return survey.anon | survey.file if self.keeps_files() else survey.anon

    def _ptes(self, mappings: list[Any]) -> list[int]:
        core = self.core
        return [core.kaddr(core.lib.pte_offset(core.m, at.mm.ptr, at.address)) for at in mappings]

    def _check_tables(self, survey: Survey) -> None:
        """Each page table says whose it is, and from which address on."""
        from vmemu.frames import page_tables

        core = survey.vm.core
        for mm in survey.vm.mms.values():
            for table in page_tables(core, mm.ptr):
                page = core.page(table.frame)
                if not table.level and (page.mapping, page.index) != (mm.kaddr, table.address):
                    survey.fail(
                        f"the page table of mm {mm.kaddr:#x} at {table.address:#x} says mm "
                        f"{page.mapping:#x} at {page.index:#x}"
                    )


SCHEMES = (PteChain,)
