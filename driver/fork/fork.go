package fork

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"fringe"
	"fringe/driver/process"
)

// Config says how a Server works.
type Config struct {
	Driver *process.Driver
	Dir    string       // the server's own; emptied at its start
	Python string       // directory that holds the Python package fringe
	Log    *slog.Logger // nil drops it

	Ready   int           // forks that stand by for each kind of task call
	Zygotes int           // most zygotes at once
	Idle    time.Duration // how long a zygote lives without calls
}

// Where instances see the package fringe and the content of one function.
const (
	pythonDir   = "/fringe/python"
	functionDir = "/fringe/function"
)

// tryAgain is how long a machine that lets no zygote start is left alone.
const tryAgain = time.Minute

// mostReady bounds the forks that stand by, of all kinds. One that has imported
// the modules for itself takes so much memory that it counts for lateWeight, and
// there is one of a kind only.
const (
	mostReady  = 32
	lateWeight = 8
)

// Server keeps the zygotes of all environments.
type Server struct {
	cfg    Config
	log    *slog.Logger
	wake   chan struct{} // something may have to be made or ended; of capacity 1
	wg     sync.WaitGroup
	ctx    context.Context // of starts that serve many calls; it ends when Run does
	cancel context.CancelFunc
	serial int // of zygotes; guarded by mu

	mu      sync.Mutex // guards the rest
	closed  bool
	zygotes map[string]*zygote // by key
	tallies map[fringe.EnvironmentName]*Status
	cannot  string    // why no zygote starts on this machine
	since   time.Time // of cannot

	// Of the suite of drivers, which has programs and variables of its own.
	everything  func(s fringe.Spec) bool // programs beside Python's that are started in forks
	alsoPerCall string
}

// New gives a Server that is ready.
func New(cfg Config) (*Server, error) {
	const op = "fork.New"
	if err := os.RemoveAll(cfg.Dir); err != nil {
		return nil, fringe.E(op, err)
	}
	if err := os.MkdirAll(cfg.Dir, 0o755); err != nil {
		return nil, fringe.E(op, err)
	}
	s := &Server{cfg: cfg, log: cfg.Log, wake: make(chan struct{}, 1), zygotes: map[string]*zygote{},
		tallies: map[fringe.EnvironmentName]*Status{}, everything: func(fringe.Spec) bool { return false }}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	return s, nil
}

// For gives the driver of an environment. Of base the Mounts are used: those
// that every instance of one function has.
func (s *Server) For(env fringe.Environment, base fringe.Spec) fringe.Driver {
	return &driver{s: s, env: env, fixed: base.Mounts}
}

// A driver starts instances of one environment.
type driver struct {
	s     *Server
	env   fringe.Environment
	fixed []fringe.Mount
}

var _ fringe.Driver = (*driver)(nil)

// Sweep implements fringe.Driver.
func (d *driver) Sweep(ctx context.Context, keep []fringe.InstanceID) error {
	return d.s.cfg.Driver.Sweep(ctx, keep)
}

// Attach implements fringe.Driver. A fork ends with the server: afterwards the
// error is NotFound.
func (d *driver) Attach(ctx context.Context, id fringe.InstanceID, scratch string) (fringe.Instance, error) {
	return d.s.cfg.Driver.Attach(ctx, id, scratch)
}

// Start implements fringe.Driver.
func (d *driver) Start(ctx context.Context, spec fringe.Spec) (fringe.Instance, error) {
	if !d.forkable(spec) {
		return d.s.cfg.Driver.Start(ctx, spec)
	}
	way, why := d.way()
	if not := process.Forkable(spec, d.mounts()); not != "" && way != Process {
		way, why = Process, "no fork can have "+not
	}
	// A zygote may end between the two steps; then there is a new one.
	for try := 0; way != Process && try < 3; try++ {
		z, err := d.s.zygote(ctx, d, spec, way)
		if fringe.KindOf(err) == fringe.Unavailable && ctx.Err() == nil {
			why = err.Error()
			d.s.unable(why)
			break
		}
		if fringe.KindOf(err) == fringe.Busy {
			why = err.Error()
			break
		}
		if err != nil {
			return nil, err
		}
		in, how, err := z.start(ctx, d, spec)
		if err == nil {
			d.s.count(d.env, how, z)
			return in, nil
		}
		if fringe.KindOf(err) != fringe.Unavailable || ctx.Err() != nil || !z.ended() {
			return nil, err
		}
		why = err.Error()
	}
	in, err := d.s.cfg.Driver.Start(ctx, spec)
	if err == nil {
		d.s.tally(d.env, Process, why)
	}
	return in, err
}

