package cwl

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/scanner"
	"github.com/goccy/go-yaml/token"
)

// Bounds of a document.
const (
	maxDocument = 4 << 20 // bytes of one file
	maxDepth    = 64      // of nesting
	maxNodes    = 200_000 // values, aliases expanded
	maxImports  = 64      // files that one document pulls in
)

type nodeKind uint8

const (
	scalarNode nodeKind = iota
	listNode
	mapNode
)

// node is one value of a document and its place. Nodes are shared where a
// document uses aliases and are never changed after resolve.
type node struct {
	kind      nodeKind
	scalar    any      // nil, bool, int64, float64, string; json.Number as number gives it
	keys      []string // of a mapping, in the document's order
	keyPlaces []place
	values    []*node // of a list or a mapping
	size      int     // values in it, aliases expanded
	place
}

type place struct {
	file         string
	line, column int
}

// get gives the value of a key; nil when it is absent.
func (n *node) get(key string) *node {
	if n == nil || n.kind != mapNode {
		return nil
	}
	for i, k := range n.keys {
		if k == key {
			return n.values[i]
		}
	}
	return nil
}

// with gives a mapping with another value for a key.
func (n *node) with(key string, v *node) *node {
	out := *n
	out.keys = append([]string{}, n.keys...)
	out.values = append([]*node{}, n.values...)
	out.keyPlaces = append([]place{}, n.keyPlaces...)
	for i, k := range out.keys {
		if k == key {
			out.values[i] = v
			return &out
		}
	}
	out.keys, out.values, out.keyPlaces = append(out.keys, key), append(out.values, v), append(out.keyPlaces, v.place)
	return &out
}

func (n *node) isNull() bool { return n == nil || n.kind == scalarNode && n.scalar == nil }

func (n *node) text() (string, bool) {
	if n == nil || n.kind != scalarNode {
		return "", false
	}
	s, ok := n.scalar.(string)
	return s, ok
}

// what names the kind of value for messages.
func (n *node) what() string {
	switch {
	case n == nil:
		return "nothing"
	case n.kind == listNode:
		return "a list"
	case n.kind == mapNode:
		return "a mapping"
	}
	switch v := n.scalar.(type) {
	case nil:
		return "null"
	case string:
		return fmt.Sprintf("%q", clip(v))
	default:
		return fmt.Sprint(v)
	}
}

// clip shortens text that is quoted in a message.
func clip(s string) string {
	if len(s) <= 80 {
		return s
	}
	return strings.ToValidUTF8(s[:77], "") + "…"
}

// value gives the node as plain data: nil, bool, int64, float64, json.Number,
// string, []any and map[string]any.
func (n *node) value() any {
	if n == nil {
		return nil
	}
	switch n.kind {
	case listNode:
		list := make([]any, len(n.values))
		for i, v := range n.values {
			list[i] = v.value()
		}
		return list
	case mapNode:
		m := make(map[string]any, len(n.keys))
		for i, k := range n.keys {
			m[k] = n.values[i].value()
		}
		return m
	}
	return n.scalar
}

// MarshalJSON implements json.Marshaler and keeps the order of keys.
func (n *node) MarshalJSON() ([]byte, error) {
	return n.appendJSON(nil)
}

func (n *node) appendJSON(b []byte) ([]byte, error) {
	var err error
	switch n.kind {
	case listNode:
		b = append(b, '[')
		for i, v := range n.values {
			if i > 0 {
				b = append(b, ',')
			}
			if b, err = v.appendJSON(b); err != nil {
				return nil, err
			}
		}
		return append(b, ']'), nil
	case mapNode:
		b = append(b, '{')
		for i, k := range n.keys {
			if i > 0 {
				b = append(b, ',')
			}
			b = append(appendJSONScalar(b, k), ':')
			if b, err = n.values[i].appendJSON(b); err != nil {
				return nil, err
			}
		}
		return append(b, '}'), nil
	}
	if f, ok := n.scalar.(float64); ok && (math.IsInf(f, 0) || math.IsNaN(f)) {
		return nil, fmt.Errorf("%s:%d: JSON has no way to write %v", n.file, n.line, f)
	}
	return appendJSONScalar(b, n.scalar), nil
}

