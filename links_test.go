package fringe_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	linkRE    = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	headingRE = regexp.MustCompile(`(?m)^#+ +(.*)$`)
	fenceRE   = regexp.MustCompile("(?ms)^ *```.*?^ *```")
	anchorRE  = regexp.MustCompile(`[^\p{L}\p{N} _-]`)
)

// TestLinksOfDocumentsLead holds every link between documents to a file that is
// there and, after a #, to a heading of it, by the anchors that GitHub gives.
func TestLinksOfDocumentsLead(t *testing.T) {
	documents, err := filepath.Glob("docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	top, err := filepath.Glob("*.md")
	if err != nil {
		t.Fatal(err)
	}
	links := 0
	for _, doc := range append(top, documents...) {
		for _, m := range linkRE.FindAllStringSubmatch(prose(t, doc), -1) {
			if strings.Contains(m[1], "://") {
				continue
			}
			links++
			file, anchor, _ := strings.Cut(m[1], "#")
			to := doc
			if file != "" {
				to = filepath.Join(filepath.Dir(doc), file)
			}
			if _, err := os.Stat(to); err != nil {
				t.Errorf("%s has the link %s: there is no %s", doc, m[1], to)
			} else if anchor != "" && !anchors(t, to)[anchor] {
				t.Errorf("%s has the link %s: %s has no such heading", doc, m[1], to)
			}
		}
	}
	if links < 20 {
		t.Errorf("%d links were found; the documents have more", links)
	}
}

// prose gives a document without its blocks of code.
func prose(t *testing.T, file string) string {
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return fenceRE.ReplaceAllString(string(text), "")
}

func anchors(t *testing.T, file string) map[string]bool {
	found := map[string]bool{}
	for _, m := range headingRE.FindAllStringSubmatch(prose(t, file), -1) {
		found[strings.ReplaceAll(anchorRE.ReplaceAllString(strings.ToLower(m[1]), ""), " ", "-")] = true
	}
	return found
}
