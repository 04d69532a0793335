package jobs

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strconv"
	"time"

	"fringe"
	"fringe/store"
)

// Config says where jobs are kept.
type Config struct {
	Store *store.Store
	Dir   string           // of the logs
	Log   *slog.Logger     // nil: slog.Default
	Now   func() time.Time // nil: time.Now
}

// Jobs is the ledger.
type Jobs struct {
	store *store.Store
	dir   string
	log   *slog.Logger
	now   func() time.Time
}

// Migrations are the room's steps of the schema.
func Migrations() []store.Migration {
	return []store.Migration{{Name: "jobs", SQL: `
		CREATE TABLE jobs (
			id        TEXT PRIMARY KEY,
			function  TEXT NOT NULL,
			version   TEXT NOT NULL,
			digest    TEXT NOT NULL,
			owner     TEXT NOT NULL,
			phase     TEXT NOT NULL CHECK (phase IN ('PENDING','QUEUED','EXECUTING','COMPLETED','ERROR','ABORTED','HELD','SUSPENDED','ARCHIVED')),
			inputs    TEXT NOT NULL,
			outputs   TEXT,
			error     TEXT,
			fence     INTEGER NOT NULL DEFAULT 0,
			submitted INTEGER NOT NULL,
			started   INTEGER,
			ended     INTEGER,
			queue     INTEGER NOT NULL DEFAULT 0,
			start     INTEGER NOT NULL DEFAULT 0,
			run       INTEGER NOT NULL DEFAULT 0,
			usage     TEXT,
			CHECK ((phase IN ('COMPLETED','ERROR','ABORTED','ARCHIVED')) = (ended IS NOT NULL)),
			CHECK (phase <> 'COMPLETED' OR outputs IS NOT NULL),
			CHECK (phase <> 'ERROR' OR error IS NOT NULL)
		) WITHOUT ROWID;
		CREATE INDEX jobs_owner ON jobs(owner, id);
		CREATE INDEX jobs_function ON jobs(function, id);
		CREATE INDEX jobs_phase ON jobs(phase, id);`},
		{Name: "order of acceptance", SQL: `
		ALTER TABLE jobs ADD COLUMN seq INTEGER NOT NULL DEFAULT 0;
		UPDATE jobs SET seq = n FROM (SELECT id AS i, row_number() OVER (ORDER BY id) AS n FROM jobs) WHERE id = i;
		CREATE UNIQUE INDEX jobs_seq ON jobs(seq);
		DROP INDEX jobs_owner;
		DROP INDEX jobs_function;
		DROP INDEX jobs_phase;
		CREATE INDEX jobs_owner ON jobs(owner, seq);
		CREATE INDEX jobs_function ON jobs(function, seq);
		CREATE INDEX jobs_phase ON jobs(phase, seq);`}}
}

// New gives the ledger over an open, migrated store.
func New(cfg Config) (*Jobs, error) {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	if err := os.MkdirAll(cfg.Dir, 0o700); err != nil {
		return nil, fringe.E("jobs.New", err)
	}
	return &Jobs{store: cfg.Store, dir: cfg.Dir, log: cfg.Log, now: cfg.Now}, nil
}

// NewJob is what a job is made of.
type NewJob struct {
	ID       fringe.CallID
	Function fringe.FunctionName
	Version  string
	Digest   fringe.Digest
	Owner    string
	Inputs   json.RawMessage
}

// Job is a job as it stands.
type Job struct {
	NewJob
	Phase                     Phase
	Outputs                   json.RawMessage // once COMPLETED
	Err                       *fringe.Error   // once in ERROR or ABORTED
	Fence                     int64           // of the latest attempt
	Submitted, Started, Ended time.Time       // zero: not yet
	Queue, Start, Run         time.Duration
	Usage                     fringe.Usage
}

// Outcome is how an attempt ended.
type Outcome struct {
	Phase             Phase // Completed, Error or Aborted
	Outputs           json.RawMessage
	Err               error // with Error and Aborted
	Queue, Start, Run time.Duration
	Usage             fringe.Usage
}

// Submit commits a job as QUEUED. An id that is there already is a Conflict.
func (j *Jobs) Submit(ctx context.Context, n NewJob) (Job, error) {
	const op = "jobs.Submit"
	job := Job{NewJob: n, Phase: Queued, Submitted: j.now().UTC()}
	err := j.store.Update(ctx, func(tx *store.Tx) error {
		res, err := tx.Exec(`INSERT INTO jobs (id, function, version, digest, owner, phase, inputs, submitted, seq)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, (SELECT COALESCE(MAX(seq), 0) + 1 FROM jobs)) ON CONFLICT DO NOTHING`,
			string(n.ID), string(n.Function), n.Version, string(n.Digest), n.Owner, string(Queued), string(n.Inputs), job.Submitted.UnixNano())
		if err != nil {
			return err
		}
		if k, err := res.RowsAffected(); err != nil || k != 1 {
			return fringe.Errorf(op, fringe.Conflict, "there is a call %s already", n.ID)
		}
		return nil
	})
	if err != nil {
		return Job{}, fringe.E(op, err)
	}
	return job, nil
}

