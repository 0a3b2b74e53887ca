"""A run has bounds: virtual time, the host's time, tasks, and what the host must hold."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from script import BASE, SCRATCH, Script, elf, executable, signed

from vmemu import Machine
from vmemu.errors import ConfigError, Errno, ExecError, KernelBug, LimitReached, VmemuError
from vmemu.kernel import kernel as kernel_module
from vmemu.kernel.hold import (
    DESCRIPTOR_BYTES,
    FILE_BYTES,
    PIPE_BUFFER_BYTES,
    TASK_BYTES,
    WAITER_BYTES,
    HostMemory,
)
from vmemu.kernel.process.limits import MAX_QUEUED_SIGNALS
from vmemu.kernel.process.timer import TimerQueue
from vmemu.lab.guests import guest_path

O_NONBLOCK = 0o4000
SPIN = b"\xeb\xfe"
STREAMS = TASK_BYTES + 3 * (DESCRIPTOR_BYTES + FILE_BYTES)
"""What a program with three streams makes the host hold."""


def program(tmp_path: Path, body: bytes, name: str = "program") -> Path:
    return executable(tmp_path / name, elf(body.ljust(0x400, b"\x90")))


# ---- time


@pytest.mark.parametrize("seconds", [0.001, 0.25])
def test_a_program_that_only_computes_ends_with_its_time(tmp_path: Path, seconds: float) -> None:
    with Machine(ram="4M", max_time=seconds) as machine:
        machine.spawn(program(tmp_path, SPIN))
        with pytest.raises(LimitReached, match=f"{seconds:g} s of virtual time.*max_time"):
            machine.run()
        end = round(seconds * 1e9)
        assert end <= machine.core.m.clock.now < end + 100_000 + 10_000  # a slice, a fault
        machine.check()
        assert machine.stats()["virtual_ns"] == machine.core.m.clock.now
        with pytest.raises(LimitReached):
            machine.run()
        with pytest.raises(LimitReached):
            machine.step()


def test_a_sleeper_does_not_wake_behind_the_end(tmp_path: Path) -> None:
    script = Script()
    script.call("nanosleep", script.words(3, 0), 0)
    script.end()
    with pytest.raises(LimitReached):
        script.run(tmp_path, max_time=2)
    assert script.run(tmp_path, max_time=3.1).results == [0, *script.run(tmp_path).results[1:]]


def test_the_time_before_the_end_is_as_without_it(tmp_path: Path) -> None:
    """A program that sleeps, calls and faults: the same counters, whether it has a limit."""

    def run(**options: Any) -> dict[str, int]:
        with Machine(ram="1M", swap="8M", **options) as machine:
            machine.spawn(guest_path("touch"), ["touch", "PAGES=400"], stdout=None)
            machine.run()
            return machine.core.counters()

    with_limit, without = run(max_time=1000), run()
    for own in ("context_switch",):
        assert with_limit.pop(own) == without.pop(own)
    assert with_limit == without


def test_a_deadlock_is_told_as_one(tmp_path: Path) -> None:
    script = Script()
    script.call("pause")
    script.end()
    with pytest.raises(VmemuError, match="deadlock"):
        script.run(tmp_path, max_time=1)


def test_the_hosts_time_ends_a_program_that_only_computes(tmp_path: Path) -> None:
    with Machine(ram="4M", max_host_time=0.05) as machine:
        machine.spawn(program(tmp_path, SPIN))
        for _ in range(2):
            with pytest.raises(LimitReached, match="max_host_time"):
                machine.run()
        machine.check()


def test_the_hosts_time_ends_a_read_that_nobody_answers(tmp_path: Path) -> None:
    script = Script()
    script.call("read", 0, SCRATCH, 1)
    script.end()
    path = script.program(tmp_path)
    reader, writer = os.pipe()
    try:
        with Machine(ram="4M", max_host_time=0.05) as machine:
            machine.spawn(path, stdin=reader)
            with pytest.raises(LimitReached, match="max_host_time"):
                machine.run()
            machine.check()
    finally:
        os.close(reader)
        os.close(writer)


def test_a_run_within_the_hosts_time_ends_as_always(tmp_path: Path) -> None:
    with Machine(ram="4M", max_host_time=1000, max_time=1000) as machine:
        machine.spawn(guest_path("hello"), stdout=None)
        assert machine.run().code == 0


# ---- tasks


@pytest.mark.parametrize("tasks", [1, 2, 5])
def test_fork_fails_when_there_are_enough_tasks(tmp_path: Path, tasks: int) -> None:
    """Zombies count: nobody waits here."""
    script = Script()
    made = [script.call("fork") for _ in range(6)]
    script.end()
    for index in made:
        script.if_zero(index)
    script.call("exit", 0)
    ran = script.run(tmp_path, max_tasks=tasks)
    results = [signed(ran.results[index]) for index in made]
    assert [r > 0 for r in results] == [True] * (tasks - 1) + [False] * (7 - tasks)
    assert set(results[tasks - 1 :]) == {-errno.EAGAIN}


def test_no_program_starts_when_there_are_enough(tmp_path: Path) -> None:
    with Machine(ram="4M", max_tasks=1) as machine:
        machine.spawn(guest_path("hello"), stdout=None)
        with pytest.raises(ExecError, match="temporarily unavailable"):
            machine.spawn(guest_path("hello"), stdout=None)
        assert machine.run().code == 0
        machine.check()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("max_tasks", 0),
        ("max_tasks", 40000),
        ("max_tasks", "3"),
        ("max_time", 0),
        ("max_time", -1),
        ("max_time", float("nan")),
        ("max_time", 1e10),
        ("max_time", "1"),
        ("max_host_time", True),
        ("max_host_memory", "64"),
        ("max_host_memory", None),
    ],
)
def test_bounds_that_are_none(name: str, value: Any) -> None:
    with pytest.raises(ConfigError, match=name):
        Machine(ram="4M", **{name: value})


# ---- what the host holds


def test_nothing_goes_beyond_the_limit() -> None:
    hold = HostMemory(100)
    hold.charge(60)
    assert not hold.try_charge(41)
    with pytest.raises(Errno) as refused, hold.holding(41):
        pass
    assert refused.value.errno == errno.ENOMEM
    assert (hold.held, hold.waiting, hold.peak) == (60, 0, 60)
    with hold.holding(40):
        assert (hold.held, hold.waiting) == (100, 40)
    hold.uncharge(60)
    assert (hold.held, hold.waiting, hold.peak) == (0, 0, 100)


def limited(extra: int) -> dict[str, Any]:
    """The machine's limit, so many bytes above what the program itself takes."""
    return {"setup": lambda machine: setattr(machine.kernel.hold, "limit", STREAMS + extra)}


