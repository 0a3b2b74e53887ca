"""Kernel paths, run in every order that matters."""

from vmemu.explore.explorer import Explorer, Mode, Report, Violation
from vmemu.explore.scenario import Scenario, Settings, path
from vmemu.explore.schedule import Schedule

__all__ = [
    "Explorer",
    "Mode",
    "Report",
    "Scenario",
    "Schedule",
    "Settings",
    "Violation",
    "path",
]
