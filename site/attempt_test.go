package site

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"fringe"
	"fringe/attempt"
	"fringe/catalogue"
	"fringe/cwl"
	"fringe/jobs"
)

func TestWhatBecomesOfAJob(t *testing.T) {
	user := &fringe.Error{Kind: fringe.Failed, Component: fringe.UserCode, Message: "it failed"}
	platform := &fringe.Error{Kind: fringe.Unavailable, Component: fringe.Start, Message: "no cgroup"}
	policy := fringe.Policy{Platform: 2, Function: 1, Backoff: 8 * time.Second, Most: 20 * time.Second}
	for _, c := range []struct {
		name          string
		spent, failed int
		cause, err    error
		temporary     bool
		want          string
	}{
		{"the function fails", 0, 0, nil, user, false, "ERROR"},
		{"it may succeed later", 0, 0, nil, user, true, "again after 6s, of the function"},
		{"it has failed often enough", 0, 1, nil, user, true, "ERROR"},
		{"failures of the platform do not count for it", 2, 0, nil, user, true, "again after 6s, of the function"},
		{"the platform fails", 0, 1, nil, platform, false, "again after 6s, of the platform"},
		{"it fails again", 1, 0, nil, platform, false, "again after 12s, of the platform"},
		{"it has failed often enough too", 2, 0, nil, platform, false, "ERROR"},
		{"an error without a kind", 0, 0, nil, errors.New("disk"), false, "again after 6s, of the platform"},
		{"no such data", 0, 0, nil, fringe.Errorf("x", fringe.NotFound, "gone"), false, "ERROR"},
		{"aborted", 0, 0, errAborted, platform, true, "ABORTED"},
		{"the program had not run", 1, 0, nil, fmt.Errorf("resume: %w", attempt.ErrNotStarted), false, "again after 0s, of the platform"},
		{"the program never runs", 2, 0, nil, fmt.Errorf("resume: %w", attempt.ErrNotStarted), false, "ERROR"},
	} {
		job := jobs.Job{Spent: c.spent, Failed: c.failed}
		job.Policy = policy
		e := endOf(&job, c.cause, c.err, c.temporary, 0.5)
		got := string(e.phase)
		if !e.settle {
			whose := "nobody"
			if e.again.Platform {
				whose = "the platform"
			}
			if e.again.Function {
				whose = "the function"
			}
			got = fmt.Sprintf("again after %v, of %s", e.again.Wait, whose)
		}
		if got != c.want || e.settle && e.err == nil {
			t.Errorf("%s: %s (%v), want %s", c.name, got, e.err, c.want)
		}
	}
	for n, want := range map[int]time.Duration{0: 8 * time.Second, 1: 16 * time.Second, 2: 20 * time.Second, 1000: 20 * time.Second} {
		if low, high := backoff(policy, n, 0), backoff(policy, n, 1); high != want || low != want/2 {
			t.Errorf("backoff(%d) is from %v to %v, want %v to %v", n, low, high, want/2, want)
		}
	}
}

