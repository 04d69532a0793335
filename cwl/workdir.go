package cwl

import (
	"errors"
	"fmt"
	"path"
	"strings"
)

// dirent is one thing that InitialWorkDirRequirement puts into the work
// directory.
type dirent struct {
	object   map[string]any // File or Directory; nil when it is text
	text     string
	name     string
	writable bool
}

// workdir stages what InitialWorkDirRequirement lists.
func (s *stager) workdir(*Execution) error {
	q := &s.t.req
	items, err := s.items(q.workdir)
	if err != nil {
		return err
	}
	if q.listing != nil {
		v, err := s.ev.eval(q.listing, nil)
		if err != nil {
			return err
		}
		list, ok := v.([]any)
		if !ok && v != nil {
			return fmt.Errorf("the listing of InitialWorkDirRequirement gave %s; it must be a list", describe(v))
		}
		if items, err = s.values(list, 0); err != nil {
			return err
		}
	}
	for _, d := range items {
		if err := s.dirent(d); err != nil {
			return fmt.Errorf("InitialWorkDirRequirement: %w", err)
		}
	}
	s.ev.changed()
	return nil
}

func (s *stager) items(list []stagedItem) ([]dirent, error) {
	var out []dirent
	for i := range list {
		it := &list[i]
		var more []dirent
		var err error
		switch {
		case it.list != nil:
			more, err = s.items(it.list)
		case it.object != nil:
			more, err = s.values([]any{deepCopy(it.object)}, 0)
		case it.dirent:
			more, err = s.written(it)
		default:
			var v any
			if v, err = s.ev.eval(it.entry, nil); err == nil {
				more, err = s.values([]any{v}, 0)
			}
		}
		if err != nil {
			return nil, err
		}
		out = append(out, more...)
	}
	return out, nil
}

// written evaluates a Dirent of the document.
func (s *stager) written(it *stagedItem) ([]dirent, error) {
	v, err := s.ev.eval(it.entry, nil)
	if err != nil || v == nil {
		return nil, err
	}
	d := dirent{writable: it.writable}
	if it.name != nil {
		name, err := s.ev.eval(it.name, nil)
		if err != nil {
			return nil, err
		}
		text, ok := name.(string)
		if !ok || text == "" {
			return nil, fmt.Errorf("entryname gave %s; it must be a name", describe(name))
		}
		d.name = text
	}
	if list, ok := v.([]any); ok && onlyFiles(list) {
		if it.name != nil {
			return nil, errors.New("entryname cannot name a list of files; remove it, or give the list as the listing of a Directory")
		}
		out, err := s.values(list, 0)
		for i := range out {
			out[i].writable = it.writable
		}
		return out, err
	}
	if m, ok := isFile(v); ok {
		d.object = m
		return []dirent{d}, nil
	}
	if text, ok := v.(string); ok {
		d.text = text
	} else {
		d.text = dump(v)
	}
	return []dirent{d}, nil
}

func onlyFiles(list []any) bool {
	for _, e := range list {
		if _, ok := isFile(e); !ok {
			return false
		}
	}
	return true
}

// values takes what an expression gave: files, Dirents, null, and lists of
// them.
func (s *stager) values(list []any, depth int) ([]dirent, error) {
	if depth > maxDepth {
		return nil, fmt.Errorf("the listing is nested more than %d levels deep", maxDepth)
	}
	var out []dirent
	for _, e := range list {
		switch v := e.(type) {
		case nil:
		case []any:
			more, err := s.values(v, depth+1)
			if err != nil {
				return nil, err
			}
			out = append(out, more...)
		case map[string]any:
			d, err := direntOf(v)
			if err != nil {
				return nil, err
			}
			out = append(out, d...)
		default:
			return nil, fmt.Errorf("the listing of InitialWorkDirRequirement has %s; it must be a File, a Directory or a Dirent", describe(v))
		}
	}
	return out, nil
}

