"""Generate the functions of environment casa from CASA's own description of its tasks.

    PYTHON scripts/casa_functions.py [--check]

PYTHON is the interpreter of the environment, or any that has casatasks. For each task below, functions/TASK/function.py is
written: types, allowed values and bounds from the check that casatasks makes before a task begins, defaults from its
signature, texts from its documentation. What these do not say is reviewed by hand in TASKS: which inputs are measurement
sets, tables and images, which name products, what is changed in place, and what a task makes. With --check nothing is
written, and the exit code is 1 when a file differs. For a new release of CASA: change the versions in
environments/casa/environment.yaml, build it, run this, and read the differences.
"""

from __future__ import annotations

import ast
import dataclasses
import difflib
import importlib.util
import inspect
import pathlib
import re
import sys
import xml.etree.ElementTree as ElementTree

ROOT = pathlib.Path(__file__).resolve().parents[1]
SPACE = "{http://casa.nrao.edu/schema/psetTypes.html}"
WIDTH = 150

# How often a function was changed under one release of CASA: a change of its file adds one, and a new minor release takes it out.
CHANGES = {"applycal": 1, "bandpass": 1, "exportfits": 1, "feather": 2, "flagdata": 2, "flagmanager": 1, "fluxscale": 1, "gaincal": 1, "immoments": 2, "impbcor": 2, "importfits": 1, "imregrid": 2,
           "imsmooth": 2, "imstat": 1, "imsubimage": 1, "mstransform": 1, "specfit": 2, "specflux": 1, "split": 1, "statwt": 1, "tclean": 3, "uvcontsub": 1}

# What a function does not offer: windows, prompts, MPI, and text files that repeat the log.
DROPPED = {"interactive", "parallel", "display", "overwrite", "verbose", "selectdata", "listit", "logfile", "logresults", "append", "wantreturn", "async", "ismms", "listmodels",
           "createmms", "separationaxis", "numsubms", "keepmms", "disableparallel", "monolithic_processing", "ddistart", "taql", "cfcache", "vptable", "outlierfile",
           "restart", "savepars", "cmdreason", "listfile", "summary", "newestimates", "complist", "cachesize", "nthreads", "inpfile", "reason", "tbuff"}

# What CASA's schema calls its types.
TYPES = {"cStr": "str", "cPath": "str", "cReqPath": "str", "cStrVec": "list[str]", "cPathVec": "list[str]", "cReqPathVec": "list[str]", "cInt": "int",
         "cIntVec": "list[int]", "cFloat": "float", "cFloatVec": "list[float]", "cDoubleQuant": "str", "cBool": "bool", "cBoolVec": "list[bool]", "cDict": "str",
         "cIntArray": "list[int]", "cFloatArray": "list[float]"}
VARIANT = ["str", "int", "float", "list[str]", "list[int]", "list[float]"]
ORDER = ["Directory", "File", "list[Directory]", "bool", "int", "float", "list[bool]", "list[int]", "list[float]", "list[list[int]]", "str", "list[str]"]

UNITS = {"imsize": "pixel", "cell": "arcsec", "scales": "pixel", "threshold": "Jy", "fluxdensity": "Jy", "computepastep": "deg", "rotatepastep": "deg", "lowerlimit": "deg",
         "upperlimit": "deg", "quackinterval": "s", "tolerance": "m", "splinetime": "s", "phasewrap": "deg", "preavg": "s", "rotmeas": "rad/m**2", "effdishdiam": "m",
         "largestscale": "pixel", "growtime": "%", "growfreq": "%", "minpercentchange": "%", "pcenterest": "pixel", "pfwhmest": "pixel", "gmcenterest": "pixel", "gmfwhmest": "pixel",
         "gmcentercon": "pixel", "goodcenterrange": "pixel", "goodfwhmrange": "pixel", "fusedthreshold": "Jy/beam", "npixels": "pixel", "maxuvwdistance": "m"}
