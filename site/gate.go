package site

import (
	"context"
	"fmt"
	"sync"
	"time"

	"fringe"
)

// gate admits tasks to the machine: as many as its cores and memory hold, the
// others in the order of their coming in a bounded queue.
type gate struct {
	cpu    float64 // cores of the site
	memory int64   // bytes of the site
	length int     // tasks that may wait

	mu         sync.Mutex // guards all below
	freeCPU    float64
	freeMemory int64
	waiting    []*ticket
	running    int
	mean       time.Duration // moving mean of how long an admitted task holds its place
}

type ticket struct {
	cpu      float64
	memory   int64
	admitted chan struct{}
}

func newGate(cpu float64, memory int64, length int) *gate {
	return &gate{cpu: cpu, memory: memory, length: length, freeCPU: cpu, freeMemory: memory}
}

// fits says whether limits can ever be admitted here.
func (g *gate) fits(l fringe.Limits) error {
	if l.CPU > g.cpu {
		return fringe.Errorf("site.gate", fringe.Invalid, "the function needs %g cores; this site has %g", l.CPU, g.cpu)
	}
	if l.Memory > g.memory {
		return fringe.Errorf("site.gate", fringe.Invalid, "the function needs %d MiB of memory; this site gives at most %d MiB",
			l.Memory>>20, g.memory>>20)
	}
	return nil
}

// reserve takes a place in the queue or fails with Busy. The place must be
// given to wait.
func (g *gate) reserve(l fringe.Limits) (*ticket, error) {
	t := &ticket{cpu: l.CPU, memory: l.Memory, admitted: make(chan struct{})}
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.waiting) >= g.length {
		after := g.mean * time.Duration(len(g.waiting)+1) / time.Duration(max(1, g.running))
		return nil, &fringe.Error{Op: "site.gate", Kind: fringe.Busy, Component: fringe.Engine,
			Message:    fmt.Sprintf("the site is full: %d tasks run and %d wait", g.running, len(g.waiting)),
			Cure:       "send the same call again after the time in Retry-After",
			RetryAfter: min(max(after, time.Second), 5*time.Minute)}
	}
	g.waiting = append(g.waiting, t)
	g.admit()
	return t, nil
}

// wait blocks until t is admitted; the caller then calls the release once.
func (g *gate) wait(ctx context.Context, t *ticket) (release func(), err error) {
	select {
	case <-t.admitted:
	case <-ctx.Done():
		if g.leave(t) {
			return nil, ctx.Err()
		}
	}
	begin := time.Now()
	return sync.OnceFunc(func() { g.release(t, time.Since(begin)) }), nil
}

// leave takes t out of the queue; false when it was admitted already.
func (g *gate) leave(t *ticket) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	for i, w := range g.waiting {
		if w == t {
			g.waiting = append(g.waiting[:i], g.waiting[i+1:]...)
			g.admit()
			return true
		}
	}
	return false
}

func (g *gate) release(t *ticket, held time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.freeCPU += t.cpu
	g.freeMemory += t.memory
	g.running--
	if g.mean == 0 {
		g.mean = held
	}
	g.mean += (held - g.mean) / 8
	g.admit()
}

// admit lets in from the head of the queue all that fit. g.mu is held.
func (g *gate) admit() {
	for len(g.waiting) > 0 {
		t := g.waiting[0]
		if t.cpu > g.freeCPU+1e-9 || t.memory > g.freeMemory {
			return
		}
		g.waiting = g.waiting[1:]
		g.freeCPU -= t.cpu
		g.freeMemory -= t.memory
		g.running++
		close(t.admitted)
	}
}

// queued tells how many tasks wait and run.
func (g *gate) queued() (waiting, running int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.waiting), g.running
}
