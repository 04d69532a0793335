package cwl

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"fringe"
)

// maxOutputJSON is the size that cwl.output.json may have.
const maxOutputJSON = 64 << 20

// Succeeded says whether the exit code counts as success, and, if not, whether
// the document says that a later try may succeed.
func (e *Execution) Succeeded(exitCode int) (ok, temporary bool) {
	for _, c := range e.tool.temporary {
		if c == exitCode {
			return false, true
		}
	}
	if len(e.tool.success) == 0 {
		return exitCode == 0, false
	}
	for _, c := range e.tool.success {
		if c == exitCode {
			return true, false
		}
	}
	return false, false
}

// Collect gathers the output object. Outdir is where the work directory lies on
// this machine. For what was staged, Stage says where it is: a Staged whose
// Source is set is looked for there, so the caller sets it to the private copy
// of what was staged writable, and to the file of what was staged from bytes
// outside of the work directory.
//
// Files of the output object have their path and location on this machine, and
// a basename; every one of them lies in outdir or in something staged. The
// error is a *fringe.Error whose component is UserCode or Collect.
func (e *Execution) Collect(outdir string, exitCode int) (map[string]any, error) {
	if ok, temporary := e.Succeeded(exitCode); !ok {
		err := &fringe.Error{Op: "cwl.Collect", Kind: fringe.Failed, Component: fringe.UserCode, Message: fmt.Sprintf("the program failed with exit code %d", exitCode)}
		if temporary {
			err.Kind = fringe.Unavailable
			err.Message = fmt.Sprintf("the program failed with exit code %d, which means that a later try may succeed", exitCode)
		}
		return nil, err
	}
	c := &collector{e: e, tree: e.tree(outdir)}
	e.ev.runtime["exitCode"] = int64(exitCode)
	e.ev.changed()
	out, err := c.collect()
	if err != nil {
		var known *fringe.Error
		if errors.As(err, &known) {
			return nil, err
		}
		return nil, &fringe.Error{Op: "cwl.Collect", Kind: fringe.Failed, Component: fringe.Collect, Message: err.Error()}
	}
	return out, nil
}

// Locate gives where a path that the tool sees lies on this machine. It
// refuses what is neither in the work directory nor in something staged, and
// follows symbolic links as the tool does.
func (e *Execution) Locate(outdir, inside string) (string, error) {
	_, host, _, err := e.tree(outdir).resolve(inside)
	return host, err
}

func (e *Execution) tree(outdir string) *outTree {
	t := &outTree{outDir: e.Dir, mounts: map[string]string{e.Dir: filepath.Clean(outdir)}}
	for _, s := range e.Stage {
		if s.Source != "" {
			t.mounts[s.Target] = s.Source
		}
	}
	return t
}

type collector struct {
	e    *Execution
	tree *outTree
}

func (c *collector) collect() (map[string]any, error) {
	t := c.e.tool
	written, err := c.outputJSON()
	if err != nil {
		return nil, err
	}
	out := make(map[string]any, len(t.Outputs))
	for i := range t.Outputs {
		o := &t.Outputs[i]
		v := written[o.Name]
		if written == nil {
			if v, err = c.port(&o.port, &o.Type); err != nil {
				return nil, fmt.Errorf("the output %s: %w", o.Name, err)
			}
		}
		if v, err = c.finish(v); err != nil {
			return nil, fmt.Errorf("the output %s: %w", o.Name, err)
		}
		if out[o.Name], err = o.checked(v); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// checked gives a value in the form of the output's type.
func (o *Output) checked(v any) (any, error) {
	if checked, ok := coerce(&o.Type, v); ok {
		return checked, nil
	}
	at, what := reason(&o.Type, v, "")
	if at != "" {
		return nil, fmt.Errorf("the output %s is wrong at %s: %s", o.Name, at, what)
	}
	return nil, fmt.Errorf("the output %s is %s; its type is %s", o.Name, what, clipType(o.Type))
}

// outputJSON reads cwl.output.json, with which a tool says its outputs itself;
// nil when there is none.
func (c *collector) outputJSON() (map[string]any, error) {
	_, host, st, err := c.tree.resolve(path.Join(c.e.Dir, "cwl.output.json"))
	if err != nil {
		if errors.Is(err, errOutside) {
			return nil, errors.New("cwl.output.json is a link that leads out of the work directory")
		}
		return nil, nil
	}
	if !st.Mode().IsRegular() || st.Size() > maxOutputJSON {
		return nil, fmt.Errorf("cwl.output.json is not a regular file of at most %d MiB", maxOutputJSON>>20)
	}
	f, err := os.Open(host)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxOutputJSON+1))
	if err != nil {
		return nil, err
	}
	return objectOf("cwl.output.json", text)
}

