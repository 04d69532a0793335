"""Draw a FITS image as a PNG picture.

The picture has coordinate axes, the beam, a colour scale with units and a
title. Small fields have axes with offsets from the reference position in arcsec,
milliarcsec or microarcsec, as VLBI images are shown; larger ones have
right ascension and declination.
"""

import os
from typing import Annotated, Literal, NamedTuple

import numpy as np
from fringe import File, In, Out

from sky_image import SkyImage
from sky_plot import SkyPlot, span

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
    "keywords": ["preview", "plot", "image", "FITS", "PNG"],
    "citation": "2022ApJ...935..167A The Astropy Project: Sustaining and Growing a Community-oriented Open-source Project; "
                "2007CSE.....9...90H Matplotlib: A 2D Graphics Environment",
    "example": {"image": {"class": "File", "location": "demo:m87-jet.fits"}, "stretch": "asinh"},
}


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
    page = SkyPlot(width, theme)
    panel = page.image(sky, axes, colors=colors, stretch=stretch, limits=span(sky.pixels, minimum, maximum, percentile), title=title,
                       interpolation=interpolation, beam=beam)
    if contours:
        panel.contours([c * noise for c in contours])
    name = os.path.splitext(os.path.basename(image.path))[0] + ".png"
    page.save(name)
    return Outputs(File(name))
