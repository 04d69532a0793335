// Package attempt makes one attempt of a CommandLineTool: stage, start, wait,
// collect.
//
// What is staged is never copied: inputs are mounted read-only where they lie,
// an input that the tool changes is mounted as a private copy-on-write view,
// and only what a document writes out itself becomes a file. The tool sees its
// work directory at [WorkDir] and its inputs below [InputDir], whatever the
// machine looks like. The output object has paths of this machine.
//
// A durable attempt outlives the process that makes it: another one takes it up
// with [Resume], at whatever point the first one died. What is needed for that
// is recorded in [Request.WorkDir] before the program starts, and the outcome
// once it is collected.
//
// Invariants: the bytes of an input do not change; every file of the output
// object lies below [Outcome.OutDir], once, so that its holder may move it
// away; nothing outside of [Request.WorkDir] is written. An attempt that failed
// has released its views, unless it can be resumed; the outcome of one that
// succeeded must be closed.
//
// Room site and the command cwl-runner call it.
package attempt

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"syscall"
	"time"

	"fringe"
	"fringe/cwl"
	"fringe/data"
)

// Paths as the tool sees them.
const (
	WorkDir  = "/fringe/work" // unless the tool asks for another place
	InputDir = "/fringe/in"
	TmpDir   = "/tmp"
)

// stopGrace is the time between SIGTERM and SIGKILL when an attempt is aborted.
const stopGrace = 5 * time.Second

// Request says what to run.
type Request struct {
	Tool    *cwl.Tool
	Inputs  map[string]any // as Tool.Validate gives them; files have an absolute path or a file: location
	Driver  fringe.Driver
	ID      fringe.InstanceID
	WorkDir string        // empty or absent directory of this machine, all of which the caller may remove after Outcome.Close
	Limits  fringe.Limits // the tool's own limits apply where these are zero

	// Base is what the environment and the function bring: Root, Layers,
	// Hidden, Mounts (they come before the staged ones), Env (it gives way
	// to what the tool sets). The rest of it is not used.
	Base fringe.Spec

	Network bool     // allow the network when the tool asks for it
	Stdout  *os.File // takes what the tool does not keep of its standard output; nil drops it
	Stderr  *os.File // the same for its standard error

	// LogMax bounds the bytes that Stdout and Stderr each get, which are then
	// files: the rest is dropped, and a line says so. 0: no bound.
	LogMax int64

	// Durable lets the program go on when this process dies, or when ctx ends
	// with the cause ErrLeave, for Resume to take it up. Stdout and Stderr are
	// then files.
	Durable bool
}

// ErrLeave is the cause with which a context ends when the attempts under it
// are left to go on, because this process ends.
var ErrLeave = errors.New("the process that made the attempt ends")

// Outcome is what an attempt gave.
type Outcome struct {
	Outputs map[string]any // the output object; each file has a path below OutDir
	Exit    fringe.Exit
	Argv    []string
	OutDir  string // on this machine
	Phases  Phases

	// Kept says, with an error of a durable attempt, that its program has
	// ended well and only the platform failed to collect: Resume tries that
	// again.
	Kept bool

	views []*data.View
}

// Phases says where the time went.
type Phases struct {
	Stage, Start, Run, Collect time.Duration
}

// Close releases the private views of inputs. The output files stay.
func (o *Outcome) Close() error {
	var errs []error
	for _, v := range o.views {
		errs = append(errs, v.Release())
	}
	o.views = nil
	return errors.Join(errs...)
}

// Run makes one attempt. When ctx ends the instance is stopped and the error is
// the cause. The error is a *fringe.Error whose Component says what failed:
// Stage, Start, UserCode, Timeout, Memory or Collect.
func Run(ctx context.Context, r Request) (Outcome, error) {
	t, err := newTry(&r)
	if err == nil {
		err = t.make(ctx)
	}
	return t.close(ctx, "attempt.Run", err)
}

// A try is an attempt under way.
type try struct {
	r       *Request
	e       *cwl.Execution
	limits  fringe.Limits
	s       *stage
	streams *streams
	former  bool // another process made it
	running bool // its instance goes on without this process
	out     Outcome
	clock   time.Time
}

// newTry gives a try of which nothing is made yet.
func newTry(r *Request) (*try, error) {
	t := &try{r: r, limits: r.Limits.Or(r.Tool.Limits()), s: &stage{}, streams: &streams{}, clock: time.Now()}
	var err error
	t.e, err = r.Tool.Prepare(r.Inputs, cwl.Runtime{OutDir: WorkDir, TmpDir: TmpDir, InputDir: InputDir, Cores: t.limits.CPU, RAM: t.limits.Memory >> 20})
	if err != nil {
		return t, err
	}
	if l := t.e.TimeLimit; l > 0 && (t.limits.Time == 0 || l < t.limits.Time) {
		t.limits.Time = l
	}
	t.out.Argv = t.e.Argv
	return t, nil
}

