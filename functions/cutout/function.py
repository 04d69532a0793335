"""Cut a part out of an image or cube: a circle, a polygon or a range on the sky, a band, polarizations.

The part has the pixels of the image as they are, without resampling, and coordinates that give each
the same place as before. It is the smallest box of pixels that holds the region; outside of a
polygon pixels are blank. Positions are ICRS and are turned into the image's own frame. The band is of
vacuum wavelengths, whatever the cube's spectral axis is in; channels that overlap it are kept, and the
axis's own frame of rest (SPECSYS) is taken as it is. Only the part is read from the
file, whatever the file's size. Nothing is given when the region is outside of the image.

The same parameters as of IVOA SODA 1.0, which the site serves beside it.
"""

import math
import os
from typing import Annotated, Literal, NamedTuple

import numpy as np
from fringe import File, In, Out

import region
import source
import spectral

FRINGE = {
    "version": "1.1.1",
    "environment": "astro",
    "shape": "service",
    "cpu": 1,
    "memory": "2GiB",
    "timeout": 120,
    "warm": {"min": 0, "max": 4, "concurrency": 1, "idle": 900},
    "author": "The Fringe authors",
    "license": "Apache-2.0",
    "keywords": ["cutout", "SODA", "subimage", "image", "cube", "FITS"],
    "citation": "2017ivoa.spec.0517B IVOA Server-side Operations for Data Access 1.0; "
                "2022ApJ...935..167A The Astropy Project: Sustaining and Growing a Community-oriented Open-source Project",
    "example": {"image": {"class": "File", "location": "demo:m87-jet.fits"}, "circle": [187.70593, 12.39112, 0.000005]},
}


class Outputs(NamedTuple):
    """What cutout gives."""

    cutout: Annotated[File | None, Out(doc="The part; null when the region is outside of the image", format="image/fits")]
    preview: Annotated[File | None, Out(doc="A picture of the part, of a cube of its brightest plane, when asked for", format="image/png")]


def main(
    image: Annotated[File, In(doc="FITS image or cube, its first axes on the sky", format="image/fits")],
    circle: Annotated[list[float] | None, In(unit="deg", ucd="pos.outline;obs", doc="Right ascension, declination and radius")] = None,
    polygon: Annotated[list[float] | None, In(unit="deg", ucd="pos.outline;obs", doc="Right ascension and declination of each corner")] = None,
    range: Annotated[list[float] | None, In(unit="deg", ucd="pos.outline;obs", doc="Least and largest right ascension, least and largest declination; through 0 when the first is larger than the second")] = None,
    band_min: Annotated[float | None, In(unit="m", ucd="em.wl;stat.min", minimum=0, doc="Shortest vacuum wavelength; unbounded when absent")] = None,
    band_max: Annotated[float | None, In(unit="m", ucd="em.wl;stat.max", exclusive_minimum=0, doc="Longest vacuum wavelength; unbounded when absent")] = None,
    pol: Annotated[list[Literal["I", "Q", "U", "V", "RR", "LL", "RL", "LR", "XX", "YY", "XY", "YX"]] | None, In(ucd="meta.code;phys.polarization", doc="Polarizations; all when absent")] = None,
    mask: Annotated[bool | None, In(doc="Blank the pixels outside of the region; when absent, those outside of a polygon")] = None,
    preview: Annotated[bool, In(doc="Draw a picture too; it takes a hundred times as long as the part")] = False,
) -> Outputs:
    """Cut out a part."""
    found = source.of(image.path)
    outline, centre = _outline(circle, polygon, range)
    part = [slice(0, size) for size in found.shape]
    blank = None
    if outline is not None:
        pixels, whole = region.to_pixels(outline, centre, found.wcs, found.frame)
        corner = _box(pixels, whole, found.shape)
        if corner is None:
            return Outputs(None, None)
        (x0, y0), (x1, y1) = corner
        part[-2:] = slice(y0, y1), slice(x0, x1)
        if polygon is not None if mask is None else mask:
            if not whole:
                raise ValueError("A part of the region is beyond what the image's projection can show; ask without mask, or for a smaller region.")
            blank = region.inside(pixels, *corner)
            if not blank.any():
                return Outputs(None, None)
    if band_min is not None or band_max is not None:
        channels = _channels(found, band_min or 0.0, math.inf if band_max is None else band_max)
        if channels is None:
            return Outputs(None, None)
        part[-found.spectral] = slice(*channels)
    if pol:
        axis, planes = _planes(found, pol)
        if planes is None:
            return Outputs(None, None)
        part[-axis] = planes
    name = os.path.splitext(os.path.basename(image.path))[0] + "-cutout.fits"
    asked = dict(circle=circle, polygon=polygon, range=range, band=[band_min, band_max] if band_min or band_max else None, pol=pol)
    history = f"fringe cutout {FRINGE['version']}: " + "; ".join(f"{k} {v}" for k, v in asked.items() if v)
    found.write(image.path, tuple(part), blank, history, name)
    return Outputs(File(name), _picture(name) if preview else None)


