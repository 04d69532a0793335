package store

import (
	"context"
	"errors"

	"fringe"
)

// group is one open transaction that several Updates share.
type group struct {
	size int           // the Updates in it
	err  error         // the outcome; read after done is closed
	done chan struct{} // closed when it is committed or undone
}

// Update runs fn in a transaction that may write. It returns nil once the
// changes are on the disk. When fn returns an error, nothing that it changed
// remains and the error is returned as it is. fn runs once, on the caller's
// goroutine; it must not call Update itself, nor wait for something that does,
// and it should be short: all other writers wait for it. When ctx ends before
// fn begins, its error is returned; from then on ctx is not regarded.
func (s *Store) Update(ctx context.Context, fn func(*Tx) error) error {
	const op = "store.Update"
	if err := s.enter(op); err != nil {
		return err
	}
	defer s.mu.RUnlock()
	if s.readOnly {
		return &fringe.Error{Op: op, Kind: fringe.Unavailable, Component: fringe.Store,
			Message: "the store " + s.path + " is opened for reading only"}
	}
	s.waiting.Add(1)
	select {
	case <-s.turn:
		s.waiting.Add(-1)
	case <-ctx.Done():
		s.waiting.Add(-1)
		s.settleAbandoned()
		return ctx.Err()
	}
	g, err := s.join(context.WithoutCancel(ctx), fn)
	if g == nil {
		return err
	}
	<-g.done
	if err != nil {
		return err
	}
	return g.err
}

// settleAbandoned commits a group that was left open for a caller that went
// away while it waited for the turn.
func (s *Store) settleAbandoned() {
	select {
	case <-s.turn:
		s.yield()
	default: // whoever has the turn settles the group when it yields
	}
}

// join runs fn in the open group, opening one if need be, then yields the
// turn. It gives the group whose outcome is fn's; nil when fn has left nothing
// to wait for.
func (s *Store) join(ctx context.Context, fn func(*Tx) error) (*group, error) {
	const op = "store.Update"
	defer s.yield()
	if s.group == nil {
		if err := s.begin(ctx); err != nil {
			return nil, explain(op, s.path, err)
		}
	}
	g := s.group
	g.size++
	tx := &Tx{ctx: ctx, store: s, q: s.conn, write: true, first: g.size == 1}
	if !tx.first {
		if err := s.run(ctx, `SAVEPOINT member`); err != nil {
			s.undo(explain(op, s.path, err))
			return g, nil
		}
	}
	finished := false
	defer func() {
		if !finished { // fn panicked, or ended its goroutine
			s.rollback(ctx, tx)
		}
	}()
	err := fn(tx)
	finished = true
	if err != nil || tx.lost != nil {
		s.rollback(ctx, tx)
		if err == nil {
			err = tx.lost
		}
		return nil, err
	}
	if !tx.first {
		if err := s.run(ctx, `RELEASE member`); err != nil {
			s.undo(explain(op, s.path, err))
		}
	}
	return g, nil
}

// begin opens a group.
func (s *Store) begin(ctx context.Context) error {
	if err := s.run(ctx, `BEGIN IMMEDIATE`); err != nil {
		return err
	}
	s.group = &group{done: make(chan struct{})}
	return nil
}

// rollback undoes what one member of the group did. When that cannot be done,
// or a failure has undone the transaction already, the whole group fails. The
// first member has no savepoint: nothing but its own is undone with it.
func (s *Store) rollback(ctx context.Context, tx *Tx) {
	if tx.lost != nil {
		s.undo(tx.lost)
		return
	}
	if tx.first {
		s.undo(nil)
		return
	}
	s.group.size--
	if err := errors.Join(s.run(ctx, `ROLLBACK TO member`), s.run(ctx, `RELEASE member`)); err != nil {
		s.undo(explain("store.Update", s.path, err))
	}
}

// undo fails the open group: each of its members gets err.
func (s *Store) undo(err error) {
	g := s.group
	if g == nil {
		return
	}
	s.group = nil
	// SQLite may have rolled back by itself; then this one says so, and is
	// of no interest.
	_ = s.run(context.Background(), `ROLLBACK`)
	g.err = err
	close(g.done)
}

// yield hands the turn on. The open group stays open for those who wait, and
// is committed when nobody waits or it is full. Somebody who waited may go
// away at any moment, so yield looks again once the turn is free.
func (s *Store) yield() {
	for {
		if g := s.group; g != nil && (s.waiting.Load() == 0 || g.size >= s.most) {
			s.commit(g)
		}
		open := s.group != nil
		s.turn <- struct{}{}
		if !open || s.waiting.Load() > 0 {
			return
		}
		select {
		case <-s.turn:
		default:
			return // whoever has it settles the group
		}
	}
}

func (s *Store) commit(g *group) {
	if err := s.run(context.Background(), `COMMIT`); err != nil {
		s.undo(explain("store.Update", s.path, err))
		return
	}
	s.group = nil
	close(g.done)
}

// run executes one of the writer's own statements.
func (s *Store) run(ctx context.Context, query string) error {
	if st := s.prepared(ctx, query); st != nil {
		_, err := st.ExecContext(ctx)
		return err
	}
	_, err := s.conn.ExecContext(ctx, query)
	return err
}