def test_a_pipe_fills_as_far_as_the_host_may_hold_it(tmp_path: Path) -> None:
    """Room for the pipe and 3 of its buffers: 16384 bytes are cut to 12288, then ENOMEM."""
    script = Script()
    ends = script.put(8)
    script.call("pipe2", ends, O_NONBLOCK)
    first = script.call("write", 4, BASE, 16384)
    second = script.call("write", 4, BASE, 4096)
    script.call("read", 3, SCRATCH + 0x1000, 4096)
    third = script.call("write", 4, BASE, 4096)
    script.end()
    extra = 2 * (FILE_BYTES + DESCRIPTOR_BYTES) + 3 * PIPE_BUFFER_BYTES
    ran = script.run(tmp_path, **limited(extra))
    assert [signed(ran.results[i]) for i in (first, second, third)] == [12288, -errno.ENOMEM, 4096]
    assert ran.machine.kernel.hold.peak == STREAMS + extra
    assert ran.machine.kernel.hold.held == 0


def test_what_is_closed_is_held_no_longer(tmp_path: Path) -> None:
    """A full pipe, closed by either end first, makes room for the next."""
    for order in ((3, 4), (4, 3)):
        script = Script()
        ends = script.put(8)
        writes = []
        for _ in range(3):
            script.call("pipe2", ends, O_NONBLOCK)
            writes.append(script.call("write", 4, BASE, 8192))
            for fd in order:
                script.call("close", fd)
        script.end()
        extra = 2 * (FILE_BYTES + DESCRIPTOR_BYTES) + 2 * PIPE_BUFFER_BYTES
        ran = script.run(tmp_path, **limited(extra))
        assert [ran.results[i] for i in writes] == [8192] * 3


def test_files_and_descriptors(tmp_path: Path) -> None:
    script = Script()
    null = script.put(b"/dev/null\0")
    calls = [
        script.call("open", null, 0),
        script.call("dup", 3),
        script.call("dup", 3),
        script.call("open", null, 0),
        script.call("close", 5),
        script.call("dup", 3),
        script.call("close", 3),
        script.call("open", null, 0),
    ]
    script.end()
    ran = script.run(tmp_path, **limited(FILE_BYTES + 3 * DESCRIPTOR_BYTES))
    nfile = -errno.ENFILE
    assert [signed(ran.results[i]) for i in calls] == [3, 4, 5, nfile, 0, 5, 0, nfile]


