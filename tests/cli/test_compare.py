"""vmemu compare, overhead, list: tables and JSON in the documented form."""

from __future__ import annotations

import csv
import hashlib
import json
import re
import tomllib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from tests.command import Vmemu
from vmemu.cli.progress import Progress
from vmemu.lab.compare import besides, compare, summary_table
from vmemu.lab.scenario import expect
from vmemu.lab.scenarios import SCENARIOS
from vmemu.rmap import schemes

Guest = Callable[[str], Path]


def records(text: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(text)["records"]
    return found


def test_json_has_a_flat_record_for_each_run(vmemu: Vmemu) -> None:
    done = vmemu("compare fork-server --set R=4 --set N=3 --json")
    assert done.err == ""
    one, other = records(done.out)
    assert [record["scheme"] for record in (one, other)] == ["anonmm", "anon_vma"]
    assert {record["scenario"] for record in (one, other)} == {"fork-server"}
    assert (one["R"], one["N"], one["bits"], one["seed"]) == (4, 3, 32, 0)
    assert one["swap"] == 64 << 20
    assert (one["status"], one["verdict"], one["deviations"]) == ("ok", "yes", "")
    assert other["unmap_pages"] == 12
    assert other["unmap_probes"] == other["predicted_unmap_probes"] == 4 * 6
    assert other["formula_unmap_probes"] == "R * N * (N + 1) // 2"
    assert one["unmap_probes"] == one["predicted_unmap_probes"] == 4 * 3
    assert one["objects_anonmm"] == 4
    assert one["run_pgcow"] >= 4 * 3
    assert all(not isinstance(value, dict | list) for value in one.values())
    units = json.loads(done.out)["units"]
    assert units["R"] == "pages"
    assert units["N"] == "children"
    assert units["unmap_probes"] == units["predicted_unmap_probes"] == "probes"
    assert units["ram"] == "bytes"
    assert units.keys() <= one.keys() | other.keys()


def test_csv_has_the_same_records(vmemu: Vmemu) -> None:
    words = "compare fork-server fork-brk --set R=4"
    in_json = records(vmemu(f"{words} --json").out)
    done = vmemu(f"{words} --csv")
    in_csv = list(csv.DictReader(done.out.splitlines()))
    assert len(in_csv) == len(in_json) == 4
    for row, record in zip(in_csv, in_json, strict=True):
        for name, text in row.items():
            value = record.get(name)
            shown = str(value).lower() if isinstance(value, bool) else str(value)
            assert text == ("" if value is None else shown)
    assert vmemu(f"{words} --csv --json").status == 2


def test_areas_of_files_are_kept_in_each_of_a_list(vmemu: Vmemu) -> None:
    command = "compare windows --set W=4 --rmap anon_vma --i-mmap list,prio_tree"
    found = records(vmemu(f"{command} --json").out)
    assert [(each["i_mmap"], each["file_unmap_cmp"]) for each in found] == [
        ("list", 7 * 6),
        ("prio_tree", 0),
    ]
    assert {each["verdict"] for each in found} == {"yes"}
    printed = vmemu(command).out
    assert "i_mmap=list" in printed
    assert "windows prio_tree anon_vma: " in printed
    every = records(vmemu("compare windows --set W=4 --rmap none --i-mmap all --json").out)
    assert [each["i_mmap"] for each in every] == ["list", "prio_tree", "interval_tree"]
    wrong = vmemu("compare windows --i-mmap list,tree")
    assert wrong.status == 2
    assert "there is no i_mmap 'tree': choose one of list, prio_tree, interval_tree" in wrong.err


def test_parameters_may_be_lists_and_ranges(vmemu: Vmemu) -> None:
    words = "compare fork-server hole --set N=1..4*2 --set R=1,3 --rmap scan --json"
    found = records(vmemu(words).out)
    asked = [(n, r) for r in (1, 3) for n in (1, 2, 4)]  # parameters in the scenario's order
    assert [(record["N"], record["R"]) for record in found] == asked * 2
    done = vmemu("compare fork-server --set N=1,x")
    assert (done.status, done.out) == (2, "")
    assert "N is a whole number of children, not 'x'" in done.err
    done = vmemu("compare fork-server --set N=4..1")
    assert (done.status, done.err.count("\n")) == (2, 1)
    assert "4..1" in done.err


def test_parquet_has_the_same_records_and_the_host_s_time(vmemu: Vmemu, tmp_path: Path) -> None:
    words = "compare fork-server overhead --set R=4 --set K=8"
    in_json = records(vmemu(f"{words} --json").out)
    path = tmp_path / "runs.parquet"
    done = vmemu(f"{words} --parquet {path}")
    assert done.status == 0
    assert done.out.startswith("scenario ")
    rows = pq.read_table(path).to_pylist()
    assert all(row.pop("host_ns") > 0 for row in rows)

    def told(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Without what is null; in one order."""
        known = [{name: v for name, v in record.items() if v is not None} for record in found]
        return sorted(known, key=lambda record: (record["scenario"], record["scheme"]))

    assert told(rows) == told(in_json)
    assert pq.read_schema(path).field("K").metadata[b"unit"] == b"areas"
    done = vmemu(f"{words} --parquet {tmp_path}/none/runs.parquet")
    assert (done.status, done.out) == (2, "")
    assert "cannot write" in done.err


def test_a_parameter_that_has_a_setting_s_name_has_a_column_of_its_own(vmemu: Vmemu) -> None:
    for record in records(vmemu("compare process-tree --set SEED=7 --seed 3 --json").out):
        assert (record["param_SEED"], record["seed"]) == (7, 3)


def test_output_sha256_is_that_of_the_output(vmemu: Vmemu) -> None:
    printed = vmemu("run touch PAGES=3")
    found = records(vmemu("compare private-pages --set PAGES=3 --json").out)
    digest = hashlib.sha256(printed.out.encode()).hexdigest()
    assert {record["output_sha256"] for record in found} == {digest}


def test_json_of_several_scenarios(vmemu: Vmemu) -> None:
    found = records(vmemu("compare mremap-shared merge-arena --set R=2 --json").out)
    assert [record["scenario"] for record in found] == ["mremap-shared"] * 2 + ["merge-arena"] * 2
    assert {record["R"] for record in found} == {2}


def test_table_is_one_and_aligned(vmemu: Vmemu) -> None:
    done = vmemu("compare mprotect-halves fork-brk --rmap anon_vma --rmap anon_vma39")
    head, *rows = done.out.splitlines()
    assert done.err == ""
    assert head.startswith("scenario ")
    assert [row.split()[:3] for row in rows] == [
        ["mprotect-halves", "anon_vma", "yes"],
        ["R=8", "anon_vma39", "yes"],
        ["fork-brk", "anon_vma", "yes"],
        ["R=8", "anon_vma39", "yes"],
    ]
    assert {row.index("yes") for row in rows} == {head.index("predicted")}
    assert len({len(row) for row in (head, *rows)}) == 1


def test_wide_table_has_every_column(vmemu: Vmemu) -> None:
    head, *rows = vmemu("compare orphans --rmap anonmm --wide").out.splitlines()
    assert [row.split()[:4] for row in rows] == [["orphans", "R=64", "N=4", "anonmm"]]
    assert rows[0].endswith("  rmap_migrated=64  yes")
    assert head.endswith("as predicted")


def test_all_scenarios_are_as_predicted(compare_printed: bytes) -> None:
    head, *lines = compare_printed.decode().splitlines()
    rows = lines[: next(at for at, line in enumerate(lines) if ":" in line)]
    place = head.index("predicted")
    verdicts = [row[place:].split()[0] for row in rows if row[place:].strip()]
    assert verdicts == ["yes"] * 2 * len(SCENARIOS)
    assert max(map(len, (head, *rows))) <= 120
    assert "orphans anonmm: rmap_migrated=64" in lines[len(rows) :]


def test_locks_before_and_after_rmap_34(vmemu: Vmemu) -> None:
    done = vmemu("compare vm-flags-locking --rmap anonmm --set N=3 --set V=2 --set H=9")
    first, second = done.out.split("\n\n")
    assert first.splitlines()[1].split()[:2] == ["vm-flags-locking", "N=3"]
    assert first.splitlines()[1].split()[5:7] == ["anonmm", "yes"]
    rows = {line.split()[1]: line.split()[2:] for line in second.splitlines()[1:]}
    assert rows["mlock"][:1] + rows["mlock"][3:5] == ["3", "6", "6"]
    assert all(line.endswith("  the same") for line in second.splitlines()[1:])
    (shown,) = records(vmemu("compare vm-flags-locking --rmap anonmm --json").out)
    assert shown["rmap34_munlock_page_table_locks_saved"] == 16
    assert shown["rmap34_munlock_vm_flags_writes"] == 16
    refused = vmemu("compare vm-flags-locking --vm-flags-lock mmap_sem")
    assert refused.status == 2
    assert "runs with both values of vm_flags_lock" in refused.err


def test_a_scheme_named_twice_is_run_once(vmemu: Vmemu) -> None:
    _, row = vmemu("compare fork-brk --rmap anonmm --rmap anonmm").out.splitlines()
    assert row.split()[:4] == ["fork-brk", "R=8", "anonmm", "yes"]


def test_all_stands_for_every_scheme(vmemu: Vmemu) -> None:
    found = records(vmemu("compare efault --rmap all --json").out)
    able = [name for name, scheme in schemes().items() if scheme.swaps()]
    assert [record["scheme"] for record in found] == able
    assert len(able) > 3


def test_short_memory_is_said(vmemu: Vmemu) -> None:
    done = vmemu("compare fork-server --ram 1M")
    _, *rows, first, second = done.out.splitlines()
    assert [row.split()[-10] for row in rows] == ["short", "short"]
    assert first == "fork-server anonmm: memory was short"
    assert second == "fork-server anon_vma: memory was short"


def test_a_figure_that_is_not_as_predicted() -> None:
    scenario = SCENARIOS["fork-brk"]
    wrong = replace(scenario, expectations=(expect("vmas", "2"),))
    (result,) = compare([wrong], {}, ("anonmm",))
    assert summary_table([result]).rows[0][:3] == ["fork-brk R=8", "anonmm", "no"]
    assert besides([result]) == ["fork-brk anonmm: no: vmas 1, predicted 2"]


def test_overhead_table(vmemu: Vmemu) -> None:
    rows = vmemu("overhead --set K=64 --set M=4").out.splitlines()[1:]
    assert [row.split()[0] for row in rows] == ["anonmm"] * 7 + ["anon_vma"] * 7
    assert rows[3].split()[1:4] == ["mm", "24.00", "28.25"]
    assert rows[7].split()[-3:-1] == ["24.00", "27.89"]
    assert rows[6].split()[1:7] == ["level", "of", "forks,", "number", "8", "24.00"]


def test_overhead_json(vmemu: Vmemu) -> None:
    found = json.loads(vmemu("overhead --json --set K=64 --set M=4 --rmap anon_vma").out)
    assert found["params"] == {"K": 64, "M": 4, "P": 512, "D": 8}
    assert found["baseline"] == "none"
    cost = found["schemes"]["anon_vma"]["per_vma"]
    assert cost["own"]["exact"] == 24
    assert cost["unwritten"]["exact"] == 12
    assert cost["shared"]["exact"] == 12 + 12 / 64
    assert found["schemes"]["anon_vma"]["per_mm"]["exact"] == 0
    assert found["schemes"]["anon_vma"]["per_fork_level"]["exact"] == 5 * 12  # five areas


def test_list(vmemu: Vmemu, guest_directory: Path) -> None:
    out = vmemu("list").out
    for name in SCENARIOS:
        assert f"\n  {name}" in out
    found = json.loads(vmemu("list --json").out)
    assert list(found) == ["schemes", "scenarios", "guests"]
    assert set(found["schemes"]) >= {"none", "anonmm", "anon_vma39", "anon_vma"}
    server = found["scenarios"]["fork-server"]
    assert server["parameters"] == {"R": 64, "N": 16}
    assert server["predictions"]["unmap_probes"]["anon_vma"] == "R * N * (N + 1) // 2"
    assert found["guests"]["hello"] == "prints one line and exits with STATUS"
    assert all(found["guests"].values())
    programs = [p for p in guest_directory.iterdir() if p.is_file() and not p.suffix]
    assert len(found["guests"]) == len(programs)


@pytest.mark.parametrize("command", ["", "run", "compare", "overhead", "list"])
def test_help_has_examples(vmemu: Vmemu, command: str) -> None:
    done = vmemu(*command.split(), "--help")
    assert done.status == 0
    assert done.out.startswith(f"Usage: vmemu {command}".rstrip())
    examples = done.out.partition("Examples:\n")[2].split("\n")
    assert [line.split()[:1] for line in examples if line.strip()]
    assert all(line.split()[0] == "vmemu" for line in examples if line.strip())
    assert max(map(len, done.out.splitlines())) <= 80


@pytest.mark.parametrize("command", ["run", "compare", "overhead", "list"])
def test_examples_of_help_work(
    vmemu: Vmemu, command: str, guest: Guest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every example, except those that take long or name files of the user's."""
    monkeypatch.chdir(tmp_path)
    text = vmemu(command, "--help").out.partition("Examples:\n")[2]
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    for line in lines:
        if line in ("vmemu compare", "vmemu overhead --set K=8192 --json") or re.search(
            r"a\.out|prog\.c|mine\.py|rootfs", line
        ):
            continue
        assert vmemu(line.removeprefix("vmemu ")).status == 0


def test_version_and_bare_command(vmemu: Vmemu) -> None:
    assert vmemu("--version").out.startswith("vmemu 0.")
    with_help = vmemu(*["--help"] * 2)
    bare = vmemu(*[])
    assert bare == with_help


def test_progress_shows_only_on_a_terminal_and_only_when_it_takes_long(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    with Progress(2) as quick:
        quick._terminal = True
        quick.step("one")
        quick.step("two")
        assert quick._bar is None
    with Progress(2) as piped:
        now[0] += 10
        piped.step("one")
        assert piped._bar is None
    assert capfd.readouterr() == ("", "")
    with Progress(2) as slow:
        slow._terminal = True
        now[0] += 10
        slow.step("one")
        assert slow._bar is not None
    assert capfd.readouterr().out == ""


def test_the_console_script_is_declared() -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    assert project["scripts"] == {"vmemu": "vmemu.__main__:main"}


# ---- scenarios that do not come with vmemu

OWN = """\
from vmemu.lab.scenario import Formula, Parameter, Scenario, expect

S = Scenario(
    name="own",
    section="",
    summary="N pages",
    parameters=(Parameter("N", 4),),
    guest="own.c",
    frames=Formula("N"),
    expectations=(expect("unmap_probes", {"pte_chain:line=64": "N"}, anonmm="N"),),
)
"""
OWN_GUEST = """\
#include "guest.h"

int main(int argc, char **argv)
{
	u32 pages = param(argc, argv, "N", 4);
	void *area = map_pages(pages);

	fill(area, pages, 1);
	mark("measure", (ulong)area, pages * PAGE_SIZE);
	return 0;
}
"""


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory with a scenario in own.py, which is the current one."""
    (tmp_path / "own.py").write_text(OWN)
    (tmp_path / "own.c").write_text(OWN_GUEST)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_scenario_of_ones_own(vmemu: Vmemu, own: Path) -> None:
    done = vmemu("compare own.py:S hole --rmap anonmm --rmap pte_chain:line=64 --rmap anon_vma")
    assert (done.status, done.err) == (0, "")
    rows = [line.split() for line in done.out.splitlines()[1:4]]
    assert [row[2] for row in rows[:2]] == ["yes", "yes"]
    assert rows[2][:2] == ["anon_vma", "-"]
    found = records(vmemu("compare ./own.py --set N=7 --json").out)
    assert {record["N"] for record in found} == {7}
    assert {record["unmap_pages"] for record in found} == {7}


def test_a_prediction_of_ones_own_that_is_wrong(vmemu: Vmemu, own: Path) -> None:
    (own / "own.py").write_text(OWN.replace('anonmm="N"', 'anonmm="2 * N"'))
    done = vmemu("compare own.py --rmap anonmm")
    assert "own anonmm: no: unmap_probes 4, predicted 8\n" in done.out


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("compare own.py:T", "own.py has no scenario 'T': choose from S"),
        ("compare onw.py", "there is no file onw.py: did you mean own.py?"),
        ("compare own", "unknown scenario 'own': did you mean ./own.py?"),
        ("compare own.py --set M=3", "scenario own has no parameter 'M', it has N"),
        (
            "compare wrong.py",
            "wrong.py, line 10: the formula 'Q' of unmap_probes names Q: own has the parameters N",
        ),
    ],
)
def test_a_slip_is_told_in_a_sentence(vmemu: Vmemu, own: Path, command: str, said: str) -> None:
    (own / "wrong.py").write_text(OWN.replace('anonmm="N"', 'anonmm="Q"'))
    assert vmemu(command) == (2, "", f"vmemu: {said}\n")


def test_a_guest_of_ones_own_that_does_not_compile(vmemu: Vmemu, own: Path) -> None:
    (own / "own.c").write_text(OWN_GUEST.replace("return 0", "return nothing"))
    done = vmemu("compare own.py")
    assert (done.status, done.out) == (2, "")
    *shown, last = done.err.splitlines()
    assert "own.c:10:16: error: " in "\n".join(shown)
    assert re.match(r"vmemu: /\S+/own\.c does not compile: \S*cc ", last)
    assert done.err.count("error: ") == 1  # no worker has tried again


def test_warnings_are_told_once(vmemu: Vmemu, own: Path) -> None:
    (own / "own.c").write_text(OWN_GUEST.replace("return 0", "int unused; return 0"))
    assert vmemu("compare own.py").err.count("unused variable") == 1
    assert vmemu("compare own.py").err == ""


def test_an_experiment_file_and_a_module(vmemu: Vmemu, own: Path) -> None:
    done = vmemu("compare no_such_module:S")
    assert done.err.startswith("vmemu: cannot load the scenario 'no_such_module:S': there is no ")
    assert vmemu("compare absent.toml:S").err == "vmemu: there is no file absent.toml\n"
