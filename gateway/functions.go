package gateway

import (
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"fringe"
	"fringe/build"
	"fringe/catalogue"
	"fringe/client"
	"fringe/cwl"
)

const maxArchive = 64 << 20 // bytes of a published archive

func (g *Gateway) info(r *http.Request) (answer, error) {
	return ok(client.Info{Site: g.cfg.Name, Version: g.cfg.Version, Principal: fringe.PrincipalOf(r.Context())}), nil
}

func (g *Gateway) doctor(r *http.Request) (answer, error) {
	return ok(g.cfg.Doctor(r.Context())), nil
}

// limitOf reads ?limit=, at most 1000.
func limitOf(r *http.Request) (int, error) {
	s := r.URL.Query().Get("limit")
	if s == "" {
		return 50, nil
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 || n > 1000 {
		return 0, fringe.Errorf("gateway.limitOf", fringe.Invalid, "limit is %q; a whole number from 1 to 1000 is expected", s)
	}
	return n, nil
}

func (g *Gateway) searchFunctions(r *http.Request) (answer, error) {
	limit, err := limitOf(r)
	if err != nil {
		return answer{}, err
	}
	q := r.URL.Query()
	found, next, err := g.cfg.Catalogue.Search(r.Context(), catalogue.Query{Text: q.Get("q"), Limit: limit, Cursor: q.Get("cursor")})
	if err != nil {
		return answer{}, err
	}
	page := client.Page[client.Function]{Items: []client.Function{}, Next: next}
	for _, v := range found {
		page.Items = append(page.Items, brief(v))
	}
	return ok(page), nil
}

// publish takes an archive (tar.gz) or, as JSON, a git URL.
func (g *Gateway) publish(r *http.Request) (answer, error) {
	by := fringe.PrincipalOf(r.Context())
	var p catalogue.Published
	var err error
	if mt, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); mt == "application/json" {
		var body struct {
			Git string `json:"git"`
		}
		if err := decode(r, &body); err != nil {
			return answer{}, err
		}
		p, err = g.cfg.Catalogue.PublishGit(r.Context(), body.Git, by)
	} else {
		p, err = g.cfg.Catalogue.PublishArchive(r.Context(), http.MaxBytesReader(nil, r.Body, maxArchive), by.Name)
	}
	if err != nil {
		return answer{}, err
	}
	fn := brief(p.Version)
	fn.Created = p.Created
	if p.Created {
		return created(fn), nil
	}
	return ok(fn), nil
}

func (g *Gateway) resolve(r *http.Request) (*catalogue.Version, error) {
	return g.cfg.Catalogue.Resolve(r.Context(), r.PathValue("ref"))
}

func (g *Gateway) describe(r *http.Request) (answer, error) {
	v, err := g.resolve(r)
	if err != nil {
		return answer{}, err
	}
	fn := brief(v)
	fn.Doc, fn.Example = v.Doc.Text, v.Doc.Example
	if fn.Versions, err = g.cfg.Catalogue.Versions(r.Context(), v.Name); err != nil {
		return answer{}, err
	}
	if fn.Aliases, err = g.cfg.Catalogue.Aliases(r.Context(), v.Name, v.Version); err != nil {
		return answer{}, err
	}
	if v.Tool != nil {
		fn.Inputs, fn.Outputs = parameters(v.Tool)
	}
	if env, err := g.cfg.Catalogue.Environment(r.Context(), v.Environment); err == nil {
		fn.Packages = env.Packages
		fn.Limits = fn.Limits.Or(env.Limits)
	}
	return ok(fn), nil
}

// brief gives what a listing shows of a version.
func brief(v *catalogue.Version) client.Function {
	fn := client.Function{Function: v.Function, Summary: v.Doc.Summary, Author: v.Doc.Author, Citation: v.Doc.Citation,
		License: v.Doc.License, CodeRepository: v.Doc.CodeRepository, Keywords: v.Doc.Keywords, Published: v.Published, By: v.By}
	if v.Tool != nil {
		fn.Container = v.Tool.Container
	}
	return fn
}

