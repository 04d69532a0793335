package jobs_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"fringe"
	"fringe/jobs"
	"fringe/store"
)

func open(t testing.TB, dir string, now func() time.Time) *jobs.Jobs {
	t.Helper()
	ctx := context.Background()
	s, err := store.Open(ctx, store.Config{Path: filepath.Join(dir, "fringe.db")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	if err := s.Migrate(ctx, map[string][]store.Migration{"jobs": jobs.Migrations()}); err != nil {
		t.Fatal(err)
	}
	j, err := jobs.New(jobs.Config{Store: s, Dir: filepath.Join(dir, "logs"), Log: slog.New(slog.DiscardHandler), Now: now})
	if err != nil {
		t.Fatal(err)
	}
	return j
}

func id(n int) fringe.CallID { return fringe.CallID(fmt.Sprintf("01K0000000000000000000%04d", n)) }

func submit(t *testing.T, j *jobs.Jobs, n int, owner string, fn fringe.FunctionName) {
	t.Helper()
	_, err := j.Submit(context.Background(), jobs.NewJob{ID: id(n), Function: fn, Owner: owner,
		Work: jobs.Work{Version: "1.0.0", Digest: "sha256:0", Inputs: json.RawMessage(`{"a":1}`)}})
	if err != nil {
		t.Fatal(err)
	}
}

func claim(t *testing.T, j *jobs.Jobs, n int) jobs.Job {
	t.Helper()
	job, err := j.Claim(context.Background(), id(n), time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	return job
}

func TestLifeOfAJob(t *testing.T) {
	ctx := context.Background()
	j := open(t, t.TempDir(), nil)
	submit(t, j, 1, "alice", "wsclean")
	claim(t, j, 1)
	usage := fringe.Usage{CPU: time.Second, PeakMemory: 1 << 20, Wall: 2 * time.Second}
	err := j.Settle(ctx, id(1), 1, jobs.Outcome{Phase: jobs.Completed, Outputs: json.RawMessage(`{"image":1}`), Run: time.Second, Usage: usage})
	if err != nil {
		t.Fatal(err)
	}
	got, err := j.Get(ctx, id(1))
	if err != nil || got.Phase != jobs.Completed || string(got.Outputs) != `{"image":1}` || got.Usage != usage || got.Ended.IsZero() {
		t.Errorf("Get() = %+v, %v", got, err)
	}
}

func TestAStaleFenceChangesNothing(t *testing.T) {
	ctx := context.Background()
	j := open(t, t.TempDir(), nil)
	submit(t, j, 1, "alice", "wsclean")
	claim(t, j, 1)
	if err := j.Retry(ctx, id(1), 1, jobs.Again{Cause: "interrupted"}); err != nil {
		t.Fatal(err)
	}
	claim(t, j, 1)
	done := jobs.Outcome{Phase: jobs.Completed, Outputs: json.RawMessage(`{}`)}
	for what, err := range map[string]error{
		"Settle with an old fence": j.Settle(ctx, id(1), 1, done),
		"Retry with an old fence":  j.Retry(ctx, id(1), 1, jobs.Again{Cause: "failed"}),
		"Report with an old fence": j.Report(ctx, id(1), 1, jobs.Progress{Step: "x"}),
		"Claim again": func() error {
			_, err := j.Claim(ctx, id(1), time.Minute)
			return err
		}(),
		"Submit the same id": func() error {
			_, err := j.Submit(ctx, jobs.NewJob{ID: id(1)})
			return err
		}(),
	} {
		if fringe.KindOf(err) != fringe.Conflict {
			t.Errorf("%s = %v, want conflict", what, err)
		}
	}
	if err := j.Settle(ctx, id(1), 2, done); err != nil {
		t.Fatal(err)
	}
	if err := j.Settle(ctx, id(1), 2, done); fringe.KindOf(err) != fringe.Conflict {
		t.Errorf("second Settle() = %v, want conflict", err)
	}
}

func TestErrorsAreKept(t *testing.T) {
	ctx := context.Background()
	j := open(t, t.TempDir(), nil)
	submit(t, j, 1, "alice", "wsclean")
	claim(t, j, 1)
	want := &fringe.Error{Kind: fringe.Failed, Component: fringe.Memory, Message: "it met its memory limit", Cure: "ask for more"}
	if err := j.Settle(ctx, id(1), 1, jobs.Outcome{Phase: jobs.Error, Err: fmt.Errorf("somewhere: %w", want)}); err != nil {
		t.Fatal(err)
	}
	got, err := j.Get(ctx, id(1))
	if err != nil || got.Err == nil || got.Err.Component != fringe.Memory || got.Err.Message != want.Message || got.Err.Cure != want.Cure {
		t.Errorf("Get() = %+v, %v, want the error kept", got.Err, err)
	}
}

func TestListByNamespace(t *testing.T) {
	ctx := t.Context()
	j := open(t, t.TempDir(), nil)
	for n := range 12 {
		put(t, j, jobs.NewJob{ID: id(n), Function: "echo", Owner: []string{"alice", "bob"}[n%2], Namespace: []string{"", "m87", "ngc1"}[n%3],
			Work: jobs.Work{Version: "1.0.0", Digest: "sha256:0", Inputs: json.RawMessage(`{}`)}})
	}
	for _, n := range []int{1, 4} { // an executing and an ended one of m87
		if _, err := j.Claim(ctx, id(n), time.Minute); err != nil {
			t.Fatal(err)
		}
	}
	if err := j.Settle(ctx, id(4), 1, jobs.Outcome{Phase: jobs.Completed, Outputs: json.RawMessage(`{}`)}); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		f    jobs.Filter
		want []fringe.CallID
	}{
		"All":    {jobs.Filter{Namespace: "m87"}, []fringe.CallID{id(10), id(7), id(4), id(1)}},
		"Owner":  {jobs.Filter{Namespace: "m87", Owner: "alice"}, []fringe.CallID{id(10), id(4)}},
		"Phase":  {jobs.Filter{Namespace: "m87", Phases: []jobs.Phase{jobs.Completed, jobs.Executing}}, []fringe.CallID{id(4), id(1)}},
		"Nobody": {jobs.Filter{Namespace: "m8"}, nil},
	} {
		page, _, err := j.List(ctx, c.f)
		var got []fringe.CallID
		for _, job := range page {
			got = append(got, job.ID)
			if job.Namespace != "m87" {
				t.Errorf("%s: the job %s is in the namespace %q", name, job.ID, job.Namespace)
			}
		}
		if err != nil || !slices.Equal(got, c.want) {
			t.Errorf("%s: List() = %v, %v, want %v", name, got, err, c.want)
		}
	}
}

func TestListPagesAndFilters(t *testing.T) {
	ctx := context.Background()
	j := open(t, t.TempDir(), nil)
	for n := range 25 {
		submit(t, j, n, []string{"alice", "bob"}[n%2], []fringe.FunctionName{"wsclean", "echo", "selfcal"}[n%3])
	}
	var seen []fringe.CallID
	f := jobs.Filter{Owner: "alice", Limit: 5}
	for {
		page, next, err := j.List(ctx, f)
		if err != nil {
			t.Fatal(err)
		}
		for _, job := range page {
			seen = append(seen, job.ID)
		}
		if next == "" {
			break
		}
		f.Cursor = next
	}
	if len(seen) != 13 || seen[0] != id(24) || seen[12] != id(0) {
		t.Errorf("List() gave %d jobs from %s to %s, want 13 from %s to %s", len(seen), seen[0], seen[len(seen)-1], id(24), id(0))
	}
	if page, _, err := j.List(ctx, jobs.Filter{Function: "echo", Phases: []jobs.Phase{jobs.Queued}, Limit: 100}); err != nil || len(page) != 8 {
		t.Errorf("List(echo, QUEUED) = %d jobs, %v, want 8", len(page), err)
	}
	if _, _, err := j.List(ctx, jobs.Filter{Phases: []jobs.Phase{"RUNNING"}, Limit: 1}); fringe.KindOf(err) != fringe.Invalid {
		t.Errorf("List(RUNNING) = %v, want invalid", err)
	}
}

func TestAClockThatGoesBackBreaksNothing(t *testing.T) {
	ctx := context.Background()
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	j := open(t, t.TempDir(), func() time.Time { now = now.Add(-time.Hour); return now })
	submit(t, j, 1, "alice", "wsclean")
	claim(t, j, 1)
	if err := j.Settle(ctx, id(1), 1, jobs.Outcome{Phase: jobs.Completed, Outputs: json.RawMessage(`{}`)}); err != nil {
		t.Fatal(err)
	}
	if got, err := j.Get(ctx, id(1)); err != nil || got.Ended.Before(got.Submitted) {
		t.Errorf("submitted %v, ended %v, %v: a job cannot end before it was submitted", got.Submitted, got.Ended, err)
	}
}

func TestLogIsKeptFollowedAndBounded(t *testing.T) {
	ctx := context.Background()
	j := open(t, t.TempDir(), nil)
	log, err := j.OpenLog(id(1))
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	var followed bytes.Buffer
	ended := make(chan error)
	go func() { ended <- j.CopyLog(ctx, id(1), []jobs.Stream{jobs.Stdout}, &followed, done) }()
	fmt.Fprintln(log.Stdout(), "first")
	line := strings.Repeat("x", 1<<20)
	for range 70 {
		if _, err := log.Stderr().WriteString(line); err != nil {
			t.Fatal(err)
		}
	}
	fmt.Fprintln(log.Stdout(), "last")
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
	close(done)
	if err := <-ended; err != nil || followed.String() != "first\nlast\n" {
		t.Errorf("CopyLog() followed %q, %v", followed.String(), err)
	}
	var errs bytes.Buffer
	if err := j.CopyLog(ctx, id(1), []jobs.Stream{jobs.Stderr}, &errs, nil); err != nil {
		t.Fatal(err)
	}
	if n := errs.Len(); n < 64<<20 || n > 64<<20+200 || !strings.Contains(errs.String()[64<<20:], "cut here: 6291456 bytes") {
		t.Errorf("the log has %d bytes and ends %q, want 64 MiB and a line that says what was cut", n, errs.String()[max(0, n-80):])
	}
	again, err := j.OpenLog(id(1)) // of the next attempt
	if err != nil {
		t.Fatal(err)
	}
	if _, err := again.Stderr().WriteString(line); err != nil {
		t.Fatal(err)
	}
	fmt.Fprintln(again.Stdout(), "again")
	if err := again.Close(); err != nil {
		t.Fatal(err)
	}
	errs.Reset()
	followed.Reset()
	err = errors.Join(j.CopyLog(ctx, id(1), []jobs.Stream{jobs.Stderr}, &errs, nil), j.CopyLog(ctx, id(1), []jobs.Stream{jobs.Stdout}, &followed, nil))
	if n := errs.Len(); err != nil || n > 64<<20+200 || !strings.HasSuffix(errs.String(), "cut here: 1048576 bytes more were written]\n") || followed.String() != "first\nlast\nagain\n" {
		t.Errorf("with another attempt the log has %d bytes and ends %q, %q, %v", n, errs.String()[max(0, n-80):], &followed, err)
	}
	if !j.HasLog(id(1)) || j.HasLog(id(2)) || j.HasLog("../../etc") {
		t.Error("HasLog() is wrong about what was written, what was not, or a path")
	}
	if _, err := j.OpenLog("../../../tmp/evil"); fringe.KindOf(err) != fringe.NotFound {
		t.Errorf("OpenLog(a path) = %v, want not found", err)
	}
}

// An attempt that was aborted opens its log while the job is deleted.
func TestDeleteWhileTheLogIsOpened(t *testing.T) {
	ctx := context.Background()
	j := open(t, t.TempDir(), nil)
	for n := range 300 {
		submit(t, j, n, "ada", "echo")
		if err := j.Abort(ctx, id(n), errors.New("no longer wanted")); err != nil {
			t.Fatal(err)
		}
		begun, ended := make(chan bool), make(chan bool)
		go func() {
			defer close(ended)
			close(begun)
			if l, err := j.OpenFiles(id(n)); err == nil { // else the directory has gone in between
				l.Close()
			}
		}()
		<-begun
		if err := j.Delete(ctx, id(n)); err != nil {
			t.Fatalf("Delete() = %v", err)
		}
		<-ended
	}
}

func TestGetOfNothing(t *testing.T) {
	_, err := open(t, t.TempDir(), nil).Get(context.Background(), "nope")
	var e *fringe.Error
	if !errors.As(err, &e) || e.Kind != fringe.NotFound || !strings.Contains(e.Message, "nope") {
		t.Errorf("Get() = %v, want not found, with the id", err)
	}
}

func TestPhases(t *testing.T) {
	for _, c := range []struct {
		from, to jobs.Phase
		want     bool
	}{{jobs.Queued, jobs.Executing, true}, {jobs.Executing, jobs.Completed, true}, {jobs.Completed, jobs.Executing, false},
		{jobs.Error, jobs.Queued, false}, {jobs.Aborted, jobs.Archived, true}, {jobs.Archived, jobs.Queued, false}} {
		if got := jobs.Allowed(c.from, c.to); got != c.want {
			t.Errorf("Allowed(%s, %s) = %v, want %v", c.from, c.to, got, c.want)
		}
	}
}

// until is a context that ends when something has come to be.
type until struct {
	context.Context
	come func() bool
}

func (u until) Done() <-chan struct{} {
	if !u.come() {
		return nil
	}
	done := make(chan struct{})
	close(done)
	return done
}

func (u until) Err() error {
	if u.come() {
		return context.Canceled
	}
	return nil
}

// TestClaimOutlivesItsContext has a context that ends as soon as the claim is
// committed: who claimed the job has it.
func TestClaimOutlivesItsContext(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir, nil)
	submit(t, j, 1, "ada", "f")
	other := open(t, dir, nil) // connections of its own, so that looking waits for nothing
	ctx := until{t.Context(), func() bool {
		job, err := other.Get(context.Background(), id(1))
		if err != nil {
			t.Error(err)
		}
		return job.Phase == jobs.Executing
	}}
	job, err := j.Claim(ctx, id(1), time.Minute)
	if err != nil || job.Fence != 1 {
		t.Errorf("Claim() = fence %d, %v", job.Fence, err)
	}
	if ctx.Err() == nil {
		t.Error("the context has not ended")
	}
}
