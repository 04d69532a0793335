"""The made sky, the instrument's errors, and the visibilities they give."""

from __future__ import annotations

import dataclasses

import numpy as np

SPEED_OF_LIGHT = 299792458.0  # m/s
ARCSEC = np.pi / 180 / 3600  # rad


@dataclasses.dataclass(frozen=True)
class PointSource:
    """A point source with a power-law spectrum."""

    name: str
    east: float  # offset from the phase centre, arcsec
    north: float  # arcsec
    flux: float  # at the reference frequency, Jy
    spectral_index: float

    @property
    def cosines(self) -> np.ndarray:
        """Direction cosines (l, m, n - 1)."""
        l, m = np.sin(self.east * ARCSEC), np.sin(self.north * ARCSEC)
        return np.array([l, m, np.sqrt(1 - l * l - m * m) - 1])

    def position(self, ra: float, dec: float) -> tuple[float, float]:
        """Right ascension and declination in degrees for a phase centre in radians (orthographic projection)."""
        l, m, n = self.cosines + [0, 0, 1]
        source_dec = np.arcsin(m * np.cos(dec) + n * np.sin(dec))
        source_ra = ra + np.arctan2(l, n * np.cos(dec) - m * np.sin(dec))
        return float(np.degrees(source_ra) % 360), float(np.degrees(source_dec))


SOURCES = [
    PointSource("A", 0, 0, 1.000, -0.7), PointSource("B", 300, 200, 0.500, -0.7), PointSource("C", -410, 255, 0.300, 0.0),
    PointSource("D", 150, -500, 0.200, -0.7), PointSource("E", -600, -350, 0.100, -0.7),
    PointSource("F", 700, -120, 0.050, -0.7),
]


def continuum(sources: list[PointSource], uvw: np.ndarray, frequencies: np.ndarray) -> np.ndarray:
    """Visibilities (baselines, channels) in Jy of point sources, for uvw (baselines, 3) in m.

    V = sum over sources of S (f/f0)^a exp(2 pi i (u l + v m + w (n - 1))), where f0 is
    the mean frequency and uvw = (position 2 - position 1) in wavelengths
    (Thompson, Moran & Swenson 2017, equation 3.7, for that order of antennas).
    """
    wavelengths = uvw[:, None, :] * (frequencies / SPEED_OF_LIGHT)[None, :, None]
    ratio = frequencies / frequencies.mean()
    visibilities = np.zeros(wavelengths.shape[:2], complex)
    for source in sources:
        visibilities += source.flux * ratio**source.spectral_index * np.exp(2j * np.pi * (wavelengths @ source.cosines))
    return visibilities


def line_blobs(peak: float, channels: int) -> list[tuple[int, PointSource]]:
    """Give (channel, position and flux) of a rotating disc's line: a 60" blob that moves with frequency.

    It moves from 60" west to 60" east, 120" south of the phase centre, over the middle half of the band.
    """
    blobs = []
    for channel in range(channels // 4, 3 * channels // 4) if peak > 0 else ():
        x = (channel - channels / 2) / (channels / 4)
        blobs.append((channel, PointSource("line", 60 * x, -120, peak * (0.4 + 0.6 * x * x), 0.0)))
    return blobs


def line(blobs: list[tuple[int, PointSource]], uvw: np.ndarray, frequencies: np.ndarray) -> np.ndarray:
    """Visibilities (baselines, channels) in Jy of line emission: Gaussians with a FWHM of 60 arcsec.

    The transform of a Gaussian of FWHM b is exp(-(pi b q)^2 / (4 ln 2)) at q wavelengths.
    """
    visibilities = np.zeros((len(uvw), len(frequencies)), complex)
    for channel, blob in blobs:
        wavelengths = uvw * frequencies[channel] / SPEED_OF_LIGHT
        taper = np.exp(-((np.pi * 60 * ARCSEC) ** 2) * (wavelengths[:, :2] ** 2).sum(1) / (4 * np.log(2)))
        visibilities[:, channel] = blob.flux * taper * np.exp(2j * np.pi * (wavelengths @ blob.cosines))
    return visibilities


def antenna_gains(size: float, times: int, antennas: int, random: np.random.Generator) -> np.ndarray:
    """Complex gains (times, antennas, 2 receptors); all 1 when `size` is 0.

    Amplitudes have a standard deviation of size/2; phases one of 90 degrees times
    size plus a random walk of half of that. Antenna 0 is the phase reference.
    """
    if size == 0:
        return np.ones((times, antennas, 2), complex)
    amplitude = 1 + size * 0.5 * random.normal(size=(antennas, 2))
    phase = size * np.pi / 2 * random.normal(size=(antennas, 2))
    walk = np.cumsum(random.normal(size=(times, antennas, 2)), 0) / np.sqrt(times)
    gains = np.maximum(amplitude, 0.1) * np.exp(1j * (phase + size * np.pi / 4 * walk))
    return gains * np.exp(-1j * np.angle(gains[:, :1]))


def interference_mask(times: int, channels: int, random: np.random.Generator) -> np.ndarray:
    """Where there is interference, (times, channels): carriers, intermittent carriers and broadband bursts."""
    mask = np.zeros((times, channels), bool)
    mask[:, random.choice(channels, max(1, channels // 20), replace=False)] = True
    for _ in range(3):
        start = random.integers(0, times)
        mask[start : start + max(1, times // 60)] = True
    for _ in range(4):
        channel, start = random.integers(0, channels), random.integers(0, times)
        mask[start : start + max(2, times // 6), channel] = True
    return mask
