"""Draw a FITS image as a PNG picture.

The picture has coordinate axes, the beam, a colour scale with units and a
title. Small fields have axes with offsets from the reference position in arcsec,
milliarcsec or microarcsec, as VLBI images are shown; larger ones have
right ascension and declination.
"""

import os
from typing import Annotated, Literal, NamedTuple

import numpy as np
from astropy.visualization import AsinhStretch, ImageNormalize, LinearStretch, LogStretch, SqrtStretch
from astropy.visualization.wcsaxes import WCSAxes
from fringe import File, In, Out
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Ellipse
from matplotlib.ticker import FuncFormatter

from sky_image import SkyImage

FRINGE = {
    "version": "1.0.0",
    "environment": "astro",
    "shape": "service",
    "cpu": 1,
    "memory": "2GiB",
    "timeout": 300,
    "warm": {"min": 0, "max": 2, "concurrency": 1, "queue": 64, "idle": 300},
    "author": "The Fringe authors",
    "license": "Apache-2.0",
    "keywords": ["preview", "plot", "image", "FITS", "PNG"],
    "citation": "2022ApJ...935..167A The Astropy Project: Sustaining and Growing a Community-oriented Open-source Project; "
                "2007CSE.....9...90H Matplotlib: A 2D Graphics Environment",
    "example": {"image": {"class": "File", "location": "demo:m87-jet.fits"}, "stretch": "asinh"},
}

STRETCHES = {"linear": LinearStretch(), "sqrt": SqrtStretch(), "asinh": AsinhStretch(0.02), "log": LogStretch(1000)}
OFFSETS_BELOW = 20.0  # arcsec; smaller fields have offset axes
PREFIXES = [(1.0, ""), (1e-3, "m"), (1e-6, "µ"), (1e-9, "n")]
THEMES = {"light": ("white", "#1b1f24"), "dark": ("#0d1117", "#e6edf3")}  # paper and ink
DPI = 100


class Outputs(NamedTuple):
    """What fits-preview gives."""

    preview: Annotated[File, Out(doc="The picture", format="image/png")]


def main(
    image: Annotated[File, In(doc="FITS image of two to four dimensions", format="image/fits")],
    stretch: Annotated[Literal["linear", "sqrt", "asinh", "log"], In(doc="How brightness becomes colour; asinh and log show faint parts")] = "linear",
    minimum: Annotated[float | None, In(doc="Brightness of the first colour, in the units of the image")] = None,
    maximum: Annotated[float | None, In(doc="Brightness of the last colour, in the units of the image")] = None,
    percentile: Annotated[float, In(unit="%", minimum=50, maximum=100, doc="Part of the pixels that the colours span, where minimum or maximum is absent")] = 100.0,
    colors: Annotated[Literal["inferno", "afmhot", "viridis", "magma", "cividis", "cubehelix", "gray", "gray_r", "RdBu_r"], In(doc="Colour map")] = "inferno",
    field: Annotated[float | None, In(unit="arcsec", exclusive_minimum=0, doc="Width of the part that is shown")] = None,
    centre: Annotated[Literal["image", "peak"], In(doc="What that part is centred on")] = "image",
    channel: Annotated[int, In(minimum=0, doc="Plane along the frequency axis")] = 0,
    polarization: Annotated[int, In(minimum=0, doc="Plane along the Stokes axis")] = 0,
    axes: Annotated[Literal["auto", "sky", "offset", "pixel"], In(doc="Right ascension and declination, offsets, or pixels")] = "auto",
    interpolation: Annotated[Literal["nearest", "bicubic"], In(doc="Show the pixels as squares, or smoothly")] = "nearest",
    contours: Annotated[list[float] | None, In(doc="Contours, in units of the image's noise")] = None,
    beam: Annotated[bool, In(doc="Draw the beam")] = True,
    title: Annotated[str | None, In(doc="Title; the object and frequency when absent")] = None,
    theme: Annotated[Literal["light", "dark"], In(doc="Background")] = "light",
    width: Annotated[int, In(unit="pixel", minimum=200, maximum=8000, doc="Width of the picture")] = 1000,
) -> Outputs:
    """Draw a preview."""
    sky = SkyImage.read(image.path, channel, polarization)
    if not np.isfinite(sky.pixels).any():
        raise ValueError("The image has no finite pixel; there is nothing to draw.")
    noise = sky.noise()
    if field is not None:
        whole = (np.array(sky.pixels.shape[::-1]) - 1) / 2
        sky = sky.crop(field, sky.peak() if centre == "peak" else whole)
    paper, ink = THEMES[theme]
    figure, plot, kind = _layout(sky, axes, width, paper)
    factor, unit = _brightness_unit(sky)
    low, high = _limits(sky.pixels, minimum, maximum, percentile)
    shown = plot.imshow(sky.pixels * factor, origin="lower", cmap=colors, interpolation=interpolation, extent=_extent(sky, kind),
                        norm=ImageNormalize(vmin=low * factor, vmax=high * factor, stretch=STRETCHES[stretch], clip=True))
    if contours:
        plot.contour(sky.pixels * factor, sorted({c * noise * factor for c in contours}), colors="white", linewidths=0.7, alpha=0.8,
                     origin="lower", extent=_extent(sky, kind))
    if beam and sky.beam():
        plot.add_patch(_beam_patch(sky, kind))
    _label(plot, sky, kind, ink)
    _title(plot, sky, title, ink)
    _colour_scale(figure, plot, shown, unit, ink)
    name = os.path.splitext(os.path.basename(image.path))[0] + ".png"
    figure.savefig(name, dpi=DPI, facecolor=paper)
    return Outputs(File(name))


