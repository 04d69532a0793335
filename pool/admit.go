package pool

import (
	"context"
	"fmt"
	"time"

	"fringe"
)

// Admits says whether a call would be taken now, so that nothing is prepared
// for one that would not: the error is the one that Invoke would give, and
// counts as its. Of the call, Function, Same, MaxWait and, as far as they are
// known, Inputs are looked at.
func (p *Pool) Admits(ctx context.Context, c *fringe.Call) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.draining {
		return errDraining()
	}
	v := p.versions[c.Function.Digest]
	if v == nil || v.idle() {
		return nil
	}
	return p.refusal(v, c, fringe.PrincipalOf(ctx).Name, time.Now())
}

// idle says whether an instance can take a call at once.
func (v *version) idle() bool {
	for _, i := range v.live {
		if v.free(i) {
			return true
		}
	}
	return false
}

// refusal gives the reason why a call may not wait, or nil. The caller holds
// mu.
func (p *Pool) refusal(v *version, c *fringe.Call, owner string, now time.Time) error {
	if p.closed {
		return errDraining()
	}
	if len(v.live)+v.starting == 0 && now.Before(v.blocked) {
		return v.startError(v.blocked.Sub(now))
	}
	v.promises.tidy(now)
	l := p.lineOf(v, owner, now)
	if c.MaxWait > 0 {
		l.wait = c.MaxWait
	}
	k := v.promises.of(c.Same)
	if k != nil {
		l.promised--
		l.ownPromised--
	}
	if l.takes(k != nil && !now.Before(k.due)) && p.held.by[owner].fits(p.held.all, p.held.most, int64(len(c.Inputs))) {
		return nil
	}
	v.rejected++
	after := l.after()
	switch {
	case k != nil && now.Before(k.due): // it comes too early, and keeps its place
		after = max(k.due.Sub(now), minRetry)
	case k != nil:
		v.promises.end(k)
		fallthrough
	case c.Same != 0 && len(v.promises.by) < p.cfg.Waiting:
		v.promises.make(c.Same, owner, now.Add(after))
	}
	return &fringe.Error{Op: "pool.Invoke", Kind: fringe.Busy, Component: fringe.Engine, RetryAfter: after,
		Message: fmt.Sprintf("%s is busy: %d calls run and %d wait, which is as many as may wait", v.fn.Ref(), v.slots, v.queue.len),
		Cure:    "send the same call again after the time in Retry-After, for which a place is kept; or let it wait as a job: Prefer: respond-async"}
}

// lineOf gives what decides whether a call of the principal may wait. The
// caller holds mu.
func (p *Pool) lineOf(v *version, owner string, now time.Time) line {
	l := line{waiting: v.queue.len, promised: len(v.promises.by), ownPromised: v.promises.owners[owner], floor: v.policy.Queue, wait: p.cfg.MaxWait}
	l.own, l.others = v.queue.own(owner)
	may := len(v.live) + v.starting
	may += max(0, min(v.policy.Max-may, p.cfg.Max-p.total))
	l.slots = max(may, 1) * v.policy.Concurrency
	l.run = v.mean
	if w := v.queue.first; w != nil {
		l.age = now.Sub(w.since)
		if v.slots > 0 && v.mean > 0 { // calls that run for longer than the mean say that it has changed
			l.run = max(l.run, min(l.age, now.Sub(v.moved)))
		}
	}
	return l
}
