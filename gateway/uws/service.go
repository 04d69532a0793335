package uws

import (
	"errors"
	"log/slog"
	"math"
	"net/http"
	"strconv"
	"strings"
	"sync"

	"fringe"
	"fringe/auth"
	"fringe/catalogue"
	"fringe/data"
	"fringe/jobs"
	"fringe/site"
)

// Config says what the service speaks for.
type Config struct {
	Site      *site.Local
	Auth      *auth.Auth
	Catalogue *catalogue.Catalogue
	Data      *data.Data
	Jobs      *jobs.Jobs
	UploadMax int64 // bytes of one uploaded file
	// Send answers with the content of a dataset.
	Send func(w http.ResponseWriter, r *http.Request, did fringe.DID) error
	Log  *slog.Logger
}

// Service serves /uws/. Its requests carry a principal.
type Service struct {
	cfg Config
	mux *http.ServeMux

	editing sync.Mutex // held from reading a job's parameters to changing them
}

// New gives the service.
func New(cfg Config) *Service {
	s := &Service{cfg: cfg, mux: http.NewServeMux()}
	s.routes()
	return s
}

// ServeHTTP implements http.Handler.
func (s *Service) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.mux.ServeHTTP(w, r) }

// ServeUnknown implements gateway.Surface: the answer says how to be known.
func (s *Service) ServeUnknown(w http.ResponseWriter, r *http.Request, err error) {
	for _, c := range []string{`Bearer realm="fringe"`, `ivoa_bearer standard_id="ivo://ivoa.net/sso#BearerToken"`, `Basic realm="fringe", charset="UTF-8"`} {
		w.Header().Add("WWW-Authenticate", c)
	}
	s.fail(w, r, err)
}

// request is a request for something of one function.
type request struct {
	w http.ResponseWriter
	*http.Request
	version *catalogue.Version
	base    string // URL of the function's service
}

// routes lists every route.
func (s *Service) routes() {
	read := func(pattern string, f func(*request) error) { s.handle("GET "+pattern, fringe.Reader, f) }
	change := func(pattern string, f func(*request) error) { s.handle(pattern, fringe.Caller, f) }
	read("/uws/{ref}/capabilities", s.capabilities)
	read("/uws/{ref}/availability", s.availability)
	read("/uws/{ref}/examples", s.examples)

	read("/uws/{ref}/async", s.list)
	change("POST /uws/{ref}/async", s.create)
	read("/uws/{ref}/async/{id}", s.show)
	change("POST /uws/{ref}/async/{id}", s.act)
	change("DELETE /uws/{ref}/async/{id}", s.remove)
	read("/uws/{ref}/async/{id}/phase", s.text(phaseText))
	change("POST /uws/{ref}/async/{id}/phase", s.setPhase)
	read("/uws/{ref}/async/{id}/executionduration", s.text(durationText))
	change("POST /uws/{ref}/async/{id}/executionduration", s.setDuration)
	read("/uws/{ref}/async/{id}/destruction", s.text(destructionText))
	change("POST /uws/{ref}/async/{id}/destruction", s.setDestruction)
	read("/uws/{ref}/async/{id}/quote", s.quoteText)
	read("/uws/{ref}/async/{id}/owner", s.text(ownerText))
	read("/uws/{ref}/async/{id}/error", s.errorText)
	read("/uws/{ref}/async/{id}/parameters", s.parameters)
	change("POST /uws/{ref}/async/{id}/parameters", s.setParameters)
	read("/uws/{ref}/async/{id}/parameters/{name}", s.parameter)
	change("PUT /uws/{ref}/async/{id}/parameters/{name}", s.putParameter)
	read("/uws/{ref}/async/{id}/results", s.results)
	read("/uws/{ref}/async/{id}/results/{name...}", s.result)

	change("GET /uws/{ref}/sync", s.once)
	change("POST /uws/{ref}/sync", s.once)
	read("/uws/{ref}/sync/{id}", s.waitOnce)
	s.mux.HandleFunc("/uws/", func(w http.ResponseWriter, r *http.Request) {
		s.fail(w, r, &fringe.Error{Op: "uws", Kind: fringe.NotFound, Message: r.Method + " " + r.URL.Path + " is not part of the service",
			Cure: "see /uws/NAME/capabilities"})
	})
}

