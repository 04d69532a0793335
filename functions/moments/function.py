"""Integrated intensity, mean velocity and velocity dispersion of a line cube (moments 0, 1 and 2).

Pixels fainter than `threshold` times their channel's noise are left out of all three. The noise of
a channel is 1.4826 times its median absolute deviation, which a line that fills less than half of
the field hardly changes. Moment 0 is in the cube's unit times km/s (Jy/beam km/s), moments 1 and 2 are in km/s;
the latter is the square root of the second central moment, as in CASA's moment 2. A picture shows all three.
"""

import os
from typing import Annotated, Literal, NamedTuple

import numpy as np
from astropy.io import fits
from fringe import File, In, Out

from cube import Cube
from sky_plot import SkyPlot, span

FRINGE = {
    "version": "1.0.3",
    "environment": "astro",
    "shape": "service",
    "cpu": 1,
    "memory": "4GiB",
    "timeout": 1800,
    "warm": {"min": 0, "max": 2, "concurrency": 1, "queue": 64, "idle": 300},
    "author": "The Fringe authors",
    "license": "Apache-2.0",
    "keywords": ["moments", "cube", "velocity", "spectral line", "FITS"],
    "citation": "2022ApJ...935..167A The Astropy Project: Sustaining and Growing a Community-oriented Open-source Project",
    "example": {"cube": {"class": "File", "location": "demo:line-cube.fits"}, "threshold": 4.0},
}


class Outputs(NamedTuple):
    """What moments gives."""

    moment0: Annotated[File, Out(doc="Integrated intensity, Jy/beam km/s", format="image/fits")]
    moment1: Annotated[File, Out(doc="Mean velocity, km/s", format="image/fits")]
    moment2: Annotated[File, Out(doc="Velocity dispersion, km/s", format="image/fits")]
    picture: Annotated[File, Out(doc="The three images", format="image/png")]
    noise: Annotated[float, Out(unit="Jy/beam", doc="Median over the channels of the noise, in the cube's unit")]
    flux: Annotated[float | None, Out(unit="Jy.km/s", doc="Sum of moment 0 over the field, when the cube is in Jy/beam and has a beam")]


def main(
    cube: Annotated[File, In(doc="FITS cube with a spectral axis", format="image/fits")],
    threshold: Annotated[float, In(minimum=0, doc="Faintest pixel used, in units of its channel's noise; 0 uses all")] = 3.0,
    velocity: Annotated[Literal["radio", "optical", "relativistic"], In(doc="Definition of the velocity")] = "radio",
    velocity_min: Annotated[float | None, In(unit="km/s", doc="Least velocity used")] = None,
    velocity_max: Annotated[float | None, In(unit="km/s", doc="Largest velocity used")] = None,
    rest_frequency: Annotated[float | None, In(unit="Hz", exclusive_minimum=0, doc="Rest frequency of the line; that of the header when absent")] = None,
    polarization: Annotated[int, In(minimum=0, doc="Plane along the Stokes axis")] = 0,
) -> Outputs:
    """Make moments 0, 1 and 2."""
    line = Cube.read(cube.path, rest_frequency, polarization)
    used = line.channels(velocity, velocity_min, velocity_max)
    noise = line.noise(used)
    zero, first, second = _moments(line.data[used], line.axis(velocity), used, threshold * noise)
    if not np.isfinite(first).any():
        raise ValueError(f"No pixel is brighter than {threshold:g} times its channel's noise ({np.nanmedian(noise):.3g} {line.unit}).")
    unit = f"{line.unit}.km/s" if line.unit else "km/s"
    root = os.path.splitext(os.path.basename(cube.path))[0]
    names = []
    for number, pixels in enumerate((zero, first, second)):
        header = line.plane_header(unit if number == 0 else "km/s")
        header.add_history(f"fringe moments {FRINGE['version']}: moment {number}, {velocity} velocity, threshold {threshold:g}, channels {used.start} to {used.stop - 1}")
        names.append(f"{root}-moment{number}.fits")
        fits.PrimaryHDU(pixels.astype(np.float32), header).writeto(names[-1], overwrite=True)
    picture = root + "-moments.png"
    _draw(line, (zero, first, second), velocity, picture)
    area = line.plane(zero).beam_area()
    flux = float(np.nansum(zero) / area) if line.unit == "Jy/beam" and area else None
    return Outputs(*map(File, names), File(picture), float(np.nanmedian(noise)), flux)


def _moments(planes: np.ndarray, velocities: np.ndarray, used: slice, faintest: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The three images, by sums over one plane after another."""
    widths = np.abs(np.gradient(velocities)) if len(velocities) > 1 else np.ones(1)
    velocities, widths = velocities[used], widths[used]
    middle = velocities.mean()  # sums of differences from it keep their digits
    sums = np.zeros((3,) + planes.shape[1:])
    for plane, v, width, least in zip(planes, velocities, widths, faintest):
        value = np.where(np.isfinite(plane) & ((plane > least) | (least == 0)), plane, 0).astype(float) * width
        for power in range(3):
            sums[power] += value * (v - middle) ** power
    seen = sums[0] > 0
    with np.errstate(invalid="ignore", divide="ignore"):
        first = np.where(seen, sums[1] / sums[0], np.nan)
        second = np.where(seen, np.sqrt(np.maximum(sums[2] / sums[0] - first**2, 0)), np.nan)
    return sums[0], first + middle, second


def _draw(line: Cube, images: tuple[np.ndarray, ...], velocity: str, name: str) -> None:
    page = SkyPlot(800, panels=3)
    zero, first, second = images
    title = str(line.header.get("OBJECT", "")).strip()
    bright = zero > 0.1 * np.nanmax(zero)  # what sets the colours of the others: not single pixels of noise
    page.image(line.plane(zero), colors="inferno", title=" ".join(filter(None, (title, "integrated intensity"))), unit=f"{line.unit} km/s")
    page.image(line.plane(first), colors="RdBu_r", limits=span(first[bright], percentile=99.5), unit=f"km/s, {velocity}", title="mean velocity")
    page.image(line.plane(second), colors="viridis", limits=span(second[bright], minimum=0.0, percentile=99.5), unit="km/s", title="velocity dispersion")
    page.save(name)
