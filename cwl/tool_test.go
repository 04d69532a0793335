package cwl_test

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"fringe"
	"fringe/cwl"
)

const imager = `
cwlVersion: v1.2
$namespaces: {fringe: "urn:fringe:ns#", schema: "https://schema.org/"}
class: CommandLineTool
id: wsclean
label: Image visibilities
doc: [First line., Second line.]
baseCommand: wsclean
hints:
  fringe:Function: {version: 3.1.0, environment: wsclean, shape: service, contract: exec, warm: {min: 1, max: 2, concurrency: 3, queue: 4, idle: 1.5}}
  ResourceRequirement: {coresMin: 1, coresMax: 2, ramMin: 512}
requirements:
  ToolTimeLimit: {timelimit: 60}
  InitialWorkDirRequirement: {listing: [{entry: $(inputs.vis), writable: true}]}
schema:author: [{class: schema:Person, schema:name: A. Offringa}]
fringe:example: {vis: {class: Directory, location: "user:m87.ms"}, imsize: 512}
inputs:
  vis: {type: Directory, doc: Visibilities}
  imsize: {type: int, default: 256, fringe:unit: pixel, fringe:minimum: 16, inputBinding: {prefix: -size}}
  scale: {type: double?, label: Pixel scale, fringe:unit: arcsec, fringe:ucd: instr.pixel, fringe:exclusiveMinimum: 0}
  weight: {type: [{type: enum, symbols: [natural, briggs]}, "null"]}
  image: {type: File?, format: image/fits}
outputs:
  restored: {type: File, format: image/fits, doc: The image, fringe:unit: Jy/beam, outputBinding: {glob: "*.fits"}}
`

func parse(t testing.TB, doc string) *cwl.Tool {
	t.Helper()
	tool, err := cwl.Parse("tool.cwl", []byte(doc), nil)
	if err != nil {
		t.Fatal(err)
	}
	return tool
}

func TestTool(t *testing.T) {
	tool := parse(t, imager)
	want := &cwl.FunctionHint{Version: "3.1.0", Environment: "wsclean", Shape: fringe.Service, Contract: fringe.Exec,
		Warm: fringe.Warm{Min: 1, Max: 2, Concurrency: 3, Queue: 4, Idle: time.Second}}
	if !reflect.DeepEqual(tool.Function, want) {
		t.Errorf("Function = %+v, want %+v", tool.Function, want)
	}
	if tool.ID != "wsclean" || tool.Doc != "First line.\nSecond line." || !tool.Inputs[0].Writable || tool.Inputs[1].Unit != "pixel" || *tool.Inputs[1].Min != 16 || tool.Inputs[2].UCD != "instr.pixel" {
		t.Errorf("the tool reads as %+v", tool)
	}
	author, ok := tool.Extensions["s:author"].([]any)
	if !ok || len(author) != 1 {
		t.Errorf("Extensions = %v, want s:author", tool.Extensions)
	}
	if got, want := tool.Limits(), (fringe.Limits{CPU: 2, Memory: 512 << 20, Time: time.Minute}); got != want {
		t.Errorf("Limits() = %+v, want %+v", got, want)
	}
	if tool.Network() {
		t.Error("Network() = true for a tool that does not ask for it")
	}
}

