"""``vmemu growth``: the law by which a figure grows."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import click

from vmemu.cli import names
from vmemu.cli.options import examples, json_option
from vmemu.cli.terminal import columns

if TYPE_CHECKING:
    from vmemu.lab.table import Cell
    from vmemu.results.growth import Growth

__all__ = ["command", "curve_options"]

F = TypeVar("F", bound=Callable[..., Any])


def curve_options(command: F) -> F:
    """Add what says which curves are meant."""
    for declared in (
        click.argument("directory", metavar="DIR", shell_complete=names.directories),
        click.option(
            "--rmap",
            "rmaps",
            metavar="SCHEME",
            multiple=True,
            shell_complete=names.schemes_or_all,
            help="A reverse map; may be repeated.  [default: all that are there]",
        ),
        click.option(
            "--scenario",
            "scenarios",
            metavar="SCENARIO",
            multiple=True,
            shell_complete=names.scenarios,
            help="A scenario; may be repeated.  [default: all that have x and y]",
        ),
        click.option(
            "--where", metavar="SQL", default="", help="A condition on runs, such as 'R = 16'."
        ),
        click.option(
            "--y", metavar="COLUMN", default="unmap_probes", show_default=True, help="What grows."
        ),
        click.option("--x", metavar="COLUMN", required=True, help="With what: a parameter."),
    ):
        command = declared(command)
    return command


@click.command(
    "growth",
    epilog=examples(
        "vmemu growth runs/ --x N",
        "vmemu growth runs/ --x N --y bytes_exact --scenario fork-server",
        "vmemu growth runs/ --x N --where 'R = 16 AND ram > 4000000' --json",
    ),
    short_help="Fit the law by which a figure grows, beside the one predicted.",
)
@curve_options
@json_option
def command(
    directory: str,
    x: str,
    y: str,
    where: str,
    scenarios: tuple[str, ...],
    rmaps: tuple[str, ...],
    as_json: bool,
) -> None:
    """Fit a law to what was measured in DIR, for each scenario and scheme: constant, logarithmic,
    linear, n log n or quadratic; and hold it against the one that is predicted.

    The simplest law that explains every point exactly is taken; of points with noise, the one
    with the lowest BIC that is worth its coefficients.  R² is the share of the points' variance
    that it explains.  The predicted law is that of the formula up to 2^20, far beyond what was
    measured.  Whatever else was varied has curves of its own.
    """
    from vmemu.lab.table import Table
    from vmemu.results.growth import growth

    curves = growth(directory, x, y, where=where, scenarios=scenarios, schemes=rmaps)
    if as_json:
        click.echo(json.dumps([curve.as_json() for curve in curves], indent=2))
    else:
        head, rows, keys = _rows(curves)
        click.echo(Table(head, rows, keys).text(columns()), nl=False)


def _rows(curves: Sequence[Growth]) -> tuple[list[str], list[list[Cell]], list[int]]:
    """Headings, rows and the columns that say whose; nothing empty is shown."""
    split = any(curve.beside for curve in curves)
    head = ["scenario", *(["where"] if split else []), "scheme", "points"]
    keys = list(range(len(head) - 1))
    rows: list[list[Cell]] = []
    for curve in curves:
        law, predicted = curve.law, curve.predicted
        formula = curve.forecast.text if curve.forecast else None
        rows.append(
            [
                curve.scenario,
                *([curve.settings] if split else []),
                curve.scheme,
                len(curve.points),
                law.name if law else curve.few,
                law.text(curve.x) if law else None,
                law.quality if law else None,
                predicted.text(curve.x) if predicted else formula,
                curve.verdict,
            ]
        )
    return [*head, "law", curves[0].y, "fit", "predicted", "verdict"], rows, keys
