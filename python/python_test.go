// Package python_test runs the tests of the Python package fringe, and reads
// the documents that it derives.
package python_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// interpreters gives the Pythons to test with: the system's, and the oldest
// that this machine has.
func interpreters(t *testing.T) []string {
	t.Helper()
	const system = "/usr/bin/python3"
	if _, err := os.Stat(system); err != nil {
		t.Fatalf("%s is missing; make setup installs it", system)
	}
	found := []string{system}
	for _, name := range []string{"python3.9", "python3.10"} {
		if p, err := exec.LookPath(name); err == nil && exec.Command(p, "-c", "").Run() == nil {
			return append(found, p)
		}
	}
	return found
}

func TestUnits(t *testing.T) {
	read(t)
	for _, python := range interpreters(t) {
		t.Run(strings.ReplaceAll(python, "/", "-"), func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
			defer cancel()
			cmd := exec.CommandContext(ctx, python, "-m", "unittest", "discover", "-t", ".", "-s", "tests")
			cmd.Env = append(os.Environ(), "PYTHONDONTWRITEBYTECODE=1", "PYTHONPATH=.")
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}

// read reads what the tests run, so that go test knows when to run them again.
func read(t *testing.T) {
	t.Helper()
	for _, pattern := range []string{"fringe/*.py", "tests/*.py"} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			t.Fatalf("no %s: %v", pattern, err)
		}
		for _, f := range files {
			if _, err := os.ReadFile(f); err != nil {
				t.Fatal(err)
			}
		}
	}
}