func TestJSONSchema(t *testing.T) {
	got, err := json.MarshalIndent(parse(t, imager).JSONSchema(), "", " ")
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join("testdata", "schema.json")
	if *update {
		if err := os.WriteFile(file, append(got, '\n'), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if strings.TrimSpace(string(want)) != string(got) {
		t.Errorf("JSONSchema() = %s", got)
	}
}

func TestFromText(t *testing.T) {
	tool := parse(t, `
cwlVersion: v1.2
class: CommandLineTool
baseCommand: x
outputs: []
inputs:
  n: int
  x: double?
  s: string
  b: boolean
  e: {type: {type: enum, symbols: [a, b]}}
  f: File
  d: Directory?
  list: int[]
  files: File[]
  rec: {type: {type: record, fields: {a: int}}}
  u: [int, string]
  words: [int, string, {type: array, items: string}]
  one: [Directory, {type: array, items: Directory}]
  any: Any
`)
	file := func(s string) map[string]any { return map[string]any{"class": "File", "location": s} }
	folder := func(s string) map[string]any { return map[string]any{"class": "Directory", "location": s} }
	cases := []struct {
		input, text string
		want        any // nil: refused, unless null is right
	}{
		{"n", "12", int64(12)}, {"n", " 12 ", int64(12)}, {"n", "1e3", int64(1000)}, {"n", "1.5", nil}, {"n", "x", nil}, {"n", "", nil}, {"n", "5arcsec", nil},
		{"x", "1", 1.0}, {"x", "1e-3", 0.001}, {"x", "", nil}, {"x", "nan", nil},
		{"s", "a,b", "a,b"}, {"s", "", ""}, {"s", "12", "12"},
		{"b", "true", true}, {"b", "No", false}, {"b", "maybe", nil},
		{"e", "b", "b"}, {"e", "c", nil},
		{"f", "user:m87.fits", file("user:m87.fits")}, {"f", `{"class":"File","path":"/a"}`, map[string]any{"class": "File", "path": "/a"}}, {"f", "", nil},
		{"d", "/data/x.ms", map[string]any{"class": "Directory", "location": "/data/x.ms"}},
		{"list", "1,2, 3", []any{int64(1), int64(2), int64(3)}}, {"list", "[4, 5]", []any{int64(4), int64(5)}}, {"list", "", []any{}}, {"list", "1,x", nil},
		{"files", "a:b,c:d", []any{file("a:b"), file("c:d")}}, {"files", `["a:b"]`, []any{file("a:b")}},
		{"rec", `{"a": 3}`, map[string]any{"a": int64(3)}}, {"rec", `{"b": 3}`, nil},
		{"u", "7", int64(7)}, {"u", "seven", "seven"},
		{"words", "4,5", "4,5"}, {"words", `["4","5"]`, []any{"4", "5"}}, {"words", "6", int64(6)},
		{"one", "a:b", folder("a:b")}, {"one", "a:b,c:d", []any{folder("a:b"), folder("c:d")}},
		{"any", `[1]`, []any{int64(1)}}, {"any", "word", "word"},
	}
	for _, c := range cases {
		for i := range tool.Inputs {
			in := &tool.Inputs[i]
			if in.Name != c.input {
				continue
			}
			got, err := in.FromText(c.text)
			if c.want == nil && !in.Type.Optional && err == nil {
				t.Errorf("%s.FromText(%q) = %v, want a refusal", c.input, c.text, got)
			}
			if !reflect.DeepEqual(got, c.want) {
				t.Errorf("%s.FromText(%q) = %#v, %v, want %#v", c.input, c.text, got, err, c.want)
			}
			var e *fringe.Error
			if err != nil && (!errors.As(err, &e) || e.Kind != fringe.Invalid || e.Pointer != "/"+c.input) {
				t.Errorf("%s.FromText(%q) fails with %#v", c.input, c.text, err)
			}
		}
	}
}

func TestLoad(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"tool.cwl": "cwlVersion: v1.2\nclass: CommandLineTool\nbaseCommand: cat\ninputs: {$import: sub/inputs.yml}\noutputs: []\n",
		"sub/inputs.yml": "f: {type: File, default: {class: File, location: data.txt}}\n" +
			"g: {type: File, default: {class: File, location: \"file:///abs\"}}\n",
		"graph.cwl": "cwlVersion: v1.2\n$graph:\n- {class: CommandLineTool, id: one, baseCommand: a, inputs: [], outputs: []}\n- {class: CommandLineTool, id: two, baseCommand: b, inputs: [], outputs: []}\n",
	} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	tool, err := cwl.Load(filepath.Join(dir, "tool.cwl"))
	if err != nil {
		t.Fatal(err)
	}
	if got := tool.Inputs[0].Default.(map[string]any)["location"]; got != filepath.Join(dir, "data.txt") {
		t.Errorf("the default file is %v, want one beside the document", got)
	}
	tool, err = cwl.Load(filepath.Join(dir, "graph.cwl#two"))
	if err != nil || tool.ID != "two" {
		t.Errorf("Load(#two) = %v, %v", tool, err)
	}
	for name, want := range map[string]string{
		"graph.cwl":       "no process #main; name one with FILE#ID; the document has one, two",
		"graph.cwl#three": "no process #three",
		"tool.cwl#x":      "no process #x",
		"missing.cwl":     "cannot be read",
		"sub":             "not a regular file",
	} {
		if _, err := cwl.Load(filepath.Join(dir, name)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Load(%s) = %v, want %q", name, err, want)
		}
	}
}

func TestOverride(t *testing.T) {
	tool := parse(t, "cwlVersion: v1.2\nclass: CommandLineTool\nbaseCommand: x\ninputs: []\noutputs: []\nrequirements: {EnvVarRequirement: {envDef: {A: old, B: old}}}\n")
	other, err := tool.Override([]any{map[string]any{"class": "EnvVarRequirement", "envDef": map[string]any{"A": "new"}}, map[string]any{"class": "ToolTimeLimit", "timelimit": 5}})
	if err != nil {
		t.Fatal(err)
	}
	e, err := other.Prepare(map[string]any{}, testRuntime)
	if err != nil {
		t.Fatal(err)
	}
	if e.Env["A"] != "new" || e.Env["B"] != "" || e.TimeLimit != 5*time.Second {
		t.Errorf("Override() gives %v, %v", e.Env, e.TimeLimit)
	}
	var unsupported *cwl.Unsupported
	if _, err := tool.Override([]any{map[string]any{"class": "MPIRequirement"}}); !errors.As(err, &unsupported) {
		t.Errorf("Override(MPIRequirement) = %v, want *Unsupported", err)
	}
	if _, err := tool.Override([]any{map[string]any{"class": "DockerRequirement", "dockerPull": "debian"}}); !errors.As(err, &unsupported) {
		t.Errorf("Override(DockerRequirement) = %v, want *Unsupported", err)
	}
}

func TestContainer(t *testing.T) {
	const head = "cwlVersion: v1.2\nclass: CommandLineTool\nbaseCommand: x\ninputs: []\noutputs: []\n"
	for name, c := range map[string]struct{ text, image, says string }{
		"Required":      {"requirements: {DockerRequirement: {dockerPull: debian}}\n", "", "x.cwl:6: DockerRequirement under requirements (container image debian) is not supported; put it under hints"},
		"RequiredList":  {"requirements:\n- class: DockerRequirement\n  dockerFile: FROM debian\n", "", "x.cwl:7: DockerRequirement under requirements (container image not named)"},
		"Both":          {"requirements: {DockerRequirement: {dockerPull: a}}\nhints: {DockerRequirement: {dockerPull: b}}\n", "", "container image a"},
		"OtherFirst":    {"requirements:\n  MPIRequirement: {}\n  DockerRequirement: {dockerPull: a}\n", "", "MPIRequirement under requirements is not supported; remove it"},
		"Hint":          {"hints: {DockerRequirement: {dockerPull: debian, dockerOutputDirectory: /out}}\n", "debian", ""},
		"HintLoaded":    {"hints: [{class: DockerRequirement, dockerLoad: 'https://x.example/i.tar'}]\n", "https://x.example/i.tar", ""},
		"WrongIsBefore": {"requirements: {DockerRequirement: {dockerPull: [a]}}\n", "", "dockerPull"},
	} {
		t.Run(name, func(t *testing.T) {
			tool, err := cwl.Parse("x.cwl", []byte(head+c.text), nil)
			if c.says != "" {
				if err == nil || !strings.Contains(err.Error(), c.says) {
					t.Fatalf("Parse() = %v, want %q", err, c.says)
				}
				return
			}
			if err != nil || tool.Container != c.image {
				t.Errorf("Parse() gives the image %v, %v; want %q", tool, err, c.image)
			}
		})
	}
}

func TestParallelUse(t *testing.T) {
	t.Parallel()
	tool := parse(t, imager)
	done := make(chan error, 8)
	for range cap(done) {
		go func() {
			_, err := tool.Validate(map[string]any{"vis": map[string]any{"class": "Directory", "location": "user:a"}})
			done <- err
		}()
	}
	for range cap(done) {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

func BenchmarkValidate(b *testing.B) {
	tool := parse(b, imager)
	in := map[string]any{"vis": map[string]any{"class": "Directory", "location": "user:m87.ms"}, "imsize": 512.0, "scale": 0.1}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := tool.Validate(in); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkParse(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		parse(b, imager)
	}
}

func BenchmarkPrepare(b *testing.B) {
	for name, extra := range map[string]string{"references": "", "javascript": "arguments: [\"$(inputs.imsize + 1)\"]\n"} {
		b.Run(name, func(b *testing.B) {
			doc := strings.Replace(imager, "requirements:\n", extra+"requirements:\n  InlineJavascriptRequirement: {}\n", 1)
			tool := parse(b, doc)
			in, err := tool.Validate(map[string]any{"vis": map[string]any{"class": "Directory", "location": b.TempDir()}})
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := tool.Prepare(in, testRuntime); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
