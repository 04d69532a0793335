package attempt_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"fringe"
	"fringe/attempt"
	"fringe/cwl"
	"fringe/driver/process"
)

func TestMain(m *testing.M) {
	process.Main()
	if err := process.PrivateMounts(); err != nil {
		fmt.Fprintln(os.Stderr, "without private mounts:", err)
	}
	if dir := os.Getenv(makerEnv); dir != "" {
		os.Exit(makeAttempt(dir))
	}
	os.Exit(m.Run())
}

const head = "cwlVersion: v1.2\nclass: CommandLineTool\n"

// bench is a place for attempts of one tool.
type bench struct {
	t      *testing.T
	driver fringe.Driver
	tool   *cwl.Tool
	data   string // input files
	limits fringe.Limits
	stderr *os.File
	stdout *os.File
	logMax int64
	env    []string
	runs   int
}

func newBench(t *testing.T, doc string) *bench {
	t.Helper()
	driver, err := process.New(process.Config{StateDir: filepath.Join(t.TempDir(), "driver")})
	if err != nil {
		t.Fatal(err)
	}
	tool, err := cwl.Parse("tool.cwl", []byte(head+doc), nil)
	if err != nil {
		t.Fatal(err)
	}
	return &bench{t: t, driver: driver, tool: tool, data: t.TempDir()}
}

// put writes an input file.
func (b *bench) put(name, text string) string {
	b.t.Helper()
	path := filepath.Join(b.data, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		b.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		b.t.Fatal(err)
	}
	return path
}

func (b *bench) run(ctx context.Context, inputs map[string]any) (attempt.Outcome, error) {
	b.t.Helper()
	valid, err := b.tool.Validate(inputs)
	if err != nil {
		b.t.Fatal(err)
	}
	b.runs++
	dir := b.t.TempDir()
	b.t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			b.t.Errorf("the work directory is not removable: %v", err)
		}
	})
	return attempt.Run(ctx, attempt.Request{Tool: b.tool, Inputs: valid, Driver: b.driver, ID: fringe.InstanceID(fmt.Sprintf("attempt-%d", b.runs)),
		WorkDir: dir, Limits: b.limits, Base: fringe.Spec{Env: b.env}, Stdout: b.stdout, Stderr: b.stderr, LogMax: b.logMax})
}

// want runs the tool and checks what its outputs hold.
func (b *bench) want(inputs map[string]any, want map[string]string) attempt.Outcome {
	b.t.Helper()
	out, err := b.run(b.t.Context(), inputs)
	if err != nil {
		b.t.Fatal(err)
	}
	for name, text := range want {
		if got := contents(b.t, out.Outputs[name]); got != text {
			b.t.Errorf("the output %s is %q, want %q", name, got, text)
		}
	}
	checkPlaces(b.t, out, out.Outputs)
	if err := out.Close(); err != nil {
		b.t.Error(err)
	}
	return out
}

// contents gives the text of a file, the sorted names and texts of a
// directory, and any other value as JSON.
func contents(t *testing.T, v any) string {
	t.Helper()
	m, ok := v.(map[string]any)
	if !ok || m["class"] == nil {
		text, _ := json.Marshal(v)
		return string(text)
	}
	path := m["path"].(string)
	if m["class"] == "File" {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Error(err)
		}
		return string(text)
	}
	var b strings.Builder
	err := filepath.Walk(path, func(p string, st os.FileInfo, err error) error {
		if err != nil || st.IsDir() {
			return err
		}
		text, err := os.ReadFile(p)
		rel, _ := filepath.Rel(path, p)
		fmt.Fprintf(&b, "%s=%s;", rel, text)
		return err
	})
	if err != nil {
		t.Error(err)
	}
	return b.String()
}

// checkPlaces checks that every output file has a place of its own below the
// work directory.
func checkPlaces(t *testing.T, out attempt.Outcome, v any) {
	t.Helper()
	seen := map[string]bool{}
	var walk func(any)
	walk = func(v any) {
		switch v := v.(type) {
		case []any:
			for _, e := range v {
				walk(e)
			}
		case map[string]any:
			if p, ok := v["path"].(string); ok {
				if !strings.HasPrefix(p, out.OutDir+"/") || seen[p] || v["location"] != cwl.FileURI(p) {
					t.Errorf("the output lies at %s (%v), want a place of its own below %s", p, v["location"], out.OutDir)
				}
				seen[p] = true
				walk(v["secondaryFiles"])
				return
			}
			for _, e := range v {
				walk(e)
			}
		}
	}
	walk(v)
}

