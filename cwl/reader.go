package cwl

import (
	"fmt"
	"sort"
	"strings"

	"github.com/dop251/goja"

	"fringe"
)

// Names of the namespaces that are known whatever prefix a document gives them.
const (
	fringeNamespace  = "urn:fringe:ns#"
	schemaNamespace  = "https://schema.org/"
	schemaNamespace2 = "http://schema.org/"
	cwltoolNamespace = "http://commonwl.org/cwltool#"
)

// reader turns nodes into a Tool and collects what is wrong.
type reader struct {
	file        string
	minor       int // of cwlVersion v1.x
	problems    Problems
	unsupported *Unsupported
	namespaces  map[string]string
	types       map[string]*node // of SchemaDefRequirement, by name
	open        []string         // named types that are being read
	budget      int              // types that may still be read
	javascript  bool
	base        string // directory of default files; empty when not known
	lib         []*goja.Program
	ontology    *ontology
}

const maxProblems = 50

func (r *reader) problem(n *node, cure, format string, args ...any) {
	if len(r.problems) == maxProblems {
		return
	}
	p := Problem{File: r.file, Message: fmt.Sprintf(format, args...), Cure: cure}
	if n != nil {
		p.File, p.Line, p.Column = n.file, n.line, n.column
	}
	r.problems = append(r.problems, p)
}

// unsupport notes what is not supported, the first of it.
func (r *reader) unsupport(n *node, cure, format string, args ...any) {
	if r.unsupported == nil {
		r.unsupported = &Unsupported{What: fmt.Sprintf(format, args...), File: n.file, Line: n.line, Cure: cure}
	}
}

// err gives what was found: problems before what is not supported.
func (r *reader) err() error {
	if len(r.problems) > 0 {
		return r.problems
	}
	if r.unsupported != nil {
		return r.unsupported
	}
	return nil
}

// extensionKey gives the name under which a field of another namespace is
// kept: the prefixes fringe: and s: for the known ones, else as it is written.
// It gives "" for a field of CWL itself.
func (r *reader) extensionKey(key string) string {
	full := key
	if prefix, local, ok := strings.Cut(key, ":"); ok {
		if ns, known := r.namespaces[prefix]; known {
			full = ns + local
		}
	} else {
		return ""
	}
	for _, known := range [...][2]string{{fringeNamespace, "fringe:"}, {schemaNamespace, "s:"}, {schemaNamespace2, "s:"}, {cwltoolNamespace, "cwltool:"}} {
		if local, ok := strings.CutPrefix(full, known[0]); ok {
			return known[1] + local
		}
	}
	return key
}

// fields checks the keys of a mapping and gives its extensions.
func (r *reader) fields(n *node, what string, known ...string) map[string]any {
	var ext map[string]any
	for i, k := range n.keys {
		if e := r.extensionKey(k); e != "" {
			if ext == nil {
				ext = map[string]any{}
			}
			ext[e] = n.values[i].value()
			continue
		}
		if strings.HasPrefix(k, "$") || contains(known, k) {
			continue
		}
		at := &node{place: n.keyPlaces[i]}
		r.problem(at, strings.TrimPrefix(suggest(k, known), "; "), "%s has no field %q", what, clip(k))
	}
	return ext
}

func contains(list []string, s string) bool {
	for _, e := range list {
		if e == s {
			return true
		}
	}
	return false
}

// suggest gives "; did you mean …?" when a name is near one of the known ones,
// whatever its case.
func suggest(name string, known []string) string {
	as := make(map[string]string, len(known))
	lower := make([]string, len(known))
	for i, k := range known {
		lower[i] = strings.ToLower(k)
		as[lower[i]] = k
	}
	near := fringe.Nearest(strings.ToLower(name), lower, 1)
	if len(near) == 0 {
		return ""
	}
	return fmt.Sprintf("; did you mean %q?", as[near[0]])
}

// text reads a string field; "" when it is absent.
func (r *reader) text(n *node, field string) string {
	v := n.get(field)
	if v.isNull() {
		return ""
	}
	s, ok := v.text()
	if !ok {
		r.problem(v, "write a string", "%s is %s", field, v.what())
	}
	return s
}

// docText reads a string or a list of strings.
func (r *reader) docText(n *node) string {
	v := n.get("doc")
	if v == nil || v.kind != listNode {
		return r.text(n, "doc")
	}
	var lines []string
	for _, e := range v.values {
		s, ok := e.text()
		if !ok {
			r.problem(e, "write a string", "a line of doc is %s", e.what())
		}
		lines = append(lines, s)
	}
	return strings.Join(lines, "\n")
}

