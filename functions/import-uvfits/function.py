"""Import a random-groups UVFITS file into a measurement set.

Every IF becomes a spectral window, every row of the source table a field.
Weights that are not positive and finite become flags. UVW coordinates and visibilities keep the
sign that they have in the file (the UVFITS convention, position 1 minus
position 2); rows are turned so that antenna 1 <= antenna 2. Gaps in time and
changes of source start a new scan. Times are converted to UTC. Integration times
(INTTIM) that are longer than the step from one visibility of a baseline to the next are
replaced by that step.
"""

import os
from typing import Annotated, NamedTuple

import numpy as np
from fringe import Directory, File, In, Out

from measurementset import Setup, Writer
from uvfits import ORDER, SPEED_OF_LIGHT, FormatError, UVFits

FRINGE = {
    "version": "1.0.2",
    "environment": "astro",
    "shape": "task",
    "cpu": 1,
    "memory": "4GiB",
    "timeout": 7200,
    "author": "The Fringe authors",
    "license": "Apache-2.0",
    "keywords": ["UVFITS", "measurement set", "import", "VLBI", "visibilities"],
    "citation": "Greisen 2016, AIPS Memo 117: AIPS FITS file format",
    "example": {"uvfits": {"class": "File", "location": "demo:m87-eht.uvfits"}, "telescope": "EHT"},
}


class Outputs(NamedTuple):
    """What import-uvfits gives."""

    ms: Annotated[Directory, Out(doc="The measurement set, named like the file")]
    rows: Annotated[int, Out(doc="Number of rows")]
    antennas: Annotated[list[str], Out(doc="Names of the antennas")]
    correlations: Annotated[list[str], Out(doc="Correlation products, in the order of the measurement set")]
    frequency: Annotated[float, Out(unit="Hz", ucd="em.freq", doc="Mean frequency")]
    longest_baseline: Annotated[float, Out(unit="lambda", doc="Longest projected baseline at the mean frequency, in wavelengths")]
    flagged: Annotated[float, Out(doc="Fraction of the visibilities that are flagged")]


def main(
    uvfits: Annotated[File, In(doc="The UVFITS file", format="image/fits")],
    ifs: Annotated[list[int] | None, In(doc="IFs to import, numbered from 1; all when absent")] = None,
    telescope: Annotated[str | None, In(doc="Name of the telescope; TELESCOP of the file when absent")] = None,
    interval: Annotated[float | None, In(unit="s", minimum=0.001, doc="Integration time; that of the file when absent")] = None,
) -> Outputs:
    """Import a UVFITS file."""
    with UVFits(uvfits.path) as source:
        selected = _select(ifs, source.ifs)
        windows = source.windows()
        setup = Setup(telescope=telescope or source.keyword("TELESCOP") or "UNKNOWN", observer=source.keyword("OBSERVER"),
                      project=source.keyword("PROJECT"), antennas=source.antennas(), fields=source.fields(),
                      windows=[windows[i] for i in selected], correlations=sorted(source.correlations, key=ORDER.index),
                      history=f"imported from {os.path.basename(uvfits.path)} by import-uvfits {FRINGE['version']}")
        path = os.path.splitext(os.path.basename(uvfits.path))[0] + ".ms"
        flagged = visibilities = 0
        longest = 0.0
        with Writer(path, setup) as writer:
            for block in source.blocks(selected, interval):
                writer.append(block)
                flagged, visibilities = flagged + int(block.flag.sum()), visibilities + block.flag.size
                longest = max(longest, float(np.hypot(block.uvw[:, 0], block.uvw[:, 1]).max()))
            rows = writer.rows
    frequency = float(np.mean([w.frequencies for w in setup.windows]))
    return Outputs(Directory(path), rows, setup.antennas.names, setup.correlations, frequency,
                   longest * frequency / SPEED_OF_LIGHT, flagged / max(1, visibilities))


def _select(wanted: list[int] | None, available: int) -> list[int]:
    """Indices from 0 of the wanted IFs."""
    for number in wanted or ():
        if not 1 <= number <= available:
            raise FormatError(f"IF {number} was asked for; the file has the IFs 1 to {available}.")
    return sorted({n - 1 for n in wanted}) if wanted else list(range(available))