// close gives the outcome. What a failed attempt has of views is released, but
// not when it goes on without this process.
func (t *try) close(ctx context.Context, op string, err error) (Outcome, error) {
	t.streams.close()
	t.out.OutDir, t.out.views = t.s.out, t.s.views
	if err == nil {
		return t.out, nil
	}
	if t.running && leaving(ctx) || t.out.Kept {
		t.out.views = nil // they are for Resume
	}
	err = errors.Join(err, t.out.Close())
	return t.out, fringe.E(op, err)
}

func leaving(ctx context.Context) bool { return errors.Is(context.Cause(ctx), ErrLeave) }

// lap takes the time since the last one.
func (t *try) lap(d *time.Duration) {
	*d = time.Since(t.clock)
	t.clock = time.Now()
}

// make takes the attempt from nothing to its end.
func (t *try) make(ctx context.Context) (err error) {
	if t.s, err = newStage(ctx, t.r, t.e); err != nil {
		return component(err, fringe.Stage)
	}
	if t.streams, err = openStreams(t.r, t.e, t.s); err != nil {
		return component(err, fringe.Stage)
	}
	t.lap(&t.out.Phases.Stage)
	if t.r.Durable {
		if err := t.record(); err != nil {
			return component(err, fringe.Stage)
		}
	}
	r, e := t.r, t.e
	instance, err := r.Driver.Start(ctx, fringe.Spec{ID: r.ID, Root: r.Base.Root, Layers: r.Base.Layers, Hidden: r.Base.Hidden, Argv: e.Argv,
		Env: environment(r.Base.Env, e.Env), Dir: t.s.inside, Mounts: append(append([]fringe.Mount{}, r.Base.Mounts...), t.s.mounts...),
		Limits: t.limits, Network: e.Network && r.Network, Stdin: t.streams.in, Stdout: t.streams.out, Stderr: t.streams.err,
		StdoutMax: t.streams.outMax, StderrMax: t.streams.errMax, Scratch: t.s.scratch, Durable: r.Durable})
	t.lap(&t.out.Phases.Start)
	if cause := context.Cause(ctx); err != nil && cause != nil {
		return aborted(cause)
	}
	if err != nil {
		return component(err, fringe.Start)
	}
	return t.finish(ctx, instance)
}

// finish takes the attempt from its running instance to its end.
func (t *try) finish(ctx context.Context, instance fringe.Instance) (err error) {
	t.running = t.r.Durable
	t.out.Exit, err = wait(ctx, instance, t.r.Durable)
	t.lap(&t.out.Phases.Run)
	if err != nil {
		return err
	}
	if err := ownReason(t.out.Exit, t.s.out); err != nil {
		return err
	}
	if err := verdict(t.e, t.out.Exit, t.limits, t.streams); err != nil {
		return err
	}
	err = component(t.collect(ctx), fringe.Collect)
	t.lap(&t.out.Phases.Collect)
	switch fringe.KindOf(err) {
	case fringe.Internal, fringe.Unavailable, fringe.Busy:
		t.out.Kept = err != nil && t.r.Durable
	}
	return err
}

// collect gathers the outputs, and records them when the attempt is durable:
// from then on they may be moved away.
func (t *try) collect(ctx context.Context) (err error) {
	if t.former {
		for _, v := range t.s.views {
			if err := v.Reopen(); err != nil {
				return err
			}
		}
	}
	if err := os.RemoveAll(filepath.Join(t.s.out, copies)); err != nil { // of a former process, or the tool's
		return err
	}
	if t.out.Outputs, err = t.e.Collect(t.s.out, t.out.Exit.Code); err != nil {
		return err
	}
	if err := t.s.settle(ctx, t.e, t.out.Outputs); err != nil || !t.r.Durable {
		return err
	}
	return t.conclude()
}

// component names the part that failed where err does not.
func component(err error, c fringe.Component) error {
	if err == nil {
		return nil
	}
	e := fringe.E("attempt.Run", err)
	if e.Component == "" || e.Component == fringe.Data {
		e.Component = c
	}
	if e.Message == "" {
		e.Message = err.Error()
	}
	return e
}

// wait waits for the end, and stops the instance when ctx ends first, unless
// that is durable and is left.
func wait(ctx context.Context, instance fringe.Instance, durable bool) (fringe.Exit, error) {
	exit, err := instance.Wait(ctx)
	if err == nil {
		return exit, nil
	}
	cause := context.Cause(ctx)
	if cause == nil || durable && leaving(ctx) {
		return exit, err
	}
	settle, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopGrace+30*time.Second)
	defer cancel()
	if err := instance.Stop(settle, stopGrace); err != nil {
		return exit, errors.Join(cause, err)
	}
	exit, err = instance.Wait(settle)
	if err != nil {
		return exit, errors.Join(cause, err)
	}
	exit.Cause = fringe.Stopped
	return exit, aborted(cause)
}

