package data

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strconv"
	"syscall"
	"time"

	"fringe"
)

// Content is the opened bytes of a file. The caller closes it.
type Content struct {
	io.ReadSeekCloser
	Name      string    // the file's name
	Size      int64     // bytes
	Modified  time.Time // of the bytes
	ETag      string    // changes when the bytes do; with its quotes
	MediaType string    // "" when it cannot be told
}

// Open opens the bytes of a dataset that is a file.
func (d *Data) Open(ctx context.Context, did fringe.DID) (*Content, error) {
	const op = "data.Open"
	s, err := d.Get(ctx, did)
	if err != nil {
		return nil, fringe.E(op, err)
	}
	if s.Directory {
		return nil, refused(op, "fetch it as a tar archive", "%s is a directory", did)
	}
	f, err := openRegular(s.Path)
	if err != nil {
		return nil, gone(op, s, err)
	}
	c, err := newContent(f, s.Basename)
	if err != nil {
		return nil, errors.Join(fringe.E(op, err), f.Close())
	}
	c.MediaType = s.MediaType
	return c, nil
}

func newContent(f *os.File, name string) (*Content, error) {
	st, err := f.Stat()
	if err != nil {
		return nil, err
	}
	ino := st.Sys().(*syscall.Stat_t).Ino
	etag := fmt.Sprintf("%x-%x-%x", ino, st.Size(), st.ModTime().UnixNano())
	return &Content{ReadSeekCloser: f, Name: name, Size: st.Size(), Modified: st.ModTime(), ETag: strconv.Quote(etag)}, nil
}

// gone explains why the bytes of a known dataset cannot be read.
func gone(op string, s fringe.Dataset, err error) error {
	e := &fringe.Error{Op: op, Kind: fringe.Unavailable, Component: fringe.Data, Err: err}
	switch {
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	case errors.Is(err, fs.ErrNotExist):
		e.Kind = fringe.NotFound
		e.Message = fmt.Sprintf("the bytes of %s are not at their place any more", s.DID)
		e.Cure = "put them back, or remove the dataset: fringe data remove " + s.DID.String()
	case errors.Is(err, fs.ErrPermission):
		e.Message = fmt.Sprintf("the server's user may not read %s", s.DID)
		e.Cure = "give the server's user the right to read it"
	default:
		e.Message = fmt.Sprintf("%s cannot be read", s.DID)
		e.Cure = "see the server's log"
	}
	return e
}

// WriteTar writes a dataset that is a directory as a tar archive whose
// entries begin with its basename. Links that lead out of it end the archive
// with an error, as does a file that changes its size meanwhile.
func (d *Data) WriteTar(ctx context.Context, did fringe.DID, w io.Writer) error {
	const op = "data.WriteTar"
	s, err := d.Get(ctx, did)
	if err != nil {
		return fringe.E(op, err)
	}
	if !s.Directory {
		return refused(op, "fetch it as it is", "%s is a file", did)
	}
	root, err := os.OpenRoot(s.Path)
	if err != nil {
		return gone(op, s, err)
	}
	defer root.Close()
	tw := tar.NewWriter(w)
	err = fs.WalkDir(root.FS(), ".", func(name string, e fs.DirEntry, err error) error {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return err
		}
		return tarEntry(ctx, tw, root, [2]string{name, path.Join(s.Basename, name)})
	})
	if err == nil {
		err = tw.Close()
	}
	if err != nil {
		return viewError(op, fmt.Errorf("the archive of %s: %w", did, err))
	}
	return nil
}

// tarEntry writes one entry; names are that on the disk and that in the
// archive.
func tarEntry(ctx context.Context, tw *tar.Writer, root *os.Root, names [2]string) error {
	st, err := root.Lstat(names[0])
	if err != nil {
		return err
	}
	h := &tar.Header{Name: names[1], ModTime: st.ModTime(), Mode: int64(st.Mode().Perm()), Format: tar.FormatPAX}
	switch {
	case st.IsDir():
		h.Typeflag, h.Name = tar.TypeDir, h.Name+"/"
		return tw.WriteHeader(h)
	case st.Mode()&fs.ModeSymlink != 0:
		h.Typeflag = tar.TypeSymlink
		if h.Linkname, err = root.Readlink(names[0]); err == nil {
			err = insideLink(root, names[0], h.Linkname)
		}
		if err != nil {
			return err
		}
		return tw.WriteHeader(h)
	case !st.Mode().IsRegular():
		return fringe.Errorf("data.WriteTar", fringe.Invalid, "%s is %s", names[0], typeName(st.Mode()))
	}
	f, err := root.OpenFile(names[0], os.O_RDONLY|syscall.O_NONBLOCK|syscall.O_NOFOLLOW, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	h.Typeflag, h.Size = tar.TypeReg, st.Size()
	if err := tw.WriteHeader(h); err != nil {
		return err
	}
	_, err = io.CopyN(tw, &reader{ctx: ctx, r: f}, st.Size())
	if errors.Is(err, io.EOF) {
		return fringe.Errorf("data.WriteTar", fringe.Conflict, "%s became shorter while it was read", names[0])
	}
	return err
}
