package uws

import (
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"net/http"
	"slices"
	"strings"

	"fringe"
	"fringe/cwl"
	"fringe/jobs"
)

// maxInline is the longest parameter that stands in a document itself.
const maxInline = 64 << 10

// documentOf gives what a client sees of a job.
func (s *Service) documentOf(r *request, j *jobs.Job) (Job, error) {
	quote, err := s.quote(r.Context(), j)
	if err != nil {
		return Job{}, err
	}
	doc := Job{ID: string(j.ID), RunID: j.RunID, Owner: j.Owner, Phase: string(j.Phase), Quote: quote, Created: j.Submitted,
		Started: j.Started, Ended: j.Ended, Duration: j.Duration, Destruction: j.Destruction,
		About: rootOf(r.Request) + "/api/v1/jobs/" + string(j.ID)}
	if doc.Parameters, err = s.parametersOf(r, j); err != nil {
		return Job{}, err
	}
	if doc.Results, err = s.resultsOf(r, j); err != nil {
		return Job{}, err
	}
	if j.Err != nil && j.Phase == jobs.Error {
		doc.Error, doc.Detailed = j.Err.Message, true
		doc.Transient = j.Err.Kind == fringe.Busy || j.Err.Kind == fringe.Unavailable
	}
	return doc, nil
}

// inputsOf reads the input object of a job.
func inputsOf(j *jobs.Job) (map[string]any, error) {
	inputs := map[string]any{}
	if len(j.Inputs) == 0 {
		return inputs, nil
	}
	if err := fringe.Unmarshal(j.Inputs, &inputs); err != nil {
		return nil, fringe.E("uws.inputsOf", err)
	}
	return inputs, nil
}

// parametersOf gives the parameters of a job in the order of the function's
// inputs. What came with the job, what is long and what XML cannot hold is
// given by its URL.
func (s *Service) parametersOf(r *request, j *jobs.Job) ([]Parameter, error) {
	inputs, err := inputsOf(j)
	if err != nil {
		return nil, err
	}
	var out []Parameter
	for _, in := range r.version.Tool.Inputs {
		v, there := inputs[in.Name]
		if !there || v == nil {
			continue
		}
		p := Parameter{ID: in.Name, Value: textOf(v)}
		if _, inline := uploadOf(j.ID, p.Value); inline || len(p.Value) > maxInline || !writable(p.Value) {
			p.Value, p.Reference = r.jobURL(j.ID)+"/parameters/"+escape(in.Name), true
		}
		out = append(out, p)
	}
	return out, nil
}

// uploadOf gives the dataset that a value names when it came with the job.
func uploadOf(id fringe.CallID, value string) (fringe.DID, bool) {
	did, err := fringe.ParseDID(value)
	return did, err == nil && did.Scope == uploadScope && strings.HasPrefix(did.Name, string(id)+"/")
}

func (s *Service) parameters(r *request) error {
	j, err := s.job(r)
	if err != nil {
		return err
	}
	ps, err := s.parametersOf(r, &j)
	if err != nil {
		return err
	}
	return r.document("application/xml", func(w http.ResponseWriter) error { return WriteParameters(w, ps) })
}

// parameter answers with the value of one parameter, or the file that it is.
func (s *Service) parameter(r *request) error {
	j, err := s.job(r)
	if err != nil {
		return err
	}
	inputs, err := inputsOf(&j)
	if err != nil {
		return err
	}
	in := inputOf(r.version, r.PathValue("name"))
	if in == nil || inputs[in.Name] == nil {
		return fringe.Errorf("uws.parameter", fringe.NotFound, "the job %s has no parameter %.100q", j.ID, r.PathValue("name"))
	}
	text := textOf(inputs[in.Name])
	if did, inline := uploadOf(j.ID, text); inline {
		return s.cfg.Send(r.w, r.Request, did)
	}
	return r.plain(text)
}

// setParameters gives a job that has not been run the parameters of a form;
// those that the form does not name stay.
func (s *Service) setParameters(r *request) error {
	j, err := s.changeable(r)
	if err != nil {
		return err
	}
	f, err := s.readForm(r.w, r.Request, j.ID)
	if err != nil {
		return err
	}
	given, err := f.typed(r.version)
	if err != nil {
		return err
	}
	return s.merge(r, j.ID, given)
}

// putParameter gives a parameter the value that the body is: text, or for a
// file also its bytes, when the body's type is not text.
func (s *Service) putParameter(r *request) error {
	const op = "uws.putParameter"
	j, err := s.changeable(r)
	if err != nil {
		return err
	}
	name := r.PathValue("name")
	in := inputOf(r.version, name)
	if in == nil {
		return unknownParameter(r.version, name)
	}
	f := &form{files: map[string]fringe.DID{}}
	var text string
	mt, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if takesFiles(&in.Type) && mt != "" && !strings.HasPrefix(mt, "text/") {
		did, err := s.upload(r.Context(), j.ID, in.Name, r.Body)
		if err != nil {
			return err
		}
		text = did.String()
	} else {
		b, err := io.ReadAll(http.MaxBytesReader(r.w, r.Body, maxForm))
		if err != nil {
			return readError(op, err)
		}
		text = string(b)
	}
	v, err := f.value(in, []string{text})
	if err != nil {
		return err
	}
	return s.merge(r, j.ID, map[string]any{in.Name: v})
}

