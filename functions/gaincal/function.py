"""Determine temporal gains from calibrator observations.

The complex gains for each antenna/spwid are determined from the data
column (raw data) divided by the model column. The gains can be
obtained for a specified solution interval, spw combination and field
combination. The GSPLINE spline (smooth) option is still under
development.

Previous calibrations (egs, bandpass, opacity, parallactic angle) can
be applied on the fly. At present with dual-polarized data, both
polarizations must be unflagged for any solution to be obtained.

This is the task gaincal of CASA 6.7.0.31; scripts/casa_functions.py writes this file. The names, the defaults and
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
    "keywords": ["CASA", "calibration", "gain"],
    "example": {"vis": {"class": "Directory", "location": "demo:synthetic.ms"}, "caltable": "g.cal", "refant": "0"},
}
TASK = Task(
    "gaincal",
    main="caltable",
    vis=("vis",),
    names=("caltable",),
    products={"caltable": "{caltable}"},
)


class Outputs(NamedTuple):
    """What gaincal gives."""

    caltable: Annotated[Directory, Out(doc="Table of the solutions")]
    returned: Annotated[File, Out(doc="Counts of solutions", format="application/json")]


def main(
    vis: Annotated[Directory, In(writable=True, doc="""
        Name of input visibility file
        Default: none

           Example: vis='ngc5921.ms'
    """)],
    caltable: Annotated[str, In(doc="""
        Name of output gain calibration table
        Default: none

           Example: caltable='ngc5921.gcal'
    """)],
    field: Annotated[str, In(doc="""
        Select field using field id(s) or field name(s)
        Default: '' (all fields)

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
        Default: '' (all spectral windows and channels)

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
    """)] = "",
    intent: Annotated[str, In(doc="""
        Select observing intent
        Default: '' (no selection by intent)

           Example: intent='*BANDPASS*'  (selects data
           labelled with BANDPASS intent)
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
    uvrange: Annotated[int | float | list[int] | list[float] | str | list[str], In(doc="""
        Select data by baseline length.
        Default = '' (all)

           Examples:
           uvrange='0~1000klambda'; uvrange from 0-1000 kilo-lambda
           uvrange='>4klambda';uvranges greater than 4 kilo-lambda
           uvrange='0~1000km'; uvrange in kilometers
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
    scan: Annotated[str, In(doc="""
        Scan number range
        Subparameter of selectdata=True
        Default: '' = all

        Check 'go listobs' to insure the scan numbers are
        in order.
    """)] = "",
    observation: Annotated[int | str, In(doc="""
        Select by observation ID(s)
        Subparameter of selectdata=True
        Default: '' = all

            Example: observation='0~2,4'
    """)] = "",
    msselect: Annotated[str, In(doc="Optional complex data selection (ignore for now)")] = "",
    solint: Annotated[int | float | list[int] | list[float] | str | list[str], In(doc="""
        Solution interval
        Default: 'inf' (infinite, up to boundaries
        controlled by combine);
        Options: 'inf' (~infinite), 'int' (per
        integration), any float or integer value with or
        without units

           Examples:
           solint='1min'; solint='60s', solint=60 (i.e.,
           1 minute); solint='0s'; solint=0; solint='int'
           (i.e., per integration); solint-'-1s';
           solint='inf' (i.e., ~infinite, up to
           boundaries enforced by combine)
    """)] = "inf",
    combine: Annotated[str, In(doc="""
        Data axes which to combine for solve (obs, scan, spw, and/or field)

        Data axes which to combine for solve
        Default: 'scan' (solutions will break at obs,
        field, and spw boundaries)
        Options: '','obs','scan','spw',field', or any
        comma-separated combination in a single string

           Example: combine='scan,spw' - Extend solutions
           over scan boundaries (up to the solint), and
           combine spws for solving
    """)] = "",
    preavg: Annotated[float, In(unit="s", doc="""
        Pre-averaging interval (sec) (rarely needed)

        Pre-averaging interval (sec)
        Default: -1.0 (none)

        Rarely needed.  Will average data over periods
        shorter than the solution interval first.
    """)] = -1.0,
    refant: Annotated[str, In(doc="""
        Reference antenna name(s); a prioritized list may be
        specified
                             Default: '' (No refant applied)

                                Examples:
                                refant='4' (antenna with index 4)
                                refant='VA04' (VLA antenna #4)
                                refant='EA02,EA23,EA13' (EVLA antenna EA02,
                                use EA23 and EA13 as alternates if/when EA02
                                drops out)

                             Use taskname=listobs for antenna listing
    """)] = "",
    refantmode: Annotated[Literal["flex", "strict"], In(doc="""
        Reference antenna mode (flex, strict)

        Reference antenna mode
          Default: 'flex'

        - 'flex': If the preferred or current refant drops out, switch to another. Alternate reference antennas will be chosen from the refant parameter (if a nontrivial list of antennas is specified), or according to proximity to the last-used refant. If and when the preferred refant returns, the referencing will switch back to it.
        - 'strict': If the preferred or current refant is absent for a solution, flag all antennas at that solution. This mode ensures that the effective cross-hand phase will be maintained constant and equal to that of the chosen refant, and not subject to variation due to finite SNR when switching among reference antennas. If a list of antennas is specified in refant, only the first is used.
    """)] = "flex",
    minblperant: Annotated[int, In(minimum=1, doc="""
        Minimum baselines _per antenna_ required for solve

        Minimum number of baselines required per antenna for each
        solve
                             Default: 4

                             Antennas with fewer baselines are excluded from
                             solutions.

                                Example: minblperant=10 --> Antennas
                                participating on 10 or more baselines are
                                included in the solve

                             minblperant = 1 will solve for all baseline
                             pairs, even if only one is present in the data
                             set.  Unless closure errors are expected, use
                             taskname=gaincal rather than taskname=blcal to
                             obtain more options in data analysis.
    """)] = 4,
    minsnr: Annotated[float, In(minimum=0, doc="""
        Reject solutions below this SNR
        Default: 3.0
    """)] = 3.0,
    solnorm: Annotated[bool, In(doc="""
        Normalize (squared) solution amplitudes (G, T only)
        Default: False (no normalization)
    """)] = False,
    normtype: Annotated[Literal["mean", "median"], In(doc="""
        Solution normalization calculation type: mean or median
        Default: 'mean'
    """)] = "mean",
    gaintype: Annotated[Literal["G", "T", "GSPLINE", "K", "KCROSS", "XY+QU", "XYf+QU"], In(doc="""
        Type of gain solution (G,T,GSPLINE,K,KCROSS)
          Default: 'G'

             Example: gaintype='GSPLINE'

        - 'G' means determine gains for each polarization and sp_wid
        - 'T' obtains one solution for both polarizations;
          Hence. their phase offset must be first removed
          using a prior G.
        - 'GSPLINE' makes a spline fit to the calibrator
          data. It is useful for noisy data and fits a
          smooth curve through the calibrated amplitude and
          phase. However, at present GSPLINE is somewhat
          experimental. Use with caution and check
          solutions.
        - 'K' solves for simple antenna-based delays via
          FFTs of the spectra on baselines to the reference
          antenna.  (This is not global fringe-fitting.)
          If combine includes 'spw', multi-band delays are
          determined; otherwise, per-spw single-band delays
          will be determined.
        - 'KCROSS' solves for a global cross-hand delay.
          Use parang=T and apply prior gain and bandpass
          solutions.  Multi-band delay solves
          (combine='spw') not yet supported for KCROSS.
    """)] = "G",
    smodel: Annotated[float | list[float] | None, In(doc="""
        Point source Stokes parameters for source model
        (experimental).
                             Default: [] (use MODEL_DATA column)

                                Example: [1,0,0,0] (I=1, unpolarized)
    """)] = None,
    calmode: Annotated[Literal["a", "p", "ap"], In(doc="""
        Type of solution" ('ap', 'p', 'a')
        Default: 'ap' (amp and phase)
        Options: 'p' (phase) ,'a' (amplitude), 'ap'
        (amplitude and phase)

           Example: calmode='p'
    """)] = "ap",
    solmode: Annotated[Literal["", "L1", "L1R", "R"], In(doc="""
        Robust solving mode:
        Options: '', 'L1', 'R', 'L1R'
    """)] = "",
    rmsthresh: Annotated[float | list[float] | None, In(minimum=0, doc="""
        RMS Threshold sequence (for solmode=\\'R\\' or \\'L1R\\'; see help)

        RMS Threshold sequence
        Subparameter of solmode='R' or 'L1R'

        See CASA Docs for more information
        (https://casa.nrao.edu/casadocs/)
    """)] = None,
    corrdepflags: Annotated[bool, In(doc="""
        Respect correlation-dependent flags

        If False (default), if any correlation is flagged, treat all correlations in
        the visibility vector as flagged when solving (per channel, per baseline).
        If True, use unflagged correlations in a visibility vector, even if one or more
        other correlations are flagged.

               Default: False (treat correlation vectors with one or more correlations flagged as entirely flagged)

               Traditionally, CASA has observed a strict interpretation of
               correlation-dependent flags: if one or more correlations
               (for any baseline and channel) is flagged, then all available
               correlations for the same baseline and channel are
               treated as flagged.  However, it is desirable in some
               circumstances to relax this stricture, e.g., to preserve use
               of data from antennas with only one good polarization (e.g., one polarization
               is bad or entirely absent).  Solutions for the bad or missing polarization
               will be rendered as flagged.
    """)] = False,
    splinetime: Annotated[float, In(unit="s", minimum=1, doc="""
        Spline timescale(sec); All spw\\'s are first averaged.
        Subparameter of gaintype='GSPLINE'
        Default: 3600 (1 hour)

           Example: splinetime=1000

        Typical splinetime should cover about 3 to 5
        calibrator scans.
    """)] = 3600.0,
    npointaver: Annotated[int, In(minimum=1, doc="""
        Tune phase-unwrapping algorithm
        Subparameter of gaintype='GSPLINE'
        Default: 3; Keep at this value
    """)] = 3,
    phasewrap: Annotated[float, In(unit="deg", minimum=1, doc="""
        Wrap the phase for jumps greater than this value
        (degrees)
                             Subparameter of gaintype='GSPLINE'
                             Default: 180; Keep at this value
    """)] = 180.0,
    docallib: Annotated[bool, In(doc="""
        Use callib or traditional cal apply parameters

        Control means of specifying the caltables
        Default: False (Use gaintable, gainfield, interp,
        spwmap, calwt)
        Options: False|True

        If True, specify a file containing cal library in
        callib
    """)] = False,
    callib: Annotated[File | None, In(doc="""
        Cal Library filename

        Specify a file containing cal library directives
        Subparameter of docallib=True
    """)] = None,
    gaintable: Annotated[Directory | list[Directory] | None, In(doc="""
        Gain calibration table(s) to apply on the fly
        Default: '' (none)
        Subparameter of docallib=False
           Examples:
           gaintable='ngc5921.gcal'
           gaintable=['ngc5921.ampcal','ngc5921.phcal']
    """)] = None,
    gainfield: Annotated[str | list[str] | None, In(doc="""
        Select a subset of calibrators from gaintable(s)
        Default: '' (all sources on the sky)

        'nearest' ==> nearest (on sky) available field in
        table otherwise, same syntax as field

           Examples:
           gainfield='0~2,5' means use fields 0,1,2,5
           from gaintable
           gainfield=['0~3','4~6'] means use field 0
           through 3
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
        Spectral window mappings to form for gaintable(s)
        Only used if callib=False
        default: [] (apply solutions from each calibration spw to
         the same MS spw only)
        Any available calibration spw can be mechanically mapped to any
         MS spw.
        Examples:
           spwmap=[0,0,1,1] means apply calibration
             from cal spw = 0 to MS spw 0,1 and cal spw 1 to MS spws 2,3.
           spwmap=[[0,0,1,1],[0,1,0,1]] (use a list of lists for multiple
             gaintables)
    """)] = None,
    parang: Annotated[bool, In(doc="""
        Apply parallactic angle correction
        Default: False

        If True, apply the parallactic angle correction
        (required for polarization calibration)
    """)] = False,
) -> Outputs:
    """Determine temporal gains from calibrator observations."""
    return TASK.run(locals(), Outputs)