AT_LEAST = {"imsize": 1, "niter": 0, "nterms": 1, "facets": 1, "minblperant": 1, "nchan": -1, "nmajor": -1, "cycleniter": -1, "whichrep": 0, "fitorder": 0, "growiterations": 0,
            "nsigma": 0, "cyclefactor": 0, "scales": 0, "ngauss": 0, "degamp": 0, "degphase": 0, "winsize": 1, "halfwin": 1, "maxnpieces": 1, "decimate": 1, "quackinterval": 0, "moments": -1, "chanbin": 1,
            "minblperant": 1, "maskcenter": 0, "maskedge": 0, "fillgaps": 0, "npointaver": 1, "splinetime": 1, "phasewrap": 1, "nspw": 1, "minsamp": 2, "timecutoff": 0, "freqcutoff": 0,
            "timedevscale": 0, "freqdevscale": 0, "spectralmax": 0, "spectralmin": 0, "growtime": 0, "growfreq": 0, "minchanfrac": 0, "maxuvwdistance": 0, "lowerlimit": 0, "upperlimit": 0,
            "minrel": 0, "maxrel": 0, "minabs": 0, "maxabs": -1, "gain": 0, "minpsffraction": 0, "maxpsffraction": 0, "pbmask": 0, "pblimit": -1, "npixels": 0, "minpts": 1, "whichhdu": -1,
            "sdfactor": 0, "rmsthresh": 0, "minsnr": 0, "poly": -1, "maxiter": -1, "fence": -1, "zscore": -1, "winsize": 1, "axis": -1}
AT_MOST = {"gain": 1, "minpsffraction": 1, "maxpsffraction": 1, "psfcutoff": 1, "minchanfrac": 1, "imsize": 65536, "moments": 11, "halfwin": 3, "maxnpieces": 9, "growtime": 100, "growfreq": 100,
           "lowerlimit": 90, "upperlimit": 90, "maskedge": 100, "minrel": 1, "maxrel": 1, "pbmask": 1, "pblimit": 1, "fitorder": 20}
# Words that CASA's documentation lists, and its check of the parameters does not.
WORDS = {"flagdata.timefit": ("line", "poly"), "flagdata.freqfit": ("line", "poly"), "flagdata.flagdimension": ("freq", "time", "freqtime", "timefreq"),
         "flagdata.usewindowstats": ("none", "sum", "std", "both"), "flagmanager.merge": ("replace", "and", "or"), "statwt.statalg": ("classic", "chauvenet", "fit-half", "hinges-fences"),
         "statwt.center": ("mean", "median", "zero"), "imregrid.interpolation": ("nearest", "linear", "cubic"),
         "impbcor.mode": ("divide", "multiply"), "specflux.function": ("flux density", "mean", "median", "sum"), "tclean.normtype": ("flatnoise", "flatsky", "pbsquare"),
         "tclean.veltype": ("radio", "optical", "z", "ratio", "beta", "gamma"),
         "flagdata.mode": ("manual", "manualflag", "clip", "quack", "shadow", "elevation", "tfcrop", "rflag", "antint", "extend", "unflag", "summary")}

VIS = {"vis": "Directory"}
IMAGE = {"imagename": "Directory | File"}
TABLES = {"gaintable": "Directory | list[Directory]", "callib": "File"}
SOLVER = {"data": VIS | TABLES, "opened": "vis", "makes": {"caltable": ("{caltable}", "Table of the solutions")}}
MASK_NOTE = "An image that is not 0 where may be cleaned, in place of mask"


@dataclasses.dataclass
class Review:
    """What a person says about a task: see casatask.Task for how the runner uses it."""

    data: dict = dataclasses.field(default_factory=dict)  # input → annotation of a file or directory
    changed: str = ""  # the input that the task changes: its private copy is the first output
    makes: dict = dataclasses.field(default_factory=dict)  # output → (names, what it is); text files end in .txt
    names: dict = dataclasses.field(default_factory=dict)  # input that names a product → its default; None: must be given
    extra: dict = dataclasses.field(default_factory=dict)  # input that CASA does not have → (annotation, text, parameter or ">input" beside which it is put)
    types: dict = dataclasses.field(default_factory=dict)  # input → annotation, in place of CASA's
    figures: dict = dataclasses.field(default_factory=dict)  # output → (path into what is returned, unit, what it is)
    returns: str = ""  # what the task returns, if it does
    drop: tuple = ()
    needed: tuple = ()  # inputs without default that CASA does not say must be given
    opened: str = ""  # the input that the task opens for writing and leaves as it is
    memory: str = "2GiB"
    durable: bool = False  # may run for hours, which are not to be lost when the server stops
    picture: str = ""  # the output of images that the output preview shows
    example: dict = dataclasses.field(default_factory=dict)
    keywords: tuple = ()


