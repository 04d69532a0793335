package uws

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"strings"

	"fringe"
	"fringe/catalogue"
	"fringe/cwl"
	"fringe/data"
)

const maxForm = 16 << 20 // bytes of a form without its files

// uploadScope is the scope of the datasets that are made of inline uploads.
const uploadScope = "upload"

// form is what a request carries: its texts by name, and the datasets that its
// files have become, by the name of their part.
type form struct {
	texts url.Values
	files map[string]fringe.DID
}

// control takes a control word (PHASE, RUNID, …) out of the form; names are
// case-insensitive. Of several the last counts.
func (f *form) control(word string) (value string, ok bool) {
	for name, texts := range f.texts {
		if strings.EqualFold(name, word) && len(texts) > 0 {
			value, ok = texts[len(texts)-1], true
			delete(f.texts, name)
		}
	}
	return value, ok
}

// readForm reads the query and the body of a POST. Files become datasets of
// the job id.
func (s *Service) readForm(w http.ResponseWriter, r *http.Request, id fringe.CallID) (*form, error) {
	const op = "uws.readForm"
	f := &form{texts: url.Values{}, files: map[string]fringe.DID{}}
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, fringe.Errorf(op, fringe.Invalid, "the query cannot be read: %w", err)
	}
	add := func(values url.Values) {
		for name, texts := range values {
			f.texts[name] = append(f.texts[name], texts...)
		}
	}
	add(query)
	switch mt, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); mt {
	case "":
		return f, nil
	case "application/x-www-form-urlencoded":
		b, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxForm))
		if err != nil {
			return nil, readError(op, err)
		}
		body, err := url.ParseQuery(string(b))
		if err != nil {
			return nil, fringe.Errorf(op, fringe.Invalid, "the form cannot be read: %w", err)
		}
		add(body)
		return f, nil
	case "multipart/form-data":
		return f, s.readParts(r, id, f)
	default:
		return nil, &fringe.Error{Op: op, Kind: fringe.Invalid, Message: fmt.Sprintf("the body's type %.100q is not understood", mt),
			Cure: "send parameters as application/x-www-form-urlencoded or multipart/form-data"}
	}
}

func readError(op string, err error) error {
	var big *http.MaxBytesError
	if errors.As(err, &big) {
		return &fringe.Error{Op: op, Kind: fringe.TooLarge, Err: err, Message: "the parameters are over the limit",
			Cure: "send large values as files, or add them as datasets and name those"}
	}
	return fringe.Errorf(op, fringe.Invalid, "the body is cut short: %w", err)
}

// readParts reads a multipart form.
func (s *Service) readParts(r *http.Request, id fringe.CallID, f *form) error {
	const op = "uws.readParts"
	parts, err := r.MultipartReader()
	if err != nil {
		return fringe.Errorf(op, fringe.Invalid, "the multipart form cannot be read: %w", err)
	}
	room := int64(maxForm)
	for {
		part, err := parts.NextPart()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return fringe.Errorf(op, fringe.Invalid, "the multipart form is cut short: %w", err)
		}
		name := part.FormName()
		if part.FileName() != "" {
			if f.files[name], err = s.upload(r.Context(), id, part.FileName(), part); err != nil {
				return err
			}
			continue
		}
		b, err := io.ReadAll(io.LimitReader(part, room+1))
		if err != nil {
			return fringe.Errorf(op, fringe.Invalid, "the part %.100q is cut short: %w", name, err)
		}
		if room -= int64(len(b)); room < 0 {
			return readError(op, &http.MaxBytesError{Limit: maxForm})
		}
		f.texts.Add(name, string(b))
	}
}

// upload makes a dataset of a file that came with the job id.
func (s *Service) upload(ctx context.Context, id fringe.CallID, name string, r io.Reader) (fringe.DID, error) {
	did := fringe.DID{Scope: uploadScope, Name: string(id) + "/" + strings.ToLower(string(newID()))}
	p := fringe.PrincipalOf(ctx)
	_, err := s.cfg.Data.Add(ctx, data.AddRequest{DID: did, Source: bounded(r, s.cfg.UploadMax), Basename: filepath.Base("/" + name),
		Owner: p.Name, Namespace: p.Namespace})
	if err != nil {
		return fringe.DID{}, fringe.E("uws.upload", err)
	}
	return did, nil
}

// limited fails with TooLarge when more than its bytes come.
type limited struct {
	r    io.Reader
	left int64
	max  int64
}

