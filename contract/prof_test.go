package contract_test

import (
	"context"
	"strings"
	"sync"
	"testing"

	"fringe"
	"fringe/contract"
	"fringe/contract/contracttest"
	"fringe/pool"
)

func BenchmarkPooled(b *testing.B) {
	p, _ := pool.New(pool.Config{Start: func(ctx context.Context, fn *fringe.Function) (pool.Instance, error) {
		s := fringe.Spec{ID: "echo", Env: []string{"PATH=/usr/bin:/bin", "PYTHONPATH=" + repo(b) + "/python"}, Dir: "/tmp", Argv: contract.WorkerArgv(python)}
		return contract.StartWorker(ctx, contracttest.Driver{}, s, contract.Load{File: repo(b) + "/bench/echo/function.py", Handler: "main"})
	}})
	defer p.Drain(context.Background())
	fn := &fringe.Function{Name: "echo", Digest: "x", Warm: fringe.Warm{Max: 2, Min: 2}}
	p.Keep(fn)
	var wg sync.WaitGroup
	b.ReportAllocs()
	n := make(chan int, 1)
	n <- b.N
	b.ResetTimer()
	for range 16 {
		wg.Go(func() {
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			c := &fringe.Call{Function: fn, Inputs: []byte(`{"message":"` + strings.Repeat("x", 1024) + `"}`)}
			for {
				k := <-n
				n <- k - 1
				if k <= 0 {
					return
				}
				res, err := p.Invoke(ctx, c)
				if err != nil {
					b.Error(err)
					return
				}
				res.Body.Close()
			}
		})
	}
	wg.Wait()
}
