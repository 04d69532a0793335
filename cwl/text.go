package cwl

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"fringe"
)

// FromText gives the value that a person typed for the input: numbers, true
// and false, words; a comma-separated list or a JSON list for arrays; JSON for
// records; and for files and directories a reference, which becomes an object
// with that location. An empty text is null where null is allowed and the type
// is not a string.
func (in *Input) FromText(s string) (any, error) {
	v, ok := fromText(&in.Type, s)
	if !ok {
		what := strconv.Quote(clip(s))
		if n, err := number(strings.TrimSpace(s)); err == nil && (in.Type.Kind == Int || in.Type.Kind == Long) {
			_, what = reason(&in.Type, n, "")
		}
		return nil, &fringe.Error{Op: "cwl.FromText", Kind: fringe.Invalid, Pointer: "/" + escapePointer(in.Name),
			Message: fmt.Sprintf("the input %s is %s; its type is %s%s", in.Name, what, in.described(), textAdvice(&in.Type))}
	}
	return v, nil
}

func textAdvice(t *Type) string {
	switch t.Kind {
	case Array:
		if t.Items.Kind == Record {
			return ", written as a JSON list of objects"
		}
		return ", written as a,b,c or as a JSON list"
	case Record:
		return ", written as a JSON object"
	case Boolean:
		return ", written as true or false"
	}
	return ""
}

// fromText reads text as a type and says whether it fits.
func fromText(t *Type, s string) (any, bool) {
	trimmed := strings.TrimSpace(s)
	if t.Optional && t.Kind != String && (trimmed == "" || trimmed == "null") {
		return nil, true
	}
	switch t.Kind {
	case String, Enum:
		return coerce(t, s)
	case Boolean:
		switch strings.ToLower(trimmed) {
		case "true", "yes", "on", "1":
			return true, true
		case "false", "no", "off", "0":
			return false, true
		}
		return nil, false
	case Int, Long, Float, Double:
		n, err := number(trimmed)
		if err != nil {
			return nil, false
		}
		return coerce(t, n)
	case File, Directory:
		return fileFromText(t, trimmed)
	case Array:
		return arrayFromText(t, trimmed)
	case Record:
		return jsonFromText(t, trimmed)
	case Any:
		if v, ok := jsonFromText(t, trimmed); ok {
			return v, true
		}
		return s, true
	case Union:
		return unionFromText(t, s)
	}
	return nil, false
}

// unionFromText prefers what text can fit only seldom: strings come last. Where
// a string fits, text with commas is one, and a list is written as JSON; where
// one file or several fit, text with commas is several.
func unionFromText(t *Type, s string) (any, bool) {
	has := func(kind Kind) bool {
		return slices.ContainsFunc(t.Options, func(o Type) bool { return o.Kind == kind })
	}
	list := strings.HasPrefix(strings.TrimSpace(s), "[")
	for _, strings := range []bool{false, true} {
		for i := range t.Options {
			o := &t.Options[i]
			if (o.Kind == String) != strings || o.Kind == Array && has(String) && !list ||
				(o.Kind == File || o.Kind == Directory) && has(Array) && severalInText(s) {
				continue
			}
			if v, ok := fromText(o, s); ok {
				return v, true
			}
		}
	}
	return nil, false
}

// severalInText says whether text names several files.
func severalInText(s string) bool {
	s = strings.TrimSpace(s)
	return strings.HasPrefix(s, "[") || strings.Contains(s, ",") && !strings.HasPrefix(s, "{")
}

func fileFromText(t *Type, s string) (any, bool) {
	if strings.HasPrefix(s, "{") {
		return jsonFromText(t, s)
	}
	if s == "" {
		return nil, false
	}
	return map[string]any{"class": t.Kind.String(), "location": s}, true
}

// arrayFromText reads a JSON list, or items separated by commas. Items in JSON
// that are text, where a file is wanted, are references.
func arrayFromText(t *Type, s string) (any, bool) {
	if strings.HasPrefix(s, "[") {
		var list []any
		dec := json.NewDecoder(strings.NewReader(s))
		dec.UseNumber()
		if dec.Decode(&list) == nil && !dec.More() {
			for i, e := range list {
				if text, ok := e.(string); ok {
					if v, fits := fromText(t.Items, text); fits {
						list[i] = v
					}
				}
			}
			return coerce(t, list)
		}
	}
	if s == "" {
		return []any{}, true
	}
	if t.Items.Kind == Array || t.Items.Kind == Record {
		return nil, false
	}
	parts := strings.Split(s, ",")
	list := make([]any, len(parts))
	for i, p := range parts {
		v, ok := fromText(t.Items, strings.TrimSpace(p))
		if !ok {
			return nil, false
		}
		list[i] = v
	}
	return list, true
}

func jsonFromText(t *Type, s string) (any, bool) {
	var v any
	dec := json.NewDecoder(strings.NewReader(s))
	dec.UseNumber()
	if dec.Decode(&v) != nil || dec.More() {
		return nil, false
	}
	return coerce(t, v)
}
