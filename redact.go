package fringe

import "regexp"

var (
	userRE = regexp.MustCompile(`(?i)\b(https?://)[^\s/'"]*@`)
	passRE = regexp.MustCompile(`(?i)\b([a-z][a-z0-9+.-]*://[^\s/'":@]*):[^\s/'"]*@`)
	oddRE  = regexp.MustCompile(`(?i)\b([a-z][a-z0-9+.-]*://[^\s/'":@]*):[^\s'"]*@`)
)

// Redacted gives a text in which no address tells a password: of web addresses
// all before the host is left out, for a token may be the name alone, and of
// others the password.
func Redacted(text string) string {
	text = userRE.ReplaceAllString(text, "${1}xxxxx@")
	text = passRE.ReplaceAllString(text, "$1:xxxxx@")
	return oddRE.ReplaceAllStringFunc(text, func(s string) string {
		// host:8088/a@b has an @ in its path; user:pa/ss@host is no address, but
		// tells a password.
		if portRE.MatchString(s) {
			return s
		}
		return oddRE.ReplaceAllString(s, "$1:xxxxx@")
	})
}

var portRE = regexp.MustCompile(`://[^:/]*:(\d+/|xxxxx@)`)
