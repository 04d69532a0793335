package fringe_test

import (
	"crypto/sha256"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const (
	versionList = "functions/versions.txt"
	rewrite     = "go test . -run TestAChangedFunctionHasANewVersion -update"
)

var (
	update    = flag.Bool("update", false, "write the digests of functions whose version is new to "+versionList)
	versionRE = regexp.MustCompile(`(?:fringe:Function: \{|fringe:Function:\n\s+|(?m:^    "))version"?: "?([0-9A-Za-z.+-]+)`)
)

// TestAChangedFunctionHasANewVersion holds the shipped functions against the
// list of what each version holds: a site refuses other content under a
// version that it has.
func TestAChangedFunctionHasANewVersion(t *testing.T) {
	b, err := os.ReadFile(versionList)
	if err != nil {
		t.Fatal(err)
	}
	listed := map[string][2]string{}
	for line := range strings.Lines(string(b)) {
		if f := strings.Fields(line); len(f) == 3 {
			listed[f[0]] = [2]string{f[1], f[2]}
		}
	}
	documents, err := filepath.Glob("functions/*/function.*")
	if err != nil || len(documents) == 0 {
		t.Fatalf("no functions: %v", err)
	}
	var lines []string
	for _, document := range documents {
		name, now := filepath.Base(filepath.Dir(document)), [2]string{versionOf(t, document), contentOf(t, filepath.Dir(document))}
		was := listed[name]
		switch {
		case was == now:
		case was[0] == now[0]:
			t.Errorf("functions/%s is changed, and its version %s is not: a site that has this version refuses the new content; raise the version, then run: %s", name, now[0], rewrite)
			now = was
		case !*update:
			t.Errorf("%s %s is not in %s; run: %s", name, now[0], versionList, rewrite)
		}
		lines = append(lines, fmt.Sprintf("%-16s %-8s %s\n", name, now[0], now[1]))
		delete(listed, name)
	}
	if len(listed) > 0 && !*update {
		t.Errorf("%s has functions that are not there: %v; run: %s", versionList, listed, rewrite)
	}
	if *update {
		if err := os.WriteFile(versionList, []byte(strings.Join(lines, "")), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// versionOf gives the version that a function's document says.
func versionOf(t *testing.T, document string) string {
	t.Helper()
	b, err := os.ReadFile(document)
	if err != nil {
		t.Fatal(err)
	}
	m := versionRE.FindSubmatch(b)
	if m == nil {
		t.Fatalf("%s says no version", document)
	}
	return string(m[1])
}

// contentOf gives a digest of the names and contents of a function's files;
// links are what they lead to.
func contentOf(t *testing.T, dir string) string {
	t.Helper()
	var names []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() && d.Name() == "__pycache__" {
			return fs.SkipDir
		}
		if err == nil && !d.IsDir() {
			names = append(names, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(names)
	sum := sha256.New()
	for _, name := range names {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(sum, "%s %d\n%s", filepath.ToSlash(name), len(b), b)
	}
	return fmt.Sprintf("%x", sum.Sum(nil)[:16])
}
