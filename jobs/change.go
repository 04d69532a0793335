package jobs

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"fringe"
	"fringe/store"
)

// standing is where a job stands when a transaction looks at it.
type standing struct {
	id         fringe.CallID
	seq        int64
	phase      Phase
	fence      int64
	changes    int64
	group      group
	derivation string
	callback   string
	lease      int64
}

// moved is a change that takes effect outside of the store after the commit.
type moved struct {
	id       fringe.CallID
	seq      int64
	group    group
	from, to Phase
}

// step is one transaction on jobs.
type step struct {
	*store.Tx
	now   time.Time
	moves []moved
}

// update runs fn in a transaction and, once it is committed, corrects the
// queue and tells those who watch.
func (j *Jobs) update(ctx context.Context, op string, fn func(s *step) error) error {
	s := &step{now: j.now().UTC()}
	err := j.store.Update(ctx, func(tx *store.Tx) error {
		s.Tx = tx
		return fn(s)
	})
	if err != nil {
		return fringe.E(op, err)
	}
	for _, m := range s.moves {
		switch {
		case m.from == Queued && m.to != Queued:
			j.queue.leave(m.group, m.seq)
		case m.from != Queued && m.to == Queued:
			j.queue.enter(m.group)
		case m.to == Queued:
			j.queue.changed(m.group)
		}
		if m.to.Final() && !m.from.Final() {
			j.ended(m.group.function, m.to)
		}
		j.tell(m.id)
	}
	return nil
}

// change runs fn on one job as it stands.
func (j *Jobs) change(ctx context.Context, op string, id fringe.CallID, fn func(s *step, at standing) error) error {
	return j.update(ctx, op, func(s *step) error {
		at, err := s.look(op, id)
		if err != nil {
			return err
		}
		return fn(s, at)
	})
}

func (s *step) look(op string, id fringe.CallID) (standing, error) {
	at := standing{id: id}
	var phase, function string
	var derivation, callback sql.NullString
	var lease sql.NullInt64
	err := s.QueryRow(`SELECT seq, phase, fence, changes, namespace, owner, function, derivation, callback, lease FROM jobs WHERE id = ?`, string(id)).
		Scan(&at.seq, &phase, &at.fence, &at.changes, &at.group.namespace, &at.group.owner, &function, &derivation, &callback, &lease)
	if errors.Is(err, sql.ErrNoRows) {
		return at, missing(op, id)
	}
	at.phase, at.group.function = Phase(phase), fringe.FunctionName(function)
	at.derivation, at.callback, at.lease = derivation.String, callback.String, lease.Int64
	return at, err
}

func missing(op string, id fringe.CallID) error {
	return &fringe.Error{Op: op, Kind: fringe.NotFound, Message: fmt.Sprintf("there is no job %q", id),
		Cure: "see the jobs with: fringe job list"}
}

// move takes a job from where it stands to another phase and writes the event.
// Set is a list of further columns with their values; message goes into the
// event.
func (s *step) move(at standing, to Phase, message, set string, args ...any) error {
	if !Allowed(at.phase, to) {
		return fringe.Errorf("jobs.move", fringe.Conflict, "the call %s is %s; it cannot become %s", at.id, at.phase, to)
	}
	if to.Final() && !at.phase.Final() {
		set += `, ended = MAX(?, submitted)`
		args = append(args, s.now.UnixNano())
	}
	args = append([]any{string(to)}, append(args, at.seq)...)
	if _, err := s.Exec(`UPDATE jobs SET phase = ?, changes = changes + 1, lease = NULL`+set+` WHERE seq = ?`, args...); err != nil {
		return err
	}
	s.moves = append(s.moves, moved{at.id, at.seq, at.group, at.phase, to})
	return s.event(at.seq, at.changes+1, phaseEvent, eventBody{Phase: to, From: at.phase, Message: message})
}

// leaves does what others wait for when a job is done with its part: those
// who wait for the same products get on, and the callback becomes due.
func (s *step) leaves(at standing, to Phase) error {
	if at.derivation != "" {
		if err := s.promote(at.derivation); err != nil {
			return err
		}
	}
	if to == Archived {
		return nil
	}
	return deliverTx(s.Tx, at.seq, at.callback, s.now)
}

