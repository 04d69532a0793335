package front_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"fringe/server/front"
)

// served is a server under test.
type served struct {
	*front.Server
	addr string
	end  chan error // of Serve
	log  *lines
}

// lines keeps what is logged.
type lines struct {
	mu   sync.Mutex // guards text
	text strings.Builder
}

// Write implements io.Writer.
func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// serve serves the handler until the test ends.
func serve(t testing.TB, handler http.Handler) served {
	t.Helper()
	kept := &lines{}
	s := served{end: make(chan error, 1), log: kept,
		Server: front.New(&http.Server{Handler: handler, ReadHeaderTimeout: 300 * time.Millisecond, IdleTimeout: 600 * time.Millisecond, ErrorLog: log.New(kept, "", 0)})}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.addr = l.Addr().String()
	go func() { s.end <- s.Serve(l) }()
	t.Cleanup(func() {
		s.Close()
		if err := <-s.end; !errors.Is(err, http.ErrServerClosed) {
			t.Errorf("Serve() = %v", err)
		}
	})
	return s
}

// start serves the handler by front and by net/http alone, and gives their
// addresses.
func start(t testing.TB, handler http.Handler) (quick, plain string) {
	t.Helper()
	p := httptest.NewUnstartedServer(handler)
	p.Config.ErrorLog = log.New(io.Discard, "", 0)
	p.Start()
	t.Cleanup(func() {
		p.CloseClientConnections()
		p.Close()
	})
	return serve(t, handler).addr, p.Listener.Addr().String()
}

func dial(t testing.TB, addr string) *net.TCPConn {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(20 * time.Second))
	return c.(*net.TCPConn)
}

// talk sends the bytes, with a pause between the pieces, says that no more
// come, and gives all that is answered.
func talk(t testing.TB, addr string, pieces ...[]byte) []byte {
	t.Helper()
	c := dial(t, addr)
	defer c.Close()
	for n, b := range pieces {
		if n > 0 {
			time.Sleep(5 * time.Millisecond)
		}
		if _, err := c.Write(b); err != nil {
			break // it has answered, and closed
		}
	}
	c.CloseWrite()
	b, err := io.ReadAll(c)
	if err != nil && !errors.Is(err, syscall.ECONNRESET) {
		t.Fatalf("after %q: %v", b, err)
	}
	return b
}

const get = "GET / HTTP/1.1\r\nHost: a\r\n\r\n"

// ask sends a request and reads its answer.
func ask(t testing.TB, c net.Conn, request string) string {
	t.Helper()
	if _, err := io.WriteString(c, request); err != nil {
		t.Fatal(err)
	}
	return answer(t, c)
}

func answer(t testing.TB, c net.Conn) string {
	t.Helper()
	res, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprint(res.StatusCode, " ", string(b))
}

// ended waits until the other end has closed the connection.
func ended(t testing.TB, c net.Conn) time.Duration {
	t.Helper()
	begin := time.Now()
	b, err := io.ReadAll(c)
	if len(b) > 0 || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the connection gives %q, %v, and should end", b, err)
	}
	return time.Since(begin)
}

// A handler whose client leaves is told, whether it is answered here or by
// net/http, and whether the client closes or breaks the connection.
func TestClientLeaves(t *testing.T) {
	begun, told := make(chan bool), make(chan error)
	s := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		if r.URL.Path == "/flushed" {
			http.NewResponseController(w).Flush()
		}
		begun <- true
		<-r.Context().Done()
		told <- context.Cause(r.Context())
	}))
	for name, request := range map[string]string{"Get": get, "Flushed": "GET /flushed HTTP/1.1\r\nHost: a\r\n\r\n",
		"Post": "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi", "Odd": "PUT / HTTP/1.1\r\nHost: a\r\n\r\n"} {
		for how, leave := range map[string]func(*net.TCPConn) error{"closes": (*net.TCPConn).Close, "half": (*net.TCPConn).CloseWrite,
			"breaks": func(c *net.TCPConn) error { c.SetLinger(0); return c.Close() }} {
			t.Run(name+" "+how, func(t *testing.T) {
				c := dial(t, s.addr)
				if _, err := io.WriteString(c, request); err != nil {
					t.Fatal(err)
				}
				<-begun
				leave(c)
				select {
				case err := <-told:
					if err != context.Canceled {
						t.Errorf("the handler was told %v", err)
					}
				case <-time.After(5 * time.Second):
					t.Fatal("the handler was not told")
				}
			})
		}
	}
}

