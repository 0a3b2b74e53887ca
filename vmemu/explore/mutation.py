"""The near misses of docs/locking.md, as switches of the real code.

Most are bits that csrc tests; a, g and h are tested where Python makes the step.
"""

from __future__ import annotations

from vmemu.core import lib
from vmemu.errors import ConfigError

__all__ = ["MUTATIONS", "bits"]

MUTATIONS = {
    "a": "mlock makes the pages present before it stores VM_LOCKED",
    "b": "reclaim tests VM_LOCKED before it takes page_table_lock",
    "c": "reclaim tests VM_LOCKED of nonlinear areas under i_mmap_lock only, as 2.6 does",
    "d": "reclaim marks areas it works on in vm_flags, without mmap_sem",
    "f": "try_to_unmap takes a page although somebody else holds a reference",
    "g": "mprotect changes the ptes before it stores vm_page_prot",
    "h": "mlock holds page_table_lock over get_user_pages",
}

_NOT_SWITCHES = {
    "e": "mutation e is no mutation: after a failed fault VM_LOCKED stays set, as in 2.6.6",
}


def bits(letters: str) -> int:
    """``m.watch.mutations`` for letters such as "a" or "bf"; ConfigError for one there is not."""
    found = 0
    for letter in letters:
        if letter in _NOT_SWITCHES:
            raise ConfigError(_NOT_SWITCHES[letter])
        if letter not in MUTATIONS:
            raise ConfigError(
                f"there is no mutation {letter!r}: choose from {', '.join(MUTATIONS)}"
            )
        found |= getattr(lib, f"MUTATE_{letter}")
    return found