SET = {"class": "Directory", "location": "demo:synthetic.ms"}
SKY = {"class": "File", "location": "demo:m87-jet.fits"}
CALIBRATOR = {"class": "Directory", "location": "demo:calibrator.ms"}
GAINS = {"class": "Directory", "location": "demo:calibrator.gcal"}
CUBE = {"class": "Directory", "location": "demo:cube.image"}
PLANE = {"class": "Directory", "location": "demo:synthetic.image"}
BEAM = {"class": "Directory", "location": "demo:cube.pb"}

# MiB that tclean takes, fitted to measured peaks; docs/casa.md has the table. imsize comes first: an error names it. M is
# millions of pixels of a plane, C those of a cube that are held at once: CASA takes 59 bytes for each to tell how many channels
# go into the 4096 MiB that environments/casa/casasiteconfig.py lets it have; nchan of -1 counts as 64. The gridders of mosaics
# and of w-projection add their convolution functions.
TCLEAN_MEMORY = " ".join("""$((function () {
var size = [1].concat(inputs.imsize), P = inputs.stokes, polarizations = P === 'pseudoI' ? 1 : /^[RLXY]/.test(P) ? P.length / 2 : P.length;
var M = size[Math.min(1, size.length - 1)] * size[size.length - 1] * polarizations / 1048576;
var S = inputs.scales === null ? 1 : Math.max(1, [].concat(inputs.scales).length), T = inputs.deconvolver === 'mtmfs' ? inputs.nterms : 1;
var scaled = S > 1 && (T > 1 || inputs.deconvolver === 'multiscale') ? (2.5 * S * (S + 1) + 30 * S) * (2 * T - 1) / (T > 1 ? 2 : 1) : 0;
var mosaic = /mosaic|aw/.test(inputs.gridder), plane = M * ((T > 1 ? 77 * T * (T + 1) / 2 : 75) + scaled + (mosaic ? 400 : 0));
var all = /mfs|cont/.test(inputs.specmode) ? 0 : M * (inputs.nchan > 0 ? inputs.nchan : 64), C = Math.min(all, Math.max(M, 69));
var planes = Math.abs(inputs.wprojplanes) === 1 ? 128 : inputs.wprojplanes;
var functions = mosaic ? 2750 : /^w/.test(inputs.gridder) ? 3 * planes : 0;
return Math.ceil(320 + plane + 46 * C + 14 * (all - C) + functions);
})())""".split())

