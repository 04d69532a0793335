package site

import (
	"context"
	"encoding/json"
	"fmt"
	"hash/maphash"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/oklog/ulid/v2"

	"fringe"
	"fringe/catalogue"
	"fringe/contract"
	"fringe/cwl"
	"fringe/jobs"
	"fringe/pool"
)

const (
	maxObject = 16 << 20      // bytes of an output object
	jobWait   = math.MaxInt64 // a job has been accepted: its attempts wait for instances however long they do
)

// attacher is the ability of a driver's instances to have data mounted after
// their start; an instance that lacks it gets copies.
type attacher interface {
	AddMount(ctx context.Context, m fringe.Mount) (release func() error, err error)
}

// warm is an instance of a service with the directory of its calls.
type warm struct {
	pool.Instance
	site *Local
	dir  string   // of this machine; the instance sees dir/calls as /calls
	root *os.Root // of dir: what the instance makes of its calls' directories leads not out of it
	inst fringe.Instance
	kept kept
}

// Stop implements pool.Instance; it removes the instance's scratch.
func (w *warm) Stop(ctx context.Context, grace time.Duration) error {
	err := w.Instance.Stop(ctx, grace)
	w.root.Close()
	if rm := os.RemoveAll(w.dir); rm != nil {
		w.site.cfg.Log.Warn("instance scratch not removed", "instance", w.ID(), "err", rm)
	}
	return err
}

// startInstance starts a warm instance of fn for the pool.
func (l *Local) startInstance(ctx context.Context, fn *fringe.Function) (pool.Instance, error) {
	const op = "site.startInstance"
	env, err := l.environment(ctx, fn.Environment)
	if err != nil {
		return nil, fringe.E(op, err)
	}
	id := strings.ToLower(fmt.Sprintf("%s-%s", fn.Name, ulid.Make()))
	w := &warm{site: l, dir: filepath.Join(l.instances(), id)}
	if err := os.MkdirAll(filepath.Join(w.dir, "calls"), 0o755); err != nil {
		return nil, fringe.E(op, err)
	}
	s := l.base(fn, env, fn.Limits.Or(env.Limits).Or(l.cfg.Defaults))
	d := &keep{Driver: l.driver(fn, env, s)}
	s.ID, s.Dir, s.Scratch = fringe.InstanceID(id), "/tmp", filepath.Join(w.dir, "scratch")
	s.Limits.Time = 0 // the limit of time is one call's, not the instance's
	s.Mounts = append(s.Mounts, fringe.Mount{Source: filepath.Join(w.dir, "calls"), Target: callsDir, Writable: true})
	if err := os.MkdirAll(s.Scratch, 0o700); err != nil {
		return nil, fringe.E(op, err)
	}
	if w.root, err = os.OpenRoot(w.dir); err != nil {
		return nil, fringe.E(op, err)
	}
	w.Instance, err = l.connect(ctx, d, s, fn, env)
	if err != nil {
		w.root.Close()
		os.RemoveAll(w.dir)
		return nil, err
	}
	w.inst = d.inst
	return w, nil
}

// keep remembers the instance that a contract started.
type keep struct {
	fringe.Driver
	inst fringe.Instance
}

func (k *keep) Start(ctx context.Context, s fringe.Spec) (fringe.Instance, error) {
	inst, err := k.Driver.Start(ctx, s)
	k.inst = inst
	return inst, err
}

func (l *Local) connect(ctx context.Context, d fringe.Driver, s fringe.Spec, fn *fringe.Function, env fringe.Environment) (pool.Instance, error) {
	switch fn.Contract {
	case fringe.Python:
		if env.Python == "" {
			return nil, &fringe.Error{Op: "site.connect", Kind: fringe.Unavailable, Component: fringe.Start,
				Message: fmt.Sprintf("the environment %q has no Python", env.Name), Cure: `write python: "3" in its environment.yaml and build it again`}
		}
		s.Argv = contract.WorkerArgv(env.Python)
		module, name, _ := strings.Cut(fn.Handler, ":")
		return contract.StartWorker(ctx, d, s, contract.Load{File: filepath.Join(functionDir, module+".py"), Handler: first(name, "main"),
			Raw: fn.Raw, Preload: env.Preload})
	case fringe.HTTP:
		s.Argv = fn.Command
		s.Dir = functionDir
		return contract.StartHTTP(ctx, d, s)
	case fringe.Worker:
		s.Argv = fn.Command
		s.Dir = functionDir
		return contract.StartWorker(ctx, d, s, contract.Load{})
	}
	return nil, &fringe.Error{Op: "site.connect", Kind: fringe.Invalid, Component: fringe.Start,
		Message: fmt.Sprintf("%s has the contract %q, which has no services", fn.Ref(), fn.Contract)}
}

