package uws_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"fringe/server"
)

// A job's whole life, as the standard tells it.
func TestLife(t *testing.T) {
	w := start(t)
	a := w.alice
	at := a.create(t, "say", "TEXT=Hello, <world> & \"more\"", "RUNID=mine", "QUERY=", "LANG=ADQL")
	j := a.job(t, at)
	if j.Version != "1.1" || j.Phase != "PENDING" || j.Owner != "alice" || j.RunID != "mine" || j.Created == "" || j.Destroyed == "" {
		t.Errorf("the new job is %+v", j)
	}
	if p := j.parameter("text"); p != `Hello, <world> & "more"` {
		t.Errorf("text is %q", p)
	}
	for _, what := range []struct{ path, value string }{{"/phase", "PENDING"}, {"/owner", "alice"}, {"/executionduration", "0"}, {"/destruction", j.Destroyed}} {
		if got := a.get(t, at+what.path).want(t, 200); got.body != what.value || !strings.HasPrefix(got.header.Get("Content-Type"), "text/plain") {
			t.Errorf("%s is %q as %s, want %q", what.path, got.body, got.header.Get("Content-Type"), what.value)
		}
	}
	a.get(t, at+"/quote").want(t, 200)

	// Parameters by POST and by PUT, names in any case, one at a time.
	if got := a.post(t, at+"/parameters", "Number=42", "list=a,b").want(t, 303); got.location != at {
		t.Errorf("POST parameters sends to %q, want the job", got.location)
	}
	a.do(t, "PUT", at+"/parameters/real", "text/plain", strings.NewReader("2.5")).want(t, 303)
	a.post(t, at+"/parameters", "list=x", "list=y,z").want(t, 303)
	ps := a.get(t, at+"/parameters").want(t, 200)
	valid(t, []byte(ps.body))
	j = a.job(t, at)
	if j.parameter("number") != "42" || j.parameter("real") != "2.5" || j.parameter("list") != `["x","y,z"]` || j.parameter("text") == "" {
		t.Errorf("the parameters are %+v", j.Parameters)
	}
	if got := a.get(t, at+"/parameters/number").want(t, 200); got.body != "42" {
		t.Errorf("parameters/number is %q", got.body)
	}

	// What the client may set of the job's control.
	a.post(t, at+"/executionduration", "EXECUTIONDURATION=600").want(t, 303)
	a.post(t, at+"/destruction", "DESTRUCTION=2100-01-02T03:04:05Z").want(t, 303)
	if j = a.job(t, at); j.Duration != 600 || j.Destroyed != "2100-01-02T03:04:05.000Z" {
		t.Errorf("duration %d, destruction %s", j.Duration, j.Destroyed)
	}

	if got := a.post(t, at+"/phase", "PHASE=RUN").want(t, 303); got.location != at {
		t.Errorf("RUN sends to %q, want the job", got.location)
	}
	if j = a.ended(t, at); j.Phase != "COMPLETED" || len(j.Results) != 2 {
		t.Fatalf("the job is %+v", j)
	}
	main := j.Results[0]
	if main.ID != "said" || main.Size <= 0 || main.Type != "text/plain" {
		t.Errorf("the main result is %+v", main)
	}
	want := "Hello, <world> & \"more\"\n42\n2.5\n--list\nx\ny,z\n"
	for _, u := range []string{main.URL, at + "/results/said", at + "/results/result"} {
		if got := a.get(t, u).want(t, 200); got.body != want {
			t.Errorf("%s is %q, want %q", u, got.body, want)
		}
	}
	if got := a.get(t, at+"/results/length").want(t, 200); got.body != "44" {
		t.Errorf("length is %q", got.body)
	}
	valid(t, []byte(a.get(t, at+"/results").want(t, 200).body))
	a.get(t, at+"/results/nothing").want(t, 404)
	a.get(t, at+"/error").want(t, 404)

	// What a job that has ended forbids.
	a.post(t, at+"/phase", "PHASE=RUN").want(t, 403)
	a.post(t, at+"/parameters", "number=1").want(t, 403)
	a.post(t, at+"/executionduration", "EXECUTIONDURATION=1").want(t, 403)

	// Deleted, it is gone, and so is what it made.
	if got := a.do(t, "DELETE", at, "", nil).want(t, 303); got.location != w.URL+"/uws/say/async" {
		t.Errorf("DELETE sends to %q", got.location)
	}
	a.get(t, at).want(t, 404)
	a.get(t, at+"/results/said").want(t, 404)
}