def _layout(sky: SkyImage, axes: str, width: int, paper: str) -> tuple[Figure, object, str]:
    """An empty figure, its axes, and their kind: sky, offset or pixel."""
    kind = axes
    if sky.wcs is None:
        kind = "pixel"
    elif axes == "auto":
        kind = "sky" if max(sky.pixels.shape * sky.scale[::-1]) >= OFFSETS_BELOW else "offset"
    ratio = np.clip(sky.pixels.shape[0] * sky.scale[1] / (sky.pixels.shape[1] * sky.scale[0]), 0.2, 4)
    inches = max(width / DPI, 2)
    left, right, bottom, top = 1.15, 1.25, 0.75, 0.6  # inches around the axes, for a picture of 10
    zoom = inches / 10
    plot_width = inches - (left + right) * zoom
    height = plot_width * ratio + (bottom + top) * zoom
    figure = Figure(figsize=(inches, height), facecolor=paper)
    FigureCanvasAgg(figure)
    box = [left * zoom / inches, bottom * zoom / height, plot_width / inches, plot_width * ratio / height]
    plot = WCSAxes(figure, box, wcs=sky.wcs) if kind == "sky" else figure.add_axes(box)
    if kind == "sky":
        figure.add_axes(plot)
    return figure, plot, kind


def _extent(sky: SkyImage, kind: str) -> list[float] | None:
    """Left, right, bottom, top of the image in the coordinates of the axes; None for pixels."""
    if kind != "offset":
        return None
    size = sky.offset_unit()[2]
    steps = np.array([sky.wcs.wcs.cdelt[0], sky.wcs.wcs.cdelt[1]]) * 3600 / size
    (x0, y0), (height, width) = sky.origin, sky.pixels.shape
    return [(-0.5 - x0) * steps[0], (width - 0.5 - x0) * steps[0], (-0.5 - y0) * steps[1], (height - 0.5 - y0) * steps[1]]


def _limits(pixels: np.ndarray, minimum: float | None, maximum: float | None, percentile: float) -> tuple[float, float]:
    """Brightness of the first and the last colour."""
    finite = pixels[np.isfinite(pixels)]
    low = minimum if minimum is not None else float(np.percentile(finite, 100 - percentile))
    high = maximum if maximum is not None else float(np.percentile(finite, percentile))
    if high <= low and minimum is not None and maximum is not None:
        raise ValueError(f"maximum ({maximum:g}) must be larger than minimum ({minimum:g}).")
    return (low, high) if high > low else (low, low + max(abs(low), 1e-30))


def _brightness_unit(sky: SkyImage) -> tuple[float, str]:
    """Factor for the pixels, and the unit's name with a prefix that suits the peak."""
    unit = str(sky.header.get("BUNIT", "")).strip().replace("JY", "Jy").replace("BEAM", "beam").replace("PIXEL", "pixel")
    if not unit.startswith("Jy"):
        return 1.0, unit
    peak = float(np.nanmax(np.abs(sky.pixels)))
    size, prefix = next(((s, p) for s, p in PREFIXES if peak >= 0.1 * s), PREFIXES[-1])
    return 1 / size, prefix + unit.replace("/", " / ")


