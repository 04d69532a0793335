package cwl

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math"
	"math/big"
	"strconv"
	"strings"

	"fringe"
)

// Validate checks an input object and gives it complete: defaults filled,
// absent optional inputs null, whole numbers as int64 and others as float64. No
// digit of a whole number is lost: what does not fit is wrong.
// The given map is not changed; File and Directory objects are shared with it.
//
// The error is a *fringe.Error of kind Invalid. Its message names everything
// that is wrong, with the documented types; its Pointer is that of the first.
func (t *Tool) Validate(inputs map[string]any) (map[string]any, error) {
	out := make(map[string]any, len(t.Inputs))
	used := 0
	var wrong []mistake
	for i := range t.Inputs {
		in := &t.Inputs[i]
		v, there := inputs[in.Name]
		if there {
			used++
		}
		if v == nil && in.HasDefault {
			out[in.Name] = in.Default
			continue
		}
		c, ok := coerce(&in.Type, v)
		switch {
		case !ok:
			wrong = in.explain(wrong, v, there)
			continue
		case in.bounded:
			wrong = in.checkRange(wrong, c)
		}
		if in.files && len(in.formats) > 0 && c != nil {
			wrong = t.checkFormats(wrong, &in.port, &in.Type, c, "/"+escapePointer(in.Name))
		} else if in.files && c != nil {
			wrong = t.nestedFormats(wrong, &in.Type, c, "/"+escapePointer(in.Name))
		}
		out[in.Name] = c
	}
	if used < len(inputs) {
		wrong = t.unknownInputs(wrong, inputs)
	}
	if wrong != nil {
		return nil, invalid("cwl.Validate", wrong)
	}
	return out, nil
}

// mistake is one thing that is wrong in an input object.
type mistake struct {
	pointer string
	message string
}

func invalid(op string, wrong []mistake) error {
	const most = 20
	lines := make([]string, 0, len(wrong))
	for i, w := range wrong {
		if i == most {
			lines = append(lines, fmt.Sprintf("and %d more", len(wrong)-most))
			break
		}
		lines = append(lines, w.message)
	}
	return &fringe.Error{Op: op, Kind: fringe.Invalid, Message: strings.Join(lines, "; "), Pointer: wrong[0].pointer}
}

func escapePointer(s string) string {
	if !strings.ContainsAny(s, "~/") {
		return s
	}
	return strings.NewReplacer("~", "~0", "/", "~1").Replace(s)
}

func (t *Tool) unknownInputs(wrong []mistake, inputs map[string]any) []mistake {
	names := make([]string, len(t.Inputs))
	for i := range t.Inputs {
		names[i] = t.Inputs[i].Name
	}
	for _, name := range keysOf(inputs) {
		if contains(names, name) {
			continue
		}
		message := fmt.Sprintf("there is no input %q", clip(name))
		if s := suggest(name, names); s != "" {
			message += strings.Replace(s, ";", ",", 1)
		} else if len(names) == 0 {
			message += "; the function takes none"
		} else {
			message += "; the inputs are " + clipList(names)
		}
		wrong = append(wrong, mistake{"/" + escapePointer(name), message})
	}
	return wrong
}

func clipList(names []string) string {
	const most = 12
	if len(names) > most {
		return strings.Join(names[:most], ", ") + fmt.Sprintf(" and %d more", len(names)-most)
	}
	return strings.Join(names, ", ")
}

// coerce gives the value as the type wants it; false when it does not fit.
func coerce(t *Type, v any) (any, bool) {
	if v == nil {
		return nil, t.Optional
	}
	switch t.Kind {
	case Null:
		return nil, false
	case Boolean:
		_, ok := v.(bool)
		return v, ok
	case Int, Long:
		n, ok := wholeNumber(v)
		return n, ok && (t.Kind == Long || n >= math.MinInt32 && n <= math.MaxInt32)
	case Float, Double:
		f, ok := realNumber(v)
		return f, ok && !math.IsNaN(f) && !math.IsInf(f, 0)
	case String:
		_, ok := v.(string)
		return v, ok
	case Enum:
		s, ok := v.(string)
		return v, ok && contains(t.Symbols, s)
	case File, Directory:
		return v, isFileObject(t.Kind, v)
	case Any:
		return anyValue(v)
	case Array:
		return coerceArray(t, v)
	case Record:
		return coerceRecord(t, v)
	}
	for i := range t.Options {
		if c, ok := coerce(&t.Options[i], v); ok {
			return c, true
		}
	}
	return nil, false
}

