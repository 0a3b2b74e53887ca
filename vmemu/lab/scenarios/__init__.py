"""Which scenarios there are: :data:`SCENARIOS` by name, in the order of docs/schemes.md.

:func:`find_scenario` finds those of others too: :mod:`vmemu.lab.reference` says where.
"""

from __future__ import annotations

import dataclasses

from vmemu.lab.scenario import Scenario
from vmemu.lab.scenarios import files, fork, locking, mprotect, mremap, pressure, workload

__all__ = ["SCENARIOS", "files_of", "find_scenario", "scenario_names", "scenarios"]

SCENARIOS: dict[str, Scenario] = {
    scenario.name: dataclasses.replace(scenario, origin=scenario.name)
    for scenario in (
        *pressure.SCENARIOS,
        *fork.SCENARIOS,
        *mremap.SCENARIOS,
        *mprotect.SCENARIOS,
        *files.SCENARIOS,
        *locking.SCENARIOS,
        *workload.SCENARIOS,
    )
}


def scenario_names() -> list[str]:
    """The names of every scenario, those of entry points included, which are not loaded."""
    from vmemu.lab.reference import installed

    return [*SCENARIOS, *installed()]


def scenarios() -> dict[str, Scenario]:
    """Every scenario by name; ConfigError for an entry point that cannot be loaded."""
    return {name: find_scenario(name) for name in scenario_names()}


def find_scenario(reference: str) -> Scenario:
    """The scenario that a reference names; ConfigError in one sentence if there is none.

    That is a name, of vmemu's own or of an entry point, ``FILE.py:NAME``, ``FILE.toml:NAME`` or
    ``MODULE:NAME``; a file's only scenario need not be named.  What a module raises when it is
    loaded, and what cannot be in a scenario, is told with its line.
    """
    if reference in SCENARIOS:
        return SCENARIOS[reference]
    from vmemu.lab.reference import find

    return find(reference)


def files_of(scenario: Scenario) -> list[str]:
    """The absolute paths of a user's files that a scenario depends on; none of vmemu's own.

    They are the file that defines it with what that imports from beside it, and the guest's
    source with its headers, or its program.
    """
    if SCENARIOS.get(scenario.name) is scenario:
        return []
    from vmemu.lab.reference import scenario_files

    return scenario_files(scenario)
