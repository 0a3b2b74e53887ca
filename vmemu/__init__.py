"""vmemu: an x86 user-space virtual-memory emulator with exchangeable reverse maps.

:class:`Machine` is the way in.
"""

from __future__ import annotations

from vmemu.errors import ConfigError, ExecError, KernelBug, VmemuError

TYPE_CHECKING = False  # typing takes longer to import than all of this
if TYPE_CHECKING:
    from vmemu.machine import Machine

__all__ = ["ConfigError", "ExecError", "KernelBug", "Machine", "VmemuError", "__version__"]

__version__ = "0.1.0"


def __getattr__(name: str) -> object:
    """Import the machine only when it is asked for: errors and the version are cheap."""
    if name == "Machine":
        from vmemu.machine import Machine

        return Machine
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
