package catalogue_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"fringe"
	"fringe/catalogue"
	"fringe/cwl"
	"fringe/store"
)

// site is a catalogue with what it stands on.
type site struct {
	*catalogue.Catalogue
	dir   string
	store *store.Store
}

// derive runs the real derivation with the system's interpreter.
func derive(ctx context.Context, env fringe.EnvironmentName, dir, file string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, "/usr/bin/python3", "-m", "fringe.derive", filepath.Join(dir, file))
	python, err := filepath.Abs("../python")
	if err != nil {
		return nil, err
	}
	cmd.Env = []string{"PYTHONPATH=" + python, "PYTHONDONTWRITEBYTECODE=1"}
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		var problems cwl.Problems
		if e := json.Unmarshal(errs.Bytes(), &problems); e != nil {
			return nil, fmt.Errorf("derive: %w: %s", err, errs.String())
		}
		return nil, problems
	}
	return out.Bytes(), nil
}

func environment(name string) fringe.Environment {
	return fringe.Environment{Name: fringe.EnvironmentName(name), Digest: fringe.Digest("sha256:" + strings.Repeat("0", 63) + "1"), Contract: fringe.Python,
		Python: "/usr/bin/python3", Layers: []string{"/somewhere"}, Packages: map[string]string{"apt:wsclean": "3.4-1"}}
}

func open(t testing.TB, dir string) *site {
	t.Helper()
	s := &site{dir: dir}
	var err error
	if s.store, err = store.Open(t.Context(), store.Config{Path: filepath.Join(dir, "fringe.db")}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.store.Close() })
	if err := s.store.Migrate(t.Context(), map[string][]store.Migration{"catalogue": catalogue.Migrations()}); err != nil {
		t.Fatal(err)
	}
	if s.Catalogue, err = catalogue.New(catalogue.Config{Store: s.store, Dir: filepath.Join(dir, "functions"), Derive: derive}); err != nil {
		t.Fatal(err)
	}
	return s
}

func newSite(t testing.TB) *site {
	t.Helper()
	s := open(t, t.TempDir())
	for _, name := range []string{"wsclean", "python"} {
		if err := s.PutEnvironment(t.Context(), environment(name)); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// function writes a function directory; %V is replaced by the version.
func function(t testing.TB, name, version string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), name)
	write(t, filepath.Join(dir, "function.cwl"), strings.ReplaceAll(tool, "%V", version), 0o644)
	write(t, filepath.Join(dir, "bin", "helper"), "#!/bin/sh\necho "+version+"\n", 0o755)
	return dir
}

const tool = `cwlVersion: v1.2
class: CommandLineTool
$namespaces: {fringe: "urn:fringe:ns#", s: "https://schema.org/"}
label: Say a word
doc: |
  Says a word.
  More of it.
hints:
  fringe:Function:
    version: %V
    environment: wsclean
  ResourceRequirement: {coresMax: 2, ramMax: 512}
s:author: [{name: A. Author}, B. Writer]
s:citation: 2014MNRAS.444..606O
s:license: GPL-3.0-or-later
s:codeRepository: https://example.org/code
s:keywords: [Words, Speech]
fringe:example: {word: hello}
baseCommand: echo
inputs:
  word: {type: string, inputBinding: {}}
outputs: {said: {type: stdout}}
stdout: said.txt
`

func write(t testing.TB, path, text string, mode fs.FileMode) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
}

func publish(t testing.TB, s *site, dir string) catalogue.Published {
	t.Helper()
	p, err := s.Publish(t.Context(), catalogue.PublishRequest{Dir: dir, By: "ada"})
	if err != nil {
		t.Fatalf("Publish(%s) = %v", filepath.Base(dir), err)
	}
	return p
}

// wantError checks the kind and that the text says all of the words.
func wantError(t *testing.T, err error, kind fringe.Kind, says ...string) {
	t.Helper()
	var fe *fringe.Error
	if !errors.As(err, &fe) || fringe.KindOf(err) != kind {
		t.Errorf("got %v (%s), want an error of kind %s", err, fringe.KindOf(err), kind)
		return
	}
	for _, w := range says {
		if !strings.Contains(fe.Message+"\n"+fe.Cure, w) {
			t.Errorf("the error %q (cure %q) does not say %q", fe.Message, fe.Cure, w)
		}
	}
}

func TestPublish(t *testing.T) {
	s := newSite(t)
	dir := function(t, "say", "1.0.0")
	p := publish(t, s, dir)
	if !p.Created || p.Ref() != "say@1.0.0" || p.Shape != fringe.Task || p.Contract != fringe.Exec || p.Environment != "wsclean" || p.By != "ada" {
		t.Errorf("Publish() = %+v", p.Version)
	}
	if p.Limits.CPU != 2 || p.Limits.Memory != 512<<20 || p.Network {
		t.Errorf("limits = %+v, network %v, want 2 cores, 512 MiB, none", p.Limits, p.Network)
	}
	want := catalogue.Doc{Summary: "Say a word", Text: "Says a word.\nMore of it.", Author: "A. Author; B. Writer", Citation: "2014MNRAS.444..606O",
		License: "GPL-3.0-or-later", CodeRepository: "https://example.org/code", Keywords: []string{"Words", "Speech"}, Example: json.RawMessage(`{"word":"hello"}`)}
	if fmt.Sprint(p.Doc) != fmt.Sprint(want) {
		t.Errorf("Doc = %+v, want %+v", p.Doc, want)
	}
	if p.Tool == nil || len(p.Tool.Inputs) != 1 {
		t.Fatalf("Tool = %+v, want one with an input", p.Tool)
	}
	info, err := os.Stat(filepath.Join(p.Dir, "bin/helper"))
	if err != nil || info.Mode().Perm() != 0o555 {
		t.Errorf("published program = %v, %v, want mode 0555", info, err)
	}
	if filepath.Base(p.Dir) != strings.TrimPrefix(string(p.Digest), "sha256:") {
		t.Errorf("content is in %s, want a place named by %s", p.Dir, p.Digest)
	}

	t.Run("Again", func(t *testing.T) {
		write(t, filepath.Join(dir, "__pycache__", "x.pyc"), "x", 0o644)
		write(t, filepath.Join(dir, ".git", "HEAD"), "x", 0o644)
		again := publish(t, s, dir)
		if again.Created || again.Digest != p.Digest {
			t.Errorf("Publish(again) = created %v, %s, want the same version", again.Created, again.Digest)
		}
	})
	t.Run("OtherContent", func(t *testing.T) {
		other := function(t, "say", "1.0.0")
		write(t, filepath.Join(other, "bin/helper"), "other", 0o755)
		write(t, filepath.Join(other, "more"), "x", 0o644)
		_, err := s.Publish(t.Context(), catalogue.PublishRequest{Dir: other})
		wantError(t, err, fringe.Conflict, "say@1.0.0", "changed bin/helper", "added more", "1.0.1")
		if v, err := s.Resolve(t.Context(), "say"); err != nil || v.Digest != p.Digest {
			t.Errorf("after the conflict, Resolve = %v, %v", v, err)
		}
	})
	t.Run("Reopened", func(t *testing.T) {
		s.store.Close()
		s2 := open(t, s.dir)
		v, err := s2.Resolve(t.Context(), "say")
		if err != nil || v.Ref() != "say@1.0.0" || v.Tool == nil || v.Dir != p.Dir || !v.Published.Equal(p.Published) {
			t.Errorf("Resolve(reopened) = %+v, %v", v, err)
		}
		env, err := s2.Environment(t.Context(), "wsclean")
		if err != nil || !slices.Equal(env.Layers, []string{"/somewhere"}) {
			t.Errorf("Environment(reopened) = %+v, %v", env, err)
		}
		if entries, _ := os.ReadDir(filepath.Join(s.dir, "functions", "tmp")); len(entries) != 0 {
			t.Errorf("tmp has %v", entries)
		}
	})
}

