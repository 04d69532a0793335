package contract

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"fringe"
)

// Load says which handler a Python worker loads, as paths inside the instance.
// Other workers have their handler in them.
type Load struct {
	File    string   `json:"file"`              // the Python file, such as /fringe/function/function.py
	Handler string   `json:"handler"`           // the name of the handler in it: main
	Raw     bool     `json:"raw"`               // the handler takes the HTTP request itself
	Preload []string `json:"preload,omitempty"` // modules imported before the file
}

// Worker is a worker that is ready: the Python worker that has loaded its
// handler, or a program of native/fringe_worker.h's protocol. It handles one call
// at a time, in the order of their coming: typed calls are sent ahead, so that
// it has the next one at hand when it has answered; raw calls wait.
//
// A running handler cannot be interrupted safely. When the time of the call
// that is handled is up, the instance is stopped, and those in line behind it
// were not begun. A call whose caller has left is answered for nobody; only
// when the instance is not done with it after orphanTime it is stopped.
type Worker struct {
	running
	conn net.Conn
	raw  bool
	in   frames // used by the call that holds the baton

	reader *turn // the typed call that reads; used by the call that holds the baton

	wmu  sync.Mutex // held for each write, which also puts a typed call in line; guards wbuf and pump.over
	wbuf []byte

	mu    sync.Mutex    // guards the rest
	ahead atomic.Int64  // bytes of the input objects of the line; written with mu held
	line  []*turn       // calls that are not answered, in order; typed ones were written
	held  bool          // a call holds the baton
	cause *fringe.Error // why the worker broke, as those in line behind are told; nil while it works

	imu sync.Mutex // guards seq, and that no deadline is set once it has moved on
	seq uint64     // calls whose context has ended
}

// turn is a call in line. The call that holds the baton reads answers: those
// of calls that nobody waits for, up to its own. Then the next gets the baton.
type turn struct {
	ctx   context.Context
	call  *fringe.Call
	stop  func() bool   // takes the interrupt off ctx; nil when there is none
	baton chan struct{} // of capacity 1
	led   bool          // the baton was given
	gone  bool          // nobody waits for the answer
}

var turns = sync.Pool{New: func() any { return &turn{baton: make(chan struct{}, 1)} }}

var _ fringe.Invoker = (*Worker)(nil)

// failure is what a worker tells of an exception.
type failure struct {
	Type      string `json:"type"`
	Message   string `json:"message"`
	File      string `json:"file"`
	Line      int    `json:"line"`
	Traceback string `json:"traceback"`
}

// sentence says what happened and where.
func (f *failure) sentence() string {
	s := f.Message
	switch {
	case s == "" && f.Type == "":
		s = "the function failed, and did not say why"
	case f.Type == "Mismatch" || f.Type == "Problem" || f.Type == "":
	case s == "":
		s = f.Type
	default:
		s = f.Type + ": " + s
	}
	if f.File != "" {
		s += fmt.Sprintf(" (%s, line %d)", filepath.Base(f.File), f.Line)
	}
	return s
}

// WorkerArgv gives the command line of a worker under the interpreter. The
// package fringe must be on its PYTHONPATH.
func WorkerArgv(python string) []string { return []string{python, "-s", "-m", "fringe.worker"} }

// StartWorker starts a worker through the driver and waits until it has loaded
// its handler, or ctx ends. The spec's Argv is WorkerArgv's, or a program's; Conn is set here,
// and so are Stdout and Stderr when they are nil: what the handler prints goes to
// the call's log line by line, what native code and child processes write there
// when the call ends. Nothing is left running when it fails.
func StartWorker(ctx context.Context, d fringe.Driver, s fringe.Spec, load Load) (*Worker, error) {
	const op = "contract.StartWorker"
	conn, child, err := pair()
	if err != nil {
		return nil, fringe.E(op, err)
	}
	out, err := newMemory()
	if err != nil {
		conn.Close()
		child.Close()
		return nil, fringe.E(op, err)
	}
	s.Conn = child
	if s.Stdout == nil {
		s.Stdout = out.file
	}
	if s.Stderr == nil {
		s.Stderr = out.file
	}
	inst, err := d.Start(ctx, s)
	child.Close()
	if err != nil {
		conn.Close()
		out.close()
		return nil, fringe.E(op, err)
	}
	return newWorker(ctx, inst, conn, out, load)
}

