package front

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

const (
	shortest = 5 * time.Millisecond // between two rounds of the watcher
	share    = 200                  // of the time at least which is not the watcher's
	lazy     = 100                  // rounds without a request, after which the watcher sleeps
)

// watcher has the connections of requests watched that are not answered soon,
// so that a client who leaves is noticed. Most are answered before it looks.
type watcher struct {
	round  atomic.Int64 // begins at 0
	active atomic.Int64 // requests
	asleep atomic.Bool
	wake   chan struct{}
}

// watch is the part of a connection that its watcher and its request share.
type watch struct {
	since atomic.Int64 // the round in which the request began, counted from 1; 0: there is none

	mu     sync.Mutex // guards the rest
	cancel context.CancelFunc
	ended  chan struct{} // closed when the watching ends; nil: it is not watched
	halted bool          // the watching is to end
	early  [1]byte       // what came while it was watched
	came   bool          // of early
	lost   bool          // the client has left
}

// begin lets the request be watched.
func (c *conn) begin(cancel context.CancelFunc) {
	w := &c.server.watcher
	c.cancel = cancel
	c.since.Store(w.round.Load() + 1)
	w.active.Add(1)
	if w.asleep.Load() {
		select {
		case w.wake <- struct{}{}:
		default:
		}
	}
}

// halt ends the watching of the request, and keeps what came meanwhile. It
// does nothing the second time.
func (c *conn) halt() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.since.Load() == 0 {
		return
	}
	c.since.Store(0)
	c.server.watcher.active.Add(-1)
	if c.ended != nil {
		c.halted = true
		c.tcp.SetReadDeadline(time.Unix(1, 0))
		ended := c.ended
		c.mu.Unlock()
		<-ended
		c.mu.Lock()
		c.limit(time.Time{})
		c.ended, c.halted = nil, false
	}
	c.cancel = nil
	if c.came {
		c.came = false
		c.buf = append(c.buf[:c.w], c.early[0])
		c.w = len(c.buf)
		c.buf = c.buf[:cap(c.buf)]
	}
}

// look has the connection watched when its request began before the round.
func (c *conn) look(round int64) {
	if s := c.since.Load(); s == 0 || s >= round {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if s := c.since.Load(); s == 0 || s >= round || c.ended != nil || c.lost {
		return
	}
	c.tcp.SetReadDeadline(time.Time{})
	ended := make(chan struct{})
	c.ended = ended
	go func() {
		defer close(ended)
		n, err := c.tcp.Read(c.early[:])
		c.mu.Lock()
		defer c.mu.Unlock()
		switch {
		case n > 0:
			c.came = true
		case err != nil && !c.halted:
			c.lost = true
			c.cancel()
		}
	}()
}

// abandon ends the request's context.
func (c *conn) abandon() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.since.Load() != 0 {
		c.cancel()
	}
}

// run watches until ctx ends.
func (w *watcher) run(ctx context.Context, s *Server) {
	timer := time.NewTimer(shortest)
	defer timer.Stop()
	quiet := 0
	for {
		select {
		case <-ctx.Done():
			return
		case <-w.wake:
			w.asleep.Store(false)
			quiet = 0
			timer.Reset(shortest)
			continue
		case <-timer.C:
		}
		begin := time.Now()
		if w.active.Load() > 0 {
			quiet = 0
			s.lookAll(w.round.Add(1))
		} else if quiet++; quiet > lazy {
			w.asleep.Store(true)
			if w.active.Load() == 0 {
				continue
			}
			w.asleep.Store(false)
		}
		timer.Reset(max(shortest, share*time.Since(begin)))
	}
}

func (s *Server) lookAll(round int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		c.look(round)
	}
}
