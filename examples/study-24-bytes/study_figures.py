"""The figures of docs/study-24-bytes.md as SVG, the same bytes for the same rows."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from study_queries import PROGRAMS, SCHEMES, SHORT_RAM, WALKS, Study
from study_tables import MIXED

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["FIGURES", "picture"]

COLORS = {
    "anonmm": "#0b6fa4",
    "anon_vma": "#c1440e",
    "anon_vma_chain": "#2d8a4e",
    "anon_vma_degree": "#86b35a",
    "anon_vma_lazy": "#b97700",
    "pte_chain": "#8d55bb",
    "scan": "#6b7785",
    "cow_context": "#c2487a",
}
"""anon_vma39 has the numbers of anon_vma everywhere here."""
PRICES = [round(10 ** (at / 8), 3) for at in range(33)]
"""Of a probe, ns."""
_INK, _GRID = "#30363d", "#d8dee4"
Line = Sequence[tuple[float, float]]


def picture(study: Study, name: str, kind: str = "svg") -> bytes:
    """A figure as the bytes of a file."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    width, height, draw = FIGURES[name]
    with mpl.rc_context():
        mpl.rcdefaults()  # the user's own would make another file
        mpl.rcParams.update({"svg.hashsalt": "vmemu", "font.size": 8, "text.color": _INK})
        figure = Figure(figsize=(width, height), layout="constrained", dpi=150)
        draw(figure, study)
        out = io.BytesIO()
        metadata = {"Date": None, "Creator": None} if kind == "svg" else {"Software": None}
        figure.savefig(out, format=kind, facecolor="white", metadata=metadata)
    return out.getvalue()


def _prepare(axes: Axes, title: str, x: str, y: str = "") -> None:
    axes.set_title(title, fontsize=8.5, loc="left", color=_INK)
    axes.set_xlabel(x, color=_INK)
    axes.set_ylabel(y, color=_INK)
    axes.grid(color=_GRID, lw=0.5)
    axes.set_axisbelow(True)
    axes.tick_params(length=0, labelcolor=_INK, which="both")
    axes.spines[:].set_visible(False)


def _curve(axes: Axes, scheme: str, line: Line, marker: str = "o") -> None:
    strong = scheme in ("anonmm", "anon_vma")
    axes.plot(
        *zip(*line, strict=True),
        marker=marker,
        ms=3,
        lw=1.8 if strong else 1.1,
        color=COLORS[scheme],
        label=scheme,
        zorder=3 if strong else 2,
    )


def _named(axes: Axes, lines: Mapping[str, Line], least: float = 1.22) -> None:
    """Curves on logarithmic scales, each with its name at its end; names of one place together."""
    ends: dict[float, list[str]] = {}
    for scheme, line in lines.items():
        _curve(axes, scheme, line)
        ends.setdefault(round(line[-1][1], 6), []).append(scheme)
    last = 0.0
    for value in sorted(ends):
        at = max(value, last * least)
        last = at * least ** (len(ends[value]) - 1)
        for number, scheme in enumerate(ends[value]):
            axes.annotate(
                scheme,
                (line[-1][0], at * least**number),
                xytext=(6, 0),
                textcoords="offset points",
                va="center",
                color=COLORS[scheme],
                fontsize=7.5,
                annotation_clip=False,
            )


def _powers(axes: Axes, base: int = 2) -> None:
    axes.set_xscale("log", base=base)
    axes.set_yscale("log")
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:,.10g}")


def draw_bytes(figure: Figure, study: Study) -> None:
    """What schemes weigh, by areas and by shared pages."""
    left, right = figure.subplots(1, 2, sharey=True)
    drawn = [scheme for scheme in COLORS if scheme != "scan"]
    for axes, x, fixed, title, label in (
        (left, "V", "R = 64", "areas that each child writes", "areas of each child"),
        (right, "R", "V = 4", "pages that the family shares", "shared pages"),
    ):
        where = f"scenario = 'zygote' AND N = 16 AND bits = 32 AND {fixed}"
        _prepare(axes, f"16 children, by {title}", label)
        _powers(axes)
        _named(axes, study.series(x, "bytes_rounded", where, drawn), 1.32)
    left.set_ylabel("bytes of the scheme, slabs included")


def draw_probes(figure: Figure, study: Study) -> None:
    """Probes for a page, by the size of the family."""
    panels = figure.subplots(1, 2, sharey=True)
    drawn = [scheme for scheme in COLORS if scheme != "scan"]
    titles = {
        "fork-server": "fork server: each child wrote its own copies",
        "late-subfamily": "late sub-family: 2 of N + 2 share the pages",
    }
    for axes, (name, title) in zip(panels, titles.items(), strict=True):
        where = f"scenario = '{name}' AND bits = 32"
        _prepare(axes, title, "children")
        _powers(axes)
        _named(axes, study.series("N", "unmap_probes / unmap_pages", where, drawn), 1.22)
    panels[0].set_ylabel("probes for each page unmapped")