func TestPublishPython(t *testing.T) {
	s := newSite(t)
	dir := filepath.Join(t.TempDir(), "double")
	src := `"""Double a number."""
from typing import Annotated, NamedTuple
from fringe import In, Out
FRINGE = {"version": "0.2.0", "environment": "python", "shape": "service", "keywords": ["sum"], "memory": "64MiB", "warm": {"max": 2}}
class Outputs(NamedTuple):
    twice: Annotated[float, Out(doc="Twice x")]
def main(x: Annotated[float, In(doc="A number", unit="Jy")]) -> Outputs:
    return Outputs(2 * x)
`
	write(t, filepath.Join(dir, "function.py"), src, 0o644)
	p := publish(t, s, dir)
	if p.Contract != fringe.Python || p.Shape != fringe.Service || p.Handler != "function:main" || p.Warm.Max != 2 || p.Tool.Inputs[0].Unit != "Jy" || p.Doc.Summary != "Double a number." {
		t.Errorf("Publish() = %+v, %+v", p.Function, p.Doc)
	}
	// From the store, not from memory.
	s.store.Close()
	if v, err := open(t, s.dir).Resolve(t.Context(), "double@0.2.0"); err != nil || len(v.Tool.Inputs) != 1 {
		t.Errorf("Resolve() = %v, %v", v, err)
	}
}

func TestPublishRaw(t *testing.T) {
	s := newSite(t)
	file := filepath.Join(t.TempDir(), "hello.py")
	write(t, file, "FRINGE = {'version': '1.0.0'}\nfrom fringe import request\ndef main():\n    return 'hello'\n", 0o644)
	p, err := s.Publish(t.Context(), catalogue.PublishRequest{File: file})
	if err != nil || p.Name != "hello" || !p.Raw || p.Tool != nil || p.Environment != "python" {
		t.Fatalf("Publish(bare raw handler) = %+v, %v", p.Version, err)
	}
}

func TestPublishBareCWL(t *testing.T) {
	s := newSite(t)
	file := filepath.Join(t.TempDir(), "whatever.cwl")
	write(t, file, "id: speak\n"+strings.ReplaceAll(tool, "%V", "2.0.0-rc.1"), 0o644)
	p, err := s.Publish(t.Context(), catalogue.PublishRequest{File: file})
	if err != nil || p.Ref() != "speak@2.0.0-rc.1" {
		t.Fatalf("Publish(bare) = %v, %v, want speak@2.0.0-rc.1 by its id", p.Version, err)
	}
}

