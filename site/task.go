package site

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"fringe"
	"fringe/attempt"
	"fringe/catalogue"
	"fringe/jobs"
)

// runTask makes one attempt of a claimed job, or takes up the one that a former
// life of the server made, and writes what becomes of it. When the server stops
// the attempt goes on without it, and nothing is written.
func (l *Local) runTask(ctx context.Context, job jobs.Job, former bool) error {
	outcome, temporary, err := l.perform(ctx, &job, former)
	switch cause := context.Cause(ctx); {
	case err != nil && errors.Is(cause, attempt.ErrLeave):
		return nil
	case err != nil && errors.Is(cause, errLost):
		return l.cleanAttempt(&job)
	case err != nil:
		outcome.Err = err
		if err = l.finish(ctx, &job, outcome, temporary); err != nil && fringe.KindOf(err) != fringe.Conflict {
			// The scratch may have taken the space that the ledger needs.
			if err = l.cleanAttempt(&job); err == nil {
				err = l.finish(ctx, &job, outcome, temporary)
			}
		}
	}
	if err != nil && fringe.KindOf(err) != fringe.Conflict { // else aborted, or taken over
		return err // the attempt stays as it is, to be taken up
	}
	return errors.Join(l.cleanAttempt(&job), l.releaseUploads(ctx, job.ID))
}

// unkept is why the site cannot keep what a program made that ended well, or
// may have ended well by now.
type unkept struct{ error }

// Unwrap gives the reason.
func (u *unkept) Unwrap() error { return u.error }

// unkeptIf gives what the platform failed in as unkept when there is something
// to be kept.
func unkeptIf(there bool, err error) error {
	if err != nil && there && platformFailed(err) {
		return &unkept{err}
	}
	return err
}

// perform makes the attempt and settles the job when it comes to good. When
// only the site fails to keep what the program made, because its disk is full
// for a while, that is tried again: the program does not run again for it.
func (l *Local) perform(ctx context.Context, job *jobs.Job, former bool) (outcome jobs.Outcome, temporary bool, err error) {
	for try := 0; ; try++ {
		outcome = jobs.Outcome{Phase: jobs.Completed}
		temporary, err = l.execute(ctx, job, &outcome, former || try > 0)
		if err == nil {
			if err = l.settle(ctx, job, outcome); err == nil {
				return outcome, false, nil
			}
		}
		var u *unkept
		if !errors.As(err, &u) || try >= job.Policy.Platform {
			return outcome, temporary, err
		}
		l.cfg.Log.Warn("what a task made is not kept yet", "call", job.ID, "err", err)
		select {
		case <-ctx.Done():
			return outcome, temporary, err
		case <-time.After(backoff(job.Policy, try, rand.Float64())):
		}
	}
}

// settle writes that a job has ended well, unless it is another's by now.
func (l *Local) settle(ctx context.Context, job *jobs.Job, o jobs.Outcome) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
	defer cancel()
	err := l.cfg.Jobs.Settle(ctx, job.ID, job.Fence, o)
	if err != nil && fringe.KindOf(err) != fringe.Conflict {
		return &unkept{err}
	}
	return nil
}

// cleanAttempt removes the scratch of an attempt.
func (l *Local) cleanAttempt(job *jobs.Job) error {
	err := attempt.Remove(l.attemptDir(job))
	os.Remove(filepath.Dir(l.attemptDir(job))) // unless a former attempt's is there
	return err
}

// releaseUploads removes the files that came with a call that has ended.
func (l *Local) releaseUploads(ctx context.Context, id fringe.CallID) error {
	job, err := l.cfg.Jobs.Get(context.WithoutCancel(ctx), id)
	if err == nil && !job.Phase.Final() {
		return nil
	}
	return l.cfg.Data.Release(id)
}

func (l *Local) attemptDir(job *jobs.Job) string {
	return filepath.Join(l.attempts(), string(job.ID), fmt.Sprint(job.Fence))
}

// execute runs the attempt and publishes its outputs, or answers from the
// store. Temporary says that the function failed in a way after which a later
// try may succeed.
func (l *Local) execute(ctx context.Context, job *jobs.Job, outcome *jobs.Outcome, former bool) (temporary bool, err error) {
	const op = "site.execute"
	r, v, inputs, err := l.recall(ctx, job, former)
	if err != nil {
		if former && !platformFailed(err) {
			err = errors.Join(err, l.stopFormer(ctx, job))
		}
		return false, unkeptIf(former, err)
	}
	if v.Shape == fringe.Service {
		return false, l.executeService(ctx, job, *v, inputs, outcome)
	}
	key := job.Derivation
	if !former { // the data may have changed while the job waited
		if key, err = l.derivation(ctx, v, r.env, job.Limits, inputs); err != nil {
			return false, err
		}
		memo, err := l.remembered(ctx, key)
		if err != nil {
			return false, err
		}
		if memo != nil && job.Derivation != "" {
			outcome.Outputs, outcome.Reused, outcome.Derivation = memo.Outputs, memo.Job, key
			return false, nil
		}
	}
	log, err := l.cfg.Jobs.OpenFiles(job.ID)
	if err != nil {
		return false, unkeptIf(former, err)
	}
	defer log.Close()
	r.Stdout, r.Stderr, r.LogMax, r.Durable = log.Stdout(), log.Stderr(), jobs.MaxLog, true
	out, err := l.attempt(ctx, job, r.Request, former)
	outcome.Usage, outcome.Start, outcome.Run = out.Exit.Usage, out.Phases.Stage+out.Phases.Start, out.Phases.Run
	defer func() {
		if err := out.Close(); err != nil {
			l.cfg.Log.Warn("view not released", "call", job.ID, "err", err)
		}
	}()
	if err != nil {
		code := out.Exit.Code
		temporary = fringe.E(op, err).Component == fringe.UserCode && out.Exit.Cause == fringe.Exited &&
			(v.Tool.Temporary(code) || slices.Contains(job.Policy.Codes, code))
		return temporary, unkeptIf(out.Kept, l.withLastWords(job.ID, err))
	}
	if err := l.publish(ctx, maker{call: job.ID, owner: job.Owner, namespace: job.Namespace, fence: job.Fence}, out.Outputs); err != nil {
		return false, unkeptIf(true, err)
	}
	if outcome.Outputs, err = json.Marshal(out.Outputs); err != nil {
		return false, fringe.E(op, err)
	}
	after, err := l.derivation(ctx, v, r.env, job.Limits, inputs)
	if err == nil && after == key {
		outcome.Derivation = key // else the data changed meanwhile: nobody knows of what the outputs are
	}
	return false, nil
}

