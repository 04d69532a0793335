"""Antenna layouts and the geometry of interferometer baselines."""

from __future__ import annotations

import casacore.measures as measures
import casacore.quanta as quanta
import numpy as np

# The Very Large Array in its D configuration: ITRF positions in metres of the
# stations W01-W09, E01-E09, N01-N09, from NRAO's public list of stations.
_VLA_D = """
-1601188.99 -5042000.52 3554843.38 -1601225.23 -5041980.39 3554855.66 -1601265.11 -5041982.56 3554834.82
-1601315.87 -5041985.32 3554808.26 -1601376.95 -5041988.68 3554776.34 -1601447.18 -5041992.53 3554739.65
-1601526.34 -5041996.88 3554698.28 -1601614.06 -5042001.68 3554652.46 -1601709.99 -5042006.94 3554602.31
-1601192.42 -5042022.88 3554810.38 -1601150.03 -5042000.63 3554860.70 -1601114.32 -5042023.19 3554844.92
-1601068.77 -5042051.93 3554824.77 -1601014.41 -5042086.26 3554800.77 -1600951.55 -5042125.93 3554772.99
-1600880.55 -5042170.38 3554741.43 -1600801.88 -5042219.39 3554706.38 -1600715.92 -5042273.14 3554668.13
-1601185.55 -5041978.19 3554876.38 -1601180.82 -5041947.46 3554921.57 -1601177.37 -5041925.07 3554954.53
-1601173.90 -5041902.68 3554987.49 -1601168.74 -5041869.06 3555036.89 -1601162.55 -5041829.02 3555095.85
-1601155.59 -5041783.86 3555162.33 -1601147.89 -5041733.86 3555235.91 -1601139.48 -5041679.02 3555316.48
"""
VLA_D_POSITIONS = np.array(_VLA_D.split(), float).reshape(27, 3)
VLA_D_STATIONS = [f"{arm}{number:02d}" for arm in "WEN" for number in range(1, 10)]


def vla_d(count: int) -> tuple[np.ndarray, list[str]]:
    """Give the `count` innermost stations of the VLA's D configuration: positions (count, 3) in m, and names."""
    inner_first = np.argsort(np.tile(np.arange(9), 3), kind="stable")[:count]
    return VLA_D_POSITIONS[inner_first], [VLA_D_STATIONS[i] for i in inner_first]


def spiral(count: int, random: np.random.Generator) -> tuple[np.ndarray, list[str]]:
    """Give an SKA-like layout at the VLA's site: positions (count, 3) in m, and names.

    Half of the antennas are in a Gaussian core with a standard deviation of
    120 m, half on three logarithmic spiral arms out to 1.5 km.
    """
    core = random.normal(0, 120, (count // 2, 2))
    outer = count - count // 2
    radius = np.geomspace(200, 1500, outer)
    angle = np.log(radius / 200) * 1.5 + 2 * np.pi * (np.arange(outer) % 3) / 3
    east_north = np.vstack([core, np.c_[radius * np.cos(angle), radius * np.sin(angle)]])
    centre = VLA_D_POSITIONS.mean(0)
    longitude, latitude = np.arctan2(centre[1], centre[0]), np.arctan2(centre[2], np.hypot(centre[0], centre[1]))
    east = np.array([-np.sin(longitude), np.cos(longitude), 0])
    north = np.array([-np.sin(latitude) * np.cos(longitude), -np.sin(latitude) * np.sin(longitude), np.cos(latitude)])
    return centre + east_north[:, :1] * east + east_north[:, 1:] * north, [f"S{i:03d}" for i in range(count)]


class Projection:
    """Turns ITRF baselines into (u, v, w), with casacore's measures."""

    def __init__(self, reference: np.ndarray):
        self._reference = reference
        self._measures = measures.measures()

    def matrix(self, time: float, ra: float, dec: float) -> np.ndarray:
        """Give the 3x3 matrix that turns an ITRF vector into J2000 (u, v, w).

        `time` is in seconds of MJD (UTC), `ra` and `dec` in radians.
        """
        dm = self._measures
        dm.do_frame(dm.epoch("UTC", quanta.quantity(time, "s")))
        dm.do_frame(dm.position("ITRF", *(quanta.quantity(float(x), "m") for x in self._reference)))
        dm.do_frame(dm.direction("J2000", quanta.quantity(ra, "rad"), quanta.quantity(dec, "rad")))
        length = 1000.0
        columns = []
        for axis in np.eye(3) * length:
            baseline = dm.baseline("ITRF", *(quanta.quantity(float(x), "m") for x in axis))
            columns.append(dm.to_uvw(baseline)["xyz"].get_value("m"))
        return np.array(columns).T / length


def transit(ra: float, longitude: float, after: float) -> float:
    """Give the time in seconds of MJD of the first transit of `ra` (degrees) after the MJD `after` (days).

    Greenwich mean sidereal time is the linear part of Meeus 1998, "Astronomical
    Algorithms", equation 12.4: within a second of time, enough to centre a run.
    """
    rate = 360.98564736629
    sidereal = 280.46061837 + rate * (after - 51544.5) + longitude
    return (after + ((ra - sidereal) % 360) / rate) * 86400.0
