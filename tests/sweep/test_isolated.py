"""A run in a process of its own: whatever it does, the caller gets a result and nothing is left."""

from __future__ import annotations

import ast
import contextlib
import errno
import multiprocessing
import os
import signal
import socket
import subprocess
import sys
import sysconfig
import textwrap
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.sweep.jobs import entries
from vmemu.errors import VmemuError
from vmemu.sweep import failure as failing
from vmemu.sweep import family, isolated
from vmemu.sweep.isolated import Limits, Result, Stopped, end_zygotes, run_isolated
from vmemu.sweep.local import LocalExecutor, cores
from vmemu.sweep.zygote import Zygote

MB = 1 << 20
MARK = f"{40000 + os.getpid() % 20000}"
"""Seconds that no other process sleeps: this test's are known by it."""


def job(name: str, payload: bytes = b"", **limits: float) -> Result:
    return run_isolated(f"tests.sweep.jobs:{name}", payload, Limits(**limits))  # type: ignore[arg-type]


def failure(result: Result) -> tuple[str, str]:
    assert result.value == b""
    return result.failure, result.reason


def command(pid: str) -> bytes:
    with contextlib.suppress(OSError):
        return Path("/proc", pid, "cmdline").read_bytes()
    return b""


def sleepers() -> list[str]:
    """Processes that these tests' jobs have left behind."""
    return [
        pid
        for pid in entries("/proc")
        if pid.isdecimal() and command(pid).split(b"\0")[:2] == [b"sleep", MARK.encode()]
    ]


def gone(pids: list[int], seconds: float = 10) -> bool:
    """Whether they have all ended, or do soon."""
    end = time.monotonic() + seconds
    while any(Path("/proc", str(pid)).exists() for pid in pids):
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True


def children(pid: int) -> list[int]:
    with contextlib.suppress(OSError):
        threads = [Path(f"/proc/{pid}/task", thread) for thread in entries(f"/proc/{pid}/task")]
        return [int(child) for t in threads for child in (t / "children").read_text().split()]
    return []


@pytest.fixture(scope="module", autouse=True)
def _no_zygotes() -> Iterator[None]:
    yield
    end_zygotes()


# ---- what is well


def test_bytes_go_in_and_come_out() -> None:
    payload = os.urandom(3 * MB)
    result = job("echo", payload)
    assert (result.value, result.failure, result.reason, result.output) == (payload, "", "", "")
    assert 0 < result.seconds < 60


def test_a_large_result() -> None:
    assert job("length", b"%d" % (50 * MB)).value == bytes(50 * MB)


def test_a_cell_gives_what_it_gives_here() -> None:
    from tests.sweep import jobs

    assert job("cell").value == jobs.cell(b"")
    assert job("cell", b"anonmm", time=60, memory=256 * MB).value == jobs.cell(b"anonmm")


def test_a_job_that_forks_finds_its_modules_ready_for_it() -> None:
    """random's children are seeded each for itself, as in any process."""
    drawn, bound = ast.literal_eval(job("forked").value.decode())
    assert drawn[0] != drawn[1]
    assert bound is None


def test_the_job_is_where_its_caller_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = job("whereabouts").value
    assert before == repr((str(Path.cwd()), sys.path, None)).encode()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("POOL_TEST", "told")
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "found_here.py").write_text("def job(payload): return b'here'\n")
    assert job("whereabouts").value == repr((str(tmp_path), sys.path, "told")).encode()
    assert run_isolated("found_here:job").value == b"here"
    (tmp_path / "found_here.py").write_text("def job(payload): return b'now this'\n")
    assert run_isolated("found_here:job").value == b"now this"  # no user's module is kept
    monkeypatch.undo()
    assert job("whereabouts").value == before


def test_a_variable_that_its_caller_has_no_more_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    end_zygotes()
    monkeypatch.setenv("POOL_TEST", "there")
    assert eval(job("whereabouts").value)[2] == "there"  # the zygote has it from its start
    monkeypatch.delenv("POOL_TEST")
    assert eval(job("whereabouts").value)[2] is None


