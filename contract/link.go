package contract

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/textproto"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/net/http/httpguts"
	"golang.org/x/sys/unix"

	"fringe"
)

const (
	maxHead    = 256 << 10 // bytes of an answer's head
	maxTrailer = 64 << 10  // bytes of what follows a chunked body
	maxInterim = 16        // answers of 1xx before the answer
	maxLine    = 4 << 10   // bytes of a chunk's size and extensions
)

// errNotHTTP says that what came is not HTTP/1.1.
var errNotHTTP = errors.New("no HTTP/1.1")

// staleError says that the program closed the connection before it had sent
// anything in answer.
type staleError struct {
	err  error
	sent bool // the whole request was written
}

func (s *staleError) Error() string { return "the connection was closed: " + s.err.Error() }

func (s *staleError) Unwrap() error { return s.err }

// link is one connection to a program.
type link struct {
	conn net.Conn
	raw  syscall.RawConn // nil when the connection has no descriptor
	peek func(fd uintptr) bool
	live bool

	buf  []byte
	r, w int

	ctx   context.Context // of the exchange under way
	pump  *upload         // of the exchange under way
	close bool            // the connection cannot be used again

	unhook func() bool
	imu    sync.Mutex // guards seq, and that no deadline is set once it has moved on
	seq    uint64
}

func newLink(conn net.Conn) (*link, error) {
	k := &link{conn: conn, buf: make([]byte, 8<<10)}
	sc, ok := conn.(syscall.Conn)
	if !ok {
		return k, nil
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		conn.Close()
		return nil, err
	}
	k.raw = raw
	k.peek = func(fd uintptr) bool {
		var b [1]byte
		_, _, err := unix.Recvfrom(int(fd), b[:], unix.MSG_PEEK|unix.MSG_DONTWAIT)
		k.live = err == unix.EAGAIN
		return true
	}
	return k, nil
}

// open says whether an idle connection is still open, and silent.
func (k *link) open() bool {
	if k.raw == nil {
		return true
	}
	k.live = false
	return k.raw.Read(k.peek) == nil && k.live
}

// begin makes the end of ctx end the I/O.
func (k *link) begin(ctx context.Context) {
	k.ctx, k.unhook, k.pump, k.close = ctx, nil, nil, false
	if ctx.Done() == nil {
		return
	}
	seq := k.seq
	k.unhook = context.AfterFunc(ctx, func() {
		k.imu.Lock()
		defer k.imu.Unlock()
		if k.seq == seq {
			k.conn.SetDeadline(time.Unix(1, 0))
		}
	})
}

// end undoes begin.
func (k *link) end() {
	if k.unhook != nil && !k.unhook() {
		k.imu.Lock()
		k.seq++
		k.imu.Unlock()
		k.close = true
	}
	k.unhook = nil
}

// reusable says whether another exchange can follow.
func (k *link) reusable() bool {
	if k.pump != nil {
		if sent, _ := k.pump.state(); !sent {
			return false
		}
	}
	return !k.close && k.r == k.w
}

// exchange writes the request and reads the head of the answer, and its body
// too when that is small.
func (k *link) exchange(h *HTTP, c *fringe.Call, q *query) (*fringe.Result, error) {
	k.r, k.w = 0, 0
	n, err := k.conn.Write(*q.page)
	if err != nil && n < len(*q.page) && !hungUp(err) {
		return nil, &staleError{err: err}
	}
	failed := err // a program may answer and close before it has read all
	if q.pump != nil && err == nil {
		k.pump = q.pump
		go q.pump.run(k)
	}
	head, err := k.readHead()
	if err != nil {
		if q.pump != nil {
			if _, bad := q.pump.state(); bad != nil {
				return nil, bodyError(bad)
			}
		}
		if k.w == 0 && !errors.Is(err, errNotHTTP) {
			return nil, &staleError{err: err, sent: failed == nil}
		}
		return nil, err
	}
	if failed != nil {
		k.close = true
	}
	return k.result(h, c, q, head)
}

