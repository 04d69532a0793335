package contract_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
	"time"

	"fringe"
)

// rawCall makes a raw call. A length below 0 hides that of the body.
func rawCall(method, target string, body []byte, length int64) *fringe.Call {
	path, query, _ := strings.Cut(target, "?")
	c := &fringe.Call{Function: &fringe.Function{Name: "f", Version: "1.0.0"}, Method: method, Path: path, Query: query, Header: http.Header{}, Length: length}
	if body != nil {
		c.Body = bytes.NewReader(body)
		if length == 0 {
			c.Length = int64(len(body))
		}
	}
	return c
}

// invoke gives the result of a call and its body.
func invoke(t testing.TB, w fringe.Invoker, c *fringe.Call) (*fringe.Result, string, error) {
	t.Helper()
	res, err := w.Invoke(t.Context(), c)
	if err != nil {
		t.Fatalf("%s %s: %v", c.Method, c.Path, err)
	}
	b, err := io.ReadAll(res.Body)
	if cerr := res.Body.Close(); cerr != nil {
		t.Error(cerr)
	}
	return res, string(b), err
}

func random(n int) []byte {
	b := make([]byte, n)
	r := rand.NewChaCha8([32]byte{1})
	r.Read(b)
	return b
}

func TestRaw(t *testing.T) {
	w := startWorker(t, "raw.py", true)
	for _, c := range []struct {
		method, target string
		status         int
		kind, body     string
	}{
		{"GET", "/list", 200, "application/json", "[1,2]"},
		{"GET", "/generate?n=3", 200, "application/octet-stream", "0\n1\n2\n"},
		{"GET", "/generate?n=0", 200, "application/octet-stream", ""},
		{"POST", "/early", 413, "text/plain; charset=utf-8", "enough"},
		{"GET", "/status?s=204", 204, "text/plain; charset=utf-8", ""},
		{"GET", "/log", 200, "text/plain; charset=utf-8", "ok"},
		{"GET", "/file", 200, "text/html", strings.Repeat("<p>page</p>", 100)},
		{"HEAD", "/list", 200, "application/json", ""},
		{"HEAD", "/generate?n=9", 200, "application/octet-stream", ""},
		{"GET", "/%6cist", 200, "application/json", "[1,2]"},
	} {
		res, body, err := invoke(t, w, rawCall(c.method, c.target, nil, 0))
		if err != nil || res.Failed || res.Status != c.status || res.Header.Get("Content-Type") != c.kind || body != c.body {
			t.Errorf("%s %s = %+v, %q, %v; want %d %q %q", c.method, c.target, res, body, err, c.status, c.kind, c.body)
		}
	}
	res, _, _ := invoke(t, w, rawCall("HEAD", "/list", nil, 0))
	if res.Header.Get("Content-Length") != "5" {
		t.Errorf("HEAD: %v, want the length of the body that GET has", res.Header)
	}
}

func TestRawRequest(t *testing.T) {
	w := startWorker(t, "raw.py", true)
	c := rawCall("PATCH", "/about?a=1&a=%C3%A4&b=", []byte(`{"x": 1}`), 0)
	c.Header = http.Header{"X-Thing": {"\"quoted\" \\ \x7f"}, "X-Many": {"1", "2"}, "Content-Type": {"application/json"}}
	_, body, err := invoke(t, w, c)
	var got map[string]any
	if err != nil || json.Unmarshal([]byte(body), &got) != nil {
		t.Fatalf("%q, %v", body, err)
	}
	want := map[string]any{"method": "PATCH", "path": "/about", "args": map[string]any{"a": "1", "b": ""}, "all": []any{"1", "ä"},
		"header": "\"quoted\" \\ \x7f", "headers": []any{"1", "2"}, "length": 8.0, "json": map[string]any{"x": 1.0}}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("request %v, want %v", got, want)
	}
}

