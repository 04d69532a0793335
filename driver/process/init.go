package process

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"fringe"
)

// initName is the name by which the binary knows that it is init. What follows
// it in argv are the site and the instance, so that Sweep finds it.
const initName = "fringe-init"

// The descriptors that the driver hands to init, beside the program's own
// 0, 1 and 2.
const (
	controlFD = 3
	connFD    = 4
)

// A descriptor is an inherited descriptor, read and written without the
// runtime's poller.
type descriptor int

func (d descriptor) Read(p []byte) (int, error) {
	for {
		n, err := unix.Read(int(d), p)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if n == 0 && err == nil {
			return 0, fs.ErrClosed
		}
		return max(n, 0), err
	}
}

func (d descriptor) Write(p []byte) (int, error) {
	done := 0
	for done < len(p) {
		n, err := unix.Write(int(d), p[done:])
		if err != nil && !errors.Is(err, unix.EINTR) {
			return done, err
		}
		done += max(n, 0)
	}
	return done, nil
}

// becomeInit is the whole life of init. It never returns.
func becomeInit() {
	runtime.LockOSThread() // privileges and processors are those of a thread
	signal.Notify(make(chan os.Signal, 1))
	term := make(chan os.Signal, 1)
	signal.Notify(term, unix.SIGTERM)
	go handOn(term)
	// The server may have been given descriptors that it does not know of.
	if err := unix.CloseRange(controlFD, math.MaxInt32, unix.CLOSE_RANGE_CLOEXEC); err != nil {
		fail(err)
	}
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		fail(err)
	}
	spare := strings.HasPrefix(os.Args[2], standby)
	if spare {
		standBy()
	}
	var o order
	if err := receive(descriptor(controlFD), &o); err != nil {
		os.Exit(1) // the driver is gone
	}
	if spare {
		takeName(o.ID)
	}
	record, err := openRecord(&o)
	if err != nil {
		fail(err)
	}
	// What the program makes has the modes that it asks for.
	unix.Umask(0)
	if err := plant(&o); err != nil {
		fail(err)
	}
	unix.Umask(0o022)
	path, err := lookProgram(&o)
	if err == nil {
		err = renounce(o.Role == nesting)
	}
	if err == nil {
		err = bound(&o)
	}
	if err != nil {
		fail(err)
	}
	tell(report{What: repReady})
	var permit goOrder
	fds, err := receiveWith(controlFD, &permit)
	if err != nil || o.Role == probing {
		os.Exit(0)
	}
	if err := joinGroup(fds[:permit.Doors]); err != nil {
		fail(err)
	}
	w := &watcher{o: &o}
	if memory := fds[permit.Doors:]; len(memory) == 2 {
		go w.listen(memory[0], memory[1])
	}
	run(w, path, record)
}

// joinGroup puts this thread, and so the program, into cgroups of version 1.
func joinGroup(doors []int) error {
	for _, fd := range doors {
		if _, err := unix.Write(fd, []byte("0")); err != nil {
			return startError(fringe.Unavailable, "the instance does not join its cgroup: %w", err)
		}
		unix.Close(fd)
	}
	return nil
}

// handOn gives every SIGTERM to all processes of the namespace. It is how the
// driver asks the instance to end.
func handOn(term <-chan os.Signal) {
	for range term {
		unix.Kill(-1, unix.SIGTERM)
	}
}

// tell sends a report; when nobody listens init ends.
func tell(r report) {
	if send(descriptor(controlFD), r) != nil {
		os.Exit(1)
	}
}

// fail reports that the instance cannot be set up and ends.
func fail(err error) {
	tell(failure(err))
	os.Exit(1)
}

func failure(err error) report {
	r := report{What: repFailed, Kind: fringe.Unavailable, Message: err.Error()}
	var e *fringe.Error
	if errors.As(err, &e) {
		r.Kind, r.Message = e.Kind, e.Message
		if e.Cure != "" {
			r.Message += ". " + e.Cure
		}
	}
	return r
}

// lookProgram finds the program of o in the tree, which is the root by now.
func lookProgram(o *order) (string, error) {
	if o.Role == probing {
		return "", nil
	}
	if st, err := os.Stat(o.Dir); err != nil || !st.IsDir() {
		return "", startError(fringe.NotFound, "the working directory %s does not exist in the instance", o.Dir)
	}
	name := o.Argv[0]
	if strings.Contains(name, "/") {
		at := name
		if !filepath.IsAbs(at) {
			at = filepath.Join(o.Dir, at)
		}
		if why := unrunnable(at); why != "" {
			return "", startError(fringe.NotFound, "the program %s %s in the environment", name, why)
		}
		return at, nil
	}
	var search string
	for _, kv := range o.Env {
		if v, ok := strings.CutPrefix(kv, "PATH="); ok {
			search = v
		}
	}
	for _, dir := range filepath.SplitList(search) {
		if at := filepath.Join(dir, name); filepath.IsAbs(at) && unrunnable(at) == "" {
			return at, nil
		}
	}
	return "", startError(fringe.NotFound, "the program %q was not found; the environment's PATH is %q", name, search)
}

// unrunnable says why the file cannot be run; "" when it can.
func unrunnable(path string) string {
	st, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "does not exist"
	case err != nil:
		return "cannot be read (" + err.Error() + ")"
	case st.IsDir():
		return "is a directory"
	case unix.Access(path, unix.X_OK) != nil:
		return "is not executable"
	}
	return ""
}

