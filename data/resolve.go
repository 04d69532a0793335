package data

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"fringe"
	"fringe/store"
)

// Resolve gives what a location of an input object means for the principal: a
// dataset by name, a file of this machine by path or file: URL, or the content
// of an http: or https: URL, of which a copy is kept until it changes there.
//
// Paths are for operators, and for callers below the configured roots. The
// bytes are there when Resolve returns. A file that is named by its path only has no DID.
func (d *Data) Resolve(ctx context.Context, location string, p fringe.Principal) (fringe.Dataset, error) {
	const op = "data.Resolve"
	scheme, _, _ := strings.Cut(location, ":")
	switch scheme = strings.ToLower(scheme); {
	case strings.HasPrefix(location, "/"):
		s, err := d.resolvePath(ctx, location, p)
		return s, wrap(op, err)
	case scheme == "file":
		path, err := pathOf(location)
		if err != nil {
			return fringe.Dataset{}, err
		}
		s, err := d.resolvePath(ctx, path, p)
		return s, wrap(op, err)
	case scheme == "http" || scheme == "https":
		s, err := d.resolveURL(ctx, location, p)
		return s, wrap(op, err)
	case slices.Contains([]string{"s3", "rucio", "ivo", "data", "ftp"}, scheme):
		return fringe.Dataset{}, refused(op, "give a dataset (scope:name), an http: or https: address, or download the file yourself and add it",
			"this site does not read %s: locations", scheme)
	}
	did, err := fringe.ParseDID(location)
	if err != nil {
		return fringe.Dataset{}, wrap(op, err)
	}
	d.recent.note(did.String(), d.clock()) // first, so that it cannot go in between
	s, err := d.Get(ctx, did)
	if err != nil {
		return fringe.Dataset{}, wrap(op, err)
	}
	if s.DID != did {
		return d.Resolve(ctx, s.DID.String(), p)
	}
	st, err := os.Stat(s.Path)
	if err != nil {
		return fringe.Dataset{}, gone(op, s, err)
	}
	if !s.Owned && st.IsDir() != s.Directory {
		return fringe.Dataset{}, gone(op, s, os.ErrNotExist)
	}
	if !s.Owned && !s.Directory {
		s.Size = st.Size()
	}
	return s, nil
}

// pathOf gives the path of a file: URL.
func pathOf(location string) (string, error) {
	const op = "data.Resolve"
	u, err := url.Parse(location)
	switch {
	case err != nil || u.Opaque != "" || u.Path == "":
		return "", refused(op, "write file:///absolute/path, with %20 for a space", "%.200q is not a file: URL of an absolute path", location)
	case u.Host != "" && u.Host != "localhost":
		return "", refused(op, "write file:///absolute/path", "%.200q names a file of the machine %s, not of this site", location, u.Host)
	case u.RawQuery != "" || u.Fragment != "":
		return "", refused(op, "write %3F for '?' and %23 for '#'", "%.200q has a '?' or '#', which end a path", location)
	}
	return u.Path, nil
}

// resolvePath gives what is at a path, to those who may name it. Who may not
// does not learn whether it exists.
func (d *Data) resolvePath(ctx context.Context, path string, p fringe.Principal) (fringe.Dataset, error) {
	const op = "data.Resolve"
	if strings.ContainsRune(path, 0) {
		return fringe.Dataset{}, refused(op, "", "the path has a NUL byte")
	}
	denied := &fringe.Error{Op: op, Kind: fringe.Denied, Component: fringe.Data,
		Message: fmt.Sprintf("the path %s may not be named: paths are for operators, and below the site's data roots for callers", path),
		Cure:    "upload the file, or ask an operator to add it as a dataset: fringe data add"}
	if p.Role.Includes(fringe.Operator) {
		return d.look(ctx, path)
	}
	below := func(path string) bool {
		return slices.ContainsFunc(d.roots, func(root string) bool { return within(path, root) }) && !within(path, d.dir)
	}
	if real, err := filepath.EvalSymlinks(path); err == nil && !below(real) || err != nil && !below(filepath.Clean(path)) || !p.Role.Includes(fringe.Caller) {
		return fringe.Dataset{}, denied
	}
	return d.look(ctx, path)
}