// A client that sends the next request before it has the answer is there, and
// nothing of the request is lost.
func TestPipelinedWhileWatched(t *testing.T) {
	release := make(chan bool)
	s := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			<-release
		}
		fmt.Fprint(w, r.URL.Path, r.Context().Err())
	}))
	for range 3 {
		c := dial(t, s.addr)
		io.WriteString(c, "GET /slow HTTP/1.1\r\nHost: a\r\n\r\n")
		time.Sleep(30 * time.Millisecond) // it is watched
		io.WriteString(c, "GET /next HTTP/1.1\r\nHost: a\r\n\r\n")
		time.Sleep(10 * time.Millisecond)
		release <- true
		r := bufio.NewReader(c)
		for _, want := range []string{"/slow<nil>", "/next<nil>"} {
			res, err := http.ReadResponse(r, nil)
			if err != nil {
				t.Fatal(err)
			}
			if b, err := io.ReadAll(res.Body); string(b) != want || err != nil {
				t.Errorf("the answer is %q, %v, want %q", b, err, want)
			}
		}
	}
}

// The context of a request ends with its answer, and so does its body.
func TestAfterTheAnswer(t *testing.T) {
	kept := make(chan *http.Request, 2)
	writers := make(chan http.ResponseWriter, 2)
	s := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		kept <- r
		writers <- w
		w.Write([]byte(r.Header.Get("Name")))
	}))
	c := dial(t, s.addr)
	post := "POST / HTTP/1.1\r\nHost: a\r\nName: %s\r\nContent-Length: 2\r\n\r\nhi"
	if got := ask(t, c, fmt.Sprintf(post, "first")); got != "200 first" {
		t.Errorf("the answer is %s", got)
	}
	first, w := <-kept, <-writers
	if first.Context().Err() == nil {
		t.Error("the context of an answered request goes on")
	}
	if _, err := first.Body.Read(make([]byte, 2)); err != http.ErrBodyReadAfterClose {
		t.Errorf("the body of an answered request gives %v", err)
	}
	w.Write([]byte("late"))
	w.WriteHeader(500)
	http.NewResponseController(w).Flush()
	if got := ask(t, c, fmt.Sprintf(post, "other")); got != "200 other" {
		t.Errorf("the answer is %s", got)
	}
	if first.Header.Get("Name") != "first" || first.URL.Path != "/" {
		t.Errorf("the first request has become %v", first)
	}
}

// What is silent for too long is closed: before its first request, in the
// middle of a head, and between requests; a slow body is not.
func TestTimeouts(t *testing.T) {
	s := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(r.Body)
		fmt.Fprint(w, len(b), err)
	}))
	within := func(t *testing.T, got, least, most time.Duration) {
		t.Helper()
		if got < least || got > most {
			t.Errorf("the connection ended after %v, want %v to %v", got, least, most)
		}
	}
	t.Run("Silent", func(t *testing.T) {
		t.Parallel()
		within(t, ended(t, dial(t, s.addr)), 200*time.Millisecond, 3*time.Second)
	})
	t.Run("Head", func(t *testing.T) {
		t.Parallel()
		c := dial(t, s.addr)
		stop := time.AfterFunc(4*time.Second, func() { c.Close() })
		defer stop.Stop()
		begin := time.Now()
		for _, b := range []byte(strings.Repeat("GET / HTTP/1.1\r\n", 100)) {
			if _, err := c.Write([]byte{b}); err != nil {
				break
			}
			time.Sleep(20 * time.Millisecond)
		}
		within(t, time.Since(begin), 200*time.Millisecond, 3*time.Second)
	})
	t.Run("Idle", func(t *testing.T) {
		t.Parallel()
		c := dial(t, s.addr)
		ask(t, c, get)
		time.Sleep(400 * time.Millisecond)
		ask(t, c, get)
		within(t, ended(t, c), 500*time.Millisecond, 4*time.Second)
	})
	t.Run("Body", func(t *testing.T) {
		t.Parallel()
		c := dial(t, s.addr)
		io.WriteString(c, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nhi")
		time.Sleep(time.Second)
		if got := ask(t, c, "ho"); got != "200 4 <nil>" {
			t.Errorf("the answer is %s", got)
		}
	})
}

// A stop closes what is idle, lets what is under way end, and takes no more.
func TestShutdown(t *testing.T) {
	begun, release := make(chan bool, 3), make(chan bool)
	s := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/" {
			return
		}
		if r.URL.Path == "/flushed" {
			w.Write([]byte("so far, "))
			http.NewResponseController(w).Flush()
		}
		begun <- true
		<-release
		w.Write([]byte("done"))
	}))
	quiet, odd := dial(t, s.addr), dial(t, s.addr)
	ask(t, quiet, get)
	ask(t, odd, strings.Replace(get, "GET", "PUT", 1))
	under := map[string]net.Conn{"/slow": dial(t, s.addr), "/flushed": dial(t, s.addr)}
	for path, c := range under {
		io.WriteString(c, "GET "+path+" HTTP/1.1\r\nHost: a\r\n\r\n")
		<-begun
	}
	stopped := make(chan error, 1)
	go func() { stopped <- s.Shutdown(t.Context()) }()
	ended(t, quiet)
	ended(t, odd)
	if c, err := net.Dial("tcp", s.addr); err == nil {
		c.Close()
		t.Error("a stopping server takes connections")
	}
	select {
	case err := <-stopped:
		t.Fatalf("Shutdown() = %v with requests under way", err)
	case <-time.After(50 * time.Millisecond):
	}
	close(release)
	for path, want := range map[string]string{"/slow": "200 done", "/flushed": "200 so far, done"} {
		if got := answer(t, under[path]); got != want {
			t.Errorf("%s is answered %q, want %q", path, got, want)
		}
		ended(t, under[path])
	}
	if err := <-stopped; err != nil {
		t.Errorf("Shutdown() = %v", err)
	}
}