// Start moves a queued job to EXECUTING under a fence greater than any before.
func (j *Jobs) Start(ctx context.Context, id fringe.CallID, fence int64) error {
	const op = "jobs.Start"
	err := j.store.Update(ctx, func(tx *store.Tx) error {
		res, err := tx.Exec(`UPDATE jobs SET phase = 'EXECUTING', fence = ?, started = COALESCE(started, ?)
			WHERE id = ? AND phase IN ('QUEUED', 'SUSPENDED') AND fence < ?`, fence, j.now().UnixNano(), string(id), fence)
		return one(op, id, res, err)
	})
	if err != nil {
		return fringe.E(op, err)
	}
	return nil
}

// one turns a change that met no row into a Conflict.
func one(op string, id fringe.CallID, res sql.Result, err error) error {
	if err != nil {
		return err
	}
	if n, err := res.RowsAffected(); err != nil {
		return err
	} else if n != 1 {
		return fringe.Errorf(op, fringe.Conflict, "the call %s has moved on: another attempt has it, or it has ended", id)
	}
	return nil
}

// Settle ends a job, once: under the fence of the attempt that runs, or from
// QUEUED when it never started.
func (j *Jobs) Settle(ctx context.Context, id fringe.CallID, fence int64, o Outcome) error {
	const op = "jobs.Settle"
	if !o.Phase.Final() || o.Phase == Archived {
		return fringe.Errorf(op, fringe.Internal, "%s is not the end of an attempt", o.Phase)
	}
	usage, err := json.Marshal(o.Usage)
	if err != nil {
		return fringe.E(op, err)
	}
	var problem any
	if o.Err != nil {
		b, err := json.Marshal(recordOf(o.Err))
		if err != nil {
			return fringe.E(op, err)
		}
		problem = string(b)
	}
	var outputs any
	if o.Phase == Completed {
		outputs = string(o.Outputs)
	}
	err = j.store.Update(ctx, func(tx *store.Tx) error {
		res, err := tx.Exec(`UPDATE jobs SET phase = ?, outputs = ?, error = ?, ended = MAX(?, submitted), queue = ?, start = ?, run = ?, usage = ?
			WHERE id = ? AND ((phase = 'EXECUTING' AND fence = ?) OR (phase = 'QUEUED' AND ? <> 'COMPLETED'))`,
			string(o.Phase), outputs, problem, j.now().UnixNano(), int64(o.Queue), int64(o.Start), int64(o.Run), string(usage),
			string(id), fence, string(o.Phase))
		return one(op, id, res, err)
	})
	if err != nil {
		return fringe.E(op, err)
	}
	return nil
}

// record is an error as it is stored.
type record struct {
	Kind      fringe.Kind      `json:"kind"`
	Component fringe.Component `json:"component,omitempty"`
	Message   string           `json:"message"`
	Pointer   string           `json:"pointer,omitempty"`
	Cure      string           `json:"cure,omitempty"`
}

func recordOf(err error) record {
	var e *fringe.Error
	if !errors.As(err, &e) {
		return record{Kind: fringe.Internal, Message: "the platform failed; the server's log says why"}
	}
	return record{e.Kind, e.Component, e.Message, e.Pointer, e.Cure}
}

// Recover ends in ERROR every job that a crashed server left waiting or
// running, and says how many. It must be called before the first Submit.
func (j *Jobs) Recover(ctx context.Context) (int, error) {
	const op = "jobs.Recover"
	why, err := json.Marshal(record{Kind: fringe.Unavailable, Component: fringe.Engine,
		Message: "the server stopped while this call waited or ran", Cure: "send the call again; its inputs are as they were"})
	if err != nil {
		return 0, fringe.E(op, err)
	}
	var n int64
	err = j.store.Update(ctx, func(tx *store.Tx) error {
		res, err := tx.Exec(`UPDATE jobs SET phase = 'ERROR', error = ?, ended = MAX(?, submitted)
			WHERE phase IN ('QUEUED', 'EXECUTING', 'SUSPENDED', 'PENDING')`, string(why), j.now().UnixNano())
		if err != nil {
			return err
		}
		n, err = res.RowsAffected()
		return err
	})
	if err != nil {
		return 0, fringe.E(op, err)
	}
	return int(n), nil
}

