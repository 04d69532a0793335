// Package pool keeps the warm instances of the site's services: it admits
// calls, joins callers to a start under way, scales within the policy of each
// function version, reaps idle instances and drains.
//
// Invariants: a version has at most Warm.Max instances and the site at most
// Config.Max; a call is with at most one instance, and an instance has at most
// Warm.Concurrency calls; of calls that wait the principals take turns, and
// those of one are served in their order; what waits is bounded at each version
// by the time that it would wait, at the site by number and bytes; an instance
// with a call is never stopped but by Drain's deadline and the end of Run. What
// to start and stop is decided by plan, and who may wait by line, without I/O.
//
// The package stores nothing: instances end with the server. Room site calls
// it; server runs and drains it.
package pool

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"fringe"
)

// Defaults of a function's policy and of Config.
const (
	DefaultMax      = 16
	DefaultQueue    = 64 // while it is not known how long calls run
	DefaultIdle     = 5 * time.Minute
	DefaultPatience = 10 * time.Millisecond
	DefaultMaxWait  = 10 * time.Second
	DefaultWaiting  = 8192
	DefaultBytes    = 64 << 20
	defaultGrace    = 5 * time.Second
	defaultStart    = 2 * time.Minute

	memory     = 8 // calls whose duration the mean is of
	maxTries   = 3 // instances that are tried for a call that none has begun
	minBackoff = 100 * time.Millisecond
	maxBackoff = 30 * time.Second
	stopSlack  = 30 * time.Second // beyond grace that a stop may take

	brief = 150 * time.Microsecond  // what short calls take at most: about what the server's part of one takes
	short = 2500 * time.Microsecond // a wait in line behind short calls that is shorter wakes no further instance
	long  = 50 * time.Millisecond   // a call that shows that not all are short
	calm  = time.Second             // after such a call
)

// Instance is what the pool keeps: running code that takes calls.
//
// An error of Invoke that has a method Undelivered() bool giving true says
// that the call was not begun: the pool gives it to another instance.
type Instance interface {
	fringe.Invoker
	ID() fringe.InstanceID
	Done() <-chan struct{} // closed when the instance can take no more calls
	Stop(ctx context.Context, grace time.Duration) error

	// Line gives how many calls the instance takes in line behind those
	// that it handles, c being the last of them; 0: none. One that takes
	// calls in line handles them one after another.
	Line(c *fringe.Call) int
}

// Config says how a pool works. Only Start is needed.
type Config struct {
	// Start gives a ready instance of the function. It is called in a
	// goroutine of the pool, several at once.
	Start func(ctx context.Context, fn *fringe.Function) (Instance, error)

	Log          *slog.Logger  // nil drops it
	Max          int           // most instances at the site; DefaultMax when 0
	Starts       int           // most starts under way at once at the site; the number of CPUs, at least 2, when 0
	StartTimeout time.Duration // bound of one start; 2 minutes when 0
	Grace        time.Duration // between SIGTERM and SIGKILL of an instance that is stopped; 5 s when 0
	Patience     time.Duration // a wait shorter than this does not start a further instance; DefaultPatience when 0
	Busy         int           // instances of a version with a call, above which short calls wait in line though another is idle; half the number of CPUs, at least 1, when 0

	// What may wait for instances; a call that may not is refused.
	MaxWait time.Duration // that is expected of a call at most; DefaultMaxWait when 0
	Waiting int           // calls at the site; DefaultWaiting when 0
	Bytes   int64         // of the inputs of the calls that wait at the site; DefaultBytes when 0
}

// Pool is the warm instances of a site.
type Pool struct {
	cfg  Config
	log  *slog.Logger
	base context.Context // of starts; ends with the pool
	end  context.CancelFunc
	wake chan struct{} // asks Run to look again
	wg   sync.WaitGroup

	mu       sync.Mutex // guards all below, and every version and instance
	versions map[fringe.Digest]*version
	needy    map[*version]struct{}  // all that have waiting calls or too few instances, and maybe others
	all      map[*instance]struct{} // instances that were started and are not gone
	total    int                    // instances that start, live or are being stopped
	starting int
	stopping int
	active   int           // calls that were admitted and have not ended
	draining bool          // no call is admitted
	closed   bool          // no instance is started
	quiet    chan struct{} // closed when draining and active is 0
	armed    bool          // a timer for the patience of waiting calls runs
	held     holds         // by calls that wait

	waiters sync.Pool // of *waiter; needs no lock
}