TASKS = {
    "importuvfits": Review({"fitsfile": "File"}, makes={"vis": ("{vis}", "The measurement set")}, names={"vis": None},
                           example={"fitsfile": {"class": "File", "location": "demo:m87-eht.uvfits"}, "vis": "m87.ms"}, keywords=("import", "UVFITS")),
    "importfits": Review({"fitsimage": "File"}, makes={"image": ("{imagename}", "The image")}, names={"imagename": None}, example={"fitsimage": SKY, "imagename": "sky.image"},
                         keywords=("import", "FITS")),
    "listobs": Review(VIS, makes={"text": ("{listfile}", "The summary for people")}, names={"listfile": "listobs.txt"}, returns="The summary for programs", example={"vis": SET}, keywords=("summary",)),
    "flagdata": Review(VIS, "vis", {"flagversions": ("{vis}.flagversions", "Former flags, with flagbackup; see flagmanager")},
                       returns="With mode summary, counts of flagged visibilities", drop=("outfile",), example={"vis": SET, "mode": "tfcrop"}, keywords=("flagging", "RFI")),
    "flagmanager": Review(VIS, "vis", {"flagversions": ("{vis}.flagversions", "The versions of flags that there are now")},
                          extra={"flagversions": ("Directory", "Versions of flags of vis, as flagdata, applycal or flagmanager gave them", ">vis")},
                          returns="With mode list, the versions", example={"vis": SET, "mode": "save", "versionname": "first"}, keywords=("flagging",)),
    "setjy": Review(VIS, "vis", returns="Flux densities by field and spectral window", example={"vis": SET, "standard": "manual", "fluxdensity": [1, 0, 0, 0]},
                    keywords=("calibration", "flux density")),
    "gencal": Review(VIS | {"infile": "File"}, opened="vis", makes={"caltable": ("{caltable}", "Table of the corrections")}, names={"caltable": None}, needed=("caltype",),
                     drop=("endpoint", "timeout", "retry", "retry_wait_time", "ant_pos_time_limit"), example={"vis": SET, "caltable": "amp.cal", "caltype": "amp", "parameter": [2.0]},
                     keywords=("calibration",)),
    "bandpass": Review(**SOLVER, names={"caltable": None}, returns="Counts of solutions", example={"vis": SET, "caltable": "b.cal", "refant": "0"}, keywords=("calibration", "bandpass")),
    "gaincal": Review(**SOLVER, names={"caltable": None}, returns="Counts of solutions", example={"vis": SET, "caltable": "g.cal", "refant": "0"}, keywords=("calibration", "gain")),
    "fluxscale": Review(VIS | {"caltable": "Directory"}, opened="vis", makes={"fluxtable": ("{fluxtable}", "The table, scaled to the flux densities")}, names={"fluxtable": None},
                        returns="Flux densities with their uncertainties", needed=("reference",),
                        example={"vis": CALIBRATOR, "caltable": GAINS, "fluxtable": "flux.cal", "reference": ["CAL"], "transfer": ["TARGET"]}, keywords=("calibration", "flux density")),
    "applycal": Review(VIS | TABLES, "vis", {"flagversions": ("{vis}.flagversions", "Former flags, with flagbackup")},
                       example={"vis": CALIBRATOR, "gaintable": GAINS, "gainfield": ["CAL"], "interp": ["linear"]}, keywords=("calibration",)),
    "split": Review(VIS, makes={"outputvis": ("{outputvis}", "The new measurement set")}, names={"outputvis": None}, example={"vis": SET, "outputvis": "part.ms", "datacolumn": "data", "spw": "0:0~3"},
                    keywords=("selection", "averaging")),
    "mstransform": Review(VIS | {"callib": "File"}, makes={"outputvis": ("{outputvis}", "The new measurement set")}, names={"outputvis": None},
                          example={"vis": SET, "outputvis": "few.ms", "datacolumn": "data", "chanaverage": True, "chanbin": 2}, keywords=("averaging", "regridding")),
    "uvcontsub": Review(VIS, makes={"outputvis": ("{outputvis}", "The measurement set without continuum")}, names={"outputvis": None}, returns="Goodness of the fits",
                        example={"vis": SET, "outputvis": "line.ms", "fitspec": "0:0~3"}, keywords=("continuum", "spectral line")),
    "statwt": Review(VIS, "vis", {"flagversions": ("{vis}.flagversions", "Former flags, with flagbackup")}, figures={"mean": ("mean", "", "Mean of the weights"),
                     "variance": ("variance", "", "Variance of the weights")}, example={"vis": SET, "datacolumn": "data"}, keywords=("weights",)),
    "tclean": Review(
        {"vis": "Directory | list[Directory]", "startmodel": "Directory | list[Directory]"},
        makes={"image": (("{imagename}.image", "{imagename}.image.tt0", "{imagename}.residual", "{imagename}.residual.tt0", "{imagename}.psf", "{imagename}.psf.tt0"),
                         "The restored image; without restoration the residual"),
               "residual": (("{imagename}.residual", "{imagename}.residual.tt0"), "What is left after deconvolution"),
               "model": (("{imagename}.model", "{imagename}.model.tt0"), "The components, Jy/pixel"),
               "psf": (("{imagename}.psf", "{imagename}.psf.tt0"), "The point spread function"), "pb": (("{imagename}.pb", "{imagename}.pb.tt0"), "The primary beam"),
               "mask": ("{imagename}.mask", "Where was cleaned"), "pbcor": (("{imagename}.image.pbcor", "{imagename}.image.tt0.pbcor"), "The image corrected for the primary beam, with pbcor"),
               "sumwt": (("{imagename}.sumwt", "{imagename}.sumwt.tt0"), "Sums of weights"), "weight": (("{imagename}.weight", "{imagename}.weight.tt0"), "Weights, by the gridders of mosaics"),
               "terms": ("{imagename}.*.tt[1-9]*", "Images of higher Taylor terms"),
               "alpha": ("{imagename}.alpha", "Spectral index, of several terms")},
        names={"imagename": None}, extra={"mask_image": ("Directory | File", MASK_NOTE, "mask")}, types={"imagename": "str", "datacolumn": 'Literal["corrected", "data", "observed"]'},
        returns="How the deconvolution went", memory=TCLEAN_MEMORY, durable=True, drop=("savemodel", "calcres", "calcpsf"),
        example={"vis": SET, "imagename": "clean", "imsize": 512, "cell": "5arcsec", "niter": 1000, "threshold": "1mJy"}, picture="image", keywords=("imaging", "deconvolution", "CLEAN")),
    "impbcor": Review(IMAGE | {"pbimage": "Directory | File"}, makes={"outfile": ("{outfile}", "The corrected image")}, names={"outfile": None}, types={"region": "str"},
                      needed=("pbimage",), example={"imagename": CUBE, "pbimage": BEAM, "outfile": "corrected.image"}, picture="outfile", keywords=("primary beam",)),
    "feather": Review({"highres": "Directory", "lowres": "Directory"}, makes={"image": ("{imagename}", "The combined image")}, names={"imagename": None},
                      example={"highres": PLANE, "lowres": PLANE, "imagename": "feathered.image"}, picture="image", keywords=("combination",)),
    "imsmooth": Review(IMAGE | {"kimage": "Directory | File"}, makes={"outfile": ("{outfile}", "The smoothed image")}, names={"outfile": None}, types={"beam": "str"},
                       example={"imagename": SKY, "outfile": "smooth.image", "major": "2mas", "minor": "2mas", "pa": "0deg", "kernel": "gauss"}, picture="outfile", keywords=("smoothing",)),
    "imregrid": Review(IMAGE, makes={"output": ("{output}", "The regridded image")}, names={"output": None}, types={"template": "str"},
                       extra={"template_image": ("Directory | File", "The image whose grid is taken, in place of template", "template")},
                       example={"imagename": SKY, "output": "galactic.image", "template": "GALACTIC"}, picture="output", keywords=("regridding",)),
    "imsubimage": Review(IMAGE, makes={"outfile": ("{outfile}", "The part of the image")}, names={"outfile": None}, types={"region": "str"},
                         example={"imagename": SKY, "outfile": "part.image", "box": "10,10,40,40"}, picture="outfile", keywords=("selection",)),
    "imhead": Review(IMAGE, returns="The header, or the value that was asked for", types={"mode": 'Literal["list", "history", "get", "summary"]', "hdvalue": "str"}, drop=("hdvalue",),
                     example={"imagename": SKY, "mode": "summary"}, keywords=("header",)),
    "imstat": Review(IMAGE, returns="All statistics", types={"region": "str", "algorithm": 'Literal["classic", "chauvenet", "biweight", "fit-half", "hinges-fences"]',
                     "center": 'Literal["mean", "median", "zero"]', "clmethod": 'Literal["auto", "tiled", "framework"]'},
                     figures={"maximum": ("max.0", "", "Largest value, in the unit of the image, as the next four"), "minimum": ("min.0", "", "Smallest value"), "mean": ("mean.0", "", "Mean"), "rms": ("rms.0", "", "Root mean square"),
                              "sigma": ("sigma.0", "", "Standard deviation"), "flux": ("flux.0", "Jy", "Integrated flux density, when the image has a beam"), "npts": ("npts.0", "", "Number of pixels")},
                     example={"imagename": SKY}, keywords=("statistics",)),
    "immoments": Review(IMAGE, makes={"images": (("{outfile}*",), "The images of the moments; one has the name, of several each an ending such as .integrated")}, names={"outfile": "moment"},
                        types={"mask": "str", "moments": "int | list[int]"}, example={"imagename": CUBE, "moments": [0, 1], "excludepix": [-100, 0.02]}, picture="images", keywords=("moments", "spectral line")),
    "imfit": Review(IMAGE | {"estimates": "File"}, makes={"residual": ("{residual}", "What the fit leaves"), "model": ("{model}", "The model")}, names={"residual": "", "model": ""},
                    types={"region": "str", "chans": "str", "rms": "float | str", "noisefwhm": "float | str"}, returns="The components with their uncertainties",
                    example={"imagename": SKY, "box": "100,100,160,160"}, keywords=("fit", "source")),
    "specfit": Review(IMAGE | {"estimates": "File"}, makes={"residual": ("{residual}", "What the fit leaves"), "model": ("{model}", "The model")}, names={"residual": "", "model": ""},
                      drop=("amp", "amperr", "center", "centererr", "fwhm", "fwhmerr", "integral", "integralerr", "outsigma"), types={"region": "str", "mask": "str", "sigma": "str"},
                      returns="The components with their uncertainties", example={"imagename": CUBE, "box": "30,30,34,34", "ngauss": 0, "poly": 1}, keywords=("fit", "spectral line")),
    "specflux": Review(IMAGE, types={"region": "str", "major": "str", "minor": "str"}, makes={"spectrum": ("{logfile}", "The spectrum as text")}, names={"logfile": "spectrum.txt"},
                       example={"imagename": CUBE, "box": "24,24,40,40"}, keywords=("spectrum",)),
    "exportfits": Review({"imagename": "Directory"}, makes={"fitsimage": ("{fitsimage}", "The FITS image")}, names={"fitsimage": None}, example={"imagename": CUBE, "fitsimage": "cube.fits"},
                         keywords=("export", "FITS")),
    "exportuvfits": Review(VIS, makes={"fitsfile": ("{fitsfile}", "The UVFITS file")}, names={"fitsfile": None}, example={"vis": SET, "fitsfile": "out.uvfits", "datacolumn": "data"},
                           keywords=("export", "UVFITS")),
}
PREVIEW = "Draw a picture too; takes a second or two"
FILES = {"fitsimage", "fitsfile", "spectrum", "text"}  # outputs that are files; the others are directories
LISTS = {"terms", "images"}  # outputs that are lists


