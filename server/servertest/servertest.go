// Package servertest runs whole sites for the tests of other rooms: the store,
// the processes and the HTTP server are those of 'fringe serve'.
package servertest

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"fringe"
	"fringe/client"
	"fringe/driver/process"
	"fringe/server"
)

// Main is the TestMain of a package that starts sites.
func Main(m *testing.M) {
	process.Main()
	if err := process.PrivateMounts(); err != nil {
		fmt.Fprintln(os.Stderr, "no private mounts:", err)
	}
	os.Exit(m.Run())
}

// Site is a running site.
type Site struct {
	*client.Client // the operator's
	URL            string
	Dir            string
	Token          string // the operator's

	t      testing.TB
	cancel context.CancelFunc
	ended  chan error
	log    lockedBuffer
}

// Config is that of a site for tests, below dir.
func Config(dir string) server.Config {
	cfg := server.Defaults()
	cfg.Dir, cfg.Listen, cfg.Name = filepath.Join(dir, "site"), "127.0.0.1:0", "test"
	return cfg
}

// Start serves cfg until the test ends or Stop is called.
func Start(t testing.TB, cfg server.Config) *Site {
	t.Helper()
	s := &Site{Dir: cfg.Dir, t: t, ended: make(chan error, 1)}
	cfg.Log = &s.log
	ctx, cancel := context.WithCancel(context.Background())
	s.cancel = cancel
	ready := make(chan string, 1)
	go func() { s.ended <- server.Run(ctx, cfg, func(url string) { ready <- url }) }()
	select {
	case s.URL = <-ready:
	case err := <-s.ended:
		cancel()
		t.Fatalf("the site did not start: %v\n%s", err, s.Log())
	}
	t.Cleanup(func() {
		if err := s.Stop(); err != nil {
			t.Errorf("the site did not stop well: %v", err)
		}
		if t.Failed() {
			t.Logf("the site's log:\n%s", s.Log())
		}
	})
	s.Token = server.ReadRecord(cfg.Dir).Token
	s.Client = s.client(s.Token)
	return s
}

func (s *Site) client(token string) *client.Client {
	s.t.Helper()
	c, err := client.New(client.Config{URL: s.URL, Token: token})
	if err != nil {
		s.t.Fatal(err)
	}
	return c
}

// BeginStop asks the site to stop, as SIGTERM does.
func (s *Site) BeginStop() { s.cancel() }

// Stop stops the site and waits until it has ended.
func (s *Site) Stop() error {
	s.cancel()
	err, running := <-s.ended
	if running {
		close(s.ended)
	}
	return err
}

// Log gives what the site has logged.
func (s *Site) Log() string { return s.log.String() }

// As gives the client of a new principal.
func (s *Site) As(name string, role fringe.Role) *client.Client {
	s.t.Helper()
	token, err := client.Send[client.Token](s.t.Context(), s.Client, "POST", "/api/v1/tokens", client.CreateToken{Name: name, Role: role})
	if err != nil {
		s.t.Fatal(err)
	}
	return s.client(token.Secret)
}

// Python builds the environment "plain" of the machine's Python.
func (s *Site) Python() {
	s.t.Helper()
	res, err := s.Do(s.t.Context(), client.Request{Method: "POST", Path: "/api/v1/environments",
		Body: bytes.NewBufferString("name: plain\ncontract: python\npython: \"3\"\n")})
	if err != nil {
		s.t.Fatal(err)
	}
	defer res.Body.Close()
	lines := json.NewDecoder(res.Body)
	for {
		var ev client.BuildEvent
		switch err := lines.Decode(&ev); {
		case err != nil:
			s.t.Fatalf("the build ended without a word: %v", err)
		case ev.Problem != nil:
			s.t.Fatal(ev.Problem.Err())
		case ev.Environment != nil:
			return
		}
	}
}

// Tool publishes a bare CWL document, version 1.0.0: body is what follows the
// head, without an environment.
func (s *Site) Tool(name, body string) {
	s.t.Helper()
	doc := fmt.Sprintf("cwlVersion: v1.2\nclass: CommandLineTool\nid: %s\n$namespaces: {fringe: \"urn:fringe:ns#\"}\n"+
		"hints:\n  fringe:Function: {version: 1.0.0}\n%s", name, body)
	s.Publish(map[string]string{name + ".cwl": doc})
}

// Service publishes a Python file that runs in the environment "plain".
func (s *Site) Service(name, body string) {
	s.t.Helper()
	s.Publish(map[string]string{name + ".py": body})
}

// Publish publishes an archive of files, which must succeed.
func (s *Site) Publish(files map[string]string) {
	s.t.Helper()
	if err := s.TryPublish(files); err != nil {
		s.t.Fatal(err)
	}
}

// TryPublish publishes an archive of files.
func (s *Site) TryPublish(files map[string]string) error {
	var b bytes.Buffer
	zw := gzip.NewWriter(&b)
	tw := tar.NewWriter(zw)
	for name, text := range files {
		if err := tw.WriteHeader(&tar.Header{Name: name, Mode: 0o755, Size: int64(len(text))}); err != nil {
			return err
		}
		if _, err := io.WriteString(tw, text); err != nil {
			return err
		}
	}
	if err := tw.Close(); err != nil {
		return err
	}
	if err := zw.Close(); err != nil {
		return err
	}
	_, err := client.Upload[client.Function](s.t.Context(), s.Client, client.Request{Method: "POST", Path: "/api/v1/functions",
		Header: http.Header{"Content-Type": {"application/gzip"}}, Body: &b})
	return err
}

// Call calls a function that must succeed, and gives the output object.
func (s *Site) Call(name string, inputs any) map[string]any {
	s.t.Helper()
	out, err := s.Try(name, inputs)
	if err != nil {
		s.t.Fatalf("%s: %v", name, err)
	}
	return out
}

// Try calls a function.
func (s *Site) Try(name string, inputs any) (map[string]any, error) {
	return client.Send[map[string]any](context.Background(), s.Client, "POST", "/function/"+name, inputs)
}

// Add names a file or directory of this machine.
func (s *Site) Add(did, path string) {
	s.t.Helper()
	if _, err := client.Send[client.Dataset](s.t.Context(), s.Client, "POST", "/api/v1/datasets", client.AddDataset{DID: did, Path: path}); err != nil {
		s.t.Fatal(err)
	}
}

// Content gives the bytes of the dataset that an output names.
func (s *Site) Content(output any) string {
	s.t.Helper()
	did := output.(map[string]any)["location"].(string)
	res, err := s.Do(s.t.Context(), client.Request{Method: "GET", Path: "/api/v1/content/" + client.EscapePath(did)})
	if err != nil {
		s.t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return string(b)
}

// Jobs gives the jobs in a phase; the empty one is any.
func (s *Site) Jobs(phase string) []client.Job {
	s.t.Helper()
	p, err := client.Get[client.Page[client.Job]](context.Background(), s.Client, "/api/v1/jobs", url.Values{"phase": {phase}})
	if err != nil {
		s.t.Fatal(err)
	}
	return p.Items
}

// Eventually waits until the condition holds, and fails the test when it does
// not within a minute.
func Eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	for begin := time.Now(); !holds(); time.Sleep(10 * time.Millisecond) {
		if time.Since(begin) > time.Minute {
			t.Fatalf("not within a minute: %s", what)
		}
	}
}

type lockedBuffer struct {
	mu sync.Mutex // guards b
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
