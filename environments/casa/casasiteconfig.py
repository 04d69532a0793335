"""What casaconfig reads before casatools starts: the tables of the package casadata, no updates, no log file, no windows."""

import casadata

measurespath = casadata.datapath
measures_auto_update = False
data_auto_update = False
logfile = "/dev/null"  # casatools opens this file whatever nologfile says; calls log to their own
nologger = True
nogui = True
agg = True
casaconfig_verbose = 0
