"""What files refuse to users, groups and capabilities: the same here and on the host."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.linked import lines_inside, lines_natively, linked

SOURCE = Path(__file__).with_name("permits.c")
ROUNDS = "60"
TMPFILE = " 20200002: "


@pytest.mark.native
@pytest.mark.parametrize("bits", [32, 64])
def test_what_files_refuse(everybodys: Path, bits: int) -> None:
    path = linked(SOURCE, everybodys / "permits", bits)
    sysctl = Path("/proc/sys/fs")
    link = (sysctl / "protected_hardlinks").read_text().strip()
    others = [sysctl / f"protected_{name}" for name in ("symlinks", "fifos", "regular")]
    drawn = [ROUNDS, "1" if any(each.read_text().strip() != "0" for each in others) else "0"]
    expected = lines_natively(path, everybodys / "native", *drawn)
    assert sum("EACCES" in line for line in expected) > 300
    assert sum("EPERM" in line for line in expected) > 100
    argv = [str(path), "/there", *drawn, link]
    assert lines_inside(path, argv, bits=bits, ram="4M") == expected
    (root := everybodys / "root").mkdir(mode=0o755)
    ours = lines_inside(path, argv, bits=bits, ram="4M", root=root, root_rw=True)
    # nothing without a name is made on the host
    assert _named(ours) == _named(expected)


def _named(lines: list[str]) -> list[str]:
    return [line for line in lines if TMPFILE not in line]
