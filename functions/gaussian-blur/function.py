"""Blur an image with a Gaussian.

Takes FITS images of two to four dimensions (each plane of a cube is
blurred) and PNG or JPEG images, and gives the same format back. The width is the
standard deviation in pixels or, for FITS images with celestial coordinates, the
full width at half maximum in arcsec. Blank (NaN) pixels stay blank and do not spread.

The header of a FITS image is kept. When the image has a beam (BMAJ, BMIN), the beam
of the result is written; with `units` "beam" an image in Jy/beam is scaled to the
new beam, so that the peak of a point source is kept and not its sum.
"""

import os
from typing import Annotated, Literal, NamedTuple

import numpy as np
from astropy.io import fits
from astropy.wcs import WCS
from astropy.wcs.utils import proj_plane_pixel_scales
from fringe import File, In, Out
from PIL import Image, UnidentifiedImageError

from blur import FWHM_PER_SIGMA, blur, convolved_beam

FRINGE = {
    "version": "1.0.0",
    "environment": "astro",
    "shape": "service",
    "cpu": 1,
    "memory": "2GiB",
    "timeout": 600,
    "warm": {"min": 0, "max": 2, "concurrency": 1, "queue": 64, "idle": 300},
    "author": "The Fringe authors",
    "license": "Apache-2.0",
    "keywords": ["image", "smoothing", "convolution", "FITS", "PNG"],
    "citation": "2020NatMe..17..261V SciPy 1.0: fundamental algorithms for scientific computing in Python",
    "example": {"image": {"class": "File", "location": "demo:m87-jet.fits"}, "sigma": 3.0},
}

PNG_MODES = {"1": "L", "P": "RGB", "PA": "RGBA", "CMYK": "RGB", "YCbCr": "RGB", "HSV": "RGB", "LAB": "RGB"}


class Outputs(NamedTuple):
    """What gaussian-blur gives."""

    image: Annotated[File, Out(doc="The blurred image, in the format of the input")]


def main(
    image: Annotated[File, In(doc="FITS image of two to four dimensions, or a PNG or JPEG image")],
    sigma: Annotated[float, In(unit="pixel", minimum=0, maximum=1000, doc="Standard deviation of the Gaussian")] = 2.0,
    fwhm: Annotated[float | None, In(unit="arcsec", minimum=0, doc="Full width at half maximum of the Gaussian, instead of "
                    "sigma; needs celestial coordinates")] = None,
    units: Annotated[Literal["kept", "beam"], In(doc="kept: the sum of the pixels is kept. beam: brightness per beam is scaled "
                     "to the new, larger beam")] = "kept",
    mode: Annotated[Literal["reflect", "nearest", "constant", "mirror", "wrap"], In(doc="What lies beyond the border; "
                    "constant is zero")] = "reflect",
) -> Outputs:
    """Blur an image."""
    root, extension = os.path.splitext(os.path.basename(image.path))
    name = f"{root}-blurred{extension}"
    with open(image.path, "rb") as file:
        is_fits = file.read(6) == b"SIMPLE"
    if is_fits:
        _blur_fits(image.path, name, dict(sigma=sigma, fwhm=fwhm, units=units, mode=mode))
    elif fwhm is not None or units == "beam":
        raise ValueError("fwhm in arcsec and units 'beam' need a FITS image with celestial coordinates; give sigma in pixels.")
    else:
        _blur_picture(image.path, name, sigma, mode)
    return Outputs(File(name))


def _blur_fits(path: str, name: str, options: dict) -> None:
    with fits.open(path, memmap=False) as hdus:
        hdu = next((h for h in hdus if h.is_image and h.data is not None and h.data.ndim >= 2), None)
        if hdu is None:
            raise ValueError("The FITS file has no image of two or more dimensions.")
        if hdu.data.ndim > 4:
            raise ValueError(f"The image has {hdu.data.ndim} dimensions; two to four are supported.")
        header, data = hdu.header.copy(), hdu.data
        scale = _pixel_scale(header)
        sigma, fwhm = _widths(options, scale)
        result = blur(data, sigma, options["mode"])
        result *= _update_beam(header, fwhm, options["units"])
        kind = data.dtype.newbyteorder("=") if data.dtype.kind == "f" else np.float32
        header.remove("BLANK", ignore_missing=True)
        header.add_history(f"gaussian-blur {FRINGE['version']}: sigma {sigma[1]:.6g} x {sigma[0]:.6g} pixel")
        fits.PrimaryHDU(result.astype(kind), header).writeto(name, overwrite=True)


def _pixel_scale(header) -> np.ndarray | None:
    """Size of a pixel in arcsec along x and y, or None without celestial coordinates."""
    celestial = WCS(header, naxis=2) if header.get("NAXIS", 2) == 2 else WCS(header).celestial
    return proj_plane_pixel_scales(celestial) * 3600 if celestial.has_celestial else None


def _widths(options: dict, scale: np.ndarray | None) -> tuple[tuple[float, float], float | None]:
    """Standard deviation in pixels along (y, x), and the FWHM in arcsec when the pixels are square on the sky."""
    if options["fwhm"] is None:
        square = scale is not None and np.isclose(scale[0], scale[1], rtol=1e-3)
        return (options["sigma"],) * 2, float(options["sigma"] * FWHM_PER_SIGMA * scale[0]) if square else None
    if scale is None:
        raise ValueError("The image has no celestial coordinates, so fwhm in arcsec has no meaning; give sigma in pixels.")
    x, y = options["fwhm"] / FWHM_PER_SIGMA / scale
    return (float(y), float(x)), options["fwhm"]


def _update_beam(header, fwhm: float | None, units: str) -> float:
    """Write the new beam into the header; gives the factor for the pixels."""
    if not (header.get("BMAJ", 0) > 0 and header.get("BMIN", 0) > 0 and fwhm is not None):
        if units == "beam":
            raise ValueError("units 'beam' needs an image with a beam (BMAJ, BMIN) and square celestial pixels.")
        return 1.0
    old = header["BMAJ"], header["BMIN"]
    header["BMAJ"], header["BMIN"], header["BPA"] = convolved_beam(*old, header.get("BPA", 0.0), fwhm / 3600)
    return header["BMAJ"] * header["BMIN"] / (old[0] * old[1]) if units == "beam" else 1.0


def _blur_picture(path: str, name: str, sigma: float, mode: str) -> None:
    try:
        with Image.open(path) as picture:
            picture.load()
            kind = picture.format
            picture = picture.convert(PNG_MODES[picture.mode]) if picture.mode in PNG_MODES else picture
    except (UnidentifiedImageError, OSError) as error:
        raise ValueError(f"The image is neither FITS nor a picture that can be read ({error}); FITS, PNG and JPEG are supported.") from error
    data = np.asarray(picture)
    planes = np.moveaxis(data, -1, 0) if data.ndim == 3 else data
    result = blur(planes, (sigma, sigma), mode)
    if data.dtype.kind in "iu":
        limits = np.iinfo(data.dtype)
        result = np.clip(np.rint(result), limits.min, limits.max)
    result = np.moveaxis(result, 0, -1) if data.ndim == 3 else result
    Image.fromarray(result.astype(data.dtype), mode=picture.mode).save(name, format=kind)
