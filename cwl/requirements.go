package cwl

import (
	"math"
	"strings"
	"time"

	"fringe"
)

// requirements is what the requirements and hints of a tool come to.
type requirements struct {
	coresMin, coresMax, ramMin, ramMax, tmpMin, tmpMax, outMin, outMax quantity

	env         []envDef
	listing     *template    // InitialWorkDirRequirement whose listing is one expression
	workdir     []stagedItem // else its elements
	shell       bool
	timeLimit   quantity
	network     *template // nil: networkOn
	networkOn   bool
	noReuse     bool
	loadListing string
	inplace     bool
}

// quantity is a number or an expression that gives one.
type quantity struct {
	set    bool
	number float64
	expr   *template
}

type envDef struct {
	name  string
	value *template
}

// stagedItem is one element of an InitialWorkDirRequirement's listing.
type stagedItem struct {
	entry    *template    // a Dirent's entry, or the expression that the element is
	dirent   bool         // entry is a Dirent's: text becomes the content of a file
	name     *template    // nil when the Dirent does not say
	writable bool         // of the Dirent
	object   any          // a File or Directory object that is written out
	list     []stagedItem // elements within an element
	place    place
}

// classes are the requirements that are understood, and those that change
// nothing for a tool.
var ignoredClasses = map[string]bool{"SubworkflowFeatureRequirement": true, "ScatterFeatureRequirement": true,
	"MultipleInputFeatureRequirement": true, "StepInputExpressionRequirement": true, "SoftwareRequirement": true}

// requirementList reads requirements or hints, the last of a class winning.
func (r *reader) requirementList(n *node, what string) []entry {
	list := r.entries(n, what, "class", "")
	last := map[string]int{}
	var out []entry
	for _, e := range list {
		e.name = r.requirementClass(e.name)
		if i, ok := last[e.name]; ok {
			out[i] = e
			continue
		}
		last[e.name] = len(out)
		out = append(out, e)
	}
	return out
}

func (r *reader) requirementClass(name string) string {
	if ext := r.extensionKey(name); ext != "" {
		name = ext
	}
	switch local := strings.TrimPrefix(name, "cwltool:"); local {
	case "LoadListingRequirement", "InplaceUpdateRequirement", "NetworkAccess", "WorkReuse":
		return local
	case "TimeLimit":
		return "ToolTimeLimit"
	}
	return strings.TrimPrefix(name, "cwl:")
}

// requirements reads both lists. The language of expressions and the types
// must be known before anything else is read, so they come first.
func (r *reader) requirements(tool *node, t *Tool) {
	required := r.requirementList(tool.get("requirements"), "requirements")
	hints := r.requirementList(tool.get("hints"), "hints")
	have := map[string]bool{}
	for _, e := range required {
		have[e.name] = true
	}
	all := required
	for _, h := range hints {
		if !have[h.name] {
			all = append(all, h)
		}
	}
	for _, first := range []string{"InlineJavascriptRequirement", "SchemaDefRequirement"} {
		for _, e := range all {
			if e.name == first {
				r.language(e)
			}
		}
	}
	t.req.networkOn = r.minor == 0
	for i, e := range all {
		r.requirement(e, i < len(required), t)
	}
}

func (r *reader) language(e entry) {
	if e.name == "SchemaDefRequirement" {
		r.schemaTypes(e.node.get("types"))
		return
	}
	r.javascript = true
	lib := e.node.get("expressionLib")
	if lib.isNull() {
		return
	}
	if lib.kind != listNode {
		r.problem(lib, "write a list of strings", "expressionLib is %s", lib.what())
		return
	}
	for _, l := range lib.values {
		source, ok := l.text()
		if !ok {
			r.problem(l, "write JavaScript as a string", "an element of expressionLib is %s", l.what())
			continue
		}
		p, err := compileLibrary(source)
		if err != nil {
			r.problem(l, "", "expressionLib: %v", err)
			continue
		}
		r.lib = append(r.lib, p)
	}
}

func (r *reader) schemaTypes(n *node) {
	if n.isNull() {
		return
	}
	list := []*node{n}
	if n.kind == listNode {
		list = n.values
	}
	for _, e := range list {
		if e.kind == listNode {
			r.schemaTypes(e)
			continue
		}
		name, ok := e.get("name").text()
		if !ok {
			r.problem(e, "", "a type of SchemaDefRequirement has no name")
			continue
		}
		r.types[typeName(name)] = e
	}
}

