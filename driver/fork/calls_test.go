package fork_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"fringe"
	"fringe/driver/fork"
	"fringe/driver/process"
)

const patience = 5 * time.Minute

// modules are imported by environments of the tests.
var modules = map[string]string{
	"broken.py":   "def fail():\n    raise KeyError('no such table')\nfail()\n",
	"threaded.py": "import threading, time\nthreading.Thread(target=time.sleep, args=(600,), daemon=True).start()\nloaded = True\n",
	"writing.py":  "import tempfile\nfile = open('/tmp/table.lock', 'w')\n",
	"reading.py":  "file = open('/usr/share/common-licenses/GPL-3', 'rb', buffering=0)\nfile.read(10)\n",
	"counted.py":  "n = 0\n",
}

// A lab is a server with an environment and a function.
type lab struct {
	*testing.T
	s      *fork.Server
	python string
	env    fringe.Environment
	fn     string // directory of the function
	input  string // directory that calls have as /fringe/input, when there is one
	limits fringe.Limits
	serial int
	mu     sync.Mutex
}

// newLab gives a lab whose environment imports the modules and whose function
// has the body.
func newLab(t *testing.T, ready int, preload []string, body string) *lab {
	t.Helper()
	python := t.TempDir()
	if err := os.CopyFS(python, os.DirFS("../../python")); err != nil {
		t.Fatal(err)
	}
	for name, text := range modules {
		if err := os.WriteFile(filepath.Join(python, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	l := &lab{T: t, python: python, fn: t.TempDir(), limits: fringe.Limits{CPU: 1, Memory: 256 << 20, Pids: 64, Time: patience},
		env: fringe.Environment{Name: "lab", Python: "/usr/bin/python3", Preload: preload}}
	if err := os.Chmod(python, 0o755); err != nil {
		t.Fatal(err)
	}
	l.s = open(t, t.TempDir(), process.Config{}, ready, python)
	text := "from typing import NamedTuple\nFRINGE = {'version': '1.0.0'}\nclass Outputs(NamedTuple):\n    said: str\n" +
		"def main(what: str = '') -> Outputs:\n    return Outputs(str(act(what)))\n" + body
	if err := os.WriteFile(filepath.Join(l.fn, "function.py"), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return l
}

// A called is a call under way.
type called struct {
	l    *lab
	in   fringe.Instance
	work string
	out  *os.File
}

// start starts a call of the function.
func (l *lab) start(what string) (*called, error) {
	l.mu.Lock()
	l.serial++
	id := fmt.Sprintf("lab%d-%d", os.Getpid(), l.serial)
	l.mu.Unlock()
	c := &called{l: l, work: filepath.Join(l.TempDir(), id)}
	if err := os.Mkdir(c.work, 0o755); err != nil {
		l.Fatal(err)
	}
	inputs, _ := json.Marshal(map[string]string{"what": what})
	if err := os.WriteFile(filepath.Join(c.work, ".fringe-inputs.json"), inputs, 0o644); err != nil {
		l.Fatal(err)
	}
	var err error
	if c.out, err = os.Create(filepath.Join(l.TempDir(), "out")); err != nil {
		l.Fatal(err)
	}
	base := fringe.Spec{Mounts: []fringe.Mount{{Source: l.fn, Target: "/fringe/function"}, {Source: l.python, Target: "/fringe/python"}}}
	s := fringe.Spec{ID: fringe.InstanceID(id), Argv: []string{"python3", "-m", "fringe.run", "/fringe/function/function.py", "main"},
		Env:    []string{"PATH=/usr/bin:/bin", "PYTHONPATH=/fringe/python:/fringe/function", "HOME=/fringe/work", "MARK=" + l.mark()},
		Mounts: append(base.Mounts[:2:2], fringe.Mount{Source: c.work, Target: "/fringe/work", Writable: true}),
		Dir:    "/fringe/work", Limits: l.limits, Stdout: c.out, Stderr: c.out}
	if l.input != "" {
		s.Mounts = append(s.Mounts, fringe.Mount{Source: l.input, Target: "/fringe/input"})
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	c.in, err = l.s.For(l.env, base).Start(ctx, s)
	return c, err
}

func (l *lab) mark() string { return strings.ReplaceAll(l.Name(), "/", "-") + fmt.Sprint(os.Getpid()) }

// wait gives how the call ended, what it said and what it wrote.
func (c *called) wait() (fringe.Exit, string, string) {
	c.l.Helper()
	defer c.out.Close()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	e, err := c.in.Wait(ctx)
	if err != nil {
		c.l.Errorf("Wait() = %v", err)
	}
	out, _ := os.ReadFile(c.out.Name())
	var object struct{ Said string }
	if text, err := os.ReadFile(filepath.Join(c.work, "cwl.output.json")); err == nil {
		json.Unmarshal(text, &object)
	}
	return e, object.Said, string(out)
}

// call makes a call that must succeed, and gives what it said.
func (l *lab) call(what string) string {
	l.Helper()
	c, err := l.start(what)
	if err != nil {
		l.Fatalf("Start() = %v", err)
	}
	e, said, out := c.wait()
	if e.Cause != fringe.Exited || e.Code != 0 {
		l.Fatalf("the call %q ended with %+v:\n%s", what, e, out)
	}
	return said
}

// status gives the environment's status.
func (l *lab) status() fork.Status {
	l.Helper()
	all := l.s.Status()
	if len(all) != 1 {
		l.Fatalf("Status() = %+v, want one environment", all)
	}
	return all[0]
}

// eventually waits until ok holds.
func (l *lab) eventually(what string, ok func() bool) {
	l.Helper()
	for end := time.Now().Add(patience); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			l.Fatalf("still not so: %s", what)
		}
	}
}

// processes lists the processes whose environment has the lab's mark and whose
// name is one of these.
func (l *lab) processes(names ...string) []int {
	var found []int
	entries, _ := os.ReadDir("/proc")
	for _, e := range entries {
		var pid int
		if n, _ := fmt.Sscan(e.Name(), &pid); n == 0 {
			continue
		}
		environ, _ := os.ReadFile("/proc/" + e.Name() + "/environ")
		comm, _ := os.ReadFile("/proc/" + e.Name() + "/comm")
		for _, name := range names {
			if bytes.Contains(environ, []byte("MARK="+l.mark())) && strings.TrimSpace(string(comm)) == name {
				found = append(found, pid)
			}
		}
	}
	return found
}

const leaky = `
import builtins, os, random, sys, counted, numpy
state = []
def act(what):
    counted.n += 1
    state.append(what)
    builtins.leak = getattr(builtins, "leak", 0) + 1
    found = [counted.n, len(state), builtins.leak, os.getcwd(), os.environ.get("LEAK"), os.listdir("/tmp"), os.listdir("/dev/shm"),
             len(os.listdir("/proc/self/fd")), os.getpid()]
    os.environ["LEAK"] = "x"
    os.chdir("/tmp")
    for place in ("/tmp/left", "/dev/shm/left"):
        open(place, "w").write("x")
    builtins.kept = open("/etc/passwd"), bytearray(100 << 20)
    return found, random.random(), numpy.random.random()
`

// Nothing of a call is left for the next, also when the forks stood by.
func TestStateDoesNotLeak(t *testing.T) {
	l := newLab(t, 2, []string{"counted", "numpy"}, leaky)
	said := map[string]bool{}
	first := ""
	for i := range 6 {
		if i > 1 {
			l.eventually("a fork stands by", func() bool { return l.status().Standing > 0 })
		}
		got := l.call("x")
		found, _, _ := strings.Cut(got, "]], ")
		found, _, _ = strings.Cut(found, "], 0.")
		if first == "" {
			first = found
		}
		if found != first || !strings.Contains(found, "[1, 1, 1, '/fringe/work', None, [], [], ") {
			t.Errorf("call %d finds %s, the first %s", i, found, first)
		}
		if said[got] {
			t.Errorf("two calls have the same random numbers: %s", got)
		}
		said[got] = true
	}
	if s := l.status(); s.Starts[fork.Standby] == 0 || s.Way != fork.Fork || s.Zygotes != 1 {
		t.Errorf("Status() = %+v, want forks of one zygote, some of which stood by", s)
	}
}

const crashing = `
import ctypes, os, signal, subprocess, sys, time
def act(what):
    print("before", flush=True)
    if what == "segfault": ctypes.string_at(0)
    if what == "abort": os.abort()
    if what == "exit": os._exit(3)
    if what == "sys.exit": sys.exit("no data")
    if what == "raise": raise ValueError("bad cell size")
    if what == "memory":
        b = bytearray(600 << 20)
        for i in range(0, len(b), 4096): b[i] = 1
    if what == "daemon":
        subprocess.Popen(["setsid", "sleep", "600"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0: time.sleep(600)
            os._exit(0)
    return "fine"
`

// However a call ends, the next does not notice, and no process is left.
func TestCrashesTouchNobody(t *testing.T) {
	l := newLab(t, 1, nil, crashing)
	l.call("")
	zygote := l.processes("python3")
	other, err := l.start("")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		what  string
		cause fringe.Cause
		code  int
		says  string
	}{
		{"segfault", fringe.Signalled, 139, "before"}, {"abort", fringe.Signalled, 134, "before"}, {"exit", fringe.Exited, 3, "before"},
		{"sys.exit", fringe.Exited, 1, "no data"}, {"raise", fringe.Exited, 70, "bad cell size"}, {"memory", fringe.OutOfMemory, 137, "before"},
		{"daemon", fringe.Exited, 0, "before"},
	} {
		call, err := l.start(c.what)
		if err != nil {
			t.Fatal(err)
		}
		e, _, out := call.wait()
		if e.Cause != c.cause || e.Code != c.code || !strings.Contains(out, c.says) {
			t.Errorf("%s ended with %+v and wrote %q, want %s, code %d, %q", c.what, e, out, c.cause, c.code, c.says)
		}
		if left := l.processes("sleep", "setsid"); len(left) > 0 {
			t.Errorf("%s left the processes %v", c.what, left)
		}
		if got := l.call(""); got != "fine" {
			t.Errorf("after %s a call says %q", c.what, got)
		}
	}
	if e, said, _ := other.wait(); e.Code != 0 || said != "fine" {
		t.Errorf("the call beside them ended with %+v", e)
	}
	l.eventually(fmt.Sprint("the zygote is ", zygote), func() bool { // a fork has its name until it has one of its own
		return slices.Equal(l.processes("python3"), zygote)
	})
}

const looking = `
import os, socket, time
def act(what):
    if what == "hide":
        open("/tmp/secret", "w").write("x")
        open("/dev/shm/secret", "w").write("x")
        s = socket.socket(socket.AF_UNIX); s.bind("\0secret"); s.listen()
        open("there", "w").close()
        while not os.path.exists("go"): time.sleep(0.01)
        return "hidden"
    found = [os.listdir("/tmp"), os.listdir("/dev/shm"), os.listdir("/fringe"), sorted(p for p in os.listdir("/proc") if p.isdigit())]
    for attempt in (lambda: socket.socket(socket.AF_UNIX).connect("\0secret"), lambda: open("/proc/1/environ").read(),
                    lambda: open("/proc/1/mem"), lambda: os.kill(1, 9), lambda: open("/fringe/x", "w"), lambda: open("/fringe/function/x", "w"),
                    lambda: os.listdir("/root")):
        try: found.append(attempt())
        except OSError as e: found.append(type(e).__name__)
    return found
`

// Concurrent calls of one zygote see neither files nor processes of each other.
func TestCallsDoNotSeeEachOther(t *testing.T) {
	l := newLab(t, 0, nil, looking)
	hiding, err := l.start("hide")
	if err != nil {
		t.Fatal(err)
	}
	l.eventually("the other call runs", func() bool { _, err := os.Stat(filepath.Join(hiding.work, "there")); return err == nil })
	want := "[[], [], ['work', 'function', 'python'], ['1', '2'], 'ConnectionRefusedError', 'PermissionError', 'PermissionError', None, 'OSError', 'OSError', 'FileNotFoundError']"
	if got := sorted(l.call("look")); got != sorted(want) {
		t.Errorf("the call sees %s, want %s", got, want)
	}
	if err := os.WriteFile(filepath.Join(hiding.work, "go"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if e, said, out := hiding.wait(); said != "hidden" {
		t.Errorf("the other call ended with %+v: %s", e, out)
	}
}

// sorted gives the words of s in an order.
func sorted(s string) string {
	words := strings.Fields(strings.NewReplacer("[", " ", "]", " ", ",", " ").Replace(s))
	for i := range words {
		for j := i; j > 0 && words[j] < words[j-1]; j-- {
			words[j], words[j-1] = words[j-1], words[j]
		}
	}
	return strings.Join(words, " ")
}

const waiting = `
import time
def act(what):
    open("there", "w").close()
    time.sleep(float(what or 0))
    return "slept"
`

// A zygote that is killed is replaced; calls in flight are told apart from
// those that crashed.
func TestZygoteKilled(t *testing.T) {
	l := newLab(t, 1, nil, waiting)
	call, err := l.start("600")
	if err != nil {
		t.Fatal(err)
	}
	l.eventually("the call runs", func() bool { _, err := os.Stat(filepath.Join(call.work, "there")); return err == nil })
	var zygote []int // a fork that is being made looks as its zygote does
	l.eventually("there is one zygote", func() bool { zygote = l.processes("python3"); return len(zygote) == 1 })
	syscall.Kill(zygote[0], syscall.SIGKILL)
	if e, _, _ := call.wait(); e.Cause != fringe.Killed {
		t.Errorf("the call ended with %+v, want it killed from outside", e)
	}
	// Until then a call can meet a fork that is about to end with it, and is killed too.
	l.eventually("there is another zygote", func() bool { now := l.processes("python3"); return len(now) == 1 && now[0] != zygote[0] })
	if got := l.call(""); got != "slept" {
		t.Errorf("the next call says %q", got)
	}
}

// Many calls at once run side by side.
func TestBurst(t *testing.T) {
	l := newLab(t, 4, nil, waiting)
	l.call("")
	l.eventually("forks stand by", func() bool { return l.status().Standing == 4 })
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			call, err := l.start("0.2")
			if err != nil {
				t.Error(err)
				return
			}
			if e, said, out := call.wait(); said != "slept" {
				t.Errorf("a call ended with %+v: %s", e, out)
			}
		})
	}
	wg.Wait()
	threads, err := filepath.Glob("/proc/self/task/*/ns/mnt")
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]int{}
	for _, thread := range threads {
		if ns, err := os.Readlink(thread); err == nil {
			seen[ns]++
		}
	}
	if len(seen) != 1 {
		t.Errorf("threads of the server are in the mount namespaces %v, want one", seen)
	}
	s := l.status()
	if n := s.Starts[fork.Standby] + s.Starts[fork.Fork]; n != 51 || s.Starts[fork.Standby] < 4 || s.Zygotes != 1 {
		t.Errorf("Status() = %+v, want 51 forks, 4 of which stood by", s)
	}
	l.eventually("forks stand by again", func() bool { return l.status().Standing == 4 })
	if s = l.status(); len(s.Forks) != 4 || s.Zygote.Resident == 0 || s.Forks[0].Shared == 0 || s.Forks[0].Private == 0 {
		t.Errorf("Status() = %+v, want the memory of the zygote and of 4 forks", s)
	}
}

