"""The flat record of one run: its columns, their units and what each is.

Every view of a result, a table, JSON, CSV, Parquet, has these columns under these names.
Figures have the names that formulas know; ``run_NAME`` is a counter over the whole run,
``predicted_NAME`` what is derived for a figure, ``bytes_NAME`` and ``rounded_NAME`` what the
objects of a slab cache take.  A parameter's column has the parameter's name.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from vmemu.lab.compare import Comparison
    from vmemu.lab.scenario import Scenario

__all__ = [
    "HOST_COLUMNS",
    "KINDS",
    "Column",
    "Record",
    "Records",
    "Value",
    "by_name",
    "column",
    "columns_of",
    "comparable",
    "of_json",
    "parameter_column",
    "parameters_of",
]

Value = str | int | float | bool | None
Record = Mapping[str, Value]
"""One run, by column.  A column that does not apply is not there, or is None."""


class Column(NamedTuple):
    """What a column holds: ``unit`` is "" for text and for what is only a number.

    ``kind`` is one of `KINDS`.
    """

    name: str
    unit: str
    doc: str
    kind: str


KINDS = (
    *("identity", "parameter", "build", "setting", "verdict", "figure"),
    *("prediction", "formula", "bytes", "run", "output", "host"),
)
"""In the order in which columns are read."""


_FIXED = {
    "identity": {
        "key": (
            "",
            "digest of the settings, the build and the user's files: says which cell",
        ),
        "status": ("", "ok, or failed"),
        "failure": ("", "why: time, memory, guest, scheme, refused, bug or died"),
        "reason": ("", "the same in a sentence"),
        "scenario": ("", "what was run"),
        "scheme": ("", "the reverse map, with its options"),
        "bits": ("bits", "of the machine's word"),
    },
    "build": {
        "vmemu": ("", "version"),
        "commit": ("", "of vmemu; + where files had been changed since"),
        "build": ("", "digest of all of vmemu that decides a result"),
        "guest_sha256": ("", "of the program that ran"),
    },
    "setting": {
        "levels": ("levels", "of page tables"),
        "layout": ("", "the kernel whose structs' sizes slab caches have"),
        "i_mmap": ("", "what a file's areas are kept in"),
        "ram": ("bytes", "guest RAM"),
        "swap": ("bytes", "swap; 0 without"),
        "seed": ("", "of the guests' randomness"),
        "slice_blocks": ("blocks", "basic blocks of a time slice"),
        "page_cluster": ("log2 pages", "read at once from swap"),
        "swappiness": ("", "how readily mapped pages are taken"),
        "overcommit": ("", "0 guess, 1 always, 2 never"),
        "overcommit_ratio": ("percent", "of RAM that may be promised under 2"),
        "topdown": ("", "whether mappings are placed below the stack"),
        "aslr": ("", "whether programs lie where the seed says"),
        "uname": ("", "the kernel's release that programs are told"),
        "min_free_pages": ("pages", "pages_min, where it was chosen"),
        "cache_line": ("bytes", "of the machine"),
        "fault_path": ("", "who resolves ordinary faults"),
        "vm_flags_lock": ("", "what guards vm_flags"),
        "max_time": ("seconds", "limit of virtual time, where there was one"),
        "max_tasks": ("tasks", "limit, where there was one"),
        "max_host_memory": ("bytes", "limit of what guests make the host hold"),
    },
    "verdict": {
        "verdict": ("", "yes, no, short (of memory); empty where nothing is predicted"),
        "deviations": ("", "what is not as predicted: figures, formulas and their reasons"),
        "disturbed": ("", "memory was short, so pages went that the scenario did not ask for"),
    },
    "figure": {
        "unmap_pages": ("pages", "that try_to_unmap was asked for"),
        "unmap_probes": ("probes", "page tables that try_to_unmap walked"),
        "unmap_cmp": ("candidates", "that try_to_unmap rejected without a walk"),
        "referenced_pages": ("pages", "that page_referenced was asked for"),
        "referenced_probes": ("probes", "page tables that page_referenced walked"),
        "referenced_cmp": ("candidates", "that page_referenced rejected without a walk"),
        "copies": ("pages", "copied only because of the scheme, over the whole run"),
        "vmas": ("vmas", "of the marked area"),
        "rmap_locks": ("times", "the scheme's locks were acquired"),
        "page_map_locks": ("times", "pages' locks were acquired"),
    },
    "bytes": {
        "bytes_exact": ("bytes", "that the scheme's objects take"),
        "bytes_rounded": ("bytes", "their share of full slabs"),
    },
    "output": {
        "output_sha256": ("", "of what the guest wrote"),
        "virtual_ns": ("ns", "virtual time of the whole run"),
    },
    "host": {
        "host_ns": ("ns", "the host's time; never compared"),
    },
}
"""Columns that every record may have, by kind: unit, and what it is."""

_NAMED = {
    name: Column(name, unit, doc, kind)
    for kind, columns in _FIXED.items()
    for name, (unit, doc) in columns.items()
}

_PLACES = {name: at for at, name in enumerate(_NAMED)}

HOST_COLUMNS = ("host_ns",)
"""What another run of the same may have different."""

_PREFIXES = {
    "objects_": ("figure", "objects", "in the slab cache {} when the lab acted"),
    "bytes_": ("bytes", "bytes", "of the objects of the slab cache {}"),
    "rounded_": ("bytes", "bytes", "of the frames that the slab cache {} has"),
    "predicted_": ("prediction", None, "what is derived for {}"),
    "formula_": ("formula", "", "the formula that predicts {}"),
    "run_": ("run", None, "the counter {} over the whole run"),
    "rmap34_": ("run", "times", "before and after rmap 34: {}"),
    "param_": ("parameter", None, "the parameter {}"),
}
"""Other columns by how their names begin: kind, unit (None: that of the rest), what it is."""

_COUNTED = {
    "pages": ("pg", "pswp", "swapin", "swap_ra", "swap_cache", "rmap_copies", "rmap_migrated"),
    "ptes": (
        *("mremap_ptes", "fork_ptes", "zap_ptes", "protect_ptes", "sweep_ptes"),
        *("nonlinear_ptes", "nonlinear_unmapped", "nonlinear_collateral"),
    ),
    "probes": (
        *("unmap_probes", "referenced_probes", "rmap_wasted"),
        *("file_unmap_probes", "file_referenced_probes"),
    ),
    "candidates": ("unmap_cmp", "referenced_cmp", "file_unmap_cmp", "file_referenced_cmp"),
    "slots": ("rmap_chain_slots",),
    "nodes": ("rmap_tree_nodes", "i_mmap_nodes"),
    "faults": ("pgfault", "pgmajfault", "fault_"),
}
"""Units of counters, by how their names begin; others count times."""


def _unit_of_counter(name: str) -> str:
    if name.endswith("_pages"):
        return "pages"
    found = [
        (len(start), unit)
        for unit, starts in _COUNTED.items()
        for start in starts
        if name.startswith(start)
    ]
    return max(found)[1] if found else "times"


def column(name: str, counted: Mapping[str, str] | None = None) -> Column:
    """What a column of this name holds; ``counted`` says what parameters count, by column.

    A name that nothing is known of is a parameter's if it has capitals, as they do.
    """
    counted = counted or {}
    if name in counted or (name != name.lower() and not name.startswith(tuple(_PREFIXES))):
        return Column(name, counted.get(name, ""), "a parameter of the scenario", "parameter")
    if name in _NAMED:
        return _NAMED[name]
    for prefix, (kind, unit, doc) in _PREFIXES.items():
        rest = name.removeprefix(prefix)
        if rest != name:
            own = column(rest, counted).unit if unit is None else unit
            return Column(name, own, doc.format(rest), kind)
    doc = "a figure of this scenario or scheme"
    return Column(name, _unit_of_counter(name), doc, "figure")


def parameter_column(name: str) -> str:
    """The column of a parameter: its name, unless a column has it already but for case."""
    from vmemu.core import COUNTERS

    lower = name.lower()
    taken = lower in _NAMED or lower in COUNTERS or lower.startswith(tuple(_PREFIXES))
    return f"param_{name}" if taken else name


def columns_of(records: Iterable[Record], counted: Mapping[str, str] | None = None) -> list[Column]:
    """The columns that any of them has, in the order in which they are read.

    By kind, as `KINDS` has them; those that every record may have in an order of their own,
    others as they came.
    """
    names = dict.fromkeys(name for record in records for name in record)
    columns = [column(name, counted) for name in names]
    return sorted(columns, key=lambda each: (KINDS.index(each.kind), _known(each.name)))


def _known(name: str) -> int:
    """The place of a column that every record may have, behind which all others are."""
    return _PLACES.get(name, len(_PLACES))


def by_name(columns: Iterable[Column]) -> list[Column]:
    """The same order, but those that came as they came by name."""
    return sorted(columns, key=lambda each: (KINDS.index(each.kind), _known(each.name), each.name))


def comparable(record: Record) -> dict[str, Value]:
    """What every run of the same must have alike: all but the host's time."""
    return {name: value for name, value in record.items() if name not in HOST_COLUMNS}


