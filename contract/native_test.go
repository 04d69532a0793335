package contract_test

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"fringe"
	"fringe/contract"
	"fringe/contract/contracttest"
)

// startNative compiles testdata/native.c and gives a worker that is that
// program, and its home directory.
func startNative(t *testing.T) (*contract.Worker, string) {
	t.Helper()
	s := spec(t)
	program := filepath.Join(t.TempDir(), "native")
	out, err := exec.CommandContext(t.Context(), "cc", "-std=c99", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Werror",
		"-I", filepath.Join(repo(t), "native"), "-o", program, testdata(t, "native.c")).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	s.Argv = []string{program}
	w, err := contract.StartWorker(t.Context(), contracttest.Driver{}, s, contract.Load{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	})
	return w, s.Dir
}

func TestNative(t *testing.T) {
	w, home := startNative(t)
	if out, failed, log := do(t, w, object{"text": "héllo \" \\ \n ☃"}); out["text"] != "héllo \" \\ \n ☃" || failed != "" || log != "" {
		t.Errorf("echo = %v, %q, log %q", out, failed, log)
	}
	for _, n := range []int{64<<10 - 64, 64 << 10, 5 << 20} {
		if out, _, _ := do(t, w, object{"text": strings.Repeat("a", n)}); len(fmt.Sprint(out["text"])) != n {
			t.Errorf("of %d bytes came %d", n, len(fmt.Sprint(out["text"])))
		}
	}
	for what, want := range map[string]string{
		"fail": "no \"good\",\n\tat all", "silent": "the function failed, and did not say why", "none": "the function gave no answer",
	} {
		if _, failed, _ := do(t, w, object{"do": what}); failed != want {
			t.Errorf("%s: failure %q, want %q", what, failed, want)
		}
	}
	if _, _, log := do(t, w, object{"do": "print"}); log != "child\nprinted 14\nerror\n" && log != "child\nerror\nprinted 14\n" && log != "error\nchild\nprinted 14\n" {
		t.Errorf("log %q", log)
	}
	if _, _, log := do(t, w, object{"do": "flood"}); strings.Count(log, "\n") != 100000 || !strings.HasSuffix(log, "\nline 99999\n") {
		t.Errorf("log of %d lines", strings.Count(log, "\n"))
	}
	if _, _, log := do(t, w, object{}); log != "" {
		t.Errorf("log %q of a call that printed nothing", log)
	}
	dir := t.TempDir()
	c, _ := typedCall(object{"do": "where"})
	c.Dir, c.Trace = dir, "00-1-2-01"
	for _, x := range []struct {
		c    *fringe.Call
		want string
	}{{c, dir + " " + dir + " 00-1-2-01"}, {&fringe.Call{Inputs: c.Inputs, Trace: "t"}, home + "  t"}, {&fringe.Call{Inputs: c.Inputs}, home + "  "}} {
		res, err := w.Invoke(t.Context(), x.c)
		if err != nil || res.Failed {
			t.Fatalf("Invoke() = %+v, %v", res, err)
		}
		if b, err := io.ReadAll(res.Body); err != nil || string(b) != fmt.Sprintf(`{"text":"%s"}`, x.want) {
			t.Errorf("where = %s, %v, want %s", b, err, x.want)
		}
	}
	if err := os.Remove(dir); err != nil {
		t.Fatal(err)
	}
	if res, err := w.Invoke(t.Context(), c); err != nil || !res.Failed {
		t.Errorf("a call whose directory is gone = %+v, %v", res, err)
	}
	var wg sync.WaitGroup
	for n := range 64 {
		wg.Go(func() {
			if out, _, _ := do(t, w, object{"text": fmt.Sprint(n)}); out["text"] != fmt.Sprint(n) {
				t.Errorf("call %d = %v", n, out)
			}
		})
	}
	wg.Wait()
}

// TestNativeLeaves tells of programs that end in the middle of a call.
func TestNativeLeaves(t *testing.T) {
	for what, want := range map[string]string{
		"exit": "exited with code 7 while it handled the call", "crash": "ended by signal 6 (SIGABRT) while it handled the call", "garbage": "broke the worker's protocol",
	} {
		w, _ := startNative(t)
		c, _ := typedCall(object{"do": what})
		_, err := w.Invoke(t.Context(), c)
		var e *fringe.Error
		if !errors.As(err, &e) || e.Component != fringe.UserCode || !strings.Contains(e.Message, want) {
			t.Errorf("%s: %v, want %q", what, err, want)
		}
		<-w.Done()
	}
}
