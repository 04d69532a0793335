"""What casaconfig reads before casatools starts: the tables of the package casadata, no updates, no log file, no windows.

It also bounds what tasks take for a cube: CASA does as many channels at once as the memory holds, and would count that
of the machine, which is not the call's.
"""

import os
import tempfile

import casadata

_resources = tempfile.NamedTemporaryFile("w", prefix="casarc-")  # casatools reads it when it starts
_resources.write("system.resources.memory: 4096\n")  # MiB; the estimate of tclean in scripts/casa_functions.py counts on it
_resources.flush()
os.environ["CASARCFILES"] = _resources.name

measurespath = casadata.datapath
measures_auto_update = False
data_auto_update = False
logfile = "/dev/null"  # casatools opens this file whatever nologfile says; calls log to their own
nologger = True
nogui = True
agg = True
casaconfig_verbose = 0
