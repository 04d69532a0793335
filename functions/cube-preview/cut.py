"""Position-velocity cuts."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from sky_image import SkyImage


def _directions(sky: SkyImage) -> tuple[np.ndarray, np.ndarray]:
    """Steps in pixels (x, y) of one arcsec to the east and to the north, at the reference position."""
    inverse = np.linalg.inv(sky.wcs.pixel_scale_matrix) / 3600
    return inverse[:, 0], inverse[:, 1]


class Cut:
    """A line on the sky through the pixel `centre` (x, y); offsets grow towards the position angle."""

    def __init__(self, sky: SkyImage, centre: np.ndarray, angle: float, length: float, width: float):
        self.angle, self.width, self.step, self.beam = angle, width, float(min(sky.scale)), sky.beam()
        half = max(int(length / 2 / self.step), 1)
        self.offsets = np.arange(-half, half + 1) * self.step
        east, north = _directions(sky)
        turn = np.radians(angle)
        along, across = np.sin(turn) * east + np.cos(turn) * north, np.cos(turn) * east - np.sin(turn) * north
        lines = max(int(width / self.step), 0)
        sides = (np.arange(lines + 1) - lines / 2) * self.step
        self.ends = centre + np.outer([self.offsets[0], self.offsets[-1]], along)
        self.places = centre[:, None, None] + along[:, None, None] * self.offsets + across[:, None, None] * sides[:, None]

    def through(self, planes: np.ndarray) -> np.ndarray:
        """Brightness (plane, offset), linearly between pixels; NaN outside of the field."""
        out = []
        for plane in planes:
            good = np.isfinite(plane)
            value = ndimage.map_coordinates(np.where(good, plane, 0).astype(float), self.places[::-1], order=1, cval=0.0)
            weight = ndimage.map_coordinates(good.astype(float), self.places[::-1], order=1, cval=0.0)
            total = weight.sum(0)
            with np.errstate(invalid="ignore"):
                out.append(np.where(total > 0.5, value.sum(0) / np.where(total > 0, total, 1), np.nan))
        return np.array(out)


def long_axis(sky: SkyImage, centre: np.ndarray, threshold: float) -> float:
    """Position angle of the major axis of what is connected with the pixel `centre` above a threshold, by second moments."""
    bright = np.nan_to_num(sky.pixels) > threshold
    labels, _ = ndimage.label(bright)
    x, y = (int(np.clip(round(float(c)), 0, size - 1)) for c, size in zip(centre, sky.pixels.shape[::-1]))
    part = labels == labels[y, x] if labels[y, x] else bright
    if not part.any():
        return 0.0
    j, i = np.nonzero(part)
    sky_xy = sky.wcs.pixel_scale_matrix @ np.array([i - i.mean(), j - j.mean()])  # east, north
    east, north = sky_xy
    return float(np.degrees(0.5 * np.arctan2(2 * (east * north).sum(), (north**2 - east**2).sum())) % 180)
