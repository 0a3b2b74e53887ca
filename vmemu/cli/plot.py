"""``vmemu plot``: how a figure grows, drawn."""

from __future__ import annotations

import click

from vmemu.cli import names
from vmemu.cli.growth import curve_options
from vmemu.cli.options import examples

__all__ = ["command"]


@click.command(
    "plot",
    epilog=examples(
        "vmemu plot runs/ --x N -o probes.svg",
        "vmemu plot runs/ --x N --y bytes_exact --scenario fork-server -o bytes.pdf",
        "vmemu plot runs/ --x N --where 'R = 16' --log none -o probes.png",
    ),
    short_help="Draw how a figure grows, beside what is predicted.",
)
@curve_options
@click.option(
    "-o",
    "--output",
    metavar="FILE.svg|.pdf|.png",
    required=True,
    shell_complete=names.files,
    help="The picture.",
)
@click.option(
    "--log",
    metavar="auto|x|y|both|none",
    default="auto",
    shell_complete=names.one_of("auto", "x", "y", "both", "none"),
    help="Logarithmic axes.  [default: auto, where what is shown spreads widely]",
)
def command(
    directory: str,
    x: str,
    y: str,
    where: str,
    scenarios: tuple[str, ...],
    rmaps: tuple[str, ...],
    output: str,
    log: str,
) -> None:
    """Draw what was measured in DIR: a diagram for each scenario, in it points for each scheme
    and a line for what its formula predicts.

    Where nothing is predicted, a broken line is the law that vmemu growth fits.  Whatever else
    was varied makes diagrams of its own.  The same runs give the same file.
    """
    from vmemu.results.growth import growth
    from vmemu.results.plot import check_path, write_plot
    from vmemu.results.query import Results

    check_path(output)
    with Results(directory) as results:
        curves = growth(results, x, y, where=where, scenarios=scenarios, schemes=rmaps)
        unit = results.columns[curves[0].y].unit
    write_plot(curves, output, log=log, unit=unit)
