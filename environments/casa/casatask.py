"""Run a CASA task as a function of Fringe.

Each generated function of this environment has a `Task` that says what its
interface cannot: which inputs are measurement sets, which name products, and
what the products are called. `Task.run` gives the inputs to the task in the
current directory, which is the call's own, and collects what it made. CASA's
log goes to standard error.
"""

from __future__ import annotations

import dataclasses
import glob
import json
import math
import os
import shutil

from fringe import Directory, File, Invalid

# Parameters that select data, and what CASA's selection calls them.
SELECTION = {"field": "field", "spw": "spw", "antenna": "baseline", "timerange": "time", "scan": "scan", "uvrange": "uvdist",
             "observation": "observation", "intent": "scanintent", "correlation": "polarization"}
COLUMNS = {"corrected": "CORRECTED_DATA", "model": "MODEL_DATA"}
FALLS_BACK = ("tclean", "exportuvfits")  # they take DATA when there is no CORRECTED_DATA
RETURNED = "returned.json"
KINDS = {  # inputs that are tables of another kind: what casacore calls it, and people
    **dict.fromkeys(("imagename", "pbimage", "highres", "lowres", "template_image"), ("Image", "an image")),
    **dict.fromkeys(("gaintable", "caltable"), ("Calibration", "a calibration table")),
}
FIELDS = ("reference", "transfer")  # inputs that name fields
QUANTITIES = {"cell": "arcsec", "threshold": "Jy", "restfreq": "Hz", "reffreq": "Hz"}  # CASA would take a length for a flux density
REGION = ("region", "box", "chans", "stokes")  # which part of an image
LISTOBS = "see what the measurement set has with listobs"


@dataclasses.dataclass(frozen=True)
class Task:
    """A task and how its inputs and products are handled.

    `vis` names the inputs that are measurement sets, `names` those that name
    products, `records` those whose text may be a JSON object. `instead` maps an
    input that is a file to the parameter that takes its path; `beside` maps one
    that is a directory to the input beside which CASA looks for it.

    `products` gives for each output the names that it can have, the first that
    is there counts; with * in it, the output is the list of all. {input} stands
    for the value of an input, for a file its base name. The output `main` must be
    there. `figures` gives for outputs that are numbers the path into what the
    task returned, such as "rms.0".
    """

    name: str
    main: str = ""
    vis: tuple = ()
    names: tuple = ()
    records: tuple = ()
    instead: dict = dataclasses.field(default_factory=dict)
    beside: dict = dataclasses.field(default_factory=dict)
    products: dict = dataclasses.field(default_factory=dict)
    figures: dict = dataclasses.field(default_factory=dict)

    def run(self, inputs: dict, outputs: type) -> tuple:
        """Run the task and give its outputs; inputs that are None are left to CASA."""
        import casatasks

        given = {name: value for name, value in inputs.items() if value is not None}
        arguments = self.arguments(given)
        for name in self.vis:
            for path in _listed(arguments.get(name)):
                _check_measurement_set(name, path, arguments, "" if self.name in FALLS_BACK else COLUMNS.get(str(arguments.get("datacolumn")).lower(), ""))
        _check_values(given)
        casatasks.casalog.showconsole(True)
        try:
            returned = getattr(casatasks, self.name)(**arguments)
        except AssertionError as error:  # CASA's check of the parameters, before the task begins
            raise _refused(error, arguments) from None
        except Exception as error:  # what CASA finds wrong on its way; its log has more
            raise SystemExit(f"{self.name} failed: {' '.join(str(error).split())}") from None
        return outputs(**self.collect(given, returned, outputs))

    def arguments(self, given: dict) -> dict:
        """What CASA's task is called with."""
        arguments = {}
        for name, value in given.items():
            if name in self.names:
                _check_name(name, value)
            if name in self.records and isinstance(value, str) and value.lstrip().startswith("{"):
                value = _record(name, value)
            if name in self.beside:
                _place_beside(value, given[self.beside[name]])
            else:
                arguments[self.instead.get(name, name)] = _plain(value)
        return arguments

    def collect(self, given: dict, returned, outputs: type) -> dict:
        """The values of the outputs."""
        values = {name: self.product(patterns, given) for name, patterns in self.products.items()}
        if self.main and not values[self.main]:
            raise RuntimeError(f"{self.name} ended without an error and made no {self.main}; see its log")
        values |= {name: _number(returned, path) for name, path in self.figures.items()}
        if "returned" in outputs._fields:
            with open(RETURNED, "w", encoding="utf-8") as file:
                json.dump(_jsonable(returned), file, indent=1, allow_nan=False)
            values["returned"] = File(RETURNED)
        return values

    def product(self, patterns, given: dict):
        """The file or directory of one output, or the list of all."""
        words = {name: value.basename if isinstance(value, (File, Directory)) else value for name, value in given.items()}
        for pattern in _listed(patterns):
            try:
                found = sorted(glob.glob(pattern.format_map(words)))
            except KeyError:  # an input that was not given
                continue
            entries = [Directory(path) if os.path.isdir(path) else File(path) for path in found]
            if "*" in pattern:
                return entries
            if entries:
                return entries[0]
        return None