func (r *reader) requirement(e entry, required bool, t *Tool) {
	q := &t.req
	if e.node.kind != mapNode && !e.node.isNull() {
		r.problem(e.at, "write a mapping", "%s is %s", clip(e.name), e.node.what())
		return
	}
	switch e.name {
	case "InlineJavascriptRequirement", "SchemaDefRequirement":
	case "ResourceRequirement":
		r.resources(e.node, q)
	case "EnvVarRequirement":
		r.envVars(e.node, q)
	case "InitialWorkDirRequirement":
		r.workdir(e.node, q)
	case "ShellCommandRequirement":
		q.shell = true
	case "ToolTimeLimit":
		q.timeLimit = r.quantity(e.node, "timelimit")
	case "NetworkAccess":
		q.networkOn, q.network = r.switchOn(e.node, "networkAccess")
	case "WorkReuse":
		on, expression := r.switchOn(e.node, "enableReuse")
		q.noReuse = !on || expression != nil
	case "LoadListingRequirement":
		q.loadListing = r.listing(e.node)
	case "InplaceUpdateRequirement":
		q.inplace = r.flag(e.node, "inplaceUpdate", false)
	case "DockerRequirement":
		t.Container = r.image(e.node)
		if required {
			r.unsupport(e.at, "put it under hints if the tool may run without its container, with the programs of the machine or of an environment",
				"DockerRequirement under requirements (container image %s)", clip(t.Container))
		}
	case "fringe:Function":
		t.Function = r.functionHint(e.node)
	default:
		if required && !ignoredClasses[e.name] {
			r.unsupport(e.at, "remove it, or put it under hints if the tool runs without", "%s under requirements", clip(e.name))
		}
	}
}

// image names the container image of a DockerRequirement.
func (r *reader) image(n *node) string {
	for _, field := range []string{"dockerPull", "dockerImageId", "dockerLoad", "dockerImport"} {
		if s := r.text(n, field); s != "" {
			return s
		}
	}
	return "not named"
}

// switchOn reads a field that is true, false or an expression.
func (r *reader) switchOn(n *node, field string) (bool, *template) {
	v := n.get(field)
	if v != nil && v.kind == scalarNode {
		switch s := v.scalar.(type) {
		case bool:
			return s, nil
		case string:
			return false, r.template(v)
		}
	}
	r.problem(n, "write true, false or an expression", "%s is missing or wrong", field)
	return false, nil
}

func (r *reader) quantity(n *node, field string) quantity {
	v := n.get(field)
	if v.isNull() {
		return quantity{}
	}
	if v.kind == scalarNode {
		switch x := v.scalar.(type) {
		case int64:
			if x < 0 {
				r.problem(v, "write a number that is not negative", "%s is %d", field, x)
			}
			return quantity{set: true, number: float64(x)}
		case float64:
			if r.minor < 2 && field != "timelimit" {
				r.problem(v, "write an integer, or say cwlVersion: v1.2", "%s is %v; CWL v1.%d has integers here", field, x, r.minor)
			}
			if x < 0 || math.IsNaN(x) || math.IsInf(x, 0) {
				r.problem(v, "write a number that is not negative", "%s is %v", field, x)
			}
			return quantity{set: true, number: x}
		case string:
			return quantity{set: true, expr: r.template(v)}
		}
	}
	r.problem(v, "write a number or an expression", "%s is %s", field, v.what())
	return quantity{}
}

func (r *reader) resources(n *node, q *requirements) {
	if n.isNull() {
		return
	}
	names := []string{"coresMin", "coresMax", "ramMin", "ramMax", "tmpdirMin", "tmpdirMax", "outdirMin", "outdirMax"}
	r.fields(n, "ResourceRequirement", append([]string{"class"}, names...)...)
	for i, f := range []*quantity{&q.coresMin, &q.coresMax, &q.ramMin, &q.ramMax, &q.tmpMin, &q.tmpMax, &q.outMin, &q.outMax} {
		*f = r.quantity(n, names[i])
	}
	for _, pair := range [][2]*quantity{{&q.coresMin, &q.coresMax}, {&q.ramMin, &q.ramMax}, {&q.tmpMin, &q.tmpMax}, {&q.outMin, &q.outMax}} {
		low, high := pair[0], pair[1]
		if low.set && high.set && low.expr == nil && high.expr == nil && low.number > high.number {
			r.problem(n, "", "ResourceRequirement asks for at least %v and at most %v", low.number, high.number)
		}
	}
}

