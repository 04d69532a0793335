package site

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"fringe"
	"fringe/attempt"
	"fringe/jobs"
)

// ending is what becomes of a job after an attempt: settled, or tried again.
type ending struct {
	settle bool
	phase  jobs.Phase
	err    error
	again  jobs.Again
}

// endOf decides what becomes of a job whose attempt gave an error; temporary
// says that the function itself asks for another try. Random is in [0, 1).
func endOf(job *jobs.Job, cause, err error, temporary bool, random float64) ending {
	switch {
	case errors.Is(cause, errAborted):
		return ending{settle: true, phase: jobs.Aborted, err: &fringe.Error{Kind: fringe.Failed, Message: errAborted.Error()}}
	case errors.Is(err, attempt.ErrNotStarted):
		return again(job, jobs.Again{Cause: "interrupted", Platform: true, Err: interruption()}, 0)
	}
	a := jobs.Again{Cause: "failed", Err: err, Function: temporary, Platform: !temporary && platformFailed(err)}
	if a.Function {
		return again(job, a, backoff(job.Policy, job.Failed, random))
	}
	return again(job, a, backoff(job.Policy, job.Spent, random))
}

// again tries a job again after a time, if its budget allows that.
func again(job *jobs.Job, a jobs.Again, wait time.Duration) ending {
	if a.Function && job.Failed < job.Policy.Function || a.Platform && job.Spent < job.Policy.Platform {
		a.Wait = wait
		return ending{again: a}
	}
	return ending{settle: true, phase: jobs.Error, err: a.Err}
}

// platformFailed says whether an attempt failed without the function's doing.
func platformFailed(err error) bool {
	var e *fringe.Error
	if !errors.As(err, &e) {
		return true
	}
	switch e.Kind {
	case fringe.Internal, fringe.Unavailable, fringe.Busy:
		return true
	}
	return false
}

// backoff is the time before the n-th try again: it doubles each time up to
// the policy's bound, and a random half of it keeps many from coming back at
// once.
func backoff(p fringe.Policy, n int, random float64) time.Duration {
	d := p.Backoff
	for range min(n, 30) {
		d *= 2
		if p.Most > 0 && d >= p.Most {
			d = p.Most
			break
		}
	}
	return d/2 + time.Duration(random*float64(d)/2)
}

// interruption says why an attempt is gone that a former life of the server
// made.
func interruption() error {
	return &fringe.Error{Kind: fringe.Unavailable, Component: fringe.Engine, Message: "the attempt ended with the machine or the server, before it was done",
		Cure: "send the call again; its inputs are as they were"}
}

// finish writes what becomes of a job whose attempt gave an error.
func (l *Local) finish(ctx context.Context, job *jobs.Job, o jobs.Outcome, temporary bool) error {
	end := endOf(job, context.Cause(ctx), o.Err, temporary, rand.Float64())
	settle, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
	defer cancel()
	if end.settle {
		o.Phase, o.Err = end.phase, end.err
		return l.cfg.Jobs.Settle(settle, job.ID, job.Fence, o)
	}
	end.again.Usage = o.Usage
	return l.cfg.Jobs.Retry(settle, job.ID, job.Fence, end.again)
}
