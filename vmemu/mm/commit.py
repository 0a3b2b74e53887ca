"""What memory has been promised: overcommit (``security_vm_enough_memory`` of 2.6.7)."""

from __future__ import annotations

import errno

from vmemu.core import Core, lib
from vmemu.errors import Errno

__all__ = ["Commit", "Promise"]


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

    def promise(self, pages: int) -> Promise:
        """Promise pages for good, unless what is done ``with`` it raises Errno; Errno ENOMEM."""
        return Promise(self, pages)


class Promise:
    """Pages that are promised, and given back if Errno ends what they are for.

    A class, not a generator: mremap and mprotect make one for each call.
    """

    __slots__ = ("_commit", "_pages")

    def __init__(self, commit: Commit, pages: int) -> None:
        self._commit, self._pages = commit, pages

    def __enter__(self) -> None:
        """Promise them."""
        self._commit.acct(self._pages)

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        """Give them back after an Errno."""
        if kind is not None and issubclass(kind, Errno):
            self._commit.unacct(self._pages)