def of_json(text: str | bytes) -> Any:
    """What JSON says; equal texts are one object, and many records take a third of the memory."""
    return json.loads(text, object_pairs_hook=_sharing)


def _sharing(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    return {sys.intern(k): sys.intern(v) if type(v) is str else v for k, v in pairs}


class Records:
    """Records of several runs, and what parameters of theirs count."""

    def __init__(self, records: Iterable[Record], counted: Mapping[str, str] | None = None) -> None:
        self.records = list(records)
        self.counted = dict(counted or {})

    @classmethod
    def of(cls, comparisons: Iterable[Comparison]) -> Records:
        """Those of every run of some comparisons."""
        records: list[Record] = []
        counted: dict[str, str] = {}
        for comparison in comparisons:
            records += comparison.to_records()
            counted |= parameters_of(comparison.scenario)
        return cls(records, counted)

    def repeatable(self) -> Records:
        """The same without the host's time: what another run gives again, byte for byte."""
        return Records(map(comparable, self.records), self.counted)

    def columns(self) -> list[Column]:
        """Every column that one of them has, in the order of reading."""
        return columns_of(self.records, self.counted)

    def as_json(self) -> str:
        """One object: the unit of each column that has one, and the records."""
        units = {each.name: each.unit for each in self.columns() if each.unit}
        return json.dumps({"units": units, "records": self.records}, indent=2)

    def as_csv(self) -> str:
        """A line of names, then a line for each record; what does not apply is empty."""
        import csv
        import io

        out = io.StringIO()
        names = [each.name for each in self.columns()]
        writer = csv.DictWriter(out, names, restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows([{n: _in_csv(value) for n, value in r.items()} for r in self.records])
        return out.getvalue()

    def to_frame(self) -> Any:
        """A pandas DataFrame, a row for each; VmemuError without pandas."""
        from vmemu.lab.table import pandas

        names = [each.name for each in self.columns()]
        return pandas().DataFrame(self.records, columns=names)


def parameters_of(scenario: Scenario) -> dict[str, str]:
    """What each parameter of a scenario counts, by its column."""
    return {
        parameter_column(each.name): "" if each.choices else each.counted
        for each in scenario.parameters
    }


def _in_csv(value: Value) -> Value:
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None else value
