package data

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"

	"golang.org/x/sys/unix"

	"fringe"
)

// CopyTree copies the file or directory src to dst, which must not exist; its
// parent must. Blocks are shared where the file system can. Modes and times are
// kept. A symbolic link below src is kept when it stays below src; one that
// leads out, src itself being a link, a device, a socket or a named pipe is
// refused (kind Invalid). When it fails, or ctx ends, nothing is left at dst.
func CopyTree(ctx context.Context, src, dst string) error {
	c := &copier{ctx: ctx, links: insideLink}
	return viewErrorOrNil("data.CopyTree", c.tree(src, dst))
}

// CopyInto is CopyTree to a path of a directory, out of which no symbolic link
// on the way leads.
func CopyInto(ctx context.Context, src string, dir *os.Root, dst string) error {
	out, err := dir.OpenRoot(filepath.Dir(dst))
	if err != nil {
		return viewError("data.CopyInto", err)
	}
	defer out.Close()
	c := &copier{ctx: ctx, links: insideLink}
	return viewErrorOrNil("data.CopyInto", c.into(src, out, filepath.Base(dst)))
}

// copyChunk is how much is copied between two looks at the context.
const copyChunk = 64 << 20

// A copier copies one tree.
type copier struct {
	ctx      context.Context
	writable bool // the owner may write all of the copy
	links    func(src *os.Root, name, target string) error
	shared   bool // every file's blocks are shared with the source
}

// anyLink lets every symbolic link be.
func anyLink(*os.Root, string, string) error { return nil }

// insideLink refuses a symbolic link that leads out of src, or in a circle. One
// to something inside that does not exist is as it was.
func insideLink(src *os.Root, name, target string) error {
	_, err := src.Stat(name)
	if err == nil || errors.Is(err, fs.ErrNotExist) && filepath.IsLocal(filepath.Join(filepath.Dir(name), target)) && !filepath.IsAbs(target) {
		return nil
	}
	return fringe.Errorf("data.CopyTree", fringe.Invalid, "the symbolic link %s → %s leads out of the directory; it must stay inside", name, target)
}

// tree copies src to dst and removes what it made when it fails.
func (c *copier) tree(src, dst string) error {
	out, err := os.OpenRoot(filepath.Dir(dst))
	if err != nil {
		return err
	}
	defer out.Close()
	return c.into(src, out, filepath.Base(dst))
}

// into copies src to the new name to of a directory.
func (c *copier) into(src string, out *os.Root, to string) (err error) {
	st, err := os.Lstat(src)
	if errors.Is(err, fs.ErrNotExist) {
		return fringe.Errorf("data.CopyTree", fringe.NotFound, "there is no file or directory %s", src)
	}
	if err != nil {
		return err
	}
	if _, err := out.Lstat(to); err == nil {
		return fringe.Errorf("data.CopyTree", fringe.Conflict, "%s exists already; a copy needs a new name", filepath.Join(out.Name(), to))
	}
	c.shared = true
	in, err := os.OpenRoot(filepath.Dir(src))
	if err != nil {
		return err
	}
	defer in.Close()
	home := out
	defer func() {
		if err != nil {
			removeIn(home, to)
		}
	}()
	from := filepath.Base(src)
	if !st.IsDir() {
		return c.plain(in, from, out, to, st)
	}
	if err := out.Mkdir(to, 0o700); err != nil {
		return err
	}
	if in, err = in.OpenRoot(from); err != nil {
		return err
	}
	defer in.Close()
	if out, err = out.OpenRoot(to); err != nil {
		return err
	}
	defer out.Close()
	return c.directory(in, out, ".", st)
}

