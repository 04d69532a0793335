"""regrid an image onto a template image.

Imregrid will regrid an input image onto a new coordinate system from a template image
or to a new directional reference frame. If a template image is used, then the input and
template images must have the same coordinate structure.

This is the task imregrid of CASA 6.7.0.31; scripts/casa_functions.py writes this file. The names, the defaults and
the texts of the inputs are those of CASA's documentation (Associated Universities, Inc.; LGPL).
"""

from typing import Annotated, Literal, NamedTuple

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
    "keywords": ["CASA", "regridding"],
    "example": {"imagename": {"class": "File", "location": "demo:m87-jet.fits"}, "output": "galactic.image", "template": "GALACTIC"},
}
TASK = Task(
    "imregrid",
    main="output",
    names=("output",),
    instead={"template_image": "template"},
    products={"output": "{output}"},
    picture="output",
)


class Outputs(NamedTuple):
    """What imregrid gives."""

    output: Annotated[Directory, Out(doc="The regridded image")]
    preview: Annotated[File | None, Out(doc="A picture; of a cube, of its brightest plane", format="image/png")]


def main(
    imagename: Annotated[Directory | File, In(doc="Name of the source image")],
    output: Annotated[str, In(doc="Name for the regridded image")],
    template: Annotated[str, In(doc="A dictionary, refcode, or name of an image that provides the output shape and coordinate system")] = "get",
    asvelocity: Annotated[bool, In(doc="Regrid spectral axis in velocity space rather than frequency space?")] = True,
    axes: Annotated[int | list[int], In(doc="The pixel axes to regrid. -1 => all.")] = [-1],
    shape: Annotated[int | list[int], In(doc="""
        Shape of the output image. Only used if template is an image. If not specified (-1), the output image shape will be the same as the template image shape along the axes that are regridded and the same as input image shape along the axes which are not regridded.
    """)] = [-1],
    interpolation: Annotated[Literal["nearest", "linear", "cubic"], In(doc="""
        The interpolation method.  One of "nearest", "linear", "cubic".
    """)] = "linear",
    decimate: Annotated[int, In(minimum=1, doc="Decimation factor for coordinate grid computation")] = 10,
    replicate: Annotated[bool, In(doc="Replicate image rather than regrid?")] = False,
    template_image: Annotated[Directory | File | None, In(doc="The image whose grid is taken, in place of template")] = None,
    preview: Annotated[bool, In(doc="Draw a picture too; takes a second or two")] = True,
) -> Outputs:
    """regrid an image onto a template image."""
    return TASK.run(locals(), Outputs)
