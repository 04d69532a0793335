package contract_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"fringe"
	"fringe/contract"
	"fringe/driver/process"
)

// sandboxed starts instances as a site does: in namespaces of their own.
type sandboxed struct{ *process.Driver }

func sandbox(t *testing.T) sandboxed {
	t.Helper()
	d, err := process.New(process.Config{StateDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Sweep(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Sweep(context.Background(), nil); err != nil {
			t.Error(err)
		}
	})
	return sandboxed{d}
}

func sandboxSpec(t *testing.T) fringe.Spec {
	t.Helper()
	scratch := filepath.Join(t.TempDir(), "scratch")
	calls := filepath.Join(t.TempDir(), "calls")
	for _, dir := range []string{scratch, calls} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return fringe.Spec{ID: "contract-test", Dir: "/tmp", Scratch: scratch, Limits: fringe.Limits{CPU: 1, Memory: 256 << 20, Pids: 64},
		Env: []string{"PATH=/usr/bin:/bin", "PYTHONPATH=/fringe/python", "PYTHONDONTWRITEBYTECODE=1"},
		Mounts: []fringe.Mount{{Source: filepath.Join(repo(t), "python"), Target: "/fringe/python"},
			{Source: filepath.Join(repo(t), "contract/testdata"), Target: "/fringe/function"},
			{Source: calls, Target: "/calls", Writable: true}}}
}

func TestWorkerInASandbox(t *testing.T) {
	start := func(t *testing.T) (*contract.Worker, fringe.Spec) {
		s := sandboxSpec(t)
		s.Argv = contract.WorkerArgv(python)
		w, err := contract.StartWorker(t.Context(), sandbox(t), s, contract.Load{File: "/fringe/function/typed.py", Handler: "main"})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := w.Close(); err != nil {
				t.Error(err)
			}
		})
		return w, s
	}
	t.Run("Calls", func(t *testing.T) {
		w, s := start(t)
		if out, failed, _ := do(t, w, object{"text": "héllo"}); out["text"] != "héllo" {
			t.Errorf("echo = %v, %s", out, failed)
		}
		if _, _, log := do(t, w, object{"do": "native", "text": "x"}); log != "x native\nx child\n" {
			t.Errorf("log %q", log)
		}
		calls := s.Mounts[2].Source
		if err := os.MkdirAll(filepath.Join(calls, "1"), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(calls, "1/in.txt"), []byte("abc"), 0o644); err != nil {
			t.Fatal(err)
		}
		c, _ := typedCall(object{"do": "file", "file": object{"class": "File", "path": "/calls/1/in.txt"}})
		c.Dir = "/calls/1"
		if res, err := w.Invoke(t.Context(), c); err != nil || res.Failed {
			t.Errorf("call with a file = %+v, %v", res, err)
		}
		if b, err := os.ReadFile(filepath.Join(calls, "1/out.txt")); err != nil || string(b) != "ABC" {
			t.Errorf("out.txt = %q, %v", b, err)
		}
	})
	t.Run("OutOfMemory", func(t *testing.T) {
		w, _ := start(t)
		c, _ := typedCall(object{"do": "memory", "number": 1 << 30})
		_, err := w.Invoke(t.Context(), c)
		var e *fringe.Error
		if !errors.As(err, &e) || e.Component != fringe.Memory || e.Kind != fringe.Failed || !strings.Contains(e.Message, "more memory than its limit of 256 MiB") {
			t.Errorf("Invoke() = %+v, want that the memory limit was met", err)
		}
		<-w.Done()
	})
	t.Run("Crash", func(t *testing.T) {
		w, _ := start(t)
		c, _ := typedCall(object{"do": "die", "number": 3, "text": "no luck"})
		if _, err := w.Invoke(t.Context(), c); err == nil || !strings.Contains(err.Error(), "exited with code 3 while it handled the call; the last it wrote: no luck") {
			t.Errorf("Invoke() = %v", err)
		}
		w, _ = start(t)
		c, _ = typedCall(object{"do": "kill"})
		if _, err := w.Invoke(t.Context(), c); err == nil || !strings.Contains(err.Error(), "signal 11 (SIGSEGV)") {
			t.Errorf("Invoke() = %v", err)
		}
	})
	t.Run("Cancel", func(t *testing.T) {
		w, _ := start(t)
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		c, _ := typedCall(object{"do": "sleep", "number": 60})
		if _, err := w.Invoke(ctx, c); err != context.DeadlineExceeded {
			t.Errorf("Invoke() = %v", err)
		}
		<-w.Done()
	})
}

func TestHTTPInASandbox(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, network := range []bool{false, true} {
		s := sandboxSpec(t)
		s.Network = network
		s.Mounts = append(s.Mounts, fringe.Mount{Source: self, Target: "/fringe/program"})
		s.Argv = []string{"/fringe/program"}
		s.Env = append(s.Env, "CONTRACT_PROGRAM=socket")
		if network {
			s.Env[len(s.Env)-1] = "CONTRACT_PROGRAM=port"
		}
		h, err := contract.StartHTTP(t.Context(), sandbox(t), s)
		if err != nil {
			t.Fatal(err)
		}
		b := random(1 << 20)
		if _, body, err := invoke(t, h, rawCall("POST", "/echo", b, 0)); err != nil || body != string(b) {
			t.Errorf("network %v: echo of %d bytes: %d, %v", network, len(b), len(body), err)
		}
		if err := h.Stop(t.Context(), time.Second); err != nil {
			t.Error(err)
		}
	}
}
