// Package rocrate writes the provenance of a job as an RO-Crate 1.1 of the
// profile Process Run Crate 0.5: the run is a CreateAction, the function its
// instrument, inputs and outputs its objects and results.
//
// What lies in the crate is named by its path there, all else by its URL at the
// site. It does no I/O.
//
// It is used by room gateway.
package rocrate

import (
	"encoding/json"
	"net/url"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"fringe"
	"fringe/client"
)

// The files that every crate has beside its data.
const (
	MetadataFile = "ro-crate-metadata.json"
	RecordFile   = "provenance.json"
	DocumentFile = "function.cwl"
)

const (
	crate11   = "https://w3id.org/ro/crate/1.1"
	profile   = "https://w3id.org/ro/wfrun/process/0.5"
	runTerms  = "https://w3id.org/ro/terms/workflow-run#"
	cwlFormat = "application/x-cwl+json"
)

// Inside gives where in a crate each log and, when they are wanted, each output
// lies, by its location. A directory's place ends with a slash.
func Inside(p *client.Provenance, outputs bool) map[string]string {
	at := map[string]string{}
	for _, l := range p.Logs {
		at[l.Location] = "log/" + l.Name + ".txt"
	}
	if !outputs {
		return at
	}
	for _, o := range p.Outputs {
		if o.Class == "" || o.Basename == "" {
			continue
		}
		place := path.Join("outputs", path.Clean("/"+o.Name), path.Base("/"+o.Basename))
		if o.Class == "Directory" {
			place += "/"
		}
		at[o.Location] = place
	}
	return at
}

type entity map[string]any

func ref(id string) entity { return entity{"@id": id} }

// refs gives references in the compact form: one alone is not a list.
func refs(ids []string) any {
	if len(ids) == 1 {
		return ref(ids[0])
	}
	all := []entity{}
	for _, id := range ids {
		all = append(all, ref(id))
	}
	return all
}

// crate collects the entities.
type crate struct {
	p      *client.Provenance
	inside map[string]string
	graph  []entity
	parts  []string // data entities: the parts of the root
}

// Metadata gives the document ro-crate-metadata.json. Inside says what lies in
// the crate; nil: nothing, the document stands alone.
func Metadata(p *client.Provenance, inside map[string]string) ([]byte, error) {
	c := &crate{p: p, inside: inside}
	run := c.run()
	if inside != nil {
		c.file(RecordFile, "The record of the run as the site keeps it", "application/json", -1, "")
		if p.Document != nil {
			c.file(DocumentFile, "The function as a CWL document", cwlFormat, int64(len(p.Document)), "")
		}
	}
	root := entity{"@id": "./", "@type": "Dataset", "name": "Run of " + p.Job.Function, "datePublished": when(p.Job.Submitted),
		"description": "What the job " + string(p.Job.ID) + " of the site " + p.Site + " took, did and made.",
		"license":     ref("#licence"), "author": ref(agentOf(p)), "publisher": ref(p.URL), "conformsTo": ref(profile), "mentions": ref(run)}
	if p.Job.Ended != nil {
		root["datePublished"] = when(*p.Job.Ended)
	}
	if len(c.parts) > 0 {
		root["hasPart"] = refs(c.parts)
	}
	head := []entity{
		{"@id": MetadataFile, "@type": "CreativeWork", "conformsTo": ref(crate11), "about": ref("./")},
		root,
		{"@id": profile, "@type": "CreativeWork", "name": "Process Run Crate", "version": "0.5"},
		{"@id": p.URL, "@type": "Organization", "name": "The site " + p.Site, "url": p.URL},
		{"@id": "#licence", "@type": "CreativeWork", "name": "Not stated",
			"description": "No licence is stated for the data. The function says of itself: " + orUnknown(p.Function.License)},
	}
	doc := entity{"@context": []any{crate11 + "/context", entity{"resourceUsage": runTerms + "resourceUsage", "sha1": runTerms + "sha1"}}, "@graph": append(head, c.graph...)}
	b, err := json.MarshalIndent(doc, "", "  ")
	if err != nil {
		return nil, fringe.E("rocrate.Metadata", err)
	}
	return b, nil
}

func orUnknown(s string) string {
	if s == "" {
		return "nothing"
	}
	return s
}

func agentOf(p *client.Provenance) string { return "#" + url.PathEscape(p.Job.Owner) }

