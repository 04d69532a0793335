package cwl

import (
	"encoding/json"
	"math"
	"strings"
)

// port is what an input, an output and a field of a record have in common.
type port struct {
	binding      *binding       // on the command line; nil when it is not there
	output       *outputBinding // where it is found; nil when the document does not say
	capture      string         // "stdout" or "stderr" for an output of such a type
	secondary    []secondary
	formats      []*template
	loadContents bool
	loadListing  string // "" when the document does not say
}

// binding is how a value comes on the command line.
type binding struct {
	position     *template // nil: positionInt
	positionInt  int64
	prefix       string
	hasPrefix    bool
	separate     bool
	separator    string
	hasSeparator bool
	valueFrom    *template
	quote        bool
}

// outputBinding is where an output is found.
type outputBinding struct {
	globs        []*template
	hasGlob      bool
	eval         *template
	loadContents bool
	loadListing  string
}

// secondary is a pattern of files that belong to a file.
type secondary struct {
	pattern  *template
	required *template // nil: needed
	needed   bool
}

func (r *reader) binding(n *node) *binding {
	if n.isNull() {
		return nil
	}
	if n.kind != mapNode {
		r.problem(n, "write a mapping, such as {prefix: -n}", "inputBinding is %s", n.what())
		return nil
	}
	r.fields(n, "inputBinding", "position", "prefix", "separate", "itemSeparator", "valueFrom", "shellQuote", "loadContents")
	b := &binding{separate: r.flag(n, "separate", true), quote: r.flag(n, "shellQuote", true)}
	switch p := n.get("position"); {
	case p.isNull():
	case p.kind == scalarNode:
		switch v := p.scalar.(type) {
		case int64:
			b.positionInt = v
		case string:
			b.position = r.template(p)
		default:
			r.problem(p, "write an integer or an expression", "position is %s", p.what())
		}
	default:
		r.problem(p, "write an integer or an expression", "position is %s", p.what())
	}
	if v := n.get("prefix"); !v.isNull() {
		b.prefix, b.hasPrefix = r.text(n, "prefix"), true
	}
	if v := n.get("itemSeparator"); !v.isNull() {
		b.separator, b.hasSeparator = r.text(n, "itemSeparator"), true
	}
	b.valueFrom = r.template(n.get("valueFrom"))
	if !b.separate && !b.hasPrefix {
		r.problem(n, "add a prefix, or remove separate", "separate: false has no prefix to be joined to")
	}
	return b
}

func (r *reader) outputBinding(n *node) *outputBinding {
	if n.isNull() {
		return nil
	}
	if n.kind != mapNode {
		r.problem(n, "write a mapping, such as {glob: image.fits}", "outputBinding is %s", n.what())
		return nil
	}
	r.fields(n, "outputBinding", "glob", "loadContents", "loadListing", "outputEval")
	g := n.get("glob")
	return &outputBinding{
		globs:        r.templates(g),
		hasGlob:      !g.isNull(),
		eval:         r.template(n.get("outputEval")),
		loadContents: r.flag(n, "loadContents", false),
		loadListing:  r.listing(n),
	}
}

func (r *reader) listing(n *node) string {
	s := r.text(n, "loadListing")
	switch s {
	case "", "no_listing", "shallow_listing", "deep_listing":
		return s
	}
	r.problem(n.get("loadListing"), "no_listing, shallow_listing and deep_listing are", "loadListing %q is not known", clip(s))
	return ""
}

// port reads the fields that inputs, outputs and record fields share.
func (r *reader) port(n *node, isInput bool) port {
	p := port{
		secondary:    r.secondaryFiles(n.get("secondaryFiles"), isInput),
		formats:      r.templates(n.get("format")),
		loadContents: r.flag(n, "loadContents", false),
		loadListing:  r.listing(n),
	}
	if isInput {
		b := n.get("inputBinding")
		p.binding = r.binding(b)
		p.loadContents = p.loadContents || r.flag(b, "loadContents", false)
	} else {
		p.output = r.outputBinding(n.get("outputBinding"))
	}
	for _, f := range p.formats {
		if f != nil && f.parts == nil {
			f.raw = r.iri(f.raw)
		}
	}
	return p
}

// iri expands a prefixed name.
func (r *reader) iri(name string) string { return expandIRI(r.namespaces, name) }

func expandIRI(namespaces map[string]string, name string) string {
	if prefix, local, ok := strings.Cut(name, ":"); ok {
		if ns, known := namespaces[prefix]; known {
			return ns + local
		}
	}
	return name
}

func (r *reader) secondaryFiles(n *node, required bool) []secondary {
	if n.isNull() {
		return nil
	}
	list := []*node{n}
	if n.kind == listNode {
		list = n.values
	}
	var out []secondary
	for _, e := range list {
		if s, ok := r.secondaryFile(e, required); ok {
			out = append(out, s)
		}
	}
	return out
}

func (r *reader) secondaryFile(n *node, required bool) (secondary, bool) {
	if n.kind == mapNode {
		if r.minor == 0 {
			r.problem(n, "write the pattern as a string, or say cwlVersion: v1.2", "a pattern with required came with CWL v1.1; the document is v1.0")
			return secondary{}, false
		}
		r.fields(n, "secondaryFiles", "pattern", "required")
		s := secondary{pattern: r.template(n.get("pattern")), needed: required}
		if s.pattern == nil {
			r.problem(n, "", "secondaryFiles has no pattern")
			return s, false
		}
		switch q := n.get("required"); {
		case q.isNull():
		case q.kind == scalarNode && (q.scalar == true || q.scalar == false):
			s.needed = q.scalar == true
		default:
			s.required = r.template(q)
		}
		r.optionalMark(&s)
		return s, true
	}
	s := secondary{pattern: r.template(n), needed: required}
	if s.pattern == nil {
		return s, false
	}
	r.optionalMark(&s)
	return s, true
}

// optionalMark reads the "?" at the end of a pattern.
func (r *reader) optionalMark(s *secondary) {
	if raw, ok := strings.CutSuffix(s.pattern.raw, "?"); ok && s.pattern.parts == nil {
		s.pattern.raw, s.needed, s.required = raw, false, nil
	}
}

const inexactBound = "a bound is a double: write one that a double holds exactly"

func (r *reader) number(n *node, ext map[string]any, key string) *float64 {
	v, ok := ext[key]
	if !ok || v == nil {
		return nil
	}
	f, ok := toFloat(v)
	if long, is := v.(json.Number); is {
		r.problem(n, inexactBound, "%s is %s", key, long)
		return nil
	}
	if !ok || math.IsNaN(f) {
		r.problem(n, "write a number", "%s is %s", key, describe(v))
		return nil
	}
	if i, whole := v.(int64); whole && compareNumbers(v, f, f) != 0 {
		r.problem(n, inexactBound, "%s is %d", key, i)
	}
	return &f
}

func toFloat(v any) (float64, bool) {
	switch v := v.(type) {
	case int64:
		return float64(v), true
	case float64:
		return v, true
	case int:
		return float64(v), true
	}
	return 0, false
}