func TestPublishRefuses(t *testing.T) {
	s := newSite(t)
	with := func(old, new string) string {
		return strings.ReplaceAll(strings.Replace(tool, old, new, 1), "%V", "1.0.0")
	}
	bare := environment("bare")
	bare.Python = ""
	if err := s.PutEnvironment(t.Context(), bare); err != nil {
		t.Fatal(err)
	}
	cases := []struct {
		name  string
		files map[string]string
		says  []string
	}{
		{"say", map[string]string{"readme": "x"}, []string{"no function.cwl and no function.py"}},
		{"say", map[string]string{"function.cwl": "x", "function.py": "y"}, []string{"both"}},
		{"Say_it", map[string]string{"function.cwl": with("", "")}, []string{`"Say_it" is not a name`, "lower-case"}},
		{"say", map[string]string{"function.cwl": with("%V", "one")}, []string{`"one" is not a semantic version`, "function.cwl"}},
		{"say", map[string]string{"function.cwl": with("environment: wsclean", "environment: wsclaen")}, []string{`"wsclaen" is not built`, "bare, python, wsclean", "fringe env build"}},
		{"say", map[string]string{"function.cwl": with("baseCommand: echo", "baseComand: echo")}, []string{"function.cwl:", "baseComand"}},
		{"say", map[string]string{"function.cwl": with("{type: string, inputBinding: {}}", "{type: strong}")}, []string{"function.cwl:21", "strong"}},
		{"say", map[string]string{"function.cwl": with("baseCommand: echo", "requirements: {MPIRequirement: {}}\nbaseCommand: echo")}, []string{"MPIRequirement"}},
		{"say", map[string]string{"function.cwl": with("baseCommand: echo", "requirements: {DockerRequirement: {dockerPull: debian}}\nbaseCommand: echo")}, []string{"function.cwl:19: DockerRequirement under requirements (container image debian) is not supported — put it under hints"}},
		{"say", map[string]string{"function.cwl": with("    environment: wsclean", "    contract: http\n    shape: service")}, []string{"contract http needs the program"}},
		{"say", map[string]string{"function.cwl": with("    environment: wsclean", "    shape: service")}, []string{"a command line cannot be a service"}},
		{"say", map[string]string{"function.cwl": with("    environment: wsclean", "    contract: python\n    handler: ../x:main")}, []string{"handler"}},
		{"say", map[string]string{"function.cwl": with("    environment: wsclean", "    environment: wsclean\n    raw: true")}, []string{"a command line cannot take the HTTP request"}},
		{"say", map[string]string{"function.cwl": with("    environment: wsclean", "    environment: wsclean\n    command: [x]")}, []string{"a command is for the contracts http and worker"}},
		{"say", map[string]string{"function.cwl": with("    environment: wsclean", "    contract: worker\n    shape: service")}, []string{"contract worker needs the program"}},
		{"say", map[string]string{"function.cwl": with("    environment: wsclean", "    contract: worker\n    command: [x]")}, []string{"a function of the contract worker is a service"}},
		{"say", map[string]string{"function.cwl": with("    environment: wsclean", "    contract: worker\n    shape: service\n    raw: true\n    command: [x]")}, []string{"a worker takes input objects"}},
		{"say", map[string]string{"function.cwl": with("    environment: wsclean", "    environment: bare\n    contract: python\n    handler: function:main")}, []string{`needs Python, which the environment "bare" has not`}},
		{"say", map[string]string{"function.cwl": with("    environment: wsclean", "    environment: wsclean\n    shape: service\n    contract: http\n    command: [x]\n    warm: {min: 3, max: 2}")}, []string{"warm.min is 3 and warm.max is 2 — make min at most max"}},
		{"-say", map[string]string{"function.cwl": with("", "")}, []string{`"-say" is not a name`}},
		{"say", map[string]string{"function.cwl": with("label: Say a word", "label: {$include: /etc/hostname}")}, []string{"/etc/hostname"}},
		{"say", map[string]string{"function.cwl": with("label: Say a word", "label: {$include: ../../../../../../etc/hostname}")}, []string{"etc/hostname"}},
		{"say", map[string]string{"function.cwl": "class: ["}, []string{"function.cwl:1"}},
		{"hi", map[string]string{"function.py": "FRINGE = {'version': '1.0.0', 'environment': 'astro'}\ndef main(): pass\n"}, []string{"function.py:1", `"astro" is not built`}},
		{"hi", map[string]string{"function.py": "E = 'wsclean'\nFRINGE = {'version': '1.0.0', 'environment': E}\ndef main(x: int) -> int:\n    return x\n"}, []string{`write "environment": "wsclean" itself`}},
		{"hi", map[string]string{"function.py": "FRINGE = {'version': '1.0.0'}\nimport nosuchmodule\ndef main(): pass\n"}, []string{"function.py:2", "nosuchmodule"}},
		{"hi", map[string]string{"function.py": "def main(:\n"}, []string{"function.py:1"}},
	}
	for _, c := range cases {
		t.Run(c.says[0], func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), c.name)
			for name, text := range c.files {
				write(t, filepath.Join(dir, name), text, 0o644)
			}
			_, err := s.Publish(t.Context(), catalogue.PublishRequest{Dir: dir})
			wantError(t, err, fringe.Invalid, c.says...)
			if err != nil && strings.Contains(err.Error(), s.dir) {
				t.Errorf("the error tells the site's own paths: %v", err)
			}
			if entries, _ := os.ReadDir(filepath.Join(s.dir, "functions")); len(entries) != 1 {
				t.Errorf("content was left behind: %v", entries)
			}
		})
	}
}

func TestPublishContent(t *testing.T) {
	s := newSite(t)
	t.Run("LinkOut", func(t *testing.T) {
		dir := function(t, "say", "1.0.0")
		if err := os.Symlink("/etc/passwd", filepath.Join(dir, "secret")); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink("../../other", filepath.Join(dir, "bin", "up")); err != nil {
			t.Fatal(err)
		}
		_, err := s.Publish(t.Context(), catalogue.PublishRequest{Dir: dir})
		wantError(t, err, fringe.Invalid, "2 problems", "secret", "bin/up", "leads out")
	})
	t.Run("LinkInside", func(t *testing.T) {
		dir := function(t, "linked", "1.0.0")
		if err := os.Symlink("helper", filepath.Join(dir, "bin", "again")); err != nil {
			t.Fatal(err)
		}
		p := publish(t, s, dir)
		if to, err := os.Readlink(filepath.Join(p.Dir, "bin", "again")); err != nil || to != "helper" {
			t.Errorf("link = %q, %v", to, err)
		}
	})
	t.Run("TooLarge", func(t *testing.T) {
		dir := function(t, "large", "1.0.0")
		f, err := os.Create(filepath.Join(dir, "zeros"))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if err := f.Truncate(65 << 20); err != nil {
			t.Fatal(err)
		}
		_, err = s.Publish(t.Context(), catalogue.PublishRequest{Dir: dir})
		wantError(t, err, fringe.TooLarge, "64 MiB")
	})
	t.Run("Missing", func(t *testing.T) {
		_, err := s.Publish(t.Context(), catalogue.PublishRequest{Dir: "/nonexistent"})
		wantError(t, err, fringe.NotFound, "/nonexistent")
	})
}

func TestResolve(t *testing.T) {
	s := newSite(t)
	var digests []fringe.Digest
	for _, v := range []string{"1.0.0", "1.10.0", "1.9.0", "2.0.0-rc.1"} {
		digests = append(digests, publish(t, s, function(t, "say", v)).Digest)
	}
	if err := s.SetAlias(t.Context(), "say", "stable", "1.9.0"); err != nil {
		t.Fatal(err)
	}
	for ref, want := range map[string]string{
		"say": "1.10.0", "say@latest": "1.10.0", "say@1.0.0": "1.0.0", "say@stable": "1.9.0", "say@2.0.0-rc.1": "2.0.0-rc.1",
		"say@" + string(digests[2]): "1.9.0", "say@" + string(digests[0][:20]): "1.0.0",
	} {
		if v, err := s.Resolve(t.Context(), ref); err != nil || v.Version != want {
			t.Errorf("Resolve(%s) = %v, %v, want %s", ref, v, err, want)
		}
	}
	for ref, says := range map[string][]string{
		"sya": {"no function", "near names are say"}, "say@3.0.0": {"no version", "2.0.0-rc.1, 1.10.0, 1.9.0, 1.0.0"}, "say@beta": {"no alias beta", "latest, stable"},
		"say@sha256:00000000": {"no version with the digest"}, "say@": {"no version"}, "": {"no function"}, "../../etc": {"no function"},
		"say@sha256:": {"no version"}, "nothing-at-all-like-it": {"no function", "fringe functions"},
	} {
		_, err := s.Resolve(t.Context(), ref)
		wantError(t, err, fringe.NotFound, says...)
	}
	if got, err := s.Versions(t.Context(), "say"); err != nil || !slices.Equal(got, []string{"2.0.0-rc.1", "1.10.0", "1.9.0", "1.0.0"}) {
		t.Errorf("Versions() = %v, %v", got, err)
	}
}

func TestAliases(t *testing.T) {
	s := newSite(t)
	ctx := t.Context()
	publish(t, s, function(t, "say", "1.0.0"))
	publish(t, s, function(t, "say", "1.1.0"))
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(s.SetAlias(ctx, "say", "stable", "1.0.0"))
	must(s.SetAlias(ctx, "say", "best", "stable"))
	if got, err := s.Aliases(ctx, "say", "1.0.0"); err != nil || !slices.Equal(got, []string{"best", "stable"}) {
		t.Errorf("Aliases() = %v, %v", got, err)
	}
	must(s.SetAlias(ctx, "say", "stable", "latest"))
	if v, err := s.Resolve(ctx, "say@stable"); err != nil || v.Version != "1.1.0" {
		t.Errorf("Resolve(moved alias) = %v, %v", v, err)
	}
	wantError(t, s.SetAlias(ctx, "say", "latest", "1.0.0"), fringe.Invalid, "moves by itself")
	wantError(t, s.SetAlias(ctx, "say", "1.0", "1.0.0"), fringe.Invalid, "not an alias")
	wantError(t, s.SetAlias(ctx, "say", "old", "0.9.0"), fringe.NotFound, "1.1.0, 1.0.0")
	wantError(t, s.SetAlias(ctx, "says", "old", "0.9.0"), fringe.NotFound, "near names are say")
	_, err := s.Unpublish(ctx, "say@1.0.0")
	wantError(t, err, fringe.Conflict, "alias best")
	must(s.RemoveAlias(ctx, "say", "best"))
	wantError(t, s.RemoveAlias(ctx, "say", "best"), fringe.NotFound, "no alias best")
	_, err = s.Unpublish(ctx, "say@1.0.0")
	must(err)

	s.store.Close()
	s2 := open(t, s.dir)
	if got, err := s2.Aliases(ctx, "say", "1.1.0"); err != nil || !slices.Equal(got, []string{"latest", "stable"}) {
		t.Errorf("Aliases(reopened) = %v, %v", got, err)
	}
}

func TestUnpublish(t *testing.T) {
	s := newSite(t)
	ctx := t.Context()
	a := publish(t, s, function(t, "say", "1.0.0"))
	b := publish(t, s, function(t, "say", "2.0.0"))
	// The same content under another name shares its place.
	c, err := s.Publish(ctx, catalogue.PublishRequest{Dir: function(t, "say", "2.0.0"), Name: "speak"})
	if err != nil || c.Dir != b.Dir || !c.Created {
		t.Fatalf("Publish(same content, other name) = %+v, %v", c, err)
	}
	if gone, err := s.Unpublish(ctx, "say@2.0.0"); err != nil || gone != "" {
		t.Fatalf("Unpublish(say@2.0.0) = %q, %v; its content is another's too", gone, err)
	}
	if v, err := s.Resolve(ctx, "say"); err != nil || v.Version != "1.0.0" {
		t.Errorf("Resolve(say) = %v, %v, want 1.0.0", v, err)
	}
	if v, err := s.Resolve(ctx, "speak"); err != nil || v.Dir != b.Dir {
		t.Errorf("Resolve(speak) = %v, %v", v, err)
	}
	if _, err := os.Stat(b.Dir); err != nil {
		t.Errorf("the content that speak has is gone: %v", err)
	}
	for ref, digest := range map[string]fringe.Digest{"speak@2.0.0": b.Digest, "say@1.0.0": a.Digest} {
		if gone, err := s.Unpublish(ctx, ref); err != nil || gone != digest {
			t.Fatalf("Unpublish(%s) = %q, %v, want %q", ref, gone, err, digest)
		}
	}
	for _, dir := range []string{a.Dir, b.Dir} {
		if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("the content %s is still there: %v", dir, err)
		}
	}
	_, err = s.Resolve(ctx, "say")
	wantError(t, err, fringe.NotFound)
	if p := publish(t, s, function(t, "say", "1.0.0")); !p.Created {
		t.Error("publishing again after unpublishing did not create")
	}
}

func TestEnvironments(t *testing.T) {
	s := newSite(t)
	ctx := t.Context()
	publish(t, s, function(t, "say", "1.0.0"))
	newer := environment("wsclean")
	newer.Digest = fringe.Digest("sha256:" + strings.Repeat("2", 64))
	for range 2 { // the second changes nothing
		if err := s.PutEnvironment(ctx, newer); err != nil {
			t.Fatal(err)
		}
	}
	if e, err := s.Environment(ctx, "wsclean"); err != nil || e.Digest != newer.Digest {
		t.Errorf("Environment() = %v, %v", e, err)
	}
	history, err := s.EnvironmentHistory(ctx, "wsclean")
	if err != nil || len(history) != 2 || history[0].Digest != newer.Digest || !history[0].Since.After(history[1].Since) {
		t.Errorf("EnvironmentHistory() = %v, %v", history, err)
	}
	if all, err := s.Environments(ctx); err != nil || len(all) != 2 || all[0].Name != "python" {
		t.Errorf("Environments() = %v, %v", all, err)
	}
	if e, err := s.Environment(ctx, ""); err != nil || e.Contract != fringe.Exec || e.Root != "" || e.Digest == "" {
		t.Errorf("Environment of this machine = %+v, %v", e, err)
	}
	_, err = s.Environment(ctx, "casa")
	wantError(t, err, fringe.NotFound, "python, wsclean", "fringe env build")
	wantError(t, s.RemoveEnvironment(ctx, "wsclean"), fringe.Conflict, "say@1.0.0")
	if err := s.RemoveEnvironment(ctx, "python"); err != nil {
		t.Fatal(err)
	}
	wantError(t, s.RemoveEnvironment(ctx, "python"), fringe.NotFound)
	wantError(t, s.PutEnvironment(ctx, fringe.Environment{Name: "Bad Name"}), fringe.Invalid)
}

