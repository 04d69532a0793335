package jobs

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"math"
	"time"

	"fringe"
	"fringe/store"
)

// never is the moment of being ready of a job that waits for another one,
// which makes the same products. The schema's indexes know it.
const never = math.MaxInt64

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
	for {
		a, err := j.accept(ctx, n)
		switch {
		case err != nil:
			return Job{}, fringe.E(op, err)
		case a.same != nil:
			return *a.same, nil
		case a.made == nil:
			return a.job, nil
		}
		usable, err := n.Reuse(ctx, *a.made)
		if err != nil {
			return Job{}, fringe.E(op, err)
		}
		if usable {
			n.Answer = a.made
		} else if err := j.Forget(ctx, n.Derivation, a.made.Job); err != nil {
			return Job{}, fringe.E(op, err)
		}
	}
}

// accept commits a job, or says why not.
func (j *Jobs) accept(ctx context.Context, n NewJob) (*arrival, error) {
	a, err := newArrival(n, j.now().UTC())
	if err != nil {
		return nil, err
	}
	queued, g := a.job.Phase == Queued, group{n.Namespace, n.Owner, n.Function}
	if queued {
		if full := j.queue.reserve("jobs.Submit", g); full != nil {
			// A request that is sent again has its place already.
			err := j.store.View(ctx, func(tx *store.Tx) (err error) {
				a.same, err = formerTx(tx, "jobs.Submit", n)
				return err
			})
			if err == nil && a.same == nil {
				err = full
			}
			return a, err
		}
	}
	err = j.arrivals.Do(ctx, a)
	if queued {
		if err != nil || a.same != nil || a.made != nil {
			j.queue.leave(g, 0)
		} else {
			j.queue.changed(g)
		}
	} else if err == nil && a.same == nil && a.made == nil && a.job.Phase == Completed {
		j.ended(n.Function, Completed)
	}
	return a, err
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

// stamp gives a moment as it is stored; NULL when it is zero.
func stamp(t time.Time) any {
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
	asked := []any{n.Function, n.Inputs, n.Labels, n.Priority, n.RunID, n.Hold, n.Callback, n.Duration}
	if n.Namespace != "" || n.Files != "" {
		asked = append(asked, n.Namespace, n.Files)
	}
	b, err := json.Marshal(asked)
	if err != nil {
		return err.Error() // no request can be equal to it
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}
