package gateway

import (
	"encoding/json"
	"errors"
	"log/slog"
	"math"
	"net/http"
	"strconv"

	"fringe"
	"fringe/client"
)

// statusOf is the one table from kinds to HTTP status codes.
func statusOf(err error) int {
	if fringe.Gone(err) {
		return 499 // the client closed the request; nobody reads this
	}
	e := &fringe.Error{Kind: fringe.Internal}
	errors.As(err, &e)
	switch e.Kind {
	case fringe.Invalid:
		return http.StatusUnprocessableEntity
	case fringe.NotFound:
		return http.StatusNotFound
	case fringe.Conflict:
		return http.StatusConflict
	case fringe.Denied:
		return http.StatusForbidden
	case fringe.Unknown:
		return http.StatusUnauthorized
	case fringe.Busy:
		return http.StatusTooManyRequests
	case fringe.Unavailable:
		return http.StatusServiceUnavailable
	case fringe.TooLarge:
		return http.StatusRequestEntityTooLarge
	case fringe.OverQuota:
		return http.StatusInsufficientStorage
	case fringe.Failed:
		if e.Component == fringe.Timeout {
			return http.StatusGatewayTimeout
		}
	}
	return http.StatusInternalServerError
}

// OutcomeOf gives the outcome of a call that an Observation tells.
func OutcomeOf(err error) string {
	switch {
	case err == nil:
		return "ok"
	case fringe.Gone(err):
		return "gone"
	}
	return string(fringe.KindOf(err))
}

// titles are the short names of the kinds in problem documents.
func titleOf(k fringe.Kind) string {
	switch k {
	case fringe.Invalid:
		return "The request is not valid"
	case fringe.NotFound:
		return "Not found"
	case fringe.Conflict:
		return "It conflicts with what is there"
	case fringe.Denied:
		return "Not allowed"
	case fringe.Unknown:
		return "A valid token is needed"
	case fringe.Busy:
		return "Full now"
	case fringe.Unavailable:
		return "Not available"
	case fringe.TooLarge:
		return "Too large"
	case fringe.OverQuota:
		return "Over the quota"
	case fringe.Failed:
		return "The function failed"
	}
	return "A fault of the platform"
}

// problemOf gives the document for err. What is internal stays in the log.
func problemOf(err error, call fringe.CallID) client.Problem {
	e := &fringe.Error{Kind: fringe.Internal}
	errors.As(err, &e)
	p := client.Problem{Type: "urn:fringe:problem:" + string(e.Kind), Title: titleOf(e.Kind), Status: statusOf(err),
		Detail: e.Message, Component: e.Part(), Pointer: e.Pointer, Cure: e.Cure, Call: call}
	if p.Detail == "" {
		p.Detail = "the platform failed; the server's log says why"
	}
	switch e.Kind {
	case fringe.Internal, fringe.Unavailable, fringe.Busy:
		if p.Component == "" {
			p.Component = fringe.Gateway
		}
	}
	return p
}

// writeProblem answers with the problem document of err.
func (g *Gateway) writeProblem(w http.ResponseWriter, r *http.Request, err error) {
	p := problemOf(err, fringe.CallID(w.Header().Get(callHeader)))
	level := slog.LevelInfo
	switch {
	case p.Status >= 500:
		level = slog.LevelWarn
	case p.Status == http.StatusTooManyRequests || fringe.Gone(err): // metrics count them
		level = slog.LevelDebug
	}
	g.log.Log(r.Context(), level, "problem", "method", r.Method, "path", r.URL.Path, "status", p.Status, "call", p.Call,
		"principal", fringe.PrincipalOf(r.Context()).Name, "err", err)
	h := w.Header()
	h.Set("Content-Type", "application/problem+json")
	h.Del("Content-Length")
	if p.Component != "" {
		h.Set("X-Fringe-Component", string(p.Component))
	}
	var e *fringe.Error
	if errors.As(err, &e) && (e.RetryAfter > 0 || e.Kind == fringe.Busy) {
		h.Set("Retry-After", strconv.Itoa(max(1, int(math.Ceil(e.RetryAfter.Seconds())))))
	}
	if p.Status == http.StatusUnauthorized {
		h["Www-Authenticate"] = []string{`Bearer realm="fringe"`, `Basic realm="fringe", charset="UTF-8"`}
	}
	w.WriteHeader(p.Status)
	json.NewEncoder(w).Encode(p)
}
