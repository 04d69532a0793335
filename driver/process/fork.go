package process

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"fringe"
)

// A Fork is a child of a nest that stands by for its call: in its namespaces,
// without privileges, with the mounts, the environment and the program of the
// spec that it was made for. A function that `-m fringe.run` names is loaded.
type Fork struct {
	nest  *Nest
	in    *instance
	pid   int            // of init
	tmp   string         // what it has as /tmp
	done  []fringe.Mount // that are in place
	pumps pumps

	// Once it is ready:
	line   *os.File // socket of the program
	places []place
}

// A mountPoint says where a fork puts a mount whose descriptor comes along.
type mountPoint struct {
	Target string
	Dir    bool
}

// forkOrder is what a fork is told first. Descriptors of the mounts come along.
type forkOrder struct {
	Mounts  []mountPoint
	Places  []string
	TmpSize int64 // bytes of a /tmp in memory; 0: the first mount is /tmp
	Network bool
	Argv    []string
	Env     []string
	Preload []string // modules that the nest has not imported
	Filter  []byte   // struct sock_filter of the system call filter
	Memory  int64    // bytes that init watches over; 0 does not watch
	Pids    int      // tasks that init watches over; 0 does not watch
	Standby bool     // the call does not follow at once
}

// forkReady is the report of a fork whose program has been forked. There come
// along the program's socket and, for each of Places, a mount of it that can be
// written to.
type forkReady struct {
	report
	Places []string
}

// callOrder is what the program of a fork is told: its call. Descriptors of the
// streams come along.
type callOrder struct {
	Streams  []int // the numbers that they get
	Dir      string
	Env      []string // variables that the fork has not
	Unset    []string // names of those that only the fork has
	FileSize int64
	Cores    []int
}

// beganOrder tells the init of a fork that the program has been given its call;
// the descriptor of its standard error comes along when it has one.
type beganOrder struct{}

// Fork makes a child of the nest that stands by for calls of the kind of s: it
// has the Mounts, Argv, Env, Limits and Network of s. Modules of preload are
// imported in the child. The caller starts it or discards it; now says that he
// starts it at once.
func (n *Nest) Fork(ctx context.Context, s fringe.Spec, preload []string, now bool) (*Fork, error) {
	d := n.in.d
	f := &Fork{nest: n}
	f.in = &instance{d: d, spec: s, fork: f, done: make(chan struct{})}
	in := f.in
	in.spec.Durable = false // it ends with the nest
	in.spec.ID = fringe.InstanceID(fmt.Sprintf("%s-%d", n.in.spec.ID, n.serial.Add(1)))
	if err := d.reserve(in.spec.ID); err != nil {
		return nil, err
	}
	control, theirs, err := socketPair()
	if err != nil {
		d.free(in.spec.ID)
		return nil, err
	}
	defer theirs.Close()
	in.control = control
	stop := context.AfterFunc(ctx, func() { control.SetDeadline(time.Unix(1, 0)) })
	if err = n.ask(f, theirs); err == nil {
		err = n.furnish(f, preload, now)
	}
	if err == nil {
		err = f.receiveReady()
	}
	if !stop() {
		err = ctx.Err()
	}
	if err != nil {
		return nil, errors.Join(err, f.Discard())
	}
	return f, nil
}

// ask has the nest fork; theirs is the child's end of the control socket.
func (n *Nest) ask(f *Fork, theirs *os.File) error {
	err := onSocket(f.in.control, func(fd int) error { return unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_PASSCRED, 1) })
	if err != nil {
		return startError(fringe.Unavailable, "the fork's process cannot be known: %w", err)
	}
	n.mu.Lock()
	err = sendWith(n.conn, struct{}{}, []int{int(theirs.Fd())})
	n.mu.Unlock()
	if err != nil {
		return startError(fringe.Unavailable, "the fork server of the environment has ended: %w", err)
	}
	return theirs.Close()
}

