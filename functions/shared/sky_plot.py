"""A plane of a FITS image drawn with its place on the sky: axes, beam, colour scale, marks."""

from __future__ import annotations

import numpy as np
from astropy.visualization import AsinhStretch, ImageNormalize, LogStretch, SqrtStretch
from astropy.visualization.wcsaxes import WCSAxes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Ellipse
from matplotlib.ticker import FuncFormatter

from sky_image import SkyImage, spectral_axis

STRETCHES = {"sqrt": SqrtStretch(), "asinh": AsinhStretch(0.02), "log": LogStretch(1000)}
OFFSETS_BELOW = 20.0  # arcsec; smaller fields have offset axes
PREFIXES = [(1.0, ""), (1e-3, "m"), (1e-6, "µ"), (1e-9, "n")]
FRAMES = {"ICRS": " (ICRS)", "FK5": " (J2000)", "FK4": " (B1950)", "FK4-NO-E": " (B1950)"}
THEMES = {"light": ("white", "#1b1f24"), "dark": ("#0d1117", "#e6edf3")}  # paper and ink
DPI = 100
LEFT, RIGHT, BOTTOM, TOP = 1.15, 1.4, 0.75, 0.6  # inches around a plot, for a picture of 10


class SkyPlot:
    """A figure with one or more planes side by side, each of `width` pixels with its labels; all sizes follow the width."""

    def __init__(self, width: int = 1000, theme: str = "light", panels: int = 1):
        self.paper, self.ink = THEMES[theme]
        self.inches, self.panels = max(width / DPI, 2), panels
        self.zoom = self.inches / 10
        self.figure = Figure(facecolor=self.paper)
        FigureCanvasAgg(self.figure)
        self.count = 0

    def image(self, sky: SkyImage, axes: str = "auto", **options) -> Panel:
        """Draw a plane beside those that are there; `options` are those of Panel.draw."""
        if self.count == 0:
            ratio = np.clip(sky.pixels.shape[0] * sky.scale[1] / (sky.pixels.shape[1] * sky.scale[0]), 0.2, 4)
            self.plot_width = self.inches - (LEFT + RIGHT) * self.zoom
            self.plot_height = self.plot_width * ratio
            self.total = np.array([self.inches * self.panels, self.plot_height + (BOTTOM + TOP) * self.zoom])
            self.figure.set_size_inches(self.total)
        panel = Panel(self, sky, axes, LEFT * self.zoom + self.count * self.inches)
        panel.draw(**options)
        self.count += 1
        return panel

    def save(self, name: str) -> None:
        """Write the picture."""
        self.figure.savefig(name, dpi=DPI, facecolor=self.paper)


