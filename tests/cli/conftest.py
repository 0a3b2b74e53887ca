"""A command line run inside the test's process: quick, and its streams captured."""

from __future__ import annotations

import pytest
from command import Done, Vmemu

from vmemu.cli.main import main


@pytest.fixture
def vmemu(capfd: pytest.CaptureFixture[str]) -> Vmemu:
    """Return a function that runs ``vmemu`` with arguments, one string each or one in all."""

    def run(*args: str) -> Done:
        argv = args[0].split() if len(args) == 1 else list(args)
        with pytest.raises(SystemExit) as ended:
            main(argv)
        out, err = capfd.readouterr()
        return Done(int(ended.value.code or 0), out, err)

    return run
