package gateway

import (
	"encoding/json"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"time"

	"fringe"
	"fringe/client"
)

// operation says of a route what its pattern does not.
type operation struct {
	summary string
	query   string // names of the parameters that the query may have, separated by spaces
	body    any    // a value of the type of the JSON body; nil: none
	takes   string // other media types of the body
	answer  any    // a value of the type of the JSON answer; nil: none
	gives   string // other media types of the answer
	status  int    // of success; 0: 200
}

const (
	paging    = "limit cursor"
	jsonInput = "application/x-www-form-urlencoded multipart/form-data"
)

// operations describes the routes by their patterns.
func operations() map[string]operation {
	object, job := map[string]any{}, client.Job{}
	return map[string]operation{
		"/function/{ref}": {summary: "Call a function and wait for its answer; Prefer: respond-async and wait=N make a job of the call",
			body: object, takes: jsonInput, answer: object, gives: "*/*"},
		"/function/{ref}/{path...}":                      {summary: "Call a function that takes the HTTP request itself", takes: "*/*", gives: "*/*"},
		"POST /async-function/{ref}":                     {summary: "Make a job of a call", body: object, takes: jsonInput, answer: job, status: 202},
		"GET /api/v1/info":                               {summary: "Which site answers, and as whom it knows you", answer: client.Info{}},
		"GET /api/v1/doctor":                             {summary: "What the machine enforces", answer: []client.Check{}},
		"GET /api/v1/openapi.json":                       {summary: "This document", answer: object},
		"GET /api/v1/functions":                          {summary: "Search the catalogue", query: "q " + paging, answer: client.Page[client.Function]{}},
		"POST /api/v1/functions":                         {summary: "Publish a function: a tar.gz of its directory, or a git URL", body: map[string]string{}, takes: "application/gzip", answer: client.Function{}, status: 201},
		"GET /api/v1/functions/{ref}":                    {summary: "A version with its interface", answer: client.Function{}},
		"GET /api/v1/functions/{ref}/cwl":                {summary: "Its CWL document", answer: object},
		"GET /api/v1/functions/{ref}/schema":             {summary: "The JSON Schema of its inputs", answer: object},
		"DELETE /api/v1/functions/{ref}":                 {summary: "Unpublish a version", status: 204},
		"PUT /api/v1/functions/{ref}/aliases/{alias}":    {summary: "Let an alias stand for a version", body: map[string]string{}, status: 204},
		"DELETE /api/v1/functions/{ref}/aliases/{alias}": {summary: "Remove an alias", status: 204},
		"GET /api/v1/environments":                       {summary: "The environments", answer: client.Page[fringe.Environment]{}},
		"POST /api/v1/environments":                      {summary: "Build an environment; the answer is lines of JSON: the log, then the environment or a problem", takes: "application/yaml", gives: "application/x-ndjson"},
		"GET /api/v1/environments/{name}":                {summary: "An environment with its exact packages", answer: fringe.Environment{}},
		"DELETE /api/v1/environments/{name}":             {summary: "Remove an environment that no function uses", status: 204},
		"GET /api/v1/datasets":                           {summary: "The datasets", query: "prefix owner " + paging, answer: client.Page[client.Dataset]{}},
		"POST /api/v1/datasets":                          {summary: "Make a dataset from a path of the machine or a URL", body: client.AddDataset{}, answer: client.Dataset{}, status: 201},
		"GET /api/v1/datasets/{did...}":                  {summary: "A dataset", answer: client.Dataset{}},
		"DELETE /api/v1/datasets/{did...}":               {summary: "Remove a dataset", status: 204},
		"POST /api/v1/datasets:collect":                  {summary: "Remove data by age, size and reachability, or say what would go", body: client.Collect{}, answer: client.Collected{}},
		"GET /api/v1/quotas":                             {summary: "What the data of owners and namespaces may take, and takes", query: "owner namespace", answer: client.Page[client.Quota]{}},
		"PUT /api/v1/quotas/{owner}":                     {summary: "Bound what an owner's data may take", body: client.SetQuota{}, status: 204},
		"PUT /api/v1/quotas/namespaces/{namespace}":      {summary: "Bound what a namespace's data may take", body: client.SetQuota{}, status: 204},
		"GET /api/v1/content/{did...}":                   {summary: "The bytes of a dataset; of a directory a tar archive", gives: "*/*"},
		"PUT /api/v1/content/{did...}":                   {summary: "Make a dataset of the body; of a tar archive a directory", query: "basename", takes: "*/*", answer: client.Dataset{}, status: 201},
		"GET /api/v1/jobs":                               {summary: "The jobs, the latest first", query: "phase function owner namespace label runId after before " + paging, answer: client.Page[client.Job]{}},
		"POST /api/v1/jobs":                              {summary: "Make a job", body: client.NewJob{}, answer: job, status: 202},
		"GET /api/v1/jobs/{id}":                          {summary: "A job with its attempts, progress and delivery", answer: job},
		"DELETE /api/v1/jobs/{id}":                       {summary: "Remove a job with its log and products", status: 204},
		"GET /api/v1/jobs/{id}/events":                   {summary: "What happens to a job, as server-sent events; 204 when there are no more", query: "log", gives: "text/event-stream"},
		"GET /api/v1/jobs/{id}/log":                      {summary: "What a call wrote", query: "stream follow", gives: "text/plain"},
		"GET /api/v1/jobs/{id}/results":                  {summary: "What a job has made", answer: client.Page[client.Result]{}},
		"GET /api/v1/jobs/{id}/provenance":               {summary: "How a job made it: the record, or an RO-Crate", query: "outputs", answer: client.Provenance{}, gives: "application/ld+json application/zip"},
		"GET /api/v1/jobs/{id}/compare":                  {summary: "Whether two jobs made the same", query: "with tolerance", answer: client.Comparison{}},
		"POST /api/v1/jobs/{id}/run":                     {summary: "Let a job go that is PENDING or HELD", answer: job, status: 202},
		"POST /api/v1/jobs/{id}/abort":                   {summary: "Stop a job", answer: job, status: 202},
		"POST /api/v1/jobs/{id}/rerun":                   {summary: "Run a job once more", answer: job, status: 202},
		"GET /api/v1/tokens":                             {summary: "The tokens", answer: client.Page[client.Token]{}},
		"POST /api/v1/tokens":                            {summary: "Make a token", body: client.CreateToken{}, answer: client.Token{}, status: 201},
		"DELETE /api/v1/tokens/{token}":                  {summary: "Revoke a token", status: 204},
		"GET /metrics":                                   {summary: "Metrics for Prometheus", gives: "text/plain"},
	}
}

