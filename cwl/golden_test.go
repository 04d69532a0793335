package cwl_test

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"fringe"
	"fringe/cwl"
)

var update = flag.Bool("update", false, "rewrite what the cases in testdata want")

// archive is one txtar case: files, and what they must give.
type archive map[string]string

// golden runs every case of a directory of testdata. The result of check must
// be the case's file "want".
func golden(t *testing.T, dir string, check func(t *testing.T, a archive) string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("testdata", dir, "*.txtar"))
	if err != nil || len(files) == 0 {
		t.Fatalf("testdata/%s has no cases (%v)", dir, err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			parsed, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			a := archive{}
			for _, f := range parsed.Files {
				a[f.Name] = string(f.Data)
			}
			got := strings.TrimRight(check(t, a), "\n") + "\n"
			if got == a["want"] {
				return
			}
			if !*update {
				t.Errorf("got\n%s\nwant\n%s", got, a["want"])
				return
			}
			kept := parsed.Files[:0]
			for _, f := range parsed.Files {
				if f.Name != "want" {
					kept = append(kept, f)
				}
			}
			parsed.Files = append(kept, txtar.File{Name: "want", Data: []byte(got)})
			if err := os.WriteFile(file, txtar.Format(parsed), 0o644); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// parse reads tool.cwl; other files of the case can be imported.
func (a archive) parse() (*cwl.Tool, error) {
	return cwl.Parse("tool.cwl", []byte(a["tool.cwl"]), func(ref string) ([]byte, error) {
		text, ok := a[ref]
		if !ok {
			return nil, fringe.Errorf("test", fringe.NotFound, "there is no %s", ref)
		}
		return []byte(text), nil
	})
}

// inputs reads job.yml and validates it. Files of the case are written to disk
// below in/.
func (a archive) inputs(t *testing.T, tool *cwl.Tool) (map[string]any, error) {
	t.Helper()
	dir := t.TempDir()
	a.write(t, "in/", dir)
	job, err := cwl.ParseInputs("job.yml", []byte(a["job.yml"]), dir)
	if err != nil {
		return nil, err
	}
	return tool.Validate(job)
}

// write puts the files below a prefix into a directory. The file links has
// lines "name -> target" of symbolic links.
func (a archive) write(t *testing.T, prefix, dir string) {
	t.Helper()
	for name, text := range a {
		rel, ok := strings.CutPrefix(name, prefix)
		if !ok {
			continue
		}
		path := filepath.Join(dir, rel)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if filepath.Base(rel) == "links" {
			for line := range strings.SplitSeq(strings.TrimSpace(text), "\n") {
				link, target, _ := strings.Cut(line, " -> ")
				if err := os.Symlink(target, filepath.Join(filepath.Dir(path), link)); err != nil {
					t.Fatal(err)
				}
			}
			continue
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// testRuntime is what the cases are prepared with.
var testRuntime = cwl.Runtime{OutDir: "/fringe/work", TmpDir: "/tmp", InputDir: "/fringe/in"}

// failure writes an error as the cases show it.
func failure(err error) string {
	var e *fringe.Error
	if errors.As(err, &e) {
		s := fmt.Sprintf("%s: %s", e.Kind, e.Message)
		if e.Component != "" {
			s = string(e.Component) + ", " + s
		}
		if e.Pointer != "" {
			s += "\nat " + e.Pointer
		}
		return s
	}
	return err.Error()
}

// showExecution writes what must run, one argument to a line.
func showExecution(e *cwl.Execution) string {
	var b strings.Builder
	for _, a := range e.Argv {
		fmt.Fprintf(&b, "arg %s\n", strings.ReplaceAll(a, "\n", "\\n"))
	}
	names := make([]string, 0, len(e.Env))
	for n := range e.Env {
		names = append(names, n)
	}
	sort.Strings(names)
	for _, n := range names {
		if n != "HOME" && n != "TMPDIR" {
			fmt.Fprintf(&b, "env %s=%s\n", n, e.Env[n])
		}
	}
	for _, s := range [][2]string{{"stdin", e.Stdin}, {"stdout", e.Stdout}, {"stderr", e.Stderr}} {
		if s[1] != "" {
			fmt.Fprintf(&b, "%s %s\n", s[0], s[1])
		}
	}
	for _, s := range e.Stage {
		what := "file " + filepath.Base(s.Source)
		switch {
		case s.Source == "" && s.Directory:
			what = "new directory"
		case s.Source == "":
			what = fmt.Sprintf("text %q", s.Literal)
		case s.Directory:
			what = "directory " + filepath.Base(s.Source)
		}
		if s.Writable {
			what = "writable " + what
		}
		fmt.Fprintf(&b, "stage %s: %s\n", s.Target, what)
	}
	if e.TimeLimit > 0 {
		fmt.Fprintf(&b, "time %v\n", e.TimeLimit)
	}
	if e.Network {
		fmt.Fprintln(&b, "network")
	}
	return b.String()
}

func TestCommandLine(t *testing.T) {
	golden(t, "commandline", func(t *testing.T, a archive) string {
		tool, err := a.parse()
		if err != nil {
			return err.Error()
		}
		inputs, err := a.inputs(t, tool)
		if err != nil {
			return failure(err)
		}
		e, err := tool.Prepare(inputs, testRuntime)
		if err != nil {
			return failure(err)
		}
		return showExecution(e)
	})
}

func TestDocuments(t *testing.T) {
	golden(t, "documents", func(t *testing.T, a archive) string {
		tool, err := a.parse()
		if err != nil {
			return err.Error()
		}
		again, err := cwl.Parse("packed", tool.JSON(), nil)
		if err != nil {
			t.Fatalf("the packed document does not parse: %v", err)
		}
		if string(again.JSON()) != string(tool.JSON()) {
			t.Errorf("packing twice gives another document:\n%s\n%s", again.JSON(), tool.JSON())
		}
		var b strings.Builder
		for _, in := range tool.Inputs {
			fmt.Fprintf(&b, "input %s: %s\n", in.Name, in.Type)
		}
		for _, o := range tool.Outputs {
			fmt.Fprintf(&b, "output %s: %s\n", o.Name, o.Type)
		}
		return b.String()
	})
}

func TestValidate(t *testing.T) {
	golden(t, "validate", func(t *testing.T, a archive) string {
		tool, err := a.parse()
		if err != nil {
			return err.Error()
		}
		var b strings.Builder
		for line := range strings.SplitSeq(strings.TrimSpace(a["calls"]), "\n") {
			var in map[string]any
			dec := json.NewDecoder(strings.NewReader(line))
			dec.UseNumber()
			if err := dec.Decode(&in); err != nil {
				t.Fatal(err)
			}
			fmt.Fprintf(&b, "%s\n", line)
			out, err := tool.Validate(in)
			if err != nil {
				fmt.Fprintf(&b, "  %s\n", strings.ReplaceAll(failure(err), "\n", "\n  "))
				continue
			}
			text, _ := json.Marshal(out)
			fmt.Fprintf(&b, "  = %s\n", text)
		}
		return b.String()
	})
}

func TestCollect(t *testing.T) {
	golden(t, "collect", func(t *testing.T, a archive) string {
		tool, err := a.parse()
		if err != nil {
			return err.Error()
		}
		inputs, err := a.inputs(t, tool)
		if err != nil {
			return failure(err)
		}
		e, err := tool.Prepare(inputs, testRuntime)
		if err != nil {
			return failure(err)
		}
		dir := t.TempDir()
		a.write(t, "out/", dir)
		code := 0
		fmt.Sscan(a["exit"], &code)
		out, err := e.Collect(dir, code)
		if err != nil {
			return strings.ReplaceAll(failure(err), dir, "$OUT")
		}
		text, _ := json.MarshalIndent(out, "", "  ")
		return strings.ReplaceAll(string(text), dir, "$OUT")
	})
}

// TestExpressions evaluates each line of a case as the content of a file that
// InitialWorkDirRequirement writes.
func TestExpressions(t *testing.T) {
	golden(t, "expressions", func(t *testing.T, a archive) string {
		var b strings.Builder
		for line := range strings.SplitSeq(strings.TrimSpace(a["expressions"]), "\n") {
			fmt.Fprintf(&b, "%s\n  %s\n", line, strings.ReplaceAll(evaluate(t, a, line), "\n", "\n  "))
		}
		return b.String()
	})
}

func evaluate(t *testing.T, a archive, expression string) string {
	quoted, _ := json.Marshal(expression)
	doc := strings.ReplaceAll(a["tool.cwl"], "EXPRESSION", string(quoted))
	tool, err := cwl.Parse("tool.cwl", []byte(doc), nil)
	if err != nil {
		return err.Error()
	}
	inputs, err := a.inputs(t, tool)
	if err != nil {
		return failure(err)
	}
	e, err := tool.Prepare(inputs, testRuntime)
	if err != nil {
		return failure(err)
	}
	return string(e.Stage[len(e.Stage)-1].Literal)
}