def _beam_patch(sky: SkyImage, kind: str) -> Ellipse:
    """The beam in the lower left corner; its position angle is from north through east."""
    major, minor, angle = sky.beam()
    size = sky.offset_unit()[2]
    per_arcsec = 1 / np.array([size, size]) if kind == "offset" else 1 / sky.scale
    extent = _extent(sky, kind) or [-0.5, sky.pixels.shape[1] - 0.5, -0.5, sky.pixels.shape[0] - 0.5]
    span = np.array([extent[1] - extent[0], extent[3] - extent[2]])
    reach = 0.5 * major * per_arcsec
    corner = np.array([extent[0], extent[2]]) + np.sign(span) * (reach + 0.03 * np.abs(span))
    # Offsets grow to the left (east), where matplotlib's angle, from x to y, runs from east to north.
    turn = 90 - angle if kind == "offset" else 90 + angle
    return Ellipse(corner, major * per_arcsec[0], minor * per_arcsec[1], angle=turn, facecolor="white", edgecolor="black",
                   linewidth=0.8, alpha=0.85)


def _label(plot, sky: SkyImage, kind: str, ink: str) -> None:
    if kind == "sky":
        for coordinate, text in zip(plot.coords, ("Right ascension", "Declination")):
            coordinate.set_axislabel(text, color=ink, fontsize=12)
            coordinate.set_ticks(color="white", size=5, number=5)
            coordinate.set_ticklabel(color=ink, size=11, exclude_overlapping=True)
            coordinate.display_minor_ticks(True)
        plot.coords.frame.set_color(ink)
        return
    symbol = sky.offset_unit()[1]
    labels = {"offset": (f"Relative right ascension ({symbol})", f"Relative declination ({symbol})"), "pixel": ("x (pixel)", "y (pixel)")}
    plot.set_xlabel(labels[kind][0], color=ink, fontsize=12)
    plot.set_ylabel(labels[kind][1], color=ink, fontsize=12)
    plot.tick_params(color=ink, labelcolor=ink, labelsize=11, direction="out")
    for spine in plot.spines.values():
        spine.set_color(ink)


def _title(plot, sky: SkyImage, title: str | None, ink: str) -> None:
    if title is None:
        frequency = sky.frequency()
        parts = [str(sky.header.get("OBJECT", "")).strip()]
        if frequency:
            parts.append(f"{frequency / 1e9:.4g} GHz" if frequency >= 1e9 else f"{frequency / 1e6:.4g} MHz")
        title = "   ".join(part for part in parts if part)
    plot.set_title(title, color=ink, fontsize=14, pad=10)


def _colour_scale(figure: Figure, plot, shown, unit: str, ink: str) -> None:
    box = plot.get_position()
    scale = figure.add_axes([box.x1 + 0.015, box.y0, 0.022, box.height])
    bar = figure.colorbar(shown, cax=scale, ticks=None if isinstance(shown.norm.stretch, LinearStretch) else _ticks(shown.norm))
    bar.formatter = FuncFormatter(lambda value, _: f"{value:.6g}")
    bar.update_ticks()
    bar.set_label(unit, color=ink, fontsize=12)
    bar.ax.tick_params(color=ink, labelcolor=ink, labelsize=11)
    bar.outline.set_edgecolor(ink)


def _ticks(norm: ImageNormalize) -> list[float]:
    """Round values for a colour scale that is not linear: 0, then 1, 2, 5 times powers of ten, not too close to each other."""
    largest = max(abs(norm.vmin), abs(norm.vmax))
    steps = [m * 10.0**e for e in range(int(np.floor(np.log10(largest))), int(np.floor(np.log10(largest))) - 6, -1) for m in (5, 2, 1)]
    chosen: list[float] = []
    for value in [0.0, *steps, *(-s for s in steps)]:
        place = float(norm(value))
        if norm.vmin <= value <= norm.vmax and all(abs(place - float(norm(other))) > 0.045 for other in chosen):
            chosen.append(value)
    return sorted(chosen)
