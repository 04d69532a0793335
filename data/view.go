package data

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"fringe"
)

// The ways in which a View keeps its source from changing.
const (
	Overlay = "overlay" // writes go to a second directory laid over the source
	Reflink = "reflink" // a copy whose blocks are shared until they are written
	Copy    = "copy"    // a whole copy
)

// View is a private, copy-on-write sight of a file or a directory. What is
// written, renamed or removed through it never reaches the source. The whole
// of it belongs to the user of this process and is writable for him, whatever
// the modes of the source are.
//
// An overlay needs a process that may mount: root, or one with private mounts.
// It is a mount of this process's mount namespace. In the overlay of a plain
// user a directory of the source cannot be renamed (EXDEV); mv and what else
// copes with two devices copies it.
type View struct {
	Path   string // where the sight is; its last element is that of the source
	Method string // Overlay, Reflink or Copy
	Source string // absolute, its last symbolic link followed

	scratch string
	mu      sync.Mutex // guards mounted and gone
	mounted bool
	gone    bool
}

// NewView gives a private sight of source, by the cheapest Method that this
// machine allows. A source that is a symbolic link is followed. What the view
// needs it keeps below scratch, a directory of the caller's that holds nothing
// else and that is made when it does not exist. The caller ends it with
// Release. The source must not change while the view is in use.
func NewView(ctx context.Context, source, scratch string) (*View, error) {
	const op = "data.NewView"
	source, st, err := viewSource(source)
	if err != nil {
		return nil, viewError(op, err)
	}
	scratch, err = filepath.Abs(scratch)
	if err != nil {
		return nil, viewError(op, err)
	}
	if scratch == source || strings.HasPrefix(scratch, source+"/") {
		return nil, viewError(op, fringe.Errorf(op, fringe.Invalid, "the scratch directory %s is inside of %s; it must be outside of what is viewed", scratch, source))
	}
	v := viewAt(source, scratch)
	if err := os.MkdirAll(filepath.Dir(v.Path), 0o700); err != nil {
		return nil, viewError(op, fmt.Errorf("no room for a view of %s: %w", source, err))
	}
	if st.IsDir() {
		err = v.overlay(ctx, source)
		if err == nil {
			return v, nil
		}
		if ctx.Err() != nil {
			return nil, viewError(op, errors.Join(err, v.Release()))
		}
	}
	c := &copier{ctx: ctx, writable: true, links: anyLink}
	if err := c.tree(source, v.Path); err != nil {
		return nil, viewError(op, errors.Join(err, v.Release()))
	}
	v.Method = Reflink
	if !c.shared {
		v.Method = Copy
	}
	return v, nil
}

// OverlayView gives a private sight of a directory by an overlay mount, or nil when
// this machine does not allow one. File locks taken through it do not meet
// those of other users of the source. It is ended with Release.
func OverlayView(ctx context.Context, source, scratch string) *View {
	source, st, err := viewSource(source)
	if err != nil || !st.IsDir() {
		return nil
	}
	v := viewAt(source, scratch)
	if err := os.MkdirAll(filepath.Dir(v.Path), 0o700); err != nil {
		return nil
	}
	if err := v.overlay(ctx, source); err != nil {
		v.Release()
		return nil
	}
	return v
}

func viewAt(source, scratch string) *View {
	return &View{Path: filepath.Join(scratch, "view", filepath.Base(source)), Source: source, scratch: scratch}
}

// FormerView gives the view of source, its Source, that a process which has
// ended made below scratch. Until Reopen only Release is of use.
func FormerView(source, scratch string) *View {
	v := viewAt(source, scratch)
	if _, err := os.Lstat(filepath.Join(scratch, "upper")); err == nil {
		v.Method = Overlay
		// The mount of a process that had no private mounts is still there.
		unix.Unmount(v.Path, unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW)
	}
	return v
}

// Reopen makes a former view seen again by this process, with all that was
// written through it. No process uses it any more, and the machine has not been
// started since it was made.
func (v *View) Reopen() error {
	const op = "data.View.Reopen"
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.Method != Overlay {
		_, err := os.Lstat(v.Path)
		return viewErrorOrNil(op, err)
	}
	dirs := [3]string{v.Source, filepath.Join(v.scratch, "upper"), filepath.Join(v.scratch, "work")}
	// By this mark the kernel refuses an overlay without syncing that a loss
	// of power may have hurt.
	err := removeTree(filepath.Join(dirs[2], "work", "incompat"))
	if err == nil {
		err = mountOverlay(dirs, v.Path)
	}
	v.mounted = err == nil
	return viewErrorOrNil(op, err)
}

func viewErrorOrNil(op string, err error) error {
	if err == nil {
		return nil
	}
	return viewError(op, err)
}

// Release takes the sight away, with all that was written through it. It is
// harmless twice.
func (v *View) Release() error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.gone {
		return nil
	}
	if v.mounted {
		if err := unix.Unmount(v.Path, unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW); err != nil {
			return viewError("data.View.Release", fmt.Errorf("the view %s does not unmount: %w", v.Path, err))
		}
		v.mounted = false
	}
	for _, dir := range []string{"view", "upper", "work"} {
		if err := removeTree(filepath.Join(v.scratch, dir)); err != nil {
			return viewError("data.View.Release", err)
		}
	}
	v.gone = true
	return nil
}