func bounded(r io.Reader, most int64) io.Reader { return &limited{r, most, most} }

// Read implements io.Reader.
func (l *limited) Read(p []byte) (int, error) {
	n, err := l.r.Read(p)
	if l.left -= int64(n); l.left < 0 {
		return 0, &fringe.Error{Op: "uws.upload", Kind: fringe.TooLarge, Component: fringe.Data,
			Message: fmt.Sprintf("the uploaded file has more than %d bytes (%s)", l.max, fringe.SizeText(l.max)), Cure: "add it as a dataset (fringe data add) and name that"}
	}
	return n, err
}

// sentByClients are the parameters that TAP and DALI clients send to every
// service; a function that has no such input does not mind them.
var sentByClients = []string{"REQUEST", "LANG", "QUERY", "FORMAT", "VERSION", "MAXREC", "TAPCLIENT", "JOBNAME"}

// typed gives the parameters of the form the types of the function's inputs.
func (f *form) typed(v *catalogue.Version) (map[string]any, error) {
	uploads, named := f.control("UPLOAD")
	if named {
		for pair := range strings.SplitSeq(uploads, ";") {
			name, uri, ok := strings.Cut(pair, ",")
			if !ok {
				return nil, fringe.Errorf("uws.typed", fringe.Invalid, "UPLOAD is %.100q; NAME,URI is expected", pair)
			}
			f.texts.Add(name, uri)
		}
	}
	inputs := map[string]any{}
	for name, texts := range f.texts {
		in := inputOf(v, name)
		if in == nil {
			if slices.ContainsFunc(sentByClients, func(s string) bool { return strings.EqualFold(s, name) }) {
				continue
			}
			return nil, unknownParameter(v, name)
		}
		x, err := f.value(in, texts)
		if err != nil {
			return nil, err
		}
		inputs[in.Name] = x
	}
	for name, did := range f.files {
		if in := inputOf(v, name); in != nil && inputs[in.Name] == nil {
			x, err := f.value(in, []string{did.String()})
			if err != nil {
				return nil, err
			}
			inputs[in.Name] = x
		}
	}
	return inputs, nil
}

// inputOf gives the input that a parameter's name means: the same name, else
// the only one that differs in case.
func inputOf(v *catalogue.Version, name string) *cwl.Input {
	var found *cwl.Input
	for i := range v.Tool.Inputs {
		in := &v.Tool.Inputs[i]
		if in.Name == name {
			return in
		}
		if strings.EqualFold(in.Name, name) {
			if found != nil {
				return nil
			}
			found = in
		}
	}
	return found
}

func unknownParameter(v *catalogue.Version, name string) error {
	names := make([]string, len(v.Tool.Inputs))
	for i, in := range v.Tool.Inputs {
		names[i] = in.Name
	}
	e := fringe.Errorf("uws.typed", fringe.Invalid, "%s has no parameter %.100q; it has %s", v.Name, name, strings.Join(names, ", "))
	if near := fringe.Nearest(name, names, 1); near != nil {
		e.Cure = "did you mean " + near[0] + "?"
	}
	return e
}

// value gives texts the type of the input. param:PART names a file of the form.
func (f *form) value(in *cwl.Input, texts []string) (any, error) {
	const op = "uws.value"
	texts = slices.Clone(texts)
	for i, text := range texts {
		part, ok := strings.CutPrefix(text, "param:")
		if !ok || !takesFiles(&in.Type) {
			continue
		}
		did, there := f.files[part]
		if !there {
			return nil, fringe.Errorf(op, fringe.Invalid, "the parameter %s names the part %.100q; the request has no file of that name", in.Name, part)
		}
		texts[i] = did.String()
	}
	text := texts[0]
	if len(texts) > 1 {
		if in.Type.Kind != cwl.Array {
			return nil, fringe.Errorf(op, fringe.Invalid, "the parameter %s is given %d times; it takes one value", in.Name, len(texts))
		}
		b, err := json.Marshal(texts)
		if err != nil {
			return nil, fringe.E(op, err)
		}
		text = string(b)
	}
	return in.FromText(text)
}

// takesFiles says whether a value of the type can be a file or a directory.
func takesFiles(t *cwl.Type) bool {
	switch t.Kind {
	case cwl.File, cwl.Directory, cwl.Any:
		return true
	case cwl.Array:
		return takesFiles(t.Items)
	case cwl.Union:
		return slices.ContainsFunc(t.Options, func(o cwl.Type) bool { return takesFiles(&o) })
	}
	return false
}