func file(path string) map[string]any { return map[string]any{"class": "File", "path": path} }
func directory(path string) map[string]any {
	return map[string]any{"class": "Directory", "location": "file://" + path}
}

func TestRun(t *testing.T) {
	b := newBench(t, `
requirements:
  EnvVarRequirement: {envDef: {GREETING: "hello $(inputs.name)"}}
  InitialWorkDirRequirement: {listing: [{entryname: conf/settings, entry: "name=$(inputs.name)"}]}
baseCommand: [sh, -c, 'cat "$1" "$2"/table.dat conf/settings; echo "$GREETING" "$HOME" "$TMPDIR" "$PWD" "$EXTRA" >&2; mkdir sub; cp -r conf sub/; echo deep > sub/x', sh]
inputs:
  image: {type: File, inputBinding: {position: 1}}
  ms: {type: Directory, inputBinding: {position: 2}}
  name: string
stdout: $(inputs.image.nameroot).txt
outputs:
  text: stdout
  log: stderr
  sub: {type: Directory, outputBinding: {glob: sub}}
  again: {type: "File[]", outputBinding: {glob: [sub/x, "*.txt"]}}
  input: {type: File, outputBinding: {outputEval: $(inputs.image)}}
`)
	b.env = []string{"PATH=/usr/bin:/bin", "EXTRA=from the environment", "HOME=/nowhere"}
	image, ms := b.put("m87.fits", "pixels\n"), filepath.Dir(b.put("obs.ms/table.dat", "rows\n"))
	out := b.want(map[string]any{"image": file(image), "ms": directory(ms), "name": "M87"}, map[string]string{
		"text":  "pixels\nrows\nname=M87",
		"log":   "hello M87 /fringe/work /tmp /fringe/work from the environment\n",
		"sub":   "conf/settings=name=M87;x=deep\n;",
		"input": "pixels\n",
	})
	if got := out.Outputs["text"].(map[string]any)["basename"]; got != "m87.txt" {
		t.Errorf("the basename is %v, want m87.txt", got)
	}
	if text, err := os.ReadFile(image); err != nil || string(text) != "pixels\n" {
		t.Errorf("the input is %q, %v", text, err)
	}
	if out.Exit.Cause != fringe.Exited || out.Phases.Run <= 0 || out.Argv[0] != "sh" {
		t.Errorf("Outcome = %+v", out)
	}
}

func TestInputsDoNotChange(t *testing.T) {
	b := newBench(t, `
requirements:
  InitialWorkDirRequirement: {listing: [{entry: $(inputs.ms), writable: true}, {entry: $(inputs.cat), writable: true}, $(inputs.read)]}
baseCommand: [sh, -c]
arguments: ['echo changed > "$(inputs.ms.path)/table.dat"; rm "$(inputs.ms.path)/old"; echo new > "$(inputs.ms.path)/new"; echo more >> "$(inputs.cat.path)"; echo x > "$(inputs.read.path)" || echo refused; cat "$(inputs.read.path)"']
inputs: {ms: Directory, cat: File, read: File}
stdout: said
outputs:
  said: stdout
  ms: {type: Directory, outputBinding: {glob: obs.ms}}
  cat: {type: File, outputBinding: {glob: $(inputs.cat.basename)}}
  all: {type: Directory, outputBinding: {glob: .}}
`)
	table := b.put("obs.ms/table.dat", "rows\n")
	old := b.put("obs.ms/old", "old\n")
	cat, read := b.put("sources.cat", "one\n"), b.put("read.txt", "kept\n")
	for range 2 {
		b.want(map[string]any{"ms": directory(filepath.Dir(table)), "cat": file(cat), "read": file(read)}, map[string]string{
			"said": "refused\nkept\n",
			"ms":   "new=new\n;table.dat=changed\n;",
			"cat":  "one\nmore\n",
			"all":  "obs.ms/new=new\n;obs.ms/table.dat=changed\n;read.txt=kept\n;said=refused\nkept\n;sources.cat=one\nmore\n;",
		})
	}
	for path, want := range map[string]string{table: "rows\n", old: "old\n", cat: "one\n", read: "kept\n"} {
		if got, err := os.ReadFile(path); err != nil || string(got) != want {
			t.Errorf("%s is %q (%v) after the attempts, want %q", path, got, err, want)
		}
	}
}

