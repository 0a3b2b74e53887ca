"""vmemu run: what passes through, what is reported, and where."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.command import Vmemu
from vmemu import Machine
from vmemu._build import build_guests
from vmemu.errors import VmemuError
from vmemu.kernel.process.wait import WaitStatus
from vmemu.lab.guests import guest_path

ROOT = Path(__file__).parents[2]
Guest = Callable[[str], Path]


@pytest.mark.parametrize("name", ["hello", "guests/hello"])
def test_a_shipped_guest_by_name(vmemu: Vmemu, name: str) -> None:
    assert vmemu(f"run {name}") == (0, "Hello from ring 3\n", "")


def test_a_program_by_path(
    vmemu: Vmemu, guest: Guest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = shutil.copy(guest("hello"), tmp_path / "a.out")
    assert vmemu(f"run {program}").out == "Hello from ring 3\n"
    monkeypatch.chdir(tmp_path)
    assert vmemu("run ./a.out").out == vmemu("run a.out").out == "Hello from ring 3\n"


def test_a_file_goes_before_a_guest_of_the_same_name(
    vmemu: Vmemu, guest: Guest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(guest("sleepers"), tmp_path / "hello")
    (tmp_path / "touch").mkdir()
    monkeypatch.chdir(tmp_path)
    assert vmemu("run hello N=2 STEP=1").out == "sleepers: 1 2\n"
    assert vmemu("run touch PAGES=1").status == 0


@pytest.mark.parametrize("bits", [32, 64])
@pytest.mark.parametrize("writable", [False, True])
def test_a_program_inside_the_root(vmemu: Vmemu, tmp_path: Path, bits: int, writable: bool) -> None:
    """Its width is found by looking into it there."""
    shutil.copy(guest_path("hello", bits), tmp_path / "greet")
    write = "--root-rw" if writable else ""
    assert vmemu(f"run --root {tmp_path} {write} /greet") == (0, "Hello from ring 3\n", "")


@pytest.mark.parametrize("bits", [32, 64])
@pytest.mark.parametrize("command", ["run", "show --at exit", "who --at exit --pfn 1"])
def test_a_program_that_is_bound(vmemu: Vmemu, tmp_path: Path, bits: int, command: str) -> None:
    """A script in a directory that is bound, whose interpreter is a file that is bound."""
    for name in ("root", "work"):
        (tmp_path / name).mkdir()
    script = tmp_path / "work/script"
    script.write_text("#!/bin/greet\n")
    script.chmod(0o755)
    binds = [f"{tmp_path}/work:/bin", f"{guest_path('hello', bits)}:/bin/greet", f"{script}:/s"]
    options = f"--root {tmp_path}/root " + " ".join(f"--bind {bind}" for bind in binds)
    for path in ("/bin/script", "/s"):
        done = vmemu(f"{command} {options} {path}")
        assert "Hello from ring 3" in (done.out if command == "run" else done.err), done.err


def test_exit_status_and_arguments(vmemu: Vmemu) -> None:
    assert vmemu("run hello STATUS=42").status == 42
    assert vmemu("run --set STATUS=7 hello").status == 7
    done = vmemu("run args --stats -x y=1")  # behind the program nothing is vmemu's
    assert [line.split(": ")[-1] for line in done.out.splitlines()[:3]] == ["--stats", "-x", "y=1"]
    assert done.err == ""


def test_killed_by_a_signal(vmemu: Vmemu) -> None:
    done = vmemu("run jump-nowhere")
    assert done.status == 128 + signal.SIGSEGV
    where = "at 0x00000010: not mapped"
    assert done.err == f"vmemu: jump-nowhere: killed by signal 11 (Segmentation fault) {where}\n"


def test_the_instruction_that_crashed_is_shown(vmemu: Vmemu) -> None:
    assert re.search(r"\) at 0x0804[0-9a-f]{4}: hlt$", vmemu("run hlt").err.strip())
    assert re.search(r"\) at 0x0804[0-9a-f]{4}: mov byte ptr ", vmemu("run write-code").err)


def test_out_of_memory_is_said_and_kills(vmemu: Vmemu) -> None:
    done = vmemu("run --ram 1M --swap none --overcommit 1 touch PAGES=2000")
    assert done.status == 128 + signal.SIGKILL
    assert done.err.splitlines() == [
        "Out of Memory: Killed process 100 (touch).",
        "vmemu: touch: killed by signal 9 (Killed)",
    ]


def test_a_fork_bomb_ends(vmemu: Vmemu) -> None:
    assert vmemu("run --ram 1M --swap 1M --check fork-bomb").status in (0, 128 + signal.SIGKILL)


@pytest.mark.parametrize("rmap", ["anonmm", "anon_vma"])
def test_a_storm_four_times_the_ram(vmemu: Vmemu, rmap: str) -> None:
    done = vmemu(f"run --rmap {rmap} --ram 2M --json --check swap-storm PAGES=2048 PASSES=1")
    assert done.status == 0
    assert ", ok, sum " in done.out
    assert json.loads(done.err)["stats"]["swap"]["out"] > 2048


ECHO = """/* echo: standard input to both outputs; its length is the status. */
#include "guest.h"

