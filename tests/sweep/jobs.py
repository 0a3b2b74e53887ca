"""Jobs for the tests of isolated runs: what a user's code may do, and worse."""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

from vmemu.errors import ConfigError, KernelBug, LimitReached
from vmemu.lab.experiment import ScenarioError, run_scenario
from vmemu.lab.guests import guest_path
from vmemu.lab.scenarios import find_scenario
from vmemu.machine import Machine
from vmemu.rmap.python import AddressBook


def entries(directory: str) -> list[str]:
    return sorted(path.name for path in Path(directory).iterdir())


def echo(payload: bytes) -> bytes:
    return payload


def nothing(payload: bytes) -> Any:
    return None


def length(payload: bytes) -> bytes:
    return bytes(int(payload))


def whereabouts(payload: bytes) -> bytes:
    return repr((str(Path.cwd()), sys.path, os.environ.get("POOL_TEST"))).encode()


def surroundings(payload: bytes) -> bytes:
    """What the process has: threads, descriptors, what it ignores, random numbers, hashes."""
    import random

    threads = len(entries("/proc/self/task"))
    descriptors = sorted(map(int, entries("/proc/self/fd")))
    told = threads, descriptors, random.random(), hash("text"), os.getsid(0) == os.getpid()
    return repr(told).encode()


def forked(payload: bytes) -> bytes:
    """What two processes that the job forks draw, and LD_BIND_NOW where they are."""
    import random

    drawn = []
    for _ in range(2):
        out, end = os.pipe()
        if not (pid := os.fork()):
            os.write(end, repr(random.random()).encode())
            os._exit(0)
        os.waitpid(pid, 0)
        drawn.append(os.read(out, 100).decode())
    return repr((drawn, os.environ.get("LD_BIND_NOW"))).encode()


def cell(payload: bytes) -> bytes:
    scenario = find_scenario("private-pages")
    found = run_scenario(scenario, scenario.settle({"PAGES": "64"}), payload.decode() or "anon_vma")
    return repr(found.figures).encode()


def large_machine(payload: bytes) -> bytes:
    """A guest that uses all of these megabytes of RAM."""
    with Machine(ram=f"{payload.decode()}M", swap=None) as machine:
        pages = int(payload) * 256 * 3 // 4
        machine.spawn(guest_path("touch"), ["touch", f"PAGES={pages}"], stdout=None)
        return str(machine.run()).encode()


# ---- what fails


def spin(payload: bytes) -> bytes:
    while True:
        pass


def sleep(payload: bytes) -> bytes:
    time.sleep(float(payload))
    return b"awake"


def guest_spins(payload: bytes) -> bytes:
    with Machine(ram="4M", swap=None) as machine:
        machine.spawn(payload.decode(), stdout=None)
        return str(machine.run()).encode()


class Mute(Exception):
    """One that cannot tell what it is."""

    def __str__(self) -> str:
        raise RuntimeError


def mute(payload: bytes) -> bytes:
    raise Mute


def unprintable(payload: bytes) -> bytes:
    raise ValueError(f"{chr(0xD800)} \x1b[31m \0 é")


def eat(payload: bytes) -> bytes:
    eaten = []
    while True:
        eaten.append(bytearray(1 << 20))


def gulp(payload: bytes) -> bytes:
    return bytes(1 << 42)


def eat_in_c(payload: bytes) -> bytes:
    """As a C library does that ends the process when there is no memory."""
    libc = ctypes.CDLL(None)
    libc.malloc.restype = ctypes.c_void_p
    while True:
        place = libc.malloc(1 << 20)
        if not place:
            os.abort()
        ctypes.memset(place, 1, 1 << 20)


def children_eat(payload: bytes) -> bytes:
    for _ in range(8):
        if not os.fork():
            eaten = bytearray(b"x") * (40 << 20)
            time.sleep(1000)
            os._exit(len(eaten))
    time.sleep(1000)
    return b""


class Raising(AddressBook):
    """A scheme with a mistake."""

    name = "raising"

    def candidates(self, page: Any) -> Any:
        raise RuntimeError(f"no idea at {id(page):#x}")


def scheme_raises(payload: bytes) -> bytes:
    scenario = find_scenario("private-pages")
    run_scenario(scenario, scenario.settle({"PAGES": "64"}), "tests.sweep.jobs:Raising")
    return b""


ERRORS = {
    error.__name__: error
    for error in (
        ConfigError,
        ScenarioError,
        KernelBug,
        LimitReached,
        ValueError,
        MemoryError,
        SystemExit,
        KeyboardInterrupt,
    )
}


def raises(payload: bytes) -> bytes:
    raise ERRORS[payload.decode()]("said")


def vmemu_raises(payload: bytes) -> bytes:
    """Not through a line of this file."""
    return b""


def exits(payload: bytes) -> bytes:
    print("so long")
    os._exit(3)


def dies(payload: bytes) -> bytes:
    os.kill(os.getpid(), int(payload))
    time.sleep(1000)
    return b""


def crashes(payload: bytes) -> bytes:
    ctypes.string_at(0)
    return b""


def kills_the_zygote(payload: bytes) -> bytes:
    os.kill(os.getppid(), signal.SIGKILL)
    time.sleep(1000)
    return b""


def prints(payload: bytes) -> bytes:
    for i in range(60000):
        print(f"line {i}, and more of it that fills a pipe")
        print("complaint", file=sys.stderr)
    return b"printed"


def prints_and_exits(payload: bytes) -> bytes:
    prints(payload)
    os._exit(4)


def writes_garbage(payload: bytes) -> bytes:
    for fd in map(int, entries("/proc/self/fd")):
        try:
            os.write(fd, b"garbage" * 100)
        except OSError:
            continue
    return b"kept"


def closes_everything(payload: bytes) -> bytes:
    os.closerange(0, 100000)
    return b"lost"


def leaves_a_thread(payload: bytes) -> bytes:
    threading.Thread(target=spin, args=(b"",)).start()
    return b"done"


def leaves_processes(payload: bytes) -> bytes:
    """One as it is, one in a session of its own, one that its parent leaves as well."""
    subprocess.Popen(["sleep", payload.decode()])
    subprocess.Popen(["sleep", payload.decode()], start_new_session=True)
    subprocess.run(["setsid", "sh", "-c", f"sleep {payload.decode()} & sleep 0"], check=True)
    return b"done"


def leaves_processes_and_spins(payload: bytes) -> bytes:
    leaves_processes(payload)
    return spin(payload)


def limits(payload: bytes) -> bytes:
    return repr(resource.getrlimit(resource.RLIMIT_DATA)).encode()
