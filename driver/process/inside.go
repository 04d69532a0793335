package process

import (
	"errors"
	"fmt"
	"os"
	"path"
	"runtime"

	"golang.org/x/sys/unix"

	"fringe"
)

// home is what a thread of this process goes back to from another mount
// namespace.
type home struct {
	fds []int // of the namespace, the root and the working directory
}

// openHome opens what this process sees. The caller closes it.
func openHome() (h home, err error) {
	for _, name := range []string{"/proc/self/ns/mnt", "/", "."} {
		fd, err := unix.Open(name, unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			h.close()
			return h, err
		}
		h.fds = append(h.fds, fd)
	}
	return h, nil
}

func (h home) close() { closeAll(h.fds) }

// back makes this thread see what the process sees.
func (h home) back() error {
	err := unix.Setns(h.fds[0], unix.CLONE_NEWNS)
	if err == nil {
		err = unix.Fchdir(h.fds[1])
	}
	if err == nil {
		err = unix.Chroot(".")
	}
	if err == nil {
		err = unix.Fchdir(h.fds[2])
	}
	return err
}

// inside calls f on a thread that is in the mount namespace of a process. The
// thread's root is that of the namespace. A thread that does not come back from
// there ends. The main thread never goes: it is the one that /proc/self shows,
// to openHome of other threads too, and it cannot end.
func inside(pidfd *os.File, f func() error) error {
	h, err := openHome()
	if err != nil {
		return err
	}
	defer h.close()
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		if unix.Gettid() == unix.Getpid() {
			done <- inside(pidfd, f) // by another thread, while this one is held
			runtime.UnlockOSThread()
			return
		}
		err := unix.Unshare(unix.CLONE_FS)
		if err == nil {
			err = onSocket(pidfd, func(fd int) error { return unix.Setns(fd, unix.CLONE_NEWNS) })
		}
		if err == nil {
			err = f()
			if e := h.back(); e != nil {
				done <- errors.Join(err, fmt.Errorf("a thread stays in another mount namespace: %w", e))
				return
			}
		}
		runtime.UnlockOSThread()
		done <- err
	}()
	return <-done
}

// A place is a directory of a fork that is read-only there, with a mount of it
// by which entries are made.
type place struct {
	path string
	fd   int
}

// attach puts detached mounts where they belong. It is called inside the fork.
func (f *Fork) attach(points []mountPoint, fds []int) error {
	t := &tree{}
	var err error
	if t.fd, err = unix.Open("/", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0); err != nil {
		return err
	}
	defer unix.Close(t.fd)
	for i, p := range points {
		if err := f.makePoint(t, p.Target, p.Dir); err != nil {
			return startError(fringe.Unavailable, "the mount point %s cannot be made: %w", p.Target, err)
		}
		if err := t.place(fds[i], p.Target, p.Dir); err != nil {
			return err
		}
	}
	return nil
}

// makePoint makes the target, and what leads to it, when it is missing.
func (f *Fork) makePoint(t *tree, target string, dir bool) error {
	fd, err := t.open(target)
	if err == nil {
		unix.Close(fd)
	}
	if !errors.Is(err, unix.ENOENT) {
		return err
	}
	parent, name := path.Split(path.Clean(target))
	if err := f.makePoint(t, parent, true); err != nil {
		return err
	}
	if fd, err = t.open(parent); err != nil {
		return err
	}
	err = makeEntry(fd, name, dir)
	unix.Close(fd)
	if errors.Is(err, unix.EROFS) {
		err = f.makeInPlace(path.Clean(target), dir)
	}
	return err
}

// makeInPlace makes an entry of one of the fork's places.
func (f *Fork) makeInPlace(target string, dir bool) error {
	for _, p := range f.places {
		if !belowAny(target, []string{p.path}) {
			continue
		}
		parent, name := path.Split(target[len(p.path)+1:])
		fd, err := unix.Openat2(p.fd, path.Clean(parent), &unix.OpenHow{Flags: unix.O_PATH | unix.O_CLOEXEC, Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS})
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		return makeEntry(fd, name, dir)
	}
	return unix.EROFS
}
