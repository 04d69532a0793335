package soda

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"mime"
	"net/http"
	"os"
	"path"
	"strconv"
	"strings"

	"fringe"
	"fringe/catalogue"
	"fringe/site"
)

const (
	maxBody   = 1 << 20 // bytes of the form of a request
	fitsType  = "application/fits"
	callIDKey = "X-Call-Id"
	output    = "cutout" // of the function
)

// Config says what the service is made of.
type Config struct {
	Path     string // below which it is served, without a slash at the end: /ska/datasets/soda
	Function string // the reference of the published function: cutout
	Rules    []Rule // how an ID names a dataset; the first that fits counts
	Resolve  func(ctx context.Context, ref string) (*catalogue.Version, error)
	Call     func(ctx context.Context, r site.Request) (*site.Answer, error)
	Links    string // where the links to datasets are, of DataLink: /ska/datasets/links
	Dataset  func(ctx context.Context, did fringe.DID) (fringe.Dataset, error)
	Require  func(ctx context.Context, op string, role fringe.Role) error
	Log      *slog.Logger
}

// Service answers SODA's requests.
type Service struct {
	cfg Config
	mux *http.ServeMux
}

// New gives a service.
func New(cfg Config) *Service {
	s := &Service{cfg: cfg, mux: http.NewServeMux()}
	for _, p := range []string{"/sync", ""} { // SRCNet's clients ask at the path itself
		s.mux.HandleFunc("GET "+cfg.Path+p, s.sync)
		s.mux.HandleFunc("POST "+cfg.Path+p, s.sync)
	}
	s.mux.HandleFunc("GET "+cfg.Links, s.links)
	s.mux.HandleFunc("POST "+cfg.Links, s.links)
	for _, p := range []string{"/capabilities", "/availability"} {
		s.mux.HandleFunc("GET "+cfg.Path+p, s.document)
	}
	s.mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		s.fail(w, r, fringe.Errorf("soda", fringe.NotFound, "there is nothing at %s; the resources are sync, capabilities and availability, and links beside them", r.URL.Path))
	})
	return s
}

// ServeHTTP implements http.Handler for a request of a known principal.
func (s *Service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("X-Vo-Authenticated", fringe.PrincipalOf(r.Context()).Name)
	s.mux.ServeHTTP(w, r)
}

// ServeUnknown answers a request whose principal is not known: the VOSI
// documents are for everybody, with a challenge that says how to be known.
func (s *Service) ServeUnknown(w http.ResponseWriter, r *http.Request, err error) {
	switch strings.TrimPrefix(r.URL.Path, s.cfg.Path) {
	case "/capabilities", "/availability":
		challenge(w.Header())
		s.mux.ServeHTTP(w, r)
	default:
		s.fail(w, r, err)
	}
}

// challenge says that a bearer token makes a principal known.
func challenge(h http.Header) {
	h.Add("WWW-Authenticate", `Bearer realm="fringe"`)
	h.Add("WWW-Authenticate", `ivoa_bearer standard_id="ivo://ivoa.net/sso#BearerToken"`)
}

// sync answers with the part of the data that is asked for.
func (s *Service) sync(w http.ResponseWriter, r *http.Request) {
	id := site.NewCallID()
	w.Header().Set(callIDKey, string(id))
	file, err := s.cut(r, id, http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		s.fail(w, r, err)
		return
	}
	if file == nil {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	defer file.Close()
	h := w.Header()
	h.Set("Content-Type", fitsType)
	h.Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": path.Base(file.Name())}))
	if st, err := file.Stat(); err == nil {
		h.Set("Content-Length", strconv.FormatInt(st.Size(), 10))
	}
	if _, err := io.Copy(w, file); err != nil && r.Context().Err() == nil {
		s.cfg.Log.Warn("cutout cut short", "call", id, "err", err)
		panic(http.ErrAbortHandler) // the only way to tell the client that the body is not whole
	}
}

// cut calls the function. It gives nil when nothing of the data is in the
// region.
func (s *Service) cut(r *http.Request, id fringe.CallID, body io.ReadCloser) (*os.File, error) {
	const op = "soda.sync"
	if err := s.cfg.Require(r.Context(), op, fringe.Caller); err != nil {
		return nil, err
	}
	r.Body = body
	if err := parseForm(r); err != nil {
		return nil, err
	}
	q, err := read(r.Form, s.cfg.Rules)
	if err != nil {
		return nil, err
	}
	v, err := s.cfg.Resolve(r.Context(), s.cfg.Function)
	if err != nil {
		return nil, &fringe.Error{Op: op, Kind: fringe.Unavailable, Component: fringe.Catalogue, Err: err,
			Message: fmt.Sprintf("the function %s, which makes cutouts, is not published at this site", s.cfg.Function)}
	}
	s.cfg.Log.Debug("soda", "call", id, "id", q.did.String(), "runid", q.run, "principal", fringe.PrincipalOf(r.Context()).Name)
	q.inputs["image"] = map[string]any{"class": "File", "location": q.did.String()}
	a, err := s.cfg.Call(r.Context(), site.Request{ID: id, Version: v, Inputs: q.inputs, Handover: true})
	if err != nil {
		return nil, err
	}
	file := a.Files[output]
	if file == nil && a.Outputs[output] != nil {
		return nil, &fringe.Error{Op: op, Kind: fringe.Failed, Component: fringe.Collect,
			Message: fmt.Sprintf("the function %s gave no file that can be sent; it is to be a service with the output %s", v.Ref(), output)}
	}
	return file, nil
}

// parseForm reads the query, and the body in either form that DALI has.
func parseForm(r *http.Request) error {
	err := r.ParseForm()
	if strings.HasPrefix(r.Header.Get("Content-Type"), "multipart/") && err == nil {
		err = r.ParseMultipartForm(maxBody)
	}
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		return bad("the parameters are longer than %d bytes", large.Limit)
	case err != nil:
		return bad("the parameters cannot be read: %v", err)
	case r.MultipartForm != nil && len(r.MultipartForm.File) > 0:
		return bad("files are not taken")
	}
	return nil
}

