package fork

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"fringe"
	"fringe/driver/process"
)

// startTime bounds the imports of a zygote.
const startTime = 5 * time.Minute

// A zygote is a process that has imported an environment's modules.
type zygote struct {
	s    *Server
	key  string
	env  fringe.Environment
	d    *driver
	spec fringe.Spec // of the call that it was started for
	dir  string

	turns chan struct{} // taken by each fork that is made and begins; see turn

	ready chan struct{} // closed when the start has ended; then the next are set
	nest  *process.Nest
	late  []string // modules that each fork imports for itself
	why   string   // why late has any, or what else is to be known
	err   error

	used  time.Time // guarded by s.mu, as is kinds
	kinds map[string]*kind
}

// A kind is what calls have in common, so that a fork can stand by for any.
type kind struct {
	spec   fringe.Spec
	free   []*process.Fork
	making int
	used   time.Time
}

// perCall are variables that differ from call to call; what modules take of them
// at their import (the number of threads) forks set anew.
var perCall = []string{"HOME", "TMPDIR", "PWD", "FRINGE_FUNCTION", "TRACEPARENT", "TAR_OPTIONS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"}

// without gives the variables but those of the names.
func without(env []string, names ...string) []string {
	return slices.DeleteFunc(slices.Clone(env), func(kv string) bool {
		name, _, _ := strings.Cut(kv, "=")
		return slices.Contains(names, name)
	})
}

// variables gives those of the zygote for a call's.
func (s *Server) variables(env []string) []string {
	out := without(env, append(perCall, "PYTHONPATH", s.alsoPerCall)...)
	path := pythonDir
	for _, kv := range env {
		if p, ok := strings.CutPrefix(kv, "PYTHONPATH="); ok {
			path += ":" + p
		}
	}
	// Threads of mathematical libraries would be alive when it forks.
	return append(out, "PYTHONPATH="+path, "HOME=/tmp", "TMPDIR=/tmp", "OMP_NUM_THREADS=1", "OPENBLAS_NUM_THREADS=1")
}

// mounts gives the mounts of a zygote: those that are not of one function.
func (d *driver) mounts() []fringe.Mount {
	m := []fringe.Mount{{Source: d.s.cfg.Python, Target: pythonDir}}
	for _, f := range d.fixed {
		if f.Target != functionDir && f.Target != pythonDir {
			m = append(m, f)
		}
	}
	return m
}

