"""Convolve an image or a cube with any kernel, or to a beam.

Kernels of two dimensions work on each plane, those of one dimension along the spectral axis (the third) of a
cube. Blank (NaN) pixels are filled by interpolation with the kernel, or with a value. To a beam: the kernel is the elliptical
Gaussian that makes the image's beam the one that is asked for, and an image in Jy/beam is scaled by the
beams' areas, so that a point source keeps its peak.
"""

import os
from typing import Annotated, Literal, NamedTuple

import numpy as np
from astropy.convolution import convolve, convolve_fft
from astropy.io import fits
from fringe import File, In, Out

import kernels
from sky_image import SkyImage
from sky_plot import SkyPlot

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
    "keywords": ["convolution", "smoothing", "kernel", "beam", "image", "cube", "FITS"],
    "citation": "2022ApJ...935..167A The Astropy Project: Sustaining and Growing a Community-oriented Open-source Project",
    "example": {"image": {"class": "File", "location": "demo:m87-jet.fits"}, "kernel": "Tophat2D", "width": 4.0},
}


class Outputs(NamedTuple):
    """What convolve gives."""

    image: Annotated[File, Out(doc="The convolved image", format="image/fits")]
    picture: Annotated[File, Out(doc="The image before and after, and the kernel", format="image/png")]


def main(
    image: Annotated[File, In(doc="FITS image or cube", format="image/fits")],
    kernel: Annotated[Literal[kernels.NAMES], In(doc="Kernel; beam is what leads to target_beam")] = "Gaussian2D",
    width: Annotated[float, In(unit="pixel", exclusive_minimum=0, maximum=2000, doc="Standard deviation (Gaussian, Ricker), width (Box), radius (Tophat, Airy, Trapezoid, inner of Ring), core width gamma (Moffat)")] = 2.0,
    minor: Annotated[float | None, In(unit="pixel", exclusive_minimum=0, doc="Gaussian2D: standard deviation along the second axis")] = None,
    angle: Annotated[float, In(unit="deg", doc="Gaussian2D: direction of the first axis, from x towards y")] = 0.0,
    slope: Annotated[float, In(exclusive_minimum=0, doc="Trapezoid: slope of the flanks; Moffat: the power alpha")] = 1.5,
    thickness: Annotated[float, In(unit="pixel", exclusive_minimum=0, doc="Ring: difference of its radii")] = 2.0,
    custom: Annotated[File | None, In(doc="Custom: FITS image with the kernel, of an odd number of pixels along each axis", format="image/fits")] = None,
    target_beam: Annotated[list[float] | None, In(doc="beam: major and minor axis in arcsec (FWHM) and position angle in degrees from north through east")] = None,
    blank: Annotated[Literal["interpolate", "fill"], In(doc="What takes the place of blank pixels")] = "interpolate",
    fill_value: Annotated[float, In(doc="For blank pixels that are filled, and beyond the border")] = 0.0,
    keep_blank: Annotated[bool, In(doc="Blank pixels are blank in the result too")] = False,
    normalize: Annotated[bool, In(doc="The kernel's sum is one; not for Ricker kernels, whose sum is zero")] = True,
    boundary: Annotated[Literal["fill", "wrap", "extend"], In(doc="What is beyond the border: the fill value, the other side, or the outermost pixels")] = "fill",
) -> Outputs:
    """Convolve an image."""
    header, data = _read(image.path)
    scale = 1.0
    if kernel == "beam":
        shape, scale = kernels.to_beam(header, target_beam)
    elif target_beam is not None:
        raise ValueError("target_beam goes with the kernel 'beam'.")
    else:
        shape = kernels.make(kernel, dict(width=width, minor=minor, angle=angle, slope=slope, thickness=thickness, custom=custom.path if custom else None))
    result = _convolve(data, shape, dict(blank=blank, fill=fill_value, keep=keep_blank, normalize=normalize and not kernel.startswith("RickerWavelet"), boundary=boundary)) * scale
    root = os.path.splitext(os.path.basename(image.path))[0]
    _describe(header, kernel, shape, width)
    header.remove("BLANK", ignore_missing=True)
    name, picture = root + "-convolved.fits", root + "-convolved.png"
    kind = data.dtype.newbyteorder("=") if data.dtype.kind == "f" else np.float32
    fits.PrimaryHDU(result.astype(kind), header).writeto(name, overwrite=True)
    _draw(image.path, name, shape, picture)
    return Outputs(File(name), File(picture))


