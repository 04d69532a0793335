package uws

import (
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"fringe"
	"fringe/jobs"
)

// longest is how long a request may be kept waiting: less than proxies and
// clients commonly bear.
const longest = 50 * time.Second

// values gives the values of a query parameter, whose name is case-insensitive.
func values(q url.Values, word string) []string {
	var out []string
	for name, texts := range q {
		if strings.EqualFold(name, word) {
			out = append(out, texts...)
		}
	}
	return out
}

func last(q url.Values, word string) string {
	if all := values(q, word); len(all) > 0 {
		return all[len(all)-1]
	}
	return ""
}

// waitOf reads WAIT and PHASE of a request for a job: how long it may block,
// and in which phase only.
func waitOf(q url.Values) (wait time.Duration, only jobs.Phase, err error) {
	const op = "uws.waitOf"
	only = jobs.Phase(last(q, "PHASE"))
	if only != "" && !known(only) {
		return 0, "", unknownPhase(op, string(only))
	}
	text := last(q, "WAIT")
	if text == "" {
		return 0, only, nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < -1 {
		return 0, "", fringe.Errorf(op, fringe.Invalid, "WAIT is %.40q; a number of seconds, or -1, is expected", text)
	}
	if n < 0 || n > int64(longest/time.Second) {
		return longest, only, nil
	}
	return time.Duration(n) * time.Second, only, nil
}

// unknown is a phase of UWS that no job here is ever in.
const unknown jobs.Phase = "UNKNOWN"

func known(p jobs.Phase) bool { return p.Valid() || p == unknown }

func unknownPhase(op, text string) error {
	return fringe.Errorf(op, fringe.Invalid, "PHASE is %.40q; PENDING, QUEUED, EXECUTING, COMPLETED, ERROR, ABORTED, UNKNOWN, HELD, SUSPENDED and ARCHIVED are phases", text)
}

// selection is what a client wants of the list of jobs.
type selection struct {
	phases []jobs.Phase // none: all but ARCHIVED
	after  time.Time
	last   int // 0: not said
}

// selectionOf reads the filters PHASE, AFTER and LAST.
func selectionOf(q url.Values) (s selection, err error) {
	const op = "uws.selectionOf"
	for _, text := range values(q, "PHASE") {
		p := jobs.Phase(text)
		if !known(p) {
			return s, unknownPhase(op, text)
		}
		if !slices.Contains(s.phases, p) {
			s.phases = append(s.phases, p)
		}
	}
	if text := last(q, "AFTER"); text != "" {
		if s.after, err = parseInstant(text); err != nil {
			return s, fringe.Errorf(op, fringe.Invalid, "AFTER is %.40q; a time such as 2026-01-02T03:04:05Z is expected", text)
		}
	}
	if text := last(q, "LAST"); text != "" {
		if s.last, err = strconv.Atoi(text); err != nil || s.last < 1 {
			return s, fringe.Errorf(op, fringe.Invalid, "LAST is %.40q; a whole number above 0 is expected", text)
		}
	}
	return s, nil
}

// parseInstant reads an ISO 8601 time in UTC, with or without its Z, its
// fraction and its time of day.
func parseInstant(s string) (time.Time, error) {
	var err error
	var t time.Time
	for _, layout := range []string{"2006-01-02T15:04:05Z07:00", "2006-01-02T15:04:05", "2006-01-02"} {
		if t, err = time.Parse(layout, strings.TrimSpace(s)); err == nil {
			return t.UTC(), nil
		}
	}
	return t, err
}
