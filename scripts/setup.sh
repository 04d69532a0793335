#!/usr/bin/env bash
# Install what is missing, and only that: setup.sh run|test|bench.
# Asks nothing. Where root is needed and cannot be had, it says which command
# an administrator must run. With everything there it takes well under a second.
set -euo pipefail
cd "$(dirname "$0")/.."

say() { echo "setup: $*"; }
fail() { for line in "$@"; do echo "setup: $line" >&2; done; exit 1; }

# What each group needs. wsclean, aoflagger, casacore-data: the tools of functions/.
# python3-*: what the environments in environments/ declare. gcc: the race detector, native workers.
packages=(wsclean aoflagger casacore-data python3-casacore python3-numpy python3-scipy
          python3-astropy python3-matplotlib python3-pil python3-venv curl git ca-certificates make)
case ${1:-run} in
run) ;;
test) packages+=(gcc libc6-dev procps util-linux libxml2-utils python3-pyvo python3-astroquery python3-requests) ;;
bench) packages+=(wrk gcc libc6-dev) ;;
*) echo "usage: setup.sh run|test|bench" >&2; exit 2 ;;
esac

check_go() {
    local want have
    want=$(awk '$1 == "go" {print $2}' go.mod)
    command -v go >/dev/null || fail "Go is not on the PATH." "Install Go $want or newer, then run make again."
    # Outside of a module, so that go does not fetch another toolchain to answer.
    have=$(cd / && GOTOOLCHAIN=local go env GOVERSION)
    have=${have#go}
    have=${have%% *}
    if [ "$(printf '%s\n%s\n' "$want" "$have" | sort -V | head -1)" != "$want" ] && [ "$(cd / && go env GOTOOLCHAIN)" = local ]; then
        fail "Go $have is on the PATH; $want or newer is needed."
    fi
}

# missing lists the packages that are not installed.
missing() {
    dpkg-query -W -f '${Package} ${db:Status-Status}\n' "${packages[@]}" 2>/dev/null |
        awk -v want="${packages[*]}" '$2 == "installed" {have[$1] = 1}
            END {n = split(want, w, " "); for (i = 1; i <= n; i++) if (!(w[i] in have)) print w[i]}'
}

install_packages() {
    local as_root=()
    if [ "$(id -u)" != 0 ]; then
        if command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
            as_root=(sudo -n)
        else
            fail "these packages are missing, and installing them needs root: $*" \
                "Ask an administrator to run:" \
                "  sudo apt-get update && sudo apt-get install -y --no-install-recommends $*" \
                "then run make again."
        fi
    fi
    local apt=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1
               apt-get -q -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3 -o Dpkg::Use-Pty=0)
    say "installing $*"
    "${apt[@]}" update || say "the lists of packages could not be fetched anew; going on with those that are there"
    "${apt[@]}" install -y --no-install-recommends "$@" </dev/null ||
        fail "apt-get could not install the packages; what it said is above." \
            "On Ubuntu, wsclean and aoflagger are in the section universe: sudo add-apt-repository universe"
}

# A name on the PATH is not yet the tool: other programs have these names too.
check_tools() {
    local said
    said=$(OPENBLAS_NUM_THREADS=1 wsclean -version 2>&1 || true)
    case $said in
    *"WSClean version"*) ;;
    *) fail "wsclean on the PATH ($(command -v wsclean || echo none)) is not the imager; it says: ${said:0:200}" ;;
    esac
    # The whole import takes most of a second; finding the modules does not.
    local how="find_spec(m) or sys.exit(m)"
    if [ "$1" = thorough ]; then how="__import__(m)"; fi
    said=$(/usr/bin/python3 -c "
import sys
from importlib.util import find_spec
for m in ('numpy', 'scipy', 'astropy', 'matplotlib', 'PIL', 'casacore', 'venv', 'ensurepip'): $how" 2>&1) ||
        fail "/usr/bin/python3 has not all modules that the packages above bring: ${said##*$'\n'}"
}

# The validators of RO-Crates and of OpenAPI documents have a virtual environment
# of their own, in the user's cache; rocrate brings the context that crates name, so
# that they need no network.
validators() {
    local dir=${XDG_CACHE_HOME:-$HOME/.cache}/fringe/validators
    local want="roc-validator==0.13.0 rocrate==0.16.0 openapi-spec-validator==0.9.0"
    [ "$(cat "$dir/installed" 2>/dev/null)" != "$want" ] || return 0
    say "installing $want"
    rm -rf "$dir"
    /usr/bin/python3 -m venv "$dir"
    # shellcheck disable=SC2086 # several words
    "$dir/bin/pip" install -q --disable-pip-version-check $want ||
        fail "pip could not install the validators; what it said is above."
    echo "$want" >"$dir/installed"
}

check_go
command -v dpkg-query >/dev/null ||
    fail "this set-up knows Debian and Ubuntu. Elsewhere install by hand: ${packages[*]}"
mapfile -t lacking < <(missing)
if [ ${#lacking[@]} -gt 0 ]; then
    install_packages "${lacking[@]}"
    check_tools thorough
else
    check_tools quick
fi
if [ "${1:-run}" = test ]; then validators; fi
