package store

import (
	"context"
	"database/sql"
	"errors"
	"os"
	"path/filepath"

	"fringe"
)

// Backup writes one state of the store at path, which another process may have
// open and change meanwhile, to the file to. A file that is there is replaced
// once the copy is whole and on the disk; when Backup fails it stays.
func Backup(ctx context.Context, path, to string) error {
	const op = "store.Backup"
	path, err := filepath.Abs(path)
	if err != nil {
		return fringe.E(op, err)
	}
	if fresh, err := prepareFile(path, true); err != nil {
		return explain(op, path, err)
	} else if fresh {
		return explain(op, path, errors.New("the file is empty"))
	}
	to, err = filepath.Abs(to)
	if err != nil {
		return fringe.E(op, err)
	}
	// The connection takes part in SQLite's locks, as the server's own do: a file
	// that changes is never read as immutable.
	db, err := sql.Open("sqlite", (&Store{path: path}).name()+"&mode=rw")
	if err != nil {
		return explain(op, path, err)
	}
	defer db.Close()
	if err := copyTo(ctx, db, to); err != nil {
		return explain(op, to, err)
	}
	return nil
}

// copyTo writes what db holds to a file, beside it first.
func copyTo(ctx context.Context, db *sql.DB, to string) error {
	part, err := os.OpenFile(to+".new", os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return &fringe.Error{Op: "store.Backup", Kind: fringe.KindOf(explain("", to, err)), Component: fringe.Store, Err: err,
			Message: "the copy " + to + " cannot be written", Cure: "name a file in a directory that is there and may be written"}
	}
	defer os.Remove(part.Name())
	defer part.Close()
	if _, err := db.ExecContext(ctx, `VACUUM INTO ?`, part.Name()); err != nil {
		return err
	}
	if err := errors.Join(part.Sync(), os.Rename(part.Name(), to)); err != nil {
		return err
	}
	return syncDir(filepath.Dir(to))
}