// A module that cannot be imported is told with its traceback.
func TestImportFails(t *testing.T) {
	l := newLab(t, 0, []string{"json", "broken"}, waiting)
	_, err := l.start("")
	if err == nil || fringe.KindOf(err) != fringe.Failed {
		t.Fatalf("Start() = %v, want a failure", err)
	}
	for _, word := range []string{"environment lab", "the module broken", "no such table", "broken.py", "line 2"} {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("Start() = %v, want it to name %q", err, word)
		}
	}
}

const positions = `
import sys
def act(what):
    if "reading" in sys.modules: return sys.modules["reading"].file.read(20)
    return "threaded" in sys.modules, "writing" in sys.modules
`

// What cannot be forked safely is found, named, and started ahead instead.
func TestUnsafeImports(t *testing.T) {
	for _, c := range []struct {
		module, why, said string
		declared          fringe.StartMode
		way               fork.Way
	}{
		{"threaded", "thread", "(True, False)", "", fork.Prestart},
		{"threaded", "although after the imports the thread", "(True, False)", fringe.StartFork, fork.Fork},
		{"writing", "/tmp/table.lock is open for writing", "(False, True)", "", fork.Prestart},
		{"reading", "", "", "", fork.Fork},
	} {
		t.Run(c.module+string(c.declared), func(t *testing.T) {
			l := newLab(t, 1, []string{c.module}, positions)
			l.env.Start = c.declared
			first := l.call("")
			l.eventually("a fork stands by", func() bool { return l.status().Standing == 1 })
			// Forks share no position in a file.
			if second := l.call(""); second != first || c.said != "" && first != c.said {
				t.Errorf("the calls say %q and %q, want %q", first, second, c.said)
			}
			if s := l.status(); s.Way != c.way || !strings.Contains(s.Why, c.why) || s.Starts[fork.Standby] != 1 {
				t.Errorf("Status() = %+v, want %s because of %q", s, c.way, c.why)
			}
		})
	}
}