// result makes the result of an answer's head.
func (k *link) result(h *HTTP, c *fringe.Call, q *query, a *answerHead) (*fringe.Result, error) {
	k.close = k.close || a.close
	length := a.length
	if q.head || a.status == 204 || a.status == 304 {
		length = 0
	} else if length == untilClose {
		k.close = true
	}
	var res *fringe.Result
	if length >= 0 && length <= int64(len(k.buf)) {
		b, err := k.bytes(int(length))
		if err != nil {
			return nil, err
		}
		res = newAnswer(a.status, a.header, b)
	} else {
		res = &fringe.Result{Status: a.status, Header: a.header, Body: &httpBody{h: h, k: k, c: c, left: length}}
	}
	res.Failed = q.typed && a.status >= 400
	return res, nil
}

// Lengths of a body that are not known.
const (
	untilClose = -1
	chunked    = -2
)

// answerHead is the head of an answer.
type answerHead struct {
	status int
	header http.Header
	length int64
	close  bool
}

// readHead reads the head of the answer, past those of 1xx.
func (k *link) readHead() (*answerHead, error) {
	for range maxInterim {
		n, err := k.headEnd()
		if err != nil {
			return nil, err
		}
		a, err := parseAnswer(string(k.buf[k.r : k.r+n]))
		if err != nil {
			return nil, err
		}
		k.r += n
		if a.status == http.StatusSwitchingProtocols {
			return nil, fmt.Errorf("%w: it switched protocols, which it was not asked to", errNotHTTP)
		}
		if a.status >= 200 {
			return a, nil
		}
	}
	return nil, fmt.Errorf("%w: it sent only answers of 1xx", errNotHTTP)
}

// headEnd reads until a head is complete and gives its length.
func (k *link) headEnd() (int, error) {
	seen := 0
	for {
		b := k.buf[k.r:k.w]
		if i := bytes.Index(b[seen:], []byte("\n\r\n")); i >= 0 {
			if j := bytes.Index(b[seen:], []byte("\n\n")); j >= 0 && j < i {
				return seen + j + 2, nil
			}
			return seen + i + 3, nil
		}
		if i := bytes.Index(b[seen:], []byte("\n\n")); i >= 0 {
			return seen + i + 2, nil
		}
		if len(b) >= 5 && string(b[:5]) != "HTTP/" {
			return 0, fmt.Errorf("%w: it begins with %.40q", errNotHTTP, b)
		}
		if len(b) >= maxHead {
			return 0, fmt.Errorf("%w: the head of the answer has more than %d bytes", errNotHTTP, maxHead)
		}
		seen = max(0, len(b)-2)
		if err := k.more(); err != nil {
			return 0, err
		}
	}
}

// more reads something; the buffer moves or grows when it is full.
func (k *link) more() error {
	switch {
	case k.r == k.w:
		k.r, k.w = 0, 0
	case k.w == len(k.buf) && k.r > 0:
		k.w = copy(k.buf, k.buf[k.r:k.w])
		k.r = 0
	case k.w == len(k.buf):
		k.buf = append(k.buf, make([]byte, len(k.buf))...)
	}
	n, err := k.conn.Read(k.buf[k.w:])
	k.w += n
	if n > 0 {
		return nil
	}
	if err == io.EOF && k.w > 0 {
		return io.ErrUnexpectedEOF
	}
	return err
}

// bytes reads n bytes, which the buffer can hold.
func (k *link) bytes(n int) ([]byte, error) {
	for k.w-k.r < n {
		if k.r > 0 && k.r+n > len(k.buf) {
			k.w = copy(k.buf, k.buf[k.r:k.w])
			k.r = 0
		}
		if err := k.more(); err != nil {
			return nil, noEOF(err)
		}
	}
	b := k.buf[k.r : k.r+n]
	k.r += n
	return b, nil
}

