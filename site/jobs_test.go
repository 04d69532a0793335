package site_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"fringe"
	"fringe/client"
	"fringe/notify"
	"fringe/server/servertest"
)

// nonce gives another output each time that it runs.
const nonce = `baseCommand: [sh, -c, 'head -c 16 /dev/urandom | od -An -tx1 > nonce; ls "$0" >> nonce 2>/dev/null; true']
inputs:
  a: {type: int, default: 1}
  data: {type: Directory?, inputBinding: {position: 1}}
outputs:
  nonce: {type: File, outputBinding: {glob: nonce}}
`

func location(out map[string]any) string {
	f, _ := out["nonce"].(map[string]any)
	s, _ := f["location"].(string)
	return s
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// job gives one job with all that is told of it.
func job(t *testing.T, s *servertest.Site, id fringe.CallID) client.Job {
	t.Helper()
	j, err := client.Get[client.Job](context.Background(), s.Client, "/api/v1/jobs/"+string(id), nil)
	if err != nil {
		t.Fatal(err)
	}
	return j
}

// submit makes a job and does not wait for it.
func submit(t *testing.T, s *servertest.Site, n client.NewJob) client.Job {
	t.Helper()
	j, err := client.Send[client.Job](context.Background(), s.Client, "POST", "/api/v1/jobs", n)
	if err != nil {
		t.Fatal(err)
	}
	return j
}

func ended(t *testing.T, s *servertest.Site, id fringe.CallID) client.Job {
	t.Helper()
	var j client.Job
	servertest.Eventually(t, "the job ends", func() bool { j = job(t, s, id); return j.Final() })
	return j
}

func TestSameCallIsAnsweredFromTheStore(t *testing.T) {
	s := servertest.Start(t, servertest.Config(t.TempDir()))
	s.Tool("nonce", nonce)
	s.Tool("again", "requirements: {WorkReuse: {enableReuse: false}}\n"+nonce)
	s.Tool("twice", strings.Replace(nonce, "inputs:", "inputs:\n  hidden: int?", 1))
	ms := filepath.Join(t.TempDir(), "x.ms")
	write(t, filepath.Join(ms, "table.dat"), "1")
	write(t, filepath.Join(ms, "ANTENNA/table.dat"), "1")
	s.Add("user:ms", ms)
	data := func() map[string]any {
		return map[string]any{"data": map[string]any{"class": "Directory", "location": "user:ms"}}
	}
	call := func(name string, inputs map[string]any) string { return location(s.Call(name, inputs)) }

	first := call("nonce", data())
	if again := call("nonce", data()); again != first || first == "" {
		t.Errorf("the same call gives %s, then %s", first, again)
	}
	made := s.Jobs("")[1]
	if hit := s.Jobs("")[0]; hit.Reused != made.ID || hit.Phase != "COMPLETED" {
		t.Errorf("the job of the answer from the store is %+v", hit)
	}
	different := func(what, other string) {
		t.Helper()
		if other == first || other == "" {
			t.Errorf("%s gives the products of another call", what)
		}
	}
	different("an input beside the command line", call("nonce", map[string]any{"a": 2, "data": data()["data"]}))
	different("WorkReuse false", call("again", data()))
	if once := call("again", data()); once == call("again", data()) {
		t.Error("a function that refuses it is answered from the store")
	}
	write(t, filepath.Join(ms, "table.lock"), "x")
	if call("nonce", data()) != first {
		t.Error("a lock file makes another call of it")
	}
	write(t, filepath.Join(ms, "ANTENNA/table.dat"), "22")
	changed := call("nonce", data())
	different("a file that changed in the directory", changed)

	forced, err := client.Send[client.Job](t.Context(), s.Client, "POST", "/api/v1/jobs", client.NewJob{Function: "nonce", Inputs: data(), Fresh: true})
	if err != nil {
		t.Fatal(err)
	}
	if j := ended(t, s, forced.ID); j.Reused != "" || len(j.Attempts) != 1 || strings.Contains(string(j.Outputs), changed) {
		t.Errorf("a job that asked to be run is %+v", j)
	}
	// The newest products are the ones that answer; when they are removed, the
	// call is made again.
	latest := call("nonce", data())
	different("what was asked to be run", latest)
	if _, err := client.Send[any](t.Context(), s.Client, "DELETE", "/api/v1/datasets/"+latest, nil); err != nil {
		t.Fatal(err)
	}
	if call("nonce", data()) == latest {
		t.Error("a product that was removed is an answer")
	}
}

// TestAProductIsKnownByHowItWasMade gives a product to the next call.
// A product has a name at every job whose output it is, and is there once.
func TestAnAnsweredJobNamesItsProducts(t *testing.T) {
	cfg := servertest.Config(t.TempDir())
	s := servertest.Start(t, cfg)
	s.Tool("nonce", nonce)
	s.Tool("read", "baseCommand: cat\ninputs: {text: {type: File, inputBinding: {position: 1}}}\noutputs: {text: stdout}\n")
	run := func(function string, inputs map[string]any) client.Job {
		t.Helper()
		return ended(t, s, submit(t, s, client.NewJob{Function: function, Inputs: inputs}).ID)
	}
	made, second := run("nonce", map[string]any{}).ID, run("nonce", map[string]any{})
	if second.Reused != made {
		t.Fatalf("the second job is of %q, want %q", second.Reused, made)
	}
	again := second.ID
	own, name := "product:"+string(made)+"/nonce", "product:"+string(again)+"/nonce"
	read := func(location string) client.Job {
		t.Helper()
		return run("read", map[string]any{"text": map[string]any{"class": "File", "location": location}})
	}
	first := read(name)
	if j := read(own); first.Phase != "COMPLETED" || j.Reused != first.ID {
		t.Errorf("read by its name at the answered job: %s; by its own: of %q, want %q", first.Phase, j.Reused, first.ID)
	}
	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}
	s = servertest.Start(t, cfg)
	d, err := client.Get[client.Dataset](t.Context(), s.Client, "/api/v1/datasets/"+client.EscapePath(name), nil)
	if err != nil || d.DID != own || d.Call != made {
		t.Errorf("after a restart %s is %+v, %v, want %s", name, d, err, own)
	}
	p, err := client.Get[client.Provenance](t.Context(), s.Client, "/api/v1/jobs/"+string(first.ID)+"/provenance", nil)
	if err != nil || len(p.Inputs) != 1 || p.Inputs[0].Checksum == "" || p.Inputs[0].Note != "" {
		t.Errorf("the provenance of what read it: %+v, %v", p.Inputs, err)
	}
	if err := s.Delete(t.Context(), "/api/v1/datasets/"+client.EscapePath(name)); fringe.KindOf(err) != fringe.Conflict {
		t.Errorf("removed under the answered job's name: %v, want a Conflict", err)
	}
	if err := s.Delete(t.Context(), "/api/v1/jobs/"+string(again)); err != nil {
		t.Fatal(err)
	}
	if _, err := client.Get[client.Dataset](t.Context(), s.Client, "/api/v1/datasets/"+client.EscapePath(name), nil); fringe.KindOf(err) != fringe.NotFound {
		t.Errorf("the answered job is gone, its name gives %v, want NotFound", err)
	}
	if _, err := client.Get[client.Dataset](t.Context(), s.Client, "/api/v1/datasets/"+client.EscapePath(own), nil); err != nil {
		t.Errorf("the product went with the answered job: %v", err)
	}
}

