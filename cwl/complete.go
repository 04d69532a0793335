package cwl

import (
	"encoding/binary"
	"encoding/json"
	"math"
	"strconv"
	"unicode/utf8"
)

const maxDigits = 15 // of a whole number that float64 holds exactly, whatever its digits

// Complete gives the JSON that Validate's result has for the input object doc,
// when doc needs nothing for it but its absent inputs filled in. It appends
// them to doc in place. When it gives false, doc is as it was and must go the
// long way, through Validate: it is wrong, or has something that is to be
// brought into another form.
//
// It reads doc once and decodes nothing. Objects without files whose members
// are plain values and lists of such need no long way.
func (t *Tool) Complete(doc []byte) ([]byte, bool) {
	if len(t.Inputs) > 64 {
		return doc, false
	}
	r := plainJSON{doc: doc}
	var seen uint64
	more := r.begin('{', '}')
	empty := !more
	for ; more; more = r.more('}') {
		in, i := t.inputNamed(r.text())
		if in == nil || seen&(1<<i) != 0 || !r.take(':') {
			return doc, false
		}
		seen |= 1 << i
		r.space()
		if r.null() {
			if in.HasDefault || !in.Type.Optional {
				return doc, false
			}
		} else if !r.value(&in.Type, in) {
			return doc, false
		}
	}
	end := r.at - 1
	if r.space(); r.wrong || r.at != len(doc) {
		return doc, false
	}
	return t.fill(doc, end, seen, empty)
}

// fill puts the inputs that were not seen before the brace at end.
func (t *Tool) fill(doc []byte, end int, seen uint64, empty bool) ([]byte, bool) {
	for i := range t.Inputs {
		if seen&(1<<i) == 0 && t.Inputs[i].absent == nil {
			return doc, false
		}
	}
	out := doc[:end]
	for i := range t.Inputs {
		if seen&(1<<i) != 0 {
			continue
		}
		if !empty {
			out = append(out, ',')
		}
		empty = false
		out = append(out, t.Inputs[i].absent...)
	}
	return append(out, '}'), true
}

func (t *Tool) inputNamed(name []byte) (*Input, int) {
	for i := range t.Inputs {
		if in := &t.Inputs[i]; name != nil && in.Name == string(name) {
			return in, i
		}
	}
	return nil, 0
}

// absentMember gives the member that stands for the input when it is absent;
// nil when Validate must decide.
func (in *Input) absentMember() []byte {
	if in.HasDefault && in.files || !in.HasDefault && !in.Type.Optional {
		return nil
	}
	name, err := json.Marshal(in.Name)
	if err != nil {
		return nil
	}
	value, err := json.Marshal(in.Default)
	if err != nil {
		return nil
	}
	return append(append(name, ':'), value...)
}

// plainJSON reads a JSON document for values that are in the form in which
// they are handed on. wrong is set at the first that is not; nothing that is
// read after it counts.
type plainJSON struct {
	doc   []byte
	at    int
	wrong bool
}

func (r *plainJSON) fail() bool {
	r.wrong = true
	r.at = len(r.doc)
	return false
}

// peek gives the next byte; 0 at the end.
func (r *plainJSON) peek() byte {
	if r.at < len(r.doc) {
		return r.doc[r.at]
	}
	return 0
}

func (r *plainJSON) space() {
	for r.at < len(r.doc) {
		switch r.doc[r.at] {
		case ' ', '\t', '\n', '\r':
			r.at++
		default:
			return
		}
	}
}

// take reads c after white space.
func (r *plainJSON) take(c byte) bool {
	r.space()
	if r.peek() != c {
		return r.fail()
	}
	r.at++
	return true
}

// begin reads the first bracket of a list or an object, and says whether
// something is in it; else the last bracket is read too.
func (r *plainJSON) begin(first, last byte) bool {
	if !r.take(first) {
		return false
	}
	r.space()
	if r.peek() == last {
		r.at++
		return false
	}
	return true
}

// more reads what follows a member: a comma and white space, or the last
// bracket.
func (r *plainJSON) more(last byte) bool {
	r.space()
	switch r.peek() {
	case ',':
		r.at++
		r.space()
		return true
	case last:
		r.at++
		return false
	}
	return r.fail()
}

