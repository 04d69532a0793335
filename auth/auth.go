// Package auth says who asks and what they may do: tokens, roles, and the one
// function of permission and audit, Require.
//
// Invariants: a secret is never stored, only its SHA-256; a revoked or expired
// token is worthless at once, and stays so while the process lives, even when
// the clock is set back; authentication of a known token reads no disk.
//
// Stored table: tokens(id, name, role, namespace, hash, created, expires, used).
// Times are nanoseconds since 1970 UTC. Stored file: operator.token in the site's
// directory, mode 0600, the secret of the first operator.
//
// It is used by room gateway, and set up by room server.
package auth

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"fringe"
	"fringe/store"
)

const (
	secretPrefix = "fr_"
	tokenFile    = "operator.token"
	usedEvery    = time.Minute // how stale a token's time of last use may be
)

// Config says where tokens are kept.
type Config struct {
	Store *store.Store
	Log   *slog.Logger     // nil: slog.Default
	Now   func() time.Time // nil: time.Now
}

// Auth knows the tokens.
type Auth struct {
	store  *store.Store
	log    *slog.Logger
	clock  func() time.Time
	latest atomic.Int64 // the latest time that clock gave

	changing sync.Mutex // held from a change of the table to that of known

	mu    sync.RWMutex // guards known
	known map[[sha256.Size]byte]Token
}

// Token is a token without its secret.
type Token struct {
	ID        string
	Name      string
	Role      fringe.Role
	Namespace string // that its principal's work counts for; empty: none
	Created   time.Time
	Expires   time.Time // zero: never
	Used      time.Time // zero: never; up to a minute stale
}

// Migrations are the room's steps of the schema.
func Migrations() []store.Migration {
	return []store.Migration{{Name: "tokens", SQL: `
		CREATE TABLE tokens (
			id      TEXT PRIMARY KEY,
			name    TEXT NOT NULL UNIQUE CHECK (length(name) BETWEEN 1 AND 64),
			role    TEXT NOT NULL CHECK (role IN ('reader', 'caller', 'publisher', 'operator')),
			hash    TEXT NOT NULL UNIQUE CHECK (length(hash) = 64),
			created INTEGER NOT NULL,
			expires INTEGER NOT NULL DEFAULT 0,
			used    INTEGER NOT NULL DEFAULT 0
		) WITHOUT ROWID;`},
		{Name: "namespaces of tokens", SQL: `ALTER TABLE tokens ADD COLUMN namespace TEXT NOT NULL DEFAULT ''`}}
}

// New reads the tokens from an open, migrated store.
func New(cfg Config) (*Auth, error) {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	a := &Auth{store: cfg.Store, log: cfg.Log, clock: cfg.Now, known: map[[sha256.Size]byte]Token{}}
	err := a.store.View(context.Background(), func(tx *store.Tx) error {
		rows, err := tx.Query(`SELECT id, name, role, namespace, hash, created, expires, used FROM tokens`)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			if err := a.remember(rows); err != nil {
				return err
			}
		}
		return rows.Err()
	})
	if err != nil {
		return nil, fringe.E("auth.New", err)
	}
	return a, nil
}

// now gives the time. It never goes back.
func (a *Auth) now() time.Time {
	t := a.clock().UnixNano()
	for {
		last := a.latest.Load()
		if t <= last {
			return time.Unix(0, last)
		}
		if a.latest.CompareAndSwap(last, t) {
			return time.Unix(0, t)
		}
	}
}

func (a *Auth) remember(rows *sql.Rows) error {
	var t Token
	var role, hash string
	var created, expires, used int64
	if err := rows.Scan(&t.ID, &t.Name, &role, &t.Namespace, &hash, &created, &expires, &used); err != nil {
		return err
	}
	t.Role, t.Created, t.Expires, t.Used = fringe.Role(role), moment(created), moment(expires), moment(used)
	b, err := hex.DecodeString(hash)
	if err != nil || len(b) != sha256.Size {
		return fmt.Errorf("the stored hash of the token %q is damaged", t.Name)
	}
	a.known[[sha256.Size]byte(b)] = t
	return nil
}

func moment(ns int64) time.Time {
	if ns == 0 {
		return time.Time{}
	}
	return time.Unix(0, ns).UTC()
}

// Grant says which token to make.
type Grant struct {
	Name      string
	Role      fringe.Role
	Namespace string        // empty: none
	For       time.Duration // until it expires; 0: never
}

