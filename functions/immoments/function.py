"""Compute moments from an image.

This is the task immoments of CASA 6.7.0.31; scripts/casa_functions.py writes this file. The names, the defaults and
the texts of the inputs are those of CASA's documentation (Associated Universities, Inc.; LGPL).
"""

from typing import Annotated, NamedTuple

from fringe import Directory, File, In, Out

from casatask import Task

FRINGE = {
    "version": "6.7.2",
    "environment": "casa",
    "shape": "task",
    "cpu": 1,
    "memory": "2GiB",
    "author": "The CASA team (CASA); the Fringe authors (interface)",
    "citation": "2022PASP..134k4501C CASA, the Common Astronomy Software Applications for Radio Astronomy; ascl:1107.013",
    "license": "LGPL-2.0-or-later",
    "repository": "https://open-bitbucket.nrao.edu/projects/CASA/repos/casa6",
    "keywords": ["CASA", "moments", "spectral line"],
    "example": {"imagename": {"class": "Directory", "location": "demo:cube.image"}, "moments": [0, 1], "excludepix": [-100, 0.02]},
}
TASK = Task(
    "immoments",
    main="images",
    names=("outfile",),
    products={"images": ("{outfile}*",)},
    picture="images",
)


class Outputs(NamedTuple):
    """What immoments gives."""

    images: Annotated[list[Directory], Out(doc="The images of the moments; one has the name, of several each an ending such as .integrated")]
    preview: Annotated[File | None, Out(doc="A picture; of a cube, of its brightest plane", format="image/png")]


def main(
    imagename: Annotated[Directory | File, In(doc="Name of the input image")],
    moments: Annotated[int | list[int], In(minimum=-1, maximum=11, doc="List of moments you would like to compute")] = [0],
    axis: Annotated[int | str, In(minimum=-1, doc="The momement axis: ra, dec, lat, long, spectral, or stokes")] = "spectral",
    region: Annotated[str | list[str], In(doc="Region selection. Default is to use the full image.")] = "",
    box: Annotated[str, In(doc="Rectangular region(s) to select in direction plane. Default is to use the entire direction plane.")] = "",
    chans: Annotated[str, In(doc="Channels to use. Default is to use all channels.")] = "",
    stokes: Annotated[str, In(doc="Stokes planes to use. Default is to use all Stokes planes.")] = "",
    mask: Annotated[str, In(doc="Mask to use. Default is none.")] = "",
    includepix: Annotated[int | float | list[int] | list[float], In(doc="Range of pixel values to include")] = -1,
    excludepix: Annotated[int | float | list[int] | list[float], In(doc="Range of pixel values to exclude")] = -1,
    outfile: Annotated[str, In(doc="Output image file name (or root for multiple moments)")] = "moment",
    stretch: Annotated[bool, In(doc="Stretch the mask if necessary and possible?")] = False,
    preview: Annotated[bool, In(doc="Draw a picture too; takes a second or two")] = True,
) -> Outputs:
    """Compute moments from an image."""
    return TASK.run(locals(), Outputs)
