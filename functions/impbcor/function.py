"""Construct a primary beam corrected image from an image and a primary beam pattern.

Correct an image for primary beam attenuation using an image of the
primary beam pattern. The primary beam pattern can be provided as an
image, in which case 1. it must have the same shape as the input image
and its coordinate system must be the same, or 2. it must be a 2-D
image in which case its coordinate system must consist of a (2-D)
direction coordinate which is the same as the direction coordinate in
the input image and its direction plane must be the same shape as that
of the input image. Alternatively, pbimage can be an array of pixel
values in which case the same dimensionality and shape constraints
apply.

One can choose between dividing the image by the primary beam pattern
(mode="divide") or multiplying the image by the primary beam pattern
(mode="multiply"). One can also choose to specify a cutoff limit for
the primary beam pattern. For mode="divide", for all pixels below this
cutoff in the primary beam pattern, the output image will be
masked. In the case of mode="multiply", all pixels in the output will
be masked corresponding to pixels with values greater than the cutoff
in the primary beam pattern. A negative value for cutoff means that no
cutoff will be applied, which is the default.

This is the task impbcor of CASA 6.7.0.31; scripts/casa_functions.py writes this file. The names, the defaults and
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
    "keywords": ["CASA", "primary beam"],
    "example": {
        "imagename": {"class": "Directory", "location": "demo:cube.image"},
        "pbimage": {"class": "Directory", "location": "demo:cube.pb"},
        "outfile": "corrected.image",
    },
}
TASK = Task(
    "impbcor",
    main="outfile",
    names=("outfile",),
    products={"outfile": "{outfile}"},
    picture="outfile",
)


class Outputs(NamedTuple):
    """What impbcor gives."""

    outfile: Annotated[Directory, Out(doc="The corrected image")]
    preview: Annotated[File | None, Out(doc="A picture; of a cube, of its brightest plane", format="image/png")]


def main(
    imagename: Annotated[Directory | File, In(doc="""
        Name of the input image

        Name of the input (CASA, FITS, MIRIAD) image
    """)],
    pbimage: Annotated[Directory | File, In(doc="""
        Name of the primary beam image which must exist or array of values for the pb response.

        Name of the image (CASA, FITS, MIRIAD) of the primary
        beam pattern or an array of pixel values.
                             Default: ''
    """)],
    outfile: Annotated[str, In(doc="""
        Output image name. If empty, no image is written.

        Name of output CASA image.
        Default: none. Must be specified.
    """)],
    box: Annotated[str, In(doc="""
        Rectangular region to select in direction plane. Default is to use the entire direction plane.

        Rectangular region to select in direction plane.
        Default: '' (use the entire direction plane)
    """)] = "",
    region: Annotated[str, In(doc="""
        Region selection.
        Default: '' (use the full image)
    """)] = "",
    chans: Annotated[str, In(doc="""
        Channels to use.
        Default: '' (use all channels)
    """)] = "",
    stokes: Annotated[str, In(doc="""
        Stokes planes to use.
        Default: '' (use all Stokes planes)
    """)] = "",
    mask: Annotated[str, In(doc="""
        Mask to use.
        Default: none
    """)] = "",
    mode: Annotated[Literal["divide", "multiply"], In(doc="""
        Divide or multiply the image by the primary beam image.
        Default: 'divide'

        Minimal match supported.
    """)] = "divide",
    cutoff: Annotated[float, In(doc="""
        PB cutoff. If mode is "d", all values less than this will be masked. If "m", all values greater will be masked. Less than 0, no cutoff.

        Primary beam cutoff.
        Default: -1.0 (no cutoff)

        If mode is "d", all values less than this will be
        masked. If "m", all values greater will be
        masked. Less than 0, no cutoff (default)
    """)] = -1.0,
    stretch: Annotated[bool, In(doc="""
        Stretch the mask if necessary and possible?
        Default: False
        Options: False|True
    """)] = False,
    preview: Annotated[bool, In(doc="Draw a picture too; takes a second or two")] = True,
) -> Outputs:
    """Construct a primary beam corrected image from an image and a primary beam pattern."""
    return TASK.run(locals(), Outputs)
