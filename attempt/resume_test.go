package attempt_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"fringe"
	"fringe/attempt"
	"fringe/cwl"
	"fringe/driver/process"
)

// makerEnv names, in a process that makes a durable attempt, its directory.
const makerEnv = "ATTEMPTTEST_MAKE"

// A scene is a durable attempt that one process makes and another resumes. It
// waits for the file go in the directory gate.
type scene struct {
	Dir    string
	Doc    string
	Inputs map[string]any
}

func (s *scene) path(name string) string { return filepath.Join(s.Dir, name) }

// request gives the same request in every process.
func (s *scene) request() (attempt.Request, error) {
	driver, err := process.New(process.Config{StateDir: s.path("driver")})
	if err != nil {
		return attempt.Request{}, err
	}
	tool, err := cwl.Parse("tool.cwl", []byte(head+s.Doc), nil)
	if err != nil {
		return attempt.Request{}, err
	}
	inputs, err := tool.Validate(s.Inputs)
	if err != nil {
		return attempt.Request{}, err
	}
	log, err := os.OpenFile(s.path("log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	return attempt.Request{Tool: tool, Inputs: inputs, Driver: driver, ID: fringe.InstanceID("durable-" + filepath.Base(s.Dir)),
		WorkDir: s.path("attempt"), Durable: true, Stdout: log, Stderr: log, LogMax: 1 << 20}, err
}

// makeAttempt is what the other process does: it makes the attempt and, when
// told by SIGTERM, leaves it.
func makeAttempt(dir string) int {
	text, err := os.ReadFile(filepath.Join(dir, "scene"))
	s := &scene{}
	if err == nil {
		err = json.Unmarshal(text, s)
	}
	var r attempt.Request
	if err == nil {
		r, err = s.request()
	}
	ctx, leave := context.WithCancelCause(context.Background())
	term := make(chan os.Signal, 1)
	signal.Notify(term, syscall.SIGTERM)
	go func() { <-term; leave(attempt.ErrLeave) }()
	fmt.Println("making")
	if err == nil {
		var out attempt.Outcome
		if out, err = attempt.Run(ctx, r); err != nil {
			out.Close()
		}
	}
	fmt.Println("made", err)
	if err == nil {
		select {}
	}
	return 1
}

// newScene writes down a scene for the other process.
func newScene(t *testing.T, doc string, inputs map[string]any) *scene {
	t.Helper()
	s := &scene{Dir: t.TempDir(), Doc: doc, Inputs: inputs}
	if err := os.Mkdir(s.path("gate"), 0o755); err != nil {
		t.Fatal(err)
	}
	inputs["gate"] = directory(s.path("gate"))
	text, err := json.Marshal(s)
	if err == nil {
		err = os.WriteFile(s.path("scene"), text, 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// open lets the tool go on.
func (s *scene) open(t *testing.T) {
	t.Helper()
	if err := os.WriteFile(s.path("gate/go"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
}

// maker starts the other process; it is ended with the test.
func (s *scene) maker(t *testing.T) *exec.Cmd {
	t.Helper()
	cmd := exec.Command("/proc/self/exe")
	// It has mounts of its own, which go with it.
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), makerEnv + "=" + s.Dir}
	out, err := os.Create(s.path("said"))
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	return cmd
}

// until waits for a text in a file of the scene.
func (s *scene) until(t *testing.T, name, text string) {
	t.Helper()
	for end := time.Now().Add(time.Minute); ; time.Sleep(2 * time.Millisecond) {
		got, _ := os.ReadFile(s.path(name))
		if strings.Contains(string(got), text) {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%s has %q, want %q", name, got, text)
		}
	}
}

// waits is a tool that changes an input in a view, takes links along and keeps
// a stream, when it is let go.
const waits = `
requirements:
  InitialWorkDirRequirement: {listing: [{entry: $(inputs.ms), writable: true}]}
baseCommand: [sh, -c, 'echo started >&2; echo ran >> runs; while [ ! -e "$1/go" ]; do sleep 0.01; done; cd obs.ms; echo changed > table.dat; rm old; echo new > new; cd ..; mkdir d; ln -s "$2" d/input; ln -s "$3" d/tree; ln -s ../runs d/runs; echo kept; echo finished >&2', sh]
inputs:
  gate: {type: Directory, inputBinding: {position: 1}}
  image: {type: File, inputBinding: {position: 2}}
  tree: {type: Directory, inputBinding: {position: 3}}
  ms: Directory
stdout: said.txt
outputs:
  ms: {type: Directory, outputBinding: {glob: obs.ms}}
  d: {type: Directory, outputBinding: {glob: d}}
  runs: {type: File, outputBinding: {glob: runs}}
  said: stdout
  image: {type: File, outputBinding: {outputEval: $(inputs.image)}}
`

func waitsInputs(t *testing.T) map[string]any {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{"obs.ms/table.dat": "rows\n", "obs.ms/old": "old\n", "obs.ms/big": "big\n", "m87.fits": "pixels\n", "tree/a/b": "b\n"} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return map[string]any{"ms": directory(filepath.Join(dir, "obs.ms")), "image": file(filepath.Join(dir, "m87.fits")), "tree": directory(filepath.Join(dir, "tree"))}
}

// check holds the outcome of the tool waits against what it must be.
func (s *scene) check(t *testing.T, out attempt.Outcome, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"ms": "big=big\n;new=new\n;table.dat=changed\n;", "d": "input=pixels\n;runs=ran\n;tree/a/b=b\n;", "runs": "ran\n", "said": "kept\n", "image": "pixels\n",
	} {
		if got := contents(t, out.Outputs[name]); got != want {
			t.Errorf("the output %s is %q, want %q", name, got, want)
		}
	}
	checkPlaces(t, out, out.Outputs)
	if log, _ := os.ReadFile(s.path("log")); string(log) != "started\nfinished\n" {
		t.Errorf("the log is %q", log)
	}
	ms := strings.TrimPrefix(s.Inputs["ms"].(map[string]any)["location"].(string), "file://")
	if got := contents(t, map[string]any{"class": "Directory", "path": ms}); got != "big=big\n;old=old\n;table.dat=rows\n;" {
		t.Errorf("the input is %q after the attempt", got)
	}
	if out.Exit.Cause != fringe.Exited || out.Phases.Run <= 0 || out.Phases.Stage <= 0 {
		t.Errorf("Outcome = %+v", out)
	}
	if err := out.Close(); err != nil {
		t.Error(err)
	}
	if left, _ := filepath.Glob(s.path("attempt/views/*/*")); len(left) > 0 {
		t.Errorf("of the views is left %v", left)
	}
}

func TestResume(t *testing.T) {
	for name, die := range map[string]func(t *testing.T, s *scene, maker *exec.Cmd){
		"running": func(t *testing.T, s *scene, maker *exec.Cmd) {
			maker.Process.Kill()
			maker.Wait()
			go func() { time.Sleep(50 * time.Millisecond); s.open(t) }()
		},
		"left": func(t *testing.T, s *scene, maker *exec.Cmd) {
			maker.Process.Signal(syscall.SIGTERM)
			if err := maker.Wait(); err == nil || err.Error() != "exit status 1" {
				t.Errorf("the process that leaves ends with %v", err)
			}
			s.open(t)
		},
		"ended": func(t *testing.T, s *scene, maker *exec.Cmd) {
			maker.Process.Kill()
			maker.Wait()
			s.open(t)
			s.until(t, "log", "finished")
			time.Sleep(20 * time.Millisecond)
		},
		"collected": func(t *testing.T, s *scene, maker *exec.Cmd) {
			s.open(t)
			s.until(t, "said", "made <nil>")
			maker.Process.Kill()
			maker.Wait()
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScene(t, waits, waitsInputs(t))
			maker := s.maker(t)
			s.until(t, "log", "started")
			die(t, s, maker)
			for range 2 { // a second process may die too
				r, err := s.request()
				if err != nil {
					t.Fatal(err)
				}
				if err := r.Driver.Sweep(t.Context(), []fringe.InstanceID{r.ID}); err != nil {
					t.Fatal(err)
				}
				out, err := attempt.Resume(t.Context(), r)
				s.check(t, out, err)
			}
		})
	}
}

// Wherever the process that makes an attempt dies, and the next one, and so
// on: the program runs once, and the outputs are right.
func TestKilledAnywhere(t *testing.T) {
	for range 6 {
		s := newScene(t, waits, waitsInputs(t))
		s.open(t)
		var out attempt.Outcome
		for try := 0; ; try++ {
			r, err := s.request()
			if err != nil {
				t.Fatal(err)
			}
			if err := r.Driver.Sweep(t.Context(), []fringe.InstanceID{r.ID}); err != nil {
				t.Fatal(err)
			}
			if try > 0 {
				out, err = attempt.Resume(t.Context(), r)
			}
			if err == nil && try > 0 {
				s.check(t, out, err)
				break
			}
			if try > 0 && !errors.Is(err, attempt.ErrNotStarted) {
				t.Fatalf("Resume() = %v", err)
			}
			if runs, err := os.ReadFile(s.path("attempt/out/runs")); err == nil {
				t.Fatalf("it is not resumed, but has run: %q", runs)
			}
			if err := os.RemoveAll(s.path("attempt")); err != nil {
				t.Fatal(err)
			}
			maker := s.maker(t)
			s.until(t, "said", "making")
			time.Sleep(time.Duration(rand.N(90_000)) * time.Microsecond)
			maker.Process.Kill()
			maker.Wait()
		}
	}
}

// What went wrong is told as it would have been told to the first process.
func TestResumeFailures(t *testing.T) {
	const gated = "inputs: {gate: {type: Directory, inputBinding: {}}}\noutputs: {o: {type: File, outputBinding: {glob: o.fits}}}\n"
	for name, c := range map[string]struct {
		command   string
		component fringe.Component
		message   string
	}{
		"exit code":      {"echo words >&2; exit 3", fringe.UserCode, "sh failed with exit code 3; its last words:\nstarted\nwords"},
		"output missing": {"true", fringe.Collect, "no file matches o.fits"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScene(t, "baseCommand: [sh, -c, 'echo started >&2; while [ ! -e \"$1/go\" ]; do sleep 0.01; done; "+c.command+"', sh]\n"+gated, map[string]any{})
			maker := s.maker(t)
			s.until(t, "log", "started")
			maker.Process.Kill()
			maker.Wait()
			s.open(t)
			for range 2 {
				r, err := s.request()
				if err != nil {
					t.Fatal(err)
				}
				_, err = attempt.Resume(t.Context(), r)
				var e *fringe.Error
				if !errors.As(err, &e) || e.Component != c.component || !strings.Contains(e.Message, c.message) {
					t.Errorf("Resume() = %v, want a failure in %s with %q", err, c.component, c.message)
				}
			}
		})
	}
}

// A disk that is full when the program ends loses neither its end nor what it
// made: the outputs are collected when there is room again.
func TestFullDiskAtTheEnd(t *testing.T) {
	inputs := waitsInputs(t)
	delete(inputs, "image")
	delete(inputs, "tree")
	s := newScene(t, `
requirements:
  InitialWorkDirRequirement: {listing: [{entry: $(inputs.ms), writable: true}]}
baseCommand: [sh, -c, 'echo ran >> runs; head -c 1000000 /dev/zero > obs.ms/table.dat; echo started >&2; while [ ! -e "$1/go" ]; do sleep 0.01; done', sh]
inputs: {gate: {type: Directory, inputBinding: {}}, ms: Directory}
outputs: {ms: {type: Directory, outputBinding: {glob: obs.ms}}, runs: {type: File, outputBinding: {glob: runs}}}
`, inputs)
	disk := s.path("attempt")
	if err := os.Mkdir(disk, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("fringe-test", disk, "tmpfs", 0, "size=4m"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Unmount(disk, unix.MNT_DETACH) })
	r, err := s.request()
	if err != nil {
		t.Fatal(err)
	}
	type ending struct {
		out attempt.Outcome
		err error
	}
	done := make(chan ending)
	go func() { out, err := attempt.Run(t.Context(), r); done <- ending{out, err} }()
	s.until(t, "log", "started")
	filler := filepath.Join(disk, "filler")
	if err := os.WriteFile(filler, make([]byte, 8<<20), 0o600); !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("the disk is not full: %v", err)
	}
	s.open(t)
	e := <-done
	if e.err == nil || !e.out.Kept || fringe.E("", e.err).Component != fringe.Collect {
		t.Fatalf("Run() = %+v, %v; want a failure to collect that can be mended", e.out, e.err)
	}
	if e = (ending{}); os.Remove(filler) == nil {
		e.out, e.err = attempt.Resume(t.Context(), r)
	}
	if e.err != nil {
		t.Fatal(e.err)
	}
	if got := contents(t, e.out.Outputs["runs"]); got != "ran\n" {
		t.Errorf("it ran as %q says, want once", got)
	}
	if st, err := os.Stat(filepath.Join(e.out.Outputs["ms"].(map[string]any)["path"].(string), "table.dat")); err != nil || st.Size() != 1000000 {
		t.Errorf("the changed input is %v, %v", st, err)
	}
	if err := errors.Join(e.out.Close(), attempt.Remove(s.path("attempt/out"))); err != nil {
		t.Error(err)
	}
}
