"""Convert a CASA image to a FITS file.

CASA-produced images can be exported as FITS files for transporting to
other software packages or publication.
No subimaging of the fits image can be made with this task.
The spectral reference frame can be changed prior to export using the
task imreframe.

This is the task exportfits of CASA 6.7.0.31; scripts/casa_functions.py writes this file. The names, the defaults and
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
    "keywords": ["CASA", "export", "FITS"],
    "example": {"imagename": {"class": "Directory", "location": "demo:cube.image"}, "fitsimage": "cube.fits"},
}
TASK = Task(
    "exportfits",
    main="fitsimage",
    names=("fitsimage",),
    products={"fitsimage": "{fitsimage}"},
)


class Outputs(NamedTuple):
    """What exportfits gives."""

    fitsimage: Annotated[File, Out(doc="The FITS image", format="image/fits")]


def main(
    imagename: Annotated[Directory, In(doc="""
        Name of input CASA image
        Default: none

           Example: fitsimage='3C273XC1.image'
    """)],
    fitsimage: Annotated[str, In(doc="""
        Name of output image FITS file
        Default: none

           Example: fitsimage='3C273XC1.fits'
    """)],
    velocity: Annotated[bool, In(doc="""
        Use velocity (rather than frequency) as spectral axis
        Default: False
        Options: False|True
    """)] = False,
    optical: Annotated[bool, In(doc="""
        Use the optical (rather than radio) velocity convention
        Default: False
        Options: False|True
    """)] = False,
    bitpix: Annotated[int, In(doc="""
        Bits per pixel
        Default: -32

           Example: bitpix=16
    """)] = -32,
    minpix: Annotated[int | float, In(doc="Minimum pixel value (if minpix > maxpix, value is automatically determined)")] = 0,
    maxpix: Annotated[int | float, In(doc="""
        Maximum pixel value (if minpix > maxpix, value is automatically determined)

        Maximum pixel value (if minpix > maxpix, value is
        automatically determined)
                             Default: -1
    """)] = -1,
    dropstokes: Annotated[bool, In(doc="Drop the Stokes axis?")] = False,
    stokeslast: Annotated[bool, In(doc="""
        Put Stokes axis last in header?
        Default: True
        Options: True|False
    """)] = True,
    history: Annotated[bool, In(doc="""
        Write history to the FITS image?
        Default: True
        Options: True|False
    """)] = True,
    dropdeg: Annotated[bool, In(doc="""
        Drop all degenerate axes (e.g. Stokes and/or Frequency)?
        Default: False
        Options: False|True
    """)] = False,
) -> Outputs:
    """Convert a CASA image to a FITS file."""
    return TASK.run(locals(), Outputs)
