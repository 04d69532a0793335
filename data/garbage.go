package data

import (
	"context"
	"strings"
	"sync"
	"time"

	"fringe"
	"fringe/store"
)

// Collection says what Collect removes: of the products of calls and the
// copies of URLs that no kept job names, those that the fields choose.
type Collection struct {
	Owner  string        // of the datasets; empty: anybody
	Older  time.Duration // only what was made longer ago than this
	Keep   int64         // stop, the oldest going first, once the owner's data takes no more bytes; negative: remove all that are chosen
	Named  bool          // also what jobs name that have ended
	DryRun bool          // remove nothing
}

// JobNames is what one kept job names.
type JobNames struct {
	Job   fringe.CallID
	Ended bool
	Maker fringe.CallID // whose products answer it; empty: its own
	Names []string      // datasets among its inputs and outputs, by name or by path
}

// Jobs tells what each kept job names; it stops at the first error of see.
type Jobs func(ctx context.Context, see func(JobNames) error) error

// Why a dataset is garbage.
const (
	NotNamed     = "no job names it"
	NamedByEnded = "only jobs that have ended name it"
)

// Garbage is a dataset that was removed, or would be.
type Garbage struct {
	fringe.Dataset
	Why string
}

// Collected is what a collection did.
type Collected struct {
	Removed []Garbage // the oldest first
	Bytes   int64     // that they took
	Left    int64     // bytes that the owner's data takes after it
}

// Collect removes garbage. What a person added stays, what a job that has not
// ended names or has made stays, and so does what a call has asked for within
// the last hour.
func (d *Data) Collect(ctx context.Context, c Collection, jobs Jobs) (Collected, error) {
	const op = "data.Collect"
	candidates, used, err := d.candidates(ctx, c.Owner)
	if err != nil {
		return Collected{}, viewError(op, err)
	}
	keep, err := reached(ctx, candidates, jobs)
	if err != nil {
		return Collected{}, viewError(op, err)
	}
	out := Collected{Left: used}
	before := d.clock().Add(-c.Older)
	for _, s := range candidates {
		name := s.DID.String()
		n := keep[name]
		switch {
		case c.Keep >= 0 && out.Left <= c.Keep, !s.Created.Before(before):
			return out, nil // those that follow are younger
		case n == open, n == ended && !c.Named, d.recent.has(name, d.clock()):
			continue
		}
		g := Garbage{s, NotNamed}
		if n == ended {
			g.Why = NamedByEnded
		}
		if !c.DryRun {
			if err := d.Remove(ctx, s.DID); err != nil && fringe.KindOf(err) != fringe.NotFound {
				return out, viewError(op, err)
			}
		}
		out.Removed = append(out.Removed, g)
		out.Bytes += s.Size
		out.Left -= s.Size
	}
	return out, nil
}

// candidates gives products and copies of URLs, the oldest first, and what the
// owner's data takes in all.
func (d *Data) candidates(ctx context.Context, owner string) (found []fringe.Dataset, used int64, err error) {
	err = d.store.View(ctx, func(tx *store.Tx) error {
		if err := tx.QueryRow(`SELECT coalesce(sum(used), 0) FROM data_owners WHERE ?1 = '' OR owner = ?1`, owner).Scan(&used); err != nil {
			return err
		}
		rows, err := tx.Query(`SELECT `+columns+` FROM datasets WHERE owned = 1 AND scope IN (?, ?) AND (?3 = '' OR owner = ?3) ORDER BY created, did`,
			productScope, cacheScope, owner)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			s, err := d.scan(rows)
			if err != nil {
				return err
			}
			found = append(found, s)
		}
		return rows.Err()
	})
	return found, used, err
}

// naming says who names a dataset.
type naming int

const (
	nobody naming = iota
	ended         // jobs that have ended
	open          // a job that has not
)

// reached says of each candidate who names it.
func reached(ctx context.Context, candidates []fringe.Dataset, jobs Jobs) (map[string]naming, error) {
	names := make(map[string]naming, len(candidates))
	made, at := map[fringe.CallID][]string{}, map[string]string{}
	for _, s := range candidates {
		names[s.DID.String()], at[s.Path] = nobody, s.DID.String()
		if s.Call != "" {
			made[s.Call] = append(made[s.Call], s.DID.String())
		}
	}
	makers, unknown := map[string]fringe.CallID{}, map[string]naming{} // of products that are known by another job's name too
	err := jobs(ctx, func(j JobNames) error {
		by := open
		if j.Ended {
			by = ended
		}
		if j.Maker != "" {
			makers[string(j.Job)] = j.Maker
		}
		for _, list := range [][]string{j.Names, made[j.Job]} {
			for _, n := range list {
				if did, ok := at[n]; ok {
					n = did
				}
				if had, ok := names[n]; ok {
					names[n] = max(had, by)
				} else if strings.HasPrefix(n, productScope+":") {
					unknown[n] = max(unknown[n], by)
				}
			}
		}
		return ctx.Err()
	})
	for n, by := range unknown {
		call, output, _ := strings.Cut(strings.TrimPrefix(n, productScope+":"), "/")
		n = productScope + ":" + string(makers[call]) + "/" + output
		if had, ok := names[n]; ok {
			names[n] = max(had, by)
		}
	}
	return names, err
}

const recently = time.Hour

// recent remembers which datasets were asked for within the last hour, or up
// to two: a call that is about to name one must find it.
type recent struct {
	mu       sync.Mutex // guards all below
	now, old map[string]bool
	turned   time.Time
}

func (r *recent) turn(at time.Time) {
	if r.now == nil || at.Sub(r.turned) > recently {
		if at.Sub(r.turned) > 2*recently {
			r.now = nil
		}
		r.old, r.now, r.turned = r.now, map[string]bool{}, at
	}
}

func (r *recent) note(name string, at time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.turn(at)
	r.now[name] = true
}

func (r *recent) has(name string, at time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.turn(at)
	return r.now[name] || r.old[name]
}
