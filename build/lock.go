package build

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// lock is a lock between processes and between goroutines: an open file with
// flock. The kernel releases it when the process dies.
type lock struct{ f *os.File }

func (l lock) release() { _ = l.f.Close() }

// tryLock takes the lock of that name, shared or exclusive; false when another
// has it.
func (b *Builder) tryLock(name string, shared bool) (lock, bool, error) {
	f, err := os.OpenFile(filepath.Join(b.dir, "locks", name), os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return lock{}, false, err
	}
	how := syscall.LOCK_EX
	if shared {
		how = syscall.LOCK_SH
	}
	switch err := syscall.Flock(int(f.Fd()), how|syscall.LOCK_NB); {
	case err == nil:
		return lock{f}, true, nil
	case errors.Is(err, syscall.EWOULDBLOCK):
		_ = f.Close()
		return lock{}, false, nil
	default:
		_ = f.Close()
		return lock{}, false, err
	}
}

// lock waits for the lock of that name. waiting is called once when another
// has it.
func (b *Builder) lock(ctx context.Context, name string, shared bool, waiting func()) (lock, error) {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for first := true; ; first = false {
		l, ok, err := b.tryLock(name, shared)
		if ok || err != nil {
			return l, err
		}
		if first {
			waiting()
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return lock{}, ctx.Err()
		}
	}
}
