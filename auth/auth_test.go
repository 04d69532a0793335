package auth_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"fringe"
	"fringe/auth"
	"fringe/store"
)

type clock struct{ now time.Time }

func open(t *testing.T, dir string, c *clock, log *bytes.Buffer) *auth.Auth {
	t.Helper()
	ctx := context.Background()
	s, err := store.Open(ctx, store.Config{Path: filepath.Join(dir, "fringe.db")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	if err := s.Migrate(ctx, map[string][]store.Migration{"auth": auth.Migrations()}); err != nil {
		t.Fatal(err)
	}
	a, err := auth.New(auth.Config{Store: s, Log: slog.New(slog.NewTextHandler(log, nil)), Now: func() time.Time { return c.now }})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func fresh() *clock { return &clock{time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)} }

func TestTokenIsGoodUntilRevoked(t *testing.T) {
	ctx := context.Background()
	a := open(t, t.TempDir(), fresh(), &bytes.Buffer{})
	secret, _, err := a.Create(ctx, auth.Grant{Name: "alice", Role: fringe.Caller})
	if err != nil {
		t.Fatal(err)
	}
	if p, err := a.Authenticate(ctx, secret); err != nil || p != (fringe.Principal{Name: "alice", Role: fringe.Caller}) {
		t.Errorf("Authenticate() = %v, %v", p, err)
	}
	if err := a.Revoke(ctx, "alice"); err != nil {
		t.Fatal(err)
	}
	if _, err := a.Authenticate(ctx, secret); fringe.KindOf(err) != fringe.Unknown {
		t.Errorf("Authenticate() after Revoke = %v, want unknown", err)
	}
	if err := a.Revoke(ctx, "alice"); fringe.KindOf(err) != fringe.NotFound {
		t.Errorf("second Revoke() = %v, want not found", err)
	}
}

func TestTokensOutliveARestartAndSecretsAreNotStored(t *testing.T) {
	ctx := context.Background()
	dir := t.TempDir()
	secret, tok, err := open(t, dir, fresh(), &bytes.Buffer{}).Create(ctx, auth.Grant{Name: "bob", Role: fringe.Publisher})
	if err != nil {
		t.Fatal(err)
	}
	b := open(t, dir, fresh(), &bytes.Buffer{})
	if p, err := b.Authenticate(ctx, secret); err != nil || p.Role != fringe.Publisher {
		t.Errorf("Authenticate() after a restart = %v, %v", p, err)
	}
	if list, err := b.List(ctx); err != nil || len(list) != 1 || list[0].ID != tok.ID || list[0].Used.IsZero() {
		t.Errorf("List() = %+v, %v, want bob's token with its last use", list, err)
	}
	for _, name := range []string{"fringe.db", "fringe.db-wal"} {
		if doc, err := os.ReadFile(filepath.Join(dir, name)); err == nil && bytes.Contains(doc, []byte(secret[3:])) {
			t.Errorf("%s holds the secret", name)
		}
	}
}

// A token keeps its namespace; one that was made before there were any has none.
func TestNamespace(t *testing.T) {
	ctx, dir := t.Context(), t.TempDir()
	old, err := store.Open(ctx, store.Config{Path: filepath.Join(dir, "fringe.db")})
	if err != nil {
		t.Fatal(err)
	}
	if err := old.Migrate(ctx, map[string][]store.Migration{"auth": auth.Migrations()[:1]}); err != nil {
		t.Fatal(err)
	}
	hash := sha256.Sum256([]byte("fr_old"))
	if err := old.Update(ctx, func(tx *store.Tx) error {
		_, err := tx.Exec(`INSERT INTO tokens (id, name, role, hash, created) VALUES ('1', 'old', 'caller', ?, 1)`, hex.EncodeToString(hash[:]))
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if err := old.Close(); err != nil {
		t.Fatal(err)
	}
	a := open(t, dir, fresh(), &bytes.Buffer{})
	secret, tok, err := a.Create(ctx, auth.Grant{Name: "ada", Role: fringe.Caller, Namespace: "m87"})
	if err != nil || tok.Namespace != "m87" {
		t.Fatalf("Create() = %+v, %v", tok, err)
	}
	for _, bad := range []string{"a/b", "a b", "ä", strings.Repeat("x", 65), "a\n"} {
		if _, _, err := a.Create(ctx, auth.Grant{Name: "x", Role: fringe.Caller, Namespace: bad}); fringe.KindOf(err) != fringe.Invalid {
			t.Errorf("Create(%q) = %v, want invalid", bad, err)
		}
	}
	a = open(t, dir, fresh(), &bytes.Buffer{})
	if p, err := a.Authenticate(ctx, secret); err != nil || p.Namespace != "m87" || !p.Uses("m87") || p.Uses("") || p.Uses("m31") {
		t.Errorf("Authenticate(ada) = %+v, %v, want the namespace m87 and no other", p, err)
	}
	if p, err := a.Authenticate(ctx, "fr_old"); err != nil || p.Namespace != "" || p.Role != fringe.Caller || p.Uses("m87") {
		t.Errorf("Authenticate(old) = %+v, %v, want a caller without a namespace", p, err)
	}
}

func TestExpiry(t *testing.T) {
	ctx := context.Background()
	c := fresh()
	a := open(t, t.TempDir(), c, &bytes.Buffer{})
	secret, _, err := a.Create(ctx, auth.Grant{Name: "guest", Role: fringe.Reader, For: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	c.now = c.now.Add(-24 * time.Hour) // the clock goes back: still good
	if _, err := a.Authenticate(ctx, secret); err != nil {
		t.Errorf("Authenticate() before the expiry = %v", err)
	}
	c.now = c.now.Add(48 * time.Hour)
	if _, err := a.Authenticate(ctx, secret); fringe.KindOf(err) != fringe.Unknown {
		t.Errorf("Authenticate() after the expiry = %v, want unknown", err)
	}
}

func TestRequireTellsBothRolesAndIsLogged(t *testing.T) {
	var log bytes.Buffer
	a := open(t, t.TempDir(), fresh(), &log)
	ctx := fringe.WithPrincipal(context.Background(), fringe.Principal{Name: "alice", Role: fringe.Caller})
	if err := a.Require(ctx, "call", fringe.Caller); err != nil {
		t.Errorf("Require(caller) = %v", err)
	}
	err := a.Require(ctx, "publish", fringe.Publisher)
	if fringe.KindOf(err) != fringe.Denied || !strings.Contains(err.Error(), "publisher") || !strings.Contains(err.Error(), "caller") {
		t.Errorf("Require(publisher) = %v, want denied with both roles", err)
	}
	if !strings.Contains(log.String(), "denied") || !strings.Contains(log.String(), "alice") {
		t.Errorf("the refusal is not in the log: %s", log.String())
	}
	if err := a.Require(context.Background(), "look", fringe.Reader); fringe.KindOf(err) != fringe.Denied {
		t.Errorf("Require() of nobody = %v, want denied", err)
	}
}

func TestBadTokens(t *testing.T) {
	ctx := context.Background()
	a := open(t, t.TempDir(), fresh(), &bytes.Buffer{})
	if _, _, err := a.Create(ctx, auth.Grant{Name: "alice", Role: fringe.Caller}); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		role fringe.Role
		want fringe.Kind
	}{{"alice", fringe.Caller, fringe.Conflict}, {"bob", "king", fringe.Invalid}, {"", fringe.Caller, fringe.Invalid},
		{"a b", fringe.Caller, fringe.Invalid}, {strings.Repeat("x", 65), fringe.Caller, fringe.Invalid}} {
		if _, _, err := a.Create(ctx, auth.Grant{Name: c.name, Role: c.role}); fringe.KindOf(err) != c.want {
			t.Errorf("Create(%q, %q) = %v, want %s", c.name, c.role, err, c.want)
		}
	}
	for _, secret := range []string{"", "fr_", "x", strings.Repeat("y", 1<<20)} {
		if _, err := a.Authenticate(ctx, secret); fringe.KindOf(err) != fringe.Unknown {
			t.Errorf("Authenticate(%.10q) = %v, want unknown", secret, err)
		}
	}
}

func TestBootstrap(t *testing.T) {
	ctx := context.Background()
	dir := t.TempDir()
	a := open(t, dir, fresh(), &bytes.Buffer{})
	path := filepath.Join(dir, "operator.token")
	read := func() string {
		t.Helper()
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return strings.TrimSpace(string(b))
	}
	if err := a.Bootstrap(ctx, dir); err != nil {
		t.Fatal(err)
	}
	first := read()
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file's mode is %v, %v, want 0600", info.Mode(), err)
	}
	if p, err := a.Authenticate(ctx, first); err != nil || p.Role != fringe.Operator {
		t.Errorf("Authenticate() = %v, %v, want an operator", p, err)
	}
	if err := a.Bootstrap(ctx, dir); err != nil || read() != first {
		t.Errorf("a second Bootstrap() changed the token: %v", err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := a.Bootstrap(ctx, dir); err != nil {
		t.Fatal(err)
	}
	if _, err := a.Authenticate(ctx, first); fringe.KindOf(err) != fringe.Unknown {
		t.Errorf("the lost token = %v, want unknown", err)
	}
	if _, err := a.Authenticate(ctx, read()); err != nil {
		t.Errorf("the new token = %v", err)
	}
}

func TestExpiredStaysExpiredWhenTheClockIsSetBack(t *testing.T) {
	ctx := context.Background()
	c := fresh()
	a := open(t, t.TempDir(), c, &bytes.Buffer{})
	secret, _, err := a.Create(ctx, auth.Grant{Name: "alice", Role: fringe.Caller, For: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	c.now = c.now.Add(-24 * time.Hour)
	if _, err := a.Authenticate(ctx, secret); err != nil {
		t.Errorf("Authenticate() with a clock before the token's creation = %v", err)
	}
	c.now = c.now.Add(26 * time.Hour)
	if _, err := a.Authenticate(ctx, secret); fringe.KindOf(err) != fringe.Unknown {
		t.Errorf("Authenticate() after expiry = %v, want unknown", err)
	}
	c.now = c.now.Add(-3 * time.Hour)
	if _, err := a.Authenticate(ctx, secret); fringe.KindOf(err) != fringe.Unknown {
		t.Errorf("Authenticate() with the clock set back = %v, want unknown", err)
	}
}

func TestWhatPublishersDoIsLogged(t *testing.T) {
	var log bytes.Buffer
	a := open(t, t.TempDir(), fresh(), &log)
	ctx := fringe.WithPrincipal(context.Background(), fringe.Principal{Name: "pat", Role: fringe.Operator})
	for _, want := range []fringe.Role{fringe.Caller, fringe.Publisher} {
		if err := a.Require(ctx, "catalogue.Publish", want); err != nil {
			t.Fatal(err)
		}
	}
	if got := log.String(); strings.Count(got, "op=catalogue.Publish") != 1 || !strings.Contains(got, "principal=pat") {
		t.Errorf("the log says %q, want one line of who published", got)
	}
	if err := a.Require(context.Background(), "jobs.Get", fringe.Reader); fringe.KindOf(err) != fringe.Denied {
		t.Errorf("Require() of nobody = %v, want denied", err)
	}
}

// TestManyAtOnce has callers, and operators that make and revoke tokens, at
// the same time. A revoked token is refused from the moment Revoke returns.
func TestManyAtOnce(t *testing.T) {
	ctx := context.Background()
	a := open(t, t.TempDir(), fresh(), &bytes.Buffer{})
	steady, _, err := a.Create(ctx, auth.Grant{Name: "steady", Role: fringe.Caller})
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 50 {
				if secret, _, err := a.Create(ctx, auth.Grant{Name: "shared", Role: fringe.Reader}); err == nil {
					if err := a.Revoke(ctx, "shared"); err != nil && fringe.KindOf(err) != fringe.NotFound {
						t.Error(err)
					}
					if _, err := a.Authenticate(ctx, secret); fringe.KindOf(err) != fringe.Unknown {
						t.Errorf("Authenticate() of a revoked token = %v", err)
					}
				} else if fringe.KindOf(err) != fringe.Conflict {
					t.Error(err)
				}
				if _, err := a.Authenticate(ctx, steady); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if list, err := a.List(ctx); err != nil || len(list) != 1 {
		t.Errorf("List() = %v, %v, want the one token that stays", list, err)
	}
}

func BenchmarkAuthenticate(b *testing.B) {
	s, err := store.Open(b.Context(), store.Config{Path: filepath.Join(b.TempDir(), "fringe.db")})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	if err := s.Migrate(b.Context(), map[string][]store.Migration{"auth": auth.Migrations()}); err != nil {
		b.Fatal(err)
	}
	a, err := auth.New(auth.Config{Store: s, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		b.Fatal(err)
	}
	secret, _, err := a.Create(b.Context(), auth.Grant{Name: "alice", Role: fringe.Caller})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := a.Authenticate(b.Context(), secret); err != nil {
			b.Fatal(err)
		}
	}
}
