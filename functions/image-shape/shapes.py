"""The size and orientation of simple structures in an image."""

from __future__ import annotations

import dataclasses

import numpy as np
from scipy import ndimage


@dataclasses.dataclass(frozen=True)
class Ring:
    """A ring; lengths in pixels."""

    centre: tuple[float, float]  # x, y
    diameter: float
    scatter: float  # of the radius with angle, as a fraction
    depth: float  # brightness of the centre over that of the rim
    profile: np.ndarray  # (radii, 2): radius and mean brightness over all angles


def fit_ring(pixels: np.ndarray, largest: float) -> Ring:
    """Fit a ring of at most the radius `largest`.

    The radius of peak brightness is taken along 36 directions; the centre is
    where it varies least from direction to direction, searched around the
    centroid of the positive emission. The diameter is twice the mean radius (as in Event
    Horizon Telescope Collaboration 2019, ApJL 875, L4, section 9).
    """
    positive = np.where(np.isfinite(pixels), np.clip(pixels, 0, None), 0)
    positive = np.where(positive > 0.1 * positive.max(), positive, 0)
    y, x = np.indices(pixels.shape)
    centroid = np.array([(positive * x).sum(), (positive * y).sum()]) / positive.sum()
    radii = np.arange(0, largest, 0.1)
    best, spacing = centroid, largest / 8
    for _ in range(4):
        steps = np.arange(-3, 4) * spacing
        candidates = [best + (dx, dy) for dx in steps for dy in steps if np.hypot(*(best + (dx, dy) - centroid)) <= largest / 2]
        best = min(candidates, key=lambda centre: _variation(pixels, centre, radii))
        spacing /= 3
    samples = _polar(pixels, best, radii)
    peaks = _peak_radii(samples, radii)
    rim = samples.max(0).mean()
    return Ring((float(best[0]), float(best[1])), float(2 * peaks.mean()), float(peaks.std() / peaks.mean()) if peaks.mean() > 0 else 1.0,
                float(samples[0].mean() / rim), np.c_[radii, samples.mean(1)])


def _polar(pixels: np.ndarray, centre: np.ndarray, radii: np.ndarray) -> np.ndarray:
    """Brightness (radii, directions), with directions every 10 degrees."""
    angle = np.radians(np.arange(0, 360, 10))
    places = [centre[1] + radii[:, None] * np.sin(angle), centre[0] + radii[:, None] * np.cos(angle)]
    return ndimage.map_coordinates(pixels, places, order=1, mode="nearest")


def _peak_radii(samples: np.ndarray, radii: np.ndarray) -> np.ndarray:
    return radii[samples.argmax(0)]


def _variation(pixels: np.ndarray, centre: np.ndarray, radii: np.ndarray) -> float:
    """Relative scatter of the peak radius; large where there is no ring around the centre."""
    peaks = _peak_radii(_polar(pixels, centre, radii), radii)
    mean = peaks.mean()
    return float(peaks.std() / mean) if mean > 0.15 * radii[-1] else np.inf


def jet_direction(pixels: np.ndarray, core: np.ndarray, threshold: float, inner: float, least: float) -> tuple[float, float]:
    """Direction of a one-sided jet from `core` (x, y), and its length, in pixels.

    The direction, an angle in radians from x towards y, is that of the major axis of the second moments about the core
    of all emission above `threshold` that is connected with the core and farther than `inner` from it; its sense is that of the first
    moment. The length is the mean distance of that emission. At least
    `least` pixels of it are needed. (Hu 1962, IRE Trans. Inf. Theory 8, 179,
    for the axis: tan 2a = 2 m11 / (m20 - m02).)
    """
    y, x = np.indices(pixels.shape)
    dx, dy = x - core[0], y - core[1]
    bright = np.isfinite(pixels) & (pixels > threshold)
    labels, _ = ndimage.label(bright)
    part = labels == labels[int(round(core[1])), int(round(core[0]))]
    used = part & (np.hypot(dx, dy) > inner)
    if np.count_nonzero(used) < least:
        raise ValueError("There is no emission beside the core above the threshold.")
    weight = np.where(used, pixels, 0)
    total = weight.sum()
    xx, yy, xy = ((weight * a).sum() / total for a in (dx * dx, dy * dy, dx * dy))
    angle = 0.5 * np.arctan2(2 * xy, xx - yy)
    if (weight * (dx * np.cos(angle) + dy * np.sin(angle))).sum() < 0:
        angle += np.pi
    return float(angle), float((weight * np.hypot(dx, dy)).sum() / total)