// The declaration decides.
func TestDeclared(t *testing.T) {
	for mode, want := range map[fringe.StartMode]fork.Way{fringe.StartProcess: fork.Process, fringe.StartPrestart: fork.Prestart, fringe.StartFork: fork.Fork} {
		l := newLab(t, 0, []string{"counted"}, waiting)
		l.env.Start = mode
		l.call("")
		if s := l.status(); s.Way != want || s.Starts[want] != 1 || (s.Why == "") != (want == fork.Fork) {
			t.Errorf("start: %s gives %+v", mode, s)
		}
	}
}

const trespassing = `
import os, threading
made, passes, over = [], 0, threading.Event()
def trespass():
    global passes
    ways = [p + d for p in ("", "/proc/1/root") for d in ("/fringe", "/fringe/work", "/calls", "/work")] if not over.is_set() else []
    for p in ("self", "1"):
        try: ways += [f"/proc/{p}/fd/{fd}" for fd in os.listdir(f"/proc/{p}/fd")]
        except OSError: pass
    for place in ways:
        for name in ("input", "planted"):  # the first is where the call gets a mount
            for plant in (lambda p: os.symlink("/tmp", p), os.mkdir, lambda p: open(p, "x").close()):
                try:
                    if place != "/fringe/work" or not os.path.exists("/fringe/work/.fringe-inputs.json"): plant(f"{place}/{name}"); made.append(place)
                except OSError: pass
    passes += 1
trespass()
def keep():
    while not over.is_set(): trespass()
thread = threading.Thread(target=keep, daemon=True)
thread.start()
def act(what):
    over.set()
    thread.join()
    return [sorted(set(made)), passes > 1, open("/fringe/input/data").read(), sorted(os.listdir("/fringe")), os.listdir("/calls"), os.listdir("/work")]
`

// The code of a function that a fork has loaded cannot write where its call's
// mounts will be, neither while it stands by nor while the call comes in.
func TestNothingIsPlantedForTheCall(t *testing.T) {
	l := newLab(t, 1, nil, trespassing)
	l.input = t.TempDir()
	if err := os.WriteFile(filepath.Join(l.input, "data"), []byte("precious"), 0o644); err != nil {
		t.Fatal(err)
	}
	want := "[[], True, 'precious', ['function', 'input', 'python', 'work'], [], []]"
	for i := range 5 {
		if i > 0 {
			l.eventually("a fork stands by", func() bool { return l.status().Standing > 0 })
		}
		if got := l.call(""); got != want {
			t.Errorf("call %d: %s, want %s", i, got, want)
		}
	}
	if s := l.status(); s.Starts[fork.Standby] == 0 {
		t.Errorf("Status() = %+v, want forks that stood by", s)
	}
}
