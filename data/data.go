package data

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"fringe"
	"fringe/store"
)

// Config says what a Data needs.
type Config struct {
	Store *store.Store // migrated with Migrations
	Dir   string       // what the site owns is kept below; made when it is missing
	Roots []string     // directories whose files callers may name by path
	Log   *slog.Logger // nil: slog.Default

	Quota   int64            // bytes that the data of one owner may take, unless SetQuota says otherwise; 0: no bound
	Bytes   int64            // most bytes of one upload, download or unpacked archive; 0: 1 TiB
	Entries int              // most entries of an unpacked archive; 0: 1,000,000
	Fetch   Fetch            // how URLs are read
	Clock   func() time.Time // nil: time.Now

	// Maker gives the job whose products answer a job, so that they are found
	// under the names that the job's own would have; empty when they are its
	// own, or there is no such job. Nil: always its own.
	Maker func(context.Context, fringe.CallID) (fringe.CallID, error)
}

// Data is the datasets of a site. Its methods may be called by several
// goroutines.
type Data struct {
	store             *store.Store
	dir               string
	roots             []string // with symbolic links resolved
	log               *slog.Logger
	bytes             int64
	quota             int64
	entries           int
	fetcher, anywhere *fetcher // for all, for operators
	clock             func() time.Time
	maker             func(context.Context, fringe.CallID) (fringe.CallID, error)
	keys              keys
	recent            recent
	spooled           []string     // calls whose spooled files were there when this Data was made; for Sweep
	placing           sync.RWMutex // held for reading while bytes have no record yet, for writing by Sweep
}

// Migrations gives the steps of this room's schema.
func Migrations() []store.Migration {
	return []store.Migration{{Name: "datasets", SQL: `
		CREATE TABLE datasets (
			did        TEXT    PRIMARY KEY CHECK (did LIKE scope || ':_%'),
			scope      TEXT    NOT NULL CHECK (scope <> ''),
			directory  INTEGER NOT NULL CHECK (directory IN (0, 1)),
			path       TEXT    NOT NULL CHECK (path <> ''),
			owned      INTEGER NOT NULL CHECK (owned IN (0, 1)),
			size       INTEGER NOT NULL CHECK (size >= 0),
			checksum   TEXT    NOT NULL DEFAULT '' CHECK (checksum = '' OR checksum LIKE 'sha1$%'),
			media_type TEXT    NOT NULL DEFAULT '',
			basename   TEXT    NOT NULL CHECK (basename NOT IN ('', '.', '..') AND instr(basename, '/') = 0),
			call       TEXT    NOT NULL DEFAULT '',
			owner      TEXT    NOT NULL DEFAULT '',
			created    INTEGER NOT NULL,
			CHECK ((substr(path, 1, 1) = '/') = (owned = 0))
		) STRICT;
		CREATE INDEX datasets_owner ON datasets (owner, did);
		CREATE TABLE data_urls (
			url      TEXT PRIMARY KEY,
			etag     TEXT NOT NULL DEFAULT '',
			modified TEXT NOT NULL DEFAULT '',
			did      TEXT NOT NULL REFERENCES datasets (did) ON DELETE CASCADE
		) STRICT;
		CREATE INDEX data_urls_did ON data_urls (did)`},
		{Name: "what owners take", SQL: `
		CREATE TABLE data_owners (
			owner TEXT PRIMARY KEY,
			used  INTEGER NOT NULL DEFAULT 0 CHECK (used >= 0),
			quota INTEGER CHECK (quota >= 0)
		) STRICT;
		INSERT INTO data_owners (owner, used) SELECT owner, sum(size) FROM datasets WHERE owned = 1 GROUP BY owner;
		CREATE TRIGGER datasets_taken AFTER INSERT ON datasets WHEN new.owned = 1 BEGIN
			INSERT INTO data_owners (owner, used) VALUES (new.owner, new.size) ON CONFLICT (owner) DO UPDATE SET used = used + new.size;
		END;
		CREATE TRIGGER datasets_given_back AFTER DELETE ON datasets WHEN old.owned = 1 BEGIN
			UPDATE data_owners SET used = used - old.size WHERE owner = old.owner;
		END;
		CREATE INDEX datasets_made ON datasets (created) WHERE owned = 1`},
		{Name: "what namespaces take", SQL: `
		ALTER TABLE datasets ADD COLUMN namespace TEXT NOT NULL DEFAULT '';
		CREATE TABLE data_namespaces (
			namespace TEXT PRIMARY KEY,
			used      INTEGER NOT NULL DEFAULT 0 CHECK (used >= 0),
			quota     INTEGER CHECK (quota >= 0)
		) STRICT;
		CREATE TRIGGER datasets_taken_together AFTER INSERT ON datasets WHEN new.owned = 1 AND new.namespace <> '' BEGIN
			INSERT INTO data_namespaces (namespace, used) VALUES (new.namespace, new.size) ON CONFLICT (namespace) DO UPDATE SET used = used + new.size;
		END;
		CREATE TRIGGER datasets_given_back_together AFTER DELETE ON datasets WHEN old.owned = 1 AND old.namespace <> '' BEGIN
			UPDATE data_namespaces SET used = used - old.size WHERE namespace = old.namespace;
		END`}}
}

