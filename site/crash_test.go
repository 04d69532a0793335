package site_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"fringe"
	"fringe/client"
	"fringe/driver/process"
	"fringe/server"
	"fringe/server/servertest"
)

// serve is what the test binary does as a site that is killed.
func serve(dir string) {
	process.Main()
	err := process.PrivateMounts()
	if err == nil {
		cfg := servertest.Config(dir)
		cfg.Log, cfg.CPU = os.Stderr, 8
		err = server.Run(context.Background(), cfg, func(url string) { fmt.Println(url) })
	}
	fmt.Println("ERROR", err)
	os.Exit(1)
}

// victim is a site in another process.
type victim struct {
	cmd    *exec.Cmd
	client *client.Client
	log    *bytes.Buffer
}

func startVictim(t *testing.T, dir string) *victim {
	t.Helper()
	v := &victim{cmd: exec.Command("/proc/self/exe"), log: &bytes.Buffer{}}
	v.cmd.Env = append(os.Environ(), "FRINGE_SITE_TEST="+dir)
	v.cmd.Stderr = v.log
	v.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := v.cmd.StdoutPipe()
	if err == nil {
		err = v.cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	var url string
	if _, err := fmt.Fscanln(out, &url); err != nil || !strings.HasPrefix(url, "http") {
		rest, _ := io.ReadAll(out)
		t.Fatalf("the site does not start: %s %s %v\n%s", url, rest, err, v.log)
	}
	v.client, err = client.New(client.Config{URL: url, Token: server.ReadRecord(filepath.Join(dir, "site")).Token})
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func (v *victim) kill() {
	v.cmd.Process.Kill()
	v.cmd.Wait()
}

// quick says done when it has done its work, after which it must not run again.
const quick = `cwlVersion: v1.2
class: CommandLineTool
id: quick
$namespaces: {fringe: "urn:fringe:ns#"}
hints: {fringe:Function: {version: 1.0.0, deterministic: false, retry: {platform: 20}}} # on a slow machine each kill meets the same job
baseCommand: [sh, -c, 'echo begun; sleep "$0"; echo "$0" > out; sync out; echo done']
inputs:
  time: {type: string, inputBinding: {position: 1}}
outputs:
  out: {type: File, outputBinding: {glob: out}}
`

// sent is what a caller knows of its requests: the job of each key, empty when
// the answer did not come.
type sent struct {
	sync.Mutex
	jobs map[string]fringe.CallID
}

// send submits jobs until ctx ends, each under a key of its own.
func (s *sent) send(ctx context.Context, t *testing.T, v *victim, who string) {
	for n := 0; ctx.Err() == nil; n++ {
		key := fmt.Sprint(who, "-", n)
		s.Lock()
		s.jobs[key] = ""
		s.Unlock()
		if id, err := submitKey(ctx, v, key); err == nil {
			s.Lock()
			s.jobs[key] = id
			s.Unlock()
		} else if ctx.Err() == nil && slices.Contains([]fringe.Kind{fringe.Invalid, fringe.Internal, fringe.NotFound}, fringe.KindOf(err)) {
			t.Errorf("a submission failed: %v", err)
			return
		}
		select {
		case <-ctx.Done():
		case <-time.After(40 * time.Millisecond):
		}
	}
}

func submitKey(ctx context.Context, v *victim, key string) (fringe.CallID, error) {
	h := http.Header{"Idempotency-Key": {key}, "Content-Type": {"application/json"}}
	body := fmt.Sprintf(`{"function": "quick", "inputs": {"time": "0.%02d"}}`, len(key)*7%60)
	j, err := client.Upload[client.Job](ctx, v.client, client.Request{Method: "POST", Path: "/api/v1/jobs", Header: h, Body: strings.NewReader(body)})
	return j.ID, err
}

// TestKillOfTheSite kills a site at random instants while jobs come and run.
// What was accepted is done, once; what the tasks themselves say counts.
func TestKillOfTheSite(t *testing.T) {
	dir := t.TempDir()
	s := sent{jobs: map[string]fringe.CallID{}}
	calm := servertest.Start(t, servertest.Config(dir))
	calm.Publish(map[string]string{"quick.cwl": quick})
	if err := calm.Stop(); err != nil {
		t.Fatal(err)
	}
	const kills = 6
	for life := range kills {
		v := startVictim(t, dir)
		ctx, stop := context.WithCancel(t.Context())
		var callers sync.WaitGroup
		for c := range 3 {
			callers.Go(func() { s.send(ctx, t, v, fmt.Sprint(life, "-", c)) })
		}
		time.Sleep(time.Duration(150+rand.IntN(600)) * time.Millisecond)
		v.kill()
		stop()
		callers.Wait()
	}
	v := startVictim(t, dir)
	defer v.kill()
	acknowledged := 0
	for key, id := range s.jobs {
		again, err := submitKey(t.Context(), v, key)
		if err != nil {
			t.Fatalf("%v\n%s", err, v.log)
		}
		if id != "" {
			acknowledged++
			if again != id {
				t.Errorf("the job of %s was %s, and is %s after a kill", key, id, again)
			}
		}
		s.jobs[key] = again
	}
	attempts := 0
	for key, id := range s.jobs {
		var j client.Job
		servertest.Eventually(t, "every job ends", func() (ended bool) {
			var err error
			if j, err = client.Get[client.Job](t.Context(), v.client, "/api/v1/jobs/"+string(id), nil); err != nil {
				t.Fatal(err)
			}
			return j.Final()
		})
		attempts += len(j.Attempts)
		said, err := os.ReadFile(filepath.Join(dir, "site", "logs", string(id), "stdout"))
		if err != nil || j.Phase != "COMPLETED" || strings.Count(string(said), "done\n") != 1 {
			t.Errorf("the job %s of %s is %+v and said %q, %v", id, key, j, said, err)
		}
	}
	t.Logf("%d kills, %d jobs, of which %d were acknowledged at once, %d attempts", kills, len(s.jobs), acknowledged, attempts)
	servertest.Eventually(t, "all scratch is gone", func() bool {
		left, err := os.ReadDir(filepath.Join(dir, "site", "scratch", "attempts"))
		return err == nil && len(left) == 0
	})
	if mounts, err := os.ReadFile("/proc/self/mountinfo"); err != nil || bytes.Contains(mounts, []byte(dir)) {
		t.Errorf("mounts are left: %v", err)
	}
	if acknowledged < 30 {
		t.Errorf("only %d jobs were acknowledged", acknowledged)
	}
}
