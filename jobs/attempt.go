package jobs

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"fringe"
)

// Attempt is one try of a job.
type Attempt struct {
	Fence   int64
	Started time.Time
	Ended   time.Time // zero: it runs
	Cause   string    // completed, failed, interrupted, aborted, lost; empty: it runs
	Err     *fringe.Error
	Usage   fringe.Usage
}

// Outcome is how an attempt ended.
type Outcome struct {
	Phase             Phase // Completed, Error or Aborted
	Outputs           json.RawMessage
	Reused            fringe.CallID // the job that made the outputs; empty: this attempt did
	Derivation        string        // what a memo of the outputs is kept under, and others know them by; empty: nothing
	Err               error         // with Error and Aborted
	Queue, Start, Run time.Duration
	Usage             fringe.Usage
}

// Claim takes a queued job, or one whose attempt has lost its lease, for an
// attempt that is leased for the given time: it becomes EXECUTING under a new
// fence. What somebody else has claimed is a Conflict.
func (j *Jobs) Claim(ctx context.Context, id fringe.CallID, lease time.Duration) (Job, error) {
	const op = "jobs.Claim"
	err := j.change(ctx, op, id, func(s *step, at standing) error {
		until := s.now.Add(lease).UnixNano()
		if at.phase == Executing && at.lease <= s.now.UnixNano() {
			if err := s.endAttempt(at, "lost", nil, fringe.Usage{}); err != nil {
				return err
			}
			if _, err := s.Exec(`UPDATE jobs SET fence = fence + 1, lease = ? WHERE seq = ?`, until, at.seq); err != nil {
				return err
			}
		} else if err := s.move(at, Executing, "", `, due = NULL, fence = fence + 1, lease = ?, started = COALESCE(started, MAX(?, submitted)), queue = queue + MAX(0, ? - COALESCE(queued, submitted))`,
			until, s.now.UnixNano(), s.now.UnixNano()); err != nil {
			return err
		}
		_, err := s.Exec(`INSERT INTO jobs_attempts (job, fence, started) VALUES (?, ?, ?)`, at.seq, at.fence+1, s.now.UnixNano())
		return err
	})
	if err != nil {
		if fringe.KindOf(err) == fringe.Conflict {
			j.queue.refresh()
		}
		return Job{}, err
	}
	return j.Get(context.WithoutCancel(ctx), id) // the claim is there, also when ctx has ended
}

// Renew prolongs the leases of attempts and gives the jobs whose attempt has
// lost its fence.
func (j *Jobs) Renew(ctx context.Context, running map[fringe.CallID]int64, lease time.Duration) (lost []fringe.CallID, err error) {
	err = j.update(ctx, "jobs.Renew", func(s *step) error {
		for id, fence := range running {
			res, err := s.Exec(`UPDATE jobs SET lease = ? WHERE id = ? AND phase = 'EXECUTING' AND fence = ?`, s.now.Add(lease).UnixNano(), string(id), fence)
			if err != nil {
				return err
			}
			if n, err := res.RowsAffected(); err != nil {
				return err
			} else if n == 0 {
				lost = append(lost, id)
			}
		}
		return nil
	})
	return lost, err
}

// attempt runs fn on a job that executes under the fence.
func (j *Jobs) attempt(ctx context.Context, op string, id fringe.CallID, fence int64, fn func(s *step, at standing) error) error {
	return j.change(ctx, op, id, func(s *step, at standing) error {
		if at.phase != Executing || at.fence != fence {
			return fringe.Errorf(op, fringe.Conflict, "the call %s has moved on: another attempt has it, or it has ended", id)
		}
		return fn(s, at)
	})
}

