package contract

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"fringe"
)

const (
	opInvoke = "contract.Invoke"

	lineLength = 63       // most calls in line behind the one that is handled
	lineBytes  = 64 << 10 // of their input objects: all fit in the socket's buffer, so that no write waits

	// orphanTime bounds how long a worker may be busy with calls for which
	// nobody waits any more.
	orphanTime = 250 * time.Millisecond

	// glance is how often contexts are looked at while an answer is waited for.
	glance = 20 * time.Millisecond
)

// Line gives how many calls the worker takes in line behind the one that it
// handles, c being the last of them; 0 when it takes no more now.
func (w *Worker) Line(c *fringe.Call) int {
	if w.raw || w.ahead.Load()+int64(len(c.Inputs)) > lineBytes {
		return 0
	}
	return lineLength
}

// Invoke implements fringe.Invoker. A typed call's body is the output object
// as JSON. When the handler raised, Failed is set and the body is text: what
// happened and where. The traceback is in the call's log.
func (w *Worker) Invoke(ctx context.Context, c *fringe.Call) (*fringe.Result, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if w.raw != (c.Inputs == nil) {
		return nil, fringe.Errorf(opInvoke, fringe.Invalid, "the call and the function's interface do not agree: one is typed, the other raw")
	}
	if len(c.Inputs) > maxFrame || len(c.Dir)+len(c.Trace) > 4096 {
		return nil, fringe.Errorf(opInvoke, fringe.TooLarge, "the input object has %d bytes; at most %d MiB are allowed", len(c.Inputs), maxFrame>>20)
	}
	t := turns.Get().(*turn)
	t.ctx, t.call = ctx, c
	if err := w.queue(t); err != nil {
		return nil, err
	}
	if w.raw {
		return w.invokeRaw(t)
	}
	res, err := w.answer(t)
	if !t.gone {
		w.pass(t)
	}
	return res, err
}

// queue puts the call in line, writes it when it is typed, and waits for the
// baton. When it fails the turn is not the caller's any more.
func (w *Worker) queue(t *turn) error {
	leads, err := w.join(t)
	if err != nil {
		t.recycle()
		return err
	}
	if leads {
		return nil
	}
	if !w.raw {
		<-t.baton // or the call that reads has found that the context has ended
		if t.led {
			return nil
		}
		return t.ctx.Err()
	}
	select {
	case <-t.baton:
		return nil
	case <-t.ctx.Done():
		return w.abandon(t)
	}
}

// join puts the call in line and says whether it has the baton. A typed one is
// written; an error of that is left to be met by the read.
func (w *Worker) join(t *turn) (leads bool, err error) {
	if !w.raw {
		w.wmu.Lock()
		defer w.wmu.Unlock()
	}
	w.mu.Lock()
	if w.retired() || w.cause != nil {
		w.mu.Unlock()
		return false, errRetired(opInvoke)
	}
	w.line = append(w.line, t)
	w.ahead.Add(int64(len(t.call.Inputs)))
	if leads = !w.held; leads {
		w.held, t.led = true, true
	}
	w.mu.Unlock()
	if !w.raw {
		w.write(t.call)
	}
	return leads, nil
}

// write writes a typed call, in one write when it is small. The caller holds
// wmu.
func (w *Worker) write(c *fringe.Call) {
	b := append(w.wbuf[:0], 0, 0, 0, 0, 0, 0, 0)
	b = append(b, c.Dir...)
	if c.Trace != "" {
		b = append(append(b, 0), c.Trace...)
	}
	binary.LittleEndian.PutUint16(b[frameHeader:], uint16(len(b)-frameHeader-2))
	putHeader(b, frameCall, len(b)-frameHeader+len(c.Inputs))
	if len(c.Inputs) <= small {
		w.wbuf = append(b, c.Inputs...)
		w.conn.Write(w.wbuf)
		return
	}
	w.wbuf = b
	if _, err := w.conn.Write(b); err == nil {
		w.conn.Write(c.Inputs)
	}
}

// abandon takes a raw call, which was not written, out of the line, and gives
// its context's error.
func (w *Worker) abandon(t *turn) error {
	err := t.ctx.Err()
	w.mu.Lock()
	defer w.mu.Unlock()
	t.gone = true
	w.leave(t)
	if t.led { // the baton came at the same moment
		w.hand()
	}
	return err
}

// attend lets nobody wait for those calls in line whose context has ended. It
// is called now and then by the call that reads.
func (w *Worker) attend() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, t := range w.line {
		if t.gone || t == w.reader || t.ctx.Err() == nil {
			continue
		}
		w.orphan(t)
		t.baton <- struct{}{}
	}
}

// orphan lets the call end for nobody: a short one ends soon, and the worker
// lives on. The caller holds mu.
func (w *Worker) orphan(t *turn) {
	t.gone = true
	time.AfterFunc(orphanTime, func() { w.look(t) })
}

// look stops a worker that has been busy with orphans for too long.
func (w *Worker) look(t *turn) {
	w.mu.Lock()
	waiting := slices.Contains(w.line, t)
	busy := waiting && w.line[0].gone
	w.mu.Unlock()
	switch {
	case busy:
		w.kill()
	case waiting: // behind a call that is somebody's
		time.AfterFunc(orphanTime, func() { w.look(t) })
	}
}

// patient reads from a worker's connection. While a typed call reads, its
// context and those of the calls in line are looked at every glance, which
// costs less than to be told of the end of each.
type patient struct {
	w     *Worker
	until time.Time // the connection's read deadline
}

