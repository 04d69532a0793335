"""Convert an image FITS file into a CASA image.

Convert an image FITS file into a CASA image

This is the task importfits of CASA 6.7.0.31; scripts/casa_functions.py writes this file. The names, the defaults and
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
    "keywords": ["CASA", "import", "FITS"],
    "example": {"fitsimage": {"class": "File", "location": "demo:m87-jet.fits"}, "imagename": "sky.image"},
}
TASK = Task(
    "importfits",
    main="image",
    names=("imagename",),
    products={"image": "{imagename}"},
)


class Outputs(NamedTuple):
    """What importfits gives."""

    image: Annotated[Directory, Out(doc="The image")]


def main(
    fitsimage: Annotated[File, In(doc="""
        Name of input image FITS file
        Default: none

           Example: fitsimage='3C273XC1.fits'
    """)],
    imagename: Annotated[str, In(doc="""
        Name of output CASA image
        Default: none

           Example: fitsimage='3C273XC1.image'
    """)],
    whichrep: Annotated[int, In(minimum=0, doc="""
        If fits image has multiple coordinate reps, choose one.
        Default: 0 (means first)

           Example: whichrep=1
    """)] = 0,
    whichhdu: Annotated[int, In(minimum=-1, doc="""
        If fits file contains multiple images, choose one (0 = first HDU, -1 = first valid image).

        If fits file contains multiple images, choose one
        Default: -1 (use the first valid one)

        NOTE: 0 = first HDU, -1 = first valid image

           Example: whichhdu=1
    """)] = -1,
    zeroblanks: Annotated[bool, In(doc="""
        Set blanked pixels to zero (not NaN)
        Default: True
        Options: True|False
    """)] = True,
    defaultaxes: Annotated[bool, In(doc="""
        Add the default 4D coordinate axes where they are missing; value True requires setting defaultaxesvalues

        Add the default 4D coordinate axes where they are
        missing
                             Default: False
                             Options: False|True

                             IMPORTANT: value True requires setting defaultaxesvalues
    """)] = False,
    defaultaxesvalues: Annotated[int | float | list[int] | list[float] | str | list[str] | None, In(doc="""
        List of values to assign to added degenerate axes when defaultaxes==True (ra,dec,freq,stokes)

        List of values to assign to added degenerate axes when
        defaultaxes==True (ra,dec,freq,stokes)
                             Default: []

                             For existing axes, empty strings can be given as
                             values. For the directions and spectral values,
                             any valid angle/frequency expressions can be
                             given.

                                Example: defaultaxesvalues=['19h30m00',
                                '-02d30m00', '88.5GHz', 'Q']
    """)] = None,
    beam: Annotated[int | float | list[int] | list[float] | str | list[str] | None, In(doc="""
        List of values to be used to define the synthesized beam [BMAJ,BMIN,BPA] (as in the FITS keywords)

        List of values to be used to define the synthesized beam
        [BMAJ,BMIN,BPA] (as in the FITS keywords)
                             Default: [] (i.e.take from FITS file)

                                Example: beam=['0.35arcsec', '0.24arcsec',
                                '25deg']
    """)] = None,
) -> Outputs:
    """Convert an image FITS file into a CASA image."""
    return TASK.run(locals(), Outputs)