// zygote gives the zygote for the call, and waits until it has started.
func (s *Server) zygote(ctx context.Context, d *driver, spec fringe.Spec, way Way) (*zygote, error) {
	k := key{}.text(string(d.env.Digest), string(d.env.Name), string(way), spec.Root, fmt.Sprint(spec.Network))
	key := string(k.list(spec.Layers).list(spec.Hidden).mounts(d.mounts()).list(s.variables(spec.Env)))
	s.mu.Lock()
	z := s.zygotes[key]
	if z == nil {
		if s.closed || !s.makeRoom() {
			s.mu.Unlock()
			return nil, &fringe.Error{Op: "fork.zygote", Kind: fringe.Busy, Component: fringe.Start, RetryAfter: time.Second,
				Message: fmt.Sprintf("%d fork servers are busy, and no more are allowed", s.cfg.Zygotes)}
		}
		z = &zygote{s: s, key: key, env: d.env, d: d, spec: spec, turns: make(chan struct{}, runtime.NumCPU()+1),
			ready: make(chan struct{}), kinds: map[string]*kind{}}
		s.zygotes[key] = z
		var id fringe.InstanceID
		id, z.dir = s.name(d.env.Name)
		s.wg.Go(func() { z.begin(id, way) })
	}
	z.used = time.Now()
	s.mu.Unlock()
	select {
	case <-z.ready:
		return z, z.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// A key is the same for what has the same parts: each is there with its length.
type key []byte

func (k key) text(parts ...string) key {
	for _, p := range parts {
		k = append(append(strconv.AppendInt(k, int64(len(p)), 10), ':'), p...)
	}
	return k
}

func (k key) list(parts []string) key {
	k = append(strconv.AppendInt(k, int64(len(parts)), 10), ';')
	return k.text(parts...)
}

func (k key) mounts(all []fringe.Mount) key {
	k = append(strconv.AppendInt(k, int64(len(all)), 10), ';')
	for _, m := range all {
		k = strconv.AppendBool(k.text(m.Source, m.Target), m.Writable)
	}
	return k
}

// begin starts the zygote, and stays until it has ended.
func (z *zygote) begin(id fringe.InstanceID, way Way) {
	ctx, cancel := context.WithTimeout(z.s.ctx, startTime)
	defer cancel()
	if way == Prestart {
		z.late, z.why = z.env.Preload, "start: prestart is declared"
	}
	z.nest, z.err = z.open(ctx, id)
	if unsafe := z.unsafe(); unsafe != "" && z.env.Start == fringe.StartFork {
		z.why = "start: fork is declared, although after the imports " + unsafe
	} else if unsafe != "" {
		z.late, z.why = z.env.Preload, "not safe to fork: after the imports "+unsafe
		z.s.log.Warn("the environment's modules cannot be forked; its calls are started ahead instead", "environment", z.env.Name, "why", z.why)
		if z.err = z.nest.Stop(context.WithoutCancel(ctx)); z.err == nil {
			z.nest, z.err = z.open(ctx, id+"-late")
		}
	}
	close(z.ready)
	if z.err == nil {
		z.s.log.Info("fork server ready", "environment", z.env.Name, "imports", z.nest.ImportTime())
		z.s.stir()
		<-z.nest.Done()
	}
	z.s.forget(z)
	os.RemoveAll(z.dir)
}

// unsafe says what the zygote has found that forks may not come to terms with.
func (z *zygote) unsafe() string {
	if z.err != nil {
		return ""
	}
	return strings.Join(z.nest.Unsafe(), ", ")
}

// open starts the process.
func (z *zygote) open(ctx context.Context, id fringe.InstanceID) (*process.Nest, error) {
	const op = "fork.open"
	scratch := filepath.Join(z.dir, "scratch")
	if err := os.MkdirAll(scratch, 0o700); err != nil {
		return nil, fringe.E(op, err)
	}
	log, err := os.Create(filepath.Join(z.dir, "log"))
	if err != nil {
		return nil, fringe.E(op, err)
	}
	defer log.Close()
	preload := z.env.Preload
	if z.late != nil {
		preload = nil
	}
	nest, err := z.s.cfg.Driver.StartNest(ctx, fringe.Spec{ID: id, Root: z.spec.Root, Layers: z.spec.Layers, Hidden: z.spec.Hidden,
		Network: z.spec.Network, Argv: []string{z.env.Python, "-s", "-m", "fringe.zygote"}, Env: z.s.variables(z.spec.Env), Dir: "/tmp",
		Mounts: z.d.mounts(), Stdout: log, Stderr: log, Scratch: scratch}, preload)
	if err == nil {
		return nest, nil
	}
	e := fringe.E(op, err)
	if ctx.Err() != nil {
		e.Kind, e.Component, e.Message = fringe.Failed, fringe.Start, fmt.Sprintf("the imports had not ended after %s", startTime)
	}
	if words, _ := os.ReadFile(log.Name()); len(words) > 0 {
		e.Message += "; the last it wrote:\n" + string(words[max(0, len(words)-2000):])
	}
	e.Message = fmt.Sprintf("the environment %s does not start: %s", z.env.Name, e.Message)
	e.Cure = "correct its preload list or its packages, and build it again"
	return nil, e
}

// started says whether the start has ended well.
func (z *zygote) started() bool {
	select {
	case <-z.ready:
		return z.err == nil
	default:
		return false
	}
}

// forget takes a zygote that has ended out, with what stood by in it, and has
// it replaced when it was needed.
func (s *Server) forget(z *zygote) {
	s.mu.Lock()
	asked := s.zygotes[z.key] == z
	if asked {
		delete(s.zygotes, z.key)
	}
	var free []*process.Fork
	for _, k := range z.kinds {
		free = append(free, k.free...)
		k.free = nil
	}
	replace := asked && z.err == nil && !s.closed && len(z.kinds) > 0
	s.mu.Unlock()
	for _, f := range free {
		f.Discard()
	}
	if replace {
		s.log.Warn("a fork server ended; it is replaced", "environment", z.env.Name)
		s.wg.Go(func() {
			if way, _ := z.d.way(); way != Process {
				s.zygote(s.ctx, z.d, z.spec, way)
			}
		})
	}
}

// stop ends the zygote.
func (z *zygote) stop() {
	<-z.ready
	if z.err == nil {
		if err := z.nest.Stop(context.Background()); err != nil {
			z.s.log.Error("a fork server does not end", "environment", z.env.Name, "err", err)
		}
	}
}

// start gives an instance for the call, from a fork that stands by when there
// is one.
func (z *zygote) start(ctx context.Context, d *driver, spec fringe.Spec) (fringe.Instance, Way, error) {
	kept := spec
	kept.Mounts, kept.Limits.Time = d.fixed, 0
	kept.ID, kept.Dir, kept.Stdin, kept.Stdout, kept.Stderr, kept.Conn, kept.Scratch = "", "", nil, nil, nil, nil, ""
	kept.StdoutMax, kept.StderrMax = 0, 0
	k := z.kind(kept)
	defer z.s.stir()
	if f := z.take(k); f != nil {
		in, err := f.Start(ctx, spec)
		return in, Standby, err
	}
	done, err := z.turn(ctx)
	if err != nil {
		return nil, Fork, err
	}
	defer done()
	if f := z.take(k); f != nil { // made while this call waited
		in, err := f.Start(ctx, spec)
		return in, Standby, err
	}
	how := Fork
	if z.late != nil {
		how = Prestart
	}
	f, err := z.nest.Fork(ctx, kept, z.late, true)
	if err != nil {
		return nil, how, err
	}
	in, err := f.Start(ctx, spec)
	return in, how, err
}

// settling is how long a fork that has been made keeps its turn: about what its
// program takes to load a function.
const settling = 15 * time.Millisecond

// turn waits until a fork may be made. Calls that come together take turns in
// the order in which they came: made all at once, none would run before most
// could. The caller says when it is done.
func (z *zygote) turn(ctx context.Context) (done func(), err error) {
	select {
	case z.turns <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-z.nest.Done():
		return nil, &fringe.Error{Op: "fork.turn", Kind: fringe.Unavailable, Component: fringe.Start,
			Message: fmt.Sprintf("the fork server of the environment %s has ended", z.env.Name)}
	}
	return func() { time.AfterFunc(settling, func() { <-z.turns }) }, nil
}

// kind gives the kind of calls of a spec.
func (z *zygote) kind(spec fringe.Spec) *kind {
	key := string(key{}.list(spec.Argv).list(without(spec.Env, "TRACEPARENT")).mounts(spec.Mounts).text(fmt.Sprint(spec.Limits, spec.TmpBytes)))
	z.s.mu.Lock()
	defer z.s.mu.Unlock()
	k := z.kinds[key]
	if k == nil {
		k = &kind{spec: spec}
		z.kinds[key] = k
	}
	k.used, z.used = time.Now(), time.Now()
	return k
}

// take takes a fork that stands by; nil when there is none.
func (z *zygote) take(k *kind) *process.Fork {
	for f := z.next(k); f != nil; f = z.next(k) {
		if f.Alive() {
			return f
		}
		f.Discard()
	}
	return nil
}

// next takes the fork that stood by first, which may have ended.
func (z *zygote) next(k *kind) *process.Fork {
	z.s.mu.Lock()
	defer z.s.mu.Unlock()
	if len(k.free) == 0 {
		return nil
	}
	f := k.free[0]
	k.free = k.free[1:]
	return f
}

// makeOne makes one fork that stands by, of the kind that was used last among
// those that lack one. It says whether it made one.
func (s *Server) makeOne(ctx context.Context) bool {
	z, k := s.lacking()
	if k == nil || ctx.Err() != nil {
		return false
	}
	f, err := z.standby(ctx, k)
	s.mu.Lock()
	k.making--
	alive := s.zygotes[z.key] == z
	if err == nil && alive {
		k.free = append(k.free, f)
	}
	s.mu.Unlock()
	if err != nil {
		if ctx.Err() == nil && !z.ended() {
			s.log.Warn("no fork stands by", "environment", z.env.Name, "err", err)
		}
		return false
	}
	if !alive {
		f.Discard()
	}
	return alive
}

// standby makes a fork that stands by, after the calls that wait for one.
func (z *zygote) standby(ctx context.Context, k *kind) (*process.Fork, error) {
	done, err := z.turn(ctx)
	if err != nil {
		return nil, err
	}
	defer done()
	return z.nest.Fork(ctx, k.spec, z.late, false)
}

// lacking gives the kind for which a fork is to be made next; nil when there is
// none. Where too many stand by, one of the kind that was not used for the
// longest time ends.
func (s *Server) lacking() (*zygote, *kind) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var of *zygote
	var last, first *kind
	total := 0
	for _, z := range s.zygotes {
		if !z.started() {
			continue
		}
		weight, ready := 1, s.cfg.Ready
		if z.late != nil {
			weight, ready = lateWeight, min(ready, 1)
		}
		for _, k := range z.kinds {
			total += weight * (len(k.free) + k.making)
			if module(k.spec.Argv) == "fringe.run" && len(k.free)+k.making < ready && (last == nil || k.used.After(last.used)) {
				of, last = z, k
			}
			if len(k.free) > 0 && (first == nil || k.used.Before(first.used)) {
				first = k
			}
		}
	}
	if last != nil && total >= mostReady {
		if first == nil || first == last || first.used.After(last.used) {
			return nil, nil
		}
		f := first.free[0]
		first.free = first.free[1:]
		s.wg.Go(func() { f.Discard() })
	}
	if last != nil {
		last.making++
	}
	return of, last
}
