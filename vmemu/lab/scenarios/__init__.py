"""Which scenarios there are: :data:`SCENARIOS` by name, in the order of docs/schemes.md."""

from __future__ import annotations

from vmemu.errors import ConfigError
from vmemu.lab.scenario import Scenario
from vmemu.lab.scenarios import fork, locking, mprotect, mremap, pressure, workload

__all__ = ["SCENARIOS", "find_scenario"]

SCENARIOS: dict[str, Scenario] = {
    scenario.name: scenario
    for scenario in (
        *pressure.SCENARIOS,
        *fork.SCENARIOS,
        *mremap.SCENARIOS,
        *mprotect.SCENARIOS,
        *locking.SCENARIOS,
        *workload.SCENARIOS,
    )
}


def find_scenario(name: str) -> Scenario:
    """The scenario called ``name``; ConfigError names one that may have been meant."""
    if name in SCENARIOS:
        return SCENARIOS[name]
    import difflib

    near = difflib.get_close_matches(name, SCENARIOS, 1)
    hint = f"did you mean {near[0]}?" if near else f"choose from {', '.join(SCENARIOS)}"
    raise ConfigError(f"unknown scenario {name!r}: {hint}")
