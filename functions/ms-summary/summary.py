"""Collect what a measurement set holds, and write it as text."""

from __future__ import annotations

import os

import casacore.tables as tables
import numpy as np
from astropy.time import Time

CORRELATIONS = {1: "I", 2: "Q", 3: "U", 4: "V", 5: "RR", 6: "RL", 7: "LR", 8: "LL", 9: "XX", 10: "XY", 11: "YX", 12: "YY"}
FRAMES = {0: "REST", 1: "LSRK", 2: "LSRD", 3: "BARY", 4: "GEO", 5: "TOPO", 6: "GALACTO"}
CHUNK = 1 << 24  # flags read at once
DAY = 86400.0  # s


def collect(path: str) -> dict:
    """Give all that the summary tells, as plain values; lengths in m, times in UTC, frequencies in Hz, angles in deg."""
    with tables.table(path, ack=False) as main:
        index = {name: main.getcol(name) for name in ("TIME", "INTERVAL", "SCAN_NUMBER", "FIELD_ID", "DATA_DESC_ID", "ANTENNA1", "ANTENNA2")}
        columns = sorted(main.colnames())
        uvw = main.getcol("UVW") if main.nrows() else np.zeros((0, 3))
        flagged = _flagged(main)
    windows, polarizations = _windows(path), _polarizations(path)
    return {
        "name": os.path.basename(path.rstrip("/")),
        "bytes": sum(os.path.getsize(os.path.join(base, name)) for base, _, names in os.walk(path) for name in names),
        "rows": len(index["TIME"]),
        "time_range": _span(index["TIME"], index["INTERVAL"]),
        "observations": _observations(path),
        "fields": _fields(path, index),
        "spectral_windows": windows,
        "polarizations": polarizations,
        "data_descriptions": _data_descriptions(path),
        "scans": _scans(index),
        "antennas": _antennas(path, index),
        "longest_baseline": float(np.sqrt((uvw**2).sum(1)).max()) if len(uvw) else 0.0,
        "columns": columns,
        "flagged": flagged,
    }


def _subtable(path: str, name: str):
    return tables.table(f"{path}/{name}", ack=False)


def _date(seconds: float) -> str:
    """ISO 8601 in UTC, of seconds of MJD."""
    return Time(seconds / DAY, format="mjd", scale="utc").isot


def _span(time: np.ndarray, interval: np.ndarray) -> list[str] | None:
    if not len(time):
        return None
    return [_date(float((time - interval / 2).min())), _date(float((time + interval / 2).max()))]


def _observations(path: str) -> list[dict]:
    with _subtable(path, "OBSERVATION") as table:
        return [dict(telescope=row["TELESCOPE_NAME"], observer=row["OBSERVER"], project=row["PROJECT"]) for row in table]


def _fields(path: str, index: dict) -> list[dict]:
    with _subtable(path, "FIELD") as table:
        frame = table.getcolkeyword("PHASE_DIR", "MEASINFO").get("Ref", "J2000")
        fields = []
        for number, row in enumerate(table):
            ra, dec = np.degrees(np.asarray(row["PHASE_DIR"])[0])
            fields.append(dict(id=number, name=row["NAME"], code=row["CODE"], ra=float(ra % 360), dec=float(dec), frame=frame,
                               rows=int((index["FIELD_ID"] == number).sum())))
        return fields


def _windows(path: str) -> list[dict]:
    with _subtable(path, "SPECTRAL_WINDOW") as table:
        return [dict(id=number, name=row["NAME"], channels=int(row["NUM_CHAN"]), frame=FRAMES.get(int(row["MEAS_FREQ_REF"]), "?"),
                     first_frequency=float(np.ravel(row["CHAN_FREQ"])[0]), last_frequency=float(np.ravel(row["CHAN_FREQ"])[-1]),
                     channel_width=float(np.ravel(row["CHAN_WIDTH"])[0]), bandwidth=float(row["TOTAL_BANDWIDTH"]))
                for number, row in enumerate(table)]


def _polarizations(path: str) -> list[list[str]]:
    with _subtable(path, "POLARIZATION") as table:
        return [[CORRELATIONS.get(int(c), str(c)) for c in np.ravel(row["CORR_TYPE"])] for row in table]


def _data_descriptions(path: str) -> list[dict]:
    with _subtable(path, "DATA_DESCRIPTION") as table:
        return [dict(id=number, spectral_window=int(row["SPECTRAL_WINDOW_ID"]), polarization=int(row["POLARIZATION_ID"]))
                for number, row in enumerate(table)]


def _scans(index: dict) -> list[dict]:
    """One entry per scan and field, in order of time."""
    scans = []
    for scan, field in sorted(set(zip(index["SCAN_NUMBER"].tolist(), index["FIELD_ID"].tolist()))):
        rows = (index["SCAN_NUMBER"] == scan) & (index["FIELD_ID"] == field)
        times = index["TIME"][rows]
        scans.append(dict(scan=scan, field=field, time_range=_span(times, index["INTERVAL"][rows]), rows=int(rows.sum()),
                          integrations=len(np.unique(times)), interval=float(np.median(index["INTERVAL"][rows])),
                          data_descriptions=np.unique(index["DATA_DESC_ID"][rows]).tolist(), _start=float(times.min())))
    scans.sort(key=lambda s: s.pop("_start"))
    return scans


