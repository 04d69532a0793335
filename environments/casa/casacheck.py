"""Refuse foolish inputs of CASA's tasks before CASA begins.

What the interface cannot say is checked here: what CASA would find wrong only
on its way, with a page of log, or would take without a word for something
else. Every refusal is a `fringe.Invalid` that names the input. The tables say
what holds for inputs of a name in every task, or of one task ("task.input").
"""

from __future__ import annotations

import json
import math
import os
import re

import numpy
from fringe import Directory, File, Invalid

# Parameters that select data, and what CASA's selection calls them.
SELECTION = {"field": "field", "spw": "spw", "antenna": "baseline", "timerange": "time", "scan": "scan", "uvrange": "uvdist", "array": "array",
             "observation": "observation", "intent": "scanintent", "correlation": "polarization", "msselect": "taql"}
COLUMNS = {"corrected": ("CORRECTED_DATA",), "model": ("MODEL_DATA",), "data,model,corrected": ("MODEL_DATA", "CORRECTED_DATA"), "residual": ("MODEL_DATA", "CORRECTED_DATA"),
           "residual_data": ("MODEL_DATA",), "float_data": ("FLOAT_DATA",), "lag_data": ("LAG_DATA",), "float_data,data": ("FLOAT_DATA",), "lag_data,data": ("LAG_DATA",)}
FALLS_BACK = ("tclean", "exportuvfits")  # they take DATA when there is no CORRECTED_DATA
KINDS = {  # inputs that are tables of another kind: what casacore calls it, and people
    **dict.fromkeys(("imagename", "pbimage", "highres", "lowres", "template_image", "mask_image", "kimage", "startmodel"), ("Image", "an image")),
    **dict.fromkeys(("gaintable", "caltable"), ("Calibration", "a calibration table")),
}
FIELDS = ("reference", "transfer")  # inputs that name fields
REGION = ("region", "box", "chans", "stokes")  # which part of an image
LISTOBS = "see what the measurement set has with listobs"
IMHEAD = "see what the image has with imhead"

# Inputs in a unit: the unit, whether a bare number has it, and what values must exceed, or reach.
QUANTITIES = {
    "cell": ("arcsec", True, 0, None), "threshold": ("Jy", True, None, 0), "restfreq": ("Hz", False, 0, None), "reffreq": ("Hz", False, 0, None), "noise": ("Jy", True, None, 0),
    "split.timebin": ("s", True, None, 0), "mstransform.timebin": ("s", True, None, 0), "flagdata.timebin": ("s", True, None, 0), "statwt.timebin": ("s", True, 0, None),
    "imsmooth.major": ("arcsec", False, 0, None), "imsmooth.minor": ("arcsec", False, 0, None), "imsmooth.pa": ("deg", False, None, None),
    "imfit.noisefwhm": ("arcsec", True, None, None),
    "specflux.major": ("arcsec", False, 0, None), "specflux.minor": ("arcsec", False, 0, None),
}
# Inputs that are lists: how many values they may have. An empty list stands for CASA's default where 0 is among them.
LENGTHS = {"imsize": (1, 2), "cell": (1, 2), "smodel": (0, 4), "fluxdensity": (1, 2, 3, 4), "clipminmax": (0, 2), "wtrange": (0, 2), "restoringbeam": (0, 1, 3), "uvtaper": (0, 1, 2, 3),
           "importfits.beam": (0, 3), "includepix": (0, 1, 2), "excludepix": (0, 1, 2), "importfits.defaultaxesvalues": (0, 4), "polindex": range(5), "polangle": range(5), "goodamprange": (1, 2),
           "goodcenterrange": (1, 2), "goodfwhmrange": (1, 2), "moments": range(1, 14)}
RANGES = ("clipminmax", "wtrange", "includepix", "excludepix", "goodamprange", "goodcenterrange", "goodfwhmrange")  # two values are the least and the greatest
AXES_OF_DATA = {"obs", "scan", "spw", "field"}
WORDS = {"split.combine": {"scan", "state"}, "mstransform.timespan": {"scan", "state"}, "statwt.combine": {"scan", "field", "state", "corr"}, "gaincal.combine": AXES_OF_DATA,
         "bandpass.combine": AXES_OF_DATA, "flagdata.quackmode": {"beg", "endb", "tail", "end"}, "imregrid.template": {"j2000", "b1950", "b1950_vla", "galactic", "supergal", "ecliptic", "icrs"},
         "tclean.outframe": {"lsrk", "lsrd", "bary", "geo", "topo", "galacto", "lgroup", "cmb", "rest"},
         "tclean.projection": {"sin", "ncp", "tan", "arc", "stg", "zea", "car", "mer", "sfl", "par", "mol", "ait", "gls", "hpx", "cea"},
         "statwt.datacolumn": {"data", "corrected", "residual", "residual_data"},
         "flagdata.datacolumn": {"data", "corrected", "model", "residual", "residual_data", "weight", "weight_spectrum", "float_data"}}
CHANNELS = {"split": "width", "mstransform": "chanbin", "flagdata": "chanbin"}  # channels that are averaged
INTERPOLATION = re.compile(r"(nearest|linear|)(pd|perobs)*(,\s*(nearest|linear|cubic|spline|)(pd|flag|rel)*)?", re.IGNORECASE)
NEEDS = {  # what a choice needs: (input, value) → other inputs, of which one must be given
    "imsmooth": {("kernel", "image"): ("kimage",), ("kernel", "i"): ("kimage",)}, "setjy": {("standard", "fluxscale"): ("fluxdict",)},
    "gencal": {**{("caltype", c): ("parameter",) for c in ("amp", "ph", "sbd", "mbd", "opac", "antposvla")}, **{("caltype", c): ("infile",) for c in ("tecim", "jyperk")}, ("caltype", "antpos"): ("parameter", "infile")},
    "flagmanager": {**{("mode", m): ("versionname",) for m in ("save", "restore", "delete", "rename")}, ("mode", "rename"): ("oldname",)},
    "applycal": {("docallib", False): ("gaintable",), ("docallib", True): ("callib",)}, "imregrid": {("template", ""): ("template_image",)},
    **dict.fromkeys(("gaincal", "bandpass", "mstransform"), {("docallib", True): ("callib",)}),
    "flagdata": {("mode", "antint"): ("antint_ref_antenna",)},
}
OBJECTS = {"imsmooth.beam", "setjy.fluxdict", "flagdata.addantenna"}  # texts that are JSON objects and nothing else
SUBTABLES = {"tsys": "SYSCAL", "swpow": "SYSPOWER", "swpwts": "SYSPOWER", "rq": "SYSPOWER", "swp/rq": "SYSPOWER", "evlagain": "CALDEVICE", "eop": "EARTH_ORIENTATION"}
SOLAR_SYSTEM = {"mercury", "venus", "mars", "jupiter", "saturn", "uranus", "neptune", "pluto", "io", "europa", "ganymede", "callisto", "titan", "ceres", "pallas", "vesta", "juno",
                "lutetia", "moon", "sun", "triton"}