func direntOf(m map[string]any) ([]dirent, error) {
	if _, ok := isFile(m); ok {
		return []dirent{{object: m}}, nil
	}
	entry, ok := m["entry"]
	if !ok {
		return nil, fmt.Errorf("the listing of InitialWorkDirRequirement has %s; it must be a File, a Directory or a Dirent", describe(m))
	}
	if entry == nil {
		return nil, nil
	}
	d := dirent{}
	d.name, _ = m["entryname"].(string)
	d.writable, _ = m["writable"].(bool)
	if o, ok := isFile(entry); ok {
		d.object = o
	} else if text, ok := entry.(string); ok {
		d.text = text
	} else {
		d.text = dump(entry)
	}
	return []dirent{d}, nil
}

// dirent stages one thing.
func (s *stager) dirent(d dirent) error {
	target, err := s.entryTarget(d)
	if err != nil {
		return err
	}
	if d.object == nil {
		return s.add(Staged{Target: target, Literal: []byte(d.text), Writable: d.writable})
	}
	m := deepCopy(d.object).(map[string]any)
	old, _ := m["path"].(string)
	host, known := s.hosts[old]
	s.input = s.owner(old)
	defer func() { s.input = "" }()
	if !known {
		if host, err = hostPath(m); err != nil {
			return err
		}
	}
	if known && host == "" && m["class"] == "File" {
		m["contents"] = s.literal(old)
	}
	list, _ := m["secondaryFiles"].([]any)
	delete(m, "secondaryFiles")
	before := len(s.stage)
	if err := s.put(m, host, target); err != nil {
		return err
	}
	for _, e := range list {
		if sub, ok := isFile(e); ok {
			base, _ := sub["basename"].(string)
			if err := s.dirent(dirent{object: sub, name: path.Join(path.Dir(target), base), writable: d.writable}); err != nil {
				return err
			}
		}
	}
	for i := before; i < len(s.stage); i++ {
		s.stage[i].Writable = s.stage[i].Writable || d.writable
	}
	if known && old != target {
		move(s.ev.inputs, old, target)
	}
	return nil
}

// entryTarget gives the path at which a thing is seen.
func (s *stager) entryTarget(d dirent) (string, error) {
	name := d.name
	if name == "" && d.object != nil {
		name, _ = d.object["basename"].(string)
		if name == "" {
			place, _ := d.object["location"].(string)
			if place == "" {
				place, _ = d.object["path"].(string)
			}
			name = path.Base(place)
		}
		if err := checkBasename(name); err != nil {
			return "", err
		}
	}
	if name == "" {
		return "", errors.New("a Dirent whose entry is text has no entryname")
	}
	if path.IsAbs(name) {
		clean := path.Clean(name)
		if strings.HasPrefix(clean, s.rt.OutDir+"/") {
			return clean, nil
		}
		return "", fmt.Errorf("the entryname %q is absolute; only a container has room for that, and no tool runs in one", clip(name))
	}
	if err := checkBelow(name); err != nil {
		return "", err
	}
	if path.Clean(name) == "." {
		return "", fmt.Errorf("the entryname %q is not that of a file", name)
	}
	return path.Join(s.rt.OutDir, name), nil
}

// owner names the input whose file is seen at a path.
func (s *stager) owner(p string) string {
	for ; p != "/" && p != "." && p != ""; p = path.Dir(p) {
		if i, ok := s.targets[p]; ok {
			return s.stage[i].Input
		}
	}
	return ""
}

func (s *stager) literal(p string) string {
	if i, ok := s.targets[p]; ok {
		return string(s.stage[i].Literal)
	}
	return ""
}

// move changes the paths of the input object that lie at or below a place.
func move(v any, from, to string) {
	switch v := v.(type) {
	case []any:
		for _, e := range v {
			move(e, from, to)
		}
	case map[string]any:
		if m, ok := isFile(v); ok {
			p, _ := m["path"].(string)
			if p == from {
				setNames(m, to)
			} else if rest, below := strings.CutPrefix(p, from+"/"); below {
				setNames(m, to+"/"+rest)
			}
		}
		for _, e := range v {
			move(e, from, to)
		}
	}
}
