package site

import (
	"context"
	"encoding/json"
	"maps"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"

	"fringe"
	"fringe/jobs"
	"fringe/notify"
)

// How results are sent to their callbacks.
const (
	deliverEvery = time.Second
	deliverMost  = 64 // at once
	deliverEach  = 4  // of one principal at once: receivers that do not answer keep nobody else waiting
	deliverTries = 12 // in about six hours
	deliverFirst = 10 * time.Second
	deliverLast  = 4 * time.Hour
)

// result is what a callback gets.
type result struct {
	ID        fringe.CallID       `json:"id"`
	Function  fringe.FunctionName `json:"function"`
	Version   string              `json:"version"`
	Phase     jobs.Phase          `json:"phase"`
	RunID     string              `json:"runId,omitempty"`
	Outputs   json.RawMessage     `json:"outputs,omitempty"`
	Error     *resultError        `json:"error,omitempty"`
	Submitted time.Time           `json:"submitted"`
	Started   *time.Time          `json:"started,omitempty"`
	Ended     time.Time           `json:"ended"`
}

type resultError struct {
	Kind      fringe.Kind      `json:"kind"`
	Component fringe.Component `json:"component,omitempty"`
	Message   string           `json:"message"`
	Cure      string           `json:"cure,omitempty"`
}

// resultOf gives the message of a job that has ended.
func resultOf(job jobs.Job) ([]byte, error) {
	r := result{ID: job.ID, Function: job.Function, Version: job.Version, Phase: job.Phase, RunID: job.RunID, Outputs: job.Outputs,
		Submitted: job.Submitted, Ended: job.Ended}
	if !job.Started.IsZero() {
		r.Started = &job.Started
	}
	if e := job.Err; e != nil {
		r.Error = &resultError{e.Kind, e.Component, e.Message, e.Cure}
	}
	return json.Marshal(r)
}

// deliver sends results to their callbacks until ctx ends.
func (l *Local) deliver(ctx context.Context) {
	var sending sync.WaitGroup
	defer sending.Wait()
	var mu sync.Mutex // guards under
	under := map[fringe.CallID]bool{}
	tick := time.NewTicker(deliverEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		mu.Lock()
		busy := maps.Clone(under) // how these went may be written while the due ones are read
		mu.Unlock()
		due, err := l.cfg.Jobs.DueDeliveries(ctx, deliverMost, deliverEach)
		if err != nil && ctx.Err() == nil {
			l.cfg.Log.Error("callbacks not looked at", "err", err)
		}
		for _, d := range due {
			if busy[d.Job] {
				continue
			}
			mu.Lock()
			under[d.Job] = true
			mu.Unlock()
			sending.Go(func() {
				if err := l.send(ctx, d); err != nil && ctx.Err() == nil {
					l.cfg.Log.Error("callback not recorded", "call", d.Job, "err", err)
				}
				mu.Lock()
				delete(under, d.Job)
				mu.Unlock()
			})
		}
	}
}

// send makes one try of a delivery and writes how it went.
func (l *Local) send(ctx context.Context, d jobs.Delivery) error {
	job, err := l.cfg.Jobs.Get(ctx, d.Job)
	if err != nil {
		return err
	}
	body, err := resultOf(job)
	if err != nil {
		return err
	}
	header := http.Header{"X-Call-Id": {string(job.ID)}, "X-Function-Name": {string(job.Function)}, "X-Fringe-Phase": {string(job.Phase)}}
	d.Status, err = l.cfg.Notify.Send(ctx, notify.Message{URL: d.URL, Header: header, Body: body})
	if ctx.Err() != nil {
		return nil // the server stops: the try does not count
	}
	return l.cfg.Jobs.Delivered(ctx, afterTry(d, err, time.Now(), rand.Float64()))
}

// afterTry decides how a delivery goes on after a try that gave the error. An
// address that may not be sent to, and a receiver that says that it is gone,
// are given up at once.
func afterTry(d jobs.Delivery, err error, now time.Time, random float64) jobs.Delivery {
	d.Tries++
	d.Error, d.Next = "", now
	if err == nil {
		d.State = jobs.Delivered
		return d
	}
	d.Error = fringe.E("site.deliver", err).Message
	if d.Tries >= deliverTries || fringe.KindOf(err) == fringe.Denied || fringe.KindOf(err) == fringe.Invalid || d.Status == http.StatusGone {
		d.State = jobs.GivenUp
		return d
	}
	d.Next = now.Add(backoff(fringe.Policy{Backoff: deliverFirst, Most: deliverLast}, d.Tries-1, random))
	return d
}