func (r *plainJSON) word(w string) bool {
	if len(r.doc)-r.at < len(w) || string(r.doc[r.at:r.at+len(w)]) != w {
		return false
	}
	r.at += len(w)
	return true
}

func (r *plainJSON) null() bool { return r.word("null") }

// value reads a value of the type, within the bounds of in.
func (r *plainJSON) value(t *Type, in *Input) bool {
	switch t.Kind {
	case Boolean:
		return r.word("true") || r.word("false") || r.fail()
	case Int, Long, Float, Double:
		return r.number(t.Kind, in) || r.fail()
	case String:
		return r.characters()
	case Enum:
		return contains(t.Symbols, string(r.text())) || r.fail()
	case Array:
		for more := r.begin('[', ']'); more; more = r.more(']') {
			if r.null() {
				if !t.Items.Optional {
					return r.fail()
				}
			} else if !r.value(t.Items, in) {
				return false
			}
		}
		return !r.wrong
	}
	return r.fail()
}

// number reads a number. Whole ones have no sign of a fraction and few digits.
func (r *plainJSON) number(k Kind, in *Input) bool {
	begin := r.at
	if r.peek() == '-' {
		r.at++
	}
	zero, whole := r.peek() == '0', true
	n := r.digits()
	if n == 0 || zero && n > 1 {
		return false
	}
	if r.peek() == '.' {
		r.at++
		if whole = false; r.digits() == 0 {
			return false
		}
	}
	if c := r.peek(); c == 'e' || c == 'E' {
		r.at++
		if c := r.peek(); c == '+' || c == '-' {
			r.at++
		}
		if whole = false; r.digits() == 0 {
			return false
		}
	}
	f, err := strconv.ParseFloat(string(r.doc[begin:r.at]), 64)
	if err != nil || f == 0 && math.Signbit(f) {
		return false
	}
	if (k == Int || k == Long) && (!whole || n > maxDigits || k == Int && (f < math.MinInt32 || f > math.MaxInt32)) {
		return false
	}
	return !in.bounded || in.rangeAt(nil, f, "") == nil
}

func (r *plainJSON) digits() int {
	begin := r.at
	for r.at < len(r.doc) && r.doc[r.at] >= '0' && r.doc[r.at] <= '9' {
		r.at++
	}
	return r.at - begin
}

// text reads a string without escapes; nil when it is none.
func (r *plainJSON) text() []byte {
	begin := r.at + 1
	if !r.characters() {
		return nil
	}
	s := r.doc[begin : r.at-1]
	for _, c := range s {
		if c == '\\' {
			r.fail()
			return nil
		}
	}
	return s
}

// characters reads a string. Escapes of surrogates go the long way: alone they
// stand for no character.
func (r *plainJSON) characters() bool {
	if r.peek() != '"' {
		return r.fail()
	}
	r.at++
	begin, ascii := r.at, true
	for ; r.at < len(r.doc); r.at++ {
		for r.at+8 <= len(r.doc) && ordinary(binary.LittleEndian.Uint64(r.doc[r.at:])) {
			r.at += 8
		}
		if r.at == len(r.doc) {
			break
		}
		switch c := r.doc[r.at]; {
		case c == '"':
			r.at++
			return ascii || utf8.Valid(r.doc[begin:r.at]) || r.fail()
		case c < ' ':
			return r.fail()
		case c == '\\':
			r.at++
			if !r.escape() {
				return r.fail()
			}
		case c >= utf8.RuneSelf:
			ascii = false
		}
	}
	return r.fail()
}

// ordinary says whether eight bytes of a string are ASCII and need no look: no
// quote, backslash or control character is among them.
func ordinary(x uint64) bool {
	const each, high = 0x0101010101010101, 0x8080808080808080
	quote, backslash := x^each*'"', x^each*'\\'
	return (x|(x-each*' ')|(quote-each)|(backslash-each))&high == 0
}

// escape reads all of an escape but its last byte.
func (r *plainJSON) escape() bool {
	switch r.peek() {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return true
	case 'u':
		if len(r.doc)-r.at < 5 {
			return false
		}
		code, err := strconv.ParseUint(string(r.doc[r.at+1:r.at+5]), 16, 16)
		r.at += 4
		return err == nil && (code < 0xD800 || code > 0xDFFF)
	}
	return false
}
