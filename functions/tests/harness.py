"""Run the shipped functions as plain programs, and the files that the tests share.

`call` runs a function the way the platform does, but without it: a Python function through
`python3 -m fringe.run` in an empty directory, a CWL function through a CWL runner. The
runner is `bin/fringe cwl-runner`, or the command in CWL_RUNNER (such as "cwltool
--no-container --quiet").
"""

from __future__ import annotations

import functools
import hashlib
import json
import os
import pathlib
import shlex
import shutil
import subprocess
import tempfile
import typing
import unittest

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
FUNCTIONS = REPOSITORY / "functions"
OBSERVATIONS = REPOSITORY / "testdata" / "observations"
EHT = OBSERVATIONS / "SR1_M87_2017_101_lo_hops_netcal_StokesI.uvfits"
MOJAVE = OBSERVATIONS / "mojave.uvfits"
PYTHON = "/usr/bin/python3"
TIMEOUT = 300  # s, of one call


class Failed(Exception):
    """A function ended with an error; the text is what it said."""


def file(path) -> dict:
    """A File of the input object."""
    return {"class": "File", "location": f"file://{os.path.abspath(path)}", "path": os.path.abspath(path), "basename": os.path.basename(path)}


def directory(path) -> dict:
    """A Directory of the input object."""
    return file(path) | {"class": "Directory"}


def call(name: str, inputs: dict, folder: pathlib.Path) -> dict:
    """Run a function and give its output object; the outputs are in `folder`, which is made."""
    folder.mkdir(parents=True)
    path = FUNCTIONS / name
    run = _run_python if (path / "function.py").exists() else _run_cwl
    return run(path, inputs, folder)


def path_of(output: dict) -> str:
    """Path of a File or Directory of an output object."""
    return output.get("path") or output["location"].removeprefix("file://")


def _environment(path: pathlib.Path) -> dict:
    return {**os.environ, "PYTHONPATH": str(REPOSITORY / "python"), "PYTHONDONTWRITEBYTECODE": "1", "OPENBLAS_NUM_THREADS": "1",
            "PATH": f"{_programs(path)}:{os.environ['PATH']}", "MPLBACKEND": "Agg"}


@functools.lru_cache(maxsize=None)
def _programs(path: pathlib.Path) -> pathlib.Path:
    """A function's bin with files in place of links, as a site has it."""
    if not (path / "bin").exists():
        return path / "bin"
    return shutil.copytree(path / "bin", pathlib.Path(_shared.name) / "bin" / path.name)


def _run_python(path: pathlib.Path, inputs: dict, folder: pathlib.Path) -> dict:
    environment = _environment(path)
    for name in _writable(path):
        shutil.copytree(inputs[name]["path"], folder / inputs[name]["basename"])
    (folder / ".fringe-inputs.json").write_text(json.dumps(inputs))
    done = subprocess.run([PYTHON, "-m", "fringe.run", str(path / "function.py"), "main"], cwd=folder, env=environment,
                          capture_output=True, text=True, timeout=TIMEOUT)
    if done.returncode:
        raise Failed(done.stderr)
    outputs = json.loads((folder / "cwl.output.json").read_text())
    return {key: _absolute(value, folder) for key, value in outputs.items()}


@functools.lru_cache(maxsize=None)
def _writable(path: pathlib.Path) -> list[str]:
    """The directory inputs of which a Python function gets a private copy, from its derived interface."""
    described = subprocess.run([PYTHON, "-m", "fringe.derive", str(path / "function.py")], env=_environment(path), capture_output=True, text=True, check=True)
    listing = json.loads(described.stdout).get("requirements", {}).get("InitialWorkDirRequirement", {}).get("listing", ())
    return [entry["entry"][len("$(inputs.") : -1] for entry in listing if entry.get("writable")]


def _absolute(value, folder: pathlib.Path):
    if isinstance(value, dict) and value.get("class") in ("File", "Directory"):
        return value | {"path": str(folder / path_of(value))}
    return value


def _run_cwl(path: pathlib.Path, inputs: dict, folder: pathlib.Path) -> dict:
    runner = shlex.split(os.environ.get("CWL_RUNNER", str(REPOSITORY / "bin" / "fringe") + " cwl-runner"))
    if shutil.which(runner[0]) is None:
        raise unittest.TestCase.failureException(f"The CWL runner {runner[0]} is not there; `make build` makes it, or set CWL_RUNNER.")
    job = folder / "job.json"
    job.write_text(json.dumps(inputs))
    done = subprocess.run([*runner, "--outdir", str(folder / "out"), str(path / "function.cwl"), str(job)], cwd=folder, env=_environment(path),
                          capture_output=True, text=True, timeout=TIMEOUT)
    if done.returncode:
        raise Failed(done.stderr)
    return json.loads(done.stdout)


