package jobs_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"fringe"
	"fringe/jobs"
)

// clock is a clock that a test moves.
type clock struct{ ns atomic.Int64 }

func newClock() *clock {
	c := &clock{}
	c.ns.Store(time.Date(2026, 11, 26, 0, 0, 0, 0, time.UTC).UnixNano())
	return c
}

func (c *clock) now() time.Time          { return time.Unix(0, c.ns.Load()) }
func (c *clock) advance(d time.Duration) { c.ns.Add(int64(d)) }
func work(n int, derivation string) jobs.NewJob {
	return jobs.NewJob{ID: id(n), Function: "wsclean", Owner: "alice", Work: jobs.Work{Version: "1.0.0", Derivation: derivation}}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func put(t *testing.T, j *jobs.Jobs, n jobs.NewJob) jobs.Job {
	t.Helper()
	job, err := j.Submit(context.Background(), n)
	must(t, err)
	return job
}

func phases(t *testing.T, j *jobs.Jobs, ns ...int) (all []jobs.Phase) {
	t.Helper()
	for _, n := range ns {
		job, err := j.Get(context.Background(), id(n))
		must(t, err)
		all = append(all, job.Phase)
	}
	return all
}

func completed(outputs, derivation string) jobs.Outcome {
	return jobs.Outcome{Phase: jobs.Completed, Outputs: json.RawMessage(outputs), Derivation: derivation}
}

// TestIdempotency has many callers who send the same request under the same
// key: there is one job, which each gets.
func TestIdempotency(t *testing.T) {
	j := open(t, t.TempDir(), nil)
	var ids sync.Map
	var wg sync.WaitGroup
	for n := range 32 {
		wg.Go(func() {
			r := work(n, "")
			r.Key, r.Labels = "once", map[string]string{"field": "m87"}
			job, err := j.Submit(t.Context(), r)
			if err != nil {
				t.Error(err)
			}
			ids.Store(job.ID, true)
		})
	}
	wg.Wait()
	count := 0
	ids.Range(func(any, any) bool { count++; return true })
	if all, _, err := j.List(t.Context(), jobs.Filter{}); count != 1 || len(all) != 1 || err != nil || j.QueuedCount() != 1 {
		t.Errorf("%d ids, %d jobs, %d waiting, %v; want one each", count, len(all), j.QueuedCount(), err)
	}
	other := work(40, "")
	other.Key, other.Inputs = "once", json.RawMessage(`{"a":2}`)
	if _, err := j.Submit(t.Context(), other); fringe.KindOf(err) != fringe.Conflict {
		t.Errorf("another request under the key = %v, want conflict", err)
	}
	for what, change := range map[string]func(*jobs.NewJob){
		"files":     func(n *jobs.NewJob) { n.Files = "others" },
		"namespace": func(n *jobs.NewJob) { n.Namespace = "other" },
	} {
		r := work(41, "")
		r.Key, r.Labels = "once", map[string]string{"field": "m87"}
		change(&r)
		if _, err := j.Submit(t.Context(), r); fringe.KindOf(err) != fringe.Conflict {
			t.Errorf("a request with other %s under the key = %v, want conflict", what, err)
		}
	}
	other.Owner = "bob"
	if job, err := j.Submit(t.Context(), other); err != nil || job.ID != id(40) {
		t.Errorf("the same key of another owner = %v, %v", job.ID, err)
	}
}

// TestLeases has a claim that races, a lease that ends, and the zombie that
// comes back after that.
func TestLeases(t *testing.T) {
	c := newClock()
	j := open(t, t.TempDir(), c.now)
	put(t, j, work(1, ""))
	claim(t, j, 1)
	c.advance(50 * time.Second)
	if lost, err := j.Renew(t.Context(), map[fringe.CallID]int64{id(1): 1, id(9): 1}, time.Minute); err != nil || !slices.Equal(lost, []fringe.CallID{id(9)}) {
		t.Errorf("Renew() = %v, %v, want the unknown one lost", lost, err)
	}
	c.advance(50 * time.Second)
	if _, err := j.Claim(t.Context(), id(1), time.Minute); fringe.KindOf(err) != fringe.Conflict {
		t.Errorf("Claim() of what is leased = %v, want conflict", err)
	}
	c.advance(time.Minute)
	var won atomic.Int64
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if job, err := j.Claim(t.Context(), id(1), time.Minute); err == nil {
				won.Add(1)
				if job.Fence != 2 {
					t.Errorf("the second attempt has the fence %d", job.Fence)
				}
			}
		})
	}
	wg.Wait()
	if won.Load() != 1 {
		t.Errorf("%d have claimed the job, want one", won.Load())
	}
	for what, err := range map[string]error{
		"Settle": j.Settle(t.Context(), id(1), 1, completed(`{}`, "")),
		"Retry":  j.Retry(t.Context(), id(1), 1, jobs.Again{Cause: "failed"}),
	} {
		if fringe.KindOf(err) != fringe.Conflict {
			t.Errorf("%s of the zombie = %v, want conflict", what, err)
		}
	}
	must(t, j.Settle(t.Context(), id(1), 2, completed(`{}`, "")))
	attempts, err := j.Attempts(t.Context(), id(1))
	if err != nil || len(attempts) != 2 || attempts[0].Cause != "lost" || attempts[1].Cause != "completed" {
		t.Errorf("Attempts() = %+v, %v", attempts, err)
	}
}

