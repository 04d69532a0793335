package site_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"fringe"
	"fringe/client"
	"fringe/server/servertest"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv("FRINGE_SITE_TEST"); dir != "" {
		serve(dir)
	}
	servertest.Main(m)
}

type object = map[string]any

// wantError checks an error's kind, component and what it says.
func wantError(t *testing.T, err error, kind fringe.Kind, component fringe.Component, says string) {
	t.Helper()
	var e *fringe.Error
	if !errors.As(err, &e) || e.Kind != kind || e.Component != component || !regexp.MustCompile(says).MatchString(e.Message) {
		t.Errorf("got %#v, want %s in %s that says %q", err, kind, component, says)
	}
}

const files = `"""Copies, in ways that are allowed and not."""
import os
from typing import Annotated, NamedTuple

from fringe import File, In, Out

FRINGE = {"version": "1.0.0", "environment": "plain", "shape": "service", "warm": {"max": 1}}


class Outputs(NamedTuple):
    copy: Annotated[File, Out(doc="The copy")]
    seen: str = ""


def main(do: str, text: File) -> Outputs:
    with open(text) as f:
        words = f.read()
    if do == "change":
        open(text, "w").write("changed")
    if do == "sibling":
        calls = os.path.dirname(os.getcwd())
        return Outputs(write("copy.txt", ""), " ".join(sorted(os.listdir(calls))))
    if do == "litter":
        write(os.path.dirname(text.path) + "/litter.txt", "litter")
        os.mkdir("../" + os.path.basename(os.getcwd()) + "/in/1")
    if do == "beside":
        return Outputs(write("copy.txt", words), " ".join(sorted(os.listdir("in")) + os.listdir(os.path.dirname(text.path))))
    if do == "outside":
        return Outputs(File("/etc/passwd"))
    if do == "link":
        os.symlink("/etc/passwd", "copy.txt")
        return Outputs(File("copy.txt"))
    return Outputs(write("copy.txt", words))


def write(name, words):
    with open(name, "w") as f:
        f.write(words)
    return File(name)
`

// A service's files are its call's alone: the input cannot be changed, an
// output cannot lead elsewhere, and nothing of a call is left for the next.
func TestFilesOfServices(t *testing.T) {
	dir := t.TempDir()
	s := servertest.Start(t, servertest.Config(dir))
	s.Python()
	s.Service("files", files)
	path := filepath.Join(t.TempDir(), "words.txt")
	if err := os.WriteFile(path, []byte("the words"), 0o644); err != nil {
		t.Fatal(err)
	}
	s.Add("user:words", path)
	in := func(do string) object {
		return object{"do": do, "text": object{"class": "File", "location": "user:words"}}
	}
	did := s.Call("files", in("copy"))["copy"].(object)["location"].(string)
	d, err := client.Get[client.Dataset](t.Context(), s.Client, "/api/v1/datasets/"+client.EscapePath(did), nil)
	if err != nil || d.Size != int64(len("the words")) || !d.Owned || d.Call == "" {
		t.Errorf("the output is the dataset %+v, %v", d, err)
	}
	_, err = s.Try("files", in("change"))
	wantError(t, err, fringe.Failed, fringe.UserCode, "(?i)read-only|permission")
	_, err = s.Try("files", in("outside"))
	wantError(t, err, fringe.Failed, fringe.UserCode, "/etc/passwd")
	_, err = s.Try("files", in("link"))
	wantError(t, err, fringe.Failed, fringe.Collect, "copy.txt")
	if seen := strings.Fields(s.Call("files", in("sibling"))["seen"].(string)); len(seen) != 1 {
		t.Errorf("a call sees the directories %v beside its own", seen)
	}
	other := filepath.Join(t.TempDir(), "other.txt")
	if err := os.WriteFile(other, []byte("other words"), 0o644); err != nil {
		t.Fatal(err)
	}
	s.Add("user:other", other)
	for _, c := range []struct{ do, location, sees string }{
		{"beside", "user:words", "0 words.txt"}, {"beside", "user:other", "0 other.txt"},
		{"litter", "user:words", ""}, {"beside", "user:words", "0 words.txt"}, {"beside", "user:words", "0 words.txt"},
	} {
		got := s.Call("files", object{"do": c.do, "text": object{"class": "File", "location": c.location}})
		if got["seen"] != c.sees {
			t.Errorf("a call with %s sees %q among its inputs, want %q", c.location, got["seen"], c.sees)
		}
	}
	if left := leftOfCalls(t, dir); len(left) > 0 {
		t.Errorf("%v are left of the calls", left)
	}
	if b, err := os.ReadFile(path); err != nil || string(b) != "the words" {
		t.Errorf("the input has become %q, %v", b, err)
	}
}

