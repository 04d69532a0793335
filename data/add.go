package data

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"fringe"
	"fringe/archive"
	"fringe/store"
)

// AddRequest says what becomes a dataset: exactly one of Path, Source and URL.
type AddRequest struct {
	DID       fringe.DID
	Path      string      // by reference: absolute, a file or directory of this machine
	Source    io.Reader   // the bytes, which the site then owns
	URL       string      // http: or https:, downloaded; the site then owns the bytes
	Directory bool        // Source or URL is a tar archive, gzipped or not, of a directory
	Basename  string      // the file name that tools see; empty: that of Path, URL or the archive, else the end of the name
	MediaType string      // empty: found out
	Owner     string      // the principal's name
	Namespace string      // that the bytes count for; empty: none
	Role      fringe.Role // the principal's: private addresses are for operators
	Call      fringe.CallID
}

// Add makes a dataset, durable when Add returns. A name that is taken is a
// Conflict, save for the same path by reference again. An archive with one
// directory at its top is that directory.
func (d *Data) Add(ctx context.Context, r AddRequest) (fringe.Dataset, error) {
	const op = "data.Add"
	if _, err := fringe.ParseDID(r.DID.String()); err != nil {
		return fringe.Dataset{}, viewError(op, err)
	}
	if s := r.DID.Scope; s == productScope || s == cacheScope {
		return fringe.Dataset{}, refused(op, "choose another scope, such as your name", "the scope %s is kept for what Fringe makes itself", s)
	}
	if r.Basename != "" {
		if err := checkBasename(op, r.Basename); err != nil {
			return fringe.Dataset{}, err
		}
	}
	given := 0
	for _, is := range []bool{r.Path != "", r.Source != nil, r.URL != ""} {
		if is {
			given++
		}
	}
	if given != 1 {
		return fringe.Dataset{}, refused(op, "", "a dataset is made of one of a path, content and a URL; %d were given", given)
	}
	unlock, err := d.keys.lock(ctx, r.DID.String())
	if err != nil {
		return fringe.Dataset{}, err
	}
	defer unlock()
	if r.Path != "" {
		return d.refer(ctx, r)
	}
	if err := d.free(ctx, r.DID); err != nil {
		return fringe.Dataset{}, viewError(op, err)
	}
	if r.URL == "" {
		if err := d.fits(ctx, Holder{r.Owner, r.Namespace}, 0); err != nil {
			return fringe.Dataset{}, wrap(op, err)
		}
		s, err := d.own(ctx, r, r.Source)
		return s, wrap(op, err)
	}
	down, err := d.fetcherFor(r.Role).get(ctx, r.URL, validators{})
	if err != nil {
		return fringe.Dataset{}, wrap(op, err)
	}
	defer down.Close()
	if err := d.roomFor(ctx, op, Holder{r.Owner, r.Namespace}, down.length); err != nil {
		return fringe.Dataset{}, err
	}
	if r.Basename == "" && !r.Directory {
		r.Basename = down.name
	}
	s, err := d.own(ctx, r, down)
	return s, wrap(op, err)
}

// The scopes of what the site itself makes.
const (
	productScope = "product"
	cacheScope   = "cache"
)

// wrap adds the operation to an error, and leaves nil and the end of a
// context as they are.
func wrap(op string, err error) error {
	if err == nil || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return viewError(op, err)
}

// refer makes a dataset by reference.
func (d *Data) refer(ctx context.Context, r AddRequest) (fringe.Dataset, error) {
	const op = "data.Add"
	if !filepath.IsAbs(r.Path) {
		return fringe.Dataset{}, refused(op, "write it from the root: /…", "the path %.200q is not absolute", r.Path)
	}
	s, err := d.look(ctx, r.Path)
	if err != nil {
		return fringe.Dataset{}, wrap(op, err)
	}
	if within(s.Path, d.dir) {
		return fringe.Dataset{}, refused(op, "name the dataset that it belongs to instead", "%s lies in the site's own data", r.Path)
	}
	s.DID, s.Owner, s.Namespace, s.Call = r.DID, r.Owner, r.Namespace, r.Call
	if r.Basename != "" {
		s.Basename = r.Basename
	}
	if r.MediaType != "" {
		s.MediaType = r.MediaType
	}
	var had fringe.Dataset
	err = d.store.Update(ctx, func(tx *store.Tx) error {
		err := d.insertTx(tx, s)
		if fringe.KindOf(err) == fringe.Conflict && err != nil {
			var e error
			if had, e = d.getTx(tx, r.DID); e == nil && !had.Owned && had.Path == s.Path {
				s = had
				return nil
			}
		}
		return err
	})
	if err != nil {
		return fringe.Dataset{}, wrap(op, err)
	}
	return s, nil
}

