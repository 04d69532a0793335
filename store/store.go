package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"

	_ "modernc.org/sqlite" // registers the driver "sqlite"

	"fringe"
)

// logged is about how many pages, of 4 kB, the log holds before they are written
// into the file: a page that many commits change is written once.
const logged = 8000

// Config says how a store is opened.
type Config struct {
	Path     string       // of the file; it is created, mode 0600, when missing
	ReadOnly bool         // only View works, and the file must exist
	Group    int          // updates that share a commit at most; 0: 256
	Log      *slog.Logger // nil: slog.Default
}

// Store is an open store. Its methods may be called by several goroutines.
type Store struct {
	path     string
	readOnly bool
	log      *slog.Logger
	most     int // updates that share a commit

	readers *sql.DB
	writers *sql.DB   // a pool of one
	conn    *sql.Conn // the writer; used by the holder of turn only

	turn    chan struct{}        // holds one token: whoever has it may write
	waiting atomic.Int64         // callers of Update that wait for the turn
	group   *group               // the open transaction, nil when none; guarded by turn
	stmts   map[string]*sql.Stmt // the writer's prepared statements; guarded by turn

	mu     sync.RWMutex // guards closed; held for reading while the store is used
	closed bool
}

// Open opens the store, and creates it when it is missing. It refuses a file
// that is damaged or that another program made.
func Open(ctx context.Context, cfg Config) (*Store, error) {
	const op = "store.Open"
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	if cfg.Group <= 0 {
		cfg.Group = 256 // a bound, so that the first of them does not wait for ever
	}
	path, err := filepath.Abs(cfg.Path)
	if err != nil {
		return nil, fringe.E(op, err)
	}
	fresh, err := prepareFile(path, cfg.ReadOnly)
	if err != nil {
		return nil, explain(op, path, err)
	}
	s := &Store{
		path: path, readOnly: cfg.ReadOnly, log: cfg.Log, most: cfg.Group,
		turn: make(chan struct{}, 1), stmts: map[string]*sql.Stmt{},
	}
	s.turn <- struct{}{}
	if err := s.connect(ctx, fresh); err != nil {
		s.Close()
		return nil, explain(op, path, err)
	}
	return s, nil
}

// prepareFile checks the file before SQLite sees it and says whether it is
// new. A new file is made with mode 0600, so that no moment exists in which
// others can read it.
func prepareFile(path string, readOnly bool) (fresh bool, err error) {
	head, err := readHeader(path)
	if errors.Is(err, fs.ErrNotExist) {
		if readOnly {
			return false, err
		}
		f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
		if err != nil {
			return false, err
		}
		return true, errors.Join(f.Close(), syncDir(filepath.Dir(path)))
	}
	if err != nil {
		return false, err
	}
	if !readOnly {
		f, err := os.OpenFile(path, os.O_RDWR, 0)
		if err != nil {
			return false, err
		}
		f.Close()
	}
	return head.empty(), head.check(path)
}

// connect opens the writer and the readers, and makes or checks the file's
// identity.
func (s *Store) connect(ctx context.Context, fresh bool) error {
	var err error
	if s.readOnly {
		if s.readers, err = sql.Open("sqlite", s.readOnlyName()); err != nil {
			return err
		}
		return s.examine(ctx, s.readers)
	}
	if s.writers, err = sql.Open("sqlite", s.name("journal_mode(WAL)", "synchronous(FULL)", fmt.Sprintf("wal_autocheckpoint(%d)", logged))); err != nil {
		return err
	}
	s.writers.SetMaxOpenConns(1)
	if s.conn, err = s.writers.Conn(ctx); err != nil {
		return err
	}
	if s.readers, err = sql.Open("sqlite", s.name("query_only(1)")); err != nil {
		return err
	}
	s.readers.SetMaxOpenConns(8)
	s.readers.SetMaxIdleConns(8)
	if fresh {
		return s.create(ctx)
	}
	return s.examine(ctx, s.conn)
}

// name gives the data source name of a connection with the pragmas.
func (s *Store) name(pragmas ...string) string {
	q := url.Values{"_txlock": {"immediate"}, "_dqs": {"0"}, "_error_rc": {"1"}, "_defensive": {"1"}}
	for _, p := range append([]string{"busy_timeout(10000)", "foreign_keys(1)", "cell_size_check(1)"}, pragmas...) {
		q.Add("_pragma", p)
	}
	return (&url.URL{Scheme: "file", Path: s.path, RawQuery: q.Encode()}).String()
}

// readOnlyName is the data source name for a store that is only read. When
// nobody can have written beside the file (no log exists) it is read as
// immutable, which also works in a directory that cannot be written.
func (s *Store) readOnlyName() string {
	name := s.name("query_only(1)") + "&mode=ro"
	if info, err := os.Stat(s.path + "-wal"); err != nil || info.Size() == 0 {
		name += "&immutable=1"
	}
	return name
}

// View runs fn in a transaction that reads one state of the store. fn's error
// is returned as it is.
func (s *Store) View(ctx context.Context, fn func(*Tx) error) error {
	const op = "store.View"
	if err := s.enter(op); err != nil {
		return err
	}
	defer s.mu.RUnlock()
	t, err := s.readers.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return s.explainOr(ctx, op, err)
	}
	defer t.Rollback()
	return fn(&Tx{ctx: ctx, store: s, q: t})
}

// enter begins a use of the store; the caller ends it with s.mu.RUnlock.
func (s *Store) enter(op string) error {
	s.mu.RLock()
	if !s.closed {
		return nil
	}
	s.mu.RUnlock()
	return &fringe.Error{Op: op, Kind: fringe.Unavailable, Component: fringe.Store, Message: "the store is closed: the server is stopping"}
}

// Path gives the absolute path of the store's file.
func (s *Store) Path() string { return s.path }

// Close waits for the transactions under way and closes the store. A second
// Close does nothing.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	var errs []error
	for _, st := range s.stmts {
		errs = append(errs, st.Close())
	}
	if s.readers != nil {
		errs = append(errs, s.readers.Close())
	}
	if s.conn != nil {
		errs = append(errs, s.conn.Close())
	}
	if s.writers != nil {
		errs = append(errs, s.writers.Close())
	}
	if err := errors.Join(errs...); err != nil {
		return explain("store.Close", s.path, err)
	}
	return nil
}

// Check reads the whole store and says what is damaged. It takes about a
// second for each 200 MB.
func (s *Store) Check(ctx context.Context) error {
	const op = "store.Check"
	return s.View(ctx, func(tx *Tx) error {
		rows, err := tx.Query(`PRAGMA quick_check(10)`)
		if err != nil {
			return err
		}
		defer rows.Close()
		var found []string
		for rows.Next() {
			var line string
			if err := rows.Scan(&line); err != nil {
				return explain(op, s.path, err)
			}
			if line != "ok" {
				found = append(found, line)
			}
		}
		if err := rows.Err(); err != nil {
			return explain(op, s.path, err)
		}
		if len(found) > 0 {
			return explain(op, s.path, &damage{strings.Join(found, "; ")})
		}
		return nil
	})
}

// syncDir makes the entries of a directory durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	if err := d.Sync(); err != nil {
		return fmt.Errorf("sync %s: %w", dir, err)
	}
	return nil
}
