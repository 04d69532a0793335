package front

import (
	"context"
	"net"
	"net/http"
	"runtime"
	"sync/atomic"
	"time"
)

// The states of a connection. Between fresh, idle and active it is moved by
// the goroutine that serves it; who closes it moves it to closed.
const (
	fresh  int32 = iota // nothing came
	idle                // between two requests
	active              // a request is read, handled or answered
	closed
)

const (
	firstBuffer = 4 << 10
	keptBuffer  = 16 << 10    // a longer one is not kept for the next request
	slack       = time.Second // by which an idle connection may live longer, so that few deadlines are set
	atLeast     = 4           // bytes without which a further request has not begun, as net/http has it
)

// conn is a connection that has had ordinary requests only.
type conn struct {
	server *Server
	tcp    *net.TCPConn
	base   context.Context // of its requests
	remote string
	began  time.Time
	state  atomic.Int32

	buf   []byte
	r, w  int       // what was read and not yet served is buf[r:w]; a request stays there until it is answered
	until time.Time // the read deadline; zero: none, or not known
	out   []byte    // the head of the answer under way
	body  []byte    // its body

	watch
}

func newConn(s *Server, tcp *net.TCPConn) *conn {
	base := context.WithValue(context.WithValue(context.Background(), http.ServerContextKey, s.http), http.LocalAddrContextKey, tcp.LocalAddr())
	return &conn{server: s, tcp: tcp, base: base, remote: tcp.RemoteAddr().String(), began: time.Now(), buf: make([]byte, firstBuffer)}
}

// serve serves requests until the connection ends or is handed over.
func (c *conn) serve() {
	h := c.server.http
	for wait, least, post := h.ReadHeaderTimeout, 1, false; ; {
		if !c.next(wait, least) {
			c.tcp.Close()
			return
		}
		if post && c.skip() {
			continue
		}
		request, ok := parse(c.buf[c.r:c.w])
		if !ok || !c.whole(request.size+request.length) {
			c.handOver(nil)
			return
		}
		if !c.exchange(request) {
			return
		}
		wait, least, post = h.IdleTimeout, atLeast, request.method == http.MethodPost
	}
}

// next waits for the first bytes of a request, so many at least; false when
// they do not come.
func (c *conn) next(wait time.Duration, least int) bool {
	if c.w-c.r >= least {
		return c.state.Load() == active
	}
	c.state.CompareAndSwap(active, idle)
	c.tidy(least)
	if left := time.Until(c.until); left < wait || left > wait+slack {
		c.limit(time.Now().Add(wait + slack))
	}
	for c.w-c.r < least {
		n, err := c.tcp.Read(c.buf[c.w:])
		c.w += n
		if err != nil {
			return false
		}
	}
	return c.state.CompareAndSwap(idle, active) || c.state.CompareAndSwap(fresh, active)
}

// tidy makes room for n bytes of a request, and gives a long buffer back when
// it is empty.
func (c *conn) tidy(n int) {
	if c.r == c.w {
		c.r, c.w = 0, 0
	}
	if c.r+n <= len(c.buf) && (c.w > 0 || len(c.buf) <= keptBuffer) {
		return
	}
	b := make([]byte, max(n, firstBuffer))
	c.w = copy(b, c.buf[c.r:c.w])
	c.buf, c.r = b, 0
}

func (c *conn) limit(t time.Time) {
	c.until = t
	c.tcp.SetReadDeadline(t)
}

// skip drops the line ends that old clients send after the body of a POST, and
// says whether nothing is left.
func (c *conn) skip() bool {
	for n := 0; n < atLeast && c.r < c.w && (c.buf[c.r] == '\r' || c.buf[c.r] == '\n'); n++ {
		c.r++
	}
	return c.r == c.w
}

// whole reads until the request of n bytes is there; false when it does not
// come in time.
func (c *conn) whole(n int) bool {
	if c.w-c.r >= n {
		return true
	}
	c.tidy(n)
	c.limit(time.Now().Add(c.server.http.ReadHeaderTimeout))
	for c.w-c.r < n {
		m, err := c.tcp.Read(c.buf[c.w:])
		c.w += m
		if err != nil {
			return c.w-c.r >= n
		}
	}
	return true
}

// exchange has the request handled and answers it; false when the connection
// is not to be read from any more.
func (c *conn) exchange(h *head) bool {
	ctx, cancel := context.WithCancel(c.base)
	defer cancel()
	x := &exchange{conn: c, cancel: cancel, header: http.Header{}, length: -1}
	r := &http.Request{Method: h.method, URL: h.url, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: h.header, Body: http.NoBody,
		ContentLength: int64(h.length), Host: h.host, RemoteAddr: c.remote, RequestURI: h.target}
	if h.length > 0 {
		x.request.rest = c.buf[c.r+h.size : c.r+h.size+h.length]
		r.Body = &x.request
	}
	c.out, c.body = c.out[:0], c.body[:0]
	c.begin(cancel)
	r = r.WithContext(ctx)
	whole := x.handle(r)
	cancel()
	x.request.Close()
	if r.MultipartForm != nil {
		r.MultipartForm.RemoveAll()
	}
	if whole && x.over == nil {
		whole = x.finish()
	}
	if x.over != nil { // the connection is net/http's
		x.end(whole)
		return false
	}
	c.halt()
	c.r += h.size + h.length
	return c.after(whole)
}

// after makes the connection ready for the next request, or closes it.
func (c *conn) after(whole bool) bool {
	if cap(c.body) > keptBuffer {
		c.out, c.body = nil, nil
	}
	if whole && !c.server.draining.Load() {
		return true
	}
	c.tcp.Close()
	return false
}

// handle calls the handler; false when it panicked.
func (x *exchange) handle(r *http.Request) (whole bool) {
	defer func() {
		if err := recover(); err != nil {
			whole = false
			if err != http.ErrAbortHandler {
				stack := make([]byte, 64<<10)
				stack = stack[:runtime.Stack(stack, false)]
				x.conn.server.log().Printf("http: panic serving %v: %v\n%s", x.conn.remote, err, stack)
			}
		}
	}()
	x.conn.server.handler.ServeHTTP(x, r)
	return true
}
