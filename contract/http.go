package contract

import (
	"context"
	"time"

	"fringe"
)

// HTTPConfig says how to reach a program that listens.
type HTTPConfig struct {
	Socket string // path of the unix socket inside the instance; SocketPath when empty
	Port   int    // loopback port, for an instance with the host's network; 0: none
}

// HTTP is a program that answers HTTP/1.1.
type HTTP struct {
	inst fringe.Instance
	done chan struct{}
}

// StartHTTP starts the program through the driver and waits until it listens.
func StartHTTP(ctx context.Context, d fringe.Driver, s fringe.Spec) (*HTTP, error) {
	return NewHTTP(ctx, nil, HTTPConfig{})
}

// NewHTTP speaks with a program that was started; it waits until it listens.
func NewHTTP(ctx context.Context, inst fringe.Instance, cfg HTTPConfig) (*HTTP, error) {
	return &HTTP{inst: inst, done: make(chan struct{})}, nil
}

// ID gives the instance's id.
func (h *HTTP) ID() fringe.InstanceID { return h.inst.ID() }

// Done is closed when the program can take no more calls.
func (h *HTTP) Done() <-chan struct{} { return h.done }

// Invoke implements fringe.Invoker.
func (h *HTTP) Invoke(ctx context.Context, c *fringe.Call) (*fringe.Result, error) {
	return nil, ctx.Err()
}

// Stop ends the instance.
func (h *HTTP) Stop(ctx context.Context, grace time.Duration) error { return h.inst.Stop(ctx, grace) }

// Close ends the instance at once.
func (h *HTTP) Close() error { return h.Stop(context.Background(), 0) }

var _ fringe.Invoker = (*HTTP)(nil)
