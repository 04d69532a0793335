"""Make a measurement set whose contents are known exactly.

A sky of six point sources (or your own), thermal noise, and, as wanted, antenna
gain errors, interference, a spectral line and a calibrator field are observed
with the VLA's D configuration or an SKA-like spiral. Beside the measurement
set come the truth as JSON (sources, noise, expected image noise) and as NPZ
(gains, interference mask, times, frequencies), so that any calibration,
flagging or imaging can be checked. The same inputs give the same data.

UVW coordinates are position of antenna 2 minus position of antenna 1.
"""

import json
from typing import Annotated, Literal, NamedTuple

import numpy as np
from fringe import Directory, File, In, Out

import layout
import sky
from measurementset import Antennas, Field, Rows, Setup, Window, Writer

FRINGE = {
    "version": "1.0.1",
    "environment": "astro",
    "shape": "task",
    "cpu": 1,
    "memory": "2GiB",
    "timeout": 3600,
    "author": "The Fringe authors",
    "license": "Apache-2.0",
    "keywords": ["simulation", "measurement set", "test data", "visibilities"],
    "citation": "2017isra.book.....T Interferometry and Synthesis in Radio Astronomy",
    "example": {"times": 10, "channels": 8},
}

CORRELATIONS = {"RR LL": ["RR", "LL"], "RR RL LR LL": ["RR", "RL", "LR", "LL"]}
CALIBRATOR_OFFSET = np.radians([8.0, -3.0])  # of the calibrator field from the target, right ascension and declination
SCANS = 6


class Source(NamedTuple):
    """A point source of the made sky."""

    name: Annotated[str, In(doc="Name in the truth file")]
    east: Annotated[float, In(unit="arcsec", minimum=-36000, maximum=36000, doc="Offset east of the phase centre")]
    north: Annotated[float, In(unit="arcsec", minimum=-36000, maximum=36000, doc="Offset north of the phase centre")]
    flux: Annotated[float, In(unit="Jy", ucd="phot.flux.density;em.radio", doc="Flux density at the mean frequency")]
    spectral_index: Annotated[float, In(minimum=-5, maximum=5, doc="a in S = S0 (f/f0)^a")] = 0.0


class Outputs(NamedTuple):
    """What make-ms gives."""

    ms: Annotated[Directory, Out(doc="The measurement set; with a calibrator, field 0 is CAL and field 1 TARGET")]
    truth: Annotated[File, Out(doc="Sources with their positions and fluxes, noise, expected noise of a naturally "
                                   "weighted image, and the inputs", format="application/json")]
    arrays: Annotated[File, Out(doc="NumPy archive: gains[time, antenna, receptor], rfi_mask[time, channel], "
                                    "times (s, MJD UTC), frequencies (Hz)", format="application/octet-stream")]
    rows: Annotated[int, Out(doc="Number of rows of the measurement set")]
    expected_rms: Annotated[float | None, Out(unit="Jy/beam", doc="Noise of a naturally weighted Stokes I image of the target; null when it is not observed")]


