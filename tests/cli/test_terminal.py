"""Tables fit the terminal; in a pipe they have all their columns side by side."""

from __future__ import annotations

import fcntl
import os
import pty
import struct
import subprocess
import sys
import termios

import pytest

from vmemu.vfs.tty.host import HostTerminal


def printed_on(columns: int, *arguments: str) -> list[str]:
    """The lines that vmemu writes to a terminal so wide."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("4H", 24, columns, 0, 0))
    command = [sys.executable, "-m", "vmemu", *arguments]
    with subprocess.Popen(command, stdout=theirs, stderr=subprocess.PIPE) as running:
        os.close(theirs)
        output = b""
        try:
            while data := os.read(ours, 65536):
                output += data
        except OSError:  # its end is closed
            pass
        os.close(ours)
    assert running.returncode == 0
    return output.decode().replace("\r", "").splitlines()


@pytest.mark.parametrize("columns", [60, 80, 100])
def test_a_comparison_fits_the_terminal(columns: int) -> None:
    arguments = ["compare", "mprotect-checkerboard", "--set", "K=2"]
    whole = subprocess.run(
        [sys.executable, "-m", "vmemu", *arguments], stdout=subprocess.PIPE, text=True, check=True
    ).stdout.splitlines()
    assert len(whole) == 3
    lines = printed_on(columns, *arguments)
    assert max(map(len, lines)) <= columns < max(map(len, whole))
    assert {word for line in lines for word in line.split()} == {
        word for line in whole for word in line.split()
    }


def test_a_wide_terminal_has_it_in_one() -> None:
    assert len(printed_on(300, "compare", "mprotect-checkerboard", "--set", "K=2")) == 3


def test_a_terminal_that_is_given_back_leaves_other_descriptors_alone() -> None:
    """Those it was woken by are closed; whatever has their numbers then is not read."""
    ours, theirs = pty.openpty()
    terminal = HostTerminal(theirs, theirs)
    with terminal.lent():
        pass
    reader, writer = os.pipe()
    os.write(writer, b"kept")
    assert terminal.read() == b""
    os.set_blocking(reader, False)
    assert os.read(reader, 10) == b"kept"
    for fd in (ours, theirs, reader, writer):
        os.close(fd)
