"""What guests see of files: the file systems of a machine, and where they are attached.

Without a root there is tmpfs; /proc, /dev and /dev/shm are always the machine's own, and so is
/tmp unless the root is a directory of the host that guests may write.
"""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING, TypeVar

from vmemu.errors import ConfigError, Errno
from vmemu.vfs.device import DEVICES
from vmemu.vfs.mqueue import MqFs
from vmemu.vfs.node import Directory, FileSystem, Node, Services
from vmemu.vfs.proctree import ProcFs
from vmemu.vfs.sysfs import SysFs
from vmemu.vfs.tmpdir import TmpDirectory
from vmemu.vfs.tmpfs import TmpFs, TmpLink
from vmemu.vfs.tty.devpts import DevPts
from vmemu.vfs.walk import Walk

if TYPE_CHECKING:
    from vmemu.kernel.kernel import Kernel
    from vmemu.vfs.bind import Bind
    from vmemu.vfs.hostfs import HostFs

__all__ = ["World"]

_OWN = 1 << 20
"""More than an empty world takes, which is not the guests' doing."""
F = TypeVar("F", bound=FileSystem)


class World:
    """The tree of all file systems."""

    def __init__(
        self,
        kernel: Kernel,
        services: Services,
        root: str | None,
        writable: bool,
        binds: tuple[Bind, ...],
    ) -> None:
        self.services = services
        self.mounts: list[tuple[str, FileSystem]] = []
        """Path and file system, in the order in which they were attached."""
        self._programs: dict[str, HostFs] = {}
        self.of_host = root is not None
        """The root is a directory of the host's."""
        self._binds = bool(binds)
        self._devs = 0
        self._unnamed: TmpFs | None = None
        held, hold = services.hold.held, services.hold
        hold.limit += _OWN
        try:
            self.root: Directory = (
                self._tmpfs("/") if root is None else self._host_root(root, writable)
            )
            self._furnish(kernel, root is None or not writable)
            for bind in binds:
                self._bind(bind)
        except BaseException:
            self.close()
            raise
        finally:
            hold.limit -= _OWN
            hold.held = held
        self.baseline = self._held()
        """What the host holds for an empty world: not the guests' doing."""

    def _furnish(self, kernel: Kernel, tmp: bool) -> None:
        """Attach what every machine has."""
        proc = self._add("/proc", ProcFs(self.services, self._dev(), kernel))
        self.root.attach(b"proc", proc.root)
        sys = self._add("/sys", SysFs(self.services, self._dev(), kernel))
        self.root.attach(b"sys", sys.root)
        if tmp:
            self.root.attach(b"tmp", self._tmpfs("/tmp", 0o1777))
        dev = self._tmpfs("/dev")
        self.root.attach(b"dev", dev)
        for name, rdev in DEVICES.items():
            dev.device(name, 0o666, rdev)
        for name, target in ((b"fd", b"/proc/self/fd"), *_STREAMS):
            dev.add(name, TmpLink(dev.fs, target))
        pts = DevPts(self.services, self._dev(), self.services.jobs)
        self.terminals = self._add("/dev/pts", pts)
        dev.attach(b"pts", self.terminals.root)
        dev.attach(b"shm", self._tmpfs("/dev/shm", 0o1777))
        self.mqueues = self._add("/dev/mqueue", MqFs(self.services, self._dev(), kernel.core.bits))
        dev.attach(b"mqueue", self.mqueues.root)

    def _dev(self) -> int:
        self._devs += 1
        return self._devs

    def _tmpfs(self, path: str, mode: int = 0o755) -> TmpDirectory:
        return self._add(path, TmpFs(self.services, self._dev(), mode)).root

    def _add(self, path: str, fs: F) -> F:
        """One more file system."""
        self.mounts.append((path, fs))
        return fs

    def _host_root(self, path: str, writable: bool) -> Directory:
        from vmemu.vfs.hostfs import HostFs

        return self._add("/", HostFs(self.services, self._dev(), path, readonly=not writable)).top

    def _bind(self, bind: Bind) -> None:
        """Attach a file or directory of the host; ConfigError."""
        from vmemu.vfs.hostfs import HostFs

        *above, name = [os.fsencode(part) for part in bind.guest.split("/") if part] or [b""]
        if not name or b".." in (*above, name) or b"." in (*above, name):
            raise ConfigError(f"{bind.guest} is no place to bind {bind.host} to")
        fs = HostFs(self.services, self._dev(), bind.host, readonly=not bind.writable)
        self._add(bind.guest, fs)
        at, path = self.root, ""
        for part in above:
            path += "/" + os.fsdecode(part)
            at = self._below(at, part, path, bind)
        at.attach(name, fs.root)

    def _below(self, at: Directory, name: bytes, path: str, bind: Bind) -> Directory:
        """A directory on the way to a place to bind to, made where there is none."""
        try:
            found: Node = Walk(self.root).step(at, name, follow=True)
        except Errno:
            found = self._tmpfs(path)
            at.attach(name, found)
        if not isinstance(found, Directory):
            raise ConfigError(f"{bind.guest} is no place to bind {bind.host} to")
        return found

    def program(self, path: str) -> Node:
        """A program of the host's that was started by its path there; Errno ENOENT."""
        from vmemu.vfs.hostfs import HostFs

        fs = self._programs.get(path)
        if fs is None:
            try:
                fs = self._programs[path] = HostFs(self.services, self._dev(), path)
            except ConfigError:
                raise Errno(errno.ENOENT) from None
        return fs.root

    @property
    def shm_mnt(self) -> TmpFs:
        """Where files of memory without a path are (shm_mnt); as large as memory."""
        if self._unnamed is None:
            held, hold = self.services.hold.held, self.services.hold
            hold.limit += _OWN
            self._unnamed = TmpFs(self.services, self._dev(), limited=False)
            hold.limit -= _OWN
            hold.held = held
            self.baseline += self._unnamed.held
        return self._unnamed

    def _held(self) -> int:
        named = sum(fs.held for _, fs in self.mounts if isinstance(fs, TmpFs))
        return named + (0 if self._unnamed is None else self._unnamed.held)

    @property
    def held(self) -> int:
        """Bytes that guests make the host hold by files without a descriptor, recomputed."""
        inodes = sum(inode.held for inode in self.services.inodes)
        owners = 0
        if self.of_host or self._binds:
            from vmemu.vfs.hostfs import HostFs

            owners = sum(fs.owners.held for _, fs in self.mounts if isinstance(fs, HostFs))
        return self._held() - self.baseline + inodes + owners

    def close(self) -> None:
        """Give up what the host holds for it."""
        for fs in (*(fs for _, fs in self.mounts), *self._programs.values()):
            fs.close()


_STREAMS = tuple(
    (name, b"/proc/self/fd/%d" % fd) for fd, name in enumerate((b"stdin", b"stdout", b"stderr"))
)
