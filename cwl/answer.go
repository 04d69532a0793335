package cwl

import (
	"encoding/json"

	"fringe"
)

// Answer gives the output object doc, with which a program of the contract
// worker answered, in the form of the tool's outputs: those that may be absent
// are null, and what is no output of the tool is left out. It refuses an object
// that the outputs' types do not allow.
func (t *Tool) Answer(doc []byte) ([]byte, error) {
	if t.answered(doc) {
		return doc, nil
	}
	const op = "cwl.Answer"
	wrong := func(err error) error {
		return &fringe.Error{Op: op, Kind: fringe.Failed, Component: fringe.Collect, Message: err.Error()}
	}
	said, err := objectOf("the function's answer", doc)
	if err != nil {
		return nil, wrong(err)
	}
	out := make(map[string]any, len(t.Outputs))
	for i := range t.Outputs {
		o := &t.Outputs[i]
		if out[o.Name], err = o.checked(said[o.Name]); err != nil {
			return nil, wrong(err)
		}
	}
	if doc, err = json.Marshal(out); err != nil {
		return nil, wrong(err)
	}
	return doc, nil
}

// answered says whether doc has each output once, as a plain value, and nothing
// else.
func (t *Tool) answered(doc []byte) bool {
	if len(t.Outputs) == 0 || len(t.Outputs) > 64 {
		return false
	}
	r := plainJSON{doc: doc}
	var seen uint64
	var unbounded Input
	for more := r.begin('{', '}'); more; more = r.more('}') {
		i := t.outputNamed(r.text())
		if i < 0 || seen&(1<<i) != 0 || !r.take(':') {
			return false
		}
		seen |= 1 << i
		r.space()
		if ty := &t.Outputs[i].Type; !(ty.Optional && r.null()) && !r.value(ty, &unbounded) {
			return false
		}
	}
	r.space()
	return !r.wrong && r.at == len(doc) && seen == 1<<len(t.Outputs)-1
}

// outputNamed gives the number of an output; -1 when there is none.
func (t *Tool) outputNamed(name []byte) int {
	for i := range t.Outputs {
		if name != nil && t.Outputs[i].Name == string(name) {
			return i
		}
	}
	return -1
}
