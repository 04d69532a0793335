package data

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"fringe"
	"fringe/store"
)

// PublishRequest says which output of a call becomes a product.
type PublishRequest struct {
	Call      fringe.CallID
	Output    string // its name; parts of arrays and records follow a '/': "images/0"
	HostPath  string // where the call left it; it stays there, and must not change afterwards when Within is empty
	Within    string // a directory that holds HostPath, of which what is below may still be changed, so that it is copied; empty: nothing changes it
	Basename  string
	Directory bool
	Owner     string // the principal's name
	Namespace string // that the bytes count for; empty: none
}

// Publish checks an output and makes the dataset product:CALL/OUTPUT of it,
// durable when Publish returns. Bytes in the site's file system that nothing
// changes any more are not copied. An output that fails CheckProduct is an error of kind Failed and
// component Collect that names the output. The same output twice is a
// Conflict.
func (d *Data) Publish(ctx context.Context, r PublishRequest) (fringe.Dataset, error) {
	const op = "data.Publish"
	if strings.ContainsRune(string(r.Call), '/') {
		return fringe.Dataset{}, refused(op, "", "%q is not the id of a call", r.Call)
	}
	did, err := fringe.ParseDID("product:" + string(r.Call) + "/" + r.Output)
	if err != nil {
		return fringe.Dataset{}, collectError(op, r.Output, err)
	}
	if err := checkBasename(op, r.Basename); err != nil {
		return fringe.Dataset{}, collectError(op, r.Output, err)
	}
	source, err := outputPath(r)
	if err == nil {
		err = CheckProduct(ctx, source, r.Directory)
	}
	if err != nil {
		return fringe.Dataset{}, collectError(op, r.Output, err)
	}
	unlock, err := d.keys.lock(ctx, did.String())
	if err != nil {
		return fringe.Dataset{}, err
	}
	defer unlock()
	if err := d.free(ctx, did); err != nil {
		return fringe.Dataset{}, viewError(op, err)
	}
	fresh, err := d.fresh(op)
	if err != nil {
		return fringe.Dataset{}, err
	}
	defer removeTree(fresh)
	if err := gatherFrom(ctx, r.Within, source, filepath.Join(fresh, r.Basename)); err != nil {
		if fringe.KindOf(err) == fringe.Invalid {
			return fringe.Dataset{}, collectError(op, r.Output, err)
		}
		return fringe.Dataset{}, diskError(op, "the product "+did.String(), err)
	}
	place := filepath.Join(d.dir, "products", string(r.Call), strings.ReplaceAll(r.Output, "/", ","))
	s, err := d.describe(ctx, filepath.Join(fresh, r.Basename))
	if err != nil {
		return fringe.Dataset{}, diskError(op, "the product "+did.String(), err)
	}
	s.DID, s.Path, s.Call, s.Owner, s.Namespace, s.Owned = did, filepath.Join(place, r.Basename), r.Call, r.Owner, r.Namespace, true
	if err := d.keep(ctx, fresh, place, s); err != nil {
		return fringe.Dataset{}, diskError(op, "the product "+did.String(), err)
	}
	return s, nil
}

// gatherFrom gathers what is at source, and follows no link out of within.
func gatherFrom(ctx context.Context, within, source, dst string) error {
	still := within == ""
	if still {
		within = filepath.Dir(source)
	}
	name, err := filepath.Rel(within, source)
	if err != nil {
		return err
	}
	root, err := os.OpenRoot(within)
	if err != nil {
		return err
	}
	defer root.Close()
	return gather(ctx, root, name, dst, still)
}

// collectError names the output in what is wrong with it.
func collectError(op, output string, err error) error {
	e := fringe.E(op, err)
	var in *fringe.Error
	if errors.As(err, &in) {
		e.Err = in.Err // its sentence is in the message
	}
	e.Kind, e.Component = fringe.Failed, fringe.Collect
	if e.Message == "" {
		e.Message = "it cannot be read"
	}
	e.Message = fmt.Sprintf("output %s: %s", output, e.Message)
	return e
}

