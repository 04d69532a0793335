package site

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"fringe"
	"fringe/catalogue"
	"fringe/jobs"
)

// Options is what a caller may say about a job beside its inputs.
type Options struct {
	Namespace   string // that the job counts for; empty: the principal's
	Labels      map[string]string
	Priority    int // from -100 to 100; higher goes first among the caller's jobs
	RunID       string
	Hold        bool          // PENDING until Start; the inputs are checked then
	Key         string        // of idempotency
	Callback    string        // URL that gets the result
	Duration    time.Duration // longest run time; 0: the function's own
	Destruction time.Time     // zero: never
	NoReuse     bool          // run it even if its products are in the store
}

// Submit makes a job of a call and commits it. It checks the inputs, finds the
// datasets and compares the limits with the site before that, and never waits
// for the run. With the idempotency key of a former request it gives that
// request's job, whose ID is another than r's. The call's uploads are the job's
// from here on; without a job they are removed.
func (l *Local) Submit(ctx context.Context, r Request, o Options) (jobs.Job, error) {
	job, err := l.submit(ctx, r, o)
	if len(r.Uploads) > 0 && (err != nil || job.ID != r.ID) {
		if err := l.cfg.Data.Release(r.ID); err != nil {
			l.cfg.Log.Warn("uploads not removed", "call", r.ID, "err", err)
		}
	}
	return job, err
}

func (l *Local) submit(ctx context.Context, r Request, o Options) (jobs.Job, error) {
	const op = "site.Submit"
	if err := l.takes(op, r.Version); err != nil {
		return jobs.Job{}, err
	}
	p := fringe.PrincipalOf(ctx)
	if o.Namespace == "" {
		o.Namespace = p.Namespace
	} else if err := mayUse(op, p, o.Namespace); err != nil {
		return jobs.Job{}, err
	}
	p.Namespace = o.Namespace
	ctx = fringe.WithPrincipal(ctx, p) // what is fetched for the job counts for its namespace too
	n := jobs.NewJob{ID: r.ID, Function: r.Version.Name, Owner: p.Name, Namespace: o.Namespace, Labels: o.Labels,
		Priority: o.Priority, RunID: o.RunID, Trace: r.Trace, Hold: o.Hold, Key: o.Key, Callback: o.Callback, Duration: o.Duration, Destruction: o.Destruction}
	if o.Priority < -100 || o.Priority > 100 {
		return jobs.Job{}, fringe.Errorf(op, fringe.Invalid, "the priority %d is not between -100 and 100", o.Priority)
	}
	if o.Callback != "" {
		if err := l.cfg.Notify.Check(o.Callback); err != nil {
			return jobs.Job{}, fringe.E(op, err)
		}
	}
	var err error
	if o.Key != "" {
		if n.Files, err = filesOf(r.Uploads); err != nil {
			return jobs.Job{}, fringe.E(op, err)
		}
	}
	if o.Hold && len(r.Uploads) > 0 {
		return jobs.Job{}, &fringe.Error{Op: op, Kind: fringe.Invalid, Component: fringe.Data, Message: "files cannot come with a job that is held",
			Cure: "add them as datasets first, and name those"}
	}
	if o.Hold {
		n.Version, n.Digest = r.Version.Version, r.Version.Digest
		n.Inputs, err = json.Marshal(r.Inputs)
	} else {
		n.Work, err = l.workOf(ctx, r, o.Duration)
	}
	if err != nil {
		return jobs.Job{}, fringe.E(op, err)
	}
	if o.NoReuse {
		n.Derivation = ""
	} else {
		n.Reuse = l.stillThere
	}
	job, err := l.cfg.Jobs.Submit(ctx, n)
	if err != nil {
		return jobs.Job{}, l.after(fringe.E(op, err))
	}
	return job, nil
}

// filesOf names the files that came with a call by their content; none by
// nothing.
func filesOf(uploads map[string]string) (string, error) {
	if len(uploads) == 0 {
		return "", nil
	}
	all := sha256.New()
	for _, key := range slices.Sorted(maps.Keys(uploads)) {
		f, err := os.Open(uploads[key])
		if err != nil {
			return "", err
		}
		one := sha256.New()
		_, err = io.Copy(one, f)
		f.Close()
		if err != nil {
			return "", err
		}
		fmt.Fprintf(all, "%q %q %x\n", key, filepath.Base(uploads[key]), one.Sum(nil))
	}
	return hex.EncodeToString(all.Sum(nil)), nil
}

// mayUse refuses a namespace that is not the principal's.
func mayUse(op string, p fringe.Principal, namespace string) error {
	if !fringe.ValidNamespace(namespace) {
		return fringe.Errorf(op, fringe.Invalid, "%.80q cannot name a namespace; 1 to 64 letters, digits and ._@- can", namespace)
	}
	if p.Uses(namespace) {
		return nil
	}
	its := "is in no namespace"
	if p.Namespace != "" {
		its = "is in the namespace " + p.Namespace
	}
	return &fringe.Error{Op: op, Kind: fringe.Denied, Message: fmt.Sprintf("the token %q %s; it cannot submit to %s", p.Name, its, namespace),
		Cure: "ask an operator for a token of that namespace: fringe token create NAME --namespace " + namespace}
}

// Start lets a job go that is PENDING or HELD. Its inputs are checked now; what
// is wrong with them leaves it as it is.
func (l *Local) Start(ctx context.Context, id fringe.CallID) error {
	const op = "site.Start"
	job, err := l.cfg.Jobs.Get(ctx, id)
	if err != nil {
		return err
	}
	v, err := l.cfg.Catalogue.Resolve(ctx, string(job.Function)+"@"+job.Version)
	if err != nil {
		return fringe.E(op, err)
	}
	if err := l.takes(op, v); err != nil {
		return err
	}
	r := Request{ID: id, Version: v}
	if err := fringe.Unmarshal(job.Inputs, &r.Inputs); err != nil {
		return fringe.E(op, err)
	}
	w, err := l.workOf(ctx, r, job.Duration)
	if err != nil {
		return fringe.E(op, err)
	}
	if err := l.cfg.Jobs.Run(ctx, id, w); err != nil {
		return l.after(fringe.E(op, err))
	}
	return nil
}

