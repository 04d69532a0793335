package contract

import (
	"context"
	"net"
	"os"
	"time"

	"fringe"
)

// Load says which handler a worker loads, as paths inside the instance.
type Load struct {
	File    string   `json:"file"`              // the Python file, such as /fringe/function/function.py
	Handler string   `json:"handler"`           // the name of the handler in it: main
	Raw     bool     `json:"raw"`               // the handler takes the HTTP request itself
	Preload []string `json:"preload,omitempty"` // modules imported before the file
}

// Wires are the server's ends of what connects it with one worker.
type Wires struct {
	Conn   net.Conn // the other end is the worker's descriptor 3
	Output *os.File // read end of a pipe that is the worker's stdout and stderr; nil when they go elsewhere
}

// Worker is a Python worker that has loaded its handler.
type Worker struct {
	inst fringe.Instance
	done chan struct{}
}

// WorkerArgv gives the command line of a worker under the interpreter.
func WorkerArgv(python string) []string { return []string{python, "-s", "-m", "fringe.worker"} }

// StartWorker starts a worker through the driver and waits until it has loaded its handler.
func StartWorker(ctx context.Context, d fringe.Driver, s fringe.Spec, load Load) (*Worker, error) {
	return NewWorker(ctx, nil, Wires{}, load)
}

// NewWorker speaks with a worker that was started.
func NewWorker(ctx context.Context, inst fringe.Instance, wires Wires, load Load) (*Worker, error) {
	return &Worker{inst: inst, done: make(chan struct{})}, nil
}

// ID gives the instance's id.
func (w *Worker) ID() fringe.InstanceID { return w.inst.ID() }

// Done is closed when the worker can take no more calls.
func (w *Worker) Done() <-chan struct{} { return w.done }

// Invoke implements fringe.Invoker.
func (w *Worker) Invoke(ctx context.Context, c *fringe.Call) (*fringe.Result, error) {
	return nil, ctx.Err()
}

// Stop ends the instance.
func (w *Worker) Stop(ctx context.Context, grace time.Duration) error { return w.inst.Stop(ctx, grace) }

// Close ends the instance at once.
func (w *Worker) Close() error { return w.Stop(context.Background(), 0) }

var _ fringe.Invoker = (*Worker)(nil)
