"""Specify Calibration Values of Various Types.

The gencal task provides a means of specifying antenna-based
calibration values manually.  The values are put in designated tables
and applied to the data using applycal. Several specialized
calibrations are also generated with gencal.

Current antenna-based gencal options (caltype) are:

    - 'amp'= amplitude correction
    - 'ph' = phase correction
    - 'sbd'= single-band delay (phase-frequency slope for each spw)
    - 'mbd'= multi-band delay (phase-frequency slope over all spw)
    - 'antpos' = ITRF antenna position corrections
    - 'antposvla' = VLA-centric antenna position corrections
    - 'tsys' = Tsys from the SYSCAL table (ALMA)
    - 'swpow' = EVLA switched-power gains (experimental)
    - ‘swpwts’ = EVLA switched-power for weights only, no temperature rescaling
    - 'evlagain' (='swpow') (this syntax will deprecate)
    - 'rq' = EVLA requantizer gains _only_
    - 'swp/rq' = EVLA switched-power gains divided by requantizer gain
    - 'opac' = Tropospheric opacity
    - 'gc' = Gain curve (zenith-angle-dependent gain) (VLA only)
    - 'eff' = Antenna efficiency (sqrt(K/Jy)) (VLA only)
    - 'gceff' = Gain curve and efficiency (VLA only)
    - 'tecim' = Time-dep TEC image specified in infile
    - 'jyperk'= Jy/K factor via Jy/K DB Web API
    - 'eop' = EOP corrections

This is the task gencal of CASA 6.7.0.31; scripts/casa_functions.py writes this file. The names, the defaults and
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
    "keywords": ["CASA", "calibration"],
    "example": {"vis": {"class": "Directory", "location": "demo:synthetic.ms"}, "caltable": "amp.cal", "caltype": "amp", "parameter": [2.0]},
}
TASK = Task(
    "gencal",
    main="caltable",
    vis=("vis",),
    names=("caltable",),
    products={"caltable": "{caltable}"},
)


class Outputs(NamedTuple):
    """What gencal gives."""

    caltable: Annotated[Directory, Out(doc="Table of the corrections")]


def main(
    vis: Annotated[Directory, In(writable=True, doc="""
        Name of input visibility file
        Default: none

           Example: vis='ngc5921.ms'
    """)],
    caltable: Annotated[str, In(doc="""
        Name of input calibration table

        Default: none

        If a calibration table does not exist, it will be
        created. Specifying an existing table will result
        in the parameters being applied
        cumulatively. Only a single time-stamp for all
        calibrations are supported, currently.  Do not
        use a caltable created by gaincal, bandpass,
        etc.

           Example: caltable='test.G'
    """)],
    caltype: Annotated[Literal["amp", "ph", "sbd", "mbd", "antpos", "antposvla", "tsys", "evlagain", "swpow", "swpwts", "rq", "swp/rq", "opac", "gc", "gceff", "eff", "tecim", "jyperk", "eop"], In(doc="""
        The calibration type: (amp, ph, sbd, mbd, antpos, antposvla, tsys, evlagain, opac, gc, gceff, eff, tecim, jyperk, eop)

        The calibration parameter type being specified
        Default: none
        Options: 'amp', 'ph', 'sbd', 'mbd', 'antpos',
        'antposvla', 'tsys', 'evlagain', 'opac', 'gc',
        'gceff', 'eff', 'tecim', 'jyperk', 'eop'

        - 'amp' = gain (G) amplitude (1 real parameter
           per pol, antenna, spw)
        - 'ph'  = gain (G) phase (deg) (1 real parameter
           per pol, antenna, spw)
        - 'sbd' = single-band delays (nsec) (1 real
           parameter per pol, antenna, spw)
        - 'mbd' = multi-band delay (nsec) (1 real
           parameter per pol, antenna, spw)
        - 'antpos' = antenna position corrections (m) (3
           real ITRF offset parameters per antenna; spw,
           pol selection will be ignored)
           With antenna='', this triggers an automated
           lookup of antenna positions for EVLA. For ALMA
           an input file generated with getantposalma task
           can be input in paramter infile.
        - 'antposvla' = antenna position corrections (m)
           specified in the old VLA-centric coordinate
           system
        - 'tsys' = Tsys from the SYSCAL table (ALMA)
        - ‘swpwts’ = EVLA switched-power weights
        - 'evlagain' = EVLA switched-power gains
           (experimental)
        - 'opac' = Tropospheric opacity (1 real parameter
           per antenna, spw)
        - 'gc' = Antenna zenith-angle dependent gain
           curve (auto-lookup)
        - 'gceff' = Gain curve and efficiency
           (auto-lookup)
        - 'eff' = Antenna efficiency (auto-lookup)
        - 'jyperk' = Jy/K factor via Jy/K DB Web API
        - 'eop' = EOP corrections

           Example: caltype='ph'
    """)],
    infile: Annotated[File | None, In(doc="""
        Input ancilliary file
                         Subparameter of caltype='antpos|gc|gceff|tecim|jyperk'
                         Default: none

                         The format of the file in case of 'antpos' is JSON.
                         The file contains the information about the antenna
                         positions as well as some metadata. As a reference,
                         this code snippet would create the most minimal JSON file
                         that can be used by **gencal**

        ::
           import json
           ...
           with open("outfile.json", "w") as f:
               json.dump({"data":{"ANT1" : [500000, 500000, 500000]}, "metadata" : {"product_code": "antposalma"} }, f)
    """)] = None,
    spw: Annotated[str, In(doc="""
        Select spectral window/channels
        Default: '' (all spectral windows and channels)

           Examples: spw='0~2,4'; spectral windows 0,1,2,4 (all channels) spw='<2';  spectral windows less than 2 (i.e. 0,1) spw='0:5~61'; spw 0, channels 5 to 61 spw='0,10,3:3~45'; spw 0,10 all channels, spw
           3 - chans 3 to 45. spw='0~2:2~6'; spw 0,1,2 with channels 2
           through 6 in each.
           spw = '*:3~64'  channels 3 through 64 for all sp id's
           spw = ' :3~64' will NOT work.
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
    pol: Annotated[str, In(doc="""
        Calibration polarizations(s) selection

        Polarization selection for specified parameters
        Default: pol='' (specified parameters apply to
        all polarizations)

           Example: pol='R' (specified parameters to
           apply to R only)
    """)] = "",
    parameter: Annotated[float | list[float] | None, In(doc="""
        The calibration values

        The calibration parameters, specified as a list,
        to store in the caltable for the spw, antenna,
        and pol selection.  The required length of the
        list is determined by the caltype and the spw,
        antenna, pol selection.  One "set" of parameters
        (e.g., one value for 'amp', 'ph', etc., three
        values for 'antpos') specified the same value for
        all indicated spw, antenna, and pol.
        OR,
        When specifying a long list of calibration
        parameter values, these should be ordered first
        (fastest) by pol (if pol!=''), then by antenna
        (if antenna!=''), and finally (sloweset) by spw
        (if spw!='').  Unspecified selection axes must
        not be enumerated in the parameter list
    """)] = None,
    uniform: Annotated[bool, In(doc="""
        Assume uniform calibration values across the array
        Subparameter of caltype='tsys'
         Default: True
         Options: True|False
    """)] = True,
) -> Outputs:
    """Specify Calibration Values of Various Types."""
    return TASK.run(locals(), Outputs)
