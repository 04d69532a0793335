"""Give back what was sent: what the measurements call."""

from typing import NamedTuple

FRINGE = {"version": "1.0.0", "shape": "service"}


class Outputs(NamedTuple):
    """What echo gives."""

    message: str


def main(message: str = "") -> Outputs:
    """Echo a message."""
    return Outputs(message)
