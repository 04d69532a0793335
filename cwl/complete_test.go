package cwl_test

import (
	"encoding/json"
	"strings"
	"testing"

	"fringe"
	"fringe/cwl"
)

const plainTool = `
cwlVersion: v1.2
$namespaces: {fringe: "urn:fringe:ns#"}
class: CommandLineTool
baseCommand: x
inputs:
  imsize: {type: int, default: 256, fringe:minimum: 16, fringe:maximum: 65536}
  scale: {type: double?, fringe:exclusiveMinimum: 0}
  weight: {type: {type: enum, symbols: [natural, uniform, briggs]}, default: natural}
  name: string
  levels: {type: "float[]?", fringe:minimum: 0}
  grid: {type: {type: array, items: {type: array, items: "long?"}}, default: [[1, 2], []]}
  flag: boolean?
  vis: File?
  either: ["null", int, string]
outputs: []
`

// agree checks Complete against Validate on one document.
func agree(t *testing.T, tool *cwl.Tool, doc string) (taken bool) {
	t.Helper()
	given := []byte(doc)
	out, taken := tool.Complete(given)
	if !taken {
		if string(given) != doc {
			t.Fatalf("Complete(%s) gives false, and changes it to %s", doc, given)
		}
		return false
	}
	var in, got map[string]any
	if err := fringe.Unmarshal([]byte(doc), &in); err != nil {
		t.Fatalf("Complete takes %q; %v", doc, err)
	}
	want, err := tool.Validate(in)
	if err != nil {
		t.Fatalf("Complete takes %s; Validate says: %v", doc, err)
	}
	text, _ := json.Marshal(want)
	want = nil
	if fringe.Unmarshal(text, &want) != nil || fringe.Unmarshal(out, &got) != nil || !fringe.SameValue(got, want) {
		t.Fatalf("Complete(%s) = %s, want %s", doc, out, text)
	}
	return true
}

func TestComplete(t *testing.T) {
	tool := parse(t, plainTool)
	for _, doc := range []string{
		`{"name":"M87"}`, ` { "name" : "M87" } `, `{"name":"é\n\u00e9\/\"","flag":true,"scale":null}`,
		`{"name":"x","imsize":512,"weight":"briggs","levels":[0, 1.5, 2e3],"grid":[[1,null,-3],[]]}`,
		`{"flag":false,"levels":[],"scale":1E-3,"name":""}`, `{"name":"x","either":null,"vis":null}`,
	} {
		if !agree(t, tool, doc) {
			t.Errorf("Complete(%s) goes the long way", doc)
		}
	}
	for _, doc := range []string{
		``, `{`, `{}`, `{"name":"M87"`, `{"name":"M87",}`, `{"name":"M87"}}`, `{"name":"M87"} 1`, `{,"name":"M87"}`, `["name"]`, `null`,
		`{"name":null}`, `{"name":1}`, `{"name":"a","name":"b"}`, `{"name":"a","other":1}`, `{"n\u0061me":"a"}`, `{"name":"\ud834"}`, "{\"name\":\"\xff\"}",
		"{\"name\":\"\n\"}", `{"name":"\x"}`, `{"name":"\u00g0"}`, `{"name":"a","imsize":null}`, `{"name":"a","imsize":8}`, `{"name":"a","imsize":16.0}`,
		`{"name":"a","imsize":1e3}`, `{"name":"a","imsize":4294967296}`, `{"name":"a","scale":0}`, `{"name":"a","scale":01}`, `{"name":"a","scale":1.}`,
		`{"name":"a","scale":.5}`, `{"name":"a","scale":1e}`, `{"name":"a","scale":1e400}`, `{"name":"a","scale":-}`, `{"name":"a","levels":[-1]}`,
		`{"name":"a","levels":[-0]}`, `{"name":"a","levels":[1,]}`, `{"name":"a","levels":[null]}`, `{"name":"a","weight":"brigs"}`, `{"name":"a","flag":tru}`,
		`{"name":"a","grid":[[9007199254740993]]}`, `{"name":"a","either":1}`, `{"name":"a","vis":{"class":"File","location":"a:b"}}`,
	} {
		if agree(t, tool, doc) {
			t.Errorf("Complete(%s) gives true", doc)
		}
	}
	if out, ok := tool.Complete([]byte(`{"name":"M87"}`)); !ok || string(out) != `{"name":"M87","imsize":256,"scale":null,"weight":"natural","levels":null,"grid":[[1,2],[]],"flag":null,"vis":null,"either":null}` {
		t.Errorf("Complete() = %s, %v", out, ok)
	}
}

func FuzzComplete(f *testing.F) {
	tool := parse(f, plainTool)
	seeds(f, "calls")
	f.Add([]byte(`{"name":"é\n\u00e9","levels":[0, 1.5, 2e3],"grid":[[1,null,-3],[]]}`))
	f.Fuzz(func(t *testing.T, doc []byte) { agree(t, tool, string(doc)) })
}

func BenchmarkComplete(b *testing.B) {
	tool := parse(b, plainTool)
	doc := []byte(`{"name":"` + strings.Repeat("x", 1024) + `","imsize":512}`)
	in := make([]byte, 0, 2048)
	b.ReportAllocs()
	for b.Loop() {
		in = append(in[:0], doc...)
		if _, ok := tool.Complete(in); !ok {
			b.Fatal("it goes the long way")
		}
	}
}