// parseAnswer reads the head of an answer, with its empty last line.
func parseAnswer(s string) (*answerHead, error) {
	line, rest, _ := strings.Cut(s, "\n")
	a := &answerHead{length: untilClose}
	minor, err := a.statusLine(strings.TrimSuffix(line, "\r"))
	if err != nil {
		return nil, err
	}
	lines := strings.Count(rest, "\n")
	a.header = make(http.Header, lines)
	values := make([]string, 0, lines)
	for rest != "" {
		line, rest, _ = strings.Cut(rest, "\n")
		if line = strings.TrimSuffix(line, "\r"); line == "" {
			continue
		}
		name, value, ok := strings.Cut(line, ":")
		value = textproto.TrimString(value)
		if !ok || !httpguts.ValidHeaderFieldName(name) || !httpguts.ValidHeaderFieldValue(value) {
			return nil, fmt.Errorf("%w: the header line %.80q", errNotHTTP, line)
		}
		name = textproto.CanonicalMIMEHeaderKey(name)
		values = append(values, value)
		if had := a.header[name]; had != nil {
			a.header[name] = append(had, value)
			continue
		}
		n := len(values)
		a.header[name] = values[n-1 : n : n]
	}
	return a, a.frame(minor)
}

// statusLine reads "HTTP/1.m status reason" and gives m.
func (a *answerHead) statusLine(s string) (minor int, err error) {
	if len(s) < 12 || s[:7] != "HTTP/1." || s[7] != '0' && s[7] != '1' || s[8] != ' ' || len(s) > 12 && s[12] != ' ' {
		return 0, fmt.Errorf("%w: the status line %.80q", errNotHTTP, s)
	}
	for _, c := range []byte(s[9:12]) {
		if c < '0' || c > '9' {
			return 0, fmt.Errorf("%w: the status line %.80q", errNotHTTP, s)
		}
		a.status = a.status*10 + int(c-'0')
	}
	if a.status < 100 || a.status > 599 {
		return 0, fmt.Errorf("%w: the status %d", errNotHTTP, a.status)
	}
	return int(s[7] - '0'), nil
}

// frame reads how the body is framed and takes the headers of the connection
// away.
func (a *answerHead) frame(minor int) error {
	connection := a.header["Connection"]
	a.close = minor == 0 && !httpguts.HeaderValuesContainsToken(connection, "keep-alive") || httpguts.HeaderValuesContainsToken(connection, "close")
	encoding, lengths := a.header["Transfer-Encoding"], a.header["Content-Length"]
	switch {
	case len(encoding) > 1 || len(encoding) == 1 && (!strings.EqualFold(encoding[0], "chunked") || minor == 0):
		return fmt.Errorf("%w: the transfer encoding %q", errNotHTTP, encoding)
	case len(encoding) == 1:
		a.length = chunked
		a.close = a.close || len(lengths) > 0
		delete(a.header, "Content-Length")
	case len(lengths) > 0:
		for _, l := range lengths[1:] {
			if l != lengths[0] {
				return fmt.Errorf("%w: the content lengths %q", errNotHTTP, lengths)
			}
		}
		n, err := strconv.ParseUint(lengths[0], 10, 63)
		if err != nil || lengths[0][0] == '+' {
			return fmt.Errorf("%w: the content length %q", errNotHTTP, lengths[0])
		}
		a.length = int64(n)
		a.header["Content-Length"] = lengths[:1]
	}
	for name := range namedByConnection(a.header) {
		if name != "Content-Length" && name != "Content-Type" {
			delete(a.header, name)
		}
	}
	for name := range a.header {
		if connectionHeaders[name] {
			delete(a.header, name)
		}
	}
	return nil
}

// httpBody is the body of an answer as it comes. The connection is taken until
// it has been read or closed.
type httpBody struct {
	h *HTTP
	k *link
	c *fringe.Call

	mu   sync.Mutex // guards the rest against a Close from another goroutine
	left int64      // bytes; untilClose, or chunked before the first chunk
	tail bool       // left is of a chunk, and its line end follows
	err  error      // set once the body has ended
}

func (b *httpBody) Read(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.err != nil || len(p) == 0 {
		return 0, b.err
	}
	n, err := b.read(p)
	if err != nil {
		b.finish(err)
	}
	return n, b.err
}