// objectOf decodes an output object, which errors call what.
func objectOf(what string, text []byte) (map[string]any, error) {
	var v any
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	if err := dec.Decode(&v); err != nil {
		return nil, fmt.Errorf("%s is not JSON: %w", what, err)
	}
	if _, err := dec.Token(); err != io.EOF {
		return nil, fmt.Errorf("%s has something behind its JSON", what)
	}
	v, _ = anyValue(v) // what has too many digits is left to the output's type
	out, ok := v.(map[string]any)
	if !ok {
		return nil, fmt.Errorf("%s is %s; it must be a JSON object", what, describe(v))
	}
	return out, nil
}

// port evaluates one output, or one field of a record.
func (c *collector) port(p *port, ty *Type) (any, error) {
	b := p.output
	if p.capture != "" {
		name := c.e.Stdout
		if p.capture == "stderr" {
			name = c.e.Stderr
		}
		b = &outputBinding{globs: []*template{{raw: name}}, hasGlob: true}
	}
	record := recordOf(ty)
	if b == nil {
		if record != nil {
			return c.fields(record)
		}
		if ty.Optional {
			return nil, nil
		}
		return nil, errors.New("the document has no outputBinding for it, and the program wrote no cwl.output.json")
	}
	found, err := c.globs(b, p.capture != "")
	if err != nil {
		return nil, err
	}
	var result any = found
	if b.eval != nil {
		if result, err = c.e.ev.eval(b.eval, found); err != nil {
			return nil, err
		}
	}
	if record != nil && b.eval == nil {
		return c.fields(record)
	}
	if result, err = single(ty, result, b, c); err != nil {
		return nil, err
	}
	if err := c.secondaryFiles(p, result); err != nil {
		return nil, err
	}
	if err := c.formats(p, result); err != nil {
		return nil, err
	}
	return result, nil
}

func recordOf(ty *Type) *Type {
	if ty.Kind == Record {
		return ty
	}
	return nil
}

func (c *collector) fields(ty *Type) (any, error) {
	out := map[string]any{}
	for i := range ty.Fields {
		f := &ty.Fields[i]
		v, err := c.port(&f.port, &f.Type)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", f.Name, err)
		}
		out[f.Name] = v
	}
	return out, nil
}

// wantsOneFile says whether the type holds one File or Directory, not a list.
func wantsOneFile(ty *Type) bool {
	if ty.Kind == File || ty.Kind == Directory {
		return true
	}
	for i := range ty.Options {
		if k := ty.Options[i].Kind; k == File || k == Directory {
			return true
		}
	}
	return false
}

// single takes the one file that the type asks for out of the list.
func single(ty *Type, result any, b *outputBinding, c *collector) (any, error) {
	list, isList := result.([]any)
	if isList && len(list) == 0 && ty.Optional && ty.Kind != Array {
		return nil, nil
	}
	if !wantsOneFile(ty) {
		return result, nil
	}
	if result == nil || isList && len(list) == 0 {
		if ty.Optional {
			return nil, nil
		}
		return nil, errors.New(c.missing(b))
	}
	if !isList {
		return result, nil
	}
	if len(list) > 1 {
		for i := range ty.Options {
			if ty.Options[i].Kind == Array {
				return result, nil
			}
		}
		return nil, fmt.Errorf("%d files match, but its type is %s", len(list), clipType(*ty))
	}
	return list[0], nil
}

