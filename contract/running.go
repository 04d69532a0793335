package contract

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"fringe"
)

// exitWait bounds how long an instance whose connection ended may take to end
// itself before it is stopped.
const exitWait = 2 * time.Second

// writings is what an instance writes on its stdout and stderr.
type writings interface {
	io.Writer     // takes what came by another way
	run()         // forwards; returns when there is nothing more
	last() string // gives the end of it
	forget()      // drops it
	close()
}

// nothing is the writings of an instance whose output goes elsewhere.
type nothing struct{}

func (nothing) Write(b []byte) (int, error) { return len(b), nil }
func (nothing) run()                        {}
func (nothing) last() string                { return "" }
func (nothing) forget()                     {}
func (nothing) close()                      {}

// running is what both contracts share: the instance, its end, and what it
// writes.
type running struct {
	inst   fringe.Instance
	out    writings
	hangUp func() // closes the connections

	done   chan struct{} // closed when the instance takes no more calls
	ended  chan struct{} // closed when the process tree is gone; exit is then set
	exit   fringe.Exit
	cancel context.CancelFunc // of the watch
	once   sync.Once
	wg     sync.WaitGroup // watch, output and kill
}

func (r *running) watch(inst fringe.Instance, out writings, hangUp func()) {
	ctx, cancel := context.WithCancel(context.Background())
	r.inst, r.out, r.hangUp, r.cancel = inst, out, hangUp, cancel
	r.done, r.ended = make(chan struct{}), make(chan struct{})
	r.wg.Go(func() {
		exit, err := inst.Wait(ctx)
		if err != nil {
			exit = fringe.Exit{Cause: fringe.Stopped}
		}
		r.exit = exit
		close(r.ended)
		r.retire()
	})
	r.wg.Go(out.run)
}

// ID gives the instance's id.
func (r *running) ID() fringe.InstanceID { return r.inst.ID() }

// Done is closed when the instance can take no more calls: it ended, was
// stopped, or broke its contract.
func (r *running) Done() <-chan struct{} { return r.done }

// retire lets no further call in. What an instance that has ended still said
// can be read.
func (r *running) retire() { r.once.Do(func() { close(r.done) }) }

func (r *running) retired() bool {
	select {
	case <-r.done:
		return true
	default:
		return false
	}
}

// kill ends the instance at once and does not wait for it; Stop does.
func (r *running) kill() {
	r.once.Do(func() {
		close(r.done)
		r.wg.Go(func() { r.inst.Stop(context.Background(), 0) })
	})
	r.hangUp()
}

// Stop ends the instance: its connections are closed, and it is killed when it
// has not ended within grace. It waits until the instance is gone, or ctx ends.
func (r *running) Stop(ctx context.Context, grace time.Duration) error {
	r.retire()
	r.hangUp()
	err := r.inst.Stop(ctx, grace)
	if err == nil {
		r.cancel()
		r.out.close()
		r.wg.Wait()
	}
	return err
}

// Close ends the instance at once.
func (r *running) Close() error { return r.Stop(context.Background(), 0) }

// crashed says why the instance left in the middle of something. It ends an
// instance that did not end by itself.
func (r *running) crashed(op, when string, fn *fringe.Function) *fringe.Error {
	timer := time.NewTimer(exitWait)
	defer timer.Stop()
	select {
	case <-r.ended:
	case <-timer.C:
		r.kill()
		return &fringe.Error{Op: op, Kind: fringe.Failed, Component: fringe.UserCode,
			Message: "the function's process closed its connection " + when + r.lastWords()}
	}
	r.retire()
	return r.exitError(op, when, fn)
}

func (r *running) exitError(op, when string, fn *fringe.Function) *fringe.Error {
	e := &fringe.Error{Op: op, Kind: fringe.Failed, Component: fringe.UserCode}
	switch r.exit.Cause {
	case fringe.OutOfMemory:
		e.Component = fringe.Memory
		e.Message = "the function used more memory than its limit allows and was killed " + when
		if fn != nil && fn.Limits.Memory > 0 {
			e.Message = fmt.Sprintf("the function used more memory than its limit of %d MiB and was killed %s", fn.Limits.Memory>>20, when)
		}
		e.Cure = "ask for less work, or publish a version with a higher memory limit"
		return e
	case fringe.TimedOut:
		e.Component = fringe.Timeout
		e.Message = "the function met its time limit and was killed " + when
	case fringe.Signalled:
		e.Message = fmt.Sprintf("the function's process was ended by signal %d (%s) %s", r.exit.Signal, unix.SignalName(unix.Signal(r.exit.Signal)), when)
	case fringe.Stopped, fringe.Killed:
		e.Kind, e.Component = fringe.Unavailable, fringe.Engine
		e.Message = fmt.Sprintf("the function's instance was %s %s", r.exit.Cause, when)
		return e
	default:
		e.Message = fmt.Sprintf("the function's process exited with code %d %s", r.exit.Code, when)
	}
	e.Message += r.lastWords()
	return e
}

// lastWords gives the end of what the instance wrote, as the end of a sentence.
func (r *running) lastWords() string {
	s := strings.TrimSpace(r.out.last())
	if s == "" {
		return ""
	}
	return "; the last it wrote: " + s
}

// undelivered wraps the error of a call that its instance did not begin, so
// that another instance can take it.
type undelivered struct{ err *fringe.Error }

func (u *undelivered) Error() string { return u.err.Error() }

func (u *undelivered) Unwrap() error { return u.err }

// Undelivered says that no instance began the call.
func (u *undelivered) Undelivered() bool { return true }

func errRetired(op string) error {
	return &undelivered{&fringe.Error{Op: op, Kind: fringe.Unavailable, Component: fringe.Engine, Message: "the function's instance has ended"}}
}

// hungUp says whether err is the other end's leaving.
func hungUp(err error) bool { return errors.Is(err, unix.EPIPE) || errors.Is(err, unix.ECONNRESET) }
