// Package build turns an environment's declaration into a built environment:
// packages at exact versions, at an immutable place named by a digest.
//
// A declaration is a short YAML document, environment.yaml. [Parse] reads it
// and refuses what it does not know by file and line. [Builder.Build] resolves
// it:
//
//   - apt packages that the host has already are used where they are: the
//     environment is the host's own root, and its digest covers the exact
//     versions of the packages and of all they depend on.
//   - apt packages that the host has not are installed into a layer: a
//     directory that a driver lays over the root by overlayfs. The host itself
//     is not changed. Making a layer needs root.
//   - pip packages are installed into a virtual environment of the declared
//     system interpreter.
//   - Python files that lie beside the declaration are kept as modules that the
//     environment's functions import.
//
// Invariants: an environment that has a manifest is whole, for the manifest is
// written last and renamed into place; whatever an interrupted build leaves is
// removed by the next one. A failed build changes nothing of earlier builds.
// Two builds of one environment, also by two processes, run one after the
// other.
//
// What is kept below Config.Dir:
//
//	environments/DIGEST.json  manifests
//	layers/DIGEST/            upper directories of overlays, read-only
//	venvs/KEY/                virtual environments, read-only; complete when .fringe.json is in
//	modules/KEY/              Python files
//	last/NAME.json            the digest of the last build of a name and what it was made from
//	logs/NAME-TIME.log        what the tools said
//	locks/                    one file a lock
//	tmp/                      work of builds that run now
//
// Rooms gateway (build, remove) and site (the environment of a call) call this
// room, and server sets it up; room catalogue keeps which digest a name stands for.
package build