func (r *reader) envVars(n *node, q *requirements) {
	q.env = nil
	for _, e := range r.entries(n.get("envDef"), "envDef", "envName", "envValue") {
		if e.name == "" || strings.ContainsAny(e.name, "=\x00") {
			r.problem(e.at, "use letters, digits and underscores", "%q cannot be the name of a variable", clip(e.name))
			continue
		}
		v := e.node.get("envValue")
		if v != nil && v.kind == scalarNode && v.scalar != nil {
			if _, isText := v.scalar.(string); !isText {
				v = &node{scalar: plain(v.scalar), place: v.place}
			}
		}
		if value := r.template(v); value != nil {
			q.env = append(q.env, envDef{e.name, value})
		}
	}
}

func (r *reader) workdir(n *node, q *requirements) {
	l := n.get("listing")
	if l.isNull() {
		r.problem(n, "write listing: with a list or an expression", "InitialWorkDirRequirement has no listing")
		return
	}
	if l.kind == scalarNode {
		q.listing = r.template(l)
		return
	}
	if l.kind == mapNode {
		l = &node{kind: listNode, values: []*node{l}, place: l.place}
	}
	q.workdir = r.stagedItems(l)
}

func (r *reader) stagedItems(l *node) []stagedItem {
	var out []stagedItem
	for _, e := range l.values {
		item := stagedItem{place: e.place}
		switch {
		case e.isNull():
			continue
		case e.kind == listNode:
			item.list = r.stagedItems(e)
		case e.kind == scalarNode:
			item.entry = r.template(e)
		case e.get("class") != nil:
			item.object = e.value()
			if r.base != "" {
				absolute(item.object, r.base)
			}
		default:
			r.fields(e, "a Dirent", "entry", "entryname", "writable")
			item.dirent = true
			item.writable = r.flag(e, "writable", false)
			item.name = r.template(e.get("entryname"))
			if item.entry = r.templateOf(e.get("entry"), false); item.entry == nil {
				r.problem(e, "write the content, or an expression that gives it", "the Dirent has no entry")
				continue
			}
		}
		out = append(out, item)
	}
	return out
}

// functionHint reads fringe:Function.
func (r *reader) functionHint(n *node) *FunctionHint {
	r.fields(n, "fringe:Function", "class", "version", "environment", "shape", "contract", "handler", "command", "raw", "warm", "retry", "clocks", "atOnce", "deterministic", "durable")
	h := &FunctionHint{
		Version:     r.text(n, "version"),
		Environment: fringe.EnvironmentName(r.text(n, "environment")),
		Shape:       fringe.Shape(r.text(n, "shape")),
		Contract:    fringe.Contract(r.text(n, "contract")),
		Handler:     r.text(n, "handler"),
		Raw:         r.flag(n, "raw", false),
		Policy:      r.policy(n),
		Varies:      !r.flag(n, "deterministic", true),
		Durable:     r.flag(n, "durable", false),
	}
	if h.Version == "" {
		r.problem(n, "write version: 1.0.0", "fringe:Function has no version")
	}
	switch h.Shape {
	case "":
		h.Shape = fringe.Task
	case fringe.Service, fringe.Task:
	default:
		r.problem(n.get("shape"), "write service or task", "the shape %q is not known", clip(string(h.Shape)))
	}
	switch h.Contract {
	case "":
		h.Contract = fringe.Exec
	case fringe.Exec, fringe.Python, fringe.HTTP, fringe.Worker:
	default:
		r.problem(n.get("contract"), "write exec, python, http or worker", "the contract %q is not known", clip(string(h.Contract)))
	}
	h.Command = r.words(n.get("command"), "command")
	if w := n.get("warm"); !w.isNull() {
		h.Warm = r.warm(w)
	}
	return h
}

func (r *reader) warm(n *node) fringe.Warm {
	r.fields(n, "warm", "min", "max", "concurrency", "queue", "idle", "uses")
	count := func(field string) int {
		q := r.quantity(n, field)
		if q.expr != nil || q.number != math.Trunc(q.number) && field != "idle" || q.number > 1e6 {
			r.problem(n.get(field), "write a whole number up to a million", "%s of warm is not a number that can be used", field)
			return 0
		}
		return int(q.number)
	}
	return fringe.Warm{Min: count("min"), Max: count("max"), Concurrency: count("concurrency"), Queue: count("queue"), Uses: count("uses"),
		Idle: time.Duration(count("idle")) * time.Second}
}

// words reads a string or a list of strings.
func (r *reader) words(n *node, what string) []string {
	if n.isNull() {
		return nil
	}
	list := []*node{n}
	if n.kind == listNode {
		list = n.values
	}
	var out []string
	for _, e := range list {
		s, ok := e.text()
		if !ok {
			r.problem(e, "put it in quotes", "%s has %s, which is not a string", what, e.what())
			continue
		}
		out = append(out, s)
	}
	return out
}
