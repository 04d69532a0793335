package contract

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"sync"
	"unicode/utf8"

	"fringe"
)

// request is what is written for a raw call.
type request struct {
	head []byte // JSON
	body []byte // when it is small
	pump *pump  // of a large body; nil when there is none
}

// newRequest makes what is written for a raw call. A small body of known
// length is read here.
func newRequest(c *fringe.Call) (request, error) {
	r := request{}
	length := c.Length
	if c.Body == nil {
		length = 0
	}
	if length >= 0 && length <= small {
		r.body = make([]byte, length)
		if length > 0 {
			if _, err := io.ReadFull(c.Body, r.body); err != nil {
				return r, bodyError(err)
			}
		}
	} else {
		r.pump = &pump{body: c.Body}
	}
	r.head = appendHead(make([]byte, 0, 512), c, length, r.pump != nil)
	if len(r.head) > maxPiece {
		return r, fringe.Errorf(opInvoke, fringe.TooLarge, "the request's head has %d bytes; at most %d are allowed", len(r.head), maxPiece)
	}
	return r, nil
}

func bodyError(err error) error {
	return &fringe.Error{Op: opInvoke, Kind: fringe.Invalid, Message: "the request's body ended before it was complete", Err: err}
}

// appendHead appends the head of a raw call as JSON.
func appendHead(b []byte, c *fringe.Call, length int64, more bool) []byte {
	b = appendString(append(b, `{"method":`...), c.Method)
	b = appendString(append(b, `,"path":`...), c.Path)
	b = appendString(append(b, `,"query":`...), c.Query)
	b = append(b, `,"headers":[`...)
	first := true
	for k, values := range c.Header {
		for _, v := range values {
			if !first {
				b = append(b, ',')
			}
			first = false
			b = appendString(append(b, '['), k)
			b = appendString(append(b, ','), v)
			b = append(b, ']')
		}
	}
	b = strconv.AppendInt(append(b, `],"length":`...), length, 10)
	if c.Dir != "" {
		b = appendString(append(b, `,"dir":`...), c.Dir)
	}
	if more {
		b = append(b, `,"more":true`...)
	}
	return append(b, '}')
}

const hexDigits = "0123456789abcdef"

// appendString appends s as a JSON string; bytes that are no UTF-8 become U+FFFD.
func appendString(b []byte, s string) []byte {
	b = append(b, '"')
	for i := 0; i < len(s); {
		c := s[i]
		switch {
		case c == '"' || c == '\\':
			b = append(b, '\\', c)
		case c < ' ':
			b = append(b, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
		case c < utf8.RuneSelf:
			b = append(b, c)
		default:
			r, n := utf8.DecodeRuneInString(s[i:])
			b = utf8.AppendRune(b, r)
			i += n
			continue
		}
		i++
	}
	return append(b, '"')
}

// pump sends a large request body in a goroutine of its own while the caller
// reads the answer. It ends when the body ends, or at its first read after the
// answer has ended.
type pump struct {
	body io.Reader
	over bool // the answer has ended, or the end of the body was sent; guarded by Worker.wmu
}

func (w *Worker) pump(p *pump) {
	buf := streams.Get().(*[]byte)
	defer streams.Put(buf)
	for {
		n, err := p.body.Read((*buf)[frameHeader : frameHeader+piece])
		if n > 0 {
			putHeader(*buf, frameBody, n)
			if !w.push(p, (*buf)[:frameHeader+n], false) {
				return
			}
		}
		if err == nil {
			continue
		}
		why := ""
		if err != io.EOF {
			why = "the client did not send all of it"
		}
		w.push(p, endFrame(why), true)
		return
	}
}

// push writes a frame of the body unless the call is over.
func (w *Worker) push(p *pump, frame []byte, last bool) bool {
	w.wmu.Lock()
	defer w.wmu.Unlock()
	if p.over {
		return false
	}
	p.over = last
	_, err := w.conn.Write(frame)
	return err == nil
}

func endFrame(why string) []byte {
	b := append(make([]byte, frameHeader, frameHeader+len(why)), why...)
	putHeader(b, frameEnd, len(why))
	return b
}

// head is the head of a raw answer.
type head struct {
	Status  int         `json:"status"`
	Headers [][2]string `json:"headers"`
}

func (h *head) header() http.Header {
	out := make(http.Header, len(h.Headers))
	for _, kv := range h.Headers {
		out.Add(kv[0], kv[1])
	}
	return out
}

func parseHead(b []byte) (*head, error) {
	var h head
	if err := json.Unmarshal(b, &h); err != nil {
		return nil, fmt.Errorf("%w: the head of an answer: %v", errGarbage, err)
	}
	if h.Status < 200 || h.Status > 599 {
		return nil, fmt.Errorf("%w: the status %d", errGarbage, h.Status)
	}
	return &h, nil
}

// invokeRaw does a raw call that has the baton.
func (w *Worker) invokeRaw(t *turn) (*fringe.Result, error) {
	w.mu.Lock()
	cause := w.cause
	w.mu.Unlock()
	if cause != nil {
		w.pass(t)
		return nil, &undelivered{cause}
	}
	w.hook(t)
	r, err := newRequest(t.call)
	if err != nil {
		w.end(t)
		return nil, err
	}
	if err = w.writeRaw(r); err == nil {
		if r.pump != nil {
			go w.pump(r.pump)
		}
		var res *fringe.Result
		if res, err = w.readRaw(t, r.pump); err == nil {
			return res, nil
		}
	}
	err = w.broken(t, err, hungUp(err))
	w.over(r.pump) // the connection is closed: nothing is written
	w.end(t)
	return nil, err
}

func (w *Worker) writeRaw(r request) error {
	w.wmu.Lock()
	defer w.wmu.Unlock()
	b := append(w.wbuf[:0], 0, 0, 0, 0, 0)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(r.head)))
	b = append(b, r.head...)
	putHeader(b, frameRaw, len(b)-frameHeader+len(r.body))
	w.wbuf = append(b, r.body...)
	_, err := w.conn.Write(w.wbuf)
	return err
}

