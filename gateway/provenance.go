package gateway

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"path"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"fringe"
	"fringe/client"
	"fringe/data"
	"fringe/gateway/rocrate"
	"fringe/jobs"
)

// provenance answers with all that is known of how a job made its outputs: as
// JSON, as the metadata of an RO-Crate (Accept: application/ld+json), or as the
// crate itself (application/zip), with outputs=true with the products in it.
func (g *Gateway) provenance(w http.ResponseWriter, r *http.Request) error {
	j, err := g.job(r)
	if err != nil {
		return err
	}
	p, err := g.provenanceOf(r, &j)
	if err != nil {
		return err
	}
	accept := r.Header.Get("Accept")
	switch {
	case strings.Contains(accept, "application/zip"):
		return g.sendCrate(w, r, p)
	case strings.Contains(accept, "application/ld+json"):
		b, err := rocrate.Metadata(p, nil)
		if err != nil {
			return err
		}
		w.Header().Set("Content-Type", "application/ld+json")
		_, err = w.Write(b)
		return err
	}
	w.Header().Set("Content-Type", jsonType)
	return json.NewEncoder(w).Encode(p)
}

func (g *Gateway) provenanceOf(r *http.Request, j *jobs.Job) (*client.Provenance, error) {
	const op = "gateway.provenance"
	ctx := r.Context()
	if !j.Phase.Final() {
		return nil, &fringe.Error{Op: op, Kind: fringe.Conflict, Message: fmt.Sprintf("the job %s is %s; it has made nothing yet", j.ID, j.Phase),
			Cure: "wait for it with: fringe job wait " + string(j.ID)}
	}
	a, err := g.showJob(r)
	if err != nil {
		return nil, err
	}
	scheme := "http://"
	if r.TLS != nil || r.Header.Get("X-Forwarded-Proto") == "https" {
		scheme = "https://"
	}
	p := &client.Provenance{Job: a.value.(client.Job), Site: g.cfg.Name, URL: scheme + r.Host, Server: g.cfg.Version, Machine: runtime.GOOS + "/" + runtime.GOARCH,
		Function: client.Function{Function: fringe.Function{Name: j.Function, Version: j.Version, Digest: j.Digest}}}
	// The version may be gone; the record stays.
	if v, err := g.cfg.Catalogue.Resolve(ctx, string(j.Function)+"@"+j.Version); err == nil && v.Digest == j.Digest && v.Tool != nil {
		p.Function, p.Document = brief(v), v.Tool.JSON()
	}
	if p.Environment, err = g.environmentAt(ctx, j); err != nil {
		return nil, err
	}
	for _, part := range []struct {
		doc json.RawMessage
		to  *[]client.DataUse
	}{{j.Inputs, &p.Inputs}, {j.Outputs, &p.Outputs}} {
		values := map[string]any{}
		if len(part.doc) > 0 {
			if err := fringe.Unmarshal(part.doc, &values); err != nil {
				return nil, fringe.E(op, err)
			}
		}
		if *part.to, err = g.used(ctx, values); err != nil {
			return nil, err
		}
	}
	for _, s := range []jobs.Stream{jobs.Stdout, jobs.Stderr} {
		if b, err := g.cfg.Jobs.ReadLog(j.ID, s, 0, jobs.MaxLog+4096); err == nil && len(b) > 0 {
			p.Logs = append(p.Logs, client.DataUse{Name: string(s), Class: "File", Size: int64(len(b)), MediaType: "text/plain",
				Location: p.URL + jobURL(j.ID) + "/log?stream=" + string(s)})
		}
	}
	return p, nil
}

// environmentAt gives the environment that a job ran in: with its packages when
// it is still what its name stands for, else its digest alone.
func (g *Gateway) environmentAt(ctx context.Context, j *jobs.Job) (fringe.Environment, error) {
	env, err := g.cfg.Catalogue.Environment(ctx, j.Environment)
	if err != nil { // it is gone
		return fringe.Environment{Name: j.Environment}, nil
	}
	if j.Environment == "" || j.Started.IsZero() {
		return env, nil
	}
	past, err := g.cfg.Catalogue.EnvironmentHistory(ctx, j.Environment)
	if err != nil {
		return env, err
	}
	for _, was := range past { // the newest first
		if !was.Since.After(j.Started) {
			if was.Digest != env.Digest {
				return fringe.Environment{Name: env.Name, Digest: was.Digest}, nil
			}
			break
		}
	}
	return env, nil
}

