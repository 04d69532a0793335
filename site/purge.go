package site

import (
	"context"
	"time"

	"fringe/data"
)

// purgeEvery is how often old records are looked for.
const purgeEvery = time.Hour

// purge removes the records of ARCHIVED jobs that are older than the site
// keeps them. That of a job of which a product is there, or answers another
// job, stays: it is that product's provenance.
func (l *Local) purge(ctx context.Context, now time.Time) {
	const page = 200
	if l.cfg.Records <= 0 {
		return
	}
	for after := int64(0); ; {
		old, err := l.cfg.Jobs.Outdated(ctx, now.Add(-l.cfg.Records), after, page)
		for _, job := range old {
			after = job.Seq
			made, _, e := l.cfg.Data.List(ctx, data.Filter{Prefix: "product:" + string(job.ID) + "/", Limit: 1})
			if e == nil && len(made) == 0 {
				e = l.cfg.Jobs.Delete(ctx, job.ID)
			}
			if e != nil && ctx.Err() == nil {
				l.cfg.Log.Error("old record not removed", "call", job.ID, "err", e)
			}
		}
		if err != nil && ctx.Err() == nil {
			l.cfg.Log.Error("old records not looked at", "err", err)
		}
		if err != nil || len(old) < page || ctx.Err() != nil {
			return
		}
	}
}
