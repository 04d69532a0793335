"""Reads a function file: its FRINGE dictionary, its handler, and what the annotations say.

``load`` imports the file and gives a Handler, or raises Problems with a file,
a line and a cure for each. A Handler converts input objects into arguments
and returned values into output objects.
"""

import ast
import collections.abc
import contextlib
import dataclasses
import importlib.util
import inspect
import math
import os
import re
import sys
import traceback
import types
import typing

from fringe import Directory, File, In, Out

UNION_TYPES = (typing.Union,) + ((types.UnionType,) if hasattr(types, "UnionType") else ())
SIMPLE = {bool: "boolean", int: "long", float: "double", str: "string", File: "File", Directory: "Directory"}
SUPPORTED = "use bool, int, float, str, File, Directory, Literal of texts, list[T], S | T, T | None, or a NamedTuple, dataclass or TypedDict of these"
LONG = range(-(2**63), 2**63)
SEMVER = re.compile(r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?")
PACKAGE = os.path.dirname(os.path.abspath(__file__))


class Problem(Exception):
    """One thing that is wrong with a function file."""

    def __init__(self, message, cure="", line=0, file="", trace=""):
        super().__init__(message)
        self.message = message
        self.cure = cure
        self.line = line
        self.file = file
        self.trace = trace

    def object(self):
        """What is printed of it."""
        return {"file": self.file, "line": self.line, "message": self.message, "cure": self.cure}


class Problems(Exception):
    """Everything that is wrong with a function file."""

    def __init__(self, problems):
        super().__init__("; ".join(p.message for p in problems))
        self.problems = problems


class Mismatch(Exception):
    """A value does not fit its annotation."""


class Type:
    """A CWL type as an annotation says it."""

    __slots__ = ("kind", "optional", "items", "symbols", "fields", "cls", "options")

    def __init__(self, kind, *, items=None, symbols=None, fields=None, cls=None, options=()):
        self.kind = kind
        self.optional = False
        self.items = items
        self.symbols = symbols
        self.fields = fields
        self.cls = cls
        self.options = options

    def name(self):
        """The type in words."""
        words = {"array": lambda: f"list of {self.items.name()}", "record": lambda: self.cls.__name__,
                 "enum": lambda: "one of " + ", ".join(map(repr, self.symbols)),
                 "union": lambda: " or ".join(t.name() for t in self.options),
                 "boolean": lambda: "bool", "long": lambda: "int", "double": lambda: "float", "string": lambda: "str"}
        return words.get(self.kind, lambda: self.kind)() + (" or None" if self.optional else "")

    def has_files(self):
        """Whether a value can hold a File or Directory."""
        inner = [self.items] if self.items else [f.type for f in self.fields or ()]
        return self.kind in ("File", "Directory") or any(t.has_files() for t in [*inner, *self.options])

    def is_number(self):
        """Whether a value can be a number, or a list of numbers."""
        core = self.items.is_number() if self.items else self.kind in ("long", "double")
        return core or any(t.is_number() for t in self.options)


class Port:
    """An input, an output, or a field of a record."""

    __slots__ = ("name", "type", "note", "default", "has_default", "line", "doc")

    def __init__(self, name, type, note, line, doc=""):
        self.name = name
        self.type = type
        self.note = note
        self.default = None
        self.has_default = False
        self.line = line
        self.doc = doc


def analyse(annotation, line, note_class):
    """Gives the Type of an annotation, and the In or Out in it or None."""
    origin = typing.get_origin(annotation)
    args = typing.get_args(annotation)
    if origin is typing.Annotated:
        found, inner = analyse(args[0], line, note_class)
        for extra in args[1:]:
            if isinstance(extra, (In, Out)) and not isinstance(extra, note_class):
                raise Problem(f"{type(extra).__name__}(…) describes an {'input' if isinstance(extra, In) else 'output'}, and is used on "
                              f"an {'output' if isinstance(extra, In) else 'input'}", f"write {note_class.__name__}(…)", line)
        return found, next((e for e in args[1:] if isinstance(e, note_class)), inner)
    if origin in UNION_TYPES:
        rest = [a for a in args if a is not type(None)]
        parts = [analyse(a, line, note_class) for a in rest]
        note = next((note for _, note in parts if note is not None), None)
        found = parts[0][0] if len(parts) == 1 else Type("union", options=[t for t, _ in parts])
        found.optional = len(rest) < len(args)
        return found, note
    if origin is typing.Literal:
        if not args or not all(isinstance(a, str) for a in args):
            raise Problem(f"{describe(annotation)} lists values that are no texts", 'write the choices as texts: Literal["a", "b"]', line)
        return Type("enum", symbols=list(args)), None
    if origin in (list, collections.abc.Sequence) or annotation in (list, typing.List):
        if not args or isinstance(args[0], typing.TypeVar):
            raise Problem("list does not say of what", "write list[T], such as list[float]", line)
        items, note = analyse(args[0], line, note_class)
        return Type("array", items=items), note
    if annotation in SIMPLE if isinstance(annotation, collections.abc.Hashable) else False:
        return Type(SIMPLE[annotation]), None
    if isinstance(annotation, type) and is_record(annotation):
        return Type("record", cls=annotation, fields=fields(annotation, line, note_class)), None
    raise Problem(f"the annotation {describe(annotation)} has no counterpart in an interface", SUPPORTED, line)


def describe(annotation):
    """An annotation as it is written."""
    return annotation.__name__ if isinstance(annotation, type) and not typing.get_args(annotation) else str(annotation).replace("typing.", "")


def is_record(cls):
    """Whether a class is a NamedTuple, a dataclass or a TypedDict."""
    return (issubclass(cls, tuple) and hasattr(cls, "_fields") and hasattr(cls, "__annotations__")) or \
        dataclasses.is_dataclass(cls) or is_typed_dict(cls)


def is_typed_dict(cls):
    return isinstance(cls, type) and issubclass(cls, dict) and hasattr(cls, "__required_keys__")


def fields(cls, line, note_class):
    """The fields of a record class as Ports."""
    try:
        hints = typing.get_type_hints(cls, include_extras=True)
    except Exception as err:
        raise Problem(f"the annotations of {cls.__name__} cannot be read: {err}", "import or define the names that they use", line) from err
    lines = getattr(cls, "__fringe_lines__", {})
    docs = docstring_section(cls.__doc__, "Attributes", "Parameters", "Fields")
    names = cls._fields if hasattr(cls, "_fields") else [f.name for f in dataclasses.fields(cls)] if dataclasses.is_dataclass(cls) else list(hints)
    ports = []
    for name in names:
        at = lines.get(name, line)
        found, note = analyse(hints[name], at, note_class)
        port = Port(name, found, note, at, docs.get(name, ""))
        port.has_default, port.default = field_default(cls, name)
        ports.append(port)
    return ports


def field_default(cls, name):
    """Whether a field may be left out, and its value then."""
    if is_typed_dict(cls):
        return name not in cls.__required_keys__, None
    if dataclasses.is_dataclass(cls):
        field = cls.__dataclass_fields__[name]
        if field.default_factory is not dataclasses.MISSING:
            return True, field.default_factory()
        return (False, None) if field.default is dataclasses.MISSING else (True, field.default)
    return (True, cls._field_defaults[name]) if name in cls._field_defaults else (False, None)


# Inputs: from the input object to arguments.


def reader(t):
    """A function that turns an input's JSON value into a Python value; None when it stays as it is."""
    convert = _reader(t)
    if convert is None or not t.optional:
        return convert
    return lambda v: None if v is None else convert(v)


def _reader(t):
    if t.kind == "double":
        return float
    if t.kind == "long":
        return int
    if t.kind in ("File", "Directory"):
        return read_entry
    if t.kind == "array":
        item = reader(t.items)
        return None if item is None else lambda v: [item(x) for x in v]
    if t.kind == "record":
        return record_reader(t)
    if t.kind == "union":
        return read_any if t.has_files() else None
    return None


def read_any(v):
    """A value of a union, with its files as File and Directory."""
    if isinstance(v, list):
        return [read_any(x) for x in v]
    return read_entry(v) if isinstance(v, dict) and v.get("class") in ("File", "Directory") else v


def record_reader(t):
    readers = [(p.name, reader(p.type), p) for p in t.fields]

    def read(v):
        values = {}
        for name, convert, port in readers:
            x = v.get(name)
            if x is None and port.has_default:
                if not is_typed_dict(t.cls):
                    values[name] = port.default
            else:
                values[name] = x if convert is None or x is None else convert(x)
        return t.cls(**values)

    return read


def read_entry(v):
    """A CWL File or Directory object as a File or Directory."""
    cls = Directory if v.get("class") == "Directory" else File
    path = v.get("path")
    if path is None:
        path = v.get("location", "")
        if path.startswith("file://"):
            from urllib.parse import unquote
            path = unquote(path[len("file://"):])
    entry = cls(path, size=v.get("size"), format=v.get("format"), secondary=[read_entry(s) for s in v.get("secondaryFiles") or ()])
    if v.get("basename"):
        entry.basename = v["basename"]
    return entry


# Outputs: from returned values to the output object.


def writer(t):
    """A function (value, where) that gives an output's JSON value or raises Mismatch."""
    write = {"array": array_writer, "record": record_writer, "enum": enum_writer, "union": union_writer}.get(t.kind, lambda t: WRITERS[t.kind])(t)
    if not t.optional:
        return write
    return lambda v, where: None if v is None else write(v, where)


def wrong(v, where, want):
    given = "None" if v is None else f"{v!r:.60}, a {type(v).__name__}"
    return Mismatch(f"{where} is {given}; its annotation says {want}")


def plain(v):
    """A NumPy scalar as a Python value; anything else as it is."""
    return v.item() if hasattr(v, "dtype") and hasattr(v, "item") and getattr(v, "ndim", 1) == 0 else v


def write_bool(v, where):
    if v is True or v is False:
        return v
    v = plain(v)
    if isinstance(v, bool):
        return v
    raise wrong(v, where, "bool")


def write_int(v, where):
    if type(v) is not int:
        v = plain(v)
        if not isinstance(v, int) or isinstance(v, bool):
            raise wrong(v, where, "int")
        v = int(v)
    if v not in LONG:
        raise Mismatch(f"{where} is {v}, which does not fit in 64 bits")
    return v


def write_float(v, where):
    if type(v) is not float:
        v = plain(v)
        if not isinstance(v, (int, float)) or isinstance(v, bool):
            raise wrong(v, where, "float")
        v = float(v)
    if not math.isfinite(v):
        raise Mismatch(f"{where} is {v}, which JSON cannot say; return a finite number, or None with an annotation float | None")
    return v


def write_str(v, where):
    if type(v) is str:
        return v
    if isinstance(v, str):
        return str(v)
    raise wrong(v, where, "str")


def enum_writer(t):
    symbols = frozenset(t.symbols)

    def write(v, where):
        if isinstance(v, str) and v in symbols:
            return v
        raise wrong(v, where, t.name())

    return write


def union_writer(t):
    writers = [writer(o) for o in t.options]

    def write(v, where):
        for w in writers:
            with contextlib.suppress(Mismatch):
                return w(v, where)
        raise wrong(v, where, t.name())

    return write


def array_writer(t):
    item = writer(t.items)

    def write(v, where):
        if hasattr(v, "tolist") and hasattr(v, "dtype"):
            v = v.tolist()
        if not isinstance(v, (list, tuple)) or hasattr(v, "_fields"):
            raise wrong(v, where, t.name())
        return [item(x, f"{where}[{i}]") for i, x in enumerate(v)]

    return write


def record_writer(t):
    writers = [(p.name, writer(p.type), p) for p in t.fields]

    def write(v, where):
        if isinstance(v, dict):
            extra = v.keys() - {name for name, _, _ in writers}
            if extra:
                raise Mismatch(f"{where} has {', '.join(map(repr, sorted(map(str, extra))))}, which {t.cls.__name__} does not have")
            get = v.get
        elif not is_typed_dict(t.cls) and isinstance(v, t.cls):
            def get(name):
                return getattr(v, name)
        else:
            raise wrong(v, where, t.cls.__name__)
        out = {}
        for name, write_field, port in writers:
            x = get(name)
            if x is None and port.has_default:
                x = port.default
            out[name] = None if x is None and port.has_default else write_field(x, f"{where}.{name}")
        return out

    return write


def write_entry(kind):
    """Writes a File or Directory that is there, its path relative to the current directory."""
    cls, there = (File, os.path.isfile) if kind == "File" else (Directory, os.path.isdir)
    word = kind.lower()

    def write(v, where):
        if not isinstance(v, os.PathLike) or isinstance(v, (File, Directory)) and not isinstance(v, cls):
            raise wrong(v, where, f"{kind}; return {kind}(\"name\")")
        path = os.fspath(v)
        relative = os.path.relpath(path)
        if relative == ".." or relative.startswith("../"):
            raise Mismatch(f"{where} is {path}, which is outside the call's directory; write it into the current directory")
        if not there(path):
            cause = f"is no {word}" if os.path.lexists(path) else "does not exist"
            raise Mismatch(f"{where} is {path!r}, which {cause}; the handler must have written it into the current directory")
        out = {"class": kind, "path": relative}
        if getattr(v, "format", None):
            out["format"] = v.format
        if getattr(v, "secondary", None):
            out["secondaryFiles"] = [WRITERS["Directory" if isinstance(s, Directory) else "File"](s, f"{where}'s secondary file") for s in v.secondary]
        return out

    return write


WRITERS = {"boolean": write_bool, "long": write_int, "double": write_float, "string": write_str,
           "File": write_entry("File"), "Directory": write_entry("Directory")}


class Handler:
    """A loaded handler with its interface."""

    def __init__(self, file, function, meta):
        self.file = file
        self.function = function
        self.meta = meta
        self.meta_line = 1
        self.inputs = []
        self.outputs = []
        self.raw = False
        self.returns = None  # the record class; None when the handler returns one value or nothing
        self.doc = ""

    def prepare(self):
        """Makes arguments and output cheap; called once."""
        self._readers = [(p.name, r) for p in self.inputs for r in [reader(p.type)] if r is not None]
        self._known = {p.name for p in self.inputs}
        self._required = {p.name for p in self.inputs if not p.has_default}
        self._optional = {p.name for p in self.inputs if p.type.optional and not p.has_default}
        self._writers = [(p.name, writer(p.type), p) for p in self.outputs]
        self._record = record_writer(Type("record", cls=self.returns, fields=self.outputs)) if self.returns else None
        self._tuple = self.returns if self.returns and issubclass(self.returns, tuple) else None

    def arguments(self, inputs):
        """The handler's arguments for an input object; it is changed."""
        if None in inputs.values():
            inputs = {k: v for k, v in inputs.items() if v is not None}
        if not inputs.keys() <= self._known:
            unknown = sorted(inputs.keys() - self._known)
            raise Mismatch(f"the handler has no input {unknown[0]!r}; it has {', '.join(sorted(self._known)) or 'none'}")
        if not self._required <= inputs.keys():
            for name in sorted(self._required - inputs.keys()):
                if name not in self._optional:
                    raise Mismatch(f"the input {name!r} is missing")
                inputs[name] = None
        for name, read in self._readers:
            if name in inputs:
                try:
                    inputs[name] = read(inputs[name])
                except (TypeError, ValueError, AttributeError) as err:
                    raise Mismatch(f"the input {name!r} is {inputs[name]!r:.80}: {err}") from None
        return inputs

    def output(self, value):
        """The output object of what the handler returned."""
        if self._tuple is not None and type(value) is self._tuple:
            return {name: write(v, name) for (name, write, _), v in zip(self._writers, value)}
        if self._record is not None:
            if not isinstance(value, (self.returns if not is_typed_dict(self.returns) else dict, dict)):
                raise Mismatch(f"the handler returned {value!r:.60}, a {type(value).__name__}; its annotation says {self.returns.__name__}")
            return {k: v for k, v in self._record(value, "output").items()}
        if not self._writers:
            if value is not None:
                raise Mismatch(f"the handler returned {value!r:.60}; its annotation says None")
            return {}
        name, write, _ = self._writers[0]
        return {name: write(value, name)}


# Reading the file.


def load(file, name="main"):
    """Imports a function file and gives its Handler, or raises Problems."""
    module, tree = import_file(file)
    try:
        return read_handler(module, tree, file, name)
    except Problem as p:
        raise Problems([located(p, file)]) from None
    except Problems as ps:
        raise Problems([located(p, file) for p in ps.problems]) from None


def located(p, file):
    p.file = p.file or file
    return p


def import_file(file):
    """The module of a function file, and its syntax tree."""
    try:
        with open(file, "rb") as f:
            source = f.read()
        tree = ast.parse(source, file)
    except OSError as err:
        raise Problems([Problem(f"{file} cannot be read: {err.strerror}", file=file)]) from None
    except (SyntaxError, ValueError) as err:
        text = f"syntax error: {err.msg}" if isinstance(err, SyntaxError) else f"the file cannot be read as Python: {err}"
        raise Problems([Problem(text, "see the line", getattr(err, "lineno", 0) or 0, file, "".join(traceback.format_exception_only(type(err), err)))]) from None
    directory = os.path.dirname(os.path.abspath(file))
    name = os.path.splitext(os.path.basename(file))[0]
    if directory not in sys.path:
        sys.path.insert(0, directory)
    spec = importlib.util.spec_from_file_location(name, os.path.abspath(file))
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        with contextlib.redirect_stdout(sys.stderr):
            spec.loader.exec_module(module)
    except BaseException as err:
        if isinstance(err, KeyboardInterrupt):
            raise
        raise Problems([import_problem(err, file)]) from None
    return module, tree


def import_problem(err, file):
    """What went wrong while the file was imported: the last line of it that was run."""
    own = [f for f in traceback.extract_tb(err.__traceback__) if f.filename == os.path.abspath(file)]
    line = own[-1].lineno if own else 0
    name = type(err).__name__
    cure = "see the traceback"
    if isinstance(err, ModuleNotFoundError) and err.name:
        cure = f"add the package that has the module {err.name} to the environment, or put the module beside the function's file"
    elif isinstance(err, SystemExit):
        cure = "do not exit when the file is imported"
    return Problem(f"{os.path.basename(file)} cannot be imported: {name}: {err}" if str(err) else f"{os.path.basename(file)} cannot be imported: {name}",
                   cure, line, file, trim(err))


def trim(err):
    """The traceback of err without the frames of this package and of the import system."""
    tb = err.__traceback__
    while tb is not None and (tb.tb_frame.f_code.co_filename.startswith(PACKAGE + os.sep) or "importlib" in tb.tb_frame.f_code.co_filename):
        tb = tb.tb_next
    return "".join(traceback.format_exception(type(err), err, tb))


def place(err, function):
    """Path and line of the last own code that err came through: that beside function, the path of the loaded file."""
    beside = os.path.join(os.path.dirname(os.path.abspath(function)), "")
    own = [f for f in traceback.StackSummary.extract(traceback.walk_tb(err.__traceback__), lookup_lines=False) if f.filename.startswith(beside)]
    return (own[-1].filename, own[-1].lineno) if own else ("", 0)


def read_handler(module, tree, file, name):
    definition = next((n for n in tree.body if isinstance(n, (ast.FunctionDef, ast.AsyncFunctionDef)) and n.name == name), None)
    function = getattr(module, name, None)
    if function is None:
        raise Problem(f"{os.path.basename(file)} has no function {name}", f"define it: def {name}(…) -> Outputs:", 1)
    if not callable(function):
        raise Problem(f"{name} is no function", f"define it: def {name}(…) -> Outputs:", line_of(tree, name))
    if inspect.iscoroutinefunction(function):
        raise Problem(f"{name} is asynchronous, and a handler is called synchronously", f"write def {name}(…), and asyncio.run(…) in it", definition.lineno if definition else 1)
    meta = getattr(module, "FRINGE", None)
    handler = Handler(os.path.abspath(file), function, meta)
    handler.meta_line = line_of(tree, "FRINGE")
    handler.doc = inspect.getdoc(module) or inspect.getdoc(function) or ""
    mark_lines(module, tree)
    signature(handler, definition)
    handler.prepare()
    return handler


def line_of(tree, name):
    for n in tree.body:
        targets = n.targets if isinstance(n, ast.Assign) else [n.target] if isinstance(n, ast.AnnAssign) else []
        if any(isinstance(t, ast.Name) and t.id == name for t in targets) or getattr(n, "name", None) == name:
            return n.lineno
    return 1


def mark_lines(module, tree):
    """Keeps the line of each field of the file's record classes."""
    for n in tree.body:
        cls = getattr(module, n.name, None) if isinstance(n, ast.ClassDef) else None
        if isinstance(cls, type):
            with contextlib.suppress(AttributeError, TypeError):
                cls.__fringe_lines__ = {a.target.id: a.lineno for a in n.body if isinstance(a, ast.AnnAssign) and isinstance(a.target, ast.Name)}


def signature(handler, definition):
    """Fills the handler's inputs and outputs from its annotations."""
    function = handler.function
    name = getattr(function, "__name__", "main")
    start = definition.lineno if definition else 1
    lines = {}
    if definition:
        a = definition.args
        lines = {x.arg: x.lineno for x in a.args + a.kwonlyargs + getattr(a, "posonlyargs", []) + [y for y in (a.vararg, a.kwarg) if y]}
    parameters = inspect.signature(function).parameters
    try:
        hints = typing.get_type_hints(function, include_extras=True)
    except Exception as err:
        raise Problem(f"the annotations of {name} cannot be read: {err}", "import or define the names that they use", start) from None
    returns = hints.get("return", inspect.Signature.empty)
    if not parameters and not (isinstance(returns, type) and is_record(returns)) and not is_task(handler):
        handler.raw = True
        return
    problems = []
    docs = docstring_section(function.__doc__, "Parameters")
    for p in parameters.values():
        try:
            handler.inputs.append(parameter(p, hints, lines.get(p.name, start), docs))
        except Problem as problem:
            problems.append(problem)
    try:
        outputs(handler, returns, definition.returns.lineno if definition and definition.returns else start)
    except Problem as problem:
        problems.append(problem)
    if problems:
        raise Problems(problems)


def is_task(handler):
    return isinstance(handler.meta, dict) and handler.meta.get("shape") == "task"


def parameter(p, hints, line, docs):
    """The input that a parameter stands for."""
    if p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD):
        raise Problem(f"the parameter {'*' if p.kind is p.VAR_POSITIONAL else '**'}{p.name} has no fixed inputs", "name each input as a parameter of its own", line)
    if p.kind is p.POSITIONAL_ONLY:
        raise Problem(f"the parameter {p.name} is positional only, and inputs go by name", "remove the / from the parameters", line)
    if p.name not in hints:
        raise Problem(f"the parameter {p.name} has no annotation", f"say its type, such as {p.name}: float", line)
    found, note = analyse(hints[p.name], line, In)
    port = Port(p.name, found, note, line, docs.get(p.name, ""))
    if note is not None:
        check_note(port)
    if p.default is not p.empty:
        check_default(port, p.default)
    return port


