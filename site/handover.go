package site

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"fringe"
)

// handOver opens the files among the outputs of a service's answer, which are
// in the call's directory: inside for the instance, dir here. They outlive the
// directory, and nothing of them is kept at the site.
func (a *Answer) handOver(inside, dir string) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return fringe.E("site.handOver", err)
	}
	defer root.Close()
	a.Files = map[string]*os.File{}
	for name, v := range a.Outputs {
		o, _ := v.(map[string]any)
		if o["class"] != "File" {
			continue
		}
		said, _ := o["path"].(string)
		rel := said
		if filepath.IsAbs(said) {
			rel, err = filepath.Rel(inside, said)
		}
		var f *os.File
		if err == nil { // what is a pipe must not block
			f, err = root.OpenFile(rel, os.O_RDONLY|syscall.O_NONBLOCK, 0)
		}
		if err == nil {
			a.Files[name] = f
			var st os.FileInfo
			if st, err = f.Stat(); err == nil && !st.Mode().IsRegular() {
				err = fmt.Errorf("%s is not a file", said)
			}
		}
		if err != nil {
			a.Close()
			return &fringe.Error{Op: "site.handOver", Kind: fringe.Failed, Component: fringe.Collect, Err: err,
				Message: fmt.Sprintf("the output %s names %q, which is no file in the call's directory", name, said)}
		}
	}
	return nil
}

// Close closes the files that were handed over.
func (a *Answer) Close() {
	for _, f := range a.Files {
		f.Close()
	}
}