const columns = `id, function, version, digest, owner, phase, inputs, outputs, error, fence, submitted, started, ended, queue, start, run, usage, seq`

// Get gives a job.
func (j *Jobs) Get(ctx context.Context, id fringe.CallID) (Job, error) {
	const op = "jobs.Get"
	var job Job
	err := j.store.View(ctx, func(tx *store.Tx) error {
		var err error
		job, _, err = scan(tx.QueryRow(`SELECT `+columns+` FROM jobs WHERE id = ?`, string(id)))
		return err
	})
	if errors.Is(err, sql.ErrNoRows) {
		return Job{}, &fringe.Error{Op: op, Kind: fringe.NotFound, Message: fmt.Sprintf("there is no call %q", id),
			Cure: "see the calls of tasks with: fringe calls"}
	}
	if err != nil {
		return Job{}, fringe.E(op, err)
	}
	return job, nil
}

// Filter chooses jobs; an empty field chooses all.
type Filter struct {
	Phase    Phase
	Owner    string
	Function fringe.FunctionName
	Limit    int    // most on a page; 0: 100
	Cursor   string // what List gave as next
}

// List gives jobs, the last accepted first whatever the clock says, and the
// cursor of the next page.
func (j *Jobs) List(ctx context.Context, f Filter) (found []Job, next string, err error) {
	const op = "jobs.List"
	if f.Phase != "" && !f.Phase.Valid() {
		return nil, "", fringe.Errorf(op, fringe.Invalid, "%q is not a phase; QUEUED, EXECUTING, COMPLETED, ERROR and ABORTED are", f.Phase)
	}
	query, args := `SELECT `+columns+` FROM jobs WHERE true`, []any{}
	for _, c := range []struct{ column, value string }{{"phase", string(f.Phase)}, {"owner", f.Owner}, {"function", string(f.Function)}} {
		if c.value != "" {
			query += " AND " + c.column + " = ?"
			args = append(args, c.value)
		}
	}
	if f.Cursor != "" {
		before, err := strconv.ParseInt(f.Cursor, 36, 64)
		if err != nil {
			return nil, "", fringe.Errorf(op, fringe.Invalid, "%.40q is not a cursor that a list of calls gave", f.Cursor)
		}
		query += " AND seq < ?"
		args = append(args, before)
	}
	if f.Limit <= 0 {
		f.Limit = 100
	}
	var last int64
	err = j.store.View(ctx, func(tx *store.Tx) error {
		rows, err := tx.Query(query+" ORDER BY seq DESC LIMIT ?", append(args, f.Limit+1)...)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			job, seq, err := scan(rows)
			if err != nil {
				return err
			}
			if len(found) < f.Limit {
				last = seq
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
		next = strconv.FormatInt(last, 36)
	}
	return found, next, nil
}

// scan reads one row of columns; seq is the job's place in the order of
// acceptance.
func scan(row interface{ Scan(...any) error }) (job Job, seq int64, err error) {
	var id, function, digest, phase, inputs string
	var outputs, problem, usage sql.NullString
	var submitted, queue, start, run int64
	var started, ended sql.NullInt64
	err = row.Scan(&id, &function, &job.Version, &digest, &job.Owner, &phase, &inputs, &outputs, &problem, &job.Fence,
		&submitted, &started, &ended, &queue, &start, &run, &usage, &seq)
	if err != nil {
		return Job{}, 0, err
	}
	job.ID, job.Function, job.Digest, job.Phase = fringe.CallID(id), fringe.FunctionName(function), fringe.Digest(digest), Phase(phase)
	job.Inputs = json.RawMessage(inputs)
	if outputs.Valid {
		job.Outputs = json.RawMessage(outputs.String)
	}
	job.Submitted, job.Started, job.Ended = moment(submitted), moment(started.Int64), moment(ended.Int64)
	job.Queue, job.Start, job.Run = time.Duration(queue), time.Duration(start), time.Duration(run)
	if usage.Valid {
		if err := json.Unmarshal([]byte(usage.String), &job.Usage); err != nil {
			return Job{}, 0, err
		}
	}
	if problem.Valid {
		var r record
		if err := json.Unmarshal([]byte(problem.String), &r); err != nil {
			return Job{}, 0, err
		}
		job.Err = &fringe.Error{Kind: r.Kind, Component: r.Component, Message: r.Message, Pointer: r.Pointer, Cure: r.Cure}
	}
	return job, seq, nil
}

func moment(ns int64) time.Time {
	if ns == 0 {
		return time.Time{}
	}
	return time.Unix(0, ns).UTC()
}
