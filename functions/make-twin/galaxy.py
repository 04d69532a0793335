"""The sky and the instrument of the made NGC 5921 observation."""

from __future__ import annotations

import numpy as np

SPEED_OF_LIGHT = 299792458.0  # m/s
ARCSEC = np.pi / 180 / 3600  # rad
REST_FREQUENCY = 1420.405752e6  # Hz, of the hydrogen line

# Continuum around the galaxy: east and north in arcsec, flux in Jy, FWHM in arcsec.
CONTINUUM = np.array([(-600, 420, 0.040, 0), (480, -300, 0.025, 0), (0, 0, 0.012, 60), (-250, -560, 0.015, 0)], float)
# The disc: rings of Gaussian clouds. Radius in arcsec, integrated line flux of the ring in Jy km/s.
RINGS = [(40, 3.0), (90, 7.0), (140, 8.0), (190, 5.0)]
CLOUD_FWHM = 45.0  # arcsec
CLOUD_SIGMA = 10.0  # km/s
ROTATION = 95.0  # km/s, of the flat part of the curve
TURNOVER = 60.0  # arcsec
INCLINATION, POSITION_ANGLE = np.radians(45), np.radians(130)


def velocities(frequencies: np.ndarray) -> np.ndarray:
    """Radio velocities in km/s."""
    return SPEED_OF_LIGHT / 1e3 * (1 - frequencies / REST_FREQUENCY)


def clouds(systemic: float) -> np.ndarray:
    """The disc as clouds: rows of east and north in arcsec, velocity in km/s, flux in Jy km/s."""
    found = []
    for radius, flux in RINGS:
        count = max(6, radius // 12)
        for angle in 2 * np.pi * np.arange(count) / count:
            x, y = radius * np.cos(angle), radius * np.sin(angle) * np.cos(INCLINATION)
            east = x * np.sin(POSITION_ANGLE) - y * np.cos(POSITION_ANGLE)
            north = x * np.cos(POSITION_ANGLE) + y * np.sin(POSITION_ANGLE)
            velocity = systemic + ROTATION * np.tanh(radius / TURNOVER) * np.cos(angle) * np.sin(INCLINATION)
            found.append((east, north, velocity, flux / count))
    return np.array(found)


def profiles(disc: np.ndarray, velocity: np.ndarray) -> np.ndarray:
    """Flux densities (clouds, channels) in Jy."""
    shape = np.exp(-((velocity - disc[:, 2:3]) ** 2) / (2 * CLOUD_SIGMA**2))
    return shape / (CLOUD_SIGMA * np.sqrt(2 * np.pi)) * disc[:, 3:4]


def visibilities(uvw: np.ndarray, frequencies: np.ndarray, disc: np.ndarray, spectra: np.ndarray) -> np.ndarray:
    """Visibilities (baselines, channels) in Jy of the galaxy and the continuum, for uvw (baselines, 3) in m.

    As in Thompson, Moran & Swenson 2017, equation 3.7, for baselines from antenna 1 to antenna 2. The transform
    of a Gaussian of FWHM b is exp(-(pi b q)^2 / (4 ln 2)) at q wavelengths.
    """
    wavelengths = uvw[:, None, :] * (frequencies / SPEED_OF_LIGHT)[None, :, None]
    squared = (wavelengths[..., :2] ** 2).sum(-1)
    total = np.zeros(squared.shape, complex)

    def taper(fwhm: float) -> np.ndarray:
        return np.exp(-squared * (np.pi * fwhm * ARCSEC) ** 2 / (4 * np.log(2)))

    for east, north, flux, fwhm in CONTINUUM:
        total += flux * taper(fwhm) * np.exp(2j * np.pi * (wavelengths @ cosines(east, north)))
    cloud = taper(CLOUD_FWHM)
    for (east, north, _, _), spectrum in zip(disc, spectra):
        used = spectrum > spectrum.max() * 1e-4
        phase = wavelengths[:, used] @ cosines(east, north)
        total[:, used] += spectrum[used] * cloud[:, used] * np.exp(2j * np.pi * phase)
    return total


def cosines(east: float, north: float) -> np.ndarray:
    """Direction cosines (l, m, n - 1) of an offset in arcsec."""
    l, m = east * ARCSEC, north * ARCSEC
    return np.array([l, m, np.sqrt(1 - l * l - m * m) - 1])


class Receivers:
    """Gains and bandpasses of antennas with two receptors, drawn once."""

    def __init__(self, antennas: int, channels: int, random: np.random.Generator):
        position = np.linspace(-1, 1, channels)
        channel = np.arange(channels)
        self.edge = 1 / (1 + np.exp(-(channel - 2.0) / 0.9)) / (1 + np.exp((channel - (channels - 3.0)) / 0.9))
        normal = lambda: random.normal(size=(antennas, 2, 1))
        amplitude = 1 + 0.04 * normal() * position + 0.03 * normal() * position**2
        phase = 0.10 * normal() * position + 0.05 * normal() * position**2
        self._bandpass = self.edge * amplitude * np.exp(1j * phase)
        self._gain = (1 + 0.1 * random.normal(size=(antennas, 2))) * np.exp(1j * random.uniform(-np.pi, np.pi, (antennas, 2)))
        self._phase_drift, self._amplitude_drift = 0.25 * random.normal(size=(antennas, 2)), 0.02 * random.normal(size=(antennas, 2))

    def response(self, moment: float) -> np.ndarray:
        """Complex response (antennas, receptors, channels); moment goes from -0.5 to 0.5 over the observation."""
        gain = self._gain * (1 + self._amplitude_drift * moment) * np.exp(1j * self._phase_drift * moment)
        return gain[..., None] * self._bandpass