func TestPublishArchive(t *testing.T) {
	s := newSite(t)
	pack := func(entries ...string) *bytes.Buffer {
		var buf bytes.Buffer
		tw := tar.NewWriter(&buf)
		for i := 0; i < len(entries); i += 2 {
			if err := tw.WriteHeader(&tar.Header{Name: entries[i], Size: int64(len(entries[i+1])), Mode: 0o644, Typeflag: tar.TypeReg}); err != nil {
				t.Fatal(err)
			}
			if _, err := tw.Write([]byte(entries[i+1])); err != nil {
				t.Fatal(err)
			}
		}
		tw.Close()
		return &buf
	}
	doc := strings.ReplaceAll(tool, "%V", "1.0.0")
	p, err := s.PublishArchive(t.Context(), pack("packed/function.cwl", doc, "packed/bin/x", "#!/bin/sh\n"), "ada")
	if err != nil || p.Ref() != "packed@1.0.0" || p.By != "ada" {
		t.Fatalf("PublishArchive(directory) = %v, %v", p.Version, err)
	}
	_, err = s.PublishArchive(t.Context(), pack("packed/function.cwl", "id: other\n"+doc, "packed/bin/x", "#!/bin/sh\n"), "ada")
	wantError(t, err, fringe.Conflict, "packed@1.0.0", "changed function.cwl", "raise the version")
	p, err = s.PublishArchive(t.Context(), pack("single.cwl", doc), "ada")
	if err != nil || p.Ref() != "single@1.0.0" {
		t.Fatalf("PublishArchive(file) = %v, %v", p.Version, err)
	}
	if _, err := os.Stat(filepath.Join(p.Dir, "function.cwl")); err != nil {
		t.Errorf("a bare document is not stored as function.cwl: %v", err)
	}
	_, err = s.PublishArchive(t.Context(), pack("broken.cwl", "class: ["), "ada")
	wantError(t, err, fringe.Invalid, "broken.cwl:1")
	_, err = s.PublishArchive(t.Context(), pack("a/function.cwl", doc, "../../evil", "x"), "ada")
	wantError(t, err, fringe.Invalid, "../../evil")
	_, err = s.PublishArchive(t.Context(), pack("a.cwl", doc, "b.cwl", doc), "ada")
	wantError(t, err, fringe.Invalid, "2 entries")
	_, err = s.PublishArchive(t.Context(), strings.NewReader("rubbish"), "ada")
	wantError(t, err, fringe.Invalid, "tar")
}

// endless is an archive that never ends, and a reader that fails at a limit of
// its own.
type endless struct{ until int64 }

func (e *endless) Read(p []byte) (int, error) {
	if e.until <= 0 {
		return 0, errors.New("the request is too large")
	}
	n := min(int64(len(p)), e.until)
	e.until -= n
	for i := range n {
		p[i] = byte(i*7 + e.until)
	}
	return int(n), nil
}

type hostile struct {
	name    string
	headers []tar.Header
	kind    fringe.Kind
	says    string
}

// hostileArchives gives archives around a function whose document has size
// bytes.
func hostileArchives(size int64) []hostile {
	fn := tar.Header{Name: "fn/function.cwl", Size: size}
	many := []tar.Header{fn}
	for i := range 2001 {
		many = append(many, tar.Header{Name: fmt.Sprintf("fn/%d", i)})
	}
	return []hostile{
		{"Parent", []tar.Header{fn, {Name: "fn/../../evil"}}, fringe.Invalid, "leads out"},
		{"Absolute", []tar.Header{fn, {Name: "/tmp/evil"}}, fringe.Invalid, "absolute"},
		{"LinkOut", []tar.Header{fn, {Name: "fn/l", Typeflag: tar.TypeSymlink, Linkname: "../../../fringe.db"}}, fringe.Invalid, "leads out"},
		{"LinkAbsolute", []tar.Header{fn, {Name: "fn/l", Typeflag: tar.TypeSymlink, Linkname: "/etc/passwd"}}, fringe.Invalid, "absolute"},
		{"LinkOutOfFunction", []tar.Header{fn, {Name: "fn/l", Typeflag: tar.TypeSymlink, Linkname: "../fn"}}, fringe.Invalid, "leads out"},
		{"DocumentIsLink", []tar.Header{{Name: "fn/function.cwl", Typeflag: tar.TypeSymlink, Linkname: "/etc/passwd"}}, fringe.Invalid, "absolute"},
		{"TopIsLink", []tar.Header{{Name: "fn.cwl", Typeflag: tar.TypeSymlink, Linkname: "."}}, fringe.NotFound, "not a file"},
		{"WriteThroughLink", []tar.Header{fn, {Name: "fn/d", Typeflag: tar.TypeSymlink, Linkname: "."}, {Name: "fn/d/x"}}, fringe.Invalid, "twice"},
		{"HardLinkOut", []tar.Header{fn, {Name: "fn/l", Typeflag: tar.TypeLink, Linkname: "../../fringe.db"}}, fringe.Invalid, "leads out"},
		{"Device", []tar.Header{fn, {Name: "fn/null", Typeflag: tar.TypeChar, Devmajor: 1, Devminor: 3}}, fringe.Invalid, "neither"},
		{"Fifo", []tar.Header{fn, {Name: "fn/fifo", Typeflag: tar.TypeFifo}}, fringe.Invalid, "neither"},
		{"ManyFiles", many, fringe.TooLarge, "more than 2000 files"},
		{"Twice", []tar.Header{fn, fn}, fringe.Invalid, "twice"},
		{"Claims", []tar.Header{fn, {Name: "fn/zeros", Size: 1 << 40}}, fringe.TooLarge, "unpacks to more"},
		{"Nothing", nil, fringe.Invalid, "empty"},
		{"NoFunction", []tar.Header{{Name: "fn/readme"}}, fringe.Invalid, "no function.cwl and no function.py"},
		{"NotAFunction", []tar.Header{{Name: "readme.txt"}}, fringe.Invalid, "readme.txt: it is not a function"},
		{"SeveralTops", []tar.Header{{Name: "a/x"}, {Name: "b/x"}}, fringe.Invalid, "2 entries at its top"},
		{"Name", []tar.Header{{Name: "Fn;rm/function.cwl", Size: fn.Size}}, fringe.Invalid, `"Fn;rm" is not a name`},
	}
}

