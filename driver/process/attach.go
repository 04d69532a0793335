package process

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"fringe"
)

// A durable instance has a directory of records below its scratch directory,
// which it does not see itself. Each record appears by a rename. They count
// until the machine starts again, for then nothing of the instance runs and
// what it wrote may not have reached the disk; so they need no fsync.
const (
	recordDir = "instance"

	madeRecord    = "made"    // a made; by the driver, before init has its orders
	startedRecord = "started" // empty; by init, before the program starts
	stoppedRecord = "stopped" // empty; by Stop
	endedRecord   = "ended"   // a report; by init, when every other process has ended
	exitRecord    = "exit"    // a fringe.Exit; by the driver, before the cgroup goes
)

// made is what is needed to find an instance again.
type made struct {
	Site   string
	ID     fringe.InstanceID
	Boot   string // of the machine
	Pid    int    // of init
	Born   uint64 // init's start time, as the kernel counts
	Begun  int64  // when it was asked for, on the monotonic clock
	Mounts []fringe.Mount
}

func records(scratch string) string { return filepath.Join(scratch, recordDir) }

// monotonic gives the nanoseconds of a clock that goes on until the machine
// starts again.
func monotonic() int64 {
	var t unix.Timespec
	unix.ClockGettime(unix.CLOCK_MONOTONIC, &t)
	return t.Nano()
}

// bootID names the time since the machine started.
func bootID() string {
	text, _ := os.ReadFile("/proc/sys/kernel/random/boot_id")
	return strings.TrimSpace(string(text))
}

// born gives the start time of a process, by which a number used again is told
// from its first bearer; 0 when there is no such process.
func born(pid int) uint64 {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	_, after, _ := bytes.Cut(text[bytes.LastIndexByte(text, ')')+1:], []byte(" "))
	const startTime = 22 - 3 // the fields after the name begin with the third
	fields := bytes.Fields(after)
	if len(fields) <= startTime {
		return 0
	}
	n, _ := strconv.ParseUint(string(fields[startTime]), 10, 64)
	return n
}

// writeRecord makes a record, whole or not at all.
func writeRecord(dir, name string, v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	tmp := filepath.Join(dir, name+".new")
	if err := os.WriteFile(tmp, text, 0o600); err != nil {
		return err
	}
	return os.Rename(tmp, filepath.Join(dir, name))
}

// readRecord reads a record; ok is false when there is none.
func readRecord(dir, name string, v any) (ok bool, err error) {
	text, err := os.ReadFile(filepath.Join(dir, name))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return true, json.Unmarshal(text, v)
}

func hasRecord(dir, name string) bool {
	_, err := os.Lstat(filepath.Join(dir, name))
	return err == nil
}

// prepare makes the directory of records of a durable instance that is about
// to start. An instance that runs must not be started again; what is left of
// one that has ended goes.
func (d *Driver) prepare(s *fringe.Spec) error {
	dir := records(s.Scratch)
	var m made
	if ok, err := readRecord(dir, madeRecord, &m); err != nil {
		return startError(fringe.Unavailable, "the records of the instance %s cannot be read: %w", s.ID, err)
	} else if ok && m.Boot == bootID() && m.alive() {
		return startError(fringe.Conflict, "an instance %s is running already, of a former run", s.ID)
	}
	if g := d.cgroups.existing(s.ID); g != nil {
		if err := g.remove(); err != nil {
			return startError(fringe.Unavailable, "the cgroup of a former instance %s does not go: %w", s.ID, err)
		}
	}
	err := os.RemoveAll(dir)
	if err == nil {
		err = os.Mkdir(dir, 0o700)
	}
	if err != nil {
		return startError(fringe.Unavailable, "no records can be kept in the scratch directory: %w", err)
	}
	return nil
}

// alive says whether the init that was made runs.
func (m *made) alive() bool {
	fd := m.open()
	if fd < 0 {
		return false
	}
	defer unix.Close(fd)
	return !ended(uintptr(fd))
}

// open opens the init that was made, by a pidfd that does not block; -1 when
// it is gone.
func (m *made) open() int {
	fd, err := unix.PidfdOpen(m.Pid, unix.PIDFD_NONBLOCK)
	if err != nil {
		return -1
	}
	if born(m.Pid) != m.Born {
		unix.Close(fd)
		return -1
	}
	return fd
}

// note records the init that has just been spawned.
func (in *instance) note() error {
	pid := in.init.Pid
	m := made{Site: in.d.site, ID: in.spec.ID, Boot: bootID(), Pid: pid, Born: born(pid), Begun: in.begun, Mounts: in.spec.Mounts}
	if err := writeRecord(records(in.spec.Scratch), madeRecord, m); err != nil {
		return startError(fringe.Unavailable, "the instance cannot be recorded: %w", err)
	}
	return nil
}

// Attach implements fringe.Driver.
func (d *Driver) Attach(ctx context.Context, id fringe.InstanceID, scratch string) (fringe.Instance, error) {
	const op = "process.Attach"
	d.mu.Lock()
	in, known := d.running[id]
	if !known {
		d.running[id] = nil
	}
	d.mu.Unlock()
	if in != nil {
		return in, nil
	}
	if known {
		return nil, fringe.Errorf(op, fringe.Conflict, "the instance %s is being started", id)
	}
	in, err := d.attach(ctx, id, scratch)
	if err != nil {
		d.free(id)
		return nil, fringe.E(op, err)
	}
	d.hold(in)
	go in.watch()
	return in, nil
}