def draw_pressure(figure: Figure, study: Study) -> None:
    """Virtual time of each program against RAM, and what schemes add to that of anonmm."""
    grid = figure.subplots(2, len(PROGRAMS), sharex="col")
    for (top, below), program in zip(grid.T, PROGRAMS, strict=True):
        _prepare(top, program, "")
        _prepare(below, "", "RAM, MB")
        found = study.beside(program, 32)
        for scheme in ("scan", "pte_chain", "anon_vma_chain", "anon_vma", "anonmm"):
            these = [each for each in found if each.scheme == scheme]
            _curve(top, scheme, [(each.ram / 2**20, each.ms) for each in these])
            if scheme in ("anonmm", "scan"):
                continue
            x, y = [e.ram / 2**20 for e in these], [e.middle for e in these]
            below.fill_between(
                x, [e.low for e in these], [e.high for e in these],
                color=COLORS[scheme], alpha=0.15, lw=0,
            )  # fmt: skip
            _curve(below, scheme, list(zip(x, y, strict=True)))
        below.axhline(0, color=COLORS["anonmm"], lw=1.8, zorder=1)
        top.set_yscale("log")
        top.yaxis.set_major_formatter(lambda value, _: f"{value:,.10g}")
        if program == "moves":
            below.set_ylim(-105, 20)
    grid[0, 0].set_ylabel("virtual time, ms", color=_INK)
    grid[1, 0].set_ylabel("% beside anonmm (blue)", color=_INK)
    handles, labels = grid[0, 0].get_legend_handles_labels()
    figure.legend(handles[::-1], labels[::-1], loc="outside upper center", ncols=5, frameon=False)


def draw_price(figure: Figure, study: Study) -> None:
    """Time and probes added up, for each price of a probe."""
    panels = figure.subplots(1, len(PROGRAMS))
    for axes, program in zip(panels, PROGRAMS, strict=True):
        ram = SHORT_RAM[32][program]
        where = f"{PROGRAMS[program]} AND bits = 32 AND ram = {ram << 10}"
        _prepare(axes, f"{program}, {ram / 1024:g} MB", "ns for a probe")
        for scheme in ("cow_context", "pte_chain", "anon_vma_chain", "anon_vma"):
            _curve(axes, scheme, _priced(study, where, scheme), "")
        axes.axhline(0, color=COLORS["anonmm"], lw=1.8, zorder=1, label="anonmm")
        axes.set_xscale("log")
        axes.set_xticks([1, 10, 100, 1000, 10000], ["1", "10", "100", "1k", "10k"])
    panels[0].set_ylabel("% beside anonmm", color=_INK)
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles[::-1], labels[::-1], loc="outside upper center", ncols=5, frameon=False)


def _priced(study: Study, where: str, scheme: str) -> Line:
    rows = study.ask(
        f"""
        WITH these AS (SELECT *, {WALKS} AS walks FROM runs WHERE {where}),
             prices AS (SELECT unnest({PRICES}) AS price)
        SELECT price, median((a.virtual_ns + price * a.walks)
                             / (b.virtual_ns + price * b.walks) * 100 - 100)
        FROM these a JOIN these b USING (ram, seed) CROSS JOIN prices
        WHERE a.scheme = '{scheme}' AND b.scheme = 'anonmm' GROUP BY ALL ORDER BY ALL
        """
    )
    return [(float(price), float(value)) for price, value in rows]


def draw_mixed(figure: Figure, study: Study) -> None:
    """Where the lists of anonmm and of anon_vma cross; comparisons in one long list."""
    left, right = figure.subplots(1, 2)
    drawn = [s for s in COLORS if s not in ("scan", "anon_vma_degree", "anon_vma_lazy")]
    _prepare(left, "fork server and pairs at once: 32 pages for each child", "% of pages of pairs")
    left.set_ylabel("probes in a whole run, thousands")
    found = study.series("OWN", f"{WALKS} / 1000", MIXED, drawn)
    for scheme, line in found.items():
        _curve(left, scheme, [(own * 100 / 32, probes) for own, probes in line])
    left.set_ylim(bottom=0)
    left.legend(frameon=False, fontsize=7.5)
    _prepare(right, "one area cut into K areas", "K")
    _powers(right)
    cut = study.series(
        "K", "(unmap_probes + unmap_cmp) / unmap_pages", "scenario = 'cut-vma'",
        [s for s in COLORS if s != "scan"],
    )  # fmt: skip
    _named(right, cut, 1.25)
    right.set_ylabel("probes and comparisons for each page")


FIGURES: dict[str, tuple[float, float, Callable[[Figure, Study], None]]] = {
    "bytes": (8.6, 3.4, draw_bytes),
    "probes": (8.6, 3.4, draw_probes),
    "pressure": (10.6, 4.6, draw_pressure),
    "price": (10.6, 2.7, draw_price),
    "mixed": (8.6, 3.4, draw_mixed),
}
"""Width and height in inches, and what draws it: docs/study-NAME.svg."""
assert set(COLORS) < set(SCHEMES)
