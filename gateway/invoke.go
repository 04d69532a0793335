package gateway

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"mime"
	"net/http"
	"net/url"
	"strings"

	"fringe"
	"fringe/catalogue"
	"fringe/site"
)

const (
	jsonType    = "application/json"
	smallObject = 64 << 10 // bytes of an input object that is tried without decoding
	objectRoom  = 256      // bytes for the inputs that it leaves out
)

// invoke answers a call of a function.
func (g *Gateway) invoke(w http.ResponseWriter, r *http.Request) error {
	id := site.NewCallID()
	w.Header().Set(callHeader, string(id))
	v, err := g.cfg.Catalogue.Resolve(r.Context(), r.PathValue("ref"))
	if err != nil {
		return err
	}
	if p := preferenceOf(r.Header); p.given && !v.Raw {
		w.Header().Del(callHeader) // the job's, once it is there
		return g.asJob(w, r, v, p)
	}
	req := site.Request{ID: id, Version: v, Trace: traceOf(r)}
	body := &counted{r: r.Body}
	r.Body = body
	seen := Observation{Function: v.Name}
	a, err := g.call1(w, r, &req)
	if a != nil {
		seen.Timing, seen.Cold = a.Timing, a.Cold
	}
	if err == nil {
		out := &countedWriter{ResponseWriter: w}
		err = g.writeAnswer(out, r, v, a)
		seen.Out = out.n
	}
	seen.Outcome, seen.In = OutcomeOf(err), body.n
	g.cfg.Observe(seen)
	g.logCall(r.Context(), req, seen)
	return err
}

// logCall logs a call, for debugging or when its caller traces it.
func (g *Gateway) logCall(ctx context.Context, req site.Request, seen Observation) {
	level := slog.LevelDebug
	if req.Trace != "" {
		level = slog.LevelInfo
	}
	if !g.log.Enabled(ctx, level) {
		return
	}
	g.log.LogAttrs(ctx, level, "call", slog.String("call", string(req.ID)), slog.String("function", req.Version.Ref()),
		slog.String("outcome", seen.Outcome), slog.String("principal", fringe.PrincipalOf(ctx).Name), slog.String("trace", req.Trace),
		slog.Duration("queue", seen.Timing.Queue), slog.Duration("start", seen.Timing.Start), slog.Duration("run", seen.Timing.Run))
}

// traceOf gives the caller's trace context when it is one by W3C Trace
// Context: version, trace, parent and flags in lower-case hexadecimal digits.
func traceOf(r *http.Request) string {
	const form = "00-00000000000000000000000000000000-0000000000000000-00"
	s := r.Header.Get("Traceparent")
	if len(s) != len(form) || s[:2] == "ff" {
		return ""
	}
	for i := range len(s) {
		digit := s[i] >= '0' && s[i] <= '9' || s[i] >= 'a' && s[i] <= 'f'
		if dash := form[i] == '-'; dash != (s[i] == '-') || !dash && !digit {
			return ""
		}
	}
	return s
}

// call1 reads the request as the function takes it and makes the call.
func (g *Gateway) call1(w http.ResponseWriter, r *http.Request, req *site.Request) (*site.Answer, error) {
	req.Options.Namespace = r.Header.Get(spaceHeader)
	if req.Version.Raw {
		req.Raw = &fringe.Call{Method: r.Method, Path: "/" + r.PathValue("path"), Query: r.URL.RawQuery, Header: forwarded(r),
			Body: r.Body, Length: r.ContentLength}
		a, err := g.cfg.Site.Call(r.Context(), *req)
		if err != nil {
			answerAtOnce(w, r)
		}
		return a, err
	}
	if r.PathValue("path") != "" {
		return nil, fringe.Errorf("gateway.invoke", fringe.NotFound, "%s is called at /function/%s; it has nothing at /%s",
			req.Version.Ref(), r.PathValue("ref"), r.PathValue("path"))
	}
	var err error
	if req.Version.Shape == fringe.Task {
		if req.Options, err = optionsOf(r.Header); err != nil {
			return nil, err
		}
	}
	leave, err := g.expect(w, r, req, false)
	if err != nil {
		return nil, err
	}
	defer leave()
	direct, err := takeObject(r, req)
	if err == nil && !direct {
		err = g.readInputs(w, r, req)
	}
	if err != nil {
		g.release(req)
		return nil, err
	}
	a, err := g.cfg.Site.Call(r.Context(), *req)
	if req.Version.Shape == fringe.Service {
		g.release(req)
	}
	return a, err
}

