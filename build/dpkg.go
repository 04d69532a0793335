package build

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"slices"
	"strings"
)

// statusFile is where dpkg keeps what is installed, below a root.
const statusFile = "var/lib/dpkg/status"

// installed is one package that dpkg has installed.
type installed struct {
	version string
	depends [][]string // each a list of alternatives
}

// dpkg is what a root has installed.
type dpkg struct {
	packages map[string]installed
	provides map[string][]string // virtual name → packages
}

// readDpkg reads dpkg's status file. A root without dpkg has no packages.
func readDpkg(file string) (*dpkg, error) {
	db := &dpkg{packages: map[string]installed{}, provides: map[string][]string{}}
	data, err := os.ReadFile(file)
	if os.IsNotExist(err) {
		return db, nil
	}
	if err != nil {
		return nil, err
	}
	for len(data) > 0 {
		var stanza []byte
		stanza, data, _ = bytes.Cut(data, []byte("\n\n"))
		db.add(stanza)
	}
	return db, nil
}

func (db *dpkg) add(stanza []byte) {
	f := map[string]string{}
	lines := bufio.NewScanner(bytes.NewReader(stanza))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		key, value, ok := strings.Cut(lines.Text(), ":")
		if !ok || strings.HasPrefix(key, " ") {
			continue
		}
		switch key {
		case "Package", "Version", "Status", "Provides", "Depends", "Pre-Depends":
			f[key] = strings.TrimSpace(value)
		}
	}
	if f["Package"] == "" || !strings.HasSuffix(f["Status"], " installed") {
		return
	}
	p := installed{version: f["Version"]}
	for _, field := range []string{f["Pre-Depends"], f["Depends"]} {
		for clause := range strings.SplitSeq(field, ",") {
			var alternatives []string
			for alt := range strings.SplitSeq(clause, "|") {
				if name := bareName(alt); name != "" {
					alternatives = append(alternatives, name)
				}
			}
			if alternatives != nil {
				p.depends = append(p.depends, alternatives)
			}
		}
	}
	db.packages[f["Package"]] = p
	for name := range strings.SplitSeq(f["Provides"], ",") {
		if name = bareName(name); name != "" {
			db.provides[name] = append(db.provides[name], f["Package"])
		}
	}
}

// bareName takes version bounds and architectures off: "libc6:any (>= 2.36)" is libc6.
func bareName(s string) string {
	s, _, _ = strings.Cut(strings.TrimSpace(s), " ")
	s, _, _ = strings.Cut(s, ":")
	s, _, _ = strings.Cut(s, "(")
	return s
}

// named gives the installed packages that go by a name: itself, or those that
// provide it.
func (db *dpkg) named(name string) []string {
	if _, ok := db.packages[name]; ok {
		return []string{name}
	}
	return db.provides[name]
}

// missing gives those of the wanted packages that are not installed, or not in
// the version that is asked for.
func (db *dpkg) missing(wanted []string) []string {
	var out []string
	for _, w := range wanted {
		name, version, pinned := strings.Cut(w, "=")
		have := db.named(name)
		if len(have) == 0 || pinned && db.packages[have[0]].version != version {
			out = append(out, w)
		}
	}
	return out
}

// closure gives the versions of the wanted packages and of all that they
// depend on.
func (db *dpkg) closure(wanted []string) map[string]string {
	out := map[string]string{}
	var queue []string
	for _, w := range wanted {
		name, _, _ := strings.Cut(w, "=")
		queue = append(queue, db.named(name)...)
	}
	for len(queue) > 0 {
		name := queue[0]
		queue = queue[1:]
		if _, seen := out[name]; seen {
			continue
		}
		p := db.packages[name]
		out[name] = p.version
		for _, alternatives := range p.depends {
			if i := slices.IndexFunc(alternatives, func(a string) bool { return len(db.named(a)) > 0 }); i >= 0 {
				queue = append(queue, db.named(alternatives[i])...)
			}
		}
	}
	return out
}

// differences lists where db differs from the versions.
func (db *dpkg) differences(versions map[string]string) []string {
	var out []string
	for _, name := range sortedKeys(versions) {
		switch have, ok := db.packages[name]; {
		case !ok:
			out = append(out, fmt.Sprintf("%s %s (this machine has none)", name, versions[name]))
		case have.version != versions[name]:
			out = append(out, fmt.Sprintf("%s %s (this machine has %s)", name, versions[name], have.version))
		}
	}
	return out
}
