"""Write MeasurementSet version 2 tables with python-casacore.

A `Writer` makes the directory with all required subtables from a `Setup` and
then takes rows in blocks, so that memory does not grow with the data. Every
row has all channels of one spectral window; all windows have the same number
of channels and correlations, so the bulk columns are tiled with one cell shape.

Definition: Kemball & Wieringa 2000, "MeasurementSet definition version 2.0",
CASA memo 229. Lengths are in metres, times in seconds of Modified Julian Date
(UTC), frequencies in hertz, directions in radians, visibilities in jansky.

This file is the same in every function that writes measurement sets.
"""

from __future__ import annotations

import dataclasses

import casacore.tables as tables
import numpy as np

# Values of the POLARIZATION subtable's CORR_TYPE (casacore's Stokes enumeration).
CORRELATIONS = {"I": 1, "Q": 2, "U": 3, "V": 4, "RR": 5, "RL": 6, "LR": 7, "LL": 8, "XX": 9, "XY": 10, "YX": 11, "YY": 12}

# Values of MEAS_FREQ_REF (casacore's MFrequency types).
FREQUENCY_FRAMES = {"LSRK": 1, "LSRD": 2, "BARY": 3, "GEO": 4, "TOPO": 5, "GALACTO": 6}

_TILE_CELLS = 65536  # visibilities per tile: 512 KiB of DATA


@dataclasses.dataclass(frozen=True)
class Antennas:
    """The array: one entry per antenna in each sequence."""

    names: list[str]
    stations: list[str]
    positions: np.ndarray  # (antennas, 3) geocentric, ITRF, m
    mounts: list[str]  # such as ALT-AZ
    diameters: np.ndarray  # (antennas,) m


@dataclasses.dataclass(frozen=True)
class Window:
    """A spectral window."""

    name: str
    frequencies: np.ndarray  # (channels,) centre of each channel, Hz
    width: float  # of one channel, Hz; the sign does not matter
    frame: str = "TOPO"


@dataclasses.dataclass(frozen=True)
class Field:
    """A pointing and phase centre."""

    name: str
    ra: float  # rad
    dec: float  # rad
    code: str = ""
    frame: str = "J2000"


@dataclasses.dataclass(frozen=True)
class Setup:
    """What is the same for all rows."""

    telescope: str
    observer: str
    project: str
    antennas: Antennas
    windows: list[Window]
    correlations: list[str]  # keys of CORRELATIONS
    fields: list[Field]
    history: str = ""  # one line that says how the data were made


@dataclasses.dataclass
class Rows:
    """A block of rows, all arrays with the rows first."""

    time: np.ndarray  # (rows,) s
    interval: np.ndarray  # (rows,) s
    antenna1: np.ndarray  # (rows,)
    antenna2: np.ndarray  # (rows,)
    uvw: np.ndarray  # (rows, 3) m
    data: np.ndarray  # (rows, channels, correlations) Jy
    flag: np.ndarray  # (rows, channels, correlations) true is bad
    weight: np.ndarray  # (rows, channels, correlations) 1/Jy^2, 0 where flagged
    window: np.ndarray  # (rows,) index into Setup.windows
    field: np.ndarray  # (rows,) index into Setup.fields
    scan: np.ndarray  # (rows,) scan number, from 1


