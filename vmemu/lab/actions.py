"""What the lab does at a mark."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vmemu.lab.experiment import Visit

__all__ = [
    "age_caller",
    "age_twice_and_reclaim",
    "nothing",
    "reclaim_caller",
    "reclaim_children",
    "reclaim_twice",
]


def nothing(visit: Visit) -> None:
    """Only look."""


def reclaim_caller(visit: Visit) -> None:
    """Page out the area in the process that marks."""
    visit.reclaim(visit.task)


def reclaim_children(visit: Visit) -> None:
    """Page out the area in each child in turn, oldest first."""
    for child in visit.children():
        visit.reclaim(child)


def age_caller(visit: Visit) -> None:
    """Ask once for each page whether it was referenced."""
    visit.age(visit.task.mm)


def age_twice_and_reclaim(visit: Visit) -> None:
    """Two reclaim scans that find the pages referenced, then one that pages them out."""
    visit.age(visit.task.mm)
    visit.age(visit.task.mm)
    visit.reclaim(visit.task)


def reclaim_twice(visit: Visit) -> None:
    """Page the area out, which only makes its ptes old, and then again."""
    visit.reclaim(visit.task)
    visit.reclaim(visit.task)
