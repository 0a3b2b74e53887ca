"""A CPU with the core's memory, but no kernel; a directory for every user."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from board import Board


@pytest.fixture
def board() -> Iterator[Board]:
    board = Board()
    yield board
    board.close()


@pytest.fixture
def everybodys() -> Iterator[Path]:
    """A directory of root's that all users reach, as they do not reach pytest's own."""
    if os.getuid():
        pytest.skip("only root may become others")
    with tempfile.TemporaryDirectory(prefix="vmemu-", dir="/tmp") as name:
        path = Path(name)
        path.chmod(0o755)
        yield path
