"""The bench runs and prints what it promises; how fast anything is, is not tested."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from bench import platforms, schemes
from bench.process import NOT_THERE, NotMeasured
from bench.report import Cell, Line, per_forked_page, skipped
from bench.rows import Row
from vmemu.rmap import builtin

ROOT = Path(__file__).parents[2]


def bench(*args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "bench", *args],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_json_has_every_platform_and_its_ratio() -> None:
    done = bench("--rounds", "1", "--rows", "touch,getpid", "--no-peers", "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["platforms"] == ["native", "anon_vma", "anonmm"]
    assert list(found["rows"]) == ["touch", "getpid"]
    assert found["machine"]["cpu"]
    for row in found["rows"].values():
        native = row["platforms"]["native"]
        for scheme in ("anon_vma", "anonmm"):
            cell = row["platforms"][scheme]
            assert 0 < cell["q1"] <= cell["median"] <= cell["q3"]
            if "median" in native:  # the host executes i386 programs
                assert cell["ratio"] == pytest.approx(cell["median"] / native["median"], rel=0.01)


def test_a_line_for_every_scheme() -> None:
    done = bench("--rounds", "1", "--rows", "core-copy", "--by-scheme")
    assert done.returncode == 0, done.stderr
    lines = [line.split("|")[1].strip() for line in done.stdout.splitlines() if "|" in line]
    swapping = [name for name, scheme in builtin().items() if scheme.swaps()]
    assert lines == ["scheme", "---", *swapping]


def test_by_scheme_compares_with_anon_vma_or_with_another_commit() -> None:
    row = Row("core-copy", "fork copies a pte")
    cells = {"anon_vma": [4.0], "pte_chain": [6.0], "anon_vma@1234": [8.0], "pte_chain@1234": [3.0]}
    line = Line(row, {name: Cell(samples) for name, samples in cells.items()})
    names = ["anon_vma", "pte_chain", "anonmm"]
    table = schemes.markdown([line], names, None).splitlines()
    assert table[2:] == ["| anon_vma | 4.00 |", "| pte_chain | 6.00, × 1.50 |", "| anonmm | - |"]
    table = schemes.markdown([line], names, "1234").splitlines()
    assert table[2:] == ["| anon_vma | × 0.50 |", "| pte_chain | × 2.00 |", "| anonmm | - |"]


def test_every_row_is_listed() -> None:
    listed = bench("--list").stdout.splitlines()
    assert {"touch", "fork-4096", "start-up", "core-zap"} <= {line.split()[0] for line in listed}


def test_a_peer_is_there_when_it_is_installed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    (_, missing) = platforms.peers()
    with pytest.raises(NotMeasured, match="not installed"):
        missing.measure(Row("touch", "write to a fresh page"))
    for name in ("qemu-i386-static", "qemu-i386"):
        (tmp_path / name).write_text("#!/bin/sh\n")
        (tmp_path / name).chmod(0o755)
        (_, qemu) = platforms.peers()
        assert (qemu.name, qemu.prefix) == ("qemu-user", (str(tmp_path / name),))
    assert [peer.name for peer in platforms.peers("python")] == ["unicorn", "qemu-user", "qiling"]


def test_empty_cells_are_told_together() -> None:
    names = ["native", "unicorn", "qemu-user"]
    lines = [
        Line(Row(name, ""), dict(zip(names, cells, strict=True)))
        for name, cells in {
            "touch": [Cell([1.0]), Cell(reason=NOT_THERE), Cell(reason="it is not installed")],
            "loop": [Cell(reason="no root"), Cell([2.0]), Cell(reason="it is not installed")],
            "exec": [Cell(reason="no root"), Cell([2.0]), Cell(reason="it is not installed")],
        }.items()
    ]
    assert skipped(lines, names) == [
        "qemu-user: it is not installed",
        "loop, exec on native: no root",
    ]
    assert skipped(lines[:1], names) == ["touch on qemu-user: it is not installed"]


def test_a_line_made_of_two() -> None:
    """A fork's 16,368 more pages take a tenth of a nanosecond each; who lacks one row says why."""
    few = Line(Row("fork-16", "", 16), {"a": Cell([99.0, 100.0, 107.0]), "b": Cell(reason="none")})
    many = Line(Row("fork-16384", "", 16384), {"a": Cell([1736.8, 1900.48]), "b": Cell([5.0])})
    line = per_forked_page([many, few], ["a", "b"])
    assert line is not None
    assert line.cells["a"].samples == pytest.approx([0.1, 0.11])
    assert line.cells["b"].reason == "none"
    assert per_forked_page([few], ["a", "b"]) is None


@pytest.mark.parametrize(
    ("args", "complaint"),
    [
        (["--rows", "tuch"], "no row is called 'tuch'"),
        (["--rounds", "0"], "--rounds must be at least 1"),
        (["--compare", "no-such-commit"], "no-such-commit"),
        (["--rmap", "anon_vam"], "unknown rmap scheme 'anon_vam'"),
        (["--native-swap", "/proc", "--rows", "swap"], "swap on proc could hang the host"),
        (["--native-swap", "/no/such", "--rows", "swap"], "there is no directory /no for"),
        (["--native-swap", "/", "--rows", "touch"], "--native-swap needs a row that swaps"),
    ],
)
def test_bad_argument_is_one_sentence(args: list[str], complaint: str) -> None:
    done = bench(*args)
    assert done.returncode == 2
    assert complaint in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr
