package cwl

import (
	"strings"
)

const maxTypes = 20_000

var scalarKinds = map[string]Kind{"null": Null, "boolean": Boolean, "int": Int, "long": Long, "float": Float, "double": Double,
	"string": String, "File": File, "Directory": Directory, "Any": Any}

// readType reads a type. The place is an input when isInput, else an output.
func (r *reader) readType(n *node, isInput bool) Type {
	if r.budget--; r.budget < 0 {
		if r.budget == -1 {
			r.problem(n, "", "the document has more than %d types", maxTypes)
		}
		return Type{Kind: Any}
	}
	switch {
	case n.isNull():
		r.problem(n, "write a type, such as string or File[]", "the type is missing")
	case n.kind == listNode:
		return r.union(n, isInput)
	case n.kind == mapNode:
		return r.mappedType(n, isInput)
	default:
		if s, ok := n.text(); ok {
			return r.namedType(n, s, isInput)
		}
		r.problem(n, "write a type, such as string or File[]", "%s is not a type", n.what())
	}
	return Type{Kind: Any}
}

func (r *reader) namedType(n *node, s string, isInput bool) Type {
	if len(s) > 1024 {
		r.problem(n, "", "the name of a type has %d characters", len(s))
		return Type{Kind: Any}
	}
	if base, ok := strings.CutSuffix(s, "?"); ok {
		t := r.namedType(n, base, isInput)
		t.Optional = true
		return t
	}
	if base, ok := strings.CutSuffix(s, "[]"); ok {
		if strings.Count(s, "[]") > 16 {
			r.problem(n, "", "the type has too many []")
			return Type{Kind: Any}
		}
		items := r.namedType(n, base, isInput)
		return Type{Kind: Array, Items: &items}
	}
	if k, ok := scalarKinds[s]; ok {
		return Type{Kind: k, Optional: k == Null}
	}
	name := typeName(s)
	def, ok := r.types[name]
	if !ok {
		known := append(sortedKeys(scalarKinds), sortedKeys(r.types)...)
		cure := strings.TrimPrefix(suggest(s, known), "; ")
		if cure == "" {
			cure = "use one of CWL's types, or define it in a SchemaDefRequirement"
		}
		r.problem(n, cure, "the type %q is not known", clip(s))
		return Type{Kind: Any}
	}
	for _, o := range r.open {
		if o == name {
			r.problem(n, "", "the type %q contains itself", clip(name))
			return Type{Kind: Any}
		}
	}
	r.open = append(r.open, name)
	t := r.mappedType(def, isInput)
	r.open = r.open[:len(r.open)-1]
	if t.Name == "" {
		t.Name = name
	}
	return t
}

// typeName takes the name from a reference such as "types.yml#thing".
func typeName(s string) string {
	if i := strings.LastIndexByte(s, '#'); i >= 0 {
		s = s[i+1:]
	}
	if i := strings.LastIndexByte(s, '/'); i >= 0 {
		s = s[i+1:]
	}
	return s
}

func (r *reader) mappedType(n *node, isInput bool) Type {
	kind := n.get("type")
	s, ok := kind.text()
	if !ok {
		if kind.isNull() {
			r.problem(n, "write type: array, enum or record, or a type's name", "the type has no field type")
			return Type{Kind: Any}
		}
		return r.readType(kind, isInput)
	}
	var t Type
	switch s {
	case "array":
		r.fields(n, "an array type", "type", "items", "label", "doc", "name", "inputBinding", "outputBinding")
		items := r.readType(n.get("items"), isInput)
		t = Type{Kind: Array, Items: &items}
	case "enum":
		r.fields(n, "an enum type", "type", "symbols", "label", "doc", "name", "inputBinding", "outputBinding")
		t = Type{Kind: Enum, Symbols: r.symbols(n)}
	case "record":
		r.fields(n, "a record type", "type", "fields", "label", "doc", "name", "inputBinding", "outputBinding")
		t = Type{Kind: Record, Fields: r.recordFields(n.get("fields"), isInput)}
	default:
		t = r.namedType(kind, s, isInput)
	}
	if isInput {
		if b := r.binding(n.get("inputBinding")); b != nil {
			t.binding = b
		}
	}
	if name := r.text(n, "name"); name != "" {
		t.Name = typeName(name)
	}
	return t
}

func (r *reader) symbols(n *node) []string {
	list := n.get("symbols")
	if list == nil || list.kind != listNode || len(list.values) == 0 {
		r.problem(n, "write symbols: [one, two]", "the enum has no symbols")
		return nil
	}
	var out []string
	for _, e := range list.values {
		s, ok := e.text()
		if !ok {
			r.problem(e, "put it in quotes", "the symbol %s is not a string", e.what())
		}
		out = append(out, localName(s))
	}
	return out
}

func (r *reader) recordFields(n *node, isInput bool) []Field {
	var out []Field
	for _, e := range r.entries(n, "fields", "name", "type") {
		if e.node.kind != mapNode {
			r.problem(e.at, "write its type", "the field %q has no type", clip(e.name))
			continue
		}
		r.fields(e.node, "a record field", "name", "type", "label", "doc", "secondaryFiles", "streamable", "format", "loadContents", "loadListing", "inputBinding", "outputBinding", "default")
		f := Field{Name: typeName(e.name), Label: r.text(e.node, "label"), Doc: r.docText(e.node), port: r.port(e.node, isInput)}
		f.Type = r.portType(e.node.get("type"), e.at, isInput, &f.port)
		out = append(out, f)
	}
	return out
}

// portType reads the type of an input, output or field, with the shortcuts
// stdin, stdout and stderr.
func (r *reader) portType(n, at *node, isInput bool, p *port) Type {
	if n == nil {
		r.problem(at, "write a type, such as string or File[]", "the type is missing")
		return Type{Kind: Any}
	}
	if s, ok := n.text(); ok {
		if !isInput && (s == "stdout" || s == "stderr") {
			p.capture = s
			return Type{Kind: File}
		}
		if isInput && s == "stdin" {
			p.capture = s
			return Type{Kind: File}
		}
	}
	return r.readType(n, isInput)
}

// union reads a list of types. null in it makes the rest optional.
func (r *reader) union(n *node, isInput bool) Type {
	var t Type
	optional := false
	for _, e := range n.values {
		o := r.readType(e, isInput)
		if o.Kind == Null {
			optional = true
			continue
		}
		if o.Optional {
			optional, o.Optional = true, false
		}
		if o.Kind == Union {
			t.Options = append(t.Options, o.Options...)
			continue
		}
		t.Options = append(t.Options, o)
	}
	switch len(t.Options) {
	case 0:
		if !optional {
			r.problem(n, "write a type, such as string or File[]", "the list of types is empty")
		}
		return Type{Kind: Null, Optional: true}
	case 1:
		t = t.Options[0]
	default:
		t.Kind = Union
	}
	t.Optional = optional
	return t
}