// TestSameCallsRunOnce has jobs that make the same products: one runs, the
// others end with it, and when it comes to nothing another one runs.
func TestSameCallsRunOnce(t *testing.T) {
	ctx := t.Context()
	j := open(t, t.TempDir(), nil)
	for n := range 4 {
		r := work(n, "key")
		r.Callback = "https://example.org"
		put(t, j, r)
	}
	heads := func() (ids []fringe.CallID) {
		t.Helper()
		found, err := j.Heads(ctx)
		must(t, err)
		for _, w := range found {
			ids = append(ids, w.ID)
		}
		return ids
	}
	if got := heads(); !slices.Equal(got, []fringe.CallID{id(0)}) {
		t.Fatalf("Heads() = %v, want the first only", got)
	}
	claim(t, j, 0)
	must(t, j.Settle(ctx, id(0), 1, jobs.Outcome{Phase: jobs.Error, Err: errors.New("no")}))
	if got := heads(); !slices.Equal(got, []fringe.CallID{id(1)}) {
		t.Fatalf("Heads() = %v after the first failed, want the second", got)
	}
	must(t, j.Abort(ctx, id(1), errors.New("not wanted")))
	claim(t, j, 2)
	must(t, j.Retry(ctx, id(2), 1, jobs.Again{Cause: "interrupted", Wait: time.Hour}))
	if got := heads(); len(got) != 0 {
		t.Errorf("Heads() = %v while the third is to be tried again", got)
	}
	must(t, j.Abort(ctx, id(2), errors.New("not wanted")))
	claim(t, j, 3)
	put(t, j, work(4, "key"))
	must(t, j.Settle(ctx, id(3), 1, completed(`{"n":3}`, "key")))
	late, err := j.Get(ctx, id(4))
	if err != nil || late.Phase != jobs.Completed || string(late.Outputs) != `{"n":3}` || late.Reused != id(3) || late.Fence != 0 {
		t.Errorf("who waited has %+v, %v", late, err)
	}
	memo, found, err := j.Memo(ctx, "key")
	if err != nil || !found || memo.Job != id(3) || string(memo.Outputs) != `{"n":3}` {
		t.Errorf("Memo() = %+v, %v, %v", memo, found, err)
	}
	r := work(5, "key")
	r.Answer = &memo
	if job := put(t, j, r); job.Phase != jobs.Completed || job.Reused != id(3) {
		t.Errorf("a job with its answer is %s of %s", job.Phase, job.Reused)
	}
	if j.QueuedCount() != 0 {
		t.Errorf("%d wait", j.QueuedCount())
	}
	if due, err := j.DueDeliveries(ctx, 10, 10); err != nil || len(due) != 4 {
		t.Errorf("DueDeliveries() = %d, %v, want one of each that had a callback", len(due), err)
	}
	if needed, err := j.AnswersOthers(ctx, id(3)); err != nil || !needed {
		t.Errorf("AnswersOthers() = %v, %v", needed, err)
	}
	must(t, j.Archive(ctx, id(3)))
	if _, found, err := j.Memo(ctx, "key"); found || err != nil {
		t.Errorf("the memo of an archived job is there: %v", err)
	}
}