func wholeNumber(v any) (int64, bool) {
	switch v := v.(type) {
	case int64:
		return v, true
	case int:
		return int64(v), true
	case float64:
		return int64(v), v == math.Trunc(v) && math.Abs(v) < 1<<63
	case json.Number:
		if x, err := number(string(v)); err == nil && x != any(v) {
			return wholeNumber(x)
		}
	}
	return 0, false
}

func realNumber(v any) (float64, bool) {
	switch v := v.(type) {
	case float64:
		return v, true
	case int64:
		return float64(v), true
	case int:
		return float64(v), true
	case json.Number:
		f, err := v.Float64()
		return f, err == nil
	}
	return 0, false
}

// anyValue gives the numbers inside a value their plain form. Those that no
// plain form holds with all digits stay as they are, and it gives false.
func anyValue(v any) (any, bool) {
	switch v := v.(type) {
	case json.Number:
		n, err := number(string(v))
		if long, ok := n.(json.Number); ok {
			f, err := long.Float64()
			exact, whole := new(big.Int).SetString(string(long), 10)
			if held, _ := new(big.Float).SetFloat64(f).Int(nil); err != nil || whole && held.Cmp(exact) != 0 {
				return v, false
			}
			return f, true
		}
		if err != nil {
			return v, false
		}
		return n, true
	case int:
		return int64(v), true
	case float64:
		if v == math.Trunc(v) && math.Abs(v) < 1<<53 {
			return int64(v), true
		}
	case []any:
		out, all := make([]any, len(v)), true
		for i, e := range v {
			x, ok := anyValue(e)
			out[i], all = x, all && ok
		}
		return out, all
	case map[string]any:
		out, all := make(map[string]any, len(v)), true
		for k, e := range v {
			x, ok := anyValue(e)
			out[k], all = x, all && ok
		}
		return out, all
	}
	return v, true
}

func isFileObject(kind Kind, v any) bool {
	m, ok := v.(map[string]any)
	if !ok || m["class"] != kind.String() {
		return false
	}
	for _, field := range [...]string{"location", "path", "basename", "contents", "format"} {
		if e, there := m[field]; there && e != nil {
			if _, isText := e.(string); !isText {
				return false
			}
		}
	}
	for _, field := range [...]string{"secondaryFiles", "listing"} {
		if e, there := m[field]; there && e != nil && !isFileList(e) {
			return false
		}
	}
	location, _ := m["location"].(string)
	path, _ := m["path"].(string)
	if location != "" || path != "" {
		return true
	}
	if kind == File {
		_, ok = m["contents"].(string)
		return ok
	}
	_, ok = m["listing"].([]any)
	return ok
}

func isFileList(v any) bool {
	list, ok := v.([]any)
	if !ok {
		return false
	}
	for _, e := range list {
		if !isFileObject(File, e) && !isFileObject(Directory, e) {
			return false
		}
	}
	return true
}

func coerceArray(t *Type, v any) (any, bool) {
	list, ok := v.([]any)
	if !ok {
		return nil, false
	}
	out := make([]any, len(list))
	for i, e := range list {
		if out[i], ok = coerce(t.Items, e); !ok {
			return nil, false
		}
	}
	return out, true
}

func coerceRecord(t *Type, v any) (any, bool) {
	m, ok := v.(map[string]any)
	if !ok {
		return nil, false
	}
	out := make(map[string]any, len(t.Fields))
	used := 0
	for i := range t.Fields {
		f := &t.Fields[i]
		e, there := m[f.Name]
		if there {
			used++
		}
		if out[f.Name], ok = coerce(&f.Type, e); !ok {
			return nil, false
		}
	}
	return out, used == len(m)
}

