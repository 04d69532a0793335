package process

import (
	"context"
	"log/slog"

	"fringe"
)

// Config says where and how a Driver works.
type Config struct {
	// StateDir is the driver's own directory; its path is the driver's
	// identity, by which Sweep finds what a former run left. It is made when
	// it does not exist.
	StateDir string

	// Log takes what the driver has to say. Nil drops it.
	Log *slog.Logger

	// WithoutCgroups makes the driver keep limits as if the machine had no
	// cgroup that it may use.
	WithoutCgroups bool
}

// Check is one thing that the driver needs of the machine.
type Check struct {
	Name   string // such as "memory limit"
	OK     bool   // it is enforced in full
	Detail string // how it is enforced, or why it is not
	Cure   string // what to do when it is not; empty when OK
}

// Attacher is what an instance can also do when mounts made by the server
// reach it. An instance of this driver is one.
type Attacher interface {
	fringe.Instance

	// AddMount makes m visible in the running instance. The target is below
	// one of its writable mounts. release takes it away again; it is
	// harmless twice. The error's kind is Unavailable when the process does
	// not have private mounts (see PrivateMounts).
	AddMount(ctx context.Context, m fringe.Mount) (release func() error, err error)
}

// Driver starts instances as processes of this machine.
type Driver struct {
	cfg Config
}

// New gives a driver that is ready.
func New(cfg Config) (*Driver, error) { return &Driver{cfg: cfg}, nil }

// Start implements fringe.Driver.
func (d *Driver) Start(ctx context.Context, s fringe.Spec) (fringe.Instance, error) {
	return nil, fringe.Errorf("process.Start", fringe.Unavailable, "the driver does not start anything yet")
}

// Sweep implements fringe.Driver.
func (d *Driver) Sweep(ctx context.Context) error { return nil }

// Enforced says what this machine lets the driver keep.
func (d *Driver) Enforced() []Check { return nil }

// Enforces says whether the named check is met in full.
func (d *Driver) Enforces(name string) bool { return false }

// Main must be called first thing in main and in TestMain.
func Main() {}

// PrivateMounts moves the process into a mount namespace of its own.
func PrivateMounts() error { return nil }

var _ fringe.Driver = (*Driver)(nil)