// Read implements io.Reader.
func (p *patient) Read(b []byte) (int, error) {
	for t := p.w.reader; t != nil; {
		if now := time.Now(); p.until.Sub(now) < glance/2 {
			p.until = now.Add(glance)
			if err := p.w.conn.SetReadDeadline(p.until); err != nil {
				return 0, err
			}
		}
		n, err := p.w.conn.Read(b)
		if n > 0 || !errors.Is(err, os.ErrDeadlineExceeded) || t.ctx.Err() != nil {
			return n, err
		}
		p.w.attend()
	}
	return p.w.conn.Read(b)
}

// hand gives the baton to the first call for which somebody waits. The caller
// holds mu.
func (w *Worker) hand() {
	for _, x := range w.line {
		if !x.gone {
			x.led = true
			x.baton <- struct{}{}
			return
		}
	}
	w.held = false
}

// leave takes the call out of the line. The caller holds mu.
func (w *Worker) leave(t *turn) {
	if i := slices.Index(w.line, t); i >= 0 {
		w.line = slices.Delete(w.line, i, i+1)
		w.ahead.Add(-int64(len(t.call.Inputs)))
	}
}

// pass takes the call out of the line, hands the baton on and ends the turn.
func (w *Worker) pass(t *turn) {
	w.mu.Lock()
	w.leave(t)
	w.hand()
	w.mu.Unlock()
	t.recycle()
}

func (t *turn) recycle() {
	t.ctx, t.call, t.stop, t.led, t.gone = nil, nil, nil, false, false
	turns.Put(t)
}

// answer reads the answer of a typed call that has the baton, past those of
// calls that were abandoned.
func (w *Worker) answer(t *turn) (*fringe.Result, error) {
	w.mu.Lock()
	cause, first := w.cause, w.line[0]
	w.mu.Unlock()
	if cause != nil {
		return nil, &undelivered{cause}
	}
	w.reader = t
	for {
		log := first.call.Log
		if first.gone {
			log = nil
		}
		kind, b, err := w.frame(log)
		if err == nil && kind != frameAnswer && kind != frameFailed {
			err = fmt.Errorf("%w: a frame of kind %q in answer to a typed call", errGarbage, kind)
		}
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded) && !w.in.inside && errors.Is(t.ctx.Err(), context.Canceled):
			w.mu.Lock()
			w.orphan(t)
			w.hand()
			w.mu.Unlock()
			return nil, t.ctx.Err()
		case err != nil:
			return nil, w.broken(t, err, hungUp(err) || first != t)
		case first != t:
			w.mu.Lock()
			w.leave(first)
			first = w.line[0]
			w.mu.Unlock()
		case kind == frameAnswer:
			return newAnswer(200, jsonHeader, b), nil
		default:
			return failed(t.call, b), nil
		}
	}
}

// hook makes the end of a raw call's context end its I/O.
func (w *Worker) hook(t *turn) {
	if t.ctx.Done() == nil {
		return
	}
	w.imu.Lock()
	seq := w.seq
	w.imu.Unlock()
	t.stop = context.AfterFunc(t.ctx, func() {
		w.imu.Lock()
		defer w.imu.Unlock()
		if w.seq == seq {
			w.conn.SetDeadline(time.Unix(1, 0))
		}
	})
}

// unhook undoes hook.
func (w *Worker) unhook(t *turn) {
	if t.stop == nil || t.stop() {
		return
	}
	w.imu.Lock()
	w.seq++
	w.imu.Unlock()
	w.conn.SetDeadline(time.Time{})
}

// broken says why a call got no answer, and leaves no instance in an unknown
// state. A worker begins a call once it has read all of it and has answered
// those before; unbegun says that this one was not begun. Those in line behind
// it were not begun either.
func (w *Worker) broken(t *turn, err error, unbegun bool) error {
	told := w.explain(t, err)
	cause := &fringe.Error{Op: opInvoke, Kind: fringe.Unavailable, Component: fringe.Engine, Message: "the function's instance was stopped before it began the call"}
	e, ours := told.(*fringe.Error)
	if ours {
		cause.Err = e
	}
	w.mu.Lock()
	w.cause = cause
	w.mu.Unlock()
	if ours && unbegun && t.call.Body == nil {
		return &undelivered{e}
	}
	return told
}

func (w *Worker) explain(t *turn, err error) error {
	if errors.Is(err, os.ErrDeadlineExceeded) && t.ctx.Err() != nil {
		w.kill()
		return t.ctx.Err()
	}
	if errors.Is(err, errGarbage) {
		w.kill()
		return &fringe.Error{Op: opInvoke, Kind: fringe.Failed, Component: fringe.UserCode, Err: err,
			Message: "the function's process broke the worker's protocol and was stopped",
			Cure:    "do not write to descriptor 3 in the handler"}
	}
	return w.crashed(opInvoke, "while it handled the call", t.call.Function)
}

// failed gives the result of a handler that raised.
func failed(c *fringe.Call, b []byte) *fringe.Result {
	var f failure
	if err := json.Unmarshal(b, &f); err != nil {
		f = failure{Type: "Mismatch", Message: "the function failed, and did not say why"}
	}
	if f.Traceback != "" && c.Log != nil {
		io.WriteString(c.Log, f.Traceback)
	}
	res := newAnswer(500, textHeader, []byte(f.sentence()))
	res.Failed = true
	return res
}
