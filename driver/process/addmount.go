package process

import (
	"context"
	"errors"
	"fmt"
	"path"
	"sync"

	"golang.org/x/sys/unix"

	"fringe"
)

// AddMount implements Mounter.
func (in *instance) AddMount(ctx context.Context, m fringe.Mount) (release func() error, err error) {
	const op = "process.AddMount"
	if !Private() {
		return nil, fringe.Errorf(op, fringe.Unavailable, "a running instance cannot be given %s: this process has no private mounts", m.Source)
	}
	if in.attached {
		return nil, fringe.Errorf(op, fringe.Unavailable, "a running instance cannot be given %s: another process started it", m.Source)
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	select {
	case <-in.done:
		return nil, fringe.Errorf(op, fringe.Unavailable, "the instance %s has ended", in.spec.ID)
	default:
	}
	source, below, ok := in.hostPath(m.Target)
	if !ok || below == "." {
		return nil, fringe.Errorf(op, fringe.Invalid, "%s is not below a writable mount of the instance", m.Target)
	}
	fd, dir, err := detached(m, 0)
	if err != nil {
		return nil, fringe.E(op, err)
	}
	defer unix.Close(fd)
	point, made, err := pointBelow(source, below, dir)
	if err != nil {
		return nil, fringe.Errorf(op, fringe.Unavailable, "the mount point %s: %w", m.Target, err)
	}
	defer unix.Close(point)
	if err := unix.MoveMount(fd, "", point, "", unix.MOVE_MOUNT_F_EMPTY_PATH|unix.MOVE_MOUNT_T_EMPTY_PATH); err != nil {
		made.remove()
		return nil, fringe.Errorf(op, fringe.Unavailable, "%s cannot be mounted at %s: %w", m.Source, m.Target, err)
	}
	return sync.OnceValue(func() error {
		if err := unmountBelow(source, below); err != nil {
			return fringe.Errorf(op, fringe.Internal, "the mount at %s does not go: %w", m.Target, err)
		}
		made.remove()
		return nil
	}), nil
}

// detached gives a mount of m.Source that is nowhere yet, and whether it is a
// directory. A propagation other than 0 is set.
func detached(m fringe.Mount, propagation uint64) (fd int, dir bool, err error) {
	fd, err = unix.OpenTree(unix.AT_FDCWD, m.Source, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC|unix.AT_RECURSIVE)
	if errors.Is(err, unix.ENOENT) {
		return -1, false, startError(fringe.NotFound, "%s, to be mounted at %s, does not exist", m.Source, m.Target)
	}
	if err != nil {
		return -1, false, startError(fringe.Unavailable, "%s cannot be mounted: %w", m.Source, err)
	}
	attr := unix.MountAttr{Attr_set: unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NODEV, Propagation: propagation}
	if !m.Writable {
		attr.Attr_set |= unix.MOUNT_ATTR_RDONLY
	}
	var st unix.Stat_t
	err = unix.MountSetattr(fd, "", unix.AT_EMPTY_PATH|unix.AT_RECURSIVE, &attr)
	if err == nil {
		err = unix.Fstat(fd, &st)
	}
	if err != nil {
		unix.Close(fd)
		return -1, false, startError(fringe.Unavailable, "%s cannot be mounted: %w", m.Source, err)
	}
	return fd, st.Mode&unix.S_IFMT == unix.S_IFDIR, nil
}

// A madeEntry is a mount point that was made; the zero one was there before.
type madeEntry struct {
	root, dir, name string
	isDir           bool
}

// remove takes the mount point away when it was made and is unused.
func (e madeEntry) remove() {
	if e.name == "" {
		return
	}
	fd, err := openBelow(e.root, e.dir)
	if err != nil {
		return
	}
	defer unix.Close(fd)
	flags := 0
	if e.isDir {
		flags = unix.AT_REMOVEDIR
	}
	unix.Unlinkat(fd, e.name, flags)
}

// pointBelow opens a path below root and makes it, and the directories that
// lead to it, when it is missing.
func pointBelow(root, name string, dir bool) (fd int, made madeEntry, err error) {
	fd, err = openBelow(root, name)
	if !errors.Is(err, unix.ENOENT) {
		return fd, made, err
	}
	up, last := path.Split(name)
	up = path.Clean(up)
	parent, _, err := pointBelow(root, up, true)
	if err != nil {
		return -1, made, err
	}
	defer unix.Close(parent)
	if err := makeEntry(parent, last, dir); err != nil {
		return -1, made, err
	}
	fd, err = openBelow(root, name)
	return fd, madeEntry{root: root, dir: up, name: last, isDir: dir}, err
}

// unmountBelow takes away the mount at a path below root; users of it keep
// what they have open.
func unmountBelow(root, name string) error {
	fd, err := openBelow(root, name)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return unix.Unmount(fmt.Sprintf("/proc/self/fd/%d", fd), unix.MNT_DETACH)
}
