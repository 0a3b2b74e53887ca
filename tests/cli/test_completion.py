"""Completion in a shell at a terminal, and what is offered."""

from __future__ import annotations

import os
import pty
import re
import select
import shutil
import signal
import sys
import time
from collections.abc import Iterator
from importlib.metadata import EntryPoint
from pathlib import Path

import click
import pytest
from click.shell_completion import ShellComplete

from tests.command import Vmemu
from vmemu.cli.main import cli
from vmemu.explore.catalogue import SCENARIOS as EXPLORATIONS
from vmemu.lab.guests import guest_names
from vmemu.lab.scenarios import SCENARIOS
from vmemu.rmap import builtin

PATIENCE = 60  # seconds, of a busy machine


class Terminal:
    """An interactive bash on a pseudo-terminal."""

    def __init__(self, directory: Path) -> None:
        self.shown = ""
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.chdir(directory)
            environment = {
                "PATH": os.pathsep.join([str(directory / "bin"), os.defpath]),
                "HOME": str(directory),
                "TERM": "dumb",
                "PS1": "$ ",
                "COLUMNS": "200",
            }
            os.execvpe("bash", ["bash", "--norc", "--noprofile", "-i"], environment)

    def type(self, keys: str) -> None:
        os.write(self.fd, keys.encode())

    def wait_for(self, pattern: str) -> str:
        """Read until a pattern shows in what is not yet read; that, and forget it."""
        until = time.monotonic() + PATIENCE
        while not (found := re.search(pattern, self.shown)):
            ready, _, _ = select.select([self.fd], [], [], max(0, until - time.monotonic()))
            assert ready, f"no {pattern!r} in {self.shown!r}"
            self.shown += os.read(self.fd, 4096).decode()
        self.shown = self.shown[found.end() :]
        return found[0]

    def close(self) -> None:
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        os.close(self.fd)


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    """A bash that has been told how to complete, as the documentation says."""
    if shutil.which("bash") is None:
        pytest.skip("there is no bash")
    program = tmp_path / "bin" / "vmemu"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m vmemu "$@"\n')
    program.chmod(0o755)
    (tmp_path / "fonts.c").touch()
    terminal = Terminal(tmp_path)
    try:
        terminal.wait_for(r"\$ ")
        terminal.type("eval \"$(vmemu completion bash)\"; echo do''ne\n")
        terminal.wait_for("done\r\n")
        terminal.wait_for(r"\$ ")
        yield terminal
    finally:
        terminal.close()


@pytest.mark.parametrize(
    ("typed", "becomes"),
    [
        ("vmemu comp\t", "vmemu comp"),  # compare, completion
        ("vmemu expl\t", "vmemu explore "),
        ("vmemu compare fork-se\t", "vmemu compare fork-server "),
        ("vmemu compare mremap-e\t --js\t", "vmemu compare mremap-exclusive --json "),
        ("vmemu compare --rmap anonm\t", "vmemu compare --rmap anonmm "),
        ("vmemu explore mlock-vs-u\t", "vmemu explore mlock-vs-unmap "),
        ("vmemu run hel\t", "vmemu run hello "),
        ("vmemu run --rmap anon_vma3\t --maps\t", "vmemu run --rmap anon_vma39 --maps-at-exit "),
        ("vmemu run fon\t", "vmemu run fonts.c "),
        ("vmemu run hello fon\t", "vmemu run hello fonts.c "),
        ("vmemu list sche\t", "vmemu list schemes "),
        ("vmemu help count\t", "vmemu help counters "),
    ],
)
def test_a_tab_in_bash(terminal: Terminal, typed: str, becomes: str) -> None:
    first, *more = typed.split("\t")
    terminal.type(first + "\t")
    for keys in more[:-1]:
        terminal.wait_for(r" $")
        terminal.type(keys.strip() + "\t")
    terminal.type("#end")
    terminal.wait_for("#end")
    # what the line holds, said by bash itself
    terminal.type("\x01echo '\x05'\n")
    assert terminal.wait_for(r"\r\n(.*?)#end\r\n").strip() == becomes.rstrip() + (
        " #end" if becomes.endswith(" ") else "#end"
    )


