"""CLEAN with wsclean, for self-calibration."""

from __future__ import annotations

import dataclasses
import glob
import os
import subprocess

import numpy as np
from astropy.io import fits


@dataclasses.dataclass(frozen=True)
class Imager:
    """How each image of a self-calibration is made."""

    field: int
    size: int  # pixels
    scale: float  # arcsec
    weight: str
    robust: float
    gain: float
    mgain: float
    auto_threshold: float | None
    no_negative: bool
    beam_size: float | None  # arcsec
    mask_radius: float | None  # arcsec
    min_uv: float  # wavelengths
    threads: int
    memory: float  # GiB
    log: str  # file that wsclean's output is added to

    def clean(self, path: str, name: str, iterations: int, column: str) -> None:
        """Image `column` of a measurement set into name-*.fits, and fill its MODEL_DATA."""
        command = ["wsclean", "-name", name, "-temp-dir", os.getcwd(), "-j", str(self.threads), "-abs-mem", str(self.memory),
                   "-field", str(self.field), "-size", str(self.size), str(self.size), "-scale", f"{self.scale!r}asec",
                   "-weight", self.weight, *([str(self.robust)] if self.weight == "briggs" else []),
                   "-niter", str(iterations), "-gain", str(self.gain), "-mgain", str(self.mgain), "-data-column", column]
        command += ["-auto-threshold", str(self.auto_threshold)] if self.auto_threshold else []
        command += ["-minuv-l", str(self.min_uv)] if self.min_uv else []
        command += ["-no-negative"] if self.no_negative else []
        command += ["-beam-size", f"{self.beam_size!r}asec"] if self.beam_size else []
        command += ["-fits-mask", self._mask()] if self.mask_radius else []
        with open(self.log, "ab") as log:
            start = log.tell()
            code = subprocess.call([*command, path], stdout=log, stderr=log, env={**os.environ, "OPENBLAS_NUM_THREADS": "1"})
        if code:
            raise RuntimeError(f"WSClean failed (exit code {code}): {self._reason(start)}")
        if not np.isfinite(fits.getdata(f"{name}-image.fits")).any():
            raise RuntimeError("The image has no finite pixel: no unflagged data are left to image.")

    def _reason(self, start: int) -> str:
        with open(self.log, encoding="utf-8", errors="replace") as log:
            log.seek(start)
            lines = [line.strip() for line in log if line.strip()]
        said = [line.split(">>>", 1)[1].strip() for line in lines if ">>>" in line]
        return " ".join(said or lines[-3:])

    def _mask(self) -> str:
        """Write the mask, a disc around the image's centre, once; gives its file name."""
        name = "selfcal-mask.fits"
        if not os.path.exists(name):
            offset = (np.arange(self.size) - self.size // 2) * self.scale
            inside = np.hypot(offset[:, None], offset[None, :]) <= self.mask_radius
            header = fits.Header()
            for axis, (kind, step) in enumerate((("RA---SIN", -self.scale / 3600), ("DEC--SIN", self.scale / 3600),
                                                 ("FREQ", 1.0), ("STOKES", 1.0)), start=1):
                centre = self.size // 2 + 1.0 if axis < 3 else 1.0
                header.update({f"CTYPE{axis}": kind, f"CRPIX{axis}": centre, f"CRVAL{axis}": 1.0, f"CDELT{axis}": step})
            fits.writeto(name, inside[None, None].astype(np.float32), header, overwrite=True)
        return name


def remove(name: str) -> None:
    """Remove the images of a run."""
    for file in glob.glob(glob.escape(name) + "-*.fits"):
        os.remove(file)