// takes says whether the site takes jobs of a version now.
func (l *Local) takes(op string, v *catalogue.Version) error {
	l.mu.Lock()
	closed := l.closed
	l.mu.Unlock()
	if closed {
		return stopping(op)
	}
	if v.Raw {
		return &fringe.Error{Op: op, Kind: fringe.Invalid, Message: v.Ref() + " takes the HTTP request itself and cannot be a job",
			Cure: "call it at /function/" + string(v.Name)}
	}
	return nil
}

// workOf prepares a call. A service's runs in the cores and the memory of its
// warm instances, as many at once as those take, and answers no other call.
func (l *Local) workOf(ctx context.Context, r Request, duration time.Duration) (jobs.Work, error) {
	w, err := l.prepare(ctx, r, duration)
	if v := r.Version; v.Shape == fringe.Service {
		w.Limits.CPU, w.Limits.Memory, w.Derivation = 0, 0, ""
		w.Policy.AtOnce = max(1, v.Warm.Max) * max(1, v.Warm.Concurrency)
	}
	return w, err
}

// after says when a full queue is likely to have a place.
func (l *Local) after(err *fringe.Error) error {
	if err.Kind == fringe.Busy {
		err.RetryAfter = l.engine.expectedWait()
	}
	return err
}

// prepare checks a call and gives the work that it is.
func (l *Local) prepare(ctx context.Context, r Request, duration time.Duration) (w jobs.Work, err error) {
	v := r.Version
	inputs, err := v.Tool.Validate(r.Inputs)
	if err != nil {
		return w, err
	}
	if w.Inputs, err = json.Marshal(inputs); err != nil {
		return w, err
	}
	hasData, err := l.resolve(ctx, r, inputs)
	if err != nil {
		return w, err
	}
	if hasData {
		if w.Staged, err = json.Marshal(inputs); err != nil {
			return w, err
		}
	}
	env, err := l.environment(ctx, v.Environment)
	if err != nil {
		return w, err
	}
	asked, err := v.Tool.LimitsFor(inputs)
	if err != nil {
		return w, err
	}
	w.Version, w.Digest, w.Environment = v.Version, v.Digest, v.Environment
	w.Limits = asked.Or(v.Limits).Or(env.Limits).Or(l.cfg.Defaults)
	if duration > 0 && (w.Limits.Time == 0 || duration < w.Limits.Time) {
		w.Limits.Time = duration
	}
	w.Policy = l.policy(v)
	if err := l.fits(v, inputs, w.Limits); err != nil {
		return w, err
	}
	w.Derivation, err = l.derivation(ctx, v, env, w.Limits, inputs)
	return w, err
}

// defaultPolicy is of functions that say nothing.
func defaultPolicy() fringe.Policy {
	return fringe.Policy{Platform: 5, Function: 2, Backoff: 10 * time.Second, Most: 10 * time.Minute, Start: time.Hour}
}

// policy gives the policy of a version: its own, and for the rest the site's.
func (l *Local) policy(v *catalogue.Version) fringe.Policy {
	var own fringe.Policy
	if v.Tool.Function != nil {
		own = v.Tool.Function.Policy
	}
	return own.Or(l.cfg.Policy).Or(defaultPolicy())
}

func stopping(op string) error {
	return &fringe.Error{Op: op, Kind: fringe.Unavailable, Component: fringe.Engine, RetryAfter: 10 * time.Second,
		Message: "the site is stopping and takes no new calls", Cure: "send the call again when it is back"}
}

// callTask makes a job of the call and waits for its end. When ctx ends first
// the job goes on.
func (l *Local) callTask(ctx context.Context, r Request) (*Answer, error) {
	job, err := l.Submit(ctx, r, r.Options)
	if err != nil {
		return nil, err
	}
	waited, stop := l.whileOpen(ctx)
	defer stop()
	if job, err = l.cfg.Jobs.Wait(waited, job.ID, ""); err != nil {
		if ctx.Err() == nil && waited.Err() != nil {
			e := &fringe.Error{Op: "site.callTask", Kind: fringe.Unavailable, Component: fringe.Engine, RetryAfter: 10 * time.Second,
				Message: fmt.Sprintf("the site is stopping; the call goes on as the job %s when it is back", job.ID), Cure: "ask for its result then: fringe job show " + string(job.ID)}
			return nil, e
		}
		return nil, err
	}
	return answerOf(job)
}

// whileOpen gives a context that ends with ctx, or when the site stops.
func (l *Local) whileOpen(ctx context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancel(ctx)
	unhook := context.AfterFunc(l.stopped, cancel)
	return ctx, func() { unhook(); cancel() }
}

// answerOf gives the answer that an ended job is.
func answerOf(job jobs.Job) (*Answer, error) {
	a := &Answer{Job: job.ID, Reused: job.Reused, Timing: Timing{job.Queue, job.Start, job.Run}, Cold: job.Reused == ""}
	if job.Phase != jobs.Completed {
		if job.Err == nil {
			return nil, fringe.Errorf("site.answerOf", fringe.Conflict, "the call %s is %s", job.ID, job.Phase)
		}
		return a, job.Err
	}
	if err := fringe.Unmarshal(job.Outputs, &a.Outputs); err != nil {
		return nil, fringe.E("site.answerOf", err)
	}
	return a, nil
}
