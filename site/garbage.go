package site

import (
	"context"
	"encoding/json"

	"fringe"
	"fringe/data"
	"fringe/jobs"
)

// Collect removes garbage from the site's data. A job of which a product is
// removed becomes ARCHIVED: its record stays.
func (l *Local) Collect(ctx context.Context, c data.Collection) (data.Collected, error) {
	out, err := l.cfg.Data.Collect(ctx, c, l.namesOfJobs)
	if c.DryRun {
		return out, err
	}
	archived := map[fringe.CallID]bool{"": true}
	for _, g := range out.Removed {
		if archived[g.Call] {
			continue
		}
		archived[g.Call] = true
		err := l.cfg.Jobs.Archive(ctx, g.Call)
		if kind := fringe.KindOf(err); err != nil && kind != fringe.NotFound && kind != fringe.Conflict { // of a service's call, archived already
			l.cfg.Log.Warn("job not archived", "call", g.Call, "err", err)
		}
	}
	return out, err
}

// namesOfJobs is a data.Jobs over the ledger.
func (l *Local) namesOfJobs(ctx context.Context, see func(data.JobNames) error) error {
	for cursor := ""; ; {
		page, next, err := l.cfg.Jobs.List(ctx, jobs.Filter{Limit: 1000, Cursor: cursor})
		if err != nil {
			return err
		}
		for i := range page {
			job := &page[i]
			n := data.JobNames{Job: job.ID, Ended: job.Phase.Final(), Maker: job.Reused}
			docs := []json.RawMessage{job.Inputs, job.Outputs}
			if job.Phase == jobs.Archived { // it needs nothing, but others may call products by its name
				if job.Reused == "" {
					continue
				}
				docs = nil
			}
			if !n.Ended {
				docs = append(docs, job.Staged)
			}
			for _, doc := range docs {
				var v any
				if json.Unmarshal(doc, &v) == nil {
					n.Names = locations(v, n.Names)
				}
			}
			if err := see(n); err != nil {
				return err
			}
		}
		if cursor = next; next == "" {
			return nil
		}
	}
}

// locations adds the locations and paths of all files and directories in an
// input or output object.
func locations(v any, names []string) []string {
	switch v := v.(type) {
	case []any:
		for _, x := range v {
			names = locations(x, names)
		}
	case map[string]any:
		for _, k := range []string{"location", "path"} {
			if s, ok := v[k].(string); ok {
				names = append(names, s)
			}
		}
		for _, x := range v {
			names = locations(x, names)
		}
	}
	return names
}