func (r *reader) flag(n *node, field string, otherwise bool) bool {
	v := n.get(field)
	if v.isNull() {
		return otherwise
	}
	b, ok := v.scalar.(bool)
	if !ok || v.kind != scalarNode {
		r.problem(v, "write true or false", "%s is %s", field, v.what())
	}
	return b
}

// template reads a string that may hold expressions.
func (r *reader) template(n *node) *template { return r.templateOf(n, true) }

func (r *reader) templateOf(n *node, strip bool) *template {
	s, ok := n.text()
	if !ok {
		if n.isNull() {
			return nil
		}
		r.problem(n, "write a string or an expression", "%s is not a string", n.what())
		return nil
	}
	t, err := parseTemplate(s, strip)
	if err != nil {
		r.problem(n, "", "%v", err)
		return &template{raw: s, place: n.place}
	}
	t.place = n.place
	for i := range t.parts {
		r.compile(n, &t.parts[i])
	}
	return t
}

func (r *reader) compile(n *node, p *part) {
	if p.code == "" {
		return
	}
	if p.ref != nil {
		switch p.ref.root {
		case "inputs", "self", "runtime", "null":
			if !r.javascript {
				return
			}
		default:
			if !r.javascript {
				r.problem(n, `inputs, self and runtime are known; write \$( for a dollar and a bracket, or add InlineJavascriptRequirement for JavaScript`, "%s does not begin with a known name", clip(p.text()))
				return
			}
		}
	}
	if !r.javascript {
		r.problem(n, `add InlineJavascriptRequirement to the requirements, or write \$( for a dollar and a bracket`, "%s is JavaScript, not a parameter reference", clip(p.text()))
		return
	}
	js, err := compileExpression(p)
	if err != nil && p.ref == nil {
		r.problem(n, "", "the expression %s: %v", clip(p.text()), err)
		return
	}
	p.js = js
}

// templates reads one string or a list of them.
func (r *reader) templates(n *node) []*template {
	if n.isNull() {
		return nil
	}
	if n.kind != listNode {
		return []*template{r.template(n)}
	}
	var list []*template
	for _, e := range n.values {
		if t := r.template(e); t != nil {
			list = append(list, t)
		}
	}
	return list
}

// entry is one element of a field that may be a list, whose elements have
// their name in idField, or a mapping from names.
type entry struct {
	name string
	node *node // the element; in the mapping form, the value
	at   *node // for messages about the name
}

// entries reads a field in either form. In the mapping form a value that is not
// a mapping stands for the field short.
func (r *reader) entries(n *node, what, idField, short string) []entry {
	if n.isNull() {
		return nil
	}
	var list []entry
	seen := map[string]bool{}
	add := func(name string, v, at *node) {
		if seen[name] && idField != "class" {
			r.problem(at, "give each its own name", "%s has %q twice", what, clip(name))
			return
		}
		seen[name] = true
		list = append(list, entry{name, v, at})
	}
	switch n.kind {
	case mapNode:
		for i, k := range n.keys {
			at := &node{place: n.keyPlaces[i]}
			v := n.values[i]
			if short != "" && (v.kind != mapNode || short == "type" && isTypeMapping(v)) && !v.isNull() {
				v = &node{kind: mapNode, keys: []string{short}, keyPlaces: []place{v.place}, values: []*node{v}, place: v.place}
			}
			add(localName(k), v, at)
		}
	case listNode:
		for _, v := range n.values {
			name, ok := v.get(idField).text()
			if !ok {
				r.problem(v, "", "an element of %s has no %s", what, idField)
				continue
			}
			if idField != "class" {
				name = localName(name)
			}
			add(name, v, v)
		}
	default:
		r.problem(n, "write a list or a mapping", "%s is %s", what, n.what())
	}
	return list
}

// isTypeMapping says whether a mapping is a type itself, such as {type: array,
// items: File}, and not a parameter.
func isTypeMapping(n *node) bool {
	s, ok := n.get("type").text()
	if !ok {
		return false
	}
	return s == "array" && n.get("items") != nil || s == "enum" && n.get("symbols") != nil || s == "record" && n.get("fields") != nil
}

// localName takes the name from an identifier: "#main/image" is "image".
func localName(id string) string {
	if i := strings.LastIndexByte(id, '#'); i >= 0 {
		id = id[i+1:]
		if j := strings.LastIndexByte(id, '/'); j >= 0 {
			id = id[j+1:]
		}
	}
	return id
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	return keys
}
