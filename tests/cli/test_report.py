"""--report: one HTML file that says the same each time, and what the command printed."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest
from markup import SVG, cells, classed, headings, parsed, said, words

from tests.command import Vmemu
from vmemu.report import bars

COMMANDS = [
    "explore mlock-vs-unmap --mutate b --rmap anonmm",
    "run --ram 2M --swap 16M swap-storm PAGES=600",
    "compare fork-server vm-flags-locking --set N=3",
    "overhead --set K=16 --set M=2",
]


def with_report(command: str, path: Path) -> str:
    name, _, rest = command.partition(" ")
    return f"{name} --report {path} {rest}".rstrip()


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.split()[0])
def test_a_report_is_one_file_and_the_same_each_time(
    vmemu: Vmemu, tmp_path: Path, command: str
) -> None:
    plain = vmemu(command)
    pages = []
    for place in ("here", "there"):
        (tmp_path / place).mkdir()
        path = tmp_path / place / "report.html"
        done = vmemu(with_report(command, path))
        assert (done.status, done.out) == (plain.status, plain.out), done.err
        assert list(path.parent.iterdir()) == [path]
        pages.append(path.read_bytes())
    assert pages[0] == pages[1]
    text = pages[0].decode()
    root = ElementTree.fromstring(text)
    assert str(tmp_path) not in text
    assert set(re.findall(r"https?://[^\s\"'<>]*", text)) == {"http://www.w3.org/2000/svg"}
    assert not re.search(r"@import|url\(|<script|<link|<img|<iframe", text)
    hrefs = [e.get("href", "") for e in root.iter("a")]
    assert all(href.startswith(("#", "data:image/svg+xml;base64,")) for href in hrefs)
    assert "".join(classed(root, "command")[0].itertext()) == f"$ vmemu {command}"
    assert list(root.iter(f"{SVG}svg"))


def test_the_locks_of_a_run_are_those_of_stats(vmemu: Vmemu, tmp_path: Path) -> None:
    path = tmp_path / "run.html"
    done = vmemu(f"run --ram 2M --stats --report {path} swap-storm PAGES=600")
    printed = done.err[done.err.index("lock  ") :].splitlines()[1:]
    root = parsed(path)
    tables = {headings(t)[0]: cells(t) for t in classed(root, "figures")}
    assert tables["lock"] == [line.split() for line in printed]
    assert len(tables["lock"]) == 8
    facts = {"".join(row[0].itertext()): row[1].text for row in classed(root, "facts")[0]}
    for line in done.err.splitlines()[1:9]:
        assert facts[line[:12].strip()] == line[12:]
    shown = {text for svg in root.iter(f"{SVG}svg") for text in words(svg)}
    acquired = [f"{int(row[1]):,}" for row in tables["lock"]]
    assert {"page_table_lock", "out", *acquired} <= shown


def test_compare_shows_rmap_34(vmemu: Vmemu, tmp_path: Path) -> None:
    path = tmp_path / "compare.html"
    done = vmemu(f"compare vm-flags-locking --rmap anon_vma --report {path}")
    first, second = classed(parsed(path), "figures")
    table = done.out.split("\n\n")[1].splitlines()
    assert [row[:5] for row in cells(second)[:-1]] == [line.split()[:5] for line in table[1:-1]]
    assert cells(first)[0][headings(first).index("as predicted")] == "yes"
    shown = {said(f.find("h3")): words(f) for f in parsed(path).iter("figure")}
    assert list(shown) == [
        "Walks for each page unmapped",
        "Bytes of objects",
        "anon_vma: page_table_lock for each call",
    ]
    assert {"mlock, before", "after"} <= set(shown["anon_vma: page_table_lock for each call"])


def test_the_directories_of_files_are_not_shown(vmemu: Vmemu, tmp_path: Path) -> None:
    path = tmp_path / "run.html"
    swap = tmp_path / "swapfile"
    done = vmemu(f"run --report={path} --swap {swap}:1M hello")
    assert done.out == "Hello from ring 3\n", done.err
    assert "$ vmemu run --swap swapfile:1M hello<" in path.read_text()


BAD = [
    ("{}/no/report.html", "cannot write {}/no/report.html: no such file or directory"),
    ("{}", "cannot write {}: is a directory"),
    ("{}/file/report.html", "cannot write {}/file/report.html: not a directory"),
]


@pytest.mark.parametrize("command", ["run hello", "compare", "overhead", "explore munlock"])
@pytest.mark.parametrize(("path", "sentence"), BAD)
def test_a_report_that_cannot_be_written_runs_nothing(
    vmemu: Vmemu, tmp_path: Path, command: str, path: str, sentence: str
) -> None:
    (tmp_path / "file").touch()
    done = vmemu(with_report(command, Path(path.format(tmp_path))))
    assert done == (2, "", f"vmemu: {sentence.format(tmp_path)}\n")


def test_a_report_that_cannot_be_written_in_the_end(vmemu: Vmemu) -> None:
    done = vmemu("run --report /dev/full hello")
    assert done.status == 2
    assert done.err == "vmemu: cannot write /dev/full: no space left on device\n"


@pytest.mark.parametrize("package", ["jinja2", "matplotlib"])
@pytest.mark.parametrize("command", ["run hello", "compare", "overhead", "explore munlock"])
def test_a_missing_package_is_named(
    vmemu: Vmemu, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, package: str, command: str
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    done = vmemu(with_report(command, tmp_path / "report.html"))
    cure = f"{sys.executable} -m pip install jinja2 matplotlib"
    sentence = f"--report needs the package {package}, which is not installed: {cure}"
    assert done == (2, "", f"vmemu: {sentence}\n")
    assert not list(tmp_path.iterdir())


def test_nothing_of_it_is_imported_without_the_option() -> None:
    code = (
        "import sys\n"
        "from vmemu.cli.entry import main\n"
        "try: main(sys.argv[1:])\n"
        "except SystemExit: pass\n"
        "print(*sorted(m for m in sys.modules if m.split('.')[0] in ('jinja2', 'matplotlib')\n"
        "    or m.startswith('vmemu.report')))"
    )
    for command in ("run hello", "explore munlock --rmap anonmm", "compare mremap-exclusive"):
        argv = [sys.executable, "-c", code, *command.split()]
        done = subprocess.run(argv, capture_output=True, text=True, check=True)
        assert done.stdout.splitlines()[-1] == ""


def test_bars_keep_their_values() -> None:
    svg = bars.bars(bars.Panel("a & b", [bars.Bar("one", 1234), bars.Bar("none", 0)]))
    root = ElementTree.fromstring(svg)
    assert {"one", "none", "1,234", "0"} <= set(words(root))
    assert root.get("aria-label") == "a & b: one 1,234, none 0"
    assert " id=" not in svg