// expect asks the site whether it would take a call, before its body is read
// unless that is small: a client whose call is refused gets the answer without
// sending more of it. The call is to be left when it has ended.
func (g *Gateway) expect(w http.ResponseWriter, r *http.Request, req *site.Request, queued bool) (leave func(), err error) {
	if n := r.ContentLength; n == 0 || n > 0 && n <= smallObject && r.Header.Get("Content-Type") == jsonType {
		return func() {}, nil
	}
	if r.Header.Get(keyHeader) != "" && (queued || req.Version.Shape == fringe.Task) {
		return func() {}, nil // it may have its place already
	}
	leave, err = g.cfg.Site.Expect(r.Context(), req, queued, r.ContentLength)
	if err != nil {
		answerAtOnce(w, r)
	}
	return leave, err
}

// answerAtOnce has the server answer before the rest of the request's body has
// come, for which it waits else. Of a long one the rest stays unread, and the
// connection ends.
func answerAtOnce(w http.ResponseWriter, r *http.Request) {
	_ = http.NewResponseController(w).EnableFullDuplex() // a writer that cannot has read the body
	if r.ContentLength < 0 || r.ContentLength > smallObject {
		w.Header().Set("Connection", "close")
	}
}

// release removes the uploads of a call that nobody owns any more; a task owns
// its uploads itself.
func (g *Gateway) release(req *site.Request) {
	if len(req.Uploads) == 0 {
		return
	}
	if err := g.cfg.Data.Release(req.ID); err != nil {
		g.log.Warn("uploads not removed", "call", req.ID, "err", err)
	}
}

// takeObject takes a service's small JSON body as it is when it is an input
// object in order: it is not decoded here and encoded again. Of any other the
// body is still to be read when it gives false.
func takeObject(r *http.Request, req *site.Request) (bool, error) {
	n := r.ContentLength
	if req.Version.Shape != fringe.Service || r.Method != http.MethodPost || n <= 0 || n > smallObject || r.Header.Get("Content-Type") != jsonType {
		return false, nil
	}
	body := make([]byte, n, n+objectRoom)
	if _, err := io.ReadFull(r.Body, body); err != nil {
		return false, bodyError("gateway.takeObject", err)
	}
	object, ok := req.Version.Tool.Complete(body)
	if ok {
		req.Object = object
	} else {
		r.Body = io.NopCloser(bytes.NewReader(body))
	}
	return ok, nil
}

// forwarded gives the request's header as a raw function sees it: without the
// caller's credentials and with where it came from.
func forwarded(r *http.Request) http.Header {
	h := maps.Clone(r.Header)
	h.Del("Authorization")
	h.Del("Cookie")
	h.Set("X-Forwarded-Host", r.Host)
	h.Set("X-Fringe-Principal", fringe.PrincipalOf(r.Context()).Name)
	return h
}

// readInputs reads the input object from the body: JSON, a form, a multipart
// form with files, or for GET the query.
func (g *Gateway) readInputs(w http.ResponseWriter, r *http.Request, req *site.Request) error {
	const op = "gateway.readInputs"
	switch r.Method {
	case http.MethodGet, http.MethodHead:
		return textInputs(req, r.URL.Query())
	case http.MethodPost:
	default:
		return fringe.Errorf(op, fringe.Invalid, "%s takes GET and POST, not %s", req.Version.Ref(), r.Method)
	}
	mt, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	switch mt {
	case "application/x-www-form-urlencoded":
		b, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxJSON))
		if err != nil {
			return bodyError(op, err)
		}
		// curl's -d sends JSON under this type when no other is given.
		if s := strings.TrimSpace(string(b)); strings.HasPrefix(s, "{") {
			return jsonInputs(req, strings.NewReader(s))
		}
		q, err := url.ParseQuery(string(b))
		if err != nil {
			return fringe.Errorf(op, fringe.Invalid, "the form cannot be read: %w", err)
		}
		return textInputs(req, q)
	case "multipart/form-data":
		return g.multipartInputs(r, req)
	case "", jsonType:
		return jsonInputs(req, http.MaxBytesReader(w, r.Body, maxJSON))
	}
	return &fringe.Error{Op: op, Kind: fringe.Invalid, Message: fmt.Sprintf("the body's type %q is not understood", mt),
		Cure: "send the CWL input object as application/json, or multipart/form-data with files"}
}

