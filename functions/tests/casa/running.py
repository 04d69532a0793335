"""Call functions of the running site that FRINGE_URL and FRINGE_TOKEN name, on this machine."""

from __future__ import annotations

import functools
import hashlib
import json
import os
import pathlib
import unittest
import urllib.error
import urllib.request

import numpy as np
from astropy.io import fits

TIMEOUT = 600  # s, of one call


class Refused(Exception):
    """The site's answer to a wrong or failed call: an RFC 9457 problem."""

    def __init__(self, status: int, problem: dict):
        super().__init__(f"{status}: {problem.get('detail')}")
        self.status = status
        self.problem = problem


def request(method: str, path: str, body=None):
    """One request to the site; gives the JSON of its answer."""
    data = None if body is None else json.dumps(body).encode()
    asked = urllib.request.Request(os.environ["FRINGE_URL"] + path, data, method=method,
                                   headers={"Authorization": "Bearer " + os.environ["FRINGE_TOKEN"], "Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(asked, timeout=TIMEOUT) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        raise Refused(error.code, json.load(error)) from None


def call(function: str, /, **inputs) -> dict:
    """Call a function and wait; gives its output object."""
    return request("POST", f"/function/{function}", inputs)


def path(entry: dict) -> str:
    """Where this machine has a file or directory of an output object."""
    return request("GET", "/api/v1/datasets/" + entry["location"])["path"]


def read_json(entry: dict):
    """The content of a JSON file."""
    return json.loads(pathlib.Path(path(entry)).read_text())


@functools.lru_cache(maxsize=None)
def made(**inputs) -> tuple[dict, dict, dict]:
    """Make a measurement set once: it, its truth and its arrays."""
    out = call("make-ms", **inputs)
    return out["ms"], read_json(out["truth"]), np.load(path(out["arrays"]))


def pixels(entry: dict) -> tuple[np.ndarray, fits.Header]:
    """The squeezed pixels and the header of a CASA image, through exportfits, or of a FITS file."""
    if entry["class"] == "Directory":
        entry = call("exportfits", imagename=entry, fitsimage="image.fits")["fitsimage"]
    with fits.open(path(entry)) as hdus:
        return np.squeeze(hdus[0].data).astype(float), hdus[0].header


def digest(folder: str) -> dict[str, str]:
    """SHA-256 of every file below a directory, by name."""
    return {str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(pathlib.Path(folder).rglob("*")) if p.is_file()}


class Case(unittest.TestCase):
    """A test of functions of the site."""

    def refused(self, status: int, pointer: str | None, words: str, function: str, /, **inputs) -> None:
        """Check that a call is refused with this status, pointer and words."""
        with self.assertRaises(Refused) as caught:
            call(function, **inputs)
        self.assertEqual(caught.exception.status, status, caught.exception)
        self.assertEqual(caught.exception.problem.get("pointer"), pointer, caught.exception)
        self.assertIn(words, caught.exception.problem["detail"])
