"""Every command, option, module, file and name that the documentation mentions exists."""

from __future__ import annotations

import functools
import importlib.util
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "docs"))

import blocks  # noqa: E402

from vmemu.check_events import COUNTED  # noqa: E402
from vmemu.cli import entry  # noqa: E402
from vmemu.core import COUNTERS, EVENTS  # noqa: E402
from vmemu.kernel import hold  # noqa: E402
from vmemu.lab.guests import GUESTS  # noqa: E402
from vmemu.lab.scenarios import SCENARIOS  # noqa: E402

PAGES = [
    ROOT / name for name in ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "guests/README.md")
]
PAGES += sorted((ROOT / "docs").glob("*.md"))
#: Announced, not there yet.
MODEL = (ROOT / "docs" / "model.md").read_text()


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@functools.cache
def help_of(command: str) -> str:
    """What ``vmemu COMMAND --help`` prints; fails when there is no such command."""
    words = [sys.executable, "-m", "vmemu", *command.split(), "--help"]
    done = subprocess.run(words, capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, f"vmemu {command} --help: {done.stderr}"
    return done.stdout


def commands(path: Path) -> list[str]:
    """The command lines in a page: in blocks and between backticks."""
    text = path.read_text()
    programs = r"(?:vmemu|python|sh bootstrap\.sh) |\.ci/run|tests/clean/run"
    found = re.findall(rf"`((?:{programs})[^`\n]*)`", text)
    for block in blocks.blocks(path):
        if block.language == "console":
            found += [line[2:] for line in block.text if line.startswith("$ ")]
        elif block.language == "sh":
            found += [line.split(" #")[0].strip() for line in block.text if line.strip()]
    return found


def check_command(line: str) -> None:
    words = shlex.split(line.replace("\\|", "|"))
    while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):
        words.pop(0)
    if words[:2] == ["sh", "bootstrap.sh"]:
        words = words[2:]
    if not words or words[0] in ("COMMAND", "pytest", "gcc", ".", "dask"):
        return
    program = words.pop(0)
    if program == "vmemu":
        check_vmemu(words)
    elif program == "python":
        while words and words[0] == "-P":
            words.pop(0)
        if words[:1] == ["-m"]:
            assert importlib.util.find_spec(words[1]) is not None, f"there is no module {words[1]}"
        else:
            assert (ROOT / words[0]).is_file(), f"there is no file {words[0]}"
    else:
        assert (ROOT / program).is_file(), f"there is no file {program}"


def check_vmemu(words: list[str]) -> None:
    if not words or words[0] in ("COMMAND", "X"):
        return
    if words[0].startswith("-"):
        help_of("")
        return
    command, *rest = words
    text = help_of(command)
    for word in rest:
        if word.startswith("--") and word != "--help":
            option = word.split("=")[0]
            assert re.search(rf"{re.escape(option)}\b", text), f"vmemu {command} has no {option}"
    known = {"compare": set(SCENARIOS), "run": {path.name for path in Path(GUESTS).iterdir()}}
    for word in rest if command in known else []:
        if re.fullmatch(r"[a-z]+(-[a-z]+)+", word):
            assert word in known[command], f"vmemu {command} knows no {word}"


@pytest.mark.parametrize("path", PAGES, ids=name)
def test_commands_exist(path: Path) -> None:
    for line in commands(path):
        check_command(line)


@pytest.mark.parametrize("path", PAGES, ids=name)
def test_links_lead_somewhere(path: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", path.read_text()):
        file, _, anchor = target.partition("#")
        if file.startswith("http"):
            continue
        found = path.parent / file if file else path
        assert found.exists(), f"{name(path)} links to {target}"
        if anchor:
            titles = re.findall(r"^#+ (.*)$", found.read_text(), re.M)
            slugs = {re.sub(r"[^\w\- ]", "", t.lower()).replace(" ", "-") for t in titles}
            assert anchor in slugs, f"{name(path)} links to {target}"


@pytest.mark.parametrize("path", PAGES, ids=name)
def test_files_named_exist(path: Path) -> None:
    roots = ("csrc", "vmemu", "guests", "tests", "bench", "docs", "examples")
    for found in re.findall(rf"`((?:{'|'.join(roots)})/[\w./*-]*)`", path.read_text()):
        if "NAME" in found:
            continue
        assert list(ROOT.glob(found)), f"{name(path)} names {found}"


def test_the_dictionary_leads_to_what_it_names() -> None:
    rows = MODEL[MODEL.index("## Dictionary") :].splitlines()
    checked = 0
    for row in rows:
        for names, files in re.findall(r"((?:`[^`]+`(?:, )?)+) in (`[\w/.]+`)", row):
            text = (ROOT / files.strip("`")).read_text()
            for each in re.findall(r"`([^`]+)`", names):
                assert re.search(rf"\b{re.escape(each)}\b", text), f"{each} is not in {files}"
                checked += 1
    assert checked > 100


@pytest.mark.parametrize("names", [COUNTERS, EVENTS[1:]], ids=["counters", "events"])
def test_counters_and_events_are_explained(names: list[str]) -> None:
    section = MODEL[MODEL.index("## Counters and events") : MODEL.index("## Checking")]
    cells = " ".join(line.split("|")[1] for line in section.splitlines() if line.startswith("|"))
    mentioned = re.findall(r"`(\w+)`", cells)
    assert [each for each in names if each not in mentioned] == []


def test_the_sizes_of_what_the_host_holds_are_those_counted() -> None:
    section = MODEL[MODEL.index("## Limits of a run") : MODEL.index("## Locks")]
    sizes = [int(n) for n in re.findall(r"\| (\d+) \|$", section, re.MULTILINE)]
    assert sizes == [
        hold.TASK_BYTES,
        hold.TIMER_BYTES,
        hold.PTY_BYTES,
        hold.FILE_BYTES,
        hold.DESCRIPTOR_BYTES,
        hold.PIPE_BUFFER_BYTES,
        hold.WAITER_BYTES,
        hold.EPITEM_BYTES,
        hold.SOCKET_BYTES,
        hold.MESSAGE_BYTES,
        hold.LOCK_BYTES,
        hold.NODE_BYTES,
        hold.ENTRY_BYTES,
        hold.NODE_BYTES,
        hold.SEMAPHORE_BYTES,
        hold.UNDO_BYTES,
    ]


def test_the_exit_statuses_are_those_of_the_command() -> None:
    section = MODEL[MODEL.index("How `vmemu` ends") : MODEL.index("## Locks")]
    told = {int(n) for n in re.findall(r"^\| (\d+) \|", section, re.MULTILINE)}
    assert told == {0, 1} | {value for name, value in vars(entry).items() if name.startswith("EX_")}


def test_events_that_are_counted_are_named() -> None:
    section = MODEL[MODEL.index("Some counters move exactly") : MODEL.index("## Checking")]
    pairs = dict(re.findall(r"`(\w+)`\s+and\s+`(\w+)`", section))
    assert pairs == COUNTED