// look says what is at a path of this machine. Links are followed.
func (d *Data) look(ctx context.Context, path string) (s fringe.Dataset, err error) {
	const op = "data.look"
	real, err := filepath.EvalSymlinks(path)
	if errors.Is(err, fs.ErrNotExist) {
		return s, &fringe.Error{Op: op, Kind: fringe.NotFound, Component: fringe.Data, Message: fmt.Sprintf("there is no file or directory %s on the site's machine", path),
			Cure: "see that the path is right; files of your own machine are uploaded"}
	}
	var st fs.FileInfo
	if err == nil {
		st, err = os.Stat(real)
	}
	if err == nil && !st.IsDir() && !st.Mode().IsRegular() {
		return s, refused(op, "", "%s is %s; a dataset is a file or a directory", path, typeName(st.Mode()))
	}
	if err == nil {
		s = fringe.Dataset{Path: real, Basename: filepath.Base(filepath.Clean(path)), Directory: st.IsDir(), Created: d.clock().UTC()}
		if s.Size, err = sizeOf(ctx, real); err == nil {
			s.MediaType, err = mediaTypeOf(real)
		}
	}
	if errors.Is(err, fs.ErrPermission) {
		return s, &fringe.Error{Op: op, Kind: fringe.Unavailable, Component: fringe.Data, Err: err,
			Message: fmt.Sprintf("the server's user may not read %s", path), Cure: "give the server's user the right to read it"}
	}
	if err == nil {
		err = checkBasename(op, s.Basename)
	}
	return s, err
}

// within says whether path is dir or below it; both are clean.
func within(path, dir string) bool {
	return path == dir || strings.HasPrefix(path, strings.TrimSuffix(dir, "/")+"/")
}

// own makes a dataset of what r gives.
func (d *Data) own(ctx context.Context, r AddRequest, from io.Reader) (fringe.Dataset, error) {
	const op = "data.Add"
	what := "the dataset " + r.DID.String()
	fresh, err := d.fresh(op)
	if err != nil {
		return fringe.Dataset{}, err
	}
	defer removeTree(fresh)
	if r.Directory {
		r.Basename, err = d.unpack(ctx, r, from, fresh)
	} else {
		if r.Basename == "" {
			r.Basename = stem(r.DID)
		}
		err = d.take(ctx, filepath.Join(fresh, r.Basename), what, from)
	}
	if err != nil {
		return fringe.Dataset{}, err
	}
	s, err := d.describe(ctx, filepath.Join(fresh, r.Basename))
	if err != nil {
		return fringe.Dataset{}, diskError(op, what, err)
	}
	if r.MediaType != "" {
		s.MediaType = r.MediaType
	}
	place := filepath.Join(d.dir, "owned", randomName())
	s.DID, s.Owner, s.Namespace, s.Call, s.Owned, s.Path = r.DID, r.Owner, r.Namespace, r.Call, true, filepath.Join(place, r.Basename)
	if err := d.keep(ctx, fresh, place, s); err != nil {
		return fringe.Dataset{}, diskError(op, what, err)
	}
	return s, nil
}

// take writes what comes to a new file.
func (d *Data) take(ctx context.Context, path, what string, from io.Reader) error {
	const op = "data.Add"
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return diskError(op, what, err)
	}
	err = receive(ctx, f, from, d.bytes)
	if e := f.Close(); err == nil && e != nil {
		err = e
	}
	if err != nil {
		return receiveError(op, what, err)
	}
	return nil
}

// unpack unpacks an archive below fresh and gives the directory's name.
func (d *Data) unpack(ctx context.Context, r AddRequest, from io.Reader, fresh string) (string, error) {
	const op = "data.Add"
	dir, err := d.fresh(op)
	if err != nil {
		return "", err
	}
	defer removeTree(dir)
	if err := archive.Untar(ctx, &reader{ctx: ctx, r: from}, dir, archive.Limits{Bytes: d.bytes, Entries: d.entries}); err != nil {
		if ctx.Err() != nil {
			return "", ctx.Err()
		}
		return "", diskError(op, "the dataset "+r.DID.String(), err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return "", diskError(op, "the archive", err)
	}
	top, name := dir, stem(r.DID)
	if len(entries) == 1 && entries[0].IsDir() {
		top, name = filepath.Join(dir, entries[0].Name()), entries[0].Name()
	}
	if r.Basename != "" {
		name = r.Basename
	}
	if err := checkBasename(op, name); err != nil {
		return "", err
	}
	if err := insideLinks(top); err != nil {
		return "", wrap(op, err)
	}
	if err := os.Rename(top, filepath.Join(fresh, name)); err != nil {
		return "", diskError(op, "the archive", err)
	}
	return name, nil
}

// insideLinks refuses a directory that has a link which leads out of it.
func insideLinks(dir string) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	return fs.WalkDir(root.FS(), ".", func(name string, e fs.DirEntry, err error) error {
		if err != nil || e.Type()&fs.ModeSymlink == 0 {
			return err
		}
		target, err := root.Readlink(name)
		if err != nil {
			return err
		}
		return insideLink(root, name, target)
	})
}

// roomFor says whether n bytes more of a holder fit under the limit, under the
// quotas and on the disk; n is negative when it is not known.
func (d *Data) roomFor(ctx context.Context, op string, h Holder, n int64) error {
	if err := d.fits(ctx, h, n); err != nil {
		return wrap(op, err)
	}
	if n > d.bytes {
		return &fringe.Error{Op: op, Kind: fringe.TooLarge, Component: fringe.Data, Message: fmt.Sprintf("the content has %s; the site takes at most %s", sized(n), sized(d.bytes)),
			Cure: "ask the operator for a higher limit"}
	}
	var st unix.Statfs_t
	if err := unix.Statfs(d.dir, &st); err != nil || n <= 0 {
		return nil // then the disk itself tells
	}
	if free := int64(st.Bavail) * st.Bsize; n > free {
		return &fringe.Error{Op: op, Kind: fringe.Unavailable, Component: fringe.Data, Message: fmt.Sprintf("the content has %s; the site's disk has %s left", sized(n), sized(free)),
			Cure: "remove datasets that are not needed, or serve a directory on a larger disk"}
	}
	return nil
}
