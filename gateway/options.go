package gateway

import (
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"fringe"
	"fringe/client"
	"fringe/site"
)

// The headers that say more of a call that is a job.
const (
	labelHeader    = "X-Fringe-Label" // NAME=VALUE; may be repeated
	priorityHeader = "X-Fringe-Priority"
	runIDHeader    = "X-Fringe-Run-Id"
	callbackHeader = "X-Callback-Url"
	keyHeader      = "Idempotency-Key"
	spaceHeader    = "X-Fringe-Namespace"
)

// optionsOf reads the headers into the options of a job.
func optionsOf(h http.Header) (o site.Options, err error) {
	const op = "gateway.optionsOf"
	o = site.Options{RunID: h.Get(runIDHeader), Callback: h.Get(callbackHeader), Key: h.Get(keyHeader), NoReuse: noCache(h), Namespace: h.Get(spaceHeader)}
	for _, l := range h[labelHeader] {
		name, value, ok := strings.Cut(l, "=")
		if !ok {
			return o, fringe.Errorf(op, fringe.Invalid, "the header %s is %.80q; NAME=VALUE is expected", labelHeader, l)
		}
		if o.Labels == nil {
			o.Labels = map[string]string{}
		}
		o.Labels[strings.TrimSpace(name)] = strings.TrimSpace(value)
	}
	if text := h.Get(priorityHeader); text != "" {
		if o.Priority, err = strconv.Atoi(text); err != nil {
			return o, fringe.Errorf(op, fringe.Invalid, "the header %s is %.40q; a whole number is expected", priorityHeader, text)
		}
	}
	return o, checkOptions(&o)
}

// noCache says whether the caller refuses an answer from the store.
func noCache(h http.Header) bool {
	return slices.ContainsFunc(h["Cache-Control"], func(s string) bool { return strings.Contains(strings.ToLower(s), "no-cache") })
}

// optionsFrom gives the options of a job that is described.
func optionsFrom(h http.Header, n *client.NewJob) (site.Options, error) {
	if !(n.Duration >= 0 && n.Duration < 1e9) {
		return site.Options{}, fringe.Errorf("gateway.optionsFrom", fringe.Invalid, "the duration is %g seconds; it cannot be", n.Duration)
	}
	o := site.Options{Labels: n.Labels, Priority: n.Priority, RunID: n.RunID, Hold: n.Hold, Key: h.Get(keyHeader), Callback: n.Callback, Namespace: n.Namespace,
		Duration: time.Duration(math.Ceil(n.Duration * float64(time.Second))), NoReuse: n.Fresh || noCache(h)}
	if n.Destruction != nil {
		o.Destruction = *n.Destruction
	}
	return o, checkOptions(&o)
}

const (
	maxLabels = 32
	maxLabel  = 128 // bytes of a label's name and of its value
	maxRunID  = 64  // as DALI says
	maxKey    = 255
)

// checkOptions refuses what no job can have.
func checkOptions(o *site.Options) error {
	const op = "gateway.checkOptions"
	switch {
	case len(o.Labels) > maxLabels:
		return fringe.Errorf(op, fringe.Invalid, "%d labels are given; at most %d are allowed", len(o.Labels), maxLabels)
	case len(o.RunID) > maxRunID:
		return fringe.Errorf(op, fringe.Invalid, "the run id is %d bytes long; at most %d are allowed", len(o.RunID), maxRunID)
	case len(o.Key) > maxKey:
		return fringe.Errorf(op, fringe.Invalid, "the idempotency key is %d bytes long; at most %d are allowed", len(o.Key), maxKey)
	}
	for name, value := range o.Labels {
		if name == "" || len(name) > maxLabel || len(value) > maxLabel || strings.ContainsAny(name, "=\n") {
			return fringe.Errorf(op, fringe.Invalid, "the label %.80q=%.80q cannot be: a name is 1 to %d bytes without '=', a value at most as many",
				name, value, maxLabel)
		}
	}
	return nil
}
