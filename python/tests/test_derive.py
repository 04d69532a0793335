"""Tests of fringe.derive."""

from tests.support import Case

HEAD = """\
from typing import Annotated, Dict, List, Literal, NamedTuple, Optional, TypedDict, Union
from dataclasses import dataclass
from fringe import Directory, File, In, Out

FRINGE = {"version": "1.0.0"}

class Outputs(NamedTuple):
    a: int

"""


class Document(Case):
    def test_whole(self):
        said = self.derive('''\
            """Blur an image.

            Longer text."""
            from typing import Annotated, List, Literal, NamedTuple, Optional
            from fringe import Directory, File, In, Out

            FRINGE = {"version": "1.2.0-rc.1", "environment": "astro", "shape": "task", "memory": "1.5GiB", "cpu": 2, "timeout": "10m", "network": True, "durable": True,
                      "author": "A", "citation": "C", "license": "L", "keywords": ["k"], "repository": "R", "variables": {"A": "b"},
                      "warm": {"min": 0, "max": 2}, "example": {"image": {"class": "File", "location": "demo:x"}, "sigma": 1}}

            class Outputs(NamedTuple):
                image: Annotated[File, Out(doc="Blurred", format="image/fits")]
                peak: Annotated[float, Out(unit="Jy/beam", ucd="phot.flux")]
                maybe: Optional[int] = None

            def main(image: Annotated[File, In(doc="The image", format="image/fits", secondary=".fai")],
                     sigma: Annotated[float, In(unit="pixel", minimum=0, exclusive_maximum=9.5, label="Width")] = 2,
                     mode: Literal["reflect", "a b"] = "reflect", vis: Optional[Annotated[Directory, In(writable=True)]] = None,
                     names: List[str] = ["x"], flag: bool = False, count: Optional[int] = None) -> Outputs:
                """Do it.

                Parameters
                ----------
                mode : str
                    What lies beyond
                    the border.
                names, flag
                    Both.

                Returns
                -------
                x
                """
            ''')
        self.assertEqual(said["cwlVersion"], "v1.2")
        self.assertEqual((said["label"], said["doc"]), ("Blur an image.", "Longer text."))
        self.assertEqual(said["baseCommand"] + said["arguments"], ["python3", "-m", "fringe.run", "/fringe/function/function.py", "main"])
        self.assertEqual(said["inputs"], {
            "image": {"type": "File", "doc": "The image", "secondaryFiles": [".fai"], "fringe:format": "image/fits"},
            "sigma": {"type": "double", "label": "Width", "fringe:unit": "pixel", "fringe:minimum": 0, "fringe:exclusiveMaximum": 9.5, "default": 2.0},
            "mode": {"type": {"type": "enum", "symbols": ["reflect", "a b"]}, "doc": "What lies beyond the border.", "default": "reflect"},
            "vis": {"type": ["null", "Directory"]},
            "names": {"type": {"type": "array", "items": "string"}, "doc": "Both.", "default": ["x"]},
            "flag": {"type": "boolean", "doc": "Both.", "default": False},
            "count": {"type": ["null", "long"]},
        })
        self.assertEqual(said["outputs"], {
            "image": {"type": "File", "doc": "Blurred", "format": "iana:image/fits"},
            "peak": {"type": "double", "fringe:unit": "Jy/beam", "fringe:ucd": "phot.flux"},
            "maybe": {"type": ["null", "long"]},
        })
        self.assertEqual(said["requirements"], {
            "InitialWorkDirRequirement": {"listing": [{"entryname": ".fringe-inputs.json", "entry": "$(inputs)"}, {"entry": "$(inputs.vis)", "writable": True}]},
            "ToolTimeLimit": {"timelimit": 600}, "NetworkAccess": {"networkAccess": True}, "EnvVarRequirement": {"envDef": {"A": "b"}}})
        self.assertEqual(said["hints"], {
            "fringe:Function": {"version": "1.2.0-rc.1", "environment": "astro", "shape": "task", "contract": "python", "handler": "function:main", "warm": {"min": 0, "max": 2}, "durable": True},
            "ResourceRequirement": {"coresMin": 2, "coresMax": 2, "ramMin": 1536, "ramMax": 1536}})
        self.assertEqual([said[k] for k in ("s:author", "s:citation", "s:license", "s:keywords", "s:codeRepository")], ["A", "C", "L", ["k"], "R"])
        self.assertEqual(said["fringe:example"]["sigma"], 1)

    def test_union(self):
        said = self.derive(HEAD + "def main(a: Annotated[Union[int, List[int]], In(minimum=1)] = [3, 4], b: Union[str, List[Directory], None] = None) -> Outputs: ...")
        self.assertEqual(said["inputs"], {
            "a": {"type": ["long", {"type": "array", "items": "long"}], "fringe:minimum": 1, "default": [3, 4]},
            "b": {"type": ["null", "string", {"type": "array", "items": "Directory"}]}})

    def test_memory_by_inputs(self):
        said = self.derive(HEAD.replace('"version"', '"memory": "$(100 * inputs.a)", "version"') + "def main(a: int) -> Outputs: ...")
        self.assertEqual(said["hints"]["ResourceRequirement"], {"ramMin": "$(100 * inputs.a)"})
        self.assertEqual(said["requirements"]["InlineJavascriptRequirement"], {})

    def test_records(self):
        source = HEAD + '''
@dataclass
class Point:
    """A point.

    Attributes
    ----------
    y : float
        Upwards.
    """
    x: Annotated[float, In(unit="deg")]
    y: float = 0.0

class Part(TypedDict, total=False):
    name: str

def main(points: List[Point], part: Optional[Part] = None) -> Outputs: ...
'''
        self.assertEqual(self.derive(source)["inputs"], {
            "points": {"type": {"type": "array", "items": {"type": "record", "fields": [
                {"name": "x", "type": "double", "fringe:unit": "deg"}, {"name": "y", "type": ["null", "double"], "doc": "Upwards."}]}}},
            "part": {"type": ["null", {"type": "record", "fields": [{"name": "name", "type": ["null", "string"]}]}]}})

    def test_one_value(self):
        self.assertEqual(self.derive(HEAD + "def main(a: int) -> Annotated[float, Out(unit='Jy')]: ...")["outputs"], {"result": {"type": "double", "fringe:unit": "Jy"}})
        self.assertEqual(self.derive(HEAD + "def main(a: int) -> None: ...")["outputs"], {})

    def test_raw(self):
        said = self.derive(HEAD + "def main():\n    return 'x'\n")
        self.assertEqual((said["inputs"], said["outputs"]), ({}, {}))
        hint = said["hints"]["fringe:Function"]
        self.assertEqual((hint["raw"], hint["shape"], hint["contract"]), (True, "service", "python"))

    def test_no_inputs(self):
        said = self.derive(HEAD + "def main() -> Outputs: ...")
        self.assertEqual((said["inputs"], list(said["outputs"])), ({}, ["a"]))
        self.assertNotIn("raw", said["hints"]["fringe:Function"])

    def test_postponed_annotations(self):
        said = self.derive("from __future__ import annotations\n" + HEAD + "def main(a: Annotated[int, In(doc='A')]) -> Outputs: ...")
        self.assertEqual(said["inputs"], {"a": {"type": "long", "doc": "A"}})

    def test_output_of_import_does_not_disturb(self):
        done = self.python("-m", "fringe.derive", self.write(HEAD + "print('noise')\ndef main(a: int) -> Outputs: ...\n"))
        self.assertEqual((done.returncode, done.stdout[0], done.stderr), (0, "{", "noise\n"))

    def test_neighbour_is_imported(self):
        self.write("NAME = 'x'\n", "neighbour.py")
        self.derive("import neighbour\n" + HEAD + "def main(a: str = neighbour.NAME) -> Outputs: ...")