def test_whose_a_file_is() -> None:
    installed = sysconfig.get_path("purelib")
    assert failing.is_users("/home/somebody/mine.py")
    assert failing.is_users(f"{installed}/somebodys_package/scheme.py")
    assert not failing.is_users(f"{sysconfig.get_path('stdlib')}/json/decoder.py")
    assert not failing.is_users(isolated.__file__)
    assert not failing.is_users("<frozen importlib._bootstrap>")


def test_what_runs_load_is_loaded_once_but_for_the_users(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even if the user's has the name of a module of Python."""
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "wave.py").write_text("def job(payload): return b'mine'\n")
    (tmp_path / "loads.py").write_text(
        "import sys\n"
        "def job(payload):\n"
        "    there = {'colorsys', 'wave', 'loads'} & set(sys.modules)\n"
        "    import colorsys\n"
        "    return ' '.join(sorted(there)).encode()\n"
    )
    assert run_isolated("wave:job").value == b"mine"
    assert run_isolated("loads:job").value == b"loads"
    assert run_isolated("loads:job").value == b"colorsys loads"


def test_each_process_is_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    first = job("surroundings").value
    threads, descriptors, _, _, leader = eval(first)
    assert threads == 1
    assert len(descriptors) == 5  # 0 to 2, the result's, and that of /proc/self/fd itself
    assert leader
    end_zygotes()
    monkeypatch.setenv("PYTHONHASHSEED", "6640")
    assert job("surroundings").value == first
    end_zygotes()


# ---- what is not


def test_no_such_function() -> None:
    kind, reason = failure(job("nothing_of_that_name"))
    assert kind == "refused"
    assert "tests.sweep.jobs:nothing_of_that_name" in reason
    assert failure(run_isolated("no_such_module:f"))[0] == "refused"


def test_no_bytes() -> None:
    assert "must give bytes, not NoneType" in failure(job("nothing"))[1]


def test_it_loops_for_ever() -> None:
    assert failure(job("spin", time=0.3)) == ("time", "it took longer than 0.3 s")


def test_its_guest_loops_for_ever(tmp_path: Path) -> None:
    from vmemu.lab.compiling import compile_program

    source = tmp_path / "loop.c"
    source.write_text('#include "guest.h"\nint main(int argc, char **argv) { for (;;) ; }\n')
    program = compile_program(str(source), 32)
    assert failure(job("guest_spins", str(program).encode(), time=0.5))[0] == "time"


def test_it_sleeps_within_its_time() -> None:
    assert job("sleep", b"0.2", time=20).value == b"awake"


@pytest.mark.parametrize("name", ["eat", "gulp", "eat_in_c", "children_eat"])
def test_it_takes_too_much_memory(name: str) -> None:
    result = job(name, memory=100 * MB, time=60)
    assert failure(result) == ("memory", "it took more than 100 MB of memory")


def test_what_a_machine_needs_is_not_counted() -> None:
    assert job("large_machine", b"200", memory=50 * MB, besides=200 * MB).value == b"exited with 0"
    assert failure(job("large_machine", b"200", memory=50 * MB))[0] == "memory"


def test_more_than_the_host_has() -> None:
    assert failure(job("gulp")) == ("memory", "the host has not the memory that it wants")


def test_a_scheme_raises() -> None:
    kind, reason = failure(job("scheme_raises"))
    assert kind == "scheme"
    assert reason.startswith("RuntimeError: no idea at 0x... (jobs.py:")
    assert reason.endswith(" in candidates)")
    assert failure(job("scheme_raises")) == (kind, reason)


