"""Regions of the sky as outlines, and the pixels that they cover."""

from __future__ import annotations

import math

import numpy as np
from astropy.coordinates import BaseCoordinateFrame, SkyCoord
from astropy.wcs import WCS

STEPS = 360  # points of a circle's outline; their chords stay within 4e-5 of the radius
EDGE = 16  # points of each side of a polygon, along the great circle, or of a range
CROSSINGS = 1 << 20  # of rows and sides that are looked at together
_angles = np.linspace(0, 2 * np.pi, STEPS, endpoint=False)
_cos, _sin = np.cos(_angles), np.sin(_angles)


def circle(longitude: float, latitude: float, radius: float) -> np.ndarray:
    """Outline (points, 2) in degrees of all that is within `radius` of a place."""
    lon, lat, r = map(math.radians, (longitude, latitude, radius))
    sin_lat = math.sin(lat) * math.cos(r) + math.cos(lat) * math.sin(r) * _cos
    east = _sin * (math.sin(r) * math.cos(lat))
    outline = np.empty((STEPS, 2))
    outline[:, 0] = lon + np.arctan2(east, math.cos(r) - math.sin(lat) * sin_lat)
    outline[:, 1] = np.arcsin(np.minimum(np.maximum(sin_lat, -1), 1))
    return np.degrees(outline, out=outline)


def polygon(corners: list[float]) -> np.ndarray:
    """Outline of a polygon with the corners lon, lat, lon, lat, …; its sides are great circles."""
    if len(corners) < 6 or len(corners) % 2:
        raise ValueError(f"A polygon has three corners or more, each with a longitude and a latitude; {len(corners)} numbers were given.")
    lon, lat = np.radians(np.reshape(corners, (-1, 2))).T
    points = np.c_[np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)]
    part = np.arange(EDGE)[:, None] / EDGE
    chords = np.concatenate([a + (b - a) * part for a, b in zip(points, np.roll(points, -1, 0))])
    return np.degrees(np.c_[np.arctan2(chords[:, 1], chords[:, 0]), np.arctan2(chords[:, 2], np.hypot(chords[:, 0], chords[:, 1]))])


def box(limits: list[float]) -> np.ndarray:
    """Outline of a range of longitude and latitude: lon1, lon2, lat1, lat2; it crosses zero when lon1 > lon2."""
    west, east, south, north = limits
    if south > north:
        raise ValueError(f"The range of latitude begins at {south:g}, above its end at {north:g}.")
    east += 360 if east < west else 0
    steps = max(EDGE, int(east - west) + 1)
    lon, lat = np.linspace(west, east, steps), np.linspace(south, north, steps)
    sides = [(lon, np.full(steps, south)), (np.full(steps, east), lat), (lon[::-1], np.full(steps, north)), (np.full(steps, west), lat[::-1])]
    return np.concatenate([np.c_[side] for side in sides])


def to_pixels(outline: np.ndarray, centre: np.ndarray, wcs: WCS, frame: BaseCoordinateFrame | None) -> tuple[np.ndarray, bool]:
    """The outline (ICRS) in pixels from 0, and whether the projection shows all of it; `frame` is that of `wcs`, None for ICRS.

    An outline of which a part is beyond what the projection can show keeps the
    places that are shown; that of `centre` is the last one.
    """
    places = np.vstack([outline, centre])
    if frame is not None:
        there = SkyCoord(places, unit="deg", frame="icrs").transform_to(frame)
        places = np.c_[there.spherical.lon.deg, there.spherical.lat.deg]
    pixels = wcs.all_world2pix(places, 0, quiet=True)
    shown = np.isfinite(pixels).all(1)
    return (pixels[:-1] if shown[:-1].all() else pixels[shown]), bool(shown[:-1].all())


def inside(pixels: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Which pixels of the box low ≤ (x, y) < high have their centre within the outline (pixels).

    In each row the outline's crossings are where inside and outside change.
    """
    width, height = high - low
    x, y = (pixels - low).T
    next_x, next_y = np.roll(x, -1), np.roll(y, -1)
    change = np.zeros((height, width + 1), np.int8)
    step = max(1, CROSSINGS // len(x))
    for first in range(0, height, step):
        rows = np.arange(first, min(first + step, height))[:, None]
        row, side = np.nonzero((y <= rows) != (next_y <= rows))
        row += first
        at = x[side] + (row - y[side]) * (next_x - x)[side] / (next_y - y)[side]
        np.add.at(change, (row, np.clip(np.ceil(at), 0, width).astype(int)), 1)
    return (np.cumsum(change, 1)[:, :width] & 1).astype(bool)
