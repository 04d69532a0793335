package pool

import (
	"context"
	"fmt"
	"time"

	"fringe"
)

// Admits says whether a call would be taken now, so that nothing is prepared
// for one that would not: the error is the one that Invoke would give, and
// is counted in the same way. Of the call, Function, Same, MaxWait and, as far as they are
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

// coming are the calls of a version that were let in before their bodies were
// read: they have their places, as if they waited already.
type coming struct {
	by     map[fringe.CallID]string // the principal of each
	owners map[string]int           // calls of each principal
}

// Expect lets a call in whose body is still to be read: the error is the one
// that Invoke would give, and is counted in the same way; without one, Invoke of the call
// with this ID does not refuse it. Its place is kept until then, or until leave
// is called, which is harmless afterwards. While an instance is idle a principal
// may have DefaultQueue of them in any case: bodies that come slowly keep
// nobody waiting.
func (p *Pool) Expect(ctx context.Context, c *fringe.Call) (leave func(), err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.draining {
		return nil, errDraining()
	}
	v, owner := p.version(c.Function), fringe.PrincipalOf(ctx).Name
	if !v.idle() || v.coming.owners[owner] >= DefaultQueue {
		if err := p.refusal(v, c, owner, time.Now()); err != nil {
			return nil, err
		}
	}
	if k := v.promises.of(c.Same); k != nil {
		v.promises.end(k)
	}
	v.coming.add(c.ID, owner)
	p.held.add(owner, hold{calls: 1})
	id := c.ID
	return func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.arrived(v, id)
	}, nil
}

// arrived takes a call out of those that come; false when it is not of them.
// The caller holds mu.
func (p *Pool) arrived(v *version, id fringe.CallID) bool {
	owner, known := v.coming.by[id]
	if known {
		v.coming.remove(id, owner)
		p.held.add(owner, hold{calls: -1})
	}
	return known
}

func (c *coming) add(id fringe.CallID, owner string) {
	if c.by == nil {
		c.by, c.owners = map[fringe.CallID]string{}, map[string]int{}
	}
	c.by[id] = owner
	c.owners[owner]++
}

func (c *coming) remove(id fringe.CallID, owner string) {
	delete(c.by, id)
	if c.owners[owner]--; c.owners[owner] == 0 {
		delete(c.owners, owner)
	}
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
	l := line{waiting: v.queue.len + len(v.coming.by), promised: len(v.promises.by), ownPromised: v.promises.owners[owner], floor: v.policy.Queue, wait: p.cfg.MaxWait}
	l.own, l.others = v.queue.own(owner)
	l.own += v.coming.owners[owner]
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
