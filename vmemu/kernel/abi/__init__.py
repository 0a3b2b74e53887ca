"""What programs and kernel agree on, where the two widths differ: :func:`abi_of`.

One module for each, of the same shape; ``base`` says what is in it.
"""

from __future__ import annotations

from vmemu.kernel.abi.base import Abi

__all__ = ["Abi", "abi_of"]


def abi_of(bits: int) -> Abi:
    """The agreement for a width of 32 or 64 bits."""
    if bits == 64:
        from vmemu.kernel.abi import x86_64

        return x86_64.ABI
    from vmemu.kernel.abi import i386

    return i386.ABI
