package cwl

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// argument is an element of arguments: text, or a binding.
type argument struct {
	text    *template
	binding *binding
}

// readTool picks the process of the document and reads it.
func readTool(root *node, file, id string, l *loader) (*Tool, error) {
	r := &reader{file: file, types: map[string]*node{}, namespaces: map[string]string{}, budget: maxTypes}
	if l != nil {
		r.base = l.base
	}
	process := r.pick(root, id)
	if process == nil {
		return nil, r.err()
	}
	r.namespace(root)
	if !r.classAndVersion(root, process) {
		return nil, r.err()
	}
	if l != nil {
		r.ontology = r.readOntology(root, l)
	}
	t := r.readProcess(process)
	t.doc, t.file, t.base, t.ontology, t.namespaces = packed(root, process), file, r.base, r.ontology, r.namespaces
	if err := r.err(); err != nil {
		return nil, err
	}
	r.checkValues(process, t)
	if err := r.err(); err != nil {
		return nil, err
	}
	doc, err := t.doc.appendJSON(nil)
	if err != nil {
		return nil, Problems{{File: file, Message: firstLine(err.Error())}}
	}
	t.digest = sha256.Sum256(doc)
	return t, nil
}

// pick finds the process in a document that may be a $graph.
func (r *reader) pick(root *node, id string) *node {
	if root.kind != mapNode {
		r.problem(root, "write a mapping with class: CommandLineTool", "the document is %s", root.what())
		return nil
	}
	graph := root.get("$graph")
	if graph == nil {
		if own, ok := root.get("id").text(); id != "" && (!ok || graphID(own) != id) {
			r.problem(root, "", "the document has no process #%s", clip(id))
			return nil
		}
		return root
	}
	if graph.kind != listNode || len(graph.values) == 0 {
		r.problem(graph, "write a list of processes", "$graph is %s", graph.what())
		return nil
	}
	wanted := id
	if wanted == "" {
		wanted = "main"
	}
	var names []string
	for _, p := range graph.values {
		name, _ := p.get("id").text()
		if name = graphID(name); name == wanted {
			return p
		}
		names = append(names, name)
	}
	if id == "" && len(graph.values) == 1 {
		return graph.values[0]
	}
	r.problem(graph, "name one with FILE#ID; the document has "+clip(strings.Join(names, ", ")), "the document has no process #%s", clip(wanted))
	return nil
}

// graphID gives the identifier of a process without the document.
func graphID(id string) string {
	if i := strings.LastIndexByte(id, '#'); i >= 0 {
		return id[i+1:]
	}
	return id
}

func (r *reader) namespace(root *node) {
	n := root.get("$namespaces")
	if n.isNull() {
		return
	}
	if n.kind != mapNode {
		r.problem(n, "write a mapping from prefixes to URIs", "$namespaces is %s", n.what())
		return
	}
	for i, prefix := range n.keys {
		if uri, ok := n.values[i].text(); ok {
			r.namespaces[prefix] = uri
		} else {
			r.problem(n.values[i], "write a URI", "the namespace %s is %s", clip(prefix), n.values[i].what())
		}
	}
}

func (r *reader) classAndVersion(root, process *node) bool {
	class, ok := process.get("class").text()
	switch {
	case !ok:
		r.problem(process, "write class: CommandLineTool", "the process has no class")
	case class == "Workflow" || class == "ExpressionTool" || class == "Operation":
		r.unsupport(process.get("class"), "publish its tools as functions of their own", "class %s", class)
	case class != "CommandLineTool":
		r.problem(process.get("class"), "write class: CommandLineTool", "the class %q is not known", clip(class))
	}
	v := root.get("cwlVersion")
	if v == nil {
		v = process.get("cwlVersion")
	}
	version, ok := v.text()
	switch version {
	case "v1.0", "v1.1", "v1.2":
		r.minor = int(version[3] - '0')
	default:
		if ok && (strings.HasPrefix(version, "v1.") || strings.HasPrefix(version, "draft") || strings.Contains(version, "cwl")) {
			r.unsupport(v, "write cwlVersion: v1.2", "cwlVersion %s", clip(version))
		} else if v == nil {
			r.problem(process, "write cwlVersion: v1.2", "the document has no cwlVersion")
		} else {
			r.problem(v, "write cwlVersion: v1.2", "cwlVersion is %s", v.what())
		}
	}
	return r.err() == nil
}

func (r *reader) readProcess(n *node) *Tool {
	t := &Tool{ID: graphID(r.text(n, "id")), Label: r.text(n, "label"), Doc: r.docText(n), Version: fmt.Sprintf("v1.%d", r.minor)}
	known := []string{"id", "class", "label", "doc", "inputs", "outputs", "requirements", "hints", "cwlVersion", "baseCommand",
		"arguments", "stdin", "stdout", "stderr", "successCodes", "temporaryFailCodes", "permanentFailCodes"}
	if r.minor >= 2 {
		known = append(known, "intent")
	}
	t.Extensions = r.fields(n, "CommandLineTool", known...)
	r.requirements(n, t)
	if r.javascript {
		t.script = &script{lib: r.lib}
	}
	for _, field := range []string{"inputs", "outputs"} {
		if n.get(field) == nil {
			r.problem(n, "write "+field+": []", "the tool has no %s", field)
		}
	}
	for _, e := range r.entries(n.get("inputs"), "inputs", "id", "type") {
		t.Inputs = append(t.Inputs, r.input(e))
	}
	for _, e := range r.entries(n.get("outputs"), "outputs", "id", "type") {
		t.Outputs = append(t.Outputs, r.output(e))
	}
	t.command = r.words(n.get("baseCommand"), "baseCommand")
	t.arguments = r.arguments(n.get("arguments"))
	t.stdin, t.stdout, t.stderr = r.template(n.get("stdin")), r.template(n.get("stdout")), r.template(n.get("stderr"))
	t.success = r.codes(n, "successCodes")
	t.temporary = r.codes(n, "temporaryFailCodes")
	r.codes(n, "permanentFailCodes")
	r.finish(n, t)
	return t
}

// finish joins what several parts of the document say together.
func (r *reader) finish(n *node, t *Tool) {
	for i := range t.Inputs {
		in := &t.Inputs[i]
		if in.capture == "stdin" {
			if t.stdin != nil {
				r.problem(n.get("stdin"), "remove one", "stdin and an input of type stdin are both there")
			}
			t.stdin = &template{raw: "$(inputs." + in.Name + ".path)", place: n.place,
				parts: []part{{code: "stdin", ref: &reference{root: "inputs", steps: []step{{in.Name, -1}, {"path", -1}}}}}}
		}
		in.Writable = r.writable(t.req.workdir, in.Name)
	}
	captured := func(which string, name **template) {
		for i := range t.Outputs {
			if t.Outputs[i].capture == which && *name == nil {
				*name = &template{raw: t.Outputs[i].Name + "." + which}
			}
		}
	}
	captured("stdout", &t.stdout)
	captured("stderr", &t.stderr)
	if len(t.command) == 0 && len(t.arguments) == 0 && (t.Function == nil || t.Function.Contract == "exec") {
		bound := false
		for i := range t.Inputs {
			bound = bound || hasBinding(&t.Inputs[i].port, &t.Inputs[i].Type)
		}
		if !bound {
			r.problem(n, "write baseCommand: with the program's name", "the tool has no command line")
		}
	}
}

func hasBinding(p *port, t *Type) bool {
	if p != nil && p.binding != nil || t.binding != nil {
		return true
	}
	if t.Items != nil && hasBinding(nil, t.Items) {
		return true
	}
	for i := range t.Fields {
		if hasBinding(&t.Fields[i].port, &t.Fields[i].Type) {
			return true
		}
	}
	for i := range t.Options {
		if hasBinding(nil, &t.Options[i]) {
			return true
		}
	}
	return false
}

// writable says whether the listing stages the input to be changed in place.
func (r *reader) writable(items []stagedItem, name string) bool {
	for _, it := range items {
		if r.writable(it.list, name) {
			return true
		}
		if !it.writable || it.entry == nil || len(it.entry.parts) != 1 || it.entry.parts[0].ref == nil {
			continue
		}
		ref := it.entry.parts[0].ref
		if ref.root == "inputs" && len(ref.steps) == 1 && ref.steps[0].key == name {
			return true
		}
	}
	return false
}

