"""Apply calibrations solutions(s) to data.

Applycal reads the specified gain calibration tables or cal library,
applies them to the (raw) data column (with the specified selection),
and writes the calibrated results into the corrected column. This is
done in one step, so all available calibration tables must be
specified.

Applycal will overwrite existing corrected data, and will flag data
for which there is no calibration available.

Standard data selection is supported.  See help par.selectdata for
more information.

This is the task applycal of CASA 6.7.0.31; scripts/casa_functions.py writes this file. The names, the defaults and
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
    "keywords": ["CASA", "calibration"],
    "example": {
        "vis": {"class": "Directory", "location": "demo:calibrator.ms"},
        "gaintable": {"class": "Directory", "location": "demo:calibrator.gcal"},
        "gainfield": ["CAL"],
        "interp": ["linear"],
    },
}
TASK = Task(
    "applycal",
    main="vis",
    vis=("vis",),
    products={"vis": "{vis}", "flagversions": "{vis}.flagversions"},
)


class Outputs(NamedTuple):
    """What applycal gives."""

    vis: Annotated[Directory, Out(doc="The measurement set as it is now")]
    flagversions: Annotated[Directory | None, Out(doc="Former flags, with flagbackup")]


def main(
    vis: Annotated[Directory, In(writable=True, doc="""
        Name of input visibility file
        default: non

           Example: vis='ngc5921.ms'
    """)],
    field: Annotated[str, In(doc="""
        Select field using field id(s) or field name(s)
        default: '' --> all fields

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
    intent: Annotated[str, In(doc="""
        Select observing intent
        default: '' (no selection by intent)

           Example: intent='*BANDPASS*'  (selects data
           labelled with BANDPASS intent)
    """)] = "",
    timerange: Annotated[str, In(doc="""
        Select data based on time range
        Subparameter of selectdata=True
        default = '' (all)

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
    uvrange: Annotated[int | float | list[int] | list[float] | str | list[str], In(doc="""
        Select data within uvrange (default units meters)
        Subparameter of selectdata=True
        default: '' (all)

           Examples:
           uvrange='0~1000klambda'; uvrange from 0-1000
           kilo-lambda
           uvrange='>4klambda';uvranges greater than 4
           kilolambda
    """)] = "",
    antenna: Annotated[str, In(doc="""
        Select data based on antenna/baseline
        Subparameter of selectdata=True
        default: '' (all)

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
    scan: Annotated[str, In(doc="""
        Scan number range
        Subparameter of selectdata=True
        default: '' = all
    """)] = "",
    observation: Annotated[int | str, In(doc="""
        Select by observation ID(s)
        Subparameter of selectdata=True
        default: '' = all

            Example: observation='0~2,4'
    """)] = "",
    msselect: Annotated[str, In(doc="Optional complex data selection (ignore for now)")] = "",
    docallib: Annotated[bool, In(doc="""
        Use callib or traditional cal apply parameters

        Control means of specifying the caltables
        default: False --> Use gaintable, gainfield,
        interp, spwmap, calwt.

        If True, specify a file containing cal library in
        callib
    """)] = False,
    callib: Annotated[File | None, In(doc="""
        Cal Library filename
        Subparameter of callib=True

        If docallib=True, specify a file containing cal
        library directives
    """)] = None,
    gaintable: Annotated[Directory | list[Directory] | None, In(doc="""
        Gain calibration table(s) to apply on the fly
        Subparameter of callib=False
        default: '' (none)

        All gain table types: 'G', GSPLINE, 'T', 'B',
        'BPOLY', 'D's' can be applied.

           Examples: gaintable='ngc5921.gcal'
           gaintable=['ngc5921.ampcal','ngc5921.phcal']
    """)] = None,
    gainfield: Annotated[str | list[str] | None, In(doc="""
        Select a subset of calibrators from gaintable(s)
        Subparameter of callib=False
        default:'' --> all sources in table

        gaintable='nearest' --> nearest (on sky)
        available field in table. Otherwise, same syntax
        as field

           Examples:
           gainfield='0~2,5' means use fields 0,1,2,5
           from gaintable
           gainfield=['0~3','4~6'] (for multiple
           gaintables)
    """)] = None,
    interp: Annotated[str | list[str] | None, In(doc="""
        Interpolation parmameters (in time[,freq]) for each gaintable, as a list of strings.
          Default: '' --> 'linear,linear' for all gaintable(s)
          Options: Time: 'nearest', 'linear'
                   Freq: 'nearest', 'linear', 'cubic',
                   'spline'
        Specify a list of strings, aligned with the list of caltable specified
        in gaintable, that contain the required interpolation parameters
        for each caltable.

        - When frequency interpolation is relevant (B, Df,
          Xf), separate time-dependent and freq-dependent
          interp types with a comma (freq after the
          comma).
        - Specifications for frequency are ignored when the
          calibration table has no channel-dependence.
        - Time-dependent interp options ending in 'PD'
          enable a "phase delay" correction per spw for
          non-channel-dependent calibration types.
        - For multi-obsId datasets, 'perobs' can be
          appended to the time-dependent interpolation
          specification to enforce obsId boundaries when
          interpolating in time.
        - For multi-scan datasets, 'perscan' can be
          appended to the time-dependent interpolation
          specification to enforce scan boundaries when
          interpolating in time.
        - Freq-dependent interp options can have 'flag' appended
          to enforce channel-dependent flagging, and/or 'rel'
          appended to invoke relative frequency interpolation

             Examples:
             interp='nearest' (in time, freq-dep will be
             linear, if relevant)
             interp='linear,cubic'  (linear in time, cubic
             in freq)
             interp='linearperobs,splineflag' (linear in
             time per obsId, spline in freq with
             channelized flagging)
             interp='nearest,linearflagrel' (nearest in
             time, linear in freq with with channelized
             flagging and relative-frequency interpolation)
             interp=',spline'  (spline in freq; linear in
             time by default)
             interp=['nearest,spline','linear']  (for
             multiple gaintables)
    """)] = None,
    spwmap: Annotated[int | list[int] | list[list[int]] | None, In(doc="""
        Spectral windows combinations to form for gaintables(s)
        Subparameter of callib=False
        default: [] (apply solutions from each spw to
        that spw only)

           Examples:
           spwmap=[0,0,1,1] means apply the caltable
           solutions from spw = 0 to the spw 0,1 and spw
           1 to spw 2,3.
           spwmap=[[0,0,1,1],[0,1,0,1]] (for multiple
           gaintables)
    """)] = None,
    calwt: Annotated[bool | list[bool], In(doc="""
        Calibrate data weights per gaintable.
        default: True (for all specified gaintables)

           Examples:
           calwt=False (for all specified gaintables)
           calwt=[True,False,True] (specified per
           gaintable)
    """)] = [True],
    parang: Annotated[bool, In(doc="""
        Apply parallactic angle correction
        default: False

        If True, apply the parallactic angle
        correction. FOR ANY POLARIZATION CALIBRATION AND
        IMAGING, parang = True
    """)] = False,
    applymode: Annotated[Literal["", "calflag", "calflagstrict", "trial", "flagonly", "flagonlystrict", "calonly"], In(doc="""
        Calibration mode: ""="calflag","calflagstrict","trial","flagonly","flagonlystrict", or "calonly"

        Calibration apply mode
        default: 'calflag'
        Options: "calflag", "calflagstrict", "trial",
        "flagonly", "flagonlystrict", "calonly"

        -- applymode='calflag': calibrate data and apply
        flags from solutions
        -- applymode='trial': report on flags from
        solutions, dataset entirely unchanged
        -- applymode='flagonly': apply flags from
        solutions only, data not calibrated
        -- applymode='calonly' calibrate data only, flags
        from solutions NOT applied (use with extreme
        caution!)
        -- applymode='calflagstrict' or 'flagonlystrict'
        same as above except flag spws for which
        calibration is unavailable in one or more tables
        (instead of allowing them to pass uncalibrated
        and unflagged)
    """)] = "",
    flagbackup: Annotated[bool, In(doc="""
        Automatically back up the state of flags before the run?
        default: True
    """)] = True,
) -> Outputs:
    """Apply calibrations solutions(s) to data."""
    return TASK.run(locals(), Outputs)
