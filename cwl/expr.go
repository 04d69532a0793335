package cwl

import (
	"fmt"
	"math"
	"sort"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/dop251/goja"
)

// template is a string of a document in which expressions may stand.
type template struct {
	raw   string
	parts []part // nil when there is no expression: the value is raw
	place place
}

// part is literal text, or an expression.
type part struct {
	literal string
	code    string     // what stands between the brackets; empty for literal text
	body    bool       // the code is that of a function, ${…}
	ref     *reference // nil when the code is not a parameter reference
	js      *goja.Program
}

// reference is a parameter reference: inputs.image.path, self[0].size.
type reference struct {
	root  string
	steps []step
}

type step struct {
	key   string
	index int // of a list; -1 when key is used
}

// parseTemplate reads text that may hold expressions. Strip removes white space
// around it when there are expressions.
func parseTemplate(text string, strip bool) (*template, error) {
	t := &template{raw: text}
	if !strings.Contains(text, "$(") && !strings.Contains(text, "${") {
		return t, nil
	}
	if strip {
		text = strings.TrimSpace(text)
	}
	var literal strings.Builder
	flush := func() {
		if literal.Len() > 0 {
			t.parts = append(t.parts, part{literal: literal.String()})
			literal.Reset()
		}
	}
	for i := 0; i < len(text); {
		rest := text[i:]
		switch {
		case strings.HasPrefix(rest, `\$(`) || strings.HasPrefix(rest, `\${`):
			literal.WriteString(rest[1:3])
			i += 3
		case strings.HasPrefix(rest, `\\`):
			literal.WriteByte('\\')
			i += 2
		case strings.HasPrefix(rest, "$(") || strings.HasPrefix(rest, "${"):
			n := closing(rest[1:])
			if n < 0 {
				return nil, fmt.Errorf("the expression %s is not closed", clip(rest))
			}
			flush()
			t.parts = append(t.parts, newPart(rest[1:n+1]))
			i += n + 1
		default:
			literal.WriteByte(rest[0])
			i++
		}
	}
	flush()
	return t, nil
}

// newPart takes the bracketed code of an expression.
func newPart(bracketed string) part {
	if bracketed[0] == '{' {
		return part{code: bracketed, body: true}
	}
	code := bracketed[1 : len(bracketed)-1]
	return part{code: code, ref: parseReference(code)}
}

// text gives the expression as it is written.
func (p *part) text() string {
	if p.body {
		return "$" + p.code
	}
	return "$(" + p.code + ")"
}

// closing gives the length of the bracketed code at the start of s, brackets
// included; -1 when it is not closed. Strings and comments are passed over.
func closing(s string) int {
	open := s[0]
	shut := byte(')')
	if open == '{' {
		shut = '}'
	}
	depth := 0
	var quote byte
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case c == '\\':
			i++
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '"' || c == '\'':
			quote = c
		case c == '/' && i+1 < len(s) && (s[i+1] == '/' || s[i+1] == '*'):
			n := comment(s[i:])
			if n < 0 {
				return -1
			}
			i += n - 1
		case c == open:
			depth++
		case c == shut:
			if depth--; depth == 0 {
				return i + 1
			}
		}
	}
	return -1
}

// comment gives the length of the comment at the start of s; -1 when it does
// not end.
func comment(s string) int {
	if s[1] == '/' {
		if n := strings.IndexByte(s, '\n'); n >= 0 {
			return n
		}
		return -1
	}
	n := strings.Index(s[2:], "*/")
	if n < 0 {
		return -1
	}
	return n + 4
}

// parseReference reads a parameter reference; nil when the code is not one.
func parseReference(code string) *reference {
	root, rest := symbol(code)
	if root == "" {
		return nil
	}
	r := &reference{root: root}
	for rest != "" {
		var s step
		var ok bool
		if s, rest, ok = parseStep(rest); !ok {
			return nil
		}
		r.steps = append(r.steps, s)
	}
	return r
}

func symbol(s string) (name, rest string) {
	n := 0
	for n < len(s) {
		r, size := utf8.DecodeRuneInString(s[n:])
		if r != '_' && !unicode.IsLetter(r) && !unicode.IsDigit(r) {
			break
		}
		n += size
	}
	return s[:n], s[n:]
}

func parseStep(s string) (st step, rest string, ok bool) {
	if s[0] == '.' {
		name, rest := symbol(s[1:])
		return step{name, -1}, rest, name != ""
	}
	if s[0] != '[' || len(s) < 3 {
		return step{}, "", false
	}
	if q := s[1]; q == '\'' || q == '"' {
		var key strings.Builder
		for i := 2; i < len(s); i++ {
			switch {
			case s[i] == '\\' && i+1 < len(s) && (s[i+1] == '\'' || s[i+1] == '"'):
				i++
				key.WriteByte(s[i])
			case s[i] == q:
				if i+1 < len(s) && s[i+1] == ']' {
					return step{key.String(), -1}, s[i+2:], key.Len() > 0
				}
				return step{}, "", false
			default:
				key.WriteByte(s[i])
			}
		}
		return step{}, "", false
	}
	digits, rest, found := strings.Cut(s[1:], "]")
	n, err := strconv.Atoi(digits)
	if !found || err != nil || n < 0 || digits[0] == '+' {
		return step{}, "", false
	}
	return step{index: n}, rest, true
}

