package build

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"fringe"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

const maxDeclaration = 64 << 10

// Parse reads the environment.yaml doc; file is the name that errors give. An
// unknown key, a wrong type or a bad value is an error of kind Invalid that
// says file and line, and what would be right.
func Parse(file string, doc []byte) (d Declaration, err error) {
	if len(doc) > maxDeclaration {
		return d, fringe.Errorf("build.Parse", fringe.TooLarge, "%s is %d bytes long; an environment's declaration has at most %d", file, len(doc), maxDeclaration)
	}
	defer func() {
		if r := recover(); r != nil { // the YAML parser panics on some malformed documents
			d, err = Declaration{}, fringe.Errorf("build.Parse", fringe.Invalid, "%s is not YAML that can be read", file)
		}
	}()
	tree, err := parser.ParseBytes(doc, 0)
	if err != nil {
		return d, syntaxError(file, err)
	}
	p := reader{file: file, lines: map[string]int{}}
	switch {
	case len(tree.Docs) > 1:
		p.fail(tree.Docs[1].Body, "a second YAML document begins here", "keep one document in the file")
	case len(tree.Docs) == 0 || tree.Docs[0].Body == nil || tree.Docs[0].Body.Type() == ast.CommentType:
		return d, fringe.Errorf("build.Parse", fringe.Invalid, "%s is empty; write at least name: and what the environment needs, such as packages: {apt: [wsclean]}", file)
	default:
		p.declaration(tree.Docs[0].Body, &d)
	}
	if p.err != nil {
		return Declaration{}, p.err
	}
	d = d.withDefaults()
	if bad := d.check(); bad != nil {
		return Declaration{}, problemAt(file, p.line(bad.key), bad)
	}
	return d, nil
}

func syntaxError(file string, err error) error {
	var se *yaml.SyntaxError
	if errors.As(err, &se) && se.Token != nil && se.Token.Position != nil {
		return problemAt(file, se.Token.Position.Line, &problem{"", "not YAML: " + se.Message, "check the indentation, the colons and the quotes"})
	}
	return fringe.Errorf("build.Parse", fringe.Invalid, "%s is not YAML: %s", file, strings.SplitN(err.Error(), "\n", 2)[0])
}

func problemAt(file string, line int, p *problem) *fringe.Error {
	where := file
	if line > 0 {
		where += ":" + strconv.Itoa(line)
	}
	msg := p.message
	if p.key != "" {
		msg = p.key + ": " + msg
	}
	return &fringe.Error{Op: "build.Parse", Kind: fringe.Invalid, Component: fringe.Build, Message: where + ": " + msg, Cure: p.cure}
}

// reader walks the tree of a declaration. The first problem stops it.
type reader struct {
	file  string
	lines map[string]int // path of a key → its line
	err   *fringe.Error
}

func (r *reader) fail(n ast.Node, message, cure string) {
	if r.err == nil {
		r.err = problemAt(r.file, lineOf(n), &problem{"", message, cure})
	}
}

// line gives the line of the key, or of the nearest key above it.
func (r *reader) line(key string) int {
	for key != "" {
		if l, ok := r.lines[key]; ok {
			return l
		}
		key = key[:max(0, strings.LastIndexAny(key, ".["))]
	}
	return 1
}

func lineOf(n ast.Node) int {
	if n == nil || n.GetToken() == nil || n.GetToken().Position == nil {
		return 0
	}
	return n.GetToken().Position.Line
}

func (r *reader) declaration(n ast.Node, d *Declaration) {
	r.mapping(n, "", map[string]func(ast.Node){
		"name":        func(n ast.Node) { d.Name = fringe.EnvironmentName(r.text(n)) },
		"description": func(n ast.Node) { d.Description = r.text(n) },
		"contract":    func(n ast.Node) { d.Contract = fringe.Contract(r.text(n)) },
		"python":      func(n ast.Node) { d.Python = r.text(n) },
		"packages": func(n ast.Node) {
			r.mapping(n, "packages.", map[string]func(ast.Node){
				"apt": func(n ast.Node) { d.Packages.Apt = r.list(n, "packages.apt") },
				"pip": func(n ast.Node) { d.Packages.Pip = r.list(n, "packages.pip") },
			})
		},
		"preload":   func(n ast.Node) { d.Preload = r.list(n, "preload") },
		"start":     func(n ast.Node) { d.Start = fringe.StartMode(r.text(n)) },
		"variables": func(n ast.Node) { d.Variables = r.variables(n) },
		"limits": func(n ast.Node) {
			r.mapping(n, "limits.", map[string]func(ast.Node){
				"cpu":      func(n ast.Node) { d.Limits.CPU = r.number(n) },
				"memory":   func(n ast.Node) { d.Limits.Memory = r.size(n) },
				"fileSize": func(n ast.Node) { d.Limits.FileSize = r.size(n) },
				"pids":     func(n ast.Node) { d.Limits.Pids = int(r.number(n)) },
				"time":     func(n ast.Node) { d.Limits.Time = r.duration(n) },
			})
		},
	})
}

