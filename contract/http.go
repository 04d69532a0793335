package contract

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"fringe"
)

// SocketPath is where a program of the http contract listens, as it sees it;
// it is told by $FRINGE_SOCKET.
const SocketPath = "/run/fringe/http.sock"

const maxIdle = 64 // connections kept to one instance

// HTTP is a program that answers HTTP/1.1 on the unix socket $FRINGE_SOCKET,
// or on $PORT when its function may use the network: an instance without
// network has no way in by TCP.
//
// Connections are kept and used again. When a call's context ends before the
// answer, its connection is closed, which tells the program; the instance
// stays.
type HTTP struct {
	running
	logs *output // nil when the output goes elsewhere
	port int     // 0: none

	mu   sync.Mutex // guards idle
	idle []*link
}

var _ fringe.Invoker = (*HTTP)(nil)

// StartHTTP starts the program through the driver and waits until it listens,
// or ctx ends. The spec gets FRINGE_SOCKET, with a writable mount for it below
// Scratch, and PORT when it has Network; Stdout and Stderr are set when they
// are nil: what the program writes there goes to the logs of the calls that it
// handles. Nothing is left running when it fails.
func StartHTTP(ctx context.Context, d fringe.Driver, s fringe.Spec) (*HTTP, error) {
	const op = "contract.StartHTTP"
	port := 0
	s.Env = append(slices.Clone(s.Env), "FRINGE_SOCKET="+SocketPath)
	if s.Network {
		var err error
		if port, err = freePort(); err != nil {
			return nil, fringe.E(op, err)
		}
		s.Env = append(s.Env, "PORT="+strconv.Itoa(port))
	}
	dir := filepath.Join(s.Scratch, "http")
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return nil, fringe.E(op, err)
	}
	if err := os.Chmod(dir, 0o777); err != nil {
		return nil, fringe.E(op, err)
	}
	s.Mounts = append(slices.Clone(s.Mounts), fringe.Mount{Source: dir, Target: filepath.Dir(SocketPath), Writable: true})
	out, closeOut, err := plumb(&s)
	if err != nil {
		return nil, fringe.E(op, err)
	}
	inst, err := d.Start(ctx, s)
	closeOut()
	if err != nil {
		out.close()
		return nil, fringe.E(op, err)
	}
	return newHTTP(ctx, inst, out, port)
}

// NewHTTP speaks with a program that was started, and waits until it listens
// on SocketPath or, when port is not 0, on that port of the loopback. It owns
// inst from here on; inst is stopped when the program does not listen before
// ctx ends.
func NewHTTP(ctx context.Context, inst fringe.Instance, port int) (*HTTP, error) {
	return newHTTP(ctx, inst, nil, port)
}

func newHTTP(ctx context.Context, inst fringe.Instance, out *output, port int) (*HTTP, error) {
	h := &HTTP{port: port, logs: out}
	var w writings = nothing{}
	if out != nil {
		w = out
	}
	h.watch(inst, w, h.closeIdle)
	if err := h.ready(ctx); err != nil {
		h.Close()
		return nil, err
	}
	return h, nil
}

// Line gives 0: calls of a program are not put in line.
func (h *HTTP) Line(*fringe.Call) int { return 0 }

// freePort gives a port of the loopback on which nobody listens.
func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

// ready waits until the program listens.
func (h *HTTP) ready(ctx context.Context) error {
	const op = "contract.StartHTTP"
	wait := time.Millisecond
	for {
		k, err := h.dial(ctx)
		if err == nil {
			h.put(k)
			return nil
		}
		timer := time.NewTimer(wait)
		select {
		case <-h.ended:
			timer.Stop()
			e := h.exitError(op, "before it listened", nil)
			if e.Component == fringe.UserCode {
				e.Component = fringe.Start
			}
			return e
		case <-ctx.Done():
			timer.Stop()
			return &fringe.Error{Op: op, Kind: fringe.Failed, Component: fringe.Start, Err: errors.Join(ctx.Err(), err),
				Message: fmt.Sprintf("the program did not listen on its socket $FRINGE_SOCKET (%s) in time%s", SocketPath, h.lastWords()),
				Cure:    "listen on the unix socket; a program that can only listen on $PORT needs NetworkAccess"}
		case <-timer.C:
			wait = min(2*wait, 50*time.Millisecond)
		}
	}
}

