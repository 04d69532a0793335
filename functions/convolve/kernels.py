"""The kernels, by name, and the one that leads from a beam to another."""

from __future__ import annotations

import astropy.convolution as ac
import numpy as np
from astropy.io import fits
from astropy.wcs import WCS

NAMES = ("Gaussian1D", "Gaussian2D", "Box1D", "Box2D", "Tophat2D", "AiryDisk2D", "Moffat2D", "RickerWavelet1D", "RickerWavelet2D", "Trapezoid1D",
         "TrapezoidDisk2D", "Ring2D", "Custom", "beam")
PER_SIGMA = np.sqrt(8 * np.log(2))  # FWHM of a Gaussian of standard deviation one
REACH = 5.0  # standard deviations at which the kernel of a beam ends: 4e-6 of its integral is left out
MOST = 4001  # pixels along an axis of a kernel


def make(name: str, p: dict) -> np.ndarray:
    """The kernel's weights."""
    width = p["width"]
    made = {
        "Gaussian1D": lambda: ac.Gaussian1DKernel(width),
        "Gaussian2D": lambda: ac.Gaussian2DKernel(width, p["minor"] or width, theta=np.radians(p["angle"])),
        "Box1D": lambda: ac.Box1DKernel(width),
        "Box2D": lambda: ac.Box2DKernel(width),
        "Tophat2D": lambda: ac.Tophat2DKernel(width),
        "AiryDisk2D": lambda: ac.AiryDisk2DKernel(width),
        "Moffat2D": lambda: ac.Moffat2DKernel(width, p["slope"]),
        "RickerWavelet1D": lambda: ac.RickerWavelet1DKernel(width),
        "RickerWavelet2D": lambda: ac.RickerWavelet2DKernel(width),
        "Trapezoid1D": lambda: ac.Trapezoid1DKernel(width, slope=p["slope"]),
        "TrapezoidDisk2D": lambda: ac.TrapezoidDisk2DKernel(width, slope=p["slope"]),
        "Ring2D": lambda: ac.Ring2DKernel(width, p["thickness"]),
        "Custom": lambda: ac.CustomKernel(_from(p["custom"])),
    }[name]()
    return made.array


def _from(path: str | None) -> np.ndarray:
    if path is None:
        raise ValueError("The kernel Custom needs a FITS image with it in custom.")
    with fits.open(path) as hdus:
        array = np.squeeze(next((h.data for h in hdus if h.is_image and h.data is not None), np.zeros(0)))
    if array.ndim not in (1, 2) or not all(n % 2 for n in array.shape) or not np.isfinite(array).all():
        raise ValueError(f"A kernel has one or two axes with an odd number of finite pixels each; the one in custom has the shape {array.shape[::-1]}.")
    return np.asarray(array, float)


def covariance(major: float, minor: float, angle: float) -> np.ndarray:
    """Covariance (east, north) of a Gaussian of full widths at half maximum, at a position angle in degrees from north through east."""
    turn = np.radians(angle)
    along, across = np.array([np.sin(turn), np.cos(turn)]), np.array([np.cos(turn), -np.sin(turn)])
    return (np.outer(along, along) * major**2 + np.outer(across, across) * minor**2) / PER_SIGMA**2


def ellipse(cov: np.ndarray) -> tuple[float, float, float]:
    """Full widths and position angle, 0 to 180, of a covariance (east, north)."""
    values, vectors = np.linalg.eigh(cov)
    east, north = vectors[:, 1]
    return float(np.sqrt(values[1]) * PER_SIGMA), float(np.sqrt(values[0]) * PER_SIGMA), float(np.degrees(np.arctan2(east, north)) % 180)


def _beam_of(header: fits.Header) -> np.ndarray:
    if not (header.get("BMAJ", 0) > 0 and header.get("BMIN", 0) > 0):
        raise ValueError("The image has no beam (BMAJ, BMIN) to start from.")
    return covariance(header["BMAJ"], header["BMIN"], header.get("BPA", 0.0))


def _set_beam(header: fits.Header, cov: np.ndarray) -> None:
    header["BMAJ"], header["BMIN"], header["BPA"] = ellipse(cov)


def to_beam(header: fits.Header, target: list[float] | None) -> tuple[np.ndarray, float]:
    """The kernel that makes the beam the target, and the factor for brightness per beam; the header gets the new beam."""
    if target is None or len(target) != 3 or not target[0] >= target[1] > 0:
        raise ValueError("The kernel 'beam' needs target_beam: major and minor axis in arcsec, the larger first, and a position angle in degrees.")
    old = _beam_of(header)
    new = covariance(target[0] / 3600, target[1] / 3600, target[2])
    difference = new - old
    least = np.linalg.eigvalsh(difference)[0]
    if least < -1e-9 * np.trace(new):
        major, minor, angle = ellipse(old)
        raise ValueError(f"The beam is {major * 3600:.4g} by {minor * 3600:.4g} arcsec at {angle:.1f} degrees; the target must be at least as wide in every direction.")
    celestial = WCS(header).celestial
    if not celestial.has_celestial:
        raise ValueError("The image has no celestial coordinates; a beam in arcsec has no meaning.")
    inverse = np.linalg.inv(celestial.pixel_scale_matrix)
    kernel = gaussian(inverse @ difference @ inverse.T)
    _set_beam(header, new)
    per_beam = str(header.get("BUNIT", "")).strip().lower().endswith("/beam")
    return kernel, float(np.sqrt(np.linalg.det(new) / np.linalg.det(old))) if per_beam else 1.0


def gaussian(cov: np.ndarray) -> np.ndarray:
    """A Gaussian of a covariance (x, y) in pixels, of sum one.

    One that is wide enough is sampled, which keeps its second moments; of a
    narrow one each pixel is the mean over its area.
    """
    narrow = np.linalg.eigvalsh(cov)[0] < 0.6**2
    half = int(np.ceil(REACH * np.sqrt(max(np.diag(cov).max(), 0)))) + 1
    if 2 * half + 1 > MOST:
        raise ValueError(f"The kernel would have {2 * half + 1} pixels along an axis; {MOST} are the most.")
    fine = 11 if narrow else 1
    steps = (np.arange((2 * half + 1) * fine) - (fine - 1) / 2) / fine - half
    inverse = np.linalg.inv(cov + np.eye(2) * 1e-6)  # a kernel of no width is one pixel
    x, y = np.meshgrid(steps, steps)
    values = np.exp(-0.5 * (inverse[0, 0] * x * x + 2 * inverse[0, 1] * x * y + inverse[1, 1] * y * y))
    values = values.reshape(2 * half + 1, fine, 2 * half + 1, fine).mean((1, 3))
    return values / values.sum()


def widen_beam(header: fits.Header, kernel: np.ndarray) -> None:
    """Add a kernel's second moments to the header's beam."""
    celestial = WCS(header).celestial
    if not celestial.has_celestial:
        return
    y, x = np.indices(kernel.shape)
    weight = kernel / kernel.sum()
    dx, dy = x - (weight * x).sum(), y - (weight * y).sum()
    cov = np.array([[(weight * dx * dx).sum(), (weight * dx * dy).sum()], [(weight * dx * dy).sum(), (weight * dy * dy).sum()]])
    matrix = celestial.pixel_scale_matrix
    _set_beam(header, _beam_of(header) + matrix @ cov @ matrix.T)