func first(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// callService hands a typed call to a warm instance.
func (l *Local) callService(ctx context.Context, r Request, inputs map[string]any, hasData bool) (*Answer, error) {
	const op = "site.callService"
	log := &callLog{jobs: l.cfg.Jobs, id: r.ID}
	defer log.Close()
	c := &fringe.Call{ID: r.ID, Function: &r.Version.Function, Log: log, Trace: r.Trace, Same: r.same}
	if c.Same == 0 {
		c.Same = l.same(ctx, &r)
	}
	if r.fence != 0 {
		c.MaxWait = jobWait
	}
	if hasData || makesFiles(r.Version.Tool) {
		c.Dir = callsDir + "/" + string(r.ID)
		if err := bring(c, inputs); err != nil {
			return nil, err
		}
	}
	var err error
	if c.Inputs = r.Object; c.Inputs == nil {
		if c.Inputs, err = json.Marshal(inputs); err != nil {
			return nil, fringe.E(op, err)
		}
	}
	begin := time.Now()
	bound := l.bound(ctx, c.Function, begin)
	defer bound.end()
	res, err := l.pool.Invoke(bound, c)
	if err != nil {
		return nil, bound.explain(c.Function, err)
	}
	defer res.Body.Close()
	if res.Failed {
		return nil, failure(r.ID, res)
	}
	a := &Answer{Timing: Timing{Queue: res.Queue, Start: res.Start}, Cold: res.Cold}
	if a.JSON, err = readObject(res.Body); err != nil {
		return nil, err
	}
	if c.Function.Contract == fringe.Worker { // Python's worker has checked what the handler returned
		if a.JSON, err = r.Version.Tool.Answer(a.JSON); err != nil {
			return nil, err
		}
	}
	a.Timing.Run = max(0, time.Since(begin)-res.Queue-res.Start)
	if c.Dir == "" {
		return a, nil
	}
	if a.Outputs, err = a.Object(); err != nil {
		return nil, err
	}
	a.JSON = nil
	if r.Handover {
		if err := a.handOver(c.Dir, res.Dir); err != nil {
			return nil, err
		}
		return a, nil
	}
	p := fringe.PrincipalOf(ctx)
	if err := l.publishCallFiles(ctx, maker{r.ID, p.Name, p.Namespace, r.fence, filepath.Dir(res.Dir)}, a.Outputs, res.Dir); err != nil {
		return nil, err
	}
	return a, nil
}

// executeService makes one attempt of a job by a warm instance.
func (l *Local) executeService(ctx context.Context, job *jobs.Job, v catalogue.Version, inputs map[string]any, outcome *jobs.Outcome) error {
	ctx = fringe.WithPrincipal(ctx, fringe.Principal{Name: job.Owner, Namespace: job.Namespace})
	v.Limits.Time = job.Limits.Time
	r := Request{ID: job.ID, Version: &v, Trace: job.Trace, fence: job.Fence, same: maphash.String(l.seed, string(job.ID))}
	a, err := l.callService(ctx, r, inputs, job.Staged != nil)
	if err != nil {
		return err
	}
	outcome.Start, outcome.Run = a.Timing.Queue+a.Timing.Start, a.Timing.Run
	if outcome.Outputs = a.JSON; a.Outputs != nil {
		outcome.Outputs, err = json.Marshal(a.Outputs)
	}
	return err
}

// failure turns the answer of a failed handler into an error.
func failure(id fringe.CallID, res *fringe.Result) error {
	b, err := io.ReadAll(io.LimitReader(res.Body, 64<<10))
	if err != nil {
		return fringe.E("site.failure", err)
	}
	return &fringe.Error{Op: "site.callService", Kind: fringe.Failed, Component: fringe.UserCode, Message: strings.TrimSpace(string(b)),
		Cure: "see what the function wrote with: fringe logs " + string(id)}
}

func readObject(r io.Reader) ([]byte, error) {
	if known, ok := r.(interface{ Len() int }); ok && known.Len() <= maxObject {
		b := make([]byte, known.Len())
		if _, err := io.ReadFull(r, b); err != nil {
			return nil, fringe.E("site.readObject", err)
		}
		return b, nil
	}
	b, err := io.ReadAll(io.LimitReader(r, maxObject+1))
	if err != nil {
		return nil, fringe.E("site.readObject", err)
	}
	if len(b) > maxObject {
		return nil, &fringe.Error{Op: "site.readObject", Kind: fringe.Failed, Component: fringe.Collect,
			Message: fmt.Sprintf("the function's output object is larger than %d MiB", maxObject>>20),
			Cure:    "give large outputs as files"}
	}
	return b, nil
}

func makesFiles(t *cwl.Tool) bool {
	for i := range t.Outputs {
		if hasFiles(&t.Outputs[i].Type) {
			return true
		}
	}
	return false
}

func hasFiles(t *cwl.Type) bool {
	switch t.Kind {
	case cwl.File, cwl.Directory, cwl.Any:
		return true
	case cwl.Array:
		return hasFiles(t.Items)
	case cwl.Record:
		for i := range t.Fields {
			if hasFiles(&t.Fields[i].Type) {
				return true
			}
		}
	case cwl.Union:
		for i := range t.Options {
			if hasFiles(&t.Options[i]) {
				return true
			}
		}
	}
	return false
}

// bring puts every File and Directory of the inputs on the call's list of
// files and gives it the path that the instance sees.
func bring(c *fringe.Call, v any) error {
	switch v := v.(type) {
	case []any:
		for _, x := range v {
			if err := bring(c, x); err != nil {
				return err
			}
		}
	case map[string]any:
		class, _ := v["class"].(string)
		if class != "File" && class != "Directory" {
			for _, x := range v {
				if err := bring(c, x); err != nil {
					return err
				}
			}
			return nil
		}
		source, _ := v["path"].(string)
		base, _ := v["basename"].(string)
		if source == "" {
			return &fringe.Error{Op: "site.bring", Kind: fringe.Invalid, Component: fringe.Stage,
				Message: "a service takes files by their location; literal contents are for tasks"}
		}
		target := fmt.Sprintf("%s/in/%d/%s", c.Dir, len(c.Files), base)
		c.Files = append(c.Files, fringe.Mount{Source: source, Target: target})
		v["path"] = target
		return bring(c, v["secondaryFiles"])
	}
	return nil
}

// Invoke implements fringe.Invoker: it makes the call's files visible to the
// instance, and takes its directory away when the answer is closed.
func (w *warm) Invoke(ctx context.Context, c *fringe.Call) (*fringe.Result, error) {
	if c.Dir == "" {
		return w.Instance.Invoke(ctx, c)
	}
	st := &staged{warm: w, name: filepath.Join("calls", string(c.ID))}
	if err := st.stage(ctx, c); err != nil {
		st.release()
		return nil, err
	}
	res, err := w.Instance.Invoke(ctx, c)
	if err != nil {
		st.points = nil // the handler may still be at work in them
		st.release()
		return nil, err
	}
	res.Dir = filepath.Join(w.dir, st.name)
	res.Body = &releasing{res.Body, sync.OnceFunc(st.release)}
	return res, nil
}

type releasing struct {
	io.ReadCloser
	release func()
}

func (r *releasing) Close() error {
	err := r.ReadCloser.Close()
	r.release()
	return err
}

// publishCallFiles publishes the files of a service's answer, whose paths are
// relative to the call's directory or below callsDir.
func (l *Local) publishCallFiles(ctx context.Context, by maker, outputs map[string]any, dir string) error {
	if err := hostPaths(outputs, callsDir+"/"+string(by.call), dir); err != nil {
		return err
	}
	return l.publish(ctx, by, outputs)
}

// hostPaths turns the paths of output files as the instance says them into
// paths of this machine; a path out of the call's directory is refused.
func hostPaths(v any, inside, host string) error {
	switch v := v.(type) {
	case []any:
		for _, x := range v {
			if err := hostPaths(x, inside, host); err != nil {
				return err
			}
		}
	case map[string]any:
		class, _ := v["class"].(string)
		if class != "File" && class != "Directory" {
			for _, x := range v {
				if err := hostPaths(x, inside, host); err != nil {
					return err
				}
			}
			return nil
		}
		p, _ := v["path"].(string)
		rel, _ := strings.CutPrefix(p, inside+"/")
		path := filepath.Join(host, rel)
		real, err := filepath.EvalSymlinks(path)
		if err != nil || !filepath.IsLocal(rel) || !strings.HasPrefix(real, host+"/") {
			return &fringe.Error{Op: "site.hostPaths", Kind: fringe.Failed, Component: fringe.Collect, Err: err,
				Message: fmt.Sprintf("the function names the output file %q, which is not in its call's directory", p)}
		}
		v["path"] = real
		return hostPaths(v["secondaryFiles"], inside, host)
	}
	return nil
}

// callRaw hands the HTTP request itself to a warm instance.
func (l *Local) callRaw(ctx context.Context, r Request) (*Answer, error) {
	c := r.Raw
	c.ID, c.Function, c.Same = r.ID, &r.Version.Function, l.same(ctx, &r)
	log := &callLog{jobs: l.cfg.Jobs, id: r.ID}
	c.Log = log
	begin := time.Now()
	bound := l.bound(ctx, c.Function, begin)
	res, err := l.pool.Invoke(bound, c)
	if err != nil {
		defer bound.end()
		log.Close()
		return nil, bound.explain(c.Function, err)
	}
	res.Body = &releasing{res.Body, func() { bound.end(); log.Close() }}
	return &Answer{Raw: res, Cold: res.Cold,
		Timing: Timing{Queue: res.Queue, Start: res.Start, Run: max(0, time.Since(begin)-res.Queue-res.Start)}}, nil
}
