"""Random calls on files: tmpfs and a directory of the host answer as the host itself does.

Everything happens many directories deep, so that whatever `..` leads to is still in the tree.
Links lead upwards by one name at most, and a walk follows 40 of them.
"""

from __future__ import annotations

import random
import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from filing import (
    AT_FDCWD,
    O_APPEND,
    O_CREAT,
    O_DIRECTORY,
    O_EXCL,
    O_NOFOLLOW,
    O_RDONLY,
    O_RDWR,
    O_TRUNC,
    O_WRONLY,
    OUT,
    Answer,
    Filing,
    names,
)

DEPTH = 120
CALLS = 250
SEEDS = range(12)
_NAMES = ("a", "b", "c", "d", "e")
_STATS = ("stat", "lstat", "fstat")


class Draw:
    """Draws calls on a small tree."""

    def __init__(self, seed: int, bits: int) -> None:
        self.rng = random.Random(seed)
        self.filing = Filing(bits)
        self.shown: dict[int, str] = {}
        """Calls whose buffer counts, by index, and how it is to be read."""
        self.filing.call("umask", 0o22)
        for _ in range(DEPTH):
            self.filing.call("mkdir", "n", 0o755)
            self.filing.call("chdir", "n")
        for _ in range(CALLS):
            self._one()

    def path(self) -> str:
        rng = self.rng
        parts = [rng.choice(_NAMES) for _ in range(rng.choice([1, 1, 1, 2, 2, 3]))]
        if rng.random() < 0.15:
            parts.insert(rng.randrange(len(parts) + 1), rng.choice([".", "..", ""]))
        path = "/".join(parts)
        if path.startswith("/"):
            path = path[1:]
        if rng.random() < 0.1:
            path += "/"
        if rng.random() < 0.01:
            path = rng.choice(["", "x" * 255, "x" * 256, "a/" + "x" * 300, "."])
        return path

    def fd(self) -> int:
        return self.rng.randrange(3, 12)

    def dirfd(self) -> int:
        return AT_FDCWD if self.rng.random() < 0.6 else self.fd()

    def size(self) -> int:
        return self.rng.choice([0, 1, 5, 100, 4095, 4096, 4097, 9000, 20000, -1])

    def _one(self) -> None:
        kinds = [name for name in dir(self) if name.startswith("do_")]
        weights = [
            {"do_open": 8, "do_mkdir": 3, "do_write": 4, "do_read": 4}.get(k, 1) for k in kinds
        ]
        getattr(self, self.rng.choices(kinds, weights)[0])()

    def do_open(self) -> None:
        rng = self.rng
        flags = rng.choice([O_RDONLY, O_RDONLY, O_WRONLY, O_RDWR, O_RDWR])
        for flag, chance in (
            (O_CREAT, 0.6), (O_EXCL, 0.1), (O_TRUNC, 0.15), (O_APPEND, 0.15), (O_NOFOLLOW, 0.1),
        ):  # fmt: skip
            flags |= flag if rng.random() < chance else 0
        if not flags & O_CREAT and rng.random() < 0.4:
            flags |= O_DIRECTORY
        self.filing.call("openat", self.dirfd(), self.path(), flags, rng.choice([0o644, 0o755]))

    def do_close(self) -> None:
        self.filing.call("close", self.fd())

    def do_mkdir(self) -> None:
        self.filing.call("mkdirat", self.dirfd(), self.path(), 0o777)

    def do_rmdir(self) -> None:
        self.filing.call("rmdir", self.path())

    def do_unlink(self) -> None:
        flags = self.rng.choice([0, 0, 0x200])
        self.filing.call("unlinkat", self.dirfd(), self.path(), flags)

    def do_rename(self) -> None:
        self.filing.call("rename", self.path(), self.path())

    def do_renameat2(self) -> None:
        flags = self.rng.choice([0, 1, 4])
        self.filing.call(
            "renameat2", self.dirfd(), self.path(), self.dirfd(), self.path(), flags & 1
        )

    def do_link(self) -> None:
        self.filing.call(
            "linkat", self.dirfd(), self.path(), self.dirfd(), self.path(),
            self.rng.choice([0, 0x400]),
        )  # fmt: skip

    def do_symlink(self) -> None:
        target = self.rng.choice([*_NAMES, "a/b", "../a", "../b/c", "./c", "c/", "."])
        self.filing.call("symlink", target, self.path())

    def do_readlink(self) -> None:
        at = self.filing.call("readlink", self.path(), OUT, 60, dump=64)
        self.shown[at] = "bytes"

    def do_stat(self) -> None:
        name = self.rng.choice(_STATS)
        at = self.filing.stat(name, self.fd() if name == "fstat" else self.path())
        self.shown[at] = "stat"

    def do_access(self) -> None:
        self.filing.call("faccessat", self.dirfd(), self.path(), self.rng.choice([0, 4, 2, 6]))

    def do_chmod(self) -> None:
        self.filing.call("chmod", self.path(), self.rng.choice([0o600, 0o755, 0o1777]))

    def do_write(self) -> None:
        data = self.rng.randbytes(self.rng.choice([0, 3, 200, 5000]))[:5000]
        data = bytes([self.rng.randrange(256)]) * len(data)
        self.filing.call("write", self.fd(), data or 0x60000000, len(data))

    def do_pwrite(self) -> None:
        data = bytes([self.rng.randrange(256)]) * self.rng.choice([1, 300, 4096])
        offset = self.filing.offset(self.size())
        self.filing.call("pwrite64", self.fd(), data, len(data), *offset)

    def do_read(self) -> None:
        count = self.rng.choice([0, 1, 100, 8000])
        at = self.filing.call("read", self.fd(), OUT, count, dump=count)
        self.shown[at] = "bytes"

    def do_pread(self) -> None:
        offset = self.filing.offset(self.size())
        at = self.filing.call("pread64", self.fd(), OUT, 5000, *offset, dump=5000)
        self.shown[at] = "bytes"

    def do_seek(self) -> None:
        fd = self.fd()
        at = self.filing.call("lseek", fd, self.size(), self.rng.choice([0, 1, 2, 9]))
        self.shown[at] = "seek"
        self.shown[self.filing.stat("fstat", fd)] = "stat"

    def do_truncate(self) -> None:
        self.filing.call("truncate", self.path(), self.size())

    def do_ftruncate(self) -> None:
        self.filing.call("ftruncate", self.fd(), self.size())

    def do_fallocate(self) -> None:
        mode = self.rng.choice([0, 1, 3, 2])
        span = self.filing.offset(self.size(), self.size())
        self.filing.call("fallocate", self.fd(), mode, *span)

    def do_list(self) -> None:
        fd = self.fd()
        self.filing.call("lseek", fd, 0, 0)
        at = self.filing.call("getdents64", fd, OUT, 1024, dump=1024)
        self.shown[at] = "names"

    def do_dup(self) -> None:
        self.filing.call("dup", self.fd())

    def do_sync(self) -> None:
        self.filing.call("fsync", self.fd())

    def do_times(self) -> None:
        self.filing.call("utimensat", self.dirfd(), self.path(), 0, self.rng.choice([0, 0x100]))

    def do_chown(self) -> None:
        self.filing.call("fchownat", self.dirfd(), self.path(), -1, -1, 0x100)