// when writes a time as the profile wants it.
func when(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000") + "+00:00" }

func (c *crate) add(e entity) string {
	c.graph = append(c.graph, e)
	return e["@id"].(string)
}

// run adds the action and all that belongs to it.
func (c *crate) run() string {
	p := c.p
	j := &p.Job
	agent := c.add(entity{"@id": agentOf(p), "@type": "Person", "name": j.Owner, "affiliation": ref(p.URL)})
	action := entity{"@id": "#" + string(j.ID), "@type": "CreateAction", "name": "Run of " + j.Function, "agent": ref(agent), "instrument": ref(c.software()),
		"description":  "The call " + string(j.ID) + " of " + j.Function + " at the site " + p.Site,
		"location":     "the site " + p.Site + " at " + p.URL + ", Fringe " + p.Server + " on " + p.Machine,
		"actionStatus": "http://schema.org/CompletedActionStatus"}
	if j.Started != nil {
		action["startTime"] = when(*j.Started)
	}
	if j.Ended != nil {
		action["endTime"] = when(*j.Ended)
	}
	if j.Phase != "COMPLETED" && j.Reused == "" {
		action["actionStatus"] = "http://schema.org/FailedActionStatus"
		if j.Error != nil {
			action["error"] = j.Error.Detail
		}
	}
	if taken := c.uses("input", p.Inputs); len(taken) > 0 {
		action["object"] = refs(taken)
	}
	made := c.uses("output", p.Outputs)
	for _, l := range p.Logs {
		made = append(made, c.data(l))
	}
	if len(made) > 0 {
		action["result"] = refs(made)
	}
	if spent := c.resources(); len(spent) > 0 {
		action["resourceUsage"] = refs(spent)
	}
	return c.add(action)
}

// software adds the function and its environment.
func (c *crate) software() string {
	f, env := &c.p.Function, &c.p.Environment
	at := c.p.URL + "/api/v1/functions/" + url.PathEscape(f.Ref())
	e := entity{"@id": at, "@type": "SoftwareApplication", "name": string(f.Name), "version": f.Version, "url": at, "identifier": string(f.Digest)}
	for key, text := range map[string]string{"description": f.Summary, "author": f.Author, "citation": f.Citation, "license": f.License, "codeRepository": f.CodeRepository} {
		if text != "" {
			e[key] = text
		}
	}
	if f.CodeRepository != "" {
		e["url"] = f.CodeRepository
	}
	if env.Digest != "" {
		envAt := c.p.URL + "/api/v1/environments/" + url.PathEscape(string(env.Name)) + "#" + string(env.Digest)
		s := entity{"@id": envAt, "@type": "SoftwareApplication", "name": "environment " + orUnknown(string(env.Name)), "version": string(env.Digest), "url": envAt}
		var packages []string
		for name, version := range env.Packages {
			packages = append(packages, name+" "+version)
		}
		if slices.Sort(packages); len(packages) > 0 {
			s["softwareRequirements"] = packages
		}
		e["softwareRequirements"] = ref(c.add(s))
	}
	return c.add(e)
}

// uses adds what the run took or made.
func (c *crate) uses(kind string, all []client.DataUse) (ids []string) {
	for _, u := range all {
		if u.Class == "" {
			ids = append(ids, c.add(entity{"@id": "#" + kind + "/" + escape(u.Name), "@type": "PropertyValue", "name": u.Name, "value": plain(u.Value)}))
			continue
		}
		ids = append(ids, c.data(u))
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

// plain gives a simple value as it is, any other as its JSON.
func plain(b json.RawMessage) any {
	var v any
	if fringe.Unmarshal(b, &v) != nil {
		return string(b)
	}
	switch v.(type) {
	case string, json.Number, bool:
		return v
	}
	return string(b)
}

// data adds a file or directory.
func (c *crate) data(u client.DataUse) string {
	at, inside := c.inside[u.Location]
	if inside {
		at = escape(at)
	} else if at = u.Location; !strings.Contains(at, "://") {
		at = c.p.URL + "/api/v1/content/" + client.EscapePath(at)
	}
	if slices.Contains(c.parts, at) {
		return at
	}
	if u.Class == "Directory" {
		e := entity{"@id": at, "@type": "Dataset", "name": name(u), "description": "The directory " + u.Basename + ", " + u.Name + " of the run"}
		if !strings.HasSuffix(at, "/") {
			e["encodingFormat"] = "application/x-tar"
		}
		return c.part(e)
	}
	return c.file(at, name(u), u.MediaType, u.Size, u.Checksum)
}

func name(u client.DataUse) string {
	if u.Basename == "" {
		return u.Name
	}
	return u.Name + ": " + u.Basename
}

// file adds a file; size is -1 when it is not known.
func (c *crate) file(at, name, mediaType string, size int64, checksum string) string {
	if mediaType == "" {
		mediaType = "application/octet-stream"
	}
	e := entity{"@id": at, "@type": "File", "name": name, "encodingFormat": mediaType}
	if size >= 0 {
		e["contentSize"] = strconv.FormatInt(size, 10)
	}
	if sum, ok := strings.CutPrefix(checksum, "sha1$"); ok {
		e["sha1"] = sum
	}
	return c.part(e)
}

func (c *crate) part(e entity) string {
	id := c.add(e)
	if strings.Contains(id, "://") && c.p.Job.Ended != nil {
		e["sdDatePublished"] = when(*c.p.Job.Ended)
	}
	c.parts = append(c.parts, id)
	return id
}

// resources adds what the run has used.
func (c *crate) resources() (ids []string) {
	add := func(id, name, unit string, value float64) {
		ids = append(ids, c.add(entity{"@id": "#used/" + id, "@type": "PropertyValue", "name": name, "unitText": unit, "value": value}))
	}
	if u := c.p.Job.Usage; u != nil {
		add("cpu", "CPU time", "s", u.CPU.Seconds())
		add("memory", "Peak memory", "B", float64(u.PeakMemory))
	}
	if t := c.p.Job.Timing; t.Run > 0 {
		add("wall", "Run time", "s", t.Run)
	}
	for _, io := range []struct {
		id, name string
		uses     []client.DataUse
	}{{"read", "Size of the inputs", c.p.Inputs}, {"written", "Size of the outputs", c.p.Outputs}} {
		var sum int64
		for _, u := range io.uses {
			sum += u.Size
		}
		if sum > 0 {
			add(io.id, io.name, "B", float64(sum))
		}
	}
	return ids
}

// escape writes a path as a relative URL.
func escape(p string) string {
	parts := strings.Split(p, "/")
	for i, s := range parts {
		parts[i] = url.PathEscape(s)
	}
	return strings.Join(parts, "/")
}