// explain says why a value does not fit its input.
func (in *Input) explain(wrong []mistake, v any, there bool) []mistake {
	pointer := "/" + escapePointer(in.Name)
	if v == nil {
		verb := "is missing"
		if there {
			verb = "is null"
		}
		return append(wrong, mistake{pointer, fmt.Sprintf("the input %s %s; its type is %s", in.Name, verb, in.described())})
	}
	at, what := reason(&in.Type, v, "")
	if at == "" {
		return append(wrong, mistake{pointer, fmt.Sprintf("the input %s is %s; its type is %s", in.Name, what, in.described())})
	}
	return append(wrong, mistake{pointer + at, fmt.Sprintf("the input %s is wrong at %s: %s", in.Name, at, what)})
}

// described gives the type with the unit.
func (in *Input) described() string {
	s := clipType(in.Type)
	if in.Unit != "" {
		s += " (" + in.Unit + ")"
	}
	return s
}

func clipType(t Type) string {
	s := t.String()
	if len(s) > 400 {
		return s[:397] + "…"
	}
	return s
}

// reason finds the innermost place at which a value does not fit, and says
// what is there.
func reason(t *Type, v any, at string) (where, what string) {
	deeper := func(item *Type, e any, key string) (string, string) {
		at, what := reason(item, e, at+"/"+escapePointer(key))
		if !strings.Contains(what, "; its type is ") && !strings.Contains(what, "; the fields are ") {
			what += "; its type is " + clipType(*item)
		}
		return at, what
	}
	switch t.Kind {
	case Array:
		list, _ := v.([]any)
		for i, e := range list {
			if _, ok := coerce(t.Items, e); !ok {
				return deeper(t.Items, e, strconv.Itoa(i))
			}
		}
	case Record:
		m, ok := v.(map[string]any)
		if !ok {
			break
		}
		var names []string
		for i := range t.Fields {
			f := &t.Fields[i]
			names = append(names, f.Name)
			if _, ok := coerce(&f.Type, m[f.Name]); !ok {
				return deeper(&f.Type, m[f.Name], f.Name)
			}
		}
		for _, k := range keysOf(m) {
			if !contains(names, k) {
				return at + "/" + escapePointer(k), fmt.Sprintf("there is no field %q%s; the fields are %s", clip(k), strings.Replace(suggest(k, names), ";", ",", 1), clipList(names))
			}
		}
	case Enum:
		if s, ok := v.(string); ok {
			return at, fmt.Sprintf("%q%s", clip(s), strings.Replace(suggest(s, t.Symbols), "; did", ", did", 1))
		}
	case Int, Long:
		if n, ok := wholeNumber(v); ok {
			return at, fmt.Sprintf("%d, which does not fit into 32 bits", n)
		}
		if tooLong(v) {
			return at, describe(v) + ", which does not fit into 64 bits"
		}
	case Any:
		return longNumberIn(v, at)
	case File, Directory:
		return at, describe(v) + fileAdvice(t.Kind, v)
	}
	return at, describe(v)
}

// tooLong says whether v is a whole number beyond the range of int64.
func tooLong(v any) bool {
	switch v := v.(type) {
	case float64:
		return v == math.Trunc(v) && math.Abs(v) >= 1<<63
	case json.Number:
		x, err := number(string(v))
		if long, ok := x.(json.Number); ok {
			return !strings.Contains(string(long), ".")
		}
		return err == nil && tooLong(x)
	}
	return false
}

// longNumberIn finds the number in a value that anyValue does not take.
func longNumberIn(v any, at string) (where, what string) {
	switch v := v.(type) {
	case []any:
		for i, e := range v {
			if _, ok := anyValue(e); !ok {
				return longNumberIn(e, at+"/"+strconv.Itoa(i))
			}
		}
	case map[string]any:
		for _, k := range keysOf(v) {
			if _, ok := anyValue(v[k]); !ok {
				return longNumberIn(v[k], at+"/"+escapePointer(k))
			}
		}
	}
	return at, describe(v) + ", which has more digits than a number can hold here"
}

func fileAdvice(kind Kind, v any) string {
	if m, ok := v.(map[string]any); ok && m["class"] == kind.String() {
		return " without a location that is a string"
	}
	return fmt.Sprintf(", not an object such as {\"class\": %q, \"location\": …}", kind.String())
}

// checkRange checks a number, or each number of a list, against the bounds.
func (in *Input) checkRange(wrong []mistake, v any) []mistake {
	return in.rangeAt(wrong, v, "/"+escapePointer(in.Name))
}

