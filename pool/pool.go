// Package pool keeps the warm instances of the site's services: it admits
// calls, joins callers to a start under way, scales within the policy of each
// function version, reaps idle instances and drains.
//
// Invariants: an instance never has more calls than its policy's concurrency; a
// busy instance is never stopped but by Run's end; waiting calls are served in
// the order of their coming, within a bounded queue; a caller that leaves gives
// its place back; what to start is decided by the pure function decide.
//
// It is used by room site.
package pool

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"runtime"
	"slices"
	"strings"
	"sync"
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

const (
	defaultQueue = 64
	defaultIdle  = 5 * time.Minute
	backoffFirst = 500 * time.Millisecond
	backoffMost  = 30 * time.Second
	reapEvery    = time.Second
)

// Pool is the warm instances of a site.
type Pool struct {
	cfg Config

	mu       sync.Mutex // guards all below, and every state and slot
	states   map[fringe.Digest]*state
	total    int // instances ready or starting, of all functions
	starting int // starts under way, of all functions
	running  int // calls under way or waiting
	closed   bool
	drained  chan struct{} // closed when closed and running is 0
	work     sync.WaitGroup
	ctx      context.Context // ends when Run ends; starts run under it
	cancel   context.CancelFunc
}

// state is one function version in the pool.
type state struct {
	fn      *fringe.Function
	policy  fringe.Warm
	slots   []*slot // ready; the most recently used last
	pending int     // starts under way
	waiting []*waiter
	armed   bool // a timer will look whether a further instance is needed
	stats   Stats

	failed  error // the last start's, while backing off
	retryAt time.Time
	backoff time.Duration
}

// slot is a ready instance.
type slot struct {
	inst  Instance
	state *state
	busy  int
	used  time.Time
	start time.Duration // how long its start took
	fresh bool          // it has had no call yet
	gone  bool          // it takes no more calls
}

// waiter is a call that waits for an instance.
type waiter struct {
	since time.Time
	grant chan grant // of capacity 1
}

type grant struct {
	slot  *slot
	fresh bool
	err   error
}

// New gives a pool without instances.
func New(cfg Config) (*Pool, error) {
	if cfg.Start == nil {
		return nil, fringe.Errorf("pool.New", fringe.Internal, "a pool needs a way to start instances")
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	or := func(v *int, d int) {
		if *v == 0 {
			*v = d
		}
	}
	orTime := func(v *time.Duration, d time.Duration) {
		if *v == 0 {
			*v = d
		}
	}
	or(&cfg.Max, 16)
	or(&cfg.Starts, max(2, runtime.NumCPU()))
	orTime(&cfg.StartTimeout, 2*time.Minute)
	orTime(&cfg.Grace, 5*time.Second)
	orTime(&cfg.Patience, 10*time.Millisecond)
	p := &Pool{cfg: cfg, states: map[fringe.Digest]*state{}, drained: make(chan struct{})}
	p.ctx, p.cancel = context.WithCancel(context.Background())
	return p, nil
}

// policyOf fills the defaults of a function's warm policy.
func (p *Pool) policyOf(fn *fringe.Function) fringe.Warm {
	w := fn.Warm
	w.Concurrency = max(1, w.Concurrency)
	if w.Max <= 0 || w.Max > p.cfg.Max {
		w.Max = p.cfg.Max
	}
	w.Min = min(w.Min, w.Max)
	if w.Queue <= 0 {
		w.Queue = defaultQueue
	}
	if w.Idle <= 0 {
		w.Idle = defaultIdle
	}
	return w
}

// Invoke implements fringe.Invoker. A full queue is fringe.Busy; a pool that
// drains is fringe.Unavailable.
func (p *Pool) Invoke(ctx context.Context, c *fringe.Call) (*fringe.Result, error) {
	begin := time.Now()
	for {
		g, err := p.take(ctx, c.Function)
		if err != nil {
			return nil, err
		}
		waited := time.Since(begin)
		res, err := g.slot.inst.Invoke(ctx, c)
		if err != nil {
			p.give(g.slot)
			if unsent(err) && ctx.Err() == nil {
				p.drop(g.slot)
				continue
			}
			return nil, err
		}
		if g.fresh {
			res.Cold = true
			res.Start = min(waited, g.slot.start)
		}
		res.Queue = waited - res.Start
		res.Body = &returning{ReadCloser: res.Body, give: sync.OnceFunc(func() { p.give(g.slot) })}
		return res, nil
	}
}

// unsent says whether an instance failed before it had any of the call.
func unsent(err error) bool {
	var u interface{ Unsent() bool }
	return errors.As(err, &u) && u.Unsent()
}

// returning gives the instance back when the answer is closed.
type returning struct {
	io.ReadCloser
	give func()
}

func (r *returning) Close() error {
	err := r.ReadCloser.Close()
	r.give()
	return err
}

// take gives an instance with a free place, waiting for one if it must.
func (p *Pool) take(ctx context.Context, fn *fringe.Function) (grant, error) {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return grant{}, &fringe.Error{Op: "pool.Invoke", Kind: fringe.Unavailable, Component: fringe.Engine,
			Message: "the site is stopping and takes no new calls", Cure: "send the call again when it is back", RetryAfter: 10 * time.Second}
	}
	s := p.state(fn)
	if sl := s.free(); sl != nil && len(s.waiting) == 0 {
		g := p.occupy(sl)
		p.running++
		s.stats.Warm++
		p.mu.Unlock()
		return g, nil
	}
	w, err := p.enqueue(s)
	p.mu.Unlock()
	if err != nil {
		return grant{}, err
	}
	select {
	case g := <-w.grant:
		return g, g.err
	case <-ctx.Done():
		p.leave(s, w)
		return grant{}, ctx.Err()
	}
}

