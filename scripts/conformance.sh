#!/bin/sh
# Runs the public CWL v1.2 conformance suite against fringe cwl-runner.
#
#   scripts/conformance.sh SUITE_DIR [cwltest options]
#
# SUITE_DIR is a checkout of the common-workflow-language/cwl-v1.2 repository.
# Without further options the CommandLineTool tests are run; give --tags
# required, -s ID,ID or the like for others. FRINGE names the binary
# (bin/fringe), CWLTEST the runner (else cwltest is installed into a virtual
# environment that is kept in the user's cache directory).
set -eu

suite=${1:?"usage: conformance.sh SUITE_DIR [cwltest options]"}
shift
[ -f "$suite/conformance_tests.yaml" ] || {
	echo "conformance.sh: $suite has no conformance_tests.yaml; give a checkout of common-workflow-language/cwl-v1.2" >&2
	exit 2
}
here=$(cd "$(dirname "$0")/.." && pwd)
fringe=${FRINGE:-$here/bin/fringe}
[ -x "$fringe" ] || {
	echo "conformance.sh: there is no $fringe; run make build" >&2
	exit 2
}
cwltest=${CWLTEST:-$(command -v cwltest || true)}
if [ -z "$cwltest" ]; then
	venv=${XDG_CACHE_HOME:-$HOME/.cache}/fringe/cwltest
	[ -x "$venv/bin/cwltest" ] || {
		python3 -m venv "$venv"
		"$venv/bin/pip" install --quiet cwltest
	}
	cwltest=$venv/bin/cwltest
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT INT TERM
# cwltest calls a runner by one word.
printf '#!/bin/sh\nexec "%s" cwl-runner "$@"\n' "$fringe" >"$work/fringe-cwl-runner"
chmod +x "$work/fringe-cwl-runner"
[ $# -gt 0 ] || set -- --tags command_line_tool
cd "$suite"
TMPDIR=$work "$cwltest" --test conformance_tests.yaml --tool "$work/fringe-cwl-runner" -j2 --timeout 60 "$@"