// TestPublishArchiveHostile has archives that are made to do harm. Each is
// refused with a sentence, and leaves nothing behind, inside or outside.
func TestPublishArchiveHostile(t *testing.T) {
	s := newSite(t)
	doc := strings.ReplaceAll(tool, "%V", "1.0.0")
	fn := tar.Header{Name: "fn/function.cwl", Size: int64(len(doc))}
	for _, c := range hostileArchives(fn.Size) {
		t.Run(c.name, func(t *testing.T) {
			var buf bytes.Buffer
			zw := gzip.NewWriter(&buf)
			tw := tar.NewWriter(zw)
			for _, h := range c.headers {
				h.Mode = 0o644
				if h.Typeflag == 0 {
					h.Typeflag = tar.TypeReg
				}
				if err := tw.WriteHeader(&h); err != nil {
					t.Fatal(err)
				}
				if h.Size == int64(len(doc)) {
					io.WriteString(tw, doc)
				}
			}
			tw.Close() // an archive that claims more than it has cannot be ended
			zw.Close()
			_, err := s.PublishArchive(t.Context(), &buf, "eve")
			wantError(t, err, c.kind, c.says)
			var fe *fringe.Error
			if errors.As(err, &fe) && fe.Component != fringe.Catalogue {
				t.Errorf("the component is %q, want the catalogue", fe.Component)
			}
			nothingLeft(t, s)
		})
	}
}

// TestPublishArchiveStream has archives that are wrong as streams.
func TestPublishArchiveStream(t *testing.T) {
	s := newSite(t)
	doc := strings.ReplaceAll(tool, "%V", "1.0.0")
	fn := tar.Header{Name: "fn/function.cwl", Size: int64(len(doc)), Mode: 0o644, Typeflag: tar.TypeReg}
	t.Run("GzipBomb", func(t *testing.T) {
		var buf bytes.Buffer
		zw := gzip.NewWriter(&buf)
		tw := tar.NewWriter(zw)
		comment := strings.Repeat("x", 512<<10)
		for range 400 { // 200 MB of headers that are no entries
			if err := tw.WriteHeader(&tar.Header{Typeflag: tar.TypeXGlobalHeader, PAXRecords: map[string]string{"comment": comment}}); err != nil {
				t.Fatal(err)
			}
		}
		tw.Close()
		zw.Close()
		_, err := s.PublishArchive(t.Context(), &buf, "eve")
		wantError(t, err, fringe.TooLarge, "unpacks to more bytes")
		nothingLeft(t, s)
	})
	t.Run("CutOff", func(t *testing.T) {
		var buf bytes.Buffer
		tw := tar.NewWriter(&buf)
		tw.WriteHeader(&fn)
		io.WriteString(tw, doc)
		_, err := s.PublishArchive(t.Context(), bytes.NewReader(buf.Bytes()[:600]), "eve")
		wantError(t, err, fringe.Invalid, "damaged or cut off")
		nothingLeft(t, s)
	})
	t.Run("OverTheLimit", func(t *testing.T) {
		var buf bytes.Buffer
		tw := tar.NewWriter(&buf)
		tw.WriteHeader(&tar.Header{Name: "fn/data", Size: 64 << 20, Mode: 0o644, Typeflag: tar.TypeReg})
		_, err := s.PublishArchive(t.Context(), io.MultiReader(&buf, &endless{64<<20 - 512}), "eve")
		wantError(t, err, fringe.TooLarge, "more than 64 MiB")
		nothingLeft(t, s)
	})
	t.Run("Cancelled", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		var buf bytes.Buffer
		tw := tar.NewWriter(&buf)
		tw.WriteHeader(&fn)
		io.WriteString(tw, doc)
		tw.Close()
		if _, err := s.PublishArchive(ctx, &buf, "ada"); !errors.Is(err, context.Canceled) {
			t.Errorf("PublishArchive(cancelled) = %v", err)
		}
		nothingLeft(t, s)
	})
}

// nothingLeft checks that the directory has no content but tmp, which is empty.
func nothingLeft(t *testing.T, s *site) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join(s.dir, "functions"))
	if err != nil || len(entries) != 1 {
		t.Errorf("left behind: %v, %v", entries, err)
	}
	if entries, _ := os.ReadDir(filepath.Join(s.dir, "functions", "tmp")); len(entries) != 0 {
		t.Errorf("left behind in tmp: %v", entries)
	}
}

