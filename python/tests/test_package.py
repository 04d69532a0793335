"""Tests of the types and of the request object."""

import io
import os
import unittest

import fringe
from fringe import Directory, File, In, Out, worker
from fringe._handler import Mismatch, docstring_section
from fringe._request import Args, Headers, Request
from tests.support import Case


class Types(Case):
    def test_entries(self):
        path = self.write("abc", "x.txt")
        f = File(path)
        self.assertEqual((f.path, os.fspath(f), str(f), f.basename, f.size), (path, path, path, "x.txt", 3))
        self.assertEqual((f == File(path), f == Directory(path), len({f, File(path)})), (True, False, 1))
        d = Directory(self.dir + "/")
        self.assertEqual((d.basename, d.size), (os.path.basename(self.dir), 3))
        self.assertEqual(repr(In(unit="Jy", minimum=0, secondary=".x")), "In(minimum=0, unit='Jy', secondary=['.x'])")
        self.assertEqual(repr(Out()), "Out()")
        with self.assertRaises(TypeError):
            Out(minimum=3)

    def test_names(self):
        self.assertEqual(fringe.__all__, ["Directory", "Failed", "File", "In", "Invalid", "Out", "progress", "request"])

    def test_docstring(self):
        doc = """Text.

        Parameters
        ----------
        a : int
            One
            two.
        *b, c
            Three.

        Returns
        -------
        d : float
            Four.
        """
        self.assertEqual(docstring_section(doc, "Parameters"), {"a": "One two.", "b": "Three.", "c": "Three."})
        self.assertEqual(docstring_section(doc, "Returns"), {"d": "Four."})
        self.assertEqual(docstring_section(None, "Parameters"), {})


class Http(unittest.TestCase):
    def test_headers(self):
        h = Headers([["Content-Type", "a/b"], ["X-Y", "1"], ["x-y", "2"]])
        self.assertEqual((h.get("content-type"), h["CONTENT-TYPE"], h.get("x"), h.get("x", 3), h.getlist("X-y")), ("a/b", "a/b", None, 3, ["1", "2"]))
        self.assertEqual(("x-Y" in h, "z" in h, 3 in h, len(h), h.keys()), (True, False, False, 3, ["Content-Type", "X-Y", "x-y"]))
        with self.assertRaises(KeyError):
            h["z"]

    def test_args(self):
        a = Args("a=1&a=2&b=%C3%A4&c=")
        self.assertEqual((dict(a), a.getlist("a"), a.get("a", type=int), a.get("b", 7, type=int), a.get("d", 9)), ({"a": "1", "b": "ä", "c": ""}, ["1", "2"], 1, 7, 9))

    def test_request(self):
        r = Request()
        r._fill({"method": "POST", "path": "/a%20b", "query": "x=1", "headers": [["content-type", "Application/JSON; charset=utf-8"]], "length": 8}, io.BytesIO(b'{"a": 1}'))
        self.assertEqual((r.method, r.path, r.raw_path, r.args["x"], r.mimetype, r.is_json, r.content_length), ("POST", "/a b", "/a%20b", "1", "application/json", True, 8))
        self.assertEqual((r.get_json(), r.json, r.get_data(), r.data, r.get_data(as_text=True)), ({"a": 1}, {"a": 1}, b'{"a": 1}', b'{"a": 1}', '{"a": 1}'))
        r._fill({"method": "POST", "path": "/"}, io.BytesIO(b"{"))
        self.assertEqual((r.get_json(), r.get_json(force=True, silent=True), r.content_length), (None, None, None))
        with self.assertRaises(ValueError):
            r.get_json(force=True)

    def test_response(self):
        self.assertEqual(worker.response({"a": 1}), (200, [("Content-Type", "application/json")], b'{"a":1}'))
        self.assertEqual(worker.response(("x", 201, {"content-type": "a/b"})), (201, [("content-type", "a/b")], b"x"))
        self.assertEqual(worker.response((b"x", [("A", 1)])), (200, [("A", "1"), ("Content-Type", "application/octet-stream")], b"x"))
        self.assertEqual(worker.response(("", 204, {"Content-Length": "9", "Connection": "close"}))[1], [("Content-Type", "text/plain; charset=utf-8")])
        for bad in [None, object(), ("x", 99), ("x", 600), ("x", "y"), (), (1, 2, 3, 4), ("x", {"a b": "c"}), ("x", {"a": "b\n"}), {"a": float("nan")}, Directory("x")]:
            with self.subTest(bad), self.assertRaises(Mismatch):
                worker.response(bad)

    def test_json(self):
        self.assertEqual(worker.loads(' {"a": [1, null]} '), {"a": [1, None]})
        for bad in ("[]", "3", "null"):
            with self.assertRaises(Mismatch):
                worker.loads(bad)
        with self.assertRaises(ValueError):
            worker.loads("{")
        self.assertEqual(worker.dumps({"a": "ä\"", "b": File("x")}), '{"a":"\\u00e4\\"","b":"x"}')
        with self.assertRaises(TypeError):
            worker.dumps({"a": object()})
        deep = []
        deep.append(deep)
        with self.assertRaises(Mismatch):
            worker.dumps({"a": deep})
