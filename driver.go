package fringe

import (
	"context"
	"net"
	"os"
	"time"
)

// InstanceID names an instance so that it can be found again after a crash.
type InstanceID string

// Mount makes a path of the host visible inside an instance.
type Mount struct {
	Source   string // absolute path on the host; a file or a directory
	Target   string // absolute path inside the instance
	Writable bool   // false: mounted read-only, and all below it
}

// Spec says what a driver must start.
type Spec struct {
	ID       InstanceID // unique; letters, digits and hyphens
	Root     string     // directory that becomes / (read-only); "" or "/" is the host's own root
	Layers   []string   // directories laid over Root, the uppermost first
	Argv     []string   // Argv[0] is looked up in Env's PATH inside the root
	Env      []string   // the whole environment, KEY=value; nothing is inherited
	Dir      string     // working directory inside the instance
	Mounts   []Mount    // in order; /tmp is private, writable and empty, and its own
	Hidden   []string   // paths that are seen as empty directories (the home of the server's user, its data)
	Limits   Limits     // Limits.Time is kept by the driver: the instance is killed and Exit.Cause is TimedOut
	Network  bool       // false: no interface, not even loopback to the host
	Stdin    *os.File   // nil is /dev/null; the driver does not close it
	Stdout   *os.File   // nil is /dev/null
	Stderr   *os.File   // nil is /dev/null
	Conn     *os.File   // inherited as descriptor 3 when not nil (the python contract's socket)
	TmpBytes int64      // size of the private /tmp when it is kept in memory; 0: on disk under Scratch
	Scratch  string     // host directory for what the driver itself needs for this instance; removed by the caller

	// StdoutMax and StderrMax bound the bytes that are kept of a stream,
	// which is then a file: what comes after is dropped, and a line in the
	// file says so. 0 hands the file to the program itself, without a bound.
	StdoutMax, StderrMax int64

	// Durable makes the instance outlive the process that starts it: it goes
	// on when that process dies, its limits are kept all the same, and its
	// end is recorded below Scratch, which must be given. Driver.Attach finds
	// it again. Its streams are files, and it has no Conn.
	Durable bool
}

// Cause says why an instance ended.
type Cause string

// The causes of an end.
const (
	Exited      Cause = "exited"        // by itself, with Exit.Code
	Signalled   Cause = "signalled"     // its program, by a signal (SIGSEGV, SIGABRT…)
	Killed      Cause = "killed"        // all of it from outside, by no doing of the driver or the program
	OutOfMemory Cause = "out of memory" // the memory limit was met
	TimedOut    Cause = "timed out"     // Limits.Time was met
	Stopped     Cause = "stopped"       // Stop was called, or its context ended
)

// Exit says how an instance ended and what it used.
type Exit struct {
	Code   int // exit code; 128+n when it died by signal n
	Signal int // 0 when it exited
	Cause  Cause
	Usage  Usage
}

// Usage is what an instance used.
type Usage struct {
	CPU        time.Duration `json:"cpu"`        // user and system, all processes
	PeakMemory int64         `json:"peakMemory"` // bytes; of the whole process tree where cgroups tell, else of the largest process
	Wall       time.Duration `json:"wall"`
}

// Driver starts instances on one kind of engine.
type Driver interface {
	// Start gives a started instance. The error's Component is Start, and
	// its message says what could not be set up or which program was not
	// found. Nothing is left behind when it fails. The instance outlives
	// ctx: ctx bounds the start only.
	Start(ctx context.Context, s Spec) (Instance, error)

	// Attach gives a durable instance again, by its id and Spec.Scratch,
	// whichever process started it: a running one, or one that has ended,
	// whose Wait says at once how. The error's Kind is NotFound when its
	// program has not run since the machine started: it can be started then.
	// While it is known here the same instance is given.
	Attach(ctx context.Context, id InstanceID, scratch string) (Instance, error)

	// Sweep removes what instances of a former run left behind: processes,
	// cgroups, mounts. The durable instances to keep are left as they are. It
	// must be called before the first Start and the first Attach.
	Sweep(ctx context.Context, keep []InstanceID) error
}

// Instance is running code.
type Instance interface {
	ID() InstanceID

	// Wait blocks until the whole process tree has ended and says how. It
	// may be called by several goroutines, and again after the end. When
	// ctx ends first it returns ctx's error and the instance goes on.
	Wait(ctx context.Context) (Exit, error)

	// Stop ends the whole process tree: SIGTERM, then SIGKILL after grace
	// (0: at once), and waits until it is gone. Stopping twice is harmless.
	Stop(ctx context.Context, grace time.Duration) error

	// Dial connects to a unix socket that the instance listens on, given
	// by its path inside the instance, below one of its writable mounts.
	Dial(ctx context.Context, path string) (net.Conn, error)
}
