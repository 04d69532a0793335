"""What the tests share."""

import json
import os
import subprocess
import sys
import tempfile
import textwrap
import unittest

PYTHON = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


class Case(unittest.TestCase):
    """A test with a directory of its own."""

    interpreter = sys.executable

    def setUp(self):
        held = tempfile.TemporaryDirectory()
        self.addCleanup(held.cleanup)
        self.dir = os.path.realpath(held.name)

    def write(self, text, name="function.py"):
        path = os.path.join(self.dir, name)
        with open(path, "w", encoding="utf-8") as f:
            f.write(textwrap.dedent(text))
        return path

    def python(self, *args, cwd=None):
        env = {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "PYTHONPATH": PYTHON, "PYTHONDONTWRITEBYTECODE": "1"}
        return subprocess.run([self.interpreter, *args], cwd=cwd or self.dir, env=env, capture_output=True, text=True, timeout=60)

    def derive(self, text):
        """The document of a function file."""
        done = self.python("-m", "fringe.derive", self.write(text))
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return json.loads(done.stdout)

    def problems(self, text):
        """What is wrong with a function file."""
        done = self.python("-m", "fringe.derive", self.write(text))
        self.assertEqual(done.returncode, 2, done.stderr)
        self.assertEqual(done.stdout, "")
        return json.loads(done.stderr.splitlines()[-1])