def test_what_a_file_of_proc_holds_counts(tmp_path: Path) -> None:
    """Its text, as soon as it is read."""
    script = Script()
    status = script.put(b"/proc/self/status\0")
    opened = script.call("open", status, 0)
    got = script.call("read", 3, SCRATCH + 0x800, 16)
    script.end()
    ran = script.run(tmp_path, **limited(FILE_BYTES + DESCRIPTOR_BYTES + 100))
    assert [signed(ran.results[i]) for i in (opened, got)] == [3, -errno.ENOMEM]
    ran = script.run(tmp_path)
    assert [ran.results[opened], ran.results[got]] == [3, 16]


def test_a_pipe_that_cannot_be_had_leaves_nothing(tmp_path: Path) -> None:
    """Room for one end only."""
    script = Script()
    ends = script.put(8)
    pipe = script.call("pipe", ends)
    null = script.call("open", script.put(b"/dev/null\0"), 0)
    script.end()
    ran = script.run(tmp_path, **limited(FILE_BYTES + DESCRIPTOR_BYTES))
    assert [signed(ran.results[i]) for i in (pipe, null)] == [-errno.ENFILE, 3]


def test_fork_needs_room_for_the_task_and_its_descriptors(tmp_path: Path) -> None:
    for short, expected in ((0, True), (1, False)):
        script = Script()
        fork = script.call("fork")
        script.end()
        script.if_zero(fork)
        script.call("exit", 0)
        extra = TASK_BYTES + 3 * DESCRIPTOR_BYTES - short
        ran = script.run(tmp_path, **limited(extra))
        assert (signed(ran.results[fork]) > 0) == expected
        assert expected or signed(ran.results[fork]) == -errno.ENOMEM


def test_a_poll_that_waits_counts_its_descriptors(tmp_path: Path) -> None:
    """It needs room only when it has to wait."""
    for short, expected in ((0, 0), (1, -errno.ENOMEM)):
        script = Script()
        ends = script.put(8)
        script.call("pipe", ends)
        fds = script.struct("IHH", 3, 1, 0)
        poll = script.call("poll", fds, 1, 10)
        script.call("write", 4, SCRATCH, 1)
        ready = script.call("poll", fds, 1, 10)
        script.end()
        extra = 2 * (FILE_BYTES + DESCRIPTOR_BYTES) + PIPE_BUFFER_BYTES
        assert PIPE_BUFFER_BYTES > WAITER_BYTES
        need = extra - PIPE_BUFFER_BYTES + WAITER_BYTES - short
        ran = script.run(
            tmp_path,
            setup=lambda machine, need=need: setattr(  # type: ignore[misc]
                machine.kernel.hold, "limit", STREAMS + need
            ),
        )
        assert signed(ran.results[poll]) == expected
        assert signed(ran.results[ready]) in (0, 1, -errno.ENOMEM)


def test_a_writer_that_waits_counts_what_it_has(tmp_path: Path) -> None:
    """16 buffers are full; the rest of the write is held while it waits for room."""
    for short in (0, 1):
        script = Script()
        script.call("pipe", script.put(8))
        fork = script.call("fork")
        write = script.call("write", 4, BASE, 16384)
        filling = [script.call("write", 4, BASE, 16384) for _ in range(4)]
        script.end()
        script.if_zero(fork)
        script.call("nanosleep", script.words(0, 1000), 0)
        script.call("read", 3, SCRATCH + 0x1000, 4096)
        script.call("nanosleep", script.words(0, 1000), 0)
        for _ in range(8):
            script.call("read", 3, SCRATCH + 0x1000, 2048)
        script.call("exit", 0)
        child = TASK_BYTES + 5 * DESCRIPTOR_BYTES
        extra = child + 2 * (FILE_BYTES + DESCRIPTOR_BYTES) + 16 * PIPE_BUFFER_BYTES + 16384
        ran = script.run(tmp_path, **limited(extra - short))
        results = [signed(ran.results[i]) for i in (write, *filling)]
        assert results[:4] == [16384] * 4
        assert results[4] == (16384 if not short else -errno.ENOMEM)