// Settle ends a job, once, under the fence of the attempt that runs.
func (j *Jobs) Settle(ctx context.Context, id fringe.CallID, fence int64, o Outcome) error {
	const op = "jobs.Settle"
	if !o.Phase.Final() || o.Phase == Archived {
		return fringe.Errorf(op, fringe.Internal, "%s is not the end of an attempt", o.Phase)
	}
	usage, err := json.Marshal(o.Usage)
	if err != nil {
		return fringe.E(op, err)
	}
	problem, err := problemOf(o.Err)
	if err != nil {
		return fringe.E(op, err)
	}
	cause, message := "failed", recordOf(o.Err).Message
	var outputs any
	switch o.Phase {
	case Completed:
		cause, message, outputs = "completed", "", string(o.Outputs)
	case Aborted:
		cause = "aborted"
	}
	return j.attempt(ctx, op, id, fence, func(s *step, at standing) error {
		if err := s.endAttempt(at, cause, o.Err, o.Usage); err != nil {
			return err
		}
		if err := s.move(at, o.Phase, message, `, derivation = CASE WHEN derivation = ? THEN derivation END, outputs = ?, error = ?, reused = ?, queue = MAX(queue, ?), start = ?, run = ?, usage = ?`,
			o.Derivation, outputs, problem, text(string(o.Reused)), int64(o.Queue), int64(o.Start), int64(o.Run), string(usage)); err != nil {
			return err
		}
		if o.Phase == Completed && o.Derivation != "" {
			memo := Memo{Job: id, Outputs: o.Outputs, Made: s.now}
			if o.Reused != "" {
				memo.Job = o.Reused
			} else if err := memoTx(s.Tx, o.Derivation, memo); err != nil {
				return err
			}
			if err := s.answer(o.Derivation, memo); err != nil {
				return err
			}
		}
		return s.leaves(at, o.Phase)
	})
}

// Again says how a job whose attempt came to nothing is tried again.
type Again struct {
	Cause    string // interrupted, failed or lost
	Err      error  // nil when nobody is to blame
	Platform bool   // counts against the budget of the platform's failures
	Function bool   // counts against the budget of the function's failures
	Wait     time.Duration
	Usage    fringe.Usage
}

// Retry puts a job whose attempt runs back into the queue.
func (j *Jobs) Retry(ctx context.Context, id fringe.CallID, fence int64, a Again) error {
	count := func(b bool) int {
		if b {
			return 1
		}
		return 0
	}
	return j.attempt(ctx, "jobs.Retry", id, fence, func(s *step, at standing) error {
		if err := s.endAttempt(at, a.Cause, a.Err, a.Usage); err != nil {
			return err
		}
		message := "it is tried again: " + a.Cause
		if a.Err != nil {
			message += fmt.Sprintf(" (%s)", recordOf(a.Err).Message)
		}
		return s.move(at, Queued, message, `, queued = ?, ready = ?, spent = spent + ?, failed = failed + ?`,
			s.now.UnixNano(), s.now.Add(a.Wait).UnixNano(), count(a.Platform), count(a.Function))
	})
}

// endAttempt writes the end of the attempt under the job's fence, if it runs.
func (s *step) endAttempt(at standing, cause string, why error, usage fringe.Usage) error {
	if at.phase != Executing {
		return nil
	}
	problem, err := problemOf(why)
	if err != nil {
		return err
	}
	used, err := json.Marshal(usage)
	if err != nil {
		return err
	}
	_, err = s.Exec(`UPDATE jobs_attempts SET ended = MAX(?, started), cause = ?, error = ?, usage = ? WHERE job = ? AND fence = ? AND ended IS NULL`,
		s.now.UnixNano(), cause, problem, string(used), at.seq, at.fence)
	return err
}

// Executing gives the jobs that are EXECUTING, oldest first.
func (j *Jobs) Executing(ctx context.Context) ([]Job, error) {
	return j.several(ctx, "jobs.Executing", `WHERE phase <> 'QUEUED' AND phase = 'EXECUTING' ORDER BY seq`)
}

// Overdue gives jobs that wait in the queue for longer than their policy says.
func (j *Jobs) Overdue(ctx context.Context, limit int) ([]Job, error) {
	return j.several(ctx, "jobs.Overdue", `WHERE phase = 'QUEUED' AND due IS NOT NULL AND due <= ? ORDER BY due LIMIT ?`, j.now().UnixNano(), limit)
}
