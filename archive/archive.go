// Package archive unpacks tar archives that come from strangers into a
// directory.
//
// An archive is hostile input. Nothing is written outside of the directory,
// whatever the names and links in the archive say; the number of entries and
// their bytes are bounded, whatever the archive's own size; only files,
// directories and links that stay inside are taken; set-user-id bits, owners
// and extended attributes are dropped.
//
// It stores nothing of its own. Rooms catalogue and data call it.
package archive

import (
	"archive/tar"
	"bufio"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"
	"syscall"

	"fringe"
)

// Limits bound what an archive may unpack to.
type Limits struct {
	Bytes   int64 // of all files; 0: 64 MiB
	Entries int   // files, directories and links; 0: 10,000
}

const (
	maxName  = 1024
	maxDepth = 64
	perEntry = 4096 // bytes of headers and padding that an entry may need
)

// Untar unpacks a tar archive, gzipped or not, into dir, which exists and is
// empty. An archive that is refused leaves what was unpacked before; the caller
// removes dir then. Errors are of kind Invalid or TooLarge and name the entry.
func Untar(ctx context.Context, r io.Reader, dir string, limits Limits) error {
	const op = "archive.Untar"
	if limits.Bytes == 0 {
		limits.Bytes = 64 << 20
	}
	if limits.Entries == 0 {
		limits.Entries = 10_000
	}
	plain, err := decompress(r)
	if err != nil {
		return refuse(op, "the archive is not a gzipped tar archive", err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return fringe.E(op, err)
	}
	defer root.Close()
	u := unpacker{ctx: ctx, root: root, limits: limits, left: limits.Bytes}
	tr := tar.NewReader(&bounded{plain, limits.Bytes + int64(limits.Entries)*perEntry + 1<<20})
	for {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return damaged(op, err)
		}
		if err := u.entry(h, tr); err != nil {
			return err
		}
	}
	if u.entries == 0 {
		return refuse(op, "the archive is empty", nil)
	}
	return u.makeLinks()
}

// bounded ends an archive that goes on and on without entries: a few bytes of
// gzip make many of headers.
type bounded struct {
	r    io.Reader
	left int64
}

// Read implements io.Reader.
func (b *bounded) Read(p []byte) (int, error) {
	n, err := b.r.Read(p)
	if b.left -= int64(n); b.left < 0 {
		return n, &fringe.Error{Op: "archive.Untar", Kind: fringe.TooLarge, Message: "the archive unpacks to more bytes than its entries may have",
			Cure: "pack it anew by tar -czf; large files belong into datasets"}
	}
	return n, err
}

// decompress looks at the first bytes.
func decompress(r io.Reader) (io.Reader, error) {
	br := bufio.NewReaderSize(r, 64<<10)
	head, err := br.Peek(2)
	if err == nil && head[0] == 0x1f && head[1] == 0x8b {
		return gzip.NewReader(br)
	}
	return br, nil
}

func refuse(op, message string, err error) error {
	return &fringe.Error{Op: op, Kind: fringe.Invalid, Message: message, Cure: "send a directory packed by tar -czf", Err: err}
}

// damaged makes the error of an archive that cannot be read to its end. A limit
// on the reader, which names itself, is passed on.
func damaged(op string, err error) error {
	var fe *fringe.Error
	if errors.As(err, &fe) {
		return fe
	}
	return refuse(op, "the archive is damaged or cut off", err)
}

// unpacker unpacks one archive.
type unpacker struct {
	ctx     context.Context
	root    *os.Root
	limits  Limits
	left    int64
	entries int
	links   []link
}

// link is a symbolic link; links are made when all files are there, so that no
// file is written through one.
type link struct{ name, target string }

func (u *unpacker) entry(h *tar.Header, r io.Reader) error {
	const op = "archive.Untar"
	if err := u.ctx.Err(); err != nil {
		return err
	}
	if h.Typeflag == tar.TypeXGlobalHeader {
		return nil
	}
	if u.entries++; u.entries > u.limits.Entries {
		return &fringe.Error{Op: op, Kind: fringe.TooLarge, Message: fmt.Sprintf("the archive has more than %d entries", u.limits.Entries), Cure: "send less, or as several"}
	}
	name, err := clean(h.Name)
	if err != nil {
		return err
	}
	if name == "." {
		return nil
	}
	if sparse(h) {
		return refuse(op, fmt.Sprintf("the archive's entry %q has holes, so its size says nothing about the bytes sent", h.Name), nil)
	}
	switch h.Typeflag {
	case tar.TypeDir:
		return u.wrap(h.Name, u.root.MkdirAll(name, 0o755))
	case tar.TypeReg:
		return u.file(name, h, r)
	case tar.TypeSymlink:
		if err := inside(name, h.Linkname); err != nil {
			return err
		}
		u.links = append(u.links, link{name, h.Linkname})
		return nil
	case tar.TypeLink:
		target, err := clean(h.Linkname)
		if err != nil {
			return err
		}
		return u.hardLink(name, target)
	}
	return refuse(op, fmt.Sprintf("the archive's entry %q is neither a file nor a directory nor a link (type %q)", h.Name, h.Typeflag), nil)
}

