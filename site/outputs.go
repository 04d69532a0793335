package site

import (
	"context"
	"fmt"
	"path/filepath"

	"fringe"
	"fringe/data"
	"fringe/jobs"
)

// maker is the call that outputs are of.
type maker struct {
	call      fringe.CallID
	owner     string
	namespace string
	fence     int64  // of the job's attempt; 0: of a service call
	within    string // a directory that an instance may still change, where the outputs are; empty: nothing changes them
}

// publish makes a product of every File and Directory in the output object and
// puts its dataset name in the place of the path.
func (l *Local) publish(ctx context.Context, by maker, outputs map[string]any) error {
	for name, v := range outputs {
		if err := l.publishValue(ctx, by, name, v); err != nil {
			return err
		}
	}
	return nil
}

func (l *Local) publishValue(ctx context.Context, by maker, name string, v any) error {
	switch v := v.(type) {
	case []any:
		for i, x := range v {
			if err := l.publishValue(ctx, by, fmt.Sprintf("%s/%d", name, i), x); err != nil {
				return err
			}
		}
	case map[string]any:
		class, _ := v["class"].(string)
		if class == "File" || class == "Directory" {
			return l.publishData(ctx, by, name, v)
		}
		for k, x := range v {
			if err := l.publishValue(ctx, by, name+"/"+k, x); err != nil {
				return err
			}
		}
	}
	return nil
}

func (l *Local) publishData(ctx context.Context, by maker, name string, o map[string]any) error {
	path, _ := o["path"].(string)
	base, _ := o["basename"].(string)
	if base == "" {
		base = filepath.Base(path)
	}
	r := data.PublishRequest{Call: by.call, Output: name, HostPath: path, Within: by.within, Basename: base, Directory: o["class"] == "Directory", Owner: by.owner, Namespace: by.namespace}
	d, err := l.cfg.Data.Publish(ctx, r)
	if fringe.KindOf(err) == fringe.Conflict && by.fence > 0 {
		d, err = l.republish(ctx, by, r)
	}
	if err != nil {
		return fringe.E("site.publish", err)
	}
	if list, ok := o["secondaryFiles"].([]any); ok {
		if err := l.publishValue(ctx, by, name+".secondary", list); err != nil {
			return err
		}
	}
	for _, k := range []string{"path", "dirname", "listing", "checksum"} {
		delete(o, k)
	}
	o["location"], o["basename"], o["size"] = d.DID.String(), d.Basename, d.Size
	if d.Checksum != "" {
		o["checksum"] = d.Checksum
	}
	if d.MediaType != "" {
		o["mediaType"] = d.MediaType
	}
	return nil
}

// republish puts an output in the place of one that a former attempt of the
// job left before its end was written. An attempt that has lost its fence
// changes nothing.
func (l *Local) republish(ctx context.Context, by maker, r data.PublishRequest) (fringe.Dataset, error) {
	lost, err := l.cfg.Jobs.Renew(ctx, map[fringe.CallID]int64{by.call: by.fence}, lease)
	if err != nil {
		return fringe.Dataset{}, err
	}
	if len(lost) > 0 {
		return fringe.Dataset{}, fringe.Errorf("site.republish", fringe.Conflict, "%w", errLost)
	}
	if err := l.cfg.Data.Remove(ctx, fringe.DID{Scope: "product", Name: string(by.call) + "/" + r.Output}); err != nil {
		return fringe.Dataset{}, err
	}
	return l.cfg.Data.Publish(ctx, r)
}

// removeProducts removes what a job made, unless it answers other jobs too.
func (l *Local) removeProducts(ctx context.Context, id fringe.CallID) error {
	const op = "site.removeProducts"
	needed, err := l.cfg.Jobs.AnswersOthers(ctx, id)
	if err != nil || needed {
		return err
	}
	for {
		found, next, err := l.cfg.Data.List(ctx, data.Filter{Prefix: "product:" + string(id) + "/"})
		if err != nil {
			return fringe.E(op, err)
		}
		for _, d := range found {
			if err := l.cfg.Data.Remove(ctx, d.DID); err != nil && fringe.KindOf(err) != fringe.NotFound {
				return fringe.E(op, err)
			}
		}
		if next == "" {
			return nil
		}
	}
}

// expire archives the jobs whose time of destruction has come: their products
// and logs go, the record stays. One that has not ended is aborted.
func (l *Local) expire(ctx context.Context) {
	expired, err := l.cfg.Jobs.Expired(ctx, 20)
	if err != nil {
		l.cfg.Log.Error("expired jobs not looked at", "err", err)
	}
	for _, job := range expired {
		if err := l.archive(ctx, job); err != nil {
			l.cfg.Log.Error("expired job not archived", "call", job.ID, "err", err)
		}
	}
}

func (l *Local) archive(ctx context.Context, job jobs.Job) error {
	if !job.Phase.Final() {
		if err := l.Abort(ctx, job.ID); err != nil && fringe.KindOf(err) != fringe.Conflict {
			return err
		}
	}
	if err := l.removeProducts(ctx, job.ID); err != nil {
		return err
	}
	return l.cfg.Jobs.Archive(ctx, job.ID)
}
