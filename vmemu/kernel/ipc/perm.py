"""What things of System V have in common: ids, keys and permissions (ipc/util.c)."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar

from vmemu.errors import Errno
from vmemu.kernel.process.cred import Cap

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from vmemu.kernel.process.cred import Cred

__all__ = [
    "IPCMNI",
    "IPC_CREAT",
    "IPC_EXCL",
    "IPC_NOWAIT",
    "R_ALL",
    "W_ALL",
    "Ids",
    "Perm",
    "Told",
]

IPC_CREAT, IPC_EXCL, IPC_NOWAIT = 0o1000, 0o2000, 0o4000
R_ALL, W_ALL = 0o444, 0o222
"""S_IRUGO, S_IWUGO."""
IPCMNI = 32768
"""Indices that there are; an id is one of them and how often any was given before."""
_SEQ_MAX = 0xFFFF


class Told(NamedTuple):
    """What IPC_SET reads of a structure's permissions."""

    uid: int
    gid: int
    mode: int


class Perm:
    """struct kern_ipc_perm: what has an id, and perhaps a key."""

    def __init__(self, key: int, mode: int, cred: Cred) -> None:
        self.key = key
        self.id = -1
        self.seq = 0
        self.uid = self.cuid = cred.user.effective
        self.gid = self.cgid = cred.group.effective
        self.mode = mode
        """Permissions, and what else the kind of thing keeps there."""

    def permit(self, mode: int, cred: Cred) -> None:
        """Errno EACCES unless it may be used so (ipcperms)."""
        wanted = mode >> 6 | mode >> 3 | mode
        groups = (cred.group.effective, *cred.groups)
        granted = self.mode
        if cred.user.effective in (self.cuid, self.uid):
            granted >>= 6
        elif self.cgid in groups or self.gid in groups:
            granted >>= 3
        if wanted & ~granted & 7 and not cred.capable(Cap.IPC_OWNER):
            raise Errno(errno.EACCES)

    def check_owner(self, cred: Cred, cap: int = Cap.SYS_ADMIN) -> None:
        """Errno EPERM unless it is one's own, or one may do as if."""
        if cred.user.effective not in (self.cuid, self.uid) and not cred.capable(cap):
            raise Errno(errno.EPERM)

    def update_perm(self, told: Told) -> None:
        """Another owner and other permissions (ipc_update_perm); Errno EINVAL for no user's id."""
        if 0xFFFFFFFF in (told.uid, told.gid):
            raise Errno(errno.EINVAL)
        self.uid, self.gid = told.uid, told.gid
        self.mode = self.mode & ~0o777 | told.mode & 0o777

    @property
    def signed_key(self) -> int:
        """The key as /proc/sysvipc tells it."""
        return self.key if self.key < 1 << 31 else self.key - (1 << 32)


P = TypeVar("P", bound=Perm)


class Ids(Generic[P]):
    """All things of a kind, by index (struct ipc_ids)."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        """How many there may be."""
        self.next_id = -1
        """The id that the next one is to have; -1: whatever comes (ipc_ids.next_id)."""
        self._things: dict[int, P] = {}
        self._keys: dict[int, P] = {}
        self._seq = 0
        self._low = 0
        """No index below is free."""

    def __len__(self) -> int:
        return len(self._things)

    def __iter__(self) -> Iterator[P]:
        return iter(tuple(self._things.values()))

    @property
    def max_index(self) -> int:
        """The highest index in use, 0 when there is none."""
        return max(self._things, default=0)

    def by_index(self) -> list[P]:
        """All of them in the order of their indices, as /proc/sysvipc tells them."""
        return [self._things[index] for index in sorted(self._things)]

    def get(self, number: int) -> P:
        """Find one by its id; Errno EINVAL."""
        found = self._things.get(number % IPCMNI) if number >= 0 else None
        if found is None or found.id != number:
            raise Errno(errno.EINVAL)
        return found

    def at(self, index: int) -> P:
        """Find one by its index, that of an id if need be; Errno EINVAL."""
        try:
            return self._things[index % IPCMNI]
        except KeyError:
            raise Errno(errno.EINVAL) from None

    def told(self, number: int, cred: Cred, *, by_index: bool, anyone: bool) -> P:
        """Find one to tell of, by id or index; Errno EINVAL, EACCES unless anyone may ask."""
        found = self.at(number) if by_index else self.get(number)
        if not anyone:
            found.permit(R_ALL, cred)
        return found

    def owned(self, number: int, cred: Cred) -> P:
        """Find one that is to be changed or to go, by its id; Errno EINVAL, EPERM."""
        found = self.get(number)
        found.check_owner(cred)
        return found

    def open(
        self, key: int, flags: int, cred: Cred, make: Callable[[], P], check: Callable[[P], None]
    ) -> P:
        """Find what has a key, or make it (ipcget).

        make raises what keeps it from being made, check what is wrong with what there is.  Errno
        EEXIST, ENOENT; EACCES for one whose mode does not have what flags have.
        """
        found = self._keys.get(key)
        if found is None:
            if key and not flags & IPC_CREAT:
                raise Errno(errno.ENOENT)
            return make()
        if flags & IPC_CREAT and flags & IPC_EXCL:
            raise Errno(errno.EEXIST)
        check(found)
        found.permit(flags, cred)
        return found

    def check_room(self) -> None:
        """Errno ENOSPC when there are as many as may be."""
        if len(self._things) >= self.limit:
            raise Errno(errno.ENOSPC)

    def add(self, thing: P) -> None:
        """Give it an id (ipc_addid)."""
        first = self._low
        if self.next_id >= 0:
            thing.seq, first = divmod(self.next_id, IPCMNI)
            self.next_id = -1
        else:
            thing.seq, self._seq = self._seq, (self._seq + 1) % (_SEQ_MAX + 1)
        places = (i % IPCMNI for i in range(first, first + IPCMNI))
        index = next(i for i in places if i not in self._things)
        if first == self._low:
            self._low = index + 1
        thing.id = thing.seq * IPCMNI + index
        self._things[index] = thing
        if thing.key:
            self._keys[thing.key] = thing

    def forget_key(self, thing: P) -> None:
        """Nobody finds it by its key any more (ipc_set_key_private)."""
        self._keys.pop(thing.key, None)
        thing.key = 0

    def remove(self, thing: P) -> None:
        """Nobody finds it any more (ipc_rmid)."""
        self._keys.pop(thing.key, None)
        index = thing.id % IPCMNI
        del self._things[index]
        self._low = min(self._low, index)
