package cwl

import "strings"

// Kind is the outermost kind of a type.
type Kind uint8

// The kinds of CWL types.
const (
	Null Kind = iota
	Boolean
	Int
	Long
	Float
	Double
	String
	File
	Directory
	Any
	Enum
	Record
	Array
	Union // of several that are not null
)

var kindNames = [...]string{"null", "boolean", "int", "long", "float", "double", "string", "File", "Directory", "Any", "enum", "record", "array", "union"}

// String gives CWL's word for the kind.
func (k Kind) String() string { return kindNames[k] }

// Type is the type of a value.
type Type struct {
	Kind     Kind
	Optional bool     // null is allowed too
	Name     string   // of an enum or a record that has one
	Items    *Type    // of an array
	Symbols  []string // of an enum
	Fields   []Field  // of a record
	Options  []Type   // of a union

	binding *binding // inputBinding of the type itself
}

// Field is a field of a record.
type Field struct {
	Name  string
	Label string
	Doc   string
	Type  Type

	port
}

// String gives the type in CWL's short notation, for messages and documents:
// "File[]?", "enum [natural, uniform, briggs]", "int | string".
func (t Type) String() string {
	s := t.base()
	if t.Optional {
		if t.Kind == Union {
			return "null | " + s
		}
		if t.Kind == Enum || t.Kind == Record {
			return "(" + s + ")?"
		}
		return s + "?"
	}
	return s
}

func (t Type) base() string {
	switch t.Kind {
	case Enum:
		return "enum [" + strings.Join(t.Symbols, ", ") + "]"
	case Array:
		if t.Items.Kind == Enum || t.Items.Kind == Record || t.Items.Kind == Union || t.Items.Optional {
			return "(" + t.Items.String() + ")[]"
		}
		return t.Items.String() + "[]"
	case Record:
		fields := make([]string, len(t.Fields))
		for i, f := range t.Fields {
			fields[i] = f.Name + ": " + f.Type.String()
		}
		return "record {" + strings.Join(fields, ", ") + "}"
	case Union:
		options := make([]string, len(t.Options))
		for i, o := range t.Options {
			options[i] = o.String()
		}
		return strings.Join(options, " | ")
	}
	return t.Kind.String()
}
