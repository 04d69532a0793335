package process

import (
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"fringe"
)

// privateEnv tells a process about its mount namespace: its name once all is
// set up, or privateSetup when the process has yet to do that.
const (
	privateEnv   = "FRINGE_PRIVATE_MOUNTS"
	privateSetup = "setup"
)

// Private says whether this process has private mounts.
func Private() bool {
	ns, err := os.Readlink("/proc/self/ns/mnt")
	return err == nil && os.Getenv(privateEnv) == ns
}

// PrivateMounts gives this process a mount namespace of its own, so that what
// it mounts is seen by nobody else, reaches its instances, and vanishes with
// it. To do so it runs the program again with the same arguments: call it
// after Main, before anything else is started. It returns nil in the process
// that has private mounts.
//
// Root keeps its process ID. Another user gets a user namespace too, in which
// he is root; there the first process stays as a shell around the second one:
// it hands on signals and ends as that ends, and does not outlive it, nor the
// second one the first.
//
// An error means that the process goes on without (kind Unavailable).
func PrivateMounts() error {
	if Private() {
		return nil
	}
	if os.Getenv(privateEnv) == privateSetup {
		return privateError(setUpPrivate())
	}
	if !capable(unix.CAP_SYS_ADMIN) {
		return privateError(runNested())
	}
	// The namespace is that of this thread; exec makes it the process's.
	runtime.LockOSThread()
	if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
		runtime.UnlockOSThread()
		return privateError(err)
	}
	err := setUpPrivate()
	if err == nil {
		err = unix.Exec("/proc/self/exe", os.Args, os.Environ())
	}
	return privateError(err)
}

func privateError(err error) error {
	if err == nil {
		return nil
	}
	e := fringe.Errorf("process.PrivateMounts", fringe.Unavailable, "this process gets no mounts of its own: %w", err)
	e.Cure = "Run it as root, or allow user namespaces: sysctl -w kernel.unprivileged_userns_clone=1 user.max_user_namespaces=10000 kernel.apparmor_restrict_unprivileged_userns=0"
	return e
}

// setUpPrivate cuts the mounts of this thread's namespace off from those of
// the host, shares them with the namespaces to come, and says so in the
// environment.
func setUpPrivate() error {
	for _, how := range []uintptr{unix.MS_SLAVE, unix.MS_SHARED} {
		if err := unix.Mount("", "/", "", unix.MS_REC|how, ""); err != nil {
			return err
		}
	}
	ns, err := os.Readlink("/proc/thread-self/ns/mnt")
	if err != nil {
		return err
	}
	return os.Setenv(privateEnv, ns)
}

// runNested runs the program again in a user namespace and ends as it ends.
func runNested() error {
	runtime.LockOSThread() // the second process dies with this thread
	signals := make(chan os.Signal, 16)
	signal.Notify(signals, unix.SIGTERM, unix.SIGHUP, unix.SIGINT, unix.SIGQUIT, unix.SIGUSR1, unix.SIGUSR2)
	p, err := os.StartProcess("/proc/self/exe", os.Args, &os.ProcAttr{
		Env:   append(withoutPrivateEnv(), privateEnv+"="+privateSetup),
		Files: []*os.File{os.Stdin, os.Stdout, os.Stderr},
		Sys: &syscall.SysProcAttr{
			Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS,
			UidMappings: []syscall.SysProcIDMap{{HostID: os.Geteuid(), Size: 1}},
			GidMappings: []syscall.SysProcIDMap{{HostID: os.Getegid(), Size: 1}},
			Pdeathsig:   syscall.SIGKILL,
		},
	})
	if err != nil {
		signal.Stop(signals)
		runtime.UnlockOSThread()
		return err
	}
	go func() {
		// A terminal sends its signals to both processes by itself.
		_, notTerminal := unix.IoctlGetTermios(0, unix.TCGETS)
		for s := range signals {
			if s == unix.SIGINT && notTerminal == nil || s == unix.SIGQUIT && notTerminal == nil {
				continue
			}
			p.Signal(s)
		}
	}()
	state, err := p.Wait()
	if err != nil {
		return err
	}
	status := state.Sys().(syscall.WaitStatus)
	if status.Signaled() {
		fmt.Fprintf(os.Stderr, "the process in the user namespace was ended by signal %d (%s)\n", status.Signal(), status.Signal())
		os.Exit(128 + int(status.Signal()))
	}
	os.Exit(status.ExitStatus())
	return errors.New("unreachable")
}

// withoutPrivateEnv gives the environment without privateEnv.
func withoutPrivateEnv() []string {
	var env []string
	for _, kv := range os.Environ() {
		if !strings.HasPrefix(kv, privateEnv+"=") {
			env = append(env, kv)
		}
	}
	return env
}
