package catalogue

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"fringe"
	"fringe/cwl"
	"fringe/store"
)

// Config says what a Catalogue works with.
type Config struct {
	Store *store.Store // with the room's Migrations applied
	Dir   string       // for the content of versions; made when missing

	// Derive gives the CWL document of the Python handler file in dir, made
	// in the environment. What is wrong with the handler is a cwl.Problems.
	// Nil: Python handlers cannot be published.
	Derive func(ctx context.Context, env fringe.EnvironmentName, dir, file string) ([]byte, error)

	// Address refuses an address that a stranger must not make the server read;
	// private ones are refused on request. Nil: nothing is published from the web.
	Address func(ip netip.Addr, refusePrivate bool) error
	Private bool // publishers may name git repositories of private networks, and http: addresses

	Log *slog.Logger // nil drops it
}

// keptTools is how many parsed interfaces are kept in memory.
const keptTools = 512

// Catalogue is the site's catalogue. It may be used by several goroutines; one
// process has it at a time.
type Catalogue struct {
	cfg    Config
	dir    string
	recent *recent

	publishing sync.Mutex // held while the store and the index are changed together

	mu  sync.RWMutex // guards idx
	idx index
}

// New gives a Catalogue that has read the store's names.
func New(cfg Config) (*Catalogue, error) {
	const op = "catalogue.New"
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	dir, err := filepath.Abs(cfg.Dir)
	if err != nil || cfg.Dir == "" {
		return nil, fringe.Errorf(op, fringe.Invalid, "the directory %q for functions is not a path", cfg.Dir)
	}
	c := &Catalogue{cfg: cfg, dir: dir, recent: newRecent(keptTools)}
	// What a publishing that was cut short left behind is of no use.
	if err := errors.Join(os.RemoveAll(c.path("tmp")), os.MkdirAll(c.path("tmp"), 0o755), syncFile(filepath.Dir(dir))); err != nil {
		return nil, disk(op, dir, err)
	}
	if err := cfg.Store.View(context.Background(), func(tx *store.Tx) error {
		c.idx, err = readIndex(tx)
		return err
	}); err != nil {
		return nil, fringe.E(op, err)
	}
	return c, nil
}

func (c *Catalogue) path(name string) string { return filepath.Join(c.dir, name) }

// content is where the content of a digest is.
func (c *Catalogue) content(d fringe.Digest) string {
	return c.path(strings.TrimPrefix(string(d), "sha256:"))
}

// disk makes the error of a directory that cannot be used.
func disk(op, dir string, err error) error {
	return &fringe.Error{Op: op, Kind: fringe.Unavailable, Component: fringe.Catalogue, Err: err,
		Message: "the catalogue's directory cannot be used", Cure: "check that " + dir + " is writable and that its disk has space"}
}

// Resolve gives the version that ref names: NAME (its latest), NAME@VERSION,
// NAME@ALIAS or NAME@sha256:DIGEST, the digest whole or its first 8 or more
// hexadecimal digits. The error for a name that is not there tells near ones.
func (c *Catalogue) Resolve(ctx context.Context, ref string) (*Version, error) {
	c.mu.RLock()
	r, err := c.idx.find(ref)
	c.mu.RUnlock()
	if err != nil {
		return nil, err
	}
	if v := c.recent.get(r); v != nil {
		return v, nil
	}
	// Of many callers who ask at once, one reads.
	r.loading.Lock()
	defer r.loading.Unlock()
	if v := c.recent.get(r); v != nil {
		return v, nil
	}
	v, err := c.load(ctx, r)
	if err != nil {
		return nil, fringe.E("catalogue.Resolve", err)
	}
	c.recent.put(r, v)
	return v, nil
}

// load reads a version and parses its interface.
func (c *Catalogue) load(ctx context.Context, r *release) (*Version, error) {
	var v *Version
	var row versionRow
	err := c.cfg.Store.View(ctx, func(tx *store.Tx) error {
		err := row.scan(tx.QueryRow(versionColumns+` WHERE name = ? AND version = ?`, r.name, r.version.text))
		if errors.Is(err, sql.ErrNoRows) {
			return notHere(r.name, "the version %s@%s has been unpublished", r.name, r.version.text)
		}
		return err
	})
	if err == nil {
		v, err = row.version(c)
	}
	if err != nil || v.Raw {
		return v, err
	}
	v.Tool, err = parseTool(v.Dir, row.file, row.derived)
	if err != nil {
		return nil, &fringe.Error{Op: "catalogue.load", Kind: fringe.Unavailable, Component: fringe.Catalogue, Err: err,
			Message: "the content of " + v.Ref() + " is damaged on this site", Cure: "publish " + v.Ref() + " again: that puts its content back"}
	}
	return v, nil
}

// parseTool parses the derived document, or the file in dir when there is none.
// The document reads no file outside of dir.
func parseTool(dir, file string, derived []byte) (*cwl.Tool, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	if derived != nil {
		return cwl.Parse(filepath.Join(dir, file), derived, nil)
	}
	doc, err := root.ReadFile(file)
	if err != nil {
		return nil, err
	}
	return cwl.Parse(filepath.Join(dir, file), doc, func(ref string) ([]byte, error) {
		if b, err := root.ReadFile(filepath.FromSlash(ref)); err == nil {
			return b, nil
		}
		return nil, fringe.Errorf("catalogue.Publish", fringe.Invalid, "%s is not a file of the function's directory", ref)
	})
}

// versionRow is a row of catalogue_versions.
type versionRow struct {
	file          string
	function, doc string
	derived       []byte
	published     int64
	by            string
}

const versionColumns = `SELECT file, function, doc, interface, published, publisher FROM catalogue_versions`

func (r *versionRow) scan(row interface{ Scan(...any) error }) error {
	return row.Scan(&r.file, &r.function, &r.doc, &r.derived, &r.published, &r.by)
}

// version gives the row's version, without its interface.
func (r *versionRow) version(c *Catalogue) (*Version, error) {
	v := &Version{Published: time.UnixMilli(r.published).UTC(), By: r.by}
	if err := errors.Join(json.Unmarshal([]byte(r.function), &v.Function), json.Unmarshal([]byte(r.doc), &v.Doc)); err != nil {
		return nil, err
	}
	v.Dir = c.content(v.Digest)
	return v, nil
}

// Versions gives the versions of a function, the highest first.
func (c *Catalogue) Versions(ctx context.Context, name fringe.FunctionName) ([]string, error) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	f, err := c.idx.family(string(name))
	if err != nil {
		return nil, err
	}
	var out []string
	for i := len(f.releases) - 1; i >= 0; i-- {
		out = append(out, f.releases[i].version.text)
	}
	return out, ctx.Err()
}
