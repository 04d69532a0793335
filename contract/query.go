package contract

import (
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/net/http/httpguts"

	"fringe"
)

// query is a request as it goes to a program.
type query struct {
	page       *[]byte // head, and the body when it is small
	pump       *upload // of a large body; nil when there is none
	head       bool    // HEAD: the answer has no body
	repeatable bool    // the method may be repeated
	typed      bool
}

// connectionHeaders concern one connection and are not passed on.
var connectionHeaders = map[string]bool{
	"Connection": true, "Keep-Alive": true, "Proxy-Connection": true, "Proxy-Authenticate": true, "Proxy-Authorization": true,
	"Te": true, "Trailer": true, "Transfer-Encoding": true, "Upgrade": true,
}

// newQuery writes the request. A small body of known length is read here.
func newQuery(c *fringe.Call) (*query, error) {
	q := &query{page: pages.Get().(*[]byte)}
	var err error
	if c.Inputs != nil {
		q.typed = true
		err = q.write(c, "POST", "/", "", c.Inputs)
	} else {
		err = q.raw(c)
	}
	if err != nil {
		q.release()
		return nil, err
	}
	return q, nil
}

func (q *query) release() {
	if q.page != nil && cap(*q.page) <= 2*small {
		pages.Put(q.page)
	}
	q.page = nil
}

func (q *query) raw(c *fringe.Call) error {
	method := c.Method
	if method == "" {
		method = "GET"
	}
	if !httpguts.ValidHeaderFieldName(method) {
		return fringe.Errorf(opInvoke, fringe.Invalid, "%q is no HTTP method", method)
	}
	if method == "CONNECT" {
		return fringe.Errorf(opInvoke, fringe.Invalid, "a function cannot be called with CONNECT")
	}
	q.head = method == "HEAD"
	switch method {
	case "GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE":
		q.repeatable = true
	}
	return q.write(c, method, c.Path, c.Query, nil)
}

// write writes the head, and the body when it is in memory or small.
func (q *query) write(c *fringe.Call, method, path, rawQuery string, body []byte) error {
	b := append((*q.page)[:0], method...)
	b = appendTarget(append(b, ' '), path)
	if rawQuery != "" {
		b = appendEscaped(append(b, '?'), rawQuery)
	}
	b = append(b, " HTTP/1.1\r\nHost: "...)
	host := c.Header.Get("Host")
	if host == "" || !httpguts.ValidHostHeader(host) {
		host = "fringe"
	}
	b = append(append(b, host...), "\r\n"...)
	b, err := appendHeaders(b, c.Header)
	if err != nil {
		*q.page = b
		return err
	}
	if c.ID != "" {
		b = appendHeader(b, "X-Call-Id", string(c.ID))
	}
	if c.Dir != "" {
		b = appendHeader(b, "X-Fringe-Dir", c.Dir)
	}
	if q.typed && c.Trace != "" {
		b = appendHeader(b, "Traceparent", c.Trace)
	}
	if q.typed {
		b = append(b, "Content-Type: application/json\r\nContent-Length: "...)
		b = strconv.AppendInt(b, int64(len(body)), 10)
		b = append(append(b, "\r\n\r\n"...), body...)
		*q.page = b
		return nil
	}
	b, err = q.appendBody(b, c, method)
	*q.page = b
	return err
}

func (q *query) appendBody(b []byte, c *fringe.Call, method string) ([]byte, error) {
	length := c.Length
	if c.Body == nil {
		length = 0
	}
	switch {
	case length < 0:
		b = append(b, "Transfer-Encoding: chunked\r\n\r\n"...)
	case length > 0 || method == "POST" || method == "PUT" || method == "PATCH":
		b = append(b, "Content-Length: "...)
		b = append(strconv.AppendInt(b, length, 10), "\r\n\r\n"...)
	default:
		b = append(b, "\r\n"...)
	}
	if length > small || length < 0 {
		q.pump = &upload{body: c.Body, length: length}
		return b, nil
	}
	if length == 0 {
		return b, nil
	}
	n := len(b)
	b = append(b, make([]byte, length)...)
	if _, err := io.ReadFull(c.Body, b[n:]); err != nil {
		return b, bodyError(err)
	}
	return b, nil
}

