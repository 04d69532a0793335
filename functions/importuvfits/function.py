"""Convert a UVFITS file to a CASA visibility data set.

Convert a UVITS file to a CASA visiblity data set.
Don\\'t forget to flag autocorrelations using taskname flagdata, autocorr = true

This is the task importuvfits of CASA 6.7.0.31; scripts/casa_functions.py writes this file. The names, the defaults and
the texts of the inputs are those of CASA's documentation (Associated Universities, Inc.; LGPL).
"""

from typing import Annotated, Literal, NamedTuple

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
    "keywords": ["CASA", "import", "UVFITS"],
    "example": {"fitsfile": {"class": "File", "location": "demo:m87-eht.uvfits"}, "vis": "m87.ms"},
}
TASK = Task(
    "importuvfits",
    main="vis",
    names=("vis",),
    products={"vis": "{vis}"},
)


class Outputs(NamedTuple):
    """What importuvfits gives."""

    vis: Annotated[Directory, Out(doc="The measurement set")]


def main(
    fitsfile: Annotated[File, In(doc="Name of input UV FITS file")],
    vis: Annotated[str, In(doc="Name of output visibility file (MS)")],
    antnamescheme: Annotated[Literal["old", "new"], In(doc="""
        VLA/EVLA/CARMA only; \\'new\\' or \\'old\\'; \\'VA04\\' or \\'04\\' for VLA ant 4
    """)] = "old",
) -> Outputs:
    """Convert a UVFITS file to a CASA visibility data set."""
    return TASK.run(locals(), Outputs)
