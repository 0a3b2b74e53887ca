"""The events of a machine, as a sequence that shows itself."""

from __future__ import annotations

from typing import Any, SupportsIndex, overload

from vmemu.core import Event
from vmemu.lab.table import Table

__all__ = ["Events"]

_SHOWN = 60


class Events(tuple[Event, ...]):
    """Events in their order; they stay when the machine goes on or is closed."""

    __slots__ = ()

    @overload
    def __getitem__(self, index: SupportsIndex) -> Event: ...
    @overload
    def __getitem__(self, index: slice) -> Events: ...
    def __getitem__(self, index: Any) -> Any:
        found = super().__getitem__(index)
        return Events(found) if isinstance(index, slice) else found

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