class Writer:
    """Writes one measurement set; a context manager.

    The directory must not exist. `append` may be called any number of times;
    leaving the context writes the time range and closes all tables.
    """

    def __init__(self, path: str, setup: Setup):
        self._path = path
        self._setup = setup
        self._range = [np.inf, -np.inf]
        channels = {len(w.frequencies) for w in setup.windows}
        if len(channels) != 1:
            raise ValueError("all spectral windows of one measurement set must have the same number of channels")
        self._main = _create_main(path, channels.pop(), len(setup.correlations))
        _write_antennas(path, setup.antennas)
        _write_feeds(path, len(setup.antennas.names), setup.correlations)
        _write_windows(path, setup.windows)
        _write_polarization(path, setup.correlations)
        _write_data_descriptions(path, len(setup.windows))
        _write_fields(path, setup.fields)

    def __enter__(self) -> Writer:
        return self

    def __exit__(self, *_) -> None:
        _write_observation(self._path, self._setup, self._range)
        if self._setup.history and np.isfinite(self._range[1]):
            _write_history(self._path, self._setup.history, self._range[1])
        self._main.close()

    @property
    def rows(self) -> int:
        """How many rows have been written."""
        return self._main.nrows()

    def append(self, block: Rows) -> None:
        """Add rows at the end."""
        count, start = len(block.time), self._main.nrows()
        if count == 0:
            return
        self._main.addrows(count)
        self._range = [min(self._range[0], float(np.min(block.time - block.interval / 2))),
                       max(self._range[1], float(np.max(block.time + block.interval / 2)))]
        good = ~block.flag
        weight = (block.weight * good).sum(1) / np.maximum(1, good.sum(1))
        sigma = np.where(weight > 0, 1 / np.sqrt(np.where(weight > 0, weight, 1)), 0)
        zero = np.zeros(count, np.int32)
        columns = {
            "TIME": block.time, "TIME_CENTROID": block.time, "INTERVAL": block.interval, "EXPOSURE": block.interval,
            "ANTENNA1": block.antenna1.astype(np.int32), "ANTENNA2": block.antenna2.astype(np.int32),
            "DATA_DESC_ID": block.window.astype(np.int32), "FIELD_ID": block.field.astype(np.int32),
            "SCAN_NUMBER": block.scan.astype(np.int32), "FEED1": zero, "FEED2": zero, "ARRAY_ID": zero,
            "OBSERVATION_ID": zero, "PROCESSOR_ID": zero - 1, "STATE_ID": zero - 1, "UVW": block.uvw,
            "DATA": block.data.astype(np.complex64), "FLAG": block.flag, "FLAG_ROW": block.flag.all((1, 2)),
            "WEIGHT": weight.astype(np.float32), "SIGMA": sigma.astype(np.float32),
            "WEIGHT_SPECTRUM": block.weight.astype(np.float32),
        }
        for name, values in columns.items():
            self._main.putcol(name, values, start, count)