def _listed(value) -> list:
    """A value as a list; nothing for None."""
    return [] if value is None else list(value) if isinstance(value, (list, tuple)) else [value]


def _plain(value):
    """A value as CASA takes it: the path of a file."""
    if isinstance(value, list):
        return [_plain(v) for v in value]
    return value.path if isinstance(value, (File, Directory)) else value


def _check_name(name: str, value) -> None:
    for part in _listed(value):
        if part and (os.path.basename(part) != part or part in (".", "..") or set(part) & set("*?[]{}")):
            raise Invalid(f"{part!r} is not a plain name of a product", name, "write a file name without a directory")


def _record(name: str, text: str) -> dict:
    try:
        return json.loads(text)
    except ValueError as error:
        raise Invalid(f"the text is not a JSON object: {error}", name) from None


def _place_beside(directory: Directory, neighbour: Directory) -> None:
    """Copy a directory to where CASA looks for it: its extension after the path of the neighbour's private copy."""
    target = neighbour.path + os.path.splitext(directory.basename)[1]
    shutil.copytree(directory.path, target)
    for base, _, names in os.walk(target):
        for path in (base, *(os.path.join(base, name) for name in names)):
            os.chmod(path, os.stat(path).st_mode | 0o200)


def _check_measurement_set(name: str, path: str, arguments: dict, column: str) -> None:
    """Refuse what is no measurement set or lacks a column, and a selection that has no data in it."""
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
        if column and column not in table.colnames():
            raise Invalid(f"{base} has no column {column}", "datacolumn", "use data; applycal makes CORRECTED_DATA, setjy MODEL_DATA")
        selected = {k: v for k, v in arguments.items() if k in SELECTION and isinstance(v, str) and v}
        for keys in dict.fromkeys([*((k,) for k in selected), tuple(selected)]):
            _check_selection(ms, path, {k: selected[k] for k in keys})
    finally:
        table.done()
        ms.done()


def _check_values(given: dict) -> None:
    """Refuse what CASA would find wrong only on its way, or not at all."""
    for name, (kind, words) in KINDS.items():
        for entry in _listed(given.get(name)):
            if isinstance(entry, Directory) and _kind(entry.path) != kind:
                raise Invalid(f"{entry.basename} is not {words}", name)
    for name, unit in QUANTITIES.items():
        for text in _listed(given.get(name)):
            if isinstance(text, str) and text:
                _check_quantity(name, text, unit)
    image, vis = given.get("imagename"), given.get("vis")
    if isinstance(image, (File, Directory)):
        _check_region(image, {k: given[k] for k in REGION if isinstance(given.get(k), str) and given[k]})
    if isinstance(vis, Directory):
        _check_names(vis, given)


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


