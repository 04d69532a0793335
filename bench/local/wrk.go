package local

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"time"
)

// Load says what wrk shall do.
type Load struct {
	URL         string
	Token       string // empty: none is sent
	Connections int
	Time        time.Duration // in whole seconds
	Script      string        // Lua
}

// Run is what wrk measured.
type Run struct {
	P50, P99 time.Duration
	Rate     float64 // calls per second
	Calls    int
}

var (
	percentile = regexp.MustCompile(`(?m)^\s+(50|99)%\s+([0-9.]+)(us|ms|s)`)
	rate       = regexp.MustCompile(`Requests/sec:\s+([0-9.]+)`)
	calls      = regexp.MustCompile(`(\d+) requests in`)
	bad        = regexp.MustCompile(`(?m)(Non-2xx.*|Socket errors.*)$`)
)

// HasWrk says whether the load generator is installed.
func HasWrk() error {
	if _, err := exec.LookPath("wrk"); err != nil {
		return errors.New("wrk is not installed; scripts/setup.sh bench installs it")
	}
	return nil
}

// Do runs wrk. Any answer that is not good is an error.
func (l Load) Do(ctx context.Context) (r Run, err error) {
	script, err := os.CreateTemp("", "wrk-*.lua")
	if err != nil {
		return r, err
	}
	defer os.Remove(script.Name())
	if _, err := script.WriteString(l.Script); err != nil {
		return r, err
	}
	if err := script.Close(); err != nil {
		return r, err
	}
	args := []string{"-t", strconv.Itoa(min(l.Connections, 2)), "-c", strconv.Itoa(l.Connections), "-d", strconv.Itoa(max(1, int(l.Time.Seconds()))) + "s",
		"--latency", "-s", script.Name()}
	if l.Token != "" {
		args = append(args, "-H", "Authorization: Bearer "+l.Token)
	}
	out, err := exec.CommandContext(ctx, "wrk", append(args, l.URL)...).CombinedOutput()
	if err != nil {
		return r, fmt.Errorf("wrk: %w: %s", err, out)
	}
	if m := bad.Find(out); m != nil {
		return r, fmt.Errorf("not all answers were good: %s", m)
	}
	for _, m := range percentile.FindAllSubmatch(out, -1) {
		d, err := time.ParseDuration(string(m[2]) + string(m[3]))
		if err != nil {
			return r, err
		}
		if string(m[1]) == "50" {
			r.P50 = d
		} else {
			r.P99 = d
		}
	}
	if m := rate.FindSubmatch(out); m != nil {
		r.Rate, _ = strconv.ParseFloat(string(m[1]), 64)
	}
	if m := calls.FindSubmatch(out); m != nil {
		r.Calls, _ = strconv.Atoi(string(m[1]))
	}
	if r.Rate == 0 || r.Calls == 0 {
		return r, fmt.Errorf("wrk said nothing that can be read: %s", out)
	}
	return r, nil
}
