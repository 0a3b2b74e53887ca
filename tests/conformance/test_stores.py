"""Stores of the CPU to a shared mapping, again after each msync; and behind the end of the file."""

from __future__ import annotations

import io
import signal
import struct
import subprocess
from pathlib import Path

import pytest

from vmemu import _build
from vmemu.machine import Machine
from vmemu.rmap import builtin

PAGE, PAGES = 4096, 8
SCHEMES = [name for name, scheme in builtin().items() if scheme.swaps()]


@pytest.mark.native
@pytest.mark.parametrize("fault_path", ["c", "python"])
@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("bits", [32, 64])
def test_each_store_reaches_the_file(
    bits: int, scheme: str, fault_path: str, tmp_path: Path
) -> None:
    program, root = tmp_path / "syncer", tmp_path / "root"
    root.mkdir()
    program.write_bytes(_build.guest_program(Path(__file__).with_name("syncer.c"), bits))
    program.chmod(0o755)
    for directory in (tmp_path, root):
        (directory / "file").write_bytes(bytes(PAGES * PAGE))
    output = io.BytesIO()
    with Machine(
        bits=bits, ram="1M", rmap=scheme, fault_path=fault_path, root=root, root_rw=True
    ) as machine:
        machine.spawn(program, stdout=output)
        ended = machine.run()
        machine.check()
    try:
        native = subprocess.run([program], cwd=tmp_path, capture_output=True, check=False)
    except OSError as error:
        pytest.skip(f"the host does not execute programs of {bits} bits: {error}")
    assert output.getvalue() == native.stdout == b"cut\n"
    assert ended.signaled and ended.code == -native.returncode == signal.SIGBUS
    content = (root / "file").read_bytes()
    assert content == (tmp_path / "file").read_bytes()
    for page in range(PAGES - 1):
        (stored,) = struct.unpack_from("<I", content, page * PAGE + 4 * page)
        assert stored == 10 << 8 | page