int main(int argc, char **argv)
{
	char text[64];
	long n = read(0, text, sizeof(text));

	(void)argc, (void)argv;
	write(1, text, n);
	write(2, text, 3);
	return n;
}
"""


def test_standard_streams_and_a_program_of_ones_own(tmp_path: Path) -> None:
    (tmp_path / "guests").mkdir()
    (tmp_path / "guests" / "echo.c").write_text(ECHO)
    shutil.copy(ROOT / "guests" / "guest.h", tmp_path / "guests")
    (program,) = build_guests(tmp_path, tmp_path / "built")
    done = subprocess.run(
        [sys.executable, "-m", "vmemu", "run", program],
        input=b"over and out",
        capture_output=True,
        check=False,
    )
    assert done.stdout == b"over and out"
    assert done.stderr == b"ove"
    assert done.returncode == len(b"over and out")


def test_environment(vmemu: Vmemu) -> None:
    plain = vmemu("run --strace vfork-exec /nonexistent").err
    given = vmemu("run --env COLOUR=red --strace vfork-exec /nonexistent").err
    assert "COLOUR=red" not in plain
    assert "COLOUR=red" in given


def test_stats(vmemu: Vmemu) -> None:
    done = vmemu("run --stats --rmap anonmm --ram 4M touch")
    assert done.out.startswith("touch: 64 pages")
    assert done.err.startswith("rmap anonmm, 4096 kB RAM, ")
    caches = {line.split()[0]: line.split()[1:] for line in done.err.splitlines() if line}
    assert caches["anonmm"][:2] == ["1", "24"]
    assert caches["vm_area_struct"][1] == "72"
    assert caches["lock"] == ["acquired", "trylocks", "failed", "steps", "held"]
    acquired, failed, held = map(int, caches["page_table_lock"])
    assert acquired > 64  # at least once for each page
    assert held > 64
    assert failed == 0


def test_vm_flags_lock(vmemu: Vmemu) -> None:
    acquired = {}
    for lock in ("page_table_lock", "mmap_sem"):
        done = vmemu(f"run --json --vm-flags-lock {lock} vm-flags")
        stats = json.loads(done.err)["stats"]
        acquired[lock] = stats["locks"]["page_table_lock"]["acquired"]
    saved = stats["counters"]["vm_flags_writes"]
    assert saved > 0
    assert acquired["page_table_lock"] - acquired["mmap_sem"] == saved
    refused = vmemu("run --vm-flags-lock both hello")
    assert refused.status == 2
    assert "vm_flags_lock must be mmap_sem or page_table_lock, not 'both'" in refused.err


def test_json_is_the_last_line_of_stderr(vmemu: Vmemu) -> None:
    done = vmemu("run --json --stats --strace hello STATUS=3")
    facts = json.loads(done.err.splitlines()[-1])
    assert facts["argv"] == ["hello", "STATUS=3"]
    assert (facts["exit_status"], facts["signal"]) == (3, None)
    assert facts["stats"]["rmap"] == "anon_vma"
    assert facts["stats"]["vmas"] > 0  # it still had its memory
    assert facts["stats"]["faults"]["minor"] >= 1


def test_json_to_a_file(vmemu: Vmemu, tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    done = vmemu(f"run --json-to {report} hlt")
    assert done.status == 139
    facts = json.loads(report.read_text())
    assert (facts["exit_status"], facts["signal"]) == (139, 11)


def test_strace(vmemu: Vmemu) -> None:
    lines = vmemu("run --strace hello").err.splitlines()
    assert lines[0].startswith('write(1, "Hello from ring 3\\n", 18)')
    assert lines[-1] == "+++ exited with 0 +++"


def test_strace_of_some_calls(vmemu: Vmemu) -> None:
    """Names, and groups: the modules that the calls are in; signals and ends are shown always."""
    lines = vmemu("run --strace -e mm,fork fork-server R=2 N=1").err.splitlines()
    calls = [re.match(r"(?:\[pid +\d+\] )?(\w+)\(", line) for line in lines]
    assert {call[1] for call in calls if call} == {"mmap2", "munmap", "fork"}
    assert lines[-1] == "+++ exited with 0 +++"
    assert vmemu("run -e mm,fork fork-server R=2 N=1").err.splitlines() == lines
    assert vmemu("run -e mremap hello").err.splitlines() == ["+++ exited with 0 +++"]


@pytest.mark.parametrize("program", ["vfork-exec /nonexistent", "stopped"])
def test_counts_of_calls_are_those_of_the_trace(vmemu: Vmemu, program: str) -> None:
    traced = vmemu(f"run --strace {program}").err.splitlines()
    lines = [re.sub(r"^\[pid +\d+\] ", "", line) for line in traced]
    names = Counter(line.partition("(")[0] for line in lines if "(" in line)
    errors = Counter(line.partition("(")[0] for line in lines if re.search(r"\) += -1 ", line))
    head, *rows, total = vmemu(f"run -c {program}").err.splitlines()
    assert head.split() == ["calls", "errors", "system", "call"]
    counted = {name: (int(n), int(e.replace("-", "0"))) for n, e, name in map(str.split, rows)}
    assert counted == {name: (n, errors[name]) for name, n in names.items()}
    assert total.split() == [str(names.total()), str(errors.total()), "total"]


def test_counts_of_some_calls(vmemu: Vmemu) -> None:
    some = vmemu("run -c -e execve vfork-exec /nonexistent").err.splitlines()
    assert int(some[1].split()[1]) > 0
    assert [line.split()[-1] for line in some] == ["call", "execve", "total"]


def test_what_cannot_be_traced(vmemu: Vmemu) -> None:
    done = vmemu("run -e mm,foo hello")
    assert (done.status, done.out) == (2, "")
    assert "there is no system call and no group 'foo'; groups are adjtime, attribute" in done.err


def test_every_event_in_a_file(vmemu: Vmemu, tmp_path: Path) -> None:
    """As many of each as were counted, in order and without a gap; the run is not changed."""
    file = tmp_path / "events.jsonl"
    command = "--ram 1M --json swap-storm PAGES=400"
    facts = json.loads(vmemu(f"run --events {file} {command}").err)
    events = [json.loads(line) for line in file.read_text().splitlines()]
    assert [event["seq"] for event in events] == list(range(len(events)))
    assert len(events) > 2000
    names = Counter(event["name"] for event in events)
    happened = facts["stats"]["events"]["happened"]
    ending = {"exit", "syscall"}  # which come when the statistics have been taken
    assert {n: c for n, c in names.items() if n not in ending} == {
        n: c for n, c in happened.items() if c and n not in ending
    }
    assert names["exit"] == 1
    plain = json.loads(vmemu(f"run {command}").err)
    for each in (facts, plain):
        del each["stats"]["events"]
    assert facts == plain
    refused = vmemu(f"run --events {tmp_path} hello")
    assert (refused.status, refused.out) == (2, "")


def test_a_machine_that_is_refused_leaves_files_as_they_were(vmemu: Vmemu, tmp_path: Path) -> None:
    for option in ("--events", "--json-to", "--output"):
        file = tmp_path / "file"
        file.write_text("precious")
        assert vmemu(f"run {option} {file} --ram 100K hello").status == 2
        assert file.read_text() == "precious"


def test_events_up_to_what_stops_the_run(
    vmemu: Vmemu, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are in the file also when it is no limit that stops it."""

    def run(machine: Machine, each: Callable[[], None]) -> WaitStatus:
        while machine.step() != "syscall":
            pass
        raise VmemuError("stopped")

    monkeypatch.setattr(Machine, "run", run)
    file = tmp_path / "events.jsonl"
    assert vmemu(f"run --events {file} hello") == (2, "Hello from ring 3\n", "vmemu: stopped\n")
    events = [json.loads(line) for line in file.read_text().splitlines()]
    assert "syscall" in {event["name"] for event in events}