// TestContentPutBack has content that is damaged, or that an interrupted
// publishing or removing left half.
func TestContentPutBack(t *testing.T) {
	s := newSite(t)
	dir := function(t, "say", "1.0.0")
	p := publish(t, s, dir)
	helper := filepath.Join(p.Dir, "bin", "helper")
	for name, damage := range map[string]func() error{
		"Changed": func() error { return errors.Join(os.Chmod(helper, 0o755), os.WriteFile(helper, []byte("evil"), 0o755)) },
		"Mode":    func() error { return os.Chmod(helper, 0o444) },
		"Removed": func() error { return os.Remove(helper) },
		"Added":   func() error { return os.WriteFile(filepath.Join(p.Dir, "more"), nil, 0o644) },
		"Gone":    func() error { return os.RemoveAll(p.Dir) },
	} {
		t.Run(name, func(t *testing.T) {
			if err := damage(); err != nil {
				t.Fatal(err)
			}
			again := publish(t, s, dir)
			got, err := os.ReadFile(helper)
			info, _ := os.Stat(helper)
			if again.Created || err != nil || string(got) != "#!/bin/sh\necho 1.0.0\n" || info.Mode().Perm() != 0o555 {
				t.Errorf("Publish(again) = created %v; helper = %q, %v, %v", again.Created, got, info, err)
			}
			if _, err := os.Stat(filepath.Join(p.Dir, "more")); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("the added file is still there: %v", err)
			}
		})
	}
	t.Run("ResolveSaysSo", func(t *testing.T) {
		s.store.Close()
		if err := os.RemoveAll(p.Dir); err != nil {
			t.Fatal(err)
		}
		s2 := open(t, s.dir)
		_, err := s2.Resolve(t.Context(), "say")
		wantError(t, err, fringe.Unavailable, "content of say@1.0.0 is damaged", "publish say@1.0.0 again")
		publish(t, s2, dir)
		if _, err := s2.Resolve(t.Context(), "say"); err != nil {
			t.Errorf("Resolve(put back) = %v", err)
		}
		if _, err := s2.Unpublish(t.Context(), "say@1.0.0"); err != nil {
			t.Fatal(err)
		}
		// Half a content without a version, as a crash while removing leaves it.
		write(t, filepath.Join(p.Dir, "bin", "rest"), "x", 0o644)
		again := publish(t, s2, dir)
		if entries, err := os.ReadDir(filepath.Join(again.Dir, "bin")); !again.Created || again.Dir != p.Dir || len(entries) != 1 {
			t.Errorf("Publish(over a rest) = %v, content %v, %v", again.Created, entries, err)
		}
	})
}

