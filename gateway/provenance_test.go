package gateway_test

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"fringe/client"
	"fringe/server/servertest"
)

const (
	// made makes a file of each kind, a directory and values; header says what
	// differs where it does not count, body where it does.
	made = `baseCommand: [sh, -c, 'mkdir -p ms/sub && echo "$0" > ms/table.lock && echo same > ms/sub/data &&
  printf "{\"a\": 1.50, \"b\": [2]}" > out.json &&
  { printf "%-80s%-80s%-80s%-80s%-80s%-2480s" "SIMPLE  =                    T" "BITPIX  =                    8" "NAXIS   =                    1" "NAXIS1  =                 2880" "HISTORY made $0" END; printf "%2880s" "$1"; } > image.fits &&
  { printf "%-80s%-80s%-80s%-80s%-2560s" "SIMPLE  =                    T" "BITPIX  =                  -32" "NAXIS   =                    1" "NAXIS1  =                  720" END;
  printf "\\077\\200\\000\\00$2"; head -c 2876 /dev/zero; } > pixels.fits']
requirements: {InlineJavascriptRequirement: {}}
inputs:
  header: {type: string, inputBinding: {position: 1}}
  body: {type: string, inputBinding: {position: 2}}
  last: {type: int, default: 0, inputBinding: {position: 3}}
  text: File?
outputs:
  ms: {type: Directory, outputBinding: {glob: ms}}
  doc: {type: File, outputBinding: {glob: out.json}}
  image: {type: File, outputBinding: {glob: image.fits}}
  pixels: {type: File, outputBinding: {glob: pixels.fits}}
  number: {type: double, outputBinding: {outputEval: "$(1.5)"}}
`
	broken = `baseCommand: [sh, -c, 'echo no such star >&2; exit 7']
inputs: []
outputs: []
`
)

// run makes a job and waits until it has ended.
func run(t *testing.T, s *servertest.Site, n client.NewJob) client.Job {
	t.Helper()
	j, err := client.Send[client.Job](t.Context(), s.Client, "POST", "/api/v1/jobs", n)
	if err == nil {
		err = s.Follow(t.Context(), j.ID, func(client.Event) error { return nil })
	}
	if err == nil {
		j, err = client.Get[client.Job](t.Context(), s.Client, "/api/v1/jobs/"+string(j.ID), nil)
	}
	if err != nil {
		t.Fatal(err)
	}
	return j
}

// validators gives the Python of the virtual environment that has them.
func validators(t *testing.T) string {
	t.Helper()
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	python := filepath.Join(cache, "fringe", "validators", "bin", "python")
	if _, err := os.Stat(python); err != nil {
		t.Fatal("the validators are missing; run scripts/setup.sh test")
	}
	return python
}

// validate fails the test when the crate is not one of the profile.
func validate(t *testing.T, crate string) {
	t.Helper()
	if out, err := exec.Command(validators(t), "testdata/validate_crate.py", crate).CombinedOutput(); err != nil {
		t.Errorf("not a Process Run Crate: %v\n%s", err, out)
	}
}

