"""Resource limits that the memory manager does not own."""

from __future__ import annotations

import enum

RLIM_INFINITY = 0xFFFFFFFFFFFFFFFF
NR_OPEN = 4096
"""The highest hard limit of descriptors; 2.6 has 1048576."""


class Resource(enum.IntEnum):
    """RLIMIT_* of i386."""

    CPU = 0
    FSIZE = 1
    DATA = 2
    STACK = 3
    CORE = 4
    RSS = 5
    NPROC = 6
    NOFILE = 7
    MEMLOCK = 8
    AS = 9
    LOCKS = 10
    SIGPENDING = 11
    MSGQUEUE = 12
    NICE = 13
    RTPRIO = 14
    RTTIME = 15


MM_LIMITS = {
    Resource.DATA: "data",
    Resource.STACK: "stack",
    Resource.MEMLOCK: "memlock",
    Resource.AS: "as_",
}
"""Limits whose soft value lives in mm.rlimits, by attribute."""


MAX_QUEUED_SIGNALS = 1024
"""RLIMIT_SIGPENDING unless a program sets it: signals of all tasks that wait for delivery."""


MQ_BYTES_MAX = 819200
"""RLIMIT_MSGQUEUE unless a program sets it: bytes of all queues of a user."""


class ResourceLimits:
    """Soft limits of the other resources and all hard limits (bytes or counts)."""

    def __init__(self) -> None:
        self.soft = {
            Resource.NOFILE: 1024,
            Resource.CORE: 0,
            Resource.SIGPENDING: MAX_QUEUED_SIGNALS,
            Resource.MSGQUEUE: MQ_BYTES_MAX,
        }
        self.hard = {
            Resource.NOFILE: NR_OPEN,
            Resource.SIGPENDING: MAX_QUEUED_SIGNALS,
            Resource.MSGQUEUE: MQ_BYTES_MAX,
        }

    def copy(self) -> ResourceLimits:
        """Give a child its own."""
        child = ResourceLimits()
        child.soft, child.hard = dict(self.soft), dict(self.hard)
        return child

    @property
    def nofile(self) -> int:
        """RLIMIT_NOFILE: one more than the largest descriptor."""
        return self.soft.get(Resource.NOFILE, RLIM_INFINITY)

    @property
    def msgqueue(self) -> int:
        """RLIMIT_MSGQUEUE: bytes of all queues of a user."""
        return self.soft.get(Resource.MSGQUEUE, RLIM_INFINITY)

    @property
    def sigpending(self) -> int:
        """RLIMIT_SIGPENDING: how many signals may be queued, never more than are by default."""
        return min(self.soft.get(Resource.SIGPENDING, RLIM_INFINITY), MAX_QUEUED_SIGNALS)