var _ fringe.Invoker = (*Pool)(nil)

// version is a function version with its instances and the calls that wait.
type version struct {
	fn      *fringe.Function
	policy  fringe.Warm
	evicted bool // it is out of Pool.versions

	live     []*instance // the most recently used last
	starting int
	queue    queue
	promises promises
	coming   coming
	slots    int // calls that are with an instance

	mean    time.Duration // moving mean of the calls' duration; 0: none has ended
	usual   time.Duration // the same, in which no call counts for more than twice what is brief
	slow    time.Time     // when a long call ended last
	learnt  int           // calls in the mean, at most memory
	moved   time.Time     // when a call last ended
	failed  int           // starts that failed in a row
	blocked time.Time     // no start before
	cause   error         // of the last start that failed

	cold, warm, rejected, failures uint64
}

// instance is a live instance.
type instance struct {
	Instance
	v    *version
	busy int
	uses int           // calls that it was given
	used time.Time     // when its last call ended, or it started
	from time.Time     // when the call that it handles began
	took time.Duration // its start
	gone bool          // it takes no further call
	quit chan struct{} // closed when its keeper must stop it
}

// New gives a pool without instances.
func New(cfg Config) (*Pool, error) {
	if cfg.Start == nil {
		return nil, fringe.Errorf("pool.New", fringe.Invalid, "a pool needs Config.Start")
	}
	for _, d := range []struct {
		v       *int
		without int
	}{{&cfg.Max, DefaultMax}, {&cfg.Starts, max(2, runtime.NumCPU())}, {&cfg.Busy, max(1, runtime.NumCPU()/2)}, {&cfg.Waiting, DefaultWaiting}} {
		if *d.v <= 0 {
			*d.v = d.without
		}
	}
	for _, d := range []struct {
		v       *time.Duration
		without time.Duration
	}{{&cfg.StartTimeout, defaultStart}, {&cfg.Grace, defaultGrace}, {&cfg.Patience, DefaultPatience}, {&cfg.MaxWait, DefaultMaxWait}} {
		if *d.v <= 0 {
			*d.v = d.without
		}
	}
	if cfg.Bytes <= 0 {
		cfg.Bytes = DefaultBytes
	}
	p := &Pool{cfg: cfg, log: cfg.Log, wake: make(chan struct{}, 1), quiet: make(chan struct{}),
		versions: map[fringe.Digest]*version{}, needy: map[*version]struct{}{}, all: map[*instance]struct{}{},
		held: holds{most: hold{cfg.Waiting, cfg.Bytes}, by: map[string]hold{}}}
	p.waiters.New = func() any { return &waiter{granted: make(chan grant, 1)} }
	if p.log == nil {
		p.log = slog.New(slog.DiscardHandler)
	}
	p.base, p.end = context.WithCancel(context.Background())
	return p, nil
}

// policyOf gives a function's policy with the defaults filled in.
func policyOf(w fringe.Warm, most int) fringe.Warm {
	if w.Concurrency <= 0 {
		w.Concurrency = 1
	}
	w.Queue = max(w.Queue, 0)
	if w.Idle <= 0 {
		w.Idle = DefaultIdle
	}
	w.Uses = max(w.Uses, 0)
	w.Min = min(max(w.Min, 0), most)
	if w.Max <= 0 {
		w.Max = most
	}
	w.Max = max(min(w.Max, most), w.Min, 1)
	return w
}

// version gives the version of the function, which is made when it is new. The
// caller holds mu.
func (p *Pool) version(fn *fringe.Function) *version {
	v := p.versions[fn.Digest]
	if v == nil {
		v = &version{fn: fn, policy: policyOf(fn.Warm, p.cfg.Max), queue: queue{held: &p.held}}
		p.versions[fn.Digest] = v
	}
	return v
}

