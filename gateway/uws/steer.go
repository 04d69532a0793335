package uws

import (
	"context"
	"errors"
	"slices"
	"time"

	"fringe"
	"fringe/data"
	"fringe/jobs"
	"fringe/site"
)

// kept is how long a job that is made here stays when its owner does not say.
const kept = 30 * 24 * time.Hour

func newID() fringe.CallID { return site.NewCallID() }

// run moves a job on to QUEUED, or when the queue is full to HELD: then its
// owner asks again.
func (s *Service) run(r *request, id fringe.CallID) error {
	err := s.cfg.Site.Start(r.Context(), id)
	if fringe.KindOf(err) == fringe.Busy {
		if held := s.cfg.Jobs.Hold(r.Context(), id); fringe.KindOf(held) != fringe.Conflict { // HELD already
			return held
		}
		return nil
	}
	return err
}

func (s *Service) abort(ctx context.Context, id fringe.CallID) error {
	return s.cfg.Site.Abort(ctx, id)
}

// destroy removes a job with all that belongs to it.
func (s *Service) destroy(ctx context.Context, id fringe.CallID) error {
	if err := s.cfg.Site.Delete(ctx, id); err != nil {
		return err
	}
	s.forget(ctx, id)
	return nil
}

// withdraw undoes the creation of a job that is refused for the reason.
func (s *Service) withdraw(r *request, id fringe.CallID, reason error) error {
	if err := s.cfg.Jobs.Delete(context.WithoutCancel(r.Context()), id); err != nil {
		return errors.Join(reason, err)
	}
	return reason
}

// forget removes the datasets that came with a job.
func (s *Service) forget(ctx context.Context, id fringe.CallID) {
	ctx = context.WithoutCancel(ctx)
	found, _, err := s.cfg.Data.List(ctx, data.Filter{Prefix: fringe.DID{Scope: uploadScope, Name: string(id) + "/"}.String(), Limit: 1000})
	for _, d := range found {
		err = errors.Join(err, s.cfg.Data.Remove(ctx, d.DID))
	}
	if err != nil {
		s.cfg.Log.Warn("uploads not removed", "job", id, "err", err)
	}
}

// await waits for at most so long while a job is in the phase, or with no
// phase until it has ended.
func (s *Service) await(ctx context.Context, id fringe.CallID, while jobs.Phase, most time.Duration) (jobs.Job, error) {
	bounded, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	j, err := s.cfg.Jobs.Wait(bounded, id, while)
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
		err = nil
	}
	return j, err
}

// recent is how many jobs of the past a quote looks at.
const recent = 20

// quote says when a job that has not ended is expected to: as the median of
// those of the same function that lately completed. Zero when there were none.
func (s *Service) quote(ctx context.Context, j *jobs.Job) (time.Time, error) {
	if j.Phase != jobs.Pending && j.Phase != jobs.Queued && j.Phase != jobs.Executing {
		return time.Time{}, nil
	}
	past, _, err := s.cfg.Jobs.List(ctx, jobs.Filter{Function: j.Function, Phases: []jobs.Phase{jobs.Completed}, Limit: recent})
	if err != nil {
		return time.Time{}, err
	}
	var took []time.Duration
	for _, p := range past {
		if p.Reused != "" {
			continue
		}
		d := p.Start + p.Run
		if j.Phase != jobs.Executing {
			d += p.Queue
		}
		took = append(took, d)
	}
	if len(took) == 0 {
		return time.Time{}, nil
	}
	slices.Sort(took)
	median := took[len(took)/2]
	if j.Phase == jobs.Executing {
		return later(j.Started.Add(median), time.Now()), nil
	}
	return time.Now().Add(median), nil
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
