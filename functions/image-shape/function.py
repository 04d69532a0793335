"""Measure a ring or a jet in an image.

A ring: the radius of peak brightness is taken along 36 directions from the
centre where it varies least; the diameter is that of an image at the resolution of its beam
(a beam of 20 microarcsec makes a ring of 42 look like one of about 38). A jet: the direction of the emission
around the peak, by second moments, from the peak outwards. Lengths are in arcsec,
position angles from north through east. A picture shows what was measured.
"""

import os
from typing import Annotated, Literal, NamedTuple

import numpy as np
from fringe import File, In, Out
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from shapes import fit_ring, jet_direction
from sky_image import SkyImage

FRINGE = {
    "version": "1.0.2",
    "environment": "astro",
    "shape": "service",
    "cpu": 1,
    "memory": "1GiB",
    "timeout": 300,
    "warm": {"min": 0, "max": 2, "concurrency": 1, "queue": 64, "idle": 300},
    "author": "The Fringe authors",
    "license": "Apache-2.0",
    "keywords": ["image", "analysis", "ring", "jet", "VLBI"],
    "citation": "2019ApJ...875L...4E First M87 Event Horizon Telescope Results. IV. Imaging the Central Supermassive Black Hole",
    "example": {"image": {"class": "File", "location": "demo:m87-jet.fits"}, "shape": "jet"},
}


class Outputs(NamedTuple):
    """What image-shape gives; what does not belong to the shape is null."""

    peak: Annotated[float, Out(unit="Jy/beam", doc="Largest brightness, in the units of the image")]
    diameter: Annotated[float | None, Out(unit="arcsec", doc="Ring: diameter of peak brightness")]
    scatter: Annotated[float | None, Out(doc="Ring: scatter of the radius with direction, as a fraction of it")]
    depth: Annotated[float | None, Out(doc="Ring: brightness of the centre as a fraction of that of the rim")]
    position_angle: Annotated[float | None, Out(unit="deg", ucd="pos.posAng", doc="Jet: direction from the core, north through east, 0 to 360")]
    length: Annotated[float | None, Out(unit="arcsec", doc="Jet: mean distance of its emission from the core")]
    picture: Annotated[File, Out(doc="What was measured", format="image/png")]


def main(
    image: Annotated[File, In(doc="FITS image with celestial coordinates", format="image/fits")],
    shape: Annotated[Literal["ring", "jet"], In(doc="What the image shows")],
    largest_radius: Annotated[float | None, In(unit="arcsec", exclusive_minimum=0, doc="Ring: largest radius searched; a sixth of the image when absent")] = None,
    threshold: Annotated[float, In(minimum=1, doc="Jet: faintest emission used, in units of the noise")] = 3.0,
    core_radius: Annotated[float | None, In(unit="arcsec", minimum=0, doc="Jet: emission closer to the core is not used; when absent, where a core of the beam's shape is fainter than the threshold")] = None,
) -> Outputs:
    """Measure a ring or a jet."""
    sky = SkyImage.read(image.path)
    if sky.wcs is None:
        raise ValueError("The image has no celestial coordinates; sizes and directions on the sky need them.")
    picture = os.path.splitext(os.path.basename(image.path))[0] + f"-{shape}.png"
    peak = float(np.nanmax(sky.pixels))
    scale = float(sky.scale[0])
    if shape == "ring":
        radius = (largest_radius or scale * min(sky.pixels.shape) / 6) / scale
        ring = fit_ring(sky.pixels, min(radius, min(sky.pixels.shape) / 2))
        _draw_ring(sky, ring, picture)
        return Outputs(peak, ring.diameter * scale, ring.scatter, ring.depth, None, None, File(picture))
    core, faintest = sky.peak(), threshold * sky.noise()
    inner = core_radius if core_radius is not None else _core_extent(sky, peak / faintest)
    angle, length = jet_direction(sky.pixels, core, faintest, inner / scale, sky.beam_area() or 1.0)
    _draw_jet(sky, core, angle, length, picture)
    step = np.sign(sky.wcs.wcs.cdelt)
    position_angle = np.degrees(np.arctan2(step[0] * np.cos(angle), step[1] * np.sin(angle))) % 360
    return Outputs(peak, None, None, None, float(position_angle), length * scale, File(picture))


def _core_extent(sky: SkyImage, ratio: float) -> float:
    """Radius in arcsec, with a margin of a quarter, at which a Gaussian of the beam's major axis has fallen to 1/ratio; 0 without a beam."""
    beam = sky.beam()
    return 1.25 * beam[0] / 2 * float(np.sqrt(np.log2(max(ratio, 1)))) if beam else 0.0


def _draw_ring(sky: SkyImage, ring, name: str) -> None:
    _, symbol, size = sky.offset_unit()
    pixel = float(sky.scale[0]) / size
    figure, (left, right) = _panels(2)
    _show(left, sky, ring.centre, pixel, symbol)
    angle = np.linspace(0, 2 * np.pi, 181)
    left.plot(*(ring.diameter / 2 * pixel * np.array([np.cos(angle), np.sin(angle)])), color="white", linestyle="--", linewidth=1.2)
    reach = 2 * ring.diameter * pixel
    left.set(xlim=(reach, -reach), ylim=(-reach, reach))
    right.plot(ring.profile[:, 0] * pixel, ring.profile[:, 1] / ring.profile[:, 1].max(), color="#b5442d")
    right.axvline(ring.diameter / 2 * pixel, color="0.4", linestyle="--", linewidth=1)
    right.set(xlabel=f"Radius ({symbol})", ylabel="Mean brightness (relative)", xlim=(0, None), ylim=(0, None),
              title=f"diameter {ring.diameter * pixel:.1f} {symbol}")
    figure.savefig(name)


def _draw_jet(sky: SkyImage, core: np.ndarray, angle: float, length: float, name: str) -> None:
    _, symbol, size = sky.offset_unit()
    pixel = float(sky.scale[0]) / size
    figure, (plot,) = _panels(1)
    _show(plot, sky, core, pixel, symbol, faint=True)
    east = np.sign(sky.wcs.wcs.cdelt[0])
    reach = 3 * length * pixel
    plot.plot([0, east * reach * np.cos(angle)], [0, reach * np.sin(angle)], color="white", linestyle="--", linewidth=1.2)
    plot.set(xlim=(reach, -reach), ylim=(-reach, reach))
    figure.savefig(name)


def _panels(count: int):
    figure = Figure(figsize=(5 * count, 4.6), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.subplots(1, count, squeeze=False)[0]


def _show(plot, sky: SkyImage, centre, pixel: float, symbol: str, faint: bool = False) -> None:
    """Draw the image with offsets from `centre` (x, y), east to the left."""
    height, width = sky.pixels.shape
    east = np.sign(sky.wcs.wcs.cdelt[0])
    extent = [east * (-0.5 - centre[0]) * pixel, east * (width - 0.5 - centre[0]) * pixel,
              (-0.5 - centre[1]) * pixel, (height - 0.5 - centre[1]) * pixel]
    values = np.arcsinh(sky.pixels / (3 * sky.noise())) if faint else sky.pixels
    plot.imshow(values, origin="lower", extent=extent, cmap="afmhot", vmin=0)
    plot.set(xlabel=f"East ({symbol})", ylabel=f"North ({symbol})")
