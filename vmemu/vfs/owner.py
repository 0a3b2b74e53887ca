"""Whose files of the host are, as guests see it."""

from __future__ import annotations

import errno
import os

from vmemu.errors import Errno
from vmemu.kernel.hold import ENTRY_BYTES, HostMemory

__all__ = ["Owners"]


class Owners:
    """Users and groups by device and inode, where the host has others or would not change them."""

    def __init__(self, hold: HostMemory) -> None:
        self._hold = hold
        self._kept: dict[tuple[int, int], tuple[int, int]] = {}

    @property
    def held(self) -> int:
        """Bytes that guests make the host hold for it."""
        return len(self._kept) * ENTRY_BYTES

    def told(self, host: os.stat_result) -> tuple[int, int]:
        """User and group: what belongs to whoever runs vmemu belongs to root."""
        kept = self._kept.get((host.st_dev, host.st_ino)) if self._kept else None
        return kept or (
            0 if host.st_uid == os.getuid() else host.st_uid,
            0 if host.st_gid == os.getgid() else host.st_gid,
        )

    def own(self, host: os.stat_result, uid: int, gid: int) -> None:
        """Let it be theirs, if the host says otherwise; Errno ENOSPC."""
        self.disown(host)
        if self.told(host) == (uid, gid):
            return
        if not self._hold.try_charge(ENTRY_BYTES):
            raise Errno(errno.ENOSPC)
        self._kept[host.st_dev, host.st_ino] = uid, gid

    def disown(self, host: os.stat_result) -> None:
        """The host says whose it is, or it has gone."""
        if self._kept.pop((host.st_dev, host.st_ino), None) is not None:
            self._hold.uncharge(ENTRY_BYTES)
