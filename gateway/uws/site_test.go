package uws_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/xml"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"fringe/client"
	"fringe/driver/process"
	"fringe/server"
)

// world is the one running site of this package's tests, with the functions of
// testdata/functions, and clients that do not follow redirections by themselves.
var world struct {
	url   string
	log   bytes.Buffer
	alice *user // a caller
	bob   *user // another
	admin *user // an operator
}

// user is who asks.
type user struct {
	token string
	http  *http.Client
}

func TestMain(m *testing.M) {
	process.Main()
	if err := process.PrivateMounts(); err != nil {
		fmt.Fprintln(os.Stderr, "no private mounts:", err)
	}
	code, err := withSite(m)
	if err != nil {
		fmt.Fprintf(os.Stderr, "%v\n%s", err, world.log.String())
		code = 1
	}
	os.Exit(code)
}

func withSite(m *testing.M) (code int, err error) {
	dir, err := os.MkdirTemp("", "fringe-uws-*")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(dir)
	cfg := server.Defaults()
	cfg.Dir, cfg.Listen, cfg.Log, cfg.UploadMiB = filepath.Join(dir, "site"), "127.0.0.1:0", &world.log, 1
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	s, err := server.New(ctx, cfg)
	if err != nil {
		return 0, err
	}
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx) }()
	defer func() {
		cancel()
		if e := <-ended; err == nil {
			err = e
		}
	}()
	world.url = s.URL()
	if err := fill(cfg.Dir); err != nil {
		return 0, err
	}
	return m.Run(), nil
}

// fill makes the principals, an environment and the functions.
func fill(dir string) error {
	ctx := context.Background()
	token, err := os.ReadFile(filepath.Join(dir, "operator.token"))
	if err != nil {
		return err
	}
	world.admin = newUser(strings.TrimSpace(string(token)))
	c, err := client.New(client.Config{URL: world.url, Token: world.admin.token})
	if err != nil {
		return err
	}
	for name, u := range map[string]**user{"alice": &world.alice, "bob": &world.bob} {
		t, err := client.Send[client.Token](ctx, c, "POST", "/api/v1/tokens", client.CreateToken{Name: name, Role: "caller"})
		if err != nil {
			return err
		}
		*u = newUser(t.Secret)
	}
	res, err := c.Do(ctx, client.Request{Method: "POST", Path: "/api/v1/environments", Body: strings.NewReader("name: plain\ndescription: none\ncontract: exec\n")})
	if err != nil {
		return err
	}
	if out, err := io.ReadAll(res.Body); err != nil || !strings.Contains(string(out), `"digest"`) {
		return fmt.Errorf("environment: %v %s", err, out)
	}
	files, err := filepath.Glob("testdata/functions/*.cwl")
	if err != nil {
		return err
	}
	for _, f := range files {
		if err := publish(ctx, c, f); err != nil {
			return fmt.Errorf("%s: %w", f, err)
		}
	}
	return nil
}

func publish(ctx context.Context, c *client.Client, file string) error {
	doc, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	t := tar.NewWriter(z)
	if err := t.WriteHeader(&tar.Header{Name: "function.cwl", Mode: 0o644, Size: int64(len(doc))}); err != nil {
		return err
	}
	t.Write(doc)
	t.Close()
	z.Close()
	_, err = client.Upload[client.Function](ctx, c, client.Request{Method: "POST", Path: "/api/v1/functions", Body: &b,
		Header: http.Header{"Content-Type": {"application/gzip"}}})
	return err
}