// changeable gives the job of the path when its parameters may still change.
func (s *Service) changeable(r *request) (jobs.Job, error) {
	j, err := s.job(r)
	if err == nil && !j.Phase.Waits() {
		err = fringe.Errorf("uws.changeable", fringe.Conflict, "the job %s is %s; parameters are taken only while it is PENDING or HELD", j.ID, j.Phase)
	}
	return j, err
}

// merge sets parameters of a job and sends the client to it.
func (s *Service) merge(r *request, id fringe.CallID, given map[string]any) error {
	s.editing.Lock()
	defer s.editing.Unlock()
	j, err := s.cfg.Jobs.Get(r.Context(), id)
	if err != nil {
		return err
	}
	inputs, err := inputsOf(&j)
	if err != nil {
		return err
	}
	for name, v := range given {
		inputs[name] = v
	}
	b, err := json.Marshal(inputs)
	if err != nil {
		return fringe.E("uws.merge", err)
	}
	if err := s.cfg.Jobs.SetParameters(r.Context(), id, b); err != nil {
		return err
	}
	return r.seeOther(r.jobURL(id))
}

// output is one result of a job.
type output struct {
	name  string
	value any
	did   fringe.DID // of a file or a directory
	data  bool       // it is one
	Result
}

// outputsOf gives the results of a job that has completed, the main one first:
// the one named result, else the first file.
func (s *Service) outputsOf(r *request, j *jobs.Job) ([]output, error) {
	if j.Phase != jobs.Completed || len(j.Outputs) == 0 {
		return nil, nil
	}
	var values map[string]any
	if err := fringe.Unmarshal(j.Outputs, &values); err != nil {
		return nil, fringe.E("uws.outputsOf", err)
	}
	var all []output
	for _, o := range orderOf(r.version.Tool, values) {
		all = append(all, spread(o, values[o])...)
	}
	for i := range all {
		all[i].ID = all[i].name
		all[i].URL = r.jobURL(j.ID) + "/results/" + escapePath(all[i].name)
	}
	main := slices.IndexFunc(all, func(o output) bool { return o.name == "result" })
	if main < 0 {
		main = slices.IndexFunc(all, func(o output) bool { return o.data })
	}
	if main > 0 {
		first := all[main]
		all = slices.Insert(slices.Delete(all, main, main+1), 0, first)
	}
	return all, nil
}

// orderOf gives the names of the outputs that have a value: those of the
// interface in its order, then those that only another version has.
func orderOf(t *cwl.Tool, values map[string]any) []string {
	var names []string
	for _, o := range t.Outputs {
		if values[o.Name] != nil {
			names = append(names, o.Name)
		}
	}
	var more []string
	for name, v := range values {
		if v != nil && !slices.Contains(names, name) {
			more = append(more, name)
		}
	}
	slices.Sort(more)
	return append(names, more...)
}

// spread gives an output as its results: each file of a list is one.
func spread(name string, v any) []output {
	if list, ok := v.([]any); ok && len(list) > 0 {
		var all []output
		for i, x := range list {
			all = append(all, spread(fmt.Sprintf("%s/%d", name, i), x)...)
		}
		if !slices.ContainsFunc(all, func(o output) bool { return !o.data }) {
			return all
		}
	}
	o := output{name: name, value: v, Result: Result{Size: -1, MediaType: "application/json"}}
	if _, ok := v.(string); ok {
		o.MediaType = "text/plain"
	}
	file, _ := v.(map[string]any)
	location, _ := file["location"].(string)
	if did, err := fringe.ParseDID(location); err == nil && (file["class"] == "File" || file["class"] == "Directory") {
		o.did, o.data = did, true
		o.MediaType, _ = file["mediaType"].(string)
		if size, ok := file["size"].(json.Number); ok && file["class"] == "File" {
			if n, err := size.Int64(); err == nil {
				o.Size = n
			}
		}
		if file["class"] == "Directory" {
			o.MediaType = "application/x-tar"
		}
	}
	return []output{o}
}

func (s *Service) resultsOf(r *request, j *jobs.Job) ([]Result, error) {
	all, err := s.outputsOf(r, j)
	var out []Result
	for _, o := range all {
		out = append(out, o.Result)
	}
	return out, err
}

func (s *Service) results(r *request) error {
	j, err := s.job(r)
	if err != nil {
		return err
	}
	rs, err := s.resultsOf(r, &j)
	if err != nil {
		return err
	}
	return r.document("application/xml", func(w http.ResponseWriter) error { return WriteResults(w, rs) })
}

// result answers with one result itself. The main one is also named result.
func (s *Service) result(r *request) error {
	j, err := s.job(r)
	if err != nil {
		return err
	}
	all, err := s.outputsOf(r, &j)
	if err != nil {
		return err
	}
	name := r.PathValue("name")
	i := slices.IndexFunc(all, func(o output) bool { return o.name == name })
	if i < 0 && name == "result" && len(all) > 0 {
		i = 0
	}
	if i < 0 {
		return fringe.Errorf("uws.result", fringe.NotFound, "the job %s, which is %s, has no result %.100q", j.ID, j.Phase, name)
	}
	o := &all[i]
	if o.data {
		return s.cfg.Send(r.w, r.Request, o.did)
	}
	return r.document(o.MediaType, func(w http.ResponseWriter) error {
		_, err := io.WriteString(w, textOf(o.value))
		return err
	})
}

// escapePath escapes each part of a name; the slashes stay.
func escapePath(name string) string {
	parts := strings.Split(name, "/")
	for i, p := range parts {
		parts[i] = escape(p)
	}
	return strings.Join(parts, "/")
}
