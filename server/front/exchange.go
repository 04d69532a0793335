package front

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/textproto"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

const (
	maxAnswer = 64 << 10 // bytes of an answer's body that is written from here
	maxKnown  = 2 << 10  // bytes up to which net/http says the length of an answer whose handler did not
)

// exchange is one request and its answer: the http.ResponseWriter of the
// handler. What is asked of it beyond an ordinary answer it leaves to net/http.
type exchange struct {
	conn    *conn
	cancel  context.CancelFunc
	request requestBody

	header  http.Header // the handler's
	status  int         // 0: no head was written
	length  int         // of the body as the handler has said; -1: it has not
	typed   bool        // the answer has a type, or shall have none
	dated   bool
	over    http.ResponseWriter // net/http's, once the connection is there
	carried chan http.ResponseWriter
	left    chan bool   // tells net/http that the handler has ended, and whether well
	ended   atomic.Bool // the answer was written: what comes later is for nobody
}

var _ interface {
	http.ResponseWriter
	http.Flusher
	io.ReaderFrom
	io.StringWriter
} = (*exchange)(nil)

// requestBody is the body of a request; it may be read until it is answered.
type requestBody struct {
	mu     sync.Mutex // guards the rest
	rest   []byte
	closed bool
}

// Read implements io.Reader.
func (b *requestBody) Read(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.closed:
		return 0, http.ErrBodyReadAfterClose
	case len(b.rest) == 0:
		return 0, io.EOF
	}
	n := copy(p, b.rest)
	if b.rest = b.rest[n:]; len(b.rest) == 0 {
		return n, io.EOF
	}
	return n, nil
}

// Close implements io.Closer.
func (b *requestBody) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.rest, b.closed = nil, true
	return nil
}

// Header implements http.ResponseWriter.
func (x *exchange) Header() http.Header { return x.header }

// WriteHeader implements http.ResponseWriter.
func (x *exchange) WriteHeader(status int) {
	switch {
	case x.ended.Load():
	case x.over == nil && x.status != 0:
		x.conn.server.log().Printf("http: superfluous response.WriteHeader call for %s", x.conn.remote)
	case x.over == nil && ordinaryAnswer(status, x.header):
		x.status = status
		x.conn.out = x.write(x.conn.out)
	default:
		x.move()
		if x.status == 0 {
			x.tell()
		}
		x.over.WriteHeader(status)
		if status >= http.StatusOK || status == http.StatusSwitchingProtocols {
			x.status = status
		}
	}
}

// ordinaryAnswer says whether the answer has a body, and whether its headers
// say nothing of framing but its length.
func ordinaryAnswer(status int, h http.Header) bool {
	if status < 200 || status == http.StatusNoContent || status == http.StatusNotModified || status > 999 {
		return false
	}
	for name, values := range h {
		switch name {
		case "Transfer-Encoding", "Connection", "Trailer", "Upgrade":
			return false
		case "Content-Length":
			if len(values) != 1 {
				return false
			}
			if n, err := strconv.ParseInt(values[0], 10, 64); err != nil || n < 0 || n > maxAnswer {
				return false
			}
		}
		if strings.HasPrefix(name, http.TrailerPrefix) {
			return false
		}
	}
	return true
}

var lineEnds = strings.NewReplacer("\n", " ", "\r", " ")

// write appends the status line and the handler's headers, as they are now.
func (x *exchange) write(b []byte) []byte {
	b = append(b, "HTTP/1.1 "...)
	b = strconv.AppendInt(b, int64(x.status), 10)
	b = append(b, ' ')
	if text := http.StatusText(x.status); text != "" {
		b = append(b, text...)
	} else {
		b = fmt.Appendf(b, "status code %d", x.status)
	}
	b = append(b, "\r\n"...)
	for name, values := range x.header {
		switch name {
		case "Content-Length":
			x.length, _ = strconv.Atoi(values[0])
		case "Content-Type":
			x.typed = true
		case "Content-Encoding":
			x.typed = x.typed || len(values) > 0 && values[0] != ""
		case "Date":
			x.dated = true
		}
		if !all(name, &tokens) {
			continue // as net/http does
		}
		for _, v := range values {
			if strings.ContainsAny(v, "\r\n") {
				v = lineEnds.Replace(v)
			}
			b = field(b, name, textproto.TrimString(v))
		}
	}
	return b
}

