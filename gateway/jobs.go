package gateway

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"fringe"
	"fringe/client"
	"fringe/jobs"
)

// mayRead hides other people's jobs from all but operators.
func mayRead(r *http.Request, owner string) bool {
	p := fringe.PrincipalOf(r.Context())
	return p.Name == owner || p.Role.Includes(fringe.Operator)
}

// job gives the job of the path; another principal's is not found.
func (g *Gateway) job(r *http.Request) (jobs.Job, error) {
	id := fringe.CallID(r.PathValue("id"))
	j, err := g.cfg.Jobs.Get(r.Context(), id)
	if err == nil && !mayRead(r, j.Owner) {
		return jobs.Job{}, &fringe.Error{Op: "gateway.job", Kind: fringe.NotFound, Message: fmt.Sprintf("there is no job %q", id),
			Cure: "see yours with: fringe job list"}
	}
	return j, err
}

func (g *Gateway) listJobs(r *http.Request) (answer, error) {
	f, err := filterOf(r)
	if err != nil {
		return answer{}, err
	}
	found, next, err := g.cfg.Jobs.List(r.Context(), f)
	if err != nil {
		return answer{}, err
	}
	page := client.Page[client.Job]{Items: []client.Job{}, Next: next}
	for i := range found {
		page.Items = append(page.Items, wireJob(&found[i]))
	}
	return ok(page), nil
}

// filterOf reads which jobs a listing is to show: one's own, an operator's
// whichever are asked for.
func filterOf(r *http.Request) (f jobs.Filter, err error) {
	const op = "gateway.filterOf"
	q := r.URL.Query()
	f = jobs.Filter{Owner: q.Get("owner"), Namespace: q.Get("namespace"), Function: fringe.FunctionName(q.Get("function")), RunID: q.Get("runId"), Cursor: q.Get("cursor")}
	if f.Limit, err = limitOf(r); err != nil {
		return f, err
	}
	if p := fringe.PrincipalOf(r.Context()); !p.Role.Includes(fringe.Operator) {
		if f.Owner != "" && f.Owner != p.Name {
			return f, fringe.Errorf(op, fringe.Denied, "only operators see the jobs of others")
		}
		f.Owner = p.Name
	}
	for _, list := range q["phase"] {
		for text := range strings.SplitSeq(list, ",") {
			if text == "" {
				continue
			}
			f.Phases = append(f.Phases, jobs.Phase(text))
		}
	}
	for _, l := range q["label"] {
		name, value, ok := strings.Cut(l, "=")
		if !ok {
			return f, fringe.Errorf(op, fringe.Invalid, "label is %.80q; NAME=VALUE is expected", l)
		}
		if f.Labels == nil {
			f.Labels = map[string]string{}
		}
		f.Labels[name] = value
	}
	for name, t := range map[string]*time.Time{"after": &f.After, "before": &f.Before} {
		if text := q.Get(name); text != "" {
			if *t, err = parseTime(text); err != nil {
				return f, fringe.Errorf(op, fringe.Invalid, "%s is %.40q; a time such as 2026-01-31 or 2026-01-31T12:00:00Z is expected", name, text)
			}
		}
	}
	return f, nil
}

func parseTime(s string) (t time.Time, err error) {
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05", time.DateOnly} {
		if t, err = time.Parse(layout, s); err == nil {
			return t, nil
		}
	}
	return t, err
}

func wireJob(j *jobs.Job) client.Job {
	c := client.Job{ID: j.ID, Function: string(j.Function) + "@" + j.Version, Digest: j.Digest, Environment: j.Environment, Owner: j.Owner, Namespace: j.Namespace,
		Phase: string(j.Phase), Priority: j.Priority, Labels: j.Labels, RunID: j.RunID, Inputs: j.Inputs, Outputs: j.Outputs, Reused: j.Reused,
		Error: wireError(j.Err, j.ID), Submitted: j.Submitted, Started: optional(j.Started), Ended: optional(j.Ended),
		Duration: j.Duration.Seconds(), Destruction: optional(j.Destruction), Usage: wireUsage(j.Usage),
		Timing: client.Timing{Queue: j.Queue.Seconds(), Start: j.Start.Seconds(), Run: j.Run.Seconds()}}
	return c
}

func wireError(err *fringe.Error, id fringe.CallID) *client.Problem {
	if err == nil {
		return nil
	}
	e := *err
	e.Call = id
	p := problemOf(&e, id)
	return &p
}

func wireUsage(u fringe.Usage) *fringe.Usage {
	if u == (fringe.Usage{}) {
		return nil
	}
	return &u
}