// Create makes a token and gives its secret, which is told this once.
func (a *Auth) Create(ctx context.Context, g Grant) (secret string, t Token, err error) {
	const op = "auth.Create"
	if !g.Role.Valid() {
		return "", t, fringe.Errorf(op, fringe.Invalid, "%q is not a role; reader, caller, publisher and operator are", g.Role)
	}
	if !fringe.ValidNamespace(g.Name) {
		return "", t, fringe.Errorf(op, fringe.Invalid, "%q cannot name a token; 1 to 64 letters, digits and ._@- can", g.Name)
	}
	if g.Namespace != "" && !fringe.ValidNamespace(g.Namespace) {
		return "", t, fringe.Errorf(op, fringe.Invalid, "%q cannot name a namespace; 1 to 64 letters, digits and ._@- can", g.Namespace)
	}
	if g.For < 0 {
		return "", t, fringe.Errorf(op, fringe.Invalid, "a token cannot expire before it is made")
	}
	raw := make([]byte, 36)
	rand.Read(raw)
	secret = secretPrefix + hex.EncodeToString(raw[:32])
	hash := sha256.Sum256([]byte(secret))
	t = Token{ID: hex.EncodeToString(raw[32:]), Name: g.Name, Role: g.Role, Namespace: g.Namespace, Created: a.now().UTC()}
	var expires int64
	if g.For > 0 {
		t.Expires = t.Created.Add(g.For)
		expires = t.Expires.UnixNano()
	}
	a.changing.Lock()
	defer a.changing.Unlock()
	err = a.store.Update(ctx, func(tx *store.Tx) error {
		res, err := tx.Exec(`INSERT INTO tokens (id, name, role, namespace, hash, created, expires) VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`,
			t.ID, t.Name, string(t.Role), t.Namespace, hex.EncodeToString(hash[:]), t.Created.UnixNano(), expires)
		if err != nil {
			return err
		}
		if n, err := res.RowsAffected(); err != nil || n != 1 {
			return fringe.Errorf(op, fringe.Conflict, "there is a token named %q already; revoke it first or choose another name", g.Name)
		}
		return nil
	})
	if err != nil {
		return "", t, fringe.E(op, err)
	}
	a.mu.Lock()
	a.known[hash] = t
	a.mu.Unlock()
	a.log.Info("token created", "token", t.ID, "name", t.Name, "role", t.Role, "namespace", t.Namespace, "principal", fringe.PrincipalOf(ctx).Name)
	return secret, t, nil
}

// List gives all tokens, the oldest first.
func (a *Auth) List(ctx context.Context) ([]Token, error) {
	var out []Token
	err := a.store.View(ctx, func(tx *store.Tx) error {
		rows, err := tx.Query(`SELECT hash FROM tokens ORDER BY created, id`)
		if err != nil {
			return err
		}
		defer rows.Close()
		a.mu.RLock()
		defer a.mu.RUnlock()
		for rows.Next() {
			var hash string
			if err := rows.Scan(&hash); err != nil {
				return err
			}
			b, err := hex.DecodeString(hash)
			if err != nil {
				return err
			}
			if t, ok := a.known[[sha256.Size]byte(b)]; ok {
				out = append(out, t)
			}
		}
		return rows.Err()
	})
	if err != nil {
		return nil, fringe.E("auth.List", err)
	}
	return out, nil
}

// Revoke makes the token with the name or id worthless.
func (a *Auth) Revoke(ctx context.Context, nameOrID string) error {
	const op = "auth.Revoke"
	var hash string
	a.changing.Lock()
	defer a.changing.Unlock()
	err := a.store.Update(ctx, func(tx *store.Tx) error {
		err := tx.QueryRow(`SELECT hash FROM tokens WHERE id = ? OR name = ?`, nameOrID, nameOrID).Scan(&hash)
		if errors.Is(err, sql.ErrNoRows) {
			return &fringe.Error{Op: op, Kind: fringe.NotFound, Message: fmt.Sprintf("there is no token %q", nameOrID),
				Cure: "see the tokens with: fringe token list"}
		}
		if err != nil {
			return err
		}
		_, err = tx.Exec(`DELETE FROM tokens WHERE hash = ?`, hash)
		return err
	})
	if err != nil {
		return fringe.E(op, err)
	}
	b, err := hex.DecodeString(hash)
	if err != nil {
		return fringe.E(op, err)
	}
	a.mu.Lock()
	delete(a.known, [sha256.Size]byte(b))
	a.mu.Unlock()
	a.log.Info("token revoked", "token", nameOrID, "principal", fringe.PrincipalOf(ctx).Name)
	return nil
}

