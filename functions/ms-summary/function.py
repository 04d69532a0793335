"""Summarize a measurement set.

Lists observation, fields, scans, spectral windows, correlations, antennas,
columns and the flagged fraction, as text for people and as JSON for programs. The
measurement set is only read.
"""

import json
import os
from typing import Annotated, NamedTuple

from fringe import Directory, File, In, Out

from summary import as_text, collect

FRINGE = {
    "version": "1.0.0",
    "environment": "astro",
    "shape": "task",
    "cpu": 1,
    "memory": "2GiB",
    "timeout": 3600,
    "author": "The Fringe authors",
    "license": "Apache-2.0",
    "keywords": ["measurement set", "summary", "metadata"],
    "citation": "2022PASP..134k4501C CASA, the Common Astronomy Software Applications for Radio Astronomy",
    "example": {"ms": {"class": "Directory", "location": "demo:synthetic.ms"}},
}


class Outputs(NamedTuple):
    """What ms-summary gives."""

    text: Annotated[File, Out(doc="The summary for people", format="text/plain")]
    summary: Annotated[File, Out(doc="The summary for programs", format="application/json")]
    rows: Annotated[int, Out(doc="Number of rows")]
    flagged: Annotated[float, Out(doc="Fraction of the visibilities that are flagged")]


def main(ms: Annotated[Directory, In(doc="Measurement set")]) -> Outputs:
    """Summarize a measurement set."""
    if not os.path.exists(os.path.join(ms.path, "table.dat")):
        raise ValueError(f"{ms.basename} is not a measurement set: it has no table.dat.")
    summary = collect(ms.path)
    text = as_text(summary)
    print(text)
    with open("summary.txt", "w", encoding="utf-8") as file:
        file.write(text)
    with open("summary.json", "w", encoding="utf-8") as file:
        json.dump(summary, file, indent=1)
    return Outputs(File("summary.txt"), File("summary.json"), summary["rows"], summary["flagged"])
