package site

import (
	"context"
	"errors"
	"sync"
	"time"

	"fringe"
	"fringe/attempt"
	"fringe/jobs"
)

// The clocks of the engine.
const (
	lease     = time.Minute     // of an attempt
	heartbeat = lease / 4       // between renewals
	reconcile = 2 * time.Second // between looks at what only time changes
	breath    = 5 * time.Millisecond
)

// Why an attempt is stopped from outside.
var (
	errAborted = errors.New("the job was aborted")
	errLost    = errors.New("another attempt has the call")
)

// engine runs the queued jobs of a site.
type engine struct {
	site *Local
	done chan struct{} // gets a token when an attempt has ended

	purged time.Time // when old records were last looked at; loop's own

	mu      sync.Mutex // guards all below
	running map[fringe.CallID]*run
	used    map[branch]float64
	faded   time.Time // when used was brought up to date
	blocked map[fringe.CallID]time.Time
	mean    time.Duration // moving mean of how long an attempt holds its place
	closed  bool
	runs    sync.WaitGroup
}

// run is an attempt under way.
type run struct {
	held
	fence  int64 // 0: not claimed yet
	cancel context.CancelCauseFunc
}

func newEngine(l *Local) *engine {
	return &engine{site: l, done: make(chan struct{}, 1), running: map[fringe.CallID]*run{}, used: map[branch]float64{}, faded: time.Now(),
		blocked: map[fringe.CallID]time.Time{}}
}

// loop starts queued jobs until ctx ends, then leaves the attempts to go on by
// themselves.
func (e *engine) loop(ctx context.Context) {
	beat, look := time.NewTicker(heartbeat), time.NewTicker(reconcile)
	defer beat.Stop()
	defer look.Stop()
	e.recover(ctx)
	for {
		vain, err := e.round(ctx)
		if err != nil && ctx.Err() == nil {
			e.site.cfg.Log.Error("queued jobs not started", "err", err)
		}
		if vain { // many that come at once are looked at together
			select {
			case <-time.After(breath):
			case <-ctx.Done():
			}
		}
		select {
		case <-e.site.cfg.Jobs.Wake():
		case <-e.done:
		case <-beat.C:
			e.renew(ctx)
		case <-look.C:
			e.reconcile(ctx)
		case <-ctx.Done():
			e.leave()
			return
		}
	}
}

// leave lets every attempt go on without this process, and waits until nobody
// here has to do with them; nothing starts after it.
func (e *engine) leave() {
	e.mu.Lock()
	e.closed = true
	for _, r := range e.running {
		r.cancel(attempt.ErrLeave)
	}
	e.mu.Unlock()
	e.runs.Wait()
}

// situation gives what decide looks at. e.mu is held.
func (e *engine) situation(waiting []jobs.Waiting) situation {
	s := situation{now: time.Now(), cpu: e.site.cfg.CPU, memory: e.site.cfg.Memory, shares: e.site.cfg.Shares, waiting: waiting, blocked: e.blocked}
	for _, r := range e.running {
		s.running = append(s.running, r.held)
	}
	part := (&decision{situation: &s}).part
	fade(e.used, s.running, s.now.Sub(e.faded), part)
	e.faded, s.used = s.now, e.used
	return s
}

// round starts the jobs whose turn it is. It is vain when it looked at those
// that wait and started none.
func (e *engine) round(ctx context.Context) (vain bool, err error) {
	if e.site.cfg.Jobs.QueuedCount() == 0 || e.full() {
		return false, nil
	}
	waiting, err := e.site.cfg.Jobs.Heads(ctx)
	if err != nil {
		return true, err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return false, nil
	}
	fresh := waiting[:0]
	for _, w := range waiting {
		if e.running[w.ID] == nil {
			fresh = append(fresh, w)
		}
	}
	var start []jobs.Waiting
	start, e.blocked = decide(e.situation(fresh))
	for _, w := range start {
		e.begin(ctx, w, nil)
	}
	return len(start) == 0, nil
}

// full says whether no job can start, so that there is nothing to look at.
func (e *engine) full() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	cpu, memory := e.site.cfg.CPU, e.site.cfg.Memory
	for _, r := range e.running {
		cpu -= r.CPU
		memory -= r.Memory
	}
	return e.closed || cpu <= slack && len(e.running) > 0 || memory <= 0 && len(e.running) > 0
}

