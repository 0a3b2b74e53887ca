"""Whether a directory is on a disk: swap on a file that is in RAM can hang the host.

Making room in RAM then needs room in RAM.  So what is not known to be a disk is refused: by
the filesystem, and by the block devices that it is on.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from bench.errors import BenchError

FILESYSTEMS = ("ext2", "ext3", "ext4", "xfs")
"""Those that take swap files without being prepared for it, and keep them on block devices."""
NOT_DISKS = re.compile(r"(zram|ram|pmem|loop|nbd)\d")
"""In RAM, or on a file or a server that may be."""


def unescaped(field: str) -> str:
    r"""A field of /proc/self/mountinfo, where a space is \040."""
    return re.sub(r"\\(\d{3})", lambda octal: chr(int(octal[1], 8)), field)


class Mount(NamedTuple):
    """A line of /proc/self/mountinfo."""

    point: Path
    device: str
    """MAJOR:MINOR"""
    filesystem: str


def filesystem(directory: Path, proc: Path = Path("/proc"), sysfs: Path = Path("/sys")) -> str:
    """The filesystem a directory is on, which is one on disks; BenchError."""
    resolved = directory.resolve()
    holding = [m for m in mounts(proc) if resolved.is_relative_to(m.point)]
    if not holding:
        raise BenchError(f"no mount holds {directory}")
    # of several at one place the last hides the others
    mount = max(enumerate(holding), key=lambda at: (len(at[1].point.parts), at[0]))[1]
    if mount.filesystem not in FILESYSTEMS:
        raise BenchError(
            f"swap on {mount.filesystem} could hang the host: {directory} must be on a disk, "
            f"under {' or '.join(FILESYSTEMS)}"
        )
    for device in devices(sysfs / "dev" / "block" / mount.device):
        if NOT_DISKS.match(device):
            raise BenchError(f"swap on {device} could hang the host: {directory} must be on a disk")
    return mount.filesystem


def mounts(proc: Path) -> Iterator[Mount]:
    """What is mounted where, in order."""
    for line in (proc / "self" / "mountinfo").read_text().splitlines():
        fields = line.split(" ")
        point = unescaped(fields[4])
        yield Mount(Path(point), fields[2], fields[fields.index("-") + 1])


def devices(node: Path) -> Iterator[str]:
    """Names of a block device and of those below it, as sysfs has them; BenchError."""
    if not node.exists():
        raise BenchError(f"there is no block device {node.name}: is what it holds on a disk?")
    node = node.resolve()
    if (node / "partition").exists():
        node = node.parent
    yield node.name
    if (node / "slaves").is_dir():
        for slave in sorted((node / "slaves").iterdir()):
            yield from devices(slave)
