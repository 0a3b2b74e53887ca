"""O_SYNC, O_DSYNC, RWF_DSYNC and O_DIRECT: what is written is on the host at once."""

from __future__ import annotations

import errno
import io
from pathlib import Path
from typing import Any

import pytest
from filing import O_CREAT, O_RDWR, OUT, POOL, Filing

from vmemu.machine import Machine

O_DSYNC, O_SYNC, O_DIRECT = 0o10000, 0o4010000, 0o40000
F_GETFL = 3


def on_the_host(filing: Filing, tmp_path: Path) -> tuple[list[int], list[bytes]]:
    """Results, and what the host's file has at each mark."""
    there = tmp_path / "data"
    there.write_bytes(b"")
    output, seen = io.BytesIO(), []

    def look(*_mark: Any) -> int:
        seen.append(there.read_bytes())
        return 0

    with Machine(bits=filing.bits, ram="4M", binds=[f"{there}:/data:rw"]) as machine:
        machine.kernel.on_mark = look
        machine.spawn(filing.program(tmp_path), stdin=filing.listed(), stdout=output)
        assert machine.run().exit_status == 0
        machine.check()
    return [answer.result for answer in filing.answers(output.getvalue())], seen


@pytest.mark.parametrize("bits", [32, 64])
@pytest.mark.parametrize("flag", [0, O_DSYNC, O_SYNC])
def test_what_is_written_is_there(bits: int, flag: int, tmp_path: Path) -> None:
    filing = Filing(bits)
    filing.call("open", "/data", O_RDWR | flag, 0)
    told = filing.call("fcntl", 3, F_GETFL, 0)
    filing.call("write", 3, b"written", 7)
    filing.call("vmemu_lab", 0, "look", 0, 0)
    filing.call("pwrite64", 3, b"placed", 6, *filing.offset(0))
    filing.call("vmemu_lab", 0, "look", 0, 0)
    results, seen = on_the_host(filing, tmp_path)
    assert results[told] & O_SYNC == flag
    assert seen == ([b"written", b"placedn"] if flag else 2 * [bytes(7)])


def test_direct_io_goes_by_sectors(tmp_path: Path) -> None:
    filing = Filing(64)
    filing.call("open", "/data", O_RDWR | O_DIRECT, 0)
    good = [
        filing.call("pwrite64", 3, POOL, 1024, 0),  # which begins with the path above
        filing.call("vmemu_lab", 0, "look", 0, 0),
        filing.call("pread64", 3, OUT + 512, 512, 512),
    ]
    bad = [
        filing.call("pwrite64", 3, OUT + 1, 512, 0),
        filing.call("pwrite64", 3, OUT, 511, 0),
        filing.call("pwrite64", 3, OUT, 512, 1),
        filing.call("pread64", 3, OUT, 100, 0),
        filing.call("open", "/tmp/a", O_CREAT | O_RDWR | O_DIRECT, 0o644),
        filing.call("open", "/dev/zero", O_RDWR | O_DIRECT, 0),
    ]
    results, seen = on_the_host(filing, tmp_path)
    assert [results[i] for i in good] == [1024, 0, 512]
    assert {results[i] for i in bad} == {-errno.EINVAL}
    assert [(len(content), content[:5]) for content in seen] == [(1024, b"/data")]