// TestDataThatChangedMakesNoMemo has an attempt whose data were not those that
// its job was accepted with.
func TestDataThatChangedMakesNoMemo(t *testing.T) {
	j := open(t, t.TempDir(), nil)
	put(t, j, work(1, "key"))
	put(t, j, work(2, "key"))
	claim(t, j, 1)
	must(t, j.Settle(t.Context(), id(1), 1, completed(`{}`, "")))
	job, err := j.Get(t.Context(), id(1))
	if err != nil || job.Derivation != "" {
		t.Errorf("the job is known by %q, %v", job.Derivation, err)
	}
	claim(t, j, 2)
}

func TestPending(t *testing.T) {
	ctx := t.Context()
	j := open(t, t.TempDir(), nil)
	r := work(1, "")
	r.Hold = true
	put(t, j, r)
	must(t, j.SetParameters(ctx, id(1), json.RawMessage(`{"size":512}`)))
	must(t, j.SetDuration(ctx, id(1), time.Hour))
	destruction := time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)
	must(t, j.SetDestruction(ctx, id(1), destruction))
	if job, err := j.Get(ctx, id(1)); err != nil || string(job.Inputs) != `{"size":512}` || job.Duration != time.Hour || !job.Destruction.Equal(destruction) || j.QueuedCount() != 0 {
		t.Errorf("Get() = %+v, %v", job, err)
	}
	must(t, j.Hold(ctx, id(1)))
	must(t, j.Run(ctx, id(1), jobs.Work{Version: "1.0.0", Inputs: json.RawMessage(`{"size":512}`), Limits: fringe.Limits{CPU: 2}}))
	for what, err := range map[string]error{
		"Run again":                    j.Run(ctx, id(1), jobs.Work{}),
		"SetParameters of what queues": j.SetParameters(ctx, id(1), nil),
		"Delete of what queues":        j.Delete(ctx, id(1)),
	} {
		if fringe.KindOf(err) != fringe.Conflict {
			t.Errorf("%s = %v, want conflict", what, err)
		}
	}
	if heads, err := j.Heads(ctx); err != nil || len(heads) != 1 || heads[0].CPU != 2 || j.QueuedCount() != 1 {
		t.Errorf("Heads() = %+v, %v; %d wait", heads, err, j.QueuedCount())
	}
	must(t, j.Hold(ctx, id(1)))
	must(t, j.Abort(ctx, id(1), errors.New("no")))
	must(t, j.Delete(ctx, id(1)))
	if _, err := j.Get(ctx, id(1)); fringe.KindOf(err) != fringe.NotFound || j.QueuedCount() != 0 {
		t.Errorf("Get() of a deleted job = %v; %d wait", err, j.QueuedCount())
	}
}

