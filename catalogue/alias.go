package catalogue

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"fringe"
	"fringe/store"
)

// Aliases gives the aliases that stand for a version, sorted.
func (c *Catalogue) Aliases(ctx context.Context, name fringe.FunctionName, version string) ([]string, error) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	f, err := c.idx.family(string(name))
	if err != nil {
		return nil, err
	}
	return f.aliasesOf(version), ctx.Err()
}

func (f *family) aliasesOf(version string) []string {
	var out []string
	for _, alias := range sortedKeys(f.aliases) {
		if f.aliases[alias].version.text == version {
			out = append(out, alias)
		}
	}
	return out
}

// SetAlias makes an alias stand for a version, given as a version, a digest or
// another alias. The alias latest moves by itself and cannot be set.
func (c *Catalogue) SetAlias(ctx context.Context, name fringe.FunctionName, alias, version string) error {
	const op = "catalogue.SetAlias"
	if err := checkAlias(op, alias); err != nil {
		return err
	}
	c.publishing.Lock()
	defer c.publishing.Unlock()
	c.mu.RLock()
	r, err := c.idx.find(string(name) + "@" + version)
	c.mu.RUnlock()
	if err != nil {
		return err
	}
	err = c.cfg.Store.Update(ctx, func(tx *store.Tx) error {
		_, err := tx.Exec(`INSERT INTO catalogue_aliases (name, alias, version) VALUES (?, ?, ?)
			ON CONFLICT (name, alias) DO UPDATE SET version = excluded.version`, r.name, alias, r.version.text)
		return err
	})
	if err != nil {
		return fringe.E(op, err)
	}
	c.mu.Lock()
	c.idx.families[r.name].aliases[alias] = r
	c.mu.Unlock()
	return nil
}

func checkAlias(op, alias string) error {
	if alias == latest {
		return &fringe.Error{Op: op, Kind: fringe.Invalid, Component: fringe.Catalogue,
			Message: "the alias latest stands for the highest version and moves by itself", Cure: "use another alias, such as stable"}
	}
	if !aliasRE.MatchString(alias) {
		return &fringe.Error{Op: op, Kind: fringe.Invalid, Component: fringe.Catalogue,
			Message: fmt.Sprintf("%.64q is not an alias", alias), Cure: "use a letter and at most 31 more lower-case letters, digits and hyphens"}
	}
	return nil
}

// RemoveAlias removes an alias; what it stood for stays.
func (c *Catalogue) RemoveAlias(ctx context.Context, name fringe.FunctionName, alias string) error {
	const op = "catalogue.RemoveAlias"
	if err := checkAlias(op, alias); err != nil {
		return err
	}
	c.publishing.Lock()
	defer c.publishing.Unlock()
	c.mu.RLock()
	f, err := c.idx.family(string(name))
	if err == nil && f.aliases[alias] == nil {
		err = notHere(string(name), "%s has no alias %s; it has %s", name, alias, strings.Join(sortedKeys(f.aliases), ", "))
	}
	c.mu.RUnlock()
	if err != nil {
		return err
	}
	err = c.cfg.Store.Update(ctx, func(tx *store.Tx) error {
		_, err := tx.Exec(`DELETE FROM catalogue_aliases WHERE name = ? AND alias = ?`, string(name), alias)
		return err
	})
	if err != nil {
		return fringe.E(op, err)
	}
	c.mu.Lock()
	delete(f.aliases, alias)
	c.mu.Unlock()
	return nil
}

// Unpublish removes a version, and its content when no other version has it. A
// version that an alias other than latest stands for is a Conflict. Calls that
// run already are not stopped; that none does is for the caller to see to. It
// gives the digest that no version has any more, empty when another has it.
func (c *Catalogue) Unpublish(ctx context.Context, ref string) (gone fringe.Digest, err error) {
	const op = "catalogue.Unpublish"
	c.publishing.Lock()
	defer c.publishing.Unlock()
	c.mu.RLock()
	r, err := c.idx.find(ref)
	var aliases []string
	if err == nil {
		aliases = c.idx.families[r.name].aliasesOf(r.version.text)
	}
	c.mu.RUnlock()
	if err != nil {
		return "", err
	}
	if aliases = slices.DeleteFunc(aliases, func(a string) bool { return a == latest }); len(aliases) > 0 {
		return "", &fringe.Error{Op: op, Kind: fringe.Conflict, Component: fringe.Catalogue,
			Message: fmt.Sprintf("the alias %s stands for %s@%s", strings.Join(aliases, ", "), r.name, r.version.text),
			Cure:    "move or remove the alias first: fringe alias"}
	}
	err = c.cfg.Store.Update(ctx, func(tx *store.Tx) error {
		_, err := tx.Exec(`DELETE FROM catalogue_versions WHERE name = ? AND version = ?`, r.name, r.version.text)
		return err
	})
	if err != nil {
		return "", fringe.E(op, err)
	}
	c.mu.Lock()
	c.idx.remove(r)
	c.mu.Unlock()
	c.recent.remove(r)
	if !c.used(r.digest) {
		gone = r.digest
		c.sweep(gone)
	}
	c.cfg.Log.Info("unpublished", "function", r.name+"@"+r.version.text)
	return gone, nil
}

// sweep removes the content of a digest that no version has. The caller holds
// publishing.
func (c *Catalogue) sweep(d fringe.Digest) {
	if c.used(d) {
		return
	}
	if err := c.discard(c.content(d)); err != nil {
		c.cfg.Log.Warn("content not removed", "digest", d, "error", err)
	}
}

// used says whether a version has the content.
func (c *Catalogue) used(d fringe.Digest) bool {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.idx.contents[d] > 0
}
