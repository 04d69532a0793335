package cwl_test

import (
	"encoding/json"
	"path/filepath"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/txtar"

	"fringe"
	"fringe/cwl"
)

func seeds(f *testing.F, file string) {
	f.Helper()
	files, err := filepath.Glob("testdata/*/*.txtar")
	if err != nil || len(files) == 0 {
		f.Fatalf("no seeds: %v", err)
	}
	for _, name := range files {
		a, err := txtar.ParseFile(name)
		if err != nil {
			f.Fatal(err)
		}
		for _, x := range a.Files {
			if x.Name == file {
				f.Add(x.Data)
			}
		}
	}
}

// FuzzParse checks that every document is read or refused, that a document
// that is read can be packed and read again, and that what is read can be used.
func FuzzParse(f *testing.F) {
	seeds(f, "tool.cwl")
	f.Fuzz(func(t *testing.T, doc []byte) {
		hangs := time.AfterFunc(20*time.Second, func() { panic("it does not end") })
		defer hangs.Stop()
		tool, err := cwl.Parse("fuzz.cwl", doc, nil)
		if err != nil {
			if err.Error() == "" {
				t.Fatal("an error without words")
			}
			return
		}
		again, err := cwl.Parse("packed.cwl", tool.JSON(), nil)
		if err != nil {
			t.Fatalf("the packed document is refused: %v\n%s", err, tool.JSON())
		}
		if len(again.Inputs) != len(tool.Inputs) || len(again.Outputs) != len(tool.Outputs) {
			t.Fatalf("the packed document is another one: %s", tool.JSON())
		}
		if _, err := json.Marshal(tool.JSONSchema()); err != nil {
			t.Fatalf("JSONSchema(): %v", err)
		}
		inputs := map[string]any{}
		for i := range tool.Inputs {
			if v, err := tool.Inputs[i].FromText("1"); err == nil {
				inputs[tool.Inputs[i].Name] = v
			}
		}
		inputs, err = tool.Validate(inputs)
		if err != nil {
			return
		}
		rt := testRuntime
		rt.ExpressionTime = 100 * time.Millisecond
		e, err := tool.Prepare(inputs, rt)
		if err != nil {
			if fringe.KindOf(err) == fringe.Internal {
				t.Fatal(err)
			}
			return
		}
		if len(e.Argv) == 0 {
			t.Fatal("no command line")
		}
		if _, err := e.Collect(t.TempDir(), 0); err != nil && fringe.KindOf(err) == fringe.Internal {
			t.Fatal(err)
		}
	})
}

// FuzzExpression checks that every text is a template or is refused, and that
// evaluating it ends.
func FuzzExpression(f *testing.F) {
	for _, s := range []string{"$(inputs.a)", "a $(inputs['b c'][0].length) b", `\$(x) \\ $(inputs["a"])`, "${return 1;}", "$(", "$(inputs.a", "${'}'}", "$(/* ) */ inputs.a)", "$(null)", "$(self[0].path)", "$(runtime.cores)"} {
		f.Add(s, true)
		f.Add(s, false)
	}
	f.Fuzz(func(t *testing.T, text string, javascript bool) {
		quoted, err := json.Marshal(text)
		if err != nil {
			return
		}
		requirements := "{}"
		if javascript {
			requirements = `{"InlineJavascriptRequirement": {}}`
		}
		doc := `{"cwlVersion": "v1.2", "class": "CommandLineTool", "baseCommand": "x", "outputs": [], "requirements": ` + requirements +
			`, "inputs": {"a": {"type": "string"}, "list": {"type": "int[]"}}, "arguments": [` + string(quoted) + `]}`
		tool, err := cwl.Parse("fuzz.cwl", []byte(doc), nil)
		if err != nil {
			return
		}
		inputs, err := tool.Validate(map[string]any{"a": "x", "list": []any{1, 2}})
		if err != nil {
			t.Fatal(err)
		}
		rt := testRuntime
		rt.ExpressionTime = 50 * time.Millisecond
		begin := time.Now()
		if _, err := tool.Prepare(inputs, rt); err != nil && fringe.KindOf(err) == fringe.Internal {
			t.Fatal(err)
		}
		if d := time.Since(begin); d > 10*time.Second {
			t.Fatalf("it took %v", d)
		}
	})
}
