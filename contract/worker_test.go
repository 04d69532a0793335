package contract_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"fringe"
	"fringe/contract"
	"fringe/contract/contracttest"
)

func spec(t testing.TB) fringe.Spec {
	t.Helper()
	if _, err := os.Stat(python); err != nil {
		t.Fatalf("%s is missing; make setup installs it", python)
	}
	return fringe.Spec{ID: "test", Argv: contract.WorkerArgv(python), Dir: t.TempDir(),
		Env: []string{"PATH=/usr/bin:/bin", "PYTHONPATH=" + filepath.Join(repo(t), "python"), "PYTHONDONTWRITEBYTECODE=1"}}
}

func testdata(t testing.TB, name string) string {
	return filepath.Join(repo(t), "contract/testdata", name)
}

// startWorker gives a worker with a file of testdata.
func startWorker(t testing.TB, file string, raw bool) *contract.Worker {
	t.Helper()
	w, err := contract.StartWorker(t.Context(), contracttest.Driver{}, spec(t), contract.Load{File: testdata(t, file), Handler: "main", Raw: raw})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	})
	return w
}

// log is a call's log.
type log struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *log) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(b)
}

func (l *log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

type object map[string]any

func typedCall(in object) (*fringe.Call, *log) {
	b, err := json.Marshal(in)
	if err != nil {
		panic(err)
	}
	l := &log{}
	return &fringe.Call{ID: "call", Function: &fringe.Function{Name: "f", Version: "1.0.0", Limits: fringe.Limits{Memory: 256 << 20}}, Inputs: b, Log: l}, l
}

// do makes a typed call and gives its output object, or the text of its failure.
func do(t testing.TB, w fringe.Invoker, in object) (object, string, string) {
	t.Helper()
	c, l := typedCall(in)
	res, err := w.Invoke(t.Context(), c)
	if err != nil {
		t.Fatalf("Invoke(%v) = %v", in, err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	if res.Failed {
		return nil, string(b), l.String()
	}
	var out object
	if err := json.Unmarshal(b, &out); err != nil {
		t.Fatalf("answer %q: %v", b, err)
	}
	return out, "", l.String()
}

func TestTyped(t *testing.T) {
	w := startWorker(t, "typed.py", false)
	out, failed, log := do(t, w, object{"text": "héllo \" \\ \n ☃", "number": 3})
	if fmt.Sprint(out) != fmt.Sprint(object{"text": "héllo \" \\ \n ☃", "number": 3.0, "file": nil}) || failed != "" || log != "" {
		t.Errorf("echo = %v, %q, log %q", out, failed, log)
	}
	if out, _, _ := do(t, w, object{"number": nil}); out["number"] != 1.0 || out["text"] != "" {
		t.Errorf("defaults = %v, want text \"\" and number 1", out)
	}
	if out, _, _ := do(t, w, object{"do": "large", "number": 3 << 20}); len(out["text"].(string)) != 3<<20 {
		t.Errorf("large answer has %d bytes", len(out["text"].(string)))
	}
	if out, _, _ := do(t, w, object{"do": "size", "text": strings.Repeat("a", 5<<20)}); out["text"] != fmt.Sprint(5<<20) {
		t.Errorf("large input: %v", out)
	}
	if res, err := w.Invoke(t.Context(), &fringe.Call{Inputs: []byte("\n {\"text\": \"x\"} \n")}); err != nil || res.Failed {
		t.Errorf("input with spaces = %+v, %v", res, err)
	} else if res.Header.Get("Content-Type") != "application/json" {
		t.Errorf("header %v", res.Header)
	}
}

func TestTypedFails(t *testing.T) {
	w := startWorker(t, "typed.py", false)
	for _, c := range []struct {
		in   object
		want string // of the failure
		log  string // in the log
	}{
		{object{"do": "raise", "text": "no good"}, "ValueError: no good (typed.py, line 42)", "in deeper"},
		{object{"do": "exit", "text": "bye"}, "SystemExit: the handler called exit (typed.py, line 46)", "SystemExit: bye"},
		{object{"do": "nan"}, "number is nan, which JSON cannot say", ""},
		{object{"do": "wrong"}, "text is 7, a int; its annotation says str", ""},
		{object{"do": "large", "number": 70 << 20}, "may have 67108864; return a File", ""},
		{object{"do": "nofile"}, "file is 'missing.txt', which does not exist", ""},
		{object{"do": "outside"}, "file is /etc/passwd, which is outside the call's directory", ""},
		{object{"do": "recursion"}, "RecursionError: maximum recursion depth exceeded", "do_recursion"},
		{object{"do": "memory", "number": 1 << 50}, "MemoryError (typed.py, line", ""},
		{object{"unknown": 1}, "the handler has no input 'unknown'; it has do, file, number, text", ""},
		{object{"number": "x"}, "the input 'number' is 'x': could not convert", ""},
		{object{"do": "missing"}, "KeyError: 'do_missing' (typed.py, line", ""},
	} {
		_, failed, log := do(t, w, c.in)
		if !strings.Contains(failed, c.want) || !strings.Contains(log, c.log) {
			t.Errorf("%v: failure %q, log %q, want %q and %q", c.in, failed, log, c.want, c.log)
		}
		if strings.Contains(failed, "\n") {
			t.Errorf("%v: the failure is no sentence: %q", c.in, failed)
		}
		if strings.Contains(log, "fringe/worker.py") {
			t.Errorf("%v: the traceback has frames of ours: %s", c.in, log)
		}
	}
	res, err := w.Invoke(t.Context(), &fringe.Call{Inputs: []byte(`[1]`)})
	if err != nil || !res.Failed || res.Status != 500 {
		t.Errorf("an array as input = %+v, %v, want a failure", res, err)
	}
	if out, _, _ := do(t, w, object{"text": "still here"}); out["text"] != "still here" {
		t.Errorf("after failures: %v", out)
	}
	for _, c := range []*fringe.Call{{}, {Inputs: make([]byte, 66<<20)}} {
		if _, err := w.Invoke(t.Context(), c); err == nil {
			t.Error("a call that the worker cannot take was taken")
		}
	}
}

func TestLogs(t *testing.T) {
	w := startWorker(t, "typed.py", false)
	for what, want := range map[string]string{
		"print": "%s out\n%s err\n%s unfinished", "native": "%s native\n%s child\n", "fork": "%s forked\n", "echo": "",
	} {
		var wg sync.WaitGroup
		for n := range 12 {
			wg.Go(func() {
				name := fmt.Sprintf("%s-%d", what, n)
				_, _, log := do(t, w, object{"do": what, "text": name})
				if want := strings.ReplaceAll(want, "%s", name); log != want {
					t.Errorf("log of %s = %q, want %q", name, log, want)
				}
			})
		}
		wg.Wait()
	}
	_, _, log := do(t, w, object{"do": "thread", "text": "t", "number": 50})
	if strings.Count(log, "\n") != 50 {
		t.Errorf("log of 50 threads: %q", log)
	}
	if _, err := w.Invoke(t.Context(), &fringe.Call{Inputs: []byte(`{"do":"print"}`)}); err != nil {
		t.Errorf("call without a log = %v", err)
	}
}

// TestLogAsItComes reads a line of a call that has not ended.
func TestLogAsItComes(t *testing.T) {
	w := startWorker(t, "raw.py", true)
	r, pw := io.Pipe()
	go func() {
		res, err := w.Invoke(t.Context(), &fringe.Call{Method: "GET", Path: "/generate", Query: "n=3", Log: pw})
		if err == nil {
			io.Copy(io.Discard, res.Body)
			err = res.Body.Close()
		}
		pw.CloseWithError(err)
	}()
	b, err := io.ReadAll(r)
	if err != nil || string(b) != "generating\n" {
		t.Errorf("log %q, %v", b, err)
	}
}

func TestFiles(t *testing.T) {
	s := spec(t)
	w, err := contract.StartWorker(t.Context(), contracttest.Driver{}, s, contract.Load{File: testdata(t, "typed.py"), Handler: "main"})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "in.txt"), []byte("abc"), 0o600); err != nil {
		t.Fatal(err)
	}
	c, _ := typedCall(object{"do": "file", "file": object{"class": "File", "path": filepath.Join(dir, "in.txt"), "basename": "in.txt"}})
	c.Dir = dir
	res, err := w.Invoke(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	b, _ := io.ReadAll(res.Body)
	if want := `{"text":"3","number":null,"file":{"class":"File","path":"out.txt"}}`; string(b) != want {
		t.Errorf("answer %s, want %s", b, want)
	}
	if b, err := os.ReadFile(filepath.Join(dir, "out.txt")); err != nil || string(b) != "ABC" {
		t.Errorf("out.txt = %q, %v", b, err)
	}
	home, _ := filepath.EvalSymlinks(s.Dir)
	for _, to := range []string{"", "/", ""} { // a handler that moves does not move the next call
		want := to
		if to == "" {
			want = home
		}
		if out, _, _ := do(t, w, object{"do": "cwd", "text": to}); out["text"] != want {
			t.Errorf("current directory %v, want %s", out["text"], want)
		}
	}
	c, _ = typedCall(object{})
	c.Dir = "/nonexistent"
	if res, err := w.Invoke(t.Context(), c); err != nil || !res.Failed {
		t.Errorf("call in a missing directory = %+v, %v, want a failure", res, err)
	}
}

// A handler finds the caller's trace in its environment, as a task does, and
// never another call's.
func TestTrace(t *testing.T) {
	w := startWorker(t, "typed.py", false)
	for _, trace := range []string{"", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", ""} {
		c, _ := typedCall(object{"do": "environment", "text": "TRACEPARENT"})
		c.Trace, c.Dir = trace, t.TempDir()
		res, err := w.Invoke(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		var out object
		if err := json.NewDecoder(res.Body).Decode(&out); err != nil || out["text"] != trace {
			t.Errorf("TRACEPARENT = %v, %v, want %q", out["text"], err, trace)
		}
	}
}

func TestStartFails(t *testing.T) {
	write := func(text string) string {
		f := filepath.Join(t.TempDir(), "function.py")
		if err := os.WriteFile(f, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return f
	}
	fine := "def main(a: int) -> None: pass\n"
	for name, c := range map[string]struct {
		load contract.Load
		spec func(*fringe.Spec)
		want string
		part fringe.Component
	}{
		"ImportError":     {load: contract.Load{File: write("import os\nimport nonesuch\n" + fine)}, want: "function.py cannot be imported: ModuleNotFoundError: No module named 'nonesuch'; add the package that has the module nonesuch to the environment, or put the module beside the function's file (function.py, line 2)", part: fringe.UserCode},
		"Syntax":          {load: contract.Load{File: write("x = 1\ndef main(:\n")}, want: "(function.py, line 2)", part: fringe.UserCode},
		"Raises":          {load: contract.Load{File: write("\n\nraise RuntimeError('at import')\n")}, want: "RuntimeError: at import; see the traceback (function.py, line 3)", part: fringe.UserCode},
		"Exits":           {load: contract.Load{File: write("import sys\nsys.exit(3)\n")}, want: "SystemExit", part: fringe.UserCode},
		"NoHandler":       {load: contract.Load{File: write("x = 1\n")}, want: "function.py has no function main", part: fringe.UserCode},
		"OtherHandler":    {load: contract.Load{File: write(fine), Handler: "other"}, want: "has no function other", part: fringe.UserCode},
		"NoFile":          {load: contract.Load{File: "/nonexistent/function.py"}, want: "cannot be read: No such file", part: fringe.UserCode},
		"Unannotated":     {load: contract.Load{File: write("def main(a) -> None: pass\n")}, want: "the parameter a has no annotation", part: fringe.UserCode},
		"RawIsNotTyped":   {load: contract.Load{File: write(fine), Raw: true}, want: "its interface is raw; publish it again", part: fringe.UserCode},
		"TypedIsNotRaw":   {load: contract.Load{File: write("def main(): return ''\n")}, want: "its interface is typed; publish it again", part: fringe.UserCode},
		"Preload":         {load: contract.Load{File: write(fine), Preload: []string{"json", "nonesuch"}}, want: "the module nonesuch of the environment's preload list cannot be imported", part: fringe.UserCode},
		"NoPackage":       {load: contract.Load{File: write(fine)}, spec: func(s *fringe.Spec) { s.Env = s.Env[:1] }, want: "exited with code 1 before it was ready; the last it wrote: ", part: fringe.Start},
		"NoInterpreter":   {load: contract.Load{File: write(fine)}, spec: func(s *fringe.Spec) { s.Argv[0] = "/nonexistent" }, want: "/nonexistent cannot be started", part: fringe.Start},
		"DiesWhileLoaded": {load: contract.Load{File: write("import os\nprint('last words', flush=True)\nos._exit(5)\n")}, want: "exited with code 5 before it was ready; the last it wrote: last words", part: fringe.Start},
		"NoWorker":        {load: contract.Load{File: write(fine)}, spec: func(s *fringe.Spec) { s.Argv = []string{python, "-c", "import os; os.write(3, b'x'*100)"} }, want: "does not speak as a worker does", part: fringe.Start},
	} {
		t.Run(name, func(t *testing.T) {
			s := spec(t)
			if c.spec != nil {
				c.spec(&s)
			}
			w, err := contract.StartWorker(t.Context(), contracttest.Driver{}, s, c.load)
			if err == nil {
				w.Close()
				t.Fatal("the worker started")
			}
			var e *fringe.Error
			if !errors.As(err, &e) || e.Kind != fringe.Failed || e.Component != c.part || !strings.Contains(e.Message, c.want) {
				t.Errorf("StartWorker() = %+v, want %q of %s", err, c.want, c.part)
			}
		})
	}
	t.Run("Timeout", func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		defer cancel()
		begin := time.Now()
		_, err := contract.StartWorker(ctx, contracttest.Driver{}, spec(t), contract.Load{File: write("import time\ntime.sleep(60)\n" + fine)})
		if err == nil || !errors.Is(err, context.DeadlineExceeded) || time.Since(begin) > 5*time.Second {
			t.Errorf("StartWorker() = %v after %v", err, time.Since(begin))
		}
	})
}

func TestCrash(t *testing.T) {
	for _, c := range []struct {
		in   object
		want string
	}{
		{object{"do": "die", "text": "fatal: no luck\n", "number": 3}, "exited with code 3 while it handled the call; the last it wrote: fatal: no luck"},
		{object{"do": "kill"}, "was ended by signal 11 (SIGSEGV) while it handled the call"},
		{object{"do": "garbage"}, "broke the worker's protocol and was stopped"},
		{object{"do": "close"}, "closed its connection while it handled the call"},
	} {
		t.Run(c.in["do"].(string), func(t *testing.T) {
			w := startWorker(t, "typed.py", false)
			call, _ := typedCall(c.in)
			_, err := w.Invoke(t.Context(), call)
			var e *fringe.Error
			if !errors.As(err, &e) || e.Kind != fringe.Failed || e.Component != fringe.UserCode || !strings.Contains(e.Message, c.want) {
				t.Errorf("Invoke() = %+v, want %q", err, c.want)
			}
			if undelivered(err) {
				t.Error("the call was begun, and must not be given to another instance")
			}
			<-w.Done()
			call, _ = typedCall(object{})
			if _, err := w.Invoke(t.Context(), call); !undelivered(err) {
				t.Errorf("Invoke() of a dead worker = %v, want one that says that it was not begun", err)
			}
		})
	}
}

func undelivered(err error) bool {
	var u interface{ Undelivered() bool }
	return errors.As(err, &u) && u.Undelivered()
}

// TestKilledWhileIdle ends the process between two calls.
func TestKilledWhileIdle(t *testing.T) {
	var inst fringe.Instance
	d := keeping{contracttest.Driver{}, &inst}
	w, err := contract.StartWorker(t.Context(), d, spec(t), contract.Load{File: testdata(t, "typed.py"), Handler: "main"})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	inst.Stop(t.Context(), 0)
	<-w.Done()
	c, _ := typedCall(object{})
	if _, err := w.Invoke(t.Context(), c); !undelivered(err) {
		t.Errorf("Invoke() = %v, want one that says that it was not begun", err)
	}
}

// keeping remembers the instance that it starts.
type keeping struct {
	fringe.Driver
	inst *fringe.Instance
}

func (k keeping) Start(ctx context.Context, s fringe.Spec) (fringe.Instance, error) {
	i, err := k.Driver.Start(ctx, s)
	*k.inst = i
	return i, err
}

func TestCancel(t *testing.T) {
	w := startWorker(t, "typed.py", false)
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	begin := time.Now()
	c, _ := typedCall(object{"do": "sleep", "number": 30})
	if _, err := w.Invoke(ctx, c); err != context.DeadlineExceeded || time.Since(begin) > 5*time.Second {
		t.Errorf("Invoke() = %v after %v", err, time.Since(begin))
	}
	select {
	case <-w.Done():
	default:
		t.Error("the instance must not be used again")
	}
	if _, err := w.Invoke(ctx, c); err != context.DeadlineExceeded {
		t.Errorf("Invoke() with an ended context = %v", err)
	}
}

// TestLine makes calls that are sent ahead of the one that is handled.
func TestLine(t *testing.T) {
	start := func(w *contract.Worker, in object, ctx context.Context) (chan error, chan object) {
		failed, done := make(chan error, 1), make(chan object, 1)
		go func() {
			c, _ := typedCall(in)
			res, err := w.Invoke(ctx, c)
			failed <- err
			if err == nil {
				var out object
				json.NewDecoder(res.Body).Decode(&out)
				res.Body.Close()
				done <- out
			}
		}()
		time.Sleep(30 * time.Millisecond) // it is in line
		return failed, done
	}
	t.Run("Order", func(t *testing.T) {
		w := startWorker(t, "typed.py", false)
		var wg sync.WaitGroup
		for g := range 40 {
			wg.Go(func() {
				for n := range 50 {
					text := fmt.Sprintf("%d/%d", g, n)
					if out, _, _ := do(t, w, object{"text": text}); out["text"] != text {
						t.Errorf("answer %v, want %s", out, text)
					}
				}
			})
		}
		wg.Wait()
	})
	t.Run("AbandonedCallsAreAnsweredForNobody", func(t *testing.T) {
		w := startWorker(t, "typed.py", false)
		first, _ := start(w, object{"do": "sleep", "number": 0.3}, t.Context())
		ctx, cancel := context.WithCancel(t.Context())
		second, _ := start(w, object{"do": "print", "text": "secret"}, ctx)
		third, out := start(w, object{"text": "third"}, t.Context())
		cancel()
		if err := <-second; err != context.Canceled {
			t.Errorf("second = %v", err)
		}
		if err := <-first; err != nil {
			t.Errorf("first = %v", err)
		}
		if err := <-third; err != nil || (<-out)["text"] != "third" {
			t.Errorf("third = %v", err)
		}
		if out, _, log := do(t, w, object{"text": "fourth"}); out["text"] != "fourth" || log != "" {
			t.Errorf("fourth = %v, log %q", out, log)
		}
	})
	t.Run("AShortCallThatIsLeftCostsNoWorker", func(t *testing.T) {
		w := startWorker(t, "typed.py", false)
		ctx, cancel := context.WithCancel(t.Context())
		first, _ := start(w, object{"do": "sleep", "number": 0.1}, ctx)
		cancel()
		if err := <-first; err != context.Canceled {
			t.Errorf("first = %v", err)
		}
		if out, _, _ := do(t, w, object{"text": "second"}); out["text"] != "second" {
			t.Errorf("second = %v", out)
		}
	})
	t.Run("ThoseBehindACancelledCallWereNotBegun", func(t *testing.T) {
		w := startWorker(t, "typed.py", false)
		ctx, cancel := context.WithCancel(t.Context())
		first, _ := start(w, object{"do": "sleep", "number": 30}, ctx)
		second, _ := start(w, object{}, t.Context())
		third, _ := start(w, object{}, t.Context())
		cancel()
		if err := <-first; err != context.Canceled {
			t.Errorf("first = %v", err)
		}
		for _, c := range []chan error{second, third} {
			if err := <-c; !undelivered(err) {
				t.Errorf("behind = %v, want not begun", err)
			}
		}
	})
	t.Run("ThoseBehindACrashWereNotBegun", func(t *testing.T) {
		w := startWorker(t, "typed.py", false)
		first, _ := start(w, object{"do": "sleep", "number": 0.2}, t.Context())
		second, _ := start(w, object{"do": "die", "number": 1}, t.Context())
		third, _ := start(w, object{}, t.Context())
		if err := <-first; err != nil {
			t.Errorf("first = %v", err)
		}
		if err := <-second; err == nil || undelivered(err) {
			t.Errorf("second = %v, want a crash", err)
		}
		if err := <-third; !undelivered(err) {
			t.Errorf("third = %v, want not begun", err)
		}
	})
	t.Run("AnOrphanDoesNotKeepTheWorker", func(t *testing.T) {
		w := startWorker(t, "typed.py", false)
		first, _ := start(w, object{"do": "sleep", "number": 0.2}, t.Context())
		ctx, cancel := context.WithCancel(t.Context())
		second, _ := start(w, object{"do": "sleep", "number": 60}, ctx)
		cancel()
		<-first
		<-second
		select {
		case <-w.Done():
		case <-time.After(10 * time.Second):
			t.Error("the worker is still busy with a call for nobody")
		}
	})
}

func TestStopEndsTheProcess(t *testing.T) {
	var inst fringe.Instance
	w, err := contract.StartWorker(t.Context(), keeping{contracttest.Driver{}, &inst}, spec(t), contract.Load{File: testdata(t, "typed.py"), Handler: "main"})
	if err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	for range 2 {
		if err := w.Stop(t.Context(), 5*time.Second); err != nil {
			t.Errorf("Stop() = %v", err)
		}
	}
	if exit, err := inst.Wait(t.Context()); err != nil || time.Since(begin) > 3*time.Second {
		t.Errorf("exit %+v, %v after %v", exit, err, time.Since(begin))
	}
}