def _read(path: str) -> tuple[fits.Header, np.ndarray]:
    try:
        with fits.open(path, memmap=False) as hdus:
            hdu = next((h for h in hdus if h.is_image and h.data is not None and 2 <= h.data.ndim <= 4), None)
            if hdu is None:
                raise ValueError("The FITS file has no image of two to four dimensions.")
            return hdu.header.copy(), hdu.data
    except OSError as error:
        raise ValueError(f"This is not a FITS file that can be read: {error}") from error


def _convolve(data: np.ndarray, kernel: np.ndarray, how: dict) -> np.ndarray:
    """Each plane, or each spectrum, convolved."""
    if kernel.ndim == 1 and data.ndim == 2:
        raise ValueError("A kernel of one dimension works along the spectral axis of a cube; the image has no third axis. Take a kernel of two dimensions.")
    if how["normalize"] and abs(kernel.sum()) < 1e-8 * np.abs(kernel).sum():
        raise ValueError("The kernel's sum is zero, so it cannot be normalised; ask for normalize false.")
    options = dict(nan_treatment=how["blank"], fill_value=how["fill"], preserve_nan=how["keep"], normalize_kernel=how["normalize"], boundary=how["boundary"])
    if not how["normalize"] and how["blank"] == "interpolate":
        options["nan_treatment"] = "fill"  # interpolation needs a kernel of sum one
    if kernel.ndim == 1:
        return np.apply_along_axis(lambda spectrum: convolve(spectrum, kernel, **options), -3, np.asarray(data, float))
    fast = kernel.size > 400 and how["boundary"] != "extend"
    planes = np.asarray(data, float).reshape((-1,) + data.shape[-2:])
    one = (lambda p: convolve_fft(p, kernel, allow_huge=True, **options)) if fast else (lambda p: convolve(p, kernel, **options))
    return np.array([one(plane) for plane in planes]).reshape(data.shape)


def _describe(header: fits.Header, name: str, kernel: np.ndarray, width: float) -> None:
    header.add_history(f"fringe convolve {FRINGE['version']}: {name}, {' x '.join(map(str, kernel.shape[::-1]))} pixels" + ("" if name in ("beam", "Custom") else f", width {width:g}"))
    if name not in ("beam", "Gaussian2D") and kernel.ndim == 2:
        for key in ("BMAJ", "BMIN", "BPA"):  # the resolution is no Gaussian's any more
            header.remove(key, ignore_missing=True)
    elif name == "Gaussian2D" and "BMAJ" in header:
        kernels.widen_beam(header, kernel)


def _draw(before: str, after: str, kernel: np.ndarray, name: str) -> None:
    old, new = (SkyImage.read(path, channel=_middle(path)) for path in (before, after))
    page = SkyPlot(700, panels=3 if kernel.ndim == 2 else 2)
    page.image(old, title="before", stretch="asinh")
    page.image(new, title="after", stretch="asinh")
    if kernel.ndim == 2:
        middle = SkyImage(kernel, fits.Header(dict(NAXIS=2)), None, np.ones(2), (np.array(kernel.shape[::-1]) - 1) / 2)
        page.image(middle, title="kernel", unit="weight", colors="viridis")
    page.save(name)


def _middle(path: str) -> int:
    header = fits.getheader(path)
    return next((header[f"NAXIS{n}"] // 2 for n in range(3, header.get("NAXIS", 0) + 1) if header[f"NAXIS{n}"] > 1 and not str(header.get(f"CTYPE{n}", "")).startswith("STOKES")), 0)
