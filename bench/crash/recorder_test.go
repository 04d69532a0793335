package crash_test

import (
	"bytes"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// The ends of a run that the recorder knows.
const (
	ended  = "ended"  // it said that it ended well; its process did nothing more
	failed = "failed" // it said that it could not write
	killed = "killed" // the harness killed it
)

// A ran is one run of a task's program.
type ran struct {
	nonce string // made by the program
	began time.Time
	end   string // empty: it runs
	when  time.Time
}

// A recorder is the outside record of what ran, by the key of the job.
type recorder struct {
	addr string
	log  func(format string, args ...any)

	mu     sync.Mutex // guards runs and killed; held while processes are killed
	runs   map[string][]*ran
	killed int

	blaming sync.Mutex // guards wrong
	wrong   []string
}

// newRecorder listens on loopback for what tasks say.
func newRecorder(t *testing.T) *recorder {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &recorder{addr: l.Addr().String(), log: t.Logf, runs: map[string][]*ran{}}
	srv := &http.Server{Handler: http.HandlerFunc(r.serve)}
	go srv.Serve(l)
	t.Cleanup(func() { srv.Close() })
	return r
}

// serve takes one word of a task.
func (r *recorder) serve(w http.ResponseWriter, req *http.Request) {
	key, nonce := req.FormValue("key"), req.FormValue("nonce")
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(programs(key)) == 0 {
		http.Error(w, "you are dead", http.StatusGone) // killed while its word was on the way
		return
	}
	switch req.URL.Path {
	case "/begin":
		for _, old := range r.runs[key] {
			switch old.end {
			case "":
				r.blame("%s runs again while, as far as is known, its run %s goes on", key, old.nonce)
			case ended:
				r.blame("%s runs again after its run %s ended well", key, old.nonce)
			}
		}
		r.runs[key] = append(r.runs[key], &ran{nonce: nonce, began: time.Now()})
	case "/" + ended, "/" + failed:
		for _, run := range r.runs[key] {
			if run.nonce != nonce {
				continue
			}
			if run.end == "" {
				run.end, run.when = req.URL.Path[1:], time.Now()
			} else {
				r.blame("%s says %s, but it was %s", key, req.URL.Path, run.end)
			}
		}
	}
}

// blame notes what must not be.
func (r *recorder) blame(format string, args ...any) {
	r.blaming.Lock()
	defer r.blaming.Unlock()
	text := fmt.Sprintf(format, args...)
	r.wrong = append(r.wrong, text)
	r.log("WRONG: %s", text)
}

// kill kills the program of a running task that choose gives, by its own
// process or by the init of its sandbox, and waits until it is gone. It says how
// many it killed.
func (r *recorder) kill(choose func([]string) string, inits bool) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	var running []string
	for key, runs := range r.runs {
		if last := runs[len(runs)-1]; last.end == "" {
			running = append(running, key)
		}
	}
	if len(running) == 0 {
		return 0
	}
	key := choose(running)
	pids := programs(key)
	if len(pids) == 0 {
		return 0
	}
	for _, pid := range pids {
		if inits {
			pid = parent(pid)
		}
		end(pid)
	}
	last := r.runs[key][len(r.runs[key])-1]
	last.end, last.when = killed, time.Now()
	r.killed++
	return 1
}

// killSite kills every sandbox of a site, also those whose program has not said
// anything yet.
func (r *recorder) killSite(site string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, pid := range processes("fringe-init\x00" + site + "\x00") {
		end(pid)
	}
	for _, runs := range r.runs {
		if last := runs[len(runs)-1]; last.end == "" {
			last.end, last.when = killed, time.Now()
			r.killed++
		}
	}
}

// programs gives the processes of the task with a key, the first of which
// started the others.
func programs(key string) []int { return processes("\x00" + key + "\x00") }

// processes gives those whose command line has a text, the lowest number first.
func processes(text string) (pids []int) {
	lines, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, line := range lines {
		if b, _ := os.ReadFile(line); bytes.Contains(b, []byte(text)) {
			if pid, err := strconv.Atoi(strings.Split(line, "/")[2]); err == nil {
				pids = append(pids, pid)
			}
		}
	}
	return pids
}

// parent gives the parent of a process; 0 when it is gone.
func parent(pid int) int {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	if len(fields) < 2 {
		return 0
	}
	n, _ := strconv.Atoi(fields[1])
	return n
}

// end kills a process and waits until it is gone.
func end(pid int) {
	if pid <= 1 {
		return
	}
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return
	}
	defer unix.Close(fd)
	unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0)
	unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 20_000)
}
