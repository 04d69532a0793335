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
	Observe   func(Observation)                           // called once for every call
	Doctor    func(ctx context.Context) []client.Check    // what the machine enforces
	Starts    func(fringe.EnvironmentName) *client.Starts // how instances start in an environment; nil: none has
	UploadMax int64                                       // bytes of one file in a call's body
	Surfaces  map[string]Surface                          // by the path that they are below: /ska/datasets/soda
	Log       *slog.Logger
}

// Surface speaks the protocol of other services below a path of its own, with
// that protocol's form of errors. The gateway authenticates its requests.
type Surface interface {
	http.Handler // for a request whose principal is known

	// ServeUnknown answers a request whose principal is not known; err
	// says why.
	ServeUnknown(w http.ResponseWriter, r *http.Request, err error)
}

// Observation is what is measured of one call.
type Observation struct {
	Function fringe.FunctionName
	Outcome  string // "ok", "gone" when the client has left, or the kind of the error
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

	patterns map[string]fringe.Role // of every route, with the role that it needs; fixed after New
}

// New gives a gateway; it is not ready until Ready(true).
func New(cfg Config) *Gateway {
	g := &Gateway{cfg: cfg, auth: cfg.Auth, log: cfg.Log, mux: http.NewServeMux(), patterns: map[string]fringe.Role{}}
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
	surface := g.surface(r.URL.Path)
	switch known := r.WithContext(fringe.WithPrincipal(r.Context(), p)); {
	case err == nil && surface != nil:
		surface.ServeHTTP(w, known)
	case err == nil:
		g.mux.ServeHTTP(w, known)
	case surface != nil:
		surface.ServeUnknown(w, r, err)
	default:
		g.writeProblem(w, r, err)
	}
}

// surface gives the one that a path belongs to, or nil.
func (g *Gateway) surface(path string) Surface {
	for below, s := range g.cfg.Surfaces {
		if rest, ok := strings.CutPrefix(path, below); ok && (rest == "" || rest[0] == '/') {
			return s
		}
	}
	return nil
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
