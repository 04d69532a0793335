package gateway

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"time"

	"fringe"
	"fringe/auth"
	"fringe/client"
	"fringe/jobs"
)

// mayRead hides other people's calls from all but operators.
func mayRead(r *http.Request, owner string) bool {
	p := fringe.PrincipalOf(r.Context())
	return p.Name == owner || p.Role.Includes(fringe.Operator)
}

func (g *Gateway) listCalls(r *http.Request) (answer, error) {
	limit, err := limitOf(r)
	if err != nil {
		return answer{}, err
	}
	q := r.URL.Query()
	f := jobs.Filter{Function: fringe.FunctionName(q.Get("function")), Owner: q.Get("owner"),
		Limit: limit, Cursor: q.Get("cursor")}
	if p := q.Get("phase"); p != "" {
		f.Phases = []jobs.Phase{jobs.Phase(p)}
	}
	if p := fringe.PrincipalOf(r.Context()); !p.Role.Includes(fringe.Operator) {
		f.Owner = p.Name
	}
	found, next, err := g.cfg.Jobs.List(r.Context(), f)
	if err != nil {
		return answer{}, err
	}
	page := client.Page[client.Call]{Items: []client.Call{}, Next: next}
	for _, j := range found {
		page.Items = append(page.Items, wireCall(j))
	}
	return ok(page), nil
}

func wireCall(j jobs.Job) client.Call {
	c := client.Call{ID: j.ID, Function: string(j.Function) + "@" + j.Version, Digest: j.Digest, Owner: j.Owner, Phase: string(j.Phase),
		Inputs: j.Inputs, Outputs: j.Outputs, Submitted: j.Submitted, Started: optional(j.Started), Ended: optional(j.Ended),
		Timing: client.Timing{Queue: j.Queue.Seconds(), Start: j.Start.Seconds(), Run: j.Run.Seconds()}}
	if j.Usage != (fringe.Usage{}) {
		c.Usage = &j.Usage
	}
	if j.Err != nil {
		p := problemOf(j.Err, j.ID)
		c.Error = &p
	}
	return c
}

func optional(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// job gives a job that the principal may see; another's is not found.
func (g *Gateway) job(r *http.Request) (jobs.Job, error) {
	id := fringe.CallID(r.PathValue("id"))
	j, err := g.cfg.Jobs.Get(r.Context(), id)
	if err == nil && !mayRead(r, j.Owner) {
		err = fringe.Errorf("gateway.job", fringe.NotFound, "there is no call %q", id)
	}
	return j, err
}

func (g *Gateway) call(r *http.Request) (answer, error) {
	j, err := g.job(r)
	if err != nil {
		return answer{}, err
	}
	return ok(wireCall(j)), nil
}

func (g *Gateway) abortCall(r *http.Request) (answer, error) {
	j, err := g.job(r)
	if err != nil {
		return answer{}, err
	}
	if err := g.cfg.Site.Abort(r.Context(), j.ID); err != nil {
		return answer{}, err
	}
	return answer{http.StatusAccepted, client.Call{ID: j.ID, Phase: string(jobs.Aborted)}}, nil
}

// callLog sends what a call wrote; with follow=true until it ends.
func (g *Gateway) callLog(w http.ResponseWriter, r *http.Request) error {
	id := fringe.CallID(r.PathValue("id"))
	q := r.URL.Query()
	streams := []jobs.Stream{jobs.Stdout, jobs.Stderr}
	switch s := q.Get("stream"); s {
	case "":
	case "stdout", "stderr":
		streams = []jobs.Stream{jobs.Stream(s)}
	default:
		return fringe.Errorf("gateway.callLog", fringe.Invalid, "stream is %q; stdout or stderr is expected", s)
	}
	if j, err := g.cfg.Jobs.Get(r.Context(), id); err == nil && !mayRead(r, j.Owner) {
		return fringe.Errorf("gateway.callLog", fringe.NotFound, "there is no call %q", id)
	} else if err != nil && !g.cfg.Jobs.HasLog(id) {
		return &fringe.Error{Op: "gateway.callLog", Kind: fringe.NotFound, Component: fringe.Gateway,
			Message: fmt.Sprintf("there is no call %q that wrote anything", id), Cure: "a service's call has a log only when its function wrote something"}
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(http.StatusOK)
	follow := func(ctx context.Context, id fringe.CallID, streams []jobs.Stream, w io.Writer) error {
		return g.cfg.Jobs.CopyLog(ctx, id, streams, w, nil)
	}
	if q.Get("follow") == "true" {
		follow = g.cfg.Jobs.FollowLog
	}
	if err := follow(r.Context(), id, streams, flushing{w, http.NewResponseController(w)}); err != nil {
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

func (g *Gateway) listTokens(r *http.Request) (answer, error) {
	tokens, err := g.auth.List(r.Context())
	if err != nil {
		return answer{}, err
	}
	page := client.Page[client.Token]{Items: []client.Token{}}
	for _, t := range tokens {
		page.Items = append(page.Items, wireToken(t, ""))
	}
	return ok(page), nil
}

func wireToken(t auth.Token, secret string) client.Token {
	return client.Token{ID: t.ID, Name: t.Name, Role: t.Role, Created: t.Created, Expires: optional(t.Expires), Used: optional(t.Used), Secret: secret}
}

func (g *Gateway) createToken(r *http.Request) (answer, error) {
	var body client.CreateToken
	if err := decode(r, &body); err != nil {
		return answer{}, err
	}
	secret, t, err := g.auth.Create(r.Context(), body.Name, body.Role, time.Duration(body.Days*24*float64(time.Hour)))
	if err != nil {
		return answer{}, err
	}
	return created(wireToken(t, secret)), nil
}

func (g *Gateway) revokeToken(r *http.Request) (answer, error) {
	return none(), g.auth.Revoke(r.Context(), r.PathValue("token"))
}