def test_two_tabs_in_bash_show_what_there_is(terminal: Terminal) -> None:
    terminal.type("vmemu compare mprotect-\t\t")
    terminal.wait_for(r"mprotect-halves\s+mprotect-stripes\s+mprotect-checkerboard\b")


def offered(*words: str) -> list[str]:
    """What the last word can become."""
    *before, incomplete = words
    found = ShellComplete(cli, {}, "vmemu", "_X").get_completions(before, incomplete)
    return [item.value if item.type == "plain" else f"<{item.type}>" for item in found]


def test_everything_that_has_a_name_is_offered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert offered("compare", "") == list(SCENARIOS)
    assert offered("explore", "") == list(EXPLORATIONS)
    assert offered("run", "") == guest_names()
    assert offered("run", "./") == ["<file>"]
    assert offered("") == cli.list_commands(click.Context(cli))
    for command in ("who", "compare"):
        named = [name for name in builtin() if name.startswith("a")]
        assert offered(command, "--rmap", "a") == ["all", *named]
    assert offered("who", "--walk", "") == ["unmap", "referenced"]
    for command in ("run", "compare", "overhead", "explore", "who"):
        assert set(offered(command, "--rmap", "")) >= set(builtin())
        about = cli.get_command(click.Context(cli), command)
        assert about is not None
        options = {name for param in about.params for name in param.opts if name[:2] == "--"}
        assert set(offered(command, "--")) >= options
        assert offered(command, "--report", "") == ["<file>"]
    assert offered("run", "--bits", "") == ["32", "64"]
    assert "mm" in offered("run", "-e", "m")
    assert offered("run", "-e", "mm,munm") == ["mm,munmap"]
    assert {"2.6.7", "6.18"} <= set(offered("run", "--layout", ""))
    for command in ("results", "growth", "plot"):
        assert offered(command, "") == ["<dir>"]
    for command in ("growth", "plot"):
        assert offered(command, "--scenario", "fork-s") == ["fork-server"]
        assert "anonmm" in offered(command, "--rmap", "")
    assert offered("plot", "-o", "") == ["<file>"]
    assert offered("plot", "--log", "") == ["auto", "x", "y", "both", "none"]
    assert offered("completion", "") == ["bash", "zsh", "fish"]


def test_scenarios_of_ones_own_are_offered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file is read, not loaded."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "hollow.py").write_text(
        "from vmemu.lab import scenario\nfrom vmemu.lab.scenario import Scenario\n"
        "x = 1\nS = Scenario('s')\nTwo = scenario.Scenario('t')\nS2 = Two\n1 // 0\n"
    )
    (tmp_path / "wrong.py").write_text("S = (\n")
    there = [EntryPoint("hole-of-others", "nowhere:S", "vmemu.scenario")]
    monkeypatch.setattr("importlib.metadata.entry_points", lambda group: there)
    assert offered("compare", "hol") == ["hole", "hole-of-others", "hollow.py"]
    assert offered("compare", "hole-") == ["hole-of-others"]
    assert offered("compare", "wro") == ["<file>"]
    assert offered("compare", "./h") == ["<file>"]
    assert offered("compare", "hollow.py:") == ["hollow.py:S", "hollow.py:Two"]
    assert offered("compare", "./hollow.py:T") == ["./hollow.py:Two"]
    assert offered("compare", "wrong.py:") == []
    assert offered("compare", "absent.py:S") == ["<file>"]


@pytest.mark.parametrize(
    ("shell", "line"),
    [
        ("bash", "    complete -o nosort -F _vmemu_completion vmemu"),
        ("zsh", "#compdef vmemu"),
        ("fish", 'complete --no-files --command vmemu --arguments "(_vmemu_completion)";'),
    ],
)
def test_scripts(vmemu: Vmemu, shell: str, line: str) -> None:
    done = vmemu(f"completion {shell}")
    assert (done.status, done.err) == (0, "")
    assert line in done.out.splitlines()
    assert f"_VMEMU_COMPLETE={shell}_complete" in done.out


def test_it_is_told(vmemu: Vmemu) -> None:
    assert "vmemu completion bash" in vmemu("--help").out
