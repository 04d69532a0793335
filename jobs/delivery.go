package jobs

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"fringe"
	"fringe/store"
)

// DeliveryState says how far the delivery of a result is.
type DeliveryState string

// The states.
const (
	Waits     DeliveryState = "waiting"   // for its turn, or to be tried again; the site moves it on
	Delivered DeliveryState = "delivered" // final: the receiver has said that it has it
	GivenUp   DeliveryState = "failed"    // final: it was refused, or tried often enough
)

// Delivery is the sending of a result to the URL that the caller gave.
type Delivery struct {
	Job    fringe.CallID
	URL    string
	State  DeliveryState
	Tries  int
	Next   time.Time // the next try, while it waits
	Status int       // HTTP status of the latest try; 0: there was no answer
	Error  string    // what was wrong with the latest try
	At     time.Time // of the latest change
}

// deliverTx makes the delivery of a job that has ended; without a URL there is
// none.
func deliverTx(tx *store.Tx, seq int64, url string, now time.Time) error {
	if url == "" {
		return nil
	}
	_, err := tx.Exec(`INSERT INTO jobs_deliveries (job, url, state, next, at) VALUES (?, ?, 'waiting', ?, ?) ON CONFLICT DO NOTHING`,
		seq, url, now.UnixNano(), now.UnixNano())
	return err
}

const deliveryColumns = `SELECT j.id, d.url, d.state, d.tries, d.next, d.status, d.error, d.at FROM jobs_deliveries d JOIN jobs j ON j.seq = d.job `

func scanDelivery(row interface{ Scan(...any) error }) (d Delivery, err error) {
	var id, state string
	var next, at int64
	err = row.Scan(&id, &d.URL, &state, &d.Tries, &next, &d.Status, &d.Error, &at)
	d.Job, d.State, d.Next, d.At = fringe.CallID(id), DeliveryState(state), moment(next), moment(at)
	return d, err
}

// Delivery gives the state of a job's callback; found is false when it has
// none, or has not ended.
func (j *Jobs) Delivery(ctx context.Context, id fringe.CallID) (d Delivery, found bool, err error) {
	err = j.store.View(ctx, func(tx *store.Tx) (err error) {
		d, err = scanDelivery(tx.QueryRow(deliveryColumns+`WHERE j.id = ?`, string(id)))
		return err
	})
	if errors.Is(err, sql.ErrNoRows) {
		return Delivery{}, false, nil
	}
	if err != nil {
		return Delivery{}, false, fringe.E("jobs.Delivery", err)
	}
	return d, true, nil
}

// dueLooked bounds the deliveries among which DueDeliveries chooses.
const dueLooked = 10_000

// DueDeliveries gives deliveries whose time has come, at most limit, and of one
// principal at most each.
func (j *Jobs) DueDeliveries(ctx context.Context, limit, each int) (due []Delivery, err error) {
	err = j.store.View(ctx, func(tx *store.Tx) error {
		rows, err := tx.Query(deliveryColumns+`WHERE d.job IN (SELECT job FROM (
				SELECT job, row_number() OVER (PARTITION BY owner ORDER BY next, job) AS n FROM (
					SELECT d.job, d.next, j.owner FROM jobs_deliveries d JOIN jobs j ON j.seq = d.job WHERE d.state = 'waiting' AND d.next <= ? ORDER BY d.next LIMIT ?))
			WHERE n <= ?) ORDER BY d.next LIMIT ?`, j.now().UnixNano(), dueLooked, each, limit)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			d, err := scanDelivery(rows)
			if err != nil {
				return err
			}
			due = append(due, d)
		}
		return rows.Err()
	})
	if err != nil {
		return nil, fringe.E("jobs.DueDeliveries", err)
	}
	return due, nil
}

// Delivered writes how a try of a delivery went. A delivery that is not
// waiting is left as it is.
func (j *Jobs) Delivered(ctx context.Context, d Delivery) error {
	return j.change(ctx, "jobs.Delivered", d.Job, func(s *step, at standing) error {
		res, err := s.Exec(`UPDATE jobs_deliveries SET state = ?, tries = ?, next = ?, status = ?, error = ?, at = ? WHERE job = ? AND state = 'waiting'`,
			string(d.State), d.Tries, d.Next.UnixNano(), d.Status, d.Error, s.now.UnixNano(), at.seq)
		if err != nil {
			return err
		}
		if n, err := res.RowsAffected(); err != nil || n == 0 {
			return err
		}
		return s.note(at, deliveryEvent, eventBody{Delivery: d.State, Message: d.Error})
	})
}
