"""Plot visibilities of a measurement set, or the solutions of a calibration table, as plotms does.

The names of the inputs are those of CASA's plotms, which needs a window; this function draws with Matplotlib. What is flagged
is left out. Of more than a million points every n-th row is drawn; the picture says so.
"""

from typing import Annotated, Literal, NamedTuple

import matplotlib
import numpy as np
from fringe import Directory, File, In, Invalid, Out
from matplotlib.figure import Figure

import samples

FRINGE = {
    "version": "1.0.1",
    "environment": "casa",
    "shape": "task",
    "cpu": 1,
    "memory": "2GiB",
    "timeout": 3600,
    "author": "The Fringe authors",
    "license": "Apache-2.0",
    "keywords": ["CASA", "plot", "visibilities", "calibration", "PNG"],
    "citation": "2022PASP..134k4501C CASA, the Common Astronomy Software Applications for Radio Astronomy; 2007CSE.....9...90H Matplotlib: A 2D Graphics Environment",
    "example": {"vis": {"class": "Directory", "location": "demo:synthetic.ms"}, "xaxis": "uvdist", "yaxis": "amp"},
}

POINTS = 1_000_000
DAY = 86400.0  # s
Axis = Literal["time", "channel", "frequency", "uvdist", "uvwave", "u", "v", "scan", "antenna1", "amp", "phase", "real", "imag"]
LABELS = {"time": "UTC since the beginning of the day (h)", "channel": "Channel", "frequency": "Frequency (GHz)", "uvdist": "Projected baseline (m)",
          "uvwave": "Projected baseline (wavelengths)", "u": "u (m)", "v": "v (m)", "scan": "Scan", "antenna1": "Antenna 1", "amp": "Amplitude", "phase": "Phase (deg)",
          "real": "Real part", "imag": "Imaginary part"}
OF_MEASUREMENT_SETS = ("uvdist", "uvwave", "u", "v")
SELECTION = {"field": "field", "spw": "spw", "antenna": "baseline", "scan": "scan", "timerange": "time", "uvrange": "uvdist"}


class Outputs(NamedTuple):
    """What plotms gives."""

    plot: Annotated[File, Out(doc="The picture", format="image/png")]
    points: Annotated[int, Out(doc="Number of points that are drawn")]


def main(
    vis: Annotated[Directory, In(doc="Measurement set or calibration table")],
    xaxis: Annotated[Axis, In(doc="What is along the x axis")] = "time",
    yaxis: Annotated[Axis, In(doc="What is along the y axis")] = "amp",
    datacolumn: Annotated[Literal["data", "corrected", "model", "residual"], In(doc="Column of a measurement set; residual is corrected minus model")] = "data",
    field: Annotated[str, In(doc="Fields by number or name, as CASA selects them; all when empty")] = "",
    spw: Annotated[str, In(doc="Spectral windows and channels, such as 0:5~50; all when empty")] = "",
    antenna: Annotated[str, In(doc="Antennas or baselines, such as VA05&VA06; all when empty")] = "",
    scan: Annotated[str, In(doc="Scans; all when empty")] = "",
    timerange: Annotated[str, In(doc="Times; all when empty")] = "",
    uvrange: Annotated[str, In(doc="Lengths of baselines, such as 0~500m; all when empty")] = "",
    avgchannel: Annotated[int, In(minimum=1, doc="Number of channels that are averaged")] = 1,
    coloraxis: Annotated[Literal["corr", "field", "scan", "spw", "antenna1"], In(doc="What the colours tell apart")] = "corr",
    title: Annotated[str, In(doc="Title of the picture; the name of the data when empty")] = "",
) -> Outputs:
    """Plot visibilities or solutions."""
    kind = samples.kind(vis.path)
    selection = {SELECTION[k]: v for k, v in dict(field=field, spw=spw, antenna=antenna, scan=scan, timerange=timerange, uvrange=uvrange).items() if v}
    if kind == "Measurement Set":
        blocks = samples.visibilities(vis.path, datacolumn, selection)
    elif kind == "Calibration":
        if selection:
            raise Invalid("data are selected, and vis is a calibration table", next(k for k, v in SELECTION.items() if v in selection), "leave the selection out")
        for name, axis in (("xaxis", xaxis), ("yaxis", yaxis)):
            if axis in OF_MEASUREMENT_SETS:
                raise Invalid(f"a calibration table has no {axis}", name)
        blocks = samples.solutions(vis.path)
    else:
        raise Invalid(f"{vis.basename} is neither a measurement set nor a calibration table", "vis")
    try:
        groups = collect(blocks, xaxis, yaxis, coloraxis, avgchannel)
    except RuntimeError as error:
        raise Invalid(f"nothing is selected: {' '.join(str(error).split())}") from None
    if not groups:
        raise Invalid("there are no points: nothing is selected, or all of it is flagged")
    draw(groups, xaxis, yaxis, samples.names(vis.path, coloraxis, list(groups)), title or vis.basename)
    return Outputs(File("plot.png"), sum(len(x) for x, _ in groups.values()))