func TestPublishEnvironmentOfPython(t *testing.T) {
	s := newSite(t)
	var asked []fringe.EnvironmentName
	c, err := catalogue.New(catalogue.Config{Store: s.store, Dir: t.TempDir(),
		Derive: func(_ context.Context, env fringe.EnvironmentName, dir, file string) ([]byte, error) {
			asked = append(asked, env)
			return []byte(`{"cwlVersion": "v1.2", "class": "CommandLineTool", "baseCommand": "true", "inputs": [], "outputs": [], "$namespaces": {"fringe": "urn:fringe:ns#"},
				"hints": {"fringe:Function": {"version": "1.0.0", "environment": "` + string(env) + `", "contract": "python", "handler": "function:main"}}}`), nil
		}})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"wsclean", "python"} {
		if err := c.PutEnvironment(t.Context(), environment(name)); err != nil {
			t.Fatal(err)
		}
	}
	for i, test := range []struct{ src, want string }{
		{`FRINGE = {"version": "1.0.0", "environment": "wsclean"}`, "wsclean"},
		{`FRINGE: dict = {'environment' : 'wsclean'}`, "wsclean"},
		{"FRINGE = {  # \"environment\": \"no\"}\n  'author': 'O\\'Neil } \"environment\": \"no\"',\n  'environment':\n    \"\"\"wsclean\"\"\"}", "wsclean"},
		{`FRINGE = {"example": {"environment": "no"}, "keywords": ["environment", "no"], "environment": "wsclean"}`, "wsclean"},
		{"FRINGE = {'version': '1.0.0'}\nOTHER = {'environment': 'no'}", "python"},
		{`FRINGE = {"version": "environment", "author": "no"}`, "python"},
		{"# FRINGE = {'environment': 'no'}\nx = 1", "python"},
		{`FRINGE = {"version": "1`, "python"},
		{`FRINGE = {"environment": "\`, "python"},
		{`FRINGE = {"environment": ""}`, "python"},
		{``, "python"},
	} {
		file := filepath.Join(t.TempDir(), fmt.Sprintf("f%d.py", i))
		write(t, file, test.src, 0o644)
		asked = nil
		_, err := c.Publish(t.Context(), catalogue.PublishRequest{File: file})
		if err != nil || len(asked) != 1 || string(asked[0]) != test.want {
			t.Errorf("Publish(%s) asked for %v, %v, want %s", test.src, asked, err, test.want)
		}
	}
}

// ada may read what the server's user reads; a publisher may not.
var ada = fringe.Principal{Name: "ada", Role: fringe.Operator}

func TestPublishGitOneDirectory(t *testing.T) {
	s := newSite(t)
	repo := filepath.Join(t.TempDir(), "My_Functions")
	write(t, filepath.Join(repo, "README"), "x", 0o644)
	if err := os.MkdirAll(filepath.Join(repo, "functions"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(function(t, "only", "1.0.0"), filepath.Join(repo, "functions", "only")); err != nil {
		t.Fatal(err)
	}
	commit := gitIn(t, repo)
	commit()
	if p, err := s.PublishGit(t.Context(), "file://"+repo, ada); err != nil || p.Ref() != "only@1.0.0" {
		t.Errorf("PublishGit(one directory) = %v, %v", p.Version, err)
	}
	// A repository whose name is none of a function takes the document's id.
	doc := strings.ReplaceAll(tool, "%V", "2.0.0")
	write(t, filepath.Join(repo, "function.cwl"), doc, 0o644)
	commit()
	_, err := s.PublishGit(t.Context(), "file://"+repo, ada)
	wantError(t, err, fringe.Invalid, `"My_Functions" is not a name`)
	write(t, filepath.Join(repo, "function.cwl"), "id: mine\n"+doc, 0o644)
	commit()
	if p, err := s.PublishGit(t.Context(), "file://"+repo, ada); err != nil || p.Ref() != "mine@2.0.0" {
		t.Errorf("PublishGit(id) = %v, %v", p.Version, err)
	}
	empty := filepath.Join(t.TempDir(), "empty")
	write(t, filepath.Join(empty, "README"), "x", 0o644)
	gitIn(t, empty)()
	_, err = s.PublishGit(t.Context(), "file://"+empty, ada)
	wantError(t, err, fringe.NotFound, "no function.cwl and no function.py")
}

// A module that functions of a repository share is published as what it holds;
// a link out of the repository is refused.
func TestPublishGitSharedFile(t *testing.T) {
	s := newSite(t)
	repo := filepath.Join(t.TempDir(), "repo")
	write(t, filepath.Join(repo, "shared", "sky.py"), "shared", 0o644)
	if err := os.Rename(function(t, "one", "1.0.0"), filepath.Join(repo, "one")); err != nil {
		t.Fatal(err)
	}
	link := func(target string) {
		t.Helper()
		at := filepath.Join(repo, "one", "sky.py")
		os.Remove(at)
		if err := os.Symlink(target, at); err != nil {
			t.Fatal(err)
		}
	}
	link("../shared/sky.py")
	commit := gitIn(t, repo)
	commit()
	p, err := s.PublishGit(t.Context(), "file://"+repo, ada)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Lstat(filepath.Join(p.Dir, "sky.py"))
	if text, _ := os.ReadFile(filepath.Join(p.Dir, "sky.py")); err != nil || !info.Mode().IsRegular() || string(text) != "shared" {
		t.Errorf("sky.py is published as %v %q, %v", info, text, err)
	}
	for _, out := range []string{"../../secret", "/etc/passwd", "../shared", "../shared/none"} {
		link(out)
		commit()
		_, err = s.PublishGit(t.Context(), "file://"+repo, ada)
		wantError(t, err, fringe.Invalid, "link")
	}
}

// gitIn makes a repository and gives what commits all that is in it.
func gitIn(t *testing.T, repo string) (commit func()) {
	t.Helper()
	git := func(args ...string) {
		t.Helper()
		cmd := exec.Command("git", append([]string{"-c", "user.name=T", "-c", "user.email=t@example.org", "-C", repo}, args...)...)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("git %v: %v: %s", args, err, out)
		}
	}
	git("init", "-q")
	return func() {
		t.Helper()
		git("add", ".")
		git("commit", "-q", "-m", "A function")
	}
}

func TestPublishGit(t *testing.T) {
	s := newSite(t)
	repo := function(t, "from-git", "1.0.0")
	if err := os.Rename(function(t, "second", "3.0.0"), filepath.Join(repo, "second")); err != nil {
		t.Fatal(err)
	}
	gitIn(t, repo)()
	p, err := s.PublishGit(t.Context(), "file://"+repo, ada)
	if err != nil || p.Ref() != "from-git@1.0.0" {
		t.Fatalf("PublishGit() = %v, %v", p.Version, err)
	}
	if _, err := os.Stat(filepath.Join(p.Dir, ".git")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the content has .git: %v", err)
	}
	if p, err := s.PublishGit(t.Context(), "file://"+repo+"#second", ada); err != nil || p.Ref() != "second@3.0.0" {
		t.Errorf("PublishGit(#second) = %v, %v", p.Version, err)
	}
	_, err = s.PublishGit(t.Context(), "file://"+repo+"#third", ada)
	wantError(t, err, fringe.NotFound, "directory third", "second")
	_, err = s.PublishGit(t.Context(), "file://"+repo+"#../..", ada)
	wantError(t, err, fringe.Invalid)
	_, err = s.PublishGit(t.Context(), "file:///nonexistent/repo", ada)
	wantError(t, err, fringe.Unavailable, "could not clone")
	for _, bad := range []string{"ext::sh -c id", "--upload-pack=id", "/tmp/x", "ftp://x/y", "https://-oProxyCommand=x/y", ""} {
		_, err := s.PublishGit(t.Context(), bad, ada)
		wantError(t, err, fringe.Invalid)
	}
	for _, private := range []string{"file://" + repo, "ssh://git@localhost/x.git", "git@localhost:x.git"} {
		_, err := s.PublishGit(t.Context(), private, fringe.Principal{Name: "bob", Role: fringe.Publisher})
		wantError(t, err, fringe.Denied, "operators", "https:")
	}
}

func TestPublishAtOnce(t *testing.T) {
	s := newSite(t)
	var wg sync.WaitGroup
	created := make([]bool, 16)
	errs := make([]error, 16)
	for i := range created {
		dir := function(t, "say", fmt.Sprintf("1.0.%d", i/4)) // four of each version, with equal content
		wg.Go(func() {
			p, err := s.Publish(context.Background(), catalogue.PublishRequest{Dir: dir})
			created[i], errs[i] = p.Created, err
		})
	}
	wg.Wait()
	n := 0
	for i := range created {
		if errs[i] != nil {
			t.Errorf("Publish(%d) = %v", i, errs[i])
		}
		if created[i] {
			n++
		}
	}
	if n != 4 {
		t.Errorf("%d versions were created, want 4", n)
	}
}

// TestReadWhileChanged resolves and searches while versions come and go. What
// is read is one of the versions, whole.
func TestReadWhileChanged(t *testing.T) {
	s := newSite(t)
	publish(t, s, function(t, "say", "1.0.0"))
	dir := function(t, "say", "2.0.0")
	var wg sync.WaitGroup
	done := make(chan struct{})
	for range 4 {
		wg.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				v, err := s.Resolve(context.Background(), "say")
				// Between finding it and reading it, 2.0.0 may go.
				if kind := fringe.KindOf(err); err != nil && kind != fringe.NotFound && kind != fringe.Unavailable || err == nil && v.Tool == nil {
					t.Errorf("Resolve() = %v, %v", v, err)
				}
				if v, err := s.Resolve(context.Background(), "say@1.0.0"); err != nil || v.Version != "1.0.0" {
					t.Errorf("Resolve(1.0.0) = %v, %v", v, err)
				}
				if _, _, err := s.Search(context.Background(), query("say", 0, "")); err != nil {
					t.Errorf("Search() = %v", err)
				}
			}
		})
	}
	for range 20 {
		if p := publish(t, s, dir); !p.Created {
			t.Error("Publish(after Unpublish) did not create")
		}
		if _, err := s.Unpublish(t.Context(), "say@2.0.0"); err != nil {
			t.Error(err)
		}
	}
	close(done)
	wg.Wait()
}

func query(text string, limit int, cursor string) catalogue.Query {
	return catalogue.Query{Text: text, Limit: limit, Cursor: cursor}
}
