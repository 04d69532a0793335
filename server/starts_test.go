package server_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"fringe/client"
	"fringe/server/servertest"
)

const counting = `
import os
from typing import NamedTuple
from fringe import File
FRINGE = {"version": "1.0.0", "environment": "plain", "shape": "SHAPE", "warm": {"min": 1, "max": 2, "uses": 1}}
calls = 0
class Outputs(NamedTuple):
    calls: int
    pid: int
    length: int
def main(text: File, n: int = 0) -> Outputs:
    global calls
    calls += 1
    return Outputs(calls, os.getpid(), len(open(text).read()) + n)
`

// Tasks and services of Python are forks of one zygote, each call of its own,
// also with files; the site tells.
func TestPythonForks(t *testing.T) {
	s := servertest.Start(t, servertest.Config(t.TempDir()))
	s.Python()
	words := filepath.Join(t.TempDir(), "words.txt")
	if err := os.WriteFile(words, []byte("seven b"), 0o644); err != nil {
		t.Fatal(err)
	}
	s.Add("user:words.txt", words)
	for _, shape := range []string{"task", "service"} {
		s.Publish(map[string]string{shape + ".py": strings.ReplaceAll(counting, "SHAPE", shape)})
		for n := range 5 {
			got := s.Call(shape, map[string]any{"text": map[string]any{"class": "File", "location": "user:words.txt"}, "n": n})
			if got["calls"] != 1.0 || got["length"] != 7.0+float64(n) {
				t.Errorf("call %d of the %s = %v, want the first of its process, and %d", n, shape, got, 7+n)
			}
		}
	}
	st := starts(t, s)
	if st == nil || st.Way != "fork" || st.Why != "" || st.Zygotes != 1 || st.Counts["fork"]+st.Counts["standby"] < 10 || st.Counts["process"] != 0 || st.Resident == 0 {
		t.Errorf("the environment tells %+v, want at least 10 forks of one zygote", st)
	}
	text := metrics(t, s)
	for _, name := range []string{"fringe_python_starts_total", "fringe_zygotes", "fringe_forks", "fringe_fork_memory_bytes"} {
		if !strings.Contains(text, name+`{environment="plain"`) {
			t.Errorf("the metrics lack %s", name)
		}
	}
}

func starts(t *testing.T, s *servertest.Site) *client.Starts {
	t.Helper()
	env, err := client.Get[client.Environment](t.Context(), s.Client, "/api/v1/environments/plain", nil)
	if err != nil {
		t.Fatal(err)
	}
	return env.Starts
}

// A task that is to outlive the server is no fork.
func TestDurablePythonTask(t *testing.T) {
	s := servertest.Start(t, servertest.Config(t.TempDir()))
	s.Python()
	const body = `
import os
from typing import NamedTuple
FRINGE = {"version": "1.0.0", "environment": "plain"DURABLE}
class Outputs(NamedTuple):
    command: str
def main() -> Outputs:
    return Outputs(open("/proc/self/cmdline").read().replace("\0", " "))
`
	for name, said := range map[string]string{"lasting": `, "durable": True`, "forked": ""} {
		s.Publish(map[string]string{name + ".py": strings.ReplaceAll(body, "DURABLE", said)})
		command, _ := s.Call(name, map[string]any{})["command"].(string)
		if own := strings.Contains(command, "fringe.run"); own != (name == "lasting") {
			t.Errorf("the %s task runs as %q", name, command)
		}
	}
	if st := starts(t, s); st == nil || st.Counts["fork"]+st.Counts["standby"] != 1 {
		t.Errorf("the environment tells %+v, want one fork", st)
	}
}
