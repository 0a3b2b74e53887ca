"""``python -m vmemu``, and the command ``vmemu``."""

from __future__ import annotations

import gc
import signal

from vmemu.streams import fill_streams


def main() -> None:
    """Make the process fit to run in, then run the command line.

    While modules are imported an interrupt ends the process as it ends any other; from then
    on it is told in a sentence.  One that the caller ignores stays ignored.
    """
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    gc.disable()  # until all is imported, of which nothing ever goes: see vmemu.cli.entry
    fill_streams()
    from vmemu.cli.entry import main as command_line

    command_line()


if __name__ == "__main__":
    main()
