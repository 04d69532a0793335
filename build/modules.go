package build

import (
	"os"
	"path/filepath"
	"regexp"

	"fringe"
)

// maxModules bounds the modules of one environment, in bytes.
const maxModules = 1 << 20

var moduleFileRE = regexp.MustCompile(`^[A-Za-z_]\w*\.py$`)

// WithModules gives d with Python files, by name, that every function of the
// environment can import.
func (d Declaration) WithModules(files map[string]string) (Declaration, error) {
	bad := func(name, message, cure string) (Declaration, error) {
		return Declaration{}, &fringe.Error{Op: "build.WithModules", Kind: fringe.Invalid, Component: fringe.Build, Message: name + ": " + message, Cure: cure}
	}
	if len(files) == 0 {
		return d, nil
	}
	size := 0
	for _, name := range sortedKeys(files) {
		if size += len(files[name]); size > maxModules {
			return bad(name, "the modules of the environment are larger than 1 MiB in all", "make a package of them, and name it in packages.pip")
		}
		if !moduleFileRE.MatchString(name) {
			return bad(name, "this is not the name of a Python module", "name it like a variable, with .py")
		}
	}
	if d.Python == "" {
		return bad(sortedKeys(files)[0], "the environment has no interpreter to import it", `add python: "3" to its declaration`)
	}
	d.Modules = files
	return d, nil
}

// modules writes the environment's modules to a place named by their digest,
// and gives its name; empty when there are none.
func (b *Builder) modules(d Declaration) (string, error) {
	if len(d.Modules) == 0 {
		return "", nil
	}
	name := hexOf(digestOf(d.Modules))[:32]
	dir := filepath.Join(b.dir, "modules", name)
	if exists(dir) {
		return name, nil
	}
	tmp, err := os.MkdirTemp(filepath.Join(b.dir, "tmp"), "modules-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(tmp)
	for _, file := range sortedKeys(d.Modules) {
		if err := os.WriteFile(filepath.Join(tmp, file), []byte(d.Modules[file]), 0o444); err != nil {
			return "", err
		}
	}
	if err := os.Chmod(tmp, 0o755); err != nil {
		return "", err
	}
	if err := os.Rename(tmp, dir); err != nil && !exists(dir) { // two builds may write the same
		return "", err
	}
	return name, nil
}
