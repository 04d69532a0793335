package process

import (
	"os"
	"slices"
	"strings"
)

// A mountLine is one line of /proc/self/mountinfo.
type mountLine struct {
	root   string // the path within the file system that is mounted
	point  string
	fields []string // optional fields, such as shared:12
	kind   string   // of file system
	super  []string // options of the file system
}

// readMounts reads the mounts of this mount namespace.
func readMounts() ([]mountLine, error) {
	text, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil, err
	}
	var mounts []mountLine
	for line := range strings.Lines(string(text)) {
		head, tail, ok := strings.Cut(strings.TrimSpace(line), " - ")
		h, t := strings.Fields(head), strings.Fields(tail)
		if !ok || len(h) < 6 || len(t) < 3 {
			continue
		}
		mounts = append(mounts, mountLine{
			root: unescape(h[3]), point: unescape(h[4]), fields: h[6:],
			kind: t[0], super: strings.Split(t[len(t)-1], ","),
		})
	}
	return mounts, nil
}

// escapes are those that the kernel writes for characters that separate.
var escapes = strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`, `\043`, "#")

// unescape gives a path of mountinfo as it is.
func unescape(s string) string { return escapes.Replace(s) }

func sortedUnique(s []string) []string {
	slices.Sort(s)
	return slices.Compact(s)
}