const clings = `"""Keeps its output open."""
from fringe import File

FRINGE = {"version": "1.0.0", "environment": "plain", "shape": "service", "warm": {"max": 1}}
kept = []


def main(words: str) -> File:
    for f in kept:
        f.write(words)
        f.flush()
    kept.append(open("out.txt", "w"))
    kept[-1].write(words)
    kept[-1].flush()
    return File("out.txt")
`

// A product stays as it was published, though the instance that made it lives on
// and still has the file open.
func TestProductsOfServicesDoNotChange(t *testing.T) {
	s := servertest.Start(t, servertest.Config(t.TempDir()))
	s.Python()
	s.Service("clings", clings)
	first := s.Call("clings", object{"words": "first"})["result"]
	second := s.Call("clings", object{"words": "second"})["result"]
	if a, b := s.Content(first), s.Content(second); a != "first" || b != "second" {
		t.Errorf("the products are %q and %q, want what each call said", a, b)
	}
}

const leaving = `"""Waits."""
import os
import time

from fringe import Directory

FRINGE = {"version": "1.0.0", "environment": "plain", "shape": "service", "warm": {"min": 1, "max": 2}}


def main(gate: Directory, word: str) -> int:
    while not os.path.exists(os.path.join(gate, word)):
        time.sleep(0.01)
    return os.getpid()
`

