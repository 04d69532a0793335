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
	// The server may have been given descriptors that it does not know of.
	if err := unix.CloseRange(controlFD, math.MaxInt32, unix.CLOSE_RANGE_CLOEXEC); err != nil {
		fail(err)
	}
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		fail(err)
	}
	var o order
	if err := receive(descriptor(controlFD), &o); err != nil {
		os.Exit(1) // the driver is gone
	}
	// What the program makes has the modes that it asks for.
	unix.Umask(0)
	if err := plant(&o); err != nil {
		fail(err)
	}
	unix.Umask(0o022)
	path, err := lookProgram(&o)
	if err == nil {
		err = renounce()
	}
	if err == nil {
		err = bound(&o)
	}
	if err != nil {
		fail(err)
	}
	tell(report{What: repReady})
	var cmd string
	if err := receive(descriptor(controlFD), &cmd); err != nil || o.Probe {
		os.Exit(0)
	}
	run(&o, path)
}

// tell sends a report; when nobody listens init ends.
func tell(r report) {
	if send(descriptor(controlFD), r) != nil {
		os.Exit(1)
	}
}

// fail reports that the instance cannot be set up and ends.
func fail(err error) {
	r := report{What: repFailed, Kind: fringe.Unavailable, Message: err.Error()}
	var e *fringe.Error
	if errors.As(err, &e) {
		r.Kind, r.Message = e.Kind, e.Message
		if e.Cure != "" {
			r.Message += ". " + e.Cure
		}
	}
	tell(r)
	os.Exit(1)
}

// lookProgram finds the program of o in the tree, which is the root by now.
func lookProgram(o *order) (string, error) {
	if o.Probe {
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

// renounce gives up every privilege, for good.
func renounce() error {
	for c := range uintptr(64) {
		if err := unix.Prctl(unix.PR_CAPBSET_DROP, c, 0, 0, 0); errors.Is(err, unix.EINVAL) {
			break // the kernel's last one was before
		} else if err != nil {
			return fmt.Errorf("capability %d does not go: %w", c, err)
		}
	}
	h := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var none [2]unix.CapUserData
	if err := unix.Capset(&h, &none[0]); err != nil {
		return fmt.Errorf("the capabilities do not go: %w", err)
	}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("no_new_privs: %w", err)
	}
	return confine()
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
func run(o *order, path string) {
	files := []uintptr{0, 1, 2}
	if o.Conn {
		files = append(files, connFD)
	}
	pid, err := syscall.ForkExec(path, o.Argv, &syscall.ProcAttr{
		Dir: o.Dir, Env: o.Env, Files: files, Sys: &syscall.SysProcAttr{Setsid: true},
	})
	if err != nil {
		fail(execError(path, err))
	}
	if o.Memory > 0 || o.Pids > 0 {
		lower(pid, o)
	}
	letGo(o)
	tell(report{What: repStarted})
	w := &watcher{o: o}
	go obey()
	if o.Memory > 0 || o.Pids > 0 {
		go w.run()
	}
	for {
		var status unix.WaitStatus
		got, err := unix.Wait4(-1, &status, 0, nil)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil || got == pid {
			end(w, status)
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

// obey takes the driver's commands. When the driver is gone init ends, and
// with it all there is in its PID namespace.
func obey() {
	for {
		var cmd string
		if receive(descriptor(controlFD), &cmd) != nil {
			os.Exit(1)
		}
		if cmd == cmdTerm {
			unix.Kill(-1, unix.SIGTERM)
		}
	}
}

// end reports how the program ended, and ends.
func end(w *watcher, status unix.WaitStatus) {
	var own, children unix.Rusage
	unix.Getrusage(unix.RUSAGE_SELF, &own)
	unix.Getrusage(unix.RUSAGE_CHILDREN, &children)
	tell(report{
		What: repEnded, Status: int(status),
		Own:    own.Utime.Nano() + own.Stime.Nano(),
		MaxRSS: children.Maxrss * 1024,
		Peak:   w.peak.Load(), Memory: w.met.Load(),
	})
	os.Exit(0)
}