func parameters(t *cwl.Tool) (in, out []client.Parameter) {
	for i := range t.Inputs {
		p := &t.Inputs[i]
		c := client.Parameter{Name: p.Name, Type: p.Type.String(), Doc: first(p.Doc, p.Label), Unit: p.Unit,
			Required: !p.HasDefault && !p.Type.Optional, Range: rangeText(p)}
		if p.HasDefault {
			c.Default, _ = json.Marshal(p.Default)
		}
		in = append(in, c)
	}
	slices.SortStableFunc(in, func(a, b client.Parameter) int {
		return map[bool]int{true: 0, false: 1}[a.Required] - map[bool]int{true: 0, false: 1}[b.Required]
	})
	for i := range t.Outputs {
		p := &t.Outputs[i]
		out = append(out, client.Parameter{Name: p.Name, Type: p.Type.String(), Doc: first(p.Doc, p.Label), Unit: p.Unit})
	}
	return in, out
}

func first(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// rangeText writes the bounds of an input as an interval, such as "[0, 1)".
func rangeText(p *cwl.Input) string {
	if p.Min == nil && p.Max == nil && p.ExclusiveMin == nil && p.ExclusiveMax == nil {
		return ""
	}
	low, high := "(-∞", "∞)"
	if p.Min != nil {
		low = fmt.Sprintf("[%g", *p.Min)
	}
	if p.ExclusiveMin != nil {
		low = fmt.Sprintf("(%g", *p.ExclusiveMin)
	}
	if p.Max != nil {
		high = fmt.Sprintf("%g]", *p.Max)
	}
	if p.ExclusiveMax != nil {
		high = fmt.Sprintf("%g)", *p.ExclusiveMax)
	}
	return low + ", " + high
}

func (g *Gateway) describeCWL(r *http.Request) (answer, error) {
	v, err := g.resolve(r)
	if err != nil {
		return answer{}, err
	}
	if v.Tool == nil {
		return answer{}, noInterface(v)
	}
	return ok(json.RawMessage(v.Tool.JSON())), nil
}

func noInterface(v *catalogue.Version) error {
	return fringe.Errorf("gateway", fringe.NotFound, "%s takes the HTTP request itself and has no typed interface", v.Ref())
}

func (g *Gateway) describeSchema(r *http.Request) (answer, error) {
	v, err := g.resolve(r)
	if err != nil {
		return answer{}, err
	}
	if v.Tool == nil {
		return answer{}, noInterface(v)
	}
	return ok(v.Tool.JSONSchema()), nil
}

func (g *Gateway) unpublish(r *http.Request) (answer, error) {
	ref := r.PathValue("ref")
	if !strings.Contains(ref, "@") {
		return answer{}, &fringe.Error{Op: "gateway.unpublish", Kind: fringe.Invalid, Component: fringe.Catalogue,
			Message: "name the version to take out, as NAME@VERSION", Cure: "see the versions with: fringe describe " + ref}
	}
	return none(), g.cfg.Site.Unpublish(r.Context(), ref)
}

func (g *Gateway) setAlias(r *http.Request) (answer, error) {
	var body struct {
		Version string `json:"version"`
	}
	if err := decode(r, &body); err != nil {
		return answer{}, err
	}
	name := fringe.FunctionName(r.PathValue("ref"))
	if err := g.cfg.Catalogue.SetAlias(r.Context(), name, r.PathValue("alias"), body.Version); err != nil {
		return answer{}, err
	}
	return g.describe(r)
}

func (g *Gateway) removeAlias(r *http.Request) (answer, error) {
	return none(), g.cfg.Catalogue.RemoveAlias(r.Context(), fringe.FunctionName(r.PathValue("ref")), r.PathValue("alias"))
}

func (g *Gateway) environments(r *http.Request) (answer, error) {
	envs, err := g.cfg.Catalogue.Environments(r.Context())
	if err != nil {
		return answer{}, err
	}
	page := client.Page[fringe.Environment]{Items: append([]fringe.Environment{}, envs...)}
	return ok(page), nil
}

func (g *Gateway) environment(r *http.Request) (answer, error) {
	e, err := g.cfg.Catalogue.Environment(r.Context(), fringe.EnvironmentName(r.PathValue("name")))
	if err != nil {
		return answer{}, err
	}
	return ok(client.Environment{Environment: e, Starts: g.cfg.Starts(e.Name)}), nil
}

// removeEnvironment forgets the name, then removes all that was built under it.
func (g *Gateway) removeEnvironment(r *http.Request) (answer, error) {
	name := fringe.EnvironmentName(r.PathValue("name"))
	past, err := g.cfg.Catalogue.EnvironmentHistory(r.Context(), name)
	if err != nil {
		return answer{}, err
	}
	if err := g.cfg.Catalogue.RemoveEnvironment(r.Context(), name); err != nil {
		return answer{}, err
	}
	for _, p := range past {
		if err := g.cfg.Builder.Remove(r.Context(), p.Digest); err != nil && fringe.KindOf(err) != fringe.NotFound {
			return answer{}, err
		}
	}
	return none(), nil
}

// buildEnvironment builds from the declaration in the body and streams the
// build's log as lines of JSON; the last line is the environment or a problem.
func (g *Gateway) buildEnvironment(w http.ResponseWriter, r *http.Request) error {
	decl, err := declaration(w, r)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/x-ndjson")
	w.WriteHeader(http.StatusOK)
	events := &eventWriter{w: json.NewEncoder(w), flush: http.NewResponseController(w)}
	env, err := g.cfg.Builder.Build(r.Context(), decl, events)
	if err == nil {
		err = g.cfg.Catalogue.PutEnvironment(r.Context(), env)
	}
	if err != nil {
		p := problemOf(err, "")
		g.log.Warn("build failed", "environment", decl.Name, "err", err)
		events.send(client.BuildEvent{Problem: &p})
		return nil
	}
	events.send(client.BuildEvent{Environment: &env})
	return nil
}

// declaration reads an environment.yaml, or a form that has one as its field
// "declaration" and the Python files beside it as its files "module".
func declaration(w http.ResponseWriter, r *http.Request) (build.Declaration, error) {
	const op, size = "gateway.declaration", 2 << 20
	file := first(r.URL.Query().Get("file"), "environment.yaml")
	r.Body = http.MaxBytesReader(w, r.Body, size)
	if mt, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); mt != "multipart/form-data" {
		doc, err := io.ReadAll(r.Body)
		if err != nil {
			return build.Declaration{}, bodyError(op, err)
		}
		return build.Parse(file, doc)
	}
	if err := r.ParseMultipartForm(size); err != nil {
		return build.Declaration{}, bodyError(op, err)
	}
	decl, err := build.Parse(file, []byte(r.FormValue("declaration")))
	if err != nil {
		return decl, err
	}
	modules := map[string]string{}
	for _, h := range r.MultipartForm.File["module"] {
		text, err := readPart(h)
		if err != nil {
			return decl, bodyError(op, err)
		}
		modules[h.Filename] = text
	}
	return decl.WithModules(modules)
}

func readPart(h *multipart.FileHeader) (string, error) {
	f, err := h.Open()
	if err != nil {
		return "", err
	}
	defer f.Close()
	text, err := io.ReadAll(f)
	return string(text), err
}

// eventWriter sends what is written to it as build events.
type eventWriter struct {
	w     *json.Encoder
	flush *http.ResponseController
}

func (e *eventWriter) Write(p []byte) (int, error) {
	e.send(client.BuildEvent{Log: string(p)})
	return len(p), nil
}

func (e *eventWriter) send(ev client.BuildEvent) {
	if e.w.Encode(ev) == nil {
		e.flush.Flush()
	}
}