// attach finds an instance whose program has run.
func (d *Driver) attach(ctx context.Context, id fringe.InstanceID, scratch string) (*instance, error) {
	dir := records(scratch)
	var m made
	ok, err := readRecord(dir, madeRecord, &m)
	if err != nil {
		return nil, err
	}
	nothing := fringe.Errorf("process.Attach", fringe.NotFound, "no program of the instance %s has run", id)
	if !ok || m.Boot != bootID() || m.Site != d.site || m.ID != id {
		return nil, errors.Join(nothing, d.sweepGroup(ctx, id)) // init may have been about to be noted
	}
	in := &instance{d: d, done: make(chan struct{}), begun: m.Begun, group: d.cgroups.existing(id), attached: true,
		spec: fringe.Spec{ID: id, Scratch: scratch, Mounts: m.Mounts, Durable: true}}
	if fd := m.open(); fd >= 0 {
		in.pidfd = os.NewFile(uintptr(fd), "pidfd")
		if err := sure(ctx, dir, fd); err != nil {
			in.release()
			return nil, err
		}
	}
	var last report
	if _, err := readRecord(dir, endedRecord, &last); err != nil {
		in.release()
		return nil, err
	}
	if hasRecord(dir, startedRecord) && last.What != repFailed {
		return in, nil
	}
	in.release()
	if in.group != nil {
		err = in.group.remove()
	}
	return nil, errors.Join(nothing, err)
}

// sure waits until the program has started or init, of the pidfd, is gone: init
// gives up when the driver dies before it lets the program start.
func sure(ctx context.Context, dir string, pidfd int) error {
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !hasRecord(dir, startedRecord) && !ended(uintptr(pidfd)) {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
	return nil
}

// signal sends a signal to init.
func (in *instance) signal(s unix.Signal) error {
	if in.init != nil {
		return in.init.Signal(s)
	}
	if in.pidfd == nil {
		return os.ErrProcessDone
	}
	conn, err := in.pidfd.SyscallConn()
	if err != nil {
		return err
	}
	if e := conn.Control(func(fd uintptr) { err = unix.PidfdSendSignal(int(fd), s, nil, 0) }); e != nil {
		return e
	}
	return err
}

// await waits until init is gone. The state is nil when another process has it.
func (in *instance) await() *os.ProcessState {
	if in.init != nil {
		state, err := in.init.Wait()
		if err != nil {
			in.d.log.Error("init cannot be waited for", "instance", in.spec.ID, "err", err)
		}
		return state
	}
	if in.pidfd == nil {
		return nil
	}
	conn, err := in.pidfd.SyscallConn()
	if err == nil {
		err = conn.Read(ended)
	}
	if err != nil {
		in.d.log.Error("init cannot be waited for", "instance", in.spec.ID, "err", err)
	}
	in.release()
	return nil
}

// ended says whether the process of a pidfd has ended.
func ended(pidfd uintptr) bool {
	n, _ := unix.Poll([]unix.PollFd{{Fd: int32(pidfd), Events: unix.POLLIN}}, 0)
	return n > 0
}

// release closes what is open of a process that another one started.
func (in *instance) release() {
	if in.pidfd != nil {
		in.pidfd.Close()
	}
}

// conclude says how a durable instance ended, whose init is gone, and records
// it; recorded is false while only the cgroup may know.
func (in *instance) conclude(state *os.ProcessState) (recorded bool, err error) {
	dir := records(in.spec.Scratch)
	if ok, err := readRecord(dir, exitRecord, &in.exit); ok || err != nil {
		return ok, err
	}
	var last report
	if _, err := readRecord(dir, endedRecord, &last); err != nil {
		return false, err
	}
	if last.What == repFailed {
		return true, startError(last.Kind, "%s", last.Message)
	}
	if hasRecord(dir, stoppedRecord) {
		in.blame(fringe.Stopped)
	}
	in.exit = in.result(last, state)
	if err := writeRecord(dir, exitRecord, in.exit); err != nil {
		in.d.log.Error("the end of an instance is not recorded", "instance", in.spec.ID, "err", err)
		return false, nil
	}
	return true, nil
}

// An initRecord is init's hold on its directory of records. Nil is that of an
// instance that is not durable, and does nothing.
type initRecord struct {
	dir  int
	file *os.File // becomes endedRecord; it has its place on the disk already
}

// recordSize is more than a report takes.
const recordSize = 4096

// openRecord opens the records while the host's paths are still seen.
func openRecord(o *order) (*initRecord, error) {
	if o.Record == "" {
		return nil, nil
	}
	dir, err := unix.Open(o.Record, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("the records cannot be opened: %w", err)
	}
	fd, err := unix.Openat(dir, endedRecord+".new", unix.O_RDWR|unix.O_CREAT|unix.O_EXCL|unix.O_CLOEXEC, 0o600)
	if err == nil {
		// A disk that fills up must not lose the end.
		_, err = descriptor(fd).Write(make([]byte, recordSize))
	}
	if err != nil {
		return nil, fmt.Errorf("the end cannot be recorded: %w", err)
	}
	return &initRecord{dir, os.NewFile(uintptr(fd), endedRecord)}, nil
}

// begin records that the program is about to start.
func (r *initRecord) begin() error {
	if r == nil {
		return nil
	}
	fd, err := unix.Openat(r.dir, startedRecord, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return fmt.Errorf("the start cannot be recorded: %w", err)
	}
	return unix.Close(fd)
}

// end records a report; when that fails the driver takes it that init was
// killed.
func (r *initRecord) end(last report) {
	if r == nil {
		return
	}
	text, err := json.Marshal(last)
	if err != nil {
		return
	}
	if _, err := r.file.WriteAt(text, 0); err != nil {
		return
	}
	if err := r.file.Truncate(int64(len(text))); err != nil {
		return
	}
	unix.Renameat(r.dir, endedRecord+".new", r.dir, endedRecord)
}