// state gives the state of a function version. p.mu is held.
func (p *Pool) state(fn *fringe.Function) *state {
	s := p.states[fn.Digest]
	if s == nil {
		s = &state{fn: fn, policy: p.policyOf(fn)}
		s.stats.Function, s.stats.Digest = fn.Ref(), fn.Digest
		p.states[fn.Digest] = s
	}
	return s
}

// free gives the most recently used instance that has a free place.
func (s *state) free() *slot {
	for i := len(s.slots) - 1; i >= 0; i-- {
		if sl := s.slots[i]; sl.busy < s.policy.Concurrency {
			return sl
		}
	}
	return nil
}

// occupy takes a place of the instance. p.mu is held.
func (p *Pool) occupy(sl *slot) grant {
	g := grant{slot: sl, fresh: sl.fresh}
	sl.busy++
	sl.fresh = false
	s := sl.state
	if last := len(s.slots) - 1; s.slots[last] != sl {
		i := slices.Index(s.slots, sl)
		s.slots = append(slices.Delete(s.slots, i, i+1), sl)
	}
	return g
}

// enqueue puts a call in the queue and sees that an instance comes. p.mu is held.
func (p *Pool) enqueue(s *state) (*waiter, error) {
	now := time.Now()
	if s.failed != nil && now.Before(s.retryAt) && len(s.slots) == 0 && s.pending == 0 {
		return nil, s.failed
	}
	if len(s.waiting) >= s.policy.Queue {
		s.stats.Rejected++
		return nil, &fringe.Error{Op: "pool.Invoke", Kind: fringe.Busy, Component: fringe.Engine, RetryAfter: time.Second,
			Message: fmt.Sprintf("%s is full: %d calls wait for its %d instances", s.fn.Ref(), len(s.waiting), len(s.slots)),
			Cure:    "send the same call again after the time in Retry-After"}
	}
	w := &waiter{since: now, grant: make(chan grant, 1)}
	s.waiting = append(s.waiting, w)
	p.running++
	p.consider(s)
	return w, nil
}

// leave takes a caller that gave up out of the queue; what it was granted in
// the meantime is given back.
func (p *Pool) leave(s *state, w *waiter) {
	p.mu.Lock()
	if i := slices.Index(s.waiting, w); i >= 0 {
		s.waiting = slices.Delete(s.waiting, i, i+1)
		p.ended()
		p.mu.Unlock()
		return
	}
	p.mu.Unlock()
	if g := <-w.grant; g.err == nil {
		p.give(g.slot)
	}
}

// ended counts a call that is over. p.mu is held.
func (p *Pool) ended() {
	p.running--
	if p.closed && p.running == 0 {
		close(p.drained)
	}
}

// give returns a place of the instance.
func (p *Pool) give(sl *slot) {
	p.mu.Lock()
	sl.busy--
	sl.used = time.Now()
	stop := sl.gone && sl.busy == 0
	p.serve(sl.state)
	p.ended()
	p.mu.Unlock()
	if stop {
		p.stop(sl)
	}
}

