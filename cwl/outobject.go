package cwl

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"net/url"
	"path"
	"strings"
)

// insidePath gives the path, as the tool saw it, of an object that the tool or
// an expression made; "" when it is written out.
func (c *collector) insidePath(m map[string]any) string {
	for _, field := range []string{"path", "location"} {
		ref, _ := m[field].(string)
		if ref == "" || strings.HasPrefix(ref, "_:") {
			continue
		}
		if rest, ok := strings.CutPrefix(ref, "file://"); ok {
			ref = rest
			if plain, err := url.PathUnescape(rest); err == nil {
				ref = plain
			}
		} else if field == "location" && !path.IsAbs(ref) && !c.tree.exists(path.Join(c.e.Dir, ref)) {
			if plain, err := url.PathUnescape(ref); err == nil {
				ref = plain
			}
		}
		if !path.IsAbs(ref) {
			ref = path.Join(c.e.Dir, ref)
		}
		return path.Clean(ref)
	}
	return ""
}

// finish turns every file of an output into one of this machine, and refuses
// what does not lie in the work directory or in something staged.
func (c *collector) finish(v any) (any, error) {
	if m, ok := isFile(v); ok {
		return c.finishFile(m)
	}
	switch v := v.(type) {
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			f, err := c.finish(e)
			if err != nil {
				return nil, err
			}
			out[i] = f
		}
		return out, nil
	case map[string]any:
		out := make(map[string]any, len(v))
		for k, e := range v {
			f, err := c.finish(e)
			if err != nil {
				return nil, err
			}
			out[k] = f
		}
		return out, nil
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return nil, fmt.Errorf("it has the number %v, which JSON cannot hold", v)
		}
	}
	return v, nil
}

func (c *collector) finishFile(m map[string]any) (any, error) {
	out := make(map[string]any, len(m)+4)
	for _, k := range []string{"class", "basename", "checksum", "format", "contents"} {
		if s, ok := m[k].(string); ok {
			out[k] = s
		}
	}
	for _, k := range []string{"secondaryFiles", "listing"} {
		list, ok := m[k].([]any)
		if !ok {
			continue
		}
		f, err := c.finish(list)
		if err != nil {
			return nil, err
		}
		out[k] = f
	}
	p := c.insidePath(m)
	if p == "" {
		return c.written(out)
	}
	inside, host, st, err := c.tree.resolve(p)
	switch {
	case errors.Is(err, errOutside):
		return nil, fmt.Errorf("the file %s lies outside of the work directory", clip(c.tree.shown(p)))
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("there is no %s in the work directory", clip(c.tree.shown(p)))
	case err != nil:
		return nil, err
	}
	if st.IsDir() != (m["class"] == "Directory") || !st.IsDir() && !st.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a %s", clip(c.tree.shown(p)), m["class"])
	}
	if base, _ := out["basename"].(string); base == "" {
		out["basename"] = path.Base(p)
	}
	if err := checkBasename(out["basename"].(string)); err != nil {
		return nil, err
	}
	out["path"], out["location"] = host, FileURI(host)
	if st.IsDir() {
		return out, c.tree.check(inside, 0)
	}
	out["size"] = st.Size()
	out["nameroot"], out["nameext"] = splitExt(out["basename"].(string))
	return out, nil
}

// written checks an output whose content stands in the object itself.
func (c *collector) written(out map[string]any) (any, error) {
	base, _ := out["basename"].(string)
	if base == "" {
		base = "output"
		out["basename"] = base
	}
	if err := checkBasename(base); err != nil {
		return nil, err
	}
	if text, ok := out["contents"].(string); ok && out["class"] == "File" {
		out["size"] = int64(len(text))
		out["nameroot"], out["nameext"] = splitExt(base)
		return out, nil
	}
	if _, ok := out["listing"].([]any); ok && out["class"] == "Directory" {
		return out, nil
	}
	return nil, fmt.Errorf("the %s %q has no path", out["class"], clip(base))
}
