"""The columns of a record by what they hold, and the order in which they are written.

A record is flat: the values of parameters and the figures stand side by side under their own
names, so that a query needs no paths.  What a column is, `column_kind` tells by its name, and of
names that only a scenario has by the scenario.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

__all__ = ["KINDS", "Column", "column_kind", "ordered", "parameter_name", "scenario_parameters"]


class Column(NamedTuple):
    """What is known of a column; ``kind`` is one of `KINDS`, or "" for that of its name."""

    unit: str = ""
    doc: str = ""
    kind: str = ""


KINDS = (
    "key",
    "parameter",
    "setting",
    "figure",
    "bytes",
    "run",
    "prediction",
    "verdict",
    "host",
)
"""In the order of the columns."""

_KEY = (
    *("scenario", "scheme", "status", "failure", "reason"),
    *("key", "vmemu", "commit", "build"),
)
_SETTINGS = (
    *("bits", "levels", "layout", "ram", "swap", "seed", "page_cluster", "swappiness", "topdown"),
    *("vm_flags_lock", "overcommit", "lock_checks", "fault_path", "mutations", "max_time"),
    *("max_host_time", "max_tasks", "max_host_memory"),
)
_FIGURES = (
    *("unmap_pages", "unmap_probes", "unmap_cmp"),
    *("referenced_pages", "referenced_probes", "referenced_cmp"),
    *("copies", "vmas", "rmap_locks", "page_map_locks"),
)
_VERDICT = ("verdict", "deviations", "output_sha256", "virtual_ns", "disturbed")
_NAMED = {
    name: kind
    for kind, names in (
        ("key", _KEY),
        ("setting", _SETTINGS),
        ("figure", _FIGURES),
        ("verdict", _VERDICT),
    )
    for name in names
}
_PREFIXES = {
    "param_": "parameter",
    "objects_": "figure",
    "bytes_": "bytes",
    "rounded_": "bytes",
    "run_": "run",
    "predicted_": "prediction",
    "host_": "host",
}


def column_kind(name: str, parameters: Iterable[str] = ()) -> str:
    """What a column holds; ``parameters`` are those that are known.

    A name that nothing tells of is a parameter's if it begins with a capital, as they do.
    """
    if name in _NAMED:
        return _NAMED[name]
    for prefix, kind in _PREFIXES.items():
        if name.startswith(prefix):
            return kind
    return "parameter" if name in parameters or name[:1].isupper() else "figure"


def parameter_name(column: str) -> str:
    """The parameter whose values a column holds: ``param_SEED`` is that of SEED."""
    return column.removeprefix("param_")


def scenario_parameters(scenarios: Iterable[str]) -> set[str]:
    """Every parameter of these scenarios, as far as they can be found."""
    from vmemu.errors import VmemuError
    from vmemu.lab.scenarios import find_scenario

    found: set[str] = set()
    for reference in scenarios:
        try:
            found |= {parameter.name for parameter in find_scenario(reference).parameters}
        except VmemuError:  # somebody else's, who is not here
            continue
    return found


def ordered(records: Sequence[Mapping[str, Any]], columns: Mapping[str, Column]) -> dict[str, str]:
    """The columns that hold anything, in their order, and the kind of each."""
    names = {name for record in records for name, value in record.items() if value is not None}
    scenarios = dict.fromkeys(str(record.get("scenario", "")) for record in records)
    parameters = scenario_parameters(scenarios)
    kinds = {
        name: columns.get(name, Column()).kind or column_kind(name, parameters) for name in names
    }
    known = {name: place for place, name in enumerate({**_NAMED, **columns})}

    def place(name: str) -> tuple[int, int, str]:
        return KINDS.index(kinds[name]), known.get(name, len(known)), name

    return {name: kinds[name] for name in sorted(names, key=place)}
