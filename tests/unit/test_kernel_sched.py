"""The scheduler, timers and wait queues, without a machine."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from vmemu.errors import KernelBug
from vmemu.kernel.hold import HostMemory
from vmemu.kernel.process.group import Accounting
from vmemu.kernel.process.itimer import IntervalTimer
from vmemu.kernel.process.sched import LONE_SLICES, Scheduler
from vmemu.kernel.process.task import TaskState, WakeReason
from vmemu.kernel.process.timer import TimerQueue
from vmemu.kernel.process.wait import Wait, WaitQueue, WaitStatus, waited
from vmemu.vfs.pipe import BUFFER_SIZE, PIPE_BUF, PIPE_BUFFERS, Pipe, PipeReader, PipeWriter


class FakeCpu:
    def __init__(self) -> None:
        self.blocks: list[int] = []

    def set_preempt(self, blocks: int) -> None:
        self.blocks.append(blocks)


def world(tasks: int, slice_blocks: int = 1000) -> tuple[Scheduler, list[Any], FakeCpu]:
    cpu = FakeCpu()
    core: Any = SimpleNamespace(m=SimpleNamespace(clock=SimpleNamespace(now=0, stime=0, iowait=0)))
    sched = Scheduler(core, cpu, slice_blocks)
    kernel = SimpleNamespace(sched=sched)
    made: list[Any] = [
        SimpleNamespace(
            kernel=kernel, pid=pid, wait=None, wake_reason=None, slept=None, used=Accounting()
        )
        for pid in range(100, 100 + tasks)
    ]
    for task in made:
        sched.enqueue(task)
    return sched, made, cpu


def test_round_robin_by_slices() -> None:
    sched, (a, b, c), _ = world(3)
    order = []
    for _ in range(9):
        task = sched.pick()
        assert task is not None
        order.append(task)
        sched.advance(task, 500)
    assert order == [a, a, b, b, c, c, a, a, b]
    sched.end_slice()
    assert sched.pick() is c


def test_a_task_alone_gets_a_full_slice_when_another_comes() -> None:
    sched, (a, b), _ = world(2)
    sched.remove(b)
    for _ in range(10):
        assert sched.pick() is a
        sched.advance(a, 500)
    sched.enqueue(b)
    assert sched.pick() is a
    sched.advance(a, 1000)
    assert sched.pick() is b


def test_sleep_and_wake_in_order() -> None:
    sched, (a, b, c), _ = world(3)
    queue = WaitQueue()
    open_ = False
    for task in (b, a):
        sched.sleep(task, Wait("a door", (queue,), lambda: open_))
    assert sched.pick() is c
    queue.wake_up()
    assert list(sched.queue) == [c]
    open_ = True
    queue.wake_up()
    assert list(sched.queue) == [c, b, a]
    assert not queue.tasks
    assert b.wake_reason is WakeReason.READY
    assert b.state is TaskState.RUNNING


def test_deadlines_fire_in_order_and_time_jumps() -> None:
    sched, (a, b), _ = world(2)
    sched.sleep(a, Wait("time", deadline=9000))
    sched.sleep(b, Wait("time", deadline=4000))
    assert sched.pick() is None
    assert sched.idle()
    assert (sched.now, sched.pick()) == (4000, b)
    assert b.wake_reason is WakeReason.TIMEOUT
    sched.remove(b)
    assert sched.idle()
    assert (sched.now, sched.pick()) == (9000, a)
    sched.remove(a)
    assert not sched.idle()


def test_a_woken_sleeper_has_no_timer_left() -> None:
    sched, (a,), _ = world(1)
    queue = WaitQueue()
    sched.sleep(a, Wait("both", (queue,), lambda: True, 5000))
    queue.wake_up()
    assert sched.pick() is a
    sched.remove(a)
    assert not sched.idle()


def test_the_slice_hook_comes_late_and_stays() -> None:
    sched, (a, b), cpu = world(2)
    sched.remove(b)
    sched.update_preemption()
    assert cpu.blocks == []
    sched.enqueue(b)
    sched.update_preemption()
    sched.sleep(b, Wait("ever"))
    for _ in range(LONE_SLICES - 1):
        sched.update_preemption()
        sched.slice_used()
    assert cpu.blocks == [1000]
    sched.slice_used()
    assert cpu.blocks == [1000, 0]
    sched.timers.add(10, lambda: None)
    sched.update_preemption()
    for _ in range(LONE_SLICES):
        sched.slice_used()
    assert cpu.blocks == [1000, 0, 1000]
    assert sched.pick() is a


def test_timers() -> None:
    timers, fired = TimerQueue(), []
    timers.add(5, lambda: fired.append("b"))
    first = timers.add(3, lambda: fired.append("never"))
    timers.add(5, lambda: fired.append("c"))
    timers.add(4, lambda: fired.append("a"))
    first.cancel()
    assert timers.next_deadline() == 4
    timers.run(4)
    timers.run(9)
    assert fired == ["a", "b", "c"]
    assert timers.next_deadline() is None


def finish(what: Any) -> Any:
    """Run what must not block."""
    try:
        next(waited(what))
    except StopIteration as stop:
        return stop.value
    raise AssertionError("blocked")


def read(reader: PipeReader, count: int, stored: int | None = None) -> bytes:
    """Read what need not be waited for; the guest can store all of it, or so many bytes."""
    data: bytes = finish(reader.read(count))
    return data[: reader.take(len(data) if stored is None else stored)]


def test_pipe_ends() -> None:
    pipe = Pipe(1, HostMemory(1 << 20))
    reader, writer = PipeReader(pipe), PipeWriter(pipe)
    wait = next(reader.read(10))
    assert not wait.ready()
    assert finish(writer.write(b"hello")) == 5
    assert wait.ready()
    assert read(reader, 3) == b"hel"
    assert reader.poll() == 1
    writer.release()
    assert read(reader, 9) == b"lo"
    assert read(reader, 9) == b""
    assert reader.poll() == 16


def test_what_cannot_be_stored_stays_in_the_pipe() -> None:
    pipe = Pipe(1, HostMemory(1 << 20))
    reader, writer = PipeReader(pipe), PipeWriter(pipe)
    finish(writer.write(b"a" * BUFFER_SIZE + b"bcd"))
    assert read(reader, 6000, stored=0) == b""
    assert read(reader, 6000, stored=BUFFER_SIZE - 1) == b""  # a buffer goes whole
    assert read(reader, 6000, stored=BUFFER_SIZE + 2) == b"a" * BUFFER_SIZE
    assert read(reader, 2, stored=1) == b""
    assert read(reader, 2, stored=2) == b"bc"
    assert read(reader, 2) == b"d"


def test_small_writes_are_whole() -> None:
    pipe = Pipe(1, HostMemory(1 << 20))
    reader, writer = PipeReader(pipe), PipeWriter(pipe)
    finish(writer.write(bytes(PIPE_BUFFERS * BUFFER_SIZE - 100)))
    assert pipe.full
    small = writer.write(b"x" * PIPE_BUF)
    wait = next(small)
    assert finish(writer.write(b"y" * 100)) == 100  # the last buffer has room for it
    read(reader, PIPE_BUF - 1)
    assert not wait.ready()
    read(reader, 1)
    assert wait.ready()
    assert finish(small) == PIPE_BUF
    large = writer.write(b"y" * 2 * PIPE_BUFFERS * BUFFER_SIZE)
    next(large)
    assert pipe.full
    read(reader, BUFFER_SIZE)
    next(large)
    reader.release()
    assert finish(large) == BUFFER_SIZE


def test_wait_status() -> None:
    assert WaitStatus(7).encode() == 0x700
    assert WaitStatus(11, signaled=True).encode() == 11
    assert WaitStatus(19, stopped=True).encode() == 0x137F
    assert WaitStatus(11, signaled=True).exit_status == 139


def test_whatever_could_want_the_cpu_unsettles() -> None:
    """Alone and settled, a task runs on without another look: nothing may be missed by that."""

    def of_one() -> tuple[Scheduler, Any]:
        sched, (task,), _ = world(1)
        sched.prepare()
        assert sched.settled
        return sched, task

    sched, task = of_one()
    sched.enqueue(SimpleNamespace(**vars(task)))  # type: ignore[arg-type]
    assert not sched.settled
    sched.prepare()
    assert not sched.settled
    for change in (
        lambda sched, task: sched.sleep(task, Wait("ever")),
        lambda sched, task: sched.remove(task),
        lambda sched, task: sched.timers.add(5, lambda: None),
        lambda sched, task: setattr(sched, "watched", True),
        lambda sched, task: setattr(sched, "measured", True),
        lambda sched, task: IntervalTimer(sched, lambda: True, lambda: 0).set(5),
        last := lambda sched, task: sched.slice_used(),
    ):
        sched, task = of_one()
        sched.check(task)
        change(sched, task)
        assert not sched.settled
        sched.settled = True  # as if it had been forgotten
        if change is not last:
            with pytest.raises(KernelBug):
                sched.check(task)
