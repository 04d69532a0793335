package cwl

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"sort"
	"strings"
)

const maxVisited = 1_000_000 // entries of output directories that are looked at

var errOutside = errors.New("leads out of the work directory")

// outTree finds what the tool saw at a path. Places that were mounted for the
// tool are looked up where they came from, and symbolic links are followed as
// the tool would have followed them; nothing else of this machine is reached.
type outTree struct {
	outDir  string            // as the tool saw it
	mounts  map[string]string // path as the tool saw it → path on this machine
	visited int
}

// place gives where a path without symbolic links lies; "" when it is below no
// mount.
func (t *outTree) place(p string) string {
	rest := ""
	for {
		if host, ok := t.mounts[p]; ok {
			return filepath.Join(host, filepath.FromSlash(rest))
		}
		if p == "/" || p == "." {
			return ""
		}
		rest = path.Join(path.Base(p), rest)
		p = path.Dir(p)
	}
}

// leadsTo says whether a mount lies below the path.
func (t *outTree) leadsTo(p string) bool {
	if p == "/" {
		return true
	}
	for m := range t.mounts {
		if strings.HasPrefix(m, p+"/") {
			return true
		}
	}
	return false
}

// resolve follows a path and gives where it ends, as the tool saw it and on
// this machine.
func (t *outTree) resolve(p string) (inside, host string, st fs.FileInfo, err error) {
	pending := strings.Split(path.Clean(p), "/")
	inside = "/"
	links := 0
	for len(pending) > 0 {
		name := pending[0]
		pending = pending[1:]
		switch name {
		case "", ".":
			continue
		case "..":
			inside = path.Dir(inside)
			continue
		}
		next := path.Join(inside, name)
		host = t.place(next)
		if host == "" {
			if !t.leadsTo(next) {
				return "", "", nil, errOutside
			}
			inside = next
			continue
		}
		if _, mounted := t.mounts[next]; mounted {
			inside = next
			continue
		}
		if st, err = os.Lstat(host); err != nil {
			return "", "", nil, err
		}
		if st.Mode()&fs.ModeSymlink == 0 {
			inside = next
			continue
		}
		if links++; links > 40 {
			return "", "", nil, errors.New("goes through more than 40 symbolic links")
		}
		link, err := os.Readlink(host)
		if err != nil {
			return "", "", nil, err
		}
		if path.IsAbs(link) {
			inside = "/"
		}
		pending = append(strings.Split(link, "/"), pending...)
	}
	if host = t.place(inside); host == "" {
		return "", "", nil, errOutside
	}
	st, err = os.Stat(host)
	return inside, host, st, err
}

// names lists a directory, sorted.
func (t *outTree) names(dir string) ([]string, error) {
	_, host, st, err := t.resolve(dir)
	if err != nil || !st.IsDir() {
		return nil, err
	}
	entries, err := os.ReadDir(host)
	if err != nil {
		return nil, err
	}
	if t.visited += len(entries); t.visited > maxVisited {
		return nil, fmt.Errorf("the outputs have more than %d entries", maxVisited)
	}
	names := make([]string, len(entries))
	for i, e := range entries {
		names[i] = e.Name()
	}
	return names, nil
}

// glob gives the paths, as the tool saw them, that match a pattern below the
// work directory, sorted by their bytes.
func (t *outTree) glob(pattern string) ([]string, error) {
	if rest, ok := strings.CutPrefix(pattern, t.outDir); ok && (rest == "" || rest[0] == '/') {
		pattern = "." + rest
	}
	if path.IsAbs(pattern) {
		return nil, fmt.Errorf("the glob %q is absolute; outputs are looked for in the work directory", clip(pattern))
	}
	if err := checkBelow(pattern); err != nil {
		return nil, fmt.Errorf("the glob %q leads out of the work directory", clip(pattern))
	}
	found := []string{t.outDir}
	for _, part := range strings.Split(path.Clean(pattern), "/") {
		if part == "." {
			continue
		}
		var next []string
		for _, dir := range found {
			more, err := t.matches(dir, part)
			if err != nil {
				return nil, err
			}
			next = append(next, more...)
		}
		found = next
	}
	sort.Strings(found)
	return found, nil
}

func (t *outTree) matches(dir, part string) ([]string, error) {
	literal := path.Join(dir, part)
	if !strings.ContainsAny(part, `*?[\`) {
		if t.exists(literal) {
			return []string{literal}, nil
		}
		return nil, nil
	}
	names, err := t.names(dir)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, errOutside) {
			return nil, nil
		}
		return nil, err
	}
	shell := strings.ReplaceAll(part, "[!", "[^")
	var out []string
	for _, name := range names {
		ok, err := path.Match(shell, name)
		if err != nil {
			break
		}
		if ok && (name[0] != '.' || part[0] == '.') {
			out = append(out, path.Join(dir, name))
		}
	}
	if out == nil && t.exists(literal) {
		out = []string{literal}
	}
	return out, nil
}

// exists says whether there is an entry; one that is a link which leads out of
// the work directory is there too, and is refused when it is collected.
func (t *outTree) exists(p string) bool {
	_, _, _, err := t.resolve(p)
	return err == nil || errors.Is(err, errOutside)
}

// check refuses a directory that holds what may not leave the work directory.
func (t *outTree) check(dir string, depth int) error {
	if depth > 4*maxDepth {
		return fmt.Errorf("%s is nested too deeply", dir)
	}
	names, err := t.names(dir)
	if err != nil {
		return err
	}
	for _, name := range names {
		p := path.Join(dir, name)
		_, host, st, err := t.resolve(p)
		switch {
		case errors.Is(err, errOutside):
			return fmt.Errorf("%s is a link that leads out of the work directory", t.shown(p))
		case err != nil:
			continue
		case !st.IsDir():
			if !st.Mode().IsRegular() {
				return fmt.Errorf("%s is not a regular file", t.shown(p))
			}
			continue
		}
		if l, err := os.Lstat(t.place(p)); err == nil && l.Mode()&fs.ModeSymlink != 0 && host != t.place(p) {
			continue
		}
		if err := t.check(p, depth+1); err != nil {
			return err
		}
	}
	return nil
}

// shown gives a path for messages: relative to the work directory.
func (t *outTree) shown(p string) string {
	return strings.TrimPrefix(p, t.outDir+"/")
}