func appendJSONScalar(b []byte, v any) []byte {
	var s strings.Builder
	enc := json.NewEncoder(&s)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return append(b, "null"...)
	}
	return append(b, strings.TrimSuffix(s.String(), "\n")...)
}

// parseYAML reads one YAML or JSON document. Whatever the bytes are, it ends
// in bounded time and memory.
func parseYAML(file string, doc []byte) (n *node, err error) {
	fail := func(line, column int, format string, args ...any) error {
		return Problems{{File: file, Line: line, Column: column, Message: fmt.Sprintf(format, args...)}}
	}
	if len(doc) > maxDocument {
		return nil, Problems{{File: file, Message: fmt.Sprintf("the document has %d bytes", len(doc)), Cure: "a document may have 4 MiB"}}
	}
	if i := strings.IndexByte(string(doc), 0); i >= 0 {
		return nil, fail(1+strings.Count(string(doc[:i]), "\n"), 1, "the document has a zero byte; it is not YAML text")
	}
	defer func() {
		if p := recover(); p != nil {
			n, err = nil, fail(0, 0, "the document is not YAML that can be read (%v)", p)
		}
	}()
	if j, ok := parseJSON(file, doc); ok {
		return j, nil
	}
	tokens, problem := tokenize(quoteFlowKeys(string(doc)))
	if problem != nil {
		problem.File = file
		return nil, Problems{*problem}
	}
	f, err := parser.Parse(tokens, 0)
	if err != nil {
		var syntax *yaml.SyntaxError
		if errors.As(err, &syntax) && syntax.Token != nil {
			return nil, fail(syntax.Token.Position.Line, syntax.Token.Position.Column, "%s", syntax.Message)
		}
		return nil, fail(0, 0, "%s", firstLine(err.Error()))
	}
	c := converter{file: file, anchors: map[string]*node{}}
	var body ast.Node
	for _, d := range f.Docs {
		if d.Body == nil {
			continue
		}
		if body != nil {
			return nil, fail(0, 0, "the file has several YAML documents; one is allowed")
		}
		body = d.Body
	}
	n = c.convert(body, 0)
	if c.problem != nil {
		return nil, Problems{*c.problem}
	}
	return n, nil
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(s), "\n")
	return line
}

// tokenize cuts a document into tokens and refuses what would make the parser,
// which recurses, go too deep or take too long.
func tokenize(doc string) (token.Tokens, *Problem) {
	var s scanner.Scanner
	s.Init(doc)
	var tokens token.Tokens
	var d depths
	for {
		more, err := s.Scan()
		if err == io.EOF {
			return tokens, nil
		}
		for _, t := range more {
			if message := d.see(t); message != "" {
				return nil, &Problem{Line: t.Position.Line, Column: t.Position.Column, Message: message}
			}
		}
		tokens.Add(more...)
	}
}

// depths follows how deep the tokens of a document nest.
type depths struct {
	count   int
	flow    int   // open brackets
	indents []int // columns of the open block collections
	line    int
	run     int // indicators on this line that can nest without brackets
}

func (d *depths) see(t *token.Token) string {
	const deep = "the document is nested too deeply; 64 levels are allowed"
	if d.count++; d.count > 2*maxNodes {
		return fmt.Sprintf("the document has too many values; about %d are allowed", maxNodes)
	}
	if t.Position.Line != d.line {
		d.line, d.run = t.Position.Line, 0
	}
	switch t.Type {
	case token.SequenceStartType, token.MappingStartType:
		d.flow++
	case token.SequenceEndType, token.MappingEndType:
		d.flow--
	case token.TagType, token.AnchorType, token.MappingKeyType:
		d.run++
	case token.SequenceEntryType, token.MappingValueType:
		if d.flow == 0 {
			d.run++
			d.indent(t.Position.Column)
		}
	}
	if d.flow > maxDepth || d.run > maxDepth || len(d.indents) > 2*maxDepth {
		return deep
	}
	return ""
}