// Invoke implements fringe.Invoker. The call takes the instance that was used
// last, else waits in the version's queue while instances are started as the
// policy allows. The error is Busy, with RetryAfter, when it may not wait,
// Unavailable when the pool drains, and the start's error when none starts.
// The instance is the call's until the result's body is closed.
func (p *Pool) Invoke(ctx context.Context, c *fringe.Call) (*fringe.Result, error) {
	const op = "pool.Invoke"
	if c.Function == nil || c.Function.Digest == "" {
		return nil, fringe.Errorf(op, fringe.Invalid, "the call names no published function: its digest is empty")
	}
	var waits waited
	for try := 1; ; try++ {
		i, err := p.acquire(ctx, c, &waits, try == 1)
		if err != nil {
			return nil, err
		}
		begin := time.Now()
		res, err := i.Invoke(ctx, c)
		if err != nil {
			again := try < maxTries && undelivered(err) && ctx.Err() == nil
			p.release(i, time.Time{}, !again)
			if again {
				continue
			}
			return nil, err
		}
		res.Queue, res.Start, res.Cold = waits.queue, waits.start, waits.cold
		if b, ok := res.Body.(interface{ Buffered() bool }); ok && b.Buffered() {
			p.release(i, begin, true)
			return res, nil
		}
		res.Body = &held{body: res.Body, pool: p, inst: i, begin: begin}
		return res, nil
	}
}

func undelivered(err error) bool {
	var u interface{ Undelivered() bool }
	return errors.As(err, &u) && u.Undelivered()
}

// held is the body of a result whose instance is still busy with it.
type held struct {
	body  io.ReadCloser
	pool  *Pool
	inst  *instance
	begin time.Time
	once  sync.Once
}

func (h *held) Read(b []byte) (int, error) { return h.body.Read(b) }

// WriteTo implements io.WriterTo.
func (h *held) WriteTo(w io.Writer) (int64, error) { return io.Copy(w, h.body) }

func (h *held) Close() error {
	err := h.body.Close()
	h.once.Do(func() { h.pool.release(h.inst, h.begin, true) })
	return err
}

// waited says what a call waited for.
type waited struct {
	queue, start time.Duration
	cold         bool
}

// leave counts a call out. The caller holds mu.
func (p *Pool) leave() {
	p.active--
	p.calm()
}

// calm tells Drain when no call is left. The caller holds mu.
func (p *Pool) calm() {
	if p.draining && p.active == 0 {
		select {
		case <-p.quiet:
		default:
			close(p.quiet)
		}
	}
}

func errDraining() error {
	return &fringe.Error{Op: "pool.Invoke", Kind: fringe.Unavailable, Component: fringe.Engine, Message: "the site is stopping and takes no new calls"}
}

// acquire gives an instance with a slot for the call. It counts a call in at
// its first try, and out when it fails.
func (p *Pool) acquire(ctx context.Context, c *fringe.Call, waits *waited, first bool) (*instance, error) {
	p.mu.Lock()
	if first {
		if p.draining {
			p.mu.Unlock()
			return nil, errDraining()
		}
		p.active++
	}
	v := p.version(c.Function)
	if i := p.take(v, c); i != nil {
		v.warm++
		if len(v.coming.by) > 0 {
			p.arrived(v, c.ID)
		}
		if v.policy.Uses > 0 {
			p.need(v)
			p.grow(time.Now())
		}
		p.mu.Unlock()
		return i, nil
	}
	w, err := p.enqueue(v, c, fringe.PrincipalOf(ctx).Name)
	if err != nil {
		p.leave()
		p.mu.Unlock()
		return nil, err
	}
	p.mu.Unlock()
	return p.await(ctx, v, w, waits)
}

