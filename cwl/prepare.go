package cwl

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"

	"fringe"
)

// Prepare works out what must run for an input object that Validate gave. It
// reads sizes of files, listings and contents that the document asks for, and
// changes nothing. Files must be on this machine: a path, or a file: location.
//
// The error is a *fringe.Error of kind Invalid or NotFound, with the pointer
// of the input where it is about one.
func (t *Tool) Prepare(inputs map[string]any, rt Runtime) (*Execution, error) {
	if !path.IsAbs(rt.OutDir) || !path.IsAbs(rt.TmpDir) || !path.IsAbs(rt.InputDir) {
		return nil, fringe.Errorf("cwl.Prepare", fringe.Internal, "the directories of the runtime must be absolute paths")
	}
	s := &stager{t: t, rt: rt, targets: map[string]int{}, hosts: map[string]string{}}
	s.ev = &evaluator{inputs: deepCopy(inputs).(map[string]any), script: t.script}
	if t.script != nil && rt.ExpressionTime > 0 {
		s.ev.script = &script{lib: t.script.lib, limit: rt.ExpressionTime}
	}
	e := &Execution{Dir: rt.OutDir, Inputs: s.ev.inputs, tool: t, ev: s.ev}
	for _, step := range []func(*Execution) error{s.inputs, s.runtime, s.workdir, s.settings, s.commandLine} {
		if err := step(e); err != nil {
			var known *fringe.Error
			if errors.As(err, &known) {
				return nil, err
			}
			return nil, &fringe.Error{Op: "cwl.Prepare", Kind: fringe.Invalid, Component: fringe.Stage, Message: err.Error()}
		}
	}
	e.Stage = s.stage
	return e, nil
}

// stager prepares one execution.
type stager struct {
	t       *Tool
	rt      Runtime
	ev      *evaluator
	stage   []Staged
	targets map[string]int    // Target → index in stage
	hosts   map[string]string // path as the tool sees it → path on this machine
	count   int               // directories below InputDir
	listed  int               // entries of listings
	input   string            // name of the input being staged
}

// inputs stages the files of the input object, and loads what it asks for.
func (s *stager) inputs(*Execution) error {
	for i := range s.t.Inputs {
		in := &s.t.Inputs[i]
		v := s.ev.inputs[in.Name]
		if v == nil || !in.files {
			continue
		}
		s.input = in.Name
		err := eachFile(v, func(m map[string]any) error {
			s.count++
			return s.file(m, path.Join(s.rt.InputDir, fmt.Sprint(s.count)))
		})
		if err != nil {
			return stageError("/"+escapePointer(in.Name), fmt.Errorf("the input %s: %w", in.Name, err))
		}
	}
	for i := range s.t.Inputs {
		in := &s.t.Inputs[i]
		if v := s.ev.inputs[in.Name]; v != nil && in.files {
			s.input = in.Name
			if err := s.port(&in.port, &in.Type, v); err != nil {
				return stageError("/"+escapePointer(in.Name), fmt.Errorf("the input %s: %w", in.Name, err))
			}
		}
	}
	s.input = ""
	s.ev.changed()
	return nil
}

// file stages a File or Directory object into a directory and completes it.
func (s *stager) file(m map[string]any, dir string) error {
	host, err := hostPath(m)
	if err != nil {
		return err
	}
	base, _ := m["basename"].(string)
	if base == "" {
		if base = filepath.Base(host); host == "" {
			base = fmt.Sprintf("literal-%d", s.count)
		}
	}
	if err := checkBasename(base); err != nil {
		return err
	}
	target := path.Join(dir, base)
	if err := s.put(m, host, target); err != nil {
		return err
	}
	list, _ := m["secondaryFiles"].([]any)
	for _, e := range list {
		if sub, ok := isFile(e); ok {
			if err := s.file(sub, dir); err != nil {
				return err
			}
		}
	}
	return nil
}

// put stages one object, without its secondary files, at a path.
func (s *stager) put(m map[string]any, host, target string) error {
	directory := m["class"] == "Directory"
	item := Staged{Source: host, Target: target, Directory: directory, Input: s.input}
	if host == "" && !directory {
		contents, ok := m["contents"].(string)
		if !ok {
			return errors.New("a File has neither a location nor contents")
		}
		item.Literal = []byte(contents)
		m["size"] = int64(len(contents))
		m["location"] = "_:" + target
	}
	if host != "" {
		st, err := os.Stat(host)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return fmt.Errorf("there is no %s%w", host, quiet{err})
		case err != nil:
			return err
		case directory && !st.IsDir():
			return fmt.Errorf("%s is a file, not a directory", host)
		case !directory && st.IsDir():
			return fmt.Errorf("%s is a directory, not a file", host)
		case !directory && !st.Mode().IsRegular():
			return fmt.Errorf("%s is not a regular file", host)
		case !directory:
			m["size"] = st.Size()
		}
		if _, given := m["location"].(string); !given {
			m["location"] = FileURI(host)
		}
	}
	if err := s.add(item); err != nil {
		return err
	}
	setNames(m, target)
	if format, ok := m["format"].(string); ok {
		m["format"] = expandIRI(s.t.namespaces, format)
	}
	s.hosts[target] = host
	if directory && host == "" {
		return s.literalDirectory(m, target)
	}
	return nil
}

// quiet keeps a cause without its text.
type quiet struct{ error }

