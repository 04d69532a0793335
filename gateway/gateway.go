// Package gateway is the HTTP surface of a site: it decodes a request, asks
// whether the principal may do it, calls one room and encodes the answer.
//
// Every route but /healthz and /readyz needs a principal: authentication wraps
// the whole mux. Each request gets an id, X-Call-Id, that its log lines and its
// problem document carry. Errors are RFC 9457 problem documents; one table
// turns kinds into status codes.
//
// It is set up by room server.
package gateway

import (
	"context"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"

	"fringe"
	"fringe/auth"
	"fringe/build"
	"fringe/catalogue"
	"fringe/client"
	"fringe/data"
	"fringe/jobs"
	"fringe/site"
)

const callHeader = "X-Call-Id"

// Config says what the gateway speaks for.
type Config struct {
	Site      *site.Local
	Name      string // of the site
	Version   string
	Auth      *auth.Auth
	Catalogue *catalogue.Catalogue
	Data      *data.Data
	Jobs      *jobs.Jobs
	Builder   *build.Builder
	Metrics   http.Handler
	Observe   func(Observation)                        // called once for every call
	Doctor    func(ctx context.Context) []client.Check // what the machine enforces
	UploadMax int64                                    // bytes of one file in a call's body
	Log       *slog.Logger
}

// Observation is what is measured of one call.
type Observation struct {
	Function fringe.FunctionName
	Outcome  string // "ok", or the kind of the error
	Timing   site.Timing
	Cold     bool
	In, Out  int64 // bytes of the bodies
}

// Gateway serves the HTTP API.
type Gateway struct {
	cfg   Config
	auth  *auth.Auth
	log   *slog.Logger
	mux   *http.ServeMux
	ready atomic.Bool
}

// New gives a gateway; it is not ready until Ready(true).
func New(cfg Config) *Gateway {
	g := &Gateway{cfg: cfg, auth: cfg.Auth, log: cfg.Log, mux: http.NewServeMux()}
	g.routes()
	return g
}

// Ready says what /readyz answers.
func (g *Gateway) Ready(ready bool) { g.ready.Store(ready) }

// ServeHTTP implements http.Handler: health answers anyone, all else needs a
// principal.
func (g *Gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/healthz":
		w.Write([]byte("ok\n"))
		return
	case "/readyz":
		g.readyz(w)
		return
	}
	p, err := g.auth.Authenticate(r.Context(), bearer(r))
	if err != nil {
		g.writeProblem(w, r, err)
		return
	}
	g.mux.ServeHTTP(w, r.WithContext(fringe.WithPrincipal(r.Context(), p)))
}

func (g *Gateway) readyz(w http.ResponseWriter) {
	if !g.ready.Load() {
		http.Error(w, "not ready", http.StatusServiceUnavailable)
		return
	}
	w.Write([]byte("ready\n"))
}

// bearer gives the token of the request: Authorization: Bearer, or the
// password of basic authentication.
func bearer(r *http.Request) string {
	h := r.Header.Get("Authorization")
	if t, ok := strings.CutPrefix(h, "Bearer "); ok {
		return strings.TrimSpace(t)
	}
	if _, password, ok := r.BasicAuth(); ok {
		return password
	}
	return ""
}
