"""Native swap: what it refuses, and that nothing is left of it.

The host is played by files, so neither root nor a memory controller is needed.  With
VMEMU_TEST_NATIVE_SWAP=DIRECTORY, as root, the host does swap, to a file there.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from bench import disk, swap
from bench.errors import BenchError
from bench.memgroup import Controller, MemoryGroup, controller
from bench.process import NotMeasured
from bench.rows import select

ROOT = Path(__file__).parents[2]
ARGUMENTS = ("--rows", "swap*", "--rounds", "1", "--no-peers")
V1 = "30 20 0:25 {root} {point} rw shared:9 - cgroup cgroup rw,memory"
V2 = "31 20 0:26 / {point} rw - cgroup2 cgroup2 rw"


def mounted(path: Path) -> str:
    """A path as /proc/self/mountinfo writes it."""
    return str(path).replace(" ", r"\040")


class FakeHost:
    """/proc and /sys as files; a directory to swap in, on a filesystem and a block device."""

    def __init__(self, top: Path) -> None:
        self.proc, self.sys, self.directory = top / "proc", top / "sys", top / "a disk"
        self.groups = top / "groups"
        for path in (self.proc / "self", self.proc / "sys" / "vm", self.directory, self.groups):
            path.mkdir(parents=True)
        self.mounted = ["20 1 254:0 / / rw - tmpfs none rw"]
        self.mount("ext4", "254:1")
        self.device("vda", "254:1")
        self.memory(V1.format(root="/", point=mounted(self.groups)), "4:memory:/")
        (self.proc / "swaps").write_text("Filename Type Size Used Priority\n")
        (self.proc / "sys" / "vm" / "page-cluster").write_text("3\n")

    def mount(self, filesystem: str, device: str) -> None:
        point = mounted(self.directory)
        self._add(f"21 20 {device} / {point} rw,relatime shared:1 - {filesystem} /dev/x rw")

    def memory(self, mount: str, own: str) -> None:
        self._add(mount)
        (self.proc / "self" / "cgroup").write_text(f"9:pids:/x\n{own}\n")

    def _add(self, line: str) -> None:
        self.mounted.append(line)
        (self.proc / "self" / "mountinfo").write_text("\n".join(self.mounted) + "\n")

    def device(self, name: str, number: str, *below: str) -> None:
        """Below it are other devices, or it is a partition of the one named first."""
        node = self.sys / "devices" / name
        node.mkdir(parents=True)
        for slave in below:
            (node / "slaves" / slave).mkdir(parents=True)
        link = self.sys / "dev" / "block" / number
        link.parent.mkdir(parents=True, exist_ok=True)
        link.unlink(missing_ok=True)
        link.symlink_to(node)

    def checked(self, where: Path | None = None) -> swap.Setting:
        return swap.checked(where or self.directory, self.proc, self.sys)


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeHost:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    return FakeHost(tmp_path)


def test_a_disk_is_accepted(fake: FakeHost) -> None:
    setting = fake.checked()
    assert (setting.filesystem, setting.page_cluster) == ("ext4", 3)
    assert setting.controller == Controller(1, fake.groups)
    assert setting.path.parent == fake.directory
    assert fake.checked(fake.directory / "chosen").path == fake.directory / "chosen"


def test_a_partition_is_judged_by_its_disk(fake: FakeHost) -> None:
    for name, number in (("sda", "8:1"), ("zram7", "8:2")):
        fake.device(f"{name}/part", number)
        (fake.sys / "devices" / name / "part" / "partition").write_text("1\n")
        fake.mount("xfs", number)
        if name == "sda":
            assert fake.checked().filesystem == "xfs"
        else:
            with pytest.raises(BenchError, match="swap on zram7 could hang"):
                fake.checked()


def with_zswap(fake: FakeHost) -> None:
    path = fake.sys / "module" / "zswap" / "parameters" / "enabled"
    path.parent.mkdir(parents=True)
    path.write_text("Y\n")


def without_controller(fake: FakeHost) -> None:
    fake.mounted.pop()
    fake.memory(V2.format(point=mounted(fake.groups)), "0::/")
    (fake.groups / "cgroup.subtree_control").write_text("hugetlb\n")


REFUSALS: dict[str, tuple[Callable[[FakeHost], object], str]] = {
    "tmpfs": (lambda fake: fake.mount("tmpfs", "0:44"), "swap on tmpfs could hang the host"),
    "ramfs": (lambda fake: fake.mount("ramfs", "0:44"), "swap on ramfs could hang the host"),
    "overlay": (lambda fake: fake.mount("overlay", "0:50"), "swap on overlay could hang the host"),
    "loop": (lambda fake: fake.device("loop3", "254:1"), "swap on loop3 could hang the host"),
    "zram": (lambda fake: fake.device("zram0", "254:1"), "swap on zram0 could hang the host"),
    "dm": (lambda fake: fake.device("dm-0", "254:1", "ram0"), "swap on ram0 could hang the host"),
    "no device": (lambda fake: fake.mount("ext4", "0:9"), "no block device 0:9"),
    "no controller": (without_controller, "no memory controller"),
    "swap": (
        lambda fake: (fake.proc / "swaps").write_text("Filename\n/swapfile file 9 0 -2\n"),
        "/swapfile is in use as swap",
    ),
    "zswap": (with_zswap, "zswap would hold the pages"),
}


@pytest.mark.parametrize("why", REFUSALS)
def test_refused(fake: FakeHost, why: str) -> None:
    prepare, sentence = REFUSALS[why]
    fake.checked()
    prepare(fake)
    with pytest.raises(BenchError, match=sentence):
        fake.checked()


def test_refused_to_others_than_root(fake: FakeHost, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(BenchError, match="needs root"):
        fake.checked()


def test_refused_without_room(fake: FakeHost, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(swap, "SIZE", 1 << 60)
    with pytest.raises(BenchError, match="MB of room"):
        fake.checked()


def test_refused_where_something_is(fake: FakeHost) -> None:
    (fake.directory / "mine").write_text("precious")
    with pytest.raises(BenchError, match="exists already"):
        fake.checked(fake.directory / "mine")
    with pytest.raises(BenchError, match="no directory"):
        fake.checked(fake.directory / "neither" / "there")


def test_groups_of_version_1_are_made_below_this_one(fake: FakeHost) -> None:
    fake.memory(V1.format(root="/box", point=mounted(fake.groups)), "4:cpu,memory:/box/own")
    fake.mounted.pop(-2)
    fake.memory(fake.mounted.pop(), "4:cpu,memory:/box/own")
    assert controller(fake.proc) == Controller(1, fake.groups / "own")


def test_groups_of_version_2_are_made_beside_this_one(fake: FakeHost) -> None:
    fake.mounted.pop()
    fake.memory(V2.format(point=mounted(fake.groups)), "0::/slice/own")
    (fake.groups / "slice").mkdir()
    (fake.groups / "slice" / "cgroup.subtree_control").write_text("cpu memory\n")
    found = controller(fake.proc)
    assert found == Controller(2, fake.groups / "slice")
    group = MemoryGroup(found, "new")
    group.limit(4096)
    assert (group.path / "memory.max").read_text() == "4096"
    (group.path / "memory.current").write_text("8192\n")
    group.empty()
    assert (group.path / "memory.reclaim").read_text() == "8192"


@pytest.mark.parametrize("filesystem", ["tmpfs", "proc"])
def test_this_hosts_own_filesystems_are_told_apart(filesystem: str) -> None:
    points = [m.point for m in disk.mounts(Path("/proc")) if m.filesystem == filesystem]
    points = [point for point in points if point.is_dir()]  # a file can be mounted, too
    if not points:
        pytest.skip(f"no {filesystem} is mounted")
    with pytest.raises(BenchError, match="must be on a disk"):
        disk.filesystem(points[-1])


@pytest.fixture
def calls(fake: FakeHost, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Swap that is not switched on, and what would have been done, in order."""
    done: list[str] = []
    setting = fake.checked()
    monkeypatch.setattr(swap, "checked", lambda where: setting)

    def call(name: str, path: Path, *flags: int) -> None:
        assert path.stat().st_blocks * 512 >= swap.SIZE  # swapon refuses holes
        done.append(name)

    def remove(group: MemoryGroup) -> None:
        group.path.rmdir()
        done.append("remove")

    monkeypatch.setattr(swap, "_call", call)
    monkeypatch.setattr(MemoryGroup, "remove", remove)
    return done


