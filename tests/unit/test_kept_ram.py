"""The RAM of a closed machine serves the next one, and nothing tells it from new memory."""

from __future__ import annotations

import contextlib
import gc
import hashlib
import resource
import subprocess
import sys
import textwrap
import threading
from pathlib import Path
from typing import Any

import pytest

from vmemu.core import PAGE_SIZE, Core, core_of
from vmemu.lab.guests import guest_path
from vmemu.machine import Machine

MB = 1 << 20
lib = core_of(32)[1]  # what is kept is kept for both widths
MACHINES: list[dict[str, Any]] = [
    {"bits": 32, "ram": 4 * MB},
    {"bits": 32, "ram": 32 * MB},
    {"bits": 32, "ram": 4 * MB, "rmap": "anonmm"},
    {"bits": 32, "ram": 5 * MB + PAGE_SIZE},  # no multiple of a huge page
    {"bits": 64, "ram": 4 * MB},
    {"bits": 64, "ram": 32 * MB, "levels": 4},
    {"bits": 64, "ram": 32 * MB, "layout": "6.18"},
]


def name(options: dict[str, Any]) -> str:
    return "-".join(str(value) for value in options.values())


def contents(core: Core) -> str:
    """All of guest RAM, in short."""
    ffi = core.ffi
    return hashlib.sha256(ffi.buffer(core.m.ram, core.m.ram_size)).hexdigest()


def boot_and_run(options: dict[str, Any]) -> tuple[str, str]:
    """RAM of a machine that has booted, and when it has run hello."""
    with Machine(swap="1M", **options) as machine:
        booted = contents(machine.core)
        machine.spawn(guest_path("hello", options["bits"]), stdout=None)
        machine.run()
        return booted, contents(machine.core)


def use(options: dict[str, Any]) -> None:
    """Leave something in each frame of the first third, and more, of a machine's RAM."""
    with Machine(swap="64M", **options) as machine:
        machine.spawn(
            guest_path("touch", options["bits"]),
            ["touch", f"PAGES={options['ram'] // PAGE_SIZE // 3}"],
            stdout=None,
        )
        assert machine.run().exit_status == 0
        assert machine.core.m.pages.handed_out > options["ram"] // PAGE_SIZE // 3
    assert lib.ram_kept() == options["ram"]


@pytest.mark.parametrize("options", MACHINES, ids=name)
@pytest.mark.parametrize("user", [32, 64])
def test_the_next_machine_finds_what_the_first_of_a_process_does(
    options: dict[str, Any], user: int
) -> None:
    code = f"import test_kept_ram; print(*test_kept_ram.boot_and_run({options!r}))"
    here = str(Path(__file__).parent)
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=here, capture_output=True, text=True, check=True
    )
    use({"bits": user, "ram": options["ram"]})
    assert list(boot_and_run(options)) == done.stdout.split()
    assert lib.ram_kept() == options["ram"]
    assert list(boot_and_run(options)) == done.stdout.split()


def test_what_is_left_is_zeros() -> None:
    """What is kept goes to the next core as it is."""
    use({"bits": 32, "ram": 8 * MB})
    with contextlib.closing(Core(8 * MB, "none", bits=32)) as core:
        assert lib.ram_kept() == 0  # it is in use
        reserved = int(lib.vmemu_boot_frames(8 * MB))
        assert core.m.pages.handed_out < reserved + 8
        rest = core.ffi.buffer(core.m.ram, 8 * MB)[(reserved + 8) * PAGE_SIZE :]
        assert rest == bytes(len(rest))


def test_little_is_cleared_after_a_short_program() -> None:
    """Of 8192 frames: mem_map and the kernel's data, and what hello had."""
    with Machine(ram=32 * MB, bits=32) as machine:
        machine.spawn(guest_path("hello", 32), stdout=None)
        machine.run()
        most = machine.core.counters()["pgalloc"]
        reserved = int(lib.vmemu_boot_frames(32 * MB))
        assert reserved < machine.core.m.pages.handed_out <= reserved + most
        assert most < 64


def test_a_frame_that_comes_back_does_not_lower_the_mark() -> None:
    with contextlib.closing(Core(4 * MB, "none", bits=32)) as core:
        reserved = core.m.pages.handed_out
        first = lib.alloc_page(core.m, 0)
        second = lib.alloc_page(core.m, 0)
        assert core.m.pages.handed_out == reserved + 2
        lib.put_page(core.m, second)
        lib.put_page(core.m, first)
        lib.alloc_page(core.m, 0)
        assert core.m.pages.handed_out == reserved + 2


