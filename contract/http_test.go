package contract_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"fringe"
	"fringe/contract"
	"fringe/contract/contracttest"
	"fringe/driver/process"
)

// TestMain serves as the program of the http contract when it is told to.
func TestMain(m *testing.M) {
	process.Main()
	if role := os.Getenv("CONTRACT_PROGRAM"); role != "" {
		program(role)
		return
	}
	os.Exit(m.Run())
}

// program is a program that listens.
func program(role string) {
	fmt.Println("program begins")
	switch role {
	case "exit":
		fmt.Fprintln(os.Stderr, "cannot find my data")
		os.Exit(4)
	case "silent":
		time.Sleep(time.Minute)
	}
	network, address := "unix", os.Getenv("FRINGE_SOCKET")
	if role == "port" {
		network, address = "tcp", "127.0.0.1:"+os.Getenv("PORT")
		if os.Getenv("PORT") == "" {
			os.Exit(1)
		}
	}
	l, err := net.Listen(network, address)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	http.Serve(l, http.HandlerFunc(answer))
}

func answer(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/echo", "/":
		if r.ContentLength >= 0 {
			w.Header().Set("Content-Length", strconv.FormatInt(r.ContentLength, 10))
		}
		w.Header().Set("X-Method", r.Method)
		http.NewResponseController(w).EnableFullDuplex()
		io.Copy(w, r.Body)
	case "/count":
		n, err := io.Copy(io.Discard, r.Body)
		fmt.Fprint(w, n, err)
	case "/request":
		r.Write(w)
	case "/early":
		http.NewResponseController(w).EnableFullDuplex()
		w.WriteHeader(413)
		io.WriteString(w, "enough")
	case "/sleep":
		fmt.Println("asleep")
		time.Sleep(time.Minute)
	case "/die":
		os.Exit(7)
	case "/print":
		fmt.Println("printed", r.URL.RawQuery)
	case "/hop":
		w.Header().Set("Connection", "X-Hop")
		w.Header().Set("X-Hop", "1")
		w.Header().Set("Keep-Alive", "9")
		w.Header()["X-Many"] = []string{"1", "2"}
	case "/fail":
		http.Error(w, "no good", http.StatusTeapot)
	case "/hints":
		w.Header().Set("Link", "</x>")
		w.WriteHeader(http.StatusEarlyHints)
		w.WriteHeader(http.StatusContinue)
		io.WriteString(w, "final")
	case "/trailer":
		w.Header().Set("Trailer", "X-Sum")
		io.WriteString(w, "body")
		w.(http.Flusher).Flush()
		w.Header().Set("X-Sum", "1")
	case "/empty":
		w.WriteHeader(http.StatusNoContent)
	}
}

