"""The rows that swap, natively: a swap file on a disk, a memory group for the guest alone.

The group has the row's RAM and `PROCESS` bytes for the guest process itself: its kernel stack,
page tables and code, and what the kernel charges ahead.  vmemu has to find all that in the row's
RAM, so the host has the easier task.  Nothing else can be swapped unless the host itself runs
out of memory, and the group is gone before swapoff: it finds the file empty.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import re
import shutil
import signal
import subprocess
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

from bench import disk
from bench.errors import BenchError
from bench.memgroup import Controller, MemoryGroup, controller
from bench.platforms import Host, guest_command, guest_times
from bench.process import TIMEOUT, NotMeasured, last_line
from bench.rows import RAM_PAGES, Row
from vmemu.errors import ConfigError
from vmemu.swap.area import make_swap

SIZE = 3 * RAM_PAGES * 4096
"""Bytes of the swap file."""
PROCESS = 512 << 10
"""Bytes.  A guest with one page was seen to peak at 512 to 604 KB, 256 of them charged ahead."""
LEAST_IN = 0.45
"""Pages that come in for each that is touched.  With twice the RAM, and no page given up that
will be needed sooner than another, 0.48 are outside whenever their turn comes."""
ROOM = 3
"""The disk must have this times the swap file: vmemu's own is there too."""
SIGNALS = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}


@dataclass
class Setting:
    """How the host swaps: what a reader has to know of its figures."""

    path: Path
    filesystem: str
    controller: Controller
    page_cluster: int
    """Logarithm of the readahead in pages."""
    pages_in: dict[str, float] = field(default_factory=dict)
    """Pages that came in for each that was touched, by row."""

    def __str__(self) -> str:
        came = ", ".join(f"{name} {share:.2f}" for name, share in self.pages_in.items())
        return (
            f"native swap: a file of {SIZE >> 20} MB in {self.path.parent} ({self.filesystem}), "
            f"memory group (version {self.controller.version}) of the row's RAM and "
            f"{PROCESS >> 10} KB, readahead 2^{self.page_cluster} pages; "
            f"pages in for each touched: {came or 'none'}"
        )

    def as_json(self) -> dict[str, Any]:
        """The same by name."""
        return {
            "directory": str(self.path.parent),
            "filesystem": self.filesystem,
            "size": SIZE,
            "group_version": self.controller.version,
            "process": PROCESS,
            "page_cluster": self.page_cluster,
            "pages_in": self.pages_in,
        }


class SwappingHost(Host):
    """The host's kernel; rows that swap run in the group."""

    def __init__(self, group: MemoryGroup, setting: Setting) -> None:
        super().__init__("native")
        self.group = group
        self.swap = setting

    def measure(self, row: Row) -> list[float]:
        """As any host; a swap row counts only when the host swapped."""
        if not row.swaps:
            return super().measure(row)
        touched = row.n * (row.rep + 1)  # once to warm up
        before = pages_in()
        try:
            self.group.limit(row.machine["ram"] + PROCESS)
            status, output, complaint = self._run([*guest_command(row), "evict=1"])
        except OSError as error:
            raise NotMeasured(f"its memory group fails: {error.strerror}") from None
        if status == -signal.SIGKILL:
            raise NotMeasured("the kernel killed it: its memory group or the swap file was full")
        if status:
            raise NotMeasured(last_line(complaint) or f"exit status {status}")
        share = (pages_in() - before) / touched
        if share < LEAST_IN:
            raise NotMeasured(f"it did not swap: {share:.2f} pages came in for each touched")
        self.swap.pages_in[row.name] = round(share, 2)
        return guest_times(output)

    def _run(self, command: Sequence[str]) -> tuple[int, str, str]:
        """Status, output and complaints of a guest in the group; NotMeasured when it hangs."""
        lines = []
        with subprocess.Popen(
            self.group.enter([*command]),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            bufsize=1,
        ) as process:
            late = threading.Event()

            def stop() -> None:
                late.set()
                process.kill()

            timer = threading.Timer(TIMEOUT, stop)
            timer.start()
            assert process.stdin is not None
            assert process.stdout is not None
            assert process.stderr is not None
            try:
                for line in process.stdout:
                    lines.append(line)
                    if line == "evict\n":
                        self.group.empty()
                        process.stdin.write(".")
                        process.stdin.flush()
                complaint = process.stderr.read()
                status = process.wait()
            except BaseException:
                process.kill()
                raise
            finally:
                timer.cancel()
        if late.is_set():
            raise NotMeasured(f"took more than {TIMEOUT} s")
        return status, "".join(lines), complaint


