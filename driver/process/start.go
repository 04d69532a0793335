package process

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net"
	"os"
	"path"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"

	"fringe"
)

// Start implements fringe.Driver.
func (d *Driver) Start(ctx context.Context, s fringe.Spec) (fringe.Instance, error) {
	in, err := d.begin(ctx, s, running)
	if err != nil {
		return nil, err
	}
	return in, nil
}

// begin starts an instance and watches it.
func (d *Driver) begin(ctx context.Context, s fringe.Spec, r role) (*instance, error) {
	if err := check(&s); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := d.reserve(s.ID); err != nil {
		return nil, err
	}
	in, err := d.start(ctx, s, r)
	if r == running {
		d.replace(&s)
	}
	if err != nil {
		d.free(s.ID)
		return nil, err
	}
	d.hold(in)
	go in.watch()
	return in, nil
}

// check refuses a Spec that no instance can be made of.
func check(s *fringe.Spec) error {
	if s.ID == "" || len(s.ID) > maxID {
		return startError(fringe.Invalid, "an instance needs an id of 1 to 128 letters, digits and hyphens, not %q", s.ID)
	}
	for _, r := range s.ID {
		if (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-' {
			return startError(fringe.Invalid, "the instance id %q has the character %q; letters, digits and hyphens are allowed", s.ID, r)
		}
	}
	if len(s.Argv) == 0 || s.Argv[0] == "" {
		return startError(fringe.Invalid, "the instance %s has no program to start", s.ID)
	}
	if s.Durable && (s.Scratch == "" || s.Conn != nil) {
		return startError(fringe.Invalid, "the durable instance %s needs a scratch directory and cannot have a connection", s.ID)
	}
	if s.Dir == "" {
		s.Dir = "/"
	}
	if s.Root == "" {
		s.Root = "/"
	}
	paths := append([]string{s.Dir, s.Root}, s.Layers...)
	for _, m := range s.Mounts {
		paths = append(paths, m.Source, m.Target)
	}
	for _, p := range append(paths, s.Hidden...) {
		if !filepath.IsAbs(p) {
			return startError(fringe.Invalid, "%q is not an absolute path", p)
		}
	}
	for _, m := range s.Mounts {
		switch t := path.Clean(m.Target); t {
		case "/", "/proc", "/dev", "/sys":
			return startError(fringe.Invalid, "nothing can be mounted at %s; choose a directory of its own", t)
		}
	}
	return nil
}

// start makes the instance up to the point where its program runs; to probe,
// up to where it could. When it fails nothing is left.
func (d *Driver) start(ctx context.Context, s fringe.Spec, r role) (*instance, error) {
	in := &instance{d: d, spec: s, done: make(chan struct{}), begun: monotonic()}
	o, err := d.order(&s)
	if err != nil {
		return nil, err
	}
	o.Role = r
	if s.Durable {
		if err := d.prepare(&s); err != nil {
			return nil, err
		}
		o.Record, o.Time, o.Begun = records(s.Scratch), s.Limits.Time, in.begun
	}
	if r != running || !d.adopt(ctx, in) {
		if err := d.spawn(in, string(s.ID), d.attributes(&s, r == nesting)); err != nil {
			return nil, errors.Join(err, in.discard())
		}
	}
	// When ctx ends, init dies, and whatever waits for it wakes up.
	stop := context.AfterFunc(ctx, func() { in.init.Kill() })
	err = d.settle(in, o)
	if !stop() && err == nil {
		err = ctx.Err()
	}
	if err == nil {
		if s.Durable {
			in.control.Close()
		}
		return in, nil
	}
	if ctx.Err() != nil {
		err = ctx.Err()
	}
	if e := in.discard(); e != nil {
		d.log.Error("a start that failed left something behind", "instance", s.ID, "err", e)
	}
	return nil, err
}

