"""Fringe's side of a Python function: the types of its interface.

A function is a file ``function.py`` with a dictionary ``FRINGE`` and an
annotated handler ``main``. What the annotations say becomes the function's
published interface::

    from typing import Annotated, NamedTuple
    from fringe import File, In, Out

    FRINGE = {"version": "1.0.0", "environment": "astro"}

    class Outputs(NamedTuple):
        image: Annotated[File, Out(doc="Blurred image", format="image/fits")]

    def main(image: Annotated[File, In(doc="Image to blur")], sigma: float = 2.0) -> Outputs:
        ...
        return Outputs(File("blurred.fits"))

A handler without parameters takes the HTTP request itself, as ``fringe.request``.
Only the standard library is used, so that this package works in every
environment.
"""

import os
import sys

from fringe._request import request

__all__ = ["Directory", "Failed", "File", "In", "Invalid", "Out", "progress", "request"]


class Invalid(Exception):
    """An input is wrong: a handler of a task raises it before it begins to work.

    The caller gets the message as the answer to a wrong request, with the
    input that is wrong and, where there is one, the cure.
    """

    def __init__(self, message, input="", cure=""):
        super().__init__(message)
        self.message = message
        self.input = input
        self.cure = cure


class Failed(Exception):
    """The work failed, for a reason that the message tells whole.

    The caller of a task gets the message alone, without the type and the line
    that are told of any other exception; the log has the rest.
    """


class _Entry(os.PathLike):
    """A path with what is known of it. Two are equal when their paths are."""

    __slots__ = ("path", "basename", "_size", "format", "secondary")

    def __init__(self, path, *, size=None, format=None, secondary=()):
        self.path = os.fspath(path)
        self.basename = os.path.basename(self.path.rstrip("/"))
        self._size = size
        self.format = format
        self.secondary = list(secondary)

    def __fspath__(self):
        return self.path

    def __str__(self):
        return self.path

    def __repr__(self):
        return f"{type(self).__name__}({self.path!r})"

    def __eq__(self, other):
        return type(other) is type(self) and other.path == self.path

    def __hash__(self):
        return hash(self.path)


class File(_Entry):
    """A file: an input that was given, or an output by its path.

    An output's path is relative to the current directory, which is the call's
    own. ``secondary`` lists files that belong to it.
    """

    __slots__ = ()

    @property
    def size(self):
        """Size in bytes."""
        return self._size if self._size is not None else os.path.getsize(self.path)


class Directory(_Entry):
    """A directory, such as a measurement set; inputs and outputs as for File."""

    __slots__ = ()

    @property
    def size(self):
        """Sum of the sizes of its files, in bytes."""
        if self._size is None:
            self._size = sum(
                os.lstat(os.path.join(base, name)).st_size for base, _, names in os.walk(self.path) for name in names
            )
        return self._size


class _Note:
    """What an annotation says beside the type."""

    __slots__ = ("doc", "label", "unit", "ucd", "format", "secondary")

    def __init__(self, *, doc=None, label=None, unit=None, ucd=None, format=None, secondary=()):
        self.doc = doc
        self.label = label
        self.unit = unit
        self.ucd = ucd
        self.format = format
        self.secondary = [secondary] if isinstance(secondary, str) else list(secondary)

    def __repr__(self):
        names = [n for c in type(self).__mro__ for n in getattr(c, "__slots__", ())]
        said = ", ".join(f"{n}={getattr(self, n)!r}" for n in names if all(getattr(self, n) is not x for x in (None, False)) and getattr(self, n) != [])
        return f"{type(self).__name__}({said})"


class In(_Note):
    """What an input's annotation says beside its type.

    doc and label describe it; unit is a VOUnit and ucd a UCD1+ word; minimum,
    maximum and their exclusive forms bound a number; format is a media type
    or an IRI; secondary are CWL patterns of files that come with it
    (``.fai``, ``^.dict``); writable gives the handler a private copy of a
    File or Directory that it may change.
    """

    __slots__ = ("minimum", "maximum", "exclusive_minimum", "exclusive_maximum", "writable")

    def __init__(self, *, minimum=None, maximum=None, exclusive_minimum=None, exclusive_maximum=None, writable=False, **note):
        super().__init__(**note)
        self.minimum = minimum
        self.maximum = maximum
        self.exclusive_minimum = exclusive_minimum
        self.exclusive_maximum = exclusive_maximum
        self.writable = writable


class Out(_Note):
    """What an output's annotation says beside its type; see In."""

    __slots__ = ()


def progress(fraction, text=""):
    """Tell how far the call is: fraction is between 0 and 1.

    Writes one line on stderr: ``fringe:progress 0.250 text``.
    """
    fraction = min(1.0, max(0.0, float(fraction)))
    print(f"fringe:progress {fraction:.3f} {' '.join(str(text).split())}".rstrip(), file=sys.stderr, flush=True)
