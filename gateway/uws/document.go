package uws

import (
	"encoding/xml"
	"io"
	"strconv"
	"time"
)

// Job is what a client sees of a job. A zero time is one that is not known.
type Job struct {
	ID, RunID, Owner    string
	Phase               string
	Quote               time.Time // when it is expected to be complete
	Created             time.Time
	Started, Ended      time.Time
	Duration            time.Duration // that it may execute; 0: without a bound
	Destruction         time.Time
	Parameters          []Parameter
	Results             []Result
	Error               string // why it failed; empty when it did not
	Transient, Detailed bool   // of the error: the same job can succeed later; there is more at /error
	About               string // URL of the whole record
}

// Parameter is one parameter of a job, or where its value is.
type Parameter struct {
	ID, Value string
	Reference bool // Value is the URL of the value
}

// Result is one result of a job and where it is.
type Result struct {
	ID, URL, MediaType string
	Size               int64 // -1 when not known
}

// Summary is a job in a list of jobs.
type Summary struct {
	ID, URL, Phase, RunID, Owner string
	Created                      time.Time
}

const (
	space      = "http://www.ivoa.net/xml/UWS/v1.0"
	xlinkSpace = "http://www.w3.org/1999/xlink"
	xsiSpace   = "http://www.w3.org/2001/XMLSchema-instance"
	version    = "1.1"
)

// spaces declares the prefixes of a document's root.
type spaces struct {
	UWS   string `xml:"xmlns:uws,attr"`
	XLink string `xml:"xmlns:xlink,attr"`
	XSI   string `xml:"xmlns:xsi,attr"`
}

func declared() spaces { return spaces{space, xlinkSpace, xsiSpace} }

// nillable is an element whose value may be unknown.
type nillable struct {
	Nil  string `xml:"xsi:nil,attr,omitempty"`
	Text string `xml:",chardata"`
}

func orNil(s string) nillable {
	if s == "" {
		return nillable{Nil: "true"}
	}
	return nillable{Text: s}
}

// instant writes t as UWS does; an unknown one is empty.
func instant(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02T15:04:05.000Z")
}

type parameterXML struct {
	ID        string `xml:"id,attr"`
	Reference bool   `xml:"byReference,attr,omitempty"`
	Value     string `xml:",chardata"`
}

type resultXML struct {
	ID        string `xml:"id,attr"`
	URL       string `xml:"xlink:href,attr"`
	Size      string `xml:"size,attr,omitempty"`
	MediaType string `xml:"mime-type,attr,omitempty"`
}

type errorXML struct {
	Type    string `xml:"type,attr"`
	Detail  bool   `xml:"hasDetail,attr"`
	Message string `xml:"uws:message"`
}

type infoXML struct {
	Record recordXML
}

type recordXML struct {
	XMLName xml.Name `xml:"fringe:record"`
	Space   string   `xml:"xmlns:fringe,attr"`
	URL     string   `xml:"xlink:href,attr"`
}

// jobXML has its elements in the order that the schema wants.
type jobXML struct {
	XMLName xml.Name `xml:"uws:job"`
	spaces
	Version     string         `xml:"version,attr"`
	ID          string         `xml:"uws:jobId"`
	RunID       string         `xml:"uws:runId,omitempty"`
	Owner       nillable       `xml:"uws:ownerId"`
	Phase       string         `xml:"uws:phase"`
	Quote       nillable       `xml:"uws:quote"`
	Created     string         `xml:"uws:creationTime,omitempty"`
	Started     nillable       `xml:"uws:startTime"`
	Ended       nillable       `xml:"uws:endTime"`
	Duration    int64          `xml:"uws:executionDuration"`
	Destruction nillable       `xml:"uws:destruction"`
	Parameters  []parameterXML `xml:"uws:parameters>uws:parameter"`
	Results     struct {
		Results []resultXML `xml:"uws:result"`
	} `xml:"uws:results"`
	Error *errorXML `xml:"uws:errorSummary"`
	Info  *infoXML  `xml:"uws:jobInfo"`
}