func TestTheQueueIsBounded(t *testing.T) {
	ctx := t.Context()
	dir := t.TempDir()
	j, s, err := bounded(dir, 3, 2)
	must(t, err)
	put(t, j, work(1, ""))
	keyed := work(2, "")
	keyed.Key = "once"
	put(t, j, keyed)
	full := func(n int, owner string) {
		t.Helper()
		r := work(n, "")
		r.Owner = owner
		var e *fringe.Error
		if _, err := j.Submit(ctx, r); !errors.As(err, &e) || e.Kind != fringe.Busy || e.RetryAfter == 0 {
			t.Errorf("Submit() to a full queue = %v, want busy", err)
		}
	}
	full(3, "alice")
	keyed.ID = id(3)
	if job, err := j.Submit(ctx, keyed); err != nil || job.ID != id(2) {
		t.Errorf("an accepted request that is sent again to a full queue = %v, %v, want its job", job.ID, err)
	}
	keyed.Priority = 1
	if _, err := j.Submit(ctx, keyed); fringe.KindOf(err) != fringe.Conflict {
		t.Errorf("another request under its key = %v, want conflict", err)
	}
	r := work(3, "")
	r.Owner = "bob"
	put(t, j, r)
	full(4, "carol")
	r = work(5, "")
	r.Owner, r.Hold = "carol", true
	put(t, j, r) // it does not count
	if err := j.Run(ctx, id(5), jobs.Work{}); fringe.KindOf(err) != fringe.Busy {
		t.Errorf("Run() to a full queue = %v, want busy", err)
	}
	claim(t, j, 1)
	put(t, j, work(6, ""))
	must(t, j.Retry(ctx, id(1), 1, jobs.Again{Cause: "interrupted"})) // what is accepted is never refused
	if j.QueuedCount() != 4 {
		t.Errorf("%d wait, want 4", j.QueuedCount())
	}
	must(t, s.Close())
	j, s, err = bounded(dir, 3, 2)
	must(t, err)
	defer s.Close()
	if j.QueuedCount() != 4 {
		t.Errorf("after a restart %d wait, want 4", j.QueuedCount())
	}
	full(7, "dave")
}

// A job that is removed before it was run has not come to an end.
func TestRemovalIsNoEnd(t *testing.T) {
	dir := t.TempDir()
	_, s, err := ledger(dir)
	must(t, err)
	defer s.Close()
	var ends []jobs.Phase
	j, err := jobs.New(jobs.Config{Store: s, Dir: filepath.Join(dir, "logs"), Log: slog.New(slog.DiscardHandler),
		Ended: func(_ fringe.FunctionName, p jobs.Phase) { ends = append(ends, p) }})
	must(t, err)
	r := work(1, "")
	r.Hold = true
	put(t, j, r)
	must(t, j.Delete(t.Context(), id(1)))
	put(t, j, work(2, ""))
	must(t, j.Abort(t.Context(), id(2), errors.New("no more")))
	must(t, j.Delete(t.Context(), id(2)))
	if len(ends) != 1 || ends[0] != jobs.Aborted {
		t.Errorf("the ends that were told are %v, want ABORTED", ends)
	}
}

// TestHeads has more jobs in a line than memory holds of it.
func TestHeads(t *testing.T) {
	ctx := t.Context()
	j := open(t, t.TempDir(), nil)
	for n := range 100 {
		put(t, j, work(n, ""))
	}
	urgent := work(200, "")
	urgent.Priority = 5
	put(t, j, urgent)
	other := work(201, "")
	other.Function = "aoflagger"
	put(t, j, other)
	var order []fringe.CallID
	for {
		heads, err := j.Heads(ctx)
		must(t, err)
		if len(heads) > 2*32 {
			t.Fatalf("memory holds %d jobs of two lines", len(heads))
		}
		heads = slices.DeleteFunc(heads, func(w jobs.Waiting) bool { return w.Function == "aoflagger" })
		if len(heads) == 0 {
			break
		}
		if _, err := j.Claim(ctx, heads[0].ID, time.Minute); err != nil {
			t.Fatal(err)
		}
		order = append(order, heads[0].ID)
	}
	if len(order) != 101 || order[0] != id(200) || !slices.IsSorted(order[1:]) {
		t.Errorf("the order was %v", order)
	}
}

