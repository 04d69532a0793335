package catalogue_test

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
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
	cases := []struct {
		name  string
		files map[string]string
		says  []string
	}{
		{"say", map[string]string{"readme": "x"}, []string{"no function.cwl and no function.py"}},
		{"say", map[string]string{"function.cwl": "x", "function.py": "y"}, []string{"both"}},
		{"Say_it", map[string]string{"function.cwl": with("", "")}, []string{`"Say_it" is not a name`, "lower-case"}},
		{"say", map[string]string{"function.cwl": with("%V", "one")}, []string{`"one" is not a semantic version`, "function.cwl"}},
		{"say", map[string]string{"function.cwl": with("environment: wsclean", "environment: wsclaen")}, []string{`"wsclaen" is not built`, "python, wsclean", "fringe env build"}},
		{"say", map[string]string{"function.cwl": with("baseCommand: echo", "baseComand: echo")}, []string{"function.cwl:", "baseComand"}},
		{"say", map[string]string{"function.cwl": with("{type: string, inputBinding: {}}", "{type: strong}")}, []string{"function.cwl:21", "strong"}},
		{"say", map[string]string{"function.cwl": with("baseCommand: echo", "requirements: {MPIRequirement: {}}\nbaseCommand: echo")}, []string{"MPIRequirement"}},
		{"say", map[string]string{"function.cwl": with("    environment: wsclean", "    contract: http\n    shape: service")}, []string{"contract http needs the program"}},
		{"say", map[string]string{"function.cwl": with("    environment: wsclean", "    shape: service")}, []string{"a command line cannot be a service"}},
		{"say", map[string]string{"function.cwl": with("    environment: wsclean", "    contract: python\n    handler: ../x:main")}, []string{"handler"}},
		{"say", map[string]string{"function.cwl": with("label: Say a word", "label: {$include: /etc/hostname}")}, []string{"/etc/hostname"}},
		{"say", map[string]string{"function.cwl": with("label: Say a word", "label: {$include: ../../../../../../etc/hostname}")}, []string{"etc/hostname"}},
		{"say", map[string]string{"function.cwl": "class: ["}, []string{"function.cwl:1"}},
		{"hi", map[string]string{"function.py": "FRINGE = {'version': '1.0.0', 'environment': 'astro'}\ndef main(): pass\n"}, []string{"function.py:1", `"astro" is not built`}},
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
	wantError(t, s.Unpublish(ctx, "say@1.0.0"), fringe.Conflict, "alias best")
	must(s.RemoveAlias(ctx, "say", "best"))
	wantError(t, s.RemoveAlias(ctx, "say", "best"), fringe.NotFound, "no alias best")
	must(s.Unpublish(ctx, "say@1.0.0"))

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
	if err := s.Unpublish(ctx, "say@2.0.0"); err != nil {
		t.Fatal(err)
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
	for _, ref := range []string{"speak@2.0.0", "say@1.0.0"} {
		if err := s.Unpublish(ctx, ref); err != nil {
			t.Fatal(err)
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
	p, err = s.PublishArchive(t.Context(), pack("single.cwl", doc), "ada")
	if err != nil || p.Ref() != "single@1.0.0" {
		t.Fatalf("PublishArchive(file) = %v, %v", p.Version, err)
	}
	_, err = s.PublishArchive(t.Context(), pack("a/function.cwl", doc, "../../evil", "x"), "ada")
	wantError(t, err, fringe.Invalid, "../../evil")
	_, err = s.PublishArchive(t.Context(), pack("a.cwl", doc, "b.cwl", doc), "ada")
	wantError(t, err, fringe.Invalid, "2 entries")
	_, err = s.PublishArchive(t.Context(), strings.NewReader("rubbish"), "ada")
	wantError(t, err, fringe.Invalid, "tar")
}

func TestPublishGit(t *testing.T) {
	s := newSite(t)
	repo := function(t, "from-git", "1.0.0")
	if err := os.Rename(function(t, "second", "3.0.0"), filepath.Join(repo, "second")); err != nil {
		t.Fatal(err)
	}
	git := func(args ...string) {
		t.Helper()
		cmd := exec.Command("git", append([]string{"-c", "user.name=T", "-c", "user.email=t@example.org", "-C", repo}, args...)...)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("git %v: %v: %s", args, err, out)
		}
	}
	git("init", "-q")
	git("add", ".")
	git("commit", "-q", "-m", "A function")
	p, err := s.PublishGit(t.Context(), "file://"+repo, "ada")
	if err != nil || p.Ref() != "from-git@1.0.0" {
		t.Fatalf("PublishGit() = %v, %v", p.Version, err)
	}
	if _, err := os.Stat(filepath.Join(p.Dir, ".git")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the content has .git: %v", err)
	}
	if p, err := s.PublishGit(t.Context(), "file://"+repo+"#second", "ada"); err != nil || p.Ref() != "second@3.0.0" {
		t.Errorf("PublishGit(#second) = %v, %v", p.Version, err)
	}
	_, err = s.PublishGit(t.Context(), "file://"+repo+"#third", "ada")
	wantError(t, err, fringe.NotFound, "no directory third", "second")
	_, err = s.PublishGit(t.Context(), "file://"+repo+"#../..", "ada")
	wantError(t, err, fringe.Invalid)
	_, err = s.PublishGit(t.Context(), "file:///nonexistent/repo", "ada")
	wantError(t, err, fringe.Unavailable, "could not clone")
	for _, bad := range []string{"http://example.org/x", "ext::sh -c id", "--upload-pack=id", "/tmp/x", "ftp://x/y", "https://-oProxyCommand=x/y", ""} {
		_, err := s.PublishGit(t.Context(), bad, "ada")
		wantError(t, err, fringe.Invalid)
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

func query(text string, limit int, cursor string) catalogue.Query {
	return catalogue.Query{Text: text, Limit: limit, Cursor: cursor}
}
