package site_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"fringe"
	"fringe/server/servertest"
)

const median = `cwlVersion: v1.2
class: CommandLineTool
id: median
$namespaces: {fringe: "urn:fringe:ns#"}
hints:
  fringe:Function: {version: 1.0.0, shape: service, contract: worker, command: [/fringe/function/median], warm: {max: 1}}
baseCommand: "true"
inputs:
  numbers: double[]
  wrong: {type: boolean, default: false}
outputs:
  median: double
  sorted: File
`

// A program in C that speaks the worker's frames is a service like one in
// Python: typed, in a sandbox, with files and a log of each call.
func TestNativeWorker(t *testing.T) {
	program := filepath.Join(t.TempDir(), "median")
	if out, err := exec.CommandContext(t.Context(), "cc", "-Wall", "-Wextra", "-Werror", "-O2", "-I", "../native", "-o", program, "testdata/median.c").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	b, err := os.ReadFile(program)
	if err != nil {
		t.Fatal(err)
	}
	s := servertest.Start(t, servertest.Config(t.TempDir()))
	s.Publish(map[string]string{"median/function.cwl": median, "median/median": string(b)})
	for range 2 {
		out := s.Call("median", object{"numbers": []float64{3, 1, 2.5}})
		if out["median"] != 2.5 {
			t.Errorf("median = %v", out)
		}
		if text := s.Content(out["sorted"]); text != "1\n2.5\n3\n" {
			t.Errorf("sorted = %q", text)
		}
	}
	_, err = s.Try("median", object{"numbers": []float64{}})
	wantError(t, err, fringe.Failed, fringe.UserCode, "^there are no numbers$")
	_, err = s.Try("median", object{"numbers": []float64{1}, "wrong": true})
	wantError(t, err, fringe.Failed, fringe.Collect, "the output median is .*; its type is double")
	_, err = s.Try("median", object{"numbers": []string{"x"}})
	wantError(t, err, fringe.Invalid, "", "numbers")
}