// outputPath gives the place of the output's bytes: a link, as tools leave
// them beside the file that they mean, is followed within its directory.
func outputPath(r PublishRequest) (string, error) {
	const op = "data.Publish"
	st, err := os.Lstat(r.HostPath)
	if errors.Is(err, fs.ErrNotExist) {
		return "", refused(op, "see the call's log for why the function did not write it", "the function left no %s", filepath.Base(r.HostPath))
	}
	if err != nil || st.Mode()&fs.ModeSymlink == 0 {
		return r.HostPath, err
	}
	root, err := os.OpenRoot(filepath.Dir(r.HostPath))
	if err != nil {
		return "", err
	}
	defer root.Close()
	target, err := os.Readlink(r.HostPath)
	if err == nil {
		err = insideLink(root, filepath.Base(r.HostPath), target)
	}
	if err != nil {
		return "", err
	}
	real, err := filepath.EvalSymlinks(r.HostPath)
	if errors.Is(err, fs.ErrNotExist) {
		return "", refused(op, "see the call's log for why the function did not write it", "the function left no %s: it is a link to %s, which is not there", filepath.Base(r.HostPath), target)
	}
	return real, err
}

// free says whether a name is free.
func (d *Data) free(ctx context.Context, did fringe.DID) error {
	var n int
	err := d.store.View(ctx, func(tx *store.Tx) error {
		return tx.QueryRow(`SELECT count(*) FROM datasets WHERE did = ?`, did.String()).Scan(&n)
	})
	if err == nil && n > 0 {
		return taken("data.free", did)
	}
	return err
}

// describe looks at a file or directory: what it is, its size, and the
// checksum when that is cheap.
func (d *Data) describe(ctx context.Context, path string) (s fringe.Dataset, err error) {
	st, err := os.Stat(path)
	if err != nil {
		return s, err
	}
	s.Directory, s.Path, s.Basename, s.Created = st.IsDir(), path, filepath.Base(path), d.clock().UTC()
	if s.Size, err = sizeOf(ctx, path); err != nil {
		return s, err
	}
	if s.MediaType, err = mediaTypeOf(path); err != nil {
		return s, err
	}
	if !s.Directory && s.Size < smallFile {
		s.Checksum, err = sum(ctx, path)
	}
	return s, err
}

// Checksum gives the checksum of a file, "sha1$…". That of an owned one is
// made once and kept; that of a file by reference is made each time, since
// others may change the file.
func (d *Data) Checksum(ctx context.Context, did fringe.DID) (string, error) {
	const op = "data.Checksum"
	s, err := d.Get(ctx, did)
	if err != nil {
		return "", fringe.E(op, err)
	}
	if s.Directory {
		return "", refused(op, "", "%s is a directory; only files have a checksum", did)
	}
	if s.Checksum != "" && s.Owned {
		return s.Checksum, nil
	}
	c, err := sum(ctx, s.Path)
	if err != nil {
		return "", gone(op, s, err)
	}
	if !s.Owned {
		return c, nil
	}
	err = d.store.Update(ctx, func(tx *store.Tx) error {
		_, err := tx.Exec(`UPDATE datasets SET checksum = ? WHERE did = ?`, c, s.DID.String())
		return err
	})
	if err != nil {
		return "", viewError(op, err)
	}
	return c, nil
}

// Sweep removes what a crash left without a record: products and owned bytes,
// and the spooled files of former calls that keep does not want; those of
// calls that came since this Data was made stay. It may run beside all else.
func (d *Data) Sweep(ctx context.Context, keep func(fringe.CallID) bool) error {
	const op = "data.Sweep"
	d.placing.Lock()
	defer d.placing.Unlock()
	known := map[string]bool{}
	err := d.store.View(ctx, func(tx *store.Tx) error {
		rows, err := tx.Query(`SELECT path FROM datasets WHERE owned = 1`)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var path string
			if err := rows.Scan(&path); err != nil {
				return err
			}
			known[filepath.Dir(path)] = true
		}
		return rows.Err()
	})
	if err != nil {
		return viewError(op, err)
	}
	for _, pattern := range []string{"owned/*", "products/*/*"} {
		found, err := filepath.Glob(filepath.Join(escapeGlob(d.dir), pattern))
		if err != nil {
			return fringe.E(op, err)
		}
		for _, path := range found {
			rel, err := filepath.Rel(d.dir, path)
			if err == nil && !known[rel] {
				err = removeTree(path)
				d.log.Info("bytes without a record removed", "path", path)
			}
			if err != nil {
				return fringe.E(op, err)
			}
		}
	}
	return d.sweepSpool(keep)
}

// sweepSpool removes the spooled files of former calls that are over.
func (d *Data) sweepSpool(keep func(fringe.CallID) bool) error {
	for _, call := range d.spooled {
		if !keep(fringe.CallID(call)) {
			if err := removeTree(filepath.Join(d.dir, "spool", call)); err != nil {
				return fringe.E("data.Sweep", err)
			}
		}
	}
	return nil
}

// escapeGlob makes a pattern that only path itself matches.
func escapeGlob(path string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(path)
}
