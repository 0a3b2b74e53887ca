"""/proc's figures of memory are the machine's, and add up."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from script import ARENA, Script

from tests import procfs
from tests.width import BITS
from vmemu.core import PAGE_SIZE as PAGE
from vmemu.core import lib
from vmemu.errors import Errno
from vmemu.frames import mem_map
from vmemu.kernel.process.task import Task
from vmemu.lab.guests import guest_path
from vmemu.machine import Machine

PRESENT, SWAP, FILE, EXCLUSIVE = 1 << 63, 1 << 62, 1 << 61, 1 << 56
PFN = (1 << 55) - 1


def at_measure(
    look: Callable[[Machine], None], guest: str, *arguments: str, **options: object
) -> None:
    """Look at a machine when a guest is at its mark `measure`."""
    looked = []
    with Machine(bits=BITS, **options) as machine:  # type: ignore[arg-type]

        def mark(task: object, name: str, a: int, b: int) -> None:
            if name == "measure":
                looked.append(name)
                look(machine)
                machine.check()

        machine.kernel.on_mark = mark
        machine.spawn(guest_path(guest, BITS), [guest, *arguments], stdout=None)
        assert machine.run().exit_status == 0
    assert looked


def shares(machine: Machine) -> None:
    """Pss adds up to the frames that are mapped, Rss is VmRSS, smaps is smaps_rollup."""
    rows, kb = 0, 0
    for pid in procfs.pids(machine.kernel):
        found = procfs.areas(procfs.read(machine, f"{pid}/smaps"))
        total = procfs.fields(procfs.read(machine, f"{pid}/smaps_rollup"))
        status = procfs.fields(procfs.read(machine, f"{pid}/status").replace("\t", " "))
        lines = procfs.read(machine, f"{pid}/maps").splitlines()
        assert [line for line, _ in found] == lines
        for name in ("Rss", "Shared_Clean", "Shared_Dirty", "Private_Clean", "Private_Dirty",
                     "Anonymous", "Swap"):  # fmt: skip
            assert sum(each[name] for _, each in found) == total[name]
        kinds = ("RssAnon", "RssFile", "RssShmem")
        assert total["Rss"] == status["VmRSS"] == sum(status[kind] for kind in kinds)
        parts = sum(total[f"Pss_{kind}"] for kind in ("Anon", "File", "Shmem"))
        assert parts <= total["Pss"] <= parts + 2  # each rounded down
        assert status["VmSwap"] == total["Swap"]
        assert sum(each["Size"] for _, each in found) == status["VmSize"]
        statm = procfs.read(machine, f"{pid}/statm").split()
        assert [int(n) * 4 for n in statm[:2]] == [status["VmSize"], status["VmRSS"]]
        for _, each in found:
            parts_of = ("Shared_Clean", "Shared_Dirty", "Private_Clean", "Private_Dirty")
            assert each["Rss"] == sum(each[kind] for kind in parts_of)
            assert each["Pss"] <= each["Rss"]
        rows += len(found)
        kb += sum(each["Pss"] for _, each in found)
    frames = int((mem_map(machine.core)["mapcount"] > 0).sum())
    assert frames * 4 - rows < kb <= frames * 4  # each area is rounded down to a kB


def frames(machine: Machine) -> None:
    """Pagemap agrees with kpagecount, kpageflags and smaps."""
    total = machine.core.m.nr_frames
    counts = procfs.entries(machine, "kpagecount", 0, total)
    flags = procfs.entries(machine, "kpageflags", 0, total)
    assert len(counts) == len(flags) == total
    seen = [0] * total
    for pid in procfs.pids(machine.kernel):
        present = swapped = 0
        for line in procfs.read(machine, f"{pid}/maps").splitlines():
            start, end = (int(n, 16) >> 12 for n in line.split()[0].split("-"))
            for entry in procfs.entries(machine, f"{pid}/pagemap", start, end - start):
                swapped += bool(entry & SWAP)
                pfn = entry & PFN
                if not entry & PRESENT or flags[pfn] >> 24 & 1:  # the zero page
                    continue
                present += 1
                seen[pfn] += 1
                assert bool(entry & FILE) != bool(flags[pfn] >> 12 & 1)  # KPF_ANON
                assert bool(entry & EXCLUSIVE) == (counts[pfn] == 1)
        status = procfs.fields(procfs.read(machine, f"{pid}/status").replace("\t", " "))
        assert (present * 4, swapped * 4) == (status["VmRSS"], status["VmSwap"])
    assert seen == counts
    assert sum(flag >> 10 & 1 for flag in flags) == machine.core.zone.free_pages


def meminfo(machine: Machine) -> None:
    """All memory is free, or is somebody's."""
    kb = procfs.fields(procfs.read(machine, "meminfo"))
    flags = mem_map(machine.core)["flags"]
    anon_cached = ((flags & lib.PG_swapcache) != 0) & ((flags & lib.PG_anon) != 0)
    quarantine = int(machine.core.m.pages.nr_quarantine)
    used = ("MemFree", "AnonPages", "Cached", "SwapCached", "Slab", "PageTables", "VmallocUsed")
    twice = int(anon_cached.sum())  # mapped, and in the swap cache
    assert kb["MemTotal"] == sum(kb[name] for name in used) - twice * 4 + quarantine * 4
    assert kb["Active"] == kb["Active(anon)"] + kb["Active(file)"]
    assert kb["Inactive"] == kb["Inactive(anon)"] + kb["Inactive(file)"]
    assert kb["MemAvailable"] <= kb["MemTotal"]
    slots = sum(int(line.split()[3]) for line in procfs.read(machine, "swaps").splitlines()[1:])
    assert kb["SwapTotal"] - kb["SwapFree"] == slots
    vmstat = dict(line.split() for line in procfs.read(machine, "vmstat").splitlines())
    assert int(vmstat["nr_free_pages"]) * 4 == kb["MemFree"]
    assert int(vmstat["nr_anon_pages"]) * 4 == kb["AnonPages"]
    assert f"pages free     {kb['MemFree'] // 4}\n" in procfs.read(machine, "zoneinfo")
    assert int(procfs.read(machine, "buddyinfo").split()[4]) * 4 == kb["MemFree"]


