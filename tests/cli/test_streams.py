"""Streams that are closed or full, files that fail, interrupts: all by the real command."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

Guest = Callable[[str], Path]
VMEMU = f"{sys.executable} -m vmemu"
PACKAGE = Path(__file__).parents[2] / "vmemu"


def shell(command: str, **options: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["sh", "-c", command], capture_output=True, text=True, check=False, timeout=60, **options
    )  # type: ignore[call-overload, no-any-return]


@pytest.mark.parametrize("closed", [">&-", "<&-", "2>&-", ">&- <&- 2>&-", "<&- >&-"])
def test_a_guest_never_writes_into_a_file_of_ours(
    tmp_path: Path, guest: Guest, closed: str
) -> None:
    """Whatever number the swap file and the JSON file would have got."""
    swap, json = tmp_path / "swap", tmp_path / "json"
    done = shell(f"{VMEMU} run --swap {swap}:1M --json-to {json} {guest('hello')} {closed}")
    assert done.returncode == 0
    assert b"Hello" not in swap.read_bytes()
    assert json.read_text().startswith("{")
    assert "Hello" not in json.read_text()
    assert ("Hello" in done.stdout) == (">&-" not in closed.replace("2>&-", ""))


@pytest.mark.parametrize("command", ["list", "--help", "overhead --help"])
def test_a_closed_output_is_no_error(command: str) -> None:
    done = shell(f"{VMEMU} {command} >&-")
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("command", ["list", "--help", "list --json guests"])
def test_a_full_output_is_told(command: str) -> None:
    done = shell(f"{VMEMU} {command} >/dev/full")
    assert done.returncode == 2
    assert re.fullmatch(r"vmemu: (standard output: )?no space left on device\n", done.stderr)


def test_a_full_json_file_is_told(guest: Guest) -> None:
    done = shell(f"{VMEMU} run --json-to /dev/full {guest('hello')}")
    assert done.returncode == 2
    assert done.stderr == "vmemu: no space left on device\n"


def test_a_full_error_output_leaves_the_status() -> None:
    assert shell(f"{VMEMU} run nonsense 2>/dev/full").returncode == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("run --ram 99999999999999999999M hello", "ram must be a size such as"),
        ("run --ram 9999999G hello", "ram must be below 1024G"),
        ("run --swap 99999999999999999999M hello", "swap"),
        (f"run {'x' * 5000}", "file name too long"),
        (f"run --swap /tmp/{'x' * 5000}:1M hello", "file name too long"),
        (f"run --report /tmp/{'x' * 5000} hello", "file name too long"),
        ("run --rmap ..:x hello", "cannot load the rmap scheme '..:x'"),
        ("run --swap /dev/null hello", "not a regular file"),
        ("run --swap /proc/self/mem hello", "cannot read swap file /proc/self/mem"),
        ("explore mlock-vs-unmap --set PAGES=0", "mlock-vs-unmap cannot be set up"),
    ],
)
def test_one_sentence_and_status_2(arguments: str, message: str) -> None:
    done = shell(f"{VMEMU} {arguments}")
    assert message in done.stderr
    assert done.stderr.count("\n") == 1
    assert len(done.stderr) < 600
    assert (done.returncode, done.stdout) == (2, "")


def test_a_module_that_is_no_python(tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text("class X(:\n")
    done = shell(f"{VMEMU} run --rmap broken:X hello", cwd=tmp_path)
    assert "cannot load the rmap scheme 'broken:X': SyntaxError" in done.stderr
    assert done.returncode == 2


def test_swap_that_cannot_be_written(tmp_path: Path, guest: Guest) -> None:
    """The file is there, but may not grow into its holes."""
    swap = tmp_path / "swap"
    assert shell(f"{VMEMU} run --swap {swap}:4M {guest('hello')}").returncode == 0
    swap.write_bytes(swap.read_bytes())
    command = f"{VMEMU} run --ram 1M --swap {swap} {guest('swap-storm')} PAGES=600"
    done = shell(f"ulimit -f 100; trap '' XFSZ; {command}")
    assert done.returncode == 2
    assert done.stderr == "vmemu: a swap file cannot be written: file too large\n"


def limited(limit: str, program: Path) -> None:
    """It runs, or says in a sentence what it lacks."""
    done = shell(f"ulimit {limit}; {VMEMU} run --swap 1M {program}")
    if done.returncode == 0:
        assert (done.stdout, done.stderr) == ("Hello from ring 3\n", "")
    else:
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.startswith("vmemu: ")
        assert done.stderr.count("\n") == 1


@pytest.mark.skipif("VMEMU_SANITIZE" in os.environ, reason="the sanitizers map much more")
@pytest.mark.parametrize("megabytes", [600, 1000, 1024, 1056, 1100, 1150, 1200, 4000])
def test_little_address_space(guest: Guest, megabytes: int) -> None:
    """Unicorn would end the process where it finds no room for translated code."""
    limited(f"-v {megabytes << 10}", guest("hello"))


@pytest.mark.skipif("VMEMU_SANITIZE" in os.environ, reason="the sanitizers map much more")
def test_no_address_space_for_guest_ram(guest: Guest) -> None:
    done = shell(f"ulimit -v {900 << 10}; {VMEMU} run --ram 896M {guest('hello')}")
    assert done.returncode == 2
    assert done.stderr == f"vmemu: no host memory for {896 << 20} bytes of guest RAM\n"


@pytest.mark.parametrize("descriptors", [5, 6, 7, 8, 12])
def test_few_descriptors(guest: Guest, descriptors: int) -> None:
    limited(f"-n {descriptors}", guest("hello"))


@pytest.mark.parametrize("after", [0.0, 0.01, 0.03, 0.06, 0.1, 0.2])
def test_an_interrupt_at_any_moment_shows_no_traceback(after: float, guest: Guest) -> None:
    """Before vmemu's own code begins Python may end by the signal itself."""
    command = [sys.executable, "-m", "vmemu", "run", str(guest("bench")), "int", "N=1000000"]
    with subprocess.Popen(
        [*command, "REP=1000000"], stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
    ) as process:
        environ = Path(f"/proc/{process.pid}/cmdline")
        while b"vmemu" not in environ.read_bytes():
            pass
        try:
            process.wait(0.08 + after)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    if "Traceback" in err:  # Python was not there yet
        assert str(PACKAGE / "cli") not in err
    else:
        assert process.returncode in (130, -signal.SIGINT)
        assert err in ("", "vmemu: interrupted\n")


def test_a_signal_the_caller_ignores_stays_ignored(guest: Guest) -> None:
    code = f"{sys.executable} -m vmemu run {guest('hello')}"
    done = shell(f"trap '' INT; {code} & wait $!")
    assert done.returncode == 0


def test_descriptors_of_a_machine_are_above_the_streams(tmp_path: Path, guest: Guest) -> None:
    """In a process that closed its own, and uses the library."""
    code = f"""
import os
os.close(0); os.close(1)
from vmemu import Machine
with Machine(ram="4M", swap={str(tmp_path / "swap")!r} + ":1M") as m:
    m.spawn({str(guest("hello"))!r}, stdout=None); m.run()
    fds = [f"/proc/self/fd/{{n}}" for n in (0, 1)]
    names = [os.readlink(fd) for fd in fds if os.path.lexists(fd)]
    print([name for name in names if "swap" in name], file=__import__("sys").stderr)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stderr == "[]\n"
    assert os.path.exists(tmp_path / "swap")  # noqa: PTH110
