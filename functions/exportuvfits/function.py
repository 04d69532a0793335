"""Convert a CASA visibility data set to a UVFITS file:.

This task writes a UVFITS file, a general format data set used to
 transfer data between different software systems. It is written in
 floating point format.  Different programs have different
 restrictions on what forms of UVFITS files they will use, especially
 whether they will accept multiple sources and/or spectral windows in
 the same file.  See the spw, multisource, and combinespw descriptions
 below.

IMPORTANT NOTE: In general, some of the data averaging features of
this task have never worked properly. In general, users should run
mstransform to select and average data prior to running
exportuvfits. The associated input parameters are being slowly
deprecated and removed.

This is the task exportuvfits of CASA 6.7.0.31; scripts/casa_functions.py writes this file. The names, the defaults and
the texts of the inputs are those of CASA's documentation (Associated Universities, Inc.; LGPL).
"""

from typing import Annotated, Literal, NamedTuple

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
    "keywords": ["CASA", "export", "UVFITS"],
    "example": {"vis": {"class": "Directory", "location": "demo:synthetic.ms"}, "fitsfile": "out.uvfits", "datacolumn": "data"},
}
TASK = Task(
    "exportuvfits",
    main="fitsfile",
    vis=("vis",),
    names=("fitsfile",),
    products={"fitsfile": "{fitsfile}"},
)


class Outputs(NamedTuple):
    """What exportuvfits gives."""

    fitsfile: Annotated[File, Out(doc="The UVFITS file")]


def main(
    vis: Annotated[Directory, In(doc="""
        Name of input visibility file
        Default: none

           Example: vis='ngc5921.ms'
    """)],
    fitsfile: Annotated[str, In(doc="""
        Name of output UV FITS file
        Default: none

           Example: vis='ngc5921XC1.fits'
    """)],
    datacolumn: Annotated[Literal["data", "corrected", "model", "weight"], In(doc="""
        Visibility file data column
        Default: corrected
        Options: 'data'(raw)|'corrected'|'model'|'weight'

           Example: datacolumn='model'
    """)] = "corrected",
    field: Annotated[int | list[int] | str | list[str], In(doc="""
        Select field using field id(s) or field name(s)
        Default: '' --> all fields

        Use 'go listobs' to obtain the list id's or
        names. If field string is a non-negative integer,
        it is assumed a field index,  otherwise, it is
        assumed a field name.

           Examples:
           field='0~2'; field ids 0,1,2
           field='0,4,5~7'; field ids 0,4,5,6,7
           field='3C286,3C295'; field named 3C286 and
           3C295
           field = '3,4C*'; field id 3, all names
           starting with 4C
    """)] = "",
    spw: Annotated[str, In(doc="""
        Select spectral window/channels

        Examples:
        spw='0~2,4'; spectral windows 0,1,2,4 (all
        channels)
        spw='<2';  spectral windows less than 2
        (i.e. 0,1)
        spw='0:5~61'; spw 0, channels 5 to 61,
        INCLUSIVE
        spw='*:5~61'; all spw with channels 5 to 61
        spw='0,10,3:3~45'; spw 0,10 all channels, spw
        3, channels 3 to 45.
        spw='0~2:2~6'; spw 0,1,2 with channels 2
        through 6 in each.
        spw='0:0~10;15~60'; spectral window 0 with
        channels 0-10,15-60. (NOTE ';' to separate
        channel selections)
        spw='0:0~10^2,1:20~30^5'; spw 0, channels
        0,2,4,6,8,10, spw 1, channels 20,25,30
        type 'help par.selection' for more examples.
    """)] = "",
    antenna: Annotated[str, In(doc="""
        Select data based on antenna/baseline
        Subparameter of selectdata=True
        Default: '' (all)

        If antenna string is a non-negative integer, it
        is assumed an antenna index, otherwise, it is
        assumed as an antenna name

            Examples:
            antenna='5&6'; baseline between antenna
            index 5 and index 6.
            antenna='VA05&VA06'; baseline between VLA
            antenna 5 and 6.
            antenna='5&6;7&8'; baselines with
            indices 5-6 and 7-8
            antenna='5'; all baselines with antenna index
            5
            antenna='05'; all baselines with antenna
            number 05 (VLA old name)
            antenna='5,6,10'; all baselines with antennas
            5,6,10 index numbers
    """)] = "",
    timerange: Annotated[str, In(doc="""
        Select data based on time range
        Subparameter of selectdata=True
        Default = '' (all)

           Examples:
           timerange =
           'YYYY/MM/DD/hh:mm:ss~YYYY/MM/DD/hh:mm:ss'
           (Note: if YYYY/MM/DD is missing date defaults
           to first day in data set.)
           timerange='09:14:0~09:54:0' picks 40 min on
           first day
           timerange= '25:00:00~27:30:00' picks 1 hr to 3
           hr 30min on NEXT day
           timerange='09:44:00' pick data within one
           integration of time
           timerange='>10:24:00' data after this time
    """)] = "",
    writesyscal: Annotated[bool, In(doc="""
        Write GC and TY tables. Not yet available.
        Default: False
    """)] = False,
    multisource: Annotated[bool, In(doc="""
        Write in multi-source format?
        Default: True

        Set to False if only one source is selected.

        Note: diffmap does not work on multisource uvfits
        files, so if planning on using diffmap on the
        resulting uvfits file, select a single source and
        set multisource = False. Otherwise use True. (If
        multiple sources are selected, a multi-source
        file will be written no matter what the setting
        of this parameter).
    """)] = True,
    combinespw: Annotated[bool, In(doc="""
        Export the spectral windows as IFs?
        Default: True

        If True, export the spectral windows as
        IFs. All spectral windows must have same
        shape. Otherwise multiple windows will use
        multiple FREQIDs.
    """)] = True,
    writestation: Annotated[bool, In(doc="""
        Write station name instead of antenna name
        Default: True
    """)] = True,
    padwithflags: Annotated[bool, In(doc="""
        Fill in missing data with flags to fit IFs
        Subparameter of combinespw=True
        Default: True

        If True, and combinespw is True, fill in missing
        data as needed to fit the IF structure. This is
        appropriate if the MS had a few
        frequency-dependent flags applied, and was then
        time-averaged by split, or when exporting for use
        by difmap. If the spectral windows were observed
        at different times, padwithflags=True will add a
        large number of flags, making the output file
        significantly longer. It does not yet support
        spectral windows with different widths.
    """)] = False,
) -> Outputs:
    """Convert a CASA visibility data set to a UVFITS file:."""
    return TASK.run(locals(), Outputs)