// Run moves a job from PENDING or HELD to QUEUED, with the work that the site
// made of its inputs. When the queue is full it is Busy.
func (j *Jobs) Run(ctx context.Context, id fringe.CallID, w Work) error {
	const op = "jobs.Run"
	job, err := j.Get(ctx, id)
	if err != nil {
		return err
	}
	t, err := json.Marshal(terms{w.Limits, w.Policy, job.Trace})
	if err != nil {
		return fringe.E(op, err)
	}
	g := group{job.Namespace, job.Owner, job.Function}
	if err := j.queue.reserve(op, g); err != nil {
		return err
	}
	defer j.queue.leave(g, 0) // update counts it in
	return j.change(ctx, op, id, func(s *step, at standing) error {
		if !at.phase.Waits() {
			return fringe.Errorf(op, fringe.Conflict, "the call %s is %s; only one that is PENDING or HELD can be run", id, at.phase)
		}
		return s.move(at, Queued, "", `, queued = ?, due = ?, version = ?, digest = ?, environment = ?, inputs = ?, staged = ?, terms = ?, cpu = ?, memory = ?, derivation = ?,
			ready = CASE WHEN EXISTS (SELECT 1 FROM jobs WHERE phase IN ('QUEUED', 'EXECUTING') AND substr(derivation, 1, 12) = substr(?, 1, 12) AND derivation = ?) THEN ? ELSE 0 END`,
			s.now.UnixNano(), due(s.now, w.Policy), w.Version, string(w.Digest), string(w.Environment), object(w.Inputs), text(string(w.Staged)), string(t), w.Limits.CPU, w.Limits.Memory,
			text(w.Derivation), text(w.Derivation), text(w.Derivation), int64(never))
	})
}

// Hold moves a job from PENDING or QUEUED to HELD; Run releases it.
func (j *Jobs) Hold(ctx context.Context, id fringe.CallID) error {
	return j.change(ctx, "jobs.Hold", id, func(s *step, at standing) error {
		if err := s.move(at, Held, "", ``); err != nil || at.derivation == "" {
			return err
		}
		return s.promote(at.derivation)
	})
}

// pending changes columns of a job that has not been run.
func (j *Jobs) pending(ctx context.Context, op string, id fringe.CallID, set string, args ...any) error {
	return j.change(ctx, op, id, func(s *step, at standing) error {
		if !at.phase.Waits() {
			return fringe.Errorf(op, fringe.Conflict, "the call %s is %s; it can be changed only while it is PENDING or HELD", id, at.phase)
		}
		_, err := s.Exec(`UPDATE jobs SET `+set+` WHERE seq = ?`, append(args, at.seq)...)
		return err
	})
}

// SetParameters changes the inputs of a job that is PENDING or HELD.
func (j *Jobs) SetParameters(ctx context.Context, id fringe.CallID, inputs json.RawMessage) error {
	return j.pending(ctx, "jobs.SetParameters", id, `inputs = ?, staged = NULL`, object(inputs))
}

// SetDuration changes the longest run time of a job that is PENDING or HELD.
func (j *Jobs) SetDuration(ctx context.Context, id fringe.CallID, d time.Duration) error {
	return j.pending(ctx, "jobs.SetDuration", id, `duration = ?`, int64(d))
}

// SetDestruction changes when a job and its products may go, in any phase.
func (j *Jobs) SetDestruction(ctx context.Context, id fringe.CallID, t time.Time) error {
	return j.change(ctx, "jobs.SetDestruction", id, func(s *step, at standing) error {
		_, err := s.Exec(`UPDATE jobs SET destruction = ? WHERE seq = ?`, stamp(t), at.seq)
		return err
	})
}

// Abort ends a job that has not ended. An attempt that runs has lost its fence
// then; who runs it stops it.
func (j *Jobs) Abort(ctx context.Context, id fringe.CallID, why error) error {
	const op = "jobs.Abort"
	problem, err := problemOf(why)
	if err != nil {
		return fringe.E(op, err)
	}
	return j.change(ctx, op, id, func(s *step, at standing) error {
		if at.phase.Final() {
			return fringe.Errorf(op, fringe.Conflict, "the job %s has ended already: %s", id, at.phase)
		}
		if err := s.endAttempt(at, "aborted", why, fringe.Usage{}); err != nil {
			return err
		}
		if err := s.move(at, Aborted, recordOf(why).Message, `, error = ?, fence = fence + 1`, problem); err != nil {
			return err
		}
		return s.leaves(at, Aborted)
	})
}