func (d *depths) indent(column int) {
	for len(d.indents) > 0 && d.indents[len(d.indents)-1] >= column {
		d.indents = d.indents[:len(d.indents)-1]
	}
	d.indents = append(d.indents, column)
}

// converter turns the parser's tree into nodes.
type converter struct {
	file    string
	anchors map[string]*node
	problem *Problem
}

func (c *converter) fail(t *token.Token, format string, args ...any) *node {
	if c.problem == nil {
		p := c.place(t)
		c.problem = &Problem{File: p.file, Line: p.line, Column: p.column, Message: fmt.Sprintf(format, args...)}
	}
	return &node{}
}

func (c *converter) place(t *token.Token) place {
	if t == nil || t.Position == nil {
		return place{file: c.file}
	}
	return place{c.file, t.Position.Line, t.Position.Column}
}

func (c *converter) scalar(t *token.Token, v any) *node {
	return &node{kind: scalarNode, scalar: v, size: 1, place: c.place(t)}
}

func (c *converter) convert(a ast.Node, depth int) *node {
	if a == nil {
		return c.scalar(nil, nil)
	}
	if depth > maxDepth {
		return c.fail(a.GetToken(), "the document is nested too deeply; %d levels are allowed", maxDepth)
	}
	if c.problem != nil {
		return &node{}
	}
	switch v := a.(type) {
	case *ast.NullNode:
		return c.scalar(v.Token, nil)
	case *ast.BoolNode:
		return c.scalar(v.Token, v.Value)
	case *ast.IntegerNode:
		return c.scalar(v.Token, integer(v))
	case *ast.FloatNode:
		if n, err := number(v.Token.Value); err == nil && isNumber(v.Token.Value) {
			return c.scalar(v.Token, n)
		}
		return c.scalar(v.Token, v.Value)
	case *ast.InfinityNode:
		return c.scalar(v.Token, v.Value)
	case *ast.NanNode:
		return c.scalar(v.Token, math.NaN())
	case *ast.StringNode:
		if v.Token.Type == token.StringType && isNumber(v.Value) {
			if n, err := number(v.Value); err == nil {
				return c.scalar(v.Token, n)
			}
		}
		return c.scalar(v.Token, v.Value)
	case *ast.LiteralNode:
		return c.scalar(v.Start, v.Value.Value)
	case *ast.TagNode:
		return c.tagged(v, depth)
	case *ast.AnchorNode:
		return c.anchored(v, depth)
	case *ast.AliasNode:
		n, ok := c.anchors[v.Value.GetToken().Value]
		if !ok {
			return c.fail(v.Start, "the alias *%s has no anchor before it", v.Value.GetToken().Value)
		}
		return n
	case *ast.SequenceNode:
		return c.list(v, depth)
	case *ast.MappingNode:
		return c.mapping(v.Start, v.Values, depth)
	case *ast.MappingValueNode:
		return c.mapping(v.Key.GetToken(), []*ast.MappingValueNode{v}, depth)
	}
	return c.fail(a.GetToken(), "a YAML %s cannot be used here", a.Type())
}

// isNumber says whether plain text is a decimal number of YAML's core schema
// that the parser takes for a word: 1e-7, and integers of very many digits.
func isNumber(s string) bool {
	if len(s) > 400 || s == "" {
		return false
	}
	rest := s
	if rest[0] == '+' || rest[0] == '-' {
		rest = rest[1:]
	}
	digits := func() int {
		n := 0
		for n < len(rest) && rest[n] >= '0' && rest[n] <= '9' {
			n++
		}
		rest = rest[n:]
		return n
	}
	n := digits()
	if strings.HasPrefix(rest, ".") {
		rest = rest[1:]
		n += digits()
	}
	if n == 0 {
		return false
	}
	if rest == "" {
		return true
	}
	if rest[0] != 'e' && rest[0] != 'E' {
		return false
	}
	if rest = rest[1:]; rest != "" && (rest[0] == '+' || rest[0] == '-') {
		rest = rest[1:]
	}
	return digits() > 0 && rest == ""
}

