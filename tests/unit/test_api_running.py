"""A machine while it runs, and a process that has ended, seen from outside."""

from __future__ import annotations

import io
import threading

import pytest

from vmemu import Machine, VmemuError


def test_a_zombie_has_no_areas_and_no_pages(guest):
    with Machine(ram="1M") as machine:
        task = machine.spawn(guest("hello"), ["hello"], stdout=io.BytesIO())
        while machine.step() is not None:
            pass
        assert list(machine.vmas(task)) == []
        assert list(machine.pages(task)) == []


@pytest.mark.parametrize("what", ["close", "run", "step"])
def test_a_hook_can_neither_close_nor_run_its_machine(guest, what):
    with Machine(ram="2M") as machine:
        machine.kernel.on_mark = lambda *mark: getattr(machine, what)()
        machine.spawn(guest("touch"), ["touch", "PAGES=1"], stdout=io.BytesIO())
        with pytest.raises(VmemuError, match="the machine is running"):
            machine.run()


@pytest.mark.parametrize("what", ["close", "run", "step", "check", "stats"])
def test_a_second_thread_is_refused(guest, what):
    refused = []

    def intrude() -> None:
        try:
            getattr(machine, what)()
        except VmemuError as error:
            refused.append(str(error))

    def look(*mark: object) -> None:
        if not refused:
            thread = threading.Thread(target=intrude)
            thread.start()
            thread.join()

    with Machine(ram="2M") as machine:
        machine.kernel.on_mark = look
        machine.spawn(guest("touch"), ["touch", "PAGES=1"], stdout=io.BytesIO())
        assert machine.run().code == 0
    assert "the machine is running" in refused[0]


def test_two_machines_in_two_threads_give_what_each_gives_alone(guest):
    def use() -> tuple[bytes, dict[str, int]]:
        out = io.BytesIO()
        with Machine(ram="1M", swap="16M") as machine:
            machine.spawn(guest("swap-storm"), ["swap-storm", "PAGES=300"], stdout=out)
            machine.run()
            machine.check()
            return out.getvalue(), machine.core.counters()

    alone, results = use(), []
    threads = [threading.Thread(target=lambda: results.append(use())) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [alone, alone]


@pytest.mark.parametrize("hook", ["on_mark", "on_exit", "strace"])
@pytest.mark.parametrize("error", [ZeroDivisionError, KeyboardInterrupt])
def test_a_hook_that_raises_leaves_a_machine_that_goes_on(guest, hook, error):
    """The exception comes out as itself, and the guest prints what it would have printed."""
    outputs = []
    for fails in (False, True):
        out = io.BytesIO()

        def fail(*told: object) -> None:
            setattr(machine.kernel, hook, None)
            raise error("on purpose")

        with Machine(ram="2M") as machine:
            machine.spawn(guest("touch"), ["touch", "PAGES=8"], stdout=out)
            if fails:
                setattr(machine.kernel, hook, fail)
                with pytest.raises(error, match="on purpose") as caught:
                    machine.run()
                assert caught.value.__notes__ == [f"in the hook {hook}"]
                machine.check()
            assert machine.run().code == 0
            machine.check()
        outputs.append(out.getvalue())
    assert outputs[0]
    assert outputs[0] == outputs[1]


def test_an_exception_within_a_step_breaks_the_machine(guest, monkeypatch):
    with Machine(ram="2M") as machine:
        machine.spawn(guest("touch"), ["touch", "PAGES=8"], stdout=io.BytesIO())

        def interrupted(*fault: object) -> int:
            raise KeyboardInterrupt

        machine.core.m.fault.in_c = 0
        machine.core.on_fault = interrupted
        with pytest.raises(KeyboardInterrupt) as caught:
            machine.run()
        with pytest.raises(VmemuError, match="cannot go on: KeyboardInterrupt") as refused:
            machine.run()
        assert refused.value.__cause__ is caught.value
        assert machine.core.counters()["syscalls"] >= 0
        assert list(machine.vmas(machine.processes[0]))