func startHTTP(t testing.TB, role string, network bool) (*contract.HTTP, error) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if role == "silent" {
		ctx, cancel = context.WithTimeout(ctx, 300*time.Millisecond)
		defer cancel()
	}
	h, err := contract.StartHTTP(ctx, contracttest.Driver{}, fringe.Spec{ID: "test", Argv: []string{self}, Env: []string{"CONTRACT_PROGRAM=" + role},
		Dir: "/", Scratch: t.TempDir(), Network: network})
	if err == nil {
		t.Cleanup(func() {
			if err := h.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	return h, err
}

func mustHTTP(t testing.TB) *contract.HTTP {
	t.Helper()
	h, err := startHTTP(t, "socket", false)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func TestHTTP(t *testing.T) {
	h := mustHTTP(t)
	for _, n := range []int{0, 1, 1000, 8 << 10, 64 << 10, 64<<10 + 1, 3<<20 + 7} {
		for _, known := range []bool{true, false} {
			b := random(n)
			c := rawCall("POST", "/echo", b, 0)
			if !known {
				c.Length = -1
			}
			res, body, err := invoke(t, h, c)
			if err != nil || res.Status != 200 || sha256.Sum256([]byte(body)) != sha256.Sum256(b) {
				t.Errorf("echo of %d bytes (length known: %v): %+v, %d bytes, %v", n, known, res, len(body), err)
			}
			if known && res.Header.Get("Content-Length") != strconv.Itoa(n) {
				t.Errorf("header %v", res.Header)
			}
		}
	}
	res, body, err := invoke(t, h, rawCall("HEAD", "/echo", nil, 0))
	if err != nil || body != "" || res.Header.Get("X-Method") != "HEAD" {
		t.Errorf("HEAD = %+v, %q, %v", res, body, err)
	}
	if res, body, err := invoke(t, h, rawCall("GET", "/hints", nil, 0)); err != nil || res.Status != 200 || body != "final" {
		t.Errorf("answer after 103 = %+v, %q, %v", res, body, err)
	}
	if res, body, err := invoke(t, h, rawCall("GET", "/trailer", nil, 0)); err != nil || body != "body" || res.Header.Get("Trailer") != "" {
		t.Errorf("answer with a trailer = %+v, %q, %v", res, body, err)
	}
	if res, body, err := invoke(t, h, rawCall("DELETE", "/empty", nil, 0)); err != nil || res.Status != 204 || body != "" {
		t.Errorf("204 = %+v, %q, %v", res, body, err)
	}
	if res, body, err := invoke(t, h, rawCall("GET", "/fail", nil, 0)); err != nil || res.Status != 418 || res.Failed || body != "no good\n" {
		t.Errorf("a raw answer passes as it is: %+v, %q, %v", res, body, err)
	}
	big := rawCall("POST", "/count", nil, 200<<20)
	big.Body = io.LimitReader(zeros{}, 200<<20)
	if _, body, err := invoke(t, h, big); err != nil || body != "209715200 <nil>" {
		t.Errorf("count = %q, %v", body, err)
	}
}

func TestHTTPRequest(t *testing.T) {
	h := mustHTTP(t)
	c := rawCall("POST", "/request?q=a b", []byte("body"), 0)
	c.ID, c.Dir = "01J", "/calls/01J"
	c.Header = http.Header{"Connection": {"close, X-Gone"}, "X-Gone": {"1"}, "Te": {"trailers"}, "Upgrade": {"websocket"}, "Expect": {"100-continue"},
		"Traceparent": {"00-1-2-03"}, "X-Forwarded-For": {"1.2.3.4"}, "Content-Type": {"a/b"}, "X-Call-Id": {"forged"}, "Content-Length": {"99"}, "Host": {"site.example:80"}}
	_, body, err := invoke(t, h, c)
	if err != nil {
		t.Fatal(err)
	}
	r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(body)))
	if err != nil {
		t.Fatalf("%q: %v", body, err)
	}
	for name, want := range map[string]string{"Connection": "", "X-Gone": "", "Te": "", "Upgrade": "", "Expect": "", "Traceparent": "00-1-2-03",
		"X-Forwarded-For": "1.2.3.4", "Content-Type": "a/b", "X-Call-Id": "01J", "X-Fringe-Dir": "/calls/01J", "Content-Length": "4"} {
		if got := r.Header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if r.URL.RawQuery != "q=a%20b" || r.Host != "site.example:80" {
		t.Errorf("target %q of %q", r.URL, r.Host)
	}
	for name, c := range map[string]*fringe.Call{
		"method":  rawCall("GE T", "/", nil, 0),
		"connect": rawCall("CONNECT", "/", nil, 0),
		"name":    {Method: "GET", Path: "/", Header: http.Header{"A B": {"x"}}},
		"value":   {Method: "GET", Path: "/", Header: http.Header{"A": {"x\r\nB: y"}}},
		"body":    {Method: "POST", Path: "/", Body: strings.NewReader("short"), Length: 10},
	} {
		if _, err := h.Invoke(t.Context(), c); fringe.KindOf(err) != fringe.Invalid {
			t.Errorf("%s: %v, want Invalid", name, err)
		}
	}
	for target, want := range map[string]string{"/a b\r\nX: y": "/a%20b%0D%0AX:%20y", "": "/", "/a%2Fb;c": "/a%2Fb;c", "/ä": "/%C3%A4"} {
		c := rawCall("GET", "/", nil, 0)
		c.Path = target
		if got := seen(t, c); !strings.HasPrefix(got, "GET "+want+" HTTP/1.1\r\n") {
			t.Errorf("path %q was sent as %q", target, got)
		}
	}
}

// seen gives the request as a program sees it.
func seen(t *testing.T, c *fringe.Call) string {
	t.Helper()
	got := make(chan string, 1)
	h := listening(t, func(conn net.Conn) {
		b := make([]byte, 4096)
		n, _ := conn.Read(b)
		got <- string(b[:n])
		io.WriteString(conn, "HTTP/1.1 204 No Content\r\n\r\n")
	})
	invoke(t, h, c)
	return <-got
}

func TestHTTPHopHeaders(t *testing.T) {
	h := mustHTTP(t)
	res, _, _ := invoke(t, h, rawCall("GET", "/hop", nil, 0))
	for _, name := range []string{"Connection", "X-Hop", "Keep-Alive"} {
		if res.Header.Get(name) != "" {
			t.Errorf("%s: %q was passed on", name, res.Header.Get(name))
		}
	}
	if fmt.Sprint(res.Header["X-Many"]) != "[1 2]" {
		t.Errorf("X-Many: %q", res.Header["X-Many"])
	}
}

func TestHTTPTyped(t *testing.T) {
	h := mustHTTP(t)
	res, body, err := invoke(t, h, &fringe.Call{Inputs: []byte(`{"a":1}`)})
	if err != nil || res.Failed || body != `{"a":1}` || res.Header.Get("X-Method") != "POST" {
		t.Errorf("typed call = %+v, %q, %v", res, body, err)
	}
}

func TestHTTPEarlyAnswer(t *testing.T) {
	h := mustHTTP(t)
	for _, length := range []int64{50 << 20, -1} {
		c := rawCall("POST", "/early", nil, length)
		c.Body = io.LimitReader(zeros{}, 50<<20)
		if res, body, err := invoke(t, h, c); err != nil || res.Status != 413 || body != "enough" {
			t.Errorf("answer %+v, %q, %v", res, body, err)
		}
	}
	r, w := io.Pipe()
	defer w.Close()
	c := rawCall("POST", "/early", nil, -1)
	c.Body = r
	if res, _, err := invoke(t, h, c); err != nil || res.Status != 413 {
		t.Errorf("answer to a slow client = %+v, %v", res, err)
	}
	c = rawCall("POST", "/count", nil, 10<<20)
	c.Body = io.MultiReader(bytes.NewReader(random(1<<20)), failing{})
	if _, err := h.Invoke(t.Context(), c); fringe.KindOf(err) != fringe.Invalid {
		t.Errorf("cut body = %v, want Invalid", err)
	}
}

func TestHTTPPort(t *testing.T) {
	h, err := startHTTP(t, "port", true)
	if err != nil {
		t.Fatal(err)
	}
	if _, body, err := invoke(t, h, rawCall("POST", "/echo", []byte("x"), 0)); err != nil || body != "x" {
		t.Errorf("echo = %q, %v", body, err)
	}
}

func TestHTTPStartFails(t *testing.T) {
	for role, want := range map[string]string{
		"exit":   "exited with code 4 before it listened; the last it wrote: program begins\ncannot find my data",
		"silent": "did not listen on its socket $FRINGE_SOCKET (/run/fringe/http.sock) in time; the last it wrote: program begins",
		"port":   "exited with code 1 before it listened", // no PORT without network
	} {
		_, err := startHTTP(t, role, false)
		var e *fringe.Error
		if !errors.As(err, &e) || e.Component != fringe.Start || !strings.Contains(e.Message, want) {
			t.Errorf("%s: %+v, want %q", role, err, want)
		}
	}
}

func TestHTTPCrash(t *testing.T) {
	h := mustHTTP(t)
	_, err := h.Invoke(t.Context(), rawCall("POST", "/die", nil, 0))
	if err == nil || !strings.Contains(err.Error(), "exited with code 7 while it handled the call") {
		t.Errorf("Invoke() = %v", err)
	}
	<-h.Done()
	if _, err := h.Invoke(t.Context(), rawCall("GET", "/echo", nil, 0)); !undelivered(err) {
		t.Errorf("Invoke() of a dead program = %v", err)
	}
}

func TestHTTPCancel(t *testing.T) {
	h := mustHTTP(t)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	begin := time.Now()
	if _, err := h.Invoke(ctx, rawCall("GET", "/sleep", nil, 0)); err != context.DeadlineExceeded || time.Since(begin) > 5*time.Second {
		t.Errorf("Invoke() = %v after %v", err, time.Since(begin))
	}
	if _, body, err := invoke(t, h, rawCall("POST", "/echo", []byte("x"), 0)); err != nil || body != "x" {
		t.Errorf("the instance stays: %q, %v", body, err)
	}
}

func TestHTTPLog(t *testing.T) {
	h := mustHTTP(t)
	for n := range 20 {
		c, l := rawCall("GET", fmt.Sprint("/print?", n), nil, 0), &log{}
		c.Log = l
		invoke(t, h, c)
		if want := fmt.Sprintf("printed %d\n", n); l.String() != want && l.String() != "program begins\n"+want {
			t.Errorf("log %q, want %q", l, want)
		}
	}
}

func TestHTTPConcurrency(t *testing.T) {
	h := mustHTTP(t)
	var wg sync.WaitGroup
	for g := range 50 {
		wg.Go(func() {
			for n := range 40 {
				b := random(100 + 3001*((g+n)%40))
				_, body, err := invoke(t, h, rawCall("POST", "/echo", b, 0))
				if err != nil || body != string(b) {
					t.Errorf("echo of %d bytes: %d, %v", len(b), len(body), err)
				}
			}
		})
	}
	wg.Wait()
}

// served is an instance whose socket is served in this process.
type served struct {
	dial func() (net.Conn, error)
	gone chan struct{}
	once sync.Once
}

func (s *served) ID() fringe.InstanceID { return "served" }

func (s *served) Wait(ctx context.Context) (fringe.Exit, error) {
	select {
	case <-s.gone:
		return fringe.Exit{Cause: fringe.Stopped}, nil
	case <-ctx.Done():
		return fringe.Exit{}, ctx.Err()
	}
}

func (s *served) Stop(context.Context, time.Duration) error {
	s.once.Do(func() { close(s.gone) })
	return nil
}

func (s *served) Dial(context.Context, string) (net.Conn, error) { return s.dial() }

// listening gives an HTTP whose connections are handled by f.
func listening(t testing.TB, f func(net.Conn)) *contract.HTTP {
	t.Helper()
	l, err := net.Listen("unix", filepath.Join(t.TempDir(), "s"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				f(conn)
			}()
		}
	}()
	s := &served{gone: make(chan struct{}), dial: func() (net.Conn, error) { return net.Dial("unix", l.Addr().String()) }}
	h, err := contract.NewHTTP(t.Context(), s, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.Close() })
	return h
}