def test_a_count_that_is_wrong_is_found() -> None:
    with Machine(ram="4M") as machine:
        machine.spawn(guest_path("hello"), stdout=None)
        machine.check()
        assert machine.kernel.hold.held == STREAMS
        machine.kernel.hold.held += 1
        with pytest.raises(KernelBug, match=f"host memory held is {STREAMS + 1}"):
            machine.check()


def test_a_program_needs_room_too(tmp_path: Path) -> None:
    with Machine(ram="4M", max_host_memory=32 << 10) as machine:
        with pytest.raises(ExecError, match=r"cannot start .*too many open files"):
            machine.spawn(guest_path("hello"), stdout=None)
        machine.check()
        assert machine.kernel.hold.held == 0


# ---- signals, timers, unknown calls, files


def test_real_time_signals_queue_up_to_a_limit(tmp_path: Path, monkeypatch: Any) -> None:
    """Beyond it kill() makes a signal pending once, tkill() fails (2.6.7)."""
    monkeypatch.setattr("vmemu.kernel.process.limits.MAX_QUEUED_SIGNALS", 4)
    assert MAX_QUEUED_SIGNALS == 1024
    script = Script()
    script.call("rt_sigprocmask", 0, script.struct("Q", -1), 0, 8)
    pid = 100
    kills = [script.call("kill", pid, 40) for _ in range(6)]
    other = script.call("kill", pid, 41)
    again = script.call("kill", pid, 41)
    refused = script.call("tkill", pid, 42)
    standard = script.call("tkill", pid, 10)
    script.end()
    pending: list[int] = []
    ran = script.run(
        tmp_path,
        setup=lambda machine: setattr(
            machine.kernel,
            "on_exit",
            lambda task, _: pending.extend(
                i.signo for i in (*task.group.shared, *task.signals.pending)
            ),
        ),
    )
    assert [ran.results[i] for i in (*kills, other, again, standard)] == [0] * 9
    assert signed(ran.results[refused]) == -errno.EAGAIN
    assert pending == [40] * 4 + [41, 10]


def test_timers_that_were_cancelled_do_not_pile_up() -> None:
    queue = TimerQueue()
    fired: list[int] = []
    queue.add(5, lambda: fired.append(5))
    for n in range(10_000):
        queue.add(1 << 40, lambda: None).cancel()
        queue.add((1 << 40) + n, lambda: None).cancel()
    assert len(queue._heap) < 200
    assert queue.next_deadline() == 5
    queue.run(5)
    assert fired == [5]
    assert queue.next_deadline() is None


def test_a_timer_may_be_cancelled_twice_or_when_it_has_fired() -> None:
    queue = TimerQueue()
    timers = [queue.add(n, lambda: None) for n in range(300)]
    queue.run(150)
    for _ in range(2):
        for timer in timers[:250]:
            timer.cancel()
    assert queue.next_deadline() == 250


def test_unknown_calls_are_told_apart_up_to_a_limit(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(kernel_module, "UNKNOWN_MAX", 2)
    script = Script()
    for number in (9000, 9001, 9002, 9000, 9002):
        script.call(number)
    script.end()
    ran = script.run(tmp_path)
    assert ran.machine.kernel.unknown_syscalls == {9000: 2, 9001: 1}
    assert ran.machine.core.counters()["enosys"] == 5


def test_more_programs_than_files_can_be_open(tmp_path: Path) -> None:
    """Those that nothing maps make room, the one used longest ago first."""
    with Machine(ram="8M") as machine:
        for n in range(140):
            path = tmp_path / f"hello{n}"
            shutil.copy(guest_path("hello"), path)
            for each in (path, tmp_path / "hello0"):
                machine.spawn(each, stdout=None)
                assert machine.run().code == 0
            machine.check()
        assert len(machine.vm.inodes) == 64
        numbers = [inode.number for inode in machine.vm.inodes]
        assert 1 in numbers  # hello0 was never the one used longest ago
        assert sorted(numbers)[1:] == list(range(78, 141))


def test_programs_that_run_keep_their_files(tmp_path: Path) -> None:
    with Machine(ram="32M") as machine:
        for n in range(70):
            path = tmp_path / f"sleep{n}"
            shutil.copy(guest_path("sleepers"), path)
            machine.spawn(path, stdout=None)
        assert [inode.number for inode in machine.vm.inodes] == list(range(1, 71))
        machine.check()
        assert machine.run().code == 0
