"""Create a (sub)image from a region of the image.

This is the task imsubimage of CASA 6.7.0.31; scripts/casa_functions.py writes this file. The names, the defaults and
the texts of the inputs are those of CASA's documentation (Associated Universities, Inc.; LGPL).
"""

from typing import Annotated, NamedTuple

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
    "keywords": ["CASA", "selection"],
    "example": {"imagename": {"class": "File", "location": "demo:m87-jet.fits"}, "outfile": "part.image", "box": "10,10,40,40"},
}
TASK = Task(
    "imsubimage",
    main="outfile",
    names=("outfile",),
    products={"outfile": "{outfile}"},
    picture="outfile",
)


class Outputs(NamedTuple):
    """What imsubimage gives."""

    outfile: Annotated[Directory, Out(doc="The part of the image")]
    preview: Annotated[File | None, Out(doc="A picture; of a cube, of its brightest plane", format="image/png")]


def main(
    imagename: Annotated[Directory | File, In(doc="Input image name.  Default is unset.")],
    outfile: Annotated[str, In(doc="Output image name.  Default is unset.")],
    box: Annotated[str, In(doc="Rectangular region to select in direction plane. Default is to use the entire direction plane.")] = "",
    region: Annotated[str, In(doc="Region selection. Default is to use the full image.")] = "",
    chans: Annotated[str, In(doc="Channels to use. Default is to use all channels.")] = "",
    stokes: Annotated[str, In(doc="Stokes planes to use. Default is to use all Stokes planes.")] = "",
    mask: Annotated[int | float | list[int] | list[float] | str | list[str], In(doc="Mask to use. Default is none.")] = "",
    dropdeg: Annotated[bool, In(doc="Drop degenerate axes")] = False,
    stretch: Annotated[bool, In(doc="Stretch the mask if necessary and possible?")] = False,
    keepaxes: Annotated[int | list[int] | None, In(doc="""
        If dropdeg=True, these are the degenerate axes to keep. Nondegenerate axes are implicitly always kept.
    """)] = None,
    preview: Annotated[bool, In(doc="Draw a picture too; takes a second or two")] = True,
) -> Outputs:
    """Create a (sub)image from a region of the image."""
    return TASK.run(locals(), Outputs)