// Fail ends a job that waits: it becomes ERROR.
func (j *Jobs) Fail(ctx context.Context, id fringe.CallID, why error) error {
	const op = "jobs.Fail"
	problem, err := problemOf(why)
	if err != nil {
		return fringe.E(op, err)
	}
	return j.change(ctx, op, id, func(s *step, at standing) error {
		if at.phase == Executing {
			return fringe.Errorf(op, fringe.Conflict, "the call %s runs already", id)
		}
		if err := s.move(at, Error, recordOf(why).Message, `, error = ?`, problem); err != nil {
			return err
		}
		return s.leaves(at, Error)
	})
}

// Archive keeps the record of a job that has ended, without its log; its
// products are the caller's to remove first.
func (j *Jobs) Archive(ctx context.Context, id fringe.CallID) error {
	const op = "jobs.Archive"
	err := j.change(ctx, op, id, func(s *step, at standing) error {
		if _, err := s.Exec(`DELETE FROM jobs_memos WHERE derivation = (SELECT derivation FROM jobs WHERE seq = ?) AND job = ?`, at.seq, string(id)); err != nil {
			return err
		}
		return s.move(at, Archived, "", ``)
	})
	if err != nil {
		return err
	}
	return j.removeLog(op, id)
}

// Delete removes a job that has ended, or that was never run, with its log.
// Its products are the caller's to remove first.
func (j *Jobs) Delete(ctx context.Context, id fringe.CallID) error {
	const op = "jobs.Delete"
	err := j.change(ctx, op, id, func(s *step, at standing) error {
		if !at.phase.Final() && !at.phase.Waits() {
			return &fringe.Error{Op: op, Kind: fringe.Conflict, Message: fmt.Sprintf("the call %s is %s", id, at.phase), Cure: "abort it first"}
		}
		if _, err := s.Exec(`DELETE FROM jobs_memos WHERE derivation = (SELECT derivation FROM jobs WHERE seq = ?) AND job = ?`, at.seq, string(id)); err != nil {
			return err
		}
		s.moves = append(s.moves, moved{id, at.seq, at.group, at.phase, at.phase}) // for who watches it; it is no end
		_, err := s.Exec(`DELETE FROM jobs WHERE seq = ?`, at.seq)
		return err
	})
	if err != nil {
		return err
	}
	return j.removeLog(op, id)
}

func (j *Jobs) removeLog(op string, id fringe.CallID) error {
	dir, err := j.logDir(id)
	if err == nil {
		err = os.RemoveAll(dir)
	}
	// An attempt that was aborted may be about to open its few files.
	for tries := 0; errors.Is(err, syscall.ENOTEMPTY) && tries < 8; tries++ {
		err = os.RemoveAll(dir)
	}
	if err != nil {
		return fringe.E(op, err)
	}
	return nil
}

// Expired gives jobs whose time of destruction has come, at most limit.
func (j *Jobs) Expired(ctx context.Context, limit int) (found []Job, err error) {
	return j.several(ctx, "jobs.Expired", `WHERE destruction IS NOT NULL AND phase <> 'ARCHIVED' AND destruction <= ? ORDER BY destruction LIMIT ?`, j.now().UnixNano(), limit)
}

// Outdated gives ARCHIVED jobs that ended before a moment and made nothing that
// is the output of another job, in the order of acceptance from after one on.
func (j *Jobs) Outdated(ctx context.Context, before time.Time, after int64, limit int) (found []Job, err error) {
	return j.several(ctx, "jobs.Outdated", `AS old WHERE phase <> 'QUEUED' AND phase = 'ARCHIVED' AND seq > ? AND ended < ?
		AND NOT EXISTS (SELECT 1 FROM jobs WHERE reused = old.id) ORDER BY seq LIMIT ?`, after, before.UnixNano(), limit)
}

// record is an error as it is stored.
type record struct {
	Kind      fringe.Kind      `json:"kind"`
	Component fringe.Component `json:"component,omitempty"`
	Message   string           `json:"message"`
	Pointer   string           `json:"pointer,omitempty"`
	Cure      string           `json:"cure,omitempty"`
}

func recordOf(err error) record {
	var e *fringe.Error
	if !errors.As(err, &e) {
		return record{Kind: fringe.Internal, Message: "the platform failed; the server's log says why"}
	}
	return record{e.Kind, e.Component, e.Message, e.Pointer, e.Cure}
}

// problemOf gives an error as a column's value; NULL for none.
func problemOf(err error) (any, error) {
	if err == nil {
		return nil, nil
	}
	b, err := json.Marshal(recordOf(err))
	return string(b), err
}

func (r record) error() *fringe.Error {
	return &fringe.Error{Kind: r.Kind, Component: r.Component, Message: r.Message, Pointer: r.Pointer, Cure: r.Cure}
}