// handle makes a handler of a function that answers for one function of the
// catalogue; an error that it gives is written when it has written nothing.
func (s *Service) handle(pattern string, role fringe.Role, f func(*request) error) {
	s.mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
		ctx := r.Context()
		w.Header().Set("X-VO-Authenticated", fringe.PrincipalOf(ctx).Name)
		err := s.cfg.Auth.Require(ctx, pattern, role)
		var v *catalogue.Version
		if err == nil {
			v, err = s.cfg.Catalogue.Resolve(ctx, r.PathValue("ref"))
		}
		if err == nil && v.Tool == nil {
			err = &fringe.Error{Op: "uws", Kind: fringe.NotFound, Message: v.Ref() + " takes the HTTP request itself and has no parameters",
				Cure: "call it at /function/" + string(v.Name)}
		}
		if err == nil {
			err = f(&request{w: w, Request: r, version: v, base: baseOf(r)})
		}
		if err != nil {
			s.fail(w, r, err)
		}
	})
}

// baseOf gives the URL of the function's service as the client sees it.
func baseOf(r *http.Request) string {
	return rootOf(r) + "/uws/" + r.PathValue("ref")
}

func rootOf(r *http.Request) string {
	if r.TLS != nil || r.Header.Get("X-Forwarded-Proto") == "https" {
		return "https://" + r.Host
	}
	return "http://" + r.Host
}

func (r *request) jobURL(id fringe.CallID) string { return r.base + "/async/" + string(id) }

// seeOther sends the client to a URL.
func (r *request) seeOther(url string) error {
	r.w.Header().Set("Location", url)
	r.w.WriteHeader(http.StatusSeeOther)
	return nil
}

// document answers with what f writes.
func (r *request) document(mediaType string, f func(w http.ResponseWriter) error) error {
	r.w.Header().Set("Content-Type", mediaType)
	r.w.Header().Set("Cache-Control", "no-store")
	return f(r.w)
}

func (r *request) plain(text string) error {
	return r.document("text/plain; charset=utf-8", func(w http.ResponseWriter) error {
		_, err := w.Write([]byte(text))
		return err
	})
}

// statusOf is the table from kinds to the status codes of UWS: what the job's
// state or the principal's rights forbid is 403.
func statusOf(k fringe.Kind) int {
	switch k {
	case fringe.Invalid:
		return http.StatusBadRequest
	case fringe.Unknown:
		return http.StatusUnauthorized
	case fringe.NotFound:
		return http.StatusNotFound
	case fringe.Conflict, fringe.Denied:
		return http.StatusForbidden
	case fringe.TooLarge:
		return http.StatusRequestEntityTooLarge
	case fringe.OverQuota:
		return http.StatusInsufficientStorage
	case fringe.Busy:
		return http.StatusTooManyRequests
	case fringe.Unavailable:
		return http.StatusServiceUnavailable
	}
	return http.StatusInternalServerError
}

// rejected is an error that refuses a job's creation, which UWS answers by 403.
type rejected struct{ error }

func (r rejected) Unwrap() error { return r.error }

// fail answers with the error as text.
func (s *Service) fail(w http.ResponseWriter, r *http.Request, err error) {
	if fringe.Gone(err) {
		w.WriteHeader(499) // nobody reads it
		return
	}
	e := fringe.E("uws", err)
	status := statusOf(e.Kind)
	var no rejected
	if errors.As(err, &no) && (status == http.StatusBadRequest || status == http.StatusNotFound) {
		status = http.StatusForbidden
	}
	level := slog.LevelInfo
	if status >= 500 {
		level = slog.LevelWarn
	}
	s.cfg.Log.Log(r.Context(), level, "problem", "method", r.Method, "path", r.URL.Path, "status", status,
		"principal", fringe.PrincipalOf(r.Context()).Name, "err", err)
	if e.RetryAfter > 0 || e.Kind == fringe.Busy {
		w.Header().Set("Retry-After", strconv.Itoa(max(1, int(math.Ceil(e.RetryAfter.Seconds())))))
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	text := e.Message
	if text == "" {
		text = "the platform failed; the server's log says why"
	}
	if e.Cure != "" {
		text += "\n" + e.Cure
	}
	w.Write([]byte(strings.ToValidUTF8(text, "?") + "\n"))
}

func (s *Service) capabilities(r *request) error {
	return r.document("application/xml", func(w http.ResponseWriter) error { return writeCapabilities(w, r.version, r.base) })
}

func (s *Service) availability(r *request) error {
	return r.document("application/xml", func(w http.ResponseWriter) error {
		return writeAvailability(w, true, r.version.Ref()+" takes calls")
	})
}

func (s *Service) examples(r *request) error {
	if r.version.Doc.Example == nil {
		return fringe.Errorf("uws.examples", fringe.NotFound, "%s has no example", r.version.Ref())
	}
	return r.document("application/xhtml+xml", func(w http.ResponseWriter) error { return writeExamples(w, r.version) })
}
