"""A CPU with the core's memory, but no kernel."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from board import Board


@pytest.fixture
def board() -> Iterator[Board]:
    board = Board()
    yield board
    board.close()
