package process

import (
	"context"
	"errors"
	"net"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"fringe"
)

// An instance is a started program with its init.
type instance struct {
	d        *Driver
	spec     fringe.Spec
	control  *net.UnixConn // nil of a durable instance that runs
	init     *os.Process   // nil when another process started it
	pidfd    *os.File      // of init then; nil when it is gone
	attached bool          // another process started it
	group    *group        // nil without cgroups
	fork     *Fork         // that it was; nil when it was not forked
	begun    int64         // on the monotonic clock

	done chan struct{} // closed when the tree has ended
	exit fringe.Exit   // set before done is closed
	err  error         // as well: why there is no exit

	mu    sync.Mutex   // guards cause
	cause fringe.Cause // why the driver ended it; empty when it did not
}

// ID implements fringe.Instance.
func (in *instance) ID() fringe.InstanceID { return in.spec.ID }

// Wait implements fringe.Instance.
func (in *instance) Wait(ctx context.Context) (fringe.Exit, error) {
	select {
	case <-in.done:
		return in.exit, in.err
	default:
	}
	select {
	case <-in.done:
		return in.exit, in.err
	case <-ctx.Done():
		return fringe.Exit{}, ctx.Err()
	}
}

// Stop implements fringe.Instance. When ctx ends during the grace, the tree is
// killed at once.
func (in *instance) Stop(ctx context.Context, grace time.Duration) error {
	select {
	case <-in.done:
		return nil
	default:
	}
	in.blame(fringe.Stopped)
	if in.spec.Durable {
		if err := writeRecord(records(in.spec.Scratch), stoppedRecord, nil); err != nil {
			in.d.log.Warn("a stop is not recorded", "instance", in.spec.ID, "err", err)
		}
	}
	if grace > 0 && in.signal(unix.SIGTERM) == nil {
		timer := time.NewTimer(grace)
		defer timer.Stop()
		select {
		case <-in.done:
			return nil
		case <-ctx.Done():
		case <-timer.C:
		}
	}
	in.kill(fringe.Stopped)
	<-in.done
	return nil
}

// blame records why the driver ends the instance; the first cause holds.
func (in *instance) blame(c fringe.Cause) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.cause == "" {
		in.cause = c
	}
}

// kill ends the tree at once.
func (in *instance) kill(c fringe.Cause) {
	in.blame(c)
	in.signal(unix.SIGKILL)
}

// watch owns the instance from its start to its end. The time limit of a
// durable one is init's to keep.
func (in *instance) watch() {
	var last report
	recorded := true
	if in.spec.Durable {
		recorded, in.err = in.conclude(in.await())
	} else {
		if t := in.spec.Limits.Time; t > 0 {
			timer := time.AfterFunc(t, func() { in.kill(fringe.TimedOut) })
			defer timer.Stop()
		}
		for last.What != repEnded {
			if receive(in.control, &last) != nil {
				last = report{}
				break
			}
		}
		// Init waits in the kernel for all of its namespace before it is gone.
		state := in.await()
		in.control.Close()
		if in.fork != nil {
			in.fork.leave()
		}
		in.exit = in.result(last, state)
	}
	// A cgroup tells how a durable instance ended until that is recorded.
	if in.group != nil && recorded {
		if err := in.group.remove(); err != nil {
			in.d.log.Error("a cgroup is left behind", "instance", in.spec.ID, "err", err)
		}
	}
	in.d.free(in.spec.ID)
	close(in.done)
}

// result says how the instance ended. last is init's report, or the zero
// report when init was killed; state is nil when init is not this process's
// child.
func (in *instance) result(last report, state *os.ProcessState) fringe.Exit {
	e := fringe.Exit{Cause: fringe.Exited}
	if e.Usage.Wall = time.Duration(last.Wall); e.Usage.Wall == 0 {
		e.Usage.Wall = time.Duration(monotonic() - in.begun)
	}
	status := syscall.WaitStatus(last.Status)
	switch {
	case last.What == "":
		e.Signal, e.Cause = int(syscall.SIGKILL), fringe.Killed
		e.Code = 128 + e.Signal
	case status.Signaled():
		e.Signal, e.Cause = int(status.Signal()), fringe.Signalled
		e.Code = 128 + e.Signal
	default:
		e.Code = status.ExitStatus()
	}
	in.mu.Lock()
	cause := in.cause
	in.mu.Unlock()
	if cause == "" && last.Late {
		cause = fringe.TimedOut
	}
	if cause != "" {
		e.Cause = cause
	}
	memory := last.Memory || in.group != nil && in.group.outOfMemory()
	if memory && cause == "" && e.Code != 0 {
		e.Cause = fringe.OutOfMemory
	}
	e.Usage.CPU = time.Duration(last.CPU)
	if state != nil {
		e.Usage.CPU = max(state.SystemTime()+state.UserTime()-time.Duration(last.Own), 0)
	}
	e.Usage.PeakMemory = max(last.MaxRSS, last.Peak)
	if in.group != nil {
		e.Usage.CPU = max(e.Usage.CPU, in.group.cpu()-time.Duration(last.Own))
		if peak := in.group.peak(); peak > 0 {
			e.Usage.PeakMemory = peak
		}
	}
	return e
}

// hostPath gives the mount source and the path below it by which this process
// sees what the instance sees at name; ok is false when name is not below a
// writable mount.
func (in *instance) hostPath(name string) (source, below string, ok bool) {
	name = path.Clean(name)
	for _, m := range in.spec.Mounts {
		target := path.Clean(m.Target)
		if name != target && !strings.HasPrefix(name, target+"/") {
			continue
		}
		source, below, ok = m.Source, strings.TrimPrefix(name[len(target):], "/"), m.Writable
	}
	if below == "" {
		below = "."
	}
	return source, below, ok
}

// Dial implements fringe.Instance. Symbolic links on the way to the socket are
// not followed.
func (in *instance) Dial(ctx context.Context, name string) (net.Conn, error) {
	const op = "process.Dial"
	select {
	case <-in.done:
		return nil, fringe.Errorf(op, fringe.Unavailable, "the instance %s has ended", in.spec.ID)
	default:
	}
	source, below, ok := in.hostPath(name)
	if !ok {
		return nil, fringe.Errorf(op, fringe.Invalid, "%s is not below a writable mount of the instance", name)
	}
	fd, err := openBelow(source, below)
	if errors.Is(err, unix.ENOENT) {
		return nil, fringe.Errorf(op, fringe.NotFound, "nothing listens at %s", name)
	}
	if err != nil {
		return nil, fringe.Errorf(op, fringe.Unavailable, "the socket %s cannot be opened: %w", name, err)
	}
	defer unix.Close(fd)
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "unix", "/proc/self/fd/"+strconv.Itoa(fd))
	if err != nil {
		return nil, fringe.Errorf(op, fringe.Unavailable, "nothing answers at %s: %w", name, err)
	}
	return conn, nil
}

// openBelow opens a path below dir, for naming it only. The instance can write
// there: no symbolic link is followed.
func openBelow(dir, name string) (int, error) {
	root, err := unix.Open(dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, err
	}
	defer unix.Close(root)
	for {
		fd, err := unix.Openat2(root, filepath.Clean(name), &unix.OpenHow{
			Flags:   unix.O_PATH | unix.O_CLOEXEC | unix.O_NOFOLLOW,
			Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_MAGICLINKS,
		})
		if !errors.Is(err, unix.EAGAIN) && !errors.Is(err, unix.EINTR) {
			return fd, err
		}
	}
}
