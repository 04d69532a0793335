package functions_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"fringe"
	"fringe/client"
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

// TestCASA runs functions/tests/casa: CASA's tasks as functions of the running
// site, against known truths and against the same tasks run bare.
func TestCASA(t *testing.T) {
	env, err := client.Get[fringe.Environment](t.Context(), site.client, "/api/v1/environments/casa", nil)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("/usr/bin/python3", "-m", "unittest", "discover", "-s", "tests/casa", "-v")
	cmd.Env = append(os.Environ(), "FRINGE_URL="+site.url, "FRINGE_TOKEN="+site.token, "CASA_PYTHON="+env.Python, "PYTHONDONTWRITEBYTECODE=1")
	out, err := cmd.CombinedOutput()
	t.Logf("%s", out)
	if err != nil {
		t.Errorf("the tests of CASA failed: %v", err)
	}
}
