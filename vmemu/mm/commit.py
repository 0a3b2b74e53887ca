"""What memory has been promised: overcommit (``security_vm_enough_memory`` of 2.6.7)."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from vmemu.core import Core, lib
from vmemu.errors import Errno

__all__ = ["Commit"]


class Commit:
    """Pages that may be written and that nobody else writes: each must find a place one day.

    ``mode`` and ``ratio`` (percent) are sysctl vm.overcommit_memory and vm.overcommit_ratio.
    """

    def __init__(self, core: Core, mode: int = lib.OVERCOMMIT_GUESS, ratio: int = 50) -> None:
        self._core, self._m = core, core.m
        self._m.overcommit_memory = mode
        self._m.overcommit_ratio = ratio

    @property
    def pages(self) -> int:
        """Pages promised by now (``vm_committed_space``)."""
        return int(self._m.vm_committed)

    @property
    def mode(self) -> int:
        """sysctl vm.overcommit_memory."""
        return int(self._m.overcommit_memory)

    @property
    def ratio(self) -> int:
        """sysctl vm.overcommit_ratio, percent."""
        return int(self._m.overcommit_ratio)

    def acct(self, pages: int) -> None:
        """Promise pages (``security_vm_enough_memory``); Errno ENOMEM."""
        if self._core.lib.vm_enough_memory(self._m, pages):
            raise Errno(errno.ENOMEM)

    def unacct(self, pages: int) -> None:
        """Take back a promise (``vm_unacct_memory``)."""
        self._m.vm_committed -= pages

    def move(self, pages: int) -> None:
        """Promise without asking what is taken back from elsewhere in a moment."""
        self._m.vm_committed += pages

    @contextmanager
    def promise(self, pages: int) -> Iterator[None]:
        """Promise pages, for good unless what follows raises Errno; Errno ENOMEM."""
        self.acct(pages)
        try:
            yield
        except Errno:
            self.unacct(pages)
            raise
