package contract

import (
	"io"
	"net/http"
	"sync"

	"fringe"
)

// small is the largest body that is handed over in one piece.
const small = 64 << 10

// The headers of typed answers, which nobody changes.
var jsonHeader, textHeader = http.Header{"Content-Type": {"application/json"}}, http.Header{"Content-Type": {"text/plain; charset=utf-8"}}

var pages = sync.Pool{New: func() any { b := make([]byte, 0, 4<<10); return &b }}

// answer is a result whose body is in memory; the instance is free of it.
type answer struct {
	result fringe.Result
	body   whole
}

// whole is a body in memory. Its buffer goes back to the pages when it is closed.
type whole struct {
	page *[]byte
	data []byte
}

// newAnswer gives a result with a copy of body.
func newAnswer(status int, h http.Header, body []byte) *fringe.Result {
	a := &answer{body: whole{page: pages.Get().(*[]byte)}}
	*a.body.page = append((*a.body.page)[:0], body...)
	a.body.data = *a.body.page
	a.result = fringe.Result{Status: status, Header: h, Body: &a.body}
	return &a.result
}

func (b *whole) Read(p []byte) (int, error) {
	if len(b.data) == 0 {
		return 0, io.EOF
	}
	n := copy(p, b.data)
	b.data = b.data[n:]
	return n, nil
}

// WriteTo implements io.WriterTo.
func (b *whole) WriteTo(w io.Writer) (int64, error) {
	if len(b.data) == 0 {
		return 0, nil
	}
	n, err := w.Write(b.data)
	b.data = b.data[n:]
	return int64(n), err
}

// Len gives the number of bytes that were not read.
func (b *whole) Len() int { return len(b.data) }

// Buffered says that the instance has done its part.
func (b *whole) Buffered() bool { return true }

func (b *whole) Close() error {
	if b.page != nil && cap(*b.page) <= small {
		pages.Put(b.page)
	}
	b.page, b.data = nil, nil
	return nil
}

var streams = sync.Pool{New: func() any { b := make([]byte, piece+16); return &b }}

// stream copies r to w through a buffer of the pool.
func stream(w io.Writer, r io.Reader) (n int64, err error) {
	buf := streams.Get().(*[]byte)
	defer streams.Put(buf)
	for {
		m, err := r.Read(*buf)
		if m > 0 {
			k, werr := w.Write((*buf)[:m])
			if n += int64(k); werr != nil {
				return n, werr
			}
		}
		if err == io.EOF {
			return n, nil
		}
		if err != nil {
			return n, err
		}
	}
}