func (r *reader) input(e entry) Input {
	n := e.node
	if n.kind != mapNode {
		r.problem(e.at, "write its type", "the input %q has no type", clip(e.name))
		return Input{Name: e.name, Type: Type{Kind: Any}}
	}
	ext := r.fields(n, fmt.Sprintf("the input %q", clip(e.name)), "id", "label", "doc", "type", "default", "inputBinding", "secondaryFiles", "streamable", "format", "loadContents", "loadListing")
	in := Input{Name: e.name, Label: r.text(n, "label"), Doc: r.docText(n), Extensions: ext, Streamable: r.flag(n, "streamable", false), port: r.port(n, true)}
	if e.name == "" {
		r.problem(e.at, "", "an input has an empty name")
	}
	in.Type = r.portType(n.get("type"), e.at, true, &in.port)
	if d := n.get("default"); d != nil {
		in.Default, in.HasDefault = d.value(), !d.isNull()
		if r.base != "" {
			absolute(in.Default, r.base)
		}
	}
	in.Format = staticFormats(in.formats)
	in.Unit, _ = ext["fringe:unit"].(string)
	in.UCD, _ = ext["fringe:ucd"].(string)
	in.Min, in.Max = r.number(n, ext, "fringe:minimum"), r.number(n, ext, "fringe:maximum")
	in.ExclusiveMin, in.ExclusiveMax = r.number(n, ext, "fringe:exclusiveMinimum"), r.number(n, ext, "fringe:exclusiveMaximum")
	in.bounded = in.Min != nil || in.Max != nil || in.ExclusiveMin != nil || in.ExclusiveMax != nil
	in.files = hasFiles(&in.Type)
	in.absent = in.absentMember()
	return in
}

func (r *reader) output(e entry) Output {
	n := e.node
	if n.kind != mapNode {
		r.problem(e.at, "write its type", "the output %q has no type", clip(e.name))
		return Output{Name: e.name, Type: Type{Kind: Any}}
	}
	ext := r.fields(n, fmt.Sprintf("the output %q", clip(e.name)), "id", "label", "doc", "type", "outputBinding", "secondaryFiles", "streamable", "format")
	out := Output{Name: e.name, Label: r.text(n, "label"), Doc: r.docText(n), Extensions: ext, Streamable: r.flag(n, "streamable", false), port: r.port(n, false)}
	out.Type = r.portType(n.get("type"), e.at, false, &out.port)
	out.Format = staticFormats(out.formats)
	out.Unit, _ = ext["fringe:unit"].(string)
	out.UCD, _ = ext["fringe:ucd"].(string)
	return out
}

func staticFormats(list []*template) []string {
	var out []string
	for _, f := range list {
		if f != nil && f.parts == nil {
			out = append(out, f.raw)
		}
	}
	return out
}

func hasFiles(t *Type) bool {
	switch t.Kind {
	case File, Directory, Any:
		return true
	}
	if t.Items != nil && hasFiles(t.Items) {
		return true
	}
	for i := range t.Fields {
		if hasFiles(&t.Fields[i].Type) {
			return true
		}
	}
	for i := range t.Options {
		if hasFiles(&t.Options[i]) {
			return true
		}
	}
	return false
}

func (r *reader) arguments(n *node) []argument {
	if n.isNull() {
		return nil
	}
	if n.kind != listNode {
		r.problem(n, "write a list", "arguments is %s", n.what())
		return nil
	}
	var out []argument
	for _, e := range n.values {
		if e.kind == mapNode {
			b := r.binding(e)
			if b != nil && b.valueFrom == nil {
				r.problem(e, "add valueFrom", "an argument has no valueFrom")
			}
			out = append(out, argument{binding: b})
			continue
		}
		if e.kind == scalarNode && e.scalar != nil {
			if _, isText := e.scalar.(string); !isText {
				e = &node{scalar: plain(e.scalar), place: e.place}
			}
		}
		if t := r.template(e); t != nil {
			out = append(out, argument{text: t})
		}
	}
	return out
}