// appendTarget appends a path as it came, with bytes that a request target
// cannot have escaped.
func appendTarget(b []byte, path string) []byte {
	if !strings.HasPrefix(path, "/") {
		b = append(b, '/')
	}
	for i := 0; i < len(path); i++ {
		if path[i] == '?' {
			b = append(b, "%3F"...)
			continue
		}
		b = appendByte(b, path[i])
	}
	return b
}

func appendEscaped(b []byte, s string) []byte {
	for i := 0; i < len(s); i++ {
		b = appendByte(b, s[i])
	}
	return b
}

func appendByte(b []byte, c byte) []byte {
	if c <= ' ' || c >= 0x7f || c == '#' || c == '"' || c == '<' || c == '>' {
		return append(b, '%', "0123456789ABCDEF"[c>>4], "0123456789ABCDEF"[c&15])
	}
	return append(b, c)
}

func appendHeader(b []byte, k, v string) []byte {
	b = append(append(b, k...), ": "...)
	return append(append(b, v...), "\r\n"...)
}

// appendHeaders appends what is passed on of the caller's headers.
func appendHeaders(b []byte, h http.Header) ([]byte, error) {
	named := namedByConnection(h)
	for k, values := range h {
		switch {
		case connectionHeaders[k], k == "Host", k == "Content-Length", k == "Expect", k == "X-Call-Id", k == "X-Fringe-Dir", named[k]:
			continue
		case !httpguts.ValidHeaderFieldName(k):
			return b, fringe.Errorf(opInvoke, fringe.Invalid, "%q is no header's name", k)
		}
		for _, v := range values {
			if !httpguts.ValidHeaderFieldValue(v) {
				return b, fringe.Errorf(opInvoke, fringe.Invalid, "the header %s has a value that no header can have", k)
			}
			b = appendHeader(b, k, v)
		}
	}
	return b, nil
}

// namedByConnection gives the headers that the Connection header names; nil
// when it names none.
func namedByConnection(h http.Header) map[string]bool {
	values := h["Connection"]
	if len(values) == 0 {
		return nil
	}
	named := map[string]bool{}
	for _, v := range values {
		for name := range strings.SplitSeq(v, ",") {
			named[http.CanonicalHeaderKey(strings.TrimSpace(name))] = true
		}
	}
	return named
}

// upload sends a large request body in a goroutine of its own while the caller
// reads the answer. It ends when the body ends, when the connection is closed,
// or at its first read after that.
type upload struct {
	body   io.Reader
	length int64 // -1: chunked

	mu   sync.Mutex // guards the rest
	sent bool       // all of it
	err  error      // of the client's body
}

var errShort = errors.New("the request's body is shorter than it said")

// state gives whether the whole body was sent, and what is wrong with it.
func (u *upload) state() (sent bool, err error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.sent, u.err
}

func (u *upload) run(k *link) {
	err := u.copy(k)
	u.mu.Lock()
	u.sent = err == nil
	u.mu.Unlock()
	if err != nil && u.bad() {
		k.conn.Close() // the program must not take a part for the whole
	}
}

func (u *upload) bad() bool {
	_, err := u.state()
	return err != nil
}

func (u *upload) fail(err error) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.err = err
	return err
}

// copy sends the body. In chunked form each read is one chunk, written with
// its frame at once.
func (u *upload) copy(k *link) error {
	const room = 10 // of a chunk's size and line end
	buf := streams.Get().(*[]byte)
	defer streams.Put(buf)
	left := u.length
	for {
		want := (*buf)[room : room+piece]
		if u.length >= 0 {
			want = want[:min(int64(piece), left)]
		}
		if len(want) == 0 {
			return nil
		}
		n, err := u.body.Read(want)
		if n > 0 {
			out := want[:n]
			if u.length < 0 {
				out = chunk(*buf, room, n)
			}
			if _, err := k.conn.Write(out); err != nil {
				return err
			}
			left -= int64(n)
		}
		switch {
		case err == io.EOF && u.length < 0:
			_, err := k.conn.Write([]byte("0\r\n\r\n"))
			return err
		case err == io.EOF && left > 0:
			return u.fail(errShort)
		case err != nil && err != io.EOF:
			return u.fail(err)
		}
	}
}

// chunk frames the n bytes at room in place.
func chunk(buf []byte, room, n int) []byte {
	size := strconv.AppendInt(nil, int64(n), 16)
	begin := room - len(size) - 2
	copy(buf[begin:], size)
	copy(buf[room-2:], "\r\n")
	copy(buf[room+n:], "\r\n")
	return buf[begin : room+n+2]
}
