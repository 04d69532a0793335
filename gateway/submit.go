package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"strings"
	"time"

	"fringe"
	"fringe/catalogue"
	"fringe/client"
	"fringe/jobs"
	"fringe/site"
)

// asyncCall makes a job of a call of a function.
func (g *Gateway) asyncCall(w http.ResponseWriter, r *http.Request) error {
	v, err := g.cfg.Catalogue.Resolve(r.Context(), r.PathValue("ref"))
	if err != nil {
		return err
	}
	return g.asJob(w, r, v, preference{async: true})
}

// asJob makes a job of a call and answers when it is committed, or when it ends
// within the time that the caller wants to wait.
func (g *Gateway) asJob(w http.ResponseWriter, r *http.Request, v *catalogue.Version, p preference) error {
	o, err := optionsOf(r.Header)
	if err != nil {
		return err
	}
	req := site.Request{ID: site.NewCallID(), Version: v, Trace: traceOf(r)}
	if !v.Raw {
		leave, err := g.expect(w, r, &req, true)
		if err != nil {
			return err
		}
		defer leave()
		if err := g.readInputs(w, r, &req); err != nil {
			g.release(&req)
			return err
		}
	}
	j, err := g.cfg.Site.Submit(r.Context(), req, o)
	if err != nil {
		return err
	}
	h := w.Header()
	h.Set(callHeader, string(j.ID))
	h.Set("Preference-Applied", p.applied())
	if p.wait > 0 {
		if j, err = g.await(r.Context(), j, p.wait); err != nil {
			return err
		}
		if j.Phase.Final() {
			return g.writeEnded(w, r, v, &j)
		}
	}
	h.Set("Location", jobURL(j.ID))
	h.Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusAccepted)
	return json.NewEncoder(w).Encode(wireJob(&j))
}

// await waits for at most so long until a job has ended.
func (g *Gateway) await(ctx context.Context, j jobs.Job, most time.Duration) (jobs.Job, error) {
	bounded, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	j, err := g.cfg.Jobs.Wait(bounded, j.ID, "")
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
		err = nil
	}
	return j, err
}

// writeEnded answers a call whose job has ended.
func (g *Gateway) writeEnded(w http.ResponseWriter, r *http.Request, v *catalogue.Version, j *jobs.Job) error {
	if j.Err != nil {
		return j.Err
	}
	a := &site.Answer{Job: j.ID, Reused: j.Reused, Timing: site.Timing{Queue: j.Queue, Start: j.Start, Run: j.Run}}
	if err := fringe.Unmarshal(j.Outputs, &a.Outputs); err != nil {
		return fringe.E("gateway.writeEnded", err)
	}
	return g.writeAnswer(w, r, v, a)
}

// accepted answers with a job that was made.
func accepted(j *jobs.Job) answer {
	return answer{status: http.StatusAccepted, value: wireJob(j), header: http.Header{"Location": {jobURL(j.ID)}, callHeader: {string(j.ID)}}}
}

// createJob makes a job of a description.
func (g *Gateway) createJob(r *http.Request) (answer, error) {
	var n client.NewJob
	if err := decode(r, &n); err != nil {
		return answer{}, err
	}
	v, err := g.cfg.Catalogue.Resolve(r.Context(), n.Function)
	if err != nil {
		return answer{}, err
	}
	if n.Inputs == nil {
		n.Inputs = map[string]any{}
	}
	o, err := optionsFrom(r.Header, &n)
	if err != nil {
		return answer{}, err
	}
	j, err := g.cfg.Site.Submit(r.Context(), site.Request{ID: site.NewCallID(), Version: v, Inputs: n.Inputs, Trace: traceOf(r)}, o)
	if err != nil {
		return answer{}, err
	}
	return accepted(&j), nil
}

// rerunLabel names, on a job, the one that it repeats.
const rerunLabel = "rerun-of"

// rerunJob makes a job of the same version and the same inputs, whose answer
// does not come from the store.
func (g *Gateway) rerunJob(r *http.Request) (answer, error) {
	const op = "gateway.rerunJob"
	old, err := g.job(r)
	if err != nil {
		return answer{}, err
	}
	v, err := g.cfg.Catalogue.Resolve(r.Context(), string(old.Function)+"@"+old.Version)
	if err != nil {
		return answer{}, err
	}
	if v.Digest != old.Digest {
		return answer{}, fringe.Errorf(op, fringe.Conflict, "%s has other content than when the job %s ran it: %s, not %s", v.Ref(), old.ID, v.Digest, old.Digest)
	}
	req := site.Request{ID: site.NewCallID(), Version: v, Trace: traceOf(r)}
	if err := fringe.Unmarshal(old.Inputs, &req.Inputs); err != nil {
		return answer{}, fringe.E(op, err)
	}
	o := site.Options{Labels: map[string]string{}, Priority: old.Priority, RunID: old.RunID, Duration: old.Duration, NoReuse: true}
	maps.Copy(o.Labels, old.Labels)
	if fringe.PrincipalOf(r.Context()).Uses(old.Namespace) {
		o.Namespace = old.Namespace
	}
	o.Labels[rerunLabel] = string(old.ID)
	j, err := g.cfg.Site.Submit(r.Context(), req, o)
	if e := fringe.E(op, err); err != nil && strings.Contains(e.Message, "upload:") {
		e.Cure = "that file came with the call itself and went with it; call the function again with the file, or with a dataset"
		return answer{}, e
	}
	if err != nil {
		return answer{}, err
	}
	return accepted(&j), nil
}

// runJob lets a job go that is PENDING or HELD.
func (g *Gateway) runJob(r *http.Request) (answer, error) {
	return g.steer(r, g.cfg.Site.Start)
}

// abortJob stops a job that has not ended.
func (g *Gateway) abortJob(r *http.Request) (answer, error) {
	return g.steer(r, g.cfg.Site.Abort)
}

// steer does something to the job of the path and answers with it.
func (g *Gateway) steer(r *http.Request, do func(context.Context, fringe.CallID) error) (answer, error) {
	j, err := g.job(r)
	if err == nil {
		err = do(r.Context(), j.ID)
	}
	if err == nil {
		j, err = g.job(r)
	}
	if err != nil {
		return answer{}, err
	}
	return accepted(&j), nil
}

// deleteJob removes a job with its log and its products.
func (g *Gateway) deleteJob(r *http.Request) (answer, error) {
	j, err := g.job(r)
	if err != nil {
		return answer{}, err
	}
	return none(), g.cfg.Site.Delete(r.Context(), j.ID)
}
