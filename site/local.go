package site

import (
	"context"
	"encoding/json"
	"hash/maphash"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/oklog/ulid/v2"

	"fringe"
	"fringe/attempt"
	"fringe/build"
	"fringe/catalogue"
	"fringe/data"
	"fringe/jobs"
	"fringe/notify"
	"fringe/pool"
)

// Config says what a site is made of.
type Config struct {
	Dir       string // for scratch; private to the site
	Python    string // directory that holds the Python package fringe
	Driver    fringe.Driver
	Forks     forks // starts Python; nil leaves it to Driver
	Catalogue *catalogue.Catalogue
	Builder   *build.Builder
	Data      *data.Data
	Jobs      *jobs.Jobs
	Notify    *notify.Sender // sends results to callbacks
	Log       *slog.Logger

	CPU       float64       // cores for tasks
	Memory    int64         // bytes for tasks
	Shares    Shares        // between those whose tasks wait
	Policy    fringe.Policy // for functions that say nothing
	Instances int           // warm instances at most
	Records   time.Duration // how long the record of an ARCHIVED job stays after its end; 0: for ever
	Wait      Wait          // of calls for warm instances
	Defaults  fringe.Limits // for functions and environments that say nothing
	Hidden    []string      // paths of the host that no instance sees
}

// Wait bounds what calls of services wait for instances; 0: as pool does.
type Wait struct {
	Max    time.Duration // that is expected of a call
	Calls  int           // that wait
	Memory int64         // bytes of their inputs
}

// forks gives the driver for instances of Python in an environment; base has
// what each instance of the function has.
type forks interface {
	For(env fringe.Environment, base fringe.Spec) fringe.Driver
}

// Local is this machine as a site.
type Local struct {
	cfg     Config
	engine  *engine
	pool    *pool.Pool
	stopped context.Context // ends when the site stops
	stop    context.CancelFunc
	seed    maphash.Seed // of what Request.same gives

	mu     sync.Mutex // guards closed
	closed bool
}

// New gives a site over its parts. Scratch that a former run left is removed,
// but for that of attempts which are under way.
func New(cfg Config) (*Local, error) {
	const op = "site.New"
	l := &Local{cfg: cfg, seed: maphash.MakeSeed()}
	l.engine = newEngine(l)
	l.stopped, l.stop = context.WithCancel(context.Background())
	if err := os.RemoveAll(l.instances()); err != nil {
		return nil, fringe.E(op, err)
	}
	for _, d := range []string{l.attempts(), l.instances()} {
		if err := os.MkdirAll(d, 0o700); err != nil {
			return nil, fringe.E(op, err)
		}
	}
	if err := l.sweepAttempts(); err != nil {
		return nil, fringe.E(op, err)
	}
	p, err := pool.New(pool.Config{Start: l.startInstance, Max: cfg.Instances, Log: cfg.Log,
		MaxWait: cfg.Wait.Max, Waiting: cfg.Wait.Calls, Bytes: cfg.Wait.Memory})
	if err != nil {
		return nil, fringe.E(op, err)
	}
	l.pool = p
	return l, nil
}

// sweepAttempts removes the scratch of attempts that are over.
func (l *Local) sweepAttempts() error {
	left, err := l.cfg.Jobs.Executing(context.Background())
	if err != nil {
		return err
	}
	keep := map[string]bool{}
	for _, job := range left {
		keep[l.attemptDir(&job)] = true
	}
	calls, err := os.ReadDir(l.attempts())
	if err != nil {
		return err
	}
	for _, call := range calls {
		dir := filepath.Join(l.attempts(), call.Name())
		fences, err := os.ReadDir(dir)
		for _, fence := range fences {
			if path := filepath.Join(dir, fence.Name()); err == nil && !keep[path] {
				err = attempt.Remove(path)
			}
		}
		if err != nil {
			return err
		}
		os.Remove(dir) // unless something of it is kept
	}
	return nil
}

func (l *Local) attempts() string  { return filepath.Join(l.cfg.Dir, "attempts") }
func (l *Local) instances() string { return filepath.Join(l.cfg.Dir, "instances") }

// Run runs jobs and keeps the pool until ctx ends, then stops every instance.
// Jobs that have not ended are taken up by the next Run.
func (l *Local) Run(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var ended sync.WaitGroup
	ended.Go(func() { l.engine.loop(ctx) })
	ended.Go(func() { l.deliver(ctx) })
	err := l.pool.Run(ctx)
	stop()
	ended.Wait()
	return err
}

// Drain refuses new calls, waits for the calls of services until ctx ends, and
// leaves the
// tasks to go on by themselves: the next run takes them up.
func (l *Local) Drain(ctx context.Context) error {
	l.mu.Lock()
	l.closed = true
	l.mu.Unlock()
	err := l.pool.Drain(ctx)
	l.engine.leave()
	l.stop()
	return err
}

// NewCallID gives a fresh call id; ids sort by time.
func NewCallID() fringe.CallID { return fringe.CallID(ulid.Make().String()) }

// Request asks for a call.
type Request struct {
	ID      fringe.CallID
	Version *catalogue.Version
	Inputs  map[string]any    // typed functions: the input object
	Object  []byte            // services: the input object as Tool.Complete gives it, instead of Inputs
	Uploads map[string]string // location "upload:KEY" → a spooled file of this call
	Trace   string            // the caller's trace context; empty: none
	Raw     *fringe.Call      // raw functions: method, path, query, header, body
	Options Options           // of the job that a task is; of a service's call the namespace counts

	fence int64  // of the job's attempt that this call is; 0: of none
	same  uint64 // fringe.Call.Same; 0 while it is not known

	// Handover gives the files of a typed service's answer open, in
	// Answer.Files, and keeps nothing: they do not become products.
	Handover bool
}

