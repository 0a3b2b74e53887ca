"""The tables of the documentation whose figures are measured."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from itertools import chain

from cases import CASE_TABLES
from published import PUBLISHED_TABLES

from vmemu import stats
from vmemu.core import I_MMAPS, PAGE_SIZE, ffi, lib
from vmemu.lab.compare import Comparison, compare
from vmemu.lab.experiment import Measurement
from vmemu.lab.guests import guest_path
from vmemu.lab.overhead import measure_overhead
from vmemu.lab.scenario import Formula, Scenario
from vmemu.lab.scenarios import (
    SCENARIOS,
    files,
    fork,
    locking,
    mprotect,
    mremap,
    pressure,
    workload,
)
from vmemu.machine import Machine
from vmemu.rmap import builtin

SCHEMES = [name for name, scheme in builtin().items() if scheme.swaps()]
SHORT = {
    "scan": "V",
    "pte_chain": "C",
    "anonmm": "M",
    "anon_vma39": "A39",
    "anon_vma": "A",
    "anon_vma_chain": "AC",
    "anon_vma_degree": "AD",
    "anon_vma_lazy": "AL",
    "cow_context": "X",
}
"""What a scheme is called where a table has no room; of another one it is the whole name."""
SHORT |= {name: name for name in SCHEMES if name not in SHORT}


def markdown(head: Sequence[str], rows: Sequence[Sequence[object]], numbers: str) -> list[str]:
    """A table; ``numbers`` has an r for each column aligned to the right, else an l."""
    rule = ["---:" if letter == "r" else "---" for letter in numbers]
    lines = [head, rule, *rows]
    return ["| " + " | ".join(str(cell) for cell in line) + " |" for line in lines]


@functools.cache
def _compared() -> dict[str, Comparison]:
    """Every scenario under every scheme, as `vmemu compare --rmap all` runs them."""
    results = compare(SCENARIOS.values(), {}, SCHEMES, workers=2)
    return {result.scenario.name: result for result in results}


def predictions(group: Sequence[Scenario]) -> list[str]:
    """What is derived for each scenario and scheme, and in bold what was measured."""
    rows = []
    for scenario in group:
        rows += _scenario_rows(_compared()[scenario.name])
    head = ("scenario", "counted", "under", "derived, **measured**", "because")
    return markdown(head, rows, "lllll")


def _scenario_rows(result: Comparison) -> list[list[str]]:
    params = " ".join(f"{name}={value}" for name, value in result.params.items())
    title = f"{result.scenario.section} `{result.scenario.name}` {params}".strip()
    expected = {scheme: result.scenario.expected(scheme) for scheme in SCHEMES}
    rows: list[list[str]] = []
    for figure in dict.fromkeys(name for found in expected.values() for name in found):
        cells: dict[str, dict[str, list[str]]] = {}  # the schemes, by cell and reason
        for scheme in SCHEMES:
            if figure not in expected[scheme] or _no_walk(scheme, figure):
                continue
            formula, why = expected[scheme][figure]
            whys = cells.setdefault(_cell(result, scheme, figure, formula), {})
            whys.setdefault(why, []).append(SHORT[scheme])
        if _is_plain(figure, cells):
            continue
        name = f"`{figure}`"
        for cell, whys in cells.items():
            schemes = sorted(chain(*whys.values()), key=[*SHORT.values()].index)
            rows.append([title, name, " ".join(schemes), cell, _because(cell, whys)])
            title = name = ""
    return rows


def _is_plain(figure: str, cells: dict[str, dict[str, list[str]]]) -> bool:
    """The same for all and no surprise; or one that few schemes have, and there is nothing."""
    if len(cells) > 1 or figure == "unmap_probes":
        return False
    schemes = [scheme for whys in cells.values() for found in whys.values() for scheme in found]
    return not any(why for whys in cells.values() for why in whys) or (
        [*cells] == ["**0**"] and (len(schemes) < 3 or figure == "unmap_cmp")
    )


def _because(cell: str, whys: dict[str, list[str]]) -> str:
    """The reason, or each scheme's; of a plain number that has many, none."""
    told = {why: schemes for why, schemes in whys.items() if why}
    if len(told) == 1:
        return next(iter(told))
    if cell.startswith("**"):
        return ""
    return "; ".join(f"{' '.join(schemes)}: {why}" for why, schemes in told.items())


def _no_walk(scheme: str, figure: str) -> bool:
    """Whether it is a figure of walks, of a scheme that has none: 0 everywhere."""
    return builtin()[scheme].sweeps and figure.startswith(
        ("unmap_", "referenced_", "file_", "i_mmap_")
    )


def _cell(result: Comparison, scheme: str, figure: str, formula: Formula) -> str:
    """``formula`` **measured**, and what was derived if that is something else."""
    measured = result.measurements[scheme].figures[figure]
    derived = result.predictions(scheme)[figure]
    if formula.text == str(measured):
        return f"**{measured}**"
    wrong = "" if derived == measured else f", derived {derived}"
    return f"`{formula.text}` **{measured}**{wrong}"


CHAINS = "pte_chain"