// New gives the datasets of an open, migrated store.
func New(cfg Config) (*Data, error) {
	const op = "data.New"
	d := &Data{store: cfg.Store, log: cfg.Log, bytes: cfg.Bytes, quota: cfg.Quota, entries: cfg.Entries, clock: cfg.Clock, maker: cfg.Maker, fetcher: newFetcher(cfg.Fetch, cfg.Fetch.RefusePrivate), anywhere: newFetcher(cfg.Fetch, false)}
	if d.log == nil {
		d.log = slog.Default()
	}
	if d.bytes == 0 {
		d.bytes = 1 << 40
	}
	if d.entries == 0 {
		d.entries = 1_000_000
	}
	if d.clock == nil {
		d.clock = time.Now
	}
	dir, err := filepath.Abs(cfg.Dir)
	if err != nil {
		return nil, fringe.E(op, err)
	}
	for _, sub := range []string{"products", "owned", "spool", "new"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o700); err != nil {
			return nil, diskError(op, "the directory of the site's data", err)
		}
	}
	if d.dir, err = filepath.EvalSymlinks(dir); err != nil {
		return nil, fringe.E(op, err)
	}
	if err := d.clearNew(); err != nil {
		return nil, diskError(op, "the directory of the site's data", err)
	}
	if d.spooled, err = names(filepath.Join(d.dir, "spool")); err != nil {
		return nil, diskError(op, "the directory of the site's data", err)
	}
	for _, root := range cfg.Roots {
		real, err := filepath.EvalSymlinks(root)
		if err != nil || !filepath.IsAbs(root) {
			return nil, &fringe.Error{Op: op, Kind: fringe.Invalid, Component: fringe.Data, Err: err,
				Message: fmt.Sprintf("the data root %q is not a directory of this machine", root),
				Cure:    "name existing directories by absolute paths"}
		}
		d.roots = append(d.roots, real)
	}
	return d, nil
}

// clearNew removes what was on its way when a former server ended.
func (d *Data) clearNew() error {
	dir := filepath.Join(d.dir, "new")
	left, err := names(dir)
	for _, name := range left {
		err = errors.Join(err, removeTree(filepath.Join(dir, name)))
	}
	return err
}

// names lists a directory.
func names(dir string) ([]string, error) {
	f, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return f.Readdirnames(-1)
}

// Get gives the record of a dataset. An unknown name is NotFound; the error
// tells names that are near it. The product of a job that was answered from the
// store is that of the job that made it: the record has the name of that one.
func (d *Data) Get(ctx context.Context, did fringe.DID) (fringe.Dataset, error) {
	set, err := d.get(ctx, did)
	if fringe.KindOf(err) != fringe.NotFound || did.Scope != productScope || d.maker == nil {
		return set, err
	}
	call, output, _ := strings.Cut(did.Name, "/")
	maker, e := d.maker(ctx, fringe.CallID(call))
	if e != nil || maker == "" {
		return set, err // what the ledger says besides does not help
	}
	return d.get(ctx, fringe.DID{Scope: productScope, Name: string(maker) + "/" + output})
}