func TestAfterATry(t *testing.T) {
	now := time.Unix(1000, 0)
	down := &fringe.Error{Kind: fringe.Unavailable, Message: "down"}
	for _, c := range []struct {
		name   string
		tries  int
		status int
		err    error
		want   string
	}{
		{"delivered", 0, 200, nil, "delivered 1 0s "},
		{"refused", 0, 0, &fringe.Error{Kind: fringe.Denied, Message: "private"}, "failed 1 0s private"},
		{"gone", 3, 410, down, "failed 4 0s down"},
		{"down", 0, 500, down, "waiting 1 7.5s down"},
		{"down again", 4, 0, down, "waiting 5 2m0s down"},
		{"often enough", deliverTries - 1, 0, down, "failed 12 0s down"},
	} {
		d := afterTry(jobs.Delivery{State: jobs.Waits, Tries: c.tries, Status: c.status}, c.err, now, 0.5)
		if got := fmt.Sprint(d.State, " ", d.Tries, " ", d.Next.Sub(now), " ", d.Error); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

func TestClocks(t *testing.T) {
	at := func(seconds int) time.Time { return time.Unix(int64(seconds), 0) }
	c := clocks{policy: fringe.Policy{Start: 10 * time.Second, Idle: 5 * time.Second}, begun: at(0)}
	for _, step := range []struct {
		now            int
		started, wrote int // 0: not now
		want           fringe.Component
	}{
		{now: 9}, {now: 11, want: fringe.Start}, {now: 20, started: 12, want: fringe.Timeout}, {now: 16}, {now: 20, wrote: 19}, {now: 24}, {now: 25, want: fringe.Timeout},
	} {
		if step.started > 0 {
			c.started = at(step.started)
		}
		if step.wrote > 0 {
			c.wrote = at(step.wrote)
		}
		if err := c.over(at(step.now)); (err == nil) != (step.want == "") || err != nil && fringe.E("", err).Component != step.want {
			t.Errorf("after %d s: %v, want %q", step.now, err, step.want)
		}
	}
	if err := (&clocks{begun: at(0)}).over(at(1e9)); err != nil {
		t.Errorf("a clock that does not run says %v", err)
	}
}

func TestProgress(t *testing.T) {
	p := jobs.Progress{}
	for _, c := range []struct {
		text string
		want jobs.Progress
	}{
		{"Reading...\n == Constructing PSF ==\nGridding: 0%....10%....20%.", jobs.Progress{Step: "Constructing PSF", Fraction: 0.2}},
		{"...30%....100%\n", jobs.Progress{Step: "Constructing PSF", Fraction: 1}},
		{" == Deconvolving (1) ==\nIteration 0, scale 0 px : 1.2 Jy\nIteration 100, scale 3 px : 0.2 Jy\n", jobs.Progress{Step: "Deconvolving (1), iteration 100"}},
		{"Iteration 200, scale 3 px\nnothing more\n", jobs.Progress{Step: "Deconvolving (1), iteration 200"}},
		{"working\n", jobs.Progress{Step: "Deconvolving (1), iteration 200"}},
		{" == Converting model image to visibilities ==\n", jobs.Progress{Step: "Converting model image to visibilities"}},
		{"done 45.5 %, 250% of the budget\n", jobs.Progress{Step: "Converting model image to visibilities"}},
		{"50%\nfringe:progress 0.250 imaging\nfringe:progress 0.500 imaging field 2\n70%\n", jobs.Progress{Step: "imaging field 2", Fraction: 0.5}},
		{"fringe:progress 1.000\n", jobs.Progress{Fraction: 1}},
		{" == Converting model image to visibilities ==\n", jobs.Progress{Step: "Converting model image to visibilities"}},
		{"flagged 3.25%\n", jobs.Progress{Step: "Converting model image to visibilities", Fraction: 0.0325}},
	} {
		if p = progressOf([]byte(c.text), p); p != c.want {
			t.Errorf("after %q it is %+v, want %+v", c.text, p, c.want)
		}
	}
}

// TestFingerprint changes a tree in every way that counts, and in the one that
// does not.
func TestFingerprint(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	print := func() string {
		t.Helper()
		s, err := fingerprint(t.Context(), dir)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	write("table.dat", "1")
	write("ANTENNA/table.dat", "1")
	before := print()
	write("table.lock", "x")
	write("ANTENNA/table.lock", "y")
	if print() != before {
		t.Error("lock files count")
	}
	for _, c := range []struct {
		what   string
		change func() error
	}{
		{"bytes within", func() error {
			write("ANTENNA/table.dat", "2") // its time may be that of before, to the tick of the clock
			return os.Chtimes(filepath.Join(dir, "ANTENNA/table.dat"), time.Time{}, time.Now().Add(time.Second))
		}},
		{"a new file", func() error { write("ANTENNA/table.f0", ""); return nil }},
		{"a new directory", func() error {
			return os.Mkdir(filepath.Join(dir, "FIELD"), 0o755)
		}},
		{"a name", func() error { return os.Rename(filepath.Join(dir, "table.dat"), filepath.Join(dir, "table.data")) }},
		{"a link", func() error { return os.Symlink("table.data", filepath.Join(dir, "link")) }},
		{"no file", func() error { return os.Remove(filepath.Join(dir, "ANTENNA/table.f0")) }},
		{"another file of the same look", func() error {
			path := filepath.Join(dir, "ANTENNA/table.dat")
			st, err := os.Stat(path)
			if err != nil {
				return err
			}
			write("new", "3")
			return errors.Join(os.Rename(filepath.Join(dir, "new"), path), os.Chtimes(path, st.ModTime(), st.ModTime()))
		}},
	} {
		if err := c.change(); err != nil {
			t.Fatal(err)
		}
		if after := print(); after == before {
			t.Errorf("%s does not count", c.what)
		} else {
			before = after
		}
	}
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(dir, link); err != nil {
		t.Fatal(err)
	}
	if s, err := fingerprint(t.Context(), link); err != nil || s != before {
		t.Errorf("by a link it is another one: %v", err)
	}
}

// TestDerivation has one call, and what makes another one of it.
func TestDerivation(t *testing.T) {
	parse := func(extra string) *catalogue.Version {
		t.Helper()
		tool, err := cwl.Parse("tool.cwl", []byte("cwlVersion: v1.2\nclass: CommandLineTool\nbaseCommand: echo\n"+extra+"inputs: {a: int, hidden: int?}\noutputs: []\n"), nil)
		if err != nil {
			t.Fatal(err)
		}
		return &catalogue.Version{Function: fringe.Function{Name: "f", Version: "1.0.0", Digest: "sha256:1"}, Tool: tool}
	}
	l := &Local{}
	key := func(v *catalogue.Version, env fringe.Digest, limits fringe.Limits, inputs map[string]any) string {
		t.Helper()
		k, err := l.derivation(t.Context(), v, fringe.Environment{Digest: env}, limits, inputs)
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	v, limits := parse(""), fringe.Limits{CPU: 1, Memory: 1 << 30}
	base := key(v, "e", limits, map[string]any{"a": 1})
	if again := key(parse(""), "e", limits, map[string]any{"a": 1}); again != base {
		t.Error("the same call has another derivation")
	}
	if quick := key(v, "e", fringe.Limits{CPU: 1, Memory: 1 << 30, Time: time.Hour}, map[string]any{"a": 1}); quick != base {
		t.Error("the time that it may take counts")
	}
	inherited, err := v.Tool.Override(map[string]any{"EnvVarRequirement": map[string]any{"envDef": map[string]any{"MODE": "fast"}}})
	if err != nil {
		t.Fatal(err)
	}
	overridden := *v
	overridden.Tool = inherited
	published := *v
	published.Digest = "sha256:2"
	for what, k := range map[string]string{
		"an input that the command line does not show": key(v, "e", limits, map[string]any{"a": 1, "hidden": 2}),
		"a parameter":               key(v, "e", limits, map[string]any{"a": 2}),
		"the environment":           key(v, "other", limits, map[string]any{"a": 1}),
		"the content":               key(&published, "e", limits, map[string]any{"a": 1}),
		"inherited requirements":    key(&overridden, "e", limits, map[string]any{"a": 1}),
		"the cores that it sees":    key(v, "e", fringe.Limits{CPU: 2, Memory: 1 << 30}, map[string]any{"a": 1}),
		"the name of a file it has": key(v, "e", limits, map[string]any{"a": map[string]any{"class": "File", "basename": "x", "contents": "1"}}),
	} {
		if k == base || k == "" {
			t.Errorf("%s does not count", what)
		}
	}
	for what, extra := range map[string]string{
		"WorkReuse":     "requirements: {WorkReuse: {enableReuse: false}}\n",
		"NetworkAccess": "requirements: {NetworkAccess: {networkAccess: true}}\n",
		"deterministic": "$namespaces: {fringe: \"urn:fringe:ns#\"}\nhints: {fringe:Function: {version: 1.0.0, deterministic: false}}\n",
	} {
		if k := key(parse(extra), "e", limits, map[string]any{"a": 1}); k != "" {
			t.Errorf("with %s the products are used again", what)
		}
	}
}
