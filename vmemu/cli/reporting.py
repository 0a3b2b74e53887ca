"""``--report``: the option, and the command line as a report shows it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from vmemu.cli.declare import option
from vmemu.cli.names import files

if TYPE_CHECKING:
    from vmemu.report.file import ReportFile

__all__ = ["command_line", "open_report", "report_option"]

report_option = option(
    "--report",
    "report_path",
    metavar="FILE.html",
    shell_complete=files,
    by_click=True,
    help="Write a report with pictures: one HTML file.",
)


def open_report(path: str | None) -> ReportFile | None:
    """The file of ``--report``; ConfigError when there can be no report."""
    if path is None:
        return None
    from vmemu.report.file import ReportFile

    return ReportFile(path)


def command_line() -> str:
    """What was typed, but for ``--report`` itself and the directories of files.

    A report is then the same wherever it is made.
    """
    import re
    import shlex

    import click

    typed: Sequence[str] = click.get_current_context().obj or ()
    words = list(typed)
    for i, word in enumerate(words):
        if word == "--report":
            del words[i : i + 2]
            break
        if word.startswith("--report="):
            del words[i]
            break
    return shlex.join(["vmemu", *(re.sub(r"(^|=)/.*/(?=[^/])", r"\1", word) for word in words)])
