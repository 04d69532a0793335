"""Tests of fringe.run: a task."""

import json
import os

from tests.support import Case

HEAD = """\
import os, sys
from typing import Annotated, List, NamedTuple, Optional, Union
from fringe import Directory, Failed, File, In, Invalid, progress

FRINGE = {"version": "1.0.0"}

"""


class Run(Case):
    def setUp(self):
        super().setUp()
        self.work = os.path.join(self.dir, "work")
        os.mkdir(self.work)

    def run_task(self, source, inputs):
        """Exit code, output object and stderr of a task."""
        with open(os.path.join(self.work, ".fringe-inputs.json"), "w") as f:
            f.write(inputs if isinstance(inputs, str) else json.dumps(inputs))
        path = os.path.join(self.work, "cwl.output.json")
        if os.path.exists(path):
            os.remove(path)
        done = self.python("-m", "fringe.run", self.write(HEAD + source), "main", cwd=self.work)
        if not os.path.exists(path):
            return done.returncode, None, done.stderr
        with open(path) as f:
            return done.returncode, json.load(f), done.stderr

    def fails(self, source, inputs, message):
        code, out, err = self.run_task(source, inputs)
        self.assertEqual((code, out), (1, None), err)
        self.assertIn(message, err)
        return err

    def test_values(self):
        self.assertEqual(self.run_task('''
class Point(NamedTuple):
    x: float
    y: float = 7.0

class Outputs(NamedTuple):
    total: float
    names: List[str]
    point: Point
    kind: str
    missing: Optional[int] = None

def main(points: List[Point], a: float, b: Optional[int] = None, c: int = 5) -> Outputs:
    return Outputs(sum(p.x + p.y for p in points), ["ä"], points[0], f"{type(a).__name__} {b} {c}")
''', {"points": [{"x": 1}, {"x": 2, "y": 3}], "a": 1, "b": None, "c": None}),
            (0, {"total": 13.0, "names": ["ä"], "point": {"x": 1.0, "y": 7.0}, "kind": "float None 5", "missing": None}, ""))

    def test_files(self):
        given = os.path.join(self.dir, "given.txt")
        with open(given, "w") as f:
            f.write("abc")
        code, out, err = self.run_task('''
class Outputs(NamedTuple):
    text: File
    tree: Directory
    more: List[File]
    seen: List[str]

def main(file: File, tree: Directory) -> Outputs:
    os.mkdir("out")
    os.mkdir("out/tree")
    with open(file) as f, open("out/text.txt", "w") as g:
        g.write(f.read())
    open("out/text.txt.idx", "w").close()
    os.chdir("/")
    return Outputs(File("out/text.txt", secondary=[File("out/text.txt.idx")], format="iana:text/plain"), Directory(os.path.join(HOME, "out/tree")),
                   [File("out/text.txt")], [file.path, file.basename, str(file.size), os.fspath(tree), tree.basename, str(file), repr(tree)])

HOME = os.getcwd()
''', {"file": {"class": "File", "path": given, "basename": "given.txt", "size": 3}, "tree": {"class": "Directory", "location": "file:///a%20b/t"}})
        self.assertEqual((code, err), (0, ""))
        self.assertEqual(out["text"], {"class": "File", "path": "out/text.txt", "format": "iana:text/plain",
                                       "secondaryFiles": [{"class": "File", "path": "out/text.txt.idx"}]})
        self.assertEqual((out["tree"], out["more"]), ({"class": "Directory", "path": "out/tree"}, [{"class": "File", "path": "out/text.txt"}]))
        self.assertEqual(out["seen"], [given, "given.txt", "3", "/a b/t", "t", given, "Directory('/a b/t')"])

    def test_writable(self):
        os.mkdir(os.path.join(self.work, "a.ms"))
        source = '''
def main(vis: Annotated[Directory, In(writable=True)], other: Directory) -> List[str]:
    return [vis.path, other.path]
'''
        said = {"vis": {"class": "Directory", "path": "/data/a.ms", "basename": "a.ms"}, "other": {"class": "Directory", "path": "/data/a.ms", "basename": "a.ms"}}
        self.assertEqual(self.run_task(source, said), (0, {"result": [os.path.join(self.work, "a.ms"), "/data/a.ms"]}, ""))

    def test_outputs_are_checked(self):
        for returns, value, message in [
            ("float", "float('nan')", "result is nan, which JSON cannot say"),
            ("List[float]", "[1.0, float('inf')]", "result[1] is inf, which JSON cannot say"),
            ("int", "1.5", "result is 1.5, a float; its annotation says int"),
            ("int", "2**70", "does not fit in 64 bits"),
            ("int", "True", "result is True, a bool; its annotation says int"),
            ("bool", "1", "result is 1, a int; its annotation says bool"),
            ("str", "None", "result is None; its annotation says str"),
            ("str", "b'x'", "result is b'x', a bytes; its annotation says str"),
            ("File", "File('missing')", "result is 'missing', which does not exist"),
            ("File", "'x'", "return File(\"name\")"),
            ("File", "File('/etc')", "outside the call's directory"),
            ("File", "File('../function.py')", "outside the call's directory"),
            ("File", "File('.')", "which is no file"),
            ("Directory", "Directory('.fringe-inputs.json')", "which is no directory"),
            ("Directory", "File('.fringe-inputs.json')", "a File; its annotation says Directory"),
            ("None", "3", "the handler returned 3; its annotation says None"),
            ("List[str]", "'abc'", "its annotation says list of str"),
        ]:
            with self.subTest(value):
                self.fails(f"def main(a: int = 1) -> {returns}:\n    return {value}\n", {}, message)
        self.fails("class O(NamedTuple):\n    a: int\ndef main(a: int = 1) -> O:\n    return 3\n", {}, "the handler returned 3, a int; its annotation says O")
        self.fails("class O(NamedTuple):\n    a: int\ndef main(a: int = 1) -> O:\n    return {'b': 3}\n", {}, "output has 'b', which O does not have")

    def test_handler_raises(self):
        code, out, err = self.run_task("def main(a: int) -> None:\n    os.chdir('/')\n    raise ValueError('no good')\n", {"a": 1})
        self.assertEqual((code, out), (70, None), err)
        self.assertIn("Traceback", err)
        self.assertNotIn("fringe/run.py", err)
        with open(os.path.join(self.work, ".fringe-failed.json")) as f:
            self.assertEqual(json.load(f), {"message": "ValueError: no good (function.py, line 9)"})

    def test_inputs_are_checked(self):
        source = "def main(a: int) -> None: ...\n"
        self.fails(source, {}, "the input 'a' is missing")
        self.fails(source, {"a": 1, "b": 2}, "the handler has no input 'b'; it has a")
        self.fails(source, {"a": "x"}, "the input 'a' is 'x'")
        self.fails(source, "[1]", "holds no input object")
        self.fails(source, "{", "cannot be read")
        self.fails("import nonesuch\n" + source, {}, "function.py:7: function.py cannot be imported: ModuleNotFoundError")
        self.fails("def main(): ...\n", {}, "the handler takes HTTP requests; only a service can run it")

    def test_union(self):
        code, out, err = self.run_task("""
def main(a: Union[int, str, List[Directory], None], b: Union[int, float]) -> str:
    return f"{[x.basename for x in a] if isinstance(a, list) else repr(a)} {b!r}"
""", {"a": [{"class": "Directory", "path": self.work}], "b": 2})
        self.assertEqual((code, out), (0, {"result": "['work'] 2"}), err)

    def test_wrong_input(self):
        code, out, err = self.run_task("def main(a: int) -> None:\n    raise Invalid('too small', 'a', 'take 2')\n", {"a": 1})
        self.assertEqual((code, out, err), (65, None, "fringe: a: too small\n"))
        with open(os.path.join(self.work, ".fringe-invalid.json")) as f:
            self.assertEqual(json.load(f), {"message": "too small", "input": "a", "cure": "take 2"})

    def test_own_reason(self):
        code, out, err = self.run_task("def main(a: int) -> None:\n    raise Failed('the matrix is singular')\n", {"a": 1})
        self.assertEqual((code, out, err), (70, None, "fringe: the matrix is singular\n"))
        with open(os.path.join(self.work, ".fringe-failed.json")) as f:
            self.assertEqual(json.load(f), {"message": "the matrix is singular"})

    def test_exit_code(self):
        self.assertEqual(self.run_task("def main(a: int) -> None:\n    sys.exit(7)\n", {"a": 1})[0], 7)

    def test_progress(self):
        code, _, err = self.run_task("def main(a: int) -> None:\n    progress(0.25, 'one\\ntwo')\n    progress(7)\n", {"a": 1})
        self.assertEqual((code, err), (0, "fringe:progress 0.250 one two\nfringe:progress 1.000\n"))

    def test_numpy(self):
        self.interpreter = "/usr/bin/python3"  # which has numpy
        code, out, err = self.run_task('''
import numpy as np

class Outputs(NamedTuple):
    a: float
    b: int
    c: bool
    d: List[float]
    e: List[List[int]]
    f: List[float]

def main(n: int) -> Outputs:
    return Outputs(np.float32(0.5), np.int64(3), np.bool_(True), np.arange(3) / 2, np.arange(4).reshape(2, 2), [np.float64(1)])
''', {"n": 1})
        self.assertEqual((code, out), (0, {"a": 0.5, "b": 3, "c": True, "d": [0.0, 0.5, 1.0], "e": [[0, 1], [2, 3]], "f": [1.0]}), err)
        self.fails("import numpy as np\ndef main(n: int) -> List[float]:\n    return np.array([1, np.nan])\n", {"n": 1}, "result[1] is nan")
