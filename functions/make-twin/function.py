"""Make a twin of the NGC 5921 tutorial's observation, whose answers are known.

The tutorial of CASA calibrates and images a VLA observation of the galaxy NGC 5921 in the hydrogen line (13 April 1995,
D configuration). This measurement set has the same fields, scans, channels, correlations and array, autocorrelations to
flag, gains and bandpasses to find, continuum to subtract, and a rotating disc to image; all of it is made, so the flux of
the second calibrator, the line's flux and the velocities are known. The same inputs give the same data.
"""

import json
from typing import Annotated, NamedTuple

import numpy as np
from fringe import Directory, File, In, Out

import galaxy
import layout
from measurementset import Antennas, Field, Rows, Setup, Window, Writer

FRINGE = {
    "version": "1.0.0",
    "environment": "astro",
    "shape": "task",
    "cpu": 1,
    "memory": "2GiB",
    "timeout": 3600,
    "author": "The Fringe authors",
    "license": "Apache-2.0",
    "keywords": ["simulation", "measurement set", "test data", "spectral line", "tutorial"],
    "citation": "2022PASP..134k4501C CASA, the Common Astronomy Software Applications for Radio Astronomy (the tutorial); "
                "2017isra.book.....T Interferometry and Synthesis in Radio Astronomy",
    "example": {},
}

DAY = 49820 * 86400.0  # s, 13 April 1995
INTEGRATION = 30.0  # s
CHANNELS, WIDTH, FIRST = 63, 24414.0625, 1412.68608e6  # Hz
NOISE_AUTO, AUTO = 0.01, 40.0
FLUXES = [14.76, 2.486]  # Jy, of the calibrators
# The scans: beginning, end (UTC), field.
SCANS = [("09:19:00", "09:24:30", 0), ("09:27:30", "09:29:30", 1), ("09:33:00", "09:48:00", 2), ("09:50:30", "09:51:00", 1),
         ("10:22:00", "10:23:00", 1), ("10:26:00", "10:43:00", 2), ("10:45:30", "10:47:00", 1)]


def _radians(turn: float, a: float, b: float, c: float) -> float:
    return float(np.radians((a + b / 60 + c / 3600) * turn))


FIELDS = [Field("1331+30500002_0", _radians(15, 13, 31, 8.29), _radians(1, 30, 30, 32.96), "C"),
          Field("1445+09900002_0", _radians(15, 14, 45, 16.47), _radians(1, 9, 58, 36.07), "A"),
          Field("N5921_2", _radians(15, 15, 22, 0), _radians(1, 5, 4, 0))]


class Outputs(NamedTuple):
    """What make-twin gives."""

    ms: Annotated[Directory, Out(doc="The measurement set")]
    truth: Annotated[File, Out(doc="Fluxes, velocities and noise that were put in", format="application/json")]
    rows: Annotated[int, Out(doc="Number of rows")]


def main(
    noise: Annotated[float, In(unit="Jy", exclusive_minimum=0, doc="Standard deviation of the real and of the imaginary part of one visibility")] = 0.42,
    seed: Annotated[int, In(minimum=0, doc="Seed of the random numbers")] = 5921,
    name: Annotated[str, In(doc="Name of the measurement set, without .ms")] = "ngc5921",
) -> Outputs:
    """Make a twin of the NGC 5921 tutorial's observation."""
    if not name or "/" in name or name.startswith("."):
        raise ValueError(f"name is {name!r}; it must be a plain file name.")
    twin = Twin(noise, np.random.default_rng(seed))
    with Writer(f"{name}.ms", twin.setup()) as writer:
        for block in twin.blocks():
            writer.append(block)
        rows = writer.rows
    with open(f"{name}.truth.json", "w", encoding="utf-8") as file:
        json.dump(twin.truth() | {"rows": rows}, file, indent=1)
    return Outputs(Directory(f"{name}.ms"), File(f"{name}.truth.json"), rows)


def _seconds(clock: str) -> float:
    hours, minutes, seconds = map(float, clock.split(":"))
    return hours * 3600 + minutes * 60 + seconds


