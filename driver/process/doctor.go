package process

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"fringe"
)

// Check is one thing that the driver needs of the machine.
type Check struct {
	Name   string // one of the names below
	OK     bool   // it is enforced in full
	Detail string // how it is enforced, or why it is not
	Cure   string // what to do when it is not; empty when OK
}

// The names of checks.
const (
	CheckKernel        = "kernel"
	CheckNamespaces    = "namespaces"
	CheckSeccomp       = "system call filter"
	CheckPrivateMounts = "private mounts"
	CheckOverlay       = "overlayfs"
	CheckCgroups       = "cgroups"
	CheckMemory        = "memory limit"
	CheckCPU           = "cpu limit"
	CheckPids          = "pids limit"
)

// Enforces says whether the limit or the part of that name is enforced in full.
func (d *Driver) Enforces(name string) bool {
	switch name {
	case CheckMemory:
		return d.cgroups.has("memory")
	case CheckCPU:
		return d.cgroups.has("cpu")
	case CheckPids:
		return d.cgroups.has("pids")
	}
	i := slices.IndexFunc(d.Enforced(), func(c Check) bool { return c.Name == name && c.OK })
	return i >= 0
}

// Enforced says what this machine lets the driver keep. It tries things out,
// and so takes some tens of milliseconds.
func (d *Driver) Enforced() []Check {
	return append([]Check{d.checkKernel()}, append(append(d.checkStart(), checkPrivate()), d.checkLimits()...)...)
}

func (d *Driver) checkKernel() Check {
	c := Check{Name: CheckKernel, OK: true}
	var u unix.Utsname
	if unix.Uname(&u) == nil {
		c.Detail = "Linux " + unix.ByteSliceToString(u.Release[:])
	}
	// The newest system call that the driver cannot do without.
	attr := unix.MountAttr{}
	if err := unix.MountSetattr(-1, "", unix.AT_EMPTY_PATH, &attr); err == unix.ENOSYS {
		c.OK, c.Cure = false, "Instances need Linux 5.12 or later: use a newer kernel."
	}
	return c
}

// checkStart sets up an instance without a program, first plainly, then with
// layers.
func (d *Driver) checkStart() []Check {
	names := Check{Name: CheckNamespaces, Detail: "pid, mount, ipc, uts and network namespaces"}
	if d.nested {
		names.Detail += ", within a user namespace for each instance"
	}
	filter := Check{Name: CheckSeccomp, Detail: fmt.Sprintf("%d system calls are refused", len(denied)+len(nestCalls)+3)}
	over := Check{Name: CheckOverlay, Detail: "environments can be layers over the root"}
	err := d.probe(nil)
	names.OK, filter.OK = err == nil, err == nil
	if err != nil {
		names.Detail, filter.Detail = err.Error(), "instances do not start"
		names.Cure = "Run the server as root, or allow user namespaces: sysctl -w kernel.unprivileged_userns_clone=1 user.max_user_namespaces=10000 kernel.apparmor_restrict_unprivileged_userns=0"
		filter.Cure = "See " + CheckNamespaces + "; the kernel needs CONFIG_SECCOMP_FILTER."
		over.Detail, over.Cure = "instances do not start", "See "+CheckNamespaces+"."
		return []Check{names, filter, over}
	}
	dir, err := os.MkdirTemp(filepath.Dir(d.base), "probe-*")
	if err == nil {
		defer os.RemoveAll(dir)
		err = os.Mkdir(filepath.Join(dir, "usr"), 0o755)
	}
	if err == nil {
		err = d.probe([]string{dir})
	}
	if over.OK = err == nil; err != nil {
		over.Detail = err.Error()
		over.Cure = "Load the kernel module (modprobe overlay); as a plain user Linux 5.11 or later is needed. Without it environments must be whole roots, and modified inputs are copied."
	}
	return []Check{names, filter, over}
}

// probe sets up an instance and takes it away again.
func (d *Driver) probe(layers []string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	s := fringe.Spec{ID: fringe.InstanceID(fmt.Sprintf("probe-%d", time.Now().UnixNano())), Root: "/", Layers: layers, Dir: "/", TmpBytes: 1 << 20}
	in, err := d.start(ctx, s, probing)
	if err != nil {
		return err
	}
	return in.discard()
}

func checkPrivate() Check {
	if Private() {
		return Check{Name: CheckPrivateMounts, OK: true, Detail: "mounts of the server are its own and vanish with it"}
	}
	return Check{Name: CheckPrivateMounts, Detail: "this process shares its mounts with the host",
		Cure: "The server takes private mounts when it runs as root or may make user namespaces."}
}

// checkLimits says how each limit is kept.
func (d *Driver) checkLimits() []Check {
	cure := "Give the server cgroups: as root, mount the unified hierarchy (systemd.unified_cgroup_hierarchy=1); as a plain user, start it by `systemd-run --user --scope -p Delegate=yes -- fringe serve`, or as a systemd service with Delegate=yes."
	groups := Check{Name: CheckCgroups, OK: d.cgroups.version != 0, Detail: fmt.Sprintf("version %d: %s", d.cgroups.version, strings.Join(d.have(), ", "))}
	if !groups.OK {
		groups.Detail, groups.Cure = "none that this process may use", cure
		if d.cgroups.why != "" {
			groups.Detail += ": " + d.cgroups.why
		}
	}
	all := []Check{groups}
	for _, l := range []struct{ name, controller, instead string }{
		{CheckMemory, "memory", "watched: a tree that has more is killed within some 25 ms; short peaks pass"},
		{CheckCPU, "cpu", "an instance is kept to a whole number of processors"},
		{CheckPids, "pids", "RLIMIT_NPROC, and watched"},
	} {
		c := Check{Name: l.name, OK: d.cgroups.has(l.controller), Detail: fmt.Sprintf("by the cgroup controller %s", l.controller)}
		if !c.OK {
			c.Detail, c.Cure = l.instead, cure
		}
		all = append(all, c)
	}
	return all
}

// have lists the controllers that can be used.
func (d *Driver) have() []string {
	var names []string
	for name := range d.cgroups.base {
		names = append(names, name)
	}
	return sortedUnique(names)
}
