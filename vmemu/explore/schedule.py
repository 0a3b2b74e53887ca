"""A counterexample as a file: what was run, and who made each step."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from vmemu.core import I_MMAP
from vmemu.errors import ConfigError
from vmemu.explore.scenario import Settings
from vmemu.output import Output

__all__ = ["Schedule"]

_VERSION = 1


@dataclass(frozen=True)
class Schedule:
    """A scenario with its settings and, for each step, the path that makes it."""

    scenario: str
    settings: Settings
    paths: list[str]
    choices: bytes
    problems: list[str]

    def save(self, file: str) -> None:
        """Write JSON; ConfigError when that cannot be done."""
        Output(file).write(json.dumps(self.as_json(), indent=2) + "\n")

    def as_json(self) -> dict[str, Any]:
        """Plain values; ``choices`` is a digit for each step."""
        settings = self.settings
        return {
            "vmemu_schedule": _VERSION,
            "scenario": self.scenario,
            "set": settings.values,
            "rmap": settings.rmap,
            "vm_flags_lock": settings.vm_flags_lock,
            "mutations": settings.mutations,
            "i_mmap": settings.i_mmap,
            "paths": self.paths,
            "choices": "".join(map(str, self.choices)),
            "problems": self.problems,
        }

    @classmethod
    def load(cls, file: str) -> Self:
        """Read what save() wrote; ConfigError when it is something else."""
        try:
            data = json.loads(Path(file).read_text())
        except OSError as error:
            raise ConfigError(f"cannot read {file}: {error.strerror}") from None
        except ValueError:
            raise ConfigError(f"{file} is not a schedule: it is not JSON") from None
        if not isinstance(data, dict) or data.get("vmemu_schedule") != _VERSION:
            raise ConfigError(f"{file} is not a schedule of this version of vmemu")
        try:
            values = {str(name): int(value) for name, value in data["set"].items()}
            settings = Settings(
                str(data["rmap"]),
                str(data["vm_flags_lock"]),
                str(data["mutations"]),
                values,
                str(data.get("i_mmap", I_MMAP)),
            )
            choices = bytes(int(digit) for digit in data["choices"])
            paths, problems = list(data["paths"]), list(data["problems"])
            return cls(str(data["scenario"]), settings, paths, choices, problems)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise ConfigError(f"{file} is a damaged schedule: {error!r}") from None