// furnish gives the fork its first order, and makes its cgroups while it builds
// what it sees.
func (n *Nest) furnish(f *Fork, preload []string, now bool) error {
	in := f.in
	made := make(chan error, 1)
	go func() {
		var err error
		in.group, err = n.in.d.cgroups.makeOpen(in.spec.ID, in.spec.Limits)
		made <- err
	}()
	err := n.order(f, preload, now)
	if err == nil {
		err = n.meet(f)
	}
	if e := <-made; err == nil && e != nil {
		err = startError(fringe.Unavailable, "no cgroup: %w", e)
	}
	if err != nil {
		return err
	}
	if in.group != nil {
		defer in.group.forget()
	}
	permit, fds := in.group.permit()
	if err := sendWith(in.control, permit, fds); err != nil {
		return startError(fringe.Unavailable, "the fork has ended: %w", err)
	}
	return nil
}

// order gives the fork its first order.
func (n *Nest) order(f *Fork, preload []string, now bool) error {
	in, d, s := f.in, n.in.d, &f.in.spec
	o := forkOrder{Places: callPlaces, TmpSize: s.TmpBytes, Network: s.Network, Argv: s.Argv, Env: s.Env, Preload: preload, Filter: n.filter, Standby: !now}
	if !d.cgroups.has("memory") {
		o.Memory = s.Limits.Memory
	}
	if !d.cgroups.has("pids") {
		o.Pids = s.Limits.Pids
	}
	mounts := s.Mounts
	if s.TmpBytes == 0 {
		f.tmp = filepath.Join(d.tmp(), string(s.ID))
		if err := os.MkdirAll(f.tmp, 0o700); err != nil {
			return startError(fringe.Unavailable, "no /tmp can be made: %w", err)
		}
		if err := os.Chmod(f.tmp, 0o777|os.ModeSticky); err != nil {
			return startError(fringe.Unavailable, "no /tmp can be made: %w", err)
		}
		mounts = append([]fringe.Mount{{Source: f.tmp, Target: "/tmp", Writable: true}}, mounts...)
	}
	for _, m := range n.in.spec.Mounts {
		if !belowAny(m.Target, ownPlaces) {
			f.done = append(f.done, m)
		}
	}
	points, fds, err := f.detach(mounts)
	defer closeAll(fds)
	if err != nil {
		return err
	}
	o.Mounts = points
	if err := sendWith(in.control, o, fds); err != nil {
		return startError(fringe.Unavailable, "the fork does not take its orders: %w", err)
	}
	return nil
}

// meet takes hold of the process, once it is born.
func (n *Nest) meet(f *Fork) error {
	var err error
	if f.pid, err = receiveBorn(f.in.control); err != nil {
		return startError(fringe.Unavailable, "the fork server of the environment gives no fork: %w", err)
	}
	// The child waits until it is in its cgroups, so that the number is still its own.
	fd, err := unix.PidfdOpen(f.pid, unix.PIDFD_NONBLOCK)
	if err != nil {
		return startError(fringe.Unavailable, "the fork has ended: %w", err)
	}
	f.in.pidfd = os.NewFile(uintptr(fd), "fork")
	n.note(f.in, false)
	return nil
}

// receiveReady takes hold of the program's socket and of the places.
func (f *Fork) receiveReady() error {
	var r forkReady
	fds, err := receiveRights(f.in.control, &r)
	if err == nil {
		err = f.in.judge(&r.report, repReady)
	} else {
		err = f.in.gone(err)
	}
	if err == nil && len(fds) != 1+len(r.Places) {
		err = startError(fringe.Internal, "the fork gives %d descriptors for %d places", len(fds), len(r.Places))
	}
	if err != nil {
		closeAll(fds)
		return err
	}
	f.line = os.NewFile(uintptr(fds[0]), "program")
	for i, name := range r.Places {
		f.places = append(f.places, place{name, fds[1+i]})
	}
	return nil
}