// order gives init's orders for s.
func (d *Driver) order(s *fringe.Spec) (*order, error) {
	o := &order{
		ID: s.ID, Base: d.base, Root: s.Root, Layers: s.Layers, Mounts: s.Mounts, Hidden: s.Hidden,
		TmpSize: s.TmpBytes, Network: s.Network,
		Argv: s.Argv, Env: s.Env, Dir: s.Dir, Conn: s.Conn != nil, FileSize: s.Limits.FileSize,
		OneLog: s.Stdout == s.Stderr,
	}
	for i, keep := range []struct {
		file *os.File
		most int64
	}{{s.Stdout, s.StdoutMax}, {s.Stderr, s.StderrMax}} {
		if keep.file != nil {
			o.Keep[i] = keep.most
		}
	}
	if s.TmpBytes == 0 && s.Scratch != "" {
		o.Tmp = filepath.Join(s.Scratch, "tmp")
		if err := os.MkdirAll(o.Tmp, 0o700); err != nil {
			return nil, startError(fringe.Unavailable, "no /tmp can be made in the scratch directory: %w", err)
		}
		if err := os.Chmod(o.Tmp, 0o777|os.ModeSticky); err != nil {
			return nil, startError(fringe.Unavailable, "no /tmp can be made in the scratch directory: %w", err)
		}
	}
	if !d.cgroups.has("memory") {
		o.Memory = s.Limits.Memory
	}
	if !d.cgroups.has("pids") {
		o.Pids = s.Limits.Pids
	}
	o.Cores = d.coresFor(s)
	return o, nil
}

// coresFor gives the processors of an instance whose CPU time is not bounded
// otherwise. Nil is all of them.
func (d *Driver) coresFor(s *fringe.Spec) []int {
	if d.cgroups.has("cpu") || s.Limits.CPU <= 0 {
		return nil
	}
	return someCores(s.ID, int(math.Ceil(s.Limits.CPU)))
}

// someCores chooses n of the processors that this process may use, spread over
// them by the instance's name. Nil is all of them.
func someCores(id fringe.InstanceID, n int) []int {
	var set unix.CPUSet
	if unix.SchedGetaffinity(0, &set) != nil || set.Count() <= n {
		return nil
	}
	var all []int
	for c := 0; len(all) < set.Count(); c++ {
		if set.IsSet(c) {
			all = append(all, c)
		}
	}
	first := 0
	for _, b := range []byte(id) {
		first = (first*31 + int(b)) % len(all)
	}
	var some []int
	for i := range n {
		some = append(some, all[(first+i)%len(all)])
	}
	return some
}

// socketPair gives both ends of a control socket.
func socketPair() (ours *net.UnixConn, theirs *os.File, err error) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, startError(fringe.Unavailable, "no control socket: %w", err)
	}
	theirs = os.NewFile(uintptr(pair[1]), "control")
	own := os.NewFile(uintptr(pair[0]), "control")
	conn, err := net.FileConn(own)
	own.Close()
	if err != nil {
		theirs.Close()
		return nil, nil, startError(fringe.Unavailable, "no control socket: %w", err)
	}
	return conn.(*net.UnixConn), theirs, nil
}

// attributes says how init of s is started. A nest is in a user namespace.
func (d *Driver) attributes(s *fringe.Spec, nest bool) *syscall.SysProcAttr {
	// A session of its own: no signal of the server's terminal reaches it.
	attr := &syscall.SysProcAttr{Setsid: true, Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWPID | syscall.CLONE_NEWIPC | syscall.CLONE_NEWUTS}
	if !s.Network {
		attr.Cloneflags |= syscall.CLONE_NEWNET
	}
	if nest || d.nested || !d.global && s.Limits.Pids > 0 && !d.cgroups.has("pids") {
		// A user namespace counts its own processes.
		attr.Cloneflags |= syscall.CLONE_NEWUSER
		attr.UidMappings = []syscall.SysProcIDMap{{HostID: os.Geteuid(), Size: 1}}
		attr.GidMappings = []syscall.SysProcIDMap{{HostID: os.Getegid(), Size: 1}}
	}
	if nest && d.global { // users are seen as they are
		attr.UidMappings = []syscall.SysProcIDMap{{Size: math.MaxUint32}}
		attr.GidMappings = attr.UidMappings
	}
	return attr
}

// spawn starts init under the name that its command line says, with its
// control socket.
func (d *Driver) spawn(in *instance, name string, attr *syscall.SysProcAttr) error {
	control, theirs, err := socketPair()
	if err != nil {
		return err
	}
	defer theirs.Close()
	in.control = control
	if d.cgroups.version == 2 {
		if in.group, err = d.cgroups.make(in.spec.ID, in.spec.Limits); err != nil {
			return startError(fringe.Unavailable, "no cgroup: %w", err)
		}
		if attr.CgroupFD, err = in.group.directory(); err != nil {
			return startError(fringe.Unavailable, "no cgroup: %w", err)
		}
		defer unix.Close(attr.CgroupFD)
		attr.UseCgroupFD = true
	}
	files, null, err := streams(&in.spec)
	if err != nil {
		return err
	}
	defer null.Close()
	files = append(files, theirs)
	if in.spec.Conn != nil {
		files = append(files, in.spec.Conn)
	}
	in.init, err = os.StartProcess("/proc/self/exe", []string{initName, d.site, name}, &os.ProcAttr{
		Dir: "/", Env: []string{"GOMAXPROCS=2", "GOTRACEBACK=none"}, Files: files, Sys: attr,
	})
	return spawnError(err)
}