@dataclasses.dataclass
class Parameter:
    """A parameter of a task as CASA describes it."""

    name: str
    types: list  # of the schema
    default: object
    allowed: list
    bounds: dict
    text: str


def describe(task: str, package: pathlib.Path) -> tuple[str, str, list[Parameter]]:
    """The summary, the text and the parameters of a task."""
    call = next(node for node in ast.walk(ast.parse((package / f"{task}.py").read_text())) if isinstance(node, ast.FunctionDef) and node.name == "__call__")
    schema = evaluate(next(node.value for node in call.body if isinstance(node, ast.Assign) and node.targets[0].id == "schema"))
    defaults = {a.arg: evaluate(d) for a, d in zip(call.args.args[1:], call.args.defaults)}
    document = ElementTree.parse(package / "__xml__" / f"{task}.xml").getroot().find(SPACE + "task")
    texts = {p.get("name"): p for p in document.iter(SPACE + "param")}
    parameters = []
    for name, default in defaults.items():
        rules = schema[name].get("anyof", [schema[name]])
        said = texts.get(name)
        listed = [v.text or "" for v in said.findall(f"{SPACE}allowed[@kind='enum']/{SPACE}value")] if said is not None else []
        bounds = {k: rules[0][k] for k in ("min", "max") if k in rules[0]}
        parameters.append(Parameter(name, [r["type"] for r in rules], default, listed if "allowed" in rules[0] else [], bounds, text_of(said)))
    return (document.findtext(SPACE + "shortdescription").strip().rstrip("."), clean(document.findtext(SPACE + "description")), parameters)