// TestEvents watches a job through its life, and again from the middle.
func TestEvents(t *testing.T) {
	ctx := t.Context()
	j := open(t, t.TempDir(), nil)
	r := work(1, "")
	r.Hold = true
	put(t, j, r)
	got := make(chan string, 20)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for e, err := range j.Watch(ctx, id(1), 0) {
			if err != nil {
				t.Error(err)
			}
			what := string(e.Phase)
			if e.Progress != nil {
				what = e.Progress.Step
			}
			got <- fmt.Sprint(e.N, " ", what)
		}
	}()
	expect := func(want string) {
		t.Helper()
		if s := <-got; s != want {
			t.Errorf("the event is %q, want %q", s, want)
		}
	}
	expect("1 PENDING")
	must(t, j.Run(ctx, id(1), jobs.Work{}))
	expect("2 QUEUED")
	claim(t, j, 1)
	expect("3 EXECUTING")
	must(t, j.Report(ctx, id(1), 1, jobs.Progress{Step: "gridding"}))
	expect("4 gridding")
	must(t, j.Report(ctx, id(1), 1, jobs.Progress{Fraction: 0.5, Step: "cleaning"}))
	expect("5 cleaning")
	waited := make(chan jobs.Job)
	go func() {
		job, err := j.Wait(ctx, id(1), jobs.Executing)
		if err != nil {
			t.Error(err)
		}
		waited <- job
	}()
	must(t, j.Settle(ctx, id(1), 1, jobs.Outcome{Phase: jobs.Error, Err: &fringe.Error{Kind: fringe.Failed, Message: "it broke"}}))
	expect("6 ERROR")
	<-done
	if job := <-waited; job.Phase != jobs.Error {
		t.Errorf("Wait() gave %s", job.Phase)
	}
	events, err := j.Events(ctx, id(1), 3)
	if err != nil || len(events) != 2 || events[0].N != 5 || events[0].Progress.Fraction != 0.5 || events[1].Message != "it broke" {
		t.Errorf("Events() after the third = %+v, %v; want the latest progress and the end", events, err)
	}
	ended, cancel := context.WithCancel(ctx)
	cancel()
	put(t, j, work(2, ""))
	if job, err := j.Wait(ended, id(2), ""); !errors.Is(err, context.Canceled) || job.Phase != jobs.Queued {
		t.Errorf("Wait() = %s, %v", job.Phase, err)
	}
	if _, err := j.Wait(ctx, "nobody", ""); fringe.KindOf(err) != fringe.NotFound {
		t.Errorf("Wait() for nothing = %v", err)
	}
}

func TestDelivery(t *testing.T) {
	ctx := t.Context()
	c := newClock()
	j := open(t, t.TempDir(), c.now)
	r := work(1, "")
	r.Callback = "https://example.org/done"
	put(t, j, r)
	if _, found, err := j.Delivery(ctx, id(1)); found || err != nil {
		t.Errorf("a delivery before the end: %v", err)
	}
	claim(t, j, 1)
	must(t, j.Settle(ctx, id(1), 1, completed(`{}`, "")))
	due, err := j.DueDeliveries(ctx, 10, 10)
	if err != nil || len(due) != 1 || due[0].URL != r.Callback || due[0].State != jobs.Waits {
		t.Fatalf("DueDeliveries() = %+v, %v", due, err)
	}
	d := due[0]
	d.Tries, d.Next, d.Status, d.Error = 1, c.now().Add(time.Minute), 500, "the receiver answered 500"
	must(t, j.Delivered(ctx, d))
	if due, err := j.DueDeliveries(ctx, 10, 10); err != nil || len(due) != 0 {
		t.Errorf("DueDeliveries() before its time = %+v, %v", due, err)
	}
	c.advance(time.Hour)
	if due, err = j.DueDeliveries(ctx, 10, 10); err != nil || len(due) != 1 || due[0].Tries != 1 || due[0].Status != 500 {
		t.Errorf("DueDeliveries() = %+v, %v", due, err)
	}
	d.Tries, d.State, d.Status, d.Error = 2, jobs.Delivered, 200, ""
	must(t, j.Delivered(ctx, d))
	must(t, j.Delivered(ctx, jobs.Delivery{Job: id(1), State: jobs.GivenUp})) // it is over
	if d, found, err := j.Delivery(ctx, id(1)); !found || err != nil || d.State != "delivered" || d.Tries != 2 {
		t.Errorf("Delivery() = %+v, %v, %v", d, found, err)
	}
	events, err := j.Events(ctx, id(1), 3)
	if err != nil || len(events) != 2 || events[1].Delivery != "delivered" {
		t.Errorf("Events() = %+v, %v", events, err)
	}
}

