package client

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"fringe"
)

const (
	maxEvent   = 4 << 20          // bytes of one line of the stream
	againAfter = time.Second      // before a broken stream is taken up again
	patience   = 30 * time.Second // how long a site may be gone meanwhile
)

// Follow hands what happens to a job to f, from the beginning, until the job
// has ended or f fails. A stream that breaks is taken up where it broke, also
// when the site is started anew meanwhile.
func (c *Client) Follow(ctx context.Context, id fringe.CallID, f func(Event) error) error {
	last, gone := "", time.Time{}
	for {
		at, ended, err := c.follow(ctx, id, last, f)
		switch {
		case ended || err != nil && fringe.KindOf(err) != fringe.Unavailable:
			return err
		case at != last || gone.IsZero():
			last, gone = at, time.Now()
		case err != nil && time.Since(gone) > patience:
			return err
		}
		t := time.NewTimer(againAfter)
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
			return ctx.Err()
		}
	}
}

// follow reads one stream of events from after last on, and says whether the
// job's events have ended.
func (c *Client) follow(ctx context.Context, id fringe.CallID, last string, f func(Event) error) (at string, ended bool, err error) {
	h := http.Header{"Accept": {"text/event-stream"}}
	if last != "" {
		h.Set("Last-Event-ID", last)
	}
	res, err := c.Do(ctx, Request{Method: "GET", Path: "/api/v1/jobs/" + url.PathEscape(string(id)) + "/events", Header: h})
	if err != nil {
		return last, false, err
	}
	defer res.Body.Close()
	if res.StatusCode == http.StatusNoContent {
		return last, true, nil
	}
	lines := bufio.NewScanner(res.Body)
	lines.Buffer(nil, maxEvent)
	e, data := Event{ID: last}, ""
	for lines.Scan() {
		field, value, _ := strings.Cut(lines.Text(), ":")
		value = strings.TrimPrefix(value, " ")
		switch field {
		case "id":
			e.ID = value
		case "event":
			e.Kind = value
		case "data":
			data += value
		case "":
			if data == "" || lines.Text() != "" { // a heartbeat
				continue
			}
			if err := json.Unmarshal([]byte(data), &e); err != nil {
				return e.ID, false, fringe.Errorf("client.Follow", fringe.Unavailable, "the site's events are not understood: %w", err)
			}
			if e.Kind == endOfEvents {
				return e.ID, true, nil
			}
			if err := f(e); err != nil {
				return e.ID, true, err
			}
			e, data = Event{ID: e.ID}, ""
		}
	}
	if err := lines.Err(); err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && ctx.Err() == nil {
		return e.ID, false, fringe.Errorf("client.Follow", fringe.Unavailable, "the site's events are cut short: %w", err)
	}
	return e.ID, false, ctx.Err()
}

// endOfEvents is the kind of the event after which none come.
const endOfEvents = "end"
