"""Programs that run and are written to: the same here and on the host."""

from __future__ import annotations

import io
import subprocess
from pathlib import Path

import pytest

from tests.linked import linked
from vmemu.machine import Machine

SOURCE = Path(__file__).with_name("busy.c")


@pytest.mark.parametrize("bits", [32, 64])
def test_what_runs_is_not_written(tmp_path: Path, bits: int) -> None:
    path = tmp_path / "data" / "busy"
    path.parent.mkdir()
    linked(SOURCE, path, bits)
    native = subprocess.run([path], capture_output=True, text=True, check=True, env={})
    out = io.BytesIO()
    with Machine(bits=bits, ram="8M", root=tmp_path, root_rw=True) as machine:
        machine.spawn("/data/busy", inside=True, stdin=None, stdout=out)
        assert machine.run().exit_status == 0
        machine.check()
    assert out.getvalue().decode() == native.stdout
    assert native.stdout.count("Text file busy") == 6
    assert "while it is written: 26\n" in native.stdout
    assert "while it runs: 7\n" in native.stdout