@pytest.mark.parametrize(
    ("error", "kind", "said"),
    [
        ("ConfigError", "refused", "said"),
        ("ScenarioError", "guest", "said"),
        ("KernelBug", "bug", "said"),
        ("LimitReached", "time", "said"),
        ("MemoryError", "memory", "the host"),
        ("ValueError", "scheme", "ValueError: said (jobs.py:"),
        ("SystemExit", "scheme", "SystemExit: said (jobs.py:"),
        ("KeyboardInterrupt", "scheme", "KeyboardInterrupt: said (jobs.py:"),
    ],
)
def test_an_exception_is_told_as_what_it_is(error: str, kind: str, said: str) -> None:
    found, reason = failure(job("raises", error.encode()))
    assert found == kind
    assert reason.startswith(said)


def test_an_exception_that_says_nothing_or_what_cannot_be_printed() -> None:
    kind, reason = failure(job("mute"))
    assert (kind, reason.partition(" (")[0]) == ("scheme", "Mute")
    kind, reason = failure(job("unprintable"))
    assert kind == "scheme"
    assert reason.startswith(r"ValueError: \ud800 \x1b[31m \x00 é (jobs.py:")


def test_an_exception_of_vmemus_own_is_a_bug() -> None:
    kind, reason = failure(run_isolated("vmemu.arguments:size", b"x"))
    assert kind == "bug"  # it lacks an argument
    assert "TypeError" in reason


def test_it_ends_its_process() -> None:
    reason = "its process ended with status 3 before it had a result; it had printed: so long"
    assert failure(job("exits")) == ("died", reason)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGSEGV])
def test_it_is_killed(number: signal.Signals) -> None:
    kind, reason = failure(job("dies", b"%d" % number))
    assert kind == "died"
    assert reason.startswith(f"its process was killed by {number.name}")


def test_it_crashes() -> None:
    reason = r"its process was killed by SIGSEGV (jobs.py:"
    assert failure(job("crashes"))[1].startswith(reason)
    assert failure(job("crashes"))[1].endswith(" in crashes)")


def test_the_host_has_no_room_for_a_process(monkeypatch: pytest.MonkeyPatch) -> None:
    def fork() -> int:
        raise BlockingIOError(errno.EAGAIN, "")

    here, there = socket.socketpair()
    monkeypatch.setattr(family, "adopt", lambda: None)
    with here, there:
        watching = Zygote(there)
        before = entries("/proc/self/fd")
        monkeypatch.setattr(os, "fork", fork)
        head, value = watching._run({"time": None, "memory": None, "besides": 0}, b"")
        assert entries("/proc/self/fd") == before
    assert (head["failure"], head["output"], value) == ("died", "", b"")
    assert head["seconds"] == 0
    assert head["reason"].startswith("the host has no room for a process: ")


def test_it_kills_who_watches_it() -> None:
    assert failure(job("kills_the_zygote")) == (
        "died",
        "it ended the process that watches it",
    )
    assert job("echo", b"on").value == b"on"


def test_it_prints_megabytes() -> None:
    result = job("prints", time=120)
    assert result.value == b"printed"
    assert len(result.output) <= 4096
    assert result.output.endswith("fills a pipe\ncomplaint\n")
    assert len(failure(job("prints_and_exits", time=120))[1]) < 1000


def test_it_writes_into_every_descriptor() -> None:
    assert job("writes_garbage").value == b"kept"


def test_it_closes_every_descriptor() -> None:
    assert failure(job("closes_everything"))[0] == "died"
    assert job("echo", b"on").value == b"on"


def test_it_leaves_a_thread() -> None:
    assert job("leaves_a_thread", time=20).value == b"done"


@pytest.mark.parametrize("name", ["leaves_processes", "leaves_processes_and_spins"])
def test_it_leaves_processes(name: str) -> None:
    job(name, MARK.encode(), time=2)
    assert not sleepers()


# ---- callers


def test_fifty_callers_at_once() -> None:
    with ThreadPoolExecutor(50) as threads:
        names = [b"%d" % i for i in range(50)]
        assert [r.value for r in threads.map(lambda n: job("echo", n), names)] == names
    end_zygotes()


def _from_a_process(payload: bytes) -> bytes:
    value = job("echo", payload).value
    end_zygotes()
    return value


