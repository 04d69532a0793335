"""Antenna gains by alternating least squares, for many solution intervals at once.

The model of the data is V_ij = g_i M_ij conj(g_j). With the sums over the samples of an interval
    A_ij = sum w V_ij conj(M_ij),   B_ij = sum w |M_ij|^2
the step g_i <- sum_j A_ij g_j / sum_j B_ij |g_j|^2 is repeated, averaging every second
iterate with the one before (StEFCal: Salvini & Wijnholds 2014, A&A 571, A97, algorithm 1).
"""

from __future__ import annotations

import dataclasses

import numpy as np

ITERATIONS = 300
TOLERANCE = 1e-7


@dataclasses.dataclass
class Solution:
    """Gains of every solution interval ("slot"), antenna and receptor."""

    gain: np.ndarray  # (slots, antennas, receptors) complex; 1 where not valid
    valid: np.ndarray  # (slots, antennas, receptors)


@dataclasses.dataclass(frozen=True)
class Rules:
    """How gains are solved for."""

    phase_only: bool
    minimum_baselines: int  # an antenna with fewer baselines to valid antennas has no solution
    minimum_snr: float  # a gain with a lower signal-to-noise ratio is not valid
    largest_amplitude: float = np.inf  # amplitudes are confined to 1/largest ... largest
    normalize: bool = False  # bring the median amplitude of the valid gains of all slots to 1


def accumulate(slots: np.ndarray, first: np.ndarray, second: np.ndarray, antennas: int, terms: np.ndarray) -> np.ndarray:
    """Sum `terms` (rows, receptors) into Hermitian matrices (slots, receptors, antennas, antennas)."""
    total = np.zeros((int(slots.max()) + 1, antennas, antennas, terms.shape[1]), terms.dtype)
    np.add.at(total, (slots, first, second), terms)
    np.add.at(total, (slots, second, first), np.conj(terms))
    return np.moveaxis(total, -1, 1)


def solve(numerator: np.ndarray, denominator: np.ndarray, rules: Rules) -> Solution:
    """Solve for gains from A and B, each (slots, receptors, antennas, antennas).

    The phase of the first valid antenna of each slot is 0.
    """
    valid = _connected(denominator > 0, rules.minimum_baselines)
    pairs = valid[..., :, None] & valid[..., None, :]
    a, b = np.where(pairs, numerator, 0), np.where(pairs, denominator, 0)
    gain = np.ones(valid.shape, complex)
    for iteration in range(ITERATIONS):
        former = gain
        up = np.einsum("srij,srj->sri", a, gain)
        down = np.einsum("srij,srj->sri", b, np.abs(gain) ** 2)
        gain = np.where(valid & (down > 0), up / np.where(down > 0, down, 1), 1)
        if rules.phase_only:
            gain = gain / np.where(np.abs(gain) > 0, np.abs(gain), 1)
        if iteration % 2:
            gain = (gain + former) / 2
            if np.linalg.norm(gain - former) <= TOLERANCE * np.linalg.norm(gain):
                break
    variance = np.einsum("srij,srj->sri", b, np.abs(gain) ** 2)  # inverse, of each part of a gain
    valid &= np.abs(gain) * np.sqrt(variance) >= rules.minimum_snr
    valid &= np.abs(gain) > 0
    return _finish(np.moveaxis(gain, -1, 1), np.moveaxis(valid, -1, 1), rules)


def _connected(measured: np.ndarray, minimum: int) -> np.ndarray:
    """Antennas (..., antennas) with enough baselines to antennas that have enough."""
    valid = np.ones(measured.shape[:-1], bool)
    while True:
        count = (measured & valid[..., None, :]).sum(-1)
        better = valid & (count >= minimum)
        if (better == valid).all():
            return valid
        valid = better


def _finish(gain: np.ndarray, valid: np.ndarray, rules: Rules) -> Solution:
    """Reference the phases, confine the amplitudes, and set gains that are not valid to 1."""
    reference = np.argmax(valid, axis=1)
    angle = np.angle(np.take_along_axis(gain, reference[:, None], axis=1))
    gain = gain * np.exp(-1j * angle)
    if not rules.phase_only:
        amplitude = np.abs(gain)
        if rules.normalize and valid.any():
            amplitude = amplitude / np.median(amplitude[valid])
        limited = np.clip(amplitude, 1 / rules.largest_amplitude, rules.largest_amplitude)
        gain = limited * np.exp(1j * np.angle(gain))
    return Solution(np.where(valid, gain, 1), valid)