def main(
    antennas: Annotated[int, In(minimum=3, maximum=512, doc="Number of antennas; at most 27 with the VLA")] = 27,
    array: Annotated[Literal["vla-d", "spiral"], In(doc="Layout: the VLA's D configuration (largest baseline 1 km), "
                     "or a core with three spiral arms (3 km)")] = "vla-d",
    times: Annotated[int, In(minimum=1, maximum=100000, doc="Number of integrations")] = 60,
    integration: Annotated[float, In(unit="s", minimum=0.1, maximum=600, doc="Length of an integration")] = 60.0,
    channels: Annotated[int, In(minimum=1, maximum=65536, doc="Number of spectral channels")] = 16,
    frequency: Annotated[float, In(unit="Hz", ucd="em.freq", minimum=1e7, maximum=1e12,
                         doc="Centre of the first channel")] = 1.4e9,
    channel_width: Annotated[float, In(unit="Hz", minimum=1, maximum=1e10, doc="Width of a channel")] = 1e6,
    correlations: Annotated[Literal["RR LL", "RR RL LR LL"], In(doc="Correlation products; cross hands hold noise only")] = "RR LL",
    ra: Annotated[float, In(unit="deg", ucd="pos.eq.ra", minimum=0, maximum=360, doc="Right ascension of the phase centre, J2000")] = 230.5,
    dec: Annotated[float, In(unit="deg", ucd="pos.eq.dec", minimum=-55, maximum=90, doc="Declination of the phase centre, J2000")] = 35.0,
    sources: Annotated[list[Source] | None, In(doc="Point sources; without them six of 1 to 0.05 Jy within 12 arcmin")] = None,
    noise: Annotated[float, In(unit="Jy", exclusive_minimum=0, doc="Standard deviation of the real and of the imaginary part of one visibility")] = 0.1,
    gain_errors: Annotated[float, In(minimum=0, maximum=1, doc="Antenna gain errors: amplitudes scatter by half of it, phases by it times 90 degrees")] = 0.0,
    interference: Annotated[float, In(unit="Jy", minimum=0, doc="Median amplitude of radio interference; 0 for none")] = 0.0,
    line: Annotated[float, In(unit="Jy", minimum=0, doc="Peak flux per channel of a rotating HI-like line; 0 for none")] = 0.0,
    calibrator: Annotated[bool, In(doc="Alternate scans between a calibrator field (0) and the target (1)")] = False,
    calibrator_flux: Annotated[float, In(unit="Jy", exclusive_minimum=0, doc="Flux density of the calibrator, at its phase centre")] = 15.0,
    seed: Annotated[int, In(minimum=0, doc="Seed of all random numbers")] = 1,
    name: Annotated[str, In(doc="Name of the measurement set, without .ms")] = "synthetic",
) -> Outputs:
    """Make a measurement set with known truth."""
    parameters = {k: v for k, v in locals().items() if k != "sources"}
    if array == "vla-d" and antennas > 27:
        raise ValueError(f"The VLA has 27 antennas, {antennas} were asked for; use array 'spiral' for more.")
    if not name or "/" in name or name.startswith("."):
        raise ValueError(f"name is {name!r}; it must be a plain file name.")
    observation = Observation(parameters, [sky.PointSource(*s) for s in sources] if sources else sky.SOURCES)
    path = f"{name}.ms"
    with Writer(path, observation.setup()) as writer:
        for block in observation.blocks():
            writer.append(block)
        rows = writer.rows
    target_rows = int(observation.targets().sum()) * len(observation.first)
    expected = float(noise / np.sqrt(2 * target_rows * channels)) if target_rows else None
    truth = dict(parameters=parameters, rows=rows, reference_frequency=float(observation.frequencies.mean()),
                 sources=observation.truth(), expected_rms=expected,
                 interference_fraction=float(observation.mask.mean()),
                 units=dict(flux="Jy", ra="deg", dec="deg", expected_rms="Jy/beam", reference_frequency="Hz"))
    with open(f"{name}.truth.json", "w", encoding="utf-8") as file:
        json.dump(truth, file, indent=1)
    np.savez_compressed(f"{name}.truth.npz", gains=observation.gains, rfi_mask=observation.mask,
                        times=observation.times, frequencies=observation.frequencies)
    return Outputs(Directory(path), File(f"{name}.truth.json"), File(f"{name}.truth.npz"), rows, expected)


