"""Compute and set weights based on variance of data.

This is the task statwt of CASA 6.7.0.31; scripts/casa_functions.py writes this file. The names, the defaults and
the texts of the inputs are those of CASA's documentation (Associated Universities, Inc.; LGPL).
"""

from typing import Annotated, Literal, NamedTuple

from fringe import Directory, In, Out

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
    "keywords": ["CASA", "weights"],
    "example": {"vis": {"class": "Directory", "location": "demo:synthetic.ms"}, "datacolumn": "data"},
}
TASK = Task(
    "statwt",
    main="vis",
    vis=("vis",),
    products={"vis": "{vis}", "flagversions": "{vis}.flagversions"},
    figures={"mean": "mean", "variance": "variance"},
)


class Outputs(NamedTuple):
    """What statwt gives."""

    vis: Annotated[Directory, Out(doc="The measurement set as it is now")]
    flagversions: Annotated[Directory | None, Out(doc="Former flags, with flagbackup")]
    mean: Annotated[float | None, Out(doc="Mean of the weights")]
    variance: Annotated[float | None, Out(doc="Variance of the weights")]


def main(
    vis: Annotated[Directory, In(writable=True, doc="Name of measurement set")],
    field: Annotated[str, In(doc="Selection based on field names or field index numbers. Default is all.")] = "",
    spw: Annotated[str, In(doc="Selection based on spectral windows:channels. Default is all.")] = "",
    intent: Annotated[str, In(doc="Selection based on intents. Default is all.")] = "",
    array: Annotated[str, In(doc="Selection based on array IDs. Default is all.")] = "",
    observation: Annotated[str, In(doc="Selection based on observation IDs. Default is all.")] = "",
    scan: Annotated[str, In(doc="Select data by scan numbers.")] = "",
    combine: Annotated[str, In(doc="""
        Ignore changes in these columns (scan, field, and/or state) when aggregating samples to compute weights. The value "corr" is also supported to aggregate samples across correlations.
    """)] = "",
    timebin: Annotated[int | str, In(doc="""
        Length for binning in time to determine statistics. Can either be integer to be multiplied by the representative integration time, a quantity (string) in time units
    """)] = 1,
    slidetimebin: Annotated[bool, In(doc="Use a sliding window for time binning, as opposed to time block processing?")] = False,
    chanbin: Annotated[int | str, In(minimum=1, doc="""
        Channel bin width for computing weights. Can either be integer, in which case it is interpreted as number of channels to include in each bin, or a string "spw" or quantity with frequency units.
    """)] = "spw",
    minsamp: Annotated[int, In(minimum=2, doc="""
        Minimum number of unflagged visibilities required for computing weights in a sample. Must be >= 2.
    """)] = 2,
    statalg: Annotated[Literal["classic", "chauvenet", "fit-half", "hinges-fences"], In(doc="""
        Statistics algorithm to use for computing variances. Supported values are "chauvenet", "classic", "fit-half", and "hinges-fences". Minimum match is supported, although the full string must be specified for the subparameters to appear in the inputs list.
    """)] = "classic",
    fence: Annotated[float, In(minimum=-1, doc="""
        Fence value for statalg="hinges-fences". A negative value means use the entire data set (ie default to the "classic" algorithm). Ignored if statalg is not "hinges-fences".
    """)] = -1.0,
    center: Annotated[Literal["mean", "median", "zero"], In(doc="""
        Center to use for statalg="fit-half". Valid choices are "mean", "median", and "zero". Ignored if statalg is not "fit-half".
    """)] = "mean",
    lside: Annotated[bool, In(doc="""
        For statalg="fit-half", real data are <=; center? If false, real data are >= center. Ignored if statalg is not "fit-half".
    """)] = True,
    zscore: Annotated[float, In(doc="""
        For statalg="chauvenet", this is the target maximum number of standard deviations data may have to be included. If negative, use Chauvenet\\'s criterion. Ignored if statalg is not "chauvenet".
    """)] = -1.0,
    maxiter: Annotated[int, In(doc="""
        For statalg="chauvenet", this is the maximum number of iterations to attempt. Iterating will stop when either this limit is reached, or the zscore criterion is met. If negative, iterate until the zscore criterion is met. Ignored if statalg is not "chauvenet".
    """)] = -1,
    fitspw: Annotated[str, In(doc="Channels to include in the computation of weights. Specified as an MS select channel selection string.")] = "",
    excludechans: Annotated[bool, In(doc="""
        If True: invert the channel selection in fitspw and exclude the fitspw selection from the computation of the weights.
    """)] = False,
    wtrange: Annotated[float | list[float] | None, In(doc="""
        Range of acceptable weights. Data with weights outside this range will be flagged. Empty array (default) means all weights are good.
    """)] = None,
    flagbackup: Annotated[bool, In(doc="Back up the state of flags before the run?")] = True,
    preview: Annotated[bool, In(doc="""
        Preview mode. If True, no data is changed, although the amount of data that would have been flagged is reported.
    """)] = False,
    datacolumn: Annotated[str, In(doc="""
        Data column to use to compute weights. Supported values are "data", "corrected", "residual", and "residual_data" (case insensitive, minimum match supported).
    """)] = "corrected",
) -> Outputs:
    """Compute and set weights based on variance of data."""
    return TASK.run(locals(), Outputs)