// begin starts the goroutine of an attempt; one that is under way since a
// former life of the server comes with its job. e.mu is held.
func (e *engine) begin(ctx context.Context, w jobs.Waiting, job *jobs.Job) {
	ctx, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	r := &run{held: held{w, time.Now()}, cancel: cancel}
	if job != nil {
		r.fence = job.Fence
		r.started = job.Started
	}
	e.running[w.ID] = r
	e.runs.Go(func() {
		defer cancel(nil)
		e.attempt(ctx, r, job)
		e.mu.Lock()
		delete(e.running, w.ID)
		d := time.Since(r.started)
		e.mean += (d - e.mean) / 8
		e.mu.Unlock()
		select {
		case e.done <- struct{}{}:
		default:
		}
	})
}

// attempt claims a job and runs it.
func (e *engine) attempt(ctx context.Context, r *run, job *jobs.Job) {
	log := e.site.cfg.Log.With("call", r.ID)
	former := job != nil
	if !former {
		claimed, err := e.site.cfg.Jobs.Claim(ctx, r.ID, lease)
		if err != nil {
			if fringe.KindOf(err) != fringe.Conflict {
				log.Error("job not claimed", "err", err)
				select { // the store may be better then
				case <-ctx.Done():
				case <-time.After(reconcile):
				}
			}
			return
		}
		job = &claimed
		e.mu.Lock()
		r.fence = job.Fence
		e.mu.Unlock()
	}
	if err := e.site.runTask(ctx, *job, former); err != nil {
		log.Error("attempt not settled", "fence", job.Fence, "err", err)
	}
}

// renew prolongs the leases; an attempt that has lost its own is stopped.
func (e *engine) renew(ctx context.Context) {
	fences := map[fringe.CallID]int64{}
	e.mu.Lock()
	for id, r := range e.running {
		if r.fence > 0 {
			fences[id] = r.fence
		}
	}
	e.mu.Unlock()
	if len(fences) == 0 {
		return
	}
	lost, err := e.site.cfg.Jobs.Renew(ctx, fences, lease)
	if err != nil {
		e.site.cfg.Log.Error("leases not renewed", "err", err)
		return
	}
	for _, id := range lost {
		e.cancel(id, errLost)
	}
}

// cancel stops the attempt of a job; false when there is none here.
func (e *engine) cancel(id fringe.CallID, cause error) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	r := e.running[id]
	if r != nil {
		r.cancel(cause)
	}
	return r != nil
}

// recover takes up the attempts that nobody here has: those of a former life of
// the server, and such as lost their lease.
func (e *engine) recover(ctx context.Context) {
	left, err := e.site.cfg.Jobs.Executing(ctx)
	if err != nil {
		e.site.cfg.Log.Error("jobs under way not looked at", "err", err)
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, job := range left {
		if e.running[job.ID] == nil && !e.closed {
			e.begin(ctx, jobs.Waiting{ID: job.ID, Seq: job.Seq, Namespace: job.Namespace, Owner: job.Owner, Function: job.Function,
				Environment: job.Environment, Priority: job.Priority, CPU: job.Limits.CPU, Memory: job.Limits.Memory}, &job)
		}
	}
}

// reconcile ends what has waited for too long and lets go on what only time
// moves.
func (e *engine) reconcile(ctx context.Context) {
	if err := e.site.cfg.Jobs.Reconcile(ctx); err != nil {
		e.site.cfg.Log.Error("queue not reconciled", "err", err)
	}
	e.recover(ctx)
	e.site.expire(ctx)
	if now := time.Now(); now.Sub(e.purged) >= purgeEvery {
		e.purged = now
		e.site.purge(ctx, now)
	}
	overdue, err := e.site.cfg.Jobs.Overdue(ctx, 100)
	if err != nil {
		e.site.cfg.Log.Error("overdue jobs not looked at", "err", err)
	}
	for _, job := range overdue {
		err := e.site.cfg.Jobs.Fail(ctx, job.ID, &fringe.Error{Kind: fringe.Busy, Component: fringe.Timeout,
			Message: "its turn did not come within its queue time of " + job.Policy.Queue.String(), Cure: "send it again when the site is less busy"})
		if err != nil && fringe.KindOf(err) != fringe.Conflict {
			e.site.cfg.Log.Error("overdue job not ended", "call", job.ID, "err", err)
		}
	}
}

// expectedWait guesses when one more place in the queue is free.
func (e *engine) expectedWait() time.Duration {
	e.mu.Lock()
	defer e.mu.Unlock()
	return min(max(e.mean/time.Duration(max(1, len(e.running))), time.Second), 5*time.Minute).Round(time.Second)
}

// stats tells how many attempts run.
func (e *engine) stats() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.running)
}
