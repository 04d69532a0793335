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
import sys

import casacheck
from fringe import Directory, Failed, File, Invalid

RETURNED = "returned.json"
PICTURES = 4  # images that are shown side by side, at most
MOMENTS = {"integrated": "integrated intensity", "weighted_coord": "mean velocity", "weighted_dispersion_coord": "velocity dispersion"}  # endings of CASA's names


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
    task returned, such as "rms.0". `picture` names the output of images that the
    output `preview` shows, unless the input of that name is false.
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
    picture: str = ""

    def run(self, inputs: dict, outputs: type) -> tuple:
        """Run the task and give its outputs; inputs that are None are left to CASA."""
        import casatasks

        given = {name: value for name, value in inputs.items() if value is not None}
        drawn = self.picture and given.pop("preview")
        arguments = self.arguments(given)
        casacheck.check(self.name, given, self.vis)
        casatasks.casalog.showconsole(True)
        try:
            returned = getattr(casatasks, self.name)(**arguments)
        except AssertionError as error:  # CASA's check of the parameters, before the task begins
            raise _refused(error, arguments) from None
        except Exception as error:  # what CASA finds wrong on its way; its log has more
            raise Failed(f"{self.name} failed: {casacheck.sentence(error)}") from None
        values = self.collect(given, returned, outputs)
        if self.picture:
            values["preview"] = _picture(_listed(values[self.picture])) if drawn else None
        return outputs(**values)

    def arguments(self, given: dict) -> dict:
        """What CASA's task is called with."""
        arguments = {}
        for name, value in given.items():
            if name in self.names:
                _check_name(name, value, bool(self.main))
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
            raise Failed(f"{self.name} ended without an error and made no {self.main}; see its log")
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


def _picture(images: list[Directory]) -> File | None:
    """A picture of images, or nothing: what cannot be drawn costs nobody the images."""
    name = "preview.png"
    try:
        import preview  # here, so that a fork is small and calls without a picture do not wait

        planes = [_plane(image.path, f".plane-{n}.fits", preview.brightest) for n, image in enumerate(images[:PICTURES])]
        ends = [os.path.splitext(image.basename)[1].strip(".") for image in images[:PICTURES]]
        titles = tuple(MOMENTS.get(end, end.replace("_", " ")) for end in ends) if len(images) > 1 else ()
        return File(name) if preview.draw(name, *planes, titles=titles) else None
    except Exception as error:
        print(f"there is no picture: {error}", file=sys.stderr)
        return None


def _plane(path: str, name: str, brightest) -> str:
    """Write the brightest plane of an image as a FITS file, and give its name."""
    import casatools

    image, regions = casatools.image(), casatools.regionmanager()
    try:
        image.open(path)
        first, last = [0] * len(image.shape()), [int(n) - 1 for n in image.shape()]
        kinds = [str(kind) for kind in image.coordsys().axiscoordinatetypes()]
        further = range(2, len(kinds))
        for axis in further:
            last[axis] = 0
        if spectral := next((axis for axis in further if kinds[axis] == "Spectral"), None):
            plane = lambda n: image.getchunk([n if axis == spectral else 0 for axis in range(len(kinds))], [n if axis == spectral else last[axis] for axis in range(len(kinds))])
            first[spectral] = last[spectral] = brightest(int(image.shape()[spectral]), (last[0] + 1) * (last[1] + 1), plane)
        part = image.subimage(region=regions.box(first, last), dropdeg=False)
        if spectral and image.shape()[spectral] > 1:
            part.setmiscinfo({"plane": first[spectral]})  # a keyword of the file
        part.tofits(name, velocity=False, overwrite=True)
        part.done()
    finally:
        image.done()
        regions.done()
    return name


def _listed(value) -> list:
    """A value as a list; nothing for None."""
    return [] if value is None else list(value) if isinstance(value, (list, tuple)) else [value]


def _plain(value):
    """A value as CASA takes it: the path of a file."""
    if isinstance(value, list):
        return [_plain(v) for v in value]
    return value.path if isinstance(value, (File, Directory)) else value


def _check_name(name: str, value, needed: bool) -> None:
    for part in _listed(value):
        if needed and not part.strip():
            raise Invalid("the product has no name", name, "write a file name without a directory")
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
