"""The flat record of one run: its columns, their units and what each is.

Every view of a result, a table, JSON, CSV, Parquet, has these columns under these names.
Figures have the names that formulas know; ``run_NAME`` is a counter over the whole run,
``predicted_NAME`` what is derived for a figure, ``bytes_NAME`` and ``rounded_NAME`` what the
objects of a slab cache take.  A parameter's column has the parameter's name.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from vmemu.errors import ConfigError

if TYPE_CHECKING:
    from vmemu.lab.compare import Comparison
    from vmemu.lab.scenario import Scenario

__all__ = [
    "HOST_COLUMNS",
    "Column",
    "Record",
    "Records",
    "Value",
    "column",
    "columns_of",
    "comparable",
    "parameter_column",
    "parameters_of",
]

Value = str | int | float | bool | None
Record = Mapping[str, Value]
"""One run, by column.  A column that does not apply is not there, or is None."""


class Column(NamedTuple):
    """What a column holds: ``unit`` is "" for text and for what is only a number."""

    name: str
    unit: str
    doc: str


_FIXED = {
    "key": ("", "digest of the settings, of the build and of the user's files: says which cell"),
    "status": ("", "ok, or failed"),
    "failure": ("", "why: time, memory, guest, scheme, refused, bug or died"),
    "reason": ("", "the same in a sentence"),
    "scenario": ("", "what was run"),
    "scheme": ("", "the reverse map, with its options"),
    "bits": ("bits", "of the machine's word"),
    "vmemu": ("", "version"),
    "commit": ("", "of vmemu; + where files had been changed since"),
    "build": ("", "digest of all of vmemu that decides a result"),
    "guest_sha256": ("", "of the program that ran"),
    "levels": ("levels", "of page tables"),
    "layout": ("", "the kernel whose structs' sizes slab caches have"),
    "ram": ("bytes", "guest RAM"),
    "swap": ("bytes", "swap; 0 without"),
    "seed": ("", "of the guests' randomness"),
    "slice_blocks": ("blocks", "basic blocks of a time slice"),
    "page_cluster": ("log2 pages", "read at once from swap"),
    "swappiness": ("", "how readily mapped pages are taken"),
    "overcommit": ("", "0 guess, 1 always, 2 never"),
    "overcommit_ratio": ("percent", "of RAM that may be promised under 2"),
    "topdown": ("", "whether mappings are placed below the stack"),
    "min_free_pages": ("pages", "pages_min, where it was chosen"),
    "cache_line": ("bytes", "of the machine"),
    "fault_path": ("", "who resolves ordinary faults"),
    "vm_flags_lock": ("", "what guards vm_flags"),
    "max_time": ("seconds", "limit of virtual time, where there was one"),
    "max_tasks": ("tasks", "limit, where there was one"),
    "max_host_memory": ("bytes", "limit of what guests make the host hold"),
    "verdict": ("", "yes, no, short (of memory); empty where nothing is predicted"),
    "deviations": ("", "what is not as predicted: figures, formulas and their reasons"),
    "disturbed": ("", "memory was short, so pages went that the scenario did not ask for"),
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
    "bytes_exact": ("bytes", "that the scheme's objects take"),
    "bytes_rounded": ("bytes", "their share of full slabs"),
    "output_sha256": ("", "of what the guest wrote"),
    "virtual_ns": ("ns", "virtual time of the whole run"),
    "host_ns": ("ns", "the host's time; never compared"),
}

HOST_COLUMNS = ("host_ns",)
"""What another run of the same may have different."""

_IDENTITY = tuple(_FIXED)[: tuple(_FIXED).index("bits")]
_TAIL = ("output_sha256", "virtual_ns", "host_ns")

_PREFIXES = {
    "objects_": ("objects", "in the slab cache {} when the lab acted"),
    "bytes_": ("bytes", "of the objects of the slab cache {}"),
    "rounded_": ("bytes", "of the frames that the slab cache {} has"),
    "predicted_": (None, "what is derived for {}"),
    "formula_": ("", "the formula that predicts {}"),
    "run_": (None, "the counter {} over the whole run"),
    "rmap34_": ("times", "before and after rmap 34: {}"),
    "param_": (None, "the parameter {}"),
}

_COUNTED = {
    "pages": ("pg", "pswp", "swapin", "swap_ra", "swap_cache", "rmap_copies", "rmap_migrated"),
    "ptes": ("mremap_ptes", "fork_ptes", "zap_ptes", "protect_ptes", "sweep_ptes"),
    "probes": ("unmap_probes", "referenced_probes", "rmap_wasted"),
    "candidates": ("unmap_cmp", "referenced_cmp"),
    "slots": ("rmap_chain_slots",),
    "nodes": ("rmap_tree_nodes",),
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
    """What a column of this name holds; ``counted`` says what parameters count, by name."""
    if counted and name in counted:
        return Column(name, counted[name], "a parameter of the scenario")
    if name in _FIXED:
        return Column(name, *_FIXED[name])
    for prefix, (unit, doc) in _PREFIXES.items():
        rest = name.removeprefix(prefix)
        if rest != name:
            if unit is None:
                unit = (counted or {}).get(rest) or column(rest, counted).unit
            return Column(name, unit, doc.format(rest))
    if name != name.lower():
        return Column(name, "", "a parameter of the scenario")
    return Column(name, _unit_of_counter(name), "a figure of this scenario or scheme")


def parameter_column(name: str) -> str:
    """The column of a parameter: its name, unless a column has it already but for case."""
    from vmemu.core import COUNTERS

    lower = name.lower()
    taken = lower in _FIXED or lower in COUNTERS or lower.startswith(tuple(_PREFIXES))
    return f"param_{name}" if taken else name


def columns_of(records: Iterable[Record], parameters: Iterable[str] = ()) -> list[str]:
    """The columns of all of them, in the order in which they are read.

    What was run comes first, then what came out, then what each counter says, the host's
    time last.  ``parameters`` are names that would not be taken for parameters' by their
    capitals.
    """
    names = dict.fromkeys(name for record in records for name in record)
    known = frozenset(parameters)
    return sorted(names, key=lambda name: _place(name, known))  # stable: else as they came


def _place(name: str, parameters: frozenset[str]) -> tuple[int, int]:
    if name in parameters:
        return 1, 0
    if name in _IDENTITY:
        return 0, _IDENTITY.index(name)
    if name in _TAIL:
        return 9, _TAIL.index(name)
    if name.startswith(("predicted_", "formula_")):
        return 5, 0
    if name.startswith(("bytes_", "rounded_")):
        return 6, 0
    if name.startswith("rmap34_"):
        return 7, 0
    if name.startswith("run_"):
        return 8, 0
    if name in _FIXED:
        place = tuple(_FIXED).index(name)
        return (2 if place < tuple(_FIXED).index("unmap_pages") else 3), place
    parameter = name.startswith("param_") or name != name.lower()
    return (1 if parameter else 4), 0


def comparable(record: Record) -> dict[str, Value]:
    """What every run of the same must have alike: all but the host's time."""
    return {name: value for name, value in record.items() if name not in HOST_COLUMNS}


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
        return [
            column(name, self.counted) for name in columns_of(self.records, parameters=self.counted)
        ]

    def as_json(self) -> str:
        """One object: the unit of each column that has one, and the records."""
        import json

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


def refuse_case_twins(names: Iterable[str], scenario: str) -> None:
    """ConfigError where two parameters differ in nothing but capitals: SQL has one column."""
    seen: dict[str, str] = {}
    for name in names:
        other = seen.setdefault(name.lower(), name)
        if other != name:
            raise ConfigError(
                f"{scenario} has the parameters {other} and {name}, which are one column in SQL: "
                "give one of them another name"
            )
