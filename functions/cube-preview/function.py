"""Look at a cube: channel maps, a position-velocity cut, and an animation.

The channel maps show evenly spaced channels in one scale of colours. The cut is along a line through a
place at a position angle, averaged over its width, also as a FITS image. The animation goes
through the channels. Without a place the cut goes through the brightest pixel; without an angle, along the
long axis of the emission around it.
"""

import os
from typing import Annotated, Literal, NamedTuple

import numpy as np
from astropy.coordinates import SkyCoord
from astropy.io import fits
from fringe import File, In, Out, progress

import pictures
from cube import AXES, Cube
from cut import Cut, long_axis

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
    "keywords": ["cube", "channel maps", "position-velocity", "animation", "preview", "PNG", "GIF"],
    "citation": "2022ApJ...935..167A The Astropy Project: Sustaining and Growing a Community-oriented Open-source Project; "
                "2007CSE.....9...90H Matplotlib: A 2D Graphics Environment",
    "example": {"cube": {"class": "File", "location": "demo:line-cube.fits"}, "panels": 9},
}


class Outputs(NamedTuple):
    """What cube-preview gives."""

    channel_maps: Annotated[File, Out(doc="Channel maps", format="image/png")]
    position_velocity: Annotated[File, Out(doc="The cut as a picture", format="image/png")]
    position_velocity_fits: Annotated[File, Out(doc="The cut as an image: offset by the spectral axis", format="image/fits")]
    animation: Annotated[File, Out(doc="The channels one after another", format="image/gif")]


def main(
    cube: Annotated[File, In(doc="FITS cube with a spectral axis", format="image/fits")],
    panels: Annotated[int, In(minimum=1, maximum=64, doc="Channel maps shown, at most")] = 12,
    axis: Annotated[Literal["auto", "frequency", "wavelength", "radio", "optical", "relativistic", "channel"], In(doc="Spectral axis; auto is radio velocity where a rest frequency is known")] = "auto",
    axis_min: Annotated[float | None, In(doc="First place shown on that axis, in GHz, m or km/s")] = None,
    axis_max: Annotated[float | None, In(doc="Last place shown on that axis")] = None,
    ra: Annotated[float | None, In(unit="deg", ucd="pos.eq.ra", minimum=-360, maximum=360, doc="Right ascension of the cut's centre, ICRS; the brightest pixel when absent")] = None,
    dec: Annotated[float | None, In(unit="deg", ucd="pos.eq.dec", minimum=-90, maximum=90, doc="Declination of the cut's centre, ICRS")] = None,
    angle: Annotated[float | None, In(unit="deg", ucd="pos.posAng", doc="Position angle of the cut, from north through east; the long axis of the emission when absent")] = None,
    length: Annotated[float | None, In(unit="arcsec", exclusive_minimum=0, doc="Length of the cut; the field's height when absent")] = None,
    width: Annotated[float, In(unit="arcsec", minimum=0, doc="Width that the cut is averaged over; 0 is a line")] = 0.0,
    rest_frequency: Annotated[float | None, In(unit="Hz", exclusive_minimum=0, doc="Rest frequency of the line; that of the header when absent")] = None,
    polarization: Annotated[int, In(minimum=0, doc="Plane along the Stokes axis")] = 0,
    colors: Annotated[Literal["inferno", "afmhot", "viridis", "magma", "cividis", "cubehelix", "gray", "gray_r", "RdBu_r"], In(doc="Colour map")] = "inferno",
    frames: Annotated[int, In(minimum=2, maximum=200, doc="Frames of the animation, at most")] = 60,
    rate: Annotated[float, In(unit="Hz", exclusive_minimum=0, maximum=50, doc="Frames in a second")] = 8.0,
) -> Outputs:
    """Look at a cube."""
    line = Cube.read(cube.path, rest_frequency, polarization)
    if (ra is None) != (dec is None):
        raise ValueError("A place has both ra and dec; one of them is missing.")
    kind = ("radio" if line.rest else "frequency") if axis == "auto" else axis
    shown = line.channels(kind, axis_min, axis_max)
    planes, places = line.data[shown], line.axis(kind)[shown]
    brightest = np.full(planes.shape[1:], -np.inf)
    for plane in planes:
        np.fmax(brightest, plane, out=brightest)
    brightest[~np.isfinite(brightest)] = np.nan
    if not np.isfinite(brightest).any():
        raise ValueError("The channels have no finite pixel; there is nothing to show.")
    limits = (-2 * float(np.nanmedian(line.noise(shown))), float(np.nanmax(brightest)))
    root = os.path.splitext(os.path.basename(cube.path))[0]
    names = [root + end for end in ("-channels.png", "-pv.png", "-pv.fits", ".gif")]
    sky = line.plane(brightest)
    labels = [f"{place:.{_digits(places)}f} {AXES[kind][0]}".strip() for place in places]
    pictures.channel_maps(sky, planes, labels, panels, limits, colors, names[0])
    progress(0.4, "channel maps")
    centre = sky.peak() if ra is None else np.array(line.wcs.world_to_pixel(SkyCoord(ra, dec, unit="deg")), float)
    turn = angle if angle is not None else long_axis(sky, centre, 3 * abs(limits[0]) / 2)
    cut = Cut(sky, centre, turn, length or float(sky.scale[1] * sky.pixels.shape[0]), width)
    image = cut.through(planes)
    _write(line, cut, image, kind, places, names[2])
    pictures.cut(cut, image, places, (AXES[kind][1], line.unit), colors, names[1])
    progress(0.6, "position-velocity cut")
    pictures.animation(sky, planes, labels, dict(limits=limits, colors=colors, frames=frames, rate=rate), names[3])
    return Outputs(*map(File, names))


def _digits(places: np.ndarray) -> int:
    """Digits after the point that tell neighbouring channels apart."""
    step = np.abs(np.diff(places)).min() if len(places) > 1 else 1.0
    return int(np.clip(np.ceil(-np.log10(step)) + 1, 0, 9)) if step > 0 and step < 10 else 0


def _write(line: Cube, cut: Cut, image: np.ndarray, kind: str, places: np.ndarray, name: str) -> None:
    header = fits.Header()
    step = places[1] - places[0] if len(places) > 1 else 1.0
    types = {"frequency": "FREQ", "wavelength": "WAVE", "radio": "VRAD", "optical": "VOPT", "relativistic": "VELO", "channel": "CHANNEL"}
    header.update(CTYPE1="OFFSET", CUNIT1="arcsec", CRVAL1=cut.offsets[0], CRPIX1=1.0, CDELT1=cut.step, BUNIT=line.unit,
                  CTYPE2=types[kind], CUNIT2=AXES[kind][0], CRVAL2=places[0], CRPIX2=1.0, CDELT2=step)
    if line.rest:
        header["RESTFRQ"] = line.rest
    header.add_history(f"fringe cube-preview {FRINGE['version']}: cut at position angle {cut.angle:g} deg, width {cut.width:g} arcsec")
    fits.PrimaryHDU(image.astype(np.float32), header).writeto(name, overwrite=True)
