"""Report spectral profile and calculate spectral flux over a user specified region.

This is the task specflux of CASA 6.7.0.31; scripts/casa_functions.py writes this file. The names, the defaults and
the texts of the inputs are those of CASA's documentation (Associated Universities, Inc.; LGPL).
"""

from typing import Annotated, Literal, NamedTuple

from fringe import Directory, File, In, Out

from casatask import Task

FRINGE = {
    "version": "6.7.1",
    "environment": "casa",
    "shape": "task",
    "cpu": 1,
    "memory": "2GiB",
    "author": "The CASA team (CASA); the Fringe authors (interface)",
    "citation": "2022PASP..134k4501C CASA, the Common Astronomy Software Applications for Radio Astronomy; ascl:1107.013",
    "license": "LGPL-2.0-or-later",
    "repository": "https://open-bitbucket.nrao.edu/projects/CASA/repos/casa6",
    "keywords": ["CASA", "spectrum"],
    "example": {"imagename": {"class": "Directory", "location": "demo:cube.image"}, "box": "24,24,40,40"},
}
TASK = Task(
    "specflux",
    main="spectrum",
    names=("logfile",),
    products={"spectrum": "{logfile}"},
)


class Outputs(NamedTuple):
    """What specflux gives."""

    spectrum: Annotated[File, Out(doc="The spectrum as text", format="text/plain")]


def main(
    imagename: Annotated[Directory | File, In(doc="Name of the input image")],
    region: Annotated[str, In(doc="Region selection. Default is to use the full image.")] = "",
    box: Annotated[str, In(doc="Rectangular region to select in direction plane. Default is to use the entire direction plane.")] = "",
    chans: Annotated[str, In(doc="Channels to use. Default is to use all channels.")] = "",
    stokes: Annotated[str, In(doc="Stokes planes to use. Default is to use all Stokes planes.")] = "",
    mask: Annotated[str, In(doc="Mask to use. Default is none.")] = "",
    stretch: Annotated[bool, In(doc="Stretch the mask if necessary and possible?")] = False,
    function: Annotated[Literal["flux density", "mean", "median", "sum"], In(doc="""
        Aggregate function to use for computing per channel values. Supported values are "flux density", "mean", "median", "sum". Minimal match supported.
    """)] = "flux density",
    unit: Annotated[str, In(doc="Unit to use for the spectral flux calculation. Must be conformant with a typical spectral axis unit.")] = "km/s",
    major: Annotated[str, In(doc="Major axis of overriding restoring beam. If specified, must be a valid quantity.")] = "",
    minor: Annotated[str, In(doc="Minor axis of overriding restoring beam. If specified, must be a valid quantity")] = "",
    logfile: Annotated[str, In(doc="File which to write details. Default is to not write to a file.")] = "spectrum.txt",
) -> Outputs:
    """Report spectral profile and calculate spectral flux over a user specified region."""
    return TASK.run(locals(), Outputs)