func aborted(cause error) error { return fmt.Errorf("the attempt was aborted: %w", cause) }

// What a program leaves in its work directory, by its exit code, when it says
// itself why it ends: an input is wrong, or the work failed (python/fringe/run.py).
const (
	refusalFile, refusalCode = ".fringe-invalid.json", 65
	failureFile, failureCode = ".fringe-failed.json", 70
	reasonMax                = 64 << 10 // bytes
)

// ErrOwnReason is the cause of an error whose message is what the program itself
// says of why it failed: the end of its log would add nothing.
var ErrOwnReason = errors.New("the program says why it failed")

// ownReason gives the error of a program that says why it ends, else nil.
func ownReason(exit fringe.Exit, out string) error {
	e, name := &fringe.Error{Op: "attempt.Run"}, ""
	switch {
	case exit.Cause != fringe.Exited:
		return nil
	case exit.Code == refusalCode:
		e.Kind, name = fringe.Invalid, refusalFile
	case exit.Code == failureCode:
		e.Kind, e.Component, e.Err, name = fringe.Failed, fringe.UserCode, ErrOwnReason, failureFile
	default:
		return nil
	}
	f, err := os.OpenFile(filepath.Join(out, name), os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil
	}
	defer f.Close()
	var said struct{ Message, Input, Cure string }
	if json.NewDecoder(io.LimitReader(f, reasonMax)).Decode(&said) != nil || said.Message == "" {
		return nil
	}
	e.Message, e.Cure = said.Message, said.Cure
	if said.Input != "" {
		e.Pointer = "/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(said.Input)
	}
	return e
}

// verdict turns an end that is no success into an error.
func verdict(e *cwl.Execution, exit fringe.Exit, limits fringe.Limits, s *streams) error {
	fail := func(c fringe.Component, cure, format string, args ...any) *fringe.Error {
		message := fmt.Sprintf(format, args...)
		if tail := s.tail(); tail != "" {
			message += "; its last words:\n" + tail
		}
		return &fringe.Error{Op: "attempt.Run", Kind: fringe.Failed, Component: c, Message: message, Cure: cure}
	}
	program := filepath.Base(e.Argv[0])
	switch exit.Cause {
	case fringe.TimedOut:
		return fail(fringe.Timeout, "give it less to do, or raise the function's time limit", "%s was stopped at its time limit of %v", program, limits.Time)
	case fringe.OutOfMemory:
		return fail(fringe.Memory, "give it less to do, or raise the function's memory limit", "%s was stopped at its memory limit of %s", program, bytesText(limits.Memory))
	case fringe.Stopped:
		return fail(fringe.Engine, "", "%s was stopped", program)
	case fringe.Killed:
		e := fail(fringe.Engine, "call it again", "%s was killed from outside with all that it had started", program)
		e.Kind = fringe.Unavailable // nothing is wrong with the function
		return e
	case fringe.Signalled:
		return fail(fringe.UserCode, "", "%s was ended by signal %d (%v)", program, exit.Signal, syscall.Signal(exit.Signal))
	}
	ok, temporary := e.Succeeded(exit.Code)
	switch {
	case ok:
		return nil
	case temporary:
		return fail(fringe.UserCode, "call it again", "%s failed with exit code %d, which means that a later try may succeed", program, exit.Code)
	}
	return fail(fringe.UserCode, "", "%s failed with exit code %d", program, exit.Code)
}

func bytesText(n int64) string {
	switch {
	case n <= 0:
		return "its environment"
	case n%(1<<30) == 0:
		return fmt.Sprintf("%d GiB", n>>30)
	case n%(1<<20) == 0:
		return fmt.Sprintf("%d MiB", n>>20)
	}
	return fmt.Sprintf("%d bytes", n)
}

// defaults are the variables of an instance whose environment and tool do not
// set them. Instances have no capabilities, so a tar that runs as root must not
// try to give files the owners of the archive.
var defaults = [...][2]string{
	{"PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"},
	{"TAR_OPTIONS", "--no-same-owner"},
}

// environment joins the environment's variables with those that the tool sets.
func environment(base []string, own map[string]string) []string {
	env := make([]string, 0, len(base)+len(own)+len(defaults))
	set := map[string]bool{}
	for _, kv := range base {
		name, _, _ := strings.Cut(kv, "=")
		if _, replaced := own[name]; !replaced {
			env = append(env, kv)
			set[name] = true
		}
	}
	for _, d := range defaults {
		if _, replaced := own[d[0]]; !replaced && !set[d[0]] {
			env = append(env, d[0]+"="+d[1])
		}
	}
	names := make([]string, 0, len(own))
	for name := range own {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		env = append(env, name+"="+own[name])
	}
	return env
}