// get gives the record that has the name itself.
func (d *Data) get(ctx context.Context, did fringe.DID) (fringe.Dataset, error) {
	const op = "data.Get"
	var set fringe.Dataset
	var near []string
	err := d.store.View(ctx, func(tx *store.Tx) (err error) {
		set, err = d.getTx(tx, did)
		if errors.Is(err, sql.ErrNoRows) {
			near, err = nearTx(tx, did)
			if err == nil {
				err = unknownDataset(op, did, near)
			}
		}
		return err
	})
	if err != nil {
		return fringe.Dataset{}, viewError(op, err)
	}
	return set, nil
}

// columns are those that scan reads.
const columns = `did, directory, path, owned, size, checksum, media_type, basename, call, owner, namespace, created`

func (d *Data) getTx(tx *store.Tx, did fringe.DID) (fringe.Dataset, error) {
	return d.scan(tx.QueryRow(`SELECT `+columns+` FROM datasets WHERE did = ?`, did.String()))
}

// scan reads a row of columns.
func (d *Data) scan(row interface{ Scan(...any) error }) (s fringe.Dataset, err error) {
	var did string
	var created int64
	err = row.Scan(&did, &s.Directory, &s.Path, &s.Owned, &s.Size, &s.Checksum, &s.MediaType, &s.Basename, &s.Call, &s.Owner, &s.Namespace, &created)
	if err != nil {
		return s, err
	}
	if s.DID, err = fringe.ParseDID(did); err != nil {
		return s, fmt.Errorf("the stored name %q: %w", did, err)
	}
	if s.Owned {
		s.Path = filepath.Join(d.dir, s.Path)
	}
	s.Created = time.UnixMicro(created).UTC()
	return s, nil
}

// insertTx records a dataset; Conflict when the name is taken, OverQuota when
// its owner may not have it.
func (d *Data) insertTx(tx *store.Tx, s fringe.Dataset) error {
	path := s.Path
	if s.Owned {
		if err := d.quotaTx(tx, Holder{s.Owner, s.Namespace}, s.Size); err != nil {
			return err
		}
		rel, err := filepath.Rel(d.dir, path)
		if err != nil {
			return err
		}
		path = rel
	}
	res, err := tx.Exec(`INSERT INTO datasets (did, scope, directory, path, owned, size, checksum, media_type, basename, call, owner, namespace, created)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (did) DO NOTHING`,
		s.DID.String(), s.DID.Scope, s.Directory, path, s.Owned, s.Size, s.Checksum, s.MediaType, s.Basename, string(s.Call), s.Owner, s.Namespace, s.Created.UnixMicro())
	if err != nil {
		return err
	}
	if n, err := res.RowsAffected(); err != nil || n != 1 {
		return errors.Join(err, taken("data.insert", s.DID))
	}
	return nil
}

func taken(op string, did fringe.DID) error {
	return &fringe.Error{Op: op, Kind: fringe.Conflict, Component: fringe.Data,
		Message: fmt.Sprintf("there is a dataset %s already", did),
		Cure:    "choose another name, or remove that one: fringe data remove " + did.String()}
}

// nearTx gives up to three names that the one who wrote did may have meant:
// misspelt ones of the scope, and the same name in other scopes.
func nearTx(tx *store.Tx, did fringe.DID) ([]string, error) {
	rows, err := tx.Query(`SELECT did FROM (SELECT did FROM datasets WHERE scope = ?1 AND did > ?1 || ':' AND did < ?1 || ';' LIMIT 1000)
		UNION SELECT did FROM (SELECT did FROM datasets WHERE substr(did, length(scope) + 2) = ?2 LIMIT 3)`, did.Scope, did.Name)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var names, same []string
	for rows.Next() {
		var s string
		if err := rows.Scan(&s); err != nil {
			return nil, err
		}
		names = append(names, s)
		if other, err := fringe.ParseDID(s); err == nil && other.Name == did.Name {
			same = append(same, s)
		}
	}
	near := append(same, fringe.Nearest(did.String(), names, 3)...)
	seen := map[string]bool{}
	out := near[:0]
	for _, n := range near {
		if !seen[n] && len(out) < 3 {
			seen[n] = true
			out = append(out, n)
		}
	}
	return out, rows.Err()
}

// Filter chooses datasets; an empty field chooses all.
type Filter struct {
	Prefix string // of scope:name
	Scope  string
	Owner  string
	Limit  int    // most on a page; 0: 100, at most 1000
	Cursor string // what List gave as next
}

