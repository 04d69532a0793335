"""Enable list, save, restore, delete and rename flag version files.

These flag version files are copies of the flag column for a
measurement set.  They can be restored to the data set to get
back to a previous flag version.  On running importvla, a flag
version call 'Original' is automatically produced.

This is the task flagmanager of CASA 6.7.0.31; scripts/casa_functions.py writes this file. The names, the defaults and
the texts of the inputs are those of CASA's documentation (Associated Universities, Inc.; LGPL).
"""

from typing import Annotated, Literal, NamedTuple

from fringe import Directory, File, In, Out

from casatask import Task

FRINGE = {
    "version": "6.7.1",
    "environment": "casa",
    "shape": "task",
    "cpu": 1,
    "memory": "2GiB",
    "author": "The CASA team (CASA); the Fringe authors (interface)",
    "citation": "2022PASP..134k4501C CASA, the Common Astronomy Software Applications for Radio Astronomy; ascl:1107.013",
    "license": "LGPL-2.0-or-later",
    "repository": "https://open-bitbucket.nrao.edu/projects/CASA/repos/casa6",
    "keywords": ["CASA", "flagging"],
    "example": {"vis": {"class": "Directory", "location": "demo:synthetic.ms"}, "mode": "save", "versionname": "first"},
}
TASK = Task(
    "flagmanager",
    main="vis",
    vis=("vis",),
    beside={"flagversions": "vis"},
    products={"vis": "{vis}", "flagversions": "{vis}.flagversions"},
)


class Outputs(NamedTuple):
    """What flagmanager gives."""

    vis: Annotated[Directory, Out(doc="The measurement set as it is now")]
    flagversions: Annotated[Directory | None, Out(doc="The versions of flags that there are now")]
    returned: Annotated[File, Out(doc="With mode list, the versions", format="application/json")]


def main(
    vis: Annotated[Directory, In(writable=True, doc="Name of input visibility file (MS)")],
    mode: Annotated[Literal["list", "save", "restore", "delete", "rename"], In(doc="Operation: list, save, restore, delete, rename")] = "list",
    versionname: Annotated[str, In(doc="Flag version name")] = "",
    oldname: Annotated[str, In(doc="Flag version to rename")] = "",
    comment: Annotated[str, In(doc="Short description of a versionname")] = "",
    merge: Annotated[Literal["replace", "and", "or"], In(doc="Merge option: replace will save or over-write the flags")] = "replace",
    flagversions: Annotated[Directory | None, In(doc="Versions of flags of vis, as flagdata, applycal or flagmanager gave them")] = None,
) -> Outputs:
    """Enable list, save, restore, delete and rename flag version files."""
    return TASK.run(locals(), Outputs)