// missing says what was looked for, and what is there instead.
func (c *collector) missing(b *outputBinding) string {
	var globs []string
	for _, g := range b.globs {
		if v, err := c.e.ev.eval(g, nil); err == nil {
			globs = append(globs, plain(v))
		}
	}
	names, _ := c.tree.names(c.e.Dir)
	there := "the work directory is empty"
	if len(names) > 0 {
		there = "the work directory has " + clipList(names)
	}
	return fmt.Sprintf("no file matches %s; %s", clip(strings.Join(globs, ", ")), there)
}

// globs gives the files that the patterns match, as objects with the paths
// that the tool saw.
func (c *collector) globs(b *outputBinding, literal bool) ([]any, error) {
	found := []any{}
	for _, g := range b.globs {
		v, err := c.e.ev.eval(g, nil)
		if err != nil {
			return nil, err
		}
		patterns, ok := v.([]any)
		if !ok {
			patterns = []any{v}
		}
		for _, e := range patterns {
			pattern, ok := e.(string)
			if e == nil || ok && pattern == "" {
				continue
			}
			if m, isObject := isFile(e); isObject {
				pattern, ok = m["path"].(string)
			}
			if !ok {
				return nil, fmt.Errorf("the glob gave %s; it must be a string or a list of strings", describe(e))
			}
			more, err := c.glob(pattern, b, literal)
			if err != nil {
				return nil, err
			}
			found = append(found, more...)
		}
	}
	return found, nil
}

func (c *collector) glob(pattern string, b *outputBinding, literal bool) ([]any, error) {
	var paths []string
	if literal {
		paths = []string{path.Join(c.e.Dir, pattern)}
	} else {
		var err error
		if paths, err = c.tree.glob(pattern); err != nil {
			return nil, err
		}
	}
	var out []any
	for _, p := range paths {
		m, err := c.object(p)
		if err != nil {
			return nil, err
		}
		if m["class"] == "Directory" {
			level := b.loadListing
			if level == "" {
				level = c.e.tool.req.loadListing
			}
			if level == "shallow_listing" || level == "deep_listing" {
				if m["listing"], err = c.listing(p, level == "deep_listing", 0); err != nil {
					return nil, err
				}
			}
		} else if b.loadContents {
			_, host, _, err := c.tree.resolve(p)
			if err != nil {
				return nil, err
			}
			if m["contents"], err = readContents(host); err != nil {
				return nil, err
			}
		}
		out = append(out, m)
	}
	return out, nil
}

// object makes the File or Directory at a path.
func (c *collector) object(p string) (map[string]any, error) {
	_, host, st, err := c.tree.resolve(p)
	switch {
	case errors.Is(err, errOutside):
		return nil, fmt.Errorf("%s leads out of the work directory", c.tree.shown(p))
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("there is no %s in the work directory", c.tree.shown(p))
	case err != nil:
		return nil, err
	}
	m := map[string]any{"class": "File", "location": FileURI(host)}
	switch {
	case st.IsDir():
		m["class"] = "Directory"
	case !st.Mode().IsRegular():
		return nil, fmt.Errorf("%s is not a regular file", c.tree.shown(p))
	default:
		m["size"] = st.Size()
	}
	setNames(m, p)
	return m, nil
}

func (c *collector) listing(dir string, deep bool, depth int) ([]any, error) {
	if depth > maxDepth {
		return nil, fmt.Errorf("%s is nested more than %d levels deep", c.tree.shown(dir), maxDepth)
	}
	names, err := c.tree.names(dir)
	if err != nil {
		return nil, err
	}
	list := make([]any, 0, len(names))
	for _, name := range names {
		p := path.Join(dir, name)
		m, err := c.object(p)
		if err != nil {
			return nil, err
		}
		if deep && m["class"] == "Directory" {
			if m["listing"], err = c.listing(p, true, depth+1); err != nil {
				return nil, err
			}
		}
		list = append(list, m)
	}
	return list, nil
}

func (c *collector) formats(p *port, result any) error {
	if len(p.formats) == 0 {
		return nil
	}
	for _, m := range primaries(result) {
		v, err := c.e.ev.eval(p.formats[0], m)
		if err != nil {
			return err
		}
		if text, ok := v.(string); ok && text != "" {
			m["format"] = text
		}
	}
	return nil
}
