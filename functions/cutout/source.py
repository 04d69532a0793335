"""A FITS image of which parts are read and written."""

from __future__ import annotations

import collections
import mmap
import os
import re
from typing import NamedTuple

import numpy as np
from astropy.io import fits
from astropy.wcs import WCS
from astropy.wcs.utils import wcs_to_celestial_frame

import spectral

REMEMBERED = 64  # headers kept by a warm instance
BLOCK = 2880
STRUCTURE = re.compile(r"SIMPLE|XTENSION|BITPIX|NAXIS\d*|EXTEND|PCOUNT|GCOUNT|CHECKSUM|DATASUM|END")
POLARIZATIONS = {1: "I", 2: "Q", 3: "U", 4: "V", -1: "RR", -2: "LL", -3: "RL", -4: "LR", -5: "XX", -6: "YY", -7: "XY", -8: "YX"}
_known: collections.OrderedDict[tuple, Source] = collections.OrderedDict()


class Moving(NamedTuple):
    """A card of the header that is another one in a part."""

    at: int  # its place among the cards
    key: str
    kind: str  # CRPIX, CDELT or CD
    axis: int  # of the pixels, from 1
    value: float


def of(path: str) -> Source:
    """The source for a path; while the file is the same one, it is not read again."""
    state = os.stat(path)
    key = state.st_dev, state.st_ino, state.st_size, state.st_mtime_ns
    if key not in _known:
        _known[key] = Source(path)
        if len(_known) > REMEMBERED:
            _known.popitem(last=False)
    _known.move_to_end(key)
    return _known[key]