// saying gives an HTTP that answers each connection's first request with text.
func saying(t testing.TB, text string) *contract.HTTP {
	return listening(t, func(conn net.Conn) {
		if _, err := http.ReadRequest(bufio.NewReader(conn)); err == nil {
			io.WriteString(conn, text)
		}
	})
}

func TestHTTPAnswers(t *testing.T) {
	for name, c := range map[string]struct {
		say    string
		status int
		body   string
		fails  bool // of the body
	}{
		"length":           {"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", 200, "abc", false},
		"lower case":       {"HTTP/1.1 200 OK\r\ncontent-length:3\r\n\r\nabc", 200, "abc", false},
		"no reason":        {"HTTP/1.1 201\r\nContent-Length: 0\r\n\r\n", 201, "", false},
		"bare lines":       {"HTTP/1.1 200 OK\nContent-Length: 3\n\nabc", 200, "abc", false},
		"until close":      {"HTTP/1.0 200 OK\r\n\r\nabc", 200, "abc", false},
		"same length":      {"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc", 200, "abc", false},
		"chunks":           {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n10;x=y\r\n0123456789abcdef\r\n0\r\n\r\n", 200, "abc0123456789abcdef", false},
		"chunks, trailer":  {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX: y\r\n\r\n", 200, "abc", false},
		"no chunk":         {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 200, "", false},
		"both":             {"HTTP/1.1 200 OK\r\nContent-Length: 9\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", 200, "abc", false},
		"304":              {"HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", 304, "", false},
		"interim":          {"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na", 200, "a", false},
		"short":            {"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\nabc", 200, "abc", true},
		"short chunk":      {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nabc", 200, "abc", true},
		"no last chunk":    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", 200, "abc", true},
		"bad size":         {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-3\r\nabc\r\n", 200, "", true},
		"huge size":        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff1\r\nabc\r\n", 200, "", true},
		"bad chunk end":    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcdef\r\n0\r\n\r\n", 200, "abc", true},
		"long extension":   {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;" + strings.Repeat("x", 10000) + "\r\nabc\r\n0\r\n\r\n", 200, "", true},
		"endless trailer":  {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n" + strings.Repeat("X: y\r\n", 100000), 200, "", true},
		"nothing":          {"", 0, "", false},
		"no HTTP":          {"SSH-2.0-OpenSSH\r\n\r\n", 0, "", false},
		"a letter":         {"H", 0, "", false},
		"other version":    {"HTTP/2.0 200 OK\r\n\r\n", 0, "", false},
		"status":           {"HTTP/1.1 2x0 OK\r\n\r\n", 0, "", false},
		"status 999":       {"HTTP/1.1 999 OK\r\n\r\n", 0, "", false},
		"four digits":      {"HTTP/1.1 2000 OK\r\n\r\n", 0, "", false},
		"upgrade":          {"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n", 0, "", false},
		"only interim":     {strings.Repeat("HTTP/1.1 100 Continue\r\n\r\n", 1000), 0, "", false},
		"no colon":         {"HTTP/1.1 200 OK\r\nabc\r\n\r\n", 0, "", false},
		"space in name":    {"HTTP/1.1 200 OK\r\nContent-Length : 3\r\n\r\nabc", 0, "", false},
		"folded":           {"HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n", 0, "", false},
		"control in value": {"HTTP/1.1 200 OK\r\nA: b\x00c\r\n\r\n", 0, "", false},
		"two lengths":      {"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd", 0, "", false},
		"length +3":        {"HTTP/1.1 200 OK\r\nContent-Length: +3\r\n\r\nabc", 0, "", false},
		"length -1":        {"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\nabc", 0, "", false},
		"encoding":         {"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", 0, "", false},
		"endless head":     {"HTTP/1.1 200 OK\r\n" + strings.Repeat("A: b\r\n", 100000), 0, "", false},
		"cut head":         {"HTTP/1.1 200 OK\r\nContent-Le", 0, "", false},
	} {
		t.Run(name, func(t *testing.T) {
			h := saying(t, c.say)
			res, err := h.Invoke(t.Context(), rawCall("GET", "/", nil, 0))
			if c.status == 0 {
				var e *fringe.Error
				if !errors.As(err, &e) || e.Kind != fringe.Failed || e.Component != fringe.UserCode {
					t.Errorf("Invoke() = %+v, %v, want a failure of the user's code", res, err)
				}
				return
			}
			if err != nil {
				if c.fails {
					return
				}
				t.Fatal(err)
			}
			b, err := io.ReadAll(res.Body)
			res.Body.Close()
			if res.Status != c.status || string(b) != c.body || (err != nil) != c.fails {
				t.Errorf("answer %d %q, %v, want %d %q", res.Status, b, err, c.status, c.body)
			}
		})
	}
}

// TestHTTPStaleConnection closes kept connections between calls, and at the
// moment of the next one.
func TestHTTPStaleConnection(t *testing.T) {
	t.Run("Closed", func(t *testing.T) {
		h := listening(t, func(conn net.Conn) {
			if _, err := http.ReadRequest(bufio.NewReader(conn)); err == nil {
				io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na")
			}
		})
		for range 50 {
			if _, body, err := invoke(t, h, rawCall("POST", "/", []byte("x"), 0)); err != nil || body != "a" {
				t.Fatalf("%q, %v", body, err)
			}
			time.Sleep(time.Millisecond)
		}
	})
	t.Run("ClosedAtTheSameMoment", func(t *testing.T) {
		var requests atomic.Int32
		h := listening(t, func(conn net.Conn) {
			r := bufio.NewReader(conn)
			for n := range 2 {
				if _, err := http.ReadRequest(r); err != nil {
					return
				}
				requests.Add(1)
				if n == 1 {
					return // takes the request and closes
				}
				io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na")
			}
		})
		invoke(t, h, rawCall("GET", "/", nil, 0))
		if _, body, err := invoke(t, h, rawCall("GET", "/", nil, 0)); err != nil || body != "a" || requests.Load() != 3 {
			t.Errorf("GET = %q, %v by %d requests, want it repeated", body, err, requests.Load())
		}
		if _, err := h.Invoke(t.Context(), rawCall("POST", "/", []byte("x"), 0)); err == nil || requests.Load() != 4 {
			t.Errorf("POST = %v by %d requests; it may have been begun, and must not be repeated", err, requests.Load())
		}
	})
	t.Run("MoreThanAskedFor", func(t *testing.T) {
		h := saying(t, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\naHTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged")
		for range 3 {
			if _, body, err := invoke(t, h, rawCall("GET", "/", nil, 0)); err != nil || body != "a" {
				t.Errorf("%q, %v", body, err)
			}
		}
	})
}

// FuzzAnswer lets a program say anything.
func FuzzAnswer(f *testing.F) {
	for _, s := range []string{"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
		"HTTP/1.0 200 OK\r\n\r\nabc", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No\n\n", "HTTP/1.1 200 OK\r\nConnection: a,b\r\nA: 1\r\n\r\n"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, said []byte) {
		h := pipes(t, said)
		res, err := h.Invoke(t.Context(), rawCall("GET", "/", nil, 0))
		ours, body := []byte(nil), error(nil)
		if err == nil {
			ours, body = io.ReadAll(res.Body)
			res.Body.Close()
		}
		r := bufio.NewReader(bytes.NewReader(said))
		for {
			theirs, e := http.ReadResponse(r, nil)
			if e != nil {
				return // net/http refuses more and less than we do; nothing to compare
			}
			if theirs.StatusCode < 200 {
				continue
			}
			want, e := io.ReadAll(theirs.Body)
			if err == nil && body == nil && e == nil && (res.Status != theirs.StatusCode || !bytes.Equal(ours, want)) {
				t.Errorf("%q: %d %q, net/http reads %d %q", said, res.Status, ours, theirs.StatusCode, want)
			}
			return
		}
	})
}

// pipes gives an HTTP whose only answer is said.
func pipes(t testing.TB, said []byte) *contract.HTTP {
	s := &served{gone: make(chan struct{})}
	s.dial = func() (net.Conn, error) {
		ours, theirs := net.Pipe()
		go func() {
			defer s.Stop(context.Background(), 0)
			defer theirs.Close()
			if _, err := http.ReadRequest(bufio.NewReader(theirs)); err == nil {
				theirs.Write(said)
			}
		}()
		return ours, nil
	}
	h, err := contract.NewHTTP(t.Context(), s, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.Close() })
	return h
}

// FuzzWorker lets a worker say anything in answer to a call.
func FuzzWorker(f *testing.F) {
	frame := func(kind byte, payload string) string {
		return string([]byte{byte(len(payload)), byte(len(payload) >> 8), 0, 0, kind}) + payload
	}
	for _, s := range []string{frame('A', `{}`), frame('F', `{"type":"E"}`), frame('O', "x") + frame('A', "{}"), "\xff\xff\xff\xffA", "\xff\xff\xff\x7fB",
		frame('S', "\x1d\x00\x00\x00"+`{"status":200,"headers":[]}ab`), frame('H', `{"status":200}`) + frame('B', "abc") + frame('E', ""), frame('Z', "")} {
		f.Add([]byte(s), false)
		f.Add([]byte(s), true)
	}
	f.Fuzz(func(t *testing.T, said []byte, raw bool) {
		ours, theirs := net.Pipe()
		s := &served{gone: make(chan struct{})}
		go func() {
			defer theirs.Close()
			defer s.Stop(context.Background(), 0)
			go io.Copy(io.Discard, theirs)
			io.WriteString(theirs, frame('Y', "{}"))
			theirs.Write(said)
		}()
		w, err := contract.NewWorker(t.Context(), s, ours, contract.Load{Raw: raw})
		if err != nil {
			return
		}
		defer w.Close()
		c := &fringe.Call{Function: &fringe.Function{}, Inputs: []byte("{}")}
		if raw {
			c.Inputs = nil
		}
		if res, err := w.Invoke(t.Context(), c); err == nil {
			io.Copy(io.Discard, res.Body)
			res.Body.Close()
		}
	})
}
