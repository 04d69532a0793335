package gateway

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"fringe"
	"fringe/client"
	"fringe/jobs"
)

const (
	heartbeat = 15 * time.Second       // between signs of life, so that proxies keep the connection
	logEvery  = 250 * time.Millisecond // how often the log is looked at
	logPiece  = 64 << 10               // bytes of one log event at most
)

// place is how far a client has got: the number of the job's event, and the
// bytes of each stream of its log. It is the id of each event that is sent.
type place struct {
	event int64
	log   map[jobs.Stream]int64
}

func (p *place) String() string {
	return fmt.Sprintf("%d-%d-%d", p.event, p.log[jobs.Stdout], p.log[jobs.Stderr])
}

func placeOf(text string) (*place, error) {
	p := &place{log: map[jobs.Stream]int64{}}
	if text == "" {
		return p, nil
	}
	var n [3]int64
	parts := strings.Split(text, "-")
	for i := range n {
		var err error
		if len(parts) != len(n) {
			err = strconv.ErrSyntax
		} else {
			n[i], err = strconv.ParseInt(parts[i], 10, 64)
		}
		if err != nil || n[i] < 0 {
			return nil, fringe.Errorf("gateway.placeOf", fringe.Invalid, "Last-Event-ID is %.60q; give one that this job's events had", text)
		}
	}
	p.event, p.log[jobs.Stdout], p.log[jobs.Stderr] = n[0], n[1], n[2]
	return p, nil
}

// jobEvents sends what happens to a job as server-sent events: phase, progress,
// delivery and, unless log=false, log. When the job has ended the event end
// comes, and whoever connects again after it gets 204, which tells an
// EventSource not to come back.
func (g *Gateway) jobEvents(w http.ResponseWriter, r *http.Request) error {
	j, err := g.job(r)
	if err != nil {
		return err
	}
	last := r.Header.Get("Last-Event-ID")
	at, err := placeOf(last)
	if err != nil {
		return err
	}
	if last != "" && j.Phase.Final() && at.event >= j.Changes {
		w.WriteHeader(http.StatusNoContent)
		return nil
	}
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no")
	w.WriteHeader(http.StatusOK)
	s := &eventStream{w: flushing{w, http.NewResponseController(w)}, jobs: g.cfg.Jobs, id: j.ID, at: at, withLog: r.URL.Query().Get("log") != "false"}
	if err := s.run(r.Context()); err != nil {
		g.log.Debug("events not followed to their end", "job", j.ID, "err", err)
	}
	return nil
}

// eventStream is one client's stream of a job's events.
type eventStream struct {
	w       flushing
	jobs    *jobs.Jobs
	id      fringe.CallID
	at      *place
	withLog bool
}

func (s *eventStream) run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	events := make(chan jobs.Event)
	ended := make(chan error, 1)
	go func() {
		for e, err := range s.jobs.Watch(ctx, s.id, s.at.event) {
			if err != nil {
				ended <- err
				return
			}
			select {
			case events <- e:
			case <-ctx.Done():
				ended <- ctx.Err()
				return
			}
		}
		ended <- nil
	}()
	beat, look := time.NewTicker(heartbeat), time.NewTicker(logEvery)
	defer beat.Stop()
	defer look.Stop()
	for {
		var err error
		select {
		case e := <-events:
			if e.Phase.Final() { // all that it wrote comes before its end
				err = s.log(true)
			}
			if err == nil {
				s.at.event = e.N
				err = s.send(string(e.Kind), wireEvent(e))
			}
		case <-look.C:
			err = s.log(false)
		case <-beat.C:
			_, err = s.w.Write([]byte(": \n\n"))
		case err = <-ended:
			if err == nil {
				err = s.log(true)
			}
			if err == nil {
				err = s.send("end", struct{}{})
			}
			return err
		}
		if err != nil {
			return err
		}
	}
}

func wireEvent(e jobs.Event) client.Event {
	c := client.Event{At: e.At, Phase: string(e.Phase), Message: e.Message, Delivery: string(e.Delivery)}
	if e.Progress != nil {
		c.Progress = &client.Progress{Fraction: e.Progress.Fraction, Step: e.Progress.Step}
	}
	return c
}

func (s *eventStream) send(kind string, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(s.w, "id: %s\nevent: %s\ndata: %s\n\n", s.at, kind, b)
	return err
}

// log sends what was written since; whole lines only, until it is over.
func (s *eventStream) log(over bool) error {
	if !s.withLog {
		return nil
	}
	for _, stream := range []jobs.Stream{jobs.Stdout, jobs.Stderr} {
		for {
			b, err := s.jobs.ReadLog(s.id, stream, s.at.log[stream], logPiece)
			if err != nil {
				return err
			}
			n := wholeLines(b, over || len(b) == logPiece)
			if n == 0 {
				break
			}
			s.at.log[stream] += int64(n)
			if err := s.send("log", client.Event{Stream: string(stream), Text: string(b[:n])}); err != nil {
				return err
			}
		}
	}
	return nil
}

// wholeLines gives how much of b is whole lines; when there is no more to come
// of a line, as much as is whole characters.
func wholeLines(b []byte, all bool) int {
	for i := len(b) - 1; i >= 0; i-- {
		if b[i] == '\n' || b[i] == '\r' {
			return i + 1
		}
	}
	if !all {
		return 0
	}
	for n := len(b); n > 0 && n > len(b)-utf8.UTFMax; n-- {
		if r, size := utf8.DecodeLastRune(b[:n]); r != utf8.RuneError || size > 1 {
			return n
		}
	}
	return len(b)
}
