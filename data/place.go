package data

import (
	"context"
	"crypto/sha1"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"

	"fringe"
	"fringe/store"
)

// gather puts the file or directory of that name in a directory at dst. What
// nothing changes any more, as still says, is not copied in the same file system:
// each file becomes a second name of the same bytes. A file that has several
// names already, or that lies elsewhere, is copied, since its bytes may be
// somebody else's. Links must stay inside of it,
// and none leads out of the directory, whoever changes it meanwhile. Files lose
// their set-user-id bits and become readable.
func gather(ctx context.Context, in *os.Root, name, dst string, still bool) error {
	st, err := in.Lstat(name)
	if err != nil {
		return err
	}
	if !st.IsDir() {
		return gatherFile(ctx, in, name, dst, still)
	}
	root, err := in.OpenRoot(name)
	if err != nil {
		return err
	}
	defer root.Close()
	return fs.WalkDir(root.FS(), ".", func(name string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		to := filepath.Join(dst, name)
		switch {
		case e.IsDir():
			return os.Mkdir(to, 0o755)
		case e.Type()&fs.ModeSymlink != 0:
			target, err := root.Readlink(name)
			if err != nil {
				return err
			}
			if err := insideLink(root, name, target); err != nil {
				return err
			}
			return os.Symlink(target, to)
		}
		return gatherFile(ctx, root, name, to, still)
	})
}

// gatherFile is gather for what is not a directory.
func gatherFile(ctx context.Context, in *os.Root, name, dst string, still bool) error {
	f, err := in.OpenFile(name, unix.O_PATH|unix.O_NOFOLLOW, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return err
	}
	if !st.Mode().IsRegular() {
		return fringe.Errorf("data.gather", fringe.Invalid, "%s is %s; only files, directories and links inside of them are data", filepath.Base(name), typeName(st.Mode()))
	}
	linked := false
	if still && st.Sys().(*syscall.Stat_t).Nlink == 1 {
		linked = unix.Linkat(unix.AT_FDCWD, fmt.Sprintf("/proc/self/fd/%d", f.Fd()), unix.AT_FDCWD, dst, unix.AT_SYMLINK_FOLLOW) == nil
	}
	if !linked {
		out, err := os.OpenRoot(filepath.Dir(dst))
		if err != nil {
			return err
		}
		defer out.Close()
		c := &copier{ctx: ctx}
		if err := c.plain(in, name, out, filepath.Base(dst), st); err != nil {
			return err
		}
	}
	return os.Chmod(dst, 0o644|st.Mode().Perm()&0o111)
}

// syncers is how many files are made durable at a time: the file system
// commits those together.
const syncers = 8

// syncTree makes the file or directory at path durable, with all below it.
func syncTree(ctx context.Context, path string) error {
	paths := make(chan string)
	errs := make(chan error, syncers)
	for range syncers {
		go func() {
			var err error
			for p := range paths {
				if err == nil {
					err = syncPath(p)
				}
			}
			errs <- err
		}()
	}
	err := filepath.WalkDir(path, func(p string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if e.IsDir() || e.Type().IsRegular() {
			paths <- p
		}
		return ctx.Err()
	})
	close(paths)
	for range syncers {
		err = errors.Join(err, <-errs)
	}
	return err
}

// syncPath makes one file's bytes, or one directory's entries, durable.
func syncPath(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// settle moves the durable directory from to its place to, by one rename.
// What a crash left there without a record goes away first.
func (d *Data) settle(from, to string) error {
	if err := removeTree(to); err != nil {
		return err
	}
	parent := filepath.Dir(to)
	if err := os.MkdirAll(parent, 0o755); err != nil {
		return err
	}
	if err := os.Rename(from, to); err != nil {
		return err
	}
	if err := syncPath(parent); err != nil {
		return err
	}
	return syncPath(filepath.Dir(parent))
}

// keep makes the bytes in the directory fresh durable, moves it to place and
// records the dataset, whose Path is below place. When it fails, neither
// bytes nor record remain.
func (d *Data) keep(ctx context.Context, fresh, place string, s fringe.Dataset) error {
	if err := syncTree(ctx, fresh); err != nil {
		return err
	}
	d.placing.RLock()
	defer d.placing.RUnlock()
	if err := d.settle(fresh, place); err != nil {
		return err
	}
	err := d.store.Update(ctx, func(tx *store.Tx) error { return d.insertTx(tx, s) })
	if err != nil {
		return errors.Join(err, removeTree(place))
	}
	return nil
}

// sizeOf gives the bytes of a file, or of all files in a directory.
func sizeOf(ctx context.Context, path string) (size int64, err error) {
	err = filepath.WalkDir(path, func(_ string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if !e.Type().IsRegular() {
			return nil
		}
		st, err := e.Info()
		if err == nil {
			size += st.Size()
		}
		return err
	})
	return size, err
}

// smallFile is the size below which a checksum is made at once.
const smallFile = 64 << 20

// sum gives the checksum of a file, as CWL writes it.
func sum(ctx context.Context, path string) (string, error) {
	f, err := openRegular(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha1.New()
	if _, err := io.Copy(h, &reader{ctx: ctx, r: f}); err != nil {
		return "", err
	}
	return "sha1$" + hex.EncodeToString(h.Sum(nil)), nil
}

// openRegular opens a regular file for reading, without waiting for the
// writer of a pipe.
func openRegular(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	st, err := f.Stat()
	if err == nil && !st.Mode().IsRegular() {
		err = fmt.Errorf("%s is %s, not a file", path, typeName(st.Mode()))
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// reader reads until its context ends.
type reader struct {
	ctx context.Context
	r   io.Reader
}

func (r *reader) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.r.Read(p)
}