// used lists the values of an object, by name, with what is known of the data
// among them.
func (g *Gateway) used(ctx context.Context, values map[string]any) ([]client.DataUse, error) {
	all := []client.DataUse{}
	names := make([]string, 0, len(values))
	for name := range values {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		uses, err := g.usesOf(ctx, name, values[name])
		if err != nil {
			return nil, err
		}
		all = append(all, uses...)
	}
	return all, nil
}

func (g *Gateway) usesOf(ctx context.Context, name string, v any) ([]client.DataUse, error) {
	switch v := v.(type) {
	case nil:
		return nil, nil
	case []any:
		var all []client.DataUse
		for i, x := range v {
			uses, err := g.usesOf(ctx, fmt.Sprintf("%s/%d", name, i), x)
			if err != nil {
				return nil, err
			}
			all = append(all, uses...)
		}
		if slices.ContainsFunc(all, func(u client.DataUse) bool { return u.Class != "" }) {
			return all, nil
		}
	case map[string]any:
		if class, _ := v["class"].(string); class == "File" || class == "Directory" {
			u, err := g.useOf(ctx, name, v)
			return []client.DataUse{u}, err
		}
	}
	b, err := json.Marshal(v)
	if err != nil {
		return nil, fringe.E("gateway.usesOf", err)
	}
	return []client.DataUse{{Name: name, Value: b}}, nil
}

// useOf tells of one file or directory. The checksum of a file is made when it
// is not there yet.
func (g *Gateway) useOf(ctx context.Context, name string, o map[string]any) (client.DataUse, error) {
	u := client.DataUse{Name: name}
	u.Class, _ = o["class"].(string)
	u.Location, _ = o["location"].(string)
	u.Basename, _ = o["basename"].(string)
	did, err := fringe.ParseDID(u.Location)
	if err != nil {
		u.Note = "named by its place; its content is not kept"
		return u, nil
	}
	d, err := g.cfg.Data.Get(ctx, did)
	if err != nil {
		u.Note = "no longer here"
		return u, nil
	}
	u.Basename, u.Size, u.MediaType = d.Basename, d.Size, d.MediaType
	if !d.Directory {
		if u.Checksum, err = g.cfg.Data.Checksum(ctx, did); err != nil {
			u.Note = "its bytes cannot be read"
		}
		if !d.Owned {
			u.Note = "by reference: the checksum is that of its bytes as they are now"
		}
	}
	return u, nil
}

// sendCrate streams an RO-Crate as a zip archive.
func (g *Gateway) sendCrate(w http.ResponseWriter, r *http.Request, p *client.Provenance) error {
	const op = "gateway.sendCrate"
	inside := rocrate.Inside(p, r.URL.Query().Get("outputs") == "true")
	meta, err := rocrate.Metadata(p, inside)
	if err != nil {
		return err
	}
	record, err := json.MarshalIndent(p, "", "  ")
	if err != nil {
		return fringe.E(op, err)
	}
	w.Header().Set("Content-Type", "application/zip")
	w.Header().Set("Content-Disposition", fmt.Sprintf("attachment; filename=%q", string(p.Job.ID)+".crate.zip"))
	c := &crate{Writer: zip.NewWriter(w), at: p.Job.Submitted}
	if p.Job.Ended != nil {
		c.at = *p.Job.Ended
	}
	texts := map[string][]byte{rocrate.MetadataFile: meta, rocrate.RecordFile: record}
	if p.Document != nil {
		texts[rocrate.DocumentFile] = p.Document
	}
	for _, l := range p.Logs {
		if texts[inside[l.Location]], err = g.cfg.Jobs.ReadLog(p.Job.ID, jobs.Stream(l.Name), 0, l.Size); err != nil {
			return fringe.E(op, err)
		}
	}
	if err := g.fillCrate(r.Context(), c, texts, p.Outputs, inside); err != nil {
		g.log.Warn("crate cut short", "job", p.Job.ID, "err", err)
		panic(http.ErrAbortHandler) // the only way to tell the client that the body is not whole
	}
	return nil
}

// crate is an RO-Crate as a zip archive, whose entries have the time at which
// the job ended.
type crate struct {
	*zip.Writer
	at time.Time
}

// fillCrate writes the texts and the outputs that lie in the crate.
func (g *Gateway) fillCrate(ctx context.Context, c *crate, texts map[string][]byte, outputs []client.DataUse, inside map[string]string) error {
	for _, name := range slices.Sorted(maps.Keys(texts)) {
		if err := c.add(name, bytes.NewReader(texts[name])); err != nil {
			return err
		}
	}
	for _, o := range outputs {
		at, there := inside[o.Location]
		did, err := fringe.ParseDID(o.Location)
		if !there || err != nil {
			continue
		}
		if o.Class == "Directory" {
			err = g.zipDirectory(ctx, c, path.Dir(strings.TrimSuffix(at, "/")), did)
		} else {
			err = g.zipFile(ctx, c, at, did)
		}
		if err != nil {
			return err
		}
	}
	return c.Close()
}

