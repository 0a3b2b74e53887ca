"""A command line run inside the test's process: quick, and its streams captured."""

from __future__ import annotations

import pytest
from command import Done, Vmemu

from vmemu.cli.entry import main


@pytest.fixture
def vmemu(capfd: pytest.CaptureFixture[str], tmp_path_factory: pytest.TempPathFactory) -> Vmemu:
    """Return a function that runs ``vmemu`` with arguments, one string each or one in all.

    Temporary files may lie in a directory with spaces in its name.
    """
    top = str(tmp_path_factory.getbasetemp().parent)

    def run(*args: str) -> Done:
        argv = list(args)
        if len(args) == 1:
            argv = [word.replace("\0", top) for word in args[0].replace(top, "\0").split()]
        with pytest.raises(SystemExit) as ended:
            main(argv)
        out, err = capfd.readouterr()
        return Done(int(ended.value.code or 0), out, err)

    return run
