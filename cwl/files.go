package cwl

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"strings"

	"fringe"
)

// Bounds of what an attempt stages and collects.
const (
	maxContents = 64 << 10 // bytes of loadContents
	maxListing  = 100_000  // entries of a directory's listing, at all levels
	maxStaged   = 100_000  // staged files and directories
)

// hostPath gives the place of a File or Directory on this machine; "" when it
// has none, being written out.
func hostPath(m map[string]any) (string, error) {
	ref, _ := m["location"].(string)
	if ref == "" {
		if ref, _ = m["path"].(string); ref == "" {
			return "", nil
		}
		if !filepath.IsAbs(ref) {
			return "", fmt.Errorf("the path %q is relative; an absolute one is needed here", clip(ref))
		}
		return filepath.Clean(ref), nil
	}
	if strings.HasPrefix(ref, "_:") {
		return "", nil
	}
	if rest, ok := strings.CutPrefix(ref, "file://"); ok {
		u, err := url.Parse(ref)
		if err == nil && u.RawQuery == "" && u.Fragment == "" && (u.Host == "" || u.Host == "localhost") {
			rest = u.Path
		}
		ref = rest
	}
	if !filepath.IsAbs(ref) {
		if p, _ := m["path"].(string); filepath.IsAbs(p) {
			return filepath.Clean(p), nil
		}
		return "", fmt.Errorf("the location %q is not a file of this machine", clip(ref))
	}
	return filepath.Clean(ref), nil
}

// checkBasename refuses a name that is not that of one entry of a directory.
func checkBasename(name string) error {
	switch {
	case name == "" || name == "." || name == "..":
		return fmt.Errorf("%q cannot be the name of a file", name)
	case strings.ContainsAny(name, "/\x00"):
		return fmt.Errorf("the name %q has a slash or a zero byte", clip(name))
	case len(name) > 255:
		return fmt.Errorf("the name %q is longer than 255 bytes", clip(name))
	}
	return nil
}

// setNames fills the fields that follow from the path that the tool sees.
func setNames(m map[string]any, p string) {
	m["path"] = p
	base := path.Base(p)
	m["basename"] = base
	if m["class"] == "File" {
		m["dirname"] = path.Dir(p)
		m["nameroot"], m["nameext"] = splitExt(base)
	}
}

// splitExt parts a name as CWL does: a leading dot begins no extension.
func splitExt(name string) (root, ext string) {
	i := strings.LastIndexByte(name, '.')
	if i <= 0 || strings.Trim(name[:i], ".") == "" {
		return name, ""
	}
	return name[:i], name[i:]
}

// substitute applies a pattern of secondaryFiles to a name: each ^ takes an
// extension away, the rest is added.
func substitute(name, pattern string) string {
	for strings.HasPrefix(pattern, "^") {
		pattern = pattern[1:]
		name, _ = splitExt(name)
	}
	return name + pattern
}

// readContents reads a file for loadContents.
func readContents(host string) (string, error) {
	f, err := os.Open(host)
	if err != nil {
		return "", err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxContents+1))
	if err != nil {
		return "", err
	}
	if len(b) > maxContents {
		return "", fmt.Errorf("%s has more than 64 KiB; loadContents takes no more", filepath.Base(host))
	}
	return string(b), nil
}

// FileURI gives the file: location of an absolute path.
func FileURI(p string) string {
	return (&url.URL{Scheme: "file", Path: p}).String()
}

// deepCopy copies a value so that it can be changed. A value that goes in a
// circle cannot come from a document or from JSON.
func deepCopy(v any) any {
	switch v := v.(type) {
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			out[i] = deepCopy(e)
		}
		return out
	case map[string]any:
		out := make(map[string]any, len(v))
		for k, e := range v {
			out[k] = deepCopy(e)
		}
		return out
	}
	return v
}

func isFile(v any) (map[string]any, bool) {
	m, ok := v.(map[string]any)
	if !ok || m["class"] != "File" && m["class"] != "Directory" {
		return nil, false
	}
	return m, true
}

// eachFile calls f for each File and Directory in a value, outer ones first,
// not for those inside of them.
func eachFile(v any, f func(map[string]any) error) error {
	if m, ok := isFile(v); ok {
		return f(m)
	}
	switch v := v.(type) {
	case []any:
		for _, e := range v {
			if err := eachFile(e, f); err != nil {
				return err
			}
		}
	case map[string]any:
		for _, k := range keysOf(v) {
			if err := eachFile(v[k], f); err != nil {
				return err
			}
		}
	}
	return nil
}

// stageError says what is wrong with an input that must be staged.
func stageError(pointer string, err error) error {
	e := &fringe.Error{Op: "cwl.Prepare", Kind: fringe.Invalid, Component: fringe.Stage, Message: err.Error(), Pointer: pointer}
	if errors.Is(err, fs.ErrNotExist) {
		e.Kind = fringe.NotFound
	}
	var inner *fringe.Error
	if errors.As(err, &inner) {
		e.Message = inner.Message
		e.Kind = inner.Kind
	}
	return e
}
