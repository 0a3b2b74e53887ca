"""The tables of the documentation whose figures are measured."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from cases import CASE_TABLES
from published import PUBLISHED_TABLES

from vmemu import stats
from vmemu.core import PAGE_SIZE, ffi, lib
from vmemu.lab.compare import Comparison, compare
from vmemu.lab.guests import guest_path
from vmemu.lab.scenario import Formula
from vmemu.lab.scenarios import SCENARIOS
from vmemu.machine import Machine

SCHEMES = ("anonmm", "anon_vma39", "anon_vma")


def markdown(head: Sequence[str], rows: Sequence[Sequence[object]], numbers: str) -> list[str]:
    """A table; ``numbers`` has an r for each column aligned to the right, else an l."""
    rule = ["---:" if letter == "r" else "---" for letter in numbers]
    lines = [head, rule, *rows]
    return ["| " + " | ".join(str(cell) for cell in line) + " |" for line in lines]


def predictions() -> list[str]:
    """What is derived for each scenario, and in bold what was measured (`vmemu compare`)."""
    rows = []
    for result in compare(SCENARIOS.values(), {}, SCHEMES):
        rows += _scenario_rows(result)
    return markdown(("scenario", "counted", "anonmm", "anon_vma", "because"), rows, "lllll")


def _scenario_rows(result: Comparison) -> list[list[str]]:
    params = " ".join(f"{name}={value}" for name, value in result.params.items())
    title = f"{result.scenario.section} `{result.scenario.name}` {params}".strip()
    rows = []
    for expectation in result.scenario.expectations:
        figure, why = expectation.figure, expectation.why
        anonmm, rmap39, rmap40 = (
            _cell(result, scheme, figure, expectation.formula(scheme)) for scheme in SCHEMES
        )
        if anonmm == rmap39 == rmap40 and not why and figure != "unmap_probes":
            continue  # the same for all and no surprise
        if rmap39 != rmap40:
            rmap40 += f"; rmap 39: {rmap39}"
        rows.append([title, f"`{figure}`", anonmm, rmap40, why])
        title = ""
    return rows


def _cell(result: Comparison, scheme: str, figure: str, formula: Formula | None) -> str:
    """``formula`` **measured**, and what was derived if that is something else."""
    if formula is None:
        return "-"
    measured = result.measurements[scheme].figures[figure]
    derived = result.predictions(scheme)[figure]
    if formula.text == str(measured):
        return f"**{measured}**"
    wrong = "" if derived == measured else f", derived {derived}"
    return f"`{formula.text}` **{measured}**{wrong}"


def caches(bits: int = 32) -> list[str]:
    """Objects of each slab cache under three schemes (`machine.stats()["slabs"]`)."""
    found = {}
    for scheme in ("none", "anonmm", "anon_vma"):
        with Machine(ram="2M", swap=None, rmap=scheme, bits=bits) as machine:
            found[scheme] = machine.stats()["slabs"]
    rows = []
    for name in dict.fromkeys(name for caches in found.values() for name in caches):
        by_scheme = {scheme: found[scheme][name] for scheme in found if name in found[scheme]}
        sizes = {cache["object_size"] for cache in by_scheme.values()}
        for scheme, cache in by_scheme.items():
            if len(sizes) == 1 and scheme != next(iter(by_scheme)):
                continue
            rows.append(
                (
                    f"`{name}`" + (f" under {scheme}" if len(sizes) > 1 else ""),
                    cache["object_size"],
                    cache["buffer_size"],
                    cache["per_slab"],
                    f"{PAGE_SIZE / cache['per_slab']:.1f}",
                )
            )
    head = ("cache", "object, bytes", "aligned", "objects a slab", "bytes of a slab for each")
    return markdown(head, rows, "lrrrr")


_TASTE = {
    "private-pages": "one process",
    "fork-server": "16 children with copies of their own",
    "late-subfamily": "2 of 18 processes share pages",
    "mremap-shared": "mremap moves 64 shared pages",
}


def taste() -> list[str]:
    """Four scenarios of `vmemu compare` as the README shows them: anonmm / anon_vma."""
    rows = []
    for result in compare(SCENARIOS.values(), {}, SCHEMES):
        name = result.scenario.name
        if name in _TASTE:
            shown = result.as_json()["schemes"]
            old, new = ([*_figures(shown[scheme])] for scheme in ("anonmm", "anon_vma"))
            cells = [f"{one} / {other}" for one, other in zip(old, new, strict=True)]
            rows.append((f"`{name}`", _TASTE[name], *cells))
    rows.sort(key=lambda row: list(_TASTE.values()).index(row[1]))
    return markdown(("scenario", "in it", "probes a page", "pages copied", "bytes"), rows, "llrrr")


def _figures(shown: dict[str, Any]) -> Iterator[str]:
    unmap = shown["unmap"]
    yield f"{unmap['probes'] / unmap['pages']:g}"
    yield f"{shown['copies']}"
    yield f"{shown['bytes']['exact']}"


_PAGE_FIELDS = {
    "flags": "PG_* bits: on which list, what for, locked",
    "_count": "references: one for each pte, one of a cache, one of a slab or table; 0 = free",
    "mapcount": "ptes that map the frame, no other references",
    "private": "the swap entry, while the page is in the swap cache",
    "mapping": "what finds its ptes: the file's address_space, or with PG_anon the rmap's object",
    "index": "where it belongs: page offset in file or area; under anonmm the user address",
    "lru": "links of the free list or an LRU list",
}


def page() -> list[str]:
    """The fields of struct page (`csrc/page/types.h`)."""
    fields = ffi.typeof("struct page").fields
    assert fields is not None
    rows = [
        (f"`{name}`", item.offset, ffi.sizeof(item.type), _PAGE_FIELDS[name])
        for name, item in fields
    ]
    return markdown(("field", "offset", "bytes", "holds"), rows, "lrrl")


_BUSY = (
    "swap-storm PAGES=300 FORK=1",
    "cut-vma K=16 N=2",
    "mremap-shared R=16",
    "mprotect-stripes",
    "vm-flags H=300",
    "orphans",
    "stack-growth KB=300",
    "fork-server",
    "madvise",
)


def lock_order() -> list[str]:
    """Which lock classes were waited for inside which (`csrc/watch/lockdep.c` learns them)."""
    met: dict[tuple[str, str], list[str]] = {}
    classes: dict[int, list[str]] = {}  # each lock's name, for the schemes' own several
    for scheme in ("anonmm", "anon_vma"):
        for command in _BUSY:
            guest, *parameters = command.split()
            with Machine(ram="1M", rmap=scheme, lock_checks=True) as machine:
                machine.spawn(guest_path(guest), [guest, *parameters], stdout=None)
                machine.run()
                for i, name in enumerate(machine.core.locks):
                    if name not in classes.setdefault(i, []):
                        classes[i].append(name)
                for edge in stats.lock_order(machine.core):
                    if scheme not in met.setdefault(edge, []):
                        met[edge].append(scheme)
    rows, names = [], [name for of_class in classes.values() for name in of_class]
    for outer in names:
        inner = [
            f"`{name}`" + (f" ({met[outer, name][0]})" if len(met[outer, name]) == 1 else "")
            for name in names
            if (outer, name) in met
        ]
        rows.append((f"`{outer}`", ", ".join(inner) or "-"))
    return markdown(("inside", "were waited for"), rows, "ll")


def owners() -> list[str]:
    """What each lock guards (`csrc/watch/owner.c`, then the schemes' own)."""
    rows: dict[str, str] = {}
    for scheme in ("anonmm", "anon_vma"):
        with Machine(ram="2M", swap=None, rmap=scheme) as machine:
            for i in range(lib.NR_OWNED):
                said = (name(machine.core.m.rmap, i) for name in _RULE)
                field, rule = (text and ffi.string(text).decode() for text in said)
                if field:
                    rows[field] = rule
    return markdown(("field", "needs"), list(rows.items()), "ll")


_RULE = (lib.owned_field_name, lib.owned_field_rule)


TABLES: dict[str, Callable[[], list[str]]] = {
    "taste": taste,
    "predictions": predictions,
    "caches": caches,
    "caches64": lambda: caches(64),
    "page": page,
    "lock_order": lock_order,
    "owners": owners,
    **{
        name: lambda table=table: markdown(*table())  # type: ignore[misc]
        for name, table in {**PUBLISHED_TABLES, **CASE_TABLES}.items()
    },
}
"""What stands between ``<!-- figures: NAME -->`` and ``<!-- end -->``."""