// forkable says whether the program is one that forks run: a module of the
// package fringe, under the environment's interpreter.
func (d *driver) forkable(spec fringe.Spec) bool {
	argv := spec.Argv
	if len(argv) == 0 || d.env.Python == "" {
		return false
	}
	if d.s.everything(spec) {
		return true
	}
	if argv[0] != d.env.Python && argv[0] != "python3" {
		return false
	}
	m := module(argv)
	return m == "fringe.run" || m == "fringe.worker"
}

// module gives the module that a Python command line runs.
func module(argv []string) string {
	i := slices.Index(argv, "-m")
	if i < 1 || i+1 >= len(argv) || slices.ContainsFunc(argv[1:i], func(a string) bool { return !strings.HasPrefix(a, "-") }) {
		return ""
	}
	return argv[i+1]
}

// way gives how instances of the environment start, and why not by forks.
func (d *driver) way() (way Way, why string) {
	d.s.mu.Lock()
	defer d.s.mu.Unlock()
	switch {
	case d.env.Start == fringe.StartProcess:
		return Process, "start: process is declared"
	case d.s.cannot != "" && time.Since(d.s.since) < tryAgain:
		return Process, d.s.cannot
	case d.env.Start == fringe.StartPrestart:
		return Prestart, "start: prestart is declared"
	}
	return Fork, ""
}

// unable records that no zygote starts on this machine.
func (s *Server) unable(why string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.since = time.Now()
	if s.cannot != why {
		s.cannot = why
		s.log.Warn("Python starts without a fork server: every call imports its modules anew", "why", why)
	}
}

// ending bounds the wait for a zygote whose forks have ended; a program built to
// find races takes a second to end.
const ending = 5 * time.Second

// ended says whether the zygote has ended.
func (z *zygote) ended() bool {
	select {
	case <-z.nest.Done():
		return true
	case <-time.After(ending): // its end is seen shortly after that of its forks
		return false
	}
}

// Run makes forks that stand by, ends what is idle and replaces zygotes that
// ended, until ctx ends; then it ends all zygotes, and the instances in them.
func (s *Server) Run(ctx context.Context) error {
	tick := time.NewTicker(max(s.cfg.Idle/4, time.Second))
	defer tick.Stop()
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case <-s.wake:
			for s.makeOne(ctx) {
			}
		case <-tick.C:
			s.endIdle()
		}
	}
	s.cancel()
	s.mu.Lock()
	s.closed = true
	for _, z := range s.zygotes {
		s.wg.Go(z.stop)
	}
	s.mu.Unlock()
	s.wg.Wait()
	return nil
}

// stir has Run look.
func (s *Server) stir() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// endIdle ends zygotes that had no calls for a while.
func (s *Server) endIdle() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, z := range s.zygotes {
		if z.started() && z.nest.Running() == 0 && time.Since(z.used) > s.cfg.Idle {
			s.remove(z)
		}
	}
}

// remove takes a zygote out and ends it; mu is held.
func (s *Server) remove(z *zygote) {
	delete(s.zygotes, z.key)
	s.wg.Go(z.stop)
}

// makeRoom ends the zygote that was not used for the longest time when there
// are too many; mu is held. It says whether there is room.
func (s *Server) makeRoom() bool {
	if len(s.zygotes) < s.cfg.Zygotes {
		return true
	}
	var last *zygote
	for _, z := range s.zygotes {
		if z.started() && z.nest.Running() == 0 && (last == nil || z.used.Before(last.used)) {
			last = z
		}
	}
	if last == nil {
		return false
	}
	s.remove(last)
	return true
}

// dir gives a directory for a new zygote, and its instance's id; mu is held.
func (s *Server) name(env fringe.EnvironmentName) (fringe.InstanceID, string) {
	s.serial++
	id := fmt.Sprintf("zygote-%s-%d", env, s.serial)
	return fringe.InstanceID(id), filepath.Join(s.cfg.Dir, id)
}
