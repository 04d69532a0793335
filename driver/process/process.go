package process

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"fringe"
)

// Config says where and how a Driver works.
type Config struct {
	// StateDir is the driver's own directory; its path is the driver's
	// identity, by which Sweep finds what a former run left. It is made when
	// it does not exist. One process at a time uses it.
	StateDir string

	// Log takes what the driver has to say. Nil drops it.
	Log *slog.Logger

	// Spares is how many inits stand by for the next instances while Run runs.
	Spares int

	// WithoutCgroups makes the driver keep limits as if the machine had no
	// cgroup that it may use.
	WithoutCgroups bool
}

// Driver starts instances as processes of this machine. Its methods may be
// called at the same time.
type Driver struct {
	log     *slog.Logger
	site    string  // names this driver in cgroups and command lines
	base    string  // where an instance's root is put together, in its own namespace
	cgroups cgroups // what of them can be used
	nested  bool    // this process may not mount: each instance needs a user namespace
	global  bool    // this process's user is the machine's root, which RLIMIT_NPROC does not bind

	spares   int           // wanted
	standing atomic.Bool   // spares may be there
	ready    chan *spare   // of capacity spares; filled by Run
	missing  chan struct{} // of capacity 1; tells Run that one may be

	mu      sync.Mutex                      // guards running
	running map[fringe.InstanceID]*instance // nil while it starts
}

var _ fringe.Driver = (*Driver)(nil)

// New gives a driver that is ready. It looks once at what the machine allows.
func New(cfg Config) (*Driver, error) {
	const op = "process.New"
	if cfg.StateDir == "" {
		return nil, fringe.Errorf(op, fringe.Invalid, "the process driver needs a directory of its own")
	}
	dir, err := filepath.Abs(cfg.StateDir)
	if err != nil {
		return nil, fringe.E(op, err)
	}
	base := filepath.Join(dir, "root")
	if err := os.MkdirAll(base, 0o755); err != nil {
		return nil, fringe.Errorf(op, fringe.Unavailable, "the driver's directory %s cannot be made: %w", dir, err)
	}
	if base, err = filepath.EvalSymlinks(base); err != nil {
		return nil, fringe.E(op, err)
	}
	sum := sha256.Sum256([]byte(base))
	d := &Driver{
		log:     cfg.Log,
		site:    hex.EncodeToString(sum[:6]),
		base:    base,
		nested:  !capable(unix.CAP_SYS_ADMIN),
		global:  globalRoot(),
		spares:  cfg.Spares,
		ready:   make(chan *spare, cfg.Spares),
		missing: make(chan struct{}, 1),
		running: map[fringe.InstanceID]*instance{},
	}
	if d.log == nil {
		d.log = slog.New(slog.DiscardHandler)
	}
	if !cfg.WithoutCgroups {
		d.cgroups = findCgroups(d.site + "-")
	}
	return d, nil
}

// capable says whether this process has the capability in effect.
func capable(c int) bool {
	h := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if unix.Capget(&h, &data[0]) != nil {
		return false
	}
	return data[c/32].Effective&(1<<(c%32)) != 0
}

// globalRoot says whether this process's user is the root of the machine
// itself and not of a user namespace only.
func globalRoot() bool {
	var inside, outside, count uint32
	text, err := os.ReadFile("/proc/self/uid_map")
	if err != nil {
		return os.Geteuid() == 0
	}
	n, _ := fmt.Sscan(string(text), &inside, &outside, &count)
	return os.Geteuid() == 0 && n == 3 && inside == 0 && outside == 0
}

// reserve takes the name id for an instance; it fails when one has it.
func (d *Driver) reserve(id fringe.InstanceID) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, known := d.running[id]; known {
		return startError(fringe.Conflict, "an instance %s is running already", id)
	}
	d.running[id] = nil
	return nil
}

// hold notes that the instance runs; its name was reserved.
func (d *Driver) hold(in *instance) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.running[in.spec.ID] = in
}

func (d *Driver) free(id fringe.InstanceID) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.running, id)
}

// Mounter is what an instance can do beyond fringe.Instance when mounts made
// by this process reach it. The instances of this driver are Mounters.
type Mounter interface {
	fringe.Instance

	// AddMount makes m visible in the running instance. The target is below
	// one of its writable mounts; a mount point that does not exist is made
	// there, and goes with the mount. release takes the mount away; it is
	// harmless twice. The error's kind is Unavailable when the process has no
	// private mounts (see PrivateMounts).
	AddMount(ctx context.Context, m fringe.Mount) (release func() error, err error)
}

var _ Mounter = (*instance)(nil)

// startError is an error of the component Start.
func startError(kind fringe.Kind, format string, args ...any) *fringe.Error {
	e := fringe.Errorf("process.Start", kind, format, args...)
	e.Component = fringe.Start
	return e
}
