"""A plane of a FITS image with its place on the sky."""

from __future__ import annotations

import dataclasses

import numpy as np
from astropy import units as u
from astropy.io import fits
from astropy.wcs import WCS
from astropy.wcs.utils import proj_plane_pixel_scales

UNITS = [("deg", "°", 3600.0), ("arcmin", "′", 60.0), ("arcsec", "″", 1.0), ("mas", "mas", 1e-3), ("µas", "µas", 1e-6)]


@dataclasses.dataclass
class SkyImage:
    """One plane; y is the first axis of the pixels, north is up when the header says so."""

    pixels: np.ndarray  # (y, x)
    header: fits.Header
    wcs: WCS | None  # celestial; None when the image has no such coordinates
    scale: np.ndarray  # size of a pixel along x and y, arcsec; 1 without coordinates
    origin: np.ndarray  # pixel (x, y), from 0, that offsets are measured from
    channel: int = 0  # of the plane, from 0, along the spectral axis

    @classmethod
    def read(cls, path: str, channel: int = 0, polarization: int = 0) -> SkyImage:
        """Read a plane of the first image of a FITS file with two to four dimensions.

        For further axes `channel` counts along FREQ (or any third axis), `polarization` along STOKES.
        """
        try:
            with fits.open(path) as hdus:
                hdu = next((h for h in hdus if h.is_image and h.data is not None and h.data.ndim >= 2), None)
                if hdu is None:
                    raise ValueError("The FITS file has no image of two or more dimensions.")
                header = hdu.header.copy()
                pixels = np.array(hdu.data[plane_index(header, channel, polarization)], float)  # of a cube nothing else is read
                if "BEAMS" in hdus and "BMAJ" not in header:
                    header.update(_beam_of(hdus["BEAMS"], channel, polarization))
        except OSError as error:
            raise ValueError(f"This is not a FITS file that can be read: {error}") from error
        celestial = WCS(header).celestial
        if not celestial.has_celestial or celestial.naxis != 2:
            return cls(pixels, header, None, np.ones(2), (np.array(pixels.shape[::-1]) - 1) / 2, channel)
        return cls(pixels, header, celestial, scale_of(celestial), celestial.wcs.crpix - 1, channel)

    def crop(self, width: float, centre: np.ndarray) -> SkyImage:
        """The square of `width` arcsec around the pixel `centre` (x, y), as far as it is within the image."""
        half = width / self.scale / 2
        low = np.maximum(0, np.floor(centre - half + 0.5)).astype(int)
        high = np.minimum(self.pixels.shape[::-1], np.ceil(centre + half + 0.5)).astype(int)
        if np.any(width < 2 * self.scale) or np.any(high - low < 2):
            raise ValueError(f"The field of {width:g} arcsec is smaller than two pixels; a pixel has {self.scale[0]:g} arcsec.")
        part = slice(low[1], high[1]), slice(low[0], high[0])
        wcs = self.wcs[part] if self.wcs is not None else None
        return dataclasses.replace(self, pixels=self.pixels[part], wcs=wcs, origin=self.origin - low)

    def peak(self) -> np.ndarray:
        """Pixel (x, y) of the largest value."""
        y, x = np.unravel_index(np.nanargmax(self.pixels), self.pixels.shape)
        return np.array([x, y])

    def noise(self) -> float:
        """Standard deviation from the median absolute deviation: 1.4826 MAD, that of a normal distribution."""
        finite = self.pixels[np.isfinite(self.pixels)]
        return float(1.4826 * np.median(np.abs(finite - np.median(finite))))

    def beam(self) -> tuple[float, float, float] | None:
        """Major and minor axis (FWHM, arcsec) and position angle (deg) of the beam, when the header has it."""
        major, minor = self.header.get("BMAJ", 0), self.header.get("BMIN", 0)
        return (major * 3600, minor * 3600, self.header.get("BPA", 0.0)) if major > 0 and minor > 0 else None

    def beam_area(self) -> float | None:
        """Pixels in the beam, pi/(4 ln 2) times the product of its axes."""
        beam = self.beam()
        return float(np.pi / (4 * np.log(2)) * beam[0] * beam[1] / np.prod(self.scale)) if beam else None

    def offset_unit(self) -> tuple[str, str, float]:
        """Name, symbol and size in arcsec of the unit that suits the field: the largest of which it has 3."""
        width = max(self.pixels.shape) * max(self.scale)
        return next((unit for unit in UNITS if width >= 3 * unit[2]), UNITS[-1])

    def frequency(self) -> float | None:
        """Frequency of the plane in Hz, when the header has such an axis."""
        for axis in range(3, self.header["NAXIS"] + 1):
            if str(self.header.get(f"CTYPE{axis}", "")).startswith("FREQ"):
                step = self.channel + 1 - self.header.get(f"CRPIX{axis}", 0.0)
                return float(self.header[f"CRVAL{axis}"] + step * self.header.get(f"CDELT{axis}", 0.0))
        return None


def scale_of(celestial: WCS) -> np.ndarray:
    """Size of a pixel along x and y in arcsec."""
    return proj_plane_pixel_scales(celestial) * 3600


def _beam_of(beams: fits.BinTableHDU, channel: int, polarization: int) -> dict:
    """The beam of a plane, as keywords, from the table of beams that CASA writes where planes have their own."""
    rows = beams.data[(beams.data["CHAN"] == channel) & (beams.data["POL"] == polarization)]
    return {key: float(rows[key][0]) * u.Unit(beams.columns[key].unit or "deg").to(u.deg) for key in ("BMAJ", "BMIN", "BPA")} if len(rows) else {}


def spectral_axis(header: fits.Header) -> int | None:
    """The axis that channels count along: of those beyond the second and without STOKES, the first that has several planes."""
    others = [axis for axis in range(3, header["NAXIS"] + 1) if not _is_stokes(header, axis)]
    return next((axis for axis in others if header[f"NAXIS{axis}"] > 1), others[0] if others else None)


def plane_index(header: fits.Header, channel: int, polarization: int) -> tuple[int, ...]:
    """Index of a plane in the array: the axes beyond the second, the last one first."""
    further, spectral = range(3, header["NAXIS"] + 1), spectral_axis(header)
    wanted = {axis: polarization if _is_stokes(header, axis) else channel if axis == spectral else 0 for axis in further}
    for axis, plane in wanted.items():
        if plane >= header[f"NAXIS{axis}"]:
            kind = str(header.get(f"CTYPE{axis}", "")).strip() or "further axis"
            raise ValueError(f"Plane {plane} of axis {axis} ({kind}) was asked for; it has the planes 0 to {header[f'NAXIS{axis}'] - 1}.")
    return tuple(wanted[axis] for axis in reversed(further))


def _is_stokes(header: fits.Header, axis: int) -> bool:
    return str(header.get(f"CTYPE{axis}", "")).startswith("STOKES")
