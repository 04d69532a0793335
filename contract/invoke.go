package contract

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"fringe"
)

const opInvoke = "contract.Invoke"

// Invoke implements fringe.Invoker. A typed call's body is the output object
// as JSON. When the handler raised, Failed is set and the body is text: one
// line that says what happened and where, and after an empty line the
// traceback, which the call's log has as well.
func (w *Worker) Invoke(ctx context.Context, c *fringe.Call) (*fringe.Result, error) {
	if err := w.begin(ctx, c); err != nil {
		return nil, err
	}
	req, err := w.request(c)
	if err != nil {
		w.end()
		return nil, err
	}
	if err := w.send(req); err != nil {
		defer w.end()
		return nil, w.broken(err, true)
	}
	if c.Inputs == nil {
		return w.rawAnswer(req.pump)
	}
	kind, b, err := w.frame()
	if err == nil && kind != frameAnswer && kind != frameFailed {
		err = fmt.Errorf("%w: a frame of kind %q in answer to a typed call", errGarbage, kind)
	}
	if err != nil {
		defer w.end()
		return nil, w.broken(err, hungUp(err))
	}
	var res *fringe.Result
	if kind == frameAnswer {
		res = typed(jsonType, 200, b)
	} else {
		res = w.failed(b)
	}
	w.end()
	return res, nil
}

// request is what is written for a call.
type request struct {
	head []byte // of a raw call
	body []byte // input object, or a small raw body
	pump *pump  // of a large raw body; nil when there is none
}

func (w *Worker) request(c *fringe.Call) (request, error) {
	if c.Inputs == nil {
		return rawRequest(c)
	}
	if len(c.Inputs) > maxFrame || len(c.Dir) > 4096 {
		return request{}, fringe.Errorf(opInvoke, fringe.TooLarge, "the input object has %d bytes; at most %d MiB are allowed", len(c.Inputs), maxFrame>>20)
	}
	return request{body: c.Inputs}, nil
}

// begin takes the worker for the call.
func (w *Worker) begin(ctx context.Context, c *fringe.Call) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case w.slot <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	if w.retired() {
		<-w.slot
		return errRetired(opInvoke)
	}
	w.call, w.ctx, w.unhook = c, ctx, nil
	if ctx.Done() != nil {
		seq := w.seq
		w.unhook = context.AfterFunc(ctx, func() { w.interrupt(seq) })
	}
	if c.Log != nil && w.out != nil {
		w.out.begin(c.Log)
	}
	return nil
}

// interrupt ends the I/O of the call with number seq.
func (w *Worker) interrupt(seq uint64) {
	w.imu.Lock()
	defer w.imu.Unlock()
	if w.seq == seq {
		w.conn.SetDeadline(time.Unix(1, 0))
	}
}

// end gives the worker back after a call.
func (w *Worker) end() {
	if w.unhook != nil && !w.unhook() {
		w.imu.Lock()
		w.seq++
		w.imu.Unlock()
		w.conn.SetDeadline(time.Time{})
	}
	if w.call.Log != nil && w.out != nil {
		w.out.finish(w.call.Log)
	}
	w.call, w.ctx, w.unhook = nil, nil, nil
	<-w.slot
}

// send writes the call's first frame, in one write when it is small.
func (w *Worker) send(r request) error {
	c := w.call
	b := append(w.wbuf[:0], 0, 0, 0, 0, 0)
	if c.Inputs != nil {
		b = binary.LittleEndian.AppendUint16(b, uint16(len(c.Dir)))
		b = append(b, c.Dir...)
		putHeader(b, frameCall, len(b)-frameHeader+len(r.body))
	} else {
		b = binary.LittleEndian.AppendUint32(b, uint32(len(r.head)))
		b = append(b, r.head...)
		putHeader(b, frameRaw, len(b)-frameHeader+len(r.body))
	}
	if len(r.body) <= small {
		b = append(b, r.body...)
		w.wbuf = b
		_, err := w.conn.Write(b)
		return err
	}
	w.wbuf = b
	if _, err := w.conn.Write(b); err != nil {
		return err
	}
	_, err := w.conn.Write(r.body)
	return err
}

// broken says why a call got no answer, and leaves no instance in an unknown
// state. A worker begins a typed call once it has read all of it, so an error
// while that is written or still unread means that it was not begun.
func (w *Worker) broken(err error, unread bool) error {
	if errors.Is(err, os.ErrDeadlineExceeded) && w.ctx.Err() != nil {
		w.kill()
		return w.ctx.Err()
	}
	if errors.Is(err, errGarbage) {
		w.kill()
		return &fringe.Error{Op: opInvoke, Kind: fringe.Failed, Component: fringe.UserCode, Err: err,
			Message: "the function's process broke the worker's protocol and was stopped",
			Cure:    "do not write to descriptor 3 in the handler"}
	}
	e := w.crashed(opInvoke, "while it handled the call", w.call.Function)
	if unread && w.call.Body == nil {
		return &undelivered{e}
	}
	return e
}

// failed gives the result of a handler that raised.
func (w *Worker) failed(b []byte) *fringe.Result {
	var f failure
	if err := json.Unmarshal(b, &f); err != nil {
		f = failure{Type: "Mismatch", Message: "the function failed, and did not say why"}
	}
	text := f.sentence()
	if f.Traceback != "" {
		if w.call.Log != nil {
			if w.out != nil {
				w.out.write([]byte(f.Traceback))
			} else {
				w.call.Log.Write([]byte(f.Traceback))
			}
		}
		text += "\n\n" + f.Traceback
	}
	res := typed(textType, 500, []byte(text))
	res.Failed = true
	return res
}
