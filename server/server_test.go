package server_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"fringe"
	"fringe/client"
	"fringe/server"
	"fringe/server/servertest"
)

func TestMain(m *testing.M) { servertest.Main(m) }

// gated waits in a directory that the site has by reference for a file to come.
const gated = `"""Waits until it is let go."""
import os
import time

FRINGE = {"version": "1.0.0", "environment": "plain", "shape": "service"}

from fringe import Directory


def main(gate: Directory, word: str) -> str:
    while not os.path.exists(os.path.join(gate, "go")):
        time.sleep(0.01)
    return word
`

// touch makes an empty file.
func touch(t *testing.T, path string) {
	t.Helper()
	if err := os.WriteFile(path, nil, 0o644); err != nil {
		t.Fatal(err)
	}
}

func status(t *testing.T, url string) int {
	t.Helper()
	res, err := http.Get(url)
	if err != nil {
		return 0
	}
	res.Body.Close()
	return res.StatusCode
}

func gate(path string) map[string]any {
	return map[string]any{"class": "Directory", "location": "file://" + path}
}

// A stop refuses new calls and lets the running one end.
func TestDrain(t *testing.T) {
	s := servertest.Start(t, servertest.Config(t.TempDir()))
	s.Python()
	s.Service("gated", gated)
	dir := t.TempDir()
	open := t.TempDir()
	touch(t, filepath.Join(open, "go"))
	s.Call("gated", map[string]any{"gate": gate(open), "word": "first"})
	type answer struct {
		out map[string]any
		err error
	}
	running := make(chan answer, 1)
	go func() {
		out, err := s.Try("gated", map[string]any{"gate": gate(dir), "word": "kept"})
		running <- answer{out, err}
	}()
	servertest.Eventually(t, "the call is begun", func() bool {
		return strings.Contains(metrics(t, s), `fringe_instances{function="gated@1.0.0",state="busy"} 1`)
	})
	if got := status(t, s.URL+"/readyz"); got != 200 {
		t.Errorf("/readyz of a ready site = %d", got)
	}
	s.BeginStop()
	servertest.Eventually(t, "the site says that it is not ready", func() bool { return status(t, s.URL+"/readyz") == 503 })
	if got := status(t, s.URL+"/healthz"); got != 200 {
		t.Errorf("/healthz of a draining site = %d", got)
	}
	if _, err := s.Try("gated", map[string]any{"gate": gate(open), "word": "new"}); fringe.KindOf(err) != fringe.Unavailable {
		t.Errorf("a new call while the site drains = %v, want unavailable", err)
	}
	touch(t, filepath.Join(dir, "go"))
	if a := <-running; a.err != nil || a.out["result"] != "kept" {
		t.Errorf("the running call = %v, %v, want its answer", a.out, a.err)
	}
	if err := s.Stop(); err != nil {
		t.Errorf("Stop() = %v", err)
	}
	if got := status(t, s.URL+"/healthz"); got != 0 {
		t.Errorf("after the stop the address answers %d", got)
	}
	if r := server.ReadRecord(s.Dir); r.URL != "" {
		t.Errorf("the record says %s after the stop", r.URL)
	}
}

// tmpfs mounts a file system in memory of its own at a new directory.
func tmpfs(t *testing.T, options string) string {
	t.Helper()
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, options); err != nil {
		t.Fatalf("no tmpfs can be mounted here (the tests need root or user namespaces): %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// What a site cannot start on is said: what, where, and what to do.
func TestStartFails(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	held := servertest.Start(t, servertest.Config(t.TempDir()))
	file := filepath.Join(t.TempDir(), "file")
	touch(t, file)
	damaged := t.TempDir()
	garbage := strings.Repeat("this is not a database. ", 50)
	if err := os.Mkdir(filepath.Join(damaged, "site"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(damaged, "site", "fringe.db"), []byte(garbage), 0o600); err != nil {
		t.Fatal(err)
	}
	readOnly := tmpfs(t, "size=16m")
	before := servertest.Start(t, servertest.Config(readOnly))
	if err := before.Stop(); err != nil {
		t.Fatal(err)
	}
	servertest.Eventually(t, "the file system is read-only; a process that is just being started may hold a file", func() bool {
		err = syscall.Mount("", readOnly, "", syscall.MS_REMOUNT|syscall.MS_RDONLY|syscall.MS_BIND, "")
		return !errors.Is(err, syscall.EBUSY)
	})
	if err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(filepath.Dir(held.Dir), link); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		change func(*server.Config)
		kind   fringe.Kind
		says   string // a regular expression
		cure   string
	}{
		"TwoServers":    {func(c *server.Config) { c.Dir = held.Dir }, fringe.Conflict, fmt.Sprint(os.Getpid()), ""},
		"PortTaken":     {func(c *server.Config) { c.Listen = taken.Addr().String() }, fringe.Unavailable, "taken by another program", "--listen"},
		"NoAddress":     {func(c *server.Config) { c.Listen = "nowhere:x" }, fringe.Unavailable, "cannot listen on nowhere:x", "--listen"},
		"DirIsAFile":    {func(c *server.Config) { c.Dir = file }, fringe.Unavailable, "directory", "--dir"},
		"Damaged":       {func(c *server.Config) { c.Dir = filepath.Join(damaged, "site") }, fringe.Unavailable, "fringe.db", ""},
		"ReadOnly":      {func(c *server.Config) { c.Dir = filepath.Join(readOnly, "site") }, fringe.Unavailable, "read-only|cannot be written", ""},
		"LogLevel":      {func(c *server.Config) { c.LogLevel = "loud" }, fringe.Invalid, `"loud" is not debug, info, warn or error`, ""},
		"RootHoldsSite": {func(c *server.Config) { c.Roots = []string{filepath.Dir(c.Dir)} }, fringe.Invalid, "overlap", "--data-root"},
		"RootInSite":    {func(c *server.Config) { c.Roots = []string{filepath.Join(c.Dir, "data", "products")} }, fringe.Invalid, "overlap", "--data-root"},
		"RootByLink":    {func(c *server.Config) { c.Dir, c.Roots = held.Dir, []string{link} }, fringe.Invalid, "overlap", "--data-root"},
		"RootMissing":   {func(c *server.Config) { c.Roots = []string{filepath.Join(file, "none")} }, fringe.Invalid, "file/none", "existing directories"},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := servertest.Config(t.TempDir())
			cfg.Log = io.Discard
			c.change(&cfg)
			err := server.Run(t.Context(), cfg, func(url string) { t.Errorf("it serves at %s", url) })
			var e *fringe.Error
			if !errors.As(err, &e) || e.Kind != c.kind || !regexp.MustCompile(c.says).MatchString(e.Message) || !strings.Contains(e.Cure, c.cure) {
				t.Errorf("Run() = %#v, want %s, %q, cure %q", err, c.kind, c.says, c.cure)
			}
		})
	}
	if b, err := os.ReadFile(filepath.Join(damaged, "site", "fringe.db")); err != nil || string(b) != garbage {
		t.Errorf("the damaged store was changed: %v", err)
	}
	if got := status(t, held.URL+"/readyz"); got != 200 {
		t.Errorf("the site whose directory others asked for = %d", got)
	}
}

