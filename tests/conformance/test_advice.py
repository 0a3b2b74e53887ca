"""Memory calls later than 2.6.7, pagemap and clear_refs: answers are the host's, in both widths."""

from __future__ import annotations

import io
import re
import subprocess
from pathlib import Path

import pytest

from vmemu import _build
from vmemu.machine import Machine

SCHEMES = [
    "none", "scan", "pte_chain", "anonmm", "anon_vma39", "anon_vma", "anon_vma_chain",
    "anon_vma_chain:walk=tree", "anon_vma_degree", "anon_vma_lazy", "cow_context",
]  # fmt: skip


ENTRIES = re.compile(r"[a-z ]+:( [psfxd]*\.)+$")
SOFT_DIRTY = [  # by Linux's Documentation/admin-guide/mm/soft-dirty.rst; few kernels have it
    "untouched: d. d. d.",
    "two written: pxd. pxd. d.",
    "cleared: px. px. .",
    "one written: px. pxd. .",
    "another: px. pxd. pxd.",
    "mapped anew: px. d. px.",
    "rights changed: px.",
    "written: pxd.",
    "unmapped: . .",
]


def plain(line: str) -> str:
    """A line without what only kernels with soft-dirty bits tell."""
    return line.replace("d.", ".") if ENTRIES.match(line) else line


@pytest.fixture(scope="module", params=[32, 64])
def program(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Path:
    path = tmp_path_factory.mktemp("advice") / f"advice{request.param}"
    path.write_bytes(_build.guest_program(Path(__file__).with_name("advice.c"), request.param))
    path.chmod(0o755)
    return path


@pytest.fixture(scope="module")
def host(program: Path) -> list[str]:
    try:
        done = subprocess.run([program], capture_output=True, timeout=60, check=True, text=True)
    except OSError as error:
        pytest.skip(f"the host does not execute such programs: {error}")
    return done.stdout.splitlines()


@pytest.mark.native
@pytest.mark.parametrize("rmap", SCHEMES)
@pytest.mark.parametrize("ram", ["4M", "512K"])
def test_answers_are_the_hosts(program: Path, host: list[str], rmap: str, ram: str) -> None:
    if rmap == "none" and ram != "4M":
        pytest.skip("without a reverse map nothing can be swapped")
    output = io.BytesIO()
    bits = 64 if program.name.endswith("64") else 32
    with Machine(ram=ram, swap="2M", bits=bits, rmap=rmap) as machine:
        machine.spawn(program, stdout=output, stderr=output)
        assert machine.run().exit_status == 0
        machine.check()
    lines = output.getvalue().decode().splitlines()
    entries = [line for line in lines if ENTRIES.match(line)]
    assert entries == SOFT_DIRTY
    assert [plain(line) for line in lines] == [plain(line) for line in host]
    if any("d" in line.partition(":")[2] for line in host if ENTRIES.match(line)):
        assert lines == host