// closeEnds closes what the fork has handed over.
func (f *Fork) closeEnds() {
	if f.line != nil {
		f.line.Close()
	}
	for _, p := range f.places {
		unix.Close(p.fd)
	}
	f.places = nil
}

// detach gives those of the mounts that are not in place as detached mounts.
func (f *Fork) detach(mounts []fringe.Mount) (points []mountPoint, fds []int, err error) {
	for _, m := range mounts {
		if slices.Contains(f.done, m) {
			continue
		}
		// A writable mount is a slave of the server's, so that what the
		// server mounts below it appears in the fork as well.
		propagation := uint64(unix.MS_PRIVATE)
		if m.Writable {
			propagation = unix.MS_SLAVE
		}
		fd, dir, err := detached(m, propagation)
		if err != nil {
			return nil, fds, err
		}
		points, fds = append(points, mountPoint{m.Target, dir}), append(fds, fd)
		f.done = append(f.done, m)
	}
	return points, fds, nil
}

// Start gives the fork its call. The spec differs from that which the fork was
// made for in its ID, its Dir, its streams, Conn, its limit of time, further
// Mounts and variables that no module has read. When it fails the fork is gone.
func (f *Fork) Start(ctx context.Context, s fringe.Spec) (fringe.Instance, error) {
	in := f.in
	own := in.spec.ID
	err := check(&s)
	if err == nil {
		err = in.d.reserve(s.ID)
	}
	if err != nil {
		return nil, errors.Join(err, f.Discard())
	}
	stop := context.AfterFunc(ctx, func() { in.signal(unix.SIGKILL) })
	in.begun = monotonic()
	err = f.call(s)
	if !stop() && err == nil {
		err = ctx.Err()
	}
	if err != nil {
		in.d.free(s.ID)
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		return nil, errors.Join(err, f.Discard())
	}
	in.d.free(own)
	in.spec, in.spec.Durable = s, false
	in.d.hold(in)
	f.nest.note(in, true)
	go in.watch()
	return in, nil
}

func (f *Fork) call(s fringe.Spec) error {
	in := f.in
	points, fds, err := f.detach(s.Mounts)
	defer func() { closeAll(fds) }()
	if err != nil {
		return err
	}
	o := callOrder{Dir: s.Dir, FileSize: s.Limits.FileSize, Cores: in.d.coresFor(&s)}
	o.Env, o.Unset = differing(in.spec.Env, s.Env)
	var given []int
	streams := []*os.File{s.Stdin, s.Stdout, s.Stderr, s.Conn}
	ends, err := f.pump(streams, s.StdoutMax, s.StderrMax)
	defer func() { closeFiles(ends) }()
	if err != nil {
		return startError(fringe.Unavailable, "no pipe for a log: %w", err)
	}
	for number, stream := range streams {
		if stream != nil {
			o.Streams, given = append(o.Streams, number), append(given, int(stream.Fd()))
		}
	}
	frame, err := frameOf(o)
	if err != nil {
		return startError(fringe.Invalid, "%w", err)
	}
	err = inside(in.pidfd, func() error {
		if err := f.attach(points, fds); err != nil {
			return err
		}
		var st unix.Stat_t
		if err := unix.Stat(s.Dir, &st); err != nil || st.Mode&unix.S_IFMT != unix.S_IFDIR {
			return startError(fringe.NotFound, "the working directory %s does not exist in the instance", s.Dir)
		}
		return f.tell(frame, given)
	})
	if err != nil {
		return startError(fringe.KindOf(err), "the call does not come into its fork: %w", err)
	}
	// While the program begins.
	if in.group != nil {
		if err := in.group.throttle(s.Limits.CPU); err != nil {
			return startError(fringe.Unavailable, "the CPU limit: %w", err)
		}
	}
	var last []int
	if streams[2] != nil {
		last = append(last, int(streams[2].Fd()))
	}
	if err := sendWith(in.control, beganOrder{}, last); err != nil {
		return startError(fringe.Unavailable, "the fork has ended: %w", err)
	}
	return nil
}