// The instances of a version that is unpublished end: idle ones at once, a busy
// one after its call.
func TestUnpublishedInstancesEnd(t *testing.T) {
	dir := t.TempDir()
	s := servertest.Start(t, servertest.Config(dir))
	s.Python()
	s.Service("leaving", leaving)
	gate := t.TempDir()
	in := func(word string) object {
		return object{"gate": object{"class": "Directory", "location": "file://" + gate}, "word": word}
	}
	if err := os.WriteFile(filepath.Join(gate, "now"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	count := func(pattern string) int {
		t.Helper()
		found, err := filepath.Glob(filepath.Join(dir, "site", "scratch", "instances", pattern))
		if err != nil {
			t.Fatal(err)
		}
		return len(found)
	}
	unpublish := func() {
		t.Helper()
		if _, err := client.Send[any](t.Context(), s.Client, "DELETE", "/api/v1/functions/leaving@1.0.0", nil); err != nil {
			t.Fatal(err)
		}
	}
	s.Call("leaving", in("now"))
	if count("leaving-*") == 0 {
		t.Fatal("no instance is warm after a call")
	}
	unpublish()
	servertest.Eventually(t, "the idle instance has ended", func() bool { return count("leaving-*") == 0 })

	s.Service("leaving", leaving)
	ended := make(chan error, 1)
	go func() { _, err := s.Try("leaving", in("later")); ended <- err }()
	servertest.Eventually(t, "the call runs", func() bool { return count("leaving-*/calls/*") == 1 })
	unpublish()
	if err := os.WriteFile(filepath.Join(gate, "later"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err != nil {
		t.Errorf("the call that ran ended with %v", err)
	}
	servertest.Eventually(t, "the busy instance has ended", func() bool { return count("leaving-*") == 0 })
}

// leftOfCalls gives the directories of calls that instances still have.
func leftOfCalls(t *testing.T, dir string) []string {
	t.Helper()
	instances, err := filepath.Glob(filepath.Join(dir, "site", "scratch", "instances", "*", "calls"))
	if err != nil || len(instances) == 0 {
		t.Fatalf("no instance has a directory of calls: %v", err)
	}
	left, err := filepath.Glob(filepath.Join(dir, "site", "scratch", "instances", "*", "calls", "*"))
	if err != nil {
		t.Fatal(err)
	}
	return left
}

const busyWriter = `"""Writes files for a while."""
import os
import time
from typing import NamedTuple

from fringe import Directory, File

FRINGE = {"version": "1.0.0", "environment": "plain", "shape": "service", "warm": {"max": 1}}


class Outputs(NamedTuple):
    last: File | None


def main(gate: Directory, until: str) -> Outputs:
    n = 0
    while not os.path.exists(os.path.join(gate, until)):
        try:
            open(str(n), "w").close()
        except OSError:
            time.sleep(0.001)
        n += 1
    return Outputs(None)
`

// Of a call that was given up nothing is left either, though its handler goes
// on writing meanwhile.
func TestGivenUpCallLeavesNothing(t *testing.T) {
	dir, gate := t.TempDir(), t.TempDir()
	s := servertest.Start(t, servertest.Config(dir))
	s.Python()
	s.Service("writer", busyWriter)
	in := func(until string) object {
		return object{"gate": object{"class": "Directory", "location": "file://" + gate}, "until": until}
	}
	open := func(name string) {
		if err := os.WriteFile(filepath.Join(gate, name), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	open("begin")
	s.Call("writer", in("begin"))
	for n := range 5 {
		ctx, leave := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() {
			_, err := client.Send[object](ctx, s.Client, "POST", "/function/writer", in(fmt.Sprint(n)))
			ended <- err
		}()
		servertest.Eventually(t, "the handler writes", func() bool {
			wrote, err := filepath.Glob(filepath.Join(dir, "site", "scratch", "instances", "*", "calls", "*", "0"))
			return err == nil && len(wrote) > 0
		})
		leave()
		if err := <-ended; err == nil {
			t.Fatal("the call was not given up")
		}
		open(fmt.Sprint(n))
		s.Call("writer", in("begin"))
	}
	servertest.Eventually(t, "nothing of a call is left", func() bool { return len(leftOfCalls(t, dir)) == 0 })
}

const holding = `baseCommand: [sh, -c, 'echo began; while ! [ -e "$0/$1" ]; do sleep 0.05; done']
requirements: {ResourceRequirement: {coresMin: CORES, coresMax: CORES}}
inputs:
  gate: {type: Directory, inputBinding: {position: 1}}
  word: {type: string, inputBinding: {position: 2}}
outputs: []
`

// A full site runs what fits, lets as many wait as its queue holds, and tells
// the others when to come again; who aborts gives the place free.
func TestQueueIsBounded(t *testing.T) {
	cfg := servertest.Config(t.TempDir())
	cfg.CPU, cfg.Queue = 1, 1
	s := servertest.Start(t, cfg)
	s.Tool("hold", strings.ReplaceAll(holding, "CORES", "1"))
	s.Tool("huge", strings.ReplaceAll(holding, "CORES", "64"))
	dir := t.TempDir()
	in := func(word string) object {
		return object{"gate": object{"class": "Directory", "location": "file://" + dir}, "word": word}
	}
	ended := map[string]chan error{}
	begin := func(word, phase string) fringe.CallID {
		t.Helper()
		ch := make(chan error, 1)
		ended[word] = ch
		go func() {
			_, err := s.Try("hold", in(word))
			ch <- err
		}()
		servertest.Eventually(t, word+" is "+phase, func() bool { return len(s.Jobs(phase)) == 1 })
		return s.Jobs(phase)[0].ID
	}
	begin("first", "EXECUTING")
	second := begin("second", "QUEUED")
	_, err := s.Try("hold", in("third"))
	wantError(t, err, fringe.Busy, fringe.Engine, "full|wait")
	var e *fringe.Error
	if errors.As(err, &e); e.RetryAfter <= 0 {
		t.Error("a full site does not say when to come again")
	}
	_, err = s.Try("huge", in("x"))
	wantError(t, err, fringe.Invalid, "", "64 cores")
	if _, err := client.Send[any](t.Context(), s.Client, "POST", "/api/v1/jobs/"+string(second)+"/abort", nil); err != nil {
		t.Fatal(err)
	}
	if err := <-ended["second"]; err == nil || !strings.Contains(err.Error(), "aborted") {
		t.Errorf("the aborted call ended with %v", err)
	}
	begin("fourth", "QUEUED")
	for _, word := range []string{"first", "fourth"} {
		if err := os.WriteFile(filepath.Join(dir, word), nil, 0o644); err != nil {
			t.Fatal(err)
		}
		if err := <-ended[word]; err != nil {
			t.Errorf("the call %s ended with %v", word, err)
		}
	}
}

const slow = `"""Sleeps."""
import time

FRINGE = {"version": "1.0.0", "environment": "plain", "shape": "service", "timeout": 1, "warm": {"max": 1}}


def main(seconds: float) -> str:
    time.sleep(seconds)
    return "rested"
`

// A service's call that meets its time limit fails as such, and the next call
// finds a fresh instance.
func TestTimeLimitOfServices(t *testing.T) {
	s := servertest.Start(t, servertest.Config(t.TempDir()))
	s.Python()
	s.Service("slow", slow)
	_, err := s.Try("slow", object{"seconds": 3600})
	wantError(t, err, fringe.Failed, fringe.Timeout, "time limit of 1s")
	if out := s.Call("slow", object{"seconds": 0}); out["result"] != "rested" {
		t.Errorf("the call after one over its time = %v", out)
	}
}

// An environment of packages of the machine that have changed since its build
// is not used: its functions say so, and building it again mends them.
func TestChangedPackagesOfTheMachine(t *testing.T) {
	s := servertest.Start(t, servertest.Config(t.TempDir()))
	build := func() {
		t.Helper()
		res, err := s.Do(t.Context(), client.Request{Method: "POST", Path: "/api/v1/environments",
			Body: strings.NewReader("name: tools\ncontract: exec\npackages: {apt: [git]}\n")})
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		var b bytes.Buffer
		if _, err := b.ReadFrom(res.Body); err != nil || !strings.Contains(b.String(), `"environment":`) {
			t.Fatalf("the build says %s, %v", b.String(), err)
		}
	}
	build()
	s.Publish(map[string]string{"git-version.cwl": "cwlVersion: v1.2\nclass: CommandLineTool\nid: git-version\n$namespaces: {fringe: \"urn:fringe:ns#\"}\n" +
		"hints:\n  fringe:Function: {version: 1.0.0, environment: tools}\nbaseCommand: [git, --version]\n" +
		"inputs: {n: int?}\nstdout: version.txt\noutputs: {version: stdout}\n"})
	s.Call("git-version", object{"n": 1})
	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}
	// What the build noted of the machine becomes what an upgrade would make of it.
	manifests, err := filepath.Glob(filepath.Join(s.Dir, "environments", "environments", "*.json"))
	if err != nil || len(manifests) != 1 {
		t.Fatal(manifests, err)
	}
	doc, err := os.ReadFile(manifests[0])
	if err != nil {
		t.Fatal(err)
	}
	noted := regexp.MustCompile(`("git": ?")[^"]*`)
	if !noted.Match(doc) {
		t.Fatalf("the manifest does not tell the version of git: %s", doc)
	}
	os.Chmod(manifests[0], 0o644)
	if err := os.WriteFile(manifests[0], noted.ReplaceAll(doc, []byte("${1}1:0.99")), 0o644); err != nil {
		t.Fatal(err)
	}
	cfg := servertest.Config(filepath.Dir(s.Dir))
	s = servertest.Start(t, cfg)
	_, err = s.Try("git-version", object{"n": 2})
	wantError(t, err, fringe.Unavailable, fringe.Build, "tools was built with packages of this machine that have changed since: git")
	if err := os.Remove(manifests[0]); err != nil {
		t.Fatal(err)
	}
	build()
	s.Call("git-version", object{"n": 3})
	if a, err := s.Do(t.Context(), client.Request{Method: "DELETE", Path: "/api/v1/functions/git-version@1.0.0"}); err != nil {
		t.Fatal(err)
	} else {
		a.Body.Close()
	}
	if err := s.Delete(t.Context(), "/api/v1/environments/tools"); err != nil {
		t.Fatal(err)
	}
	if left, err := filepath.Glob(filepath.Join(s.Dir, "environments", "environments", "*.json")); err != nil || len(left) != 0 {
		t.Errorf("the removed environment left %v", left)
	}
}

// The interface of a Python handler is read inside of the sandbox, and what is
// wrong with it comes with its line.
func TestDerivedInterfaces(t *testing.T) {
	s := servertest.Start(t, servertest.Config(t.TempDir()))
	s.Python()
	head := "FRINGE = {\"version\": \"1.0.0\", \"environment\": \"plain\"}\n"
	for name, c := range map[string]struct{ text, says string }{
		"Syntax":      {"def main(:\n", `f\.py:1: `},
		"Raises":      {head + "\n1 / 0\n", `f\.py:3: .*division`},
		"NoHandler":   {head, `f\.py.*main`},
		"NoType":      {head + "def main(x) -> int: return 1\n", `f\.py:2: .*x`},
		"Unknown":     {"FRINGE = {\"version\": \"1.0.0\", \"environment\": \"planet\"}\ndef main(x: int) -> int: return 1\n", `f\.py:1: .*planet`},
		"NoVersion":   {"FRINGE = {\"environment\": \"plain\"}\ndef main(x: int) -> int: return 1\n", `f\.py:1: .*version`},
		"NoNetwork":   {head + "import socket\nsocket.create_connection((\"127.0.0.1\", " + port(s.URL) + "), 5)\n", `f\.py:3: `},
		"SitesSecret": {head + fmt.Sprintf("print(open(%q).read())\n", filepath.Join(s.Dir, "operator.token")), `f\.py:2: .*No such file`},
	} {
		t.Run(name, func(t *testing.T) {
			err := s.TryPublish(map[string]string{"f.py": c.text})
			wantError(t, err, fringe.Invalid, "", c.says)
		})
	}
}

func port(url string) string { return url[strings.LastIndexByte(url, ':')+1:] }

// Hundred callers of a cold service share the starts that its policy allows.
func TestJoinedStarts(t *testing.T) {
	s := servertest.Start(t, servertest.Config(t.TempDir()))
	s.Python()
	s.Service("echo", "\"\"\"Echo.\"\"\"\nFRINGE = {\"version\": \"1.0.0\", \"environment\": \"plain\", \"shape\": \"service\", \"warm\": {\"max\": 2, \"queue\": 100}}\n\n\ndef main(x: int) -> int:\n    return x\n")
	errs := make(chan error, 100)
	for i := range 100 {
		go func() {
			out, err := s.Try("echo", object{"x": i})
			if err == nil && out["result"] != float64(i) {
				err = fmt.Errorf("call %d got the answer %v", i, out)
			}
			errs <- err
		}()
	}
	for range 100 {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	if n := strings.Count(s.Log(), `"instance started"`); n < 1 || n > 2 {
		t.Errorf("%d instances were started, want 1 or 2", n)
	}
	if a, err := http.Get(s.URL + "/readyz"); err != nil || a.StatusCode != 200 {
		t.Errorf("/readyz = %v, %v", a, err)
	}
}