// Write writes the document uws:job.
func (j Job) Write(w io.Writer) error {
	x := jobXML{spaces: declared(), Version: version, ID: j.ID, RunID: j.RunID, Owner: orNil(j.Owner), Phase: j.Phase,
		Quote: orNil(instant(j.Quote)), Created: instant(j.Created), Started: orNil(instant(j.Started)), Ended: orNil(instant(j.Ended)),
		Duration: seconds(j.Duration), Destruction: orNil(instant(j.Destruction)), Parameters: parametersXML(j.Parameters)}
	x.Results.Results = resultsXML(j.Results)
	if j.Error != "" {
		x.Error = &errorXML{Type: "fatal", Detail: j.Detailed, Message: j.Error}
		if j.Transient {
			x.Error.Type = "transient"
		}
	}
	if j.About != "" {
		x.Info = &infoXML{recordXML{Space: "urn:fringe:ns#", URL: j.About}}
	}
	return write(w, x)
}

// seconds gives whole seconds, of which the schema holds 32 bits; what is not
// zero stays so.
func seconds(d time.Duration) int64 {
	const most = 1<<31 - 1
	return min(int64((d+time.Second-1)/time.Second), most)
}

func parametersXML(ps []Parameter) []parameterXML {
	var out []parameterXML
	for _, p := range ps {
		out = append(out, parameterXML{p.ID, p.Reference, p.Value})
	}
	return out
}

func resultsXML(rs []Result) []resultXML {
	var out []resultXML
	for _, r := range rs {
		x := resultXML{ID: r.ID, URL: r.URL, MediaType: r.MediaType}
		if r.Size >= 0 {
			x.Size = strconv.FormatInt(r.Size, 10)
		}
		out = append(out, x)
	}
	return out
}

// WriteParameters writes the document uws:parameters.
func WriteParameters(w io.Writer, ps []Parameter) error {
	return write(w, struct {
		XMLName xml.Name `xml:"uws:parameters"`
		spaces
		Parameters []parameterXML `xml:"uws:parameter"`
	}{spaces: declared(), Parameters: parametersXML(ps)})
}

// WriteResults writes the document uws:results.
func WriteResults(w io.Writer, rs []Result) error {
	return write(w, struct {
		XMLName xml.Name `xml:"uws:results"`
		spaces
		Results []resultXML `xml:"uws:result"`
	}{spaces: declared(), Results: resultsXML(rs)})
}

type summaryXML struct {
	ID      string   `xml:"id,attr"`
	URL     string   `xml:"xlink:href,attr"`
	Phase   string   `xml:"uws:phase"`
	RunID   string   `xml:"uws:runId,omitempty"`
	Owner   nillable `xml:"uws:ownerId"`
	Created string   `xml:"uws:creationTime,omitempty"`
}

// WriteJobs writes the document uws:jobs.
func WriteJobs(w io.Writer, jobs []Summary) error {
	x := struct {
		XMLName xml.Name `xml:"uws:jobs"`
		spaces
		Version string       `xml:"version,attr"`
		Jobs    []summaryXML `xml:"uws:jobref"`
	}{spaces: declared(), Version: version}
	for _, j := range jobs {
		x.Jobs = append(x.Jobs, summaryXML{j.ID, j.URL, j.Phase, j.RunID, orNil(j.Owner), instant(j.Created)})
	}
	return write(w, x)
}

func write(w io.Writer, v any) error {
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	e := xml.NewEncoder(w)
	e.Indent("", "  ")
	return e.Encode(v)
}

// writable says whether XML can hold the text.
func writable(s string) bool {
	for _, r := range s {
		switch {
		case r == '\t', r == '\n', r >= 0x20 && r <= 0xD7FF, r >= 0xE000 && r <= 0xFFFC, r >= 0x10000:
		default:
			return false
		}
	}
	return true
}
