package pool

import (
	"context"
	"time"

	"fringe"
)

// demand gives the version's demand at now. The pool's mu is held.
func (v *version) demand(now time.Time, patience time.Duration) demand {
	d := demand{waiting: v.queue.len, live: len(v.live), starting: v.starting, max: v.policy.Max, slots: v.policy.Concurrency,
		min: v.policy.Min, mean: v.mean, blocked: v.evicted || now.Before(v.blocked), patience: patience}
	if v.policy.Uses > 0 {
		d.patience = 0 // no instance comes free
		for _, i := range v.live {
			if v.spent(i) {
				d.spent++
			}
		}
	}
	if v.queue.first != nil {
		d.age = now.Sub(v.queue.first.since)
	}
	return d
}

// arm looks again when the patience of the calls that wait has ended. The
// caller holds mu.
func (p *Pool) arm() {
	if p.armed {
		return
	}
	p.armed = true
	time.AfterFunc(p.cfg.Patience, func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.armed = false
		p.grow(time.Now())
	})
}

// grow starts and stops instances as plan decides. The caller holds mu.
func (p *Pool) grow(now time.Time) {
	if p.closed {
		return
	}
	var claims []claim
	var versions []*version
	for v := range p.needy {
		d := v.demand(now, p.cfg.Patience)
		if d.waiting == 0 && d.live-d.spent+d.starting >= d.min {
			delete(p.needy, v)
		}
		want := d.want()
		if want == 0 {
			if d.soon() && d.live < d.max {
				p.arm()
			}
			continue
		}
		c := claim{want: want, key: len(versions)}
		if v.queue.first != nil {
			c.since = v.queue.first.since
		}
		claims, versions = append(claims, c), append(versions, v)
	}
	if len(claims) == 0 {
		return
	}
	r := room{max: p.cfg.Max, total: p.total, stopping: p.stopping, starts: p.cfg.Starts, starting: p.starting}
	idle, instances := p.idlers(versions)
	start, stop := plan(r, claims, idle)
	for _, k := range stop {
		p.log.Debug("instance makes room", "instance", instances[k].ID(), "function", instances[k].v.fn.Ref())
		instances[k].drop()
	}
	for _, k := range start {
		p.launch(versions[k])
	}
}

// idlers gives the idle instances of the site, and the key of their version
// among the given ones, -1 for others.
func (p *Pool) idlers(versions []*version) ([]idler, []*instance) {
	if p.total < p.cfg.Max {
		return nil, nil
	}
	keys := make(map[*version]int, len(versions))
	for k, v := range versions {
		keys[v] = k
	}
	var idle []idler
	var instances []*instance
	for i := range p.all {
		if i.gone || i.busy > 0 {
			continue
		}
		of, ok := keys[i.v]
		if !ok {
			of = -1
		}
		idle = append(idle, idler{used: i.used, spare: len(i.v.live) > i.v.policy.Min, of: of, key: len(instances)})
		instances = append(instances, i)
	}
	return idle, instances
}

// launch starts an instance and its keeper. The caller holds mu.
func (p *Pool) launch(v *version) {
	v.starting++
	p.starting++
	p.total++
	p.wg.Go(func() { p.keep(v) })
}

// keep is the life of one instance: start, serve, stop.
func (p *Pool) keep(v *version) {
	begin := time.Now()
	ctx, cancel := context.WithTimeout(p.base, p.cfg.StartTimeout)
	inst, err := p.cfg.Start(ctx, v.fn)
	cancel()
	took := time.Since(begin)
	if err != nil {
		p.log.Warn("instance did not start", "function", v.fn.Ref(), "err", err)
		p.startFailed(v, err)
		return
	}
	p.log.Info("instance started", "instance", inst.ID(), "function", v.fn.Ref(), "took", took)
	i := &instance{Instance: inst, v: v, took: took, quit: make(chan struct{})}
	p.join(i)
	died := false
	select {
	case <-inst.Done():
		died = true
	case <-i.quit:
	}
	p.mu.Lock()
	i.drop()
	p.need(v)
	p.stopping++
	p.mu.Unlock()
	p.stop(i, died)
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.all, i)
	p.stopping--
	p.total--
	p.grow(time.Now())
}

