"""Self-calibrate a field: antenna gains against a CLEAN model, round after round.

Each round solves for antenna gains that bring the data to the model, first
phases alone, in later rounds also amplitudes, applies them to the data and
images the result with WSClean; the CLEAN components are the next round's
model. The first model is a disc or a point of known flux, the MODEL_DATA column,
or ("image") a CLEAN of the data as they are.

The measurement set of the result holds the calibrated data in CORRECTED_DATA, their
weights (with the systematic error, multiplied by the squared gains) in
WEIGHT_SPECTRUM, the last model in MODEL_DATA, and flags where no gain could be
found. The input is not changed.

The example is the shadow of M87's black hole from the public data of the
Event Horizon Telescope: a disc of 60 microarcsec starts it, and CLEAN is confined to a radius of 30 microarcsec.
"""

import csv
import os
from typing import Annotated, Literal, NamedTuple

import numpy as np
from astropy.io import fits
from fringe import Directory, File, In, Out, progress
from scipy.special import j1

from calibration import Calibration, Plan
from imaging import Imager
from visibilities import Visibilities

ARCSEC = np.pi / 180 / 3600  # rad
MEMORY = 3.0  # GiB for wsclean, of the limit below

FRINGE = {
    "version": "1.0.1",
    "environment": "selfcal",
    "shape": "task",
    "cpu": 2,
    "memory": "4GiB",
    "timeout": 86400,
    "author": "The Fringe authors",
    "license": "Apache-2.0",
    "keywords": ["self-calibration", "calibration", "CLEAN", "VLBI", "EHT"],
    "citation": "1984ARA&A..22...97P Image Formation by Self-Calibration in Radio Astronomy; "
                "2014A&A...571A..97S Fast gain calibration in radio astronomy using alternating direction implicit methods; "
                "2019ApJ...875L...4E First M87 Event Horizon Telescope Results. IV. Imaging the Central Supermassive Black Hole",
    "example": {
        "ms": {"class": "Directory", "location": "demo:m87-eht.ms"}, "model": "disc", "model_flux": 0.6,
        "model_diameter": 60e-6, "size": 128, "scale": 2e-6, "mask_radius": 30e-6, "iterations": [300, 500, 800, 800, 1000, 1000],
        "gain": 0.03, "mgain": 0.9, "no_negative": True, "beam_size": 20e-6, "phase_interval": 10.0,
        "amplitude_interval": 120.0, "systematic_error": 0.05,
        "largest_correction": 1.6, "minimum_baselines": 3, "minimum_snr": 3.0,
    },
}


class Outputs(NamedTuple):
    """What selfcal gives."""

    calibrated: Annotated[Directory, Out(doc="The calibrated measurement set, named as the input")]
    image: Annotated[File, Out(doc="The restored image of the last round", unit="Jy/beam", format="image/fits")]
    model: Annotated[File, Out(doc="The CLEAN components of the last round", unit="Jy/pixel", format="image/fits")]
    residual: Annotated[File, Out(doc="What is left in the last round", unit="Jy/beam", format="image/fits")]
    solutions: Annotated[File, Out(doc="The gains as a FITS table: time, window, antenna, receptor, amplitude, phase, valid", format="image/fits")]
    convergence: Annotated[File, Out(doc="Per round as CSV: kind, CLEANed flux, reduced chi-squared, peak, noise and dynamic range "
                                         "of the image, fraction of valid gains", format="text/csv")]
    flux: Annotated[float, Out(unit="Jy", doc="Flux of the model of the last round")]
    chi_squared: Annotated[float, Out(doc="Reduced chi-squared of the calibrated data against the last model")]
    log: Annotated[File, Out(doc="What WSClean said", format="text/plain")]