// fail answers with a line of text.
func (s *Service) fail(w http.ResponseWriter, r *http.Request, err error) {
	status, word, text := classify(err)
	level := slog.LevelInfo
	switch {
	case status >= 500:
		level = slog.LevelWarn
	case status == http.StatusTooManyRequests || fringe.Gone(err): // metrics count them
		level = slog.LevelDebug
	}
	s.cfg.Log.Log(r.Context(), level, "soda problem", "call", w.Header().Get(callIDKey), "status", status,
		"principal", fringe.PrincipalOf(r.Context()).Name, "err", err)
	h := w.Header()
	h.Set("Content-Type", "text/plain; charset=utf-8")
	if status == http.StatusUnauthorized || status == http.StatusForbidden {
		challenge(h)
	}
	var e *fringe.Error
	if errors.As(err, &e) && (e.RetryAfter > 0 || e.Kind == fringe.Busy) {
		h.Set("Retry-After", strconv.Itoa(max(1, int(math.Ceil(e.RetryAfter.Seconds())))))
	}
	w.WriteHeader(status)
	fmt.Fprintf(w, "%s: %s\n", word, strings.Join(strings.Fields(text), " "))
}

// classify gives the status code, SODA's word and the sentence of an error.
func classify(err error) (status int, word, text string) {
	var f *fault
	if errors.As(err, &f) {
		return http.StatusBadRequest, f.word, f.text
	}
	if fringe.Gone(err) {
		return 499, "Error", "the client has left"
	}
	e := &fringe.Error{Kind: fringe.Internal}
	errors.As(err, &e)
	text = e.Message
	if text == "" {
		text = "the site failed; its log says why"
	}
	switch e.Kind {
	case fringe.Invalid:
		var cause *fringe.Error
		if e.Pointer == "/image" && errors.As(e.Err, &cause) && cause.Kind == fringe.NotFound {
			return http.StatusNotFound, "Error", cause.Message // the ID is SODA's address of the data
		}
		return http.StatusBadRequest, usage, text
	case fringe.Unknown:
		return http.StatusUnauthorized, "AuthenticationError", text
	case fringe.Denied:
		return http.StatusForbidden, "AuthorizationError", text
	case fringe.NotFound:
		return http.StatusNotFound, "Error", text
	case fringe.Busy:
		return http.StatusTooManyRequests, "ServiceUnavailable", text
	case fringe.Unavailable:
		return http.StatusServiceUnavailable, "ServiceUnavailable", text
	case fringe.OverQuota:
		return http.StatusInsufficientStorage, "Error", text
	case fringe.TooLarge:
		return http.StatusRequestEntityTooLarge, usage, text
	case fringe.Failed:
		// A ValueError is how a function says that its inputs have no meaning.
		if said, ok := strings.CutPrefix(text, "ValueError: "); ok && e.Component == fringe.UserCode {
			return http.StatusBadRequest, usage, said
		}
		if e.Component == fringe.Timeout {
			return http.StatusGatewayTimeout, "Error", text
		}
	}
	return http.StatusInternalServerError, "Error", text
}
