package catalogue

import (
	"cmp"
	"context"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"

	"fringe"
	"fringe/store"
)

// Query asks for a page of the functions.
type Query struct {
	Text   string // words that must all be in the name, the keywords or the summary; empty: all
	Limit  int    // of the page; 0: 50; at most 1000
	Cursor string // what the former page gave; empty: the first page
}

// hit is a function that was found.
type hit struct {
	score int
	r     *release
}

// compare orders hits: the best first, then by name.
func (h hit) compare(o hit) int {
	return cmp.Or(cmp.Compare(o.score, h.score), strings.Compare(h.r.name, o.r.name))
}

// Search gives the latest versions of the functions that match, the best first
// and without their Tool, and the cursor of the next page, which is empty at
// the end. A function whose latest version changes meanwhile may be missed by
// the pages that follow, or come again.
func (c *Catalogue) Search(ctx context.Context, q Query) ([]*Version, string, error) {
	const op = "catalogue.Search"
	limit := q.Limit
	if limit <= 0 {
		limit = 50
	}
	limit = min(limit, 1000)
	var after hit
	if q.Cursor != "" {
		raw, err := base64.RawURLEncoding.DecodeString(q.Cursor)
		after.r = &release{}
		if n, _ := fmt.Sscanf(string(raw), "%d %s", &after.score, &after.r.name); err != nil || n != 2 {
			return nil, "", fringe.Errorf(op, fringe.Invalid, "the cursor %.100q is none that a page has given", q.Cursor)
		}
	}
	terms := strings.Fields(strings.ToLower(q.Text))
	if len(terms) > 16 {
		return nil, "", fringe.Errorf(op, fringe.Invalid, "the search has %d words; at most 16 are taken", len(terms))
	}
	hits := c.match(terms, after)
	next := ""
	if len(hits) > limit {
		hits = hits[:limit]
		last := hits[limit-1]
		next = base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, "%d %s", last.score, last.r.name))
	}
	found, err := c.fetch(ctx, hits)
	if err != nil {
		return nil, "", fringe.E(op, err)
	}
	return found, next, nil
}

// match gives the functions that match, in order, from after on.
func (c *Catalogue) match(terms []string, after hit) []hit {
	c.mu.RLock()
	defer c.mu.RUnlock()
	var hits []hit
	for _, name := range c.idx.names {
		r := c.idx.families[name].aliases[latest]
		h := hit{score(r, terms), r}
		if h.score > 0 && (after.r == nil || h.compare(after) > 0) {
			hits = append(hits, h)
		}
	}
	if len(terms) > 0 { // without terms they come by name already
		slices.SortFunc(hits, hit.compare)
	}
	return hits
}

// score says how well a release matches; 0 when a term is nowhere in it. The
// name counts more than a keyword, and that more than the summary.
func score(r *release, terms []string) int {
	sum := 1
	for _, t := range terms {
		best := 0
		switch {
		case r.name == t:
			best = 100
		case strings.HasPrefix(r.name, t):
			best = 80
		case strings.Contains(r.name, t):
			best = 60
		}
		for _, k := range r.keywords {
			if k == t {
				best = max(best, 50)
			} else if strings.Contains(k, t) {
				best = max(best, 30)
			}
		}
		switch {
		case best > 0:
		case strings.Contains(r.summary, " "+t):
			best = 20
		case strings.Contains(r.summary, t):
			best = 10
		}
		if best == 0 {
			return 0
		}
		sum += best
	}
	return sum
}

// fetch reads the versions of the hits, in their order. One that is unpublished
// meanwhile is left out.
func (c *Catalogue) fetch(ctx context.Context, hits []hit) ([]*Version, error) {
	found := map[string]*Version{}
	err := c.cfg.Store.View(ctx, func(tx *store.Tx) error {
		for chunk := range slices.Chunk(hits, 100) {
			if err := c.fetchTx(tx, chunk, found); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	var out []*Version
	for _, h := range hits {
		if v := found[h.r.name]; v != nil {
			out = append(out, v)
		}
	}
	return out, nil
}

func (c *Catalogue) fetchTx(tx *store.Tx, hits []hit, found map[string]*Version) error {
	var args []any
	for _, h := range hits {
		args = append(args, h.r.name, h.r.version.text)
	}
	places := strings.TrimSuffix(strings.Repeat("(?, ?), ", len(hits)), ", ")
	rows, err := tx.Query(strings.Replace(versionColumns, "interface", "NULL", 1)+` WHERE (name, version) IN (VALUES `+places+`)`, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var row versionRow
		if err := row.scan(rows); err != nil {
			return err
		}
		v, err := row.version(c)
		if err != nil {
			return err
		}
		found[string(v.Name)] = v
	}
	return rows.Err()
}
