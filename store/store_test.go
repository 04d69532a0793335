package store_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"fringe"
	"fringe/store"
)

var testTables = map[string][]store.Migration{"test": {{Name: "items", SQL: `
	CREATE TABLE items (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE CHECK (name <> 'refused'), body BLOB) STRICT`}}}

func open(t testing.TB, path string) *store.Store {
	t.Helper()
	s, err := store.Open(t.Context(), store.Config{Path: path})
	if err != nil {
		t.Fatalf("Open() = %v", err)
	}
	t.Cleanup(func() { s.Close() })
	if err := s.Migrate(t.Context(), testTables); err != nil {
		t.Fatalf("Migrate() = %v", err)
	}
	return s
}

func insert(s *store.Store, name string) error {
	return s.Update(context.Background(), func(tx *store.Tx) error {
		_, err := tx.Exec(`INSERT INTO items (name) VALUES (?)`, name)
		return err
	})
}

func count(t testing.TB, s *store.Store) (n int) {
	t.Helper()
	err := s.View(t.Context(), func(tx *store.Tx) error {
		return tx.QueryRow(`SELECT count(*) FROM items`).Scan(&n)
	})
	if err != nil {
		t.Fatalf("count: %v", err)
	}
	return n
}

// wantError checks that err is an Error of the store of the kind, and that
// its sentence and its cure hold the words.
func wantError(t *testing.T, err error, kind fringe.Kind, words ...string) {
	t.Helper()
	var e *fringe.Error
	if !errors.As(err, &e) {
		t.Fatalf("err = %v (%T), want a *fringe.Error", err, err)
	}
	if e.Kind != kind || e.Component != fringe.Store {
		t.Errorf("kind, component = %s, %s; want %s, store (%v)", e.Kind, e.Component, kind, err)
	}
	for _, w := range words {
		if !strings.Contains(e.Message+" | "+e.Cure, w) {
			t.Errorf("message %q, cure %q: want %q in it", e.Message, e.Cure, w)
		}
	}
	if e.Cure == "" {
		t.Errorf("no cure in %v", err)
	}
}

func TestUpdate(t *testing.T) {
	path := filepath.Join(t.TempDir(), "fringe.db")
	s := open(t, path)
	t.Run("OK", func(t *testing.T) {
		if err := insert(s, "a"); err != nil {
			t.Fatal(err)
		}
		if n := count(t, s); n != 1 {
			t.Errorf("count = %d, want 1", n)
		}
	})
	t.Run("ErrorUndoes", func(t *testing.T) {
		own := errors.New("own")
		err := s.Update(t.Context(), func(tx *store.Tx) error {
			if _, err := tx.Exec(`INSERT INTO items (name) VALUES ('b')`); err != nil {
				return err
			}
			return own
		})
		if err != own {
			t.Errorf("Update() = %v, want the function's own error", err)
		}
		if n := count(t, s); n != 1 {
			t.Errorf("count = %d, want 1", n)
		}
	})
	t.Run("Constraint", func(t *testing.T) {
		if err := insert(s, "a"); fringe.KindOf(err) != fringe.Conflict {
			t.Errorf("second insert = %v, want Conflict", err)
		}
		if err := insert(s, "refused"); fringe.KindOf(err) != fringe.Conflict {
			t.Errorf("CHECK = %v, want Conflict", err)
		}
	})
	t.Run("PanicUndoes", func(t *testing.T) {
		func() {
			defer func() { recover() }()
			s.Update(t.Context(), func(tx *store.Tx) error {
				tx.Exec(`INSERT INTO items (name) VALUES ('c')`)
				panic("broken")
			})
		}()
		if err := insert(s, "after"); err != nil {
			t.Fatalf("Update after a panic = %v", err)
		}
		if n := count(t, s); n != 2 {
			t.Errorf("count = %d, want 2", n)
		}
	})
	t.Run("ContextEnded", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		called := false
		for range 20 { // the turn is free: either may win
			err := s.Update(ctx, func(*store.Tx) error { called = true; return nil })
			if err != nil && !errors.Is(err, context.Canceled) {
				t.Fatalf("Update() = %v", err)
			}
			if called == (err != nil) {
				t.Fatalf("called = %v with error %v", called, err)
			}
			called = false
		}
	})
	t.Run("ViewCannotWrite", func(t *testing.T) {
		err := s.View(t.Context(), func(tx *store.Tx) error {
			_, err := tx.Exec(`DELETE FROM items`)
			return err
		})
		if err == nil || count(t, s) != 2 {
			t.Errorf("View deleted: %v", err)
		}
	})
	t.Run("Closed", func(t *testing.T) {
		s.Close()
		if err := insert(s, "x"); fringe.KindOf(err) != fringe.Unavailable {
			t.Errorf("Update after Close = %v, want Unavailable", err)
		}
		if n := count(t, open(t, path)); n != 2 {
			t.Errorf("count after reopening = %d, want 2", n)
		}
	})
}