// resolveURL gives the kept copy of a URL's content, after asking its server
// whether it is still good, or makes one.
func (d *Data) resolveURL(ctx context.Context, address string, p fringe.Principal) (fringe.Dataset, error) {
	const op = "data.Resolve"
	address, _, _ = strings.Cut(address, "#")
	unlock, err := d.keys.lock(ctx, address)
	if err != nil {
		return fringe.Dataset{}, err
	}
	defer unlock()
	had, copied, err := d.copyOf(ctx, address)
	if err != nil {
		return fringe.Dataset{}, err
	}
	down, err := d.fetcherFor(p.Role).get(ctx, address, had)
	if err != nil {
		return fringe.Dataset{}, err
	}
	defer down.Close()
	if !down.fresh {
		d.recent.note(copied.DID.String(), d.clock())
		return copied, nil
	}
	if err := d.roomFor(ctx, op, Holder{p.Name, p.Namespace}, down.length); err != nil {
		return fringe.Dataset{}, err
	}
	return d.cache(ctx, address, down, p)
}

// copyOf gives the copy of a URL's content and its validators; zero ones when
// there is no copy.
func (d *Data) copyOf(ctx context.Context, address string) (v validators, s fringe.Dataset, err error) {
	err = d.store.View(ctx, func(tx *store.Tx) error {
		var name string
		err := tx.QueryRow(`SELECT etag, modified, did FROM data_urls WHERE url = ?`, address).Scan(&v.etag, &v.modified, &name)
		if err != nil {
			return err
		}
		did, err := fringe.ParseDID(name)
		if err != nil {
			return err
		}
		s, err = d.getTx(tx, did)
		return err
	})
	if err == nil {
		_, err = os.Stat(s.Path)
	}
	if errors.Is(err, sql.ErrNoRows) || errors.Is(err, os.ErrNotExist) {
		return validators{}, fringe.Dataset{}, nil
	}
	return v, s, err
}

// cache keeps what comes as the dataset cache:KEY; the key is of the URL and
// the content, so that a copy never changes under a call that uses it.
func (d *Data) cache(ctx context.Context, address string, down *download, p fringe.Principal) (fringe.Dataset, error) {
	const op = "data.Resolve"
	const what = "the copy of a URL"
	fresh, err := d.fresh(op)
	if err != nil {
		return fringe.Dataset{}, err
	}
	defer removeTree(fresh)
	name := down.name
	if name == "" {
		name = "content"
	}
	path := filepath.Join(fresh, name)
	if err := d.take(ctx, path, "the content of "+address, down); err != nil {
		return fringe.Dataset{}, err
	}
	s, err := d.describe(ctx, path)
	if err == nil && s.Checksum == "" {
		s.Checksum, err = sum(ctx, path)
	}
	if err != nil {
		return fringe.Dataset{}, diskError(op, what, err)
	}
	key := sha256.Sum256([]byte(address + "\n" + s.Checksum))
	place := filepath.Join(d.dir, "owned", randomName())
	s.DID = fringe.DID{Scope: cacheScope, Name: hex.EncodeToString(key[:16])}
	s.Owner, s.Namespace, s.Owned, s.Path = p.Name, p.Namespace, true, filepath.Join(place, name)
	d.recent.note(s.DID.String(), d.clock())
	if same, err := d.Get(ctx, s.DID); err == nil && exists(same.Path) {
		s = same
	} else {
		if err == nil { // the record is there and its bytes are not
			if err := d.Remove(ctx, s.DID); err != nil {
				return fringe.Dataset{}, err
			}
		}
		if err := d.keep(ctx, fresh, place, s); err != nil {
			return fringe.Dataset{}, diskError(op, what, err)
		}
	}
	err = d.store.Update(ctx, func(tx *store.Tx) error {
		_, err := tx.Exec(`INSERT INTO data_urls (url, etag, modified, did) VALUES (?1, ?2, ?3, ?4)
			ON CONFLICT (url) DO UPDATE SET etag = ?2, modified = ?3, did = ?4`, address, down.seen.etag, down.seen.modified, s.DID.String())
		return err
	})
	return s, err
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}