func TestRunAtCreationAndAbort(t *testing.T) {
	w := start(t)
	a := w.alice
	at := a.create(t, "nap", "seconds=3600", "PHASE=RUN")
	// WAIT with a phase that is not the job's answers at once.
	if j := a.job(t, at+"?WAIT=-1&PHASE=PENDING"); j.Phase == "PENDING" {
		t.Errorf("the job is %s", j.Phase)
	}
	for j := a.job(t, at); j.Phase != "EXECUTING"; j = a.job(t, at+"?WAIT=10&PHASE=QUEUED") {
	}
	// WAIT blocks until the phase changes: here by an abort meanwhile.
	woken := make(chan job)
	go func() { woken <- a.job(t, at+"?WAIT=-1&PHASE=EXECUTING") }()
	select {
	case j := <-woken:
		t.Errorf("WAIT came back while the job is %s", j.Phase)
	case <-time.After(300 * time.Millisecond):
	}
	a.post(t, at+"/phase", "PHASE=ABORT").want(t, 303)
	if j := <-woken; j.Phase != "ABORTED" {
		t.Errorf("after ABORT the job is %s", j.Phase)
	}
	a.post(t, at+"/phase", "PHASE=ABORT").want(t, 403)
	if got := a.post(t, at, "ACTION=DELETE").want(t, 303); got.location != w.URL+"/uws/nap/async" {
		t.Errorf("ACTION=DELETE sends to %q", got.location)
	}
	a.get(t, at).want(t, 404)
	// A job that runs is stopped by its deletion.
	at = a.create(t, "nap", "seconds=3600", "PHASE=RUN")
	a.do(t, "DELETE", at, "", nil).want(t, 303)
	a.get(t, at).want(t, 404)
}

// When the queue is full RUN makes a job HELD, and its owner asks again.
func TestHeld(t *testing.T) {
	w := startWith(t, func(cfg *server.Config) { cfg.CPU, cfg.Queue = 1, 1 })
	a := w.alice
	first := a.create(t, "nap", "seconds=3600", "PHASE=RUN")
	for j := a.job(t, first); j.Phase != "EXECUTING"; j = a.job(t, first+"?WAIT=10&PHASE=QUEUED") {
	}
	second := a.create(t, "nap", "seconds=3600", "PHASE=RUN")
	third := a.create(t, "nap", "seconds=0", "PHASE=RUN")
	for range 2 {
		if j := a.job(t, third+"?WAIT=-1"); j.Phase != "HELD" { // nothing to wait for
			t.Errorf("with a full queue the job is %s", j.Phase)
		}
		a.post(t, third+"/phase", "PHASE=RUN").want(t, 303)
	}
	a.post(t, third+"/parameters", "seconds=0.01").want(t, 303)
	a.post(t, second+"/phase", "PHASE=ABORT").want(t, 303)
	a.post(t, third+"/phase", "PHASE=RUN").want(t, 303)
	a.post(t, first+"/phase", "PHASE=ABORT").want(t, 303)
	if j := a.ended(t, third); j.Phase != "COMPLETED" {
		t.Errorf("the job that was asked for again is %s", j.Phase)
	}
}

// A list that says no LAST and is long is cut by a redirection that says it.
func TestLongList(t *testing.T) {
	a := start(t).alice
	for range 1001 {
		a.create(t, "nap")
	}
	at := a.get(t, "/uws/nap/async?PHASE=PENDING").want(t, 303).location
	if !strings.Contains(at, "LAST=1000") || !strings.Contains(at, "PHASE=PENDING") {
		t.Errorf("the list leads to %s", at)
	}
	if n := len(a.listed(t, at)); n != 1000 {
		t.Errorf("it has %d jobs", n)
	}
	if n := len(a.listed(t, "/uws/nap/async?LAST=2000")); n != 1001 {
		t.Errorf("LAST=2000 gives %d jobs", n)
	}
}

