package fringe_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// requirements says where names of dependencies stand, several in a place or one.
var requirements = map[string]string{
	"go.mod":                          `(?m)^\t(\S+) v\S+$`,
	"Makefile":                        `(?m)^STATICCHECK := (\S+)@`,
	"scripts/setup.sh":                `(?m)(?:packages\+?=\(|local want=")([a-z][^)"]*)`,
	"scripts/cgroup2.sh":              `(?m)^packages=\(([^)]*)`,
	"environments/*/environment.yaml": `(?m)^    - (\S+)`,
}

// TestEachDependencyHasItsReason holds what Go, Debian and PyPI bring against
// the tables under Dependencies.
func TestEachDependencyHasItsReason(t *testing.T) {
	_, tables, _ := strings.Cut(read(t, "RATIONALE.md"), "\n## Dependencies\n")
	for pattern, where := range requirements {
		paths, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		total := 0
		for _, path := range paths {
			for _, m := range regexp.MustCompile(where).FindAllStringSubmatch(read(t, path), -1) {
				for _, name := range strings.Fields(m[1]) {
					total++
					name, _, _ = strings.Cut(name, "==")
					if !strings.Contains(tables, "`"+name+"`") {
						t.Errorf("%s needs %s, which has no line under Dependencies in RATIONALE.md: what for, and what was rejected", path, name)
					}
				}
			}
		}
		if total == 0 {
			t.Errorf("%s names no dependency; has its form changed?", pattern)
		}
	}
}

// TestLibcIsThatOfSQLite: SQLite is generated for one version of its libc.
func TestLibcIsThatOfSQLite(t *testing.T) {
	out, err := exec.Command("go", "list", "-m", "-f", "{{.GoMod}}", "modernc.org/sqlite").Output()
	if err != nil {
		t.Fatal(err)
	}
	libc := regexp.MustCompile(`modernc\.org/libc v\S+`)
	theirs, ours := libc.FindString(read(t, strings.TrimSpace(string(out)))), libc.FindString(read(t, "go.mod"))
	if theirs == "" || theirs != ours {
		t.Errorf("go.mod has %q, modernc.org/sqlite wants %q", ours, theirs)
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
