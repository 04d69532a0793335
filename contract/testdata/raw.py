"""What the tests of raw handlers call: a handler as Fission's."""

import json
import os
import sys
import time

from fringe import File, request

FRINGE = {"version": "1.0.0"}


def main():
    return ROUTES[request.path]()


def echo():
    return request.get_data(), 200, {"Content-Type": request.content_type, "X-Method": request.method}


def about():
    return {"method": request.method, "path": request.raw_path, "args": request.args, "all": request.args.getlist("a"),
            "header": request.headers.get("x-thing"), "headers": request.headers.getlist("X-Many"), "length": request.content_length,
            "json": request.get_json(silent=True)}


def count():
    total = 0
    while True:
        data = request.stream.read(1 << 16)
        if not data:
            return {"count": total}
        total += len(data)


def stream():
    return (piece for piece in request.stream)


def early():
    return "enough", 413


def large():
    return b"z" * (5 << 20)


def generate():
    print("generating")
    for n in range(int(request.args["n"])):
        yield b"%d\n" % n


def broken():
    yield b"begin"
    raise ValueError("in the middle")


def slow():
    yield b"begin"
    time.sleep(30)


def file():
    with open("page.html", "w") as f:
        f.write("<p>page</p>" * 100)
    return File("page.html")


def fails():
    raise KeyError("nothing")


ROUTES = {"/": echo, "/about": about, "/count": count, "/stream": stream, "/early": early, "/large": large, "/generate": generate,
          "/broken": broken, "/slow": slow, "/file": file, "/fails": fails, "/none": lambda: None, "/number": lambda: 7,
          "/status": lambda: ("", int(request.args["s"])), "/list": lambda: [1, 2], "/inject": lambda: ("x", 200, {"A": "b\r\nC: d"}),
          "/die": lambda: os._exit(9), "/cwd": lambda: os.getcwd(), "/log": lambda: print("seen", file=sys.stderr) or "ok"}
