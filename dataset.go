package fringe

import (
	"strings"
	"time"
)

// DID names a dataset: scope:name (a Rucio data identifier).
type DID struct {
	Scope string
	Name  string
}

// String gives scope:name.
func (d DID) String() string { return d.Scope + ":" + d.Name }

// ParseDID reads scope:name. The scope has letters, digits, '.', '_' and '-';
// the name may also have '/', '+', '@' and '='. Neither is empty; neither the
// scope nor a part of the name is "." or "..". A scope that is a URL scheme (file, http, https,
// s3, rucio, ivo, data, ftp) is refused.
func ParseDID(s string) (DID, error) {
	const op = "fringe.ParseDID"
	scope, name, ok := strings.Cut(s, ":")
	if !ok || scope == "" || name == "" {
		return DID{}, Errorf(op, Invalid, "%q is not a dataset name; write scope:name, such as user:m87.uvfits", s)
	}
	switch strings.ToLower(scope) {
	case "file", "http", "https", "s3", "rucio", "ivo", "data", "ftp":
		return DID{}, Errorf(op, Invalid, "%q is a URL, not a dataset name", s)
	}
	if len(s) > 255 {
		return DID{}, Errorf(op, Invalid, "the dataset name is %d bytes long; at most 255 are allowed", len(s))
	}
	if scope == "." || scope == ".." {
		return DID{}, Errorf(op, Invalid, "the scope of the dataset name %q is %q; give it a name", s, scope)
	}
	for _, r := range scope {
		if !plain(r) {
			return DID{}, Errorf(op, Invalid, "the scope %q has the character %q; letters, digits, '.', '_' and '-' are allowed", scope, r)
		}
	}
	for _, r := range name {
		if !plain(r) && !strings.ContainsRune("/+@=", r) {
			return DID{}, Errorf(op, Invalid, "the dataset name %q has the character %q; letters, digits and ._-/+@= are allowed", name, r)
		}
	}
	for p := range strings.SplitSeq(name, "/") {
		if p == "" || p == "." || p == ".." {
			return DID{}, Errorf(op, Invalid, "the dataset name %q has an empty, '.' or '..' part", name)
		}
	}
	return DID{scope, name}, nil
}

func plain(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("._-", r)
}

// Dataset is named data: a file or a directory (a measurement set is a
// directory).
type Dataset struct {
	DID       DID
	Directory bool
	Path      string    // where this site holds it; absolute
	Owned     bool      // the site keeps the bytes and removes them with the dataset; false: by reference
	Size      int64     // bytes; for a directory the sum of its files
	Checksum  string    // "sha1$…" as CWL writes it; empty when never computed
	MediaType string    // such as application/fits; empty when not known
	Basename  string    // the file name a tool sees
	Call      CallID    // the call that made it; empty for added data
	Owner     string    // the principal's name
	Namespace string    // that the bytes count for; empty: none
	Created   time.Time // UTC
}
