"""The visibilities of one field of a measurement set, in memory."""

from __future__ import annotations

import casacore.tables as tables
import numpy as np

PARALLEL = {1: (0, 0), 5: (0, 0), 8: (1, 1), 9: (0, 0), 12: (1, 1)}  # I, RR, LL, XX, YY: receptors of the two antennas
CROSS = {6: (0, 1), 7: (1, 0), 10: (0, 1), 11: (1, 0)}  # RL, LR, XY, YX
SPEED_OF_LIGHT = 299792458.0  # m/s


class Visibilities:
    """Reads the rows of one field, and writes their calibration back.

    `solved` (rows, channels) is true for the visibilities that gains are solved from: those of at
    least `min_uv` wavelengths.

    The arrays have the rows first; data, flag and weight are (rows, channels, correlations).
    No table is open between calls, so that another program can work on the measurement set.
    """

    def __init__(self, path: str, field: int, systematic_error: float, min_uv: float = 0.0):
        self.path = path
        with tables.table(path, ack=False) as table:
            self.rows = np.flatnonzero(table.getcol("FIELD_ID") == field)
            if not len(self.rows):
                fields = sorted(set(table.getcol("FIELD_ID").tolist()))
                raise ValueError(f"The measurement set has no data of field {field}; it has the fields {fields}.")
            shapes = {tuple(table.getcell("DATA", int(self.rows[i])).shape) for i in self._first_of_each(table)}
            if len(shapes) > 1:
                raise ValueError("The spectral windows have different numbers of channels; split them first.")
            read = lambda name: table.getcol(name)[self.rows]
            self.data = read("DATA")
            self.flag = read("FLAG") | read("FLAG_ROW")[:, None, None]
            self.first, self.second, self.window = read("ANTENNA1"), read("ANTENNA2"), read("DATA_DESC_ID")
            self.time, self.scan, self.uvw = read("TIME"), read("SCAN_NUMBER"), read("UVW")
            self.interval = read("INTERVAL")
            self.weight = self._read_weight(table)
        self._read_subtables()
        self.flag |= (self.first == self.second)[:, None, None] | ~np.isfinite(self.data) | ~np.isfinite(self.weight)
        self.weight[self.flag] = 0
        error = systematic_error * np.abs(np.where(self.flag, 0, self.data))
        self.weight /= 1 + self.weight * error**2
        self.solved = self.uv_distance() >= min_uv

    def _first_of_each(self, table) -> np.ndarray:
        """Positions in `rows` of the first row of each data description."""
        return np.unique(table.getcol("DATA_DESC_ID")[self.rows], return_index=True)[1]

    def _read_weight(self, table) -> np.ndarray:
        if "WEIGHT_SPECTRUM" in table.colnames() and table.iscelldefined("WEIGHT_SPECTRUM", int(self.rows[0])):
            return table.getcol("WEIGHT_SPECTRUM")[self.rows].astype(float)
        return np.repeat(table.getcol("WEIGHT")[self.rows][:, None].astype(float), self.data.shape[1], 1)

    def _read_subtables(self) -> None:
        with tables.table(self.path + "/ANTENNA", ack=False) as table:
            self.antennas = [str(name) for name in table.getcol("NAME")]
        with tables.table(self.path + "/SPECTRAL_WINDOW", ack=False) as table:
            frequencies = [table.getcell("CHAN_FREQ", i) for i in range(table.nrows())]
        with tables.table(self.path + "/DATA_DESCRIPTION", ack=False) as table:
            windows = table.getcol("SPECTRAL_WINDOW_ID")
        self.frequencies = np.array([frequencies[windows[w]] for w in np.arange(self.window.max() + 1)])
        with tables.table(self.path + "/POLARIZATION", ack=False) as table:
            types = [int(t) for t in table.getcell("CORR_TYPE", 0)]
        unknown = [t for t in types if t not in PARALLEL and t not in CROSS]
        if unknown:
            raise ValueError(f"The correlation type {unknown[0]} cannot be calibrated; I, circular and linear ones can.")
        self.parallel = [i for i, t in enumerate(types) if t in PARALLEL]
        self.receptors = np.array([(PARALLEL | CROSS)[t] for t in types])  # (correlations, 2)

    def uv_distance(self) -> np.ndarray:
        """Projected baselines (rows, channels) in wavelengths."""
        length = np.hypot(self.uvw[:, 0], self.uvw[:, 1])
        return length[:, None] * self.frequencies[self.window] / SPEED_OF_LIGHT

    def slots(self, length: float) -> np.ndarray:
        """Number of the solution interval (scan, part of the scan, spectral window) of each row, from 0."""
        start = np.full(self.scan.max() + 1, np.inf)
        np.minimum.at(start, self.scan, self.time - self.interval / 2)
        part = np.floor((self.time - start[self.scan]) / length).astype(int)
        keys = np.stack([self.scan, part, self.window], 1)
        return np.unique(keys, axis=0, return_inverse=True)[1].ravel()

    def model(self) -> np.ndarray:
        """MODEL_DATA of the rows."""
        with tables.table(self.path, ack=False) as table:
            if "MODEL_DATA" not in table.colnames():
                raise ValueError("The measurement set has no MODEL_DATA column; choose another start model.")
            return table.getcol("MODEL_DATA")[self.rows]

    def write(self, data: np.ndarray, weight: np.ndarray, flag: np.ndarray) -> None:
        """Write CORRECTED_DATA, WEIGHT_SPECTRUM and FLAG of the rows."""
        with tables.table(self.path, readonly=False, ack=False) as table:
            for name, like in (("CORRECTED_DATA", "DATA"), ("WEIGHT_SPECTRUM", "FLAG")):
                if name not in table.colnames():
                    self._add_column(table, name, like)
            for name, values in (("CORRECTED_DATA", data), ("WEIGHT_SPECTRUM", weight), ("FLAG", flag)):
                whole = table.getcol("DATA" if name == "CORRECTED_DATA" else name) if len(self.rows) < table.nrows() else None
                if whole is None:
                    table.putcol(name, values.astype({"CORRECTED_DATA": np.complex64, "WEIGHT_SPECTRUM": np.float32, "FLAG": bool}[name]))
                else:
                    whole[self.rows] = values
                    table.putcol(name, whole)
            table.flush()

    def _add_column(self, table, name: str, like: str) -> None:
        zero, kind = (0j, "complex") if like == "DATA" else (0.0, "float")
        description = tables.makearrcoldesc(name, zero, ndim=2, shape=list(self.data.shape[1:]), valuetype=kind)
        manager = {"TYPE": "TiledColumnStMan", "NAME": "Tiled" + name.title().replace("_", ""),
                   "SPEC": {"DEFAULTTILESHAPE": np.array([self.data.shape[2], self.data.shape[1], max(1, 65536 // self.data[0].size)], np.int32)}}
        table.addcols(tables.maketabdesc(description), manager)