@pytest.mark.parametrize("method", ["fork", "spawn"])
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_callers_in_processes(method: str) -> None:
    assert job("echo", b"here").value == b"here"  # so that there is a zygote to inherit
    context = multiprocessing.get_context(method)
    with ProcessPoolExecutor(2, mp_context=context) as processes:
        assert list(processes.map(_from_a_process, [b"a", b"b", b"c"])) == [b"a", b"b", b"c"]
    assert job("echo", b"still").value == b"still"


def test_callers_of_loky() -> None:
    loky = pytest.importorskip("loky")
    with loky.get_reusable_executor(2) as processes:
        assert list(processes.map(_from_a_process, [b"a", b"b", b"c"])) == [b"a", b"b", b"c"]


def test_a_forked_caller_does_not_keep_its_parents_zygotes(tmp_path: Path) -> None:
    """Else they would not see that the parent has gone."""
    code = f"""
        import os, sys, time
        from vmemu.sweep import isolated
        isolated.run_isolated("tests.sweep.jobs:echo")
        if not os.fork():
            time.sleep({MARK})
        print(*(zygote._process.pid for zygote in isolated._zygotes._idle), flush=True)
        os._exit(0)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        stdout=(told := (tmp_path / "told").open("w+")),
        check=True,
        start_new_session=True,
    )
    with told:
        told.seek(0)
        assert done.returncode == 0
        assert gone([int(told.read())])
    subprocess.run(["pkill", "-f", f"time.sleep.{MARK}"], check=False)


# ---- ends


PARENT = """
    import sys, threading
    from vmemu.sweep import isolated
    def call(name, payload):
        isolated.run_isolated("tests.sweep.jobs:" + name, payload)
    threads = [
        threading.Thread(target=call, args=("leaves_processes_and_spins", b"{mark}"), daemon=True),
        threading.Thread(target=call, args=("spin", b""), daemon=True),
    ]
    for thread in threads:
        thread.start()
    sys.stdin.read()
