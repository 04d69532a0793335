package gateway

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// preference is what a Prefer header (RFC 7240) says about waiting.
type preference struct {
	async bool          // respond-async
	wait  time.Duration // wait=N; with async or without
	given bool          // one of the two is there
}

func preferenceOf(h http.Header) (p preference) {
	for _, line := range h["Prefer"] {
		for token := range strings.SplitSeq(line, ",") {
			token, _, _ = strings.Cut(token, ";")
			name, value, _ := strings.Cut(token, "=")
			switch strings.ToLower(strings.TrimSpace(name)) {
			case "respond-async":
				p.async, p.given = true, true
			case "wait":
				n, err := strconv.ParseInt(strings.Trim(strings.TrimSpace(value), `"`), 10, 32)
				if err == nil && n >= 0 {
					p.wait, p.given = time.Duration(n)*time.Second, true
				}
			}
		}
	}
	return p
}

// applied writes back what of the header was followed.
func (p preference) applied() string {
	s := "respond-async"
	if p.wait > 0 {
		s += ", wait=" + strconv.FormatInt(int64(p.wait/time.Second), 10)
	}
	return s
}