func TestAProductIsKnownByHowItWasMade(t *testing.T) {
	s := servertest.Start(t, servertest.Config(t.TempDir()))
	s.Tool("make", "baseCommand: [sh, -c, 'mkdir x.ms; date +%N > x.ms/table.dat']\ninputs: {a: int}\noutputs:\n  ms: {type: Directory, outputBinding: {glob: x.ms}}\n")
	s.Tool("flag", `requirements:
  InitialWorkDirRequirement: {listing: [{entry: $(inputs.ms), writable: true}]}
baseCommand: [sh, -c, 'echo flagged >> "$0/table.dat"']
inputs:
  ms: {type: Directory, inputBinding: {position: 1}}
outputs:
  ms: {type: Directory, outputBinding: {glob: $(inputs.ms.basename)}}
`)
	at := func(out map[string]any) string { m, _ := out["ms"].(map[string]any); return m["location"].(string) }
	ms := at(s.Call("make", map[string]any{"a": 1}))
	before := content(t, s, ms)
	flag := func() string {
		return at(s.Call("flag", map[string]any{"ms": map[string]any{"class": "Directory", "location": ms}}))
	}
	first := flag()
	if again := flag(); again != first {
		t.Errorf("a change in place of the same product gives %s, then %s", first, again)
	}
	if content(t, s, ms) != before || content(t, s, first) == before {
		t.Error("the input has changed, or the output has not")
	}
}

// content gives what the table of a product holds.
func content(t *testing.T, s *servertest.Site, did string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(s.Dir, "data", "products", strings.TrimPrefix(did, "product:"), "x.ms", "table.dat"))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// waits runs until the file go is in its directory.
const waits = `baseCommand: [sh, -c, 'echo running; while [ ! -e "$0/go" ]; do sleep 0.05; done; head -c 16 /dev/urandom | od -An -tx1 > nonce']
inputs:
  gate: {type: Directory, inputBinding: {position: 1}}
outputs:
  nonce: {type: File, outputBinding: {glob: nonce}}
`

func gate(dir string) map[string]any {
	return map[string]any{"gate": map[string]any{"class": "Directory", "location": "file://" + dir}}
}

// TestConcurrentSameCallsRunOnce sends one call many times while it runs.
func TestConcurrentSameCallsRunOnce(t *testing.T) {
	s := servertest.Start(t, servertest.Config(t.TempDir()))
	s.Tool("slow", "baseCommand: [sh, -c, 'sleep 1; head -c 16 /dev/urandom | od -An -tx1 > nonce']\ninputs: {a: int}\noutputs:\n  nonce: {type: File, outputBinding: {glob: nonce}}\n")
	got := make(chan string, 8)
	for range 8 {
		go func() {
			out, err := s.Try("slow", map[string]any{"a": 1})
			if err != nil {
				t.Error(err)
			}
			got <- location(out)
		}()
	}
	first := <-got
	for range 7 {
		if other := <-got; other != first {
			t.Errorf("the same call gives %s and %s", first, other)
		}
	}
	ran := 0
	for _, j := range s.Jobs("") {
		ran += len(job(t, s, j.ID).Attempts)
	}
	if ran != 1 {
		t.Errorf("it ran %d times", ran)
	}
}

// TestAStopLeavesTasksRunning stops the site while a task runs and starts it
// again: the task is the same one.
func TestAStopLeavesTasksRunning(t *testing.T) {
	cfg := servertest.Config(t.TempDir())
	cfg.CPU = 2 // two run at once, also on a machine with one core
	s := servertest.Start(t, cfg)
	s.Tool("waits", waits)
	dir := t.TempDir()
	running := submit(t, s, client.NewJob{Function: "waits", Inputs: gate(dir)})
	servertest.Eventually(t, "it runs", func() bool { return strings.Contains(log(t, s, running.ID), "running") })
	held := submit(t, s, client.NewJob{Function: "waits", Inputs: gate(dir), Hold: true})
	s.Tool("orphan", waits)
	orphan := submit(t, s, client.NewJob{Function: "orphan", Inputs: gate(dir)})
	servertest.Eventually(t, "it runs too", func() bool { return strings.Contains(log(t, s, orphan.ID), "running") })
	if err := s.Delete(t.Context(), "/api/v1/functions/orphan@1.0.0"); err != nil {
		t.Fatal(err)
	}
	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}
	s = servertest.Start(t, cfg)
	if j := job(t, s, running.ID); j.Phase != "EXECUTING" {
		t.Errorf("after the restart it is %s", j.Phase)
	}
	write(t, filepath.Join(dir, "go"), "")
	j := ended(t, s, running.ID)
	if j.Phase != "COMPLETED" || len(j.Attempts) != 1 || strings.Count(log(t, s, running.ID), "running") != 1 {
		t.Errorf("it ended as %+v, and wrote %q", j, log(t, s, running.ID))
	}
	if j := ended(t, s, orphan.ID); j.Phase != "ERROR" || j.Error.Component != fringe.Catalogue {
		t.Errorf("a task whose function is not published any more is %+v", j)
	}
	if j := job(t, s, held.ID); j.Phase != "PENDING" {
		t.Errorf("who was PENDING is %s", j.Phase)
	}
}

func log(t *testing.T, s *servertest.Site, id fringe.CallID) string {
	t.Helper()
	r, err := http.NewRequest("GET", s.URL+"/api/v1/jobs/"+string(id)+"/log", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+s.Token)
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// hinted publishes a tool with fields of fringe:Function.
func hinted(s *servertest.Site, name, fields, body string) {
	s.Publish(map[string]string{name + ".cwl": fmt.Sprintf("cwlVersion: v1.2\nclass: CommandLineTool\nid: %s\n$namespaces: {fringe: \"urn:fringe:ns#\"}\n"+
		"hints: {fringe:Function: {version: 1.0.0, %s}}\n%s", name, fields, body)})
}

func TestRetries(t *testing.T) {
	s := servertest.Start(t, servertest.Config(t.TempDir()))
	hinted(s, "poison", "retry: {function: 2, backoff: 0.01}", "temporaryFailCodes: [75]\nbaseCommand: [sh, -c, 'exit 75']\ninputs: []\noutputs: []\n")
	hinted(s, "later", "retry: {function: 50, codes: [7], backoff: 0.2, most: 0.2}", "baseCommand: [sh, -c, 'test -e \"$0/go\" || exit 7']\ninputs:\n  gate: {type: Directory, inputBinding: {position: 1}}\noutputs: []\n")
	s.Tool("fails", "baseCommand: [sh, -c, 'exit 1']\ninputs: []\noutputs: []\n")
	j := ended(t, s, submit(t, s, client.NewJob{Function: "poison"}).ID)
	if j.Phase != "ERROR" || len(j.Attempts) != 3 || j.Attempts[0].Cause != "failed" || j.Attempts[0].Error == nil || j.Error == nil {
		t.Errorf("a poisonous job is %+v", j)
	}
	if j := ended(t, s, submit(t, s, client.NewJob{Function: "fails"}).ID); len(j.Attempts) != 1 {
		t.Errorf("what fails for good was tried %d times", len(j.Attempts))
	}
	dir := t.TempDir()
	id := submit(t, s, client.NewJob{Function: "later", Inputs: gate(dir)}).ID
	servertest.Eventually(t, "it has failed", func() bool { return len(job(t, s, id).Attempts) > 1 })
	write(t, filepath.Join(dir, "go"), "")
	if j := ended(t, s, id); j.Phase != "COMPLETED" {
		t.Errorf("what succeeds later is %+v", j)
	}
}

func TestIdleTasksAreStopped(t *testing.T) {
	s := servertest.Start(t, servertest.Config(t.TempDir()))
	hinted(s, "silent", "clocks: {idle: 0.2}", "baseCommand: [sleep, '600']\ninputs: []\noutputs: []\n")
	j := ended(t, s, submit(t, s, client.NewJob{Function: "silent"}).ID)
	if j.Phase != "ERROR" || j.Error.Component != fringe.Timeout || len(j.Attempts) != 1 {
		t.Errorf("a silent task is %+v", j)
	}
}

func TestProgressIsTold(t *testing.T) {
	s := servertest.Start(t, servertest.Config(t.TempDir()))
	s.Tool("cleans", "baseCommand: [sh, -c, 'echo \" == Deconvolving (1) ==\"; echo Iteration 100; while [ ! -e \"$0/go\" ]; do sleep 0.05; done']\ninputs:\n  gate: {type: Directory, inputBinding: {position: 1}}\noutputs: []\n")
	dir := t.TempDir()
	id := submit(t, s, client.NewJob{Function: "cleans", Inputs: gate(dir)}).ID
	servertest.Eventually(t, "progress is told", func() bool {
		p := job(t, s, id).Progress
		return p != nil && p.Step == "Deconvolving (1), iteration 100"
	})
	write(t, filepath.Join(dir, "go"), "")
	ended(t, s, id)
}

// TestCallback has a receiver that the operator allows, and one that nobody
// does.
func TestCallback(t *testing.T) {
	cfg := servertest.Config(t.TempDir())
	cfg.Callbacks = []string{"127.0.0.1"}
	s := servertest.Start(t, cfg)
	key, err := os.ReadFile(filepath.Join(s.Dir, "callback.key"))
	if err != nil {
		t.Fatal(err)
	}
	var got atomic.Int64
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		var result struct{ ID, Phase string }
		if err := json.Unmarshal(b, &result); err != nil || result.Phase != "ERROR" || result.ID != r.Header.Get("X-Call-Id") ||
			!notify.Verify([]byte(strings.TrimSpace(string(key))), r.Header.Get(notify.SignatureHeader), b, time.Now(), time.Minute) {
			t.Errorf("the callback got %s with %v", b, r.Header)
		}
		got.Add(1)
	}))
	defer receiver.Close()
	s.Tool("fails", "baseCommand: [sh, -c, 'exit 1']\ninputs: []\noutputs: []\n")
	id := submit(t, s, client.NewJob{Function: "fails", Callback: receiver.URL + "/done"}).ID
	servertest.Eventually(t, "it is delivered", func() bool { d := job(t, s, id).Delivery; return d != nil && d.State == "delivered" })
	if n := got.Load(); n != 1 {
		t.Errorf("the receiver got %d messages", n)
	}
	_, err = client.Send[client.Job](t.Context(), s.Client, "POST", "/api/v1/jobs", client.NewJob{Function: "fails", Callback: "http://169.254.169.254/latest"})
	if fringe.KindOf(err) != fringe.Denied {
		t.Errorf("a callback to a forbidden address = %v, want denied", err)
	}
}

// A receiver that does not answer keeps the results of its principal waiting,
// and nobody else's.
func TestCallbacksOfOthersDoNotWait(t *testing.T) {
	cfg := servertest.Config(t.TempDir())
	cfg.Callbacks = []string{"127.0.0.1"}
	s := servertest.Start(t, cfg)
	var hang, left atomic.Int64
	release := make(chan struct{})
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/hang" {
			return
		}
		hang.Add(1)
		select {
		case <-release:
		case <-r.Context().Done():
			left.Add(1)
		}
	}))
	defer receiver.Close()
	defer close(release)
	s.Tool("fails", "baseCommand: [sh, -c, 'exit 1']\ninputs: []\noutputs: []\n")
	const many = 70 // more than are sent at once
	for range many {
		submit(t, s, client.NewJob{Function: "fails", Callback: receiver.URL + "/hang"})

	}
	servertest.Eventually(t, "those have ended", func() bool {
		return len(s.Jobs("ERROR")) == min(many, 50) && len(s.Jobs("QUEUED")) == 0 && len(s.Jobs("EXECUTING")) == 0
	})
	servertest.Eventually(t, "the receiver has some", func() bool { return hang.Load() > 0 })
	other := s.As("other", fringe.Caller)
	j, err := client.Send[client.Job](t.Context(), other, "POST", "/api/v1/jobs", client.NewJob{Function: "fails", Callback: receiver.URL + "/answer"})
	if err != nil {
		t.Fatal(err)
	}
	servertest.Eventually(t, "the other's is delivered", func() bool { d := job(t, s, j.ID).Delivery; return d != nil && d.State == "delivered" })
	if n := left.Load(); n > 0 {
		t.Errorf("before it %d of those without an answer were given up", n)
	}
	if n := hang.Load(); n > 4 {
		t.Errorf("%d of one principal were sent at once, want 4", n)
	}
}

func TestDestruction(t *testing.T) {
	s := servertest.Start(t, servertest.Config(t.TempDir()))
	s.Tool("nonce", nonce)
	soon := time.Now().Add(time.Second)
	id := submit(t, s, client.NewJob{Function: "nonce", Destruction: &soon}).ID
	servertest.Eventually(t, "it is archived", func() bool { return job(t, s, id).Phase == "ARCHIVED" })
	p, err := client.Get[client.Page[client.Dataset]](t.Context(), s.Client, "/api/v1/datasets", url.Values{"prefix": {"product:"}})
	if err != nil || len(p.Items) != 0 {
		t.Errorf("the products of an archived job are %+v, %v", p.Items, err)
	}
}

// Old records go with a later look; not those of products that are still there.
func TestOldRecordsGo(t *testing.T) {
	cfg := servertest.Config(t.TempDir())
	s := servertest.Start(t, cfg)
	s.Tool("nonce", nonce)
	run := func(a int) client.Job {
		t.Helper()
		return ended(t, s, submit(t, s, client.NewJob{Function: "nonce", Inputs: map[string]any{"a": a}}).ID)
	}
	kept, maker, old, answered := run(1), run(2), run(3), run(2)
	if answered.Reused != maker.ID {
		t.Fatalf("the job is of %q, want %q", answered.Reused, maker.ID)
	}
	for _, id := range []fringe.CallID{maker.ID, old.ID} {
		res, err := s.Do(t.Context(), client.Request{Method: "POST", Path: "/uws/nonce/async/" + string(id) + "/destruction",
			Header: http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}, Body: strings.NewReader("DESTRUCTION=2000-01-01T00:00:00Z")})
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		servertest.Eventually(t, "it is archived", func() bool { return job(t, s, id).Phase == "ARCHIVED" })
	}
	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}
	cfg.Records = time.Millisecond
	s = servertest.Start(t, cfg)
	servertest.Eventually(t, "the old record is gone", func() bool {
		_, err := client.Get[client.Job](t.Context(), s.Client, "/api/v1/jobs/"+string(old.ID), nil)
		return fringe.KindOf(err) == fringe.NotFound
	})
	for id, phase := range map[fringe.CallID]string{kept.ID: "COMPLETED", answered.ID: "COMPLETED", maker.ID: "ARCHIVED"} {
		if j := job(t, s, id); j.Phase != phase {
			t.Errorf("%s is %s, want %s", id, j.Phase, phase)
		}
	}
	if _, err := client.Get[client.Provenance](t.Context(), s.Client, "/api/v1/jobs/"+string(maker.ID)+"/provenance", nil); err != nil {
		t.Errorf("the provenance of a product that is there: %v", err)
	}
}

// TestSaturation fills the queue: more is refused before it is accepted, and
// what is accepted is done.
func TestSaturation(t *testing.T) {
	cfg := servertest.Config(t.TempDir())
	cfg.Queue, cfg.CPU = 3, 1
	s := servertest.Start(t, cfg)
	s.Tool("waits", waits)
	var accepted []fringe.CallID
	dir := t.TempDir()
	refused := 0
	for n := range 10 {
		sub := filepath.Join(dir, fmt.Sprint(n))
		write(t, filepath.Join(sub, "x"), "")
		j, err := client.Send[client.Job](t.Context(), s.Client, "POST", "/api/v1/jobs", client.NewJob{Function: "waits", Inputs: gate(sub)})
		var e *fringe.Error
		if err == nil {
			accepted = append(accepted, j.ID)
		} else if errors.As(err, &e) && e.Kind == fringe.Busy && e.RetryAfter > 0 {
			refused++
		} else {
			t.Fatalf("a full queue answers %v", err)
		}
	}
	if refused < 6 || len(accepted) < 3 {
		t.Errorf("%d were refused and %d accepted", refused, len(accepted))
	}
	for n := range 10 {
		write(t, filepath.Join(dir, fmt.Sprint(n), "go"), "")
	}
	for _, id := range accepted {
		if j := ended(t, s, id); j.Phase != "COMPLETED" {
			t.Errorf("an accepted job is %+v", j)
		}
	}
}
