package jobs

import (
	"context"
	"database/sql"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"

	"fringe"
	"fringe/store"
)

const columns = `seq, id, function, version, digest, environment, namespace, owner, phase, priority, inputs, staged, terms, derivation,
	outputs, error, reused, fence, lease, spent, failed, submitted, queued, started, ended, queue, start, run, usage, changes,
	duration, destruction, run_id, labels, key, callback`

// Get gives a job.
func (j *Jobs) Get(ctx context.Context, id fringe.CallID) (job Job, err error) {
	err = j.store.View(ctx, func(tx *store.Tx) (err error) {
		job, err = scan(tx.QueryRow(`SELECT `+columns+` FROM jobs WHERE id = ?`, string(id)))
		return err
	})
	if err != nil {
		return Job{}, readError("jobs.Get", id, err)
	}
	return job, nil
}

// several gives the jobs that the rest of a query chooses.
func (j *Jobs) several(ctx context.Context, op, rest string, args ...any) (found []Job, err error) {
	err = j.store.View(ctx, func(tx *store.Tx) error {
		rows, err := tx.Query(`SELECT `+columns+` FROM jobs `+rest, args...)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			job, err := scan(rows)
			if err != nil {
				return err
			}
			found = append(found, job)
		}
		return rows.Err()
	})
	if err != nil {
		return nil, fringe.E(op, err)
	}
	return found, nil
}

// Attempts gives the tries of a job, the first one first.
func (j *Jobs) Attempts(ctx context.Context, id fringe.CallID) (found []Attempt, err error) {
	err = j.store.View(ctx, func(tx *store.Tx) error {
		rows, err := tx.Query(`SELECT a.fence, a.started, a.ended, a.cause, a.error, a.usage FROM jobs_attempts a JOIN jobs j ON j.seq = a.job
			WHERE j.id = ? ORDER BY a.fence`, string(id))
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var a Attempt
			var started int64
			var ended sql.NullInt64
			var problem, usage sql.NullString
			if err := rows.Scan(&a.Fence, &started, &ended, &a.Cause, &problem, &usage); err != nil {
				return err
			}
			a.Started, a.Ended = moment(started), moment(ended.Int64)
			if a.Err, err = readProblem(problem); err != nil {
				return err
			}
			if err := readJSON(usage, &a.Usage); err != nil {
				return err
			}
			found = append(found, a)
		}
		return rows.Err()
	})
	if err != nil {
		return nil, fringe.E("jobs.Attempts", err)
	}
	return found, nil
}

// Filter chooses jobs; an empty field chooses all.
type Filter struct {
	Phases        []Phase // empty: every one
	Owner         string
	Namespace     string
	Function      fringe.FunctionName
	Labels        map[string]string
	RunID         string
	After, Before time.Time // of the submission; neither is included
	Limit         int       // most on a page; 0: 100
	Cursor        string    // what List gave as next
}

// List gives jobs, the last accepted first whatever the clock says, and the
// cursor of the next page. When the clock was set back, bounds of time may
// leave jobs of around that moment out.
func (j *Jobs) List(ctx context.Context, f Filter) (found []Job, next string, err error) {
	const op = "jobs.List"
	for _, p := range f.Phases {
		if !p.Valid() {
			return nil, "", fringe.Errorf(op, fringe.Invalid, "%q is not a phase; QUEUED, EXECUTING, COMPLETED, ERROR and ABORTED are", p)
		}
	}
	below := int64(never)
	if f.Cursor != "" {
		if below, err = strconv.ParseInt(f.Cursor, 36, 64); err != nil {
			return nil, "", fringe.Errorf(op, fringe.Invalid, "%.40q is not a cursor that a list of calls gave", f.Cursor)
		}
	}
	if f.Limit <= 0 {
		f.Limit = 100
	}
	err = j.store.View(ctx, func(tx *store.Tx) error {
		query, args, err := f.query(tx, below)
		if err != nil {
			return err
		}
		rows, err := tx.Query(query, args...)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			job, err := scan(rows)
			if err != nil {
				return err
			}
			found = append(found, job)
		}
		return rows.Err()
	})
	if err != nil {
		return nil, "", fringe.E(op, err)
	}
	if len(found) > f.Limit {
		found = found[:f.Limit]
		next = strconv.FormatInt(found[f.Limit-1].Seq, 36)
	}
	return found, next, nil
}