// stopFormer ends the instance of a former attempt that cannot be taken up.
func (l *Local) stopFormer(ctx context.Context, job *jobs.Job) error {
	in, err := l.cfg.Driver.Attach(ctx, InstanceOf(job), filepath.Join(l.attemptDir(job), "scratch"))
	if fringe.KindOf(err) == fringe.NotFound {
		return nil
	}
	if err != nil {
		return err
	}
	return in.Stop(ctx, 0)
}

// attempt makes an attempt or takes up a former one, and watches it.
func (l *Local) attempt(ctx context.Context, job *jobs.Job, r attempt.Request, former bool) (attempt.Outcome, error) {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	started := make(chan struct{})
	r.Driver = watched{r.Driver, started}
	watching := make(chan struct{})
	go func() { defer close(watching); l.watch(ctx, stop, job, started) }()
	defer func() { stop(nil); <-watching }()
	if former {
		return attempt.Resume(ctx, r)
	}
	if err := errors.Join(attempt.Remove(r.WorkDir), os.MkdirAll(filepath.Dir(r.WorkDir), 0o700)); err != nil {
		return attempt.Outcome{}, fringe.E("site.attempt", err)
	}
	return attempt.Run(ctx, r)
}

// InstanceOf names the instance of a job's attempt, so that it is found again.
func InstanceOf(job *jobs.Job) fringe.InstanceID {
	return fringe.InstanceID(strings.ToLower(fmt.Sprintf("call-%s-%d", job.ID, job.Fence)))
}

// recalled is what an attempt is made from.
type recalled struct {
	attempt.Request
	env fringe.Environment
}

// recall gives the request of an attempt, the version, and the checked inputs
// with paths of this machine.
func (l *Local) recall(ctx context.Context, job *jobs.Job, former bool) (r recalled, v *catalogue.Version, inputs map[string]any, err error) {
	const op = "site.recall"
	if v, err = l.cfg.Catalogue.Resolve(ctx, string(job.Function)+"@"+job.Version); err != nil {
		return r, nil, nil, fringe.E(op, err)
	}
	doc := job.Staged
	if doc == nil {
		doc = job.Inputs
	}
	if err := fringe.Unmarshal(doc, &inputs); err != nil {
		return r, nil, nil, fringe.E(op, err)
	}
	if inputs, err = v.Tool.Validate(inputs); err != nil {
		return r, nil, nil, fringe.E(op, err)
	}
	if former { // it was started in the environment as that was then
		r.env, err = l.cfg.Catalogue.Environment(ctx, job.Environment)
	} else {
		r.env, err = l.environment(ctx, job.Environment)
	}
	if err != nil {
		return r, nil, nil, fringe.E(op, err)
	}
	r.Request = attempt.Request{Tool: v.Tool, Inputs: inputs, ID: InstanceOf(job), WorkDir: l.attemptDir(job), Limits: job.Limits,
		Base: l.base(&v.Function, r.env, job.Limits), Network: v.Network}
	r.Driver = l.driver(&v.Function, r.env, r.Base)
	if job.Trace != "" {
		r.Base.Env = append(r.Base.Env, "TRACEPARENT="+job.Trace)
	}
	return r, v, inputs, nil
}

const lastWords = 2000 // bytes of the log that an error carries

// withLastWords adds the end of what the function wrote to an error that the
// function's own code caused, unless it says itself why.
func (l *Local) withLastWords(id fringe.CallID, err error) error {
	e := fringe.E("site.execute", err)
	if e.Component != fringe.UserCode || strings.Contains(e.Message, "its last words") {
		return e
	}
	if l.diskFull() {
		e.Message += "; no space is left on the site's disk"
		e.Cure = "remove datasets that are not needed (fringe data remove), or serve a directory on a larger disk"
	}
	words := l.cfg.Jobs.Tail(id, jobs.Stderr, lastWords)
	if words == "" {
		words = l.cfg.Jobs.Tail(id, jobs.Stdout, lastWords)
	}
	if words != "" && !errors.Is(err, attempt.ErrOwnReason) {
		e.Message += "; its last words:\n" + words
	}
	if e.Cure == "" {
		e.Cure = "see all that it wrote with: fringe logs " + string(id)
	}
	return e
}
