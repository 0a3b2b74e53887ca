"""Rows of programs: what is started on each platform, and what is said about it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from bench import programs, targets
from bench.__main__ import main
from bench.platforms import Host, Vmemu
from bench.process import NotMeasured, time_process
from bench.report import Cell, Line, dynamic_above_static
from bench.rows import ROWS, STAGES, Kind, Row

BY_NAME = {row.name: row for row in ROWS}
PROGRAMS = [row for row in ROWS if row.kind is Kind.PROGRAM]


@pytest.fixture
def roots(tmp_path: Path) -> Path:
    """A root of i386 with one program."""
    (tmp_path / "i386/bin").mkdir(parents=True)
    (tmp_path / "i386/bin/dash").touch()
    return tmp_path


def test_each_platform_is_given_its_own_command(
    roots: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = ("/bin/dash", "-c", "{run}/bin/true | {run}/bin/cat")
    monkeypatch.setattr(os, "getuid", lambda: 0)
    root = str(roots / "i386")
    said = ["-c", "/bin/true | /bin/cat"]
    assert programs.on_host(program, roots, 32)[1:] == [root, "/bin/dash", *said]
    assert programs.in_vmemu(program, roots, 32) == ["--root", root, "/bin/dash", *said]
    run = f"qemu -L {root} {root}"
    assert programs.on_host(program, roots, 32, "qemu") == [
        "qemu", "-L", root, f"{root}/bin/dash", "-c", f"{run}/bin/true | {run}/bin/cat",
    ]  # fmt: skip
    monkeypatch.setattr(os, "getuid", lambda: 1000)
    with pytest.raises(NotMeasured, match="chroot needs root"):
        programs.on_host(program, roots, 32)


@pytest.mark.parametrize("row", PROGRAMS, ids=lambda row: row.name)
def test_without_a_root_each_platform_says_so(roots: Path, row: Row) -> None:
    for bits, reason in ((64, "there is no .*amd64, which"), (32, "i386 has no /bin/")):
        vmemu = Vmemu("anon_vma", bits=bits)
        for platform in (Host("native", bits=bits), Host("qemu-user", "qemu", bits=bits), vmemu):
            platform.roots = roots
            missing = BY_NAME["true-dynamic"] if bits == 32 else row
            with pytest.raises(NotMeasured, match=reason):
                platform.measure(missing)
        vmemu.close()


def test_the_shell_starts_as_many_programs_as_are_divided_by() -> None:
    """The host's own shell runs both scripts, each program counted."""
    for name in ("loop", "pipeline"):
        row = BY_NAME[name]
        text = row.program[2].replace("{run}", "count ")
        counted = f"count() {{ echo >&2; $1; }}; {text}"
        done = subprocess.run(
            ["/bin/sh", "-c", counted], capture_output=True, text=True, timeout=60, check=True
        )
        assert done.stderr.count("\n") == row.per == STAGES
        assert row.says in done.stdout


CHILD = """
import os, time
if os.fork() == 0:
    while time.process_time() < 0.05: pass
    os._exit(0)
os.wait()
time.sleep(0.05)
print("ring 3")
"""


def test_a_process_is_timed_with_what_it_waited_for() -> None:
    """CPU time is its child's too, elapsed time also what it slept."""
    command = [sys.executable, "-S", "-c", CHILD]
    (elapsed,) = time_process(command, 1)
    (used,) = time_process(command, 1, cpu=True)
    assert elapsed > 0.1e9
    assert used > 0.05e9
    with pytest.raises(NotMeasured, match="exit status 0"):
        time_process(["/bin/true"], 1)
    with pytest.raises(NotMeasured, match="/no/such"):
        time_process(["/no/such"], 1)


def test_what_is_promised_of_programs_is_told_beside_what_was_measured() -> None:
    ms = 1e6
    taken = {"true-static": 60 * ms, "true-dynamic": 79 * ms, "loop": 16 * ms, "pipeline": 9 * ms}
    lines = [Line(BY_NAME[name], {"anon_vma": Cell([ns])}) for name, ns in taken.items()]
    more = dynamic_above_static(lines, ["anon_vma"])
    assert more is not None
    told = targets.sentences([*lines, more], ["anon_vma"])
    assert [sentence.partition("anon_vma: ")[2] for sentence in told] == [
        "19.0 ms; at most 20 ms: kept",
        "16.0 ms; at most 15 ms: not kept",
        "9.00 ms; at most 15 ms: kept",
    ]
    assert dynamic_above_static(lines[1:], ["anon_vma"]) is None


def test_exec_is_measured_and_a_missing_root_is_one_sentence(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sched_setaffinity", lambda pid, cpus: None)
    args = ["--rounds", "1", "--rows", "exec,pipeline", "--no-peers", "--roots", str(tmp_path)]
    assert main([*args, "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["rows"]
    assert rows["exec"]["platforms"]["anon_vma"]["median"] > 0
    assert re.fullmatch(
        r"there is no .*/i386, which .*", rows["pipeline"]["platforms"]["anonmm"]["skipped"]
    )
