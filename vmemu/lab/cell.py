"""One run, told in plain text and numbers: what a sweep hands to whoever runs it.

A cell can be pickled, sent elsewhere and written down; run twice, it gives the same record
but for the host's time.
"""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vmemu.lab.record import parameter_column

if TYPE_CHECKING:
    from vmemu.lab.record import Value
    from vmemu.lab.scenario import Value as Parametric

__all__ = ["Cell", "failed", "run_cell", "run_cell_bytes"]


@dataclass(frozen=True)
class Cell:
    """A scenario, all its parameters, a reverse map, and the machine's settings.

    ``scenario`` and ``scheme`` are references, as `find_scenario` and `scheme_class` take
    them; ``settings`` are the Machine's, those that are not its defaults, sorted by name.
    """

    scenario: str
    params: tuple[tuple[str, Parametric], ...]
    scheme: str
    settings: tuple[tuple[str, Any], ...] = ()

    def __str__(self) -> str:
        """As one would write it on a command line."""
        words = [self.scenario, *(f"{name}={value}" for name, value in self.params), self.scheme]
        return " ".join([*words, *(f"{name}={value}" for name, value in self.settings)])

    def key(self, build: str) -> str:
        """32 hex digits that say which cell it is, of which build of vmemu.

        Files of the user count by what is in them, not by where they are.
        """
        told = [
            build,
            _named(self.scenario, "scenario"),
            list(map(list, self.params)),
            _named(self.scheme, "scheme"),
            list(map(list, self.settings)),
        ]
        return hashlib.sha256(json.dumps(told).encode()).hexdigest()[:32]

    def as_json(self) -> dict[str, Any]:
        """A plain object; `of_json` takes it back."""
        return {
            "scenario": self.scenario,
            "params": dict(self.params),
            "scheme": self.scheme,
            "settings": dict(self.settings),
        }

    def as_bytes(self) -> bytes:
        """The same as JSON, as `run_cell_bytes` takes it."""
        return json.dumps(self.as_json(), separators=(",", ":")).encode()

    @classmethod
    def of_json(cls, told: Mapping[str, Any]) -> Cell:
        """The cell that `as_json` gave."""
        params, settings = tuple(told["params"].items()), tuple(told["settings"].items())
        return cls(told["scenario"], params, told["scheme"], settings)


@functools.cache
def _named(reference: str, kind: str) -> list[str]:
    """What stands for a scenario or a scheme in a key: its name, and digests of its files.

    A file may have several scenarios of one name: its variable counts too.
    """
    from vmemu import rmap
    from vmemu.lab import scenarios

    told: list[bytes] = []
    if kind == "scenario":
        scenario = scenarios.find_scenario(reference)
        files = scenarios.files_of(scenario)
        names = [scenario.name, scenario.origin.rpartition(":")[2]]
        file, _, own = reference.rpartition(":")
        if file.endswith(".toml"):  # the rest of the file may change
            from vmemu.sweep.experiment_file import definition

            files = [path for path in files if not path.endswith(".toml")]
            told.append(definition(file, own).encode())
    else:
        names, files = [reference], rmap.files_of(reference)
    told += [Path(path).read_bytes() for path in files]
    return [*names, *(hashlib.sha256(text).hexdigest() for text in told)]


def run_cell(cell: Cell) -> dict[str, Value]:
    """Run it here and now; its flat record.

    Raises what `run_scenario` raises, and whatever a scheme or scenario of the user does.
    """
    from vmemu.lab.outcome import run_outcome
    from vmemu.lab.scenarios import find_scenario

    scenario = find_scenario(cell.scenario)
    return run_outcome(scenario, dict(cell.params), cell.scheme, dict(cell.settings)).to_record()


def failed(cell: Cell, failure: str, reason: str) -> dict[str, Value]:
    """The record of a cell that gave no result: what it was, and why.

    ``failure`` is time, memory, guest, scheme, refused, bug or died.
    """
    from vmemu.build_id import provenance
    from vmemu.lab.experiment import settings_record
    from vmemu.lab.scenarios import find_scenario

    scenario = find_scenario(cell.scenario)
    return {
        "status": "failed",
        "failure": failure,
        "reason": reason,
        "scenario": scenario.name,
        "scheme": cell.scheme,
        **{parameter_column(name): value for name, value in cell.params},
        **provenance(),
        **settings_record(scenario, dict(cell.params), dict(cell.settings)),
    }


def run_cell_bytes(told: bytes) -> bytes:
    """`run_cell` for a process elsewhere: a cell as JSON, and its record as JSON."""
    record = run_cell(Cell.of_json(json.loads(told)))
    return json.dumps(record, separators=(",", ":")).encode()