// serve hands free places to waiting calls. p.mu is held.
func (p *Pool) serve(s *state) {
	for len(s.waiting) > 0 {
		sl := s.free()
		if sl == nil {
			break
		}
		w := s.waiting[0]
		s.waiting = s.waiting[1:]
		g := p.occupy(sl)
		if g.fresh {
			s.stats.Cold++
		} else {
			s.stats.Warm++
		}
		w.grant <- g
	}
	p.consider(s)
}

// consider starts what decide says, and sets a timer when it says to look
// again. p.mu is held.
func (p *Pool) consider(s *state) {
	now := time.Now()
	d := decide(situation{Waiting: len(s.waiting), Ready: len(s.slots), Starting: s.pending, Concurrency: s.policy.Concurrency,
		Max: s.policy.Max, Min: s.policy.Min, Waited: s.waited(now), Patience: p.cfg.Patience, Backoff: s.retryAt.Sub(now),
		SiteFree: p.cfg.Max - p.total, SiteStarts: p.cfg.Starts - p.starting, Idle: p.idlest(s) != nil, Closed: p.closed})
	for range d.Start {
		p.begin(s)
	}
	if d.Evict {
		if sl := p.idlest(s); sl != nil {
			p.retire(sl)
			p.begin(s)
		}
	}
	if d.Look > 0 && !s.armed {
		s.armed = true
		time.AfterFunc(d.Look, func() {
			p.mu.Lock()
			defer p.mu.Unlock()
			s.armed = false
			p.consider(s)
		})
	}
}

func (s *state) waited(now time.Time) time.Duration {
	if len(s.waiting) == 0 {
		return 0
	}
	return now.Sub(s.waiting[0].since)
}

// idlest gives the instance of another function that is idle the longest and
// above its function's minimum. p.mu is held.
func (p *Pool) idlest(than *state) *slot {
	var found *slot
	for _, s := range p.states {
		if s == than || len(s.slots) <= s.policy.Min {
			continue
		}
		for _, sl := range s.slots {
			if sl.busy == 0 && (found == nil || sl.used.Before(found.used)) {
				found = sl
			}
		}
	}
	return found
}

// retire takes an idle instance out and stops it. p.mu is held.
func (p *Pool) retire(sl *slot) {
	p.remove(sl)
	p.work.Go(func() { p.stop(sl) })
}

// remove takes an instance out of the ready ones, once. p.mu is held.
func (p *Pool) remove(sl *slot) {
	if sl.gone {
		return
	}
	sl.gone = true
	s := sl.state
	if i := slices.Index(s.slots, sl); i >= 0 {
		s.slots = slices.Delete(s.slots, i, i+1)
	}
	p.total--
}

func (p *Pool) stop(sl *slot) {
	ctx, cancel := context.WithTimeout(context.Background(), p.cfg.Grace+10*time.Second)
	defer cancel()
	if err := sl.inst.Stop(ctx, p.cfg.Grace); err != nil {
		p.cfg.Log.Warn("instance not stopped", "instance", sl.inst.ID(), "err", err)
	}
}

// drop takes an instance that broke out of the pool.
func (p *Pool) drop(sl *slot) {
	p.mu.Lock()
	had := sl.gone
	p.remove(sl)
	idle := sl.busy == 0
	p.consider(sl.state)
	p.mu.Unlock()
	if !had && idle {
		p.stop(sl)
	}
}

// begin starts one instance. p.mu is held.
func (p *Pool) begin(s *state) {
	s.pending++
	p.total++
	p.starting++
	p.work.Go(func() { p.start(s) })
}

func (p *Pool) start(s *state) {
	begin := time.Now()
	ctx, cancel := context.WithTimeout(p.ctx, p.cfg.StartTimeout)
	inst, err := p.cfg.Start(ctx, s.fn)
	cancel()
	took := time.Since(begin)
	p.mu.Lock()
	s.pending--
	p.starting--
	if err != nil {
		p.total--
		p.startFailed(s, err)
		p.mu.Unlock()
		return
	}
	s.failed, s.backoff, s.retryAt = nil, 0, time.Time{}
	sl := &slot{inst: inst, state: s, used: time.Now(), start: took, fresh: true}
	s.slots = append(s.slots, sl)
	p.serve(s)
	p.considerOthers(s)
	p.mu.Unlock()
	p.cfg.Log.Debug("instance ready", "function", s.fn.Ref(), "instance", inst.ID(), "start", took)
	p.work.Go(func() { p.watch(sl) })
}