// dial connects to the program: by its socket, else by its port.
func (h *HTTP) dial(ctx context.Context) (*link, error) {
	conn, err := h.inst.Dial(ctx, SocketPath)
	if err != nil && h.port != 0 {
		var d net.Dialer
		conn, err = d.DialContext(ctx, "tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(h.port)))
	}
	if err != nil {
		return nil, err
	}
	return newLink(conn)
}

// connect dials; a program whose queue of connections is full is asked again.
func (h *HTTP) connect(ctx context.Context) (*link, error) {
	wait := time.Millisecond
	for {
		k, err := h.dial(ctx)
		if err == nil || !errors.Is(err, unix.EAGAIN) {
			return k, err
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil, ctx.Err()
		case <-h.done:
			timer.Stop()
			return nil, err
		case <-timer.C:
			wait = min(2*wait, 20*time.Millisecond)
		}
	}
}

// take gives an idle connection that is still open, or nil.
func (h *HTTP) take() *link {
	for {
		h.mu.Lock()
		n := len(h.idle)
		if n == 0 {
			h.mu.Unlock()
			return nil
		}
		k := h.idle[n-1]
		h.idle = h.idle[:n-1]
		h.mu.Unlock()
		if k.open() {
			return k
		}
		k.conn.Close()
	}
}

// put keeps a connection for the next call.
func (h *HTTP) put(k *link) {
	h.mu.Lock()
	keep := len(h.idle) < maxIdle && !h.retired()
	if keep {
		h.idle = append(h.idle, k)
	}
	h.mu.Unlock()
	if !keep {
		k.conn.Close()
	}
}

func (h *HTTP) closeIdle() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, k := range h.idle {
		k.conn.Close()
	}
	h.idle = nil
}

// Invoke implements fringe.Invoker. A typed call is a POST of the input object
// to /, and an answer of 400 and above to it means that the function failed. A
// raw call's answer passes as it is, without the headers that concern the
// connection. Call.ID goes along as X-Call-Id, and Dir as X-Fringe-Dir.
func (h *HTTP) Invoke(ctx context.Context, c *fringe.Call) (*fringe.Result, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if h.retired() {
		return nil, errRetired(opInvoke)
	}
	q, err := newQuery(c)
	if err != nil {
		return nil, err
	}
	if c.Log != nil && h.logs != nil {
		h.logs.begin(c.Log)
	}
	res, err := h.exchange(ctx, c, q)
	if err != nil || buffered(res.Body) {
		h.finishLog(c)
	}
	q.release()
	return res, err
}

func (h *HTTP) finishLog(c *fringe.Call) {
	if c.Log != nil && h.logs != nil {
		h.logs.finish(c.Log)
	}
}

func buffered(r io.Reader) bool {
	_, ok := r.(*whole)
	return ok
}

// exchange sends the request and reads the answer. A kept connection may have
// been closed by the program at the same moment: then a request that it cannot
// have begun, or that may be repeated, goes over a new one.
func (h *HTTP) exchange(ctx context.Context, c *fringe.Call, q *query) (*fringe.Result, error) {
	if k := h.take(); k != nil {
		res, err := h.over(ctx, c, q, k)
		var stale *staleError
		if !errors.As(err, &stale) || q.pump != nil || stale.sent && !q.repeatable {
			return res, h.explain(ctx, c, err, q)
		}
	}
	k, err := h.connect(ctx)
	if err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, h.unreachable(c, q, err)
	}
	res, err := h.over(ctx, c, q, k)
	return res, h.explain(ctx, c, err, q)
}

// over does one exchange over the connection.
func (h *HTTP) over(ctx context.Context, c *fringe.Call, q *query, k *link) (*fringe.Result, error) {
	k.begin(ctx)
	res, err := k.exchange(h, c, q)
	if err != nil {
		k.end()
		k.conn.Close()
		return nil, err
	}
	if !buffered(res.Body) {
		return res, nil
	}
	h.giveBack(k)
	return res, nil
}

// giveBack keeps or closes the connection after an exchange.
func (h *HTTP) giveBack(k *link) {
	k.end()
	if k.reusable() {
		h.put(k)
	} else {
		k.conn.Close()
	}
}

// explain turns what went wrong in an exchange into the caller's error.
func (h *HTTP) explain(ctx context.Context, c *fringe.Call, err error, q *query) error {
	var stale *staleError
	var ours *fringe.Error
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.As(err, &ours):
		return err
	case errors.Is(err, errNotHTTP):
		return &fringe.Error{Op: opInvoke, Kind: fringe.Failed, Component: fringe.UserCode, Err: err,
			Message: "the function's program answered with something that is not HTTP/1.1"}
	case errors.As(err, &stale) && !stale.sent && q.pump == nil && c.Body == nil:
		return &undelivered{h.leftEarly(c)}
	}
	return h.leftEarly(c)
}

// leftEarly says why the connection ended before the answer.
func (h *HTTP) leftEarly(c *fringe.Call) *fringe.Error {
	timer := time.NewTimer(100 * time.Millisecond)
	defer timer.Stop()
	select {
	case <-h.ended:
		h.retire()
		return h.exitError(opInvoke, "while it handled the call", c.Function)
	case <-timer.C:
		return &fringe.Error{Op: opInvoke, Kind: fringe.Failed, Component: fringe.UserCode,
			Message: "the function's program closed the connection before it had answered" + h.lastWords()}
	}
}

// unreachable says why no connection could be made; such a program is stopped.
func (h *HTTP) unreachable(c *fringe.Call, q *query, err error) error {
	e := h.crashed(opInvoke, "and takes no connections", c.Function)
	e.Err = err
	if q.pump != nil || c.Body != nil {
		return e
	}
	return &undelivered{e}
}
