package functions_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// TestScience runs functions/tests: each function against a known truth, with
// the real tools.
func TestScience(t *testing.T) {
	bin := filepath.Join(t.TempDir(), "fringe")
	if out, err := exec.Command("go", "build", "-o", bin, "fringe/cmd/fringe").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	cmd := exec.Command("/usr/bin/python3", "-m", "unittest", "discover", "-s", "tests", "-v")
	cmd.Env = append(os.Environ(), "CWL_RUNNER="+bin+" cwl-runner", "PYTHONDONTWRITEBYTECODE=1")
	out, err := cmd.CombinedOutput()
	t.Logf("%s", out)
	if err != nil {
		t.Errorf("the science tests failed: %v", err)
	}
}
