"""Runs a Python function once: a task.

``python3 -m fringe.run FILE [HANDLER]`` is the command line of the derived CWL
document. In the current directory it reads the input object from
``.fringe-inputs.json``, calls the handler, checks what it returned and writes
it to ``cwl.output.json``. What goes wrong is told on stderr, with exit code 1;
that an input is wrong (``fringe.Invalid``) is written to ``.fringe-invalid.json``,
with exit code 65, and why the work failed (``fringe.Failed``, or any other exception
with its place) to ``.fringe-failed.json``, with exit code 70.
"""

import json
import os
import sys

from fringe import Failed, Invalid
from fringe._handler import Mismatch, Problems, load, place, trim

INPUTS = ".fringe-inputs.json"
OUTPUTS = "cwl.output.json"
INVALID = ".fringe-invalid.json"
FAILED = ".fringe-failed.json"


def main(argv, load=load):
    """Runs the handler that argv names; load gives it."""
    if len(argv) not in (2, 3):
        print("usage: python3 -m fringe.run FILE [HANDLER]", file=sys.stderr)
        return 64
    sys.argv = [argv[1]]
    try:
        handler = load(*argv[1:])
        output = call(handler)
    except Problems as ps:
        for p in ps.problems:
            sys.stderr.write(p.trace)
            print(f"{p.file}:{p.line}: {p.message}" + (f"; {p.cure}" if p.cure else ""), file=sys.stderr)
        return 1
    except Mismatch as err:
        print(f"fringe: {err}", file=sys.stderr)
        return 1
    except Invalid as err:
        print(f"fringe: {err.input}: {err}" if err.input else f"fringe: {err}", file=sys.stderr)
        write(INVALID, {"message": err.message, "input": err.input, "cure": err.cure})
        return 65
    except Failed as err:
        print(f"fringe: {err}", file=sys.stderr)
        write(FAILED, {"message": str(err)})
        return 70
    write(OUTPUTS, output)
    return 0


def write(name, value):
    """Writes a JSON file in the current directory, whole or not at all."""
    partial = name + ".partial"
    with open(partial, "w", encoding="utf-8") as f:
        json.dump(value, f, ensure_ascii=False, allow_nan=False)
    os.replace(partial, name)


def read(name):
    """The input object of a JSON file."""
    try:
        with open(name, "rb", buffering=0) as f:
            inputs = json.loads(f.read())
    except (OSError, ValueError) as err:
        raise Mismatch(f"the input object {name} cannot be read: {err}") from None
    if not isinstance(inputs, dict):
        raise Mismatch(f"{name} holds no input object")
    return inputs


def call(handler):
    """The output object of one call in the current directory."""
    if handler.raw:
        raise Mismatch("the handler takes HTTP requests; only a service can run it")
    arguments = handler.arguments(read(INPUTS))
    for p in handler.inputs:
        if p.note is not None and p.note.writable and p.name in arguments:
            use_copy(arguments[p.name])
    home = os.getcwd()
    try:
        value = handler.function(**arguments)
    except (Invalid, Failed):
        os.chdir(home)
        raise
    except Exception as err:
        os.chdir(home)
        sys.stderr.write(trim(err))
        file, line = place(err, handler.file)
        said = f"{type(err).__name__}: {err}" if str(err) else type(err).__name__
        write(FAILED, {"message": f"{said} ({os.path.basename(file)}, line {line})" if file else said})
        raise SystemExit(70) from None
    os.chdir(home)
    return handler.output(value)


def use_copy(v):
    """Points writable inputs to their private copies, which are in the current directory."""
    if isinstance(v, list):
        for x in v:
            use_copy(x)
    elif v is not None:
        copy = os.path.join(os.getcwd(), v.basename)
        if os.path.exists(copy):
            v.path = copy


if __name__ == "__main__":
    sys.exit(main(sys.argv))
