"""The vacuum wavelengths of a cube's channels."""

from __future__ import annotations

import astropy.units as u
import numpy as np
from astropy.io import fits
from astropy.wcs import WCS

SPECTRAL = ("FREQ", "WAVE", "AWAV", "WAVN", "ENER", "VRAD", "VOPT", "VELO", "ZOPT", "FELO")
DOPPLER = {"VRAD": u.doppler_radio, "VOPT": u.doppler_optical, "FELO": u.doppler_optical, "VELO": u.doppler_relativistic}


def axis_of(header: fits.Header) -> int | None:
    """Number of the spectral axis, from 1."""
    return next((n for n in range(1, header["NAXIS"] + 1) if str(header.get(f"CTYPE{n}", ""))[:4].strip() in SPECTRAL), None)


def wavelengths(header: fits.Header, axis: int, at: np.ndarray) -> np.ndarray:
    """Vacuum wavelengths in m at places `at` along the axis, in channels from 0."""
    kind = header[f"CTYPE{axis}"][:4].strip()
    wcs = WCS(header).sub([axis])
    values = np.atleast_1d(wcs.wcs_pix2world(at, 0)[0]) * wcs.wcs.cunit[0]
    if kind in DOPPLER or kind == "ZOPT":
        rest = rest_wavelength(header)
        if rest is None:
            raise ValueError("The cube's spectral axis is a velocity, and its header has no rest frequency (RESTFRQ).")
        if kind == "ZOPT":
            return rest.to_value(u.m) * (1 + values.value)
        return values.to_value(u.m, DOPPLER[kind](rest))
    length = values.to_value(u.m, u.spectral())
    if kind == "AWAV":  # standard air, Morton 1991, ApJS 77, 119, eq. 3, with the wave number per micrometre
        squared = (length * 1e6) ** -2
        length = length * (1 + 6.4328e-5 + 2.94981e-2 / (146 - squared) + 2.5540e-4 / (41 - squared))
    return length


def rest_wavelength(header: fits.Header) -> u.Quantity | None:
    """The rest wavelength that the header has."""
    frequency = header.get("RESTFRQ", header.get("RESTFREQ", 0))
    if frequency > 0:
        return (frequency * u.Hz).to(u.m, u.spectral())
    return header["RESTWAV"] * u.m if header.get("RESTWAV", 0) > 0 else None


def channels(edges: np.ndarray, low: float, high: float) -> tuple[int, int] | None:
    """First channel and the one after the last of those that overlap the band, from the wavelengths of their edges; None without overlap."""
    lower, upper = np.minimum(edges[:-1], edges[1:]), np.maximum(edges[:-1], edges[1:])
    within = np.flatnonzero((upper > low) & (lower < high) if high > low else (upper >= low) & (lower <= high))
    return (int(within[0]), int(within[-1]) + 1) if len(within) else None