class Problems(Case):
    def one(self, text):
        found = self.problems(text)
        self.assertEqual(len(found), 1, found)
        self.assertTrue(found[0]["cure"], found)
        self.assertTrue(found[0]["file"].endswith("function.py"))
        return found[0]["line"], found[0]["message"]

    def test_handler(self):
        line = HEAD.count("\n") + 1
        for source, at, message in [
            ("def main(a) -> Outputs: ...", 0, "the parameter a has no annotation"),
            ("def main(a: int,\n         b) -> Outputs: ...", 1, "the parameter b has no annotation"),
            ("def main(a: Dict[str, int]) -> Outputs: ...", 0, "the annotation Dict[str, int] has no counterpart in an interface"),
            ("def main(a: complex) -> Outputs: ...", 0, "the annotation complex has no counterpart in an interface"),
            ("def main(a: Union[int, str] = 1.5) -> Outputs: ...", 0, "the default of a is 1.5, a float; its annotation says int or str"),
            ("def main(a: Union[int, complex]) -> Outputs: ...", 0, "the annotation complex has no counterpart in an interface"),
            ("def main(a: Literal[1, 2]) -> Outputs: ...", 0, "Literal[1, 2] lists values that are no texts"),
            ("def main(a: list) -> Outputs: ...", 0, "list does not say of what"),
            ("def main(a: int = 'x') -> Outputs: ...", 0, "the default of a is 'x', a str; its annotation says int"),
            ("def main(a: int = True) -> Outputs: ...", 0, "the default of a is True, a bool; its annotation says int"),
            ("def main(a: float = float('nan')) -> Outputs: ...", 0, "the default of a is nan, which JSON cannot say"),
            ("def main(a: Literal['x'] = 'y') -> Outputs: ...", 0, "the default of a is 'y', a str; its annotation says one of 'x'"),
            ("def main(a: List[int] = [1, 2.5]) -> Outputs: ...", 0, "the default of a[1] is 2.5, a float; its annotation says int"),
            ("def main(a: Annotated[int, In(minimum=3)] = 2) -> Outputs: ...", 0, "the default of a is 2, which is outside its bounds"),
            ("def main(a: File = File('x')) -> Outputs: ...", 0, "a is a file, and has a default"),
            ("def main(a: Annotated[str, In(minimum=3)]) -> Outputs: ...", 0, "a has a minimum, and is no number"),
            ("def main(a: Annotated[int, In(minimum='x')]) -> Outputs: ...", 0, "the minimum of a is 'x', which is no number"),
            ("def main(a: Annotated[str, In(writable=True)]) -> Outputs: ...", 0, "a is writable, and is no File or Directory"),
            ("def main(a: Annotated[int, Out()]) -> Outputs: ...", 0, "Out(…) describes an output, and is used on an input"),
            ("def main(a: int): ...", 0, "the handler does not say what it returns"),
            ("def main(a: int) -> dict: ...", 0, "the annotation dict has no counterpart in an interface"),
            ("def main(*a: int) -> Outputs: ...", 0, "the parameter *a has no fixed inputs"),
            ("def main(**a: int) -> Outputs: ...", 0, "the parameter **a has no fixed inputs"),
            ("def main(a: int, /) -> Outputs: ...", 0, "the parameter a is positional only, and inputs go by name"),
            ("def main(a: 'Missing') -> Outputs: ...", 0, "the annotations of main cannot be read: name 'Missing' is not defined"),
            ("async def main(a: int) -> Outputs: ...", 0, "main is asynchronous, and a handler is called synchronously"),
            ("main = 3", 0, "main is no function"),
            ("class R(NamedTuple):\n    a: int\n    b: complex\ndef main(a: int) -> R: ...", 2, "the annotation complex has no counterpart in an interface"),
        ]:
            with self.subTest(source):
                got = self.one(HEAD + source)
                self.assertEqual(got[0], line + at)
                self.assertTrue(got[1].startswith(message), got[1])
        self.assertEqual(self.one(HEAD), (1, "function.py has no function main"))

    def test_several(self):
        found = self.problems(HEAD + "def main(a, b: complex) -> dict: ...")
        self.assertEqual(len(found), 3)

    def test_meta(self):
        tail = "\n\ndef main(a: int = 1) -> None: ...\n"
        for meta, message in [
            ("", "FRINGE is missing"),
            ("FRINGE = 3", "FRINGE is no dictionary"),
            ("FRINGE = {}", "FRINGE has no version"),
            ("FRINGE = {'version': '1.0'}", "the version '1.0' in FRINGE is no semantic version"),
            ("FRINGE = {'version': '01.0.0'}", "the version '01.0.0' in FRINGE is no semantic version"),
            ("FRINGE = {'version': '1.0.0', 'timeuot': 3}", "FRINGE has the unknown key 'timeuot'"),
            ("FRINGE = {'version': '1.0.0', 'shape': 'job'}", "shape in FRINGE is 'job'"),
            ("FRINGE = {'version': '1.0.0', 'memory': 'lots'}", "memory in FRINGE is 'lots'"),
            ("FRINGE = {'version': '1.0.0', 'memory': -1}", "memory in FRINGE is -1"),
            ("FRINGE = {'version': '1.0.0', 'cpu': 0}", "cpu in FRINGE is 0"),
            ("FRINGE = {'version': '1.0.0', 'timeout': '1y'}", "timeout in FRINGE is '1y'"),
            ("FRINGE = {'version': '1.0.0', 'keywords': 'a'}", "keywords in FRINGE is 'a'"),
            ("FRINGE = {'version': '1.0.0', 'environment': 3}", "environment in FRINGE is 3"),
            ("FRINGE = {'version': '1.0.0', 'network': 'yes'}", "network in FRINGE is 'yes'"),
            ("FRINGE = {'version': '1.0.0', 'durable': 1}", "durable in FRINGE is 1"),
            ("FRINGE = {'version': '1.0.0', 'shape': 'service', 'durable': True}", "a service cannot be durable"),
            ("FRINGE = {'version': '1.0.0', 'variables': {'A': 1}}", "variables in FRINGE is no dictionary of texts"),
            ("FRINGE = {'version': '1.0.0', 'warm': {'maximum': 1}}", "warm in FRINGE is {'maximum': 1}"),
            ("FRINGE = {'version': '1.0.0', 'warm': {'concurrency': 4}}", "a Python worker takes one call at a time"),
            ("FRINGE = {'version': '1.0.0', 'example': {'b': 1}}", "the example has the input 'b', which the handler does not have"),
            ("FRINGE = {'version': '1.0.0', 'example': {'a': 'x'}}", "the example's a is 'x', a str; its annotation says int"),
        ]:
            with self.subTest(meta):
                line, got = self.one(meta + tail)
                self.assertEqual((line, got), (1, message))
        self.assertEqual(self.one("FRINGE = {'version': '1.0.0', 'shape': 'task'}\ndef main(): ...")[1], "the handler does not say what it returns")
        done = self.python("-m", "fringe.derive", self.write("FRINGE = {'version': '1.0.0', 'example': {'a': {1}}}\ndef main(a: int) -> None: ..."))
        self.assertEqual(done.returncode, 2)

    def test_import(self):
        for source, line, message in [
            ("import os\nimport nonesuch\n", 2, "function.py cannot be imported: ModuleNotFoundError: No module named 'nonesuch'"),
            ("def f():\n    1 / 0\n\nf()\n", 2, "function.py cannot be imported: ZeroDivisionError: division by zero"),
            ("x = = 1\n", 1, "syntax error: invalid syntax"),
            ("import sys\nsys.exit()\n", 2, "function.py cannot be imported: SystemExit"),
            ("x = '\0'\n", 0, None),
        ]:
            with self.subTest(source):
                got = self.one(source)
                if message:
                    self.assertEqual(got, (line, message))
        done = self.python("-m", "fringe.derive", "/nonexistent/function.py")
        self.assertIn("cannot be read: No such file or directory", done.stderr)
        self.assertEqual(self.python("-m", "fringe.derive").returncode, 64)
