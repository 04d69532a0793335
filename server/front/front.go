// Package front serves ordinary HTTP/1.1 requests in the goroutine that reads
// them, one read and one write for each, and leaves every other connection to
// net/http.
//
// A request is ordinary when parse says so: anything that is rare, odd or
// wrong is not. At the first that is not, its connection goes to an
// http.Server for the rest of its life, with the bytes that were read; so all
// questions of framing and smuggling are net/http's. A connection also goes
// there in the middle of a request when the answer turns out to be long, to be
// flushed, or to need more than a status, headers and a body: the handler goes
// on and writes to net/http's ResponseWriter.
//
// A handler and a client see what they would see of net/http alone: the
// request, its context, which ends when the client leaves, the answer, and the
// timeouts. Only http.Hijacker is not there, as with HTTP/2.
//
// The package stores nothing. Room server makes it, runs it and shuts it down.
package front

import (
	"context"
	"errors"
	"log"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

const newConnection = 5 * time.Second // that has sent nothing is not idle for so long

// Server serves one listener.
type Server struct {
	http    *http.Server // serves what is not ordinary
	handler http.Handler
	late    *late
	quick   sync.WaitGroup // connections that are served here
	watcher watcher
	date    atomic.Pointer[date]
	forced  chan struct{} // closed by Close
	force   sync.Once

	mu       sync.Mutex // guards the rest
	conns    map[*conn]struct{}
	listener net.Listener
	draining atomic.Bool // written with mu held
}

// New gives a server that answers as h does: with its Handler, its
// ReadHeaderTimeout, its IdleTimeout and its ErrorLog, all of which must be
// set. h is the server's from here on; other fields of it are not looked at for
// ordinary requests.
func New(h *http.Server) *Server {
	s := &Server{http: h, handler: h.Handler, late: newLate(), conns: map[*conn]struct{}{}, forced: make(chan struct{}),
		watcher: watcher{wake: make(chan struct{}, 1)}}
	h.Handler = carrier{s.handler}
	h.ConnContext = func(ctx context.Context, c net.Conn) context.Context { return context.WithValue(ctx, handedKey{}, c) }
	return s
}

// Serve serves the connections of l until Shutdown or Close, and then gives
// http.ErrServerClosed.
func (s *Server) Serve(l net.Listener) error {
	s.mu.Lock()
	s.listener = l
	closed := s.draining.Load()
	s.mu.Unlock()
	if closed {
		l.Close()
		return http.ErrServerClosed
	}
	var own sync.WaitGroup
	defer own.Wait()
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	own.Go(func() { s.http.Serve(s.late) })
	own.Go(func() { s.watcher.run(ctx, s) })
	for delay := time.Duration(0); ; {
		nc, err := l.Accept()
		if err == nil {
			delay = 0
			s.accept(nc)
			continue
		}
		if s.draining.Load() {
			s.rest()
			return http.ErrServerClosed
		}
		if passing := (interface{ Temporary() bool })(nil); !errors.As(err, &passing) || !passing.Temporary() {
			s.Close()
			return err
		}
		delay = min(max(2*delay, 5*time.Millisecond), time.Second)
		s.log().Printf("http: Accept error: %v; retrying in %v", err, delay)
		select {
		case <-time.After(delay):
		case <-s.forced:
		}
	}
}

func (s *Server) accept(nc net.Conn) {
	tcp, ok := nc.(*net.TCPConn)
	if !ok {
		s.late.hand(&handed{Conn: nc, closed: make(chan struct{})})
		return
	}
	c := newConn(s, tcp)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.draining.Load() {
		tcp.Close()
		return
	}
	s.conns[c] = struct{}{}
	s.quick.Go(func() {
		c.serve()
		s.mu.Lock()
		delete(s.conns, c)
		s.mu.Unlock()
	})
}

func (s *Server) log() *log.Logger { return s.http.ErrorLog }

// rest waits for the requests under way, or Close.
func (s *Server) rest() {
	select {
	case <-s.quiet():
	case <-s.forced:
	}
}

// quiet gives a channel that is closed when no connection is served here.
func (s *Server) quiet() <-chan struct{} {
	quiet := make(chan struct{})
	go func() { s.quick.Wait(); close(quiet) }()
	return quiet
}

// Shutdown takes no more connections, closes those that are idle, and waits
// until the requests under way are answered, or ctx ends.
func (s *Server) Shutdown(ctx context.Context) error {
	s.stopListening()
	s.http.SetKeepAlivesEnabled(false)
	quiet := s.quiet()
	timer := time.NewTicker(10 * time.Millisecond)
	defer timer.Stop()
	for {
		s.closeIdle()
		select {
		case <-quiet:
			return s.http.Shutdown(ctx)
		case <-ctx.Done():
			return ctx.Err()
		case <-timer.C:
		}
	}
}

func (s *Server) stopListening() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.draining.Store(true)
	if s.listener != nil {
		s.listener.Close()
	}
}

func (s *Server) closeIdle() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		if c.state.CompareAndSwap(idle, closed) || time.Since(c.began) > newConnection && c.state.CompareAndSwap(fresh, closed) {
			c.tcp.Close()
		}
	}
}

// Close ends everything at once: requests under way lose their connection.
func (s *Server) Close() error {
	s.stopListening()
	s.force.Do(func() { close(s.forced) })
	s.mu.Lock()
	for c := range s.conns {
		c.state.Store(closed)
		c.tcp.Close()
		c.abandon()
	}
	s.mu.Unlock()
	return s.http.Close()
}

// date is the time of an answer, which changes once in a second.
type date struct {
	second int64
	text   string
}

func (s *Server) now() string {
	t := time.Now()
	if d := s.date.Load(); d != nil && d.second == t.Unix() {
		return d.text
	}
	d := &date{t.Unix(), t.UTC().Format(http.TimeFormat)}
	s.date.Store(d)
	return d.text
}
