"""Statistics of an image or of a circle in it: noise, peak, flux density, beam, dynamic range.

The noise is told twice: the standard deviation of all pixels, and 1.4826 times their
median absolute deviation, which sources that fill little of the region hardly change. The flux density is the sum of the
pixels over the beam's area when the image is in Jy/beam. The dynamic range is the peak over
the noise of the second kind in the whole image. A picture shows the region and the histogram of its pixels.
"""

import os
from typing import Annotated, NamedTuple

import numpy as np
from astropy.coordinates import SkyCoord
from fringe import File, In, Out
from matplotlib.ticker import NullLocator
from scipy.stats import norm

from sky_image import SkyImage
from sky_plot import LEFT, PREFIXES, SkyPlot, brightness_unit, span

FRINGE = {
    "version": "1.0.3",
    "environment": "astro",
    "shape": "service",
    "cpu": 1,
    "memory": "2GiB",
    "timeout": 300,
    "warm": {"min": 0, "max": 2, "concurrency": 1, "queue": 64, "idle": 300},
    "author": "The Fringe authors",
    "license": "Apache-2.0",
    "keywords": ["image", "statistics", "noise", "flux density", "dynamic range"],
    "citation": "2022ApJ...935..167A The Astropy Project: Sustaining and Growing a Community-oriented Open-source Project",
    "example": {"image": {"class": "File", "location": "demo:m87-jet.fits"}},
}


class Outputs(NamedTuple):
    """What image-stats gives; brightness is in the unit of the image."""

    unit: Annotated[str, Out(doc="Unit of the image")]
    pixels: Annotated[int, Out(doc="Finite pixels of the region")]
    blank: Annotated[int, Out(doc="Blank pixels of the region")]
    minimum: Annotated[float, Out(ucd="phot.flux.density;stat.min", doc="Smallest brightness")]
    peak: Annotated[float, Out(ucd="phot.flux.density;stat.max", doc="Largest brightness")]
    peak_x: Annotated[int, Out(unit="pixel", doc="Where it is, from 0")]
    peak_y: Annotated[int, Out(unit="pixel", doc="Where it is, from 0")]
    peak_ra: Annotated[float | None, Out(unit="deg", ucd="pos.eq.ra", doc="Where it is, ICRS")]
    peak_dec: Annotated[float | None, Out(unit="deg", ucd="pos.eq.dec", doc="Where it is, ICRS")]
    mean: Annotated[float, Out(ucd="phot.flux.density;stat.mean", doc="Mean")]
    median: Annotated[float, Out(ucd="phot.flux.density;stat.median", doc="Median")]
    deviation: Annotated[float, Out(ucd="stat.stdev", doc="Standard deviation")]
    rms: Annotated[float, Out(doc="Root of the mean square")]
    noise: Annotated[float, Out(ucd="instr.det.noise", doc="1.4826 times the median absolute deviation")]
    sum: Annotated[float, Out(doc="Sum of the pixels")]
    flux: Annotated[float | None, Out(unit="Jy", ucd="phot.flux.density", doc="Flux density of the region")]
    flux_error: Annotated[float | None, Out(unit="Jy", ucd="stat.error;phot.flux.density", doc="Its error from the whole image's noise: that of a beam times the root of the number of beams")]
    dynamic_range: Annotated[float | None, Out(doc="Peak over the whole image's noise")]
    beam_major: Annotated[float | None, Out(unit="arcsec", doc="Major axis of the beam, FWHM")]
    beam_minor: Annotated[float | None, Out(unit="arcsec", doc="Minor axis of the beam, FWHM")]
    beam_angle: Annotated[float | None, Out(unit="deg", ucd="pos.posAng", doc="Position angle of the beam")]
    beam_area: Annotated[float | None, Out(unit="pixel", doc="Pixels in the beam")]
    picture: Annotated[File, Out(doc="The region and the histogram of its pixels", format="image/png")]