func TestFilters(t *testing.T) {
	ctx := t.Context()
	c := newClock()
	j := open(t, t.TempDir(), c.now)
	for n := range 20 {
		r := work(n, "")
		r.Owner = []string{"alice", "bob"}[n%2]
		r.Labels = map[string]string{"band": []string{"L", "C"}[n/10]}
		r.RunID = fmt.Sprint("run", n%5)
		put(t, j, r)
		c.advance(time.Minute)
	}
	for n := range 5 {
		claim(t, j, n)
	}
	begin := newClock().now()
	for _, f := range []struct {
		name string
		jobs.Filter
		want []int
	}{
		{"phases", jobs.Filter{Phases: []jobs.Phase{jobs.Executing, jobs.Completed, jobs.Executing}}, []int{4, 3, 2, 1, 0}},
		{"owner and phase", jobs.Filter{Owner: "bob", Phases: []jobs.Phase{jobs.Executing}}, []int{3, 1}},
		{"owner", jobs.Filter{Owner: "bob", Limit: 3}, []int{19, 17, 15}},
		{"label", jobs.Filter{Labels: map[string]string{"band": "C"}, Owner: "alice"}, []int{18, 16, 14, 12, 10}},
		{"two labels", jobs.Filter{Labels: map[string]string{"band": "C", "other": "x"}}, nil},
		{"run", jobs.Filter{RunID: "run3", Owner: "alice"}, []int{18, 8}},
		{"after", jobs.Filter{After: begin.Add(16 * time.Minute)}, []int{19, 18, 17}},
		{"before", jobs.Filter{Before: begin.Add(2 * time.Minute)}, []int{1, 0}},
		{"between", jobs.Filter{After: begin.Add(90 * time.Second), Before: begin.Add(4 * time.Minute), Function: "wsclean"}, []int{3, 2}},
		{"after all", jobs.Filter{After: begin.Add(time.Hour)}, nil},
	} {
		found, _, err := j.List(ctx, f.Filter)
		var got, want []fringe.CallID
		for _, job := range found {
			got = append(got, job.ID)
		}
		for _, n := range f.want {
			want = append(want, id(n))
		}
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: List() = %v, %v, want %v", f.name, got, err, want)
		}
	}
}

func TestWhatIsTimed(t *testing.T) {
	ctx := t.Context()
	c := newClock()
	j := open(t, t.TempDir(), c.now)
	r := work(1, "")
	r.Policy.Queue, r.Destruction = time.Hour, c.now().Add(2*time.Hour)
	put(t, j, r)
	r.ID = id(2)
	put(t, j, r)
	claim(t, j, 2)
	overdue := func() int {
		found, err := j.Overdue(ctx, 10)
		must(t, err)
		return len(found)
	}
	if n := overdue(); n != 0 {
		t.Errorf("%d are overdue at once", n)
	}
	c.advance(90 * time.Minute)
	if n := overdue(); n != 1 {
		t.Errorf("%d are overdue, want the one that waits", n)
	}
	must(t, j.Fail(ctx, id(1), &fringe.Error{Kind: fringe.Busy, Message: "too late"}))
	if err := j.Fail(ctx, id(2), errors.New("x")); fringe.KindOf(err) != fringe.Conflict {
		t.Errorf("Fail() of what runs = %v", err)
	}
	if expired, err := j.Expired(ctx, 10); err != nil || len(expired) != 0 {
		t.Errorf("Expired() = %v, %v before its time", expired, err)
	}
	c.advance(time.Hour)
	if expired, err := j.Expired(ctx, 10); err != nil || len(expired) != 2 {
		t.Errorf("Expired() = %d, %v, want both", len(expired), err)
	}
	must(t, j.Archive(ctx, id(1)))
	if got := phases(t, j, 1, 2); !slices.Equal(got, []jobs.Phase{jobs.Archived, jobs.Executing}) {
		t.Errorf("the phases are %v", got)
	}
	if expired, err := j.Expired(ctx, 10); err != nil || len(expired) != 1 {
		t.Errorf("Expired() = %d, %v after one was archived", len(expired), err)
	}
}
