"""An engine that gives up ends its machine, not the process."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from script import TEXT, elf, executable, word

from tests.width import BITS
from vmemu import Machine
from vmemu.errors import CpuError, MachineClosed
from vmemu.lab.guests import guest_path

LOCKED_BTS = b"\xf0\x0f\xab\xc1"  # lock bts %eax, %ecx: hardware has #UD


@pytest.fixture
def fatal(tmp_path: Path) -> Path:
    """A program that writes what Unicorn aborts at into the page it runs in."""
    behind = TEXT + 60
    store = b"\xb8" + LOCKED_BTS + b"\xa3" + word(behind)  # mov eax, insn; mov [behind], eax
    body = store.ljust(behind - TEXT + len(LOCKED_BTS), b"\x90") + b"\xeb\xfe"
    return executable(tmp_path / "fatal", elf(body.ljust(0x400, b"\x90")))


def test_the_machine_says_so_and_others_go_on(fatal: Path) -> None:
    with Machine(ram="4M") as machine, Machine(ram="4M") as other:
        machine.spawn(fatal)
        other.spawn(guest_path("hello"), stdout=None)
        for _ in range(2):
            place = f"gave up at code that process 100 .*{TEXT >> 12:#x}"
            with pytest.raises(CpuError, match=place):
                machine.run()
        with pytest.raises(CpuError):
            machine.step()
        with pytest.raises(CpuError):
            machine.check()
        assert machine.stats()["counters"]["pgfault"] > 0
        assert other.run().code == 0
        other.check()
    with pytest.raises(MachineClosed):
        machine.run()


def test_it_ends_in_any_thread(fatal: Path) -> None:
    said: list[str] = []

    def run() -> None:
        with Machine(ram="4M") as machine:
            machine.spawn(fatal)
            try:
                machine.run()
            except CpuError as error:
                said.append(str(error))

    threads = [threading.Thread(target=run) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(said) == 3


def test_the_command_line_says_so(fatal: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "vmemu", "run", str(fatal)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "vmemu: Unicorn gave up at code that process 100 reached from" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("inside", [False, True])
def test_another_abort_ends_the_process_as_before(inside: bool) -> None:
    """While a machine runs, too: what the handler does not know is not its."""
    code = (
        "import os, vmemu\n"
        "from vmemu.lab.guests import guest_path\n"
        f"with vmemu.Machine(ram='4M', bits={BITS}) as machine:\n"
        "    machine.kernel.on_exit = lambda task, status: os.abort()\n"
        f"    machine.spawn(guest_path('hello', {BITS}), stdout=None)\n"
        f"    machine.run() if {inside} else os.abort()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert done.returncode == -signal.SIGABRT


def test_pythons_own_handler_is_there_afterwards(fatal: Path) -> None:
    code = (
        "import os, vmemu\n"
        f"with vmemu.Machine(ram='4M', bits={BITS}) as machine:\n"
        f"    machine.spawn({str(fatal)!r})\n"
        "    try:\n"
        "        machine.run()\n"
        "    except vmemu.errors.CpuError:\n"
        "        os.abort()\n"
    )
    command = [sys.executable, "-X", "faulthandler", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGABRT
    assert "Fatal Python error: Aborted" in done.stderr