def main(
    ms: Annotated[Directory, In(writable=True, doc="Measurement set; column DATA is calibrated")],
    size: Annotated[int, In(unit="pixel", minimum=16, maximum=16384, doc="Width and height of the image")],
    scale: Annotated[float, In(unit="arcsec", exclusive_minimum=0, maximum=3600, doc="Size of a pixel")],
    field: Annotated[int, In(minimum=0, doc="Number of the field")] = 0,
    model: Annotated[Literal["image", "disc", "point", "column"], In(doc="The first model: a CLEAN of the data as they are, a uniform "
                     "disc, a point, or the MODEL_DATA column")] = "image",
    model_flux: Annotated[float, In(unit="Jy", exclusive_minimum=0, doc="Flux of the disc or point")] = 1.0,
    model_diameter: Annotated[float | None, In(unit="arcsec", exclusive_minimum=0, doc="Diameter of the disc")] = None,
    phase_rounds: Annotated[int, In(minimum=0, maximum=50, doc="Rounds with phases alone")] = 3,
    amplitude_rounds: Annotated[int, In(minimum=0, maximum=50, doc="Rounds with amplitudes and phases, after those")] = 3,
    phase_interval: Annotated[float, In(unit="s", exclusive_minimum=0, doc="Solution interval of phases")] = 60.0,
    amplitude_interval: Annotated[float, In(unit="s", exclusive_minimum=0, doc="Solution interval of amplitudes; rounded to a whole number of phase intervals")] = 600.0,
    polarizations: Annotated[Literal["together", "separately"], In(doc="One gain for both receptors of an antenna, or one for each")] = "together",
    systematic_error: Annotated[float, In(minimum=0, maximum=1, doc="Fraction of the amplitude that is added to the noise of each visibility, so that "
                                "the most sensitive baselines do not rule")] = 0.0,
    min_uv: Annotated[float, In(minimum=0, doc="Shortest baseline that is used for gains and images, in wavelengths; shorter ones see emission "
                      "that the image cannot hold")] = 0.0,
    largest_correction: Annotated[float, In(exclusive_minimum=1, doc="Amplitude gains are confined to between this and its inverse")] = 2.0,
    normalize: Annotated[bool, In(doc="Keep the flux scale: bring the median amplitude gain to 1")] = False,
    minimum_baselines: Annotated[int, In(minimum=1, doc="Baselines that an antenna needs for a solution; one more for amplitudes")] = 2,
    minimum_snr: Annotated[float, In(minimum=0, doc="Signal-to-noise ratio below which a gain is not used")] = 0.0,
    iterations: Annotated[list[int], In(minimum=1, doc="CLEAN iterations of the rounds; the last one counts for all further rounds")] = [1000],
    gain: Annotated[float, In(exclusive_minimum=0, maximum=1, doc="Part of the peak that one CLEAN iteration subtracts")] = 0.1,
    mgain: Annotated[float, In(exclusive_minimum=0, maximum=1, doc="Part of the peak that one major iteration cleans")] = 0.8,
    auto_threshold: Annotated[float | None, In(exclusive_minimum=0, doc="Residual at which CLEAN stops, in units of the noise")] = None,
    no_negative: Annotated[bool, In(doc="Allow no negative components")] = False,
    mask_radius: Annotated[float | None, In(unit="arcsec", exclusive_minimum=0, doc="CLEAN only within this radius of the centre")] = None,
    weight: Annotated[Literal["natural", "uniform", "briggs"], In(doc="Weighting of the images")] = "briggs",
    robust: Annotated[float, In(minimum=-5, maximum=5, doc="Briggs' robustness")] = 0.0,
    beam_size: Annotated[float | None, In(unit="arcsec", exclusive_minimum=0, doc="FWHM of a circular restoring beam; fitted when absent")] = None,
    threads: Annotated[int, In(minimum=1, maximum=64, doc="Threads of WSClean")] = 2,
    name: Annotated[str, In(doc="First part of the names of the files")] = "selfcal",
) -> Outputs:
    """Self-calibrate a measurement set."""
    if phase_rounds + amplitude_rounds < 1:
        raise ValueError("phase_rounds and amplitude_rounds are both 0; at least one round is needed.")
    if model == "disc" and model_diameter is None:
        raise ValueError("The start model is a disc; give its model_diameter in arcsec.")
    if not name or "/" in name or name.startswith("."):
        raise ValueError(f"name is {name!r}; it must be a plain file name.")
    imager = Imager(field=field, size=size, scale=scale, weight=weight, robust=robust, gain=gain, mgain=mgain,
                    auto_threshold=auto_threshold, no_negative=no_negative, beam_size=beam_size, mask_radius=mask_radius, min_uv=min_uv,
                    threads=threads, memory=MEMORY, log=f"{name}.log")
    data = Visibilities(ms.path, field, systematic_error, min_uv)
    calibration = Calibration(data, Plan(phase_interval, amplitude_interval, polarizations == "together", minimum_baselines,
                                         minimum_snr, largest_correction, normalize))
    values = _start(model, model_flux, model_diameter, data)
    if values is None:
        imager.clean(ms.path, name, iterations[0], "DATA")
        values = data.model()
    rounds = []
    total = phase_rounds + amplitude_rounds
    for number in range(total):
        kind = "phase" if number < phase_rounds else "amplitude"
        calibration.solve(values, kind)
        data.write(*calibration.apply())
        imager.clean(ms.path, name, iterations[min(number, len(iterations) - 1)], "CORRECTED_DATA")
        values = data.model()
        rounds.append(_measure(number + 1, kind, name, calibration, values))
        progress((number + 1) / total, "{kind} round {round}: flux {flux} Jy, chi-squared {chi_squared}".format(**rounds[-1]))
    calibration.table().write(f"{name}-solutions.fits", overwrite=True)
    with open(f"{name}-convergence.csv", "w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, rounds[0])
        writer.writeheader()
        writer.writerows(rounds)
    last = rounds[-1]
    return Outputs(Directory(os.path.relpath(ms.path)), *(File(f"{name}-{part}.fits") for part in ("image", "model", "residual", "solutions")),
                   File(f"{name}-convergence.csv"), last["flux"], last["chi_squared"], File(f"{name}.log"))


def _start(kind: str, flux: float, diameter: float | None, data: Visibilities) -> np.ndarray | None:
    """Visibilities of the first model, like the data; None when it has to be imaged."""
    if kind == "image":
        return None
    if kind == "column":
        return data.model()
    values = np.full(data.data.shape[:2], flux)
    if kind == "disc":
        # A uniform disc's visibility is 2 J1(x)/x at x = pi diameter q (Thompson, Moran & Swenson 2017, table 10.2).
        x = np.pi * diameter * ARCSEC * data.uv_distance()
        values = flux * np.where(x > 1e-6, 2 * j1(x) / np.where(x > 1e-6, x, 1), 1)
    return np.repeat(values[..., None], data.data.shape[2], 2)


def _measure(number: int, kind: str, name: str, calibration: Calibration, model: np.ndarray) -> dict:
    """The figures of one round."""
    image, residual, components = (np.squeeze(fits.getdata(f"{name}-{part}.fits")) for part in ("image", "residual", "model"))
    peak = float(image.max())
    noise = float(1.4826 * np.median(np.abs(residual - np.median(residual))))
    figures = dict(flux=float(components.sum()), chi_squared=calibration.chi_squared(model), peak=peak, noise=noise,
                   dynamic_range=peak / noise if noise > 0 else 0.0, valid_gains=calibration.valid_fraction())
    return dict(round=number, kind=kind, **{key: float(f"{value:.6g}") for key, value in figures.items()})