def test_events_that_were_too_many_are_told_of(
    vmemu: Vmemu, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vmemu.cli.run.EVENT_RING", 64)
    file = tmp_path / "events.jsonl"
    vmemu(f"run --events {file} --ram 1M swap-storm PAGES=400")
    events = [json.loads(line) for line in file.read_text().splitlines()]
    assert any(event["name"] == "dropped" for event in events)
    expected = 0
    for event in events:
        assert event["seq"] == expected
        expected += event["a"] if event["name"] == "dropped" else 1


def test_maps_of_every_process(vmemu: Vmemu) -> None:
    lines = vmemu("run --maps-at-exit fork-server R=2 N=2").err.splitlines()
    heads = [line for line in lines if line.endswith(":")]
    assert sorted(heads) == ["100 fork-server:", "101 fork-server:", "102 fork-server:"]
    assert heads[-1] == "100 fork-server:"
    assert sum("[stack]" in line for line in lines) == 3


def test_maps_at_exit(vmemu: Vmemu) -> None:
    lines = vmemu("run --maps-at-exit hello").err.splitlines()
    assert lines[0].split()[0] == "08048000-08049000"
    assert lines[-1].endswith("[stack]")


def test_output_to_a_file_leaves_stdout_to_json(vmemu: Vmemu, tmp_path: Path) -> None:
    output = tmp_path / "output"
    done = vmemu(f"run --json --output {output} hello STATUS=3")
    assert (done.status, done.err) == (3, "")
    assert json.loads(done.out)["exit_status"] == 3
    assert output.read_text() == "Hello from ring 3\n"
    plain = vmemu(f"run --output {output} cat /nonexistent")
    assert (plain.out, plain.err) == ("", "")
    assert output.read_text() == "cat: /nonexistent: errno 2\n"
    assert (
        vmemu(f"run --output {tmp_path} hello").err
        == f"vmemu: cannot write {tmp_path}: is a directory\n"
    )


def test_unknown_system_calls(vmemu: Vmemu) -> None:
    assert vmemu("run --unknown-syscalls hello").err == "vmemu: no unknown system calls\n"


def test_swap_file_is_made_and_used_again(vmemu: Vmemu, tmp_path: Path) -> None:
    swap = tmp_path / "swap"
    for _ in range(2):
        done = vmemu(f"run --ram 1M --swap {swap}:4M --json swap-storm PAGES=400")
        assert done.status == 0
        assert json.loads(done.err)["stats"]["swap"]["out"] > 0
        assert swap.read_bytes()[4086:4096] == b"SWAPSPACE2"
        assert swap.stat().st_size == 4 << 20


def test_interrupt() -> None:
    """Control-C ends a guest that never traps: it only computes."""
    program = [sys.executable, "-m", "vmemu", "run", "bench", "int", "N=1000000", "REP=1000000"]
    with subprocess.Popen(program, stderr=subprocess.PIPE, text=True) as process:
        time.sleep(1.5)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=20)
    assert process.returncode == 130
    assert err == "vmemu: interrupted\n"