// considerOthers looks at the functions that wait for a start to be allowed.
// p.mu is held.
func (p *Pool) considerOthers(than *state) {
	for _, s := range p.states {
		if s != than && len(s.waiting) > 0 {
			p.consider(s)
		}
	}
}

// startFailed tells the waiting calls, unless an instance is there that can
// still serve them, and backs off. p.mu is held.
func (p *Pool) startFailed(s *state, err error) {
	s.stats.Failed++
	s.backoff = min(max(backoffFirst, 2*s.backoff), backoffMost)
	s.failed, s.retryAt = err, time.Now().Add(s.backoff)
	p.cfg.Log.Warn("instance did not start", "function", s.fn.Ref(), "err", err, "again", s.backoff)
	if len(s.slots) > 0 {
		return
	}
	for _, w := range s.waiting {
		w.grant <- grant{err: err}
		p.ended()
	}
	s.waiting = nil
	p.considerOthers(s)
}

// watch drops the instance when it ends by itself.
func (p *Pool) watch(sl *slot) {
	select {
	case <-sl.inst.Done():
		p.drop(sl)
	case <-p.ctx.Done():
	}
}

// Keep makes the pool hold the function's Warm.Min instances even before its
// first call.
func (p *Pool) Keep(fn *fringe.Function) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.closed {
		p.consider(p.state(fn))
	}
}

// Run reaps idle instances and keeps Warm.Min; it blocks until ctx ends and
// then stops all instances.
func (p *Pool) Run(ctx context.Context) error {
	tick := time.NewTicker(reapEvery)
	defer tick.Stop()
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case <-tick.C:
			p.reap(time.Now())
		}
	}
	p.mu.Lock()
	if !p.closed {
		p.closed = true
		if p.running == 0 {
			close(p.drained)
		}
	}
	p.mu.Unlock()
	p.cancel()
	p.stopAll()
	p.work.Wait()
	p.stopAll() // those whose start ended in the meantime
	return nil
}

// reap stops the instances that are idle for longer than their policy says.
func (p *Pool) reap(now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, s := range p.states {
		for i := 0; i < len(s.slots) && len(s.slots) > s.policy.Min; {
			if sl := s.slots[i]; sl.busy == 0 && now.Sub(sl.used) >= s.policy.Idle {
				p.retire(sl)
				continue
			}
			i++
		}
		p.consider(s)
	}
}

func (p *Pool) stopAll() {
	p.mu.Lock()
	var all []*slot
	for _, s := range p.states {
		all = append(all, s.slots...)
		for _, sl := range slices.Clone(s.slots) {
			p.remove(sl)
		}
	}
	p.mu.Unlock()
	var wg sync.WaitGroup
	for _, sl := range all {
		wg.Go(func() { p.stop(sl) })
	}
	wg.Wait()
}

// Drain refuses new calls and waits until the running and waiting ones are
// over, or ctx ends.
func (p *Pool) Drain(ctx context.Context) error {
	p.mu.Lock()
	if !p.closed {
		p.closed = true
		if p.running == 0 {
			close(p.drained)
		}
	}
	left := p.running
	p.mu.Unlock()
	select {
	case <-p.drained:
		return nil
	case <-ctx.Done():
		return fringe.Errorf("pool.Drain", fringe.Unavailable, "%d calls did not end in time", left)
	}
}

// Evict stops the instances of a function version once they are idle, and
// forgets its policy.
func (p *Pool) Evict(d fringe.Digest) {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.states[d]
	if s == nil {
		return
	}
	for _, sl := range slices.Clone(s.slots) {
		if sl.busy == 0 {
			p.retire(sl)
		} else {
			p.remove(sl) // give stops it when its last call is over
		}
	}
	if len(s.waiting) == 0 && s.pending == 0 {
		delete(p.states, d)
	}
}

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
func (p *Pool) Stats() []Stats {
	p.mu.Lock()
	defer p.mu.Unlock()
	out := make([]Stats, 0, len(p.states))
	for _, s := range p.states {
		st := s.stats
		st.Instances, st.Starting, st.Queued = len(s.slots), s.pending, len(s.waiting)
		for _, sl := range s.slots {
			if sl.busy > 0 {
				st.Busy++
			}
		}
		out = append(out, st)
	}
	slices.SortFunc(out, func(a, b Stats) int { return strings.Compare(a.Function, b.Function) })
	return out
}

var _ fringe.Invoker = (*Pool)(nil)
