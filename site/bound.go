package site

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"fringe"
)

// bound is a call's context with the time limit of its function. Its timer is
// set only when somebody waits for its end: most calls end before.
type bound struct {
	context.Context           // of the caller
	until           time.Time // zero: no limit

	mu     sync.Mutex      // guards the rest
	timed  context.Context // nil until somebody waits
	cancel context.CancelFunc
}

func (l *Local) bound(ctx context.Context, fn *fringe.Function, begin time.Time) *bound {
	b := &bound{Context: ctx}
	if limit := fn.Limits.Or(l.cfg.Defaults).Time; limit > 0 {
		b.until = begin.Add(limit)
	}
	return b
}

var errTimeLimit = errors.New("the call met its time limit")

// waited gives the context that ends by itself.
func (b *bound) waited() context.Context {
	if b.until.IsZero() {
		return b.Context
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.timed == nil {
		b.timed, b.cancel = context.WithDeadlineCause(b.Context, b.until, errTimeLimit)
	}
	return b.timed
}

// Deadline implements context.Context.
func (b *bound) Deadline() (time.Time, bool) { return b.waited().Deadline() }

// Done implements context.Context.
func (b *bound) Done() <-chan struct{} { return b.waited().Done() }

// Err implements context.Context.
func (b *bound) Err() error {
	if !b.until.IsZero() && !time.Now().Before(b.until) {
		return b.waited().Err()
	}
	return b.Context.Err()
}

// Value implements context.Context. Where contexts are derived from this one,
// they find the one that ends by itself.
func (b *bound) Value(key any) any {
	b.mu.Lock()
	timed := b.timed
	b.mu.Unlock()
	if timed != nil {
		return timed.Value(key)
	}
	return b.Context.Value(key)
}

// end frees the timer, once the call has ended.
func (b *bound) end() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.cancel != nil {
		b.cancel()
	}
}

// explain gives the error of a call that met its time limit, and any other as
// it is.
func (b *bound) explain(fn *fringe.Function, err error) error {
	if b.Err() == nil || !errors.Is(context.Cause(b), errTimeLimit) {
		return err
	}
	return &fringe.Error{Op: "site.callService", Kind: fringe.Failed, Component: fringe.Timeout, Err: err,
		Message: fmt.Sprintf("%s did not answer within its time limit of %s", fn.Ref(), fn.Limits.Time),
		Cure:    "ask for less work, or publish a version with a longer ToolTimeLimit"}
}
