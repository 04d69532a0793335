package site

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"fringe"
	"fringe/attempt"
	"fringe/catalogue"
	"fringe/jobs"
)

// runTask makes one attempt of a claimed job and writes what becomes of it.
func (l *Local) runTask(ctx context.Context, job jobs.Job) error {
	outcome := jobs.Outcome{Phase: jobs.Completed}
	temporary, err := l.execute(ctx, &job, &outcome)
	if errors.Is(context.Cause(ctx), errLost) {
		return l.cleanAttempt(&job)
	}
	if err == nil {
		settle, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
		defer cancel()
		err = l.cfg.Jobs.Settle(settle, job.ID, job.Fence, outcome)
	} else {
		outcome.Err = err
		// The scratch goes first: it may have taken the space that the ledger needs.
		err = errors.Join(l.cleanAttempt(&job), l.finish(ctx, &job, outcome, temporary))
	}
	if fringe.KindOf(err) == fringe.Conflict { // aborted, or taken over
		err = nil
	}
	return errors.Join(err, l.cleanAttempt(&job), l.releaseUploads(ctx, job.ID))
}

// cleanAttempt removes the scratch of an attempt.
func (l *Local) cleanAttempt(job *jobs.Job) error {
	err := os.RemoveAll(l.attemptDir(job))
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

// execute runs the attempt and publishes its outputs. Temporary says that the
// function failed in a way of which its document says that a later try may
// succeed.
func (l *Local) execute(ctx context.Context, job *jobs.Job, outcome *jobs.Outcome) (temporary bool, err error) {
	const op = "site.execute"
	v, inputs, env, err := l.recall(ctx, job)
	if err != nil {
		return false, err
	}
	log, err := l.cfg.Jobs.OpenLog(job.ID)
	if err != nil {
		return false, err
	}
	defer log.Close()
	if err := os.MkdirAll(filepath.Dir(l.attemptDir(job)), 0o700); err != nil {
		return false, fringe.E(op, err)
	}
	base := l.base(&v.Function, env, job.Limits)
	if job.Trace != "" {
		base.Env = append(base.Env, "TRACEPARENT="+job.Trace)
	}
	out, err := attempt.Run(ctx, attempt.Request{Tool: v.Tool, Inputs: inputs, Driver: l.cfg.Driver, ID: instanceOf(job), WorkDir: l.attemptDir(job),
		Limits: job.Limits, Base: base, Network: v.Network, Stdout: log.Stdout(), Stderr: log.Stderr()})
	outcome.Usage, outcome.Start, outcome.Run = out.Exit.Usage, out.Phases.Stage+out.Phases.Start, out.Phases.Run
	defer func() {
		if err := out.Close(); err != nil {
			l.cfg.Log.Warn("view not released", "call", job.ID, "err", err)
		}
	}()
	if err != nil {
		log.Close()
		return false, l.withLastWords(job.ID, err)
	}
	if err := l.publish(ctx, maker{job.ID, job.Owner, job.Fence}, out.Outputs); err != nil {
		return false, err
	}
	if outcome.Outputs, err = json.Marshal(out.Outputs); err != nil {
		return false, fringe.E(op, err)
	}
	return false, nil
}

// instanceOf names the instance of an attempt, so that it is found again.
func instanceOf(job *jobs.Job) fringe.InstanceID {
	return fringe.InstanceID(strings.ToLower(fmt.Sprintf("call-%s-%d", job.ID, job.Fence)))
}

// recall gives the version, the checked inputs with paths of this machine, and
// the environment of a job.
func (l *Local) recall(ctx context.Context, job *jobs.Job) (v *catalogue.Version, inputs map[string]any, env fringe.Environment, err error) {
	const op = "site.recall"
	if v, err = l.cfg.Catalogue.Resolve(ctx, string(job.Function)+"@"+job.Version); err != nil {
		return nil, nil, env, fringe.E(op, err)
	}
	doc := job.Staged
	if doc == nil {
		doc = job.Inputs
	}
	if err := json.Unmarshal(doc, &inputs); err != nil {
		return nil, nil, env, fringe.E(op, err)
	}
	if inputs, err = v.Tool.Validate(inputs); err != nil {
		return nil, nil, env, fringe.E(op, err)
	}
	env, err = l.environment(ctx, job.Environment)
	return v, inputs, env, err
}

const lastWords = 2000 // bytes of the log that an error carries

// withLastWords adds the end of what the function wrote to an error that the
// function's own code caused.
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
	if words != "" {
		e.Message += "; its last words:\n" + words
	}
	if e.Cure == "" {
		e.Cure = "see all that it wrote with: fringe logs " + string(id)
	}
	return e
}