class Panel:
    """One plane in a figure. Its kind of axes is sky, offset or pixel."""

    def __init__(self, page: SkyPlot, sky: SkyImage, axes: str, left: float):
        self.page, self.sky, self.kind = page, sky, axes
        if sky.wcs is None:
            self.kind = "pixel"
        elif axes == "auto":
            self.kind = "sky" if max(sky.pixels.shape * sky.scale[::-1]) >= OFFSETS_BELOW else "offset"
        width, height = page.total
        box = [left / width, BOTTOM * page.zoom / height, page.plot_width / width, page.plot_height / height]
        self.axes = WCSAxes(page.figure, box, wcs=sky.wcs) if self.kind == "sky" else page.figure.add_axes(box)
        if self.kind == "sky":
            page.figure.add_axes(self.axes)

    def draw(self, colors="inferno", stretch="linear", limits=None, unit=None, title=None, interpolation="nearest", beam=True, prefix=True) -> None:
        """Draw the pixels; `limits` are in their own units, which `unit` says where the header does not. A stretch is a name, or one of astropy's."""
        factor, unit = brightness_unit(self.sky, unit) if prefix else (1.0, unit or "")
        low, high = limits or span(self.sky.pixels)
        self.factor = factor
        norm = Normalize(low * factor, high * factor) if stretch == "linear" else ImageNormalize(vmin=low * factor, vmax=high * factor, stretch=STRETCHES.get(stretch, stretch))
        pixels = np.ma.masked_invalid(np.clip(self.sky.pixels, low, high) * factor)
        shown = self.axes.imshow(pixels, origin="lower", cmap=colors, interpolation=interpolation, extent=self.extent(), norm=norm)
        shown.cmap.set_bad("0.85")
        if beam and self.sky.beam():
            self.axes.add_patch(self._beam_patch())
        self._label()
        self.axes.set_title(default_title(self.sky) if title is None else title, color=self.page.ink, fontsize=14 * self.page.zoom, pad=10 * self.page.zoom)
        self._colour_scale(shown, unit)

    def extent(self) -> list[float] | None:
        """Left, right, bottom, top of the image in the coordinates of the axes; None for pixels."""
        if self.kind != "offset":
            return None
        sky = self.sky
        steps = np.array([sky.wcs.wcs.cdelt[0], sky.wcs.wcs.cdelt[1]]) * 3600 / sky.offset_unit()[2]
        (x0, y0), (height, width) = sky.origin, sky.pixels.shape
        return [(-0.5 - x0) * steps[0], (width - 0.5 - x0) * steps[0], (-0.5 - y0) * steps[1], (height - 0.5 - y0) * steps[1]]

    def contours(self, levels: list[float], color: str = "white") -> None:
        """Draw contours at levels in the units of the pixels."""
        self.axes.contour(self.sky.pixels * self.factor, sorted({c * self.factor for c in levels}), colors=color, linewidths=0.7, alpha=0.8, origin="lower",
                          extent=self.extent())

    def place(self, x, y) -> np.ndarray:
        """Pixels (x, y) in the coordinates of the axes."""
        extent, (height, width) = self.extent(), self.sky.pixels.shape
        if extent is None:
            return np.array([x, y])
        return np.array([extent[0] + (np.asarray(x) + 0.5) / width * (extent[1] - extent[0]), extent[2] + (np.asarray(y) + 0.5) / height * (extent[3] - extent[2])])

    def ellipse(self, x: float, y: float, major: float, minor: float, angle: float, **style) -> None:
        """Draw an ellipse around the pixel (x, y): full axes in arcsec, position angle in degrees from north through east."""
        self.axes.add_patch(self._ellipse(self.place(x, y), major, minor, angle, **style))

    def _ellipse(self, centre, major: float, minor: float, angle: float, **style) -> Ellipse:
        size = self.sky.offset_unit()[2]
        per_arcsec = 1 / np.array([size, size]) if self.kind == "offset" else 1 / self.sky.scale
        # Offsets grow to the left (east), where matplotlib's angle, from x to y, runs from east to north.
        turn = 90 - angle if self.kind == "offset" else 90 + angle
        return Ellipse(centre, major * per_arcsec[0], minor * per_arcsec[1], angle=turn, **style)

    def _beam_patch(self) -> Ellipse:
        """The beam in the lower left corner."""
        major, minor, angle = self.sky.beam()
        extent = self.extent() or [-0.5, self.sky.pixels.shape[1] - 0.5, -0.5, self.sky.pixels.shape[0] - 0.5]
        corners = np.array([extent[0], extent[2]])
        span_ = np.array([extent[1] - extent[0], extent[3] - extent[2]])
        size = self.sky.offset_unit()[2]
        reach = 0.5 * major * (1 / np.array([size, size]) if self.kind == "offset" else 1 / self.sky.scale)
        centre = corners + np.sign(span_) * (reach + 0.03 * np.abs(span_))
        return self._ellipse(centre, major, minor, angle, facecolor="white", edgecolor="black", linewidth=0.8, alpha=0.85)

    def _label(self) -> None:
        axes, ink = self.axes, self.page.ink
        if self.kind == "sky":
            galactic = self.sky.wcs.wcs.lngtyp.strip() == "GLON"
            frame = FRAMES.get(self.sky.wcs.wcs.radesys.strip(), "")
            for coordinate, text in zip(axes.coords, ("Galactic longitude", "Galactic latitude") if galactic else (f"Right ascension{frame}", f"Declination{frame}")):
                coordinate.set_axislabel(text, color=ink, fontsize=12 * self.page.zoom)
                coordinate.set_ticks(number=5)
                coordinate.tick_params(direction="out", length=5 * self.page.zoom, color=ink)
                coordinate.set_ticklabel(color=ink, size=11 * self.page.zoom, exclude_overlapping=True)
                coordinate.display_minor_ticks(True)
            axes.coords.frame.set_color(ink)
            return
        symbol = self.sky.offset_unit()[1]
        labels = {"offset": (f"Relative right ascension ({symbol})", f"Relative declination ({symbol})"), "pixel": ("x (pixel)", "y (pixel)")}
        axes.set_xlabel(labels[self.kind][0], color=ink, fontsize=12 * self.page.zoom)
        axes.set_ylabel(labels[self.kind][1], color=ink, fontsize=12 * self.page.zoom)
        axes.tick_params(color=ink, labelcolor=ink, labelsize=11 * self.page.zoom, direction="out")
        for spine in axes.spines.values():
            spine.set_color(ink)

    def _colour_scale(self, shown, unit: str) -> None:
        box, ink = self.axes.get_position(), self.page.ink
        inch = 1 / self.page.total[0]
        scale = self.page.figure.add_axes([box.x1 + 0.15 * self.page.zoom * inch, box.y0, 0.22 * self.page.zoom * inch, box.height])
        bar = self.page.figure.colorbar(shown, cax=scale, ticks=ticks(shown.norm) if isinstance(shown.norm, ImageNormalize) else None)
        bar.formatter = FuncFormatter(lambda value, _: f"{value:.6g}")
        bar.update_ticks()
        bar.set_label(unit, color=ink, fontsize=12 * self.page.zoom)
        bar.ax.tick_params(color=ink, labelcolor=ink, labelsize=11 * self.page.zoom)
        bar.outline.set_edgecolor(ink)