// resolve follows the reference.
func (r *reference) resolve(ev *evaluator, self any) (any, error) {
	var v any
	switch r.root {
	case "inputs":
		v = ev.inputs
	case "self":
		v = self
	case "runtime":
		v = ev.runtime
	case "null":
		if len(r.steps) > 0 {
			return nil, fmt.Errorf("null has no %s", r.steps[0])
		}
		return nil, nil
	default:
		return nil, fmt.Errorf("%q is not known; inputs, self and runtime are", r.root)
	}
	at := r.root
	for i, s := range r.steps {
		next, err := s.take(v, i == len(r.steps)-1)
		if err != nil {
			return nil, fmt.Errorf("%s %w", at, err)
		}
		at += s.String()
		v = next
	}
	return v, nil
}

// String gives the step as it is written in a reference.
func (s step) String() string {
	if s.index >= 0 {
		return fmt.Sprintf("[%d]", s.index)
	}
	return "." + s.key
}

func (s step) take(v any, last bool) (any, error) {
	switch v := v.(type) {
	case map[string]any:
		if s.index < 0 {
			if e, ok := v[s.key]; ok {
				return e, nil
			}
			return nil, fmt.Errorf("has no field %q%s", s.key, suggest(s.key, keysOf(v)))
		}
	case []any:
		if s.index >= 0 && s.index < len(v) {
			return v[s.index], nil
		}
		if s.index >= 0 {
			return nil, fmt.Errorf("has %d elements; there is no [%d]", len(v), s.index)
		}
		if s.key == "length" && last {
			return int64(len(v)), nil
		}
	}
	return nil, fmt.Errorf("is %s and has no %s", describe(v), s)
}

func keysOf(m map[string]any) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	return keys
}

// describe names a value for messages.
func describe(v any) string {
	switch v := v.(type) {
	case nil:
		return "null"
	case map[string]any:
		if class, ok := v["class"].(string); ok {
			return "a " + clip(class)
		}
		return "a record"
	case []any:
		return "a list"
	case string:
		return strconv.Quote(clip(v))
	case bool:
		return strconv.FormatBool(v)
	}
	return plain(v)
}

// evaluator is what expressions see.
type evaluator struct {
	inputs  map[string]any
	runtime map[string]any
	script  *script // nil when the tool has no InlineJavascriptRequirement

	inputsJSON, runtimeJSON string // made when first needed
}

// changed must be called after inputs or runtime were changed.
func (ev *evaluator) changed() { ev.inputsJSON, ev.runtimeJSON = "", "" }

// eval gives the value of the template: that of the expression when it is the
// whole text, else a string.
func (ev *evaluator) eval(t *template, self any) (any, error) {
	if t == nil {
		return nil, nil
	}
	if t.parts == nil {
		return t.raw, nil
	}
	if len(t.parts) == 1 && t.parts[0].code != "" {
		return ev.evalPart(t, &t.parts[0], self)
	}
	var b strings.Builder
	for i := range t.parts {
		p := &t.parts[i]
		if p.code == "" {
			b.WriteString(p.literal)
			continue
		}
		v, err := ev.evalPart(t, p, self)
		if err != nil {
			return nil, err
		}
		if s, ok := v.(string); ok {
			b.WriteString(s)
		} else {
			b.WriteString(dump(v))
		}
		if b.Len() > maxScriptOutput {
			return nil, t.fail("the text is longer than %d MiB", maxScriptOutput>>20)
		}
	}
	return b.String(), nil
}

func (t *template) fail(format string, args ...any) error {
	message := fmt.Sprintf("the expression %s: %s", clip(strings.TrimSpace(t.raw)), fmt.Sprintf(format, args...))
	if t.place.line > 0 {
		message = fmt.Sprintf("%s:%d: %s", t.place.file, t.place.line, message)
	}
	return fmt.Errorf("%s", message)
}

func (ev *evaluator) evalPart(t *template, p *part, self any) (any, error) {
	var refErr error
	if p.ref != nil {
		var v any
		if v, refErr = p.ref.resolve(ev, self); refErr == nil {
			return v, nil
		}
	}
	if ev.script == nil {
		if refErr == nil {
			refErr = fmt.Errorf("it is JavaScript, and the tool has no InlineJavascriptRequirement")
		}
		return nil, t.fail("%v", refErr)
	}
	v, err := ev.script.run(ev, p, self)
	if err != nil {
		return nil, t.fail("%v", err)
	}
	return v, nil
}

// dump writes a value as JSON for interpolation into text.
func dump(v any) string {
	var b strings.Builder
	writeJSON(&b, v)
	return b.String()
}

func writeJSON(b *strings.Builder, v any) {
	switch v := v.(type) {
	case []any:
		b.WriteByte('[')
		for i, e := range v {
			if i > 0 {
				b.WriteString(", ")
			}
			writeJSON(b, e)
		}
		b.WriteByte(']')
	case map[string]any:
		b.WriteByte('{')
		for i, k := range keysOf(v) {
			if i > 0 {
				b.WriteString(", ")
			}
			b.Write(appendJSONScalar(nil, k))
			b.WriteString(": ")
			writeJSON(b, v[k])
		}
		b.WriteByte('}')
	case string:
		b.Write(appendJSONScalar(nil, v))
	default:
		b.WriteString(plain(v))
	}
}

// plain writes a scalar as a command line shows it: numbers are decimal, never
// in scientific notation.
func plain(v any) string {
	switch v := v.(type) {
	case nil:
		return "null"
	case string:
		return v
	case bool:
		return strconv.FormatBool(v)
	case int:
		return strconv.Itoa(v)
	case int64:
		return strconv.FormatInt(v, 10)
	case float64:
		if math.IsInf(v, 0) || math.IsNaN(v) {
			return strings.ToLower(strings.TrimPrefix(fmt.Sprint(v), "+"))
		}
		return strconv.FormatFloat(v, 'f', -1, 64)
	case []any, map[string]any:
		return dump(v)
	}
	return fmt.Sprint(v)
}
