"""Prints the CWL interface of a function file.

``python3 -m fringe.derive function.py [HANDLER]`` writes a CWL v1.2
CommandLineTool as JSON on stdout. What is wrong with the file goes to stderr
as a JSON list of objects with file, line, message and cure, and the exit code
is then 2.
"""

import inspect
import json
import re
import sys

from fringe._handler import SEMVER, Mismatch, Problem, Problems, load, writer

KEYS = {"version", "environment", "shape", "memory", "cpu", "timeout", "author", "citation", "license", "keywords",
        "repository", "example", "warm", "network", "variables", "durable"}
SCHEMA = {"author": "s:author", "citation": "s:citation", "license": "s:license", "keywords": "s:keywords", "repository": "s:codeRepository"}
WARM = {"min", "max", "concurrency", "queue", "idle", "uses"}
SIZES = {"": 1, "b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "tb": 10**12, "kib": 2**10, "mib": 2**20, "gib": 2**30, "tib": 2**40}
TIMES = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}
BOUNDS = {"minimum": "fringe:minimum", "maximum": "fringe:maximum", "exclusive_minimum": "fringe:exclusiveMinimum",
          "exclusive_maximum": "fringe:exclusiveMaximum"}
MEDIA_TYPE = re.compile(r"[a-z]+/[A-Za-z0-9.+-]+")
INSIDE = "/fringe/function"


def quantity(value, units, name, line):
    """A number with a unit as a number."""
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([A-Za-z]*)\s*", value) if isinstance(value, str) else None
    if match and match[2].lower() in units:
        number = float(match[1]) * units[match[2].lower()]
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        number = value
    else:
        number = 0
    if not 0 < number < 2**62:
        example = '"512MiB"' if units is SIZES else '600 or "10m"'
        raise Problem(f"{name} in FRINGE is {value!r}", f"write it as {example}", line)
    return number


def is_expression(value):
    """Whether a value is a CWL expression of the inputs, such as $(256 + inputs.size / 1024), which gives MiB."""
    return isinstance(value, str) and value.startswith("$(") and value.endswith(")")


def check_meta(h):
    """Raises Problems with all that is wrong with FRINGE."""
    line = h.meta_line
    if h.meta is None:
        raise Problem("FRINGE is missing", 'write FRINGE = {"version": "1.0.0", "environment": "NAME"} at the top of the file', 1)
    if not isinstance(h.meta, dict):
        raise Problem("FRINGE is no dictionary", 'write FRINGE = {"version": "1.0.0"}', line)
    found = []

    def need(good, message, cure):
        if not good:
            found.append(Problem(message, cure, line))

    for key in sorted(set(map(str, h.meta)) - KEYS):
        need(False, f"FRINGE has the unknown key {key!r}", "it may have " + ", ".join(sorted(KEYS)))
    version = h.meta.get("version")
    need(isinstance(version, str) and SEMVER.fullmatch(version),
         "FRINGE has no version" if version is None else f"the version {version!r} in FRINGE is no semantic version", 'write three numbers: "version": "1.0.0"')
    for key in ("environment", "author", "citation", "license", "repository"):
        need(isinstance(h.meta.get(key, ""), str), f"{key} in FRINGE is {h.meta.get(key)!r}", "write a text")
    keywords = h.meta.get("keywords", [])
    need(isinstance(keywords, list) and all(isinstance(k, str) for k in keywords), f"keywords in FRINGE is {keywords!r}", "write a list of texts")
    shape = h.meta.get("shape", "task")
    need(shape in ("task", "service"), f"shape in FRINGE is {shape!r}", "write task or service")
    for key in ("network", "durable"):
        need(isinstance(h.meta.get(key, False), bool), f"{key} in FRINGE is {h.meta.get(key)!r}", "write True or False")
    need(shape == "task" or not h.meta.get("durable"), "a service cannot be durable", 'leave "durable" out: only tasks outlive the server')
    cpu = h.meta.get("cpu", 1)
    need(isinstance(cpu, (int, float)) and not isinstance(cpu, bool) and cpu > 0, f"cpu in FRINGE is {cpu!r}", "write the number of cores")
    variables = h.meta.get("variables", {})
    need(isinstance(variables, dict) and all(isinstance(x, str) for kv in variables.items() for x in kv), "variables in FRINGE is no dictionary of texts",
         'write {"NAME": "value"}')
    need(isinstance(h.meta.get("example", {}), dict), "example in FRINGE is no input object", "write a dictionary of the inputs")
    warm = h.meta.get("warm", {})
    need(isinstance(warm, dict) and set(warm) <= WARM and all(isinstance(v, (int, float)) and not isinstance(v, bool) and v >= 0 for v in warm.values()),
         f"warm in FRINGE is {warm!r}", "write a dictionary of numbers: min, max, concurrency, queue, idle, uses")
    if isinstance(warm, dict):
        need(h.raw or warm.get("concurrency", 1) == 1, "a Python worker takes one call at a time", 'write "concurrency": 1, and a higher "max" for more workers')
    for key, units in (("memory", SIZES), ("timeout", TIMES)):
        try:
            if key == "timeout" or not is_expression(h.meta.get(key)):
                quantity(h.meta.get(key, 1), units, key, line)
        except Problem as p:
            found.append(p)
    if found:
        raise Problems(found)


