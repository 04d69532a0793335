package jobs

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"fringe"
	"fringe/store"
)

// Memo gives what was made under a derivation; found is false when nothing
// was.
func (j *Jobs) Memo(ctx context.Context, derivation string) (m Memo, found bool, err error) {
	var job, outputs string
	var made int64
	err = j.store.View(ctx, func(tx *store.Tx) error {
		return tx.QueryRow(`SELECT job, outputs, made FROM jobs_memos WHERE derivation = ?`, derivation).Scan(&job, &outputs, &made)
	})
	if errors.Is(err, sql.ErrNoRows) {
		return Memo{}, false, nil
	}
	if err != nil {
		return Memo{}, false, fringe.E("jobs.Memo", err)
	}
	return Memo{fringe.CallID(job), []byte(outputs), moment(made)}, true, nil
}

// Forget removes the memo that the job made under a derivation: its products
// are not what they were.
func (j *Jobs) Forget(ctx context.Context, derivation string, made fringe.CallID) error {
	return j.update(ctx, "jobs.Forget", func(s *step) error {
		_, err := s.Exec(`DELETE FROM jobs_memos WHERE derivation = ? AND job = ?`, derivation, string(made))
		return err
	})
}

// Maker gives the job whose products are the outputs of this one; empty when
// they are its own, or there is no such job.
func (j *Jobs) Maker(ctx context.Context, id fringe.CallID) (maker fringe.CallID, err error) {
	var reused sql.NullString
	err = j.store.View(ctx, func(tx *store.Tx) error {
		return tx.QueryRow(`SELECT reused FROM jobs WHERE id = ?`, string(id)).Scan(&reused)
	})
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return "", fringe.E("jobs.Maker", err)
	}
	return fringe.CallID(reused.String), nil
}

// AnswersOthers says whether other jobs have the products of this one as their
// outputs.
func (j *Jobs) AnswersOthers(ctx context.Context, id fringe.CallID) (yes bool, err error) {
	err = j.store.View(ctx, func(tx *store.Tx) error {
		return tx.QueryRow(`SELECT EXISTS (SELECT 1 FROM jobs WHERE reused = ? AND phase = 'COMPLETED')`, string(id)).Scan(&yes)
	})
	if err != nil {
		return false, fringe.E("jobs.AnswersOthers", err)
	}
	return yes, nil
}

func memoTx(tx *store.Tx, derivation string, m Memo) error {
	_, err := tx.Exec(`INSERT INTO jobs_memos (derivation, job, outputs, made) VALUES (?, ?, ?, ?)
		ON CONFLICT (derivation) DO UPDATE SET job = excluded.job, outputs = excluded.outputs, made = excluded.made`,
		derivation, string(m.Job), string(m.Outputs), m.Made.UnixNano())
	return err
}

// answer completes the queued jobs that wait for what was just made.
func (s *step) answer(derivation string, m Memo) error {
	waiting, err := s.followers(derivation)
	if err != nil {
		return err
	}
	for _, at := range waiting {
		if err := s.move(at, Completed, "", `, outputs = ?, reused = ?`, string(m.Outputs), string(m.Job)); err != nil {
			return err
		}
		if err := deliverTx(s.Tx, at.seq, at.callback, s.now); err != nil {
			return err
		}
	}
	return nil
}

// followers gives the queued jobs that wait for another one with the
// derivation.
func (s *step) followers(derivation string) ([]standing, error) {
	rows, err := s.Query(`SELECT id FROM jobs WHERE phase = 'QUEUED' AND ready = 9223372036854775807 AND derivation = ? ORDER BY seq`, derivation)
	if err != nil {
		return nil, err
	}
	var ids []string
	for rows.Next() {
		var id string
		if err := rows.Scan(&id); err != nil {
			rows.Close()
			return nil, err
		}
		ids = append(ids, id)
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return nil, err
	}
	var found []standing
	for _, id := range ids {
		at, err := s.look("jobs.followers", fringe.CallID(id))
		if err != nil {
			return nil, err
		}
		found = append(found, at)
	}
	return found, nil
}

// promote lets the first of those who wait for the derivation run itself, when
// nobody is left who would make it.
func (s *step) promote(derivation string) error {
	rows, err := s.Query(`UPDATE jobs SET ready = 0 WHERE seq = (SELECT seq FROM jobs WHERE phase = 'QUEUED' AND ready = 9223372036854775807 AND derivation = ?1 ORDER BY seq LIMIT 1)
		AND NOT EXISTS (SELECT 1 FROM jobs WHERE phase IN ('QUEUED', 'EXECUTING') AND substr(derivation, 1, 12) = substr(?1, 1, 12) AND derivation = ?1 AND (phase = 'EXECUTING' OR ready < 9223372036854775807))
		RETURNING id, seq, namespace, owner, function`, derivation)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var id, function string
		m := moved{from: Queued, to: Queued}
		if err := rows.Scan(&id, &m.seq, &m.group.namespace, &m.group.owner, &function); err != nil {
			return err
		}
		m.id, m.group.function = fringe.CallID(id), fringe.FunctionName(function)
		s.moves = append(s.moves, m)
	}
	return rows.Err()
}

// Reconcile puts right what only time or a fault can have left: those who wait
// for a derivation that nobody makes get on, and jobs whose backoff is over
// are looked at again. Of those who wait it looks at a bounded number, at the
// next ones the next time.
func (j *Jobs) Reconcile(ctx context.Context) error {
	const op = "jobs.Reconcile"
	defer j.queue.refresh()
	var orphans []string
	err := j.store.View(ctx, func(tx *store.Tx) (err error) {
		orphans, err = j.orphans(tx)
		return err
	})
	if err != nil {
		return fringe.E(op, err)
	}
	if len(orphans) == 0 {
		return nil
	}
	return j.update(ctx, op, func(s *step) error {
		for _, d := range orphans {
			if err := s.promote(d); err != nil {
				return err
			}
		}
		return nil
	})
}

// reconciled is how many of those who wait for another job Reconcile looks at.
const reconciled = 1000

// orphans gives derivations which jobs wait for and nobody makes, of the next
// jobs that wait.
func (j *Jobs) orphans(tx *store.Tx) (found []string, err error) {
	j.mu.Lock()
	after := j.reconciled
	j.mu.Unlock()
	rows, err := tx.Query(`SELECT derivation FROM jobs WHERE phase = 'QUEUED' AND ready = 9223372036854775807 AND derivation > ? ORDER BY derivation LIMIT ?`, after, reconciled)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var waited []string
	n := 0
	for ; rows.Next(); n++ {
		var d string
		if err := rows.Scan(&d); err != nil {
			return nil, err
		}
		if d != after {
			waited = append(waited, d)
		}
		after = d
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return nil, err
	}
	for _, d := range waited {
		var made bool
		err := tx.QueryRow(`SELECT EXISTS (SELECT 1 FROM jobs WHERE phase IN ('QUEUED', 'EXECUTING') AND substr(derivation, 1, 12) = substr(?1, 1, 12) AND derivation = ?1
			AND (phase = 'EXECUTING' OR ready < 9223372036854775807))`, d).Scan(&made)
		if err != nil {
			return nil, err
		}
		if !made {
			found = append(found, d)
		}
	}
	if n < reconciled {
		after = ""
	}
	j.mu.Lock()
	j.reconciled = after
	j.mu.Unlock()
	return found, nil
}

func moment(ns int64) time.Time {
	if ns == 0 {
		return time.Time{}
	}
	return time.Unix(0, ns).UTC()
}
