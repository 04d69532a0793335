package store

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"sort"
	"time"

	"fringe"
)

// Migration is one step of a room's schema. Steps are applied in the order of
// the room's list and never change once released: a new need is a new step at
// the end.
type Migration struct {
	Name string // what it does, in a few words
	SQL  string // one or several statements
}

// checksum identifies the step's statements.
func (m Migration) checksum() string {
	sum := sha256.Sum256([]byte(m.SQL))
	return hex.EncodeToString(sum[:])
}

// applied is a migration as the store recorded it.
type applied struct{ name, checksum string }

// Migrate brings the tables of the rooms up to their lists, all in one
// transaction, and records each step with its checksum. It refuses a store
// that has steps which the lists do not have (it was written by a newer
// program) and one whose recorded steps differ. Rooms are taken in the order
// of their names, so a room's tables cannot refer to those of another.
func (s *Store) Migrate(ctx context.Context, rooms map[string][]Migration) error {
	const op = "store.Migrate"
	var had map[string][]applied
	err := s.View(ctx, func(tx *Tx) (err error) {
		had, err = recorded(tx)
		return err
	})
	if err != nil {
		return fringe.E(op, err)
	}
	names := make([]string, 0, len(rooms))
	due := 0
	for room, list := range rooms {
		if err := s.compatible(op, room, had[room], list); err != nil {
			return err
		}
		names = append(names, room)
		due += len(list) - len(had[room])
	}
	for room := range had {
		if _, ok := rooms[room]; !ok {
			return s.newer(op, room, had[room][len(had[room])-1].name)
		}
	}
	if due == 0 {
		return nil
	}
	sort.Strings(names)
	return s.Update(ctx, func(tx *Tx) error {
		for _, room := range names {
			if err := migrateTx(tx, room, rooms[room], len(had[room])); err != nil {
				return err
			}
		}
		return nil
	})
}

// recorded gives the steps that the store has had, by room.
func recorded(tx *Tx) (map[string][]applied, error) {
	rows, err := tx.Query(`SELECT room, name, checksum FROM store_migrations ORDER BY room, version`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	had := map[string][]applied{}
	for rows.Next() {
		var room string
		var a applied
		if err := rows.Scan(&room, &a.name, &a.checksum); err != nil {
			return nil, err
		}
		had[room] = append(had[room], a)
	}
	return had, rows.Err()
}

// compatible says whether the recorded steps are the beginning of the list.
func (s *Store) compatible(op, room string, had []applied, list []Migration) error {
	for i, a := range had {
		if i >= len(list) {
			return s.newer(op, room, a.name)
		}
		if a.checksum == list[i].checksum() {
			continue
		}
		return &fringe.Error{Op: op, Kind: fringe.Conflict, Component: fringe.Store,
			Message: fmt.Sprintf("step %d (%s) of room %s in the store %s differs from that of this program", i+1, a.name, room, s.path),
			Cure:    "use a released version of fringe on this directory, or begin with an empty one (--dir)"}
	}
	return nil
}

// newer is the refusal of a store that a newer program has written.
func (s *Store) newer(op, room, step string) error {
	return &fringe.Error{Op: op, Kind: fringe.Conflict, Component: fringe.Store,
		Message: fmt.Sprintf("the store %s was written by a newer version of fringe: room %s has the step %q, which this version does not know", s.path, room, step),
		Cure:    "use that newer version, or a copy of the directory from before the upgrade"}
}

// migrateTx applies the steps of a room from the one with index from on.
func migrateTx(tx *Tx, room string, list []Migration, from int) error {
	for i := from; i < len(list); i++ {
		m := list[i]
		if from > 0 { // it may take long: there is something to convert
			tx.store.log.Info("the store is converted", "room", room, "step", m.Name)
		}
		if _, err := tx.Exec(m.SQL); err != nil {
			return fmt.Errorf("room %s, step %d (%s): %w", room, i+1, m.Name, err)
		}
		_, err := tx.Exec(`INSERT INTO store_migrations (room, version, name, checksum, applied) VALUES (?, ?, ?, ?, ?)`,
			room, i+1, m.Name, m.checksum(), time.Now().UTC().Format(time.RFC3339))
		if err != nil {
			return err
		}
	}
	return nil
}