func (r *reader) codes(n *node, field string) []int {
	v := n.get(field)
	if v.isNull() {
		return nil
	}
	if v.kind != listNode {
		r.problem(v, "write a list of numbers", "%s is %s", field, v.what())
		return nil
	}
	var out []int
	for _, e := range v.values {
		code, ok := e.scalar.(int64)
		if !ok || code < 0 || code > 255 {
			r.problem(e, "write a number from 0 to 255", "%s is not an exit code", e.what())
		}
		out = append(out, int(code))
	}
	return out
}

// checkValues checks the defaults and the example against the types.
func (r *reader) checkValues(n *node, t *Tool) {
	for i := range t.Inputs {
		in := &t.Inputs[i]
		if !in.HasDefault {
			continue
		}
		v, ok := coerce(&in.Type, in.Default)
		if !ok {
			r.problem(n.get("inputs"), "", "the default of the input %q is %s; its type is %s", clip(in.Name), describe(in.Default), clip(in.Type.String()))
			continue
		}
		in.Default = v
	}
	if example, ok := t.Extensions["fringe:example"]; ok {
		m, isMap := example.(map[string]any)
		if !isMap {
			r.problem(n, "write an input object", "fringe:example is %s", describe(example))
		} else if _, err := t.Validate(m); err != nil {
			r.problem(n, "", "fringe:example is not a valid call: %s", messageOf(err))
		}
	}
}

// packed gives the document with only the one process.
func packed(root, process *node) *node {
	out := &node{kind: mapNode, place: process.place}
	add := func(key string, v *node) {
		if v != nil && process.get(key) == nil {
			out.keys = append(out.keys, key)
			out.values = append(out.values, v)
			out.keyPlaces = append(out.keyPlaces, v.place)
		}
	}
	if root != process {
		add("cwlVersion", root.get("cwlVersion"))
		add("$namespaces", root.get("$namespaces"))
	}
	out.keys = append(out.keys, process.keys...)
	out.values = append(out.values, process.values...)
	out.keyPlaces = append(out.keyPlaces, process.keyPlaces...)
	return out
}

// JSON gives the packed, resolved document: one process, with everything that
// it imports in place. Parse reads it back.
func (t *Tool) JSON() []byte {
	b, err := t.doc.appendJSON(nil)
	if err != nil {
		panic("cwl: a document that was read cannot be written: " + err.Error())
	}
	return b
}

// Digest gives the SHA-256 of the tool's JSON.
func (t *Tool) Digest() [sha256.Size]byte { return t.digest }

// Override gives the tool with requirements that take the place of its own of
// the same class, as the cwl:requirements of an input object ask for.
func (t *Tool) Override(requirements any) (*Tool, error) {
	text, err := json.Marshal(requirements)
	if err != nil {
		return nil, err
	}
	extra, err := parseYAML("cwl:requirements", text)
	if err != nil {
		return nil, err
	}
	r := &reader{file: t.file, namespaces: map[string]string{}}
	merged := &node{kind: listNode}
	for _, from := range []*node{t.doc.get("requirements"), extra} {
		for _, e := range r.entries(from, "requirements", "class", "") {
			v := *e.node
			if v.get("class") == nil {
				v.kind = mapNode
				v.keys = append([]string{"class"}, v.keys...)
				v.values = append([]*node{{scalar: e.name}}, v.values...)
				v.keyPlaces = append([]place{e.at.place}, v.keyPlaces...)
			}
			merged.values = append(merged.values, &v)
		}
	}
	if len(r.problems) > 0 {
		return nil, r.problems
	}
	doc := t.doc.with("requirements", merged)
	return readTool(doc, t.file, "", &loader{base: t.base, ontologyOf: t.ontology})
}

// timeLimitOf turns seconds into a duration.
func timeLimitOf(seconds float64) time.Duration {
	if seconds > 1e9 {
		seconds = 1e9
	}
	return time.Duration(seconds * float64(time.Second))
}