def _antennas(path: str, index: dict) -> list[dict]:
    used = set(index["ANTENNA1"].tolist()) | set(index["ANTENNA2"].tolist())
    with _subtable(path, "ANTENNA") as table:
        return [dict(id=number, name=row["NAME"], station=row["STATION"], mount=row["MOUNT"], diameter=float(row["DISH_DIAMETER"]),
                     position=np.asarray(row["POSITION"], float).tolist(), used=number in used) for number, row in enumerate(table)]


def _flagged(main) -> float:
    """Fraction of the visibilities that are flagged; rows flagged as a whole count fully."""
    flagged = total = 0
    for window in np.unique(main.getcol("DATA_DESC_ID")) if main.nrows() else ():
        part = main.query(f"DATA_DESC_ID=={window}")
        step = max(1, CHUNK // part.getcell("FLAG", 0).size)
        for start in range(0, part.nrows(), step):
            count = min(step, part.nrows() - start)
            flags = part.getcol("FLAG", start, count) | part.getcol("FLAG_ROW", start, count)[:, None, None]
            flagged, total = flagged + int(np.count_nonzero(flags)), total + flags.size
    return flagged / total if total else 0.0


def as_text(s: dict) -> str:
    """The summary as text for people."""
    lines = [f"Measurement set: {s['name']}   {s['bytes'] / 1e6:.1f} MB   {s['rows']} rows"]
    for o in s["observations"]:
        lines.append(f"Telescope: {o['telescope']}   Observer: {o['observer']}   Project: {o['project']}")
    if s["time_range"]:
        lines.append(f"Observed from {s['time_range'][0]} to {s['time_range'][1]} (UTC)")
    lines.append(f"Flagged: {100 * s['flagged']:.2f} %   Longest baseline: {s['longest_baseline'] / 1e3:.3f} km")
    lines.append(f"Columns: {', '.join(s['columns'])}")
    lines += _table("Fields", ["ID", "Code", "Name", "RA", "Dec", "Frame", "Rows"],
                    [[f["id"], f["code"], f["name"], _angle(f["ra"] / 15, "hms"), _angle(f["dec"], "dms"), f["frame"], f["rows"]] for f in s["fields"]])
    lines += _table("Scans", ["Scan", "Field", "Begin", "End", "Rows", "Integrations", "Interval (s)", "Data desc."],
                    [[c["scan"], c["field"], *(t[:21] for t in c["time_range"]), c["rows"], c["integrations"], f"{c['interval']:.2f}",
                      ",".join(map(str, c["data_descriptions"]))] for c in s["scans"]])
    lines += _table("Spectral windows", ["ID", "Name", "Channels", "Frame", "First (MHz)", "Width (kHz)", "Bandwidth (MHz)"],
                    [[w["id"], w["name"], w["channels"], w["frame"], f"{w['first_frequency'] / 1e6:.6f}", f"{w['channel_width'] / 1e3:.3f}",
                      f"{w['bandwidth'] / 1e6:.3f}"] for w in s["spectral_windows"]])
    lines += _table("Data descriptions", ["ID", "Window", "Correlations"],
                    [[d["id"], d["spectral_window"], " ".join(s["polarizations"][d["polarization"]])] for d in s["data_descriptions"]])
    lines += _table("Antennas", ["ID", "Name", "Station", "Mount", "Diameter (m)", "X (m)", "Y (m)", "Z (m)", "Data"],
                    [[a["id"], a["name"], a["station"], a["mount"], f"{a['diameter']:.1f}", *(f"{x:.2f}" for x in a["position"]),
                      "yes" if a["used"] else "no"] for a in s["antennas"]])
    return "\n".join(lines) + "\n"


def _table(title: str, head: list[str], rows: list[list]) -> list[str]:
    cells = [head, *([str(c) for c in row] for row in rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(head))]
    lines = ["  " + "  ".join(c.ljust(w) for c, w in zip(row, widths)).rstrip() for row in cells]
    return ["", f"{title}: {len(rows)}", *lines]


def _angle(value: float, kind: str) -> str:
    """Sexagesimal: hours as 12:30:49.4234, degrees as +12.23.28.044."""
    digits, separator = (4, ":") if kind == "hms" else (3, ".")
    units = round(abs(value) * 3600 * 10**digits)
    seconds, fraction = divmod(units, 10**digits)
    sign = "" if kind == "hms" else "-" if value < 0 else "+"
    return f"{sign}{seconds // 3600:02d}{separator}{seconds // 60 % 60:02d}{separator}{seconds % 60:02d}.{fraction:0{digits}d}"