// integer gives an int64; what number gives when the integer is too large for it.
func integer(n *ast.IntegerNode) any {
	switch v := n.Value.(type) {
	case int64:
		return v
	case uint64:
		if v <= math.MaxInt64 {
			return int64(v)
		}
		x, _ := number(strconv.FormatUint(v, 10))
		return x
	}
	if x, err := number(n.Token.Value); err == nil {
		return x
	}
	return n.Token.Value
}

func (c *converter) tagged(t *ast.TagNode, depth int) *node {
	n := c.convert(t.Value, depth+1)
	if t.Start.Value == "!!str" && n.kind == scalarNode && n.scalar != nil {
		if v := t.Value.GetToken(); v != nil {
			return c.scalar(v, v.Value)
		}
	}
	return n
}

func (c *converter) anchored(a *ast.AnchorNode, depth int) *node {
	n := c.convert(a.Value, depth+1)
	c.anchors[a.Name.GetToken().Value] = n
	return n
}

// count adds a finished value and refuses a document that is too large once
// its aliases are expanded.
func (c *converter) count(n *node) *node {
	n.size = 1
	for _, v := range n.values {
		n.size = min(n.size+v.size, maxNodes+1)
	}
	if n.size > maxNodes && c.problem == nil {
		c.problem = &Problem{File: n.file, Line: n.line, Column: n.column,
			Message: fmt.Sprintf("the document has too many values when its aliases are expanded; %d are allowed", maxNodes)}
	}
	return n
}

func (c *converter) list(s *ast.SequenceNode, depth int) *node {
	n := &node{kind: listNode, place: c.place(s.Start), values: make([]*node, 0, len(s.Values))}
	for _, v := range s.Values {
		n.values = append(n.values, c.convert(v, depth+1))
	}
	return c.count(n)
}

func (c *converter) mapping(start *token.Token, entries []*ast.MappingValueNode, depth int) *node {
	n := &node{kind: mapNode, place: c.place(start)}
	if len(entries) > 0 {
		n.place = c.place(entries[0].Key.GetToken())
	}
	seen := make(map[string]int, len(entries))
	var merged []*node
	for _, e := range entries {
		value := c.convert(e.Value, depth+1)
		if e.Key.IsMergeKey() {
			merged = append(merged, value)
			continue
		}
		key, ok := c.key(e.Key)
		if !ok {
			return c.fail(e.Key.GetToken(), "a key must be plain text")
		}
		if _, twice := seen[key]; twice {
			return c.fail(e.Key.GetToken(), "the key %q is there twice", clip(key))
		}
		seen[key] = len(n.keys)
		n.keys = append(n.keys, key)
		n.keyPlaces = append(n.keyPlaces, c.place(e.Key.GetToken()))
		n.values = append(n.values, value)
	}
	for _, m := range merged {
		c.merge(n, m, seen)
	}
	return c.count(n)
}

func (c *converter) key(k ast.MapKeyNode) (string, bool) {
	n := c.convert(k, 0)
	if n.kind != scalarNode {
		return "", false
	}
	if s, ok := n.scalar.(string); ok {
		return s, true
	}
	if t := k.GetToken(); t != nil {
		return t.Value, true
	}
	return "", false
}

// merge adds what "<<" brings; the mapping's own keys win.
func (c *converter) merge(n, from *node, seen map[string]int) {
	if from.kind == listNode {
		for _, v := range from.values {
			if v.kind == mapNode {
				c.merge(n, v, seen)
			}
		}
		return
	}
	for i, k := range from.keys {
		if _, ok := seen[k]; ok {
			continue
		}
		seen[k] = len(n.keys)
		n.keys = append(n.keys, k)
		n.keyPlaces = append(n.keyPlaces, from.keyPlaces[i])
		n.values = append(n.values, from.values[i])
	}
}
