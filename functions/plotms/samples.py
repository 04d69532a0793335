"""Read measurement sets and calibration tables as samples to plot."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import NamedTuple

import casatools
import numpy as np
from fringe import Invalid

SPEED_OF_LIGHT = 299792458.0  # m/s
ROWS = 20000  # read at once
COLUMNS = {"data": "data", "corrected": "corrected_data", "model": "model_data"}
INDICES = {"field": "FIELD_ID", "scan": "SCAN_NUMBER", "antenna1": "ANTENNA1", "antenna2": "ANTENNA2", "time": "TIME"}
SUBTABLES = {"field": "FIELD", "antenna1": "ANTENNA"}  # whose rows have names
PRODUCTS = {5: "RR", 6: "RL", 7: "LR", 8: "LL", 9: "XX", 10: "XY", 11: "YX", 12: "YY"}  # of the Stokes enumeration


class Block(NamedTuple):
    """Samples of several rows; values are (correlations, channels, rows)."""

    values: np.ndarray  # complex
    flag: np.ndarray
    rows: dict[str, np.ndarray]  # per row: field, scan, antenna1, antenna2, time, and u, v, w in m
    frequencies: np.ndarray  # (channels,) Hz
    channels: np.ndarray  # their numbers
    window: int


def kind(path: str) -> str:
    """Give "Measurement Set", "Calibration" or what else a table says that it is; empty when it is no table."""
    if not os.path.exists(os.path.join(path, "table.dat")):
        return ""
    table = casatools.table()
    table.open(path)
    said = table.info()["type"]
    table.close()
    return said


def solutions(path: str) -> Iterator[Block]:
    """Read a calibration table."""
    frequencies = _columns(path + "/SPECTRAL_WINDOW", "CHAN_FREQ")
    table = casatools.table()
    table.open(path)
    name = next((n for n in ("CPARAM", "FPARAM") if n in table.colnames()), None)
    if name is None:
        raise Invalid(f"{os.path.basename(path)} has no solutions that can be plotted", "vis", "plot a table of gaincal, bandpass, fluxscale or gencal")
    windows = table.getcol("SPECTRAL_WINDOW_ID")
    for window in np.unique(windows):
        part = table.query(f"SPECTRAL_WINDOW_ID=={window}")
        values = part.getcol(name)
        rows = {key: part.getcol(column) for key, column in INDICES.items()}
        channels = np.arange(values.shape[1])
        yield Block(values, part.getcol("FLAG"), rows, frequencies[window][: len(channels)], channels, int(window))
        part.close()
    table.close()


def visibilities(path: str, datacolumn: str, selection: dict[str, str]) -> Iterator[Block]:
    """Read the selected visibilities of a measurement set, in blocks of rows."""
    frequencies = _columns(path + "/SPECTRAL_WINDOW", "CHAN_FREQ")
    windows = np.ravel(_columns(path + "/DATA_DESCRIPTION", "SPECTRAL_WINDOW_ID"))
    main = casatools.table()
    main.open(path)
    there = main.colnames()
    main.close()
    wanted = ["corrected_data", "model_data"] if datacolumn == "residual" else [COLUMNS[datacolumn]]
    missing = [column.upper() for column in wanted if column.upper() not in there]
    if missing:
        raise Invalid(f"{os.path.basename(path)} has no column {missing[0]}", "datacolumn", "use data, or calibrate first: applycal makes corrected, setjy model")
    ms = casatools.ms()
    try:
        for description, window in enumerate(windows):
            ms.open(path)
            ms.msselect(selection)
            picked = ms.msselectedindices()["channel"] if selection.get("spw") else []
            if ms.nrow(True) and ms.selectinit(datadescid=description):
                channels = [np.arange(a, b + 1, c) for w, a, b, c in picked if w == window] or [np.arange(len(frequencies[window]))]
                yield from _blocks(ms, wanted, np.unique(np.concatenate(channels)), frequencies[window], int(window))
            ms.close()
    finally:
        ms.done()


def _blocks(ms, wanted: list[str], channels: np.ndarray, frequencies: np.ndarray, window: int) -> Iterator[Block]:
    """Iterate over what is selected of one spectral window."""
    ms.iterinit([""], 0.0, ROWS, False)
    more = ms.iterorigin()
    while more:
        part = ms.getdata([*wanted, "flag", "flag_row", "u", "v", "w", *(name.lower() for name in INDICES.values())])
        data = part[wanted[0]] - part[wanted[1]] if len(wanted) == 2 else part[wanted[0]]
        rows = {key: part[name.lower()] for key, name in INDICES.items()} | {key: part[key] for key in "uvw"}
        yield Block(data[:, channels], (part["flag"] | part["flag_row"])[:, channels], rows, frequencies[channels], channels, window)
        more = ms.iternext()
    ms.iterend()


def _columns(path: str, name: str) -> list[np.ndarray]:
    """The cells of a column."""
    table = casatools.table()
    table.open(path)
    cells = [np.asarray(table.getcell(name, row)) for row in range(table.nrows())]
    table.close()
    return cells


def names(path: str, axis: str, numbers: list[int]) -> list[str]:
    """What people call the values of an axis of INDICES, corr or spw: names as far as the table has them."""
    told = {}
    if axis in SUBTABLES:
        told = {n: str(name) for n, name in enumerate(_columns(f"{path}/{SUBTABLES[axis]}", "NAME"))}
    elif axis == "corr" and os.path.isdir(f"{path}/POLARIZATION"):
        told = {n: PRODUCTS.get(int(kind), "") for n, kind in enumerate(_columns(f"{path}/POLARIZATION", "CORR_TYPE")[0])}
    return [told.get(n) or f"{axis} {n}" for n in numbers]


def averaged(block: Block, width: int) -> Block:
    """Average channels in groups, leaving out what is flagged; a sample without good channels stays flagged."""
    count = max(1, block.values.shape[1] // width)
    groups = np.array_split(np.arange(block.values.shape[1]), count)
    good = ~block.flag
    total = np.stack([(block.values * good)[:, g].sum(1) for g in groups], 1)
    number = np.stack([good[:, g].sum(1) for g in groups], 1)
    mean = lambda values: np.array([values[g].mean() for g in groups])
    return block._replace(values=total / np.maximum(1, number), flag=number == 0, frequencies=mean(block.frequencies), channels=mean(block.channels))