// Answer is the answer to a call.
type Answer struct {
	Outputs map[string]any      // the output object; nil for raw functions and when only JSON is known
	JSON    []byte              // the output object as the worker wrote it; nil when Outputs is set
	Raw     *fringe.Result      // raw functions
	Files   map[string]*os.File // handed over, by output; the caller closes them
	Timing  Timing
	Cold    bool          // an instance was started for this call
	Job     fringe.CallID // the job that a task's call is; with an idempotency key another's than the request's
	Reused  fringe.CallID // the job whose products answer the call; empty: it was run
}

// Timing splits the time of a call.
type Timing struct {
	Queue, Start, Run time.Duration
}

// Object gives the output object, whichever form the answer has.
func (a *Answer) Object() (map[string]any, error) {
	if a.Outputs != nil || a.JSON == nil {
		return a.Outputs, nil
	}
	var o map[string]any
	if err := fringe.Unmarshal(a.JSON, &o); err != nil {
		return nil, &fringe.Error{Op: "site.Answer", Kind: fringe.Failed, Component: fringe.Collect, Err: err,
			Message: "the function's answer is not a JSON object"}
	}
	return o, nil
}

// Expect says whether a call would be taken now whose body of length bytes is
// still to be read; -1: they are not known. The error is the one that it would
// end with. A service's call keeps its place until it is made, or until leave is
// called; what is to become a job, as queued says, has none, and may still find
// the queue full.
func (l *Local) Expect(ctx context.Context, r *Request, queued bool, length int64) (leave func(), err error) {
	if queued || r.Version.Shape == fringe.Task {
		if err := l.cfg.Jobs.Room(ctx); err != nil {
			return nil, l.after(fringe.E("site.Expect", err))
		}
		return func() {}, nil
	}
	r.same = l.same(ctx, r) + uint64(length) // what it asks is not known yet
	return l.pool.Expect(ctx, &fringe.Call{ID: r.ID, Function: &r.Version.Function, Same: r.same})
}

// Call runs the function and waits for the answer. When ctx ends first, a
// service call is given up and a task goes on as a job.
func (l *Local) Call(ctx context.Context, r Request) (*Answer, error) {
	v := r.Version
	if ns := r.Options.Namespace; ns != "" && v.Shape == fringe.Service {
		p := fringe.PrincipalOf(ctx)
		if err := mayUse("site.Call", p, ns); err != nil {
			return nil, err
		}
		p.Namespace = ns
		ctx = fringe.WithPrincipal(ctx, p)
	}
	if v.Raw {
		return l.callRaw(ctx, r)
	}
	if v.Shape == fringe.Task {
		return l.callTask(ctx, r)
	}
	if r.Object != nil {
		return l.callService(ctx, r, nil, false)
	}
	if r.same == 0 {
		r.same = l.same(ctx, &r)
		if err := l.pool.Admits(ctx, &fringe.Call{Function: &v.Function, Same: r.same}); err != nil {
			return nil, err
		}
	}
	inputs, err := v.Tool.Validate(r.Inputs)
	if err != nil {
		return nil, fringe.E("site.Call", err)
	}
	hasData, err := l.resolve(ctx, r, inputs)
	if err != nil {
		return nil, err
	}
	return l.callService(ctx, r, inputs, hasData)
}

// same gives the number by which a call is known again: of who asks, and what.
func (l *Local) same(ctx context.Context, r *Request) uint64 {
	var h maphash.Hash
	h.SetSeed(l.seed)
	part := func(s string) {
		h.WriteString(s)
		h.WriteByte(0)
	}
	part(string(r.Version.Digest))
	part(fringe.PrincipalOf(ctx).Name)
	if c := r.Raw; c != nil {
		part(c.Method)
		part(c.Path)
		part(c.Query)
	}
	object := r.Object
	if object == nil && r.Inputs != nil {
		object, _ = json.Marshal(r.Inputs) // what has no JSON is refused when it is validated
	}
	h.Write(object)
	return h.Sum64()
}

// Abort ends a job that has not ended, and stops its attempt.
func (l *Local) Abort(ctx context.Context, id fringe.CallID) error {
	err := l.cfg.Jobs.Abort(ctx, id, &fringe.Error{Kind: fringe.Failed, Message: errAborted.Error()})
	if err != nil {
		return fringe.E("site.Abort", err)
	}
	if !l.engine.cancel(id, errAborted) {
		return l.releaseUploads(ctx, id)
	}
	return nil
}

// Delete removes a job with its products and its log; one that has not ended
// is aborted first.
func (l *Local) Delete(ctx context.Context, id fringe.CallID) error {
	job, err := l.cfg.Jobs.Get(ctx, id)
	if err != nil {
		return err
	}
	if !job.Phase.Final() {
		if err := l.Abort(ctx, id); err != nil && fringe.KindOf(err) != fringe.Conflict {
			return err
		}
	}
	if err := l.removeProducts(ctx, id); err != nil {
		return err
	}
	return l.cfg.Jobs.Delete(ctx, id)
}

// Unpublish takes a version out of the catalogue, and ends its warm instances
// unless another version has the same content: busy ones after their calls; calls
// that wait for one are refused.
func (l *Local) Unpublish(ctx context.Context, ref string) error {
	gone, err := l.cfg.Catalogue.Unpublish(ctx, ref)
	if err == nil && gone != "" {
		l.pool.Evict(gone)
	}
	return err
}

// Stats tells how full the site is.
func (l *Local) Stats() (waiting, running int, warm []pool.Stats) {
	return l.cfg.Jobs.QueuedCount(), l.engine.stats(), l.pool.Stats()
}