// await waits for the grant of a call in the queue.
func (p *Pool) await(ctx context.Context, v *version, w *waiter, waits *waited) (*instance, error) {
	defer p.waiters.Put(w)
	var g grant
	select {
	case g = <-w.granted:
		if g.inst != nil {
			waits.add(time.Since(w.since), g)
			return g.inst, nil
		}
	case <-ctx.Done():
		p.mu.Lock()
		left := v.queue.remove(w)
		p.mu.Unlock()
		g.err = ctx.Err()
		if left {
			break
		}
		if late := <-w.granted; late.inst != nil { // it was on its way
			p.release(late.inst, time.Time{}, true)
			return nil, g.err
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.leave()
	return nil, g.err
}

// add counts a wait that ended with a grant.
func (w *waited) add(d time.Duration, g grant) {
	start := time.Duration(0)
	if g.cold {
		start = min(d, g.took)
		w.cold = true
	}
	w.start += start
	w.queue += d - start
}

// take gives an instance for the call, or nil: one in whose short line it may
// wait, else the most recently used one that is free, else the one with the
// shortest line.
func (p *Pool) take(v *version, c *fringe.Call) *instance {
	now := time.Now()
	if i := v.behind(c, now, p.cfg.Busy); i != nil {
		v.assign(i, now)
		return i
	}
	var best *instance
	for n := len(v.live) - 1; n >= 0; n-- {
		i := v.live[n]
		if v.free(i) {
			if i.dead() {
				i.drop()
				continue
			}
			best = i
			break
		}
		if v.queue.len == 0 && !v.spent(i) && i.busy < v.policy.Concurrency+v.line(i, c, p.cfg.Patience) && (best == nil || i.busy < best.busy) {
			best = i
		}
	}
	if best == nil || best.dead() {
		return nil
	}
	v.assign(best, now)
	return best
}

// behind gives the instance in whose line the call waits for less than short,
// or nil when fewer are busy than may be, or calls may be long: by what calls
// took, and by how long each instance has had the one that it handles.
func (v *version) behind(c *fringe.Call, now time.Time, most int) *instance {
	if v.usual == 0 || v.usual > brief || v.queue.len > 0 || now.Sub(v.slow) < calm {
		return nil
	}
	var best *instance
	busy := 0
	for _, i := range v.live {
		if i.busy == 0 {
			continue
		}
		busy++
		n := v.line(i, c, short)
		if n > 0 && i.busy < v.policy.Concurrency+n && now.Sub(i.from) < short && (best == nil || i.busy < best.busy) {
			best = i
		}
	}
	if busy < most || best == nil || best.dead() {
		return nil
	}
	return best
}

// free says whether the instance can take a call at once.
func (v *version) free(i *instance) bool { return i.busy < v.policy.Concurrency && !v.spent(i) }

// spent says whether the instance has had all the calls that it may have.
func (v *version) spent(i *instance) bool { return v.policy.Uses > 0 && i.uses >= v.policy.Uses }

// assign gives the instance a call.
func (v *version) assign(i *instance, now time.Time) {
	if i.busy == 0 {
		i.from = now
	}
	i.busy++
	i.uses++
	v.slots++
}

// line gives how many calls may be in line at the instance: so many that the
// last is served within the patience.
func (v *version) line(i *instance, c *fringe.Call, patience time.Duration) int {
	if v.mean == 0 || v.policy.Uses > 0 {
		return 0
	}
	return min(int(patience/v.mean), i.Line(c))
}

func (i *instance) dead() bool {
	select {
	case <-i.Done():
		return true
	default:
		return false
	}
}

// drop lets the instance take no further call. Its keeper is told to stop it
// once it is idle.
func (i *instance) drop() {
	v := i.v
	if !i.gone {
		i.gone = true
		if n := slices.Index(v.live, i); n >= 0 {
			v.live = slices.Delete(v.live, n, n+1)
		}
	}
	if i.busy == 0 {
		i.halt()
	}
}

// halt tells the keeper to stop the instance.
func (i *instance) halt() {
	select {
	case <-i.quit:
	default:
		close(i.quit)
	}
}

// release takes a call off an instance and hands it to the next that waits;
// last counts the call out. A call without a begin does not count into the mean.
func (p *Pool) release(i *instance, begin time.Time, last bool) {
	now := time.Now()
	p.mu.Lock()
	defer p.mu.Unlock()
	if last {
		p.leave()
	}
	v := i.v
	i.busy--
	v.slots--
	if !begin.IsZero() {
		if begin.Before(i.used) && v.policy.Concurrency == 1 { // it was in line
			begin = i.used
		}
		v.learn(now.Sub(begin))
		if now.Sub(begin) > long {
			v.slow = now
		}
	}
	i.used, i.from, v.moved = now, now, now
	if i.gone || i.dead() || v.spent(i) {
		i.drop()
		p.need(v)
		p.grow(now)
		return
	}
	if n := len(v.live); v.live[n-1] != i {
		at := slices.Index(v.live, i)
		copy(v.live[at:], v.live[at+1:])
		v.live[n-1] = i
	}
	for v.queue.len > 0 && !v.spent(i) && i.busy < v.policy.Concurrency+v.line(i, v.queue.head().call, p.cfg.Patience) {
		w := v.queue.pop()
		v.assign(i, now)
		v.warm++
		w.granted <- grant{inst: i}
	}
}

// learn takes the duration of a call into the mean, of which each of the last
// few calls is an equal part.
func (v *version) learn(d time.Duration) {
	few := min(d, 2*brief)
	v.learnt = min(v.learnt+1, memory)
	v.mean = max(1, v.mean+(d-v.mean)/time.Duration(v.learnt))
	v.usual = max(1, v.usual+(few-v.usual)/time.Duration(v.learnt))
}

// enqueue puts a call in the queue and starts what the policy allows. The
// caller holds mu.
func (p *Pool) enqueue(v *version, c *fringe.Call, owner string) (*waiter, error) {
	now := time.Now()
	if !p.arrived(v, c.ID) {
		if err := p.refusal(v, c, owner, now); err != nil {
			return nil, err
		}
	}
	if k := v.promises.of(c.Same); k != nil {
		v.promises.end(k)
	}
	w := p.waiters.Get().(*waiter)
	w.since, w.call = now, c
	v.queue.push(w, owner)
	p.need(v)
	switch d := v.demand(now, p.cfg.Patience); {
	case d.want() > 0:
		p.grow(now)
	case d.soon() && d.live < d.max:
		p.arm()
	}
	return w, nil
}

// need lists a version among those that may need an instance.
func (p *Pool) need(v *version) {
	if !v.evicted {
		p.needy[v] = struct{}{}
	}
}

// startError says why there is no instance, and when the next try is due.
func (v *version) startError(after time.Duration) error {
	e := fringe.E("pool.Invoke", v.cause)
	if e.Component == "" {
		e.Component = fringe.Start
	}
	if e.Kind == fringe.Unavailable || e.Kind == fringe.Busy {
		e.RetryAfter = max(after, time.Second)
	}
	if e.Message == "" {
		e.Message = v.fn.Ref() + " could not be started"
	}
	return e
}

// Keep makes the pool hold the function's Warm.Min instances before its first
// call; after that they are held in any case, until Evict.
func (p *Pool) Keep(fn *fringe.Function) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.draining || fn.Digest == "" {
		return
	}
	p.need(p.version(fn))
	p.grow(time.Now())
}

// Evict forgets a function version: its idle instances are stopped, busy ones
// after their calls, and calls that wait are refused.
func (p *Pool) Evict(d fringe.Digest) {
	p.mu.Lock()
	defer p.mu.Unlock()
	v := p.versions[d]
	if v == nil {
		return
	}
	delete(p.versions, d)
	delete(p.needy, v)
	v.evicted = true
	for _, i := range slices.Clone(v.live) {
		i.drop()
	}
	v.refuse(&fringe.Error{Op: "pool.Invoke", Kind: fringe.Unavailable, Component: fringe.Engine,
		Message: v.fn.Ref() + " was taken out of service while the call waited", RetryAfter: time.Second})
}

// refuse answers all calls that wait with the error.
func (v *version) refuse(err error) {
	for w := v.queue.pop(); w != nil; w = v.queue.pop() {
		w.granted <- grant{err: err}
	}
}

// Stats is the state of one function version in the pool.
type Stats struct {
	Function  string        // name@version
	Digest    fringe.Digest // of its content
	Instances int           // ready
	Starting  int           // under way
	Busy      int           // instances with a call
	Queued    int           // calls that wait
	Cold      uint64        // calls for which an instance was started
	Warm      uint64        // calls that found one
	Rejected  uint64        // calls refused because too many waited
	Failed    uint64        // starts that failed
}

// Stats gives the state per function version, sorted by function. The counts
// are since the version was first called or kept.
func (p *Pool) Stats() []Stats {
	p.mu.Lock()
	defer p.mu.Unlock()
	out := make([]Stats, 0, len(p.versions))
	for d, v := range p.versions {
		s := Stats{Function: v.fn.Ref(), Digest: d, Instances: len(v.live), Starting: v.starting, Queued: v.queue.len,
			Cold: v.cold, Warm: v.warm, Rejected: v.rejected, Failed: v.failures}
		for _, i := range v.live {
			if i.busy > 0 {
				s.Busy++
			}
		}
		out = append(out, s)
	}
	slices.SortFunc(out, func(a, b Stats) int {
		return strings.Compare(a.Function+"\x00"+string(a.Digest), b.Function+"\x00"+string(b.Digest))
	})
	return out
}
