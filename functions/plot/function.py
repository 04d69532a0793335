"""Plot columns of a table, or arrays, against each other.

The table is a VOTable, FITS, ECSV, CSV or another table that astropy knows, or columns of
text. Units and names of its columns label the axes. Several columns may be drawn over one; without
a column for x they are drawn over their row.
"""

import os
from typing import Annotated, Literal, NamedTuple

import numpy as np
from astropy.table import Table
from fringe import File, In, Out
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

FRINGE = {
    "version": "1.0.0",
    "environment": "astro",
    "shape": "service",
    "cpu": 1,
    "memory": "1GiB",
    "timeout": 300,
    "warm": {"min": 0, "max": 2, "concurrency": 1, "queue": 64, "idle": 300},
    "author": "The Fringe authors",
    "license": "Apache-2.0",
    "keywords": ["plot", "table", "graph", "VOTable", "PNG", "PDF"],
    "citation": "2007CSE.....9...90H Matplotlib: A 2D Graphics Environment",
    "example": {"x_values": [1.0, 2.0, 3.0, 4.0, 5.0], "y_values": [1.0, 4.0, 9.0, 16.0, 25.0], "x_label": "Time (s)", "y_label": "Distance (m)"},
}
COLOURS = ["#1f5fa8", "#b5442d", "#2e7d4f", "#8557a5", "#c98a1b", "#4a4a4a"]
FORMATS = ["votable", "fits", "ascii.ecsv", "ascii.csv", "ascii.commented_header", "ascii"]
DRAW = {"line": {"linestyle": "-"}, "points": {"linestyle": "", "marker": "o", "markersize": 4}, "line and points": {"linestyle": "-", "marker": "o", "markersize": 4},
        "steps": {"linestyle": "-", "drawstyle": "steps-mid"}}


class Outputs(NamedTuple):
    """What plot gives."""

    picture: Annotated[File, Out(doc="The plot", format="image/png")]
    vector: Annotated[File, Out(doc="The plot, for print", format="application/pdf")]


def main(
    table: Annotated[File | None, In(doc="Table: VOTable, FITS, ECSV, CSV, or columns of text")] = None,
    x: Annotated[str | None, In(doc="Column along the first axis; the row when absent")] = None,
    y: Annotated[list[str] | None, In(doc="Columns along the second axis; all columns of numbers but x when absent")] = None,
    error: Annotated[str | None, In(doc="Column with the error of the first y")] = None,
    x_values: Annotated[list[float] | None, In(doc="Values along the first axis, instead of a table")] = None,
    y_values: Annotated[list[float] | None, In(doc="Values along the second axis, instead of a table")] = None,
    error_values: Annotated[list[float] | None, In(doc="Errors of y_values")] = None,
    style: Annotated[Literal["line", "points", "line and points", "steps"], In(doc="How values are drawn")] = "line",
    x_scale: Annotated[Literal["linear", "log"], In(doc="Scale of the first axis")] = "linear",
    y_scale: Annotated[Literal["linear", "log"], In(doc="Scale of the second axis")] = "linear",
    x_label: Annotated[str | None, In(doc="Label of the first axis; from the table when absent")] = None,
    y_label: Annotated[str | None, In(doc="Label of the second axis; from the table when absent")] = None,
    x_range: Annotated[list[float] | None, In(doc="First and last value of the first axis; the larger may be first")] = None,
    y_range: Annotated[list[float] | None, In(doc="First and last value of the second axis")] = None,
    title: Annotated[str, In(doc="Title")] = "",
    width: Annotated[int, In(unit="pixel", minimum=300, maximum=8000, doc="Width of the picture")] = 1000,
    height: Annotated[int, In(unit="pixel", minimum=200, maximum=8000, doc="Height of the picture")] = 640,
) -> Outputs:
    """Plot."""
    series, labels = _from_values(x_values, y_values, error_values) if table is None else _from_table(table.path, x, y, error)
    figure = Figure(figsize=(width / 100, height / 100), dpi=100, layout="constrained")
    FigureCanvasAgg(figure)
    plot = figure.add_subplot()
    for (name, xs, ys, errors), colour in zip(series, [c for _ in range(1 + len(series) // len(COLOURS)) for c in COLOURS]):
        if errors is None:
            plot.plot(xs, ys, color=colour, linewidth=1.4, label=name, **DRAW[style])
        else:
            plot.errorbar(xs, ys, errors, color=colour, linewidth=1.4, capsize=2.5, elinewidth=1, label=name, **DRAW[style])
    plot.set(xscale=x_scale, yscale=y_scale)
    for limits, set_limits, axis in ((x_range, plot.set_xlim, "x_range"), (y_range, plot.set_ylim, "y_range")):
        if limits is not None:
            if len(limits) != 2 or limits[0] == limits[1]:
                raise ValueError(f"{axis} has two different values.")
            set_limits(limits)
    plot.set_xlabel(labels[0] if x_label is None else x_label, fontsize=12)
    plot.set_ylabel(labels[1] if y_label is None else y_label, fontsize=12)
    plot.set_title(title, fontsize=14, pad=10)
    plot.minorticks_on()
    plot.tick_params(which="both", direction="in", top=True, right=True, labelsize=11)
    if len(series) > 1:
        plot.legend(frameon=False, fontsize=11)
    root = os.path.splitext(os.path.basename(table.path))[0] if table else "plot"
    figure.savefig(root + ".png")
    figure.savefig(root + ".pdf", metadata={"CreationDate": None})
    return Outputs(File(root + ".png"), File(root + ".pdf"))


def _from_values(xs, ys, errors) -> tuple[list[tuple], tuple[str, str]]:
    if ys is None:
        raise ValueError("There is nothing to plot: give a table, or y_values.")
    xs = list(range(len(ys))) if xs is None else xs
    if len(xs) != len(ys) or errors is not None and len(errors) != len(ys):
        raise ValueError(f"x_values, y_values and error_values are of one length; they have {len(xs)}, {len(ys)}" + (f" and {len(errors)}." if errors is not None else "."))
    return [("", xs, ys, errors)], ("", "")


def _from_table(path: str, x: str | None, y: list[str] | None, error: str | None) -> tuple[list[tuple], tuple[str, str]]:
    table = _read(path)
    numbers = [name for name in table.colnames if table[name].dtype.kind in "iuf" and table[name].ndim == 1]
    for name in [*filter(None, (x, error)), *(y or ())]:
        if name not in numbers:
            raise ValueError(f"The table has no column of numbers {name!r}; it has {', '.join(numbers) or 'none'}.")
    wanted = y or [name for name in numbers if name not in (x, error)]
    if not wanted:
        raise ValueError("The table has no column of numbers to plot.")
    value = lambda name: np.ma.filled(np.ma.asarray(table[name], float), np.nan)
    xs = value(x) if x else np.arange(len(table), dtype=float)
    series = [(name, xs, value(name), value(error) if error and n == 0 else None) for n, name in enumerate(wanted)]
    units = {str(table[name].unit or "") for name in wanted}
    return series, (_label(table, x) if x else "Row", _label(table, wanted[0]) if len(wanted) == 1 else next(iter(units)) if len(units) == 1 else "")


def _label(table: Table, name: str) -> str:
    unit = table[name].unit
    return f"{name} ({unit})" if unit else name


def _read(path: str) -> Table:
    for kind in FORMATS:
        try:
            return Table.read(path, format=kind)
        except Exception:  # not of this format; each reader has errors of its own
            continue
    raise ValueError("The table cannot be read; VOTable, FITS, ECSV, CSV and columns of text are known.")