@pytest.mark.parametrize(
    ("rmap", "ram"), [("anon_vma", "8M"), ("anonmm", "1M"), ("pte_chain", "1M"), ("scan", "1M")]
)
@pytest.mark.parametrize("look", [shares, frames, meminfo])
def test_figures_add_up(rmap: str, look: Callable[[Machine], None], ram: str) -> None:
    """With pages that are shared by some and rewritten by others; with 1 MB, mostly in swap."""
    for guest in ("process-tree", "fork-readers"):
        at_measure(look, guest, "R=64", rmap=rmap, ram=ram, swap="8M")


@pytest.mark.parametrize("ram", ["8M", "1M"])
@pytest.mark.parametrize("look", [shares, frames, meminfo])
def test_shared_memory_adds_up(tmp_path: Path, look: Callable[[Machine], None], ram: str) -> None:
    """Half of what a parent has written is its child's, too; with 1 MB some is in swap."""
    length = 128 * 4096
    script = Script()
    script.mmap(ARENA, length, flags=0x31)  # MAP_SHARED, fixed, anonymous
    script.run_code("fill", cx=length, di=ARENA)
    fork = script.call("fork")
    script.call("wait4", -1, 0, 0, 0)
    script.call("exit", 0)
    script.if_zero(fork)
    script.run_code("fill", cx=length // 2, di=ARENA)
    script.call("vmemu_lab", 0, script.put(b"measure\0"))
    script.call("exit", 0)
    looked = []
    with Machine(bits=BITS, ram=ram, swap="8M") as machine:

        def mark(task: Task, name: str, a: int, b: int) -> None:
            looked.append(name)
            look(machine)
            told = procfs.fields(procfs.read(machine, "meminfo"))
            status = procfs.read(machine, f"{task.pid}/status").replace("\t", " ")
            assert 0 < procfs.fields(status)["RssShmem"] <= told["Shmem"] <= length // 1024

        machine.kernel.on_mark = mark
        machine.spawn(script.program(tmp_path), stdout=None)
        assert machine.run().exit_status == 0
    assert looked == ["measure"]


def test_swap_is_told_of(tmp_path: Path) -> None:
    """The case of 1 MB would be no test of swap if nothing were there."""

    def swapped(machine: Machine) -> None:
        found = sum(
            each["Swap"]
            for pid in procfs.pids(machine.kernel)
            for _, each in procfs.areas(procfs.read(machine, f"{pid}/smaps"))
        )
        assert found > 0
        kb = procfs.fields(procfs.read(machine, "meminfo"))
        assert kb["SwapTotal"] > kb["SwapFree"]

    at_measure(swapped, "swap-storm", ram="1M", swap="8M")


def test_memory_by_address() -> None:
    """What mem has at an address is what the process has there, and it can be written."""

    def look(machine: Machine) -> None:
        task = next(iter(machine.kernel.tasks))
        at, path = int(task.mm.ptr.start_stack), f"/proc/{task.pid}/mem"
        before = task.mm.read(at, 16)
        assert procfs.finish(procfs.open_file(machine, path).at(at).read(16)) == before
        file = procfs.open_file(machine, path, 2)
        file.seek(at, 0)
        procfs.finish(file.write(bytes(reversed(before))))  # type: ignore[arg-type]
        assert task.mm.read(at, 16) == before[::-1]
        task.mm.write(at, before)
        for nowhere in (0, machine.core.task_size):
            with pytest.raises(Errno, match="EIO"):
                file.at(nowhere).read(16)

    at_measure(look, "touch")


def test_oom_score_adj_protects() -> None:
    """-1000: somebody else goes, and nobody when there is nobody else."""
    from vmemu.kernel.process.oom import select_bad_process

    def look(machine: Machine) -> None:
        kernel = machine.kernel
        chosen = select_bad_process(kernel)
        assert chosen is not None
        pid = chosen[0].pid
        procfs.write(machine, f"{pid}/oom_score_adj", "-1000\n")
        assert procfs.read(machine, f"{pid}/oom_score_adj") == "-1000\n"
        assert procfs.read(machine, f"{pid}/oom_adj") == "-17\n"
        other = select_bad_process(kernel)
        assert other is not None
        assert other[0].pid != pid
        procfs.write(machine, f"{other[0].pid}/oom_score_adj", "1000")
        procfs.write(machine, f"{pid}/oom_adj", "0")
        worst = select_bad_process(kernel)
        assert worst is not None
        assert worst[0].pid == other[0].pid
        for wrong in ("1001", "-1001", "x", ""):
            if wrong:
                with pytest.raises(Errno, match="EINVAL"):
                    procfs.write(machine, f"{pid}/oom_score_adj", wrong)

    at_measure(look, "fork-readers", "R=8", "N=2")


def test_settings_are_taken() -> None:
    def look(machine: Machine) -> None:
        for name, value in (
            ("overcommit_memory", 2), ("overcommit_ratio", 80), ("swappiness", 10),
            ("page-cluster", 2), ("min_free_kbytes", 64), ("dirty_ratio", 30),
            ("max_map_count", 200),
        ):  # fmt: skip
            procfs.write(machine, f"sys/vm/{name}", f"{value}\n")
            assert procfs.read(machine, f"sys/vm/{name}") == f"{value}\n"
        assert machine.vm.commit.mode == 2
        assert machine.vm.reclaim.swappiness == 10
        assert machine.core.zone.pages_high == 48
        kb = procfs.fields(procfs.read(machine, "meminfo"))
        assert kb["CommitLimit"] == kb["MemTotal"] // 4 * 80 // 100 * 4 + kb["SwapTotal"]
        with pytest.raises(Errno, match="EINVAL"):
            procfs.write(machine, "sys/vm/overcommit_memory", "3")
        with pytest.raises(Errno, match="EACCES"):
            procfs.open_file(machine, "/proc/sys/vm/mmap_min_addr", 1)
        assert machine.vm.max_map_count == 200

    at_measure(look, "touch")


def test_caches_are_dropped() -> None:
    """What is cached and not mapped goes; what is mapped, and shared memory, stay."""

    def look(machine: Machine) -> None:
        program = next(iter(machine.vm.inodes))
        machine.core.lib.invalidate_mapping_pages(machine.core.m, program.mapping, 0, 1 << 20)
        mapped = program.mapping.nrpages
        program.pread(0, 1 << 20, program.readahead())
        shared = machine.vm.inodes.shmem("shared", 4 * PAGE, account=False)
        shared.fill(0, 4 * PAGE)
        assert 0 < mapped < program.mapping.nrpages
        assert shared.mapping.nrpages == 4
        procfs.write(machine, "sys/vm/drop_caches", "2")
        assert mapped < program.mapping.nrpages
        procfs.write(machine, "sys/vm/drop_caches", "3")
        assert program.mapping.nrpages == mapped
        assert shared.mapping.nrpages == 4
        machine.check()
        shared.put()

    at_measure(look, "touch")


def test_times_add_up() -> None:
    """/proc/stat's are those since boot, and idle time is uptime's."""

    def look(machine: Machine) -> None:
        up, idle = map(float, procfs.read(machine, "uptime").split())
        cpu = [int(n) for n in procfs.read(machine, "stat").splitlines()[0].split()[1:]]
        assert sum(cpu) == round(up * 100)
        assert cpu[3] == round(idle * 100)

    with Machine(bits=BITS) as machine:
        machine.spawn(guest_path("sleepers", BITS), ["sleepers"], stdout=None)
        machine.run()
        look(machine)
        assert machine.kernel.sched.idle_time > 0


def test_every_file_can_be_read(tmp_path: Path) -> None:
    def look(machine: Machine) -> None:
        procfs.copy(machine, tmp_path / "proc")

    at_measure(look, "process-tree", ram="1M", swap="8M")
    assert (tmp_path / "proc/self/smaps").read_text()
    assert len(list((tmp_path / "proc/self/task").iterdir())) == 1
