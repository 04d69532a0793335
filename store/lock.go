package store

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

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
	err = flock(f)
	// A server that was killed while it started a process leaves the lock
	// with that process until it is its own program; one of whose threads is
	// in the kernel has it until that returns.
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(deadPatience); errors.Is(err, syscall.EWOULDBLOCK) && dead(holder(f)) && time.Now().Before(end); err = flock(f) {
		<-tick.C
	}
	if err != nil {
		defer f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, held(op, dir, f)
		}
		return nil, explain(op, path, err)
	}
	// The pid only serves dead and held; a full disk must not keep the server
	// from starting. It replaces the former one in one write.
	_, _ = f.WriteAt(fmt.Appendf(nil, "%-10d\n", os.Getpid()), 0)
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

// deadPatience bounds the wait for a lock whose holder is dead.
const deadPatience = 5 * time.Second

// holder gives the process that wrote its number last; 0 when there is none.
func holder(f *os.File) int {
	b, _ := io.ReadAll(io.NewSectionReader(f, 0, 32))
	pid, err := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil || pid < 0 {
		return 0
	}
	return pid
}

// dead says whether there is no such process any more, or only what its parent
// has not yet asked for.
func dead(pid int) bool {
	if pid == 0 {
		return false
	}
	if errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
		return true
	}
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	_, state, _ := bytes.Cut(b, []byte(") "))
	return err == nil && (bytes.HasPrefix(state, []byte("Z")) || bytes.HasPrefix(state, []byte("X")))
}

// held is the refusal of a directory that another process has.
func held(op, dir string, f *os.File) error {
	who, cure := "another fringe server", "stop that server"
	if pid := holder(f); pid > 0 {
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