def span(pixels: np.ndarray, minimum: float | None = None, maximum: float | None = None, percentile: float = 100.0) -> tuple[float, float]:
    """Brightness of the first and the last colour."""
    finite = pixels[np.isfinite(pixels)]
    if not len(finite):
        raise ValueError("The image has no finite pixel; there is nothing to draw.")
    low = minimum if minimum is not None else float(np.percentile(finite, 100 - percentile))
    high = maximum if maximum is not None else float(np.percentile(finite, percentile))
    if high <= low and minimum is not None and maximum is not None:
        raise ValueError(f"maximum ({maximum:g}) must be larger than minimum ({minimum:g}).")
    return (low, high) if high > low else (low, low + max(abs(low), 1e-30))


def brightness_unit(sky: SkyImage, unit: str | None = None) -> tuple[float, str]:
    """Factor for the pixels, and the unit's name with a prefix that suits the peak."""
    unit = unit if unit is not None else str(sky.header.get("BUNIT", "")).strip().replace("JY", "Jy").replace("BEAM", "beam").replace("PIXEL", "pixel")
    if not unit.startswith("Jy"):
        return 1.0, unit
    peak = float(np.nanmax(np.abs(sky.pixels)))
    size, prefix = next(((s, p) for s, p in PREFIXES if peak >= 0.1 * s), PREFIXES[-1])
    return 1 / size, prefix + unit.replace(".", " ")


def default_title(sky: SkyImage) -> str:
    """The object and the frequency, as far as the header has them; PLANE in it says that the plane is of a cube, and which."""
    frequency, axis = sky.frequency(), spectral_axis(sky.header)
    digits = 6 if "PLANE" in sky.header or axis and sky.header[f"NAXIS{axis}"] > 1 else 4  # channels are narrow
    parts = [str(sky.header.get("OBJECT", "")).strip()]
    if frequency:
        parts.append(f"{frequency / 1e9:.{digits}g} GHz" if frequency >= 1e9 else f"{frequency / 1e6:.{digits}g} MHz")
    return "   ".join(part for part in parts if part)


def ticks(norm: ImageNormalize) -> list[float]:
    """Round values for a colour scale that is not linear: 0, then 1, 2, 5 times powers of ten, not too close to each other."""
    largest = max(abs(norm.vmin), abs(norm.vmax))
    steps = [m * 10.0**e for e in range(int(np.floor(np.log10(largest))), int(np.floor(np.log10(largest))) - 6, -1) for m in (5, 2, 1)]
    chosen: list[float] = []
    for value in [0.0, *steps, *(-s for s in steps)]:
        place = float(norm(value))
        if norm.vmin <= value <= norm.vmax and all(abs(place - float(norm(other))) > 0.045 for other in chosen):
            chosen.append(value)
    return sorted(chosen)
