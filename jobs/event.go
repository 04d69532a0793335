package jobs

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"iter"
	"time"

	"fringe"
	"fringe/store"
)

// EventKind says what an event tells.
type EventKind string

// The kinds.
const (
	phaseEvent    EventKind = "phase"
	progressEvent EventKind = "progress"
	deliveryEvent EventKind = "delivery"
)

// Event is something that happened to a job.
type Event struct {
	N        int64 // its number among the job's; the acceptance is 1; numbers of replaced progress are missing
	At       time.Time
	Kind     EventKind     // phase, progress or delivery
	Phase    Phase         // the new phase
	From     Phase         // the phase before; empty at the acceptance
	Progress *Progress     // with progress
	Delivery DeliveryState // with delivery
	Message  string        // why; empty when there is nothing to say
}

// Progress is how far an attempt is.
type Progress struct {
	Fraction float64 `json:"fraction,omitempty"` // from 0 to 1; 0: not known
	Step     string  `json:"step,omitempty"`     // what it does, in the tool's words
}

// eventBody is what of an event is kept as JSON.
type eventBody struct {
	Phase    Phase         `json:"phase,omitempty"`
	From     Phase         `json:"from,omitempty"`
	Progress *Progress     `json:"progress,omitempty"`
	Delivery DeliveryState `json:"delivery,omitempty"`
	Message  string        `json:"message,omitempty"`
}

// event writes the n-th event of a job.
func (s *step) event(seq, n int64, kind EventKind, b eventBody) error {
	body, err := json.Marshal(b)
	if err != nil {
		return err
	}
	_, err = s.Exec(`INSERT INTO jobs_events (job, n, at, kind, body) VALUES (?, ?, ?, ?, ?)`, seq, n, s.now.UnixNano(), string(kind), string(body))
	return err
}

// note writes an event that changes nothing else of the job.
func (s *step) note(at standing, kind EventKind, b eventBody) error {
	if _, err := s.Exec(`UPDATE jobs SET changes = changes + 1 WHERE seq = ?`, at.seq); err != nil {
		return err
	}
	s.moves = append(s.moves, moved{id: at.id, from: at.phase, to: at.phase, group: at.group})
	return s.event(at.seq, at.changes+1, kind, b)
}

// Report tells how far the attempt under the fence is. It takes the place of
// what was told before.
func (j *Jobs) Report(ctx context.Context, id fringe.CallID, fence int64, p Progress) error {
	return j.attempt(ctx, "jobs.Report", id, fence, func(s *step, at standing) error {
		if _, err := s.Exec(`DELETE FROM jobs_events WHERE job = ? AND kind = 'progress'`, at.seq); err != nil {
			return err
		}
		return s.note(at, progressEvent, eventBody{Progress: &p})
	})
}

// Events gives the events of a job after the n-th, in their order; 0 gives
// all.
func (j *Jobs) Events(ctx context.Context, id fringe.CallID, after int64) ([]Event, error) {
	_, events, err := j.news(ctx, id, after)
	return events, err
}

// news gives a job together with its events after the n-th.
func (j *Jobs) news(ctx context.Context, id fringe.CallID, after int64) (job Job, events []Event, err error) {
	const op = "jobs.Events"
	err = j.store.View(ctx, func(tx *store.Tx) error {
		if job, err = scan(tx.QueryRow(`SELECT `+columns+` FROM jobs WHERE id = ?`, string(id))); err != nil {
			return err
		}
		if after < 1 {
			first := Event{N: 1, At: job.Submitted, Kind: phaseEvent, Phase: job.Phase}
			events = append(events, first)
		}
		rows, err := tx.Query(`SELECT n, at, kind, body FROM jobs_events WHERE job = ? AND n > ? ORDER BY n`, job.Seq, after)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var e Event
			var at int64
			var kind, body string
			var b eventBody
			if err := rows.Scan(&e.N, &at, &kind, &body); err != nil {
				return err
			}
			if err := json.Unmarshal([]byte(body), &b); err != nil {
				return err
			}
			e.At, e.Kind, e.Phase, e.From = moment(at), EventKind(kind), b.Phase, b.From
			e.Progress, e.Delivery, e.Message = b.Progress, b.Delivery, b.Message
			if e.Phase == "" {
				e.Phase = job.Phase
			}
			if b.From != "" && len(events) > 0 && events[len(events)-1].N == 1 {
				events[len(events)-1].Phase = b.From // the phase of its acceptance
			}
			events = append(events, e)
		}
		return rows.Err()
	})
	if err != nil {
		return Job{}, nil, readError(op, id, err)
	}
	return job, events, nil
}

// Watch gives the events of a job after the n-th as they come, and ends with
// those of a job that has ended. An error is the last that it gives; when ctx
// ends it is ctx's.
func (j *Jobs) Watch(ctx context.Context, id fringe.CallID, after int64) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		signal, stop := j.listen(id)
		defer stop()
		for {
			job, events, err := j.news(ctx, id, after)
			if err != nil {
				yield(Event{}, err)
				return
			}
			for _, e := range events {
				if after = e.N; !yield(e, nil) {
					return
				}
			}
			if job.Phase.Final() {
				return
			}
			select {
			case <-signal:
			case <-ctx.Done():
				yield(Event{}, ctx.Err())
				return
			}
		}
	}
}

// Wait blocks while the job is in the phase, or, when that is empty, until it
// has ended, and gives it as it stands then. When ctx ends first, the job comes
// with ctx's error.
func (j *Jobs) Wait(ctx context.Context, id fringe.CallID, while Phase) (Job, error) {
	signal, stop := j.listen(id)
	defer stop()
	for {
		job, err := j.Get(context.WithoutCancel(ctx), id)
		if err != nil || job.Phase.Final() || while != "" && job.Phase != while {
			return job, err
		}
		select {
		case <-signal:
		case <-ctx.Done():
			return job, ctx.Err()
		}
	}
}

// listen gives a channel that gets a token after each change of the job.
func (j *Jobs) listen(id fringe.CallID) (signal <-chan struct{}, stop func()) {
	ch := make(chan struct{}, 1)
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.watchers[id] == nil {
		j.watchers[id] = map[chan struct{}]bool{}
	}
	j.watchers[id][ch] = true
	return ch, func() {
		j.mu.Lock()
		defer j.mu.Unlock()
		if delete(j.watchers[id], ch); len(j.watchers[id]) == 0 {
			delete(j.watchers, id)
		}
	}
}

// tell wakes those who watch a job.
func (j *Jobs) tell(id fringe.CallID) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for ch := range j.watchers[id] {
		select {
		case ch <- struct{}{}:
		default:
		}
	}
}

// readError explains what kept a job from being read.
func readError(op string, id fringe.CallID, err error) error {
	if errors.Is(err, sql.ErrNoRows) {
		return missing(op, id)
	}
	return fringe.E(op, err)
}