def _picture(part: str) -> File | None:
    import preview  # here, so that calls without a picture do not wait

    name = os.path.splitext(part)[0] + ".png"
    return File(name) if preview.draw(name, part) else None


def _outline(circle, polygon, box) -> tuple[np.ndarray | None, np.ndarray | None]:
    """The outline of the one region that was given, and its centre."""
    if sum(r is not None for r in (circle, polygon, box)) > 1:
        raise ValueError("Of circle, polygon and range only one can be given; ask for each in a call of its own.")
    for name, given, size in (("circle", circle, 3), ("range", box, 4)):
        if given is not None and len(given) != size:
            raise ValueError(f"A {name} has {size} numbers; {len(given)} were given.")
    if circle is not None:
        _check(circle[1:2])
        if not 0 < circle[2] <= 180:
            raise ValueError(f"The radius of a circle is in degrees, above 0 and at most 180; {circle[2]:g} was given.")
        return region.circle(*circle), np.array(circle[:2])
    if polygon is not None:
        _check(polygon[1::2])
        outline = region.polygon(polygon)
        return outline, outline[0]
    if box is not None:
        _check(box[2:])
        return region.box(box), np.array([np.mean(box[:2]), np.mean(box[2:])])
    return None, None


def _check(latitudes: list[float]) -> None:
    if any(abs(latitude) > 90 for latitude in latitudes):
        raise ValueError("A declination is between -90 and 90 degrees.")


def _box(pixels: np.ndarray, whole: bool, shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray] | None:
    """Corners (x, y) of the box of pixels that the outline's own box overlaps, the second one not in it; None without overlap.

    Of an outline that the projection shows in part nothing is known but that it may hold everything.
    """
    size = np.array(shape[:-3:-1])
    if not whole:
        return (np.zeros(2, int), size) if len(pixels) else None
    low = np.maximum(np.floor(pixels.min(0) + 0.5), 0).astype(int)
    high = np.minimum(np.floor(pixels.max(0) + 0.5) + 1, size).astype(int)
    return (low, high) if (low < high).all() else None


def _channels(found: source.Source, low: float, high: float) -> tuple[int, int] | None:
    if low > high:
        raise ValueError(f"The band begins at {low:g} m, beyond its end at {high:g} m.")
    if found.spectral is None:
        raise ValueError("The image has no spectral axis; a band has no meaning.")
    return spectral.channels(found.edges(), low, high)


def _planes(found: source.Source, wanted: list[str]) -> tuple[int, slice | None]:
    """Number of the polarization axis and its planes that are wanted."""
    axis, names = found.polarizations()
    if axis is None:
        raise ValueError("The image has no polarization axis.")
    planes = sorted(names.index(name) for name in set(wanted) if name in names)
    steps = set(np.diff(planes))
    if len(steps) > 1:
        raise ValueError(f"The planes {', '.join(names[p] for p in planes)} are not evenly spaced along the axis ({', '.join(names)}); ask in several calls.")
    return axis, slice(planes[0], planes[-1] + 1, int(steps.pop()) if steps else 1) if planes else None
