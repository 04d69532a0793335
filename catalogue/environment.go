package catalogue

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"fringe"
	"fringe/store"
)

// environmentRow is an environment as it is stored: with its places on this
// machine, which do not cross the wire.
type environmentRow struct {
	Environment fringe.Environment `json:"environment"`
	Root        string             `json:"root,omitempty"`
	Layers      []string           `json:"layers,omitempty"`
	Venv        string             `json:"venv,omitempty"`
	Modules     string             `json:"modules,omitempty"`
	LogPath     string             `json:"logPath,omitempty"`
}

func readEnvironments(tx *store.Tx, x *index) error {
	rows, err := tx.Query(`SELECT environment FROM catalogue_environments`)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var doc string
		var row environmentRow
		if err := rows.Scan(&doc); err != nil {
			return err
		}
		if err := json.Unmarshal([]byte(doc), &row); err != nil {
			return err
		}
		e := row.Environment
		e.Root, e.Layers, e.Venv, e.Modules, e.LogPath = row.Root, row.Layers, row.Venv, row.Modules, row.LogPath
		x.environments[e.Name] = e
	}
	return rows.Err()
}

// PutEnvironment makes a name stand for a built environment from now on. The
// former one stays in the history.
func (c *Catalogue) PutEnvironment(ctx context.Context, env fringe.Environment) error {
	const op = "catalogue.PutEnvironment"
	if !functionRE.MatchString(string(env.Name)) || env.Digest == "" {
		return fringe.Errorf(op, fringe.Invalid, "%q with the digest %q is not a built environment", env.Name, env.Digest)
	}
	doc, err := json.Marshal(environmentRow{env, env.Root, env.Layers, env.Venv, env.Modules, env.LogPath})
	if err != nil {
		return fringe.E(op, err)
	}
	c.publishing.Lock()
	defer c.publishing.Unlock()
	old, had := c.lookup(env.Name)
	err = c.cfg.Store.Update(ctx, func(tx *store.Tx) error {
		if _, err := tx.Exec(`INSERT INTO catalogue_environments (name, digest, environment) VALUES (?, ?, ?)
			ON CONFLICT (name) DO UPDATE SET digest = excluded.digest, environment = excluded.environment`,
			string(env.Name), string(env.Digest), string(doc)); err != nil || had && old.Digest == env.Digest {
			return err
		}
		_, err := tx.Exec(`INSERT INTO catalogue_environment_history (name, since, digest)
			VALUES (?1, max(?2, coalesce((SELECT max(since) + 1 FROM catalogue_environment_history WHERE name = ?1), 0)), ?3)`,
			string(env.Name), time.Now().UnixMilli(), string(env.Digest))
		return err
	})
	if err != nil {
		return fringe.E(op, err)
	}
	c.mu.Lock()
	c.idx.environments[env.Name] = env
	c.mu.Unlock()
	return nil
}

func (c *Catalogue) lookup(name fringe.EnvironmentName) (fringe.Environment, bool) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	e, ok := c.idx.environments[name]
	return e, ok
}

// host is the environment of functions that name none: the programs of this
// machine as they are.
func host() fringe.Environment {
	sum := sha256.Sum256([]byte("fringe: the host's own root"))
	return fringe.Environment{Digest: fringe.Digest("sha256:" + hex.EncodeToString(sum[:])), Contract: fringe.Exec}
}

// Environment gives the environment that a name stands for now. The empty name
// stands for this machine's own programs.
func (c *Catalogue) Environment(ctx context.Context, name fringe.EnvironmentName) (fringe.Environment, error) {
	if name == "" {
		return host(), ctx.Err()
	}
	if e, ok := c.lookup(name); ok {
		return e, ctx.Err()
	}
	c.mu.RLock()
	defer c.mu.RUnlock()
	e := &fringe.Error{Op: "catalogue.Environment", Kind: fringe.NotFound, Component: fringe.Catalogue,
		Message: fmt.Sprintf("there is no environment %.64q here", name), Cure: "build it: fringe env build PATH"}
	if names := c.idx.environmentNames(); names != nil {
		e.Message += "; there are " + strings.Join(names, ", ")
	}
	return fringe.Environment{}, e
}

func (x *index) environmentNames() []string {
	var out []string
	for name := range x.environments {
		out = append(out, string(name))
	}
	slices.Sort(out)
	return out
}

// Environments gives the environments that names stand for now, by name.
func (c *Catalogue) Environments(ctx context.Context) ([]fringe.Environment, error) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	var out []fringe.Environment
	for _, name := range c.idx.environmentNames() {
		out = append(out, c.idx.environments[fringe.EnvironmentName(name)])
	}
	return out, ctx.Err()
}

// RemoveEnvironment forgets a name and its history. It is a Conflict while
// functions use it. What was built stays; room build removes it.
func (c *Catalogue) RemoveEnvironment(ctx context.Context, name fringe.EnvironmentName) error {
	const op = "catalogue.RemoveEnvironment"
	c.publishing.Lock()
	defer c.publishing.Unlock()
	if _, ok := c.lookup(name); !ok || name == "" {
		_, err := c.Environment(ctx, name)
		if err == nil {
			err = fringe.Errorf(op, fringe.Invalid, "name the environment to remove")
		}
		return err
	}
	if users := c.usersOf(name); users != nil {
		return &fringe.Error{Op: op, Kind: fringe.Conflict, Component: fringe.Catalogue,
			Message: fmt.Sprintf("the environment %s is used by %s", name, strings.Join(users, ", ")), Cure: "unpublish these first"}
	}
	err := c.cfg.Store.Update(ctx, func(tx *store.Tx) error {
		if _, err := tx.Exec(`DELETE FROM catalogue_environments WHERE name = ?`, string(name)); err != nil {
			return err
		}
		_, err := tx.Exec(`DELETE FROM catalogue_environment_history WHERE name = ?`, string(name))
		return err
	})
	if err != nil {
		return fringe.E(op, err)
	}
	c.mu.Lock()
	delete(c.idx.environments, name)
	c.mu.Unlock()
	return nil
}

// usersOf names up to eight versions that use an environment.
func (c *Catalogue) usersOf(name fringe.EnvironmentName) []string {
	c.mu.RLock()
	defer c.mu.RUnlock()
	var out []string
	for _, n := range c.idx.names {
		for _, r := range c.idx.families[n].releases {
			if r.environment != name {
				continue
			}
			if len(out) == 8 {
				return append(out, "…")
			}
			out = append(out, r.name+"@"+r.version.text)
		}
	}
	return out
}

// Past is what an environment's name stood for.
type Past struct {
	Digest fringe.Digest
	Since  time.Time // UTC
}

// EnvironmentHistory gives what a name stood for, the newest first.
func (c *Catalogue) EnvironmentHistory(ctx context.Context, name fringe.EnvironmentName) ([]Past, error) {
	const op = "catalogue.EnvironmentHistory"
	if _, err := c.Environment(ctx, name); err != nil {
		return nil, err
	}
	var out []Past
	err := c.cfg.Store.View(ctx, func(tx *store.Tx) error {
		rows, err := tx.Query(`SELECT digest, since FROM catalogue_environment_history WHERE name = ? ORDER BY since DESC`, string(name))
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var p Past
			var since int64
			if err := rows.Scan(&p.Digest, &since); err != nil {
				return err
			}
			p.Since = time.UnixMilli(since).UTC()
			out = append(out, p)
		}
		return rows.Err()
	})
	if err != nil {
		return nil, fringe.E(op, err)
	}
	return out, nil
}
