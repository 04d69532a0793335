#!/usr/bin/env bash
# Install what is missing, and only that: setup.sh run|test|bench.
# Asks nothing. Where root is needed and cannot be had, it says which command
# an administrator must run.
set -euo pipefail

group=${1:-run}
packages=(wsclean aoflagger casacore-tools casacore-data python3-casacore python3-numpy python3-scipy
          python3-astropy python3-matplotlib python3-pil python3-venv curl git ca-certificates)
case $group in
run) ;;
test) packages+=(procps) ;;
bench) packages+=(wrk) ;;
*) echo "usage: setup.sh run|test|bench" >&2; exit 2 ;;
esac

if ! command -v go >/dev/null; then
    echo "Go is not on the PATH. Install Go $(awk '$1 == "go" {print $2}' go.mod) or newer, then run make again." >&2
    exit 1
fi
if ! command -v dpkg-query >/dev/null; then
    echo "This set-up knows Debian and Ubuntu. Elsewhere install by hand: ${packages[*]}" >&2
    exit 1
fi

missing=()
for p in "${packages[@]}"; do
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$p" 2>/dev/null || true)" = installed ] || missing+=("$p")
done
if [ ${#missing[@]} -gt 0 ]; then
    as_root=()
    if [ "$(id -u)" != 0 ]; then
        if sudo -n true 2>/dev/null; then
            as_root=(sudo -n)
        else
            echo "These packages are missing and installing them needs root: ${missing[*]}" >&2
            echo "Ask an administrator to run:" >&2
            echo "  sudo apt-get install --no-install-recommends ${missing[*]}" >&2
            exit 1
        fi
    fi
    echo "installing ${missing[*]}"
    export DEBIAN_FRONTEND=noninteractive
    apt=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0)
    "${apt[@]}" update -q
    "${apt[@]}" install -y -q --no-install-recommends "${missing[@]}"
fi

# A name on the PATH is not yet the tool: other programs have these names too.
if ! OPENBLAS_NUM_THREADS=1 wsclean -version 2>&1 | grep -q "WSClean version"; then
    echo "wsclean on the PATH is not the imager; it says: $(wsclean -version 2>&1 | head -2)" >&2
    exit 1
fi
if ! /usr/bin/python3 -c "import numpy, scipy, astropy, matplotlib, PIL, casacore.tables" 2>/dev/null; then
    echo "/usr/bin/python3 does not import numpy, scipy, astropy, matplotlib, PIL and casacore" >&2
    exit 1
fi
