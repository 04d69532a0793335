"""Smooth an image or portion of an image.

This is the task imsmooth of CASA 6.7.0.31; scripts/casa_functions.py writes this file. The names, the defaults and
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
    "keywords": ["CASA", "smoothing"],
    "example": {
        "imagename": {"class": "File", "location": "demo:m87-jet.fits"},
        "outfile": "smooth.image",
        "major": "2mas",
        "minor": "2mas",
        "pa": "0deg",
        "kernel": "gauss",
    },
}
TASK = Task(
    "imsmooth",
    main="outfile",
    names=("outfile",),
    products={"outfile": "{outfile}"},
    picture="outfile",
)


class Outputs(NamedTuple):
    """What imsmooth gives."""

    outfile: Annotated[Directory, Out(doc="The smoothed image")]
    preview: Annotated[File | None, Out(doc="A picture; of a cube, of its brightest plane", format="image/png")]


def main(
    imagename: Annotated[Directory | File, In(doc="Name of the input image. Must be specified.")],
    outfile: Annotated[str, In(doc="Output image name. Must be specified.")],
    kernel: Annotated[Literal["g", "gauss", "gaussian", "b", "box", "boxcar", "commonbeam", "common", "c", "image", "i"], In(doc="""
        Type of kernel to use. Acceptable values are "b", "box", or "boxcar" for a boxcar kernel, "g", "gauss", or "gaussian" for a gaussian kernel, "c", "common", or "commonbeam" to use the common beam of an image with multiple beams as the gaussian to which to convolve all the planes, "i" or "image" to use an image as the kernel.
    """)] = "gauss",
    major: Annotated[int | float | list[int] | list[float] | str | list[str], In(doc="""
        Major axis for the kernels. Standard quantity representation. Must be specified for kernel="boxcar".
    """)] = "",
    minor: Annotated[int | float | list[int] | list[float] | str | list[str], In(doc="""
        Minor axis. Standard quantity representation. Must be specified for kernel="boxcar".
    """)] = "",
    pa: Annotated[int | float | list[int] | list[float] | str | list[str], In(doc="""
        Position angle used only for gaussian kernel. Standard quantity representation.
    """)] = "",
    targetres: Annotated[bool, In(doc="""
        If gaussian kernel, specified parameters are to be resolution of output image (True) or parameters of gaussian to convolve with input image (False).
    """)] = False,
    kimage: Annotated[Directory | File | None, In(doc="Kernel image name. Only used if kernel=\"i\" or \"image\".")] = None,
    scale: Annotated[float, In(doc="Scale factor. -1.0 means auto-scale. Only used if kernel=\"i\" or \"image\".")] = -1.0,
    region: Annotated[int | float | list[int] | list[float] | str | list[str], In(doc="Region selection. Default is to use the full image.")] = "",
    box: Annotated[str, In(doc="Rectangular region to select in direction plane. Default is to use the entire direction plane.")] = "",
    chans: Annotated[str, In(doc="Channels to use. Default is to use all channels.")] = "",
    stokes: Annotated[str, In(doc="Stokes planes to use. Default is to use all Stokes planes.")] = "",
    mask: Annotated[str, In(doc="Mask to use. Default is none.")] = "",
    stretch: Annotated[bool, In(doc="If true, stretch the mask if necessary and possible.")] = False,
    beam: Annotated[str, In(doc="""
        Alternate way of describing a Gaussian. If specified, must be a dictionary with keys "major", "minor", and "pa" (or "positionangle"). Do not specify beam if specifying major, minor, and pa.
    """)] = "",
    preview: Annotated[bool, In(doc="Draw a picture too; takes a second or two")] = True,
) -> Outputs:
    """Smooth an image or portion of an image."""
    return TASK.run(locals(), Outputs)
