package uws_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"fringe/gateway/uws"
)

// valid fails the test when the document is not valid against UWS.xsd.
func valid(t *testing.T, doc []byte) {
	t.Helper()
	xmllint, err := exec.LookPath("xmllint")
	if err != nil {
		t.Fatal("xmllint is missing; run scripts/setup.sh test")
	}
	cmd := exec.Command(xmllint, "--nonet", "--noout", "--schema", "testdata/UWS.xsd", "-")
	cmd.Env = append(os.Environ(), "XML_CATALOG_FILES=testdata/catalog.xml")
	cmd.Stdin = bytes.NewReader(doc)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("not valid against UWS.xsd:\n%s\n%s", out, doc)
	}
}

func TestDocumentsAreValid(t *testing.T) {
	now := time.Date(2026, 3, 4, 5, 6, 7, 8e6, time.UTC)
	hostile := "a<b>&\"'\x01\ufffe\xff]]> \U0001F52D\r\n"
	many := []uws.Job{
		{ID: "1", Phase: "PENDING", Created: now},
		{ID: "2", RunID: "run", Owner: "alice", Phase: "COMPLETED", Created: now, Started: now, Ended: now, Quote: now, Destruction: now,
			Duration: 90 * time.Second, Parameters: []uws.Parameter{{ID: "size", Value: "1024"}, {ID: "ms", Value: "http://h/x?a=1&b=2", Reference: true}},
			Results: []uws.Result{{ID: "image", URL: "http://h/i.fits", MediaType: "image/fits", Size: 3000960}, {ID: "n", URL: "http://h/n", Size: -1}},
			About:   "http://h/api/v1/jobs/2"},
		{ID: hostile, RunID: hostile, Owner: hostile, Phase: "ERROR", Error: hostile, Transient: true, Detailed: true,
			Duration: 1 << 62, Parameters: []uws.Parameter{{ID: hostile, Value: hostile}}, Results: []uws.Result{{ID: hostile, URL: "x"}}},
	}
	write := func(name string, f func(*bytes.Buffer) error) {
		t.Run(name, func(t *testing.T) {
			var b bytes.Buffer
			if err := f(&b); err != nil {
				t.Fatal(err)
			}
			valid(t, b.Bytes())
		})
	}
	var list []uws.Summary
	for _, j := range many {
		write("job "+j.Phase, func(b *bytes.Buffer) error { return j.Write(b) })
		write("parameters "+j.Phase, func(b *bytes.Buffer) error { return uws.WriteParameters(b, j.Parameters) })
		write("results "+j.Phase, func(b *bytes.Buffer) error { return uws.WriteResults(b, j.Results) })
		list = append(list, uws.Summary{ID: j.ID, URL: "http://h/" + j.Phase, Phase: j.Phase, RunID: j.RunID, Owner: j.Owner, Created: j.Created})
	}
	write("jobs", func(b *bytes.Buffer) error { return uws.WriteJobs(b, list) })
	write("no jobs", func(b *bytes.Buffer) error { return uws.WriteJobs(b, nil) })
	for _, phase := range []string{"PENDING", "QUEUED", "EXECUTING", "COMPLETED", "ERROR", "ABORTED", "UNKNOWN", "HELD", "SUSPENDED", "ARCHIVED"} {
		write("phase "+phase, func(b *bytes.Buffer) error { return uws.Job{ID: "1", Phase: phase}.Write(b) })
	}
}

// The check of the tests themselves: the schema refuses what DALI prints as an
// example.
func TestSchemaRefuses(t *testing.T) {
	var b bytes.Buffer
	if err := (uws.Job{ID: "1", Phase: "PENDING"}).Write(&b); err != nil {
		t.Fatal(err)
	}
	doc := strings.Replace(b.String(), `<uws:startTime xsi:nil="true">`, `<uws:startTime>`, 1)
	cmd := exec.Command("xmllint", "--nonet", "--noout", "--schema", filepath.Join("testdata", "UWS.xsd"), "-")
	cmd.Env = append(os.Environ(), "XML_CATALOG_FILES=testdata/catalog.xml")
	cmd.Stdin = strings.NewReader(doc)
	if out, err := cmd.CombinedOutput(); err == nil || !strings.Contains(string(out), "startTime") {
		t.Errorf("an empty startTime is taken: %v\n%s", err, out)
	}
}
