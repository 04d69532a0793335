package contract_test

import (
	"path/filepath"
	"testing"
)

// python is the interpreter that the workers run with.
const python = "/usr/bin/python3"

// repo gives the root of the repository.
func repo(t testing.TB) string {
	t.Helper()
	dir, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	return dir
}