"""


def started() -> tuple[subprocess.Popen[bytes], list[int]]:
    """A process that has two runs under way, and everything that it has started."""
    code = textwrap.dedent(PARENT.format(mark=MARK))
    parent = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE)
    end = time.monotonic() + 60
    while time.monotonic() < end:
        zygotes = children(parent.pid)
        runs = [pid for zygote in zygotes for pid in children(zygote)]
        if len(zygotes) == 2 and len(runs) >= 2 and len(sleepers()) == 3:
            return parent, [*zygotes, *runs, *map(int, sleepers())]
        time.sleep(0.01)
    parent.kill()
    raise AssertionError("the runs did not begin")


def end_of(parent: subprocess.Popen[bytes]) -> None:
    assert parent.stdin is not None
    parent.stdin.close()
    parent.wait()


def test_nothing_is_left_of_a_killed_parent() -> None:
    parent, pids = started()
    parent.kill()
    end_of(parent)
    assert gone(pids)
    assert not sleepers()


def test_nothing_is_left_of_a_parent_that_ends() -> None:
    parent, pids = started()
    end_of(parent)
    assert gone(pids)


def test_a_killed_zygote_takes_its_run_along() -> None:
    def call() -> None:
        with contextlib.suppress(Stopped):
            job("spin", time=30)

    caller = threading.Thread(target=call)
    caller.start()
    while not isolated._zygotes._busy or not (
        runs := [p for z in isolated._zygotes._busy if z._ready for p in children(z._process.pid)]
    ):
        time.sleep(0.01)
    (zygote,) = isolated._zygotes._busy
    os.kill(zygote._process.pid, signal.SIGKILL)
    assert gone(runs)
    time.sleep(0.5)
    end_zygotes()  # it was tried again
    caller.join()


def test_nothing_is_left_of_hundreds() -> None:
    def left() -> tuple[list[str], int, list[str]]:
        threads = len(entries("/proc/self/task"))
        return entries("/proc/self/fd"), threads, entries("/tmp")

    job("cell", memory=256 * MB)
    (zygote,) = isolated._zygotes._idle
    pid = zygote._process.pid
    before, inside = left(), entries(f"/proc/{pid}/fd")
    for i in range(200):
        job("cell", memory=256 * MB, time=60)
        if i % 20 == 0:
            job("exits")
            job("dies", b"9")
    assert isolated._zygotes._idle == [zygote]
    assert entries(f"/proc/{pid}/fd") == inside
    assert children(pid) == []
    if "PYTEST_XDIST_WORKER" not in os.environ:
        assert left()[:2] == before[:2]


def test_a_zygote_that_died_is_replaced() -> None:
    assert job("echo", b"a").value == b"a"
    for zygote in isolated._zygotes._idle:
        os.kill(zygote._process.pid, signal.SIGKILL)
    assert job("echo", b"b").value == b"b"


def test_a_zygote_that_cannot_start_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    end_zygotes()
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with pytest.raises(VmemuError, match="no process can be started: No such file"):
        job("echo")
    monkeypatch.setattr(sys, "executable", "/bin/true")
    with pytest.raises(VmemuError, match="does not start: it ended at once"):
        job("echo")


# ---- the executor


def test_the_executor_runs_all_that_is_submitted() -> None:
    with LocalExecutor() as executor:
        assert executor.workers == cores()
        futures = [executor.submit(job, "echo", b"%d" % i) for i in range(20)]
    assert [future.result().value for future in futures] == [b"%d" % i for i in range(20)]
    with pytest.raises(RuntimeError):
        executor.submit(job, "echo")


def test_an_error_is_the_futures() -> None:
    with LocalExecutor(1) as executor:
        future = executor.submit(int, "x")
    with pytest.raises(ValueError, match="invalid literal"):
        future.result()


def test_an_exception_stops_what_runs() -> None:
    begun = time.monotonic()
    futures: list[Future[Result]] = []

    def interrupted() -> None:
        with LocalExecutor(2) as executor:
            futures.extend(executor.submit(job, "sleep", b"1000") for _ in range(5))
            while not futures[1].running() or len(isolated._zygotes._busy) < 2:
                time.sleep(0.01)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert time.monotonic() - begun < 30
    for future in futures[:2]:
        with pytest.raises(Stopped):
            future.result()
    assert all(future.cancelled() for future in futures[2:])
    assert not isolated._zygotes._busy
    assert job("echo", b"on").value == b"on"


def test_an_exception_stops_what_is_about_to_run() -> None:
    begun, stopping = time.monotonic(), threading.Event()

    def late() -> Result:
        stopping.wait()
        time.sleep(0.2)  # the zygotes there were have been ended by now
        return job("sleep", b"30")

    executor = LocalExecutor(1)
    future = executor.submit(late)
    while not future.running():
        time.sleep(0.01)
    stopping.set()
    executor.stop()
    with pytest.raises(Stopped):
        future.result()
    assert time.monotonic() - begun < 20


def test_ctrl_c_ends_the_parent_at_once(tmp_path: Path) -> None:
    code = """
        from vmemu.sweep.isolated import run_isolated
        from vmemu.sweep.local import LocalExecutor
        with LocalExecutor(2) as executor:
            futures = [
                executor.submit(run_isolated, "tests.sweep.jobs:sleep", b"1000") for _ in range(9)
            ]
            print(flush=True)
            futures[0].result()
    """
    parent = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert parent.stdout is not None
    with parent.stdout:
        parent.stdout.readline()
        while len([run for zygote in children(parent.pid) for run in children(zygote)]) < 2:
            time.sleep(0.01)
        pids = children(parent.pid)
        pids += [run for zygote in pids for run in children(zygote)]
        parent.send_signal(signal.SIGINT)
        assert parent.wait(10) == 130 or parent.returncode == -signal.SIGINT
    assert gone(pids)