// differing gives what takes the variables of have to those of want.
func differing(have, want []string) (set, unset []string) {
	wanted := make(map[string]bool, len(want))
	for _, kv := range want {
		name, _, _ := strings.Cut(kv, "=")
		wanted[name] = true
		if !slices.Contains(have, kv) {
			set = append(set, kv)
		}
	}
	for _, kv := range have {
		if name, _, _ := strings.Cut(kv, "="); !wanted[name] {
			unset = append(unset, name)
		}
	}
	return set, unset
}

// tell gives the program its call. One that has ended is init's to tell of.
func (f *Fork) tell(frame []byte, fds []int) error {
	var rights []byte
	if len(fds) > 0 {
		rights = unix.UnixRights(fds...)
	}
	return onSocket(f.line, func(fd int) error {
		n, err := unix.SendmsgN(fd, frame, rights, nil, unix.MSG_NOSIGNAL)
		for err == nil && n < len(frame) {
			frame = frame[n:]
			n, err = unix.SendmsgN(fd, frame, nil, nil, unix.MSG_NOSIGNAL)
		}
		if errors.Is(err, unix.EPIPE) || errors.Is(err, unix.ECONNRESET) {
			return nil
		}
		return err
	})
}

// pump puts pipes in the place of output streams that are bounded, and moves
// what comes through them. The ends that it gives are the program's.
func (f *Fork) pump(streams []*os.File, bounds ...int64) (ends []*os.File, err error) {
	for i, keep := range bounds {
		file := streams[1+i]
		if file == nil || keep <= 0 {
			continue
		}
		if i == 1 && len(ends) == 1 && sameFile(file, f.pumps.all[0].file) {
			streams[2] = ends[0]
			continue
		}
		from, end, err := os.Pipe()
		if err != nil {
			return ends, err
		}
		fd, err := unix.FcntlInt(file.Fd(), unix.F_DUPFD_CLOEXEC, 0)
		if err != nil {
			from.Close()
			end.Close()
			return ends, err
		}
		p := &pump{from: from, to: descriptor(fd), keep: keep, file: file}
		f.pumps.all = append(f.pumps.all, p)
		f.pumps.running.Go(func() {
			defer unix.Close(fd)
			defer from.Close()
			p.run()
		})
		ends, streams[1+i] = append(ends, end), end
	}
	return ends, nil
}

func sameFile(a, b *os.File) bool {
	x, errX := a.Stat()
	y, errY := b.Stat()
	return errX == nil && errY == nil && os.SameFile(x, y)
}

func closeFiles(files []*os.File) {
	for _, f := range files {
		f.Close()
	}
}

// leave gives back what the fork had when it has ended.
func (f *Fork) leave() {
	f.nest.forget(f.in)
	f.closeEnds()
	f.pumps.finish()
	if err := f.removeTmp(); err != nil {
		f.in.d.log.Error("a fork's /tmp is left behind", "instance", f.in.spec.ID, "err", err)
	}
}

// Discard ends a fork that was not started.
func (f *Fork) Discard() error {
	in := f.in
	in.d.free(in.spec.ID)
	f.nest.forget(in)
	err := in.discard()
	f.closeEnds()
	f.pumps.finish()
	return errors.Join(err, f.removeTmp())
}

// Alive says whether the fork still stands by.
func (f *Fork) Alive() bool {
	alive := false
	onSocket(f.in.pidfd, func(fd int) error { alive = !ended(uintptr(fd)); return nil })
	return alive
}

// tmp is where the directories are that forks have as /tmp.
func (d *Driver) tmp() string { return filepath.Join(filepath.Dir(d.base), "tmp") }

// removeTmp removes what the fork had as /tmp.
func (f *Fork) removeTmp() error {
	if f.tmp == "" {
		return nil
	}
	return os.RemoveAll(f.tmp)
}
