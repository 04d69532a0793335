"""Convolution of images with a Gaussian."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

FWHM_PER_SIGMA = float(np.sqrt(8 * np.log(2)))
TRUNCATE = 5.0  # standard deviations at which the kernel ends: 6e-7 of its integral is left out


def blur(image: np.ndarray, sigma: tuple[float, float], mode: str) -> np.ndarray:
    """Convolve each plane of `image` (..., y, x) with a Gaussian of standard deviation `sigma` (y, x) in pixels.

    Pixels that are not finite have weight 0 and stay as they are; the others are
    sum(K I W) / sum(K W), which conserves a constant next to blank pixels. `mode`
    is the treatment of the border, as in scipy.ndimage.
    """
    image = np.asarray(image, float)
    widths = (0.0,) * (image.ndim - 2) + tuple(sigma)
    good = np.isfinite(image)
    if good.all():
        return ndimage.gaussian_filter(image, widths, mode=mode, truncate=TRUNCATE)
    smooth = ndimage.gaussian_filter(np.where(good, image, 0.0), widths, mode=mode, truncate=TRUNCATE)
    weight = ndimage.gaussian_filter(good.astype(float), widths, mode=mode, truncate=TRUNCATE)
    return np.where(good, smooth / np.where(weight > 0, weight, 1), image)


def convolved_beam(major: float, minor: float, angle: float, fwhm: float) -> tuple[float, float, float]:
    """Beam (major, minor, position angle) after convolution with a circular Gaussian of FWHM `fwhm`, in the same units.

    The widths of an ellipse and a circle add in quadrature on both axes; the angle stays.
    """
    return float(np.hypot(major, fwhm)), float(np.hypot(minor, fwhm)), angle
