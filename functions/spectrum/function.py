"""Extract a spectrum from a cube at a position or in a region.

At a position the spectrum is that of the pixel there; in a region it is the flux density
(the sum, in Jy when the cube is in Jy/beam and has a beam) or the mean. Without a position it is
that of the brightest pixel. The spectral axis of the table has frequency, wavelength and, where a
rest frequency is known, velocity; the plot is over the one that is asked for. The noise is from the differences
between neighbouring channels, so that a line does not count.
"""

import os
from typing import Annotated, Literal, NamedTuple

import numpy as np
from astropy.coordinates import SkyCoord
from astropy.io.votable import from_table
from astropy.table import Table
from fringe import File, In, Out
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from cube import AXES, Cube

FRINGE = {
    "version": "1.0.2",
    "environment": "astro",
    "shape": "service",
    "cpu": 1,
    "memory": "4GiB",
    "timeout": 600,
    "warm": {"min": 0, "max": 2, "concurrency": 1, "queue": 64, "idle": 300},
    "author": "The Fringe authors",
    "license": "Apache-2.0",
    "keywords": ["spectrum", "cube", "spectral line", "extraction", "VOTable"],
    "citation": "2022ApJ...935..167A The Astropy Project: Sustaining and Growing a Community-oriented Open-source Project",
    "example": {"cube": {"class": "File", "location": "demo:line-cube.fits"}, "ra": 230.5, "dec": 5.0, "radius": 300.0, "axis": "radio"},
}
NOISE = 1.4826 / np.sqrt(2)  # median absolute difference of neighbours to standard deviation


class Outputs(NamedTuple):
    """What spectrum gives."""

    table: Annotated[File, Out(doc="The spectrum as a VOTable", format="application/x-votable+xml")]
    picture: Annotated[File, Out(doc="The spectrum as a plot", format="image/png")]
    ra: Annotated[float, Out(unit="deg", ucd="pos.eq.ra", doc="Where it is, ICRS")]
    dec: Annotated[float, Out(unit="deg", ucd="pos.eq.dec", doc="Where it is, ICRS")]
    unit: Annotated[str, Out(doc="Unit of the spectrum")]
    peak: Annotated[float, Out(doc="Largest value, in that unit")]
    peak_frequency: Annotated[float, Out(unit="Hz", ucd="em.freq", doc="Where it is largest")]
    noise: Annotated[float, Out(doc="Standard deviation of a channel, in that unit")]
    line_flux: Annotated[float | None, Out(unit="Jy.km/s", doc="Integral over radio velocity of a spectrum in Jy, when a rest frequency is known")]


def main(
    cube: Annotated[File, In(doc="FITS cube with a spectral axis", format="image/fits")],
    ra: Annotated[float | None, In(unit="deg", ucd="pos.eq.ra", minimum=-360, maximum=360, doc="Right ascension of the place, ICRS; the brightest pixel when absent")] = None,
    dec: Annotated[float | None, In(unit="deg", ucd="pos.eq.dec", minimum=-90, maximum=90, doc="Declination of the place, ICRS")] = None,
    radius: Annotated[float | None, In(unit="arcsec", exclusive_minimum=0, doc="Radius of the region; the one pixel when absent")] = None,
    statistic: Annotated[Literal["sum", "mean"], In(doc="Flux density of the region, or its mean brightness")] = "sum",
    axis: Annotated[Literal["auto", "frequency", "wavelength", "radio", "optical", "relativistic", "channel"], In(doc="Axis of the plot; auto is radio velocity where a rest frequency is known")] = "auto",
    rest_frequency: Annotated[float | None, In(unit="Hz", exclusive_minimum=0, doc="Rest frequency of the line; that of the header when absent")] = None,
    polarization: Annotated[int, In(minimum=0, doc="Plane along the Stokes axis")] = 0,
    width: Annotated[int, In(unit="pixel", minimum=300, maximum=8000, doc="Width of the plot")] = 1000,
) -> Outputs:
    """Extract a spectrum."""
    line = Cube.read(cube.path, rest_frequency, polarization)
    if (ra is None) != (dec is None):
        raise ValueError("A place has both ra and dec; one of them is missing.")
    place = _brightest(line) if ra is None else SkyCoord(ra, dec, unit="deg")
    values, unit = _extract(line, place, radius, statistic)
    if not np.isfinite(values).any():
        raise ValueError("The cube has no finite pixel there.")
    kind = ("radio" if line.rest else "frequency") if axis == "auto" else axis
    root = os.path.splitext(os.path.basename(cube.path))[0]
    table, picture = root + "-spectrum.vot", root + "-spectrum.png"
    _write(line, values, unit, table)
    title = f"{str(line.header.get('OBJECT', '')).strip()}  {place.to_string('hmsdms', precision=1)}" + (f"  radius {radius:g}″" if radius else "")
    _draw(line.axis(kind), values, (AXES[kind][1], unit), title.strip(), picture, width)
    finite = np.flatnonzero(np.isfinite(values))
    peak = finite[np.argmax(values[finite])]
    noise = float(NOISE * np.median(np.abs(np.diff(values[finite])))) if len(finite) > 1 else 0.0
    flux = float(np.nansum(values * np.abs(np.gradient(line.axis("radio"))))) if unit == "Jy" and line.rest and len(values) > 1 else None
    return Outputs(File(table), File(picture), float(place.ra.deg), float(place.dec.deg), unit, float(values[peak]), float(line.frequencies[peak]), noise, flux)


