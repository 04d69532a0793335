"""Fit one or more elliptical Gaussian components on an image region(s).

This is the task imfit of CASA 6.7.0.31; scripts/casa_functions.py writes this file. The names, the defaults and
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
    "keywords": ["CASA", "fit", "source"],
    "example": {"imagename": {"class": "File", "location": "demo:m87-jet.fits"}, "box": "100,100,160,160"},
}
TASK = Task(
    "imfit",
    names=("residual", "model"),
    records=("rms", "noisefwhm"),
    products={"residual": "{residual}", "model": "{model}"},
)


class Outputs(NamedTuple):
    """What imfit gives."""

    residual: Annotated[Directory | None, Out(doc="What the fit leaves")]
    model: Annotated[Directory | None, Out(doc="The model")]
    returned: Annotated[File, Out(doc="The components with their uncertainties", format="application/json")]


def main(
    imagename: Annotated[Directory | File, In(doc="Name of the input image")],
    box: Annotated[str, In(doc="Rectangular region(s) to select in direction plane. Default is to use the entire direction plane.")] = "",
    region: Annotated[str, In(doc="Region selection. Default is to use the full image.")] = "",
    chans: Annotated[str, In(doc="Channels to use. Default is to use all channels.")] = "",
    stokes: Annotated[str, In(doc="Stokes planes to use. Default is to use first Stokes plane.")] = "",
    mask: Annotated[str, In(doc="Mask to use. Default is none.")] = "",
    includepix: Annotated[float | list[float] | None, In(doc="Range of pixel values to include for fitting.")] = None,
    excludepix: Annotated[float | list[float] | None, In(doc="Range of pixel values to exclude for fitting.")] = None,
    residual: Annotated[str | None, In(doc="Name of output residual image.")] = None,
    model: Annotated[str | None, In(doc="Name of output model image.")] = None,
    estimates: Annotated[File | None, In(doc="Name of file containing initial estimates of component parameters.")] = None,
    dooff: Annotated[bool, In(doc="Also fit a zero level offset? Default is False")] = False,
    offset: Annotated[float, In(doc="Initial estimate of zero-level offset. Only used if doff is True. Default is 0.0")] = 0.0,
    fixoffset: Annotated[bool, In(doc="Keep the zero level offset fixed during fit? Default is False")] = False,
    stretch: Annotated[bool, In(doc="Stretch the mask if necessary and possible?")] = False,
    rms: Annotated[float | str, In(doc="""
        RMS to use in calculation of uncertainties. Numeric or valid quantity (record or string). If numeric, it is given units of the input image. If quantity, units must conform to image units. If not positive, the rms of the residual image, in the region of the fit, is used.
    """)] = 0,
    noisefwhm: Annotated[float | str, In(doc="""
        Noise correlation beam FWHM. If numeric value, interpreted as pixel widths. If quantity (dictionary, string), it must have angular units.
    """)] = "",
) -> Outputs:
    """Fit one or more elliptical Gaussian components on an image region(s)."""
    return TASK.run(locals(), Outputs)