def evaluate(node: ast.expr):
    """The value of a literal that may have calls such as int(1), and CASA's coercions."""

    class Coercions:
        def __getattr__(self, name):
            return name

    return eval(compile(ast.Expression(node), "casatasks", "eval"), {"__builtins__": {}, "int": int, "float": float, "bool": bool, "str": str, "_coerce": Coercions()})


def text_of(said) -> str:
    """The documentation of a parameter: its summary, and what more is said."""
    if said is None:
        return ""
    short, long = clean(said.findtext(SPACE + "shortdescription")), clean(said.findtext(SPACE + "description"))
    letters = lambda s: re.sub(r"\W", "", s).lower()
    begin = letters(long.partition("\n")[0])
    if difflib.SequenceMatcher(None, letters(short), begin).ratio() > 0.8 or begin.startswith(letters(short)):
        return long
    return f"{short}\n\n{long}" if long else short


def clean(text: str | None) -> str:
    """A text of CASA's XML without its indentation and escapes."""
    lines = [line.rstrip() for line in inspect.cleandoc(re.sub(r"\\([&<>*])", r"\1", (text or "").strip().expandtabs(4))).splitlines()]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines))


def annotation(p: Parameter, review: Review) -> str:
    """The Python type of an input."""
    if p.name in review.data:
        return review.data[p.name]
    if p.name in review.types:
        return review.types[p.name]
    if p.name in review.names:
        return "str"
    if p.allowed and isinstance(p.default, str):
        return "Literal[" + ", ".join(quoted(v) for v in p.allowed) + "]"
    kinds = set()
    for t in p.types:
        kinds.update(VARIANT if t == "cVariant" else [TYPES[t]])
        if t.endswith("Vec"):  # CASA takes one value for a list of one
            kinds.add(TYPES[t].removeprefix("list[").removesuffix("]"))
    if isinstance(p.default, bool):
        kinds.add("bool")
    if p.name == "spwmap":
        kinds = {"int", "list[int]", "list[list[int]]"}
    return " | ".join(sorted(kinds, key=ORDER.index))