def seen(draw: Draw, index: int, answer: Answer) -> object:
    """What of an answer must be the same everywhere."""
    how, result = draw.shown.get(index), answer.result
    if how in (None, "seek") or result < 0:
        return result
    if how == "bytes":
        return result, answer.out
    if how == "names":
        return names(draw.filing.bits, answer.out)
    told = draw.filing.told(answer)
    if stat.S_ISDIR(told.mode):
        return told.mode
    return told


@pytest.fixture
def deep() -> Iterator[Path]:
    """An empty directory, in tmpfs where there is one."""
    shm = Path("/dev/shm")
    place = shm if shm.is_dir() else None
    path = Path(tempfile.mkdtemp(prefix="vmemu-files-", dir=place))
    yield path
    shutil.rmtree(path)


def differences(draw: Draw, ours: list[Answer], hosts: list[Answer]) -> list[str]:
    found = []
    for index, (our, host) in enumerate(zip(ours, hosts, strict=True)):
        mine, theirs = seen(draw, index, our), seen(draw, index, host)
        after = hosts[index + 1] if draw.shown.get(index) == "seek" else None
        if after is not None and not after.result and stat.S_ISDIR(draw.filing.told(after).mode):
            continue  # places in directories are each file system's own
        if mine != theirs:
            found.append(
                f"{index}: {draw.filing.describe(index)}: {mine!r:.60}, not {theirs!r:.60}"
            )
    return found


@pytest.mark.native
@pytest.mark.parametrize("bits", [32, 64])
@pytest.mark.parametrize("seed", SEEDS)
def test_tmpfs_answers_as_the_host(seed: int, bits: int, tmp_path: Path, deep: Path) -> None:
    draw = Draw(seed, bits)
    try:
        hosts = draw.filing.native(tmp_path, deep)
    except OSError as error:
        pytest.skip(f"the host does not execute programs of {bits} bits: {error}")
    ours = draw.filing.run(tmp_path)
    assert differences(draw, ours, hosts) == []
    assert sum(answer.result >= 0 for answer in hosts[2 * DEPTH :]) > CALLS // 15


@pytest.mark.native
@pytest.mark.parametrize("seed", SEEDS)
def test_a_directory_of_the_host_answers_as_it_does_itself(
    seed: int, tmp_path: Path, deep: Path
) -> None:
    draw, root = Draw(seed, 64), deep / "root"
    root.mkdir()
    hosts = draw.filing.native(tmp_path, deep)
    ours = draw.filing.run(tmp_path, root=root, root_rw=True)
    assert differences(draw, ours, hosts) == []