func newUser(token string) *user {
	return &user{token: token, http: &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

// answer is what came back.
type answer struct {
	status   int
	header   http.Header
	body     string
	location string
}

// do sends a request to a path of the site or a URL.
func (u *user) do(t testing.TB, method, at, contentType string, body io.Reader) answer {
	t.Helper()
	if strings.HasPrefix(at, "/") {
		at = world.url + at
	}
	req, err := http.NewRequest(method, at, body)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+u.token)
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	res, err := u.http.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{res.StatusCode, res.Header, string(b), res.Header.Get("Location")}
}

func (u *user) get(t testing.TB, at string) answer {
	t.Helper()
	return u.do(t, "GET", at, "", nil)
}

// post sends a form of name=value pairs.
func (u *user) post(t testing.TB, at string, pairs ...string) answer {
	t.Helper()
	form := url.Values{}
	for _, p := range pairs {
		name, value, _ := strings.Cut(p, "=")
		form.Add(name, value)
	}
	return u.do(t, "POST", at, "application/x-www-form-urlencoded", strings.NewReader(form.Encode()))
}

// multipart sends a form with files, part → content.
func (u *user) multipart(t testing.TB, at string, files map[string]string, pairs ...string) answer {
	t.Helper()
	var b bytes.Buffer
	mw := multipart.NewWriter(&b)
	for _, p := range pairs {
		name, value, _ := strings.Cut(p, "=")
		mw.WriteField(name, value)
	}
	for part, content := range files {
		w, err := mw.CreateFormFile(part, part+".txt")
		if err != nil {
			t.Fatal(err)
		}
		io.WriteString(w, content)
	}
	mw.Close()
	return u.do(t, "POST", at, mw.FormDataContentType(), &b)
}

// want fails the test when the status is another.
func (a answer) want(t testing.TB, status int) answer {
	t.Helper()
	if a.status != status {
		t.Fatalf("status %d, want %d: %s", a.status, status, a.body)
	}
	return a
}

// job is what a job's document says.
type job struct {
	Version    string `xml:"version,attr"`
	ID         string `xml:"jobId"`
	RunID      string `xml:"runId"`
	Owner      string `xml:"ownerId"`
	Phase      string `xml:"phase"`
	Quote      string `xml:"quote"`
	Created    string `xml:"creationTime"`
	Duration   int    `xml:"executionDuration"`
	Destroyed  string `xml:"destruction"`
	Parameters []struct {
		ID        string `xml:"id,attr"`
		Reference bool   `xml:"byReference,attr"`
		Value     string `xml:",chardata"`
	} `xml:"parameters>parameter"`
	Results []struct {
		ID   string `xml:"id,attr"`
		URL  string `xml:"href,attr"`
		Type string `xml:"mime-type,attr"`
		Size int64  `xml:"size,attr"`
	} `xml:"results>result"`
	Error *struct {
		Type    string `xml:"type,attr"`
		Detail  bool   `xml:"hasDetail,attr"`
		Message string `xml:"message"`
	} `xml:"errorSummary"`
}

func (j *job) parameter(id string) string {
	for _, p := range j.Parameters {
		if p.ID == id {
			return p.Value
		}
	}
	return ""
}

// job reads and validates a job's document.
func (u *user) job(t *testing.T, at string) job {
	t.Helper()
	a := u.get(t, at).want(t, 200)
	valid(t, []byte(a.body))
	var j job
	if err := xml.Unmarshal([]byte(a.body), &j); err != nil {
		t.Fatal(err)
	}
	return j
}

// listed gives the ids of the jobs in a list, which is validated.
func (u *user) listed(t *testing.T, at string) []string {
	t.Helper()
	a := u.get(t, at).want(t, 200)
	valid(t, []byte(a.body))
	var list struct {
		Jobs []struct {
			ID string `xml:"id,attr"`
		} `xml:"jobref"`
	}
	if err := xml.Unmarshal([]byte(a.body), &list); err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, j := range list.Jobs {
		ids = append(ids, j.ID)
	}
	return ids
}

// create makes a job and gives its URL.
func (u *user) create(t testing.TB, function string, pairs ...string) string {
	t.Helper()
	a := u.post(t, "/uws/"+function+"/async", pairs...).want(t, 303)
	if !strings.HasPrefix(a.location, world.url+"/uws/"+function+"/async/") {
		t.Fatalf("the job is at %q", a.location)
	}
	return a.location
}

// ended waits until a job has ended.
func (u *user) ended(t *testing.T, at string) job {
	t.Helper()
	for {
		j := u.job(t, at+"?WAIT=-1")
		switch j.Phase {
		case "PENDING", "HELD":
			t.Fatalf("the job is %s and nobody runs it", j.Phase)
		case "QUEUED", "EXECUTING", "SUSPENDED":
		default:
			return j
		}
	}
}