// Close ends what is under way.
func TestClose(t *testing.T) {
	begun, told := make(chan bool), make(chan bool)
	s := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == "GET" && r.URL.Path == "/flushed" {
			http.NewResponseController(w).Flush()
		}
		begun <- true
		<-r.Context().Done()
		told <- true
	}))
	for _, request := range []string{get, "GET /flushed HTTP/1.1\r\nHost: a\r\n\r\n", "PUT / HTTP/1.1\r\nHost: a\r\n\r\n"} {
		io.WriteString(dial(t, s.addr), request)
		<-begun
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := s.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Shutdown() = %v", err)
	}
	s.Close()
	for range 3 {
		select {
		case <-told:
		case <-time.After(5 * time.Second):
			t.Fatal("a handler goes on")
		}
	}
}

// A panic costs its connection only, and is logged but for ErrAbortHandler.
func TestPanic(t *testing.T) {
	s := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Has("flush") {
			http.NewResponseController(w).Flush()
		}
		if r.URL.Query().Has("abort") {
			panic(http.ErrAbortHandler)
		}
		panic("a fault")
	}))
	for n, query := range []string{"abort", "abort&flush", "x", "flush"} {
		if got := talk(t, s.addr, []byte("GET /?"+query+" HTTP/1.1\r\nHost: a\r\n\r\n")); strings.HasSuffix(string(got), "0\r\n\r\n") {
			t.Errorf("%s: the client takes %q for a whole answer", query, got)
		}
		if faults := strings.Count(s.log.String(), "a fault"); faults != max(0, n-1) {
			t.Errorf("%s: %d panics were logged:\n%s", query, faults, s.log)
		}
	}
	if text := s.log.String(); !strings.Contains(text, "front_test.go") {
		t.Errorf("the log does not say where:\n%s", text)
	}
}

// Many clients at once get what is theirs, whichever way they are answered.
func TestMany(t *testing.T) {
	var calls atomic.Int64
	s := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n := calls.Add(1)
		b, _ := io.ReadAll(r.Body)
		if n%50 == 0 {
			time.Sleep(20 * time.Millisecond) // it is watched
		}
		if n%70 == 0 {
			http.NewResponseController(w).Flush()
		}
		fmt.Fprintf(w, "%s %s %s", r.URL.Path, r.Header.Get("Name"), b)
	}))
	var all sync.WaitGroup
	for client := range 20 {
		all.Go(func() {
			c, err := net.Dial("tcp", s.addr)
			if err != nil {
				t.Error(err)
				return
			}
			defer c.Close()
			in := bufio.NewReader(c)
			for n := range 200 {
				body := strings.Repeat(fmt.Sprint(client), n*10)
				fmt.Fprintf(c, "POST /%d HTTP/1.1\r\nHost: a\r\nName: %d\r\nContent-Length: %d\r\n\r\n%s", n, client, len(body), body)
				res, err := http.ReadResponse(in, nil)
				if err != nil {
					t.Error(err)
					return
				}
				got, err := io.ReadAll(res.Body)
				if want := fmt.Sprintf("/%d %d %s", n, client, body); err != nil || string(got) != want {
					t.Errorf("%.50q, %v, want %.50q", got, err, want)
					return
				}
			}
		})
	}
	all.Wait()
}

// A file goes out whole, by the kernel where it can.
func TestFile(t *testing.T) {
	data := bytes.Repeat([]byte("0123456789"), 100_000)
	path := t.TempDir() + "/file"
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	s := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { http.ServeFile(w, r, path) }))
	for _, rng := range []string{"", "bytes=5-24", "bytes=10-200000"} {
		req, err := http.NewRequestWithContext(t.Context(), "GET", "http://"+s.addr+"/", nil)
		if err != nil {
			t.Fatal(err)
		}
		want := data
		if rng != "" {
			req.Header.Set("Range", rng)
			var from, to int
			fmt.Sscanf(rng, "bytes=%d-%d", &from, &to)
			want = data[from : to+1]
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		if b, err := io.ReadAll(res.Body); err != nil || !bytes.Equal(b, want) || res.ContentLength != int64(len(want)) {
			t.Errorf("range %q: %d bytes, %v, want %d", rng, len(b), err, len(want))
		}
	}
}