def _brightest(line: Cube) -> SkyCoord:
    """Place of the brightest pixel of all channels."""
    best = max(((np.nanmax(plane), n) for n, plane in enumerate(line.data) if np.isfinite(plane).any()), default=None)
    if best is None:
        raise ValueError("The cube has no finite pixel.")
    y, x = np.unravel_index(np.nanargmax(line.data[best[1]]), line.data.shape[1:])
    return line.wcs.pixel_to_world(x, y).icrs


def _extract(line: Cube, place: SkyCoord, radius: float | None, statistic: str) -> tuple[np.ndarray, str]:
    """The spectrum and its unit."""
    x, y = (float(v) for v in line.wcs.world_to_pixel(place))
    height, width = line.data.shape[1:]
    if not (np.isfinite([x, y]).all() and -0.5 <= x < width - 0.5 and -0.5 <= y < height - 0.5):
        raise ValueError(f"The place {place.to_string('hmsdms')} is outside of the cube.")
    if radius is None:
        return np.asarray(line.data[:, int(y + 0.5), int(x + 0.5)], float), line.unit
    sky = line.plane(np.zeros((1, 1)))
    reach = radius / sky.scale
    low, high = np.maximum([x, y] - reach, 0).astype(int), np.minimum([x, y] + reach + 1.5, [width, height]).astype(int)
    j, i = np.mgrid[low[1] : high[1], low[0] : high[0]]
    within = line.wcs.pixel_to_world(i, j).separation(place).arcsec <= radius
    if not within.any():
        raise ValueError(f"No pixel has its centre within {radius:g} arcsec of the place; a pixel has {sky.scale[0]:g} arcsec.")
    pixels = np.asarray(line.data[:, low[1] : high[1], low[0] : high[0]], float)[:, within]
    if statistic == "mean":
        return np.nanmean(pixels, 1), line.unit
    area = sky.beam_area()
    if line.unit == "Jy/beam" and area is None:
        raise ValueError("The cube is in Jy/beam and has no beam (BMAJ, BMIN); a flux density has no meaning, ask for the mean.")
    total = np.where(np.isfinite(pixels).any(1), np.nansum(pixels, 1), np.nan)
    return (total / area, "Jy") if line.unit == "Jy/beam" else (total, f"{line.unit} pixel".strip())


def _write(line: Cube, values: np.ndarray, unit: str, name: str) -> None:
    table = Table()
    ucds = {"frequency": "em.freq", "wavelength": "em.wl", "radio": "spect.dopplerVeloc.radio", "optical": "spect.dopplerVeloc.opt", "channel": "meta.number", "relativistic": "spect.dopplerVeloc"}
    for kind, (symbol, label, needs_rest) in AXES.items():
        if not needs_rest or line.rest:
            name_ = f"velocity_{kind}" if needs_rest else kind
            table[name_] = line.axis(kind)
            table[name_].unit, table[name_].description, table[name_].meta["ucd"] = symbol or None, label, ucds[kind]
    table["value"] = values
    table["value"].unit, table["value"].description, table["value"].meta["ucd"] = unit or None, "Brightness or flux density", "phot.flux.density"
    document = from_table(table)
    for field in document.get_first_table().fields:
        field.ucd = table[field.name].meta.get("ucd")
    document.to_xml(name)


def _draw(x: np.ndarray, y: np.ndarray, labels: tuple[str, str], title: str, name: str, width: int) -> None:
    figure = Figure(figsize=(width / 100, width / 160), dpi=100, layout="constrained")
    FigureCanvasAgg(figure)
    plot = figure.add_subplot()
    large = np.nanmax(np.abs(y))
    factor, prefix = next(((f, p) for f, p in ((1, ""), (1e3, "m"), (1e6, "µ")) if large * f >= 0.1), (1e6, "µ")) if labels[1].startswith("Jy") and large > 0 else (1, "")
    plot.step(x, y * factor, where="mid", color="#1f5fa8", linewidth=1.3)
    plot.axhline(0, color="0.6", linewidth=0.8)
    plot.set_xlabel(labels[0], fontsize=12)
    plot.set_ylabel(("Flux density" if labels[1] == "Jy" else "Brightness") + (f" ({prefix}{labels[1]})" if labels[1] else ""), fontsize=12)
    plot.set_title(title, fontsize=13)
    plot.margins(x=0.01)
    plot.ticklabel_format(axis="x", useOffset=False)
    plot.minorticks_on()
    plot.tick_params(which="both", direction="in", top=True, right=True, labelsize=11)
    figure.savefig(name)