// stop ends an instance. One that died has nothing left to be graceful about.
func (p *Pool) stop(i *instance, died bool) {
	grace := p.cfg.Grace
	if died {
		p.log.Warn("instance ended", "instance", i.ID(), "function", i.v.fn.Ref())
		grace = 0
	}
	ctx, cancel := context.WithTimeout(context.Background(), grace+stopSlack)
	defer cancel()
	if err := i.Stop(ctx, grace); err != nil {
		p.log.Error("instance did not stop", "instance", i.ID(), "function", i.v.fn.Ref(), "err", err)
	}
}

// startFailed answers the calls that only this start could have served, and
// lets a while pass before the next.
func (p *Pool) startFailed(v *version, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	v.starting--
	p.starting--
	p.total--
	v.failures++
	v.cause = err
	backoff := min(minBackoff<<min(v.failed, 16), maxBackoff)
	v.failed++
	v.blocked = now.Add(backoff)
	if len(v.live)+v.starting == 0 {
		v.refuse(v.startError(backoff))
	}
	p.grow(now)
	p.look()
}

// join takes a started instance in and gives it its first calls.
func (p *Pool) join(i *instance) {
	p.mu.Lock()
	defer p.mu.Unlock()
	v := i.v
	v.starting--
	p.starting--
	v.failed, v.blocked, v.cause = 0, time.Time{}, nil
	i.used = time.Now()
	p.all[i] = struct{}{}
	if p.closed || v.evicted {
		i.drop()
		return
	}
	v.live = append(v.live, i)
	for v.free(i) {
		w := v.queue.pop()
		if w == nil {
			break
		}
		v.assign(i, i.used)
		v.cold++
		w.granted <- grant{inst: i, took: i.took, cold: true}
	}
	p.grow(time.Now())
	p.look()
}

// look asks Run to look again.
func (p *Pool) look() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// Run stops instances that have been idle for longer than their policy says
// and keeps the minimum of kept functions; it blocks until ctx ends. Then it
// refuses all calls, stops all instances and waits until they are gone.
func (p *Pool) Run(ctx context.Context) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			p.shut()
			return nil
		case <-p.wake:
		case <-timer.C:
		}
		if next := p.tidy(time.Now()); !next.IsZero() {
			timer.Reset(max(time.Until(next), time.Millisecond))
		}
	}
}

// tidy reaps and replenishes, and gives when to do so again; zero: when asked.
func (p *Pool) tidy(now time.Time) time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	var next time.Time
	sooner := func(t time.Time) {
		if !t.IsZero() && (next.IsZero() || t.Before(next)) {
			next = t
		}
	}
	for _, v := range p.versions {
		var idle []idler
		var instances []*instance
		for _, i := range v.live {
			if i.busy == 0 {
				idle = append(idle, idler{used: i.used, key: len(instances)})
				instances = append(instances, i)
			}
		}
		least := v.policy.Min
		stop, due := reap(now, idle, len(v.live), least, v.policy.Idle)
		for _, k := range stop {
			p.log.Debug("idle instance is stopped", "instance", instances[k].ID(), "function", v.fn.Ref())
			instances[k].drop()
		}
		sooner(due)
		if v.queue.len > 0 || len(v.live)-v.demand(now, 0).spent < least {
			p.need(v)
			if now.Before(v.blocked) {
				sooner(v.blocked)
			}
		}
	}
	p.grow(now)
	return next
}

// Drain refuses new calls, waits until those that were admitted have ended, or
// ctx ends, and then stops all instances. The error says how many calls were
// cut off.
func (p *Pool) Drain(ctx context.Context) error {
	p.mu.Lock()
	p.draining = true
	p.calm()
	p.mu.Unlock()
	var err error
	select {
	case <-p.quiet:
	case <-ctx.Done():
		p.mu.Lock()
		if p.active > 0 {
			err = fringe.Errorf("pool.Drain", fringe.Unavailable, "%d calls had not ended when the time to drain was over", p.active)
		}
		p.mu.Unlock()
	}
	p.shut()
	return err
}

// shut refuses all calls, stops all instances and waits until they are gone.
func (p *Pool) shut() {
	p.mu.Lock()
	p.draining, p.closed = true, true
	p.calm()
	for _, v := range p.versions {
		v.refuse(errDraining())
	}
	for i := range p.all {
		i.drop()
		i.halt()
	}
	p.end()
	p.mu.Unlock()
	p.wg.Wait()
}
