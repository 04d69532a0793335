"""The calibration of a field: solution intervals, gains, and their application."""

from __future__ import annotations

import dataclasses

import numpy as np
from astropy.table import Table

import gains
from gains import Rules, Solution
from visibilities import Visibilities


@dataclasses.dataclass(frozen=True)
class Plan:
    """What is solved for."""

    phase_interval: float  # s
    amplitude_interval: float  # s
    together: bool  # one gain for both receptors
    minimum_baselines: int
    minimum_snr: float
    largest_correction: float
    normalize: bool


class Calibration:
    """Finds the gains of a field against models of it.

    Phases have short solution intervals, amplitudes long ones that are whole multiples of
    them; every interval is within one scan and one spectral window.
    """

    def __init__(self, data: Visibilities, plan: Plan):
        self._data, self._plan = data, plan
        multiple = max(1, round(plan.amplitude_interval / plan.phase_interval))
        self._phase_slots = data.slots(plan.phase_interval)
        self._amplitude_slots = data.slots(multiple * plan.phase_interval)
        self.solution = Solution(np.ones((0, 0, 0), complex), np.ones((0, 0, 0), bool))

    def solve(self, model: np.ndarray, kind: str) -> None:
        """Find the gains of all phase intervals against `model` (rows, channels, correlations).

        `kind` is "phase", or "amplitude": then phases are found first, and after them complex gains over the
        long intervals.
        """
        plan = self._plan
        phases = self._solve(self._data.data, self._phase_slots, model, Rules(True, plan.minimum_baselines, plan.minimum_snr))
        if kind == "amplitude":
            corrected = self._corrected(phases, self._phase_slots)
            rules = Rules(False, plan.minimum_baselines + 1, plan.minimum_snr, plan.largest_correction, plan.normalize)
            amplitudes = self._solve(corrected, self._amplitude_slots, model, rules)
            first = np.unique(self._phase_slots, return_index=True)[1]
            outer = self._amplitude_slots[first]
            phases = Solution(phases.gain * amplitudes.gain[outer], phases.valid & amplitudes.valid[outer])
        self.solution = phases

    def apply(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Give calibrated data, their weights and their flags; data without valid gains are flagged."""
        data, slots = self._data, self._phase_slots
        factor = self._factor(self.solution, slots)
        receptors = self._receptors()
        first = self.solution.valid[slots[:, None], data.first[:, None], receptors[:, 0]]
        second = self.solution.valid[slots[:, None], data.second[:, None], receptors[:, 1]]
        flag = data.flag | ~(first & second)[:, None]
        weight = np.where(flag, 0, data.weight * np.abs(factor) ** 2)
        return data.data / factor, weight, flag

    def valid_fraction(self) -> float:
        """Fraction of the gains that are valid, of those of antennas with data."""
        return float(self.solution.valid.mean())

    def chi_squared(self, model: np.ndarray) -> float:
        """Reduced chi-squared of the calibrated parallel hands against `model`: 1 when only noise is left."""
        corrected, weight, _ = self.apply()
        hands = self._data.parallel
        used = weight[..., hands] * self._data.solved[..., None]
        misfit = used * np.abs(corrected[..., hands] - model[..., hands]) ** 2
        return float(misfit.sum() / max(1, 2 * np.count_nonzero(used)))

    def table(self) -> Table:
        """The gains: one row per interval, antenna and receptor."""
        data, gain = self._data, self.solution.gain
        first = np.unique(self._phase_slots, return_index=True)[1]
        count = np.bincount(self._phase_slots)
        time = np.bincount(self._phase_slots, data.time) / count
        slot, antenna, receptor = (index.ravel() for index in np.indices(gain.shape))
        table = Table({"TIME": time[slot], "SCAN": data.scan[first][slot], "WINDOW": data.window[first][slot],
                       "ANTENNA": antenna, "NAME": np.array(data.antennas)[antenna], "RECEPTOR": receptor,
                       "AMPLITUDE": np.abs(gain).ravel(), "PHASE": np.degrees(np.angle(gain)).ravel(),
                       "VALID": self.solution.valid.ravel()})
        table["TIME"].unit, table["PHASE"].unit = "s", "deg"
        return table

    def _receptors(self) -> np.ndarray:
        """Index of the gain of each correlation's two receptors, (correlations, 2)."""
        return np.zeros_like(self._data.receptors) if self._plan.together else self._data.receptors

    def _factor(self, solution: Solution, slots: np.ndarray) -> np.ndarray:
        """What the model is multiplied with: g_1 conj(g_2), (rows, 1, correlations)."""
        data, receptors = self._data, self._receptors()
        first = solution.gain[slots[:, None], data.first[:, None], receptors[:, 0]]
        second = solution.gain[slots[:, None], data.second[:, None], receptors[:, 1]]
        return (first * np.conj(second))[:, None]

    def _corrected(self, solution: Solution, slots: np.ndarray) -> np.ndarray:
        return self._data.data / self._factor(solution, slots)

    def _solve(self, values: np.ndarray, slots: np.ndarray, model: np.ndarray, rules: Rules) -> Solution:
        data = self._data
        hands = data.parallel
        weight, model = data.weight[..., hands] * data.solved[..., None], model[..., hands]
        numerator = (weight * np.where(weight > 0, values[..., hands], 0) * np.conj(model)).sum(1)
        denominator = (weight * np.abs(model) ** 2).sum(1)
        if self._plan.together:
            numerator, denominator = numerator.sum(1, keepdims=True), denominator.sum(1, keepdims=True)
        sums = [gains.accumulate(slots, data.first, data.second, len(data.antennas), t) for t in (numerator, denominator)]
        return gains.solve(*sums, rules)
