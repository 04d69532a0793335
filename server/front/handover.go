package front

import (
	"context"
	"io"
	"maps"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"
)

// late is a listener whose connections were accepted before.
type late struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func newLate() *late { return &late{conns: make(chan net.Conn), done: make(chan struct{})} }

// hand gives a connection to who accepts; one that nobody accepts any more is
// closed.
func (l *late) hand(c net.Conn) {
	select {
	case l.conns <- c:
	case <-l.done:
		c.Close()
	}
}

// Accept implements net.Listener.
func (l *late) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (l *late) Close() error {
	l.once.Do(func() { close(l.done) })
	return nil
}

// Addr implements net.Listener.
func (l *late) Addr() net.Addr { return &net.TCPAddr{} }

// handed is a connection that net/http serves from some byte on.
type handed struct {
	net.Conn
	read    []byte    // what was read of it before
	pending *exchange // whose handler waits for net/http's ResponseWriter; nil: none

	once   sync.Once
	closed chan struct{}
}

type handedKey struct{}

// Read implements io.Reader.
func (k *handed) Read(p []byte) (int, error) {
	if len(k.read) == 0 {
		return k.Conn.Read(p)
	}
	n := copy(p, k.read)
	k.read = k.read[n:]
	return n, nil
}

// ReadFrom implements io.ReaderFrom, by which files are sent.
func (k *handed) ReadFrom(r io.Reader) (int64, error) { return io.Copy(k.Conn, r) }

// Close implements net.Conn.
func (k *handed) Close() error {
	k.once.Do(func() { close(k.closed) })
	return k.Conn.Close()
}

// handOver leaves the connection to net/http, with the request that was read
// last; x is its exchange when its handler has begun.
func (c *conn) handOver(x *exchange) *handed {
	c.limit(time.Time{})
	k := &handed{Conn: c.tcp, read: c.buf[c.r:c.w], pending: x, closed: make(chan struct{})}
	c.server.late.hand(k)
	return k
}

// move leaves the connection to net/http in the middle of the exchange, which
// goes on there with what was written so far.
func (x *exchange) move() {
	if x.over != nil {
		return
	}
	x.conn.halt()
	x.carried, x.left = make(chan http.ResponseWriter, 1), make(chan bool, 1)
	k := x.conn.handOver(x)
	select {
	case x.over = <-x.carried:
	case <-k.closed:
		x.cancel()
		x.over = nowhere{http.Header{}}
	}
	if x.status == 0 {
		return
	}
	h := x.over.Header()
	for _, line := range strings.Split(string(x.conn.out), "\r\n")[1:] {
		if name, value, ok := strings.Cut(line, ": "); ok {
			h[name] = append(h[name], value)
		}
	}
	x.over.WriteHeader(x.status)
	x.over.Write(x.conn.body)
}

// tell gives net/http the headers that the handler has set.
func (x *exchange) tell() {
	h := x.over.Header()
	clear(h)
	maps.Copy(h, x.header)
}

// end lets net/http end the exchange.
func (x *exchange) end(whole bool) {
	x.ended.Store(true)
	x.tell() // trailers, or all
	x.left <- whole
}

// carrier is the handler of net/http: of a connection that was handed over in
// the middle of an exchange it carries the first answer.
type carrier struct{ handler http.Handler }

// ServeHTTP implements http.Handler.
func (h carrier) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	k, _ := r.Context().Value(handedKey{}).(*handed)
	if k == nil || k.pending == nil {
		h.handler.ServeHTTP(w, r)
		return
	}
	x := k.pending
	k.pending = nil
	io.Copy(io.Discard, r.Body) // it was read before; from here on net/http sees when the client leaves
	defer context.AfterFunc(r.Context(), x.cancel)()
	x.carried <- w
	if !<-x.left {
		panic(http.ErrAbortHandler)
	}
}

// nowhere takes an answer that nobody gets.
type nowhere struct{ header http.Header }

// Header implements http.ResponseWriter.
func (n nowhere) Header() http.Header { return n.header }

// WriteHeader implements http.ResponseWriter.
func (nowhere) WriteHeader(int) {}

// Write implements http.ResponseWriter.
func (nowhere) Write([]byte) (int, error) { return 0, net.ErrClosed }