def check(task: str, given: dict, sets: tuple) -> None:
    """Refuse what is wrong in the inputs of a task; `sets` names those that are measurement sets."""
    if task == "imregrid" and given.get("template") == "get":  # CASA's default, which makes no image
        given = given | {"template": ""}
    _check_files(task, given)
    _check_values(task, given)
    image = given.get("imagename")
    if isinstance(image, (File, Directory)):
        _check_image(task, image, given)
    for name in sets:
        for entry in _listed(given.get(name)):
            _check_measurement_set(task, name, entry.path, given)


def _listed(value) -> list:
    """A value as a list; nothing for None."""
    return [] if value is None else list(value) if isinstance(value, (list, tuple)) else [value]


def _texts(value) -> list[str]:
    """The texts of a value that are not blank."""
    return [v for v in _listed(value) if isinstance(v, str) and v.strip()]


def _rule(table: dict, task: str, name: str):
    return table.get(f"{task}.{name}", table.get(name))


# Files and tables


def _check_files(task: str, given: dict) -> None:
    """Refuse data of another kind than a task takes."""
    if isinstance(given.get("estimates"), File):
        with open(given["estimates"].path, "rb") as file:
            text = file.read(4096).decode("utf-8", "replace")
        lines = [line.strip() for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
        if not lines or not re.match(r"[-+]?[\d.]+([eE][-+]?\d+)?\s*,", lines[0]):
            raise Invalid(f"{given['estimates'].basename} has no estimates", "estimates", "write a line of values with commas between for each component")
    for name, (kind, words) in KINDS.items():
        for entry in _listed(given.get(name)):
            good = _kind(entry.path) == kind if isinstance(entry, Directory) else not isinstance(entry, File) or _is_fits_image(entry.path)
            if not good:
                raise Invalid(f"{entry.basename} is not {words}", name)
    if isinstance(given.get("fitsimage"), File) and not _is_fits_image(given["fitsimage"].path, extensions=True):
        raise Invalid(f"{given['fitsimage'].basename} is not a FITS image", "fitsimage", "importuvfits takes visibilities")
    if isinstance(given.get("fitsfile"), File) and _cards(given["fitsfile"].path).get("GROUPS") != "T":
        raise Invalid(f"{given['fitsfile'].basename} has no visibilities: it is not a UVFITS file", "fitsfile", "importfits takes images")
    if task == "fluxscale" and given["caltable"] and _keyword(given["caltable"].path, "VisCal") not in ("G Jones", "T Jones", "GSPLINE"):
        raise Invalid(f"{given['caltable'].basename} has no gains: it is a table of {_keyword(given['caltable'].path, 'VisCal')}", "caltable", "give what gaincal made")
    versions = given.get("flagversions")
    if isinstance(versions, Directory) and not os.path.exists(os.path.join(versions.path, "FLAG_VERSION_LIST")):
        raise Invalid(f"{versions.basename} has no versions of flags", "flagversions", "give what flagdata, applycal or flagmanager made")


def _kind(path: str) -> str:
    """What a table says that it is; empty for what is no table."""
    import casatools

    table = casatools.table()
    try:
        table.open(path)
        return table.info().get("type", "")
    except RuntimeError:
        return ""
    finally:
        table.done()


def _keyword(path: str, name: str):
    import casatools

    table = casatools.table()
    try:
        table.open(path)
        return table.getkeyword(name) if name in table.keywordnames() else None
    finally:
        table.done()


def _cards(path: str) -> dict[str, str]:
    """The values of the first header of a FITS file, as they are written; empty for what is none."""
    found = {}
    with open(path, "rb") as file:
        while len(block := file.read(2880)) == 2880:
            for card in (block[i:i + 80].decode("latin-1") for i in range(0, 2880, 80)):
                if card.startswith("END     "):
                    return found
                if card[8:10] == "= ":
                    found[card[:8].strip()] = card[10:].partition("/")[0].strip()
            if "SIMPLE" not in found:
                break
    return {}


def _is_fits_image(path: str, extensions: bool = False) -> bool:
    cards = _cards(path)
    return bool(cards) and cards.get("GROUPS") != "T" and (extensions or int(cards.get("NAXIS", "0")) >= 2)


# Values


def _check_values(task: str, given: dict) -> None:
    """Refuse values by what is said of inputs of their name."""
    for name, value in given.items():
        _check_length(task, name, value)
        quantity = _rule(QUANTITIES, task, name)
        if quantity:
            for text in _listed(value):
                _check_quantity(name, text, *quantity)
        words = _rule(WORDS, task, name)
        for word in (w.strip() for text in _texts(value) for w in text.split(",")) if words else ():
            if word.lower() not in words:
                raise Invalid(f"{word!r} is not one of {', '.join(sorted(words))}", name)
        if f"{task}.{name}" in OBJECTS and _texts(value) and not value.lstrip().startswith("{"):
            raise Invalid("the text is not a JSON object", name)
    _check_needs(task, given)
    if name := CHANNELS.get(task):
        _check_channels(name, given.get(name))
    for name in ("phasecenter", "psfphasecenter"):
        _check_direction(name, given.get(name))
    if "solint" in given:
        _check_interval(given["solint"])
    if "restoringbeam" in given and _texts(given["restoringbeam"]) != ["common"]:
        _check_beam("restoringbeam", _texts(given["restoringbeam"]))
    if task == "importfits":
        _check_beam("beam", [v for v in _listed(given.get("beam")) if v != ""])
    _check_taper(given.get("uvtaper"))
    _check_tables(given)
    if task in OWN:
        OWN[task](given)


def _check_length(task: str, name: str, value) -> None:
    lengths = _rule(LENGTHS, task, name)
    if lengths is None or not isinstance(value, list):
        return
    if len(value) not in lengths:
        raise Invalid(f"there are {len(value)} values; write {' or '.join(str(n) for n in lengths if n)}", name)
    if name == "moments" and len(set(value)) < len(value):
        raise Invalid("a moment is named twice", name)
    if name in RANGES and len(value) == 2 and all(isinstance(v, (int, float)) for v in value) and value[0] > value[1]:
        raise Invalid(f"{value[0]:g} is greater than {value[1]:g}", name, "write the least value first")


def _check_quantity(name: str, value, unit: str, bare: bool = True, above: float | None = None, least: float | None = None) -> None:
    """Refuse a value in another unit, without one where it must have one, or out of bounds; a blank text is no value."""
    import casatools

    if isinstance(value, bool) or not isinstance(value, (str, int, float)) or value == "" or not str(value).strip():
        return
    quanta, good = casatools.quanta(), False
    try:
        quantity = quanta.quantity(str(value))
        own = quanta.getunit(quantity) == ""
        good = own or quanta.compare(quantity, "1" + unit)
    except RuntimeError:
        pass
    if not good:
        raise Invalid(f"{value!r} is not a value in {unit} or another unit of its kind", name, f"write a number and a unit, such as {unit}")
    if own and not bare:
        raise Invalid(f"{value!r} has no unit", name, f"write a number and a unit, such as {unit}")
    number = quanta.getvalue(quantity)
    number = float(number[0] if hasattr(number, "__len__") else number)
    if above is not None and number <= above:
        raise Invalid(f"{value!r} is not greater than {above:g}", name)
    if least is not None and number < least:
        raise Invalid(f"{value!r} is less than {least:g}", name)


def _check_needs(task: str, given: dict) -> None:
    for (name, choice), others in NEEDS.get(task, {}).items():
        value = given.get(name, "")
        if value == choice and all(given.get(other) in (None, "", []) for other in others):
            raise Invalid(f"{' or '.join(others)} must be given" + (f" with {name} {choice!r}" if choice != "" else " in place of " + name), others[0])


def _check_channels(name: str, value) -> None:
    """Refuse a number of channels to average that is no whole number above 0."""
    for entry in _listed(value):
        text = str(entry).strip()
        if not text.isdigit() or int(text) < 1:
            raise Invalid(f"{entry!r} is not a number of channels, of 1 or more", name)
    if value == []:
        raise Invalid("the list is empty", name, "write 1 to average no channels")


def _check_counts(table, path: str, task: str, given: dict) -> None:
    """Refuse more numbers of channels than there are spectral windows, and feeds that are not there."""
    name = CHANNELS.get(task)
    if name and isinstance(given.get(name), list):
        count = _rows(os.path.join(path, "SPECTRAL_WINDOW"))
        if len(given[name]) > count:
            raise Invalid(f"there are {len(given[name])} values for {count} spectral windows", name)
    if given.get("nspw", 1) > 1:
        counts = _channel_counts(path)
        most = given["nchan"] if given.get("regridms") and given.get("nchan", -1) > 0 else sum(counts)
        if given["nspw"] > most:
            raise Invalid(f"there are {most} channels for {given['nspw']} spectral windows", "nspw")
    if re.fullmatch(r"\d+", str(given.get("feed", "")).strip()):
        table.open(os.path.join(path, "FEED"))
        if int(given["feed"]) not in table.getcol("FEED_ID"):
            raise Invalid(f"{os.path.basename(path)} has no feed {given['feed']}", "feed")


def _check_direction(name: str, value) -> None:
    """Refuse what is no direction; fields are looked up in the measurement set."""
    import casatools

    for text in _texts(value):
        words = text.split()
        if text.strip().lstrip("-").isdigit():
            continue
        measures = casatools.measures()
        try:
            codes = measures.listcodes(measures.direction())
            frames, bodies = ([str(c).upper() for c in codes[k]] for k in ("normal", "extra"))
            if len(words) == 1 and words[0].upper() in (*bodies, "TRACKFIELD"):
                continue
            good = len(words) == 3 and words[0].upper() in frames and bool(measures.direction(*words)) and _is_latitude(words[2])
        except RuntimeError:
            good = False
        finally:
            measures.done()
        if not good:
            raise Invalid(f"{text!r} is no direction", name, "write a frame and two angles, such as J2000 15h22m00 5d04m00, or the number of a field")


def _is_latitude(text: str) -> bool:
    import casatools

    quanta = casatools.quanta()
    try:
        return abs(quanta.convert(quanta.quantity(text), "deg")["value"]) <= 90
    except RuntimeError:
        return False


def _check_interval(value) -> None:
    """Refuse what is no interval of time, or of time and frequency, over which to solve."""
    for text in map(str, _listed(value)):
        time, comma, frequency = (part.strip() for part in text.partition(","))
        if time not in ("", "inf", "int"):
            _check_quantity("solint", time, "s")
        if frequency.endswith("ch"):
            if not frequency[:-2].strip().isdigit() or int(frequency[:-2]) < 1:
                raise Invalid(f"{frequency!r} is not a number of channels, of 1 or more", "solint")
        elif comma:
            _check_quantity("solint", frequency or "nothing", "Hz", False, 0)


def _check_beam(name: str, parts: list) -> None:
    """Refuse a beam whose axes are no angles, or whose minor axis is the greater one."""
    import casatools

    for part, unit in zip(parts, ("arcsec", "arcsec", "deg")):
        _check_quantity(name, part, unit, False, 0 if unit == "arcsec" else None)
    quanta = casatools.quanta()
    if len(parts) > 1 and quanta.gt(quanta.quantity(str(parts[1])), quanta.quantity(str(parts[0]))):
        raise Invalid(f"the minor axis {parts[1]} is greater than the major axis {parts[0]}", name, "write the major axis first")


def _check_taper(value) -> None:
    for text, unit in zip(_texts(value), ("arcsec", "arcsec", "deg")):
        if unit == "deg" or not re.fullmatch(r"\d+(\.\d*)?([eE][-+]?\d+)?\s*[kM]?lambda", text.strip()):
            _check_quantity("uvtaper", text, unit, False, 0 if unit == "arcsec" else None)


def _check_tables(given: dict) -> None:
    """Refuse what does not go with the calibration tables."""
    tables = _listed(given.get("gaintable"))
    for text in _texts(given.get("interp")):
        if not INTERPOLATION.fullmatch(text.strip()):
            raise Invalid(f"{text!r} is no interpolation", "interp", "write nearest or linear for time, then after a comma nearest, linear, cubic or spline for frequency")
    for name in ("gainfield", "interp"):
        if isinstance(given.get(name), list) and len(given[name]) > len(tables) and _texts(given[name]):
            raise Invalid(f"there are {len(given[name])} values for {len(tables)} calibration tables", name)
    maps = given.get("spwmap")
    for name in ("gainfield", "interp", "spwmap"):
        if not tables and not given.get("callib") and (given.get(name) if name == "spwmap" else _texts(given.get(name))):
            raise Invalid(f"{name} is for calibration tables, and there is none", name, "give gaintable")
    if given.get("callib") and not given.get("docallib"):
        raise Invalid("callib is used with docallib only", "docallib", "write docallib=true")
    if _listed(given.get("smodel")) and not given["smodel"][0]:
        raise Invalid("a model without intensity cannot be solved for", "smodel")
    if not tables or not maps:
        return
    lists = maps if isinstance(maps, list) and isinstance(maps[0], list) else [_listed(maps)]
    if len(lists) > len(tables):
        raise Invalid(f"there are {len(lists)} lists for {len(tables)} calibration tables", "spwmap")
    for windows, table in zip(lists, tables):
        _check_windows("spwmap", windows, table)


def _check_windows(name: str, windows: list, table: Directory) -> None:
    count = _rows(os.path.join(table.path, "SPECTRAL_WINDOW"))
    for window in windows:
        if not -1 <= window < count:
            raise Invalid(f"{table.basename} has no spectral window {window}; it has {count}", name)


def _rows(path: str) -> int:
    import casatools

    table = casatools.table()
    try:
        table.open(path)
        return table.nrows()
    finally:
        table.done()


def _imsmooth(given: dict) -> None:
    kernel = given.get("kernel", "gauss")
    beam = _object("beam", given.get("beam"))
    if beam and any(given.get(name) for name in ("major", "minor", "pa")):
        raise Invalid("beam is in place of major, minor and pa; give one or the other", "beam")
    if kernel.startswith("g") and beam:
        position = "positionangle" if "positionangle" in beam else "pa"
        for key in ("major", "minor", position):
            if key not in beam:
                raise Invalid(f"the beam has no {key}", "beam", 'write {"major": "5arcsec", "minor": "4arcsec", "pa": "0deg"}')
            part = beam[key]
            _check_quantity("beam", f"{part['value']}{part['unit']}" if isinstance(part, dict) and {"value", "unit"} <= set(part) else part if isinstance(part, (str, int, float)) else "nothing",
                            "deg" if key == position else "arcsec", False, None if key == position else 0)
        if unknown := sorted(set(beam) - {"major", "minor", position}):
            raise Invalid(f"a beam has no {unknown[0]}", "beam")
        return
    for name in ("major", "minor") if kernel[0] in "gb" else ():
        if given.get(name) in (None, "", []):
            raise Invalid(f"{name} must be given with kernel {kernel!r}" + (", or beam" if kernel[0] == "g" else ""), name)
        if isinstance(given[name], (list, int, float)):
            raise Invalid(f"{given[name]!r} is not a value in arcsec or another unit of its kind", name, "write a number and a unit, such as arcsec")
    if kernel[0] == "g":
        if given.get("pa") in (None, "", []):
            raise Invalid("pa must be given with major and minor", "pa", "write 0deg for a round beam")
        _check_beam("minor", [given["major"], given["minor"]])


def _object(name: str, text) -> dict:
    if not isinstance(text, str) or not text.strip():
        return {}
    try:
        value = json.loads(text)
    except ValueError as error:
        raise Invalid(f"the text is not a JSON object: {error}", name) from None
    if not isinstance(value, dict):
        raise Invalid("the text is not a JSON object", name)
    return value


def _regrid(given: dict) -> None:
    """CASA would make velocities of a word, and the first channel for a rest frequency."""
    channel = (int, str)
    if given.get("regridms"):
        kind = {"velocity": "km/s", "frequency": "Hz"}.get(given.get("mode", ""))
        for name in ("start", "width"):
            value = given.get(name)
            for text in _texts(value) if kind else _listed(value):
                if kind:
                    _check_quantity(name, text, kind, False)
                elif not isinstance(text, channel) or not re.fullmatch(r"-?\d+", str(text).strip()) or name == "width" and int(text) == 0:
                    raise Invalid(f"{text!r} is not a number of channels, as mode {given.get('mode', 'channel')!r} takes it", name)
            if kind and name == "width" and isinstance(value, (int, float)) and value != 1:
                raise Invalid(f"{value!r} has no unit", name, f"write a number and a unit, such as {kind}")
        if given.get("nchan") == 0:
            raise Invalid("there is no channel to make", "nchan", "write -1 for all")
    tiles = _listed(given.get("tileshape"))
    if tiles not in ([], [0], [1]) and (len(tiles) != 3 or min(tiles) < 1):
        raise Invalid(f"{tiles} is not the shape of tiles", "tileshape", "write 0, 1, or three numbers: correlations, channels, rows")
    if given.get("timeaverage") and not re.search(r"[1-9]", str(given.get("timebin", ""))):
        raise Invalid("timebin must be greater than 0 with timeaverage", "timebin")


def _tclean(given: dict) -> None:
    if given.get("specmode", "mfs") in ("cube", "cubedata", "cubesource"):
        if given.get("nchan") == 0:
            raise Invalid("there is no channel to make", "nchan", "write -1 for all")
        for name in ("start", "width"):
            for value in _texts(given.get(name)):
                if not re.fullmatch(r"\s*-?\d+\s*", value):
                    _check_quantity(name, value, "km/s" if re.search(r"m/s\s*$", value) else "Hz", False)
        if given.get("width") in (0, "0"):
            raise Invalid("the channels have no width", "width")
    for name in ("imsize",):
        if any(n < 8 for n in _listed(given.get(name))):
            raise Invalid("an image has 8 pixels on a side at least", name)
    for value in _listed(given.get("scales")):
        if max(_listed(given.get("imsize"))) < value:
            raise Invalid(f"a scale of {value} pixels is larger than the image", "scales")


def _fluxscale(given: dict) -> None:
    if not _texts(given.get("reference")):
        raise Invalid("no field of known flux density is named", "reference", LISTOBS)
    both = set(_texts(given.get("reference"))) & set(_texts(given.get("transfer")))
    if both:
        raise Invalid(f"{sorted(both)[0]!r} is a reference too", "transfer")
    if given.get("refspwmap"):
        _check_windows("refspwmap", _listed(given["refspwmap"]), given["caltable"])


def _gencal(given: dict) -> None:
    if unknown := set(given.get("pol", "").upper()) - set("RLXY, "):
        raise Invalid(f"there is no polarization {sorted(unknown)[0]!r}", "pol", "write R, L, X or Y")
    subtable = SUBTABLES.get(given["caltype"])
    if subtable and not os.path.isdir(os.path.join(given["vis"].path, subtable)):
        raise Invalid(f"{given['vis'].basename} has no table {subtable}, from which {given['caltype']} is made", "caltype")
    if given["caltype"] in ("amp", "ph", "sbd", "mbd", "opac") and isinstance(given.get("parameter"), list):
        parts = [max(1, len([w for w in given.get(name, "").split(",") if w.strip()])) for name in ("antenna", "spw", "pol")]
        if len(given["parameter"]) not in (1, parts[0] * parts[1] * parts[2]):
            raise Invalid(f"there are {len(given['parameter'])} values for {parts[0] * parts[1] * parts[2]} antennas, windows and polarizations", "parameter")


def _flagmanager(given: dict) -> None:
    for name in ("versionname", "oldname"):
        if os.path.basename(given.get(name, "")) != given.get(name, ""):
            raise Invalid(f"{given[name]!r} is not a plain name", name)
    wanted = {"restore": "versionname", "delete": "versionname", "rename": "oldname"}.get(given.get("mode", ""))
    if wanted:
        names = []
        if given.get("flagversions"):
            with open(os.path.join(given["flagversions"].path, "FLAG_VERSION_LIST"), encoding="utf-8") as file:
                names = [line.partition(" : ")[0].strip() for line in file if line.strip()]
        if given[wanted] not in names:
            raise Invalid(f"there is no version {given[wanted]!r}" + (f"; there are {', '.join(names)}" if names else ""), wanted if names else "flagversions",
                          "give the flagversions of an earlier call; mode list tells their names")


def _flagdata(given: dict) -> None:
    for name in ("timedev", "freqdev"):
        for text in _texts(given.get(name)):
            if not re.fullmatch(r"[-+.\deE\[\],\s]+", text):
                raise Invalid(f"{text!r} is not a noise", name, "write a number, or [[field, spw, noise], …]")
        if isinstance(given.get(name), (int, float)) and given[name] < 0:
            raise Invalid("a noise is not negative", name)
    if isinstance(given.get("ntime"), str) and given["ntime"] != "scan" or isinstance(given.get("ntime"), (int, float)):
        _check_quantity("ntime", given["ntime"], "s", True, 0)
    if given.get("mode") == "elevation" and given.get("lowerlimit", 0) > given.get("upperlimit", 90):
        raise Invalid("the lower limit is above the upper one", "lowerlimit")


def _setjy(given: dict) -> None:
    import casadata

    model = given.get("model", "").strip()
    if model and not any(os.path.isdir(os.path.join(casadata.datapath, "nrao", "VLA", "CalModels", m)) for m in (model, os.path.basename(model))):
        raise Invalid(f"CASA has no model {model!r}", "model", "leave it out for a point source")
    if given.get("standard") == "manual" and given.get("reffreq") == "":
        raise Invalid("a frequency must be given", "reffreq")


def _statwt(given: dict) -> None:
    for name, unit in (("timebin", "s"), ("chanbin", "Hz")):
        if given.get(name) not in (None, "spw"):
            _check_quantity(name, given[name], unit, True, 0)
    for value in _listed(given.get("wtrange")):
        if value < 0:
            raise Invalid("a weight is not negative", "wtrange")


def _specflux(given: dict) -> None:
    import casatools

    quanta = casatools.quanta()
    try:
        good = any(quanta.compare("1" + given["unit"], "1" + kind) for kind in ("km/s", "Hz", "m"))
    except RuntimeError:
        good = False
    if not good:
        raise Invalid(f"{given['unit']!r} is no unit of a spectral axis", "unit", "write km/s, GHz or mm")
    for name, other in (("major", "minor"), ("minor", "major")):
        if given.get(name) and not given.get(other):
            raise Invalid(f"{other} must be given with {name}", other)
    if given.get("major"):
        _check_beam("minor", [given["major"], given["minor"]])


def _imfit(given: dict) -> None:
    import casatools

    if isinstance(given.get("rms"), str) and given["rms"]:
        try:
            casatools.quanta().quantity(given["rms"])
        except RuntimeError:
            raise Invalid(f"{given['rms']!r} is no value", "rms", "write a number, with a unit such as Jy/beam or without") from None


def _impbcor(given: dict) -> None:
    import casatools

    image = casatools.image()
    try:
        image.open(given["imagename"].path)
        whole = [int(n) for n in image.shape()]
        image.open(given["pbimage"].path)
        beam = [int(n) for n in image.shape()]
    finally:
        image.done()
    if beam not in (whole, whole[:2]):
        raise Invalid(f"the primary beam has {' x '.join(map(str, beam))} pixels, and the image {' x '.join(map(str, whole))}", "pbimage")


def _exportfits(given: dict) -> None:
    if given.get("bitpix") not in (-32, 16):
        raise Invalid("CASA writes -32 or 16", "bitpix")


def _importfits(given: dict) -> None:
    from astropy.io import fits

    if given.get("whichhdu", 0) > 0 and isinstance(given["fitsimage"], File):
        with fits.open(given["fitsimage"].path) as hdus:
            if given["whichhdu"] >= len(hdus):
                raise Invalid(f"{given['fitsimage'].basename} has {len(hdus)} unit{'s'[:len(hdus) > 1]}, from 0", "whichhdu")


OWN = {"imsmooth": _imsmooth, "mstransform": _regrid, "tclean": _tclean, "fluxscale": _fluxscale, "gencal": _gencal, "flagmanager": _flagmanager, "flagdata": _flagdata, "setjy": _setjy,
       "statwt": _statwt, "specflux": _specflux, "exportfits": _exportfits, "imfit": _imfit, "impbcor": _impbcor, "importfits": _importfits}


# Images


def _check_image(task: str, image: File | Directory, given: dict) -> None:
    """Refuse a part and axes that an image does not have."""
    import casatools

    opened = casatools.image()
    try:
        opened.open(image.path)
        frame, shape = opened.coordsys().torecord(), [int(n) for n in opened.shape()]
        _check_region(image, frame, shape, {k: given[k] for k in REGION if _texts(given.get(k)) and isinstance(given[k], str)})
        _check_axes(task, image, shape, given)
        _check_mask(opened, image, given.get("mask"))
        if task == "imsmooth" and given.get("targetres") and given.get("kernel", "gauss").startswith("g"):
            _check_target(opened, image, given)
    finally:
        opened.done()


def _check_target(opened, image: File | Directory, given: dict) -> None:
    """Refuse a resolution that the image does not have: a beam that no Gaussian makes of the present one."""
    import casatools

    quanta, name, target = casatools.quanta(), "beam", _object("beam", given.get("beam"))
    if not target:
        name, target = "major", {key: given[key] for key in ("major", "minor", "pa")}
    if not opened.restoringbeam():
        raise Invalid(f"{image.basename} has no beam; its resolution is not known", "targetres", "give the kernel itself, without targetres")
    present = opened.commonbeam()
    kernel = _spread(quanta, target) - _spread(quanta, present)
    if numpy.linalg.eigvalsh(kernel).min() < 0:
        sizes = " x ".join(f"{present[key]['value']:.4g}{present[key]['unit']}" for key in ("major", "minor"))
        raise Invalid(f"smoothing does not give this resolution: the beam of {image.basename} is {sizes} already", name, "write a larger beam")


def _spread(quanta, beam: dict) -> numpy.ndarray:
    """The matrix of a Gaussian's second moments, which convolution adds."""
    major, minor = (quanta.convert(quanta.quantity(beam[key]), "arcsec")["value"] for key in ("major", "minor"))
    angle = quanta.convert(quanta.quantity(beam["positionangle" if "positionangle" in beam else "pa"]), "rad")["value"]
    turn = numpy.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    return turn @ numpy.diag([major**2, minor**2]) @ turn.T


def _check_region(image: File | Directory, frame: dict, shape: list[int], given: dict) -> None:
    """Refuse a part that the image does not have; the input alone that is wrong is named where there is one."""
    import casatools

    regions = casatools.regionmanager()
    try:
        for keys in dict.fromkeys([*((k,) for k in given), tuple(given)]):
            try:
                if keys:
                    regions.frombcs(csys=frame, shape=shape, **{k: given[k] for k in keys})
            except RuntimeError as error:
                what = ", ".join(f"{k} {given[k]!r}" for k in keys)
                raise Invalid(f"{what} is no part of {image.basename}, which has {' x '.join(map(str, shape))} pixels: {sentence(error)}", keys[0], IMHEAD) from None
    finally:
        regions.done()


def _check_axes(task: str, image: File | Directory, shape: list[int], given: dict) -> None:
    for name in ("axes", "keepaxes", "axis"):
        values = _listed(given.get(name))
        for axis in values:
            if isinstance(axis, str) and name == "axis":
                if axis.lower() not in ("ra", "dec", "lat", "long", "spectral", "stokes"):
                    raise Invalid(f"{axis!r} is no axis", name, "write ra, dec, lat, long, spectral or stokes")
            elif not isinstance(axis, int) or not 0 <= axis < len(shape) and (axis != -1 or name == "keepaxes"):
                raise Invalid(f"{image.basename} has no axis {axis!r}; it has {len(shape)}, from 0", name, IMHEAD)
        if len(set(map(str, values))) < len(values):
            raise Invalid("an axis is named twice", name)
    sizes = _listed(given.get("shape"))
    if sizes and sizes != [-1] and (any(n < 1 for n in sizes) or len(sizes) != len(shape)):
        raise Invalid(f"{sizes} is not the shape of an image with {len(shape)} axes", "shape")
    if all(isinstance(given.get(name), list) and given[name] for name in ("includepix", "excludepix")):
        raise Invalid("give includepix or excludepix, not both", "excludepix")


def _check_mask(opened, image: File | Directory, mask) -> None:
    """Refuse a mask that is no expression over images that are there."""
    if not isinstance(mask, str) or not mask.strip():
        return
    try:
        opened.statistics(mask=mask, axes=[], verbose=False)
    except RuntimeError as error:
        raise Invalid(f"{mask!r} is no mask for {image.basename}: {sentence(error)}", "mask", "write an expression over the image, such as \"" + image.basename + "\" > 0.1") from None


def sentence(error: Exception) -> str:
    """What CASA says, without where in its code."""
    text = str(error).partition("... thrown by")[0].strip().removeprefix("Exception:")
    return " ".join(re.sub(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\s+[A-Z]+\s+\S+\s", "", text).split()) or type(error).__name__


# Measurement sets


def _check_measurement_set(task: str, name: str, path: str, given: dict) -> None:
    """Refuse what is no measurement set or lacks a column, and selections, fields and antennas that it does not have."""
    import casatools

    base = os.path.basename(path)
    table, ms = casatools.table(), casatools.ms()
    try:
        if not os.path.exists(os.path.join(path, "table.dat")):
            raise Invalid(f"{base} is not a measurement set: it has no table.dat", name)
        table.open(path)
        if table.info().get("type") != "Measurement Set":
            raise Invalid(f"{base} is a table of CASA, and not a measurement set", name)
        if table.nrows() == 0:
            raise Invalid(f"{base} has no rows", name)
        for column in () if task in FALLS_BACK or task == "flagdata" and given.get("mode") not in ("clip", "tfcrop", "rflag") else COLUMNS.get(str(given.get("datacolumn")).lower(), ()):
            if column not in table.colnames():
                raise Invalid(f"{base} has no column {column}", "datacolumn", "use data; applycal makes CORRECTED_DATA, setjy MODEL_DATA")
        selected = {k: text for k in SELECTION if k in given and (text := _selector(given[k]))}
        for keys in dict.fromkeys([*((k,) for k in selected), tuple(selected)]):
            _check_selection(ms, path, {k: selected[k] for k in keys})
        for spectral in ("fitspec", "fitspw"):
            _check_spectrum(ms, path, spectral, given.get(spectral))
        _check_fields(ms, path, given)
        _check_antennas(table, path, given)
        _check_correlations(table, path, given)
        _check_counts(table, path, task, given)
        if task == "tclean" and path == _listed(given["vis"])[0].path:
            _check_cleaned(ms, path, given)
            _check_together(ms, table, path, given)
    finally:
        table.done()
        ms.done()


def _check_cleaned(ms, path: str, given: dict) -> None:
    """Refuse a mask that is no region of the image to be made, and a model of another part of the sky; CASA would go on without."""
    import casatools

    masks, models = _texts(given.get("mask")), [m for m in _listed(given.get("startmodel")) if isinstance(m, Directory)]
    cells, sizes = _texts(given.get("cell")), _listed(given.get("imsize"))
    if not masks + models or not cells:
        return
    quanta, measures, csys, regions, image = casatools.quanta(), casatools.measures(), casatools.coordsys(), casatools.regionmanager(), casatools.image()
    try:
        angles = [quanta.convert(quanta.quantity(c), "rad")["value"] for c in (cells[0], cells[-1])]
        shape, centre = [sizes[0], sizes[-1], 1, 1], _centre(ms, measures, path, given)
        made, place = csys.newcoordsys(direction=True, stokes=["I"], spectral=True), measures.measure(centre, "J2000")
        made.setunits(["rad", "rad", "", "Hz"])
        made.setreferencepixel([n / 2 for n in shape[:2]], "direction")
        made.setreferencevalue([quanta.convert(place[key], "rad")["value"] for key in ("m0", "m1")], "direction")
        made.setincrement([-angles[0], angles[1]], "direction")
        for text in masks:
            try:
                good = "[" in text and bool(regions.fromtext(text, shape, made.torecord()) if "range" not in text else text)
                reason = "" if good else "it is no region"
            except RuntimeError as error:
                reason = sentence(error).replace("No regions found.", "the image has no such part")
            if reason:
                raise Invalid(f"{text!r} is no mask: {reason}", "mask", "write a region such as circle[[64pix,64pix],24pix], or give mask_image")
        for model in models:
            image.open(model.path)
            ends = [image.toworld(pixel, "m")["measure"]["direction"] for pixel in ([n / 2 for n in image.shape()[:2]], [0, 0])]
            image.close()
            reach = _apart(quanta, measures, *ends) + math.hypot(*(n * a for n, a in zip(shape, angles))) / 2
            if _apart(quanta, measures, centre, ends[0]) > reach:
                raise Invalid(f"{model.basename} is of another part of the sky", "startmodel", IMHEAD)
    finally:
        for tool in (measures, csys, regions, image):
            tool.done()


def _check_together(ms, table, path: str, given: dict) -> None:
    """Refuse fields that no image holds together; CASA would add them up as if all were at the centre."""
    import casatools

    ms.open(path)
    try:
        if _texts(given.get("field")):
            ms.msselect({"field": given["field"]})
            fields = [int(n) for n in ms.msselectedindices()["field"]]
        else:
            table.open(path)
            fields = [int(n) for n in numpy.unique(table.getcol("FIELD_ID"))]
        quanta, measures = casatools.quanta(), casatools.measures()
        first, *others = [ms.getfielddirmeas("PHASE_DIR", n) for n in fields]
        cells = [quanta.convert(quanta.quantity(c), "rad")["value"] for c in _texts(given.get("cell"))] or [0]
        reach = max(math.radians(10), math.hypot(*(n * cells[-1] for n in (_listed(given.get("imsize")) * 2)[:2])))
        far = next((n for n, other in zip(fields[1:], others) if _apart(quanta, measures, first, other) > reach), None)
        if far is not None:
            raise Invalid(f"the fields {fields[0]} and {far} are too far apart for one image", "field", "select the field to be imaged; " + LISTOBS)
    finally:
        ms.close()


def _centre(ms, measures, path: str, given: dict) -> dict:
    """The direction of the centre of the image to be made: the one that is given, or the first selected field's."""
    text = str(given.get("phasecenter", "")).strip()
    if len(text.split()) == 3:
        return measures.direction(*text.split())
    ms.open(path)
    try:
        if not text.isdigit() and given.get("field"):
            ms.msselect({"field": given["field"]})
            text = str(ms.msselectedindices()["field"][0])
        return ms.getfielddirmeas("PHASE_DIR", int(text) if text.isdigit() else 0)
    finally:
        ms.close()


def _apart(quanta, measures, one: dict, two: dict) -> float:
    """The angle between two directions, in rad."""
    return quanta.convert(measures.separation(one, two), "rad")["value"]


def _selector(value) -> str:
    """A selection as one text; numbers of a list are joined. Lists of texts are for lists of data, and left to CASA."""
    if isinstance(value, bool) or not isinstance(value, (int, list, str)):
        return ""
    if isinstance(value, list):
        return ",".join(map(str, value)) if all(isinstance(v, int) for v in value) else ""
    return str(value) if str(value).strip() else ""


def _check_selection(ms, path: str, selected: dict) -> None:
    pointer = next(iter(selected)) if len(selected) == 1 else ""
    what = ", ".join(f"{k} {v!r}" for k, v in selected.items())
    try:
        ms.open(path)
        found = not selected or ms.msselect({SELECTION[k]: v for k, v in selected.items()}) and ms.nrow(True) > 0
    except RuntimeError as error:
        raise Invalid(f"{what} cannot be selected: {' '.join(str(error).split())}", pointer, LISTOBS) from None
    finally:
        ms.close()
    if not found:
        raise Invalid(f"no data of {os.path.basename(path)} have {what}", pointer, LISTOBS)
    if pointer == "spw":
        _check_numbers(path, "spw", selected["spw"])


def _check_numbers(path: str, name: str, text: str) -> None:
    """Refuse channels that a spectral window does not have; CASA would take the last one."""
    counts = _channel_counts(path)
    for window, channels in re.findall(r"(\d+|\*)\s*:\s*([\d~;^\s]+)(?=,|$)", text):
        most = max(counts) if window == "*" else counts[int(window)] if int(window) < len(counts) else 0
        for number in re.findall(r"(?<!\^)\d+", channels):
            if int(number) >= most:
                raise Invalid(f"{text!r}: spectral window {window} has no channel {number}; it has {most}, from 0", name, LISTOBS)


def _channel_counts(path: str) -> list[int]:
    import casatools

    table = casatools.table()
    try:
        table.open(os.path.join(path, "SPECTRAL_WINDOW"))
        return [int(n) for n in table.getcol("NUM_CHAN")]
    finally:
        table.done()


def _check_spectrum(ms, path: str, name: str, value) -> None:
    """Refuse channels of a fit that are not there; a JSON object has them by field."""
    if not isinstance(value, str) or not value.strip():
        return
    by_field = _object(name, value) if value.lstrip().startswith("{") else {"": value}
    for field, windows in by_field.items():
        texts = [windows] if isinstance(windows, str) else [f"{w}:{v['chan']}" if v["chan"] else str(w) for w, v in windows.items()] if _is_by_window(windows) else None
        if texts is None:
            raise Invalid(f"what is said of field {field!r} is neither channels nor an object of windows", name, 'write {"FIELD": {"WINDOW": {"chan": "4~6", "fitorder": 1}}}')
        for text in filter(None, texts):
            try:
                ms.open(path)
                found = ms.msselect({"spw": text} | ({"field": field} if field else {})) and ms.nrow(True) > 0
            except RuntimeError as error:
                raise Invalid(f"{text!r} cannot be selected{' of field ' + repr(field) if field else ''}: {' '.join(str(error).split())}", name, LISTOBS) from None
            finally:
                ms.close()
            if not found:
                raise Invalid(f"no data have {text!r}{' of field ' + repr(field) if field else ''}", name, LISTOBS)
            _check_numbers(path, name, text)


def _is_by_window(windows) -> bool:
    return isinstance(windows, dict) and all(isinstance(v, dict) and isinstance(v.get("chan"), str) for v in windows.values())


def _check_fields(ms, path: str, given: dict) -> None:
    """Refuse fields that are not there, in inputs that name them but select no data."""
    base = os.path.basename(path)
    for name in FIELDS:
        text = ",".join(map(str, _listed(given.get(name))))
        if text and not _has_field(ms, path, text):
            raise Invalid(f"{base} has no field {text!r}", name, LISTOBS)
    for text in _texts(given.get("gainfield")):
        if text.strip().lower() != "nearest" and not _has_field(ms, path, text):
            raise Invalid(f"{base} has no field {text!r}", "gainfield", LISTOBS)
    for name in ("phasecenter", "psfphasecenter"):
        value = given.get(name)
        if isinstance(value, (int, str)) and re.fullmatch(r"-?\d+", str(value).strip()) and str(value).strip() != "-1" and not _has_field(ms, path, str(value)):
            raise Invalid(f"{base} has no field {str(value)!r}", name, LISTOBS)
    if str(given.get("standard", "")).startswith("Butler-JPL"):
        names = [n for n in _field_names(path, ms, given.get("field")) if n.lower() not in SOLAR_SYSTEM]
        if names:
            raise Invalid(f"{names[0]!r} is no body of the solar system, whose standard {given['standard']} is", "standard", "select such a field, or use another standard")


def _has_field(ms, path: str, text: str) -> bool:
    try:
        ms.open(path)
        return bool(ms.msselect({"field": text}))
    except RuntimeError:
        return False
    finally:
        ms.close()


def _field_names(path: str, ms, selection) -> list[str]:
    import casatools

    table = casatools.table()
    try:
        table.open(os.path.join(path, "FIELD"))
        names = [str(n) for n in table.getcol("NAME")]
    finally:
        table.done()
    if not _texts(selection):
        return names
    try:
        ms.open(path)
        ms.msselect({"field": selection})
        return [names[int(i)] for i in ms.msselectedindices()["field"]]
    finally:
        ms.close()


def _check_antennas(table, path: str, given: dict) -> None:
    table.open(os.path.join(path, "ANTENNA"))
    names = [str(n) for n in table.getcol("NAME")]
    for name in ("refant", "antint_ref_antenna"):
        if not isinstance(given.get(name), str):
            continue
        for antenna in filter(None, map(str.strip, given[name].split(","))):
            if antenna not in names and not (antenna.isdigit() and int(antenna) < len(names)):
                raise Invalid(f"{os.path.basename(path)} has no antenna {antenna!r}; it has {', '.join(names)}", name)
    least = given.get("minblperant")
    if isinstance(least, int) and least > len(names) - 1:
        raise Invalid(f"{os.path.basename(path)} has {len(names)} antennas, and none of them {least} baselines to others", "minblperant")


def _check_correlations(table, path: str, given: dict) -> None:
    """Refuse to image circular polarizations of linear feeds, the other way round, and to solve for what only linear feeds have."""
    name, wanted = ("gaintype", "XXYY") if str(given.get("gaintype")).endswith("+QU") else ("stokes", given.get("stokes"))
    if wanted not in ("RR", "LL", "XX", "YY", "RRLL", "XXYY"):
        return
    table.open(os.path.join(path, "POLARIZATION"))
    codes = {5: "RR", 8: "LL", 9: "XX", 12: "YY"}
    have = {codes.get(int(c)) for row in table.getvarcol("CORR_TYPE").values() for c in row.flatten()}
    lacking = [c for c in (wanted[:2], wanted[2:]) if c and c not in have]
    if lacking:
        raise Invalid(f"{os.path.basename(path)} has no correlation {lacking[0]}", name, LISTOBS)
