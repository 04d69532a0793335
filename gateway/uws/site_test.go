package uws_test

import (
	"bytes"
	"encoding/xml"
	"io"
	"mime/multipart"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"fringe"
	"fringe/client"
	"fringe/server"
	"fringe/server/servertest"
)

func TestMain(m *testing.M) { servertest.Main(m) }

// world is a running site with the functions of testdata/functions.
type world struct {
	*servertest.Site
	alice, bob, admin *user // two callers and an operator
}

// user is who asks. Its client does not follow redirections.
type user struct {
	token, url string
	http       *http.Client
}

func start(t testing.TB) *world {
	t.Helper()
	return startWith(t, func(*server.Config) {})
}

// startWith starts a site whose configuration change has changed.
func startWith(t testing.TB, change func(*server.Config)) *world {
	t.Helper()
	cfg := servertest.Config(t.TempDir())
	cfg.UploadMiB = 1
	change(&cfg)
	w := &world{Site: servertest.Start(t, cfg)}
	w.Python()
	files, err := filepath.Glob("testdata/functions/*")
	if err != nil || files == nil {
		t.Fatalf("no functions: %v", err)
	}
	for _, f := range files {
		doc, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		w.Publish(map[string]string{filepath.Base(f): string(doc)})
	}
	w.admin, w.alice, w.bob = w.user(w.Token), w.caller(t, "alice"), w.caller(t, "bob")
	return w
}

func (w *world) caller(t testing.TB, name string) *user {
	t.Helper()
	made, err := client.Send[client.Token](t.Context(), w.Client, "POST", "/api/v1/tokens", client.CreateToken{Name: name, Role: fringe.Caller})
	if err != nil {
		t.Fatal(err)
	}
	return w.user(made.Secret)
}

func (w *world) user(token string) *user {
	return &user{token: token, url: w.URL, http: &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
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
		at = u.url + at
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
	if !strings.HasPrefix(a.location, u.url+"/uws/"+function+"/async/") {
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
