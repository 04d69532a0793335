package uws

import (
	"fringe"
	"fringe/jobs"
)

// once makes a job, runs it, and sends the client to where it waits for it.
func (s *Service) once(r *request) error {
	id, err := s.submit(r, true)
	if err != nil {
		return err
	}
	return r.seeOther(r.base + "/sync/" + string(id))
}

// waitOnce blocks until the job has ended and sends the client to its main
// result; a job that takes longer than a request may, to the same place again.
func (s *Service) waitOnce(r *request) error {
	j, err := s.job(r)
	if err != nil {
		return err
	}
	if j, err = s.await(r.Context(), j.ID, "", longest); err != nil {
		return err
	}
	switch {
	case j.Phase == jobs.Held:
		return &fringe.Error{Op: "uws.waitOnce", Kind: fringe.Busy, Component: fringe.Engine, Message: "the site is full", Cure: "send the request again"}
	case !j.Phase.Final():
		return r.seeOther(r.base + "/sync/" + string(j.ID))
	case j.Err != nil:
		return j.Err
	}
	all, err := s.outputsOf(r, &j)
	if err != nil {
		return err
	}
	if len(all) == 0 {
		return fringe.Errorf("uws.waitOnce", fringe.NotFound, "the job %s, which is %s, has no result", j.ID, j.Phase)
	}
	return r.seeOther(all[0].URL)
}
