"""Fit 1-dimensional gaussians and/or polynomial models to an image or image region.

This is the task specfit of CASA 6.7.0.31; scripts/casa_functions.py writes this file. The names, the defaults and
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
    "keywords": ["CASA", "fit", "spectral line"],
    "example": {"imagename": {"class": "Directory", "location": "demo:cube.image"}, "box": "30,30,34,34", "ngauss": 0, "poly": 1},
}
TASK = Task(
    "specfit",
    names=("residual", "model"),
    records=("region",),
    products={"residual": "{residual}", "model": "{model}"},
)


class Outputs(NamedTuple):
    """What specfit gives."""

    residual: Annotated[Directory | None, Out(doc="What the fit leaves")]
    model: Annotated[Directory | None, Out(doc="The model")]
    returned: Annotated[File, Out(doc="The components with their uncertainties", format="application/json")]


def main(
    imagename: Annotated[Directory | File, In(doc="Name of the input image")],
    box: Annotated[str, In(doc="Rectangular region to select in direction plane. Default is to use the entire direction plane.")] = "",
    region: Annotated[str, In(doc="Region selection. Default is to use the full image.")] = "",
    chans: Annotated[str, In(doc="Channels to use. Default is to use all channels.")] = "",
    stokes: Annotated[str, In(doc="Stokes planes to use. Default is to use all Stokes planes.")] = "",
    axis: Annotated[int, In(minimum=-1, doc="The profile axis. Default: use the spectral axis if one exists, axis 0 otherwise (<0).")] = -1,
    mask: Annotated[str, In(doc="Mask to use. Default is none..")] = "",
    ngauss: Annotated[int, In(minimum=0, doc="Number of Gaussian elements.  Default: 1.")] = 1,
    poly: Annotated[int, In(minimum=-1, doc="Order of polynomial element.  Default: do not fit a polynomial (<0).")] = -1,
    estimates: Annotated[File | None, In(doc="Name of file containing initial estimates.  Default: No initial estimates (\"\").")] = None,
    minpts: Annotated[int, In(minimum=1, doc="Minimum number of unmasked points necessary to attempt fit.")] = 1,
    multifit: Annotated[bool, In(doc="""
        If true, fit a profile along the desired axis at each pixel in the specified region. If false, average the non-fit axis pixels and do a single fit to that average profile. Default False.
    """)] = False,
    model: Annotated[str | None, In(doc="Name of model image. Default: do not write the model image (\"\").")] = None,
    residual: Annotated[str | None, In(doc="Name of residual image. Default: do not write the residual image (\"\").")] = None,
    stretch: Annotated[bool, In(doc="Stretch the mask if necessary and possible?")] = False,
    pampest: Annotated[float | list[float] | None, In(doc="Initial estimate of PCF profile (gaussian or lorentzian) amplitudes.")] = None,
    pcenterest: Annotated[float | list[float] | None, In(unit="pixel", doc="Initial estimate PCF profile centers, in pixels.")] = None,
    pfwhmest: Annotated[float | list[float] | None, In(unit="pixel", doc="Initial estimate PCF profile FWHMs, in pixels.")] = None,
    pfix: Annotated[float | list[float] | None, In(doc="PCF profile parameters to fix during fit.")] = None,
    gmncomps: Annotated[int | list[int], In(doc="Number of components in each gaussian multiplet to fit")] = 0,
    gmampcon: Annotated[float | list[float] | None, In(doc="""
        The amplitude ratio constraints for non-reference components to reference component in gaussian multiplets.
    """)] = None,
    gmcentercon: Annotated[float | list[float] | None, In(unit="pixel", doc="""
        The center offset constraints (in pixels) for non-reference components to reference component in gaussian multiplets.
    """)] = None,
    gmfwhmcon: Annotated[float | list[float] | None, In(doc="""
        The FWHM  ratio constraints for non-reference components to reference component in gaussian multiplets.
    """)] = None,
    gmampest: Annotated[float | list[float], In(doc="Initial estimate of individual gaussian amplitudes in gaussian multiplets.")] = [0.0],
    gmcenterest: Annotated[float | list[float], In(unit="pixel", doc="""
        Initial estimate of individual gaussian centers in gaussian multiplets, in pixels.
    """)] = [0.0],
    gmfwhmest: Annotated[float | list[float], In(unit="pixel", doc="""
        Initial estimate of individual gaussian FWHMss in gaussian multiplets, in pixels.
    """)] = [0.0],
    gmfix: Annotated[str | list[str], In(doc="Parameters of individual gaussians in gaussian multiplets to fix during fit.")] = "",
    pfunc: Annotated[str | list[str], In(doc="""
        PCF singlet functions to fit. "gaussian" or "lorentzian" (minimal match supported). Unspecified means all gaussians.
    """)] = "",
    goodamprange: Annotated[float | list[float], In(doc="""
        Acceptable amplitude solution range. [0.0] => all amplitude solutions are acceptable.
    """)] = [0.0],
    goodcenterrange: Annotated[float | list[float], In(unit="pixel", doc="""
        Acceptable center solution range in pixels relative to region start. [0.0] => all center solutions are acceptable.
    """)] = [0.0],
    goodfwhmrange: Annotated[float | list[float], In(unit="pixel", doc="""
        Acceptable FWHM solution range in pixels. [0.0] => all FWHM solutions are acceptable.
    """)] = [0.0],
    sigma: Annotated[str, In(doc="Standard deviation array or image name.")] = "",
) -> Outputs:
    """Fit 1-dimensional gaussians and/or polynomial models to an image or image region."""
    return TASK.run(locals(), Outputs)