def close(ram: int, *, touched: float = 0, bits: int = 32) -> None:
    """Make a machine, hand out a part of its frames, close it."""
    core = Core(ram, "none", bits=bits)
    frames = int(touched * core.m.nr_frames)
    while core.m.pages.handed_out < frames:
        assert core.lib.alloc_page(core.m, 0)
    core.close()


def test_one_is_kept_the_last_one() -> None:
    close(4 * MB)
    assert lib.ram_kept() == 4 * MB
    close(8 * MB, bits=64)
    assert lib.ram_kept() == 8 * MB
    first, second = Core(8 * MB, "none", bits=32), Core(8 * MB, "none", bits=32)
    assert lib.ram_kept() == 0
    first.close()
    second.close()
    assert lib.ram_kept() == 8 * MB
    other = Core(4 * MB, "none", bits=32)  # of another size: what was kept goes at once
    assert lib.ram_kept() == 0
    other.close()
    assert lib.ram_kept() == 4 * MB


def address_space() -> int:
    """Bytes of it that the process has; the addresses of closed machines go with their objects."""
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()


def test_what_goes_goes_as_a_whole() -> None:
    close(4 * MB)
    before = address_space()
    for _ in range(40):
        close(8 * MB)
        close(4 * MB)
    assert address_space() - before < 40 * 2 * MB  # if the other 4 MB stayed each time: twice that


def test_what_is_large_or_was_used_by_half_is_not_kept() -> None:
    Core(4 * MB, "none", bits=32).close()
    close(257 * MB)
    assert lib.ram_kept() == 0
    close(8 * MB, touched=0.4)
    assert lib.ram_kept() == 8 * MB
    close(8 * MB, touched=0.6)
    assert lib.ram_kept() == 0


def test_what_a_broken_machine_had_is_not_kept() -> None:
    core = Core(4 * MB, "none", bits=32)
    core.m.bug[0] = b"x"
    core.close()
    assert lib.ram_kept() == 0


def test_old_addresses_are_apart_from_the_next_machine() -> None:
    old = Core(4 * MB, "none", bits=32)
    ram, ffi = old.m.ram, old.ffi
    assert ffi.buffer(ram, 4 * MB)[:] != bytes(4 * MB)
    old.close()
    with contextlib.closing(Core(4 * MB, "none", bits=32)) as new:
        before = contents(new)
        assert ffi.buffer(ram, 4 * MB)[:] == bytes(4 * MB)
        ffi.buffer(ram, 4 * MB)[:] = b"x" * (4 * MB)
        assert contents(new) == before


def test_a_machine_nobody_closes_leaves_its_own_too() -> None:
    close(8 * MB)
    core = Core(4 * MB, "none", bits=32)
    core._finalizer()
    assert lib.ram_kept() == 4 * MB


def test_threads_that_make_and_close_machines_share_nothing() -> None:
    options = {"bits": 32, "ram": 4 * MB}
    expected = boot_and_run(options)
    found: list[tuple[str, str]] = []

    def work() -> None:
        for _ in range(5):
            close(4 * MB, touched=0.3)
            found.append(boot_and_run(options))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [expected] * 20


def test_a_process_of_one_machine_has_ram_by_need() -> None:
    """None is present until it is touched, and none is kept, of what there was either."""
    code = f"""
        import resource, test_kept_ram
        from vmemu.core import Core, lib
        print(*test_kept_ram.boot_and_run({MACHINES[1]!r}))
        assert lib.ram_kept() == 32 << 20
        lib.ram_by_need()
        assert lib.ram_kept() == 0
        print(*test_kept_ram.boot_and_run({MACHINES[1]!r}))
        assert lib.ram_kept() == 0
        before = int(open("/proc/self/statm").read().split()[1])
        core = Core(512 << 20, "none", bits=64)
        after = int(open("/proc/self/statm").read().split()[1])
        assert (after - before) * resource.getpagesize() < 64 << 20
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        cwd=Path(__file__).parent,
        capture_output=True,
        text=True,
        check=True,
    )
    first, second = done.stdout.splitlines()
    assert first == second
