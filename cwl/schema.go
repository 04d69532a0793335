package cwl

import "math"

// JSONSchema gives the JSON Schema (2020-12) of the input object. Units, UCDs
// and formats stand under x-unit, x-ucd and x-format.
func (t *Tool) JSONSchema() map[string]any {
	properties := map[string]any{}
	required := []any{}
	for i := range t.Inputs {
		in := &t.Inputs[i]
		s := typeSchema(&in.Type)
		describeSchema(s, in.Label, in.Doc, in.Unit, in.UCD, in.Format)
		bounds := s
		if in.Type.Kind == Array {
			bounds, _ = s["items"].(map[string]any)
		}
		for key, bound := range map[string]*float64{"minimum": in.Min, "maximum": in.Max, "exclusiveMinimum": in.ExclusiveMin, "exclusiveMaximum": in.ExclusiveMax} {
			if bound != nil && bounds != nil {
				bounds[key] = *bound
			}
		}
		if in.Writable {
			s["x-writable"] = true
		}
		if in.HasDefault {
			s["default"] = in.Default
		} else if !in.Type.Optional {
			required = append(required, in.Name)
		}
		if example, ok := t.Extensions["fringe:example"].(map[string]any); ok && example[in.Name] != nil {
			s["examples"] = []any{example[in.Name]}
		}
		properties[in.Name] = s
	}
	return t.objectSchema(properties, required)
}

func (t *Tool) objectSchema(properties map[string]any, required []any) map[string]any {
	s := map[string]any{
		"$schema":              "https://json-schema.org/draft/2020-12/schema",
		"type":                 "object",
		"properties":           properties,
		"required":             required,
		"additionalProperties": false,
	}
	describeSchema(s, t.Label, t.Doc, "", "", nil)
	return s
}

func describeSchema(s map[string]any, label, doc, unit, ucd string, format []string) {
	for key, text := range map[string]string{"title": label, "description": doc, "x-unit": unit, "x-ucd": ucd} {
		if text != "" {
			s[key] = text
		}
	}
	switch len(format) {
	case 0:
	case 1:
		s["x-format"] = format[0]
	default:
		list := make([]any, len(format))
		for i, f := range format {
			list[i] = f
		}
		s["x-format"] = list
	}
}

// typeSchema gives the schema of a type. An optional one allows null.
func typeSchema(t *Type) map[string]any {
	s := map[string]any{}
	switch t.Kind {
	case Null:
		s["type"] = "null"
		return s
	case Boolean:
		s["type"] = "boolean"
	case Int:
		s["type"], s["format"], s["minimum"], s["maximum"] = "integer", "int32", math.MinInt32, math.MaxInt32
	case Long:
		s["type"], s["format"] = "integer", "int64"
	case Float:
		s["type"], s["format"] = "number", "float"
	case Double:
		s["type"], s["format"] = "number", "double"
	case String:
		s["type"] = "string"
	case File, Directory:
		s = fileSchema(t.Kind)
	case Any:
		if !t.Optional {
			s["not"] = map[string]any{"type": "null"}
		}
		return s
	case Enum:
		symbols := make([]any, len(t.Symbols), len(t.Symbols)+1)
		for i, e := range t.Symbols {
			symbols[i] = e
		}
		if t.Optional {
			symbols = append(symbols, nil)
		}
		s["type"], s["enum"] = "string", symbols
	case Array:
		s["type"], s["items"] = "array", typeSchema(t.Items)
	case Record:
		recordSchema(s, t)
	case Union:
		options := make([]any, len(t.Options), len(t.Options)+1)
		for i := range t.Options {
			options[i] = typeSchema(&t.Options[i])
		}
		if t.Optional {
			options = append(options, map[string]any{"type": "null"})
		}
		s["anyOf"] = options
		return s
	}
	if t.Name != "" {
		s["title"] = t.Name
	}
	if t.Optional {
		s["type"] = []any{s["type"], "null"}
	}
	return s
}

func recordSchema(s map[string]any, t *Type) {
	properties := map[string]any{}
	required := []any{}
	for i := range t.Fields {
		f := &t.Fields[i]
		e := typeSchema(&f.Type)
		describeSchema(e, f.Label, f.Doc, "", "", staticFormats(f.formats))
		properties[f.Name] = e
		if !f.Type.Optional {
			required = append(required, f.Name)
		}
	}
	s["type"], s["properties"], s["required"], s["additionalProperties"] = "object", properties, required, false
}

func fileSchema(kind Kind) map[string]any {
	properties := map[string]any{
		"class":    map[string]any{"const": kind.String()},
		"location": map[string]any{"type": "string", "description": "a dataset (scope:name), a URL, or a path"},
		"path":     map[string]any{"type": "string"},
		"basename": map[string]any{"type": "string"},
	}
	if kind == File {
		properties["contents"] = map[string]any{"type": "string"}
		properties["format"] = map[string]any{"type": "string"}
		properties["size"] = map[string]any{"type": "integer"}
		properties["checksum"] = map[string]any{"type": "string"}
		properties["secondaryFiles"] = map[string]any{"type": "array", "items": map[string]any{"type": "object"}}
	} else {
		properties["listing"] = map[string]any{"type": "array", "items": map[string]any{"type": "object"}}
	}
	return map[string]any{"type": "object", "properties": properties, "required": []any{"class"}, "x-cwl-type": kind.String()}
}
