"""Pictures of a cube."""

from __future__ import annotations

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Ellipse
from PIL import Image

from sky_image import SkyImage
from sky_plot import PREFIXES

GROUND = dict(facecolor="#202020", alpha=0.6, edgecolor="none", pad=2)  # of labels: they are read on pixels and on blank ones


def _frame(sky: SkyImage) -> tuple[list[float], str, float]:
    """Extent of offsets from the middle of the field, their symbol and size in arcsec; east is where the header has it."""
    _, symbol, size = sky.offset_unit()
    height, width = sky.pixels.shape
    east = np.sign(sky.wcs.pixel_scale_matrix[0, 0]) or -1
    reach = np.array([width * sky.scale[0], height * sky.scale[1]]) / 2 / size
    return [east * -reach[0], east * reach[0], -reach[1], reach[1]], symbol, size


def _prefixed(unit: str, peak: float) -> tuple[float, str]:
    if not unit.startswith("Jy"):
        return 1.0, unit
    size, prefix = next(((s, p) for s, p in PREFIXES if peak >= 0.1 * s), PREFIXES[-1])
    return 1 / size, prefix + unit


def _beam(plot, sky: SkyImage, size: float) -> None:
    if sky.beam():
        major, minor, angle = sky.beam()
        x, y = plot.get_xlim(), plot.get_ylim()
        reach = 0.5 * major / size
        centre = (x[0] + np.sign(x[1] - x[0]) * (reach + 0.04 * abs(x[1] - x[0])), y[0] + reach + 0.04 * abs(y[1] - y[0]))
        turn = 90 - angle if x[0] > x[1] else 90 + angle
        plot.add_patch(Ellipse(centre, major / size, minor / size, angle=turn, facecolor="white", edgecolor="black", linewidth=0.6, alpha=0.9))


def channel_maps(sky: SkyImage, planes: np.ndarray, labels: list[str], panels: int, limits: tuple[float, float], colors: str, name: str) -> None:
    """Evenly spaced channels in one scale of colours."""
    chosen = np.unique(np.round(np.linspace(0, len(planes) - 1, min(panels, len(planes)))).astype(int))
    columns = int(np.ceil(np.sqrt(len(chosen))))
    rows = -(-len(chosen) // columns)
    ratio = np.clip(sky.pixels.shape[0] * sky.scale[1] / (sky.pixels.shape[1] * sky.scale[0]), 0.3, 3)
    side = min(2.6, 12 / columns)
    figure = Figure(figsize=(columns * side + 1.7, rows * side * ratio + 0.5), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    plots = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    figure.get_layout_engine().set(w_pad=0.02, h_pad=0.02, wspace=0.0, hspace=0.0)
    extent, symbol, size = _frame(sky)
    factor, unit = _prefixed(str(sky.header["BUNIT"]), limits[1])
    shown = None
    for plot, channel in zip(plots.flat, chosen):
        shown = plot.imshow(planes[channel] * factor, origin="lower", extent=extent, cmap=colors, vmin=limits[0] * factor, vmax=limits[1] * factor)
        shown.cmap.set_bad("0.85")
        plot.text(0.04, 0.95, labels[channel], transform=plot.transAxes, color="white", va="top", fontsize=9, bbox=GROUND)
        plot.tick_params(color="white", direction="in", top=True, right=True)
        plot.locator_params(nbins=4)
    for plot in list(plots.flat)[len(chosen) :]:
        plot.set_visible(False)
    _beam(plots[0, 0], sky, size)
    figure.supxlabel(f"Relative right ascension ({symbol})", fontsize=11)
    figure.supylabel(f"Relative declination ({symbol})", fontsize=11)
    figure.colorbar(shown, ax=plots, pad=0.015, aspect=30).set_label(unit, fontsize=11)
    figure.savefig(name)


def cut(line, image: np.ndarray, places: np.ndarray, labels: tuple[str, str], colors: str, name: str) -> None:
    """A position-velocity cut."""
    figure = Figure(figsize=(8, 6), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    plot = figure.add_subplot()
    factor, unit = _prefixed(labels[1], float(np.nanmax(np.abs(image), initial=0)))
    order = np.argsort(places)
    places, image = places[order], image[order]
    shown = plot.pcolormesh(line.offsets, places, image * factor, cmap=colors, shading="nearest", rasterized=True) if len(places) > 1 else plot.imshow(
        image * factor, origin="lower", aspect="auto", cmap=colors, extent=[line.offsets[0], line.offsets[-1], places[0] - 0.5, places[0] + 0.5])
    plot.set_facecolor("0.85")
    seen = line.offsets[np.isfinite(image).any(axis=0)]
    if len(seen) > 1:
        plot.set_xlim(seen[0] - line.step / 2, seen[-1] + line.step / 2)
    plot.set_xlabel(f"Offset along position angle {line.angle:.0f}° (″)", fontsize=12)
    plot.set_ylabel(labels[0], fontsize=12)
    plot.ticklabel_format(useOffset=False)
    plot.tick_params(color="white", direction="in", top=True, right=True, labelsize=11)
    figure.colorbar(shown, ax=plot, pad=0.015).set_label(unit, fontsize=12)
    figure.savefig(name)


def animation(sky: SkyImage, planes: np.ndarray, labels: list[str], how: dict, name: str) -> None:
    """The channels one after another, as a GIF."""
    chosen = np.unique(np.round(np.linspace(0, len(planes) - 1, min(how["frames"], len(planes)))).astype(int))
    figure = Figure(figsize=(6.4, 5.6), dpi=90, layout="constrained")
    canvas = FigureCanvasAgg(figure)
    plot = figure.add_subplot()
    extent, symbol, size = _frame(sky)
    low, high = how["limits"]
    factor, unit = _prefixed(str(sky.header["BUNIT"]), high)
    shown = plot.imshow(planes[chosen[0]] * factor, origin="lower", extent=extent, cmap=how["colors"], vmin=low * factor, vmax=high * factor)
    shown.cmap.set_bad("0.85")
    plot.set(xlabel=f"Relative right ascension ({symbol})", ylabel=f"Relative declination ({symbol})")
    text = plot.text(0.03, 0.97, "", transform=plot.transAxes, color="white", va="top", fontsize=12, bbox=GROUND)
    _beam(plot, sky, size)
    figure.colorbar(shown, ax=plot, pad=0.02).set_label(unit)
    canvas.draw()
    figure.set_layout_engine("none")
    frames = []
    for channel in chosen:
        shown.set_data(planes[channel] * factor)
        text.set_text(labels[channel])
        canvas.draw()
        frames.append(Image.fromarray(np.asarray(canvas.buffer_rgba())[..., :3].copy()).quantize(128))
    frames[0].save(name, save_all=True, append_images=frames[1:], duration=int(1000 / how["rate"]), loop=0)
