package store

import (
	"context"
	"errors"
	"io/fs"
	"path/filepath"
	"syscall"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"fringe"
)

// damage is what an examination of the file found.
type damage struct{ found string }

func (d *damage) Error() string { return d.found }

// stranger says that the file belongs to another program.
type stranger struct{ found string }

func (s *stranger) Error() string { return s.found }

// code gives SQLite's primary result code; 0 when err is not SQLite's.
func code(err error) int {
	var e *sqlite.Error
	if errors.As(err, &e) {
		return e.Code() & 0xff
	}
	return 0
}

// undoes says whether SQLite may have rolled the whole transaction back
// together with the failing statement.
func undoes(err error) bool {
	switch code(err) {
	case sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_INTERRUPT,
		sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_BUSY:
		return true
	}
	return false
}

// explain gives err in the terms of who runs the server. A constraint that is
// not met becomes Conflict, so that rooms can tell it from faults; an error
// that is explained already is kept.
func explain(op, path string, err error) *fringe.Error {
	var known *fringe.Error
	if errors.As(err, &known) {
		return fringe.E(op, err)
	}
	e := &fringe.Error{Op: op, Component: fringe.Store, Kind: fringe.Unavailable, Err: err}
	var d *damage
	var st *stranger
	switch c := code(err); {
	case errors.As(err, &st):
		e.Kind = fringe.Conflict
		e.Message = "the file " + path + " is not a store of Fringe"
		e.Cure = "move the file away, or serve another directory (--dir)"
	case errors.As(err, &d), c == sqlite3.SQLITE_CORRUPT, c == sqlite3.SQLITE_NOTADB:
		e.Message = "the store " + path + " is damaged"
		e.Cure = "stop the server and put back a copy of " + filepath.Base(path) + " from a backup; or move it away, with its -wal and -shm files, to begin an empty store (products stay on the disk)"
	case c == sqlite3.SQLITE_FULL, errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		e.Message = "no space is left on the disk that holds the store " + path
		e.Cure = "free space on the disk of " + filepath.Dir(path) + "; nothing that was acknowledged is lost"
	case c == sqlite3.SQLITE_READONLY, errors.Is(err, syscall.EROFS), errors.Is(err, fs.ErrPermission), c == sqlite3.SQLITE_PERM:
		e.Message = "the store " + path + " cannot be written"
		e.Cure = "give the server's user the right to write the directory " + filepath.Dir(path) + " and the files in it, or serve another directory (--dir)"
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENOTDIR):
		e.Kind = fringe.NotFound
		e.Message = "the store " + path + " does not exist"
		e.Cure = "start a server on the directory " + filepath.Dir(path) + ", or name another one (--dir)"
	case c == sqlite3.SQLITE_CANTOPEN:
		e.Message = "the store " + path + " cannot be opened"
		e.Cure = "see that the directory " + filepath.Dir(path) + " can be read and written by the server's user"
	case c == sqlite3.SQLITE_IOERR:
		e.Message = "the disk that holds the store " + path + " fails to read or write"
		e.Cure = "look at the kernel's log for errors of that disk"
	case c == sqlite3.SQLITE_BUSY, c == sqlite3.SQLITE_LOCKED:
		e.Kind = fringe.Busy
		e.Message = "the store " + path + " is locked by another program"
		e.Cure = "end the program that has the file open"
	case c == sqlite3.SQLITE_CONSTRAINT:
		e.Kind = fringe.Conflict
		e.Message = "a rule of the store is not met"
	default:
		e.Kind = fringe.Internal
	}
	return e
}

// explainOr is explain, save that the end of ctx is returned as it is.
func (s *Store) explainOr(ctx context.Context, op string, err error) error {
	if cause := ctx.Err(); cause != nil {
		return cause
	}
	return explain(op, s.path, err)
}