// end gives the worker back after a raw call.
func (w *Worker) end(t *turn) {
	w.unhook(t)
	w.pass(t)
}

func (w *Worker) readRaw(t *turn, p *pump) (*fringe.Result, error) {
	kind, b, err := w.frame(t.call.Log)
	if err != nil {
		return nil, err
	}
	switch kind {
	case frameFailed:
		res := failed(t.call, b)
		w.over(p)
		w.end(t)
		return res, nil
	case frameHead:
		h, err := parseHead(b)
		if err != nil {
			return nil, err
		}
		return &fringe.Result{Status: h.Status, Header: h.header(), Body: &rawBody{w: w, t: t, pump: p}}, nil
	case frameWhole:
		if len(b) < 4 || uint64(binary.LittleEndian.Uint32(b)) > uint64(len(b)-4) {
			return nil, fmt.Errorf("%w: an answer of %d bytes", errGarbage, len(b))
		}
		n := 4 + int(binary.LittleEndian.Uint32(b))
		h, err := parseHead(b[4:n])
		if err != nil {
			return nil, err
		}
		res := newAnswer(h.Status, h.header(), b[n:])
		w.over(p)
		w.end(t)
		return res, nil
	}
	return nil, fmt.Errorf("%w: a frame of kind %q in answer to a raw call", errGarbage, kind)
}

// over ends the pump of a call whose answer has ended; the worker drops what
// it has sent.
func (w *Worker) over(p *pump) {
	if p != nil {
		w.push(p, endFrame("the answer has ended"), true)
	}
}

// rawBody is the body of a streamed answer. The worker is taken until it has
// been read or closed.
type rawBody struct {
	w    *Worker
	t    *turn
	pump *pump

	mu   sync.Mutex // guards the rest against a Close from another goroutine
	left int        // bytes of the current frame
	err  error      // set once the body has ended
}

func (b *rawBody) Read(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for b.err == nil && b.left == 0 {
		b.next()
	}
	if b.err != nil {
		return 0, b.err
	}
	n, err := b.w.in.read(p[:min(len(p), b.left)])
	b.left -= n
	if err != nil {
		b.fail(noEOF(err))
		return n, b.err
	}
	return n, nil
}

// next reads the header of the next frame.
func (b *rawBody) next() {
	kind, n, err := b.w.frameHead(b.t.call.Log)
	switch {
	case err != nil:
		b.fail(noEOF(err))
	case kind == frameBody:
		b.left = n
	case kind == frameEnd:
		why, err := b.w.in.payload(n)
		if err != nil {
			b.fail(err)
			return
		}
		if b.err = io.EOF; len(why) > 0 {
			b.err = &fringe.Error{Op: opInvoke, Kind: fringe.Failed, Component: fringe.UserCode, Message: "the function failed in the middle of its answer: " + string(why)}
		}
		b.w.over(b.pump)
		b.w.end(b.t)
	default:
		b.fail(fmt.Errorf("%w: a frame of kind %q in a body", errGarbage, kind))
	}
}

func (b *rawBody) fail(err error) {
	b.err = b.w.broken(b.t, err, false)
	b.w.retire()
	b.w.over(b.pump)
	b.w.end(b.t)
}

// WriteTo implements io.WriterTo.
func (b *rawBody) WriteTo(w io.Writer) (int64, error) {
	return stream(w, readerOnly{b})
}

type readerOnly struct{ io.Reader }

// Close gives the worker back. A body that was not read to its end takes the
// instance with it.
func (b *rawBody) Close() error {
	if !b.mu.TryLock() { // a Read is under way
		b.w.kill()
		return nil
	}
	defer b.mu.Unlock()
	if b.err == nil {
		b.w.kill()
		b.err = errClosed
		b.w.over(b.pump)
		b.w.end(b.t)
	}
	return nil
}

var errClosed = errors.New("the body is closed")
