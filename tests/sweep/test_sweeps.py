"""Whole sweeps: each cell's fate is written down, nothing is run twice, all can be run again."""

from __future__ import annotations

import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from tests.command import Vmemu
from tests.sweep import hostile
from vmemu.errors import ConfigError, VmemuError
from vmemu.lab.record import HOST_COLUMNS
from vmemu.sweep import engine
from vmemu.sweep.isolated import Limits
from vmemu.sweep.journal import JOURNAL, read_journal
from vmemu.sweep.sweep import PARQUET, sweep, verify
from vmemu.sweep.words import plan_from_words

WORDS = ["fork-server", "N=1..4", "R=1,2"]
OPTIONS = {"rmap": ("anonmm,anon_vma",), "seed": "0,1"}
CELLS = 4 * 2 * 2 * 2


def rows(out: Path) -> list[dict[str, Any]]:
    """What the Parquet file has, but for the host's time."""
    found = pq.read_table(out / PARQUET).to_pylist()
    return [{k: v for k, v in row.items() if k not in HOST_COLUMNS} for row in found]


def start(out: Path, *words: str, cwd: Path | None = None) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "vmemu", "sweep", *words, "--out", str(out)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=cwd,
        start_new_session=True,
    )


def finish(out: Path, *words: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """A sweep in a process that has loaded nothing of the user's yet."""
    with start(out, *words, cwd=cwd) as running:
        told, _ = running.communicate()
    return subprocess.CompletedProcess(words, running.returncode, told)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sweep that nobody interrupted."""
    out = tmp_path_factory.mktemp("whole") / "runs"
    result = sweep(plan_from_words(WORDS, OPTIONS), out)
    assert (result.tally.ran, result.tally.found, result.tally.failures) == (CELLS, 0, [])
    assert result.parquet == out / PARQUET
    return out


def test_each_cell_has_a_row(whole: Path) -> None:
    found = rows(whole)
    asked = {
        (n, r, scheme, seed)
        for n in range(1, 5)
        for r in (1, 2)
        for scheme in ("anonmm", "anon_vma")
        for seed in (0, 1)
    }
    assert [(row["N"], row["R"], row["scheme"], row["seed"]) for row in found].sort() is None
    assert {(row["N"], row["R"], row["scheme"], row["seed"]) for row in found} == asked
    assert len(found) == len(asked) == CELLS
    assert {(row["status"], row["verdict"]) for row in found} == {("ok", "yes")}
    for row in found:
        n, r = row["N"], row["R"]
        probes = r * n if row["scheme"] == "anonmm" else r * n * (n + 1) // 2
        assert row["unmap_probes"] == row["predicted_unmap_probes"] == probes


def test_it_goes_on_where_it_was(whole: Path, tmp_path: Path) -> None:
    part = sweep(plan_from_words(WORDS, {**OPTIONS, "seed": "1"}), tmp_path)
    assert part.tally.ran == CELLS // 2
    rest = sweep(plan_from_words(WORDS, OPTIONS), tmp_path)
    assert (rest.tally.ran, rest.tally.found) == (CELLS // 2, CELLS // 2)
    assert rows(tmp_path) == rows(whole)
    again = sweep(plan_from_words(WORDS, OPTIONS), tmp_path)
    assert (again.tally.ran, again.tally.found) == (0, CELLS)
    assert len(read_journal(tmp_path)) == CELLS


@pytest.mark.slow
def test_killed_at_ten_moments(whole: Path, tmp_path: Path) -> None:
    words = [*WORDS, "--rmap", "anonmm,anon_vma", "--seed", "0,1"]
    chance = random.Random(7)
    kills = finished = 0
    while kills < 10:
        running = start(tmp_path, *words)
        lines = len((tmp_path / JOURNAL).read_bytes().splitlines()) if finished else 0
        end = time.monotonic() + 60
        while running.poll() is None and time.monotonic() < end:  # some cells more each time
            if (tmp_path / JOURNAL).exists():
                now = len((tmp_path / JOURNAL).read_bytes().splitlines())
                if now > lines + chance.randrange(3):
                    break
            time.sleep(chance.random() * 0.02)
        os.killpg(running.pid, signal.SIGKILL)
        running.wait()
        assert running.stdout is not None
        running.stdout.close()
        finished = kills = kills + 1
    last = start(tmp_path, *words)
    told, _ = last.communicate(timeout=300)
    assert last.returncode == 0, told
    assert rows(tmp_path) == rows(whole)
    keys = [json.loads(line)["key"] for line in (tmp_path / JOURNAL).read_bytes().splitlines()[1:]]
    assert len(keys) == len(set(keys)) == CELLS


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_what_is_done_is_there_after_an_interrupt(tmp_path: Path, number: signal.Signals) -> None:
    running = start(tmp_path, "private-pages", "--rmap", "anonmm", "--seed", "1..100000")
    end = time.monotonic() + 60
    while time.monotonic() < end:
        if (tmp_path / JOURNAL).exists() and (tmp_path / JOURNAL).read_bytes().count(b"\n") > 3:
            break
        time.sleep(0.02)
    running.send_signal(number)
    told, _ = running.communicate(timeout=60)
    assert (running.returncode, told) == (130, "vmemu: interrupted\n")
    assert len(rows(tmp_path)) == len(read_journal(tmp_path)) >= 3


@pytest.mark.parametrize("kind", ["threads", "processes", "loky"])
def test_any_executor_gives_the_same(whole: Path, tmp_path: Path, kind: str) -> None:
    def make() -> Executor:
        if kind == "threads":
            return ThreadPoolExecutor(3)
        if kind == "processes":
            return ProcessPoolExecutor(2, get_context("spawn"))
        from loky import ProcessPoolExecutor as Loky

        return Loky(2)  # type: ignore[no-any-return]

    with make() as executor:
        result = sweep(plan_from_words(WORDS, OPTIONS), tmp_path, executor=executor)
    assert result.tally.ran == CELLS
    assert rows(tmp_path) == rows(whole)


def test_finished_cells_can_be_run_again(whole: Path, tmp_path: Path) -> None:
    found = verify(whole, 5)
    assert [each.columns for each in found] == [[]] * 5
    sweep(plan_from_words(["hole"], {"rmap": ("scan",)}), tmp_path)
    path = tmp_path / JOURNAL
    head, line = path.read_text().splitlines()
    told = json.loads(line)
    told["record"]["unmap_probes"] += 1
    told["record"]["run_pgfault"] += 1
    path.write_text(f"{head}\n{json.dumps(told)}\n")
    (changed,) = verify(tmp_path, 3)
    assert changed.columns == ["unmap_probes", "run_pgfault"]
    told = json.loads(line)
    told["record"]["unmap_pages"] = float(told["record"]["unmap_pages"])
    path.write_text(f"{head}\n{json.dumps(told)}\n")
    assert verify(tmp_path, 1)[0].columns == ["unmap_pages"]  # by bytes it is another
    told["record"]["build"] = "another"
    path.write_text(f"{head}\n{json.dumps(told)}\n")
    with pytest.raises(ConfigError, match=r"results of another build of vmemu \(another, and"):
        verify(tmp_path, 1)


def test_verify_by_command(vmemu: Vmemu, whole: Path) -> None:
    done = vmemu(f"sweep --verify 3 --out {whole}")
    assert (done.status, done.out) == (
        0,
        "3 of 3 cells gave the same record again, byte for byte\n",
    )
    done = vmemu(f"sweep fork-server --verify 3 --out {whole}")
    assert done.status == 2
    assert "name no scenarios" in done.err


def test_what_goes_wrong_is_written_down(
    vmemu: Vmemu, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = hostile.write(tmp_path / "own")
    monkeypatch.syspath_prepend(str(own))
    scenarios = [f"{own}/bad.py:{name}" for name in ("loops", "eats", "crashes", "well")]
    out = tmp_path / "runs"
    limits = "--time-limit 2 --memory-limit 200M"
    done = vmemu(f"sweep {' '.join(scenarios)} --rmap anonmm {limits} --out {out}")
    assert done.status == 1
    found = {row["scenario"]: row for row in rows(out)}
    assert {name: row["failure"] for name, row in found.items()} == {
        "loops": "time",
        "eats": "memory",
        "crashes": "guest",
        "well": None,
    }
    assert found["loops"]["reason"] == "it took longer than 2 s"
    assert "200 MB" in found["eats"]["reason"]
    assert "SIGSEGV" in found["crashes"]["reason"]
    assert found["well"]["status"] == "ok"
    for name in ("loops", "eats", "crashes"):  # a failed cell is described as any other
        told = {k for k, v in found[name].items() if v is not None} - {"failure", "reason"}
        assert {"key", "scenario", "scheme", "PAGES", "build", "ram", "seed", "bits"} <= told
        assert all(found[name][k] == found["well"][k] for k in ("PAGES", "build", "ram", "bits"))
    first, *listed = done.out.splitlines()
    assert first.endswith("3 failed:")
    assert len(listed) == 3
    # a scheme of the user's: machine.check() asks it in both, whether the scenario does or not
    words = f"sweep private-pages zero-page PAGES=3 --rmap bad_schemes:Raises --out {out}"
    done = vmemu(words)
    assert done.status == 1
    raised = [row for row in rows(out) if row["failure"] == "scheme"]
    assert {row["scenario"] for row in raised} == {"private-pages", "zero-page"}
    for row in raised:
        assert "KeyError" in row["reason"]
        assert "bad_schemes.py" in row["reason"]
    # what failed stays so, unless it is asked for again: the file has been mended
    assert "2 of them were there" in vmemu(words).out
    (own / "bad_schemes.py").write_text(
        hostile.SCHEMES.replace('raise KeyError("no such page")', "return []")
    )
    assert vmemu(f"sweep {scenarios[2]} --rmap anonmm --out {out} --retry").status == 1


def test_an_edited_file_of_the_user_is_run_again(tmp_path: Path) -> None:
    own = hostile.write(tmp_path / "own")
    out = tmp_path / "runs"
    reference = f"{own}/bad.py:crashes"
    words = (reference, "--rmap", "anonmm")
    assert finish(out, *words).returncode == 1
    mended = hostile.GUEST.replace(
        "*(volatile u32 *)(pages * 4096ul) = 1;", 'mark("measure", 0, pages);'
    )
    (own / "crashes.c").write_text(mended)
    assert finish(out, *words).returncode == 0
    (row,) = rows(out)
    assert row["status"] == "ok"


def test_a_guest_that_does_not_compile_is_told_with_the_compilers_words(tmp_path: Path) -> None:
    own = hostile.write(tmp_path / "own")
    (own / "crashes.c").write_text(hostile.GUEST.replace("= 1;", "= nothing;"))
    result = sweep(plan_from_words([f"{own}/bad.py:crashes"], {"rmap": ("scan",)}), tmp_path / "o")
    assert [entry.record["failure"] for entry in result.tally.failures] == ["refused"]
    (row,) = rows(tmp_path / "o")
    said = row["reason"]
    assert re.match(r"crashes\.c does not compile: crashes\.c:9:\d+: error: .*nothing", said), said


def test_an_edited_scheme_is_run_again(tmp_path: Path) -> None:
    own = hostile.write(tmp_path / "own")
    words = ("hole", "--rmap", "bad_schemes:Raises")
    first, same = (finish(tmp_path / "runs", *words, cwd=own) for _ in range(2))
    assert "KeyError" in first.stdout
    assert "1 of them were there" in same.stdout
    file = own / "bad_schemes.py"
    file.write_text(file.read_text().replace("KeyError", "IndexError"))
    assert "IndexError" in finish(tmp_path / "runs", *words, cwd=own).stdout
    assert len(rows(tmp_path / "runs")) == 1


def test_an_edited_scenario_of_a_file_is_run_again(tmp_path: Path) -> None:
    file, out = tmp_path / "own.toml", tmp_path / "runs"
    text = "seed = 1\n[scenarios.S]\nprogram = 'touch'\nparameters.PAGES = 4\n"
    text += "expect.unmap_pages = 'PAGES + 1'\n"
    words = (f"{file}:S", "--rmap", "anonmm")
    file.write_text(text)
    assert "1 not as predicted" in finish(out, *words).stdout
    file.write_text(text.replace("seed = 1", "seed = 2"))  # which is no part of the scenario
    told = finish(out, *words).stdout
    assert "1 of them were there, 1 not as predicted" in told
    file.write_text(text.replace("PAGES + 1", "PAGES"))
    assert finish(out, *words).stdout == f"1 cells in {out}/runs.parquet\n"
    assert [row["verdict"] for row in rows(out)] == ["yes"]


def test_an_address_that_is_none_is_told_once_and_leaves_no_results(tmp_path: Path) -> None:
    done = finish(tmp_path, "hole", "--scheduler", "nowhere")
    assert done.returncode == 2
    assert done.stdout.startswith("vmemu: there is no dask scheduler at 'nowhere': ")
    assert done.stdout.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == [JOURNAL]


def test_of_many_failures_some_are_shown(vmemu: Vmemu, tmp_path: Path) -> None:
    words = f"sweep hole --rmap anonmm --seed 1..22 --time-limit 0.001 --out {tmp_path}"
    first, *listed = vmemu(words).out.splitlines()
    assert first.endswith("22 failed:")
    assert (len(listed), listed[-1]) == (21, "  and 2 more")
    assert len(json.loads(vmemu(f"{words} --json").out)["failures"]) == 22


def test_what_failed_is_run_again_if_that_is_asked_for(vmemu: Vmemu, tmp_path: Path) -> None:
    words = f"sweep hole --rmap anonmm --out {tmp_path}"
    assert "it took longer than 0.001 s" in vmemu(f"{words} --time-limit 0.001").out
    assert "1 of them were there, 1 failed:" in vmemu(words).out
    with pytest.raises(ConfigError, match="has no finished cell that could be run again"):
        verify(tmp_path, 1)
    done = vmemu(f"{words} --retry")
    assert (done.status, done.out) == (0, f"1 cells in {tmp_path}/runs.parquet\n")
    assert [row["status"] for row in rows(tmp_path)] == ["ok"]


class Fated(Executor):
    """Runs what it is given here, unless ``fate`` raises or says to let it wait for ever."""

    def __init__(self, fate: Callable[[int], bool]) -> None:
        self.fate = fate
        self.sent: list[tuple[Any, ...]] = []
        self.futures: list[Future[Any]] = []

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        self.sent.append(args)
        self.futures.append(future)
        try:
            if self.fate(len(self.sent)):
                future.set_result(fn(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        return future


class KilledWorker(Exception):
    """What dask calls it."""


def test_a_cell_whose_workers_are_lost_is_handed_out_four_times(tmp_path: Path) -> None:
    def fate(number: int) -> bool:
        if number <= lost:
            raise KilledWorker
        return True

    plan = plan_from_words(["hole"], {"rmap": ("scan",)})
    for lost, reason in ((3, None), (4, "every worker that ran it was lost")):
        out, executor = tmp_path / str(lost), Fated(fate)
        sweep(plan, out, executor=executor)
        assert len(executor.sent) == 4
        (row,) = rows(out)
        assert row.get("reason") == reason


def test_an_executor_that_breaks_is_asked_for_nothing_more(tmp_path: Path) -> None:
    def fate(number: int) -> bool:
        if number == 1:
            raise OSError("broken")
        return False

    executor = Fated(fate)
    plan = plan_from_words(["hole"], {"rmap": ("scan",), "seed": "1..5"})
    with pytest.raises(OSError, match="broken"):
        sweep(plan, tmp_path, executor=executor)
    assert [future.cancelled() for future in executor.futures] == [False, *[True] * 4]


def test_a_cell_may_take_what_its_machine_has_besides(tmp_path: Path) -> None:
    executor = Fated(lambda number: True)
    options = {"rmap": ("scan",), "ram": "16M", "swap": "8M", "time": 50, "memory": "1G"}
    sweep(plan_from_words(["hole"], options), tmp_path, executor=executor)
    ((_, limits, _),) = executor.sent
    assert limits == Limits(50, 1 << 30, 24 << 20)


def test_scenarios_of_one_name_in_a_file_are_two(tmp_path: Path) -> None:
    own = hostile.write(tmp_path / "own") / "bad.py"
    own.write_text(own.read_text() + "\ntwin = scenario('well', lambda visit: None)\n")
    for name in ("well", "twin"):
        result = sweep(plan_from_words([f"{own}:{name}"], {"rmap": ("anonmm",)}), tmp_path / "runs")
        assert (result.tally.ran, result.tally.found) == (1, 0)
    assert len({row["key"] for row in rows(tmp_path / "runs")}) == 2


def test_another_build_runs_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "build_id", lambda: "another")
    plan = plan_from_words(["hole"], {"rmap": ("scan",)})
    with (
        ProcessPoolExecutor(1, get_context("spawn")) as executor,
        pytest.raises(
            VmemuError, match=r"the worker \S+ has another build of vmemu \(\w+; this is another\)"
        ),
    ):
        sweep(plan, tmp_path, executor=executor)
    assert read_journal(tmp_path) == []


def test_the_command_says_what_it_would_do(vmemu: Vmemu, tmp_path: Path) -> None:
    done = vmemu("sweep fork-server N=1..8*2 --rmap all --dry-run")
    assert done.status == 0
    assert done.out.split()[5:10:2] == ["1", "36", "N:"]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("fork-server", "say where the results go: --out runs"),
        ("--out {}", "a sweep needs a scenario"),
        ("fork-server N=1..x --out {}", "N=1..x"),
        ("fork-server Q=1 --out {}", "has no parameter 'Q'"),
        ("fork-server --jobs 0 --out {}", "--jobs must be 1 to 4096, not 0"),
        ("hole --time-limit 0 --out {}", "--time-limit: time must be seconds above 0"),
        ("hole --memory-limit 1 --out {}", "--memory-limit: "),
        ("hole --out=", "say where the results go: --out runs"),
        ("--verify 0 --out {}", "--verify must be 1 or more"),
        ("--verify 1 --out {}", "is no sweep's directory"),
        ("hole --scheduler nowhere --out {}", "there is no dask scheduler at 'nowhere'"),
    ],
)
def test_mistakes_are_one_sentence(vmemu: Vmemu, tmp_path: Path, words: str, message: str) -> None:
    done = vmemu(f"sweep {words.format(tmp_path)}")
    assert (done.status, done.out) == (2, "")
    assert message in done.err
    assert done.err.count("\n") == 1