class Twin:
    """The observation."""

    def __init__(self, noise: float, random: np.random.Generator):
        self.noise, self.random = noise, random
        self.frequencies = FIRST + WIDTH * np.arange(CHANNELS)
        self.velocities = galaxy.velocities(self.frequencies)
        self.disc = galaxy.clouds(float(self.velocities[CHANNELS // 2]))
        self.spectra = galaxy.profiles(self.disc, self.velocities)
        self.positions = layout.VLA_D_POSITIONS
        self.first, self.second = np.triu_indices(len(self.positions))  # with autocorrelations
        self.receivers = galaxy.Receivers(len(self.positions), CHANNELS, random)

    def setup(self) -> Setup:
        """Describe the observation for the writer."""
        count = len(self.positions)
        antennas = Antennas([f"VA{i + 1:02d}" for i in range(count)], [f"VLA:{s}" for s in layout.VLA_D_STATIONS], self.positions,
                            ["ALT-AZ"] * count, np.full(count, 25.0))
        return Setup("VLA", "make-twin", "NGC5921 TWIN", antennas, [Window("HI", self.frequencies, WIDTH, "LSRK")], ["RR", "LL"], FIELDS,
                     history=f"made by make-twin {FRINGE['version']}")

    def truth(self) -> dict:
        """What is known, with its units."""
        flux = float(self.disc[:, 3].sum())
        return dict(fluxes=FLUXES, line_flux=flux, mean_velocity=float((self.disc[:, 2] * self.disc[:, 3]).sum() / flux), noise=self.noise,
                    channel_width=float(abs(self.velocities[1] - self.velocities[0])), continuum=float(galaxy.CONTINUUM[:, 2].sum()),
                    line_spectrum=self.spectra.sum(0).tolist(), velocities=self.velocities.tolist(),
                    units=dict(fluxes="Jy", line_flux="Jy km/s", mean_velocity="km/s", noise="Jy", channel_width="km/s", continuum="Jy",
                               line_spectrum="Jy", velocities="km/s"))

    def blocks(self):
        """Yield the rows of each integration in turn."""
        projection = layout.Projection(self.positions[0])
        begin, end = _seconds(SCANS[0][0]), _seconds(SCANS[-1][1])
        for scan, (start, stop, field) in enumerate(SCANS, 1):
            for second in np.arange(_seconds(start) + INTEGRATION / 2, _seconds(stop), INTEGRATION):
                matrix = projection.matrix(DAY + second, FIELDS[field].ra, FIELDS[field].dec)
                coordinates = (self.positions - self.positions[0]) @ matrix.T
                uvw = coordinates[self.second] - coordinates[self.first]
                data = self._observe(field, uvw, (second - begin) / (end - begin) - 0.5)
                count = len(uvw)
                yield Rows(time=np.full(count, DAY + second), interval=np.full(count, INTEGRATION), antenna1=self.first, antenna2=self.second,
                           uvw=uvw, data=data, flag=np.zeros(data.shape, bool), weight=np.full(data.shape, self.noise**-2),
                           window=np.zeros(count), field=np.full(count, field), scan=np.full(count, scan))

    def _observe(self, field: int, uvw: np.ndarray, moment: float) -> np.ndarray:
        """Visibilities (baselines, channels, correlations) as the receivers give them."""
        sky = np.full((len(uvw), CHANNELS), FLUXES[field], complex) if field < 2 else galaxy.visibilities(uvw, self.frequencies, self.disc, self.spectra)
        response, random, edge = self.receivers.response(moment), self.random, self.receivers.edge
        data = np.stack([sky * response[self.first, r] * np.conj(response[self.second, r]) for r in (0, 1)], -1)
        data += self.noise * np.maximum(edge, 0.2)[:, None] * (random.normal(size=data.shape) + 1j * random.normal(size=data.shape))
        alone = self.first == self.second
        data[alone] = AUTO * edge[:, None] * (1 + NOISE_AUTO * random.normal(size=data[alone].shape))
        return data
