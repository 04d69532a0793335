package store_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"fringe"
	"fringe/store"
)

// A backup that is made while the store is written is one state of it: all of
// what was committed before, and of later changes each or none of it.
func TestBackup(t *testing.T) {
	dir := t.TempDir()
	path, to := filepath.Join(dir, "s.db"), filepath.Join(dir, "copy.db")
	s := open(t, path)
	body := make([]byte, 64<<10)
	pair := func(n int) error {
		return s.Update(t.Context(), func(tx *store.Tx) error {
			for _, side := range []string{"left", "right"} {
				if _, err := tx.Exec(`INSERT INTO items (name, body) VALUES (?, ?)`, fmt.Sprintf("%s%d", side, n), body); err != nil {
					return err
				}
			}
			return nil
		})
	}
	n := 0
	for ; n < 20; n++ {
		if err := pair(n); err != nil {
			t.Fatal(err)
		}
	}
	stop, written := make(chan struct{}), make(chan int)
	begun := n
	go func() {
		for {
			select {
			case <-stop:
				written <- n
				return
			default:
			}
			if err := pair(n); err != nil {
				t.Error(err)
				<-stop
				written <- n
				return
			}
			n++
		}
	}()
	for range 5 { // each takes the place of the former
		if err := store.Backup(t.Context(), path, to); err != nil {
			t.Fatalf("Backup() = %v", err)
		}
	}
	close(stop)
	end := <-written
	back := open(t, to)
	if got := count(t, back); got < 2*begun || got > 2*end || got%2 != 0 {
		t.Errorf("the backup has %d rows, want an even number from %d to %d", got, 2*begun, 2*end)
	}
	if err := insert(back, "after"); err != nil {
		t.Errorf("the backup cannot be written: %v", err)
	}
	if info, err := os.Stat(to); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the backup's mode is %v (%v), want 0600: it holds digests of tokens", info.Mode(), err)
	}

	// Also of a store that nobody has open.
	if err := back.Close(); err != nil {
		t.Fatal(err)
	}
	again := filepath.Join(dir, "again.db")
	if err := store.Backup(t.Context(), to, again); err != nil {
		t.Fatalf("Backup() of a closed store = %v", err)
	}
	wantError(t, store.Backup(t.Context(), filepath.Join(dir, "none.db"), again), fringe.NotFound, "none.db")
	wantError(t, store.Backup(t.Context(), to, filepath.Join(dir, "no", "such.db")), fringe.NotFound, "such.db cannot be written", "name a file in a directory")
	if err := os.WriteFile(filepath.Join(dir, "text"), []byte("this is no database, and long enough to be read as one"+string(make([]byte, 200))), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := store.Backup(t.Context(), filepath.Join(dir, "text"), again); err == nil {
		t.Error("a file that is no store is backed up")
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "*.new")); len(left) > 0 {
		t.Errorf("%v are left", left)
	}
}