const fill = `baseCommand: [sh, -c, 'head -c "$0"M /dev/zero >big.bin']
inputs:
  size: {type: int, inputBinding: {position: 1}}
outputs:
  big: {type: File, outputBinding: {glob: big.bin}}
`

// A full disk fails the calls that need it with a sentence that says so, and
// nothing else; what they left goes away.
func TestDiskFull(t *testing.T) {
	s := servertest.Start(t, servertest.Config(tmpfs(t, "size=48m")))
	s.Tool("fill", fill)
	full := func(err error) {
		t.Helper()
		if err == nil || !regexp.MustCompile("(?i)no space").MatchString(err.Error()) {
			t.Errorf("a call on a full disk = %v, want what is said of its space", err)
		}
	}
	_, err := s.Try("fill", map[string]any{"size": 100})
	full(err)
	if kind := fringe.KindOf(err); kind != fringe.Failed && kind != fringe.Unavailable {
		t.Errorf("a call on a full disk = %v", err)
	}
	_, err = client.Upload[client.Dataset](t.Context(), s.Client, client.Request{Method: "PUT", Path: "/api/v1/content/user:big",
		Body: io.LimitReader(zeros{}, 100<<20)})
	full(err)
	if err := os.WriteFile(filepath.Join(s.Dir, "ballast"), make([]byte, 20<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	s.Call("fill", map[string]any{"size": 4})
	servertest.Eventually(t, "every call has ended", func() bool { return len(s.Jobs("EXECUTING"))+len(s.Jobs("QUEUED")) == 0 })
	if n := len(s.Jobs("ERROR")); n != 1 {
		t.Errorf("%d calls are in ERROR, want the one that met the full disk", n)
	}
	left, err := os.ReadDir(filepath.Join(s.Dir, "data", "new"))
	if err != nil || len(left) != 0 {
		t.Errorf("left of the upload: %v, %v", left, err)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// What a crash left without a record is gone after a start; what has one stays.
func TestLeftoversAreSwept(t *testing.T) {
	cfg := servertest.Config(t.TempDir())
	s := servertest.Start(t, cfg)
	if _, err := client.Upload[client.Dataset](t.Context(), s.Client, client.Request{Method: "PUT", Path: "/api/v1/content/user:kept", Body: strings.NewReader("kept")}); err != nil {
		t.Fatal(err)
	}
	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}
	var left []string
	for _, dir := range []string{"data/products/01X/image", "data/owned/0123", "data/new/0123", "data/spool/01X"} {
		at := filepath.Join(cfg.Dir, dir)
		if err := os.MkdirAll(at, 0o755); err != nil {
			t.Fatal(err)
		}
		touch(t, filepath.Join(at, "file"))
		left = append(left, at)
	}
	s = servertest.Start(t, cfg)
	for _, at := range left {
		servertest.Eventually(t, at+" is removed", func() bool { _, err := os.Stat(at); return errors.Is(err, os.ErrNotExist) })
	}
	res, err := s.Do(context.Background(), client.Request{Method: "GET", Path: "/api/v1/content/user:kept"})
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if b, err := io.ReadAll(res.Body); err != nil || string(b) != "kept" {
		t.Errorf("the kept dataset = %q, %v", b, err)
	}
}