def main(
    image: Annotated[File, In(doc="FITS image of two to four dimensions", format="image/fits")],
    ra: Annotated[float | None, In(unit="deg", ucd="pos.eq.ra", minimum=-360, maximum=360, doc="Right ascension of the circle's centre, ICRS; the whole image when absent")] = None,
    dec: Annotated[float | None, In(unit="deg", ucd="pos.eq.dec", minimum=-90, maximum=90, doc="Declination of the circle's centre, ICRS")] = None,
    radius: Annotated[float | None, In(unit="arcsec", exclusive_minimum=0, doc="Radius of the circle")] = None,
    channel: Annotated[int, In(minimum=0, doc="Plane along the frequency axis")] = 0,
    polarization: Annotated[int, In(minimum=0, doc="Plane along the Stokes axis")] = 0,
) -> Outputs:
    """Measure an image."""
    sky = SkyImage.read(image.path, channel, polarization)
    if len({value is None for value in (ra, dec, radius)}) > 1:
        raise ValueError("A circle has ra, dec and radius; give all three or none.")
    within = np.ones(sky.pixels.shape, bool) if ra is None else _circle(sky, SkyCoord(ra, dec, unit="deg"), radius)
    good = within & np.isfinite(sky.pixels)
    if not good.any():
        raise ValueError("The region has no finite pixel.")
    values = sky.pixels[good]
    y, x = np.unravel_index(np.argmax(np.where(good, sky.pixels, -np.inf)), sky.pixels.shape)
    place = sky.wcs.pixel_to_world(x, y).icrs if sky.wcs is not None else None
    noise, area, beam = sky.noise(), sky.beam_area(), sky.beam() or (None, None, None)
    unit = str(sky.header.get("BUNIT", "")).strip()
    in_beams = unit.lower() == "jy/beam" and area is not None
    picture = os.path.splitext(os.path.basename(image.path))[0] + "-stats.png"
    _draw(sky, within, values, picture)
    median = float(np.median(values))
    return Outputs(
        unit, int(good.sum()), int((within & ~good).sum()), float(values.min()), float(values.max()), int(x), int(y),
        float(place.ra.deg) if place else None, float(place.dec.deg) if place else None, float(values.mean()), median, float(values.std()),
        float(np.sqrt((values**2).mean())), float(1.4826 * np.median(np.abs(values - median))), float(values.sum()),
        float(values.sum() / area) if in_beams else None, float(noise * np.sqrt(max(good.sum() / area, 1))) if in_beams else None,
        float(values.max() / noise) if noise > 0 else None, *beam, area, File(picture))


def _circle(sky: SkyImage, centre: SkyCoord, radius: float) -> np.ndarray:
    if sky.wcs is None:
        raise ValueError("The image has no celestial coordinates; a circle on the sky has no meaning.")
    y, x = np.indices(sky.pixels.shape)
    within = sky.wcs.pixel_to_world(x, y).separation(centre).arcsec <= radius
    if not within.any():
        raise ValueError(f"No pixel of the image has its centre within {radius:g} arcsec of {centre.to_string('hmsdms')}.")
    return within


def _draw(sky: SkyImage, within: np.ndarray, values: np.ndarray, name: str) -> None:
    page = SkyPlot(800, panels=2)
    panel = page.image(sky, stretch="asinh", limits=span(sky.pixels, percentile=99.95))
    if not within.all():
        panel.axes.contour(within, [0.5], colors="white", linewidths=1.2, extent=panel.extent(), origin="lower")
    box = panel.axes.get_position()
    plot = page.figure.add_axes([(page.inches + LEFT * page.zoom) / page.total[0], box.y0, box.width, box.height])
    factor, unit = brightness_unit(sky)
    middle = np.median(values)
    noise = 1.4826 * np.median(np.abs(values - middle)) or values.std() or 1.0
    # Bins of equal width near the median, which grow with the distance from it.
    edges = middle + noise * np.sinh(np.linspace(*np.arcsinh((np.array([values.min(), values.max()]) - middle) / noise), 81))
    edges[0], edges[-1] = values.min(), values.max()
    counts, edges = np.histogram(values, np.unique(edges))
    plot.stairs(counts, edges * factor, fill=True, color="#7aa6d8")
    expected = values.size * np.diff(norm.cdf(edges, middle, noise))
    plot.plot((edges[1:] + edges[:-1]) / 2 * factor, expected, color="#b5442d", linewidth=1.3, label=f"Gaussian of the noise, {_readable(noise, unit, factor)}")
    plot.legend(frameon=False, fontsize=11 * page.zoom, loc="upper right")
    plot.set_xscale("asinh", linear_width=3 * noise * factor)
    plot.set_xticks(_ticks(edges[0] * factor, edges[-1] * factor, 2 * noise * factor))
    plot.xaxis.set_major_formatter(lambda value, _: f"{value:.4g}")
    plot.xaxis.set_minor_locator(NullLocator())
    plot.set_yscale("log")
    plot.set_ylim(0.5, 4 * max(counts.max(), 1))
    plot.set_xlabel(f"Brightness ({unit})" if unit else "Brightness", fontsize=12 * page.zoom)
    plot.set_ylabel("Pixels in a bin", fontsize=12 * page.zoom)
    plot.set_title("histogram", fontsize=14 * page.zoom, pad=10 * page.zoom)
    plot.tick_params(which="both", direction="in", top=True, right=True, labelsize=11 * page.zoom)
    page.save(name)


def _ticks(low: float, high: float, least: float) -> list[float]:
    """0 and 1, 2, 5 times powers of ten on both sides, from `least` on; over many decades the powers alone."""
    largest = max(abs(low), abs(high), 1.5 * least)
    powers = 10.0 ** np.arange(np.floor(np.log10(least)), np.ceil(np.log10(largest)) + 1)
    steps = powers if largest > 300 * least else np.outer(powers, (1, 2, 5)).ravel()
    return [float(v) for v in (*-steps[::-1], 0.0, *steps) if low <= v <= high and (v == 0 or abs(v) >= least)]


def _readable(noise: float, unit: str, factor: float) -> str:
    """The noise with a prefix that suits it."""
    if "Jy" not in unit:
        return f"{noise * factor:.3g} {unit}".strip()
    size, prefix = next(((s, p) for s, p in PREFIXES if noise >= s), PREFIXES[-1])
    return f"{noise / size:.3g} {prefix}{unit[unit.index('Jy'):]}"