// streams gives the program's standard input, output and error; null, which
// is for those that s has not, is the caller's to close.
func streams(s *fringe.Spec) (files []*os.File, null *os.File, err error) {
	if null, err = os.OpenFile(os.DevNull, os.O_RDWR, 0); err != nil {
		return nil, nil, startError(fringe.Unavailable, "the instance has no standard input: %w", err)
	}
	for _, f := range []*os.File{s.Stdin, s.Stdout, s.Stderr} {
		if f == nil {
			f = null
		}
		files = append(files, f)
	}
	return files, null, nil
}

// spawnError says why init could not be started.
func spawnError(err error) error {
	if err == nil {
		return nil
	}
	e := startError(fringe.Unavailable, "the machine does not let an instance start: %w", err)
	if errors.Is(err, unix.EPERM) || errors.Is(err, unix.ENOSPC) {
		e.Cure = "Instances need namespaces. Run the server as root, or allow user namespaces: sysctl -w kernel.unprivileged_userns_clone=1 user.max_user_namespaces=10000 kernel.apparmor_restrict_unprivileged_userns=0"
	}
	return e
}

// settle gives init its orders, puts it under its limits and lets the program
// start. Init builds the tree while the cgroups are made.
func (d *Driver) settle(in *instance, o *order) error {
	if in.spec.Durable {
		if err := in.note(); err != nil {
			return err
		}
	}
	if err := send(in.control, o); err != nil {
		return startError(fringe.Unavailable, "the instance does not take its orders: %w", err)
	}
	if d.cgroups.version == 1 {
		var err error
		if in.group, err = d.cgroups.makeOpen(in.spec.ID, in.spec.Limits); err != nil {
			return startError(fringe.Unavailable, "no cgroup: %w", err)
		}
	}
	if err := in.expect(repReady); err != nil {
		return err
	}
	if in.group != nil {
		if err := in.group.throttle(in.spec.Limits.CPU); err != nil {
			return startError(fringe.Unavailable, "the CPU limit: %w", err)
		}
		defer in.group.forget()
	}
	permit, fds := in.group.permit()
	if err := sendWith(in.control, permit, fds); err != nil {
		return startError(fringe.Unavailable, "the instance ended before its program started: %w", err)
	}
	if o.Role == probing {
		return nil
	}
	return in.expect(repStarted)
}

// expect waits for the named report.
func (in *instance) expect(what string) error {
	var r report
	if err := receive(in.control, &r); err != nil {
		return in.gone(err)
	}
	return in.judge(&r, what)
}

// gone says why there is no report.
func (in *instance) gone(err error) error {
	if in.group != nil && in.group.outOfMemory() {
		return startError(fringe.Failed, "the memory limit of %d bytes is too small to start anything", in.spec.Limits.Memory)
	}
	return startError(fringe.Unavailable, "the instance ended while it was set up: %w", err)
}

// judge says what is wrong with a report that is to be the named one.
func (in *instance) judge(r *report, what string) error {
	switch r.What {
	case what:
		return nil
	case repFailed:
		return startError(r.Kind, "%s", r.Message)
	}
	return startError(fringe.Internal, "%s", fmt.Sprintf("the instance says %q, expected %q", r.What, what))
}

// discard ends what has been started and takes away what was made for it.
func (in *instance) discard() error {
	var all error
	if in.control != nil {
		in.control.Close()
	}
	if in.init != nil {
		in.init.Kill()
		if _, err := in.init.Wait(); err != nil {
			all = err
		}
	} else if in.pidfd != nil {
		in.signal(unix.SIGKILL)
		in.await()
	}
	if in.group != nil {
		all = errors.Join(all, in.group.remove())
	}
	if in.spec.Durable {
		all = errors.Join(all, os.RemoveAll(records(in.spec.Scratch)))
	}
	return all
}