class Source:
    """The header and coordinates of the first image of a FITS file with two to four dimensions; no file is kept open."""

    def __init__(self, path: str):
        try:
            with fits.open(path) as hdus:
                self.number, hdu = next(((n, h) for n, h in enumerate(hdus) if h.is_image and 2 <= h.header["NAXIS"] <= 4 and h.size), (0, None))
                if hdu is None:
                    raise ValueError("The FITS file has no image of two to four dimensions.")
                self.header = hdu.header.copy()
                self.offset = None if isinstance(hdu, fits.CompImageHDU) else hdu.fileinfo()["datLoc"]
        except OSError as error:
            raise ValueError(f"This is not a FITS file that can be read: {error}") from error
        self.shape = tuple(self.header[f"NAXIS{n}"] for n in range(self.header["NAXIS"], 0, -1))
        self.type = np.dtype({8: ">u1", 16: ">i2", 32: ">i4", 64: ">i8", -32: ">f4", -64: ">f8"}[self.header["BITPIX"]])
        if any("-TAB" in str(self.header.get(f"CTYPE{n}", "")) for n in range(1, self.header["NAXIS"] + 1)):
            raise ValueError("The image has coordinates by table (-TAB), which a part of it cannot keep.")
        full = WCS(self.header)
        self.wcs = full.celestial if full.has_celestial else None
        if self.wcs is None or (full.wcs.lng, full.wcs.lat) != (0, 1):
            raise ValueError("The image's first two axes are not longitude and latitude on the sky.")
        frame = wcs_to_celestial_frame(self.wcs)
        self.frame = None if frame.name == "icrs" else frame
        self.spectral = spectral.axis_of(self.header)
        self._edges = None
        cards = (text[i : i + 80] for text in map(str, self.header.cards) for i in range(0, len(text), 80))
        self.cards = [card for card in cards if not STRUCTURE.fullmatch(card[:8].strip())]
        keys = [card[:8].strip() for card in self.cards]
        self.keys = set(keys)
        found = ((at, key, re.fullmatch(r"(CRPIX|CDELT)(\d)[A-Z]?|(CD)(\d)_(\d)[A-Z]?", key)) for at, key in enumerate(keys))
        self.moving = [Moving(at, key, m[1] or m[3], int(m[2] or m[5]), self.header[key]) for at, key, m in found if m]

    def edges(self) -> np.ndarray:
        """Wavelengths of the channels' edges."""
        if self._edges is None:
            self._edges = spectral.wavelengths(self.header, self.spectral, np.arange(self.header[f"NAXIS{self.spectral}"] + 1) - 0.5)
        return self._edges

    def polarizations(self) -> tuple[int | None, list[str]]:
        """Number of the polarization axis and the names of its planes."""
        for axis in range(3, self.header["NAXIS"] + 1):
            if str(self.header.get(f"CTYPE{axis}", "")).strip() == "STOKES":
                first, step, pixel = (self.header.get(f"{key}{axis}", default) for key, default in (("CRVAL", 1), ("CDELT", 1), ("CRPIX", 1)))
                codes = (round(first + (n + 1 - pixel) * step) for n in range(self.header[f"NAXIS{axis}"]))
                return axis, [POLARIZATIONS.get(code, str(code)) for code in codes]
        return None, []

    def pixels(self, path: str) -> np.ndarray:
        """The pixels as they are in the file; only what is used of them is read."""
        if self.offset is None:
            with fits.open(path, do_not_scale_image_data=True) as hdus:
                return hdus[self.number].data.astype(self.type)
        with open(path, "rb") as file:
            return np.ndarray(self.shape, self.type, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ), self.offset)

    def write(self, path: str, part: tuple[slice, ...], mask: np.ndarray | None, history: str, name: str) -> None:
        """Write the part of the image at `path` as the file `name`; pixels of a plane outside of the mask are blank."""
        pixels = self.pixels(path)[part]
        kind, scale, blank = self.type, None, np.nan
        if mask is not None and kind.kind != "f":
            blank = self.header.get("BLANK")
            if blank is None:
                kind, scale, blank = np.dtype(">f4"), (self.header.get("BSCALE", 1), self.header.get("BZERO", 0)), np.nan
        header = self._header(part, pixels.shape, kind, scale is not None, history)
        planes = pixels.reshape((-1,) + pixels.shape[-2:]) if pixels.ndim == 2 else (pixels[i] for i in np.ndindex(pixels.shape[:-2]))
        with open(name, "wb") as file:
            size = file.write(header)
            for plane in planes:
                if scale is not None:
                    plane = plane * scale[0] + scale[1]
                if mask is not None:
                    plane = np.where(mask, plane, blank)
                size += file.write(plane.astype(kind, copy=False).tobytes())
            file.write(bytes(-size % BLOCK))

    def _header(self, part: tuple[slice, ...], shape: tuple[int, ...], kind: np.dtype, scaled: bool, history: str) -> bytes:
        """The header of a part: every reference pixel moves with its corner."""
        bits = -8 * kind.itemsize if kind.kind == "f" else 8 * kind.itemsize
        head = [card("SIMPLE", True), card("BITPIX", bits), card("NAXIS", len(shape))]
        head += [card(f"NAXIS{n}", size) for n, size in enumerate(reversed(shape), 1)]
        corners = {n: (s.start, s.step or 1) for n, s in enumerate(reversed(part), 1)}
        cards = self.cards.copy()
        for at, key, kind, axis, value in self.moving:
            start, step = corners.get(axis, (0, 1))
            if kind == "CRPIX" and (start or step > 1):
                cards[at] = card(key, (value - 1 - start) / step + 1)
            elif kind != "CRPIX" and step > 1:
                cards[at] = card(key, value * step)
        if scaled:
            cards = [text for text in cards if text[:8].strip() not in ("BSCALE", "BZERO", "BLANK")]
        cards += [card(f"CRPIX{n}", -start / step + (1 - 1 / step)) for n, (start, step) in corners.items() if start and f"CRPIX{n}" not in self.keys]
        cards += [f"HISTORY {history}"[:80].ljust(80), "END".ljust(80)]
        text = "".join(head + cards).encode("ascii", "replace")
        return text.ljust(-(-len(text) // BLOCK) * BLOCK)


def card(key: str, value: bool | int | float) -> str:
    """A card of 80 characters in the fixed format of FITS."""
    text = {True: "T", False: "F"}[value] if isinstance(value, bool) else repr(value).upper()
    return f"{key:<8}= {text:>20}".ljust(80)