func field(b []byte, name, value string) []byte {
	b = append(append(b, name...), ": "...)
	return append(append(b, value...), "\r\n"...)
}

// Write implements http.ResponseWriter.
func (x *exchange) Write(p []byte) (int, error) {
	if !x.room(len(p)) {
		return x.elsewhere().Write(p)
	}
	x.conn.body = append(x.conn.body, p...)
	return len(p), nil
}

// WriteString implements io.StringWriter.
func (x *exchange) WriteString(s string) (int, error) {
	if !x.room(len(s)) {
		return io.WriteString(x.elsewhere(), s)
	}
	x.conn.body = append(x.conn.body, s...)
	return len(s), nil
}

// room says whether n bytes more can be answered from here.
func (x *exchange) room(n int) bool {
	if x.ended.Load() {
		return false
	}
	if x.status == 0 {
		x.WriteHeader(http.StatusOK)
	}
	most := maxAnswer
	if x.length >= 0 {
		most = x.length // beyond it is an error, which net/http tells
	}
	return x.over == nil && len(x.conn.body)+n <= most
}

// elsewhere gives what an answer goes to that cannot be written from here.
func (x *exchange) elsewhere() http.ResponseWriter {
	if x.ended.Load() {
		return nowhere{x.header}
	}
	x.move()
	return x.over
}

// ReadFrom implements io.ReaderFrom: a long file is sent by the kernel.
func (x *exchange) ReadFrom(src io.Reader) (int64, error) {
	if x.room(0) && (x.length >= 0 || !sized(src)) {
		return io.Copy(onlyWriter{x}, src)
	}
	return io.Copy(x.elsewhere(), src)
}

// sized says whether the reader is bounded, or a file.
func sized(r io.Reader) bool {
	switch r := r.(type) {
	case *io.LimitedReader:
		return r.N > maxKnown
	case io.Seeker:
		return true
	}
	return false
}

type onlyWriter struct{ io.Writer }

// Flush implements http.Flusher.
func (x *exchange) Flush() { x.FlushError() }

// FlushError is what http.ResponseController flushes by.
func (x *exchange) FlushError() error {
	x.room(0) // a head, when there is none
	return http.NewResponseController(x.elsewhere()).Flush()
}

// SetReadDeadline is for http.ResponseController.
func (x *exchange) SetReadDeadline(t time.Time) error {
	return http.NewResponseController(x.elsewhere()).SetReadDeadline(t)
}

// SetWriteDeadline is for http.ResponseController.
func (x *exchange) SetWriteDeadline(t time.Time) error {
	return http.NewResponseController(x.elsewhere()).SetWriteDeadline(t)
}

// EnableFullDuplex is for http.ResponseController: the body of an ordinary
// request was read whole.
func (x *exchange) EnableFullDuplex() error { return nil }

// finish writes the answer; false when the connection cannot be used again.
func (x *exchange) finish() bool {
	if x.status == 0 {
		x.WriteHeader(http.StatusOK)
	}
	c := x.conn
	if n := len(c.body); x.over == nil && x.length >= 0 && n < x.length {
		x.move() // net/http knows what to do with an answer that is cut short
	}
	if x.over != nil {
		return true
	}
	b := c.out
	if !x.dated {
		b = field(b, "Date", c.server.now())
	}
	chunked := x.length < 0 && len(c.body) > maxKnown
	if x.length < 0 && !chunked {
		b = append(strconv.AppendInt(append(b, "Content-Length: "...), int64(len(c.body)), 10), "\r\n"...)
	}
	if !x.typed && len(c.body) > 0 {
		b = field(b, "Content-Type", http.DetectContentType(c.body))
	}
	last := c.server.draining.Load()
	if last {
		b = field(b, "Connection", "close")
	}
	if chunked {
		b = append(b, "Transfer-Encoding: chunked\r\n\r\n"...)
		b = append(strconv.AppendInt(b, int64(len(c.body)), 16), "\r\n"...)
		b = append(append(b, c.body...), "\r\n0\r\n\r\n"...)
	} else {
		b = append(append(b, "\r\n"...), c.body...)
	}
	c.out = b
	x.ended.Store(true)
	_, err := c.tcp.Write(b)
	return err == nil && !last
}