class Observation:
    """All that is drawn before the first visibility, and the blocks of rows that follow from it."""

    def __init__(self, parameters: dict, sources: list[sky.PointSource]):
        p = self.parameters = parameters
        self.sources = sources
        self.random = np.random.default_rng(p["seed"])
        count, times, channels = p["antennas"], p["times"], p["channels"]
        if p["array"] == "vla-d":
            self.positions, self.stations = layout.vla_d(count)
        else:
            self.positions, self.stations = layout.spiral(count, self.random)
        self.frequencies = p["frequency"] + p["channel_width"] * np.arange(channels)
        self.first, self.second = np.triu_indices(count, 1)
        longitude = float(np.degrees(np.arctan2(self.positions[:, 1].mean(), self.positions[:, 0].mean())))
        middle = layout.transit(p["ra"], longitude, after=59000.0)
        self.times = middle + (np.arange(times) - (times - 1) / 2) * p["integration"]
        self.scans = np.arange(times) // max(1, times // SCANS)
        self.gains = sky.antenna_gains(p["gain_errors"], times, count, self.random)
        self.mask = np.zeros((times, channels), bool)
        if p["interference"]:
            self.mask = sky.interference_mask(times, channels, self.random)
        self.interference = p["interference"] * self.random.lognormal(0, 0.7, len(self.first))
        self.blobs = sky.line_blobs(p["line"], channels)
        self.fields = [Field("TARGET", *np.radians([p["ra"], p["dec"]]))]
        if p["calibrator"]:
            ra, dec = np.radians([p["ra"], p["dec"]]) + CALIBRATOR_OFFSET
            self.fields.insert(0, Field("CAL", ra % (2 * np.pi), dec, code="C"))

    def targets(self) -> np.ndarray:
        """True for the integrations on the target: with a calibrator, every other scan."""
        return self.scans % 2 == 1 if self.parameters["calibrator"] else np.ones(len(self.times), bool)

    def setup(self) -> Setup:
        """Describe the observation for the writer."""
        p = self.parameters
        count = p["antennas"]
        antennas = Antennas([f"ea{i + 1:02d}" for i in range(count)], self.stations, self.positions,
                            ["ALT-AZ"] * count, np.full(count, 25.0))
        window = Window("SPW0", self.frequencies, p["channel_width"])
        return Setup("VLA" if p["array"] == "vla-d" else "SIM", "make-ms", "SIMULATION", antennas, [window],
                     CORRELATIONS[p["correlations"]], self.fields, history=f"made by make-ms {FRINGE['version']}")

    def truth(self) -> list[dict]:
        """The sources with their sky positions in degrees."""
        ra, dec = np.radians([self.parameters["ra"], self.parameters["dec"]])
        positions = [source.position(ra, dec) for source in self.sources]
        return [dict(name=s.name, ra=position[0], dec=position[1], east=s.east, north=s.north, flux=s.flux,
                     spectral_index=s.spectral_index) for s, position in zip(self.sources, positions)]

    def blocks(self):
        """Yield the rows of each integration in turn."""
        projection = layout.Projection(self.positions[0])
        targets = self.targets()
        for index, time in enumerate(self.times):
            field = len(self.fields) - 1 if targets[index] else 0
            matrix = projection.matrix(time, self.fields[field].ra, self.fields[field].dec)
            coordinates = (self.positions - self.positions[0]) @ matrix.T
            uvw = coordinates[self.second] - coordinates[self.first]
            data = self._observe(index, self._model(bool(targets[index]), uvw))
            count = len(uvw)
            yield Rows(time=np.full(count, time), interval=np.full(count, self.parameters["integration"]),
                       antenna1=self.first, antenna2=self.second, uvw=uvw, data=data, flag=np.zeros(data.shape, bool),
                       weight=np.full(data.shape, self.parameters["noise"] ** -2), window=np.zeros(count),
                       field=np.full(count, field), scan=np.full(count, self.scans[index] + 1))

    def _model(self, on_target: bool, uvw: np.ndarray) -> np.ndarray:
        """Visibilities (baselines, channels) of the sky that is pointed at."""
        if not on_target:
            return np.full((len(uvw), len(self.frequencies)), self.parameters["calibrator_flux"], complex)
        model = sky.continuum(self.sources, uvw, self.frequencies)
        return model + sky.line(self.blobs, uvw, self.frequencies) if self.blobs else model

    def _observe(self, index: int, model: np.ndarray) -> np.ndarray:
        """Add gains, interference and noise: (baselines, channels, correlations)."""
        correlations = len(CORRELATIONS[self.parameters["correlations"]])
        data = np.zeros((*model.shape, correlations), complex)
        for receptor, correlation in enumerate((0, correlations - 1)):
            gain = self.gains[index, self.first, receptor] * np.conj(self.gains[index, self.second, receptor])
            data[:, :, correlation] = model * gain[:, None]
        bad = np.flatnonzero(self.mask[index])
        if len(bad):
            phase = np.exp(2j * np.pi * self.random.random((len(model), 1, 1)))
            shape = (len(model), len(bad), correlations)
            data[:, bad] += self.interference[:, None, None] * phase * self.random.lognormal(0, 0.2, shape)
        noise = self.random.normal(size=(*data.shape, 2))
        return data + self.parameters["noise"] * (noise[..., 0] + 1j * noise[..., 1])
