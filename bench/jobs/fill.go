package main

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"sync/atomic"

	"fringe"
	"fringe/jobs"
	"fringe/store"
)

// finished gives the i-th job that has its answer.
func finished(i int64) jobs.NewJob {
	n := waiting(i)
	n.Answer = &jobs.Memo{Job: "00BENCH", Outputs: []byte(`{}`)}
	return n
}

// waiting gives the i-th job that waits.
func waiting(i int64) jobs.NewJob {
	return jobs.NewJob{ID: fringe.CallID(fmt.Sprintf("00BENCH%019d", i)), Function: "nothing", Owner: fmt.Sprintf("principal-%d", i%100),
		Work: jobs.Work{Version: "1.0.0", Environment: "plain", Inputs: fmt.Appendf(nil, `{"n":%d}`, i), Limits: fringe.Limits{CPU: 1, Memory: 1 << 28}}}
}

// write writes so many jobs into the ledger of a stopped site.
func write(dir string, n int, job func(i int64) jobs.NewJob) error {
	ctx, quiet := context.Background(), slog.New(slog.DiscardHandler)
	st, err := store.Open(ctx, store.Config{Path: filepath.Join(dir, "fringe.db"), Log: quiet})
	if err != nil {
		return err
	}
	defer st.Close()
	ledger, err := jobs.New(jobs.Config{Store: st, Dir: filepath.Join(dir, "logs"), Log: quiet})
	if err != nil {
		return err
	}
	const writers = 256 // of one commit
	var next atomic.Int64
	var all sync.WaitGroup
	failed := make(chan error, writers)
	for range writers {
		all.Go(func() {
			for i := next.Add(1); i <= int64(n); i = next.Add(1) {
				_, err := ledger.Submit(ctx, job(i))
				if err != nil {
					failed <- err
					return
				}
			}
		})
	}
	all.Wait()
	select {
	case err := <-failed:
		return err
	default:
		return nil
	}
}