// List gives datasets in the order of their names, and the cursor of the next
// page; it is empty on the last.
func (d *Data) List(ctx context.Context, f Filter) (found []fringe.Dataset, next string, err error) {
	const op = "data.List"
	if f.Limit <= 0 {
		f.Limit = 100
	}
	f.Limit = min(f.Limit, 1000)
	query, args := `SELECT `+columns+` FROM datasets WHERE did > ? AND did >= ? AND did < ?`, []any{f.Cursor, f.Prefix, f.Prefix + "\x7f"}
	if f.Scope != "" {
		query, args = query+` AND did >= ? AND did < ?`, append(args, f.Scope+":", f.Scope+";")
	}
	if f.Owner != "" {
		query, args = query+` AND owner = ?`, append(args, f.Owner)
	}
	err = d.store.View(ctx, func(tx *store.Tx) error {
		rows, err := tx.Query(query+` ORDER BY did LIMIT ?`, append(args, f.Limit+1)...)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			s, err := d.scan(rows)
			if err != nil {
				return err
			}
			found = append(found, s)
		}
		return rows.Err()
	})
	if err != nil {
		return nil, "", viewError(op, err)
	}
	if len(found) > f.Limit {
		found = found[:f.Limit]
		next = found[f.Limit-1].DID.String()
	}
	return found, next, nil
}

// Remove forgets a dataset, and removes its bytes when the site owns them.
// Links among them are removed and never followed. A call that runs on the
// dataset may fail.
func (d *Data) Remove(ctx context.Context, did fringe.DID) error {
	const op = "data.Remove"
	set, err := d.Get(ctx, did)
	if err != nil {
		return fringe.E(op, err)
	}
	if set.DID != did {
		return &fringe.Error{Op: op, Kind: fringe.Conflict, Component: fringe.Data, Message: fmt.Sprintf("%s is %s, which the job %s made", did, set.DID, set.Call),
			Cure: "if nobody needs it, remove it under that name: fringe data remove " + set.DID.String()}
	}
	unlock, err := d.keys.lock(ctx, did.String())
	if err != nil {
		return err
	}
	defer unlock()
	err = d.store.Update(ctx, func(tx *store.Tx) error {
		res, err := tx.Exec(`DELETE FROM datasets WHERE did = ?`, did.String())
		if err != nil {
			return err
		}
		if n, err := res.RowsAffected(); err != nil || n != 1 {
			return errors.Join(err, unknownDataset(op, did, nil))
		}
		return nil
	})
	if err != nil {
		return viewError(op, err)
	}
	if !set.Owned {
		return nil
	}
	// The record is gone, so a failure here only leaves bytes for Sweep.
	if err := removeTree(filepath.Dir(set.Path)); err != nil {
		d.log.Warn("bytes of a removed dataset are left", "dataset", did.String(), "path", set.Path, "err", err)
	}
	if set.Call != "" {
		os.Remove(filepath.Join(d.dir, "products", string(set.Call))) // when it is empty
	}
	return nil
}

// fresh gives the path of a new directory below new/.
func (d *Data) fresh(op string) (string, error) {
	dir := filepath.Join(d.dir, "new", randomName())
	if err := os.Mkdir(dir, 0o700); err != nil {
		return "", diskError(op, "the site's data", err)
	}
	return dir, nil
}

func randomName() string {
	var b [12]byte
	rand.Read(b[:])
	return hex.EncodeToString(b[:])
}

// keys lets one goroutine at a time work on a key.
type keys struct {
	mu   sync.Mutex // guards held
	held map[string]chan struct{}
}

// lock waits until nobody else has the key, and gives what frees it.
func (k *keys) lock(ctx context.Context, key string) (unlock func(), err error) {
	for {
		k.mu.Lock()
		busy, ok := k.held[key]
		if !ok {
			if k.held == nil {
				k.held = map[string]chan struct{}{}
			}
			mine := make(chan struct{})
			k.held[key] = mine
			k.mu.Unlock()
			return func() {
				k.mu.Lock()
				delete(k.held, key)
				k.mu.Unlock()
				close(mine)
			}, nil
		}
		k.mu.Unlock()
		select {
		case <-busy:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}