func (b *httpBody) read(p []byte) (int, error) {
	if b.left == chunked || b.tail && b.left == 0 {
		if err := b.nextChunk(); err != nil {
			return 0, err
		}
	}
	if b.left == 0 {
		return 0, io.EOF
	}
	if b.left > 0 && int64(len(p)) > b.left {
		p = p[:b.left]
	}
	k := b.k
	n := copy(p, k.buf[k.r:k.w])
	if k.r += n; n == 0 {
		var err error
		if n, err = k.conn.Read(p); err != nil && (err != io.EOF || b.left > 0) {
			return n, noEOF(err)
		} else if err != nil {
			return n, io.EOF
		}
	}
	if b.left > 0 {
		if b.left -= int64(n); b.left == 0 && !b.tail {
			return n, io.EOF
		}
	}
	return n, nil
}

// nextChunk reads the size of the next chunk; io.EOF after the last and its
// trailer.
func (b *httpBody) nextChunk() error {
	if b.tail {
		if line, err := b.line(2); err != nil || line != "" {
			return notChunked(err, line)
		}
	}
	line, err := b.line(maxLine)
	if err != nil {
		return notChunked(err, line)
	}
	size, _, _ := strings.Cut(line, ";")
	n, err := strconv.ParseUint(strings.TrimRight(size, " \t"), 16, 62)
	if err != nil || size[0] == '+' {
		return notChunked(nil, line)
	}
	b.left, b.tail = int64(n), true
	if n > 0 {
		return nil
	}
	for total := 0; total < maxTrailer; {
		line, err := b.line(maxLine)
		if err != nil {
			return notChunked(err, line)
		}
		if line == "" {
			return io.EOF
		}
		total += len(line)
	}
	return notChunked(nil, "a long trailer")
}

func notChunked(err error, line string) error {
	if err != nil {
		return noEOF(err)
	}
	return fmt.Errorf("%w: %.40q in a chunked body", errNotHTTP, line)
}

// line reads a line of at most limit bytes and gives it without its end.
func (b *httpBody) line(limit int) (string, error) {
	k := b.k
	for seen := 0; ; {
		if i := bytes.IndexByte(k.buf[k.r+seen:k.w], '\n'); i >= 0 {
			line := k.buf[k.r : k.r+seen+i]
			k.r += seen + i + 1
			return string(bytes.TrimSuffix(line, []byte("\r"))), nil
		}
		if seen = k.w - k.r; seen >= limit {
			return "", fmt.Errorf("%w: a long line in a chunked body", errNotHTTP)
		}
		if err := k.more(); err != nil {
			return "", err
		}
	}
}

// finish gives the connection back after the body's end or failure.
func (b *httpBody) finish(err error) {
	b.h.finishLog(b.c)
	if err == io.EOF {
		b.err = io.EOF
		b.h.giveBack(b.k)
		return
	}
	b.k.end()
	b.k.conn.Close()
	switch {
	case errors.Is(err, errNotHTTP):
		b.err = &fringe.Error{Op: opInvoke, Kind: fringe.Failed, Component: fringe.UserCode, Err: err, Message: "the function's program broke off its answer with something that is not HTTP/1.1"}
	case err == io.ErrUnexpectedEOF || hungUp(err):
		b.err = &fringe.Error{Op: opInvoke, Kind: fringe.Failed, Component: fringe.UserCode, Err: err, Message: "the function's program broke off in the middle of its answer"}
	case b.k.ctx.Err() != nil:
		b.err = b.k.ctx.Err()
	default:
		b.err = err
	}
}

// WriteTo implements io.WriterTo.
func (b *httpBody) WriteTo(w io.Writer) (int64, error) { return stream(w, readerOnly{b}) }

// Close gives the connection back; one whose body was not read to its end is
// closed.
func (b *httpBody) Close() error {
	if !b.mu.TryLock() { // a Read is under way
		b.k.conn.Close()
		return nil
	}
	defer b.mu.Unlock()
	if b.err == nil {
		b.finish(errClosed)
	}
	return nil
}