// directory copies what is in the directory name of both roots. The mode and
// times come last, so that they hold.
func (c *copier) directory(in, out *os.Root, name string, st fs.FileInfo) error {
	entries, err := fs.ReadDir(in.FS(), name)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := c.ctx.Err(); err != nil {
			return err
		}
		child := path.Join(name, e.Name())
		st, err := in.Lstat(child)
		if err != nil {
			return err
		}
		switch {
		case st.IsDir():
			if err = out.Mkdir(child, 0o700); err == nil {
				err = c.directory(in, out, child, st)
			}
		case st.Mode()&fs.ModeSymlink != 0:
			err = c.link(in, out, child)
		default:
			err = c.plain(in, child, out, child, st)
		}
		if err != nil {
			return err
		}
	}
	if err := out.Chmod(name, c.mode(st.Mode())); err != nil {
		return err
	}
	return out.Chtimes(name, st.ModTime(), st.ModTime())
}

func (c *copier) link(in, out *os.Root, name string) error {
	target, err := in.Readlink(name)
	if err != nil {
		return err
	}
	if err := c.links(in, name, target); err != nil {
		return err
	}
	return out.Symlink(target, name)
}

func (c *copier) mode(m fs.FileMode) fs.FileMode {
	if c.writable {
		return ownerMode(m)
	}
	return m.Perm()
}

// plain copies a regular file and refuses anything else.
func (c *copier) plain(in *os.Root, from string, out *os.Root, to string, st fs.FileInfo) error {
	if !st.Mode().IsRegular() {
		return fringe.Errorf("data.CopyTree", fringe.Invalid, "%s is %s; only files, directories and links inside of them can be copied", from, typeName(st.Mode()))
	}
	r, err := in.OpenFile(from, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return err
	}
	defer r.Close()
	w, err := out.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	err = c.bytes(w, r, st.Size())
	if err == nil {
		err = w.Chmod(c.mode(st.Mode()))
	}
	if e := w.Close(); err == nil {
		err = e
	}
	if err != nil {
		return fmt.Errorf("copying %s: %w", from, err)
	}
	return out.Chtimes(to, st.ModTime(), st.ModTime())
}

// bytes copies size bytes of r, with its holes, by the cheapest way there is.
func (c *copier) bytes(w, r *os.File, size int64) error {
	if unix.IoctlFileClone(int(w.Fd()), int(r.Fd())) == nil {
		return nil
	}
	c.shared = c.shared && size == 0
	if err := w.Truncate(size); err != nil {
		return err
	}
	for at := int64(0); at < size; {
		start, err := unix.Seek(int(r.Fd()), at, unix.SEEK_DATA)
		if errors.Is(err, unix.ENXIO) {
			return nil // a hole up to the end
		}
		end := size
		if err != nil {
			start = at // a file system that knows no holes
		} else if end, err = unix.Seek(int(r.Fd()), start, unix.SEEK_HOLE); err != nil {
			end = size
		}
		if err := c.extent(w, r, start, min(end, size)); err != nil {
			return err
		}
		at = end
	}
	return nil
}

// extent copies the bytes from start to end.
func (c *copier) extent(w, r *os.File, start, end int64) error {
	for start < end {
		if err := c.ctx.Err(); err != nil {
			return err
		}
		from, to := start, start
		n, err := unix.CopyFileRange(int(r.Fd()), &from, int(w.Fd()), &to, int(min(end-start, copyChunk)), 0)
		if err != nil || n == 0 {
			n64, err := io.Copy(io.NewOffsetWriter(w, start), io.NewSectionReader(r, start, min(end-start, copyChunk)))
			if err != nil {
				return err
			}
			if n = int(n64); n == 0 {
				return io.ErrUnexpectedEOF
			}
		}
		start += int64(n)
	}
	return nil
}

// typeName says in words what a file of mode m is.
func typeName(m fs.FileMode) string {
	switch {
	case m.IsDir():
		return "a directory"
	case m&fs.ModeSymlink != 0:
		return "a symbolic link"
	case m&fs.ModeNamedPipe != 0:
		return "a named pipe"
	case m&fs.ModeSocket != 0:
		return "a socket"
	case m&fs.ModeDevice != 0:
		return "a device"
	case m.IsRegular():
		return "a file"
	}
	return "a special file"
}
