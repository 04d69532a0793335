package process

import (
	"context"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"fringe"
)

// A Nest is an instance whose program gives further instances by forking
// itself. The program is `python -m fringe.zygote`, which has imported what its
// forks need.
//
// The nest is in a user namespace of its own, in which it keeps the
// capabilities to make namespaces. A fork begins as the init of a new PID
// namespace, with mounts, IPC and network of its own; it puts in place what the
// driver hands over as detached mounts, then forks the program, which gives up
// every privilege and goes behind the system call filter before it runs any
// code of a function. The mounts of its call the driver puts in place itself,
// inside the fork's namespace, before it gives the call to the program. Init and program share nothing of what a fork sees with
// other forks but memory that nobody has written since. Each fork has its own
// cgroups. When the nest ends, its forks end.
type Nest struct {
	in     *instance
	report nestReport
	filter []byte // of system calls, for the forks

	mu    sync.Mutex // guards the rest
	conn  *net.UnixConn
	forks map[*instance]bool // that stand by (false) or run (true)

	serial atomic.Int64 // of forks
}

// nestReport is what the nest tells when its imports are done.
type nestReport struct {
	What      string   // repReady or repFailed
	Message   string   // why the imports failed, or why nothing can be forked here
	Traceback string   // of the import that failed
	Unsafe    []string // why forking would not be safe
	Seconds   float64  // that the imports took
}

// nestOrder is what the nest is told at its start.
type nestOrder struct {
	Preload []string
	Places  []string // what forks have there the nest must not remember
}

// callPlaces are directories that are empty and of its own in each fork, as
// /tmp is. A fork's own mounts are below ownPlaces; what its nest has there it
// does not see.
var (
	callPlaces = []string{"/fringe", "/calls", "/work"}
	ownPlaces  = []string{"/fringe", "/calls", "/work", "/tmp"}
)

// StartNest starts a nest and waits until it has imported the modules. The
// spec's Argv is that of the program; Conn is set here.
func (d *Driver) StartNest(ctx context.Context, s fringe.Spec, preload []string) (*Nest, error) {
	if d.nested {
		return nil, startError(fringe.Unavailable, "forks need a server that may mount: as root, or with private mounts in a user namespace")
	}
	program, err := filter(false)
	if err != nil {
		return nil, startError(fringe.Unavailable, "%w", err)
	}
	conn, theirs, err := socketPair()
	if err != nil {
		return nil, err
	}
	s.Conn = theirs
	n := &Nest{conn: conn, filter: filterBytes(program), forks: map[*instance]bool{}}
	in, err := d.begin(ctx, s, nesting)
	theirs.Close()
	if err != nil {
		conn.Close()
		return nil, err
	}
	n.in = in
	if err := n.prepare(ctx, preload); err != nil {
		return nil, errors.Join(err, n.Stop(context.WithoutCancel(ctx)))
	}
	return n, nil
}

// prepare waits until the imports are done.
func (n *Nest) prepare(ctx context.Context, preload []string) error {
	stop := context.AfterFunc(ctx, func() { n.conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	err := send(n.conn, nestOrder{Preload: preload, Places: ownPlaces})
	if err == nil {
		err = receive(n.conn, &n.report)
	}
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil:
		e, _ := n.in.Wait(ctx)
		return startError(fringe.Failed, "the process that imports the environment's modules ended (%s, code %d)", e.Cause, e.Code)
	case n.report.What != repReady && n.report.Traceback != "":
		return startError(fringe.Failed, "%s\n%s", n.report.Message, n.report.Traceback)
	case n.report.What != repReady:
		return startError(fringe.Unavailable, "%s", n.report.Message)
	}
	return nil
}

// Unsafe says why the nest should not be forked: threads that are alive after
// the imports, files that are open for writing. Empty when it can.
func (n *Nest) Unsafe() []string { return n.report.Unsafe }

// ImportTime says how long the imports took.
func (n *Nest) ImportTime() time.Duration {
	return time.Duration(n.report.Seconds * float64(time.Second))
}

// Done is closed when the nest and all of its forks have ended.
func (n *Nest) Done() <-chan struct{} { return n.in.done }

// Stop ends the nest and all of its forks.
func (n *Nest) Stop(ctx context.Context) error {
	n.mu.Lock()
	n.conn.Close()
	n.mu.Unlock()
	return n.in.Stop(ctx, 0)
}

// note records whether the fork runs.
func (n *Nest) note(in *instance, runs bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.forks[in] = runs
}

// forget takes a fork off the record.
func (n *Nest) forget(in *instance) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.forks, in)
}

// Running says how many instances there are.
func (n *Nest) Running() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	count := 0
	for _, runs := range n.forks {
		if runs {
			count++
		}
	}
	return count
}

// Forkable says why no fork of a nest with these mounts can be made for s; ""
// when one can. What s has outside of ownPlaces the nest must have.
func Forkable(s fringe.Spec, nest []fringe.Mount) string {
	for _, m := range s.Mounts {
		if !slices.Contains(nest, m) && !belowAny(m.Target, ownPlaces) && !slices.Contains(callPlaces, m.Target) {
			return fmt.Sprintf("a mount at %s", m.Target)
		}
	}
	if len(s.Mounts) > 200 {
		return fmt.Sprintf("%d mounts", len(s.Mounts)) // descriptors that fit in one message
	}
	return ""
}

// belowAny says whether the path is below one of the directories.
func belowAny(path string, dirs []string) bool {
	return slices.ContainsFunc(dirs, func(dir string) bool {
		rel, err := filepath.Rel(dir, path)
		return err == nil && rel != "." && filepath.IsLocal(rel)
	})
}