def required(p: Parameter, review: Review) -> bool:
    """Whether an input must be given."""
    if p.name in review.names:
        return review.names[p.name] is None
    return p.name in review.needed or p.name in ("vis", "imagename", "caltable", "highres", "lowres") or p.name in review.data and "cReqPath" in p.types


def parameter_lines(p: Parameter, review: Review) -> tuple[bool, list[str]]:
    """Whether a parameter must be given, and its lines in the handler."""
    kind, default = annotation(p, review), review.names.get(p.name, p.default)
    must = required(p, review)
    if default in ([], [""], {}) or p.name in review.data or p.name in review.names and default == "":
        default = None
    if not must and default is None:
        kind += " | None"
    notes = []
    numeric = re.search(r"\b(int|float)\b", kind)
    if p.name in (review.changed, review.opened):
        notes.append("writable=True")
    if p.name in UNITS and numeric:
        notes.append(f"unit={quoted(UNITS[p.name])}")
    low, high = p.bounds.get("min", None if "If negative" in p.text else AT_LEAST.get(p.name)), p.bounds.get("max", AT_MOST.get(p.name))
    notes += [f"minimum={low:g}"] if low is not None and numeric else []
    notes += [f"maximum={high:g}"] if high is not None and numeric else []
    return must, field_lines(p.name, kind, notes, p.text, None if must else repr_of(default))


def field_lines(name: str, kind: str, notes: list[str], text: str, default: str | None) -> list[str]:
    """A parameter with its annotation."""
    end = ("" if default is None else f" = {default}") + ","
    head = f"    {name}: Annotated[{kind}, In(" + "".join(n + ", " for n in notes)
    one = head + f"doc={quoted(text)})]{end}"
    if "\n" not in text and len(one) <= WIDTH:
        return [one]
    return [head + 'doc="""' , *(("        " + line).rstrip() for line in escaped(text).splitlines()), f'    """)]{end}']


def quoted(text: str) -> str:
    """A text as Python writes it, in double quotes."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


def repr_of(value) -> str:
    return quoted(value) if isinstance(value, str) else "[" + ", ".join(repr_of(v) for v in value) + "]" if isinstance(value, list) else repr(value)


def escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"""', "'''")


def output_lines(task: str, review: Review) -> list[str]:
    """The class of the outputs."""
    lines = [f"class Outputs(NamedTuple):", f'    """What {task} gives."""', ""]
    if review.changed:
        lines.append(f"    {review.changed}: " + 'Annotated[Directory, Out(doc="The measurement set as it is now")]')
    main = main_output(review)
    for name, (_, text) in review.makes.items():
        kind = "File" if name in FILES else "Directory"
        kind = f"list[{kind}]" if name in LISTS else kind if name == main else f"{kind} | None"
        form = ', format="image/fits"' if name == "fitsimage" else ', format="text/plain"' if kind.startswith("File") and name in ("text", "spectrum") else ""
        lines.append(f"    {name}: Annotated[{kind}, Out(doc={quoted(text)}{form})]")
    for name, (_, unit, text) in review.figures.items():
        lines.append(f"    {name}: Annotated[float | None, Out(doc={quoted(text)}" + (f", unit={quoted(unit)}" if unit else "") + ")]")
    if review.returns:
        lines.append(f'    returned: Annotated[File, Out(doc={quoted(review.returns)}, format="application/json")]')
    if review.picture:
        lines.append('    preview: Annotated[File | None, Out(doc="A picture; of a cube, of its brightest plane", format="image/png")]')
    return lines


def main_output(review: Review) -> str:
    """The output that must be there; empty when none must."""
    return review.changed or (next(iter(review.makes), "") if any(v != "" for v in review.names.values()) else "")


def task_lines(task: str, review: Review, parameters: list[Parameter]) -> list[str]:
    """What the runner must know."""
    products = ({review.changed: "{" + review.changed + "}"} if review.changed else {}) | {name: names for name, (names, _) in review.makes.items()}
    said = {
        "main": main_output(review),
        "vis": ("vis",) if "vis" in review.data else (),
        "names": tuple(review.names),
        "records": tuple(p.name for p in parameters if "cDict" in p.types and p.name not in DROPPED),
        "instead": {name: to for name, (_, _, to) in review.extra.items() if not to.startswith(">")},
        "beside": {name: to[1:] for name, (_, _, to) in review.extra.items() if to.startswith(">")},
        "products": products,
        "figures": {name: path for name, (path, _, _) in review.figures.items()},
        "picture": review.picture,
    }
    lines = ["TASK = Task(", f"    {quoted(task)},"]
    for key, value in said.items():
        if value:
            lines += entry(f"{key}=", value)
    return [*lines, ")"]


