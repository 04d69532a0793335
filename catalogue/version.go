package catalogue

import (
	"cmp"
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"fringe"
	"fringe/cwl"
)

// Version is one published version of a function. It is shared and must not be
// changed.
type Version struct {
	fringe.Function
	Tool      *cwl.Tool // the interface; nil for raw functions, and in what Search gives
	Doc       Doc
	Published time.Time // UTC
	By        string    // the principal who published it
}

// Doc is what a version's author says about it.
type Doc struct {
	Summary        string          `json:"summary"`        // one line
	Text           string          `json:"text,omitempty"` // the whole description
	Author         string          `json:"author,omitempty"`
	Citation       string          `json:"citation,omitempty"`
	License        string          `json:"license,omitempty"`
	CodeRepository string          `json:"codeRepository,omitempty"`
	Keywords       []string        `json:"keywords,omitempty"`
	Example        json.RawMessage `json:"example,omitempty"` // an input object
}

// Published is the outcome of publishing.
type Published struct {
	*Version
	Created bool // false: this very content was published already under this version
}

var (
	functionRE = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)
	aliasRE    = regexp.MustCompile(`^[a-z][a-z0-9-]{0,31}$`)
	semverRE   = regexp.MustCompile(`^(0|[1-9]\d{0,8})\.(0|[1-9]\d{0,8})\.(0|[1-9]\d{0,8})(?:-([0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*))?(?:\+([0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*))?$`)
)

// semver is a semantic version.
type semver struct {
	core [3]int
	pre  string
	text string
}

func parseVersion(s string) (semver, bool) {
	m := semverRE.FindStringSubmatch(s)
	if m == nil || len(s) > 64 {
		return semver{}, false
	}
	v := semver{pre: m[4], text: s}
	for i := range v.core {
		v.core[i], _ = strconv.Atoi(m[i+1]) // at most nine digits
	}
	return v, true
}

// compare orders by precedence; versions that differ only in their build are
// ordered by their text.
func (v semver) compare(o semver) int {
	for i := range v.core {
		if c := cmp.Compare(v.core[i], o.core[i]); c != 0 {
			return c
		}
	}
	switch {
	case v.pre == "" && o.pre != "":
		return 1
	case v.pre != "" && o.pre == "":
		return -1
	}
	a, b := strings.Split(v.pre, "."), strings.Split(o.pre, ".")
	for i := range min(len(a), len(b)) {
		if c := compareIdentifier(a[i], b[i]); c != 0 {
			return c
		}
	}
	return cmp.Or(cmp.Compare(len(a), len(b)), strings.Compare(v.text, o.text))
}

// compareIdentifier compares two parts of pre-releases: numbers as numbers and
// before words.
func compareIdentifier(a, b string) int {
	na, nb := strings.Trim(a, "0123456789") == "", strings.Trim(b, "0123456789") == ""
	switch {
	case na && nb:
		a, b = strings.TrimLeft(a, "0"), strings.TrimLeft(b, "0")
		return cmp.Or(cmp.Compare(len(a), len(b)), strings.Compare(a, b))
	case na:
		return -1
	case nb:
		return 1
	}
	return strings.Compare(a, b)
}

// next is the version that follows v.
func (v semver) next() string {
	if v.pre != "" {
		return fmt.Sprintf("%d.%d.%d", v.core[0], v.core[1], v.core[2])
	}
	return fmt.Sprintf("%d.%d.%d", v.core[0], v.core[1], v.core[2]+1)
}