// query gives the statement of a page of jobs whose place is below the given
// one. Each phase is looked up by itself, so that an index gives the page
// however many jobs there are.
func (f *Filter) query(tx *store.Tx, below int64) (string, []any, error) {
	where, args := `seq < ?`, []any{below}
	and := func(cond string, v ...any) {
		where += " AND " + cond
		args = append(args, v...)
	}
	if f.Owner != "" {
		and(`owner = ?`, f.Owner)
	}
	if f.Namespace != "" {
		and(`namespace = ? AND namespace <> ''`, f.Namespace)
	}
	if f.Function != "" {
		and(`function = ?`, string(f.Function))
	}
	if f.RunID != "" {
		and(`run_id = ?`, f.RunID)
	}
	for name, value := range f.Labels {
		and(`seq IN (SELECT job FROM jobs_labels WHERE name = ? AND value = ?)`, name, value)
	}
	if !f.After.IsZero() {
		first, err := firstSince(tx, f.After.UnixNano())
		if err != nil {
			return "", nil, err
		}
		and(`seq >= ? AND submitted > ?`, first, f.After.UnixNano())
	}
	if !f.Before.IsZero() {
		end, err := firstSince(tx, f.Before.UnixNano())
		if err != nil {
			return "", nil, err
		}
		and(`seq < ? AND submitted < ?`, end, f.Before.UnixNano())
	}
	phases := f.Phases
	if len(phases) == 0 {
		if f.Owner == "" && f.Function == "" && f.Namespace == "" {
			return `SELECT ` + columns + ` FROM jobs WHERE ` + where + ` ORDER BY seq DESC LIMIT ?`, append(args, f.Limit+1), nil
		}
		phases = Phases()
	}
	var parts []string
	var all []any
	for _, p := range slices.Compact(slices.Sorted(slices.Values(phases))) {
		cond := `phase = 'QUEUED'`
		if p != Queued {
			cond = `phase <> 'QUEUED' AND phase = '` + string(p) + `'`
		}
		parts = append(parts, `SELECT * FROM (SELECT seq AS s FROM jobs WHERE `+cond+` AND `+where+` ORDER BY seq DESC LIMIT ?)`)
		all = append(append(all, args...), f.Limit+1)
	}
	return `SELECT ` + columns + ` FROM jobs WHERE seq IN (SELECT s FROM (` + strings.Join(parts, ` UNION ALL `) + `) ORDER BY s DESC LIMIT ?) ORDER BY seq DESC`,
		append(all, f.Limit+1), nil
}

// firstSince gives the place of the first job that was submitted at a moment
// or later, found by halving; one above all when there is none.
func firstSince(tx *store.Tx, since int64) (int64, error) {
	var low, high sql.NullInt64
	if err := tx.QueryRow(`SELECT (SELECT MIN(seq) FROM jobs), (SELECT MAX(seq) + 1 FROM jobs)`).Scan(&low, &high); err != nil {
		return 0, err
	}
	for low.Int64 < high.Int64 {
		middle := low.Int64 + (high.Int64-low.Int64)/2
		var seq, submitted int64
		if err := tx.QueryRow(`SELECT seq, submitted FROM jobs WHERE seq >= ? ORDER BY seq LIMIT 1`, middle).Scan(&seq, &submitted); err != nil {
			return 0, err
		}
		if submitted < since {
			low.Int64 = seq + 1
		} else {
			high.Int64 = middle
		}
	}
	return high.Int64, nil
}

// scan reads one row of columns.
func scan(row interface{ Scan(...any) error }) (job Job, err error) {
	var id, function, digest, environment, phase, inputs string
	var staged, kept, derivation, outputs, problem, reused, usage, runID, labels, key, callback sql.NullString
	var submitted, queue, start, run, duration int64
	var lease, queued, started, ended, destruction sql.NullInt64
	err = row.Scan(&job.Seq, &id, &function, &job.Version, &digest, &environment, &job.Namespace, &job.Owner, &phase, &job.Priority, &inputs, &staged, &kept, &derivation,
		&outputs, &problem, &reused, &job.Fence, &lease, &job.Spent, &job.Failed, &submitted, &queued, &started, &ended, &queue, &start, &run, &usage, &job.Changes,
		&duration, &destruction, &runID, &labels, &key, &callback)
	if err != nil {
		return Job{}, err
	}
	job.ID, job.Function, job.Digest, job.Environment, job.Phase = fringe.CallID(id), fringe.FunctionName(function), fringe.Digest(digest), fringe.EnvironmentName(environment), Phase(phase)
	job.Inputs, job.Staged, job.Outputs = json.RawMessage(inputs), raw(staged), raw(outputs)
	job.Derivation, job.Reused, job.RunID, job.Key, job.Callback = derivation.String, fringe.CallID(reused.String), runID.String, key.String, callback.String
	job.Submitted, job.QueuedAt, job.Started, job.Ended = moment(submitted), moment(queued.Int64), moment(started.Int64), moment(ended.Int64)
	job.Lease, job.Destruction = moment(lease.Int64), moment(destruction.Int64)
	job.Queue, job.Start, job.Run, job.Duration = time.Duration(queue), time.Duration(start), time.Duration(run), time.Duration(duration)
	if job.Err, err = readProblem(problem); err != nil {
		return Job{}, err
	}
	var t terms
	if err := readJSON(kept, &t); err != nil {
		return Job{}, err
	}
	job.Limits, job.Policy, job.Trace = t.Limits, t.Policy, t.Trace
	if err := readJSON(usage, &job.Usage); err != nil {
		return Job{}, err
	}
	return job, readJSON(labels, &job.Labels)
}

func raw(s sql.NullString) json.RawMessage {
	if !s.Valid {
		return nil
	}
	return json.RawMessage(s.String)
}

func readJSON(s sql.NullString, v any) error {
	if !s.Valid {
		return nil
	}
	return json.Unmarshal([]byte(s.String), v)
}

func readProblem(s sql.NullString) (*fringe.Error, error) {
	if !s.Valid {
		return nil, nil
	}
	var r record
	err := json.Unmarshal([]byte(s.String), &r)
	return r.error(), err
}