def cwl_type(t):
    """A Type as CWL."""
    if t.kind == "array":
        said = {"type": "array", "items": cwl_type(t.items)}
    elif t.kind == "enum":
        said = {"type": "enum", "symbols": t.symbols}
    elif t.kind == "record":
        said = {"type": "record", "fields": [field(p) for p in t.fields]}
    elif t.kind == "union":
        said = [cwl_type(o) for o in t.options]
    else:
        said = t.kind
    return or_null(said) if t.optional else said


def or_null(said):
    """A CWL type that may be null too."""
    return ["null", *said] if isinstance(said, list) else ["null", said]


def field(p):
    said = {"name": p.name, **described(p)}
    if p.has_default and not p.type.optional:
        said["type"] = or_null(said["type"])
    return said


def described(p):
    """What an input, output or field says beside its name."""
    said = {"type": cwl_type(p.type)}
    note = p.note
    doc = note.doc if note is not None and note.doc else p.doc
    if note is not None and note.label:
        said["label"] = note.label
    if doc:
        said["doc"] = inspect.cleandoc(doc)
    if note is None:
        return said
    if note.unit:
        said["fringe:unit"] = note.unit
    if note.ucd:
        said["fringe:ucd"] = note.ucd
    if note.secondary:
        said["secondaryFiles"] = list(note.secondary)
    for name, key in BOUNDS.items():
        if getattr(note, name, None) is not None:
            said[key] = getattr(note, name)
    return said


def input_port(p):
    said = described(p)
    if p.has_default and p.default is not None:
        said["default"] = p.default
    if p.note is not None and p.note.format:
        said["fringe:format"] = p.note.format
    return said


def output_port(p):
    said = described(p)
    if p.has_default and not p.type.optional:
        said["type"] = or_null(said["type"])
    if p.note is not None and p.note.format:
        said["format"] = "iana:" + p.note.format if MEDIA_TYPE.fullmatch(p.note.format) else p.note.format
    return said


def document(h, name="main"):
    """The CWL document of a handler."""
    check_meta(h)
    meta = h.meta
    shape = meta.get("shape", "service" if h.raw else "task")
    file = h.file.rsplit("/", 1)[-1]
    hint = {"version": meta["version"], **({"environment": meta["environment"]} if meta.get("environment") else {}), "shape": shape,
            "contract": "python", "handler": f"{file[:-3] if file.endswith('.py') else file}:{name}"}
    if h.raw:
        hint["raw"] = True
    for key in ("warm", "durable"):
        if meta.get(key):
            hint[key] = meta[key]
    label, _, doc = h.doc.partition("\n")
    said = {
        "cwlVersion": "v1.2",
        "class": "CommandLineTool",
        "$namespaces": {"fringe": "urn:fringe:ns#", "s": "https://schema.org/", "iana": "https://www.iana.org/assignments/media-types/"},
        **({"label": label.strip()} if label.strip() else {}),
        **({"doc": doc.strip()} if doc.strip() else {}),
        "baseCommand": ["python3", "-m", "fringe.run"],
        "arguments": [f"{INSIDE}/{file}", name],
        "inputs": {p.name: input_port(p) for p in h.inputs},
        "outputs": {p.name: output_port(p) for p in h.outputs},
        "requirements": requirements(h, meta),
        "hints": {"fringe:Function": hint, **resources(meta, h.meta_line)},
        **{key: meta[name] for name, key in SCHEMA.items() if meta.get(name)},
    }
    if "example" in meta:
        said["fringe:example"] = meta["example"]
    return said


