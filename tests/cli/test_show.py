"""vmemu show: what is printed, drawn, watched and refused."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.command import Vmemu
from vmemu import Machine
from vmemu.errors import VmemuError
from vmemu.kernel.process.exit import stop_group
from vmemu.lab.guests import guest_path
from vmemu.snapshot.series import Sample
from vmemu.snapshot.watch import Watch

STORM = "--ram 2M swap-storm PAGES=400 PASSES=1"


def test_tables_on_stdout_and_the_program_on_stderr(vmemu: Vmemu) -> None:
    done = vmemu("show hello")
    assert done.status == 0
    assert done.err == "Hello from ring 3\n"
    assert done.out.startswith("hello at exit, after ")
    for title in ("frames by kind", "processes, in pages", "areas of 100 hello", "entries of 100"):
        assert f"\n{title}" in done.out
    assert "in swap" not in done.out
    assert max(map(len, done.out.splitlines())) <= 100


def test_options_stand_before_the_program_or_behind_it(vmemu: Vmemu) -> None:
    before = vmemu("show --at measure fork-server R=2 N=2")
    assert before.out.startswith("fork-server at mark measure, ")
    assert vmemu("show fork-server R=2 --at measure N=2") == before
    assert vmemu("show --set R=2 --set N=2 --at measure fork-server") == before
    done = vmemu("show --at exit args -- --at -x y=1")
    assert [line.split(": ")[-1] for line in done.err.splitlines()[:3]] == ["--at", "-x", "y=1"]


def test_the_width_is_the_program_s(vmemu: Vmemu) -> None:
    assert ": i386, " in vmemu("show hello").out
    assert ": x86-64 of 3 levels, " in vmemu("show --bits 64 hello").out
    assert ": x86-64 of 4 levels, " in vmemu("show --bits 64 --levels 4 hello").out


def test_json(vmemu: Vmemu) -> None:
    done = vmemu(f"show --json --check --at measure {STORM}")
    data = json.loads(done.out)
    assert data["moment"] == "at mark measure"
    assert sum(data["frames"]["counts"].values()) == 512
    swapped = {tuple(page["slot"]) for page in data["swap"][0]["used"]}
    entries = [e for area in data["processes"][0]["areas"] for e in area["entries"]]
    assert {tuple(e["slot"]) for e in entries if e["kind"] == "swap"} <= swapped


def test_a_picture_and_the_same_bytes_each_time(vmemu: Vmemu, tmp_path: Path) -> None:
    one, two = tmp_path / "one.svg", tmp_path / "two.svg"
    done = vmemu(f"show --svg {one} --at measure {STORM}")
    assert (done.status, done.out) == (0, "")
    vmemu(f"show --svg {two} --at measure {STORM}")
    assert one.read_bytes() == two.read_bytes()
    ElementTree.parse(one)
    both = vmemu(f"show --json --svg {two} --at measure {STORM}")
    assert json.loads(both.out)["ram_bytes"] == 2 << 20


def test_full_has_a_line_for_each_entry(vmemu: Vmemu) -> None:
    command = f"show --at measure {STORM}"
    short, full = vmemu(command).out, vmemu(command.replace("show", "show --full")).out
    assert len(short.splitlines()) < 100 < 400 < len(full.splitlines())


def test_watch_reads_at_each_interval(vmemu: Vmemu) -> None:
    done = vmemu("show --watch 0.05 --ram 2M swap-storm PAGES=700")
    assert done.status == 0
    assert done.err.startswith("swap-storm: 700 pages")
    head, *lines = done.out.splitlines()
    assert head.split()[:4] == ["ms", "free", "active", "inactive"]
    assert head.split()[4:] == ["swapped", "faults", "major", "si", "so"]
    rows = [line.split() for line in lines]
    times = [float(row[0]) for row in rows]
    # in each interval there is one that is the first to be read in it; the last is the end
    assert [int(time // 50) for time in times[:-1]] == list(range(1, len(times)))
    assert max(map(len, done.out.splitlines())) <= 100


def test_watch_counts_what_the_whole_run_counts(vmemu: Vmemu) -> None:
    """The differences of all lines are the counters at the end."""
    options = "--ram 2M --max-time 1000"  # as a watch does, that lets computing take time
    done = vmemu(f"show --json --watch 0.05 {options} swap-storm PAGES=700")
    rows = [json.loads(line) for line in done.out.splitlines()]
    ran = vmemu(f"run --json {options} swap-storm PAGES=700")
    swap = json.loads(ran.err.splitlines()[-1])["stats"]["swap"]
    assert sum(row["so"] for row in rows) == pytest.approx(swap["out"], rel=0.1)
    assert sum(row["si"] for row in rows) == pytest.approx(swap["in"], rel=0.1)
    assert all(row["free"] + row["active"] + row["inactive"] <= 512 for row in rows)


def test_watch_up_to_a_moment(vmemu: Vmemu) -> None:
    done = vmemu("show --watch 0.05 --at pass:2 --ram 2M swap-storm PAGES=700")
    head, _, rest = done.out.partition("swap-storm at mark pass:2, after ")
    assert head.splitlines()[0].split()[0] == "ms"
    last = float(head.splitlines()[-1].split()[0])
    assert last <= float(rest.split()[0]) < last + 50


def test_watched_programs_that_sleep_for_ever_are_found_out() -> None:
    """The watch has a timer pending, which must not look like something to wait for."""
    told: list[Sample] = []
    with Machine(ram="4M") as machine:
        task = machine.spawn(guest_path("hello"), stdout=None)
        Watch(machine, 1_000_000, told.append)
        machine.step()
        stop_group(task, signal.SIGSTOP)
        assert machine.step() == "idle"
        with pytest.raises(VmemuError, match=r"deadlock: process 100 \(hello\) is stopped"):
            machine.step()
    assert [reading.virtual_ns for reading in told] == [1_000_000]


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("show --at frok fork-server", "there is no moment 'frok' (did you mean fork?): give exit"),
        ("show --at call:foo hello", "there is no system call 'foo'"),
        ("show --watch 0 hello", "--watch takes seconds of virtual time"),
        ("show --watch nan hello", "--watch takes seconds of virtual time"),
        ("show --watch 1 --svg a.svg hello", "--svg is of one moment: give --at MOMENT as well"),
        ("show --watch 1 --full hello", "--full is of one moment"),
        ("show --watch 1 --check hello", "--check is of one moment"),
        ("show --svg /nonexistent/a.svg hello", "cannot write /nonexistent/a.svg: no such file"),
        ("show --svg . hello", "cannot write .: is a directory"),
        ("show --rmap foo hello", "unknown rmap scheme 'foo'"),
        ("show nothing", "there is no file and no guest 'nothing'"),
        ("show --env COLOUR hello", "--env takes NAME=VALUE, not 'COLOUR'"),
        ("show", "missing argument 'PROGRAM'"),
    ],
)
def test_refusals(vmemu: Vmemu, command: str, said: str) -> None:
    done = vmemu(command)
    assert (done.status, done.out) == (2, "")
    assert done.err.startswith("vmemu: ")
    assert said in done.err
    assert done.err.count("\n") == 1


ENDED = "it ended with exit status 0"


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (
            "show --at mark:foo fork-server R=1 N=1",
            f"fork-server: mark:foo never came: {ENDED}; its marks were measure",
        ),
        ("show --at oom hlt", "hlt: oom never came: signal 11 killed it"),
        (
            "show --at fork:9 fork-server R=1 N=1",
            f"fork-server: fork:9 never came: {ENDED}; its marks were measure",
        ),
        (
            "show --at mremap hello",
            f"hello: mremap never came: {ENDED}; event:mremap is the event of that name",
        ),
    ],
)
def test_a_moment_that_never_comes(vmemu: Vmemu, command: str, said: str) -> None:
    done = vmemu(command)
    assert (done.status, done.out) == (1, "")
    assert done.err.splitlines()[-1] == f"vmemu: {said}"


def test_a_limit_of_time_ends_it(vmemu: Vmemu) -> None:
    done = vmemu("show --max-time 0.01 --at exit bench int N=100000000")
    assert done.status == 124
    assert "0.01 s of virtual time" in done.err