def entry(head: str, value) -> list[str]:
    """One entry of a call or a dictionary, in several lines when it is long."""
    one = f"    {head}{literal(value)},"
    if len(one) <= WIDTH or not isinstance(value, dict):
        return [one]
    return [f"    {head}{{", *(f"        {quoted(k)}: {literal(v)}," for k, v in value.items()), "    },"]


def literal(value) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{quoted(k)}: {literal(v)}" for k, v in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        inside = ", ".join(literal(v) for v in value)
        return f"[{inside}]" if isinstance(value, list) else f"({inside},)" if len(value) == 1 else f"({inside})"
    return quoted(value) if isinstance(value, str) else repr(value)


def function(task: str, package: pathlib.Path, version: str) -> str:
    """The function file of a task."""
    review = TASKS[task]
    summary, text, parameters = describe(task, package)
    for p in parameters:
        p.allowed = list(WORDS.get(f"{task}.{p.name}", p.allowed))
    parameters = [p for p in parameters if p.name in review.names or p.name in review.data or p.name not in DROPPED and p.name not in review.drop]
    meta = {"version": ".".join([*version.split(".")[:2], str(CHANGES.get(task, 0))]), "environment": "casa", "shape": "task", "cpu": 1, "memory": review.memory,
            "author": "The CASA team (CASA); the Fringe authors (interface)", "citation": "2022PASP..134k4501C CASA, the Common Astronomy Software Applications for Radio Astronomy; ascl:1107.013",
            "license": "LGPL-2.0-or-later", "repository": "https://open-bitbucket.nrao.edu/projects/CASA/repos/casa6", "keywords": ["CASA", *review.keywords]}
    if review.durable:
        meta["durable"] = True
    if review.example:
        meta["example"] = review.example
    fields = [parameter_lines(p, review) for p in parameters]
    fields += [(False, field_lines(name, f"{kind} | None", [], note, "None")) for name, (kind, note, _) in review.extra.items()]
    fields += [(False, field_lines("preview", "bool", [], PREVIEW, "True"))] if review.picture else []
    body = [line for must in (True, False) for needed, lines in fields if needed == must for line in lines]
    uses = "\n".join(body)
    lines = [
        f'"""{summary}.', "", *([*escaped(text).splitlines(), ""] if text else []),
        f"This is the task {task} of CASA {version}; scripts/casa_functions.py writes this file. The names, the defaults and",
        "the texts of the inputs are those of CASA's documentation (Associated Universities, Inc.; LGPL).", '"""', "",
        "from typing import Annotated, " + ("Literal, " if "Literal[" in uses else "") + "NamedTuple", "",
        "from fringe import Directory, File, In, Out" if re.search(r"\bFile\b", uses + "".join(output_lines(task, review))) else "from fringe import Directory, In, Out", "",
        "from casatask import Task", "", "FRINGE = {", *(line for k, v in meta.items() for line in entry(quoted(k) + ": ", v)), "}", *task_lines(task, review, parameters), "", "",
        *output_lines(task, review), "", "", "def main(", *body, ") -> Outputs:", f'    """{summary}."""', "    return TASK.run(locals(), Outputs)", ""]
    return "\n".join(lines)


def main() -> int:
    """Write the functions, or compare."""
    found = importlib.util.find_spec("casatasks")
    if found is None:
        print("this Python has no casatasks; use the interpreter of environment casa", file=sys.stderr)
        return 2
    package = pathlib.Path(found.origin).parent
    version = re.search(r'def version_string\( \): return "([0-9.]+)"', (package / "__init__.py").read_text())[1]
    different = []
    for task in TASKS:
        path, text = ROOT / "functions" / task / "function.py", function(task, package, version)
        if not path.exists() or path.read_text() != text:
            different.append(str(path.relative_to(ROOT)))
            if "--check" not in sys.argv:
                path.parent.mkdir(exist_ok=True)
                path.write_text(text)
    print("\n".join(different) if different else f"the functions are those of CASA {version}")
    return 1 if different and "--check" in sys.argv else 0


if __name__ == "__main__":
    sys.exit(main())