// NewWorker speaks over conn with a worker that was started, and waits until
// it has loaded its handler, or ctx ends. The worker owns inst and conn from
// here on; inst is stopped when loading fails.
func NewWorker(ctx context.Context, inst fringe.Instance, conn net.Conn, load Load) (*Worker, error) {
	return newWorker(ctx, inst, conn, nothing{}, load)
}

func newWorker(ctx context.Context, inst fringe.Instance, conn net.Conn, out writings, load Load) (*Worker, error) {
	w := &Worker{conn: conn, raw: load.Raw}
	w.in = frames{conn: &patient{w: w}, buf: make([]byte, 16<<10)}
	w.watch(inst, out, func() { conn.Close() })
	if err := w.load(ctx, load); err != nil {
		w.Close()
		return nil, err
	}
	return w, nil
}

// load hands the worker its handler and waits until it is ready.
func (w *Worker) load(ctx context.Context, load Load) error {
	const op = "contract.StartWorker"
	b, err := json.Marshal(load)
	if err != nil {
		return fringe.E(op, err)
	}
	stop := context.AfterFunc(ctx, func() { w.conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	head := make([]byte, frameHeader, frameHeader+len(b))
	putHeader(head, frameLoad, len(b))
	if _, err := w.conn.Write(append(head, b...)); err != nil {
		return w.loadError(ctx, op, err)
	}
	kind, b, err := w.frame(w.out)
	switch {
	case err != nil:
		return w.loadError(ctx, op, err)
	case kind == frameFailed:
		return importError(op, b)
	case kind != frameReady:
		return w.loadError(ctx, op, fmt.Errorf("%w: a frame of kind %q before it was ready", errGarbage, kind))
	}
	if !stop() {
		return w.loadError(ctx, op, ctx.Err())
	}
	w.out.forget()
	return nil
}

func importError(op string, b []byte) error {
	var f failure
	if err := json.Unmarshal(b, &f); err != nil {
		return &fringe.Error{Op: op, Kind: fringe.Failed, Component: fringe.Start, Message: "the worker could not load the function, and did not say why", Err: err}
	}
	e := &fringe.Error{Op: op, Kind: fringe.Failed, Component: fringe.UserCode, Message: f.sentence()}
	if f.Traceback != "" {
		e.Err = errors.New(f.Traceback)
	}
	return e
}

func (w *Worker) loadError(ctx context.Context, op string, err error) error {
	if ctx.Err() != nil {
		return &fringe.Error{Op: op, Kind: fringe.Failed, Component: fringe.Start, Err: ctx.Err(),
			Message: "the function was not ready in time: its imports had not ended" + w.lastWords()}
	}
	if errors.Is(err, errGarbage) {
		w.kill()
		return &fringe.Error{Op: op, Kind: fringe.Failed, Component: fringe.Start, Err: err, Message: "the function's process does not speak as a worker does"}
	}
	e := w.crashed(op, "before it was ready", nil)
	if e.Component == fringe.UserCode {
		e.Component = fringe.Start
	}
	return e
}

// frame reads frames until one that is no output, which goes to log.
func (w *Worker) frame(log io.Writer) (kind byte, payload []byte, err error) {
	kind, n, err := w.frameHead(log)
	if err != nil {
		return 0, nil, err
	}
	payload, err = w.in.payload(n)
	return kind, payload, err
}

// frameHead reads frames until the header of one that is no output.
func (w *Worker) frameHead(log io.Writer) (kind byte, n int, err error) {
	for {
		kind, n, err = w.in.next()
		if err != nil || kind != frameOut {
			return kind, n, err
		}
		b, err := w.in.payload(n)
		if err != nil {
			return 0, 0, err
		}
		if log != nil {
			log.Write(b)
		}
	}
}

// pair makes a unix socket pair: our end, and a blocking one for the worker.
func pair() (net.Conn, *os.File, error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("socketpair: %w", err)
	}
	ours, theirs := os.NewFile(uintptr(fds[0]), "worker"), os.NewFile(uintptr(fds[1]), "server")
	defer ours.Close()
	conn, err := net.FileConn(ours)
	if err != nil {
		theirs.Close()
		return nil, nil, err
	}
	return conn, theirs, nil
}
