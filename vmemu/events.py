"""The events of a machine, as a sequence that shows itself."""

from __future__ import annotations

from typing import Any

from vmemu.core import Event
from vmemu.lab.table import Table

__all__ = ["Events"]

_SHOWN = 60


class Events(tuple[Event, ...]):
    """Events in their order; they stay when the machine goes on or is closed."""

    __slots__ = ()

    def table(self) -> Table:
        """A line for each."""
        return Table(Event._fields, self)

    def to_frame(self) -> Any:
        """The same as a pandas DataFrame; VmemuError without pandas."""
        return self.table().to_frame()

    def __repr__(self) -> str:
        if not self:
            return "<Events: none>"
        return f"<Events: {len(self)}, from {self[0].seq} {self[0].name} to {self[-1].name}>"

    def _repr_html_(self) -> str:
        shown = Table(Event._fields, self[:_SHOWN]).html()
        more = len(self) - _SHOWN
        return shown + (f"<p>and {more} more</p>" if more > 0 else "")