// TestGroup has many callers at once, of which some fail, panic, or go away
// while they wait. Each that was acknowledged is there, and no other.
func TestGroup(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "fringe.db"))
	var wg sync.WaitGroup
	var want atomic.Int64
	for c := range 32 {
		wg.Go(func() {
			for i := range 40 {
				name := fmt.Sprintf("%d-%d", c, i)
				ctx, cancel := context.WithCancel(context.Background())
				switch (c + i) % 4 {
				case 0:
					if insert(s, name) == nil {
						want.Add(1)
					}
				case 1:
					if insert(s, "refused") == nil {
						t.Error("a refused row was acknowledged")
					}
				case 2:
					func() {
						defer func() { recover() }()
						s.Update(ctx, func(tx *store.Tx) error {
							tx.Exec(`INSERT INTO items (name) VALUES (?)`, name)
							panic("broken")
						})
					}()
				case 3:
					time.AfterFunc(time.Duration(i)*20*time.Microsecond, cancel)
					err := s.Update(ctx, func(tx *store.Tx) error {
						_, err := tx.Exec(`INSERT INTO items (name) VALUES (?)`, name)
						return err
					})
					if err == nil {
						want.Add(1)
					}
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
}

func TestMigrate(t *testing.T) {
	path := filepath.Join(t.TempDir(), "fringe.db")
	s := open(t, path)
	two := map[string][]store.Migration{"test": append(testTables["test"][:1:1], store.Migration{Name: "second", SQL: `ALTER TABLE items ADD COLUMN note TEXT; CREATE INDEX items_note ON items (note)`})}
	if err := s.Migrate(t.Context(), two); err != nil {
		t.Fatalf("Migrate(second step) = %v", err)
	}
	if err := s.Migrate(t.Context(), two); err != nil {
		t.Fatalf("Migrate again = %v", err)
	}
	t.Run("NewerStore", func(t *testing.T) {
		wantError(t, s.Migrate(t.Context(), testTables), fringe.Conflict, "newer version", "second")
		wantError(t, s.Migrate(t.Context(), nil), fringe.Conflict, "newer version", "test")
	})
	t.Run("ChangedStep", func(t *testing.T) {
		changed := map[string][]store.Migration{"test": {{Name: "items", SQL: `CREATE TABLE other (x)`}, two["test"][1]}}
		wantError(t, s.Migrate(t.Context(), changed), fringe.Conflict, "differs", "step 1 (items)")
	})
	t.Run("FailedStepUndoesAll", func(t *testing.T) {
		bad := map[string][]store.Migration{"test": two["test"], "a": {{Name: "x", SQL: `CREATE TABLE x (y)`}}, "b": {{Name: "bad", SQL: `CREATE TABL y`}}}
		if err := s.Migrate(t.Context(), bad); err == nil || !strings.Contains(err.Error(), "room b, step 1 (bad)") {
			t.Fatalf("Migrate() = %v, want an error that names room and step", err)
		}
		good := map[string][]store.Migration{"test": two["test"], "a": {{Name: "x", SQL: `CREATE TABLE x (z)`}}}
		if err := s.Migrate(t.Context(), good); err != nil {
			t.Fatalf("Migrate() after a failed one = %v", err)
		}
	})
}

func TestOpenIsQuick(t *testing.T) {
	path := filepath.Join(t.TempDir(), "fringe.db")
	s := open(t, path)
	body := make([]byte, 4000)
	for range 10 {
		err := s.Update(t.Context(), func(tx *store.Tx) error {
			for range 1000 {
				if _, err := tx.Exec(`INSERT INTO items (name, body) VALUES (lower(hex(randomblob(16))), ?)`, body); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	s.Close()
	best := time.Hour
	for range 5 {
		start := time.Now()
		s := open(t, path)
		best = min(best, time.Since(start))
		s.Close()
	}
	t.Logf("opening and migrating a store of 40 MB takes %v", best)
	if best > 30*time.Millisecond {
		t.Errorf("Open takes %v, want less than 30 ms", best)
	}
}

func TestOpenSmallIsQuick(t *testing.T) {
	path := filepath.Join(t.TempDir(), "fringe.db")
	s := open(t, path)
	for range 200 {
		if err := insert(s, fmt.Sprint(time.Now().UnixNano())); err != nil {
			t.Fatal(err)
		}
	}
	s.Close()
	start := time.Now()
	open(t, path).Close()
	t.Logf("opening and migrating a small store takes %v", time.Since(start))
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode of the store = %v (%v), want 0600", info.Mode(), err)
	}
}

func BenchmarkUpdate(b *testing.B) {
	for _, callers := range []int{1, 16, 64} {
		b.Run(fmt.Sprintf("callers=%d", callers), func(b *testing.B) {
			s := open(b, filepath.Join(b.TempDir(), "fringe.db"))
			var next atomic.Int64
			var wg sync.WaitGroup
			b.ResetTimer()
			for range callers {
				wg.Go(func() {
					for {
						n := next.Add(1)
						if n > int64(b.N) {
							return
						}
						if err := insert(s, fmt.Sprint(n)); err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			wg.Wait()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "commits/s")
		})
	}
}

func background() context.Context { return context.Background() }

// TestMigrationIsTold has a store with a new step: it is told before it is
// made, and a new store tells nothing.
func TestMigrationIsTold(t *testing.T) {
	var told strings.Builder
	s, err := store.Open(t.Context(), store.Config{Path: filepath.Join(t.TempDir(), "fringe.db"), Log: slog.New(slog.NewTextHandler(&told, nil))})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	steps := []store.Migration{{Name: "first", SQL: `CREATE TABLE a (x)`}, {Name: "second", SQL: `CREATE TABLE b (x)`}}
	for n, want := range []string{"", "step=second"} {
		if err := s.Migrate(t.Context(), map[string][]store.Migration{"room": steps[:n+1]}); err != nil {
			t.Fatal(err)
		}
		if got := told.String(); (got == "") != (want == "") || !strings.Contains(got, want) {
			t.Errorf("with %d steps the log says %q, want %q", n+1, got, want)
		}
	}
}
