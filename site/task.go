package site

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"time"

	"fringe"
	"fringe/attempt"
	"fringe/jobs"
)

var (
	errAborted  = errors.New("the call was aborted")
	errStopping = errors.New("the server stopped")
)

// run is a task under way.
type run struct {
	req    Request
	inputs map[string]any
	owner  fringe.Principal
	limits fringe.Limits
	env    fringe.Environment
	ticket *ticket
	cancel context.CancelCauseFunc
	done   chan struct{} // closed when answer and err are set
	answer *Answer
	err    error
}

// callTask makes a job of the call, commits it, starts it and waits for it.
func (l *Local) callTask(ctx context.Context, req Request, inputs map[string]any) (*Answer, error) {
	const op = "site.callTask"
	v := req.Version
	env, err := l.environment(ctx, v.Environment)
	if err != nil {
		return nil, fringe.E(op, err)
	}
	asked, err := v.Tool.LimitsFor(inputs)
	if err != nil {
		return nil, fringe.E(op, err)
	}
	r := &run{req: req, inputs: inputs, owner: fringe.PrincipalOf(ctx), env: env, done: make(chan struct{}),
		limits: asked.Or(v.Limits).Or(env.Limits).Or(l.cfg.Defaults)}
	if err := l.gate.fits(r.limits); err != nil {
		return nil, err
	}
	if r.ticket, err = l.gate.reserve(r.limits); err != nil {
		return nil, err
	}
	if err := l.accept(ctx, r); err != nil {
		l.giveBack(r.ticket)
		return nil, err
	}
	select {
	case <-r.done:
		return r.answer, r.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// giveBack returns a ticket that nobody will wait for.
func (l *Local) giveBack(t *ticket) {
	if !l.gate.leave(t) {
		l.gate.release(t, 0)
	}
}

// accept commits the job and starts the goroutine that owns it.
func (l *Local) accept(ctx context.Context, r *run) error {
	const op = "site.accept"
	doc, err := json.Marshal(r.inputs)
	if err != nil {
		return fringe.E(op, err)
	}
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return stopping(op)
	}
	l.runs.Add(1)
	l.mu.Unlock()
	v := r.req.Version
	_, err = l.cfg.Jobs.Submit(ctx, jobs.NewJob{ID: r.req.ID, Function: v.Name, Version: v.Version, Digest: v.Digest,
		Owner: r.owner.Name, Inputs: doc})
	if err != nil {
		l.runs.Done()
		return fringe.E(op, err)
	}
	runCtx, cancel := context.WithCancelCause(fringe.WithPrincipal(context.WithoutCancel(ctx), r.owner))
	r.cancel = cancel
	l.mu.Lock()
	l.active[r.req.ID] = r
	l.mu.Unlock()
	go func() {
		defer l.runs.Done()
		defer cancel(nil)
		l.runTask(runCtx, r)
	}()
	return nil
}

func stopping(op string) error {
	return &fringe.Error{Op: op, Kind: fringe.Unavailable, Component: fringe.Engine, RetryAfter: 10 * time.Second,
		Message: "the site is stopping and takes no new calls", Cure: "send the call again when it is back"}
}

// runTask takes the job from the gate to its end and settles it.
func (l *Local) runTask(ctx context.Context, r *run) {
	outcome := jobs.Outcome{Phase: jobs.Completed}
	r.answer, r.err = l.execute(ctx, r, &outcome)
	if r.err != nil {
		outcome.Phase = jobs.Error
		if cause := context.Cause(ctx); cause != nil {
			r.err = interrupted(cause)
			if errors.Is(cause, errAborted) {
				outcome.Phase = jobs.Aborted
			}
		}
		outcome.Err = r.err
	}
	settle, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
	defer cancel()
	if err := l.cfg.Jobs.Settle(settle, r.req.ID, 1, outcome); err != nil {
		l.cfg.Log.Error("job not settled", "call", r.req.ID, "err", err)
		if r.err == nil {
			r.err = fringe.E("site.runTask", err)
		}
	}
	if err := os.RemoveAll(l.attemptDir(r)); err != nil {
		l.cfg.Log.Warn("scratch not removed", "call", r.req.ID, "err", err)
	}
	if err := l.cfg.Data.Release(r.req.ID); err != nil {
		l.cfg.Log.Warn("uploads not removed", "call", r.req.ID, "err", err)
	}
	l.mu.Lock()
	delete(l.active, r.req.ID)
	l.mu.Unlock()
	close(r.done)
}

func interrupted(cause error) error {
	e := &fringe.Error{Op: "site.runTask", Kind: fringe.Failed, Component: fringe.Engine, Message: cause.Error()}
	if errors.Is(cause, errStopping) {
		e.Kind, e.Cure = fringe.Unavailable, "send the call again when the site is back"
	}
	return e
}

func (l *Local) attemptDir(r *run) string { return filepath.Join(l.attempts(), string(r.req.ID)) }

// execute waits at the gate, runs the attempt and publishes its outputs.
func (l *Local) execute(ctx context.Context, r *run, outcome *jobs.Outcome) (*Answer, error) {
	begin := time.Now()
	release, err := l.gate.wait(ctx, r.ticket)
	if err != nil {
		return nil, err
	}
	defer release()
	timing := Timing{Queue: time.Since(begin)}
	if err := l.cfg.Jobs.Start(ctx, r.req.ID, 1); err != nil {
		return nil, err
	}
	log, err := l.cfg.Jobs.OpenLog(r.req.ID)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	base := l.base(&r.req.Version.Function, r.env, r.limits)
	if r.req.Trace != "" {
		base.Env = append(base.Env, "TRACEPARENT="+r.req.Trace)
	}
	out, err := attempt.Run(ctx, attempt.Request{Tool: r.req.Version.Tool, Inputs: r.inputs, Driver: l.cfg.Driver,
		ID: fringe.InstanceID("call-" + string(r.req.ID)), WorkDir: l.attemptDir(r), Limits: r.limits, Base: base,
		Network: r.req.Version.Network, Stdout: log.Stdout(), Stderr: log.Stderr()})
	timing.Start, timing.Run = out.Phases.Stage+out.Phases.Start, out.Phases.Run
	outcome.Usage, outcome.Queue, outcome.Start, outcome.Run = out.Exit.Usage, timing.Queue, timing.Start, timing.Run
	defer func() {
		if err := out.Close(); err != nil {
			l.cfg.Log.Warn("view not released", "call", r.req.ID, "err", err)
		}
	}()
	if err != nil {
		log.Close()
		return nil, l.withLastWords(r.req.ID, err)
	}
	if err := l.publish(ctx, r.req.ID, out.Outputs); err != nil {
		return nil, err
	}
	if outcome.Outputs, err = json.Marshal(out.Outputs); err != nil {
		return nil, fringe.E("site.execute", err)
	}
	return &Answer{Outputs: out.Outputs, Timing: timing, Cold: true}, nil
}

const lastWords = 2000 // bytes of the log that an error carries

// withLastWords adds the end of what the function wrote to an error that the
// function's own code caused.
func (l *Local) withLastWords(id fringe.CallID, err error) error {
	e := fringe.E("site.execute", err)
	if e.Component != fringe.UserCode || strings.Contains(e.Message, "its last words") {
		return e
	}
	words := l.cfg.Jobs.Tail(id, jobs.Stderr, lastWords)
	if words == "" {
		words = l.cfg.Jobs.Tail(id, jobs.Stdout, lastWords)
	}
	if words != "" {
		e.Message += "; its last words:\n" + words
	}
	if e.Cure == "" {
		e.Cure = "see all that it wrote with: fringe logs " + string(id)
	}
	return e
}
