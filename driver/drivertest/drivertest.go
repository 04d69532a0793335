// Package drivertest is the suite that every driver passes: it runs real
// programs (sh, coreutils, /usr/bin/python3) and holds what happens against the
// promises of fringe.Driver and fringe.Instance.
//
// A driver's test calls Run; its TestMain is the one that the driver needs in
// any program. A limit that the machine does not let the driver keep in full is
// not left out: when the driver has a method Enforces(name string) bool that
// says so, the suite holds it to the weaker promise that is written beside each
// test.
package drivertest

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"fringe"
)

// The names that a driver's Enforces is asked for.
const (
	MemoryLimit = "memory limit"
	CPULimit    = "cpu limit"
	PidsLimit   = "pids limit"
)

// patience bounds every wait of the suite.
const patience = 5 * time.Minute

// Run tests the drivers that open gives. Each has a state directory from
// StateDir, if it needs one.
func Run(t *testing.T, open func(t *testing.T) fringe.Driver) {
	su := &suite{open: open, mark: fmt.Sprintf("dt%d", os.Getpid())}
	if test, dir, _, ok := owning(); ok {
		owners()[test](&kit{T: t, suite: su, d: open(t), dir: dir})
		return
	}
	before := take(t, su.mark)
	for _, test := range []struct {
		name string
		run  func(k *kit)
	}{
		{"Program", program}, {"Output", output}, {"ExitCode", exitCode}, {"Signal", signalled},
		{"Environment", environment}, {"Refused", refused}, {"NotFound", notFound},
		{"ReadOnly", readOnly}, {"Writable", writable}, {"MountPoints", mountPoints}, {"Hidden", hidden},
		{"Tmp", tmp}, {"Root", root}, {"Layers", layers}, {"Privileges", privileges}, {"Network", network},
		{"Memory", memory}, {"CPU", cpu}, {"Pids", pids}, {"FileSize", fileSize}, {"Time", timeLimit}, {"Usage", usage},
		{"Stop", stop}, {"StopTwice", stopTwice}, {"Wait", wait}, {"SameID", sameID}, {"Cancel", cancelled},
		{"Conn", conn}, {"Dial", dial}, {"Leftovers", leftovers}, {"Many", many},
		{"OwnerKilled", ownerKilled}, {"Bounded", bounded},
		{"DurableAttach", durableAttach}, {"DurableEnded", durableEnded}, {"DurableStop", durableStop}, {"DurableTime", durableTime},
		{"DurableMemory", durableMemory}, {"DurableKilled", durableKilled}, {"DurableSweep", durableSweep}, {"DurableStart", durableStart}, {"DurableRefused", durableRefused},
	} {
		t.Run(test.name, func(t *testing.T) {
			test.run(&kit{T: t, suite: su, d: open(t), dir: t.TempDir()})
		})
	}
	t.Run("NothingLeft", func(t *testing.T) { take(t, su.mark).same(t, before) })
}

// A suite is one run of all tests.
type suite struct {
	open   func(t *testing.T) fringe.Driver
	mark   string       // begins the id of every instance
	serial atomic.Int64 // makes the ids unique
}

// A kit is what one test has at hand.
type kit struct {
	*testing.T
	*suite
	d   fringe.Driver
	dir string // a directory of the test's own
}

// spec gives the spec of an instance that runs a shell script, with its
// standard output and error in the file that is returned.
func (k *kit) spec(script string) (fringe.Spec, *os.File) {
	k.Helper()
	n := k.serial.Add(1)
	out, err := os.Create(filepath.Join(k.dir, fmt.Sprintf("out-%d", n)))
	if err != nil {
		k.Fatal(err)
	}
	k.Cleanup(func() { out.Close() })
	id := fringe.InstanceID(fmt.Sprintf("%s-%d", k.mark, n))
	return fringe.Spec{
		ID:       id,
		Argv:     []string{"/bin/sh", "-c", script},
		Env:      []string{"PATH=/usr/bin:/bin", "DRIVERTEST=" + string(id)},
		Stdout:   out,
		Stderr:   out,
		TmpBytes: 64 << 20,
		Scratch:  k.mkdir(fmt.Sprintf("scratch-%d", n)),
	}, out
}

// python makes the spec run a Python program.
func python(s fringe.Spec, program string) fringe.Spec {
	s.Argv = []string{"/usr/bin/python3", "-I", "-S", "-c", program}
	return s
}

func (k *kit) mkdir(name string) string {
	k.Helper()
	dir := filepath.Join(k.dir, name)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		k.Fatal(err)
	}
	return dir
}

func (k *kit) write(path, text string) string {
	k.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		k.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		k.Fatal(err)
	}
	return path
}

// start starts s and stops it, if need be, when the test ends.
func (k *kit) start(s fringe.Spec) fringe.Instance {
	k.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	in, err := k.d.Start(ctx, s)
	if err != nil {
		k.Fatalf("Start() = %v", err)
	}
	k.Cleanup(func() {
		if err := in.Stop(context.Background(), 0); err != nil {
			k.Errorf("Stop() = %v", err)
		}
	})
	return in
}

// end waits for the end of the instance.
func (k *kit) end(in fringe.Instance) fringe.Exit {
	k.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	e, err := in.Wait(ctx)
	if err != nil {
		k.Fatalf("Wait() = %v", err)
	}
	return e
}

// run runs s to its end and gives what it wrote.
func (k *kit) run(s fringe.Spec, out *os.File) (fringe.Exit, string) {
	k.Helper()
	e := k.end(k.start(s))
	return e, k.read(out.Name())
}

// sh runs a script that must succeed, with changes to its spec, and gives what
// it wrote.
func (k *kit) sh(script string, change func(*fringe.Spec)) string {
	k.Helper()
	s, out := k.spec(script)
	if change != nil {
		change(&s)
	}
	e, text := k.run(s, out)
	if e.Cause != fringe.Exited || e.Code != 0 {
		k.Fatalf("the script ended with %+v and wrote:\n%s", e, text)
	}
	return text
}

func (k *kit) read(path string) string {
	k.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		k.Fatal(err)
	}
	return string(text)
}

// same fails when got is not want.
func (k *kit) same(what, got, want string) {
	k.Helper()
	if strings.TrimSpace(got) != strings.TrimSpace(want) {
		k.Errorf("%s = %q, want %q", what, got, want)
	}
}

// ended checks how an instance ended.
func (k *kit) ended(e fringe.Exit, cause fringe.Cause, code int) {
	k.Helper()
	if e.Cause != cause || e.Code != code {
		k.Errorf("Wait() = code %d, cause %q, signal %d; want code %d, cause %q", e.Code, e.Cause, e.Signal, code, cause)
	}
}

// enforces says whether the driver keeps the limit in full.
func (k *kit) enforces(name string) bool {
	e, ok := k.d.(interface{ Enforces(name string) bool })
	return !ok || e.Enforces(name)
}

// eventually waits until ok, which depends on another process, holds.
func (k *kit) eventually(what string, ok func() bool) {
	k.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(patience); !ok(); <-tick.C {
		if time.Now().After(end) {
			k.Fatalf("still not so after %v: %s", patience, what)
		}
	}
}