func TestFailure(t *testing.T) {
	w := start(t)
	a := w.alice
	at := a.create(t, "fail", "PHASE=RUN")
	j := a.ended(t, at)
	if j.Phase != "ERROR" || j.Error == nil || j.Error.Type != "fatal" || !j.Error.Detail || !strings.Contains(j.Error.Message, "code 7") {
		t.Errorf("the job is %+v, %+v", j, j.Error)
	}
	if got := a.get(t, at+"/error").want(t, 200); !strings.Contains(got.body, "no such <star> & more") {
		t.Errorf("the error is %q", got.body)
	}
	if got := a.get(t, "/uws/fail/sync").want(t, 303); a.get(t, got.location).status < 400 {
		t.Errorf("a failed call by sync does not fail")
	}
}

func TestInlineUpload(t *testing.T) {
	w := start(t)
	a := w.alice
	at := a.multipart(t, "/uws/say/async", map[string]string{"mine": "from the file\n"}, "text=x", "file=param:mine").want(t, 303).location
	j := a.job(t, at)
	i := slices.IndexFunc(j.Parameters, func(p struct {
		ID        string `xml:"id,attr"`
		Reference bool   `xml:"byReference,attr"`
		Value     string `xml:",chardata"`
	}) bool {
		return p.ID == "file"
	})
	if i < 0 || !j.Parameters[i].Reference || j.Parameters[i].Value != at+"/parameters/file" {
		t.Fatalf("the parameters are %+v", j.Parameters)
	}
	if got := a.get(t, j.Parameters[i].Value).want(t, 200); got.body != "from the file\n" {
		t.Errorf("the file is %q", got.body)
	}
	a.post(t, at+"/phase", "PHASE=RUN").want(t, 303)
	a.ended(t, at)
	if got := a.get(t, at+"/results/said").want(t, 200); got.body != "x\n1\nfrom the file\n" {
		t.Errorf("said %q", got.body)
	}
	// The same as DALI's UPLOAD, into a job that is there, and as a PUT.
	at = a.create(t, "say", "text=y")
	a.multipart(t, at+"/parameters", map[string]string{"t1": "one\n"}, "UPLOAD=file,param:t1").want(t, 303)
	if got := a.get(t, at+"/parameters/file").want(t, 200); got.body != "one\n" {
		t.Errorf("the file is %q", got.body)
	}
	a.do(t, "PUT", at+"/parameters/file", "application/octet-stream", strings.NewReader("two\n")).want(t, 303)
	if got := a.get(t, at+"/parameters/file").want(t, 200); got.body != "two\n" {
		t.Errorf("the file is %q", got.body)
	}
	a.do(t, "DELETE", at, "", nil).want(t, 303)
	// A part that is not there, and one that is too large.
	a.multipart(t, "/uws/say/async", nil, "text=x", "file=param:mine").want(t, 403)
	a.multipart(t, "/uws/say/async", map[string]string{"mine": strings.Repeat("x", 2<<20)}, "text=x", "file=param:mine").want(t, 413)
	if got := w.admin.get(t, "/api/v1/datasets?prefix=upload:").want(t, 200); strings.Count(got.body, `"did"`) != 1 {
		t.Errorf("the uploads of jobs that are gone, or were refused, are kept: %s", got.body)
	}
}

