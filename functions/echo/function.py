"""Give back what was sent.

The smallest function: for trying a connection, and for measuring what a call costs.
"""

from typing import Annotated, NamedTuple

from fringe import In, Out

FRINGE = {
    "version": "1.0.0",
    "environment": "python",
    "shape": "service",
    "cpu": 1,
    "memory": "128MiB",
    "timeout": 60,
    "warm": {"min": 1, "max": 4, "concurrency": 1, "queue": 1024, "idle": 300},
    "author": "The Fringe authors",
    "license": "Apache-2.0",
    "keywords": ["test", "echo"],
    "citation": "Postel 1983, RFC 862: Echo Protocol",
    "example": {"message": "hello", "numbers": [1.0, 2.5]},
}


class Outputs(NamedTuple):
    """What echo gives."""

    message: Annotated[str, Out(doc="The message")]
    numbers: Annotated[list[float], Out(doc="The numbers")]


def main(
    message: Annotated[str, In(doc="Any text")] = "",
    numbers: Annotated[list[float] | None, In(doc="Any numbers")] = None,
) -> Outputs:
    """Echo a message and numbers."""
    return Outputs(message, numbers or [])
