"""Users, groups, capabilities and limits: what root may become, the same here and on the host."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.linked import lines_inside, lines_natively, linked

SOURCE = Path(__file__).with_name("ids.c")


@pytest.mark.native
@pytest.mark.parametrize("bits", [32, 64])
def test_who_one_may_become_and_what_limits_do(everybodys: Path, bits: int) -> None:
    path = linked(SOURCE, everybodys / "ids", bits)
    ours = lines_inside(path, [str(path), "/tmp"], bits=bits, ram="4M")
    assert ours == lines_natively(path, everybodys)
    assert "\n".join(ours).count("signal") == 3
    assert any(line.endswith("killed by 25") for line in ours)  # SIGXFSZ
    refused = next(i for i, line in enumerate(ours) if line.endswith("fork refused"))
    assert ours[refused + 1] == "raise -1"