def digest(path) -> str:
    """SHA-256 of the names and bytes of all files of a directory, but for lock files."""
    total = hashlib.sha256()
    for base, folders, names in os.walk(path):
        folders.sort()
        for name in sorted(names):
            if name != "table.lock":
                total.update(os.path.join(os.path.relpath(base, path), name).encode() + pathlib.Path(base, name).read_bytes())
    return total.hexdigest()


class Case(unittest.TestCase):
    """A test with a folder of its own."""

    def setUp(self):
        """Make the folder."""
        self._temporary = tempfile.TemporaryDirectory(prefix="fringe-functions-")
        self.addCleanup(self._temporary.cleanup)
        self.folder = pathlib.Path(self._temporary.name)
        self._count = 0

    def call(self, function: str, /, **inputs) -> dict:
        """Run a function in a new folder."""
        self._count += 1
        return call(function, inputs, self.folder / f"call-{self._count}")

    def fails(self, function: str, /, *words: str, **inputs) -> None:
        """Check that a call fails with a sentence that has these words."""
        with self.assertRaises(Failed) as caught:
            self.call(function, **inputs)
        for word in words:
            self.assertIn(word, str(caught.exception))


_shared = tempfile.TemporaryDirectory(prefix="fringe-functions-shared-")


class Made(typing.NamedTuple):
    """A made measurement set with its truth."""

    ms: str
    truth: dict
    arrays: str


@functools.lru_cache(maxsize=None)
def made(**inputs) -> Made:
    """Make a measurement set with make-ms, once for all tests of a run; it must not be changed."""
    folder = pathlib.Path(_shared.name) / hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()[:12]
    outputs = call("make-ms", inputs, folder)
    return Made(path_of(outputs["ms"]), json.loads(pathlib.Path(path_of(outputs["truth"])).read_text()), path_of(outputs["arrays"]))


@functools.lru_cache(maxsize=None)
def imported(path: pathlib.Path) -> str:
    """Import a UVFITS file, once for all tests of a run; the measurement set must not be changed."""
    outputs = call("import-uvfits", {"uvfits": file(path)}, pathlib.Path(_shared.name) / path.stem)
    return path_of(outputs["ms"])


def line_cube(path: pathlib.Path) -> tuple[dict, dict]:
    """Write a line cube of a turning disk, and give it as a File with its truth.

    The disk is an elliptical Gaussian; in each pixel the line is a Gaussian in radio velocity of one
    width, at a velocity that grows linearly along the disk's long axis. Noise is added.
    """
    import numpy as np
    from astropy.io import fits

    size, channels, scale, beam, rest, angle = 96, 40, 15.0, 45.0, 1.420405751e9, 35.0
    systemic, channel, dispersion, gradient, noise, peak = 1470.0, 5.0, 12.0, 0.15, 1e-3, 0.08
    velocity = systemic + (np.arange(channels) - (channels - 1) / 2) * channel
    y, x = (np.indices((size, size)) - size // 2) * scale
    east, north, turn = -x, y, np.radians(angle)
    along, across = east * np.sin(turn) + north * np.cos(turn), east * np.cos(turn) - north * np.sin(turn)
    brightness = peak * np.exp(-0.5 * ((along / 200) ** 2 + (across / 100) ** 2))
    centre = systemic + gradient * along
    data = brightness * np.exp(-0.5 * ((velocity[:, None, None] - centre) / dispersion) ** 2)
    data += np.random.default_rng(7).normal(0, noise, data.shape)
    frequencies = rest * (1 - velocity / 299792.458)
    header = fits.Header()
    axes = [("RA---SIN", 230.5, -scale / 3600, size // 2 + 1, "deg"), ("DEC--SIN", 5.0, scale / 3600, size // 2 + 1, "deg"), ("FREQ", frequencies[0], frequencies[1] - frequencies[0], 1, "Hz")]
    for n, (kind, value, step, pixel, unit) in enumerate(axes, start=1):
        header.update({f"CTYPE{n}": kind, f"CRVAL{n}": value, f"CDELT{n}": step, f"CRPIX{n}": float(pixel), f"CUNIT{n}": unit})
    header.update(RADESYS="ICRS", RESTFRQ=rest, BUNIT="Jy/beam", BMAJ=beam / 3600, BMIN=beam / 3600, BPA=0.0, OBJECT="DISK", SPECSYS="LSRK")
    fits.writeto(path, data.astype(np.float32), header, overwrite=True)
    moment0 = brightness * dispersion * np.sqrt(2 * np.pi)
    area = np.pi / (4 * np.log(2)) * beam**2 / scale**2
    return file(path), dict(ra=230.5, dec=5.0, rest=rest, frequencies=frequencies, noise=noise, beam=beam, channel=channel, dispersion=dispersion, velocity=centre, peak=brightness,
                            moment0=moment0, flux=moment0.sum() / area, angle=angle, gradient=gradient, systemic=systemic)