type doc = map[string]any

// openAPI gives the OpenAPI 3.1 document of the routes.
func (g *Gateway) openAPI(*http.Request) (answer, error) {
	s := schemas{}
	s.of(reflect.TypeFor[client.Problem]())
	known, paths := operations(), map[string]doc{}
	for pattern, role := range g.patterns {
		if pattern == "/" {
			continue
		}
		method, path, ok := strings.Cut(pattern, " ")
		if !ok {
			method, path = "POST", pattern
		}
		path = strings.ReplaceAll(path, "...}", "}")
		if paths[path] == nil {
			paths[path] = doc{}
		}
		op := known[pattern]
		delete(known, pattern)
		paths[path][strings.ToLower(method)] = s.describe(op, path, role)
		if !ok {
			op.body, op.takes, op.query = nil, "", ""
			paths[path]["get"] = s.describe(op, path, role)
		}
	}
	if len(known) > 0 {
		return answer{}, fringe.Errorf("gateway.openAPI", fringe.Internal, "described, and no routes: %v", slices.Sorted(maps.Keys(known)))
	}
	return ok(doc{
		"openapi":  "3.1.0",
		"info":     doc{"title": "Fringe", "version": g.cfg.Version, "summary": "Serverless functions for radio astronomy, run where the data is"},
		"security": []doc{{"bearer": []string{}}, {"basic": []string{}}},
		"paths":    paths,
		"components": doc{"schemas": s, "securitySchemes": doc{"bearer": doc{"type": "http", "scheme": "bearer"},
			"basic": doc{"type": "http", "scheme": "basic", "description": "The token is the password"}}},
	}), nil
}

