"""Attempts to reach what lies outside a machine's root: none gets there.

Beside the root lies a directory with a secret.  Whatever a guest tries, the secret is in none
of its buffers, and the directory is as it was.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from filing import (
    AT_FDCWD,
    O_CREAT,
    O_DIRECTORY,
    O_NOFOLLOW,
    O_RDONLY,
    O_RDWR,
    O_TRUNC,
    O_WRONLY,
    OUT,
    Filing,
)

from vmemu.vfs import beneath

SECRET = b"the secret of the host"
O_PATH, O_TMPFILE = 0o10000000, 0o20200000


class Host:
    """A root, and a directory beside it."""

    def __init__(self, path: Path) -> None:
        self.path, self.root, self.outside = path, path / "root", path / "outside"
        for directory in (self.outside, self.root / "sub" / "deep"):
            directory.mkdir(parents=True)
        self.secret = self.outside / "secret"
        self.secret.write_bytes(SECRET)
        (self.root / "file").write_bytes(b"inside")
        (self.root / "up").symlink_to("../outside")
        (self.root / "sub" / "up").symlink_to("../../outside")
        (self.root / "abs").symlink_to(self.outside)
        (self.root / "one").symlink_to("two")
        (self.root / "two").symlink_to("../outside/secret")
        self.before = self.state()

    def state(self) -> dict[str, tuple[object, ...]]:
        """All there is outside."""
        found: dict[str, tuple[object, ...]] = {}
        for path in (self.outside, *self.outside.rglob("*")):
            told = path.lstat()
            content = path.read_bytes() if path.is_file() else b""
            found[path.name] = (
                told.st_mode, told.st_nlink, told.st_uid, told.st_mtime_ns, content,
            )  # fmt: skip
        return found


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


def reading(*paths: str) -> Callable[[Filing, Host], None]:
    """Open each path, and read it."""

    def attempt(filing: Filing, host: Host) -> None:
        for path in paths:
            filing.call("open", path.replace("OUTSIDE", str(host.outside)), O_RDONLY, 0)
            filing.call("read", 3, OUT, 100, dump=100)

    return attempt


def _from_a_descriptor(filing: Filing, host: Host) -> None:
    filing.call("open", "/sub/deep", O_RDONLY | O_DIRECTORY, 0)
    for path in ("../../../outside/secret", "../up/secret", "../../up/secret"):
        filing.call("openat", 3, path, O_RDONLY, 0)
        filing.call("read", 4, OUT, 100, dump=100)


def _by_chdir(filing: Filing, host: Host) -> None:
    for _ in range(60):
        filing.call("chdir", "..")
    reading("outside/secret", "../outside/secret")(filing, host)


def _by_fchdir(filing: Filing, host: Host) -> None:
    filing.call("open", "/", O_RDONLY, 0)
    filing.call("fchdir", 3)
    filing.call("open", "..", O_RDONLY | O_DIRECTORY, 0)
    filing.call("openat", 4, "outside/secret", O_RDONLY, 0)
    filing.call("read", 5, OUT, 100, dump=100)


def _by_own_links(filing: Filing, host: Host) -> None:
    filing.call("symlink", "../outside", "/mine")
    filing.call("symlink", str(host.secret), "/whole")
    filing.call("symlink", "../" * 30 + "outside/secret", "/many")
    reading("/mine/secret", "/whole", "/many")(filing, host)


def _by_a_moved_directory(filing: Filing, host: Host) -> None:
    filing.call("mkdir", "/sub/deep/er", 0o755)
    filing.call("chdir", "/sub/deep/er")
    filing.call("rename", "/sub/deep", "/moved")
    reading("../../../outside/secret", "../../outside/secret", "../../up/secret")(filing, host)


def _by_a_removed_directory(filing: Filing, host: Host) -> None:
    filing.call("mkdir", "/gone", 0o755)
    filing.call("chdir", "/gone")
    filing.call("rmdir", "/gone")
    reading("../outside/secret", "../../outside/secret", "../up/secret")(filing, host)


def _by_hard_links(filing: Filing, host: Host) -> None:
    filing.call("link", "/up/secret", "/a")
    filing.call("link", str(host.secret), "/b")
    filing.call("linkat", AT_FDCWD, "/two", AT_FDCWD, "/c", 0x400)
    filing.call("link", "/two", "/d")
    reading("/a", "/b", "/c", "/d")(filing, host)


def _make(filing: Filing, host: Host) -> None:
    filing.call("mkdir", "/up/new", 0o755)
    filing.call("mkdir", "/../outside/new", 0o755)
    filing.call("creat", "/up/file", 0o644)
    filing.call("symlink", "x", "/up/link")
    filing.call("open", "/up", O_TMPFILE | O_RDWR, 0o600)
    filing.call("openat", AT_FDCWD, str(host.outside / "file"), O_CREAT | O_WRONLY, 0o644)


def _make_through_a_link(filing: Filing, host: Host) -> None:
    filing.call("symlink", "../outside/new", "/dangling")
    filing.call("symlink", str(host.outside / "new"), "/absolute")
    for path in ("/dangling", "/absolute"):
        filing.call("open", path, O_CREAT | O_WRONLY, 0o644)
        filing.call("write", 3, b"mine", 4)


def _remove(filing: Filing, host: Host) -> None:
    for path in ("/up/secret", "/../outside/secret", str(host.secret)):
        filing.call("unlink", path)
    for path in ("/up", "/up/", "/../outside", str(host.outside)):
        filing.call("rmdir", path)


def _rename_there(filing: Filing, host: Host) -> None:
    for path in ("/up/file", "/../outside/file", str(host.outside / "file"), "/sub/up/x"):
        filing.call("rename", "/file", path)


def _rename_from_there(filing: Filing, host: Host) -> None:
    for number, path in enumerate(("/up/secret", "/../outside/secret", str(host.secret))):
        filing.call("rename", path, f"/taken{number}")
        reading(f"/taken{number}")(filing, host)


def _change(filing: Filing, host: Host) -> None:
    for path in ("/up/secret", "/two", "/one", str(host.secret), "/sub/up/secret", "/up", "/abs"):
        filing.call("chmod", path, 0)
        filing.call("fchownat", AT_FDCWD, path, 1, 1, 0)
        filing.call("utimensat", AT_FDCWD, path, 0, 0)
        filing.call("truncate", path, *filing.offset(0)[:1])
        filing.call("open", path, O_WRONLY | O_TRUNC, 0)


def _by_an_open_link(filing: Filing, host: Host) -> None:
    filing.call("open", "/up", O_PATH | O_NOFOLLOW, 0)
    filing.call("openat", 3, "secret", O_RDONLY, 0)
    filing.call("read", 4, OUT, 100, dump=100)
    reading("/proc/self/fd/3/secret")(filing, host)
    filing.call("fchdir", 3)


def _by_proc_descriptors(filing: Filing, host: Host) -> None:
    filing.call("open", "/sub", O_RDONLY, 0)
    reading("/proc/self/fd/3/../../outside/secret", "/proc/self/fd/3/up/secret")(filing, host)


def _execute(filing: Filing, host: Host) -> None:
    for path in ("/up/secret", str(host.secret), "/proc/self/exe/../../outside/secret", "/bin/sh"):
        filing.call("execve", path, 0, 0)


def _swap(filing: Filing, host: Host) -> None:
    filing.call("swapon", str(host.secret), 0)
    filing.call("swapoff", str(host.secret))


ATTEMPTS: dict[str, Callable[[Filing, Host], None]] = {
    "dots": reading("../outside/secret", "../../outside/secret", "sub/../../outside/secret"),
    "dots from the root": reading("/../outside/secret", "/../../../outside/secret"),
    "many dots": reading("../" * 1300 + "outside/secret"),
    "the host's own path": reading("OUTSIDE/secret"),
    "dots and the host's path": reading("../" * 30 + "OUTSIDE/secret"),
    "a relative link": reading("/up/secret", "/sub/up/secret", "/sub/../up/secret"),
    "an absolute link": reading("/abs/secret"),
    "a link to a link": reading("/one", "/two"),
    "links and dots": reading("/sub/up/../outside/secret", "/up/../outside/secret"),
    "proc's root": reading("/proc/self/root/../outside/secret", "/proc/self/root/up/secret"),
    "proc's cwd": reading("/proc/self/cwd/../outside/secret", "/proc/self/cwd/up/secret"),
    "proc's exe": reading("/proc/self/exe/../outside/secret"),
    "another process": reading("/proc/1/root/OUTSIDE/secret", "/proc/1/cwd/outside/secret"),
    "from a descriptor": _from_a_descriptor,
    "chdir": _by_chdir,
    "fchdir": _by_fchdir,
    "own links": _by_own_links,
    "a moved directory": _by_a_moved_directory,
    "a removed directory": _by_a_removed_directory,
    "hard links": _by_hard_links,
    "making": _make,
    "making through a link": _make_through_a_link,
    "removing": _remove,
    "renaming there": _rename_there,
    "renaming from there": _rename_from_there,
    "changing": _change,
    "an open link": _by_an_open_link,
    "proc's descriptors": _by_proc_descriptors,
    "executing": _execute,
    "swapping": _swap,
}


@pytest.fixture(params=["openat2", "steps"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """With openat2(), and as on a host that has none."""
    if request.param == "steps":

        def missing(root: int, path: bytes, flags: int) -> int:
            raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))

        monkeypatch.setattr(beneath, "_openat2", missing)
        monkeypatch.setattr(beneath, "_mode_beneath", lambda *_: -errno.ENOSYS)
        monkeypatch.setattr(beneath, "_readlink_beneath", lambda *_: -errno.ENOSYS)


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("bits", [32, 64])
@pytest.mark.parametrize("attempt", ATTEMPTS.values(), ids=ATTEMPTS)
def test_it_stays_inside(
    attempt: Callable[[Filing, Host], None], bits: int, host: Host, tmp_path: Path
) -> None:
    filing = Filing(bits)
    attempt(filing, host)
    answers = filing.run(tmp_path, root=host.root, root_rw=True)
    assert not any(SECRET in answer.out for answer in answers)
    assert host.state() == host.before


@pytest.mark.parametrize("name", ["dots", "the host's own path", "proc's exe", "executing"])
def test_without_a_root_the_host_is_not_to_be_seen(name: str, host: Host, tmp_path: Path) -> None:
    filing = Filing()
    ATTEMPTS[name](filing, host)
    answers = filing.run(tmp_path)
    assert not any(SECRET in answer.out for answer in answers)
    assert host.state() == host.before


def test_they_would_succeed_where_it_is_inside(host: Host, tmp_path: Path) -> None:
    """The same calls, with the whole directory as root: it is the root that keeps them out."""
    filing = Filing()
    reading("/root/up/secret", "/outside/secret", "/root/one")(filing, host)
    answers = filing.run(tmp_path, root=host.path)
    assert SECRET in answers[1].out


def test_a_root_that_is_only_read(host: Host, tmp_path: Path) -> None:
    filing = Filing()
    calls = [
        filing.call("open", "/file", O_WRONLY, 0),
        filing.call("open", "/file", O_RDONLY | O_TRUNC, 0),
        filing.call("open", "/new", O_CREAT | O_RDONLY, 0o644),
        filing.call("mkdir", "/new", 0o755),
        filing.call("unlink", "/file"),
        filing.call("rmdir", "/sub/deep"),
        filing.call("rename", "/file", "/other"),
        filing.call("link", "/file", "/other"),
        filing.call("symlink", "file", "/other"),
        filing.call("chmod", "/file", 0o600),
        filing.call("fchownat", AT_FDCWD, "/file", 1, 1, 0),
        filing.call("utimensat", AT_FDCWD, "/file", 0, 0),
        filing.call("truncate", "/file", 0),
        filing.call("faccessat", AT_FDCWD, "/file", 2),
    ]
    answers = filing.run(tmp_path, root=host.root)
    assert {filing.describe(i): answers[i].result for i in calls} == {
        filing.describe(i): -errno.EROFS for i in calls
    }


def test_devices_and_fifos_of_the_host_are_not_opened(host: Host, tmp_path: Path) -> None:
    """A FIFO leads from guest to guest: who has it open on the host hears nothing."""
    os.mkfifo(host.root / "fifo")
    reader = os.open(host.root / "fifo", os.O_RDONLY | os.O_NONBLOCK)
    filing = Filing()
    filing.call("open", "/fifo", O_RDWR, 0)
    filing.call("write", 3, b"out", 3)
    expected = [3, 3]
    with contextlib.suppress(PermissionError):
        os.mknod(host.root / "mem", stat.S_IFCHR | 0o600, os.makedev(1, 1))
        os.mknod(host.root / "disk", stat.S_IFBLK | 0o600, os.makedev(7, 0))
        os.mknod(host.root / "null", stat.S_IFCHR | 0o666, os.makedev(1, 3))
        filing.call("open", "/mem", O_RDONLY, 0)
        filing.call("open", "/disk", O_RDONLY, 0)
        filing.call("open", "/null", O_RDONLY, 0)
        expected += [-errno.ENXIO, -errno.ENXIO, 4]
    answers = filing.run(tmp_path, root=host.root)
    assert [answer.result for answer in answers] == expected
    assert os.read(reader, 10) == b""
    os.close(reader)


def test_a_file_that_is_bound_brings_nothing_with_it(host: Host, tmp_path: Path) -> None:
    (host.outside / "shown").write_bytes(b"shown")
    filing = Filing()
    reading("/a/b/shown")(filing, host)
    filing.call("close", 3)
    reading("/a/b/secret", "/a/b/../secret", "/a/b/shown/../secret")(filing, host)
    filing.call("open", "/a/b/shown", O_WRONLY, 0)
    filing.call("unlink", "/a/b/shown")
    filing.call("rename", "/a/b/shown", "/a/b/other")
    answers = filing.run(tmp_path, binds=[f"{host.outside}/shown:/a/b/shown"])
    assert answers[1].out.startswith(b"shown")
    assert not any(SECRET in answer.out for answer in answers)
    assert [answer.result for answer in answers[-3:]] == [
        -errno.EROFS, -errno.EBUSY, -errno.EBUSY,
    ]  # fmt: skip


def test_a_directory_that_the_host_swaps_for_a_link(host: Host, tmp_path: Path) -> None:
    """While a guest opens a file in it again and again."""
    race, spare, link = host.root / "race", host.root / "spare", host.root / "link"
    race.mkdir()
    (race / "secret").write_bytes(b"inside")
    link.symlink_to(host.outside)
    filing = Filing()
    for _ in range(400):
        filing.call("open", "/race/secret", O_RDONLY, 0)
        filing.call("read", 3, OUT, 32, dump=32)
        filing.call("close", 3)
    over = threading.Event()

    def swap() -> None:
        while not over.is_set():
            race.rename(spare)
            link.rename(race)
            race.rename(link)
            spare.rename(race)

    thread = threading.Thread(target=swap)
    thread.start()
    try:
        answers = filing.run(tmp_path, root=host.root)
    finally:
        over.set()
        thread.join()
    assert not any(SECRET in answer.out for answer in answers)
    assert any(answer.out.startswith(b"inside") for answer in answers)