func optional(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// showJob gives a job with its attempts, its progress and its delivery.
func (g *Gateway) showJob(r *http.Request) (answer, error) {
	j, err := g.job(r)
	if err != nil {
		return answer{}, err
	}
	c := wireJob(&j)
	attempts, err := g.cfg.Jobs.Attempts(r.Context(), j.ID)
	if err != nil {
		return answer{}, err
	}
	for _, a := range attempts {
		c.Attempts = append(c.Attempts, client.Attempt{Number: a.Fence, Started: a.Started, Ended: optional(a.Ended), Cause: a.Cause,
			Error: wireError(a.Err, j.ID), Usage: wireUsage(a.Usage)})
	}
	events, err := g.cfg.Jobs.Events(r.Context(), j.ID, 0)
	if err != nil {
		return answer{}, err
	}
	for _, e := range events {
		if e.Progress != nil {
			c.Progress = &client.Progress{Fraction: e.Progress.Fraction, Step: e.Progress.Step}
		}
	}
	d, found, err := g.cfg.Jobs.Delivery(r.Context(), j.ID)
	if err != nil {
		return answer{}, err
	}
	if found {
		c.Delivery = &client.Delivery{URL: d.URL, State: string(d.State), Tries: d.Tries, Status: d.Status, Error: d.Error, At: d.At}
	}
	return ok(c), nil
}

// jobResults lists the outputs of a job that has completed, in the order of
// their names.
func (g *Gateway) jobResults(r *http.Request) (answer, error) {
	j, err := g.job(r)
	if err != nil {
		return answer{}, err
	}
	page := client.Page[client.Result]{Items: []client.Result{}}
	if j.Phase != jobs.Completed {
		return answer{}, &fringe.Error{Op: "gateway.jobResults", Kind: fringe.Conflict, Message: fmt.Sprintf("the job %s is %s", j.ID, j.Phase),
			Cure: "wait for it with: fringe job wait " + string(j.ID)}
	}
	var outputs map[string]json.RawMessage
	if err := json.Unmarshal(j.Outputs, &outputs); err != nil {
		return answer{}, fringe.E("gateway.jobResults", err)
	}
	for name, value := range outputs {
		page.Items = append(page.Items, wireResult(name, value)...)
	}
	slices.SortFunc(page.Items, func(a, b client.Result) int { return strings.Compare(a.Name, b.Name) })
	return ok(page), nil
}

// wireResult gives an output, or each file of a list of them.
func wireResult(name string, value json.RawMessage) []client.Result {
	var file client.Result
	if json.Unmarshal(value, &file) == nil && (file.Class == "File" || file.Class == "Directory") && file.Location != "" {
		file.Name, file.Value = name, nil
		file.URL = "/api/v1/content/" + client.EscapePath(file.Location)
		return []client.Result{file}
	}
	var list []json.RawMessage
	if json.Unmarshal(value, &list) == nil {
		var all []client.Result
		for i, v := range list {
			if one := wireResult(fmt.Sprintf("%s/%d", name, i), v); len(one) == 1 && one[0].Class != "" {
				all = append(all, one...)
			}
		}
		if len(all) == len(list) && len(all) > 0 {
			return all
		}
	}
	return []client.Result{{Name: name, Value: value}}
}

// jobLog sends what a call wrote; with follow=true until it ends. A service's
// call has a log too, and no job.
func (g *Gateway) jobLog(w http.ResponseWriter, r *http.Request) error {
	const op = "gateway.jobLog"
	id := fringe.CallID(r.PathValue("id"))
	q := r.URL.Query()
	streams := []jobs.Stream{jobs.Stdout, jobs.Stderr}
	switch s := q.Get("stream"); s {
	case "":
	case "stdout", "stderr":
		streams = []jobs.Stream{jobs.Stream(s)}
	default:
		return fringe.Errorf(op, fringe.Invalid, "stream is %q; stdout or stderr is expected", s)
	}
	_, err := g.job(r)
	if err != nil {
		if _, there := g.cfg.Jobs.Get(r.Context(), id); there == nil || !g.cfg.Jobs.HasLog(id) {
			return &fringe.Error{Op: op, Kind: fringe.NotFound,
				Message: fmt.Sprintf("there is no log of %q: no job has this id, and no call of a service that wrote anything", id),
				Cure:    "see the jobs with: fringe job list"}
		}
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(http.StatusOK)
	to := flushing{w, http.NewResponseController(w)}
	if q.Get("follow") == "true" && err == nil {
		err = g.cfg.Jobs.FollowLog(r.Context(), id, streams, to)
	} else {
		err = g.cfg.Jobs.CopyLog(r.Context(), id, streams, to, nil)
	}
	if err != nil {
		g.log.Debug("log not followed to its end", "call", id, "err", err)
	}
	return nil
}

// flushing sends every write at once.
type flushing struct {
	http.ResponseWriter
	rc *http.ResponseController
}

func (f flushing) Write(p []byte) (int, error) {
	n, err := f.ResponseWriter.Write(p)
	if err == nil {
		err = f.rc.Flush()
	}
	return n, err
}

func jobURL(id fringe.CallID) string { return "/api/v1/jobs/" + url.PathEscape(string(id)) }
