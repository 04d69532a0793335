// Package attempt makes one attempt of a CommandLineTool: stage, start, wait,
// collect.
//
// What is staged is never copied: inputs are mounted read-only where they lie,
// an input that the tool changes is mounted as a private copy-on-write view,
// and only what a document writes out itself becomes a file. The tool sees its
// work directory at [WorkDir] and its inputs below [InputDir], whatever the
// machine looks like. The output object has paths of this machine.
//
// Invariants: the bytes of an input do not change; every file of the output
// object lies below [Outcome.OutDir], once, so that its holder may move it
// away; nothing outside of [Request.WorkDir] is written. An attempt that failed
// has released its views; the outcome of one that succeeded must be closed.
//
// Room site and the command cwl-runner call it.
package attempt

import (
	"context"
	"errors"
	"fmt"
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
}

// Outcome is what an attempt gave.
type Outcome struct {
	Outputs map[string]any // the output object; each file has a path below OutDir
	Exit    fringe.Exit
	Argv    []string
	OutDir  string // on this machine
	Phases  Phases

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
	out, err := run(ctx, &r)
	if err != nil {
		err = errors.Join(err, out.Close())
		return out, fringe.E("attempt.Run", err)
	}
	return out, nil
}

func run(ctx context.Context, r *Request) (out Outcome, err error) {
	clock := time.Now()
	lap := func(d *time.Duration) {
		*d = time.Since(clock)
		clock = time.Now()
	}
	limits := r.Limits.Or(r.Tool.Limits())
	inside := WorkDir
	if p := r.Tool.WorkDirectory(); p != "" {
		inside = p
	}
	e, err := r.Tool.Prepare(r.Inputs, cwl.Runtime{OutDir: inside, TmpDir: TmpDir, InputDir: InputDir, Cores: limits.CPU, RAM: limits.Memory >> 20})
	if err != nil {
		return out, err
	}
	if e.TimeLimit > 0 && (limits.Time == 0 || e.TimeLimit < limits.Time) {
		limits.Time = e.TimeLimit
	}
	out.Argv = e.Argv
	s, err := newStage(ctx, r, e)
	out.OutDir, out.views = s.out, s.views
	if err != nil {
		return out, component(err, fringe.Stage)
	}
	streams, err := openStreams(r, e, s)
	if err != nil {
		return out, component(err, fringe.Stage)
	}
	defer streams.close()
	spec := fringe.Spec{ID: r.ID, Root: r.Base.Root, Layers: r.Base.Layers, Hidden: r.Base.Hidden, Argv: e.Argv,
		Env: environment(r.Base.Env, e.Env), Dir: inside, Mounts: append(append([]fringe.Mount{}, r.Base.Mounts...), s.mounts...),
		Limits: limits, Network: e.Network && r.Network, Stdin: streams.in, Stdout: streams.out, Stderr: streams.err, Scratch: s.scratch}
	lap(&out.Phases.Stage)
	instance, err := r.Driver.Start(ctx, spec)
	lap(&out.Phases.Start)
	if err != nil {
		return out, component(err, fringe.Start)
	}
	out.Exit, err = wait(ctx, instance)
	lap(&out.Phases.Run)
	if err != nil {
		return out, err
	}
	if err := verdict(e, out.Exit, limits, streams); err != nil {
		return out, err
	}
	out.Outputs, err = e.Collect(s.out, out.Exit.Code)
	if err == nil {
		err = s.settle(ctx, e, out.Outputs)
	}
	lap(&out.Phases.Collect)
	return out, component(err, fringe.Collect)
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

// wait waits for the end, and stops the instance when ctx ends first.
func wait(ctx context.Context, instance fringe.Instance) (fringe.Exit, error) {
	exit, err := instance.Wait(ctx)
	if err == nil {
		return exit, nil
	}
	cause := context.Cause(ctx)
	if cause == nil {
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
	return exit, fmt.Errorf("the attempt was aborted: %w", cause)
}

// verdict turns an end that is no success into an error.
func verdict(e *cwl.Execution, exit fringe.Exit, limits fringe.Limits, s *streams) error {
	fail := func(c fringe.Component, cure, format string, args ...any) error {
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
