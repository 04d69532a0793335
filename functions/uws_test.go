package functions_test

import (
	"os/exec"
	"testing"
)

// TestUWS drives shipped functions with pyVO and astroquery as Debian ships
// them.
func TestUWS(t *testing.T) {
	out, err := exec.Command("/usr/bin/python3", "tests/uws_client.py", site.url, site.token).CombinedOutput()
	if err != nil {
		t.Fatalf("%v (make test installs python3-pyvo and python3-astroquery)\n%s", err, out)
	}
	t.Logf("%s", out)
}