func TestProvenance(t *testing.T) {
	s := servertest.Start(t, servertest.Config(t.TempDir()))
	s.Tool("made", made)
	s.Tool("broken", broken)
	text := filepath.Join(t.TempDir(), "text.txt")
	if err := os.WriteFile(text, []byte("hello\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s.Add("user:text", text)
	j := run(t, s, client.NewJob{Function: "made", Inputs: map[string]any{"header": "x & <y>", "body": "z", "text": map[string]any{"class": "File", "location": "user:text"}}})
	p, err := client.Get[client.Provenance](t.Context(), s.Client, "/api/v1/jobs/"+string(j.ID)+"/provenance", nil)
	if err != nil {
		t.Fatal(err)
	}
	if p.Function.Digest != j.Digest || p.Document == nil || p.Job.Usage == nil || p.Job.Owner != "operator" {
		t.Errorf("the provenance is %+v", p)
	}
	sums := map[string]string{}
	for _, u := range append(p.Inputs, p.Outputs...) {
		sums[u.Name] = u.Checksum
	}
	const hello = "sha1$f572d396fae9206628714fb2ce00f72e94f2258f"
	if sums["text"] != hello || !strings.HasPrefix(sums["image"], "sha1$") || len(sums) != 9 {
		t.Errorf("the checksums are %v", sums)
	}
	inside := filepath.Join("outputs", "ms", "ms", "sub", "data")
	dir := crateOf(t, s, j, "true")
	validate(t, dir)
	if _, err := os.Stat(filepath.Join(dir, inside)); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(filepath.Join(crateOf(t, s, j, "false"), inside)); err == nil {
		t.Error("the products are in a crate that was to be without them")
	}
	failed := run(t, s, client.NewJob{Function: "broken"})
	dir = crateOf(t, s, failed, "true")
	validate(t, dir)
	if b, err := os.ReadFile(filepath.Join(dir, "log", "stderr.txt")); err != nil || string(b) != "no such star\n" {
		t.Errorf("the log is %q, %v", b, err)
	}
}

// crateOf brings the crate of a job.
func crateOf(t *testing.T, s *servertest.Site, j client.Job, outputs string) string {
	t.Helper()
	res, err := s.Do(t.Context(), client.Request{Method: "GET", Path: "/api/v1/jobs/" + string(j.ID) + "/provenance",
		Query: url.Values{"outputs": {outputs}}, Header: http.Header{"Accept": {"application/zip"}}})
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	z, err := zip.NewReader(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range z.File {
		if !f.Modified.Equal(j.Ended.Truncate(time.Second)) {
			t.Errorf("the entry %s is of %v, want %v, when the job ended", f.Name, f.Modified, j.Ended)
		}
	}
	dir := t.TempDir()
	if err := os.CopyFS(dir, z); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestCompare(t *testing.T) {
	s := servertest.Start(t, servertest.Config(t.TempDir()))
	s.Tool("made", made)
	job := func(header, body string, last int) client.Job {
		return run(t, s, client.NewJob{Function: "made", Inputs: map[string]any{"header": header, "body": body, "last": last}})
	}
	first, again, other, close := job("one", "z", 0), job("two", "z", 0), job("one", "y", 0), job("one", "z", 1)
	compare := func(a, b client.Job, tolerance ...string) (c client.Comparison) {
		c, err := client.Get[client.Comparison](t.Context(), s.Client, "/api/v1/jobs/"+string(a.ID)+"/compare",
			url.Values{"with": {string(b.ID)}, "tolerance": tolerance})
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	if c := compare(first, again); !c.Equal || len(c.Results) != 5 {
		t.Errorf("HISTORY and table.lock count: %+v", c)
	}
	c := compare(first, other)
	for _, r := range c.Results {
		if r.Equal != (r.Name != "image") {
			t.Errorf("%+v", r)
		}
	}
	if c.Equal {
		t.Error("other pixels are equal")
	}
	if c := compare(first, close); c.Equal || !strings.Contains(c.Results[4].Notes[0], "up to 1.2e-07 of the largest") {
		t.Errorf("pixels that differ by a rounding: %+v", c)
	}
	if c := compare(first, close, "1e-6"); !c.Equal || len(c.Results[4].Notes) != 1 {
		t.Errorf("within the tolerance: %+v", c)
	}
	// A job that is run once more is not answered from the store.
	j, err := client.Send[client.Job](t.Context(), s.Client, "POST", "/api/v1/jobs/"+string(first.ID)+"/rerun", struct{}{})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Follow(t.Context(), j.ID, func(client.Event) error { return nil }); err != nil {
		t.Fatal(err)
	}
	j, err = client.Get[client.Job](t.Context(), s.Client, "/api/v1/jobs/"+string(j.ID), nil)
	if err != nil || j.Reused != "" || len(j.Attempts) != 1 || j.Labels["rerun-of"] != string(first.ID) {
		t.Errorf("the job is %+v, %v", j, err)
	}
	if c := compare(first, j); !c.Equal {
		t.Errorf("it has made something else: %+v", c)
	}
	b, _ := json.Marshal(c)
	if !strings.Contains(string(b), `"notes"`) {
		t.Errorf("nothing says what differs: %s", b)
	}
}