func TestList(t *testing.T) {
	w := start(t)
	b := w.bob
	if got := b.listed(t, "/uws/say/async"); got != nil {
		t.Errorf("bob sees %v", got)
	}
	first := b.create(t, "say", "text=1")
	second := b.create(t, "say", "text=2", "PHASE=RUN")
	b.ended(t, second)
	b.create(t, "nap", "seconds=1")
	id := func(at string) string { return at[strings.LastIndexByte(at, '/')+1:] }
	for _, c := range []struct {
		query string
		want  []string
	}{
		{"", []string{id(second), id(first)}},
		{"?PHASE=PENDING", []string{id(first)}},
		{"?PHASE=PENDING&phase=COMPLETED", []string{id(second), id(first)}},
		{"?PHASE=EXECUTING", nil},
		{"?PHASE=ARCHIVED", nil},
		{"?PHASE=UNKNOWN", nil},
		{"?LAST=1", []string{id(second)}},
		{"?LAST=1&PHASE=PENDING", []string{id(first)}},
		{"?AFTER=2000-01-01T00:00:00Z", []string{id(second), id(first)}},
		{"?AFTER=2100-01-01", nil},
	} {
		if got := b.listed(t, "/uws/say/async"+c.query); !slices.Equal(got, c.want) {
			t.Errorf("%s gives %v, want %v", c.query, got, c.want)
		}
	}
	for _, wrong := range []string{"?PHASE=DONE", "?LAST=0", "?LAST=x", "?AFTER=yesterday"} {
		b.get(t, "/uws/say/async"+wrong).want(t, 400)
	}
	// Another's job is not found, whatever is asked of it; an operator sees it.
	a := w.alice
	if slices.Contains(a.listed(t, "/uws/say/async"), id(first)) {
		t.Error("alice sees bob's job")
	}
	for _, path := range []string{"", "/phase", "/parameters", "/parameters/text", "/results", "/results/said", "/error", "/owner", "/quote"} {
		if got := a.get(t, first+path).want(t, 404); strings.Contains(got.body, "bob") {
			t.Errorf("%s tells of bob: %s", path, got.body)
		}
	}
	a.post(t, first+"/phase", "PHASE=RUN").want(t, 404)
	a.post(t, first+"/parameters", "text=stolen").want(t, 404)
	a.post(t, first, "ACTION=DELETE").want(t, 404)
	a.do(t, "DELETE", first, "", nil).want(t, 404)
	a.do(t, "PUT", first+"/parameters/text", "", strings.NewReader("stolen")).want(t, 404)
	a.get(t, strings.Replace(second, "/async/", "/sync/", 1)).want(t, 404)
	if j := w.admin.job(t, first); j.parameter("text") != "1" {
		t.Errorf("the operator sees %+v", j)
	}
	// A job of another function is not here.
	b.get(t, strings.Replace(first, "/uws/say/", "/uws/nap/", 1)).want(t, 404)
}

func TestRefused(t *testing.T) {
	w := start(t)
	a := w.alice
	for _, c := range []struct {
		pairs []string
		says  string
	}{
		{[]string{"txet=x"}, "text"},
		{[]string{"text=x", "number=many"}, "number"},
		{[]string{"text=x", "number=1", "number=2"}, "2 times"},
		{[]string{"text=x", "kind=three"}, "one, two"},
		{[]string{"text=x", "PHASE=WALK"}, "RUN"},
		{[]string{"text=x", "RUNID=" + strings.Repeat("r", 65)}, "64"},
		{[]string{"text=x", "EXECUTIONDURATION=-1"}, "EXECUTIONDURATION"},
		{[]string{"text=x", "DESTRUCTION=soon"}, "DESTRUCTION"},
		{[]string{"PHASE=RUN"}, "text"},
		{[]string{"text=x", "number=-1", "PHASE=RUN"}, "number"},
		{[]string{"text=x", "file=user:nowhere", "PHASE=RUN"}, "user:nowhere"},
	} {
		before := a.listed(t, "/uws/say/async")
		got := a.post(t, "/uws/say/async", c.pairs...).want(t, 403)
		if !strings.Contains(got.body, c.says) {
			t.Errorf("%v is refused with %q, want %q in it", c.pairs, got.body, c.says)
		}
		if after := a.listed(t, "/uws/say/async"); len(after) != len(before) {
			t.Errorf("%v left a job", c.pairs)
		}
	}
	at := a.create(t, "say")
	if got := a.post(t, at+"/phase", "PHASE=RUN").want(t, 400); !strings.Contains(got.body, "text") {
		t.Errorf("running it without its parameter says %q", got.body)
	}
	if j := a.job(t, at); j.Phase != "PENDING" {
		t.Errorf("it is %s then", j.Phase)
	}
	a.post(t, at, "text=x").want(t, 400) // DALI: parameters go to /parameters
	a.post(t, at, "ACTION=DELETE", "text=x").want(t, 400)
	a.post(t, at+"/phase", "PHASE=JUMP").want(t, 400)
	a.post(t, at+"/phase").want(t, 400)
	a.post(t, at+"/destruction", "DESTRUCTION=x").want(t, 400)
	a.get(t, at+"?WAIT=x").want(t, 400)
	a.get(t, at+"?WAIT=1&PHASE=x").want(t, 400)
	a.do(t, "PUT", at+"/parameters/nothing", "", strings.NewReader("x")).want(t, 400)
	a.do(t, "POST", at+"/parameters", "image/png", strings.NewReader("x")).want(t, 400)
	a.get(t, "/uws/nothing/async").want(t, 404)
	a.get(t, "/uws/say/async/01JZZZZZZZZZZZZZZZZZZZZZZZ").want(t, 404)
	a.get(t, "/uws/say").want(t, 404)
	a.do(t, "DELETE", at, "", nil).want(t, 303)

	nobody := w.user("")
	got := nobody.get(t, "/uws/say/async").want(t, 401)
	challenges := strings.Join(got.header["Www-Authenticate"], ", ")
	if !strings.Contains(challenges, "Bearer") || !strings.Contains(challenges, "Basic") {
		t.Errorf("the challenges are %q", challenges)
	}
	req, _ := http.NewRequest("GET", w.URL+"/uws/say/async", nil)
	req.SetBasicAuth("anything", a.token)
	res, err := a.http.Do(req)
	if err != nil || res.StatusCode != 200 || res.Header.Get("X-VO-Authenticated") != "alice" {
		t.Errorf("with the token as password of basic authentication: %v %v", res, err)
	}
	res.Body.Close()
}

