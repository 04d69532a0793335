"""A cube of sky by frequency, as FITS has it."""

from __future__ import annotations

import dataclasses
import warnings

import astropy.units as u
import numpy as np
from astropy.io import fits
from astropy.wcs import WCS

import spectral
from sky_image import SkyImage, scale_of

LIGHT = 299792458.0  # m/s
AXES = {  # name: unit, label, and whether a rest frequency is needed
    "frequency": ("GHz", "Frequency (GHz)", False),
    "wavelength": ("m", "Wavelength (m)", False),
    "radio": ("km/s", "Velocity, radio definition (km/s)", True),
    "optical": ("km/s", "Velocity, optical definition (km/s)", True),
    "relativistic": ("km/s", "Velocity, relativistic (km/s)", True),
    "channel": ("", "Channel", False),
}


@dataclasses.dataclass
class Cube:
    """The planes of one polarization, read as they are used."""

    data: np.ndarray  # (channel, y, x)
    header: fits.Header
    wcs: WCS  # celestial
    frequencies: np.ndarray  # Hz, of each channel
    rest: float | None  # Hz

    @classmethod
    def read(cls, path: str, rest: float | None = None, polarization: int = 0) -> Cube:
        """Read the first image of three or four dimensions with a spectral axis; `rest` in Hz takes the place of the header's rest frequency."""
        warnings.simplefilter("ignore", fits.verify.VerifyWarning)
        try:
            with fits.open(path) as hdus:
                hdu = next((h for h in hdus if h.is_image and h.header["NAXIS"] in (3, 4)), None)
                if hdu is None:
                    raise ValueError("The FITS file has no cube: an image of three or four dimensions.")
                header, data = hdu.header.copy(), hdu.data
                beams = hdus["BEAMS"].data if "BEAMS" in hdus else None
        except OSError as error:
            raise ValueError(f"This is not a FITS file that can be read: {error}") from error
        axis = spectral.axis_of(header)
        full = WCS(header)
        if axis is None or axis < 3 or not full.has_celestial or (full.wcs.lng, full.wcs.lat) != (0, 1):
            raise ValueError("The cube's axes are to be longitude, latitude and a spectral one, with or without polarization.")
        if data.ndim == 4:
            other = 7 - axis  # the axes are 3 and 4
            if polarization >= header[f"NAXIS{other}"]:
                raise ValueError(f"Plane {polarization} of axis {other} was asked for; it has the planes 0 to {header[f'NAXIS{other}'] - 1}.")
            data = data[(slice(None), polarization) if axis == 4 else (polarization,)]
        if rest:
            header["RESTFRQ"] = rest
        if beams is not None and "BMAJ" not in header:
            for key in ("BMAJ", "BMIN", "BPA"):  # one for each channel
                header[key] = float(np.median(beams[key])) * u.Unit(beams.columns[key].unit or "deg").to(u.deg)
        length = spectral.rest_wavelength(header)
        places = spectral.wavelengths(header, axis, np.arange(len(data)))
        return cls(data, header, full.celestial, LIGHT / places, None if length is None else LIGHT / length.value)

    def axis(self, kind: str) -> np.ndarray:
        """Positions of the channels along an axis of AXES, in its unit."""
        if AXES[kind][2] and self.rest is None:
            raise ValueError("A velocity needs a rest frequency; the header has none (RESTFRQ), give rest_frequency.")
        f, f0 = self.frequencies, self.rest
        return {"frequency": lambda: f / 1e9, "wavelength": lambda: LIGHT / f, "channel": lambda: np.arange(len(f), dtype=float),
                "radio": lambda: LIGHT * (1 - f / f0) / 1e3, "optical": lambda: LIGHT * (f0 / f - 1) / 1e3,
                "relativistic": lambda: LIGHT * (f0**2 - f**2) / (f0**2 + f**2) / 1e3}[kind]()

    def channels(self, kind: str, low: float | None, high: float | None) -> slice:
        """The channels whose centre is between low and high on an axis; all where neither is given."""
        values = self.axis(kind)
        within = np.flatnonzero((values >= (-np.inf if low is None else low)) & (values <= (np.inf if high is None else high)))
        if not len(within):
            raise ValueError(f"No channel lies between {low} and {high} {AXES[kind][0]}; the cube goes from {values.min():.6g} to {values.max():.6g}.")
        return slice(int(within[0]), int(within[-1]) + 1)

    def noise(self, channels: slice = slice(None)) -> np.ndarray:
        """Standard deviation of each channel from its median absolute deviation; NaN where it has no finite pixel."""
        out = []
        for plane in self.data[channels]:
            finite = plane[np.isfinite(plane)]
            out.append(1.4826 * np.median(np.abs(finite - np.median(finite))) if finite.size else np.nan)
        return np.array(out, float)

    def plane(self, pixels: np.ndarray, unit: str | None = None) -> SkyImage:
        """An image on the cube's sky."""
        return SkyImage(np.asarray(pixels, float), self.plane_header(unit), self.wcs, scale_of(self.wcs), self.wcs.wcs.crpix - 1)

    def plane_header(self, unit: str | None = None) -> fits.Header:
        """Header of an image on the cube's sky, with its beam and what was observed."""
        header = self.wcs.to_header()
        for key in ("OBJECT", "TELESCOP", "OBSERVER", "DATE-OBS", "BMAJ", "BMIN", "BPA", "SPECSYS"):
            if key in self.header:
                header[key] = self.header[key]
        if self.rest:
            header["RESTFRQ"] = self.rest
        header["BUNIT"] = unit if unit is not None else self.unit
        header["NAXIS"] = 2
        return header

    @property
    def unit(self) -> str:
        """Unit of the pixels, spelt as FITS has it."""
        return str(self.header.get("BUNIT", "")).strip().replace("JY", "Jy").replace("BEAM", "beam").replace("KELVIN", "K")