func (in *Input) rangeAt(wrong []mistake, v any, pointer string) []mistake {
	if list, ok := v.([]any); ok {
		for i, e := range list {
			wrong = in.rangeAt(wrong, e, pointer+"/"+strconv.Itoa(i))
		}
		return wrong
	}
	x, ok := toFloat(v)
	if !ok {
		return wrong
	}
	against := func(bound float64) int { return compareNumbers(v, x, bound) }
	bound := ""
	switch {
	case math.IsNaN(x):
		bound = "a number"
	case in.Min != nil && against(*in.Min) < 0:
		bound = "at least " + in.quantity(*in.Min)
	case in.Max != nil && against(*in.Max) > 0:
		bound = "at most " + in.quantity(*in.Max)
	case in.ExclusiveMin != nil && against(*in.ExclusiveMin) <= 0:
		bound = "more than " + in.quantity(*in.ExclusiveMin)
	case in.ExclusiveMax != nil && against(*in.ExclusiveMax) >= 0:
		bound = "less than " + in.quantity(*in.ExclusiveMax)
	default:
		return wrong
	}
	given := in.quantity(x)
	if n, whole := v.(int64); whole {
		given = in.withUnit(strconv.FormatInt(n, 10))
	}
	return append(wrong, mistake{pointer, fmt.Sprintf("the input %s is %s; it must be %s", in.Name, given, bound)})
}

// compareNumbers compares v, which is x as a float64, with a bound: -1, 0 or 1.
func compareNumbers(v any, x, bound float64) int {
	n, whole := v.(int64)
	if c := cmp.Compare(x, bound); c != 0 || !whole || math.Abs(bound) >= 1<<63 {
		return c
	}
	return cmp.Compare(n, int64(bound)) // the bound is whole, or n would be another as a float64
}

func (in *Input) quantity(x float64) string {
	if x == math.Trunc(x) && math.Abs(x) < 1<<63 {
		return in.withUnit(strconv.FormatFloat(x, 'f', -1, 64))
	}
	return in.withUnit(strconv.FormatFloat(x, 'g', -1, 64))
}

func (in *Input) withUnit(s string) string {
	if in.Unit != "" {
		s += " " + in.Unit
	}
	return s
}

// nestedFormats checks formats that the fields of records ask for.
func (t *Tool) nestedFormats(wrong []mistake, ty *Type, v any, pointer string) []mistake {
	switch ty.Kind {
	case Array:
		list, _ := v.([]any)
		for i, e := range list {
			wrong = t.nestedFormats(wrong, ty.Items, e, pointer+"/"+strconv.Itoa(i))
		}
	case Record:
		m, _ := v.(map[string]any)
		for i := range ty.Fields {
			f := &ty.Fields[i]
			if m[f.Name] != nil {
				wrong = t.checkFormats(wrong, &f.port, &f.Type, m[f.Name], pointer+"/"+escapePointer(f.Name))
			}
		}
	}
	return wrong
}

// checkFormats checks the formats of files. A file that does not say its
// format is taken.
func (t *Tool) checkFormats(wrong []mistake, p *port, ty *Type, v any, pointer string) []mistake {
	formats := staticFormats(p.formats)
	if len(formats) == 0 || len(formats) < len(p.formats) {
		return t.nestedFormats(wrong, ty, v, pointer)
	}
	if list, ok := v.([]any); ok {
		for i, e := range list {
			wrong = t.checkFormats(wrong, p, ty, e, pointer+"/"+strconv.Itoa(i))
		}
		return wrong
	}
	if message := t.formatMessage(formats, v); message != "" {
		return append(wrong, mistake{pointer, "the input at " + pointer + message})
	}
	return wrong
}

func (t *Tool) formatMessage(formats []string, v any) string {
	m, ok := v.(map[string]any)
	if !ok || m["class"] != "File" {
		return ""
	}
	format, _ := m["format"].(string)
	if format == "" {
		return ""
	}
	format = expandIRI(t.namespaces, format)
	for _, f := range formats {
		if t.ontology.isA(format, f) {
			return ""
		}
	}
	return fmt.Sprintf(" has the format %s; it must be %s", clip(format), strings.Join(formats, " or "))
}
