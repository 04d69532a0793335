package store_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"fringe"
	"fringe/store"
)

// writer writes names by one statement, and counts its calls and their names.
type writer struct{ calls, names atomic.Int64 }

func (w *writer) write(tx *store.Tx, all []string) error {
	w.calls.Add(1)
	w.names.Add(int64(len(all)))
	args := make([]any, len(all))
	for i, name := range all {
		args[i] = name
	}
	if _, err := tx.Exec(`INSERT INTO items (name) VALUES `+strings.TrimSuffix(strings.Repeat("(?),", len(all)), ","), args...); err != nil {
		return err
	}
	for _, name := range all {
		if strings.HasPrefix(name, "broken") {
			panic(name)
		}
	}
	return nil
}

// TestBatch has many callers at once, of which some fail, panic, or go away
// while they wait. Each that was acknowledged is there, and no other, and the
// fault of one is nobody else's.
func TestBatch(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "fringe.db"))
	w := &writer{}
	b := store.NewBatch(s, w.write)
	var wg sync.WaitGroup
	var want atomic.Int64
	for c := range 32 {
		wg.Go(func() {
			for i := range 40 {
				name := fmt.Sprintf("%d-%d", c, i)
				ctx, cancel := context.WithCancel(context.Background())
				switch kind := (c + i) % 16; kind {
				case 1:
					if err := b.Do(ctx, "refused"); fringe.KindOf(err) != fringe.Conflict {
						t.Errorf("a refused name = %v, want conflict", err)
					}
				case 2:
					func() {
						defer func() {
							if recover() == nil {
								t.Error("a panic of write is not one of its caller")
							}
						}()
						b.Do(ctx, "broken "+name)
					}()
				case 3, 4:
					if kind == 4 {
						cancel()
					} else {
						time.AfterFunc(time.Duration(i)*20*time.Microsecond, cancel)
					}
					switch err := b.Do(ctx, name); {
					case err == nil:
						want.Add(1)
					case !errors.Is(err, context.Canceled):
						t.Errorf("Do() = %v", err)
					}
				default:
					if err := b.Do(ctx, name); err != nil {
						t.Errorf("Do() = %v", err)
					}
					want.Add(1)
				}
				cancel()
			}
		})
	}
	done := make(chan struct{})
	go func() { wg.Wait(); close(done) }()
	select {
	case <-done:
	case <-time.After(60 * time.Second):
		t.Fatal("the callers hang")
	}
	if n := count(t, s); int64(n) != want.Load() {
		t.Errorf("count = %d, acknowledged %d", n, want.Load())
	}
	if calls, names := w.calls.Load(), w.names.Load(); names < calls*11/10 {
		t.Errorf("%d names were written in %d calls", names, calls)
	}
	s.Close()
	if err := b.Do(context.Background(), "late"); fringe.KindOf(err) != fringe.Unavailable {
		t.Errorf("Do() after Close = %v, want unavailable", err)
	}
}

// TestGroupOfOne has a store in which every update has a commit of its own.
func TestGroupOfOne(t *testing.T) {
	s, err := store.Open(t.Context(), store.Config{Path: filepath.Join(t.TempDir(), "fringe.db"), Group: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.Migrate(t.Context(), testTables); err != nil {
		t.Fatal(err)
	}
	w := &writer{}
	b := store.NewBatch(s, w.write)
	var wg sync.WaitGroup
	for c := range 8 {
		wg.Go(func() {
			for i := range 20 {
				if err := b.Do(t.Context(), fmt.Sprint(c, i)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if n := count(t, s); n != 160 || w.calls.Load() != 160 {
		t.Errorf("%d names in %d calls, want 160 each", n, w.calls.Load())
	}
}
