package jobs

import (
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"fringe"
	"fringe/store"
)

// arrival is a job on its way into the store.
type arrival struct {
	job  Job
	args [arrivalValues]any // of arrivalRow

	// Why it is not in the store, when it is not.
	made *Memo // something was made under its derivation that may be its answer
	same *Job  // its idempotency key is that of this job, and so is the request
}

// newArrival makes a job of what was asked.
func newArrival(n NewJob, now time.Time) (*arrival, error) {
	a := &arrival{job: Job{NewJob: n, Phase: Queued, Submitted: now, QueuedAt: now, Changes: 1}}
	job := &a.job
	switch {
	case n.Hold:
		job.Phase, job.QueuedAt = Pending, time.Time{}
	case n.Answer != nil:
		job.Phase, job.QueuedAt, job.Outputs, job.Reused, job.Ended = Completed, time.Time{}, n.Answer.Outputs, n.Answer.Job, now
	}
	t, err := json.Marshal(terms{job.Limits, job.Policy, job.Trace})
	if err != nil {
		return nil, err
	}
	var labels []byte
	if len(job.Labels) > 0 {
		if labels, err = json.Marshal(job.Labels); err != nil {
			return nil, err
		}
	}
	var request string
	if job.Key != "" {
		request = requestOf(n)
	}
	var queuedAs string
	if job.Phase == Queued {
		queuedAs = job.Derivation
	}
	a.args = [...]any{string(job.ID), string(job.Function), job.Version, string(job.Digest), string(job.Environment), job.Namespace, job.Owner,
		string(job.Phase), job.Priority, job.Limits.CPU, job.Limits.Memory, object(job.Inputs), text(string(job.Staged)), string(t),
		text(job.Derivation), text(string(job.Outputs)), text(string(job.Reused)), now.UnixNano(), stamp(job.QueuedAt), stamp(job.Ended),
		int64(job.Duration), stamp(job.Destruction), text(job.RunID), text(string(labels)), text(job.Key), text(request), text(job.Callback),
		due(now, job.Policy), text(beginning(queuedAs)), text(queuedAs)}
	return a, nil
}

// arrivalValues is how many arguments arrivalRow has: the columns that it lists
// but for the last, and, for that one, the derivation's beginning and the
// derivation of a job that waits while another one makes the same.
const arrivalValues = 30

// arrivalRow inserts one job. A statement for several would keep a copy of each
// page that it changes, and look in each table that refers to jobs, for every
// row.
const arrivalRow = `INSERT INTO jobs (id, function, version, digest, environment, namespace, owner, phase, priority, cpu, memory,
	inputs, staged, terms, derivation, outputs, reused, submitted, queued, ended, duration, destruction, run_id, labels, key, request, callback, due, ready)
	VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?,
		CASE WHEN EXISTS (SELECT 1 FROM jobs WHERE derivation IS NOT NULL AND phase IN ('QUEUED','EXECUTING') AND substr(derivation, 1, 12) = ? AND derivation = ?)
			THEN 9223372036854775807 ELSE 0 END)
	ON CONFLICT DO NOTHING`

// arrive writes the jobs that came together, but for those that may have what
// was made already as their answer.
func arrive(tx *store.Tx, all []*arrival) error {
	for _, a := range all {
		a.made, a.same = nil, nil
	}
	if err := findMade(tx, all); err != nil {
		return err
	}
	for _, a := range all {
		if a.made != nil {
			continue
		}
		if err := insert(tx, a); err != nil {
			return err
		}
	}
	return nil
}

// insert inserts a job, or finds the one that has its idempotency key.
func insert(tx *store.Tx, a *arrival) error {
	res, err := tx.Exec(arrivalRow, a.args[:]...)
	if err != nil {
		return err
	}
	n, err := res.RowsAffected()
	if err != nil {
		return err
	}
	if n == 0 {
		a.same, err = sameTx(tx, "jobs.Submit", a.job.NewJob)
		return err
	}
	if a.job.Seq, err = res.LastInsertId(); err != nil {
		return err
	}
	for name, value := range a.job.Labels {
		if _, err := tx.Exec(`INSERT INTO jobs_labels (name, value, job) VALUES (?, ?, ?)`, name, value, a.job.Seq); err != nil {
			return err
		}
	}
	if a.job.Phase == Completed {
		return deliverTx(tx, a.job.Seq, a.job.Callback, a.job.Submitted)
	}
	return nil
}

// list writes an element so many times.
func list(n int, element string) string { return strings.Repeat(element+",", n-1) + element }

// beginning gives as much of a derivation as the index of those under way has.
func beginning(derivation string) string { return derivation[:min(12, len(derivation))] }

// derivations gives those of the chosen jobs as arguments of a statement, as
// many as one of a few statements takes: the last one stands for those that are
// missing.
func derivations(all []*arrival, chosen func(*arrival) bool) (args []any) {
	for _, a := range all {
		if a.job.Derivation != "" && chosen(a) {
			args = append(args, a.job.Derivation)
		}
	}
	for n := len(args); n > 1 && n&(n-1) != 0; n++ {
		args = append(args, args[n-1])
	}
	return args
}

// findMade finds what was made under the derivations of jobs that may have it
// as their answer.
func findMade(tx *store.Tx, all []*arrival) error {
	asks := func(a *arrival) bool { return a.job.Reuse != nil && a.job.Answer == nil && !a.job.Hold }
	args := derivations(all, asks)
	if len(args) == 0 {
		return nil
	}
	rows, err := tx.Query(`SELECT derivation, job, outputs, made FROM jobs_memos WHERE derivation IN (`+list(len(args), "?")+`)`, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var derivation, job, outputs string
		var made int64
		if err := rows.Scan(&derivation, &job, &outputs, &made); err != nil {
			return err
		}
		for _, a := range all {
			if a.job.Derivation == derivation && asks(a) {
				a.made = &Memo{fringe.CallID(job), []byte(outputs), moment(made)}
			}
		}
	}
	return rows.Err()
}

// sameTx gives the job that kept n from being inserted, when it is n itself.
func sameTx(tx *store.Tx, op string, n NewJob) (*Job, error) {
	job, err := formerTx(tx, op, n)
	if job == nil && err == nil {
		err = fringe.Errorf(op, fringe.Conflict, "there is a call %s already", n.ID)
	}
	return job, err
}

// formerTx gives the job that has n's idempotency key; nil when there is none.
// One of another request is a Conflict.
func formerTx(tx *store.Tx, op string, n NewJob) (*Job, error) {
	if n.Key == "" {
		return nil, nil
	}
	var request string
	err := tx.QueryRow(`SELECT request FROM jobs WHERE owner = ? AND key = ?`, n.Owner, n.Key).Scan(&request)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return nil, nil
	case err != nil:
		return nil, err
	case request != requestOf(n):
		return nil, &fringe.Error{Op: op, Kind: fringe.Conflict,
			Message: fmt.Sprintf("the idempotency key %.80q belongs to another request", n.Key),
			Cure:    "send the same request as the first time, or take a new key"}
	}
	job, err := scan(tx.QueryRow(`SELECT `+columns+` FROM jobs WHERE owner = ? AND key = ?`, n.Owner, n.Key))
	return &job, err
}
