package jobs

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"time"

	"fringe"
	"fringe/store"
)

// never is the moment of being ready of a job that waits for another one,
// which makes the same products.
const never = math.MaxInt64

const insert = `INSERT INTO jobs (id, function, version, digest, environment, namespace, owner, phase, priority, cpu, memory,
		inputs, staged, terms, derivation, outputs, reused, submitted, queued, ended, duration, destruction, run_id, labels, key, request, callback, due, ready)
	VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23, ?24, ?25, ?26, ?27, ?29,
		CASE WHEN ?15 IS NOT NULL AND EXISTS (SELECT 1 FROM jobs WHERE derivation = ?15 AND phase IN ('QUEUED', 'EXECUTING')) THEN ?28 ELSE 0 END)
	ON CONFLICT DO NOTHING`

// terms is what of a job is kept for running it and not looked for.
type terms struct {
	Limits fringe.Limits `json:"limits"`
	Policy fringe.Policy `json:"policy"`
	Trace  string        `json:"trace,omitempty"`
}

// Submit commits a job: QUEUED, PENDING when it is to be held, COMPLETED when
// it has its answer. With the idempotency key of a job of the same owner it
// gives that job, when the request is the same; else, and when the id is there
// already, the error is a Conflict. When the queue is full it is Busy.
func (j *Jobs) Submit(ctx context.Context, n NewJob) (Job, error) {
	const op = "jobs.Submit"
	job := Job{NewJob: n, Phase: Queued, Submitted: j.now().UTC(), Changes: 1}
	switch {
	case n.Hold:
		job.Phase = Pending
	case n.Answer != nil:
		job.Phase, job.Outputs, job.Reused, job.Ended = Completed, n.Answer.Outputs, n.Answer.Job, job.Submitted
	}
	args, err := job.row()
	if err != nil {
		return Job{}, fringe.E(op, err)
	}
	g := group{n.Namespace, n.Owner, n.Function}
	if job.Phase == Queued {
		if err := j.queue.reserve(op, g); err != nil {
			return Job{}, err
		}
		job.QueuedAt = job.Submitted
	}
	var same *Job
	err = j.store.Update(ctx, func(tx *store.Tx) error {
		res, err := tx.Exec(insert, args...)
		if err != nil {
			return err
		}
		if k, err := res.RowsAffected(); err != nil {
			return err
		} else if k != 1 {
			same, err = sameTx(tx, op, n)
			return err
		}
		if job.Seq, err = res.LastInsertId(); err != nil {
			return err
		}
		for name, value := range n.Labels {
			if _, err := tx.Exec(`INSERT INTO jobs_labels (name, value, job) VALUES (?, ?, ?)`, name, value, job.Seq); err != nil {
				return err
			}
		}
		if job.Phase == Completed {
			return deliverTx(tx, job.Seq, n.Callback, job.Submitted)
		}
		return nil
	})
	if err != nil || same != nil {
		if job.Phase == Queued {
			j.queue.leave(g, 0)
		}
		if err != nil {
			return Job{}, fringe.E(op, err)
		}
		return *same, nil
	}
	if job.Phase == Queued {
		j.queue.changed(g)
	}
	return job, nil
}

// row gives the arguments of insert.
func (job *Job) row() ([]any, error) {
	t, err := json.Marshal(terms{job.Limits, job.Policy, job.Trace})
	if err != nil {
		return nil, err
	}
	var labels []byte
	if len(job.Labels) > 0 {
		if labels, err = json.Marshal(job.Labels); err != nil {
			return nil, err
		}
	}
	var request string
	if job.Key != "" {
		request = requestOf(job.NewJob)
	}
	return []any{string(job.ID), string(job.Function), job.Version, string(job.Digest), string(job.Environment), job.Namespace, job.Owner,
		string(job.Phase), job.Priority, job.Limits.CPU, job.Limits.Memory, object(job.Inputs), text(string(job.Staged)), string(t),
		text(job.Derivation), text(string(job.Outputs)), text(string(job.Reused)), job.Submitted.UnixNano(), stamp(job.QueuedAt, job.Phase == Queued, job.Submitted),
		stamp(job.Ended, false, job.Ended), int64(job.Duration), stamp(job.Destruction, false, job.Destruction), text(job.RunID), text(string(labels)),
		text(job.Key), text(request), text(job.Callback), int64(never), due(job.Submitted, job.Policy)}, nil
}

// object gives an input object as it is stored.
func object(b json.RawMessage) string {
	if len(b) == 0 {
		return "{}"
	}
	return string(b)
}

// text gives NULL for nothing.
func text(s string) any {
	if s == "" {
		return nil
	}
	return s
}

// stamp gives a moment as it is stored: t, or other when that is so; NULL when
// it is zero.
func stamp(t time.Time, so bool, other time.Time) any {
	if so {
		t = other
	}
	if t.IsZero() {
		return nil
	}
	return t.UnixNano()
}

// due gives when a job that is queued now is overdue; NULL for never.
func due(now time.Time, p fringe.Policy) any {
	if p.Queue <= 0 {
		return nil
	}
	return now.Add(p.Queue).UnixNano()
}

// requestOf names what a caller asks for under an idempotency key. The version
// is not of it: an alias may have moved since.
func requestOf(n NewJob) string {
	b, err := json.Marshal([]any{n.Function, n.Inputs, n.Labels, n.Priority, n.RunID, n.Hold, n.Callback, n.Duration})
	if err != nil {
		return err.Error() // no request can be equal to it
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// sameTx gives the job that kept n from being inserted, when it is n itself.
func sameTx(tx *store.Tx, op string, n NewJob) (*Job, error) {
	if n.Key != "" {
		var request string
		err := tx.QueryRow(`SELECT request FROM jobs WHERE owner = ? AND key = ?`, n.Owner, n.Key).Scan(&request)
		switch {
		case err == nil && request != requestOf(n):
			return nil, &fringe.Error{Op: op, Kind: fringe.Conflict,
				Message: fmt.Sprintf("the idempotency key %.80q belongs to another request", n.Key),
				Cure:    "send the same request as the first time, or take a new key"}
		case err == nil:
			job, err := scan(tx.QueryRow(`SELECT `+columns+` FROM jobs WHERE owner = ? AND key = ?`, n.Owner, n.Key))
			return &job, err
		case !errors.Is(err, sql.ErrNoRows):
			return nil, err
		}
	}
	return nil, fringe.Errorf(op, fringe.Conflict, "there is a call %s already", n.ID)
}
