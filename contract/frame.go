package contract

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// Kinds of frames. The server sends load, call, raw, body and end; the worker
// the others, and body and end of its answer.
const (
	frameLoad   = 'L' // JSON of Load
	frameCall   = 'C' // length of place (2 bytes), place: dir, and after a NUL the trace if there is one; input object
	frameRaw    = 'R' // length of head (4 bytes), head as JSON, body
	frameBody   = 'B' // piece of a body
	frameEnd    = 'E' // end of a body; a payload says that it is cut short, and why
	frameReady  = 'Y' // JSON
	frameFailed = 'F' // JSON of a failure
	frameAnswer = 'A' // output object
	frameWhole  = 'S' // length of head (4 bytes), head as JSON, body
	frameHead   = 'H' // head as JSON
	frameOut    = 'O' // what the handler wrote
)

const (
	frameHeader = 5
	maxFrame    = 65 << 20 // bytes of an answer, a little above what the worker allows itself
	maxPiece    = 1 << 20  // bytes of a body's piece, of output, of a head
	piece       = 256 << 10
)

// errGarbage says that what came is not the protocol.
var errGarbage = errors.New("what it sent is not the worker's protocol")

// frames reads frames from a connection. Payloads of up to the buffer's size
// are read with their header by one system call.
type frames struct {
	conn io.Reader
	buf  []byte
	r, w int

	inside bool // a header was read, its payload was not
}

func putHeader(b []byte, kind byte, n int) {
	binary.LittleEndian.PutUint32(b, uint32(n))
	b[4] = kind
}

// fill reads until n bytes are buffered; n is at most the buffer's size.
func (f *frames) fill(n int) error {
	if f.r == f.w {
		f.r, f.w = 0, 0
	}
	if f.r+n > len(f.buf) {
		f.w = copy(f.buf, f.buf[f.r:f.w])
		f.r = 0
	}
	for f.w-f.r < n {
		m, err := f.conn.Read(f.buf[f.w:])
		f.w += m
		if err != nil {
			if err == io.EOF && f.w > f.r {
				return io.ErrUnexpectedEOF
			}
			return err
		}
	}
	return nil
}

// next reads a frame's header and gives the length of its payload.
func (f *frames) next() (kind byte, n int, err error) {
	if err := f.fill(frameHeader); err != nil {
		return 0, 0, err
	}
	b := f.buf[f.r:]
	size, kind := binary.LittleEndian.Uint32(b), b[4]
	limit := uint32(maxPiece)
	switch kind {
	case frameAnswer, frameWhole:
		limit = maxFrame
	case frameReady, frameFailed, frameHead, frameBody, frameEnd, frameOut:
	default:
		return 0, 0, fmt.Errorf("%w: a frame of kind %q", errGarbage, kind)
	}
	if size > limit {
		return 0, 0, fmt.Errorf("%w: a frame of kind %q with %d bytes", errGarbage, kind, size)
	}
	f.r += frameHeader
	f.inside = true
	return kind, int(size), nil
}

// payload reads n bytes. The slice holds until the next read.
func (f *frames) payload(n int) ([]byte, error) {
	if n <= len(f.buf) {
		if err := f.fill(n); err != nil {
			return nil, noEOF(err)
		}
		b := f.buf[f.r : f.r+n]
		f.r += n
		f.inside = false
		return b, nil
	}
	b := make([]byte, 0, min(n, maxPiece)) // grows with what comes, not with what was announced
	for len(b) < n {
		if len(b) == cap(b) {
			b = append(b, make([]byte, min(n-len(b), len(b)))...)[:len(b)]
		}
		m, err := f.read(b[len(b):min(cap(b), n)])
		if b = b[:len(b)+m]; err != nil {
			return nil, noEOF(err)
		}
	}
	f.inside = false
	return b, nil
}

// read reads into p what is there.
func (f *frames) read(p []byte) (int, error) {
	if f.r < f.w {
		n := copy(p, f.buf[f.r:f.w])
		f.r += n
		return n, nil
	}
	return f.conn.Read(p)
}

// noEOF turns an end in the middle of a frame into an error.
func noEOF(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}
