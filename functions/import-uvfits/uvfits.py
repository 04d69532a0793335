"""Read random-groups UVFITS files.

The format is that of AIPS Memo 117 (Greisen 2016, "AIPS FITS file format"): the
primary HDU holds one group per baseline and time with random parameters UU, VV,
WW (seconds), BASELINE or ANTENNA1/ANTENNA2, DATE (Julian Date, often in two
parts), and an array with the axes COMPLEX (real, imaginary, weight), STOKES,
FREQ, IF, RA, DEC. The tables AIPS AN (antennas), AIPS FQ (frequencies of the
IFs) and AIPS SU (sources) complete it.
"""

from __future__ import annotations

import warnings

import numpy as np
from astropy.io import fits

from measurementset import Antennas, Field, Rows, Window

SPEED_OF_LIGHT = 299792458.0  # m/s
MJD_ZERO = 2400000.5  # Julian Date of MJD 0
STOKES = {1: "I", 2: "Q", 3: "U", 4: "V", -1: "RR", -2: "LL", -3: "RL", -4: "LR", -5: "XX", -6: "YY", -7: "XY", -8: "YX"}
ORDER = ["I", "Q", "U", "V", "RR", "RL", "LR", "LL", "XX", "XY", "YX", "YY"]  # of correlations in a measurement set
SWAPPED = {"RL": "LR", "LR": "RL", "XY": "YX", "YX": "XY"}  # what a cross hand becomes when the antennas are exchanged
MOUNTS = ["ALT-AZ", "EQUATORIAL", "ORBITING", "X-Y", "ALT-AZ+NASMYTH-R", "ALT-AZ+NASMYTH-L"]  # by MNTSTA
FRAMES = {"LSRK": "LSRK", "LSRD": "LSRD", "BARYCENT": "BARY", "GEOCENTR": "GEO", "TOPOCENT": "TOPO"}  # by SPECSYS
DEFAULT_DISH = 25.0  # m; most tables do not tell
SCAN_GAP = 4.0  # integrations without data that end a scan, with at least a minute
CHUNK = 1 << 18  # visibilities of one chunk, about


class FormatError(ValueError):
    """The file is not a UVFITS file that can be imported."""