@pytest.mark.parametrize("number", [None, signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_nothing_is_left(fake: FakeHost, calls: list[str], number: int | None) -> None:
    before = {one: signal.getsignal(one) for one in swap.SIGNALS}

    def measure() -> None:
        with swap.native_swap(fake.directory) as native:
            assert calls == ["swapon"]
            assert native.swap.path.read_bytes()[4086:4096] == b"SWAPSPACE2"
            assert native.group.path.is_dir()
            if number is not None:
                signal.raise_signal(number)
            raise NotMeasured

    with pytest.raises((NotMeasured, KeyboardInterrupt, SystemExit)) as ended:
        measure()
    assert ended.type is {None: NotMeasured, signal.SIGINT: KeyboardInterrupt}.get(
        number, SystemExit
    )
    assert calls == ["swapon", "remove", "swapoff"]
    assert not list(fake.directory.iterdir())
    assert not list(fake.groups.iterdir())
    assert {one: signal.getsignal(one) for one in swap.SIGNALS} == before


def test_nothing_is_left_when_it_cannot_begin(fake: FakeHost, calls: list[str]) -> None:
    fake.groups.rmdir()
    with pytest.raises(BenchError, match="cannot make the group"), swap.native_swap(Path()):
        pytest.fail("began")
    assert calls == ["swapon", "swapoff"]
    assert not list(fake.directory.iterdir())


@pytest.mark.parametrize(
    ("script", "pages_in", "reason"),
    [
        ("echo evict; read -n 1 answer; echo s=1 ns=5", 10**6, None),
        ("echo evict; read -n 1 answer; echo s=1 ns=5", 0, "did not swap"),
        ("kill -9 $$", 10**6, "the kernel killed it"),
        ("echo mmap failed: errno 12 >&2; exit 1", 10**6, "mmap failed: errno 12"),
    ],
)
def test_a_figure_only_if_the_host_swapped(
    fake: FakeHost,
    monkeypatch: pytest.MonkeyPatch,
    script: str,
    pages_in: int,
    reason: str | None,
) -> None:
    (row,) = select(["swapin"])
    setting = fake.checked()
    host = swap.SwappingHost(MemoryGroup(setting.controller, "new"), setting)
    counts = iter([0, pages_in])
    monkeypatch.setattr(swap, "pages_in", lambda: next(counts))
    monkeypatch.setattr(swap, "guest_command", lambda row: ["bash", "-c", script])
    if reason is None:
        assert host.measure(row) == [1e9 + 5]
        assert (host.group.path / "memory.force_empty").read_text() == "0"
        limit = (host.group.path / "memory.limit_in_bytes").read_text()
        assert int(limit) == row.machine["ram"] + swap.PROCESS
        assert "swapin 162.76" in str(setting)
    else:
        with pytest.raises(NotMeasured, match=reason):
            host.measure(row)


@pytest.mark.skipif(
    "VMEMU_TEST_NATIVE_SWAP" not in os.environ,
    reason="VMEMU_TEST_NATIVE_SWAP names no directory to swap in",
)
def test_the_host_swaps() -> None:
    where = Path(os.environ["VMEMU_TEST_NATIVE_SWAP"])
    before = sorted(where.iterdir()), Path("/proc/swaps").read_text()
    done = subprocess.run(
        [sys.executable, "-m", "bench", "--native-swap", where, *ARGUMENTS],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "not measured" not in done.stdout
    assert (sorted(where.iterdir()), Path("/proc/swaps").read_text()) == before
