package site

import (
	"context"
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/oklog/ulid/v2"

	"fringe"
	"fringe/build"
	"fringe/catalogue"
	"fringe/data"
	"fringe/jobs"
	"fringe/pool"
)

// Config says what a site is made of.
type Config struct {
	Dir       string // for scratch; private to the site
	Python    string // directory that holds the Python package fringe
	Driver    fringe.Driver
	Catalogue *catalogue.Catalogue
	Builder   *build.Builder
	Data      *data.Data
	Jobs      *jobs.Jobs
	Log       *slog.Logger

	CPU       float64       // cores for tasks
	Memory    int64         // bytes for tasks
	Queue     int           // tasks that may wait
	Instances int           // warm instances at most
	Defaults  fringe.Limits // for functions and environments that say nothing
	Hidden    []string      // paths of the host that no instance sees
}

// Local is this machine as a site.
type Local struct {
	cfg  Config
	gate *gate
	pool *pool.Pool

	mu     sync.Mutex // guards active, drained
	active map[fringe.CallID]*run
	closed bool
	runs   sync.WaitGroup
}

// New gives a site over its parts. Scratch that a crashed run left is removed.
func New(cfg Config) (*Local, error) {
	const op = "site.New"
	l := &Local{cfg: cfg, gate: newGate(cfg.CPU, cfg.Memory, cfg.Queue), active: map[fringe.CallID]*run{}}
	for _, d := range []string{l.attempts(), l.instances()} {
		if err := os.RemoveAll(d); err != nil {
			return nil, fringe.E(op, err)
		}
		if err := os.MkdirAll(d, 0o700); err != nil {
			return nil, fringe.E(op, err)
		}
	}
	p, err := pool.New(pool.Config{Start: l.startInstance, Max: cfg.Instances, Log: cfg.Log})
	if err != nil {
		return nil, fringe.E(op, err)
	}
	l.pool = p
	return l, nil
}

func (l *Local) attempts() string  { return filepath.Join(l.cfg.Dir, "attempts") }
func (l *Local) instances() string { return filepath.Join(l.cfg.Dir, "instances") }

// Run keeps the pool until ctx ends, then stops every instance.
func (l *Local) Run(ctx context.Context) error { return l.pool.Run(ctx) }

// Drain refuses new calls and waits for the running ones until ctx ends; tasks
// that still run then are stopped and their jobs end in ERROR.
func (l *Local) Drain(ctx context.Context) error {
	l.mu.Lock()
	l.closed = true
	l.mu.Unlock()
	err := l.pool.Drain(ctx)
	done := make(chan struct{})
	go func() { l.runs.Wait(); close(done) }()
	select {
	case <-done:
	case <-ctx.Done():
		l.mu.Lock()
		for _, r := range l.active {
			r.cancel(errStopping)
		}
		l.mu.Unlock()
		<-done
	}
	return err
}

// NewCallID gives a fresh call id; ids sort by time.
func NewCallID() fringe.CallID { return fringe.CallID(ulid.Make().String()) }

// Request asks for a call.
type Request struct {
	ID      fringe.CallID
	Version *catalogue.Version
	Inputs  map[string]any    // typed functions: the input object
	Uploads map[string]string // location "upload:KEY" → a spooled file of this call
	Trace   string            // the caller's trace context; empty: none
	Raw     *fringe.Call      // raw functions: method, path, query, header, body
}

// Answer is the answer to a call.
type Answer struct {
	Outputs map[string]any // the output object; nil for raw functions and when only JSON is known
	JSON    []byte         // the output object as the worker wrote it; nil when Outputs is set
	Raw     *fringe.Result // raw functions
	Timing  Timing
	Cold    bool // an instance was started for this call
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
	if err := json.Unmarshal(a.JSON, &o); err != nil {
		return nil, &fringe.Error{Op: "site.Answer", Kind: fringe.Failed, Component: fringe.Collect, Err: err,
			Message: "the function's answer is not a JSON object"}
	}
	return o, nil
}

// Call runs the function and waits for the answer. When ctx ends first, a
// service call is given up and a task goes on as a job.
func (l *Local) Call(ctx context.Context, r Request) (*Answer, error) {
	v := r.Version
	if v.Raw {
		return l.callRaw(ctx, r)
	}
	inputs, err := v.Tool.Validate(r.Inputs)
	if err != nil {
		return nil, fringe.E("site.Call", err)
	}
	hasData, err := l.resolve(ctx, r, inputs)
	if err != nil {
		return nil, err
	}
	if v.Shape == fringe.Service {
		return l.callService(ctx, r, inputs, hasData)
	}
	return l.callTask(ctx, r, inputs)
}

// Abort stops a running or waiting task.
func (l *Local) Abort(id fringe.CallID) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	r := l.active[id]
	if r == nil {
		return false
	}
	r.cancel(errAborted)
	return true
}

// Running says whether the task's log may still grow: the channel is closed
// when it ends, nil when it does not run.
func (l *Local) Running(id fringe.CallID) <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	if r := l.active[id]; r != nil {
		return r.done
	}
	return nil
}

// Stats tells how full the site is.
func (l *Local) Stats() (waiting, running int, warm []pool.Stats) {
	waiting, running = l.gate.queued()
	return waiting, running, l.pool.Stats()
}