class UVFits:
    """One UVFITS file, opened for reading; a context manager."""

    def __init__(self, path: str):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                self._file = fits.open(path, memmap=True)
        except OSError as error:
            raise FormatError(f"This is not a FITS file ({error}); a random-groups UVFITS file is expected.") from error
        primary = self._file[0]
        if not isinstance(primary, fits.GroupsHDU):
            kind = "an image" if primary.header.get("NAXIS", 0) else "a file of tables, perhaps FITS-IDI"
            raise FormatError(f"The FITS file has no random groups (it is {kind}); a random-groups UVFITS file is expected.")
        self.header = primary.header
        self._groups = primary.data
        self._names = [name.strip().upper() for name in self._groups.parnames]
        self._axes = {self.header.get(f"CTYPE{i}", "").strip().upper(): i for i in range(2, self.header["NAXIS"] + 1)}
        for axis in ("COMPLEX", "STOKES", "FREQ"):
            if axis not in self._axes:
                raise FormatError(f"The primary array has no {axis} axis; its axes are {', '.join(self._axes)}.")
        self.correlations = self._read_correlations()
        self._antenna_table = self._one_table("AIPS AN")
        self._numbers = {int(n): i for i, n in enumerate(self._antenna_table.data["NOSTA"])}

    def __enter__(self) -> UVFits:
        return self

    def __exit__(self, *_) -> None:
        del self._groups
        self._file.close()

    # What the file describes.

    @property
    def ifs(self) -> int:
        """Number of IFs (sub-bands)."""
        return self.header[f"NAXIS{self._axes['IF']}"] if "IF" in self._axes else 1

    def keyword(self, name: str) -> str:
        """A text keyword of the primary header, or an empty string."""
        return str(self.header.get(name, "")).strip()

    def windows(self) -> list[Window]:
        """One spectral window per IF, in the order of the file."""
        reference = self._axis("FREQ")
        step = float(self.header.get(f"CDELT{self._axes['FREQ']}", 1.0))
        offsets, widths = np.zeros(self.ifs), np.full(self.ifs, step)
        table = self._one_table("AIPS FQ", needed=False)
        if table is not None and len(table.data):
            if len(table.data) > 1:
                raise FormatError(f"The file has {len(table.data)} frequency set-ups (AIPS FQ rows); split it so that it has one.")
            row = table.data[0]
            offsets = np.atleast_1d(np.asarray(row["IF FREQ"], float))[: self.ifs]
            sideband = np.sign(np.atleast_1d(np.asarray(row["SIDEBAND"], float)))[: self.ifs]
            width = np.atleast_1d(np.asarray(row["CH WIDTH"], float))[: self.ifs]
            widths = np.where(width != 0, np.where(sideband < 0, -np.abs(width), width), step)
        pixel = float(self.header.get(f"CRPIX{self._axes['FREQ']}", 1.0))
        start = reference[0] + (pixel - 1) * step
        channel = np.arange(len(reference)) + 1 - pixel
        frame = FRAMES.get(self.keyword("SPECSYS"), "TOPO")
        return [Window(f"IF{i + 1}", start + offsets[i] + channel * widths[i], widths[i], frame) for i in range(self.ifs)]

    def fields(self) -> list[Field]:
        """The sources: the rows of AIPS SU, or the one that the header names."""
        table = self._one_table("AIPS SU", needed=False)
        if table is None or "SOURCE" not in self._names:
            frame = self._frame(self.header.get("EQUINOX", self.header.get("EPOCH", 2000.0)))
            ra, dec = np.radians([self._axis("RA")[0], self._axis("DEC")[0]])
            return [Field(self.keyword("OBJECT") or "UNKNOWN", ra % (2 * np.pi), dec, frame=frame)]
        return [Field(str(row["SOURCE"]).strip(), np.radians(float(row["RAEPO"])) % (2 * np.pi), np.radians(float(row["DECEPO"])),
                      str(row["CALCODE"]).strip(), self._frame(row["EPOCH"])) for row in table.data]

    def antennas(self) -> Antennas:
        """The antenna table, with geocentric positions.

        STABXYZ is relative to ARRAYX/Y/Z; when these are not the geocentre, its
        x axis points to the meridian of the array, not to Greenwich. A table
        with XYZHAND = LEFT has y towards the west.
        """
        table, header = self._antenna_table.data, self._antenna_table.header
        positions = np.asarray(table["STABXYZ"], float)
        if str(header.get("XYZHAND", "RIGHT")).strip().upper() == "LEFT":
            positions = positions * [1, -1, 1]
        centre = np.array([float(header.get(f"ARRAY{axis}", 0.0) or 0.0) for axis in "XYZ"])
        if np.linalg.norm(centre) > 1e6:
            longitude = np.arctan2(centre[1], centre[0])
            cos, sin = np.cos(longitude), np.sin(longitude)
            positions = centre + positions @ np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]]).T
        names = [str(name).strip() for name in table["ANNAME"]]
        mounts = [MOUNTS[m] if 0 <= m < len(MOUNTS) else "UNKNOWN" for m in map(int, table["MNTSTA"])]
        diameters = np.asarray(table["DIAMETER"], float) if "DIAMETER" in table.columns.names else np.zeros(len(names))
        return Antennas(names, names, positions, mounts, np.where(diameters > 0, diameters, DEFAULT_DISH))

    # The visibilities.

    def blocks(self, ifs: list[int], interval: float | None):
        """Yield `Rows` in order of time, window and baseline, for the IFs (from 0) that are wanted.

        `interval` in seconds replaces the integration times of the file. Rows
        have antenna 1 <= antenna 2; weights that are not positive and finite become flags.
        """
        index = self._index(interval)
        order = np.lexsort((index["antenna2"], index["antenna1"], index["stamp"]))
        stamps = index["stamp"][order]
        step = max(1, CHUNK // (len(ifs) * len(self._axis("FREQ")) * len(self.correlations)))
        start = 0
        while start < len(order):
            end = int(np.searchsorted(stamps, stamps[min(start + step, len(order)) - 1], side="right"))
            yield self._block(order[start:end], {k: v[order[start:end]] for k, v in index.items()}, ifs)
            start = end

    def _block(self, groups: np.ndarray, index: dict[str, np.ndarray], ifs: list[int]) -> Rows:
        values = self._visibilities(groups)[:, ifs]
        data, weight = values[..., 0] + 1j * values[..., 1], values[..., 2]
        swap = index["swapped"]
        data[swap] = np.conj(data[swap])
        order = np.argsort([ORDER.index(c) for c in self.correlations])
        exchanged = np.array([self.correlations.index(SWAPPED.get(c, c)) for c in self.correlations])[order]
        data, weight = (np.where(swap[:, None, None, None], a[..., exchanged], a[..., order]) for a in (data, weight))
        count, windows = len(groups), len(ifs)
        window = np.repeat(np.arange(windows)[None], count, 0).ravel()
        sort = np.lexsort((np.repeat(index["antenna2"], windows), np.repeat(index["antenna1"], windows), window,
                           np.repeat(index["stamp"], windows)))
        flat = lambda a: a.reshape(count * windows, *a.shape[2:])[sort]
        spread = lambda a: np.repeat(a, windows, 0)[sort]
        flag = ~((flat(weight) > 0) & np.isfinite(flat(weight)) & np.isfinite(flat(data)))
        return Rows(time=spread(index["time"]), interval=spread(index["interval"]), antenna1=spread(index["antenna1"]),
                    antenna2=spread(index["antenna2"]), uvw=spread(index["uvw"]), flag=flag,
                    data=np.where(np.isfinite(flat(data)), flat(data), 0), weight=np.where(flag, 0, flat(weight)),
                    window=window[sort], field=spread(index["field"]), scan=spread(index["scan"]))

    def _index(self, interval: float | None) -> dict[str, np.ndarray]:
        """Everything of each group but its visibilities."""
        first, second = self._baselines()
        uvw = np.stack([self._parameter(axis) for axis in ("UU", "VV", "WW")], 1) * SPEED_OF_LIGHT
        swapped = first > second
        uvw[swapped] *= -1
        first, second = np.where(swapped, second, first), np.where(swapped, first, second)
        time = (self._parameter("DATE") - MJD_ZERO) * 86400.0 - self._clock()
        stamp = np.round(time, 2)
        field = self._source_numbers(len(time))
        index = dict(time=time, stamp=stamp, antenna1=first, antenna2=second, uvw=uvw, swapped=swapped, field=field)
        index["interval"] = np.full(len(time), interval) if interval else self._intervals(index)
        index["scan"] = _scans(stamp, index["interval"], field)
        return index

    def _clock(self) -> float:
        """Seconds to take from the file's times to have UTC."""
        header = self._antenna_table.header
        system = str(header.get("TIMSYS", header.get("TIMESYS", "UTC"))).strip().upper()
        return float(header.get("IATUTC", 0.0)) if system in ("IAT", "TAI") else 0.0

    def _intervals(self, index: dict[str, np.ndarray]) -> np.ndarray:
        """Integration times in s: INTTIM, unless it is absent or longer than the usual step of a baseline's times."""
        baseline = index["antenna1"] * (len(self._numbers) + 1) + index["antenna2"]
        order = np.lexsort((index["time"], baseline))
        steps = np.diff(index["time"][order])[np.diff(baseline[order]) == 0]
        steps = steps[steps > 0.001]
        usual = float(np.median(steps)) if len(steps) else None
        if "INTTIM" in self._names:
            told = self._parameter("INTTIM")
            if np.median(told) > 0 and (usual is None or np.median(told) <= 1.05 * usual):
                return told
        return np.full(len(baseline), usual or 1.0)

    def _baselines(self) -> tuple[np.ndarray, np.ndarray]:
        """Antenna indices (from 0) of each group."""
        if "BASELINE" in self._names:
            code = self._parameter("BASELINE")
            if np.any(np.abs(code - np.floor(code + 1e-3)) > 5e-3):
                raise FormatError("The file has several subarrays (fractions in BASELINE); split it so that it has one.")
            code = np.floor(code + 1e-3).astype(int)
            large = code > 65536  # 2048 a1 + a2 + 65536, for more than 255 antennas
            numbers = np.where(large, (code - 65536) // 2048, code // 256), np.where(large, (code - 65536) % 2048, code % 256)
        elif "ANTENNA1" in self._names and "ANTENNA2" in self._names:
            numbers = tuple(np.rint(self._parameter(name)).astype(int) for name in ("ANTENNA1", "ANTENNA2"))
        else:
            raise FormatError("The groups have neither BASELINE nor ANTENNA1 and ANTENNA2.")
        unknown = sorted(set(np.unique(numbers)) - set(self._numbers))
        if unknown:
            raise FormatError(f"Antenna number {unknown[0]} is used but is not in the antenna table (AIPS AN).")
        table = np.zeros(max(self._numbers) + 1, int)
        table[list(self._numbers)] = list(self._numbers.values())
        return table[numbers[0]], table[numbers[1]]

    def _source_numbers(self, count: int) -> np.ndarray:
        table = self._one_table("AIPS SU", needed=False)
        if table is None or "SOURCE" not in self._names:
            return np.zeros(count, int)
        rows = {int(n): i for i, n in enumerate(table.data["ID. NO."])}
        numbers = np.rint(self._parameter("SOURCE")).astype(int)
        unknown = sorted(set(np.unique(numbers)) - set(rows))
        if unknown:
            raise FormatError(f"Source number {unknown[0]} is used but is not in the source table (AIPS SU).")
        return np.vectorize(rows.get, otypes=[int])(numbers)

    def _parameter(self, name: str) -> np.ndarray:
        """A random parameter in double precision; parameters of one name, such as DATE, add up."""
        total = None
        for number, found in enumerate(self._names):
            if found == name or found.split("-")[0] == name or (name == "DATE" and found == "_DATE"):
                values = np.asarray(self._groups.field(number), float)
                total = values if total is None else total + values
        if total is None:
            raise FormatError(f"The groups have no parameter {name}; they have {', '.join(self._names)}.")
        return total

    def _visibilities(self, groups: np.ndarray) -> np.ndarray:
        """Real part, imaginary part and weight: (groups, IFs, channels, correlations, 3)."""
        data = np.asarray(self._groups.data[groups], np.float32)
        wanted = [self._axes[a] for a in ("IF", "FREQ", "STOKES", "COMPLEX") if a in self._axes]
        places = [self.header["NAXIS"] + 1 - axis for axis in wanted]  # array axes run backwards; groups are the first
        data = np.moveaxis(data, places, range(data.ndim - len(places), data.ndim))
        data = data.reshape(len(groups), self.ifs, len(self._axis("FREQ")), len(self.correlations), -1)
        if data.shape[-1] == 2:
            data = np.concatenate([data, np.ones((*data.shape[:-1], 1), np.float32)], -1)
        return data

    # Headers and tables.

    def _read_correlations(self) -> list[str]:
        codes = np.rint(self._axis("STOKES")).astype(int)
        if not set(codes) <= set(STOKES):
            raise FormatError(f"The STOKES axis has the values {codes.tolist()}; -8 to -1 and 1 to 4 have a meaning.")
        return [STOKES[c] for c in codes]

    def _axis(self, name: str) -> np.ndarray:
        """World coordinates along an axis."""
        if name not in self._axes:
            raise FormatError(f"The primary array has no {name} axis.")
        i, h = self._axes[name], self.header
        pixel = np.arange(h[f"NAXIS{i}"]) + 1 - h.get(f"CRPIX{i}", 1.0)
        return float(h[f"CRVAL{i}"]) + pixel * float(h.get(f"CDELT{i}", 1.0))

    def _one_table(self, name: str, needed: bool = True):
        found = [hdu for hdu in self._file[1:] if hdu.name.strip().upper() == name]
        if not found and needed:
            raise FormatError(f"The file has no {name} table.")
        if len(found) > 1:
            raise FormatError(f"The file has {len(found)} {name} tables (subarrays); split it so that it has one.")
        return found[0] if found else None

    @staticmethod
    def _frame(equinox) -> str:
        text = str(equinox).strip().upper().lstrip("JB")
        return "B1950" if text and abs(float(text) - 1950) < 1 else "J2000"


def _scans(stamp: np.ndarray, interval: np.ndarray, field: np.ndarray) -> np.ndarray:
    """Scan numbers from 1: a scan ends where the source changes or after a gap in time."""
    order = np.argsort(stamp, kind="stable")
    gap = np.diff(stamp[order]) > max(60.0, SCAN_GAP * float(np.median(interval)))
    change = np.diff(field[order]) != 0
    scan = np.empty(len(stamp), int)
    scan[order] = 1 + np.concatenate([[0], np.cumsum(gap | change)])
    return scan
