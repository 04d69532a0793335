package server

import (
	"fmt"
	"path/filepath"

	"fringe"
)

// checkRoots refuses data roots that hold the site's directory or lie in it:
// they would open its store and the operator's token to callers.
func checkRoots(dir string, roots []string) error {
	at, err := resolved(dir)
	if err != nil {
		return fringe.E("server.checkRoots", err)
	}
	for _, root := range roots {
		r, err := resolved(root)
		if err != nil {
			return fringe.E("server.checkRoots", err)
		}
		if below(at, r) || below(r, at) {
			return &fringe.Error{Op: "server.checkRoots", Kind: fringe.Invalid, Component: fringe.Data,
				Message: fmt.Sprintf("the data root %s and the site's directory %s overlap, which would open the site's own files to callers", root, dir),
				Cure:    "name directories of data only with --data-root, or keep the site elsewhere with --dir"}
		}
	}
	return nil
}

// resolved gives path without symbolic links; what is not there yet stays as
// it is written.
func resolved(path string) (string, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	rest := ""
	for at := abs; ; at, rest = filepath.Dir(at), filepath.Join(filepath.Base(at), rest) {
		if real, err := filepath.EvalSymlinks(at); err == nil {
			return filepath.Join(real, rest), nil
		}
		if at == filepath.Dir(at) {
			return abs, nil
		}
	}
}

// below says whether path is dir or in it.
func below(path, dir string) bool {
	rel, err := filepath.Rel(dir, path)
	return err == nil && filepath.IsLocal(rel)
}
