"""Calculates statistical information from an image or image region.

This is the task imstat of CASA 6.7.0.31; scripts/casa_functions.py writes this file. The names, the defaults and
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
    "keywords": ["CASA", "statistics"],
    "example": {"imagename": {"class": "File", "location": "demo:m87-jet.fits"}},
}
TASK = Task(
    "imstat",
    records=("region",),
    figures={"maximum": "max.0", "minimum": "min.0", "mean": "mean.0", "rms": "rms.0", "sigma": "sigma.0", "flux": "flux.0", "npts": "npts.0"},
)


class Outputs(NamedTuple):
    """What imstat gives."""

    maximum: Annotated[float | None, Out(doc="Largest value, in the unit of the image, as the next four")]
    minimum: Annotated[float | None, Out(doc="Smallest value")]
    mean: Annotated[float | None, Out(doc="Mean")]
    rms: Annotated[float | None, Out(doc="Root mean square")]
    sigma: Annotated[float | None, Out(doc="Standard deviation")]
    flux: Annotated[float | None, Out(doc="Integrated flux density, when the image has a beam", unit="Jy")]
    npts: Annotated[float | None, Out(doc="Number of pixels")]
    returned: Annotated[File, Out(doc="All statistics", format="application/json")]


def main(
    imagename: Annotated[Directory | File, In(doc="Name of the input image")],
    axes: Annotated[int | float | list[int] | list[float] | str | list[str] | None, In(doc="""
        List of axes to evaluate statistics over. Default is all axes.
    """)] = None,
    region: Annotated[str, In(doc="Region selection. Default is to use the full image.")] = "",
    box: Annotated[str, In(doc="Rectangular region(s) to select in direction plane. Default is to use the entire direction plane.")] = "",
    chans: Annotated[str, In(doc="Channels to use. Default is to use all channels.")] = "",
    stokes: Annotated[str, In(doc="Stokes planes to use. Default is to use all Stokes planes.")] = "",
    mask: Annotated[str, In(doc="Mask to use. Default is none.")] = "",
    stretch: Annotated[bool, In(doc="Stretch the mask if necessary and possible?")] = False,
    algorithm: Annotated[Literal["classic", "chauvenet", "biweight", "fit-half", "hinges-fences"], In(doc="""
        Algorithm to use. Supported values are "biweight", "chauvenet", "classic", "fit-half", and "hinges-fences". Minimum match is supported.
    """)] = "classic",
    fence: Annotated[float, In(minimum=-1, doc="""
        Fence value for hinges-fences. A negative value means use the entire data set (ie default to the "classic" algorithm). Ignored if algorithm is not "hinges-fences".
    """)] = -1.0,
    center: Annotated[Literal["mean", "median", "zero"], In(doc="""
        Center to use for fit-half. Valid choices are "mean", "median", and "zero". Ignored if algorithm is not "fit-half".
    """)] = "mean",
    lside: Annotated[bool, In(doc="""
        For fit-half, use values <= center for real data if True? If False, use values >= center as real data. Ignored if algorithm is not "fit-half".
    """)] = True,
    zscore: Annotated[float, In(doc="""
        For chauvenet, this is the target maximum number of standard deviations data may have to be included. If negative, use Chauvenet"s criterion. Ignored if algorithm is not "chauvenet".
    """)] = -1.0,
    maxiter: Annotated[int, In(doc="""
        For chauvenet, this is the maximum number of iterations to attempt. Iterating will stop when either this limit is reached, or the zscore criterion is met. If negative, iterate until the zscore criterion is met. Ignored if algorithm is not "chauvenet".
    """)] = -1,
    clmethod: Annotated[Literal["auto", "tiled", "framework"], In(doc="""
        Method to use for calculating classical statistics. Supported methods are "auto", "tiled", and "framework". Ignored if algorithm is not "classic".
    """)] = "auto",
    niter: Annotated[int, In(doc="""
        For biweight, this is the maximum number of iterations to attempt. Iterating will stop when either this limit is reached, or the zscore criterion is met. If negative, do a fast, simple computation (see description). Ignored if the algorithm is not "biweight".
    """)] = 3,
) -> Outputs:
    """Calculates statistical information from an image or image region."""
    return TASK.run(locals(), Outputs)
