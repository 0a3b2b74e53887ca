"""Who a task is: users, groups and capabilities (struct cred), and how they may change.

A task's is replaced, never changed, so that a child may have its parent's.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, NamedTuple

from vmemu.errors import Errno

if TYPE_CHECKING:
    from vmemu.kernel.program.exec import Credentials

__all__ = ["ALL_CAPS", "CAP_LAST_CAP", "ROOT", "Cap", "Cred", "Ids", "narrow"]

CAP_LAST_CAP = 40
ALL_CAPS = (1 << CAP_LAST_CAP + 1) - 1
KEEP = -1
"""An id that is to stay as it is."""


_OVERFLOW = 65534


def narrow(number: int) -> int:
    """An id as calls with 16 bits tell it (high2lowuid)."""
    return number if number <= 0xFFFF else _OVERFLOW


class Cap:
    """Numbers of the capabilities that anything asks for."""

    CHOWN = 0
    DAC_OVERRIDE = 1
    DAC_READ_SEARCH = 2
    FOWNER = 3
    FSETID = 4
    KILL = 5
    SETGID = 6
    SETUID = 7
    SETPCAP = 8
    IPC_LOCK = 14
    IPC_OWNER = 15
    SYS_CHROOT = 18
    SYS_PTRACE = 19
    SYS_ADMIN = 21
    SYS_NICE = 23
    SYS_RESOURCE = 24
    SYS_TIME = 25
    MKNOD = 27
    CHECKPOINT_RESTORE = 40


_FS_CAPS = sum(1 << cap for cap in (0, 1, 2, 3, 4, 9, 27, 32))
"""What goes with fsuid 0: CHOWN to FSETID, LINUX_IMMUTABLE, MKNOD, MAC_OVERRIDE."""


class Ids(NamedTuple):
    """A user's, or a group's: real, effective, saved, and the one for files."""

    real: int
    effective: int
    saved: int
    fs: int

    @classmethod
    def all(cls, number: int) -> Ids:
        """The same in all."""
        return cls(number, number, number, number)

    def set(self, number: int, *, free: bool) -> Ids:
        """setuid(), setgid(): all of them if one is free to, else the effective one."""
        if free:
            return Ids.all(number)
        if number not in (self.real, self.saved):
            raise Errno(errno.EPERM)
        return self._replace(effective=number, fs=number)

    def set_re(self, real: int, effective: int, *, free: bool) -> Ids:
        """setreuid(), setregid()."""
        if real != KEEP and not free and real not in (self.real, self.effective):
            raise Errno(errno.EPERM)
        if effective != KEEP and not free and effective not in self[:3]:
            raise Errno(errno.EPERM)
        own = self.real if real == KEEP else real
        new = self.effective if effective == KEEP else effective
        saves = real != KEEP or (effective != KEEP and effective != self.real)
        return Ids(own, new, new if saves else self.saved, new)

    def set_res(self, real: int, effective: int, saved: int, *, free: bool) -> Ids:
        """setresuid(), setresgid()."""
        wanted = (real, effective, saved)
        if not free and any(each != KEEP and each not in self[:3] for each in wanted):
            raise Errno(errno.EPERM)
        changed = any(new not in (KEEP, old) for old, new in zip(self[:3], wanted, strict=True))
        if not changed and effective in (KEEP, self.fs):
            return self  # as since 6.4; before, the one for files followed the effective one
        real, effective, saved = (
            old if new == KEEP else new for old, new in zip(self[:3], wanted, strict=True)
        )
        return Ids(real, effective, saved, effective)

    def set_fs(self, number: int, *, free: bool) -> Ids:
        """setfsuid(), setfsgid(), which say nothing of what they refuse."""
        return self._replace(fs=number) if free or number in self else self


class Cred(NamedTuple):
    """Who somebody is."""

    user: Ids = Ids.all(0)
    group: Ids = Ids.all(0)
    groups: tuple[int, ...] = ()
    permitted: int = ALL_CAPS
    effective: int = ALL_CAPS
    inheritable: int = 0
    bounding: int = ALL_CAPS
    keep: bool = False
    """Permitted capabilities stay when no id is root's any more (PR_SET_KEEPCAPS)."""

    @classmethod
    def of(cls, given: Credentials) -> Cred:
        """That of a program which is started from outside."""
        caps = ALL_CAPS if not given.uid else 0
        return cls(Ids.all(given.uid), Ids.all(given.gid), permitted=caps, effective=caps)

    def capable(self, cap: int) -> bool:
        """It may do what the capability is about."""
        return bool(self.effective >> cap & 1)

    def for_access(self) -> Cred:
        """Who access() asks for: the real ids, with what root or another may do."""
        return self._replace(
            user=self.user._replace(fs=self.user.real),
            group=self.group._replace(fs=self.group.real),
            effective=0 if self.user.real else self.permitted,
        )

    def with_user(self, new: Ids) -> Cred:
        """Other users, and what that does to capabilities (cap_emulate_setxuid)."""
        old, permitted, effective = self.user, self.permitted, self.effective
        if 0 in old[:3] and 0 not in new[:3] and not self.keep:
            permitted = effective = 0
        if old.effective == 0 != new.effective:
            effective = 0
        elif old.effective != 0 == new.effective:
            effective = permitted
        return self._replace(user=new, permitted=permitted, effective=effective)

    def with_fs_user(self, new: Ids) -> Cred:
        """Another user for files, and what that does to capabilities."""
        effective = self.effective
        if self.user.fs == 0 != new.fs:
            effective &= ~_FS_CAPS
        elif self.user.fs != 0 == new.fs:
            effective |= _FS_CAPS & self.permitted
        return self._replace(user=new, effective=effective)

    @property
    def secure(self) -> bool:
        """It is not whoever started it: a program is not to trust its environment (AT_SECURE)."""
        return (self.user.effective, self.group.effective) != (self.user.real, self.group.real)

    def executes(self, uid: int | None = None, gid: int | None = None) -> Cred:
        """What is left of it in a new program, or what that gives (cap_bprm_creds).

        uid, gid: whose the program is, if it is setuid, or setgid.
        """
        user, group = self.user, self.group
        user = user if uid is None else user._replace(effective=uid)
        group = group if gid is None else group._replace(effective=gid)
        permitted = effective = 0
        if 0 in (user.real, user.effective):
            permitted = self.bounding | self.inheritable
            effective = permitted if user.effective == 0 else 0
        return self._replace(
            user=Ids(user.real, user.effective, user.effective, user.effective),
            group=Ids(group.real, *(group.effective,) * 3),
            permitted=permitted,
            effective=effective,
            keep=False,
        )


ROOT = Cred()
"""Who may do everything."""
