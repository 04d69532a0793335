package jobs_test

import (
	"errors"
	"path/filepath"
	"slices"
	"testing"

	"fringe"
	"fringe/jobs"
	"fringe/store"
)

// former is a ledger as it was before the last two steps of the schema.
const former = `
	INSERT INTO jobs (seq, id, function, version, digest, owner, inputs, submitted, phase, derivation, ready) VALUES
		(1, '01K00000000000000000000001', 'wsclean', '1', 'd', 'alice', '{"a":1}', 5, 'QUEUED', 'one', 0),
		(2, '01K00000000000000000000002', 'wsclean', '1', 'd', 'alice', '{"a":1}', 5, 'QUEUED', 'one', 9223372036854775807);
	INSERT INTO jobs (seq, id, function, version, digest, owner, inputs, submitted, phase, lease, fence, started, priority, namespace) VALUES
		(3, '01K00000000000000000000003', 'wsclean', '1', 'd', 'alice', '{}', 5, 'EXECUTING', 0, 1, 7, 5, 'astron');
	INSERT INTO jobs (seq, id, function, version, digest, owner, inputs, submitted, phase, ended, outputs, labels, run_id, callback) VALUES
		(4, '01K00000000000000000000004', 'wsclean', '1', 'd', 'alice', '{}', 5, 'COMPLETED', 9, '{"n":1}', '{"field":"m87"}', 'mine', 'https://example.org');
	INSERT INTO jobs (seq, id, function, version, digest, owner, inputs, submitted, phase, ended, error, key, request) VALUES
		(9, '01K00000000000000000000009', 'wsclean', '1', 'd', 'alice', '{}', 5, 'ERROR', 9, '{"kind":"failed","message":"no"}', 'k', 'r');
	INSERT INTO jobs_attempts (job, fence, started) VALUES (3, 1, 7);
	INSERT INTO jobs_events (job, n, at, kind, body) VALUES (3, 2, 7, 'phase', '{"phase":"EXECUTING","from":"QUEUED"}');
	UPDATE jobs SET changes = 2 WHERE seq = 3;
	INSERT INTO jobs_labels (name, value, job) VALUES ('field', 'm87', 4);
	INSERT INTO jobs_deliveries (job, url, state, next, at) VALUES (4, 'https://example.org', 'waiting', 1, 9);
	INSERT INTO jobs_memos (derivation, job, outputs, made) VALUES ('other', '01K00000000000000000000004', '{"n":1}', 9);`

// TestOldStoresOpen opens such a ledger: nothing of it is lost, and its jobs go
// on.
func TestOldStoresOpen(t *testing.T) {
	ctx, dir := t.Context(), t.TempDir()
	old, err := store.Open(ctx, store.Config{Path: filepath.Join(dir, "fringe.db")})
	must(t, err)
	steps := jobs.Migrations()
	must(t, old.Migrate(ctx, map[string][]store.Migration{"jobs": steps[:len(steps)-2]}))
	must(t, old.Update(ctx, func(tx *store.Tx) error {
		_, err := tx.Exec(former)
		return err
	}))
	must(t, old.Close())

	j, s, err := ledger(dir)
	must(t, err)
	defer s.Close()
	if got := phases(t, j, 1, 2, 3, 4, 9); !slices.Equal(got, []jobs.Phase{jobs.Queued, jobs.Queued, jobs.Executing, jobs.Completed, jobs.Error}) {
		t.Errorf("the jobs are %v", got)
	}
	heads, err := j.Heads(ctx)
	if err != nil || len(heads) != 1 || heads[0].ID != id(1) || j.QueuedCount() != 2 {
		t.Errorf("Heads() = %+v, %v; %d wait", heads, err, j.QueuedCount())
	}
	running, err := j.Executing(ctx)
	if err != nil || len(running) != 1 || running[0].Priority != 5 || running[0].Namespace != "astron" || running[0].Fence != 1 {
		t.Errorf("Executing() = %+v, %v", running, err)
	}
	attempts, err := j.Attempts(ctx, id(3))
	if err != nil || len(attempts) != 1 {
		t.Errorf("Attempts() = %+v, %v", attempts, err)
	}
	if events, err := j.Events(ctx, id(3), 1); err != nil || len(events) != 1 || events[0].Phase != jobs.Executing {
		t.Errorf("Events() = %+v, %v", events, err)
	}
	if found, _, err := j.List(ctx, jobs.Filter{Owner: "alice", Labels: map[string]string{"field": "m87"}}); err != nil || len(found) != 1 || found[0].RunID != "mine" || string(found[0].Outputs) != `{"n":1}` {
		t.Errorf("List() = %+v, %v", found, err)
	}
	if d, err := j.DueDeliveries(ctx, 10, 10); err != nil || len(d) != 1 || d[0].Job != id(4) {
		t.Errorf("DueDeliveries() = %+v, %v", d, err)
	}
	again := work(20, "")
	again.Key = "k"
	if _, err := j.Submit(ctx, again); fringe.KindOf(err) != fringe.Conflict {
		t.Errorf("another request under a former key = %v, want conflict", err)
	}
	claim(t, j, 1)
	must(t, j.Settle(ctx, id(1), 1, completed(`{"n":2}`, "one")))
	if got := phases(t, j, 1, 2); !slices.Equal(got, []jobs.Phase{jobs.Completed, jobs.Completed}) {
		t.Errorf("the job and who waited for it are %v", got)
	}
	if job := put(t, j, work(21, "")); job.Seq != 10 {
		t.Errorf("the next place is %d, want 10", job.Seq)
	}
	must(t, j.Abort(ctx, id(3), errors.New("no")))
	must(t, j.Delete(ctx, id(3)))
	var left int
	must(t, s.View(ctx, func(tx *store.Tx) error {
		return tx.QueryRow(`SELECT (SELECT count(*) FROM jobs_attempts) + (SELECT count(*) FROM jobs_events WHERE job = 3)`).Scan(&left)
	}))
	if left != 1 { // of the job 1
		t.Errorf("%d attempts and events are left of a job that is deleted", left-1)
	}
}
