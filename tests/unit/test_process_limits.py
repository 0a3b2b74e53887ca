"""What a process may use, and where its paths begin."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest
from script import SCRATCH, Script, signed

from vmemu.kernel.process.limits import Resource
from vmemu.machine import Machine


@pytest.mark.parametrize(("hard", "number"), [(100, 24), (1, 9)])
def test_cpu_time_that_is_used_up(tmp_path: Path, hard: int, number: int) -> None:
    """SIGXCPU at the soft limit, SIGKILL at the hard one, also of one that only computes."""

    def almost(machine: Machine) -> None:
        task = machine.kernel.first
        assert task is not None
        task.used.utime = 10**9 - 2_000_000  # 20 slices of a whole second

    script = Script()
    script.call("setrlimit", Resource.CPU, script.words(1, hard))
    script.run_code("spin", cx=0)  # 2 ** 32 times
    script.end()
    ran = script.run(tmp_path, setup=almost)
    assert ran.status is not None
    assert (ran.status.signaled, ran.status.code) == (True, number)


def test_chroot(tmp_path: Path) -> None:
    script = Script()
    buffer = SCRATCH + 0xE00
    script.call("mkdir", script.put(b"/tmp/new\0"), 0o755)
    script.call("mkdir", script.put(b"/tmp/new/inner\0"), 0o755)
    file = script.put(b"/tmp/new/file\0")
    script.call("close", script.call("open", file, 0o101, 0o600))
    nowhere = script.call("chroot", script.put(b"/nothing\0"))
    no_directory = script.call("chroot", file)
    done = script.call("chroot", script.put(b"/tmp/new\0"))
    inside = script.call("access", script.put(b"/file\0"), 0)
    above = script.call("access", script.put(b"/../../file\0"), 0)
    outside = script.call("access", file, 0)
    script.call("chdir", script.put(b"/inner\0"))
    cwd = script.call("getcwd", buffer, 64)
    script.end()
    ran = script.run(tmp_path)
    assert signed(ran.results[nowhere]) == -errno.ENOENT
    assert signed(ran.results[no_directory]) == -errno.ENOTDIR
    assert [ran.results[i] for i in (done, inside, above)] == [0, 0, 0]
    assert signed(ran.results[outside]) == -errno.ENOENT
    assert ran.results[cwd] == len(b"/inner\0")