func TestSync(t *testing.T) {
	w := start(t)
	a := w.alice
	for _, first := range []answer{a.post(t, "/uws/say/sync", "text=once"), a.get(t, "/uws/say/sync?TEXT=once")} {
		at := first.want(t, 303).location
		if !strings.HasPrefix(at, w.URL+"/uws/say/sync/") {
			t.Fatalf("sync sends to %q", at)
		}
		result := a.get(t, at).want(t, 303).location
		if got := a.get(t, result).want(t, 200); got.body != "once\n1\n" {
			t.Errorf("the result is %q", got.body)
		}
	}
	a.post(t, "/uws/say/sync", "number=1").want(t, 400)
}

// A client that leaves while it waits is not told that all is well: whoever still
// listens, as one does who has closed only his half, gets 499.
func TestClientGone(t *testing.T) {
	w := start(t)
	at := w.alice.create(t, "nap", "seconds=3600", "PHASE=RUN")
	id := at[strings.LastIndex(at, "/")+1:]
	for _, path := range []string{"/uws/nap/sync/" + id, "/uws/nap/async/" + id + "?WAIT=-1"} {
		conn, err := net.Dial("tcp", strings.TrimPrefix(w.URL, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		conn.SetDeadline(time.Now().Add(time.Minute))
		fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n\r\n", path, w.alice.token)
		if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
			t.Fatal(err)
		}
		res, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatal(err)
		}
		if b, err := io.ReadAll(res.Body); res.StatusCode != 499 || len(b) > 0 || err != nil {
			t.Errorf("%s = %d %q, %v, want 499 and nothing", path, res.StatusCode, b, err)
		}
	}
	w.alice.post(t, at+"/phase", "PHASE=ABORT").want(t, 303)
}

func TestSiblings(t *testing.T) {
	w := start(t)
	a := w.alice
	caps := a.get(t, "/uws/say/capabilities").want(t, 200)
	for _, want := range []string{`standardID="ivo://ivoa.net/std/UWS#rest-1.1"`, w.URL + "/uws/say/async</accessURL>", "<name>number</name>", "<unit>arcsec</unit>", "<dataType>integer</dataType>"} {
		if !strings.Contains(caps.body, want) {
			t.Errorf("capabilities has no %s:\n%s", want, caps.body)
		}
	}
	if got := a.get(t, "/uws/say/availability").want(t, 200); !strings.Contains(got.body, "<vosi:available>true</vosi:available>") {
		t.Errorf("availability is %s", got.body)
	}
	if got := a.get(t, "/uws/say/examples").want(t, 200); !strings.Contains(got.body, `typeof="example"`) || !strings.Contains(got.body, "hello") {
		t.Errorf("examples is %s", got.body)
	}
	a.get(t, "/uws/nap/examples").want(t, 404)
}
