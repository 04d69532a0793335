package jobs

import (
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"fringe"
	"fringe/store"
)

// arrival is a job on its way into the store.
type arrival struct {
	job  Job
	args [arrivalColumns]any // of arrivalRow; the last one, when it is ready, is set in the transaction

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
	a.args = [...]any{string(job.ID), string(job.Function), job.Version, string(job.Digest), string(job.Environment), job.Namespace, job.Owner,
		string(job.Phase), job.Priority, job.Limits.CPU, job.Limits.Memory, object(job.Inputs), text(string(job.Staged)), string(t),
		text(job.Derivation), text(string(job.Outputs)), text(string(job.Reused)), now.UnixNano(), stamp(job.QueuedAt), stamp(job.Ended),
		int64(job.Duration), stamp(job.Destruction), text(job.RunID), text(string(labels)), text(job.Key), text(request), text(job.Callback),
		due(now, job.Policy), int64(0)}
	return a, nil
}

const arrivalColumns = 29

const arrivalRow = `INSERT INTO jobs (id, function, version, digest, environment, namespace, owner, phase, priority, cpu, memory,
	inputs, staged, terms, derivation, outputs, reused, submitted, queued, ended, duration, destruction, run_id, labels, key, request, callback, due, ready) VALUES `

// arrive writes the jobs that came together.
func arrive(tx *store.Tx, all []*arrival) error {
	var plain []*arrival
	for _, a := range all {
		a.made, a.same, a.args[arrivalColumns-1] = nil, nil, int64(0)
		if a.job.Key == "" {
			plain = append(plain, a)
		} else if err := arriveTogether(tx, []*arrival{a}); err != nil {
			return err
		}
	}
	return arriveTogether(tx, plain)
}

// arriveTogether looks up what was made already, and what somebody makes, for
// all of the jobs at once, and inserts them by a few statements. Several have
// no idempotency key.
func arriveTogether(tx *store.Tx, all []*arrival) error {
	if err := findMade(tx, all); err != nil {
		return err
	}
	all = slices.DeleteFunc(slices.Clone(all), func(a *arrival) bool { return a.made != nil })
	if err := findFirst(tx, all); err != nil {
		return err
	}
	for size := 32; len(all) > 0; size /= 2 {
		for ; len(all) >= size; all = all[size:] {
			if err := insert(tx, all[:size]); err != nil {
				return err
			}
		}
	}
	return nil
}

// insert inserts jobs by one statement.
func insert(tx *store.Tx, all []*arrival) error {
	args := make([]any, 0, len(all)*arrivalColumns)
	for _, a := range all {
		args = append(args, a.args[:]...)
	}
	res, err := tx.Exec(arrivalRow+list(len(all), "("+list(arrivalColumns, "?")+")")+` ON CONFLICT DO NOTHING`, args...)
	if err != nil {
		return err
	}
	n, err := res.RowsAffected()
	if err != nil {
		return err
	}
	if n != int64(len(all)) {
		if len(all) > 1 {
			return errors.New("one of several jobs is there already")
		}
		all[0].same, err = sameTx(tx, "jobs.Submit", all[0].job.NewJob)
		return err
	}
	last, err := res.LastInsertId()
	if err != nil {
		return err
	}
	for i, a := range all {
		a.job.Seq = last - n + 1 + int64(i)
		for name, value := range a.job.Labels {
			if _, err := tx.Exec(`INSERT INTO jobs_labels (name, value, job) VALUES (?, ?, ?)`, name, value, a.job.Seq); err != nil {
				return err
			}
		}
		if a.job.Phase == Completed {
			if err := deliverTx(tx, a.job.Seq, a.job.Callback, a.job.Submitted); err != nil {
				return err
			}
		}
	}
	return nil
}

// list writes an element so many times.
func list(n int, element string) string { return strings.Repeat(element+",", n-1) + element }

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

// findFirst finds the jobs that wait for another one with the same derivation,
// which is under way or among those that came with them.
func findFirst(tx *store.Tx, all []*arrival) error {
	waits := func(a *arrival) bool { return a.job.Phase == Queued }
	args := derivations(all, waits)
	if len(args) == 0 {
		return nil
	}
	rows, err := tx.Query(`SELECT DISTINCT derivation FROM jobs WHERE derivation IS NOT NULL AND phase IN ('QUEUED', 'EXECUTING')
		AND substr(derivation, 1, 12) IN (`+list(len(args), "substr(?, 1, 12)")+`)`, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	underWay := map[string]bool{}
	for rows.Next() {
		var derivation string
		if err := rows.Scan(&derivation); err != nil {
			return err
		}
		underWay[derivation] = true
	}
	for _, a := range all {
		if a.job.Derivation == "" || !waits(a) {
			continue
		}
		if underWay[a.job.Derivation] {
			a.args[arrivalColumns-1] = int64(never)
		}
		underWay[a.job.Derivation] = true
	}
	return rows.Err()
}

// sameTx gives the job that kept n from being inserted, when it is n itself.
func sameTx(tx *store.Tx, op string, n NewJob) (*Job, error) {
	if n.Key != "" {
		var request string
		err := tx.QueryRow(`SELECT request FROM jobs WHERE owner = ? AND key = ?`, n.Owner, n.Key).Scan(&request)
		switch {
		case err == nil && request != requestOf(n):
			return nil, &fringe.Error{Op: op, Kind: fringe.Conflict,
				Message: fmt.Sprintf("the idempotency key %.80q belongs to another request", n.Key),
				Cure:    "send the same request as the first time, or take a new key"}
		case err == nil:
			job, err := scan(tx.QueryRow(`SELECT `+columns+` FROM jobs WHERE owner = ? AND key = ?`, n.Owner, n.Key))
			return &job, err
		case !errors.Is(err, sql.ErrNoRows):
			return nil, err
		}
	}
	return nil, fringe.Errorf(op, fringe.Conflict, "there is a call %s already", n.ID)
}