// schemas are those of the wire's types, by name.
type schemas map[string]doc

func (s schemas) describe(op operation, path string, role fringe.Role) doc {
	d := doc{"summary": op.summary, "x-role": role}
	var params []doc
	for part := range strings.SplitSeq(path, "/") {
		if name, ok := strings.CutPrefix(part, "{"); ok {
			params = append(params, doc{"name": strings.TrimSuffix(name, "}"), "in": "path", "required": true, "schema": doc{"type": "string"}})
		}
	}
	for _, name := range strings.Fields(op.query) {
		params = append(params, doc{"name": name, "in": "query", "schema": doc{"type": "string"}})
	}
	if params != nil {
		d["parameters"] = params
	}
	if content := s.content(op.body, op.takes); content != nil {
		d["requestBody"] = doc{"content": content}
	}
	success := doc{"description": "Success"}
	if content := s.content(op.answer, op.gives); content != nil {
		success["content"] = content
	}
	status := "200"
	switch op.status {
	case http.StatusCreated:
		status = "201"
	case http.StatusAccepted:
		status = "202"
	case http.StatusNoContent:
		status = "204"
	}
	d["responses"] = doc{status: success, "default": doc{"description": "A problem (RFC 9457)",
		"content": doc{"application/problem+json": doc{"schema": doc{"$ref": "#/components/schemas/Problem"}}}}}
	return d
}

// content gives the media types of a body.
func (s schemas) content(v any, others string) doc {
	c := doc{}
	if v != nil {
		c[jsonType] = doc{"schema": s.of(reflect.TypeOf(v))}
	}
	for _, mt := range strings.Fields(others) {
		c[mt] = doc{}
	}
	if len(c) == 0 {
		return nil
	}
	return c
}

// of gives the schema of a type; that of a struct is kept by its name.
func (s schemas) of(t reflect.Type) doc {
	switch t {
	case reflect.TypeFor[time.Time]():
		return doc{"type": "string", "format": "date-time"}
	case reflect.TypeFor[json.RawMessage]():
		return doc{}
	}
	switch t.Kind() {
	case reflect.Pointer:
		return s.of(t.Elem())
	case reflect.String:
		return doc{"type": "string"}
	case reflect.Bool:
		return doc{"type": "boolean"}
	case reflect.Float64:
		return doc{"type": "number"}
	case reflect.Int, reflect.Int64:
		return doc{"type": "integer"}
	case reflect.Slice:
		return doc{"type": "array", "items": s.of(t.Elem())}
	case reflect.Map:
		return doc{"type": "object", "additionalProperties": s.of(t.Elem())}
	case reflect.Struct:
		name := nameOf(t)
		if s[name] == nil {
			s[name] = doc{} // a type may hold itself
			s[name] = s.object(t)
		}
		return doc{"$ref": "#/components/schemas/" + name}
	}
	return doc{}
}

// nameOf gives a type's name; Page[client.Job] is JobPage, and of the types of
// the root that have the same name as one of the wire, the room is said.
func nameOf(t reflect.Type) string {
	name, of, generic := strings.Cut(strings.TrimSuffix(t.Name(), "]"), "[")
	if generic {
		return of[strings.LastIndexAny(of, "./")+1:] + name
	}
	if t.PkgPath() == reflect.TypeFor[fringe.Function]().PkgPath() && name == "Function" {
		return "Version"
	}
	return name
}

// object gives the schema of a struct as JSON shows it.
func (s schemas) object(t reflect.Type) doc {
	properties, required := doc{}, []string{}
	for _, f := range reflect.VisibleFields(t) {
		tag, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		if f.Anonymous || !f.IsExported() || tag == "-" {
			continue
		}
		if tag == "" {
			tag = f.Name
		}
		properties[tag] = s.of(f.Type)
		if !strings.Contains(options, "omit") {
			required = append(required, tag)
		}
	}
	return doc{"type": "object", "properties": properties, "required": required}
}