def requirements(h, meta):
    writable = [p.name for p in h.inputs if p.note is not None and p.note.writable]
    said = {"InitialWorkDirRequirement": {"listing": [{"entryname": ".fringe-inputs.json", "entry": "$(inputs)"}] +
                                          [{"entry": f"$(inputs.{name})", "writable": True} for name in writable]}}
    if "timeout" in meta:
        said["ToolTimeLimit"] = {"timelimit": max(1, int(quantity(meta["timeout"], TIMES, "timeout", h.meta_line)))}
    if is_expression(meta.get("memory")):
        said["InlineJavascriptRequirement"] = {}
    if meta.get("network"):
        said["NetworkAccess"] = {"networkAccess": True}
    if meta.get("variables"):
        said["EnvVarRequirement"] = {"envDef": dict(meta["variables"])}
    return said


def resources(meta, line):
    said = {}
    if "cpu" in meta:
        said.update(coresMin=meta["cpu"], coresMax=meta["cpu"])
    if is_expression(meta.get("memory")):
        said.update(ramMin=meta["memory"])
    elif "memory" in meta:
        mebibytes = max(1, int(quantity(meta["memory"], SIZES, "memory", line)) >> 20)
        said.update(ramMin=mebibytes, ramMax=mebibytes)
    return {"ResourceRequirement": said} if said else {}


def check_example(h):
    """Raises Problem when the example is not an input object of the handler."""
    example = h.meta.get("example")
    if example is None or h.raw:
        return
    ports = {p.name: p for p in h.inputs}
    for name, value in example.items():
        if name not in ports:
            raise Problem(f"the example has the input {name!r}, which the handler does not have", "remove it, or correct its name", h.meta_line)
        if value is None or ports[name].type.has_files():
            continue
        try:
            writer(ports[name].type)(value, f"the example's {name}")
        except Mismatch as err:
            raise Problem(str(err), "write an example that can be called", h.meta_line) from None
    missing = [p.name for p in h.inputs if p.name not in example and not p.has_default and not p.type.optional]
    if missing:
        raise Problem(f"the example lacks the input {missing[0]!r}", "write an example that can be called", h.meta_line)


def derive(file, name="main"):
    """The CWL document of a function file, or Problems."""
    h = load(file, name)
    try:
        said = document(h, name)
        check_example(h)
        if h.raw and h.meta.get("shape") == "task":
            raise Problem("a handler without parameters takes HTTP requests, and a task has none", "write shape service, or annotate what it returns", h.meta_line)
    except Problem as p:
        p.file = file
        raise Problems([p]) from None
    except Problems as ps:
        for p in ps.problems:
            p.file = file
        raise
    return said


def main(argv):
    if len(argv) not in (2, 3):
        print("usage: python3 -m fringe.derive function.py [HANDLER]", file=sys.stderr)
        return 64
    try:
        said = derive(*argv[1:])
    except Problems as ps:
        json.dump([p.object() for p in ps.problems], sys.stderr, ensure_ascii=False)
        sys.stderr.write("\n")
        return 2
    try:
        json.dump(said, sys.stdout, ensure_ascii=False, indent=2, allow_nan=False)
    except (TypeError, ValueError) as err:
        json.dump([{"file": argv[1], "line": 0, "message": f"FRINGE holds a value that JSON cannot say: {err}", "cure": "use texts, numbers, lists and dictionaries"}], sys.stderr)
        sys.stderr.write("\n")
        return 2
    sys.stdout.write("\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