def collect(blocks, xaxis: str, yaxis: str, coloraxis: str, avgchannel: int) -> dict:
    """The points (x, y) of each colour."""
    groups = {}
    for block in blocks:
        if avgchannel > 1:
            block = samples.averaged(block, avgchannel)
        x, y, color = (np.broadcast_to(value(block, axis), block.values.shape)[~block.flag] for axis in (xaxis, yaxis, coloraxis))
        for number in np.unique(color):
            groups.setdefault(int(number), []).append((x[color == number], y[color == number]))
    return {k: tuple(map(np.concatenate, zip(*v))) for k, v in sorted(groups.items())}


def value(block: samples.Block, axis: str) -> np.ndarray:
    """What an axis shows, to be broadcast to (correlations, channels, rows)."""
    if axis in ("amp", "phase", "real", "imag"):
        v = block.values
        return {"amp": np.abs, "phase": lambda z: np.degrees(np.angle(z)), "real": np.real, "imag": np.imag}[axis](v)
    if axis == "channel":
        return block.channels[None, :, None]
    if axis == "frequency":
        return block.frequencies[None, :, None] / 1e9
    if axis in ("uvdist", "uvwave"):
        length = np.hypot(block.rows["u"], block.rows["v"])[None, None]
        return length if axis == "uvdist" else length * block.frequencies[None, :, None] / samples.SPEED_OF_LIGHT
    if axis == "corr":
        return np.arange(len(block.values))[:, None, None]
    if axis == "spw":
        return np.array(block.window)
    return block.rows[axis][None, None] % DAY / 3600 if axis == "time" else block.rows[axis][None, None]


def draw(groups: dict, xaxis: str, yaxis: str, names: list[str], title: str) -> None:
    """Draw plot.png; the groups have colours and names of their own."""
    figure = Figure(figsize=(9, 6), dpi=120, layout="constrained")
    axes = figure.add_subplot()
    total = sum(len(x) for x, _ in groups.values())
    step = -(-total // POINTS)
    colors = matplotlib.colormaps["turbo"](np.linspace(0.02, 0.98, len(groups))) if len(groups) > 10 else matplotlib.colormaps["tab10"].colors
    for (x, y), color, name in zip(groups.values(), colors, names):
        axes.plot(x[::step], y[::step], ".", color=color, markersize=2 if total > 2000 else 5, alpha=0.6, rasterized=True, label=name)
    axes.set(xlabel=LABELS[xaxis], ylabel=LABELS[yaxis], title=title + (f" (one of {step} points)" if step > 1 else ""))
    axes.grid(alpha=0.25)
    if 1 < len(groups) <= 64:
        figure.legend(loc="outside right upper", markerscale=4 if total > 2000 else 1.5, fontsize="small", ncols=1 + len(groups) // 33, frameon=False)
    figure.savefig("plot.png")