def test_reader_gone() -> None:
    """``vmemu list | head -0`` ends quietly."""
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "wb") as broken:
        done = subprocess.run(
            [sys.executable, "-m", "vmemu", "list"],
            stdout=broken,
            stderr=subprocess.PIPE,
            check=False,
        )
    assert (done.returncode, done.stderr) == (141, b"")


@pytest.mark.parametrize("words", ["run hello", "run --strace hello", "run --ram", "list"])
@pytest.mark.parametrize("module", ["__main__", "cli.entry"])
def test_garbage_is_collected_behind_the_start(words: str, module: str) -> None:
    """What the command has imported is left out, but nothing of a process that is not its own."""
    code = (
        "import gc, sys\n"
        f"from vmemu.{module} import main\n"
        f"sys.argv = ['vmemu', *{words.split()!r}]\n"
        "before = gc.get_freeze_count()\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "print(gc.isenabled(), gc.get_freeze_count() > before)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == f"True {module == '__main__'}"


NOT_FOR_HELLO = {
    "capstone", "click", "elftools", "greenlet", "jinja2", "matplotlib", "numpy", "rich",
    "dataclasses", "difflib", "fnmatch", "inspect", "json", "pathlib", "platform", "shlex",
    "shutil", "tempfile", "traceback", "unicorn", "urllib", "uuid", "vmemu._core64",
    "vmemu.check", "vmemu.cli.main", "vmemu.explore", "vmemu.kernel.signal.frame_i386",
    "vmemu.report", "vmemu.snapshot",
}  # fmt: skip


@pytest.mark.i386
def test_start_is_light() -> None:
    """Nothing that hello does not need is imported, but for what Python itself imports."""
    code = (
        "import sys\n"
        "before = set(sys.modules)\n"
        "from vmemu.cli.entry import main\n"
        "try: main(['run', 'hello'])\n"
        "except SystemExit: pass\n"
        "print(*set(sys.modules) - before)"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True
    )
    greeting, modules = done.stdout.splitlines()
    assert greeting == "Hello from ring 3"
    assert "vmemu.machine" in modules.split()
    assert not NOT_FOR_HELLO & set(modules.split())


@pytest.mark.parametrize(("option", "unit"), [("--max-time", "virtual"), ("--max-host-time", "")])
def test_a_limit_of_time_ends_the_run(vmemu: Vmemu, tmp_path: Path, option: str, unit: str) -> None:
    """With all that was counted so far, and the machine sound."""
    facts = tmp_path / "facts.json"
    done = vmemu(f"run {option} 0.01 --check --stats --json-to {facts} bench int N=100000000")
    assert done.status == 124
    assert f"vmemu: bench: the machine has run for {'0.01 s of ' if unit else ''}{unit}" in done.err
    assert "slab cache" in done.err
    told = json.loads(facts.read_text())
    assert told["limit"].endswith(f"({option[2:].replace('-', '_')})")
    assert told["exit_status"] == 124
    assert told["signal"] is None
    assert told["stats"]["counters"]["pgfault"] > 0


@pytest.mark.parametrize(
    ("option", "children", "error"), [("--max-tasks 4", 3, 11), ("--max-host-memory 256K", 6, 12)]
)
def test_limits_of_tasks_and_host_memory(
    vmemu: Vmemu, option: str, children: int, error: int
) -> None:
    """In 256K: 32768 a task, 3 streams and 2 ends of a pipe; 5 descriptors for each child."""
    done = vmemu(f"run --json {option} fork-bomb")
    assert done.out == f"fork-bomb: stopped by errno {error}\n"
    facts = json.loads(done.err)
    assert facts["limit"] is None
    assert facts["stats"]["events"]["happened"]["fork"] == children


def test_a_root_and_what_is_bound(vmemu: Vmemu, guest: Guest, tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    shutil.copy(guest("hello"), tmp_path / "bin" / "hello")
    done = vmemu(f"run --root {tmp_path} --bind /etc:/mnt /bin/hello")
    assert (done.status, done.out, done.err) == (0, "Hello from ring 3\n", "")
    assert vmemu(f"run --root {tmp_path} --stats hello").out == "Hello from ring 3\n"


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ("--root /no/such hello", "root must be a directory, which /no/such is not"),
        ("--root /no/such /bin/hello", "root must be a directory, which /no/such is not"),
        ("--root /etc /bin/no-such", "cannot open /bin/no-such: no such file or directory"),
        ("--bind /no/such hello", "there is no /no/such to bind"),
        ("--bind /etc:x hello", "a bind must be HOST[:/GUEST][:rw], not '/etc:x'"),
    ],
)
def test_what_cannot_be_root_or_bound(vmemu: Vmemu, words: str, reason: str) -> None:
    done = vmemu(f"run {words}")
    assert (done.status, done.out, done.err) == (2, "", f"vmemu: {reason}\n")