// Authenticate says whose secret it is. An unknown, revoked or expired one is
// fringe.Unknown. Secrets are looked up by their hash, so that the time taken
// tells nothing of them.
func (a *Auth) Authenticate(ctx context.Context, secret string) (fringe.Principal, error) {
	const op = "auth.Authenticate"
	if secret == "" {
		return fringe.Principal{}, &fringe.Error{Op: op, Kind: fringe.Unknown, Message: "the request carries no token",
			Cure: "send Authorization: Bearer TOKEN; an operator makes tokens with: fringe token create NAME"}
	}
	hash := sha256.Sum256([]byte(secret))
	a.mu.RLock()
	t, ok := a.known[hash]
	a.mu.RUnlock()
	now := a.now()
	if !ok || !t.Expires.IsZero() && now.After(t.Expires) {
		return fringe.Principal{}, &fringe.Error{Op: op, Kind: fringe.Unknown, Message: "the token is not known here, or has expired or been revoked",
			Cure: "ask an operator for a new one: fringe token create NAME"}
	}
	if now.Sub(t.Used) > usedEvery {
		a.markUsed(ctx, hash, now)
	}
	return fringe.Principal{Name: t.Name, Role: t.Role, Namespace: t.Namespace}, nil
}

// markUsed notes when a token was last used. It is a note only: a failure is
// logged.
func (a *Auth) markUsed(ctx context.Context, hash [sha256.Size]byte, now time.Time) {
	a.mu.Lock()
	t, ok := a.known[hash]
	ok = ok && now.Sub(t.Used) > usedEvery // else another call has noted it
	if ok {
		t.Used = now.UTC()
		a.known[hash] = t
	}
	a.mu.Unlock()
	if !ok {
		return
	}
	err := a.store.Update(context.WithoutCancel(ctx), func(tx *store.Tx) error {
		_, err := tx.Exec(`UPDATE tokens SET used = ? WHERE id = ?`, now.UnixNano(), t.ID)
		return err
	})
	if err != nil {
		a.log.Warn("use of a token not noted", "token", t.ID, "err", err)
	}
}

// Require is the one place where a principal's right to do something is
// decided. Refusals are logged, and so is what publishers and operators do.
// The caller must not go on after an error.
func (a *Auth) Require(ctx context.Context, op string, want fringe.Role) error {
	p := fringe.PrincipalOf(ctx)
	if p.Role.Includes(want) {
		if want.Includes(fringe.Publisher) {
			a.log.Info("allowed", "op", op, "principal", p.Name, "role", p.Role, "needs", want)
		}
		return nil
	}
	a.log.Warn("denied", "op", op, "principal", p.Name, "role", p.Role, "needs", want)
	return &fringe.Error{Op: "auth.Require", Kind: fringe.Denied,
		Message: fmt.Sprintf("%s needs the role %s; the token %q has the role %s", op, want, p.Name, p.Role),
		Cure:    fmt.Sprintf("ask an operator for a token: fringe token create NAME --role %s", want)}
}

// Bootstrap makes the first operator's token, in dir/operator.token with mode
// 0600, when no token of that name exists. A token whose file is lost is made
// anew.
func (a *Auth) Bootstrap(ctx context.Context, dir string) error {
	const op = "auth.Bootstrap"
	const name = "operator"
	path := filepath.Join(dir, tokenFile)
	if b, err := os.ReadFile(path); err == nil {
		if _, err := a.Authenticate(ctx, strings.TrimSpace(string(b))); err == nil {
			return nil
		}
	}
	if err := a.Revoke(ctx, name); err != nil && fringe.KindOf(err) != fringe.NotFound {
		return fringe.E(op, err)
	}
	secret, _, err := a.Create(ctx, Grant{Name: name, Role: fringe.Operator})
	if err != nil {
		return fringe.E(op, err)
	}
	tmp := path + ".new"
	if err := os.WriteFile(tmp, []byte(secret+"\n"), 0o600); err != nil {
		return fringe.E(op, err)
	}
	if err := os.Rename(tmp, path); err != nil {
		return fringe.E(op, err)
	}
	return nil
}