func jsonInputs(req *site.Request, r io.Reader) error {
	const op = "gateway.jsonInputs"
	b, err := io.ReadAll(r)
	if err != nil {
		return bodyError(op, err)
	}
	if len(bytes.TrimSpace(b)) == 0 {
		req.Inputs = map[string]any{}
		return nil
	}
	if err := fringe.Unmarshal(b, &req.Inputs); err != nil {
		return bodyError(op, err)
	}
	if req.Inputs == nil {
		return fringe.Errorf(op, fringe.Invalid, "the request body is null; a JSON object of inputs is expected")
	}
	return nil
}

// textInputs gives each text the type of its input.
func textInputs(req *site.Request, values url.Values) error {
	req.Inputs = map[string]any{}
	for name, texts := range values {
		v, err := typed(req.Version, name, strings.Join(texts, ","))
		if err != nil {
			return err
		}
		req.Inputs[name] = v
	}
	return nil
}

// typed gives text the type of the input; of an unknown input it stays text,
// for Validate to refuse with what is known.
func typed(v *catalogue.Version, name, text string) (any, error) {
	for i := range v.Tool.Inputs {
		in := &v.Tool.Inputs[i]
		if in.Name != name {
			continue
		}
		x, err := in.FromText(text)
		if err != nil {
			e := fringe.E("gateway.typed", err)
			if e.Pointer == "" {
				e.Pointer = "/" + name
			}
			if e.Kind == fringe.Internal {
				e.Kind, e.Message = fringe.Invalid, err.Error()
			}
			return nil, e
		}
		return x, nil
	}
	return text, nil
}

// multipartInputs reads a multipart form: parts with a file name become
// spooled files of the call, the others text.
func (g *Gateway) multipartInputs(r *http.Request, req *site.Request) error {
	const op = "gateway.multipartInputs"
	mr, err := r.MultipartReader()
	if err != nil {
		return fringe.Errorf(op, fringe.Invalid, "the multipart form cannot be read: %w", err)
	}
	texts := url.Values{}
	files := map[string][]any{}
	req.Uploads = map[string]string{}
	for {
		part, err := mr.NextPart()
		if err == io.EOF {
			break
		}
		if err != nil {
			return fringe.Errorf(op, fringe.Invalid, "the multipart form is cut short: %w", err)
		}
		name := part.FormName()
		if part.FileName() == "" {
			b, err := io.ReadAll(io.LimitReader(part, maxJSON))
			if err != nil {
				return fringe.Errorf(op, fringe.Invalid, "the part %q is cut short: %w", name, err)
			}
			texts.Add(name, string(b))
			continue
		}
		path, err := g.cfg.Data.Spool(r.Context(), req.ID, fmt.Sprintf("%d/%s", len(req.Uploads), part.FileName()), part, g.cfg.UploadMax)
		if err != nil {
			e := fringe.E(op, err)
			e.Pointer = "/" + name
			return e
		}
		key := fmt.Sprint(len(req.Uploads))
		req.Uploads[key] = path
		files[name] = append(files[name], map[string]any{"class": "File", "location": "upload:" + key})
	}
	if err := textInputs(req, texts); err != nil {
		return err
	}
	for name, list := range files {
		req.Inputs[name] = withFiles(req.Version, name, req.Inputs[name], list)
	}
	return nil
}

// withFiles gives the value of a file input: the one file, or all of a list
// together with those that were named by text.
func withFiles(v *catalogue.Version, name string, named any, files []any) any {
	for i := range v.Tool.Inputs {
		if in := &v.Tool.Inputs[i]; in.Name == name && strings.HasSuffix(strings.TrimSuffix(in.Type.String(), "?"), "[]") {
			list, _ := named.([]any)
			return append(list, files...)
		}
	}
	if len(files) == 1 {
		return files[0]
	}
	return files
}