@contextlib.contextmanager
def native_swap(where: Path) -> Iterator[SwappingHost]:
    """The host with a swap file in a directory, or of that name.

    Swap, file and group are given back whatever happens, but for SIGKILL.  BenchError when
    there is a reason to leave it alone.
    """
    setting = checked(where)
    path = setting.path
    with contextlib.ExitStack() as stack, _signals_raise():
        try:
            with _undisturbed():
                _make(path)
                stack.callback(path.unlink)
                _call("swapon", path, 0)
                stack.callback(_call, "swapoff", path)
                group = MemoryGroup(setting.controller, f"vmemu-bench-{os.getpid()}")
                stack.callback(group.remove)
            yield SwappingHost(group, setting)
        finally:
            with _undisturbed():
                stack.close()


def checked(where: Path, proc: Path = Path("/proc"), sysfs: Path = Path("/sys")) -> Setting:
    """What a swap file would be, if nothing speaks against it; BenchError."""
    directory = where if where.is_dir() else where.parent
    if not directory.is_dir():
        raise BenchError(f"there is no directory {directory} for the swap file")
    path = directory / f"vmemu-bench-{os.getpid()}.swap" if where.is_dir() else where
    if path.exists() or path.is_symlink():
        raise BenchError(f"{path} exists already; native swap makes a file and deletes it")
    filesystem = disk.filesystem(directory, proc, sysfs)
    if os.geteuid():
        raise BenchError("native swap needs root, for swapon and for a memory group")
    memory = controller(proc)
    for line in (proc / "swaps").read_text().splitlines()[1:]:
        raise BenchError(f"{line.split()[0]} is in use as swap, so another file cannot be measured")
    zswap = sysfs / "module" / "zswap" / "parameters" / "enabled"
    if zswap.exists() and zswap.read_text().strip() == "Y":
        raise BenchError(f"zswap would hold the pages instead of the swap file: write N to {zswap}")
    free = shutil.disk_usage(directory).free
    if free < ROOM * SIZE:
        raise BenchError(
            f"{directory} has {free >> 20} MB of room, and native swap needs {ROOM * SIZE >> 20} MB"
        )
    cluster = int((proc / "sys" / "vm" / "page-cluster").read_text())
    return Setting(path, filesystem, memory, cluster)


def pages_in() -> int:
    """Pages that the host read from swap since it was started."""
    found = re.search(r"^pswpin (\d+)$", Path("/proc/vmstat").read_text(), re.MULTILINE)
    return int(found[1]) if found else 0


def _make(path: Path) -> None:
    """A swap file without holes."""
    try:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise BenchError(f"cannot make the swap file {path}: {error.strerror}") from None
    try:
        make_swap(handle, SIZE)
        header = os.pread(handle, 4096, 0)
        for at in range(0, SIZE, 1 << 20):
            os.pwrite(handle, bytes(1 << 20), at)
        os.pwrite(handle, header, 0)
        os.fsync(handle)
    except (OSError, ConfigError) as error:
        path.unlink()
        raise BenchError(f"cannot write the swap file {path}: {error}") from None
    finally:
        os.close(handle)


def _call(name: str, path: Path, *flags: int) -> None:
    """swapon() or swapoff() of the C library; BenchError."""
    library = ctypes.CDLL(None, use_errno=True)
    if getattr(library, name)(os.fsencode(path), *flags):
        raise BenchError(f"{name} of {path}: {os.strerror(ctypes.get_errno())}")


@contextlib.contextmanager
def _undisturbed() -> Iterator[None]:
    """Signals wait: what is made is noted, what is noted is given back."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextlib.contextmanager
def _signals_raise() -> Iterator[None]:
    """What would end the process at once ends it as an exception does, as SIGINT always did."""

    def leave(number: int, _frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    before = {number: signal.getsignal(number) for number in SIGNALS - {signal.SIGINT}}
    for number, handler in before.items():
        if handler is not signal.SIG_IGN:  # nohup
            signal.signal(number, leave)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
