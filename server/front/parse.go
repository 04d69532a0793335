package front

import (
	"bytes"
	"net/http"
	"net/textproto"
	"net/url"
	"strings"
)

const (
	maxHead   = 8 << 10  // bytes of an ordinary request's head
	maxFields = 64       // of it
	maxBody   = 64 << 10 // bytes of its body
)

// head is the head of an ordinary request.
type head struct {
	size   int // bytes, with the empty line
	length int // of the body

	method, target, host string
	url                  *url.URL
	header               http.Header
}

const endOfHead = "\r\n\r\n"

// set is a set of ASCII characters, as bits.
type set struct{ low, high uint64 }

const (
	low     = 1<<64 - 1
	alnum   = (1<<10-1)<<'0' | (1<<26-1)<<'A' | (1<<26-1)<<'a'
	token   = alnum | 1<<'!' | 1<<'#' | 1<<'$' | 1<<'%' | 1<<'&' | 1<<'\'' | 1<<'*' | 1<<'+' | 1<<'-' | 1<<'.' | 1<<'^' | 1<<'_' | 1<<'`' | 1<<'|' | 1<<'~'
	printed = (1<<95 - 1) << ' '
	host    = alnum | 1<<'-' | 1<<'.' | 1<<':' | 1<<'[' | 1<<']' | 1<<'_'
	itself  = alnum | 1<<'-' | 1<<'.' | 1<<'/' | 1<<'_' | 1<<'~'
)

var (
	tokens  = set{token & low, token >> 64}
	visible = set{printed & low, printed >> 64} // with the space
	hosts   = set{host & low, host >> 64}
	plain   = set{itself & low, itself >> 64} // of a path that means itself
)

func (s *set) has(c byte) bool { return (1<<c)&s.low|(1<<(c-64))&s.high != 0 }

// all says whether s is not empty and has only characters of the set.
func all(s string, of *set) bool {
	for i := range len(s) {
		if !of.has(s[i]) {
			return false
		}
	}
	return s != ""
}

// parse gives the head that b begins with when it is an ordinary one: complete,
// a GET or POST by HTTP/1.1 with one Host, with a body of a known, small
// length or none, with names and values of plain ASCII, and with nothing that
// asks for more than an answer.
func parse(b []byte) (*head, bool) {
	end := bytes.Index(b[:min(len(b), maxHead)], []byte(endOfHead))
	if end < 0 {
		return nil, false
	}
	text := string(b[:end])
	line, fields, _ := strings.Cut(text, "\r\n")
	h := &head{size: end + len(endOfHead)}
	if !h.request(line) {
		return nil, false
	}
	n := strings.Count(fields, "\n") + 1
	if n > maxFields {
		return nil, false
	}
	h.header = make(http.Header, n)
	values := make([]string, n)
	for more := fields != ""; more; values = values[1:] {
		line, fields, more = strings.Cut(fields, "\r\n")
		name, value, ok := strings.Cut(line, ":")
		if value = strings.Trim(value, " "); !ok || !all(name, &tokens) || value != "" && !all(value, &visible) {
			return nil, false
		}
		values[0] = value
		if !h.take(textproto.CanonicalMIMEHeaderKey(name), values[:1:1]) {
			return nil, false
		}
	}
	return h, h.host != ""
}

// request takes the first line.
func (h *head) request(line string) bool {
	var ok bool
	if line, ok = strings.CutSuffix(line, " HTTP/1.1"); !ok {
		return false
	}
	if h.method, h.target, ok = strings.Cut(line, " "); !ok || h.method != http.MethodGet && h.method != http.MethodPost {
		return false
	}
	if !strings.HasPrefix(h.target, "/") || strings.ContainsAny(h.target, " ;") || !all(h.target, &visible) {
		return false
	}
	if all(h.target, &plain) {
		h.url = &url.URL{Path: h.target}
		return true
	}
	var err error
	h.url, err = url.ParseRequestURI(h.target)
	return err == nil
}

// take takes a field with its one value.
func (h *head) take(name string, value []string) bool {
	switch name {
	case "Host":
		if h.host != "" || !all(value[0], &hosts) {
			return false
		}
		h.host = value[0]
		return true
	case "Content-Length":
		n, ok := number(value[0])
		if !ok || h.header[name] != nil {
			return false
		}
		h.length = n
	case "Connection":
		if !strings.EqualFold(value[0], "keep-alive") || h.header[name] != nil {
			return false
		}
	case "Transfer-Encoding", "Expect", "Upgrade", "Trailer", "Te", "Pragma", "Keep-Alive", "Proxy-Connection", "Http2-Settings":
		return false
	}
	if before := h.header[name]; before != nil {
		value = append(before, value...)
	}
	h.header[name] = value
	return true
}

// number gives the length of a body that is not too long.
func number(s string) (n int, ok bool) {
	if s == "" || len(s) > len("65536") {
		return 0, false
	}
	for _, d := range []byte(s) {
		if d < '0' || d > '9' {
			return 0, false
		}
		n = 10*n + int(d-'0')
	}
	return n, n <= maxBody
}