func (c *crate) add(name string, r io.Reader) error {
	w, err := c.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Deflate, Modified: c.at.UTC()})
	if err == nil {
		_, err = io.Copy(w, r)
	}
	return err
}

func (g *Gateway) zipFile(ctx context.Context, c *crate, at string, did fringe.DID) error {
	f, err := g.cfg.Data.Open(ctx, did)
	if err != nil {
		return err
	}
	defer f.Close()
	return c.add(at, f)
}

// zipDirectory writes the files of a directory below a place of the archive.
func (g *Gateway) zipDirectory(ctx context.Context, c *crate, below string, did fringe.DID) error {
	pr, pw := io.Pipe()
	written := make(chan struct{})
	go func() {
		defer close(written)
		pw.CloseWithError(g.cfg.Data.WriteTar(ctx, did, pw))
	}()
	defer func() {
		pr.Close()
		<-written
	}()
	for t := tar.NewReader(pr); ; {
		h, err := t.Next()
		if err == io.EOF {
			return nil
		}
		if err == nil && h.Typeflag == tar.TypeReg {
			err = c.add(path.Join(below, h.Name), t)
		}
		if err != nil {
			return err
		}
	}
}

// compareJobs tells whether the job of the path and another, which must have
// completed, made the same.
func (g *Gateway) compareJobs(r *http.Request) (answer, error) {
	const op = "gateway.compareJobs"
	var tolerance float64
	if text := r.URL.Query().Get("tolerance"); text != "" {
		var err error
		if tolerance, err = strconv.ParseFloat(text, 64); err != nil || !(tolerance >= 0 && tolerance <= 1) {
			return answer{}, fringe.Errorf(op, fringe.Invalid, "the tolerance is %.40q; a part of the largest value, from 0 to 1, is expected", text)
		}
	}
	var made [2]map[string]any
	for i, id := range []string{r.PathValue("id"), r.URL.Query().Get("with")} {
		r.SetPathValue("id", id)
		j, err := g.job(r)
		if err != nil {
			return answer{}, err
		}
		if j.Phase != jobs.Completed {
			return answer{}, fringe.Errorf(op, fringe.Conflict, "the job %s is %s; only jobs that have completed are compared", j.ID, j.Phase)
		}
		if err := fringe.Unmarshal(j.Outputs, &made[i]); err != nil {
			return answer{}, fringe.E(op, err)
		}
	}
	all := client.Comparison{Equal: true, Results: []client.Difference{}}
	names := slices.Collect(maps.Keys(made[0]))
	for name := range made[1] {
		if _, both := made[0][name]; !both {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		c, err := g.compare(r.Context(), made[0][name], made[1][name], tolerance)
		if err != nil {
			return answer{}, err
		}
		all.Results = append(all.Results, client.Difference{Name: name, Equal: c.Equal, Notes: c.Notes})
		all.Equal = all.Equal && c.Equal
	}
	return ok(all), nil
}

// compare compares two values of an output object.
func (g *Gateway) compare(ctx context.Context, a, b any, tolerance float64) (data.Comparison, error) {
	list, isList := a.([]any)
	if others, areLists := b.([]any); isList && areLists && len(list) == len(others) {
		all := data.Comparison{Equal: true}
		for i := range list {
			c, err := g.compare(ctx, list[i], others[i], tolerance)
			if err != nil {
				return c, err
			}
			all.Equal = all.Equal && c.Equal
			for _, n := range c.Notes {
				all.Notes = append(all.Notes, fmt.Sprintf("%d: %s", i, n))
			}
		}
		return all, nil
	}
	one, isData := didIn(a)
	other, areData := didIn(b)
	switch {
	case isData && areData:
		return g.cfg.Data.Compare(ctx, one, other, tolerance)
	case !fringe.SameValue(a, b):
		return data.Comparison{Notes: []string{fmt.Sprintf("%s and %s", brieflyJSON(a), brieflyJSON(b))}}, nil
	}
	return data.Comparison{Equal: true}, nil
}

// didIn gives the dataset that a File or Directory object names.
func didIn(v any) (fringe.DID, bool) {
	o, _ := v.(map[string]any)
	location, _ := o["location"].(string)
	did, err := fringe.ParseDID(location)
	return did, err == nil && (o["class"] == "File" || o["class"] == "Directory")
}

func brieflyJSON(v any) string {
	b, err := json.Marshal(v)
	if err != nil || len(b) > 80 {
		return "a long value"
	}
	return string(b)
}
