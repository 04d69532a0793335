// Package contracttest is for tests and measurements of contracts: a driver
// that starts plain processes of this machine, without any isolation.
package contracttest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"fringe"
)

// Driver starts instances as plain processes. Mounts are not made: in the
// command line and the environment a mount's target is replaced by its source.
// Limits are not kept.
type Driver struct{}

var _ fringe.Driver = Driver{}

// Sweep implements fringe.Driver: nothing outlives its parent.
func (Driver) Sweep(context.Context, []fringe.InstanceID) error { return nil }

// Attach implements fringe.Driver: there are no durable instances.
func (Driver) Attach(_ context.Context, id fringe.InstanceID, _ string) (fringe.Instance, error) {
	return nil, fringe.Errorf("contracttest.Attach", fringe.NotFound, "there is no durable instance %s", id)
}

// Start implements fringe.Driver.
func (Driver) Start(ctx context.Context, s fringe.Spec) (fringe.Instance, error) {
	if len(s.Argv) == 0 {
		return nil, fringe.Errorf("contracttest.Start", fringe.Invalid, "the spec has no command line")
	}
	if s.Durable || s.StdoutMax > 0 || s.StderrMax > 0 {
		return nil, fringe.Errorf("contracttest.Start", fringe.Invalid, "instances of tests are not durable and their streams not bounded")
	}
	i := &instance{id: s.ID, mounts: s.Mounts, gone: make(chan struct{})}
	argv := i.outside(s.Argv)
	i.cmd = exec.Command(argv[0], argv[1:]...)
	i.cmd.Env, i.cmd.Dir = i.outside(s.Env), i.path(s.Dir)
	if s.Conn != nil {
		i.cmd.ExtraFiles = []*os.File{s.Conn}
	}
	if s.Stdin != nil {
		i.cmd.Stdin = s.Stdin
	}
	if s.Stdout != nil {
		i.cmd.Stdout = s.Stdout
	}
	if s.Stderr != nil {
		i.cmd.Stderr = s.Stderr
	}
	i.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := i.cmd.Start(); err != nil {
		return nil, &fringe.Error{Op: "contracttest.Start", Kind: fringe.Failed, Component: fringe.Start, Message: fmt.Sprintf("%s cannot be started", argv[0]), Err: err}
	}
	go i.wait()
	return i, nil
}

type instance struct {
	id     fringe.InstanceID
	mounts []fringe.Mount
	cmd    *exec.Cmd
	gone   chan struct{} // closed when exit is set
	exit   fringe.Exit
}

func (i *instance) wait() {
	err := i.cmd.Wait()
	i.exit.Cause = fringe.Exited
	var failed *exec.ExitError
	if errors.As(err, &failed) {
		status := failed.Sys().(syscall.WaitStatus)
		if i.exit.Code = status.ExitStatus(); status.Signaled() {
			i.exit.Signal = int(status.Signal())
			i.exit.Code = 128 + i.exit.Signal
			i.exit.Cause = fringe.Signalled
		}
	}
	syscall.Kill(-i.cmd.Process.Pid, syscall.SIGKILL)
	close(i.gone)
}

// path gives a path as this machine sees it.
func (i *instance) path(p string) string {
	for _, m := range i.mounts {
		if rest, ok := strings.CutPrefix(p, m.Target); ok && (rest == "" || rest[0] == '/') {
			return m.Source + rest
		}
	}
	return p
}

func (i *instance) outside(words []string) []string {
	out := make([]string, len(words))
	for n, w := range words {
		for _, m := range i.mounts {
			w = strings.ReplaceAll(w, m.Target, m.Source)
		}
		out[n] = w
	}
	return out
}

// ID implements fringe.Instance.
func (i *instance) ID() fringe.InstanceID { return i.id }

// Wait implements fringe.Instance.
func (i *instance) Wait(ctx context.Context) (fringe.Exit, error) {
	select {
	case <-i.gone:
		return i.exit, nil
	case <-ctx.Done():
		return fringe.Exit{}, ctx.Err()
	}
}

// Stop implements fringe.Instance.
func (i *instance) Stop(ctx context.Context, grace time.Duration) error {
	select {
	case <-i.gone:
		return nil
	default:
	}
	if grace > 0 {
		syscall.Kill(-i.cmd.Process.Pid, syscall.SIGTERM)
		timer := time.NewTimer(grace)
		defer timer.Stop()
		select {
		case <-i.gone:
			return nil
		case <-ctx.Done():
		case <-timer.C:
		}
	}
	syscall.Kill(-i.cmd.Process.Pid, syscall.SIGKILL)
	<-i.gone
	return nil
}

// Dial implements fringe.Instance.
func (i *instance) Dial(ctx context.Context, path string) (net.Conn, error) {
	var d net.Dialer
	return d.DialContext(ctx, "unix", i.path(path))
}
