"""Get the summary of a MeasurementSet and list it in the logger or in a file.

List the summary information of a data set in the logger or in a file, based on
a data selection. Only rows can be selected and printed. No in-row selection is
possible (channel or correlation).

Lists the following properties of a measurement set:
scan list, field list, spectral window list with
correlators, antenna locations, ms table information.

This is the task listobs of CASA 6.7.0.31; scripts/casa_functions.py writes this file. The names, the defaults and
the texts of the inputs are those of CASA's documentation (Associated Universities, Inc.; LGPL).
"""

from typing import Annotated, NamedTuple

from fringe import Directory, File, In, Out

from casatask import Task

FRINGE = {
    "version": "6.7.0",
    "environment": "casa",
    "shape": "task",
    "cpu": 1,
    "memory": "2GiB",
    "author": "The CASA team (CASA); the Fringe authors (interface)",
    "citation": "2022PASP..134k4501C CASA, the Common Astronomy Software Applications for Radio Astronomy; ascl:1107.013",
    "license": "LGPL-2.0-or-later",
    "repository": "https://open-bitbucket.nrao.edu/projects/CASA/repos/casa6",
    "keywords": ["CASA", "summary"],
    "example": {"vis": {"class": "Directory", "location": "demo:synthetic.ms"}},
}
TASK = Task(
    "listobs",
    main="text",
    vis=("vis",),
    names=("listfile",),
    products={"text": "{listfile}"},
)


class Outputs(NamedTuple):
    """What listobs gives."""

    text: Annotated[File, Out(doc="The summary for people", format="text/plain")]
    returned: Annotated[File, Out(doc="The summary for programs", format="application/json")]


def main(
    vis: Annotated[Directory, In(doc="Name of input visibility file (MS)")],
    spw: Annotated[str | list[str], In(doc="Selection based on spectral-window/frequency/channel.")] = "",
    field: Annotated[str | list[str], In(doc="Selection based on field names or field index numbers. Default is all.")] = "",
    antenna: Annotated[str | list[str], In(doc="Selection based on antenna/baselines. Default is all.")] = "",
    uvrange: Annotated[str | list[str], In(doc="Selection based on uv range. Default: entire range. Default units: meters.")] = "",
    timerange: Annotated[str | list[str], In(doc="Selection based on time range. Default is entire range.")] = "",
    correlation: Annotated[str | list[str], In(doc="Selection based on correlation. Default is all.")] = "",
    scan: Annotated[str | list[str], In(doc="Selection based on scan numbers. Default is all.")] = "",
    intent: Annotated[str | list[str], In(doc="Selection based on observation intent. Default is all.")] = "",
    feed: Annotated[str | list[str], In(doc="Selection based on multi-feed numbers: Not yet implemented")] = "",
    array: Annotated[str | list[str], In(doc="Selection based on (sub)array numbers. Default is all.")] = "",
    observation: Annotated[int | str, In(doc="Selection based on observation ID. Default is all.")] = "",
    listfile: Annotated[str, In(doc="Name of disk file to write output. Default is none (output is written to logger only).")] = "listobs.txt",
    listunfl: Annotated[bool, In(doc="List unflagged row counts? If true, it can have significant negative performance impact.")] = False,
) -> Outputs:
    """Get the summary of a MeasurementSet and list it in the logger or in a file."""
    return TASK.run(locals(), Outputs)