def check_note(port):
    note, core = port.note, port.type
    while core.kind == "array":
        core = core.items
    if note.writable and core.kind not in ("File", "Directory"):
        raise Problem(f"{port.name} is writable, and is no File or Directory", "remove writable", port.line)
    bounds = [n for n in ("minimum", "maximum", "exclusive_minimum", "exclusive_maximum") if getattr(note, n) is not None]
    if bounds and not core.is_number():
        raise Problem(f"{port.name} has a {bounds[0]}, and is no number", f"remove {bounds[0]}", port.line)
    for n in bounds:
        v = getattr(note, n)
        if isinstance(v, bool) or not isinstance(v, (int, float)) or not math.isfinite(v):
            raise Problem(f"the {n} of {port.name} is {v!r}, which is no number", "write a number", port.line)


def check_default(port, default):
    port.has_default = True
    if default is None:
        if not port.type.optional:
            raise Problem(f"the default of {port.name} is None, and its type {port.type.name()} has no None", f"write {port.name}: T | None = None", port.line)
        return
    if port.type.has_files():
        raise Problem(f"{port.name} is a file, and has a default", "a file's default can only be None: File | None = None", port.line)
    try:
        port.default = writer(port.type)(default, f"the default of {port.name}")
    except Mismatch as err:
        raise Problem(str(err), f"write a default of type {port.type.name()}, or change the annotation", port.line) from None
    for v in port.default if isinstance(port.default, list) else [port.default]:
        if isinstance(v, (int, float)) and port.note is not None:
            in_bounds(port, v)


