package contract_test

import (
	"os"
	"path/filepath"
	"testing"
)

// python is the interpreter that the workers run with.
const python = "/usr/bin/python3"

// repo gives the root of the repository. It reads the Python package, so that
// go test knows when to run the tests again.
func repo(t testing.TB) string {
	t.Helper()
	files, err := filepath.Glob("../python/fringe/*.py")
	if err != nil || len(files) == 0 {
		t.Fatalf("the Python package is missing: %v", err)
	}
	for _, f := range files {
		if _, err := os.ReadFile(f); err != nil {
			t.Fatal(err)
		}
	}
	dir, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	return dir
}
