package store

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"fringe"
)

// Lock holds a directory for one server.
type Lock struct{ file *os.File }

// LockDir takes the directory, which it creates (mode 0700) when it is
// missing, for this process until Unlock or the process's end. While another
// process has it, the error is Conflict and names that process.
func LockDir(dir string) (*Lock, error) {
	const op = "store.LockDir"
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, explain(op, filepath.Join(dir, "lock"), err)
	}
	path := filepath.Join(dir, "lock")
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, explain(op, path, err)
	}
	if err := flock(f); err != nil {
		defer f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, held(op, dir, f)
		}
		return nil, explain(op, path, err)
	}
	// The pid only serves the message of held; a full disk must not keep the
	// server from starting.
	if err := f.Truncate(0); err == nil {
		_, _ = f.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	}
	return &Lock{f}, nil
}

// flock takes the file's lock without waiting.
func flock(f *os.File) error {
	for {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if !errors.Is(err, syscall.EINTR) {
			return err
		}
	}
}

// held is the refusal of a directory that another process has.
func held(op, dir string, f *os.File) error {
	who, cure := "another fringe server", "stop that server"
	b, _ := io.ReadAll(io.LimitReader(f, 32))
	if pid, err := strconv.Atoi(strings.TrimSpace(string(b))); err == nil && pid > 0 {
		who = fmt.Sprintf("another fringe server, process %d", pid)
		cure = fmt.Sprintf("stop that server (kill %d)", pid)
	}
	return &fringe.Error{Op: op, Kind: fringe.Conflict, Component: fringe.Store,
		Message: fmt.Sprintf("the directory %s is in use by %s", dir, who),
		Cure:    cure + ", or serve another directory (--dir)"}
}

// Unlock gives the directory free. A second Unlock does nothing.
func (l *Lock) Unlock() error {
	if err := l.file.Close(); err != nil && !errors.Is(err, os.ErrClosed) {
		return fringe.E("store.Unlock", err)
	}
	return nil
}