// pairs gives the pairs of a mapping.
func (r *reader) pairs(n ast.Node) []*ast.MappingValueNode {
	switch n := n.(type) {
	case *ast.MappingNode:
		return n.Values
	case *ast.MappingValueNode:
		return []*ast.MappingValueNode{n}
	case *ast.NullNode:
		return nil
	}
	r.fail(n, "a mapping of keys to values must be here", "write key: value lines")
	return nil
}

// mapping hands each value of a mapping to the function of its key.
func (r *reader) mapping(n ast.Node, path string, keys map[string]func(ast.Node)) {
	for _, p := range r.pairs(n) {
		key := p.Key.GetToken().Value
		full := path + key
		set := keys[key]
		switch {
		case p.Key.Type() != ast.StringType || set == nil:
			r.fail(p.Key, fmt.Sprintf("unknown key %q", full), "the known keys here are "+strings.Join(slices.Sorted(maps.Keys(keys)), ", "))
		case r.lines[full] != 0:
			r.fail(p.Key, fmt.Sprintf("the key %q is given twice", full), "keep one of them")
		}
		if r.err != nil {
			return
		}
		r.lines[full] = lineOf(p.Key)
		set(p.Value)
	}
}

func (r *reader) list(n ast.Node, path string) []string {
	if n.Type() == ast.NullType {
		return nil
	}
	seq, ok := n.(*ast.SequenceNode)
	if !ok {
		r.fail(n, path+" must be a list", "write ["+n.GetToken().Value+"]")
		return nil
	}
	var out []string
	for i, v := range seq.Values {
		r.lines[index(path, i)] = lineOf(v)
		out = append(out, r.text(v))
	}
	return out
}

func (r *reader) variables(n ast.Node) map[string]string {
	out := map[string]string{}
	for _, p := range r.pairs(n) {
		key := p.Key.GetToken().Value
		if _, twice := out[key]; twice {
			r.fail(p.Key, fmt.Sprintf("the variable %q is given twice", key), "keep one of them")
		}
		r.lines["variables."+key] = lineOf(p.Key)
		out[key] = r.text(p.Value)
	}
	return out
}

// text gives a scalar as it is written: python: 3.10 is "3.10".
func (r *reader) text(n ast.Node) string {
	switch n := n.(type) {
	case *ast.StringNode:
		return n.Value
	case *ast.LiteralNode:
		return n.Value.Value
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode:
		return n.GetToken().Value
	case *ast.NullNode:
		return ""
	case *ast.AliasNode, *ast.AnchorNode, *ast.TagNode, *ast.MergeKeyNode:
		r.fail(n, "anchors, aliases and tags are not taken in a declaration", "write the value out")
		return ""
	}
	r.fail(n, "a single value must be here, not a list or a mapping", "write one word, number or quoted text")
	return ""
}

func (r *reader) number(n ast.Node) float64 {
	s := r.text(n)
	f, err := strconv.ParseFloat(s, 64)
	if err != nil || f < 0 || f > 1e9 {
		r.fail(n, quoted(s)+" is not a number in range", "write a positive number such as 2")
	}
	return f
}

func (r *reader) size(n ast.Node) int64 {
	s := r.text(n)
	b, ok := parseSize(s)
	if !ok {
		r.fail(n, quoted(s)+" is not a size", "write bytes, or a number with a unit such as 512MiB or 4GiB")
	}
	return b
}

func (r *reader) duration(n ast.Node) time.Duration {
	s := r.text(n)
	if f, err := strconv.ParseFloat(s, 64); err == nil && f >= 0 && f < 1e9 {
		return time.Duration(f * float64(time.Second))
	}
	d, err := time.ParseDuration(s)
	if err != nil || d < 0 {
		r.fail(n, quoted(s)+" is not a duration", "write seconds, or a number with a unit such as 90s, 30m or 12h")
	}
	return d
}

// parseSize reads 4GiB, 512M, 1.5e9 or plain bytes.
func parseSize(s string) (int64, bool) {
	num := strings.TrimRight(s, "KMGTiBk ")
	unit := strings.TrimSpace(s[len(num):])
	scale, ok := map[string]float64{
		"": 1, "B": 1,
		"K": 1 << 10, "KiB": 1 << 10, "k": 1e3, "kB": 1e3, "KB": 1e3,
		"M": 1 << 20, "MiB": 1 << 20, "MB": 1e6,
		"G": 1 << 30, "GiB": 1 << 30, "GB": 1e9,
		"T": 1 << 40, "TiB": 1 << 40, "TB": 1e12,
	}[unit]
	f, err := strconv.ParseFloat(num, 64)
	if !ok || err != nil || !(f >= 0) || f*scale > 1<<60 {
		return 0, false
	}
	return int64(f * scale), true
}

func quoted(s string) string {
	if len(s) > 80 {
		s = s[:80] + "…"
	}
	return strconv.Quote(s)
}

func index(key string, i int) string { return fmt.Sprintf("%s[%d]", key, i) }

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
