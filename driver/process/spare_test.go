package process_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"fringe"
	"fringe/driver/drivertest"
	"fringe/driver/process"
)

// inits gives the names of this process's inits that begin with prefix, by
// their process.
func inits(t *testing.T, prefix string) map[string]string {
	t.Helper()
	lines, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for _, path := range lines {
		text, _ := os.ReadFile(path)
		status, _ := os.ReadFile(filepath.Join(filepath.Dir(path), "status"))
		args := strings.Split(strings.TrimRight(string(text), "\x00"), "\x00")
		if len(args) == 3 && args[0] == "fringe-init" && strings.Contains(string(status), fmt.Sprintf("\nPPid:\t%d\n", os.Getpid())) && strings.HasPrefix(args[2], prefix) {
			all[filepath.Base(filepath.Dir(path))] = strings.TrimSpace(args[2])
		}
	}
	return all
}

// spares waits until so many stand by, and gives their processes.
func spares(t *testing.T, want int) []string {
	t.Helper()
	var pids []string
	for range 1000 {
		pids = nil
		for pid := range inits(t, "standby.") {
			pids = append(pids, pid)
		}
		if len(pids) == want {
			slices.Sort(pids)
			return pids
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("%d spares, want %d", len(pids), want)
	return nil
}

func TestSpares(t *testing.T) {
	ctx := t.Context()
	cfg := process.Config{StateDir: drivertest.StateDir(t), Spares: 1}
	// Nothing stands by where instances are born into cgroups of version 2.
	cfg.WithoutCgroups = slices.ContainsFunc(open(t, cfg).Enforced(), func(c process.Check) bool {
		return c.Name == process.CheckCgroups && strings.HasPrefix(c.Detail, "version 2")
	})
	d := open(t, cfg)
	run, stop := context.WithCancel(ctx)
	ended := make(chan error)
	go func() { ended <- d.Run(run) }()

	start := func(id fringe.InstanceID, s fringe.Spec) fringe.Instance {
		t.Helper()
		s.ID, s.Argv, s.Limits = id, []string{"/bin/sleep", "60"}, fringe.Limits{CPU: 1, Memory: 1 << 28, Pids: 16}
		if cfg.WithoutCgroups && !root(t) {
			s.Limits.Pids = 0 // the processes of a plain user are counted in a user namespace of the instance's own
		}
		in, err := d.Start(ctx, s)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { in.Stop(context.Background(), 0) })
		return in
	}
	var first fringe.Instance
	for first == nil || len(inits(t, "standby.")) == 0 { // until Run has begun
		if first != nil {
			first.Stop(ctx, 0)
		}
		first = start("first", fringe.Spec{})
		time.Sleep(20 * time.Millisecond)
	}

	t.Run("Adopted", func(t *testing.T) {
		spare := spares(t, 1)[0]
		start("second", fringe.Spec{})
		if got := inits(t, "second")[spare]; got != "second" {
			t.Errorf("the spare %s has the name %q, want second; all: %v", spare, got, inits(t, ""))
		}
	})
	t.Run("WithNetworkIsAnother", func(t *testing.T) {
		spare := spares(t, 1)[0]
		start("third", fringe.Spec{Network: true})
		if got := spares(t, 1)[0]; got != spare {
			t.Errorf("the spare is %s, want still %s", got, spare)
		}
	})
	t.Run("Dead", func(t *testing.T) {
		spare := spares(t, 1)[0]
		p, err := os.FindProcess(atoi(t, spare))
		if err != nil {
			t.Fatal(err)
		}
		if err := p.Kill(); err != nil {
			t.Fatal(err)
		}
		start("fourth", fringe.Spec{})
		if got := inits(t, "fourth"); len(got) != 1 {
			t.Errorf("inits %v, want one named fourth", got)
		}
		if got := spares(t, 1)[0]; got == spare {
			t.Errorf("the dead spare %s was not replaced", spare)
		}
	})
	t.Run("SweptByNobody", func(t *testing.T) {
		other := open(t, process.Config{StateDir: drivertest.StateDir(t)})
		if err := other.Sweep(ctx, nil); err != nil {
			t.Fatal(err)
		}
		spares(t, 1)
	})
	t.Run("Ended", func(t *testing.T) {
		stop()
		if err := <-ended; err != nil {
			t.Fatal(err)
		}
		spares(t, 0)
		start("fifth", fringe.Spec{})
		spares(t, 0)
	})
}

func atoi(t *testing.T, s string) int {
	t.Helper()
	var n int
	if _, err := fmt.Sscan(s, &n); err != nil {
		t.Fatal(err)
	}
	return n
}
