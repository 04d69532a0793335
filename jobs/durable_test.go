package jobs_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"fringe"
	"fringe/jobs"
	"fringe/store"
)

// TestMain lets the test binary stand for a server that works until it is
// killed.
func TestMain(m *testing.M) {
	if dir := os.Getenv("FRINGE_JOBS_TEST"); dir != "" {
		fmt.Println("ERROR", workOn(dir))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// ledger opens the jobs of a directory.
func ledger(dir string) (*jobs.Jobs, *store.Store, error) { return bounded(dir, 0, 0) }

// bounded opens them with bounds on the queue.
func bounded(dir string, most, perOwner int) (*jobs.Jobs, *store.Store, error) {
	ctx := context.Background()
	s, err := store.Open(ctx, store.Config{Path: filepath.Join(dir, "fringe.db")})
	if err != nil {
		return nil, nil, err
	}
	if err := s.Migrate(ctx, map[string][]store.Migration{"jobs": jobs.Migrations()}); err != nil {
		return nil, nil, err
	}
	j, err := jobs.New(jobs.Config{Store: s, Dir: filepath.Join(dir, "logs"), Queue: most, PerOwner: perOwner, Log: slog.New(slog.DiscardHandler)})
	return j, s, err
}

// workOn takes jobs through their lives in several goroutines and tells each
// step once it is acknowledged.
func workOn(dir string) error {
	j, _, err := ledger(dir)
	if err != nil {
		return err
	}
	ctx := context.Background()
	if err := requeue(ctx, j); err != nil {
		return err
	}
	failed := make(chan error)
	for w := range 6 {
		go func() {
			for n := 0; ; n++ {
				id := fringe.CallID(fmt.Sprintf("%d-%d-%d", os.Getpid(), w, n))
				for _, step := range []struct {
					phase jobs.Phase
					do    func() error
				}{
					{jobs.Queued, func() error {
						_, err := j.Submit(ctx, jobs.NewJob{ID: id, Function: "echo", Owner: "a", Work: jobs.Work{Derivation: string(id)}})
						return err
					}},
					{jobs.Executing, func() error { _, err := j.Claim(ctx, id, time.Minute); return err }},
					{jobs.Completed, func() error {
						return j.Settle(ctx, id, 1, jobs.Outcome{Phase: jobs.Completed, Derivation: string(id), Outputs: json.RawMessage(`{"n":` + fmt.Sprint(n) + `}`)})
					}},
				} {
					if err := step.do(); err != nil {
						failed <- err
						return
					}
					os.Stdout.WriteString(string(id) + " " + string(step.phase) + "\n")
				}
			}
		}()
	}
	return <-failed
}

// requeue puts back what a former life left under way.
func requeue(ctx context.Context, j *jobs.Jobs) error {
	left, err := j.Executing(ctx)
	for _, job := range left {
		if err == nil {
			err = j.Retry(ctx, job.ID, job.Fence, jobs.Again{Cause: "interrupted", Platform: true})
		}
	}
	return err
}

// TestKill kills a working server at random instants. Every step that it
// acknowledged holds after the restart, and nothing waits or runs for ever.
func TestKill(t *testing.T) {
	dir := t.TempDir()
	reached := map[fringe.CallID]jobs.Phase{}
	for range 10 {
		cmd := exec.Command("/proc/self/exe")
		cmd.Env = append(os.Environ(), "FRINGE_JOBS_TEST="+dir)
		cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
		out, err := cmd.StdoutPipe()
		if err == nil {
			err = cmd.Start()
		}
		if err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		for first := true; lines.Scan(); first = false {
			if first { // its life is counted from its first step
				time.AfterFunc(time.Duration(30+rand.IntN(150))*time.Millisecond, func() { cmd.Process.Kill() })
			}
			id, phase, _ := strings.Cut(lines.Text(), " ")
			if id == "ERROR" {
				t.Fatal(lines.Text())
			}
			reached[fringe.CallID(id)] = jobs.Phase(phase)
		}
		cmd.Wait()
	}
	j, s, err := ledger(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := requeue(t.Context(), j); err != nil {
		t.Fatal(err)
	}
	waiting := 0
	for id, phase := range reached {
		job, err := j.Get(t.Context(), id)
		switch {
		case err != nil:
			t.Errorf("the job %s was acknowledged as %s and is lost: %v", id, phase, err)
		case phase == jobs.Completed && (job.Phase != jobs.Completed || len(job.Outputs) < 6):
			t.Errorf("the job %s was COMPLETED and is %s with outputs %s", id, job.Phase, job.Outputs)
		case job.Phase == jobs.Completed:
			memo, found, err := j.Memo(t.Context(), string(id))
			attempts, _ := j.Attempts(t.Context(), id)
			events, _ := j.Events(t.Context(), id, 0)
			if err != nil || !found || string(memo.Outputs) != string(job.Outputs) || len(attempts) != 1 || attempts[0].Cause != "completed" || len(events) != 3 {
				t.Errorf("the job %s is COMPLETED with the memo %s, the attempts %+v and the events %+v", id, memo.Outputs, attempts, events)
			}
		case job.Phase == jobs.Queued:
			waiting++
		default:
			t.Errorf("the job %s is %s, %v after a crash", id, job.Phase, job.Err)
		}
	}
	if n := j.QueuedCount(); n < waiting {
		t.Errorf("%d jobs are counted as waiting, want at least %d", n, waiting)
	}
	if len(reached) < 50 {
		t.Errorf("only %d jobs were begun", len(reached))
	}
	t.Logf("10 kills, %d jobs", len(reached))
}

func TestOneOfManySettles(t *testing.T) {
	j := open(t, t.TempDir(), nil)
	submit(t, j, 1, "a", "echo")
	var mu sync.Mutex
	started, settled := 0, 0
	var wg sync.WaitGroup
	for n := range 16 {
		wg.Go(func() {
			_, err := j.Claim(t.Context(), id(1), time.Minute)
			mu.Lock()
			if err == nil {
				started++
			}
			mu.Unlock()
			out := json.RawMessage(fmt.Sprint(n))
			if j.Settle(t.Context(), id(1), 1, jobs.Outcome{Phase: jobs.Completed, Outputs: out}) == nil {
				mu.Lock()
				settled++
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if started != 1 || settled != 1 {
		t.Errorf("%d started and %d settled, want one each", started, settled)
	}
}

// TestOrderIsThatOfAcceptance has ids that fall, as they do when the clock is
// set back between two runs of the server.
func TestOrderIsThatOfAcceptance(t *testing.T) {
	j := open(t, t.TempDir(), nil)
	for n := 9; n >= 0; n-- {
		submit(t, j, n, "a", "echo")
	}
	var got []fringe.CallID
	f := jobs.Filter{Owner: "a", Limit: 4}
	for {
		page, next, err := j.List(t.Context(), f)
		if err != nil {
			t.Fatal(err)
		}
		for _, job := range page {
			got = append(got, job.ID)
		}
		if f.Cursor = next; next == "" {
			break
		}
	}
	if len(got) != 10 || got[0] != id(0) || got[9] != id(9) || !slices.IsSorted(got) {
		t.Errorf("List() = %v, want the last accepted first", got)
	}
	if page, next, err := j.List(t.Context(), jobs.Filter{}); err != nil || len(page) != 10 || next != "" {
		t.Errorf("List() without a limit = %d jobs, %q, %v", len(page), next, err)
	}
	if _, _, err := j.List(t.Context(), jobs.Filter{Cursor: "not a cursor"}); fringe.KindOf(err) != fringe.Invalid {
		t.Errorf("List() with a bad cursor = %v, want invalid", err)
	}
}

// TestTheFigureIsTheTable compares docs/jobs.md with Allowed, and the schema's
// phases with both.
func TestTheFigureIsTheTable(t *testing.T) {
	b, err := os.ReadFile("../docs/jobs.md")
	if err != nil {
		t.Fatal(err)
	}
	drawn := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^ *([A-Z]+) --> ([A-Z]+)`).FindAllStringSubmatch(string(b), -1) {
		drawn[m[1]+" "+m[2]] = true
	}
	moves := schemaMoves(t)
	for _, from := range jobs.Phases() {
		for _, to := range jobs.Phases() {
			if key := string(from) + " " + string(to); jobs.Allowed(from, to) != drawn[key] {
				t.Errorf("%s: Allowed = %v, drawn = %v", key, jobs.Allowed(from, to), drawn[key])
			}
			if held := moves(from, to); jobs.Allowed(from, to) != held {
				t.Errorf("%s %s: Allowed = %v, the schema = %v", from, to, jobs.Allowed(from, to), held)
			}
		}
	}
}

// schemaMoves gives a function that says whether the schema lets a job go from
// one phase to another.
func schemaMoves(t *testing.T) func(from, to jobs.Phase) bool {
	_, s, err := ledger(t.TempDir())
	must(t, err)
	t.Cleanup(func() { s.Close() })
	return func(from, to jobs.Phase) (moved bool) {
		undo := errors.New("undo")
		marks := func(p jobs.Phase) []any { // of lease and ended
			var lease, ended any
			if p == jobs.Executing {
				lease = 1
			}
			if p.Final() {
				ended = 1
			}
			return []any{string(p), lease, ended}
		}
		err := s.Update(t.Context(), func(tx *store.Tx) error {
			_, err := tx.Exec(`INSERT INTO jobs (id, function, version, digest, owner, inputs, outputs, error, submitted, phase, lease, ended)
				VALUES ('x', 'f', '1', 'd', 'o', '{}', '{}', '{}', 0, ?, ?, ?)`, marks(from)...)
			if err != nil {
				return err
			}
			_, err = tx.Exec(`UPDATE jobs SET phase = ?, lease = ?, ended = ?`, marks(to)...)
			moved = err == nil && from != to
			return undo
		})
		if err != undo {
			t.Fatalf("%s %s: %v", from, to, err)
		}
		return moved
	}
}

// BenchmarkLedger measures acceptances with 64 callers beside those of one, who
// waits for a commit of his own each time, and the first page of
// lists, in an empty ledger and in one with a million finished jobs.
func BenchmarkLedger(b *testing.B) {
	for _, finished := range []int{0, 1_000_000} {
		b.Run(fmt.Sprint("finished=", finished), func(b *testing.B) {
			j, s, err := ledger(b.TempDir())
			if err != nil {
				b.Fatal(err)
			}
			defer s.Close()
			if err := fill(s, finished); err != nil {
				b.Fatal(err)
			}
			pages := map[string]float64{}
			for name, f := range map[string]jobs.Filter{"all": {}, "owner": {Owner: "owner3"}, "rare": {Owner: "owner3", Phases: []jobs.Phase{jobs.Error, jobs.Executing}},
				"function": {Function: "echo", Owner: "owner3"}, "after": {After: time.Unix(0, 0).Add(time.Duration(finished-10) * time.Second)}} {
				f.Limit = 50
				var times []time.Duration
				for range 200 {
					begin := time.Now()
					if _, _, err := j.List(context.Background(), f); err != nil {
						b.Fatal(err)
					}
					times = append(times, time.Since(begin))
				}
				slices.Sort(times)
				pages[name+"-p99-ms"] = float64(times[len(times)*99/100].Microseconds()) / 1000
			}
			inputs, err := json.Marshal(map[string]string{"image": strings.Repeat("x", 500)})
			if err != nil {
				b.Fatal(err)
			}
			send := func(n int64) {
				r := jobs.NewJob{ID: fringe.CallID(fmt.Sprintf("02%024d", n)), Function: "echo", Owner: fmt.Sprint("owner", n%10), Work: jobs.Work{Inputs: inputs}}
				if _, err := j.Submit(context.Background(), r); err != nil {
					b.Error(err)
				}
			}
			const alone = 300
			begin := time.Now()
			for n := range int64(alone) {
				send(-n - 1)
			}
			one := alone / time.Since(begin).Seconds()
			b.ResetTimer()
			var next atomic.Int64
			var wg sync.WaitGroup
			for range 64 {
				wg.Go(func() {
					for n := next.Add(1); n <= int64(b.N); n = next.Add(1) {
						send(n)
					}
				})
			}
			wg.Wait()
			rate := float64(b.N) / b.Elapsed().Seconds()
			b.ReportMetric(rate, "submits/s")
			b.ReportMetric(rate/one, "times-one-caller")
			for name, ms := range pages {
				b.ReportMetric(ms, name)
			}
		})
	}
}

// fill writes finished jobs: one in a thousand failed.
func fill(s *store.Store, n int) error {
	return s.Update(context.Background(), func(tx *store.Tx) error {
		_, err := tx.Exec(`WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)
			INSERT INTO jobs (seq, id, function, version, digest, owner, phase, inputs, outputs, error, submitted, queued, started, ended)
			SELECT i, printf('01%024d', i), 'echo', '1.0.0', 'sha256:0', 'owner' || (i % 10), iif(i % 1000, 'COMPLETED', 'ERROR'), '{"a":1}', '{"b":2}', iif(i % 1000, NULL, '{"kind":"failed"}'),
				i * 1000000000, i * 1000000000, i * 1000000000, i * 1000000000 + 500 FROM n WHERE i <= ?`, n, n)
		return err
	})
}