def _create_main(path: str, channels: int, correlations: int):
    description = tables.required_ms_desc()
    cell = [channels, correlations]
    for name, kind, zero in (("DATA", "complex", 0j), ("WEIGHT_SPECTRUM", "float", 0.0)):
        description[name] = tables.makearrcoldesc(name, zero, ndim=2, shape=cell, valuetype=kind)["desc"]
    description["FLAG"].update(shape=np.array(cell, np.int32), option=5, ndim=2)
    for name in ("WEIGHT", "SIGMA"):
        description[name].update(shape=np.array([correlations], np.int32), option=5, ndim=1)
    rows_per_tile = max(1, _TILE_CELLS // (channels * correlations))
    managers = {}
    for number, (name, factor) in enumerate((("DATA", 1), ("WEIGHT_SPECTRUM", 1), ("FLAG", 8))):
        group = "Tiled" + name.title().replace("_", "")
        description[name].update(dataManagerType="TiledColumnStMan", dataManagerGroup=group)
        tile = np.array([correlations, channels, rows_per_tile * factor], np.int32)
        managers[f"*{number}"] = {"NAME": group, "TYPE": "TiledColumnStMan", "SEQNR": number, "COLUMNS": [name],
                                  "SPEC": {"DEFAULTTILESHAPE": tile}}
    main = tables.default_ms(path, description, managers)
    main.putcolkeyword("DATA", "UNIT", "Jy")
    return main


def _subtable(path: str, name: str, rows: int):
    table = tables.table(f"{path}/{name}", readonly=False, ack=False)
    table.addrows(rows)
    return table


def _put_row(table, row: int, values: dict) -> None:
    for name, value in values.items():
        table.putcell(name, row, value)


def _write_antennas(path: str, antennas: Antennas) -> None:
    count = len(antennas.names)
    table = _subtable(path, "ANTENNA", count)
    columns = {"NAME": list(antennas.names), "STATION": list(antennas.stations), "TYPE": ["GROUND-BASED"] * count,
               "MOUNT": list(antennas.mounts), "POSITION": np.asarray(antennas.positions, float),
               "OFFSET": np.zeros((count, 3)), "DISH_DIAMETER": np.asarray(antennas.diameters, float),
               "FLAG_ROW": np.zeros(count, bool)}
    for name, values in columns.items():
        table.putcol(name, values)
    table.close()


def _write_feeds(path: str, antennas: int, correlations: list[str]) -> None:
    receptors = ["X", "Y"] if correlations[0] in ("XX", "XY", "YX", "YY") else ["R", "L"]
    table = _subtable(path, "FEED", antennas)
    columns = {"ANTENNA_ID": np.arange(antennas, dtype=np.int32), "FEED_ID": np.zeros(antennas, np.int32),
               "SPECTRAL_WINDOW_ID": np.full(antennas, -1, np.int32), "BEAM_ID": np.full(antennas, -1, np.int32),
               "NUM_RECEPTORS": np.full(antennas, 2, np.int32), "TIME": np.zeros(antennas),
               "INTERVAL": np.zeros(antennas),
               "POLARIZATION_TYPE": {"shape": [antennas, 2], "array": receptors * antennas},
               "BEAM_OFFSET": np.zeros((antennas, 2, 2)), "RECEPTOR_ANGLE": np.zeros((antennas, 2)),
               "POL_RESPONSE": np.tile(np.eye(2, dtype=complex), (antennas, 1, 1)), "POSITION": np.zeros((antennas, 3))}
    for name, values in columns.items():
        table.putcol(name, values)
    table.close()


def _write_windows(path: str, windows: list[Window]) -> None:
    table = _subtable(path, "SPECTRAL_WINDOW", len(windows))
    for row, window in enumerate(windows):
        frequencies = np.asarray(window.frequencies, float)
        widths = np.full(len(frequencies), abs(float(window.width)))
        ascending = len(frequencies) < 2 or frequencies[-1] > frequencies[0]
        _put_row(table, row, {
            "CHAN_FREQ": frequencies, "CHAN_WIDTH": widths if ascending else -widths, "EFFECTIVE_BW": widths,
            "RESOLUTION": widths, "NUM_CHAN": len(frequencies), "REF_FREQUENCY": float(frequencies[0]),
            "TOTAL_BANDWIDTH": float(widths.sum()), "MEAS_FREQ_REF": FREQUENCY_FRAMES[window.frame],
            "NAME": window.name, "NET_SIDEBAND": 1 if ascending else -1, "FREQ_GROUP": 0, "FREQ_GROUP_NAME": "none",
            "IF_CONV_CHAIN": 0, "FLAG_ROW": False})
    table.close()


def _write_polarization(path: str, correlations: list[str]) -> None:
    table = _subtable(path, "POLARIZATION", 1)
    receptor = {"R": 0, "X": 0, "L": 1, "Y": 1}
    products = [[receptor[c[0]], receptor[c[1]]] if len(c) == 2 else [0, 0] for c in correlations]
    _put_row(table, 0, {"NUM_CORR": len(correlations), "CORR_PRODUCT": np.array(products, np.int32), "FLAG_ROW": False,
                        "CORR_TYPE": np.array([CORRELATIONS[c] for c in correlations], np.int32)})
    table.close()


def _write_data_descriptions(path: str, windows: int) -> None:
    table = _subtable(path, "DATA_DESCRIPTION", windows)
    for row in range(windows):
        _put_row(table, row, {"SPECTRAL_WINDOW_ID": row, "POLARIZATION_ID": 0, "FLAG_ROW": False})
    table.close()


def _write_fields(path: str, fields: list[Field]) -> None:
    table = _subtable(path, "FIELD", len(fields))
    directions = ("DELAY_DIR", "PHASE_DIR", "REFERENCE_DIR")
    for name in directions:
        measure = table.getcolkeyword(name, "MEASINFO")
        measure["Ref"] = fields[0].frame
        table.putcolkeyword(name, "MEASINFO", measure)
    for row, field in enumerate(fields):
        direction = np.array([[field.ra, field.dec]])
        _put_row(table, row, {**{name: direction for name in directions}, "NAME": field.name, "CODE": field.code,
                              "TIME": 0.0, "NUM_POLY": 0, "SOURCE_ID": row, "FLAG_ROW": False})
    table.close()


def _write_observation(path: str, setup: Setup, time_range: list[float]) -> None:
    span = np.array(time_range) if np.isfinite(time_range[1]) else np.zeros(2)
    table = _subtable(path, "OBSERVATION", 1)
    _put_row(table, 0, {"TIME_RANGE": span, "TELESCOPE_NAME": setup.telescope, "OBSERVER": setup.observer,
                        "PROJECT": setup.project, "SCHEDULE_TYPE": "", "RELEASE_DATE": float(span[1]), "FLAG_ROW": False})
    table.close()


def _write_history(path: str, message: str, time: float) -> None:
    table = _subtable(path, "HISTORY", 1)
    _put_row(table, 0, {"TIME": time, "OBSERVATION_ID": 0, "MESSAGE": message, "PRIORITY": "INFO", "ORIGIN": "fringe",
                        "APPLICATION": "fringe", "OBJECT_ID": 0})
    table.close()