// nestKeeps are the capabilities that a nest keeps, in a user namespace of its
// own: those to make namespaces and mounts for its forks and to take the rest
// away from them.
const nestKeeps = 1<<unix.CAP_SYS_ADMIN | 1<<unix.CAP_SETPCAP

// renounce gives up every privilege, for good; a nest keeps nestKeeps.
func renounce(nest bool) error {
	for c := range uintptr(64) {
		if nest && nestKeeps&(1<<c) != 0 {
			continue
		}
		if err := unix.Prctl(unix.PR_CAPBSET_DROP, c, 0, 0, 0); errors.Is(err, unix.EINVAL) {
			break // the kernel's last one was before
		} else if err != nil {
			return fmt.Errorf("capability %d does not go: %w", c, err)
		}
	}
	h := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var kept [2]unix.CapUserData
	if nest {
		kept[0].Permitted, kept[0].Effective = nestKeeps, nestKeeps
	}
	if err := unix.Capset(&h, &kept[0]); err != nil {
		return fmt.Errorf("the capabilities do not go: %w", err)
	}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("no_new_privs: %w", err)
	}
	return confine(nest)
}

// bound sets the limits that the program inherits from init.
func bound(o *order) error {
	var files syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &files); err != nil {
		return err
	}
	files.Cur = files.Max
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &files); err != nil {
		return fmt.Errorf("the number of open files: %w", err)
	}
	if err := syscall.Setrlimit(syscall.RLIMIT_CORE, &syscall.Rlimit{}); err != nil {
		return fmt.Errorf("the size of core files: %w", err)
	}
	if n := uint64(o.FileSize); n > 0 {
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: n, Max: n}); err != nil {
			return fmt.Errorf("the size of files: %w", err)
		}
	}
	if len(o.Cores) > 0 {
		var set unix.CPUSet
		for _, c := range o.Cores {
			set.Set(c)
		}
		if err := unix.SchedSetaffinity(0, &set); err != nil {
			return fmt.Errorf("the processors: %w", err)
		}
	}
	return nil
}

// run starts the program, reaps every process that is left to init, and ends
// when the program has ended.
func run(w *watcher, path string, record *initRecord) {
	o := w.o
	ps, err := openPumps(o)
	if err == nil {
		err = record.begin()
	}
	if err != nil {
		fail(err)
	}
	files := []uintptr{0, ps.program[0], ps.program[1]}
	if o.Conn {
		files = append(files, connFD)
	}
	pid, err := syscall.ForkExec(path, o.Argv, &syscall.ProcAttr{
		Dir: o.Dir, Env: o.Env, Files: files, Sys: &syscall.SysProcAttr{Setsid: true},
	})
	if err != nil {
		err = execError(path, err)
		record.end(failure(err))
		fail(err)
	}
	if o.Memory > 0 || o.Pids > 0 {
		lower(pid, o)
		go w.run()
	}
	ps.start()
	letGo(o)
	if record == nil {
		tell(report{What: repStarted})
		go obey()
	} else {
		// Whether anybody listens does not matter any more.
		send(descriptor(controlFD), report{What: repStarted})
		unix.Close(controlFD)
		if o.Time > 0 {
			time.AfterFunc(o.Time, w.expire)
		}
	}
	for {
		var status unix.WaitStatus
		got, err := unix.Wait4(-1, &status, 0, nil)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil || got == pid {
			end(w, status, ps, record)
		}
	}
}

// execError says why the program at path did not start.
func execError(path string, err error) error {
	switch {
	case errors.Is(err, unix.ENOENT):
		return startError(fringe.NotFound, "the program %s exists, but the interpreter that it names in its first line, or its loader, does not", path)
	case errors.Is(err, unix.ENOEXEC):
		return startError(fringe.Invalid, "%s is not a program for this machine; a script needs a first line such as #!/bin/sh", path)
	case errors.Is(err, unix.E2BIG):
		return startError(fringe.TooLarge, "the arguments and the environment of %s are longer than the system allows", path)
	}
	return startError(fringe.Unavailable, "the program %s does not start: %w", path, err)
}

// letGo closes init's own copies of the program's descriptors, so that their
// other ends see when the program closes them.
func letGo(o *order) {
	if o.Conn {
		unix.Close(connFD)
	}
	null, err := unix.Open("/dev/null", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return
	}
	for fd := range 3 {
		unix.Dup3(null, fd, 0)
	}
	unix.Close(null)
}

// obey ends init when the driver is gone, and with it all there is in its PID
// namespace.
func obey() {
	var none [1]byte
	descriptor(controlFD).Read(none[:])
	os.Exit(1)
}

// end ends what the program left, reports how it ended, and ends.
func end(w *watcher, status unix.WaitStatus, ps *pumps, record *initRecord) {
	unix.Kill(-1, unix.SIGKILL)
	for {
		if _, err := unix.Wait4(-1, nil, 0, nil); err != nil && !errors.Is(err, unix.EINTR) {
			break
		}
	}
	ps.finish()
	var own, children unix.Rusage
	unix.Getrusage(unix.RUSAGE_SELF, &own)
	unix.Getrusage(unix.RUSAGE_CHILDREN, &children)
	r := report{
		What: repEnded, Status: int(status),
		Own:    own.Utime.Nano() + own.Stime.Nano(),
		CPU:    children.Utime.Nano() + children.Stime.Nano(),
		MaxRSS: children.Maxrss * 1024,
		Peak:   w.peak.Load(), Memory: w.met.Load(), Late: w.late.Load(),
	}
	if record == nil {
		tell(r)
	} else {
		r.Wall = monotonic() - w.o.Begun
		record.end(r)
	}
	os.Exit(0)
}