def files_by_structure() -> list[str]:
    """Scenarios about files, as `vmemu compare --i-mmap all` runs them under anon_vma.

    In front of these as pte_chain has them, which lists ptes of files' pages too: what areas are
    kept in does not matter there.
    """
    found = compare(files.SCENARIOS, {}, ["anon_vma", CHAINS], i_mmaps=I_MMAPS)
    rows = []
    for scenario in files.SCENARIOS:
        runs = [each for each in found if each.scenario.name == scenario.name]
        params = " ".join(f"{name}={value}" for name, value in runs[0].params.items())
        title = f"{scenario.section} `{scenario.name}` {params}"
        columns = [(runs[0], CHAINS), *((run, "anon_vma") for run in runs)]
        for figure in scenario.expected("anon_vma"):
            measured = [run.measurements[scheme].figures[figure] for run, scheme in columns]
            if not any(measured):
                continue
            derived = [run.predictions(scheme)[figure] for run, scheme in columns]
            cells = [
                f"**{n}**" if n == predicted else f"**{n}**, derived {predicted}"
                for n, predicted in zip(measured, derived, strict=True)
            ]
            rows.append([title, f"`{figure}`", *cells])
            title = ""
    return markdown(("scenario", "counted", "chains", *I_MMAPS), rows, "llrrrr")


def bytes_by_scheme(bits: int) -> list[str]:
    """`vmemu overhead --rmap all`, a line for each scheme: bytes, and with slab rounding."""
    rows = []
    for result in measure_overhead(SCHEMES, 1024, 64, {"bits": bits}):
        costs = result.costs(8).values()
        cells = [f"{cost.exact:.4g} / {cost.rounded:.2f}" for cost in costs]
        rows.append([result.scheme, *("-" if cell == "0 / 0.00" else cell for cell in cells)])
    areas = ("vma, own object", "vma, never written", "vma, part of one")
    head = ("scheme", *areas, "mm", "page, alone", "page, shared", "8th level of forks")
    return markdown(head, rows, "lrrrrrrr")


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
    for name, result in _compared().items():
        if name in _TASTE:
            schemes = ("anonmm", "anon_vma")
            old, new = ([*_figures(result.measurements[scheme])] for scheme in schemes)
            cells = [f"{one} / {other}" for one, other in zip(old, new, strict=True)]
            rows.append((f"`{name}`", _TASTE[name], *cells))
    rows.sort(key=lambda row: list(_TASTE.values()).index(row[1]))
    return markdown(("scenario", "in it", "probes a page", "pages copied", "bytes"), rows, "llrrr")


def _figures(measured: Measurement) -> Iterator[str]:
    figures = measured.figures
    yield f"{figures['unmap_probes'] / figures['unmap_pages']:g}"
    yield f"{figures['copies']}"
    yield f"{round(measured.cost[0])}"


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
    has: dict[str, list[str]] = {}  # the names of each scheme's locks
    for scheme in SCHEMES:
        for command in _BUSY:
            guest, *parameters = command.split()
            with Machine(ram="1M", rmap=scheme, lock_checks=True) as machine:
                machine.spawn(guest_path(guest), [guest, *parameters], stdout=None)
                machine.run()
                has[scheme] = list(machine.core.locks)
                for edge in stats.lock_order(machine.core):
                    if scheme not in met.setdefault(edge, []):
                        met[edge].append(scheme)
    places = zip(*has.values(), strict=True)
    names = [name for place in places for name in dict.fromkeys(place)]
    rows = []
    for outer in dict.fromkeys(names):
        inner = [
            f"`{name}`" + _under(met[outer, name], _having(has, outer, name))
            for name in dict.fromkeys(names)
            if (outer, name) in met
        ]
        rows.append((f"`{outer}`", ", ".join(inner) or "-"))
    return markdown(("inside", "were waited for"), rows, "ll")


def _having(has: dict[str, list[str]], *names: str) -> list[str]:
    """The schemes that have all these locks."""
    return [scheme for scheme, locks in has.items() if {*names} <= {*locks}]


def _under(found: Sequence[str], might: Sequence[str]) -> str:
    """Which of the schemes that might, or which not, whatever is shorter."""
    missing = [scheme for scheme in might if scheme not in found]
    if not missing:
        return ""
    few = len(found) <= len(missing)
    return f" ({', '.join(found) if few else 'not ' + ', '.join(missing)})"


def owners() -> list[str]:
    """What each lock guards (`csrc/watch/owner.c`, then the schemes' own)."""
    rows: dict[tuple[str, str], list[str]] = {}
    for scheme in SCHEMES:
        with Machine(ram="2M", swap=None, rmap=scheme) as machine:
            for i in range(lib.NR_OWNED):
                said = [name(machine.core.m.rmap, i) for name in _RULE]
                if said[0]:
                    field, rule = (str(ffi.string(text), "ascii") for text in said)
                    rows.setdefault((field, rule), []).append(scheme)
    cells = [(*key, "all" if found == SCHEMES else ", ".join(found)) for key, found in rows.items()]
    return markdown(("field", "needs", "under"), cells, "lll")


_RULE = (lib.owned_field_name, lib.owned_field_rule)


TABLES: dict[str, Callable[[], list[str]]] = {
    "taste": taste,
    **{
        f"predictions_{module.__name__.rpartition('.')[2]}": lambda module=module: predictions(  # type: ignore[misc]
            module.SCENARIOS
        )
        for module in (pressure, fork, mremap, mprotect, locking, workload)
    },
    "files": files_by_structure,
    "bytes": lambda: bytes_by_scheme(32),
    "bytes64": lambda: bytes_by_scheme(64),
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