def in_bounds(port, v):
    n = port.note
    if (n.minimum is not None and v < n.minimum or n.maximum is not None and v > n.maximum or
            n.exclusive_minimum is not None and v <= n.exclusive_minimum or n.exclusive_maximum is not None and v >= n.exclusive_maximum):
        raise Problem(f"the default of {port.name} is {v}, which is outside its bounds", "change the default or the bounds", port.line)


def outputs(handler, returns, line):
    """Fills the handler's outputs from its return annotation."""
    if returns is inspect.Signature.empty:
        raise Problem("the handler does not say what it returns", "annotate it with a NamedTuple of the outputs: def main(…) -> Outputs:", line)
    if returns is type(None):
        return
    if isinstance(returns, type) and is_record(returns):
        handler.returns = returns
        handler.outputs = fields(returns, line, Out)
        return
    found, note = analyse(returns, line, Out)
    docs = docstring_section(handler.function.__doc__, "Returns")
    handler.outputs = [Port("result", found, note, line, next(iter(docs.values()), ""))]


def docstring_section(doc, *titles):
    """Entries of a section of a NumPy-style docstring: name → text."""
    lines = inspect.cleandoc(doc or "").splitlines()
    found = {}
    names, inside = [], False
    for i, text in enumerate(lines):
        following = lines[i + 1].strip() if i + 1 < len(lines) else ""
        if text.strip() and not text.startswith(" ") and len(following) >= 3 and set(following) == {"-"}:
            inside, names = text.strip() in titles, []
        elif not inside or set(text.strip()) == {"-"}:
            continue
        elif text and not text.startswith(" "):
            names = [n.strip().lstrip("*") for n in text.partition(":")[0].split(",")]
            found.update({n: "" for n in names})
        elif text.strip():
            for n in names:
                found[n] = (found[n] + " " + text.strip()).strip()
    return found