// Error implements error.
func (quiet) Error() string { return "" }

// Unwrap gives the cause.
func (q quiet) Unwrap() error { return q.error }

func (s *stager) literalDirectory(m map[string]any, target string) error {
	m["location"] = "_:" + target
	list, _ := m["listing"].([]any)
	for _, e := range list {
		sub, ok := isFile(e)
		if !ok {
			return fmt.Errorf("the listing of a Directory has %s", describe(e))
		}
		if err := s.file(sub, target); err != nil {
			return err
		}
	}
	return nil
}

// add puts an item on the list of what must be staged.
func (s *stager) add(item Staged) error {
	if i, twice := s.targets[item.Target]; twice {
		old := s.stage[i]
		if old.Source == item.Source && old.Directory == item.Directory && string(old.Literal) == string(item.Literal) && old.Writable == item.Writable {
			return nil
		}
		return fmt.Errorf("two different files would be seen as %s", path.Base(item.Target))
	}
	if len(s.stage) >= maxStaged {
		return fmt.Errorf("there are more than %d files", maxStaged)
	}
	for p := path.Dir(item.Target); p != "/"; p = path.Dir(p) {
		if i, ok := s.targets[p]; ok {
			if up := s.stage[i]; !up.Directory || up.Source != "" && !up.Writable {
				return fmt.Errorf("%s would be put into %s, which is an input and must not change", path.Base(item.Target), path.Base(p))
			}
		}
	}
	s.targets[item.Target] = len(s.stage)
	s.stage = append(s.stage, item)
	return nil
}

// port loads what an input or a field asks for: secondary files, contents,
// listings; and checks formats that are expressions.
func (s *stager) port(p *port, ty *Type, v any) error {
	if v == nil {
		return nil
	}
	if m, ok := isFile(v); ok {
		return s.loadFile(p, m)
	}
	switch v := v.(type) {
	case []any:
		items := &Type{Kind: Any}
		if ty.Kind == Array {
			items = ty.Items
		}
		for _, e := range v {
			if err := s.port(p, items, e); err != nil {
				return err
			}
		}
	case map[string]any:
		for i := range ty.Fields {
			f := &ty.Fields[i]
			if err := s.port(&f.port, &f.Type, v[f.Name]); err != nil {
				return err
			}
		}
	}
	if ty.Kind == Union {
		for i := range ty.Options {
			if _, ok := coerce(&ty.Options[i], v); ok {
				return s.port(p, &ty.Options[i], v)
			}
		}
	}
	return nil
}

func (s *stager) loadFile(p *port, m map[string]any) error {
	target, _ := m["path"].(string)
	host := s.hosts[target]
	if m["class"] == "Directory" {
		level := p.loadListing
		if level == "" {
			level = s.t.req.loadListing
		}
		if level == "" && s.t.Version == "v1.0" {
			level = "deep_listing"
		}
		if host != "" && (level == "shallow_listing" || level == "deep_listing") {
			list, err := s.listing(host, target, level == "deep_listing", 0)
			if err != nil {
				return err
			}
			m["listing"] = list
		}
		return nil
	}
	if p.loadContents && host != "" {
		text, err := readContents(host)
		if err != nil {
			return err
		}
		m["contents"] = text
	}
	if p.loadContents && host == "" {
		if text, _ := m["contents"].(string); len(text) > maxContents {
			return errors.New("the contents have more than 64 KiB; loadContents takes no more")
		}
	}
	if err := s.dynamicFormats(p, m); err != nil {
		return err
	}
	return s.secondaryFiles(p, m, host)
}

func (s *stager) dynamicFormats(p *port, m map[string]any) error {
	var formats []string
	dynamic := false
	for _, f := range p.formats {
		v, err := s.ev.eval(f, m)
		if err != nil {
			return err
		}
		dynamic = dynamic || f.parts != nil
		switch v := v.(type) {
		case string:
			formats = append(formats, v)
		case []any:
			for _, e := range v {
				if text, ok := e.(string); ok {
					formats = append(formats, text)
				}
			}
		}
	}
	if !dynamic || len(formats) == 0 {
		return nil
	}
	if message := s.t.formatMessage(formats, m); message != "" {
		return errors.New("the file" + message)
	}
	return nil
}

// listing gives the entries of a directory, in the order of their names.
func (s *stager) listing(host, target string, deep bool, depth int) ([]any, error) {
	if depth > maxDepth {
		return nil, fmt.Errorf("the directory %s is nested more than %d levels deep", host, maxDepth)
	}
	entries, err := os.ReadDir(host)
	if err != nil {
		return nil, err
	}
	list := make([]any, 0, len(entries))
	for _, e := range entries {
		if s.listed++; s.listed > maxListing {
			return nil, fmt.Errorf("the directory %s has more than %d entries", host, maxListing)
		}
		full := filepath.Join(host, e.Name())
		st, err := os.Stat(full)
		if err != nil {
			continue
		}
		m := map[string]any{"class": "File", "location": FileURI(full)}
		if st.IsDir() {
			m["class"] = "Directory"
		} else {
			m["size"] = st.Size()
		}
		p := path.Join(target, e.Name())
		setNames(m, p)
		s.hosts[p] = full
		if st.IsDir() && deep {
			sub, err := s.listing(full, p, true, depth+1)
			if err != nil {
				return nil, err
			}
			m["listing"] = sub
		}
		list = append(list, m)
	}
	return list, nil
}