func TestStagesByReference(t *testing.T) {
	b := newBench(t, `
baseCommand: [stat, -c, "%s %h"]
inputs: {big: {type: File, inputBinding: {}}}
stdout: said
outputs: {said: stdout}
`)
	big := b.put("big", "")
	if err := os.Truncate(big, 64<<30); err != nil {
		t.Fatal(err)
	}
	out := b.want(map[string]any{"big": file(big)}, map[string]string{"said": "68719476736 1\n"})
	if out.Phases.Stage > 500*time.Millisecond {
		t.Errorf("staging a sparse file of 64 GiB took %v; it must not be copied", out.Phases.Stage)
	}
}

func TestEntriesInViews(t *testing.T) {
	b := newBench(t, `
requirements:
  InitialWorkDirRequirement:
    listing:
      - {entry: $(inputs.d), entryname: d, writable: true}
      - {entryname: d/added/by, entry: the document}
      - {entryname: d/link/x, entry: outside}
baseCommand: "true"
inputs: {d: Directory}
outputs: {d: {type: Directory, outputBinding: {glob: d}}}
`)
	dir := filepath.Dir(b.put("dir/file", "file"))
	outside := t.TempDir()
	if err := os.Symlink(outside, filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	_, err := b.run(t.Context(), map[string]any{"d": directory(dir)})
	if err == nil {
		t.Error("Run() wrote through a symbolic link of an input")
	}
	if names, _ := os.ReadDir(outside); len(names) > 0 {
		t.Errorf("the directory outside has %v", names)
	}
	if err := os.Remove(filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	b.want(map[string]any{"d": directory(dir)}, map[string]string{"d": "added/by=the document;file=file;link/x=outside;"})
	if names, _ := os.ReadDir(dir); len(names) != 1 {
		t.Errorf("the input has %v after the attempt", names)
	}
}

func TestStdinAndLiterals(t *testing.T) {
	b := newBench(t, `
baseCommand: cat
stdin: $(inputs.text.path)
inputs: {text: File, more: {type: Directory}}
arguments: ["-", $(inputs.more.path)/a]
stdout: said
outputs: {said: stdout}
`)
	b.want(map[string]any{
		"text": map[string]any{"class": "File", "basename": "t", "contents": "from a literal\n"},
		"more": map[string]any{"class": "Directory", "basename": "m", "listing": []any{map[string]any{"class": "File", "basename": "a", "contents": "and another\n"}}},
	}, map[string]string{"said": "from a literal\nand another\n"})
}

func TestLinksInOutputs(t *testing.T) {
	b := newBench(t, `
baseCommand: [sh, -c, 'mkdir d; echo x > d/real; ln -s real d/relative; ln -s /fringe/work/d/real d/absolute; ln -s "$1" d/input; ln -s /nowhere/at/all d/broken 2>/dev/null; true', sh]
inputs: {f: {type: File, inputBinding: {}}}
outputs: {d: {type: Directory, outputBinding: {glob: d}}}
`)
	_, err := b.run(t.Context(), map[string]any{"f": file(b.put("in", "input\n"))})
	if err == nil || !strings.Contains(err.Error(), "d/broken is a link that leads out of the work directory") {
		t.Errorf("Run() = %v, want a refusal of d/broken", err)
	}
	b = newBench(t, `
baseCommand: [sh, -c, 'mkdir d; echo x > d/real; ln -s real d/relative; ln -s /fringe/work/d/real d/absolute; ln -s "$1" d/input; ln -s gone d/dangling', sh]
inputs: {f: {type: File, inputBinding: {}}}
outputs: {d: {type: Directory, outputBinding: {glob: d}}}
`)
	b.want(map[string]any{"f": file(b.put("in", "input\n"))}, map[string]string{"d": "absolute=x\n;input=input\n;real=x\n;relative=x\n;"})
}

// A log is bounded with what former attempts wrote to it.
func TestLogOfSeveralAttempts(t *testing.T) {
	b := newBench(t, `
baseCommand: [sh, -c, 'head -c 1500 /dev/zero | tr "\0" x']
inputs: {}
outputs: {}
`)
	b.logMax = 2000
	log, err := os.OpenFile(filepath.Join(t.TempDir(), "log"), os.O_CREATE|os.O_APPEND|os.O_RDWR, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	b.stdout = log
	for range 3 {
		b.want(map[string]any{}, nil)
	}
	text, err := os.ReadFile(log.Name())
	if n := strings.Count(string(text), "x"); err != nil || n > 2001 || strings.Count(string(text), "[the log is cut here") != 2 {
		t.Errorf("after three attempts of 1500 bytes the log has %d, %q, %v; want 2000 and two lines that say so", n, text[max(0, len(text)-200):], err)
	}
}

// Where a tool leaves links, the server writes nothing through them.
func TestLinksLeadTheServerNowhere(t *testing.T) {
	outside := t.TempDir()
	b := newBench(t, `
requirements: {InlineJavascriptRequirement: {}}
baseCommand: [sh, -c, 'mkdir .fringe-outputs; ln -s "$0" .fringe-outputs/1', `+outside+`]
inputs: {}
outputs: {said: {type: File, outputBinding: {outputEval: '${return {"class": "File", "basename": "said", "contents": "a literal"};}'}}}
`)
	b.want(map[string]any{}, map[string]string{"said": "a literal"})
	b = newBench(t, `
requirements: {InitialWorkDirRequirement: {listing: [{entryname: d/in, entry: $(inputs.f)}]}}
baseCommand: [sh, -c, 'mv d e; ln -s "$0" d', `+outside+`]
inputs: {f: File}
outputs: {all: {type: Directory, outputBinding: {glob: .}}}
`)
	if out, err := b.run(t.Context(), map[string]any{"f": file(b.put("in", "input"))}); err == nil {
		t.Errorf("Run() of a tool that put a link on the way to its input = %v, want an error", out.Outputs)
	}
	if left, err := os.ReadDir(outside); err != nil || len(left) > 0 {
		t.Errorf("outside of the work directory are %v, %v", left, err)
	}
}

func TestFailures(t *testing.T) {
	cases := map[string]struct {
		doc       string
		limits    fringe.Limits
		component fringe.Component
		kind      fringe.Kind
		message   string
	}{
		"exit code":       {doc: "baseCommand: [sh, -c, 'echo out; echo first >&2; echo last words >&2; exit 3']", component: fringe.UserCode, kind: fringe.Failed, message: "sh failed with exit code 3; its last words:\nfirst\nlast words"},
		"only stdout":     {doc: "baseCommand: [sh, -c, 'echo only out; exit 4']", component: fringe.UserCode, kind: fringe.Failed, message: "exit code 4; its last words:\nonly out"},
		"kept stderr":     {doc: "baseCommand: [sh, -c, 'echo kept >&2; exit 5']\nstderr: err.txt", component: fringe.UserCode, kind: fringe.Failed, message: "exit code 5; its last words:\nkept"},
		"temporary":       {doc: "baseCommand: [sh, -c, 'exit 75']\ntemporaryFailCodes: [75]", component: fringe.UserCode, kind: fringe.Failed, message: "a later try may succeed"},
		"signal":          {doc: "baseCommand: [sh, -c, 'kill -SEGV $$']", component: fringe.UserCode, kind: fringe.Failed, message: "signal 11 (segmentation fault)"},
		"time of limits":  {doc: "baseCommand: [sleep, '60']", limits: fringe.Limits{Time: 300 * time.Millisecond}, component: fringe.Timeout, kind: fringe.Failed, message: "sleep was stopped at its time limit of 300ms"},
		"time of tool":    {doc: "baseCommand: [sleep, '60']\nrequirements: {ToolTimeLimit: {timelimit: 0.4}}", component: fringe.Timeout, kind: fringe.Failed, message: "time limit of 400ms"},
		"memory":          {doc: "baseCommand: [sh, -c, 'x=$(head -c 200000000 /dev/zero | tr \"\\0\" x); echo ${#x}']", limits: fringe.Limits{Memory: 64 << 20}, component: fringe.Memory, kind: fringe.Failed, message: "sh was stopped at its memory limit of 64 MiB"},
		"no program":      {doc: "baseCommand: no-such-program", component: fringe.Start, kind: fringe.NotFound, message: "no-such-program"},
		"output missing":  {doc: "baseCommand: [touch, other]", component: fringe.Collect, kind: fringe.Failed, message: "the output o: no file matches o.fits; the work directory has other"},
		"output outside":  {doc: "baseCommand: [ln, -s, /etc/hostname, o.fits]", component: fringe.Collect, kind: fringe.Failed, message: "leads out of the work directory"},
		"output in tmp":   {doc: "baseCommand: [sh, -c, 'echo x > /tmp/x; ln -s /tmp/x o.fits']", component: fringe.Collect, kind: fringe.Failed, message: "leads out of the work directory"},
		"output is fifo":  {doc: "baseCommand: [mkfifo, o.fits]", component: fringe.Collect, kind: fringe.Failed, message: "o.fits is not a regular file"},
		"input not found": {doc: "baseCommand: cat\ninputs: {f: {type: File, default: {class: File, path: /nonexistent/f}}}", component: fringe.Stage, kind: fringe.NotFound, message: "the input f: there is no /nonexistent/f"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			doc := c.doc + "\noutputs: {o: {type: File, outputBinding: {glob: o.fits}}}\n"
			if !strings.Contains(doc, "inputs:") {
				doc += "inputs: []\n"
			}
			b := newBench(t, doc)
			b.limits = c.limits
			var err error
			if b.stderr, err = os.Create(filepath.Join(t.TempDir(), "err")); err != nil {
				t.Fatal(err)
			}
			defer b.stderr.Close()
			if b.stdout, err = os.Create(filepath.Join(t.TempDir(), "out")); err != nil {
				t.Fatal(err)
			}
			defer b.stdout.Close()
			_, err = b.run(t.Context(), map[string]any{})
			var e *fringe.Error
			if !errors.As(err, &e) {
				t.Fatalf("Run() = %v, want a *fringe.Error", err)
			}
			if e.Component != c.component || e.Kind != c.kind || !strings.Contains(e.Message, c.message) {
				t.Errorf("Run() fails in %q with %s, %q; want %q, %s, %q", e.Component, e.Kind, e.Message, c.component, c.kind, c.message)
			}
		})
	}
}

// A program says with an exit code and a file that an input is wrong, or why the
// work failed: its last words are then left to the log.
func TestAProgramSaysWhyItEnds(t *testing.T) {
	said := `{"message": "there is no field 99", "input": "field", "cure": "see listobs"}`
	failed := `{"message": "the matrix is singular", "input": "", "cure": ""}`
	for doc, want := range map[string]fringe.Error{
		"echo '" + said + "' > .fringe-invalid.json; exit 65": {Kind: fringe.Invalid, Message: "there is no field 99", Pointer: "/field", Cure: "see listobs"},
		"echo '" + said + "' > .fringe-invalid.json; exit 66": {Kind: fringe.Failed, Message: "exit code 66"},
		"echo nonsense > .fringe-invalid.json; exit 65":       {Kind: fringe.Failed, Message: "exit code 65"},
		"exit 65": {Kind: fringe.Failed, Message: "exit code 65"},
		"echo noise >&2; echo '" + failed + "' > .fringe-failed.json; exit 70": {Kind: fringe.Failed, Message: "the matrix is singular"},
		"echo noise >&2; echo '" + failed + "' > .fringe-failed.json; exit 71": {Kind: fringe.Failed, Message: "noise"},
		"echo noise >&2; exit 70": {Kind: fringe.Failed, Message: "noise"},
	} {
		quoted, err := json.Marshal(doc)
		if err != nil {
			t.Fatal(err)
		}
		b := newBench(t, "baseCommand: [sh, -c, "+string(quoted)+"]\ninputs: []\noutputs: []\n")
		if b.stderr, err = os.Create(filepath.Join(t.TempDir(), "err")); err != nil {
			t.Fatal(err)
		}
		defer b.stderr.Close()
		_, err = b.run(t.Context(), map[string]any{})
		var e *fringe.Error
		if !errors.As(err, &e) || e.Kind != want.Kind || !strings.Contains(e.Message, want.Message) || e.Pointer != want.Pointer || e.Cure != want.Cure ||
			strings.Contains(e.Message, "noise") != (want.Message == "noise") {
			t.Errorf("Run(%q) = %#v, want %#v", doc, e, want)
		}
	}
}

func TestAbort(t *testing.T) {
	b := newBench(t, "baseCommand: [sh, -c, 'echo started > mark; sleep 600']\ninputs: []\noutputs: []\n")
	cause := errors.New("the user said stop")
	ctx, cancel := context.WithCancelCause(t.Context())
	dir := t.TempDir()
	done := make(chan error, 1)
	go func() {
		_, err := attempt.Run(ctx, attempt.Request{Tool: b.tool, Inputs: map[string]any{}, Driver: b.driver, ID: "abort", WorkDir: dir})
		done <- err
	}()
	deadline := time.After(20 * time.Second)
	for {
		if _, err := os.Stat(filepath.Join(dir, "out", "mark")); err == nil {
			break
		}
		select {
		case <-deadline:
			t.Fatal("the program did not start")
		case <-time.After(5 * time.Millisecond):
		}
	}
	cancel(cause)
	select {
	case err := <-done:
		if !errors.Is(err, cause) {
			t.Errorf("Run() = %v, want the cause of the abort", err)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("Run() goes on after the abort")
	}
}

func TestManyAtOnce(t *testing.T) {
	b := newBench(t, `
requirements:
  InitialWorkDirRequirement: {listing: [{entry: $(inputs.d), writable: true, entryname: d}]}
baseCommand: [sh, -c, 'echo "$1" > d/who; cat d/who d/base', sh]
inputs: {d: Directory, who: {type: string, inputBinding: {}}}
stdout: said
outputs: {said: stdout}
`)
	dir := filepath.Dir(b.put("d/base", "base\n"))
	work := t.TempDir()
	errs := make(chan error, 8)
	for i := range cap(errs) {
		go func() {
			who := fmt.Sprint("w", i)
			out, err := attempt.Run(t.Context(), attempt.Request{Tool: b.tool, Inputs: map[string]any{"d": directory(dir), "who": who}, Driver: b.driver,
				ID: fringe.InstanceID(who), WorkDir: filepath.Join(work, who)})
			if err == nil {
				if got := contents(t, out.Outputs["said"]); got != who+"\nbase\n" {
					err = fmt.Errorf("%s said %q", who, got)
				}
				err = errors.Join(err, out.Close())
			}
			errs <- err
		}()
	}
	for range cap(errs) {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	if names, _ := os.ReadDir(dir); len(names) != 1 {
		t.Errorf("the input has %v after the attempts", names)
	}
}

func BenchmarkRun(b *testing.B) {
	driver, err := process.New(process.Config{StateDir: filepath.Join(b.TempDir(), "driver")})
	if err != nil {
		b.Fatal(err)
	}
	tool, err := cwl.Parse("tool.cwl", []byte(head+"baseCommand: [\"true\"]\ninputs: {f: {type: File, inputBinding: {}}}\nstdout: o\noutputs: {o: stdout}\n"), nil)
	if err != nil {
		b.Fatal(err)
	}
	input := filepath.Join(b.TempDir(), "f")
	if err := os.WriteFile(input, nil, 0o644); err != nil {
		b.Fatal(err)
	}
	inputs, err := tool.Validate(map[string]any{"f": file(input)})
	if err != nil {
		b.Fatal(err)
	}
	dir := b.TempDir()
	var phases attempt.Phases
	n := 0
	for b.Loop() {
		n++
		out, err := attempt.Run(b.Context(), attempt.Request{Tool: tool, Inputs: inputs, Driver: driver, ID: "bench", WorkDir: filepath.Join(dir, fmt.Sprint(n))})
		if err != nil {
			b.Fatal(err)
		}
		phases.Stage += out.Phases.Stage
		phases.Start += out.Phases.Start
		phases.Run += out.Phases.Run
		phases.Collect += out.Phases.Collect
	}
	for name, d := range map[string]time.Duration{"stage": phases.Stage, "start": phases.Start, "run": phases.Run, "collect": phases.Collect} {
		b.ReportMetric(float64(d.Microseconds())/float64(n), name+"-µs/op")
	}
}
