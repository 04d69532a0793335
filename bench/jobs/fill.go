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

// queue writes so many queued jobs of 100 principals into the ledger of a
// stopped site, by one statement.
func queue(dir string, n int, digest fringe.Digest) error {
	ctx := context.Background()
	st, err := store.Open(ctx, store.Config{Path: filepath.Join(dir, "fringe.db"), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err
	}
	defer st.Close()
	return st.Update(ctx, func(tx *store.Tx) error {
		_, err := tx.Exec(`WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?1)
			INSERT INTO jobs (id, function, version, digest, environment, owner, phase, cpu, memory, inputs, terms, derivation, submitted, queued)
			SELECT printf('00BENCH%019d', i), 'nothing', '1.0.0', ?2, 'plain', 'principal-' || (i % 100), 'QUEUED', 1, 268435456, '{"n":' || i || '}',
				'{"limits":{"cpu":1,"memory":268435456},"policy":{"platform":5,"function":2}}', lower(hex(randomblob(32))), i, i FROM n`, n, string(digest))
		return err
	})
}

// finish writes so many finished jobs into the ledger of a stopped site.
func finish(dir string, n int) error {
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
				_, err := ledger.Submit(ctx, jobs.NewJob{ID: fringe.CallID(fmt.Sprintf("00BENCH%019d", i)), Function: "nothing", Owner: fmt.Sprintf("principal-%d", i%100),
					Work:   jobs.Work{Version: "1.0.0", Inputs: fmt.Appendf(nil, `{"n":%d}`, i)},
					Answer: &jobs.Memo{Job: "00BENCH", Outputs: []byte(`{}`)}})
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
