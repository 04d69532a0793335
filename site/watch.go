package site

import (
	"context"
	"fmt"
	"regexp"
	"strconv"
	"time"

	"fringe"
	"fringe/jobs"
)

// How often an attempt that runs is looked at, and how often its progress is
// told at most.
const (
	lookEvery   = time.Second
	reportEvery = 2 * time.Second
	lookBytes   = 8 << 10 // of what it wrote since the last look
)

// clocks measure the parts of an attempt that have limits of their own.
type clocks struct {
	policy  fringe.Policy
	begun   time.Time
	started time.Time // zero: the program does not run yet
	wrote   time.Time // when it last wrote something
}

// over says which clock has run out; nil when none has.
func (c *clocks) over(now time.Time) error {
	if c.started.IsZero() {
		if limit := c.policy.Start; limit > 0 && now.Sub(c.begun) > limit {
			return &fringe.Error{Kind: fringe.Unavailable, Component: fringe.Start,
				Message: fmt.Sprintf("its inputs were not ready and its program not started within %s", limit)}
		}
		return nil
	}
	last := c.started
	if c.wrote.After(last) {
		last = c.wrote
	}
	if limit := c.policy.Idle; limit > 0 && now.Sub(last) > limit {
		return &fringe.Error{Kind: fringe.Failed, Component: fringe.Timeout, Message: fmt.Sprintf("it wrote nothing for %s and was stopped", limit),
			Cure: "publish a version with a longer idle clock if it works silently for as long"}
	}
	return nil
}

var (
	stepRE    = regexp.MustCompile(`(?m)^ *== (.{1,80}?) == *\r?$`)                            // wsclean's headings
	countRE   = regexp.MustCompile(`(?m)^[^\n]{0,60}?\b(?i:(?:major )?iteration) (\d+)`)       // wsclean's minor cycles, and others
	ownRE     = regexp.MustCompile(`(?m)^fringe:progress (\d(?:\.\d+)?)(?: (.{1,200}?))?\r?$`) // the Python package's
	percentRE = regexp.MustCompile(`\b(\d{1,3}(?:\.\d{1,3})?) ?%`)
)

// progressOf reads how far a program is from what it wrote; what it does not
// say stays as it was.
func progressOf(text []byte, before jobs.Progress) jobs.Progress {
	p := before
	if m := last(ownRE, text); m != nil {
		p.Fraction, _ = strconv.ParseFloat(string(text[m[2]:m[3]]), 64) // it is a number
		p.Fraction = min(p.Fraction, 1)
		if p.Step = ""; m[4] >= 0 {
			p.Step = string(text[m[4]:m[5]])
		}
		return p
	}
	step, count := last(stepRE, text), last(countRE, text)
	if step != nil {
		p = jobs.Progress{Step: string(text[step[2]:step[3]])}
	}
	if count != nil && (step == nil || count[0] > step[0]) {
		heading := headingOf(p.Step)
		p.Step = heading + "iteration " + string(text[count[2]:count[3]])
	}
	if m := last(percentRE, text); m != nil && (step == nil || m[0] > step[0]) {
		if f, err := strconv.ParseFloat(string(text[m[2]:m[3]]), 64); err == nil && f <= 100 {
			p.Fraction = f / 100
		}
	}
	return p
}

// headingOf gives the heading of a step, without the count that follows it.
func headingOf(step string) string {
	m := headingRE.FindStringSubmatch(step)
	if m == nil || m[1] == "" {
		return ""
	}
	return m[1] + ", "
}

var headingRE = regexp.MustCompile(`^(.*?)(?:(?:, |^)iteration \d+)?$`)

func last(re *regexp.Regexp, text []byte) []int {
	all := re.FindAllSubmatchIndex(text, -1)
	if len(all) == 0 {
		return nil
	}
	return all[len(all)-1]
}

// watched is a driver that tells when the attempt's program starts.
type watched struct {
	fringe.Driver
	started chan<- struct{} // closed then
}

// Start implements fringe.Driver.
func (w watched) Start(ctx context.Context, s fringe.Spec) (fringe.Instance, error) {
	in, err := w.Driver.Start(ctx, s)
	if err == nil {
		close(w.started)
	}
	return in, err
}

// Attach implements fringe.Driver.
func (w watched) Attach(ctx context.Context, id fringe.InstanceID, scratch string) (fringe.Instance, error) {
	in, err := w.Driver.Attach(ctx, id, scratch)
	if err == nil {
		close(w.started)
	}
	return in, err
}

// watch looks at an attempt until ctx ends: it stops it when one of its clocks
// runs out, and tells its progress.
func (l *Local) watch(ctx context.Context, stop context.CancelCauseFunc, job *jobs.Job, started <-chan struct{}) {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	c := clocks{policy: job.Policy, begun: time.Now()}
	var seen [2]int64
	var told, now jobs.Progress
	var toldAt time.Time
	for {
		select {
		case <-ctx.Done():
			return
		case <-started:
			c.started, started = time.Now(), nil
		case <-tick.C:
		}
		for i, s := range []jobs.Stream{jobs.Stdout, jobs.Stderr} {
			text, size := l.cfg.Jobs.NewOutput(job.ID, s, seen[i], lookBytes)
			if size != seen[i] {
				seen[i], c.wrote = size, time.Now()
				now = progressOf(text, now)
			}
		}
		if err := c.over(time.Now()); err != nil {
			stop(err)
			return
		}
		if now != told && time.Since(toldAt) >= reportEvery {
			if err := l.cfg.Jobs.Report(ctx, job.ID, job.Fence, now); err != nil {
				l.cfg.Log.Debug("progress not told", "call", job.ID, "err", err)
			}
			told, toldAt = now, time.Now()
		}
	}
}
