package jobs_test

import (
	"fmt"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"fringe"
	"fringe/jobs"
)

// BenchmarkSubmit accepts jobs, each committed before its caller sends the
// next, and tells the processor time of one.
func BenchmarkSubmit(b *testing.B) {
	for _, callers := range []int{1, 16, 64} {
		b.Run(fmt.Sprint(callers), func(b *testing.B) {
			j := open(b, b.TempDir(), nil)
			var next atomic.Int64
			var all sync.WaitGroup
			begin := used()
			b.ResetTimer()
			for range callers {
				all.Go(func() {
					for k := next.Add(1); k <= int64(b.N); k = next.Add(1) {
						if _, err := j.Submit(b.Context(), likely(k)); err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			all.Wait()
			b.ReportMetric(float64((used()-begin).Microseconds())/float64(b.N), "cpu-us/op")
		})
	}
}

// likely gives the k-th job as the site makes it of a small call.
func likely(k int64) jobs.NewJob {
	return jobs.NewJob{ID: fringe.CallID(fmt.Sprintf("01BENCH%019d", k)), Function: "nothing", Owner: "someone",
		Work: jobs.Work{Version: "1.0.0", Digest: "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08", Environment: "plain",
			Inputs: fmt.Appendf(nil, `{"n":%d}`, k), Derivation: fmt.Sprintf("%016x%048x", uint64(k)*0x9e3779b97f4a7c15, k),
			Limits: fringe.Limits{CPU: 1, Memory: 1 << 30, Time: time.Hour}, Policy: fringe.Policy{Platform: 5, Function: 2}}}
}

// used gives the processor time of this process.
func used() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
