"""The steps of CASA's NGC 5921 tutorial, and running them bare.

    PYTHON tutorial.py UVFITS

runs them with casatasks in the current directory; `test_tutorial` runs the same steps through functions. A step has the
task, its parameters, and what it gives: the output of the function, the name that later steps call it by, and the path that
the bare task leaves. A parameter that begins with @ is such a name.
"""

from __future__ import annotations

import json
import sys

CALIBRATED = {"gaintable": ["@flux", "@bandpass"], "interp": ["linear", "nearest"], "calwt": True, "flagbackup": False}
STEPS = [
    ("importuvfits", {"fitsfile": "@uvfits", "vis": "ngc5921.ms", "antnamescheme": "new"}, ("vis", "ms", "ngc5921.ms")),
    ("flagdata", {"vis": "@ms", "autocorr": True, "flagbackup": False}, ("vis", "ms", "ngc5921.ms")),
    ("setjy", {"vis": "@ms", "field": "1331+305*", "standard": "Perley-Taylor 99", "scalebychan": False}, ("vis", "ms", "ngc5921.ms")),
    ("bandpass", {"vis": "@ms", "caltable": "ngc5921.bcal", "field": "0", "bandtype": "B", "solint": "inf", "combine": "scan", "refant": "VA15"},
     ("caltable", "bandpass", "ngc5921.bcal")),
    ("gaincal", {"vis": "@ms", "caltable": "ngc5921.gcal", "field": "0,1", "spw": "0:6~56", "gaintype": "G", "solint": "inf", "calmode": "ap", "minsnr": 1.0, "refant": "VA15",
                 "gaintable": ["@bandpass"]}, ("caltable", "gain", "ngc5921.gcal")),
    ("fluxscale", {"vis": "@ms", "caltable": "@gain", "fluxtable": "ngc5921.fluxscale", "reference": ["1331*"], "transfer": ["1445*"]}, ("fluxtable", "flux", "ngc5921.fluxscale")),
    ("applycal", {"vis": "@ms", "field": "0", "gainfield": ["0", ""]} | CALIBRATED, ("vis", "ms", "ngc5921.ms")),
    ("applycal", {"vis": "@ms", "field": "1,2", "gainfield": ["1", ""]} | CALIBRATED, ("vis", "ms", "ngc5921.ms")),
    ("split", {"vis": "@ms", "outputvis": "ngc5921.src.ms", "field": "N5921*", "datacolumn": "corrected"}, ("outputvis", "source", "ngc5921.src.ms")),
    ("uvcontsub", {"vis": "@source", "outputvis": "ngc5921.line.ms", "fitspec": "0:4~6;50~59", "fitorder": 0}, ("outputvis", "line", "ngc5921.line.ms")),
    ("tclean", {"vis": "@line", "imagename": "clean", "specmode": "cube", "nchan": 46, "start": 5, "imsize": [256, 256], "cell": "15arcsec", "niter": 6000, "threshold": "8mJy",
                "weighting": "briggs", "robust": 0.5, "restfreq": "1420.405752MHz"}, ("image", "cube", "clean.image")),
    ("exportfits", {"imagename": "@cube", "fitsimage": "clean.fits"}, ("fitsimage", "fits", "clean.fits")),
    ("imstat", {"imagename": "@cube"}, None),
    ("immoments", {"imagename": "@cube", "moments": [0, 1], "excludepix": [-100, 0.009], "outfile": "moment"}, ("images", "moments", ["moment.integrated", "moment.weighted_coord"])),
]


def filled(value, known: dict):
    """A parameter with its names replaced."""
    if isinstance(value, list):
        return [filled(v, known) for v in value]
    return known[value[1:]] if isinstance(value, str) and value.startswith("@") else value


def main() -> None:
    """Run the steps bare; what tasks return goes to returned.json."""
    import casatask
    import casatasks

    known, returned = {"uvfits": sys.argv[1]}, {}
    for task, parameters, gives in STEPS:
        returned[task] = getattr(casatasks, task)(**{k: filled(v, known) for k, v in parameters.items()})
        if gives:
            known[gives[1]] = gives[2]
    with open("returned.json", "w", encoding="utf-8") as file:
        json.dump(casatask._jsonable(returned), file)


if __name__ == "__main__":
    main()