func TestRawBodies(t *testing.T) {
	w := startWorker(t, "raw.py", true)
	for _, n := range []int{0, 1, 1000, 64 << 10, 64<<10 + 1, 256 << 10, 3<<20 + 7} {
		for _, known := range []bool{true, false} {
			for _, route := range []string{"/", "/stream"} {
				b := random(n)
				c := rawCall("POST", route, b, 0)
				if !known {
					c.Length = -1
				}
				res, body, err := invoke(t, w, c)
				if err != nil || res.Status != 200 || sha256.Sum256([]byte(body)) != sha256.Sum256(b) {
					t.Errorf("%s of %d bytes (length known: %v): status %d, %d bytes, %v", route, n, known, res.Status, len(body), err)
				}
			}
		}
	}
	big := rawCall("POST", "/count", nil, 200<<20)
	big.Body = io.LimitReader(zeros{}, 200<<20)
	if _, body, err := invoke(t, w, big); err != nil || body != `{"count":209715200}` {
		t.Errorf("count = %q, %v", body, err)
	}
	if _, body, err := invoke(t, w, rawCall("GET", "/large", nil, 0)); err != nil || len(body) != 5<<20 {
		t.Errorf("large answer: %d bytes, %v", len(body), err)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }

// TestRawEarlyAnswer answers before the body was read; the worker goes on.
func TestRawEarlyAnswer(t *testing.T) {
	w := startWorker(t, "raw.py", true)
	for _, length := range []int64{10 << 20, -1} {
		c := rawCall("POST", "/early", nil, length)
		c.Body = io.LimitReader(zeros{}, 10<<20)
		if res, body, err := invoke(t, w, c); err != nil || res.Status != 413 || body != "enough" {
			t.Errorf("answer %+v, %q, %v", res, body, err)
		}
		if _, body, err := invoke(t, w, rawCall("GET", "/list", nil, 0)); err != nil || body != "[1,2]" {
			t.Errorf("next call = %q, %v", body, err)
		}
	}
	r, pw := io.Pipe() // a client that sends nothing more
	c := rawCall("POST", "/early", nil, -1)
	c.Body = r
	if res, _, err := invoke(t, w, c); err != nil || res.Status != 413 {
		t.Errorf("answer to a slow client = %+v, %v", res, err)
	}
	pw.CloseWithError(errors.New("gone"))
	if _, body, err := invoke(t, w, rawCall("GET", "/list", nil, 0)); err != nil || body != "[1,2]" {
		t.Errorf("call after a slow client = %q, %v", body, err)
	}
}

func TestRawFails(t *testing.T) {
	w := startWorker(t, "raw.py", true)
	for target, want := range map[string]string{
		"/fails": "KeyError: 'nothing' (raw.py, line", "/none": "the handler returned None; return a text", "/missing": "KeyError: '/missing'",
		"/status?s=99": "the status 99; it must be between 200 and 599", "/inject": "the header 'A'", "/number": "",
	} {
		res, body, err := invoke(t, w, rawCall("GET", target, nil, 0))
		if want == "" {
			if err != nil || res.Failed || body != "7" {
				t.Errorf("%s = %+v, %q, %v", target, res, body, err)
			}
		} else if err != nil || !res.Failed || res.Status != 500 || !strings.Contains(body, want) {
			t.Errorf("%s = %+v, %q, %v, want a failure with %q", target, res, body, err, want)
		}
	}
	c := rawCall("GET", "/broken", nil, 0)
	l := &log{}
	c.Log = l
	res, body, err := invoke(t, w, c)
	var e *fringe.Error
	if res.Status != 200 || body != "begin" || !errors.As(err, &e) || !strings.Contains(e.Message, "in the middle of its answer: ValueError: in the middle") {
		t.Errorf("broken = %+v, %q, %v", res, body, err)
	}
	if !strings.Contains(l.String(), "ValueError: in the middle") {
		t.Errorf("log %q has no traceback", l)
	}
	c = rawCall("POST", "/", nil, 100)
	c.Body = strings.NewReader("short")
	if _, err := w.Invoke(t.Context(), c); fringe.KindOf(err) != fringe.Invalid {
		t.Errorf("short body = %v, want Invalid", err)
	}
	c = rawCall("POST", "/count", nil, -1)
	c.Body = io.MultiReader(bytes.NewReader(random(1<<20)), failing{})
	if res, body, _ := invoke(t, w, c); !res.Failed || !strings.Contains(body, "ConnectionError: the request's body was cut short") {
		t.Errorf("cut body = %+v, %q", res, body)
	}
	if _, body, err := invoke(t, w, rawCall("GET", "/list", nil, 0)); err != nil || body != "[1,2]" {
		t.Errorf("call after failures = %q, %v", body, err)
	}
}

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, errors.New("connection reset") }

func TestRawClientLeaves(t *testing.T) {
	t.Run("InTheAnswer", func(t *testing.T) {
		w := startWorker(t, "raw.py", true)
		ctx, cancel := context.WithCancel(t.Context())
		res, err := w.Invoke(ctx, rawCall("GET", "/slow", nil, 0))
		if err != nil {
			t.Fatal(err)
		}
		time.AfterFunc(100*time.Millisecond, cancel)
		if b, err := io.ReadAll(res.Body); string(b) != "begin" || err != context.Canceled {
			t.Errorf("body %q, %v", b, err)
		}
		res.Body.Close()
		<-w.Done()
	})
	t.Run("Close", func(t *testing.T) {
		w := startWorker(t, "raw.py", true)
		res, err := w.Invoke(t.Context(), rawCall("GET", "/slow", nil, 0))
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		<-w.Done()
		if _, err := res.Body.Read(make([]byte, 1)); err == nil {
			t.Error("a closed body was read")
		}
	})
	t.Run("Crash", func(t *testing.T) {
		w := startWorker(t, "raw.py", true)
		if _, err := w.Invoke(t.Context(), rawCall("GET", "/die", nil, 0)); err == nil || !strings.Contains(err.Error(), "exited with code 9") {
			t.Errorf("Invoke() = %v", err)
		}
		<-w.Done()
	})
}

func TestRawWaitsItsTurn(t *testing.T) {
	w := startWorker(t, "raw.py", true)
	first, err := w.Invoke(t.Context(), rawCall("GET", "/generate?n=100000", nil, 0))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := w.Invoke(ctx, rawCall("GET", "/list", nil, 0)); err != context.DeadlineExceeded {
		t.Errorf("second call = %v, want its deadline", err)
	}
	done := make(chan string)
	go func() {
		_, body, _ := invoke(t, w, rawCall("GET", "/list", nil, 0))
		done <- body
	}()
	n, err := io.Copy(io.Discard, first.Body)
	if err != nil || n != 588890 {
		t.Errorf("%d bytes, %v", n, err)
	}
	first.Body.Close()
	if body := <-done; body != "[1,2]" {
		t.Errorf("third call = %q", body)
	}
}