// sparse says whether an entry has holes: a few bytes could then claim a
// whole disk.
func sparse(h *tar.Header) bool {
	for key := range h.PAXRecords {
		if strings.HasPrefix(key, "GNU.sparse.") {
			return true
		}
	}
	return h.Typeflag == tar.TypeGNUSparse
}

// clean gives a name that is relative, without . and .. parts.
func clean(name string) (string, error) {
	bad := func(why string) (string, error) {
		return "", refuse("archive.Untar", fmt.Sprintf("the archive's entry %.200q %s", name, why), nil)
	}
	switch {
	case len(name) > maxName:
		return bad(fmt.Sprintf("has a name of more than %d bytes", maxName))
	case strings.ContainsAny(name, "\x00\n\\"):
		return bad("has a NUL, a newline or a backslash in its name")
	case strings.HasPrefix(name, "/"):
		return bad("has an absolute path")
	}
	for part := range strings.SplitSeq(name, "/") {
		if part == ".." {
			return bad("leads out of the directory")
		}
	}
	if strings.Count(name, "/") > maxDepth {
		return bad(fmt.Sprintf("is more than %d directories deep", maxDepth))
	}
	return path.Clean(name), nil
}

// inside checks that a symbolic link stays inside.
func inside(name, target string) error {
	if path.IsAbs(target) || target == "" || len(target) > maxName {
		return refuse("archive.Untar", fmt.Sprintf("the archive's link %q has the absolute or empty target %q", name, target), nil)
	}
	to := path.Join(path.Dir(name), target)
	if to == ".." || strings.HasPrefix(to, "../") {
		return refuse("archive.Untar", fmt.Sprintf("the archive's link %q leads out of the directory, to %q", name, target), nil)
	}
	return nil
}

// parent makes the directories that lead to name.
func (u *unpacker) parent(name string) error {
	err := u.root.MkdirAll(path.Dir(name), 0o755)
	if errors.Is(err, fs.ErrExist) || errors.Is(err, syscall.ENOTDIR) {
		return refuse("archive.Untar", fmt.Sprintf("the archive's entry %q lies below a file", name), err)
	}
	return u.wrap(name, err)
}

func (u *unpacker) file(name string, h *tar.Header, r io.Reader) error {
	if h.Size < 0 || h.Size > u.left {
		return &fringe.Error{Op: "archive.Untar", Kind: fringe.TooLarge,
			Message: fmt.Sprintf("the archive unpacks to more than %d bytes (%s)", u.limits.Bytes, fringe.SizeText(u.limits.Bytes)), Cure: "send less; large files belong into datasets"}
	}
	u.left -= h.Size
	if err := u.parent(name); err != nil {
		return err
	}
	mode := fs.FileMode(0o644)
	if h.Mode&0o111 != 0 {
		mode = 0o755
	}
	f, err := u.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return u.wrap(h.Name, err)
	}
	_, err = io.Copy(f, r)
	if e := f.Close(); err == nil && e != nil {
		return u.wrap(h.Name, e)
	}
	var disk *fs.PathError
	if errors.As(err, &disk) && disk.Op == "write" {
		return u.wrap(h.Name, err)
	}
	if err != nil {
		return damaged("archive.Untar", err)
	}
	return u.wrap(h.Name, u.root.Chmod(name, mode))
}

// hardLink makes a second name of a file that was unpacked before.
func (u *unpacker) hardLink(name, target string) error {
	if err := u.parent(name); err != nil {
		return err
	}
	return u.wrap(name, u.root.Link(target, name))
}

func (u *unpacker) makeLinks() error {
	for _, l := range u.links {
		if err := u.parent(l.name); err != nil {
			return err
		}
		if err := u.root.Symlink(l.target, l.name); err != nil {
			return u.wrap(l.name, err)
		}
	}
	// A link that leads out over another link is found once all are made.
	for _, l := range u.links {
		if _, err := u.root.Stat(l.name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return refuse("archive.Untar", fmt.Sprintf("the archive's link %q leads out of the directory or in a circle", l.name), err)
		}
	}
	return nil
}

// wrap tells what is wrong with the archive from what is wrong with the disk.
func (u *unpacker) wrap(name string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, fs.ErrExist):
		return refuse("archive.Untar", fmt.Sprintf("the archive has the entry %q twice", name), err)
	case errors.Is(err, fs.ErrNotExist):
		return refuse("archive.Untar", fmt.Sprintf("the archive's entry %q links to a file that does not come before it", name), err)
	}
	return &fringe.Error{Op: "archive.Untar", Kind: fringe.Unavailable, Message: fmt.Sprintf("the archive's entry %q cannot be written", name),
		Cure: "check the space and the permissions of the disk", Err: err}
}
