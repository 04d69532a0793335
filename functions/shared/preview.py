"""A picture of images, or of the brightest planes of cubes, to look at before working with them."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable

import numpy as np
from astropy.io import fits
from astropy.visualization import AsinhStretch

from sky_image import SkyImage, plane_index, spectral_axis
from sky_plot import SkyPlot, default_title, span

READ = 1 << 26  # pixels of a cube that are looked through for its brightest plane, at most
SHOWN = 1500  # pixels along a side that are shown as they are; of larger images, blocks
NOISE = 5  # times the noise, to which brightness becomes colour nearly linearly


def draw(name: str, *paths: str, titles: tuple[str, ...] = ()) -> bool:
    """Draw FITS images side by side; whether there was anything to draw. A title in place of the object and the frequency is for every image, or for none."""
    images = [sky for sky in map(_read, paths) if np.isfinite(sky.pixels).any()]
    if not images:
        return False
    page = SkyPlot(1000 if len(images) == 1 else 800, panels=len(images))
    for sky, title in zip(images, titles or map(_title, images)):
        page.image(_coarse(sky), title=title, **_colours(sky))
    page.save(name)
    return True


def brightest(count: int, size: int, plane: Callable[[int], np.ndarray]) -> int:
    """Number of the plane, of `count` with `size` pixels, that has the largest value; of a large cube only every n-th plane is looked at."""
    if count == 1:
        return 0
    peaks = {n: np.nanmax(pixels) for n in range(0, count, -(-count * size // READ)) if np.isfinite(pixels := plane(n)).any()}
    return max(peaks, key=peaks.get, default=0)


def _read(path: str) -> SkyImage:
    with fits.open(path) as hdus:
        hdu = next(h for h in hdus if h.is_image and h.header["NAXIS"] >= 2)
        axis = spectral_axis(hdu.header)
        count = hdu.header[f"NAXIS{axis}"] if axis else 1
        channel = brightest(count, hdu.header["NAXIS1"] * hdu.header["NAXIS2"], lambda n: hdu.data[plane_index(hdu.header, n, 0)])
    sky = SkyImage.read(path, channel)
    if count > 1:
        sky.header["PLANE"] = channel
    return sky


def _title(sky: SkyImage) -> str:
    """What is seen; of a cube, which channel, counted from 0."""
    return "   ".join(filter(None, (default_title(sky), f"channel {sky.header['PLANE']}" if "PLANE" in sky.header else "")))


def _colours(sky: SkyImage) -> dict:
    """Velocities in two colours, widths and brightness in one; faint parts of what is bright are shown too."""
    if str(sky.header.get("BUNIT", "")).strip() in ("km/s", "m/s"):
        low, high = span(sky.pixels, percentile=99)
        return {"colors": "viridis" if 0 <= low < 0.2 * high else "RdBu_r", "limits": (low, high)}
    noise, (low, high) = sky.noise(), span(sky.pixels)
    if not 0 < NOISE * noise < high:
        return {}
    low = max(low, -NOISE * noise)
    return {"limits": (low, high), "stretch": AsinhStretch(NOISE * noise / (high - low)) if high > 50 * noise else "linear"}


def _coarse(sky: SkyImage) -> SkyImage:
    """The image with at most SHOWN pixels along a side: of each block the value that is farthest from 0, so that no source is lost."""
    step = -(-max(sky.pixels.shape) // SHOWN)
    if step == 1:
        return sky
    height, width = (n // step for n in sky.pixels.shape)
    blocks = sky.pixels[: height * step, : width * step].reshape(height, step, width, step)
    high, low = np.fmax.reduce(blocks, (1, 3)), np.fmin.reduce(blocks, (1, 3))
    wcs = sky.wcs[::step, ::step] if sky.wcs is not None else None
    return dataclasses.replace(sky, pixels=np.where(high >= -low, high, low), wcs=wcs, scale=sky.scale * step, origin=(sky.origin + 0.5) / step - 0.5)


if __name__ == "__main__":  # preview.py NAME IMAGE…
    sys.exit(0 if draw(*sys.argv[1:]) else 1)
