package cwl

import (
	"fmt"
	"os"
	"path"
	"path/filepath"
)

// secondaryFiles finds what belongs to a file and stages it beside it.
func (s *stager) secondaryFiles(p *port, m map[string]any, host string) error {
	if len(p.secondary) == 0 {
		return nil
	}
	have, _ := m["secondaryFiles"].([]any)
	names := map[string]bool{}
	for _, e := range have {
		if sub, ok := isFile(e); ok {
			name, _ := sub["basename"].(string)
			names[name] = true
		}
	}
	base, _ := m["basename"].(string)
	dir, _ := m["dirname"].(string)
	for i := range p.secondary {
		found, required, err := s.ev.secondaryOf(&p.secondary[i], m, base)
		if err != nil {
			return err
		}
		for _, e := range found {
			sub, err := s.findSecondary(e, host)
			if err != nil {
				return err
			}
			name, _ := sub["basename"].(string)
			if names[name] {
				continue
			}
			if sub["class"] == nil {
				if required {
					return fmt.Errorf("%s must come with %s, which is not there", base, name)
				}
				continue
			}
			if err := s.file(sub, dir); err != nil {
				return err
			}
			names[name] = true
			have = append(have, sub)
		}
	}
	m["secondaryFiles"] = have
	return nil
}

// findSecondary turns a name into an object; its class is missing when no such
// file is there.
func (s *stager) findSecondary(e any, host string) (map[string]any, error) {
	if sub, ok := isFile(e); ok {
		sub = deepCopy(sub).(map[string]any)
		p, _ := sub["path"].(string)
		if known := s.hosts[p]; known != "" {
			sub["location"] = FileURI(known)
		}
		delete(sub, "path")
		if name, _ := sub["basename"].(string); name == "" {
			place, err := hostPath(sub)
			if err != nil {
				return nil, err
			}
			sub["basename"] = filepath.Base(place)
		}
		return sub, nil
	}
	name, ok := e.(string)
	if !ok {
		return nil, fmt.Errorf("secondaryFiles gave %s; it must be a name or a File", describe(e))
	}
	if err := checkBasename(name); err != nil {
		return nil, err
	}
	sub := map[string]any{"basename": name}
	if host == "" {
		return sub, nil
	}
	full := filepath.Join(filepath.Dir(host), name)
	st, err := os.Stat(full)
	if err != nil {
		return sub, nil
	}
	sub["class"], sub["location"] = "File", FileURI(full)
	if st.IsDir() {
		sub["class"] = "Directory"
	}
	return sub, nil
}

// secondaryOf evaluates one pattern for a file: names or objects, and whether
// they must be there.
func (ev *evaluator) secondaryOf(p *secondary, primary map[string]any, base string) (found []any, required bool, err error) {
	required = p.needed
	if p.required != nil {
		v, err := ev.eval(p.required, primary)
		if err != nil {
			return nil, false, err
		}
		required = v == true
	}
	if p.pattern.parts == nil {
		return []any{substitute(base, p.pattern.raw)}, required, nil
	}
	v, err := ev.eval(p.pattern, primary)
	if err != nil {
		return nil, false, err
	}
	list, ok := v.([]any)
	if !ok {
		list = []any{v}
	}
	for _, e := range list {
		if e != nil {
			found = append(found, e)
		}
	}
	return found, required, nil
}

// secondaryFiles finds what belongs to the primary files of a result.
func (c *collector) secondaryFiles(p *port, result any) error {
	if len(p.secondary) == 0 {
		return nil
	}
	for _, m := range primaries(result) {
		if err := c.secondary(p, m); err != nil {
			return err
		}
	}
	return nil
}

// primaries gives the files that a result is, or is a list of.
func primaries(result any) (files []map[string]any) {
	list, ok := result.([]any)
	if !ok {
		list = []any{result}
	}
	for _, e := range list {
		if m, ok := e.(map[string]any); ok && m["class"] == "File" {
			files = append(files, m)
		}
	}
	return files
}

func (c *collector) secondary(p *port, m map[string]any) error {
	primary, _ := m["path"].(string)
	base, _ := m["basename"].(string)
	have, _ := m["secondaryFiles"].([]any)
	for i := range p.secondary {
		found, required, err := c.e.ev.secondaryOf(&p.secondary[i], m, base)
		if err != nil {
			return err
		}
		for _, e := range found {
			sub, isObject := isFile(e)
			name, isText := e.(string)
			if !isObject && !isText {
				return fmt.Errorf("secondaryFiles gave %s; it must be a name or a File", describe(e))
			}
			if isText {
				if err := checkBasename(name); err != nil {
					return err
				}
				sub = map[string]any{"path": path.Join(path.Dir(primary), name)}
			}
			at := c.insidePath(sub)
			if !c.tree.exists(at) {
				if required {
					return fmt.Errorf("%s must come with %s, which is not there", base, path.Base(at))
				}
				continue
			}
			object, err := c.object(at)
			if err != nil {
				return err
			}
			if name, _ := sub["basename"].(string); name != "" {
				object["basename"] = name
			}
			have = append(have, object)
		}
	}
	if len(have) > 0 {
		m["secondaryFiles"] = have
	}
	return nil
}