def _check_quantity(name: str, text: str, unit: str) -> None:
    import casatools

    quanta = casatools.quanta()
    try:
        value = quanta.quantity(text)
        good = quanta.getunit(value) == "" or quanta.compare(value, "1" + unit)
    except RuntimeError:
        good = False
    if not good:
        raise Invalid(f"{text!r} is not a value in {unit} or another unit of its kind", name, f"write a number and a unit, such as {unit}")


def _check_region(image: File | Directory, given: dict) -> None:
    """Refuse a part that the image does not have; the input alone that is wrong is named where there is one."""
    import casatools

    if not given:
        return
    opened, regions = casatools.image(), casatools.regionmanager()
    try:
        opened.open(image.path)
        frame, shape = opened.coordsys().torecord(), [int(n) for n in opened.shape()]
        for keys in dict.fromkeys([*((k,) for k in given), tuple(given)]):
            try:
                regions.frombcs(csys=frame, shape=shape, **{k: given[k] for k in keys})
            except RuntimeError as error:
                what = ", ".join(f"{k} {given[k]!r}" for k in keys)
                raise Invalid(f"{what} is no part of {image.basename}, which has {' x '.join(map(str, shape))} pixels: {_sentence(error)}",
                              keys[0] if len(keys) == 1 else "", "see what the image has with imhead") from None
    finally:
        opened.done()
        regions.done()


def _sentence(error: Exception) -> str:
    """What casacore says, without where in its code."""
    return " ".join(str(error).partition("... thrown by")[0].removeprefix("Exception:").split())


def _check_names(vis: Directory, given: dict) -> None:
    """Refuse a reference antenna and fields that the measurement set does not have."""
    import casatools

    table, ms = casatools.table(), casatools.ms()
    try:
        if isinstance(given.get("refant"), str):
            table.open(os.path.join(vis.path, "ANTENNA"))
            names = [str(n) for n in table.getcol("NAME")]
            for antenna in filter(None, map(str.strip, given["refant"].split(","))):
                if antenna not in names and not (antenna.isdigit() and int(antenna) < len(names)):
                    raise Invalid(f"{vis.basename} has no antenna {antenna!r}; it has {', '.join(names)}", "refant")
        for name in FIELDS:
            text = ",".join(map(str, _listed(given.get(name))))
            if not text:
                continue
            try:
                ms.open(vis.path)
                found = ms.msselect({"field": text})
            except RuntimeError:
                found = False
            finally:
                ms.close()
            if not found:
                raise Invalid(f"{vis.basename} has no field {text!r}", name, LISTOBS)
    finally:
        table.done()
        ms.done()


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


def _refused(error: AssertionError, arguments: dict) -> Invalid:
    text = " ".join(str(error).split())
    name = next((n for n in sorted(arguments, key=len, reverse=True) if f"'{n}'" in text or f"the {n} " in text), "")
    return Invalid(f"CASA's check of the parameters says: {text}", name)


def _number(returned, path: str) -> float | None:
    """The number at a path such as rms.0, or None."""
    for key in path.split("."):
        try:
            returned = returned[int(key) if key.isdigit() and not isinstance(returned, dict) else key]
        except (KeyError, IndexError, TypeError):
            return None
    return float(returned) if math.isfinite(returned) else None


def _jsonable(value):
    """A value of CASA as JSON can say it: complex numbers as pairs, what is not finite as null."""
    if hasattr(value, "tolist"):
        return _jsonable(value.tolist())
    if isinstance(value, dict):
        return {str(k): _jsonable(v) for k, v in value.items()}
    if isinstance(value, (list, tuple, set)):
        return [_jsonable(v) for v in value]
    if isinstance(value, complex):
        return [_jsonable(value.real), _jsonable(value.imag)]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if value is None or isinstance(value, (bool, int, str)) else str(value)
