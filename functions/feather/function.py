"""Combine two images using their Fourier transforms.

This task can be used as one method of combining single-dish and
interferometric images after they have been separately made.

The algorithm converts each image to the gridded visibility plane,
combines them, and reconverts them into an combined image.  Each image
must include a well-defined beam shape (clean beam) in order for
feathering to work well.  The two images must have the same flux
density normalization scale.

This is the task feather of CASA 6.7.0.31; scripts/casa_functions.py writes this file. The names, the defaults and
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
    "keywords": ["CASA", "combination"],
    "example": {
        "highres": {"class": "Directory", "location": "demo:synthetic.image"},
        "lowres": {"class": "Directory", "location": "demo:synthetic.image"},
        "imagename": "feathered.image",
    },
}
TASK = Task(
    "feather",
    main="image",
    names=("imagename",),
    products={"image": "{imagename}"},
    picture="image",
)


class Outputs(NamedTuple):
    """What feather gives."""

    image: Annotated[Directory, Out(doc="The combined image")]
    preview: Annotated[File | None, Out(doc="A picture; of a cube, of its brightest plane", format="image/png")]


def main(
    imagename: Annotated[str, In(doc="""
        Name of output feathered image
        Default: none

           Example: imagename='orion_combined.im'
    """)],
    highres: Annotated[Directory, In(doc="""
        Name of high resolution (interferometer) image
        Default: none

           Example: imagename='orion_vla.im'
    """)],
    lowres: Annotated[Directory, In(doc="""
        Name of low resolution (single dish) image
        Default: none

           Example: imagename='orion_gbt.im'
    """)],
    sdfactor: Annotated[float, In(minimum=0, doc="""
        Scale factor to apply to Single Dish image

        Value by which to scale the Single Dish image.
        Default: 1.0

        Basically modifying the flux scale of the SD image
    """)] = 1.0,
    effdishdiam: Annotated[float, In(unit="m", doc="""
        New effective SingleDish diameter to use in m
        Default: -1.0 (leave as is)

        Obviously one can only reduce the dish
        effective dish diameter in feathering.
    """)] = -1.0,
    lowpassfiltersd: Annotated[bool, In(doc="""
        Filter out the high spatial frequencies of the SD image
        Default: False

        If True the high spatial frequency in the SD
        image is rejected.

        Any data outside the maximum uv distance
        that the SD has illuminated  is filtered
        out.
    """)] = False,
    preview: Annotated[bool, In(doc="Draw a picture too; takes a second or two")] = True,
) -> Outputs:
    """Combine two images using their Fourier transforms."""
    return TASK.run(locals(), Outputs)
