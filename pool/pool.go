// Package pool keeps the warm instances of the site's services: it admits
// calls, joins callers to a start under way, scales within the policy of each
// function version, reaps idle instances and drains.
package pool

import (
	"context"
	"log/slog"
	"time"

	"fringe"
)

// Instance is what the pool keeps: running code that takes calls.
type Instance interface {
	fringe.Invoker
	ID() fringe.InstanceID
	Done() <-chan struct{} // closed when the instance can take no more calls
	Stop(ctx context.Context, grace time.Duration) error
}

// Config says how a pool works. Only Start is needed.
type Config struct {
	// Start gives a ready instance of the function. It is called in a
	// goroutine of the pool, several at once.
	Start func(ctx context.Context, fn *fringe.Function) (Instance, error)

	Log          *slog.Logger  // nil drops it
	Max          int           // most instances at the site; 16 when 0
	Starts       int           // most starts under way at once at the site; the number of CPUs, at least 2, when 0
	StartTimeout time.Duration // bound of one start; 2 minutes when 0
	Grace        time.Duration // between SIGTERM and SIGKILL of an instance that is stopped; 5 s when 0
	Patience     time.Duration // a wait shorter than this does not start a further instance; 10 ms when 0
}

// Pool is the warm instances of a site.
type Pool struct{ cfg Config }

// New gives a pool without instances.
func New(cfg Config) (*Pool, error) { return &Pool{cfg}, nil }

// Invoke implements fringe.Invoker.
func (p *Pool) Invoke(ctx context.Context, c *fringe.Call) (*fringe.Result, error) {
	return nil, ctx.Err()
}

// Keep makes the pool hold the function's Warm.Min instances even before its first call.
func (p *Pool) Keep(fn *fringe.Function) {}

// Run reaps idle instances and keeps Warm.Min; it blocks until ctx ends and then stops all instances.
func (p *Pool) Run(ctx context.Context) error { <-ctx.Done(); return nil }

// Drain refuses new calls, waits for running ones, and stops all instances.
func (p *Pool) Drain(ctx context.Context) error { return nil }

// Evict stops the instances of a function version once they are idle, and forgets its policy.
func (p *Pool) Evict(d fringe.Digest) {}

// Stats is the state of one function version in the pool.
type Stats struct {
	Function  string        // name@version
	Digest    fringe.Digest //
	Instances int           // ready
	Starting  int           // under way
	Busy      int           // instances with a call
	Queued    int           // calls that wait
	Cold      uint64        // calls for which an instance was started
	Warm      uint64        // calls that found one
	Rejected  uint64        // calls refused because the queue was full
	Failed    uint64        // starts that failed
}

// Stats gives the state per function version, sorted by function.
func (p *Pool) Stats() []Stats { return nil }

var _ fringe.Invoker = (*Pool)(nil)
