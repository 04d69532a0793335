#!/usr/bin/env bash
# demo_data.sh: give a running site the datasets that the functions' examples name,
# demo:…. Real observations by reference, and what import-uvfits, make-ms and wsclean
# make; the files lie below DEMO_DATA (~/.local/share/fringe-demo). `fringe` is the one
# on the PATH and finds the site as always.
set -euo pipefail
cd "$(dirname "$0")/.."
observations=$PWD/testdata/observations
keep=${DEMO_DATA:-${XDG_DATA_HOME:-$HOME/.local/share}/fringe-demo}
mkdir -p "$keep"

# give NAME PATH [FUNCTION INPUT…]: name a path, which the function makes first.
give() {
    local name=demo:$1 path=$2
    shift 2
    if fringe data show "$name" >/dev/null 2>&1; then return; fi
    if [ $# -gt 0 ]; then fringe call "$@" -o "$keep" >/dev/null; fi
    fringe data add "$name" "$path"
}

eht=SR1_M87_2017_101_lo_hops_netcal_StokesI
give m87-eht.uvfits "$observations/$eht.uvfits"
give m87-eht.ms "$keep/$eht.ms" import-uvfits uvfits=demo:m87-eht.uvfits telescope=EHT
give synthetic.ms "$keep/synthetic.ms" make-ms
give m87-vlba.ms "$keep/mojave.ms" import-uvfits uvfits="$observations/mojave.uvfits"
give m87-jet.fits "$keep/m87-jet-image.fits" \
    wsclean ms=demo:m87-vlba.ms name=m87-jet size=1024 scale=0.12masec niter=3000 mgain=0.8 auto_threshold=2 auto_mask=4
PYTHONPATH=functions/tests /usr/bin/python3 -c '
import pathlib, sys
from harness import line_cube
line_cube(pathlib.Path(sys.argv[1]))' "$keep/line-cube.fits"
give line-cube.fits "$keep/line-cube.fits"
fringe data list demo:
