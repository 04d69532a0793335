package crash_test

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// probe is the function whose jobs are run: it tells the recorder that it
// begins, changes an input directory in its private view, waits, tells the
// recorder that it ends, and ends. What it leaves carries the name of its run.
const probe = `cwlVersion: v1.2
class: CommandLineTool
id: probe
$namespaces: {fringe: "urn:fringe:ns#"}
hints:
  fringe:Function: {version: 1.0.0, environment: plain, shape: task, retry: {platform: 50, function: 50, backoff: 1, most: 4}}
requirements:
  NetworkAccess: {networkAccess: true}
  ResourceRequirement: {coresMin: 1, ramMin: 64}
  InitialWorkDirRequirement: {listing: [{entry: $(inputs.observation), writable: true}]}
baseCommand: [bash, -c]
arguments:
  - |
    key=$0 host=$1 port=$2
    say() {
      exec 3<>/dev/tcp/$host/$port || exit 9
      printf 'POST /%s?key=%s&nonce=%s HTTP/1.0\r\n\r\n' "$1" "$key" "$nonce" >&3
      read -r line <&3; exec 3>&-
      case $line in *" 200 "*) ;; *) exit 9;; esac
    }
    keep() { echo "$nonce" > "$1" || { say failed; exit 75; }; }
    read -r nonce < /proc/sys/kernel/random/uuid
    say begin
    echo "run $nonce begins"
    sleep "$3"
    keep observation/nonce
    keep nonce
    echo "run $nonce ends"
    say ended
  - $(inputs.key)
  - $(inputs.host)
  - $(inputs.port)
  - $(inputs.seconds)
  - end
temporaryFailCodes: [75]
inputs:
  key: string
  host: string
  port: string
  seconds: string
  observation: Directory
outputs:
  nonce: {type: File, outputBinding: {glob: nonce}}
  observation: {type: Directory, outputBinding: {glob: observation}}
`

// lengths gives the seconds that jobs wait: in a long run some wait through
// many kills.
func lengths() []string {
	all := []string{"0", "0", "0.05", "0.2", "0.5", "1", "2", "4"}
	if *lasting > 5*time.Minute {
		all = append(all, "8", "20", "60")
	}
	return all
}

// outstanding bounds the jobs that have not ended.
const outstanding = 24

// A call is one job as its caller knows it.
type call struct {
	key     string
	seconds string
	id      string // once it is accepted
	phase   string // as last told
}

// A load makes calls and watches them.
type load struct {
	srv   *server
	rec   *recorder
	token string
	stop  chan struct{} // no new calls
	room  chan struct{}
	http  *http.Client

	mu      sync.Mutex // guards all below
	calls   map[string]*call
	answers map[string]int // refusals, by status; resent requests
	serial  int
}

func newLoad(srv *server, rec *recorder) (*load, error) {
	token, err := os.ReadFile(filepath.Join(srv.dir, "operator.token"))
	return &load{srv: srv, rec: rec, token: strings.TrimSpace(string(token)), stop: make(chan struct{}), room: make(chan struct{}, outstanding),
		calls: map[string]*call{}, answers: map[string]int{}, http: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}}, err
}

// problem is what an error answer says.
type problem struct {
	Component string `json:"component"`
	Title     string `json:"title"`
	Detail    string `json:"detail"`
}

// job is a job as the site tells it.
type job struct {
	ID       string                        `json:"id"`
	Phase    string                        `json:"phase"`
	Outputs  map[string]map[string]any     `json:"outputs"`
	Error    *problem                      `json:"error"`
	Attempts []struct{ Number, Cause any } `json:"attempts"`
}

// do sends one request; the error says that no whole answer came.
func (l *load) do(ctx context.Context, method, path string, header http.Header, body []byte) (status int, answer []byte, err error) {
	base := l.srv.address()
	if base == "" {
		return 0, nil, fmt.Errorf("no server")
	}
	req, err := http.NewRequestWithContext(ctx, method, base+path, bytes.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	maps.Copy(req.Header, header)
	req.Header.Set("Authorization", "Bearer "+l.token)
	res, err := l.http.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer res.Body.Close()
	answer, err = io.ReadAll(res.Body)
	return res.StatusCode, answer, err
}

// body gives the input object of a call.
func (l *load) body(c *call) []byte {
	host, port, _ := strings.Cut(l.rec.addr, ":")
	text, _ := json.Marshal(map[string]any{"key": c.key, "host": host, "port": port, "seconds": c.seconds,
		"observation": map[string]any{"class": "Directory", "location": "user:observation"}})
	return text
}

// work makes calls one after the other until the load stops; with wait each
// waits for the answer on its connection, else it is accepted and watched.
func (l *load) work(ctx context.Context, wait bool) {
	seconds := lengths()
	for {
		select {
		case <-l.stop:
			return
		case <-ctx.Done():
			return
		case l.room <- struct{}{}:
		}
		l.mu.Lock()
		l.serial++
		c := &call{key: fmt.Sprintf("job-%d-%d", os.Getpid(), l.serial), seconds: seconds[rand.N(len(seconds))]}
		l.calls[c.key] = c
		l.mu.Unlock()
		if wait {
			l.send(ctx, c, waitingPath)
			<-l.room
		} else {
			l.send(ctx, c, asyncPath)
		}
		l.pause(ctx, time.Duration(rand.N(200))*time.Millisecond)
	}
}

func (l *load) pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// send sends a call again and again, under the same idempotency key, until the
// site has taken it.
func (l *load) send(ctx context.Context, c *call, path string) {
	header := http.Header{"Content-Type": {"application/json"}, "Idempotency-Key": {c.key}}
	for ctx.Err() == nil {
		status, answer, err := l.do(ctx, "POST", path, header, l.body(c))
		if err == nil && (l.taken(c, status, answer) || path == waitingPath) {
			return
		}
		l.count("resent")
		l.pause(ctx, 50*time.Millisecond+time.Duration(rand.N(200))*time.Millisecond)
	}
}

// Where calls are sent. What an answer to one that waits means is looked at in
// the end, when it is sent once more.
const (
	waitingPath = "/function/probe"
	asyncPath   = "/async-function/probe"
)

// taken looks at an answer to a call; false means that it must be sent again.
func (l *load) taken(c *call, status int, answer []byte) bool {
	switch status {
	case http.StatusAccepted:
		var j job
		if json.Unmarshal(answer, &j) != nil || j.ID == "" {
			l.rec.blame("the answer 202 to %s has no id: %s", c.key, answer)
			return false
		}
		l.accept(c, j.ID, j.Phase)
		return true
	case http.StatusOK:
		return true
	}
	l.count(fmt.Sprint(status))
	if status < 500 && status != http.StatusTooManyRequests {
		l.rec.blame("the call %s is refused with %d: %s", c.key, status, answer)
	}
	return false
}

func (l *load) count(what string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.answers[what]++
}

func (l *load) accept(c *call, id, phase string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if c.id != "" && c.id != id {
		l.rec.blame("the call %s is the job %s and the job %s", c.key, c.id, id)
	}
	c.id, c.phase = id, phase
}

// final says whether a phase is one that a job does not leave.
func final(phase string) bool { return phase == "COMPLETED" || phase == "ERROR" || phase == "ABORTED" }

// watch looks at every accepted job that has not ended, again and again.
func (l *load) watch(ctx context.Context) {
	for ctx.Err() == nil {
		for _, c := range l.open() {
			j, err := l.show(ctx, c.id)
			if err != nil {
				break // no server
			}
			l.mu.Lock()
			c.phase = j.Phase
			l.mu.Unlock()
			if final(j.Phase) {
				select {
				case <-l.room:
				default:
				}
			}
		}
		l.pause(ctx, 200*time.Millisecond)
	}
}

// open gives the accepted calls that have not ended.
func (l *load) open() (open []*call) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range l.calls {
		if c.id != "" && !final(c.phase) {
			open = append(open, c)
		}
	}
	return open
}

// show gives a job as the site tells it. A job that the site does not know is
// lost.
func (l *load) show(ctx context.Context, id string) (j job, err error) {
	status, answer, err := l.do(ctx, "GET", "/api/v1/jobs/"+id, nil, nil)
	if err == nil && status == http.StatusNotFound {
		l.rec.blame("the accepted job %s is lost: %s", id, answer)
	}
	if err == nil && status != http.StatusOK {
		err = fmt.Errorf("%d: %s", status, answer)
	}
	if err == nil {
		err = json.Unmarshal(answer, &j)
	}
	return j, err
}

// settle sends every call once more, so that its job is known, and waits until
// all have ended.
func (l *load) settle(ctx context.Context) {
	for _, c := range l.sorted() {
		l.send(ctx, c, asyncPath)
	}
	for len(l.open()) > 0 && ctx.Err() == nil {
		l.pause(ctx, 100*time.Millisecond)
	}
	for _, c := range l.open() {
		l.rec.blame("the job %s of %s has not ended: %s", c.id, c.key, c.phase)
	}
}

func (l *load) sorted() []*call {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.SortedFunc(maps.Values(l.calls), func(a, b *call) int { return strings.Compare(a.key, b.key) })
}

// A tally is what a lane counts.
type tally struct {
	Jobs, Completed, Failed            int
	Runs, Ended, Killed, Full, Dropped int
}

// judge holds what the site says of every job against the record.
func (l *load) judge(ctx context.Context) (n tally) {
	listed := l.list(ctx)
	for _, c := range l.sorted() {
		n.Jobs++
		j, err := l.show(ctx, c.id)
		if err != nil {
			l.rec.blame("the job %s of %s cannot be shown: %v", c.id, c.key, err)
			continue
		}
		if !listed[c.id] {
			l.rec.blame("the job %s of %s is not in the list", c.id, c.key)
		}
		delete(listed, c.id)
		if final(c.phase) && c.phase != j.Phase {
			l.rec.blame("the job %s went from %s to %s", c.id, c.phase, j.Phase)
		}
		l.rec.mu.Lock()
		runs := l.rec.runs[c.key]
		l.rec.mu.Unlock()
		l.weigh(ctx, &n, c, j, runs)
	}
	for id := range listed {
		l.rec.blame("nobody sent the job %s", id)
	}
	return n
}

// weigh judges one job.
func (l *load) weigh(ctx context.Context, n *tally, c *call, j job, runs []*ran) {
	by, good := map[string]int{}, ""
	for _, run := range runs {
		by[run.end]++
		if run.end == ended {
			good = run.nonce
		}
	}
	n.Runs, n.Ended, n.Killed, n.Full, n.Dropped = n.Runs+len(runs), n.Ended+by[ended], n.Killed+by[killed], n.Full+by[failed], n.Dropped+by[""]
	before := len(l.rec.wrong)
	defer func() {
		if len(l.rec.wrong) > before || by[ended] > 1 {
			l.explain(ctx, c)
		}
	}()
	switch {
	case by[ended] > 1:
		l.rec.blame("the job %s of %s ended well %d times", c.id, c.key, by[ended])
	case by[""] > 0:
		l.rec.blame("the job %s of %s has %d runs that nobody killed and that never ended", c.id, c.key, by[""])
	}
	switch j.Phase {
	case "COMPLETED":
		n.Completed++
		if by[ended] != 1 {
			l.rec.blame("the job %s of %s is COMPLETED; %d runs ended well", c.id, c.key, by[ended])
		}
		for _, output := range []string{"nonce", "observation"} {
			if got := l.content(ctx, j, output); got != good {
				l.rec.blame("the output %s of %s is %q, want the name of its run, %q", output, c.id, got, good)
			}
		}
	case "ERROR":
		n.Failed++
		if by[ended] > 0 || by[killed]+by[failed] == 0 {
			l.rec.blame("the job %s of %s is in ERROR (%+v); its runs: %v", c.id, c.key, j.Error, by)
		}
	default:
		l.rec.blame("the job %s of %s is in the phase %s", c.id, c.key, j.Phase)
	}
}

// explain adds all that is known of a job to what is wrong with it.
func (l *load) explain(ctx context.Context, c *call) {
	_, shown, _ := l.do(ctx, "GET", "/api/v1/jobs/"+c.id, nil, nil)
	_, wrote, _ := l.do(ctx, "GET", "/api/v1/jobs/"+c.id+"/log", nil, nil)
	text := fmt.Sprintf("of %s, %s s long:\n%s\nits log:\n%s\nthe server's log of it:\n", c.id, c.seconds, shown, wrote)
	log, _ := os.ReadFile(l.srv.log)
	for line := range strings.Lines(string(log)) {
		if strings.Contains(line, c.id) || strings.Contains(line, strings.ToLower(c.id)) {
			text += line
		}
	}
	for _, run := range l.rec.runs[c.key] {
		text += fmt.Sprintf("run %s began %s, %s %s\n", run.nonce, run.began.UTC().Format(time.RFC3339Nano), run.end, run.when.UTC().Format(time.RFC3339Nano))
	}
	l.rec.log("%s", text)
}

// content gives the name of its run that an output of a job holds: in the file
// or, when the output is a directory, in its file nonce.
func (l *load) content(ctx context.Context, j job, output string) string {
	location, _ := j.Outputs[output]["location"].(string)
	status, answer, err := l.do(ctx, "GET", "/api/v1/content/"+location, nil, nil)
	if err != nil || status != http.StatusOK {
		return fmt.Sprintf("%d %s %v", status, answer, err)
	}
	if j.Outputs[output]["class"] == "File" {
		return strings.TrimSpace(string(answer))
	}
	for in := tar.NewReader(bytes.NewReader(answer)); ; {
		h, err := in.Next()
		if err != nil {
			return "no file nonce: " + err.Error()
		}
		if path.Base(h.Name) == "nonce" {
			text, _ := io.ReadAll(in)
			return strings.TrimSpace(string(text))
		}
	}
}

// list gives the ids of all jobs that the site lists.
func (l *load) list(ctx context.Context) map[string]bool {
	all := map[string]bool{}
	for cursor := ""; ; {
		status, answer, err := l.do(ctx, "GET", "/api/v1/jobs?limit=100&cursor="+cursor, nil, nil)
		var page struct {
			Items []job  `json:"items"`
			Next  string `json:"next"`
		}
		if err != nil || status != http.StatusOK || json.Unmarshal(answer, &page) != nil {
			l.rec.blame("the jobs are not listed: %d %s %v", status, answer, err)
			return all
		}
		for _, j := range page.Items {
			all[j.ID] = true
		}
		if cursor = page.Next; cursor == "" {
			return all
		}
	}
}