// viewSource gives the absolute path of source with its last symbolic link
// followed, and what is there: a regular file or a directory.
func viewSource(source string) (string, fs.FileInfo, error) {
	const op = "data.NewView"
	real, err := filepath.EvalSymlinks(source)
	if err == nil {
		real, err = filepath.Abs(real)
	}
	var st fs.FileInfo
	if err == nil {
		st, err = os.Stat(real)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil, fringe.Errorf(op, fringe.NotFound, "there is no file or directory %s", source)
	}
	if err != nil {
		return "", nil, err
	}
	if !st.IsDir() && !st.Mode().IsRegular() {
		return "", nil, fringe.Errorf(op, fringe.Invalid, "%s is %s; a view is of a file or a directory", source, typeName(st.Mode()))
	}
	return real, st, nil
}

// viewError gives err the operation, and the component Data where none is named.
func viewError(op string, err error) error {
	e, ok := err.(*fringe.Error)
	if !ok {
		e = fringe.E(op, err)
	}
	e.Op = op
	if e.Component == "" {
		e.Component = fringe.Data
	}
	return e
}

// overlay mounts source as the lower layer of an overlay at v.Path. When it
// fails nothing is left.
func (v *View) overlay(ctx context.Context, source string) (err error) {
	unowned, err := unwritable(ctx, source)
	if err != nil {
		return err
	}
	upper, work := filepath.Join(v.scratch, "upper"), filepath.Join(v.scratch, "work")
	dirs := []string{v.Path, upper, work}
	defer func() {
		if err == nil {
			return
		}
		if v.mounted {
			err = errors.Join(err, unix.Unmount(v.Path, unix.MNT_DETACH))
			v.mounted = false
		}
		for _, dir := range dirs {
			err = errors.Join(err, removeTree(dir))
		}
	}()
	for _, dir := range dirs {
		if err := os.Mkdir(dir, 0o700); err != nil {
			return err
		}
	}
	if err := likeDirectory(source, upper); err != nil {
		return err
	}
	if err := mountOverlay([3]string{source, upper, work}, v.Path); err != nil {
		return err
	}
	v.mounted, v.Method = true, Overlay
	return v.own(ctx, unowned)
}

// likeDirectory gives to the mode and times of from; the owner may write.
func likeDirectory(from, to string) error {
	st, err := os.Stat(from)
	if err != nil {
		return err
	}
	if err := os.Chmod(to, st.Mode().Perm()|0o700); err != nil {
		return err
	}
	return os.Chtimes(to, st.ModTime(), st.ModTime())
}

// own makes the named parts of the view writable for this process's user.
func (v *View) own(ctx context.Context, names []string) error {
	for _, name := range names {
		if err := ctx.Err(); err != nil {
			return err
		}
		path := filepath.Join(v.Path, name)
		st, err := os.Lstat(path)
		if err != nil {
			return err
		}
		if err := os.Lchown(path, os.Geteuid(), os.Getegid()); err != nil {
			return err
		}
		if st.Mode()&fs.ModeSymlink != 0 {
			continue
		}
		if err := os.Chmod(path, ownerMode(st.Mode())); err != nil {
			return err
		}
	}
	return nil
}

// ownerMode is the mode with reading and writing allowed to the owner.
func ownerMode(m fs.FileMode) fs.FileMode {
	if m.IsDir() {
		return m.Perm() | 0o700
	}
	return m.Perm() | 0o600
}

// unwritable lists, relative to root and parents first, what the user of this
// process could not change without privilege.
func unwritable(ctx context.Context, root string) (names []string, err error) {
	euid := uint32(os.Geteuid())
	err = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		st, err := d.Info()
		if err != nil {
			return err
		}
		sys := st.Sys().(*syscall.Stat_t)
		link := st.Mode()&fs.ModeSymlink != 0
		if sys.Uid == euid && (link || st.Mode().Perm() == ownerMode(st.Mode())) {
			return nil
		}
		name, err := filepath.Rel(root, path)
		names = append(names, name)
		return err
	})
	return names, err
}

// mountOverlay mounts an overlay of dirs (lower, upper, work) at target. The
// options that a kernel or a user namespace does not know are left out one
// after the other.
func mountOverlay(dirs [3]string, target string) error {
	var fds [3]int
	for i, dir := range dirs {
		fd, err := unix.Open(dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		if err != nil {
			return &fs.PathError{Op: "open", Path: dir, Err: err}
		}
		defer unix.Close(fd)
		fds[i] = fd
	}
	// Descriptors stand for the paths, so that no character of a path is
	// read as a separator and no path is too long.
	where := fmt.Sprintf("lowerdir=/proc/self/fd/%d,upperdir=/proc/self/fd/%d,workdir=/proc/self/fd/%d,", fds[0], fds[1], fds[2])
	var err error
	for _, how := range []string{
		"index=off,redirect_dir=on,metacopy=on,volatile",
		"index=off,redirect_dir=on",
		"index=off,userxattr,volatile",
		"userxattr",
	} {
		if err = unix.Mount("fringe-view", target, "overlay", unix.MS_NODEV|unix.MS_NOSUID, where+how); err == nil {
			return nil
		}
		if !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.EPERM) {
			break
		}
	}
	return fmt.Errorf("overlay of %s: %w", dirs[0], err)
}

// removeIn is removeTree of what is in a directory.
func removeIn(dir *os.Root, name string) {
	if dir.RemoveAll(name) == nil {
		return
	}
	fs.WalkDir(dir.FS(), name, func(p string, d fs.DirEntry, e error) error {
		if d != nil && d.IsDir() {
			dir.Chmod(p, 0o700)
		}
		return nil
	})
	dir.RemoveAll(name)
}

// removeTree removes path and all below it, also directories that their owner
// may not write.
func removeTree(path string) error {
	err := os.RemoveAll(path)
	if err == nil {
		return nil
	}
	filepath.WalkDir(path, func(p string, d fs.DirEntry, e error) error {
		if d != nil && d.IsDir() {
			os.Chmod(p, 0o700)
		}
		return nil
	})
	return os.RemoveAll(path)
}
