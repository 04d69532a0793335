"""Split the MS, combine/separate/regrid spws and do channel and time averaging.

The task mstransform can do the same functionalities available
in cvel, partition, hanningsmooth and split without the need to read and write
the output to disk multiple times. The main features of this task
are:

* take an input MS or Multi-MS (MMS)
* ability to create an output MS or MMS
* spw combination and separation
* channel averaging taking flags and weights into account
* time averaging taking flags and weights into account
* reference frame transformation
* Hanning smoothing

All these transformations will be applied on the fly without any writing to
disk to optimize I/O. The user can ask to create a Multi-MS in parallel using CASA's
cluster infrastructure using the parameter createmms. See MPIInterface
for more information on the cluster infrastructure.

This task is implemented in a modular way to preserve the functionalities
available in the replaced tasks. One can choose which functionality to apply
or apply all of them by setting the corresponding parameters to True. Note
that there is an order in which the transformations are applied to the data that
makes logical sense on the point of view of the data analysis.

This task can create a multi-MS as the output. General selection
parameters are included, and one or all of the various data columns
(DATA, LAG_DATA and/or FLOAT_DATA, and possibly MODEL_DATA and/or
CORRECTED_DATA) can be selected. It can also be used to create a normal
MS, split-based on the given data selection parameters.

The mstransform task creates a Multi-MS in parallel, using the CASA MPI framework.
The user should start CASA as follows in order to run it in parallel.

1) Start CASA on a single node with 8 engines. The first engine will be used as the
   MPIClient, where the user will see the CASA prompt. All other engines will be used
   as MPIServers and will process the data in parallel.
       mpicasa -n 8 casa --nogui --log2term
       mstransform(.....)

2) Running on a group of nodes in a cluster.
       mpicasa -hostfile user_hostfile casa ....
       mstransform(.....)

    where user_hostfile contains the names of the nodes and the number of engines to use
    in each one of them. Example:
        pc001234a, slots=5
        pc001234b, slots=4

If CASA is started without mpicasa, it is still possible to create an MMS, but
the processing will be done in sequential.

The resulting WEIGHT_SPECTRUM produced by mstransform is in the statistical
sense correct for the simple cases of channel average and time average, but not for
the general re-gridding case, in which the error propagation formulas applicable for
WEIGHT_SPECTRUM are yet to be defined. Currently, as in cvel and in the imager,
WEIGHT_SPECTRUM is transformed in the same way as the other data columns.
Notice that this is not formally correct from the statistical point of view,
but is a good approximation at this stage.

NOTE: the input/output in mstransform have a one-to-one relation.
      input MS  --  output MS
      input MMS --  output MMS

   unless the user sets the parameter createmms to True to create the following:
      input MS  --  output MMS

This is the task mstransform of CASA 6.7.0.31; scripts/casa_functions.py writes this file. The names, the defaults and
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
    "keywords": ["CASA", "averaging", "regridding"],
    "example": {
        "vis": {"class": "Directory", "location": "demo:synthetic.ms"},
        "outputvis": "few.ms",
        "datacolumn": "data",
        "chanaverage": True,
        "chanbin": 2,
    },
}
TASK = Task(
    "mstransform",
    main="outputvis",
    vis=("vis",),
    names=("outputvis",),
    products={"outputvis": "{outputvis}"},
)


class Outputs(NamedTuple):
    """What mstransform gives."""

    outputvis: Annotated[Directory, Out(doc="The new measurement set")]


def main(
    vis: Annotated[Directory, In(doc="Name of input Measurement set or Multi-MS.")],
    outputvis: Annotated[str, In(doc="Name of output Measurement Set or Multi-MS.")],
    tileshape: Annotated[int | list[int], In(doc="List with 1 or 3 elements giving the tile shape of the disk data columns.")] = [0],
    field: Annotated[int | list[int] | str | list[str], In(doc="Select field using ID(s) or name(s).")] = "",
    spw: Annotated[int | list[int] | str | list[str], In(doc="Select spectral window/channels.")] = "",
    scan: Annotated[int | list[int] | str | list[str], In(doc="Select data by scan numbers.")] = "",
    antenna: Annotated[int | list[int] | str | list[str], In(doc="Select data based on antenna/baseline.")] = "",
    correlation: Annotated[str | list[str], In(doc="Correlation: '' ==> all, correlation=\"XX,YY\".")] = "",
    timerange: Annotated[int | list[int] | str | list[str], In(doc="Select data by time range.")] = "",
    intent: Annotated[int | list[int] | str | list[str], In(doc="Select data by scan intent.")] = "",
    array: Annotated[int | list[int] | str | list[str], In(doc="Select (sub)array(s) by array ID number.")] = "",
    uvrange: Annotated[int | list[int] | str | list[str], In(doc="Select data by baseline length.")] = "",
    observation: Annotated[int | list[int] | str | list[str], In(doc="Select by observation ID(s).")] = "",
    feed: Annotated[int | list[int] | str | list[str], In(doc="Multi-feed numbers: Not yet implemented.")] = "",
    datacolumn: Annotated[Literal["corrected", "data", "model", "data,model,corrected", "float_data", "lag_data", "float_data,data", "lag_data,data", "all"], In(doc="""
        Which data column(s) to process.
    """)] = "corrected",
    realmodelcol: Annotated[bool, In(doc="Make real a virtual MODEL column.")] = False,
    keepflags: Annotated[bool, In(doc="Keep *completely flagged rows* or drop them from the output.")] = True,
    usewtspectrum: Annotated[bool, In(doc="""
        Force creation of the columns WEIGHT_SPECTRUM and SIGMA_SPECTRUM in the output MS, even if not present in the input MS.
    """)] = False,
    combinespws: Annotated[bool, In(doc="""
        Combine the input spws into a new output spw. Only supported when the number of channels is the same for all the spws.
    """)] = False,
    chanaverage: Annotated[bool, In(doc="Average data in channels.")] = False,
    chanbin: Annotated[int | list[int], In(minimum=1, doc="Width (bin) of input channels to average to form an output channel.")] = 1,
    hanning: Annotated[bool, In(doc="Hanning smooth data to remove Gibbs ringing.")] = False,
    regridms: Annotated[bool, In(doc="""
        Transform channel labels and visibilities to a different spectral reference frame. Notice that u,v,w data is not transformed.
    """)] = False,
    mode: Annotated[Literal["channel", "velocity", "frequency", "channel_b"], In(doc="""
        Regridding mode (channel/velocity/frequency/channel_b).
    """)] = "channel",
    nchan: Annotated[int, In(minimum=-1, doc="""
        Number of channels in the output spw (-1=all). Used for regridding, together with \\'start\\' and \\'width\\'.
    """)] = -1,
    start: Annotated[int | float | list[int] | list[float] | str | list[str], In(doc="""
        Start of the output visibilities. Used for regridding, together with \\'width\\' and \\'nchan\\'. It can be in different units, depending on the regridding mode: first input channel (mode=\\'channel\\'), first velocity (mode=\\'velocity\\'), or first frequency (mode=\\'frequency\\'). Example values: \\'5\\', \\'0.0km/s\\', \\'1.4GHz\\', for channel, velocity, and frequency modes, respectively.
    """)] = 0,
    width: Annotated[int | float | list[int] | list[float] | str | list[str], In(doc="""
        Channel width of the output visibilities. Used for regridding, together with \\'start\\', and \\'nchan\\'. It can be in different units, depending on the regridding mode: number of input channels (mode=\\'channel\\'), velocity (mode=\\'velocity\\'), or frequency (mode=\\'frequency\\'. Example values: \\'2\\', \\'1.0km/s\\', \\'1.0kHz\\', for channel, velocity, and frequency modes, respectively.
    """)] = 1,
    nspw: Annotated[int, In(minimum=1, doc="Number of output spws to create in output MS.")] = 1,
    interpolation: Annotated[Literal["nearest", "linear", "cubic", "spline", "fftshift"], In(doc="Spectral interpolation method.")] = "linear",
    phasecenter: Annotated[int | float | list[int] | list[float] | str | list[str], In(doc="""
        Phase center direction to be used for the spectral coordinate transformation: direction measure or field index
    """)] = "",
    restfreq: Annotated[str, In(doc="Rest frequency to use for output.")] = "",
    outframe: Annotated[Literal["topo", "geo", "lsrk", "lsrd", "bary", "galacto", "lgroup", "cmb", "source", ""], In(doc="""
        Output reference frame (''=keep input frame).
    """)] = "",
    veltype: Annotated[Literal["optical", "radio"], In(doc="Velocity definition.")] = "radio",
    preaverage: Annotated[bool, In(doc="""
        Pre-average channels before regridding, when the ratio between the output and and input widths is greater than 2.
    """)] = False,
    timeaverage: Annotated[bool, In(doc="Average data in time.")] = False,
    timebin: Annotated[str, In(doc="Bin width for time averaging.")] = "0s",
    timespan: Annotated[str | list[str], In(doc="Span the timebin across scan, state or both.")] = "",
    maxuvwdistance: Annotated[float, In(unit="m", minimum=0, doc="""
        Maximum separation of start-to-end baselines that can be included in an average. (meters)
    """)] = 0.0,
    docallib: Annotated[bool, In(doc="Enable on-the-fly (OTF) calibration as in task applycal")] = False,
    callib: Annotated[File | None, In(doc="Path to calibration library file")] = None,
    douvcontsub: Annotated[bool, In(doc="""
        (Deprecated) Enable continuum subtraction as in task uvcontsub

        Enable continuum subtraction as in task uvcontsub. Note: this parameter is deprecated and will be removed in an upcoming release. The task uvcontsub can be used as an alternative.
    """)] = False,
    fitspw: Annotated[str, In(doc="Spectral window:channel selection for fitting the continuum")] = "",
    fitorder: Annotated[int, In(minimum=0, maximum=20, doc="Polynomial order for the fits")] = 0,
    want_cont: Annotated[bool, In(doc="Produce continuum estimate instead of continuum subtracted data")] = False,
    denoising_lib: Annotated[bool, In(doc="Use new denoising library (based on GSL) instead of casacore fitting routines")] = True,
    niter: Annotated[int, In(minimum=0, doc="Number of iterations for re-weighted linear fit")] = 1,
    reindex: Annotated[bool, In(doc="Hidden parameter for use in the pipeline context only")] = True,
) -> Outputs:
    """Split the MS, combine/separate/regrid spws and do channel and time averaging."""
    return TASK.run(locals(), Outputs)
